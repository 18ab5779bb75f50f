// SPDX-License-Identifier: GPL-2.0
//
// The application and its I/O below map(), as src/kernel/bio.c treats it.
#include <algorithm>
#include <cstring>

#include "world.h"

namespace dmr::sim {
namespace {

constexpr size_t kOpsMax = 12;
constexpr uint32_t kSectorsMax = 128;

const char* name_of(OpKind kind) {
  switch (kind) {
    case OpKind::kRead:
      return "read";
    case OpKind::kWrite:
      return "write";
    case OpKind::kZeroes:
      return "write zeroes";
    case OpKind::kDiscard:
      return "discard";
    case OpKind::kFlush:
      return "flush";
  }
  return "?";
}

bool is_write(OpKind kind) {
  return kind == OpKind::kWrite || kind == OpKind::kZeroes;
}

}  // namespace

// ---- Submitting ---------------------------------------------------------------------------------

void World::choose_range(Op& op) {
  const uint32_t unit = geometry_.main_logical_sectors;
  const uint64_t units = geometry_.target_sectors / unit;
  uint64_t sector = random_.below(units) * unit;
  if (!random_.chance(15)) {
    const uint64_t hot = random_.pick(hot_blocks_) * DMR_BLOCK_SECTORS;
    sector = hot + random_.below(DMR_BLOCK_SECTORS) / unit * unit;
    if (random_.chance(30)) sector = hot;
    if (random_.chance(10)) sector -= std::min<uint64_t>(sector, random_.below(40) / unit * unit);
  }
  sector = std::min(sector, (units - 1) * unit);
  uint64_t sectors = unit;
  const uint64_t size = random_.below(100);
  if (size < 30) sectors = DMR_BLOCK_SECTORS;
  if (size >= 30 && size < 60) sectors = random_.between(1, 8);
  if (size >= 60 && size < 80) sectors = random_.between(1, 40);
  if (size >= 98) sectors = random_.between(1, kSectorsMax);
  sectors = std::max<uint64_t>(sectors / unit, 1) * unit;
  op.sector = sector;
  op.sectors = static_cast<uint32_t>(std::min<uint64_t>(sectors, units * unit - sector));
}

void World::submit() {
  auto op = std::make_unique<Op>();
  const uint64_t what = random_.below(100);
  op->kind = what < 40   ? OpKind::kRead
             : what < 83 ? OpKind::kWrite
             : what < 86 ? OpKind::kZeroes
             : what < 89 ? OpKind::kDiscard
                         : OpKind::kFlush;
  if (op->kind != OpKind::kFlush) choose_range(*op);
  op->fua = is_write(op->kind) && random_.chance(10);
  op->failfast = random_.chance(1);
  begin(std::move(op));
}

void World::begin(std::unique_ptr<Op> op) {
  op->number = ++ops_made_;
  op->submitted = tick();
  op->durable.assign(op->sectors, false);
  if (op->kind != OpKind::kFlush && op->kind != OpKind::kDiscard)
    op->data.assign(size_t{op->sectors} * kSectorBytes, 0);
  if (is_write(op->kind)) {
    op->version =
        oracle_.begin_write(op->sector, op->sectors, op->submitted, op->kind == OpKind::kZeroes);
    for (uint32_t i = 0; op->kind == OpKind::kWrite && i < op->sectors; ++i)
      Oracle::make_content(op->version, op->sector + i, &op->data[size_t{i} * kSectorBytes]);
  }
  trace("#%llu %s %llu+%u%s%s v%u", static_cast<unsigned long long>(op->number), name_of(op->kind),
        static_cast<unsigned long long>(op->sector), op->sectors, op->fua ? " fua" : "",
        op->failfast ? " failfast" : "", op->version);
  ops_.push_back(std::move(op));
  Op& begun = *ops_.back();
  if (begun.kind == OpKind::kFlush) {
    route_flush(begun);
  } else {
    route_next(begun);
  }
}

// ---- map() --------------------------------------------------------------------------------------

Part* World::make_part(Op& op, uint64_t sector, uint32_t sectors) {
  auto part = std::make_unique<Part>();
  static_cast<dmr_request&>(*part) = {};
  part->op = &op;
  part->serial = ++parts_made_;
  part->sector = sector;
  part->sectors = sectors;
  part->is_write = is_write(op.kind);
  ++op.parts;
  parts_.push_back(std::move(part));
  return parts_.back().get();
}

dmr_place World::place_of(const Op& op, uint64_t sector, uint32_t sectors, bool& counted) const {
  counted = op.kind != OpKind::kRead;
  const uint32_t bytes = sectors * kSectorBytes;
  if (dmr_all_on_main(&regions_, sector, bytes) || dmr_all_on_main_long(&regions_, sector, bytes))
    return {DMR_PLACE_MAIN, sector, sectors, 0};
  counted = true;
  dmr_place place = {};
  const dmr_direction direction = op.kind == OpKind::kRead      ? DMR_READ
                                  : op.kind == OpKind::kDiscard ? DMR_DISCARD
                                                                : DMR_WRITE;
  dmr_route(engine_, sector, sectors, direction, &place);
  return place;
}

void World::route_flush(Op& op) {
  Part* main = make_part(op, 0, 0);
  main->is_flush = true;
  in_flight_.push_back(main);
  dmr_u64 ticket = 0;
  const dmr_flush_action action = dmr_spare_flush_begin(engine_, &ticket);
  if (action == DMR_FLUSH_SKIP) return;
  if (action == DMR_FLUSH_FAIL) {
    op.status = DMR_STS_IOERR;
    return;
  }
  Part* spare = make_part(op, 0, 0);
  spare->is_flush = true;
  spare->device = DMR_SPARE;
  spare->ticket = ticket;
  in_flight_.push_back(spare);
}

// The next of the op's sectors: as many as have one place.
void World::route_next(Op& op) {
  const uint64_t sector = op.sector + op.routed;
  const uint32_t left = op.sectors - op.routed;
  bool counted = false;
  const dmr_place place = place_of(op, sector, left, counted);
  if (place.sectors == 0 || place.sectors > left) {
    violate("routing gave " + std::to_string(place.sectors) + " of " + std::to_string(left));
    return;
  }
  op.routed += place.sectors;
  if (place.kind == DMR_PLACE_NONE || place.kind == DMR_PLACE_ERROR) {
    if (place.kind == DMR_PLACE_ERROR && op.status == DMR_STS_OK) op.status = DMR_STS_IOERR;
    trace("  #%llu %llu+%u: %s", static_cast<unsigned long long>(op.number),
          static_cast<unsigned long long>(sector), place.sectors,
          place.kind == DMR_PLACE_NONE ? "nothing to discard" : "error");
    maybe_end(op);
    return;
  }
  Part* part = make_part(op, sector, place.sectors);
  if (op.kind != OpKind::kDiscard) {
    const size_t from = size_t{op.routed - place.sectors} * kSectorBytes;
    part->data.assign(
        op.data.begin() + static_cast<ptrdiff_t>(from),
        op.data.begin() + static_cast<ptrdiff_t>(from) + ptrdiff_t{place.sectors} * kSectorBytes);
  }
  trace("  #%llu %llu+%u -> %s %llu", static_cast<unsigned long long>(op.number),
        static_cast<unsigned long long>(sector), place.sectors,
        place.kind == DMR_PLACE_MAIN    ? "main"
        : place.kind == DMR_PLACE_SPARE ? "spare"
                                        : "worker",
        static_cast<unsigned long long>(place.sector));
  if (place.kind == DMR_PLACE_WORKER) {
    park(*part);
    return;
  }
  part->device = place.kind == DMR_PLACE_MAIN ? DMR_MAIN : DMR_SPARE;
  part->place = place.sector;
  part->counted = counted;
  part->read_back = place.verify != 0;
  if (op.kind == OpKind::kDiscard) {
    if (part->device != DMR_MAIN) violate("a discard was sent to the spare");
    part->discard_version = oracle_.begin_write(sector, place.sectors, tick(), true);
  }
  in_flight_.push_back(part);
}

void World::park(Part& part) {
  part.next = nullptr;
  parked_.push_back(&part);
}

// ---- Below --------------------------------------------------------------------------------------

void World::apply(Part& part) {
  hosted::SimDisk& disk = host_.disk(part.device);
  part.applied = true;
  disk.let_lie(false);
  if (part.is_flush) {
    part.sts = disk.flush();
  } else if (part.op->kind == OpKind::kRead) {
    part.sts = disk.read(part.place, part.sectors, part.data.data());
  } else if (part.op->kind == OpKind::kDiscard) {
    std::vector<uint8_t> zeros(kSectorBytes, 0);
    const uint32_t unit = geometry_.main_logical_sectors;
    for (uint32_t i = 0; i < part.sectors; i += unit) {
      if (random_.chance(50)) continue;
      for (uint32_t n = 0; n < unit; ++n) disk.leave_unflushed(part.place + i + n, 1, zeros.data());
    }
    part.sts = DMR_STS_OK;
  } else {
    // A lie about a write that is read back is found out.
    disk.let_lie(part.read_back);
    const bool forced = part.read_back && part.op->kind == OpKind::kWrite;
    part.sts = disk.write(part.place, part.sectors, part.data.data(), part.op->fua || forced);
  }
  disk.let_lie(true);
  if (part.op->kind == OpKind::kDiscard || disk.last_fault() == nullptr) return;
  const hosted::IoKind kind = part.is_flush                    ? hosted::IoKind::kFlush
                              : part.op->kind == OpKind::kRead ? hosted::IoKind::kRead
                                                               : hosted::IoKind::kWrite;
  note_fault(part.device, kind, part.place, part.sectors);
}

// end_io()
void World::end_part(Part& part) {
  Op& op = *part.op;
  if (part.is_flush) {
    if (part.device == DMR_SPARE) dmr_spare_flush_end(engine_, part.ticket, part.sts);
    part_through(part, part.sts);
    return;
  }
  const bool write = is_write(op.kind);
  if (part.device == DMR_SPARE && write) dmr_spare_written(engine_);
  if (part.sts == DMR_STS_OK && part.read_back) {
    part.verify = 1;
    part.cached = op.kind == OpKind::kZeroes;
    part.counted = false;
    park(part);
    return;
  }
  if (part.sts == DMR_STS_OK) {
    part_through(part, DMR_STS_OK);
    return;
  }
  trace("  #%llu %llu+%u failed on %s: %d", static_cast<unsigned long long>(op.number),
        static_cast<unsigned long long>(part.sector), part.sectors,
        part.device == DMR_MAIN ? "main" : "spare", part.sts);
  const dmr_direction direction = op.kind == OpKind::kDiscard ? DMR_DISCARD
                                  : write                     ? DMR_WRITE
                                                              : DMR_READ;
  if (!dmr_sts_is_medium(part.sts)) op.met_device_error = true;
  if (dmr_engine_failed(engine_, part.device, direction, part.sts, op.failfast)) {
    part.failed_with = part.sts;
    part.failed = 1;
    part.counted = false;
    park(part);
    return;
  }
  part_through(part, part.sts);
}

void World::part_through(Part& part, dmr_sts sts) {
  Op& op = *part.op;
  if (sts == DMR_STS_OK && op.kind == OpKind::kRead)
    std::memcpy(&op.data[size_t(part.sector - op.sector) * kSectorBytes], part.data.data(),
                part.data.size());
  if (part.discard_version != 0)
    oracle_.end_write(part.discard_version, part.sector, part.sectors, tick(), false, false,
                      oldest_read());
  const auto mine =
      std::find_if(parts_.begin(), parts_.end(), [&](const auto& p) { return p.get() == &part; });
  *mine = std::move(parts_.back());
  parts_.pop_back();
  part_ended(op, sts);
}

void World::part_ended(Op& op, dmr_sts sts) {
  if (op.status == DMR_STS_OK) op.status = sts;
  --op.parts;
  maybe_end(op);
}

void World::maybe_end(Op& op) {
  if (op.parts != 0 || op.routed != op.sectors || dead_) return;
  end_op(op);
  const auto mine =
      std::find_if(ops_.begin(), ops_.end(), [&](const auto& o) { return o.get() == &op; });
  *mine = std::move(ops_.back());
  ops_.pop_back();
}

// ---- The application's view ---------------------------------------------------------------------

Time World::oldest_read() const {
  Time oldest = now_;
  for (const auto& op : ops_) {
    if (op->kind == OpKind::kRead) oldest = std::min(oldest, op->submitted);
  }
  return oldest;
}

bool World::read_failure_explained(const Op& op) const {
  if (op.met_device_error || device_trouble_ >= op.submitted) return true;
  if (any_fault_ && (op.failfast || main_failed_at_ >= op.submitted)) return true;
  for (uint32_t i = 0; i < op.sectors; ++i) {
    if (oracle_.may_fail(op.sector + i, op.submitted)) return true;
  }
  return false;
}

bool World::write_failure_explained(const Op& op) const {
  return op.met_device_error || device_trouble_ >= op.submitted || spare_trouble_ ||
         (any_fault_ && (op.failfast || read_only_ || status().config[DMR_CONFIG_AUTO_REMAP] == 0 ||
                         main_failed_at_ >= op.submitted || spare_full_at_ >= op.submitted));
}

void World::end_read(Op& op) {
  if (op.status != DMR_STS_OK) {
    if (!read_failure_explained(op)) violate("a read failed for no reason");
    return;
  }
  for (uint32_t i = 0; i < op.sectors; ++i) {
    const std::string wrong =
        oracle_.check(op.sector + i, &op.data[size_t{i} * kSectorBytes], op.submitted, now_);
    if (!wrong.empty()) {
      violate("#" + std::to_string(op.number) + ": " + wrong);
      return;
    }
  }
}

void World::end_write(Op& op) {
  const bool ok = op.status == DMR_STS_OK;
  const Time oldest = oldest_read();
  const Time now = tick();
  for (uint32_t i = 0; i < op.sectors;) {
    uint32_t run = 1;
    while (i + run < op.sectors && op.durable[i + run] == op.durable[i]) ++run;
    oracle_.end_write(op.version, op.sector + i, run, now, ok, op.fua || op.durable[i], oldest);
    i += run;
  }
  if (!ok && !write_failure_explained(op)) violate("a write failed for no reason");
}

void World::end_flush(Op& op) {
  if (op.status == DMR_STS_OK) {
    oracle_.flushed(op.submitted);
  } else if (!flush_trouble_ && device_trouble_ < op.submitted) {
    violate("a flush failed for no reason");
  }
}

void World::end_op(Op& op) {
  trace("#%llu ends with %d", static_cast<unsigned long long>(op.number), op.status);
  dmr_status now = status();
  if (now.state == DMR_STATE_MAIN_FAILED) main_failed_at_ = now_;
  if (opened_ && now.slots_used + now.slots_retired + 16 >= now.slots_total) spare_full_at_ = now_;
  switch (op.kind) {
    case OpKind::kRead:
      end_read(op);
      break;
    case OpKind::kWrite:
    case OpKind::kZeroes:
      end_write(op);
      break;
    case OpKind::kFlush:
      end_flush(op);
      break;
    case OpKind::kDiscard:
      break;
  }
}

// ---- Steps --------------------------------------------------------------------------------------

// Moves some I/O on by a bit; false if there is none.
bool World::advance_one() {
  std::vector<Op*> to_route;
  for (const auto& op : ops_) {
    if (op->routed < op->sectors) to_route.push_back(op.get());
  }
  if (in_flight_.empty() && to_route.empty()) return false;
  if (!to_route.empty() && (in_flight_.empty() || random_.chance(60))) {
    route_next(*random_.pick(to_route));
    return true;
  }
  const size_t at = random_.below(in_flight_.size());
  Part* const part = in_flight_[at];
  tick();
  if (!part->applied) {
    apply(*part);
    if (random_.chance(50)) return true;
  }
  in_flight_[at] = in_flight_.back();
  in_flight_.pop_back();
  end_part(*part);
  return true;
}

void World::step() {
  if (dead_ || !may_step_ || stepping_) return;
  stepping_ = true;
  count_down();
  if (!dead_) {
    const bool room = may_submit_ && ops_.size() < kOpsMax;
    if (room && (ops_.empty() || random_.chance(30))) {
      submit();
    } else if (!advance_one() && room) {
      submit();
    }
  }
  stepping_ = false;
}

}  // namespace dmr::sim
