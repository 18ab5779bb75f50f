# SPDX-License-Identifier: GPL-2.0
# Writes over bad sectors until the machine is gone.
# shellcheck shell=sh
. /lib.sh

/tests/reset_io write &
sleep 3
kill -0 $! || die "the writer has ended"
reset_machine
