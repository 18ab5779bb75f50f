// SPDX-License-Identifier: GPL-2.0
//
// Failed writes: narrowed, redirected, made durable, acknowledged. What each test writes it reads
// back, in the same boot and after a power cut that keeps only what was flushed.
#include "support.h"

namespace test {
namespace {

// ---- One write ----------------------------------------------------------------------------------

// Peer defects 1 and 2: the write is retried, succeeds, and the redirection is active at once.
void peer_01_02_redirection_is_active_and_the_write_succeeds(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(1001));
  assert_int_equal(pair->write(1001, 1), DMR_STS_OK);
  const dmr_list_entry entry = pair->entry_of(1001);
  assert_int_equal(entry.sector, 1000);
  assert_int_equal(entry.slot, 0);
  assert_int_equal(entry.spare_mask, 0x02);
  assert_int_equal(entry.lost_mask, 0);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().remaps, 1);
  assert_int_equal(pair->host.events_of(DMR_EVENT_REMAP), 1);
  assert_int_equal(pair->host.events_of(DMR_EVENT_COMMIT), 1);
  // Again and again: main is not asked any more, no other slot is taken.
  const uint64_t main_writes = pair->main().writes();
  for (int i = 0; i < 10; ++i) assert_int_equal(pair->write(1001, 1), DMR_STS_OK);
  assert_int_equal(pair->main().writes(), main_writes);
  assert_int_equal(pair->status().slots_used, 1);
  survives(*pair);
}

// Peer defects 5 and 6: the sector that failed is moved, not the bio's start, nor all of the bio.
void peer_05_06_one_bad_sector_of_a_mebibyte_moves_alone(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(1234));
  assert_int_equal(pair->write(0, 2048), DMR_STS_OK);
  assert_int_equal(pair->target->list().size(), 1);
  const dmr_list_entry entry = pair->entry_of(1234);
  assert_int_equal(entry.sector, 1232);
  assert_int_equal(entry.spare_mask, 0x04);
  // All others are on main.
  for (uint64_t s = 0; s < 2048; ++s)
    assert_int_equal(pair->route(s, 1).kind, s == 1234 ? DMR_PLACE_SPARE : DMR_PLACE_MAIN);
  survives(*pair);
}

void each_sector_is_tried_on_main_once_more(void**) {
  const auto pair = opened();
  // The bio fails, the block fails, the sector by itself is taken.
  Fault twice = write_fault(1234);
  twice.times = 2;
  pair->main().inject(twice);
  assert_int_equal(pair->write(1200, 64), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 0);
  survives(*pair);
  // One sector alone: once from the application, once from the worker.
  pair->main().inject(write_fault(1234));
  pair->main().record(true);
  assert_int_equal(pair->write(1234, 1), DMR_STS_OK);
  size_t tries = 0;
  for (const auto& io : pair->main().records()) tries += io.kind == IoKind::kWrite;
  assert_int_equal(tries, 2);
  assert_int_equal(pair->status().slots_used, 1);
}

