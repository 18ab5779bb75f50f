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

# What a debug kernel says only when it is asked. Whether locks are still checked: the first report, or a
# table that is full, ends that.
check_locks() {
	[ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1$' /proc/lockdep_stats && return
	echo "FAILED: the kernel checks no locks any more"
	return 1
}

# And memory that nobody refers to any more, of all that ran; what has /tmp/leaks-of in its backtrace, if
# there is such a file. Once for each machine: to look for it takes as long as some tests.
check_leaks() {
	kmemleak=/sys/kernel/debug/kmemleak
	[ -e $kmemleak ] || return 0
	# What is younger than five seconds is not looked at; what is in flight may be missed once.
	sleep 5
	{ echo scan >$kmemleak && echo scan >$kmemleak; } 2>/dev/null || {
		echo "FAILED: the kernel looks for no leaks any more"
		return 1
	}
	awk -v pattern="$(cat /tmp/leaks-of 2>/dev/null)" '
		BEGIN { RS = "unreferenced object" }
		NR > 1 && $0 ~ pattern { print RS $0 }' $kmemleak >/tmp/leaks
	[ -s /tmp/leaks ] || return 0
	echo "FAILED: memory has leaked"
	cat /tmp/leaks
	return 1
}

# run_test PROGRAM [ARGS]: a cmocka program between marks, for the count at the end.
run_test() {
	echo "DMR-BEGIN ${1##*/}"
	read -r began idle </proc/uptime
	"$@"
	status=$?
	read -r ended idled </proc/uptime
	echo "${1##*/} took $((${ended%.*} - ${began%.*})) s; all CPUs together did nothing for $((${idled%.*} - ${idle%.*})) s"
	# Where allocations fail the kernel leaks by itself (6.1: the names in sysfs_slab_add, dm_sysfs_init).
	[ "${1##*/test_faults_}" = "$1" ] || echo '[[]dm_remap' >/tmp/leaks-of
	check_locks || status=1
	echo "DMR-END ${1##*/} $status"
}
