// SPDX-License-Identifier: GPL-2.0
//
// When the spare is flushed, and who hears of a flush that failed.
#include "core/flush.h"

#include <algorithm>
#include <utility>

#include "support.h"

namespace test {
namespace {

void starts_dirty(void**) {
  dmr::SpareFlush flush;
  flush.reset();
  assert_false(flush.clean());
  assert_false(flush.take_failure());
  flush.end(flush.ticket(), true);
  assert_true(flush.clean());
}

void a_write_makes_it_dirty_again(void**) {
  dmr::SpareFlush flush;
  flush.reset();
  flush.end(flush.ticket(), true);
  flush.written();
  assert_false(flush.clean());
  flush.end(flush.ticket(), true);
  assert_true(flush.clean());
}

void a_write_during_a_flush_is_not_covered_by_it(void**) {
  dmr::SpareFlush flush;
  flush.reset();
  const uint64_t ticket = flush.ticket();
  flush.written();
  flush.end(ticket, true);
  assert_false(flush.clean());
  // An older flush that ends later takes nothing back.
  const uint64_t later = flush.ticket();
  flush.end(later, true);
  flush.end(ticket, true);
  assert_true(flush.clean());
}

void a_failure_is_told_once(void**) {
  dmr::SpareFlush flush;
  flush.reset();
  flush.end(flush.ticket(), false);
  assert_false(flush.clean());
  assert_true(flush.take_failure());
  assert_false(flush.take_failure());
  assert_false(flush.clean());
  // Also if a later one went well before anybody asked.
  flush.end(flush.ticket(), false);
  flush.end(flush.ticket(), true);
  assert_true(flush.take_failure());
  assert_true(flush.clean());
}

// Two flushes that end at the same moment: the number that the second one of them compares with is
// raised behind its back, and it must look again.
enum class Ticket : uint64_t {};
dmr::Atomic<Ticket>* raised_meanwhile = nullptr;
Ticket meanwhile_to{};

bool operator<(Ticket a, Ticket b) noexcept {
  if (raised_meanwhile != nullptr) std::exchange(raised_meanwhile, nullptr)->store(meanwhile_to);
  return static_cast<uint64_t>(a) < static_cast<uint64_t>(b);
}

void flushes_that_end_together_keep_the_later_ticket(void**) {
  for (const uint64_t other : {5, 7, 9}) {
    dmr::Atomic<Ticket> flushed;
    raised_meanwhile = &flushed;
    meanwhile_to = Ticket{other};
    flushed.raise(Ticket{7});
    assert_null(raised_meanwhile);
    assert_int_equal(static_cast<uint64_t>(flushed.load()), std::max<uint64_t>(other, 7));
  }
}

// ---- As the target uses it ----------------------------------------------------------------------

void the_application_flushes_the_spare_only_if_it_was_written(void**) {
  Pair pair;
  pair.must_open();
  pair.prefill(0, 64);
  // The commit of the format ended with a flush.
  const uint64_t flushes = pair.spare().flushes();
  assert_int_equal(pair.flush(), DMR_STS_OK);
  assert_int_equal(pair.spare().flushes(), flushes);
  pair.main().inject(write_fault(8, 8));
  assert_int_equal(pair.write(8, 8), DMR_STS_OK);
  const uint64_t after = pair.spare().flushes();
  assert_int_equal(pair.flush(), DMR_STS_OK);
  assert_int_equal(pair.spare().flushes(), after);
  // Straight to the slot, through the cache.
  assert_int_equal(pair.write(8, 8), DMR_STS_OK);
  assert_true(pair.spare().unflushed_sectors() > 0);
  assert_int_equal(pair.flush(), DMR_STS_OK);
  assert_int_equal(pair.spare().flushes(), after + 1);
  assert_int_equal(pair.spare().unflushed_sectors(), 0);
  // What was before is not known: an open that commits nothing flushes once, and that will do.
  const uint64_t closed = pair.spare().flushes();
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.spare().flushes(), closed + 1);
  pair.check_all();
  assert_int_equal(pair.flush(), DMR_STS_OK);
  assert_int_equal(pair.spare().flushes(), closed + 1);
}

void a_failed_write_to_the_spare_counts_as_one(void**) {
  Pair pair;
  pair.must_open();
  dmr_u64 ticket = 0;
  assert_int_equal(dmr_spare_flush_begin(pair.target->engine(), &ticket), DMR_FLUSH_SKIP);
  dmr_spare_written(pair.target->engine());
  assert_int_equal(dmr_spare_flush_begin(pair.target->engine(), &ticket), DMR_FLUSH_ISSUE);
  dmr_spare_flush_end(pair.target->engine(), ticket, DMR_STS_OK);
  assert_int_equal(dmr_spare_flush_begin(pair.target->engine(), &ticket), DMR_FLUSH_SKIP);
}

void a_failed_flush_of_the_application_is_metadata_ro(void**) {
  Pair pair;
  pair.must_open();
  dmr_spare_written(pair.target->engine());
  Fault once = flush_fault();
  once.times = 1;
  pair.spare().inject(once);
  assert_int_equal(pair.target->flush(), DMR_STS_IOERR);
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(pair.host.events_of(DMR_EVENT_METADATA), 1);
  dmr_u64 ticket = 0;
  assert_int_equal(dmr_spare_flush_begin(pair.target->engine(), &ticket), DMR_FLUSH_FAIL);
  assert_int_equal(dmr_spare_flush_begin(pair.target->engine(), &ticket), DMR_FLUSH_ISSUE);
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(pair.status().state, DMR_STATE_OK);
  assert_int_equal(pair.host.events_of(DMR_EVENT_METADATA), 2);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(starts_dirty),
      cmocka_unit_test(a_write_makes_it_dirty_again),
      cmocka_unit_test(a_write_during_a_flush_is_not_covered_by_it),
      cmocka_unit_test(a_failure_is_told_once),
      cmocka_unit_test(flushes_that_end_together_keep_the_later_ticket),
      cmocka_unit_test(the_application_flushes_the_spare_only_if_it_was_written),
      cmocka_unit_test(a_failed_write_to_the_spare_counts_as_one),
      cmocka_unit_test(a_failed_flush_of_the_application_is_metadata_ro),
  };
  return cmocka_run_group_tests_name("flush", tests, nullptr, nullptr);
}
