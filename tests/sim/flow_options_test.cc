// Every technique that makes the flow engine fast against the run without it.
//
// All sum the same numbers in another order, so times may differ by rounding: 1e-9 of
// the time, and a picosecond for each of the few roundings to whole ones on the way.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "sim/flow/folded_simulation.h"
#include "tests/sim/random_program.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

using Stop = Simulation::Stop;

struct Technique {
  const char* name;
  bool SimOptions::*on;
};
constexpr Technique kTechniques[] = {{"implicit_rates", &SimOptions::implicit_rates},
                                     {"work_list", &SimOptions::work_list},
                                     {"batch", &SimOptions::batch},
                                     {"replace", &SimOptions::replace},
                                     {"silent_links", &SimOptions::silent_links},
                                     {"fold", &SimOptions::fold},
                                     {"memoise", &SimOptions::memoise}};

SimOptions All() {
  SimOptions options;
  options.fold = options.memoise = true;
  return options;
}

struct Answer {
  std::vector<Completion> completions;
  std::vector<ChannelEnd> channel_ends;
  Outcome outcome;
};

Answer RunWith(SimulationInput input, const SimOptions& options, const Program& program) {
  input.options = options;
  FoldedSimulation simulation(input);
  simulation.Append(program);
  EXPECT_EQ(simulation.Run(kForever, kNoBudget), Stop::kIdle);
  Answer answer;
  answer.completions.assign(simulation.completions().begin(), simulation.completions().end());
  answer.channel_ends.assign(simulation.channel_ends().begin(), simulation.channel_ends().end());
  answer.outcome = simulation.Finish();
  const auto by_row = [](const auto& a, const auto& b) {
    return std::pair(a.row, a.pass) < std::pair(b.row, b.pass);
  };
  std::stable_sort(answer.completions.begin(), answer.completions.end(), by_row);
  std::sort(answer.channel_ends.begin(), answer.channel_ends.end(), [&](auto& a, auto& b) {
    return std::tuple(a.row, a.pass, a.channel) < std::tuple(b.row, b.pass, b.channel);
  });
  return answer;
}

void ExpectNear(SimTime a, SimTime b) {
  const double x = static_cast<double>(a.time_since_epoch().count());
  const double y = static_cast<double>(b.time_since_epoch().count());
  ASSERT_NEAR(x, y, 8 + 1e-9 * y);
}

void ExpectEqual(const Answer& a, const Answer& b) {
  ASSERT_EQ(a.completions.size(), b.completions.size());
  for (std::size_t i = 0; i < a.completions.size(); ++i) {
    ASSERT_EQ(a.completions[i].row, b.completions[i].row);
    ASSERT_EQ(a.completions[i].pass, b.completions[i].pass);
    ASSERT_EQ(a.completions[i].status, b.completions[i].status);
    ExpectNear(a.completions[i].start, b.completions[i].start);
    ExpectNear(a.completions[i].end, b.completions[i].end);
  }
  ASSERT_EQ(a.channel_ends.size(), b.channel_ends.size());
  for (std::size_t i = 0; i < a.channel_ends.size(); ++i) {
    ASSERT_EQ(a.channel_ends[i].row, b.channel_ends[i].row);
    ASSERT_EQ(a.channel_ends[i].channel, b.channel_ends[i].channel);
    ExpectNear(a.channel_ends[i].end, b.channel_ends[i].end);
  }
  for (std::size_t l = 0; l < a.outcome.link_bytes.size(); ++l)
    ASSERT_NEAR(static_cast<double>(a.outcome.link_bytes[l].count()),
                static_cast<double>(b.outcome.link_bytes[l].count()), 2);
}

SimulationInput InputOf(const Net& net, std::uint64_t seed) {
  constexpr Coupling kCouplings[] = {Coupling::kAuto, Coupling::kTight, Coupling::kLoose};
  SimulationInput input = net.Input();
  input.seed = HashSeed{seed};
  input.physics.launch = 2us;
  input.physics.coupling = kCouplings[seed % 3];
  return input;
}

