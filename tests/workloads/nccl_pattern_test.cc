#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "tests/workloads/nccl_host.h"
#include "tests/workloads/schedule_interpreter.h"
#include "tests/workloads/test_fabric.h"
#include "workloads/collectives/collective.h"
#include "workloads/collectives/nccl/pattern.h"
#include "workloads/collectives/nccl/plan.h"

namespace weft {
namespace {

using Op = CollectiveSpec::Op;

// Hosts of one preset on one switch, with all that stands between a question and its pattern.
struct Cluster {
  Cluster(const std::string& preset, std::uint16_t nodes, std::uint16_t per_node)
      : host(NcclHost(preset)),
        fabric(MakeTestFabric(std::vector<TestHost>(
            nodes, {.gpus = per_node, .nics = std::min<std::uint16_t>(per_node, 8)}))),
        comm(BuildNcclComm(host, nodes, per_node, DefaultNcclRules())) {
    CollectiveSpec spec;
    auto built = BuildCommunicators(spec, {}, fabric, PlaceAll(fabric));
    EXPECT_TRUE(built.has_value());
    communicator = built->front();
  }

  // None where the algorithm or protocol is off here, or has no pattern.
  std::optional<NcclPatternPlan> Plan(Op op, NcclForced forced, Bytes bytes) const {
    const std::optional<NcclOp> nccl_op = NcclOpOf(OpName(op));
    if (nccl_op && !ChooseNccl(comm, *nccl_op, bytes, forced)) return std::nullopt;
    NcclPatternPlan plan;
    plan.comm = &comm;
    plan.op = op;
    plan.which =
        MakeNcclTimeCase(comm, host, {nccl_op, op == CollectiveSpec::SEND_RECV, forced}, bytes);
    plan.time = NcclTime(plan.which, {});
    return HasNcclPattern(plan) ? std::optional(plan) : std::nullopt;
  }

