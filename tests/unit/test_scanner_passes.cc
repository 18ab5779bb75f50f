// SPDX-License-Identifier: GPL-2.0
//
// What the health scanner reads, what it is told, and where it goes on after a reboot.
#include "scanned.h"

namespace test {
namespace {

// ---- What it reads ------------------------------------------------------------------------------

void a_pass_reads_all_of_main_once(void**) {
  Scanned pair;
  pair.pass();
  for (const uint32_t times : pair.times_read()) assert_int_equal(times, 1);
  assert_int_equal(pair.main().writes(), 0);
  assert_int_equal(pair.host.scan_reads, 32);
  assert_int_equal(pair.status().scan_position, 0);
  assert_int_equal(pair.status().slots_used, 0);
}

void the_first_pass_comes_by_itself(void**) {
  Scanned pair;
  pair.run(50 * kSecond);
  assert_int_equal(pair.host.scan_reads, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  pair.run(20 * kSecond);
  assert_true(pair.host.scan_reads > 0);
  pair.run(kMinute);
  assert_int_equal(pair.status().scan_passes, 1);
  // The next one takes its week: a chunk of 32 each five hours and a quarter.
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(84 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 15, 17);
  assert_in_range(pair.status().scan_position, 15 * 2048, 17 * 2048);
  assert_int_equal(pair.status().expected_pass_hours, 168);
  pair.run(85 * kHour);
  assert_int_equal(pair.status().scan_passes, 2);
}

void chunks_have_their_size(void**) {
  for (const uint32_t kib : {4, 64, 1000, 4096}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_CHUNK_KIB, kib));
    pair.pass();
    for (const uint32_t times : pair.times_read()) assert_int_equal(times, 1);
    assert_int_equal(pair.main().records()[0].sectors, 2 * kib);
    // Changed while it lives.
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_CHUNK_KIB, 32);
    pair.main().forget_records();
    pair.pass();
    assert_int_equal(pair.main().records()[0].sectors, 64);
  }
}

void what_is_redirected_is_not_read_on_main(void**) {
  Scanned pair;
  pair.main().inject(write_fault(800, 3));
  pair.main().inject(write_fault(4096, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_int_equal(pair.write(4096, 8), DMR_STS_OK);
  pair.main().forget_records();
  const uint64_t spare_reads = pair.spare().reads();
  pair.pass();
  const auto times = pair.times_read();
  for (uint64_t s = 0; s < kMainSectors; ++s) {
    const bool moved = (s >= 800 && s < 803) || (s >= 4096 && s < 4104);
    assert_int_equal(times[s], moved ? 0 : 1);
  }
  // The slots were, and every copy.
  assert_true(pair.spare().reads() - spare_reads > 5 * 6);
  assert_true(pair.host.scan_reads > 32);
}

void odd_mains(void**) {
  for (const uint64_t sectors : {uint64_t{65536 - 3}, uint64_t{8 * 5 + 1}, uint64_t{1}}) {
    Devices devices;
    devices.main_sectors = sectors;
    Scanned pair({}, devices);
    pair.main().inject(read_fault(sectors - 1));
    pair.pass();
    assert_int_equal(pair.status().lost_sectors, 1);
    pair.pass();
    assert_int_equal(pair.status().lost_sectors, 1);
    pair.check_invariants();
  }
}

// ---- Commands -----------------------------------------------------------------------------------

void commands_and_states(void**) {
  Scanned pair;
  dmr_engine* const engine = pair.engine();
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  assert_true(dmr_scan_control(engine, DMR_SCAN_START));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
  for (int i = 0; i < 5; ++i) pair.step();
  const uint64_t position = pair.status().scan_position;
  assert_true(position > 0);
  assert_true(dmr_scan_control(engine, DMR_SCAN_PAUSE));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_PAUSED);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(10 * kHour);
  assert_int_equal(pair.host.scan_reads, reads);
  assert_true(dmr_scan_control(engine, DMR_SCAN_RESUME));
  pair.step();
  assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
  assert_true(pair.status().scan_position >= position);

  assert_true(dmr_scan_control(engine, DMR_SCAN_STOP));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_OFF);
  assert_int_equal(dmr_engine_config(engine, DMR_CONFIG_SCAN_ENABLED), 0);
  assert_false(dmr_scan_control(engine, DMR_SCAN_PAUSE));
  assert_false(dmr_scan_control(engine, DMR_SCAN_RESUME));
  const uint64_t stopped = pair.host.scan_reads;
  pair.run(10 * kHour);
  assert_int_equal(pair.host.scan_reads, stopped);
  // It goes on where it was.
  const uint64_t where = pair.status().scan_position;
  assert_true(dmr_scan_control(engine, DMR_SCAN_START));
  pair.step();
  assert_true(pair.status().scan_position >= where);
  // By configuration it is the same.
  dmr_engine_config_set(engine, DMR_CONFIG_SCAN_ENABLED, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_OFF);
}

