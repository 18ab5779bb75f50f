// SPDX-License-Identifier: GPL-2.0
//
// What messages ask for: blocks moved to slots, moved back to main, lost sectors read again. One
// block at a time, with its writers gated and drained, a commit each; requests that fail meanwhile
// are mended between two blocks.
#include "engine.h"

namespace dmr {

// The next block of the job's range that it concerns; false at the end. `next` counts blocks of the
// range for DMR_JOB_REMAP, slots otherwise.
bool Engine::next_job_block(dmr_job& job, Block& block) const {
  const u64 first = block_of(job.from).value();
  const u64 last = block_of(job.from + job.count - 1).value();
  if (job.kind == DMR_JOB_REMAP) {
    block = Block(first + job.next++);
    return block.value() <= last;
  }
  while (job.next < slots_.total()) {
    const Entry entry = table_.get(Slot(static_cast<u32>(job.next++)));
    if (!entry.is_used()) continue;
    block = entry.block();
    const bool wanted = job.kind == DMR_JOB_UNMAP || entry.lost_mask() != 0;
    if (wanted && block.value() >= first && block.value() <= last) return true;
  }
  return false;
}

Engine::Taken Engine::remap_block(const Piece& piece) {
  const SectorMask on_main = piece.mask & piece.entry.on_main();
  if (on_main == 0) return Taken::kYes;
  close_gate(piece.block);
  const ReadResult main = read_sectors(DMR_MAIN, first_sector(piece.block), on_main,
                                       config_[DMR_CONFIG_READ_RETRIES].load(), false);
  if (main.device || (main.bad != 0 && !main_answers())) return Taken::kNo;
  const Entry wanted = Entry::of(piece.block, piece.entry.spare_mask() | main.good,
                                 piece.entry.lost_mask() | main.bad);
  return place(piece, main.good, main.good, wanted, false);
}

// Main gets the slot's data, has it on its medium, and gives it back, before the slot is given up.
Engine::Taken Engine::unmap_block(const Piece& piece) {
  if (piece.entry.lost_mask() != 0) return Taken::kNo;
  close_gate(piece.block);
  const SectorMask moved = piece.entry.in_slot();
  const u32 retries = config_[DMR_CONFIG_READ_RETRIES].load();
  const ReadResult slot = read_sectors(DMR_SPARE, slot_sector(piece.slot), moved, retries, false);
  if (slot.good != moved) return Taken::kNo;
  const WriteResult main = write_main(piece.block, moved, false);
  if (main.device || main.bad != 0 || dmr_host_flush(host_, DMR_MAIN) != DMR_STS_OK)
    return Taken::kNo;
  bool same = true;
  for_each_run(moved, [&](u32 first, u32 count) {
    same = same &&
           dmr_host_read(host_, DMR_MAIN, first_sector(piece.block) + first, count, scratch_) ==
               DMR_STS_OK &&
           memcmp(scratch_, bounce_ + first * DMR_SECTOR_BYTES, count * DMR_SECTOR_BYTES) == 0;
  });
  if (!same) return Taken::kNo;
  stage(piece.slot, piece.entry, Entry::free());
  return Taken::kYes;
}

// Dead sectors are not read: what main holds of them is older than what was acknowledged.
Engine::Taken Engine::retest_block(const Piece& piece) {
  const SectorMask lost = piece.mask & piece.entry.lost_mask() & ~piece.entry.spare_mask();
  if (lost == 0) return Taken::kNo;
  close_gate(piece.block);
  const ReadResult main = read_sectors(DMR_MAIN, first_sector(piece.block), lost,
                                       config_[DMR_CONFIG_READ_RETRIES].load(), false);
  if (main.good == 0) return Taken::kNo;
  const Entry wanted = Entry::of(piece.block, piece.entry.spare_mask() | main.good,
                                 piece.entry.lost_mask() & ~main.good);
  return place(piece, main.good, main.good, wanted, false);
}

Engine::Taken Engine::job_piece(dmr_job_kind kind, const Piece& piece) {
  DMR_ASSERT((in_doubt(piece.block) & piece.mask) == 0);  // nor is it metadata_ro
  if (kind == DMR_JOB_REMAP) return remap_block(piece);
  return kind == DMR_JOB_UNMAP ? unmap_block(piece) : retest_block(piece);
}

// True if the block is as the job wants it, durably.
bool Engine::job_block(dmr_job_kind kind, Block block) {
  const u64 present = min<u64>(geometry_.main_sectors - first_sector(block), DMR_BLOCK_SECTORS);
  const SectorMask mask = mask_of(0, static_cast<u32>(present));
  return batch_of_one([&] { return job_piece(kind, piece_of(block, mask)); });
}

bool Engine::job(dmr_job& job) {
  Block block;
  if (!next_job_block(job, block)) return false;
  by_message_ = true;
  salvaging_ = job.kind == DMR_JOB_RETEST;
  const bool ok = job_block(job.kind, block);
  by_message_ = salvaging_ = false;
  const SectorMask lost = piece_of(block, 0).entry.lost_mask();
  job.lost += bits_in(lost);
  const bool done = ok && (job.kind != DMR_JOB_RETEST || lost == 0);
  job.done += done;
  job.failed += !done;
  return true;
}

}  // namespace dmr
