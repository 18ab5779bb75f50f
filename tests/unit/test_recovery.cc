// SPDX-License-Identifier: GPL-2.0
//
// Failed writes: narrowed, redirected, made durable, acknowledged. What each test writes it reads
// back, in the same boot and after a power cut that keeps only what was flushed.
#include <cstdlib>

#include "support.h"

namespace test {
namespace {

// A pair with @sectors of known contents on main from sector 0 on.
std::unique_ptr<Pair> opened(const Devices& devices = {}, uint32_t sectors = 4096) {
  auto pair = std::make_unique<Pair>(devices);
  pair->must_open();
  pair->prefill(0, sectors);
  return pair;
}

// Everything is where it should be, now and after each kind of power cut.
void survives(Pair& pair) {
  pair.check_all();
  pair.check_invariants();
  for (const CrashPolicy policy : {CrashPolicy::kDropAll, CrashPolicy::kKeepAll}) {
    Pair after(pair);
    after.reboot(policy);
    after.check_all();
    after.check_invariants();
  }
}

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
  const auto pair = opened({}, 512);
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
  const auto pair = opened({}, 8 * 256);
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
    assert_int_equal(pair->settle()[0], DMR_STS_IOERR);
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
  assert_int_equal(pair->settle()[0], DMR_STS_IOERR);
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

// ---- The spare full -----------------------------------------------------------------------------

// Peer defect 8: a full spare shows.
void peer_08_full_spare_passes_errors_up_and_says_so(void**) {
  const auto pair = opened({}, 20000);
  pair->main().inject(write_fault(0, kSmallMain));
  assert_int_equal(pair->write(0, kSmallSlots * 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, kSmallSlots);
  assert_int_equal(pair->status().state, DMR_STATE_SPARE_FULL);
  assert_int_equal(pair->host.events_of(DMR_EVENT_SPARE_FULL), 1);
  pair->check_invariants();
  // Known redirections go on; a new one does not.
  assert_int_equal(pair->write(kSmallSlots * 8, 1), DMR_STS_IOERR);
  assert_int_equal(pair->write(16, 24), DMR_STS_OK);
  assert_int_equal(pair->write(kSmallSlots * 8 - 8, 16), DMR_STS_IOERR);
  pair->check(kSmallSlots * 8 - 64, 128);
  pair->check(0, 256);
  Pair after(*pair);
  after.reboot(CrashPolicy::kDropAll);
  assert_int_equal(after.status().state, DMR_STATE_SPARE_FULL);
  after.check_all();
  after.check_invariants();
}

void a_write_that_finds_no_slot_ends_as_it_failed(void**) {
  const auto pair = opened({}, 64);
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s)
    image.set(s, dmr::Entry::of(dmr::Block(1000 + s), 0x01, 0));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  pair->main().inject(write_fault(0, 8));
  std::optional<dmr_outcome> end;
  pair->host.on_complete = [&](SimRequest& write) { end = write.end; };
  pair->park(0, 8);
  assert_int_equal(pair->settle()[0], DMR_STS_IOERR);
  assert_int_equal(*end, DMR_OUTCOME_AS_FAILED);
  assert_int_equal(pair->status().sequence, 7);
}

// ---- Slots that fail ----------------------------------------------------------------------------

// Peer defect 10: the count in use stays right when a replacement is bad.
void peer_10_bad_new_slot_is_retired_and_the_next_one_taken(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)), 16));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 2);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().slots_retired, 2);
  assert_int_equal(pair->status().state, DMR_STATE_DEGRADED);
  assert_int_equal(pair->host.events_of(DMR_EVENT_RETIRED), 2);
  survives(*pair);
  pair->reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().slots_retired, 2);
  // Nobody takes them again.
  pair->main().inject(write_fault(0, 4096));
  assert_int_equal(pair->write(800, 80), DMR_STS_OK);
  for (const auto& entry : pair->target->list()) assert_true(entry.slot >= 2);
  survives(*pair);
}

void retired_events_name_no_place_that_does_not_exist(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)), 8));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  for (const dmr_event& event : pair->host.events) assert_true(event.sector < kSmallMain);
}

