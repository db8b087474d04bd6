// How fast weft builds a fabric and simulates on it.
//
// The sizes are those a user meets: a segment, and a whole HPN pod of 15,360
// GPUs. Before a time is taken the answer is held against the bound from below.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "scenario/prepare.h"

namespace {

using weft::SimulationInput;

// 448 GPUs of one segment, or 15 segments of 1,024.
std::string PodScenario(bool small, const std::string& workload) {
  return fmt::format(
      "fabric: {{ preset: hpn, segments: {} }}\n"
      "placement: {{ gpus: {} }}\n"
      "rdma: {{ qps: 4 }}\n"
      "workload: {}\n",
      small ? 1 : 15, small ? 448 : 15360, workload);
}

weft::Result<weft::PreparedScenario> PrepareText(const std::string& text) {
  WEFT_TRY(auto spec, weft::ParseScenario(text, "bench.yaml", {}, nullptr));
  weft::FabricCache cache;
  return weft::Prepare(std::move(spec), cache);
}

SimulationInput InputOf(const weft::PreparedScenario& scenario) {
  return {.fabric = scenario.fabric.get(),
          .router = scenario.router.get(),
          .physics = scenario.physics,
          .fault_policy = scenario.fault_policy,
          .seed = weft::HashSeed{1},
          .events = {},
          .options = scenario.options};
}

// The simulation run to its end; null where it did not end.
std::unique_ptr<weft::Simulation> RunToEnd(const weft::PreparedScenario& scenario,
                                           weft::EngineKind engine) {
  auto simulation = weft::MakeSimulation(engine, InputOf(scenario));
  simulation->Append(scenario.workload->program);
  const auto stop = simulation->Run(weft::kForever, weft::kNoBudget);
  return stop == weft::Simulation::Stop::kIdle ? std::move(simulation) : nullptr;
}

// One number that moves when any completion does.
double Digest(const weft::Simulation& simulation) {
  std::uint64_t digest = 0;
  for (const auto& done : simulation.completions()) {
    const auto end_ps = static_cast<std::uint64_t>(done.end.time_since_epoch().count());
    digest = weft::Mix64(digest ^ (end_ps + weft::Index(done.row)));
  }
  return static_cast<double>(digest >> 32);
}

void Simulate(benchmark::State& state, const std::string& workload) {
  const auto scenario = PrepareText(PodScenario(state.range(0) != 0, workload));
  if (!scenario) return state.SkipWithError(scenario.error().front().message.c_str());
  const auto answer = RunToEnd(*scenario, weft::EngineKind::kFlow);
  const auto bound = RunToEnd(*scenario, weft::EngineKind::kAnalytic);
  if (!answer || !bound) return state.SkipWithError("the simulation did not end");
  if (answer->Finish().end < bound->Finish().end) {
    return state.SkipWithError("the simulation is faster than its bound");
  }
  for (auto _ : state) benchmark::DoNotOptimize(RunToEnd(*scenario, weft::EngineKind::kFlow));
  state.counters["digest"] = Digest(*answer);
  state.counters["sim_us"] =
      static_cast<double>(answer->Finish().end.time_since_epoch().count()) / 1e6;
}

void RingAllReduce(benchmark::State& state) {
  Simulate(state, "{ collective: { op: all_reduce, bytes: 1GiB } }");
}
BENCHMARK(RingAllReduce)->ArgName("small")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

void Permutation(benchmark::State& state) {
  Simulate(state, "{ traffic: { pattern: permutation, bytes: 1MB, seed: 1 } }");
}
BENCHMARK(Permutation)->ArgName("small")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

// 1,048,576 hosts under 1,024 leaves and 1,024 spines of any radix: from the text to the fabric,
// its routes and a permutation over all of it at once.
void PermutationOfAMillion(benchmark::State& state) {
  const auto side = state.range(0);
  const std::string text = fmt::format(
      "fabric: {{ family: leaf_spine, leaves: {0}, spines: {0}, hosts_per_leaf: {0}, link: "
      "400Gbps, check_ports: false }}\n"
      "workload: {{ traffic: {{ pattern: permutation, bytes: 1MB, seed: 1 }} }}\n",
      side);
  double prepare_s = 0;
  std::unique_ptr<weft::Simulation> answer;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    const auto scenario = PrepareText(text);
    if (!scenario) return state.SkipWithError(scenario.error().front().message.c_str());
    prepare_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    answer = RunToEnd(*scenario, weft::EngineKind::kFlow);
    if (!answer) return state.SkipWithError("the simulation did not end");
    state.counters["digest"] = Digest(*answer);
    answer.reset();  // before what it was made from
  }
  state.counters["prepare_s"] = prepare_s;
}
BENCHMARK(PermutationOfAMillion)
    ->ArgNames({"side", "small"})
    ->Args({16, 1})
    ->Args({1024, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

void BuildPod(benchmark::State& state) {
  const std::string text =
      PodScenario(state.range(0) != 0, "{ traffic: { pattern: permutation, bytes: 1MB } }");
  const auto spec = weft::ParseScenario(text, "bench.yaml", {}, nullptr);
  if (!spec) return state.SkipWithError(spec.error().front().message.c_str());
  for (auto _ : state) {
    weft::FabricCache cache;
    const auto fabric = weft::PrepareFabric(*spec, cache);
    if (!fabric) return state.SkipWithError(fabric.error().front().message.c_str());
    benchmark::DoNotOptimize(*fabric);
  }
}
BENCHMARK(BuildPod)->ArgName("small")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);

}  // namespace
