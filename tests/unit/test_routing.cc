// SPDX-License-Identifier: GPL-2.0
//
// Where a sector is, and how many follow it there: against a plain map of every sector.
#include "support.h"

namespace test {
namespace {

using dmr::Block;
using dmr::Entry;

// What one sector's state must answer.
struct Fate {
  dmr_place_kind kind;
  uint64_t sector;  // on the device, of MAIN and SPARE
};

Fate fate_of(const std::map<uint64_t, std::pair<uint32_t, Entry>>& entries, uint64_t sector,
             dmr_direction direction) {
  const auto found = entries.find(sector / 8);
  if (found == entries.end()) return {DMR_PLACE_MAIN, sector};
  const auto& [slot, entry] = found->second;
  const bool spare = entry.spare_mask() >> sector % 8 & 1;
  const bool lost = entry.lost_mask() >> sector % 8 & 1;
  if (!spare && !lost) return {DMR_PLACE_MAIN, sector};
  if (direction == DMR_DISCARD) return {DMR_PLACE_NONE, 0};
  if (lost) return {direction == DMR_READ ? DMR_PLACE_ERROR : DMR_PLACE_WORKER, 0};
  return {DMR_PLACE_SPARE, DMR_METADATA_SECTORS + 8ull * slot + sector % 8};
}

// A pair with these entries, opened.
struct Room {
  explicit Room(const Devices& devices = {}) : pair(devices), image(devices) {}
  void set(uint32_t slot, uint64_t block, uint8_t spare, uint8_t lost) {
    image.set(slot, Entry::of(Block(block), spare, lost));
    entries[block] = {slot, Entry::of(Block(block), spare, lost)};
  }
  void open() {
    image.seal(7);
    image.put_everywhere(pair.spare());
    pair.must_open(Arguments().with_config(DMR_CONFIG_VERIFY_WRITES, DMR_VERIFY_OFF));
  }
  // Every run is right: each sector of it is where it should be, and as long as it can be.
  void walk(uint64_t from, uint64_t to, dmr_direction direction, uint32_t at_most = 0xffffffff) {
    uint64_t sector = from;
    while (sector < to) {
      const uint32_t asked = static_cast<uint32_t>(std::min<uint64_t>(to - sector, at_most));
      const dmr_place place = pair.route(sector, asked, direction);
      assert_true(place.sectors >= 1 && place.sectors <= asked);
      for (uint32_t i = 0; i < place.sectors; ++i) {
        const Fate fate = fate_of(entries, sector + i, direction);
        CHECK(place.kind == fate.kind, "sector %llu", static_cast<unsigned long long>(sector + i));
        if (fate.sector != 0) assert_int_equal(place.sector + i, fate.sector);
      }
      if (place.sectors < asked) {
        const Fate next = fate_of(entries, sector + place.sectors, direction);
        const bool follows =
            next.kind != DMR_PLACE_SPARE || next.sector == place.sector + place.sectors;
        CHECK(next.kind != place.kind || !follows, "run of %u ends early", place.sectors);
      }
      sector += place.sectors;
    }
  }
  void walk_all(uint64_t from, uint64_t to) {
    for (const dmr_direction direction : {DMR_READ, DMR_WRITE, DMR_DISCARD}) {
      for (const uint32_t at_most : {0xffffffffu, 1u, 3u, 8u, 21u})
        walk(from, to, direction, at_most);
    }
  }

