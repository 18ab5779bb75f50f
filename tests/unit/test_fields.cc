// SPDX-License-Identifier: GPL-2.0
//
// What a target says of itself, as text.
#include "dm_remap/fields.h"

#include <cstring>
#include <set>
#include <string>

#include "support.h"

namespace test {
namespace {

std::string text_of(dmr_field field, const dmr_status& status) {
  char text[DMR_FIELD_TEXT_BYTES];
  memset(text, 'x', sizeof text);
  assert_ptr_equal(dmr_field_print(field, &status, text), text);
  assert_non_null(memchr(text, 0, sizeof text));
  return text;
}

void is(dmr_field field, const dmr_status& status, const char* text) {
  assert_string_equal(text_of(field, status).c_str(), text);
}

void each_has_a_name_of_its_own(void**) {
  std::set<std::string> files, stats;
  for (unsigned i = 0; i < DMR_FIELD_COUNT; ++i) {
    const dmr_field_rule& rule = *dmr_field_rule_of(static_cast<dmr_field>(i));
    assert_true(files.insert(std::to_string(rule.directory) + "/" + rule.name).second);
    assert_true(rule.stats == nullptr || stats.insert(rule.stats).second);
    assert_true(rule.stats != nullptr || rule.directory != DMR_DIRECTORY_NONE);
  }
}

// Every number is shown by one field, and that one alone: each is given another value in turn.
void numbers_are_whole_and_their_own(void**) {
  dmr_status status = {};
  const struct {
    dmr_field field;
    dmr_u64* wide;
    dmr_u32* narrow;
  } numbers[] = {
      {DMR_FIELD_READ_ERRORS, &status.main_read_errors, nullptr},
      {DMR_FIELD_WRITE_ERRORS, &status.main_write_errors, nullptr},
      {DMR_FIELD_REMAPS, &status.remaps, nullptr},
      {DMR_FIELD_LOST_SECTORS, &status.lost_sectors, nullptr},
      {DMR_FIELD_SALVAGED, &status.salvaged, nullptr},
      {DMR_FIELD_RETIRED_SLOTS, nullptr, &status.slots_retired},
      {DMR_FIELD_COMMITS, &status.commits, nullptr},
      {DMR_FIELD_SEQUENCE, &status.sequence, nullptr},
      {DMR_FIELD_GOOD_COPIES, nullptr, &status.good_copies},
      {DMR_FIELD_REPAIRS, &status.repairs, nullptr},
      {DMR_FIELD_SLOTS_TOTAL, nullptr, &status.slots_total},
      {DMR_FIELD_SLOTS_USED, nullptr, &status.slots_used},
      {DMR_FIELD_SCORE, nullptr, &status.score},
      {DMR_FIELD_SLOW_READS, &status.slow_reads, nullptr},
      {DMR_FIELD_RETRIES, &status.retries, nullptr},
      {DMR_FIELD_SCAN_POSITION, &status.scan_position, nullptr},
      {DMR_FIELD_SCAN_PASSES, &status.scan_passes, nullptr},
      {DMR_FIELD_SCAN_ERRORS, &status.scan_errors, nullptr},
      {DMR_FIELD_OVERHEAD_PPM, nullptr, &status.overhead_ppm},
      {DMR_FIELD_EXPECTED_PASS_HOURS, &status.expected_pass_hours, nullptr},
  };
  for (const auto& number : numbers) {
    is(number.field, status, "0");
    if (number.wide != nullptr) *number.wide = ~0ull;
    if (number.narrow != nullptr) *number.narrow = ~0u;
    is(number.field, status, number.wide != nullptr ? "18446744073709551615" : "4294967295");
    unsigned changed = 0;
    for (const auto& other : numbers) changed += text_of(other.field, status) != "0";
    assert_int_equal(changed, 1);
    if (number.wide != nullptr) *number.wide = 0;
    if (number.narrow != nullptr) *number.narrow = 0;
  }
}

void words_and_hours(void**) {
  dmr_status status = {};
  is(DMR_FIELD_UUID, status, "00000000-0000-0000-0000-000000000000");
  is(DMR_FIELD_LABEL, status, "");
  memset(status.label, 'l', DMR_LABEL_BYTES - 1);
  is(DMR_FIELD_LABEL, status, std::string(63, 'l').c_str());
  status.state = DMR_STATE_METADATA_RO;
  is(DMR_FIELD_STATE, status, "metadata_ro");
  status.health = DMR_HEALTH_FAILING;
  is(DMR_FIELD_HEALTH, status, "failing");
  status.trend = DMR_TREND_WORSENING;
  is(DMR_FIELD_TREND, status, "worsening");
  status.scan_state = DMR_SCAN_PAUSED;
  is(DMR_FIELD_SCAN_STATE, status, "paused");
  status.exhaustion_hours = -1;
  is(DMR_FIELD_EXHAUSTION_HOURS, status, "-1");
  status.exhaustion_hours = 87600;
  is(DMR_FIELD_EXHAUSTION_HOURS, status, "87600");
}

void copies_are_five_words(void**) {
  dmr_status status = {};
  is(DMR_FIELD_COPIES, status, "good good good good good");
  for (dmr_u8& copy : status.copies) copy = DMR_COPY_DAMAGED;
  is(DMR_FIELD_COPIES, status, "damaged damaged damaged damaged damaged");
  status.copies[3] = DMR_COPY_STALE;
  status.copies[0] = DMR_COPY_GOOD;
  is(DMR_FIELD_COPIES, status, "good damaged damaged stale damaged");
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(each_has_a_name_of_its_own),
      cmocka_unit_test(numbers_are_whole_and_their_own),
      cmocka_unit_test(words_and_hours),
      cmocka_unit_test(copies_are_five_words),
  };
  return cmocka_run_group_tests_name("fields", tests, nullptr, nullptr);
}