void many_slots_fail_in_a_row(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)), 8 * 30));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 30);
  assert_int_equal(pair->status().slots_retired, 30);
  survives(*pair);
}

void a_spare_whose_slots_all_fail_is_not_retired_whole(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->spare().inject(write_fault(DMR_METADATA_SECTORS, kForever - DMR_METADATA_SECTORS));
  assert_int_equal(pair->write(96, 8), DMR_STS_IOERR);
  assert_true(pair->status().slots_retired < 200);
  assert_int_equal(pair->status().slots_used, 0);
  survives(*pair);
}

void a_slot_that_does_not_read_back_is_retired(void**) {
  for (const Effect effect : {Effect::kDrop, Effect::kCorrupt}) {
    const auto pair = opened();
    pair->main().inject(write_fault(96, 8));
    Fault silent = write_fault(dmr::slot_sector(dmr::Slot(0)), 8);
    silent.effect = effect;
    pair->spare().inject(silent);
    assert_int_equal(pair->write(96, 8), DMR_STS_OK);
    assert_int_equal(pair->entry_of(96).slot, 1);
    assert_int_equal(pair->status().slots_retired, 1);
    survives(*pair);
    pair->reboot(CrashPolicy::kDropAll);
    assert_int_equal(pair->status().slots_retired, 1);
  }
}

void a_slot_that_can_not_be_read_back_is_retired(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  pair->spare().inject(read_fault(dmr::slot_sector(dmr::Slot(5)), 8));
  for (uint64_t i = 0; i < 20; ++i) pair->submit(i * 8, 8);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 20);
  assert_int_equal(pair->status().slots_retired, 1);
  for (const auto& entry : pair->target->list()) assert_int_not_equal(entry.slot, 5);
  survives(*pair);
}

void many_slots_do_not_read_back(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  Fault silent = write_fault(dmr::slot_sector(dmr::Slot(3)), 8 * 20);
  silent.effect = Effect::kDrop;
  pair->spare().inject(silent);
  for (uint64_t i = 0; i < 60; ++i) pair->submit(i * 8, 8);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 60);
  survives(*pair);
}

void a_spare_that_drops_all_writes_acknowledges_nothing(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  Fault silent = write_fault(DMR_METADATA_SECTORS, kForever - DMR_METADATA_SECTORS);
  silent.effect = Effect::kDrop;
  pair->spare().inject(silent);
  for (uint64_t i = 0; i < 40; ++i) pair->submit(i * 8, 8);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_IOERR);
  assert_int_equal(pair->status().slots_used, 0);
  survives(*pair);
  pair->spare().heal();
  assert_int_equal(pair->write(0, 80), DMR_STS_OK);
  survives(*pair);
}

void a_device_error_of_the_spare_retires_nothing(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->spare().inject(write_fault(DMR_METADATA_SECTORS, kSmallSpare, DMR_STS_TRANSPORT));
  assert_int_equal(pair->write(96, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().slots_retired, 0);
  assert_int_equal(pair->status().slots_used, 0);
  pair->spare().heal();
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  survives(*pair);
}

// ---- A slot in use that fails -------------------------------------------------------------------

// Block 96 with all sectors but 0 in slot 0.
std::unique_ptr<Pair> with_slot_in_use() {
  auto pair = opened();
  pair->main().inject(write_fault(97, 7));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xfe);
  assert_int_equal(pair->entry_of(96).slot, 0);
  return pair;
}

void a_slot_in_use_that_fails_is_moved_with_its_data(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xfe);
  assert_int_equal(pair->entry_of(96).lost_mask, 0);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().slots_retired, 1);
  assert_true(pair->host.drains >= 2);
  survives(*pair);
}

