// SPDX-License-Identifier: GPL-2.0
//
// The simulator. See usage().
#include <getopt.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "run.h"

namespace dmr::sim {
namespace {

struct Choices {
  uint64_t first = 1;
  uint64_t last = 1000;
  uint64_t seconds = 0;  // 0: until the last seed
  uint32_t jobs = 1;
  bool trace = false;
  bool keep_going = false;
  bool quiet = false;
};

// What a worker process tells the one that waits.
struct Report {
  Stats stats;
  uint64_t violations = 0;
};

volatile uint64_t current_seed;

void usage(const char* name) {
  std::printf(
      "%s [options]: runs the core against simulated disks, and checks every answer.\n"
      "  --seed N        one run, told step by step\n"
      "  --seeds A-B     these runs (default 1-1000)\n"
      "  --seconds N     goes on with further seeds for so long\n"
      "  --jobs N        in so many processes\n"
      "  --keep-going    does not stop at the first violation\n"
      "  --quiet         prints no summary\n"
      "Ends with 0 if no rule was broken, 1 otherwise, 2 for a wrong command line.\n",
      name);
}

bool parse_range(const char* text, Choices& choices) {
  char* end = nullptr;
  choices.first = std::strtoull(text, &end, 10);
  if (end == text || *end != '-') return false;
  const char* second = end + 1;
  choices.last = std::strtoull(second, &end, 10);
  return end != second && *end == 0 && choices.first <= choices.last;
}

bool parse(int argc, char** argv, Choices& choices) {
  const option kOptions[] = {
      {"seed", required_argument, nullptr, 's'},    {"seeds", required_argument, nullptr, 'r'},
      {"seconds", required_argument, nullptr, 't'}, {"jobs", required_argument, nullptr, 'j'},
      {"keep-going", no_argument, nullptr, 'k'},    {"quiet", no_argument, nullptr, 'q'},
      {"help", no_argument, nullptr, 'h'},          {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "hj:", kOptions, nullptr)) != -1;) {
    switch (c) {
      case 's':
        choices.first = choices.last = std::strtoull(optarg, nullptr, 10);
        choices.trace = true;
        break;
      case 'r':
        if (!parse_range(optarg, choices)) return false;
        break;
      case 't':
        choices.seconds = std::strtoull(optarg, nullptr, 10);
        break;
      case 'j':
        choices.jobs = static_cast<uint32_t>(std::strtoul(optarg, nullptr, 10));
        break;
      case 'k':
        choices.keep_going = true;
        break;
      case 'q':
        choices.quiet = true;
        break;
      default:
        return false;
    }
  }
  return optind == argc && choices.jobs != 0;
}

// Of a crash of the core itself, too, the seed has to be known.
void say_seed(int signal_number) {
  char text[64];
  const int length = std::snprintf(text, sizeof text, "seed %llu: signal %d\n",
                                   static_cast<unsigned long long>(current_seed), signal_number);
  (void)!write(STDOUT_FILENO, text, static_cast<size_t>(length));
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Every jobs-th seed from first + index on.
Report work(const Choices& choices, uint32_t index) {
  Report report;
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t seed = choices.first + index;; seed += choices.jobs) {
    if (choices.seconds != 0 ? seconds_since(start) >= static_cast<double>(choices.seconds)
                             : seed > choices.last)
      break;
    current_seed = seed;
    const std::string wrong = run_seed(seed, {choices.trace}, report.stats);
    if (wrong.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong.c_str());
    std::fflush(stdout);
    ++report.violations;
    if (!choices.keep_going) break;
  }
  return report;
}

struct Worker {
  pid_t pid;
  int from;
};

Report gather(const Choices& choices) {
  if (choices.jobs == 1) return work(choices, 0);
  std::vector<Worker> workers;
  std::fflush(stdout);
  for (uint32_t i = 0; i < choices.jobs; ++i) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    const pid_t pid = fork();
    if (pid < 0) std::abort();
    if (pid == 0) {
      const Report report = work(choices, i);
      (void)!write(ends[1], &report, sizeof report);
      std::_Exit(0);
    }
    close(ends[1]);
    workers.push_back({pid, ends[0]});
  }
  Report all;
  for (const Worker& worker : workers) {
    Report report;
    const bool whole = read(worker.from, &report, sizeof report) == sizeof report;
    close(worker.from);
    waitpid(worker.pid, nullptr, 0);
    if (whole) all.stats.add(report.stats);
    all.violations += whole ? report.violations : 1;
  }
  return all;
}

void summarize(const Report& report, double seconds) {
  const Stats& s = report.stats;
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "sim: %llu seeds in %.1f s (%.0f per second): %llu boots, %llu power cuts, %llu refusals, "
      "%llu requests, %llu I/Os of the core; events: %llu remap, %llu lost, %llu salvaged, %llu "
      "retired, %llu metadata; %llu violations\n",
      number(s.runs), seconds, static_cast<double>(s.runs) / seconds, number(s.boots),
      number(s.power_cuts), number(s.refused), number(s.ops), number(s.core_ios), number(s.remaps),
      number(s.lost), number(s.salvaged), number(s.retired), number(s.metadata),
      number(report.violations));
}

}  // namespace
}  // namespace dmr::sim

int main(int argc, char** argv) {
  using namespace dmr::sim;
  Choices choices;
  if (!parse(argc, argv, choices)) {
    usage(argv[0]);
    return 2;
  }
  signal(SIGABRT, say_seed);
  signal(SIGSEGV, say_seed);
  const auto start = std::chrono::steady_clock::now();
  const Report report = gather(choices);
  if (!choices.quiet) summarize(report, seconds_since(start));
  return report.violations == 0 ? 0 : 1;
}
