// SPDX-License-Identifier: GPL-2.0
//
// What messages ask for: blocks moved to slots, moved back, lost sectors read again.
#include <algorithm>

#include "support.h"

namespace test {
namespace {

using dmr::Block;
using dmr::Entry;

void answers(const dmr_job& job, uint64_t done, uint64_t failed, uint64_t lost) {
  assert_int_equal(job.done, done);
  assert_int_equal(job.failed, failed);
  assert_int_equal(job.lost, lost);
}

// ---- remap --------------------------------------------------------------------------------------

void remap_moves_whole_blocks_with_their_data(void**) {
  const auto pair = opened();
  answers(pair->job(DMR_JOB_REMAP, 100, 9), 2, 0, 0);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xff);
  assert_int_equal(pair->entry_of(104).spare_mask, 0xff);
  assert_int_equal(pair->status().slots_used, 2);
  assert_int_equal(pair->status().remaps, 2);
  assert_int_equal(pair->host.events_of(DMR_EVENT_REMAP), 2);
  assert_int_equal(pair->main().writes(), 0);
  assert_int_equal(pair->route(96, 16).kind, DMR_PLACE_SPARE);
  survives(*pair);
  // Those that are there already are done.
  const uint64_t sequence = pair->status().sequence;
  answers(pair->job(DMR_JOB_REMAP, 96, 24), 3, 0, 0);
  assert_int_equal(pair->status().sequence, sequence + 1);
  survives(*pair);
}

void remap_completes_a_block_that_is_partly_moved(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(98, 2));
  assert_int_equal(pair->write(98, 2), DMR_STS_OK);
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xff);
  assert_int_equal(pair->status().slots_used, 1);
  survives(*pair);
}

void remap_records_what_does_not_read_as_lost(void**) {
  const auto pair = opened();
  pair->main().inject(read_fault(99, 2));
  answers(pair->job(DMR_JOB_REMAP, 96, 16), 2, 0, 2);
  assert_int_equal(pair->entry_of(96).spare_mask, 0xe7);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x18);
  pair->must_be_unreadable(99, 2);
  pair->allow_unreadable(99, 2);
  survives(*pair);
}

void remap_at_an_uneven_end_of_main(void**) {
  const auto pair = opened({.main_sectors = 4091});
  answers(pair->job(DMR_JOB_REMAP, 4090), 1, 0, 0);
  assert_int_equal(pair->entry_of(4090).spare_mask, 0x07);
  survives(*pair);
}

void remap_works_without_auto_remap(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_AUTO_REMAP, 0));
  pair->main().inject(write_fault(96, 8));
  assert_int_equal(pair->write(96, 8), DMR_STS_MEDIUM);
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  survives(*pair);
}

void remap_on_a_full_spare_fails(void**) {
  const auto pair = opened();
  Image image;
  for (uint32_t s = 0; s + 1 < kSmallSlots; ++s) image.set(s, Entry::of(Block(1000 + s), 0x01, 0));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  answers(pair->job(DMR_JOB_REMAP, 96, 24), 1, 2, 0);
  assert_int_equal(pair->status().state, DMR_STATE_SPARE_FULL);
  // An unmap makes room, and leaves the state.
  answers(pair->job(DMR_JOB_UNMAP, 96), 1, 0, 0);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  answers(pair->job(DMR_JOB_REMAP, 104), 1, 0, 0);
  assert_int_equal(pair->host.events_of(DMR_EVENT_SPARE_FULL), 2);
}

void remap_over_slots_that_fail(void**) {
  for (const Effect effect : {Effect::kFail, Effect::kDrop}) {
    const auto pair = opened();
    Fault fault = write_fault(dmr::slot_sector(dmr::Slot(0)), 8 * 10);
    fault.effect = effect;
    pair->spare().inject(fault);
    answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
    assert_int_equal(pair->status().slots_used, 1);
    // What is known to be bad is bounded until a commit; the rest shows when it is taken.
    assert_true(pair->status().slots_retired >= 8);
    assert_true(pair->entry_of(96).slot >= 10);
    survives(*pair);
  }
}

// However often it is tried: no slot gives back what was written.
void remap_onto_a_spare_that_drops_all_writes_fails(void**) {
  const auto pair = opened();
  Fault silent = write_fault(DMR_METADATA_SECTORS, kForever - DMR_METADATA_SECTORS);
  silent.effect = Effect::kDrop;
  pair->spare().inject(silent);
  answers(pair->job(DMR_JOB_REMAP, 96), 0, 1, 0);
  assert_int_equal(pair->status().slots_used, 0);
  assert_true(pair->status().slots_retired < 100);
  assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_MAIN);
  survives(*pair);
  pair->spare().heal();
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  survives(*pair);
}

