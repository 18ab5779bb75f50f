// SPDX-License-Identifier: GPL-2.0
//
// The region bitmap and the hash table, against std::map.
#include "core/index.h"

#include <algorithm>
#include <map>

#include "support.h"

namespace test {
namespace {

// ---- Regions ------------------------------------------------------------------------------------

constexpr uint64_t kMains[] = {1,
                               7,
                               8,
                               9,
                               63,
                               4096,
                               kSmallMain,
                               2097151,
                               2097152,
                               2097153,
                               1ull << 30,
                               (1ull << 30) + 5,
                               1ull << 37,
                               DMR_MAIN_MAX_SECTORS - 1,
                               DMR_MAIN_MAX_SECTORS};

void the_bitmap_fits_every_main(void**) {
  for (const uint64_t main : kMains) {
    const uint32_t shift = dmr::RegionMap::shift_for(main);
    const uint32_t words = dmr::RegionMap::words_for(main);
    assert_true(shift >= 3);
    assert_true(words * 8ull <= 32 * 1024);
    // The last sector has its bit; and no smaller region would have done.
    assert_true((main - 1) >> shift < words * 64ull);
    assert_true(shift == 3 || main >> (shift - 1) >= dmr::RegionMap::kBitsMax);
  }
  assert_int_equal(dmr::RegionMap::shift_for(DMR_MAIN_MAX_SECTORS), 21);
}

bool on_main(const dmr_region_map& view, uint64_t sector, uint64_t sectors = 1) {
  return dmr_all_on_main(&view, sector, static_cast<uint32_t>(sectors * DMR_SECTOR_BYTES)) != 0;
}

// I/O that begins in the region before may reach into the marked one; one that begins earlier, and is
// no longer than a region, can't.
void a_mark_covers_its_region_and_the_one_before(void**) {
  for (const uint64_t main : kMains) {
    if (main < 64) continue;
    std::vector<dmr::u64> words(dmr::RegionMap::words_for(main));
    dmr::RegionMap regions;
    regions.attach(words.data(), main);
    const dmr_region_map view = regions.view();
    const uint64_t region = 1ull << view.shift;
    const uint64_t block = (main - 1) / 8;
    assert_true(on_main(view, block * 8));
    regions.mark(dmr::Block(block));
    const uint64_t start = block * 8 / region * region;
    assert_false(on_main(view, start));
    assert_false(on_main(view, main - 1));
    if (start != 0) assert_false(on_main(view, start - 1));
    if (start >= 2 * region) {
      assert_false(on_main(view, start - region));
      assert_true(on_main(view, start - region - 1));
      assert_true(on_main(view, start - region - 1, region));
    }
    regions.clear(main);
    assert_true(on_main(view, start));
    // What is longer than a region may be in three: never plain, whatever they hold.
    assert_true(on_main(view, 0, region));
    assert_false(on_main(view, 0, region + 1));
  }
}

void an_empty_flush_is_never_plain(void**) {
  dmr::u64 words[4096] = {};
  for (uint32_t shift = 3; shift <= 21; ++shift) {
    const dmr_region_map view = {words, shift, DMR_SECTOR_BYTES << shift};
    assert_false(on_main(view, 0, 0));
  }
}

// Whatever is marked, nothing that touches a marked block passes as plain or as clear.
void no_redirected_block_is_missed(void**) {
  std::mt19937_64 rng(1);
  for (const uint64_t main : {kSmallMain, uint64_t{2097153}, uint64_t{1} << 23}) {
    std::vector<dmr::u64> words(dmr::RegionMap::words_for(main));
    dmr::RegionMap regions;
    regions.attach(words.data(), main);
    const dmr_region_map view = regions.view();
    const uint64_t region = 1ull << view.shift;
    std::vector<uint64_t> blocks;
    for (int i = 0; i < 40; ++i) blocks.push_back(rng() % (main / 8));
    blocks.push_back(0);
    std::sort(blocks.begin(), blocks.end());
    for (const uint64_t block : blocks) regions.mark(dmr::Block(block));
    for (int i = 0; i < 20000; ++i) {
      // Near a block, so that it counts.
      const uint64_t near = blocks[rng() % blocks.size()] * 8;
      const uint64_t reach = rng() % (i % 2 ? 200 * region : 2 * region);
      const uint64_t from = near > reach ? near - reach : 0;
      const uint64_t most = std::min<uint64_t>(main - from, i % 3 ? 2 * region : 200 * region);
      const uint64_t sectors = 1 + rng() % most;
      const auto block_from = [&](uint64_t sector) {
        const auto next = std::lower_bound(blocks.begin(), blocks.end(), sector / 8);
        return next == blocks.end() ? main : *next * 8;
      };
      const uint64_t first = std::max(block_from(from), from);
      const uint32_t clear = dmr_clear_from(&view, from, static_cast<uint32_t>(sectors));
      if (from + sectors > first) {
        assert_false(on_main(view, from, sectors));
        assert_true(from + clear <= first);
      }
      assert_true(clear <= sectors);
      // It is only cut short by a block in the region there or in the next one.
      const uint64_t cut = (from + clear) / region * region;
      if (clear < sectors) assert_true(block_from(cut) < cut + 2 * region);
    }
  }
}

// ---- Hash table ---------------------------------------------------------------------------------

struct Room {
  explicit Room(uint32_t slots)
      : blocks(dmr::table_blocks_for(slots)), cells(dmr::SlotIndex::cells_for(slots)) {
    table.attach(blocks.data());
    for (uint32_t s = 0; s < slots; ++s) table.set(dmr::Slot(s), dmr::Entry::free());
    index.attach(cells.data(), slots, &table);
    index.clear();
  }
  // As an unmap does: the entry is free only when nobody is on his way through it.
  void remove(uint64_t block, uint32_t slot) {
    index.remove(dmr::Block(block), &host);
    table.set(dmr::Slot(slot), dmr::Entry::free());
  }
  void put(uint64_t block, uint32_t slot) {
    table.set(dmr::Slot(slot), dmr::Entry::of(dmr::Block(block), 1, 0));
    index.put(dmr::Block(block), dmr::Slot(slot));
  }
  uint32_t find(uint64_t block) const { return index.find(dmr::Block(block)).slot.value(); }

