// SPDX-License-Identifier: GPL-2.0
//
// Opening a pair: what is accepted, what is refused and why, and that a refusal writes nothing.
// Taking a running engine over; status and list.
#include <algorithm>

#include "support.h"

namespace test {
namespace {

using dmr::Block;
using dmr::Entry;

// Refused by probe and by open alike, and the spare untouched.
void refused(Pair& pair, dmr_refusal expected, const dmr_arguments& arguments = Arguments()) {
  const uint64_t writes = pair.spare().writes();
  const uint64_t main_ios = pair.main().ios();
  for (const bool probe : {true, false}) {
    pair.target = std::make_unique<SimTarget>(pair.host);
    const dmr_refusal refusal =
        probe ? pair.target->probe(arguments) : pair.target->open(arguments);
    CHECK(refusal == expected, "%s, not %s", dmr_refusal_text(refusal), dmr_refusal_text(expected));
    assert_int_equal(pair.target->report().refusal, expected);
  }
  assert_int_equal(pair.status().state, DMR_STATE_INACTIVE);
  assert_true(pair.target->list().empty());
  assert_int_equal(pair.spare().writes(), writes);
  assert_int_equal(pair.main().ios(), main_ios);
}

// ---- New pairs ----------------------------------------------------------------------------------

void a_blank_spare_becomes_a_new_pair(void**) {
  Pair pair;
  pair.must_open(Arguments().with_label("mine"));
  const dmr_status status = pair.status();
  assert_int_equal(status.state, DMR_STATE_OK);
  assert_int_equal(status.slots_total, kSmallSlots);
  assert_int_equal(status.slots_used, 0);
  assert_int_equal(status.sequence, 1);
  assert_int_equal(status.good_copies, 5);
  assert_int_equal(status.commits, 1);
  assert_string_equal(status.label, "mine");
  assert_int_equal(status.uuid[6] >> 4, 4);
  assert_int_equal(pair.host.events_of(DMR_EVENT_FORMATTED), 1);
  assert_int_equal(pair.host.events_of(DMR_EVENT_OPENED), 0);
  pair.must_open();
  assert_int_equal(pair.host.events_of(DMR_EVENT_OPENED), 1);
  assert_string_equal(pair.status().label, "mine");
  assert_memory_equal(pair.status().uuid, status.uuid, sizeof status.uuid);
  // Main was not touched.
  assert_int_equal(pair.main().ios(), 0);
}

void probe_says_what_open_would_do_and_writes_nothing(void**) {
  Pair pair;
  pair.target = std::make_unique<SimTarget>(pair.host);
  assert_int_equal(pair.target->probe(), DMR_ACCEPTED);
  assert_int_equal(pair.target->report().will_format, 1);
  assert_int_equal(pair.spare().writes(), 0);
  assert_int_equal(pair.status().state, DMR_STATE_INACTIVE);
  assert_int_equal(pair.target->open(), DMR_ACCEPTED);
  const dmr_status status = pair.status();
  pair.target = std::make_unique<SimTarget>(pair.host);
  assert_int_equal(pair.target->probe(), DMR_ACCEPTED);
  assert_int_equal(pair.target->report().will_format, 0);
  assert_int_equal(pair.target->report().votes, 5);
  assert_int_equal(pair.target->report().headers_valid, 5);
  assert_int_equal(pair.target->report().found_sequence, status.sequence);
  assert_int_equal(pair.target->report().found_main_sectors, kSmallMain);
  assert_memory_equal(pair.target->report().found_uuid, status.uuid, sizeof status.uuid);
  // The constructor's early look is not believed: another table may come in between.
  pair.spare().flip_bit(1024, 50);
  assert_int_equal(pair.target->open(), DMR_ACCEPTED);
  assert_int_equal(pair.status().good_copies, 5);
  assert_int_equal(pair.target->report().votes, 4);
}

void read_only_metadata_makes_no_new_pair(void**) {
  Pair pair;
  Arguments read_only;
  read_only.read_only_metadata = 1;
  refused(pair, DMR_REFUSED_READ_ONLY, read_only);
  pair.must_open();
  pair.must_open(read_only);
}

void before_it_is_open_all_is_zero(void**) {
  Pair pair;
  pair.target = std::make_unique<SimTarget>(pair.host);
  dmr_status status = pair.status();
  status.arena_bytes = 0;
  const dmr_status zero = {};
  assert_memory_equal(&status, &zero, sizeof zero);
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 0);
  dmr_engine_settle(pair.target->engine());
  assert_int_equal(pair.spare().ios(), 0);
}

void a_new_pair_on_a_spare_larger_than_can_be_used(void**) {
  Pair pair({.spare_sectors = DMR_METADATA_SECTORS + 8ull * DMR_SLOTS_MAX + 100000});
  pair.must_open();
  assert_int_equal(pair.status().slots_total, DMR_SLOTS_MAX);
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.status().slots_total, DMR_SLOTS_MAX);
  assert_int_equal(pair.status().good_copies, 5);
}

