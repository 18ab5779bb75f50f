// SPDX-License-Identifier: GPL-2.0
//
// A search over whole lives of a pair: every state that boots, power cuts and faults can lead to,
// breadth first, equal states once.
//
// A life is a row of boots. A boot opens, and takes one action: a write that main takes, refuses, or
// refuses once; a read, remap, unmap, retest, repair or flush. If the engine then knows what the next
// one would not (a commit that failed, a slot that was freed or is not flushed), a second action
// follows. Power fails at any moment of it, with any subset of what is not flushed kept; or the boot
// ends in peace, with the caches as they are. That, and that main refuses to be written, is no fault:
// faults are those of FaultKind (lives_disks.h), each injected before the opening or before an action.
//
// States are found until there are as many as were asked for. All of them are visited: opened, and
// each action taken. Those whose turn comes before the last is found are lived on from in every way:
// with all faults that may still come, all second actions, and all power cuts.
//
// The engine is the real one, and boots are run, not modelled. What is looked at after each opening
// and each action stands at the top of lives_pair.h.
#include <getopt.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "lives_pair.h"

namespace dmr::sim {
namespace {

constexpr std::array<Kind, 4> kKinds = {{{"one block, one slot", false, 1},
                                         {"one block, two slots", false, 2},
                                         {"two blocks, one slot", true, 1},
                                         {"two blocks, two slots", true, 2}}};
constexpr uint32_t kActionsMax = 2;  // of one boot, after its opening
constexpr uint32_t kFlushesMax = 7;  // of one action: which of them may fail

struct Choices {
  std::optional<uint32_t> kind, faults;
  uint64_t states = 1000000;
  uint32_t jobs = 1;
  std::string path;
};

struct Counts {
  uint64_t states = 0, lived_on = 0, outcomes = 0, openings = 0, refusals = 0, actions = 0,
           cut_short = 0;
  uint64_t boots = 0;  // of the longest life
  uint64_t whole = 0;  // kinds of which there are no more states
  uint64_t violations = 0;
  void add(const Counts& other) {
    states += other.states;
    lived_on += other.lived_on;
    outcomes += other.outcomes;
    openings += other.openings;
    refusals += other.refusals;
    actions += other.actions;
    cut_short += other.cut_short;
    boots = std::max(boots, other.boots);
    whole += other.whole;
    violations += other.violations;
  }
};

// ---- Steps ---------------------------------------------------------------------------------------

// All there are for a kind of pair, by number.
class Steps {
 public:
  explicit Steps(const Kind& kind);
  const Step& operator[](uint8_t number) const { return all_[number]; }
  std::vector<uint8_t> actions, faults_before_opening, faults;
  uint8_t open;
  // All of it if there is no such step.
  uint8_t find(const std::string& name) const;
  size_t size() const { return all_.size(); }

