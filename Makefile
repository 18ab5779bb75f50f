# SPDX-License-Identifier: GPL-2.0
# dm-remap. The module itself is built by the kernel's own build system, from the file Kbuild.
#
# KERNELS="6.1 7.3 default ..." names the kernels that test, vm-test, gate, lint (the first) and bench
# use, as tools/kernel does: any Debian kernel; "default" is the release's own. FLAVOURS="release debug"
# says how the module is built for each. By default tests use 6.1, as release and debug build, 6.12 and
# 7.3, as release build.
# LONG=N makes vm-test's random and timed tests N times as long.

KDIR ?= /lib/modules/$(shell uname -r)/build
DEBUG ?= 0

.DEFAULT_GOAL := all
.PHONY: all clean help test check unit sim soak lives fuzz coverage vm-test test-debug test-stacks gate lint claims demo bench \
	install uninstall load unload info monitor devices devices-clean

# A C++ compiler of the user's choice reaches kbuild by itself; the check has to know of it.
ifeq ($(origin CXX),command line)
export CXX_GIVEN := $(CXX)
endif

all: ## build dm-remap.ko for the running kernel, or KDIR=…; DEBUG=1 with assertions
	@tools/module build $(KDIR) $(DEBUG)

clean: ## remove everything that was built
	@if [ -e $(KDIR)/Makefile ]; then $(MAKE) -s -C $(KDIR) M=$(CURDIR) clean; fi
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

test: ## all tests, in virtual machines with 6.1, 6.12, 7.3, or KERNELS=…; installs what it needs
	@tools/test

check: ## what each change has to pass: test, test-debug and the short ones of test-stacks, in one
	@tools/test check

unit: ## the unit tests of tests/unit, with ASan and UBSan
	@tools/unit

sim: ## the simulator: SEEDS=20000 runs, and the mutations that it must catch
	@tools/sim test

soak: ## further runs of the simulator, for SECONDS=600
	@tools/sim soak $(SECONDS)

lives: ## the simulator's search over whole lives, ten million states for each number of faults
	@tools/sim lives

fuzz: ## the fuzzers, for SECONDS=600: metadata, table lines, messages
	@tools/fuzz soak $(SECONDS)

coverage: ## lines and branches of the core that unit tests and simulator reach
	@tools/coverage

vm-test: ## the tests in virtual machines; 6.1 has release and debug build, the others release; TESTS="name…" for some
	@tests/vm/run-tests $(TESTS)

test-debug: ## tests/vm on kernels with KASAN, lockdep, kmemleak, failing memory and I/O; threads on one with KCSAN
	@tests/debug/run-tests $(TESTS)

test-stacks: ## file systems, LVM, LUKS, md and lvm2's own tests, on disks that get worse; NAMES="ext4 lvm…" for some
	@tests/stacks/run $(NAMES)

claims: ## check that what README and docs promise names the test that shows it
	@tools/setup claims
	@tools/claims

gate: ## check the built modules' symbols and sections
	@tools/gate

lint: ## sparse, a build with clang, both without a warning
	@tools/lint

demo: ## a failing disk and its rescue, in a virtual machine
	@tools/demo

bench: ## what it costs against dm-linear, in a virtual machine; fails if it is too much
	@tools/bench

install: ## install the module and have it loaded at boot (DESTDIR, INSTALL_MOD_PATH)
	@tools/module install $(KDIR)

uninstall: ## undo install
	@tools/module uninstall $(KDIR)

load: ## load the module
	@tools/module load

unload: ## unload the module, unless a target uses it
	@tools/module unload

info: ## modinfo and the live targets
	@tools/module info

monitor: ## show the live targets' status, again and again
	@tools/module monitor

devices: ## make a pair of loop devices to try dm-remap with
	@tools/devices create

devices-clean: ## remove that pair
	@tools/devices remove
