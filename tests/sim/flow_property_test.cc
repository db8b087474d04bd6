// Properties of the flow engine on random networks, programs and faults.
#include <gtest/gtest.h>

#include <cmath>

#include "sim/flow/flow_simulation.h"
#include "sim/startup.h"
#include "tests/sim/random_program.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

using Stop = Simulation::Stop;

constexpr Coupling kCouplings[] = {Coupling::kAuto, Coupling::kTight, Coupling::kLoose};

struct Case {
  Net net;
  Builder builder;
  SimulationInput input;
};

Case RandomCase(std::uint64_t seed, bool faults) {
  Random random(seed);
  Case c;
  c.net = RandomNet(random);
  c.builder = RandomProgram(c.net, random);
  CheckProgram(c.builder.program);
  c.input = c.net.Input();
  c.input.seed = HashSeed{seed};
  c.input.physics.mtu = Bytes(4096);
  c.input.physics.launch = 2us;
  c.input.physics.coupling = kCouplings[seed % 3];
  c.input.fault_policy = {
      20us, 10us, {}, seed % 2 == 0 ? FaultPolicy::Qps::kMove : FaultPolicy::Qps::kStay};
  if (faults) c.input.events = RandomEvents(c.net, random);
  return c;
}

std::string Text(const Simulation& simulation, Outcome outcome) {
  std::string text;
  const auto add = [&](std::int64_t value) { text += std::to_string(value) + ' '; };
  for (const Completion& c : simulation.completions()) {
    add(Index(c.row));
    add(c.pass);
    add(c.start.time_since_epoch().count());
    add(c.end.time_since_epoch().count());
    add(Index(c.bottleneck));
  }
  for (const ChannelEnd& c : simulation.channel_ends()) add(c.end.time_since_epoch().count());
  for (const Bytes bytes : outcome.link_bytes) add(bytes.count());
  for (const FaultEffect& f : outcome.faults)
    for (const std::uint32_t n : {f.crossing, f.rerouted, f.moved, f.stalled, f.failed}) add(n);
  return text;
}

std::string RunAll(FlowSimulation& simulation) {
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  return Text(simulation, simulation.Finish());
}

// The rates satisfy the conditions of fairness after every instant, and going
// instant by instant changes nothing.
TEST(FlowSimulation, IsFairAtEveryInstant) {
  for (const std::uint64_t seed : TestSeeds(300)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const Case c = RandomCase(seed, true);
    FlowSimulation stepped(c.input), whole(c.input);
    stepped.Append(c.builder.program);
    whole.Append(c.builder.program);
    Stop stop;
    while ((stop = stepped.Run(kForever, 1)) == Stop::kBudget)
      ASSERT_LT(MaxMinResidual(stepped.Rates()), 1e-9);
    ASSERT_EQ(stop, Stop::kIdle);
    ASSERT_EQ(Text(stepped, stepped.Finish()), RunAll(whole));
  }
}

// Without faults every byte crosses exactly the links of its bound path.
TEST(FlowSimulation, ConservesBytesOnEveryLink) {
  for (const std::uint64_t seed : TestSeeds(200)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const Case c = RandomCase(seed, false);
    FlowSimulation simulation(c.input);
    simulation.Append(c.builder.program);
    ASSERT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);

    Schedule schedule;
    schedule.Append(c.builder.program);
    PathTable paths(*c.net.fabric, *c.net.router, c.input.physics, c.input.seed);
    paths.Append(c.builder.program, 0);
    std::vector<double> expected(c.net.fabric->link_count(), 0.0);
    for (const Completion& done : simulation.completions()) {
      const Op& op = schedule.op(Index(done.row));
      if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
      const PathTable::Subject& subject = paths.subject(0, op);
      for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
        for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
          for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q]))
            expected[Index(link)] +=
                EdgeWireBytes(c.builder.program, op, subject, e) / paths.edges()[e].qps;
    }
    const Outcome outcome = simulation.Finish();
    for (std::size_t l = 0; l < expected.size(); ++l)
      ASSERT_NEAR(static_cast<double>(outcome.link_bytes[l].count()), expected[l], 0.51 + 1e-6)
          << "link " << l;
  }
}

