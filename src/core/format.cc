// SPDX-License-Identifier: GPL-2.0
#include "format.h"

namespace dmr {
namespace {

constexpr u8 kHeaderMagic[8] = {'D', 'M', 'R', 'E', 'M', 'A', 'P', '4'};
constexpr u8 kMarkMagic[8] = {'D', 'M', 'R', 'M', 'A', 'R', 'K', '4'};

// The CRC of @bytes at @data with the four bytes at @hole taken as zero.
u32 crc_with_hole(const void* data, usize bytes, usize hole) {
  const u8* p = static_cast<const u8*>(data);
  const u8 zero[4] = {};
  u32 crc = dmr_host_crc32(0, p, hole);
  crc = dmr_host_crc32(crc, zero, sizeof zero);
  return dmr_host_crc32(crc, p + hole + 4, bytes - hole - 4);
}

bool label_clean(const char (&label)[DMR_LABEL_BYTES]) {
  usize length = 0;
  while (length < DMR_LABEL_BYTES && label_character(label[length])) ++length;
  return length < DMR_LABEL_BYTES && is_zero(label + length, DMR_LABEL_BYTES - length);
}

bool fields_possible(const Header& h) {
  const u64 spare = h.spare_sectors.load();
  if (spare < DMR_SPARE_MIN_SECTORS) return false;
  const u32 slots = h.slots.load();
  if (slots != slots_for(spare) || h.table_blocks.load() != table_blocks_for(slots)) return false;
  const u64 main = h.main_sectors.load();
  if (main == 0 || main > DMR_MAIN_MAX_SECTORS) return false;
  const u32 logical = h.main_logical_sectors.load();
  if (logical != 1 && logical != 2 && logical != 4 && logical != 8) return false;
  if (h.sequence.load() == 0 || h.sequence.load() > kSequenceMax) return false;
  if (h.slots_touched.load() > slots) return false;
  if (h.scan_cursor_sector.load() > main) return false;
  for (u32 b = h.table_blocks.load(); b < kTableBlocksMax; ++b) {
    if (h.table_crc[b].load() != 0) return false;
  }
  return label_clean(h.label) && is_zero(h.reserved, sizeof h.reserved) &&
         is_zero(h.reserved_end, sizeof h.reserved_end);
}

}  // namespace

bool is_zero(const void* data, usize bytes) {
  const u8* p = static_cast<const u8*>(data);
  return bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
}

HeaderKind classify_header(const Header& h) {
  if (memcmp(h.magic, kMarkMagic, sizeof h.magic) == 0) {
    FormatMark mark;
    memcpy(&mark, &h, sizeof mark);
    const u32 crc = crc_with_hole(&mark, sizeof mark, __builtin_offsetof(FormatMark, crc));
    return crc == mark.crc.load() ? HeaderKind::kMark : HeaderKind::kDamaged;
  }
  if (memcmp(h.magic, kHeaderMagic, sizeof h.magic) != 0) return HeaderKind::kForeign;
  if (crc_with_hole(&h, sizeof h, __builtin_offsetof(Header, crc)) != h.crc.load())
    return HeaderKind::kDamaged;
  if (h.version.load() != kFormatVersion) return HeaderKind::kUnknownVersion;
  return fields_possible(h) ? HeaderKind::kValid : HeaderKind::kDamaged;
}

void seal_header(Header& h) {
  memcpy(h.magic, kHeaderMagic, sizeof h.magic);
  h.version.store(kFormatVersion);
  h.crc.store(crc_with_hole(&h, sizeof h, __builtin_offsetof(Header, crc)));
}

void make_mark(FormatMark& mark) {
  memset(&mark, 0, sizeof mark);
  memcpy(mark.magic, kMarkMagic, sizeof mark.magic);
  mark.crc.store(crc_with_hole(&mark, sizeof mark, __builtin_offsetof(FormatMark, crc)));
}

u32 table_block_crc(const TableBlock& block) {
  return dmr_host_crc32(0, &block.index, sizeof block - sizeof block.crc);
}

bool table_block_verifies(const TableBlock& block, u32 index) {
  return block.index.load() == index && block.reserved.load() == 0 &&
         block.crc.load() == table_block_crc(block);
}

bool entry_plausible(Entry entry, u64 main_sectors, u32 logical_sectors) {
  if (entry == Entry::free() || entry == Entry::retired()) return true;
  if (!entry.is_used()) return false;
  const u64 first = first_sector(entry.block());
  if (entry.block().value() > DMR_MAIN_MAX_SECTORS / DMR_BLOCK_SECTORS || first >= main_sectors)
    return false;
  const SectorMask moved = entry.spare_mask() | entry.lost_mask();
  const u32 present = static_cast<u32>(min<u64>(main_sectors - first, DMR_BLOCK_SECTORS));
  if (moved == 0 || (moved & ~mask_of(0, present)) != 0) return false;
  // Sectors of one logical block share their fate.
  for (u32 s = 0; s < DMR_BLOCK_SECTORS; s += logical_sectors) {
    const SectorMask logical = mask_of(s, logical_sectors);
    const SectorMask spare = entry.spare_mask() & logical;
    const SectorMask lost = entry.lost_mask() & logical;
    if ((spare != 0 && spare != logical) || (lost != 0 && lost != logical)) return false;
  }
  return true;
}

bool entries_plausible(const TableBlock& block, u32 index, u32 slots, u64 main_sectors,
                       u32 logical_sectors) {
  for (u32 i = 0; i < kEntriesPerTableBlock; ++i) {
    const Entry entry(block.entries[i].load());
    const bool exists = index * kEntriesPerTableBlock + i < slots;
    if (exists ? !entry_plausible(entry, main_sectors, logical_sectors) : !(entry == Entry::free()))
      return false;
  }
  return true;
}

}  // namespace dmr
