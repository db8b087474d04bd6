#include "sim/startup.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/sim/nets.h"
#include "tests/sim/seed.h"

namespace weft {
namespace {

using Durations = std::vector<SimDuration>;

// 4 steps round a ring of three: the worst window of 4 begins and ends on the
// slow edge, 2·5 + 1 + 2.
TEST(ChannelStartup, TakesTheWorstWindowOfARing) {
  const Pattern ring = Ring({VertexId{0}, VertexId{1}, VertexId{2}});
  EXPECT_EQ(ChannelStartup(ring, {1us, 2us, 5us}, Durations(3)), Durations{13us});
}

// A tree edge waits for both children's chunk: the slower way is 2 + 3 (its chunk) + 4.
TEST(ChannelStartup, AddsAChunkWhereTheSameChunkIsWaitedFor) {
  Pattern pattern =
      Edges({{VertexId{0}, VertexId{2}}, {VertexId{1}, VertexId{2}}, {VertexId{2}, VertexId{3}}},
            Pattern::Advance::kPipelined);
  pattern.feeds = {{0, 0}, {1, 0}};
  pattern.edges[2].feed_count = 2;
  EXPECT_EQ(ChannelStartup(pattern, {1us, 2us, 4us}, {3us, 3us, 9us}), Durations{9us});
}

TEST(ChannelStartup, ChannelsWithoutFeedsTakeTheirSlowestEdge) {
  Pattern pattern =
      Edges({{VertexId{0}, VertexId{1}}, {VertexId{1}, VertexId{2}}}, Pattern::Advance::kPipelined);
  pattern.channels = 3;
  pattern.edges[1].channel = 1;
  EXPECT_EQ(ChannelStartup(pattern, {1us, 2us}, Durations(2)), (Durations{1us, 2us, 0us}));
}

// 4 latencies of 70 days are more than SimTime holds: the sum stops, and does not wrap.
TEST(ChannelStartup, NeverWraps) {
  const Pattern ring = Ring({VertexId{0}, VertexId{1}, VertexId{2}});
  const SimDuration long_time = 24h * 70;
  const Durations got = ChannelStartup(ring, Durations(3, long_time), Durations(3));
  EXPECT_EQ(got, Durations{SimDuration::max() / 4});
}

// The longest walk by looking at all of them.
SimDuration Longest(const Pattern& pattern, const Durations& latency, const Durations& chunk,
                    std::uint32_t edge, std::int32_t budget) {
  SimDuration wait{};
  const Edge& e = pattern.edges[edge];
  for (std::uint32_t i = 0; i < e.feed_count; ++i) {
    const Feed& feed = pattern.feeds[e.first_feed + i];
    if (feed.lag > budget) continue;
    wait = std::max(wait, Longest(pattern, latency, chunk, feed.edge, budget - feed.lag) +
                              (feed.lag == 0 ? chunk[feed.edge] : SimDuration{}));
  }
  return wait + latency[edge];
}

// Lags of 0 only from lower edges, so that nothing waits for itself.
Pattern RandomPattern(Random& random) {
  Pattern pattern;
  const std::uint32_t edges = 1 + random.Below(6), max_lag = random.Below(3);
  for (std::uint32_t e = 0; e < edges; ++e) {
    Edge edge;
    edge.steps = 1 + random.Below(5);
    edge.first_feed = static_cast<std::uint32_t>(pattern.feeds.size());
    for (std::uint32_t i = random.Below(3); i > 0; --i) {
      const std::uint32_t from = random.Below(edges);
      const std::uint32_t least = from < e ? 0 : 1;
      if (least <= max_lag)
        pattern.feeds.push_back(
            {from, static_cast<std::int32_t>(least + random.Below(max_lag - least + 1))});
    }
    edge.feed_count = static_cast<std::uint32_t>(pattern.feeds.size()) - edge.first_feed;
    pattern.edges.push_back(edge);
  }
  return pattern;
}

TEST(ChannelStartup, IsTheLongestWalkThatTheLagsAllow) {
  for (const std::uint64_t seed : TestSeeds(300)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const Pattern pattern = RandomPattern(random);
    Durations latency, chunk;
    SimDuration expected{};
    for (std::size_t e = 0; e < pattern.edges.size(); ++e) {
      latency.emplace_back(random.Below(1000));
      chunk.emplace_back(random.Below(1000));
    }
    for (std::uint32_t e = 0; e < pattern.edges.size(); ++e)
      expected = std::max(expected, Longest(pattern, latency, chunk, e,
                                            static_cast<std::int32_t>(pattern.edges[e].steps) - 1));
    EXPECT_EQ(ChannelStartup(pattern, latency, chunk), Durations{expected});
  }
}

// Rings of all sizes and latencies against the same walk.
TEST(ChannelStartup, RingsAgreeWithTheLongestWalk) {
  for (const std::uint64_t seed : TestSeeds(50)) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    std::vector<VertexId> ranks;
    for (std::uint32_t i = 2 + random.Below(7); i > 0; --i) ranks.push_back(VertexId{i});
    const Pattern ring = Ring(ranks, 2);
    Durations latency, expected(2);
    for (std::size_t e = 0; e < ring.edges.size(); ++e) latency.emplace_back(random.Below(1000));
    for (std::uint32_t e = 0; e < ring.edges.size(); ++e) {
      SimDuration& worst = expected[ring.edges[e].channel];
      worst = std::max(worst, Longest(ring, latency, latency, e,
                                      static_cast<std::int32_t>(ring.edges[e].steps) - 1));
    }
    EXPECT_EQ(ChannelStartup(ring, latency, Durations(latency.size())), expected);
  }
}

}  // namespace
}  // namespace weft
