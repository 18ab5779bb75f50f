#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0
# What the scripts of the build and the tests share (tools/lib.sh), and which packages tools/kernel asks for.

bats_require_minimum_version 1.5.0

setup() {
	tools=$(realpath "$BATS_TEST_DIRNAME/../../tools")
	lib=$tools/lib.sh
	unset DMR_HOLDS_CPU
	export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
	cpus=$XDG_CACHE_HOME/dm-remap/cpus
	cd "$BATS_TEST_TMPDIR"
	# Three CPUs, whatever this machine has.
	stub nproc 'echo 3'
	PATH=$PWD/bin:$PATH
}

# stub PROGRAM SCRIPT: in the place of the real one.
stub() {
	mkdir -p bin
	printf '#!/bin/bash\n%s\n' "$2" >"bin/$1"
	chmod +x "bin/$1"
}

# holder NAME COMMAND: a shell that holds what COMMAND says until it is released, and logs both.
holder() {
	mkfifo "$1"
	bash -c "source '$lib'; $2; echo '+$1' >>log; : <'$1'; echo '-$1' >>log" 3>&- &
}
# release NAME: once it holds.
release() { : >"$1"; }

# Fails the test if COMMAND isn't true within 20 s.
eventually() {
	local n
	for ((n = 0; n < 200; n++)); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}
logged() { grep -xe "$1" log; }
# The turn is had by who is the next to get a CPU, but waits for it.
somebody_waits() { [ -e "$cpus/turn" ] && ! flock -n "$cpus/turn" true; }

@test "no more hold a CPU than there are, and all of those are held" {
	for n in 1 2 3 4 5 6 7 8; do
		holder "one$n" hold_cpu
	done
	three() { [ "$(grep -c '^[+]one' log)" -eq 3 ]; }
	eventually three
	eventually somebody_waits
	sleep 0.5
	three
	for n in 1 2 3 4 5 6 7 8; do release "one$n" & done
	wait
	[ "$(grep -c '^-one' log)" -eq 8 ]
	awk '/^[+]/ && ++now > 3 { exit 1 } /^-/ { now-- }' log
}

@test "who holds all CPUs is alone with them, and who comes first waits first" {
	holder one1 hold_cpu
	eventually logged +one1
	holder one2 hold_cpu
	eventually logged +one2
	holder all1 hold_cpus
	eventually somebody_waits
	release one1
	eventually logged -one1
	holder one3 hold_cpu
	sleep 0.3
	run ! logged +all1
	run ! logged +one3
	release one2
	eventually logged +all1
	sleep 0.3
	run ! logged +one3
	release all1
	release one3
	wait
}

@test "one that waits now and then goes beside those that hold CPUs, a second one waits for its turn" {
	holder all1 hold_cpus
	eventually logged +all1
	holder one1 'hold_cpu waits'
	eventually logged +one1
	holder one2 'hold_cpu waits'
	eventually somebody_waits
	run ! logged +one2
	release all1
	eventually logged +one2
	release one1
	release one2
	wait
}

@test "who has got a CPU does not wait for another one, whatever becomes of the SIGTERM of who waited for that" {
	holder one1 hold_cpu
	eventually logged +one1
	# By when the second CPU is had, who waits for the first one ignores the signal.
	stub flock "[ \"\$1\" = -n ] && sleep 0.5 || trap '' TERM; exec '$(type -P flock)' \"\$@\""
	timeout 20 bash -c "source '$lib'; hold_cpu"
	release one1
	wait
}

@test "what a holder begins needs no CPU of its own" {
	timeout 20 bash -c "source '$lib'; hold_cpus; bash -c 'source \"$lib\"; hold_cpu; hold_cpus'"
}

@test "who is killed holds nothing any more" {
	holder all1 hold_cpus
	eventually logged +all1
	kill -9 "$!"
	timeout 20 bash -c "source '$lib'; hold_cpus"
}

