// SPDX-License-Identifier: GPL-2.0
//
// Fuzzes the optional arguments of the table line. What is accepted must be in range, and written
// out again must be accepted and mean the same.
#include <cstring>

#include "core/format.h"
#include "dm_remap/core.h"
#include "must.h"
#include "words.h"

namespace fuzz {

const std::vector<std::string> vocabulary = {
    "format", "adopt_main", "accept_single_copy", "read_only_metadata", "no_auto_remap", "uuid",
    "01234567-89ab-cdef-0123-456789abcdef", "label", "name.of-a_disk", std::string(63, 'x'),
    "read_retries", "remap_burst", "remap_burst_seconds", "auto_remap", "scan_enabled",
    "scan_chunk_kib", "verify_writes", "off", "near", "all", "debug_level"};
const bool counted = true;
const size_t head_bytes = 0;

}  // namespace fuzz

namespace {

using fuzz::Words;

void check_values(const dmr_arguments& a) {
  for (uint32_t i = 0; i < DMR_CONFIG_COUNT; ++i) {
    const dmr_config_rule* const rule = dmr_config_rule_of(static_cast<dmr_config>(i));
    MUST(rule->min <= rule->normal && rule->normal <= rule->max);
    if (a.config_given >> i & 1)
      MUST(a.config[i] >= rule->min && a.config[i] <= rule->max);
    else
      MUST(a.config[i] == 0);
  }
  MUST(a.config_given >> DMR_CONFIG_COUNT == 0);
  MUST(!(a.format && a.uuid_given));
  // It stands in the table line, and in the header, as it is.
  const size_t length = strnlen(a.label, sizeof a.label);
  MUST(length < sizeof a.label);
  for (size_t i = 0; i < sizeof a.label; ++i)
    MUST(i < length ? dmr::label_character(a.label[i]) : a.label[i] == 0);
}

std::vector<std::string> written_out(const dmr_arguments& a) {
  std::vector<std::string> words = {""};
  if (a.format) words.push_back("format");
  if (a.adopt_main) words.push_back("adopt_main");
  if (a.accept_single_copy) words.push_back("accept_single_copy");
  if (a.read_only_metadata) words.push_back("read_only_metadata");
  if (a.uuid_given) {
    char text[DMR_UUID_TEXT_BYTES];
    dmr_uuid_format(a.uuid, text);
    words.insert(words.end(), {"uuid", text});
  }
  if (a.label[0] != 0) words.insert(words.end(), {"label", a.label});
  for (uint32_t i = 0; i < DMR_CONFIG_COUNT; ++i) {
    const auto config = static_cast<dmr_config>(i);
    char text[DMR_CONFIG_TEXT_BYTES];
    if (a.config_given >> i & 1)
      words.insert(words.end(), {dmr_config_rule_of(config)->name,
                                 dmr_config_print(config, a.config[i], text)});
  }
  words[0] = std::to_string(words.size() - 1);
  return words;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Words words(fuzz::split(data, size));
  dmr_arguments parsed;
  std::memset(&parsed, 0xa5, sizeof parsed);
  dmr_u32 bad = ~0u;
  const char* const error = dmr_arguments_parse(&parsed, words.argc(), words.argv(), &bad);
  MUST(bad <= words.argc());
  if (error != nullptr) {
    MUST(error[0] != 0);
    return 0;
  }
  check_values(parsed);

  const Words again(written_out(parsed));
  dmr_arguments second;
  std::memset(&second, 0x5a, sizeof second);
  MUST(dmr_arguments_parse(&second, again.argc(), again.argv(), &bad) == nullptr);
  MUST(std::memcmp(&parsed, &second, sizeof parsed) == 0);
  return 0;
}
