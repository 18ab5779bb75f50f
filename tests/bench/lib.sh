# SPDX-License-Identifier: GPL-2.0
# In the guest: what the benchmarks share. Source it: . /bench.sh
# The spares' tables are made by spare_image.cc, in /images; tools/bench says what is in them.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

# quick_disk NAME MIB [ATTRIBUTE=VALUE]...: in bio mode, where the kernel still has it, null_blk
# itself costs least.
quick_disk() {
	name=$1
	make_disk "$@" queue_mode=0 2>/dev/null || {
		rmdir "/sys/kernel/config/nullb/$name"
		make_disk "$@" || die "no disk $name"
	}
}

# create NAME, by the table on standard input
create() { dmsetup create "$1" || die "cannot create $1"; }

# put_table IMAGE SPARE: the five copies.
put_table() {
	for place in 0 1 2 4 8; do
		dd if="/images/$1" of="/dev/$2" bs=512k seek=$place conv=fsync 2>/dev/null || die "cannot write $2"
	done
}

# used NAME: slots in use
used() { dmsetup status "$1" | cut -d ' ' -f 5 | cut -d / -f 1; }

# counter NAME KEY: of the target's statistics
counter() { dmsetup message "$1" 0 stats | sed -n "s/^$2=//p"; }

# segments COUNT FIRST STEP DEVICE START: a table of /dev/main of $sectors sectors, in which COUNT
# blocks, the first at sector FIRST and one each STEP sectors, are on DEVICE from START on, in a row.
# DEVICE "error" has them fail.
segments() {
	awk -v count="$1" -v first="$2" -v step="$3" -v device="$4" -v start="$5" -v sectors="$sectors" '
	BEGIN {
		at = 0
		for (i = 0; i < count; i++) {
			block = first + i * step
			if (block > at) print at, block - at, "linear /dev/main", at
			if (device == "error") print block, 8, "error"
			else print block, 8, "linear", device, start + i * 8
			at = block + 8
		}
		print at, sectors - at, "linear /dev/main", at
	}'
}
