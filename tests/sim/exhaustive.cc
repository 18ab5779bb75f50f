// SPDX-License-Identifier: GPL-2.0
//
// All that can become of one commit.
//
// A commit changes one to three table blocks. Power fails at every I/O of it on the spare, and every
// subset of the unflushed sectors that would make a difference is kept (a sector is the unit that
// tears). Then, perhaps, one copy is damaged, or can neither be read nor written for one boot. What
// opens must be the state before the commit or the one after it, and the one after it if a write was
// acknowledged; its data goes with it, and opening again finds the same.
//
// And if the boot after that can't write the copies, and another copy is gone in the next one, what it
// acknowledged is there nevertheless.
//
// The commit starts from five good copies, from four because one refuses to be written, or from four
// because one was left behind by the commit before: whichever it is.
//
// In a second round every I/O of the commit fails, in turn and in every way, and power fails at every
// seventh I/O. A slot may be given up then, and one write fail where others go well: each block by
// itself is as before or as after.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <set>

#include "core/format.h"
#include "oracle.h"
#include "spares.h"

namespace dmr::sim {
namespace {

using hosted::Fault;
using hosted::IoKind;
using hosted::SimDisk;
using hosted::SimHost;
using hosted::SimTarget;

constexpr Shape kShape = {64 * 8, 1, 1};
constexpr std::array<uint32_t, 3> kFreeSlots = {3, 600, 1200};  // each of another table block
// One sector of each of three blocks: the first block has its slot before the commit.
constexpr uint64_t kPrepared = 8;
constexpr std::array<uint64_t, 3> kSectors = {9, 16, 24};
constexpr uint64_t kEarlier = 10;  // a sector of the first block, for a commit before the one
constexpr uint32_t kOld = 0, kNew = 1, kNewer = 2;
constexpr uint32_t kSubsetsMax = 16;  // sectors of which all subsets are tried

using Lists = std::vector<dmr_list_entry>;

struct Counts {
  uint64_t commits = 0;
  uint64_t power_cuts = 0;
  uint64_t openings = 0;
  uint64_t faults = 0;
};

Counts counts;

[[noreturn]] void die(const char* what, uint32_t blocks, uint64_t at, uint64_t subset) {
  std::printf("%u blocks, I/O %llu, subset %llx: %s\n", blocks, static_cast<unsigned long long>(at),
              static_cast<unsigned long long>(subset), what);
  std::exit(1);
}

bool same(const Lists& a, const Lists& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const dmr_list_entry& x, const dmr_list_entry& y) {
                      return x.sector == y.sector && x.slot == y.slot &&
                             x.spare_mask == y.spare_mask && x.lost_mask == y.lost_mask;
                    });
}

void show(const char* name, const Lists& list) {
  std::printf("%s:", name);
  for (const dmr_list_entry& entry : list)
    std::printf(" %llu in %u: %02x %02x;", static_cast<unsigned long long>(entry.sector),
                entry.slot, entry.spare_mask, entry.lost_mask);
  std::printf("\n");
}

void write_fails(SimDisk& main, uint64_t sector) {
  Fault fault;
  fault.kind = IoKind::kWrite;
  fault.first_sector = sector;
  fault.sectors = 1;
  main.inject(fault);
}

// A pair with one block in a slot, and two free slots.
SimHost prepared() {
  SimHost host(SimDisk(kShape.main_sectors, 1), formatted_spare(kShape));
  retire_slots(host.spare, slots_for(DMR_SPARE_MIN_SECTORS), [](uint32_t slot) {
    return std::find(kFreeSlots.begin(), kFreeSlots.end(), slot) == kFreeSlots.end();
  });
  std::array<uint8_t, kSectorBytes> data;
  for (uint64_t s = 0; s < kShape.main_sectors; ++s) {
    Oracle::make_content(kOld, s, data.data());
    host.main.poke(s, 1, data.data());
  }
  for (const uint64_t sector : kSectors) write_fails(host.main, sector);
  write_fails(host.main, kPrepared);
  write_fails(host.main, kEarlier);
  SimTarget target(host);
  (void)target.open(default_arguments());
  Oracle::make_content(kOld, kPrepared, data.data());
  if (target.write(kPrepared, 1, data.data()) != DMR_STS_OK) die("not prepared", 0, 0, 0);
  (void)host.spare.flush();
  return host;
}

using Acknowledged = std::array<bool, kSectors.size()>;

