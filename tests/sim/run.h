// SPDX-License-Identifier: GPL-2.0
//
// A run: one pair of disks and several boots of the machine with it, all of it from one seed.
#pragma once

#include <cstdint>
#include <string>

#include "world.h"

namespace dmr::sim {

// What runs came to, to see that they do what they are for.
struct Stats {
  uint64_t runs = 0;
  uint64_t boots = 0;
  uint64_t power_cuts = 0;
  uint64_t refused = 0;  // openings, each for a reason
  uint64_t ops = 0;      // of the application
  uint64_t core_ios = 0;
  uint64_t remaps = 0;
  uint64_t lost = 0;  // events
  uint64_t salvaged = 0;
  uint64_t retired = 0;
  uint64_t metadata = 0;

  void add(const Stats& other);
};

// Empty, or the first thing that went wrong.
std::string run_seed(uint64_t seed, const Options& options, Stats& stats);

}  // namespace dmr::sim
