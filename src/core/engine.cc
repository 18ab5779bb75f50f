// SPDX-License-Identifier: GPL-2.0
//
// Opening a pair: what is on the spare, whether it may be used, making it new or going on from it.
// And what the engine says of itself. Contract: docs/ON_DISK_FORMAT.md, "Opening".
#include "engine.h"

#include "pairing.h"

namespace dmr {
namespace {

constexpr u64 kSettleSeconds = 600;  // counters alone are committed no more often than that

// Hands out the arena piece by piece; with no arena it only counts.
class Layout {
 public:
  explicit Layout(void* arena) : base_(static_cast<u8*>(arena)) {}
  template <typename T>
  T* take(usize count, usize align) {
    used_ = round_up(used_, align);
    T* place = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += count * sizeof(T);
    return place;
  }
  usize used() const { return used_; }

 private:
  u8* base_;
  usize used_ = 0;
};

struct Pieces {
  dmr_engine* engine;
  Metadata::Buffers buffers;
  TableBlock* table;
  u64* regions;
  u16* cells;
  u16* next;
  usize bytes;
};

Pieces lay_out(void* arena, const dmr_geometry& geometry) {
  const u32 slots = slots_for(geometry.spare_sectors);
  Layout layout(arena);
  Pieces p;
  // Whole pages first: no gap is left between them and the rest.
  p.buffers.committed = layout.take<Header>(1, DMR_BLOCK_BYTES);
  p.buffers.next = layout.take<Header>(1, DMR_BLOCK_BYTES);
  p.buffers.staging = layout.take<TableBlock>(1, DMR_BLOCK_BYTES);
  p.buffers.readback = layout.take<u8>(DMR_BLOCK_BYTES, DMR_BLOCK_BYTES);
  p.table = layout.take<TableBlock>(table_blocks_for(slots), DMR_BLOCK_BYTES);
  p.engine = layout.take<dmr_engine>(1, 64);
  p.regions = layout.take<u64>(RegionMap::words_for(geometry.main_sectors), 64);
  p.cells = layout.take<u16>(SlotIndex::cells_for(slots), 64);
  p.next = layout.take<u16>(slots, 64);
  p.bytes = layout.used();
  return p;
}

}  // namespace

usize Engine::arena_bytes(const dmr_geometry& geometry) { return lay_out(nullptr, geometry).bytes; }

Engine* Engine::create(void* arena, const dmr_geometry& geometry, const dmr_main_identity& identity,
                       dmr_host* host) {
  const Pieces p = lay_out(arena, geometry);
  Engine* e = new (p.engine) dmr_engine;
  e->host_ = host;
  e->geometry_ = geometry;
  e->identity_ = identity;
  e->arena_bytes_ = p.bytes;
  e->table_.attach(p.table);
  e->regions_.attach(p.regions, geometry.main_sectors);
  e->index_.attach(p.cells, slots_for(geometry.spare_sectors), &e->table_);
  e->slots_.attach(p.next);
  e->flush_.reset();
  e->metadata_.attach(host, p.buffers, geometry.spare_logical_sectors, &e->table_, &e->flush_);
  e->bounce_ = reinterpret_cast<u8*>(p.buffers.staging);
  e->scratch_ = p.buffers.readback;
  return e;
}

// ---- What is on the spare ------------------------------------------------------------------------

dmr_refusal Engine::check_identity(const Header& header, const dmr_arguments& arguments) const {
  if (arguments.uuid_given && memcmp(arguments.uuid, header.uuid, sizeof header.uuid) != 0)
    return DMR_REFUSED_OTHER_PAIR;
  const dmr_fingerprint main = {geometry_.main_sectors, geometry_.main_logical_sectors, identity_};
  if (match(fingerprint_of(header), main) != 0) return DMR_ACCEPTED;
  if (!arguments.adopt_main) return DMR_REFUSED_OTHER_MAIN;
  for (u32 b = 0; b < header.table_blocks.load(); ++b) {
    if (!entries_plausible(*table_.block(b), b, header.slots.load(), geometry_.main_sectors,
                           geometry_.main_logical_sectors))
      return DMR_REFUSED_OTHER_MAIN;
  }
  return DMR_ACCEPTED;
}

// The index over the table in memory. False if a block has two slots: nothing of ours.
bool Engine::build_index() {
  const u32 slots = metadata_.header().slots.load();
  regions_.clear(geometry_.main_sectors);
  index_.clear();
  u64 lost = 0;
  for (u32 s = 0; s < slots; ++s) {
    const Entry entry = table_.get(Slot(s));
    if (!entry.is_used()) continue;
    if (!(index_.find(entry.block()).slot == SlotIndex::kNone)) return false;
    regions_.mark_around(entry.block(), last_block());
    index_.put(entry.block(), Slot(s));
    lost += bits_in(entry.lost_mask());
  }
  lost_sectors_.store(lost);
  slots_.load(table_, slots, metadata_.header().slots_touched.load());
  return true;
}

dmr_refusal Engine::examine_valid(const dmr_arguments& arguments, const Verdict& verdict,
                                  dmr_report& report) {
  const bool elected = verdict.judgement == Judgement::kOpen ||
                       verdict.judgement == Judgement::kSingle;
  if (!arguments.format && made_for_larger_spare(elected ? &verdict : nullptr))
    return DMR_REFUSED_SPARE_TOO_SMALL;
  const bool interrupted_format =
      metadata_.view(0).kind == HeaderKind::kMark && verdict.votes < kOpenQuorum;
  const bool loaded = elected && metadata_.load(verdict);
  if (arguments.format) {
    if (loaded && slots_in_table() != 0 && check_identity(metadata_.header(), {}) == DMR_ACCEPTED)
      return DMR_REFUSED_FORMAT_IN_USE;
    report.will_format = 1;
    return DMR_ACCEPTED;
  }
  if (interrupted_format) {
    report.will_format = !arguments.uuid_given;
    return arguments.uuid_given ? DMR_REFUSED_BLANK_WITH_UUID : DMR_ACCEPTED;
  }
  if (verdict.judgement == Judgement::kFork) return DMR_REFUSED_FORK;
  if (!loaded) return DMR_REFUSED_DAMAGED;
  if (verdict.judgement == Judgement::kSingle && !arguments.accept_single_copy)
    return DMR_REFUSED_SINGLE_COPY;
  const dmr_refusal refusal = check_identity(metadata_.header(), arguments);
  if (refusal != DMR_ACCEPTED) return refusal;
  return build_index() ? DMR_ACCEPTED : DMR_REFUSED_DAMAGED;
}

// Of the winner, or if there is none, of any header.
bool Engine::made_for_larger_spare(const Verdict* elected) const {
  for (u32 c = 0; c < kCopies; ++c) {
    if (elected != nullptr && c != elected->winner) continue;
    if (metadata_.view(c).slots > slots_for(geometry_.spare_sectors)) return true;
  }
  return false;
}

u32 Engine::slots_in_table() const {
  u32 used = 0;
  for (u32 s = 0; s < metadata_.header().slots.load(); ++s) used += table_.get(Slot(s)).is_used();
  return used;
}

// Whether the metadata area and the spare's last MiB are zeros; @readable if all of it could be
// read, or a difference was found first. The table's memory serves as buffer.
bool Engine::area_blank(bool& readable) {
  const u32 chunk = table_blocks_for(slots_for(geometry_.spare_sectors)) * DMR_BLOCK_SECTORS;
  const u64 tail = geometry_.spare_sectors - kTailSectors;
  const u64 spans[2][2] = {{0, DMR_METADATA_SECTORS}, {tail, geometry_.spare_sectors}};
  readable = true;
  for (const auto& span : spans) {
    for (u64 at = span[0]; at < span[1]; at += chunk) {
      const u32 sectors = static_cast<u32>(min<u64>(chunk, span[1] - at));
      if (dmr_host_read(host_, DMR_SPARE, at, sectors, table_.block(0)) != DMR_STS_OK) {
        readable = false;
        return false;
      }
      if (!is_zero(table_.block(0), usize{sectors} * DMR_SECTOR_BYTES)) return false;
    }
  }
  return true;
}

// True if some copy's first table block is ours: then the headers are damaged, not foreign.
bool Engine::table_block_left() {
  for (const u64 copy : kCopySector) {
    if (dmr_host_read(host_, DMR_SPARE, copy + kTableBlockSectors, kTableBlockSectors,
                      table_.block(0)) == DMR_STS_OK &&
        table_block_verifies(*table_.block(0), 0))
      return true;
  }
  return false;
}

dmr_refusal Engine::examine_rest(const dmr_arguments& arguments, dmr_report& report) {
  bool unknown = false, damaged = false;
  for (u32 c = 0; c < kCopies; ++c) {
    unknown |= metadata_.view(c).kind == HeaderKind::kUnknownVersion;
    damaged |= metadata_.view(c).kind == HeaderKind::kDamaged;
  }
  const bool marked = metadata_.view(0).kind == HeaderKind::kMark;
  if (arguments.format) {
    report.will_format = 1;
    return DMR_ACCEPTED;
  }
  if (!marked) {
    if (unknown) return DMR_REFUSED_VERSION;
    bool readable = true;
    if (damaged || !area_blank(readable)) {
      if (damaged || table_block_left()) return DMR_REFUSED_DAMAGED;
      return readable ? DMR_REFUSED_FOREIGN : DMR_REFUSED_UNREADABLE;
    }
  }
  if (arguments.uuid_given) return DMR_REFUSED_BLANK_WITH_UUID;
  report.will_format = 1;
  return DMR_ACCEPTED;
}

dmr_refusal Engine::examine(const dmr_arguments& arguments, Verdict& verdict, dmr_report& report) {
  memset(&report, 0, sizeof report);
  verdict = metadata_.examine(table_blocks_for(slots_for(geometry_.spare_sectors)));
  report.headers_valid = static_cast<u8>(verdict.headers);
  report.votes = static_cast<u8>(verdict.votes);
  report.found_sequence = verdict.highest.value();
  memcpy(report.found_uuid, metadata_.view(verdict.winner).uuid, sizeof report.found_uuid);
  const dmr_refusal refusal = verdict.headers != 0 ? examine_valid(arguments, verdict, report)
                                                   : examine_rest(arguments, report);
  if (verdict.judgement == Judgement::kOpen || verdict.judgement == Judgement::kSingle)
    report.found_main_sectors = metadata_.header().main_sectors.load();
  report.refusal = refusal;
  return refusal;
}

dmr_refusal Engine::probe(const dmr_arguments& arguments, dmr_report& report) {
  DMR_ASSERT(!open_.load());
  Verdict verdict;
  const dmr_refusal refusal = examine(arguments, verdict, report);
  if (refusal == DMR_ACCEPTED && report.will_format && arguments.read_only_metadata)
    report.refusal = DMR_REFUSED_READ_ONLY;
  return report.refusal;
}

// ---- Opening -------------------------------------------------------------------------------------

void Engine::fill_identity(Header& header, const dmr_arguments& arguments) const {
  if (arguments.adopt_main && check_identity(header, {}) != DMR_ACCEPTED) {
    memset(header.main_unique_id, 0, sizeof header.main_unique_id);
    memset(header.main_partition_uuid, 0, sizeof header.main_partition_uuid);
  }
  header.main_sectors.store(geometry_.main_sectors);
  header.main_logical_sectors.store(geometry_.main_logical_sectors);
  // What is not known now of the same main may have been known before: keep that.
  if (!is_zero(identity_.unique_id, sizeof identity_.unique_id))
    memcpy(header.main_unique_id, identity_.unique_id, sizeof header.main_unique_id);
  if (!is_zero(identity_.partition_uuid, sizeof identity_.partition_uuid))
    memcpy(header.main_partition_uuid, identity_.partition_uuid, sizeof header.main_partition_uuid);
  if (arguments.label[0] != 0) memcpy(header.label, arguments.label, sizeof header.label);
}

dmr_refusal Engine::format(const dmr_arguments& arguments) {
  if (metadata_.begin_format(slots_for(geometry_.spare_sectors)) != Status::kOk)
    return DMR_REFUSED_FORMAT_FAILED;
  Header& draft = metadata_.draft();
  draft.spare_sectors.store(geometry_.spare_sectors);
  draft.created_seconds.store(dmr_host_now(host_));
  dmr_host_new_uuid(host_, draft.uuid);
  fill_identity(draft, arguments);
  if (metadata_.commit(Changes()) != Status::kOk) return DMR_REFUSED_FORMAT_FAILED;
  const bool built = build_index();
  DMR_ASSERT(built);
  return DMR_ACCEPTED;
}

void Engine::load_counters() {
  const Counters& counters = metadata_.header().counters;
  main_read_errors_.store(counters.main_read_errors.load());
  main_write_errors_.store(counters.main_write_errors.load());
  remaps_.store(counters.remaps.load());
  lost_.store(counters.lost.load());
  salvaged_.store(counters.salvaged.load());
  commits_.store(counters.commits.load());
  // Blocks may have got and lost slots by message, too: no more than there are now.
  decayed_.store(min<u64>(remaps_.load(), slots_.used()) + slots_.retired());
}

void Engine::set_config(dmr_config config, u32 value) {
  if (config_[config].exchange(value) != value && config == DMR_CONFIG_SCAN_ENABLED)
    scanner_.forget_commands();
  // From now on all I/O is looked at; when that ends is for the next boot to say.
  if (config == DMR_CONFIG_VERIFY_WRITES && value == DMR_VERIFY_ALL && open_.load())
    regions_.mark_all(geometry_.main_sectors);
}

void Engine::configure(const dmr_arguments& arguments, bool read_only) {
  read_only_.store(read_only || arguments.read_only_metadata);
  for (u32 i = 0; i < DMR_CONFIG_COUNT; ++i) {
    const bool given = arguments.config_given >> i & 1;
    const dmr_config config = static_cast<dmr_config>(i);
    set_config(config, given ? arguments.config[i] : dmr_config_rule_of(config)->normal);
  }
}

dmr_refusal Engine::open(const dmr_arguments& arguments, bool read_only, dmr_report& report) {
  DMR_ASSERT(!open_.load());
  configure(arguments, read_only);
  Verdict verdict;
  dmr_refusal refusal = examine(arguments, verdict, report);
  if (refusal == DMR_ACCEPTED && report.will_format)
    refusal = read_only_.load() ? DMR_REFUSED_READ_ONLY : format(arguments);
  report.refusal = refusal;
  if (refusal != DMR_ACCEPTED) return refusal;

  metadata_ro_.store(0);
  main_failed_.store(0);
  spare_full_ = slots_.free() == 0;
  burst_.reset();
  doubts_.store(0);
  all_in_doubt_.store(0);
  gate_.store(0);
  load_counters();
  // At main's end it goes on with the slots and copies. The cursor may be another disk's.
  const u64 cursor = metadata_.header().scan_cursor_sector.load();
  const u32 logical = geometry_.main_logical_sectors;
  scanner_.begin(host_, min(cursor / logical * logical, geometry_.target_sectors),
                 metadata_.header().scan_passes.load());
  if (!report.will_format) {
    metadata_.accept(verdict);
    fill_identity(metadata_.draft(), arguments);
    const bool changed =
        memcmp(&metadata_.draft(), &metadata_.header(), sizeof(Header)) != 0;
    const bool durable = metadata_.make_durable();
    if (!read_only_.load() && (!durable || changed || metadata_.good_copies() < kCopies))
      (void)commit_present();  // if it does not hold, the state says so: metadata_ro
    if (metadata_.rival_possible(verdict)) doubt_all();
  }
  scanner_.begin_health(*this);
  open_.store(true);
  if (config(DMR_CONFIG_VERIFY_WRITES) == DMR_VERIFY_ALL)
    regions_.mark_all(geometry_.main_sectors);
  emit(report.will_format ? DMR_EVENT_FORMATTED : DMR_EVENT_OPENED, Block(0), Slot(0), 0);
  return DMR_ACCEPTED;
}

dmr_refusal Engine::adoptable(const dmr_geometry& geometry, const dmr_arguments& arguments) const {
  if (!open_.load()) return DMR_ACCEPTED;  // opening will tell
  if (arguments.format) return DMR_REFUSED_FORMAT_IN_USE;
  if (arguments.uuid_given &&
      memcmp(arguments.uuid, metadata_.name().uuid, sizeof arguments.uuid) != 0)
    return DMR_REFUSED_OTHER_PAIR;
  if (geometry.main_sectors != geometry_.main_sectors ||
      geometry.main_logical_sectors != geometry_.main_logical_sectors)
    return DMR_REFUSED_MAIN_CHANGED;
  if (geometry.spare_sectors < geometry_.spare_sectors ||
      geometry.spare_logical_sectors != geometry_.spare_logical_sectors)
    return DMR_REFUSED_SPARE_TOO_SMALL;
  return DMR_ACCEPTED;
}

dmr_refusal Engine::adopt(const dmr_geometry& geometry, const dmr_arguments& arguments,
                          bool read_only) {
  DMR_ASSERT(open_.load());
  const dmr_refusal refusal = adoptable(geometry, arguments);
  if (refusal != DMR_ACCEPTED) return refusal;
  geometry_.target_sectors = geometry.target_sectors;
  const bool could_not_write = read_only_.load();
  configure(arguments, read_only);
  fill_identity(metadata_.draft(), arguments);
  // Opened read-only, it may never have been committed again since it was found.
  const bool owed = could_not_write && metadata_.good_copies() < kCopies;
  const bool changed = memcmp(&metadata_.draft(), &metadata_.header(), sizeof(Header)) != 0;
  if ((changed || owed) && !read_only_.load() && !metadata_ro_.load()) (void)commit_present();
  return DMR_ACCEPTED;
}

// ---- Commits without redirections ----------------------------------------------------------------

void Engine::draft_counters(const Tally& tally) {
  Counters& draft = metadata_.draft().counters;
  draft.main_read_errors.store(main_read_errors_.load());
  draft.main_write_errors.store(main_write_errors_.load());
  draft.remaps.store(remaps_.load() + tally.remaps);
  draft.lost.store(lost_.load() + tally.lost);
  draft.salvaged.store(salvaged_.load() + tally.salvaged);
  metadata_.draft().slots_touched.store(slots_.touched());
  metadata_.draft().scan_cursor_sector.store(scanner_.position());
  metadata_.draft().scan_passes.store(scanner_.passes());
}

void Engine::enter_metadata_ro() {
  if (metadata_ro_.exchange(1) == 0) emit(DMR_EVENT_METADATA, Block(0), Slot(0), 0);
}

// Opening has found more than one state, say after a power cut within a commit, and could not make
// the winner the only one. A reboot may find another: what is written now might then be looked for
// in another place.
void Engine::doubt_all() {
  all_in_doubt_.store(1);
  regions_.mark_all(geometry_.main_sectors);
}

// Every commit of an open engine: with the counters, and what its failures mean.
Status Engine::commit(const Changes& changes, const Tally& tally) {
  draft_counters(tally);
  const u32 failures_before = flush_.failures();
  const Status status = metadata_.commit(changes);
  commits_.store(metadata_.header().counters.commits.load());
  // A flush that failed leaves it open what the spare's cache has lost, even if four copies hold.
  if (status != Status::kOk || flush_.failures() != failures_before) enter_metadata_ro();
  emit(DMR_EVENT_COMMIT, Block(0), Slot(0), 0);
  return status;
}

Status Engine::commit_present(u32 good_before) {
  const u32 good_now = metadata_.good_copies();
  const u32 failures_before = flush_.failures();
  const Status status = commit(Changes(), Tally{});
  if (status != Status::kOk) return status;
  // Whatever a failed commit left on the disk is now outvoted: nothing is in doubt any more, and
  // slots that only that commit named are free.
  all_in_doubt_.store(0);
  const u32 doubts = doubts_.exchange(0);
  if (doubts != 0) dmr_host_drain(host_);  // map() may still be looking through them
  for (u32 i = 0; i < doubts; ++i) {
    if (staged_[i].before.is_free()) slots_.give_back(staged_[i].slot);
  }
  const bool left = flush_.failures() == failures_before && metadata_ro_.exchange(0) != 0;
  if (left || metadata_.good_copies() != good_now || metadata_.good_copies() != good_before)
    emit(DMR_EVENT_METADATA, Block(0), Slot(0), 0);
  return status;
}

void Engine::settle() {
  if (!open_.load() || read_only_.load() || metadata_ro_.load()) return;
  const Header& committed = metadata_.header();
  if (committed.counters.main_read_errors.load() == main_read_errors_.load() &&
      committed.counters.main_write_errors.load() == main_write_errors_.load() &&
      committed.scan_cursor_sector.load() == scanner_.position() &&
      committed.scan_passes.load() == scanner_.passes())
    return;
  // A clock that was ahead at that time says nothing.
  const u64 then = committed.committed_seconds.load(), now = dmr_host_now(host_);
  if (now >= then && now - then < kSettleSeconds) return;
  (void)commit_present();
}

u32 Engine::repair() {
  if (!open_.load() || read_only_.load()) return metadata_.good_copies();
  const u32 good_before = metadata_.good_copies();
  metadata_.verify_copies();
  (void)commit_present(good_before);
  return metadata_.good_copies();
}

// ---- What it says of itself ----------------------------------------------------------------------

void Engine::emit(dmr_event_kind kind, Block block, Slot slot, SectorMask mask) const {
  dmr_event event = {};
  event.kind = kind;
  event.sector = first_sector(block);
  event.slot = slot.value();
  event.sectors_mask = mask;
  event.good_copies = static_cast<u8>(metadata_.good_copies());
  event.sequence = metadata_.sequence();
  event.state = static_cast<u8>(state());
  dmr_status health = {};
  scanner_.status(*this, health);
  event.health = static_cast<u8>(health.health);
  event.score = static_cast<u8>(health.score);
  event.exhaustion_hours = health.exhaustion_hours;
  dmr_host_event(host_, &event);
}

dmr_state Engine::state() const {
  if (!open_.load()) return DMR_STATE_INACTIVE;
  if (main_failed_.load()) return DMR_STATE_MAIN_FAILED;
  if (metadata_ro_.load()) return DMR_STATE_METADATA_RO;
  if (slots_.free() == 0) return DMR_STATE_SPARE_FULL;
  if (metadata_.good_copies() < kCopies || lost_sectors_.load() != 0 || slots_.retired() != 0)
    return DMR_STATE_DEGRADED;
  return DMR_STATE_OK;
}

void Engine::status(dmr_status& status) const {
  memset(&status, 0, sizeof status);
  status.state = state();
  if (!open_.load()) return;
  status.arena_bytes = arena_bytes_;
  status.slots_used = slots_.used();
  status.slots_total = slots_.total();
  status.slots_retired = slots_.retired();
  status.lost_sectors = lost_sectors_.load();
  status.sequence = metadata_.sequence();
  status.good_copies = metadata_.good_copies();
  for (u32 c = 0; c < kCopies; ++c)
    status.copies[c] = static_cast<u8>(metadata_.copy_state(c));
  status.main_read_errors = main_read_errors_.load();
  status.main_write_errors = main_write_errors_.load();
  status.remaps = remaps_.load();
  status.lost = lost_.load();
  status.salvaged = salvaged_.load();
  status.commits = commits_.load();
  status.repairs = metadata_.repairs();
  status.read_only_metadata = read_only_.load();
  scanner_.status(*this, status);
  for (u32 i = 0; i < DMR_CONFIG_COUNT; ++i) status.config[i] = config_[i].load();
  const Name name = metadata_.name();
  memcpy(status.uuid, name.uuid, sizeof status.uuid);
  memcpy(status.label, name.label, sizeof status.label);
}

u32 Engine::list(u64 from, u64 count, dmr_list_entry* entries, u32 capacity) const {
  if (!open_.load()) return 0;
  u32 found = 0;
  for (u32 s = 0; s < slots_.total(); ++s) {
    const Entry entry = table_.get(Slot(s));
    if (!entry.is_used()) continue;
    const u64 sector = first_sector(entry.block());
    if (sector + DMR_BLOCK_SECTORS <= from || (sector >= from && sector - from >= count)) continue;
    if (found < capacity)
      entries[found] = {sector, s, entry.spare_mask(), entry.lost_mask()};
    ++found;
  }
  return found;
}

}  // namespace dmr
