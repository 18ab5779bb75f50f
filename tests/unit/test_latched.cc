// SPDX-License-Identifier: GPL-2.0
//
// Latched: one thread stores, others load at any time, and none sees half of two records.
#include "core/base.h"

#include <atomic>
#include <thread>

#include "support.h"

namespace test {
namespace {

struct Record {
  uint64_t words[6];
};

void no_record_is_half_old_and_half_new(void**) {
  dmr::Latched<Record> latched;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (uint64_t n = 1; !stop; ++n) latched.store(Record{{n, n, n, n, n, n}});
  });
  uint64_t before = 0;
  uint64_t changes = 0;
  // For as long as it takes to have seen many.
  while (changes < 10000) {
    const Record record = latched.load();
    for (const uint64_t word : record.words) assert_int_equal(word, record.words[0]);
    assert_true(record.words[0] >= before);
    changes += record.words[0] != before;
    before = record.words[0];
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(no_record_is_half_old_and_half_new),
  };
  return cmocka_run_group_tests_name("latched", tests, nullptr, nullptr);
}
