// SPDX-License-Identifier: GPL-2.0
//
// The core's seam (dm_remap/host.h) over two simulated disks: blocking I/O goes straight to them,
// events and completions are kept, the clock and the UUIDs are given.
//
// Everything is deterministic and of one thread. I/O "in flight" is a test's own idea: on_drain is
// called where a host would wait for it, and may do what such I/O would have done. before_io is
// called at each of the core's own I/Os: others may have theirs at that moment.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "dm_remap/core.h"
#include "hosted/sim_disk.h"

// A request that waits for the worker, with its data (of a read: its memory) and, afterwards, its
// end.
struct SimRequest : dmr_request {
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
  uint64_t uptime_seconds = 1000;
  // Of the scanner's clock; one second after it began. Reads of the scanner take time by
  // scan_read_takes; other I/O takes none.
  uint64_t clock_microseconds = 1000000;
  uint64_t uuids_made = 0;
  uint64_t drains = 0;
  std::function<void()> on_drain;
  // Called for each completed request, while the core is still at work on others.
  std::function<void(SimRequest&)> on_complete;
  // Around each I/O of the core; of a flush, sector and sectors are 0.
  struct Io {
    dmr_device device;
    dmr::hosted::IoKind kind;
    uint64_t sector;
    uint32_t sectors;
    const void* data;  // of a write
  };
  std::function<void(const Io&)> before_io;
  std::function<void(const Io&, dmr_sts)> after_io;
  std::vector<dmr_event> events;
  // The scanner's reads, which are not among those that before_io and after_io are told of.
  std::function<uint64_t(const Io&)> scan_read_takes;  // microseconds; 100 without
  std::function<void(const Io&)> before_scan_read;
  std::function<void(const Io&, dmr_sts)> after_scan_read;
  std::vector<uint8_t> scanned;  // what the last read for the scanner gave
  uint64_t scan_reads = 0;
  uint64_t scanned_sectors = 0;  // of main
  // Of others.
  uint64_t foreign_sectors = 0;
  uint32_t foreign_waiting = 0;
  bool load_known = true;
};

namespace dmr::hosted {

using SimHost = ::dmr_host;
using ::SimRequest;

}  // namespace dmr::hosted
