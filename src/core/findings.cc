// SPDX-License-Identifier: GPL-2.0
//
// What becomes of the scanner's findings, by the repair worker, and what the scanner asks the engine.
#include "engine.h"

namespace dmr {

// ---- Mending -------------------------------------------------------------------------------------

// Sectors of one block: what the scanner saw is but a reason to look.
Engine::Taken Engine::found_piece(const Finding& finding, const Piece& piece) {
  if ((in_doubt(piece.block) & piece.mask) != 0) return Taken::kNo;
  switch (finding.kind) {
    case Finding::Kind::kMove:
    case Finding::Kind::kLost:
      // It may have been written since it failed: it is tried as often as anything else.
      return main_answers() ? remap_block(piece) : Taken::kNo;
    case Finding::Kind::kSalvage:
      return retest_block(piece);
    case Finding::Kind::kSlot:
      return reslot_block(piece);
    case Finding::Kind::kCopy:
    case Finding::Kind::kSettle:
      break;
  }
  return Taken::kNo;
}

// A slot that did not read at once gives its data to another, as long as all of it reads.
Engine::Taken Engine::reslot_block(const Piece& piece) {
  const SectorMask held = piece.entry.in_slot();
  if (piece.slot == SlotIndex::kNone || held == 0) return Taken::kNo;
  close_gate(piece.block);
  const ReadResult slot = read_sectors(DMR_SPARE, slot_sector(piece.slot), held,
                                       config_[DMR_CONFIG_READ_RETRIES].load(), false);
  if (slot.good != held || slot.weak == 0) return Taken::kNo;
  return take_slot(piece, held, piece.entry);
}

void Engine::found_copy(u32 copy) {
  if (read_only_.load()) return;
  const u64 good_before = metadata_.good_copies();
  metadata_.verify_copy(copy);
  const u64 good = metadata_.good_copies();
  // At once if it is news; what could not be mended before is tried again once in a pass.
  if (good < good_before || (copy + 1 == kCopies && good < kCopies))
    (void)commit_present(static_cast<u32>(good_before));
}

// It is looked at again when it can be mended. Whoever failed to read meanwhile has been told.
void Engine::put_off(const Finding& finding) {
  const bool on_main =
      finding.kind == Finding::Kind::kMove || finding.kind == Finding::Kind::kLost;
  if (on_main) {
    const Block block(finding.number);
    if ((main_sectors_of(block) & finding.mask) != 0) scanner_.owe(first_sector(block));
  } else if (!can_mend()) {
    scanner_.owe(geometry_.target_sectors);
  }
}

bool Engine::mend_found() {
  Finding finding;
  if (!scanner_.findings().take(finding)) return false;
  if (finding.kind == Finding::Kind::kSettle) {
    settle();
  } else if (finding.kind == Finding::Kind::kCopy) {
    found_copy(static_cast<u32>(finding.number));
  } else {
    const Block block(finding.number);
    salvaging_ = finding.kind == Finding::Kind::kSalvage;
    // What is salvaged has its slot already.
    if (salvaging_ ? may_change() : may_remap())
      (void)batch_of_one([&] { return found_piece(finding, piece_of(block, finding.mask)); });
    salvaging_ = false;
    put_off(finding);
  }
  return true;
}

// ---- What the scanner asks -----------------------------------------------------------------------

SectorMask Engine::main_sectors_of(Block block) const {
  const u64 first = first_sector(block);
  if (first >= geometry_.target_sectors) return 0;
  const u64 present = min<u64>(geometry_.target_sectors - first, DMR_BLOCK_SECTORS);
  return index_.find(block).entry.on_main() & mask_of(0, static_cast<u32>(present));
}

bool Engine::is_spare_low() const {
  const u64 used = slots_.total() - slots_.free();
  return used * 100 >= u64{config(DMR_CONFIG_SPARE_LOW_PERCENT)} * slots_.total();
}

HealthInput Engine::health_input(u64 retries, u64 slow) const {
  HealthInput input;
  input.slots_total = slots_.total();
  input.slots_free = slots_.free();
  input.decayed = decayed_.load();
  input.retries = retries;
  input.slow = slow;
  input.lost = lost_sectors_.load();
  input.good_copies = static_cast<u32>(metadata_.good_copies());
  input.failed = main_failed_.load() || metadata_ro_.load() || slots_.free() == 0;
  return input;
}

// Counted from long before any boot, so that a pair can be older than the clock.
u64 Engine::health_seconds() const { return (u64{1} << 32) + dmr_host_uptime(host_); }

u64 Engine::age_seconds() const {
  const u64 created = metadata_.header().created_seconds.load();
  const u64 now = dmr_host_now(host_);
  return now > created ? now - created : 0;
}

void Engine::emit_health(dmr_event_kind kind) const { emit(kind, Block(0), Slot(0), 0); }

}  // namespace dmr
