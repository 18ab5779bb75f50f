// SPDX-License-Identifier: GPL-2.0
//
// Metadata that can't be made durable: what is acknowledged then, what is in doubt, what goes on.
#include "support.h"

namespace test {
namespace {

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
    for (uint32_t c = 0; c < dmr::kCopies; ++c)
      assert_int_equal(pair->status().copies[c], c == copy ? DMR_COPY_DAMAGED : DMR_COPY_GOOD);
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
  assert_int_equal(pair->write(200, 8), DMR_STS_MEDIUM);
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
  assert_int_equal(pair->write(200, 8), DMR_STS_MEDIUM);
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
  assert_int_equal(pair->write(0, 8), DMR_STS_MEDIUM);
  assert_int_equal(pair->spare().writes(), writes);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
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
  };
  return cmocka_run_group_tests_name("not durable", tests, nullptr, nullptr);
}
