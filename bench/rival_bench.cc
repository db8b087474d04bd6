// weft beside SimGrid: the same program, the same paths, one after the other in one run.
//
// Times are of solving alone: weft's with paths bound, SimGrid's without its platform.
// Before a ratio is given the answers are held against each other: the first completions
// (closed loops part ways later on, in any two codes that round differently).
//
// Counters, in the order in which they are printed: difference (largest, relative, of a
// completion's time), digest of weft's answer, flows, seconds of each, and last the ratio.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/random.h"
#include "bench/traffic.h"
#include "sim/flow/folded_simulation.h"
#include "sim/simgrid/simgrid_simulation.h"

namespace weft {
namespace {

constexpr std::size_t kCompared = 200;  // completions, the earliest

struct Answer {
  std::vector<Completion> completions;
  double solve_s = 0;
  bool ended = false;
};

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

template <typename Engine>
Answer RunOnce(const BenchNet& net, const Program& program, Coupling coupling) {
  SimulationInput input = InputOf(net, coupling);
  input.options.fold = std::is_same_v<Engine, FoldedSimulation>;
  Engine simulation(input);
  simulation.Append(program);
  const auto start = std::chrono::steady_clock::now();
  Answer answer;
  answer.ended = simulation.Run(kForever, kNoBudget) == Simulation::Stop::kIdle;
  answer.solve_s = Seconds(std::chrono::steady_clock::now() - start);
  if constexpr (std::is_same_v<Engine, SimgridSimulation>)
    answer.solve_s = simulation.solver_time().solve_s;
  answer.completions.assign(simulation.completions().begin(), simulation.completions().end());
  return answer;
}

// Of completions that are among the first in both; 1 where too few are.
double LargestDifference(const Answer& a, const Answer& b) {
  const std::size_t count = std::min(kCompared, a.completions.size());
  std::map<std::pair<RowId, std::uint32_t>, double> end_s;
  for (const Completion& c : std::span(a.completions).first(count))
    end_s[{c.row, c.pass}] = ToSeconds(c.end);
  double worst = 0;
  std::size_t both = 0;
  for (const Completion& c : std::span(b.completions).first(count)) {
    const auto other = end_s.find({c.row, c.pass});
    if (other == end_s.end()) continue;
    ++both;
    worst = std::max(worst, std::abs(ToSeconds(c.end) / other->second - 1));
  }
  return both * 2 < count ? 1 : worst;
}

template <typename Engine = FlowSimulation>
void Versus(benchmark::State& state, const BenchNet& net, const Program& program,
            Coupling coupling) {
  Answer weft, simgrid;
  for (auto _ : state) {
    weft = RunOnce<Engine>(net, program, coupling);
    simgrid = RunOnce<SimgridSimulation>(net, program, coupling);
  }
  const double difference = LargestDifference(weft, simgrid);
  if (!weft.ended || !simgrid.ended) return state.SkipWithError("a run did not end");
  if (difference > 1e-6) return state.SkipWithError("the answers differ");
  std::uint64_t digest = 0;
  for (const Completion& c : weft.completions)
    digest =
        Mix64(digest ^ static_cast<std::uint64_t>(c.end.time_since_epoch().count()) ^ Index(c.row));
  state.counters["difference"] = difference;
  state.counters["digest"] = static_cast<double>(digest >> 40);
  state.counters["flows"] = static_cast<double>(weft.completions.size());
  state.counters["s_weft"] = weft.solve_s;
  state.counters["s_with_simgrid"] = simgrid.solve_s;
  state.counters["times_faster"] = simgrid.solve_s / weft.solve_s;
}

std::uint32_t Arg(const benchmark::State& state, std::size_t i) {
  return static_cast<std::uint32_t>(state.range(i));
}

// With one spine a host hashed paths collide on the uplinks, and a network of many levels of rate
// is solved anew at every event; with four nearly all that collides are receivers.
void ClosedLoopFlows(benchmark::State& state) {
  const BenchNet net = LeafSpine(Arg(state, 0), Arg(state, 1), Arg(state, 2));
  Versus(state, net, ClosedLoop(net, Arg(state, 3)), Coupling::kLoose);
}
BENCHMARK(ClosedLoopFlows)
    ->ArgNames({"leaves", "hosts_a_leaf", "spines_a_host", "flows_a_host", "small"})
    ->Args({4, 4, 1, 5, 1})
    ->Args({4, 4, 4, 5, 1})
    ->Args({16, 8, 1, 50, 0})
    ->Args({16, 8, 2, 50, 0})
    ->Args({16, 8, 4, 50, 0})
    ->Args({32, 32, 1, 2, 0})
    ->Args({32, 32, 2, 5, 0})
    ->Args({32, 32, 4, 20, 0})
    ->Args({128, 64, 4, 5, 0})
    ->Args({128, 64, 1, 1, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void RingStepByStep(benchmark::State& state) {
  const BenchNet net = LeafSpine(Arg(state, 0), Arg(state, 1));
  Versus(state, net, RingSteps(net), Coupling::kLoose);
}
BENCHMARK(RingStepByStep)
    ->ArgNames({"leaves", "hosts_a_leaf", "small"})
    ->Args({4, 4, 1})
    ->Args({32, 32, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// The same as `weft` runs it, folded: the proof that hosts at one place of a leaf do the same is
// part of the time.
void RingStepByStepFolded(benchmark::State& state) {
  const BenchNet net = LeafSpine(Arg(state, 0), Arg(state, 1));
  Versus<FoldedSimulation>(state, net, RingSteps(net), Coupling::kLoose);
}
BENCHMARK(RingStepByStepFolded)
    ->ArgNames({"leaves", "hosts_a_leaf", "small"})
    ->Args({4, 4, 1})
    ->Args({32, 32, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void AllToAllAtOnce(benchmark::State& state) {
  const BenchNet net = LeafSpine(Arg(state, 0), Arg(state, 1));
  Versus(state, net, AllToAll(net, Arg(state, 2) / 100.0), Coupling::kLoose);
}
BENCHMARK(AllToAllAtOnce)
    ->ArgNames({"leaves", "hosts_a_leaf", "spread_percent", "small"})
    ->Args({4, 4, 50, 1})
    ->Args({8, 8, 50, 0})
    ->Args({16, 8, 0, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// The ring as coupled channels against SimGrid's step by step: what is compared is how long
// the same all-reduce takes to simulate.
void RingAsChannel(benchmark::State& state) {
  const BenchNet net = LeafSpine(Arg(state, 0), Arg(state, 1));
  const Program channel = RingChannel(net), steps = RingSteps(net);
  Answer weft, simgrid;
  for (auto _ : state) {
    weft = RunOnce<FlowSimulation>(net, channel, Coupling::kTight);
    simgrid = RunOnce<SimgridSimulation>(net, steps, Coupling::kLoose);
  }
  const double difference = std::abs(
      ToSeconds(weft.completions.back().end) / ToSeconds(simgrid.completions.back().end) - 1);
  if (difference > 1e-6) return state.SkipWithError("the answers differ");
  state.counters["difference"] = difference;
  state.counters["flows"] = static_cast<double>(simgrid.completions.size());
  state.counters["s_weft"] = weft.solve_s;
  state.counters["s_with_simgrid"] = simgrid.solve_s;
  state.counters["times_faster"] = simgrid.solve_s / weft.solve_s;
}
BENCHMARK(RingAsChannel)
    ->ArgNames({"leaves", "hosts_a_leaf", "small"})
    ->Args({4, 4, 1})
    ->Args({32, 32, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