// ---- Nobody's data is overwritten ---------------------------------------------------------------

// Peer defect 14: a spare that is not ours is never taken for a new one.
void peer_14_foreign_contents_anywhere_are_refused(void**) {
  for (const uint64_t sector : {0ull, 7ull, 1023ull, 5000ull, 12345ull, 16383ull,
                                kSmallSpare - 2048ull, kSmallSpare - 1ull}) {
    Pair pair;
    pair.spare().flip_bit(sector, 511);
    refused(pair, DMR_REFUSED_FOREIGN);
    refused(pair, DMR_REFUSED_FOREIGN, Arguments().with_adopt_main().with_single_copy());
    pair.must_open(Arguments().with_format());
    assert_int_equal(pair.status().state, DMR_STATE_OK);
    pair.reboot(CrashPolicy::kDropAll);
    assert_int_equal(pair.status().state, DMR_STATE_OK);
  }
}

void contents_elsewhere_on_the_spare_do_not_matter(void**) {
  Pair pair;  // it has 0x5a in its first slots
  pair.spare().fill(kSmallSpare - 2056, 8, 1);
  pair.must_open();
}

void what_can_not_be_read_is_not_blank(void**) {
  for (const uint64_t sector : {0ull, 1024ull, 3000ull, 16383ull, kSmallSpare - 1ull}) {
    Pair pair;
    pair.spare().inject(read_fault(sector));
    refused(pair, DMR_REFUSED_UNREADABLE);
  }
}

void damaged_headers_are_not_foreign(void**) {
  Pair pair;
  Image image;
  image.seal(7);
  image.put_everywhere(pair.spare());
  for (const uint64_t copy : dmr::kCopySector) pair.spare().flip_bit(copy, 50);
  refused(pair, DMR_REFUSED_DAMAGED);
  // Not even when the headers are gone altogether.
  for (const uint64_t copy : dmr::kCopySector) pair.spare().fill(copy, 8, 0);
  refused(pair, DMR_REFUSED_DAMAGED);
  for (const uint64_t copy : dmr::kCopySector) pair.spare().fill(copy, 8, 0xaa);
  refused(pair, DMR_REFUSED_DAMAGED);
  pair.must_open(Arguments().with_format());
  assert_int_equal(pair.status().slots_used, 0);
}

void another_format_version_is_refused(void**) {
  Pair pair;
  Image image;
  image.seal(7);
  image.header.version.store(2);
  image.header.crc.store(0);
  image.header.crc.store(dmr_host_crc32(0, &image.header, sizeof image.header));
  image.put_everywhere(pair.spare());
  refused(pair, DMR_REFUSED_VERSION);
}

// ---- Whose it is --------------------------------------------------------------------------------

