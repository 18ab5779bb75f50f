// SPDX-License-Identifier: GPL-2.0
#include "scanner.h"

#include "engine.h"

namespace dmr {
namespace {

constexpr u64 kMillisecond = 1000;
constexpr u64 kSecond = 1000 * kMillisecond;
constexpr u64 kMinute = 60 * kSecond;
constexpr u64 kHour = 60 * kMinute;

constexpr u64 kTick = kMinute;              // health is looked at so often, whatever happens
constexpr u64 kTickBusy = 5 * kSecond;      // overhead_ppm is of the last minute
constexpr u64 kTickSoon = kSecond;          // ... and not more often
constexpr u64 kFirstRest = kMinute;         // whoever has just opened a pair has other things to do
constexpr u64 kLook = kSecond;              // others may have begun or ended meanwhile
constexpr u64 kBusyFor = kSecond;           // after somebody's I/O
constexpr u64 kYield = 2 * kMillisecond;    // to I/O that waits ...
constexpr u32 kYieldsMax = 50;              // ... so often, then it is the scanner's turn
constexpr u64 kHeldUp = kMinute;            // after an error that is not the medium's ...
constexpr u32 kHeldMax = 3;                 // ... so often, then it is asked whether it is the place
constexpr u32 kRoom = 1 + DMR_BLOCK_SECTORS;  // findings that one read can lead to
constexpr u64 kSettleEvery = 10 * kMinute;
constexpr u64 kRetestFirst = 10 * kMinute;
constexpr u64 kRetestLast = 7 * 24 * kHour;
constexpr u64 kOwedFirst = 10 * kMinute;
constexpr u64 kOwedLast = 7 * 24 * kHour;
constexpr u64 kRevisit = 10 * kSecond;      // until a drive has forgotten a slow chunk
constexpr u64 kSlowTimes = 8;               // as long as its neighbours ...
constexpr u64 kSlowMore = 50 * kMillisecond;  // ... and by so much: several turns of a disk
constexpr u64 kSlowElsewhere = 4;           // times as long as reads elsewhere, just before
constexpr u32 kWarm = 3;                    // such reads; the first one wakes the disk
constexpr u32 kDisturbedMax = 20;
constexpr i64 kMeanUnit = 65536;            // so that the mean of a duty moves by parts of a millionth

// The healthier, the less.
u32 urgency(dmr_health health) { return 1u << health; }

// The mean of the last few.
u64 smoothed(u64 mean, u64 value) { return mean == 0 ? value : (7 * mean + value) / 8; }

}  // namespace

// ---- Time ----------------------------------------------------------------------------------------

void Pace::pass(u64 now, u32 duty_ppm) {
  const u64 credit = (now - last_) * duty_ppm;
  debt_ -= min(debt_, credit);
  last_ = now;
}

void Share::pass(u64 now) {
  const u64 part = now / kPartMicroseconds;
  if (part > part_ + kParts) part_ = part - kParts;
  while (part_ < part) busy_[++part_ % kParts] = 0;
}

void Share::spend(u64 now, u64 busy) {
  pass(now);
  busy_[part_ % kParts] += busy;
}

u32 Share::ppm(u64 now) {
  pass(now);
  u64 sum = 0;
  for (const u64 busy : busy_) sum += busy;
  // The newest part is not over yet.
  const u64 whole = (kParts - 1) * kPartMicroseconds + now % kPartMicroseconds;
  return static_cast<u32>(min<u64>(sum * 1000000 / whole, 1000000));
}

u32 Scanner::duty(const Engine& engine) const {
  const bool busy = last_step_ < busy_until_;
  const u64 normal =
      engine.config(busy ? DMR_CONFIG_SCAN_DUTY_PPM : DMR_CONFIG_SCAN_IDLE_DUTY_PPM);
  return static_cast<u32>(min<u64>(normal * urgency(health_.state()), 1000000));
}

u64 Scanner::interval(const Engine& engine) const {
  return engine.config(DMR_CONFIG_SCAN_INTERVAL_HOURS) * kHour / urgency(health_.state());
}

// Who else uses main. Its counters are looked at and nothing is counted for this on anybody's way.
void Scanner::look_around(u64 now) {
  dmr_load load = {};
  dmr_host_load(host_, &load);
  const u64 foreign = load.sectors - own_sectors_;
  load_known_ = load.known != 0;
  others_wait_ = load.waiting != 0;
  if (!load_known_ || others_wait_ || foreign != foreign_) busy_until_ = now + kBusyFor;
  foreign_ = foreign;
}

// When the next read of a pass is due if the interval is to be kept. Who is late may catch up for an
// interval.
u64 Scanner::pass_due(const Engine& engine, u64 now) {
  // Also of a forced pass: it may be stopped halfway, and what it read is not owed any time.
  if (hurried()) {
    scheduled_ = now;
    since_scheduled_ = 0;
  }
  if (forced_.load() != 0) return now;
  if (now < begun_ + kFirstRest) return begun_ + kFirstRest;
  if (hurried() || phase_ != Phase::kMain) return now;
  const u64 whole = interval(engine);
  const u64 from = now > whole ? max(scheduled_, now - whole) : scheduled_;
  // Milliseconds, lest it overflow.
  const u64 due = from + whole / 1024 * since_scheduled_ / engine.target_sectors() * 1024;
  if (due <= now) {
    scheduled_ = due;
    since_scheduled_ = 0;
  }
  return due;
}

u64 Scanner::due(const Engine& engine, u64 now) {
  if (narrow_.active || bad_.active || retest_slot_ < engine.slots_total()) return now;
  u64 first = pass_due(engine, now);
  // Half of the places are for what is found in the chunks that are in the other half.
  if (suspect_count_ >= kSuspects / 2) first = ~u64{0};
  if (suspect_count_ != 0) first = min(first, suspects_[0].not_before);
  if (engine.lost_sectors() != 0) first = min(first, retest_at_);
  if (owed_at_ != 0 && engine.can_mend()) first = min(first, owed_at_);
  return max(first, now);
}

// ---- Life ----------------------------------------------------------------------------------------

void Scanner::begin(dmr_host* host, u64 cursor, u64 passes) {
  new (this) Scanner;  // in place: it is too large for the kernel's stack
  host_ = host;
  cursor_ = cursor;
  position_.store(cursor);
  passes_.store(passes);
  begun_ = scheduled_ = settled_ = last_step_ = dmr_host_clock(host);
  pace_.pass(begun_, 1);
}

bool Scanner::control(Engine& engine, dmr_scan_command command) {
  if (engine.is_read_only()) return false;
  const bool on = engine.config(DMR_CONFIG_SCAN_ENABLED) != 0;
  switch (command) {
    case DMR_SCAN_START:
      engine.set_config(DMR_CONFIG_SCAN_ENABLED, 1);
      paused_.store(0);
      forced_.store(1);
      return true;
    case DMR_SCAN_STOP:
      engine.set_config(DMR_CONFIG_SCAN_ENABLED, 0);
      return true;
    case DMR_SCAN_PAUSE:
      if (on) paused_.store(1);
      return on;
    case DMR_SCAN_RESUME:
      if (on) paused_.store(0);
      return on;
  }
  return false;
}

dmr_scan_state Scanner::state(const Engine& engine) const {
  if (engine.is_read_only() || engine.config(DMR_CONFIG_SCAN_ENABLED) == 0) return DMR_SCAN_OFF;
  if (paused_.load() != 0 || engine.has_main_failed()) return DMR_SCAN_PAUSED;
  return running_.load() != 0 || forced_.load() != 0 ? DMR_SCAN_RUNNING : DMR_SCAN_IDLE;
}

void Scanner::status(const Engine& engine, dmr_status& status) const {
  status.health = static_cast<dmr_health>(health_state_.load());
  status.score = score_.load();
  status.trend = static_cast<dmr_trend>(trend_.load());
  status.exhaustion_hours = static_cast<i64>(hours_.load());
  status.slow_reads = slow_.load();
  status.retries = retries_.load();
  status.scan_state = state(engine);
  status.scan_position = position_.load();
  status.scan_passes = passes_.load();
  status.scan_errors = errors_.load();
  status.overhead_ppm = overhead_.load();
  status.expected_pass_hours = pass_hours_.load();
}

bool Scanner::wanted(const Engine& engine) const {
  return engine.news() != seen_.load() || (stalled_.load() != 0 && findings_.room() >= kRoom);
}

u64 Scanner::step(Engine& engine) {
  u64 wait = make_step(engine);
  if (overhead_.load() != 0) wait = min(wait, kTickBusy);
  return health_late_ ? min(wait, kTickSoon) : wait;
}

u64 Scanner::make_step(Engine& engine) {
  u64 now = dmr_host_clock(host_);
  seen_.store(engine.news());
  const u64 passed = now - last_step_;
  pace_.pass(now, duty(engine));
  look_around(now);
  const i64 present = i64{duty(engine)} * kMeanUnit;
  if (mean_duty_ == 0) mean_duty_ = present;
  mean_duty_ += (present - mean_duty_) * static_cast<i64>(min(passed, kMinute)) /
                static_cast<i64>(kHour);
  last_step_ = now;
  keep_health(engine, now);
  if (state(engine) == DMR_SCAN_OFF || state(engine) == DMR_SCAN_PAUSED) return kTick;
  stalled_.store(findings_.room() < kRoom);
  if (stalled_.load() != 0) return kLook;
  plan_owed(engine, now);
  plan_retest(engine, now);
  const u64 wanted_at = due(engine, now);
  running_.store(wanted_at <= now);
  const u64 next = max(wanted_at, held_until_);
  if (next > now) return min(next - now, kTick);
  const u64 wait = pace_.wait(duty(engine));
  if (wait != 0) return min(wait, kLook);
  if (others_wait_ && yields_ < kYieldsMax) {
    ++yields_;
    return kYield;
  }
  yields_ = 0;
  one_read(engine);
  keep_position();
  now = dmr_host_clock(host_);
  pace_.pass(now, duty(engine));
  last_step_ = now;
  return min(pace_.wait(duty(engine)), kLook);
}

void Scanner::one_read(Engine& engine) {
  if (held_.times >= kHeldMax && !held_.answers) {
    ask_elsewhere(engine);
  } else if (bad_.active) {
    bad_step(engine);
  } else if (narrow_.active || next_suspect(last_step_)) {
    narrow_step(engine);
  } else if (retest_slot_ < engine.slots_total() && retest_step(engine)) {
    return;
  } else if (phase_ == Phase::kMain) {
    scan_main(engine);
  } else if (phase_ == Phase::kSlots) {
    scan_slots(engine);
  } else {
    scan_copies();
  }
}

// A chunk is not behind before all that is to be said of it was said.
void Scanner::keep_position() {
  position_.store(narrow_.active && !narrow_.timed ? min(narrow_.from, cursor_) : cursor_);
  if (last_step_ < settled_ + kSettleEvery) return;
  settled_ = last_step_;
  found(Finding::Kind::kSettle, 0, 0);
}

Scanner::Answer Scanner::read(dmr_device device, u64 sector, u32 sectors) {
  const u64 foreign = foreign_;
  const bool quiet = load_known_ && !others_wait_;
  const u64 begin = dmr_host_clock(host_);
  const dmr_sts sts = dmr_host_scan_read(host_, device, sector, sectors);
  const u64 end = dmr_host_clock(host_);
  const u64 took = end - begin;
  pace_.spend(took);
  if (device == DMR_MAIN) {
    share_.spend(end, took);
    own_sectors_ += sectors;
  }
  look_around(end);
  const Status status = status_of(sts);
  if (status == Status::kMedium && device == DMR_MAIN) errors_.add(1);
  return {device, sector, status, took,
          quiet && load_known_ && !others_wait_ && foreign == foreign_};
}

// A logical block that many quarters of main further on.
u64 Scanner::elsewhere(const Engine& engine, u64 sector, u32 quarters) const {
  const u64 length = engine.target_sectors();
  const u32 logical = engine.main_logical_sectors();
  return (sector + length / 4 * quarters) % length / logical * logical;
}

// An error that says nothing of the medium: later, at the same place, until it is known that the
// device answers elsewhere. Then it is the place, and the caller passes over it: false, and the
// answer's status is still Status::kDevice. Whatever follows it at once is waited for no more.
bool Scanner::held_up(const Answer& answer) {
  if (answer.status != Status::kDevice) {
    held_ = Held();
    return false;
  }
  held_.device = answer.device;
  held_.sector = answer.sector;
  if (held_.answers) {
    held_.answers = false;
    errors_.add(1);
    return false;
  }
  if (held_.times >= kHeldMax) return true;
  ++held_.times;
  held_until_ = dmr_host_clock(host_) + kHeldUp;
  return true;
}

void Scanner::ask_elsewhere(const Engine& engine) {
  const bool main = held_.device == DMR_MAIN;
  const u64 errors = errors_.load();
  const Answer answer = main ? read(DMR_MAIN, elsewhere(engine, held_.sector, 2),
                                    engine.main_logical_sectors())
                             : read(DMR_SPARE, 0, DMR_BLOCK_SECTORS);
  errors_.store(errors);  // nobody asked for that place
  held_.answers = answer.status != Status::kDevice;
  if (!held_.answers) held_until_ = dmr_host_clock(host_) + kHeldUp;
}

// ---- A pass --------------------------------------------------------------------------------------

void Scanner::scan_main(Engine& engine) {
  const u64 length = engine.target_sectors();
  const u32 logical = engine.main_logical_sectors();
  const u32 chunk = max(2 * engine.config(DMR_CONFIG_SCAN_CHUNK_KIB), logical) / logical * logical;
  dmr_place place = {};
  // What is not on main any more needs no read.
  for (u32 skipped = 0; cursor_ < length && skipped < Findings::kMax; ++skipped) {
    engine.route(cursor_, static_cast<u32>(min<u64>(chunk, length - cursor_)), DMR_READ, place);
    if (place.kind == DMR_PLACE_MAIN) break;
    cursor_ += place.sectors;
    since_scheduled_ += place.sectors;
  }
  if (cursor_ >= length) {
    phase_ = Phase::kSlots;
    slot_ = 0;
    return;
  }
  if (place.kind != DMR_PLACE_MAIN) return;
  const Answer answer = read(DMR_MAIN, cursor_, place.sectors);
  if (held_up(answer)) return;
  if (answer.status != Status::kOk) {
    narrow(cursor_, cursor_ + place.sectors, false);
    narrow_.deaf = answer.status == Status::kDevice;
  } else if (place.sectors == chunk) {
    per_mib_ = smoothed(per_mib_, max<u64>(answer.took * 2048 / chunk, 1));
    if (usual_sectors_ != chunk) usual_ = 0;
    usual_sectors_ = chunk;
    if (is_slow(engine, answer, usual_)) {
      suspect(cursor_, cursor_ + chunk, answer.took, false);
    } else {
      usual_ = smoothed(usual_, answer.took);
    }
  } else if (is_slow(engine, answer, 0)) {
    suspect(cursor_, cursor_ + place.sectors, 0, false);
  }
  cursor_ += place.sectors;
  since_scheduled_ += place.sectors;
}

// Used slots that lie beside each other are read together, and one by one if that fails.
void Scanner::scan_slots(Engine& engine) {
  const u32 total = engine.slots_total();
  while (slot_ < total && engine.slot_sectors(Slot(slot_)) == 0) ++slot_;
  if (slot_ >= total) {
    phase_ = Phase::kCopies;
    copy_ = 0;
    return;
  }
  const bool one_by_one = slot_ < slot_until_;
  const u32 most = one_by_one ? 1 : max(engine.config(DMR_CONFIG_SCAN_CHUNK_KIB) / 4, 1u);
  u32 count = 1;
  while (count < most && slot_ + count < total && engine.slot_sectors(Slot(slot_ + count)) != 0)
    ++count;
  const Answer answer = read(DMR_SPARE, slot_sector(Slot(slot_)), count * DMR_BLOCK_SECTORS);
  if (held_up(answer)) return;
  if (answer.status != Status::kOk && count > 1) {
    slot_until_ = slot_ + count;
    return;
  }
  if (answer.status == Status::kMedium) {
    const Entry entry = engine.entry_of(Slot(slot_));
    if (entry.is_used()) found(Finding::Kind::kSlot, entry.block().value(), entry.in_slot());
  }
  slot_ += count;
}

// The repair worker knows what has to be in them.
void Scanner::scan_copies() {
  found(Finding::Kind::kCopy, copy_, 0);
  if (++copy_ == kCopies) end_pass();
}

void Scanner::end_pass() {
  phase_ = Phase::kMain;
  cursor_ = 0;
  slot_until_ = 0;
  forced_.store(0);
  passes_.add(1);
  if (owed_.load() == 0) owed_wait_ = 0;
  scheduled_ = last_step_;
  since_scheduled_ = 0;
}

// ---- Slow places ---------------------------------------------------------------------------------

// @usual: how long its neighbours take, 0 if that is not known.
bool Scanner::is_slow(const Engine& engine, const Answer& answer, u64 usual) const {
  if (!answer.alone) return false;
  if (answer.took > engine.config(DMR_CONFIG_SLOW_READ_MS) * kMillisecond && answer.took > 2 * usual)
    return true;
  return usual != 0 && answer.took > kSlowTimes * usual && answer.took > usual + kSlowMore;
}

// Slow blocks come from the last one down: neighbours become one.
void Scanner::suspect(u64 from, u64 until, u64 took, bool sure) {
  const u64 not_before = dmr_host_clock(host_) + kRevisit;
  if (suspect_count_ != 0) {
    Suspect& last = suspects_[suspect_count_ - 1];
    if (sure && last.sure && last.from == until) {
      last.from = from;
      last.not_before = not_before;
      return;
    }
  }
  if (suspect_count_ < kSuspects) suspects_[suspect_count_++] = {from, until, not_before, took, sure};
}

bool Scanner::next_suspect(u64 now) {
  if (suspect_count_ == 0 || suspects_[0].not_before > now) return false;
  narrow(suspects_[0].from, suspects_[0].until, true);
  narrow_.sure = suspects_[0].sure;
  narrow_.took = suspects_[0].took;
  for (u32 i = 1; i < suspect_count_; ++i) suspects_[i - 1] = suspects_[i];
  --suspect_count_;
  return true;
}

// ---- Narrowing -----------------------------------------------------------------------------------

void Scanner::narrow(u64 from, u64 until, bool timed) {
  narrow_ = Narrow();
  narrow_.active = true;
  narrow_.timed = timed;
  narrow_.from = from;
  narrow_.at = until;
}

// A disk that slept is slow once, and one that is slow everywhere has no slow places. Somewhere else, so
// that nothing near is in the drive's cache.
void Scanner::warm_up(const Engine& engine) {
  const u64 errors = errors_.load();
  const Answer answer = read(DMR_MAIN, elsewhere(engine, narrow_.from, 1 + narrow_.warm),
                             engine.main_logical_sectors());
  errors_.store(errors);  // as above
  if (narrow_.warm++ != 0 && answer.status == Status::kOk)
    narrow_.elsewhere = min(narrow_.elsewhere, answer.took);
}

void Scanner::narrow_step(Engine& engine) {
  if (narrow_.timed && narrow_.warm < kWarm) return warm_up(engine);
  // The last sectors of the last block that are on main.
  Block block;
  SectorMask mask = 0;
  while (narrow_.at > narrow_.from) {
    block = block_of(narrow_.at - 1);
    const u64 first = max(first_sector(block), narrow_.from);
    const u32 low = static_cast<u32>(first % DMR_BLOCK_SECTORS);
    mask = engine.main_sectors_of(block) & mask_of(low, static_cast<u32>(narrow_.at - first));
    if (mask != 0) break;
    narrow_.at = first;
  }
  if (mask == 0) {
    narrow_.active = false;
    // Without a slow block in it that is what a chunk takes.
    if (narrow_.timed && !narrow_.slow) usual_ = max(usual_, narrow_.took);
    return;
  }
  u32 behind = DMR_BLOCK_SECTORS;
  while (!(mask >> (behind - 1) & 1)) --behind;
  u32 first = behind - 1;
  while (first > 0 && (mask >> (first - 1) & 1)) --first;
  const u64 start = first_sector(block) + first;
  const Answer answer = read(DMR_MAIN, start, behind - first);
  if (answer.status == Status::kDevice && narrow_.deaf) {
    errors_.add(1);
  } else if (held_up(answer)) {
    return;
  }
  if (answer.status == Status::kOk)
    return timed_block(engine, block, start, first_sector(block) + behind, answer);
  if (answer.status == Status::kDevice) {
    narrow_.at = start;
    return;
  }
  narrow_.at = max(first_sector(block), narrow_.from);
  bad_ = Bad();
  bad_.active = true;
  bad_.block = block;
  bad_.mask = engine.main_sectors_of(block);
}

// A block that reads. If others were busy meanwhile, its time says nothing: once more. What is slow
// in a slow chunk, and again later, is slow by itself: three times is no accident.
void Scanner::timed_block(Engine& engine, Block block, u64 start, u64 end, const Answer& answer) {
  if (narrow_.timed && !answer.alone && ++narrow_.disturbed < kDisturbedMax) {
    held_until_ = dmr_host_clock(host_) + kBusyFor;
    narrow_.warm = 0;
    narrow_.elsewhere = ~u64{0};
    return;
  }
  narrow_.disturbed = 0;
  narrow_.at = start;
  if (!narrow_.timed) return;
  if (!is_slow(engine, answer, usual_block_) ||
      answer.took / kSlowElsewhere <= narrow_.elsewhere) {
    usual_block_ = smoothed(usual_block_, answer.took);
    return;
  }
  narrow_.slow = true;
  if (!narrow_.sure) {
    suspect(start, end, 0, true);
  } else {
    slow_.add(1);
    // The last slots are for what fails.
    if (!engine.is_spare_low())
      found(Finding::Kind::kMove, block.value(), engine.main_sectors_of(block));
  }
}

void Scanner::bad_step(Engine& engine) {
  const u32 logical = engine.main_logical_sectors();
  const SectorMask left = bad_.mask & ~(bad_.good | bad_.bad);
  if (left == 0) return bad_end(engine);
  const u32 first = static_cast<u32>(__builtin_ctz(left));
  const SectorMask bits = mask_of(first, logical);
  const Answer answer = read(DMR_MAIN, first_sector(bad_.block) + first, logical);
  if (held_up(answer)) return;
  if (answer.status == Status::kOk) {
    bad_.good |= bits;
    if (bad_.tries != 0) note_retry();
    bad_.tries = 0;
  } else if (answer.status == Status::kDevice) {
    bad_.mask &= ~bits;
  } else if (++bad_.tries > engine.config(DMR_CONFIG_READ_RETRIES)) {
    bad_.bad |= bits;
    bad_.tries = 0;
  }
  if ((bad_.mask & ~(bad_.good | bad_.bad)) == 0) bad_end(engine);
}

// The good sectors first: they may be the next to die.
void Scanner::bad_end(Engine& engine) {
  const u32 logical = engine.main_logical_sectors();
  bad_.active = false;
  if (bad_.bad == 0 && bad_.good != 0) note_retry();
  if (bad_.good != 0) found(Finding::Kind::kMove, bad_.block.value(), bad_.good);
  for (u32 s = 0; s < DMR_BLOCK_SECTORS; s += logical) {
    if (bad_.bad >> s & 1) found(Finding::Kind::kLost, bad_.block.value(), mask_of(s, logical));
  }
}

// ---- What could not be mended --------------------------------------------------------------------

// Remapping was not allowed, the spare was full, or something else came in between. When it may go
// well, what is left of this pass is made as if it were asked for, from the first such place on. Each
// time in vain doubles the wait.
void Scanner::plan_owed(const Engine& engine, u64 now) {
  if (owed_.load() == 0) return;
  if (owed_at_ == 0) {
    owed_wait_ = owed_wait_ == 0 ? kOwedFirst : min(2 * owed_wait_, kOwedLast);
    owed_at_ = now + owed_wait_;
  }
  if (now < owed_at_ || !engine.can_mend()) return;
  owed_at_ = 0;
  cursor_ = min(cursor_, min(~owed_.exchange(0), engine.target_sectors()));
  phase_ = Phase::kMain;
  slot_until_ = 0;
  forced_.store(1);
  retest_at_ = now;
}

// ---- Lost sectors --------------------------------------------------------------------------------

void Scanner::plan_retest(const Engine& engine, u64 now) {
  const u64 lost = engine.lost_sectors();
  if (lost == 0) {
    lost_seen_ = 0;
    retest_slot_ = ~0u;
    return;
  }
  if (lost > lost_seen_) {
    retest_wait_ = kRetestFirst;
    retest_at_ = now + retest_wait_;
  }
  lost_seen_ = lost;
  if (now < retest_at_ || retest_slot_ < engine.slots_total()) return;
  retest_slot_ = 0;
  retest_sector_ = 0;
  retest_wait_ = min(2 * retest_wait_, kRetestLast);
  retest_at_ = now + retest_wait_;
}

// The next lost logical block. False if there is none.
bool Scanner::retest_step(Engine& engine) {
  const u32 logical = engine.main_logical_sectors();
  for (; retest_slot_ < engine.slots_total(); ++retest_slot_, retest_sector_ = 0) {
    const Entry entry = engine.entry_of(Slot(retest_slot_));
    if (!entry.is_used()) continue;
    const SectorMask lost = entry.lost_mask() & ~entry.spare_mask();
    while (retest_sector_ < DMR_BLOCK_SECTORS && !(lost >> retest_sector_ & 1))
      retest_sector_ += logical;
    if (retest_sector_ >= DMR_BLOCK_SECTORS) continue;
    const Answer answer = read(DMR_MAIN, first_sector(entry.block()) + retest_sector_, logical);
    if (held_up(answer)) return true;
    if (answer.status == Status::kOk)
      found(Finding::Kind::kSalvage, entry.block().value(), mask_of(retest_sector_, logical));
    retest_sector_ += logical;
    return true;
  }
  return false;
}

// ---- Health --------------------------------------------------------------------------------------

void Scanner::begin_health(const Engine& engine) {
  health_.begin(engine.health_seconds(), engine.age_seconds(),
                engine.health_input(retries_.load(), slow_.load()));
  publish_health();
}

void Scanner::publish_health() {
  score_.store(health_.score());
  health_state_.store(health_.state());
  trend_.store(health_.trend());
  hours_.store(static_cast<u64>(health_.exhaustion_hours()));
}

void Scanner::keep_health(Engine& engine, u64 now) {
  overhead_.store(share_.ppm(now));
  const u64 busy = engine.target_sectors() / 2048 * per_mib_;
  const u64 by_duty = busy / max<u64>(static_cast<u64>(mean_duty_) / kMeanUnit, 1) * 1000000;
  pass_hours_.store((max(interval(engine), by_duty) + kHour - 1) / kHour);
  health_late_ = health_at_ != 0 && now < health_at_ + kTickSoon;
  if (health_late_) return;
  health_at_ = now;
  const HealthInput input = engine.health_input(retries_.load(), slow_.load());
  health_.update(engine.health_seconds(), input);
  publish_health();

  constexpr i64 kSoonHours = 7 * 24;
  const bool soon = health_.exhaustion_hours() >= 0 && health_.exhaustion_hours() < kSoonHours;
  const bool not_soon = health_.exhaustion_hours() < 0 || health_.exhaustion_hours() > 2 * kSoonHours;
  const bool changed = told_state_ != health_.state();
  told_state_ = health_.state();
  if (changed || (soon && !soon_said_)) engine.emit_health(DMR_EVENT_HEALTH);
  if (soon || not_soon) soon_said_ = soon;
  const bool low = engine.is_spare_low();
  if (low && !low_said_) engine.emit_health(DMR_EVENT_SPARE_LOW);
  low_said_ = low;
}

}  // namespace dmr
