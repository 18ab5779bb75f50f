// SPDX-License-Identifier: GPL-2.0
//
// Failed reads: tried again, weak sectors moved, unreadable ones recorded as lost. Nothing is made
// up, nothing that reads is thrown away.
#include <algorithm>

#include "support.h"

namespace test {
namespace {

// The sector does not read, so many times.
void bad(Pair& pair, uint64_t sector, uint64_t times = kForever, uint64_t sectors = 1) {
  Fault fault = read_fault(sector, sectors);
  fault.times = times;
  pair.main().inject(fault);
}

// ---- Weak sectors -------------------------------------------------------------------------------

void a_read_that_works_the_second_time_is_a_success(void**) {
  const auto pair = opened();
  bad(*pair, 1234, 1);
  assert_int_equal(pair->read(1200, 64), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 0);
  pair->check(1200, 64);
}

void a_weak_sector_moves_alone_with_its_data(void**) {
  const auto pair = opened();
  // The bio, its block, the sector by itself; then it reads.
  bad(*pair, 1234, 3);
  std::vector<uint8_t> data(64 * DMR_SECTOR_BYTES);
  assert_int_equal(pair->target->read(1200, 64, data.data()), DMR_STS_OK);
  for (uint32_t s = 0; s < 64; ++s)
    assert_true(has_content(kBefore, 1200 + s, data.data() + s * DMR_SECTOR_BYTES));
  assert_int_equal(pair->entry_of(1234).spare_mask, 0x04);
  assert_int_equal(pair->entry_of(1234).lost_mask, 0);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->host.events_of(DMR_EVENT_REMAP), 1);
  assert_int_equal(pair->host.events_of(DMR_EVENT_LOST), 0);
  assert_int_equal(pair->main().writes(), 0);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  // From now on main is not asked.
  bad(*pair, 1234);
  survives(*pair);
}

void a_single_sector_that_failed_before_is_weak_at_once(void**) {
  const auto pair = opened();
  bad(*pair, 1234, 1);
  assert_int_equal(pair->read(1234, 1), DMR_STS_OK);
  assert_int_equal(pair->entry_of(1234).spare_mask, 0x04);
  survives(*pair);
}

// Peer defect 3: a slot that nobody wrote is never read.
void peer_03_unwritten_slots_are_never_read(void**) {
  const auto pair = opened();
  bad(*pair, 96, kForever, 8);
  for (uint64_t s = 96; s < 104; ++s) {
    assert_int_equal(pair->read(s, 1), DMR_STS_IOERR);
    pair->allow_unreadable(s);
  }
  pair->must_be_unreadable(96, 8);
  assert_int_equal(pair->spare().flush(), DMR_STS_OK);
  survives(*pair);
}

// ---- Lost sectors -------------------------------------------------------------------------------

void an_unreadable_sector_is_recorded_as_lost(void**) {
  const auto pair = opened();
  bad(*pair, 1234);
  assert_int_equal(pair->read(1200, 64), DMR_STS_IOERR);
  const dmr_list_entry entry = pair->entry_of(1234);
  assert_int_equal(entry.spare_mask, 0);
  assert_int_equal(entry.lost_mask, 0x04);
  assert_int_equal(pair->status().lost_sectors, 1);
  assert_int_equal(pair->status().slots_used, 1);
  assert_int_equal(pair->status().state, DMR_STATE_DEGRADED);
  assert_int_equal(pair->host.events_of(DMR_EVENT_LOST), 1);
  const auto event = std::find_if(pair->host.events.begin(), pair->host.events.end(),
                                  [](const dmr_event& e) { return e.kind == DMR_EVENT_LOST; });
  assert_int_equal(event->sector, 1232);
  assert_int_equal(event->sectors_mask, 0x04);
  assert_int_equal(event->state, DMR_STATE_DEGRADED);
  assert_int_equal(pair->status().lost, 1);
  // It is EIO without touching a disk; its neighbours read.
  pair->must_be_unreadable(1234);
  pair->allow_unreadable(1234);
  pair->check(1200, 64);
  survives(*pair);
  pair->reboot(CrashPolicy::kDropAll);
  pair->must_be_unreadable(1234);
}

void a_rewrite_of_one_lost_sector_revives_it_alone(void**) {
  const auto pair = opened();
  bad(*pair, 1232, kForever, 8);
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_int_equal(pair->entry_of(1232).lost_mask, 0xff);
  pair->allow_unreadable(1232, 8);
  const uint64_t main_writes = pair->main().writes();
  assert_int_equal(pair->write(1235, 1), DMR_STS_OK);
  assert_int_equal(pair->main().writes(), main_writes);
  assert_int_equal(pair->entry_of(1232).spare_mask, 0x08);
  assert_int_equal(pair->entry_of(1232).lost_mask, 0xf7);
  assert_int_equal(pair->status().slots_used, 1);
  pair->must_be_unreadable(1232, 3);
  pair->must_be_unreadable(1236, 4);
  survives(*pair);
  assert_int_equal(pair->write(1230, 12), DMR_STS_OK);
  assert_int_equal(pair->status().lost_sectors, 0);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  survives(*pair);
}

void what_reads_of_a_failing_request_is_returned(void**) {
  const auto pair = opened();
  bad(*pair, 1203);
  bad(*pair, 1230);
  // Through the engine, with memory that shows what was stored.
  SimRequest request = {};
  request.sector = 1200;
  request.sectors = 40;
  request.failed = 1;
  request.data.assign(40 * DMR_SECTOR_BYTES, 0xcc);
  for (dmr_request* left = &request; left != nullptr;)
    left = dmr_engine_recover(pair->target->engine(), left);
  assert_int_equal(*request.end, DMR_OUTCOME_EIO);
  for (uint32_t s = 0; s < 40; ++s) {
    const uint8_t* const data = request.data.data() + s * DMR_SECTOR_BYTES;
    if (s == 3 || s == 30) {
      assert_int_equal(data[0], 0xcc);
    } else {
      assert_true(has_content(kBefore, 1200 + s, data));
    }
  }
  assert_int_equal(pair->status().lost_sectors, 2);
}

void a_block_that_has_a_slot_gets_more_lost_sectors(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(1236, 2));
  assert_int_equal(pair->write(1236, 2), DMR_STS_OK);
  bad(*pair, 1233);
  bad(*pair, 1234, 3);
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_int_equal(pair->entry_of(1232).lost_mask, 0x02);
  assert_int_equal(pair->entry_of(1232).spare_mask & ~0x04, 0x30);
  assert_int_equal(pair->status().slots_used, 1);
  pair->allow_unreadable(1233);
  survives(*pair);
}

void logical_blocks_of_4096_are_lost_whole(void**) {
  const auto pair = opened({.main_logical = 8});
  bad(*pair, 1234);
  assert_int_equal(pair->read(1200, 64), DMR_STS_IOERR);
  assert_int_equal(pair->entry_of(1232).lost_mask, 0xff);
  pair->allow_unreadable(1232, 8);
  survives(*pair);
}

// ---- How often ----------------------------------------------------------------------------------

void retries_are_configured(void**) {
  for (const uint32_t retries : {0u, 1u, 3u, 100u}) {
    const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_READ_RETRIES, retries));
    assert_int_equal(pair->status().config[DMR_CONFIG_READ_RETRIES], retries);
    bad(*pair, 1234);
    pair->main().record(true);
    assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
    size_t single = 0;
    for (const auto& io : pair->main().records()) single += io.sector == 1234 && io.sectors == 1;
    // Before the drain and after it.
    assert_int_equal(single, 2 * (1 + retries));
    assert_int_equal(pair->entry_of(1232).lost_mask, 0x04);
  }
}

// ---- Other errors -------------------------------------------------------------------------------

void only_failures_of_the_medium_lose_sectors(void**) {
  for (const dmr_sts sts : {DMR_STS_NOTSUPP, DMR_STS_TIMEOUT, DMR_STS_TRANSPORT,
                            DMR_STS_RESV_CONFLICT, DMR_STS_RESOURCE, DMR_STS_OFFLINE}) {
    const auto pair = opened();
    pair->main().inject(read_fault(1234, 1, sts));
    assert_int_equal(pair->read(1234, 1), sts);
    assert_int_equal(pair->status().slots_used, 0);
    pair->main().heal();
    // Or it shows only in the worker.
    bad(*pair, 1234, 1);
    pair->main().inject(read_fault(1234, 1, sts));
    assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
    assert_int_equal(pair->status().slots_used, 0);
    pair->main().heal();
    pair->check_all();
  }
}

// All codes of the medium are EIO, whatever the driver gave.
void the_application_sees_eio(void**) {
  for (const dmr_sts sts : {DMR_STS_MEDIUM, DMR_STS_TARGET, DMR_STS_IOERR}) {
    const auto pair = opened();
    pair->main().inject(read_fault(1234, 1, sts));
    assert_int_equal(pair->read(1234, 1), DMR_STS_IOERR);
    assert_int_equal(pair->status().lost_sectors, 1);
  }
}

// ---- When nothing can be recorded ---------------------------------------------------------------

void nothing_is_recorded_without_leave(void**) {
  Arguments hows[2];
  hows[0].with_config(DMR_CONFIG_AUTO_REMAP, 0);
  hows[1].read_only_metadata = 1;
  for (const Arguments& how : hows) {
    const auto pair = opened();
    pair->must_open(how);
    const uint64_t writes = pair->spare().writes();
    bad(*pair, 1234);
    bad(*pair, 1250, 3);
    assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
    // A weak one is returned, and stays where it is.
    assert_int_equal(pair->read(1248, 8), DMR_STS_OK);
    assert_int_equal(pair->status().slots_used, 0);
    assert_int_equal(pair->spare().writes(), writes);
    pair->main().heal();
    pair->check_all();
  }
}

void a_full_spare_records_nothing(void**) {
  const auto pair = opened();
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s)
    image.set(s, dmr::Entry::of(dmr::Block(1000 + s), 0x01, 0));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  bad(*pair, 1234);
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().lost_sectors, 0);
  pair->main().heal();
  assert_int_equal(pair->read(1232, 8), DMR_STS_OK);
}

void a_commit_that_fails_leaves_the_sector_in_doubt(void**) {
  const auto pair = opened();
  bad(*pair, 1234);
  pair->spare().inject(write_fault(0, 3000));
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(pair->status().lost_sectors, 0);
  assert_int_equal(pair->route(1234, 1, DMR_READ).kind, DMR_PLACE_MAIN);
  assert_int_equal(pair->route(1234, 1, DMR_WRITE).kind, DMR_PLACE_ERROR);
  pair->main().heal();
  pair->spare().heal();
  pair->check(1232, 8);
  pair->allow_unreadable(1234);
  survives(*pair);
  assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
  assert_int_equal(pair->write(1234, 1), DMR_STS_OK);
  pair->check(1234, 1);
}

void power_cut_at_every_io_of_losing_and_moving(void**) {
  bool survived = false;
  for (uint64_t n = 0; !survived; ++n) {
    const auto pair = opened();
    bad(*pair, 1234);
    bad(*pair, 1236, 4);  // weak
    pair->spare().cut_power_after(n);
    (void)pair->read(1232, 8);
    survived = !pair->spare().power_cut();
    pair->allow_unreadable(1234);
    for (const CrashPolicy policy :
         {CrashPolicy::kDropAll, CrashPolicy::kKeepAll, CrashPolicy::kRandom}) {
      Pair after(*pair);
      after.reboot(policy, n);
      after.check(1232, 8);
      after.check_invariants();
      assert_true(after.status().slots_used <= 1);
    }
  }
}

// ---- Slots that do not read ---------------------------------------------------------------------

void a_slots_sector_that_does_not_read_stays(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(1232, 8));
  assert_int_equal(pair->write(1232, 8), DMR_STS_OK);
  pair->spare().inject(read_fault(dmr::slot_sector(dmr::Slot(0)) + 2));
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().lost_sectors, 0);
  assert_int_equal(pair->entry_of(1232).slot, 0);
  assert_int_equal(pair->entry_of(1232).lost_mask, 0);
  pair->spare().heal();
  survives(*pair);
}

void a_slots_sector_is_tried_again(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(1232, 8));
  assert_int_equal(pair->write(1232, 8), DMR_STS_OK);
  Fault few = read_fault(dmr::slot_sector(dmr::Slot(0)) + 2);
  few.times = 4;
  pair->spare().inject(few);
  assert_int_equal(pair->read(1232, 8), DMR_STS_OK);
  pair->check_all();
}

void a_new_slot_that_fails_under_a_weak_sector(void**) {
  for (const Effect effect : {Effect::kFail, Effect::kDrop}) {
    const auto pair = opened();
    bad(*pair, 1234, 3);
    Fault fault = write_fault(dmr::slot_sector(dmr::Slot(0)), 16);
    fault.effect = effect;
    pair->spare().inject(fault);
    assert_int_equal(pair->read(1232, 8), DMR_STS_OK);
    survives(*pair);
    if (pair->status().slots_used != 0) assert_int_equal(pair->entry_of(1234).slot, 2);
  }
}

// The sector reads at every second try, by itself only. To be the first of main's faults.
void always_weak(Pair& pair, uint64_t sector) {
  bad(pair, sector);
  pair.host.before_io = [&pair, sector, fails = false](const dmr_host::Io& io) mutable {
    if (io.device != DMR_MAIN) return;
    const bool alone = io.sector == sector && io.sectors == 1;
    if (alone) fails = !fails;
    pair.main().faults().front().times = alone && !fails ? 0 : kForever;
  };
}

// More of them than one batch can retire. What did not read when the first batch gave up, and does
// in the next, is no error.
void many_new_slots_fail_under_a_weak_sector(void**) {
  const auto pair = opened();
  always_weak(*pair, 1234);
  bad(*pair, 1237, 8);
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)), 8 * 20));
  assert_int_equal(pair->read(1232, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_retired, 20);
  assert_int_equal(pair->entry_of(1234).slot, 20);
  assert_int_equal(pair->entry_of(1234).spare_mask, 0x04);
  pair->host.before_io = nullptr;
  survives(*pair);
}

// No slot keeps what it is given, however often that is tried. What reads is returned; what does
// not, or of an attempt that ended with slots to retire, is EIO. Nothing is recorded.
void a_read_over_a_spare_without_a_good_slot_tells_the_truth(void**) {
  for (const uint64_t drops : {uint64_t{16}, kForever}) {
    for (const bool unreadable : {false, true}) {
      const auto pair = opened();
      always_weak(*pair, 1234);
      if (unreadable) pair->main().inject(read_fault(1237));
      Fault fault = write_fault(DMR_METADATA_SECTORS, kForever - DMR_METADATA_SECTORS);
      fault.effect = Effect::kDrop;
      fault.times = drops;
      pair->spare().inject(fault);
      fault.effect = Effect::kFail;
      fault.times = kForever;
      pair->spare().inject(fault);
      const bool whole = drops == kForever && !unreadable;
      assert_int_equal(pair->read(1232, 8), whole ? DMR_STS_OK : DMR_STS_IOERR);
      assert_int_equal(pair->status().slots_used, 0);
      assert_int_equal(pair->status().lost_sectors, 0);
      assert_in_range(pair->status().slots_retired, drops == kForever ? 0 : 8, 64);
      pair->host.before_io = nullptr;
      pair->main().heal();
      pair->check(1232, 8);
      survives(*pair);
    }
  }
}

// ---- Writers meanwhile --------------------------------------------------------------------------

// A read error seen before an intervening write proves nothing: what counts is what reads after
// the drain.
void a_write_in_flight_at_the_drain_makes_the_sector_well(void**) {
  const auto pair = opened();
  bad(*pair, 1234);
  std::vector<uint8_t> fresh(DMR_SECTOR_BYTES, 0x77);
  bool landed = false;
  pair->host.on_drain = [&] {
    if (landed) return;
    landed = true;
    pair->main().heal();
    assert_int_equal(pair->main().write(1234, 1, fresh.data(), true), DMR_STS_OK);
  };
  (void)pair->read(1232, 8);
  assert_true(landed);
  pair->host.on_drain = nullptr;
  assert_int_equal(pair->status().lost_sectors, 0);
  std::vector<uint8_t> found(DMR_SECTOR_BYTES);
  assert_int_equal(pair->target->read(1234, 1, found.data()), DMR_STS_OK);
  assert_true(found == fresh);
}

void the_gate_is_closed_while_sectors_are_read_again(void**) {
  const auto pair = opened();
  bad(*pair, 1234);
  bool gated = false;
  pair->host.on_drain = [&] {
    gated = true;
    assert_int_equal(pair->route(1232, 8, DMR_WRITE).kind, DMR_PLACE_WORKER);
    assert_int_equal(pair->route(1232, 8, DMR_READ).kind, DMR_PLACE_MAIN);
    assert_int_equal(pair->route(1240, 8, DMR_WRITE).kind, DMR_PLACE_MAIN);
  };
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  assert_true(gated);
  pair->host.on_drain = nullptr;
  assert_int_equal(pair->route(1232, 2, DMR_WRITE).kind, DMR_PLACE_MAIN);
}

// The write that met the gate follows, and wins.
void a_write_that_met_the_gate_revives_the_sector(void**) {
  const auto pair = opened();
  bad(*pair, 1234);
  bool once = false;
  pair->host.on_drain = [&] {
    if (!once) pair->submit(1232, 8);
    once = true;
  };
  (void)pair->read(1232, 8);
  pair->host.on_drain = nullptr;
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_true(once);
  assert_int_equal(pair->status().lost_sectors, 0);
  survives(*pair);
}