// Submits a write to each of the first @blocks blocks and lets the worker commit them as one.
// Returns which were acknowledged.
Acknowledged commit(SimTarget& target, uint32_t blocks) {
  std::array<uint8_t, kSectorBytes> data;
  std::vector<std::shared_ptr<SimTarget::Pending>> writes;
  for (uint32_t i = 0; i < blocks; ++i) {
    Oracle::make_content(kNew, kSectors[i], data.data());
    writes.push_back(target.submit_write(kSectors[i], 1, data.data()));
  }
  target.run_worker();
  ++counts.commits;
  Acknowledged acknowledged = {};
  for (uint32_t i = 0; i < blocks; ++i) acknowledged[i] = writes[i]->status == DMR_STS_OK;
  return acknowledged;
}

struct States {
  Lists before, after;
  bool slots_may_differ = false;  // and blocks be of different states
};

// What is being looked at, for the message if it is wrong.
struct Where {
  uint32_t blocks;
  uint64_t at;
  uint64_t subset;
};

bool in_slot(const Lists& list, uint64_t sector) {
  return std::any_of(list.begin(), list.end(), [&](const dmr_list_entry& entry) {
    return entry.sector == sector / DMR_BLOCK_SECTORS * DMR_BLOCK_SECTORS &&
           (entry.spare_mask & ~entry.lost_mask) >> (sector % DMR_BLOCK_SECTORS) & 1;
  });
}

bool lost_any(const Lists& list) {
  return std::any_of(list.begin(), list.end(),
                     [](const dmr_list_entry& entry) { return entry.lost_mask != 0; });
}

// The table that was found is one that may be.
void check_list(const Lists& found, const States& states, const Where& where) {
  const bool whole = same(found, states.before) || same(found, states.after);
  if (whole || (states.slots_may_differ && !lost_any(found) && in_slot(found, kPrepared))) return;
  show("before", states.before);
  show("after", states.after);
  show("found", found);
  die("another state", where.blocks, where.at, where.subset);
}

Fault copy_refuses(uint32_t copy) {
  Fault fault;
  fault.kind = IoKind::kWrite;
  fault.first_sector = kCopySector[copy];
  fault.sectors = 6 * DMR_BLOCK_SECTORS;
  fault.sectors_stored = 3;
  return fault;
}

void make_absent(SimDisk& spare, uint32_t copy) {
  Fault fault;
  fault.first_sector = kCopySector[copy];
  fault.sectors = 6 * DMR_BLOCK_SECTORS;
  for (const IoKind kind : {IoKind::kRead, IoKind::kWrite}) {
    fault.kind = kind;
    spare.inject(fault);
  }
}

// Opens what is on the disks, and again what opening left. Copy @absent (kCopies: none) can't be
// read or written in the first boot, and is as it was before in the second.
void check(const SimDisk& main, const SimDisk& spare, const States& states,
           const Acknowledged& acknowledged, const Where& where, uint32_t absent = kCopies) {
  const auto wrong = [&](const char* what) { die(what, where.blocks, where.at, where.subset); };
  SimHost host(main, spare);
  std::optional<Lists> first;
  if (absent != kCopies) make_absent(host.spare, absent);
  for (int boot = 0; boot < 2; ++boot) {
    SimTarget target(host);
    ++counts.openings;
    if (target.open(default_arguments()) != DMR_ACCEPTED) wrong("refused");
    const Lists found = target.list();
    check_list(found, states, where);
    if (first && !same(found, *first)) wrong("two boots, two states");
    first = found;
    std::array<uint8_t, kSectorBytes> data, expected;
    for (uint32_t i = 0; i < where.blocks; ++i) {
      const bool is_after = in_slot(found, kSectors[i]);
      if (acknowledged[i] && !is_after) wrong("an acknowledged state is gone");
      if (target.read(kSectors[i], 1, data.data()) != DMR_STS_OK) wrong("unreadable");
      Oracle::make_content(is_after ? kNew : kOld, kSectors[i], expected.data());
      if (data != expected) wrong("other data");
    }
    std::mt19937_64 none;
    host.spare.crash(hosted::CrashPolicy::kDropAll, none);
    host.spare.heal();
  }
}

