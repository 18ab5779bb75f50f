// SPDX-License-Identifier: GPL-2.0
//
// The layout of the metadata on the spare, and how its parts are made and verified. Pure: no I/O,
// no state. Any context. docs/ON_DISK_FORMAT.md says the same byte for byte.
#pragma once

#include "base.h"
#include "dm_remap/core.h"

namespace dmr {

inline constexpr u32 kCopies = DMR_COPIES;
// No pair gets there by itself. A header beyond it is damaged, so none is ever written.
inline constexpr u64 kSequenceMax = u64{1} << 63;
inline constexpr u64 kCopySector[kCopies] = {0, 1024, 2048, 4096, 8192};
inline constexpr u32 kTableBlocksMax = 127;
inline constexpr u32 kEntriesPerTableBlock = 511;
inline constexpr u32 kTableBlockSectors = DMR_BLOCK_SECTORS;
inline constexpr u32 kFormatVersion = 1;
inline constexpr u64 kTailSectors = 2048;  // the spare's last MiB, which must be blank as well

static_assert(kTableBlocksMax * kEntriesPerTableBlock == DMR_SLOTS_MAX);
static_assert((1 + kTableBlocksMax) * kTableBlockSectors == 1024, "a copy ends where the next may start");

// One redirection: block number (48 bits) | lost mask (8) | spare mask (8). Entry n is slot n's.
class Entry {
 public:
  static constexpr u64 kFreeBlock = 0xffffffffffff;
  static constexpr u64 kRetiredBlock = 0xfffffffffffe;

  constexpr Entry() = default;
  constexpr explicit Entry(u64 bits) : bits_(bits) {}
  static constexpr Entry of(Block block, SectorMask spare, SectorMask lost) {
    return Entry(block.value() << 16 | u64{lost} << 8 | spare);
  }
  static constexpr Entry free() { return Entry(kFreeBlock << 16); }
  static constexpr Entry retired() { return Entry(kRetiredBlock << 16); }

  constexpr u64 bits() const { return bits_; }
  constexpr Block block() const { return Block(bits_ >> 16); }
  // In the slot, or dead if also in lost_mask().
  constexpr SectorMask spare_mask() const { return static_cast<SectorMask>(bits_); }
  constexpr SectorMask lost_mask() const { return static_cast<SectorMask>(bits_ >> 8); }
  constexpr SectorMask in_slot() const { return spare_mask() & ~lost_mask(); }
  constexpr SectorMask on_main() const { return ~(spare_mask() | lost_mask()); }
  constexpr bool is_free() const { return bits_ >> 16 == kFreeBlock; }
  constexpr bool is_retired() const { return bits_ >> 16 == kRetiredBlock; }
  constexpr bool is_used() const { return bits_ >> 16 < kRetiredBlock; }
  constexpr bool operator==(const Entry&) const = default;

