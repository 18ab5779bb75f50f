// SPDX-License-Identifier: GPL-2.0
#include "hosted/sim_target.h"

#include <cstdlib>
#include <cstring>

namespace dmr::hosted {
namespace {

constexpr size_t kPageAlign = 4096;

}  // namespace

// A part of a request on its way through the worker.
struct SimTarget::Parked : SimRequest {
  std::shared_ptr<Pending> pending;
  dmr_sts failed_with = DMR_STS_OK;        // OK: it has not been tried
  std::vector<uint8_t>* memory = nullptr;  // of a read: where its data goes
};

void SimTarget::Free::operator()(void* memory) const {
  std::free(memory);
}

SimTarget::SimTarget(SimHost& host, uint64_t target_sectors, const dmr_main_identity& identity)
    : host_(host) {
  geometry_.main_sectors = host.main.sectors();
  geometry_.spare_sectors = host.spare.sectors();
  geometry_.target_sectors = target_sectors != 0 ? target_sectors : geometry_.main_sectors;
  geometry_.main_logical_sectors = host.main.logical_sectors();
  geometry_.spare_logical_sectors = host.spare.logical_sectors();
  const size_t bytes = dmr_engine_arena_bytes(&geometry_);
  const size_t rounded = (bytes + kPageAlign - 1) / kPageAlign * kPageAlign;
  arena_.reset(std::aligned_alloc(kPageAlign, rounded));
  std::memset(arena_.get(), 0, rounded);
  engine_ = dmr_engine_init(arena_.get(), &geometry_, &identity, &host);
  regions_ = dmr_engine_regions(engine_);
}

SimTarget::~SimTarget() = default;

dmr_refusal SimTarget::probe(const dmr_arguments& arguments) {
  return dmr_engine_probe(engine_, &arguments, &report_);
}

dmr_refusal SimTarget::open(const dmr_arguments& arguments, bool read_only) {
  return dmr_engine_open(engine_, &arguments, read_only, &report_);
}

dmr_status SimTarget::status() const {
  dmr_status status;
  dmr_engine_status(engine_, &status);
  return status;
}

std::vector<dmr_list_entry> SimTarget::list(uint64_t from, uint64_t count) const {
  std::vector<dmr_list_entry> entries(dmr_engine_list(engine_, from, count, nullptr, 0));
  dmr_engine_list(engine_, from, count, entries.data(), static_cast<dmr_u32>(entries.size()));
  return entries;
}

dmr_place SimTarget::route(uint64_t sector, uint32_t sectors, dmr_direction direction) const {
  const uint32_t bytes = sectors * DMR_SECTOR_BYTES;
  if (dmr_all_on_main(&regions_, sector, bytes) || dmr_all_on_main_long(&regions_, sector, bytes))
    return {DMR_PLACE_MAIN, sector, sectors, 0};
  dmr_place place;
  dmr_route(engine_, sector, sectors, direction, &place);
  return place;
}

// ---- I/O ----------------------------------------------------------------------------------------

dmr_sts SimTarget::read(uint64_t sector, uint32_t sectors, void* buffer) {
  auto* bytes = static_cast<uint8_t*>(buffer);
  dmr_sts first_failure = DMR_STS_OK;
  while (sectors != 0) {
    const dmr_place place = route(sector, sectors, DMR_READ);
    const dmr_sts sts = read_at(place, sector, bytes);
    if (first_failure == DMR_STS_OK) first_failure = sts;
    bytes += size_t{place.sectors} * DMR_SECTOR_BYTES;
    sector += place.sectors;
    sectors -= place.sectors;
  }
  return first_failure;
}

// A read's sectors that are in one place; the worker is asked if they do not read.
dmr_sts SimTarget::read_at(const dmr_place& place, uint64_t sector, uint8_t* bytes) {
  if (place.kind != DMR_PLACE_MAIN && place.kind != DMR_PLACE_SPARE) return DMR_STS_IOERR;
  const dmr_device device = place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE;
  const dmr_sts sts = host_.disk(device).read(place.sector, place.sectors, bytes);
  if (sts == DMR_STS_OK) return sts;
  if (!dmr_engine_failed(engine_, device, DMR_READ, sts, 0))
    return dmr_sts_is_medium(sts) ? DMR_STS_IOERR : sts;
  const auto pending = std::make_shared<Pending>();
  const size_t size = size_t{place.sectors} * DMR_SECTOR_BYTES;
  Parked& part = park(pending, sector, place.sectors, bytes, sts);
  part.is_write = 0;
  std::vector<uint8_t> memory;
  part.memory = &memory;
  while (!pending->done()) run_worker();
  if (pending->status == DMR_STS_OK) std::memcpy(bytes, memory.data(), size);
  return pending->status;
}

SimTarget::Parked& SimTarget::park(const std::shared_ptr<Pending>& pending, uint64_t sector,
                                   uint32_t sectors, const uint8_t* data, dmr_sts failed_with) {
  auto part = std::make_unique<Parked>();
  part->next = nullptr;
  part->sector = sector;
  part->sectors = sectors;
  part->is_write = 1;
  part->failed = failed_with != DMR_STS_OK;
  part->verify = 0;
  part->cached = 0;
  part->outcome = 0;
  part->done = 0;
  part->data.assign(data, data + size_t{sectors} * DMR_SECTOR_BYTES);
  part->pending = pending;
  part->failed_with = failed_with;
  ++pending->parts_waiting;
  parked_.push_back(std::move(part));
  return *parked_.back();
}

std::shared_ptr<SimTarget::Pending> SimTarget::park_write(uint64_t sector, uint32_t sectors,
                                                          const void* data, dmr_sts failed_with) {
  auto pending = std::make_shared<Pending>();
  park(pending, sector, sectors, static_cast<const uint8_t*>(data), failed_with);
  return pending;
}

std::shared_ptr<SimTarget::Pending> SimTarget::submit_write(uint64_t sector, uint32_t sectors,
                                                            const void* data, bool fua,
                                                            bool zeroes) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  auto pending = std::make_shared<Pending>();
  while (sectors != 0) {
    const dmr_place place = route(sector, sectors, DMR_WRITE);
    if (place.kind == DMR_PLACE_WORKER) {
      park(pending, sector, place.sectors, bytes, DMR_STS_OK);
    } else if (place.kind == DMR_PLACE_MAIN || place.kind == DMR_PLACE_SPARE) {
      const dmr_device device = place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE;
      const dmr_sts sts =
          host_.disk(device).write(place.sector, place.sectors, bytes,
                                   fua || (place.verify && !zeroes));
      if (device == DMR_SPARE) dmr_spare_written(engine_);
      if (sts != DMR_STS_OK && dmr_engine_failed(engine_, device, DMR_WRITE, sts, 0)) {
        park(pending, sector, place.sectors, bytes, sts);
      } else if (sts == DMR_STS_OK && place.verify) {
        Parked& part = park(pending, sector, place.sectors, bytes, DMR_STS_OK);
        part.verify = 1;
        part.cached = zeroes;
      } else {
        pending->end_part(dmr_sts_is_medium(sts) ? DMR_STS_IOERR : sts);
      }
    } else {
      pending->end_part(DMR_STS_IOERR);
    }
    bytes += size_t{place.sectors} * DMR_SECTOR_BYTES;
    sector += place.sectors;
    sectors -= place.sectors;
  }
  return pending;
}

