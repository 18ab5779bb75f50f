// SPDX-License-Identifier: GPL-2.0
#include "lives_pair.h"

#include <libdeflate.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace dmr;
using namespace dmr::sim;

namespace {

constexpr uint64_t kSeconds = 1000;  // the clock stands still
constexpr size_t kPage = 4096;

}  // namespace

std::string dmr::sim::step_name(const Step& step) {
  static constexpr const char* kActions[] = {"open",         "write",  "refused", "refused-once",
                                             "both-refused", "read",   "remap",   "unmap",
                                             "retest",       "repair", "flush"};
  static constexpr const char* kFaults[] = {
      "!copy-unreadable",   "!copy-away",    "!copy-refuses", "!copy-refuses-late",
      "!copy-drops",        "!slot-refuses", "!slot-drops",   "!slot-unreadable",
      "!slot-refuses-once", "!spare-flush",  "!main-flush",   "!main-unreadable",
      "!main-weak"};
  if (!step.is_fault)
    return kActions[static_cast<int>(step.action)] + std::to_string(step.fault.place);
  return kFaults[static_cast<int>(step.fault.kind)] + std::to_string(step.fault.place);
}

void dmr_host::Free::operator()(void* memory) const {
  std::free(memory);
}

dmr_host::dmr_host(const Kind& kind, uint32_t faults)
    : geometry_(Disks::geometry(kind)), faults_in_life_(faults), two_blocks_(kind.two_blocks) {
  dmr_u32 bad = 0;
  (void)dmr_arguments_parse(&arguments_, 0, nullptr, &bad);
  arguments_.config[DMR_CONFIG_READ_RETRIES] = 1;
  arguments_.config_given |= 1u << DMR_CONFIG_READ_RETRIES;
  // Main does not lie here.
  arguments_.config[DMR_CONFIG_VERIFY_WRITES] = DMR_VERIFY_OFF;
  arguments_.config_given |= 1u << DMR_CONFIG_VERIFY_WRITES;
  arena_bytes_ = (dmr_engine_arena_bytes(&geometry_) + kPage - 1) / kPage * kPage;
  arena_.reset(static_cast<uint8_t*>(std::aligned_alloc(kPage, arena_bytes_)));
  flat_.resize(geometry_.spare_sectors * DMR_SECTOR_BYTES);
  start_engine();
  dmr_report report;
  if (dmr_engine_open(engine_, &arguments_, 0, &report) != DMR_ACCEPTED) wrong("not formatted");
  disks_ = std::make_unique<Disks>(kind, flat_);
  disks_->state.faults_left = faults;
  flat_ = {};
}

void dmr_host::wrong(const char* what) {
  if (violation_ == nullptr) violation_ = what;
}

void dmr_host::start_engine() {
  const dmr_main_identity identity = {};
  std::memset(arena_.get(), 0, arena_bytes_);
  engine_ = dmr_engine_init(arena_.get(), &geometry_, &identity, this);
}

dmr_status dmr_host::status() const {
  dmr_status status;
  dmr_engine_status(engine_, &status);
  return status;
}

void dmr_host::begin(const Left& left) {
  disks_->load(left);
  opened_ = freed_ = false;
  violation_ = nullptr;
}

void dmr_host::save(Snapshot& snapshot) const {
  snapshot.disks = disks_->state;
  snapshot.arena.assign(arena_.get(), arena_.get() + arena_bytes_);
}

void dmr_host::restore(const Snapshot& snapshot) {
  disks_->state = snapshot.disks;
  std::memcpy(arena_.get(), snapshot.arena.data(), arena_bytes_);
}

bool dmr_host::remembers() const {
  for (uint32_t i = kSlotCell; i < kMainCell; ++i) {
    if (disks_->state.cells[i].unflushed != 0) return true;
  }
  const dmr_state state = status().state;
  const bool failed = (write_failed_ || job_failed_) && disks_->state.fault_count != 0;
  return freed_ || failed || state == DMR_STATE_METADATA_RO || state == DMR_STATE_MAIN_FAILED;
}

// ---- Actions -------------------------------------------------------------------------------------

