# SPDX-License-Identifier: GPL-2.0
# LUKS with integrity on a pair that keeps getting worse: each sector comes back with its tag, or not
# at all.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

open_luks() { quietly cryptsetup open --key-file /tmp/key /dev/mapper/remap secret; }

check_all() {
	quietly e2fsck -f -n /dev/mapper/secret
	quietly mount /dev/mapper/secret /mnt
	check_tree
	must umount /mnt
	# All of it, also where no file is.
	quietly dd if=/dev/mapper/secret of=/dev/null bs=1M iflag=direct
}

printf secret >/tmp/key
make_disks 160
open_remap
# Some of the wiping that gives each sector its tag meets bad places already.
decay 20
quietly cryptsetup luksFormat -q --type luks2 --key-file /tmp/key --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
	--cipher aes-xts-plain64 --integrity hmac-sha256 /dev/mapper/remap
open_luks
quietly mkfs.ext4 -q /dev/mapper/secret
quietly mount /dev/mapper/secret /mnt
mkdir /mnt/tree
start_tree /mnt/tree 40 20
for ((step = 0; step < 20; step++)); do
	decay 6
	remap_is_sound
	sleep 2
done
tree_is_done
must umount /mnt
echo "$(ios_of remap); $(decay_report); $(dmsetup status remap)"
[ "$(slots_used)" -gt 100 ] || die "too little was redirected for this to show anything"
check_all
must cryptsetup close secret
reopen_remap
open_luks
check_all
remap_is_sound
! dmesg | grep -i 'integrity.*\(checksum failed\|error\)' || die "dm-integrity complained"
echo "every tag, e2fsck, the tree: all is right; $(dmsetup status remap)"
