// SimGrid against cases worked by hand, and against the flow engine.
#include "sim/simgrid/simgrid_simulation.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "sim/flow/flow_simulation.h"
#include "tests/sim/random_program.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

using Stop = Simulation::Stop;

constexpr BitRate k100G = GigabitsPerSecond(100);
constexpr std::int64_t kMB = 1'000'000;

std::vector<SimTime> EndsByRow(Simulation& simulation, const Program& program) {
  CheckProgram(program);
  simulation.Append(program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  std::vector<SimTime> ends(program.ops.size());
  for (const Completion& c : simulation.completions()) ends[Index(c.row)] = c.end;
  return ends;
}

bool Lives(pid_t process) { return kill(process, 0) == 0; }

// The short one ends at 80 us; the long one has 0.5 MB left and the link alone.
TEST(SimgridSimulation, SharesALinkAndGivesItBack) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB / 2);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  SimgridSimulation simulation(net.Input());
  EXPECT_EQ(EndsByRow(simulation, b.program), (std::vector{At(82us), At(122us)}));
  EXPECT_EQ(simulation.process(), -1);
  EXPECT_GT(simulation.solver_time().solve_s, 0);
  const Outcome outcome = simulation.Finish();
  EXPECT_EQ(outcome.end, At(122us));
  EXPECT_EQ(outcome.link_bytes[Index(net.fabric->FindLink(net.leaf[0], net.nic[2]))],
            Bytes(kMB + kMB / 2));
}

// 4 QPs against 1: 80G and 20G. The first is done at 100 us; 0.75 MB are left.
TEST(SimgridSimulation, SharesByQp) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], kMB, {}, {}, 4);
  b.AddSend(net.nic[1], net.nic[2], kMB);
  SimgridSimulation simulation(net.Input());
  EXPECT_EQ(EndsByRow(simulation, b.program), (std::vector{At(100us), At(160us)}));
}

// Launch 5 us; 4 steps of 2 us path + 1 us step; 4/3 of 3 MB at 100G: 320 us.
TEST(SimgridSimulation, RingOfThreeTakesLaunchChainAndBytes) {
  const Net net = Star(3, k100G, 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 1, 1us));
  b.program.tunings[0].launch = 5us;
  b.AddRun(0, 3 * kMB);
  for (const Coupling coupling : {Coupling::kTight, Coupling::kLoose, Coupling::kAuto}) {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    SimgridSimulation simulation(input);
    EXPECT_EQ(EndsByRow(simulation, b.program), (std::vector{At(337us)}));
    ASSERT_EQ(simulation.channel_ends().size(), 1u);
    EXPECT_EQ(simulation.channel_ends()[0].end, At(337us));
  }
}

// Largest relative difference between the two engines' completions.
double Difference(const Simulation& a, const Simulation& b) {
  const auto sorted = [](std::span<const Completion> completions) {
    std::vector<Completion> by_row(completions.begin(), completions.end());
    std::sort(by_row.begin(), by_row.end(), [](const Completion& x, const Completion& y) {
      return std::tie(x.row, x.pass) < std::tie(y.row, y.pass);
    });
    return by_row;
  };
  const std::vector<Completion> as = sorted(a.completions()), bs = sorted(b.completions());
  EXPECT_EQ(as.size(), bs.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(as.size(), bs.size()); ++i) {
    EXPECT_EQ(as[i].row, bs[i].row);
    EXPECT_EQ(as[i].pass, bs[i].pass);
    const double x = ToSeconds(as[i].end.time_since_epoch());
    const double y = ToSeconds(bs[i].end.time_since_epoch());
    if (x != y) largest = std::max(largest, std::abs(x - y) / std::max(x, y));
  }
  return largest;
}