bool dmr_host::act(ActionKind action, uint32_t place) {
  ++actions;
  write_failed_ = job_failed_ = freed_ = false;
  const uint32_t block = two_blocks_ ? place : 0;
  switch (action) {
    case ActionKind::kOpen:
      open();
      break;
    case ActionKind::kWrite:
      write_sectors(place, 1, 0);
      break;
    case ActionKind::kWriteRefused:
      write_sectors(place, 1, 0xff);
      break;
    case ActionKind::kWriteRefusedOnce:
      write_sectors(place, 1, 1);
      break;
    case ActionKind::kWriteBothRefused:
      write_sectors(0, kLifeSectors, 0xff);
      break;
    case ActionKind::kRead:
      read_sector(place);
      break;
    case ActionKind::kRemap:
      job(DMR_JOB_REMAP, block);
      break;
    case ActionKind::kUnmap:
      job(DMR_JOB_UNMAP, block);
      break;
    case ActionKind::kRetest:
      job(DMR_JOB_RETEST, block);
      job_failed_ = false;  // nothing promises that a lost sector reads
      break;
    case ActionKind::kRepair:
      job_failed_ = dmr_engine_repair(engine_) != kCopies;
      break;
    case ActionKind::kFlush:
      flush_all();
      break;
  }
  if (!disks_->all_met()) return false;
  if (opened_) check_sectors();
  if (no_faults()) check_without_faults();
  if (violation_ == nullptr) disks_->report_end();
  disks_->state.refusals = {};
  return true;
}

void dmr_host::open() {
  ++openings;
  start_engine();
  dmr_report report;
  const dmr_refusal refusal = dmr_engine_open(engine_, &arguments_, 0, &report);
  opened_ = refusal == DMR_ACCEPTED;
  if (report.will_format) wrong("a pair was formatted again");
  if (opened_) {
    settle_what_was_found();
    return;
  }
  ++refusals;
  if (disks_->trace) std::printf("    refused: %s\n", dmr_refusal_text(refusal));
  if (disks_->state.fault_count < 2) wrong("refused");
}

// After a power cut nothing is unflushed. Then what an opening that holds has found stays.
void dmr_host::settle_what_was_found() {
  const dmr_status now = status();
  if (!disks_->state.was_cut || now.state == DMR_STATE_METADATA_RO || now.good_copies < 4) return;
  for (uint32_t s = 0; s < kLifeSectors; ++s) {
    const uint32_t value = value_found(s);
    Allowed& allowed = disks_->state.allowed[s];
    if (value == 0 || !(allowed.now >> value & 1)) continue;
    allowed.now = allowed.after_cut = static_cast<uint16_t>(1u << value);
  }
}

void dmr_host::job(dmr_job_kind kind, uint32_t block) {
  dmr_job job = {};
  job.kind = kind;
  job.from = disks_->user_sector(block);
  job.count = 1;
  if (kind == DMR_JOB_RETEST) job.count = geometry_.target_sectors - job.from;
  while (dmr_engine_job(engine_, &job)) {
  }
  job_failed_ = job.failed != 0;
  freed_ = kind == DMR_JOB_UNMAP && job.done != 0;
}

void dmr_host::flush_all() {
  dmr_sts sts = disks_->flush(DMR_MAIN);
  dmr_u64 ticket = 0;
  const dmr_flush_action action = dmr_spare_flush_begin(engine_, &ticket);
  if (action == DMR_FLUSH_FAIL) sts = DMR_STS_IOERR;
  if (action == DMR_FLUSH_ISSUE) {
    const dmr_sts spare = disks_->flush(DMR_SPARE);
    dmr_spare_flush_end(engine_, ticket, spare);
    if (sts == DMR_STS_OK) sts = spare;
  }
  job_failed_ = sts != DMR_STS_OK;
  if (sts != DMR_STS_OK) return;
  for (Allowed& allowed : disks_->state.allowed) allowed.after_cut = allowed.now;
  disks_->report_cuts(0);
}

// ---- Writes and reads ----------------------------------------------------------------------------

dmr_place dmr_host::route(uint32_t sector, dmr_direction direction) const {
  const uint64_t at = disks_->user_sector(sector);
  const dmr_region_map regions = dmr_engine_regions(engine_);
  if (dmr_all_on_main(&regions, at, disks_->unit() * DMR_SECTOR_BYTES))
    return {DMR_PLACE_MAIN, at, disks_->unit(), 0};
  dmr_place place;
  dmr_route(engine_, at, disks_->unit(), direction, &place);
  return place;
}

// Each sector to its place; those that one device refused go to the worker together.
void dmr_host::write_sectors(uint32_t first, uint32_t count, uint8_t refusals) {
  Disks::State& state = disks_->state;
  for (uint32_t s = first; s < first + count; ++s) {
    if (++state.newest[s] > kValues) std::abort();
    const auto bit = static_cast<uint16_t>(1u << state.newest[s]);
    state.allowed[s].now |= bit;
    state.allowed[s].after_cut |= bit;
    state.refusals[s] = refusals;
  }
  state.refusal_met = refusals == 0;
  for (uint32_t s = first; s < first + count; ++s) {
    const dmr_place place = route(s, DMR_WRITE);
    if (place.kind == DMR_PLACE_WORKER) {
      park(s, true, false);
    } else if (place.kind == DMR_PLACE_ERROR) {
      end_write(s, false, false);
    } else {
      const dmr_device device = place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE;
      const uint8_t* const bytes = disks_->bytes_of(content_of(s, state.newest[s]));
      const dmr_sts sts = disks_->write(device, place.sector, disks_->unit(), bytes, false, true);
      if (device == DMR_SPARE) dmr_spare_written(engine_);
      if (sts == DMR_STS_OK) {
        end_write(s, true, false);
      } else if (dmr_engine_failed(engine_, device, DMR_WRITE, sts, 0)) {
        park(s, true, true);
      } else {
        end_write(s, false, false);
      }
    }
  }
  run_worker();
}

