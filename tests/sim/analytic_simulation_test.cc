#include "sim/analytic/analytic_simulation.h"

#include <gtest/gtest.h>

#include "sim/flow/flow_simulation.h"
#include "tests/sim/random_program.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

constexpr BitRate k100G = GigabitsPerSecond(100);
constexpr std::int64_t kMB = 1'000'000;

// Each send alone takes 82 us; the link into host 2 must carry 2 MB, 160 us.
TEST(AnalyticSimulation, IsTheLargerOfTheLongestWayAndTheBusiestLink) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  AnalyticSimulation two(net.Input());
  two.Append(b.program);
  EXPECT_EQ(two.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
  EXPECT_EQ(two.completions()[0].end, At(82us));
  EXPECT_EQ(two.completions()[0].bottleneck, net.fabric->FindLink(net.nic[0], net.leaf[0]));
  EXPECT_EQ(two.Finish().end, At(160us));

  b.AddCompute(100us, {}, {{0, 0}});  // 82 + 100 us along the dependency
  AnalyticSimulation three(net.Input());
  three.Append(b.program);
  EXPECT_EQ(three.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
  EXPECT_EQ(three.Finish().end, At(182us));
}

// The ring of three of the flow engine's test: 5 + 4·3 + 320 us.
TEST(AnalyticSimulation, ARingAloneTakesWhatTheFlowEngineSays) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 1, 1us));
  b.program.tunings[0].launch = 5us;
  b.AddRun(0, 3 * kMB);
  AnalyticSimulation simulation(net.Input());
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
  EXPECT_EQ(simulation.Finish().end, At(337us));
  ASSERT_EQ(simulation.channel_ends().size(), 1u);
  EXPECT_EQ(simulation.channel_ends()[0].end, At(337us));
}

// Two leaves without a spine: nothing arrives, and nothing is said to.
TEST(AnalyticSimulation, StarvesWhereThereIsNoPath) {
  FabricBuilder builder(1);
  const std::vector<HostId> hosts = AddHosts(builder, 2, k100G * 100);
  for (int leaf = 0; leaf < 2; ++leaf) AddSwitch(builder, 1, leaf);
  const VertexId first{static_cast<std::uint32_t>(2 * 2)};  // after a GPU and a NIC a host
  for (std::uint32_t h = 0; h < 2; ++h)
    builder.AddCable(builder.nic(hosts[h], 0), VertexId{Index(first) + h}, k100G, 1us, 0);
  const Net net = Finish(builder, 2, 2, 0);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  AnalyticSimulation simulation(net.Input());
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Simulation::Stop::kStarved);
  EXPECT_TRUE(simulation.completions().empty());
  EXPECT_EQ(simulation.Finish().waiting.size(), 1u);
}

// Both of an edge's QPs on one port: what may move bounds nothing.
TEST(AnalyticSimulation, BytesThatAFaultMayMoveBoundNoLink) {
  const Net net = Star(2, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  SimulationInput input = net.Input();
  input.events.push_back(
      {At(50us), net.Cable(net.nic[0], net.leaf[0]), {false, 1, Direction::kBoth}});
  AnalyticSimulation simulation(input);
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
  EXPECT_EQ(simulation.Finish().end, At(2us));
}

// 1 ps an event for the rounding up along a chain of events.
TEST(AnalyticSimulation, BoundsTheFlowEngineOnRandomPrograms) {
  for (const std::uint64_t seed : TestSeeds(400)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = RandomNet(random);
    const Builder b = RandomProgram(net, random);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    input.physics.mtu = Bytes(4096);
    if (seed % 2 == 0) input.events = RandomEvents(net, random);
    if (seed % 3 == 0) input.physics.channel_cap = GigabitsPerSecond(20);
    AnalyticSimulation analytic(input);
    analytic.Append(b.program);
    ASSERT_EQ(analytic.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
    const SimTime bound = analytic.Finish().end;
    for (const Coupling coupling : {Coupling::kAuto, Coupling::kTight, Coupling::kLoose}) {
      input.physics.coupling = coupling;
      FlowSimulation flow(input);
      flow.Append(b.program);
      ASSERT_EQ(flow.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
      const Outcome outcome = flow.Finish();
      EXPECT_LE(bound, outcome.end + SimDuration(static_cast<std::int64_t>(outcome.events)));
    }
  }
}

TEST(AnalyticSimulation, ResetEqualsFresh) {
  Random random(5);
  const Net net = RandomNet(random);
  const Builder b = RandomProgram(net, random);
  SimulationInput input = net.Input();
  input.seed = HashSeed{1};
  AnalyticSimulation simulation(input);
  simulation.Append(b.program);
  simulation.Run(kForever, kNoBudget);
  simulation.Reset(HashSeed{2});
  EXPECT_TRUE(simulation.completions().empty());
  simulation.Run(kForever, kNoBudget);
  input.seed = HashSeed{2};
  AnalyticSimulation fresh(input);
  fresh.Append(b.program);
  fresh.Run(kForever, kNoBudget);
  EXPECT_EQ(simulation.Finish().end, fresh.Finish().end);
  EXPECT_EQ(simulation.Finish().link_bytes, fresh.Finish().link_bytes);
}

}  // namespace
}  // namespace weft
