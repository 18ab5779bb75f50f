// SPDX-License-Identifier: GPL-2.0
//
// The five copies: commits, formats and opens in which any I/O fails or power is cut at any I/O.
// Afterwards there is the state before or the state after, never another, and nothing that was
// acknowledged is missing.
#include <algorithm>
#include <set>

#include "support.h"

namespace test {
namespace {

constexpr uint64_t kFirstSequence = 7;
// The only free slots of a pair made by nearly_full(): each in a table block of its own.
constexpr uint32_t kFreeSlots[] = {5, 600, 1200};
constexpr uint64_t kFarBlock = 4096;  // the used slots' blocks begin here

// A pair whose slots are in use but for @free of them, so that as many redirections change as many
// table blocks. Main's blocks 0, 1, 2 take no write, and hold known contents.
Pair nearly_full(uint32_t free, const uint32_t* free_slots = kFreeSlots) {
  Pair pair;
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s)
    image.set(s, dmr::Entry::of(dmr::Block(kFarBlock + s), 0x0f, 0));
  for (uint32_t i = 0; i < free; ++i) image.set(free_slots[i], dmr::Entry::free());
  image.seal(kFirstSequence);
  image.put_everywhere(pair.spare());
  pair.prefill(0, 32);
  pair.main().inject(write_fault(0, 24));
  return pair;
}

// One failing sector in each of @count blocks, in one batch. True if all of them succeeded.
bool redirect(Pair& pair, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) pair.submit(8 * i + i, 1);
  const std::vector<dmr_sts> ends = pair.settle();
  return std::all_of(ends.begin(), ends.end(), [](dmr_sts sts) { return sts == DMR_STS_OK; });
}

uint32_t redirected(const Pair& pair, uint32_t count) {
  return static_cast<uint32_t>(pair.target->list(0, 8 * count).size());
}

uint64_t highest_sequence_on_disk(const SimDisk& spare) {
  uint64_t highest = 0;
  for (uint32_t c = 0; c < dmr::kCopies; ++c) {
    dmr::Header header;
    spare.peek(dmr::kCopySector[c], 8, &header);
    if (dmr::classify_header(header) == dmr::HeaderKind::kValid)
      highest = std::max<uint64_t>(highest, header.sequence.load());
  }
  return highest;
}

struct Crash {
  CrashPolicy policy;
  uint64_t seed;
};
constexpr Crash kCrashes[] = {{CrashPolicy::kDropAll, 0}, {CrashPolicy::kKeepAll, 0},
                              {CrashPolicy::kRandom, 1},  {CrashPolicy::kRandom, 2},
                              {CrashPolicy::kRandom, 3},  {CrashPolicy::kRandom, 4}};

// After whatever happened to @pair's redirect(@count), all of whose faults are healed.
void before_or_after(const Pair& pair, uint32_t count, bool acknowledged, uint64_t seeds = 4) {
  for (const Crash& crash : kCrashes) {
    if (crash.seed > seeds) continue;
    Pair after(pair);
    const uint64_t seen = highest_sequence_on_disk(after.spare());
    after.reboot(crash.policy, crash.seed);
    const uint32_t found = redirected(after, count);
    CHECK(found == count || (found == 0 && !acknowledged), "%u of %u", found, count);
    after.check_all();
    after.check_invariants();
    CHECK(after.status().good_copies == 5, "%u copies", after.status().good_copies);
    CHECK(after.status().sequence >= kFirstSequence, "an older state");
    if (crash.policy == CrashPolicy::kKeepAll && seen > kFirstSequence + (acknowledged ? 1 : 0))
      CHECK(after.status().sequence >= seen, "a sequence is used again");
    // What was served once is served for ever.
    if (crash.policy == CrashPolicy::kRandom && crash.seed > 2) continue;
    Pair again(after);
    again.reboot(CrashPolicy::kDropAll);
    CHECK(redirected(again, count) == found, "another state after another power cut");
    again.check_all();
  }
}

