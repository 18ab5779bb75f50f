# SPDX-License-Identifier: GPL-2.0
# md RAID1 with the target as a leg, on a pair that keeps getting worse. What the target has lost is
# EIO, so md takes it from the other leg and writes it back, and then it is lost no more.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

# md reads all of both legs, and writes what one of them doesn't read.
scrub() {
	echo check >/sys/block/md0/md/sync_action
	mdadm --wait /dev/md0 >/dev/null 2>&1 || true
}

# Both legs are in use, read, and are equal. (md counts what does not read as a difference, too.)
check_array() {
	scrub
	[ "$(cat /sys/block/md0/md/array_state)" != inactive ] || die "the array is gone"
	[ "$(cat /sys/block/md0/md/degraded)" = 0 ] || die "a leg was given up: $(mdadm --detail /dev/md0)"
	[ "$(cat /sys/block/md0/md/mismatch_cnt)" = 0 ] || die "the legs differ: $(cat /sys/block/md0/md/mismatch_cnt)"
}

check_all() {
	quietly e2fsck -f -n /dev/md0
	quietly mount /dev/md0 /mnt
	check_tree
	must umount /mnt
}

# Places that neither read nor write at once, although nothing has moved from there.
lose_places() {
	sed -i 's/writes$/dead/' /tmp/bad
	decay 0
}

make_disks 200
make_disk other 200 || die "no other leg"
open_remap
quietly mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --assume-clean \
	/dev/mapper/remap /dev/other
# By default a leg with twenty errors an hour is given up: this is about the target, not about md.
echo 1000000 >/sys/block/md0/md/max_read_errors
quietly mkfs.ext4 -q /dev/md0
quietly mount /dev/md0 /mnt
mkdir /mnt/tree
start_tree /mnt/tree 40 20
lost=0
for ((step = 0; step < 18; step++)); do
	[ $((step % 6)) -ne 5 ] || lose_places
	decay 6
	now=$(status_field 3)
	[ "$now" -le "$lost" ] || lost=$now
	sleep 2
done
tree_is_done
must umount /mnt
lose_places
scrub
echo "$(ios_of remap); $(decay_report); $(dmsetup status remap)"
[ "$(slots_used)" -gt 100 ] || die "too little was redirected for this to show anything"
[ "$(dmsetup message remap 0 stats | sed -n 's/^read_errors=//p')" -gt 0 ] || die "nothing was lost in between"
check_array
remap_is_sound
check_all
must mdadm --stop /dev/md0
reopen_remap
# Of the target alone: what it has must be all that there is.
quietly mdadm --assemble --run /dev/md0 /dev/mapper/remap
check_all
echo "the legs are equal, e2fsck, the tree, also on the target alone: all is right; $(dmsetup status remap)"