@test "jobs end with the script that began them, also if it gets more than one signal" {
	cat >script <<-END
		source '$lib'
		end_jobs_at_exit
		set -m
		for n in 1 2 3 4 5 6 7 8; do
			(echo >>begun; sleep 1000) 3>&- &
		done
		wait
	END
	for round in 1 2 3 4 5 6 7 8 9 10; do
		rm -f begun
		(flock -s 9 && exec bash script) 3>&- 9>alive &
		begun() { [ -e begun ] && [ "$(wc -l <begun)" -eq 8 ]; }
		eventually begun
		# As make does, but at every moment.
		while kill "$!" 2>/dev/null; do :; done
		status=0
		wait "$!" || status=$?
		[ "$status" -eq 130 ]
		eventually flock -n alive true
	done
}

@test "what a program of cmocka printed is counted, and that it died" {
	source "$lib"
	ran='[ RUN      ] a'$'\n''[       OK ] a'$'\n''[ RUN      ] b'
	count() { [ "$(count_cmocka "$1")" = "$2" ]; }
	count 0 '2 0' <<<"$ran"$'\n''[       OK ] b'
	count 1 '2 1' <<<"$ran"$'\n''[       OK ] b'
	count 1 '1 1' <<<"$ran"$'\n''[  FAILED  ] b'
	count 2 '0 2' <<<'[ RUN      ] a'$'\n''[  FAILED  ] a'$'\n''[ RUN      ] b'$'\n''[  FAILED  ] b'
	count 0 '1 0' <<<"$ran"$'\n''[  SKIPPED ] b'$'\n''[  SKIPPED ] b'
	count 139 '1 1' <<<"$ran"
	count 0 '0 1' <<<''
}

# A package index: package NAME VERSION DEPENDS, and what is asked of it.
package_index() {
	mkdir index
	stub apt-cache "[ \"\$1\" != show ] || cat '$PWD/index/'\"\${!#}\""
}
package() { printf 'Package: %s\nVersion: %s\nDepends: %s\n' "$@" >"index/$1"; }

@test "a kernel's packages are of one version, but for kbuild" {
	package_index
	package linux-image-6.1-amd64 6.1.5-2 'linux-image-6.1.0-5-amd64 (= 6.1.5-2)'
	package linux-image-6.1.0-5-amd64 6.1.5-2 'kmod, linux-base (>= 4.3)'
	package linux-headers-6.1.0-5-amd64 6.1.5-2 'linux-headers-6.1.0-5-common (= 6.1.5-2), linux-kbuild-6.1 (>= 6.1.5-2)'
	stub apt-get "echo \"\$@\" >>'$PWD/asked'; [ \"\$1\" = update ]"
	run "$tools/kernel" 6.1
	[ "$status" -ne 0 ]
	[[ $output == *'cannot download 6.1.0-5-amd64 6.1.5-2'* ]]
	[ "$(sed -n 's/.*APT::Sandbox::User=root //p' asked)" = \
		"linux-image-6.1.0-5-amd64=6.1.5-2 linux-headers-6.1.0-5-amd64=6.1.5-2 linux-headers-6.1.0-5-common=6.1.5-2 linux-kbuild-6.1" ]
}

@test "a debug kernel is of the newest source, though an old index knows another" {
	package_index
	package linux-source 6.1.5 'linux-source-6.1 (>= 6.1)'
	package linux-source-6.1 6.1.5-1 xz-utils
	stub id 'echo 0'
	stub apt-get "case \$1 in update) sed -i 's/6.1.5-1/6.1.5-2/' '$PWD/index/linux-source-6.1' ;; download) exit 1 ;; esac"
	run "$tools/debug-kernel" kasan
	[ "$status" -ne 0 ]
	[[ $output == *'cannot download linux-source-6.1 6.1.5-2'* ]]
}

@test "a package index is not fetched twice within ten minutes, unless it could not be" {
	stub id 'echo 0'
	stub apt-get "echo >>'$PWD/asked'; [ -e '$PWD/online' ]"
	update() { bash -c "source '$lib'; apt_update_once"; }
	update
	: >online
	update
	update
	[ "$(wc -l <asked)" -eq 2 ]
	touch -d '11 minutes ago' "$XDG_CACHE_HOME/dm-remap/apt.updated"
	update
	[ "$(wc -l <asked)" -eq 3 ]
}
