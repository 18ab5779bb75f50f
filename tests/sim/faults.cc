// SPDX-License-Identifier: GPL-2.0
#include "faults.h"

#include <algorithm>
#include <iterator>

#include "core/format.h"

namespace dmr::sim {
namespace {

using hosted::Effect;
using hosted::Fault;
using hosted::IoKind;
using hosted::kForever;

constexpr uint32_t kCopySectorsUsed =
    6 * DMR_BLOCK_SECTORS;  // header and table of the smallest spare
const std::vector<dmr_sts> kMediumCodes = {DMR_STS_MEDIUM, DMR_STS_IOERR, DMR_STS_TARGET};
const std::vector<dmr_sts> kOtherCodes = {DMR_STS_TRANSPORT, DMR_STS_TIMEOUT, DMR_STS_NOTSUPP,
                                          DMR_STS_RESOURCE,  DMR_STS_OFFLINE, DMR_STS_OTHER};

const char* name_of(IoKind kind) {
  return kind == IoKind::kRead ? "reads" : kind == IoKind::kWrite ? "writes" : "flushes";
}

const char* name_of(Effect effect) {
  switch (effect) {
    case Effect::kFail:
      return "fail";
    case Effect::kDrop:
      return "are lost";
    case Effect::kCorrupt:
      return "get a flipped bit";
    case Effect::kMisdirect:
      return "land elsewhere";
  }
  return "?";
}

class Planner {
 public:
  Planner(const Aim& aim, Random& random) : aim_(aim), random_(random) {}
  std::vector<PlannedFault> plan();

 private:
  void add(Fault fault, bool on_main);
  Fault some(IoKind kind, uint64_t first, uint64_t sectors);
  uint64_t times() { return random_.chance(50) ? kForever : random_.between(1, 5); }
  void main_range(uint64_t& first, uint64_t& sectors);
  void main_latent();
  void main_writes();
  void main_dead();
  void main_lies();
  void main_passing();
  void main_other();
  void main_whole();
  void slot_writes();
  void slot_reads();
  void slot_lies();
  void metadata_fails();
  void metadata_lies();
  void spare_flushes();
  void spare_other();

