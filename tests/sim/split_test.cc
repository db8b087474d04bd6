// QPs that run over several paths at once: sprayed and adaptive, in every engine.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "sim/analytic/analytic_simulation.h"
#include "sim/flow/flow_simulation.h"
#include "sim/path_table.h"
#include "sim/simgrid/simgrid_simulation.h"
#include "tests/sim/random_program.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

using Stop = Simulation::Stop;

constexpr BitRate k100G = GigabitsPerSecond(100);
constexpr std::int64_t kMB = 1'000'000;

void SetPolicy(Net& net, RoutingPolicy policy) {
  net.router = std::make_unique<Router>(*net.fabric, policy);
}

RoutingPolicy Adaptive() {
  RoutingPolicy policy;
  policy.policy = PathPolicy::kAdaptive;
  return policy;
}

RoutingPolicy Spray(std::uint32_t paths) {
  RoutingPolicy policy;
  policy.policy = PathPolicy::kSpray;
  policy.spray_paths = paths;
  return policy;
}

SimTime EndOf(Simulation& simulation, const Program& program) {
  simulation.Append(program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  return simulation.Finish().end;
}

// Four hosts a leaf send to the other over two spines: 25 % of a flow's bytes a spine and cable
// too many, whatever a hash would have drawn: 4 · 1 MB over 200G is 160 us.
TEST(Adaptive, SharesTheUplinksOfALeafEvenly) {
  Net net = LeafSpine(2, 2, 4, k100G, 0us);
  SetPolicy(net, Adaptive());
  Builder b;
  for (std::size_t h = 0; h < 4; ++h) b.AddSend(net.nic[h], net.nic[4 + h], kMB);
  FlowSimulation flow(net.Input());
  EXPECT_EQ(EndOf(flow, b.program), At(160us));
  for (const VertexId spine : net.spine)
    EXPECT_EQ(flow.Finish().link_bytes[Index(net.fabric->FindLink(net.leaf[0], spine))],
              Bytes(2 * kMB));
  // The cut of the leaf's uplinks: no link of them by itself must carry anything.
  AnalyticSimulation analytic(net.Input());
  EXPECT_EQ(EndOf(analytic, b.program), At(160us));
}

// Two spines left of three: the flow stops until it is routed anew, then half goes by each.
TEST(Adaptive, GoesOnOverWhatAFaultLeaves) {
  Net net = LeafSpine(2, 3, 1, k100G * 3, 0us);
  SetPolicy(net, Adaptive());
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], 30 * kMB);
  SimulationInput input = net.Input();
  input.fault_policy.detect = 100us;
  input.events.push_back({At(400us), net.Cable(net.leaf[0], net.spine[1]), {false, 1}});
  FlowSimulation flow(input);
  EXPECT_EQ(EndOf(flow, b.program), At(900us));  // 800 us of bytes at 300G, 100 us of silence
  const Outcome outcome = flow.Finish();
  const auto bytes = [&](int spine) {
    return outcome.link_bytes[Index(
        net.fabric->FindLink(net.leaf[0], net.spine[static_cast<std::size_t>(spine)]))];
  };
  EXPECT_EQ(bytes(1), Bytes(5 * kMB));
  EXPECT_EQ(bytes(0), Bytes(25 * kMB / 2));
  EXPECT_EQ(outcome.faults[0].rerouted, 1u);
}

// Latency is the slowest path's: two of three hops' packets are received before they go on.
TEST(Adaptive, PaysTheLatencyOfAPathOnce) {
  Net net = LeafSpine(2, 4, 1, k100G, 1us);
  SetPolicy(net, Adaptive());
  Physics physics;
  physics.mtu = Bytes(12'500);  // 1 us at 100G
  PathTable paths(*net.fabric, *net.router, physics, HashSeed{1});
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  paths.Append(b.program, 0);
  EXPECT_EQ(paths.edges()[0].latency, 4us + 3us);  // four links, all but the last stored
  EXPECT_EQ(paths.edges()[0].path_bps, 1e11);
}

// Oracle: the paths of the keys, one by one.
TEST(Spray, PutsAnEvenPartOnEachOfItsPaths) {
  for (const std::uint64_t seed : TestSeeds(50)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    Net net = RandomNet(random);
    const std::uint32_t count = 1 + random.Below(16);
    SetPolicy(net, Spray(count));
    PathTable paths(*net.fabric, *net.router, {}, HashSeed{seed});
    const Builder b = RandomProgram(net, random);
    paths.Append(b.program, 0);
    const LinkState state(*net.fabric);
    std::vector<LinkId> path;
    for (const PathTable::Qp& qp : paths.qps()) {
      const PathTable::Edge& edge = paths.edges()[qp.edge];
      std::map<LinkId, double> expected;
      for (std::uint32_t i = 0; i < count; ++i) {
        const FlowKey key =
            net.router->QpKey(edge.from, edge.to, HashSeed{seed}, qp.number * count + i);
        ASSERT_TRUE(net.router->Path(key, HashSeed{seed}, state, path));
        for (const LinkId link : path) expected[link] += 1.0 / count;
      }
      const auto hops = paths.hops(qp);
      const auto shares = paths.shares(qp);
      ASSERT_EQ(hops.size(), expected.size());
      ASSERT_EQ(shares.empty(), count == 1);
      for (std::size_t h = 0; h < hops.size(); ++h)
        EXPECT_NEAR(shares.empty() ? 1 : shares[h], expected.at(hops[h]), 1e-12);
    }
  }
}

// Sprayed over both ports of a NIC, and on over one where the other's switch is gone.
TEST(Spray, LeavesByEveryPortAndGoesOnByWhatIsLeft) {
  Net net = Star(2, k100G, 0us, 2);
  SetPolicy(net, Spray(8));
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], 10 * kMB);
  FlowSimulation whole(net.Input());
  EXPECT_EQ(EndOf(whole, b.program), At(400us));
  SimulationInput input = net.Input();
  input.fault_policy.detect = 50us;
  input.events.push_back({At(200us), net.Cable(net.nic[1], net.leaf[1]), {false, 1}});
  FlowSimulation cut(input);
  EXPECT_EQ(EndOf(cut, b.program), At(650us));  // 200, 50 of silence, 5 MB at 100G
}

