// SPDX-License-Identifier: GPL-2.0
//
// What the health scanner must not do: lose what is written meanwhile, spend slots or commits on what
// they do not help, try in vain, or forget what could not be done.
#include "scanned.h"

namespace test {
namespace {

void a_write_in_between_is_respected(void**) {
  // The block is written after the scanner has seen it fail, before the worker looks.
  Scanned pair;
  pair.prefill(5000, 16);
  pair.main().inject(read_fault(5002));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  while (!dmr_scan_found(pair.engine())) pair.advance(dmr_scan_step(pair.engine()));
  pair.main().heal();
  assert_int_equal(pair.write(5000, 8), DMR_STS_OK);
  pair.mend();
  pair.check_all();
  assert_int_equal(pair.status().lost_sectors, 0);
  // And redirected meanwhile: the finding is of no concern any more.
  Scanned other;
  other.main().inject(read_fault(5002));
  other.main().inject(write_fault(5000, 8));
  dmr_scan_control(other.engine(), DMR_SCAN_START);
  while (!dmr_scan_found(other.engine())) other.advance(dmr_scan_step(other.engine()));
  assert_int_equal(other.write(5000, 8), DMR_STS_OK);
  const uint32_t slot = other.entry_of(5000).slot;
  other.mend();
  assert_int_equal(other.entry_of(5000).slot, slot);
  assert_int_equal(other.entry_of(5000).lost_mask, 0);
  other.check_all();
}

void the_gate_is_closed_while_a_finding_is_mended(void**) {
  Scanned pair;
  pair.prefill(5000, 16);
  pair.main().inject(read_fault(5002));
  uint32_t gated = 0;
  pair.host.on_drain = [&] {
    gated += pair.route(5003, 1, DMR_WRITE).kind == DMR_PLACE_WORKER;
  };
  pair.pass();
  assert_true(gated >= 2);
  assert_int_not_equal(pair.route(5003, 1, DMR_WRITE).kind, DMR_PLACE_WORKER);
}

void errors_that_are_not_the_mediums_cost_nothing(void**) {
  for (const dmr_sts sts : {DMR_STS_TRANSPORT, DMR_STS_TIMEOUT, DMR_STS_OFFLINE,
                            DMR_STS_RESOURCE, DMR_STS_RESV_CONFLICT}) {
    // Main as a whole, once it has read four chunks: it waits there, and goes on when that is over.
    Scanned pair;
    assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
    while (pair.status().scan_position < 8192) pair.step();
    const uint64_t reads = pair.host.scan_reads;
    pair.main().inject(read_fault(0, kForever, sts));
    pair.run(10 * kMinute);
    assert_int_equal(pair.status().scan_passes, 0);
    assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
    assert_int_equal(pair.status().scan_errors, 0);
    assert_int_equal(pair.status().scan_position, 8192);
    assert_in_range(pair.host.scan_reads - reads, 5, 20);
    pair.main().heal();
    pair.run(10 * kMinute);
    assert_int_equal(pair.status().scan_passes, 1);
    assert_int_equal(pair.status().slots_used, 0);
  }
}

void one_place_that_never_answers_ends_no_pass(void**) {
  // A sector, a chunk and its neighbours, a lost sector, a slot; what is bad behind it is found.
  for (const int what : {0, 1, 2, 3}) {
    Scanned pair;
    pair.main().inject(write_fault(800, 8));
    assert_int_equal(pair.write(800, 8), DMR_STS_OK);
    if (what == 2) {
      pair.main().inject(read_fault(9000));
      pair.pass();
      assert_int_equal(pair.status().lost_sectors, 1);
      pair.main().heal();
    }
    if (what == 3) {
      const dmr::Slot slot(pair.entry_of(800).slot);
      pair.spare().inject(read_fault(slot_sector(slot), 8, DMR_STS_TIMEOUT));
    } else {
      const uint64_t first = what == 1 ? 7000 : 9000;
      pair.main().inject(read_fault(first, what == 1 ? 4000 : 1, DMR_STS_TIMEOUT));
    }
    pair.main().inject(read_fault(40001));
    const uint32_t slots = pair.status().slots_used;
    pair.run(28 * 24 * kHour);
    assert_in_range(pair.status().scan_passes, 4, 9);
    assert_int_equal(pair.status().lost_sectors, what == 2 ? 2 : 1);
    // Not one for what does not answer.
    assert_int_equal(pair.status().slots_used, slots + 1);
    assert_true(pair.status().scan_errors > 0);
    pair.main().heal();
    pair.spare().heal();
    pair.allow_unreadable(9000, 1);
    pair.allow_unreadable(40001, 1);
    pair.check_all();
  }
}

void a_cursor_of_another_disk_is_rounded(void**) {
  Devices devices;
  devices.main_logical = 8;
  Scanned pair({}, devices);
  pair.pass();
  pair.crash(CrashPolicy::kKeepAll);
  for (uint32_t copy = 0; copy < 5; ++copy) {
    auto image = Image::read(pair.spare(), copy);
    assert_true(image.has_value());
    image->header.scan_cursor_sector.store(2051);
    image->seal(image->header.sequence.load());
    image->put(pair.spare(), copy);
  }
  pair.must_open();
  assert_int_equal(pair.status().scan_position, 2048);
  pair.pass();
  assert_int_equal(pair.status().scan_errors, 0);
  assert_int_equal(pair.status().slots_used, 0);
}

void a_clock_that_was_ahead_keeps_nothing_from_being_kept(void**) {
  Scanned pair;
  pair.host.now_seconds += 12 * 365 * 86400ull;
  pair.main().inject(write_fault(800, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  pair.pass();  // from here on the clock is right again
  pair.run(11 * kMinute);
  dmr_engine_settle(pair.engine());
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.status().scan_passes, 1);
}

// By the scanner and by repair: told when it is lost, and not again.
void a_copy_that_is_lost_for_good_is_told_once(void**) {
  for (const bool repair : {false, true}) {
    Scanned pair;
    pair.spare().inject(read_fault(dmr::kCopySector[3], 1024));
    pair.spare().inject(write_fault(dmr::kCopySector[3], 1024));
    for (uint32_t turn = 0; turn < 2; ++turn) {
      pair.host.events.clear();
      if (repair) {
        assert_int_equal(dmr_engine_repair(pair.engine()), 4);
      } else {
        pair.pass();
      }
      assert_int_equal(pair.status().state, DMR_STATE_DEGRADED);
      assert_int_equal(pair.host.events_of(DMR_EVENT_METADATA), turn == 0 ? 1 : 0);
      for (const dmr_event& event : pair.host.events) {
        if (event.kind == DMR_EVENT_METADATA) assert_int_equal(event.good_copies, 4);
      }
    }
  }
}

void a_disk_that_is_gone_costs_no_slots(void**) {
  Scanned pair;
  pair.main().inject(read_fault(0, kForever, DMR_STS_IOERR));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(10 * kMinute);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_int_equal(pair.status().slots_used, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_PAUSED);
  assert_int_equal(pair.status().health, DMR_HEALTH_FAILED);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(kHour);
  assert_int_equal(pair.host.scan_reads, reads);
  pair.main().heal();
  dmr_engine_resume_remap(pair.engine());
  pair.pass();
  assert_int_equal(pair.status().slots_used, 0);
}

void findings_count_as_a_burst(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_REMAP_BURST, 5));
  pair.main().inject(read_fault(8192, 800));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(10 * kMinute);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_true(pair.status().slots_used <= 5);
}

void nothing_moves_without_leave(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_AUTO_REMAP, 0));
  pair.main().inject(read_fault(5000, 8));
  pair.pass();
  assert_int_equal(pair.status().slots_used, 0);
  assert_true(pair.status().scan_errors > 0);
  Pair read_only;
  read_only.must_open();
  read_only.must_open({}, true);
  assert_false(dmr_scan_control(read_only.target->engine(), DMR_SCAN_START));
  assert_int_equal(read_only.status().scan_state, DMR_SCAN_OFF);
}