void retries_on_main_are_fua(void**) {
  const auto pair = opened();
  Fault once = write_fault(1234);
  once.times = 1;
  pair->main().inject(once);
  assert_int_equal(pair->write(1232, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 0);
  assert_int_equal(pair->main().unflushed_sectors(), 0);
  Pair after(*pair);
  after.reboot(CrashPolicy::kDropAll);
  after.check(1232, 8);
}

void every_place_and_length_around_blocks(void**) {
  const auto pair = opened({}, {}, 512);
  // One bad sector in each of some blocks; writes of every length at every offset.
  for (const uint64_t bad : {19u, 24u, 31u, 45u}) pair->main().inject(write_fault(bad));
  for (uint64_t first = 8; first < 34; ++first) {
    for (uint32_t count = 1; count <= 24; ++count)
      assert_int_equal(pair->write(first, count), DMR_STS_OK);
    pair->check(0, 64);
  }
  assert_int_equal(pair->status().slots_used, 3);
  assert_int_equal(pair->entry_of(16).spare_mask, 0x08);
  assert_int_equal(pair->entry_of(24).spare_mask, 0x81);
  assert_int_equal(pair->entry_of(40).spare_mask, 0x20);
  survives(*pair);
}

void every_mask_of_bad_sectors(void**) {
  const auto pair = opened({}, {}, 8 * 256);
  for (uint32_t mask = 1; mask < 256; ++mask) {
    for (uint32_t s = 0; s < 8; ++s)
      if (mask >> s & 1) pair->main().inject(write_fault(mask * 8 + s));
  }
  for (uint32_t mask = 1; mask < 256; ++mask) {
    assert_int_equal(pair->write(mask * 8, 8), DMR_STS_OK);
    assert_int_equal(pair->entry_of(mask * 8).spare_mask, mask);
  }
  assert_int_equal(pair->status().slots_used, 255);
  survives(*pair);
}

void logical_blocks_of_4096_move_whole(void**) {
  for (const uint32_t spare_logical : {1u, 8u}) {
    const auto pair = opened({.main_logical = 8, .spare_logical = spare_logical});
    pair->main().inject(write_fault(1234));
    pair->spare().record(true);
    pair->main().record(true);
    assert_int_equal(pair->write(1024, 512), DMR_STS_OK);
    assert_int_equal(pair->entry_of(1234).spare_mask, 0xff);
    assert_int_equal(pair->status().slots_used, 1);
    for (const auto& io : pair->main().records()) assert_int_not_equal(io.status, DMR_STS_NOTSUPP);
    for (const auto& io : pair->spare().records()) assert_int_not_equal(io.status, DMR_STS_NOTSUPP);
    survives(*pair);
  }
}

void logical_blocks_of_1024_and_2048(void**) {
  for (const uint32_t logical : {2u, 4u}) {
    const auto pair = opened({.main_logical = logical, .spare_logical = logical});
    pair->main().inject(write_fault(1237));
    assert_int_equal(pair->write(1024, 512), DMR_STS_OK);
    assert_int_equal(pair->entry_of(1237).spare_mask, logical == 2 ? 0x30 : 0xf0);
    survives(*pair);
  }
}

void main_that_ends_within_a_block(void**) {
  const auto pair = opened({.main_sectors = kSmallMain - 3});
  const uint64_t end = kSmallMain - 3;
  pair->main().inject(write_fault(end - 2, 2));
  assert_int_equal(pair->write(end - 20, 20), DMR_STS_OK);
  assert_int_equal(pair->entry_of(end - 1).spare_mask, 0x18);
  survives(*pair);
  assert_int_equal(pair->write(end - 1, 1), DMR_STS_OK);
  survives(*pair);
}

void the_very_last_and_first_sector_of_main(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0));
  pair->main().inject(write_fault(kSmallMain - 1));
  assert_int_equal(pair->write(0, 1), DMR_STS_OK);
  assert_int_equal(pair->write(kSmallMain - 8, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 2);
  survives(*pair);
}

// ---- Errors that are none of the medium ---------------------------------------------------------

void only_failures_of_the_medium_cost_slots(void**) {
  for (const dmr_sts sts :
       {DMR_STS_NOTSUPP, DMR_STS_TIMEOUT, DMR_STS_NOSPC, DMR_STS_TRANSPORT, DMR_STS_RESV_CONFLICT,
        DMR_STS_RESOURCE, DMR_STS_OFFLINE, DMR_STS_OTHER}) {
    const auto pair = opened();
    pair->main().inject(write_fault(1234, 1, sts));
    assert_int_equal(pair->write(1234, 1), sts);
    assert_int_equal(pair->status().slots_used, 0);
    // Also when it shows only in the worker.
    const uint64_t sequence = pair->status().sequence;
    pair->park(1234, 1);
    assert_int_equal(pair->settle()[0], DMR_STS_MEDIUM);
    assert_int_equal(pair->status().slots_used, 0);
    assert_int_equal(pair->status().sequence, sequence);
    pair->check_all();
  }
  for (const dmr_sts sts : {DMR_STS_IOERR, DMR_STS_MEDIUM, DMR_STS_TARGET}) {
    const auto pair = opened();
    pair->main().inject(write_fault(1234, 1, sts));
    assert_int_equal(pair->write(1234, 1), DMR_STS_OK);
    assert_int_equal(pair->status().slots_used, 1);
  }
}