// ---- unmap --------------------------------------------------------------------------------------

void unmap_moves_the_data_back(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(97, 2));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  pair->main().heal();
  answers(pair->job(DMR_JOB_UNMAP, 0, 4096), 1, 0, 0);
  assert_int_equal(pair->status().slots_used, 0);
  assert_true(pair->target->list().empty());
  assert_int_equal(pair->route(96, 8).kind, DMR_PLACE_MAIN);
  assert_int_equal(pair->route(96, 8).sectors, 8);
  assert_int_equal(pair->host.events_of(DMR_EVENT_UNMAP), 1);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  survives(*pair);
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  assert_int_equal(pair->flush(), DMR_STS_OK);
  survives(*pair);
}

// Main has the data on its medium before the slot is given up.
void unmap_flushes_main_and_reads_it_back(void**) {
  const auto prepared = opened();
  answers(prepared->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  assert_int_equal(prepared->write(96, 8), DMR_STS_OK);
  assert_int_equal(prepared->flush(), DMR_STS_OK);
  prepared->main().record(true);
  {
    Pair pair(*prepared);
    pair.must_open();
    pair.main().forget_records();
    answers(pair.job(DMR_JOB_UNMAP, 96), 1, 0, 0);
    const auto& records = pair.main().records();
    assert_int_equal(records.size(), 3);
    assert_int_equal(records[0].kind, IoKind::kWrite);
    assert_int_equal(records[1].kind, IoKind::kFlush);
    assert_int_equal(records[2].kind, IoKind::kRead);
    survives(pair);
  }
  Fault faults[] = {write_fault(97), write_fault(97, 1, DMR_STS_OFFLINE),
                    flush_fault(),   read_fault(97),
                    write_fault(97), write_fault(97)};
  faults[4].effect = Effect::kDrop;
  faults[5].effect = Effect::kCorrupt;
  for (const Fault& fault : faults) {
    Pair pair(*prepared);
    pair.must_open();
    pair.main().inject(fault);
    answers(pair.job(DMR_JOB_UNMAP, 96), 0, 1, 0);
    assert_int_equal(pair.entry_of(96).spare_mask, 0xff);
    assert_int_equal(pair.route(96, 8, DMR_WRITE).kind, DMR_PLACE_SPARE);
    survives(pair);
  }
}

void unmap_refuses_blocks_with_lost_sectors(void**) {
  const auto pair = opened();
  Image image;
  image.set(0, Entry::of(Block(12), 0x01, 0x02));
  image.set(1, Entry::of(Block(13), 0x02, 0x02));
  image.set(2, Entry::of(Block(14), 0x00, 0x80));
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  const uint64_t writes = pair->main().writes();
  answers(pair->job(DMR_JOB_UNMAP, 0, 4096), 0, 3, 3);
  assert_int_equal(pair->main().writes(), writes);
  assert_int_equal(pair->status().slots_used, 3);
}

void unmap_of_a_slot_that_does_not_read(void**) {
  const auto pair = opened();
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  pair->spare().inject(read_fault(dmr::slot_sector(dmr::Slot(0)) + 3));
  const uint64_t writes = pair->main().writes();
  answers(pair->job(DMR_JOB_UNMAP, 96), 0, 1, 0);
  assert_int_equal(pair->main().writes(), writes);
  pair->spare().heal();
  survives(*pair);
}

void unmap_takes_only_the_range(void**) {
  const auto pair = opened();
  answers(pair->job(DMR_JOB_REMAP, 80, 40), 5, 0, 0);
  answers(pair->job(DMR_JOB_UNMAP, 95, 2), 2, 0, 0);
  assert_int_equal(pair->status().slots_used, 3);
  assert_int_equal(pair->route(80, 8).kind, DMR_PLACE_SPARE);
  assert_int_equal(pair->route(88, 16).kind, DMR_PLACE_MAIN);
  assert_int_equal(pair->route(104, 16).kind, DMR_PLACE_SPARE);
  answers(pair->job(DMR_JOB_UNMAP, 2000, 8), 0, 0, 0);
  survives(*pair);
}

void freed_slots_are_reused_last(void**) {
  const auto pair = opened();
  answers(pair->job(DMR_JOB_REMAP, 0, 24), 3, 0, 0);
  answers(pair->job(DMR_JOB_UNMAP, 0, 16), 2, 0, 0);
  answers(pair->job(DMR_JOB_REMAP, 80), 1, 0, 0);
  assert_int_equal(pair->entry_of(80).slot, 3);
  survives(*pair);
  // Over a reopening too: they were touched once.
  pair->reboot(CrashPolicy::kDropAll);
  answers(pair->job(DMR_JOB_REMAP, 88), 1, 0, 0);
  assert_int_equal(pair->entry_of(88).slot, 4);
  survives(*pair);
}

// I/O on its way to the slot has ended before another block can get it.
void a_freed_slot_is_drained_first(void**) {
  const auto pair = opened();
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
  size_t drains = 0;
  pair->host.on_drain = [&] {
    ++drains;
    // The first one holds off writers; at the last one nobody is led to the slot any more, but its
    // entry is there for those who were.
    const dmr_place_kind kind = pair->route(96, 8, DMR_READ).kind;
    assert_int_equal(kind, drains == 1 ? DMR_PLACE_SPARE : DMR_PLACE_MAIN);
    assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_WORKER);
    pair->check(96, 8);
  };
  answers(pair->job(DMR_JOB_UNMAP, 96), 1, 0, 0);
  assert_true(drains >= 2);
  pair->host.on_drain = nullptr;
  assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_MAIN);
  survives(*pair);
}

