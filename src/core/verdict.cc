// SPDX-License-Identifier: GPL-2.0
#include "verdict.h"

namespace dmr {

CopyView view_of(const Header& header) {
  CopyView view;
  view.readable = true;
  view.kind = classify_header(header);
  if (view.kind != HeaderKind::kValid) return view;
  view.header_crc = header.crc.load();
  memcpy(view.uuid, header.uuid, sizeof view.uuid);
  view.sequence = Sequence(header.sequence.load());
  view.table_blocks = header.table_blocks.load();
  view.slots = header.slots.load();
  view.tables_crc = dmr_host_crc32(0, header.table_crc, sizeof header.table_crc);
  return view;
}

bool same_candidate(const CopyView& a, const CopyView& b) {
  return a.kind == HeaderKind::kValid && b.kind == HeaderKind::kValid &&
         a.sequence == b.sequence && a.tables_crc == b.tables_crc &&
         memcmp(a.uuid, b.uuid, sizeof a.uuid) == 0;
}

namespace {

u32 votes_for(const CopyView (&copies)[kCopies], u32 candidate) {
  u32 votes = 0;
  for (const CopyView& copy : copies) votes += same_candidate(copy, copies[candidate]);
  return votes;
}

// The highest complete candidate with at least @quorum votes; false if there is none.
bool elect(const CopyView (&copies)[kCopies], u32 quorum, Verdict& verdict) {
  bool found = false;
  bool fork = false;
  for (u32 i = 0; i < kCopies; ++i) {
    if (copies[i].kind != HeaderKind::kValid || !copies[i].complete) continue;
    const u32 votes = votes_for(copies, i);
    if (votes < quorum) continue;
    const CopyView& best = copies[verdict.winner];
    if (!found || best.sequence < copies[i].sequence) {
      verdict.winner = i;
      verdict.votes = votes;
      found = true;
      fork = false;
    } else if (best.sequence == copies[i].sequence && !same_candidate(best, copies[i])) {
      fork = true;
    }
  }
  if (found) verdict.judgement = fork ? Judgement::kFork : Judgement::kOpen;
  return found;
}

// Whether every other header that verifies is of a later state.
bool oldest_alone(const CopyView (&copies)[kCopies], u32 candidate) {
  for (u32 i = 0; i < kCopies; ++i) {
    if (i != candidate && copies[i].kind == HeaderKind::kValid &&
        !(copies[candidate].sequence < copies[i].sequence))
      return false;
  }
  return true;
}

// How many headers verify and are of no later state, itself included.
u32 not_later(const CopyView (&copies)[kCopies], u32 candidate) {
  u32 count = 0;
  for (const CopyView& copy : copies)
    count += copy.kind == HeaderKind::kValid && !(copies[candidate].sequence < copy.sequence);
  return count;
}

}  // namespace

Verdict judge(const CopyView (&copies)[kCopies]) {
  Verdict verdict;
  for (const CopyView& copy : copies) {
    if (copy.kind != HeaderKind::kValid) continue;
    ++verdict.headers;
    verdict.highest = max(verdict.highest, copy.sequence);
  }
  if (verdict.headers == 0) return verdict;
  if (elect(copies, kOpenQuorum, verdict)) return verdict;
  // At most one copy is older than the acknowledged state: of two that verify, the higher is not.
  if (elect(copies, 1, verdict)) {
    if (verdict.headers == 1) verdict.judgement = Judgement::kSingle;
    // But the only one of its age while all others are newer, and lack table blocks, may be the stale
    // one.
    if (verdict.headers > 1 && oldest_alone(copies, verdict.winner))
      verdict.judgement = Judgement::kDamaged;
    // Boots that do not see each other's copies may give a number twice. Were one of these states
    // acknowledged, at most one copy that is not later would lack it; so any of them will do.
    if (verdict.judgement == Judgement::kFork && not_later(copies, verdict.winner) > 2)
      verdict.judgement = Judgement::kOpen;
    return verdict;
  }
  verdict.judgement = Judgement::kDamaged;
  return verdict;
}

}  // namespace dmr