// What it found while nothing could be done is not left for the next pass, a week later.
void what_could_not_be_mended_is_visited_again(void**) {
  for (const int how : {0, 1, 2, 3}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_AUTO_REMAP, how != 0));
    pair.prefill(5000, 64);
    pair.pass();
    pair.main().inject(read_fault(5021));
    pair.main().inject(read_fault(9000));
    if (how == 1) pair.main().inject(read_fault(0, kForever));
    if (how == 2) assert_int_equal(pair.job(DMR_JOB_REMAP, 16384, 8 * kSmallSlots).done, kSmallSlots);
    if (how == 3) {
      for (uint32_t copy = 0; copy < 2; ++copy)
        pair.spare().inject(write_fault(dmr::kCopySector[copy], 8));
      dmr_engine_repair(pair.engine());
    }
    assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
    pair.run(5 * kMinute);
    const dmr_state states[] = {DMR_STATE_OK, DMR_STATE_MAIN_FAILED, DMR_STATE_SPARE_FULL,
                                DMR_STATE_METADATA_RO};
    assert_int_equal(pair.status().state, states[how]);
    assert_int_equal(pair.status().lost_sectors, 0);
    assert_true(pair.status().scan_errors > 0);
    // As long as that is so it is in vain, and not tried.
    const uint64_t passes = pair.status().scan_passes;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_passes, passes);
    assert_int_equal(pair.status().lost_sectors, 0);
    pair.main().heal();
    pair.spare().heal();
    pair.main().inject(read_fault(5021));
    pair.main().inject(read_fault(9000));
    if (how == 0) dmr_engine_config_set(pair.engine(), DMR_CONFIG_AUTO_REMAP, 1);
    if (how == 1) dmr_engine_resume_remap(pair.engine());
    if (how == 2) assert_int_equal(pair.job(DMR_JOB_UNMAP, 16384, 64).done, 8);
    if (how == 3) assert_int_equal(dmr_engine_repair(pair.engine()), 5);
    pair.run(15 * kMinute);
    assert_int_equal(pair.status().lost_sectors, 2);
    assert_int_equal(pair.entry_of(5021).spare_mask, 0xff & ~(1 << 5021 % 8));
    // Once.
    const uint64_t later = pair.status().scan_passes;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_passes, later);
    pair.allow_unreadable(5021);
    pair.check_all();
    pair.check_invariants();
  }
}

