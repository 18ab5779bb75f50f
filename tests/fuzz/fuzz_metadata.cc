// SPDX-License-Identifier: GPL-2.0
//
// Fuzzes what is on a spare (image.h says what an input is): the whole core opens it, and if it
// opens, serves reads, writes, messages, failing disks and reboots from it. Whatever the spare says,
//  - no I/O leaves main, or the copies and slots of the spare; main is written only where the
//    application or `unmap` does;
//  - no call takes for ever;
//  - two blocks never share a slot, every slot is one of the spare's, and lookups, list and status
//    agree with one another;
//  - discovery says no more of it than may stand in a list, and proposes no main of another size;
//  - what was opened without a fault opens again, the same, and each sector reads as it was written
//    last, or fails.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "dm_remap/pairing.h"
#include "hosted/sim_host.h"
#include "hosted/sim_target.h"
#include "image.h"
#include "must.h"

namespace {

using dmr::hosted::CrashPolicy;
using dmr::hosted::Effect;
using dmr::hosted::Fault;
using dmr::hosted::IoKind;
using dmr::hosted::SimDisk;
using dmr::hosted::SimHost;
using dmr::hosted::SimTarget;
using fuzz::Input;
using fuzz::Op;
using fuzz::Record;
using fuzz::Sizes;

// Of one call; the largest table, committed by every attempt that there is, needs some 40,000.
constexpr uint64_t kIosMax = 200000;
constexpr uint64_t kMagic = 0x646d722066757a7aull;

// A sector of the application: which one, and which write of it.
struct Content {
  uint64_t magic, sector, number;
  uint8_t rest[DMR_SECTOR_BYTES - 24];
};
static_assert(sizeof(Content) == DMR_SECTOR_BYTES);

class Run {
 public:
  Run(const Input& input, const Sizes& sizes);
  void open_crafted();
  bool is_open() const { return target_ != nullptr; }
  void step(const Record& record);
  void finish();

 private:
  struct Range {
    uint64_t sector;
    uint32_t count;
  };
  void note_io(const SimHost::Io& io);
  void begin_action(uint64_t main_from = 0, uint64_t main_to = 0);
  void discover() const;
  dmr_refusal open(const dmr_arguments& arguments, bool read_only);
  void reopen(uint32_t how);
  Range range_of(const Record& record) const;
  void write(const Range& range, bool fua);
  void read(const Range& range);
  void check_content(const Content& content, uint64_t sector) const;
  void job(dmr_job_kind kind, const Range& range);
  void list(const Record& record);
  void inject(SimDisk& disk, const Record& record, bool spare);
  void adopt(const Record& record);
  void check_route(uint64_t sector, uint32_t sectors, dmr_direction direction) const;
  void check_entry(const dmr_list_entry& entry) const;
  void check();
  std::vector<dmr_list_entry> list_all() const;

  const Input& input_;
  const Sizes sizes_;
  uint64_t target_sectors_;
  SimHost host_;
  std::unique_ptr<SimTarget> target_;
  std::mt19937_64 rng_{1};

