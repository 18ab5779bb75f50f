// SPDX-License-Identifier: GPL-2.0
//
// The running state of one pair, laid out in the arena. This header ties the parts together; each
// part's rules are in its own. engine.cc opens and reports, routing.cc answers map(), recovery.cc
// mends requests that failed, jobs.cc does what messages ask for; both stage changes of places
// (moving.cc) that batch.cc makes durable. core.cc is the C face (include/dm_remap/core.h).
//
// One owner at a time (see core.h) changes it; what routing and status read in other contexts is
// atomic: table words, index cells, the region bitmap, gate_, doubts_, configuration, counters.
#pragma once

#include "burst.h"
#include "dm_remap/core.h"
#include "flush.h"
#include "format.h"
#include "index.h"
#include "metadata.h"
#include "scanner.h"
#include "slots.h"
#include "verdict.h"

namespace dmr {

// Redirections that share a commit. Bounds the arena, and how long a write waits for others.
inline constexpr u32 kBatchMax = 128;

// The most that one piece can stage: slots that fail one after the other, the slot given up, and
// the one that takes the data.
inline constexpr u32 kChangesPerPiece = 10;

// A change that waits for its commit; after a commit that failed, sectors in doubt.
struct Staged : Change {
  SectorMask written = 0;                 // sectors put into the slot by this batch
  SectorMask newly_lost = 0;              // that were not lost before, in whichever slot
  u32 crc[DMR_BLOCK_SECTORS] = {};        // of each that was written

  Block block() const { return before.is_used() ? before.block() : after.block(); }
  bool is_new_block() const { return before.is_free() && after.is_used(); }
  // The sectors whose place differs between the two states.
  SectorMask affected() const;
};

// What a device's answer means for the core.
inline Status status_of(dmr_sts sts) {
  if (sts == DMR_STS_OK) return Status::kOk;
  return dmr_sts_is_medium(sts) ? Status::kMedium : Status::kDevice;
}

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
  dmr_request* recover(dmr_request* list);
  bool job(dmr_job& job);
  void resume_remap();
  bool mend_found();
  u32 config(dmr_config config) const { return config_[config].load(); }
  void set_config(dmr_config config, u32 value);
  dmr_flush_action flush_begin(u64& ticket);
  void flush_end(u64 ticket, dmr_sts sts);
  void spare_written() { flush_.written(); }

  // ---- What the scanner looks at (findings.cc). Any context.
  Scanner& scanner() { return scanner_; }
  const Scanner& scanner() const { return scanner_; }
  bool is_read_only() const { return read_only_.load(); }
  bool has_main_failed() const { return main_failed_.load() != 0; }
  u64 target_sectors() const { return geometry_.target_sectors; }
  u32 main_logical_sectors() const { return geometry_.main_logical_sectors; }
  u32 slots_total() const { return slots_.total(); }
  u64 lost_sectors() const { return lost_sectors_.load(); }
  // Differs when redirections, copies or what is allowed have changed.
  u64 news() const {
    return metadata_.sequence() << 8 | u64{metadata_.good_copies()} << 2 |
           main_failed_.load() << 1 | metadata_ro_.load();
  }
  Entry entry_of(Slot slot) const { return table_.get(slot); }
  // Of a slot, those that hold data.
  SectorMask slot_sectors(Slot slot) const {
    const Entry entry = table_.get(slot);
    return entry.is_used() ? entry.in_slot() : SectorMask{0};
  }
  // Of a block of the target, those that are on main. Beside a change of the block it may be either
  // answer.
  SectorMask main_sectors_of(Block block) const;
  // Whether what the scanner finds can be mended now.
  bool can_mend() const { return may_remap() && slots_.free() != 0; }
  bool is_spare_low() const;
  HealthInput health_input(u64 retries, u64 slow) const;
  u64 health_seconds() const;
  u64 age_seconds() const;  // not beside a commit
  void emit_health(dmr_event_kind kind) const;

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
  bool made_for_larger_spare(const Verdict* elected) const;
  u32 slots_in_table() const;
  void fill_identity(Header& header, const dmr_arguments& arguments) const;
  // What a batch changes in the counters.
  struct Tally {
    u64 remaps = 0;
    u64 lost = 0;
    u64 salvaged = 0;
    u64 lost_sectors = 0;  // of those there are now; may be negative, modulo 2^64
  };
  void configure(const dmr_arguments& arguments, bool read_only);
  void load_counters();
  void draft_counters(const Tally& tally);
  void doubt_all();
  // Commits without changes to the table; leaves metadata_ro if it holds, enters it if not.
  Status commit(const Changes& changes, const Tally& tally);
  Status commit_present() { return commit_present(metadata_.good_copies()); }
  // @good_before: copies that were known to be good; an event tells if there are more or fewer.
  Status commit_present(u32 good_before);
  dmr_state state() const;
  void enter_metadata_ro();
  void emit(dmr_event_kind kind, Block block, Slot slot, SectorMask mask) const;