struct Split {
  Net net;
  Builder builder;
  SimulationInput input;
};

Split RandomSplit(std::uint64_t seed, RoutingPolicy policy, bool faults) {
  Random random(seed);
  Split out{RandomNet(random), {}, {}};
  SetPolicy(out.net, policy);
  out.builder = RandomProgram(out.net, random);
  out.input = out.net.Input();
  out.input.seed = HashSeed{seed};
  if (faults) out.input.events = RandomEvents(out.net, random);
  return out;
}

TEST(SplitFlows, AreFairAtEveryInstantAndNoFasterThanTheBound) {
  for (const std::uint64_t seed : TestSeeds(150)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    for (const RoutingPolicy& policy : {Adaptive(), Spray(2), Spray(7)}) {
      const Split c = RandomSplit(seed, policy, true);
      FlowSimulation flow(c.input);
      flow.Append(c.builder.program);
      Stop stop;
      while ((stop = flow.Run(kForever, 1)) == Stop::kBudget)
        ASSERT_LT(MaxMinResidual(flow.Rates()), 1e-9);
      ASSERT_EQ(stop, Stop::kIdle);
      const SimTime end = flow.Finish().end;
      AnalyticSimulation analytic(c.input);
      const SimTime bound = EndOf(analytic, c.builder.program);
      const double slack = 1e-9 * ToSeconds(end.time_since_epoch()) + 1e-11;
      EXPECT_LE(ToSeconds(bound.time_since_epoch()), ToSeconds(end.time_since_epoch()) + slack);
    }
  }
}

// What enters a switch leaves it.
TEST(SplitFlows, ConserveBytesAtEverySwitch) {
  for (const std::uint64_t seed : TestSeeds(100)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    for (const RoutingPolicy& policy : {Adaptive(), Spray(7)}) {
      const Split c = RandomSplit(seed, policy, false);
      FlowSimulation flow(c.input);
      EndOf(flow, c.builder.program);
      const Outcome outcome = flow.Finish();
      std::map<VertexId, double> left;
      for (std::uint32_t l = 0; l < c.net.fabric->link_count(); ++l) {
        const auto bytes = static_cast<double>(outcome.link_bytes[l].count());
        left[c.net.fabric->link(LinkId{l}).to] += bytes;
        left[c.net.fabric->link(LinkId{l}).from] -= bytes;
      }
      for (const auto& leafs : {c.net.leaf, c.net.spine})
        for (const VertexId v : leafs) EXPECT_NEAR(left[v], 0, 16) << c.net.fabric->Name(v);
    }
  }
}

// SimGrid takes a path of a spray as often as it stands; a QP's paths then share one rate.
TEST(SplitFlows, TakeAsLongOnSimgrid) {
  double largest = 0;
  for (const std::uint64_t seed : TestSeeds(40)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    for (const std::uint32_t count : {2u, 6u}) {
      Split c = RandomSplit(seed, Spray(count), false);
      c.input.physics.coupling = Coupling::kLoose;
      FlowSimulation flow(c.input);
      SimgridSimulation simgrid(c.input);
      const double a = ToSeconds(EndOf(flow, c.builder.program).time_since_epoch());
      const double b = ToSeconds(EndOf(simgrid, c.builder.program).time_since_epoch());
      largest = std::max(largest, std::abs(a - b) / std::max(a, b));
    }
  }
  EXPECT_LT(largest, 1e-7);
}

// A NIC's QPs searched apart carry a leaf's traffic at full rate in every seed; hashed they do not.
TEST(Disjoint, LeavesNoTwoQpsOnOneUplink) {
  Net net = LeafSpine(2, 16, 1, k100G * 8, 0us);
  RoutingPolicy policy;
  policy.policy = PathPolicy::kDisjoint;
  for (const std::uint64_t seed : TestSeeds(20)) {
    SetPolicy(net, policy);
    Builder b;
    b.AddSend(net.nic[0], net.nic[1], kMB, {}, {}, 16);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    FlowSimulation flow(input);
    EXPECT_EQ(EndOf(flow, b.program), At(10us)) << "WEFT_SEED=" << seed;
    const Outcome outcome = flow.Finish();
    EXPECT_EQ(outcome.path_search.qps, 16u);
    EXPECT_GE(outcome.path_search.tried, 16u);
    for (const VertexId spine : net.spine)
      EXPECT_EQ(outcome.link_bytes[Index(net.fabric->FindLink(net.leaf[0], spine))],
                Bytes(kMB / 16));
  }
}

}  // namespace
}  // namespace weft
