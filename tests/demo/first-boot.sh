# SPDX-License-Identifier: GPL-2.0
# The demo up to the reset.
#   /dev/vda is the disk, /dev/vdb the spare, /original a file worth keeping.
# shellcheck shell=sh
. /demo.sh

title '1. A disk with bad places'

text <<END
This is a small virtual machine with two disks. The first, /dev/vda, plays the
part of a disk that is wearing out. In truth it is sound, so a layer on top of
it, /dev/mapper/disk, answers with an error wherever a sector is to be bad. A
sector is 512 bytes; $(bad_places | awk '{ n += $2 } END { print n }') of them, in $(bad_places | wc -l) places, can be neither read nor
written. These are the first lines that describe it:
END
make_disk
check 'the disk is there' test -e /dev/mapper/disk
run 'head -n 4 /tmp/disk.table'

text <<END
Linux puts a file system on that disk, and a file of $(($(wc -c </original) / 1000000)) MB into it. Nobody
complains yet, because files are written in the background:
END
run 'mkfs.ext4 -q /dev/mapper/disk'
run 'mount /dev/mapper/disk /mnt'
run 'cp /original /mnt/file'

text <<END
The kernel alone knows what happened next. We let it write everything out, read
the file back from the disk, and compare it with the original:
END
run 'umount /mnt'
run "dmesg | grep -o 'I/O error.*writing to inode [0-9]*' | head -n 2"
check 'the kernel reports failed writes' test -s /tmp/out
run 'mount /dev/mapper/disk /mnt'
# Kernels differ in what is there afterwards: an error, or zeros.
run_fails 'I/O error\|Input/output error\|differ' 'cmp /original /mnt/file'

text <<END
The file is lost, although nearly all of the disk is sound.
END
run 'umount /mnt'

title '2. The same disk with dm-remap'

text <<END
The second disk, /dev/vdb, is small and empty. dm-remap makes a new device of
the two: everything is stored on the first disk, as before; only where a write
fails there, that piece is stored on the second one, the spare. The numbers are
the beginning and the length of the new device, in sectors:
END
make_rescued

text <<END
That changed nothing on the first disk. What is there can be seen through the
new device, at the same place:
END
run 'cmp -n 8388608 /dev/mapper/disk /dev/mapper/rescued'

text <<END
Now the same steps as before, on the new device:
END
run 'mkfs.ext4 -q /dev/mapper/rescued'
run 'mount /dev/mapper/rescued /mnt'
run 'cp /original /mnt/file'
run 'umount /mnt'

text <<END
The file system is checked from end to end, and the file is read back:
END
run 'e2fsck -f -n /dev/mapper/rescued' '/^e2fsck/d'
run 'mount /dev/mapper/rescued /mnt'
run 'sha256sum /original /mnt/file'
check 'the file is whole' is_whole /mnt/file

text <<END
The same checksum: the file is whole, on a disk with the same bad places.
END

title '3. What dm-remap did'

run 'dmsetup status rescued'
check 'something was redirected' test "$(field 2 | cut -d / -f 1)" -gt 0
check 'all copies are good' test "$(field 5)" = 5/5
text <<END
After the numbers of the table that line says, from left to right:

    $(field 1)
        the state in one word: ok, or what is wrong
    $(field 2)
        blocks kept on the spare, and how many there is room for; a block is
        4096 bytes
    $(field 3)
        sectors whose contents were lost, because they could not be read
    $(field 4)
        how often the list of redirected blocks was written
    $(field 5)
        good copies of that list on the spare
    $(field 6) and $(field 7)
        failed reads and failed writes of the first disk
    $(field 8), $(field 9) and $(field 10)
        health and position of the search for failing sectors; - if not known
END

text <<END
Which blocks they are, the first few of $(field 2 | cut -d / -f 1):
END
run 'dmsetup message rescued 0 list' '5,$d'
check 'as many blocks are listed as counted' \
	test "$(dmsetup message rescued 0 list | wc -l)" -eq "$(field 2 | cut -d / -f 1)"
check 'only blocks with bad sectors were moved' only_bad_moved
text <<END
Each line: the first sector of the block, its place on the spare, and two masks
with one bit for each of the block's 8 sectors, those kept on the spare and
those lost. ff is the whole block. In a block with fewer bits, the other sectors
are still on the first disk. Nothing was moved but blocks with bad sectors.
END

title '4. The spare is damaged as well'

text <<END
A list of what is where must not be lost itself, so dm-remap keeps five copies
of it on the spare. This prints a checksum of the first 4096 bytes of each,
which hold the checksums of all the rest:
END
run 'cat sums'
run 'sh sums'
check 'the copies are the same' test "$(different)" -eq 1

text <<END
We stop the device and overwrite three of the five:
END
run 'umount /mnt'
run 'dmsetup remove rescued'
run 'dd if=/dev/urandom of=/dev/vdb bs=4k count=384 oflag=direct status=none'
run 'sh sums'
check 'three copies are damaged' test "$(different)" -eq 4

text <<END
When the device is made again, the two that are left decide. All five are
written anew before anything else is done:
END
make_rescued
run 'dmsetup status rescued'
check 'all copies are good again' test "$(field 5)" = 5/5
run 'sh sums'
check 'the copies are the same again' test "$(different)" -eq 1
run 'mount /dev/mapper/rescued /mnt'
run 'sha256sum /original /mnt/file'
check 'the file is whole' is_whole /mnt/file

text <<END
The same can be done while the device is in use. We damage the other two
copies, and have all five looked at and rewritten:
END
run 'dd if=/dev/urandom of=/dev/vdb bs=4k seek=512 count=640 oflag=direct status=none'
check 'two copies are damaged' test "$(different)" -eq 3
run 'dmsetup message rescued 0 repair'
check 'all copies are repaired' test "$(cat /tmp/out)" = 5/5
run 'sh sums'
check 'the copies are the same again' test "$(different)" -eq 1

title '5. The power fails'

text <<END
The line that made the device can be asked for at any time. The uuid in it is
the name of this pair of disk and spare; it will be needed in a moment:
END
run 'dmsetup table rescued'
uuid=$(sed -n 's/.* uuid \([0-9a-f-]*\).*/\1/p' /tmp/out)
check 'the table has a uuid' test -n "$uuid"
echo "DMR-UUID $uuid"

text <<END
A second file is written. "sync" returns once it is on the disks. Then the
machine is reset that very moment, without being told to stop anything:
END
run 'cp /original /mnt/second'
run 'sync'
dmsetup message rescued 0 list | sed 's/^/DMR-KNOWN /'
printf '\n    # echo b >/proc/sysrq-trigger\n'
reset_machine
