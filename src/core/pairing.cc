// SPDX-License-Identifier: GPL-2.0
//
// Finding pairs; the rules are in dm_remap/pairing.h.
#include "pairing.h"

#include "verdict.h"

namespace dmr {
namespace {

constexpr u32 kConfidence = 50;  // size and logical block size only: many disks have the same
constexpr u32 kConfidenceOneId = 90;
constexpr u32 kConfidenceBothIds = 100;

// Adds @bit if both sides know the same; false if they know different things.
bool compare_ids(const u8* a, const u8* b, usize bytes, u32 bit, u32& matched) {
  if (is_zero(a, bytes) || is_zero(b, bytes)) return true;
  if (memcmp(a, b, bytes) != 0) return false;
  matched |= bit;
  return true;
}

bool any_is(const CopyView (&views)[kCopies], HeaderKind kind) {
  for (const CopyView& view : views) {
    if (view.kind == kind) return true;
  }
  return false;
}

// As Engine::examine() would decide, given all table blocks.
dmr_spare_state state_of(const CopyView (&views)[kCopies], const Verdict& verdict, u64 sectors) {
  const bool marked = views[0].kind == HeaderKind::kMark;
  if (verdict.headers == 0) {
    const bool refused = !marked && !any_is(views, HeaderKind::kUnknownVersion);
    return refused && any_is(views, HeaderKind::kDamaged) ? DMR_SPARE_DAMAGED : DMR_SPARE_NONE;
  }
  if (verdict.judgement != Judgement::kOpen || (marked && verdict.votes < kOpenQuorum) ||
      views[verdict.winner].slots > slots_for(sectors))
    return DMR_SPARE_DAMAGED;
  return DMR_SPARE_READY;
}

void fill(dmr_spare& spare, const Header& header, const CopyView (&views)[kCopies], u32 winner) {
  memcpy(spare.uuid, header.uuid, sizeof spare.uuid);
  memcpy(spare.label, header.label, sizeof spare.label);
  spare.sequence = header.sequence.load();
  spare.main = fingerprint_of(header);
  for (const CopyView& view : views)
    spare.good_copies +=
        same_candidate(view, views[winner]) && view.header_crc == views[winner].header_crc;
}

bool overlap(const dmr_seen& a, const dmr_seen& b) {
  return a.disk == b.disk && a.first_sector < b.first_sector + b.print.sectors &&
         b.first_sector < a.first_sector + a.print.sectors;
}

// In what @main agrees with what @spare says; 0 if the target would refuse it.
u32 suits(const dmr_seen& spare, const dmr_seen& main) {
  const dmr_fingerprint& print = main.print;
  const dmr_geometry geometry = {print.sectors, spare.print.sectors, print.sectors,
                                 print.logical_sectors, spare.print.logical_sectors};
  if (main.unfit || main.spare.state != DMR_SPARE_NONE || overlap(spare, main) ||
      dmr_geometry_check(&geometry) != DMR_ACCEPTED || print.sectors % print.logical_sectors != 0)
    return 0;
  return match(spare.spare.main, print);
}

u32 confidence_of(u32 matched) {
  const bool unique_id = (matched & DMR_MATCH_UNIQUE_ID) != 0;
  const bool partition_uuid = (matched & DMR_MATCH_PARTITION_UUID) != 0;
  if (unique_id && partition_uuid) return kConfidenceBothIds;
  return unique_id || partition_uuid ? kConfidenceOneId : kConfidence;
}

bool uuid_elsewhere(const dmr_seen* list, const dmr_seen& spare) {
  for (const dmr_seen* other = list; other != nullptr; other = other->next) {
    if (other != &spare && other->spare.good_copies != 0 &&
        memcmp(other->spare.uuid, spare.spare.uuid, sizeof spare.spare.uuid) == 0)
      return true;
  }
  return false;
}

void propose(dmr_seen& spare, const dmr_seen* main, u32 matched) {
  spare.main = main;
  spare.matched = matched;
  spare.confidence = confidence_of(matched);
}

// A live target has compared the two, and recorded what its main was not known by before.
void find_live_main(const dmr_seen* list, dmr_seen& spare) {
  for (const dmr_seen* main = list; main != nullptr; main = main->next) {
    if (main->number == spare.live_main) propose(spare, main, match(main->print, main->print));
  }
}

dmr_spare_state find_main(const dmr_seen* list, dmr_seen& spare) {
  bool tie = false;
  for (const dmr_seen* main = list; main != nullptr; main = main->next) {
    const u32 matched = suits(spare, *main);
    if (matched == 0) continue;
    const u32 confidence = confidence_of(matched);
    if (confidence > spare.confidence) {
      propose(spare, main, matched);
      tie = false;
    } else if (confidence == spare.confidence) {
      tie = true;
    }
  }
  if (spare.main == nullptr) return DMR_SPARE_MAIN_MISSING;
  return tie ? DMR_SPARE_AMBIGUOUS : DMR_SPARE_READY;
}

void decide(const dmr_seen* list, dmr_seen& seen) {
  if (seen.spare.state == DMR_SPARE_ACTIVE) find_live_main(list, seen);
  if (seen.spare.state != DMR_SPARE_READY) return;
  seen.spare.state = uuid_elsewhere(list, seen) ? DMR_SPARE_AMBIGUOUS : find_main(list, seen);
  if (seen.spare.state != DMR_SPARE_READY) seen.main = nullptr;
}

// An old spare of a main that has got another one would show old data.
bool main_is_shared(const dmr_seen* list, const dmr_seen& spare) {
  for (const dmr_seen* other = list; other != nullptr; other = other->next) {
    if (other != &spare && other->main == spare.main) return true;
  }
  return false;
}

}  // namespace

dmr_fingerprint fingerprint_of(const Header& header) {
  dmr_fingerprint print;
  print.sectors = header.main_sectors.load();
  print.logical_sectors = header.main_logical_sectors.load();
  memcpy(print.identity.unique_id, header.main_unique_id, sizeof print.identity.unique_id);
  memcpy(print.identity.partition_uuid, header.main_partition_uuid,
         sizeof print.identity.partition_uuid);
  return print;
}

u32 match(const dmr_fingerprint& recorded, const dmr_fingerprint& seen) {
  const dmr_main_identity &a = recorded.identity, &b = seen.identity;
  u32 matched = DMR_MATCH_SIZE | DMR_MATCH_LOGICAL_BLOCK_SIZE;
  const bool same =
      recorded.sectors == seen.sectors && recorded.logical_sectors == seen.logical_sectors &&
      compare_ids(a.unique_id, b.unique_id, sizeof a.unique_id, DMR_MATCH_UNIQUE_ID, matched) &&
      compare_ids(a.partition_uuid, b.partition_uuid, sizeof a.partition_uuid,
                  DMR_MATCH_PARTITION_UUID, matched);
  return same ? matched : 0;
}

}  // namespace dmr

