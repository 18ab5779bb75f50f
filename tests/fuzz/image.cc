// SPDX-License-Identifier: GPL-2.0
#include "image.h"

#include <algorithm>
#include <cstring>

#include "core/format.h"

namespace fuzz {

using dmr::Entry;
using dmr::Header;
using dmr::kCopies;
using dmr::kCopySector;
using dmr::kEntriesPerTableBlock;
using dmr::TableBlock;
using dmr::hosted::Fault;
using dmr::hosted::IoKind;
using dmr::hosted::SimDisk;

const uint8_t kPairUuid[16] = {0x5a, 1, 2, 3, 4, 5, 0x46, 7, 0x88, 9, 10, 11, 12, 13, 14, 15};

Input::Input(const uint8_t* data, size_t size) {
  const size_t head = std::min(size, sizeof setup);
  if (head != 0) std::memcpy(&setup, data, head);
  records.resize(std::min((size - head) / sizeof(Record), kRecordsMax));
  if (!records.empty()) std::memcpy(records.data(), data + head, records.size() * sizeof(Record));
}

size_t Input::store(uint8_t* data, size_t capacity) const {
  if (capacity < sizeof setup) return 0;
  std::memcpy(data, &setup, sizeof setup);
  const size_t count = std::min(records.size(), (capacity - sizeof setup) / sizeof(Record));
  if (count != 0) std::memcpy(data + sizeof setup, records.data(), count * sizeof(Record));
  return sizeof setup + count * sizeof(Record);
}

namespace {

struct Copy {
  Header header;
  std::vector<TableBlock> table;
};

struct Keep {
  bool block_crcs = false, list = false, header_crc = false;
};

Copy healthy(const Sizes& sizes) {
  Copy copy;
  Header& h = copy.header;
  std::memset(&h, 0, sizeof h);
  std::memcpy(h.magic, "DMREMAP4", sizeof h.magic);
  h.version.store(dmr::kFormatVersion);
  std::memcpy(h.uuid, kPairUuid, sizeof h.uuid);
  h.sequence.store(kFirstSequence);
  h.main_sectors.store(sizes.main_sectors);
  h.spare_sectors.store(sizes.spare_sectors);
  const uint32_t slots = dmr::slots_for(sizes.spare_sectors);
  h.slots.store(slots);
  h.table_blocks.store(dmr::table_blocks_for(slots));
  h.main_logical_sectors.store(sizes.main_logical);
  copy.table.resize(h.table_blocks.load());
  for (size_t b = 0; b < copy.table.size(); ++b) {
    std::memset(&copy.table[b], 0, sizeof copy.table[b]);
    copy.table[b].index.store(static_cast<uint16_t>(b));
    for (auto& entry : copy.table[b].entries) entry.store(Entry::free().bits());
  }
  return copy;
}

// @count bytes of @value at @where of the 4096 at @bytes.
void put_bytes(void* bytes, uint32_t where, uint32_t count, uint64_t value) {
  where %= DMR_BLOCK_BYTES;
  count = std::min(count, DMR_BLOCK_BYTES - where);
  std::memcpy(static_cast<uint8_t*>(bytes) + where, &value, count);
}

void set_entry(Copy& copy, uint64_t slot, uint64_t bits) {
  slot %= copy.table.size() * kEntriesPerTableBlock;
  copy.table[slot / kEntriesPerTableBlock].entries[slot % kEntriesPerTableBlock].store(bits);
}

void resize(Header& header, uint64_t spare_sectors) {
  header.spare_sectors.store(spare_sectors);
  const uint32_t slots =
      spare_sectors < DMR_SPARE_MIN_SECTORS ? 0 : dmr::slots_for(spare_sectors);
  header.slots.store(slots);
  header.table_blocks.store(dmr::table_blocks_for(slots));
}

void change(Copy& copy, Keep& keep, const Record& r) {
  switch (r.what()) {
    case Op::kHeaderBytes:
      return put_bytes(&copy.header, r.where, r.number % 8 + 1, r.value);
    case Op::kEntry:
      return set_entry(copy, r.number, r.value);
    case Op::kEntries:
      for (uint64_t i = 0; i < r.where % 2048; ++i)
        set_entry(copy, r.number + i, r.value + (i << 16));
      return;
    case Op::kTableBytes:
      return put_bytes(&copy.table[r.number / 8 % copy.table.size()], r.where, r.number % 8 + 1,
                       r.value);
    case Op::kResize:
      return resize(copy.header, r.number);
    case Op::kKeepCrcs:
      keep = {(r.number & 1) != 0, (r.number & 2) != 0, (r.number & 4) != 0};
      return;
    default:
      return;
  }
}

void fit_crcs(Copy& copy, const Keep& keep) {
  for (size_t b = 0; b < copy.table.size(); ++b) {
    TableBlock& block = copy.table[b];
    if (!keep.block_crcs) block.crc.store(dmr::table_block_crc(block));
    if (!keep.list) copy.header.table_crc[b].store(block.crc.load());
  }
  if (keep.header_crc) return;
  copy.header.crc.store(0);
  copy.header.crc.store(dmr_host_crc32(0, &copy.header, sizeof copy.header));
}

// ---- On the disk ---------------------------------------------------------------------------------

void move_block(SimDisk& spare, uint64_t from, uint64_t to) {
  uint8_t block[DMR_BLOCK_BYTES];
  spare.peek(from, DMR_BLOCK_SECTORS, block);
  spare.poke(to, DMR_BLOCK_SECTORS, block);
}

void damage(SimDisk& spare, uint32_t copy, const Record& r) {
  const uint64_t start = kCopySector[copy];
  const uint64_t blocks = 1 + dmr::kTableBlocksMax;
  const uint64_t other = kCopySector[r.number % kCopies];
  uint8_t bytes[DMR_BLOCK_BYTES];
  switch (r.what()) {
    case Op::kRawBytes: {
      const uint64_t at = start + r.number / 8 % blocks * DMR_BLOCK_SECTORS;
      spare.peek(at, DMR_BLOCK_SECTORS, bytes);
      put_bytes(bytes, r.where, r.number % 8 + 1, r.value);
      return spare.poke(at, DMR_BLOCK_SECTORS, bytes);
    }
    case Op::kHeaderOf:
      return move_block(spare, other, start);
    case Op::kTableOf: {
      const uint64_t block = 1 + r.where % dmr::kTableBlocksMax;
      return move_block(spare, other + block * DMR_BLOCK_SECTORS, start + block * DMR_BLOCK_SECTORS);
    }
    case Op::kZero:
      return spare.fill(start, 64, 0);
    case Op::kUnreadable:
      return spare.inject(Fault{.kind = IoKind::kRead,
                                .first_sector = start + r.number % blocks * DMR_BLOCK_SECTORS,
                                .sectors = DMR_BLOCK_SECTORS});
    default:
      return;
  }
}

// What concerns the spare as a whole.
void damage_spare(SimDisk& spare, const Record& r) {
  if (r.what() == Op::kMark) {
    dmr::FormatMark mark;
    dmr::make_mark(mark);
    spare.poke(0, 1, &mark);
  } else if (r.what() == Op::kTail) {
    const uint64_t back = 1 + r.number % (2 * dmr::kTailSectors);
    uint8_t sector[DMR_SECTOR_BYTES] = {};
    sector[r.where % sizeof sector] = r.copies;
    spare.poke(r.value & 1 ? r.number % DMR_METADATA_SECTORS : spare.sectors() - back, 1, sector);
  }
}

}  // namespace

void put_image(const Input& input, const Sizes& sizes, SimDisk& spare) {
  const Copy base = healthy(sizes);
  for (uint32_t c = 0; c < kCopies && !(input.setup.flags & kBlank); ++c) {
    Copy copy = base;
    Keep keep;
    for (const Record& r : input.records) {
      if (r.copies >> c & 1) change(copy, keep, r);
    }
    fit_crcs(copy, keep);
    spare.poke(kCopySector[c], DMR_BLOCK_SECTORS, &copy.header);
    spare.poke(kCopySector[c] + DMR_BLOCK_SECTORS,
               static_cast<uint32_t>(copy.table.size()) * DMR_BLOCK_SECTORS, copy.table.data());
  }
  for (const Record& r : input.records) {
    for (uint32_t c = 0; c < kCopies; ++c) {
      if (r.copies >> c & 1) damage(spare, c, r);
    }
    damage_spare(spare, r);
  }
}

}  // namespace fuzz
