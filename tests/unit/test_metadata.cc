// SPDX-License-Identifier: GPL-2.0
//
// The five copies: where they are, how they are repaired, what a commit carries, and which numbers it
// takes. Commits and formats that fail are in test_commit.cc.
#include <algorithm>

#include "support.h"

namespace test {
namespace {

constexpr uint64_t kFirstSequence = 7;

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

// A crafted one, at its very end: what could not be opened any more is not acknowledged.
void after_the_last_sequence_nothing_is_acknowledged(void**) {
  Pair pair;
  Image image;
  image.seal(dmr::kSequenceMax);
  image.put_everywhere(pair.spare());
  pair.prefill(0, 32);
  pair.main().inject(write_fault(0, 8));
  pair.must_open();
  assert_int_equal(pair.write(0, 1), DMR_STS_IOERR);
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  pair.reboot(CrashPolicy::kKeepAll);
  assert_int_equal(pair.status().slots_used, 0);
  pair.must_open(Arguments().with_format());
  assert_int_equal(pair.status().sequence, 1);
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.write(0, 1), DMR_STS_OK);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(peer_12_five_equal_copies_in_their_places),
      cmocka_unit_test(peer_14_repair_mends_what_was_damaged_behind_its_back),
      cmocka_unit_test(repair_with_dead_copies_counts_the_others),
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
      cmocka_unit_test(after_the_last_sequence_nothing_is_acknowledged),
  };
  return cmocka_run_group_tests_name("metadata", tests, nullptr, nullptr);
}