  uint64_t ios_ = 0;
  uint64_t main_from_ = 0, main_to_ = 0;  // what may be written of main now
  // The spare never failed, and all five copies held when it was opened: nothing may go wrong.
  bool sound_ = false;
  bool main_failed_ = false;   // it was made to, at some time
  bool read_only_ = false;
  struct Known {
    uint64_t acknowledged = 0, issued = 0;
  };
  std::map<uint64_t, Known> known_;
  uint64_t writes_ = 0;
  std::vector<dmr_list_entry> entries_;  // as of the last check()
};

// ---- What the core asks of the disks ------------------------------------------------------------

void Run::note_io(const SimHost::Io& io) {
  MUST(++ios_ < kIosMax);
  if (io.kind == IoKind::kFlush) return;
  const SimDisk& disk = host_.disk(io.device);
  MUST(io.sectors != 0 && io.sector < disk.sectors() && io.sectors <= disk.sectors() - io.sector);
  const uint32_t logical = disk.logical_sectors();
  MUST(io.sector % logical == 0 && io.sectors % logical == 0);
  if (io.kind == IoKind::kRead) return;
  const uint64_t end = io.sector + io.sectors;
  if (io.device == DMR_MAIN) {
    MUST(io.sector >= main_from_ && end <= main_to_);
    return;
  }
  const uint64_t slots = std::min<uint64_t>((sizes_.spare_sectors - DMR_METADATA_SECTORS) / 8,
                                            DMR_SLOTS_MAX);
  const uint64_t table_blocks = (slots + 510) / 511;
  bool inside = io.sector >= DMR_METADATA_SECTORS && end <= DMR_METADATA_SECTORS + 8 * slots;
  for (const uint64_t copy : {0, 1024, 2048, 4096, 8192})
    inside |= io.sector >= copy && end <= copy + 8 * (1 + table_blocks);
  MUST(inside);
}

// Main may be written in [main_from, main_to) until the next one.
void Run::begin_action(uint64_t main_from, uint64_t main_to) {
  ios_ = 0;
  main_from_ = main_from;
  main_to_ = main_to;
}

// ---- Opening ------------------------------------------------------------------------------------

Run::Run(const Input& input, const Sizes& sizes)
    : input_(input),
      sizes_(sizes),
      target_sectors_(input.setup.target_sectors % (sizes.main_sectors + 1)),
      host_(SimDisk(sizes.main_sectors, sizes.main_logical),
            SimDisk(sizes.spare_sectors, sizes.spare_logical)) {
  if (target_sectors_ == 0) target_sectors_ = sizes.main_sectors;
  fuzz::put_image(input, sizes, host_.spare);
  host_.before_io = [this](const SimHost::Io& io) { note_io(io); };
}

// It stands in tables and lists as it is.
void check_label(const char (&label)[DMR_LABEL_BYTES]) {
  MUST(std::memchr(label, 0, sizeof label) != nullptr);
  for (const char* c = label; *c != 0; ++c)
    MUST((std::isalnum(static_cast<unsigned char>(*c)) != 0) || std::strchr("_.-", *c) != nullptr);
}

void Run::discover() const {
  alignas(DMR_BLOCK_BYTES) static uint8_t blocks[DMR_COPIES][DMR_BLOCK_BYTES];
  const void* headers[DMR_COPIES];
  for (uint32_t c = 0; c < DMR_COPIES; ++c) {
    host_.spare.peek(dmr_header_sector(c), DMR_BLOCK_SECTORS, blocks[c]);
    headers[c] = input_.setup.retries >> c & 1 ? nullptr : blocks[c];
  }
  dmr_seen main = {}, spare = {};
  spare.next = &main;
  main.number = 1;
  main.disk = &main;
  main.print.sectors = sizes_.main_sectors;
  main.print.logical_sectors = sizes_.main_logical;
  auto& unique_id = main.print.identity.unique_id;
  std::memset(unique_id, input_.setup.identity, sizeof unique_id);
  spare.print.sectors = sizes_.spare_sectors;
  spare.print.logical_sectors = sizes_.spare_logical;
  dmr_spare_judge(&spare.spare, headers, sizes_.spare_sectors);
  dmr_pair_up(&spare);
  MUST(dmr_spare_state_name(spare.spare.state)[0] != 0);
  MUST(spare.spare.good_copies <= DMR_COPIES);
  check_label(spare.spare.label);
  MUST((spare.main != nullptr) == (spare.spare.state == DMR_SPARE_READY));
  if (spare.main == nullptr) return;
  MUST(spare.main == &main && spare.spare.main.sectors == main.print.sectors);
  MUST(spare.spare.main.logical_sectors == main.print.logical_sectors);
  MUST(spare.confidence >= 50 && spare.confidence <= 100);
}

dmr_refusal Run::open(const dmr_arguments& arguments, bool read_only) {
  dmr_main_identity identity = {};
  std::memset(identity.unique_id, input_.setup.identity, sizeof identity.unique_id);
  auto target = std::make_unique<SimTarget>(host_, target_sectors_, identity);
  begin_action();
  const uint64_t writes = host_.spare.writes();
  const uint64_t flushes = host_.spare.flushes();
  const dmr_refusal probed = target->probe(arguments);
  MUST(host_.spare.writes() == writes && host_.spare.flushes() == flushes);
  begin_action();
  const dmr_refusal opened = target->open(arguments, read_only);
  // It may flush: what it read may be in the spare's cache only.
  if (read_only) MUST(host_.spare.writes() == writes);
  MUST(dmr_refusal_text(opened)[0] != 0);
  // A read-only table is refused by opening alone.
  if (host_.spare.faults().empty() && opened != DMR_REFUSED_READ_ONLY) MUST(opened == probed);
  if (opened == DMR_ACCEPTED) target_ = std::move(target);
  return opened;
}

void Run::open_crafted() {
  const fuzz::Setup& setup = input_.setup;
  dmr_arguments arguments = {};
  arguments.format = (setup.flags & fuzz::kFormat) != 0;
  arguments.adopt_main = (setup.flags & fuzz::kAdoptMain) != 0;
  arguments.accept_single_copy = (setup.flags & fuzz::kSingleCopy) != 0;
  arguments.read_only_metadata = (setup.flags & fuzz::kReadOnlyMetadata) != 0;
  arguments.uuid_given = (setup.flags & fuzz::kUuid) != 0 && !arguments.format;
  std::memcpy(arguments.uuid, fuzz::kPairUuid, sizeof arguments.uuid);
  arguments.config_given = 1u << DMR_CONFIG_READ_RETRIES;
  arguments.config[DMR_CONFIG_READ_RETRIES] = setup.retries % 8;
  if (setup.flags & fuzz::kNoAutoRemap) arguments.config_given |= 1u << DMR_CONFIG_AUTO_REMAP;
  const bool read_only_table = (setup.flags & fuzz::kReadOnlyTable) != 0;
  read_only_ = read_only_table || arguments.read_only_metadata;
  discover();
  if (open(arguments, read_only_table) != DMR_ACCEPTED) return;
  sound_ = !read_only_ && host_.spare.faults().empty();
  check();
}

// An orderly removal, or a power cut; then the same pair must be there.
void Run::reopen(uint32_t how) {
  const dmr_status before = target_->status();
  begin_action();
  dmr_engine_settle(target_->engine());
  target_.reset();
  if (how % 4 != 0) {
    constexpr CrashPolicy kPolicies[] = {CrashPolicy::kDropAll, CrashPolicy::kKeepAll,
                                         CrashPolicy::kRandom};
    host_.main.crash(kPolicies[how % 4 - 1], rng_);
    host_.spare.crash(kPolicies[how % 4 - 1], rng_);
    // Which of the unflushed writes are left is the simulator's question.
    for (auto& [sector, known] : known_) known.acknowledged = 0;
  }
  dmr_arguments arguments = {};
  arguments.uuid_given = 1;
  std::memcpy(arguments.uuid, before.uuid, sizeof arguments.uuid);
  const dmr_refusal refusal = open(arguments, false);
  if (!sound_) return;
  MUST(refusal == DMR_ACCEPTED);
  read_only_ = false;
  MUST(target_->status().sequence >= before.sequence);
  const auto again = list_all();
  MUST(again.size() == entries_.size());
  for (size_t i = 0; i < again.size(); ++i)
    MUST(again[i].sector == entries_[i].sector && again[i].slot == entries_[i].slot &&
         again[i].spare_mask == entries_[i].spare_mask && again[i].lost_mask == entries_[i].lost_mask);
}

// ---- The application ----------------------------------------------------------------------------

// Sectors of the target, whole logical blocks, up to 64; none if there is no whole one.
Run::Range Run::range_of(const Record& record) const {
  const uint64_t logical = sizes_.main_logical;
  const uint64_t units = target_sectors_ / logical;
  if (units == 0) return {0, 0};
  const uint64_t first = record.value % units;
  const uint64_t count = std::min<uint64_t>(1 + record.number % (64 / logical), units - first);
  return {first * logical, static_cast<uint32_t>(count * logical)};
}

void Run::write(const Range& range, bool fua) {
  std::vector<Content> data(range.count);
  ++writes_;
  for (uint32_t i = 0; i < range.count; ++i) {
    std::memset(&data[i], 0x77, sizeof data[i]);
    data[i].magic = kMagic;
    data[i].sector = range.sector + i;
    data[i].number = writes_;
    known_[range.sector + i].issued = writes_;
  }
  check_route(range.sector, range.count, DMR_WRITE);
  begin_action(range.sector, range.sector + range.count);
  const dmr_sts sts = target_->write(range.sector, range.count, data.data(), fua);
  if (sound_ && !main_failed_ && !read_only_) MUST(sts == DMR_STS_OK);
  if (sts != DMR_STS_OK) return;
  for (uint32_t i = 0; i < range.count; ++i) known_[range.sector + i].acknowledged = writes_;
}

void Run::check_content(const Content& content, uint64_t sector) const {
  const auto at = known_.find(sector);
  const Known known = at == known_.end() ? Known{} : at->second;
  if (content.magic != kMagic) {
    MUST(known.acknowledged == 0);
    return;
  }
  MUST(content.sector == sector);
  MUST(content.number >= known.acknowledged && content.number <= known.issued);
}

void Run::read(const Range& range) {
  std::vector<Content> data(range.count);
  check_route(range.sector, range.count, DMR_READ);
  uint32_t lost = 0;
  for (const dmr_list_entry& e : entries_) {
    if (e.sector + 8 > range.sector && e.sector < range.sector + range.count) lost |= e.lost_mask;
  }
  begin_action();
  const dmr_sts sts = target_->read(range.sector, range.count, data.data());
  if (!sound_) return;
  if (!main_failed_ && lost == 0) MUST(sts == DMR_STS_OK);
  if (sts != DMR_STS_OK) return;
  for (uint32_t i = 0; i < range.count; ++i) check_content(data[i], range.sector + i);
}

// ---- Messages and faults ------------------------------------------------------------------------

void Run::job(dmr_job_kind kind, const Range& range) {
  dmr_job job = {};
  job.kind = kind;
  job.from = range.sector;
  job.count = range.count;
  const uint64_t end = dmr_u64{range.sector} + range.count;
  // Whole blocks are moved, up to main's end.
  const uint64_t main_end = std::min((end + 7) / 8 * 8, sizes_.main_sectors);
  for (uint32_t blocks = 0;; ++blocks) {
    begin_action(range.sector / 8 * 8, kind == DMR_JOB_UNMAP ? main_end : 0);
    if (kind != DMR_JOB_UNMAP) begin_action();
    if (!dmr_engine_job(target_->engine(), &job)) break;
    MUST(blocks < 1 + range.count);
  }
  MUST(job.done + job.failed <= range.count / 8 + 2);
}

void Run::list(const Record& record) {
  const uint64_t from = record.value, count = record.number;
  size_t expected = 0;
  for (const dmr_list_entry& e : entries_) {
    const unsigned __int128 end = static_cast<unsigned __int128>(from) + count;
    expected += e.sector + 8 > from && e.sector < end;
  }
  // Of a range of nothing, what the block it lies in holds is nobody's business.
  if (count != 0) MUST(target_->list(from, count).size() == expected);
  std::vector<dmr_list_entry> few(record.where % 16);
  const uint32_t capacity = static_cast<uint32_t>(few.size());
  MUST(dmr_engine_list(target_->engine(), 0, ~0ull, few.data(), capacity) == entries_.size());
}

void Run::inject(SimDisk& disk, const Record& record, bool spare) {
  constexpr dmr_sts kCodes[] = {DMR_STS_MEDIUM, DMR_STS_IOERR, DMR_STS_TIMEOUT, DMR_STS_OTHER};
  constexpr Effect kEffects[] = {Effect::kFail, Effect::kFail, Effect::kDrop, Effect::kCorrupt,
                                 Effect::kMisdirect};
  constexpr uint64_t kCopies[] = {0, 1024, 2048, 4096, 8192};
  Fault fault;
  fault.first_sector = record.value % disk.sectors();
  // The metadata and the first slots are what matters of the spare.
  if (spare) {
    fault.first_sector = record.value % 2 != 0 ? DMR_METADATA_SECTORS + record.value / 2 % 256
                                               : kCopies[record.value / 2 % 5];
    fault.effect = kEffects[record.where / 16 % 5];
    fault.elsewhere = record.where * 8;
  }
  fault.sectors = 1 + record.number % 64;
  fault.spare_ios = record.number / 64 % 4;
  fault.times = record.where % 16 == 0 ? dmr::hosted::kForever : record.where % 16;
  fault.status = kCodes[record.copies / 8 % 4];
  fault.sectors_stored = record.copies / 32;
  for (const IoKind kind : {IoKind::kRead, IoKind::kWrite, IoKind::kFlush}) {
    fault.kind = kind;
    if (record.copies >> static_cast<uint32_t>(kind) & 1) disk.inject(fault);
  }
}

void Run::adopt(const Record& record) {
  dmr_geometry geometry = target_->geometry();
  dmr_arguments arguments = {};
  geometry.target_sectors = 1 + record.value % sizes_.main_sectors;
  if (record.copies & 1) std::memcpy(arguments.label, "label", 6);
  arguments.read_only_metadata = record.copies >> 1 & 1;
  arguments.format = record.copies >> 2 & 1;
  arguments.uuid_given = record.copies >> 3 & 1;
  if (record.copies >> 4 & 1) geometry.spare_sectors -= 1;
  const dmr_refusal adoptable = dmr_engine_adoptable(target_->engine(), &geometry, &arguments);
  begin_action();
  const dmr_refusal adopted = dmr_engine_adopt(target_->engine(), &geometry, &arguments, 0);
  MUST(adoptable == adopted);
  if (adopted != DMR_ACCEPTED) return;
  target_sectors_ = geometry.target_sectors;
  read_only_ = arguments.read_only_metadata;
}

// ---- What must hold at any time -----------------------------------------------------------------

// Each part of the range is where its kind says, and within that device.
void Run::check_route(uint64_t sector, uint32_t sectors, dmr_direction direction) const {
  const uint64_t slots_end = DMR_METADATA_SECTORS + uint64_t{target_->status().slots_total} * 8;
  MUST(slots_end <= sizes_.spare_sectors);
  while (sectors != 0) {
    const dmr_place place = target_->route(sector, sectors, direction);
    MUST(place.sectors >= 1 && place.sectors <= sectors);
    MUST(place.sectors % sizes_.main_logical == 0);
    if (place.kind == DMR_PLACE_MAIN) MUST(place.sector == sector);
    if (place.kind == DMR_PLACE_SPARE)
      MUST(place.sector >= DMR_METADATA_SECTORS && place.sector < slots_end &&
           place.sectors <= slots_end - place.sector);
    MUST(place.kind != DMR_PLACE_WORKER || direction == DMR_WRITE);
    MUST(place.kind != DMR_PLACE_NONE || direction == DMR_DISCARD);
    sector += place.sectors;
    sectors -= place.sectors;
  }
}

void Run::check_entry(const dmr_list_entry& entry) const {
  MUST(entry.sector % 8 == 0 && entry.sector < sizes_.main_sectors);
  MUST((entry.spare_mask | entry.lost_mask) != 0);
  for (uint32_t s = 0; s < 8; ++s) {
    const bool spare = entry.spare_mask >> s & 1, lost = entry.lost_mask >> s & 1;
    const uint64_t sector = entry.sector + s;
    if (sector >= sizes_.main_sectors) {
      MUST(!spare && !lost);
      continue;
    }
    const dmr_place place = target_->route(sector, 1, DMR_READ);
    const dmr_place_kind kind = lost ? DMR_PLACE_ERROR : spare ? DMR_PLACE_SPARE : DMR_PLACE_MAIN;
    MUST(place.kind == kind && place.sectors == 1);
    if (kind == DMR_PLACE_SPARE)
      MUST(place.sector == DMR_METADATA_SECTORS + uint64_t{entry.slot} * 8 + s);
    if (kind == DMR_PLACE_MAIN) MUST(place.sector == sector);
  }
}

std::vector<dmr_list_entry> Run::list_all() const {
  std::vector<dmr_list_entry> entries(target_->status().slots_used);
  MUST(dmr_engine_list(target_->engine(), 0, ~0ull, entries.data(),
                       static_cast<dmr_u32>(entries.size())) == entries.size());
  return entries;
}

void Run::check() {
  const dmr_status status = target_->status();
  MUST(dmr_state_name(status.state)[0] != 0 && status.state != DMR_STATE_INACTIVE);
  MUST(status.slots_used + status.slots_retired <= status.slots_total);
  MUST(status.good_copies <= DMR_COPIES);
  if (sound_) MUST(status.good_copies == DMR_COPIES && status.state != DMR_STATE_METADATA_RO);
  check_label(status.label);
  entries_ = list_all();
  std::set<uint64_t> blocks, slots;
  uint64_t lost = 0;
  for (const dmr_list_entry& entry : entries_) {
    MUST(entry.slot < status.slots_total);
    MUST(slots.insert(entry.slot).second && blocks.insert(entry.sector).second);
    for (uint32_t s = 0; s < 8; ++s) lost += entry.lost_mask >> s & 1;
    // Of thousands, some.
    if (blocks.size() <= 64) check_entry(entry);
  }
  MUST(lost == status.lost_sectors);
  uint32_t looked_at = 0;
  for (const uint64_t sector : blocks) {
    if (++looked_at > 64) break;
    const uint64_t next = sector + 8;
    if (next >= sizes_.main_sectors || blocks.count(next) != 0) continue;
    MUST(target_->route(next, 1, DMR_READ).kind == DMR_PLACE_MAIN);
  }
}

// ---- Steps --------------------------------------------------------------------------------------

void Run::step(const Record& record) {
  const Range range = range_of(record);
  begin_action();
  switch (record.what()) {
    case Op::kWrite:
      if (range.count != 0) write(range, record.copies & 1);
      break;
    case Op::kRead:
      if (range.count != 0) read(range);
      break;
    case Op::kDiscard:
      if (range.count != 0) check_route(range.sector, range.count, DMR_DISCARD);
      break;
    case Op::kFlush:
      (void)target_->flush();
      break;
    case Op::kBreakMain:
      main_failed_ = true;
      inject(host_.main, record, false);
      break;
    case Op::kBreakSpare:
      sound_ = false;
      inject(host_.spare, record, true);
      break;
    case Op::kHeal:
      host_.main.heal();
      host_.spare.heal();
      host_.main.set_offline(false);
      host_.spare.set_offline(false);
      break;
    case Op::kRepair:
      MUST(dmr_engine_repair(target_->engine()) <= DMR_COPIES);
      break;
    case Op::kRemap:
    case Op::kUnmap:
    case Op::kRetest: {
      constexpr dmr_job_kind kKinds[] = {DMR_JOB_REMAP, DMR_JOB_UNMAP, DMR_JOB_RETEST};
      const auto kind = static_cast<size_t>(record.what()) - static_cast<size_t>(Op::kRemap);
      if (range.count != 0) job(kKinds[kind], range);
      break;
    }
    case Op::kResumeRemap:
      dmr_engine_resume_remap(target_->engine());
      break;
    case Op::kAdopt:
      adopt(record);
      break;
    case Op::kSettle:
      host_.now_seconds += record.number;
      host_.uptime_seconds += record.number;
      dmr_engine_settle(target_->engine());
      break;
    case Op::kReopen:
      reopen(record.number);
      break;
    case Op::kList:
      list(record);
      break;
    case Op::kOffline:
      (record.copies & 1 ? main_failed_ = true : sound_ = false);
      (record.copies & 1 ? host_.main : host_.spare).set_offline(true);
      break;
    default:
      return;
  }
  if (is_open()) check();
}

void Run::finish() {
  if (!sound_) return;
  host_.main.heal();
  host_.main.set_offline(false);
  reopen(0);
  check();
  // Everything that was written, once more.
  for (const auto& [sector, known] : known_) {
    if (sector % sizes_.main_logical != 0 || sector + sizes_.main_logical > target_sectors_) continue;
    read({sector, sizes_.main_logical});
  }
}

// The arena keeps to its bound, and what is refused is refused before any memory is asked for.
bool sizes_accepted(const Input& input, Sizes& sizes) {
  const fuzz::Setup& setup = input.setup;
  sizes.main_sectors = setup.main_sectors != 0 ? setup.main_sectors : 65536;
  // Up to 2 MiB more than the least; once in a while more than all slots that there can be.
  const uint32_t more = setup.more_spare_sectors;
  sizes.spare_sectors = DMR_SPARE_MIN_SECTORS + (more == fuzz::kLargestSpare ? 600000 : more % 4096);
  sizes.main_logical = 1u << setup.logical % 16 % 5;
  sizes.spare_logical = 1u << setup.logical / 16 % 5;
  dmr_geometry geometry = {sizes.main_sectors, sizes.spare_sectors, setup.target_sectors,
                           sizes.main_logical, sizes.spare_logical};
  (void)dmr_geometry_check(&geometry);
  geometry.target_sectors = 1;
  if (dmr_geometry_check(&geometry) != DMR_ACCEPTED) return false;
  const uint64_t slots = std::min<uint64_t>((sizes.spare_sectors - DMR_METADATA_SECTORS) / 8,
                                            DMR_SLOTS_MAX);
  MUST(dmr_engine_arena_bytes(&geometry) <= 16 * slots + 65536);
  // Devices are whole numbers of their logical blocks.
  sizes.main_sectors -= sizes.main_sectors % sizes.main_logical;
  sizes.spare_sectors -= sizes.spare_sectors % sizes.spare_logical;
  return sizes.main_sectors != 0;
}

}  // namespace

// Speed: this much is enough to tell a use after free.
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=4:quarantine_size_mb=8";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Input input(data, size);
  Sizes sizes;
  if (!sizes_accepted(input, sizes)) return 0;
  Run run(input, sizes);
  run.open_crafted();
  for (const Record& record : input.records) {
    if (run.is_open() && !record.is_image()) run.step(record);
  }
  if (run.is_open()) run.finish();
  return 0;
}
