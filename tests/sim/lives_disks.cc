// SPDX-License-Identifier: GPL-2.0
#include "lives_disks.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace dmr::sim {
namespace {

constexpr uint32_t kListSector = 2;     // of a header: has the CRCs of the table blocks
constexpr uint64_t kSubsetsMax = 4096;  // at one cut
constexpr uint8_t kZeros[DMR_BLOCK_BYTES] = {};

[[noreturn]] void die(const char* what) {
  std::printf("lives: %s\n", what);
  std::fflush(stdout);
  std::abort();
}

constexpr uint32_t head_cell(uint32_t copy) {
  return 3 * copy;
}
constexpr uint32_t list_cell(uint32_t copy) {
  return 3 * copy + 1;
}
constexpr uint32_t table_cell(uint32_t copy) {
  return 3 * copy + 2;
}

const uint8_t* sector_in(const uint8_t* data, uint32_t sector) {
  return data + size_t{sector} * DMR_SECTOR_BYTES;
}

}  // namespace

// ---- Numbers for contents ------------------------------------------------------------------------

uint16_t Disks::Numbers::of(const uint8_t* bytes) {
  if (!known_.empty() && std::memcmp(known_[last_].data(), bytes, DMR_SECTOR_BYTES) == 0)
    return last_;
  const std::string key(reinterpret_cast<const char*>(bytes), DMR_SECTOR_BYTES);
  const auto [place, is_new] = numbers_.try_emplace(key, static_cast<uint16_t>(known_.size()));
  if (is_new) {
    known_.emplace_back();
    std::memcpy(known_.back().data(), bytes, DMR_SECTOR_BYTES);
  }
  return last_ = place->second;
}

uint16_t Disks::head_number(const Header& header) {
  Header body = header;
  for (uint32_t n = state.heads; n-- != 0;) {
    if (std::memcmp(heads_[n].bytes.data(), &header, DMR_SECTOR_BYTES) == 0)
      return static_cast<uint16_t>(n);
  }
  if (state.heads == kHeadsMax) die("too many headers in one boot");
  Head& head = heads_[state.heads];
  std::memcpy(head.bytes.data(), &header, DMR_SECTOR_BYTES);
  head.sequence = header.sequence.load();
  head.list = lists_.of(sector_in(reinterpret_cast<const uint8_t*>(&header), kListSector));
  body.sequence.store(0);
  body.crc.store(0);
  std::memset(&body.counters, 0, sizeof body.counters);
  head.body = bodies_.of(reinterpret_cast<const uint8_t*>(&body));
  return static_cast<uint16_t>(state.heads++);
}

// The core leaps by 2^32 where numbers were not seen, and counts by one else: a sequence is packed as
// leaps (2 bits) | steps (6).
constexpr uint32_t kLeapBits = 32;
constexpr uint32_t kStepBits = 6;
constexpr uint64_t kSteps = 1u << kStepBits;
// What the lowest number becomes. Some steps are below it: the core leaps from the highest that it saw,
// which the lowest may exceed if its own copies were not seen.
constexpr uint64_t kLowest = kSteps / 4;

const Disks::Head& Disks::known_head(uint32_t packed) {
  const auto found = packed_heads_.find(packed);
  if (found != packed_heads_.end()) return found->second;
  Head head;
  head.sequence = uint64_t{packed >> (24 + kStepBits)} << kLeapBits | (packed >> 24 & (kSteps - 1));
  head.body = packed >> 12 & 0xff;
  head.list = packed & 0xfff;
  Header header = {};
  auto* const bytes = reinterpret_cast<uint8_t*>(&header);
  std::memcpy(bytes, bodies_[head.body].data(), DMR_SECTOR_BYTES);
  std::memcpy(bytes + kListSector * DMR_SECTOR_BYTES, lists_[head.list].data(), DMR_SECTOR_BYTES);
  header.sequence.store(head.sequence);
  header.counters.commits.store(packed >> 20 & 0xf);
  seal_header(header);
  std::memcpy(head.bytes.data(), bytes, DMR_SECTOR_BYTES);
  return packed_heads_.emplace(packed, head).first->second;
}

