// SPDX-License-Identifier: GPL-2.0
//
// A target without a kernel: does with the engine what src/kernel does for bios. Asks the region
// map and the routing, splits at each change of place, passes on, parks what failed, runs the
// worker. It decides nothing that the core decides.
//
// One engine and its arena; a reboot is a new target over the same host (or over a copy of it).
#pragma once

#include <deque>
#include <memory>

#include "hosted/sim_host.h"

namespace dmr::hosted {

class SimTarget {
 public:
  // @target_sectors 0: all of main.
  explicit SimTarget(SimHost& host, uint64_t target_sectors = 0,
                     const dmr_main_identity& identity = {});
  ~SimTarget();

  dmr_refusal probe(const dmr_arguments& arguments = {});
  dmr_refusal open(const dmr_arguments& arguments = {}, bool read_only = false);
  // Of the last probe() or open().
  const dmr_report& report() const { return report_; }

  dmr_engine* engine() { return engine_; }
  const dmr_geometry& geometry() const { return geometry_; }
  dmr_status status() const;
  std::vector<dmr_list_entry> list(uint64_t from = 0, uint64_t count = kForever) const;
  // Through the region map and the routing, as map() does it.
  dmr_place route(uint64_t sector, uint32_t sectors, dmr_direction direction) const;

  // ---- I/O of the application; the status is what it would see.
  dmr_sts read(uint64_t sector, uint32_t sectors, void* buffer);
  dmr_sts write(uint64_t sector, uint32_t sectors, const void* data, bool fua = false);
  dmr_sts discard(uint64_t sector, uint32_t sectors);
  dmr_sts flush();

  // ---- A write in two steps: it fails or is sent to the worker, and waits with others.
  class Pending;
  std::shared_ptr<Pending> submit_write(uint64_t sector, uint32_t sectors, const void* data,
                                        bool fua = false,
                                        bool zeroes = false);
  // Hands everything that waits to the worker, in order of arrival.
  void run_worker();
  // Parks a write without trying it first, as one whose failure is known already.
  std::shared_ptr<Pending> park_write(uint64_t sector, uint32_t sectors, const void* data,
                                      dmr_sts failed_with = DMR_STS_MEDIUM);
  size_t waiting() const { return parked_.size(); }

 private:
  struct Parked;
  Parked& park(const std::shared_ptr<Pending>& pending, uint64_t sector, uint32_t sectors,
               const uint8_t* data, dmr_sts failed_with);
  void end_parked(Parked& part);
  dmr_sts read_at(const dmr_place& place, uint64_t sector, uint8_t* bytes);

  SimHost& host_;
  dmr_geometry geometry_;
  struct Free {
    void operator()(void* memory) const;
  };
  std::unique_ptr<void, Free> arena_;
  dmr_engine* engine_;
  dmr_region_map regions_;
  dmr_report report_ = {};
  std::deque<std::unique_ptr<Parked>> parked_;
};

// An application's write, of which parts may still wait for the worker.
class SimTarget::Pending {
 public:
  bool done() const { return parts_waiting == 0; }
  // Of the parts that have ended: the first failure, or OK.
  dmr_sts status = DMR_STS_OK;
  uint32_t parts_waiting = 0;
  // What the worker made so: such a write is durable when it ends well.
  struct Range {
    uint64_t sector;
    uint32_t sectors;
  };
  std::vector<Range> repaired;

  void end_part(dmr_sts sts) {
    if (status == DMR_STS_OK) status = sts;
  }
};

}  // namespace dmr::hosted
