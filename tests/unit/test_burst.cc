// SPDX-License-Identifier: GPL-2.0
//
// Whether it is main as a whole that fails: the canary, the limit of new slots in a while, and the
// state that both lead to.
#include "core/burst.h"

#include "support.h"

namespace test {
namespace {

// ---- The window ---------------------------------------------------------------------------------

void counts_what_was_added_lately(void**) {
  dmr::Burst burst;
  burst.reset();
  assert_int_equal(burst.count(1000, 60), 0);
  burst.add(3);
  assert_int_equal(burst.count(1000, 60), 3);
  assert_int_equal(burst.count(1030, 60), 3);
  burst.add(2);
  assert_int_equal(burst.count(1050, 60), 5);
  // The first have gone, the second not yet.
  assert_int_equal(burst.count(1070, 60), 2);
  assert_int_equal(burst.count(1100, 60), 0);
}

// Gone when the window has passed; there as long as it has not, give or take a bucket.
void the_window_slides(void**) {
  for (const uint32_t window : {1u, 2u, 3u, 7u, 15u, 16u, 17u, 31u, 60u, 3600u, 86400u}) {
    const uint64_t bucket = window / 16 + 1;
    for (const uint64_t start : {0ull, 1ull, 1000000ull, 1000007ull}) {
      dmr::Burst burst;
      burst.reset();
      assert_int_equal(burst.count(start, window), 0);
      burst.add(1);
      for (uint64_t later = 0; later + bucket < window; later += bucket)
        CHECK(burst.count(start + later, window) == 1, "window %u after %u", window,
              static_cast<unsigned>(later));
      CHECK(burst.count(start + window + bucket, window) == 0, "window %u", window);
    }
  }
}

// Against a plain list of all that was added.
void like_a_list(void**) {
  for (const uint32_t window : {5u, 16u, 64u, 100u}) {
    dmr::Burst burst;
    burst.reset();
    std::mt19937_64 rng(window);
    std::vector<uint64_t> added;
    const uint64_t bucket = window / 16 + 1;
    for (uint64_t now = 5000; now < 9000; now += rng() % 7) {
      uint32_t surely = 0, perhaps = 0;
      for (const uint64_t when : added) {
        surely += when + window > now + bucket;
        perhaps += when + window + bucket > now;
      }
      const uint32_t count = burst.count(now, window);
      assert_in_range(count, surely, perhaps);
      burst.add(1);
      added.push_back(now);
    }
  }
}

void a_changed_window_begins_anew(void**) {
  dmr::Burst burst;
  burst.reset();
  assert_int_equal(burst.count(100, 160), 0);
  burst.add(1);
  assert_int_equal(burst.count(100, 160), 1);
  assert_int_equal(burst.count(100, 1600), 0);
  // Also if its buckets are as wide as before.
  assert_int_equal(burst.count(100, 32), 0);
  burst.add(1);
  assert_int_equal(burst.count(100, 32), 1);
  assert_int_equal(burst.count(100, 30), 0);
}

void long_rests(void**) {
  dmr::Burst burst;
  burst.reset();
  assert_int_equal(burst.count(0, 60), 0);
  burst.add(1);
  assert_int_equal(burst.count(1ull << 40, 60), 0);
  burst.add(1);
  assert_int_equal(burst.count(1ull << 40, 60), 1);
}

void adding_before_any_count_is_harmless(void**) {
  dmr::Burst burst;
  burst.reset();
  burst.add(5);
  assert_int_equal(burst.count(100, 60), 0);
}

// ---- The limit ----------------------------------------------------------------------------------

void more_than_the_burst_is_main_failed(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 10));
  pair->main().inject(write_fault(0, 4096));
  for (uint64_t i = 0; i < 10; ++i) assert_int_equal(pair->write(8 * i, 8), DMR_STS_OK);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  assert_int_equal(pair->write(800, 8), DMR_STS_MEDIUM);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
  assert_int_equal(pair->host.events_of(DMR_EVENT_MAIN_FAILED), 1);
  assert_int_equal(pair->status().slots_used, 10);
  // What is known goes on, in known blocks too; nothing new; nobody waits for the worker in vain.
  assert_int_equal(pair->write(0, 80), DMR_STS_OK);
  assert_int_equal(pair->write(1600, 8), DMR_STS_IOERR);
  assert_false(dmr_engine_failed(pair->target->engine(), DMR_MAIN, DMR_WRITE, DMR_STS_MEDIUM, 0));
  assert_true(dmr_engine_failed(pair->target->engine(), DMR_SPARE, DMR_WRITE, DMR_STS_MEDIUM, 0));
  pair->check_all();
  // Later, and asked to.
  pair->host.uptime_seconds += 120;
  assert_int_equal(pair->write(1600, 8), DMR_STS_IOERR);
  dmr_engine_resume_remap(pair->target->engine());
  assert_int_equal(pair->host.events_of(DMR_EVENT_MAIN_FAILED), 2);
  assert_int_equal(pair->write(1600, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 11);
  pair->check_all();
  pair->check_invariants();
}

void resume_remap_begins_a_new_count(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 10));
  pair->main().inject(write_fault(0, 4096));
  for (uint64_t i = 0; i < 10; ++i) assert_int_equal(pair->write(8 * i, 8), DMR_STS_OK);
  assert_int_equal(pair->write(800, 8), DMR_STS_MEDIUM);
  dmr_engine_resume_remap(pair->target->engine());
  for (uint64_t i = 10; i < 20; ++i) assert_int_equal(pair->write(8 * i, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 20);
  assert_int_equal(pair->write(800, 8), DMR_STS_MEDIUM);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
}