uint16_t Disks::head_number(uint32_t packed) {
  const Head& head = known_head(packed);
  for (uint32_t n = 0; n < state.heads; ++n) {
    if (heads_[n].bytes == head.bytes) return static_cast<uint16_t>(n);
  }
  heads_[state.heads] = head;
  return static_cast<uint16_t>(state.heads++);
}

// ---- Making, loading -----------------------------------------------------------------------------

dmr_geometry Disks::geometry(const Kind& kind) {
  // Block 0 of main is nobody's: the core can ask there whether main answers.
  const uint32_t main_sectors = DMR_BLOCK_SECTORS + (kind.two_blocks ? 2 * DMR_BLOCK_SECTORS : 2);
  return {main_sectors, DMR_METADATA_SECTORS + u64{kind.slots} * DMR_BLOCK_SECTORS, main_sectors,
          kind.two_blocks ? DMR_BLOCK_SECTORS : 1, 1};
}

Disks::Disks(const Kind& kind, const std::vector<uint8_t>& formatted_spare)
    : unit_(kind.two_blocks ? DMR_BLOCK_SECTORS : 1), slots_(kind.slots), heads_(kHeadsMax) {
  const uint32_t contents = content_of(kLifeSectors, 0);
  patterns_.resize(size_t{contents} * DMR_BLOCK_BYTES);
  for (size_t i = 0; i < patterns_.size() / 2; ++i) {
    const auto content = static_cast<uint16_t>(i / (DMR_BLOCK_BYTES / 2));
    const uint16_t word = i % (DMR_BLOCK_BYTES / 2) == 0
                              ? content
                              : static_cast<uint16_t>((content + i * 7) * 40503u);
    std::memcpy(&patterns_[2 * i], &word, sizeof word);
  }
  for (uint32_t c = 0; c < kCopies; ++c) {
    Header header;
    std::memcpy(&header, sector_in(formatted_spare.data(), static_cast<uint32_t>(kCopySector[c])),
                sizeof header);
    const uint8_t* const table = sector_in(
        formatted_spare.data(), static_cast<uint32_t>(kCopySector[c]) + kTableBlockSectors);
    std::memcpy(table_rest_.data(), table, table_rest_.size());
    state.cells[head_cell(c)].stable = head_number(header);
    state.cells[list_cell(c)].stable = heads_[head_number(header)].list;
    state.cells[table_cell(c)].stable = tables_.of(table);
  }
  for (uint32_t s = 0; s < kLifeSectors; ++s) {
    state.cells[kMainCell + s].stable = content_of(s, 1);
    state.allowed[s] = {1 << 1, 1 << 1};
  }
}

void Disks::load(const Left& left) {
  state = State{};
  for (uint32_t c = 0; c < kCopies; ++c) {
    state.cells[head_cell(c)].stable = head_number(left.head[c]);
    state.cells[list_cell(c)].stable = left.list[c];
    state.cells[table_cell(c)].stable = left.table[c];
  }
  for (uint32_t i = 0; i < left.user.size(); ++i) state.cells[kSlotCell + i].stable = left.user[i];
  for (uint32_t i = 0; i < left.unflushed; ++i) {
    const Left::Unflushed& one = left.cached[i];
    const bool is_head = one.cell < kSlotCell && one.cell % 3 == 0;
    put(one.cell, is_head ? head_number(one.content) : static_cast<uint16_t>(one.content));
  }
  state.allowed = left.allowed;
  state.faults_left = left.faults;
  state.was_cut = left.unflushed == 0;
  for (uint32_t s = 0; s < kLifeSectors; ++s) {
    const uint32_t values = state.allowed[s].now | state.allowed[s].after_cut;
    while (values >> (state.newest[s] + 1) != 0) ++state.newest[s];
  }
}

