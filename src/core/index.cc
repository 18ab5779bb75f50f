// SPDX-License-Identifier: GPL-2.0
#include "index.h"

namespace dmr {

u32 RegionMap::shift_for(u64 main_sectors) {
  u32 shift = 3;  // a region is at least a block
  while ((main_sectors >> shift) >= kBitsMax) ++shift;
  return shift;
}

u32 RegionMap::words_for(u64 main_sectors) {
  return static_cast<u32>((main_sectors >> shift_for(main_sectors)) / 64 + 1);
}

void RegionMap::attach(u64* words, u64 main_sectors) {
  words_ = words;
  shift_ = shift_for(main_sectors);
}

void RegionMap::mark(Block block) {
  const u64 region = first_sector(block) >> shift_;
  __atomic_fetch_or(&words_[region / 64], u64{1} << (region % 64), __ATOMIC_RELEASE);
}

void SlotIndex::attach(u16* cells, u32 slots, const Table* table) {
  cells_ = cells;
  count_ = cells_for(slots);
  table_ = table;
}

void SlotIndex::clear() {
  memset(cells_, 0xff, usize{count_} * sizeof *cells_);
}

// Fibonacci hashing (Knuth vol. 3, 6.4): neighbouring blocks spread well under one multiplication.
// The upper 32 bits are then scaled to the number of cells, which is no power of two.
u32 SlotIndex::home(Block block) const {
  return static_cast<u32>((block.value() * 0x9e3779b97f4a7c15ull >> 32) * count_ >> 32);
}

SlotIndex::Hit SlotIndex::probe(Block block) const {
  u32 cell = home(block);
  u32 reusable = count_;
  for (;;) {
    const u16 slot = __atomic_load_n(&cells_[cell], __ATOMIC_ACQUIRE);
    if (slot == kEmpty) return {reusable < count_ ? reusable : cell, kNone};
    if (slot == kRemoved) {
      if (reusable == count_) reusable = cell;
    } else if (table_->get(Slot(slot)).block() == block) {
      return {cell, Slot(slot)};
    }
    if (++cell == count_) cell = 0;
  }
}

Slot SlotIndex::find(Block block) const { return probe(block).slot; }

void SlotIndex::put(Block block, Slot slot) {
  __atomic_store_n(&cells_[probe(block).cell], static_cast<u16>(slot.value()), __ATOMIC_RELEASE);
}

void SlotIndex::remove(Block block) {
  const Hit hit = probe(block);
  DMR_ASSERT(!(hit.slot == kNone));
  u32 cell = hit.cell;
  const u32 next = cell + 1 == count_ ? 0 : cell + 1;
  if (__atomic_load_n(&cells_[next], __ATOMIC_RELAXED) != kEmpty) {
    __atomic_store_n(&cells_[cell], kRemoved, __ATOMIC_RELEASE);
    return;
  }
  // No probe goes on behind this cell, so it ends here, and so do removed ones before it.
  do {
    __atomic_store_n(&cells_[cell], kEmpty, __ATOMIC_RELEASE);
    cell = cell == 0 ? count_ - 1 : cell - 1;
  } while (__atomic_load_n(&cells_[cell], __ATOMIC_RELAXED) == kRemoved);
}

}  // namespace dmr