void unreadable_sectors_of_a_slot_given_up_are_dead(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  pair->spare().inject(read_fault(old_slot + 5, 2));
  pair->allow_unreadable(101, 2);
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xfe);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x60);
  assert_int_equal(pair->status().lost_sectors, 2);
  assert_int_equal(pair->status().state, DMR_STATE_DEGRADED);
  pair->must_be_unreadable(101, 2);
  survives(*pair);
  // A rewrite of one of them revives that one only, and stays in the slot.
  assert_int_equal(pair->write(102, 1), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x20);
  assert_int_equal(pair->status().lost_sectors, 1);
  pair->must_be_unreadable(101, 1);
  survives(*pair);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->status().lost_sectors, 0);
  pair->check(96, 8);
  survives(*pair);
}

void dead_sectors_are_reported_as_lost(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  pair->spare().inject(read_fault(old_slot + 5, 2));
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  assert_int_equal(pair->host.events_of(DMR_EVENT_LOST), 1);
}

// The gate: while the block is drained and copied, its writers wait.
void the_gate_is_closed_while_a_slot_is_given_up(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  size_t gated = 0;
  pair->host.on_drain = [&] {
    const dmr_place place = pair->route(100, 1, DMR_WRITE);
    if (place.kind != DMR_PLACE_WORKER) return;
    ++gated;
    assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_WORKER);
    assert_int_equal(pair->route(96, 8, DMR_WRITE).sectors, 8);
    // Readers go on, other blocks too.
    assert_int_equal(pair->route(100, 1, DMR_READ).kind, DMR_PLACE_SPARE);
    assert_int_equal(pair->route(104, 8, DMR_WRITE).kind, DMR_PLACE_MAIN);
    assert_int_equal(pair->route(96, 8, DMR_DISCARD).kind, DMR_PLACE_NONE);
  };
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  assert_true(gated >= 1);
  pair->host.on_drain = nullptr;
  assert_int_equal(pair->route(100, 1, DMR_WRITE).kind, DMR_PLACE_SPARE);
  survives(*pair);
}

void a_write_that_was_in_flight_at_the_drain_is_not_lost(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  // Routed to the slot before the gate closed; it lands while the worker drains.
  const dmr_place place = pair->route(100, 1, DMR_WRITE);
  assert_int_equal(place.kind, DMR_PLACE_SPARE);
  std::vector<uint8_t> data(DMR_SECTOR_BYTES, 0x77);
  bool landed = false;
  pair->host.on_drain = [&] {
    if (landed) return;
    landed = true;
    assert_int_equal(pair->spare().write(place.sector, 1, data.data(), true), DMR_STS_OK);
    dmr_spare_written(pair->target->engine());
  };
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  pair->host.on_drain = nullptr;
  std::vector<uint8_t> found(DMR_SECTOR_BYTES);
  assert_int_equal(pair->target->read(100, 1, found.data()), DMR_STS_OK);
  assert_true(found == data);
}

// A write that meets the gate is parked and made so after it, in whatever place the sector then is.
void a_write_that_met_the_gate_follows(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  bool once = false;
  pair->host.on_drain = [&] {
    if (once) return;
    once = true;
    pair->submit(100, 3);
  };
  pair->submit(99, 1);
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_true(once);
  pair->host.on_drain = nullptr;
  survives(*pair);
}

// Peer defect 3 in another coat: readers under way through the old entry never see foreign bytes.
void readers_find_their_data_at_each_drain(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  pair->host.on_drain = [&] { pair->check(100, 4); };
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  pair->host.on_drain = nullptr;
  survives(*pair);
}

void a_slot_in_use_that_takes_no_new_sector_is_given_up(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  assert_int_equal(pair->write(97, 2), DMR_STS_OK);
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)) + 5));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xff);
  assert_int_equal(pair->status().slots_retired, 1);
  survives(*pair);
}

void a_slot_in_use_that_drops_a_new_sector_is_given_up(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  assert_int_equal(pair->write(97, 2), DMR_STS_OK);
  Fault silent = write_fault(dmr::slot_sector(dmr::Slot(0)) + 5);
  silent.effect = Effect::kDrop;
  pair->spare().inject(silent);
  assert_int_equal(pair->write(101, 2), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0x66);
  assert_int_equal(pair->status().slots_retired, 1);
  survives(*pair);
}

