# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts of the build and the tests; sourced, from anywhere in the checkout.
# shellcheck shell=bash disable=SC2034

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dm-remap
export LC_ALL=C.UTF-8

# With pipefail, a reader that stops early (grep -q, head) can fail the pipe that it ends: the
# scripts have grep read to the end, and sed -n 1p for the first line.

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

say() {
	echo "== $*"
}

# From here on gcc and clang are ccache's, which compiles nothing twice, in whichever checkout.
use_ccache() {
	[ -d /usr/lib/ccache ] || return 0
	export PATH=/usr/lib/ccache:$PATH CCACHE_DIR=$cache/objects CCACHE_MAXSIZE=2G CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1
}

# CPUs are held, by locks in the cache, by whatever keeps them busy: so steps and machines can be begun side by side,
# and each has its CPU for itself. The locks end with the shell and all that it has begun, which need none of their own.
# Who comes first waits first. Status 1 if nothing is to be waited for.
wait_for_turn() {
	[ -z "${DMR_HOLDS_CPU:-}" ] || return 1
	export DMR_HOLDS_CPU=1
	mkdir -p "$cache/cpus"
	exec {turn}>"$cache/cpus/turn"
	flock -n "$turn" || { tell_of_waiting; flock "$turn"; }
}
tell_of_waiting() { [ ! -t 2 ] || say "waiting for a CPU that other machines or tests hold" >&2; }

# All of them.
hold_cpus() {
	local n cpu turn most
	wait_for_turn || return 0
	most=$(nproc)
	for ((n = 0; n < most; n++)); do
		exec {cpu}>"$cache/cpus/$n"
		flock "$cpu"
	done
	exec {turn}>&-
}

# hold_cpu [waits]: one of them. What waits now and then goes beside those that hold one, unless another does.
hold_cpu() {
	local n cpu turn most won
	local -A waiting=()
	if [ -n "${1:-}" ]; then
		mkdir -p "$cache/cpus"
		exec {cpu}>"$cache/cpus/waits"
		! flock -n "$cpu" || return 0
		exec {cpu}>&-
	fi
	wait_for_turn || return 0
	most=$(nproc)
	for ((n = 0; n < most; n++)); do
		exec {cpu}>"$cache/cpus/$n"
		flock -n "$cpu" && break
		flock "$cpu" &
		waiting[$!]=$cpu
	done
	# A lock belongs to the open file, so this shell has the one that any of those processes has got.
	if [ "$n" -eq "$most" ]; then
		tell_of_waiting
		wait -n -p won "${!waiting[@]}"
		unset "waiting[$won]"
	fi
	for n in "${!waiting[@]}"; do
		cpu=${waiting[$n]}
		# Not by SIGTERM: one that comes before flock is begun can be lost, by bash's handler.
		kill -KILL "$n" 2>/dev/null || true
		wait "$n" 2>/dev/null || true
		exec {cpu}>&-
	done
	exec {turn}>&-
}

# For a script, or a part of it, whose jobs are process groups of their own (set -m): none outlives it. It does not end
# by the signal itself, as a second one, which make sends, would end it before its jobs; and whatever a signal interrupts,
# also the trap for EXIT, it ends them itself.
end_jobs_at_exit() {
	trap end_jobs EXIT
	trap 'end_jobs; exit 130' INT TERM
}
end_jobs() {
	local job
	trap '' INT TERM
	for job in $(jobs -rp); do kill -- "-$job" 2>/dev/null || true; done
}

# A package index is fetched only when something is missing from it, and not twice within ten minutes: whoever finds
# another fetching it waits for that one, which apt-get does not.
apt_update_once() {
	[ "$(id -u)" -eq 0 ] || return 0
	mkdir -p "$cache"
	(
		flock 9
		[ -z "$(find "$cache/apt.updated" -mmin -10 2>/dev/null)" ] || exit 0
		echo "== apt-get update" >&2
		! apt-get update -qq >&2 </dev/null || touch "$cache/apt.updated"
	) 9>"$cache/apt.lock"
}

# The first line of a package's field, as the package index has it: the candidate comes first.
package_field() { apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n "s/^$2: //p" | sed -n 1p; }

# The compiler that a kernel was built with, from its headers, and the C++ compiler beside it.
kernel_cc() {
	sed -n 's/^CONFIG_CC_VERSION_TEXT="\{0,1\}\([^ ]*\).*/\1/p' "$1/include/config/auto.conf" |
		sed 's/.*\(gcc\|clang\)/\1/'
}
cxx_of() { sed 's/gcc/g++/; s/clang/clang++/' <<<"$1"; }

# The kernels of the tests, as tools/kernel takes them, and for each of them the builds of dm-remap.ko:
# both for the first one. $KERNELS and $FLAVOURS say otherwise.
kernels_of_tests=${KERNELS:-6.1 6.12 7.3}
flavours_of() {
	local first
	read -r first _ <<<"$kernels_of_tests"
	if [ -n "${FLAVOURS:-}" ]; then
		echo "$FLAVOURS"
	elif [ "$1" = "$first" ]; then
		echo release debug
	else
		echo release
	fi
}

# Records a stage's outcome for the closing lines of make test: record STAGE PASSED FAILED NAME. What
# depends on a kernel ends its name with "(<release>, <build>)".
record() {
	mkdir -p "$top/build/results"
	printf '%s\t%s\t%s\n' "$2" "$3" "$4" >>"$top/build/results/$1"
}

# Reads a cmocka program's output, prints "<passed> <failed>". A program that died, ran nothing or
# failed outside of a test (status $1) counts as one failure.
count_cmocka() {
	awk -v status="$1" '
		/^\[ RUN      \]/ { run++ }
		/^\[       OK \]/ { ok++ }
		/^\[  SKIPPED \] [^ ]+$/ { if (!seen[$NF]++) skipped++ }
		END {
			failed = run - ok - skipped
			if (failed <= 0) failed = (status != 0 || run == 0) ? 1 : 0
			print ok + 0, failed
		}'
}
