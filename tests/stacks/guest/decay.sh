# SPDX-License-Identifier: GPL-2.0
# A pair that keeps getting worse, for the scripts that run in the image: source /stacks/decay.sh.
#
# Which faults: the promise that every byte is right can be checked only while nothing is lost by
# the disk alone. So a bad place of main first refuses writes and still reads (dm-flakey's
# error_writes); one whose sectors have all moved to the spare refuses reads as well (dm's error
# target). A slot of the spare that refuses writes costs another slot, and of the five copies of the
# metadata one can't be written any more in the second half.
#
# Main is cut into zones of 1 MiB; in a bad zone there is one bad place, from one sector to all of it.
# /tmp/bad has a line for each: first sector, sectors, state (writes or dead).
# shellcheck shell=bash

zone=2048
RANDOM=20240611
: >/tmp/bad

# make_disks MAIN_MIB [SERVICE_NS]: with a time, each does one request after the other, each of which
# takes so long, like a hard disk. They have no volatile cache.
make_disks() {
	local main_mib=$1 like=()
	[ -z "${2:-}" ] || like=(irqmode=2 completion_nsec="$2" submit_queues=1 hw_queue_depth=1)
	make_disk plain_main "$main_mib" "${like[@]}" && make_disk plain_spare 256 "${like[@]}" || die "no disks"
	main_sectors=$(sectors_of /dev/plain_main)
	echo "0 $main_sectors linear /dev/plain_main 0" | table main
	echo "0 $(sectors_of /dev/plain_spare) linear /dev/plain_spare 0" | table spare
}

# Bad lines on standard input to a table of the device $1 with $2 sectors.
bad_table() {
	sort -n | awk -v device="$1" -v sectors="$2" '
		BEGIN { at = 0 }
		function linear(end) { if (end > at) print at, end - at, "linear", device, at }
		{
			linear($1)
			if ($3 == "dead") print $1, $2, "error"
			else print $1, $2, "flakey", device, $1, "0 1 1 error_writes"
			at = $1 + $2
		}
		END { linear(sectors) }'
}

# Those whose every sector is on the spare are dead from now on.
bury_moved() {
	dmsetup message remap 0 list >/tmp/list
	# By its name: nothing may have moved yet, and an empty list is no file to awk's NR.
	gawk 'FILENAME == ARGV[1] { mask[$1] = strtonum("0x" $3); next }
		{
			moved = 1
			for (s = $1; s < $1 + $2 && moved; s++) moved = and(mask[s - s % 8], lshift(1, s % 8))
			if (moved) $3 = "dead"
			print
		}' /tmp/list /tmp/bad >/tmp/bad.new
	mv /tmp/bad.new /tmp/bad
}

# One more zone goes bad, if it is not already.
add_bad() {
	local first=$((RANDOM % (main_sectors / zone) * zone)) length=$((1 + RANDOM % (1 << (RANDOM % 9 + 3)))) offset
	offset=$((RANDOM % (zone - length + 1)))
	awk -v first="$first" -v zone="$zone" '$1 >= first && $1 < first + zone { exit bad = 1 } END { exit bad }' /tmp/bad ||
		return 0
	echo "$((first + offset)) $length writes" >>/tmp/bad
}

# decay ZONES: so many more of them go bad.
decay() {
	local i
	bury_moved
	for ((i = 0; i < $1; i++)); do add_bad; done
	bad_table /dev/plain_main "$main_sectors" </tmp/bad | table main
}

# The spare is not what it was either: places among the next slots, and one copy of the metadata.
decay_spare() {
	local at=$((16384 + $(slots_used) * 8)) i
	{
		echo 4096 1024 writes
		for i in 100 300 500 1000 2000; do echo $((at + i * 8)) 3 writes; done
	} | bad_table /dev/plain_spare "$(sectors_of /dev/plain_spare)" | table spare
}

# What it has come to.
decay_report() {
	awk '{ places[$3]++; sectors[$3] += $2 }
		END {
			print places["writes"] + 0, "places of", sectors["writes"] + 0, "sectors refuse writes,",
				places["dead"] + 0, "of", sectors["dead"] + 0, "sectors everything"
		}' /tmp/bad
}
