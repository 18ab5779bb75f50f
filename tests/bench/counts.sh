# SPDX-License-Identifier: GPL-2.0
# In the guest: what dm-remap does to its devices, counted at the devices, and what it takes of memory.
# Prints lines "COUNT <name> <number>".
#   counts.sh MOVED STEP FULL FULL_SPARE_MIB MAIN_MIB
# MOVED blocks fail, in a row or one each STEP sectors; /images/full has FULL redirections.
# shellcheck shell=sh
. /bench.sh

moved=$1
step=$2
full=$3

# Request-based, so that the kernel counts, and with a cache to flush.
make_disk main "$5" memory_backed=0 || die "no main disk"
make_disk small 64 cache_size=4 || die "no small disk"
make_disk spare "$4" cache_size=16 || die "no spare disk"
sectors=$(blockdev --getsz /dev/main)

# field DISK N: of its statistics: 1 reads, 5 writes, 7 sectors written, 16 flushes
field() {
	path=$(readlink -f "/dev/$1")
	awk -v n="$2" '{ print $n }' "/sys/block/${path##*/}/stat"
}

# io NAME [FIO OPTION]...
io() {
	name=$1
	shift
	fio --name="$name" --filename="/dev/mapper/$name" --direct=1 --thread=1 "$@" >result 2>&1 || {
		cat result
		die "fio failed on $name"
	}
}

# A flush without data is counted as a write too.
writes() { echo $(($(field "$1" 5) - $(field "$1" 16))); }

# --- flushes: writes of 4 KiB, an fsync after each, on the same disk, nothing redirected
flushes() {
	main=$(field small 16) spare=$(field spare 16)
	io "$1" --rw=randwrite --bs=4k --ioengine=psync --fsync=1 --number_ios=1000
	echo "COUNT flushes_main_$1 $(($(field small 16) - main))"
	echo "COUNT flushes_spare_$1 $(($(field spare 16) - spare))"
}
small=$(blockdev --getsz /dev/small)
echo "0 $small linear /dev/small 0" | create linear
flushes linear
dmsetup remove linear
echo "0 $small remap /dev/small /dev/spare" | create remap
flushes remap
dmsetup remove remap

# --- errors absorbed: main is a device some of whose blocks fail
wipe() { dd if=/dev/zero of=/dev/spare bs=1M count=8 conv=fsync 2>/dev/null; }

# absorb CASE [FIO OPTION]...: the table of main on standard input
absorb() {
	case=$1
	shift
	create sick
	wipe
	echo "0 $sectors remap /dev/mapper/sick /dev/spare 2 remap_burst 1000000" | create absorb
	reads=$(field spare 1) writes=$(writes spare) written=$(field spare 7) flushed=$(field spare 16)
	commits=$(counter absorb commits)
	io absorb "$@"
	[ "$(used absorb)" -eq "$moved" ] || die "$(used absorb) blocks were redirected, not $moved"
	echo "COUNT ${case}_blocks $moved"
	echo "COUNT ${case}_reads $(($(field spare 1) - reads))"
	echo "COUNT ${case}_writes $(($(writes spare) - writes))"
	echo "COUNT ${case}_bytes $((($(field spare 7) - written) * 512))"
	echo "COUNT ${case}_flushes $(($(field spare 16) - flushed))"
	echo "COUNT ${case}_commits $(($(counter absorb commits) - commits))"
	echo "COUNT ${case}_ios $(sed -n 's/.*issued rwts: total=[0-9]*,\([0-9]*\),.*/\1/p' result)"
	dmsetup remove absorb
	dmsetup remove sick
}
in_a_row=$((moved * 8))
printf '%s\n' "0 $in_a_row error" "$in_a_row $((sectors - in_a_row)) linear /dev/main $in_a_row" |
	absorb row --rw=write --bs=1m --ioengine=psync --number_ios=$(((in_a_row + 2047) / 2048))
segments "$moved" 0 "$step" error 0 |
	absorb scattered --rw=write:$((step / 2 - 4))k --bs=4k --ioengine=libaio --iodepth=32 --number_ios="$moved"

# --- a full table: memory, and the time of its opening. The first opening notes which main it is.
put_table full spare
full() { echo "0 $sectors remap /dev/main /dev/spare" | create full; }
full
dmsetup remove full
writes=$(writes spare)
began=$(date +%s%N)
full
ended=$(date +%s%N)
[ "$(used full)" -eq "$full" ] || die "the full table has $(used full) redirections"
echo "COUNT open_writes $(($(writes spare) - writes))"
echo "COUNT open_microseconds $(((ended - began) / 1000))"
echo "COUNT memory_bytes $(counter full memory_bytes)"
echo "COUNT memory_slots $(counter full slots_total)"
dmsetup remove full
began=$(date +%s%N)
echo "0 $sectors linear /dev/main 0" | create linear
ended=$(date +%s%N)
echo "COUNT open_linear_microseconds $(((ended - began) / 1000))"
dmsetup remove linear

# The smallest spare has the least room beside its slots.
make_disk smallest 16 || die "no smallest disk"
echo "0 $sectors remap /dev/main /dev/smallest" | create smallest
echo "COUNT memory_small_bytes $(counter smallest memory_bytes)"
echo "COUNT memory_small_slots $(counter smallest slots_total)"
dmsetup remove smallest
