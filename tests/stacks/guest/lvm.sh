# SPDX-License-Identifier: GPL-2.0
# LVM on a pair that keeps getting worse: a linear and a thin volume, each with a file system, the
# linear one grown and the thin one's snapshot taken while they are written to.
# shellcheck shell=bash
source /stacks/lib.sh
source /stacks/decay.sh

mkdir -p /etc/lvm
cat >/etc/lvm/lvm.conf <<'END'
devices {
	filter = [ "a|^/dev/mapper/remap$|", "r|.*|" ]
	external_device_info_source = "none"
	obtain_device_list_from_udev = 0
	use_devicesfile = 0
}
activation { udev_sync = 0 udev_rules = 0 }
END

mount_all() {
	quietly mount /dev/vg/linear /mnt/linear
	quietly mount /dev/vg/thin /mnt/thin
}

check_all() {
	local volume
	quietly vgck vg
	for volume in linear thin; do quietly e2fsck -f -n /dev/vg/$volume; done
	mount_all
	check_tree
	quietly sha256sum -c --quiet /tmp/sums
	must umount /mnt/linear /mnt/thin
}

# The pool's own metadata, which can be looked at only while nobody uses it.
check_pool() {
	quietly vgchange -an vg
	quietly lvchange -ay -y vg/pool_tmeta
	quietly thin_check /dev/vg/pool_tmeta
	quietly vgchange -an vg
}

mkdir /mnt/linear /mnt/thin
make_disks 320
open_remap
quietly pvcreate /dev/mapper/remap
quietly vgcreate -s 1m vg /dev/mapper/remap
quietly lvcreate -y -n linear -L 100m vg
quietly lvcreate -y --type thin-pool -n pool -L 150m --poolmetadatasize 4m vg
quietly lvcreate -y -n thin -V 200m --thinpool pool vg
for volume in linear thin; do quietly mkfs.ext4 -q /dev/vg/$volume; done
mount_all
mkdir /mnt/thin/tree
start_tree /mnt/thin/tree 50 20
fio --name=verified --filename=/mnt/linear/verified --size=32m --bsrange=4k-64k --rw=randrw --verify=crc32c \
	--verify_fatal=1 --verify_backlog=64 --direct=1 --rate_iops=50,50 --time_based --runtime=50 \
	--eta=never --output=/tmp/fio &
fio_pid=$!
for ((step = 0; step < 20; step++)); do
	decay 10
	remap_is_sound
	case $step in
	7) quietly lvextend -L +30m vg/linear && quietly resize2fs /dev/vg/linear ;;
	12) quietly lvcreate -s -n moment vg/thin ;;
	esac
	sleep 2
done
tree_is_done
wait "$fio_pid" || die "fio: $(cat /tmp/fio)"
sha256sum /mnt/linear/verified >/tmp/sums
must umount /mnt/linear /mnt/thin
echo "$(ios_of remap); $(decay_report); $(dmsetup status remap)"
[ "$(slots_used)" -gt 100 ] || die "too little was redirected for this to show anything"
check_all
# The snapshot was taken of a mounted file system, so its journal is replayed first.
quietly lvchange -ay -K vg/moment
quietly mount /dev/vg/moment /mnt/thin
must umount /mnt/thin
quietly e2fsck -f -n /dev/vg/moment
check_pool
reopen_remap
quietly vgchange -ay vg
check_all
remap_is_sound
echo "vgck, thin_check, e2fsck, the tree, fio's file: all is right; $(dmsetup status remap)"
