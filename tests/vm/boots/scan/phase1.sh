# SPDX-License-Identifier: GPL-2.0
# What the scanner takes of a disk that needs 2 ms for each request and serves one at a time: its share
# in each state of health, alone and beside others, and what it costs those.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

make_disk main 1024 memory_backed=0 irqmode=2 completion_nsec=2000000 hw_queue_depth=1 || die "no main"
make_disk spare 16 || die "no spare"
sectors=$(blockdev --getsz /dev/main)
echo "0 $sectors remap /dev/main /dev/spare 2 verify_writes off" | dmsetup create target || die "no target"

stat_of() { dmsetup message target 0 stats | sed -n "s/^$1=//p"; }
reads_of_main() { awk '{ print $1 }' /sys/block/main/stat; }

# measure SECONDS [PAUSE_MS]: the share of main's time that went to the scanner, in millionths, while it
# had something to do. With a pause, somebody else reads that often.
measure() {
	dmsetup message target 0 scan start
	before=$(reads_of_main)
	others=0
	if [ "$2" ]; then
		others=$(/tests/load /dev/mapper/target "$1" "$2") || die "no load"
	else
		sleep "$1"
	fi
	after=$(reads_of_main)
	echo $(((after - before - others) * 2000 / $1))
}

# expect STATE IDLE BUSY: neither share above what is allowed, nor far below it. Two chunks are granted, three
# requests each: one from before the others were noticed, and one that is not paid for yet.
expect() {
	# Health is looked at once a second.
	sleep 3
	[ "$(stat_of health)" = "$1" ] || die "health is $(stat_of health), not $1"
	busy=$(measure 30 100)
	idle=$(measure 8)
	echo "FIGURE duty $1 idle $idle of $2 busy $busy of $3"
	[ "$busy" -le $(($3 + 6 * 2000 / 30)) ] && [ "$busy" -ge $(($3 / 4)) ] || die "$busy ppm beside others"
	[ "$idle" -le $(($2 + 6 * 2000 / 8)) ] && [ "$idle" -ge $(($2 / 4)) ] || die "$idle ppm alone"
}

# lose FIRST LAST: these sectors are lost.
lose() {
	break_sectors main "$1" "$2"
	dd if=/dev/mapper/target of=/dev/null bs=4096 skip=$(($1 / 8)) count=1 iflag=direct 2>/dev/null
	[ "$(stat_of lost_sectors)" -gt 0 ] || die "nothing was lost"
}

# Foreground throughput first, of a healthy disk, without the scanner and with it.
dmsetup message target 0 scan stop
off=$(/tests/load /dev/mapper/target 15 0) || die "no load"
dmsetup message target 0 scan start
on=$(/tests/load /dev/mapper/target 15 0) || die "no load"
ratio=$((on * 10000 / off))
echo "FIGURE foreground reads $off without, $on with the scanner: $ratio of 10000, overhead_ppm $(stat_of overhead_ppm)"
[ "$(stat_of scan_position)" -gt 0 ] || die "it did not scan"
[ "$ratio" -ge 9900 ] || die "foreground throughput is $ratio of 10000"

# The share that the target says is the one that is measured: it is of the last minute.
share=$(measure 65 250)
said=$(stat_of overhead_ppm)
echo "FIGURE overhead_ppm $said, measured $share"
[ "$said" -gt $((share * 8 / 10)) ] && [ "$said" -lt $((share * 12 / 10 + 100)) ] ||
	die "overhead_ppm is $said, and $share were measured"

expect healthy 100000 10000
lose 100 100
expect watch 200000 20000
lose 1000 1007
dmsetup message target 0 remap 16384 12800 >/dev/null || die "cannot remap"
expect failing 400000 40000
dmsetup message target 0 remap 32768 4096 >/dev/null
[ "$(dmsetup status target | cut -d ' ' -f 4)" = spare_full ] || die "the spare is not full"
expect failed 800000 80000
dmsetup remove target
