// SPDX-License-Identifier: GPL-2.0
//
// The health scanner: what is read next, when, and what follows from how it went. It looks for
// sectors that fail before anybody needs them: main from end to end, the slots in use, the five
// copies; and lost sectors again and again, at growing intervals.
//
// It reads and nothing else, in a thread of its own, the scan worker's: the only one that calls
// step(). What it finds it leaves for the repair worker, who looks again for himself, with the
// block's writers held off, before anything changes (Engine::mend_found). Between the two there is
// one queue with one writer and one reader. What status and messages look at, or set, is atomic.
//
// docs/HEALTH.md says what is slow, what a pass is and how the scanner keeps out of the way.
#pragma once

#include "dm_remap/core.h"
#include "format.h"
#include "health.h"

namespace dmr {

class Engine;

// What the scanner found, for the repair worker.
struct Finding {
  enum class Kind : u8 {
    kMove,     // sectors that read, in a block that is bad, weak or slow
    kLost,     // a logical block that does not read
    kSalvage,  // a lost logical block that reads again
    kSlot,     // sectors of a slot that did not read at once
    kCopy,     // a copy of the metadata to be looked at
    kSettle,   // the cursor has come so far that it is worth being kept
  };
  Kind kind = Kind::kMove;
  SectorMask mask = 0;
  u64 number = 0;  // block of main, or copy
};

// From the scan worker to the repair worker, without a lock.
class Findings {
 public:
  static constexpr u32 kMax = 32;
  u32 room() const { return kMax - (written_.load() - read_.load()); }
  bool empty() const { return written_.load() == read_.load(); }
  void put(const Finding& finding) {
    const u32 at = written_.load();
    ring_[at % kMax] = finding;
    written_.store(at + 1);
  }
  bool take(Finding& finding) {
    if (empty()) return false;
    const u32 at = read_.load();
    finding = ring_[at % kMax];
    read_.store(at + 1);
    return true;
  }

 private:
  Finding ring_[kMax];
  Atomic<u32> written_, read_;  // how many ever
};

// A share of a device's time. What was used is paid for afterwards, so the share is never exceeded
// for longer than one read takes.
class Pace {
 public:
  // Time has passed in which the share was @duty_ppm. Microseconds.
  void pass(u64 now, u32 duty_ppm);
  void spend(u64 busy) { debt_ += busy * kMillion; }
  // Until the next read may begin, at that share.
  u64 wait(u32 duty_ppm) const { return (debt_ + duty_ppm - 1) / duty_ppm; }

 private:
  static constexpr u64 kMillion = 1000000;
  u64 last_ = 0;
  u64 debt_ = 0;  // millionths of microseconds
};

// The part of the last minute that was spent on something.
class Share {
 public:
  void spend(u64 now, u64 busy);
  u32 ppm(u64 now);

 private:
  static constexpr u32 kParts = 12;
  static constexpr u64 kPartMicroseconds = 5000000;
  void pass(u64 now);
  u64 busy_[kParts] = {};
  u64 part_ = 0;  // number of the newest
};

class Scanner {
 public:
  // The pair is open: goes on at @cursor, a sector of main.
  void begin(dmr_host* host, u64 cursor, u64 passes);
  // ... and what is known of its health so far. Whoever opens it, before the first step.
  void begin_health(const Engine& engine);
  // At most one read. Returns the microseconds until the next call. Scan worker.
  u64 step(Engine& engine);

  // ---- Any context.
  // It is switched on or off: what was asked for until then is over.
  void forget_commands() {
    paused_.store(0);
    forced_.store(0);
  }
  bool control(Engine& engine, dmr_scan_command command);
  void status(const Engine& engine, dmr_status& status) const;
  // Something it waits for has changed since its last step.
  bool wanted(const Engine& engine) const;
  Findings& findings() { return findings_; }
  const Findings& findings() const { return findings_; }
  // Where a reboot has to go on.
  u64 position() const { return position_.load(); }
  u64 passes() const { return passes_.load(); }
  // A read that went well only when it was tried again.
  void note_retry() { retries_.add(1); }
  // What lies there on main could not be mended: it is read again, and all behind it. Main's end
  // stands for slots and lost sectors.
  void owe(u64 sector) { owed_.raise(~sector); }

