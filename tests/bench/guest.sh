# SPDX-License-Identifier: GPL-2.0
# In the guest, whose clock counts instructions: what one I/O costs on each device. Prints lines
# "BENCH <device> <rw> <ns>", one for each run of fio.
#   guest.sh REPETITIONS IOS
# A device is a function make_<name>, which leaves its path in $path. To add one, write its function
# and put its name into $devices: it becomes a column of the table and a key of the JSON.
# shellcheck shell=sh
. /lib.sh

devices="raw linear remap_0"
repetitions=$1
ios=$2
main=/dev/nullb0
spare=/dev/ram0
sectors=$(blockdev --getsz "$main") || die "no $main"

create() {
	dmsetup create "$1" --table "0 $sectors $2" || die "cannot create $1"
	path=/dev/mapper/$1
}

make_raw() { path=$main; }
make_linear() { create linear "linear $main 0"; }
# Nothing redirected: the price that every I/O of a healthy disk pays.
make_remap_0() { create remap_0 "remap $main $spare"; }

# job DEVICE RW
job() {
	cat <<-END
		[$1-$2]
		filename=$path
		rw=$2
		stonewall
	END
}

# One process for all: what it costs to start is not counted, but takes its time.
cat >jobs <<END
[global]
ioengine=psync
direct=1
bs=4k
thread=1
norandommap=1
number_ios=$ios
END
# A device is gone before the next one is made: remap claims what is below it.
for device in $devices; do
	"make_$device"
	cp jobs "jobs.$device"
	for rw in randread randwrite; do
		for _ in $(seq "$repetitions"); do job "$device" "$rw"; done
	done >>"jobs.$device"
	fio --minimal --terse-version=3 "jobs.$device" >"result.$device" || die "fio failed on $device"
	[ "$path" = "$main" ] || dmsetup remove "$device" || die "cannot remove $device"
done

# Of fio's 131 fields: 3 name, 5 error; 6 and 47 KiB read and written, 40 and 81 the mean time from
# the start of an I/O to its end in microseconds.
for device in $devices; do
	awk -F ';' -v expected="$((ios * 4))" -v lines="$((repetitions * 2))" '
		$5 || $6 + $47 != expected { bad = 1; print "fio: " $0 }
		{ sub("-", " ", $3); printf "BENCH %s %.0f\n", $3, ($40 + $81) * 1000 }
		END { exit bad || NR != lines }' "result.$device" || die "fio did not do all its I/O on $device"
done