 private:
  uint8_t add(const Step& step) {
    all_.push_back(step);
    return static_cast<uint8_t>(all_.size() - 1);
  }
  std::vector<Step> all_;
};

Steps::Steps(const Kind& kind) {
  const auto action = [&](ActionKind what, uint32_t places) {
    for (uint32_t place = 0; place < places; ++place)
      actions.push_back(add({false, what, {FaultKind{}, static_cast<uint8_t>(place), false}}));
  };
  const auto fault = [&](FaultKind what, uint32_t places, bool before_opening, bool later) {
    for (uint32_t place = 0; place < places; ++place) {
      const uint8_t step = add({true, ActionKind{}, {what, static_cast<uint8_t>(place), false}});
      if (before_opening) faults_before_opening.push_back(step);
      if (later) faults.push_back(step);
    }
  };
  open = add(Step{});
  const uint32_t blocks = kind.two_blocks ? 2 : 1;
  action(ActionKind::kWrite, kLifeSectors);
  action(ActionKind::kWriteRefused, kLifeSectors);
  action(ActionKind::kWriteRefusedOnce, kLifeSectors);
  action(ActionKind::kWriteBothRefused, 1);
  action(ActionKind::kRead, kLifeSectors);
  action(ActionKind::kRemap, blocks);
  action(ActionKind::kUnmap, blocks);
  action(ActionKind::kRetest, 1);
  action(ActionKind::kRepair, 1);
  action(ActionKind::kFlush, 1);
  fault(FaultKind::kCopyUnreadable, kCopies, true, false);
  fault(FaultKind::kCopyAway, kCopies, true, false);
  fault(FaultKind::kCopyRefuses, kCopies, true, true);
  fault(FaultKind::kCopyRefusesLate, kCopies, true, true);
  fault(FaultKind::kCopyDrops, kCopies, false, true);
  fault(FaultKind::kSlotRefuses, kind.slots, false, true);
  fault(FaultKind::kSlotRefusesOnce, kind.slots, false, true);
  fault(FaultKind::kSlotDrops, kind.slots, false, true);
  fault(FaultKind::kSlotUnreadable, kind.slots, false, true);
  fault(FaultKind::kSpareFlush, kFlushesMax, true, true);
  fault(FaultKind::kMainFlush, 1, false, true);
  fault(FaultKind::kMainUnreadable, kLifeSectors, false, true);
  fault(FaultKind::kMainWeak, kLifeSectors, false, true);
}

uint8_t Steps::find(const std::string& name) const {
  uint8_t number = 0;
  while (number < all_.size() && step_name(all_[number]) != name) ++number;
  return number;
}

// ---- States --------------------------------------------------------------------------------------

// How a boot went: its steps, and which of the outcomes that it reported this one is.
struct Script {
  static constexpr uint32_t kMax = 7;
  uint8_t count = 0;
  std::array<uint8_t, kMax> steps = {};
  void push(uint8_t step) {
    if (count == kMax) std::abort();
    steps[count++] = step;
  }
};

// Every state once, in the order in which they were found, each with how it was found.
class States {
 public:
  explicit States(uint64_t limit) : limit_(limit), cells_(16) {
    while (cells_.size() < 2 * limit) cells_.resize(2 * cells_.size());
    std::fill(cells_.begin(), cells_.end(), kEmpty);
    starts_.push_back(0);
  }
  uint64_t size() const { return found_.size(); }
  bool full() const { return found_.size() == limit_; }
  Left operator[](uint64_t state) const {
    Left left;
    std::memcpy(&left, &bytes_[starts_[state]], starts_[state + 1] - starts_[state]);
    return left;
  }
  struct Found {
    uint32_t from;
    uint32_t outcome;
    Script script;
  };
  const Found& found(uint64_t state) const { return found_[state]; }
  void add(const Left& left, const Found& found);

 private:
  static constexpr uint32_t kEmpty = ~uint32_t{0};
  uint64_t limit_;
  std::vector<uint32_t> cells_;  // open addressing, linear probing
  std::vector<uint8_t> bytes_;
  std::vector<uint64_t> starts_;
  std::vector<Found> found_;
};

uint64_t hash_of(const uint8_t* bytes, size_t count) {
  uint64_t hash = count;
  for (; count >= 8; bytes += 8, count -= 8) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    hash ^= hash >> 29;
  }
  for (; count != 0; ++bytes, --count) hash = (hash ^ *bytes) * 0x9e3779b97f4a7c15ull;
  return hash ^ hash >> 32;
}

void States::add(const Left& left, const Found& found) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&left);
  const size_t count = left.bytes();
  uint64_t cell = hash_of(bytes, count) & (cells_.size() - 1);
  for (; cells_[cell] != kEmpty; cell = (cell + 1) & (cells_.size() - 1)) {
    const uint64_t start = starts_[cells_[cell]];
    if (starts_[cells_[cell] + 1] - start == count &&
        std::memcmp(&bytes_[start], bytes, count) == 0)
      return;
  }
  if (full()) return;
  cells_[cell] = static_cast<uint32_t>(found_.size());
  bytes_.insert(bytes_.end(), bytes, bytes + count);
  starts_.push_back(bytes_.size());
  found_.push_back(found);
}

