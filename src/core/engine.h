// SPDX-License-Identifier: GPL-2.0
//
// The running state of one pair, laid out in the arena. This header ties the parts together; each
// part's rules are in its own. engine.cc opens and reports, recovery.cc repairs failed writes,
// routing.cc answers map(), core.cc is the C face (include/dm_remap/core.h).
//
// One owner at a time (see core.h) changes it; what routing and status read in other contexts is
// atomic: table words, index cells, the region bitmap, gate_, doubts_, counters.
#pragma once

#include "dm_remap/core.h"
#include "flush.h"
#include "format.h"
#include "index.h"
#include "metadata.h"
#include "slots.h"
#include "verdict.h"

namespace dmr {

// Redirections that share a commit. Bounds the arena, and how long a write waits for others.
inline constexpr u32 kBatchMax = 128;

// A change that waits for its commit; after a commit that failed, sectors in doubt.
struct Staged : Change {
  SectorMask written = 0;                 // sectors put into the slot by this batch
  u32 crc[DMR_BLOCK_SECTORS] = {};        // of each of them

  Block block() const { return before.is_used() ? before.block() : after.block(); }
  // The sectors whose place differs between the two states.
  SectorMask affected() const;
};

class Engine {
 public:
  // ---- Life (engine.cc). See core.h.
  static usize arena_bytes(const dmr_geometry& geometry);
  static Engine* create(void* arena, const dmr_geometry& geometry,
                        const dmr_main_identity& identity, dmr_host* host);
  dmr_refusal probe(const dmr_arguments& arguments, dmr_report& report);
  dmr_refusal open(const dmr_arguments& arguments, bool read_only, dmr_report& report);
  dmr_refusal adoptable(const dmr_geometry& geometry, const dmr_arguments& arguments) const;
  dmr_refusal adopt(const dmr_geometry& geometry, const dmr_arguments& arguments, bool read_only);
  void settle();
  u32 repair();
  void status(dmr_status& status) const;
  u32 list(u64 from, u64 count, dmr_list_entry* entries, u32 capacity) const;

  // ---- I/O.
  dmr_region_map regions() const { return regions_.view(); }
  void route(u64 sector, u32 sectors, dmr_direction direction, dmr_place& place) const;
  bool failed(dmr_device device, dmr_direction direction, dmr_sts sts, bool failfast);
  void recover(dmr_write* list);
  dmr_flush_action flush_begin(u64& ticket);
  void flush_end(u64 ticket, dmr_sts sts);
  void spare_written() { flush_.written(); }

 private:
  // ---- engine.cc
  dmr_refusal examine(const dmr_arguments& arguments, Verdict& verdict, dmr_report& report);
  dmr_refusal examine_valid(const dmr_arguments& arguments, const Verdict& verdict,
                            dmr_report& report);
  dmr_refusal examine_rest(const dmr_arguments& arguments, dmr_report& report);
  dmr_refusal check_identity(const Header& header, const dmr_arguments& arguments) const;
  bool area_blank(bool& readable);
  bool table_block_left();
  dmr_refusal format(const dmr_arguments& arguments);
  bool build_index();
  bool made_for_larger_spare() const;
  u32 slots_in_table() const;
  void fill_identity(Header& header, const dmr_arguments& arguments) const;
  void load_counters();
  void draft_counters(u64 new_remaps);
  // Commits without changes to the table; leaves metadata_ro if it holds, enters it if not.
  Status commit_present();
  dmr_state state() const;
  void enter_metadata_ro();
  void emit(dmr_event_kind kind, Block block, Slot slot, SectorMask mask) const;

  // ---- routing.cc
  struct Place {
    dmr_place_kind kind;
    u64 sector;
    u32 sectors;
  };
  Place place_in_block(u64 sector, u32 sectors, dmr_direction direction) const;
  bool in_doubt(Block block, SectorMask mask) const;

  // ---- recovery.cc
  struct Cursor {
    dmr_write* write;
    u32 offset;  // sectors of it that are behind
  };
  struct Piece {
    dmr_write* write;
    u32 offset;
    Block block;
    SectorMask mask;
    Slot slot;    // of the block, or SlotIndex::kNone
    Entry entry;  // of that slot, or free
  };
  enum class Step : u8 { kDone, kSealFirst, kSealNow };
  Piece piece_at(const Cursor& cursor) const;
  static void advance(Cursor& cursor, const Piece& piece);
  Step repair_piece(const Piece& piece);
  Step redirect(const Piece& piece, SectorMask moving, SectorMask homeless, bool give_up);
  Step fail_piece(const Piece& piece, dmr_outcome outcome);
  // Tries sectors of a block on main again. Returns those that failed as the medium does; sets
  // @device_failed if main failed otherwise.
  SectorMask write_main(Block block, SectorMask mask, bool& device_failed);
  Status write_slot(Slot slot, SectorMask mask, bool fua);
  bool staged_for(Block block) const;
  Staged& stage(Slot slot, Entry before, Entry after);
  void stage_written(Staged& staged, SectorMask mask);
  Step new_slot(const Piece& piece, SectorMask mask, Entry wanted);
  Status save_slot(const Piece& piece, SectorMask& saved, SectorMask& dead);
  bool suspect(Slot slot) const;
  void add_suspect(Slot slot);
  void begin_batch();
  Status verify_staged();
  void abandon_batch();
  Status seal_batch();
  void publish();
  void finish(const Cursor& from, const Cursor& to, Status sealed);

  dmr_host* host_ = nullptr;
  dmr_geometry geometry_ = {};
  dmr_main_identity identity_ = {};
  usize arena_bytes_ = 0;

  Table table_;
  RegionMap regions_;
  SlotIndex index_;
  Slots slots_;
  SpareFlush flush_;
  Metadata metadata_;
  u8* bounce_ = nullptr;  // one block; shares memory with the metadata's staging

  bool open_ = false;
  bool read_only_ = false;
  Atomic<u32> metadata_ro_;
  Atomic<u64> gate_;     // block number + 1 whose writers wait; 0 for none
  Atomic<u32> doubts_;   // staged_[0..doubts_) are in doubt
  Atomic<u64> lost_sectors_;
  Atomic<u64> main_read_errors_, main_write_errors_, remaps_, commits_;

  Staged staged_[kBatchMax];
  u32 staged_count_ = 0;
  static constexpr u32 kSuspectsMax = 8;
  Slot suspects_[kSuspectsMax];  // slots that failed to take data in this batch
  u32 suspect_count_ = 0;
  u32 slots_failing_ = 0;        // in a row, without one that took its data
};

}  // namespace dmr

// The name that C knows it by.
struct dmr_engine : dmr::Engine {};