TEST(FlowSimulation, ResetEqualsFreshAndRepeatsItself) {
  for (const std::uint64_t seed : TestSeeds(100)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Case c = RandomCase(seed, true);
    FlowSimulation simulation(c.input);
    simulation.Append(c.builder.program);
    const std::string first = RunAll(simulation);
    simulation.Reset(HashSeed{seed + 1000});
    const std::string other = RunAll(simulation);
    simulation.Reset(HashSeed{seed});
    EXPECT_EQ(RunAll(simulation), first);

    c.input.seed = HashSeed{seed + 1000};
    FlowSimulation fresh(c.input);
    fresh.Append(c.builder.program);
    EXPECT_EQ(RunAll(fresh), other);
  }
}

// What is left of a run that was stopped on the way does not reach the next.
TEST(FlowSimulation, ResetOnTheWayEqualsFresh) {
  for (const std::uint64_t seed : TestSeeds(50)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Case c = RandomCase(seed, seed % 2 == 0);
    FlowSimulation fresh(c.input), simulation(c.input);
    fresh.Append(c.builder.program);
    simulation.Append(c.builder.program);
    const std::string expected = RunAll(fresh);
    for (const std::uint64_t instants : {3u, 7u, 15u, 30u}) {
      simulation.Run(kForever, instants);
      simulation.Reset(HashSeed{seed});
    }
    EXPECT_EQ(RunAll(simulation), expected);
  }
}

// Streams are common to all programs; sends are bound after the patterns of
// their own program, so halves without patterns bind alike.
TEST(FlowSimulation, AppendingInTwoHalvesEqualsOne) {
  for (const std::uint64_t seed : TestSeeds(100)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = RandomNet(random);
    Builder whole, halves[2];
    const auto nics = static_cast<std::uint32_t>(net.nic.size());
    for (int i = 0; i < 20; ++i) {
      const std::uint32_t from = random.Below(nics), stream = random.Below(4);
      const VertexId a = net.nic[from], b = net.nic[(from + 1) % nics];
      const std::int64_t bytes = 1 + random.Below(1'000'000);
      whole.AddSend(a, b, bytes, {stream});
      halves[i / 10].AddSend(a, b, bytes, {stream});
    }
    for (Builder* b : {&whole, &halves[0], &halves[1]}) b->program.stream_count = 4;
    FlowSimulation one(net.Input()), two(net.Input());
    one.Append(whole.program);
    two.Append(halves[0].program);
    EXPECT_EQ(two.Append(halves[1].program), RowId{10});
    EXPECT_EQ(RunAll(one), RunAll(two));
  }
}

// Twice the rates and half of every latency and computation: half the time, but
// for the rounding up of each event.
TEST(FlowSimulation, TwiceAsFastTakesHalfTheTime) {
  for (const std::uint64_t seed : TestSeeds(200)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const auto run = [&](std::int64_t speed) {
      Random random(seed);
      const Net net = RandomNet(random, static_cast<double>(speed), 1'000'000 / speed);
      Builder b = RandomProgram(net, random);
      b.program.tunings[0].launch /= speed;
      for (Pattern& pattern : b.program.patterns)
        for (EdgeClass& edge_class : pattern.classes) edge_class.step /= speed;
      for (Op& op : b.program.ops)
        if (op.kind == Op::Kind::kCompute) op.amount /= speed;
      SimulationInput input = net.Input();
      input.physics.coupling = kCouplings[seed % 3];
      FlowSimulation simulation(input);
      simulation.Append(b.program);
      EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
      return simulation.Finish().end.time_since_epoch().count();
    };
    EXPECT_NEAR(static_cast<double>(run(1)), 2.0 * static_cast<double>(run(2)), 2000);
  }
}

}  // namespace
}  // namespace weft
