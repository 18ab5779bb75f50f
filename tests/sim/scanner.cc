// SPDX-License-Identifier: GPL-2.0
//
// The scanner's thread: a step of it may come before any I/O of the core and between any two of the
// application's, and both go on while it reads. What it reads tells the oracle what it may move.
#include "world.h"

namespace dmr::sim {
namespace {

constexpr uint64_t kMicroseconds = 1000000;
constexpr uint64_t kSlowMicroseconds = 3 * kMicroseconds;

}  // namespace

void World::begin_scanner() {
  if (random_.chance(70)) (void)dmr_scan_control(engine_, DMR_SCAN_START);
  if (random_.chance(5)) (void)dmr_scan_control(engine_, DMR_SCAN_STOP);
  slow_block_.reset();
  if (!random_.chance(15)) return;
  slow_block_ = random_.pick(hot_blocks_);
  for (uint32_t i = 0; i < DMR_BLOCK_SECTORS; ++i)
    oracle_.asked_to_move(*slow_block_ * DMR_BLOCK_SECTORS + i);
}

void World::scan_step() {
  // Where all is to come to its end, it does not begin again and again.
  if (dead_ || !opened_ || !may_step_ || !may_submit_ || scanning_) return;
  scanning_ = true;
  const uint64_t wait = dmr_scan_step(engine_);
  scanning_ = false;
  if (dead_) return;
  // The shim sleeps that long; others have less to do meanwhile than they could have.
  host_.clock_microseconds += wait;
  host_.uptime_seconds += wait / kMicroseconds;
  host_.now_seconds += wait / kMicroseconds;
  if (random_.chance(3)) (void)dmr_scan_control(engine_, DMR_SCAN_START);
}

uint64_t World::scan_read_takes(const dmr_host::Io& io) {
  const uint64_t first = slow_block_ ? *slow_block_ * DMR_BLOCK_SECTORS : 0;
  const bool slow = slow_block_ && io.device == DMR_MAIN &&
                    io.sector < first + DMR_BLOCK_SECTORS && first < io.sector + io.sectors;
  return slow ? kSlowMicroseconds : 1000;
}

void World::before_scan_read() {
  while (!dead_ && random_.chance(30)) step();
  if (dead_) return;
  tick();
  count_down();
}

void World::after_scan_read(const dmr_host::Io& io, dmr_sts sts) {
  if (dead_) return;
  trace("    scanner: %s read %llu+%u: %d", io.device == DMR_MAIN ? "main" : "spare",
        static_cast<unsigned long long>(io.sector), io.sectors, sts);
  if (host_.disk(io.device).last_fault() != nullptr)
    note_fault(io.device, hosted::IoKind::kRead, io.sector, io.sectors);
  if (io.device != DMR_MAIN) return;
  if (sts == DMR_STS_OK) {
    note_main_read(io.sector, io.sectors);
    return;
  }
  // The good sectors of a bad block move with it. A chunk that failed is not enough.
  const uint64_t block = io.sector / DMR_BLOCK_SECTORS;
  if ((io.sector + io.sectors - 1) / DMR_BLOCK_SECTORS != block) return;
  for (uint32_t i = 0; i < DMR_BLOCK_SECTORS; ++i)
    oracle_.asked_to_move(block * DMR_BLOCK_SECTORS + i);
  while (!dead_ && random_.chance(30)) step();
}

}  // namespace dmr::sim