// ---- Faults --------------------------------------------------------------------------------------

void Disks::inject(LifeFault fault) {
  if (state.fault_count == kLifeFaultsMax || state.faults_left == 0) die("too many faults");
  state.faults[state.fault_count++] = fault;
  --state.faults_left;
}

bool Disks::all_met() const {
  for (uint32_t i = 0; i < state.fault_count; ++i) {
    if (!state.faults[i].met) return false;
  }
  return state.refusal_met;
}

bool Disks::meets(FaultKind kind, uint32_t place) {
  const bool once = kind == FaultKind::kMainWeak || kind == FaultKind::kSlotRefusesOnce;
  for (uint32_t i = 0; i < state.fault_count; ++i) {
    LifeFault& fault = state.faults[i];
    if (fault.kind != kind || fault.place != place) continue;
    if (fault.met && once) continue;
    fault.met = true;
    return true;
  }
  return false;
}

// Of a flush.
bool Disks::flush_fails(FaultKind kind) {
  bool fails = false;
  for (uint32_t i = 0; i < state.fault_count; ++i) {
    LifeFault& fault = state.faults[i];
    if (fault.kind != kind || fault.met) continue;
    if (fault.place-- != 0) continue;
    fails = fault.met = true;
  }
  return fails;
}

// ---- I/O -----------------------------------------------------------------------------------------

// Stores unflushed. False if that changes nothing.
bool Disks::put(uint32_t index, uint16_t content) {
  Cell& cell = state.cells[index];
  if (cell.latest() == content) return false;
  if (cell.unflushed == kUnflushedMax) {
    std::copy(cell.cached.begin() + 1, cell.cached.end(), cell.cached.begin());
    --cell.unflushed;
  }
  cell.cached[cell.unflushed++] = content;
  return true;
}

void Disks::settle(uint32_t first, uint32_t end) {
  for (uint32_t i = first; i < end; ++i) {
    Cell& cell = state.cells[i];
    cell.stable = cell.latest();
    cell.unflushed = 0;
    cell.cached = {};
  }
}

dmr_sts Disks::read_metadata(uint64_t sector, uint8_t* buffer) {
  std::memset(buffer, 0, DMR_BLOCK_BYTES);
  for (uint32_t c = 0; c < kCopies; ++c) {
    const bool header = sector == kCopySector[c];
    if (!header && sector != kCopySector[c] + kTableBlockSectors) continue;
    if (meets(FaultKind::kCopyUnreadable, c) || meets(FaultKind::kCopyAway, c))
      return DMR_STS_MEDIUM;
    const auto latest = [&](uint32_t cell) { return state.cells[cell].latest(); };
    if (header) {
      std::memcpy(buffer, heads_[latest(head_cell(c))].bytes.data(), DMR_SECTOR_BYTES);
      std::memcpy(buffer + kListSector * DMR_SECTOR_BYTES, lists_[latest(list_cell(c))].data(),
                  DMR_SECTOR_BYTES);
    } else {
      std::memcpy(buffer, table_rest_.data(), table_rest_.size());
      std::memcpy(buffer, tables_[latest(table_cell(c))].data(), DMR_SECTOR_BYTES);
    }
    return DMR_STS_OK;
  }
  return DMR_STS_OK;
}

