// SPDX-License-Identifier: GPL-2.0
//
// Writes that are read back before they are acknowledged.
#include <atomic>
#include <thread>

#include "support.h"

namespace test {
namespace {

constexpr uint64_t kBlock = 800;  // a sector of the redirected block

struct Verified : Pair {
  explicit Verified(dmr_verify mode = DMR_VERIFY_NEAR, const Devices& devices = {})
      : Pair(devices) {
    must_open(Arguments().with_config(DMR_CONFIG_VERIFY_WRITES, mode));
    main().inject(write_fault(kBlock, 8));
    assert_int_equal(write(kBlock, 8), DMR_STS_OK);
    main().heal();
    main().record(true);
  }
  // Main acknowledges the next write there and does not store it.
  void lie(uint64_t sector, Effect effect, uint64_t times = 1) {
    Fault fault = write_fault(sector);
    fault.effect = effect;
    fault.times = times;
    main().inject(fault);
  }
  bool moved(uint64_t sector) const {
    const dmr_list_entry entry = entry_of(sector);
    return entry.slot != 0xffffffff && (entry.spare_mask >> sector % 8 & 1) != 0;
  }
  uint64_t reads_of(uint64_t sector) {
    uint64_t reads = 0;
    for (const auto& io : main().records())
      reads += io.kind == IoKind::kRead && io.sector <= sector && sector < io.sector + io.sectors;
    return reads;
  }
};

void beside_a_redirected_block_writes_are_read_back(void**) {
  Verified pair;
  for (const uint64_t sector : {kBlock - 8, kBlock - 1, kBlock + 8, kBlock + 15}) {
    pair.main().forget_records();
    assert_int_equal(pair.write(sector, 1), DMR_STS_OK);
    assert_int_equal(pair.reads_of(sector), 1);
    assert_true(pair.main().records()[0].fua);
  }
  for (const uint64_t sector : {kBlock - 9, kBlock + 16, uint64_t{0}, uint64_t{60000}}) {
    pair.main().forget_records();
    assert_int_equal(pair.write(sector, 1), DMR_STS_OK);
    assert_int_equal(pair.reads_of(sector), 0);
    assert_false(pair.main().records()[0].fua);
  }
  assert_int_equal(pair.status().slots_used, 1);
  pair.check_all();
}

void the_sectors_of_a_block_that_is_partly_redirected(void**) {
  Pair pair;
  pair.must_open();
  pair.main().inject(write_fault(kBlock + 3));
  assert_int_equal(pair.write(kBlock, 8), DMR_STS_OK);
  assert_int_equal(pair.entry_of(kBlock).spare_mask, 0x08);
  assert_int_equal(pair.route(kBlock + 2, 1, DMR_WRITE).verify, 1);
  assert_int_equal(pair.route(kBlock + 2, 1, DMR_READ).verify, 0);
  assert_int_equal(pair.route(kBlock + 3, 1, DMR_WRITE).verify, 0);
}

void a_long_write_is_split_where_that_begins(void**) {
  Verified pair;
  for (const uint64_t start : {kBlock - 100, kBlock - 16, kBlock - 8}) {
    const dmr_place place = pair.route(start, 500, DMR_WRITE);
    assert_int_equal(place.kind, DMR_PLACE_MAIN);
    assert_int_equal(place.verify, start >= kBlock - 8);
    assert_int_equal(place.sectors, start < kBlock - 8 ? kBlock - 8 - start : 8);
  }
  const dmr_place behind = pair.route(kBlock + 8, 500, DMR_WRITE);
  assert_int_equal(behind.verify, 1);
  assert_int_equal(behind.sectors, 8);
  assert_int_equal(pair.route(kBlock + 16, 500, DMR_WRITE).sectors, 500);
  assert_int_equal(pair.route(kBlock - 100, 50, DMR_READ).sectors, 50);
  // From end to end, in whatever regions they lie.
  assert_int_equal(pair.write(kBlock - 400, 1000), DMR_STS_OK);
  pair.check_all();
}

void what_the_drive_made_up_is_redirected(void**) {
  for (const Effect effect : {Effect::kDrop, Effect::kCorrupt}) {
    for (const uint32_t logical : {1u, 8u}) {
      Devices devices;
      devices.main_logical = logical;
      Verified pair(DMR_VERIFY_NEAR, devices);
      // Once: written again, it is there.
      pair.lie(kBlock + 8, effect);
      assert_int_equal(pair.write(kBlock + 8, 8), DMR_STS_OK);
      assert_false(pair.moved(kBlock + 8));
      pair.check_all();
      // For good: a slot has it, and it counts as a failed write.
      const uint64_t errors = pair.status().main_write_errors;
      pair.lie(kBlock + 8, effect, kForever);
      assert_int_equal(pair.write(kBlock + 8, 8), DMR_STS_OK);
      assert_true(pair.moved(kBlock + 8));
      assert_true(pair.status().main_write_errors > errors);
      if (logical == 1) assert_int_equal(pair.entry_of(kBlock + 8).spare_mask, 0x01);
      pair.check_all();
      pair.reboot(CrashPolicy::kDropAll);
      pair.check_all();
    }
  }
}

void what_can_not_be_read_back_is_redirected(void**) {
  Verified pair;
  pair.main().inject(read_fault(kBlock + 10));
  assert_int_equal(pair.write(kBlock + 8, 8), DMR_STS_OK);
  assert_int_equal(pair.entry_of(kBlock + 8).spare_mask, 0x04);
  assert_int_equal(pair.status().lost_sectors, 0);
  pair.check_all();
}

// Main has refused it once, or the block's writers waited for the worker: then the worker writes it, and
// reads it back as well.
void what_the_worker_writes_is_read_back(void**) {
  for (const dmr_sts failed_with : {DMR_STS_MEDIUM, DMR_STS_OK}) {
    Verified pair;
    pair.lie(kBlock + 8, Effect::kDrop, kForever);
    pair.park(kBlock + 8, 8, failed_with);
    assert_int_equal(pair.settle()[0], DMR_STS_OK);
    assert_true(pair.moved(kBlock + 8));
    assert_int_equal(pair.entry_of(kBlock + 8).spare_mask, 0x01);
    pair.check_all();
    // Where nothing is near, it is not.
    pair.main().forget_records();
    pair.park(0, 8, failed_with);
    assert_int_equal(pair.settle()[0], DMR_STS_OK);
    assert_int_equal(pair.reads_of(0), 0);
  }
}

// Neither when reading back fails for good, nor when it differs, does the application hear of it.
void a_failed_read_back_is_no_error(void**) {
  for (const uint32_t logical : {1u, 8u}) {
    for (const uint64_t first : {kBlock - 8, kBlock + 8}) {
      Devices devices;
      devices.main_logical = logical;
      Verified pair(DMR_VERIFY_NEAR, devices);
      pair.main().inject(read_fault(first, 8));
      pair.lie(first + 3, Effect::kCorrupt, kForever);
      assert_int_equal(pair.write(first, 8, true), DMR_STS_OK);
      assert_int_equal(pair.entry_of(first).spare_mask, 0xff);
      assert_int_equal(pair.status().lost_sectors, 0);
      pair.check_all();
      pair.reboot(CrashPolicy::kDropAll);
      pair.check_all();
    }
  }
}

// Zeros go to main by an operation that knows no FUA: its cache is emptied before it is asked.
// So that nobody waits long behind it: what is longer comes in parts.
void what_is_read_back_is_short(void**) {
  for (const dmr_verify mode : {DMR_VERIFY_NEAR, DMR_VERIFY_ALL}) {
    Verified pair(mode);
    dmr_place place = {};
    dmr_route(pair.target->engine(), 0, 32768, DMR_WRITE, &place);
    assert_int_equal(place.kind, DMR_PLACE_MAIN);
    assert_int_equal(place.verify, mode == DMR_VERIFY_ALL);
    assert_true(place.sectors <= (mode == DMR_VERIFY_ALL ? 512 : kBlock));
    assert_true(place.sectors >= 512 || mode == DMR_VERIFY_NEAR);
  }
}

void zeros_are_on_the_medium_before_they_are_read_back(void**) {
  Verified pair;
  const std::vector<uint8_t> ones(8 * DMR_SECTOR_BYTES, 0x11), zeros(8 * DMR_SECTOR_BYTES, 0);
  for (const uint64_t sector : {kBlock + 8, kBlock + 16}) {
    const bool near = sector == kBlock + 8;
    std::vector<uint8_t> found(ones.size());
    assert_int_equal(pair.target->write(sector, 8, ones.data(), true), DMR_STS_OK);
    pair.main().forget_records();
    const auto pending = pair.target->submit_write(sector, 8, zeros.data(), false, true);
    while (!pending->done()) pair.target->run_worker();
    assert_int_equal(pending->status, DMR_STS_OK);
    const auto& ios = pair.main().records();
    assert_int_equal(ios.size(), near ? 3 : 1);
    if (near) {
      assert_int_equal(ios[1].kind, IoKind::kFlush);
      assert_int_equal(ios[2].kind, IoKind::kRead);
    }
    pair.crash(CrashPolicy::kDropAll);
    pair.main().peek(sector, 8, found.data());
    assert_memory_equal(found.data(), (near ? zeros : ones).data(), found.size());
    pair.must_open();
    pair.main().record(true);
  }
  // A drive that can't empty its cache: nothing is known of any part of it.
  pair.main().inject(flush_fault());
  const auto pending = pair.target->submit_write(kBlock + 8, 8, zeros.data(), false, true);
  while (!pending->done()) pair.target->run_worker();
  assert_int_equal(pending->status, DMR_STS_IOERR);
}

void off_is_off_and_all_is_all(void**) {
  Verified off(DMR_VERIFY_OFF);
  off.main().forget_records();
  assert_int_equal(off.write(kBlock + 8, 8), DMR_STS_OK);
  assert_int_equal(off.reads_of(kBlock + 8), 0);

  Verified all(DMR_VERIFY_ALL);
  for (const uint64_t sector : {uint64_t{0}, uint64_t{30000}, kSmallMain - 1}) {
    all.main().forget_records();
    assert_int_equal(all.write(sector, 1), DMR_STS_OK);
    assert_int_equal(all.reads_of(sector), 1);
    all.lie(sector, Effect::kDrop, kForever);
    assert_int_equal(all.write(sector, 1), DMR_STS_OK);
    assert_true(all.moved(sector));
    all.main().heal();
  }
  all.check_all();
  // Live, and back again.
  Verified live;
  dmr_engine_config_set(live.target->engine(), DMR_CONFIG_VERIFY_WRITES, DMR_VERIFY_ALL);
  assert_int_equal(live.route(40000, 8, DMR_WRITE).verify, 1);
  dmr_engine_config_set(live.target->engine(), DMR_CONFIG_VERIFY_WRITES, DMR_VERIFY_OFF);
  assert_int_equal(live.route(kBlock + 8, 8, DMR_WRITE).verify, 0);
}

void a_reload_turns_it_on(void**) {
  Pair pair;
  pair.must_open();
  const Arguments all = Arguments().with_config(DMR_CONFIG_VERIFY_WRITES, DMR_VERIFY_ALL);
  assert_int_equal(
      dmr_engine_adopt(pair.target->engine(), &pair.target->geometry(), &all, 0), DMR_ACCEPTED);
  assert_int_equal(pair.route(40000, 8, DMR_WRITE).verify, 1);
  pair.must_open(all);
  assert_int_equal(pair.route(40000, 8, DMR_WRITE).verify, 1);
}

// Another thread asks all the time for the place of a write, while what decides on it changes: no sectors
// at all is no answer.
void a_place_has_sectors_whatever_changes_meanwhile(void**) {
  Verified pair;
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> asked{0};
  std::atomic<uint64_t> empty{0};
  std::thread asking([&] {
    for (; !stop; ++asked) empty += pair.route(kBlock + 24, 16, DMR_WRITE).sectors == 0;
  });
  const auto changes = [&](auto&& change) {
    const uint64_t enough = asked + 20000;
    for (uint32_t n = 0; asked < enough; ++n) change(n);
  };
  changes([&](uint32_t n) {
    pair.job(n % 2 == 0 ? DMR_JOB_REMAP : DMR_JOB_UNMAP, kBlock + 32);
  });
  changes([&](uint32_t n) {
    dmr_engine_config_set(pair.target->engine(), DMR_CONFIG_VERIFY_WRITES,
                          n % 2 == 0 ? DMR_VERIFY_ALL : DMR_VERIFY_NEAR);
  });
  stop = true;
  asking.join();
  assert_int_equal(empty, 0);
}

void a_changing_buffer_costs_no_slot(void**) {
  // What was written is not what the memory holds when it is compared.
  Verified pair;
  std::vector<uint8_t> data(8 * DMR_SECTOR_BYTES, 0x11);
  const auto pending = pair.target->submit_write(kBlock + 8, 8, data.data());
  std::vector<uint8_t> other(8 * DMR_SECTOR_BYTES, 0x22);
  pair.main().poke(kBlock + 8, 8, other.data());
  while (!pending->done()) pair.target->run_worker();
  assert_int_equal(pending->status, DMR_STS_OK);
  assert_int_equal(pair.status().slots_used, 1);
  pair.main().peek(kBlock + 8, 8, other.data());
  assert_memory_equal(other.data(), data.data(), data.size());
}

void moved_while_it_waited(void**) {
  // Between the write and its reading back the block goes to a slot: that has to hold it.
  Verified pair;
  pair.submit(kBlock + 8, 8);
  assert_int_equal(pair.job(DMR_JOB_REMAP, kBlock + 8, 8).done, 1);
  pair.settle();
  assert_true(pair.moved(kBlock + 8));
  pair.check_all();
  // And to one that is lost by then.
  pair.submit(kBlock - 8, 8);
  pair.main().inject(read_fault(kBlock - 8, 8));
  (void)pair.job(DMR_JOB_REMAP, kBlock - 8, 8);
  assert_int_equal(pair.status().lost_sectors, 8);
  const auto ends = pair.settle();
  assert_int_equal(ends[0], DMR_STS_OK);
  assert_int_equal(pair.status().lost_sectors, 0);
  pair.check_all();
}

void without_a_slot_to_be_had_the_write_fails(void**) {
  Verified pair;
  dmr_engine_config_set(pair.target->engine(), DMR_CONFIG_AUTO_REMAP, 0);
  pair.lie(kBlock + 8, Effect::kDrop, kForever);
  assert_int_equal(pair.write(kBlock + 8, 1), DMR_STS_IOERR);
  assert_int_equal(pair.status().slots_used, 1);
}

void errors_that_are_not_the_mediums(void**) {
  Verified pair;
  pair.main().inject(read_fault(kBlock + 8, 8, DMR_STS_TRANSPORT));
  assert_int_not_equal(pair.write(kBlock + 8, 8), DMR_STS_OK);
  assert_int_equal(pair.status().slots_used, 1);
}

void region_edges(void**) {
  // The neighbour lies in another region: large mains have large ones.
  Devices devices;
  devices.main_sectors = uint64_t{1} << 25;
  Pair pair(devices);
  pair.must_open();
  const uint32_t shift = dmr_engine_regions(pair.target->engine()).shift;
  assert_true(shift > 3);
  for (const uint64_t region : {uint64_t{5}, uint64_t{9}}) {
    const uint64_t edge = region << shift;
    const uint64_t block = region == 5 ? edge : edge - 8;
    const uint64_t neighbour = region == 5 ? edge - 8 : edge;
    pair.main().inject(write_fault(block, 8));
    assert_int_equal(pair.write(block, 8), DMR_STS_OK);
    pair.main().heal();
    assert_int_equal(pair.route(neighbour, 8, DMR_WRITE).verify, 1);
    // Also of a write that begins a region earlier.
    const uint64_t start = neighbour - (uint64_t{1} << shift) + 8;
    const dmr_place place = pair.route(start, (1u << shift), DMR_WRITE);
    assert_int_equal(place.verify, 0);
    assert_int_equal(start + place.sectors, std::min(neighbour, block - 8));
  }
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.route((uint64_t{5} << shift) - 8, 8, DMR_WRITE).verify, 1);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(beside_a_redirected_block_writes_are_read_back),
      cmocka_unit_test(the_sectors_of_a_block_that_is_partly_redirected),
      cmocka_unit_test(a_long_write_is_split_where_that_begins),
      cmocka_unit_test(what_the_drive_made_up_is_redirected),
      cmocka_unit_test(what_can_not_be_read_back_is_redirected),
      cmocka_unit_test(what_the_worker_writes_is_read_back),
      cmocka_unit_test(a_failed_read_back_is_no_error),
      cmocka_unit_test(what_is_read_back_is_short),
      cmocka_unit_test(zeros_are_on_the_medium_before_they_are_read_back),
      cmocka_unit_test(off_is_off_and_all_is_all),
      cmocka_unit_test(a_reload_turns_it_on),
      cmocka_unit_test(a_place_has_sectors_whatever_changes_meanwhile),
      cmocka_unit_test(a_changing_buffer_costs_no_slot),
      cmocka_unit_test(moved_while_it_waited),
      cmocka_unit_test(without_a_slot_to_be_had_the_write_fails),
      cmocka_unit_test(errors_that_are_not_the_mediums),
      cmocka_unit_test(region_edges),
  };
  return cmocka_run_group_tests_name("verify", tests, nullptr, nullptr);
}