// Sends with streams and dependencies, rings, rounds, several QPs on several
// paths, caps, repeats; loose, tight and auto.
TEST(SimgridSimulation, AgreesWithTheFlowEngineOnRandomPrograms) {
  double largest = 0;
  for (const std::uint64_t seed : TestSeeds(400)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = RandomNet(random);
    const Builder b = RandomProgram(net, random);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    input.physics.mtu = Bytes(4096);
    input.physics.launch = 2us;
    input.physics.coupling =
        std::array{Coupling::kAuto, Coupling::kTight, Coupling::kLoose}[seed % 3];
    if (seed % 4 == 0) input.physics.channel_cap = GigabitsPerSecond(20);
    SimgridSimulation simgrid(input);
    FlowSimulation flow(input);
    EndsByRow(simgrid, b.program);
    EndsByRow(flow, b.program);
    const double difference = Difference(simgrid, flow);
    EXPECT_LE(difference, 1e-6);
    largest = std::max(largest, difference);
    EXPECT_EQ(simgrid.channel_ends().size(), flow.channel_ends().size());
    const Outcome a = simgrid.Finish(), f = flow.Finish();
    for (std::size_t l = 0; l < a.link_bytes.size(); ++l)
      EXPECT_LE(std::abs((a.link_bytes[l] - f.link_bytes[l]).count()), 1);
  }
  RecordProperty("largest_relative_difference", fmt::format("{:.1e}", largest));
  EXPECT_LE(largest, 1e-6);
}

// Events, what the network does about one and what the senders do about another, in one instant.
void TieEvents(SimulationInput& input) {
  constexpr SimDuration kGrid = 20us;
  for (Event& event : input.events) event.at = SimTime(event.at.time_since_epoch() / kGrid * kGrid);
  input.fault_policy.detect = input.fault_policy.detect / kGrid * kGrid;
  input.fault_policy.move = input.fault_policy.move / kGrid * kGrid;
}

// Cables that slow down, go and come back, QPs that stay or move, operations that give up: what
// becomes of every operation and QP, and when, is the same.
TEST(SimgridSimulation, AgreesWithTheFlowEngineUnderFaults) {
  double largest = 0;
  std::uint64_t rerouted = 0, moved = 0, failed = 0;
  for (const std::uint64_t seed : TestSeeds(400)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = RandomNet(random);
    const Builder b = RandomProgram(net, random);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    input.physics.launch = 2us;
    input.physics.coupling =
        std::array{Coupling::kAuto, Coupling::kTight, Coupling::kLoose}[seed % 3];
    input.events = RandomEvents(net, random);
    input.fault_policy = {SimDuration(random.Below(50'000'000)),
                          SimDuration(random.Below(20'000'000)),
                          seed % 5 == 0 ? SimDuration(100us) : SimDuration{},
                          seed % 2 == 0 ? FaultPolicy::Qps::kMove : FaultPolicy::Qps::kStay};
    if (seed % 3 == 0) TieEvents(input);
    SimgridSimulation simgrid(input);
    FlowSimulation flow(input);
    for (Simulation* one : {static_cast<Simulation*>(&simgrid), static_cast<Simulation*>(&flow)}) {
      one->Append(b.program);
      one->Run(kForever, kNoBudget);
    }
    const double difference = Difference(simgrid, flow);
    EXPECT_LE(difference, 1e-6);
    largest = std::max(largest, difference);
    const Outcome a = simgrid.Finish(), f = flow.Finish();
    ASSERT_EQ(a.faults.size(), f.faults.size());
    for (std::size_t e = 0; e < a.faults.size(); ++e) {
      for (const auto field : {&FaultEffect::crossing, &FaultEffect::rerouted, &FaultEffect::moved,
                               &FaultEffect::stalled, &FaultEffect::failed})
        EXPECT_EQ(a.faults[e].*field, f.faults[e].*field) << "event " << e;
      rerouted += f.faults[e].rerouted;
      moved += f.faults[e].moved;
      failed += f.faults[e].failed;
    }
    EXPECT_EQ(a.waiting.size(), f.waiting.size());
    for (std::size_t l = 0; l < a.link_bytes.size(); ++l)
      EXPECT_LE(std::abs((a.link_bytes[l] - f.link_bytes[l]).count()), 2) << "link " << l;
    if (HasFailure()) return;
  }
  RecordProperty("largest_relative_difference", fmt::format("{:.1e}", largest));
  if (!OwnSeeds()) return;
  EXPECT_GT(rerouted, 20u);
  EXPECT_GT(moved, 5u);
  EXPECT_GT(failed, 0u);
}

