// SPDX-License-Identifier: GPL-2.0
//
// Writes that main or a slot refused: tried once more in small pieces, then put into slots, made
// durable together, and only then acknowledged.
//
// A batch: pieces of at most one block are repaired in order of arrival. What needs a slot is
// written there and staged. Then one flush, every slot is read back, one commit, the new places
// are published, the writes complete. A slot that does not give back what was written is given up
// and the whole batch is done again: nothing of it has been published, and the writes still hold
// their data.
//
// Giving up a slot that holds data moves other sectors than those being written. Their writers are
// gated and drained first, so that no acknowledged write goes to the old slot behind the copy.
#include "engine.h"

namespace dmr {
namespace {

// The most that one piece can stage: slots that fail one after the other, the slot given up, and
// the one that takes the data.
constexpr u32 kSlotTries = 8;
constexpr u32 kChangesPerPiece = kSlotTries + 2;
// Slots that fail in a row before the spare as a whole is taken to be at fault.
constexpr u32 kSlotsFailingMax = 64;
constexpr u32 kRestartsMax = 16;

// dmr_write::outcome while the core has the write: a dmr_outcome, and this bit if part of it waits
// for the batch's commit.
constexpr u32 kWaits = 0x100;

// Calls @visit(first, count) for each run of set bits.
template <typename Visit>
void for_each_run(SectorMask mask, Visit visit) {
  for (u32 first = 0; first < DMR_BLOCK_SECTORS;) {
    if (!(mask >> first & 1)) {
      ++first;
      continue;
    }
    u32 count = 1;
    while (first + count < DMR_BLOCK_SECTORS && (mask >> (first + count) & 1)) ++count;
    visit(first, count);
    first += count;
  }
}

Status status_of(dmr_sts sts) {
  if (sts == DMR_STS_OK) return Status::kOk;
  return dmr_sts_is_medium(sts) ? Status::kMedium : Status::kDevice;
}

}  // namespace

SectorMask Staged::affected() const {
  if (before.is_used() && after.is_used())
    return (before.spare_mask() ^ after.spare_mask()) | (before.lost_mask() ^ after.lost_mask());
  const Entry used = before.is_used() ? before : after;
  return used.is_used() ? used.spare_mask() | used.lost_mask() : 0;
}

// ---- Pieces --------------------------------------------------------------------------------------

Engine::Piece Engine::piece_at(const Cursor& cursor) const {
  const u64 sector = cursor.write->sector + cursor.offset;
  const u32 first = static_cast<u32>(sector % DMR_BLOCK_SECTORS);
  const u32 count = min(cursor.write->sectors - cursor.offset, DMR_BLOCK_SECTORS - first);
  Piece piece;
  piece.write = cursor.write;
  piece.offset = cursor.offset;
  piece.block = block_of(sector);
  piece.mask = mask_of(first, count);
  piece.slot = index_.find(piece.block);
  piece.entry = piece.slot == SlotIndex::kNone ? Entry::free() : table_.get(piece.slot);
  return piece;
}

void Engine::advance(Cursor& cursor, const Piece& piece) {
  cursor.offset += bits_in(piece.mask);
  if (cursor.offset == cursor.write->sectors) cursor = {cursor.write->next, 0};
}

// ---- One piece -----------------------------------------------------------------------------------

Engine::Step Engine::fail_piece(const Piece& piece, dmr_outcome outcome) {
  piece.write->outcome = (piece.write->outcome & kWaits) | outcome;
  return Step::kDone;
}

SectorMask Engine::write_main(Block block, SectorMask mask, bool& device_failed) {
  SectorMask bad = 0;
  const auto try_run = [&](u32 first, u32 count) {
    return status_of(dmr_host_write(host_, DMR_MAIN, first_sector(block) + first, count,
                                    bounce_ + first * DMR_SECTOR_BYTES, 1));
  };
  for_each_run(mask, [&](u32 first, u32 count) {
    const u32 logical = geometry_.main_logical_sectors;
    const Status whole = try_run(first, count);
    device_failed |= whole == Status::kDevice;
    if (whole != Status::kMedium) return;
    if (count == logical) {
      bad |= mask_of(first, count);
      return;
    }
    for (u32 s = first; s < first + count; s += logical) {
      const Status single = try_run(s, logical);
      device_failed |= single == Status::kDevice;
      if (single == Status::kMedium) bad |= mask_of(s, logical);
    }
  });
  return bad;
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

Engine::Step Engine::repair_piece(const Piece& piece) {
  if (staged_for(piece.block)) return Step::kSealFirst;
  if (in_doubt(piece.block, piece.mask)) return fail_piece(piece, DMR_OUTCOME_EIO);
  const u32 first = static_cast<u32>(__builtin_ctz(piece.mask));
  dmr_host_fetch(host_, piece.write, piece.offset, bits_in(piece.mask),
                 bounce_ + first * DMR_SECTOR_BYTES);

  bool device_failed = false;
  SectorMask homeless = piece.mask & piece.entry.lost_mask();
  homeless |= write_main(piece.block, piece.mask & piece.entry.on_main(), device_failed);
  if (device_failed) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);

  const SectorMask in_slot = piece.mask & piece.entry.in_slot();
  bool give_up = false;
  if (in_slot != 0) {
    const Status status =
        suspect(piece.slot) ? Status::kMedium : write_slot(piece.slot, in_slot, true);
    if (status == Status::kDevice) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
    give_up = status == Status::kMedium;
  }
  if (homeless == 0 && !give_up) return Step::kDone;
  if (read_only_) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  if (metadata_ro_.load()) return fail_piece(piece, DMR_OUTCOME_EIO);
  return redirect(piece, homeless | in_slot, homeless, give_up);
}

// Puts the sectors @homeless, whose data is in the bounce buffer, into the block's slot. If there
// is none, or it must be given up, into a new one, together with @moving: all of the piece's
// sectors that do not live on main.
Engine::Step Engine::redirect(const Piece& piece, SectorMask moving, SectorMask homeless,
                              bool give_up) {
  const Entry entry = piece.entry;
  const SectorMask keep_lost = entry.lost_mask() & ~piece.mask;
  const SectorMask keep_spare = entry.spare_mask() & ~piece.mask;
  if (piece.slot == SlotIndex::kNone)
    return new_slot(piece, moving, Entry::of(piece.block, moving, 0));

  if (!give_up && !suspect(piece.slot)) {
    const Status status = write_slot(piece.slot, homeless, false);
    if (status == Status::kDevice) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
    if (status == Status::kOk) {
      Staged& staged = stage(piece.slot, entry,
                             Entry::of(piece.block, entry.spare_mask() | homeless,
                                       entry.lost_mask() & ~homeless));
      stage_written(staged, homeless);
      piece.write->outcome |= kWaits;
      return Step::kDone;
    }
  }

  gate_.store(piece.block.value() + 1);
  dmr_host_drain(host_);
  SectorMask saved = 0, dead = 0;
  if (save_slot(piece, saved, dead) != Status::kOk)
    return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  const Step step = new_slot(piece, moving | saved,
                             Entry::of(piece.block, keep_spare | moving, keep_lost | dead));
  return step == Step::kDone ? Step::kSealNow : step;
}

// Reads what the slot holds besides the piece into the bounce buffer: @saved, or @dead if it can't
// be read.
Status Engine::save_slot(const Piece& piece, SectorMask& saved, SectorMask& dead) {
  Status status = Status::kOk;
  const auto try_run = [&](u32 first, u32 count) {
    return status_of(dmr_host_read(host_, DMR_SPARE, slot_sector(piece.slot) + first, count,
                                   bounce_ + first * DMR_SECTOR_BYTES));
  };
  for_each_run(piece.entry.in_slot() & ~piece.mask, [&](u32 first, u32 count) {
    const u32 logical = geometry_.main_logical_sectors;
    const Status whole = try_run(first, count);
    if (whole == Status::kOk) saved |= mask_of(first, count);
    if (whole == Status::kDevice) status = whole;
    if (whole != Status::kMedium) return;
    for (u32 s = first; s < first + count; s += logical) {
      const Status single = try_run(s, logical);
      if (single == Status::kOk) saved |= mask_of(s, logical);
      if (single == Status::kMedium) dead |= mask_of(s, logical);
      if (single == Status::kDevice) status = single;
    }
  });
  return status;
}

// Takes a free slot, puts the bounce buffer's sectors @mask into it, and stages @wanted for it and
// the end of the block's former slot, if it had one. Slots that fail on the way are retired.
Engine::Step Engine::new_slot(const Piece& piece, SectorMask mask, Entry wanted) {
  for (u32 tries = 0; tries < kSlotTries; ++tries) {
    const Slot slot = slots_.take();
    if (slot == SlotIndex::kNone) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
    const Status status = write_slot(slot, mask, false);
    if (status == Status::kDevice) {
      slots_.give_back(slot);
      return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
    }
    if (status == Status::kOk) {
      if (!(piece.slot == SlotIndex::kNone)) stage(piece.slot, piece.entry, Entry::retired());
      stage_written(stage(slot, Entry::free(), wanted), mask);
      piece.write->outcome |= kWaits;
      return Step::kDone;
    }
    add_suspect(slot);
    stage(slot, Entry::free(), Entry::retired());
    if (++slots_failing_ >= kSlotsFailingMax) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  }
  // Retire these for good, then try the next ones.
  return Step::kSealFirst;
}

// ---- The batch -----------------------------------------------------------------------------------

bool Engine::staged_for(Block block) const {
  for (u32 i = 0; i < staged_count_; ++i) {
    if (staged_[i].block() == block) return true;
  }
  return false;
}

Staged& Engine::stage(Slot slot, Entry before, Entry after) {
  DMR_ASSERT(doubts_.load() == 0 && staged_count_ < kBatchMax);
  Staged& staged = staged_[staged_count_++];
  staged = Staged{};
  staged.slot = slot;
  staged.before = before;
  staged.after = after;
  return staged;
}

void Engine::stage_written(Staged& staged, SectorMask mask) {
  staged.written = mask;
  for (u32 s = 0; s < DMR_BLOCK_SECTORS; ++s)
    staged.crc[s] = dmr_host_crc32(0, bounce_ + s * DMR_SECTOR_BYTES, DMR_SECTOR_BYTES);
}

bool Engine::suspect(Slot slot) const {
  for (u32 i = 0; i < suspect_count_; ++i) {
    if (suspects_[i] == slot) return true;
  }
  return false;
}

void Engine::add_suspect(Slot slot) {
  if (suspect_count_ < kSuspectsMax && !suspect(slot)) suspects_[suspect_count_++] = slot;
}

// Slots that failed the attempt before this one are retired by this one.
void Engine::begin_batch() {
  staged_count_ = 0;
  if (doubts_.load() != 0) return;
  for (u32 i = 0; i < suspect_count_; ++i) {
    if (table_.get(suspects_[i]).is_free()) stage(suspects_[i], Entry::free(), Entry::retired());
  }
}

// kOk: every sector reads back as written. kMedium: some slots do not; they are suspects now.
Status Engine::verify_staged() {
  bool any = false;
  for (u32 i = 0; i < staged_count_; ++i) any |= staged_[i].written != 0;
  if (!any) return Status::kOk;
  if (metadata_.flush_spare() != Status::kOk) return Status::kNotDurable;
  Status status = Status::kOk;
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& staged = staged_[i];
    bool same = true;
    for_each_run(staged.written, [&](u32 first, u32 count) {
      same = same && dmr_host_read(host_, DMR_SPARE, slot_sector(staged.slot) + first, count,
                                   bounce_ + first * DMR_SECTOR_BYTES) == DMR_STS_OK;
      for (u32 s = first; same && s < first + count; ++s)
        same = dmr_host_crc32(0, bounce_ + s * DMR_SECTOR_BYTES, DMR_SECTOR_BYTES) == staged.crc[s];
    });
    if (same) continue;
    add_suspect(staged.slot);
    status = Status::kMedium;
  }
  return status;
}

