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

// Copies that hold, whole and stable, the state that the pair says it has.
uint32_t copies_holding(const Pair& pair) {
  Pair after(pair);
  after.crash(CrashPolicy::kDropAll);
  uint32_t holding = 0;
  for (uint32_t c = 0; c < dmr::kCopies; ++c) {
    const std::optional<Image> image = Image::read(after.spare(), c);
    if (!image || image->header.sequence.load() != pair.status().sequence) continue;
    bool whole = true;
    for (uint32_t b = 0; b < image->table.size(); ++b) {
      whole = whole && dmr::table_block_verifies(image->table[b], b) &&
              image->table[b].crc.load() == image->header.table_crc[b].load();
    }
    holding += whole;
  }
  return holding;
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

// ---- Copies -------------------------------------------------------------------------------------

// Peer defect 12: the copies are where the format says, and equal.
void peer_12_five_equal_copies_in_their_places(void**) {
  Pair pair;
  pair.must_open();
  pair.main().inject(write_fault(0, 64));
  assert_int_equal(pair.write(0, 64), DMR_STS_OK);
  constexpr uint64_t kPlaces[] = {0, 1024, 2048, 4096, 8192};
  std::vector<uint8_t> reference(48 * DMR_SECTOR_BYTES), other(reference.size());
  pair.spare().peek(kPlaces[0], 48, reference.data());
  assert_memory_equal(reference.data(), "DMREMAP4", 8);
  for (const uint64_t place : kPlaces) {
    pair.spare().peek(place, 48, other.data());
    assert_true(other == reference);
  }
  assert_int_equal(copies_holding(pair), 5);
}

// Peer defect 14: repair repairs.
void peer_14_repair_mends_what_was_damaged_behind_its_back(void**) {
  for (uint32_t copy = 0; copy < dmr::kCopies; ++copy) {
    for (const uint64_t offset : {0u, 3u, 8u, 40u}) {
      Pair pair;
      pair.must_open();
      pair.spare().flip_bit(dmr::kCopySector[copy] + offset, 100);
      pair.spare().flip_bit(dmr::kCopySector[(copy + 1) % 5] + offset, 100);
      assert_int_equal(pair.status().good_copies, 5);
      const uint64_t sequence = pair.status().sequence;
      assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
      assert_int_equal(pair.status().repairs, 2);
      assert_int_equal(pair.status().sequence, sequence + 1);
      assert_int_equal(copies_holding(pair), 5);
    }
  }
}

void repair_with_dead_copies_counts_the_others(void**) {
  Pair pair;
  pair.must_open();
  pair.spare().inject(write_fault(1024, 1024));
  pair.spare().inject(write_fault(4096, 1024));
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 3);
  assert_int_equal(pair.status().good_copies, 3);
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  pair.must_open();
  assert_int_equal(pair.status().good_copies, 3);
  pair.spare().heal();
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(pair.status().state, DMR_STATE_OK);
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

void repairs_are_counted_for_good(void**) {
  Pair pair;
  pair.must_open();
  pair.spare().flip_bit(4096, 50);
  pair.must_open();
  assert_int_equal(pair.status().repairs, 1);
  pair.must_open();
  assert_int_equal(pair.status().repairs, 1);
}

void who_holds_the_present_state_is_written_last(void**) {
  Pair pair;
  pair.must_open();
  // Copy 3 stale, copy 1 damaged.
  const std::optional<Image> old = Image::read(pair.spare(), 3);
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  old->put(pair.spare(), 3);
  pair.spare().flip_bit(1024, 50);
  pair.spare().record(true);
  pair.must_open();
  std::vector<uint64_t> order;
  for (const auto& io : pair.spare().records()) {
    const bool header =
        std::count(std::begin(dmr::kCopySector), std::end(dmr::kCopySector), io.sector) != 0;
    if (io.kind == IoKind::kWrite && header) order.push_back(io.sector);
  }
  const std::vector<uint64_t> expected = {1024, 4096, 0, 2048, 8192};
  assert_true(order == expected);
}

void an_open_that_agrees_writes_nothing(void**) {
  Pair pair;
  pair.must_open();
  const uint64_t writes = pair.spare().writes();
  pair.must_open();
  assert_int_equal(pair.spare().writes(), writes);
  assert_int_equal(pair.status().good_copies, 5);
}

void a_read_only_open_writes_nothing(void**) {
  Pair pair;
  assert_int_equal(pair.open({}, true), DMR_REFUSED_READ_ONLY);
  assert_int_equal(pair.spare().writes(), 0);
  pair.must_open();
  pair.spare().flip_bit(1024, 50);
  const uint64_t writes = pair.spare().writes();
  pair.must_open({}, true);
  assert_int_equal(pair.status().good_copies, 4);
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 4);
  dmr_engine_settle(pair.target->engine());
  assert_int_equal(pair.spare().writes(), writes);
}

