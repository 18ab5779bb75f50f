// SPDX-License-Identifier: GPL-2.0
//
// How many slots failing I/O took lately: a disk that fails here and there takes few; one that has
// come loose would fill the spare with blocks that are perfectly well. Counts in at most sixteen
// buckets, so that the window slides. Owner only.
#pragma once

#include "base.h"

namespace dmr {

class Burst {
 public:
  void reset() { *this = Burst(); }
  // How many there were within the last @window seconds of @now.
  u32 count(u64 now, u32 window) {
    const u64 width = max<u64>((u64{window} + kBuckets - 1) / kBuckets, 1);
    const u64 buckets = (window + width - 1) / width;
    if (width != width_ || buckets != buckets_) {
      // The window was changed: begin anew.
      reset();
      width_ = width;
      buckets_ = buckets;
      newest_ = now / width;
    }
    // A clock that stands still or jumps far ahead: at most one round.
    const u64 bucket = now / width;
    if (bucket > newest_ + buckets) newest_ = bucket - buckets;
    while (newest_ < bucket) counts_[++newest_ % buckets] = 0;
    u32 total = 0;
    for (u64 b = 0; b < buckets; ++b) total += counts_[b];
    return total;
  }
  // @slots more, at the moment of the last count().
  void add(u32 slots) {
    if (buckets_ != 0) counts_[newest_ % buckets_] += slots;
  }

 private:
  static constexpr u32 kBuckets = 16;
  u32 counts_[kBuckets] = {};
  u64 buckets_ = 0;  // in use: width times buckets is the window
  u64 width_ = 0;    // seconds that a bucket stands for
  u64 newest_ = 0;   // bucket number
};

}  // namespace dmr