  HostPart host;
  Fabric fabric;
  NcclComm comm;
  Communicator communicator;
};

// What a word of a rank must be; none: it does not matter.
std::optional<std::uint64_t> Expected(const Pattern& pattern, Op op, const Words& input,
                                      std::uint32_t rank, std::size_t word) {
  const VertexId owner = pattern.ranks[pattern.slice_owner[word]];
  std::uint64_t sum = 0;
  for (const VertexId vertex : pattern.ranks) sum += input.at(vertex)[word];
  switch (op) {
    case CollectiveSpec::ALL_REDUCE:
      return sum;
    case CollectiveSpec::ALL_GATHER:
      return input.at(owner)[word];
    case CollectiveSpec::REDUCE_SCATTER:
      return owner == pattern.ranks[rank] ? std::optional(sum) : std::nullopt;
    case CollectiveSpec::BROADCAST:
      return input.at(owner)[word];
    case CollectiveSpec::REDUCE:
      return owner == pattern.ranks[rank] ? std::optional(sum) : std::nullopt;
    case CollectiveSpec::ALL_TO_ALL:  // word: from·R + to
      return word % pattern.ranks.size() == rank ? std::optional(input.at(owner)[word])
                                                 : std::nullopt;
    default:
      for (const Edge& edge : pattern.edges)
        if (edge.from == owner && edge.to == pattern.ranks[rank]) return input.at(owner)[word];
      return std::nullopt;
  }
}

void ExpectRightData(const Pattern& pattern, Op op, std::uint64_t seed) {
  const Words input = RandomWords(pattern, seed);
  const ScheduleRun run = InterpretSchedule(pattern, input, seed);
  ASSERT_TRUE(run.complete);
  std::size_t wrong = 0;
  for (std::uint32_t rank = 0; rank < pattern.ranks.size(); ++rank)
    for (std::size_t word = 0; word < pattern.slice_owner.size(); ++word) {
      const auto expected = Expected(pattern, op, input, rank, word);
      wrong += expected && run.words.at(pattern.ranks[rank])[word] != *expected;
    }
  ASSERT_EQ(wrong, 0u);
}

// The most payload bytes that a GPU's link carries one way, and that a host sends to others,
// against the closed form's. The size is one at which all channels run.
void ExpectClosedFormBytes(const Cluster& cluster, const NcclPatternPlan& plan,
                           const Pattern& pattern) {
  const double protocol = plan.which.protocol == NcclProtocol::kLl      ? 2
                          : plan.which.protocol == NcclProtocol::kLl128 ? 16.0 / 15
                                                                        : 1;
  double most_link = 0, most_host = 0;
  std::map<VertexId, double> link, into;
  std::map<HostId, double> host;
  for (const Edge& edge : pattern.edges) {
    const double bytes = plan.which.bytes * edge.wire_num / edge.wire_den / protocol;
    const HostId from = cluster.fabric.vertex(edge.from).host;
    if (from != cluster.fabric.vertex(edge.to).host)
      host[from] += bytes;
    else
      link[edge.from] += bytes, into[edge.to] += bytes;
  }
  for (const auto* side : {&link, &into})
    for (const auto& [gpu, bytes] : *side)
      if (cluster.fabric.vertex(gpu).kind == VertexKind::kGpu)
        most_link = std::max(most_link, bytes);
  for (const auto& [one, bytes] : host) most_host = std::max(most_host, bytes);
  EXPECT_NEAR(most_link, plan.which.link_bytes, 1e-9 * plan.which.bytes);
  EXPECT_NEAR(most_host, plan.which.net_bytes, 1e-9 * plan.which.bytes);
}

// Does nothing where the choice is off here.
void ExpectOne(const Cluster& cluster, Op op, NcclForced forced, std::uint64_t seed) {
  const auto plan = cluster.Plan(op, forced, MiB(256));
  if (!plan) return;
  SCOPED_TRACE(testing::Message() << OpName(op) << ' '
                                  << (forced.algorithm ? NcclName(*forced.algorithm) : "sends")
                                  << ' ' << NcclName(plan->which.protocol) << ", seed " << seed);
  const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
  EXPECT_LE(pattern.edges.size(), NcclPatternEdges(*plan));
  // Data do not depend on the protocol.
  if (plan->which.protocol == NcclProtocol::kSimple) ExpectRightData(pattern, op, seed);
  ExpectClosedFormBytes(cluster, *plan, pattern);
}

void ExpectAll(const Cluster& cluster, std::uint64_t seed) {
  for (const Op op :
       {CollectiveSpec::ALL_REDUCE, CollectiveSpec::ALL_GATHER, CollectiveSpec::REDUCE_SCATTER,
        CollectiveSpec::BROADCAST, CollectiveSpec::REDUCE})
    for (const NcclAlgorithm algorithm :
         {NcclAlgorithm::kRing, NcclAlgorithm::kTree, NcclAlgorithm::kNvls,
          NcclAlgorithm::kNvlsTree, NcclAlgorithm::kPat})
      for (const NcclProtocol protocol :
           {NcclProtocol::kLl, NcclProtocol::kLl128, NcclProtocol::kSimple})
        ExpectOne(cluster, op, {algorithm, protocol}, seed);
  for (const Op op : {CollectiveSpec::ALL_TO_ALL, CollectiveSpec::SEND_RECV})
    ExpectOne(cluster, op, {}, seed);
}

TEST(BuildNcclPattern, ExecutesOnHostsOfEveryKind) {
  std::uint64_t seed = 1;
  for (const auto& [host, nodes, per_node] : {std::tuple("hgx-h100", 1, 8),
                                              {"hgx-h100", 1, 5},
                                              {"hgx-h100", 2, 8},
                                              {"hgx-h100", 3, 8},
                                              {"hgx-h100", 5, 4},
                                              {"hgx-h100", 8, 1},
                                              {"hgx-h100", 13, 1},
                                              {"dgx-a100", 64, 1},
                                              {"dgx-a100", 1, 6},
                                              {"dgx-a100", 2, 8},
                                              {"dgx-a100", 7, 2},
                                              {"hgx-b200", 4, 8},
                                              {"alps-gh200", 5, 4}}) {
    SCOPED_TRACE(testing::Message() << host << ", " << nodes << " x " << per_node);
    ExpectAll(
        Cluster(host, static_cast<std::uint16_t>(nodes), static_cast<std::uint16_t>(per_node)),
        seed++);
  }
}

// Every kind of pattern must have been executed above: none may be off unnoticed.
TEST(BuildNcclPattern, KnowsEveryKindOfChoice) {
  const Cluster wide("hgx-h100", 2, 8), thin("hgx-h100", 5, 1), one("hgx-h100", 1, 8);
  for (const auto& [cluster, op, algorithm] :
       {std::tuple(&wide, CollectiveSpec::ALL_REDUCE, NcclAlgorithm::kRing),
        {&wide, CollectiveSpec::ALL_REDUCE, NcclAlgorithm::kTree},
        {&wide, CollectiveSpec::ALL_REDUCE, NcclAlgorithm::kNvlsTree},
        {&one, CollectiveSpec::ALL_REDUCE, NcclAlgorithm::kNvls},
        {&one, CollectiveSpec::ALL_GATHER, NcclAlgorithm::kNvls},
        {&thin, CollectiveSpec::ALL_GATHER, NcclAlgorithm::kPat},
        {&thin, CollectiveSpec::REDUCE_SCATTER, NcclAlgorithm::kPat},
        {&wide, CollectiveSpec::BROADCAST, NcclAlgorithm::kRing},
        {&one, CollectiveSpec::REDUCE, NcclAlgorithm::kRing}})
    EXPECT_TRUE(cluster->Plan(op, {algorithm, NcclProtocol::kSimple}, MiB(256)))
        << OpName(op) << ' ' << NcclName(algorithm);
}

// PAT over five ranks: block 0 goes 0→4, 0→2, 2→3, 0→1; three hops no block takes.
TEST(BuildNcclPattern, SendsFewBlocksFarInPat) {
  const Cluster cluster("hgx-h100", 5, 1);
  const auto plan = cluster.Plan(CollectiveSpec::ALL_GATHER,
                                 {NcclAlgorithm::kPat, NcclProtocol::kSimple}, MiB(4));
  ASSERT_TRUE(plan.has_value());
  const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
  ASSERT_EQ(pattern.edges.size(), 20u);
  const std::uint32_t from[] = {0, 0, 2, 0};
  for (std::uint32_t x = 1; x < 5; ++x) {
    EXPECT_EQ(pattern.edges[x - 1].from, cluster.fabric.gpu(GpuId{from[x - 1]}));
    EXPECT_EQ(pattern.edges[x - 1].to, cluster.fabric.gpu(GpuId{x}));
  }
}

// Two hosts of two: rank 0's sends by NCCL 2.28 are 0, 1, 2, 3 and rank 3's 3, 2, 1, 0.
TEST(BuildNcclPattern, SendsInNcclsRounds) {
  const Cluster cluster("hgx-h100", 2, 2);
  const auto plan = cluster.Plan(CollectiveSpec::ALL_TO_ALL, {}, MiB(4));
  ASSERT_TRUE(plan.has_value());

  const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);

