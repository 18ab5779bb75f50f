// SPDX-License-Identifier: GPL-2.0
//
// The five copies on the spare: reading and judging them, loading the winner, committing a new
// state, verifying. Knows nothing of bios or of main; the engine decides what to commit and when.
//
// Owner only (one thread at a time, may sleep), but for the numbers that say so.
#pragma once

#include "flush.h"
#include "format.h"
#include "index.h"
#include "verdict.h"

namespace dmr {

// A change of one slot's entry that a commit shall make durable.
struct Change {
  Slot slot;
  Entry before;
  Entry after;
};

// A sequence of changes without saying where they lie (they are part of larger records).
class Changes {
 public:
  Changes() = default;
  Changes(const Change* first, u32 count, usize stride)
      : first_(reinterpret_cast<const u8*>(first)), count_(count), stride_(stride) {}
  u32 count() const { return count_; }
  const Change& operator[](u32 i) const {
    return *reinterpret_cast<const Change*>(first_ + i * stride_);
  }

 private:
  const u8* first_ = nullptr;
  u32 count_ = 0;
  usize stride_ = 0;
};

// What the pair goes by.
struct Name {
  u8 uuid[DMR_UUID_BYTES];
  char label[DMR_LABEL_BYTES];
};

class Metadata {
 public:
  // Memory in the arena; each is one block of 4096 bytes but the table.
  struct Buffers {
    Header* committed;
    Header* next;
    TableBlock* staging;
    u8* readback;
  };

  // @logical_sectors: of the spare.
  void attach(dmr_host* host, const Buffers& buffers, u32 logical_sectors, Table* table,
              SpareFlush* flush) {
    host_ = host;
    logical_sectors_ = logical_sectors;
    committed_ = buffers.committed;
    next_ = buffers.next;
    staging_ = buffers.staging;
    readback_ = buffers.readback;
    table_ = table;
    flush_ = flush;
  }

  // ---- Before it is open.

  // Reads all five copies and judges them. @table_blocks_max: how many fit the table's memory.
  Verdict examine(u32 table_blocks_max);
  const CopyView& view(u32 copy) const { return views_[copy]; }
  // Reads the winner's header into header() and its table into memory. False if it can't be had
  // any more, or holds entries that we would never write.
  bool load(const Verdict& verdict);
  // Starts an empty table of @slots slots in memory, to be followed by a commit with every copy
  // written, copy 0 last. The caller fills the rest of header().
  Status begin_format(u32 slots);
  // True if another boot might elect another state than the winner, if no commit outvotes it: one was
  // seen, or a copy was not and there may be one.
  bool rival_possible(const Verdict& verdict) const;
  // For open without a commit: takes the state that load() found as it is.
  void accept(const Verdict& verdict);

  // ---- Open.

  // The fields of the present state. Change them only through draft().
  const Header& header() const { return *committed_; }
  // Fields that the next commit shall carry; a copy of header() but for what was set here since.
  Header& draft() { return *next_; }

  // Makes durable what load() read, if it is not yet: it may lie in the device's cache only, left
  // there by a boot whose flushes failed. False if the spare can't be flushed; then no commit holds.
  bool make_durable();
  // Makes the present table with @changes, and draft(), durable under a new sequence. kOk: four
  // copies or more hold it, and header() says so. Else nothing of it may be acted on, and a reboot
  // may find either state.
  Status commit(const Changes& changes);
  // Compares every copy with the present state; those that differ are rewritten by next commit.
  void verify_copies();
  void verify_copy(u32 copy);
  // Flushes the spare and keeps account of it.
  Status flush_spare();

  // Any context:
  u32 good_copies() const { return good_copies_.load(); }
  dmr_copy copy_state(u32 copy) const {
    return static_cast<dmr_copy>(copy_states_.load() >> (kCopyBits * copy) & kCopyMask);
  }
  u64 sequence() const { return sequence_.load(); }
  u64 repairs() const { return repairs_.load(); }
  Name name() const { return name_.load(); }

 private:
  // In the order in which a commit goes through them: who holds the present state goes last.
  enum class CopyState : u8 { kInvalid, kStale, kGood };

  bool read_spare(u64 sector, u32 sectors, void* buffer);
  void read_headers();
  void find_table_blocks(u32 table_blocks_max);
  bool holds_winner(u32 copy, const Verdict& verdict) const;
  void note_highest();
  bool load_header(const Verdict& verdict);
  bool load_table_block(u32 index);
  // Builds table block @index with @changes in staging_, its CRC included.
  void stage(u32 index, const Changes& changes);
  bool write_copy(u32 copy, const Changes& changes);
  bool copy_holds(u32 copy, const BitSet<kTableBlocksMax>& blocks, const Changes& changes);
  enum class Turn : u8 { kNotTried, kFailed, kHolds };
  static u32 others_whole(u32 copy, const Turn (&turns)[kCopies]);
  void note_turns(const Turn (&turns)[kCopies], bool acknowledged, const Changes& changes);
  u32 count_good();
  void publish_name();

  dmr_host* host_ = nullptr;
  u32 logical_sectors_ = 1;
  Header* committed_ = nullptr;
  Header* next_ = nullptr;
  TableBlock* staging_ = nullptr;
  u8* readback_ = nullptr;
  Table* table_ = nullptr;
  SpareFlush* flush_ = nullptr;

  CopyView views_[kCopies];
  Little<u32> listed_crc_[kCopies][kTableBlocksMax];  // of the headers read by examine()

  CopyState states_[kCopies] = {};
  BitSet<kTableBlocksMax> differs_[kCopies];  // table blocks that are not the present state's
  bool durable_ = false;                      // whether all that load() read was flushed since
  Sequence highest_;                          // ever seen or used
  u32 last_holders_ = 0;                      // of the last commit, whether acknowledged or not
  Latched<Name> name_;
  Atomic<u32> good_copies_;
  static constexpr u32 kCopyBits = 2, kCopyMask = 3;
  Atomic<u32> copy_states_;  // kCopyBits of each
  Atomic<u64> sequence_;
  Atomic<u64> repairs_;
};

}  // namespace dmr
