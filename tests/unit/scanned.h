// SPDX-License-Identifier: GPL-2.0
//
// A pair whose scanner runs under a clock of its own.
#pragma once

#include "support.h"

namespace test {

inline constexpr uint64_t kSecond = 1000000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
inline constexpr uint64_t kMainSectors = 65536;  // 32 chunks of a MiB

struct Scanned : Pair {
  explicit Scanned(const dmr_arguments& arguments = {}, const Devices& devices = {})
      : Pair(devices) {
    must_open(arguments);
    main().record(true);
  }
  dmr_engine* engine() { return target->engine(); }
  uint64_t now() const { return host.clock_microseconds; }
  void advance(uint64_t microseconds) {
    host.clock_microseconds += microseconds;
    host.uptime_seconds = 1000 + host.clock_microseconds / kSecond;
    host.now_seconds = 1700000000 + host.clock_microseconds / kSecond;
  }
  void mend() {
    while (dmr_scan_found(engine())) assert_true(dmr_engine_mend_found(engine()));
    assert_false(dmr_engine_mend_found(engine()));
  }
  // One step, then what it found is mended and its wait passes.
  uint64_t step() {
    const uint64_t before = now();
    const uint64_t wait = dmr_scan_step(engine());
    advance(0);
    mend();
    advance(std::max<uint64_t>(wait, 1));
    return now() - before;
  }
  void run(uint64_t microseconds) {
    for (const uint64_t end = now() + microseconds; now() < end;) step();
  }
  // A pass from here to its end.
  void pass() {
    const uint64_t passes = status().scan_passes;
    assert_true(dmr_scan_control(engine(), DMR_SCAN_START));
    for (uint32_t steps = 0; status().scan_passes == passes; ++steps) {
      assert_true(steps < 100000);
      step();
    }
  }
  // Of the recorded reads of main, by anybody: how often each sector was read well.
  std::vector<uint32_t> times_read() {
    std::vector<uint32_t> times(host.main.sectors());
    for (const auto& io : main().records()) {
      if (io.kind != IoKind::kRead || io.status != DMR_STS_OK) continue;
      for (uint64_t s = io.sector; s < io.sector + io.sectors; ++s) ++times[s];
    }
    return times;
  }
};

}  // namespace test