void a_device_error_while_narrowing_takes_no_slot(void**) {
  const auto pair = opened();
  // The block fails as the medium, then the first sector by itself as a device gone away.
  Fault once = write_fault(1232, 8);
  once.times = 1;
  pair->main().inject(once);
  pair->main().inject(write_fault(1233, 1, DMR_STS_OFFLINE));
  pair->park(1232, 8);
  assert_int_equal(pair->settle()[0], DMR_STS_MEDIUM);
  assert_int_equal(pair->status().slots_used, 0);
  pair->main().heal();
  pair->check_all();
}

void a_write_ends_once_and_is_not_touched_afterwards(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 400));
  size_t ends = 0;
  // complete() clears next: a core that follows it afterwards loses the rest of the list.
  pair->host.on_complete = [&](SimRequest& write) {
    ++ends;
    write.data.clear();
    write.data.shrink_to_fit();
  };
  for (uint64_t s = 0; s < 50; ++s) pair->submit(s * 8, 8);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_int_equal(ends, 50);
  survives(*pair);
}

// ---- Many ---------------------------------------------------------------------------------------

void peer_07_burst_of_errors_all_redirected(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 1600));
  for (uint64_t i = 0; i < 200; ++i) pair->submit(i * 8 + i % 8, 1);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 200);
  assert_int_equal(pair->status().remaps, 200);
  survives(*pair);
}

void one_commit_serves_all_that_wait(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  const uint64_t commits = pair->status().commits;
  for (uint64_t i = 0; i < 100; ++i) pair->submit(i * 8, 8);
  (void)pair->settle();
  assert_int_equal(pair->status().commits, commits + 1);
}

void one_write_larger_than_a_batch(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  assert_int_equal(pair->write(3, 4000), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 501);
  survives(*pair);
}

void overlapping_writes_end_in_their_order(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(100, 8));
  // The last one wins, though all wait together.
  for (uint32_t i = 0; i < 6; ++i) pair->park(96 + i, 12);
  for (const dmr_sts sts : pair->settle_in_order()) assert_int_equal(sts, DMR_STS_OK);
  survives(*pair);
  for (uint32_t i = 0; i < 6; ++i) pair->park(104, 1);
  (void)pair->settle_in_order();
  survives(*pair);
}

void overlapping_writes_in_one_batch_that_is_done_again(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(100, 8));
  Fault lost = write_fault(dmr::slot_sector(dmr::Slot(1)), 8);
  lost.effect = Effect::kDrop;
  pair->spare().inject(lost);
  pair->park(100, 8);
  pair->park(102, 4);
  pair->park(103, 1);
  for (const dmr_sts sts : pair->settle_in_order()) assert_int_equal(sts, DMR_STS_OK);
  survives(*pair);
}

void a_block_gets_more_sectors_into_its_slot(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  for (const uint32_t s : {3u, 0u, 7u, 4u}) {
    assert_int_equal(pair->write(96 + s, 1), DMR_STS_OK);
    survives(*pair);
  }
  assert_int_equal(pair->entry_of(96).spare_mask, 0x99);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().remaps, 1);
  // Sectors of main, slot and main again in one write.
  assert_int_equal(pair->write(90, 20), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xff);
  survives(*pair);
}

// Peer defect 9: the same sector twice, or one beyond the device.
void peer_09_no_sector_is_redirected_twice(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  for (int i = 0; i < 3; ++i) pair->park(96, 8);
  (void)pair->settle();
  // A late failure of an I/O to main, from before the redirection.
  pair->park(96, 8);
  (void)pair->settle();
  assert_int_equal(pair->status().slots_used, 1);
  survives(*pair);
}