// ---- Commits: failing I/O -----------------------------------------------------------------------

void one_failing_io_of_a_commit(uint32_t count, const Fault& fault) {
  Pair pair = nearly_full(count);
  pair.must_open();
  assert_int_equal(pair.status().sequence, kFirstSequence);
  pair.spare().inject(fault);
  const bool acknowledged = redirect(pair, count);
  const dmr_status status = pair.status();
  if (acknowledged) {
    assert_int_equal(redirected(pair, count), count);
    assert_int_equal(status.sequence, kFirstSequence + 1);
    assert_true(copies_holding(pair) >= 4);
    assert_true(copies_holding(pair) >= status.good_copies);
  } else {
    assert_int_equal(redirected(pair, count), 0);
    assert_int_equal(status.state, DMR_STATE_METADATA_RO);
    assert_int_equal(status.sequence, kFirstSequence);
  }
  pair.check_all();
  pair.check_invariants();
  pair.spare().heal();
  // In doubt until a repair, if the commit had begun; then writes get EIO, reads the old place.
  if (!acknowledged && highest_sequence_on_disk(pair.spare()) > kFirstSequence) {
    for (uint32_t i = 0; i < count; ++i) {
      assert_int_equal(pair.route(9 * i, 1, DMR_WRITE).kind, DMR_PLACE_ERROR);
      assert_int_equal(pair.route(9 * i, 1, DMR_READ).kind, DMR_PLACE_MAIN);
      assert_int_equal(pair.write(9 * i, 1), DMR_STS_IOERR);
    }
  }
  before_or_after(pair, count, acknowledged, 2);
  // The same boot goes on.
  const uint64_t seen = highest_sequence_on_disk(pair.spare());
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_true(pair.status().sequence > seen);
  assert_int_not_equal(pair.status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(redirected(pair, count), acknowledged ? count : 0);
  assert_true(redirect(pair, count));
  assert_int_equal(redirected(pair, count), count);
  before_or_after(pair, count, true, 1);
}

void every_io_of_a_commit_failing(uint32_t count) {
  // What a commit asks of the spare when all goes well.
  Pair pair = nearly_full(count);
  pair.must_open();
  const uint64_t before[] = {pair.spare().reads(), pair.spare().writes(), pair.spare().flushes()};
  assert_true(redirect(pair, count));
  const uint64_t after[] = {pair.spare().reads(), pair.spare().writes(), pair.spare().flushes()};
  // Five copies of a header and the blocks, written and read back; the slots too; six flushes.
  assert_int_equal(after[1] - before[1], 5 * (count + 1) + count);
  assert_int_equal(after[0] - before[0], 5 * (count + 1) + count);
  assert_int_equal(after[2] - before[2], 6);

  for (uint32_t kind = 0; kind < 3; ++kind) {
    for (uint64_t n = 0; n < after[kind] - before[kind]; ++n) {
      for (const dmr_sts sts : {DMR_STS_MEDIUM, DMR_STS_TRANSPORT}) {
        for (const uint64_t times : {uint64_t{1}, uint64_t{2}, kForever}) {
          if (sts == DMR_STS_TRANSPORT && times == 2) continue;
          Fault fault;
          fault.kind = static_cast<IoKind>(kind);
          fault.sectors = DMR_METADATA_SECTORS;  // slots are test_bad_slots's business
          fault.spare_ios = n;
          fault.times = times;
          fault.status = sts;
          fault.sectors_stored = n % 3 * 4;
          one_failing_io_of_a_commit(count, fault);
        }
      }
    }
  }
}

void every_io_of_a_commit_of_one_block_failing(void**) {
  every_io_of_a_commit_failing(1);
}
void every_io_of_a_commit_of_two_blocks_failing(void**) {
  every_io_of_a_commit_failing(2);
}
void every_io_of_a_commit_of_three_blocks_failing(void**) {
  every_io_of_a_commit_failing(3);
}

// A metadata write that the disk swallows shows in the read-back.
void every_write_of_a_commit_silently_wrong(void**) {
  for (const Effect effect : {Effect::kDrop, Effect::kCorrupt}) {
    for (const uint64_t times : {uint64_t{1}, uint64_t{4}, kForever}) {
      for (uint64_t n = 0; n < 15; ++n) {
        Fault fault = write_fault(0, DMR_METADATA_SECTORS);
        fault.spare_ios = n;
        fault.times = times;
        fault.effect = effect;
        one_failing_io_of_a_commit(2, fault);
      }
    }
  }
}

// ---- Commits: power cuts ------------------------------------------------------------------------

void power_cut_at_every_io_of_a_commit(void**) {
  for (uint32_t count = 1; count <= 3; ++count) {
    bool survived = false;
    for (uint64_t n = 0; !survived; ++n) {
      Pair pair = nearly_full(count);
      pair.must_open();
      pair.spare().cut_power_after(n);
      const bool acknowledged = redirect(pair, count);
      survived = !pair.spare().power_cut();
      assert_true(acknowledged || !survived);
      before_or_after(pair, count, acknowledged);
    }
  }
}

// A power cut in a commit, then another at each I/O of the open after it.
void power_cut_at_every_io_of_the_open_after_a_power_cut(void**) {
  for (const uint64_t first : {4u, 8u, 12u, 16u, 20u, 24u}) {
    for (const uint64_t seed : {1u, 2u}) {
      Pair pair = nearly_full(2);
      pair.must_open();
      pair.spare().cut_power_after(first);
      assert_false(redirect(pair, 2));
      pair.crash(CrashPolicy::kRandom, seed);
      bool survived = false;
      for (uint64_t n = 30; !survived; ++n) {
        Pair next(pair);
        next.spare().cut_power_after(n);
        (void)next.open();
        survived = !next.spare().power_cut();
        const uint32_t served =
            next.status().state != DMR_STATE_INACTIVE && survived ? redirected(next, 2) : 0xff;
        for (const Crash& crash : kCrashes) {
          Pair after(next);
          after.reboot(crash.policy, crash.seed + n);
          const uint32_t found = redirected(after, 2);
          assert_true(found == 0 || found == 2);
          if (served != 0xff) assert_int_equal(found, served);
          after.check_all();
          assert_int_equal(after.status().good_copies, 5);
        }
      }
    }
  }
}

// ---- Format -------------------------------------------------------------------------------------

// The number of I/Os of an open of @pair, and that of its first write.
void count_ios(const Pair& pair, const dmr_arguments& arguments, uint64_t& first, uint64_t& all) {
  Pair trial(pair);
  trial.spare().record(true);
  trial.must_open(arguments);
  const auto& records = trial.spare().records();
  first = 0;
  while (first < records.size() && records[first].kind == IoKind::kRead) ++first;
  all = records.size();
}

void power_cut_at_every_io_of_a_format(void**) {
  for (const uint32_t logical : {1u, 8u}) {
    const Pair blank({.main_logical = logical, .spare_logical = logical});
    uint64_t first = 0, all = 0;
    count_ios(blank, {}, first, all);
    assert_true(all - first > 60);
    for (uint64_t n = first; n < all; ++n) {
      Pair pair(blank);
      pair.spare().cut_power_after(n);
      (void)pair.open();
      assert_true(pair.spare().power_cut());
      for (const Crash& crash : kCrashes) {
        if (logical == 8 && crash.seed > 2) continue;
        Pair after(pair);
        after.reboot(crash.policy, crash.seed + n);
        assert_int_equal(after.status().state, DMR_STATE_OK);
        assert_int_equal(after.status().slots_used, 0);
        after.reboot(CrashPolicy::kDropAll);
        assert_int_equal(after.status().state, DMR_STATE_OK);
      }
    }
  }
}

void power_cut_at_every_io_of_a_format_over_foreign_contents(void**) {
  Pair foreign;
  foreign.spare().fill(0, 64, 0xaa);
  foreign.spare().fill(9000, 64, 0xbb);
  uint64_t first = 0, all = 0;
  const Arguments format = Arguments().with_format();
  count_ios(foreign, format, first, all);
  for (uint64_t n = first; n < all; ++n) {
    Pair pair(foreign);
    pair.spare().cut_power_after(n);
    (void)pair.open(format);
    for (const Crash& crash : kCrashes) {
      Pair after(pair);
      after.crash(crash.policy, crash.seed + n);
      // The mark was not written, or from then on it goes on by itself.
      const dmr_refusal refusal = after.open();
      assert_true(refusal == DMR_ACCEPTED || (refusal == DMR_REFUSED_FOREIGN && n <= first + 1));
      after.must_open(format);
      assert_int_equal(after.status().state, DMR_STATE_OK);
    }
  }
}

void power_cut_at_every_io_of_a_format_over_another_pair(void**) {
  Pair old;
  Image image({.main_sectors = kSmallMain * 2});
  image.set(3, dmr::Entry::of(dmr::Block(9000), 0xff, 0));
  image.seal(kFirstSequence);
  image.put_everywhere(old.spare());
  uint64_t first = 0, all = 0;
  const Arguments format = Arguments().with_format();
  count_ios(old, format, first, all);
  for (uint64_t n = first; n < all; ++n) {
    Pair pair(old);
    pair.spare().cut_power_after(n);
    (void)pair.open(format);
    for (const Crash& crash : kCrashes) {
      Pair after(pair);
      after.crash(crash.policy, crash.seed + n);
      const dmr_refusal refusal = after.open();
      // The old pair's, whole, or the new one's: never a mixture.
      assert_true(refusal == DMR_ACCEPTED || refusal == DMR_REFUSED_OTHER_MAIN);
      if (refusal == DMR_ACCEPTED) {
        assert_int_equal(after.status().slots_used, 0);
        assert_true(after.status().sequence > kFirstSequence || after.target->report().will_format);
      }
    }
  }
}

void every_io_of_a_format_failing(void**) {
  const Pair blank;
  uint64_t first = 0, all = 0;
  count_ios(blank, {}, first, all);
  for (uint32_t kind = 0; kind < 3; ++kind) {
    for (const uint64_t times : {uint64_t{1}, uint64_t{2}, kForever}) {
      for (uint64_t n = 0; n < 40; ++n) {
        Pair pair(blank);
        Fault fault;
        fault.kind = static_cast<IoKind>(kind);
        fault.spare_ios = n + (kind == 0 ? first - 4 : 0);
        fault.times = times;
        fault.sectors_stored = 3;
        pair.spare().inject(fault);
        const dmr_refusal refusal = pair.open();
        if (refusal == DMR_ACCEPTED) {
          assert_true(copies_holding(pair) >= 4);
        } else {
          assert_true(refusal == DMR_REFUSED_FORMAT_FAILED || refusal == DMR_REFUSED_UNREADABLE);
          assert_int_equal(pair.status().state, DMR_STATE_INACTIVE);
        }
        pair.spare().heal();
        for (const Crash& crash : kCrashes) {
          Pair after(pair);
          after.crash(crash.policy, crash.seed);
          const dmr_refusal again = after.open();
          CHECK(again == DMR_ACCEPTED, "kind %u io %u times %llu crash %u: %s", kind,
                static_cast<unsigned>(n), static_cast<unsigned long long>(times),
                static_cast<unsigned>(crash.policy), dmr_refusal_text(again));
          assert_int_equal(after.status().state, DMR_STATE_OK);
        }
        // The same engine may try again.
        if (refusal != DMR_ACCEPTED) {
          assert_int_equal(pair.target->open(), DMR_ACCEPTED);
          assert_int_equal(pair.status().state, DMR_STATE_OK);
        }
      }
    }
  }
}

void format_writes_a_mark_first_and_copy_0_last(void**) {
  Pair pair;
  pair.spare().record(true);
  pair.must_open();
  std::vector<uint64_t> writes;
  uint32_t flushes_before_second_write = 0;
  for (const auto& io : pair.spare().records()) {
    if (io.kind == IoKind::kWrite) writes.push_back(io.sector);
    if (io.kind == IoKind::kFlush && writes.size() == 1) ++flushes_before_second_write;
  }
  assert_int_equal(writes.front(), 0);
  assert_int_equal(flushes_before_second_write, 1);
  assert_int_equal(writes[1], 1024 + 8);
  // Copy 0: its table blocks, then its header.
  assert_int_equal(writes.back(), 0);
  for (size_t i = writes.size() - 6; i + 1 < writes.size(); ++i) assert_true(writes[i] < 1024);
  for (size_t i = 1; i + 6 < writes.size(); ++i) assert_true(writes[i] >= 1024);
  assert_int_equal(pair.spare().unflushed_sectors(), 0);
}

// A write that fails may tear what was there: repairs that fail again and again must not bring down
// one whole copy after the other.
void repairs_that_fail_leave_two_whole_copies(void**) {
  // Not in its table block's first sector: that one alone would be the whole change.
  const uint32_t free_slot = 200;
  Pair pair = nearly_full(1, &free_slot);
  pair.must_open();
  pair.spare().inject(write_fault(dmr::kCopySector[3], 1024));
  pair.spare().inject(write_fault(dmr::kCopySector[4], 1024));
  assert_false(redirect(pair, 1));
  Fault tear = write_fault(0, DMR_METADATA_SECTORS);
  tear.sectors_stored = 1;
  pair.spare().heal();
  pair.spare().fill(dmr::kCopySector[3], 48, 0xff);
  pair.spare().fill(dmr::kCopySector[4], 48, 0xff);
  pair.spare().inject(tear);
  for (int n = 0; n < 5; ++n) assert_int_equal(dmr_engine_repair(pair.target->engine()), 0);
  pair.spare().heal();
  pair.reboot(CrashPolicy::kKeepAll);
  assert_int_equal(pair.status().good_copies, 5);
}

// Two copies hold, in the spare's cache only, what a commit left whose flushes failed; and flushes go on
// to fail. What is durable is the state before, in the three copies that the opening would mend.
void nothing_is_overwritten_before_what_was_read_is_durable(void**) {
  Pair pair;
  Image image;
  image.seal(kFirstSequence);
  image.put_everywhere(pair.spare());
  image.set(0, dmr::Entry::of(dmr::Block(1), 1, 0));
  image.seal(kFirstSequence + 1);
  for (const uint32_t copy : {0u, 1u}) image.leave_unflushed(pair.spare(), copy);
  pair.spare().inject(flush_fault());
  pair.must_open();
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(pair.status().slots_used, 1);
  pair.spare().heal();
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Pair after(pair);
    after.reboot(CrashPolicy::kRandom, seed);
    assert_int_equal(after.status().good_copies, 5);
  }
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(copies_holding(pair), 5);
}

