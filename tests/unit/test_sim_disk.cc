// SPDX-License-Identifier: GPL-2.0
//
// The simulated disk does what its fault model says: what the other tests rest on.
#include "support.h"

namespace test {
namespace {

using Sector = std::array<uint8_t, DMR_SECTOR_BYTES>;

Sector filled(uint8_t byte) {
  Sector sector;
  sector.fill(byte);
  return sector;
}

uint8_t byte_at(const SimDisk& disk, uint64_t sector) {
  Sector found;
  disk.peek(sector, 1, found.data());
  return found[0];
}

dmr_sts put(SimDisk& disk, uint64_t sector, uint8_t byte, bool fua = false) {
  return disk.write(sector, 1, filled(byte).data(), fua);
}

void crash(SimDisk& disk, CrashPolicy policy, uint64_t seed = 1) {
  std::mt19937_64 rng(seed);
  disk.crash(policy, rng);
}

void unflushed_sectors_are_lost_or_kept(void**) {
  SimDisk disk(100);
  put(disk, 1, 0x11);
  put(disk, 2, 0x22, true);
  assert_int_equal(byte_at(disk, 1), 0x11);
  assert_int_equal(disk.unflushed_sectors(), 1);
  SimDisk kept(disk);
  crash(kept, CrashPolicy::kKeepAll);
  assert_int_equal(byte_at(kept, 1), 0x11);
  crash(disk, CrashPolicy::kDropAll);
  assert_int_equal(byte_at(disk, 1), 0);
  assert_int_equal(byte_at(disk, 2), 0x22);
}

void a_flush_keeps_them(void**) {
  SimDisk disk(100);
  put(disk, 1, 0x11);
  assert_int_equal(disk.flush(), DMR_STS_OK);
  put(disk, 1, 0x12);
  crash(disk, CrashPolicy::kDropAll);
  assert_int_equal(byte_at(disk, 1), 0x11);
}

void a_flush_that_fails_or_lies_does_not(void**) {
  for (const Effect effect : {Effect::kFail, Effect::kDrop}) {
    SimDisk disk(100);
    Fault fault = flush_fault();
    fault.effect = effect;
    disk.inject(fault);
    put(disk, 1, 0x11);
    assert_int_equal(disk.flush(), effect == Effect::kFail ? DMR_STS_IOERR : DMR_STS_OK);
    crash(disk, CrashPolicy::kDropAll);
    assert_int_equal(byte_at(disk, 1), 0);
  }
}

// Every subset of unflushed sectors, and older contents too, can be what is left.
void a_random_crash_leaves_anything_possible(void**) {
  std::map<uint32_t, int> seen;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SimDisk disk(100);
    for (uint8_t round = 1; round <= 2; ++round) {
      put(disk, 5, round);
      put(disk, 6, round);
    }
    crash(disk, CrashPolicy::kRandom, seed);
    ++seen[byte_at(disk, 5) * 16u + byte_at(disk, 6)];
  }
  assert_int_equal(seen.size(), 9);
}

void power_fails_at_the_chosen_io(void**) {
  SimDisk disk(100);
  disk.cut_power_after(1);
  assert_int_equal(put(disk, 1, 0x11, true), DMR_STS_OK);
  assert_false(disk.power_cut());
  assert_int_equal(put(disk, 2, 0x22, true), DMR_STS_OFFLINE);
  assert_true(disk.power_cut());
  assert_int_equal(put(disk, 3, 0x33, true), DMR_STS_OFFLINE);
  assert_int_equal(disk.flush(), DMR_STS_OFFLINE);
  SimDisk kept(disk);
  crash(kept, CrashPolicy::kKeepAll);
  assert_int_equal(byte_at(kept, 2), 0x22);  // was under way, FUA or not
  assert_int_equal(byte_at(kept, 3), 0);
  crash(disk, CrashPolicy::kDropAll);
  assert_int_equal(byte_at(disk, 1), 0x11);
  assert_int_equal(byte_at(disk, 2), 0);
  assert_int_equal(put(disk, 2, 0x44), DMR_STS_OK);
}

void faults_match_by_place_kind_and_count(void**) {
  SimDisk disk(100);
  Sector sector;
  Fault fault = read_fault(10, 2);
  fault.spare_ios = 1;
  fault.times = 2;
  disk.inject(fault);
  assert_int_equal(disk.read(9, 1, sector.data()), DMR_STS_OK);
  assert_int_equal(disk.read(12, 1, sector.data()), DMR_STS_OK);
  assert_int_equal(put(disk, 10, 1), DMR_STS_OK);
  for (const dmr_sts expected : {DMR_STS_OK, DMR_STS_MEDIUM, DMR_STS_MEDIUM, DMR_STS_OK})
    assert_int_equal(disk.read(11, 1, sector.data()), expected);
  disk.inject(read_fault(0, kForever));
  std::vector<uint8_t> many(20 * DMR_SECTOR_BYTES);
  assert_int_equal(disk.read(0, 20, many.data()), DMR_STS_MEDIUM);
  disk.heal();
  assert_int_equal(disk.read(0, 20, many.data()), DMR_STS_OK);
}

void failed_writes_may_store_a_part(void**) {
  SimDisk disk(100);
  Fault fault = write_fault(0, 8);
  fault.sectors_stored = 2;
  disk.inject(fault);
  std::vector<uint8_t> data(4 * DMR_SECTOR_BYTES, 0x77);
  assert_int_equal(disk.write(0, 4, data.data(), true), DMR_STS_MEDIUM);
  assert_int_equal(byte_at(disk, 1), 0x77);
  assert_int_equal(byte_at(disk, 2), 0);
}

void silent_faults(void**) {
  SimDisk disk(100);
  Fault drop = write_fault(1);
  drop.effect = Effect::kDrop;
  disk.inject(drop);
  Fault corrupt = write_fault(2);
  corrupt.effect = Effect::kCorrupt;
  disk.inject(corrupt);
  Fault misread = read_fault(3);
  misread.effect = Effect::kCorrupt;
  disk.inject(misread);
  for (uint64_t s = 1; s <= 3; ++s) assert_int_equal(put(disk, s, 0x10), DMR_STS_OK);
  assert_int_equal(byte_at(disk, 1), 0);
  assert_int_equal(byte_at(disk, 2), 0x11);
  assert_int_equal(byte_at(disk, 3), 0x10);
  Sector sector;
  assert_int_equal(disk.read(3, 1, sector.data()), DMR_STS_OK);
  assert_int_equal(sector[0], 0x12);
}

void impossible_io_is_refused(void**) {
  SimDisk disk(100, 8);
  std::vector<uint8_t> data(16 * DMR_SECTOR_BYTES);
  assert_int_equal(disk.read(0, 8, data.data()), DMR_STS_OK);
  assert_int_equal(disk.read(1, 8, data.data()), DMR_STS_NOTSUPP);
  assert_int_equal(disk.write(8, 1, data.data(), false), DMR_STS_NOTSUPP);
  assert_int_equal(disk.read(96, 8, data.data()), DMR_STS_NOTSUPP);
  assert_int_equal(disk.read(104, 8, data.data()), DMR_STS_NOTSUPP);
}

void copies_are_independent(void**) {
  SimDisk disk(100);
  put(disk, 1, 0x11, true);
  SimDisk copy(disk);
  put(copy, 1, 0x22, true);
  put(disk, 2, 0x33, true);
  assert_int_equal(byte_at(disk, 1), 0x11);
  assert_int_equal(byte_at(copy, 1), 0x22);
  assert_int_equal(byte_at(copy, 2), 0);
}

void what_was_asked_is_recorded(void**) {
  SimDisk disk(100);
  put(disk, 1, 1);
  disk.record(true);
  put(disk, 2, 1, true);
  (void)disk.flush();
  assert_int_equal(disk.records().size(), 2);
  assert_int_equal(disk.records()[0].sector, 2);
  assert_true(disk.records()[0].fua);
  assert_int_equal(disk.writes(), 2);
  assert_int_equal(disk.ios(), 3);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(unflushed_sectors_are_lost_or_kept),
      cmocka_unit_test(a_flush_keeps_them),
      cmocka_unit_test(a_flush_that_fails_or_lies_does_not),
      cmocka_unit_test(a_random_crash_leaves_anything_possible),
      cmocka_unit_test(power_fails_at_the_chosen_io),
      cmocka_unit_test(faults_match_by_place_kind_and_count),
      cmocka_unit_test(failed_writes_may_store_a_part),
      cmocka_unit_test(silent_faults),
      cmocka_unit_test(impossible_io_is_refused),
      cmocka_unit_test(copies_are_independent),
      cmocka_unit_test(what_was_asked_is_recorded),
  };
  return cmocka_run_group_tests_name("sim_disk", tests, nullptr, nullptr);
}
