// SPDX-License-Identifier: GPL-2.0
//
// Discovery: what five headers say of a spare, and which device is its main. Each rule has a test;
// and whatever is proposed is examined by the engine, which must agree.
#include "dm_remap/pairing.h"

#include <list>

#include "core/pairing.h"
#include "support.h"

namespace test {
namespace {

constexpr const char* kWwid = "naa.5000c500a1b2c3d4";
constexpr const char* kPartition = "0fc63daf-8483-4772-8e79-3d69d8477de4";

void set_id(dmr_u8* id, size_t bytes, const char* text) {
  memset(id, 0, bytes);
  if (text != nullptr) memcpy(id, text, strlen(text));
}

dmr_fingerprint print_of(uint64_t sectors, const char* unique_id = nullptr,
                         const char* partition_uuid = nullptr, uint32_t logical = 1) {
  dmr_fingerprint print = {sectors, logical, {}};
  set_id(print.identity.unique_id, sizeof print.identity.unique_id, unique_id);
  set_id(print.identity.partition_uuid, sizeof print.identity.partition_uuid, partition_uuid);
  return print;
}

Image image_of(const dmr_fingerprint& main, uint64_t sequence = 7, uint8_t pair = 1) {
  Image image;
  memset(image.header.uuid, pair, sizeof image.header.uuid);
  image.header.main_sectors.store(main.sectors);
  image.header.main_logical_sectors.store(main.logical_sectors);
  memcpy(image.header.main_unique_id, main.identity.unique_id, sizeof main.identity.unique_id);
  memcpy(image.header.main_partition_uuid, main.identity.partition_uuid,
         sizeof main.identity.partition_uuid);
  image.seal(sequence);
  return image;
}

// ---- Five headers -------------------------------------------------------------------------------

// What lies at the five places; zeros at first.
struct Headers {
  Headers() { memset(blocks, 0, sizeof blocks); }
  explicit Headers(const Image& image) {
    for (uint32_t c = 0; c < 5; ++c) put(c, image);
  }
  void put(uint32_t copy, const Image& image) { memcpy(&blocks[copy], &image.header, 4096); }
  void spoil(uint32_t copy) { blocks[copy].slots.store(blocks[copy].slots.load() ^ 1); }
  dmr_spare judge(uint64_t sectors = kSmallSpare) const {
    const void* places[5];
    for (uint32_t c = 0; c < 5; ++c) places[c] = unreadable >> c & 1 ? nullptr : &blocks[c];
    dmr_spare spare;
    memset(&spare, 0xaa, sizeof spare);
    dmr_spare_judge(&spare, places, sectors);
    return spare;
  }

