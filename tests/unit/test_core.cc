// SPDX-License-Identifier: GPL-2.0
//
// The C face's own: which errors are the medium's, geometries, words.
#include <set>

#include "support.h"

namespace test {
namespace {

constexpr dmr_sts kAll[] = {DMR_STS_OK,       DMR_STS_IOERR,     DMR_STS_MEDIUM,
                            DMR_STS_TARGET,   DMR_STS_NOTSUPP,   DMR_STS_TIMEOUT,
                            DMR_STS_NOSPC,    DMR_STS_TRANSPORT, DMR_STS_RESV_CONFLICT,
                            DMR_STS_RESOURCE, DMR_STS_OFFLINE,   DMR_STS_OTHER};

bool medium(dmr_sts sts) {
  return sts == DMR_STS_MEDIUM || sts == DMR_STS_IOERR || sts == DMR_STS_TARGET;
}

void three_statuses_are_the_mediums(void**) {
  for (const dmr_sts sts : kAll) assert_int_equal(dmr_sts_is_medium(sts) != 0, medium(sts));
}

void only_failures_of_the_medium_are_parked(void**) {
  Pair pair;
  pair.must_open();
  dmr_engine* const engine = pair.target->engine();
  for (const dmr_sts sts : kAll) {
    for (const dmr_device device : {DMR_MAIN, DMR_SPARE}) {
      for (const dmr_direction direction : {DMR_READ, DMR_WRITE, DMR_DISCARD}) {
        for (const int failfast : {0, 1}) {
          const bool parked = dmr_engine_failed(engine, device, direction, sts, failfast) != 0;
          assert_int_equal(parked, medium(sts) && direction != DMR_DISCARD && !failfast);
        }
      }
    }
  }
  // Counted: three statuses, with and without failfast, on main.
  assert_int_equal(pair.status().main_read_errors, 6);
  assert_int_equal(pair.status().main_write_errors, 6);
}

// ---- Geometry -----------------------------------------------------------------------------------

constexpr dmr_geometry kGood = {kSmallMain, kSmallSpare, kSmallMain, 1, 1};

dmr_refusal check_of(void (*change)(dmr_geometry&)) {
  dmr_geometry geometry = kGood;
  change(geometry);
  return dmr_geometry_check(&geometry);
}

void geometries(void**) {
  assert_int_equal(dmr_geometry_check(&kGood), DMR_ACCEPTED);
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_logical_sectors = 16; }),
                   DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK);
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_logical_sectors = 0; }),
                   DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK);
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_logical_sectors = 3; }),
                   DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK);
  for (const uint32_t spare : {0u, 3u, 8u, 16u}) {
    dmr_geometry geometry = kGood;
    geometry.main_logical_sectors = 4;
    geometry.spare_logical_sectors = spare;
    assert_int_equal(dmr_geometry_check(&geometry), DMR_REFUSED_GEOMETRY_LOGICAL_BLOCK);
  }
  for (const uint32_t both : {1u, 2u, 4u, 8u}) {
    dmr_geometry geometry = kGood;
    geometry.main_logical_sectors = geometry.spare_logical_sectors = both;
    assert_int_equal(dmr_geometry_check(&geometry), DMR_ACCEPTED);
  }
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_logical_sectors = 8; }), DMR_ACCEPTED);
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_sectors = DMR_MAIN_MAX_SECTORS; }),
                   DMR_ACCEPTED);
  assert_int_equal(check_of([](dmr_geometry& g) { g.main_sectors = DMR_MAIN_MAX_SECTORS + 1; }),
                   DMR_REFUSED_MAIN_TOO_LARGE);
  assert_int_equal(check_of([](dmr_geometry& g) { ++g.target_sectors; }),
                   DMR_REFUSED_TARGET_TOO_LONG);
  // Peer defect 23: a target shorter than main is fine.
  assert_int_equal(check_of([](dmr_geometry& g) { g.target_sectors = 1; }), DMR_ACCEPTED);
}

void peer_16_a_spare_that_is_too_small_is_refused(void**) {
  for (const uint64_t sectors : {0ull, 1ull, 16384ull, kSmallSpare - 1ull}) {
    dmr_geometry geometry = kGood;
    geometry.spare_sectors = sectors;
    assert_int_equal(dmr_geometry_check(&geometry), DMR_REFUSED_SPARE_TOO_SMALL);
  }
}