// Nothing on the disk names the slots that this batch took: they are free again, but for suspects,
// which the next attempt retires.
void Engine::abandon_batch() {
  for (u32 i = 0; i < staged_count_; ++i) {
    if (staged_[i].before.is_free() && !suspect(staged_[i].slot))
      slots_.give_back(staged_[i].slot);
  }
  staged_count_ = 0;
  gate_.store(0);
}

void Engine::publish() {
  bool drain = false;
  u32 lost_before = 0, lost_after = 0;
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    slots_.count(s.before, s.after);
    lost_before += bits_in(s.before.lost_mask());
    lost_after += bits_in(s.after.lost_mask());
    drain |= s.before.is_used() && s.after.is_retired();
    if (!s.after.is_used()) continue;
    regions_.mark(s.after.block());
    table_.set(s.slot, s.after);
    if (s.before.is_free()) index_.put(s.after.block(), s.slot);
  }
  lost_sectors_.add(u64{lost_after} - u64{lost_before});
  // Readers may still be on their way through the entry of a slot that was given up.
  if (drain) dmr_host_drain(host_);
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    if (s.after.is_retired()) table_.set(s.slot, s.after);
    emit(s.after.is_retired() ? DMR_EVENT_RETIRED : DMR_EVENT_REMAP, s.block(), s.slot,
         s.affected());
  }
  if (slots_.free() == 0) emit(DMR_EVENT_SPARE_FULL, Block(0), Slot(0), 0);
}

