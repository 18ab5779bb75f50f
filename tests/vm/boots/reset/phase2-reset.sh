# SPDX-License-Identifier: GPL-2.0
# Every acknowledged byte is there after a reset; then the same again, from a used spare.
# shellcheck shell=sh
. /lib.sh

/tests/reset_io check || die "after the first reset"
/tests/reset_io write &
sleep 2
kill -0 $! || die "the writer has ended"
reset_machine