// A place that the worker can't read for a reason that is not the medium's: less and less often.
void what_can_not_be_mended_is_tried_less_and_less(void**) {
  Scanned pair;
  pair.pass();
  uint64_t seen = 0;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    pair.main().heal();
    pair.main().inject(read_fault(9000));
    seen += io.device == DMR_MAIN && io.sector == 9000 && io.sectors == 1;
  };
  pair.host.before_io = [&](const dmr_host::Io&) {
    pair.main().heal();
    pair.main().inject(read_fault(9000, 1, DMR_STS_TRANSPORT));
  };
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  pair.run(6 * 24 * kHour);
  // Its neighbours were saved.
  assert_int_equal(pair.entry_of(9000).spare_mask, 0xfe);
  assert_int_equal(pair.status().lost_sectors, 0);
  // After ten minutes, twenty, forty, ... 2560, and by a pass or two; six reads each.
  assert_in_range(seen / 6, 9, 12);
}

// A commit is under way: no copy is looked at then, and none is called damaged for it.
void copies_are_looked_at_between_commits(void**) {
  Scanned pair;
  pair.pass();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  while (pair.status().scan_position != kMainSectors) pair.step();
  uint64_t metadata_reads = 0, steps = 0;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    metadata_reads += io.device == DMR_SPARE && io.sector < DMR_METADATA_SECTORS;
  };
  pair.host.before_io = [&](const dmr_host::Io& io) {
    if (io.device != DMR_SPARE || io.sector >= DMR_METADATA_SECTORS) return;
    ++steps;
    pair.advance(dmr_scan_step(pair.engine()));
  };
  pair.main().inject(write_fault(800, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_true(steps > 10);
  assert_true(dmr_scan_found(pair.engine()));
  pair.host.before_io = nullptr;
  const uint64_t sequence = pair.status().sequence;
  pair.mend();
  assert_int_equal(metadata_reads, 0);
  assert_int_equal(pair.status().sequence, sequence);
  assert_int_equal(pair.status().repairs, 0);
  assert_int_equal(pair.status().good_copies, 5);
}

void it_is_called_for_news_only(void**) {
  Scanned pair;
  (void)pair.step();
  assert_false(dmr_scan_wanted(pair.engine()));
  // Writes and reads that the worker mends without a change.
  Fault once = write_fault(800);
  once.times = 1;
  pair.main().inject(once);
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_int_equal(pair.status().slots_used, 0);
  assert_false(dmr_scan_wanted(pair.engine()));
  pair.main().inject(write_fault(800));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_true(dmr_scan_wanted(pair.engine()));
  (void)pair.step();
  assert_false(dmr_scan_wanted(pair.engine()));
  // Main has failed, and that is over.
  pair.main().inject(read_fault(0, kForever));
  pair.main().inject(write_fault(0, kForever));
  (void)pair.write(5000, 8);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_true(dmr_scan_wanted(pair.engine()));
  (void)pair.step();
  dmr_engine_resume_remap(pair.engine());
  assert_true(dmr_scan_wanted(pair.engine()));
  pair.main().heal();
  // Room for findings again.
  Scanned full;
  full.main().inject(read_fault(0, 2048));
  assert_true(dmr_scan_control(full.engine(), DMR_SCAN_START));
  for (int i = 0; i < 2000; ++i) full.advance(std::max<uint64_t>(dmr_scan_step(full.engine()), 1));
  assert_false(dmr_scan_wanted(full.engine()));
  const uint64_t reads = full.host.scan_reads;
  full.advance(dmr_scan_step(full.engine()));
  assert_int_equal(full.host.scan_reads, reads);
  full.mend();
  assert_true(dmr_scan_wanted(full.engine()));
}

// What decayed lately counts after a reboot, as far as the lasting counters tell.
void a_reboot_does_not_make_a_decaying_disk_healthy(void**) {
  Scanned pair;
  for (uint32_t i = 0; i < 40; ++i) {
    pair.main().inject(write_fault(30000 + 8 * i, 8));
    assert_int_equal(pair.write(30000 + 8 * i, 8), DMR_STS_OK);
    pair.main().heal();
    pair.run(kHour);
  }
  const dmr_status before = pair.status();
  pair.reboot(CrashPolicy::kKeepAll);
  const dmr_status after = pair.status();
  assert_in_range(after.score, before.score - 3, before.score + 3);
  assert_int_equal(after.health, before.health);
  assert_in_range(after.exhaustion_hours, before.exhaustion_hours * 3 / 4,
                  before.exhaustion_hours * 5 / 4);
}

}  // namespace
}  // namespace test