// kOk: durable and published. kMedium: to be done again. kNotDurable: its writes fail.
Status Engine::seal_batch() {
  if (staged_count_ == 0) {
    gate_.store(0);
    return Status::kOk;
  }
  const Status verified = verify_staged();
  if (verified != Status::kOk) {
    if (verified == Status::kNotDurable) enter_metadata_ro();
    abandon_batch();
    return verified;
  }
  u32 new_blocks = 0;
  for (u32 i = 0; i < staged_count_; ++i)
    new_blocks += staged_[i].before.is_free() && staged_[i].after.is_used();
  draft_counters(new_blocks);
  const u32 good_before = metadata_.good_copies();
  if (metadata_.commit(Changes(staged_, staged_count_, sizeof *staged_)) != Status::kOk) {
    // A reboot may find either state: writes to what differs must fail until a commit settles it.
    for (u32 i = 0; i < staged_count_; ++i) {
      if (staged_[i].affected() != 0) regions_.mark(staged_[i].block());
    }
    doubts_.store(staged_count_);
    enter_metadata_ro();
    suspect_count_ = 0;
    gate_.store(0);
    return Status::kNotDurable;
  }
  commits_.store(metadata_.header().counters.commits.load());
  remaps_.add(new_blocks);
  publish();
  if (metadata_.good_copies() != good_before) emit(DMR_EVENT_METADATA, Block(0), Slot(0), 0);
  suspect_count_ = 0;
  if (new_blocks != 0) slots_failing_ = 0;
  gate_.store(0);
  return Status::kOk;
}

