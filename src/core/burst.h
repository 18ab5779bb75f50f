// SPDX-License-Identifier: GPL-2.0
//
// How many slots failing I/O took lately: a disk that fails here and there takes few; one that has
// come loose would fill the spare with blocks that are perfectly well. Counts in sixteen buckets, so
// that the window slides. Owner only.
#pragma once

#include "base.h"

namespace dmr {

class Burst {
 public:
  void reset() { memset(this, 0, sizeof *this); }
  // One more slot at @now (seconds). False if that makes more than @limit within @window seconds.
  bool allows(u64 now, u32 limit, u32 window) {
    const u64 width = max<u64>((u64{window} + kBuckets - 1) / kBuckets, 1);
    const u64 bucket = now / width;
    if (width != width_) {
      // The window was changed: begin anew.
      reset();
      width_ = width;
      newest_ = bucket;
    }
    for (; newest_ < bucket; ++newest_) {
      if (bucket - newest_ > kBuckets) newest_ = bucket - kBuckets;
      u32& oldest = counts_[(newest_ + 1) % kBuckets];
      total_ -= oldest;
      oldest = 0;
    }
    if (total_ >= limit) return false;
    ++counts_[newest_ % kBuckets];
    ++total_;
    return true;
  }

 private:
  static constexpr u32 kBuckets = 16;
  u32 counts_[kBuckets] = {};
  u32 total_ = 0;
  u64 width_ = 0;   // seconds that a bucket stands for
  u64 newest_ = 0;  // bucket number
};

}  // namespace dmr
