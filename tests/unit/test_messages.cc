// SPDX-License-Identifier: GPL-2.0
//
// The words of messages.
#include "support.h"

namespace test {
namespace {

constexpr uint64_t kTarget = 1000;

struct Parsed {
  dmr_message message;
  std::string error;  // empty: none
};

Parsed parse(const std::vector<const char*>& words, uint64_t target_sectors = kTarget) {
  Parsed parsed;
  memset(&parsed.message, 0xcc, sizeof parsed.message);
  const char* const error = dmr_message_parse(&parsed.message, target_sectors,
                                              static_cast<dmr_u32>(words.size()), words.data());
  parsed.error = error == nullptr ? "" : error;
  return parsed;
}

void accepted(const std::vector<const char*>& words, dmr_message_kind kind, uint64_t from,
              uint64_t count) {
  const Parsed parsed = parse(words);
  assert_string_equal(parsed.error.c_str(), "");
  assert_int_equal(parsed.message.kind, kind);
  assert_int_equal(parsed.message.from, from);
  assert_int_equal(parsed.message.count, count);
}

void refused(const std::vector<const char*>& words, const char* why) {
  const Parsed parsed = parse(words);
  CHECK(parsed.error.find(why) != std::string::npos, "'%s'", parsed.error.c_str());
}

void each_with_the_words_it_takes(void**) {
  accepted({"stats"}, DMR_MESSAGE_STATS, 0, 0);
  accepted({"repair"}, DMR_MESSAGE_REPAIR, 0, 0);
  accepted({"resume_remap"}, DMR_MESSAGE_RESUME_REMAP, 0, 0);
  const char* const commands[] = {"start", "stop", "pause", "resume"};
  for (uint32_t i = 0; i < std::size(commands); ++i) {
    accepted({"scan", commands[i]}, DMR_MESSAGE_SCAN, 0, 0);
    assert_int_equal(parse({"scan", commands[i]}).message.scan, i);
  }
  assert_int_equal(DMR_SCAN_START, 0);
  assert_int_equal(DMR_SCAN_RESUME, 3);
  refused({"scan"}, "takes one of");
  refused({"scan", "begin"}, "takes one of");
  refused({"scan", "start", "start"}, "takes one of");
  for (const char* word : {"stats", "repair", "resume_remap"}) refused({word, "1"}, "no words");
  for (const char* word : {"list", "remap", "unmap", "retest"})
    refused({word, "1", "2", "3"}, "at most");
}

void a_sector_and_a_count(void**) {
  accepted({"remap", "5"}, DMR_MESSAGE_REMAP, 5, 1);
  accepted({"unmap", "5", "7"}, DMR_MESSAGE_UNMAP, 5, 7);
  accepted({"retest", "5"}, DMR_MESSAGE_RETEST, 5, 1);
  accepted({"retest"}, DMR_MESSAGE_RETEST, 0, kTarget);
  refused({"remap"}, "lacks");
  refused({"unmap"}, "lacks");
}

void the_target_s_end(void**) {
  accepted({"remap", "0", "1000"}, DMR_MESSAGE_REMAP, 0, 1000);
  accepted({"remap", "999"}, DMR_MESSAGE_REMAP, 999, 1);
  refused({"remap", "1000"}, "beyond");
  refused({"remap", "999", "2"}, "beyond");
  refused({"remap", "1", "18446744073709551615"}, "beyond");
  refused({"unmap", "5", "0"}, "zero");
  // A list is cut.
  accepted({"list"}, DMR_MESSAGE_LIST, 0, kTarget);
  accepted({"list", "10"}, DMR_MESSAGE_LIST, 10, kTarget - 10);
  accepted({"list", "10", "18446744073709551615"}, DMR_MESSAGE_LIST, 10, kTarget - 10);
  accepted({"list", "1000", "1"}, DMR_MESSAGE_LIST, kTarget, 0);
  refused({"list", "1001"}, "beyond");
}

void what_is_no_number(void**) {
  for (const char* text : {"", "x", "-1", "+1", "1x", " 1", "1 ", "0x10", "18446744073709551616",
                           "99999999999999999999999999"}) {
    refused({"remap", text}, "sector is no number");
    refused({"list", "0", text}, "count is no number");
  }
  // Zeros in front change nothing.
  accepted({"remap", "00000000000000000000000000000000007"}, DMR_MESSAGE_REMAP, 7, 1);
}

void unknown_words(void**) {
  refused({}, "unknown");
  for (const char* word : {"", "lis", "list2", "LIST", "remap ", "resume"})
    refused({word}, "unknown");
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(each_with_the_words_it_takes),
      cmocka_unit_test(a_sector_and_a_count),
      cmocka_unit_test(the_target_s_end),
      cmocka_unit_test(what_is_no_number),
      cmocka_unit_test(unknown_words),
  };
  return cmocka_run_group_tests_name("messages", tests, nullptr, nullptr);
}
