// SPDX-License-Identifier: GPL-2.0
//
// Moving sectors of one block between main, its slot and the bounce buffer, and finding a slot for
// them. Nothing here changes where map() looks: changes are staged (batch.cc).
#include "engine.h"

namespace dmr {
namespace {

// Slots tried for one block before those that failed are retired by a commit.
constexpr u32 kSlotTries = kChangesPerPiece - 2;
// Slots that fail in a row before the spare as a whole is taken to be at fault.
constexpr u32 kSlotsFailingMax = 64;

}  // namespace

Engine::ReadResult Engine::read_sectors(dmr_device device, u64 block_sector, SectorMask mask,
                                        u32 retries, bool failed_once) {
  ReadResult result;
  const u32 logical = geometry_.main_logical_sectors;
  const auto read = [&](u32 first, u32 count) {
    return status_of(dmr_host_read(host_, device, block_sector + first, count,
                                   bounce_ + first * DMR_SECTOR_BYTES));
  };
  const auto read_one = [&](u32 first, bool failed, u32 tries) {
    const SectorMask bits = mask_of(first, logical);
    while (tries-- != 0) {
      const Status status = read(first, logical);
      if (status == Status::kOk) {
        result.good |= bits;
        if (failed) {
          result.weak |= bits;
          if (device == DMR_MAIN) scanner_.note_retry();
        }
        return;
      }
      if (status == Status::kDevice) {
        result.device = true;
        return;
      }
      failed = true;
    }
    result.bad |= bits;
  };
  for_each_run(mask, [&](u32 first, u32 count) {
    if (count == logical) {
      // Alone: if the request that failed was no larger, this is the one that failed.
      read_one(first, failed_once, failed_once ? retries : 1 + retries);
      return;
    }
    const Status whole = read(first, count);
    if (whole == Status::kOk) result.good |= mask_of(first, count);
    if (whole == Status::kDevice) result.device = true;
    if (whole != Status::kMedium) return;
    for (u32 s = first; s < first + count; s += logical) read_one(s, false, 1 + retries);
  });
  return result;
}

Engine::WriteResult Engine::write_main(Block block, SectorMask mask, bool failed_once) {
  WriteResult result;
  const u32 logical = geometry_.main_logical_sectors;
  const auto write = [&](u32 first, u32 count) {
    const Status status = status_of(dmr_host_write(host_, DMR_MAIN, first_sector(block) + first,
                                                   count, bounce_ + first * DMR_SECTOR_BYTES, 1));
    result.device |= status == Status::kDevice;
    return status;
  };
  for_each_run(mask, [&](u32 first, u32 count) {
    if (write(first, count) != Status::kMedium) return;
    // Once alone is enough if it has failed among others before.
    const bool tried_twice = count == logical && failed_once;
    for (u32 s = first; s < first + count; s += logical) {
      if (tried_twice || write(s, logical) == Status::kMedium) result.bad |= mask_of(s, logical);
    }
  });
  return result;
}

Engine::WriteResult Engine::unlike_main(Block block, SectorMask mask) {
  WriteResult result;
  const u32 logical = geometry_.main_logical_sectors;
  const auto unlike = [&](u32 first, u32 count) {
    const usize at = usize{first} * DMR_SECTOR_BYTES;
    const Status status = status_of(dmr_host_read(host_, DMR_MAIN, first_sector(block) + first,
                                                  count, scratch_ + at));
    result.device |= status == Status::kDevice;
    return status == Status::kMedium ||
           (status == Status::kOk &&
            memcmp(scratch_ + at, bounce_ + at, usize{count} * DMR_SECTOR_BYTES) != 0);
  };
  for_each_run(mask, [&](u32 first, u32 count) {
    if (!unlike(first, count)) return;
    for (u32 s = first; s < first + count; s += logical) {
      if (unlike(s, logical)) result.bad |= mask_of(s, logical);
    }
  });
  return result;
}

// From the bounce buffer. Stops at the first failure.
Status Engine::write_slot(Slot slot, SectorMask mask, bool fua) {
  Status status = Status::kOk;
  for_each_run(mask, [&](u32 first, u32 count) {
    if (status != Status::kOk) return;
    status = status_of(dmr_host_write(host_, DMR_SPARE, slot_sector(slot) + first, count,
                                      bounce_ + first * DMR_SECTOR_BYTES, fua));
    flush_.written();
  });
  return status;
}

// From here to the end of the batch the application's writes to the block wait, and none is under
// way: what is read of it now is what it holds.
void Engine::close_gate(Block block) {
  gate_.store(block.value() + 1);
  regions_.mark(block);
  dmr_host_drain(host_);
}

Engine::Taken Engine::place(const Piece& piece, SectorMask fresh, SectorMask all, Entry wanted,
                            bool give_up) {
  if (piece.slot == SlotIndex::kNone) return take_slot(piece, all, wanted);
  if (!give_up && !suspect(piece.slot)) {
    const Status status = write_slot(piece.slot, fresh, false);
    if (status == Status::kDevice) return Taken::kNo;
    if (status == Status::kOk) {
      stage_written(stage(piece.slot, piece.entry, wanted), fresh);
      return Taken::kYes;
    }
  }
  // The slot is given up: the rest of what it holds moves too, or is dead.
  close_gate(piece.block);
  const ReadResult rest = read_sectors(DMR_SPARE, slot_sector(piece.slot),
                                       wanted.in_slot() & ~all, 1, false);
  if (rest.device) return Taken::kNo;
  return take_slot(piece, all | rest.good,
                   Entry::of(piece.block, wanted.spare_mask(), wanted.lost_mask() | rest.bad));
}

u32 Engine::recent_remaps() {
  // Whoever had remapping resumed has looked at what was before.
  if (forgive_burst_.exchange(0) != 0) burst_.reset();
  return burst_.count(dmr_host_uptime(host_), config_[DMR_CONFIG_REMAP_BURST_SECONDS].load());
}

// Puts the bounce buffer's sectors @mask into a free slot, and stages @wanted for it and the end of
// the block's former slot, if it had one. Slots that fail on the way are retired.
Engine::Taken Engine::take_slot(const Piece& piece, SectorMask mask, Entry wanted) {
  const bool new_block = piece.slot == SlotIndex::kNone;
  if (new_block && !by_message_ && new_blocks_ + recent_remaps() >=
                                       config_[DMR_CONFIG_REMAP_BURST].load()) {
    enter_main_failed();
    return Taken::kNo;
  }
  for (u32 tries = 0; tries < kSlotTries; ++tries) {
    const Slot slot = slots_.take();
    if (slot == SlotIndex::kNone) return Taken::kNo;
    const Status status = write_slot(slot, mask, false);
    if (status == Status::kDevice) {
      slots_.give_back(slot);
      return Taken::kNo;
    }
    if (status == Status::kOk) {
      if (!new_block) stage(piece.slot, piece.entry, Entry::retired());
      stage_written(stage(slot, Entry::free(), wanted), mask);
      new_blocks_ += new_block;
      return Taken::kYes;
    }
    add_suspect(slot);
    stage(slot, Entry::free(), Entry::retired());
    if (++slots_failing_ >= kSlotsFailingMax) return Taken::kNo;
  }
  return Taken::kSealFirst;
}

}  // namespace dmr
