// SPDX-License-Identifier: GPL-2.0
//
// The order in which slots are taken, and their counts.
#include "core/slots.h"

#include "support.h"

namespace test {
namespace {

struct Room {
  explicit Room(uint32_t total, uint32_t touched = 0) : image(), next(total) {
    table.attach(image.table.data());
    slots.attach(next.data());
    reload(total, touched);
  }
  void reload(uint32_t total, uint32_t touched) { slots.load(table, total, touched); }

  Image image;
  std::vector<dmr::u16> next;
  dmr::Table table;
  dmr::Slots slots;
};

constexpr dmr::Entry used(uint64_t block) {
  return dmr::Entry::of(dmr::Block(block), 0xff, 0);
}

void never_used_ones_first_by_number(void**) {
  Room room(10);
  for (uint32_t s = 0; s < 10; ++s) {
    assert_int_equal(room.slots.free(), 10 - s);
    assert_int_equal(room.slots.take().value(), s);
    assert_int_equal(room.slots.touched(), s + 1);
  }
  assert_int_equal(room.slots.free(), 0);
  assert_true(room.slots.take() == dmr::SlotIndex::kNone);
  assert_int_equal(room.slots.free(), 0);
}

void then_the_one_that_is_free_longest(void**) {
  Room room(6);
  for (int i = 0; i < 4; ++i) (void)room.slots.take();
  room.slots.give_back(dmr::Slot(2));
  room.slots.give_back(dmr::Slot(0));
  assert_int_equal(room.slots.free(), 4);
  for (const uint32_t expected : {4u, 5u, 2u, 0u})
    assert_int_equal(room.slots.take().value(), expected);
  assert_true(room.slots.take() == dmr::SlotIndex::kNone);
  // An emptied queue takes slots again.
  room.slots.give_back(dmr::Slot(5));
  room.slots.give_back(dmr::Slot(1));
  assert_int_equal(room.slots.take().value(), 5);
  room.slots.give_back(dmr::Slot(3));
  assert_int_equal(room.slots.take().value(), 1);
  assert_int_equal(room.slots.take().value(), 3);
  assert_int_equal(room.slots.free(), 0);
}

void load_counts_and_queues(void**) {
  Room room(20);
  room.table.set(dmr::Slot(0), used(5));
  room.table.set(dmr::Slot(2), dmr::Entry::retired());
  room.table.set(dmr::Slot(4), used(6));
  room.reload(20, 8);
  assert_int_equal(room.slots.total(), 20);
  assert_int_equal(room.slots.used(), 2);
  assert_int_equal(room.slots.retired(), 1);
  assert_int_equal(room.slots.free(), 17);
  assert_int_equal(room.slots.touched(), 8);
  for (uint32_t s = 8; s < 20; ++s) assert_int_equal(room.slots.take().value(), s);
  for (const uint32_t expected : {1u, 3u, 5u, 6u, 7u})
    assert_int_equal(room.slots.take().value(), expected);
  assert_true(room.slots.take() == dmr::SlotIndex::kNone);
}

void an_entry_beyond_the_mark_is_not_taken(void**) {
  Room room(20);
  room.table.set(dmr::Slot(11), used(5));
  room.reload(20, 3);
  assert_int_equal(room.slots.touched(), 12);
  for (uint32_t i = 0; i < 19; ++i) assert_int_not_equal(room.slots.take().value(), 11);
  assert_true(room.slots.take() == dmr::SlotIndex::kNone);
}

void counts_follow_entries(void**) {
  Room room(20);
  room.slots.count(dmr::Entry::free(), used(1));
  room.slots.count(dmr::Entry::free(), used(2));
  assert_int_equal(room.slots.used(), 2);
  room.slots.count(used(1), used(1));
  assert_int_equal(room.slots.used(), 2);
  room.slots.count(used(1), dmr::Entry::retired());
  assert_int_equal(room.slots.used(), 1);
  assert_int_equal(room.slots.retired(), 1);
  room.slots.count(dmr::Entry::free(), dmr::Entry::retired());
  assert_int_equal(room.slots.retired(), 2);
  room.slots.count(used(2), dmr::Entry::free());
  assert_int_equal(room.slots.used(), 0);
}

void all_of_the_largest_spare(void**) {
  const Devices devices{.spare_sectors = DMR_METADATA_SECTORS + 8ull * DMR_SLOTS_MAX};
  Image image(devices);
  std::vector<dmr::u16> next(DMR_SLOTS_MAX);
  dmr::Table table;
  table.attach(image.table.data());
  dmr::Slots slots;
  slots.attach(next.data());
  slots.load(table, DMR_SLOTS_MAX, DMR_SLOTS_MAX);
  for (uint32_t s = 0; s < DMR_SLOTS_MAX; ++s) {
    if (slots.take().value() != s) fail_msg("slot %u", s);
  }
  assert_true(slots.take() == dmr::SlotIndex::kNone);
  for (uint32_t s = DMR_SLOTS_MAX; s-- > 0;) slots.give_back(dmr::Slot(s));
  assert_int_equal(slots.free(), DMR_SLOTS_MAX);
  assert_int_equal(slots.take().value(), DMR_SLOTS_MAX - 1);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(never_used_ones_first_by_number),
      cmocka_unit_test(then_the_one_that_is_free_longest),
      cmocka_unit_test(load_counts_and_queues),
      cmocka_unit_test(an_entry_beyond_the_mark_is_not_taken),
      cmocka_unit_test(counts_follow_entries),
      cmocka_unit_test(all_of_the_largest_spare),
  };
  return cmocka_run_group_tests_name("slots", tests, nullptr, nullptr);
}
