// SPDX-License-Identifier: GPL-2.0
//
// Requests that main or a slot refused, mended piece by piece; a piece is at most one block.
//
// Writes: tried once more on main, by block, then by logical block. What main refuses again goes
// to the block's slot, new or present; many pieces share a batch, and the writes complete when it
// is durable.
//
// Reads: tried again by logical block. What reads is returned. What failed before it read is weak
// and moves to a slot; what does not read is lost and has a slot reserved. That changes a block
// for another reason than a write to it, so its writers are gated and drained first, and what
// counts is what is read after that.
#include "engine.h"

namespace dmr {
namespace {

constexpr u32 kRestartsMax = 16;
constexpr u32 kCanaries = 8;

// dmr_request::outcome while the core has it: a dmr_outcome, and this bit if part of it waits for
// the batch's commit.
constexpr u32 kWaits = 0x100;

}  // namespace

// ---- Pieces --------------------------------------------------------------------------------------

Engine::Piece Engine::piece_of(Block block, SectorMask mask) const {
  const SlotIndex::Found found = index_.find(block);
  return {nullptr, 0, block, mask, found.slot, found.entry};
}

Engine::Piece Engine::piece_at(const Cursor& cursor) const {
  const u64 sector = cursor.request->sector + cursor.offset;
  const u32 first = static_cast<u32>(sector % DMR_BLOCK_SECTORS);
  const u32 count = min(cursor.request->sectors - cursor.offset, DMR_BLOCK_SECTORS - first);
  Piece piece = piece_of(block_of(sector), mask_of(first, count));
  piece.request = cursor.request;
  piece.offset = cursor.offset;
  return piece;
}

void Engine::advance(Cursor& cursor, const Piece& piece) {
  cursor.offset += bits_in(piece.mask);
  if (cursor.offset == cursor.request->sectors) cursor = {cursor.request->next, 0};
}

Engine::Step Engine::fail_piece(const Piece& piece, dmr_outcome outcome) {
  piece.request->outcome = (piece.request->outcome & kWaits) | outcome;
  return Step::kDone;
}

// ---- Whether it is the medium --------------------------------------------------------------------

bool Engine::may_change() const {
  return !read_only_.load() && !metadata_ro_.load() && !main_failed_.load();
}

bool Engine::may_remap() const {
  return may_change() && config_[DMR_CONFIG_AUTO_REMAP].load() != 0;
}

bool Engine::canary_reads(u64 sector) {
  return dmr_host_read(host_, DMR_MAIN, sector, geometry_.main_logical_sectors, scratch_) ==
         DMR_STS_OK;
}

bool Engine::not_redirected(Block& block) const {
  constexpr u32 kNear = 256;
  const u64 blocks = geometry_.main_sectors / DMR_BLOCK_SECTORS;
  for (u32 i = 0; i < kNear && block.value() < blocks; ++i) {
    if (index_.find(block).slot == SlotIndex::kNone) return true;
    block = Block(block.value() + 1);
  }
  return false;
}

// Reads up to eight places, none known to be bad: the one that read last time, then others spread
// over main, different ones each time. A dead cable or a removed disk fails them all, and must not
// fill the spare.
bool Engine::main_answers() {
  if (canary_ != Canary::kNotAsked) return canary_ == Canary::kReads;
  canary_ = Canary::kFails;
  const u64 blocks = max<u64>(geometry_.main_sectors / DMR_BLOCK_SECTORS, 1);
  const u64 stride = max<u64>(blocks / kCanaries, 1);
  const u64 turn = canary_turn_++ * 7919 % stride;  // a prime: the places differ each time
  bool asked = false;
  for (u32 i = 0; i < kCanaries; ++i) {
    Block block = i == 0 ? canary_good_ : Block((turn + i * stride) % blocks);
    if (!not_redirected(block)) continue;
    asked = true;
    if (canary_reads(first_sector(block))) {
      canary_good_ = block;
      canary_ = Canary::kReads;
      return true;
    }
  }
  // A main so small, or so full of redirections, that there is no place to ask tells nothing.
  if (!asked) {
    canary_ = Canary::kReads;
    return true;
  }
  enter_main_failed();
  return false;
}

void Engine::enter_main_failed() {
  main_failed_.store(1);
  emit(DMR_EVENT_MAIN_FAILED, Block(0), Slot(0), 0);
}

void Engine::resume_remap() {
  forgive_burst_.store(1);
  if (main_failed_.exchange(0) != 0) emit(DMR_EVENT_MAIN_FAILED, Block(0), Slot(0), 0);
}

// ---- Writes --------------------------------------------------------------------------------------

// What main has taken is read back. What it does not give back is written again, from the core's own
// copy and with other writes to the block held off: the application may have changed its memory
// meanwhile, or written there twice at once, and then the first comparison says nothing. The second
// one does.
Engine::WriteResult Engine::verify_main(const Piece& piece, SectorMask mask) {
  const WriteResult first = unlike_main(piece.block, mask);
  if (first.device || first.bad == 0) return first;
  close_gate(piece.block);
  // One by one: a drive that drops a write drops all of it.
  WriteResult again;
  for (u32 s = 0; s < DMR_BLOCK_SECTORS; s += geometry_.main_logical_sectors) {
    const SectorMask bits = first.bad & mask_of(s, geometry_.main_logical_sectors);
    if (bits == 0) continue;
    const WriteResult one = write_main(piece.block, bits, false);
    again.bad |= one.bad;
    again.device |= one.device;
  }
  if (again.device) return again;
  const WriteResult second = unlike_main(piece.block, first.bad & ~again.bad);
  again.bad |= second.bad;
  again.device = second.device;
  if (again.bad != 0) main_write_errors_.add(1);
  return again;
}

// The piece's sectors on main: written if they are not yet, and read back where that is asked for,
// whoever has written them.
Engine::WriteResult Engine::settle_main(const Piece& piece) {
  const dmr_request& request = *piece.request;
  const SectorMask mask = piece.mask & piece.entry.on_main();
  WriteResult main;
  if (request.verify) {
    // What a drive's cache gives back says nothing of its medium. Once for all pieces.
    if (request.cached && piece.offset == 0)
      main.device = dmr_host_flush(host_, DMR_MAIN) != DMR_STS_OK;
  } else {
    main = write_main(piece.block, mask, request.failed != 0);
  }
  if (main.device || !(request.verify || is_verified(piece.block))) return main;
  const WriteResult back = verify_main(piece, mask & ~main.bad);
  main.bad |= back.bad;
  main.device = back.device;
  return main;
}

Engine::Step Engine::mend_write(const Piece& piece) {
  if (staged_for(piece.block)) return Step::kSealFirst;
  if (in_doubt(piece.block) & piece.mask) return fail_piece(piece, DMR_OUTCOME_EIO);
  const u32 first = static_cast<u32>(__builtin_ctz(piece.mask));
  dmr_host_fetch(host_, piece.request, piece.offset, bits_in(piece.mask),
                 bounce_ + first * DMR_SECTOR_BYTES);

  const WriteResult main = settle_main(piece);
  if (main.device) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  const SectorMask homeless = main.bad | (piece.mask & piece.entry.lost_mask());

  const SectorMask in_slot = piece.mask & piece.entry.in_slot();
  bool give_up = false;
  if (in_slot != 0) {
    const Status status =
        suspect(piece.slot) ? Status::kMedium : write_slot(piece.slot, in_slot, true);
    if (status == Status::kDevice) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
    give_up = status == Status::kMedium;
  }
  if (homeless == 0 && !give_up) return gate_.load() != 0 ? Step::kSealNow : Step::kDone;
  if (metadata_ro_.load()) return fail_piece(piece, DMR_OUTCOME_EIO);
  if (read_only_.load()) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  if (main.bad != 0 && !(may_remap() && main_answers()))
    return fail_piece(piece, DMR_OUTCOME_AS_FAILED);

  const SectorMask moving = homeless | in_slot;
  const Entry wanted = Entry::of(piece.block, (piece.entry.spare_mask() & ~piece.mask) | moving,
                                 piece.entry.lost_mask() & ~piece.mask);
  const Taken taken = place(piece, homeless, moving, wanted, give_up);
  if (taken == Taken::kNo) return fail_piece(piece, DMR_OUTCOME_AS_FAILED);
  if (taken == Taken::kSealFirst) return Step::kSealFirst;
  piece.request->outcome |= kWaits;
  return gate_.load() != 0 ? Step::kSealNow : Step::kDone;
}

// Settles what waited for the batch, and completes the writes that are through.
void Engine::finish(const Cursor& from, const Cursor& to, Status sealed) {
  for (dmr_request* write = from.request; write != nullptr;) {
    dmr_request* const next = write->next;
    const bool through = write != to.request;
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

void Engine::mend_writes(dmr_request* writes) {
  Cursor from = {writes, 0};
  u32 restarts = 0;
  while (from.request != nullptr) {
    begin_batch();
    Cursor to = from;
    while (to.request != nullptr && staged_count_ + kChangesPerPiece <= kBatchMax) {
      const Piece piece = piece_at(to);
      const Step step = mend_write(piece);
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

// ---- Reads ---------------------------------------------------------------------------------------

void Engine::store(const Piece& piece, SectorMask mask) {
  const u32 first = static_cast<u32>(__builtin_ctz(piece.mask));
  for_each_run(mask, [&](u32 at, u32 count) {
    dmr_host_store(host_, piece.request, piece.offset + at - first, count,
                   bounce_ + at * DMR_SECTOR_BYTES);
  });
}

// Reads the weak and bad sectors of @before again with the block's writers held off: what reads
// moves to the slot, what does not is lost. @lost: what neither pass could read.
Engine::Step Engine::move_weak(const Piece& piece, const ReadResult& before, SectorMask& lost) {
  close_gate(piece.block);
  const ReadResult again = read_sectors(DMR_MAIN, first_sector(piece.block), before.weak | before.bad,
                                        config_[DMR_CONFIG_READ_RETRIES].load(), false);
  store(piece, again.good);
  lost = before.bad & ~again.good;
  if (again.device || !main_answers()) return Step::kSealNow;
  const Entry wanted = Entry::of(piece.block, piece.entry.spare_mask() | again.good,
                                 piece.entry.lost_mask() | again.bad);
  return place(piece, again.good, again.good, wanted, false) == Taken::kSealFirst
             ? Step::kSealFirst
             : Step::kSealNow;
}

Engine::Step Engine::mend_read(const Piece& piece) {
  const u32 retries = config_[DMR_CONFIG_READ_RETRIES].load();
  const dmr_request& request = *piece.request;
  DMR_ASSERT(request.failed);
  const bool alone = request.sectors == geometry_.main_logical_sectors;
  const ReadResult main = read_sectors(DMR_MAIN, first_sector(piece.block),
                                       piece.mask & piece.entry.on_main(), retries, alone);
  ReadResult slot;
  if (!(piece.slot == SlotIndex::kNone))
    slot = read_sectors(DMR_SPARE, slot_sector(piece.slot), piece.mask & piece.entry.in_slot(),
                        retries, alone);
  store(piece, main.good | slot.good);
  // A slot's sector that does not read stays where it is: the next read may succeed.
  SectorMask unread = slot.bad | (piece.mask & piece.entry.lost_mask());
  SectorMask lost = main.bad;
  Step step = Step::kDone;
  const SectorMask doubtful = main.weak | main.bad;
  if (doubtful != 0 && may_remap()) {
    DMR_ASSERT((in_doubt(piece.block) & doubtful) == 0);  // nor is it metadata_ro
    step = move_weak(piece, main, lost);
    if (step == Step::kSealFirst) return step;
  }
  unread |= lost;
  // By whatever code: the one that the request failed with says no more about it.
  if (unread != 0 || main.device || slot.device) fail_piece(piece, DMR_OUTCOME_EIO);
  return step;
}

dmr_request* Engine::mend_one_read(dmr_request* reads) {
  Cursor cursor = {reads, reads->done};
  Step step = Step::kSealFirst;
  Status sealed = Status::kOk;
  for (u32 attempts = 0; attempts <= kRestartsMax; ++attempts) {
    begin_batch();
    step = mend_read(piece_at(cursor));
    sealed = seal_batch();
    if (step != Step::kSealFirst && sealed != Status::kMedium) break;
  }
  if (step == Step::kSealFirst) reads->outcome = DMR_OUTCOME_EIO;
  dmr_request* const next = reads->next;
  advance(cursor, piece_at(cursor));
  if (cursor.request == reads) {
    reads->done = cursor.offset;
    return reads;
  }
  dmr_host_complete(host_, reads, static_cast<dmr_outcome>(reads->outcome));
  return next;
}

dmr_request* Engine::recover(dmr_request* list) {
  dmr_request* writes = nullptr;
  dmr_request** writes_end = &writes;
  dmr_request* reads = nullptr;
  dmr_request** reads_end = &reads;
  while (list != nullptr) {
    dmr_request* const next = list->next;
    list->next = nullptr;
    dmr_request**& end = list->is_write ? writes_end : reads_end;
    *end = list;
    end = &list->next;
    list = next;
  }
  by_message_ = false;
  if (writes != nullptr) mend_writes(writes);
  return reads != nullptr ? mend_one_read(reads) : nullptr;
}

}  // namespace dmr
