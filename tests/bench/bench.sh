# SPDX-License-Identifier: GPL-2.0
# In the guest: the cost of an I/O, in instructions. With --icount one instruction is one nanosecond
# of the guest's clock, so the mean latency that fio measures is a count, the same on any machine.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

ios=${1:-20000}

# measure NAME DEVICE: a line with the counts of a random read and a random write of 4 KiB.
measure() {
	line=$1
	for direction in randread randwrite; do
		fio --name=x --filename="$2" --rw=$direction --bs=4k --size=1g --number_ios="$ios" \
			--ioengine=psync --direct=1 --thread --output-format=json >/tmp/out 2>&1 ||
			{ cat /tmp/out; die "fio on $1"; }
		mean=$(awk -v wanted="${direction#rand}" '
			$1 ~ "\"" wanted "\"" { inside = 1 }
			inside && /"lat_ns"/ { latency = 1 }
			latency && /"mean"/ { gsub(/[^0-9.]/, "", $3); printf "%.0f", $3; exit }' /tmp/out)
		line="$line|$mean"
	done
	echo "$line" | awk -F '|' '{ printf "%-36s %8d %8d\n", $1, $2, $3 }'
}

# In bio mode, where the kernel still has it, null_blk itself costs least. Nothing is kept: what is
# read does not matter here.
make_disk main 2048 memory_backed=0 queue_mode=0 2>/dev/null || {
	rmdir /sys/kernel/config/nullb/main
	make_disk main 2048 memory_backed=0 || die "no disk"
}
make_disk spare 128 || die "no spare disk"
sectors=$(blockdev --getsz /dev/main)

printf '%-36s %8s %8s\n' "instructions per I/O of 4 KiB" read write
measure "the disk itself" /dev/main
dmsetup create linear --table "0 $sectors linear /dev/main 0" || die "no linear target"
measure "dm-linear" /dev/mapper/linear
dmsetup remove linear
dmsetup create remap --table "0 $sectors remap /dev/main /dev/spare" || die "no remap target"
measure "dm-remap, nothing redirected" /dev/mapper/remap
# 100 places of 100 blocks each, all over the disk.
place=0
while [ $place -lt 100 ]; do
	dmsetup message remap 0 remap $((place * 40000)) 800 >/dev/null 2>&1 || break
	place=$((place + 1))
done
if [ $place -eq 100 ]; then
	measure "dm-remap, 10000 blocks redirected" /dev/mapper/remap
else
	echo "dm-remap, 10000 blocks redirected: not measured, the message remap is refused"
fi
dmsetup remove remap