TEST(SimOptions, EachTechniqueAloneChangesNoAnswer) {
  for (const std::uint64_t seed : TestSeeds(150)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = RandomNet(random);
    const Builder builder = RandomProgram(net, random);
    SimulationInput input = InputOf(net, seed);
    if (seed % 2 == 0) input.events = RandomEvents(net, random);
    const Answer all = RunWith(input, All(), builder.program);
    for (const Technique& technique : kTechniques) {
      SCOPED_TRACE(technique.name);
      SimOptions without = All();
      without.*technique.on = false;
      ExpectEqual(RunWith(input, without, builder.program), all);
    }
  }
}

// Every host sends to one random host after the other: equal capacities and equal
// sizes, so that shares tie and bottlenecks change hands at equal levels.
Builder ClosedLoop(const Net& net, Random& random, bool equal_sizes) {
  Builder b;
  const auto hosts = static_cast<std::uint32_t>(net.nic.size());
  for (std::uint32_t i = 0; i < 30 * hosts; ++i) {
    const std::uint32_t from = i % hosts, to = (from + 1 + random.Below(hosts - 1)) % hosts;
    b.AddSend(net.nic[from], net.nic[to], equal_sizes ? 2'000'000 : 1'000 + random.Below(2'000'000),
              {from}, {}, 1);
  }
  b.program.stream_count = hosts;
  return b;
}

TEST(SimOptions, NoTechniqueChangesAClosedLoop) {
  for (const std::uint64_t seed : TestSeeds(20)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = LeafSpine(4, 4, 4, GigabitsPerSecond(400), SimDuration{});
    const Builder builder = ClosedLoop(net, random, seed % 2 == 0);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    const Answer all = RunWith(input, All(), builder.program);
    for (const Technique& technique : kTechniques) {
      SCOPED_TRACE(technique.name);
      SimOptions without = All();
      without.*technique.on = false;
      ExpectEqual(RunWith(input, without, builder.program), all);
    }
  }
}

// The rates are fair at every instant of such a loop, ties and all.
TEST(SimOptions, AClosedLoopIsFairAtEveryInstant) {
  for (const std::uint64_t seed : TestSeeds(6)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = LeafSpine(4, 4, 4, GigabitsPerSecond(400), SimDuration{});
    const Builder builder = ClosedLoop(net, random, seed % 2 == 0);
    SimulationInput input = net.Input();
    input.seed = HashSeed{seed};
    FlowSimulation simulation(input);
    simulation.Append(builder.program);
    while (simulation.Run(kForever, 1) == Stop::kBudget)
      ASSERT_LT(MaxMinResidual(simulation.Rates()), 1e-9);
  }
}

// Several channels of more than 64 links each, tight, over one another and single sends, and more
// appended halfway: ends are the same with the option of silent links and without, and rates fair
// throughout.
TEST(SimOptions, WideChannelsThatShareLinksKeepTheirTimes) {
  for (const std::uint64_t seed : TestSeeds(8)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    constexpr std::uint32_t kHosts = 96, kSteps[] = {1, 5, 7, 11};  // prime to kHosts
    const Net net = LeafSpine(8, 6, 12, GigabitsPerSecond(400), 1us);
    Builder first, second;
    for (const std::uint32_t step : kSteps) {
      std::vector<VertexId> ranks;
      for (std::uint32_t i = 0; i < kHosts; ++i) ranks.push_back(net.nic[i * step % kHosts]);
      Builder& b = step == 11 ? second : first;
      b.AddRun(b.AddPattern(Ring(ranks, 2, 2)), 1'000'000 * (1 + random.Below(40)));
    }
    for (int i = 0; i < 12; ++i)
      first.AddSend(net.nic[random.Below(40)], net.nic[40 + random.Below(40)],
                    1'000'000 * (1 + random.Below(9)), {random.Below(3)});
    SimulationInput input = InputOf(net, seed);
    input.physics.coupling = Coupling::kTight;
    input.options.fold = input.options.memoise = false;
    std::vector<std::vector<Completion>> ends;
    for (const bool silent : {true, false}) {
      input.options.silent_links = silent;
      FlowSimulation simulation(input);
      simulation.Append(first.program);
      EXPECT_EQ(simulation.Run(SimTime(1ms), kNoBudget), Stop::kUntil);  // past the rings' start-up
      ASSERT_LT(MaxMinResidual(simulation.Rates()), 1e-9);
      EXPECT_EQ(simulation.Rates().twins > 0, silent);
      simulation.Append(second.program);
      while (simulation.Run(kForever, 1) == Stop::kBudget)
        ASSERT_LT(MaxMinResidual(simulation.Rates()), 1e-9);
      ends.emplace_back(simulation.completions().begin(), simulation.completions().end());
    }
    ASSERT_EQ(ends[0].size(), 16u);
    ASSERT_EQ(ends[1].size(), ends[0].size());
    for (std::size_t i = 0; i < ends[0].size(); ++i) {
      ASSERT_EQ(ends[0][i].row, ends[1][i].row);
      ExpectNear(ends[0][i].end, ends[1][i].end);
    }
  }
}

// Each NIC sends one flow after the other, at most at its own rate, over links of the same: its
// link to the leaf is silent while it sends, and ends are the same without the option.
TEST(SimOptions, ALinkOfOneFlowAtATimeIsSilent) {
  for (const std::uint64_t seed : TestSeeds(20)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    constexpr std::uint32_t kHosts = 12;
    const Net net = LeafSpine(3, 2, 4, GigabitsPerSecond(400), 1us);
    Builder b;
    std::set<std::uint32_t> senders;  // all begin within 2 us, and none ends in 20
    for (int i = 0; i < 60; ++i) {
      const std::uint32_t from = random.Below(kHosts);
      senders.insert(from);
      const std::uint32_t to = (from + 1 + random.Below(kHosts - 1)) % kHosts;
      b.AddSend(net.nic[from], net.nic[to], 1'000'000 * (1 + random.Below(9)), {from});
    }
    b.program.stream_count = kHosts;
    SimulationInput input = InputOf(net, seed);
    input.options.fold = input.options.memoise = false;
    std::vector<std::vector<Completion>> ends;
    for (const bool silent : {true, false}) {
      input.options.silent_links = silent;
      FlowSimulation simulation(input);
      simulation.Append(b.program);
      std::size_t most = 0;
      while (simulation.Run(kForever, 1) == Stop::kBudget) {
        most = std::max(most, simulation.Rates().twins);
        ASSERT_LT(MaxMinResidual(simulation.Rates()), 1e-9);
      }
      EXPECT_GE(most, silent ? senders.size() : 0u);
      EXPECT_EQ(most > 0, silent);
      ends.emplace_back(simulation.completions().begin(), simulation.completions().end());
    }
    ASSERT_EQ(ends[0].size(), 60u);
    ASSERT_EQ(ends[1].size(), ends[0].size());
    for (std::size_t i = 0; i < ends[0].size(); ++i) {
      ASSERT_EQ(ends[0][i].row, ends[1][i].row);
      ExpectNear(ends[0][i].end, ends[1][i].end);
    }
  }
}

// Two rings, each under its own leaf: one is simulated, both are reported.
TEST(Fold, OneOfTwoReplicasIsSimulated) {
  const Net net = LeafSpine(2, 2, 4, GigabitsPerSecond(100), 1us);
  Builder b;
  for (std::size_t leaf = 0; leaf < 2; ++leaf) {
    const std::vector<VertexId> ranks(net.nic.begin() + static_cast<std::ptrdiff_t>(4 * leaf),
                                      net.nic.begin() + static_cast<std::ptrdiff_t>(4 * leaf + 4));
    b.AddPattern(Ring(ranks, 2, 1, 500ns));
  }
  for (std::uint32_t ring = 0; ring < 2; ++ring) b.AddRun(ring, 1'000'000, {ring}, {});
  b.program.stream_count = 2;
  SimulationInput input = net.Input();
  const Answer folded = RunWith(input, All(), b.program);
  EXPECT_EQ(folded.outcome.folded, 1u);
  EXPECT_EQ(folded.outcome.not_folded, "");
  SimOptions without = All();
  without.fold = false;
  const Answer unfolded = RunWith(input, without, b.program);
  EXPECT_EQ(unfolded.outcome.folded, 0u);
  ExpectEqual(folded, unfolded);

  b.program.ops.back().amount *= 2;  // not the same any more: both are simulated
  ExpectEqual(RunWith(input, All(), b.program), RunWith(input, without, b.program));
}

