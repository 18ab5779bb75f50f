// SPDX-License-Identifier: GPL-2.0
//
// The health scanner under a clock of its own: what it finds, what becomes of it, how much of the
// disk's time it takes, and that it writes nothing.
#include "support.h"

namespace test {
namespace {

constexpr uint64_t kSecond = 1000000, kMinute = 60 * kSecond, kHour = 60 * kMinute;
constexpr uint64_t kMainSectors = 65536;  // 32 chunks of a MiB

struct Scanned : Pair {
  explicit Scanned(const dmr_arguments& arguments = {}, const Devices& devices = {})
      : Pair(devices) {
    must_open(arguments);
    main().record(true);
  }
  dmr_engine* engine() { return target->engine(); }
  uint64_t now() const { return host.clock_microseconds; }
  void advance(uint64_t microseconds) {
    host.clock_microseconds += microseconds;
    host.uptime_seconds = 1000 + host.clock_microseconds / kSecond;
    host.now_seconds = 1700000000 + host.clock_microseconds / kSecond;
  }
  void mend() {
    while (dmr_scan_found(engine())) assert_true(dmr_engine_mend_found(engine()));
    assert_false(dmr_engine_mend_found(engine()));
  }
  // One step, then what it found is mended and its wait passes.
  uint64_t step() {
    const uint64_t before = now();
    const uint64_t wait = dmr_scan_step(engine());
    advance(0);
    mend();
    advance(std::max<uint64_t>(wait, 1));
    return now() - before;
  }
  void run(uint64_t microseconds) {
    for (const uint64_t end = now() + microseconds; now() < end;) step();
  }
  // A pass from here to its end.
  void pass() {
    const uint64_t passes = status().scan_passes;
    assert_true(dmr_scan_control(engine(), DMR_SCAN_START));
    for (uint32_t steps = 0; status().scan_passes == passes; ++steps) {
      assert_true(steps < 100000);
      step();
    }
  }
  // Of the recorded reads of main, by anybody: how often each sector was read well.
  std::vector<uint32_t> times_read() {
    std::vector<uint32_t> times(host.main.sectors());
    for (const auto& io : main().records()) {
      if (io.kind != IoKind::kRead || io.status != DMR_STS_OK) continue;
      for (uint64_t s = io.sector; s < io.sector + io.sectors; ++s) ++times[s];
    }
    return times;
  }
};

// ---- What it reads ------------------------------------------------------------------------------

void a_pass_reads_all_of_main_once(void**) {
  Scanned pair;
  pair.pass();
  for (const uint32_t times : pair.times_read()) assert_int_equal(times, 1);
  assert_int_equal(pair.main().writes(), 0);
  assert_int_equal(pair.host.scan_reads, 32);
  assert_int_equal(pair.status().scan_position, 0);
  assert_int_equal(pair.status().slots_used, 0);
}

void the_first_pass_comes_by_itself(void**) {
  Scanned pair;
  pair.run(50 * kSecond);
  assert_int_equal(pair.host.scan_reads, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  pair.run(20 * kSecond);
  assert_true(pair.host.scan_reads > 0);
  pair.run(kMinute);
  assert_int_equal(pair.status().scan_passes, 1);
  // The next one takes its week: a chunk of 32 each five hours and a quarter.
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(84 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 15, 17);
  assert_in_range(pair.status().scan_position, 15 * 2048, 17 * 2048);
  assert_int_equal(pair.status().expected_pass_hours, 168);
  pair.run(85 * kHour);
  assert_int_equal(pair.status().scan_passes, 2);
}

void chunks_have_their_size(void**) {
  for (const uint32_t kib : {4, 64, 1000, 4096}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_CHUNK_KIB, kib));
    pair.pass();
    for (const uint32_t times : pair.times_read()) assert_int_equal(times, 1);
    assert_int_equal(pair.main().records()[0].sectors, 2 * kib);
    // Changed while it lives.
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_CHUNK_KIB, 32);
    pair.main().forget_records();
    pair.pass();
    assert_int_equal(pair.main().records()[0].sectors, 64);
  }
}

void what_is_redirected_is_not_read_on_main(void**) {
  Scanned pair;
  pair.main().inject(write_fault(800, 3));
  pair.main().inject(write_fault(4096, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_int_equal(pair.write(4096, 8), DMR_STS_OK);
  pair.main().forget_records();
  const uint64_t spare_reads = pair.spare().reads();
  pair.pass();
  const auto times = pair.times_read();
  for (uint64_t s = 0; s < kMainSectors; ++s) {
    const bool moved = (s >= 800 && s < 803) || (s >= 4096 && s < 4104);
    assert_int_equal(times[s], moved ? 0 : 1);
  }
  // The slots were, and every copy.
  assert_true(pair.spare().reads() - spare_reads > 5 * 6);
  assert_true(pair.host.scan_reads > 32);
}

void odd_mains(void**) {
  for (const uint64_t sectors : {uint64_t{65536 - 3}, uint64_t{8 * 5 + 1}, uint64_t{1}}) {
    Devices devices;
    devices.main_sectors = sectors;
    Scanned pair({}, devices);
    pair.main().inject(read_fault(sectors - 1));
    pair.pass();
    assert_int_equal(pair.status().lost_sectors, 1);
    pair.pass();
    assert_int_equal(pair.status().lost_sectors, 1);
    pair.check_invariants();
  }
}

// ---- What it finds ------------------------------------------------------------------------------

void a_latent_bad_sector_is_found_and_its_block_saved(void**) {
  Scanned pair;
  pair.prefill(5000, 64);
  pair.main().inject(read_fault(5021));
  pair.pass();
  // Its seven good neighbours are in a slot before they die, it is lost.
  const dmr_list_entry entry = pair.entry_of(5021);
  assert_int_equal(entry.lost_mask, 1 << 5021 % 8);
  assert_int_equal(entry.spare_mask, 0xff & ~(1 << 5021 % 8));
  assert_int_equal(pair.status().slots_used, 1);
  assert_int_equal(pair.status().lost_sectors, 1);
  assert_true(pair.status().scan_errors > 0);
  assert_int_equal(pair.main().writes(), 0);
  pair.main().inject(read_fault(5016, 8));
  pair.allow_unreadable(5021);
  pair.check_all();
  pair.must_be_unreadable(5021);
  pair.check_invariants();
  // It is not asked for again.
  pair.main().forget_records();
  pair.pass();
  assert_int_equal(pair.times_read()[5021], 0);
  pair.reboot(CrashPolicy::kDropAll);
  pair.check_all();
}

void what_reads_only_after_retries_moves(void**) {
  Scanned pair;
  pair.prefill(7000, 32);
  Fault fault = read_fault(7010);
  fault.times = 4;  // the chunk, the block, the sector twice
  pair.main().inject(fault);
  pair.pass();
  assert_int_equal(pair.entry_of(7010).spare_mask, 0xff);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_true(pair.status().retries > 0);
  pair.main().inject(read_fault(7008, 8));
  pair.check_all();
}

void retries_are_as_configured(void**) {
  for (const uint32_t retries : {0u, 2u, 5u}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_READ_RETRIES, retries));
    pair.main().inject(read_fault(900));
    pair.pass();
    uint32_t alone = 0;
    for (const auto& io : pair.main().records())
      alone += io.kind == IoKind::kRead && io.sector == 900 && io.sectors == 1;
    // ... and as often by the worker, behind the gate.
    assert_int_equal(alone, 2 * (1 + retries));
  }
}

