// SPDX-License-Identifier: GPL-2.0
//
// A pair in the search over whole lives: the core's seam over the disks of lives_disks.h, and a user
// of two sectors. One boot: it opens, takes actions, and any of its states may be its last.
//
// The user checks both sectors after each opening and each action: what they read is the last value
// that was acknowledged, or one that was in flight or failed since, and EIO only where a fault made
// the sector unreadable. What an opening with four good copies finds after a power cut is settled: no
// later boot may find another value. With no fault in the life nothing fails but what the spare is
// too full for. An opening is refused only with two faults in this very boot.
#pragma once

#include <memory>

#include "lives_disks.h"

namespace dmr::sim {

enum class ActionKind : uint8_t {
  kOpen,
  kWrite,             // place: a sector
  kWriteRefused,      // the same, and main refuses it whenever it is tried
  kWriteRefusedOnce,  // the same, and main refuses it the first time
  kWriteBothRefused,  // of both sectors at once, as the first
  kRead,              // place: a sector
  kRemap,             // place: a block of the user's
  kUnmap,
  kRetest,
  kRepair,
  kFlush,
};

// One thing that happens in a boot: an action, or a fault before the next one.
struct Step {
  bool is_fault = false;
  ActionKind action = ActionKind::kOpen;
  LifeFault fault;
};
std::string step_name(const Step& step);

}  // namespace dmr::sim

// The core's host.
struct dmr_host {
 public:
  // A new pair, the faults of whose life are at most @faults.
  dmr_host(const dmr::sim::Kind& kind, uint32_t faults);

  dmr::sim::Disks& disks() { return *disks_; }
  const dmr::sim::Disks& disks() const { return *disks_; }

  // ---- A boot: begins with what was left, and kOpen is its first action.
  void begin(const dmr::sim::Left& left);
  // False if it was pointless: some fault or refusal was not met, so the boot without it says as
  // much. What the action left is not reported then; else the end of the boot is.
  bool act(dmr::sim::ActionKind action, uint32_t place);
  bool opened() const { return opened_; }
  // Whether the engine knows what another that opens after it would not; above all, that a fault made
  // the action fail.
  bool remembers() const;
  struct Snapshot {
    dmr::sim::Disks::State disks;
    std::vector<uint8_t> arena;
  };
  void save(Snapshot& snapshot) const;
  void restore(const Snapshot& snapshot);

  // What was wrong; nullptr if nothing was.
  const char* violation() const { return violation_; }
  void wrong(const char* what);

  uint64_t openings = 0;
  uint64_t refusals = 0;
  uint64_t actions = 0;

  // ---- The seam (dm_remap/host.h).
  dmr_sts read(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer);
  dmr_sts write(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data,
                bool fua);
  dmr_sts flush(dmr_device device);
  void fetch(const dmr_request& request, uint32_t offset, uint32_t sectors, uint8_t* buffer) const;
  void store(const dmr_request& request, uint32_t offset, uint32_t sectors, const uint8_t* buffer);
  void complete(const dmr_request& request, dmr_outcome outcome);

 private:
  void start_engine();
  void open();
  void settle_what_was_found();
  dmr_place route(uint32_t sector, dmr_direction direction) const;
  void write_sectors(uint32_t first, uint32_t count, uint8_t refusals);
  void end_write(uint32_t sector, bool acknowledged, bool durable);
  void read_sector(uint32_t sector);
  void check_read(uint32_t sector, uint32_t value);
  void park(uint32_t sector, bool is_write, bool failed);
  void run_worker();
  void job(dmr_job_kind kind, uint32_t block);
  void flush_all();
  void check_sectors();
  void check_without_faults();
  dmr_status status() const;
  uint32_t value_found(uint32_t sector) const;
  uint32_t user_sector_at(uint64_t sector) const;
  bool no_faults() const { return disks_->state.faults_left == faults_in_life_; }

  dmr_geometry geometry_;
  uint32_t faults_in_life_;
  std::vector<uint8_t> flat_;  // the spare, while it is formatted
  std::unique_ptr<dmr::sim::Disks> disks_;
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<uint8_t, Free> arena_;
  size_t arena_bytes_;
  dmr_engine* engine_ = nullptr;
  dmr_arguments arguments_;
  bool two_blocks_;
  bool opened_ = false;
  bool freed_ = false;  // a slot, in this boot
  const char* violation_ = nullptr;

  // Of the action under way.
  bool write_failed_ = false;
  bool job_failed_ = false;
  std::array<dmr_request, dmr::sim::kLifeSectors> parked_;
  uint32_t parked_count_ = 0;
  std::array<uint8_t, DMR_BLOCK_BYTES> read_data_;
  dmr_outcome read_outcome_ = DMR_OUTCOME_OK;
};
