// SPDX-License-Identifier: GPL-2.0
//
// The fault model: what may go wrong in a run, and what the core owes all the same.
//
// The disks (src/hosted/sim_disk.h says how they work; a fault has a range, a kind and a number of times):
//   main    latent read errors, for good or until rewritten; errors that pass by themselves; write
//           errors that store none, some or all of the sectors; both at once; the whole disk failing;
//           errors that are not the medium's; the disk gone for a while; writes that are lost,
//           if they are such as are read back (verify_writes; of the core's own: with "all", and
//           unmap's). Not those that store something else:
//           a read may meet that before it is found out.
//   spare   the same in slots and in the metadata; flushes that fail. Writes that are acknowledged
//           and not stored (lost), stored with a flipped bit, or stored elsewhere (misdirected).
//           Such lies are told of metadata and of slots being filled, which the core reads back; an
//           in-place rewrite of a slot, or of main, that a drive makes up is not detectable, and is
//           not modelled. A misdirected write lands in the metadata area.
//   slow    answers come in any order: what is in flight takes effect and ends at random moments.
//   power   fails at any I/O of the core and at any step of the application. Each unflushed sector
//           keeps any of its contents since the last flush; a write in flight is torn at sectors.
//   between boots: copies of the metadata damaged in header, table or whole; unreadable, or neither
//           readable nor writable, for one boot; one copy back at an earlier state.
//
// What is owed, whatever happens: the rules of oracle.h; no error without a fault that explains it;
// and while no more copies are bad than the format tolerates (kTolerated*), the pair opens with the
// state that was acknowledged. With more, it may refuse, and the run ends there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hosted/sim_disk.h"
#include "random.h"

namespace dmr::sim {

// Copies that may be bad, with those that a power cut has caught included, and the pair opens.
inline constexpr uint32_t kToleratedAfterPowerCut = 2;
// The same if it was closed in peace with five good copies.
inline constexpr uint32_t kToleratedAtRest = 3;

// What the faults of a boot are aimed at.
struct Aim {
  uint64_t main_sectors;
  uint32_t logical_sectors;            // of main
  std::vector<uint64_t> hot_blocks;    // that the application uses most
  std::vector<uint32_t> likely_slots;  // in use, or next to be used
};

struct PlannedFault {
  hosted::Fault fault;
  bool on_main;
  std::string text;
};

// The faults of one boot; none in some.
std::vector<PlannedFault> plan_faults(const Aim& aim, Random& random);

// Damage to the spare while nobody looks. Returns a bit for each copy that it makes bad, and appends
// what was done to @text. Faults that last one boot are appended to @faults. @earlier: the spare as
// it was some time ago, or nullptr.
uint32_t damage_metadata(hosted::SimDisk& spare, const hosted::SimDisk* earlier, uint32_t copies,
                         Random& random, std::vector<PlannedFault>& faults, std::string& text);

// The copy whose place in the metadata area the sector is; DMR_COPIES if none.
uint32_t copy_of_sector(uint64_t sector);

}  // namespace dmr::sim