 private:
  struct Answer {
    dmr_device device;
    u64 sector;
    Status status;
    u64 took;    // microseconds
    bool alone;  // nobody else had I/O on main at that time
  };
  // Of a chunk that failed, or was slow: its blocks one by one, the last one first, so that the
  // drive's read-ahead has none of them in its cache.
  struct Narrow {
    bool active = false;
    bool timed = false;
    bool sure = false;  // of a timed one: what is slow now was so before
    bool deaf = false;  // the chunk has answered with no error of the medium for long enough
    bool slow = false;  // a block was slow, of a timed one
    u32 warm = 0;       // reads elsewhere that have just been made
    u64 elsewhere = ~u64{0};  // how long the quickest of them took, but for the first
    u64 took = 0;       // by the whole chunk, of a timed one that is not sure
    u64 from = 0, at = 0;
    u32 disturbed = 0;  // times in a row that somebody else was busy
  };
  // Of a block that failed: its logical blocks, each with its retries.
  struct Bad {
    bool active = false;
    Block block;
    SectorMask mask = 0, good = 0, bad = 0;
    u32 tries = 0;
  };
  // What was slow once, or (@sure) block by block.
  struct Suspect {
    u64 from = 0, until = 0;
    u64 not_before = 0;
    u64 took = 0;
    bool sure = false;
  };
  // A place that answers with errors that are not the medium's.
  struct Held {
    u32 times = 0;         // in a row, waits in between
    bool answers = false;  // its device does elsewhere
    dmr_device device = DMR_MAIN;
    u64 sector = 0;
  };
  enum class Phase : u8 { kMain, kSlots, kCopies };

  dmr_scan_state state(const Engine& engine) const;
  u64 make_step(Engine& engine);
  void look_around(u64 now);
  u32 duty(const Engine& engine) const;
  u64 interval(const Engine& engine) const;
  bool hurried() const { return forced_.load() != 0 || passes_.load() == 0; }
  u64 pass_due(const Engine& engine, u64 now);
  u64 due(const Engine& engine, u64 now);
  Answer read(dmr_device device, u64 sector, u32 sectors);
  u64 elsewhere(const Engine& engine, u64 sector, u32 quarters) const;
  bool held_up(const Answer& answer);
  void ask_elsewhere(const Engine& engine);
  void one_read(Engine& engine);
  void scan_main(Engine& engine);
  void scan_slots(Engine& engine);
  void scan_copies();
  void end_pass();
  bool is_slow(const Engine& engine, const Answer& answer, u64 usual) const;
  void suspect(u64 from, u64 until, u64 took, bool sure);
  bool next_suspect(u64 now);
  void narrow(u64 from, u64 until, bool timed);
  void narrow_step(Engine& engine);
  void warm_up(const Engine& engine);
  void timed_block(Engine& engine, Block block, u64 start, u64 end, const Answer& answer);
  void bad_step(Engine& engine);
  void bad_end(Engine& engine);
  void plan_retest(const Engine& engine, u64 now);
  void plan_owed(const Engine& engine, u64 now);
  bool retest_step(Engine& engine);
  void found(Finding::Kind kind, u64 number, SectorMask mask) {
    findings_.put({kind, mask, number});
  }
  void keep_health(Engine& engine, u64 now);
  void publish_health();
  void keep_position();

  dmr_host* host_ = nullptr;
  Findings findings_;

  // ---- Where it is.
  Phase phase_ = Phase::kMain;
  u64 cursor_ = 0;  // sector of main
  u32 slot_ = 0;
  u32 slot_until_ = 0;
  u32 copy_ = 0;
  Held held_;
  Narrow narrow_;
  Bad bad_;
  static constexpr u32 kSuspects = 8;
  Suspect suspects_[kSuspects];
  u32 suspect_count_ = 0;

  // ---- Lost sectors.
  u32 retest_slot_ = ~0u;
  u32 retest_sector_ = 0;
  u64 retest_at_ = 0;
  u64 retest_wait_ = 0;
  u64 lost_seen_ = 0;

  // ---- What could not be mended.
  Atomic<u64> owed_;  // the inverse of the lowest such sector; 0: nothing
  u64 owed_at_ = 0;   // when it is read again, 0 if that is not decided
  u64 owed_wait_ = 0;

  // ---- Time, in microseconds of dmr_host_clock().
  u64 begun_ = 0;
  u64 held_until_ = 0;
  u64 scheduled_ = 0;      // when the last read was due, if the interval is to be kept
  u64 since_scheduled_ = 0;  // sectors since
  u64 settled_ = 0;
  Pace pace_;
  Share share_;
  u64 usual_ = 0;      // of a chunk of usual_sectors_
  u32 usual_sectors_ = 0;
  u64 per_mib_ = 0;    // of whole chunks
  u64 usual_block_ = 0;
  i64 mean_duty_ = 0;  // over the last hour, in parts of ppm
  u64 last_step_ = 0;

  // ---- Others.
  u64 own_sectors_ = 0;
  u64 foreign_ = 0;
  u64 busy_until_ = 0;
  bool others_wait_ = false;
  bool load_known_ = false;
  u32 yields_ = 0;

  // ---- Health.
  Health health_;
  dmr_health told_state_ = DMR_HEALTH_HEALTHY;  // by an event
  u64 health_at_ = 0;
  bool health_late_ = false;  // the last step was too soon after the one before
  bool low_said_ = false;
  bool soon_said_ = false;

  Atomic<u32> paused_, forced_, running_;
  Atomic<u32> stalled_;  // it waits for room for findings
  Atomic<u64> seen_;     // Engine::news() at the last step
  Atomic<u64> position_, passes_, errors_, retries_, slow_;
  Atomic<u32> score_, health_state_, trend_, overhead_;
  Atomic<u64> hours_, pass_hours_;
};

}  // namespace dmr
