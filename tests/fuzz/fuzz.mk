# SPDX-License-Identifier: GPL-2.0
# The fuzzers: each fuzz_*.cc becomes a program, with the core, its hosted seam, and what
# mutates its inputs. With clang's libFuzzer, ASan and UBSan. Used by tools/fuzz.

include src/core-flags.mk

out := build/fuzz
CXX := clang++
SANITIZE ?= -fsanitize=address,undefined -fno-sanitize-recover=all
common := -g -O2 -fno-omit-frame-pointer $(SANITIZE) -Iinclude -MMD -MP -DDMR_DEBUG=1
core_flags := $(DMR_CORE_FLAGS) $(DMR_CORE_WARNINGS) -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp
hosted := -std=c++20 -Wall -Wextra -Isrc -Itests/fuzz

objects_of = $(patsubst %.cc,$(out)/%.o,$(sort $(1)))
core := $(call objects_of,$(wildcard src/core/*.cc))
seam := $(call objects_of,$(wildcard src/hosted/*.cc))
programs := $(addprefix $(out)/,arguments messages metadata)

all: $(programs)

$(shell mkdir -p $(out))
settings := $(CXX) $(common) $(core_flags) $(hosted)
ifneq ($(file <$(out)/settings),$(settings))
$(file >$(out)/settings,$(settings))
endif

$(core): $(out)/%.o: %.cc $(out)/settings
	@mkdir -p $(@D)
	$(CXX) $(core_flags) -Werror $(common) -c -o $@ $<

$(out)/%.o: %.cc $(out)/settings
	@mkdir -p $(@D)
	$(CXX) $(hosted) -Werror $(common) -c -o $@ $<

$(out)/arguments $(out)/messages: $(call objects_of,tests/fuzz/words.cc)
$(out)/metadata: $(call objects_of,tests/fuzz/image.cc tests/fuzz/mutator.cc)
$(programs): $(out)/%: $(out)/tests/fuzz/fuzz_%.o $(core) $(seam)
	$(CXX) -fsanitize=fuzzer $(SANITIZE) -o $@ $^ -ldeflate

-include $(wildcard $(out)/*/*/*.d)
.SECONDARY:
