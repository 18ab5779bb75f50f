// SPDX-License-Identifier: GPL-2.0
//
// Words of table lines and messages. Pure.
#pragma once

#include "base.h"

namespace dmr {

inline bool same_text(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

// False unless all of @text is decimal digits, and their number fits 64 bits.
inline bool parse_number(const char* text, u64& value) {
  constexpr u64 kMax = ~u64{0};
  u64 number = 0;
  const char* at = text;
  for (; *at >= '0' && *at <= '9'; ++at) {
    const u64 digit = static_cast<u64>(*at - '0');
    if (number > (kMax - digit) / 10) return false;
    number = 10 * number + digit;
  }
  if (at == text || *at != 0) return false;
  value = number;
  return true;
}

// In decimal digits; @text takes up to 20 and the terminator.
inline void print_number(u64 value, char* text) {
  char digits[20];
  u32 count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  for (u32 i = 0; i < count; ++i) text[i] = digits[count - 1 - i];
  text[count] = 0;
}

}  // namespace dmr