 private:
  u64 bits_ = 0;
};

// A table block as it lies on the spare, and as the engine keeps it in memory: the entries of the
// running state are these very words, read by map() while the worker replaces them one by one.
struct TableBlock {
  Little<u32> crc;       // of all that follows: tells a torn or misplaced block
  Little<u16> index;     // which block of the table this is: tells a misdirected write
  Little<u16> reserved;  // zero
  Little<u64> entries[kEntriesPerTableBlock];
};
static_assert(sizeof(TableBlock) == DMR_BLOCK_BYTES);

// The lasting counters; never reset but by a new format.
struct Counters {
  Little<u64> main_read_errors;
  Little<u64> main_write_errors;
  Little<u64> remaps;
  Little<u64> lost;
  Little<u64> salvaged;
  Little<u64> commits;
  Little<u64> repairs;
};
static_assert(sizeof(Counters) == 56);

// The header of a copy. Its CRC covers it whole, the CRCs of the table blocks included, so that one
// checksum vouches for the whole set.
struct Header {
  u8 magic[8];                  // tells ours from foreign contents
  Little<u32> version;          // of the format; another is refused, never guessed at
  Little<u32> crc;              // of these 4096 bytes with this field zero
  u8 uuid[DMR_UUID_BYTES];      // of the pair: tells this spare from every other
  Little<u64> sequence;         // of the state; never used twice
  Little<u64> main_sectors;     // fingerprint: size of main
  Little<u64> spare_sectors;    // geometry: a spare that shrank is refused
  Little<u32> slots;            // geometry: entries in use of the table
  Little<u32> table_blocks;     // geometry: blocks of the table
  Little<u32> main_logical_sectors;  // fingerprint: logical block of main
  Little<u32> slots_touched;    // slots from here on were never used: they are taken first
  u8 main_unique_id[DMR_UNIQUE_ID_BYTES];           // fingerprint; zeros: not known
  u8 main_partition_uuid[DMR_PARTITION_UUID_BYTES]; // fingerprint; zeros: not known
  char label[DMR_LABEL_BYTES];  // zero-terminated, zero-filled
  Little<u64> created_seconds;    // Unix time of the format
  Little<u64> committed_seconds;  // Unix time of this state
  Counters counters;
  Little<u64> scan_cursor_sector;  // where the health scanner goes on
  Little<u64> scan_passes;         // whole passes made
  u8 reserved[696];             // zero, checked
  Little<u32> table_crc[kTableBlocksMax];  // of every table block; zero beyond table_blocks
  u8 reserved_end[2564];        // zero, checked
};
static_assert(sizeof(Header) == DMR_BLOCK_BYTES);
static_assert(__builtin_offsetof(Header, crc) == 12);
static_assert(__builtin_offsetof(Header, sequence) == 32);
static_assert(__builtin_offsetof(Header, main_unique_id) == 72);
static_assert(__builtin_offsetof(Header, counters) == 256);
static_assert(__builtin_offsetof(Header, table_crc) == 1024);

// Lies alone in sector 0 while a format is under way, so that a power cut leaves neither a spare
// that looks foreign nor one that looks whole.
struct FormatMark {
  u8 magic[8];
  Little<u32> crc;  // of these 512 bytes with this field zero
  u8 reserved[500];
};
static_assert(sizeof(FormatMark) == DMR_SECTOR_BYTES);

// What a 4096-byte header place holds.
enum class HeaderKind : u8 {
  kValid,
  kMark,            // a format was under way
  kUnknownVersion,  // ours, and whole, but of a format version that this code does not know
  kDamaged,         // ours by its magic, but it does not verify
  kForeign,         // anything else, zeros included
};

constexpr u32 slots_for(u64 spare_sectors) {
  const u64 fit = (spare_sectors - DMR_METADATA_SECTORS) / DMR_BLOCK_SECTORS;
  return static_cast<u32>(min<u64>(fit, DMR_SLOTS_MAX));
}
constexpr u32 table_blocks_for(u32 slots) {
  return (slots + kEntriesPerTableBlock - 1) / kEntriesPerTableBlock;
}

bool is_zero(const void* data, usize bytes);
// What a label may be made of: it stands in the table line as it is.
constexpr bool label_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-';
}
// A spare is untrusted: a header counts as valid only if every field is one that we would write.
HeaderKind classify_header(const Header& header);
// Sets magic, version and the CRC; every other field is the caller's.
void seal_header(Header& header);
void make_mark(FormatMark& mark);
// The CRC that belongs into TableBlock::crc and Header::table_crc.
u32 table_block_crc(const TableBlock& block);
// CRC, index and reserved bytes are those of block @index of some table of ours.
bool table_block_verifies(const TableBlock& block, u32 index);
// The entry could have been written by us for a main of that size.
bool entry_plausible(Entry entry, u64 main_sectors, u32 logical_sectors);
// So could every entry of the block; those of slots that do not exist are free.
// (That no block of main has two slots is checked where the index is built.)
bool entries_plausible(const TableBlock& block, u32 index, u32 slots, u64 main_sectors,
                       u32 logical_sectors);

}  // namespace dmr
