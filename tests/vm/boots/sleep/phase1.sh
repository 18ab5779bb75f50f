# SPDX-License-Identifier: GPL-2.0
# While a system goes to sleep nothing is read and nothing is mended: what was committed behind the image
# of a hibernation would not be known when it wakes up. The kernel's own test of sleep freezes everything
# for five seconds.
# shellcheck shell=sh
. /lib.sh
. /faulty.sh

make_disk main 1024 memory_backed=0 irqmode=2 completion_nsec=2000000 hw_queue_depth=1 || die "no main"
make_disk spare 32 irqmode=2 completion_nsec=5000000 || die "no spare"
for first in $(seq 65536 256 190000); do break_sectors main "$first" "$first"; done
dmsetup create target --table "0 $(blockdev --getsz /dev/main) remap /dev/main /dev/spare \
4 scan_duty_ppm 1000000 scan_idle_duty_ppm 1000000" || die "no target"

redirected() { dmsetup status target | cut -d ' ' -f 5 | cut -d / -f 1; }
reads() { awk '{ print $1 }' /sys/block/main/stat; }

# during COMMAND: what it read and redirected, in $read and $moved.
during() {
	read=$(reads) moved=$(redirected)
	"$@" || die "$* failed"
	read=$(($(reads) - read)) moved=$(($(redirected) - moved))
	echo "FIGURE $*: $read reads, $moved redirections"
}

sleep_for_a_test() { echo freeze >/sys/power/state; }

dmsetup message target 0 scan start || die "no scan"
until [ "$(redirected)" -ge 5 ]; do sleep 0.1; done
echo freezer >/sys/power/pm_test || die "no tests of sleep"
during sleep 5
[ "$moved" -ge 8 ] || die "there is not enough to mend"
awake=$read
during sleep_for_a_test
[ "$read" -le $((awake / 10)) ] || die "it was read"
# Those around it.
[ "$moved" -le 3 ] || die "it was mended"
during sleep 5
[ "$moved" -ge 8 ] || die "it does not go on afterwards"
dmsetup remove target