// A flush that failed may have cost what was in the cache: one that goes well after it hides nothing.
void what_a_failed_flush_lost_is_seen_at_open(void**) {
  Pair pair;
  Image image;
  image.seal(kFirstSequence);
  image.put_everywhere(pair.spare());
  // A flush that loses: the copies' second reads find something else than the first.
  for (const uint32_t copy : {0u, 1u, 2u}) {
    Fault second = read_fault(dmr::kCopySector[copy]);
    second.spare_ios = copy == 0 ? 2 : 1;  // the winner's is read once more
    second.times = 1;
    pair.spare().inject(second);
  }
  Fault once = flush_fault();
  once.times = 1;
  pair.spare().inject(once);
  pair.must_open();
  assert_int_equal(pair.status().sequence, kFirstSequence + 1);
  assert_int_equal(pair.status().good_copies, 5);
  assert_int_equal(copies_holding(pair), 5);
}

// The same, if both flushes of opening fail, and the first that goes well is its commit's.
void what_failed_flushes_lost_is_seen_by_the_commit_of_opening(void**) {
  Pair pair;
  Image image;
  image.seal(kFirstSequence);
  image.put_everywhere(pair.spare());
  for (const uint32_t copy : {3u, 4u}) {
    Fault second = read_fault(dmr::kCopySector[copy]);
    second.spare_ios = 1;
    second.times = 1;
    pair.spare().inject(second);
  }
  Fault twice = flush_fault();
  twice.times = 2;
  pair.spare().inject(twice);
  pair.spare().record(true);
  pair.must_open();
  assert_int_equal(copies_holding(pair), 5);
  // What is not known to hold is written first.
  for (const dmr::hosted::IoRecord& io : pair.spare().records()) {
    if (io.kind != dmr::hosted::IoKind::kWrite) continue;
    assert_true(io.sector >= dmr::kCopySector[3] && io.sector < dmr::kCopySector[3] + 2048);
    return;
  }
  fail_msg("nothing was written");
}