extern "C" {

void dmr_spare_judge(dmr_spare* spare, const void* const headers[DMR_COPIES],
                     dmr_u64 spare_sectors) {
  memset(spare, 0, sizeof *spare);
  if (spare_sectors < DMR_SPARE_MIN_SECTORS) return;
  dmr::CopyView views[dmr::kCopies];
  for (dmr_u32 c = 0; c < dmr::kCopies; ++c) {
    if (headers[c] != nullptr)
      views[c] = dmr::view_of(*static_cast<const dmr::Header*>(headers[c]));
    views[c].complete = views[c].kind == dmr::HeaderKind::kValid;  // as far as is looked
  }
  const dmr::Verdict verdict = dmr::judge(views);
  spare->state = dmr::state_of(views, verdict, spare_sectors);
  if (verdict.headers != 0)
    dmr::fill(*spare, *static_cast<const dmr::Header*>(headers[verdict.winner]), views,
              verdict.winner);
}

dmr_u64 dmr_header_sector(dmr_u32 copy) { return dmr::kCopySector[copy]; }

void dmr_pair_up(dmr_seen* list) {
  for (dmr_seen* seen = list; seen != nullptr; seen = seen->next) dmr::decide(list, *seen);
  for (dmr_seen* seen = list; seen != nullptr; seen = seen->next) {
    if (seen->spare.state == DMR_SPARE_READY && dmr::main_is_shared(list, *seen))
      seen->spare.state = DMR_SPARE_AMBIGUOUS;
  }
  for (dmr_seen* seen = list; seen != nullptr; seen = seen->next) {
    if (seen->spare.state == DMR_SPARE_AMBIGUOUS) seen->main = nullptr;
  }
}

const char* dmr_spare_state_name(dmr_spare_state state) {
  constexpr const char* kNames[] = {"none",         "active",    "ready",
                                    "main_missing", "ambiguous", "damaged"};
  return kNames[state];
}

const char* dmr_match_print(dmr_u32 matched, char text[DMR_MATCH_TEXT_BYTES]) {
  constexpr const char* kNames[] = {"size", "logical_block_size", "unique_id", "partition_uuid"};
  char* end = text;
  for (dmr_u32 i = 0; i < 4; ++i) {
    if (!(matched >> i & 1)) continue;
    if (end != text) *end++ = ',';
    for (const char* name = kNames[i]; *name != 0;) *end++ = *name++;
  }
  *end = 0;
  return text;
}

}  // extern "C"
