// SPDX-License-Identifier: GPL-2.0
//
// What each sector may read, and when it may fail to.
//
// Every write has a version, and every sector of it a content that names version and sector. Of each
// sector the oracle keeps the writes that can still matter, with the times at which they were
// submitted and ended. Then:
//  - a read may return a write X unless another one was submitted after X had ended and was
//    acknowledged before the read was submitted;
//  - a power cut may bring back X unless another one that is durable was submitted after X had ended.
//    Durable is what was acknowledged with FUA, by the worker, or before a flush was submitted that
//    was acknowledged;
//  - what was read while nobody wrote stays so until somebody writes, or power fails;
//  - a read may fail only where a fault was met since the last acknowledged write.
// A write that failed, or was in flight when power failed, may surface until a later one is
// acknowledged. Times are numbers that the world counts up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dmr::sim {

using Time = uint64_t;
inline constexpr uint32_t kSectorBytes = 512;

class Oracle {
 public:
  explicit Oracle(uint64_t sectors) : sectors_(sectors) {}

  // The content of @sector in version @version; version 0 is what was there before.
  static void make_content(uint32_t version, uint64_t sector, uint8_t* bytes);

  // ---- Writes. Of a discard, each sector becomes zeros or stays: a write that fails.
  uint32_t begin_write(uint64_t sector, uint32_t sectors, Time now, bool zeros);
  void end_write(uint32_t version, uint64_t sector, uint32_t sectors, Time now, bool acknowledged,
                 bool durable, Time oldest_read);
  void flushed(Time submitted);
  // Power fails: what was in flight has failed, and what is not durable may be gone.
  void power_cut(Time now);

  // Another engine serves: it may have found what a commit that failed has left. Unless @settled,
  // the next may find something else again.
  void reopened(bool settled);

  // ---- Reads.
  // Empty, or what is wrong with @bytes as the content of @sector, read between the two times.
  std::string check(uint64_t sector, const uint8_t* bytes, Time submitted, Time now);
  // A read of the sector met a fault, and so did the @tries - 1 before it: only then it may fail.
  void met_fault(uint64_t sector, Time now, uint32_t tries);
  void was_read(uint64_t sector) { at(sector).faults_in_a_row = 0; }
  // Whether it was ever that bad.
  bool may_be_lost(uint64_t sector) const { return sectors_[sector].met_fault != 0; }
  // Whether a read may fail because of this sector.
  bool may_fail(uint64_t sector, Time submitted) const;

  // ---- Lost sectors.
  // @lost: all that are lost now, in order. Returns those that were lost before, are not now, and
  // were not written since.
  std::vector<uint64_t> lost_now(const std::vector<uint64_t>& lost);
  // A salvage was under way when power failed, or its commit failed: it may be there after all. Or
  // what is lost was so in a state that is not settled.
  bool salvage_uncertain = false;

  // ---- What may cost a slot: a message, a read of the sector that failed, or a write of it that
  // failed and a second one of the sector, perhaps among others.
  void asked_to_move(uint64_t sector) { at(sector).asked_to_move = true; }
  void write_failed(uint64_t sector, bool at_this_sector);
  void medium_read_failed(uint64_t sector) { at(sector).read_failed = true; }
  bool may_have_slot(uint64_t sector) const;
  // A slot's contents may have been lost: only then can sectors be dead.
  bool slot_met_fault = false;

  uint64_t sectors() const { return sectors_.size(); }
  Time clock = 0;  // the time of the last event

 private:
  enum class Status : uint8_t { kActive, kAcknowledged, kUncertain };
  static constexpr Time kNever = ~Time{0};
  struct Write {
    uint32_t version = 0;
    Time submitted = 0;
    Time ended = 0;
    Status status = Status::kAcknowledged;
    bool durable = true;
    bool zeros = false;
  };
  struct Sector {
    std::vector<Write> writes = {Write{}};
    bool observed = false;  // and since then nobody wrote
    Time observed_at = 0;
    uint32_t observed_version = 0;
    Time last_activity = 0;
    Time met_fault = 0;
    Time rewritten_submitted = 0;
    Time rewritten_ended = 0;
    Time lost_since = 0;  // the last look at which it was not; 0: it is not
    uint32_t faults_in_a_row = 0;
    uint32_t failed_writes = 0;
    bool write_failed_here = false;
    bool read_failed = false;
    bool asked_to_move = false;
  };

  static bool overruled(const Sector& sector, const Write& write, Time before, bool durably);
  static bool possible(const Sector& sector, const Write& write, Time read_submitted);
  void observe(Sector& sector, const Write& write, Time submitted, Time now);
  std::string describe(const Sector& sector) const;

  // Of sectors behind the end nothing is kept.
  Sector& at(uint64_t sector) { return sector < sectors_.size() ? sectors_[sector] : nowhere_; }

  std::vector<Sector> sectors_;
  Sector nowhere_;
  uint32_t versions_ = 0;
  Time last_cut_ = 0;
  Time looked_at_lost_ = 1;
};

}  // namespace dmr::sim
