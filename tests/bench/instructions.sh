# SPDX-License-Identifier: GPL-2.0
# In the guest, whose clock counts instructions: what one I/O costs on each device. Prints lines
# "BENCH <rw> <name> <instructions>". A name becomes a column of the table or a key of the JSON.
#   instructions.sh IOS MAIN_MIB SPARE_MIB MOVED STEP
# MOVED blocks, one each STEP sectors, are redirected by /images/spread; one in the middle of each
# 128 KiB by /images/pieces.
# shellcheck shell=sh
. /bench.sh

ios=$1
moved=$4
step=$5

# Nothing is kept: what is read of main does not matter here. The spare has its metadata to keep.
quick_disk main "$2" memory_backed=0
quick_disk spare "$3"
quick_disk other "$3" memory_backed=0
sectors=$(blockdev --getsz /dev/main)
pieces=$((sectors / 256))
slots=16384
remap="0 $sectors remap /dev/main /dev/spare"

# measure NAME PATH BS IOS [FIO OPTION]...: random reads and writes.
# The log has a line for each I/O, its time from start to end in nanoseconds second. Nearly all are
# equal; the others are those in which a timer's interrupt fell, which are no part of an I/O. So the
# median is exact, where a mean varies by some instructions from run to run.
measure() {
	name=$1 path=$2 bs=$3 count=$4
	shift 4
	for rw in randread randwrite; do
		fio --name="$name" --filename="$path" --rw=$rw --ioengine=psync --direct=1 --bs="$bs" --thread=1 \
			--norandommap=1 --number_ios="$count" --write_lat_log=log "$@" >result || {
			cat result
			die "fio failed on $name"
		}
		sort -n -t , -k 2 log_lat.1.log | awk -F ', ' -v expected="$count" -v name="$rw $name" '
			{ ns[NR] = $2 }
			END { if (NR == expected) print "BENCH", name, ns[int((NR + 1) / 2)]; exit NR != expected }' ||
			die "fio did not do $count I/Os on $name"
		rm log_*
	done
}

# measure_4k NAME, measure_large NAME: on /dev/mapper/NAME
measure_4k() { measure "$1" "/dev/mapper/$1" 4k "$ios"; }
# Large I/O from and to a huge page: in how many parts its memory comes must not differ by chance.
echo 4 >/proc/sys/vm/nr_hugepages
measure_large() {
	for bs in 128k 1m; do
		measure "$1_$bs" "/dev/mapper/$1" $bs $((ios / 10)) --iomem=mmaphuge
	done
}

# A device is gone before the next one is made: dm-remap claims what is below it.
remove() { dmsetup remove "$1" || die "cannot remove $1"; }

measure raw /dev/main 4k "$ios"

echo "0 $sectors linear /dev/main 0" | create linear
measure_4k linear
measure_large linear
remove linear

# What can be done without dm-remap: the blocks moved by hand.
segments "$moved" 0 "$step" /dev/other 0 | create segments
measure_4k segments
remove segments

# The price that every I/O of a healthy disk pays.
echo "$remap" | create remap_0
measure_4k remap_0
measure_large remap_0
remove remap_0

# I/O to anywhere, which is mostly beside the redirected blocks; and to these only, against dm-linear
# on the very slots, all of which were written before.
put_table spread spare
dd if=/dev/zero of=/dev/spare bs=1M seek=8 count=$((pieces / 256)) conv=fsync 2>/dev/null || die "cannot fill the slots"
echo "0 $((moved * 8)) linear /dev/spare $slots" | create linear_slots
measure_4k linear_slots
remove linear_slots
# Main keeps nothing, so nothing can be read back from it.
echo "$remap 2 verify_writes off" | create remap_10k
[ "$(used remap_10k)" -eq "$moved" ] || die "remap_10k has $(used remap_10k) redirections"
measure_4k remap_10k
measure hit /dev/mapper/remap_10k 4k "$ios" --ba=$((step * 512)) --size=$((moved * step * 512))
remove remap_10k

# Each 128 KiB are three pieces, each MiB seventeen: by hand, and by dm-remap.
segments "$pieces" 128 256 /dev/spare $slots | create segments
measure_large segments
remove segments
put_table pieces spare
echo "$remap 2 verify_writes off" | create pieces
[ "$(used pieces)" -eq "$pieces" ] || die "pieces has $(used pieces) redirections"
measure_large pieces
remove pieces

# A block beside a redirected one, on a disk that keeps its data: what reading back costs a write.
quick_disk kept 64
quick_disk kept_spare 16
for mode in off near; do
	echo "0 131072 remap /dev/kept /dev/kept_spare 2 verify_writes $mode" | create verify_$mode
	dmsetup message verify_$mode 0 remap 8 >/dev/null || die "cannot redirect a block"
	measure verify_$mode /dev/mapper/verify_$mode 4k $((ios / 10)) --offset=8192 --size=4096 \
		--io_size=$((ios / 10 * 4096))
	[ "$(used verify_$mode)" -eq 1 ] || die "verify_$mode has $(used verify_$mode) redirections"
	remove verify_$mode
done
