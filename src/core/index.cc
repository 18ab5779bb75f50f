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

void RegionMap::mark_region(u64 region) {
  __atomic_fetch_or(&words_[region / 64], u64{1} << (region % 64), __ATOMIC_RELEASE);
}

// I/O that begins in the region before may reach into the block's.
void RegionMap::mark(Block block) {
  const u64 region = first_sector(block) >> shift_;
  mark_region(region);
  if (region != 0) mark_region(region - 1);
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
  for (;;) {
    const u16 slot = __atomic_load_n(&cells_[cell], __ATOMIC_ACQUIRE);
    if (slot == kEmpty) return {{kNone, Entry::free()}, cell};
    const Entry entry = table_->get(Slot(slot));
    if (entry.block() == block) return {{Slot(slot), entry}, cell};
    cell = next(cell);
  }
}

SlotIndex::Found SlotIndex::find(Block block) const { return probe(block); }

void SlotIndex::put(Block block, Slot slot) {
  __atomic_store_n(&cells_[probe(block).cell], static_cast<u16>(slot.value()), __ATOMIC_RELEASE);
}

// Whether what is in @cell may move forward to @hole: its home does not lie between them.
bool SlotIndex::may_fill(u32 hole, u32 cell) const {
  const u32 at_home = home(table_->get(Slot(cells_[cell])).block());
  const u32 from_home = cell >= at_home ? cell - at_home : cell + count_ - at_home;
  const u32 from_hole = cell >= hole ? cell - hole : cell + count_ - hole;
  return from_home >= from_hole;
}

// Knuth vol. 3, 6.4, algorithm R, but a cell is copied forward first and becomes the next hole only
// when nobody can be on his way from one to the other.
void SlotIndex::remove(Block block, dmr_host* host) {
  u32 hole = probe(block).cell;
  DMR_ASSERT(cells_[hole] != kEmpty);
  for (;;) {
    u32 cell = next(hole);
    while (cells_[cell] != kEmpty && !may_fill(hole, cell)) cell = next(cell);
    __atomic_store_n(&cells_[hole], cells_[cell], __ATOMIC_RELEASE);
    if (cells_[cell] == kEmpty) return;
    dmr_host_drain(host);
    hole = cell;
  }
}

}  // namespace dmr