void dmr_host::end_write(uint32_t sector, bool acknowledged, bool durable) {
  if (disks_->trace)
    std::printf("    write of sector %u: %s\n", sector, acknowledged ? "acknowledged" : "EIO");
  write_failed_ |= !acknowledged;
  if (!acknowledged) return;
  Allowed& allowed = disks_->state.allowed[sector];
  allowed.now = static_cast<uint16_t>(1u << disks_->state.newest[sector]);
  if (durable) {
    allowed.after_cut = allowed.now;
    disks_->report_cuts(0);
  }
}

// Of one block, what one device refused is one request.
void dmr_host::park(uint32_t sector, bool is_write, bool failed) {
  if (parked_count_ != 0 && !two_blocks_ && parked_[0].failed == failed) {
    parked_[0].sectors += disks_->unit();
    return;
  }
  dmr_request& request = parked_[parked_count_++];
  request = {};
  request.sector = disks_->user_sector(sector);
  request.sectors = disks_->unit();
  request.is_write = is_write;
  request.failed = failed;
}

void dmr_host::run_worker() {
  for (uint32_t i = 0; i + 1 < parked_count_; ++i) parked_[i].next = &parked_[i + 1];
  dmr_request* left = parked_count_ == 0 ? nullptr : &parked_[0];
  while (left != nullptr) left = dmr_engine_recover(engine_, left);
  parked_count_ = 0;
}

void dmr_host::read_sector(uint32_t sector) {
  const dmr_place place = route(sector, DMR_READ);
  if (place.kind == DMR_PLACE_ERROR) return check_read(sector, 0);
  const dmr_device device = place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE;
  read_outcome_ = DMR_OUTCOME_OK;
  const dmr_sts sts = disks_->read(device, place.sector, disks_->unit(), read_data_.data());
  if (sts != DMR_STS_OK) {
    read_outcome_ = DMR_OUTCOME_EIO;
    if (dmr_engine_failed(engine_, device, DMR_READ, sts, 0)) {
      park(sector, false, true);
      run_worker();
    }
  }
  if (read_outcome_ != DMR_OUTCOME_OK) return check_read(sector, 0);
  const uint16_t content = disks_->content_by(read_data_.data());
  if (content == 0 || sector_of(content) != sector) return wrong("a read returned foreign bytes");
  check_read(sector, value_of(content));
}

void dmr_host::check_read(uint32_t sector, uint32_t value) {
  if (disks_->trace) std::printf("    read of sector %u: value %u\n", sector, value);
  if (!(disks_->state.allowed[sector].now >> value & 1))
    wrong(value == 0 ? "EIO without a fault that explains it" : "a read returned an old value");
}

// The value that a read of the sector would return, without faults: 0 for EIO, above kValues if it
// is none of the sector's.
uint32_t dmr_host::value_found(uint32_t sector) const {
  const dmr_place place = route(sector, DMR_READ);
  if (place.kind != DMR_PLACE_MAIN && place.kind != DMR_PLACE_SPARE) return 0;
  const uint32_t cell =
      disks_->cell_at(place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE, place.sector);
  const uint16_t content = disks_->state.cells[cell].latest();
  if (content == 0 || sector_of(content) != sector) return kValues + 1;
  return value_of(content);
}

void dmr_host::check_sectors() {
  for (uint32_t s = 0; s < kLifeSectors; ++s) {
    const uint32_t value = value_found(s);
    if (value > kValues) return wrong("a sector has old or foreign bytes");
    check_read(s, value);
  }
}

// In a life without faults nothing fails, unless there is no slot for it.
void dmr_host::check_without_faults() {
  const dmr_status now = status();
  const bool full = now.slots_used + now.slots_retired == now.slots_total;
  if (write_failed_ && !full) wrong("a write failed");
  if (job_failed_ && !full) wrong("a message failed");
  if (now.good_copies != kCopies) wrong("not five good copies");
  if (now.slots_retired != 0) wrong("a slot was retired");
}

// ---- The seam ------------------------------------------------------------------------------------

