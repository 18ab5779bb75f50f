// SPDX-License-Identifier: GPL-2.0
//
// Writes one copy of the metadata of a pair to standard output, 512 KiB: COUNT blocks redirected,
// the first being FIRST, one each STRIDE blocks.
//   spare_image MAIN_SECTORS SPARE_SECTORS COUNT FIRST STRIDE
#include <libdeflate.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "core/format.h"

extern "C" dmr_u32 dmr_host_crc32(dmr_u32 crc, const void* data, dmr_size bytes) {
  return libdeflate_crc32(crc, data, bytes);
}

int main(int argc, char** argv) {
  using namespace dmr;
  if (argc != 6) return 2;
  u64 number[5];
  for (int i = 0; i < 5; ++i) number[i] = std::strtoull(argv[i + 1], nullptr, 10);
  const auto [main_sectors, spare_sectors, count, first, stride] = number;
  const u32 slots = slots_for(spare_sectors);
  const u64 end = count == 0 ? 0 : first + (count - 1) * stride + 1;
  if (count > slots || end * DMR_BLOCK_SECTORS > main_sectors) return 2;

  // What lies behind the last table block of a small table is not the copy's.
  std::vector<TableBlock> table(kTableBlocksMax);
  Header header = {};
  for (u32 b = 0; b < table_blocks_for(slots); ++b) {
    table[b].index.store(static_cast<u16>(b));
    for (u32 e = 0; e < kEntriesPerTableBlock; ++e) {
      const u64 slot = u64{b} * kEntriesPerTableBlock + e;
      const bool used = slot < count;
      table[b].entries[e].store(
          (used ? Entry::of(Block(first + slot * stride), kAllSectors, 0) : Entry::free()).bits());
    }
    table[b].crc.store(table_block_crc(table[b]));
    header.table_crc[b].store(table[b].crc.load());
  }
  header.uuid[0] = 1;
  header.sequence.store(1);
  header.main_sectors.store(main_sectors);
  header.spare_sectors.store(spare_sectors);
  header.slots.store(slots);
  header.table_blocks.store(table_blocks_for(slots));
  header.main_logical_sectors.store(1);
  header.slots_touched.store(static_cast<u32>(count));
  seal_header(header);
  return std::fwrite(&header, sizeof header, 1, stdout) == 1 &&
                 std::fwrite(table.data(), sizeof table[0], table.size(), stdout) == table.size()
             ? 0
             : 1;
}
