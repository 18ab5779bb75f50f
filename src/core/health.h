// SPDX-License-Identifier: GPL-2.0
//
// How main is doing: a score, a state, a trend, and when the spare will be full. Integers only. The
// model, its sources and its figures are in docs/HEALTH.md.
//
// A Health has one user at a time (the scan worker, or whoever opens the pair); no I/O, no clock of
// its own. Times are seconds of any clock that never goes back.
#pragma once

#include "base.h"
#include "dm_remap/core.h"

namespace dmr {

// When things happened, the finer the later: a bucket is the shorter the younger it is. (An
// exponential histogram.)
class History {
 public:
  static constexpr u32 kBuckets = 64;
  struct Bucket {
    u64 start, end;
    u32 count;
  };

  // Nothing is known of the time before @now, or that @count things happened within @age.
  void begin(u64 now, u64 age, u32 count);
  // @count more since the last call.
  void add(u64 now, u32 count);
  u32 size() const { return size_; }
  // 0 is the oldest.
  Bucket operator[](u32 i) const {
    return {begun_ + (i == 0 ? 0 : parts_[i - 1].end), begun_ + parts_[i].end, parts_[i].count};
  }

 private:
  // Seconds since it was begun: a hundred years of them.
  struct Part {
    u32 end, count;
  };
  void make_room();
  u64 begun_ = 0;
  Part parts_[kBuckets];
  u32 size_ = 0;
};

// How a process of single events went within a window of time: x is by how much, in the exponent,
// its rate has changed from begin to end (fixed point), 0 if it has not.
struct Fit {
  u64 seconds = 0;
  u64 events = 0;
  i64 x = 0;
};
// Of the last part of the history that is of one kind.
Fit fit_of(const History& history);
// Seconds until @more events have happened; kNever if not, or in more than ten years.
inline constexpr u64 kNever = ~u64{0};
u64 seconds_until(const Fit& fit, u64 more);

// A count that forgets: after a week, what was 100 is 37.
class Recent {
 public:
  void add(u64 count) { value_ = min<u64>(value_ + count * kUnit, u64{1} << 40); }
  void pass(u64 seconds);
  // As if @count of them had come at a steady rate for so long.
  void begin(u64 count, u64 seconds);
  u64 fixed() const { return value_; }  // in units of 1 / kUnit
  static constexpr u64 kUnit = 1024;

 private:
  static constexpr u64 kSeconds = 7 * 86400;
  u64 value_ = 0;
  u64 rest_ = 0;  // of what was too little to be taken off
};

// What is seen of a pair. Counts marked "ever" only rise.
struct HealthInput {
  u32 slots_total = 0;
  u32 slots_free = 0;
  u64 decayed = 0;  // ever: slots that failing or slow sectors took, and slots retired
  u64 retries = 0;  // ever: reads that went well only when tried again
  u64 slow = 0;     // ever: blocks found slow
  u64 lost = 0;     // sectors lost now
  u32 good_copies = 0;
  bool failed = false;  // main_failed, metadata_ro or spare_full
};

class Health {
 public:
  // @age and @decayed: of the pair so far.
  void begin(u64 now, u64 age, const HealthInput& input);
  // Takes account of what has happened since.
  void update(u64 now, const HealthInput& input);

  u32 score() const { return score_; }
  dmr_health state() const { return state_; }
  dmr_trend trend() const { return trend_; }
  i64 exhaustion_hours() const { return hours_; }  // -1: none in sight

 private:
  void assess(u64 now, const HealthInput& input);
  dmr_health state_for(u32 score, i64 hours, const HealthInput& input) const;
  dmr_trend trend_of(u64 now) const;

  History history_;
  Recent decayed_, retries_, slow_;
  HealthInput last_;
  u64 updated_ = 0;
  u32 score_ = 100;
  dmr_health state_ = DMR_HEALTH_HEALTHY;
  dmr_trend trend_ = DMR_TREND_STABLE;
  i64 hours_ = -1;
};

}  // namespace dmr
