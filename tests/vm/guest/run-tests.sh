# SPDX-License-Identifier: GPL-2.0
# In the guest: runs the cmocka programs given. A failing one does not keep the others from running;
# the marks tell the host.
# shellcheck shell=sh
. /lib.sh

for program in "$@"; do
	run_test "$program"
	# A test that leaves devices behind would fail the next one in confusing ways.
	left=$(dmsetup ls 2>/dev/null | grep -v '^No devices')
	[ -z "$left" ] || echo "left behind by ${program##*/}: $left"
	dmsetup remove_all --force >/dev/null 2>&1
done
