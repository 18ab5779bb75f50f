# SPDX-License-Identifier: GPL-2.0
# lvm2's own shell tests, on volumes in one backing device: dm-linear, or dm-remap on the same disk, of
# which 200 places are dead and live on the spare.
#   lvm2-suite.sh linear|remap
# /stacks/lvm2-tests names the tests. Prints lines "SUITE <test> <result> <seconds> <writes>"; counted are
# the writes that the test made to the backing device, with dm-remap only those that went to the spare.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

# One in each MiB from the first on, where the tests' devices begin, each of some tens of MiB. lvm2's
# labels and metadata are in the first of a device's places, what is in its volumes begins in the others.
make_places() {
	local first sectors state
	seq 200 | awk '{ print $1 * 2048 + $1 % 3, 4 + $1 % 29, "dead" }' >/tmp/bad
	while read -r first sectors state; do
		must dmsetup message remap 0 remap "$first" "$sectors" >/dev/null
	done </tmp/bad
	bad_table /dev/plain_main "$main_sectors" </tmp/bad | table main
}

writes_of() { awk '{ print $5 }' "/sys/block/$(dmsetup info -c --noheadings -o blkdevname "$1")/stat"; }

# run_test NAME: each finds zeroes everywhere.
run_test() {
	local status=0 before began result
	must blkdiscard -f -z "$LVM_TEST_BACKING_DEVICE"
	before=$(writes_of "$counted")
	began=$SECONDS
	timeout -k 10 120 bash "shell/$1.sh" >"$1.txt" 2>&1 </dev/null || status=$?
	case $status in
	0) result=passed ;;
	200) result=skipped ;;
	124 | 137) result=timeout ;;
	*) result=failed ;;
	esac
	echo "SUITE $1 $result $((SECONDS - began)) $(($(writes_of "$counted") - before))"
	[ $result = passed ] || grep -v '^## ' "$1.txt" | tail -n 15 | sed "s/^/$1: /"
}

make_disks 416
case $1 in
linear)
	echo "0 $main_sectors linear /dev/mapper/main 0" | table linear
	counted=linear
	;;
remap)
	open_remap
	make_places
	counted=spare
	;;
esac
# As udev would have done; the tests' shell reads from it.
ln -s /proc/self/fd /dev/fd
tar -C /tmp -xf /stacks/lvm2-suite.tar
cd /tmp/suite || die "no suite"
export PATH=/tmp/suite/lib:$PATH LVM_TEST_BACKING_DEVICE=/dev/mapper/$1 LVM_TEST_NODEBUG=1
while read -r name; do run_test "$name"; done </stacks/lvm2-tests
[ "$1" = linear ] || { dmsetup status remap; remap_is_sound; }
