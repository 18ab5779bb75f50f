// SPDX-License-Identifier: GPL-2.0
//
// What the unit tests share: cmocka made fit for C++, a pair with an application and an oracle on
// top of it, and images of metadata made by hand.
#pragma once

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <setjmp.h>

#include "core/format.h"
#include "hosted/sim_disk.h"
#include "hosted/sim_host.h"
#include "hosted/sim_target.h"

// Last: it defines words such as fail and skip.
extern "C" {
#include <cmocka.h>
}

namespace test {

using dmr::hosted::CrashPolicy;
using dmr::hosted::Effect;
using dmr::hosted::Fault;
using dmr::hosted::IoKind;
using dmr::hosted::kForever;
using dmr::hosted::SimDisk;
using dmr::hosted::SimHost;
using dmr::hosted::SimTarget;

inline constexpr uint64_t kSmallMain = 65536;                   // 32 MiB
inline constexpr uint64_t kSmallSpare = DMR_SPARE_MIN_SECTORS;  // 2048 slots, 5 table blocks
inline constexpr uint32_t kSmallSlots = 2048;

// ---- Contents -----------------------------------------------------------------------------------

// What a sector holds, by number: 0 is zeros, 1 is what was on main before, from 2 on one for each
// write of the application. Every sector of every write is different.
using Stamp = uint64_t;
inline constexpr Stamp kZeros = 0;
inline constexpr Stamp kBefore = 1;

void fill_content(Stamp stamp, uint64_t sector, uint32_t sectors, uint8_t* data);
bool has_content(Stamp stamp, uint64_t sector, const uint8_t* data);

// ---- A pair -------------------------------------------------------------------------------------

struct Devices {
  uint64_t main_sectors = kSmallMain;
  uint64_t spare_sectors = kSmallSpare;
  uint32_t main_logical = 1;
  uint32_t spare_logical = 1;
};

Fault write_fault(uint64_t sector, uint64_t sectors = 1, dmr_sts status = DMR_STS_MEDIUM);
Fault read_fault(uint64_t sector, uint64_t sectors = 1, dmr_sts status = DMR_STS_MEDIUM);
Fault flush_fault(dmr_sts status = DMR_STS_IOERR);

// The two disks, a target over them, an application that knows what it may read back. A sector that
// was never written by it holds kBefore where prefill() put that, else zeros.
class Pair {
 public:
  explicit Pair(const Devices& devices = {});
  // A pair of the same past: a copy of the disks and of what is known; closed.
  Pair(const Pair& other);

  SimDisk& main() { return host.main; }
  SimDisk& spare() { return host.spare; }

  // A new boot: the target is made anew. Asserts nothing.
  dmr_refusal open(const dmr_arguments& arguments = {}, bool read_only = false);
  // The same, and asserts that it opens.
  void must_open(const dmr_arguments& arguments = {}, bool read_only = false);
  // Power is cut now and comes back; must_open().
  void reboot(CrashPolicy policy, uint64_t seed = 1);
  void crash(CrashPolicy policy, uint64_t seed = 1);

  // Puts kBefore on main, behind every back.
  void prefill(uint64_t sector, uint32_t sectors);

  // ---- The application.
  dmr_sts write(uint64_t sector, uint32_t sectors, bool fua = false);
  // Whatever it reads; check() looks at that.
  dmr_sts read(uint64_t sector, uint32_t sectors);
  dmr_sts flush();
  // Submitted, not yet through the worker; settle() runs it and takes account of all.
  void submit(uint64_t sector, uint32_t sectors);
  void park(uint64_t sector, uint32_t sectors, dmr_sts failed_with = DMR_STS_MEDIUM);
  // Writes that overlapped each other may have ended in any order...
  std::vector<dmr_sts> settle();
  // ... but the worker keeps the order in which they were parked.
  std::vector<dmr_sts> settle_in_order();
  // A power cut took the target away under writes that wait: they may or may not have happened.
  void forget_waiting();
  // Reads them and fails the test unless each sector is one that it may be. EIO is allowed only for
  // sectors of which allow_unreadable() said so.
  void check(uint64_t sector, uint32_t sectors);
  // All sectors that the application ever wrote or prefilled.
  void check_all();
  void allow_unreadable(uint64_t sector, uint32_t sectors = 1);
  void must_be_unreadable(uint64_t sector, uint32_t sectors = 1);

