// SPDX-License-Identifier: GPL-2.0
//
// A check that ends the program, and with it the fuzzer, which keeps the input.
#pragma once

#include <cstdio>
#include <cstdlib>

#define MUST(condition)                                                              \
  do {                                                                               \
    if (!(condition)) {                                                              \
      std::fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                  \
    }                                                                                \
  } while (false)
