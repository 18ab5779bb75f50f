// SPDX-License-Identifier: GPL-2.0
//
// What a target says of itself, value by value. Pure; any context.
#include "dm_remap/fields.h"

#include "text.h"

namespace dmr {
namespace {

constexpr dmr_field_rule kRules[DMR_FIELD_COUNT] = {
    {DMR_DIRECTORY_TOP, "uuid", nullptr},
    {DMR_DIRECTORY_TOP, "label", nullptr},
    {DMR_DIRECTORY_TOP, "state", nullptr},
    {DMR_DIRECTORY_STATS, "read_errors", "read_errors"},
    {DMR_DIRECTORY_STATS, "write_errors", "write_errors"},
    {DMR_DIRECTORY_STATS, "remaps", "remaps"},
    {DMR_DIRECTORY_STATS, "lost_sectors", "lost_sectors"},
    {DMR_DIRECTORY_STATS, "salvaged", "salvaged"},
    {DMR_DIRECTORY_STATS, "retired_slots", "retired_slots"},
    {DMR_DIRECTORY_STATS, "commits", "commits"},
    {DMR_DIRECTORY_METADATA, "sequence", "sequence"},
    {DMR_DIRECTORY_METADATA, "good_copies", "good_copies"},
    {DMR_DIRECTORY_METADATA, "copies", nullptr},
    {DMR_DIRECTORY_METADATA, "repairs", "repairs"},
    {DMR_DIRECTORY_METADATA, "slots_total", "slots_total"},
    {DMR_DIRECTORY_METADATA, "slots_used", "slots_used"},
    {DMR_DIRECTORY_HEALTH, "score", "score"},
    {DMR_DIRECTORY_HEALTH, "state", "health"},
    {DMR_DIRECTORY_HEALTH, "trend", "trend"},
    {DMR_DIRECTORY_HEALTH, "predicted_exhaustion_hours", "predicted_exhaustion_hours"},
    {DMR_DIRECTORY_HEALTH, "slow_reads", "slow_reads"},
    {DMR_DIRECTORY_NONE, "retries", "retries"},
    {DMR_DIRECTORY_HEALTH, "scan_state", "scan_state"},
    {DMR_DIRECTORY_HEALTH, "scan_position", "scan_position"},
    {DMR_DIRECTORY_HEALTH, "scan_passes", "scan_passes"},
    {DMR_DIRECTORY_HEALTH, "scan_errors", "scan_errors"},
    {DMR_DIRECTORY_HEALTH, "overhead_ppm", "overhead_ppm"},
    {DMR_DIRECTORY_HEALTH, "expected_pass_hours", "expected_pass_hours"},
};

constexpr u32 kCopyWordBytes = 8;  // "damaged" and a space
static_assert(kCopyWordBytes * DMR_COPIES < DMR_FIELD_TEXT_BYTES);
static_assert(DMR_LABEL_BYTES <= DMR_FIELD_TEXT_BYTES && DMR_UUID_TEXT_BYTES <= DMR_FIELD_TEXT_BYTES);

u32 print_word(const char* word, char* text) {
  u32 length = 0;
  for (; word[length] != 0; ++length) text[length] = word[length];
  text[length] = 0;
  return length;
}

void print_hours(i64 hours, char* text) {
  if (hours < 0) {
    *text++ = '-';
    hours = -hours;
  }
  print_number(static_cast<u64>(hours), text);
}

void print_copies(const dmr_status& status, char* text) {
  for (u32 c = 0; c < DMR_COPIES; ++c) {
    if (c != 0) *text++ = ' ';
    text += print_word(dmr_copy_name(static_cast<dmr_copy>(status.copies[c])), text);
  }
}

// Of those that are plain numbers.
u64 number_of(dmr_field field, const dmr_status& status) {
  switch (field) {
    case DMR_FIELD_READ_ERRORS: return status.main_read_errors;
    case DMR_FIELD_WRITE_ERRORS: return status.main_write_errors;
    case DMR_FIELD_REMAPS: return status.remaps;
    case DMR_FIELD_LOST_SECTORS: return status.lost_sectors;
    case DMR_FIELD_SALVAGED: return status.salvaged;
    case DMR_FIELD_RETIRED_SLOTS: return status.slots_retired;
    case DMR_FIELD_COMMITS: return status.commits;
    case DMR_FIELD_SEQUENCE: return status.sequence;
    case DMR_FIELD_GOOD_COPIES: return status.good_copies;
    case DMR_FIELD_REPAIRS: return status.repairs;
    case DMR_FIELD_SLOTS_TOTAL: return status.slots_total;
    case DMR_FIELD_SLOTS_USED: return status.slots_used;
    case DMR_FIELD_SCORE: return status.score;
    case DMR_FIELD_SLOW_READS: return status.slow_reads;
    case DMR_FIELD_RETRIES: return status.retries;
    case DMR_FIELD_SCAN_POSITION: return status.scan_position;
    case DMR_FIELD_SCAN_PASSES: return status.scan_passes;
    case DMR_FIELD_SCAN_ERRORS: return status.scan_errors;
    case DMR_FIELD_OVERHEAD_PPM: return status.overhead_ppm;
    case DMR_FIELD_EXPECTED_PASS_HOURS: return status.expected_pass_hours;
    default: return 0;
  }
}

void print(dmr_field field, const dmr_status& status, char* text) {
  switch (field) {
    case DMR_FIELD_UUID: return dmr_uuid_format(status.uuid, text);
    case DMR_FIELD_LABEL: print_word(status.label, text); return;
    case DMR_FIELD_STATE: print_word(dmr_state_name(status.state), text); return;
    case DMR_FIELD_HEALTH: print_word(dmr_health_name(status.health), text); return;
    case DMR_FIELD_TREND: print_word(dmr_trend_name(status.trend), text); return;
    case DMR_FIELD_SCAN_STATE: print_word(dmr_scan_state_name(status.scan_state), text); return;
    case DMR_FIELD_COPIES: return print_copies(status, text);
    case DMR_FIELD_EXHAUSTION_HOURS: return print_hours(status.exhaustion_hours, text);
    default: print_number(number_of(field, status), text); return;
  }
}

}  // namespace
}  // namespace dmr

extern "C" {

const dmr_field_rule* dmr_field_rule_of(dmr_field field) { return &dmr::kRules[field]; }

const char* dmr_field_print(dmr_field field, const dmr_status* status,
                            char text[DMR_FIELD_TEXT_BYTES]) {
  dmr::print(field, *status, text);
  return text;
}

}  // extern "C"
