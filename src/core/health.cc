// SPDX-License-Identifier: GPL-2.0
#include "health.h"

namespace dmr {
namespace {

constexpr u64 kOne = 1 << 16;  // of fixed point numbers
constexpr u64 kHour = 3600;
constexpr u64 kDay = 24 * kHour;
constexpr u64 kNarrowest = 60;  // a bucket
constexpr u64 kLongest = u64{50} * 365 * kDay;  // that a pair can be old
constexpr u64 kTrendSeconds = 30 * kDay;
constexpr u64 kForecastEvents = 8;  // with fewer nothing is foretold
constexpr u64 kLongestForecast = 87600 * kHour;
constexpr i64 kLogE = 94548;           // log2(e)
constexpr i64 kBitsToSplit = 1323670;  // e^14 times as likely: what makes it a change

// Binary logarithm in fixed point, of a number that is not 0.
i64 log2_of(u64 value) {
  u32 whole = 0;
  while (value >> whole > 1) ++whole;
  u64 mantissa = whole > 31 ? value >> (whole - 31) : value << (31 - whole);  // 1.31 bits
  i64 result = i64{whole} * static_cast<i64>(kOne);
  for (i64 bit = static_cast<i64>(kOne) / 2; bit != 0; bit /= 2) {
    mantissa = mantissa * mantissa >> 31;
    if (mantissa >> 32 == 0) continue;
    mantissa >>= 1;
    result += bit;
  }
  return result;
}

// What follows from x, the growth of a rate over a window, for x = 0, 1/2, ... 8. Beyond that the
// window's beginning does not matter any more.
constexpr u32 kSteps = 17;
// Where the events' mean lies in the window: 1 / (1 - e^-x) - 1 / x.
constexpr u64 kMean[kSteps] = {32768, 35487, 38140, 40668, 43026, 45182, 47124, 48852, 50375,
                               51709, 52873, 53889, 54776, 55552, 56234, 56834, 57344};
// (1 - e^-x) / x.
constexpr u64 kShare[kSteps] = {65536, 51573, 41427, 33942, 28333, 24063, 20758, 18159, 16084,
                                14402, 13019, 11867, 10896, 10067, 9354,  8733,  8189};
// By how many bits per event such a rate explains better when they happened than a steady one.
constexpr i64 kGain[kSteps] = {0,     979,   3844,  8393,  14333, 21321, 29014, 37102, 45327,
                               53496, 61468, 69154, 76504, 83495, 90125, 96402, 102060};

i64 between(i64 a, i64 b, u64 part) {
  return a + (b - a) * static_cast<i64>(part) / static_cast<i64>(kOne);
}

// The table's value at @x below 8.
template <typename T>
i64 look_up(const T (&table)[kSteps], u64 x) {
  const u64 step = 2 * x / kOne;
  return between(static_cast<i64>(table[step]), static_cast<i64>(table[step + 1]), 2 * x % kOne);
}

// 1 - e^-x.
u64 grown_by(u64 x) {
  return x >= 8 * kOne ? kOne : static_cast<u64>(look_up(kShare, x)) * x / kOne;
}

// The growth that puts the events' mean at @mean, which is 1/2 or more.
u64 growth_of(u64 mean) {
  if (mean >= kMean[kSteps - 1]) return kOne * kOne / max<u64>(kOne - mean, 1);
  u32 step = 0;
  while (kMean[step + 1] <= mean) ++step;
  return kOne / 2 * step + kOne / 2 * (mean - kMean[step]) / (kMean[step + 1] - kMean[step]);
}

// Events and their mean place in a stretch of buckets.
struct Stretch {
  u64 seconds = 0;
  u64 events = 0;
  u64 mean = kOne / 2;

