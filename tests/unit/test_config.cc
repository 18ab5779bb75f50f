// SPDX-License-Identifier: GPL-2.0
//
// What can be set: names, ranges, words, and that values survive being printed.
#include "dm_remap/config.h"
#include "support.h"

namespace test {
namespace {

constexpr uint32_t kUntouched = 0xabcdef;

std::string printed(dmr_config config, uint32_t value) {
  char text[DMR_CONFIG_TEXT_BYTES];
  memset(text, 'x', sizeof text);
  return dmr_config_print(config, value, text);
}

// What @text sets; kUntouched if it is refused.
uint32_t parsed(dmr_config config, const char* text) {
  uint32_t value = kUntouched;
  const bool ok = dmr_config_parse(config, text, &value) != 0;
  assert_int_equal(ok, value != kUntouched);
  return value;
}

struct Expected {
  const char* name;
  uint32_t normal, min, max;
};

// The contract, written down a second time.
constexpr Expected kExpected[] = {
    {"read_retries", 3, 0, 100},
    {"remap_burst", 4096, 1, 1000000},
    {"remap_burst_seconds", 60, 1, 86400},
    {"auto_remap", 1, 0, 1},
    {"scan_enabled", 1, 0, 1},
    {"scan_interval_hours", 168, 1, 87600},
    {"scan_chunk_kib", 1024, 4, 4096},
    {"scan_duty_ppm", 10000, 1, 1000000},
    {"scan_idle_duty_ppm", 100000, 1, 1000000},
    {"slow_read_ms", 1000, 1, 600000},
    {"verify_writes", DMR_VERIFY_NEAR, DMR_VERIFY_OFF, DMR_VERIFY_ALL},
    {"spare_low_percent", 80, 1, 100},
    {"debug_level", 0, 0, 3},
    {"auto_scan", 1, 0, 1},
};

void names_defaults_and_ranges(void**) {
  assert_int_equal(std::size(kExpected), DMR_CONFIG_ALL);
  for (uint32_t i = 0; i < DMR_CONFIG_ALL; ++i) {
    const dmr_config_rule& rule = *dmr_config_rule_of(static_cast<dmr_config>(i));
    assert_string_equal(rule.name, kExpected[i].name);
    assert_int_equal(rule.normal, kExpected[i].normal);
    assert_int_equal(rule.min, kExpected[i].min);
    assert_int_equal(rule.max, kExpected[i].max);
    assert_int_equal(dmr_config_find(rule.name), i);
  }
  for (const char* name : {"", "read_retrie", "read_retries2", "READ_RETRIES", "format"})
    assert_int_equal(dmr_config_find(name), DMR_CONFIG_ALL);
}

void numbers(void**) {
  for (uint32_t i = 0; i < DMR_CONFIG_ALL; ++i) {
    const auto config = static_cast<dmr_config>(i);
    const dmr_config_rule& rule = *dmr_config_rule_of(config);
    if (rule.words != nullptr) continue;
    for (const uint32_t value : {rule.min, rule.normal, rule.max}) {
      assert_string_equal(printed(config, value).c_str(), std::to_string(value).c_str());
      assert_int_equal(parsed(config, printed(config, value).c_str()), value);
    }
    assert_int_equal(parsed(config, std::to_string(rule.max + 1).c_str()), kUntouched);
    if (rule.min != 0)
      assert_int_equal(parsed(config, std::to_string(rule.min - 1).c_str()), kUntouched);
    for (const char* text : {"", " ", "-1", "+1", "1 ", " 1", "1\n", "0x1", "1k", "near",
                             "4294967297", "18446744073709551617"})
      assert_int_equal(parsed(config, text), kUntouched);
  }
}

void words(void**) {
  const auto config = DMR_CONFIG_VERIFY_WRITES;
  assert_int_equal(parsed(config, "off"), DMR_VERIFY_OFF);
  assert_int_equal(parsed(config, "near"), DMR_VERIFY_NEAR);
  assert_int_equal(parsed(config, "all"), DMR_VERIFY_ALL);
  for (const char* text : {"", "0", "1", "2", "Near", "nearly", "al", "off "})
    assert_int_equal(parsed(config, text), kUntouched);
  assert_string_equal(printed(config, DMR_VERIFY_OFF).c_str(), "off");
  assert_string_equal(printed(config, DMR_VERIFY_NEAR).c_str(), "near");
  assert_string_equal(printed(config, DMR_VERIFY_ALL).c_str(), "all");
}

void a_live_target_changes_at_once(void**) {
  Pair pair;
  pair.must_open(Arguments().with_config(DMR_CONFIG_READ_RETRIES, 7));
  for (uint32_t i = 0; i < DMR_CONFIG_COUNT; ++i) {
    const auto config = static_cast<dmr_config>(i);
    const uint32_t normal = dmr_config_rule_of(config)->normal;
    const uint32_t max = dmr_config_rule_of(config)->max;
    assert_int_equal(dmr_engine_config(pair.target->engine(), config),
                     config == DMR_CONFIG_READ_RETRIES ? 7 : normal);
    dmr_engine_config_set(pair.target->engine(), config, max);
    assert_int_equal(dmr_engine_config(pair.target->engine(), config), max);
    assert_int_equal(pair.status().config[i], max);
  }
  // In effect: a disk that may redirect does, one that may not does not.
  pair.main().inject(write_fault(800));
  dmr_engine_config_set(pair.target->engine(), DMR_CONFIG_AUTO_REMAP, 0);
  assert_int_not_equal(pair.write(800, 1), DMR_STS_OK);
  dmr_engine_config_set(pair.target->engine(), DMR_CONFIG_AUTO_REMAP, 1);
  assert_int_equal(pair.write(800, 1), DMR_STS_OK);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(names_defaults_and_ranges),
      cmocka_unit_test(numbers),
      cmocka_unit_test(words),
      cmocka_unit_test(a_live_target_changes_at_once),
  };
  return cmocka_run_group_tests_name("config", tests, nullptr, nullptr);
}