void an_error_from_an_old_place_is_not_acted_upon(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 1));
  assert_int_equal(pair->write(96, 1), DMR_STS_OK);
  // This one was sent to main before the sector moved, and fails only now.
  const uint64_t main_writes = pair->main().writes();
  pair->park(96, 1);
  assert_int_equal(pair->settle()[0], DMR_STS_OK);
  assert_int_equal(pair->main().writes(), main_writes);
  survives(*pair);
}

// Peer defects 4 and 11: never over the metadata, and on the disk when it is acknowledged.
void peer_04_slots_never_touch_the_metadata(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  pair->spare().record(true);
  for (uint64_t i = 0; i < 300; ++i) assert_int_equal(pair->write(i * 8, 8), DMR_STS_OK);
  for (const auto& io : pair->spare().records()) {
    if (io.kind != IoKind::kWrite) continue;
    const bool metadata = io.sector + io.sectors <= DMR_METADATA_SECTORS;
    assert_true(metadata || io.sector >= DMR_METADATA_SECTORS);
    bool in_copy = false;
    for (const uint64_t copy : dmr::kCopySector)
      in_copy |= io.sector >= copy && io.sector + io.sectors <= copy + 8 * 6;
    if (metadata) assert_true(in_copy);
  }
  survives(*pair);
}

void peer_11_nothing_is_acknowledged_before_it_is_durable(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  size_t ends = 0;
  pair->host.on_complete = [&](SimRequest&) {
    ++ends;
    // Power cut at this instant, everything unflushed lost.
    SimHost copy(pair->host);
    copy.on_complete = nullptr;
    std::mt19937_64 rng(1);
    copy.spare.crash(CrashPolicy::kDropAll, rng);
    copy.main.crash(CrashPolicy::kDropAll, rng);
    SimTarget after(copy);
    assert_int_equal(after.open(), DMR_ACCEPTED);
    assert_true(after.status().slots_used >= ends);
  };
  for (uint64_t i = 0; i < 20; ++i) pair->submit(i * 8, 1);
  (void)pair->settle();
  assert_int_equal(ends, 20);
  pair->host.on_complete = nullptr;
  survives(*pair);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(peer_01_02_redirection_is_active_and_the_write_succeeds),
      cmocka_unit_test(peer_05_06_one_bad_sector_of_a_mebibyte_moves_alone),
      cmocka_unit_test(each_sector_is_tried_on_main_once_more),
      cmocka_unit_test(retries_on_main_are_fua),
      cmocka_unit_test(every_place_and_length_around_blocks),
      cmocka_unit_test(every_mask_of_bad_sectors),
      cmocka_unit_test(logical_blocks_of_4096_move_whole),
      cmocka_unit_test(logical_blocks_of_1024_and_2048),
      cmocka_unit_test(main_that_ends_within_a_block),
      cmocka_unit_test(the_very_last_and_first_sector_of_main),
      cmocka_unit_test(only_failures_of_the_medium_cost_slots),
      cmocka_unit_test(a_device_error_while_narrowing_takes_no_slot),
      cmocka_unit_test(a_write_ends_once_and_is_not_touched_afterwards),
      cmocka_unit_test(peer_07_burst_of_errors_all_redirected),
      cmocka_unit_test(one_commit_serves_all_that_wait),
      cmocka_unit_test(one_write_larger_than_a_batch),
      cmocka_unit_test(overlapping_writes_end_in_their_order),
      cmocka_unit_test(overlapping_writes_in_one_batch_that_is_done_again),
      cmocka_unit_test(a_block_gets_more_sectors_into_its_slot),
      cmocka_unit_test(peer_09_no_sector_is_redirected_twice),
      cmocka_unit_test(an_error_from_an_old_place_is_not_acted_upon),
      cmocka_unit_test(peer_04_slots_never_touch_the_metadata),
      cmocka_unit_test(peer_11_nothing_is_acknowledged_before_it_is_durable),
  };
  return cmocka_run_group_tests_name("writes", tests, nullptr, nullptr);
}
