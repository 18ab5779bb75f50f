# SPDX-License-Identifier: GPL-2.0
# lvm2's own shell tests, on volumes in one backing device: dm-linear, or dm-remap on the same disk, of
# which 200 places are dead and live on the spare.
#   lvm2-suite.sh linear|remap
# /stacks/lvm2-tests names the tests. Each must pass, and write to the device, with dm-remap to what lives
# on the spare.
# shellcheck shell=bash
source /stacks/lib.sh

# As make_disks of decay.sh does it, but the disk takes discards and its sectors can fail themselves: dm's
# error target takes none. One dead place in each MiB from the first on, where the tests' devices begin,
# each of some tens of MiB. lvm2's labels and metadata are in the first of a device's places, what is in its
# volumes begins in the others.
make_backing() {
	local first sectors
	make_disk plain_main 416 discard=1 && make_disk plain_spare 256 || die "no disks"
	for disk in main spare; do echo "0 $(sectors_of /dev/plain_$disk) linear /dev/plain_$disk 0" | table $disk; done
	if [ "$1" = linear ]; then
		echo "0 $(sectors_of /dev/mapper/main) linear /dev/mapper/main 0" | table linear
		return
	fi
	open_remap
	seq 200 | awk '{ print $1 * 2048 + $1 % 3, 4 + $1 % 29 }' >/tmp/places
	while read -r first sectors; do
		must dmsetup message remap 0 remap "$first" "$sectors" >/dev/null
		break_sectors plain_main "$first" $((first + sectors - 1))
	done </tmp/places
}

writes_of() { awk '{ print $5 }' "/sys/block/$(dmsetup info -c --noheadings -o blkdevname "$1")/stat"; }

# run_test NAME: with zeroes everywhere. One that skips itself or writes nothing shows nothing.
run_test() {
	local status=0 before began=$SECONDS writes log=/tmp/$1.txt
	quietly blkdiscard -f -z "$LVM_TEST_BACKING_DEVICE"
	before=$(writes_of "$counted")
	timeout -k 10 300 bash "shell/$1.sh" >"$log" 2>&1 </dev/null || status=$?
	writes=$(($(writes_of "$counted") - before))
	echo "SUITE $1: status $status, $((SECONDS - began)) s, $writes writes"
	if [ $status -eq 0 ] && [ $writes -gt 0 ]; then
		passed=$((passed + 1))
		total=$((total + writes))
	else
		failed+=" $1"
		grep -v '^## ' "$log" | tail -n 15 | sed "s/^/$1: /"
	fi
}

passed=0
total=0
failed=
case $1 in
linear) counted=linear ;;
remap) counted=spare ;;
esac
make_backing "$1"
# As udev would have done; the tests' shell reads from it.
ln -s /proc/self/fd /dev/fd
tar -C /tmp -xf /stacks/lvm2-suite.tar
cd /tmp/suite || die "no suite"
# The last three have mkfs.xfs make file systems as small as the tests want them.
export PATH=/tmp/suite/lib:$PATH LVM_TEST_BACKING_DEVICE=/dev/mapper/$1 LVM_TEST_NODEBUG=1 \
	TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
while read -r name; do run_test "$name"; done </stacks/lvm2-tests
[ "$1" = linear ] || remap_is_sound
[ -z "$failed" ] || die "on dm-$1 $passed tests passed, these did not:$failed"
echo "on dm-$1 all $passed tests passed, with $total writes to $counted"
