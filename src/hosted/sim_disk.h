// SPDX-License-Identifier: GPL-2.0
//
// A simulated disk: sectors of 512 bytes, a volatile write cache, faults on request, power cuts.
//
// Fault model. What a real disk is taken to be able to do, and all that this one does:
//  - A sector is written whole or not at all. An I/O over several sectors is not atomic: a power
//    cut may keep any subset of them.
//  - A completed write lies in the volatile cache until a flush that began after it has completed
//    well, or it was made with FUA. Until then a power cut keeps or loses each sector by itself,
//    in any order, and may keep an older one of several unflushed contents of a sector.
//  - A write under way at the power cut is an unflushed write, FUA or not.
//  - An I/O may fail by place, by kind, once or for ever. A failed write may have changed any of
//    its sectors: `sectors_stored` says how many.
//  - A write may be acknowledged and not stored (Effect::kDrop), stored or read back with a bit
//    flipped (kCorrupt), or stored at another place than its own (kMisdirect).
//  - A sector that did not read may read again once it was written (`heals`).
//  - A flush that fails leaves the cache as it was: what was unflushed may still be lost.
// Nothing else happens: no sector changes by itself unless a test says so through poke().
//
// Not thread-safe. Copies are cheap (pages are shared until one of them is written): a copy is the
// snapshot of the disk, cache and faults included.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <unordered_map>
#include <vector>

#include "dm_remap/host.h"

namespace dmr::hosted {

enum class IoKind : uint8_t { kRead, kWrite, kFlush };

inline constexpr uint64_t kForever = ~uint64_t{0};

enum class Effect : uint8_t {
  kFail,     // ends with `status`; of a write, the first `sectors_stored` sectors are stored
  kDrop,     // a write that is acknowledged and not stored; a flush that is acknowledged, not done
  kCorrupt,  // goes well, but of the first sector's byte 0 a bit is flipped: bit 0 by a write, 1 by a read
  kMisdirect,  // a write that is acknowledged and stored from sector `elsewhere` on instead
};

// What shall go wrong, and when. The first rule that matches an I/O decides about it.
struct Fault {
  IoKind kind = IoKind::kRead;
  uint64_t first_sector = 0;  // an I/O matches if it touches the range; a flush matches always
  uint64_t sectors = kForever;
  uint64_t spare_ios = 0;  // so many matching I/Os are left alone first
  uint64_t times = kForever;
  Effect effect = Effect::kFail;
  dmr_sts status = DMR_STS_MEDIUM;
  uint32_t sectors_stored = 0;
  uint64_t elsewhere = 0;
  bool heals = false;  // of reads: ends when all of its range was written
};

struct IoRecord {
  IoKind kind;
  uint64_t sector;
  uint32_t sectors;
  bool fua;
  dmr_sts status;
};

// What a power cut leaves of unflushed sectors.
enum class CrashPolicy : uint8_t { kDropAll, kKeepAll, kRandom };

class SimDisk {
 public:
  static constexpr uint32_t kSectorBytes = DMR_SECTOR_BYTES;
  static constexpr uint32_t kPageBytes = DMR_BLOCK_BYTES;
  using SectorData = std::array<uint8_t, kSectorBytes>;

  // A logical block of @logical_sectors: an I/O that is not aligned to it is answered kNOTSUPP.
  explicit SimDisk(uint64_t sectors, uint32_t logical_sectors = 1)
      : sectors_(sectors), logical_sectors_(logical_sectors) {}

  uint64_t sectors() const { return sectors_; }
  uint32_t logical_sectors() const { return logical_sectors_; }

  // ---- I/O, as a driver would answer it.
  dmr_sts read(uint64_t sector, uint32_t sectors, void* buffer);
  dmr_sts write(uint64_t sector, uint32_t sectors, const void* buffer, bool fua);
  dmr_sts flush();