// ---- What a commit carries ----------------------------------------------------------------------

void an_adopted_main_is_not_forgotten_by_a_commit_that_failed(void**) {
  Pair pair;
  Image image({.main_sectors = kSmallMain / 2});  // main was half as large
  image.seal(kFirstSequence);
  image.put_everywhere(pair.spare());
  pair.spare().inject(write_fault(1024, 1024));
  pair.spare().inject(write_fault(4096, 1024));
  pair.must_open(Arguments().with_adopt_main().with_label("mine"));
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  pair.spare().heal();
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  // A redirection where there was no main before.
  pair.main().inject(write_fault(kSmallMain - 8, 8));
  assert_int_equal(pair.write(kSmallMain - 8, 8), DMR_STS_OK);
  pair.reboot(CrashPolicy::kDropAll);
  assert_string_equal(pair.status().label, "mine");
  pair.check_all();
}

void counters_last(void**) {
  Pair pair;
  pair.must_open();
  pair.prefill(0, 64);
  pair.main().inject(write_fault(8, 8));
  assert_int_equal(pair.write(8, 8), DMR_STS_OK);
  const dmr_status before = pair.status();
  assert_int_equal(before.main_write_errors, 1);
  assert_int_equal(before.remaps, 1);
  assert_int_equal(before.commits, 2);
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.status().main_write_errors, 1);
  assert_int_equal(pair.status().remaps, 1);
  assert_int_equal(pair.status().commits, 2);
}

void settle_commits_counters_every_ten_minutes_at_most(void**) {
  Pair pair;
  pair.must_open();
  dmr_engine* const engine = pair.target->engine();
  const uint64_t commits = pair.status().commits;
  pair.host.now_seconds += 1000;
  dmr_engine_settle(engine);
  assert_int_equal(pair.status().commits, commits);  // nothing changed
  assert_int_equal(dmr_engine_failed(engine, DMR_MAIN, DMR_READ, DMR_STS_MEDIUM, 0), 1);
  dmr_engine_settle(engine);
  assert_int_equal(pair.status().commits, commits + 1);
  assert_int_equal(dmr_engine_failed(engine, DMR_MAIN, DMR_WRITE, DMR_STS_MEDIUM, 0), 1);
  pair.host.now_seconds += 599;
  dmr_engine_settle(engine);
  assert_int_equal(pair.status().commits, commits + 1);
  pair.host.now_seconds += 1;
  dmr_engine_settle(engine);
  assert_int_equal(pair.status().commits, commits + 2);
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.status().main_read_errors, 1);
  assert_int_equal(pair.status().main_write_errors, 1);
}

void a_sequence_of_a_copy_that_lost_is_skipped(void**) {
  Pair pair;
  Image image;
  image.seal(10);
  image.put_everywhere(pair.spare());
  image.set(0, dmr::Entry::of(dmr::Block(1), 1, 0));
  image.seal(15);
  image.put(pair.spare(), 2);
  pair.must_open();
  assert_int_equal(pair.status().sequence, 16);
  assert_int_equal(pair.status().slots_used, 0);
  // Also one that a format overwrites.
  pair.must_open(Arguments().with_format());
  assert_int_equal(pair.status().sequence, 17);
}

// Two copies hold what a failed commit left, and are away for a boot that commits to the others. The
// numbers that they hold can't be seen; none of them may be given again.
void two_copies_away_for_a_boot_are_no_fork_when_they_are_back(void**) {
  Pair pair;
  Image image;
  image.seal(10);
  image.put_everywhere(pair.spare());
  image.set(0, dmr::Entry::of(dmr::Block(1), 1, 0));
  for (uint64_t sequence = 11; sequence < 20; ++sequence) {
    Pair boot(pair);
    image.seal(sequence);
    for (const uint32_t copy : {1u, 3u}) {
      image.put(boot.spare(), copy);
      boot.spare().inject(read_fault(dmr::kCopySector[copy], 48));
      boot.spare().inject(write_fault(dmr::kCopySector[copy], 48));
    }
    boot.must_open();
    assert_int_equal(boot.status().good_copies, 3);
    for (uint64_t n = 11; n < sequence; ++n) (void)dmr_engine_repair(boot.target->engine());
    boot.spare().heal();
    boot.reboot(CrashPolicy::kDropAll);
    assert_int_equal(boot.status().slots_used, 0);
    assert_int_equal(boot.status().good_copies, 5);
  }
}