void a_whole_bad_block_and_bad_ends(void**) {
  for (const auto& [first, count] : {std::pair<uint64_t, uint64_t>{4096, 8},
                                     {0, 1},
                                     {kMainSectors - 1, 1},
                                     {2047, 2},
                                     {6000, 40}}) {
    for (const uint32_t logical : {1u, 8u}) {
      Devices devices;
      devices.main_logical = logical;
      Scanned pair({}, devices);
      pair.prefill(0, 16384);
      pair.main().inject(read_fault(first, count));
      pair.pass();
      const uint64_t low = first / logical * logical;
      const uint64_t high = (first + count + logical - 1) / logical * logical;
      assert_int_equal(pair.status().lost_sectors, high - low);
      pair.allow_unreadable(low, static_cast<uint32_t>(high - low));
      pair.check_all();
      pair.check_invariants();
      assert_int_equal(pair.main().writes(), 0);
    }
  }
}

void lost_sectors_are_tried_again_at_growing_intervals(void**) {
  Scanned pair;
  pair.prefill(3000, 16);
  pair.main().inject(read_fault(3001));
  pair.pass();
  assert_int_equal(pair.status().lost_sectors, 1);
  std::vector<uint64_t> at;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    if (io.device == DMR_MAIN && io.sector == 3001) at.push_back(pair.now());
  };
  const uint64_t lost_at = pair.now();
  pair.run(20 * 24 * kHour);
  assert_true(at.size() >= 8);
  assert_in_range((at[0] - lost_at) / kMinute, 9, 12);
  for (size_t i = 1; i < at.size(); ++i) {
    const uint64_t gap = at[i] - at[i - 1];
    const uint64_t before = i == 1 ? at[0] - lost_at : at[i - 1] - at[i - 2];
    assert_true(gap > before || gap + kHour >= 7 * 24 * kHour);
  }
  // When it reads again it is in the slot by the next try.
  pair.main().heal();
  pair.run(8 * 24 * kHour);
  assert_int_equal(pair.status().lost_sectors, 0);
  assert_int_equal(pair.status().salvaged, 1);
  pair.main().inject(read_fault(3000, 8));
  pair.check_all();
}

void dead_sectors_stay_dead(void**) {
  Scanned pair;
  pair.main().inject(write_fault(3000, 8));
  assert_int_equal(pair.write(3000, 8), DMR_STS_OK);
  pair.main().heal();
  const uint64_t slot = slot_sector(dmr::Slot(pair.entry_of(3000).slot));
  pair.spare().inject(read_fault(slot + 3));
  pair.spare().inject(write_fault(slot, 1));
  assert_int_equal(pair.write(3000, 1), DMR_STS_OK);
  assert_int_equal(pair.entry_of(3000).lost_mask, 0x08);
  pair.run(30 * 24 * kHour);
  // Main holds older bytes.
  assert_int_equal(pair.entry_of(3000).lost_mask, 0x08);
  pair.must_be_unreadable(3003);
}

void a_slow_block_moves(void**) {
  for (const uint64_t slow : {uint64_t{1500000}, uint64_t{200000}}) {
    Scanned pair;
    pair.prefill(20000, 64);
    pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
      const bool hit = io.device == DMR_MAIN && io.sector <= 20019 && 20019 < io.sector + io.sectors;
      return io.sectors * 5 + (hit ? slow : 0);
    };
    pair.pass();
    pair.run(5 * kMinute);
    // Past slow_read_ms, or far out of line with its neighbours.
    assert_int_equal(pair.status().slots_used, 1);
    assert_int_equal(pair.entry_of(20019).spare_mask, 0xff);
    assert_int_equal(pair.status().slow_reads, 1);
    assert_int_equal(pair.status().lost_sectors, 0);
    pair.main().inject(read_fault(20016, 8));
    pair.check_all();
  }
}

void what_is_slow_once_or_everywhere_does_not_move(void**) {
  // A disk that wakes up, one that is slow as a whole, one that others keep busy, one that is slow as
  // a whole beyond what is called slow, and any disk if that is set too low.
  for (const int how : {0, 1, 2, 3, 4}) {
    Scanned pair;
    if (how == 4) dmr_engine_config_set(pair.engine(), DMR_CONFIG_SLOW_READ_MS, 10);
    uint64_t reads = 0;
    pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
      ++reads;
      if (how == 0) return reads == 20 ? 8 * kSecond : io.sectors * 5;
      if (how == 1) return io.sectors * 400;  // 0.8 s a chunk
      if (how == 3) return 1200000;
      if (how == 4) return 12000 + io.sectors * 5;
      pair.host.foreign_sectors += 8;
      return io.sector >= 20480 && io.sector < 22528 ? 2 * kSecond : io.sectors * 5;
    };
    pair.pass();
    pair.run(how < 3 ? 5 * kMinute : 12 * kHour);
    assert_int_equal(pair.status().slots_used, 0);
    assert_int_equal(pair.status().slow_reads, 0);
  }
}

