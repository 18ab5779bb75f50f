// SPDX-License-Identifier: GPL-2.0
//
// Fuzzes messages: the first eight bytes are the target's size, the rest the message. What is
// accepted lies within the target and is what a reader of decimal numbers of any length makes of
// the words.
#include <algorithm>
#include <cstring>

#include "dm_remap/core.h"
#include "must.h"
#include "words.h"

namespace fuzz {

const std::vector<std::string> vocabulary = {"list", "stats", "repair", "remap", "unmap", "retest",
                                             "resume_remap", "scan", "start", "stop", "pause", "resume"};
const bool counted = false;
const size_t head_bytes = sizeof(uint64_t);

}  // namespace fuzz

namespace {

using fuzz::Words;

// The digits without zeros in front: equal texts are equal numbers.
std::string digits_of(const std::string& word) {
  const size_t first = word.find_first_not_of('0');
  return first == std::string::npos ? "0" : word.substr(first);
}

bool is_number(const std::string& word) {
  return word.find_first_not_of("0123456789") == std::string::npos;
}

void check(const dmr_message& message, uint64_t target_sectors, const Words& words) {
  MUST(words.argc() >= 1 && words.argc() <= 3);
  if (message.kind == DMR_MESSAGE_STATS || message.kind == DMR_MESSAGE_REPAIR ||
      message.kind == DMR_MESSAGE_RESUME_REMAP) {
    MUST(words.argc() == 1 && message.from == 0 && message.count == 0);
    return;
  }
  if (message.kind == DMR_MESSAGE_SCAN) {
    const char* const names[] = {"start", "stop", "pause", "resume"};
    MUST(words.argc() == 2 && message.scan <= DMR_SCAN_RESUME);
    MUST(words.at(1) == names[message.scan]);
    return;
  }
  MUST(message.from <= target_sectors && message.count <= target_sectors - message.from);
  const bool is_list = message.kind == DMR_MESSAGE_LIST;
  if (!is_list && words.argc() > 1) MUST(message.from < target_sectors && message.count > 0);
  for (uint32_t i = 1; i < words.argc(); ++i) MUST(is_number(words.at(i)));
  MUST(std::to_string(message.from) == (words.argc() > 1 ? digits_of(words.at(1)) : "0"));
  if (words.argc() > 2 && !(is_list && message.count == target_sectors - message.from))
    MUST(std::to_string(message.count) == digits_of(words.at(2)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint64_t target_sectors = 0;
  const size_t head = std::min(size, fuzz::head_bytes);
  if (head != 0) std::memcpy(&target_sectors, data, head);
  // As table lines have it.
  target_sectors = target_sectors % DMR_MAIN_MAX_SECTORS + 1;
  const Words words(fuzz::split(data + head, size - head));

  dmr_message message;
  std::memset(&message, 0xa5, sizeof message);
  const char* const error =
      dmr_message_parse(&message, target_sectors, words.argc(), words.argv());
  if (error != nullptr)
    MUST(error[0] != 0);
  else
    check(message, target_sectors, words);
  return 0;
}