  Pair pair;
  Image image;
  std::map<uint64_t, std::pair<uint32_t, Entry>> entries;
};

void nothing_redirected_is_all_main(void**) {
  Room room;
  room.open();
  const dmr_place place = room.pair.route(5, 40000, DMR_READ);
  assert_int_equal(place.kind, DMR_PLACE_MAIN);
  assert_int_equal(place.sector, 5);
  assert_int_equal(place.sectors, 40000);
  room.walk_all(0, kSmallMain);
  // The slow way says the same.
  dmr_place slow;
  dmr_route(room.pair.target->engine(), 5, 40000, DMR_WRITE, &slow);
  assert_int_equal(slow.kind, DMR_PLACE_MAIN);
  assert_int_equal(slow.sector, 5);
  assert_int_equal(slow.sectors, 40000);
}

void every_mask_of_one_block(void**) {
  Room room;
  for (uint32_t mask = 0; mask < 256; ++mask) {
    const uint8_t lost = static_cast<uint8_t>(mask * 37);
    if (mask == 0 && lost == 0) continue;
    room.set(mask, 2 * mask + 1, static_cast<uint8_t>(mask), lost);
  }
  room.open();
  room.walk_all(0, 8 * 520);
  for (uint64_t from = 1; from < 64; ++from) room.walk(from, 600, DMR_WRITE);
}

void slots_in_a_row_are_one_run(void**) {
  Room room;
  for (uint32_t i = 0; i < 20; ++i) room.set(40 + i, 100 + i, 0xff, 0);
  room.set(60, 120, 0x0f, 0);  // the run ends within this one
  room.set(70, 121, 0xff, 0);
  room.open();
  dmr_place place = room.pair.route(803, 500, DMR_READ);
  assert_int_equal(place.kind, DMR_PLACE_SPARE);
  assert_int_equal(place.sector, DMR_METADATA_SECTORS + 40 * 8 + 3);
  assert_int_equal(place.sectors, 20 * 8 - 3 + 4);
  place = room.pair.route(964, 500, DMR_WRITE);
  assert_int_equal(place.kind, DMR_PLACE_MAIN);
  assert_int_equal(place.sectors, 4);
  room.walk_all(780, 1000);
}

void slots_out_of_order_are_not(void**) {
  Room room;
  room.set(5, 100, 0xff, 0);
  room.set(4, 101, 0xff, 0);
  room.set(6, 102, 0xff, 0);
  room.open();
  assert_int_equal(room.pair.route(800, 24, DMR_READ).sectors, 8);
  assert_int_equal(room.pair.route(808, 16, DMR_READ).sectors, 8);
  room.walk_all(790, 830);
}

void lost_and_dead_sectors(void**) {
  Room room;
  room.set(0, 10, 0x00, 0xf0);  // lost
  room.set(1, 11, 0x0f, 0x0f);  // dead
  room.set(2, 12, 0x3c, 0x30);  // in the slot, dead
  room.open();
  assert_int_equal(room.pair.route(84, 8, DMR_READ).kind, DMR_PLACE_ERROR);
  assert_int_equal(room.pair.route(84, 8, DMR_READ).sectors, 8);
  assert_int_equal(room.pair.route(84, 8, DMR_WRITE).kind, DMR_PLACE_WORKER);
  assert_int_equal(room.pair.route(84, 8, DMR_DISCARD).kind, DMR_PLACE_NONE);
  assert_int_equal(room.pair.route(80, 8, DMR_READ).kind, DMR_PLACE_MAIN);
  assert_int_equal(room.pair.route(80, 8, DMR_READ).sectors, 4);
  room.walk_all(70, 120);
  assert_int_equal(room.pair.status().lost_sectors, 4 + 4 + 2);
  assert_int_equal(room.pair.status().state, DMR_STATE_DEGRADED);
}

// A rewrite of one sector revives that one only; main is not written.
void a_rewrite_revives_only_what_it_covers(void**) {
  Room room;
  room.set(0, 10, 0x00, 0xff);
  room.open();
  Pair& pair = room.pair;
  pair.must_be_unreadable(80, 8);
  pair.allow_unreadable(80, 8);
  const uint64_t main_writes = pair.main().writes();
  assert_int_equal(pair.write(83, 1), DMR_STS_OK);
  pair.check(83, 1);
  pair.must_be_unreadable(80, 3);
  pair.must_be_unreadable(84, 4);
  assert_int_equal(pair.entry_of(80).slot, 0);
  assert_int_equal(pair.entry_of(80).spare_mask, 0x08);
  assert_int_equal(pair.entry_of(80).lost_mask, 0xf7);
  // With neighbours on main on either side.
  assert_int_equal(pair.write(70, 30), DMR_STS_OK);
  assert_int_equal(pair.entry_of(80).spare_mask, 0xff);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_true(pair.main().writes() > main_writes);
  pair.check_all();
  pair.reboot(CrashPolicy::kKeepAll);
  pair.check_all();
}

void a_rewrite_of_lost_sectors_without_metadata_is_eio(void**) {
  Room room;
  room.set(0, 10, 0x00, 0xff);
  room.open();
  Pair& pair = room.pair;
  pair.allow_unreadable(80, 8);
  pair.spare().inject(write_fault(0, 4096));
  assert_int_equal(pair.write(83, 2), DMR_STS_IOERR);
  assert_int_equal(pair.route(83, 2, DMR_WRITE).kind, DMR_PLACE_ERROR);
  pair.must_be_unreadable(80, 8);
  pair.spare().heal();
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(pair.route(83, 2, DMR_WRITE).kind, DMR_PLACE_WORKER);
  assert_int_equal(pair.write(83, 2), DMR_STS_OK);
  pair.check(83, 2);
}

void random_tables(void**) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 rng(seed);
    Room room;
    for (uint32_t slot = 0; slot < 300; ++slot) {
      // Often in a row.
      const uint64_t block = rng() % 2 ? 50 + slot : rng() % 400;
      const uint8_t spare = rng() % 2 ? 0xff : static_cast<uint8_t>(rng());
      const uint8_t lost = rng() % 4 ? 0 : static_cast<uint8_t>(rng());
      if (room.entries.count(block) != 0 || (spare | lost) == 0) continue;
      room.set(slot, block, spare, lost);
    }
    room.open();
    room.walk_all(0, 3300);
  }
}

