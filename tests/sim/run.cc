// SPDX-License-Identifier: GPL-2.0
#include "run.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

#include "core/format.h"
#include "hosted/sim_target.h"
#include "spares.h"

namespace dmr::sim {
namespace {

using hosted::CrashPolicy;
using hosted::SimDisk;
using hosted::SimTarget;

class Run {
 public:
  Run(uint64_t seed, const Options& options, Stats& stats)
      : random_(seed),
        options_(options),
        stats_(stats),
        shape_(choose_shape()),
        oracle_(shape_.main_sectors),
        host_(SimDisk(shape_.main_sectors, shape_.main_logical), SimDisk(0)) {}

  std::string go();

 private:
  enum class After : uint8_t { kGoOn, kEnd };

  Shape choose_shape();
  void prepare();
  std::string boot(bool last);
  void plan(World& world, bool last);
  uint32_t damage(World& world);
  dmr_arguments choose_arguments();
  std::string judge_opening(World& world, dmr_refusal refusal, const dmr_report& report,
                            bool must_open);
  void one_boot(World& world, bool last);
  void check_what_lasts(World& world);
  void power_returns();
  void note_end(World& world);

  Random random_;
  Options options_;
  Stats& stats_;
  Shape shape_;
  Oracle oracle_;
  SimHost host_;
  std::vector<uint64_t> hot_blocks_;
  uint64_t target_sectors_ = 0;
  bool formatted_ = false;  // once it was open, it is a pair
  bool over_ = false;
  bool peaceful_ = true;  // the last boot ended without a power cut
  bool trouble_ = false;  // ... and met faults of the spare
  uint32_t good_ = DMR_COPIES;
  uint32_t lied_about_ = 0;  // bad copies that the core can't know of
  std::optional<SimDisk> earlier_;
  bool nearly_full_ = false;
  bool restless_ = false;  // many short boots: mostly of opening and committing
};

Shape Run::choose_shape() {
  static const std::vector<Shape> kShapes = {{64 * 8, 1, 1},     {64 * 8, 8, 8},  {64 * 8, 8, 1},
                                             {65 * 8 + 3, 1, 1}, {256 * 8, 1, 1}, {96 * 8, 2, 1},
                                             {8 * 8, 1, 1},      {200 * 8, 4, 2}};
  return random_.pick(kShapes);
}

void Run::prepare() {
  std::vector<uint8_t> content(kSectorBytes);
  for (uint64_t s = 0; s < shape_.main_sectors; ++s) {
    Oracle::make_content(0, s, content.data());
    host_.main.poke(s, 1, content.data());
  }
  formatted_ = !random_.chance(3);
  host_.spare = formatted_ ? formatted_spare(shape_) : blank_spare(shape_);
  if (formatted_ && random_.chance(20)) {
    nearly_full_ = true;
    const uint32_t slots = slots_for(DMR_SPARE_MIN_SECTORS);
    const uint32_t first_free = slots - static_cast<uint32_t>(random_.below(7));
    retire_slots(host_.spare, random_.chance(70) ? slots : first_free,
                 [&](uint32_t slot) { return slot < first_free; });
  }
  restless_ = random_.chance(25);
  const uint64_t blocks = shape_.main_sectors / DMR_BLOCK_SECTORS;
  const uint64_t first = random_.below(blocks);
  for (uint64_t n = random_.between(2, 7); n-- != 0;)
    hot_blocks_.push_back(random_.chance(70) ? (first + random_.below(4)) % blocks
                                             : random_.below(blocks));
  if (shape_.main_sectors % DMR_BLOCK_SECTORS != 0) hot_blocks_.push_back(blocks);
  target_sectors_ = shape_.main_sectors;
  if (random_.chance(10)) target_sectors_ -= shape_.main_logical;
  for (uint64_t& block : hot_blocks_) {
    if (block * DMR_BLOCK_SECTORS >= target_sectors_) block = 0;
  }
}

dmr_arguments Run::choose_arguments() {
  dmr_arguments arguments = default_arguments();
  const auto set = [&](dmr_config config, uint64_t value) {
    arguments.config[config] = static_cast<dmr_u32>(value);
    arguments.config_given |= 1u << config;
  };
  set(DMR_CONFIG_READ_RETRIES, random_.below(5));
  if (random_.chance(4)) set(DMR_CONFIG_AUTO_REMAP, 0);
  if (random_.chance(30)) set(DMR_CONFIG_VERIFY_WRITES, random_.below(DMR_VERIFY_ALL + 1));
  if (random_.chance(6)) {
    set(DMR_CONFIG_REMAP_BURST, random_.between(1, 4));
    set(DMR_CONFIG_REMAP_BURST_SECONDS, random_.between(1, 1000));
  }
  return arguments;
}

void Run::plan(World& world, bool last) {
  if (last || random_.chance(25)) host_.main.heal();
  if (last || random_.chance(50)) host_.spare.heal();
  if (last) return;
  Aim aim = {shape_.main_sectors, shape_.main_logical, hot_blocks_, {}};
  const uint32_t slots = slots_for(DMR_SPARE_MIN_SECTORS);
  for (uint32_t slot = 0; slot < 12; ++slot)
    aim.likely_slots.push_back(nearly_full_ ? slots - 1 - slot % 6 : slot);
  for (const PlannedFault& planned : plan_faults(aim, random_)) {
    if (restless_ && !planned.on_main && random_.chance(70)) continue;
    world.trace("fault: %s", planned.text.c_str());
    (planned.on_main ? host_.main : host_.spare).inject(planned.fault);
  }
  if (random_.chance(5)) world.let_devices_vanish();
}

// Returns how many copies may be bad now, by this or by what happened before.
uint32_t Run::damage(World& world) {
  uint32_t known_bad = DMR_COPIES - good_;
  if (!peaceful_ && trouble_) known_bad += 2;
  if (formatted_ && random_.chance(restless_ ? 60 : 30)) {
    const uint32_t most =
        static_cast<uint32_t>(random_.chance(5) ? 5
                                                : random_.between(1, restless_   ? 1
                                                                     : peaceful_ ? 3
                                                                                 : 2));
    std::vector<PlannedFault> faults;
    std::string text;
    const bool revert = earlier_ && known_bad == 0 && lied_about_ == 0 && peaceful_ && most <= 2;
    lied_about_ |=
        damage_metadata(host_.spare, revert ? &*earlier_ : nullptr, most, random_, faults, text);
    world.trace("damage:%s", text.c_str());
    for (const PlannedFault& planned : faults) {
      host_.spare.inject(planned.fault);
      world.trace("fault: %s", planned.text.c_str());
    }
    world.set_spare_trouble();
  }
  return lied_about_ == 0 ? 0 : static_cast<uint32_t>(std::popcount(lied_about_)) + known_bad;
}

// Empty if it may be so. Sets over_ if nothing is owed any more.
std::string Run::judge_opening(World& world, dmr_refusal refusal, const dmr_report& report,
                               bool must_open) {
  world.trace("opening: %s", dmr_refusal_text(refusal));
  if (refusal == DMR_ACCEPTED) {
    if (formatted_ && report.will_format) return "a pair was formatted again";
    formatted_ = true;
    over_ = !must_open;
    return "";
  }
  ++stats_.refused;
  // What lies of the spare make of a first format is nobody's data.
  if (!formatted_ && (trouble_ || world.spare_trouble())) {
    over_ = true;
    return "";
  }
  if (!must_open) {
    over_ = true;
    return "";
  }
  // With faults in its way it may refuse; the next boot has none.
  if (!host_.spare.faults().empty() && world.spare_trouble()) {
    host_.spare.heal();
    return "";
  }
  return std::string("refused: ") + dmr_refusal_text(refusal);
}

// What a reboot would find is what the target says now.
void Run::check_what_lasts(World& world) {
  // After a commit that failed it may be either state. (main_failed hides metadata_ro.)
  if (world.dead() || world.status().state == DMR_STATE_METADATA_RO ||
      world.status().good_copies < 4 || world.status().read_only_metadata)
    return;
  SimHost shadow(host_.main, host_.spare);
  shadow.spare.heal();
  shadow.spare.crash(CrashPolicy::kDropAll, random_.engine());
  SimTarget target(shadow);
  dmr_arguments arguments = default_arguments();
  if (target.open(arguments) != DMR_ACCEPTED) {
    world.violate("what is on the spare would not open");
    return;
  }
  const uint32_t claimed = world.status().good_copies;
  if (target.report().votes < claimed) {
    world.violate(std::to_string(claimed) + " good copies are claimed, and there are " +
                  std::to_string(target.report().votes));
    return;
  }
  const auto now = world.list();
  const auto then = target.list();
  const bool same = std::equal(now.begin(), now.end(), then.begin(), then.end(),
                               [](const dmr_list_entry& a, const dmr_list_entry& b) {
                                 return a.sector == b.sector && a.slot == b.slot &&
                                        a.spare_mask == b.spare_mask && a.lost_mask == b.lost_mask;
                               });
  if (!same) world.violate("what is on the spare is not what the target serves");
}

void Run::one_boot(World& world, bool last) {
  if (last) {
    world.read_everything();
    world.run_job(DMR_JOB_RETEST, 0, target_sectors_);
    world.settle_down();
    (void)world.repair();
    world.read_everything();
  } else {
    for (uint64_t n = random_.between(1, 3); n-- != 0 && !world.dead();) {
      world.live(restless_ ? random_.below(60) : random_.between(20, 400));
      if (random_.chance(60)) world.suspend_and_resume();
    }
    world.settle_down();
    if (!restless_ && random_.chance(30)) world.read_everything();
  }
  world.check_consistency();
  if (lied_about_ == 0 && world.copies_lied_about() == 0 && random_.chance(50))
    check_what_lasts(world);
}

void Run::power_returns() {
  const auto policy = [&] {
    const uint64_t what = random_.below(10);
    return what < 8    ? CrashPolicy::kRandom
           : what == 8 ? CrashPolicy::kDropAll
                       : CrashPolicy::kKeepAll;
  };
  host_.main.crash(policy(), random_.engine());
  host_.spare.crash(policy(), random_.engine());
}

void Run::note_end(World& world) {
  stats_.ops += world.ops_made();
  stats_.core_ios += world.core_ios();
  for (const dmr_event& event : host_.events) {
    stats_.remaps += event.kind == DMR_EVENT_REMAP;
    stats_.lost += event.kind == DMR_EVENT_LOST;
    stats_.salvaged += event.kind == DMR_EVENT_SALVAGED;
    stats_.retired += event.kind == DMR_EVENT_RETIRED;
    stats_.metadata += event.kind == DMR_EVENT_METADATA;
  }
  lied_about_ |= world.copies_lied_about();
  peaceful_ = !world.power_failed();
  trouble_ = world.spare_trouble();
  if (world.power_failed()) {
    ++stats_.power_cuts;
    if (world.status_at_power_cut().state != DMR_STATE_INACTIVE)
      good_ = world.status_at_power_cut().good_copies;
    power_returns();
  } else if (world.status().state != DMR_STATE_INACTIVE) {
    good_ = world.status().good_copies;
  }
  host_.main.set_offline(false);
  host_.spare.set_offline(false);
}

std::string Run::boot(bool last) {
  ++stats_.boots;
  dmr_geometry geometry = {shape_.main_sectors, DMR_SPARE_MIN_SECTORS, target_sectors_,
                           shape_.main_logical, shape_.spare_logical};
  World world(host_, oracle_, random_, geometry, options_);
  world.trace("==== boot");
  world.set_hot_blocks(hot_blocks_);
  plan(world, last);
  const uint32_t bad = last
                           ? (lied_about_ == 0 ? 0
                                               : static_cast<uint32_t>(std::popcount(lied_about_)) +
                                                     DMR_COPIES - good_ + (peaceful_ ? 0 : 2))
                           : damage(world);
  if (last && lied_about_ != 0) world.set_spare_trouble();
  const bool must_open =
      bad <= (peaceful_ && good_ == DMR_COPIES ? kToleratedAtRest : kToleratedAfterPowerCut);
  if (!earlier_ || random_.chance(50)) earlier_ = host_.spare;
  if (!last && random_.chance(restless_ ? 85 : 60))
    world.cut_power_after(restless_ || random_.chance(20) ? random_.below(120)
                                                          : random_.below(1500));

  dmr_report report = {};
  const dmr_arguments arguments = last ? default_arguments() : choose_arguments();
  const dmr_refusal refusal = world.open(arguments, false, report);
  if (!world.dead()) {
    const std::string wrong = judge_opening(world, refusal, report, must_open);
    if (!wrong.empty()) return wrong;
    if (refusal == DMR_ACCEPTED && !over_) {
      // Opening has looked at every copy: those that are bad are not counted as good.
      lied_about_ = 0;
      one_boot(world, last);
    }
  } else if (!must_open) {
    over_ = true;
  }
  note_end(world);
  return world.violation();
}

std::string Run::go() {
  ++stats_.runs;
  prepare();
  for (uint64_t n = random_.between(1, restless_ ? 10 : 4); n-- != 0 && !over_;) {
    const std::string wrong = boot(false);
    if (!wrong.empty()) return wrong;
  }
  return over_ ? "" : boot(true);
}

}  // namespace

void Stats::add(const Stats& other) {
  runs += other.runs;
  boots += other.boots;
  power_cuts += other.power_cuts;
  refused += other.refused;
  ops += other.ops;
  core_ios += other.core_ios;
  remaps += other.remaps;
  lost += other.lost;
  salvaged += other.salvaged;
  retired += other.retired;
  metadata += other.metadata;
}

std::string run_seed(uint64_t seed, const Options& options, Stats& stats) {
  return Run(seed, options, stats).go();
}

}  // namespace dmr::sim