void slow_blocks_leave_slots_for_what_fails(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SPARE_LOW_PERCENT, 1));
  pair.host.scan_read_takes = [&](const dmr_host::Io& io) -> uint64_t {
    const bool hit = io.device == DMR_MAIN && io.sector < 24576 && 20480 < io.sector + io.sectors;
    return io.sectors * 5 + (hit ? 1500000 : 0);
  };
  pair.pass();
  pair.run(2 * kHour);
  assert_true(pair.status().slow_reads > 100);
  const uint64_t low = (kSmallSlots + 99) / 100;
  assert_in_range(pair.status().slots_used, low, low + 1);
}

void slots_and_copies_are_looked_after(void**) {
  Scanned pair;
  pair.main().inject(write_fault(800, 64));
  assert_int_equal(pair.write(800, 64), DMR_STS_OK);
  const uint32_t weak = pair.entry_of(816).slot;
  // One slot reads at the second try, another not at all, a copy has rotted.
  Fault fault = read_fault(slot_sector(dmr::Slot(weak)) + 2);
  fault.times = 4;
  pair.spare().inject(fault);
  const uint32_t bad = pair.entry_of(840).slot;
  pair.spare().inject(read_fault(slot_sector(dmr::Slot(bad)) + 2));
  pair.spare().flip_bit(table_block_sector(3, 2), 77);
  pair.pass();
  assert_int_not_equal(pair.entry_of(816).slot, weak);
  assert_int_equal(pair.status().slots_retired, 1);
  // What does not read stays where it is: the next read may succeed.
  assert_int_equal(pair.entry_of(840).slot, bad);
  assert_int_equal(pair.status().good_copies, 5);
  assert_int_equal(pair.status().repairs, 1);
  const auto copy = Image::read(pair.spare(), 3);
  assert_true(copy.has_value() && dmr::table_block_verifies(copy->table[2], 2));
  pair.spare().heal();
  pair.check_all();
  pair.check_invariants();
  // With all well again no pass commits anything.
  pair.pass();
  const uint64_t sequence = pair.status().sequence;
  pair.pass();
  assert_int_equal(pair.status().sequence, sequence);
}

// ---- What it must not do ------------------------------------------------------------------------

void a_write_in_between_is_respected(void**) {
  // The block is written after the scanner has seen it fail, before the worker looks.
  Scanned pair;
  pair.prefill(5000, 16);
  pair.main().inject(read_fault(5002));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  while (!dmr_scan_found(pair.engine())) pair.advance(dmr_scan_step(pair.engine()));
  pair.main().heal();
  assert_int_equal(pair.write(5000, 8), DMR_STS_OK);
  pair.mend();
  pair.check_all();
  assert_int_equal(pair.status().lost_sectors, 0);
  // And redirected meanwhile: the finding is of no concern any more.
  Scanned other;
  other.main().inject(read_fault(5002));
  other.main().inject(write_fault(5000, 8));
  dmr_scan_control(other.engine(), DMR_SCAN_START);
  while (!dmr_scan_found(other.engine())) other.advance(dmr_scan_step(other.engine()));
  assert_int_equal(other.write(5000, 8), DMR_STS_OK);
  const uint32_t slot = other.entry_of(5000).slot;
  other.mend();
  assert_int_equal(other.entry_of(5000).slot, slot);
  assert_int_equal(other.entry_of(5000).lost_mask, 0);
  other.check_all();
}

void the_gate_is_closed_while_a_finding_is_mended(void**) {
  Scanned pair;
  pair.prefill(5000, 16);
  pair.main().inject(read_fault(5002));
  uint32_t gated = 0;
  pair.host.on_drain = [&] {
    gated += pair.route(5003, 1, DMR_WRITE).kind == DMR_PLACE_WORKER;
  };
  pair.pass();
  assert_true(gated >= 2);
  assert_int_not_equal(pair.route(5003, 1, DMR_WRITE).kind, DMR_PLACE_WORKER);
}

void errors_that_are_not_the_mediums_cost_nothing(void**) {
  for (const dmr_sts sts : {DMR_STS_TRANSPORT, DMR_STS_TIMEOUT, DMR_STS_OFFLINE,
                            DMR_STS_RESOURCE, DMR_STS_RESV_CONFLICT}) {
    // Main as a whole, once it has read four chunks: it waits there, and goes on when that is over.
    Scanned pair;
    assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
    while (pair.status().scan_position < 8192) pair.step();
    const uint64_t reads = pair.host.scan_reads;
    pair.main().inject(read_fault(0, kForever, sts));
    pair.run(10 * kMinute);
    assert_int_equal(pair.status().scan_passes, 0);
    assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
    assert_int_equal(pair.status().scan_errors, 0);
    assert_int_equal(pair.status().scan_position, 8192);
    assert_in_range(pair.host.scan_reads - reads, 5, 20);
    pair.main().heal();
    pair.run(10 * kMinute);
    assert_int_equal(pair.status().scan_passes, 1);
    assert_int_equal(pair.status().slots_used, 0);
  }
}