  // ---- Behind the driver's back: no fault, no record, no cache.
  void peek(uint64_t sector, uint32_t sectors, void* buffer) const;
  // What a sector holds after a flush, too: unflushed contents of it are forgotten.
  void poke(uint64_t sector, uint32_t sectors, const void* buffer);
  void fill(uint64_t sector, uint32_t sectors, uint8_t byte);
  // Puts data into the cache, as a write that a power cut interrupts may do.
  void leave_unflushed(uint64_t sector, uint32_t sectors, const void* buffer);
  void flip_bit(uint64_t sector, uint32_t byte = 0);

  // ---- Faults.
  void inject(const Fault& fault) { faults_.push_back(fault); }
  void heal() { faults_.clear(); }
  std::vector<Fault>& faults() { return faults_; }
  // While off, faults that nobody is told of (every effect but kFail) rest.
  void let_lie(bool on) { may_lie_ = on; }
  // The fault that decided about the last I/O; nullptr if none did.
  const Fault* last_fault() const { return last_fault_ ? &*last_fault_ : nullptr; }
  // The disk answers OFFLINE to everything while this is set.
  void set_offline(bool offline) { offline_ = offline; }
  // Power fails during the I/O after @ios more: of a write, the sectors are in the cache and no
  // more; a flush has done nothing. From then on nothing changes, until crash() brings power back.
  void cut_power_after(uint64_t ios) { ios_until_cut_ = ios; }
  bool power_cut() const { return ios_until_cut_ == kCut; }
  // Power comes back: each unflushed sector becomes what @policy says; rules stay.
  void crash(CrashPolicy policy, std::mt19937_64& rng);
  // The same with a choice for each unflushed sector, in the order of sectors: how many of its
  // unflushed contents (of which there are so many) have reached the medium; 0 is none.
  void crash(const std::function<size_t(uint64_t sector, size_t contents)>& choose);
  size_t unflushed_sectors() const { return cache_.size(); }

  // ---- What was asked of it.
  uint64_t reads() const { return counts_[0]; }
  uint64_t writes() const { return counts_[1]; }
  uint64_t flushes() const { return counts_[2]; }
  uint64_t ios() const { return counts_[0] + counts_[1] + counts_[2]; }
  void record(bool on) { recording_ = on; }
  const std::vector<IoRecord>& records() const { return records_; }
  void forget_records() { records_.clear(); }

 private:
  using Page = std::array<uint8_t, kPageBytes>;
  static constexpr uint64_t kCut = kForever - 1;
  static constexpr uint32_t kSectorsPerPage = kPageBytes / kSectorBytes;

  struct Answer {
    Effect effect = Effect::kFail;
    dmr_sts status = DMR_STS_OK;
    uint32_t sectors_stored = 0;
    bool faulty = false;
    uint64_t elsewhere = 0;
  };
  Answer judge(IoKind kind, uint64_t sector, uint32_t sectors);
  dmr_sts note(IoKind kind, uint64_t sector, uint32_t sectors, bool fua, dmr_sts status);
  bool possible(uint64_t sector, uint32_t sectors) const;
  // Counts an I/O; true if power fails during it, or failed before (then @before).
  bool cut_now(bool& before);

  // Read faults that end because their range was written.
  void heal_written(uint64_t sector, uint32_t sectors);
  void store_cached(uint64_t sector, uint32_t sectors, const uint8_t* data);
  void store_stable(uint64_t sector, const uint8_t* data);
  const uint8_t* stable_sector(uint64_t sector) const;
  const uint8_t* current_sector(uint64_t sector) const;

  uint64_t sectors_;
  uint32_t logical_sectors_;
  std::unordered_map<uint64_t, std::shared_ptr<Page>> pages_;
  // Unflushed contents of a sector, oldest first.
  std::unordered_map<uint64_t, std::vector<SectorData>> cache_;
  std::vector<Fault> faults_;
  std::optional<Fault> last_fault_;
  bool offline_ = false;
  bool may_lie_ = true;
  uint64_t ios_until_cut_ = kForever;
  uint64_t counts_[3] = {};
  bool recording_ = false;
  std::vector<IoRecord> records_;
};

}  // namespace dmr::hosted
