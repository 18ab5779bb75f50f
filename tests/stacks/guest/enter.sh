# SPDX-License-Identifier: GPL-2.0
# In the guest's initial file system: enters the image of tests/stacks/image and runs a script there.
#   enter.sh image|memory SCRIPT [ARG]...
# With memory, all of it is copied there first: where the clock counts instructions, each wait for the
# host's answer would cost the guest seconds, or minutes.
# shellcheck shell=sh
. /lib.sh

image=$(grep -l '^image$' /sys/block/vd*/serial) || die "no image"
image=${image#/sys/block/}
image=/dev/${image%/serial}
mkdir -p /image /root
if [ "$1" = memory ]; then
	mount -t ext4 -o ro "$image" /image || die "cannot mount the image"
	mount -t tmpfs -o size=100% tmpfs /root
	echo 0 >/proc/sys/kernel/hung_task_timeout_secs
	cp -a /image/. /root/ || die "cannot copy the image"
	umount /image
else
	mount -t ext4 "$image" /root || die "cannot mount the image"
fi

mkdir -p /root/stacks /root/lib/modules
cp /stacks/* /root/stacks/
for directory in dev proc sys lib/modules; do
	mount --rbind "/$directory" "/root/$directory" || die "cannot bind $directory"
done
for directory in run tmp; do mount -t tmpfs tmpfs /root/$directory; done
script=/stacks/$2
shift 2
exec chroot /root /bin/bash "$script" "$@"