// In the spare's cache, a repair that failed lies over a redirection that was committed by two copies, and
// failed too. Until the one is durable the other may come back, so the block is in doubt.
void a_repair_in_the_cache_hides_no_rival(const dmr_arguments& reopened) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const auto made = opened({}, Arguments(), 1024);
    Pair& pair = *made;
    Fault copies = flush_fault();  // not the data's
    copies.spare_ios = 1;
    pair.spare().inject(copies);
    (void)pair.job(DMR_JOB_REMAP, 800);
    assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
    (void)dmr_engine_repair(pair.target->engine());
    if (reopened.read_only_metadata) pair.spare().heal();
    pair.must_open(reopened);
    const bool acknowledged = pair.write(800, 1, true) == DMR_STS_OK;
    pair.forget_waiting();
    std::mt19937_64 rng(seed);
    pair.main().crash(CrashPolicy::kRandom, rng);
    pair.spare().crash(CrashPolicy::kRandom, rng);
    pair.spare().heal();
    pair.must_open();
    if (acknowledged) assert_int_equal(pair.route(800, 1).kind, DMR_PLACE_MAIN);
  }
}

void a_repair_in_the_cache_hides_no_rival_while_flushes_fail(void**) {
  a_repair_in_the_cache_hides_no_rival({});
}

