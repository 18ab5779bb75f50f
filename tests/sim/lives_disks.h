// SPDX-License-Identifier: GPL-2.0
//
// The two disks of the search over whole lives, so small that all they hold is a few numbers; what
// their user may read; and what is left of them when a boot ends, in a form in which equal lives are
// equal bytes.
//
// Only what can differ between two lives is kept, as *cells* with a number for the content: of each
// copy the header's first sector and its sector with the table's CRC, the table block's first sector,
// which has the entries; the slots' sectors, and the user's two sectors of main. That all the rest is
// what it always is, is checked at each write. A sector of the user is one cell, whatever its size.
//
// A cell is written whole or not at all, and of cells that were not flushed a power cut keeps any of
// their contents. A cut is looked at after each write: the core goes on, but every state that a cut
// at that moment could have left is reported.
//
// One thread, and one of it in a process.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/format.h"

namespace dmr::sim {

inline constexpr uint32_t kLifeSectors = 2;
inline constexpr uint32_t kSlotCell = 3 * kCopies;  // two for each slot
inline constexpr uint32_t kMainCell = kSlotCell + 4;
inline constexpr uint32_t kCells = kMainCell + kLifeSectors;
inline constexpr uint32_t kUnflushedMax = 3;  // contents of one cell; older ones are forgotten
inline constexpr uint32_t kLifeFaultsMax = 2;
inline constexpr uint32_t kHeadsMax = 64;  // headers that one boot knows by number
inline constexpr uint32_t kValues = 15;    // of a sector, at a time

// What a pair is like.
struct Kind {
  const char* name;
  bool two_blocks;  // the user's sectors are a 4096-byte block each, or two sectors of one block
  uint32_t slots;
};

enum class FaultKind : uint8_t {
  // Until the boot ends. Place: a copy.
  kCopyUnreadable,
  kCopyAway,         // neither reads nor writes
  kCopyRefuses,      // writes fail
  kCopyRefusesLate,  // writes fail, and are in the spare's cache all the same
  kCopyDrops,        // writes are acknowledged, and nothing comes of them
  // Place: a slot.
  kSlotRefuses,  // writes fail
  kSlotDrops,    // writes that will be read back
  kSlotUnreadable,
  kSlotRefusesOnce,
  // Once. Place: so many flushes go well before.
  kSpareFlush,
  kMainFlush,
  // Place: a sector of the user.
  kMainUnreadable,  // until the boot ends
  kMainWeak,        // once
};

struct LifeFault {
  FaultKind kind = FaultKind::kCopyUnreadable;
  uint8_t place = 0;
  bool met = false;
};

// Contents of a user's cell: 0 is what nobody may read, else a value of one of the two sectors.
constexpr uint16_t content_of(uint32_t sector, uint32_t value) {
  return static_cast<uint16_t>(1 + sector * (kValues + 1) + value);
}
constexpr uint32_t sector_of(uint16_t content) {
  return (content - 1u) / (kValues + 1);
}
constexpr uint32_t value_of(uint16_t content) {
  return (content - 1u) % (kValues + 1);
}

struct Cell {
  uint16_t stable = 0;
  uint16_t unflushed = 0;
  std::array<uint16_t, kUnflushedMax> cached = {};  // oldest first
  uint16_t latest() const { return unflushed == 0 ? stable : cached[unflushed - 1u]; }
};
using Contents = std::array<uint16_t, kCells>;

// What a sector may read: a bit for each value (from 1 on), and bit 0 for EIO.
struct Allowed {
  uint16_t now = 0;
  uint16_t after_cut = 0;
};
inline constexpr uint16_t kEio = 1;

// What is left when a boot has ended. Bytes are equal if and only if nothing that follows can differ:
//  - the lowest sequence is 1. The core compares sequences and counts up from the highest, and that
//    is all it does with them. Gaps are kept.
//  - lasting counters are zero, but for telling headers apart that differ only there: the core adds
//    to them and decides nothing by them.
//  - the values of a sector are numbered by age, of those that it may read and that are on a disk.
//    All others are one content: none may ever be read again, and the core does not look at data.
struct Left {
  struct Unflushed {
    uint32_t content;
    uint32_t cell;
  };
  static constexpr uint32_t kUnflushedCells = 24;

  std::array<uint32_t, kCopies> head = {};  // see Disks::pack()
  std::array<uint16_t, kCopies> list = {};
  std::array<uint16_t, kCopies> table = {};
  std::array<uint8_t, kCells - kSlotCell> user = {};
  std::array<Allowed, kLifeSectors> allowed = {};
  uint8_t faults = 0;     // that may still come
  uint8_t unflushed = 0;  // how many there are of these, by cell, oldest first
  std::array<Unflushed, kUnflushedCells> cached = {};