void a_bad_slot_is_kept_when_there_is_no_other(void**) {
  const auto pair = opened({}, 64);
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s) image.set(s, dmr::Entry::of(dmr::Block(s), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  assert_int_equal(pair->write(0, 64), DMR_STS_OK);
  assert_int_equal(pair->flush(), DMR_STS_OK);
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(2)) + 1));
  assert_int_equal(pair->write(17, 1), DMR_STS_IOERR);
  assert_int_equal(pair->write(18, 1), DMR_STS_OK);
  assert_int_equal(pair->status().slots_retired, 0);
  pair->check(0, 64);
  survives(*pair);
}

void lost_sectors_of_a_slot_given_up_stay_lost(void**) {
  const auto pair = opened();
  Image image;
  image.set(0, dmr::Entry::of(dmr::Block(12), 0x3f, 0xe0));  // 5 is dead, 6 and 7 are lost
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  assert_int_equal(pair->write(96, 5), DMR_STS_OK);
  assert_int_equal(pair->flush(), DMR_STS_OK);
  pair->allow_unreadable(101, 3);
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)) + 1));
  assert_int_equal(pair->write(97, 1), DMR_STS_OK);
  assert_int_equal(pair->entry_of(96).slot, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0x3f);
  assert_int_equal(pair->entry_of(96).lost_mask, 0xe0);
  assert_int_equal(pair->status().lost_sectors, 3);
  pair->must_be_unreadable(101, 3);
  survives(*pair);
}

void device_errors_while_a_slot_is_given_up_change_nothing(void**) {
  const auto pair = with_slot_in_use();
  const uint64_t old_slot = dmr::slot_sector(dmr::Slot(0));
  pair->spare().inject(write_fault(old_slot + 3));
  pair->spare().inject(read_fault(old_slot, 8, DMR_STS_TIMEOUT));
  assert_int_equal(pair->write(99, 1), DMR_STS_IOERR);
  assert_int_equal(pair->entry_of(96).slot, 0);
  assert_int_equal(pair->route(99, 1, DMR_WRITE).kind, DMR_PLACE_SPARE);
  pair->spare().heal();
  survives(*pair);
}

// ---- Metadata that can't be made durable --------------------------------------------------------

void kill_copy(Pair& pair, uint32_t copy) {
  pair.spare().inject(write_fault(dmr::kCopySector[copy], 1024));
}

void one_dead_copy_is_not_the_applications_business(void**) {
  for (uint32_t copy = 0; copy < dmr::kCopies; ++copy) {
    const auto pair = opened();
    pair->main().inject(write_fault(96, 8));
    kill_copy(*pair, copy);
    assert_int_equal(pair->write(96, 8), DMR_STS_OK);
    assert_int_equal(pair->status().good_copies, 4);
    assert_int_equal(pair->status().state, DMR_STATE_DEGRADED);
    assert_int_equal(pair->host.events_of(DMR_EVENT_METADATA), 1);
    survives(*pair);
    pair->spare().heal();
    assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
    assert_int_equal(pair->status().state, DMR_STATE_OK);
    survives(*pair);
  }
}

void two_dead_copies_are_eio_and_metadata_ro(void**) {
  for (uint32_t a = 0; a < dmr::kCopies; ++a) {
    for (uint32_t b = a + 1; b < dmr::kCopies; ++b) {
      const auto pair = opened();
      pair->main().inject(write_fault(96, 8));
      kill_copy(*pair, a);
      kill_copy(*pair, b);
      assert_int_equal(pair->write(96, 8), DMR_STS_IOERR);
      assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
      assert_int_equal(pair->status().slots_used, 0);
      // In doubt: written to nowhere, read from the old place.
      assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_ERROR);
      assert_int_equal(pair->route(96, 8, DMR_READ).kind, DMR_PLACE_MAIN);
      assert_int_equal(pair->write(96, 1), DMR_STS_IOERR);
      // Everything else works.
      assert_int_equal(pair->write(104, 64), DMR_STS_OK);
      survives(*pair);
      pair->spare().heal();
      assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
      assert_int_equal(pair->status().state, DMR_STATE_OK);
      assert_int_equal(pair->write(96, 8), DMR_STS_OK);
      assert_int_equal(pair->status().slots_used, 1);
      survives(*pair);
    }
  }
}

