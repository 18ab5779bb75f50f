// SPDX-License-Identifier: GPL-2.0
#include "spares.h"

#include <map>

#include "core/format.h"

namespace dmr::sim {
namespace {

using hosted::SimDisk;
using hosted::SimHost;
using hosted::SimTarget;

constexpr uint32_t kForeignSlots = 48;
constexpr uint8_t kForeignByte = 0x5a;

}  // namespace

dmr_arguments default_arguments() {
  dmr_arguments arguments;
  dmr_u32 bad = 0;
  (void)dmr_arguments_parse(&arguments, 0, nullptr, &bad);
  return arguments;
}

SimDisk blank_spare(const Shape& shape) {
  SimDisk spare(DMR_SPARE_MIN_SECTORS, shape.spare_logical);
  for (uint32_t s = 0; s < kForeignSlots * DMR_BLOCK_SECTORS; ++s)
    spare.fill(DMR_METADATA_SECTORS + s, 1, kForeignByte);
  return spare;
}

// Making a pair costs more than all the rest of a run: it is made once for each shape.
const SimDisk& formatted_spare(const Shape& shape) {
  static std::map<Shape, SimDisk> made;
  const auto found = made.find(shape);
  if (found != made.end()) return found->second;
  SimHost host(SimDisk(shape.main_sectors, shape.main_logical), blank_spare(shape));
  SimTarget target(host);
  (void)target.open(default_arguments());
  (void)host.spare.flush();
  return made.emplace(shape, host.spare).first->second;
}

void retire_slots(SimDisk& spare, uint32_t slots_touched,
                  const std::function<bool(uint32_t slot)>& retired) {
  Header header;
  spare.peek(0, DMR_BLOCK_SECTORS, &header);
  header.slots_touched.store(slots_touched);
  for (uint32_t b = 0; b < header.table_blocks.load(); ++b) {
    TableBlock block;
    spare.peek(DMR_BLOCK_SECTORS * (1 + b), DMR_BLOCK_SECTORS, &block);
    for (uint32_t i = 0; i < kEntriesPerTableBlock; ++i) {
      const uint32_t slot = b * kEntriesPerTableBlock + i;
      if (slot < header.slots.load() && retired(slot))
        block.entries[i].store(Entry::retired().bits());
    }
    block.crc.store(table_block_crc(block));
    header.table_crc[b].store(block.crc.load());
    for (const uint64_t copy : kCopySector)
      spare.poke(copy + DMR_BLOCK_SECTORS * (1 + b), DMR_BLOCK_SECTORS, &block);
  }
  seal_header(header);
  for (const uint64_t copy : kCopySector) spare.poke(copy, DMR_BLOCK_SECTORS, &header);
}

}  // namespace dmr::sim