void another_main_is_refused_and_can_be_adopted(void**) {
  Pair pair;
  Image image({.main_sectors = kSmallMain - 8});
  image.set(0, Entry::of(Block(5), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  refused(pair, DMR_REFUSED_OTHER_MAIN);
  assert_int_equal(pair.target->report().found_main_sectors, kSmallMain - 8);
  pair.must_open(Arguments().with_adopt_main());
  assert_int_equal(pair.status().slots_used, 1);
  assert_int_equal(pair.status().sequence, 8);
  pair.must_open();
}

void another_logical_block_of_main_is_another_main(void**) {
  Pair pair({.main_logical = 8});
  Image image;
  image.set(0, Entry::of(Block(5), 0x01, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  refused(pair, DMR_REFUSED_OTHER_MAIN);
  // It can't be adopted while a logical block would be divided.
  refused(pair, DMR_REFUSED_OTHER_MAIN, Arguments().with_adopt_main());
}

void a_main_too_small_for_the_redirections_can_not_be_adopted(void**) {
  Pair pair;
  Image image({.main_sectors = kSmallMain * 2});
  image.set(0, Entry::of(Block(kSmallMain / 8), 0x01, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  refused(pair, DMR_REFUSED_OTHER_MAIN, Arguments().with_adopt_main());
}

dmr_main_identity identity_of(const char* id, const char* partition) {
  dmr_main_identity identity = {};
  memcpy(identity.unique_id, id, strlen(id));
  memcpy(identity.partition_uuid, partition, strlen(partition));
  return identity;
}

void identities(void**) {
  SimHost host{SimDisk(kSmallMain), SimDisk(kSmallSpare)};
  const auto open = [&](const dmr_main_identity& identity, const dmr_arguments& arguments) {
    SimTarget target(host, 0, identity);
    return target.open(arguments);
  };
  const Arguments none;
  assert_int_equal(open(identity_of("", ""), none), DMR_ACCEPTED);
  // What is learnt later is recorded, and counts from then on; absent is not different.
  assert_int_equal(open(identity_of("wwid-1", ""), none), DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-2", ""), none), DMR_REFUSED_OTHER_MAIN);
  assert_int_equal(open(identity_of("", "part-1"), none), DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-2", ""), none), DMR_REFUSED_OTHER_MAIN);
  assert_int_equal(open(identity_of("wwid-1", "part-2"), none), DMR_REFUSED_OTHER_MAIN);
  assert_int_equal(open(identity_of("wwid-1", "part-1"), none), DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-2", "part-2"), Arguments().with_adopt_main()),
                   DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-1", ""), none), DMR_REFUSED_OTHER_MAIN);
  assert_int_equal(open(identity_of("wwid-2", "part-2"), none), DMR_ACCEPTED);
  // Nothing of the former main stays, not even what this one lacks.
  assert_int_equal(open(identity_of("wwid-3", ""), Arguments().with_adopt_main()), DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-3", "part-3"), none), DMR_ACCEPTED);
  // But what is known of the same one.
  assert_int_equal(open(identity_of("wwid-3", ""), Arguments().with_adopt_main()), DMR_ACCEPTED);
  assert_int_equal(open(identity_of("wwid-3", "part-4"), none), DMR_REFUSED_OTHER_MAIN);
}

void uuids(void**) {
  Pair pair;
  dmr_u8 other[DMR_UUID_BYTES] = {1, 2, 3};
  refused(pair, DMR_REFUSED_BLANK_WITH_UUID, Arguments().with_uuid(other));
  pair.must_open();
  dmr_u8 uuid[DMR_UUID_BYTES];
  memcpy(uuid, pair.status().uuid, sizeof uuid);
  pair.must_open(Arguments().with_uuid(uuid));
  refused(pair, DMR_REFUSED_OTHER_PAIR, Arguments().with_uuid(other));
  refused(pair, DMR_REFUSED_OTHER_PAIR, Arguments().with_uuid(other).with_adopt_main());
}

// ---- format -------------------------------------------------------------------------------------

void format_does_not_forget_redirections_of_this_main(void**) {
  Pair pair;
  Image image;
  image.set(0, Entry::of(Block(5), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  refused(pair, DMR_REFUSED_FORMAT_IN_USE, Arguments().with_format());
  // Damaged as it may be.
  pair.spare().flip_bit(0, 50);
  pair.spare().flip_bit(2048, 50);
  pair.spare().flip_bit(4096, 50);
  refused(pair, DMR_REFUSED_FORMAT_IN_USE, Arguments().with_format());
  pair.spare().flip_bit(1024, 50);
  refused(pair, DMR_REFUSED_FORMAT_IN_USE, Arguments().with_format());
}

// Its redirections can't be had any more, for want of the table or because it makes no sense; its
// sequences are not used again all the same.
void format_over_a_damaged_pair(void**) {
  for (const bool table : {false, true}) {
    Pair pair;
    Image image;
    image.set(0, Entry::of(Block(kSmallMain / 8), 0xff, 0));
    image.seal(7);
    for (uint32_t c = 0; c < dmr::kCopies; ++c) image.put_header(pair.spare(), c);
    if (table) image.put_everywhere(pair.spare());
    refused(pair, DMR_REFUSED_DAMAGED);
    pair.must_open(Arguments().with_format());
    assert_int_equal(pair.status().slots_used, 0);
    assert_true(pair.status().sequence > 7);
    pair.reboot(CrashPolicy::kDropAll);
    assert_int_equal(pair.status().state, DMR_STATE_OK);
  }
}

void format_makes_an_unused_pair_new(void**) {
  Pair pair;
  pair.must_open();
  const dmr_status before = pair.status();
  pair.must_open(Arguments().with_format().with_label("new"));
  assert_memory_not_equal(pair.status().uuid, before.uuid, sizeof before.uuid);
  assert_true(pair.status().sequence > before.sequence);
  assert_string_equal(pair.status().label, "new");
  pair.reboot(CrashPolicy::kDropAll);
  assert_string_equal(pair.status().label, "new");
}

void format_over_another_mains_pair(void**) {
  Pair pair;
  Image image({.main_sectors = kSmallMain * 2});
  image.set(0, Entry::of(Block(5), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open(Arguments().with_format());
  assert_int_equal(pair.status().slots_used, 0);
  assert_true(pair.status().sequence > 7);
  assert_true(pair.target->list().empty());
}

// ---- Sizes of the spare -------------------------------------------------------------------------

void a_spare_that_grew_keeps_its_slots(void**) {
  Pair pair({.spare_sectors = kSmallSpare * 2});
  Image image;
  image.set(0, Entry::of(Block(5), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  assert_int_equal(pair.status().slots_total, kSmallSlots);
  assert_int_equal(pair.status().slots_used, 1);
}

void a_spare_that_shrank_is_refused_as_such(void**) {
  // By less than a table block's slots, by some, by nearly all.
  for (const uint64_t was : {kSmallSpare + 8, kSmallSpare + 8 * 600, kSmallSpare * 15}) {
    Pair pair;
    Image image({.spare_sectors = was});
    image.set(0, Entry::of(Block(5), 0xff, 0));
    image.seal(7);
    image.put_everywhere(pair.spare());
    refused(pair, DMR_REFUSED_SPARE_TOO_SMALL);
  }
}

// ---- An untrusted spare -------------------------------------------------------------------------

void implausible_tables_are_damage(void**) {
  using Change = void (*)(Image&);
  const Change changes[] = {
      [](Image& i) { i.set(9, Entry::of(Block(kSmallMain / 8), 1, 0)); },
      [](Image& i) { i.set(9, Entry::of(Block(Entry::kRetiredBlock - 1), 1, 0)); },
      [](Image& i) { i.set(9, Entry::of(Block(7), 0, 0)); },
      [](Image& i) { i.set(9, Entry::of(Block(Entry::kFreeBlock), 1, 0)); },
      [](Image& i) { i.set(9, Entry::of(Block(Entry::kRetiredBlock), 0, 1)); },
      // One block twice.
      [](Image& i) {
        i.set(9, Entry::of(Block(7), 1, 0));
        i.set(10, Entry::of(Block(7), 2, 0));
      },
      [](Image& i) {
        i.set(9, Entry::of(Block(7), 1, 0));
        i.set(1800, Entry::of(Block(7), 1, 0));
      },
      // Slots that do not exist.
      [](Image& i) { i.set(kSmallSlots, Entry::of(Block(7), 1, 0)); },
      [](Image& i) { i.set(kSmallSlots + 100, Entry::retired()); },
      [](Image& i) { i.set(kSmallSlots + 506, Entry(0)); },
      [](Image& i) { i.table[3].reserved.store(1); },
      [](Image& i) { i.table[3].index.store(2); },
  };
  size_t number = 0;
  for (const Change change : changes) {
    Pair pair;
    Image image;
    change(image);
    image.seal(7);
    image.put_everywhere(pair.spare());
    pair.target = std::make_unique<SimTarget>(pair.host);
    const dmr_refusal refusal = pair.target->open();
    CHECK(refusal == DMR_REFUSED_DAMAGED, "change %zu: %s", number, dmr_refusal_text(refusal));
    refused(pair, DMR_REFUSED_DAMAGED);
    ++number;
  }
}

void entries_beyond_an_uneven_end_of_main_are_damage(void**) {
  for (const uint8_t mask : {0x01, 0x1f, 0x20, 0x80}) {
    const Devices devices{.main_sectors = kSmallMain - 3};
    Pair pair(devices);
    Image image(devices);
    image.set(0, Entry::of(Block(kSmallMain / 8 - 1), mask, 0));
    image.seal(7);
    image.put_everywhere(pair.spare());
    assert_int_equal(pair.open(), mask < 0x20 ? DMR_ACCEPTED : DMR_REFUSED_DAMAGED);
  }
}

void a_used_slot_beyond_the_mark_is_left_alone(void**) {
  Pair pair;
  Image image;
  image.set(1, Entry::of(Block(900), 0xff, 0));
  image.header.slots_touched.store(0);
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  pair.main().inject(write_fault(0, 64));
  assert_int_equal(pair.write(0, 64), DMR_STS_OK);
  pair.check_invariants();
  assert_int_equal(pair.status().slots_used, 9);
}

// Random bytes with every checksum right: anything may come of it but a crash or a wrong place.
void random_tables_with_valid_checksums(void**) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 rng(seed);
    Pair pair;
    Image image;
    const int changes = 1 + static_cast<int>(rng() % 3);
    for (int i = 0; i < changes; ++i) {
      const uint64_t bits = rng() % 2 ? rng() : (rng() % 10000) << 16 | (rng() & 0xffff);
      image.set(static_cast<uint32_t>(rng() % (5 * 511)), Entry(bits));
    }
    if (rng() % 4 == 0) {
      auto* const bytes = reinterpret_cast<uint8_t*>(&image.header);
      bytes[8 + rng() % 300] ^= static_cast<uint8_t>(1 << rng() % 8);
    }
    image.seal(7);
    image.put_everywhere(pair.spare());
    const uint64_t writes = pair.spare().writes();
    if (pair.open(Arguments().with_adopt_main()) == DMR_ACCEPTED) {
      pair.check_invariants();
    } else {
      assert_int_equal(pair.spare().writes(), writes);
    }
  }
}

// ---- Taking a running engine over ---------------------------------------------------------------

void adopt(void**) {
  Pair pair;
  pair.must_open(Arguments().with_label("old"));
  pair.main().inject(write_fault(96, 8));
  assert_int_equal(pair.write(96, 8), DMR_STS_OK);
  dmr_engine* const engine = pair.target->engine();
  const auto asked = [&](const dmr_geometry& geometry, const dmr_arguments& arguments) {
    return dmr_engine_adoptable(engine, &geometry, &arguments);
  };
  const dmr_geometry same = pair.target->geometry();
  const Arguments none;
  dmr_u8 other[DMR_UUID_BYTES] = {1};
  assert_int_equal(asked(same, none), DMR_ACCEPTED);
  assert_int_equal(asked(same, Arguments().with_uuid(pair.status().uuid)), DMR_ACCEPTED);
  assert_int_equal(asked(same, Arguments().with_uuid(other)), DMR_REFUSED_OTHER_PAIR);
  assert_int_equal(asked(same, Arguments().with_format()), DMR_REFUSED_FORMAT_IN_USE);
  dmr_geometry changed = same;
  changed.main_sectors += 8;
  assert_int_equal(asked(changed, none), DMR_REFUSED_MAIN_CHANGED);
  assert_int_equal(asked(changed, Arguments().with_adopt_main()), DMR_REFUSED_MAIN_CHANGED);
  changed = same;
  changed.main_logical_sectors = 8;
  assert_int_equal(asked(changed, none), DMR_REFUSED_MAIN_CHANGED);
  changed = same;
  changed.spare_sectors -= 8;
  assert_int_equal(asked(changed, none), DMR_REFUSED_SPARE_TOO_SMALL);
  changed = same;
  changed.spare_logical_sectors = 8;
  assert_int_equal(asked(changed, none), DMR_REFUSED_SPARE_TOO_SMALL);

  // The same again: nothing is written. A shorter target and a new label: one commit.
  const dmr_status before = pair.status();
  assert_int_equal(dmr_engine_adopt(engine, &same, &none, 0), DMR_ACCEPTED);
  assert_int_equal(pair.status().sequence, before.sequence);
  changed = same;
  changed.target_sectors = 4096;
  const Arguments label = Arguments().with_label("new");
  assert_int_equal(dmr_engine_adopt(engine, &changed, &label, 0), DMR_ACCEPTED);
  assert_int_equal(pair.status().sequence, before.sequence + 1);
  assert_string_equal(pair.status().label, "new");
  assert_int_equal(pair.status().slots_used, 1);
  pair.check_all();
  // A refusal changes nothing.
  assert_int_equal(
      dmr_engine_adopt(engine, &same,
                       &static_cast<const dmr_arguments&>(Arguments().with_uuid(other)), 0),
      DMR_REFUSED_OTHER_PAIR);
  pair.reboot(CrashPolicy::kDropAll);
  assert_string_equal(pair.status().label, "new");
  pair.check_all();
}

void adopting_for_reading_stops_writes_of_metadata(void**) {
  Pair pair;
  pair.must_open();
  pair.main().inject(write_fault(96, 8));
  const Arguments label = Arguments().with_label("later");
  dmr_engine* const engine = pair.target->engine();
  const uint64_t writes = pair.spare().writes();
  assert_int_equal(dmr_engine_adopt(engine, &pair.target->geometry(), &label, 1), DMR_ACCEPTED);
  assert_int_equal(pair.write(96, 8), DMR_STS_MEDIUM);
  assert_int_equal(pair.spare().writes(), writes);
  assert_int_equal(dmr_engine_adopt(engine, &pair.target->geometry(), &label, 0), DMR_ACCEPTED);
  assert_string_equal(pair.status().label, "later");
  assert_int_equal(pair.write(96, 8), DMR_STS_OK);
}

// What opening could not commit, because it was not to write, is owed.
void adopting_for_writing_mends_the_copies(void**) {
  Pair pair;
  Image image;
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.spare().flip_bit(1024, 50);
  pair.must_open({}, true);
  assert_int_equal(pair.status().good_copies, 4);
  dmr_engine* const engine = pair.target->engine();
  const Arguments none;
  assert_int_equal(dmr_engine_adopt(engine, &pair.target->geometry(), &none, 1), DMR_ACCEPTED);
  assert_int_equal(pair.status().good_copies, 4);
  assert_int_equal(dmr_engine_adopt(engine, &pair.target->geometry(), &none, 0), DMR_ACCEPTED);
  assert_int_equal(pair.status().good_copies, 5);
  assert_int_equal(pair.status().sequence, 8);
  for (uint32_t c = 0; c < dmr::kCopies; ++c)
    assert_int_equal(Image::read(pair.spare(), c)->header.sequence.load(), 8);
}

void an_engine_that_is_not_open_is_adoptable(void**) {
  Pair pair;
  pair.target = std::make_unique<SimTarget>(pair.host);
  const Arguments format = Arguments().with_format();
  assert_int_equal(dmr_engine_adoptable(pair.target->engine(), &pair.target->geometry(), &format),
                   DMR_ACCEPTED);
}

// ---- Status and list ----------------------------------------------------------------------------

void states_in_their_order(void**) {
  Pair pair;
  Image image;
  for (uint32_t s = 0; s < kSmallSlots; ++s) image.set(s, Entry::of(Block(s), 0x0f, 0x01));
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  // Lost sectors too, but the full spare comes first.
  assert_int_equal(pair.status().state, DMR_STATE_SPARE_FULL);
  assert_int_equal(pair.status().lost_sectors, kSmallSlots);
  pair.spare().inject(write_fault(0, 3000));
  (void)dmr_engine_repair(pair.target->engine());
  assert_int_equal(pair.status().state, DMR_STATE_METADATA_RO);
  pair.spare().heal();
  assert_int_equal(dmr_engine_repair(pair.target->engine()), 5);
  assert_int_equal(pair.status().state, DMR_STATE_SPARE_FULL);
}

void retired_slots_are_degraded(void**) {
  Pair pair;
  Image image;
  image.set(4, Entry::retired());
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  assert_int_equal(pair.status().state, DMR_STATE_DEGRADED);
  assert_int_equal(pair.status().slots_retired, 1);
  assert_int_equal(pair.status().slots_used, 0);
}

void list_ranges(void**) {
  Pair pair;
  Image image;
  image.set(3, Entry::of(Block(10), 0xff, 0x80));
  image.set(0, Entry::of(Block(20), 0x01, 0));
  image.set(7, Entry::of(Block(30), 0x02, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  const auto count = [&](uint64_t from, uint64_t sectors) {
    return pair.target->list(from, sectors).size();
  };
  assert_int_equal(count(0, kForever), 3);
  assert_int_equal(count(0, kSmallMain), 3);
  assert_int_equal(count(80, 1), 1);
  assert_int_equal(count(87, 1), 1);
  assert_int_equal(count(88, 72), 0);
  assert_int_equal(count(88, 73), 1);
  assert_int_equal(count(161, kForever), 2);
  assert_int_equal(count(168, kForever), 1);
  assert_int_equal(count(248, kForever), 0);
  const dmr_list_entry entry = pair.entry_of(85);
  assert_int_equal(entry.sector, 80);
  assert_int_equal(entry.slot, 3);
  assert_int_equal(entry.spare_mask, 0xff);
  assert_int_equal(entry.lost_mask, 0x80);
  // No more than there is room for, but all are counted.
  dmr_list_entry two[3] = {};
  assert_int_equal(dmr_engine_list(pair.target->engine(), 0, kForever, two, 2), 3);
  assert_int_equal(two[2].sector, 0);
}

void regions_stay_where_they_are(void**) {
  Pair pair;
  pair.target = std::make_unique<SimTarget>(pair.host);
  const dmr_region_map before = dmr_engine_regions(pair.target->engine());
  assert_int_equal(pair.target->open(), DMR_ACCEPTED);
  const dmr_region_map after = dmr_engine_regions(pair.target->engine());
  assert_ptr_equal(before.bits, after.bits);
  assert_int_equal(before.shift, after.shift);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_blank_spare_becomes_a_new_pair),
      cmocka_unit_test(probe_says_what_open_would_do_and_writes_nothing),
      cmocka_unit_test(read_only_metadata_makes_no_new_pair),
      cmocka_unit_test(before_it_is_open_all_is_zero),
      cmocka_unit_test(a_new_pair_on_a_spare_larger_than_can_be_used),
      cmocka_unit_test(peer_14_foreign_contents_anywhere_are_refused),
      cmocka_unit_test(contents_elsewhere_on_the_spare_do_not_matter),
      cmocka_unit_test(what_can_not_be_read_is_not_blank),
      cmocka_unit_test(damaged_headers_are_not_foreign),
      cmocka_unit_test(another_format_version_is_refused),
      cmocka_unit_test(another_main_is_refused_and_can_be_adopted),
      cmocka_unit_test(another_logical_block_of_main_is_another_main),
      cmocka_unit_test(a_main_too_small_for_the_redirections_can_not_be_adopted),
      cmocka_unit_test(identities),
      cmocka_unit_test(uuids),
      cmocka_unit_test(format_does_not_forget_redirections_of_this_main),
      cmocka_unit_test(format_over_a_damaged_pair),
      cmocka_unit_test(format_makes_an_unused_pair_new),
      cmocka_unit_test(format_over_another_mains_pair),
      cmocka_unit_test(a_spare_that_grew_keeps_its_slots),
      cmocka_unit_test(a_spare_that_shrank_is_refused_as_such),
      cmocka_unit_test(implausible_tables_are_damage),
      cmocka_unit_test(entries_beyond_an_uneven_end_of_main_are_damage),
      cmocka_unit_test(a_used_slot_beyond_the_mark_is_left_alone),
      cmocka_unit_test(random_tables_with_valid_checksums),
      cmocka_unit_test(adopt),
      cmocka_unit_test(adopting_for_reading_stops_writes_of_metadata),
      cmocka_unit_test(adopting_for_writing_mends_the_copies),
      cmocka_unit_test(an_engine_that_is_not_open_is_adoptable),
      cmocka_unit_test(states_in_their_order),
      cmocka_unit_test(retired_slots_are_degraded),
      cmocka_unit_test(list_ranges),
      cmocka_unit_test(regions_stay_where_they_are),
  };
  return cmocka_run_group_tests_name("engine", tests, nullptr, nullptr);
}
