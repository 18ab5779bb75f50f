# SPDX-License-Identifier: GPL-2.0
# In a guest with two CPUs: random reads and writes of 4 KiB from both at once, on dm-linear and on
# dm-remap with nothing redirected, in turn. Timed, and so as good as the machine is quiet. Prints
# lines "CPUS <rw> <linear's I/Os per second> <dm-remap's>", one for each turn.
#   cpus.sh TURNS MAIN_MIB SPARE_MIB
# shellcheck shell=sh
. /bench.sh

turns=$1
[ "$(grep -c ^processor /proc/cpuinfo)" -eq 2 ] || die "not two CPUs"
quick_disk main "$2" memory_backed=0
quick_disk spare "$3"
sectors=$(blockdev --getsz /dev/main)

# rate NAME RW: I/Os per second of both jobs together. Fields 8 and 49 of fio's terse output.
rate() {
	fio --name="$1" --filename="/dev/mapper/$1" --rw="$2" --ioengine=psync --direct=1 --bs=4k --thread=1 \
		--norandommap=1 --time_based=1 --runtime=1 --numjobs=2 --cpus_allowed=0,1 \
		--cpus_allowed_policy=split --group_reporting --output-format=terse --terse-version=3 >result || {
		cat result >&2
		die "fio failed on $1" >&2
	}
	awk -F ';' '{ print $8 + $49 }' result
}

linear() {
	echo "0 $sectors linear /dev/main 0" | create linear
	linear=$(rate linear "$rw") || exit 1
	dmsetup remove linear
}
remap() {
	echo "0 $sectors remap /dev/main /dev/spare" | create remap_0
	remap=$(rate remap_0 "$rw") || exit 1
	dmsetup remove remap_0
}
for turn in $(seq "$turns"); do
	for rw in randread randwrite; do
		if [ $((turn % 2)) -eq 0 ]; then linear && remap; else remap && linear; fi
		echo "CPUS $rw $linear $remap"
	done
done
