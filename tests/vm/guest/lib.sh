# SPDX-License-Identifier: GPL-2.0
# For the scripts that run in the guest, as sh: . /lib.sh
# shellcheck shell=sh

die() {
	echo "FAILED: $*"
	exit 1
}

# The machine is gone at this instant, without a flush: what only its caches held is lost. The
# phase that calls it has passed; the next one sees the same drives.
reset_machine() {
	echo DMR-RESET
	stty -F /dev/ttyS1 9600
	stty -F /dev/ttyS1 115200
	sleep 0.1
	echo b >/proc/sysrq-trigger
	sleep 60
	exit 1
}

# The leaks that kmemleak knows of; where $1 is given, only those that have it in their backtrace.
leaks() {
	awk -v pattern="$1" 'BEGIN { RS = "unreferenced object" } NR > 1 && $0 ~ pattern { print RS $0 }' $kmemleak
}

# What a debug kernel has to say only when it is asked: whether locks are still checked (the first
# report, or a table that is full, ends that), and memory that nobody refers to any more; leaks as for
# $1.
check_kernel() {
	kernel_status=0
	[ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1$' /proc/lockdep_stats || {
		echo "FAILED: the kernel checks no locks any more"
		kernel_status=1
	}
	kmemleak=/sys/kernel/debug/kmemleak
	[ -e $kmemleak ] || return $kernel_status
	# What is younger than five seconds is not looked at; what is in flight may be missed once.
	sleep 5
	{ echo scan >$kmemleak && echo scan >$kmemleak; } 2>/dev/null || {
		echo "FAILED: the kernel looks for no leaks any more"
		return 1
	}
	leaks "$1" >/tmp/leaks
	echo clear >$kmemleak
	[ -s /tmp/leaks ] || return $kernel_status
	echo "FAILED: memory has leaked"
	cat /tmp/leaks
	return 1
}

# run_test PROGRAM [ARGS]: a cmocka program between marks, for the count at the end.
run_test() {
	echo "DMR-BEGIN ${1##*/}"
	"$@"
	status=$?
	# Where allocations fail the kernel leaks by itself (6.1: the names in sysfs_slab_add, dm_sysfs_init).
	leaks_of=
	[ "${1##*/}" != test_faults ] || leaks_of='\\[dm_remap\\]'
	check_kernel "$leaks_of" || status=1
	echo "DMR-END ${1##*/} $status"
}
