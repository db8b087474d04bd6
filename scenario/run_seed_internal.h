// One seed of a scenario: the simulation, and what is read off it.
//
// run_scenario.cc runs seeds beside each other and sums up what they give.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "scenario/iteration_internal.h"
#include "scenario/link_report.h"
#include "scenario/prepare.h"
#include "scenario/run_scenario.h"
#include "sim/simulation.h"

namespace weft {

// What one item of the workload took under one seed.
struct ItemResult {
  std::string status = "done";
  double time_s = 0;        // slowest group, mean over repeats
  std::size_t slowest = 0;  // that group
  double worst_s = 0;       // longest repeat of any group
  double busbw = 0;         // bytes a second, of that group by its own ranks
  double mean_time_s = 0;   // mean over groups, or over the rails of a single group
  double mean_busbw = 0;    // mean over the same
  double flow_median_s = 0, flow_p99_s = 0;  // traffic
  std::int64_t completed = 0;
};

// What a run under one seed says of itself, whatever it ran.
struct RunFigures {
  bool finished = false;
  double makespan_s = 0, sim_s = 0;
  std::uint64_t events = 0;
  std::string gave_up;  // Outcome::gave_up: not finished then, and nothing else is here
  SearchWork path_search;
  std::uint32_t loose_operations = 0;
  std::optional<PortShares> ports;
  std::optional<LinksReport> links;  // of the seed shown in detail

  // From `outcome`, all but `sim_s` and `links`. False where the engine gave up.
  bool Take(const Outcome& outcome, const Fabric& fabric);
};

struct SeedResult : RunFigures {
  std::int64_t folded = 0, memoised = 0;
  std::string not_folded;
  std::vector<ItemResult> items;
  std::vector<std::string> bottlenecks;
  std::vector<std::optional<double>> startups_s;  // [items]
  std::vector<bool> event_felt;                   // [events] a QP was, or is, bound over it
  std::optional<IterationSplit> split;            // of training that came to its end
  std::vector<CriticalStep> critical_path;        // likewise, of the seed shown in detail
  std::vector<TraceEvent> trace;
  double conservation = 0;  // IterationReport::conservation
  Outcome outcome;          // of the seed shown in detail
};

// Bytes a second; 0 where there is no time.
inline double Busbw(const WorkloadItem& item, double factor, double time_s) {
  return time_s > 0 ? factor * static_cast<double>(item.bytes.count()) / time_s : 0;
}

// Of rows 0 … count − 1 that of the lower-median value, of equal ones the first. Requires: count >
// 0.
template <typename ValueOf>
std::size_t LowerMedian(std::size_t count, const ValueOf& value_of) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return value_of(a) < value_of(b); });
  return order[(count - 1) / 2];
}

// With `details` also what is only worth its cost for the seed that a report shows. Not
// `finished` where control.stop() said so, or the engine gave up.
SeedResult RunSeed(const PreparedScenario& scenario, std::uint64_t seed, Coupling coupling,
                   bool details, const RunControl& control);

// What RunReport::refused is, of a reason.
Error Refusal(const PreparedScenario& scenario, const std::string& gave_up);

// Whether something of `waiting`, which an engine left, runs, and all that does has a path: it ends
// after the last instant that SimTime can say. Rows that wait for each other alone never end.
bool AllBeyondTime(const PreparedScenario& scenario, std::uint64_t seed,
                   const std::vector<Waiting>& waiting);

SimulationInput InputFor(const PreparedScenario& scenario, std::uint64_t seed, Coupling coupling);

// Runs in slices until the end or `until`, or until the caller wants to stop: then false.
bool RunSliced(Simulation& simulation, const RunControl& control, SimTime until = kForever);

}  // namespace weft
