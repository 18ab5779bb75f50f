// SPDX-License-Identifier: GPL-2.0
//
// Where a sector is: what map() asks when its region is marked. Any context, no lock, no write.
#include "engine.h"

namespace dmr {

// Linear over at most kBatchMax changes; there are none unless a commit has failed.
bool Engine::in_doubt(Block block, SectorMask mask) const {
  if (all_in_doubt_.load()) return true;
  const u32 count = doubts_.load();
  for (u32 i = 0; i < count; ++i) {
    if (staged_[i].block() == block && (staged_[i].affected() & mask) != 0) return true;
  }
  return false;
}

// The first run of sectors with one fate among those asked, all of one block.
Engine::Place Engine::place_in_block(u64 sector, u32 sectors, dmr_direction direction) const {
  const Block block = block_of(sector);
  const u32 first = static_cast<u32>(sector % DMR_BLOCK_SECTORS);
  const u32 count = min(sectors, DMR_BLOCK_SECTORS - first);
  const bool changes = direction != DMR_READ;
  if (changes && gate_.load() == block.value() + 1)
    return {direction == DMR_WRITE ? DMR_PLACE_WORKER : DMR_PLACE_NONE, 0, count};

  const Slot slot = index_.find(block);
  const Entry entry = slot == SlotIndex::kNone ? Entry::free() : table_.get(slot);
  const auto kind_at = [&](u32 s) {
    const SectorMask bit = mask_of(s, 1);
    if (changes && in_doubt(block, bit))
      return direction == DMR_WRITE ? DMR_PLACE_ERROR : DMR_PLACE_NONE;
    if (entry.on_main() & bit) return DMR_PLACE_MAIN;
    if (direction == DMR_DISCARD) return DMR_PLACE_NONE;
    if (entry.in_slot() & bit) return DMR_PLACE_SPARE;
    return direction == DMR_READ ? DMR_PLACE_ERROR : DMR_PLACE_WORKER;
  };
  const dmr_place_kind kind = kind_at(first);
  u32 run = 1;
  while (run < count && kind_at(first + run) == kind) ++run;
  const u64 place = kind == DMR_PLACE_MAIN    ? sector
                    : kind == DMR_PLACE_SPARE ? slot_sector(slot) + first
                                              : 0;
  return {kind, place, run};
}

void Engine::route(u64 sector, u32 sectors, dmr_direction direction, dmr_place& place) const {
  Place start = {DMR_PLACE_MAIN, sector, regions_.clear_from(sector, sectors)};
  if (start.sectors == 0) start = place_in_block(sector, sectors, direction);
  u32 done = start.sectors;
  while (done < sectors) {
    const u64 at = sector + done;
    if (start.kind == DMR_PLACE_MAIN) {
      // Regions without redirections need no look at their blocks.
      const u32 clear = regions_.clear_from(at, sectors - done);
      done += clear;
      if (clear != 0) continue;
    }
    const Place more = place_in_block(at, sectors - done, direction);
    const bool follows = start.kind == DMR_PLACE_SPARE ? more.sector == start.sector + done : true;
    if (more.kind != start.kind || !follows) break;
    done += more.sectors;
  }
  place.kind = start.kind;
  place.sector = start.sector;
  place.sectors = done;
}

}  // namespace dmr
