# SPDX-License-Identifier: GPL-2.0
# In the guest: disks in memory, some of whose sectors fail, by null_blk. Source it: . /faulty.sh
# Needs --available null_blk.
# shellcheck shell=sh

# make_disk NAME MIB [ATTRIBUTE=VALUE]...: /dev/NAME is there afterwards.
make_disk() {
	[ -d /sys/kernel/config/nullb ] || modprobe null_blk nr_devices=0 || return 1
	mkdir "/sys/kernel/config/nullb/$1" || return 1
	disk=/sys/kernel/config/nullb/$1
	echo "$2" >"$disk/size"
	shift 2
	for setting in memory_backed=1 blocksize=512 "$@"; do
		echo "${setting#*=}" >"$disk/${setting%%=*}" || return 1
	done
	echo 1 >"$disk/power"
	# Older kernels number the disks themselves: nullb0, nullb1, ...
	[ -b "/dev/${disk##*/}" ] || ln -s "nullb$(cat "$disk/index")" "/dev/${disk##*/}"
}

# break_sectors NAME FIRST LAST, mend_sectors NAME FIRST LAST: reads and writes of them fail, or not.
break_sectors() { echo "+$2-$3" >"/sys/kernel/config/nullb/$1/badblocks"; }
mend_sectors() { echo "-$2-$3" >"/sys/kernel/config/nullb/$1/badblocks"; }
