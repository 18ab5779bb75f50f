# SPDX-License-Identifier: GPL-2.0
# A file system under load on a pair that keeps getting worse, for an hour of the guest's time.
#   filesystem.sh ext4|xfs|btrfs [SECONDS]
# Load: a tree whose every byte is known (tests/stacks/tree.c), dbench, and in turns stress-ng and fio,
# which verifies what it wrote. Afterwards the file system's own check, and the tree and all other files
# compared; all of it again after the target was closed and opened.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

type=$1
seconds=${2:-3600}
step=120

case $type in
ext4)
	make="mkfs.ext4 -q -O metadata_csum,64bit"
	check="e2fsck -f -n"
	;;
xfs)
	make="mkfs.xfs -q"
	check="xfs_repair -n"
	;;
btrfs)
	make="mkfs.btrfs -q --csum xxhash"
	check="btrfs check --readonly --check-data-csum"
	;;
*) die "no such file system: $type" ;;
esac

# The machine's memory would hold everything: what is read is to come from the disk.
drop_caches() { echo 3 >/proc/sys/vm/drop_caches; }

start_load() {
	mkdir /mnt/{tree,dbench,stress}
	start_tree /mnt/tree "$seconds" 400
	dbench -t "$seconds" -R 0.5 -D /mnt/dbench 1 >/tmp/dbench 2>&1 &
	dbench_pid=$!
}

# Operations of which there is no end in sight go by number, not by time.
stress() {
	quietly stress-ng --temp-path /mnt/stress --verify --timeout 300 \
		--dir 1 --dir-ops 64 --dir-dirs 64 --rename 1 --rename-ops 100 --dentry 1 --dentry-ops 256 \
		--fallocate 1 --fallocate-ops 2 --fallocate-bytes 4m --seek 1 --seek-ops 100 --seek-size 4m \
		--hdd 1 --hdd-ops 64 --hdd-bytes 4m --hdd-opts wr-rnd,rd-rnd,fsync
}

# Not all the time: it wakes up hundreds of times a second, whatever it has to do.
verified_io() {
	quietly fio --name=verified --filename=/mnt/verified --size=48m --io_size=1m --bsrange=4k-16k --direct=1 \
		--rw=randwrite --randrepeat=0 --verify=crc32c --verify_fatal=1
}

# Seconds of the load.
wait_until() { [ $((SECONDS - began)) -ge "$1" ] || sleep $((began + $1 - SECONDS)); }

check_all() {
	quietly $check /dev/mapper/remap
	quietly mount /dev/mapper/remap /mnt
	if [ "$type" = btrfs ]; then
		quietly btrfs scrub start -B -r /mnt
		grep -q 'no errors found' /tmp/quietly || die "scrub: $(cat /tmp/quietly)"
	fi
	check_tree
	quietly sha256sum -c --quiet /tmp/sums
	quietly umount /mnt
	quietly $check /dev/mapper/remap
	echo "checked: $check, the tree, all files"
}

dmesg -n 5
echo 300 >/proc/sys/kernel/hung_task_timeout_secs
echo $((16 << 20)) >/proc/sys/vm/dirty_bytes
make_disks 400 8000000
open_remap
quietly $make /dev/mapper/remap
quietly mount /dev/mapper/remap /mnt
start_load
began=$SECONDS
for ((steps = 1; SECONDS - began + step < seconds; steps++)); do
	decay 12
	if [ $((steps % 2)) -eq 0 ]; then stress; else verified_io; fi
	drop_caches
	[ $((steps % 5)) -ne 0 ] || must dmsetup suspend remap
	[ $((steps % 5)) -ne 0 ] || must dmsetup resume remap
	[ "$steps" -ne 15 ] || decay_spare
	remap_is_sound
	[ $((steps % 5)) -ne 0 ] || echo "$((SECONDS - began)) guest seconds: $(decay_report); $(dmsetup status remap)"
	wait_until $((steps * step))
done
tree_is_done
wait "$dbench_pid" || die "dbench: $(tail /tmp/dbench)"
took=$((SECONDS - began))
find /mnt -type f -exec sha256sum {} + >/tmp/sums
must umount /mnt
echo "$took guest seconds, $(ios_of remap) of the target, $(ios_of main) of main"
echo "$(decay_report); $(dmsetup status remap)"
remap_is_sound
[ "$(slots_used)" -gt $((seconds / 6)) ] || die "too little was redirected for this to show anything"
check_all
reopen_remap
check_all
remap_is_sound
echo "after $took guest seconds all is right; $(dmsetup status remap)"