// Reads that hang hold up no write: all writes first, then one piece of one read.
void writes_go_first_and_reads_piece_by_piece(void**) {
  const auto pair = opened();
  bad(*pair, 800, kForever, 24);
  pair->main().inject(write_fault(96, 8));
  std::vector<const SimRequest*> order;
  pair->host.on_complete = [&](SimRequest& request) { order.push_back(&request); };
  SimRequest first = {}, write = {}, second = {};
  first.sector = 800;
  first.sectors = 24;
  first.failed = 1;
  first.data.resize(24 * DMR_SECTOR_BYTES);
  write.sector = 96;
  write.sectors = 8;
  write.failed = 1;
  write.is_write = 1;
  write.data.resize(8 * DMR_SECTOR_BYTES);
  second.sector = 4000;
  second.sectors = 1;
  second.failed = 1;
  second.data.resize(DMR_SECTOR_BYTES);
  first.next = &write;
  write.next = &second;
  pair->main().record(true);
  dmr_request* left = dmr_engine_recover(pair->target->engine(), &first);
  assert_int_equal(pair->main().records()[0].kind, IoKind::kWrite);
  assert_int_equal(order.size(), 1);
  assert_ptr_equal(order[0], &write);
  assert_int_equal(first.done, 8);
  assert_int_equal(pair->status().lost_sectors, 8);
  size_t calls = 1;
  for (; left != nullptr; ++calls) left = dmr_engine_recover(pair->target->engine(), left);
  assert_int_equal(calls, 4);
  assert_int_equal(order.size(), 3);
  assert_int_equal(*first.end, DMR_OUTCOME_EIO);
  assert_int_equal(*second.end, DMR_OUTCOME_OK);
  assert_int_equal(pair->status().lost_sectors, 24);
  assert_int_equal(pair->status().slots_used, 3 + 1 + 1);  // the last one was weak
}

void counters_of_losses_last(void**) {
  const auto pair = opened();
  bad(*pair, 1234, kForever, 2);
  assert_int_equal(pair->read(1232, 8), DMR_STS_IOERR);
  pair->reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair->status().lost_sectors, 2);
  const std::optional<Image> image = Image::read(pair->spare(), 2);
  assert_int_equal(image->header.counters.lost.load(), 2);
  assert_int_equal(image->header.counters.main_read_errors.load(), 1);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_read_that_works_the_second_time_is_a_success),
      cmocka_unit_test(a_weak_sector_moves_alone_with_its_data),
      cmocka_unit_test(a_single_sector_that_failed_before_is_weak_at_once),
      cmocka_unit_test(peer_03_unwritten_slots_are_never_read),
      cmocka_unit_test(an_unreadable_sector_is_recorded_as_lost),
      cmocka_unit_test(a_rewrite_of_one_lost_sector_revives_it_alone),
      cmocka_unit_test(what_reads_of_a_failing_request_is_returned),
      cmocka_unit_test(a_block_that_has_a_slot_gets_more_lost_sectors),
      cmocka_unit_test(logical_blocks_of_4096_are_lost_whole),
      cmocka_unit_test(retries_are_configured),
      cmocka_unit_test(only_failures_of_the_medium_lose_sectors),
      cmocka_unit_test(the_application_sees_eio),
      cmocka_unit_test(nothing_is_recorded_without_leave),
      cmocka_unit_test(a_full_spare_records_nothing),
      cmocka_unit_test(a_commit_that_fails_leaves_the_sector_in_doubt),
      cmocka_unit_test(power_cut_at_every_io_of_losing_and_moving),
      cmocka_unit_test(a_slots_sector_that_does_not_read_stays),
      cmocka_unit_test(a_slots_sector_is_tried_again),
      cmocka_unit_test(a_new_slot_that_fails_under_a_weak_sector),
      cmocka_unit_test(many_new_slots_fail_under_a_weak_sector),
      cmocka_unit_test(a_read_over_a_spare_without_a_good_slot_tells_the_truth),
      cmocka_unit_test(a_write_in_flight_at_the_drain_makes_the_sector_well),
      cmocka_unit_test(the_gate_is_closed_while_sectors_are_read_again),
      cmocka_unit_test(a_write_that_met_the_gate_revives_the_sector),
      cmocka_unit_test(writes_go_first_and_reads_piece_by_piece),
      cmocka_unit_test(counters_of_losses_last),
  };
  return cmocka_run_group_tests_name("reads", tests, nullptr, nullptr);
}