dmr_sts dmr_host::read(dmr_device device, uint64_t sector, uint32_t sectors, uint8_t* buffer) {
  if (disks_ != nullptr) return disks_->read(device, sector, sectors, buffer);
  std::memcpy(buffer, &flat_[sector * DMR_SECTOR_BYTES], size_t{sectors} * DMR_SECTOR_BYTES);
  return DMR_STS_OK;
}

dmr_sts dmr_host::write(dmr_device device, uint64_t sector, uint32_t sectors, const uint8_t* data,
                        bool fua) {
  if (disks_ != nullptr) return disks_->write(device, sector, sectors, data, fua, false);
  std::memcpy(&flat_[sector * DMR_SECTOR_BYTES], data, size_t{sectors} * DMR_SECTOR_BYTES);
  return DMR_STS_OK;
}

dmr_sts dmr_host::flush(dmr_device device) {
  return disks_ == nullptr ? DMR_STS_OK : disks_->flush(device);
}

uint32_t dmr_host::user_sector_at(uint64_t sector) const {
  return disks_->cell_at(DMR_MAIN, sector) - kMainCell;
}

void dmr_host::fetch(const dmr_request& request, uint32_t offset, uint32_t sectors,
                     uint8_t* buffer) const {
  const uint32_t first = user_sector_at(request.sector + offset);
  const size_t bytes = size_t{disks_->unit()} * DMR_SECTOR_BYTES;
  for (uint32_t i = 0; i < sectors / disks_->unit(); ++i)
    std::memcpy(buffer + i * bytes,
                disks_->bytes_of(content_of(first + i, disks_->state.newest[first + i])), bytes);
}

void dmr_host::store(const dmr_request&, uint32_t offset, uint32_t sectors, const uint8_t* buffer) {
  std::memcpy(&read_data_[size_t{offset} * DMR_SECTOR_BYTES], buffer,
              size_t{sectors} * DMR_SECTOR_BYTES);
}

void dmr_host::complete(const dmr_request& request, dmr_outcome outcome) {
  if (!request.is_write) {
    read_outcome_ = outcome;
    return;
  }
  const uint32_t first = user_sector_at(request.sector);
  for (uint32_t i = 0; i < request.sectors / disks_->unit(); ++i)
    end_write(first + i, outcome == DMR_OUTCOME_OK, true);
}

extern "C" {

dmr_sts dmr_host_read(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                      void* buffer) {
  return host->read(device, sector, sectors, static_cast<uint8_t*>(buffer));
}

dmr_sts dmr_host_write(dmr_host* host, dmr_device device, dmr_u64 sector, dmr_u32 sectors,
                       const void* buffer, int fua) {
  return host->write(device, sector, sectors, static_cast<const uint8_t*>(buffer), fua != 0);
}

dmr_sts dmr_host_flush(dmr_host* host, dmr_device device) {
  return host->flush(device);
}

void dmr_host_fetch(dmr_host* host, const dmr_request* request, dmr_u32 offset_sectors,
                    dmr_u32 sectors, void* buffer) {
  host->fetch(*request, offset_sectors, sectors, static_cast<uint8_t*>(buffer));
}

void dmr_host_store(dmr_host* host, const dmr_request* request, dmr_u32 offset_sectors,
                    dmr_u32 sectors, const void* buffer) {
  host->store(*request, offset_sectors, sectors, static_cast<const uint8_t*>(buffer));
}

void dmr_host_complete(dmr_host* host, dmr_request* request, dmr_outcome outcome) {
  host->complete(*request, outcome);
}

void dmr_host_drain(dmr_host*) {}  // nothing is in flight while the worker is at work

dmr_u32 dmr_host_crc32(dmr_u32 crc, const void* data, dmr_size bytes) {
  return libdeflate_crc32(crc, data, bytes);
}

dmr_u64 dmr_host_now(dmr_host*) {
  return kSeconds;
}

dmr_u64 dmr_host_uptime(dmr_host*) {
  return kSeconds;
}

// The scanner does not run here: what it finds reaches the worker as the same jobs.
dmr_u64 dmr_host_clock(dmr_host*) {
  return kSeconds * 1000000;
}

dmr_sts dmr_host_scan_read(dmr_host*, dmr_device, dmr_u64, dmr_u32) {
  std::abort();
}

void dmr_host_load(dmr_host*, dmr_load*) {
  std::abort();
}

void dmr_host_new_uuid(dmr_host*, dmr_u8 uuid[DMR_UUID_BYTES]) {
  for (uint32_t i = 0; i < DMR_UUID_BYTES; ++i) uuid[i] = static_cast<dmr_u8>(0xa0 + i);
}

void dmr_host_event(dmr_host*, const dmr_event*) {}

void dmr_host_assert_failed(const char* expression, const char* file, int line) {
  std::printf("%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // extern "C"
