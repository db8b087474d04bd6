#include "workloads/traffic/traffic.h"

#include <map>
#include <set>

#include "tests/workloads/test_fabric.h"
#include "tests/workloads/test_sources.h"
#include "workloads/build_program.h"

namespace weft {
namespace {

using testing::ElementsAre;

TrafficSpec SpecOf(TrafficSpec::Pattern pattern) {
  TrafficSpec spec;
  spec.set_pattern(pattern);
  spec.set_bytes(1000);
  spec.set_seed(1);
  return spec;
}

std::vector<FlowPair> FlowsOf(const TrafficSpec& spec, const Fabric& fabric) {
  const auto flows = BuildFlows(spec, SourceMap(), fabric, PlaceAll(fabric));
  EXPECT_TRUE(flows.has_value());
  return flows ? flows->flows : std::vector<FlowPair>();
}

// Every round, every GPU sends once and receives once, none to itself.
TEST(BuildFlows, DerangesEveryRoundOfAPermutation) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto count = static_cast<std::uint16_t>(2 + seed % 20);
    const Fabric fabric = MakeTestFabric(std::vector<TestHost>(count));
    TrafficSpec spec = SpecOf(TrafficSpec::PERMUTATION);
    spec.set_seed(seed);
    spec.set_flows(3 * count);
    const std::vector<FlowPair> flows = FlowsOf(spec, fabric);
    ASSERT_EQ(flows.size(), 3u * count);
    for (std::size_t round = 0; round < 3; ++round) {
      std::set<VertexId> from, to;
      for (std::size_t i = 0; i < count; ++i) {
        const FlowPair& flow = flows[round * count + i];
        EXPECT_NE(flow.from, flow.to);
        from.insert(flow.from);
        to.insert(flow.to);
      }
      EXPECT_EQ(from.size(), count);
      EXPECT_EQ(to.size(), count);
    }
  }
}

// Four GPUs have nine derangements; each comes up about as often as the others. The bound
// is six standard deviations of a fair draw.
TEST(BuildFlows, DrawsDerangementsEvenly) {
  const Fabric fabric = MakeTestFabric(std::vector<TestHost>(4));
  std::map<std::vector<std::uint32_t>, int> seen;
  for (std::uint64_t seed = 0; seed < 9000; ++seed) {
    TrafficSpec spec = SpecOf(TrafficSpec::PERMUTATION);
    spec.set_seed(seed);
    std::vector<std::uint32_t> to;
    for (const FlowPair& flow : FlowsOf(spec, fabric)) to.push_back(Index(flow.to));
    ++seen[to];
  }
  EXPECT_EQ(seen.size(), 9u);
  for (const auto& [to, times] : seen) EXPECT_NEAR(times, 1000, 180);
}

TEST(BuildFlows, SendsAllToTheLowestRank) {
  const Fabric fabric = MakeTestFabric({{1, 1}, {1, 0}, {1, 1}, {1, 1}});
  const VertexId a = fabric.gpu(GpuId{0}), c = fabric.gpu(GpuId{2}), d = fabric.gpu(GpuId{3});
  EXPECT_THAT(FlowsOf(SpecOf(TrafficSpec::INCAST), fabric),
              ElementsAre(FlowPair{c, a}, FlowPair{d, a}));
}

TEST(BuildFlows, SendsFromEachToEachOnce) {
  const Fabric fabric = MakeTestFabric(std::vector<TestHost>(7));
  std::set<std::pair<VertexId, VertexId>> pairs;
  for (const FlowPair& flow : FlowsOf(SpecOf(TrafficSpec::ALL_TO_ALL), fabric)) {
    EXPECT_NE(flow.from, flow.to);
    EXPECT_TRUE(pairs.insert({flow.from, flow.to}).second);
  }
  EXPECT_EQ(pairs.size(), 42u);
}

// Uniform over the other seven, six standard deviations; and a host more draws nothing away
// from the hosts before it.
TEST(BuildFlows, DrawsRandomDestinationsByHost) {
  const Fabric eight = MakeTestFabric(std::vector<TestHost>(8));
  TrafficSpec spec = SpecOf(TrafficSpec::RANDOM);
  spec.set_flows(8 * 7000);
  std::map<std::pair<VertexId, VertexId>, int> seen;
  for (const FlowPair& flow : FlowsOf(spec, eight)) ++seen[{flow.from, flow.to}];
  EXPECT_EQ(seen.size(), 56u);
  for (const auto& [pair, times] : seen) {
    EXPECT_NE(pair.first, pair.second);
    EXPECT_NEAR(times, 1000, 180);
  }

  const Fabric idle = MakeTestFabric({{}, {}, {}, {1, 0}});
  const Fabric three = MakeTestFabric({{}, {}, {}});
  spec.set_flows(30);
  const std::vector<FlowPair> with_idle = FlowsOf(spec, idle);
  const std::vector<FlowPair> without = FlowsOf(spec, three);
  ASSERT_EQ(with_idle.size(), without.size());
  for (std::size_t f = 0; f < without.size(); ++f) {
    EXPECT_EQ(idle.Name(with_idle[f].to), three.Name(without[f].to));
  }
}