void the_outcome_of_a_failed_commit_is_eio(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  kill_copy(*pair, 1);
  kill_copy(*pair, 3);
  std::optional<dmr_outcome> end;
  pair->host.on_complete = [&](SimRequest& write) { end = write.end; };
  pair->park(96, 8);
  (void)pair->settle();
  assert_int_equal(*end, DMR_OUTCOME_EIO);
  // And so it is afterwards, for blocks that are in no doubt, while nothing can be recorded.
  pair->main().inject(write_fault(200, 8));
  pair->park(200, 8);
  (void)pair->settle();
  assert_int_equal(*end, DMR_OUTCOME_EIO);
}

void sectors_in_doubt_stay_out_of_the_workers_hands_too(void**) {
  const auto pair = opened();
  Fault once = write_fault(96, 8);
  once.times = 3;  // the bio, the block, the sector
  pair->main().inject(once);
  kill_copy(*pair, 1);
  kill_copy(*pair, 3);
  assert_int_equal(pair->write(96, 1), DMR_STS_IOERR);
  // Main would take it now, but a reboot may find the slot.
  const uint64_t writes = pair->main().writes();
  pair->park(96, 1);
  assert_int_equal(pair->settle()[0], DMR_STS_IOERR);
  assert_int_equal(pair->main().writes(), writes);
  // The block's other sectors are in no doubt.
  assert_int_equal(pair->write(97, 7), DMR_STS_OK);
  survives(*pair);
}

void slots_in_doubt_are_not_reused(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 16));
  kill_copy(*pair, 1);
  kill_copy(*pair, 3);
  assert_int_equal(pair->write(96, 16), DMR_STS_IOERR);
  pair->spare().heal();
  pair->spare().record(true);
  // A FLUSH that fails, or any other writer of the spare, must not reach the slots in doubt.
  assert_int_equal(pair->write(96, 8), DMR_STS_IOERR);
  for (const auto& io : pair->spare().records())
    assert_true(io.kind != IoKind::kWrite || io.sector < DMR_METADATA_SECTORS);
  assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
  assert_int_equal(pair->write(96, 16), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 2);
  survives(*pair);
}

void a_spare_that_is_gone_fails_only_what_needs_it(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  pair->main().inject(write_fault(200, 8));
  pair->spare().set_offline(true);
  assert_int_equal(pair->write(96, 8), DMR_STS_OFFLINE);
  assert_int_equal(pair->write(200, 8), DMR_STS_IOERR);
  assert_int_equal(pair->write(300, 80), DMR_STS_OK);
  pair->check(300, 80);
  pair->spare().set_offline(false);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().slots_retired, 0);
  survives(*pair);
}

void a_flush_that_fails_under_the_slots_is_metadata_ro(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  Fault once = flush_fault();
  once.times = 1;
  pair->spare().inject(once);
  assert_int_equal(pair->write(96, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
  // The application's next FLUSH fails, the one after it does not.
  assert_int_equal(pair->target->flush(), DMR_STS_IOERR);
  assert_int_equal(pair->target->flush(), DMR_STS_OK);
  assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  survives(*pair);
}

void a_flush_that_fails_within_a_commit_is_metadata_ro(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  Fault third = flush_fault();
  third.spare_ios = 2;
  third.times = 1;
  pair->spare().inject(third);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(pair->target->flush(), DMR_STS_IOERR);
  survives(*pair);
}

void an_open_without_writes_makes_no_redirection(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 8));
  pair->main().inject(write_fault(200, 8));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  pair->must_open({}, true);
  const uint64_t writes = pair->spare().writes();
  assert_int_equal(pair->write(200, 8), DMR_STS_IOERR);
  assert_int_equal(pair->spare().writes(), writes);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
  pair->check_all();
}

