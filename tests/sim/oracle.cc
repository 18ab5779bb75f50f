// SPDX-License-Identifier: GPL-2.0
#include "oracle.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace dmr::sim {
namespace {

constexpr uint32_t kWords = kSectorBytes / sizeof(uint64_t);
constexpr uint64_t kMix = 0x9e3779b97f4a7c15ull;
constexpr size_t kWritesKept = 4;  // of a sector, before it is worth a look which can go

std::string hex(const uint8_t* bytes, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

void Oracle::make_content(uint32_t version, uint64_t sector, uint8_t* bytes) {
  std::array<uint64_t, kWords> words;
  words[0] = uint64_t{version} << 32 | sector;
  uint64_t word = (words[0] + 1) * kMix;
  for (uint32_t i = 1; i < kWords; ++i) words[i] = word += kMix;
  std::memcpy(bytes, words.data(), kSectorBytes);
}

// ---- Writes -------------------------------------------------------------------------------------

uint32_t Oracle::begin_write(uint64_t sector, uint32_t sectors, Time now, bool zeros) {
  const uint32_t version = ++versions_;
  for (uint32_t i = 0; i < sectors; ++i) {
    Sector& s = sectors_[sector + i];
    s.writes.push_back({version, now, kNever, Status::kActive, false, zeros});
    s.observed = false;
    s.last_activity = now;
  }
  return version;
}

bool Oracle::overruled(const Sector& sector, const Write& write, Time before, bool durably) {
  return std::any_of(sector.writes.begin(), sector.writes.end(), [&](const Write& other) {
    return other.status == Status::kAcknowledged && (other.durable || !durably) &&
           other.submitted > write.ended && other.ended < before;
  });
}

void Oracle::end_write(uint32_t version, uint64_t sector, uint32_t sectors, Time now,
                       bool acknowledged, bool durable, Time oldest_read) {
  for (uint32_t i = 0; i < sectors; ++i) {
    Sector& s = sectors_[sector + i];
    const auto write = std::find_if(s.writes.begin(), s.writes.end(),
                                    [&](const Write& w) { return w.version == version; });
    if (write == s.writes.end()) continue;
    write->ended = now;
    write->status = acknowledged ? Status::kAcknowledged : Status::kUncertain;
    write->durable = acknowledged && durable;
    s.last_activity = now;
    if (acknowledged && write->submitted > s.rewritten_submitted) {
      s.rewritten_submitted = write->submitted;
      s.rewritten_ended = now;
    }
    if (s.writes.size() <= kWritesKept) continue;
    std::vector<Write> kept;
    for (const Write& w : s.writes) {
      if (!overruled(s, w, oldest_read, true)) kept.push_back(w);
    }
    s.writes = std::move(kept);
  }
}

void Oracle::flushed(Time submitted) {
  for (Sector& sector : sectors_) {
    for (Write& write : sector.writes) {
      if (write.status == Status::kAcknowledged && write.ended < submitted) write.durable = true;
    }
  }
}

void Oracle::power_cut(Time now) {
  last_cut_ = now;
  for (Sector& sector : sectors_) {
    std::vector<Write> kept;
    for (const Write& write : sector.writes) {
      if (!overruled(sector, write, kNever, true)) kept.push_back(write);
    }
    for (Write& write : kept) {
      if (write.status == Status::kActive) write.ended = now;
      if (!write.durable) write.status = Status::kUncertain;
    }
    sector.writes = std::move(kept);
    sector.observed = false;
  }
}

void Oracle::reopened(bool settled) {
  for (Sector& sector : sectors_) sector.observed = false;
  if (!settled) last_cut_ = 0;
}

// ---- Reads --------------------------------------------------------------------------------------

bool Oracle::possible(const Sector& sector, const Write& write, Time read_submitted) {
  if (sector.observed && sector.observed_at < read_submitted &&
      sector.observed_version != write.version)
    return false;
  return !overruled(sector, write, read_submitted, false);
}

// Nobody wrote since the read was submitted: from now on it can only be this one.
void Oracle::observe(Sector& sector, const Write& write, Time submitted, Time now) {
  const bool active = std::any_of(sector.writes.begin(), sector.writes.end(),
                                  [](const Write& w) { return w.status == Status::kActive; });
  if (active || sector.last_activity >= submitted) return;
  if (!sector.observed) sector.observed_at = now;
  sector.observed = true;
  sector.observed_version = write.version;
  // What the medium itself held after a power cut stays there.
  const bool settled = std::all_of(sector.writes.begin(), sector.writes.end(),
                                   [&](const Write& w) { return w.ended <= last_cut_; });
  if (!settled) return;
  Write only = write;
  only.status = Status::kAcknowledged;
  only.durable = true;
  sector.writes = {only};
}

std::string Oracle::check(uint64_t sector, const uint8_t* bytes, Time submitted, Time now) {
  Sector& s = sectors_[sector];
  uint64_t name;
  std::memcpy(&name, bytes, sizeof name);
  std::array<uint8_t, kSectorBytes> expected = {};
  const bool zeros = std::memcmp(bytes, expected.data(), kSectorBytes) == 0 && name == 0;
  const uint32_t version = static_cast<uint32_t>(name >> 32);
  if (!zeros) {
    make_content(version, sector, expected.data());
    if (std::memcmp(bytes, expected.data(), kSectorBytes) != 0)
      return "sector " + std::to_string(sector) +
             " has bytes that nobody wrote there: " + hex(bytes, 16) + "; possible: " + describe(s);
  }
  const Write* found = nullptr;
  size_t candidates = 0;
  for (const Write& write : s.writes) {
    const bool same = zeros ? write.zeros : !write.zeros && write.version == version;
    if (!same || !possible(s, write, submitted)) continue;
    found = &write;
    ++candidates;
  }
  if (found == nullptr)
    return "sector " + std::to_string(sector) + " reads version " +
           (zeros ? "zeros" : std::to_string(version)) + "; possible: " + describe(s);
  // Of several that wrote zeros nobody can tell which it is.
  if (candidates == 1) observe(s, Write(*found), submitted, now);
  return "";
}

void Oracle::met_fault(uint64_t sector, Time now, uint32_t tries) {
  Sector& s = at(sector);
  if (++s.faults_in_a_row >= tries) s.met_fault = now;
}

bool Oracle::may_fail(uint64_t sector, Time submitted) const {
  const Sector& s = sectors_[sector];
  if (s.met_fault == 0) return false;
  return !(s.rewritten_submitted > s.met_fault && s.rewritten_ended < submitted);
}

std::vector<uint64_t> Oracle::lost_now(const std::vector<uint64_t>& lost) {
  std::vector<uint64_t> risen;
  size_t next = 0;
  for (uint64_t sector = 0; sector < sectors_.size(); ++sector) {
    Sector& s = sectors_[sector];
    const bool is_lost = next < lost.size() && lost[next] == sector;
    next += is_lost;
    if (is_lost) {
      if (s.lost_since == 0) s.lost_since = looked_at_lost_;
      continue;
    }
    if (s.lost_since == 0) continue;
    const bool written = std::any_of(s.writes.begin(), s.writes.end(),
                                     [&](const Write& w) { return w.ended > s.lost_since; });
    if (!written && s.rewritten_ended < s.lost_since) risen.push_back(sector);
    s.lost_since = 0;
  }
  looked_at_lost_ = clock;
  return risen;
}

void Oracle::write_failed(uint64_t sector, bool at_this_sector) {
  Sector& s = at(sector);
  ++s.failed_writes;
  s.write_failed_here |= at_this_sector;
}

bool Oracle::may_have_slot(uint64_t sector) const {
  const Sector& s = sectors_[sector];
  return s.asked_to_move || s.read_failed || (s.write_failed_here && s.failed_writes >= 2);
}

std::string Oracle::describe(const Sector& sector) const {
  std::string text;
  for (const Write& w : sector.writes) {
    text += " [v" + std::to_string(w.version) + (w.zeros ? " zeros" : "") + " " +
            std::to_string(w.submitted) + "-" +
            (w.ended == kNever ? std::string("now") : std::to_string(w.ended)) +
            (w.status == Status::kAcknowledged ? " ok"
             : w.status == Status::kActive     ? " active"
                                               : " uncertain") +
            (w.durable ? " durable]" : "]");
  }
  if (sector.observed) text += " observed v" + std::to_string(sector.observed_version);
  return text;
}

}  // namespace dmr::sim
