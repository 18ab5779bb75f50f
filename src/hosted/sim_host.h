// SPDX-License-Identifier: GPL-2.0
//
// The core's seam (dm_remap/host.h) over two simulated disks: blocking I/O goes straight to them,
// events and completions are kept, the clock and the UUIDs are given.
//
// Everything is deterministic and of one thread. I/O "in flight" is a test's own idea: on_drain is
// called where a host would wait for it, and may do what such I/O would have done.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "dm_remap/core.h"
#include "hosted/sim_disk.h"

// A write that waits for the worker, with its data and, afterwards, its end.
struct SimWrite : dmr_request {
  std::vector<uint8_t> data;
  std::optional<dmr_outcome> end;
};

struct dmr_host {
  dmr_host(dmr::hosted::SimDisk main_disk, dmr::hosted::SimDisk spare_disk)
      : main(std::move(main_disk)), spare(std::move(spare_disk)) {}

  dmr::hosted::SimDisk& disk(dmr_device device) { return device == DMR_MAIN ? main : spare; }
  size_t events_of(dmr_event_kind kind) const;

  dmr::hosted::SimDisk main;
  dmr::hosted::SimDisk spare;
  uint64_t now_seconds = 1700000000;
  uint64_t uuids_made = 0;
  uint64_t drains = 0;
  std::function<void()> on_drain;
  // Called for each completed write, while the core is still at work on others.
  std::function<void(SimWrite&)> on_complete;
  std::vector<dmr_event> events;
};

namespace dmr::hosted {

using SimHost = ::dmr_host;

}  // namespace dmr::hosted
