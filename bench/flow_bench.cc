// The flow engine: closed-loop random flows, and a ring over a whole pod.
//
// Every bench reports a digest of its answer (simulated microseconds, completions):
// a speed-up that changes it is a defect.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/random.h"
#include "sim/flow/flow_simulation.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

struct BenchNet {
  std::unique_ptr<Fabric> fabric;
  std::unique_ptr<Router> router;
  std::vector<HostId> hosts;
};

VertexId AddSwitch(FabricBuilder& builder, std::uint8_t tier, std::uint8_t plane,
                   std::uint32_t number) {
  Vertex vertex;
  vertex.kind = VertexKind::kSwitch;
  vertex.tier = tier;
  vertex.plane = plane;
  vertex.number = number;
  return builder.AddSwitch(vertex);
}

BenchNet Finish(FabricBuilder& builder, std::vector<HostId> hosts) {
  builder.SetNaming({{"tor"}, {"agg"}});
  BenchNet net;
  net.fabric = std::make_unique<Fabric>(builder.Build());
  net.router = std::make_unique<Router>(*net.fabric, RoutingPolicy{});
  net.hosts = std::move(hosts);
  return net;
}

// As many spines as leaves, one link each; hosts of one GPU.
BenchNet LeafSpine(std::uint32_t leaves, std::uint32_t hosts_per_leaf) {
  FabricBuilder builder(1);
  HostShape shape;
  shape.pcie = GigabitsPerSecond(1000);
  std::vector<HostId> hosts;
  for (std::uint32_t h = 0; h < leaves * hosts_per_leaf; ++h)
    hosts.push_back(builder.AddHost(shape, 0, 0));
  std::vector<VertexId> leaf, spine;
  for (std::uint32_t l = 0; l < leaves; ++l) leaf.push_back(AddSwitch(builder, 1, 0, l));
  for (std::uint32_t s = 0; s < hosts_per_leaf; ++s) spine.push_back(AddSwitch(builder, 2, 0, s));
  const BitRate rate = GigabitsPerSecond(400);
  for (std::uint32_t h = 0; h < hosts.size(); ++h)
    builder.AddCable(builder.nic(hosts[h], 0), leaf[h / hosts_per_leaf], rate, 0us, 0);
  for (const VertexId l : leaf)
    for (const VertexId s : spine) builder.AddCable(l, s, rate, 0us, 0);
  return Finish(builder, std::move(hosts));
}

// Dual-plane, rail-optimised: a segment has 16 ToRs, a plane 60 Aggs [QXC+24 §5].
BenchNet DualPlanePod(std::uint16_t segments, std::uint32_t hosts_per_segment) {
  FabricBuilder builder(2);
  HostShape shape;
  shape.gpus = shape.nics = 8;
  shape.nvlink = GigabitsPerSecond(1600);
  shape.pcie = GigabitsPerSecond(500);
  std::vector<HostId> hosts;
  for (std::uint16_t s = 0; s < segments; ++s)
    for (std::uint32_t h = 0; h < hosts_per_segment; ++h)
      hosts.push_back(builder.AddHost(shape, 0, s));
  std::vector<VertexId> tor, agg;
  for (std::uint32_t t = 0; t < 16u * segments; ++t)
    tor.push_back(AddSwitch(builder, 1, static_cast<std::uint8_t>(t % 2), t));
  for (std::uint32_t a = 0; a < 120; ++a)
    agg.push_back(AddSwitch(builder, 2, static_cast<std::uint8_t>(a % 2), a));
  for (std::uint32_t h = 0; h < hosts.size(); ++h)
    for (std::uint16_t nic = 0; nic < 8; ++nic)
      for (std::uint8_t port = 0; port < 2; ++port)
        builder.AddCable(builder.nic(hosts[h], nic),
                         tor[h / hosts_per_segment * 16 + nic * 2u + port], GigabitsPerSecond(200),
                         1us, port);
  for (std::uint32_t t = 0; t < tor.size(); ++t)
    for (std::uint32_t a = t % 2; a < agg.size(); a += 2)
      builder.AddCable(tor[t], agg[a], GigabitsPerSecond(400), 1us, 0);
  return Finish(builder, std::move(hosts));
}

SimulationInput InputOf(const BenchNet& net, Coupling coupling) {
  SimulationInput input;
  input.fabric = net.fabric.get();
  input.router = net.router.get();
  input.physics.coupling = coupling;
  return input;
}

// Every host sends to one random host after the other, 2 MB each.
Program ClosedLoop(const BenchNet& net, std::uint32_t flows_per_host) {
  Random random(1);
  Program program;
  const auto hosts = static_cast<std::uint32_t>(net.hosts.size());
  program.stream_count = hosts;
  for (std::uint32_t i = 0; i < flows_per_host * hosts; ++i) {
    const std::uint32_t from = i / flows_per_host, to = (from + 1 + random.Below(hosts - 1)) % hosts;
    program.sends.push_back({net.fabric->host(net.hosts[from]).first_gpu,
                             net.fabric->host(net.hosts[to]).first_gpu,
                             1,
                             {}});
    Op op;
    op.kind = Op::Kind::kSend;
    op.subject = op.first_stream = i;
    op.stream_count = 1;
    op.amount = 1'000'000 + random.Below(2'000'000);
    program.streams.push_back(from);
    program.ops.push_back(op);
  }
  return program;
}

Op SendOp(std::uint32_t send, Bytes bytes) {
  Op op;
  op.kind = Op::Kind::kSend;
  op.subject = send;
  op.amount = bytes.count();
  return op;
}

