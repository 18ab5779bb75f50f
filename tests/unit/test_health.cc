// SPDX-License-Identifier: GPL-2.0
//
// The health model against traces of disks whose fate is known.
#include "core/health.h"

#include <algorithm>
#include <cmath>

#include "support.h"

namespace test {
namespace {

using dmr::Health;
using dmr::HealthInput;

constexpr uint64_t kMinute = 60, kHour = 3600, kDay = 86400, kYear = 365 * kDay;
constexpr uint64_t kStart = 1000000000;

// A disk that lives through a trace: decayed(t) slots are gone at time t.
struct Disk {
  explicit Disk(uint32_t slots = kSmallSlots, uint64_t age = 0, uint32_t so_far = 0) {
    input.slots_total = slots;
    input.slots_free = slots - so_far;
    input.decayed = so_far;
    input.good_copies = 5;
    health.begin(now, age, input);
  }
  void decay(uint64_t slots) {
    slots = std::min<uint64_t>(slots, input.slots_free);
    input.slots_free -= static_cast<uint32_t>(slots);
    input.decayed += slots;
    if (input.slots_free == 0) input.failed = true;
  }
  void pass(uint64_t seconds) {
    now += seconds;
    health.update(now, input);
    worst = std::max(worst, health.state());
    lowest = std::min(lowest, health.score());
  }
  void rest(uint64_t seconds) {
    for (uint64_t end = now + seconds; now < end;) pass(kMinute * 10);
  }

  HealthInput input;
  Health health;
  uint64_t now = kStart;
  dmr_health worst = DMR_HEALTH_HEALTHY;
  uint32_t lowest = 100;
};

// Lives by @decayed until the spare is full, after @before of silence, and compares each forecast
// from half of that time on with what came.
template <typename Decayed>
void forecasts(uint64_t life, uint32_t slots, uint64_t before, Decayed decayed,
               uint32_t least = 16) {
  Disk disk(slots);
  disk.rest(before);
  const uint64_t born = disk.now;
  const uint64_t step = std::max<uint64_t>(kMinute, life / 5000);
  double worst = 0;
  uint32_t asked = 0;
  for (uint64_t t = step; t < life; t += step) {
    disk.decay(decayed(t) - (disk.input.decayed));
    disk.pass(step);
    const double left = static_cast<double>(life - t) / kHour;
    // Hours are whole, and of the last few slots each is a large part.
    if (2 * t < life || left < 8 || disk.input.slots_free < least) continue;
    const double off = std::fabs(static_cast<double>(disk.health.exhaustion_hours()) - left) / left;
    CHECK(disk.health.exhaustion_hours() >= 0 && off <= 0.25,
          "of %llu s with %u slots after %llu s, at %llu: %lld hours are foretold, %.1f are left",
          static_cast<unsigned long long>(life), slots, static_cast<unsigned long long>(before),
          static_cast<unsigned long long>(t), disk.health.exhaustion_hours(), left);
    worst = std::max(worst, off);
    ++asked;
  }
  assert_true(asked > 50);
  print_message("life %llu h, %u slots, silent %llu h: at most %.1f %% off\n",
                static_cast<unsigned long long>(life / kHour), slots,
                static_cast<unsigned long long>(before / kHour), worst * 100);
  assert_true(born + life >= disk.now);
}

void steady_decay_is_foretold(void**) {
  for (const uint64_t life : {2 * kDay, 30 * kDay, kYear, 4 * kYear}) {
    for (const uint32_t slots : {2048u, 64897u}) {
      for (const uint64_t before : {uint64_t{0}, 3 * kDay, kYear}) {
        forecasts(life, slots, before, [&](uint64_t t) { return t * slots / life; });
      }
    }
  }
}

void steady_decay_with_chance_in_it_is_foretold(void**) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 rng(seed);
    const uint64_t life = 90 * kDay;
    std::vector<uint64_t> times(2048);
    for (uint64_t& time : times) time = rng() % life;
    std::sort(times.begin(), times.end());
    forecasts(
        life, 2048, 5 * kDay,
        [&](uint64_t t) {
          return static_cast<uint64_t>(std::upper_bound(times.begin(), times.end(), t) -
                                       times.begin());
        },
        256);
  }
}

