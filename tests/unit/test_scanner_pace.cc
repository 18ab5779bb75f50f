// SPDX-License-Identifier: GPL-2.0
//
// How much of the disk's time the health scanner takes, and what it tells of the disk's health.
#include "scanned.h"

namespace test {
namespace {

// ---- Pace ---------------------------------------------------------------------------------------

void redirect(Pair& pair, uint32_t blocks) {
  pair.main().inject(write_fault(32768, 8 * blocks));
  for (uint32_t done = 0; done < blocks; done += 64)
    assert_int_equal(pair.write(32768 + 8 * done, 8 * std::min(blocks - done, 64u)), DMR_STS_OK);
  pair.main().heal();
}

// Makes the pair as healthy as that.
void bring_to(Scanned& pair, dmr_health health) {
  if (health == DMR_HEALTH_WATCH) {
    pair.main().inject(read_fault(100));
    pair.pass();
  }
  if (health == DMR_HEALTH_FAILING) {
    redirect(pair, kSmallSlots * 8 / 10);
    pair.main().inject(read_fault(96, 8));
    pair.pass();
  }
  if (health == DMR_HEALTH_FAILED) {
    redirect(pair, kSmallSlots);
  }
  pair.run(2 * kSecond);
  CHECK(pair.status().health == health, "%s, not %s", dmr_health_name(pair.status().health),
        dmr_health_name(health));
}

void the_duty_is_kept_at_each_state(void**) {
  for (uint32_t i = 0; i <= DMR_HEALTH_FAILED; ++i) {
    for (const bool busy : {false, true}) {
      const auto health = static_cast<dmr_health>(i);
      Scanned pair;
      pair.host.scan_read_takes = [&](const dmr_host::Io& io) { return io.sectors * 5ull; };
      bring_to(pair, health);
      uint64_t used = 0;
      pair.host.scan_read_takes = [&](const dmr_host::Io& io) {
        if (io.device == DMR_MAIN) used += io.sectors * 5ull;
        return io.sectors * 5ull;
      };
      // The state stays: a spare full of blocks that were moved stays full, and so on.
      const uint64_t begin = pair.now();
      while (pair.now() < begin + 3 * kMinute) {
        dmr_scan_control(pair.engine(), DMR_SCAN_START);
        if (busy) ++pair.host.foreign_sectors;
        pair.step();
      }
      const uint64_t share = used * 1000000 / (pair.now() - begin);
      const uint64_t allowed = (busy ? 10000ull : 100000ull) << i;
      print_message("%s, %s: %llu ppm of %llu, overhead_ppm %u\n", dmr_health_name(health),
                    busy ? "busy" : "idle", static_cast<unsigned long long>(share),
                    static_cast<unsigned long long>(allowed), pair.status().overhead_ppm);
      assert_int_equal(pair.status().health, health);
      // What it reads of the spare comes off.
      assert_in_range(share, allowed * 6 / 10, allowed + allowed / 50);
      assert_in_range(pair.status().overhead_ppm, share * 8 / 10, share * 12 / 10);
    }
  }
}

// A week, half of it, a quarter, an eighth.
void the_interval_is_shorter_the_worse_it_is(void**) {
  for (uint32_t i = 0; i <= DMR_HEALTH_FAILED; ++i) {
    Scanned pair;
    bring_to(pair, static_cast<dmr_health>(i));
    if (pair.status().scan_passes == 0) pair.pass();
    pair.run(2 * kMinute);
    assert_int_equal(pair.status().expected_pass_hours, 168 >> i);
    // It begins anew after what was asked for; the lost sectors have reads of their own.
    const uint64_t passes = pair.status().scan_passes;
    pair.run((168 >> i) * kHour * 9 / 10);
    assert_int_equal(pair.status().health, i);
    assert_int_equal(pair.status().scan_passes, passes);
    pair.run((168 >> i) * kHour * 2 / 10);
    assert_int_equal(pair.status().scan_passes, passes + 1);
  }
}

void the_interval_gives_way_to_the_duty(void**) {
  // A disk of 1 TiB that reads 15 MB/s: 20 hours of its own time, a tenth of which is allowed.
  Devices devices;
  devices.main_sectors = uint64_t{1} << 31;
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_INTERVAL_HOURS, 100), devices);
  pair.main().record(false);
  pair.host.scan_read_takes = [](const dmr_host::Io& io) { return io.sectors * 512ull / 15; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kHour);
  const uint64_t idle_hours = pair.status().expected_pass_hours;
  const uint64_t done = pair.status().scan_position;
  print_message("1 TiB at 15 MB/s, idle: %llu h expected; %.3f %% in an hour\n",
                static_cast<unsigned long long>(idle_hours),
                100.0 * static_cast<double>(done) / 2147483648.0);
  assert_in_range(idle_hours, 200, 208);
  assert_in_range(done * 100000 / (uint64_t{1} << 31), 480, 500);
  // Beside other I/O it is ten times as much.
  const uint64_t end = pair.now() + 8 * kHour;
  while (pair.now() < end) {
    ++pair.host.foreign_sectors;
    pair.step();
  }
  print_message("busy: %llu h\n",
                static_cast<unsigned long long>(pair.status().expected_pass_hours));
  assert_in_range(pair.status().expected_pass_hours, 1990, 2080);
  // A disk that has time enough takes what the interval says.
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_INTERVAL_HOURS, 87600);
  pair.step();
  assert_int_equal(pair.status().expected_pass_hours, 87600);
}

