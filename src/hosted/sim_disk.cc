// SPDX-License-Identifier: GPL-2.0
#include "hosted/sim_disk.h"

#include <algorithm>
#include <cstring>

namespace dmr::hosted {
namespace {

constexpr uint8_t kZeros[SimDisk::kSectorBytes] = {};

}  // namespace

// ---- Storage ------------------------------------------------------------------------------------

const uint8_t* SimDisk::stable_sector(uint64_t sector) const {
  const auto page = pages_.find(sector / kSectorsPerPage);
  if (page == pages_.end()) return kZeros;
  return page->second->data() + sector % kSectorsPerPage * kSectorBytes;
}

const uint8_t* SimDisk::current_sector(uint64_t sector) const {
  if (!cache_.empty()) {
    const auto cached = cache_.find(sector);
    if (cached != cache_.end()) return cached->second.back().data();
  }
  return stable_sector(sector);
}

void SimDisk::store_stable(uint64_t sector, const uint8_t* data) {
  std::shared_ptr<Page>& page = pages_[sector / kSectorsPerPage];
  if (page == nullptr) {
    page = std::make_shared<Page>();
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  std::memcpy(page->data() + sector % kSectorsPerPage * kSectorBytes, data, kSectorBytes);
}

void SimDisk::store_cached(uint64_t sector, uint32_t sectors, const uint8_t* data) {
  for (uint32_t i = 0; i < sectors; ++i) {
    SectorData content;
    std::memcpy(content.data(), data + size_t{i} * kSectorBytes, kSectorBytes);
    cache_[sector + i].push_back(content);
  }
}

// ---- Faults -------------------------------------------------------------------------------------

SimDisk::Answer SimDisk::judge(IoKind kind, uint64_t sector, uint32_t sectors) {
  last_fault_.reset();
  if (offline_) {
    last_fault_ = Fault{.kind = kind, .status = DMR_STS_OFFLINE};
    return {Effect::kFail, DMR_STS_OFFLINE, 0, true};
  }
  for (Fault& fault : faults_) {
    if (fault.kind != kind || fault.times == 0) continue;
    if (!may_lie_ && fault.effect != Effect::kFail) continue;
    const bool touches = sector < fault.first_sector + fault.sectors ||
                         fault.first_sector + fault.sectors < fault.first_sector;
    const bool in_range = touches && fault.first_sector < sector + std::max(sectors, 1u);
    if (kind != IoKind::kFlush && !in_range) continue;
    if (fault.spare_ios != 0) {
      if (fault.spare_ios != kForever) --fault.spare_ios;
      continue;
    }
    if (fault.times != kForever) --fault.times;
    last_fault_ = fault;
    return {fault.effect, fault.status, std::min(fault.sectors_stored, sectors), true,
            fault.elsewhere};
  }
  return {};
}

void SimDisk::heal_written(uint64_t sector, uint32_t sectors) {
  for (Fault& fault : faults_) {
    if (fault.heals && fault.first_sector >= sector &&
        fault.first_sector + fault.sectors <= sector + sectors)
      fault.times = 0;
  }
}

bool SimDisk::possible(uint64_t sector, uint32_t sectors) const {
  return sectors != 0 && sector < sectors_ && sectors <= sectors_ - sector &&
         sector % logical_sectors_ == 0 && sectors % logical_sectors_ == 0;
}

bool SimDisk::cut_now(bool& before) {
  before = ios_until_cut_ == kCut;
  if (before) return true;
  if (ios_until_cut_ == kForever) return false;
  if (ios_until_cut_ != 0) {
    --ios_until_cut_;
    return false;
  }
  ios_until_cut_ = kCut;
  return true;
}

void SimDisk::crash(const std::function<size_t(uint64_t sector, size_t contents)>& choose) {
  // In the order of sectors, so that a seed means one outcome.
  std::vector<uint64_t> sectors;
  for (const auto& [sector, contents] : cache_) sectors.push_back(sector);
  std::sort(sectors.begin(), sectors.end());
  for (const uint64_t sector : sectors) {
    const std::vector<SectorData>& contents = cache_[sector];
    const size_t kept = choose(sector, contents.size());
    if (kept != 0) store_stable(sector, contents[kept - 1].data());
  }
  cache_.clear();
  ios_until_cut_ = kForever;
}

void SimDisk::crash(CrashPolicy policy, std::mt19937_64& rng) {
  crash([&](uint64_t, size_t contents) -> size_t {
    if (policy == CrashPolicy::kDropAll) return 0;
    return policy == CrashPolicy::kKeepAll ? contents : rng() % (contents + 1);
  });
}

// ---- I/O ----------------------------------------------------------------------------------------

dmr_sts SimDisk::note(IoKind kind, uint64_t sector, uint32_t sectors, bool fua, dmr_sts status) {
  if (recording_) records_.push_back({kind, sector, sectors, fua, status});
  return status;
}

dmr_sts SimDisk::read(uint64_t sector, uint32_t sectors, void* buffer) {
  constexpr IoKind kKind = IoKind::kRead;
  ++counts_[0];
  bool before = false;
  if (cut_now(before)) return note(kKind, sector, sectors, false, DMR_STS_OFFLINE);
  if (!possible(sector, sectors)) return note(kKind, sector, sectors, false, DMR_STS_NOTSUPP);
  const Answer answer = judge(kKind, sector, sectors);
  auto* const bytes = static_cast<uint8_t*>(buffer);
  if (answer.faulty && answer.effect == Effect::kFail) {
    // The buffer's contents are undefined then; nobody may rely on them.
    std::memset(bytes, 0xee, size_t{sectors} * kSectorBytes);
    return note(kKind, sector, sectors, false, answer.status);
  }
  peek(sector, sectors, buffer);
  // Not the bit of a write: two faults must not cancel each other out.
  if (answer.faulty && answer.effect == Effect::kCorrupt) bytes[0] ^= 2;
  return note(kKind, sector, sectors, false, DMR_STS_OK);
}

dmr_sts SimDisk::write(uint64_t sector, uint32_t sectors, const void* buffer, bool fua) {
  constexpr IoKind kKind = IoKind::kWrite;
  const auto* const bytes = static_cast<const uint8_t*>(buffer);
  ++counts_[1];
  if (!possible(sector, sectors)) return note(kKind, sector, sectors, fua, DMR_STS_NOTSUPP);
  bool before = false;
  if (cut_now(before)) {
    if (!before) store_cached(sector, sectors, bytes);
    return note(kKind, sector, sectors, fua, DMR_STS_OFFLINE);
  }
  const Answer answer = judge(kKind, sector, sectors);
  if (answer.faulty && answer.effect == Effect::kFail) {
    store_cached(sector, answer.sectors_stored, bytes);
    return note(kKind, sector, sectors, fua, answer.status);
  }
  if (answer.faulty && answer.effect == Effect::kDrop)
    return note(kKind, sector, sectors, fua, DMR_STS_OK);
  if (answer.faulty && answer.effect == Effect::kMisdirect) {
    if (possible(answer.elsewhere, sectors)) store_cached(answer.elsewhere, sectors, bytes);
    return note(kKind, sector, sectors, fua, DMR_STS_OK);
  }
  heal_written(sector, sectors);
  if (fua) {
    poke(sector, sectors, buffer);
  } else {
    store_cached(sector, sectors, bytes);
  }
  if (answer.faulty && answer.effect == Effect::kCorrupt) flip_bit(sector);
  return note(kKind, sector, sectors, fua, DMR_STS_OK);
}

dmr_sts SimDisk::flush() {
  constexpr IoKind kKind = IoKind::kFlush;
  ++counts_[2];
  bool before = false;
  if (cut_now(before)) return note(kKind, 0, 0, false, DMR_STS_OFFLINE);
  const Answer answer = judge(kKind, 0, 0);
  if (answer.faulty && answer.effect == Effect::kFail)
    return note(kKind, 0, 0, false, answer.status);
  if (!(answer.faulty && answer.effect == Effect::kDrop)) {
    for (const auto& [sector, contents] : cache_) store_stable(sector, contents.back().data());
    cache_.clear();
  }
  return note(kKind, 0, 0, false, DMR_STS_OK);
}

// ---- Behind the driver's back -------------------------------------------------------------------

void SimDisk::peek(uint64_t sector, uint32_t sectors, void* buffer) const {
  auto* const bytes = static_cast<uint8_t*>(buffer);
  for (uint32_t i = 0; i < sectors; ++i)
    std::memcpy(bytes + size_t{i} * kSectorBytes, current_sector(sector + i), kSectorBytes);
}

void SimDisk::poke(uint64_t sector, uint32_t sectors, const void* buffer) {
  const auto* const bytes = static_cast<const uint8_t*>(buffer);
  for (uint32_t i = 0; i < sectors; ++i) {
    store_stable(sector + i, bytes + size_t{i} * kSectorBytes);
    cache_.erase(sector + i);
  }
}

void SimDisk::leave_unflushed(uint64_t sector, uint32_t sectors, const void* buffer) {
  store_cached(sector, sectors, static_cast<const uint8_t*>(buffer));
}

void SimDisk::fill(uint64_t sector, uint32_t sectors, uint8_t byte) {
  SectorData content;
  content.fill(byte);
  for (uint32_t i = 0; i < sectors; ++i) poke(sector + i, 1, content.data());
}

void SimDisk::flip_bit(uint64_t sector, uint32_t byte) {
  SectorData content;
  peek(sector, 1, content.data());
  content[byte] ^= 1;
  poke(sector, 1, content.data());
}

}  // namespace dmr::hosted