void large_mains_with_large_regions(void**) {
  for (const uint64_t main : {1ull << 33, 1ull << 38}) {
    Room room({.main_sectors = main});
    const uint64_t last = main / 8 - 1;
    room.set(0, last, 0xf0, 0);
    room.set(1, last / 2, 0xff, 0);
    room.set(2, 0, 0x01, 0);
    room.open();
    room.walk_all(0, 5000);
    room.walk_all(last * 4 - 100, last * 4 + 200);
    room.walk_all(main - 200, main);
    // A run over several regions, of which one is marked.
    const dmr_place place = room.pair.route(main / 4, 0xfffffff0, DMR_READ);
    assert_int_equal(place.kind, DMR_PLACE_MAIN);
    assert_int_equal(place.sector, main / 4);
  }
}

void tiny_mains(void**) {
  for (const uint64_t main : {1ull, 5ull, 8ull, 9ull, 16ull}) {
    Room room({.main_sectors = main});
    room.set(0, (main - 1) / 8, 0x01, 0);
    room.open();
    room.walk_all(0, main);
  }
}

// Peer defect 17: what is redirected stays so over a reopening.
void peer_17_redirections_are_there_before_the_first_io(void**) {
  Room room;
  room.set(0, 10, 0xff, 0);
  room.open();
  for (int i = 0; i < 3; ++i) {
    room.pair.must_open(Arguments().with_config(DMR_CONFIG_VERIFY_WRITES, DMR_VERIFY_OFF));
    assert_int_equal(room.pair.route(80, 8, DMR_READ).kind, DMR_PLACE_SPARE);
  }
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(nothing_redirected_is_all_main),
      cmocka_unit_test(every_mask_of_one_block),
      cmocka_unit_test(slots_in_a_row_are_one_run),
      cmocka_unit_test(slots_out_of_order_are_not),
      cmocka_unit_test(lost_and_dead_sectors),
      cmocka_unit_test(a_rewrite_revives_only_what_it_covers),
      cmocka_unit_test(a_rewrite_of_lost_sectors_without_metadata_is_eio),
      cmocka_unit_test(random_tables),
      cmocka_unit_test(large_mains_with_large_regions),
      cmocka_unit_test(tiny_mains),
      cmocka_unit_test(peer_17_redirections_are_there_before_the_first_io),
  };
  return cmocka_run_group_tests_name("routing", tests, nullptr, nullptr);
}