  std::vector<dmr::TableBlock> blocks;
  std::vector<dmr::u16> cells;
  dmr::Table table;
  dmr::SlotIndex index;
  SimHost host{SimDisk(8), SimDisk(8)};
};

constexpr uint32_t kNone = 0xffffffff;

void nothing_is_found_in_an_empty_index(void**) {
  Room room(2048);
  for (const uint64_t block : {0ull, 1ull, 77ull, (1ull << 35) - 1})
    assert_int_equal(room.find(block), kNone);
}

void like_a_map(void**) {
  for (const uint32_t slots : {1u, 2u, 3u, 511u, 2048u, DMR_SLOTS_MAX}) {
    Room room(slots);
    std::map<uint64_t, uint32_t> reference;
    std::mt19937_64 rng(slots);
    for (uint32_t s = 0; s < slots; ++s) {
      // Neighbours, strides and numbers at random.
      uint64_t block = s % 3 == 0 ? s : s % 3 == 1 ? s * 4096ull : rng() % (1ull << 35);
      while (reference.count(block) != 0) ++block;
      reference[block] = s;
      room.put(block, s);
    }
    for (const auto& [block, slot] : reference) {
      if (room.find(block) != slot) fail_msg("%u slots", slots);
    }
    for (int i = 0; i < 5000; ++i) {
      const uint64_t block = rng() % (1ull << 35);
      const auto known = reference.find(block);
      if (room.find(block) != (known == reference.end() ? kNone : known->second))
        fail_msg("%u slots", slots);
    }
  }
}

void another_slot_for_the_same_block_replaces_the_first(void**) {
  Room room(64);
  room.put(5, 0);
  room.put(6, 1);
  // The old slot's entry still names the block, as while readers are drained.
  room.put(5, 2);
  assert_int_equal(room.find(5), 2);
  room.table.set(dmr::Slot(0), dmr::Entry::retired());
  assert_int_equal(room.find(5), 2);
  assert_int_equal(room.find(6), 1);
  // No cell was spent on it.
  uint32_t taken = 0;
  for (const dmr::u16 cell : room.cells) taken += cell != 0xffff;
  assert_int_equal(taken, 2);
}

void removed_blocks_are_not_found_and_others_are(void**) {
  Room room(64);
  for (uint32_t s = 0; s < 64; ++s) room.put(s * 3, s);
  for (uint32_t s = 0; s < 64; s += 2) {
    room.remove(s * 3, s);
    for (uint32_t other = 0; other < 64; ++other) {
      const bool gone = other % 2 == 0 && other <= s;
      assert_int_equal(room.find(other * 3), gone ? kNone : other);
    }
  }
  for (uint32_t s = 0; s < 64; s += 2) room.put(1000 + s, s);
  for (uint32_t s = 0; s < 64; ++s) assert_int_equal(room.find(s % 2 == 0 ? 1000 + s : s * 3), s);
  // When all are gone no trace is left.
  for (uint32_t s = 0; s < 64; ++s) room.remove(s % 2 == 0 ? 1000 + s : s * 3, s);
  for (const dmr::u16 cell : room.cells) assert_int_equal(cell, 0xffff);
}

// Whoever looks while a block is removed finds each of the others.
void others_are_found_at_every_drain(void**) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Room room(32);
    std::mt19937_64 rng(seed);
    std::map<uint64_t, uint32_t> blocks;
    while (blocks.size() < 32) blocks.emplace(rng() % 1000, blocks.size());
    for (const auto& [block, slot] : blocks) room.put(block, slot);
    room.host.on_drain = [&] {
      for (const auto& [block, slot] : blocks) assert_int_equal(room.find(block), slot);
    };
    while (!blocks.empty()) {
      const auto victim = std::next(blocks.begin(), static_cast<long>(rng() % blocks.size()));
      const auto [block, slot] = *victim;
      blocks.erase(victim);
      room.remove(block, slot);
      assert_int_equal(room.find(block), kNone);
      room.host.on_drain();
    }
  }
}

