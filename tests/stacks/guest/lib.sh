# SPDX-License-Identifier: GPL-2.0
# For the scripts that run in the image, by bash: source /stacks/lib.sh. The disks are those of
# tests/vm/guest/faulty.sh, the target is /dev/mapper/remap, of /dev/mapper/{main,spare}.
# shellcheck shell=bash

source /stacks/faulty.sh

die() {
	echo "FAILED: $*"
	exit 1
}

must() { "$@" || die "status $?: $*"; }

# must, and shown only if it fails.
quietly() {
	"$@" >/tmp/quietly 2>&1 </dev/null && return
	local status=$?
	tail -n 50 /tmp/quietly
	die "status $status: $*"
}

sectors_of() { blockdev --getsz "$1"; }

# table NAME: loads the table on standard input into the dm device NAME, which is made if need be.
table() {
	if dmsetup info "$1" >/dev/null 2>&1; then
		dmsetup load "$1" && dmsetup resume "$1"
	else
		dmsetup create "$1"
	fi || die "cannot load the table of $1"
}

# open_remap [ARGUMENT]...: of the table's optional ones.
open_remap() {
	local path
	for path in main spare; do [ -b /dev/mapper/$path ] || die "no $path"; done
	echo "0 $(sectors_of /dev/mapper/main) remap /dev/mapper/main /dev/mapper/spare${*:+ $# $*}" | table remap
}

# A field of the target's status: 1 state, 2 slots used/total, 3 lost sectors, 4 sequence, 5 copies...
status_field() { dmsetup status remap | cut -d ' ' -f $((3 + $1)); }
slots_used() { status_field 2 | cut -d / -f 1; }
uuid() { dmsetup table remap | grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'; }

# The target away and open again, as the same pair.
reopen_remap() {
	local pair
	pair=$(uuid)
	must dmsetup remove remap
	open_remap uuid "$pair"
}

# Nothing was lost, and redirecting goes on.
remap_is_sound() {
	case $(status_field 1) in
	ok | degraded) ;;
	*) die "the target's state: $(dmsetup status remap)" ;;
	esac
	[ "$(status_field 3)" = 0 ] || die "sectors lost: $(dmsetup status remap)"
}

# Completed reads and writes of a dm device.
ios_of() {
	awk '{ print $1, "reads and", $5, "writes" }' \
		"/sys/block/$(dmsetup info -c --noheadings -o blkdevname "$1")/stat"
}

# start_tree DIRECTORY SECONDS PAUSE_MS: tests/stacks/tree.c, one at a time.
start_tree() {
	coproc TREE { exec /stacks/tree "$@"; }
}

# From the tree, which says one line.
tree_says() {
	local line
	read -r line <&"${TREE[0]}" || die "the tree's program is gone"
	case $line in
	"$1"*) echo "tree $line" ;;
	*) die "the tree: $line" ;;
	esac
}

tree_is_done() { tree_says worked; }

check_tree() {
	echo check >&"${TREE[1]}"
	tree_says right
}