// In the first boot no copy can be written: what was found is not settled. A write that is
// acknowledged all the same is there in the next boot, whatever that one finds.
void check_unsettled(const SimDisk& main, const SimDisk& spare, const Where& where) {
  SimHost host(main, spare);
  for (uint32_t copy = 0; copy < kCopies; ++copy) host.spare.inject(copy_refuses(copy));
  std::array<std::array<uint8_t, kSectorBytes>, kSectors.size()> data;
  std::array<bool, kSectors.size()> acknowledged = {};
  {
    SimTarget target(host);
    if (target.open(default_arguments()) != DMR_ACCEPTED)
      die("refused", where.blocks, where.at, where.subset);
    host.main.heal();
    for (uint32_t i = 0; i < where.blocks; ++i) {
      Oracle::make_content(kNewer, kSectors[i], data[i].data());
      acknowledged[i] = target.write(kSectors[i], 1, data[i].data(), true) == DMR_STS_OK;
    }
  }
  std::mt19937_64 none;
  host.spare.crash(hosted::CrashPolicy::kDropAll, none);
  host.spare.heal();
  // The copies that could be read first are gone: another state may win.
  host.spare.fill(kCopySector[0], DMR_BLOCK_SECTORS, 0xcc);
  SimTarget target(host);
  counts.openings += 2;
  if (target.open(default_arguments()) != DMR_ACCEPTED)
    die("refused", where.blocks, where.at, where.subset);
  std::array<uint8_t, kSectorBytes> found;
  for (uint32_t i = 0; i < where.blocks; ++i) {
    const bool read = target.read(kSectors[i], 1, found.data()) == DMR_STS_OK;
    if (acknowledged[i] && (!read || found != data[i]))
      die("written to a state that was not settled, and gone", where.blocks, where.at,
          where.subset);
  }
}

// With each copy damaged in turn, or gone for a boot, or none.
void check_damaged(const SimDisk& main, const SimDisk& spare, const States& states,
                   const Acknowledged& acknowledged, const Where& where) {
  check(main, spare, states, acknowledged, where);
  for (uint32_t copy = 0; copy < kCopies; ++copy) {
    SimDisk hurt = spare;
    hurt.fill(kCopySector[copy], 6 * DMR_BLOCK_SECTORS, 0xcc);
    check(main, hurt, states, acknowledged, where);
    check(main, spare, states, acknowledged, where, copy);
  }
}

// The unflushed sectors that are not what the medium holds.
std::set<uint64_t> sectors_that_matter(const SimDisk& spare) {
  std::set<uint64_t> sectors;
  SimDisk kept = spare, dropped = spare;
  std::mt19937_64 none;
  std::vector<uint64_t> all;
  SimDisk listing = spare;
  listing.crash([&](uint64_t sector, size_t) -> size_t {
    all.push_back(sector);
    return 0;
  });
  kept.crash(hosted::CrashPolicy::kKeepAll, none);
  dropped.crash(hosted::CrashPolicy::kDropAll, none);
  std::array<uint8_t, kSectorBytes> a, b;
  for (const uint64_t sector : all) {
    kept.peek(sector, 1, a.data());
    dropped.peek(sector, 1, b.data());
    if (a != b) sectors.insert(sector);
  }
  return sectors;
}

// What any power cut at this moment may leave.
void check_every_subset(const SimHost& host, const States& states, const Acknowledged& acknowledged,
                        uint32_t blocks, uint64_t at) {
  const std::set<uint64_t> matter = sectors_that_matter(host.spare);
  if (matter.size() > kSubsetsMax) die("too many sectors at once", blocks, at, matter.size());
  for (uint64_t subset = 0; subset < uint64_t{1} << matter.size(); ++subset) {
    SimDisk spare = host.spare;
    spare.heal();
    spare.crash([&](uint64_t sector, size_t contents) -> size_t {
      const auto found = matter.find(sector);
      if (found == matter.end()) return 0;
      const auto bit = std::distance(matter.begin(), found);
      return subset >> bit & 1 ? contents : 0;
    });
    ++counts.power_cuts;
    check_damaged(host.main, spare, states, acknowledged, {blocks, at, subset});
    check_unsettled(host.main, spare, {blocks, at, subset});
  }
}

// What is done between opening and the commit that is looked at.
using Prelude = std::function<void(SimHost& host, SimTarget& target)>;

void nothing(SimHost&, SimTarget&) {}

// From now on the copy can't be written.
Prelude without_copy(uint32_t copy) {
  return [copy](SimHost& host, SimTarget&) { host.spare.inject(copy_refuses(copy)); };
}

