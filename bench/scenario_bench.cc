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
#include "hardware/parts.h"
#include "scenario/prepare.h"
#include "workloads/collectives/nccl/pattern.h"

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
          .options = scenario.options,
          .stop = {}};
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
  Simulate(state, "{ collective: { op: all_reduce, algorithm: ring, bytes: 1GiB } }");
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

// What NCCL would run on a pod of 15,360 H800 (122,880, with `pods: 8` of them): its pattern, built
// once for a communicator, and the choice alone.
struct NcclOnHosts {
  weft::HostPart host;
  weft::Fabric fabric;
  weft::Communicator communicator;
  weft::NcclComm comm;
};

weft::Fabric HostsOnOneSwitch(std::int64_t hosts) {
  weft::FabricBuilder builder(1);
  weft::HostShape shape;
  shape.gpus = shape.nics = 8;
  shape.nvlink = weft::GigabitsPerSecond(1600);
  shape.pcie = weft::GigabitsPerSecond(512);
  for (std::int64_t h = 0; h < hosts; ++h) builder.AddHost(shape, 0, 0);
  return builder.Build();
}

weft::Result<std::unique_ptr<NcclOnHosts>> MakeNcclOnHosts(std::int64_t hosts) {
  auto out = std::make_unique<NcclOnHosts>();
  WEFT_TRY(const auto spec, weft::ParseScenario("fabric: { preset: hpn }\n", "bench", {}, nullptr));
  WEFT_TRY(out->host, weft::MakeHostPart(weft::HostOf(spec.message), spec.sources, "host"));
  out->fabric = HostsOnOneSwitch(hosts);
  weft::Placement placement;
  for (std::uint32_t gpu = 0; gpu < out->fabric.gpu_count(); ++gpu)
    placement.gpu_of_rank.push_back(weft::GpuId{gpu});
  WEFT_TRY(const auto all, weft::BuildCommunicators({}, {}, out->fabric, placement));
  out->communicator = all.front();
  out->comm = weft::BuildNcclComm(out->host, static_cast<int>(hosts), 8, weft::DefaultNcclRules());
  return out;
}

void BuildNcclPatternOf(benchmark::State& state, weft::NcclAlgorithm algorithm) {
  const auto on = MakeNcclOnHosts(state.range(0));
  if (!on) return state.SkipWithError(on.error().front().message.c_str());
  const NcclOnHosts& it = **on;
  weft::NcclPatternPlan plan;
  plan.comm = &it.comm;
  const weft::NcclTimeQuestion question{
      weft::NcclOp::kAllReduce, false, {algorithm, weft::NcclProtocol::kSimple}};
  plan.which = weft::MakeNcclTimeCase(it.comm, it.host, question, weft::GiB(1));
  plan.time = weft::NcclTime(plan.which, {});
  std::uint64_t edges = 0, digest = 0;
  for (auto _ : state) {
    const weft::Pattern pattern = weft::BuildNcclPattern(plan, it.fabric, it.communicator);
    edges = pattern.edges.size();
    const weft::Edge& last = pattern.edges.back();
    digest = weft::Mix64(edges ^ weft::Index(last.from) ^ weft::Mix64(weft::Index(last.to)));
    if (edges > weft::NcclPatternEdges(plan)) return state.SkipWithError("more edges than said");
  }
  state.counters["edges"] = static_cast<double>(edges);
  state.counters["digest"] = static_cast<double>(digest >> 32);
}
BENCHMARK_CAPTURE(BuildNcclPatternOf, Tree, weft::NcclAlgorithm::kTree)
    ->ArgNames({"hosts", "small"})
    ->Args({56, 1})
    ->Args({1920, 0})
    ->Args({15360, 0})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BuildNcclPatternOf, NvlsTree, weft::NcclAlgorithm::kNvlsTree)
    ->ArgNames({"hosts", "small"})
    ->Args({56, 1})
    ->Args({1920, 0})
    ->Args({15360, 0})
    ->Unit(benchmark::kMillisecond);

// Of a communicator that is set up: all candidates, the least time, channels and chunk.
void ChooseOf(benchmark::State& state) {
  const auto on = MakeNcclOnHosts(state.range(0));
  if (!on) return state.SkipWithError(on.error().front().message.c_str());
  std::uint64_t digest = 0;
  for (auto _ : state) {
    const auto choice = weft::ChooseNccl((*on)->comm, weft::NcclOp::kAllReduce, weft::MiB(64));
    if (!choice) return state.SkipWithError("nothing is on");
    digest = weft::Mix64(static_cast<std::uint64_t>(choice->chunk.count()) ^
                         static_cast<std::uint64_t>(choice->channels));
  }
  state.counters["digest"] = static_cast<double>(digest >> 32);
}
BENCHMARK(ChooseOf)
    ->ArgNames({"hosts", "small"})
    ->Args({56, 1})
    ->Args({1920, 0})
    ->Args({15360, 0})
    ->Unit(benchmark::kMicrosecond);

// The search that sets it up, once for a shape.
void SetUpNcclComm(benchmark::State& state) {
  const auto on = MakeNcclOnHosts(2);
  if (!on) return state.SkipWithError(on.error().front().message.c_str());
  for (auto _ : state)
    benchmark::DoNotOptimize(weft::BuildNcclComm(
        (*on)->host, 1920, static_cast<int>(state.range(0)), weft::DefaultNcclRules()));
}
BENCHMARK(SetUpNcclComm)
    ->ArgNames({"gpus", "small"})
    ->Args({1, 1})
    ->Args({8, 0})
    ->Unit(benchmark::kMillisecond);

}  // namespace
