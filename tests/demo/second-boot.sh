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

title '6. Before the data is lost'

run 'mount /dev/mapper/rescued /mnt'
# A block of the second file that is where it always was: in the middle of its longest piece.
place=$(filefrag -v -b512 /mnt/second | tr -d ':.' | awk '
	$1 ~ /^[0-9]+$/ && $6 > length_of { length_of = $6; place = $4 + $6 / 2 }
	END { print int(place / 8) * 8 }')
moved() { dmsetup message rescued 0 list | grep -q "^$place "; }
check 'the block has not moved' eval '! moved'
run 'umount /mnt'

text <<END
So far something failed, and dm-remap reacted. But much of what is on a disk is
not read for months, and nobody hears of a sector that is dying. At sector
$place, inside of the second file, one block of the disk now takes a second and
a half to be read, as it does when a drive has to try again and again:
END
change_disk "$place 8 delay /dev/vda $place 1500"
run "dmsetup table disk | grep delay"

text <<END
No application reads it. But dm-remap itself reads the whole disk once a week, in
the background, with a tenth of the disk's time at most. We let it begin now, and
use all of the time, for there is nobody else:
END
target=/sys/kernel/dm-remap-v4/targets/$(dmsetup info -c --noheadings -o blkdevname rescued)
run "cd $target
for share in scan_duty_ppm scan_idle_duty_ppm; do echo 1000000 >config/\$share; done
cat health/score health/slow_reads health/scan_passes"
passes=$(cat "$target/health/scan_passes")
slow=$(cat "$target/health/slow_reads")
run 'dmsetup message rescued 0 scan start'
scanned() { [ "$(cat "$target/health/scan_passes")" -gt "$passes" ] && moved; }
for _ in $(seq 90); do scanned || sleep 1; done
run "cd $target
cat health/score health/slow_reads health/scan_passes
dmsetup message rescued 0 list | grep '^$place '"
check 'it has scanned the whole disk' scanned
check 'it has found the slow place' test "$(cat "$target/health/slow_reads")" -gt "$slow"

text <<END
The block is on the spare now, in time. (The other bad places were found as well:
$(field 3) lost sectors in which nobody had anything yet. A disk with this score is to
be replaced.) Then the disk loses the block for good:
END
change_disk "$place 8 error"
run_fails 'Input/output error' "dd if=/dev/mapper/disk of=/dev/null bs=512 skip=$place count=8 iflag=direct"
run 'mount /dev/mapper/rescued /mnt'
run 'sha256sum /original /mnt/second'
check 'the second file is whole' is_whole /mnt/second
run 'umount /mnt'

text <<END
The file is whole; nobody who read it has met an error.
END

title '7. Slips of the hand'

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