void one_place_that_never_answers_ends_no_pass(void**) {
  // A sector, a chunk and its neighbours, a lost sector, a slot; what is bad behind it is found.
  for (const int what : {0, 1, 2, 3}) {
    Scanned pair;
    pair.main().inject(write_fault(800, 8));
    assert_int_equal(pair.write(800, 8), DMR_STS_OK);
    if (what == 2) {
      pair.main().inject(read_fault(9000));
      pair.pass();
      assert_int_equal(pair.status().lost_sectors, 1);
      pair.main().heal();
    }
    if (what == 3) {
      const dmr::Slot slot(pair.entry_of(800).slot);
      pair.spare().inject(read_fault(slot_sector(slot), 8, DMR_STS_TIMEOUT));
    } else {
      const uint64_t first = what == 1 ? 7000 : 9000;
      pair.main().inject(read_fault(first, what == 1 ? 4000 : 1, DMR_STS_TIMEOUT));
    }
    pair.main().inject(read_fault(40001));
    const uint32_t slots = pair.status().slots_used;
    pair.run(28 * 24 * kHour);
    assert_in_range(pair.status().scan_passes, 4, 9);
    assert_int_equal(pair.status().lost_sectors, what == 2 ? 2 : 1);
    // Not one for what does not answer.
    assert_int_equal(pair.status().slots_used, slots + 1);
    assert_true(pair.status().scan_errors > 0);
    pair.main().heal();
    pair.spare().heal();
    pair.allow_unreadable(9000, 1);
    pair.allow_unreadable(40001, 1);
    pair.check_all();
  }
}

void a_cursor_of_another_disk_is_rounded(void**) {
  Devices devices;
  devices.main_logical = 8;
  Scanned pair({}, devices);
  pair.pass();
  pair.crash(CrashPolicy::kKeepAll);
  for (uint32_t copy = 0; copy < 5; ++copy) {
    auto image = Image::read(pair.spare(), copy);
    assert_true(image.has_value());
    image->header.scan_cursor_sector.store(2051);
    image->seal(image->header.sequence.load());
    image->put(pair.spare(), copy);
  }
  pair.must_open();
  assert_int_equal(pair.status().scan_position, 2048);
  pair.pass();
  assert_int_equal(pair.status().scan_errors, 0);
  assert_int_equal(pair.status().slots_used, 0);
}

void a_clock_that_was_ahead_keeps_nothing_from_being_kept(void**) {
  Scanned pair;
  pair.host.now_seconds += 12 * 365 * 86400ull;
  pair.main().inject(write_fault(800, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  pair.pass();  // from here on the clock is right again
  pair.run(11 * kMinute);
  dmr_engine_settle(pair.engine());
  pair.reboot(CrashPolicy::kDropAll);
  assert_int_equal(pair.status().scan_passes, 1);
}

// By the scanner and by repair: told when it is lost, and not again.
void a_copy_that_is_lost_for_good_is_told_once(void**) {
  for (const bool repair : {false, true}) {
    Scanned pair;
    pair.spare().inject(read_fault(dmr::kCopySector[3], 1024));
    pair.spare().inject(write_fault(dmr::kCopySector[3], 1024));
    for (uint32_t turn = 0; turn < 2; ++turn) {
      pair.host.events.clear();
      if (repair) {
        assert_int_equal(dmr_engine_repair(pair.engine()), 4);
      } else {
        pair.pass();
      }
      assert_int_equal(pair.status().state, DMR_STATE_DEGRADED);
      assert_int_equal(pair.host.events_of(DMR_EVENT_METADATA), turn == 0 ? 1 : 0);
      for (const dmr_event& event : pair.host.events) {
        if (event.kind == DMR_EVENT_METADATA) assert_int_equal(event.good_copies, 4);
      }
    }
  }
}

void a_disk_that_is_gone_costs_no_slots(void**) {
  Scanned pair;
  pair.main().inject(read_fault(0, kForever, DMR_STS_IOERR));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(10 * kMinute);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_int_equal(pair.status().slots_used, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_PAUSED);
  assert_int_equal(pair.status().health, DMR_HEALTH_FAILED);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(kHour);
  assert_int_equal(pair.host.scan_reads, reads);
  pair.main().heal();
  dmr_engine_resume_remap(pair.engine());
  pair.pass();
  assert_int_equal(pair.status().slots_used, 0);
}

void findings_count_as_a_burst(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_REMAP_BURST, 5));
  pair.main().inject(read_fault(8192, 800));
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(10 * kMinute);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_true(pair.status().slots_used <= 5);
}

void nothing_moves_without_leave(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_AUTO_REMAP, 0));
  pair.main().inject(read_fault(5000, 8));
  pair.pass();
  assert_int_equal(pair.status().slots_used, 0);
  assert_true(pair.status().scan_errors > 0);
  Pair read_only;
  read_only.must_open();
  read_only.must_open({}, true);
  assert_false(dmr_scan_control(read_only.target->engine(), DMR_SCAN_START));
  assert_int_equal(read_only.status().scan_state, DMR_SCAN_OFF);
}

// What it found while nothing could be done is not left for the next pass, a week later.
void what_could_not_be_mended_is_visited_again(void**) {
  for (const int how : {0, 1, 2, 3}) {
    Scanned pair(Arguments().with_config(DMR_CONFIG_AUTO_REMAP, how != 0));
    pair.prefill(5000, 64);
    pair.pass();
    pair.main().inject(read_fault(5021));
    pair.main().inject(read_fault(9000));
    if (how == 1) pair.main().inject(read_fault(0, kForever));
    if (how == 2) assert_int_equal(pair.job(DMR_JOB_REMAP, 16384, 8 * kSmallSlots).done, kSmallSlots);
    if (how == 3) {
      for (uint32_t copy = 0; copy < 2; ++copy)
        pair.spare().inject(write_fault(dmr::kCopySector[copy], 8));
      dmr_engine_repair(pair.engine());
    }
    assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
    pair.run(5 * kMinute);
    const dmr_state states[] = {DMR_STATE_OK, DMR_STATE_MAIN_FAILED, DMR_STATE_SPARE_FULL,
                                DMR_STATE_METADATA_RO};
    assert_int_equal(pair.status().state, states[how]);
    assert_int_equal(pair.status().lost_sectors, 0);
    assert_true(pair.status().scan_errors > 0);
    // As long as that is so it is in vain, and not tried.
    const uint64_t passes = pair.status().scan_passes;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_passes, passes);
    assert_int_equal(pair.status().lost_sectors, 0);
    pair.main().heal();
    pair.spare().heal();
    pair.main().inject(read_fault(5021));
    pair.main().inject(read_fault(9000));
    if (how == 0) dmr_engine_config_set(pair.engine(), DMR_CONFIG_AUTO_REMAP, 1);
    if (how == 1) dmr_engine_resume_remap(pair.engine());
    if (how == 2) assert_int_equal(pair.job(DMR_JOB_UNMAP, 16384, 64).done, 8);
    if (how == 3) assert_int_equal(dmr_engine_repair(pair.engine()), 5);
    pair.run(15 * kMinute);
    assert_int_equal(pair.status().lost_sectors, 2);
    assert_int_equal(pair.entry_of(5021).spare_mask, 0xff & ~(1 << 5021 % 8));
    // Once.
    const uint64_t later = pair.status().scan_passes;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_passes, later);
    pair.allow_unreadable(5021);
    pair.check_all();
    pair.check_invariants();
  }
}

