// SPDX-License-Identifier: GPL-2.0
//
// When the spare's volatile cache needs a flush, and what became of the last ones. A flush is left
// out only if one that began after the last completed write to the spare has completed well; a
// flush that failed makes the next one that the application asks for fail too.
//
// Any context, no lock. Starts dirty: what happened before is not known.
#pragma once

#include "base.h"
#include "dm_remap/core.h"

namespace dmr {

class SpareFlush {
 public:
  void reset() {
    written_.store(1);
    flushed_.store(0);
    failed_.store(0);
    failures_.store(0);
  }
  void written() { written_.add(1); }
  // What a flush that begins now will cover, if it ends well.
  u64 ticket() const { return written_.load(); }
  bool clean() const { return flushed_.load() >= written_.load(); }
  void end(u64 ticket, bool ok) {
    if (ok) {
      flushed_.raise(ticket);
    } else {
      failed_.store(1);
      failures_.add(1);
    }
  }
  // How many have failed so far.
  u32 failures() const { return failures_.load(); }
  // True once after a failure.
  bool take_failure() { return failed_.exchange(0) != 0; }

 private:
  Atomic<u64> written_;  // counts completed writes
  Atomic<u64> flushed_;  // the count that is known to be stable
  Atomic<u32> failed_;  // and the application has not been told
  Atomic<u32> failures_;
};

}  // namespace dmr
