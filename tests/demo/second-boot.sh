# SPDX-License-Identifier: GPL-2.0
# The demo after the reset, with the same drives and a third, blank one.
#   second-boot.sh UUID       of the pair; /known is the list of redirected blocks before the reset
# shellcheck shell=sh
. /demo.sh
uuid=$1

text <<END
The machine starts again. The disk still has its bad places. dm-remap is given
the same line as before, now with the uuid:
END
make_disk
make_rescued "2 uuid $uuid"
run 'dmsetup status rescued'
check 'all copies are good' test "$(field 5)" = 5/5
dmsetup message rescued 0 list >/tmp/list
check 'every redirected block is still known' eval '[ -s /known ] && ! grep -v -x -F -f /tmp/list /known'

text <<END
All $(wc -l </known) blocks that were redirected before the reset are still known.
END
run 'mount /dev/mapper/rescued /mnt'
run 'sha256sum /original /mnt/file /mnt/second'
check 'the first file is whole' is_whole /mnt/file
check 'the second file is whole' is_whole /mnt/second
run 'umount /mnt'
run 'e2fsck -f -n /dev/mapper/rescued' '/^e2fsck/d'

text <<END
Both files are whole, and the file system is in order.
END

title '6. Slips of the hand'

# The beginnings of both disks, which a mistake would overwrite.
beginnings() { for disk in /dev/mapper/disk /dev/vdb /dev/vdc; do head -c 1048576 "$disk" | sha256sum; done; }
run 'dmsetup remove rescued'
before=$(beginnings)

text <<END
What if the disks are mixed up, so that the first one would become the spare? It
has something on it already, so it is refused:
END
run_fails 'failed' "dmsetup create oops --table \\
    '0 $(blockdev --getsz /dev/vdb) remap /dev/vdb /dev/mapper/disk'"
reason="dmesg | grep -o 'spare .*' | tail -n 1 | fold -s -w 72"
run "$reason"
check 'the reason is given' grep -q 'something else' /tmp/out

text <<END
What if another, blank disk is taken for the spare? Without its own spare, the
first disk has old data in its bad places. That is what the uuid is for:
END
run_fails 'failed' "dmsetup create oops --table \\
    '0 $(blockdev --getsz /dev/mapper/disk) remap /dev/mapper/disk /dev/vdc 2 uuid $uuid'"
run "$reason"
check 'the reason is given' grep -q 'blank' /tmp/out
check 'nothing was written' test "$(beginnings)" = "$before"
text <<END
Neither mistake wrote anything to any disk.
END