  dmr::Header blocks[5];
  uint32_t unreadable = 0;
};

void is(const dmr_spare& spare, dmr_spare_state state, uint64_t sequence, uint32_t good) {
  CHECK(spare.state == state && spare.sequence == sequence && spare.good_copies == good,
        "%s, sequence %llu, %u good\n", dmr_spare_state_name(spare.state), spare.sequence,
        spare.good_copies);
}

void a_whole_spare_says_what_it_is(void**) {
  Image image = image_of(print_of(kSmallMain, kWwid, kPartition, 8));
  memcpy(image.header.label, "some.label", 10);
  image.seal(42);
  const dmr_spare spare = Headers(image).judge();
  is(spare, DMR_SPARE_READY, 42, 5);
  assert_string_equal(spare.label, "some.label");
  assert_memory_equal(spare.uuid, image.header.uuid, sizeof spare.uuid);
  assert_int_equal(spare.main.sectors, kSmallMain);
  assert_int_equal(spare.main.logical_sectors, 8);
  assert_memory_equal(spare.main.identity.unique_id, image.header.main_unique_id, 64);
  assert_memory_equal(spare.main.identity.partition_uuid, image.header.main_partition_uuid, 40);
}

void the_places_are_those_of_the_format(void**) {
  constexpr uint64_t kPlaces[] = {0, 1024, 2048, 4096, 8192};
  for (uint32_t c = 0; c < 5; ++c) assert_int_equal(dmr_header_sector(c), kPlaces[c]);
}

// Each set of copies that is left, damaged or unreadable.
void two_copies_are_enough_and_one_is_not(void**) {
  for (uint32_t left = 0; left < 32; ++left) {
    for (const bool readable : {false, true}) {
      Headers headers(image_of(print_of(kSmallMain)));
      for (uint32_t c = 0; c < 5; ++c) {
        if (left >> c & 1) continue;
        if (readable) headers.spoil(c);
        if (!readable) headers.unreadable |= 1u << c;
      }
      const uint32_t good = dmr::bits_in(static_cast<dmr::SectorMask>(left));
      const dmr_spare spare = headers.judge();
      if (good >= 2) is(spare, DMR_SPARE_READY, 7, good);
      if (good == 1) is(spare, DMR_SPARE_DAMAGED, 7, 1);
      // Ours by its magic; what can't be read may be anybody's.
      if (good == 0) is(spare, readable ? DMR_SPARE_DAMAGED : DMR_SPARE_NONE, 0, 0);
    }
  }
}

void the_highest_state_with_two_votes_is_told(void**) {
  Headers headers(image_of(print_of(kSmallMain), 7));
  headers.put(3, image_of(print_of(kSmallMain), 8));
  is(headers.judge(), DMR_SPARE_READY, 7, 4);
  headers.put(1, image_of(print_of(kSmallMain), 8));
  is(headers.judge(), DMR_SPARE_READY, 8, 2);
}

void copies_of_several_pairs_are_told_apart(void**) {
  Headers headers;
  for (uint32_t c = 0; c < 5; ++c)
    headers.put(c, image_of(print_of(kSmallMain), 7, static_cast<uint8_t>(c)));
  is(headers.judge(), DMR_SPARE_READY, 7, 1);  // as opening would have it
  headers.put(4, image_of(print_of(kSmallMain), 7, 1));
  const dmr_spare spare = headers.judge();
  is(spare, DMR_SPARE_READY, 7, 2);
  assert_int_equal(spare.uuid[0], 1);
}

// The same candidate by sequence and table, yet not the same header.
void only_equal_headers_are_good(void**) {
  Image other = image_of(print_of(kSmallMain));
  other.header.committed_seconds.store(1);
  other.seal(7);
  Headers headers(image_of(print_of(kSmallMain)));
  headers.put(2, other);
  is(headers.judge(), DMR_SPARE_READY, 7, 4);
}

void foreign_contents_are_nothing_of_ours(void**) {
  Headers headers;
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
  std::mt19937_64 rng(1);
  for (auto& block : headers.blocks) {
    uint64_t words[512];
    for (uint64_t& word : words) word = rng();
    memcpy(&block, words, sizeof words);
  }
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
  headers.unreadable = 31;
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
}

void a_later_format_and_an_interrupted_one_are_no_pair(void**) {
  Headers headers(image_of(print_of(kSmallMain)));
  for (auto& block : headers.blocks) {
    block.version.store(2);
    block.crc.store(0);
    block.crc.store(dmr_host_crc32(0, &block, sizeof block));
  }
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
  headers.spoil(2);
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
  headers = Headers();
  dmr::FormatMark mark;
  dmr::make_mark(mark);
  memcpy(&headers.blocks[0], &mark, sizeof mark);
  headers.put(1, image_of(print_of(kSmallMain)));
  headers.spoil(1);
  is(headers.judge(), DMR_SPARE_NONE, 0, 0);
  headers.put(1, image_of(print_of(kSmallMain)));
  is(headers.judge(), DMR_SPARE_DAMAGED, 7, 1);
  headers.put(2, image_of(print_of(kSmallMain), 6));
  is(headers.judge(), DMR_SPARE_DAMAGED, 7, 1);
  headers.put(2, image_of(print_of(kSmallMain)));
  is(headers.judge(), DMR_SPARE_READY, 7, 2);
}

void a_spare_that_shrank_is_damaged(void**) {
  const Headers headers(image_of(print_of(kSmallMain)));
  is(headers.judge(kSmallSpare + 8), DMR_SPARE_READY, 7, 5);
  is(headers.judge(kSmallSpare - 8), DMR_SPARE_NONE, 0, 0);  // smaller than any spare
  Devices larger;
  larger.spare_sectors = kSmallSpare + 8;
  Image image(larger);
  image.seal(7);
  is(Headers(image).judge(), DMR_SPARE_DAMAGED, 7, 5);
}

// ---- Fingerprints -------------------------------------------------------------------------------

void what_either_side_does_not_know_is_not_different(void**) {
  const char* const ids[] = {nullptr, kWwid, "naa.5000c500ffffffff"};
  const char* const parts[] = {nullptr, kPartition, "11111111-8483-4772-8e79-3d69d8477de4"};
  for (const char* id : ids) {
    for (const char* seen_id : ids) {
      for (const char* part : parts) {
        for (const char* seen_part : parts) {
          const bool differ =
              (id && seen_id && id != seen_id) || (part && seen_part && part != seen_part);
          const uint32_t both = DMR_MATCH_SIZE | DMR_MATCH_LOGICAL_BLOCK_SIZE |
                                (id && seen_id ? DMR_MATCH_UNIQUE_ID : 0) |
                                (part && seen_part ? DMR_MATCH_PARTITION_UUID : 0);
          assert_int_equal(
              dmr::match(print_of(kSmallMain, id, part), print_of(kSmallMain, seen_id, seen_part)),
              differ ? 0 : both);
        }
      }
    }
  }
  assert_int_equal(dmr::match(print_of(kSmallMain, kWwid), print_of(kSmallMain + 8, kWwid)), 0);
  assert_int_equal(dmr::match(print_of(kSmallMain, kWwid), print_of(kSmallMain, kWwid, nullptr, 8)),
                   0);
}

void what_matched_has_names(void**) {
  char text[DMR_MATCH_TEXT_BYTES];
  assert_string_equal(dmr_match_print(3, text), "size,logical_block_size");
  assert_string_equal(dmr_match_print(7, text), "size,logical_block_size,unique_id");
  assert_string_equal(dmr_match_print(15, text),
                      "size,logical_block_size,unique_id,partition_uuid");
  assert_true(strlen(text) < DMR_MATCH_TEXT_BYTES);
  assert_string_equal(dmr_match_print(0, text), "");
}

// ---- Pairs --------------------------------------------------------------------------------------

// A machine with block devices, each on a disk of its own.
class Machine {
 public:
  dmr_seen& device(const dmr_fingerprint& print) {
    dmr_seen seen = {};
    seen.number = static_cast<uint32_t>(devices_.size()) + 1;
    seen.print = print;
    devices_.push_back(seen);
    devices_.back().disk = &devices_.back();
    return devices_.back();
  }
  dmr_seen& spare(const Image& image, uint64_t sectors = kSmallSpare) {
    dmr_seen& seen = device(print_of(sectors));
    seen.spare = Headers(image).judge(sectors);
    return seen;
  }
  void pair_up() {
    dmr_seen** link = &first_;
    for (dmr_seen& seen : devices_) {
      *link = &seen;
      link = &seen.next;
    }
    *link = nullptr;
    dmr_pair_up(first_);
  }