  ASSERT_EQ(pattern.edges.size(), 12u);
  EXPECT_EQ(pattern.advance, Pattern::Advance::kRounds);
  for (std::uint32_t round = 0; round < 3; ++round) {
    EXPECT_EQ(pattern.edges[round].to, cluster.fabric.gpu(GpuId{round + 1}));
    EXPECT_EQ(pattern.edges[9 + round].to, cluster.fabric.gpu(GpuId{2 - round}));
    EXPECT_EQ(pattern.edges[round].round, round);
  }
}

// 15,360 GPUs, one core: under 0.3 s as stated, tenfold so that a loaded machine does not fail.
TEST(BuildNcclPattern, IsQuickForAPod) {
  const Cluster cluster("hgx-h100", 1920, 8);
  for (const NcclAlgorithm algorithm : {NcclAlgorithm::kTree, NcclAlgorithm::kNvlsTree}) {
    const auto plan =
        cluster.Plan(CollectiveSpec::ALL_REDUCE, {algorithm, NcclProtocol::kSimple}, GiB(1));
    ASSERT_TRUE(plan.has_value());
    const auto start = std::chrono::steady_clock::now();
    const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    RecordProperty(std::string(NcclName(algorithm)), std::to_string(took.count()));
    EXPECT_GT(pattern.edges.size(), 400'000u);
    EXPECT_LT(took.count(), 3);
  }
}

// The oracle must be able to say no.
TEST(BuildNcclPattern, IsRefusedByTheInterpreterWithoutItsFeeds) {
  const Cluster cluster("hgx-h100", 3, 8);
  for (const NcclAlgorithm algorithm : {NcclAlgorithm::kTree, NcclAlgorithm::kNvlsTree}) {
    const auto plan =
        cluster.Plan(CollectiveSpec::ALL_REDUCE, {algorithm, NcclProtocol::kSimple}, GiB(1));
    ASSERT_TRUE(plan.has_value());
    Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
    for (Edge& edge : pattern.edges) edge.feed_count = 0;
    const Words input = RandomWords(pattern, 1);
    const ScheduleRun run = InterpretSchedule(pattern, input, 1);
    std::size_t wrong = 0;
    for (std::uint32_t rank = 0; rank < pattern.ranks.size(); ++rank)
      for (std::size_t word = 0; word < pattern.slice_owner.size(); ++word)
        wrong += run.words.at(pattern.ranks[rank])[word] !=
                 *Expected(pattern, CollectiveSpec::ALL_REDUCE, input, rank, word);
    EXPECT_GT(wrong, 0u);
  }
}

}  // namespace
}  // namespace weft