// ---- The search ----------------------------------------------------------------------------------

class Search {
 public:
  Search(const Kind& kind, uint32_t faults, uint64_t limit)
      : steps_(kind), pair_(kind, faults), states_(limit) {}

  // Looks at every state, or at the first so many. False at the first violation, which is path().
  bool run();
  std::string path() const;
  Counts counts() const;
  // Lives that life again, and tells it. False if there is no such life.
  bool replay(const std::string& path);

 private:
  bool expand();
  bool act_on(uint32_t depth);
  void inject(const std::vector<uint8_t>& faults);
  bool take(uint8_t action);
  bool may_help(const Step& action) const;
  bool replay_boot(const std::string& text, Left& left);
  // Calls @visit(set, met) for each choice of at most @most of @faults, and stops when it returns
  // false. @met says whether all of the set were met. Of two, one is met by itself: until a fault is
  // met it changes nothing.
  template <typename Visit>
  static bool for_each_set(const std::vector<uint8_t>& faults, uint32_t most, Visit visit);

  Steps steps_;
  dmr_host pair_;
  States states_;
  uint64_t current_ = 0;
  bool only_visit_ = false;
  Left left_;
  Script script_;
  bool met_ = false;  // by the last step
  std::array<dmr_host::Snapshot, kActionsMax> snapshots_;
  uint64_t outcomes_ = 0;
  uint64_t boots_ = 0;
  uint64_t lived_on_ = 0;
};

template <typename Visit>
bool Search::for_each_set(const std::vector<uint8_t>& faults, uint32_t most, Visit visit) {
  bool met = false;
  if (!visit(std::vector<uint8_t>{}, met)) return false;
  std::vector<bool> alone(faults.size());
  for (size_t i = 0; most != 0 && i < faults.size(); ++i) {
    if (!visit(std::vector<uint8_t>{faults[i]}, met)) return false;
    alone[i] = met;
  }
  for (size_t i = 0; most > 1 && i < faults.size(); ++i) {
    for (size_t j = i + 1; j < faults.size(); ++j) {
      if (!alone[i] && !alone[j]) continue;
      if (!visit(std::vector<uint8_t>{faults[i], faults[j]}, met)) return false;
    }
  }
  return true;
}

// False if something is wrong now.
bool Search::take(uint8_t action) {
  script_.push(action);
  met_ = pair_.act(steps_[action].action, steps_[action].fault.place);
  return pair_.violation() == nullptr;
}

bool Search::may_help(const Step& action) const {
  // Sectors are looked at anyway: what matters is what the core makes of a read that fails.
  return action.action != ActionKind::kRead || pair_.disks().state.fault_count != 0;
}

void Search::inject(const std::vector<uint8_t>& faults) {
  for (const uint8_t fault : faults) {
    script_.push(fault);
    pair_.disks().inject(steps_[fault].fault);
  }
}

// All that may come after the boot's first @depth actions.
bool Search::act_on(uint32_t depth) {
  pair_.save(snapshots_[depth]);
  const Script before = script_;
  const uint32_t left = only_visit_ ? 0 : pair_.disks().state.faults_left;
  return std::all_of(steps_.actions.begin(), steps_.actions.end(), [&](uint8_t action) {
    return for_each_set(steps_.faults, left, [&](const std::vector<uint8_t>& set, bool& met) {
      pair_.restore(snapshots_[depth]);
      script_ = before;
      inject(set);
      met = false;
      if (!may_help(steps_[action])) return true;
      if (!take(action)) return false;
      met = met_;
      const bool goes_on = met && !only_visit_ && depth + 1 < kActionsMax && pair_.remembers();
      return !goes_on || act_on(depth + 1);
    });
  });
}

// All boots that begin with the current state.
bool Search::expand() {
  left_ = states_[current_];
  return for_each_set(steps_.faults_before_opening, only_visit_ ? 0 : left_.faults,
                      [&](const std::vector<uint8_t>& set, bool& met) {
                        pair_.begin(left_);
                        script_ = Script{};
                        inject(set);
                        if (!take(steps_.open)) return false;
                        met = met_;
                        return !met || !pair_.opened() || act_on(0);
                      });
}

bool Search::run() {
  pair_.disks().on_outcome = [&](const Left& left) { states_.add(left, {0, 0, {}}); };
  pair_.disks().report_end();
  pair_.disks().on_outcome = [&](const Left& left) {
    ++outcomes_;
    states_.add(left, {static_cast<uint32_t>(current_), pair_.disks().state.reported, script_});
  };
  uint64_t end_of_boot = 1;
  for (current_ = 0; current_ < states_.size(); ++current_) {
    if (current_ == end_of_boot) {
      ++boots_;
      end_of_boot = states_.size();
    }
    only_visit_ = states_.full();
    if (only_visit_) pair_.disks().on_outcome = nullptr;
    lived_on_ += !only_visit_;
    if (!expand()) return false;
  }
  return true;
}

Counts Search::counts() const {
  Counts counts;
  counts.states = current_;
  counts.lived_on = lived_on_;
  counts.outcomes = outcomes_;
  counts.openings = pair_.openings;
  counts.refusals = pair_.refusals;
  counts.actions = pair_.actions;
  counts.cut_short = pair_.disks().cut_short;
  counts.boots = boots_ + 1;
  counts.whole = !states_.full();
  return counts;
}

// ---- One life ------------------------------------------------------------------------------------

// Boots are parted by slashes, steps by commas; behind a colon stands which outcome was left.
std::string Search::path() const {
  const auto boot = [&](const Script& script) {
    std::string text;
    for (uint32_t i = 0; i < script.count; ++i)
      text += (i == 0 ? "" : ",") + step_name(steps_[script.steps[i]]);
    return text;
  };
  std::string text = boot(script_);
  for (uint64_t state = current_; state != 0; state = states_.found(state).from) {
    const States::Found& found = states_.found(state);
    text = boot(found.script) + ":" + std::to_string(found.outcome) + "/" + text;
  }
  return text;
}

bool Search::replay_boot(const std::string& text, Left& left) {
  const size_t colon = text.find(':');
  const uint64_t wanted =
      colon == std::string::npos ? 0 : std::strtoull(text.c_str() + colon + 1, nullptr, 10);
  std::optional<Left> next;
  pair_.disks().on_outcome = [&](const Left& outcome) {
    if (pair_.disks().state.reported != wanted) return;
    next = outcome;
    if (pair_.disks().trace) std::printf("    ---- the boot may end so\n");
  };
  std::printf("==== boot:%s\n", pair_.disks().describe(left).c_str());
  pair_.begin(left);
  std::string rest = text.substr(0, colon) + ",";
  for (size_t comma; (comma = rest.find(',')) != std::string::npos; rest.erase(0, comma + 1)) {
    const uint8_t number = steps_.find(rest.substr(0, comma));
    if (number == steps_.size()) return false;
    const Step& step = steps_[number];
    std::printf("  %s\n", step_name(step).c_str());
    if (step.is_fault) {
      pair_.disks().inject(step.fault);
    } else {
      (void)pair_.act(step.action, step.fault.place);
    }
    if (pair_.violation() != nullptr) {
      std::printf("wrong: %s\n", pair_.violation());
      return true;
    }
  }
  if (wanted != 0 && !next) return false;
  if (next) left = *next;
  return true;
}

