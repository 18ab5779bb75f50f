// SPDX-License-Identifier: GPL-2.0
//
// Which slots are free, and in what order they are taken: never-used ones first, by number, then
// the one that has been free longest. (A freed slot still holds old data; the longer it rests, the
// later a stale reference to it could do harm, and wear spreads.)
//
// Owner only, but for the counts, which any context may read. Says nothing about what is durable:
// whoever takes a slot gives it back if the commit that should use it comes to nothing.
#pragma once

#include "format.h"
#include "index.h"

namespace dmr {

class Slots {
 public:
  void attach(u16* next) { next_ = next; }

  // Counts and queues from the table's entries. @touched as the header says.
  void load(const Table& table, u32 total, u32 touched) {
    total_.store(total);
    touched_ = touched;
    head_ = tail_ = kEnd;
    u32 used = 0, retired = 0, queued = 0;
    for (u32 s = 0; s < total; ++s) {
      const Entry entry = table.get(Slot(s));
      used += entry.is_used();
      retired += entry.is_retired();
      // A used slot beyond the mark can only come from damage that a CRC missed: stay clear of it.
      if (!entry.is_free() && s >= touched_) touched_ = s + 1;
    }
    for (u32 s = 0; s < touched_; ++s) {
      if (table.get(Slot(s)).is_free()) {
        push(static_cast<u16>(s));
        ++queued;
      }
    }
    used_.store(used);
    retired_.store(retired);
    free_.store(total - touched_ + queued);
  }

  // A free slot, or SlotIndex::kNone when the spare is full.
  Slot take() {
    u32 slot;
    if (touched_ < total_.load()) {
      slot = touched_++;
    } else if (head_ != kEnd) {
      slot = head_;
      head_ = next_[slot];
      if (head_ == kEnd) tail_ = kEnd;
    } else {
      return SlotIndex::kNone;
    }
    free_.add(~u32{0});
    return Slot(slot);
  }
  void give_back(Slot slot) {
    push(static_cast<u16>(slot.value()));
    free_.add(1);
  }
  // A committed entry changed from @before to @after: the counts follow.
  void count(Entry before, Entry after) {
    used_.add(u32{after.is_used()} - u32{before.is_used()});
    retired_.add(u32{after.is_retired()} - u32{before.is_retired()});
  }

  u32 total() const { return total_.load(); }
  u32 used() const { return used_.load(); }
  u32 retired() const { return retired_.load(); }
  u32 free() const { return free_.load(); }
  u32 touched() const { return touched_; }

 private:
  static constexpr u16 kEnd = 0xffff;

  void push(u16 slot) {
    next_[slot] = kEnd;
    if (tail_ == kEnd) {
      head_ = slot;
    } else {
      next_[tail_] = slot;
    }
    tail_ = slot;
  }

  u16* next_ = nullptr;  // of each queued slot, the one behind it
  u16 head_ = kEnd;
  u16 tail_ = kEnd;
  u32 touched_ = 0;
  Atomic<u32> total_, used_, retired_, free_;
};

}  // namespace dmr
