#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/workloads/schedule_interpreter.h"
#include "tests/workloads/test_fabric.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/moe.h"
#include "workloads/collectives/ring.h"

namespace weft {
namespace {

constexpr CollectiveSpec::Op kOps[] = {CollectiveSpec::ALL_REDUCE, CollectiveSpec::ALL_GATHER,
                                       CollectiveSpec::REDUCE_SCATTER, CollectiveSpec::SEND_RECV};

std::uint64_t FirstSeed() {
  const char* seed = std::getenv("WEFT_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

CollectiveSpec SpecOf(CollectiveSpec::Op op) {
  CollectiveSpec spec;
  spec.set_op(op);
  spec.add_bytes(1);
  spec.set_repeat(1);
  return spec;
}

// What word (channel·slices + slice) of `rank` must be after `op`; none: it does not matter.
std::optional<std::uint64_t> Expected(const Pattern& pattern, CollectiveSpec::Op op,
                                      const Words& input, std::uint32_t rank, std::size_t word) {
  const VertexId owner = pattern.ranks[pattern.slice_owner[word]];
  std::uint64_t sum = 0;
  for (const VertexId vertex : pattern.ranks) sum += input.at(vertex)[word];
  if (op == CollectiveSpec::ALL_REDUCE) return sum;
  if (op == CollectiveSpec::ALL_GATHER) return input.at(owner)[word];
  if (op == CollectiveSpec::REDUCE_SCATTER && owner == pattern.ranks[rank]) return sum;
  if (op == CollectiveSpec::SEND_RECV)
    for (const Edge& edge : pattern.edges)
      if (edge.from == owner && edge.to == pattern.ranks[rank]) return input.at(owner)[word];
  return std::nullopt;
}

// How many words of how many ranks are not what they must be.
std::size_t WrongWords(const Pattern& pattern, CollectiveSpec::Op op, const Words& input,
                       const ScheduleRun& run) {
  std::size_t wrong = 0;
  for (std::uint32_t rank = 0; rank < pattern.ranks.size(); ++rank)
    for (std::size_t word = 0; word < pattern.slice_owner.size(); ++word) {
      const auto expected = Expected(pattern, op, input, rank, word);
      wrong += expected && run.words.at(pattern.ranks[rank])[word] != *expected;
    }
  return wrong;
}

// Closed form of the wire bytes of an edge, as numerator over n·C (send/recv: over C).
void ExpectWireBytes(const Pattern& pattern, CollectiveSpec::Op op, const ScheduleRun& run) {
  const std::uint64_t n = pattern.ranks.size(), channels = pattern.channels;
  const bool send_recv = op == CollectiveSpec::SEND_RECV;
  const std::uint64_t chunks = send_recv                          ? 1
                               : op == CollectiveSpec::ALL_REDUCE ? 2 * (n - 1)
                                                                  : n - 1;
  const std::uint64_t parts = send_recv ? channels : n * channels;  // chunks in the bytes
  for (std::size_t e = 0; e < pattern.edges.size(); ++e) {
    const Edge& edge = pattern.edges[e];
    ASSERT_EQ(run.arrived[e], chunks);
    ASSERT_EQ(chunks * edge.wire_den, edge.wire_num * parts);
  }
}

void ExpectExecutes(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                    std::uint16_t channels, std::uint64_t seed) {
  for (const CollectiveAlgorithm& algorithm : CollectiveAlgorithms()) {
    if (!algorithm.does(op) || communicator.job_rank.size() < 2) continue;
    SCOPED_TRACE(testing::Message() << algorithm.key << ' ' << OpName(op) << ", seed " << seed);
    const std::uint16_t count = channels > 0 ? channels : algorithm.channels(communicator);
    const Pattern pattern = algorithm.build(fabric, communicator, op, count, {});
    ASSERT_EQ(pattern.slice_owner.size(), std::size_t{pattern.channels} * pattern.slices);
    const Words input = RandomWords(pattern, seed);
    const ScheduleRun run = InterpretSchedule(pattern, input, seed);
    ASSERT_TRUE(run.complete);
    ASSERT_EQ(WrongWords(pattern, op, input, run), 0u);
    ExpectWireBytes(pattern, op, run);
  }
}

std::vector<Communicator> CommunicatorsOf(const CollectiveSpec& spec, const Fabric& fabric,
                                          const Placement& placement) {
  auto communicators = BuildCommunicators(spec, {}, fabric, placement);
  EXPECT_TRUE(communicators.has_value());
  return communicators ? *communicators : std::vector<Communicator>();
}

// Three ranks a b c on three hosts, one channel: edges a→b, b→c, c→a. Step 0 sends slices
// 0 1 2; step 1 slices 2 0 1, that came in before; after it a holds all of slice 1, b of 2,
// c of 0. Steps 2 and 3 pass these on.
TEST(BuildRing, IsTheTextbookRingOnThreeRanks) {
  const Fabric fabric = MakeTestFabric({{}, {}, {}});
  const CollectiveSpec spec = SpecOf(CollectiveSpec::ALL_REDUCE);
  const auto communicators = CommunicatorsOf(spec, fabric, PlaceAll(fabric));
  ASSERT_EQ(communicators.size(), 1u);

  const Pattern ring = BuildRing(fabric, communicators.front(), spec.op(), 1, {});

  ASSERT_EQ(ring.edges.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Edge& edge = ring.edges[i];
    EXPECT_EQ(edge.from, fabric.gpu(GpuId{i}));
    EXPECT_EQ(edge.to, fabric.gpu(GpuId{(i + 1) % 3}));
    EXPECT_EQ(edge.first_slice, i);
    EXPECT_EQ(edge.slice_stride, -1);
    EXPECT_EQ(edge.steps, 4u);
    EXPECT_EQ(edge.reduce_steps, 2u);
    EXPECT_EQ(edge.wire_num, 4u);
    EXPECT_EQ(edge.wire_den, 3u);
    ASSERT_EQ(edge.feed_count, 1u);
    EXPECT_EQ(ring.feeds[edge.first_feed].edge, (i + 2) % 3);
    EXPECT_EQ(ring.feeds[edge.first_feed].lag, 1);
  }
  EXPECT_EQ(ring.slice_owner, (std::vector<std::uint32_t>{2, 0, 1}));
}

// Two hosts of four GPUs and four NICs: channel 2 enters each at GPU 2, and only its last
// edge in a host crosses to the next, towards the GPU of NIC 2.
TEST(BuildRing, EntersAHostAtTheGpuOfItsRail) {
  const Fabric fabric = MakeTestFabric({{4, 4}, {4, 4}});
  const CollectiveSpec spec = SpecOf(CollectiveSpec::ALL_GATHER);
  const auto communicators = CommunicatorsOf(spec, fabric, PlaceAll(fabric));
  BuildOptions options;
  options.qps = 4;

  ASSERT_EQ(RingChannels(communicators.front()), 4);
  const Pattern ring = BuildRing(fabric, communicators.front(), spec.op(), 4, options);

  std::vector<std::uint32_t> visited;
  for (std::uint32_t i = 0; i < 8; ++i) {
    const Edge& edge = ring.edges[2 * 8 + i];
    EXPECT_EQ(edge.channel, 2);
    visited.push_back(fabric.vertex(edge.from).number);
    const bool leaves = i % 4 == 3;
    EXPECT_EQ(edge.edge_class, leaves ? 1 : 0) << i;
    EXPECT_EQ(edge.qps, leaves ? 4 : 1) << i;
    EXPECT_EQ(edge.wire_num, 7u);
    EXPECT_EQ(edge.wire_den, 32u);
  }
  EXPECT_EQ(visited, (std::vector<std::uint32_t>{2, 3, 0, 1, 2, 3, 0, 1}));
}

// Hosts of 8 and of 4 GPUs share rails 0 … 3: four rings, so that no rail is asked of a
// host that lacks it. With GPUs 4 … 7 alone on one side no rail is shared, and each host
// gives its own in turn.
TEST(RingChannels, TakesTheRailsThatAllHostsHave) {
  const CollectiveSpec spec = SpecOf(CollectiveSpec::ALL_REDUCE);
  const Fabric uneven = MakeTestFabric({{8, 8}, {4, 4}});
  EXPECT_EQ(RingChannels(CommunicatorsOf(spec, uneven, PlaceAll(uneven)).front()), 4);

  const Fabric even = MakeTestFabric({{8, 8}, {8, 8}});
  Placement halves;
  for (std::uint32_t gpu : {0u, 1u, 2u, 12u, 13u, 14u, 15u})
    halves.gpu_of_rank.push_back(GpuId{gpu});
  const auto communicators = CommunicatorsOf(spec, even, halves);
  ASSERT_EQ(RingChannels(communicators.front()), 3);
  const Pattern ring = BuildRing(even, communicators.front(), spec.op(), 3, {});
  EXPECT_EQ(ring.edges[2 * 7].from, even.gpu(GpuId{2}));
  EXPECT_EQ(ring.edges[2 * 7 + 3].from, even.gpu(GpuId{14}));

  const Fabric two_a_nic = MakeTestFabric({{8, 4}, {8, 4}});
  EXPECT_EQ(RingChannels(CommunicatorsOf(spec, two_a_nic, PlaceAll(two_a_nic)).front()), 4);

  const Fabric alone = MakeTestFabric({{6, 0}});
  EXPECT_EQ(RingChannels(CommunicatorsOf(spec, alone, PlaceAll(alone)).front()), 6);
}

TEST(Schedules, ExecuteOnEveryCountOfRanks) {
  for (std::uint16_t ranks = 1; ranks <= 64; ++ranks) {
    const Fabric spread = MakeTestFabric(std::vector<TestHost>(ranks));
    const Fabric together = MakeTestFabric({{ranks, 1}});
    for (const CollectiveSpec::Op op : kOps) {
      const CollectiveSpec spec = SpecOf(op);
      for (const Fabric* fabric : {&spread, &together}) {
        const auto communicators = CommunicatorsOf(spec, *fabric, PlaceAll(*fabric));
        for (const std::uint16_t channels : {std::uint16_t{1}, std::uint16_t{2}})
          ExpectExecutes(*fabric, communicators.front(), op, channels, FirstSeed() + ranks);
      }
    }
  }
}

// Hosts with any number of GPUs, NICs and segments, ranks on any of the GPUs in any order,
// every grouping and ring order.
TEST(Schedules, ExecuteOnRandomPlacements) {
  for (std::uint64_t seed = FirstSeed(); seed < FirstSeed() + 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    std::vector<TestHost> hosts(1 + random.Below(6));
    for (TestHost& host : hosts) {
      host.gpus = static_cast<std::uint16_t>(1 + random.Below(8));
      host.nics = static_cast<std::uint16_t>(1 + random.Below(host.gpus));
      host.segment = static_cast<std::uint16_t>(random.Below(3));
    }
    const Fabric fabric = MakeTestFabric(hosts);
    Placement placement;
    for (const GpuId gpu : PlaceAll(fabric).gpu_of_rank)
      if (random.Below(4) > 0 || placement.gpu_of_rank.empty())
        placement.gpu_of_rank.push_back(gpu);
    for (auto left = static_cast<std::uint32_t>(placement.gpu_of_rank.size()); left > 1; --left)
      std::swap(placement.gpu_of_rank[left - 1], placement.gpu_of_rank[random.Below(left)]);
    CollectiveSpec spec = SpecOf(kOps[random.Below(4)]);
    spec.set_group(static_cast<CollectiveSpec::Group>(random.Below(3)));
    spec.set_ring_order(static_cast<CollectiveSpec::RingOrder>(random.Below(3)));
    spec.set_seed(seed);

    std::vector<bool> seen(placement.gpu_of_rank.size());
    for (const Communicator& communicator : CommunicatorsOf(spec, fabric, placement)) {
      for (const std::uint32_t rank : communicator.job_rank) {
        EXPECT_FALSE(seen[rank]);
        seen[rank] = true;
      }
      ExpectExecutes(fabric, communicator, spec.op(), static_cast<std::uint16_t>(random.Below(4)),
                     seed);
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
  }
}

// The oracle must be able to say no: without its feeds a ring sends slices too early, with
// lag 0 instead of 1 it never starts, and with a wrong slice it ends with wrong sums.
TEST(InterpretSchedule, RefusesABrokenRing) {
  const Fabric fabric = MakeTestFabric(std::vector<TestHost>(5));
  const CollectiveSpec spec = SpecOf(CollectiveSpec::ALL_REDUCE);
  const auto communicators = CommunicatorsOf(spec, fabric, PlaceAll(fabric));
  const Pattern good = BuildRing(fabric, communicators.front(), spec.op(), 2, {});
  const Words input = RandomWords(good, 1);
  ASSERT_EQ(WrongWords(good, spec.op(), input, InterpretSchedule(good, input, 1)), 0u);

  Pattern no_feeds = good;
  for (Edge& edge : no_feeds.edges) edge.feed_count = 0;
  EXPECT_GT(WrongWords(no_feeds, spec.op(), input, InterpretSchedule(no_feeds, input, 1)), 0u);

  Pattern no_lag = good;
  for (Feed& feed : no_lag.feeds) feed.lag = 0;
  EXPECT_FALSE(InterpretSchedule(no_lag, input, 1).complete);

  Pattern wrong_slice = good;
  wrong_slice.edges[3].first_slice = (wrong_slice.edges[3].first_slice + 1) % 5;
  EXPECT_GT(WrongWords(wrong_slice, spec.op(), input, InterpretSchedule(wrong_slice, input, 1)),
            0u);
}

// 2(n − 1) over n·C for a job of 122,880 GPUs on 64 channels would still fit; a numerator
// times 2^32 does only once it is reduced.
TEST(ReducedRatio, KeepsTheValueInLowestTerms) {
  const WireRatio pod = ReducedRatio(2 * 122'879, std::uint64_t{122'880} * 64);
  EXPECT_EQ(pod.num, 122'879u);
  EXPECT_EQ(pod.den, 3'932'160u);
  const WireRatio big = ReducedRatio(std::uint64_t{6} << 32, std::uint64_t{9} << 32);
  EXPECT_EQ(big.num, 2u);
  EXPECT_EQ(big.den, 3u);
}

// The share of tokens that have an expert among `mine`, over all choices of `limit` hosts and of
// top_k experts on them.
double CountedShare(int hosts, int of_host, const MoeRouting& routing, unsigned mine) {
  const int limit = routing.hosts > 0 ? routing.hosts : hosts;
  double share = 0;
  int sets = 0;
  for (unsigned set = 0; set < 1u << hosts; ++set) {
    if (std::popcount(set) != limit) continue;
    ++sets;
    unsigned on = 0;
    for (int h = 0; h < hosts; ++h)
      if ((set >> h & 1) != 0) on |= ((1u << of_host) - 1) << h * of_host;
    int all = 0, hit = 0;
    for (unsigned experts = 0; experts < 1u << routing.experts; ++experts) {
      if ((experts & ~on) != 0 || std::popcount(experts) != routing.top_k) continue;
      ++all;
      hit += (experts & mine) != 0 ? 1 : 0;
    }
    share += static_cast<double>(hit) / all;
  }
  return share / sets;
}

// Four experts on two hosts, two a token: of six pairs one misses a host, three miss a GPU.
TEST(SharesOfMoe, CountsTokens) {
  EXPECT_NEAR(SharesOfMoe({4, 2, 0}, 2, 2).host, 5.0 / 6, 1e-12);
  EXPECT_NEAR(SharesOfMoe({4, 2, 0}, 2, 2).gpu, 3.0 / 6, 1e-12);
  EXPECT_EQ(SharesOfMoe({4, 2, 1}, 2, 2).host, 0.5);  // both on the one host that is drawn
  for (const auto& [hosts, per_host, routing] : {std::tuple(2, 2, MoeRouting{12, 3, 0}),
                                                 {3, 2, {12, 4, 2}},
                                                 {4, 1, {12, 2, 3}},
                                                 {6, 2, {12, 3, 2}}}) {
    const int of_host = routing.experts / hosts;
    const MoeShares shares = SharesOfMoe(routing, hosts, per_host);
    EXPECT_NEAR(shares.host, CountedShare(hosts, of_host, routing, (1u << of_host) - 1), 1e-12);
    EXPECT_NEAR(shares.gpu, CountedShare(hosts, of_host, routing, (1u << of_host / per_host) - 1),
                1e-12);
  }
}

// Dispatch ends with every rank's tokens everywhere, combine with their sums back; bytes are those
// of the shares: N − 1 hosts over the network, once each, N(P − 1) GPUs over NVLink.
TEST(BuildMoe, ExecutesAndSendsEachTokenOnceToAHost) {
  for (const auto& [hosts, per_host] : {std::pair<std::size_t, std::uint16_t>(1, 8),
                                        {2, 1},
                                        {2, 8},
                                        {3, 4},
                                        {5, 3},
                                        {8, 8},
                                        {64, 1}})
    for (const CollectiveSpec::Op op :
         {CollectiveSpec::MOE_DISPATCH, CollectiveSpec::MOE_COMBINE}) {
      SCOPED_TRACE(testing::Message() << OpName(op) << ' ' << hosts << " x " << per_host);
      const Fabric fabric =
          MakeTestFabric(std::vector<TestHost>(hosts, {.gpus = per_host, .nics = per_host}));
      const Communicator one = CommunicatorsOf(SpecOf(op), fabric, PlaceAll(fabric)).front();
      const auto ranks = static_cast<int>(hosts) * per_host;
      BuildOptions options;
      options.moe = {4 * ranks, 3, 2};
      const MoeShares shares = SharesOfMoe(options.moe, static_cast<int>(hosts), per_host);
      const auto as = op == CollectiveSpec::MOE_DISPATCH ? CollectiveSpec::ALL_GATHER
                                                         : CollectiveSpec::REDUCE_SCATTER;
      for (const auto build : {BuildMoeHierarchical, BuildMoeEveryExpert}) {
        const Pattern pattern = build(fabric, one, op, 1, options);
        const Words input = RandomWords(pattern, FirstSeed());
        const ScheduleRun run = InterpretSchedule(pattern, input, FirstSeed());
        ASSERT_TRUE(run.complete);
        ASSERT_EQ(WrongWords(pattern, as, input, run), 0u);
        double net = 0, link = 0;  // of a rank's tokens, sent by a rank on average
        for (const Edge& edge : pattern.edges)
          (edge.edge_class == 0 ? link : net) +=
              WireBytes(edge, Bytes(std::int64_t{1} << 24)) / (1 << 24) / ranks;
        const bool direct = build == BuildMoeEveryExpert;
        const double n = static_cast<double>(hosts), p = per_host, each = 3.0 / ranks;
        EXPECT_NEAR(net, direct ? (n - 1) * p * each : (n - 1) * shares.host, 1e-5);
        EXPECT_NEAR(link, direct ? (p - 1) * each : n * (p - 1) * shares.gpu, 1e-5);
      }
    }
}

// DeepEP's low-latency kernels [DEEPEP docs/legacy.md]: a start and a rate, fitted to EP 16, 64 and
// 256, say what 32 and 128 take; what leaves the host is the pattern's.
TEST(BuildMoe, PredictsLowLatencyKernelsFromTwoParameters) {
  const int eps[] = {16, 32, 64, 128, 256};
  for (const auto& measured :
       {std::array<double, 5>{118, 155, 173, 192, 194}, {195, 273, 314, 369, 360}}) {
    std::array<double, 5> net{};  // bytes that leave a rank's host over its tokens
    for (std::size_t i = 0; i < 5; ++i) {
      const Fabric fabric = MakeTestFabric(
          std::vector<TestHost>(static_cast<std::size_t>(eps[i] / 8), {.gpus = 8, .nics = 8}));
      const auto spec = SpecOf(CollectiveSpec::MOE_DISPATCH);
      const Communicator one = CommunicatorsOf(spec, fabric, PlaceAll(fabric)).front();
      for (const Edge& edge : BuildMoeEveryExpert(fabric, one, spec.op(), 1, {}).edges)
        if (edge.edge_class == 1) net[i] += 1.0 * edge.wire_num / edge.wire_den / eps[i];
    }
    double n = 0, x = 0, y = 0, xx = 0, xy = 0;  // least squares over every other row
    for (const std::size_t i : {0u, 2u, 4u})
      n += 1, x += net[i], y += measured[i], xx += net[i] * net[i], xy += net[i] * measured[i];
    const double slope = (n * xy - x * y) / (n * xx - x * x), start = (y - slope * x) / n;
    EXPECT_GT(start, 0);
    for (const std::size_t i : {1u, 3u}) {
      const double ours = start + slope * net[i];
      RecordProperty("us_" + std::to_string(eps[i]), std::to_string(ours));
      EXPECT_NEAR(ours / measured[i], 1, 0.1) << "EP " << eps[i];
    }
  }
}

}  // namespace
}  // namespace weft