bool Search::replay(const std::string& path) {
  Left left;
  pair_.disks().on_outcome = [&](const Left& outcome) { left = outcome; };
  pair_.disks().report_end();
  pair_.disks().trace = true;
  std::string rest = path + "/";
  for (size_t slash; (slash = rest.find('/')) != std::string::npos; rest.erase(0, slash + 1)) {
    if (!replay_boot(rest.substr(0, slash), left)) return false;
  }
  std::printf("==== left:%s\n", pair_.disks().describe(left).c_str());
  return true;
}

// ---- Many ----------------------------------------------------------------------------------------

struct Task {
  uint32_t kind, faults;
  uint64_t states;
};

Task task_now;
const Search* search_now;

void say_path() {
  std::printf("to see it again: lives --kind %u --faults %u --path '%s'\n", task_now.kind,
              task_now.faults, search_now->path().c_str());
  std::fflush(stdout);
}

// Of a crash of the core, too, the path has to be known.
void say_path_and_die(int signal_number) {
  signal(signal_number, SIG_DFL);
  std::printf("signal %d; ", signal_number);
  say_path();
  raise(signal_number);
}

Counts search(const Task& task) {
  Search search(kKinds[task.kind], task.faults, task.states);
  task_now = task;
  search_now = &search;
  const bool good = search.run();
  Counts counts = search.counts();
  if (good) return counts;
  counts.violations = 1;
  std::printf("a violation; ");
  say_path();
  (void)Search(kKinds[task.kind], task.faults, 1).replay(search.path());
  std::fflush(stdout);
  return counts;
}

struct Sums {
  std::array<Counts, kLifeFaultsMax + 1> by_faults;
  uint64_t crashes = 0;  // of the core: as bad as a violation
  bool whole = true;     // every task was reported, and no process was ended from outside
};

// What a process says of a task; short enough for a pipe to keep it whole.
struct Report {
  uint32_t task;
  Counts counts;
};
static_assert(sizeof(Report) <= PIPE_BUF);

struct Pipe {
  int from, to;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  return {ends[0], ends[1]};
}

// A process that takes tasks for as long as there are any.
pid_t start_worker(const std::vector<Task>& tasks, const Pipe& queue, const Pipe& reports) {
  const pid_t pid = fork();
  if (pid < 0) std::abort();
  if (pid != 0) return pid;
  signal(SIGABRT, say_path_and_die);
  signal(SIGSEGV, say_path_and_die);
  for (const int end : {queue.to, reports.from}) close(end);
  for (uint32_t task; read(queue.from, &task, sizeof task) == sizeof task;) {
    const Report report{task, search(tasks[task])};
    (void)!write(reports.to, &report, sizeof report);
  }
  std::_Exit(0);
}

// Every task in one of the processes; what they counted.
Sums search_all(const std::vector<Task>& tasks, uint32_t jobs) {
  Sums sums;
  const Pipe queue = make_pipe(), reports = make_pipe();
  std::vector<pid_t> workers;
  std::fflush(stdout);
  for (uint32_t job = 0; job < jobs; ++job) workers.push_back(start_worker(tasks, queue, reports));
  // The longest first: those with the most faults.
  for (uint32_t task = tasks.size(); task-- != 0;) (void)!write(queue.to, &task, sizeof task);
  for (const int end : {queue.from, queue.to, reports.to}) close(end);
  size_t reported = 0;
  for (Report report; read(reports.from, &report, sizeof report) == sizeof report; ++reported)
    sums.by_faults[tasks[report.task].faults].add(report.counts);
  close(reports.from);
  sums.whole = reported == tasks.size();
  for (const pid_t pid : workers) {
    int status = 0;
    waitpid(pid, &status, 0);
    const int ended_by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const bool crashed = ended_by == SIGABRT || ended_by == SIGSEGV;
    sums.crashes += crashed;
    sums.whole &= status == 0 || crashed;
  }
  return sums;
}