 private:
  std::list<dmr_seen> devices_;
  dmr_seen* first_ = nullptr;
};

void is_pair(const dmr_seen& spare, const dmr_seen& main, uint32_t confidence, uint32_t matched) {
  CHECK(spare.spare.state == DMR_SPARE_READY && spare.main == &main &&
            spare.confidence == confidence && spare.matched == matched,
        "%s, confidence %u, matched %u\n", dmr_spare_state_name(spare.spare.state),
        spare.confidence, spare.matched);
}

void is_alone(const dmr_seen& spare, dmr_spare_state state) {
  CHECK(spare.spare.state == state && spare.main == nullptr, "%s%s\n",
        dmr_spare_state_name(spare.spare.state), spare.main != nullptr ? ", with a main" : "");
}

void the_main_that_fits_is_proposed(void**) {
  const struct {
    const char *unique_id, *partition_uuid;
    uint32_t confidence, matched;
  } mains[] = {{nullptr, nullptr, 50, 3},
               {kWwid, nullptr, 90, 7},
               {nullptr, kPartition, 90, 11},
               {kWwid, kPartition, 100, 15}};
  for (const auto& known : mains) {
    Machine machine;
    machine.device(print_of(kSmallMain + 8, kWwid, kPartition));
    dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain, kWwid, kPartition)));
    dmr_seen& main = machine.device(print_of(kSmallMain, known.unique_id, known.partition_uuid));
    machine.pair_up();
    is_pair(spare, main, known.confidence, known.matched);
  }
}