// ---- retest -------------------------------------------------------------------------------------

void retest_salvages_what_reads_again(void**) {
  const auto pair = opened();
  pair->main().inject(read_fault(97, 3));
  assert_int_equal(pair->read(96, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().lost_sectors, 3);
  answers(pair->job(DMR_JOB_RETEST, 0, kSmallMain), 0, 1, 3);
  pair->main().heal();
  pair->main().inject(read_fault(99));
  answers(pair->job(DMR_JOB_RETEST, 0, kSmallMain), 0, 1, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0x06);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x08);
  assert_int_equal(pair->status().salvaged, 2);
  assert_int_equal(pair->host.events_of(DMR_EVENT_SALVAGED), 1);
  pair->main().heal();
  answers(pair->job(DMR_JOB_RETEST, 0, kSmallMain), 1, 0, 0);
  // The state that is told is the one after all of the batch. What was lost stays counted.
  assert_int_equal(pair->host.events.back().kind, DMR_EVENT_SALVAGED);
  assert_int_equal(pair->host.events.back().state, DMR_STATE_OK);
  assert_int_equal(pair->status().lost, 3);
  assert_int_equal(pair->status().lost_sectors, 0);
  assert_int_equal(pair->status().salvaged, 3);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  pair->check(96, 8);
  survives(*pair);
  pair->reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair->status().salvaged, 3);
  // Nothing is left to do.
  answers(pair->job(DMR_JOB_RETEST, 0, kSmallMain), 0, 0, 0);
}

// What main holds of a dead sector is older than what was acknowledged.
void dead_sectors_are_never_salvaged(void**) {
  const auto pair = opened();
  Image image;
  image.set(0, Entry::of(Block(12), 0x03, 0x06));  // 1 is dead, 2 is lost
  image.seal(7);
  image.put_everywhere(pair->spare());
  pair->must_open();
  answers(pair->job(DMR_JOB_RETEST, 96), 0, 1, 1);
  assert_int_equal(pair->entry_of(96).spare_mask, 0x07);
  assert_int_equal(pair->entry_of(96).lost_mask, 0x02);
  pair->must_be_unreadable(97);
  answers(pair->job(DMR_JOB_RETEST, 96), 0, 1, 1);
  answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 1);
  pair->must_be_unreadable(97);
}

// ---- All ----------------------------------------------------------------------------------------

void jobs_are_refused_when_nothing_can_be_recorded(void**) {
  for (const dmr_job_kind kind : {DMR_JOB_REMAP, DMR_JOB_UNMAP, DMR_JOB_RETEST}) {
    for (int why = 0; why < 3; ++why) {
      const auto pair = opened();
      answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
      pair->main().inject(read_fault(104, 8));
      (void)pair->read(104, 8);
      pair->main().heal();
      Arguments how;
      if (why == 0) how.read_only_metadata = 1;
      if (why == 1) how.with_config(DMR_CONFIG_REMAP_BURST, 1);
      pair->must_open(how);
      if (why == 1) {
        pair->main().inject(write_fault(800, 16));
        assert_int_equal(pair->write(800, 16), DMR_STS_MEDIUM);
        assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
      }
      if (why == 2) {
        pair->spare().inject(write_fault(0, 3000));
        (void)dmr_engine_repair(pair->target->engine());
        assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
      }
      const uint64_t main_writes = pair->main().writes();
      const uint64_t used = pair->status().slots_used;
      const uint64_t block = kind == DMR_JOB_REMAP ? 2000 : kind == DMR_JOB_UNMAP ? 96 : 104;
      const dmr_job job = pair->job(kind, block);
      assert_int_equal(job.done, 0);
      assert_int_equal(job.failed, 1);
      assert_int_equal(pair->main().writes(), main_writes);
      assert_int_equal(pair->status().slots_used, used);
    }
  }
}