TEST(Fold, SaysWhyItDoesNot) {
  const Net net = LeafSpine(2, 2, 4, GigabitsPerSecond(100), 1us);
  Builder b;
  const std::vector<VertexId> first(net.nic.begin(), net.nic.begin() + 4);
  b.AddPattern(Ring(first, 1, 1, 500ns));
  b.AddPattern(Ring(first, 1, 1, 500ns));  // over the same links
  for (std::uint32_t ring = 0; ring < 2; ++ring) b.AddRun(ring, 1'000'000, {ring}, {});
  b.program.stream_count = 2;
  SimulationInput input = net.Input();
  EXPECT_EQ(RunWith(input, All(), b.program).outcome.not_folded,
            "other traffic crosses their links");
  const ElementId cable{ElementId::Kind::kCable, 0};
  input.events = {{SimTime(1us), cable, {false, 1, {}}}, {SimTime(2us), cable, {}}};
  EXPECT_EQ(RunWith(input, All(), b.program).outcome.not_folded,
            "faults may change one and not the other");
}

// A pipeline of `stages`, replica d's stage s on host s·replicas + d, or where a replica's hosts
// stand `next_to` each other d·stages + s: computations, sends down and
// up, in a block, then a ring over each stage's replicas.
Builder Pipeline(const Net& net, std::uint32_t replicas, std::uint32_t stages, Random& random,
                 bool next_to = false) {
  Builder b;
  const auto nic = [&](std::uint32_t d, std::uint32_t s) {
    return net.nic[next_to ? d * stages + s : s * replicas + d];
  };
  const auto stream = [&](std::uint32_t d, std::uint32_t s) { return d * stages + s; };
  const auto qps = static_cast<std::uint8_t>(1 + random.Below(2));
  const std::int64_t bytes = 100'000 + random.Below(400'000);
  std::vector<std::uint32_t> before(replicas, Index(kNoRow));
  for (const bool down : {true, false})
    for (std::uint32_t i = 0; i < stages; ++i) {
      const std::uint32_t s = down ? i : stages - 1 - i;
      const SimDuration time(1 + random.Below(20'000'000));
      for (std::uint32_t d = 0; d < replicas; ++d) {
        std::vector<Dep> deps;
        if (before[d] != Index(kNoRow)) deps.push_back({before[d], 0});
        before[d] = b.AddCompute(time, {stream(d, s)}, deps);
      }
      if (i + 1 == stages) continue;
      for (std::uint32_t d = 0; d < replicas; ++d)
        before[d] = b.AddSend(nic(d, s), nic(d, down ? s + 1 : s - 1), bytes, {stream(d, s)},
                              {{before[d], 0}}, qps);
    }
  const auto rows = static_cast<std::uint32_t>(b.program.ops.size());
  b.program.blocks.push_back({0, rows, 12 + random.Below(8)});
  for (std::uint32_t s = 0; s < stages; ++s) {
    std::vector<VertexId> ranks;
    std::vector<std::uint32_t> streams;
    for (std::uint32_t d = 0; d < replicas; ++d) {
      ranks.push_back(nic(d, s));
      streams.push_back(stream(d, s));
    }
    b.AddPattern(Ring(ranks, 1, qps, 500ns));
    b.AddRun(s, 4'000'000, streams);
  }
  return b;
}

// Six replicas of three stages under three leaves, whose hashed uplinks hold them back in some
// draws and not in others; sometimes one replica is unlike the others.
TEST(Fold, ReplicasOfAPipelineAreOneToTheEngine) {
  int folded = 0, filled = 0;
  for (const std::uint64_t seed : TestSeeds(60)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = LeafSpine(3, 2 + static_cast<int>(random.Below(120)), 6, GigabitsPerSecond(100),
                              SimDuration(random.Below(2) * 1'000'000));
    Builder b = Pipeline(net, 6, 3, random);
    if (random.Below(4) == 0) b.program.ops[random.Below(6)].amount += 5'000'000;
    SimulationInput input = InputOf(net, seed);
    const Answer all = RunWith(input, All(), b.program);
    folded += all.outcome.folded > 0 ? 1 : 0;
    filled += all.outcome.not_folded.find(" fills, and replicas") != std::string::npos ? 1 : 0;
    SimOptions without = All();
    without.fold = false;
    const Answer whole = RunWith(input, without, b.program);
    ExpectEqual(all, whole);
    EXPECT_EQ(all.outcome.loose_operations, whole.outcome.loose_operations);
  }
  if (!OwnSeeds()) return;
  EXPECT_GT(folded, 10);
  EXPECT_GT(filled, 10);
}