int main(int argc, char** argv) {
  using namespace test;
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_write_in_between_is_respected),
      cmocka_unit_test(the_gate_is_closed_while_a_finding_is_mended),
      cmocka_unit_test(errors_that_are_not_the_mediums_cost_nothing),
      cmocka_unit_test(one_place_that_never_answers_ends_no_pass),
      cmocka_unit_test(a_cursor_of_another_disk_is_rounded),
      cmocka_unit_test(a_clock_that_was_ahead_keeps_nothing_from_being_kept),
      cmocka_unit_test(a_copy_that_is_lost_for_good_is_told_once),
      cmocka_unit_test(a_disk_that_is_gone_costs_no_slots),
      cmocka_unit_test(findings_count_as_a_burst),
      cmocka_unit_test(nothing_moves_without_leave),
      cmocka_unit_test(what_could_not_be_mended_is_visited_again),
      cmocka_unit_test(what_can_not_be_mended_is_tried_less_and_less),
      cmocka_unit_test(copies_are_looked_at_between_commits),
      cmocka_unit_test(it_is_called_for_news_only),
      cmocka_unit_test(a_reboot_does_not_make_a_decaying_disk_healthy),
  };
  return cmocka_run_group_tests_name("scanner_limits", tests, nullptr, nullptr);
}