void main_failed_is_not_kept_over_reopening(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 1));
  pair->main().inject(write_fault(0, 4096));
  assert_int_equal(pair->write(0, 16), DMR_STS_MEDIUM);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
  pair->reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  assert_int_equal(pair->write(800, 8), DMR_STS_OK);
}

void only_new_blocks_count(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 1));
  pair->main().inject(write_fault(0, 4096));
  for (uint64_t s = 0; s < 8; ++s) assert_int_equal(pair->write(s, 1), DMR_STS_OK);
  // The slot fails, the block moves: no new one.
  pair->spare().inject(write_fault(dmr::slot_sector(dmr::Slot(0)), 8));
  assert_int_equal(pair->write(0, 8), DMR_STS_OK);
  assert_int_equal(pair->status().state, DMR_STATE_DEGRADED);
}

// A batch that is done again takes its slots once.
void slots_that_fail_do_not_count(void**) {
  for (const Effect effect : {Effect::kFail, Effect::kDrop}) {
    const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 2));
    pair->main().inject(write_fault(0, 4096));
    Fault fault = write_fault(dmr::slot_sector(dmr::Slot(0)), 8 * 12);
    fault.effect = effect;
    pair->spare().inject(fault);
    assert_int_equal(pair->write(0, 8), DMR_STS_OK);
    assert_int_equal(pair->write(8, 8), DMR_STS_OK);
    assert_int_equal(pair->status().slots_used, 2);
    assert_int_equal(pair->write(16, 8), DMR_STS_MEDIUM);
    assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
  }
}

void messages_do_not_count(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 3));
  pair->main().inject(write_fault(800, 24));
  assert_int_equal(pair->write(800, 8), DMR_STS_OK);
  const dmr_job job = pair->job(DMR_JOB_REMAP, 0, 160);
  assert_int_equal(job.done, 20);
  assert_int_equal(pair->write(808, 16), DMR_STS_OK);
  assert_int_equal(pair->status().state, DMR_STATE_OK);
  pair->check_all();
}

void lost_sectors_count(void**) {
  const auto pair = opened({}, Arguments().with_config(DMR_CONFIG_REMAP_BURST, 1));
  pair->main().inject(read_fault(0, 4));
  pair->main().inject(read_fault(80, 4));
  assert_int_equal(pair->read(0, 8), DMR_STS_IOERR);
  assert_int_equal(pair->read(80, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().lost_sectors, 4);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
}

// ---- The canary ---------------------------------------------------------------------------------

void a_main_that_answers_nothing_costs_no_slot(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, kSmallMain));
  pair->main().inject(read_fault(0, kSmallMain));
  assert_int_equal(pair->write(96, 8), DMR_STS_MEDIUM);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
  assert_int_equal(pair->status().slots_used, 0);
  assert_int_equal(pair->host.events_of(DMR_EVENT_MAIN_FAILED), 1);
  assert_int_equal(pair->read(96, 8), DMR_STS_IOERR);
  assert_int_equal(pair->status().lost_sectors, 0);
  // The cable is back.
  pair->main().heal();
  dmr_engine_resume_remap(pair->target->engine());
  pair->main().inject(write_fault(96, 8));
  assert_int_equal(pair->write(96, 8), DMR_STS_OK);
  pair->check_all();
}

void reads_of_a_dead_main_lose_nothing(void**) {
  const auto pair = opened();
  pair->main().inject(read_fault(0, kSmallMain));
  assert_int_equal(pair->read(96, 64), DMR_STS_IOERR);
  assert_int_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
  assert_int_equal(pair->status().lost_sectors, 0);
  assert_int_equal(pair->status().slots_used, 0);
  pair->main().heal();
  pair->check_all();
}

void one_canary_that_reads_is_enough(void**) {
  const auto pair = opened();
  // A quarter of main is well: some of eight places spread over it are in it.
  pair->main().inject(write_fault(0, 4096));
  pair->main().inject(read_fault(0, kSmallMain / 4 * 3));
  for (uint64_t i = 0; i < 40; ++i) assert_int_equal(pair->write(8 * i, 8), DMR_STS_OK);
  assert_int_equal(pair->status().slots_used, 40);
}

