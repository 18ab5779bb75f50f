// SPDX-License-Identifier: GPL-2.0
//
// What the health scanner finds on main, in slots and in the copies, and what becomes of it.
#include "scanned.h"

namespace test {
namespace {

void a_latent_bad_sector_is_found_and_its_block_saved(void**) {
  Scanned pair;
  pair.prefill(5000, 64);
  pair.main().inject(read_fault(5021));
  pair.pass();
  // Its seven good neighbours are in a slot before they die, it is lost.
  const dmr_list_entry entry = pair.entry_of(5021);
  assert_int_equal(entry.lost_mask, 1 << 5021 % 8);
  assert_int_equal(entry.spare_mask, 0xff & ~(1 << 5021 % 8));
  assert_int_equal(pair.status().slots_used, 1);
  assert_int_equal(pair.status().lost_sectors, 1);
  assert_true(pair.status().scan_errors > 0);
  assert_int_equal(pair.main().writes(), 0);
  pair.main().inject(read_fault(5016, 8));
  pair.allow_unreadable(5021);
  pair.check_all();
  pair.must_be_unreadable(5021);
  pair.check_invariants();
  // It is not asked for again.
  pair.main().forget_records();
  pair.pass();
  assert_int_equal(pair.times_read()[5021], 0);
  pair.reboot(CrashPolicy::kDropAll);
  pair.check_all();
}

void what_reads_only_after_retries_moves(void**) {
  Scanned pair;
  pair.prefill(7000, 32);
  Fault fault = read_fault(7010);
  fault.times = 4;  // the chunk, the block, the sector twice
  pair.main().inject(fault);
  pair.pass();
  assert_int_equal(pair.entry_of(7010).spare_mask, 0xff);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_true(pair.status().retries > 0);
  pair.main().inject(read_fault(7008, 8));
  pair.check_all();
}

void retries_are_as_configured(void**) {
  for (const uint32_t retries : {0u, 2u, 5u}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_READ_RETRIES, retries));
    pair.main().inject(read_fault(900));
    pair.pass();
    uint32_t alone = 0;
    for (const auto& io : pair.main().records())
      alone += io.kind == IoKind::kRead && io.sector == 900 && io.sectors == 1;
    // ... and as often by the worker, behind the gate.
    assert_int_equal(alone, 2 * (1 + retries));
  }
}

void a_whole_bad_block_and_bad_ends(void**) {
  for (const auto& [first, count] : {std::pair<uint64_t, uint64_t>{4096, 8},
                                     {0, 1},
                                     {kMainSectors - 1, 1},
                                     {2047, 2},
                                     {6000, 40}}) {
    for (const uint32_t logical : {1u, 8u}) {
      Devices devices;
      devices.main_logical = logical;
      Scanned pair({}, devices);
      pair.prefill(0, 16384);
      pair.main().inject(read_fault(first, count));
      pair.pass();
      const uint64_t low = first / logical * logical;
      const uint64_t high = (first + count + logical - 1) / logical * logical;
      assert_int_equal(pair.status().lost_sectors, high - low);
      pair.allow_unreadable(low, static_cast<uint32_t>(high - low));
      pair.check_all();
      pair.check_invariants();
      assert_int_equal(pair.main().writes(), 0);
    }
  }
}

void lost_sectors_are_tried_again_at_growing_intervals(void**) {
  Scanned pair;
  pair.prefill(3000, 16);
  pair.main().inject(read_fault(3001));
  pair.pass();
  assert_int_equal(pair.status().lost_sectors, 1);
  std::vector<uint64_t> at;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    if (io.device == DMR_MAIN && io.sector == 3001) at.push_back(pair.now());
  };
  const uint64_t lost_at = pair.now();
  pair.run(20 * 24 * kHour);
  assert_true(at.size() >= 8);
  assert_in_range((at[0] - lost_at) / kMinute, 9, 12);
  for (size_t i = 1; i < at.size(); ++i) {
    const uint64_t gap = at[i] - at[i - 1];
    const uint64_t before = i == 1 ? at[0] - lost_at : at[i - 1] - at[i - 2];
    assert_true(gap > before || gap + kHour >= 7 * 24 * kHour);
  }
  // When it reads again it is in the slot by the next try.
  pair.main().heal();
  pair.run(8 * 24 * kHour);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_int_equal(pair.status().salvaged, 1);
  pair.main().inject(read_fault(3000, 8));
  pair.check_all();
}

// It has its slot already, so that needs no leave to make redirections.
void lost_sectors_are_salvaged_without_auto_remap(void**) {
  Scanned pair;
  pair.prefill(3000, 16);
  pair.main().inject(read_fault(3001));
  pair.pass();
  assert_int_equal(pair.status().lost_sectors, 1);
  dmr_engine_config_set(pair.target->engine(), DMR_CONFIG_AUTO_REMAP, 0);
  pair.main().heal();
  pair.run(kHour);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_int_equal(pair.status().salvaged, 1);
  pair.check_all();
}

void dead_sectors_stay_dead(void**) {
  Scanned pair;
  pair.main().inject(write_fault(3000, 8));
  assert_int_equal(pair.write(3000, 8), DMR_STS_OK);
  pair.main().heal();
  const uint64_t slot = slot_sector(dmr::Slot(pair.entry_of(3000).slot));
  pair.spare().inject(read_fault(slot + 3));
  pair.spare().inject(write_fault(slot, 1));
  assert_int_equal(pair.write(3000, 1), DMR_STS_OK);
  assert_int_equal(pair.entry_of(3000).lost_mask, 0x08);
  pair.run(30 * 24 * kHour);
  // Main holds older bytes.
  assert_int_equal(pair.entry_of(3000).lost_mask, 0x08);
  pair.must_be_unreadable(3003);
}

