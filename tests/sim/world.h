// SPDX-License-Identifier: GPL-2.0
//
// A boot of the simulated machine: the application, the target's in-flight I/O, the repair worker,
// messages, all in one thread. What real threads would do at the same time happens here at each I/O
// of the core: before it, any number of the application's steps. It does with the engine what
// src/kernel does (bio.c, pair.c), and decides nothing that the core decides.
//
// After a power cut, or a violation, the world is *dead*: every I/O fails, nobody is told of
// anything, and the core is let run to the end of what it was doing.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "faults.h"
#include "hosted/sim_host.h"
#include "oracle.h"
#include "random.h"

namespace dmr::sim {

using hosted::SimHost;

inline constexpr uint64_t kNoPowerCut = ~uint64_t{0};

enum class OpKind : uint8_t { kRead, kWrite, kZeroes, kDiscard, kFlush };

// What the application asked for.
struct Op {
  uint64_t number = 0;
  OpKind kind = OpKind::kRead;
  uint64_t sector = 0;
  uint32_t sectors = 0;
  bool fua = false;
  bool failfast = false;
  uint32_t version = 0;
  Time submitted = 0;
  uint32_t routed = 0;  // sectors that are on their way
  uint32_t parts = 0;   // in flight or parked
  dmr_sts status = DMR_STS_OK;
  bool met_device_error = false;
  std::vector<uint8_t> data;
  std::vector<bool> durable;  // per sector: the worker says so
};

// A bio below map(): a run of sectors of one op that go to one place.
struct Part : SimRequest {
  uint64_t serial = 0;
  Op* op = nullptr;
  dmr_device device = DMR_MAIN;
  uint64_t place = 0;
  bool counted = false;
  bool is_flush = false;
  bool read_back = false;  // when main has taken it
  bool applied = false;
  uint64_t ticket = 0;
  uint32_t discard_version = 0;
  dmr_sts sts = DMR_STS_OK;
  dmr_sts failed_with = DMR_STS_OK;
};

struct Options {
  bool trace = false;
};

class World {
 public:
  World(SimHost& host, Oracle& oracle, Random& random, const dmr_geometry& geometry,
        const Options& options);
  ~World();

  // ---- Life.
  dmr_refusal open(const dmr_arguments& arguments, bool read_only, dmr_report& report);
  // Some of everything, until @steps are done or power fails.
  void live(uint64_t steps);
  // Devices may be gone for a while in this boot.
  void let_devices_vanish() { devices_vanish_ = true; }
  // Lets everything that was begun come to its end.
  void settle_down();
  // After settle_down(): suspend, perhaps a reload, resume.
  void suspend_and_resume();
  // Reads every sector; each must be right or have a reason to fail.
  void read_everything();
  void run_job(dmr_job_kind kind, uint64_t from, uint64_t count);
  void end_job_now();
  uint32_t repair();
  void resume_remap() { dmr_engine_resume_remap(engine_); }

  void cut_power_after(uint64_t ios) { ios_until_cut_ = ios; }
  bool power_failed() const { return power_failed_; }
  bool dead() const { return dead_; }
  const std::string& violation() const { return violation_; }
  void violate(const std::string& what);

  dmr_engine* engine() { return engine_; }
  dmr_status status() const;
  std::vector<dmr_list_entry> list() const;
  // Copies that a lie of the spare has made bad behind the core's back.
  uint32_t copies_lied_about() const { return copies_lied_about_; }
  const dmr_status& status_at_power_cut() const { return status_at_cut_; }
  uint64_t ops_made() const { return ops_made_; }
  uint64_t core_ios() const { return core_ios_; }
  bool spare_trouble() const { return spare_trouble_; }
  void set_spare_trouble() { spare_trouble_ = true; }
  void set_hot_blocks(const std::vector<uint64_t>& blocks) { hot_blocks_ = blocks; }
  void check_consistency();

  [[gnu::format(printf, 2, 3)]] void trace(const char* format, ...);