void the_first_forecast_is_sound(void**) {
  // A block every two minutes from the first minute on: no forecast at all, and then 68 hours.
  Disk disk;
  disk.pass(2 * kMinute);
  for (uint32_t i = 1; i < 40; ++i) {
    disk.decay(1);
    disk.pass(kMinute);
    disk.pass(kMinute);
    const int64_t hours = disk.health.exhaustion_hours();
    if (i < 8) assert_int_equal(hours, -1);
    if (i >= 8) assert_in_range(hours, 60, 90);
    assert_int_equal(disk.health.state() == DMR_HEALTH_FAILING, hours >= 0);
  }
}

void exponential_growth_is_foretold(void**) {
  for (const uint64_t life : {4 * kDay, 30 * kDay, kYear, 4 * kYear}) {
    for (const uint32_t slots : {2048u, 64897u}) {
      for (const uint64_t before : {uint64_t{0}, 30 * kDay}) {
        const double growth = std::log(static_cast<double>(slots)) / static_cast<double>(life);
        forecasts(life, slots, before, [&](uint64_t t) {
          return static_cast<uint64_t>(std::exp(growth * static_cast<double>(t)));
        });
      }
    }
  }
}

void a_sudden_scratch_is_no_decay(void**) {
  Disk disk;
  disk.rest(30 * kDay);
  for (uint32_t i = 0; i < 10; ++i) {
    disk.decay(30);
    disk.pass(kMinute);
  }
  // It is told at once.
  assert_true(disk.health.state() >= DMR_HEALTH_WATCH);
  assert_int_equal(disk.health.trend(), DMR_TREND_WORSENING);
  assert_true(disk.health.score() < 80);
  // A day without another one, and nothing is in sight; later it is as good as before.
  disk.rest(kDay);
  assert_int_equal(disk.health.exhaustion_hours(), -1);
  disk.rest(60 * kDay);
  assert_int_equal(disk.health.exhaustion_hours(), -1);
  assert_int_equal(disk.health.trend(), DMR_TREND_STABLE);
  assert_int_equal(disk.health.state(), DMR_HEALTH_HEALTHY);
  assert_true(disk.health.score() >= 90);
}

void a_burst_that_stops(void**) {
  Disk disk;
  disk.rest(10 * kDay);
  // A block every ten minutes for three days: the spare would be full in eleven more.
  for (uint32_t i = 0; i < 3 * 144; ++i) {
    disk.decay(1);
    disk.pass(10 * kMinute);
  }
  assert_in_range(disk.health.exhaustion_hours(), 200, 340);
  assert_true(disk.health.state() >= DMR_HEALTH_WATCH);
  assert_int_equal(disk.health.trend(), DMR_TREND_WORSENING);
  const uint32_t in_it = disk.health.score();
  disk.rest(2 * kDay);
  assert_int_equal(disk.health.exhaustion_hours(), -1);
  assert_true(disk.health.score() > in_it);
  disk.rest(10 * kDay);
  assert_int_equal(disk.health.trend(), DMR_TREND_IMPROVING);
  disk.rest(60 * kDay);
  assert_int_equal(disk.health.trend(), DMR_TREND_STABLE);
  assert_int_equal(disk.health.state(), DMR_HEALTH_HEALTHY);
}

void a_healthy_year_without_alarm(void**) {
  Disk disk;
  for (uint64_t t = 0; t < kYear; t += 10 * kMinute) {
    // What any disk does: a slow read a week, a block that had to be tried again every four months.
    if (t % (7 * kDay) == kDay) ++disk.input.slow;
    if (t % (120 * kDay) == kDay) ++disk.input.retries, disk.decay(1);
    disk.pass(10 * kMinute);
    assert_int_equal(disk.health.exhaustion_hours(), -1);
  }
  assert_int_equal(disk.worst, DMR_HEALTH_HEALTHY);
  assert_true(disk.lowest >= 85);
  Disk perfect;
  perfect.rest(kYear);
  assert_int_equal(perfect.lowest, 100);
}