  const Aim& aim_;
  Random& random_;
  std::vector<PlannedFault> planned_;
};

void Planner::add(Fault fault, bool on_main) {
  std::string text = std::string(on_main ? "main: " : "spare: ") + name_of(fault.kind);
  if (fault.kind != IoKind::kFlush)
    text += " of " + std::to_string(fault.first_sector) + "+" + std::to_string(fault.sectors);
  text += std::string(" ") + name_of(fault.effect);
  if (fault.effect == Effect::kMisdirect) text += " (" + std::to_string(fault.elsewhere) + ")";
  if (fault.effect == Effect::kFail) text += " with " + std::to_string(fault.status);
  if (fault.times != kForever) text += ", " + std::to_string(fault.times) + " times";
  if (fault.spare_ios != 0) text += ", after " + std::to_string(fault.spare_ios);
  if (fault.heals) text += ", until rewritten";
  planned_.push_back({fault, on_main, text});
}

Fault Planner::some(IoKind kind, uint64_t first, uint64_t sectors) {
  Fault fault;
  fault.kind = kind;
  fault.first_sector = first;
  fault.sectors = sectors;
  fault.status = random_.pick(kMediumCodes);
  if (random_.chance(50)) fault.sectors_stored = static_cast<uint32_t>(random_.below(17));
  return fault;
}

// Some logical blocks of a hot block, or a whole one.
void Planner::main_range(uint64_t& first, uint64_t& sectors) {
  const uint64_t block = random_.pick(aim_.hot_blocks) * DMR_BLOCK_SECTORS;
  const uint64_t present = std::min<uint64_t>(DMR_BLOCK_SECTORS, aim_.main_sectors - block);
  const uint64_t units = present / aim_.logical_sectors;
  const uint64_t from = random_.below(units);
  first = block + from * aim_.logical_sectors;
  sectors = random_.between(1, units - from) * aim_.logical_sectors;
}

void Planner::main_latent() {
  for (uint64_t n = random_.between(1, 4); n-- != 0;) {
    uint64_t first, sectors;
    main_range(first, sectors);
    const bool heals = random_.chance(50);
    // One fault for each logical block, for each heals by itself.
    for (uint64_t at = first; at < first + sectors; at += aim_.logical_sectors) {
      Fault fault = some(IoKind::kRead, at, aim_.logical_sectors);
      fault.heals = heals;
      add(fault, true);
    }
  }
}

void Planner::main_writes() {
  for (uint64_t n = random_.between(1, 4); n-- != 0;) {
    uint64_t first, sectors;
    main_range(first, sectors);
    Fault fault = some(IoKind::kWrite, first, sectors);
    fault.times = times();
    add(fault, true);
  }
}

void Planner::main_dead() {
  for (uint64_t n = random_.between(1, 3); n-- != 0;) {
    uint64_t first, sectors;
    main_range(first, sectors);
    add(some(IoKind::kRead, first, sectors), true);
    add(some(IoKind::kWrite, first, sectors), true);
  }
}

void Planner::main_lies() {
  for (uint64_t n = random_.between(1, 3); n-- != 0;) {
    uint64_t first, sectors;
    main_range(first, sectors);
    Fault fault = some(IoKind::kWrite, first, sectors);
    fault.effect = Effect::kDrop;
    fault.times = times();
    add(fault, true);
  }
}

void Planner::main_passing() {
  for (uint64_t n = random_.between(1, 5); n-- != 0;) {
    uint64_t first, sectors;
    main_range(first, sectors);
    Fault fault = some(IoKind::kRead, first, sectors);
    fault.times = random_.between(1, 6);
    fault.spare_ios = random_.below(4);
    add(fault, true);
  }
}

void Planner::main_other() {
  Fault fault = some(static_cast<IoKind>(random_.below(3)), 0, kForever);
  fault.status = random_.pick(kOtherCodes);
  fault.times = random_.between(1, 4);
  fault.spare_ios = random_.below(30);
  add(fault, true);
}

void Planner::main_whole() {
  Fault fault = some(IoKind::kRead, 0, kForever);
  fault.spare_ios = random_.below(40);
  fault.times = random_.chance(50) ? kForever : random_.between(10, 100);
  add(fault, true);
  fault.kind = IoKind::kWrite;
  if (random_.chance(70)) add(fault, true);
}

void Planner::slot_writes() {
  for (uint64_t n = random_.between(1, 5); n-- != 0;) {
    const uint64_t slot =
        DMR_METADATA_SECTORS + uint64_t{random_.pick(aim_.likely_slots)} * DMR_BLOCK_SECTORS;
    Fault fault = some(IoKind::kWrite, slot, random_.chance(70) ? DMR_BLOCK_SECTORS : 24);
    fault.times = times();
    fault.spare_ios = random_.chance(50) ? 0 : random_.below(4);
    add(fault, false);
    if (random_.chance(50)) {
      fault.kind = IoKind::kRead;
      if (random_.chance(50)) fault.sectors = 1;
      add(fault, false);
    }
  }
}

void Planner::slot_reads() {
  for (uint64_t n = random_.between(1, 4); n-- != 0;) {
    const uint64_t slot =
        DMR_METADATA_SECTORS + uint64_t{random_.pick(aim_.likely_slots)} * DMR_BLOCK_SECTORS;
    const uint64_t first = random_.below(DMR_BLOCK_SECTORS);
    Fault fault = some(IoKind::kRead, slot + first, random_.between(1, DMR_BLOCK_SECTORS - first));
    fault.times = times();
    fault.spare_ios = random_.chance(50) ? 0 : random_.below(4);
    fault.heals = random_.chance(30);
    add(fault, false);
  }
}

void Planner::slot_lies() {
  for (uint64_t n = random_.between(1, 3); n-- != 0;) {
    Fault fault = some(IoKind::kWrite, DMR_METADATA_SECTORS, kForever);
    fault.effect = random_.chance(50) ? Effect::kDrop : Effect::kCorrupt;
    fault.times = random_.between(1, 3);
    fault.spare_ios = random_.below(6);
    add(fault, false);
  }
}

void Planner::metadata_fails() {
  for (uint64_t n = random_.between(1, 5); n-- != 0;) {
    const uint64_t copy = kCopySector[random_.below(kCopies)];
    const IoKind kind = random_.chance(70) ? IoKind::kWrite : IoKind::kRead;
    const bool part = random_.chance(50);
    Fault fault = some(kind, copy + (part ? random_.below(6) * DMR_BLOCK_SECTORS : 0),
                       part ? DMR_BLOCK_SECTORS : kCopySectorsUsed);
    fault.times = random_.chance(40) ? kForever : random_.between(1, 3);
    fault.spare_ios = random_.below(6);
    if (random_.chance(15)) {
      fault.first_sector = 0;
      fault.sectors = DMR_METADATA_SECTORS;
    }
    add(fault, false);
  }
}

void Planner::metadata_lies() {
  for (uint64_t n = random_.between(1, 2); n-- != 0;) {
    Fault fault = some(IoKind::kWrite, 0, DMR_METADATA_SECTORS);
    const uint64_t what = random_.below(3);
    fault.effect = what == 0 ? Effect::kDrop : what == 1 ? Effect::kCorrupt : Effect::kMisdirect;
    fault.elsewhere = kCopySector[random_.below(kCopies)] + random_.below(6) * DMR_BLOCK_SECTORS;
    fault.times = 1;
    fault.spare_ios = random_.below(40);
    add(fault, false);
  }
  if (random_.chance(30)) {
    Fault fault = some(IoKind::kRead, 0, DMR_METADATA_SECTORS);
    fault.effect = Effect::kCorrupt;
    fault.times = random_.between(1, 2);
    fault.spare_ios = random_.below(60);
    add(fault, false);
  }
}

void Planner::spare_flushes() {
  Fault fault = some(IoKind::kFlush, 0, 0);
  fault.times = random_.between(1, 3);
  fault.spare_ios = random_.below(30);
  add(fault, false);
}

void Planner::spare_other() {
  Fault fault = some(static_cast<IoKind>(random_.below(3)), 0, kForever);
  fault.status = random_.pick(kOtherCodes);
  fault.times = random_.between(1, 8);
  fault.spare_ios = random_.below(60);
  add(fault, false);
}

std::vector<PlannedFault> Planner::plan() {
  if (random_.chance(12)) return {};
  using Kind = void (Planner::*)();
  struct Choice {
    Kind plan;
    uint32_t percent;
  };
  constexpr Choice kMain[] = {{&Planner::main_latent, 40}, {&Planner::main_writes, 50},
                              {&Planner::main_dead, 25},   {&Planner::main_passing, 40},
                              {&Planner::main_other, 10},  {&Planner::main_whole, 4},
                              {&Planner::main_lies, 20}};
  constexpr Choice kSpare[] = {{&Planner::slot_writes, 35},   {&Planner::slot_reads, 25},
                               {&Planner::slot_lies, 25},     {&Planner::metadata_fails, 35},
                               {&Planner::metadata_lies, 25}, {&Planner::spare_flushes, 12},
                               {&Planner::spare_other, 12}};
  for (const Choice& choice : kMain) {
    if (random_.chance(choice.percent)) (this->*choice.plan)();
  }
  if (random_.chance(50)) return std::move(planned_);
  for (const Choice& choice : kSpare) {
    if (random_.chance(choice.percent)) (this->*choice.plan)();
  }
  return std::move(planned_);
}

}  // namespace

std::vector<PlannedFault> plan_faults(const Aim& aim, Random& random) {
  return Planner(aim, random).plan();
}

uint32_t copy_of_sector(uint64_t sector) {
  for (uint32_t c = 0; c < kCopies; ++c) {
    if (sector >= kCopySector[c] && sector < kCopySector[c] + 1024) return c;
  }
  return kCopies;
}

uint32_t damage_metadata(hosted::SimDisk& spare, const hosted::SimDisk* earlier, uint32_t copies,
                         Random& random, std::vector<PlannedFault>& faults, std::string& text) {
  uint32_t damaged = 0;
  bool reverted = earlier == nullptr;
  for (uint32_t n = 0; n < copies; ++n) {
    const uint32_t c = static_cast<uint32_t>(random.below(kCopies));
    if (damaged >> c & 1) continue;
    damaged |= 1u << c;
    const uint64_t first = kCopySector[c];
    const uint64_t what = random.below(reverted ? 5 : 6);
    text += " copy " + std::to_string(c);
    if (what == 0) {
      spare.flip_bit(first + random.below(8), static_cast<uint32_t>(random.below(512)));
      text += " header,";
    } else if (what == 1) {
      spare.flip_bit(first + 8 + random.below(40), static_cast<uint32_t>(random.below(512)));
      text += " table,";
    } else if (what == 2) {
      spare.fill(first + random.below(40), 8, static_cast<uint8_t>(random.below(256)));
      text += " overwritten,";
    } else if (what <= 4) {
      Fault fault;
      fault.kind = IoKind::kRead;
      fault.first_sector = first;
      fault.sectors = kCopySectorsUsed;
      faults.push_back({fault, false, "spare: copy " + std::to_string(c) + " does not read"});
      if (what == 4) {
        fault.kind = IoKind::kWrite;
        faults.push_back({fault, false, "spare: nor does it write"});
      }
      text += " unreadable,";
    } else {
      std::vector<uint8_t> old(size_t{kCopySectorsUsed} * DMR_SECTOR_BYTES);
      earlier->peek(first, kCopySectorsUsed, old.data());
      spare.poke(first, kCopySectorsUsed, old.data());
      reverted = true;
      text += " of earlier,";
    }
  }
  return damaged;
}

}  // namespace dmr::sim