 private:
  // ---- The application (application.cc).
  void step();
  void submit();
  void choose_range(Op& op);
  void begin(std::unique_ptr<Op> op);
  void route_next(Op& op);
  void route_flush(Op& op);
  dmr_place place_of(const Op& op, uint64_t sector, uint32_t sectors, bool& counted) const;
  Part* make_part(Op& op, uint64_t sector, uint32_t sectors);
  void apply(Part& part);
  void end_part(Part& part);
  void part_through(Part& part, dmr_sts sts);
  void park(Part& part);
  void part_ended(Op& op, dmr_sts sts);
  void maybe_end(Op& op);
  void end_op(Op& op);
  void end_read(Op& op);
  void end_write(Op& op);
  void end_flush(Op& op);
  bool read_failure_explained(const Op& op) const;
  bool write_failure_explained(const Op& op) const;
  Time oldest_read() const;
  bool advance_one();

  // ---- The worker (world.cc).
  bool worker_has_work() const {
    return !parked_.empty() || left_ != nullptr || job_ || dmr_scan_found(engine_);
  }
  void worker_turn();
  void start_message();
  void vanish_or_come_back();
  void pass_time();
  void completed(Part& part);
  void check_quorum();
  void check_lost(bool may_rise);
  void check_causes();
  void check_entry_cause(const dmr_list_entry& entry);
  void drain();
  void before_core_io(const dmr_host::Io& io);
  bool reads_main_back() const;
  void after_core_io(const dmr_host::Io& io, dmr_sts sts);
  void note_fault(dmr_device device, hosted::IoKind kind, uint64_t sector, uint32_t sectors);
  void note_main_read(uint64_t sector, uint32_t sectors);
  void note_main_fault(hosted::IoKind kind, uint64_t sector, uint32_t sectors, uint64_t first,
                       uint64_t behind, bool medium);
  void note_slot_fault(uint64_t sector, uint32_t sectors);
  bool fills_live_slot(uint64_t sector, uint32_t sectors) const;
  void note_events();

  // ---- The scanner (scanner.cc).
  void begin_scanner();
  void scan_step();
  uint64_t scan_read_takes(const dmr_host::Io& io);
  void before_scan_read();
  void after_scan_read(const dmr_host::Io& io, dmr_sts sts);
  void count_down();
  void fail_power();
  Time tick() { return ++now_; }

  SimHost& host_;
  Oracle& oracle_;
  Random& random_;
  dmr_geometry geometry_;
  Options options_;
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, Free> arena_;
  dmr_engine* engine_ = nullptr;
  dmr_region_map regions_ = {};
  dmr_arguments arguments_ = {};
  bool read_only_ = false;
  bool opened_ = false;

  std::vector<uint64_t> hot_blocks_;
  std::vector<std::unique_ptr<Op>> ops_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<Part*> in_flight_;
  std::deque<Part*> parked_;
  dmr_request* left_ = nullptr;
  std::optional<dmr_job> job_;
  bool may_submit_ = false;  // the application is there
  bool may_step_ = false;    // ... and I/O may move at all
  bool stepping_ = false;
  bool scanning_ = false;       // a step of the scanner is under way
  bool mending_found_ = false;  // the worker is at what it found
  bool unmapping_ = false;      // the worker is at a step of unmap
  std::optional<uint64_t> slow_block_;
  bool devices_vanish_ = false;
  uint64_t back_in_ = 0;  // steps until the device that is gone is back

  uint64_t ios_until_cut_ = kNoPowerCut;
  uint64_t core_ios_ = 0;
  bool power_failed_ = false;
  dmr_status status_at_cut_ = {};
  bool dead_ = false;
  std::string violation_;

  Time& now_;  // over all boots
  uint64_t ops_made_ = 0;
  uint64_t parts_made_ = 0;
  size_t events_seen_ = 0;
  bool any_fault_ = false;      // of the disks, in this boot
  bool spare_trouble_ = false;  // of the spare, in this boot
  bool flush_trouble_ = false;
  Time device_trouble_ = 0;  // the last that was not the medium's
  Time main_failed_at_ = 0;  // it was in that state then
  Time spare_full_at_ = 0;
  uint32_t failed_main_reads_ = 0;  // of the core, in a row
  uint32_t copies_lied_about_ = 0;
};

}  // namespace dmr::sim
