// SPDX-License-Identifier: GPL-2.0
//
// The C face of the core, include/dm_remap/core.h: no decisions but the classification of errors.
#include "dm_remap/core.h"

#include "engine.h"

namespace dmr {

bool Engine::failed(dmr_device device, dmr_direction direction, dmr_sts sts, bool failfast) {
  if (!dmr_sts_is_medium(sts)) return false;
  if (device == DMR_MAIN) {
    if (direction == DMR_READ) main_read_errors_.add(1);
    if (direction == DMR_WRITE) main_write_errors_.add(1);
  }
  // Discards name no data that could be put elsewhere.
  if (direction == DMR_DISCARD || failfast) return false;
  return device == DMR_SPARE || !main_failed_.load();
}

dmr_flush_action Engine::flush_begin(u64& ticket) {
  if (flush_.take_failure()) return DMR_FLUSH_FAIL;
  ticket = flush_.ticket();
  return flush_.clean() ? DMR_FLUSH_SKIP : DMR_FLUSH_ISSUE;
}

void Engine::flush_end(u64 ticket, dmr_sts sts) {
  flush_.end(ticket, sts == DMR_STS_OK);
  // A cache that may have lost what it held says nothing of the metadata in it.
  if (sts != DMR_STS_OK) enter_metadata_ro();
}

}  // namespace dmr

using dmr::Engine;

