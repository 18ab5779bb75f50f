# SPDX-License-Identifier: GPL-2.0
# After the second reset, and once more after an orderly removal.
# shellcheck shell=sh
. /lib.sh

/tests/reset_io check || die "after the second reset"
/tests/reset_io check || die "after removal"
