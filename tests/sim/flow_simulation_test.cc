// Cases worked by hand, to the picosecond. Links are 100G, so 1 MB takes 80 us.
#include "sim/flow/flow_simulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/random.h"
#include "sim/flow/coupling.h"
#include "tests/sim/nets.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

constexpr BitRate k100G = GigabitsPerSecond(100);
constexpr std::int64_t kMB = 1'000'000;
using Stop = Simulation::Stop;

struct Ran {
  std::vector<Completion> by_row;  // of programs without repeats
  std::vector<ChannelEnd> channels;
  Outcome outcome;
};

Ran RunToEnd(const SimulationInput& input, const Program& program) {
  CheckProgram(program);
  FlowSimulation simulation(input);
  simulation.Append(program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  Ran ran;
  ran.by_row.resize(program.ops.size());
  for (const Completion& c : simulation.completions()) ran.by_row[Index(c.row)] = c;
  ran.channels.assign(simulation.channel_ends().begin(), simulation.channel_ends().end());
  ran.outcome = simulation.Finish();
  EXPECT_TRUE(ran.outcome.waiting.empty());
  return ran;
}

// Both cross the link into host 2: 50G each, 160 us, after 2 us of latency.
TEST(FlowSimulation, TwoFlowsShareALink) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  const Ran ran = RunToEnd(net.Input(), b.program);
  EXPECT_EQ(ran.by_row[0].end, At(162us));
  EXPECT_EQ(ran.by_row[1].end, At(162us));
  EXPECT_EQ(ran.by_row[0].start, At(0us));
  EXPECT_EQ(ran.by_row[0].bottleneck, net.fabric->FindLink(net.leaf[0], net.nic[2]));
  EXPECT_EQ(ran.outcome.end, At(162us));
  EXPECT_EQ(ran.outcome.link_bytes[Index(net.fabric->FindLink(net.leaf[0], net.nic[2]))],
            Bytes(2 * kMB));
}

// The short one ends at 80 us; the long one has 0.5 MB left and the link alone.
TEST(FlowSimulation, ARateRisesWhenAnotherFlowEnds) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB / 2);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  const Ran ran = RunToEnd(net.Input(), b.program);
  EXPECT_EQ(ran.by_row[0].end, At(82us));
  EXPECT_EQ(ran.by_row[1].end, At(122us));
}

// 4 QPs against 1: 80G and 20G. The first is done at 100 us; 0.75 MB are left.
TEST(FlowSimulation, SharesByQp) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB, {}, {}, 4);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  const Ran ran = RunToEnd(net.Input(), b.program);
  EXPECT_EQ(ran.by_row[0].end, At(100us));
  EXPECT_EQ(ran.by_row[1].end, At(160us));
}

// Launch 5 us; 4 steps of 2 us path + 1 us step; 4/3 of 3 MB at 100G: 320 us.
TEST(FlowSimulation, RingOfThreeTakesLaunchChainAndBytes) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 1, 1us));
  b.program.tunings[0].launch = 5us;
  b.AddRun(0, 3 * kMB);
  for (const Coupling coupling : {Coupling::kTight, Coupling::kLoose, Coupling::kAuto}) {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    const Ran ran = RunToEnd(input, b.program);
    EXPECT_EQ(ran.by_row[0].end, At(337us));
    ASSERT_EQ(ran.channels.size(), 1u);
    EXPECT_EQ(ran.channels[0].end, At(337us));
    for (const VertexId nic : net.nic) {
      EXPECT_EQ(ran.outcome.link_bytes[Index(net.fabric->FindLink(nic, net.leaf[0]))],
                Bytes(4 * kMB));
      EXPECT_EQ(ran.outcome.link_bytes[Index(net.fabric->FindLink(net.leaf[0], nic))],
                Bytes(4 * kMB));
    }
  }
}

// Efficiency 1/2 halves rates; a full packet of 1000 B is received at the switch
// before it goes on: 160 ns at 50G.
TEST(FlowSimulation, ChargesEfficiencyAndStoreAndForward) {
  const Net net = Star(2, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB);
  SimulationInput input = net.Input();
  input.physics.efficiency = {1, 1, 0.5};
  input.physics.mtu = Bytes(1000);
  input.physics.launch = 3us;
  EXPECT_EQ(RunToEnd(input, b.program).by_row[0].end, At(3us + 2us + 160ns + 160us));
}

