# SPDX-License-Identifier: GPL-2.0
# In the guest, whose clock counts instructions: what one I/O costs on each device. Prints lines
# "BENCH <device> <rw> <instructions>".
#   guest.sh IOS
# A device is a function make_<name>, which makes /dev/mapper/<name>. To add one, write its function and
# put its name into $devices: it becomes a column of the table and a key of the JSON.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

devices="raw linear segments remap_0 remap_10k"
ios=$1

# Nothing is kept: what is read does not matter here. In bio mode, where the kernel still has it,
# null_blk itself costs least.
make_disk main 2048 memory_backed=0 queue_mode=0 2>/dev/null || {
	rmdir /sys/kernel/config/nullb/main
	make_disk main 2048 memory_backed=0 || die "no disk"
}
make_disk spare 128 || die "no spare disk"
make_disk other 128 memory_backed=0 || die "no second spare disk"
sectors=$(blockdev --getsz /dev/main)

# create NAME, by the table on standard input
create() { dmsetup create "$1" || die "cannot create $1"; }

make_raw() { :; }
make_linear() { echo "0 $sectors linear /dev/main 0" | create linear; }
# Nothing redirected: the price that every I/O of a healthy disk pays.
make_remap_0() { echo "0 $sectors remap /dev/main /dev/spare" | create remap_0; }
# 10,000 blocks redirected, in 100 places.
make_remap_10k() {
	echo "0 $sectors remap /dev/main /dev/spare" | create remap_10k
	for place in $(seq 0 99); do
		dmsetup message remap_10k 0 remap $((place * 40000)) 800 >result || return 1
	done
	[ "$(dmsetup status remap_10k | cut -d ' ' -f 5 | cut -d / -f 1)" -eq 10000 ]
}
# 10,000 blocks moved by hand, as can be done without dm-remap.
make_segments() {
	awk -v sectors="$sectors" 'BEGIN {
		at = 0
		moved = 10000
		step = int(sectors / moved / 8) * 8
		for (i = 0; i < moved; i++) {
			print at, i * step + 8 - at, "linear /dev/main", at
			at = i * step + 8
			print at, 8, "linear /dev/other", i * 8
			at += 8
		}
		print at, sectors - at, "linear /dev/main", at
	}' | create segments
}

# The log has a line for each I/O, its time from start to end in nanoseconds second. Nearly all are
# equal; the others are those in which a timer's interrupt fell, which are no part of an I/O. So the
# median is exact, where a mean varies by some instructions from run to run.
measure() {
	fio --name="$1" --filename="$path" --rw="$2" --ioengine=psync --direct=1 --bs=4k --thread=1 \
		--norandommap=1 --number_ios="$ios" --write_lat_log=log >result || { cat result; die "fio failed on $1"; }
	sort -n -t , -k 2 log_lat.1.log | awk -F ', ' -v expected="$ios" -v name="$1 $2" '
		{ ns[NR] = $2 }
		END { if (NR == expected) print "BENCH", name, ns[int((NR + 1) / 2)]; exit NR != expected }' ||
		die "fio did not do $ios I/Os on $1"
	rm log_*
}

# A device is gone before the next one is made: dm-remap claims what is below it.
for device in $devices; do
	path=/dev/mapper/$device
	[ "$device" != raw ] || path=/dev/main
	"make_$device" || die "no $device"
	measure "$device" randread
	measure "$device" randwrite
	[ "$device" = raw ] || dmsetup remove "$device" || die "cannot remove $device"
done
