// SPDX-License-Identifier: GPL-2.0
//
// The words of a message: which one it is, and which sectors it is about. Pure.
#include "dm_remap/core.h"
#include "text.h"

namespace dmr {
namespace {

// What may follow the word.
enum class Range : u8 {
  kNone,
  kOne,      // <sector> [<count>], a sector if there is no count
  kOneOrAll, // the same, or nothing for all of the target
  kPart,     // [<from sector> [<count>]], cut at the target's end
  kCommand,  // a word that is no range: of the scanner
};

struct Rule {
  const char* word;
  dmr_message_kind kind;
  Range range;
};

constexpr Rule kRules[] = {
    {"list", DMR_MESSAGE_LIST, Range::kPart},
    {"stats", DMR_MESSAGE_STATS, Range::kNone},
    {"repair", DMR_MESSAGE_REPAIR, Range::kNone},
    {"remap", DMR_MESSAGE_REMAP, Range::kOne},
    {"unmap", DMR_MESSAGE_UNMAP, Range::kOne},
    {"retest", DMR_MESSAGE_RETEST, Range::kOneOrAll},
    {"resume_remap", DMR_MESSAGE_RESUME_REMAP, Range::kNone},
    {"scan", DMR_MESSAGE_SCAN, Range::kCommand},
};

// By dmr_scan_command.
constexpr const char* kScanWords[] = {"start", "stop", "pause", "resume"};

const char* parse_command(dmr_message& message, u32 argc, const char* const* argv) {
  if (argc == 2 && dmr_scan_command_parse(argv[1], &message.scan)) return nullptr;
  return "takes one of start, stop, pause and resume";
}

const char* parse_range(dmr_message& message, u64 target_sectors, Range range, u32 argc,
                        const char* const* argv) {
  if (range == Range::kCommand) return parse_command(message, argc, argv);
  if (range == Range::kNone) return argc == 1 ? nullptr : "takes no words";
  if (argc > 3) return "takes a sector and a count at most";
  message.from = 0;
  message.count = target_sectors;
  if (argc == 1) return range == Range::kOne ? "lacks a sector" : nullptr;
  if (range != Range::kPart) message.count = 1;
  if (!parse_number(argv[1], message.from)) return "sector is no number";
  if (argc > 2 && !parse_number(argv[2], message.count)) return "count is no number";
  if (range == Range::kPart) {
    if (message.from > target_sectors) return "sectors beyond the target";
    message.count = min(message.count, target_sectors - message.from);
    return nullptr;
  }
  if (message.count == 0) return "count is zero";
  if (message.from >= target_sectors || message.count > target_sectors - message.from)
    return "sectors beyond the target";
  return nullptr;
}

const char* parse(dmr_message& message, u64 target_sectors, u32 argc, const char* const* argv) {
  memset(&message, 0, sizeof message);
  if (argc == 0) return "unknown message";
  for (const Rule& rule : kRules) {
    if (!same_text(argv[0], rule.word)) continue;
    message.kind = rule.kind;
    return parse_range(message, target_sectors, rule.range, argc, argv);
  }
  return "unknown message";
}

}  // namespace
}  // namespace dmr

extern "C" int dmr_scan_command_parse(const char* text, dmr_scan_command* command) {
  for (dmr_u32 i = 0; i < sizeof dmr::kScanWords / sizeof *dmr::kScanWords; ++i) {
    if (!dmr::same_text(text, dmr::kScanWords[i])) continue;
    *command = static_cast<dmr_scan_command>(i);
    return 1;
  }
  return 0;
}

extern "C" const char* dmr_message_parse(dmr_message* message, dmr_u64 target_sectors,
                                         dmr_u32 argc, const char* const* argv) {
  return dmr::parse(*message, target_sectors, argc, argv);
}