// A place that the worker can't read for a reason that is not the medium's: less and less often.
void what_can_not_be_mended_is_tried_less_and_less(void**) {
  Scanned pair;
  pair.pass();
  uint64_t seen = 0;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    pair.main().heal();
    pair.main().inject(read_fault(9000));
    seen += io.device == DMR_MAIN && io.sector == 9000 && io.sectors == 1;
  };
  pair.host.before_io = [&](const dmr_host::Io&) {
    pair.main().heal();
    pair.main().inject(read_fault(9000, 1, DMR_STS_TRANSPORT));
  };
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  pair.run(6 * 24 * kHour);
  // Its neighbours were saved.
  assert_int_equal(pair.entry_of(9000).spare_mask, 0xfe);
  assert_int_equal(pair.status().lost_sectors, 0);
  // After ten minutes, twenty, forty, ... 2560, and by a pass or two; six reads each.
  assert_in_range(seen / 6, 9, 12);
}

// A commit is under way: no copy is looked at then, and none is called damaged for it.
void copies_are_looked_at_between_commits(void**) {
  Scanned pair;
  pair.pass();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  while (pair.status().scan_position != kMainSectors) pair.step();
  uint64_t metadata_reads = 0, steps = 0;
  pair.host.before_scan_read = [&](const dmr_host::Io& io) {
    metadata_reads += io.device == DMR_SPARE && io.sector < DMR_METADATA_SECTORS;
  };
  pair.host.before_io = [&](const dmr_host::Io& io) {
    if (io.device != DMR_SPARE || io.sector >= DMR_METADATA_SECTORS) return;
    ++steps;
    pair.advance(dmr_scan_step(pair.engine()));
  };
  pair.main().inject(write_fault(800, 8));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_true(steps > 10);
  assert_true(dmr_scan_found(pair.engine()));
  pair.host.before_io = nullptr;
  const uint64_t sequence = pair.status().sequence;
  pair.mend();
  assert_int_equal(metadata_reads, 0);
  assert_int_equal(pair.status().sequence, sequence);
  assert_int_equal(pair.status().repairs, 0);
  assert_int_equal(pair.status().good_copies, 5);
}

void it_is_called_for_news_only(void**) {
  Scanned pair;
  (void)pair.step();
  assert_false(dmr_scan_wanted(pair.engine()));
  // Writes and reads that the worker mends without a change.
  Fault once = write_fault(800);
  once.times = 1;
  pair.main().inject(once);
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_int_equal(pair.status().slots_used, 0);
  assert_false(dmr_scan_wanted(pair.engine()));
  pair.main().inject(write_fault(800));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  assert_true(dmr_scan_wanted(pair.engine()));
  (void)pair.step();
  assert_false(dmr_scan_wanted(pair.engine()));
  // Main has failed, and that is over.
  pair.main().inject(read_fault(0, kForever));
  pair.main().inject(write_fault(0, kForever));
  (void)pair.write(5000, 8);
  assert_int_equal(pair.status().state, DMR_STATE_MAIN_FAILED);
  assert_true(dmr_scan_wanted(pair.engine()));
  (void)pair.step();
  dmr_engine_resume_remap(pair.engine());
  assert_true(dmr_scan_wanted(pair.engine()));
  pair.main().heal();
  // Room for findings again.
  Scanned full;
  full.main().inject(read_fault(0, 2048));
  assert_true(dmr_scan_control(full.engine(), DMR_SCAN_START));
  for (int i = 0; i < 2000; ++i) full.advance(std::max<uint64_t>(dmr_scan_step(full.engine()), 1));
  assert_false(dmr_scan_wanted(full.engine()));
  const uint64_t reads = full.host.scan_reads;
  full.advance(dmr_scan_step(full.engine()));
  assert_int_equal(full.host.scan_reads, reads);
  full.mend();
  assert_true(dmr_scan_wanted(full.engine()));
}

// What decayed lately counts after a reboot, as far as the lasting counters tell.
void a_reboot_does_not_make_a_decaying_disk_healthy(void**) {
  Scanned pair;
  for (uint32_t i = 0; i < 40; ++i) {
    pair.main().inject(write_fault(30000 + 8 * i, 8));
    assert_int_equal(pair.write(30000 + 8 * i, 8), DMR_STS_OK);
    pair.main().heal();
    pair.run(kHour);
  }
  const dmr_status before = pair.status();
  pair.reboot(CrashPolicy::kKeepAll);
  const dmr_status after = pair.status();
  assert_in_range(after.score, before.score - 3, before.score + 3);
  assert_int_equal(after.health, before.health);
  assert_in_range(after.exhaustion_hours, before.exhaustion_hours * 3 / 4,
                  before.exhaustion_hours * 5 / 4);
}

// ---- Commands -----------------------------------------------------------------------------------