void a_commit_that_fails_under_a_job(void**) {
  for (const dmr_job_kind kind : {DMR_JOB_REMAP, DMR_JOB_UNMAP}) {
    const auto pair = opened();
    if (kind == DMR_JOB_UNMAP) answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
    pair->spare().inject(write_fault(0, 3000));
    answers(pair->job(kind, 96), 0, 1, 0);
    assert_int_equal(pair->status().state, DMR_STATE_METADATA_RO);
    // In doubt: no writes, reads from the old place.
    assert_int_equal(pair->route(96, 8, DMR_WRITE).kind, DMR_PLACE_ERROR);
    assert_int_equal(pair->route(96, 8, DMR_READ).kind,
                     kind == DMR_JOB_REMAP ? DMR_PLACE_MAIN : DMR_PLACE_SPARE);
    pair->spare().heal();
    survives(*pair);
    assert_int_equal(dmr_engine_repair(pair->target->engine()), 5);
    answers(pair->job(kind, 96), 1, 0, 0);
    survives(*pair);
  }
}

void power_cut_at_every_io_of_a_job(void**) {
  for (const dmr_job_kind kind : {DMR_JOB_REMAP, DMR_JOB_UNMAP, DMR_JOB_RETEST}) {
    for (const bool main_too : {false, true}) {
      bool survived = false;
      for (uint64_t n = 0; !survived; ++n) {
        const auto pair = opened();
        if (kind == DMR_JOB_UNMAP) {
          answers(pair->job(DMR_JOB_REMAP, 96, 16), 2, 0, 0);
          assert_int_equal(pair->write(98, 10), DMR_STS_OK);
          assert_int_equal(pair->flush(), DMR_STS_OK);
        }
        if (kind == DMR_JOB_RETEST) {
          pair->main().inject(read_fault(97, 2));
          (void)pair->read(96, 8);
          pair->main().heal();
          pair->allow_unreadable(97, 2);
        }
        SimDisk& disk = main_too ? pair->main() : pair->spare();
        disk.cut_power_after(n);
        (void)pair->job(kind, 96, 16);
        survived = !disk.power_cut();
        disk.cut_power_after(kForever);
        for (const CrashPolicy policy :
             {CrashPolicy::kDropAll, CrashPolicy::kKeepAll, CrashPolicy::kRandom}) {
          Pair after(*pair);
          after.reboot(policy, n);
          after.check_all();
          after.check_invariants();
        }
        pair->check_all();
      }
    }
  }
}

// Requests that fail meanwhile are mended between two blocks.
void requests_go_between_two_blocks_of_a_job(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(96, 64));
  dmr_job job = {};
  job.kind = DMR_JOB_REMAP;
  job.from = 96;
  job.count = 64;
  uint64_t steps = 0;
  while (dmr_engine_job(pair->target->engine(), &job)) {
    // Before it, behind it, and across.
    assert_int_equal(pair->write(96 + steps * 8 - 4, 8), DMR_STS_OK);
    assert_int_equal(pair->write(96 + (steps + 1) * 8, 3), DMR_STS_OK);
    ++steps;
    pair->check_all();
  }
  assert_int_equal(steps, 8);
  assert_int_equal(job.done, 8);
  assert_int_equal(job.failed, 0);
  survives(*pair);
}

// Writers that met the gate follow, wherever the block then is.
void writes_that_met_the_gate_of_a_job(void**) {
  for (const dmr_job_kind kind : {DMR_JOB_REMAP, DMR_JOB_UNMAP}) {
    const auto pair = opened();
    if (kind == DMR_JOB_UNMAP) answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
    bool once = false;
    pair->host.on_drain = [&] {
      if (!once) pair->submit(94, 8);
      once = true;
    };
    answers(pair->job(kind, 96), 1, 0, 0);
    pair->host.on_drain = nullptr;
    assert_true(once);
    for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
    assert_int_equal(pair->flush(), DMR_STS_OK);
    survives(*pair);
  }
}

