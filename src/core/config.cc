// SPDX-License-Identifier: GPL-2.0
//
// What can be set, and how it is written. Pure; any context.
#include "dm_remap/config.h"

#include "text.h"

namespace dmr {
namespace {

constexpr const char* kVerifyWords[] = {"off", "near", "all"};

constexpr dmr_config_rule kRules[DMR_CONFIG_ALL] = {
    {"read_retries", 3, 0, 100, nullptr},
    {"remap_burst", 4096, 1, 1000000, nullptr},
    {"remap_burst_seconds", 60, 1, 86400, nullptr},
    {"auto_remap", 1, 0, 1, nullptr},
    {"scan_enabled", 1, 0, 1, nullptr},
    {"scan_interval_hours", 168, 1, 87600, nullptr},
    {"scan_chunk_kib", 1024, 4, 4096, nullptr},
    {"scan_duty_ppm", 10000, 1, 1000000, nullptr},
    {"scan_idle_duty_ppm", 100000, 1, 1000000, nullptr},
    {"slow_read_ms", 1000, 1, 600000, nullptr},
    {"verify_writes", DMR_VERIFY_NEAR, DMR_VERIFY_OFF, DMR_VERIFY_ALL, kVerifyWords},
    {"spare_low_percent", 80, 1, 100, nullptr},
    {"debug_level", 0, 0, 3, nullptr},
    {"auto_scan", 1, 0, 1, nullptr},
};

bool parse_value(const dmr_config_rule& rule, const char* text, u32& value) {
  if (rule.words != nullptr) {
    for (u32 i = rule.min; i <= rule.max; ++i) {
      if (!same_text(text, rule.words[i - rule.min])) continue;
      value = i;
      return true;
    }
    return false;
  }
  u64 number = 0;
  if (!parse_number(text, number) || number < rule.min || number > rule.max) return false;
  value = static_cast<u32>(number);
  return true;
}

}  // namespace
}  // namespace dmr

extern "C" {

const dmr_config_rule* dmr_config_rule_of(dmr_config config) {
  return &dmr::kRules[config];
}

dmr_config dmr_config_find(const char* name) {
  dmr_u32 i = 0;
  while (i < DMR_CONFIG_ALL && !dmr::same_text(name, dmr::kRules[i].name)) ++i;
  return static_cast<dmr_config>(i);
}

int dmr_config_parse(dmr_config config, const char* text, dmr_u32* value) {
  return dmr::parse_value(dmr::kRules[config], text, *value);
}

const char* dmr_config_print(dmr_config config, dmr_u32 value, char text[DMR_CONFIG_TEXT_BYTES]) {
  const dmr_config_rule& rule = dmr::kRules[config];
  if (rule.words != nullptr) {
    // A copy: whoever asks may change it.
    const char* const word = rule.words[value - rule.min];
    dmr_u32 length = 0;
    for (; word[length] != 0; ++length) text[length] = word[length];
    text[length] = 0;
    return text;
  }
  dmr::print_number(value, text);
  return text;
}

}  // extern "C"
