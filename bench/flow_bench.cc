// The flow engine by itself: closed loops, rings, all-to-all, a training iteration.
//
// Every bench reports a digest of its answer (simulated microseconds, completions):
// a speed-up that changes it is a defect.
#include <benchmark/benchmark.h>

#include "base/random.h"
#include "bench/traffic.h"
#include "sim/flow/flow_simulation.h"

namespace weft {
namespace {

void Report(benchmark::State& state, Simulation& simulation) {
  const Outcome outcome = simulation.Finish();
  state.counters["simulated_us"] = ToSeconds(outcome.end) * 1e6;
  state.counters["instants"] = static_cast<double>(outcome.events);
  state.counters["completions"] = static_cast<double>(simulation.completions().size());
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(simulation.completions().size()));
}

void RunToEnd(benchmark::State& state, const BenchNet& net, const Program& program,
              Coupling coupling, const SimOptions& options = {}) {
  CheckProgram(program);
  SimulationInput input = InputOf(net, coupling);
  input.options = options;
  FlowSimulation simulation(input);
  simulation.Append(program);
  for (auto _ : state) {
    state.PauseTiming();
    simulation.Reset(HashSeed{1});
    state.ResumeTiming();
    if (simulation.Run(kForever, kNoBudget) != Simulation::Stop::kIdle)
      state.SkipWithError("the program does not end");
  }
  Report(state, simulation);
}

void ClosedLoopFlows(benchmark::State& state) {
  const BenchNet net = LeafSpine(static_cast<std::uint32_t>(state.range(0)),
                                 static_cast<std::uint32_t>(state.range(1)),
                                 static_cast<std::uint32_t>(state.range(2)));
  RunToEnd(state, net, ClosedLoop(net, static_cast<std::uint32_t>(state.range(3))),
           Coupling::kAuto);
}
BENCHMARK(ClosedLoopFlows)
    ->ArgNames({"leaves", "hosts_a_leaf", "spines_a_host", "flows_a_host", "small"})
    ->Args({4, 4, 1, 50, 1})
    ->ArgsProduct({{16}, {8}, {1, 2, 4}, {100}, {0}})
    ->ArgsProduct({{32}, {32}, {1, 2, 4}, {50}, {0}})
    ->ArgsProduct({{128}, {64}, {1, 4}, {20}, {0}})
    ->Unit(benchmark::kMillisecond);

void RingStepByStep(benchmark::State& state) {
  const BenchNet net = LeafSpine(static_cast<std::uint32_t>(state.range(0)),
                                 static_cast<std::uint32_t>(state.range(1)));
  RunToEnd(state, net, RingSteps(net), Coupling::kAuto);
}
BENCHMARK(RingStepByStep)
    ->ArgNames({"leaves", "hosts_a_leaf", "small"})
    ->Args({4, 4, 1})
    ->Args({32, 32, 0})
    ->Unit(benchmark::kMillisecond);

void AllToAllAtOnce(benchmark::State& state) {
  const BenchNet net = LeafSpine(static_cast<std::uint32_t>(state.range(0)),
                                 static_cast<std::uint32_t>(state.range(1)));
  RunToEnd(state, net, AllToAll(net, static_cast<double>(state.range(2)) / 100), Coupling::kAuto);
}
BENCHMARK(AllToAllAtOnce)
    ->ArgNames({"leaves", "hosts_a_leaf", "spread_percent", "small"})
    ->Args({4, 4, 50, 1})
    ->Args({8, 8, 50, 0})
    ->Args({16, 8, 0, 0})
    ->Unit(benchmark::kMillisecond);

void AllToAllInRounds(benchmark::State& state) {
  const BenchNet net = DualPlanePod(1, static_cast<std::uint32_t>(state.range(0)));
  RunToEnd(state, net, Rounds(net, static_cast<std::uint32_t>(state.range(1))), Coupling::kAuto);
}
BENCHMARK(AllToAllInRounds)
    ->ArgNames({"hosts", "window", "small"})
    ->Args({4, 8, 1})
    ->Args({128, 1, 0})
    ->Args({128, 8, 0})
    ->Unit(benchmark::kMillisecond);

void PodRingAllReduce(benchmark::State& state) {
  const BenchNet net = DualPlanePod(static_cast<std::uint16_t>(state.range(0)), 128);
  RunToEnd(state, net, PodRing(net), state.range(1) == 0 ? Coupling::kAuto : Coupling::kLoose);
}
BENCHMARK(PodRingAllReduce)
    ->ArgNames({"segments", "loose", "small"})
    ->Args({1, 0, 1})
    ->Args({1, 1, 1})
    ->Args({15, 0, 0})
    ->Args({15, 1, 0})
    ->Args({120, 0, 0})
    ->Unit(benchmark::kMillisecond);

// Cost from 1,024 to 122,880 GPUs, by segments of 1,024: what `_BigO` prints is the constant of
// N log N, `_RMS` how far the points are from it. Beyond 15 segments Aggs have more ports than are
// sold.
void ScaleRing(benchmark::State& state) {
  const BenchNet net = DualPlanePod(static_cast<std::uint16_t>(state.range(0)), 128);
  RunToEnd(state, net, PodRing(net), Coupling::kAuto);
  state.SetComplexityN(net.fabric->gpu_count());
}
BENCHMARK(ScaleRing)
    ->ArgNames({"segments", "small"})
    ->ArgsProduct({{1, 2}, {1}})
    ->ArgsProduct({{1, 2, 4, 8, 15, 30, 60, 120}, {0}})
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oNLogN);