// Edges 0→1 and 1→2 of one channel, 1 MB each. A send into 1 halves the first
// until 80 us, then one into 2 halves the second for 40 us. Tight: 0.5 MB by
// 80 us, 0.75 MB by 120 us, done at 140 us. Loose: the second edge was done at
// 80 us, the first is at 120 us.
Builder DisturbedChannel(const Net& net) {
  Builder b;
  b.AddPattern(
      Edges({{net.nic[0], net.nic[1]}, {net.nic[1], net.nic[2]}}, Pattern::Advance::kPipelined));
  b.AddRun(0, kMB, {0});
  b.AddSend(net.nic[3], net.nic[1], kMB / 2, {1});
  b.AddSend(net.nic[3], net.nic[2], kMB / 4, {1});
  return b;
}

TEST(FlowSimulation, TightPaysForEveryDisturbanceLooseForTheWorstEdge) {
  const Net net = Star(4, k100G, 0us);
  const Builder b = DisturbedChannel(net);
  SimulationInput input = net.Input();
  input.physics.coupling = Coupling::kTight;
  EXPECT_EQ(RunToEnd(input, b.program).by_row[0].end, At(140us));
  input.physics.coupling = Coupling::kLoose;
  EXPECT_EQ(RunToEnd(input, b.program).by_row[0].end, At(120us));
  input.physics.coupling = Coupling::kAuto;
  EXPECT_EQ(RunToEnd(input, b.program).by_row[0].end, At(120us));
}

std::vector<std::uint8_t> Coupled(const Net& net, const Program& program) {
  CheckProgram(program);
  Schedule schedule;
  schedule.Append(program);
  PathTable paths(*net.fabric, *net.router, {}, HashSeed{1});
  paths.Append(program, 0);
  return DecideCoupling(schedule, paths, net.fabric->link_count());
}

bool Meet(const std::set<std::uint32_t>& a, const std::set<std::uint32_t>& b) {
  return std::any_of(a.begin(), a.end(), [&](std::uint32_t one) { return b.count(one) > 0; });
}

TEST(DecideCoupling, IsTightWhereWhatSharesALinkIsOrdered) {
  const Net net = Star(4, k100G, 0us);
  using Tight = std::vector<std::uint8_t>;
  Builder alone;
  alone.AddPattern(Ring({net.nic[0], net.nic[1]}));
  alone.AddPattern(Ring({net.nic[2], net.nic[3]}));
  alone.AddRun(0, kMB, {0, 1});
  alone.AddRun(1, kMB, {2, 3});
  EXPECT_EQ(Coupled(net, alone.program), (Tight{1, 1}));

  Builder send = alone;
  send.AddSend(net.nic[0], net.nic[2], kMB, {4});
  EXPECT_EQ(Coupled(net, send.program), (Tight{0, 0, 0}));

  Builder after = alone;  // ordered by a dependency on one, by a stream on the other
  after.AddSend(net.nic[0], net.nic[2], kMB, {3}, {{0, 0}});
  EXPECT_EQ(Coupled(net, after.program), (Tight{1, 1, 0}));

  Builder through = alone;  // row 2 comes after rows 0 and 1, row 3 after row 2
  through.AddCompute(1us, {4}, {{0, 0}, {1, 0}});
  through.AddSend(net.nic[0], net.nic[2], kMB, {4});
  EXPECT_EQ(Coupled(net, through.program), (Tight{1, 1, 0, 0}));

  Builder repeated = alone;  // row 0 of the next pass does not wait for the send
  repeated.AddSend(net.nic[0], net.nic[2], kMB, {4}, {{0, 0}, {1, 0}});
  repeated.program.blocks.push_back({0, 3, 2});
  EXPECT_EQ(Coupled(net, repeated.program), (Tight{0, 0, 0}));
}