dmr_sts Disks::write_metadata(uint64_t sector, const uint8_t* data) {
  for (uint32_t c = 0; c < kCopies; ++c) {
    const bool header = sector == kCopySector[c];
    if (!header && sector != kCopySector[c] + kTableBlockSectors) continue;
    if (meets(FaultKind::kCopyRefuses, c) || meets(FaultKind::kCopyAway, c)) return DMR_STS_MEDIUM;
    if (meets(FaultKind::kCopyDrops, c)) return DMR_STS_OK;
    const bool refused = meets(FaultKind::kCopyRefusesLate, c);
    uint64_t fresh = 0;
    const auto store = [&](uint32_t cell, uint16_t content) {
      if (put(cell, content)) fresh |= uint64_t{1} << cell;
    };
    if (header) {
      Header whole;
      std::memcpy(&whole, data, sizeof whole);
      if (!is_zero(sector_in(data, 1), DMR_SECTOR_BYTES) ||
          !is_zero(sector_in(data, kListSector + 1), (7 - kListSector) * DMR_SECTOR_BYTES))
        die("a header that says more than the search knows of");
      const uint16_t head = head_number(whole);
      store(head_cell(c), head);
      store(list_cell(c), lists_.of(sector_in(data, kListSector)));
    } else {
      if (std::memcmp(sector_in(data, 1), table_rest_.data() + DMR_SECTOR_BYTES,
                      DMR_BLOCK_BYTES - DMR_SECTOR_BYTES) != 0)
        die("a table that says more than the search knows of");
      store(table_cell(c), tables_.of(data));
    }
    if (fresh != 0) report_cuts(fresh);
    return refused ? DMR_STS_MEDIUM : DMR_STS_OK;
  }
  die("a write to the metadata area, and not to a copy");
}

uint32_t Disks::cell_at(dmr_device device, uint64_t sector) const {
  const uint64_t first = device == DMR_MAIN ? DMR_BLOCK_SECTORS : DMR_METADATA_SECTORS;
  const uint64_t block = (sector - first) / DMR_BLOCK_SECTORS;
  const uint64_t rest = (sector - first) % DMR_BLOCK_SECTORS;
  if (device == DMR_MAIN) return kMainCell + static_cast<uint32_t>(unit_ == 1 ? rest : block);
  return kSlotCell + 2 * static_cast<uint32_t>(block) +
         static_cast<uint32_t>(unit_ == 1 ? rest : 0);
}

dmr_sts Disks::read_user(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer) {
  const uint32_t cell = cell_at(device, sector);
  const uint32_t count = sectors / unit_;
  if (device == DMR_SPARE) {
    if (meets(FaultKind::kSlotUnreadable, (cell - kSlotCell) / 2)) {
      for (Allowed& allowed : state.allowed) {
        allowed.now |= kEio;
        allowed.after_cut |= kEio;
      }
      return DMR_STS_MEDIUM;
    }
  } else {
    for (uint32_t s = cell - kMainCell; s < cell - kMainCell + count; ++s) {
      const bool weak = meets(FaultKind::kMainWeak, s);
      if (!weak && !meets(FaultKind::kMainUnreadable, s)) continue;
      if (!weak) {
        state.allowed[s].now |= kEio;
        state.allowed[s].after_cut |= kEio;
      }
      return DMR_STS_MEDIUM;
    }
  }
  for (uint32_t i = 0; i < count; ++i) {
    const size_t bytes = size_t{unit_} * DMR_SECTOR_BYTES;
    std::memcpy(buffer + i * bytes, bytes_of(state.cells[cell + i].latest()), bytes);
  }
  return DMR_STS_OK;
}

uint16_t Disks::content_by(const uint8_t* bytes) const {
  uint16_t content;
  std::memcpy(&content, bytes, sizeof content);
  if (content >= patterns_.size() / DMR_BLOCK_BYTES ||
      std::memcmp(bytes_of(content), bytes, size_t{unit_} * DMR_SECTOR_BYTES) != 0)
    return 0;
  return content;
}

dmr_sts Disks::write_user(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data,
                          bool fua, bool by_user) {
  const uint32_t cell = cell_at(device, sector);
  const uint32_t count = sectors / unit_;
  if (device == DMR_SPARE) {
    const uint32_t slot = (cell - kSlotCell) / 2;
    if (meets(FaultKind::kSlotRefuses, slot) || meets(FaultKind::kSlotRefusesOnce, slot))
      return DMR_STS_MEDIUM;
    if (!by_user && !fua && meets(FaultKind::kSlotDrops, slot)) return DMR_STS_OK;
  } else {
    bool refused = false;
    for (uint32_t s = cell - kMainCell; s < cell - kMainCell + count; ++s) {
      if (state.refusals[s] == 0) continue;
      if (state.refusals[s] != 0xff) --state.refusals[s];
      refused = state.refusal_met = true;
    }
    if (refused) return DMR_STS_MEDIUM;
  }
  uint64_t fresh = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (put(cell + i, content_by(data + size_t{i} * unit_ * DMR_SECTOR_BYTES)))
      fresh |= uint64_t{1} << (cell + i);
  }
  if (fresh != 0) report_cuts(fresh);
  if (fua) settle(cell, cell + count);
  return DMR_STS_OK;
}

dmr_sts Disks::read(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer) {
  dmr_sts sts = DMR_STS_OK;
  if (device == DMR_MAIN && sector < DMR_BLOCK_SECTORS) {
    std::memcpy(buffer, kZeros, size_t{sectors} * DMR_SECTOR_BYTES);
  } else if (device == DMR_MAIN || sector >= DMR_METADATA_SECTORS) {
    sts = read_user(device, sector, sectors, buffer);
  } else {
    if (sectors != DMR_BLOCK_SECTORS) die("a read of part of the metadata");
    sts = read_metadata(sector, buffer);
  }
  if (trace)
    std::printf("    %s read %llu+%u%s\n", device == DMR_MAIN ? "main" : "spare",
                static_cast<unsigned long long>(sector), sectors,
                sts == DMR_STS_OK ? "" : ": fails");
  return sts;
}

dmr_sts Disks::write(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data,
                     bool fua, bool by_user) {
  if (trace)
    std::printf("    %s write %llu+%u%s%s\n", device == DMR_MAIN ? "main" : "spare",
                static_cast<unsigned long long>(sector), sectors, fua ? " fua" : "",
                by_user ? " by the user" : "");
  dmr_sts sts;
  if (device == DMR_MAIN || sector >= DMR_METADATA_SECTORS) {
    if (device == DMR_MAIN && sector < DMR_BLOCK_SECTORS) die("a write to nobody's block of main");
    sts = write_user(device, sector, sectors, data, fua, by_user);
  } else {
    if (sectors != DMR_BLOCK_SECTORS) die("a write of part of the metadata");
    sts = write_metadata(sector, data);
  }
  if (trace && sts != DMR_STS_OK) std::printf("      fails\n");
  return sts;
}

dmr_sts Disks::flush(dmr_device device) {
  const bool main = device == DMR_MAIN;
  const bool fails = flush_fails(main ? FaultKind::kMainFlush : FaultKind::kSpareFlush);
  if (trace) std::printf("    %s flush%s\n", main ? "main" : "spare", fails ? ": fails" : "");
  if (fails) return DMR_STS_IOERR;
  settle(main ? kMainCell : 0, main ? kCells : kMainCell);
  return DMR_STS_OK;
}

// ---- What is left --------------------------------------------------------------------------------

// A header is packed as sequence (8 bits) | variant (4) | body (8) | list (12).
void Disks::pack_heads(const Contents& contents, bool cut, Left& left) const {
  struct Seen {
    uint16_t number;
    uint32_t packed;
  };
  std::array<Seen, kCopies*(1 + kUnflushedMax)> seen;
  uint32_t count = 0;
  uint64_t lowest = ~uint64_t{0};
  const auto for_each = [&](auto visit) {
    for (uint32_t c = 0; c < kCopies; ++c) visit(contents[head_cell(c)]);
    for (uint32_t c = 0; !cut && c < kCopies; ++c) {
      const Cell& cell = state.cells[head_cell(c)];
      for (uint32_t i = 0; i < cell.unflushed; ++i) visit(cell.cached[i]);
    }
  };
  for_each([&](uint16_t number) { lowest = std::min(lowest, heads_[number].sequence); });
  const auto packed = [&](uint16_t number) {
    const Head& head = heads_[number];
    const uint64_t above = head.sequence - lowest + kLowest;
    const uint64_t leaps = above >> kLeapBits;
    const uint64_t steps = above & ((uint64_t{1} << kLeapBits) - 1);
    const uint64_t sequence = leaps << kStepBits | steps;
    uint32_t value = static_cast<uint32_t>(sequence << 24 | uint32_t{head.body} << 12 | head.list);
    if (steps >= kSteps || sequence > 0xff || head.body > 0xff || head.list > 0xfff) die("a header beyond its number");
    for (uint32_t i = 0; i < count; ++i) {
      if (seen[i].number == number) return seen[i].packed;
      if ((seen[i].packed & ~0xf00000u) == (value & ~0xf00000u)) value += 1u << 20;
    }
    seen[count++] = {number, value};
    return value;
  };
  for (uint32_t c = 0; c < kCopies; ++c) left.head[c] = packed(contents[head_cell(c)]);
  if (cut) return;
  for (uint32_t i = 0; i < left.unflushed; ++i) {
    Left::Unflushed& one = left.cached[i];
    if (one.cell < kSlotCell && one.cell % 3 == 0)
      one.content = packed(static_cast<uint16_t>(one.content));
  }
}

void Disks::pack_user(const Contents& contents, bool cut, Left& left) const {
  std::array<uint32_t, kLifeSectors> present = {};
  const auto note = [&](uint16_t content) {
    if (content != 0) present[sector_of(content)] |= 1u << value_of(content);
  };
  for (uint32_t i = kSlotCell; i < kCells; ++i) note(contents[i]);
  for (uint32_t i = 0; i < left.unflushed; ++i) {
    if (left.cached[i].cell >= kSlotCell) note(static_cast<uint16_t>(left.cached[i].content));
  }
  std::array<std::array<uint8_t, kValues + 1>, kLifeSectors> renamed = {};
  for (uint32_t s = 0; s < kLifeSectors; ++s) {
    const uint32_t now = cut ? state.allowed[s].after_cut : state.allowed[s].now;
    const uint32_t after_cut = state.allowed[s].after_cut;
    Allowed& allowed = left.allowed[s];
    allowed.now = now & kEio;
    allowed.after_cut = after_cut & kEio;
    uint8_t next = 0;
    for (uint32_t live = (now | after_cut) & present[s] & ~kEio; live != 0; live &= live - 1) {
      const auto value = static_cast<uint32_t>(__builtin_ctz(live));
      renamed[s][value] = ++next;
      allowed.now = static_cast<uint16_t>(allowed.now | (now >> value & 1) << next);
      allowed.after_cut =
          static_cast<uint16_t>(allowed.after_cut | (after_cut >> value & 1) << next);
    }
  }
  const auto rename = [&](uint32_t content) -> uint8_t {
    if (content == 0) return 0;
    const auto known = static_cast<uint16_t>(content);
    const uint8_t value = renamed[sector_of(known)][value_of(known)];
    return value == 0 ? 0 : static_cast<uint8_t>(content_of(sector_of(known), value));
  };
  for (uint32_t i = kSlotCell; i < kCells; ++i) left.user[i - kSlotCell] = rename(contents[i]);
  for (uint32_t i = 0; i < left.unflushed; ++i) {
    if (left.cached[i].cell >= kSlotCell) left.cached[i].content = rename(left.cached[i].content);
  }
}

void Disks::report(const Contents& contents, bool cut) {
  Left left;
  if (!cut) {
    for (uint32_t i = 0; i < kCells; ++i) {
      const Cell& cell = state.cells[i];
      for (uint32_t n = 0; n < cell.unflushed; ++n) {
        if (left.unflushed == Left::kUnflushedCells) die("too much that is not flushed");
        left.cached[left.unflushed++] = {cell.cached[n], i};
      }
    }
  }
  pack_heads(contents, cut, left);
  for (uint32_t c = 0; c < kCopies; ++c) {
    left.list[c] = contents[list_cell(c)];
    left.table[c] = contents[table_cell(c)];
  }
  pack_user(contents, cut, left);
  left.faults = static_cast<uint8_t>(state.faults_left);
  ++state.reported;
  on_outcome(left);
}

void Disks::report_end() {
  if (!all_met() || !on_outcome) return;
  Contents contents;
  for (uint32_t i = 0; i < kCells; ++i) contents[i] = state.cells[i].stable;
  report(contents, false);
}

void Disks::report_cuts(uint64_t fresh_cells) {
  if (!all_met() || !on_outcome) return;
  Contents contents;
  std::array<uint32_t, kCells> loose;
  std::array<uint32_t, kCells> kept = {};
  uint32_t count = 0;
  uint64_t subsets = 1;
  for (uint32_t i = 0; i < kCells; ++i) {
    contents[i] = state.cells[i].stable;
    if (state.cells[i].unflushed == 0) continue;
    loose[count++] = i;
    subsets *= state.cells[i].unflushed + 1u;
  }
  const bool short_cut = subsets > kSubsetsMax;
  cut_short += short_cut;
  // As an odometer, of which each wheel shows what is kept of a cell: 0 is the stable content.
  for (;;) {
    bool has_fresh = fresh_cells == 0;
    uint32_t changed = 0;
    for (uint32_t i = 0; i < count; ++i) {
      has_fresh |= (fresh_cells >> loose[i] & 1) && kept[i] == state.cells[loose[i]].unflushed;
      changed += kept[i] != 0;
    }
    if (has_fresh && (!short_cut || changed <= 2 || changed + 2 >= count)) report(contents, true);
    uint32_t wheel = 0;
    for (; wheel < count; ++wheel) {
      const Cell& cell = state.cells[loose[wheel]];
      kept[wheel] = kept[wheel] == cell.unflushed ? 0 : kept[wheel] + 1;
      contents[loose[wheel]] = kept[wheel] == 0 ? cell.stable : cell.cached[kept[wheel] - 1];
      if (kept[wheel] != 0) break;
    }
    if (wheel == count) return;
  }
}

// ---- For people ----------------------------------------------------------------------------------

std::string Disks::describe(const Left& left) const {
  std::string text;
  const auto content = [](uint32_t c) {
    if (c == 0) return std::string("old");
    const auto known = static_cast<uint16_t>(c);
    return "s" + std::to_string(sector_of(known)) + "v" + std::to_string(value_of(known));
  };
  for (uint32_t c = 0; c < kCopies; ++c) {
    const bool whole = (left.head[c] & 0xfff) == left.list[c];
    text += " " + std::to_string(left.head[c] >> 24) + (whole ? "" : "!") + "/" +
            std::to_string(left.list[c]) + "/" + std::to_string(left.table[c]);
  }
  text += "; slots";
  for (uint32_t i = 0; i < 2 * slots_; ++i) text += " " + content(left.user[i]);
  text += "; main";
  for (uint32_t s = 0; s < kLifeSectors; ++s)
    text += " " + content(left.user[kMainCell - kSlotCell + s]);
  text += "; allowed";
  for (const Allowed& allowed : left.allowed) {
    char masks[32];
    std::snprintf(masks, sizeof masks, " %x/%x", allowed.now, allowed.after_cut);
    text += masks;
  }
  for (uint32_t i = 0; i < left.unflushed; ++i)
    text += "; unflushed " + std::to_string(left.cached[i].cell) + "=" +
            (left.cached[i].cell >= kSlotCell ? content(left.cached[i].content)
                                              : std::to_string(left.cached[i].content));
  return text;
}

}  // namespace dmr::sim
