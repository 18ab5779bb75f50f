// SPDX-License-Identifier: GPL-2.0
#include "hosted/sim_host.h"

#include <libdeflate.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

size_t dmr_host::events_of(dmr_event_kind kind) const {
  return static_cast<size_t>(std::count_if(
      events.begin(), events.end(), [&](const dmr_event& event) { return event.kind == kind; }));
}

namespace {

using dmr::hosted::IoKind;
using dmr::hosted::SimDisk;

[[noreturn]] void die(const char* why) {
  std::fprintf(stderr, "%s\n", why);
  std::abort();
}

template <typename Do>
dmr_sts do_io(dmr_host* host, const dmr_host::Io& io, Do act) {
  if (host->before_io) host->before_io(io);
  const dmr_sts sts = act(host->disk(io.device));
  if (host->after_io) host->after_io(io, sts);
  return sts;
}

// Where in its memory these sectors of a request are.
size_t offset_in(const SimRequest& request, uint32_t offset_sectors, uint32_t sectors) {
  const size_t from = size_t{offset_sectors} * DMR_SECTOR_BYTES;
  if (from + size_t{sectors} * DMR_SECTOR_BYTES > request.data.size())
    die("a request's data was asked for beyond its end");
  return from;
}

}  // namespace

extern "C" {

dmr_sts dmr_host_read(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                      void* buffer) {
  return do_io(host, {device, IoKind::kRead, sector, sectors, nullptr},
               [&](SimDisk& disk) { return disk.read(sector, sectors, buffer); });
}

dmr_sts dmr_host_write(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                       const void* buffer, int fua) {
  return do_io(host, {device, IoKind::kWrite, sector, sectors, buffer},
               [&](SimDisk& disk) { return disk.write(sector, sectors, buffer, fua != 0); });
}

dmr_sts dmr_host_flush(dmr_host* host, dmr_device device) {
  return do_io(host, {device, IoKind::kFlush, 0, 0, nullptr},
               [](SimDisk& disk) { return disk.flush(); });
}

void dmr_host_fetch(dmr_host*, const dmr_request* request, dmr_u32 offset_sectors, dmr_u32 sectors,
                    void* buffer) {
  const auto* const parked = static_cast<const SimRequest*>(request);
  std::memcpy(buffer, parked->data.data() + offset_in(*parked, offset_sectors, sectors),
              size_t{sectors} * DMR_SECTOR_BYTES);
}

void dmr_host_store(dmr_host*, const dmr_request* request, dmr_u32 offset_sectors, dmr_u32 sectors,
                    const void* buffer) {
  // The core is told of requests, not of their memory: that is the host's to change.
  auto* const parked = const_cast<SimRequest*>(static_cast<const SimRequest*>(request));
  std::memcpy(parked->data.data() + offset_in(*parked, offset_sectors, sectors), buffer,
              size_t{sectors} * DMR_SECTOR_BYTES);
}

void dmr_host_complete(dmr_host* host, dmr_request* request, dmr_outcome outcome) {
  auto* const parked = static_cast<SimRequest*>(request);
  if (parked->end) die("a request was completed twice");
  parked->end = outcome;
  // It is the host's again: the core must not look at it.
  parked->next = nullptr;
  if (host->on_complete) host->on_complete(*parked);
}

void dmr_host_drain(dmr_host* host) {
  ++host->drains;
  if (host->on_drain) host->on_drain();
}

dmr_u32 dmr_host_crc32(dmr_u32 crc, const void* data, dmr_size bytes) {
  return libdeflate_crc32(crc, data, bytes);
}

dmr_u64 dmr_host_now(dmr_host* host) {
  return host->now_seconds;
}

dmr_u64 dmr_host_uptime(dmr_host* host) {
  return host->uptime_seconds;
}

dmr_u64 dmr_host_clock(dmr_host* host) {
  return host->clock_microseconds;
}

dmr_sts dmr_host_scan_read(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors) {
  const dmr_host::Io io = {device, IoKind::kRead, sector, sectors, nullptr};
  if (host->before_scan_read) host->before_scan_read(io);
  host->scanned.resize(size_t{sectors} * DMR_SECTOR_BYTES);
  const dmr_sts sts = host->disk(device).read(sector, sectors, host->scanned.data());
  host->clock_microseconds += host->scan_read_takes ? host->scan_read_takes(io) : 100;
  ++host->scan_reads;
  if (device == DMR_MAIN) host->scanned_sectors += sectors;
  if (host->after_scan_read) host->after_scan_read(io, sts);
  return sts;
}

void dmr_host_load(dmr_host* host, dmr_load* load) {
  load->sectors = host->scanned_sectors + host->foreign_sectors;
  load->waiting = host->foreign_waiting;
  load->known = host->load_known;
}

void dmr_host_new_uuid(dmr_host* host, dmr_u8 uuid[DMR_UUID_BYTES]) {
  // Version 4 by its form, and different each time.
  const uint64_t number = ++host->uuids_made;
  for (uint32_t i = 0; i < DMR_UUID_BYTES; ++i)
    uuid[i] = static_cast<dmr_u8>(0xa0 + i + number * (i == 15));
  uuid[6] = static_cast<dmr_u8>(0x40 | (uuid[6] & 0x0f));
  uuid[8] = static_cast<dmr_u8>(0x80 | (uuid[8] & 0x3f));
}

void dmr_host_event(dmr_host* host, const dmr_event* event) {
  host->events.push_back(*event);
}

void dmr_host_assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // extern "C"
