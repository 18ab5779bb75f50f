# SPDX-License-Identifier: GPL-2.0
# Two jobs write and verify while faults come and go on both disks, and the target is suspended,
# reloaded and sent messages under them. fio knows what each block must hold.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

seconds=$((10 * ${DMR_LONG:-1}))
main_sectors=$((128 * 2048))
spare_sectors=$((64 * 2048))
round=0

# random LOW HIGH: a number from LOW to HIGH - 1, another one each time
seed=1
random() {
	seed=$(((seed * 1103515245 + 12345) & 0x7fffffff))
	number=$(($1 + (seed >> 8) % ($2 - $1)))
}

# table DISK SECTORS FIRST COUNT...: linear, but for writes to these places, in order, which fail
table() {
	disk=$1 end=$2 at=0
	shift 2
	while [ $# -gt 0 ]; do
		echo "$at $(($1 - at)) linear /dev/$disk $at"
		echo "$1 $2 flakey /dev/$disk $1 0 3600 1 error_writes"
		at=$(($1 + $2))
		shift 2
	done
	echo "$at $((end - at)) linear /dev/$disk $at"
}

reload() {
	dmsetup load "$1" && dmsetup resume "$1" || die "cannot reload $1"
}

# One place in each third of the megabytes that the jobs use.
move_faults_of_main() {
	set --
	for third in 0 1 2; do
		random $((third * 20000 + 1)) $((third * 20000 + 19900))
		set -- "$@" "$number"
		random 1 80
		set -- "$@" "$number"
	done
	table main $main_sectors "$@" | reload below_main
}

# One copy of the metadata, slots that are used, and some that will be. Between two commits: one that sees the
# old copy fail and then the new one would have lost two, and says so with EIO.
move_faults_of_spare() {
	random 0 4
	copy=$((1024 << number))
	next=$((16384 + 8 * $(used)))
	random 16384 $((next + 1))
	dmsetup suspend target || die "suspend"
	table spare $spare_sectors $copy 40 "$number" 30 $((next + 40)) 20 | reload below_spare
	dmsetup resume target || die "resume"
}

target_reload() {
	dmsetup table target >/tmp/table
	reload target </tmp/table
}

# A message whose answer does not matter; that it is done does.
tell() {
	random 0 60000
	dmsetup message target 0 "$1" "$number" 64 >/tmp/answer || die "message $1 $number"
}

# Whatever the faults are: what an administrator may do meanwhile.
disturb() {
	round=$((round + 1))
	case $((round % 7)) in
	0) dmsetup suspend target && dmsetup resume target || die "suspend" ;;
	1) target_reload ;;
	2) tell remap ;;
	3) tell unmap ;;
	4) dmsetup message target 0 repair >/tmp/answer || die "repair" ;;
	5) tell retest ;;
	6) dmsetup message target 0 list >/tmp/answer || die "list" ;;
	esac
}

used() { dmsetup status target | cut -d ' ' -f 5 | cut -d / -f 1; }
lost() { dmsetup status target | cut -d ' ' -f 6; }
stat() { dmsetup message target 0 stats | sed -n "s/^$1=//p"; }

# fio_jobs OPTION...: in the background, two jobs in 15 MiB each; $! is it
fio_jobs() {
	# shellcheck disable=SC2086
	fio --filename=/dev/mapper/target --direct=1 --ioengine=libaio --iodepth=8 --thread=1 \
		--rw=randwrite --verify=crc32c --verify_fatal=1 --verify_backlog=256 \
		--time_based=1 --runtime=$seconds --size=15M "$@" \
		--name=blocks --bs=4k --offset=0 \
		--name=pieces --bsrange=512-32k --offset=15M --fsync=64 >/tmp/fio 2>&1 &
}

make_target() {
	make_disk main 128 || die "no main"
	make_disk spare 64 || die "no spare"
	table main $main_sectors | dmsetup create below_main || die "below_main"
	table spare $spare_sectors | dmsetup create below_spare || die "below_spare"
	echo "0 $main_sectors remap /dev/mapper/below_main /dev/mapper/below_spare 2 remap_burst 1000000" |
		dmsetup create target || die "target"
}

remove_target() {
	dmsetup remove target && dmsetup remove below_main && dmsetup remove below_spare || die "remove"
	rmdir /sys/kernel/config/nullb/main /sys/kernel/config/nullb/spare || die "disks"
}

# Ends with fio; its verdict is the test's.
finish() {
	wait "$1" || { cat /tmp/fio; dmsetup status target; dmesg | tail -n 30; die "fio: $2"; }
	table main $main_sectors | reload below_main
	table spare $spare_sectors | reload below_spare
	[ "$(dmsetup message target 0 repair)" = 5/5 ] || die "repair: $(dmsetup status target)"
	grep 'issued rwts' /tmp/fio
	echo "$2: $round rounds; $(dmsetup status target)"
	dmsetup message target 0 stats | tr '\n' ' '
}

# Writes fail here and there, on main and on the spare, and nobody sees any of it.
writes_that_fail() {
	make_target
	# What nobody has written yet may as well not be readable.
	for first in 3000 9003 31000 45005; do break_sectors main $first $((first + 100)); done
	fio_jobs
	job=$!
	while kill -0 $job 2>/dev/null; do
		move_faults_of_main
		move_faults_of_spare
		disturb
	done
	finish $job "failing writes"
	[ "$(lost)" -eq 0 ] || die "sectors are lost"
	[ "$(used)" -gt 20 ] && [ "$(stat write_errors)" -gt 20 ] || die "hardly anything was redirected"
	[ "$(stat retired_slots)" -gt 0 ] || die "no slot failed"
	remove_target
}

# What can't be read any more is an error, but never wrong; writes do not fail.
reads_that_fail() {
	make_target
	fio_jobs --ignore_error=EIO,,EIO
	job=$!
	while kill -0 $job 2>/dev/null; do
		set --
		for third in 0 1 2; do
			random $((third * 20000)) $((third * 20000 + 19000))
			set -- "$@" "$number"
		done
		random 16384 $((16400 + 8 * $(used)))
		bad_slots=$number
		for first in "$@"; do break_sectors main "$first" $((first + 200)); done
		break_sectors spare "$bad_slots" $((bad_slots + 10))
		disturb
		for first in "$@"; do mend_sectors main "$first" $((first + 200)); done
		mend_sectors spare "$bad_slots" $((bad_slots + 10))
	done
	finish $job "failing reads"
	[ "$(stat read_errors)" -gt 0 ] || die "no read failed"
	remove_target
}

writes_that_fail
reads_that_fail
