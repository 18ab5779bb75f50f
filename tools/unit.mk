# SPDX-License-Identifier: GPL-2.0
# The unit tests: every tests/unit/test_*.cc becomes a program, linked with the core, its hosted
# seam and the other sources of tests/unit. Used by tools/unit.

include src/core-flags.mk

out := build/unit
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
common := -g1 -O1 -fno-omit-frame-pointer $(SANITIZE) -Iinclude -MMD -MP -DDMR_DEBUG=1
hosted := -std=c++20 -Wall -Wextra -Isrc -Itests/unit

objects_of = $(patsubst %.cc,$(out)/%.o,$(sort $(1)))
core := $(call objects_of,$(wildcard src/core/*.cc))
tests := $(call objects_of,$(wildcard tests/unit/test_*.cc))
others := $(call objects_of,$(wildcard src/hosted/*.cc) \
	$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.cc)))
programs := $(patsubst $(out)/tests/unit/%.o,$(out)/%,$(tests))

all: $(programs)

# Another compiler or other flags mean other objects.
$(shell mkdir -p $(out))
settings := $(CXX) $(common) $(DMR_CORE_FLAGS) $(hosted)
ifneq ($(file <$(out)/settings),$(settings))
$(file >$(out)/settings,$(settings))
endif

$(core): $(out)/%.o: %.cc $(out)/settings
	@mkdir -p $(@D)
	$(CXX) $(DMR_CORE_FLAGS) $(DMR_CORE_WARNINGS) -Werror $(common) -c -o $@ $<

$(tests) $(others): $(out)/%.o: %.cc $(out)/settings
	@mkdir -p $(@D)
	$(CXX) $(hosted) -Werror $(common) -c -o $@ $<

$(programs): $(out)/%: $(out)/tests/unit/%.o $(core) $(others)
	$(CXX) $(SANITIZE) -o $@ $^ -lcmocka -ldeflate

-include $(wildcard $(out)/*/*/*.d)
.SECONDARY:
