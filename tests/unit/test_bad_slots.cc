// SPDX-License-Identifier: GPL-2.0
//
// A spare that is full, and slots that fail: new ones, and those that hold data.
#include <algorithm>

#include "support.h"

namespace test {
namespace {

// ---- The spare full -----------------------------------------------------------------------------

// Peer defect 8: a full spare shows.
void peer_08_full_spare_passes_errors_up_and_says_so(void**) {
  const auto pair = opened({}, {}, 20000);
  pair->main().inject(write_fault(0, kSmallMain));
  assert_int_equal(pair->write(0, kSmallSlots * 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, kSmallSlots);
  assert_int_equal(pair->status().state, DMR_STATE_SPARE_FULL);
  assert_int_equal(pair->host.events_of(DMR_EVENT_SPARE_FULL), 1);
  pair->check_invariants();
  // Known redirections go on; a new one does not.
  assert_int_equal(pair->write(kSmallSlots * 8, 1), DMR_STS_MEDIUM);
  assert_int_equal(pair->write(16, 24), DMR_STS_OK);
  assert_int_equal(pair->write(kSmallSlots * 8 - 8, 16), DMR_STS_MEDIUM);
  pair->check(kSmallSlots * 8 - 64, 128);
  pair->check(0, 256);
  Pair after(*pair);
  after.reboot(CrashPolicy::kDropAll);
  assert_int_equal(after.status().state, DMR_STATE_SPARE_FULL);
  after.check_all();
  after.check_invariants();
}

void a_write_that_finds_no_slot_ends_as_it_failed(void**) {
  const auto pair = opened({}, {}, 64);
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
  assert_int_equal(pair->settle()[0], DMR_STS_MEDIUM);
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
  assert_int_equal(pair->write(96, 8), DMR_STS_MEDIUM);
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
  assert_int_equal(pair->write(96, 8), DMR_STS_MEDIUM);
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
  // Those alone, and only once: in whichever slot they are.
  const auto event = std::find_if(pair->host.events.begin(), pair->host.events.end(),
                                  [](const dmr_event& e) { return e.kind == DMR_EVENT_LOST; });
  assert_int_equal(event->sectors_mask, 0x60);
  const uint64_t new_slot = dmr::slot_sector(dmr::Slot(pair->entry_of(96).slot));
  pair->spare().inject(write_fault(new_slot + 3));
  assert_int_equal(pair->write(99, 1), DMR_STS_OK);
  assert_int_not_equal(dmr::slot_sector(dmr::Slot(pair->entry_of(96).slot)), new_slot);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x60);
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
  const auto pair = opened({}, {}, 64);
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s) image.set(s, dmr::Entry::of(dmr::Block(s), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  assert_int_equal(pair->write(0, 64), DMR_STS_OK);
  assert_int_equal(pair->flush(), DMR_STS_OK);
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(2)) + 1));
  assert_int_equal(pair->write(17, 1), DMR_STS_MEDIUM);
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
  assert_int_equal(pair->write(99, 1), DMR_STS_MEDIUM);
  assert_int_equal(pair->entry_of(96).slot, 0);
  assert_int_equal(pair->route(99, 1, DMR_WRITE).kind, DMR_PLACE_SPARE);
  pair->spare().heal();
  survives(*pair);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
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
  };
  return cmocka_run_group_tests_name("bad slots", tests, nullptr, nullptr);
}
