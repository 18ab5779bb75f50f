# SPDX-License-Identifier: GPL-2.0
# In the guest's initial file system: enters the image of tests/stacks/image and runs a script there.
#   enter.sh SCRIPT [ARG]...
# All of it is copied to memory first: where the clock counts instructions, waiting for the host's
# answer would cost the guest seconds, or minutes.
# shellcheck shell=sh
. /lib.sh

image=$(grep -l '^image$' /sys/block/vd*/serial) || die "no image"
image=${image#/sys/block/}
mkdir -p /image /root
mount -t ext4 -o ro "/dev/${image%/serial}" /image || die "cannot mount the image"
mount -t tmpfs -o size=100% tmpfs /root
cp -a /image/. /root/ || die "cannot copy the image"
umount /image

mkdir -p /root/stacks /root/lib/modules
cp /stacks/* /root/stacks/
for directory in dev proc sys lib/modules; do
	mount --rbind "/$directory" "/root/$directory" || die "cannot bind $directory"
done
mount -t tmpfs tmpfs /root/run
script=/stacks/$1
shift
exec chroot /root /bin/bash "$script" "$@"