void the_arena_is_within_its_bound_for_every_size(void**) {
  uint64_t largest = 0;
  for (uint32_t slots = 2048; slots <= DMR_SLOTS_MAX; ++slots) {
    for (const uint64_t main : {uint64_t{8}, uint64_t{2097151}, uint64_t{DMR_MAIN_MAX_SECTORS}}) {
      const dmr_geometry g = {main, DMR_METADATA_SECTORS + 8ull * slots, main, 1, 1};
      const uint64_t bytes = dmr_engine_arena_bytes(&g);
      if (bytes > 16ull * slots + 64 * 1024) fail_msg("%u slots", slots);
      largest = bytes > largest ? bytes : largest;
    }
  }
  // A spare larger than can be used takes no more.
  const dmr_geometry huge = {kSmallMain, 1ull << 40, kSmallMain, 1, 1};
  assert_true(dmr_engine_arena_bytes(&huge) <= largest);
}

// ---- Words --------------------------------------------------------------------------------------

void every_refusal_has_a_text_of_its_own(void**) {
  std::set<std::string> texts;
  for (int r = DMR_ACCEPTED; r <= DMR_REFUSED_READ_ONLY; ++r) {
    const std::string text = dmr_refusal_text(static_cast<dmr_refusal>(r));
    assert_true(text != "unknown");
    assert_true(texts.insert(text).second);
    assert_true(text.find('\n') == std::string::npos);
  }
  // The option that would go on is named where there is one.
  const auto names = [](dmr_refusal refusal, const char* word) {
    return strstr(dmr_refusal_text(refusal), word) != nullptr;
  };
  assert_true(names(DMR_REFUSED_FOREIGN, "'format'"));
  assert_true(names(DMR_REFUSED_DAMAGED, "'format'"));
  assert_true(names(DMR_REFUSED_FORK, "'format'"));
  assert_true(names(DMR_REFUSED_SINGLE_COPY, "'accept_single_copy'"));
  assert_true(names(DMR_REFUSED_SINGLE_COPY, "stale"));
  assert_true(names(DMR_REFUSED_OTHER_MAIN, "'adopt_main'"));
  assert_true(names(DMR_REFUSED_BLANK_WITH_UUID, "'uuid'"));
}

void state_names(void**) {
  assert_string_equal(dmr_state_name(DMR_STATE_INACTIVE), "inactive");
  assert_string_equal(dmr_state_name(DMR_STATE_MAIN_FAILED), "main_failed");
  assert_string_equal(dmr_state_name(DMR_STATE_METADATA_RO), "metadata_ro");
  assert_string_equal(dmr_state_name(DMR_STATE_SPARE_FULL), "spare_full");
  assert_string_equal(dmr_state_name(DMR_STATE_DEGRADED), "degraded");
  assert_string_equal(dmr_state_name(DMR_STATE_OK), "ok");
}

// As a later host's might be.
void numbers_without_a_word_are_unknown(void**) {
  assert_string_equal(dmr_refusal_text(static_cast<dmr_refusal>(DMR_REFUSED_READ_ONLY + 1)),
                      "unknown");
  assert_string_equal(dmr_state_name(static_cast<dmr_state>(DMR_STATE_OK + 1)), "unknown");
}

void uuid_text(void**) {
  dmr_u8 uuid[DMR_UUID_BYTES];
  for (uint32_t i = 0; i < sizeof uuid; ++i) uuid[i] = static_cast<dmr_u8>(i * 17);
  char text[DMR_UUID_TEXT_BYTES];
  dmr_uuid_format(uuid, text);
  assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(three_statuses_are_the_mediums),
      cmocka_unit_test(only_failures_of_the_medium_are_parked),
      cmocka_unit_test(geometries),
      cmocka_unit_test(peer_16_a_spare_that_is_too_small_is_refused),
      cmocka_unit_test(the_arena_is_within_its_bound_for_every_size),
      cmocka_unit_test(every_refusal_has_a_text_of_its_own),
      cmocka_unit_test(state_names),
      cmocka_unit_test(numbers_without_a_word_are_unknown),
      cmocka_unit_test(uuid_text),
  };
  return cmocka_run_group_tests_name("core", tests, nullptr, nullptr);
}
