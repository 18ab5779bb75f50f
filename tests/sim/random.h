// SPDX-License-Identifier: GPL-2.0
//
// All the chance there is in a run: one generator, so that a seed means one run. (The standard
// distributions are not used: they differ between libraries.)
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace dmr::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed * 0x9e3779b97f4a7c15ull + 1) {}
  uint64_t below(uint64_t limit) { return engine_() % limit; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  // True in @percent of a hundred cases.
  bool chance(uint32_t percent) { return below(100) < percent; }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::mt19937_64 engine_;
};

}  // namespace dmr::sim