// ---- What is read twice at open -----------------------------------------------------------------

Image labelled(const char* label) {
  Image image;
  strcpy(image.header.label, label);
  image.seal(kFirstSequence);
  return image;
}

// The winner's header, byte for byte, from whichever of its copies still reads; not one of the same
// state that differs in the rest.
void the_winners_header_is_read_from_another_of_its_copies(void**) {
  Pair pair;
  labelled("first").put_everywhere(pair.spare());
  labelled("other").put_header(pair.spare(), 1);
  Fault second = read_fault(0);
  second.spare_ios = 1;
  pair.spare().inject(second);
  pair.must_open();
  assert_string_equal(pair.status().label, "first");
}

// What changed between the two looks is not what was elected, be it whole or damaged.
void a_header_that_changed_after_the_election_is_not_taken(void**) {
  for (const bool whole : {true, false}) {
    Pair pair;
    Image image = labelled("first");
    image.put_everywhere(pair.spare());
    strcpy(image.header.label, "other");
    if (whole) image.seal(kFirstSequence);
    uint32_t looks = 0;
    pair.host.before_io = [&](const dmr_host::Io& io) {
      if (io.device == DMR_SPARE && io.kind == IoKind::kRead && io.sector == 0 && ++looks == 2)
        image.put_header(pair.spare(), 0);
    };
    pair.must_open();
    assert_true(looks >= 2);
    assert_string_equal(pair.status().label, "first");
    pair.host.before_io = nullptr;
  }
}

// Another pair's state, with the same table: if the winner can't be made the only one, a reboot may
// find the other.
void another_pairs_copy_is_a_rival(void**) {
  Pair pair;
  Image mine, others;
  mine.seal(kFirstSequence + 1);
  others.header.uuid[0] ^= 1;
  others.seal(kFirstSequence);
  for (uint32_t c = 0; c < dmr::kCopies; ++c) (c < 2 ? mine : others).put(pair.spare(), c);
  pair.spare().inject(write_fault(0, DMR_METADATA_SECTORS));
  pair.must_open();
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  assert_int_equal(pair.route(0, 8, DMR_WRITE).kind, DMR_PLACE_ERROR);
  assert_int_equal(pair.route(0, 8, DMR_READ).kind, DMR_PLACE_MAIN);
  pair.spare().heal();
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(pair.route(0, 8, DMR_WRITE).kind, DMR_PLACE_MAIN);
}

void a_sequence_that_can_not_be_followed_is_damage(void**) {
  Pair pair;
  Image image;
  image.seal(~uint64_t{0});
  image.put_everywhere(pair.spare());
  assert_int_equal(pair.open(), DMR_REFUSED_DAMAGED);
  assert_int_equal(pair.spare().writes(), 0);
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
      cmocka_unit_test(peer_12_five_equal_copies_in_their_places),
      cmocka_unit_test(peer_14_repair_mends_what_was_damaged_behind_its_back),
      cmocka_unit_test(repair_with_dead_copies_counts_the_others),
      cmocka_unit_test(repairs_that_fail_leave_two_whole_copies),
      cmocka_unit_test(repairs_are_counted_for_good),
      cmocka_unit_test(who_holds_the_present_state_is_written_last),
      cmocka_unit_test(an_open_that_agrees_writes_nothing),
      cmocka_unit_test(a_read_only_open_writes_nothing),
      cmocka_unit_test(an_adopted_main_is_not_forgotten_by_a_commit_that_failed),
      cmocka_unit_test(counters_last),
      cmocka_unit_test(settle_commits_counters_every_ten_minutes_at_most),
      cmocka_unit_test(a_sequence_of_a_copy_that_lost_is_skipped),
      cmocka_unit_test(two_copies_away_for_a_boot_are_no_fork_when_they_are_back),
      cmocka_unit_test(the_winners_header_is_read_from_another_of_its_copies),
      cmocka_unit_test(a_header_that_changed_after_the_election_is_not_taken),
      cmocka_unit_test(another_pairs_copy_is_a_rival),
      cmocka_unit_test(a_sequence_that_can_not_be_followed_is_damage),
  };
  return cmocka_run_group_tests_name("metadata", tests, nullptr, nullptr);
}