void one_canary_serves_a_batch(void**) {
  const auto pair = opened();
  pair->main().inject(write_fault(0, 4096));
  for (uint64_t i = 0; i < 100; ++i) pair->submit(8 * i, 8);
  const uint64_t reads = pair->main().reads();
  for (const dmr_sts sts : pair->settle()) assert_int_equal(sts, DMR_STS_OK);
  assert_true(pair->main().reads() - reads <= 8);
  assert_true(pair->main().reads() - reads >= 1);
}

void canaries_ask_no_place_known_to_be_bad(void**) {
  // Seven of eight blocks have slots; of the others some fail.
  const Devices devices{.main_sectors = 4096};
  Pair pair(devices);
  Image image(devices);
  uint32_t slot = 0;
  for (uint64_t b = 0; b < 512; ++b) {
    if (b % 8 != 0) image.set(slot++, dmr::Entry::of(dmr::Block(b), 0xff, 0));
  }
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  pair.main().record(true);
  for (uint64_t b = 0; b < 48; b += 8) {
    pair.main().inject(write_fault(b * 8, 8));
    pair.main().inject(read_fault(b * 8, 8));
    pair.main().forget_records();
    assert_int_equal(pair.write(b * 8, 8), DMR_STS_OK);
    size_t asked = 0;
    for (const auto& io : pair.main().records()) {
      if (io.kind != IoKind::kRead) continue;
      ++asked;
      assert_int_equal(io.sector / 8 % 8, 0);
      // The next time others must be asked.
      pair.main().inject(read_fault(io.sector, 8));
    }
    assert_in_range(asked, 1, 8);
  }
}

// Where hundreds of blocks in a row have moved, nobody looks for long for one that has not.
void canaries_pass_over_a_place_that_has_moved_far_and_wide(void**) {
  constexpr uint32_t kMoved = 300;
  Pair pair;
  Image image;
  for (uint32_t b = 0; b < kMoved; ++b) image.set(b, dmr::Entry::of(dmr::Block(b), 0xff, 0));
  image.seal(7);
  image.put_everywhere(pair.spare());
  pair.must_open();
  pair.main().inject(write_fault(8000, 8));
  pair.main().record(true);
  assert_int_equal(pair.write(8000, 8), DMR_STS_OK);
  // The first place is main's beginning; the next is an eighth of main away.
  for (const auto& io : pair.main().records()) {
    if (io.kind == IoKind::kRead) assert_true(io.sector >= kSmallMain / 8);
  }
  assert_int_equal(pair.main().reads(), 1);
  assert_int_equal(pair.status().slots_used, kMoved + 1);
}

void a_main_of_few_blocks_all_of_which_moved(void**) {
  const auto pair = std::make_unique<Pair>(Devices{.main_sectors = 16});
  pair->must_open();
  pair->prefill(0, 16);
  pair->main().inject(write_fault(0, 16));
  assert_int_equal(pair->write(0, 1), DMR_STS_OK);
  assert_int_equal(pair->write(8, 1), DMR_STS_OK);
  // Nothing is left to ask; that is no evidence against main.
  assert_int_equal(pair->write(1, 1), DMR_STS_OK);
  assert_int_not_equal(pair->status().state, DMR_STATE_MAIN_FAILED);
}

}  // namespace
}  // namespace test

int main() {
  using namespace test;
  const CMUnitTest tests[] = {
      cmocka_unit_test(counts_what_was_added_lately),
      cmocka_unit_test(the_window_slides),
      cmocka_unit_test(like_a_list),
      cmocka_unit_test(a_changed_window_begins_anew),
      cmocka_unit_test(long_rests),
      cmocka_unit_test(adding_before_any_count_is_harmless),
      cmocka_unit_test(more_than_the_burst_is_main_failed),
      cmocka_unit_test(resume_remap_begins_a_new_count),
      cmocka_unit_test(main_failed_is_not_kept_over_reopening),
      cmocka_unit_test(only_new_blocks_count),
      cmocka_unit_test(slots_that_fail_do_not_count),
      cmocka_unit_test(messages_do_not_count),
      cmocka_unit_test(lost_sectors_count),
      cmocka_unit_test(a_main_that_answers_nothing_costs_no_slot),
      cmocka_unit_test(reads_of_a_dead_main_lose_nothing),
      cmocka_unit_test(one_canary_that_reads_is_enough),
      cmocka_unit_test(one_canary_serves_a_batch),
      cmocka_unit_test(canaries_ask_no_place_known_to_be_bad),
      cmocka_unit_test(canaries_pass_over_a_place_that_has_moved_far_and_wide),
      cmocka_unit_test(a_main_of_few_blocks_all_of_which_moved),
  };
  return cmocka_run_group_tests_name("burst", tests, nullptr, nullptr);
}