void commands_and_states(void**) {
  Scanned pair;
  dmr_engine* const engine = pair.engine();
  assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
  assert_true(dmr_scan_control(engine, DMR_SCAN_START));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
  for (int i = 0; i < 5; ++i) pair.step();
  const uint64_t position = pair.status().scan_position;
  assert_true(position > 0);
  assert_true(dmr_scan_control(engine, DMR_SCAN_PAUSE));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_PAUSED);
  const uint64_t reads = pair.host.scan_reads;
  pair.run(10 * kHour);
  assert_int_equal(pair.host.scan_reads, reads);
  assert_true(dmr_scan_control(engine, DMR_SCAN_RESUME));
  pair.step();
  assert_int_equal(pair.status().scan_state, DMR_SCAN_RUNNING);
  assert_true(pair.status().scan_position >= position);

  assert_true(dmr_scan_control(engine, DMR_SCAN_STOP));
  assert_int_equal(pair.status().scan_state, DMR_SCAN_OFF);
  assert_int_equal(dmr_engine_config(engine, DMR_CONFIG_SCAN_ENABLED), 0);
  assert_false(dmr_scan_control(engine, DMR_SCAN_PAUSE));
  assert_false(dmr_scan_control(engine, DMR_SCAN_RESUME));
  const uint64_t stopped = pair.host.scan_reads;
  pair.run(10 * kHour);
  assert_int_equal(pair.host.scan_reads, stopped);
  // It goes on where it was.
  const uint64_t where = pair.status().scan_position;
  assert_true(dmr_scan_control(engine, DMR_SCAN_START));
  pair.step();
  assert_true(pair.status().scan_position >= where);
  // By configuration it is the same.
  dmr_engine_config_set(engine, DMR_CONFIG_SCAN_ENABLED, 0);
  assert_int_equal(pair.status().scan_state, DMR_SCAN_OFF);
}

// What it had read on demand is not owed any time when it goes on by itself.
void a_stopped_demand_leaves_no_debt(void**) {
  Scanned pair;
  pair.pass();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  for (const uint64_t from = pair.host.scan_reads; pair.host.scan_reads < from + 20;) pair.step();
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_STOP));
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 1);
  // A chunk of 32 each five hours and a quarter.
  const uint64_t reads = pair.host.scan_reads;
  pair.run(12 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 1, 3);
}

void switched_off_and_on_it_knows_no_command(void**) {
  for (const dmr_scan_command command : {DMR_SCAN_START, DMR_SCAN_PAUSE}) {
    Scanned pair;
    pair.pass();
    assert_true(dmr_scan_control(pair.engine(), command));
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 0);
    pair.run(kHour);
    dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_ENABLED, 1);
    const uint64_t reads = pair.host.scan_reads;
    pair.run(12 * kHour);
    assert_int_equal(pair.status().scan_state, DMR_SCAN_IDLE);
    assert_in_range(pair.host.scan_reads - reads, 1, 3);
  }
}

void what_a_pass_takes_is_told_by_whole_chunks(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_INTERVAL_HOURS, 1));
  pair.host.scan_read_takes = [](const dmr_host::Io& io) { return 10000 + io.sectors * 5ull; };
  pair.main().inject(read_fault(9000, 64));
  pair.pass();
  assert_int_equal(pair.status().lost_sectors, 64);
  pair.main().heal();
  for (uint32_t i = 0; i < 40; ++i) {
    pair.run(kMinute);
    assert_int_equal(pair.status().expected_pass_hours, 1);
  }
  assert_int_equal(pair.status().lost_sectors, 0);
}

void a_reboot_among_slots_does_not_read_main_again(void**) {
  Scanned pair;
  assert_true(dmr_scan_control(pair.engine(), DMR_SCAN_START));
  while (pair.status().scan_position != kMainSectors) pair.step();
  assert_int_equal(pair.status().scan_passes, 0);
  // Any commit takes the position along.
  pair.main().inject(write_fault(800, 3));
  assert_int_equal(pair.write(800, 8), DMR_STS_OK);
  pair.reboot(CrashPolicy::kKeepAll);
  assert_int_equal(pair.status().scan_position, kMainSectors);
  const uint64_t reads = pair.main().reads();
  const uint64_t scanned = pair.host.scan_reads;
  pair.pass();
  assert_int_equal(pair.main().reads(), reads);
  assert_int_equal(pair.host.scan_reads - scanned, 1);  // the slot
}

void a_reboot_goes_on_where_it_was(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 10));
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{2000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(25 * kMinute);
  const uint64_t commits = pair.status().commits;
  const uint64_t position = pair.status().scan_position;
  // 200 s a chunk: some of them are behind, and it was noted every ten minutes.
  assert_in_range(position / 2048, 5, 9);
  assert_in_range(commits, 2, 4);
  pair.run(11 * kMinute);
  const uint64_t later = pair.status().scan_position;
  pair.reboot(CrashPolicy::kKeepAll);
  assert_in_range(pair.status().scan_position, position, later);
  // The number of passes, too.
  Scanned other;
  other.pass();
  other.pass();
  assert_int_equal(other.status().scan_passes, 2);
  other.advance(20 * kMinute);
  dmr_engine_settle(other.engine());
  other.reboot(CrashPolicy::kDropAll);
  assert_int_equal(other.status().scan_passes, 2);
  assert_int_equal(other.status().scan_position, 0);
}

// ---- Pace ---------------------------------------------------------------------------------------

void redirect(Pair& pair, uint32_t blocks) {
  pair.main().inject(write_fault(32768, 8 * blocks));
  for (uint32_t done = 0; done < blocks; done += 64)
    assert_int_equal(pair.write(32768 + 8 * done, 8 * std::min(blocks - done, 64u)), DMR_STS_OK);
  pair.main().heal();
}

// Makes the pair as healthy as that.
void bring_to(Scanned& pair, dmr_health health) {
  if (health == DMR_HEALTH_WATCH) {
    pair.main().inject(read_fault(100));
    pair.pass();
  }
  if (health == DMR_HEALTH_FAILING) {
    redirect(pair, kSmallSlots * 8 / 10);
    pair.main().inject(read_fault(96, 8));
    pair.pass();
  }
  if (health == DMR_HEALTH_FAILED) {
    redirect(pair, kSmallSlots);
  }
  pair.run(2 * kSecond);
  CHECK(pair.status().health == health, "%s, not %s", dmr_health_name(pair.status().health),
        dmr_health_name(health));
}