  // The mean's distance from the middle, either way; a growth that has that.
  u64 growth() const { return growth_of(mean < kOne / 2 ? kOne - mean : mean); }
  // Laplace's test: whether events as many as these lie so far to one side by chance, less than
  // once in a million times (five standard deviations).
  bool is_even() const {
    const i64 off = static_cast<i64>(mean) - static_cast<i64>(kOne / 2);
    return static_cast<u64>(off * off) * 12 / kOne * events <= 25 * kOne;
  }
  // log2 of the likelihood of a steady rate here, but for what all such have in common.
  i64 steady_bits() const {
    if (events == 0) return 0;
    return static_cast<i64>(events) * (log2_of(events) - log2_of(max<u64>(seconds, 1)));
  }
  i64 gain_bits() const {
    const u64 x = growth();
    const i64 each =
        x >= 8 * kOne ? log2_of(x) - 16 * static_cast<i64>(kOne) - kLogE : look_up(kGain, x);
    return static_cast<i64>(events) * each;
  }
};

Stretch stretch_of(const History& history, u32 first, u32 behind) {
  Stretch stretch;
  if (first >= behind) return stretch;
  const u64 start = history[first].start;
  stretch.seconds = history[behind - 1].end - start;
  u64 moment = 0;
  for (u32 i = first; i < behind; ++i) {
    const History::Bucket bucket = history[i];
    stretch.events += bucket.count;
    moment += bucket.count * (bucket.start - start + (bucket.end - bucket.start) / 2);
  }
  // 65,000 events in a hundred years fit.
  const u64 all = stretch.events * stretch.seconds;
  if (all != 0) stretch.mean = min(moment * kOne / all, kOne);
  return stretch;
}

// The bucket from @first on at which the rate changed: the change that explains most, if it explains
// more than a rate that grows or falls steadily. @first if there is none.
u32 last_change(const History& history, u32 first) {
  const Stretch whole = stretch_of(history, first, history.size());
  if (whole.events == 0) return first;
  i64 best = whole.steady_bits() + (whole.is_even() ? 0 : whole.gain_bits()) + kBitsToSplit;
  u32 change = first;
  // Of both parts only how much is in them, and how long they are.
  Stretch before, after;
  for (u32 i = first + 1; i < history.size(); ++i) {
    const History::Bucket passed = history[i - 1];
    before.events += passed.count;
    before.seconds = passed.end - history[first].start;
    after.events = whole.events - before.events;
    after.seconds = history[history.size() - 1].end - history[i].start;
    const i64 bits = before.steady_bits() + after.steady_bits();
    // A rise is believed when there is enough of it to foretell something from.
    const bool rise = after.events * before.seconds > before.events * after.seconds;
    if (bits <= best || (rise && after.events < kForecastEvents)) continue;
    best = bits;
    change = i;
  }
  return change;
}

// Change after change, to the last.
u32 last_stretch(const History& history, u32 first) {
  constexpr u32 kChangesMax = 4;
  for (u32 changes = 0; changes < kChangesMax; ++changes) {
    const u32 change = last_change(history, first);
    if (change == first) break;
    first = change;
  }
  return first;
}

}  // namespace

// ---- History -------------------------------------------------------------------------------------

void History::begin(u64 now, u64 age, u32 count) {
  size_ = 0;
  begun_ = now;
  if (count != 0 && age >= kNarrowest) {
    begun_ = now - min(min(age, now), kLongest);
    parts_[size_++] = {static_cast<u32>(now - begun_), count};
  }
  parts_[size_++] = {static_cast<u32>(now - begun_), 0};
}

// Two neighbours become one: the shortest in which nothing happened, or else those that are shortest
// for their age; the edge of a silence is worth more than others.
void History::make_room() {
  const u64 now = parts_[size_ - 1].end;
  u32 best = 0;
  u64 best_width = 1, best_age = 0;
  bool best_empty = false;
  for (u32 i = 0; i + 1 < size_; ++i) {
    const u64 start = i == 0 ? 0 : parts_[i - 1].end;
    const bool empty = parts_[i].count + parts_[i + 1].count == 0;
    const bool edge = !empty && (parts_[i].count == 0 || parts_[i + 1].count == 0);
    const u64 width = (parts_[i + 1].end - start) * (edge ? 4 : 1);
    const u64 age = empty ? 1 : now - start;
    const bool better = empty != best_empty ? empty : width * best_age < best_width * age;
    if (!better && best_age != 0) continue;
    best = i;
    best_width = width;
    best_age = age;
    best_empty = empty;
  }
  parts_[best + 1].count += parts_[best].count;
  for (u32 i = best; i + 1 < size_; ++i) parts_[i] = parts_[i + 1];
  --size_;
}

void History::add(u64 now, u32 count) {
  Part& last = parts_[size_ - 1];
  const u64 start = size_ == 1 ? 0 : parts_[size_ - 2].end;
  const u64 at = now - begun_;
  if (last.end - start < kNarrowest || at <= last.end) {
    last.end = static_cast<u32>(max<u64>(at, last.end));
    last.count += count;
    return;
  }
  if (size_ == kBuckets) make_room();
  parts_[size_++] = {static_cast<u32>(at), count};
}

// ---- Fit -----------------------------------------------------------------------------------------

Fit fit_of(const History& history) {
  const u32 first = last_stretch(history, 0);
  const Stretch stretch = stretch_of(history, first, history.size());
  Fit fit;
  fit.seconds = stretch.seconds;
  fit.events = stretch.events;
  if (stretch.is_even()) return fit;
  fit.x = static_cast<i64>(stretch.growth());
  if (stretch.mean < kOne / 2) fit.x = -fit.x;
  return fit;
}

u64 seconds_until(const Fit& fit, u64 more) {
  if (fit.events < kForecastEvents || fit.seconds == 0) return kNever;
  u64 seconds;
  if (fit.x > 0) {
    const u64 x = static_cast<u64>(fit.x);
    const u64 grown = grown_by(x);
    // T / x * ln(1 + more * (1 - e^-x) / n), the logarithm in fixed point.
    const u64 bits = static_cast<u64>(log2_of(kOne + more * grown / fit.events)) - 16 * kOne;
    seconds = fit.seconds * bits / x * kOne / static_cast<u64>(kLogE);
  } else if (fit.x < 0) {
    const u64 z = static_cast<u64>(-fit.x);
    const u64 grown = grown_by(z);
    // All that is still to come: n / (e^z - 1).
    if (fit.events * (kOne - grown) <= more * grown) return kNever;
    // A steady rate like the last one would take so long; a falling one, longer.
    seconds = more * fit.seconds / fit.events * grown / (kOne - grown) * kOne / z;
  } else {
    seconds = more * fit.seconds / fit.events;
  }
  return seconds > kLongestForecast ? kNever : seconds;
}

// ---- Health --------------------------------------------------------------------------------------

void Recent::pass(u64 seconds) {
  // Step by step, as the part that is forgotten is of what is left.
  while (seconds != 0 && value_ != 0) {
    const u64 step = min<u64>(seconds, kHour);
    const u64 off = value_ * step + rest_;
    value_ -= min(value_, off / kSeconds);
    rest_ = off % kSeconds;
    seconds -= step;
  }
}

void Recent::begin(u64 count, u64 seconds) {
  constexpr u64 kHoursKept = 10 * 7 * 24;  // of what was before, 1 in 20,000 is left
  *this = Recent();
  const u64 hours = max<u64>(seconds / kHour, 1);
  const u64 each = min<u64>(count, DMR_SLOTS_MAX) * kUnit / hours;
  for (u64 i = min(hours, kHoursKept); i != 0; --i) {
    value_ += each;
    pass(kHour);
  }
}

namespace {

// @each times log2(1 + count), at most @most; @fixed is the count in units of 1 / Recent::kUnit.
u32 malus(u64 fixed, u32 each, u32 most) {
  const i64 bits = log2_of(Recent::kUnit + fixed) - 10 * static_cast<i64>(kOne);
  return static_cast<u32>(min<u64>(static_cast<u64>(bits) * each / kOne, most));
}

bool below(i64 hours, u64 days) {
  return hours >= 0 && static_cast<u64>(hours) < days * 24;
}

}  // namespace

dmr_health Health::state_for(u32 score, i64 hours, const HealthInput& input) const {
  if (input.failed) return DMR_HEALTH_FAILED;
  if (score < 50 || below(hours, 7)) return DMR_HEALTH_FAILING;
  if (score < 85 || below(hours, 30) || input.lost != 0) return DMR_HEALTH_WATCH;
  return DMR_HEALTH_HEALTHY;
}

// Of the last month: which way its last change went, or without one, Laplace's test.
dmr_trend Health::trend_of(u64 now) const {
  u32 first = 0;
  while (first < history_.size() && history_[first].start + kTrendSeconds < now) ++first;
  if (first == history_.size()) return DMR_TREND_STABLE;
  const u32 change = last_stretch(history_, first);
  const Stretch last = stretch_of(history_, change, history_.size());
  if (!last.is_even()) return last.mean > kOne / 2 ? DMR_TREND_WORSENING : DMR_TREND_IMPROVING;
  if (change == first) return DMR_TREND_STABLE;
  const Stretch before = stretch_of(history_, first, change);
  return last.events * before.seconds > before.events * last.seconds ? DMR_TREND_WORSENING
                                                                     : DMR_TREND_IMPROVING;
}

void Health::assess(u64 now, const HealthInput& input) {
  const u64 left = seconds_until(fit_of(history_), input.slots_free);
  hours_ = left == kNever ? -1 : static_cast<i64>(left / kHour);
  u32 off = 0;
  if (input.slots_total != 0)
    off += static_cast<u32>(u64{40} * (input.slots_total - input.slots_free) / input.slots_total);
  off += malus(decayed_.fixed(), 6, 30);
  off += malus(input.lost * Recent::kUnit, 10, 30);
  off += malus(retries_.fixed() + slow_.fixed(), 3, 15);
  off += min<u32>(10 * (DMR_COPIES - min(input.good_copies, DMR_COPIES)), 30);
  off += below(hours_, 1) ? 45 : below(hours_, 7) ? 30 : below(hours_, 30) ? 10 : 0;
  score_ = 100 - min<u32>(off, 100);
  if (input.failed) score_ = min<u32>(score_, 10);

  // It gets worse at once, and better when it is so by a margin.
  const dmr_health now_state = state_for(score_, hours_, input);
  const dmr_health surely =
      state_for(score_ - min<u32>(score_, 5), hours_ < 0 ? -1 : hours_ / 2, input);
  if (now_state > state_) state_ = now_state;
  if (surely < state_) state_ = surely;
  trend_ = trend_of(now);
}

void Health::begin(u64 now, u64 age, const HealthInput& input) {
  new (this) Health;  // in place: it is too large for the kernel's stack
  // A clock that began later than the pair did.
  history_.begin(now, min(age, now), static_cast<u32>(input.decayed));
  if (age != 0) decayed_.begin(input.decayed, age);
  last_ = input;
  updated_ = now;
  assess(now, input);
}

void Health::update(u64 now, const HealthInput& input) {
  const u64 passed = now - updated_;
  const u64 decayed = input.decayed - last_.decayed;
  history_.add(now, static_cast<u32>(decayed));
  decayed_.pass(passed);
  retries_.pass(passed);
  slow_.pass(passed);
  decayed_.add(decayed);
  retries_.add(input.retries - last_.retries);
  slow_.add(input.slow - last_.slow);
  last_ = input;
  updated_ = now;
  assess(now, input);
}

}  // namespace dmr