void another_main_is_not_proposed(void**) {
  const dmr_fingerprint others[] = {
      print_of(kSmallMain - 8, kWwid), print_of(kSmallMain, "naa.5000c500ffffffff"),
      print_of(kSmallMain, kWwid, nullptr, 8),
      print_of(kSmallMain, kWwid, "11111111-8483-4772-8e79-3d69d8477de4")};
  for (const dmr_fingerprint& other : others) {
    Machine machine;
    machine.device(other);
    dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain, kWwid, kPartition)));
    machine.pair_up();
    is_alone(spare, DMR_SPARE_MAIN_MISSING);
  }
}

void what_can_t_be_a_main_is_not_proposed(void**) {
  Machine machine;
  dmr_seen& busy = machine.device(print_of(kSmallMain));
  busy.unfit = 1;
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain)));
  // A part of the spare's own disk that shares sectors with it.
  dmr_seen& part = machine.device(print_of(kSmallMain));
  part.disk = spare.disk;
  part.first_sector = kSmallSpare - 8;
  machine.pair_up();
  is_alone(spare, DMR_SPARE_MAIN_MISSING);
  Machine alone;
  dmr_seen& itself = alone.spare(image_of(print_of(kSmallSpare)));
  alone.pair_up();
  is_alone(itself, DMR_SPARE_MAIN_MISSING);
}

void a_part_of_the_same_disk_beside_the_spare_may_be_main(void**) {
  for (const bool before : {false, true}) {
    Machine machine;
    dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain)));
    dmr_seen& main = machine.device(print_of(kSmallMain));
    main.disk = spare.disk;
    (before ? spare : main).first_sector = before ? kSmallMain : kSmallSpare;
    machine.pair_up();
    is_pair(spare, main, 50, 3);
  }
}

// The constructor's own limits.
void a_spare_with_larger_logical_blocks_has_no_main(void**) {
  Machine machine;
  machine.device(print_of(kSmallMain));
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain)));
  spare.print.logical_sectors = 8;
  machine.pair_up();
  is_alone(spare, DMR_SPARE_MAIN_MISSING);
}

void an_uneven_main_is_none(void**) {
  const dmr_fingerprint uneven = print_of(kSmallMain + 4, nullptr, nullptr, 8);
  Machine machine;
  machine.device(uneven);
  dmr_seen& spare = machine.spare(image_of(uneven));
  machine.pair_up();
  is_alone(spare, DMR_SPARE_MAIN_MISSING);
}

// What was crafted so is one like any other.
void a_uuid_of_zeros_is_one_too(void**) {
  Machine machine;
  dmr_seen& main = machine.device(print_of(kSmallMain));
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain), 7, 0));
  machine.pair_up();
  is_pair(spare, main, 50, 3);
}

void equal_mains_are_ambiguous(void**) {
  for (const char* id : {static_cast<const char*>(nullptr), kWwid}) {
    Machine machine;
    machine.device(print_of(kSmallMain, id));
    dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain, kWwid)));
    machine.device(print_of(kSmallMain, id));
    machine.pair_up();
    is_alone(spare, DMR_SPARE_AMBIGUOUS);
  }
}

