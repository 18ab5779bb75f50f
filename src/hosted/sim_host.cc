// SPDX-License-Identifier: GPL-2.0
#include "hosted/sim_host.h"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

size_t dmr_host::events_of(dmr_event_kind kind) const {
  return static_cast<size_t>(std::count_if(
      events.begin(), events.end(), [&](const dmr_event& event) { return event.kind == kind; }));
}

extern "C" {

dmr_sts dmr_host_read(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                      void* buffer) {
  return host->disk(device).read(sector, sectors, buffer);
}

dmr_sts dmr_host_write(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                       const void* buffer, int fua) {
  return host->disk(device).write(sector, sectors, buffer, fua != 0);
}

dmr_sts dmr_host_flush(dmr_host* host, dmr_device device) { return host->disk(device).flush(); }

void dmr_host_fetch(dmr_host*, const dmr_request* write, dmr_u32 offset_sectors, dmr_u32 sectors,
                    void* buffer) {
  const auto* const parked = static_cast<const SimWrite*>(write);
  const size_t from = size_t{offset_sectors} * DMR_SECTOR_BYTES;
  const size_t bytes = size_t{sectors} * DMR_SECTOR_BYTES;
  if (from + bytes > parked->data.size()) {
    std::fprintf(stderr, "fetch beyond the write's data\n");
    std::abort();
  }
  std::memcpy(buffer, parked->data.data() + from, bytes);
}

void dmr_host_complete(dmr_host* host, dmr_request* write, dmr_outcome outcome) {
  auto* const parked = static_cast<SimWrite*>(write);
  if (parked->end) {
    std::fprintf(stderr, "a write was completed twice\n");
    std::abort();
  }
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
  return static_cast<dmr_u32>(
      crc32(crc, static_cast<const unsigned char*>(data), static_cast<uInt>(bytes)));
}

dmr_u64 dmr_host_now(dmr_host* host) { return host->now_seconds; }

void dmr_host_new_uuid(dmr_host* host, dmr_u8 uuid[DMR_UUID_BYTES]) {
  // Version 4 by its form, and different each time.
  const uint64_t number = ++host->uuids_made;
  for (uint32_t i = 0; i < DMR_UUID_BYTES; ++i)
    uuid[i] = static_cast<dmr_u8>(0xa0 + i + number * (i == 15));
  uuid[6] = static_cast<dmr_u8>(0x40 | (uuid[6] & 0x0f));
  uuid[8] = static_cast<dmr_u8>(0x80 | (uuid[8] & 0x3f));
}

void dmr_host_event(dmr_host* host, const dmr_event* event) { host->events.push_back(*event); }

void dmr_host_assert_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // extern "C"