void a_repair_in_the_cache_hides_no_rival_read_only(void**) {
  dmr_arguments read_only = {};
  read_only.read_only_metadata = 1;
  a_repair_in_the_cache_hides_no_rival(read_only);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_io_of_a_commit_of_one_block_failing),
      cmocka_unit_test(every_io_of_a_commit_of_two_blocks_failing),
      cmocka_unit_test(every_io_of_a_commit_of_three_blocks_failing),
      cmocka_unit_test(every_write_of_a_commit_silently_wrong),
      cmocka_unit_test(power_cut_at_every_io_of_a_commit),
      cmocka_unit_test(power_cut_at_every_io_of_the_open_after_a_power_cut),
      cmocka_unit_test(power_cut_at_every_io_of_a_format),
      cmocka_unit_test(power_cut_at_every_io_of_a_format_over_foreign_contents),
      cmocka_unit_test(power_cut_at_every_io_of_a_format_over_another_pair),
      cmocka_unit_test(every_io_of_a_format_failing),
      cmocka_unit_test(format_writes_a_mark_first_and_copy_0_last),
      cmocka_unit_test(repairs_that_fail_leave_two_whole_copies),
      cmocka_unit_test(nothing_is_overwritten_before_what_was_read_is_durable),
      cmocka_unit_test(what_a_failed_flush_lost_is_seen_at_open),
      cmocka_unit_test(what_failed_flushes_lost_is_seen_by_the_commit_of_opening),
      cmocka_unit_test(a_repair_in_the_cache_hides_no_rival_while_flushes_fail),
      cmocka_unit_test(a_repair_in_the_cache_hides_no_rival_read_only),
  };
  return cmocka_run_group_tests_name("commit", tests, nullptr, nullptr);
}
