// SPDX-License-Identifier: GPL-2.0
//
// The input of fuzz_metadata: a setup, and records of 16 bytes. The first of them describe a crafted
// spare, by what differs from a healthy one; the others say what is then done with the target. So an
// input is short, and whatever it changes of the five copies gets its CRCs fitted, unless a record
// says otherwise: a checksum is no obstacle for whoever crafts a spare.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hosted/sim_disk.h"

namespace fuzz {

enum class Op : uint8_t {
  // Changes of the copies in `copies`, before their CRCs are fitted.
  kHeaderBytes,  // `number` % 8 + 1 bytes of `value` at `where`
  kEntry,        // entry `number` becomes `value`
  kEntries,      // `where` % 2048 entries from `number` on: blocks from `value` on
  kTableBytes,   // as kHeaderBytes, in table block `number` / 8
  kResize,       // made for a spare of `number` sectors
  kKeepCrcs,     // bits of `number`: CRCs of table blocks, their list, CRC of the header stay
  // Changes after that.
  kRawBytes,    // as kHeaderBytes, at `where` of the 4 KiB `number` / 8 of the copy
  kHeaderOf,    // the header of copy `number`
  kTableOf,     // table block `where` of copy `number`
  kZero,        // header and table are zeros
  kMark,        // a format was under way
  kTail,        // a byte somewhere in what is to be blank on a new spare
  kUnreadable,  // 4 KiB `number` of the copy
  // What is done.
  kWrite,
  kRead,
  kDiscard,
  kFlush,
  kBreakMain,
  kBreakSpare,
  kHeal,
  kRepair,
  kRemap,
  kUnmap,
  kRetest,
  kResumeRemap,
  kAdopt,
  kSettle,
  kReopen,
  kList,
  kOffline,
  kCount,
};

struct Setup {
  uint8_t flags;    // kBlank ...
  uint8_t logical;  // log2 of the logical blocks' sectors: main's, spare's in the upper half
  uint8_t retries;
  uint8_t identity;  // of main; 0: none
  uint32_t more_spare_sectors;  // modulo 4096, or kLargestSpare
  uint64_t main_sectors;    // 0: 65536
  uint64_t target_sectors;  // 0: all of main
};
static_assert(sizeof(Setup) == 24);

enum : uint8_t {
  kBlank = 1,
  kFormat = 2,
  kAdoptMain = 4,
  kSingleCopy = 8,
  kReadOnlyMetadata = 16,
  kReadOnlyTable = 32,
  kUuid = 64,
  kNoAutoRemap = 128,
};

struct Record {
  uint8_t op;
  uint8_t copies;
  uint16_t where;
  uint32_t number;
  uint64_t value;

  Op what() const { return static_cast<Op>(op % static_cast<uint8_t>(Op::kCount)); }
  bool is_image() const { return what() < Op::kWrite; }
};
static_assert(sizeof(Record) == 16);

struct Input {
  Input(const uint8_t* data, size_t size);
  // Into at most @capacity bytes; how many.
  size_t store(uint8_t* data, size_t capacity) const;

  static constexpr size_t kRecordsMax = 64;
  Setup setup = {};
  std::vector<Record> records;
};

struct Sizes {
  uint64_t main_sectors;
  uint64_t spare_sectors;
  uint32_t main_logical;
  uint32_t spare_logical;
};

inline constexpr uint32_t kLargestSpare = 0xffffffff;
inline constexpr uint64_t kFirstSequence = 1000;
extern const uint8_t kPairUuid[16];

// Puts what the input describes on @spare, which is blank.
void put_image(const Input& input, const Sizes& sizes, dmr::hosted::SimDisk& spare);

}  // namespace fuzz
