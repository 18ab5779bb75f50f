// SPDX-License-Identifier: GPL-2.0
//
// A batch of changes: staged one by one, then one flush of the spare, every slot read back, one
// commit, and only then published, that is, seen by map().
//
// A slot that does not give back what was written is a suspect, and the batch is done again without
// it: nothing has been published, and the requests still hold their data. If the commit fails, the
// staged changes stay in place as the list of what is in doubt.
#include "engine.h"

namespace dmr {

SectorMask Staged::affected() const {
  if (before.is_used() && after.is_used())
    return (before.spare_mask() ^ after.spare_mask()) | (before.lost_mask() ^ after.lost_mask());
  const Entry used = before.is_used() ? before : after;
  return used.is_used() ? used.spare_mask() | used.lost_mask() : 0;
}

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
  if (after.is_used()) staged.newly_lost = after.lost_mask() & ~present(staged).lost_mask();
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
  DMR_ASSERT(!suspect(slot));  // it gets no more data
  if (suspect_count_ < kSuspectsMax) suspects_[suspect_count_++] = slot;
}

// Slots that failed the attempt before this one are retired by this one.
void Engine::begin_batch() {
  staged_count_ = 0;
  new_blocks_ = 0;
  canary_ = Canary::kNotAsked;
  if (doubts_.load() != 0 || metadata_ro_.load() || read_only_.load()) return;
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

// The entry of the change's block as map() sees it; a block that moves has one in its former slot.
Entry Engine::present(const Staged& staged) const {
  return index_.find(staged.block()).entry;
}

Engine::Tally Engine::tally() const {
  Tally tally;
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    tally.lost_sectors += u64{bits_in(s.after.lost_mask())} - bits_in(s.before.lost_mask());
    if (!s.after.is_used()) continue;
    const Entry entry = present(s);
    tally.remaps += entry.is_free();
    tally.lost += bits_in(s.newly_lost);
    if (salvaging_) tally.salvaged += bits_in(entry.lost_mask() & s.after.in_slot());
  }
  return tally;
}

dmr_event_kind Engine::event_of(const Staged& staged) const {
  if (staged.after.is_retired()) return DMR_EVENT_RETIRED;
  if (staged.after.is_free()) return DMR_EVENT_UNMAP;
  if (staged.newly_lost != 0) return DMR_EVENT_LOST;
  if (salvaging_ && (staged.before.lost_mask() & staged.after.in_slot()) != 0)
    return DMR_EVENT_SALVAGED;
  return DMR_EVENT_REMAP;
}

void Engine::publish(const Tally& tally) {
  bool drain = false;
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    slots_.count(s.before, s.after);
    drain |= s.before.is_used() && !s.after.is_used();
    if (s.after.is_used()) {
      regions_.mark_around(s.after.block(), last_block());
      table_.set(s.slot, s.after);
      if (s.before.is_free()) index_.put(s.after.block(), s.slot);
    } else if (s.after.is_free()) {
      index_.remove(s.before.block(), host_);
    }
  }
  // I/O may still be on its way to a slot that was given up, and readers through its entry.
  if (drain) dmr_host_drain(host_);
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    if (!s.after.is_used()) table_.set(s.slot, s.after);
    if (s.after.is_retired()) decayed_.add(1);
    if (s.after.is_free()) slots_.give_back(s.slot);
  }
  if (tally.remaps != 0) slots_failing_ = 0;
  remaps_.add(tally.remaps);
  if (!by_message_) {
    burst_.add(static_cast<u32>(tally.remaps));
    decayed_.add(tally.remaps);
  }
  lost_.add(tally.lost);
  salvaged_.add(tally.salvaged);
  lost_sectors_.add(tally.lost_sectors);
  tell_batch();
}

// What has become of each block, and of the spare: with the state that follows from all of it.
void Engine::tell_batch() {
  for (u32 i = 0; i < staged_count_; ++i) {
    const Staged& s = staged_[i];
    const SectorMask mask = s.newly_lost != 0 ? s.newly_lost : s.affected();
    emit(event_of(s), mask != 0 ? s.block() : Block(0), s.slot, mask);
  }
  const bool was_full = spare_full_;
  spare_full_ = slots_.free() == 0;
  if (spare_full_ && !was_full) emit(DMR_EVENT_SPARE_FULL, Block(0), Slot(0), 0);
}

// A reboot may find either state: writes to what differs must fail until a commit settles it.
void Engine::batch_failed() {
  for (u32 i = 0; i < staged_count_; ++i) {
    if (staged_[i].affected() != 0) regions_.mark(staged_[i].block());
  }
  doubts_.store(staged_count_);
  suspect_count_ = 0;
  gate_.store(0);
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
  const Tally changes = tally();
  const u32 good_before = metadata_.good_copies();
  if (commit(Changes(staged_, staged_count_, sizeof *staged_), changes) != Status::kOk) {
    batch_failed();
    return Status::kNotDurable;
  }
  publish(changes);
  if (metadata_.good_copies() != good_before) emit(DMR_EVENT_METADATA, Block(0), Slot(0), 0);
  suspect_count_ = 0;
  gate_.store(0);
  return Status::kOk;
}

}  // namespace dmr