void the_duty_is_kept_at_each_state(void**) {
  for (uint32_t i = 0; i <= DMR_HEALTH_FAILED; ++i) {
    for (const bool busy : {false, true}) {
      const auto health = static_cast<dmr_health>(i);
      Scanned pair;
      pair.host.scan_read_takes = [&](const dmr_host::Io& io) { return io.sectors * 5ull; };
      bring_to(pair, health);
      uint64_t used = 0;
      pair.host.scan_read_takes = [&](const dmr_host::Io& io) {
        if (io.device == DMR_MAIN) used += io.sectors * 5ull;
        return io.sectors * 5ull;
      };
      // The state stays: a spare full of blocks that were moved stays full, and so on.
      const uint64_t begin = pair.now();
      while (pair.now() < begin + 3 * kMinute) {
        dmr_scan_control(pair.engine(), DMR_SCAN_START);
        if (busy) ++pair.host.foreign_sectors;
        pair.step();
      }
      const uint64_t share = used * 1000000 / (pair.now() - begin);
      const uint64_t allowed = (busy ? 10000ull : 100000ull) << i;
      print_message("%s, %s: %llu ppm of %llu, overhead_ppm %u\n", dmr_health_name(health),
                    busy ? "busy" : "idle", static_cast<unsigned long long>(share),
                    static_cast<unsigned long long>(allowed), pair.status().overhead_ppm);
      assert_int_equal(pair.status().health, health);
      // What it reads of the spare comes off.
      assert_in_range(share, allowed * 6 / 10, allowed + allowed / 50);
      assert_in_range(pair.status().overhead_ppm, share * 8 / 10, share * 12 / 10);
    }
  }
}

// A week, half of it, a quarter, an eighth.
void the_interval_is_shorter_the_worse_it_is(void**) {
  for (uint32_t i = 0; i <= DMR_HEALTH_FAILED; ++i) {
    Scanned pair;
    bring_to(pair, static_cast<dmr_health>(i));
    if (pair.status().scan_passes == 0) pair.pass();
    pair.run(2 * kMinute);
    assert_int_equal(pair.status().expected_pass_hours, 168 >> i);
    // It begins anew after what was asked for; the lost sectors have reads of their own.
    const uint64_t passes = pair.status().scan_passes;
    pair.run((168 >> i) * kHour * 9 / 10);
    assert_int_equal(pair.status().health, i);
    assert_int_equal(pair.status().scan_passes, passes);
    pair.run((168 >> i) * kHour * 2 / 10);
    assert_int_equal(pair.status().scan_passes, passes + 1);
  }
}

void the_interval_gives_way_to_the_duty(void**) {
  // A disk of 1 TiB that reads 15 MB/s: 20 hours of its own time, a tenth of which is allowed.
  Devices devices;
  devices.main_sectors = uint64_t{1} << 31;
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_INTERVAL_HOURS, 100), devices);
  pair.main().record(false);
  pair.host.scan_read_takes = [](const dmr_host::Io& io) { return io.sectors * 512ull / 15; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kHour);
  const uint64_t idle_hours = pair.status().expected_pass_hours;
  const uint64_t done = pair.status().scan_position;
  print_message("1 TiB at 15 MB/s, idle: %llu h expected; %.3f %% in an hour\n",
                static_cast<unsigned long long>(idle_hours),
                100.0 * static_cast<double>(done) / 2147483648.0);
  assert_in_range(idle_hours, 200, 208);
  assert_in_range(done * 100000 / (uint64_t{1} << 31), 480, 500);
  // Beside other I/O it is ten times as much.
  const uint64_t end = pair.now() + 8 * kHour;
  while (pair.now() < end) {
    ++pair.host.foreign_sectors;
    pair.step();
  }
  print_message("busy: %llu h\n",
                static_cast<unsigned long long>(pair.status().expected_pass_hours));
  assert_in_range(pair.status().expected_pass_hours, 1990, 2080);
  // A disk that has time enough takes what the interval says.
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_INTERVAL_HOURS, 87600);
  pair.step();
  assert_int_equal(pair.status().expected_pass_hours, 87600);
}

void it_yields_to_those_who_wait(void**) {
  Scanned pair;
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.host.foreign_waiting = 1;
  const uint64_t before = pair.now();
  while (pair.host.scan_reads == 0) pair.step();
  // Some hops of milliseconds; not for ever, for a disk that is never idle has to be read as well.
  assert_in_range(pair.now() - before, 50000, 500000);
}

void without_counters_others_are_taken_to_be_busy(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_CHUNK_KIB, 64));
  pair.host.load_known = false;
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{10000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kMinute);
  assert_in_range(pair.host.scan_reads, 55, 61);
}

void a_change_of_configuration_counts_at_once(void**) {
  Scanned pair(Arguments().with_config(DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 1));
  pair.host.scan_read_takes = [](const dmr_host::Io&) { return uint64_t{10000}; };
  dmr_scan_control(pair.engine(), DMR_SCAN_START);
  pair.run(kMinute);
  assert_int_equal(pair.host.scan_reads, 1);
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_IDLE_DUTY_PPM, 1000000);
  pair.run(2 * kSecond);
  assert_int_equal(pair.status().scan_passes, 1);
  // And the interval, in the middle of it.
  pair.run(10 * kSecond);
  const uint64_t reads = pair.host.scan_reads;
  dmr_engine_config_set(pair.engine(), DMR_CONFIG_SCAN_INTERVAL_HOURS, 1);
  pair.run(2 * kHour);
  assert_in_range(pair.host.scan_reads - reads, 55, 70);
}

// ---- Events -------------------------------------------------------------------------------------

