# SPDX-License-Identifier: GPL-2.0
# For the demo's two boots, as sh: shows commands as they are typed, and checks what is said of them.
# shellcheck shell=sh
. /lib.sh

title() { printf '\n\n%s\n%s\n' "$1" "$(echo "$1" | sed 's/./-/g')"; }

# Text from standard input, as it stands.
text() {
	echo
	cat
}

# try COMMAND [SED]: shows it and what it prints, without what a screen need not show; its status is
# left in $status, its output in /tmp/out.
try() {
	echo
	printf "%s\n" "$1" | sed -e '1s/^/    # /' -e '2,$s/^/    > /'
	sh -c "$1" >/tmp/out 2>&1
	status=$?
	sed -e "${2:-}" -e 's/^/    /' /tmp/out
}

# run COMMAND [SED]: one that must work.
run() {
	try "$@"
	[ "$status" -eq 0 ] || die "this was to work, and did not: $1"
}

# run_fails PATTERN COMMAND: one that must fail, and say why.
run_fails() {
	try "$2"
	[ "$status" -ne 0 ] || die "this was to fail, and did not: $2"
	grep -q "$1" /tmp/out || die "this was to fail with '$1': $2"
}

# check WHAT TEST...: a claim of the text around it.
check() {
	what=$1
	shift
	"$@" || die "not so: $what"
}

# The bad places of a disk that is wearing out, as lines "first-sector sectors": some a whole block
# of a file system, some a single sector, one larger. Where they are does not matter to dm-remap; the
# files of the demo are put over some of them, wherever ext4 begins: in its first group of blocks or the
# second. What mkfs.ext4 itself writes lies elsewhere.
bad_places() {
	bad_area 20000 7
	bad_area 264400 5
}
bad_area() {
	from=$1
	for _ in $(seq "$2"); do
		for sectors in 8 1 40 2 8 3 16 5; do
			echo "$from $sectors"
			from=$((from + 4096 + sectors))
		done
	done
}

# The table of a disk with these bad places, and with more of them if they are given, as lines
# "first-sector sectors target": the sectors around them are /dev/vda's.
disk_table() {
	{ bad_places | sed 's/$/ error/'; echo "${1:-}"; } | sort -n | awk -v end="$(blockdev --getsz /dev/vda)" '
		function good(to) { print at, to - at, "linear /dev/vda", at }
		NF { good($1); print; at = $1 + $2 }
		BEGIN { at = 0 }
		END { good(end) }'
}

# change_disk PLACE: the disk gets worse while it is in use.
change_disk() {
	disk_table "$1" >/tmp/disk.table
	{ dmsetup suspend disk && dmsetup reload disk </tmp/disk.table && dmsetup resume disk; } || die "cannot change the disk"
}

make_disk() {
	disk_table >/tmp/disk.table
	run 'dmsetup create disk </tmp/disk.table'
}

# Field N of the status of dm-remap's device, counted from its state on.
field() { dmsetup status rescued | cut -d ' ' -f "$((3 + $1))"; }

# make_rescued [ARGUMENTS]
make_rescued() {
	run "dmsetup create rescued --table \\
    '0 $(blockdev --getsz /dev/mapper/disk) remap /dev/mapper/disk /dev/vdb${1:+ $1}'"
}

# The checksums of the first block of each copy of the list, past all caches.
cat >sums <<'END'
for n in 0 128 256 512 1024; do
    dd if=/dev/vdb bs=4k skip=$n count=1 iflag=direct status=none | md5sum
done
END
# How many different ones there are.
different() { sh sums | sort -u | wc -l; }

is_whole() { [ "$(sha256sum <"$1")" = "$(sha256sum </original)" ]; }

# Each redirected block holds a bad sector: nothing sound was moved.
only_bad_moved() {
	dmsetup message rescued 0 list >/tmp/list
	bad_places >/tmp/bad
	awk 'NR == FNR { first[NR] = $1; last[NR] = $1 + $2 - 1; n = NR; next }
		{ hit = 0; for (i = 1; i <= n; i++) if (first[i] < $1 + 8 && last[i] >= $1) hit = 1
		  if (!hit) exit bad = 1 }
		END { exit bad }' /tmp/bad /tmp/list
}