// A reader that stands on any cell while a block is removed, and goes on until the next drain, is
// not led past what it looks for.
void a_probe_under_way_is_not_led_past(void**) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Room room(16);
    std::mt19937_64 rng(seed);
    std::vector<uint64_t> blocks;
    for (uint32_t s = 0; s < 16; ++s) {
      blocks.push_back(s * 1000 + rng() % 1000);
      room.put(blocks[s], s);
    }
    const auto cells_of = [&](uint32_t slot) {
      std::vector<size_t> cells;
      for (size_t c = 0; c < room.cells.size(); ++c) {
        if (room.cells[c] == slot) cells.push_back(c);
      }
      return cells;
    };
    // Between two drains a slot leaves no cell before those who saw it there have gone: each is
    // still in one of the cells in which it was at the drain before.
    std::vector<std::vector<size_t>> before(16);
    for (uint32_t s = 0; s < 16; ++s) before[s] = cells_of(s);
    const uint32_t victim = static_cast<uint32_t>(rng() % 16);
    room.host.on_drain = [&] {
      for (uint32_t s = 0; s < 16; ++s) {
        if (s == victim) continue;
        const std::vector<size_t> now = cells_of(s);
        bool stays = false;
        for (const size_t cell : before[s])
          stays |= std::find(now.begin(), now.end(), cell) != now.end();
        assert_true(stays);
        before[s] = now;
      }
    };
    room.remove(blocks[victim], victim);
    room.host.on_drain();
  }
}

// Blocks that come and go for years: a search for one that is not there must come to an end.
void churn_leaves_room(void**) {
  for (const uint32_t slots : {8u, 64u, 2048u}) {
    Room room(slots);
    std::mt19937_64 rng(slots);
    std::vector<uint64_t> block(slots);
    for (uint32_t s = 0; s < slots; ++s) room.put(block[s] = s * 1000003ull + rng() % 1000, s);
    for (uint32_t turn = 0; turn < 30 * slots; ++turn) {
      const uint32_t s = static_cast<uint32_t>(rng() % slots);
      room.remove(block[s], s);
      if (turn % slots == 0) {
        uint32_t empty = 0;
        for (const dmr::u16 cell : room.cells) empty += cell == 0xffff;
        assert_int_equal(empty, room.cells.size() - slots + 1);
      }
      room.put(block[s] = s * 1000003ull + rng() % 1000, s);
    }
    for (uint32_t s = 0; s < slots; ++s) assert_int_equal(room.find(block[s]), s);
  }
}

void clear_forgets_all(void**) {
  Room room(64);
  room.put(5, 0);
  room.index.clear();
  assert_int_equal(room.find(5), kNone);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_bitmap_fits_every_main),
      cmocka_unit_test(a_mark_covers_its_region_and_the_one_before),
      cmocka_unit_test(an_empty_flush_is_never_plain),
      cmocka_unit_test(no_redirected_block_is_missed),
      cmocka_unit_test(nothing_is_found_in_an_empty_index),
      cmocka_unit_test(like_a_map),
      cmocka_unit_test(another_slot_for_the_same_block_replaces_the_first),
      cmocka_unit_test(removed_blocks_are_not_found_and_others_are),
      cmocka_unit_test(others_are_found_at_every_drain),
      cmocka_unit_test(a_probe_under_way_is_not_led_past),
      cmocka_unit_test(churn_leaves_room),
      cmocka_unit_test(clear_forgets_all),
  };
  return cmocka_run_group_tests_name("index", tests, nullptr, nullptr);
}