void health_and_a_low_spare_are_told_once(void**) {
  Scanned pair;
  pair.run(kMinute);
  pair.host.events.clear();
  pair.main().inject(read_fault(100, 3));
  pair.pass();
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_HEALTH), 1);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 0);
  assert_int_equal(pair.host.events.back().kind, DMR_EVENT_HEALTH);
  assert_int_equal(pair.host.events.back().health, DMR_HEALTH_WATCH);
  assert_true(pair.host.events.back().score < 90);
  const uint32_t most = kSmallSlots * 8 / 10;
  redirect(pair, most - 2);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 0);
  (void)pair.job(DMR_JOB_REMAP, 8192, 16);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 1);
  (void)pair.job(DMR_JOB_REMAP, 8192, 64);
  pair.run(kMinute);
  assert_int_equal(pair.host.events_of(DMR_EVENT_SPARE_LOW), 1);
}

void a_forecast_below_a_week_is_told(void**) {
  Scanned pair;
  pair.run(3 * 24 * kHour);
  pair.host.events.clear();
  for (uint32_t i = 0; i < 60; ++i) {
    pair.main().inject(write_fault(30000 + 8 * i, 8));
    assert_int_equal(pair.write(30000 + 8 * i, 8), DMR_STS_OK);
    pair.main().heal();
    pair.run(2 * kMinute);
  }
  assert_in_range(pair.status().exhaustion_hours, 50, 70);
  bool told = false;
  for (const dmr_event& event : pair.host.events)
    told |= event.kind == DMR_EVENT_HEALTH && event.exhaustion_hours >= 0 &&
            event.exhaustion_hours < 168;
  assert_true(told);
  assert_true(pair.status().health >= DMR_HEALTH_FAILING);
  assert_int_equal(pair.status().trend, DMR_TREND_WORSENING);
}

void disk_errors_anywhere_do_no_harm(void**) {
  // The nth I/O of the core fails, for every n of a pass with something to mend.
  for (uint64_t n = 0; n < 60; n += n < 12 ? 1 : 5) {
    for (const dmr_device device : {DMR_MAIN, DMR_SPARE}) {
      Scanned pair;
      pair.prefill(5000, 64);
      pair.main().inject(read_fault(5021));
      for (const IoKind kind : {IoKind::kRead, IoKind::kWrite}) {
        Fault fault = kind == IoKind::kRead ? read_fault(0, kForever) : write_fault(0, kForever);
        fault.spare_ios = n;
        fault.times = 1;
        pair.host.disk(device).inject(fault);
      }
      pair.pass();
      pair.host.disk(device).heal();
      pair.allow_unreadable(5000, 64);
      pair.check_all();
      pair.check_invariants();
      assert_int_equal(pair.main().writes(), 0);
    }
  }
}

}  // namespace
}  // namespace test

int main(int argc, char** argv) {
  using namespace test;
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_pass_reads_all_of_main_once),
      cmocka_unit_test(the_first_pass_comes_by_itself),
      cmocka_unit_test(chunks_have_their_size),
      cmocka_unit_test(what_is_redirected_is_not_read_on_main),
      cmocka_unit_test(odd_mains),
      cmocka_unit_test(a_latent_bad_sector_is_found_and_its_block_saved),
      cmocka_unit_test(what_reads_only_after_retries_moves),
      cmocka_unit_test(retries_are_as_configured),
      cmocka_unit_test(a_whole_bad_block_and_bad_ends),
      cmocka_unit_test(lost_sectors_are_tried_again_at_growing_intervals),
      cmocka_unit_test(dead_sectors_stay_dead),
      cmocka_unit_test(a_slow_block_moves),
      cmocka_unit_test(what_is_slow_once_or_everywhere_does_not_move),
      cmocka_unit_test(slow_blocks_leave_slots_for_what_fails),
      cmocka_unit_test(slots_and_copies_are_looked_after),
      cmocka_unit_test(a_write_in_between_is_respected),
      cmocka_unit_test(the_gate_is_closed_while_a_finding_is_mended),
      cmocka_unit_test(errors_that_are_not_the_mediums_cost_nothing),
      cmocka_unit_test(one_place_that_never_answers_ends_no_pass),
      cmocka_unit_test(a_cursor_of_another_disk_is_rounded),
      cmocka_unit_test(a_clock_that_was_ahead_keeps_nothing_from_being_kept),
      cmocka_unit_test(a_copy_that_is_lost_for_good_is_told_once),
      cmocka_unit_test(a_disk_that_is_gone_costs_no_slots),
      cmocka_unit_test(findings_count_as_a_burst),
      cmocka_unit_test(nothing_moves_without_leave),
      cmocka_unit_test(what_could_not_be_mended_is_visited_again),
      cmocka_unit_test(what_can_not_be_mended_is_tried_less_and_less),
      cmocka_unit_test(copies_are_looked_at_between_commits),
      cmocka_unit_test(it_is_called_for_news_only),
      cmocka_unit_test(a_reboot_does_not_make_a_decaying_disk_healthy),
      cmocka_unit_test(commands_and_states),
      cmocka_unit_test(a_stopped_demand_leaves_no_debt),
      cmocka_unit_test(switched_off_and_on_it_knows_no_command),
      cmocka_unit_test(what_a_pass_takes_is_told_by_whole_chunks),
      cmocka_unit_test(a_reboot_among_slots_does_not_read_main_again),
      cmocka_unit_test(a_reboot_goes_on_where_it_was),
      cmocka_unit_test(the_duty_is_kept_at_each_state),
      cmocka_unit_test(the_interval_is_shorter_the_worse_it_is),
      cmocka_unit_test(the_interval_gives_way_to_the_duty),
      cmocka_unit_test(it_yields_to_those_who_wait),
      cmocka_unit_test(without_counters_others_are_taken_to_be_busy),
      cmocka_unit_test(a_change_of_configuration_counts_at_once),
      cmocka_unit_test(health_and_a_low_spare_are_told_once),
      cmocka_unit_test(a_forecast_below_a_week_is_told),
      cmocka_unit_test(disk_errors_anywhere_do_no_harm),
  };
  return cmocka_run_group_tests_name("scanner", tests, nullptr, nullptr);
}
