// SPDX-License-Identifier: GPL-2.0
//
// The optional arguments of the table line.
#include "support.h"

namespace test {
namespace {

constexpr const char* kUuid = "00112233-4455-6677-8899-aabbccddeeff";

struct Parsed {
  dmr_arguments arguments;
  std::string error;  // empty: none
  uint32_t bad;
};

Parsed parse(const std::vector<const char*>& words) {
  Parsed parsed;
  memset(&parsed.arguments, 0xcc, sizeof parsed.arguments);  // nothing may be left of it
  parsed.bad = 0xcccc;
  const char* const error = dmr_arguments_parse(
      &parsed.arguments, static_cast<dmr_u32>(words.size()), words.data(), &parsed.bad);
  parsed.error = error == nullptr ? "" : error;
  return parsed;
}

bool is_default(const dmr_arguments& arguments) {
  const dmr_arguments zero = {};
  return memcmp(&arguments, &zero, sizeof zero) == 0;
}

// Refused, the word at @bad being at fault, for a reason that contains @word.
void refused(const std::vector<const char*>& words, uint32_t bad, const char* word) {
  const Parsed parsed = parse(words);
  CHECK(!parsed.error.empty(), "accepted");
  CHECK(parsed.bad == bad, "word %u, not %u: %s", parsed.bad, bad, parsed.error.c_str());
  CHECK(parsed.error.find(word) != std::string::npos, "%s", parsed.error.c_str());
}

void none_at_all(void**) {
  for (const auto& words : {std::vector<const char*>{}, std::vector<const char*>{"0"}}) {
    const Parsed parsed = parse(words);
    assert_string_equal(parsed.error.c_str(), "");
    assert_true(is_default(parsed.arguments));
  }
}

void each_by_itself(void**) {
  Parsed parsed = parse({"1", "format"});
  assert_string_equal(parsed.error.c_str(), "");
  assert_int_equal(parsed.arguments.format, 1);
  parsed.arguments.format = 0;
  assert_true(is_default(parsed.arguments));
  parsed = parse({"1", "adopt_main"});
  assert_int_equal(parsed.arguments.adopt_main, 1);
  parsed.arguments.adopt_main = 0;
  assert_true(is_default(parsed.arguments));
  parsed = parse({"1", "accept_single_copy"});
  assert_int_equal(parsed.arguments.accept_single_copy, 1);
  parsed.arguments.accept_single_copy = 0;
  assert_true(is_default(parsed.arguments));
  parsed = parse({"2", "uuid", kUuid});
  assert_string_equal(parsed.error.c_str(), "");
  assert_int_equal(parsed.arguments.uuid_given, 1);
  for (uint32_t i = 0; i < DMR_UUID_BYTES; ++i) assert_int_equal(parsed.arguments.uuid[i], i * 17);
  parsed = parse({"2", "label", "A-z_0.9"});
  assert_string_equal(parsed.arguments.label, "A-z_0.9");
}

void together_in_any_order(void**) {
  const Parsed parsed =
      parse({"6", "label", "disk", "adopt_main", "uuid", kUuid, "accept_single_copy"});
  assert_string_equal(parsed.error.c_str(), "");
  assert_string_equal(parsed.arguments.label, "disk");
  assert_int_equal(parsed.arguments.uuid_given, 1);
  assert_int_equal(parsed.arguments.adopt_main, 1);
  assert_int_equal(parsed.arguments.accept_single_copy, 1);
}

void the_count(void**) {
  refused({"x"}, 0, "number");
  refused({""}, 0, "number");
  refused({"-1"}, 0, "number");
  refused({"+1", "format"}, 0, "number");
  refused({"1x", "format"}, 0, "number");
  refused({" 1", "format"}, 0, "number");
  refused({"0x1", "format"}, 0, "number");
  refused({"4294967297", "format"}, 2, "fewer");
  refused({"99999999999999999999", "format"}, 0, "number");
  refused({"format"}, 0, "number");
  refused({"1"}, 1, "fewer");
  refused({"3", "format", "adopt_main"}, 3, "fewer");
  refused({"999999999", "format"}, 2, "fewer");
  refused({"0", "format"}, 1, "more");
  refused({"1", "format", "adopt_main"}, 2, "more");
  assert_string_equal(parse({"01", "format"}).error.c_str(), "");
}

void values_that_are_missing(void**) {
  refused({"1", "uuid"}, 1, "lacks");
  refused({"1", "label"}, 1, "lacks");
  refused({"2", "format", "label"}, 2, "lacks");
}

void uuids(void**) {
  assert_string_equal(parse({"2", "uuid", "00112233-4455-6677-8899-AABBCCDDEEFF"}).error.c_str(),
                      "");
  for (const char* bad :
       {"", "-", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0", "00112233-4455-6677-8899-aabbccddeeff-",
        "00112233-4455-6677-8899aabbccddeeff", "0011223-34455-6677-8899-aabbccddeeff",
        "g0112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg",
        "{0112233-4455-6677-8899-aabbccddeef}", "00112233-4455-6677-8899-aabbccddeef ", "0"})
    refused({"2", "uuid", bad}, 1, "no UUID");
}

void labels(void**) {
  const std::string longest(63, 'x'), too_long(64, 'x'), far_too_long(5000, 'x');
  const Parsed parsed = parse({"2", "label", longest.c_str()});
  assert_string_equal(parsed.error.c_str(), "");
  assert_string_equal(parsed.arguments.label, longest.c_str());
  refused({"2", "label", too_long.c_str()}, 1, "label");
  refused({"2", "label", far_too_long.c_str()}, 1, "label");
  for (const char* bad : {"", "a b", "a/b", "\xc3\xa4", "a\n", "%s", "a\"", "\x7f"})
    refused({"2", "label", bad}, 1, "label");
  for (int c = 1; c < 256; ++c) {
    const char text[] = {'a', static_cast<char>(c), 0};
    const bool allowed = c < 128 && (isalnum(c) || c == '.' || c == '_' || c == '-');
    assert_int_equal(parse({"2", "label", text}).error.empty(), allowed);
  }
  // Of two the last one counts, and nothing of the first is left.
  const Parsed twice = parse({"4", "label", "longer", "label", "b"});
  assert_string_equal(twice.arguments.label, "b");
  assert_int_equal(twice.arguments.label[2], 0);
}

void what_is_unknown_is_refused(void**) {
  refused({"1", "frobnicate"}, 1, "unknown");
  refused({"1", ""}, 1, "unknown");
  refused({"1", "Format"}, 1, "unknown");
  refused({"1", "format2"}, 1, "unknown");
  refused({"1", "form"}, 1, "unknown");
  refused({"2", "format", "frobnicate"}, 2, "unknown");
  refused({"3", "label", "a", "frobnicate"}, 3, "unknown");
}

void what_is_the_modules_is_no_argument(void**) {
  refused({"2", "debug_level", "1"}, 1, "module");
  refused({"3", "format", "debug_level", "1"}, 2, "module");
}

void each_configuration_has_its_range(void**) {
  for (uint32_t i = 0; i < DMR_CONFIG_COUNT; ++i) {
    const auto config = static_cast<dmr_config>(i);
    const dmr_config_rule& rule = *dmr_config_rule_of(config);
    for (const uint32_t value : {rule.min, rule.normal, rule.max}) {
      char text[DMR_CONFIG_TEXT_BYTES];
      const Parsed parsed = parse({"2", rule.name, dmr_config_print(config, value, text)});
      assert_true(parsed.error.empty());
      assert_int_equal(parsed.arguments.config_given, 1u << i);
      assert_int_equal(parsed.arguments.config[i], value);
    }
    const std::string above = std::to_string(uint64_t{rule.max} + 1);
    refused({"2", rule.name, above.c_str()}, 1, "range");
    if (rule.min > 0) refused({"2", rule.name, "0"}, 1, "range");
    for (const char* word : {"-1", "x", "1x", "0x1", "4294967297", "18446744073709551617"})
      refused({"2", rule.name, word}, 1, "range");
    refused({"1", rule.name}, 1, "lacks");
  }
}

void no_auto_remap_is_auto_remap_0(void**) {
  const Parsed parsed = parse({"2", "no_auto_remap", "read_only_metadata"});
  assert_true(parsed.error.empty());
  assert_int_equal(parsed.arguments.config_given, 1u << DMR_CONFIG_AUTO_REMAP);
  assert_int_equal(parsed.arguments.config[DMR_CONFIG_AUTO_REMAP], 0);
  assert_int_equal(parsed.arguments.read_only_metadata, 1);
}

void format_and_uuid_exclude_each_other(void**) {
  const Parsed parsed = parse({"3", "format", "uuid", kUuid});
  assert_true(parsed.error.find("exclude") != std::string::npos);
}

void round_trip_of_uuids(void**) {
  const Parsed parsed = parse({"2", "uuid", kUuid});
  char text[DMR_UUID_TEXT_BYTES];
  dmr_uuid_format(parsed.arguments.uuid, text);
  assert_string_equal(text, kUuid);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(none_at_all),
      cmocka_unit_test(each_by_itself),
      cmocka_unit_test(together_in_any_order),
      cmocka_unit_test(the_count),
      cmocka_unit_test(values_that_are_missing),
      cmocka_unit_test(uuids),
      cmocka_unit_test(labels),
      cmocka_unit_test(what_is_unknown_is_refused),
      cmocka_unit_test(what_is_the_modules_is_no_argument),
      cmocka_unit_test(each_configuration_has_its_range),
      cmocka_unit_test(no_auto_remap_is_auto_remap_0),
      cmocka_unit_test(format_and_uuid_exclude_each_other),
      cmocka_unit_test(round_trip_of_uuids),
  };
  return cmocka_run_group_tests_name("arguments", tests, nullptr, nullptr);
}
