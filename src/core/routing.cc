// SPDX-License-Identifier: GPL-2.0
//
// Where a sector is: what map() asks when its region is marked. Any context, no lock, no write.
#include "engine.h"

namespace dmr {

// The sectors of the block that are in doubt. Linear over at most kBatchMax changes.
SectorMask Engine::search_doubts(Block block) const {
  if (all_in_doubt_.load()) return kAllSectors;
  SectorMask mask = 0;
  const u32 count = doubts_.load();
  for (u32 i = 0; i < count; ++i) {
    if (staged_[i].block() == block) mask |= staged_[i].affected();
  }
  return mask;
}

// The first run of sectors with one fate among those asked, all of one block.
dmr_place Engine::place_in_block(u64 sector, u32 sectors, dmr_direction direction) const {
  const Block block = block_of(sector);
  const u32 first = static_cast<u32>(sector % DMR_BLOCK_SECTORS);
  const u32 count = min(sectors, DMR_BLOCK_SECTORS - first);
  const bool changes = direction != DMR_READ;
  if (changes && gate_.load() == block.value() + 1)
    return {direction == DMR_WRITE ? DMR_PLACE_WORKER : DMR_PLACE_NONE, 0, count, 0};

  const auto [slot, entry] = index_.find(block);
  const SectorMask doubt = changes ? in_doubt(block) : 0;
  const SectorMask on_main = entry.on_main() & ~doubt;
  const SectorMask in_slot = direction == DMR_DISCARD ? 0 : entry.in_slot() & ~doubt;
  // Those that the first sector shares its fate with, from it on.
  const auto run_of = [&](SectorMask same) {
    return min(count, static_cast<u32>(__builtin_ctz(~(u32{same} >> first))));
  };
  if (in_slot >> first & 1) return {DMR_PLACE_SPARE, slot_sector(slot) + first, run_of(in_slot), 0};
  if (on_main >> first & 1) return {DMR_PLACE_MAIN, sector, run_of(on_main), 0};
  const SectorMask rest = ~(on_main | in_slot);
  if (direction == DMR_DISCARD) return {DMR_PLACE_NONE, 0, run_of(rest), 0};
  if (direction == DMR_READ) return {DMR_PLACE_ERROR, 0, run_of(rest), 0};
  if (doubt >> first & 1) return {DMR_PLACE_ERROR, 0, run_of(doubt), 0};
  return {DMR_PLACE_WORKER, 0, run_of(rest & ~doubt), 0};
}

// A whole block that needs no closer look: it has no slot, and no change of it is under way.
bool Engine::is_plain(Block block, dmr_direction direction) const {
  if (direction != DMR_READ && (gate_.load() == block.value() + 1 || in_doubt(block) != 0))
    return false;
  return index_.find(block).slot == SlotIndex::kNone;
}

// As many of the sectors as have one fate and follow one another there.
dmr_place Engine::place_over_blocks(u64 sector, u32 sectors, dmr_direction direction) const {
  const dmr_region_map map = regions_.view();
  dmr_place place = {DMR_PLACE_MAIN, sector, dmr_clear_from(&map, sector, sectors), 0};
  if (place.sectors == 0) place = place_in_block(sector, sectors, direction);
  while (place.sectors < sectors) {
    const u64 at = sector + place.sectors;
    if (place.kind == DMR_PLACE_MAIN) {
      // Regions without redirections need no look at their blocks.
      const u32 clear = dmr_clear_from(&map, at, sectors - place.sectors);
      place.sectors += clear;
      if (clear != 0) continue;
      if (at % DMR_BLOCK_SECTORS == 0 && sectors - place.sectors >= DMR_BLOCK_SECTORS &&
          is_plain(block_of(at), direction)) {
        place.sectors += DMR_BLOCK_SECTORS;
        continue;
      }
    }
    const dmr_place more = place_in_block(at, sectors - place.sectors, direction);
    if (more.kind != place.kind) break;
    if (place.kind == DMR_PLACE_SPARE && more.sector != place.sector + place.sectors) break;
    place.sectors += more.sectors;
  }
  return place;
}

// Its sectors, or those of a block beside it, are not all on main. Regions in which that is so of any
// block are marked.
bool Engine::is_near(Block block) const {
  const auto has_slot = [&](u64 number) {
    return !(index_.find(Block(number)).slot == SlotIndex::kNone);
  };
  return has_slot(block.value()) || (block.value() != 0 && has_slot(block.value() - 1)) ||
         has_slot(block.value() + 1);
}

// Whether writes to main there are read back.
bool Engine::is_verified(Block block) const {
  const u32 mode = config_[DMR_CONFIG_VERIFY_WRITES].load();
  return mode == DMR_VERIFY_ALL || (mode == DMR_VERIFY_NEAR && is_near(block));
}

// The repair worker reads it back block by block, while other requests wait.
constexpr u32 kVerifiedSectorsMax = 512;

void Engine::choose_verify(u64 sector, dmr_place& place) const {
  const u32 mode = config_[DMR_CONFIG_VERIFY_WRITES].load();
  if (mode == DMR_VERIFY_OFF) return;
  const dmr_region_map map = regions_.view();
  // The first block is asked once: a slot beside it may come or go meanwhile, and some of it has to
  // have a place.
  place.verify = mode == DMR_VERIFY_ALL || is_near(block_of(sector));
  u32 count = DMR_BLOCK_SECTORS - static_cast<u32>(sector % DMR_BLOCK_SECTORS);
  while (mode == DMR_VERIFY_NEAR && count < place.sectors) {
    const u64 at = sector + count;
    // Where nothing is marked nothing is near.
    const u32 clear = place.verify ? 0 : dmr_clear_from(&map, at, place.sectors - count);
    if (clear == 0 && is_near(block_of(at)) != (place.verify != 0)) break;
    count += clear != 0 ? clear : DMR_BLOCK_SECTORS - static_cast<u32>(at % DMR_BLOCK_SECTORS);
  }
  if (mode == DMR_VERIFY_NEAR) place.sectors = min(place.sectors, count);
  if (place.verify) place.sectors = min(place.sectors, kVerifiedSectorsMax);
}

void Engine::route(u64 sector, u32 sectors, dmr_direction direction, dmr_place& place) const {
  const bool one_block = sector % DMR_BLOCK_SECTORS + sectors <= DMR_BLOCK_SECTORS;
  // In place: no copy is made on the way of each I/O here.
  new (&place) dmr_place(one_block ? place_in_block(sector, sectors, direction)
                                   : place_over_blocks(sector, sectors, direction));
  if (direction == DMR_WRITE && place.kind == DMR_PLACE_MAIN) choose_verify(sector, place);
  DMR_ASSERT(place.sectors != 0);
}

}  // namespace dmr