WorkloadSpec Traffic(const TrafficSpec& traffic) {
  WorkloadSpec spec;
  *spec.mutable_traffic() = traffic;
  return spec;
}

// Two hosts of two GPUs, eight flows, two in flight a host: each host has two streams with
// two flows each, the third waits for the first.
TEST(BuildProgram, KeepsSoManyFlowsInFlightAHost) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 2}});
  TrafficSpec traffic = SpecOf(TrafficSpec::RANDOM);
  traffic.set_flows(8);
  traffic.set_concurrency(2);
  const auto built =
      BuildProgram(Traffic(traffic), SourceMap(), fabric, PlaceAll(fabric), BuildOptions());
  ASSERT_TRUE(built.has_value());
  const Program& program = built->program;
  EXPECT_EQ(program.stream_count, 4u);
  EXPECT_THAT(program.host_of_stream, ElementsAre(HostId{0}, HostId{0}, HostId{1}, HostId{1}));
  EXPECT_THAT(program.streams, ElementsAre(0, 1, 2, 3, 0, 1, 2, 3));
  ASSERT_EQ(built->items.size(), 1u);
  EXPECT_EQ(built->items.front().rows_by_group.front().size(), 8u);
  EXPECT_EQ(built->items.front().op, "random");
  EXPECT_EQ(RowName(*built, RowId{5}), "random flow 5");
}

TEST(BuildProgram, StartsAllFlowsAtOnceWithoutAConcurrency) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 2}});
  const auto built = BuildProgram(Traffic(SpecOf(TrafficSpec::INCAST)), SourceMap(), fabric,
                                  PlaceAll(fabric), BuildOptions());
  ASSERT_TRUE(built.has_value());
  ASSERT_EQ(built->program.ops.size(), 3u);
  for (const Op& op : built->program.ops) {
    EXPECT_EQ(op.stream_count, 0u);
    EXPECT_EQ(op.bytes(), Bytes(1000));
  }
  EXPECT_EQ(EdgeName(*built, fabric, RowId{1}, 0), "flow 1: host1/gpu0 → host0/gpu0");
}

TEST(BuildProgram, RefusesTrafficThatCannotBeBuilt) {
  const SourceMap sources = SourcesOf({"workload.traffic", "workload.traffic.bytes",
                                       "workload.traffic.flows", "workload.traffic.concurrency"});
  const auto text = [&](const TrafficSpec& traffic, const Fabric& fabric) {
    const auto built =
        BuildProgram(Traffic(traffic), sources, fabric, PlaceAll(fabric), BuildOptions());
    return built ? "no error" : TextOf(built.error());
  };
  TrafficSpec traffic = SpecOf(TrafficSpec::PERMUTATION);
  EXPECT_EQ(text(traffic, MakeTestFabric({{1, 1}, {4, 0}})),
            "job.yaml:1:3: error: traffic needs two GPUs with a NIC, the placement has 1"
            " (placement: { gpus: 2 } or more)\n");
  traffic.set_flows(20'000'001);
  traffic.set_bytes(0);
  traffic.set_concurrency(0);
  EXPECT_EQ(text(traffic, MakeTestFabric({{}, {}})),
            "job.yaml:2:3: error: 'bytes' is 0 (want 1 or more)\n"
            "job.yaml:3:3: error: permutation between 2 GPUs makes 20000001 flows"
            " (flows: 1..20000000)\n"
            "job.yaml:4:3: error: 'concurrency' is 0 (want 1 or more)\n");
}

TEST(BuildProgram, WarnsOfASeedThatDrawsNothing) {
  const Fabric fabric = MakeTestFabric({{}, {}});
  const SourceMap sources = SourcesOf({"workload.traffic.seed"});
  const auto built = BuildProgram(Traffic(SpecOf(TrafficSpec::ALL_TO_ALL)), sources, fabric,
                                  PlaceAll(fabric), BuildOptions());
  ASSERT_TRUE(built.has_value());
  EXPECT_EQ(TextOf(built->warnings),
            "job.yaml:1:3: error: 'workload.traffic.seed' has no effect: all_to_all draws"
            " nothing\n");
}

}  // namespace
}  // namespace weft