// A ring whose second host goes: two of its edges, of two QPs each, run out at the same instant.
// However the channel advances, the operation is given up with all four.
TEST(SimgridSimulation, CountsAllThatAnOperationHadWhenItIsGivenUp) {
  const Net net = Star(4, k100G, 0us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 2, 0us));
  b.AddRun(0, 40 * kMB);
  for (const Coupling coupling : {Coupling::kTight, Coupling::kLoose}) {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    input.fault_policy = {0us, 0us, 100us, FaultPolicy::Qps::kStay};
    input.events.push_back(
        {At(20us), net.Cable(net.nic[1], net.leaf[0]), {false, 1, Direction::kBoth}});
    SimgridSimulation simgrid(input);
    FlowSimulation flow(input);
    for (Simulation* one : {static_cast<Simulation*>(&simgrid), static_cast<Simulation*>(&flow)}) {
      one->Append(b.program);
      one->Run(kForever, kNoBudget);
      ASSERT_EQ(one->completions().size(), 1u);
      EXPECT_EQ(one->completions()[0].end, At(120us));
      const FaultEffect effect = one->Finish().faults[0];
      EXPECT_EQ(effect.crossing, 4u);
      EXPECT_EQ(effect.stalled, 4u);
      EXPECT_EQ(effect.failed, 4u);
    }
  }
}

// One send, 1 MB at 100G, whose path goes at 20 us with 0.75 MB left; its sender would give it up
// at 120 us, when it gets a path.
void EndsInTime(const SimulationInput& input, const Builder& b) {
  SimgridSimulation simgrid(input);
  FlowSimulation flow(input);
  for (Simulation* one : {static_cast<Simulation*>(&simgrid), static_cast<Simulation*>(&flow)}) {
    EXPECT_EQ(EndsByRow(*one, b.program), std::vector{At(180us)});
    const Outcome outcome = one->Finish();
    EXPECT_EQ(outcome.faults[0].crossing, 1u);
    EXPECT_EQ(outcome.faults[0].failed, 0u);
  }
}

TEST(SimgridSimulation, APathInTheInstantOfGivingUpIsInTime) {
  const Net star = Star(2, k100G, 0us);
  Builder b;
  b.AddSend(star.nic[0], star.nic[1], kMB);
  SimulationInput repaired = star.Input();
  repaired.fault_policy = {0us, 0us, 100us, FaultPolicy::Qps::kStay};
  const ElementId cable = star.Cable(star.nic[0], star.leaf[0]);
  repaired.events = {{At(20us), cable, {false, 1, Direction::kBoth}}, {At(120us), cable, {}}};
  EndsInTime(repaired, b);

  const Net spines = LeafSpine(2, 2, 1, k100G, 0us);
  Builder across;
  across.AddSend(spines.nic[0], spines.nic[1], kMB);
  SimulationInput rerouted = spines.Input();
  FlowSimulation probe(rerouted);
  probe.Append(across.program);
  const LinkId first = spines.fabric->FindLink(spines.leaf[0], spines.spine[0]);
  const VertexId used = spines.spine[probe.UsersOf(first).empty() ? 1 : 0];
  rerouted.fault_policy = {100us, 0us, 100us, FaultPolicy::Qps::kStay};
  rerouted.events = {{At(20us), spines.Cable(spines.leaf[0], used), {false, 1, Direction::kBoth}}};
  EndsInTime(rerouted, across);

  const Net planes = Star(2, k100G, 0us, 2);
  Builder by_port;
  by_port.AddSend(planes.nic[0], planes.nic[1], kMB);
  SimulationInput moved = planes.Input();
  FlowSimulation ports(moved);
  ports.Append(by_port.program);
  const LinkId port = planes.fabric->FindLink(planes.nic[0], planes.leaf[0]);
  const VertexId plane = planes.leaf[ports.UsersOf(port).empty() ? 1 : 0];
  moved.fault_policy = {60us, 40us, 100us, FaultPolicy::Qps::kMove};
  moved.events = {{At(20us), planes.Cable(planes.nic[0], plane), {false, 1, Direction::kBoth}}};
  EndsInTime(moved, by_port);
}