// Rings and sends of six hosts, in random streams and with random needs, many rows of each. Two
// meet where they share a host, of a send in its direction; a table of who comes before whom is
// made pair by pair.
TEST(DecideCoupling, IsWhatEveryPairOfRowsSaysOnRandomPrograms) {
  const Net net = Star(6, k100G, 0us);
  for (const std::uint64_t seed : TestSeeds(200)) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Builder b;
    std::vector<std::array<std::set<std::uint32_t>, 2>> hosts;  // [rings] that send, that receive
    for (std::uint32_t r = 0; r < 4; ++r) {
      const std::uint32_t first = random.Below(6), next = (first + 1 + random.Below(5)) % 6;
      b.AddPattern(Ring({net.nic[first], net.nic[next]}));
      hosts.push_back({std::set{first, next}, std::set{first, next}});
    }
    const std::uint32_t rows = 2 + random.Below(20);
    std::vector<std::array<std::set<std::uint32_t>, 2>> uses;
    std::vector<std::set<std::uint32_t>> streams;
    std::vector<std::vector<bool>> before(rows, std::vector<bool>(rows));
    for (std::uint32_t row = 0; row < rows; ++row) {
      streams.push_back({random.Below(8), random.Below(8)});
      std::vector<Dep> deps;
      if (row > 0 && random.Below(3) == 0) deps.push_back({random.Below(row), 0});
      const std::vector<std::uint32_t> mine(streams[row].begin(), streams[row].end());
      if (random.Below(4) == 0) {
        const std::uint32_t from = random.Below(6), to = (from + 1 + random.Below(5)) % 6;
        b.AddSend(net.nic[from], net.nic[to], kMB, mine, deps);
        uses.push_back({std::set{from}, std::set{to}});
      } else {
        const std::uint32_t ring = random.Below(4);
        b.AddRun(ring, kMB, mine, deps);
        uses.push_back(hosts[ring]);
      }
      const auto follow = [&](std::uint32_t on) {
        before[row][on] = true;
        for (std::uint32_t k = 0; k < on; ++k) before[row][k] = before[row][k] || before[on][k];
      };
      for (const Dep& dep : deps) follow(dep.row);
      for (std::uint32_t k = 0; k < row; ++k)
        if (Meet(streams[k], streams[row])) follow(k);
    }
    std::vector<std::uint8_t> want(rows);
    for (std::uint32_t row = 0; row < rows; ++row)
      want[row] = b.program.ops[row].kind == Op::Kind::kPattern;
    const std::vector<std::uint8_t> pipelined = want;
    for (std::uint32_t row = 0; row < rows; ++row)
      for (std::uint32_t k = 0; k < row; ++k)
        if ((pipelined[row] != 0 || pipelined[k] != 0) && !before[row][k] &&
            (Meet(uses[row][0], uses[k][0]) || Meet(uses[row][1], uses[k][1])))
          want[row] = want[k] = 0;
    EXPECT_EQ(Coupled(net, b.program), want);
  }
}

// Three rounds of 1 MB: one at a time 3·(2 + 80) us, all at once 2 + 240 us.
TEST(FlowSimulation, RoundsGoInOrderWithAWindow) {
  const Net net = Star(4, k100G, 1us);
  Pattern pattern =
      Edges({{net.nic[0], net.nic[1]}, {net.nic[0], net.nic[2]}, {net.nic[0], net.nic[3]}},
            Pattern::Advance::kRounds);
  for (std::uint16_t r = 0; r < 3; ++r) pattern.edges[r].round = r;
  Builder b;
  b.AddPattern(pattern);
  b.AddRun(0, kMB);
  EXPECT_EQ(RunToEnd(net.Input(), b.program).by_row[0].end, At(246us));
  // Two at a time: 50G each until 162 us, where both end; the third takes 82 us.
  b.program.patterns[0].window = 2;
  EXPECT_EQ(RunToEnd(net.Input(), b.program).by_row[0].end, At(244us));
  b.program.patterns[0].window = 3;
  EXPECT_EQ(RunToEnd(net.Input(), b.program).by_row[0].end, At(242us));
}

TEST(FlowSimulation, IndependentEdgesMoveByThemselvesAndAmountsMayDiffer) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddPattern(
      Edges({{net.nic[0], net.nic[1]}, {net.nic[0], net.nic[2]}}, Pattern::Advance::kIndependent));
  b.program.amounts = {Bytes(0), Bytes(kMB / 2), Bytes(kMB)};
  b.AddRun(0, 0);
  b.program.ops[0].first_amount = 1;
  const Ran ran = RunToEnd(net.Input(), b.program);
  EXPECT_EQ(ran.by_row[0].end, At(120us));  // 80 us for two halves, 40 us for the rest
  EXPECT_EQ(ran.outcome.link_bytes[Index(net.fabric->FindLink(net.leaf[0], net.nic[1]))],
            Bytes(kMB / 2));
}

TEST(FlowSimulation, AChannelsCapHoldsItBack) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  Pattern ring = Ring(net.nic);
  ring.classes[0].cap = GigabitsPerSecond(40);
  b.AddPattern(ring);
  b.AddRun(0, 3 * kMB);
  for (const Coupling coupling : {Coupling::kTight, Coupling::kLoose}) {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    const Ran ran = RunToEnd(input, b.program);
    EXPECT_EQ(ran.by_row[0].end, At(800us));  // 32e6 bits at 40G
    EXPECT_EQ(ran.by_row[0].bottleneck, kNoLink);
  }
}

