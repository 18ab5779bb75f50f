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

# run_test PROGRAM [ARGS]: a cmocka program between marks, for the count at the end.
run_test() {
	echo "DMR-BEGIN ${1##*/}"
	"$@"
	echo "DMR-END ${1##*/} $?"
}