void SimTarget::run_worker() {
  std::deque<std::unique_ptr<Parked>> batch;
  batch.swap(parked_);
  if (batch.empty()) return;
  for (size_t i = 0; i + 1 < batch.size(); ++i) batch[i]->next = batch[i + 1].get();
  dmr_request* left = batch.front().get();
  while (left != nullptr) left = dmr_engine_recover(engine_, left);
  for (const std::unique_ptr<Parked>& part : batch) {
    if (!part->end) std::abort();  // the core owes every request an end
    end_parked(*part);
  }
}

void SimTarget::end_parked(Parked& part) {
  dmr_sts sts = DMR_STS_OK;
  if (*part.end != DMR_OUTCOME_OK) sts = DMR_STS_IOERR;
  if (*part.end == DMR_OUTCOME_AS_FAILED && part.failed_with != DMR_STS_OK) sts = part.failed_with;
  if (sts == DMR_STS_OK && part.is_write)
    part.pending->repaired.push_back({part.sector, part.sectors});
  if (part.memory != nullptr) *part.memory = std::move(part.data);
  --part.pending->parts_waiting;
  part.pending->end_part(sts);
}

dmr_sts SimTarget::write(uint64_t sector, uint32_t sectors, const void* data, bool fua) {
  const std::shared_ptr<Pending> pending = submit_write(sector, sectors, data, fua);
  while (!pending->done()) run_worker();
  return pending->status;
}

dmr_sts SimTarget::discard(uint64_t sector, uint32_t sectors) {
  while (sectors != 0) {
    const dmr_place place = route(sector, sectors, DMR_DISCARD);
    // What a discarded sector reads afterwards is not defined: leave it.
    sector += place.sectors;
    sectors -= place.sectors;
  }
  return DMR_STS_OK;
}

dmr_sts SimTarget::flush() {
  dmr_sts sts = host_.main.flush();
  dmr_u64 ticket = 0;
  switch (dmr_spare_flush_begin(engine_, &ticket)) {
    case DMR_FLUSH_SKIP:
      break;
    case DMR_FLUSH_ISSUE: {
      const dmr_sts spare = host_.spare.flush();
      dmr_spare_flush_end(engine_, ticket, spare);
      if (sts == DMR_STS_OK) sts = spare;
      break;
    }
    case DMR_FLUSH_FAIL:
      if (sts == DMR_STS_OK) sts = DMR_STS_IOERR;
      break;
  }
  return sts;
}

}  // namespace dmr::hosted