void a_slow_block_moves(void**) {
  for (const uint64_t slow : {uint64_t{1500000}, uint64_t{200000}}) {
    Scanned pair;
    pair.prefill(20000, 64);
    pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
      const bool hit = io.device == DMR_MAIN && io.sector <= 20019 && 20019 < io.sector + io.sectors;
      return io.sectors * 5 + (hit ? slow : 0);
    };
    pair.pass();
    pair.run(5 * kMinute);
    // Past slow_read_ms, or far out of line with its neighbours.
    assert_int_equal(pair.status().slots_used, 1);
    assert_int_equal(pair.entry_of(20019).spare_mask, 0xff);
    assert_int_equal(pair.status().slow_reads, 1);
    assert_int_equal(pair.status().lost_sectors, 0);
    pair.main().inject(read_fault(20016, 8));
    pair.check_all();
  }
}

void what_is_slow_once_or_everywhere_does_not_move(void**) {
  // A disk that wakes up, one that is slow as a whole, one that others keep busy, one that is slow as
  // a whole beyond what is called slow, and any disk if that is set too low.
  for (const int how : {0, 1, 2, 3, 4}) {
    Scanned pair;
    if (how == 4) dmr_engine_config_set(pair.engine(), DMR_CONFIG_SLOW_READ_MS, 10);
    uint64_t reads = 0;
    pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
      ++reads;
      if (how == 0) return reads == 20 ? 8 * kSecond : io.sectors * 5;
      if (how == 1) return io.sectors * 400;  // 0.8 s a chunk
      if (how == 3) return 1200000;
      if (how == 4) return 12000 + io.sectors * 5;
      pair.host.foreign_sectors += 8;
      return io.sector >= 20480 && io.sector < 22528 ? 2 * kSecond : io.sectors * 5;
    };
    pair.pass();
    pair.run(how < 3 ? 5 * kMinute : 12 * kHour);
    assert_int_equal(pair.status().slots_used, 0);
    assert_int_equal(pair.status().slow_reads, 0);
  }
}

void slow_blocks_leave_slots_for_what_fails(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SPARE_LOW_PERCENT, 1));
  pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
    const bool hit = io.device == DMR_MAIN && io.sector < 24576 && 20480 < io.sector + io.sectors;
    return io.sectors * 5 + (hit ? 1500000 : 0);
  };
  pair.pass();
  pair.run(2 * kHour);
  assert_true(pair.status().slow_reads > 100);
  const uint64_t low = (kSmallSlots + 99) / 100;
  assert_in_range(pair.status().slots_used, low, low + 1);
}

void slots_and_copies_are_looked_after(void**) {
  Scanned pair;
  pair.main().inject(write_fault(800, 64));
  assert_int_equal(pair.write(800, 64), DMR_STS_OK);
  const uint32_t weak = pair.entry_of(816).slot;
  // One slot reads at the second try, another not at all, a copy has rotted.
  Fault fault = read_fault(slot_sector(dmr::Slot(weak)) + 2);
  fault.times = 4;
  pair.spare().inject(fault);
  const uint32_t bad = pair.entry_of(840).slot;
  pair.spare().inject(read_fault(slot_sector(dmr::Slot(bad)) + 2));
  pair.spare().flip_bit(table_block_sector(3, 2), 77);
  pair.pass();
  assert_int_not_equal(pair.entry_of(816).slot, weak);
  assert_int_equal(pair.status().slots_retired, 1);
  // What does not read stays where it is: the next read may succeed.
  assert_int_equal(pair.entry_of(840).slot, bad);
  assert_int_equal(pair.status().good_copies, 5);
  assert_int_equal(pair.status().repairs, 1);
  const auto copy = Image::read(pair.spare(), 3);
  assert_true(copy.has_value() && dmr::table_block_verifies(copy->table[2], 2));
  pair.spare().heal();
  pair.check_all();
  pair.check_invariants();
  // With all well again no pass commits anything.
  pair.pass();
  const uint64_t sequence = pair.status().sequence;
  pair.pass();
  assert_int_equal(pair.status().sequence, sequence);
}

}  // namespace
}  // namespace test

int main(int argc, char** argv) {
  using namespace test;
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_latent_bad_sector_is_found_and_its_block_saved),
      cmocka_unit_test(what_reads_only_after_retries_moves),
      cmocka_unit_test(retries_are_as_configured),
      cmocka_unit_test(a_whole_bad_block_and_bad_ends),
      cmocka_unit_test(lost_sectors_are_tried_again_at_growing_intervals),
      cmocka_unit_test(lost_sectors_are_salvaged_without_auto_remap),
      cmocka_unit_test(dead_sectors_stay_dead),
      cmocka_unit_test(a_slow_block_moves),
      cmocka_unit_test(what_is_slow_once_or_everywhere_does_not_move),
      cmocka_unit_test(slow_blocks_leave_slots_for_what_fails),
      cmocka_unit_test(slots_and_copies_are_looked_after),
  };
  return cmocka_run_group_tests_name("scanner_findings", tests, nullptr, nullptr);
}
