// SPDX-License-Identifier: GPL-2.0
#include "world.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

#include "core/format.h"

namespace dmr::sim {
namespace {

using hosted::IoKind;
using hosted::SimDisk;

constexpr size_t kPageAlign = 4096;
constexpr uint64_t kCoreIosMax = 300000;  // of a boot: more is a loop without end
constexpr uint64_t kSettleMax = 100000;
constexpr uint32_t kCanaries = 8;

// Not the core's own rule: it is under test.
bool is_medium(dmr_sts sts) {
  return sts == DMR_STS_MEDIUM || sts == DMR_STS_IOERR || sts == DMR_STS_TARGET;
}

const char* name_of(IoKind kind) {
  return kind == IoKind::kRead ? "read" : kind == IoKind::kWrite ? "write" : "flush";
}

const char* name_of(dmr_device device) {
  return device == DMR_MAIN ? "main" : "spare";
}

}  // namespace

// ---- Life ---------------------------------------------------------------------------------------

void World::Free::operator()(void* memory) const {
  std::free(memory);
}

World::World(SimHost& host, Oracle& oracle, Random& random, const dmr_geometry& geometry,
             const Options& options)
    : host_(host),
      oracle_(oracle),
      random_(random),
      geometry_(geometry),
      options_(options),
      now_(oracle.clock) {
  const size_t bytes = dmr_engine_arena_bytes(&geometry_);
  const size_t rounded = (bytes + kPageAlign - 1) / kPageAlign * kPageAlign;
  arena_.reset(std::aligned_alloc(kPageAlign, rounded));
  std::memset(arena_.get(), 0, rounded);
  const dmr_main_identity identity = {};
  engine_ = dmr_engine_init(arena_.get(), &geometry_, &identity, &host_);
  regions_ = dmr_engine_regions(engine_);
  host_.events.clear();
  host_.before_io = [this](const dmr_host::Io& io) { before_core_io(io); };
  host_.after_io = [this](const dmr_host::Io& io, dmr_sts sts) { after_core_io(io, sts); };
  host_.on_drain = [this] { drain(); };
  host_.on_complete = [this](SimRequest& request) { completed(static_cast<Part&>(request)); };
  host_.before_scan_read = [this](const dmr_host::Io&) { before_scan_read(); };
  host_.after_scan_read = [this](const dmr_host::Io& io, dmr_sts sts) { after_scan_read(io, sts); };
  host_.scan_read_takes = [this](const dmr_host::Io& io) { return scan_read_takes(io); };
}

World::~World() {
  host_.before_io = nullptr;
  host_.after_io = nullptr;
  host_.on_drain = nullptr;
  host_.on_complete = nullptr;
  host_.before_scan_read = nullptr;
  host_.after_scan_read = nullptr;
  host_.scan_read_takes = nullptr;
}

void World::trace(const char* format, ...) {
  if (!options_.trace || dead_) return;
  std::printf("%8llu ", static_cast<unsigned long long>(now_));
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::putchar('\n');
}

void World::violate(const std::string& what) {
  if (dead_) return;
  trace("VIOLATION: %s", what.c_str());
  violation_ = what;
  dead_ = true;
  host_.main.set_offline(true);
  host_.spare.set_offline(true);
}

dmr_status World::status() const {
  dmr_status status;
  dmr_engine_status(engine_, &status);
  return status;
}

std::vector<dmr_list_entry> World::list() const {
  std::vector<dmr_list_entry> entries(status().slots_used);
  entries.resize(
      dmr_engine_list(engine_, 0, ~0ull, entries.data(), static_cast<dmr_u32>(entries.size())));
  return entries;
}

dmr_refusal World::open(const dmr_arguments& arguments, bool read_only, dmr_report& report) {
  arguments_ = arguments;
  read_only_ = read_only;
  const dmr_refusal refusal = dmr_engine_open(engine_, &arguments, read_only, &report);
  if (refusal != DMR_ACCEPTED || dead_) return refusal;
  opened_ = true;
  may_step_ = true;
  const dmr_status now = status();
  oracle_.reopened(now.state != DMR_STATE_METADATA_RO);
  if (now.state == DMR_STATE_METADATA_RO) {
    if (!spare_trouble_) violate("opened with metadata_ro for no reason");
    spare_trouble_ = true;
  }
  trace("opened: %s, sequence %llu, %u/5 copies, %u slots", dmr_state_name(now.state),
        static_cast<unsigned long long>(now.sequence), now.good_copies, now.slots_used);
  check_lost(oracle_.salvage_uncertain);
  // What is served without having been committed again, the next boot need not find.
  oracle_.salvage_uncertain = now.good_copies < 4;
  any_fault_ = now.slots_used != 0;
  begin_scanner();
  return refusal;
}

void World::pass_time() {
  const uint64_t seconds = random_.chance(80) ? random_.below(3) : random_.below(1000);
  host_.now_seconds += seconds;
  host_.uptime_seconds += seconds;
  host_.clock_microseconds += seconds * 1000000;
}

void World::vanish_or_come_back() {
  if (back_in_ != 0) {
    if (--back_in_ != 0) return;
    host_.main.set_offline(false);
    host_.spare.set_offline(false);
    trace("all devices are back");
  } else if (random_.chance(1)) {
    const dmr_device device = random_.chance(50) ? DMR_MAIN : DMR_SPARE;
    trace("%s is gone", name_of(device));
    host_.disk(device).set_offline(true);
    back_in_ = random_.between(1, 60);
  }
}

void World::live(uint64_t steps) {
  may_submit_ = true;
  for (uint64_t n = 0; n < steps && !dead_; ++n) {
    if (devices_vanish_) vanish_or_come_back();
    if (random_.chance(10)) scan_step();
    const uint64_t what = random_.below(100);
    if (what < 72) {
      step();
    } else if (what < 95) {
      worker_turn();
    } else if (what < 98) {
      start_message();
    } else {
      pass_time();
    }
  }
  may_submit_ = false;
  if (!dead_ && back_in_ != 0) {
    back_in_ = 1;
    vanish_or_come_back();
  }
}

void World::settle_down() {
  may_submit_ = false;
  for (uint64_t n = 0; !dead_ && (!ops_.empty() || worker_has_work()); ++n) {
    if (n > kSettleMax) violate("requests never end");
    if (worker_has_work() && random_.chance(50)) {
      worker_turn();
    } else {
      step();
    }
  }
}

void World::suspend_and_resume() {
  settle_down();
  if (dead_) return;
  dmr_engine_settle(engine_);
  trace("suspended");
  if (random_.chance(60)) {
    dmr_arguments arguments = arguments_;
    if (random_.chance(40)) {
      std::memset(arguments.label, 0, sizeof arguments.label);
      std::snprintf(arguments.label, sizeof arguments.label, "label-%u",
                    static_cast<unsigned>(random_.below(100)));
    }
    read_only_ = random_.chance(8);
    const dmr_refusal refusal = dmr_engine_adopt(engine_, &geometry_, &arguments, read_only_);
    trace("reloaded: %s", dmr_refusal_text(refusal));
    if (refusal != DMR_ACCEPTED && !dead_) violate("a reload of the same pair was refused");
    arguments_ = arguments;
  }
  check_consistency();
}

void World::read_everything() {
  settle_down();
  const uint32_t unit = geometry_.main_logical_sectors;
  for (uint64_t sector = 0; sector < geometry_.target_sectors && !dead_;) {
    const bool hot = std::find(hot_blocks_.begin(), hot_blocks_.end(),
                               sector / DMR_BLOCK_SECTORS) != hot_blocks_.end();
    uint64_t sectors = hot ? unit : 64;
    sectors = std::min<uint64_t>(sectors, geometry_.target_sectors - sector);
    if (!hot) sectors = std::min<uint64_t>(sectors, DMR_BLOCK_SECTORS - sector % DMR_BLOCK_SECTORS);
    auto op = std::make_unique<Op>();
    op->kind = OpKind::kRead;
    op->sector = sector;
    op->sectors = static_cast<uint32_t>(sectors);
    begin(std::move(op));
    settle_down();
    sector += sectors;
  }
}

// ---- The worker ---------------------------------------------------------------------------------

void World::run_job(dmr_job_kind kind, uint64_t from, uint64_t count) {
  job_ = dmr_job{};
  job_->kind = kind;
  job_->from = from;
  job_->count = count;
}

uint32_t World::repair() {
  const uint32_t good = dmr_engine_repair(engine_);
  trace("repair: %u/5", good);
  return good;
}

void World::start_message() {
  if (job_) return;
  const uint64_t what = random_.below(10);
  if (what == 0) {
    (void)repair();
    return;
  }
  if (what == 1) {
    trace("resume_remap");
    resume_remap();
    note_events();
    return;
  }
  const dmr_job_kind kind = what < 5 ? DMR_JOB_REMAP : what < 8 ? DMR_JOB_UNMAP : DMR_JOB_RETEST;
  uint64_t from = random_.pick(hot_blocks_) * DMR_BLOCK_SECTORS;
  uint64_t count = random_.between(1, 24);
  if (random_.chance(20)) {
    from = 0;
    count = geometry_.target_sectors;
    if (kind == DMR_JOB_REMAP) count = std::min<uint64_t>(count, 100);
  }
  count = std::min<uint64_t>(count, geometry_.target_sectors - from);
  run_job(kind, from, count);
  for (uint64_t s = from; kind == DMR_JOB_REMAP && s < from + count; ++s) {
    const uint64_t block = s / DMR_BLOCK_SECTORS * DMR_BLOCK_SECTORS;
    for (uint32_t i = 0; i < DMR_BLOCK_SECTORS; ++i) oracle_.asked_to_move(block + i);
  }
  trace("message: %s %llu+%llu",
        kind == DMR_JOB_REMAP   ? "remap"
        : kind == DMR_JOB_UNMAP ? "unmap"
                                : "retest",
        static_cast<unsigned long long>(from), static_cast<unsigned long long>(count));
}

void World::worker_turn() {
  if (dead_ || !worker_has_work()) return;
  bool salvages = false;
  if (!parked_.empty() || left_ != nullptr) {
    // What has arrived goes before what is left of the last turn.
    dmr_request* list = left_;
    for (auto part = parked_.rbegin(); part != parked_.rend(); ++part) {
      (*part)->next = list;
      list = *part;
    }
    trace("worker: %zu requests%s", parked_.size(), left_ != nullptr ? " and the rest" : "");
    parked_.clear();
    left_ = nullptr;
    left_ = dmr_engine_recover(engine_, list);
  } else if (!job_) {
    salvages = true;  // it may be one
    mending_found_ = true;
    trace("worker: what the scanner found");
    (void)dmr_engine_mend_found(engine_);
    mending_found_ = false;
  } else {
    salvages = job_->kind == DMR_JOB_RETEST;
    unmapping_ = job_->kind == DMR_JOB_UNMAP;
    const bool goes_on = dmr_engine_job(engine_, &*job_);
    unmapping_ = false;
    if (!goes_on) {
      trace("message: done %llu, failed %llu, lost %llu",
            static_cast<unsigned long long>(job_->done),
            static_cast<unsigned long long>(job_->failed),
            static_cast<unsigned long long>(job_->lost));
      job_.reset();
    }
  }
  note_events();
  check_quorum();
  if (salvages && (dead_ || status().good_copies < 4)) oracle_.salvage_uncertain = true;
  check_lost(salvages);
  check_causes();
}

// Whatever the worker did, it does not go on with fewer copies than an acknowledgement takes.
void World::check_quorum() {
  if (dead_) return;
  const dmr_status now = status();
  if (now.state == DMR_STATE_METADATA_RO || now.state == DMR_STATE_MAIN_FAILED) return;
  if (now.good_copies < 4 && !now.read_only_metadata)
    violate("goes on with " + std::to_string(now.good_copies) + " good copies");
}

// What is lost stays so until it is written, or (@may_rise) salvaged.
void World::check_lost(bool may_rise) {
  if (dead_ || !opened_) return;
  std::vector<uint64_t> lost;
  for (const dmr_list_entry& entry : list()) {
    for (uint32_t s = 0; s < DMR_BLOCK_SECTORS; ++s) {
      if (entry.lost_mask >> s & 1) lost.push_back(entry.sector + s);
    }
  }
  std::sort(lost.begin(), lost.end());
  const std::vector<uint64_t> risen = oracle_.lost_now(lost);
  if (!risen.empty() && !may_rise)
    violate("sector " + std::to_string(risen[0]) + " is not lost any more, and nobody wrote it");
}

// No slot is taken, and no sector given up, without a cause.
void World::check_causes() {
  if (dead_ || !opened_) return;
  for (const dmr_list_entry& entry : list()) check_entry_cause(entry);
}

void World::check_entry_cause(const dmr_list_entry& entry) {
  if ((entry.spare_mask & entry.lost_mask) != 0 && !oracle_.slot_met_fault)
    violate("dead sectors without a fault of a slot");
  const uint8_t moved = entry.spare_mask | entry.lost_mask;
  for (uint32_t s = 0; s < DMR_BLOCK_SECTORS; ++s) {
    const uint64_t sector = entry.sector + s;
    if ((moved >> s & 1) != 0 && !oracle_.may_have_slot(sector))
      violate("sector " + std::to_string(sector) + " was moved, and main never refused it");
    if ((entry.lost_mask & ~entry.spare_mask) >> s & 1 && !oracle_.may_be_lost(sector))
      violate("sector " + std::to_string(sector) + " is lost, and was not tried often enough");
  }
}

void World::completed(Part& part) {
  if (dead_) return;
  const bool ok = *part.end == DMR_OUTCOME_OK;
  dmr_sts sts = ok ? DMR_STS_OK : DMR_STS_IOERR;
  if (*part.end == DMR_OUTCOME_AS_FAILED && part.failed_with != DMR_STS_OK) sts = part.failed_with;
  Op& op = *part.op;
  trace("worker: #%llu %llu+%u ends with %d", static_cast<unsigned long long>(op.number),
        static_cast<unsigned long long>(part.sector), part.sectors, sts);
  for (uint32_t i = 0; ok && i < part.sectors; ++i) op.durable[part.sector - op.sector + i] = true;
  note_events();
  part_through(part, sts);
}

// What was counted before ends; what comes now may, too.
void World::drain() {
  trace("worker: drains");
  const uint64_t last = parts_made_;
  while (!dead_) {
    const auto old = std::find_if(in_flight_.begin(), in_flight_.end(), [&](const Part* part) {
      return part->counted && part->serial <= last;
    });
    if (old == in_flight_.end()) return;
    if (random_.chance(60)) {
      step();
      continue;
    }
    Part* const part = *old;
    tick();
    if (!part->applied) apply(*part);
    const auto again = std::find(in_flight_.begin(), in_flight_.end(), part);
    *again = in_flight_.back();
    in_flight_.pop_back();
    end_part(*part);
  }
}

void World::note_events() {
  for (; events_seen_ < host_.events.size(); ++events_seen_) {
    const dmr_event& event = host_.events[events_seen_];
    trace("event %d: sector %llu, slot %u, mask %02x, %u/5", event.kind,
          static_cast<unsigned long long>(event.sector), event.slot, event.sectors_mask,
          event.good_copies);
    if (event.kind == DMR_EVENT_MAIN_FAILED) main_failed_at_ = now_;
    if (event.kind == DMR_EVENT_SPARE_FULL) spare_full_at_ = now_;
  }
}

// ---- The core's I/O -----------------------------------------------------------------------------

bool World::fills_live_slot(uint64_t sector, uint32_t sectors) const {
  if (!opened_ || sector < DMR_METADATA_SECTORS) return false;
  const uint64_t slot = (sector - DMR_METADATA_SECTORS) / DMR_BLOCK_SECTORS;
  for (const dmr_list_entry& entry : list()) {
    if (entry.slot != slot) continue;
    for (uint64_t s = sector; s < sector + sectors; ++s) {
      if ((entry.spare_mask & ~entry.lost_mask) >> (s % DMR_BLOCK_SECTORS) & 1) return true;
    }
  }
  return false;
}

void World::before_core_io(const dmr_host::Io& io) {
  if (dead_) return;
  if (++core_ios_ > kCoreIosMax) violate("the core does I/O without end");
  if (mending_found_ && io.device == DMR_MAIN && io.kind == IoKind::kWrite)
    violate("main is written because of what the scanner found");
  while (!dead_ && random_.chance(30)) step();
  if (random_.chance(10)) scan_step();
  if (dead_) return;
  tick();
  count_down();
  if (dead_) {
    // Torn: any of its sectors may be there.
    if (io.kind != IoKind::kWrite || !power_failed_) return;
    const auto* bytes = static_cast<const uint8_t*>(io.data);
    for (uint32_t i = 0; i < io.sectors; ++i) {
      if (random_.chance(50))
        host_.disk(io.device).leave_unflushed(io.sector + i, 1, bytes + size_t{i} * kSectorBytes);
    }
    return;
  }
  if (io.device == DMR_MAIN) host_.main.let_lie(io.kind == IoKind::kWrite && reads_main_back());
  if (io.device == DMR_SPARE && io.kind == IoKind::kWrite && !host_.spare.faults().empty())
    host_.spare.let_lie(!fills_live_slot(io.sector, io.sectors));
}

// Whether the core reads back what it writes to main now, wherever that is.
bool World::reads_main_back() const {
  return unmapping_ || dmr_engine_config(engine_, DMR_CONFIG_VERIFY_WRITES) == DMR_VERIFY_ALL;
}

void World::after_core_io(const dmr_host::Io& io, dmr_sts sts) {
  if (dead_) return;
  host_.spare.let_lie(true);
  host_.main.let_lie(true);
  trace("    core: %s %s %llu+%u: %d", name_of(io.device), name_of(io.kind),
        static_cast<unsigned long long>(io.sector), io.sectors, sts);
  if (io.device == DMR_MAIN && io.kind == IoKind::kRead)
    failed_main_reads_ = sts == DMR_STS_OK ? 0 : failed_main_reads_ + 1;
  if (io.device == DMR_MAIN && io.kind == IoKind::kRead && sts == DMR_STS_OK)
    note_main_read(io.sector, io.sectors);
  if (host_.disk(io.device).last_fault() != nullptr)
    note_fault(io.device, io.kind, io.sector, io.sectors);
}

void World::note_main_read(uint64_t sector, uint32_t sectors) {
  if (!any_fault_) return;
  for (uint32_t i = 0; i < sectors; ++i) oracle_.was_read(sector + i);
}

void World::note_slot_fault(uint64_t sector, uint32_t sectors) {
  if (!opened_) return;
  const auto entries = list();
  const uint32_t unit = geometry_.main_logical_sectors;
  for (uint64_t s = sector / unit * unit; s < sector + sectors; ++s) {
    if (s < DMR_METADATA_SECTORS) continue;
    const uint64_t slot = (s - DMR_METADATA_SECTORS) / DMR_BLOCK_SECTORS;
    for (const dmr_list_entry& entry : entries) {
      if (entry.slot == slot) oracle_.met_fault(entry.sector + s % DMR_BLOCK_SECTORS, now_, 1);
    }
  }
}

void World::note_fault(dmr_device device, IoKind kind, uint64_t sector, uint32_t sectors) {
  const hosted::Fault fault = *host_.disk(device).last_fault();
  any_fault_ = true;
  if (fault.effect == hosted::Effect::kFail) {
    if (!is_medium(fault.status)) device_trouble_ = now_;
    if (kind == IoKind::kFlush) flush_trouble_ = true;
  }
  if (device == DMR_SPARE) {
    spare_trouble_ = true;
    if (fault.effect == hosted::Effect::kMisdirect)
      copies_lied_about_ |= 1u << copy_of_sector(fault.elsewhere);
    trace("  spare: a fault (effect %d) at %llu+%u", static_cast<int>(fault.effect),
          static_cast<unsigned long long>(sector), sectors);
  }
  if (kind == IoKind::kFlush) return;
  const uint64_t end =
      fault.sectors == hosted::kForever ? hosted::kForever : fault.first_sector + fault.sectors;
  const uint64_t first = std::max(sector, fault.first_sector);
  const uint64_t behind = std::min(sector + sectors, end);
  if (device == DMR_SPARE) {
    if (behind > DMR_METADATA_SECTORS) oracle_.slot_met_fault = true;
    if (kind == IoKind::kRead && behind > first)
      note_slot_fault(first, static_cast<uint32_t>(behind - first));
    return;
  }
  note_main_fault(kind, sector, sectors, first, behind, is_medium(fault.status));
}

// An I/O of main over @sectors failed because of those from @first to @behind.
void World::note_main_fault(IoKind kind, uint64_t sector, uint32_t sectors, uint64_t first,
                            uint64_t behind, bool medium) {
  const uint32_t unit = geometry_.main_logical_sectors;
  const uint64_t low = first / unit * unit;
  const uint64_t high = (behind + unit - 1) / unit * unit;
  if (kind == IoKind::kWrite) {
    for (uint64_t s = sector; medium && s < sector + sectors; ++s)
      oracle_.write_failed(s, s >= low && s < high);
    return;
  }
  const dmr_status now = status();
  const bool passed_up = now.state == DMR_STATE_MAIN_FAILED;
  // The first try is the request's own, and others may have read it well since.
  const uint32_t tries = passed_up ? 1 : std::max(1u, now.config[DMR_CONFIG_READ_RETRIES]);
  for (uint64_t s = low; s < high; ++s) {
    if (medium) oracle_.medium_read_failed(s);
    oracle_.met_fault(s, now_, tries);
  }
}

// ---- Power --------------------------------------------------------------------------------------

void World::count_down() {
  if (ios_until_cut_ == kNoPowerCut) return;
  if (ios_until_cut_ != 0) {
    --ios_until_cut_;
    return;
  }
  fail_power();
}

void World::fail_power() {
  trace("power fails");
  for (const Part* part : in_flight_) {
    const bool write = part->op != nullptr &&
                       (part->op->kind == OpKind::kWrite || part->op->kind == OpKind::kZeroes);
    if (!write || part->applied || random_.chance(50)) continue;
    for (uint32_t i = 0; i < part->sectors; ++i) {
      if (random_.chance(50))
        host_.disk(part->device)
            .leave_unflushed(part->place + i, 1, &part->data[size_t{i} * kSectorBytes]);
    }
  }
  power_failed_ = true;
  status_at_cut_ = status();
  dead_ = true;
  host_.main.set_offline(true);
  host_.spare.set_offline(true);
  oracle_.power_cut(tick());
}

// ---- Checks of the whole ------------------------------------------------------------------------

void World::check_consistency() {
  if (dead_ || !opened_) return;
  const dmr_status now = status();
  uint64_t lost = 0;
  std::set<uint64_t> blocks;
  std::set<uint32_t> slots;
  for (const dmr_list_entry& entry : list()) {
    for (uint32_t s = 0; s < DMR_BLOCK_SECTORS; ++s) lost += entry.lost_mask >> s & 1;
    if (!blocks.insert(entry.sector).second) violate("a block has two slots");
    if (!slots.insert(entry.slot).second || entry.slot >= now.slots_total)
      violate("a slot that can't be is in the list");
    if ((entry.spare_mask | entry.lost_mask) == 0) violate("an entry without sectors");
  }
  if (now.slots_used != slots.size())
    violate("slots_used is " + std::to_string(now.slots_used) + ", the list has " +
            std::to_string(slots.size()));
  if (now.lost_sectors != lost)
    violate("lost_sectors is " + std::to_string(now.lost_sectors) + ", the list has " +
            std::to_string(lost));
}

}  // namespace dmr::sim
