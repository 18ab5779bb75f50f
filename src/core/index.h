// SPDX-License-Identifier: GPL-2.0
//
// From a block of main to its slot. Two structures in the arena:
//
//  - the region bitmap, which dmr_all_on_main() reads inline on every bio;
//  - an open-addressed hash table of slot numbers (linear probing, Knuth vol. 3, 6.4, algorithm L),
//    whose keys are the blocks in the table's own entries.
//
// One writer, the owner of the engine; readers in any context without a lock. Invariants that make
// that safe: an entry is stored before the cell that leads to it; a cell changes in one store; an
// entry that a reader may still reach keeps its block number until dmr_host_drain() has returned.
#pragma once

#include "format.h"

namespace dmr {

class Table {
 public:
  void attach(TableBlock* blocks) { blocks_ = blocks; }
  TableBlock* block(u32 index) { return &blocks_[index]; }
  const TableBlock* block(u32 index) const { return &blocks_[index]; }
  Entry get(Slot slot) const { return Entry(word(slot).load()); }
  void set(Slot slot, Entry entry) {
    blocks_[slot.value() / kEntriesPerTableBlock]
        .entries[slot.value() % kEntriesPerTableBlock]
        .store(entry.bits());
  }

 private:
  const Little<u64>& word(Slot slot) const {
    return blocks_[slot.value() / kEntriesPerTableBlock]
        .entries[slot.value() % kEntriesPerTableBlock];
  }
  TableBlock* blocks_ = nullptr;
};

class RegionMap {
 public:
  static constexpr u32 kBitsMax = 32 * 1024 * 8;
  // For a main of that size: the shift, and the 64-bit words that the bitmap takes.
  static u32 shift_for(u64 main_sectors);
  static u32 words_for(u64 main_sectors);

  void attach(u64* words, u64 main_sectors);
  dmr_region_map view() const { return {words_, shift_, DMR_SECTOR_BYTES << shift_}; }
  void mark(Block block);
  // ... and the blocks beside it, which are looked at more closely than others. @last: of main.
  void mark_around(Block block, Block last) {
    if (block.value() != 0) mark(Block(block.value() - 1));
    mark(block);
    if (block < last) mark(Block(block.value() + 1));
  }
  // Also while I/O is routed and others mark: words only gain bits.
  void mark_all(u64 main_sectors) {
    for (u32 i = 0; i < words_for(main_sectors); ++i)
      __atomic_store_n(&words_[i], ~u64{0}, __ATOMIC_RELEASE);
  }
  // While no I/O is routed.
  void clear(u64 main_sectors) { memset(words_, 0, words_for(main_sectors) * sizeof(u64)); }

 private:
  void mark_region(u64 region);

  u64* words_ = nullptr;
  u32 shift_ = 0;
};

class SlotIndex {
 public:
  static constexpr Slot kNone{0xffffffff};
  // At most half of the cells are ever taken: probes stay short.
  static constexpr u32 cells_for(u32 slots) { return 2 * slots; }

  void attach(u16* cells, u32 slots, const Table* table);
  void clear();
  struct Found {
    Slot slot;    // or kNone
    Entry entry;  // of the slot, as it was when it was found; free if there is none
  };
  // Where @block is. Any context.
  Found find(Block block) const;
  // Leads @block to @slot, whose entry is stored already; replaces an earlier slot of the block in
  // one step.
  void put(Block block, Slot slot);
  // Nothing leads to @block, which has a slot, any more. May drain, and so sleep.
  void remove(Block block, dmr_host* host);

 private:
  static constexpr u16 kEmpty = 0xffff;
  struct Hit : Found {
    u32 cell;  // the one that leads to the block, or the empty one where it would go
  };
  u32 next(u32 cell) const { return cell + 1 == count_ ? 0 : cell + 1; }
  bool may_fill(u32 hole, u32 cell) const;
  u32 home(Block block) const;
  Hit probe(Block block) const;

  u16* cells_ = nullptr;
  u32 count_ = 0;
  const Table* table_ = nullptr;
};

}  // namespace dmr
