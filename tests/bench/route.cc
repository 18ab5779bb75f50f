// SPDX-License-Identifier: GPL-2.0
//
// What map() asks, from one thread and from two: if no shared cache line is written, two threads on
// one engine are as fast as two threads on an engine each. What two threads do to each other besides
// (one core's shared units, the clock rate) is in both. "counted" is the same with one counter that
// both write: what a shared cache line would cost.
//   route IMAGE [Google Benchmark's options]; IMAGE is spare_image's for the sizes below
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "core/format.h"
#include "hosted/sim_target.h"

namespace {

using namespace dmr::hosted;

constexpr uint64_t kMainSectors = 4194304;
constexpr uint64_t kSpareSectors = 262144;
constexpr uint64_t kStepSectors = 416;
constexpr uint64_t kMoved = 10000;
constexpr int kRoutes = 64;  // in an iteration

struct Pair {
  explicit Pair(const std::vector<uint8_t>& image)
      : host(SimDisk(kMainSectors), SimDisk(kSpareSectors)) {
    for (const uint64_t copy : dmr::kCopySector)
      host.spare.poke(copy, static_cast<uint32_t>(image.size() / DMR_SECTOR_BYTES), image.data());
    target = std::make_unique<SimTarget>(host);
    opened = target->open({}, false) == DMR_ACCEPTED && target->status().slots_used == kMoved;
    regions = dmr_engine_regions(target->engine());
  }
  SimHost host;
  std::unique_ptr<SimTarget> target;
  bool opened = false;
  dmr_region_map regions;
};

std::vector<std::unique_ptr<Pair>> pairs;

struct alignas(128) Counter {
  uint64_t value = 0;
} counter;

enum class Engines { kOne, kOneEach };
enum class Where { kBeside, kHit };

// Sectors that all threads visit alike, in an order that no cache foresees.
template <Engines engines, Where where, bool counted>
void route(benchmark::State& state) {
  const int mine = engines == Engines::kOneEach ? state.thread_index() : 0;
  const Pair& pair = *pairs[static_cast<size_t>(mine)];
  uint64_t random = 1 + static_cast<uint64_t>(state.thread_index());
  for (auto _ : state) {
    for (int i = 0; i < kRoutes; ++i) {
      random = random * 6364136223846793005ull + 1442695040888963407ull;
      const uint64_t sector = (random >> 33) % kMoved * kStepSectors + (where == Where::kHit ? 0 : 208);
      if (counted) __atomic_fetch_add(&counter.value, 1, __ATOMIC_RELAXED);
      if (dmr_all_on_main(&pair.regions, sector, 4096)) continue;
      dmr_place place;
      dmr_route(pair.target->engine(), sector, 8, DMR_READ, &place);
      benchmark::DoNotOptimize(place);
    }
  }
}

void add(const char* name, void (*function)(benchmark::State&)) {
  benchmark::RegisterBenchmark(name, function)->Threads(1)->Threads(2)->MinTime(0.05);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::vector<uint8_t> image(512 * 1024);
  std::FILE* const file = argc == 2 ? std::fopen(argv[1], "rb") : nullptr;
  if (file == nullptr || std::fread(image.data(), image.size(), 1, file) != 1) return 2;
  std::fclose(file);
  for (int i = 0; i < 2; ++i) {
    pairs.push_back(std::make_unique<Pair>(image));
    if (!pairs.back()->opened) return 1;
  }
  add("beside", route<Engines::kOne, Where::kBeside, false>);
  add("beside_own", route<Engines::kOneEach, Where::kBeside, false>);
  add("beside_counted", route<Engines::kOne, Where::kBeside, true>);
  add("hit", route<Engines::kOne, Where::kHit, false>);
  add("hit_own", route<Engines::kOneEach, Where::kHit, false>);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
