# SPDX-License-Identifier: GPL-2.0
# lvm2's own shell tests, on volumes in one backing device: dm-linear, or dm-remap on the same disk, of
# which 200 places everywhere are dead and live on the spare.
#   lvm2-suite.sh linear|remap
# /stacks/lvm2-tests names the tests. Prints lines "SUITE <test> <result> <seconds> <device>"; device
# says whether the test's volumes were on the backing device ("backing"), or elsewhere because it has to
# have devices of a kind of its own ("other").
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

make_backing() {
	must modprobe brd rd_nr=2 rd_size=$((416 << 10))
	main_sectors=$(sectors_of /dev/ram0)
	echo "0 $main_sectors linear /dev/ram0 0" | table main
	if [ "$1" = linear ]; then
		echo "0 $main_sectors linear /dev/mapper/main 0" | table backing
		return
	fi
	echo "0 $(sectors_of /dev/ram1) linear /dev/ram1 0" | table spare
	open_remap
	seq 0 199 | awk -v every=$((main_sectors / 200)) '{ print $1 * every + $1 % 8, 1 + $1 % 20, "dead" }' >/tmp/bad
	while read -r first sectors _; do
		must dmsetup message remap 0 remap "$first" "$sectors" >/dev/null
	done </tmp/bad
	bad_table /dev/ram0 "$main_sectors" </tmp/bad | table main
	must dmsetup rename remap backing
}

# Results are in a journal: "ndev-vanilla:shell/foo.sh passed".
report() {
	local name result log device
	while read -r name result; do
		log=results/${name/:shell\//:shell_}.txt
		name=$(basename "$name" .sh)
		device=backing
		! grep -qE 'preparing (ramdisk|loop|scsi_debug) device' "$log" || device=other
		grep -q 'preparing.*devices' "$log" || [ $device = other ] || device=none
		echo "SUITE $name $result $(sed -n 's/.*wall: *\([0-9:]*\).*/\1/p' "$log" | tail -n 1) $device"
		[[ $result =~ passed|skipped|warnings ]] || grep -v '^.\{0,16\}## ' "$log" | tail -n 15 | sed "s/^/$name: /"
	done <results/list
}

make_backing "$1"
tar -C / -xf /stacks/lvm2-suite.tar
cd /suite || die "no suite"
for file in shell/*.sh; do
	grep -qx "$(basename "$file" .sh)" /stacks/lvm2-tests || rm "$file"
done
export PATH=/suite/lib:$PATH LVM_TEST_BACKING_DEVICE=/dev/mapper/backing LVM_TEST_NODEBUG=1 LVM_TEST_DIR=/tmp
lib/runner --testdir . --outdir results --workdir . --flavours ndev-vanilla --batch --timeout 120 || true
report
[ "$1" = linear ] || dmsetup status backing