// Eight replicas, two a leaf, so that rings alone cross the spines: where uplinks hold some rings
// back, replicas are alike all the same. Unless one more ring runs beside their sends.
TEST(Fold, RingsThatMeetOnASpineDoNotTellReplicasApart) {
  int alike = 0, unlike = 0;
  for (const std::uint64_t seed : TestSeeds(60)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Net net = LeafSpine(4, 3, 6, GigabitsPerSecond(100), 1us);
    Builder b = Pipeline(net, 8, 3, random, true);
    const auto rings = static_cast<std::uint32_t>(b.program.ops.size());
    const bool beside = random.Below(4) == 0;
    if (beside) b.AddRun(0, 40'000'000, {b.program.stream_count++});
    SimulationInput input = InputOf(net, seed);
    const Answer all = RunWith(input, All(), b.program);
    SimOptions without = All();
    without.fold = false;
    const Answer whole = RunWith(input, without, b.program);
    ExpectEqual(all, whole);
    std::set<SimDuration> times;
    for (const Completion& one : whole.completions)
      if (Index(one.row) + 3 >= rings && Index(one.row) < rings) times.insert(one.end - one.start);
    if (times.size() < 2 || beside) continue;
    alike += all.outcome.folded > 0 ? 1 : 0;
    // Of few passes it does not pay, and is not tried.
    unlike += all.outcome.not_folded.find("unlike") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(unlike, 0);
  if (OwnSeeds()) {
    EXPECT_GT(alike, 10);
  }
}

// In one star no path differs: of six replicas one is left, and every row says what it did.
TEST(Fold, SaysOfEveryRowWhatItsClassDid) {
  Random random(1);
  const Net net = Star(18, GigabitsPerSecond(100), 1us);
  const Builder b = Pipeline(net, 6, 3, random);
  const Answer all = RunWith(net.Input(), All(), b.program);
  const auto rows = static_cast<std::uint32_t>(b.program.ops.size()), rings = 3u;
  EXPECT_EQ(all.outcome.folded, (rows - rings) / 6 * 5);
  for (const Completion& one : all.completions) {
    const Op& op = b.program.ops[Index(one.row)];
    if (op.kind != Op::Kind::kSend) continue;
    const VertexId from = b.program.sends[op.subject].from, to = b.program.sends[op.subject].to;
    ASSERT_NE(one.bottleneck, kNoLink);
    const Link& link = net.fabric->link(one.bottleneck);
    EXPECT_TRUE(link.from == from || link.to == to);
  }
}

TEST(Fold, RefusesWhatMakesReplicasUnlike) {
  Random random(1);
  const Net net = Star(18, GigabitsPerSecond(100), 1us);
  Builder b = Pipeline(net, 6, 3, random);
  b.program.jitter = {0.01, 1};
  b.program.host_of_stream.assign(b.program.stream_count, HostId{0});
  EXPECT_EQ(RunWith(net.Input(), All(), b.program).outcome.not_folded,
            "jitter makes replicas unlike");
}

// Two operations over the same paths at the same time share them: they are not one.
TEST(Fold, TwoRunsOfOnePatternAreTwo) {
  const Net net = Star(8, GigabitsPerSecond(100), 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 1, 500ns));
  for (std::uint32_t stream = 0; stream < 2; ++stream) b.AddRun(0, 1'000'000, {stream});
  b.program.blocks.push_back({0, 2, 16});
  for (const Coupling coupling : {Coupling::kAuto, Coupling::kTight, Coupling::kLoose}) {
    SimulationInput input = net.Input();
    input.physics.coupling = coupling;
    SimOptions without = All();
    without.fold = false;
    const Answer folded = RunWith(input, All(), b.program);
    ExpectEqual(folded, RunWith(input, without, b.program));
  }
}