  // ---- routing.cc
  dmr_place place_in_block(u64 sector, u32 sectors, dmr_direction direction) const;
  dmr_place place_over_blocks(u64 sector, u32 sectors, dmr_direction direction) const;
  bool is_near(Block block) const;
  bool is_verified(Block block) const;
  // Of a write to main: whether it is to be read back, and how much of it.
  void choose_verify(u64 sector, dmr_place& place) const;
  Block last_block() const { return block_of(geometry_.main_sectors - 1); }
  bool is_plain(Block block, dmr_direction direction) const;
  SectorMask search_doubts(Block block) const;
  // Nothing is in doubt unless a commit has failed.
  SectorMask in_doubt(Block block) const {
    return (doubts_.load() | all_in_doubt_.load()) != 0 ? search_doubts(block) : 0;
  }

  // Of logical blocks that were read.
  struct ReadResult {
    SectorMask good = 0;    // in the bounce buffer now
    SectorMask weak = 0;    // of those, such as failed before they read
    SectorMask bad = 0;     // failed as the medium does, each logical block by itself
    bool device = false;    // some failed otherwise
  };

  // Of logical blocks that were written, or compared.
  struct WriteResult {
    SectorMask bad = 0;
    bool device = false;
  };

  // ---- recovery.cc
  struct Cursor {
    dmr_request* request;
    u32 offset;  // sectors of it that are behind
  };
  // Sectors of one block, and where that block's sectors are.
  struct Piece {
    dmr_request* request;  // nullptr if it is a message's
    u32 offset;
    Block block;
    SectorMask mask;
    Slot slot;    // of the block, or SlotIndex::kNone
    Entry entry;  // of that slot, or free
  };
  enum class Step : u8 { kDone, kSealFirst, kSealNow };
  Piece piece_of(Block block, SectorMask mask) const;
  Piece piece_at(const Cursor& cursor) const;
  static void advance(Cursor& cursor, const Piece& piece);
  WriteResult verify_main(const Piece& piece, SectorMask mask);
  WriteResult settle_main(const Piece& piece);
  Step mend_write(const Piece& piece);
  void mend_writes(dmr_request* writes);
  Step mend_read(const Piece& piece);
  Step move_weak(const Piece& piece, const ReadResult& before, SectorMask& lost);
  // Mends the first piece of @reads. Returns the rest.
  dmr_request* mend_one_read(dmr_request* reads);
  // Copies sectors of the piece from the bounce buffer to the read's memory.
  void store(const Piece& piece, SectorMask mask);
  static Step fail_piece(const Piece& piece, dmr_outcome outcome);
  // Whether redirections that are there may be changed now; and failing I/O may make new ones.
  bool may_change() const;
  bool may_remap() const;
  // Whether main as a whole answers: asked once a batch, before it costs a slot.
  bool main_answers();
  bool canary_reads(u64 sector);
  // The first block from @block on that has no slot, if it is near.
  bool not_redirected(Block& block) const;
  void enter_main_failed();
  void finish(const Cursor& from, const Cursor& to, Status sealed);

  // ---- moving.cc: between main, slots and the bounce buffer.
  // Each read of a logical block that failed is tried again @retries times.
  ReadResult read_sectors(dmr_device device, u64 block_sector, SectorMask mask, u32 retries,
                          bool failed_once);
  // Runs of sectors as a whole, then the logical blocks of those that fail. No logical block is bad
  // that failed but once: @failed_once says that all of them have been tried before.
  WriteResult write_main(Block block, SectorMask mask, bool failed_once);
  // Those of the bounce buffer's sectors that main does not give back.
  WriteResult unlike_main(Block block, SectorMask mask);
  Status write_slot(Slot slot, SectorMask mask, bool fua);
  void close_gate(Block block);
  enum class Taken : u8 {
    kYes,        // staged
    kNo,         // no slot to be had, or the spare fails
    kSealFirst,  // slots failed: retire them, then try again
  };
  // Stages @wanted for the block of @piece. @fresh: sectors in the bounce buffer that its slot does
  // not hold yet; @all: sectors in the bounce buffer that a new slot must get. With @give_up the
  // present slot is left.
  Taken place(const Piece& piece, SectorMask fresh, SectorMask all, Entry wanted, bool give_up);
  Taken take_slot(const Piece& piece, SectorMask mask, Entry wanted);
  u32 recent_remaps();