Send SendBetween(const BenchNet& net, std::uint32_t from, std::uint32_t to) {
  return {net.fabric->host(net.hosts[from]).first_gpu, net.fabric->host(net.hosts[to]).first_gpu, 1,
          {}};
}

// A ring all-reduce of 1 GiB as single sends: in every step each rank sends on what it
// received in the step before.
Program RingSteps(const BenchNet& net) {
  const auto ranks = static_cast<std::uint32_t>(net.hosts.size());
  Program program;
  for (std::uint32_t i = 0; i < ranks; ++i) {
    program.sends.push_back(SendBetween(net, i, (i + 1) % ranks));
    Op op = SendOp(i, Bytes(GiB(1).count() / ranks));
    op.first_dep = i;
    op.dep_count = 1;
    program.deps.push_back({(i + ranks - 1) % ranks, 1});
    program.ops.push_back(op);
  }
  program.blocks.push_back({0, ranks, 2 * (ranks - 1)});
  return program;
}

// Everybody to everybody at once, 1 MiB each, or 1 MiB ± `spread`.
Program AllToAll(const BenchNet& net, double spread) {
  Random random(1);
  const auto ranks = static_cast<std::uint32_t>(net.hosts.size());
  Program program;
  for (std::uint32_t i = 0; i < ranks; ++i)
    for (std::uint32_t k = 1; k < ranks; ++k) {
      const double factor = 1 + spread * (2 * random.Unit() - 1);
      const auto send = static_cast<std::uint32_t>(program.sends.size());
      program.sends.push_back(SendBetween(net, i, (i + k) % ranks));
      program.ops.push_back(
          SendOp(send, Bytes(static_cast<std::int64_t>(factor * static_cast<double>(1 << 20)))));
    }
  return program;
}

// All-to-all of 1 MiB a pair among the GPUs of `net`, in rounds: rank i sends to i + r.
Program Rounds(const BenchNet& net, std::uint32_t window) {
  Program program;
  program.tunings.emplace_back();
  Pattern pattern;
  pattern.advance = Pattern::Advance::kRounds;
  pattern.window = window;
  pattern.classes.resize(1);
  const std::uint32_t gpus = net.fabric->gpu_count();
  for (std::uint32_t i = 0; i < gpus; ++i)
    for (std::uint32_t r = 1; r < gpus; ++r) {
      Edge edge;
      edge.from = net.fabric->gpu(GpuId{i});
      edge.to = net.fabric->gpu(GpuId{(i + r) % gpus});
      edge.wire_den = gpus;
      edge.round = static_cast<std::uint16_t>(r - 1);
      pattern.edges.push_back(edge);
    }
  program.patterns.push_back(std::move(pattern));
  Op op;
  op.kind = Op::Kind::kPattern;
  op.amount = MiB(gpus).count();
  program.ops.push_back(op);
  return program;
}

// All-reduce of 1 GiB: a channel a rail, over NVLink through the GPUs of a host,
// by the rail from host to host with 4 QPs.
Program PodRing(const BenchNet& net) {
  const auto hosts = static_cast<std::uint32_t>(net.hosts.size()), ranks = hosts * 8;
  Program program;
  program.tunings.emplace_back();
  Pattern pattern;
  pattern.channels = 8;
  pattern.classes.resize(2);
  for (std::uint16_t c = 0; c < 8; ++c)
    for (std::uint32_t i = 0; i < ranks; ++i) {
      const auto gpu = [&](std::uint32_t k) {
        const Host& host = net.fabric->host(net.hosts[k % ranks / 8]);
        return VertexId{Index(host.first_gpu) + (k + c) % 8};
      };
      Edge edge;
      edge.from = gpu(i);
      edge.to = gpu(i + 1);
      edge.wire_num = 2 * (ranks - 1);
      edge.wire_den = ranks * 8;
      edge.channel = c;
      edge.qps = i % 8 == 7 ? 4 : 1;
      edge.edge_class = i % 8 == 7 ? 1 : 0;
      edge.first_feed = static_cast<std::uint32_t>(pattern.feeds.size());
      edge.feed_count = 1;
      edge.steps = 2 * (ranks - 1);
      pattern.feeds.push_back({c * ranks + (i + ranks - 1) % ranks, 1});
      pattern.edges.push_back(edge);
    }
  program.patterns.push_back(std::move(pattern));
  Op op;
  op.kind = Op::Kind::kPattern;
  op.amount = GiB(1).count();
  program.ops.push_back(op);
  return program;
}

void Report(benchmark::State& state, Simulation& simulation) {
  const Outcome outcome = simulation.Finish();
  state.counters["simulated_us"] = ToSeconds(outcome.end) * 1e6;
  state.counters["instants"] = static_cast<double>(outcome.events);
  state.counters["completions"] = static_cast<double>(simulation.completions().size());
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(simulation.completions().size()));
}

void RunToEnd(benchmark::State& state, const BenchNet& net, const Program& program,
              Coupling coupling) {
  CheckProgram(program);
  FlowSimulation simulation(InputOf(net, coupling));
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
  const auto leaves = static_cast<std::uint32_t>(state.range(0));
  const BenchNet net = LeafSpine(leaves, static_cast<std::uint32_t>(state.range(1)));
  RunToEnd(state, net, ClosedLoop(net, static_cast<std::uint32_t>(state.range(2))),
           Coupling::kAuto);
}
BENCHMARK(ClosedLoopFlows)
    ->ArgNames({"leaves", "hosts_a_leaf", "flows_a_host", "small"})
    ->Args({4, 4, 50, 1})
    ->Args({16, 8, 100, 0})
    ->Args({32, 32, 50, 0})
    ->Args({128, 64, 20, 0})
    ->Args({128, 64, 3, 0})
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
