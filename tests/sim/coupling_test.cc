// Tight and loose against a ring that moves chunk by chunk. T is the time of a chunk.
#include "sim/flow/coupling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "base/random.h"
#include "sim/flow/flow_simulation.h"
#include "tests/sim/nets.h"
#include "tests/sim/seed.h"
#include "tests/sim/tandem_ring.h"

namespace weft {
namespace {

constexpr SimDuration kPicosecond{1};
// 2(n − 1) steps of one chunk: 14 for 8 ranks.
constexpr TandemRing kEight{.ranks = 8};
const SimDuration kT = kEight.chunk_time();

SimTime AtChunk(int chunks) { return SimTime(chunks * kT); }

TEST(TandemRing, WithoutBurstsTakesItsChunksForAnySlack) {
  for (const std::uint32_t slack : {1u, 2u, 8u, kNoSlack})
    for (const std::uint32_t lag : {1u, 2u}) {
      const TandemRing ring{.ranks = 5, .rounds = 3, .lag = lag, .slack = slack};
      EXPECT_EQ(ring.chunks(), 3 * 8 * lag);
      EXPECT_EQ(RunTandemRing(ring, {}), ring.chunks() * ring.chunk_time());
      EXPECT_EQ(RunTandemRingBeside(ring, {}), ring.chunks() * ring.chunk_time());
    }
}

// A link slow all the time sets everyone's pace, however much slack there is.
TEST(TandemRing, OneSlowLinkSlowsTheWholeRing) {
  for (const std::uint32_t slack : {1u, 4u, kNoSlack}) {
    TandemRing ring = kEight;
    ring.slack = slack;
    const std::vector<Burst> slow{{3, AtChunk(0), AtChunk(1000), 0.25}};
    EXPECT_EQ(RunTandemRing(ring, slow), 4 * 14 * kT);
    EXPECT_EQ(RunFlowRing(ring, slow, Coupling::kTight), 4 * 14 * kT);
    EXPECT_EQ(RunFlowRing(ring, slow, Coupling::kLoose), 4 * 14 * kT);
  }
}

// Edge 0 loses T in its first chunk. With lag 1 that reaches edge 2 with chunk 2, which would
// set out at 2T and does at 3T. What edge 2 loses before costs nothing more, what it loses
// after adds up. Tight adds up what is lost at different times, loose nothing.
TEST(TandemRing, ALossTravelsOneEdgeAChunk) {
  const std::vector<Burst> before{{0, AtChunk(0), AtChunk(2), 0.5},
                                  {2, AtChunk(1), AtChunk(3), 0.5}};
  EXPECT_EQ(RunTandemRing(kEight, before), 15 * kT);
  EXPECT_EQ(RunFlowRing(kEight, before, Coupling::kLoose), 15 * kT);
  EXPECT_EQ(RunFlowRing(kEight, before, Coupling::kTight), 15 * kT + kT / 2);

  const std::vector<Burst> after{{0, AtChunk(0), AtChunk(2), 0.5},
                                 {2, AtChunk(3), AtChunk(5), 0.5}};
  EXPECT_EQ(RunTandemRing(kEight, after), 16 * kT);
  EXPECT_EQ(RunFlowRing(kEight, after, Coupling::kLoose), 15 * kT);
  EXPECT_EQ(RunFlowRing(kEight, after, Coupling::kTight), 16 * kT);
}

// Edge 0 loses 3T in its first chunk, so that its chunk k is there at (k + 4)T. Backwards that
// holds up edge 7 from its chunk s on, which would set out at sT, and now not before 4T: slack s
// passes on (4 − s)T. A second loss of 3T on edge 7 in that very chunk adds to what was passed
// on. Forwards the first loss comes to edge 7 with chunk 7 only.
TEST(TandemRing, SlackTakesUpALossUpstream) {
  for (const int slack : {1, 2, 3, 4, 5}) {
    TandemRing ring = kEight;
    ring.slack = static_cast<std::uint32_t>(slack);
    const int from = std::max(4, slack);
    const std::vector<Burst> bursts{{0, AtChunk(0), AtChunk(4), 0.25},
                                    {7, AtChunk(from), AtChunk(from + 4), 0.25}};
    const int passed_on = std::max(4 - slack, 0);
    EXPECT_EQ(RunTandemRing(ring, bursts), (14 + 3 + passed_on) * kT) << "slack " << slack;
  }
}

// The ring itself holds every edge within lag · (n − 1) chunks of the next.
TEST(TandemRing, ABufferOfTheWholeRingIsAsGoodAsNone) {
  for (const std::uint64_t seed : TestSeeds(20)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    TandemRing ring{.ranks = 6, .rounds = 4, .lag = 1 + static_cast<std::uint32_t>(seed % 3)};
    const std::vector<Burst> bursts =
        DrawBursts(ring, {.struck = 6, .duty = 0.2, .length = 7, .left = 0.1}, seed);
    const SimDuration unbounded = RunTandemRing(ring, bursts);
    ring.slack = ring.lag * (ring.ranks - 1);
    EXPECT_EQ(RunTandemRing(ring, bursts), unbounded);
    SimDuration more = unbounded;
    for (std::uint32_t slack = ring.slack; slack >= 1; --slack) {
      ring.slack = slack;
      const SimDuration less = RunTandemRing(ring, bursts);
      EXPECT_GE(less, more) << "slack " << slack;
      more = less;
    }
  }
}

// Lag and slack of one chunk of no size: all edges at one rate.
TEST(TandemRing, SmallChunksInLockstepAreTight) {
  for (const std::uint64_t seed : TestSeeds(5)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const TandemRing coarse{.ranks = 6, .rounds = 8, .slack = 1};
    const std::vector<Burst> bursts = DrawBursts(coarse, {.struck = 6, .duty = 0.1}, seed);
    TandemRing fine = coarse;
    fine.chunk = Bytes(coarse.chunk.count() / 256);
    fine.rounds *= 256;
    const double tight = ToSeconds(RunFlowRing(coarse, bursts, Coupling::kTight));
    EXPECT_NEAR(ToSeconds(RunTandemRing(fine, bursts)) / tight, 1, 0.002);
  }
}

// By the header's theorem; the engine and the recursion both end at the next picosecond.
TEST(Coupling, LooseIsBelowAndTightAboveAnyRingOfChunks) {
  for (const std::uint64_t seed : TestSeeds(200)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    TandemRing ring;
    ring.ranks = 2 + random.Below(9);
    ring.rounds = 1 + random.Below(8);
    ring.lag = 1 + random.Below(3);
    ring.slack = random.Below(5) == 0 ? kNoSlack : 1 + random.Below(10);
    const BurstSpec spec{.struck = 1 + random.Below(ring.ranks),
                         .duty = 0.02 + 0.4 * random.Unit(),
                         .length = 0.5 + 30 * random.Unit(),
                         .left = 0.05 + 0.9 * random.Unit()};
    const std::vector<Burst> bursts = DrawBursts(ring, spec, seed);
    const SimDuration tandem = RunTandemRing(ring, bursts);
    EXPECT_LE(RunFlowRing(ring, bursts, Coupling::kLoose), tandem + kPicosecond);
    EXPECT_GE(RunFlowRing(ring, bursts, Coupling::kTight), tandem - kPicosecond);
  }
}

// A burst on one edge is the same for all three: nobody else is ever the slower.
TEST(Coupling, BurstsOnOneEdgeAreTheSameForAll) {
  for (const std::uint64_t seed : TestSeeds(20)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    TandemRing ring{.ranks = 8, .rounds = 4, .slack = 1 + static_cast<std::uint32_t>(seed % 8)};
    const std::vector<Burst> bursts = DrawBursts(ring, {.struck = 1, .duty = 0.3}, seed);
    const double tandem = ToSeconds(RunTandemRing(ring, bursts));
    EXPECT_NEAR(ToSeconds(RunFlowRing(ring, bursts, Coupling::kLoose)) / tandem, 1, 1e-9);
    EXPECT_NEAR(ToSeconds(RunFlowRing(ring, bursts, Coupling::kTight)) / tandem, 1, 1e-9);
  }
}

std::vector<Rival> RandomRivals(const TandemRing& ring, Random& random) {
  std::vector<Rival> rivals;
  const std::uint32_t count = 1 + random.Below(3 * ring.ranks);
  const double span = static_cast<double>((ring.chunks() * ring.chunk_time()).count());
  for (std::uint32_t r = 0; r < count; ++r)
    rivals.push_back({random.Below(ring.ranks),
                      SimTime(SimDuration(static_cast<std::int64_t>(span * random.Unit()))),
                      ring.chunk * (1 + random.Below(40))});
  std::stable_sort(rivals.begin(), rivals.end(),
                   [](const Rival& a, const Rival& b) { return a.at < b.at; });
  return rivals;
}

// Rivals give way, so that there is no theorem: where the ring is ahead on a link, its rival there
// is behind, and still in the way when that link is the slowest. Tight has been seen below by part
// of a chunk, once in a thousand cases; loose is below, but for each rival's rounded start and end.
TEST(Coupling, BesideRivalsTightMayFallShortByPartOfAChunk) {
  for (const std::uint64_t seed : TestSeeds(400)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    TandemRing ring;
    ring.ranks = 2 + random.Below(7);
    ring.rounds = 1 + random.Below(8);
    ring.lag = 1 + random.Below(3);
    ring.slack = random.Below(5) == 0 ? kNoSlack : 1 + random.Below(10);
    const std::vector<Rival> rivals = RandomRivals(ring, random);
    const SimDuration tandem = RunTandemRingBeside(ring, rivals);
    EXPECT_LE(RunFlowRingBeside(ring, rivals, Coupling::kLoose), tandem + 50 * kPicosecond);
    EXPECT_GE(RunFlowRingBeside(ring, rivals, Coupling::kTight), tandem - ring.chunk_time() / 2);
  }
}

// Two rings that share no link are tight. A send over links of both makes both loose, but not one
// that it comes after.
TEST(Coupling, CountsTheOperationsThatAutoRanLoose) {
  const Net net = Star(8, GigabitsPerSecond(100), SimDuration{});
  const std::span<const VertexId> nics(net.nic);
  for (const bool after : {false, true}) {
    Builder b;
    b.AddPattern(Ring({nics.begin(), nics.begin() + 4}));
    b.AddPattern(Ring({nics.begin() + 4, nics.end()}));
    b.AddRun(0, 1'000'000, {0});
    b.AddRun(1, 1'000'000, {1});
    b.AddSend(net.nic[5], net.nic[1], 1'000'000, {after ? 0u : 2u});
    for (const Coupling coupling : {Coupling::kAuto, Coupling::kTight, Coupling::kLoose}) {
      SimulationInput input = net.Input();
      input.physics.coupling = coupling;
      FlowSimulation simulation(input);
      simulation.Append(b.program);
      EXPECT_EQ(simulation.Run(kForever, kNoBudget), Simulation::Stop::kIdle);
      const std::uint32_t loose = after ? 1 : 2;
      EXPECT_EQ(simulation.Finish().loose_operations, coupling == Coupling::kAuto ? loose : 0);
    }
  }
}

}  // namespace
}  // namespace weft