extern "C" {

int dmr_sts_is_medium(dmr_sts sts) {
  return sts == DMR_STS_IOERR || sts == DMR_STS_MEDIUM || sts == DMR_STS_TARGET;
}

dmr_refusal dmr_geometry_check(const dmr_geometry* g) {
  const auto logical_ok = [](dmr_u32 n) { return n == 1 || n == 2 || n == 4 || n == 8; };
  if (!logical_ok(g->main_logical_sectors) || !logical_ok(g->spare_logical_sectors) ||
      g->spare_logical_sectors > g->main_logical_sectors)
    return DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK;
  if (g->main_sectors > DMR_MAIN_MAX_SECTORS) return DMR_REFUSED_MAIN_TOO_LARGE;
  if (g->target_sectors > g->main_sectors) return DMR_REFUSED_TARGET_TOO_LONG;
  if (g->spare_sectors < DMR_SPARE_MIN_SECTORS) return DMR_REFUSED_SPARE_TOO_SMALL;
  return DMR_ACCEPTED;
}

const char* dmr_refusal_text(dmr_refusal refusal) {
  switch (refusal) {
    case DMR_ACCEPTED:
      return "accepted";
    case DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK:
      return "spare's logical blocks are larger than main's, or either's are larger than 4096 bytes";
    case DMR_REFUSED_MAIN_TOO_LARGE:
      return "main is larger than 128 TiB";
    case DMR_REFUSED_TARGET_TOO_LONG:
      return "target is longer than main";
    case DMR_REFUSED_SPARE_TOO_SMALL:
      return "spare is too small: it needs 16 MiB, and all that its metadata was made for";
    case DMR_REFUSED_UNREADABLE:
      return "spare's metadata area can't be read";
    case DMR_REFUSED_FOREIGN:
      return "spare holds something else than dm-remap metadata; 'format' would overwrite it";
    case DMR_REFUSED_DAMAGED:
      return "spare's metadata is damaged in more copies than can be made up for; 'format' would "
             "start anew and forget its redirections";
    case DMR_REFUSED_SINGLE_COPY:
      return "only one metadata copy is whole and it may be stale; 'accept_single_copy' would open it";
    case DMR_REFUSED_FORK:
      return "spare holds two different states of the same sequence; 'format' would start anew and "
             "forget its redirections";
    case DMR_REFUSED_VERSION:
      return "spare's metadata is of a format version that this module does not know";
    case DMR_REFUSED_OTHER_MAIN:
      return "spare belongs to another main device; 'adopt_main' would accept this one if it fits";
    case DMR_REFUSED_MAIN_CHANGED:
      return "main's size or logical block has changed since it was opened; to go on, remove the "
             "device and create it with 'adopt_main'";
    case DMR_REFUSED_OTHER_PAIR:
      return "spare belongs to another pair than 'uuid' names";
    case DMR_REFUSED_BLANK_WITH_UUID:
      return "spare is blank, but 'uuid' names an existing pair; without 'uuid' it would become a "
             "new spare";
    case DMR_REFUSED_FORMAT_IN_USE:
      return "'format' refused: spare is this main's, and the pair runs or has redirections in use";
    case DMR_REFUSED_FORMAT_FAILED:
      return "new metadata could not be made durable on the spare";
    case DMR_REFUSED_READ_ONLY:
      return "spare would have to be written, and this table is read-only";
  }
  return "unknown";
}

dmr_size dmr_engine_arena_bytes(const dmr_geometry* geometry) {
  return Engine::arena_bytes(*geometry);
}

dmr_engine* dmr_engine_init(void* arena, const dmr_geometry* geometry,
                            const dmr_main_identity* identity, dmr_host* host) {
  return static_cast<dmr_engine*>(Engine::create(arena, *geometry, *identity, host));
}

dmr_refusal dmr_engine_probe(dmr_engine* engine, const dmr_arguments* arguments,
                             dmr_report* report) {
  return engine->probe(*arguments, *report);
}

dmr_refusal dmr_engine_open(dmr_engine* engine, const dmr_arguments* arguments, int read_only,
                            dmr_report* report) {
  return engine->open(*arguments, read_only != 0, *report);
}

dmr_refusal dmr_engine_adopt(dmr_engine* engine, const dmr_geometry* geometry,
                             const dmr_arguments* arguments, int read_only) {
  return engine->adopt(*geometry, *arguments, read_only != 0);
}

dmr_refusal dmr_engine_adoptable(const dmr_engine* engine, const dmr_geometry* geometry,
                                 const dmr_arguments* arguments) {
  return engine->adoptable(*geometry, *arguments);
}

void dmr_engine_settle(dmr_engine* engine) { engine->settle(); }

dmr_region_map dmr_engine_regions(const dmr_engine* engine) { return engine->regions(); }

void dmr_route(const dmr_engine* engine, dmr_u64 sector, dmr_u32 sectors, dmr_direction direction,
               dmr_place* place) {
  engine->route(sector, sectors, direction, *place);
}

int dmr_engine_failed(dmr_engine* engine, dmr_device device, dmr_direction direction, dmr_sts sts,
                      int failfast) {
  return engine->failed(device, direction, sts, failfast != 0);
}

dmr_request* dmr_engine_recover(dmr_engine* engine, dmr_request* list) {
  return engine->recover(list);
}

int dmr_engine_job(dmr_engine* engine, dmr_job* job) { return engine->job(*job); }

dmr_u64 dmr_scan_step(dmr_engine* engine) { return engine->scanner().step(*engine); }

int dmr_scan_wanted(const dmr_engine* engine) { return engine->scanner().wanted(*engine); }

int dmr_scan_found(const dmr_engine* engine) { return !engine->scanner().findings().empty(); }

int dmr_engine_mend_found(dmr_engine* engine) { return engine->mend_found(); }

int dmr_scan_control(dmr_engine* engine, dmr_scan_command command) {
  return engine->scanner().control(*engine, command);
}

const char* dmr_scan_state_name(dmr_scan_state state) {
  constexpr const char* kNames[] = {"idle", "running", "paused", "off"};
  return kNames[state];
}

dmr_u32 dmr_engine_config(const dmr_engine* engine, dmr_config config) {
  return engine->config(config);
}

void dmr_engine_config_set(dmr_engine* engine, dmr_config config, dmr_u32 value) {
  engine->set_config(config, value);
}

void dmr_engine_resume_remap(dmr_engine* engine) { engine->resume_remap(); }

void dmr_spare_written(dmr_engine* engine) { engine->spare_written(); }

dmr_flush_action dmr_spare_flush_begin(dmr_engine* engine, dmr_u64* ticket) {
  return engine->flush_begin(*ticket);
}

void dmr_spare_flush_end(dmr_engine* engine, dmr_u64 ticket, dmr_sts sts) {
  engine->flush_end(ticket, sts);
}

dmr_u32 dmr_engine_repair(dmr_engine* engine) { return engine->repair(); }

const char* dmr_state_name(dmr_state state) {
  switch (state) {
    case DMR_STATE_INACTIVE:
      return "inactive";
    case DMR_STATE_MAIN_FAILED:
      return "main_failed";
    case DMR_STATE_METADATA_RO:
      return "metadata_ro";
    case DMR_STATE_SPARE_FULL:
      return "spare_full";
    case DMR_STATE_DEGRADED:
      return "degraded";
    case DMR_STATE_OK:
      return "ok";
  }
  return "unknown";
}

const char* dmr_health_name(dmr_health health) {
  constexpr const char* kNames[] = {"healthy", "watch", "failing", "failed"};
  return kNames[health];
}

const char* dmr_trend_name(dmr_trend trend) {
  constexpr const char* kNames[] = {"improving", "stable", "worsening"};
  return kNames[trend];
}

const char* dmr_copy_name(dmr_copy copy) {
  constexpr const char* kNames[] = {"good", "stale", "damaged"};
  return kNames[copy];
}

void dmr_engine_status(const dmr_engine* engine, dmr_status* status) { engine->status(*status); }

dmr_u32 dmr_engine_list(const dmr_engine* engine, dmr_u64 from, dmr_u64 count,
                        dmr_list_entry* entries, dmr_u32 capacity) {
  return engine->list(from, count, entries, capacity);
}

}  // extern "C"
