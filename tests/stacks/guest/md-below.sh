# SPDX-License-Identifier: GPL-2.0
# The spare on md RAID1, each of whose legs dies in turn while main keeps getting worse.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

leg_table() { echo "0 $(sectors_of "/dev/plain_leg_$1") $2" | table "leg_$1"; }
leg_works() { leg_table "$1" "linear /dev/plain_leg_$1 0"; }
leg_dies() { leg_table "$1" error; }
wait_for_md() { mdadm --wait /dev/md1 >/dev/null 2>&1 || true; }
leg_is_back() {
	leg_works "$1"
	quietly mdadm --manage /dev/md1 --remove "/dev/mapper/leg_$1"
	quietly mdadm --manage /dev/md1 --add "/dev/mapper/leg_$1"
	wait_for_md
	[ "$(cat /sys/block/md1/md/degraded)" = 0 ] || die "leg $1 does not come back: $(mdadm --detail /dev/md1)"
}

check_all() {
	quietly e2fsck -f -n /dev/mapper/remap
	quietly mount /dev/mapper/remap /mnt
	check_tree
	must umount /mnt
}

make_disks 200
must dmsetup remove spare
for leg in a b; do
	make_disk plain_leg_$leg 128 || die "no leg"
	leg_works $leg
done
quietly mdadm --create /dev/md1 --run --level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --assume-clean \
	/dev/mapper/leg_a /dev/mapper/leg_b
echo "0 $(sectors_of /dev/md1) linear /dev/md1 0" | table spare
open_remap
quietly mkfs.ext4 -q /dev/mapper/remap
quietly mount /dev/mapper/remap /mnt
mkdir /mnt/tree
start_tree /mnt/tree 50 20
for ((step = 0; step < 20; step++)); do
	decay 6
	remap_is_sound
	case $step in
	4) leg_dies a ;;
	9) leg_is_back a ;;
	14) leg_dies b ;;
	esac
	sleep 2
done
tree_is_done
must umount /mnt
echo "$(ios_of remap); $(decay_report); $(dmsetup status remap)"
[ "$(slots_used)" -gt 100 ] || die "too little was redirected for this to show anything"
[ "$(cat /sys/block/md1/md/degraded)" = 1 ] || die "leg b was not missed"
check_all
# The pair opens from the leg that is left.
pair=$(uuid)
must dmsetup remove remap
must dmsetup remove spare
must mdadm --stop /dev/md1
quietly mdadm --assemble --run /dev/md1 /dev/mapper/leg_a
echo "0 $(sectors_of /dev/md1) linear /dev/md1 0" | table spare
open_remap uuid "$pair"
check_all
remap_is_sound
echo "e2fsck, the tree, also from one leg: all is right; $(dmsetup status remap)"
