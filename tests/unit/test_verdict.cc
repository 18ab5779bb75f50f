// SPDX-License-Identifier: GPL-2.0
//
// Which state wins at open: every state of five copies against a reference that was written from
// the rules of the on-disk format, then a great part of them on real images.
//
// The model of a copy. There are four candidates: sequence 1, sequences 2A and 2B (the same number,
// other tables), and sequence 3. Each has a table of two blocks: block 0 is the candidate's own,
// block 1 is the same in all of them. A copy is absent, or it has the header or a broken header of
// one candidate and its two table blocks, of which one may be damaged.
#include <algorithm>
#include <set>

#include "core/verdict.h"
#include "support.h"

namespace test {
namespace {

constexpr uint32_t kCandidates = 4;
constexpr uint64_t kSequenceOf[kCandidates] = {1, 2, 2, 3};
constexpr uint32_t k1 = 0, k2A = 1, k2B = 2, k3 = 3;

enum class Damage : uint8_t { kNone, kHeader, kBlock0, kBlock1 };

struct CopyModel {
  bool present = false;
  uint32_t candidate = 0;
  Damage damage = Damage::kNone;

  bool header() const { return present && damage != Damage::kHeader; }
  bool block0() const { return present && damage != Damage::kBlock0; }
  bool block1() const { return present && damage != Damage::kBlock1; }
};

constexpr uint32_t kCopyStates = 1 + kCandidates * 4;

CopyModel copy_state(uint32_t number) {
  if (number == 0) return {};
  return {true, (number - 1) / 4, static_cast<Damage>((number - 1) % 4)};
}

using Model = std::array<CopyModel, 5>;

// ---- The reference ------------------------------------------------------------------------------

enum class Expected : uint8_t { kOpens, kSingle, kFork, kDamaged, kNothing };

struct Reference {
  Expected what = Expected::kNothing;
  uint32_t candidate = 0;
  uint32_t headers = 0;
  uint32_t votes = 0;
  uint64_t highest = 0;
};

// A candidate is a header that verifies and all of whose table blocks can be found, each in
// whichever copy holds it.
bool complete(const Model& model, uint32_t candidate) {
  bool own = false, common = false;
  for (const CopyModel& copy : model) {
    own |= copy.block0() && copy.candidate == candidate;
    common |= copy.block1();
  }
  return own && common;
}

Reference reference(const Model& model) {
  Reference result;
  uint32_t votes[kCandidates] = {};
  for (const CopyModel& copy : model) {
    if (!copy.header()) continue;
    ++result.headers;
    ++votes[copy.candidate];
    result.highest = std::max(result.highest, kSequenceOf[copy.candidate]);
  }
  if (result.headers == 0) return result;
  // The highest candidate with 2 votes; if there is none, the highest with any.
  for (const uint32_t quorum : {2u, 1u}) {
    std::vector<uint32_t> best;
    for (uint32_t c = 0; c < kCandidates; ++c) {
      if (votes[c] < quorum || !complete(model, c)) continue;
      if (!best.empty() && kSequenceOf[best[0]] < kSequenceOf[c]) best.clear();
      best.push_back(c);
    }
    if (best.empty()) continue;
    result.what = best.size() > 1 ? Expected::kFork : Expected::kOpens;
    if (quorum == 1 && result.headers == 1) result.what = Expected::kSingle;
    // A lone copy of which all others are newer may be the stale one.
    uint32_t newer = 0;
    for (const CopyModel& copy : model)
      newer += copy.header() && kSequenceOf[copy.candidate] > kSequenceOf[best[0]];
    if (quorum == 1 && newer != 0 && newer == result.headers - 1) result.what = Expected::kDamaged;
    result.candidate = best[0];
    // States of one vote each, none acknowledged as two copies lack each of them: the first copy's.
    if (quorum == 1 && best.size() > 1 && result.headers - newer >= 3) {
      result.what = Expected::kOpens;
      for (uint32_t i = dmr::kCopies; i-- > 0;) {
        if (!model[i].header()) continue;
        for (const uint32_t c : best)
          if (model[i].candidate == c) result.candidate = c;
      }
    }
    result.votes = votes[result.candidate];
    return result;
  }
  result.what = Expected::kDamaged;
  return result;
}

// ---- The pure function --------------------------------------------------------------------------

void view_of(const Model& model, dmr::CopyView (&views)[5]) {
  bool whole[kCandidates];
  for (uint32_t c = 0; c < kCandidates; ++c) whole[c] = complete(model, c);
  for (uint32_t i = 0; i < 5; ++i) {
    const CopyModel& copy = model[i];
    dmr::CopyView& view = views[i];
    view = dmr::CopyView{};
    view.readable = copy.present;
    if (!copy.present) continue;
    view.kind = copy.header() ? dmr::HeaderKind::kValid : dmr::HeaderKind::kDamaged;
    if (!copy.header()) continue;
    view.header_crc = 1000 + copy.candidate;
    view.tables_crc = 2000 + copy.candidate;
    view.sequence = dmr::Sequence(kSequenceOf[copy.candidate]);
    view.table_blocks = 2;
    view.slots = 1000;
    view.complete = whole[copy.candidate];
    view.complete_here = copy.damage == Damage::kNone;
  }
}

Expected word_of(dmr::Judgement judgement) {
  switch (judgement) {
    case dmr::Judgement::kOpen:
      return Expected::kOpens;
    case dmr::Judgement::kSingle:
      return Expected::kSingle;
    case dmr::Judgement::kFork:
      return Expected::kFork;
    case dmr::Judgement::kDamaged:
      return Expected::kDamaged;
    case dmr::Judgement::kNothing:
      break;
  }
  return Expected::kNothing;
}

Model model_of(uint32_t number) {
  Model model;
  for (CopyModel& copy : model) {
    copy = copy_state(number % kCopyStates);
    number /= kCopyStates;
  }
  return model;
}

void every_state_of_five_copies(void**) {
  uint32_t all = 1;
  for (int i = 0; i < 5; ++i) all *= kCopyStates;
  uint64_t seen[5] = {};
  for (uint32_t number = 0; number < all; ++number) {
    const Model model = model_of(number);
    const Reference expected = reference(model);
    dmr::CopyView views[5];
    view_of(model, views);
    const dmr::Verdict verdict = dmr::judge(views);
    const Expected found = word_of(verdict.judgement);
    ++seen[static_cast<uint32_t>(found)];
    CHECK(found == expected.what, "state %u: %u, not %u", number, static_cast<uint32_t>(found),
          static_cast<uint32_t>(expected.what));
    CHECK(verdict.headers == expected.headers, "state %u", number);
    CHECK(verdict.highest.value() == expected.highest, "state %u", number);
    if (found != Expected::kOpens && found != Expected::kSingle) continue;
    const CopyModel& winner = model[verdict.winner];
    CHECK(winner.header() && winner.candidate == expected.candidate, "state %u", number);
    CHECK(verdict.votes == expected.votes, "state %u", number);
  }
  for (const uint64_t count : seen) assert_true(count > 0);
}

void candidates_are_told_apart(void**) {
  dmr::CopyView a, b;
  a.kind = b.kind = dmr::HeaderKind::kValid;
  a.sequence = b.sequence = dmr::Sequence(5);
  a.tables_crc = b.tables_crc = 7;
  assert_true(dmr::same_candidate(a, b));
  b.tables_crc = 8;
  assert_false(dmr::same_candidate(a, b));
  b.tables_crc = 7;
  b.sequence = dmr::Sequence(6);
  assert_false(dmr::same_candidate(a, b));
  b.sequence = a.sequence;
  b.uuid[15] = 1;
  assert_false(dmr::same_candidate(a, b));
  b.uuid[15] = 0;
  b.kind = dmr::HeaderKind::kDamaged;
  assert_false(dmr::same_candidate(a, b));
  a.kind = b.kind;
  assert_false(dmr::same_candidate(a, b));
}

// ---- On images ----------------------------------------------------------------------------------

// The candidates as images: in block 0 of the table, each redirects a block of its own; block 1 is
// the same in all. (Tables of 5 blocks; the other three are the same, too.)
struct Images {
  Images() {
    for (uint32_t c = 0; c < kCandidates; ++c) {
      Image image;
      image.set(0, dmr::Entry::of(dmr::Block(100 + c), 0x01, 0));
      image.set(600, dmr::Entry::of(dmr::Block(200), 0x01, 0));
      image.seal(kSequenceOf[c]);
      images.push_back(image);
    }
  }

