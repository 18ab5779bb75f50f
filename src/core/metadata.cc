// SPDX-License-Identifier: GPL-2.0
#include "metadata.h"

namespace dmr {
namespace {

// Copies that can't be read may hold numbers that failed commits used: no boot makes so many.
constexpr u64 kUnseenSequences = u64{1} << 32;

constexpr u64 table_block_sector(u32 copy, u32 index) {
  return kCopySector[copy] + kTableBlockSectors * (1 + u64{index});
}

}  // namespace

bool Metadata::read_spare(u64 sector, u32 sectors, void* buffer) {
  return dmr_host_read(host_, DMR_SPARE, sector, sectors, buffer) == DMR_STS_OK;
}

Status Metadata::flush_spare() {
  const u64 ticket = flush_->ticket();
  const bool ok = dmr_host_flush(host_, DMR_SPARE) == DMR_STS_OK;
  flush_->end(ticket, ok);
  return ok ? Status::kOk : Status::kNotDurable;
}

// ---- Examine -------------------------------------------------------------------------------------

void Metadata::read_headers() {
  Header* header = reinterpret_cast<Header*>(readback_);
  for (u32 c = 0; c < kCopies; ++c) {
    views_[c] = CopyView{};
    if (!read_spare(kCopySector[c], kTableBlockSectors, header)) continue;
    views_[c] = view_of(*header);
    if (views_[c].kind == HeaderKind::kValid)
      memcpy(listed_crc_[c], header->table_crc, sizeof listed_crc_[c]);
  }
}

void Metadata::find_table_blocks(u32 table_blocks_max) {
  u32 most = 0;
  for (CopyView& view : views_) {
    view.complete = view.complete_here =
        view.kind == HeaderKind::kValid && view.table_blocks <= table_blocks_max;
    if (view.complete) most = max(most, view.table_blocks);
  }
  for (u32 b = 0; b < most; ++b) {
    bool found[kCopies] = {};
    for (u32 holder = 0; holder < kCopies; ++holder) {
      const bool whole = read_spare(table_block_sector(holder, b), kTableBlockSectors, staging_) &&
                         table_block_verifies(*staging_, b);
      const u32 crc = whole ? staging_->crc.load() : 0;
      for (u32 c = 0; c < kCopies; ++c) {
        if (b >= views_[c].table_blocks) continue;
        const bool match = whole && crc == listed_crc_[c][b].load();
        found[c] |= match;
        if (c == holder && !match) views_[c].complete_here = false;
      }
    }
    for (u32 c = 0; c < kCopies; ++c) {
      if (b < views_[c].table_blocks && !found[c]) views_[c].complete = false;
    }
  }
}

Verdict Metadata::examine(u32 table_blocks_max) {
  read_headers();
  find_table_blocks(table_blocks_max);
  return judge(views_);
}

// ---- Load ----------------------------------------------------------------------------------------

bool Metadata::load_table_block(u32 index) {
  for (u32 c = 0; c < kCopies; ++c) {
    if (read_spare(table_block_sector(c, index), kTableBlockSectors, staging_) &&
        table_block_verifies(*staging_, index) &&
        staging_->crc.load() == committed_->table_crc[index].load()) {
      memcpy(table_->block(index), staging_, sizeof *staging_);
      return entries_plausible(*staging_, index, committed_->slots.load(),
                               committed_->main_sectors.load(),
                               committed_->main_logical_sectors.load());
    }
  }
  return false;
}

// From whichever of its copies can still be read.
bool Metadata::load_header(const Verdict& verdict) {
  const CopyView& winner = views_[verdict.winner];
  for (u32 c = 0; c < kCopies; ++c) {
    if (same_candidate(views_[c], winner) && views_[c].header_crc == winner.header_crc &&
        read_spare(kCopySector[c], kTableBlockSectors, committed_) &&
        classify_header(*committed_) == HeaderKind::kValid &&
        committed_->crc.load() == winner.header_crc)
      return true;
  }
  return false;
}

bool Metadata::load(const Verdict& verdict) {
  if (!load_header(verdict)) return false;
  for (u32 b = 0; b < committed_->table_blocks.load(); ++b) {
    if (!load_table_block(b)) return false;
  }
  memcpy(next_, committed_, sizeof *next_);
  note_highest();
  durable_ = false;
  for (u32 c = 0; c < kCopies; ++c) {
    const bool holds = holds_winner(c, verdict);
    const bool stale = views_[c].kind == HeaderKind::kValid;
    states_[c] = holds ? CopyState::kGood : stale ? CopyState::kStale : CopyState::kInvalid;
    differs_[c].clear();
    if (!holds) differs_[c].fill(committed_->table_blocks.load());
  }
  return true;
}

// One copy that was not seen can't outvote anybody; two can, with a number that is given again.
void Metadata::note_highest() {
  u32 unseen = 0;
  for (const CopyView& view : views_) {
    highest_ = max(highest_, view.sequence);
    unseen += !view.readable;
  }
  if (unseen >= kOpenQuorum) highest_ = Sequence(highest_.value() + kUnseenSequences);
}

// Whether the copy is the winner's, byte for byte.
bool Metadata::holds_winner(u32 copy, const Verdict& verdict) const {
  const CopyView& winner = views_[verdict.winner];
  return same_candidate(views_[copy], winner) && views_[copy].header_crc == winner.header_crc &&
         views_[copy].complete_here;
}

bool Metadata::rival_possible(const Verdict& verdict) const {
  if (good_copies() >= kWriteQuorum) return false;
  // An unflushed content may hide an older one, which a power cut brings back.
  if (!durable_) return true;
  const CopyView& winner = views_[verdict.winner];
  u32 unseen = 0;
  for (const CopyView& view : views_) {
    unseen += !view.readable;
    if (view.kind == HeaderKind::kValid &&
        (view.tables_crc != winner.tables_crc ||
         memcmp(view.uuid, winner.uuid, sizeof view.uuid) != 0))
      return true;
  }
  // Copies that come back lose against two of a later state; one alone loses against any two.
  if (last_holders_ >= kOpenQuorum) return false;
  return unseen >= kOpenQuorum || (unseen != 0 && good_copies() < kOpenQuorum);
}

void Metadata::accept(const Verdict& verdict) {
  sequence_.store(views_[verdict.winner].sequence.value());
  repairs_.store(committed_->counters.repairs.load());
  last_holders_ = 0;
  count_good();
  publish_name();
}

void Metadata::publish_name() {
  Name name;
  memcpy(name.uuid, committed_->uuid, sizeof name.uuid);
  memcpy(name.label, committed_->label, sizeof name.label);
  name_.store(name);
}

// ---- Format --------------------------------------------------------------------------------------

Status Metadata::begin_format(u32 slots) {
  note_highest();
  // All of a crafted spare is made anew: its numbers need not be followed.
  if (highest_.value() >= kSequenceMax / 2) highest_ = Sequence();
  memset(committed_, 0, sizeof *committed_);
  committed_->slots.store(slots);
  committed_->table_blocks.store(table_blocks_for(slots));
  for (u32 b = 0; b < committed_->table_blocks.load(); ++b) {
    TableBlock* block = table_->block(b);
    memset(block, 0, sizeof *block);
    block->index.store(static_cast<u16>(b));
    for (Little<u64>& entry : block->entries) entry.store(Entry::free().bits());
    block->crc.store(table_block_crc(*block));
    committed_->table_crc[b].store(block->crc.load());
  }
  memcpy(next_, committed_, sizeof *next_);
  for (u32 c = 0; c < kCopies; ++c) {
    // Copy 0 last: it takes the mark's place.
    states_[c] = c == 0 ? CopyState::kStale : CopyState::kInvalid;
    differs_[c].clear();
    differs_[c].fill(committed_->table_blocks.load());
  }
  // One logical block, which may be more than the mark's sector.
  memset(readback_, 0, DMR_BLOCK_BYTES);
  FormatMark mark;
  make_mark(mark);
  memcpy(readback_, &mark, sizeof mark);
  if (dmr_host_write(host_, DMR_SPARE, 0, logical_sectors_, readback_, 0) != DMR_STS_OK)
    return Status::kNotDurable;
  flush_->written();
  const Status flushed = flush_spare();
  durable_ = flushed == Status::kOk;
  return flushed;
}

// ---- Commit --------------------------------------------------------------------------------------

void Metadata::stage(u32 index, const Changes& changes) {
  memcpy(staging_, table_->block(index), sizeof *staging_);
  for (u32 i = 0; i < changes.count(); ++i) {
    const u32 slot = changes[i].slot.value();
    if (slot / kEntriesPerTableBlock == index)
      staging_->entries[slot % kEntriesPerTableBlock].store(changes[i].after.bits());
  }
  staging_->crc.store(table_block_crc(*staging_));
}

bool Metadata::copy_holds(u32 copy, const BitSet<kTableBlocksMax>& blocks, const Changes& changes) {
  if (!read_spare(kCopySector[copy], kTableBlockSectors, readback_) ||
      memcmp(readback_, next_, sizeof *next_) != 0)
    return false;
  for (u32 b = 0; b < next_->table_blocks.load(); ++b) {
    if (!blocks.has(b)) continue;
    stage(b, changes);
    if (!read_spare(table_block_sector(copy, b), kTableBlockSectors, readback_) ||
        memcmp(readback_, staging_, sizeof *staging_) != 0)
      return false;
  }
  return true;
}

bool Metadata::write_copy(u32 copy, const Changes& changes) {
  const BitSet<kTableBlocksMax>& blocks = differs_[copy];
  bool written = true;
  for (u32 b = 0; written && b < next_->table_blocks.load(); ++b) {
    if (!blocks.has(b)) continue;
    stage(b, changes);
    written = dmr_host_write(host_, DMR_SPARE, table_block_sector(copy, b), kTableBlockSectors,
                             staging_, 0) == DMR_STS_OK;
    flush_->written();
  }
  if (written) {
    written = dmr_host_write(host_, DMR_SPARE, kCopySector[copy], kTableBlockSectors, next_, 0) ==
              DMR_STS_OK;
    flush_->written();
  }
  return written && flush_spare() == Status::kOk && copy_holds(copy, blocks, changes);
}

u32 Metadata::count_good() {
  u32 good = 0, published = 0;
  for (u32 c = 0; c < kCopies; ++c) {
    const CopyState state = states_[c];
    good += state == CopyState::kGood;
    const dmr_copy copy = state == CopyState::kGood    ? DMR_COPY_GOOD
                          : state == CopyState::kStale ? DMR_COPY_STALE
                                                       : DMR_COPY_DAMAGED;
    published |= u32{copy} << (kCopyBits * c);
  }
  good_copies_.store(good);
  copy_states_.store(published);
  return good;
}

void Metadata::note_turns(const Turn (&turns)[kCopies], bool acknowledged,
                          const Changes& changes) {
  for (u32 c = 0; c < kCopies; ++c) {
    if (turns[c] == Turn::kNotTried) continue;
    if (turns[c] == Turn::kFailed) {
      // It may hold anything now.
      states_[c] = CopyState::kInvalid;
      differs_[c].fill(next_->table_blocks.load());
    } else if (acknowledged || changes.count() == 0) {
      if (states_[c] != CopyState::kGood && sequence_.load() != 0) repairs_.add(1);
      states_[c] = CopyState::kGood;
      differs_[c].clear();
    } else {
      // It holds a state that is not to be: all that this commit changed is wrong there.
      states_[c] = CopyState::kStale;
      for (u32 i = 0; i < changes.count(); ++i)
        differs_[c].add(changes[i].slot.value() / kEntriesPerTableBlock);
    }
  }
  count_good();
}

// Copies but @copy that hold some state whole, be it the one that is being committed. Those that were
// invalid have had their turn.
u32 Metadata::others_whole(u32 copy, const Turn (&turns)[kCopies]) {
  u32 whole = 0;
  for (u32 c = 0; c < kCopies; ++c) whole += c != copy && turns[c] != Turn::kFailed;
  return whole;
}

// No copy may be overwritten while the others are in the device's cache only. A flush that fails may
// lose what is there.
bool Metadata::make_durable() {
  constexpr u32 kTries = 2;
  for (u32 n = 0; !durable_ && n < kTries; ++n) {
    durable_ = flush_spare() == Status::kOk;
    if (durable_ && flush_->failures() != 0) verify_copies();
  }
  return durable_;
}

Status Metadata::commit(const Changes& changes) {
  if (highest_.value() >= kSequenceMax || !make_durable()) return Status::kNotDurable;
  highest_ = Sequence(highest_.value() + 1);
  next_->sequence.store(highest_.value());
  next_->committed_seconds.store(dmr_host_now(host_));
  next_->counters.commits.store(committed_->counters.commits.load() + 1);
  // As if every copy will take it: which do is not known when the header is sealed.
  const u32 to_mend = sequence_.load() == 0 ? 0 : kCopies - count_good();
  next_->counters.repairs.store(repairs_.load() + to_mend);
  for (u32 i = 0; i < changes.count(); ++i) {
    const u32 b = changes[i].slot.value() / kEntriesPerTableBlock;
    for (u32 c = 0; c < kCopies; ++c) differs_[c].add(b);
    stage(b, changes);
    next_->table_crc[b].store(staging_->crc.load());
  }
  seal_header(*next_);

  Turn turns[kCopies] = {};
  u32 holders = 0;
  u32 failures = 0;
  constexpr CopyState kOrder[] = {CopyState::kInvalid, CopyState::kStale, CopyState::kGood};
  for (const CopyState turn : kOrder) {
    for (u32 c = 0; c < kCopies; ++c) {
      if (states_[c] != turn) continue;
      // Once it can't be acknowledged, the fewer copies hold a change the better. A commit without
      // changes goes on, for each bad copy that it mends is a gain, and so is each that outvotes an
      // unseen rival; but only while it can't tear the last but one that is whole.
      const bool gains =
          changes.count() == 0 && (turn == CopyState::kInvalid ||
                                   (sequence_.load() != 0 && others_whole(c, turns) >= kOpenQuorum));
      if (failures > kCopies - kWriteQuorum && !gains) break;
      const bool holds = write_copy(c, changes);
      turns[c] = holds ? Turn::kHolds : Turn::kFailed;
      holders += holds;
      failures += !holds;
    }
  }
  const bool acknowledged = holders >= kWriteQuorum;
  last_holders_ = holders;
  note_turns(turns, acknowledged, changes);
  if (!acknowledged) {
    // The rest of the draft stays: what it says is still to be said.
    memcpy(next_->table_crc, committed_->table_crc, sizeof next_->table_crc);
    return Status::kNotDurable;
  }
  memcpy(committed_, next_, sizeof *committed_);
  sequence_.store(highest_.value());
  publish_name();
  return Status::kOk;
}

// ---- Verify --------------------------------------------------------------------------------------

void Metadata::verify_copies() {
  for (u32 c = 0; c < kCopies; ++c) verify_copy(c);
}

void Metadata::verify_copy(u32 c) {
  const Changes none;
  bool whole = read_spare(kCopySector[c], kTableBlockSectors, readback_) &&
               memcmp(readback_, committed_, sizeof *committed_) == 0;
  for (u32 b = 0; whole && b < committed_->table_blocks.load(); ++b) {
    stage(b, none);
    whole = read_spare(table_block_sector(c, b), kTableBlockSectors, readback_) &&
            memcmp(readback_, staging_, sizeof *staging_) == 0;
  }
  // What could not be written is in the device's cache perhaps, and nowhere else: it stays invalid,
  // and the first to be written again. A stale copy stays the next.
  const bool good = whole && states_[c] != CopyState::kInvalid;
  if (good) states_[c] = CopyState::kGood;
  if (!good && states_[c] == CopyState::kGood) states_[c] = CopyState::kInvalid;
  differs_[c].clear();
  if (!good) differs_[c].fill(committed_->table_blocks.load());
  count_good();
}

}  // namespace dmr