// The same with other traffic: every host one random flow after the other, 20 of them.
void ScaleLoop(benchmark::State& state) {
  const BenchNet net = LeafSpine(static_cast<std::uint32_t>(state.range(0)), 32);
  RunToEnd(state, net, ClosedLoop(net, static_cast<std::uint32_t>(state.range(1))),
           Coupling::kAuto);
  state.SetComplexityN(state.range(0) * 32);
}
BENCHMARK(ScaleLoop)
    ->ArgNames({"leaves", "flows_a_host", "small"})
    ->ArgsProduct({{2, 4}, {2}, {1}})
    ->ArgsProduct({{32, 64, 128, 256, 512, 1024}, {4}, {0}})
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oNLogN);

// What each technique brings: the run without it. Technique 0 is none left out.
void Without(benchmark::State& state) {
  constexpr bool SimOptions::*kTechniques[] = {&SimOptions::implicit_rates, &SimOptions::work_list,
                                               &SimOptions::batch, &SimOptions::replace,
                                               &SimOptions::silent_links};
  SimOptions options;
  if (state.range(0) > 0) options.*kTechniques[state.range(0) - 1] = false;
  const bool small = state.range(2) != 0;
  const BenchNet net = small ? LeafSpine(2, 2) : LeafSpine(16, 8);
  const Program program = state.range(1) == 0   ? ClosedLoop(net, 100)
                          : state.range(1) == 1 ? RingSteps(net)
                                                : AllToAll(net, 0.5);
  RunToEnd(state, net, program, Coupling::kAuto, options);
}
BENCHMARK(Without)
    ->ArgNames({"technique", "loop_ring_alltoall", "small"})
    ->ArgsProduct({{0, 1, 2, 3, 4, 5}, {0, 1}, {1, 0}})
    ->ArgsProduct({{0, 1, 2}, {2}, {1, 0}})
    ->Unit(benchmark::kMillisecond);

// TP 8, PP 8, DP 240 on a whole pod: 430,080 sends and 245,760 ring edges.
void TrainingIteration(benchmark::State& state) {
  const BenchNet net = DualPlanePod(static_cast<std::uint16_t>(state.range(0)), 128);
  const auto stages = static_cast<std::uint32_t>(state.range(1));
  const Program program = Training(net, stages, static_cast<std::uint32_t>(state.range(2)));
  RunToEnd(state, net, program, state.range(3) == 0 ? Coupling::kTight : Coupling::kLoose);
}
BENCHMARK(TrainingIteration)
    ->ArgNames({"segments", "stages", "micro_batches", "loose", "small"})
    ->Args({1, 4, 4, 1, 1})
    ->Args({15, 8, 16, 0, 0})
    ->Args({15, 8, 16, 1, 0})
    ->Unit(benchmark::kMillisecond);

// Binding alone: what Append costs.
void BindPodRing(benchmark::State& state) {
  const BenchNet net = DualPlanePod(static_cast<std::uint16_t>(state.range(0)), 128);
  const Program program = PodRing(net);
  std::uint64_t digest = 0;
  for (auto _ : state) {
    FlowSimulation simulation(InputOf(net, Coupling::kAuto));
    simulation.Append(program);
    digest = 0;
    for (const std::uint32_t qps : simulation.QpsByLink()) digest = Mix64(digest + qps);
  }
  state.counters["digest"] = static_cast<double>(digest >> 40);
}
BENCHMARK(BindPodRing)
    ->ArgNames({"segments", "small"})
    ->Args({1, 1})
    ->Args({15, 0})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace weft