// Settles what waited for the batch, and completes the writes that are through.
void Engine::finish(const Cursor& from, const Cursor& to, Status sealed) {
  for (dmr_write* write = from.write; write != nullptr;) {
    dmr_write* const next = write->next;
    const bool through = write != to.write;
    if (!through && to.offset == 0) return;
    if (write->outcome & kWaits) {
      write->outcome &= ~kWaits;
      if (sealed != Status::kOk) write->outcome = DMR_OUTCOME_EIO;
    }
    if (!through) return;
    dmr_host_complete(host_, write, static_cast<dmr_outcome>(write->outcome));
    write = next;
  }
}

void Engine::recover(dmr_write* list) {
  for (dmr_write* write = list; write != nullptr; write = write->next)
    write->outcome = DMR_OUTCOME_OK;
  Cursor from = {list, 0};
  u32 restarts = 0;
  while (from.write != nullptr) {
    begin_batch();
    Cursor to = from;
    while (to.write != nullptr && staged_count_ + kChangesPerPiece <= kBatchMax) {
      const Piece piece = piece_at(to);
      const Step step = repair_piece(piece);
      if (step == Step::kSealFirst) break;
      advance(to, piece);
      if (step == Step::kSealNow) break;
    }
    const Status sealed = seal_batch();
    if (sealed == Status::kMedium && ++restarts <= kRestartsMax) continue;
    finish(from, to, sealed);
    if (sealed != Status::kMedium) restarts = 0;
    from = to;
  }
}

}  // namespace dmr