// 18 TB are 2^64 parts of a byte as small as SimGrid counts others in: 1,440 s at 100G, and 0.5 MB
// beside it share the first 80 us.
TEST(SimgridSimulation, CountsAnyNumberOfBytes) {
  const Net net = Star(3, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[2], 18'000'000 * kMB);
  b.AddSend(net.nic[1], net.nic[2], kMB / 2);
  SimgridSimulation simulation(net.Input());
  FlowSimulation flow(net.Input());
  EndsByRow(flow, b.program);
  EXPECT_EQ(EndsByRow(simulation, b.program)[1], At(80us));
  EXPECT_NEAR(ToSeconds(simulation.Finish().end.time_since_epoch()), 1440.00004, 1e-6);
  EXPECT_LE(Difference(simulation, flow), 1e-9);
}

// 60 TB take 4,800 s: what ended before is told, and why nothing more is.
TEST(SimgridSimulation, SaysThatItsClockEnds) {
  const Net net = Star(2, k100G, 0us);
  Builder b;
  b.AddSend(net.nic[0], net.nic[1], kMB, {0});
  b.AddSend(net.nic[0], net.nic[1], 60'000'000 * kMB, {0});
  SimgridSimulation simulation(net.Input());
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kStarved);
  EXPECT_EQ(simulation.completions().size(), 1u);
  EXPECT_NE(simulation.Finish().gave_up.find("after 4096 s"), std::string::npos);
  EXPECT_EQ(simulation.process(), -1);
}

// Edges of 3, 2 and 1 parts: 3 : 2 is no whole number, 2 : 1 is.
TEST(SimgridSimulation, RefusesATightChannelOfFractions) {
  const Net net = Star(4, k100G, 1us);
  const auto program = [&](std::int64_t other) {
    Builder b;
    b.program.amounts = {Bytes(), Bytes(3 * kMB), Bytes(other)};
    b.AddPattern(
        Edges({{net.nic[0], net.nic[1]}, {net.nic[1], net.nic[2]}}, Pattern::Advance::kPipelined));
    b.AddRun(0, kMB);
    b.program.ops[0].first_amount = 1;
    return b;
  };
  EXPECT_TRUE(SimgridCannot(program(2 * kMB).program, Coupling::kTight));
  EXPECT_TRUE(SimgridCannot(program(2 * kMB).program, Coupling::kAuto));
  EXPECT_FALSE(SimgridCannot(program(2 * kMB).program, Coupling::kLoose));
  EXPECT_FALSE(SimgridCannot(program(3 * kMB).program, Coupling::kTight));
  EXPECT_FALSE(SimgridCannot(program(0).program, Coupling::kTight));
}

// A chain of sends of 80 us each: 82, 164, 246 us.
Builder Chain(const Net& net, int length) {
  Builder b;
  for (int i = 0; i < length; ++i) b.AddSend(net.nic[0], net.nic[1], kMB, {0});
  return b;
}