  void put(SimDisk& spare, uint32_t copy, const CopyModel& state) const {
    if (!state.present) return;
    images[state.candidate].put(spare, copy);
    const uint64_t at = dmr::kCopySector[copy];
    // In a sector of its own for each copy, so that no two damages are alike.
    if (state.damage == Damage::kHeader) spare.flip_bit(at + copy, 60 + copy);
    if (state.damage == Damage::kBlock0) spare.flip_bit(at + 8 + copy, 60 + copy);
    if (state.damage == Damage::kBlock1) spare.flip_bit(at + 16 + copy, 60 + copy);
  }

  std::vector<Image> images;
};

SimHost host_with(const Images& images, const Model& model) {
  SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
  for (uint32_t i = 0; i < 5; ++i) images.put(host.spare, i, model[i]);
  return host;
}

dmr_refusal refusal_of(Expected expected, bool accept_single) {
  switch (expected) {
    case Expected::kOpens:
      return DMR_ACCEPTED;
    case Expected::kSingle:
      return accept_single ? DMR_ACCEPTED : DMR_REFUSED_SINGLE_COPY;
    case Expected::kFork:
      return DMR_REFUSED_FORK;
    case Expected::kDamaged:
    case Expected::kNothing:
      break;
  }
  return DMR_REFUSED_DAMAGED;
}

// The candidate that a target serves, by the block that it redirects.
uint32_t served(const SimTarget& target) {
  for (uint32_t c = 0; c < kCandidates; ++c) {
    if (!target.list((100 + c) * 8, 8).empty()) return c;
  }
  return kCandidates;
}

bool all_agree(const Model& model) {
  return std::all_of(model.begin(), model.end(), [&](const CopyModel& copy) {
    return copy.present && copy.damage == Damage::kNone && copy.candidate == model[0].candidate;
  });
}

void open_and_compare(const Images& images, const Model& model) {
  const Reference expected = reference(model);
  const bool nothing_at_all =
      std::none_of(model.begin(), model.end(), [](const CopyModel& copy) { return copy.present; });
  if (nothing_at_all) return;  // a blank spare: test_engine
  for (const bool accept_single : {false, true}) {
    if (accept_single && expected.what != Expected::kSingle) continue;
    SimHost host = host_with(images, model);
    const uint64_t writes = host.spare.writes();
    SimTarget target(host);
    Arguments arguments;
    if (accept_single) arguments.with_single_copy();
    const dmr_refusal refusal = target.open(arguments);
    CHECK(refusal == refusal_of(expected.what, accept_single), "%s", dmr_refusal_text(refusal));
    assert_int_equal(target.report().headers_valid, expected.headers);
    if (refusal != DMR_ACCEPTED) {
      assert_int_equal(host.spare.writes(), writes);
      continue;
    }
    assert_int_equal(target.report().votes, expected.votes);
    assert_int_equal(served(target), expected.candidate);
    assert_int_equal(target.list().size(), 2);
    assert_int_equal(target.status().good_copies, 5);
    assert_int_equal(target.status().sequence,
                     all_agree(model) ? expected.highest : expected.highest + 1);
    // And so it is, in five copies, after a power cut.
    std::mt19937_64 rng(1);
    host.spare.crash(CrashPolicy::kDropAll, rng);
    SimTarget again(host);
    assert_int_equal(again.open(), DMR_ACCEPTED);
    assert_int_equal(served(again), expected.candidate);
    assert_int_equal(again.report().votes, 5);
  }
}

// 12 of the 17 states of a copy; of their combinations every 37th is opened, 6,725 of them.
void many_states_of_five_copies_on_images(void**) {
  const Images images;
  const CopyModel kStates[] = {
      {},
      {true, k3, Damage::kNone},
      {true, k3, Damage::kHeader},
      {true, k3, Damage::kBlock0},
      {true, k3, Damage::kBlock1},
      {true, k2A, Damage::kNone},
      {true, k2A, Damage::kHeader},
      {true, k2A, Damage::kBlock0},
      {true, k2B, Damage::kNone},
      {true, k2B, Damage::kBlock1},
      {true, k1, Damage::kNone},
      {true, k1, Damage::kBlock0},
  };
  constexpr uint32_t kCount = sizeof kStates / sizeof kStates[0];
  uint32_t all = 1;
  for (int i = 0; i < 5; ++i) all *= kCount;
  for (uint32_t number = 0; number < all; number += 37) {
    Model model;
    uint32_t rest = number;
    for (CopyModel& copy : model) {
      copy = kStates[rest % kCount];
      rest /= kCount;
    }
    open_and_compare(images, model);
  }
}

// ---- The rows of "found at open", by name -------------------------------------------------------

constexpr CopyModel kAbsent{};
constexpr CopyModel whole(uint32_t candidate) {
  return {true, candidate, Damage::kNone};
}
constexpr CopyModel broken(uint32_t candidate, Damage damage) {
  return {true, candidate, damage};
}

// In every order of the copies.
void expect(Model model, Expected what, uint32_t candidate = kCandidates) {
  const Images images;
  std::array<uint32_t, 5> order = {0, 1, 2, 3, 4};
  do {
    Model permuted;
    for (uint32_t i = 0; i < 5; ++i) permuted[i] = model[order[i]];
    const Reference expected = reference(permuted);
    assert_true(expected.what == what);
    if (candidate != kCandidates) assert_int_equal(expected.candidate, candidate);
    open_and_compare(images, permuted);
  } while (std::next_permutation(order.begin(), order.end()));
}

void row_five_four_three_or_two_votes_for_the_highest(void**) {
  for (uint32_t votes = 2; votes <= 5; ++votes) {
    Model absent, older;
    for (uint32_t i = 0; i < 5; ++i) {
      absent[i] = i < votes ? whole(k3) : kAbsent;
      older[i] = i < votes ? whole(k3) : whole(k2A);
    }
    expect(absent, Expected::kOpens, k3);
    expect(older, Expected::kOpens, k3);
  }
}

void row_two_new_one_torn_two_old(void**) {
  for (const Damage damage : {Damage::kHeader, Damage::kBlock0})
    expect({whole(k3), whole(k3), broken(k3, damage), whole(k2A), whole(k2A)}, Expected::kOpens,
           k3);
}

void row_one_new_four_old_is_a_crash_in_a_commit(void**) {
  expect({whole(k3), whole(k2A), whole(k2A), whole(k2A), whole(k2A)}, Expected::kOpens, k2A);
  // The number that lost is skipped: open_and_compare() asks for highest + 1.
}

void row_one_new_one_old_three_damaged(void**) {
  for (const Damage damage : {Damage::kHeader, Damage::kNone}) {
    const CopyModel bad = damage == Damage::kNone ? kAbsent : broken(k2A, damage);
    expect({whole(k3), whole(k2A), bad, bad, bad}, Expected::kOpens, k3);
  }
}

void row_two_new_headers_whose_table_block_is_nowhere_two_old(void**) {
  expect(
      {broken(k3, Damage::kBlock0), broken(k3, Damage::kBlock0), whole(k2A), whole(k2A), kAbsent},
      Expected::kOpens, k2A);
  // Its number is skipped all the same; and the block may lie beside a broken header.
  expect({broken(k3, Damage::kBlock0), broken(k3, Damage::kBlock0), whole(k2A), whole(k2A),
          broken(k3, Damage::kHeader)},
         Expected::kOpens, k3);
}

void row_every_copy_damaged_in_a_different_place(void**) {
  // Two headers and each table block are left, all in different copies.
  expect({broken(k3, Damage::kHeader), broken(k3, Damage::kHeader), broken(k3, Damage::kHeader),
          broken(k3, Damage::kBlock0), broken(k3, Damage::kBlock1)},
         Expected::kOpens, k3);
  // Each of the five table blocks is damaged in another copy.
  const Images images;
  SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
  for (uint32_t c = 0; c < 5; ++c) {
    images.images[k3].put(host.spare, c);
    host.spare.flip_bit(table_block_sector(c, c) + c, 10);
  }
  SimTarget target(host);
  assert_int_equal(target.open(), DMR_ACCEPTED);
  assert_int_equal(served(target), k3);
  assert_int_equal(target.status().good_copies, 5);
  assert_int_equal(target.status().repairs, 5);
}

void row_one_header_verifies(void**) {
  expect({whole(k3), broken(k3, Damage::kHeader), kAbsent, broken(k2A, Damage::kHeader), kAbsent},
         Expected::kSingle, k3);
  // Its blocks may lie elsewhere.
  expect({broken(k3, Damage::kBlock0), broken(k3, Damage::kHeader), kAbsent, kAbsent, kAbsent},
         Expected::kSingle, k3);
  expect({broken(k3, Damage::kBlock0), kAbsent, kAbsent, kAbsent, kAbsent}, Expected::kDamaged);
}

void row_none_verifies(void**) {
  const CopyModel bad = broken(k3, Damage::kHeader);
  expect({bad, bad, bad, bad, bad}, Expected::kNothing);
  expect({bad, kAbsent, kAbsent, kAbsent, kAbsent}, Expected::kNothing);
}

void row_fork(void**) {
  expect({whole(k2A), whole(k2A), whole(k2B), whole(k2B), kAbsent}, Expected::kFork);
  expect({whole(k2A), whole(k2A), whole(k2B), whole(k2B), whole(k1)}, Expected::kFork);
  expect({whole(k2A), whole(k2A), whole(k2B), whole(k2B), whole(k3)}, Expected::kFork);
  // None of these is one.
  expect({whole(k2A), whole(k2A), whole(k2A), whole(k2B), kAbsent}, Expected::kOpens, k2A);
  expect(
      {whole(k2A), whole(k2A), broken(k2B, Damage::kBlock0), broken(k2B, Damage::kBlock0), kAbsent},
      Expected::kOpens, k2A);
  // One vote each and nothing else: there is no telling either, nor with what was begun later.
  expect({whole(k2A), whole(k2B), kAbsent, kAbsent, kAbsent}, Expected::kFork);
  expect({whole(k2A), whole(k2B), broken(k3, Damage::kBlock0), kAbsent, kAbsent}, Expected::kFork);
  // But two copies without it say that neither was acknowledged.
  expect({whole(k2A), whole(k2B), whole(k1), kAbsent, kAbsent}, Expected::kOpens);
}

// A header of one sequence that a later commit repeats with the same tables is no other state.
void one_sequence_with_the_same_tables_is_no_fork(void**) {
  Image image;
  image.set(0, dmr::Entry::of(dmr::Block(100), 0x01, 0));
  image.header.committed_seconds.store(1000);
  image.seal(5);
  SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
  image.put(host.spare, 0);
  image.put(host.spare, 1);
  image.header.committed_seconds.store(2000);
  image.seal(5);
  image.put(host.spare, 2);
  image.put(host.spare, 3);
  image.put(host.spare, 4);
  SimTarget target(host);
  assert_int_equal(target.open(), DMR_ACCEPTED);
  assert_int_equal(served(target), 0);
}

// A mark with fewer than two votes beside it is an interrupted format; with two it is outvoted.
void row_mark(void**) {
  const Images images;
  dmr::FormatMark mark;
  dmr::make_mark(mark);
  for (uint32_t votes = 0; votes <= 4; ++votes) {
    for (const bool uuid : {false, true}) {
      SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
      for (uint32_t c = 1; c <= votes; ++c) images.images[k3].put(host.spare, c);
      host.spare.poke(0, 1, &mark);
      SimTarget target(host);
      Arguments arguments;
      if (uuid) arguments.with_uuid(images.images[k3].header.uuid);
      const dmr_refusal refusal = target.open(arguments);
      if (votes >= 2) {
        assert_int_equal(refusal, DMR_ACCEPTED);
        assert_int_equal(served(target), k3);
      } else if (uuid) {
        assert_int_equal(refusal, DMR_REFUSED_BLANK_WITH_UUID);
        assert_int_equal(host.spare.writes(), 0);
      } else {
        assert_int_equal(refusal, DMR_ACCEPTED);
        assert_int_equal(target.status().slots_used, 0);
        assert_int_equal(host.events_of(DMR_EVENT_FORMATTED), 1);
      }
    }
  }
  // A mark that does not verify is damage.
  SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
  host.spare.poke(0, 1, &mark);
  host.spare.flip_bit(0, 300);
  SimTarget target(host);
  assert_int_equal(target.open(), DMR_REFUSED_DAMAGED);
}

// Peer defect 13: a first copy that is bad, unreadable or older does not matter.
void peer_13_the_first_copy_is_no_better_than_others(void**) {
  const Images images;
  for (const CopyModel& first :
       {kAbsent, whole(k1), whole(k2A), broken(k3, Damage::kHeader), broken(k3, Damage::kBlock0)})
    open_and_compare(images, {first, whole(k3), whole(k3), whole(k3), whole(k3)});
  SimHost host = host_with(images, {whole(k3), whole(k3), whole(k3), whole(k3), whole(k3)});
  host.spare.inject(read_fault(0, 8));
  SimTarget target(host);
  assert_int_equal(target.open(), DMR_ACCEPTED);
  assert_int_equal(served(target), k3);
}

// Copies that can't be read for one boot, then can again.
void copies_unreadable_for_one_boot(void**) {
  const Images images;
  for (uint32_t a = 0; a < 5; ++a) {
    for (uint32_t b = 0; b < 5; ++b) {
      SimHost host = host_with(images, {whole(k3), whole(k3), whole(k3), whole(k3), whole(k3)});
      host.spare.inject(read_fault(dmr::kCopySector[a], 1024));
      host.spare.inject(read_fault(dmr::kCopySector[b], 1024));
      {
        SimTarget target(host);
        assert_int_equal(target.open(), DMR_ACCEPTED);
        assert_int_equal(served(target), k3);
        assert_int_equal(target.status().state,
                         a == b ? DMR_STATE_DEGRADED : DMR_STATE_METADATA_RO);
      }
      host.spare.heal();
      SimTarget target(host);
      assert_int_equal(target.open(), DMR_ACCEPTED);
      assert_int_equal(served(target), k3);
      assert_int_equal(target.status().good_copies, 5);
    }
  }
}

// Whichever read fails, once: the other copies are there.
void every_read_of_an_open_failing(void**) {
  const Images images;
  const Model model = {whole(k3), whole(k3), whole(k3), whole(k2A), whole(k2A)};
  bool all = false;
  for (uint64_t n = 0; !all; ++n) {
    SimHost host = host_with(images, model);
    Fault fault = read_fault(0, DMR_METADATA_SECTORS);
    fault.spare_ios = n;
    fault.times = 1;
    host.spare.inject(fault);
    SimTarget target(host);
    assert_int_equal(target.open(), DMR_ACCEPTED);
    assert_int_equal(served(target), k3);
    assert_true(target.status().good_copies >= 4);
    all = host.spare.reads() <= n;
  }
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_state_of_five_copies),
      cmocka_unit_test(candidates_are_told_apart),
      cmocka_unit_test(many_states_of_five_copies_on_images),
      cmocka_unit_test(row_five_four_three_or_two_votes_for_the_highest),
      cmocka_unit_test(row_two_new_one_torn_two_old),
      cmocka_unit_test(row_one_new_four_old_is_a_crash_in_a_commit),
      cmocka_unit_test(row_one_new_one_old_three_damaged),
      cmocka_unit_test(row_two_new_headers_whose_table_block_is_nowhere_two_old),
      cmocka_unit_test(row_every_copy_damaged_in_a_different_place),
      cmocka_unit_test(row_one_header_verifies),
      cmocka_unit_test(row_none_verifies),
      cmocka_unit_test(row_fork),
      cmocka_unit_test(one_sequence_with_the_same_tables_is_no_fork),
      cmocka_unit_test(row_mark),
      cmocka_unit_test(peer_13_the_first_copy_is_no_better_than_others),
      cmocka_unit_test(copies_unreadable_for_one_boot),
      cmocka_unit_test(every_read_of_an_open_failing),
  };
  return cmocka_run_group_tests_name("verdict", tests, nullptr, nullptr);
}