void usage(const char* name) {
  std::printf(
      "%s [options]: looks at all lives of a pair of small disks, those of few boots first.\n"
      "  --states N   for each number of faults, shared by the kinds of pair (default 1000000)\n"
      "  --faults N   only lives with at most N faults (default: with 0, 1 and 2, one by one)\n"
      "  --kind N     only this kind of pair (0 to %zu)\n"
      "  --jobs N     in so many processes\n"
      "  --path P     that one life, told step by step\n"
      "Ends with 0 if no rule was broken, 1 if one was, 2 for a wrong command line, 3 if a process was\n"
      "ended from outside.\n",
      name, kKinds.size() - 1);
}

bool parse(int argc, char** argv, Choices& choices) {
  const option kOptions[] = {
      {"states", required_argument, nullptr, 's'}, {"faults", required_argument, nullptr, 'f'},
      {"kind", required_argument, nullptr, 'k'},   {"jobs", required_argument, nullptr, 'j'},
      {"path", required_argument, nullptr, 'p'},   {nullptr, 0, nullptr, 0}};
  for (int c; (c = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    if (c == '?') return false;
    const auto number = std::strtoull(optarg, nullptr, 10);
    if (c == 's') choices.states = number;
    if (c == 'f') choices.faults = static_cast<uint32_t>(number);
    if (c == 'k') choices.kind = static_cast<uint32_t>(number);
    if (c == 'j') choices.jobs = static_cast<uint32_t>(number);
    if (c == 'p') choices.path = optarg;
  }
  return optind == argc && choices.jobs != 0 && choices.states >= kKinds.size() &&
         choices.states < ~uint32_t{0} && choices.kind.value_or(0) < kKinds.size() &&
         choices.faults.value_or(0) <= kLifeFaultsMax;
}

int run(const Choices& choices) {
  if (!choices.path.empty())
    return Search(kKinds[choices.kind.value_or(0)], choices.faults.value_or(0), 1)
                   .replay(choices.path)
               ? 0
               : 2;
  const uint64_t states_each = choices.states / (choices.kind ? 1 : kKinds.size());
  std::vector<Task> tasks;
  for (uint32_t faults = 0; faults <= kLifeFaultsMax; ++faults) {
    for (uint32_t kind = 0; kind < kKinds.size(); ++kind) {
      if (choices.faults.value_or(faults) == faults && choices.kind.value_or(kind) == kind)
        tasks.push_back({kind, faults, states_each});
    }
  }
  const auto start = std::chrono::steady_clock::now();
  const auto sums = search_all(tasks, choices.jobs);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  uint64_t states = 0, violations = sums.crashes;
  const auto number = [](uint64_t n) { return static_cast<unsigned long long>(n); };
  for (uint32_t faults = 0; faults <= kLifeFaultsMax; ++faults) {
    const Counts& c = sums.by_faults[faults];
    if (c.states == 0 && c.violations == 0) continue;
    std::printf(
        "lives with %u faults: %llu states visited, %llu lived on from, %llu kinds of pair through to "
        "their last state, lives of up to %llu boots; %llu outcomes, %llu openings, %llu refused, %llu "
        "actions, %llu cuts not whole; %llu violations\n",
        faults, number(c.states), number(c.lived_on), number(c.whole), number(c.boots),
        number(c.outcomes), number(c.openings), number(c.refusals), number(c.actions),
        number(c.cut_short), number(c.violations));
    states += c.states;
    violations += c.violations;
  }
  std::printf("lives: %llu states in %.1f s (%.0f per second); %llu violations\n", number(states),
              seconds, static_cast<double>(states) / seconds, number(violations));
  if (violations != 0) return 1;
  if (!sums.whole) std::printf("lives: a process was ended from outside: not all was looked at\n");
  return sums.whole ? 0 : 3;
}

}  // namespace
}  // namespace dmr::sim

int main(int argc, char** argv) {
  dmr::sim::Choices choices;
  if (!dmr::sim::parse(argc, argv, choices)) {
    dmr::sim::usage(argv[0]);
    return 2;
  }
  return dmr::sim::run(choices);
}