void suspects_of_before_are_not_committed_by_a_read_only_table(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  Fault silent = write_fault(DMR_METADATA_SECTORS, kForever - DMR_METADATA_SECTORS);
  silent.effect = Effect::kDrop;
  pair->spare().inject(silent);
  assert_int_equal(pair->write(0, 8), DMR_STS_IOERR);
  const Arguments none;
  assert_int_equal(dmr_engine_adopt(pair->target->engine(), &pair->target->geometry(), &none, 1),
                   DMR_ACCEPTED);
  const uint64_t writes = pair->spare().writes();
  assert_int_equal(pair->write(0, 8), DMR_STS_IOERR);
  assert_int_equal(pair->spare().writes(), writes);
}

// ---- At random ----------------------------------------------------------------------------------

// Writes at random to a disk with bad places, over slots some of which are bad, with power cuts:
// nothing is ever lost or made up.
void random_writes_over_random_faults(void**) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    std::mt19937_64 rng(seed);
    const uint32_t logical = seed % 3 == 0 ? 8 : 1;
    const auto pair = opened({.main_logical = logical}, 1024);
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
      cmocka_unit_test(peer_08_full_spare_passes_errors_up_and_says_so),
      cmocka_unit_test(a_write_that_finds_no_slot_ends_as_it_failed),
      cmocka_unit_test(peer_10_bad_new_slot_is_retired_and_the_next_one_taken),
      cmocka_unit_test(retired_events_name_no_place_that_does_not_exist),
      cmocka_unit_test(many_slots_fail_in_a_row),
      cmocka_unit_test(a_spare_whose_slots_all_fail_is_not_retired_whole),
      cmocka_unit_test(a_slot_that_does_not_read_back_is_retired),
      cmocka_unit_test(a_slot_that_can_not_be_read_back_is_retired),
      cmocka_unit_test(many_slots_do_not_read_back),
      cmocka_unit_test(a_spare_that_drops_all_writes_acknowledges_nothing),
      cmocka_unit_test(a_device_error_of_the_spare_retires_nothing),
      cmocka_unit_test(a_slot_in_use_that_fails_is_moved_with_its_data),
      cmocka_unit_test(unreadable_sectors_of_a_slot_given_up_are_dead),
      cmocka_unit_test(dead_sectors_are_reported_as_lost),
      cmocka_unit_test(the_gate_is_closed_while_a_slot_is_given_up),
      cmocka_unit_test(a_write_that_was_in_flight_at_the_drain_is_not_lost),
      cmocka_unit_test(a_write_that_met_the_gate_follows),
      cmocka_unit_test(readers_find_their_data_at_each_drain),
      cmocka_unit_test(a_slot_in_use_that_takes_no_new_sector_is_given_up),
      cmocka_unit_test(a_slot_in_use_that_drops_a_new_sector_is_given_up),
      cmocka_unit_test(a_bad_slot_is_kept_when_there_is_no_other),
      cmocka_unit_test(lost_sectors_of_a_slot_given_up_stay_lost),
      cmocka_unit_test(device_errors_while_a_slot_is_given_up_change_nothing),
      cmocka_unit_test(one_dead_copy_is_not_the_applications_business),
      cmocka_unit_test(two_dead_copies_are_eio_and_metadata_ro),
      cmocka_unit_test(the_outcome_of_a_failed_commit_is_eio),
      cmocka_unit_test(sectors_in_doubt_stay_out_of_the_workers_hands_too),
      cmocka_unit_test(slots_in_doubt_are_not_reused),
      cmocka_unit_test(a_spare_that_is_gone_fails_only_what_needs_it),
      cmocka_unit_test(a_flush_that_fails_under_the_slots_is_metadata_ro),
      cmocka_unit_test(a_flush_that_fails_within_a_commit_is_metadata_ro),
      cmocka_unit_test(an_open_without_writes_makes_no_redirection),
      cmocka_unit_test(suspects_of_before_are_not_committed_by_a_read_only_table),
      cmocka_unit_test(random_writes_over_random_faults),
      cmocka_unit_test(storms),
  };
  return cmocka_run_group_tests_name("recovery", tests, nullptr, nullptr);
}