// Routed before the gate closed, it lands while the job drains: the job moves what is there then.
void writes_in_flight_at_the_gate_of_a_job(void**) {
  for (const dmr_job_kind kind : {DMR_JOB_REMAP, DMR_JOB_UNMAP}) {
    const auto pair = opened();
    if (kind == DMR_JOB_UNMAP) answers(pair->job(DMR_JOB_REMAP, 96), 1, 0, 0);
    const dmr_place place = pair->route(98, 1, DMR_WRITE);
    SimDisk& disk = place.kind == DMR_PLACE_MAIN ? pair->main() : pair->spare();
    const std::vector<uint8_t> data(DMR_SECTOR_BYTES, 0x77);
    bool landed = false;
    pair->host.on_drain = [&] {
      if (!landed) assert_int_equal(disk.write(place.sector, 1, data.data(), false), DMR_STS_OK);
      landed = true;
    };
    answers(pair->job(kind, 96), 1, 0, 0);
    pair->host.on_drain = nullptr;
    assert_true(landed);
    std::vector<uint8_t> found(DMR_SECTOR_BYTES);
    assert_int_equal(pair->target->read(98, 1, found.data()), DMR_STS_OK);
    assert_true(found == data);
  }
}

// Round and round, with other writes: no slot leaks, nothing is lost.
void remap_and_unmap_at_random(void**) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    std::mt19937_64 rng(seed);
    const auto pair = opened();
    pair->main().inject(write_fault(1000, 30));
    for (int turn = 0; turn < 60; ++turn) {
      const uint64_t from = rng() % 1200;
      const uint64_t count = 1 + rng() % 100;
      switch (rng() % 4) {
        case 0:
          (void)pair->job(DMR_JOB_REMAP, from, count);
          break;
        case 1:
          (void)pair->job(DMR_JOB_UNMAP, from, count);
          break;
        case 2:
          assert_int_equal(pair->write(from, static_cast<uint32_t>(count)), DMR_STS_OK);
          break;
        default:
          if (rng() % 2) assert_int_equal(pair->flush(), DMR_STS_OK);
          if (rng() % 4 == 0) pair->reboot(CrashPolicy::kRandom, rng());
      }
      pair->check_all();
      pair->check_invariants();
    }
    pair->main().heal();
    (void)pair->job(DMR_JOB_UNMAP, 0, kSmallMain);
    assert_int_equal(pair->status().slots_used, 0);
    assert_int_equal(pair->flush(), DMR_STS_OK);
    survives(*pair);
  }
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(remap_moves_whole_blocks_with_their_data),
      cmocka_unit_test(remap_completes_a_block_that_is_partly_moved),
      cmocka_unit_test(remap_records_what_does_not_read_as_lost),
      cmocka_unit_test(remap_at_an_uneven_end_of_main),
      cmocka_unit_test(remap_works_without_auto_remap),
      cmocka_unit_test(remap_on_a_full_spare_fails),
      cmocka_unit_test(remap_over_slots_that_fail),
      cmocka_unit_test(remap_onto_a_spare_that_drops_all_writes_fails),
      cmocka_unit_test(unmap_moves_the_data_back),
      cmocka_unit_test(unmap_flushes_main_and_reads_it_back),
      cmocka_unit_test(unmap_refuses_blocks_with_lost_sectors),
      cmocka_unit_test(unmap_of_a_slot_that_does_not_read),
      cmocka_unit_test(unmap_takes_only_the_range),
      cmocka_unit_test(freed_slots_are_reused_last),
      cmocka_unit_test(a_freed_slot_is_drained_first),
      cmocka_unit_test(retest_salvages_what_reads_again),
      cmocka_unit_test(dead_sectors_are_never_salvaged),
      cmocka_unit_test(jobs_are_refused_when_nothing_can_be_recorded),
      cmocka_unit_test(a_commit_that_fails_under_a_job),
      cmocka_unit_test(power_cut_at_every_io_of_a_job),
      cmocka_unit_test(requests_go_between_two_blocks_of_a_job),
      cmocka_unit_test(writes_that_met_the_gate_of_a_job),
      cmocka_unit_test(writes_in_flight_at_the_gate_of_a_job),
      cmocka_unit_test(remap_and_unmap_at_random),
  };
  return cmocka_run_group_tests_name("jobs", tests, nullptr, nullptr);
}
