# SPDX-License-Identifier: GPL-2.0
# In the guest: has complain.ko do each of the wrong things given.
# shellcheck shell=sh
. /lib.sh

for wrong in "$@"; do
	insmod /complain.ko "wrong=$wrong" && rmmod complain || die "complain.ko can't be loaded"
done