void the_one_that_is_known_wins_in_any_order(void**) {
  for (const int before : {0, 1, 2}) {
    Machine machine;
    for (int i = 0; i < before; ++i) machine.device(print_of(kSmallMain));
    dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain, kWwid)));
    dmr_seen& main = machine.device(print_of(kSmallMain, kWwid));
    for (int i = before; i < 2; ++i) machine.device(print_of(kSmallMain));
    machine.pair_up();
    is_pair(spare, main, 90, 7);
  }
}

void a_uuid_that_is_seen_twice_is_ambiguous(void**) {
  Machine machine;
  machine.device(print_of(kSmallMain));
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain), 7));
  dmr_seen& copy = machine.spare(image_of(print_of(kSmallMain), 6));
  dmr_seen& other = machine.spare(image_of(print_of(kSmallMain), 6, 2));
  machine.pair_up();
  is_alone(spare, DMR_SPARE_AMBIGUOUS);
  is_alone(copy, DMR_SPARE_AMBIGUOUS);
  assert_int_equal(other.spare.state, DMR_SPARE_READY);
}

// A spare that was replaced shows old data.
void two_spares_of_one_main_are_ambiguous(void**) {
  Machine machine;
  dmr_seen& first = machine.spare(image_of(print_of(kSmallMain, kWwid), 7, 1));
  dmr_seen& second = machine.spare(image_of(print_of(kSmallMain), 9, 2));
  dmr_seen& third = machine.spare(image_of(print_of(kSmallMain + 8), 9, 3));
  machine.device(print_of(kSmallMain, kWwid));
  dmr_seen& other = machine.device(print_of(kSmallMain + 8));
  machine.pair_up();
  is_alone(first, DMR_SPARE_AMBIGUOUS);
  is_alone(second, DMR_SPARE_AMBIGUOUS);
  is_pair(third, other, 50, 3);
}

void another_pairs_spare_is_no_main(void**) {
  Machine machine;
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain)));
  machine.spare(image_of(print_of(kSmallMain + 8), 7, 2), kSmallMain);
  machine.pair_up();
  is_alone(spare, DMR_SPARE_MAIN_MISSING);
}

void damaged_ones_stay_so_but_count_as_seen(void**) {
  Machine machine;
  machine.device(print_of(kSmallMain));
  dmr_seen& spare = machine.spare(image_of(print_of(kSmallMain)));
  dmr_seen& damaged = machine.spare(image_of(print_of(kSmallMain)));
  Headers one(image_of(print_of(kSmallMain)));
  one.unreadable = 30;
  damaged.spare = one.judge();
  // Of these nobody knows whose they are: no two of them are the same.
  for (dmr_seen* nameless :
       {&machine.device(print_of(kSmallSpare)), &machine.device(print_of(kSmallSpare))})
    nameless->spare.state = DMR_SPARE_DAMAGED;
  machine.pair_up();
  is_alone(damaged, DMR_SPARE_DAMAGED);
  is_alone(spare, DMR_SPARE_AMBIGUOUS);
}

void an_active_spare_has_its_live_main(void**) {
  Machine machine;
  machine.device(print_of(kSmallMain, kWwid));
  dmr_seen& main = machine.device(print_of(kSmallMain, kWwid));
  dmr_seen& spare = machine.device(print_of(kSmallSpare));
  dmr_seen& copy = machine.spare(image_of(print_of(kSmallMain, kWwid)));
  main.unfit = spare.unfit = 1;
  spare.spare.state = DMR_SPARE_ACTIVE;
  spare.spare.good_copies = 4;
  memcpy(spare.spare.uuid, copy.spare.uuid, sizeof spare.spare.uuid);
  spare.live_main = main.number;
  machine.pair_up();
  assert_int_equal(spare.spare.state, DMR_SPARE_ACTIVE);
  assert_ptr_equal(spare.main, &main);
  assert_int_equal(spare.confidence, 90);
  assert_int_equal(spare.matched, 7);
  is_alone(copy, DMR_SPARE_AMBIGUOUS);
  // It has gone meanwhile.
  spare.main = nullptr;
  spare.live_main = 1000;
  machine.pair_up();
  is_alone(spare, DMR_SPARE_ACTIVE);
}

