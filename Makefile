# SPDX-License-Identifier: GPL-2.0
# dm-remap. The module itself is built by the kernel's own build system, from the file Kbuild.
#
# For the targets that use virtual machines: KERNELS="default 6.12 ..." names their kernels, as
# tools/kernel does; FLAVOURS="release debug" the builds of the module (vm-test).

KDIR ?= /lib/modules/$(shell uname -r)/build
DEBUG ?= 0

.DEFAULT_GOAL := all
.PHONY: all clean help test unit sim soak lives coverage vm-test gate demo bench install uninstall load unload info \
	monitor devices devices-clean

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

test: ## everything: unit tests, symbol gate, tests in virtual machines; installs what it needs
	@tools/test

unit: ## the unit tests of tests/unit, with ASan and UBSan
	@tools/unit

sim: ## the simulator: SEEDS=20000 runs, and the mutations that it must catch
	@tools/sim test

soak: ## further runs of the simulator, for SECONDS=600
	@tools/sim soak $(SECONDS)

lives: ## the simulator's search over whole lives, ten million states for each number of faults
	@tools/sim lives

coverage: ## lines and branches of the core that unit tests and simulator reach
	@tools/coverage

vm-test: ## the tests of tests/vm, in virtual machines; TESTS="name…" for some of them
	@tests/vm/run-tests $(TESTS)

gate: ## check the built modules' symbols and sections
	@tools/gate

demo: ## a failing disk and its rescue, in a virtual machine
	@tools/demo

bench: ## instructions per I/O against dm-linear, in a virtual machine
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