// A ring of sends in which each waits for the one before it, a pass ago: hosts at one place of
// their leaves do the same, whichever row the program begins with.
TEST(Fold, RowsThatWaitForEachOtherInARing) {
  const Net net = LeafSpine(4, 4, 4, GigabitsPerSecond(100), 1us);
  Builder b;
  for (std::uint32_t i = 0; i < 16; ++i) {
    b.AddSend(net.nic[i], net.nic[(i + 1) % 16], 1'000'000);
    b.program.ops[i].first_dep = static_cast<std::uint32_t>(b.program.deps.size());
    b.program.ops[i].dep_count = 1;
    b.program.deps.push_back({(i + 15) % 16, 1});
  }
  b.program.blocks.push_back({0, 16, 100});
  SimOptions without = All();
  without.fold = false;
  const Answer folded = RunWith(net.Input(), All(), b.program);
  EXPECT_EQ(folded.outcome.folded, 12u);
  ExpectEqual(folded, RunWith(net.Input(), without, b.program));
}

// What a row waits for is of its own replica.
TEST(Fold, NamesWhatEachRowWaitsFor) {
  Random random(3);
  const Net net = Star(18, GigabitsPerSecond(100), 1us);
  const Builder b = Pipeline(net, 6, 3, random);
  const auto waiting = [&](bool fold) {
    SimulationInput input = net.Input();
    input.options.fold = fold;
    FoldedSimulation simulation(input);
    simulation.Append(b.program);
    EXPECT_EQ(simulation.Run(SimTime(10us), kNoBudget), Stop::kUntil);
    return simulation.Finish().waiting;
  };
  const std::vector<Waiting> folded = waiting(true), whole = waiting(false);
  ASSERT_EQ(folded.size(), whole.size());
  for (std::size_t i = 0; i < folded.size(); ++i) {
    EXPECT_EQ(folded[i].row, whole[i].row);
    EXPECT_EQ(folded[i].for_row, whole[i].for_row) << Index(folded[i].row);
  }
}

// Stopped half-way and gone on with, watched, cancelled: as the whole does.
TEST(Fold, StopsAndGoesOn) {
  Random random(2);
  const Net net = Star(18, GigabitsPerSecond(100), 1us);
  const Builder b = Pipeline(net, 6, 3, random);
  SimulationInput input = net.Input();
  const auto run = [&](bool fold) {
    input.options.fold = fold;
    auto simulation = std::make_unique<FoldedSimulation>(input);
    simulation->Append(b.program);
    const std::vector<RowId> watched{RowId{7}};
    simulation->Watch(watched);
    EXPECT_EQ(simulation->Run(SimTime(1us), kNoBudget), Stop::kUntil);
    EXPECT_EQ(simulation->Run(kForever, kNoBudget), Stop::kWatched);
    return simulation;
  };
  const auto folded = run(true), whole = run(false);
  ASSERT_EQ(folded->completions().size(), whole->completions().size());
  const auto a = folded->Finish().link_bytes, c = whole->Finish().link_bytes;
  for (std::size_t l = 0; l < a.size(); ++l)
    EXPECT_NEAR(static_cast<double>(a[l].count()), static_cast<double>(c[l].count()), 2);
  for (const auto& one : {folded.get(), whole.get()}) {
    one->Cancel(JobId{0});
    EXPECT_EQ(one->Run(kForever, kNoBudget), Stop::kWatched);
  }
  EXPECT_EQ(folded->completions().size(), whole->completions().size());
  folded->Reset(HashSeed{3});
  folded->Watch({});
  EXPECT_EQ(folded->Run(kForever, kNoBudget), Stop::kIdle);
  EXPECT_GT(folded->Finish().folded, 0u);
}

// Sixteen repeats of a ring that collides with itself: simulated once, and the same to
// the picosecond, as every repeat starts from rest.
TEST(Memoise, ARepeatIsSimulatedOnce) {
  const Net net = LeafSpine(2, 2, 4, GigabitsPerSecond(100), 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 2, 4, 500ns));
  for (int i = 0; i < 16; ++i) b.AddRun(0, 1'000'000, {0}, {});
  b.program.stream_count = 1;
  SimulationInput input = net.Input();
  input.physics.coupling = Coupling::kLoose;
  SimOptions without = All();
  without.memoise = false;
  const Answer once = RunWith(input, All(), b.program), always = RunWith(input, without, b.program);
  ExpectEqual(once, always);
  EXPECT_EQ(once.outcome.memoised, 15u);
  EXPECT_EQ(always.outcome.memoised, 0u);
}

