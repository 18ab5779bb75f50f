// SPDX-License-Identifier: GPL-2.0
//
// The layout, and what of it is believed. A spare is untrusted: valid checksums over contents that
// we would never write are damage.
#include "support.h"

namespace test {
namespace {

using dmr::Block;
using dmr::Entry;
using dmr::Header;
using dmr::HeaderKind;

Header good_header() {
  Image image;
  image.seal(5);
  return image.header;
}

// ---- Bytes --------------------------------------------------------------------------------------

void fields_are_where_the_format_says(void**) {
  Image image;
  memcpy(image.header.label, "name", 5);
  image.header.slots_touched.store(0x11);
  image.seal(0x0102030405060708);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&image.header);
  assert_memory_equal(bytes, "DMREMAP4\1\0\0\0", 12);
  const uint8_t sequence[] = {8, 7, 6, 5, 4, 3, 2, 1};
  assert_memory_equal(bytes + 32, sequence, 8);
  assert_memory_equal(bytes + 16, image.header.uuid, 16);
  assert_int_equal(bytes[60], 5);      // table blocks
  assert_int_equal(bytes[56 + 1], 8);  // slots, 2048
  assert_int_equal(bytes[64], 1);      // logical sectors
  assert_int_equal(bytes[68], 0x11);   // touched
  assert_memory_equal(bytes + 176, "name", 5);
  // The CRC is that of the 4096 bytes with its own four as zero.
  std::vector<uint8_t> copy(bytes, bytes + 4096);
  uint32_t crc;
  memcpy(&crc, &copy[12], 4);
  memset(&copy[12], 0, 4);
  assert_int_equal(crc, dmr_host_crc32(0, copy.data(), 4096));
  // The table's CRC is of all that follows it.
  const auto* const table = reinterpret_cast<const uint8_t*>(&image.table[2]);
  memcpy(&crc, table, 4);
  assert_int_equal(crc, dmr_host_crc32(0, table + 4, 4092));
  assert_int_equal(table[4], 2);
  assert_memory_equal(bytes + 1024 + 8, &crc, 4);
}

void crc32_is_that_of_ieee(void**) {
  assert_int_equal(dmr_host_crc32(0, "123456789", 9), 0xcbf43926);
  assert_int_equal(dmr_host_crc32(dmr_host_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
}

void entries_as_bits(void**) {
  const Entry entry = Entry::of(Block(0x123456789a), 0x0f, 0x3c);
  assert_true(entry.bits() == 0x00123456789a3c0f);
  assert_true(entry.block() == Block(0x123456789a));
  assert_int_equal(entry.spare_mask(), 0x0f);
  assert_int_equal(entry.lost_mask(), 0x3c);
  assert_int_equal(entry.in_slot(), 0x03);  // neither lost nor dead
  assert_int_equal(entry.on_main(), 0xc0);
  assert_true(entry.is_used() && !entry.is_free() && !entry.is_retired());
  assert_true(Entry::free().bits() == 0xffffffffffff0000);
  assert_true(Entry::retired().bits() == 0xfffffffffffe0000);
  assert_true(Entry::free().is_free() && !Entry::free().is_used() && !Entry::free().is_retired());
  assert_true(Entry::retired().is_retired() && !Entry::retired().is_used());
  assert_int_equal(Entry::free().on_main(), 0xff);
}

void geometry_of_the_spare(void**) {
  assert_int_equal(dmr::slots_for(DMR_SPARE_MIN_SECTORS), 2048);
  assert_int_equal(dmr::slots_for(DMR_SPARE_MIN_SECTORS + 7), 2048);
  assert_int_equal(dmr::slots_for(DMR_SPARE_MIN_SECTORS + 8), 2049);
  assert_int_equal(dmr::slots_for(DMR_METADATA_SECTORS + 8ull * 64897), 64897);
  assert_int_equal(dmr::slots_for(1ull << 40), 64897);
  assert_int_equal(dmr::table_blocks_for(1), 1);
  assert_int_equal(dmr::table_blocks_for(511), 1);
  assert_int_equal(dmr::table_blocks_for(512), 2);
  assert_int_equal(dmr::table_blocks_for(64897), 127);
  assert_int_equal(dmr::slot_sector(dmr::Slot(0)), 16384);
  assert_int_equal(dmr::slot_sector(dmr::Slot(3)), 16408);
  assert_int_equal(dmr::mask_of(0, 8), 0xff);
  assert_int_equal(dmr::mask_of(3, 2), 0x18);
  assert_int_equal(dmr::bits_in(0xa5), 4);
  assert_int_equal(dmr::bits_in(0), 0);
}

void zeros(void**) {
  std::vector<uint8_t> data(4096);
  assert_true(dmr::is_zero(data.data(), 0));
  for (const size_t bytes : {size_t{1}, size_t{2}, size_t{511}, data.size()}) {
    assert_true(dmr::is_zero(data.data(), bytes));
    for (const size_t at : {size_t{0}, bytes / 2, bytes - 1}) {
      data[at] = 1;
      assert_false(dmr::is_zero(data.data(), bytes));
      data[at] = 0;
    }
  }
}

// ---- Headers ------------------------------------------------------------------------------------

void kinds_of_headers(void**) {
  Header header = good_header();
  assert_int_equal(dmr::classify_header(header), HeaderKind::kValid);
  Header zero;
  memset(&zero, 0, sizeof zero);
  assert_int_equal(dmr::classify_header(zero), HeaderKind::kForeign);
  header.magic[7] = '3';
  assert_int_equal(dmr::classify_header(header), HeaderKind::kForeign);
}

void every_byte_of_a_header_is_covered(void**) {
  for (size_t i = 8; i < sizeof(Header); ++i) {
    Header header = good_header();
    reinterpret_cast<uint8_t*>(&header)[i] ^= 0x10;
    if (dmr::classify_header(header) != HeaderKind::kDamaged) fail_msg("byte %zu", i);
  }
}

// With a CRC that is right.
HeaderKind resealed(void (*change)(Header&)) {
  Header header = good_header();
  change(header);
  const uint32_t version = header.version.load();
  dmr::seal_header(header);
  if (version != dmr::kFormatVersion) {
    header.version.store(version);
    header.crc.store(0);
    header.crc.store(dmr_host_crc32(0, &header, sizeof header));
  }
  return dmr::classify_header(header);
}

void another_format_version_is_not_guessed_at(void**) {
  for (const uint32_t version : {0u, 2u, 0xffffffffu}) {
    Header header = good_header();
    header.version.store(version);
    header.crc.store(0);
    header.crc.store(dmr_host_crc32(0, &header, sizeof header));
    assert_int_equal(dmr::classify_header(header), HeaderKind::kUnknownVersion);
  }
  assert_int_equal(resealed([](Header&) {}), HeaderKind::kValid);
}

void implausible_headers_are_damage(void**) {
  using Change = void (*)(Header&);
  const Change changes[] = {
      [](Header& h) { h.sequence.store(0); },
      [](Header& h) { h.sequence.store(~0ull); },
      [](Header& h) { h.main_sectors.store(0); },
      [](Header& h) { h.main_sectors.store(DMR_MAIN_MAX_SECTORS + 1); },
      [](Header& h) { h.main_sectors.store(~0ull); },
      [](Header& h) { h.spare_sectors.store(0); },
      [](Header& h) { h.spare_sectors.store(DMR_SPARE_MIN_SECTORS - 1); },
      [](Header& h) { h.spare_sectors.store(DMR_SPARE_MIN_SECTORS * 2); },
      [](Header& h) { h.spare_sectors.store(~0ull); },
      [](Header& h) { h.slots.store(2047); },
      [](Header& h) { h.slots.store(2049); },
      [](Header& h) { h.slots.store(~0u); },
      [](Header& h) { h.table_blocks.store(4); },
      [](Header& h) { h.table_blocks.store(6); },
      [](Header& h) { h.table_blocks.store(128); },
      [](Header& h) { h.table_blocks.store(~0u); },
      [](Header& h) { h.main_logical_sectors.store(0); },
      [](Header& h) { h.main_logical_sectors.store(3); },
      [](Header& h) { h.main_logical_sectors.store(16); },
      [](Header& h) { h.slots_touched.store(2049); },
      [](Header& h) { h.table_crc[5].store(1); },
      [](Header& h) { h.table_crc[126].store(1); },
      [](Header& h) { h.reserved[0] = 1; },
      [](Header& h) { h.reserved[sizeof h.reserved - 1] = 1; },
      [](Header& h) { h.reserved_end[0] = 1; },
      [](Header& h) { h.reserved_end[sizeof h.reserved_end - 1] = 1; },
      [](Header& h) { memset(h.label, 'x', sizeof h.label); },
      [](Header& h) { h.label[3] = 'x'; },
  };
  size_t number = 0;
  for (const Change change : changes) {
    if (resealed(change) != HeaderKind::kDamaged) fail_msg("change %zu is believed", number);
    ++number;
  }
  assert_int_equal(resealed([](Header& h) { h.slots_touched.store(2048); }), HeaderKind::kValid);
  assert_int_equal(resealed([](Header& h) { memset(h.label, 'x', 63); }), HeaderKind::kValid);
}

// It is printed into the table line, which is parsed again.
void a_label_with_other_characters_is_damage(void**) {
  using Change = void (*)(Header&);
  const Change changes[] = {
      [](Header& h) { memcpy(h.label, "a b", 4); },
      [](Header& h) { memcpy(h.label, "a\n", 3); },
      [](Header& h) { memcpy(h.label, "a/b", 4); },
      [](Header& h) { memcpy(h.label, "\xff", 2); },
  };
  for (const Change change : changes) assert_int_equal(resealed(change), HeaderKind::kDamaged);
  assert_int_equal(resealed([](Header& h) { memcpy(h.label, "A-z_0.9", 8); }), HeaderKind::kValid);
}

void marks(void**) {
  Header place = good_header();
  dmr::FormatMark mark;
  dmr::make_mark(mark);
  memcpy(&place, &mark, sizeof mark);
  assert_int_equal(dmr::classify_header(place), HeaderKind::kMark);
  for (size_t i = 8; i < sizeof mark; ++i) {
    Header damaged = place;
    reinterpret_cast<uint8_t*>(&damaged)[i] ^= 1;
    if (dmr::classify_header(damaged) != HeaderKind::kDamaged) fail_msg("byte %zu", i);
  }
  // What lies behind the mark does not matter.
  reinterpret_cast<uint8_t*>(&place)[600] ^= 1;
  assert_int_equal(dmr::classify_header(place), HeaderKind::kMark);
}

// ---- Tables -------------------------------------------------------------------------------------

void table_blocks_verify_in_their_place_only(void**) {
  Image image;
  image.seal(5);
  for (uint32_t b = 0; b < image.table.size(); ++b) {
    for (uint32_t index = 0; index < dmr::kTableBlocksMax; ++index)
      assert_int_equal(dmr::table_block_verifies(image.table[b], index), index == b);
  }
  for (size_t i = 0; i < sizeof(dmr::TableBlock); ++i) {
    dmr::TableBlock block = image.table[1];
    reinterpret_cast<uint8_t*>(&block)[i] ^= 4;
    if (dmr::table_block_verifies(block, 1)) fail_msg("byte %zu", i);
  }
  dmr::TableBlock block = image.table[1];
  block.reserved.store(1);
  block.crc.store(dmr::table_block_crc(block));
  assert_false(dmr::table_block_verifies(block, 1));
}

void plausible_entries(void**) {
  const uint64_t main = 1003;  // 125 blocks and 3 sectors
  const auto plausible = [&](Entry entry, uint32_t logical = 1) {
    return dmr::entry_plausible(entry, main, logical);
  };
  assert_true(plausible(Entry::free()));
  assert_true(plausible(Entry::retired()));
  assert_true(plausible(Entry::of(Block(0), 1, 0)));
  assert_true(plausible(Entry::of(Block(124), 0xff, 0)));
  assert_true(plausible(Entry::of(Block(124), 0, 0xff)));
  assert_true(plausible(Entry::of(Block(124), 0xff, 0xff)));
  assert_true(plausible(Entry::of(Block(125), 0x07, 0)));
  // Nothing moved; beyond the end; bits beyond the end; free or retired with masks.
  assert_false(plausible(Entry::of(Block(0), 0, 0)));
  assert_false(plausible(Entry::of(Block(126), 1, 0)));
  assert_false(plausible(Entry::of(Block(Entry::kRetiredBlock - 1), 1, 0)));
  assert_false(plausible(Entry::of(Block(1ull << 35), 1, 0)));
  assert_false(plausible(Entry::of(Block(125), 0x08, 0)));
  assert_false(plausible(Entry::of(Block(125), 0x01, 0x80)));
  assert_false(plausible(Entry::of(Block(Entry::kFreeBlock), 1, 0)));
  assert_false(plausible(Entry::of(Block(Entry::kFreeBlock), 0, 1)));
  assert_false(plausible(Entry::of(Block(Entry::kRetiredBlock), 1, 0)));
  // A logical block is not divided.
  assert_false(plausible(Entry::of(Block(0), 0x01, 0), 2));
  assert_true(plausible(Entry::of(Block(0), 0x03, 0), 2));
  assert_true(plausible(Entry::of(Block(0), 0x0c, 0x03), 2));
  assert_false(plausible(Entry::of(Block(0), 0x0f, 0x02), 2));
  assert_false(plausible(Entry::of(Block(0), 0x3c, 0), 4));
  assert_false(plausible(Entry::of(Block(0), 0x7f, 0), 8));
  assert_true(plausible(Entry::of(Block(0), 0xff, 0xff), 8));
}

void entries_of_slots_that_do_not_exist_are_free(void**) {
  Image image;
  const auto plausible = [&](uint32_t slots) {
    return dmr::entries_plausible(image.table[4], 4, slots, kSmallMain, 1);
  };
  assert_true(plausible(kSmallSlots));
  image.set(kSmallSlots - 1, Entry::of(Block(1), 1, 0));
  assert_true(plausible(kSmallSlots));
  assert_false(plausible(kSmallSlots - 1));
  image.set(kSmallSlots - 1, Entry::retired());
  assert_false(plausible(kSmallSlots - 1));
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(fields_are_where_the_format_says),
      cmocka_unit_test(crc32_is_that_of_ieee),
      cmocka_unit_test(entries_as_bits),
      cmocka_unit_test(geometry_of_the_spare),
      cmocka_unit_test(zeros),
      cmocka_unit_test(kinds_of_headers),
      cmocka_unit_test(every_byte_of_a_header_is_covered),
      cmocka_unit_test(another_format_version_is_not_guessed_at),
      cmocka_unit_test(implausible_headers_are_damage),
      cmocka_unit_test(a_label_with_other_characters_is_damage),
      cmocka_unit_test(marks),
      cmocka_unit_test(table_blocks_verify_in_their_place_only),
      cmocka_unit_test(plausible_entries),
      cmocka_unit_test(entries_of_slots_that_do_not_exist_are_free),
  };
  return cmocka_run_group_tests_name("format", tests, nullptr, nullptr);
}