TEST(FlowSimulation, StopsAndGoesOnWhereItWasAsked) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB);
  b.AddSend(net.nic[1], net.nic[2], kMB / 2);
  FlowSimulation simulation(net.Input());
  const RowId first = simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(At(50us), kNoBudget), Stop::kUntil);
  // 48 us at 50G: 0.3 MB of each.
  const std::uint32_t into = Index(net.fabric->FindLink(net.leaf[0], net.nic[2]));
  EXPECT_EQ(simulation.Finish().link_bytes[into], Bytes(0) + Bytes(kMB * 6 / 10));
  EXPECT_EQ(simulation.Finish().waiting.size(), 2u);
  const std::vector<RowId> watched{RowId{Index(first) + 1}};
  simulation.Watch(watched);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kWatched);
  ASSERT_EQ(simulation.completions().size(), 1u);
  EXPECT_EQ(simulation.completions()[0].end, At(82us));
  simulation.Watch({});
  EXPECT_EQ(simulation.Run(kForever, 0), Stop::kBudget);

  // More rows between runs: ready at the instant they are appended in.
  Builder more;
  more.AddSend(net.nic[1], net.nic[0], kMB);
  EXPECT_EQ(simulation.Append(more.program), RowId{2});
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  ASSERT_EQ(simulation.completions().size(), 3u);
  EXPECT_EQ(simulation.completions()[1].end, At(122us));
  EXPECT_EQ(simulation.completions()[2].start, At(82us));
  EXPECT_EQ(simulation.completions()[2].end, At(164us));
}

// A channel of 40 edges over 80 links alike is solved on one of them; on all once something that
// is appended crosses some. Half of its MB takes 40 us; the rest beside a send 80 us.
TEST(FlowSimulation, AChannelAloneIsSolvedOnOneLinkOfItsLike) {
  const Net net = Star(40, k100G, 0us);
  Builder b;
  std::vector<std::pair<VertexId, VertexId>> ends;
  for (std::size_t i = 0; i < 40; ++i) ends.emplace_back(net.nic[i], net.nic[(i + 1) % 40]);
  b.AddPattern(Edges(ends, Pattern::Advance::kPipelined));
  b.AddRun(0, kMB, {0});
  SimulationInput input = net.Input();
  input.physics.coupling = Coupling::kTight;
  FlowSimulation simulation(input);
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(At(40us), kNoBudget), Stop::kUntil);
  EXPECT_EQ(simulation.Rates().terms.at(0).size(), 80u);
  EXPECT_EQ(simulation.Rates().twins, 79u);
  EXPECT_LT(MaxMinResidual(simulation.Rates()), 1e-12);

  Builder more;
  more.AddSend(net.nic[0], net.nic[2], kMB);
  simulation.Append(more.program);
  EXPECT_EQ(simulation.Run(At(41us), kNoBudget), Stop::kUntil);
  EXPECT_EQ(simulation.Rates().twins, 0u);
  EXPECT_LT(MaxMinResidual(simulation.Rates()), 1e-12);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  ASSERT_EQ(simulation.completions().size(), 2u);
  EXPECT_EQ(simulation.completions()[0].end, At(120us));
  EXPECT_EQ(simulation.completions()[1].end, At(160us));
  const std::uint32_t into = Index(net.fabric->FindLink(net.leaf[0], net.nic[1]));
  EXPECT_EQ(simulation.Finish().link_bytes[into], Bytes(kMB));
}

TEST(FlowSimulation, CancelFreesTheBandwidthOfAJob) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB);
  b.AddSend(net.nic[1], net.nic[2], kMB, {0});
  b.AddCompute(1us, {0});
  for (const std::size_t row : {1u, 2u}) b.program.ops[row].job = JobId{7};
  FlowSimulation simulation(net.Input());
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(At(40us), kNoBudget), Stop::kUntil);
  simulation.Cancel(JobId{7});
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  ASSERT_EQ(simulation.completions().size(), 3u);
  EXPECT_EQ(simulation.completions()[0].status, Completion::Status::kCancelled);
  EXPECT_EQ(simulation.completions()[0].end, At(40us));
  EXPECT_EQ(simulation.completions()[1].row, RowId{2});
  EXPECT_EQ(simulation.completions()[2].end, At(100us));  // 0.25 MB by 40 us, 60 us alone
}

TEST(FlowSimulation, CountsTheQpsThatUseALink) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 2));
  b.AddRun(0, kMB, {0});
  b.AddRun(0, kMB, {0});
  b.AddSend(net.nic[0], net.nic[2], kMB);
  FlowSimulation simulation(net.Input());
  simulation.Append(b.program);
  const LinkId out = net.fabric->FindLink(net.nic[0], net.leaf[0]);
  EXPECT_EQ(simulation.QpsByLink()[Index(out)], 3u);  // the pattern is bound once
  const std::vector<LinkUser> users = simulation.UsersOf(out);
  ASSERT_EQ(users.size(), 3u);
  EXPECT_EQ(users[0].row, RowId{0});
  EXPECT_EQ(users[1].qp, 1);
  EXPECT_EQ(users[2].row, RowId{2});
}

}  // namespace
}  // namespace weft