TEST(SimgridSimulation, StopsWhereItIsToldAndGoesOn) {
  const Net net = Star(2, k100G, 1us);
  const Builder b = Chain(net, 3);
  SimgridSimulation simulation(net.Input());
  simulation.Append(b.program);
  EXPECT_EQ(simulation.Run(At(100us), kNoBudget), Stop::kUntil);
  EXPECT_EQ(simulation.completions().size(), 1u);
  EXPECT_EQ(simulation.Finish().waiting.size(), 2u);
  const RowId second{1};
  simulation.Watch({&second, 1});
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kWatched);
  EXPECT_EQ(simulation.completions().size(), 2u);
  simulation.Watch({});
  Stop stop;
  while ((stop = simulation.Run(kForever, 1)) == Stop::kBudget) continue;
  EXPECT_EQ(stop, Stop::kIdle);
  EXPECT_EQ(simulation.completions().back().end, At(246us));
}

TEST(SimgridSimulation, ResetEqualsFresh) {
  const Net net = LeafSpine(2, 3, 3, k100G, 1us);
  Random random(5);
  const Builder b = RandomProgram(net, random);
  SimulationInput input = net.Input();
  input.seed = HashSeed{1};
  SimgridSimulation simulation(input);
  EndsByRow(simulation, b.program);
  simulation.Reset(HashSeed{2});
  EXPECT_TRUE(simulation.completions().empty());
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  input.seed = HashSeed{2};
  SimgridSimulation fresh(input);
  EndsByRow(fresh, b.program);
  EXPECT_EQ(Difference(simulation, fresh), 0);
  EXPECT_EQ(simulation.Finish().link_bytes, fresh.Finish().link_bytes);
}

// Far more records than a pipe holds: the process cannot have ended.
TEST(SimgridSimulation, LeavesNoProcessBehind) {
  const Net net = Star(2, k100G, 1us);
  const Builder b = Chain(net, 20'000);
  pid_t process = -1;
  {
    SimgridSimulation simulation(net.Input());
    simulation.Append(b.program);
    EXPECT_EQ(simulation.Run(At(100us), kNoBudget), Stop::kUntil);
    process = simulation.process();
    ASSERT_GT(process, 0);
    EXPECT_TRUE(Lives(process));
  }
  EXPECT_FALSE(Lives(process));
}

TEST(SimgridSimulation, RunsTwiceAtOnceInOneProcess) {
  const Net net = LeafSpine(2, 3, 3, k100G, 1us);
  Random random(7);
  const Builder b = RandomProgram(net, random);
  const auto input = [&](std::uint64_t seed) {
    SimulationInput with_seed = net.Input();
    with_seed.seed = HashSeed{seed};
    return with_seed;
  };
  std::vector<std::unique_ptr<SimgridSimulation>> simulations;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    simulations.push_back(std::make_unique<SimgridSimulation>(input(seed)));
    simulations.back()->Append(b.program);
  }
  std::vector<std::thread> threads;
  for (const auto& simulation : simulations)
    threads.emplace_back([&] { EXPECT_EQ(simulation->Run(kForever, kNoBudget), Stop::kIdle); });
  for (std::thread& thread : threads) thread.join();
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    FlowSimulation flow(input(seed));
    EndsByRow(flow, b.program);
    EXPECT_LE(Difference(*simulations[seed], flow), 1e-6);
  }
}

// Killed from outside, as when memory runs out: a defect with a reason, no hang.
TEST(SimgridSimulationDeathTest, SaysWhyWhereItsProcessDies) {
  const Net net = Star(2, k100G, 1us);
  const Builder b = Chain(net, 20'000);
  EXPECT_DEATH(
      {
        SimgridSimulation simulation(net.Input());
        simulation.Append(b.program);
        simulation.Run(At(100us), kNoBudget);
        kill(simulation.process(), SIGKILL);
        simulation.Run(kForever, kNoBudget);
      },
      "the SimGrid process ended early \\(signal 9\\)");
}

}  // namespace
}  // namespace weft
