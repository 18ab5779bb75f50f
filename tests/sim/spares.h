// SPDX-License-Identifier: GPL-2.0
//
// Spares to begin with: blank, formatted, nearly full.
#pragma once

#include <cstdint>
#include <functional>
#include <tuple>

#include "hosted/sim_target.h"

namespace dmr::sim {

// What a pair is made of.
struct Shape {
  uint64_t main_sectors;
  uint32_t main_logical;
  uint32_t spare_logical;
  bool operator<(const Shape& other) const {
    return std::tie(main_sectors, main_logical, spare_logical) <
           std::tie(other.main_sectors, other.main_logical, other.spare_logical);
  }
};

dmr_arguments default_arguments();

// Of the smallest size there is. Slots hold foreign bytes: nobody may ever see them.
hosted::SimDisk blank_spare(const Shape& shape);
const hosted::SimDisk& formatted_spare(const Shape& shape);
// Retires slots behind the core's back, by what the format is.
void retire_slots(hosted::SimDisk& spare, uint32_t slots_touched,
                  const std::function<bool(uint32_t slot)>& retired);

}  // namespace dmr::sim