void worse_and_worse(void**) {
  // Every state in turn, and none better again, while a disk fails faster and faster.
  Disk disk;
  dmr_health last = DMR_HEALTH_HEALTHY;
  uint32_t score = 100;
  std::vector<dmr_health> seen = {last};
  for (uint64_t t = 0; disk.input.slots_free != 0; t += kHour) {
    disk.decay(static_cast<uint64_t>(std::exp(static_cast<double>(t) / (5.0 * kDay))) -
               disk.input.decayed);
    disk.pass(kHour);
    assert_true(disk.health.state() >= last);
    if (disk.health.state() == last) continue;
    CHECK(disk.health.score() < score, "%u after %u", disk.health.score(), score);
    score = disk.health.score();
    seen.push_back(last = disk.health.state());
  }
  assert_int_equal(seen.size(), 4);
  assert_int_equal(disk.health.state(), DMR_HEALTH_FAILED);
  assert_true(disk.health.score() <= 10);
}

void each_sign_has_its_weight(void**) {
  const auto score_with = [](auto change) {
    Disk disk;
    disk.rest(kHour);
    change(disk.input);
    disk.pass(kMinute);
    return disk.health.score();
  };
  assert_int_equal(score_with([](HealthInput&) {}), 100);
  assert_int_equal(score_with([](HealthInput& i) { i.decayed += 1, i.slots_free -= 1; }), 94);
  assert_int_equal(score_with([](HealthInput& i) { i.lost = 1; }), 90);
  assert_int_equal(score_with([](HealthInput& i) { i.lost = 100; }), 70);
  assert_int_equal(score_with([](HealthInput& i) { i.retries = 3; }), 94);
  assert_int_equal(score_with([](HealthInput& i) { i.slow = 3; }), 94);
  assert_int_equal(score_with([](HealthInput& i) { i.slow = 1000000; }), 85);
  assert_int_equal(score_with([](HealthInput& i) { i.good_copies = 4; }), 90);
  assert_int_equal(score_with([](HealthInput& i) { i.slots_free = 1024; }), 80);
  assert_int_equal(score_with([](HealthInput& i) { i.failed = true; }), 10);
  // Lost sectors are watched however good the rest is.
  Disk disk;
  disk.input.lost = 1;
  disk.pass(kMinute);
  assert_int_equal(disk.health.state(), DMR_HEALTH_WATCH);
  disk.input.lost = 0;
  disk.pass(kMinute);
  assert_int_equal(disk.health.state(), DMR_HEALTH_HEALTHY);
}

void what_was_before_this_boot_counts(void**) {
  // 1000 slots in 100 days, by the counters: as many again in as long.
  Disk disk(2048, 100 * kDay, 1000);
  assert_in_range(disk.health.exhaustion_hours(), 104 * 24 - 48, 105 * 24 + 48);
  // Nothing more: in a few months it is forgotten.
  disk.rest(100 * kDay);
  assert_int_equal(disk.health.exhaustion_hours(), -1);
}

void a_state_does_not_flap(void**) {
  // One block every fortnight or so, at the limit of being watched.
  Disk disk;
  uint32_t changes = 0;
  dmr_health last = disk.health.state();
  for (uint64_t t = 0; t < kYear; t += kHour) {
    if (t % (5 * kDay) == 0) disk.decay(1);
    disk.pass(kHour);
    changes += disk.health.state() != last;
    last = disk.health.state();
  }
  assert_true(changes <= 2);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(steady_decay_is_foretold),
      cmocka_unit_test(steady_decay_with_chance_in_it_is_foretold),
      cmocka_unit_test(the_first_forecast_is_sound),
      cmocka_unit_test(exponential_growth_is_foretold),
      cmocka_unit_test(a_sudden_scratch_is_no_decay),
      cmocka_unit_test(a_burst_that_stops),
      cmocka_unit_test(a_healthy_year_without_alarm),
      cmocka_unit_test(worse_and_worse),
      cmocka_unit_test(each_sign_has_its_weight),
      cmocka_unit_test(what_was_before_this_boot_counts),
      cmocka_unit_test(a_state_does_not_flap),
  };
  return cmocka_run_group_tests_name("health", tests, nullptr, nullptr);
}
