# SPDX-License-Identifier: GPL-2.0
# How the core is compiled, wherever it runs: the module (Kbuild) and the hosted programs and
# tests (Makefile) both include this, so that the core is the same language in both worlds.
# With -nostdinc nothing but the core's own and the boundary header can be included.

DMR_CORE_FLAGS := -x c++ -std=c++20 -ffreestanding -nostdinc -fno-exceptions -fno-rtti \
	-fno-threadsafe-statics -fno-use-cxa-atexit -funsigned-char -fno-strict-aliasing
DMR_CORE_WARNINGS := -Wall -Wextra
