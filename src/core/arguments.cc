// SPDX-License-Identifier: GPL-2.0
//
// The optional arguments of the table line. Pure. Whatever is not known is refused by name; nothing
// is accepted and ignored.
#include "dm_remap/core.h"
#include "format.h"
#include "text.h"

namespace dmr {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Whether a dash stands before byte @i of a UUID's text.
bool dash_before(u32 i) { return i == 4 || i == 6 || i == 8 || i == 10; }

bool parse_uuid(const char* text, u8 (&uuid)[DMR_UUID_BYTES]) {
  for (u32 i = 0; i < DMR_UUID_BYTES; ++i) {
    if (dash_before(i) && *text++ != '-') return false;
    const int high = hex_value(text[0]);
    const int low = high < 0 ? -1 : hex_value(text[1]);
    if (low < 0) return false;
    uuid[i] = static_cast<u8>(high << 4 | low);
    text += 2;
  }
  return *text == 0;
}

bool parse_label(const char* text, char (&label)[DMR_LABEL_BYTES]) {
  u32 length = 0;
  for (; text[length] != 0; ++length) {
    if (!label_character(text[length]) || length + 1 >= DMR_LABEL_BYTES) return false;
    label[length] = text[length];
  }
  return length != 0;
}

// The words that are left, one after the other.
struct Words {
  u32 argc;
  const char* const* argv;
  u32 at;

  // The next word, or nullptr.
  const char* next() { return at < argc ? argv[at++] : nullptr; }
};

void set_config(dmr_arguments& a, dmr_config config, u32 value) {
  a.config[config] = value;
  a.config_given |= 1u << config;
}

// What is wrong with the value of @config, or nullptr.
const char* parse_config(dmr_arguments& a, dmr_config config, Words& words) {
  if (config >= DMR_CONFIG_COUNT) return "argument is the module's, not a target's";
  const char* const text = words.next();
  if (text == nullptr) return "argument lacks its value";
  u32 value = 0;
  if (!dmr_config_parse(config, text, &value))
    return "value is not in the argument's range";
  set_config(a, config, value);
  return nullptr;
}

const char* parse_one(dmr_arguments& a, Words& words) {
  const char* const name = words.next();
  const dmr_config config = dmr_config_find(name);
  if (same_text(name, "format")) {
    a.format = 1;
  } else if (same_text(name, "adopt_main")) {
    a.adopt_main = 1;
  } else if (same_text(name, "accept_single_copy")) {
    a.accept_single_copy = 1;
  } else if (same_text(name, "read_only_metadata")) {
    a.read_only_metadata = 1;
  } else if (same_text(name, "no_auto_remap")) {
    set_config(a, DMR_CONFIG_AUTO_REMAP, 0);
  } else if (config != DMR_CONFIG_ALL) {
    return parse_config(a, config, words);
  } else if (same_text(name, "uuid")) {
    const char* const value = words.next();
    if (value == nullptr) return "argument 'uuid' lacks its value";
    if (!parse_uuid(value, a.uuid)) return "argument 'uuid' is no UUID";
    a.uuid_given = 1;
  } else if (same_text(name, "label")) {
    const char* const value = words.next();
    if (value == nullptr) return "argument 'label' lacks its value";
    memset(a.label, 0, sizeof a.label);
    if (!parse_label(value, a.label)) return "argument 'label' is not 1 to 63 of A-Z a-z 0-9 . _ -";
  } else {
    return "unknown argument";
  }
  return nullptr;
}

const char* parse(dmr_arguments& a, u32 argc, const char* const* argv, u32& bad) {
  memset(&a, 0, sizeof a);
  bad = 0;
  if (argc == 0) return nullptr;
  u64 count = 0;
  if (!parse_number(argv[0], count)) return "number of optional arguments is no number";
  if (count > argc - 1) {
    bad = argc;
    return "fewer optional arguments than announced";
  }
  if (count < argc - 1) {
    bad = static_cast<u32>(count) + 1;
    return "more words than the announced optional arguments";
  }
  Words words = {argc, argv, 1};
  while (words.at < argc) {
    bad = words.at;
    const char* const error = parse_one(a, words);
    if (error != nullptr) return error;
  }
  if (a.format && a.uuid_given) return "arguments 'format' and 'uuid' exclude each other";
  bad = argc;
  return nullptr;
}

}  // namespace
}  // namespace dmr

extern "C" {

const char* dmr_arguments_parse(dmr_arguments* arguments, dmr_u32 argc, const char* const* argv,
                                dmr_u32* bad) {
  return dmr::parse(*arguments, argc, argv, *bad);
}

void dmr_uuid_format(const dmr_u8 uuid[DMR_UUID_BYTES], char text[DMR_UUID_TEXT_BYTES]) {
  constexpr char kHex[] = "0123456789abcdef";
  for (dmr_u32 i = 0; i < DMR_UUID_BYTES; ++i) {
    if (dmr::dash_before(i)) *text++ = '-';
    *text++ = kHex[uuid[i] >> 4];
    *text++ = kHex[uuid[i] & 15];
  }
  *text = 0;
}

}  // extern "C"