// Stopped in the middle of a replay, what has crossed the links by then is known.
TEST(Memoise, KnowsItsBytesInTheMiddle) {
  const Net net = Star(4, GigabitsPerSecond(100), 1us);
  Builder b;
  b.AddPattern(Ring(net.nic, 1, 1, 500ns));
  for (int i = 0; i < 3; ++i) b.AddRun(0, 10'000'000, {0}, {});
  b.program.stream_count = 1;
  const auto stopped = [&](bool memoise) {
    SimulationInput input = net.Input();
    input.options.memoise = memoise;
    FlowSimulation simulation(input);
    simulation.Append(b.program);
    EXPECT_EQ(simulation.Run(SimTime(2ms), kNoBudget), Stop::kUntil);
    return simulation.Finish().link_bytes;
  };
  const std::vector<Bytes> a = stopped(true), c = stopped(false);
  Bytes sum;
  for (std::size_t l = 0; l < a.size(); ++l) {
    EXPECT_NEAR(static_cast<double>(a[l].count()), static_cast<double>(c[l].count()), 1);
    sum = sum + a[l];
  }
  EXPECT_GT(sum, Bytes(0));
}

// Three programs, two of them appended on the way, jobs cancelled, faults, sometimes a run that was
// stopped before: when each row ended, and how. The rates are fair wherever it stands still.
using Ends = std::map<std::pair<std::uint32_t, std::uint32_t>, Completion>;
Ends RunMixed(std::uint64_t seed, const SimOptions& options) {
  Random random(seed);
  const Net net = RandomNet(random);
  std::vector<Builder> programs;
  for (int i = 0; i < 3; ++i) programs.push_back(RandomProgram(net, random));
  for (Builder& builder : programs)
    for (Op& op : builder.program.ops) op.job = JobId{static_cast<std::uint16_t>(random.Below(3))};
  SimulationInput input = net.Input();
  input.seed = HashSeed{seed};
  input.physics.launch = 2us;
  input.physics.coupling = seed % 2 == 0 ? Coupling::kTight : Coupling::kLoose;
  input.fault_policy = {
      20us, 10us, {}, seed % 2 == 0 ? FaultPolicy::Qps::kMove : FaultPolicy::Qps::kStay};
  if (seed % 3 == 0) input.events = RandomEvents(net, random);
  input.options = options;
  FlowSimulation simulation(input);
  SimTime until{};
  const auto go_on = [&] {
    until += std::chrono::microseconds(random.Below(200)) + SimDuration(137'777);
    simulation.Run(until, kNoBudget);
    EXPECT_LT(MaxMinResidual(simulation.Rates()), 1e-9);
  };
  simulation.Append(programs[0].program);
  if (seed % 5 == 0) {
    go_on();
    simulation.Reset(HashSeed{seed});
    until = SimTime{};
  }
  for (int i = 1; i < 3; ++i) {
    go_on();
    simulation.Append(programs[static_cast<std::size_t>(i)].program);
    go_on();
    simulation.Cancel(JobId{static_cast<std::uint16_t>(random.Below(3))});
  }
  simulation.Run(kForever, kNoBudget);
  Ends ends;
  for (const Completion& c : simulation.completions()) ends[{Index(c.row), c.pass}] = c;
  return ends;
}

TEST(FlowOptions, ProgramsThatComeAndGoEndAlikeWithoutEachTechnique) {
  for (const std::uint64_t seed : TestSeeds(60)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const Ends with = RunMixed(seed, {});
    for (const Technique& technique : kTechniques) {
      SimOptions options;
      if (!(options.*technique.on)) continue;
      options.*technique.on = false;
      const Ends without = RunMixed(seed, options);
      ASSERT_EQ(with.size(), without.size()) << technique.name;
      for (const auto& [row, end] : with) {
        ASSERT_EQ(without.count(row), 1u) << technique.name;
        const Completion& other = without.at(row);
        ASSERT_EQ(other.status, end.status) << technique.name;
        ASSERT_NEAR(ToSeconds(other.end), ToSeconds(end.end), 1e-9 * ToSeconds(end.end) + 3e-12)
            << technique.name << " row " << row.first;
      }
    }
  }
}

}  // namespace
}  // namespace weft