// What it had read on demand is not owed any time when it goes on by itself.
void a_stopped_demand_leaves_no_debt(void**) {
  Scanned pair;
  pair.pass();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  for (const uint64_t from = pair.host.scan_reads; pair.host.scan_reads < from + 20;) pair.step();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_STOP));
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 1);
  // A chunk of 32 each five hours and a quarter.
  const uint64_t reads = pair.host.scan_reads;
  pair.run(12 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 1, 3);
}

void switched_off_and_on_it_knows_no_command(void**) {
  for (const dmr_scan_command command : {DMR_SCAN_START, DMR_SCAN_PAUSE}) {
    Scanned pair;
    pair.pass();
    assert_true(dmr_scan_control(pair.engine(), command));
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 0);
    pair.run(kHour);
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 1);
    const uint64_t reads = pair.host.scan_reads;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
    assert_in_range(pair.host.scan_reads - reads, 1, 3);
  }
}

void what_a_pass_takes_is_told_by_whole_chunks(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_INTERVAL_HOURS, 1));
  pair.host.scan_read_takes = [](const dmr_host::Io& io) { return 10000 + io.sectors * 5ull; };
  pair.main().inject(read_fault(9000, 64));
  pair.pass();
  assert_int_equal(pair.status().lost_sectors, 64);
  pair.main().heal();
  for (uint32_t i = 0; i < 40; ++i) {
    pair.run(kMinute);
    assert_int_equal(pair.status().expected_pass_hours, 1);
  }
  assert_int_equal(pair.status().lost_sectors, 0);
}

void a_reboot_among_slots_does_not_read_main_again(void**) {
  Scanned pair;
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  while (pair.status().scan_position != kMainSectors) pair.step();
  assert_int_equal(pair.status().scan_passes, 0);
  // Any commit takes the position along.
  pair.main().inject(write_fault(800, 3));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  pair.reboot(CrashPolicy::kKeepAll);
  assert_int_equal(pair.status().scan_position, kMainSectors);
  const uint64_t reads = pair.main().reads();
  const uint64_t scanned = pair.host.scan_reads;
  pair.pass();
  assert_int_equal(pair.main().reads(), reads);
  assert_int_equal(pair.host.scan_reads - scanned, 1);  // the slot
}

void a_reboot_goes_on_where_it_was(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 10));
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{2000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(25 * kMinute);
  const uint64_t commits = pair.status().commits;
  const uint64_t position = pair.status().scan_position;
  // 200 s a chunk: some of them are behind, and it was noted every ten minutes.
  assert_in_range(position / 2048, 5, 9);
  assert_in_range(commits, 2, 4);
  pair.run(11 * kMinute);
  const uint64_t later = pair.status().scan_position;
  pair.reboot(CrashPolicy::kKeepAll);
  assert_in_range(pair.status().scan_position, position, later);
  // The number of passes, too.
  Scanned other;
  other.pass();
  other.pass();
  assert_int_equal(other.status().scan_passes, 2);
  other.advance(20 * kMinute);
  dmr_engine_settle(other.engine());
  other.reboot(CrashPolicy::kDropAll);
  assert_int_equal(other.status().scan_passes, 2);
  assert_int_equal(other.status().scan_position, 0);
}

}  // namespace
}  // namespace test

int main(int argc, char** argv) {
  using namespace test;
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_pass_reads_all_of_main_once),
      cmocka_unit_test(the_first_pass_comes_by_itself),
      cmocka_unit_test(chunks_have_their_size),
      cmocka_unit_test(what_is_redirected_is_not_read_on_main),
      cmocka_unit_test(odd_mains),
      cmocka_unit_test(commands_and_states),
      cmocka_unit_test(a_stopped_demand_leaves_no_debt),
      cmocka_unit_test(switched_off_and_on_it_knows_no_command),
      cmocka_unit_test(what_a_pass_takes_is_told_by_whole_chunks),
      cmocka_unit_test(a_reboot_among_slots_does_not_read_main_again),
      cmocka_unit_test(a_reboot_goes_on_where_it_was),
  };
  return cmocka_run_group_tests_name("scanner_passes", tests, nullptr, nullptr);
}
