// SPDX-License-Identifier: GPL-2.0
//
// The verdict at open: which of the states found in the five copies is the one to go on from.
// A pure function of what was read, so that a test can ask it about every state there is.
//
// The rules, and why simpler ones fail, are in docs/ON_DISK_FORMAT.md, "Opening".
#pragma once

#include "format.h"

namespace dmr {

// A copy as it was read: what its header says, if it verifies, and which table blocks it holds.
struct CopyView {
  HeaderKind kind = HeaderKind::kForeign;
  bool readable = false;  // the header's place could be read
  u32 header_crc = 0;
  // Of a valid header. Two headers with the same of these are the same candidate.
  u8 uuid[DMR_UUID_BYTES] = {};
  Sequence sequence;
  u32 tables_crc = 0;  // over the CRCs of the table blocks
  u32 table_blocks = 0;
  u32 slots = 0;
  // Every table block that the header lists was found, in whichever copy.
  bool complete = false;
  // ... and in this copy.
  bool complete_here = false;
};

enum class Judgement : u8 {
  kOpen,
  kSingle,   // one header verifies, and it is complete: opens only if accepted
  kFork,     // two candidates of one sequence have the same claim, and one may be acknowledged
  kDamaged,  // headers verify, but none of them is complete
  kNothing,  // no header verifies
};

struct Verdict {
  Judgement judgement = Judgement::kNothing;
  u32 winner = 0;  // a copy with the winning header; of kOpen and kSingle
  u32 votes = 0;   // copies with the winning header
  u32 headers = 0; // headers that verify
  Sequence highest;  // of all valid headers: the next commit takes one more
};

// Copies with one header that let a state be opened, and that a commit must reach: at most one copy
// is older than an acknowledged state.
inline constexpr u32 kOpenQuorum = 2;
inline constexpr u32 kWriteQuorum = 4;

// What a header that was read says; which table blocks there are is for the caller to find.
CopyView view_of(const Header& header);
bool same_candidate(const CopyView& a, const CopyView& b);
Verdict judge(const CopyView (&copies)[kCopies]);

}  // namespace dmr