  // ---- jobs.cc
  bool next_job_block(dmr_job& job, Block& block) const;
  bool job_block(dmr_job_kind kind, Block block);
  Taken job_piece(dmr_job_kind kind, const Piece& piece);
  // Stages by @stage, which returns Taken, in a batch of its own. True if it is durable.
  template <typename Stage>
  bool batch_of_one(Stage stage);
  Taken remap_block(const Piece& piece);
  Taken unmap_block(const Piece& piece);
  Taken retest_block(const Piece& piece);

  // ---- findings.cc
  Taken found_piece(const Finding& finding, const Piece& piece);
  Taken reslot_block(const Piece& piece);
  void found_copy(u32 copy);
  void put_off(const Finding& finding);

  // ---- batch.cc
  bool staged_for(Block block) const;
  Staged& stage(Slot slot, Entry before, Entry after);
  void stage_written(Staged& staged, SectorMask mask);
  bool suspect(Slot slot) const;
  void add_suspect(Slot slot);
  void begin_batch();
  Status verify_staged();
  void abandon_batch();
  Status seal_batch();
  void batch_failed();
  Entry present(const Staged& staged) const;
  Tally tally() const;
  void publish(const Tally& tally);
  void tell_batch();
  dmr_event_kind event_of(const Staged& staged) const;

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
  u8* bounce_ = nullptr;   // one block; shares memory with the metadata's staging
  u8* scratch_ = nullptr;  // another; shares memory with the metadata's readback

  Atomic<bool> open_;
  Atomic<bool> read_only_;
  Atomic<u32> config_[DMR_CONFIG_COUNT];
  Atomic<u32> metadata_ro_;
  Atomic<u32> main_failed_;
  Atomic<u32> forgive_burst_;
  Atomic<u64> gate_;     // block number + 1 whose writers wait; 0 for none
  Atomic<u32> doubts_;   // staged_[0..doubts_) are in doubt
  Atomic<u32> all_in_doubt_;  // the state itself may not be the one that a reboot finds
  Atomic<u64> lost_sectors_;
  Atomic<u64> main_read_errors_, main_write_errors_, remaps_, lost_, salvaged_,
      commits_;
  Atomic<u64> decayed_;  // slots that failing sectors took, and that failed themselves

  Staged staged_[kBatchMax];
  u32 staged_count_ = 0;
  static constexpr u32 kSuspectsMax = 8;
  Slot suspects_[kSuspectsMax];  // slots that failed to take data in this batch
  u32 suspect_count_ = 0;
  bool spare_full_ = false;      // and it was said
  u32 slots_failing_ = 0;        // in a row, without one that took its data
  Burst burst_;
  u32 new_blocks_ = 0;           // staged in this batch
  bool salvaging_ = false;       // what is lost now may be in a slot afterwards, and nobody wrote it
  bool by_message_ = false;      // what is staged now was asked for, and does not count as a burst
  enum class Canary : u8 { kNotAsked, kReads, kFails };
  Canary canary_ = Canary::kNotAsked;
  u64 canary_turn_ = 0;          // so that no two canaries read the same places
  Block canary_good_;            // the place that read last

  Scanner scanner_;
};

template <typename Stage>
bool Engine::batch_of_one(Stage stage) {
  constexpr u32 kAttempts = 16;  // at one block, while slots fail under it
  for (u32 attempt = 0; attempt < kAttempts; ++attempt) {
    if (read_only_.load() || metadata_ro_.load() || main_failed_.load()) return false;
    begin_batch();
    const Taken taken = stage();
    const Status sealed = seal_batch();
    if (taken == Taken::kNo) return false;
    if (taken == Taken::kYes && sealed != Status::kMedium) return sealed == Status::kOk;
  }
  return false;
}

}  // namespace dmr

// The name that C knows it by.
struct dmr_engine : dmr::Engine {};