  // A message's job, to its end.
  dmr_job job(dmr_job_kind kind, uint64_t from, uint64_t count = 1);

  // ---- Short forms.
  dmr_status status() const { return target->status(); }
  dmr_place route(uint64_t sector, uint32_t sectors, dmr_direction direction = DMR_READ) const {
    return target->route(sector, sectors, direction);
  }
  // The list's line for the block of @sector; slot 0xffffffff if there is none.
  dmr_list_entry entry_of(uint64_t sector) const;
  // No slot is used twice, lies in the metadata or beyond the spare; counts agree with the list.
  void check_invariants();

  SimHost host;
  std::unique_ptr<SimTarget> target;

 private:
  struct Known {
    std::vector<Stamp> allowed = {kZeros};
    std::vector<Stamp> after_crash = {kZeros};  // what a power cut may bring back, besides
    bool may_be_unreadable = false;
  };
  struct Waiting {
    uint64_t sector;
    uint32_t sectors;
    Stamp stamp;
    std::shared_ptr<SimTarget::Pending> pending;
    bool fua = false;
  };
  static bool durable(const Waiting& write, uint64_t sector);
  void account(const Waiting& write);
  void account_together();
  void may_hold(uint64_t sector, uint32_t sectors, Stamp stamp);

  std::map<uint64_t, Known> known_;
  std::vector<Waiting> waiting_;
  Stamp next_stamp_ = 2;
};

// ---- Metadata made by hand ----------------------------------------------------------------------

struct Image {
  explicit Image(const Devices& devices = {});
  void set(uint32_t slot, dmr::Entry entry);
  dmr::Entry get(uint32_t slot) const;
  // Fits the CRCs to the contents.
  void seal(uint64_t sequence);
  void put(SimDisk& spare, uint32_t copy) const;
  void put_everywhere(SimDisk& spare) const;
  // As writes that were never flushed.
  void leave_unflushed(SimDisk& spare, uint32_t copy) const;
  void put_header(SimDisk& spare, uint32_t copy) const;
  void put_table_block(SimDisk& spare, uint32_t copy, uint32_t index) const;
  // What one copy holds; nothing if its header does not verify.
  static std::optional<Image> read(const SimDisk& spare, uint32_t copy);

  dmr::Header header;
  std::vector<dmr::TableBlock> table;
};

constexpr uint64_t table_block_sector(uint32_t copy, uint32_t index) {
  return dmr::kCopySector[copy] + 8 * (1 + uint64_t{index});
}

// Copies that hold, whole and stable, the state that the pair says it has.
uint32_t copies_holding(const Pair& pair);

// ---- Words --------------------------------------------------------------------------------------

struct Arguments : dmr_arguments {
  Arguments() : dmr_arguments{} {}
  Arguments& with_format() { return format = 1, *this; }
  Arguments& with_adopt_main() { return adopt_main = 1, *this; }
  Arguments& with_single_copy() { return accept_single_copy = 1, *this; }
  Arguments& with_uuid(const dmr_u8* id) {
    uuid_given = 1;
    memcpy(uuid, id, sizeof uuid);
    return *this;
  }
  Arguments& with_config(dmr_config which, uint32_t value) {
    config[which] = value;
    config_given |= 1u << which;
    return *this;
  }
  Arguments& with_label(const char* text) {
    strncpy(label, text, sizeof label - 1);
    return *this;
  }
};

// An open pair with @sectors (at most all) of known contents on main from sector 0 on.
std::unique_ptr<Pair> opened(const Devices& devices = {}, const dmr_arguments& how = Arguments(),
                             uint32_t sectors = 4096);
// Everything is where it should be, now and after each kind of power cut.
void survives(Pair& pair);

// Fails the test with printf's words.
[[gnu::format(printf, 1, 2)]] void fail_with(const char* format, ...);

#define CHECK(condition, ...)                                     \
  do {                                                            \
    if (!(condition)) {                                           \
      print_error("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      ::test::fail_with(__VA_ARGS__);                             \
    }                                                             \
  } while (false)

}  // namespace test