  size_t bytes() const { return offsetof(Left, cached) + unflushed * sizeof(Unflushed); }
};

class Disks {
 public:
  Disks(const Kind& kind, const std::vector<uint8_t>& formatted_spare);

  // ---- All that a snapshot must hold.
  struct State {
    std::array<Cell, kCells> cells = {};
    std::array<Allowed, kLifeSectors> allowed = {};
    std::array<uint8_t, kLifeSectors> newest = {};  // value of each sector
    std::array<LifeFault, kLifeFaultsMax> faults = {};
    uint32_t fault_count = 0;
    uint32_t faults_left = 0;
    std::array<uint8_t, kLifeSectors> refusals = {};  // so many writes to main fail
    bool refusal_met = true;
    uint32_t heads = 0;
    uint32_t reported = 0;  // outcomes since the boot began
    bool was_cut = false;   // nothing was unflushed then
  };
  State state;

  static dmr_geometry geometry(const Kind& kind);
  uint64_t user_sector(uint32_t sector) const {
    return (sector + 1) * unit_ + (unit_ == 1 ? 7 : 0);
  }
  uint32_t unit() const { return unit_; }

  // ---- The beginning and the end of a boot.
  void load(const Left& left);
  void inject(LifeFault fault);
  // While faults or refusals were not met, nothing is reported: without them it is the same.
  bool all_met() const;
  // Called for each state that a power cut may leave, or the end of the boot without one.
  std::function<void(const Left&)> on_outcome;
  void report_end();
  // All that a power cut may leave now; after a write, what none before it could.
  void report_cuts(uint64_t fresh_cells);

  // ---- I/O, as a driver would answer it. By the user himself: nobody reads back what he writes.
  dmr_sts read(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer);
  dmr_sts write(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data, bool fua,
                bool by_user);
  dmr_sts flush(dmr_device device);

  // ---- The user's view.
  const uint8_t* bytes_of(uint16_t content) const { return &patterns_[content * size_t{4096}]; }
  uint32_t cell_at(dmr_device device, uint64_t sector) const;
  uint16_t content_by(const uint8_t* bytes) const;

  bool trace = false;  // tells every I/O
  std::string describe(const Left& left) const;
  uint64_t cut_short = 0;  // cuts with too many unflushed cells to look at every subset

 private:
  using Block4k = std::array<uint8_t, DMR_BLOCK_BYTES>;
  using Sector = std::array<uint8_t, DMR_SECTOR_BYTES>;
  // A header's first sector.
  struct Head {
    Sector bytes;
    uint64_t sequence;
    uint16_t body;  // the rest of it, but for sequence, CRC and counters
    uint16_t list;  // the sector with the table's CRC that it was made with
  };
  // Sectors by number.
  class Numbers {
   public:
    uint16_t of(const uint8_t* bytes);
    const Sector& operator[](uint16_t number) const { return known_[number]; }

   private:
    std::vector<Sector> known_;
    std::unordered_map<std::string, uint16_t> numbers_;
    uint16_t last_ = 0;
  };

  bool meets(FaultKind kind, uint32_t place);
  bool flush_fails(FaultKind kind);
  bool copy_fails_read(uint32_t copy);
  dmr_sts read_metadata(uint64_t sector, uint8_t* buffer);
  dmr_sts write_metadata(uint64_t sector, const uint8_t* data);
  dmr_sts read_user(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer);
  dmr_sts write_user(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data,
                     bool fua, bool by_user);
  bool put(uint32_t cell, uint16_t content);
  void settle(uint32_t first, uint32_t end);
  uint16_t head_number(const Header& header);
  uint16_t head_number(uint32_t packed);
  const Head& known_head(uint32_t packed);
  void report(const Contents& contents, bool cut);
  void pack_heads(const Contents& contents, bool cut, Left& left) const;
  void pack_user(const Contents& contents, bool cut, Left& left) const;

  uint32_t unit_;  // sectors of main that a sector of the user is
  uint32_t slots_;
  Block4k table_rest_;             // a table block; its first sector is not used
  std::vector<uint8_t> patterns_;  // of each content of the user, 4096 bytes
  std::vector<Head> heads_;        // by number, of this boot
  std::unordered_map<uint32_t, Head> packed_heads_;
  Numbers bodies_, lists_, tables_;
};

}  // namespace dmr::sim
