# SPDX-License-Identifier: GPL-2.0
# The simulator. `make -f tests/sim/sim.mk` builds it, optimized and (sanitized) with ASan and UBSan;
# and the search over whole lives, of the core with small spares (see tests/sim/lives_sizes.h).

include src/core-flags.mk

out := build/sim
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
common := -g1 -Iinclude -MMD -MP -DDMR_DEBUG=1
hosted := -std=c++20 -Wall -Wextra -Isrc -Itests/sim
fast := -O2
small := -O2 -include tests/sim/lives_sizes.h
sane := -O1 -fno-omit-frame-pointer $(SANITIZE)

core := $(sort $(wildcard src/core/*.cc))
shared := $(sort $(wildcard src/hosted/*.cc) \
	$(filter-out tests/sim/main.cc tests/sim/exhaustive.cc tests/sim/lives%,$(wildcard tests/sim/*.cc)))
programs := $(foreach kind,fast sane,$(out)/$(kind)/sim) $(out)/fast/exhaustive $(out)/small/lives

all: $(programs)

$(shell mkdir -p $(out))
settings := $(CXX) $(common) $(DMR_CORE_FLAGS) $(hosted) $(sane) $(small)
ifneq ($(file <$(out)/settings),$(settings))
$(file >$(out)/settings,$(settings))
endif

define rules
$(out)/$(1)/src/core/%.o: src/core/%.cc $(out)/settings
	@mkdir -p $$(@D)
	$$(CXX) $$(DMR_CORE_FLAGS) $$(DMR_CORE_WARNINGS) -Werror $$(common) $$($(1)) -c -o $$@ $$<

$(out)/$(1)/%.o: %.cc $(out)/settings
	@mkdir -p $$(@D)
	$$(CXX) $$(hosted) -Werror $$(common) $$($(1)) -c -o $$@ $$<
endef
$(foreach kind,fast sane small,$(eval $(call rules,$(kind))))

define programs_of
$(out)/$(1)/sim: $(patsubst %.cc,$(out)/$(1)/%.o,$(core) $(shared) tests/sim/main.cc)
$(out)/$(1)/exhaustive: $(patsubst %.cc,$(out)/$(1)/%.o,$(core) $(shared) tests/sim/exhaustive.cc)
$(out)/$(1)/sim $(out)/$(1)/exhaustive:
	$$(CXX) $$($(1)) -o $$@ $$^ -ldeflate
endef
$(foreach kind,fast sane,$(eval $(call programs_of,$(kind))))

$(out)/small/lives: $(patsubst %.cc,$(out)/small/%.o,$(core) $(sort $(wildcard tests/sim/lives*.cc)))
	$(CXX) -o $@ $^ -ldeflate

-include $(wildcard $(out)/*/*/*/*.d)
.SECONDARY:

.PHONY: all print-core-flags
# For tests/sim/mutate, which compiles changed copies of the core: how it is compiled for $(kind).
print-core-flags:
	@echo $(DMR_CORE_FLAGS) -Iinclude -DDMR_DEBUG=1 $($(kind))