void it_yields_to_those_who_wait(void**) {
  Scanned pair;
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.host.foreign_waiting = 1;
  const uint64_t before = pair.now();
  while (pair.host.scan_reads == 0) pair.step();
  // Some hops of milliseconds; not for ever, for a disk that is never idle has to be read as well.
  assert_in_range(pair.now() - before, 50000, 500000);
}

void without_counters_others_are_taken_to_be_busy(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_CHUNK_KIB, 64));
  pair.host.load_known = false;
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{10000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kMinute);
  assert_in_range(pair.host.scan_reads, 55, 61);
}

void a_change_of_configuration_counts_at_once(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 1));
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{10000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kMinute);
  assert_int_equal(pair.host.scan_reads, 1);
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 1000000);
  pair.run(2 * kSecond);
  assert_int_equal(pair.status().scan_passes, 1);
  // And the interval, in the middle of it.
  pair.run(10 * kSecond);
  const uint64_t reads = pair.host.scan_reads;
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_INTERVAL_HOURS, 1);
  pair.run(2 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 55, 70);
}

// ---- Events -------------------------------------------------------------------------------------

void health_and_a_low_spare_are_told_once(void**) {
  Scanned pair;
  pair.run(kMinute);
  pair.host.events.clear();
  pair.main().inject(read_fault(100, 3));
  pair.pass();
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_HEALTH), 1);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 0);
  assert_int_equal(pair.host.events.back().kind, DMR_EVENT_HEALTH);
  assert_int_equal(pair.host.events.back().health, DMR_HEALTH_WATCH);
  assert_true(pair.host.events.back().score < 90);
  const uint32_t most = kSmallSlots * 8 / 10;
  redirect(pair, most - 2);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 0);
  (void)pair.job(DMR_JOB_REMAP, 8192, 16);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 1);
  (void)pair.job(DMR_JOB_REMAP, 8192, 64);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 1);
}

void a_forecast_below_a_week_is_told(void**) {
  Scanned pair;
  pair.run(3 * 24 * kHour);
  pair.host.events.clear();
  for (uint32_t i = 0; i < 60; ++i) {
    pair.main().inject(write_fault(30000 + 8 * i, 8));
    assert_int_equal(pair.write(30000 + 8 * i, 8), DMR_STS_OK);
    pair.main().heal();
    pair.run(2 * kMinute);
  }
  assert_in_range(pair.status().exhaustion_hours, 50, 70);
  bool told = false;
  for (const dmr_event& event : pair.host.events)
    told |= event.kind == DMR_EVENT_HEALTH && event.exhaustion_hours >= 0 &&
            event.exhaustion_hours < 168;
  assert_true(told);
  assert_true(pair.status().health >= DMR_HEALTH_FAILING);
  assert_int_equal(pair.status().trend, DMR_TREND_WORSENING);
}

void disk_errors_anywhere_do_no_harm(void**) {
  // The nth I/O of the core fails, for every n of a pass with something to mend.
  for (uint64_t n = 0; n < 60; n += n < 12 ? 1 : 5) {
    for (const dmr_device device : {DMR_MAIN, DMR_SPARE}) {
      Scanned pair;
      pair.prefill(5000, 64);
      pair.main().inject(read_fault(5021));
      for (const IoKind kind : {IoKind::kRead, IoKind::kWrite}) {
        Fault fault = kind == IoKind::kRead ? read_fault(0, kForever) : write_fault(0, kForever);
        fault.spare_ios = n;
        fault.times = 1;
        pair.host.disk(device).inject(fault);
      }
      pair.pass();
      pair.host.disk(device).heal();
      pair.allow_unreadable(5000, 64);
      pair.check_all();
      pair.check_invariants();
      assert_int_equal(pair.main().writes(), 0);
    }
  }
}

}  // namespace
}  // namespace test

int main(int argc, char** argv) {
  using namespace test;
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_duty_is_kept_at_each_state),
      cmocka_unit_test(the_interval_is_shorter_the_worse_it_is),
      cmocka_unit_test(the_interval_gives_way_to_the_duty),
      cmocka_unit_test(it_yields_to_those_who_wait),
      cmocka_unit_test(without_counters_others_are_taken_to_be_busy),
      cmocka_unit_test(a_change_of_configuration_counts_at_once),
      cmocka_unit_test(health_and_a_low_spare_are_told_once),
      cmocka_unit_test(a_forecast_below_a_week_is_told),
      cmocka_unit_test(disk_errors_anywhere_do_no_harm),
  };
  return cmocka_run_group_tests_name("scanner_pace", tests, nullptr, nullptr);
}
