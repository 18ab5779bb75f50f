// SPDX-License-Identifier: GPL-2.0
//
// Many failures at random, with power cuts and repairs: nothing is ever lost or made up.
#include <cstdlib>

#include "support.h"

namespace test {
namespace {

// Writes at random to a disk with bad places, over slots some of which are bad, with power cuts:
// nothing is ever lost or made up.
void random_writes_over_random_faults(void**) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    std::mt19937_64 rng(seed);
    const uint32_t logical = seed % 3 == 0 ? 8 : 1;
    const auto pair = opened({.main_logical = logical}, {}, 1024);
    for (int i = 0; i < 30; ++i) {
      Fault fault = write_fault(rng() % 1024, 1 + rng() % 3);
      fault.spare_ios = rng() % 3;
      fault.times = rng() % 2 ? kForever : 1 + rng() % 3;
      fault.sectors_stored = static_cast<uint32_t>(rng() % 4);
      pair->main().inject(fault);
    }
    for (int i = 0; i < 12; ++i) {
      Fault fault = write_fault(DMR_METADATA_SECTORS + rng() % 1000, 1 + rng() % 2);
      fault.spare_ios = rng() % 4;
      fault.sectors_stored = static_cast<uint32_t>(rng() % 4);
      if (rng() % 3 == 0) fault.effect = Effect::kDrop;
      // An acknowledged write to a slot in use that is dropped is beyond what is promised.
      if (fault.effect == Effect::kDrop) fault.spare_ios = 0, fault.times = 1;
      pair->spare().inject(fault);
    }
    for (int round = 0; round < 12; ++round) {
      for (int i = 0; i < 6; ++i) {
        const uint64_t first = rng() % (1000 / logical) * logical;
        const uint64_t room = (1024 - first) / logical;
        const uint32_t count = static_cast<uint32_t>((1 + rng() % std::min<uint64_t>(room, 40)));
        pair->submit(first, count * logical);
      }
      for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
      pair->check_all();
      pair->check_invariants();
      if (round % 4 == 3) {
        if (rng() % 2) assert_int_equal(pair->flush(), DMR_STS_OK);
        pair->reboot(CrashPolicy::kRandom, rng());
        pair->check_all();
      }
    }
  }
}

// The same with copies of the metadata that fail for a while, power cuts in the midst of the
// worker, repairs, and a reopening after each cut.
class Storm {
 public:
  explicit Storm(uint64_t seed)
      : rng_(seed), logical_(seed % 3 == 0 ? 8 : 1), pair_({.main_logical = logical_}) {
    pair_.must_open();
    pair_.prefill(0, kSectors);
  }

  void run() {
    for (int round = 0; round < 12; ++round) {
      weather();
      if (rng_() % 2) pair_.spare().cut_power_after(rng_() % 150);
      const uint64_t writes = 1 + rng_() % 6;
      for (uint64_t i = 0; i < writes; ++i) submit();
      (void)pair_.settle();
      if (rng_() % 3 == 0) (void)dmr_engine_repair(pair_.target->engine());
      if (rng_() % 3 == 0) (void)pair_.flush();
      if (pair_.spare().power_cut() || rng_() % 4 == 0) {
        if (rng_() % 2) pair_.spare().heal();
        pair_.reboot(CrashPolicy::kRandom, rng_());
      }
      pair_.spare().cut_power_after(kForever);
      pair_.check_all();
      pair_.check_invariants();
    }
  }

 private:
  static constexpr uint32_t kSectors = 512;

  void weather() {
    pair_.main().heal();
    pair_.spare().heal();
    for (int i = 0; i < 10; ++i) {
      Fault fault = write_fault(rng_() % kSectors, 1 + rng_() % 4);
      fault.spare_ios = rng_() % 3;
      fault.times = rng_() % 2 ? kForever : 1 + rng_() % 3;
      fault.sectors_stored = static_cast<uint32_t>(rng_() % 4);
      pair_.main().inject(fault);
    }
    for (int i = 0; i < 4; ++i) {
      Fault fault = write_fault(DMR_METADATA_SECTORS + rng_() % 600, 1 + rng_() % 3);
      fault.spare_ios = rng_() % 3;
      fault.times = 1 + rng_() % 3;
      fault.sectors_stored = static_cast<uint32_t>(rng_() % 4);
      pair_.spare().inject(fault);
    }
    if (rng_() % 2) return;
    const uint64_t copy = dmr::kCopySector[rng_() % 5];
    Fault fault = rng_() % 2 ? write_fault(copy, 1024) : read_fault(copy, 1024);
    fault.spare_ios = rng_() % 6;
    fault.times = rng_() % 2 ? kForever : 1 + rng_() % 4;
    fault.sectors_stored = static_cast<uint32_t>(rng_() % 8);
    pair_.spare().inject(fault);
    Fault anywhere = rng_() % 2 ? write_fault(0, DMR_METADATA_SECTORS) : flush_fault();
    anywhere.spare_ios = rng_() % 40;
    anywhere.times = 1 + rng_() % 3;
    if (rng_() % 2) pair_.spare().inject(anywhere);
  }

  void submit() {
    const uint64_t first = rng_() % (kSectors / logical_) * logical_;
    const uint64_t room = (kSectors - first) / logical_;
    pair_.submit(first,
                 static_cast<uint32_t>(1 + rng_() % std::min<uint64_t>(room, 30)) * logical_);
  }

  std::mt19937_64 rng_;
  uint32_t logical_;
  Pair pair_;
};

void storms(void**) {
  const char* const seeds = getenv("DMR_STORMS");
  const uint64_t last = seeds != nullptr ? strtoull(seeds, nullptr, 10) : 60;
  for (uint64_t seed = 1; seed <= last; ++seed) {
    if (seeds != nullptr) print_message("storm %llu\n", static_cast<unsigned long long>(seed));
    Storm(seed).run();
  }
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(random_writes_over_random_faults),
      cmocka_unit_test(storms),
  };
  return cmocka_run_group_tests_name("storms", tests, nullptr, nullptr);
}