// The copy could not be written by the commit before; now it can.
Prelude copy_left_behind(uint32_t copy) {
  return [copy](SimHost& host, SimTarget& target) {
    host.spare.inject(copy_refuses(copy));
    std::array<uint8_t, kSectorBytes> data;
    Oracle::make_content(kNew, kEarlier, data.data());
    if (target.write(kEarlier, 1, data.data()) != DMR_STS_OK) die("no earlier commit", 0, 0, 0);
    host.spare.heal();
  };
}

States states_of(const SimHost& start, uint32_t blocks, const Prelude& prelude) {
  SimHost host = start;
  SimTarget target(host);
  (void)target.open(default_arguments());
  prelude(host, target);
  States states;
  states.before = target.list();
  if (!commit(target, blocks)[blocks - 1]) die("no commit", blocks, 0, 0);
  states.after = target.list();
  return states;
}

void cut_everywhere(const SimHost& start, uint32_t blocks, const Prelude& prelude) {
  const States states = states_of(start, blocks, prelude);
  for (uint64_t at = 0;; ++at) {
    SimHost host = start;
    SimTarget target(host);
    (void)target.open(default_arguments());
    prelude(host, target);
    host.spare.cut_power_after(at);
    const Acknowledged acknowledged = commit(target, blocks);
    const bool cut = host.spare.power_cut();
    check_every_subset(host, states, acknowledged, blocks, at);
    if (!cut) return;
  }
}

Fault nth_fails(IoKind kind, uint64_t nth, uint32_t stored, dmr_sts code) {
  Fault fault;
  fault.kind = kind;
  fault.spare_ios = nth;
  fault.times = 1;
  fault.sectors_stored = stored;
  fault.status = code;
  return fault;
}

// The commit with this fault, and power failing at every seventh I/O, or not at all. False if the
// commit has not as many I/Os.
bool fail_and_cut(const SimHost& start, const States& states, uint32_t blocks, const Fault& fault) {
  for (uint64_t cut_at = 0;; cut_at += 7) {
    SimHost host = start;
    SimTarget target(host);
    (void)target.open(default_arguments());
    host.spare.inject(fault);
    host.spare.cut_power_after(cut_at);
    const Acknowledged acknowledged = commit(target, blocks);
    const bool cut = host.spare.power_cut();
    const bool met = host.spare.faults()[0].times == 0;
    ++counts.faults;
    for (const auto policy : {hosted::CrashPolicy::kDropAll, hosted::CrashPolicy::kKeepAll}) {
      SimDisk spare = host.spare;
      std::mt19937_64 none;
      spare.heal();
      spare.crash(policy, none);
      check(host.main, spare, states, acknowledged, {blocks, fault.spare_ios, cut_at});
    }
    if (!cut) return met;
  }
}

// Every I/O fails once: with none, some or all of it stored, as the medium does or otherwise.
void fail_everywhere(const SimHost& start, States states, uint32_t blocks) {
  states.slots_may_differ = true;
  for (const IoKind kind : {IoKind::kRead, IoKind::kWrite, IoKind::kFlush}) {
    for (const uint32_t stored : {0u, 3u, 8u}) {
      if (kind != IoKind::kWrite && stored != 0) continue;
      for (const dmr_sts code : {DMR_STS_MEDIUM, DMR_STS_TRANSPORT}) {
        for (uint64_t nth = 0;
             fail_and_cut(start, states, blocks, nth_fails(kind, nth, stored, code)); ++nth) {
        }
      }
    }
  }
}

void run() {
  const SimHost good = prepared();
  for (uint32_t blocks = 1; blocks <= kSectors.size(); ++blocks) {
    cut_everywhere(good, blocks, nothing);
    for (uint32_t copy = 0; copy < kCopies; ++copy) {
      cut_everywhere(good, blocks, without_copy(copy));
      cut_everywhere(good, blocks, copy_left_behind(copy));
    }
    fail_everywhere(good, states_of(good, blocks, nothing), blocks);
  }
  std::printf(
      "exhaustive: %llu commits, %llu with faults, %llu power cuts, %llu openings: before "
      "or after, never another\n",
      static_cast<unsigned long long>(counts.commits),
      static_cast<unsigned long long>(counts.faults),
      static_cast<unsigned long long>(counts.power_cuts),
      static_cast<unsigned long long>(counts.openings));
}

}  // namespace
}  // namespace dmr::sim

int main() {
  dmr::sim::run();
}
