# SPDX-License-Identifier: GPL-2.0
# The benchmark's programs for the host: the maker of spares' tables, and the routing of two threads,
# with the core as fast as it gets. Used by tools/bench.

include src/core-flags.mk

out := build/bench
common := -O2 -Iinclude -MMD -MP
hosted := -std=c++20 -Wall -Wextra -Werror -Isrc

core := $(patsubst %.cc,$(out)/%.o,$(sort $(wildcard src/core/*.cc)))
seam := $(patsubst %.cc,$(out)/%.o,$(sort $(wildcard src/hosted/*.cc)))

all: $(out)/spare_image $(out)/route

$(core): $(out)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(DMR_CORE_FLAGS) $(DMR_CORE_WARNINGS) -Werror $(common) -c -o $@ $<

$(out)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(hosted) $(common) -c -o $@ $<

$(out)/spare_image: $(out)/tests/bench/spare_image.o $(out)/src/core/format.o
	$(CXX) -o $@ $^ -ldeflate

$(out)/route: $(out)/tests/bench/route.o $(core) $(seam)
	$(CXX) -o $@ $^ -lbenchmark -lpthread -ldeflate

-include $(wildcard $(out)/*/*/*.d)
.SECONDARY:
