// SPDX-License-Identifier: GPL-2.0
#include "support.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace test {

void fail_with(const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fail_msg("%s", text);
}

// ---- Contents -----------------------------------------------------------------------------------

namespace {

uint64_t word_of(Stamp stamp, uint64_t sector, uint32_t i) {
  return stamp == kZeros ? 0 : (stamp << 40) ^ (sector << 8) ^ (i + 1);
}

}  // namespace

void fill_content(Stamp stamp, uint64_t sector, uint32_t sectors, uint8_t* data) {
  for (uint32_t s = 0; s < sectors; ++s) {
    for (uint32_t i = 0; i < 64; ++i, data += 8) {
      const uint64_t word = word_of(stamp, sector + s, i);
      memcpy(data, &word, 8);
    }
  }
}

bool has_content(Stamp stamp, uint64_t sector, const uint8_t* data) {
  for (uint32_t i = 0; i < 64; ++i, data += 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    if (word != word_of(stamp, sector, i)) return false;
  }
  return true;
}

// ---- Faults -------------------------------------------------------------------------------------

namespace {

Fault fault_of(IoKind kind, uint64_t sector, uint64_t sectors, dmr_sts status) {
  Fault fault;
  fault.kind = kind;
  fault.first_sector = sector;
  fault.sectors = sectors;
  fault.status = status;
  return fault;
}

}  // namespace

Fault write_fault(uint64_t sector, uint64_t sectors, dmr_sts status) {
  return fault_of(IoKind::kWrite, sector, sectors, status);
}
Fault read_fault(uint64_t sector, uint64_t sectors, dmr_sts status) {
  return fault_of(IoKind::kRead, sector, sectors, status);
}
Fault flush_fault(dmr_sts status) {
  return fault_of(IoKind::kFlush, 0, kForever, status);
}

// ---- Pair ---------------------------------------------------------------------------------------

Pair::Pair(const Devices& d)
    : host(SimDisk(d.main_sectors, d.main_logical), SimDisk(d.spare_sectors, d.spare_logical)) {
  // Slots that were never written hold something foreign, which must never be read.
  host.spare.fill(DMR_METADATA_SECTORS, 256 * DMR_BLOCK_SECTORS, 0x5a);
}

Pair::Pair(const Pair& other)
    : host(other.host), known_(other.known_), next_stamp_(other.next_stamp_) {
  host.on_drain = nullptr;
  host.on_complete = nullptr;
  // What waited there never came to an end here.
  for (const Waiting& write : other.waiting_) may_hold(write.sector, write.sectors, write.stamp);
}

dmr_refusal Pair::open(const dmr_arguments& arguments, bool read_only) {
  target = std::make_unique<SimTarget>(host);
  return target->open(arguments, read_only);
}

void Pair::must_open(const dmr_arguments& arguments, bool read_only) {
  const dmr_refusal refusal = open(arguments, read_only);
  CHECK(refusal == DMR_ACCEPTED, "%s", dmr_refusal_text(refusal));
}

void Pair::crash(CrashPolicy policy, uint64_t seed) {
  std::mt19937_64 rng(seed);
  host.main.crash(policy, rng);
  host.spare.crash(policy, rng);
  for (auto& [sector, known] : known_) known.allowed = known.after_crash;
}

void Pair::reboot(CrashPolicy policy, uint64_t seed) {
  forget_waiting();
  crash(policy, seed);
  must_open();
}

void Pair::prefill(uint64_t sector, uint32_t sectors) {
  std::vector<uint8_t> data(size_t{sectors} * DMR_SECTOR_BYTES);
  fill_content(kBefore, sector, sectors, data.data());
  host.main.poke(sector, sectors, data.data());
  for (uint64_t s = sector; s < sector + sectors; ++s) known_[s] = {{kBefore}, {kBefore}, false};
}

bool Pair::durable(const Waiting& write, uint64_t sector) {
  if (write.fua) return true;
  const auto& repaired = write.pending->repaired;
  return std::any_of(repaired.begin(), repaired.end(), [&](const auto& range) {
    return sector >= range.sector && sector - range.sector < range.sectors;
  });
}

void Pair::may_hold(uint64_t sector, uint32_t sectors, Stamp stamp) {
  for (uint64_t s = sector; s < sector + sectors; ++s) {
    known_[s].allowed.push_back(stamp);
    known_[s].after_crash.push_back(stamp);
  }
}

void Pair::account(const Waiting& write) {
  if (write.pending->status != DMR_STS_OK) {
    may_hold(write.sector, write.sectors, write.stamp);
    return;
  }
  for (uint64_t s = write.sector; s < write.sector + write.sectors; ++s) {
    Known& known = known_[s];
    known.allowed = {write.stamp};
    known.may_be_unreadable = false;
    if (durable(write, s)) known.after_crash.clear();
    known.after_crash.push_back(write.stamp);
  }
}

void Pair::account_together() {
  std::map<uint64_t, std::vector<const Waiting*>> by_sector;
  for (const Waiting& write : waiting_) {
    for (uint64_t s = write.sector; s < write.sector + write.sectors; ++s)
      by_sector[s].push_back(&write);
  }
  for (const auto& [sector, writes] : by_sector) {
    if (writes.size() == 1) continue;
    Known& known = known_[sector];
    const bool any_done = std::any_of(writes.begin(), writes.end(), [](const Waiting* write) {
      return write->pending->status == DMR_STS_OK;
    });
    if (any_done) {
      known.allowed.clear();
      known.may_be_unreadable = false;
    }
    for (const Waiting* write : writes) {
      known.allowed.push_back(write->stamp);
      known.after_crash.push_back(write->stamp);
    }
  }
  for (const auto& [sector, writes] : by_sector) {
    if (writes.size() != 1) continue;
    Waiting single = *writes[0];
    single.sector = sector;
    single.sectors = 1;
    account(single);
  }
}

void Pair::submit(uint64_t sector, uint32_t sectors) {
  std::vector<uint8_t> data(size_t{sectors} * DMR_SECTOR_BYTES);
  const Stamp stamp = next_stamp_++;
  fill_content(stamp, sector, sectors, data.data());
  waiting_.push_back(
      {sector, sectors, stamp, target->submit_write(sector, sectors, data.data()), false});
}

void Pair::park(uint64_t sector, uint32_t sectors, dmr_sts failed_with) {
  std::vector<uint8_t> data(size_t{sectors} * DMR_SECTOR_BYTES);
  const Stamp stamp = next_stamp_++;
  fill_content(stamp, sector, sectors, data.data());
  waiting_.push_back({sector, sectors, stamp,
                      target->park_write(sector, sectors, data.data(), failed_with), false});
}

std::vector<dmr_sts> Pair::settle() {
  while (target->waiting() != 0) target->run_worker();
  std::vector<dmr_sts> ends;
  for (const Waiting& write : waiting_) ends.push_back(write.pending->status);
  account_together();
  waiting_.clear();
  return ends;
}

std::vector<dmr_sts> Pair::settle_in_order() {
  while (target->waiting() != 0) target->run_worker();
  std::vector<dmr_sts> ends;
  for (const Waiting& write : waiting_) {
    ends.push_back(write.pending->status);
    account(write);
  }
  waiting_.clear();
  return ends;
}

void Pair::forget_waiting() {
  for (const Waiting& write : waiting_) may_hold(write.sector, write.sectors, write.stamp);
  waiting_.clear();
}

dmr_sts Pair::write(uint64_t sector, uint32_t sectors, bool fua) {
  std::vector<uint8_t> data(size_t{sectors} * DMR_SECTOR_BYTES);
  const Stamp stamp = next_stamp_++;
  fill_content(stamp, sector, sectors, data.data());
  auto pending = target->submit_write(sector, sectors, data.data(), fua);
  while (!pending->done()) target->run_worker();
  account({sector, sectors, stamp, pending, fua});
  return pending->status;
}

dmr_sts Pair::read(uint64_t sector, uint32_t sectors) {
  std::vector<uint8_t> data(size_t{sectors} * DMR_SECTOR_BYTES);
  return target->read(sector, sectors, data.data());
}

dmr_sts Pair::flush() {
  const dmr_sts sts = target->flush();
  if (sts == DMR_STS_OK) {
    for (auto& [sector, known] : known_) known.after_crash = known.allowed;
  }
  return sts;
}

void Pair::check(uint64_t sector, uint32_t sectors) {
  const uint32_t logical = host.main.logical_sectors();
  const std::vector<Stamp> zeros = {kZeros};
  std::vector<uint8_t> data(size_t{logical} * DMR_SECTOR_BYTES);
  for (uint64_t s = sector; s < sector + sectors; s += logical) {
    const dmr_sts sts = target->read(s, logical, data.data());
    for (uint32_t i = 0; i < logical; ++i) {
      const auto known = known_.find(s + i);
      if (sts != DMR_STS_OK) {
        CHECK(known != known_.end() && known->second.may_be_unreadable, "sector %llu can't be read",
              static_cast<unsigned long long>(s + i));
        continue;
      }
      const std::vector<Stamp>& allowed = known != known_.end() ? known->second.allowed : zeros;
      const bool right = std::any_of(allowed.begin(), allowed.end(), [&](Stamp stamp) {
        return has_content(stamp, s + i, data.data() + i * DMR_SECTOR_BYTES);
      });
      CHECK(right, "sector %llu reads what it never held since the last acknowledged write",
            static_cast<unsigned long long>(s + i));
    }
  }
}

void Pair::check_all() {
  const uint32_t logical = host.main.logical_sectors();
  uint64_t done = 0;
  for (const auto& [sector, known] : known_) {
    if (sector < done) continue;
    const uint64_t first = sector / logical * logical;
    check(first, logical);
    done = first + logical;
  }
}

dmr_job Pair::job(dmr_job_kind kind, uint64_t from, uint64_t count) {
  dmr_job job = {};
  job.kind = kind;
  job.from = from;
  job.count = count;
  while (dmr_engine_job(target->engine(), &job)) {
  }
  return job;
}

void Pair::allow_unreadable(uint64_t sector, uint32_t sectors) {
  for (uint64_t s = sector; s < sector + sectors; ++s) {
    known_[s].may_be_unreadable = true;
  }
}

void Pair::must_be_unreadable(uint64_t sector, uint32_t sectors) {
  uint8_t data[DMR_SECTOR_BYTES];
  for (uint64_t s = sector; s < sector + sectors; ++s) {
    const uint64_t ios = host.main.ios() + host.spare.ios();
    CHECK(target->read(s, 1, data) == DMR_STS_IOERR, "sector %llu reads",
          static_cast<unsigned long long>(s));
    CHECK(host.main.ios() + host.spare.ios() == ios, "a lost sector was looked for on a disk");
  }
}

dmr_list_entry Pair::entry_of(uint64_t sector) const {
  const std::vector<dmr_list_entry> entries = target->list(sector, 1);
  if (entries.empty()) return {0, 0xffffffff, 0, 0};
  return entries[0];
}

void Pair::check_invariants() {
  std::set<uint32_t> slots;
  std::set<uint64_t> blocks;
  const dmr_status status = target->status();
  uint64_t lost = 0;
  for (const dmr_list_entry& entry : target->list()) {
    CHECK(slots.insert(entry.slot).second, "slot %u is used twice", entry.slot);
    CHECK(blocks.insert(entry.sector).second, "a block has two slots");
    CHECK(entry.sector % DMR_BLOCK_SECTORS == 0 && entry.sector < host.main.sectors(),
          "no block of main");
    CHECK(entry.slot < status.slots_total, "slot %u of %u", entry.slot, status.slots_total);
    CHECK(dmr::slot_sector(dmr::Slot(entry.slot)) + DMR_BLOCK_SECTORS <= host.spare.sectors(),
          "slot %u lies beyond the spare", entry.slot);
    CHECK((entry.spare_mask | entry.lost_mask) != 0, "an entry without sectors");
    lost += dmr::bits_in(entry.lost_mask);
  }
  CHECK(slots.size() == status.slots_used, "%zu listed, %u used", slots.size(), status.slots_used);
  CHECK(lost == status.lost_sectors, "lost sectors");
}

std::unique_ptr<Pair> opened(const Devices& devices, const dmr_arguments& how, uint32_t sectors) {
  auto pair = std::make_unique<Pair>(devices);
  pair->must_open(how);
  pair->prefill(0, static_cast<uint32_t>(std::min<uint64_t>(sectors, devices.main_sectors)));
  return pair;
}

void survives(Pair& pair) {
  pair.check_all();
  pair.check_invariants();
  for (const CrashPolicy policy : {CrashPolicy::kDropAll, CrashPolicy::kKeepAll}) {
    Pair after(pair);
    after.reboot(policy);
    after.check_all();
    after.check_invariants();
  }
}

// ---- Image --------------------------------------------------------------------------------------

Image::Image(const Devices& d) {
  memset(&header, 0, sizeof header);
  const uint32_t slots = dmr::slots_for(d.spare_sectors);
  for (uint32_t i = 0; i < DMR_UUID_BYTES; ++i) header.uuid[i] = static_cast<uint8_t>(0x10 + i);
  header.main_sectors.store(d.main_sectors);
  header.spare_sectors.store(d.spare_sectors);
  header.slots.store(slots);
  header.table_blocks.store(dmr::table_blocks_for(slots));
  header.main_logical_sectors.store(d.main_logical);
  table.resize(dmr::table_blocks_for(slots));
  for (uint32_t b = 0; b < table.size(); ++b) {
    memset(&table[b], 0, sizeof table[b]);
    table[b].index.store(static_cast<uint16_t>(b));
    for (auto& entry : table[b].entries) entry.store(dmr::Entry::free().bits());
  }
}

void Image::set(uint32_t slot, dmr::Entry entry) {
  constexpr uint32_t kPer = dmr::kEntriesPerTableBlock;
  table[slot / kPer].entries[slot % kPer].store(entry.bits());
  if (slot < header.slots.load())
    header.slots_touched.store(std::max(header.slots_touched.load(), slot + 1));
}

dmr::Entry Image::get(uint32_t slot) const {
  constexpr uint32_t kPer = dmr::kEntriesPerTableBlock;
  return dmr::Entry(table[slot / kPer].entries[slot % kPer].load());
}

void Image::seal(uint64_t sequence) {
  for (uint32_t b = 0; b < table.size(); ++b) {
    table[b].crc.store(dmr::table_block_crc(table[b]));
    header.table_crc[b].store(table[b].crc.load());
  }
  header.sequence.store(sequence);
  dmr::seal_header(header);
}

void Image::put_header(SimDisk& spare, uint32_t copy) const {
  spare.poke(dmr::kCopySector[copy], 8, &header);
}

void Image::put_table_block(SimDisk& spare, uint32_t copy, uint32_t index) const {
  spare.poke(table_block_sector(copy, index), 8, &table[index]);
}

void Image::put(SimDisk& spare, uint32_t copy) const {
  put_header(spare, copy);
  for (uint32_t b = 0; b < table.size(); ++b) put_table_block(spare, copy, b);
}

void Image::put_everywhere(SimDisk& spare) const {
  for (uint32_t c = 0; c < dmr::kCopies; ++c) put(spare, c);
}

void Image::leave_unflushed(SimDisk& spare, uint32_t copy) const {
  spare.leave_unflushed(dmr::kCopySector[copy], 8, &header);
  for (uint32_t b = 0; b < table.size(); ++b)
    spare.leave_unflushed(table_block_sector(copy, b), 8, &table[b]);
}

std::optional<Image> Image::read(const SimDisk& spare, uint32_t copy) {
  Image image;
  spare.peek(dmr::kCopySector[copy], 8, &image.header);
  if (dmr::classify_header(image.header) != dmr::HeaderKind::kValid) return std::nullopt;
  image.table.resize(image.header.table_blocks.load());
  for (uint32_t b = 0; b < image.table.size(); ++b)
    spare.peek(table_block_sector(copy, b), 8, &image.table[b]);
  return image;
}

uint32_t copies_holding(const Pair& pair) {
  Pair after(pair);
  after.crash(CrashPolicy::kDropAll);
  uint32_t holding = 0;
  for (uint32_t c = 0; c < dmr::kCopies; ++c) {
    const std::optional<Image> image = Image::read(after.spare(), c);
    if (!image || image->header.sequence.load() != pair.status().sequence) continue;
    bool whole = true;
    for (uint32_t b = 0; b < image->table.size(); ++b) {
      whole = whole && dmr::table_block_verifies(image->table[b], b) &&
              image->table[b].crc.load() == image->header.table_crc[b].load();
    }
    holding += whole;
  }
  return holding;
}

}  // namespace test