// ---- The engine agrees --------------------------------------------------------------------------

// Random copies of random states for random mains: what is said of a spare is what opening finds.
void what_is_proposed_opens(void**) {
  constexpr const char* kIds[] = {nullptr, kWwid, "naa.5000c500ffffffff"};
  std::mt19937_64 rng(3);
  uint32_t ready = 0;
  for (uint32_t turn = 0; turn < 4000; ++turn) {
    const Devices devices;
    const auto id = [&] { return kIds[rng() % 3]; };
    const Image states[] = {image_of(print_of(kSmallMain, id(), id()), 6),
                            image_of(print_of(kSmallMain, id()), 7),
                            image_of(print_of(kSmallMain - 8 * (rng() % 2), id()), 7, 2)};
    Pair pair(devices);
    Headers headers;
    for (uint32_t c = 0; c < 5; ++c) {
      const uint32_t which = rng() % 4;
      if (which == 3) continue;
      states[which].put(pair.spare(), c);
      headers.put(c, states[which]);
    }
    Machine machine;
    dmr_seen& main = machine.device(print_of(kSmallMain, id(), id()));
    dmr_seen& spare = machine.device(print_of(kSmallSpare));
    spare.spare = headers.judge();
    machine.pair_up();
    SimTarget target(pair.host, kSmallMain, main.print.identity);
    const dmr_refusal refusal = target.probe({});
    const dmr_spare_state state = spare.spare.state;
    CHECK((state == DMR_SPARE_READY) == (refusal == DMR_ACCEPTED && spare.spare.good_copies != 0),
          "turn %u: %s, but %s\n", turn, dmr_spare_state_name(state), dmr_refusal_text(refusal));
    CHECK((state == DMR_SPARE_MAIN_MISSING) == (refusal == DMR_REFUSED_OTHER_MAIN),
          "turn %u: %s, but %s\n", turn, dmr_spare_state_name(state), dmr_refusal_text(refusal));
    ready += state == DMR_SPARE_READY;
  }
  assert_in_range(ready, 500, 3500);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_whole_spare_says_what_it_is),
      cmocka_unit_test(the_places_are_those_of_the_format),
      cmocka_unit_test(two_copies_are_enough_and_one_is_not),
      cmocka_unit_test(the_highest_state_with_two_votes_is_told),
      cmocka_unit_test(copies_of_several_pairs_are_told_apart),
      cmocka_unit_test(only_equal_headers_are_good),
      cmocka_unit_test(foreign_contents_are_nothing_of_ours),
      cmocka_unit_test(a_later_format_and_an_interrupted_one_are_no_pair),
      cmocka_unit_test(a_spare_that_shrank_is_damaged),
      cmocka_unit_test(what_either_side_does_not_know_is_not_different),
      cmocka_unit_test(what_matched_has_names),
      cmocka_unit_test(the_main_that_fits_is_proposed),
      cmocka_unit_test(another_main_is_not_proposed),
      cmocka_unit_test(what_can_t_be_a_main_is_not_proposed),
      cmocka_unit_test(a_part_of_the_same_disk_beside_the_spare_may_be_main),
      cmocka_unit_test(a_spare_with_larger_logical_blocks_has_no_main),
      cmocka_unit_test(an_uneven_main_is_none),
      cmocka_unit_test(a_uuid_of_zeros_is_one_too),
      cmocka_unit_test(equal_mains_are_ambiguous),
      cmocka_unit_test(the_one_that_is_known_wins_in_any_order),
      cmocka_unit_test(a_uuid_that_is_seen_twice_is_ambiguous),
      cmocka_unit_test(two_spares_of_one_main_are_ambiguous),
      cmocka_unit_test(another_pairs_spare_is_no_main),
      cmocka_unit_test(damaged_ones_stay_so_but_count_as_seen),
      cmocka_unit_test(an_active_spare_has_its_live_main),
      cmocka_unit_test(what_is_proposed_opens),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
