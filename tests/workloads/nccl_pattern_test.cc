#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>

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
  Cluster(const std::string& preset, std::uint16_t nodes, std::uint16_t per_node,
          std::size_t leaves = 1, bool sharp = false)
      : host(NcclHost(preset)),
        fabric(MakeTestFabric(
            std::vector<TestHost>(nodes,
                                  {.gpus = per_node, .nics = std::min<std::uint16_t>(per_node, 8)}),
            leaves)),
        comm(BuildNcclComm(host, nodes, per_node, DefaultNcclRules(), {sharp, std::nullopt})) {
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
    case CollectiveSpec::ALL_TO_ALL_V:
    case CollectiveSpec::GATHER:
    case CollectiveSpec::SCATTER:
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

// The most payload bytes that a GPU's link carries one way, and that a host sends to others or gets
// from them, against the closed form's. The size is one at which all channels run.
void ExpectClosedFormBytes(const Cluster& cluster, const NcclPatternPlan& plan,
                           const Pattern& pattern) {
  const double protocol = plan.which.protocol == NcclProtocol::kLl      ? 2
                          : plan.which.protocol == NcclProtocol::kLl128 ? 16.0 / 15
                                                                        : 1;
  double most_link = 0, most_host = 0;
  std::map<VertexId, double> link, into;
  std::map<HostId, double> host, into_host;
  for (const Edge& edge : pattern.edges) {
    const double bytes = plan.which.bytes * edge.wire_num / edge.wire_den / protocol;
    const HostId from = cluster.fabric.vertex(edge.from).host;
    const HostId to = cluster.fabric.vertex(edge.to).host;
    if (from != to)
      host[from] += bytes, into_host[to] += bytes;
    else if (from != kNoHost)  // else switches that reduce
      link[edge.from] += bytes, into[edge.to] += bytes;
  }
  for (const auto* side : {&link, &into})
    for (const auto& [gpu, bytes] : *side)
      if (cluster.fabric.vertex(gpu).kind == VertexKind::kGpu)
        most_link = std::max(most_link, bytes);
  for (const auto* side : {&host, &into_host})
    for (const auto& [one, bytes] : *side)
      if (one != kNoHost) most_host = std::max(most_host, bytes);
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

// Zeros, ones and heavy cells alike.
SendMatrix RandomMatrix(std::uint32_t ranks, std::uint64_t seed) {
  Random random(StreamSeed(seed, {3}));
  SendMatrix out{ranks, {}};
  for (std::uint32_t cell = 0; cell < ranks * ranks; ++cell)
    out.bytes.push_back(random.Below(3) == 0 ? 0 : std::int64_t{1} << random.Below(24));
  return out;
}

// Rank 1 receives nothing and rank 0 sends nothing.
SendMatrix WithSilentRanks(SendMatrix matrix) {
  for (std::uint32_t rank = 0; rank < matrix.ranks; ++rank)
    matrix.bytes[rank] = matrix.bytes[std::size_t{rank} * matrix.ranks + 1 % matrix.ranks] = 0;
  return matrix;
}

// Every pair that has bytes is one edge, with all of them, and every block ends where it should;
// bytes inside and between hosts are the matrix's own sums.
void ExpectMatrix(const Cluster& cluster, Op op, const SendMatrix& matrix, std::uint64_t seed) {
  SCOPED_TRACE(testing::Message() << OpName(op) << ", seed " << seed);
  NcclPatternPlan plan;
  plan.comm = &cluster.comm;
  plan.op = op;
  plan.matrix = &matrix;
  plan.loads = NcclLoadsOf(cluster.comm, cluster.host, matrix);
  plan.which = MakeNcclTimeCase(cluster.comm, cluster.host, {{}, false, {}, &plan.loads},
                                BusiestRank(matrix));
  plan.time = NcclTime(plan.which, {});
  const Pattern pattern = BuildNcclPattern(plan, cluster.fabric, cluster.communicator);
  std::vector<Bytes> amounts = NcclSendAmounts(plan, pattern);
  ASSERT_EQ(amounts.size(), pattern.edges.size());
  if (plan.which.protocol == NcclProtocol::kLl)  // a flag for every four bytes
    for (Bytes& wire : amounts) wire = Bytes(wire.count() / 2);

  std::array<std::int64_t, 2> carried{}, said{};  // inside hosts, between hosts
  std::map<VertexId, std::int64_t> by_sender;
  for (std::size_t e = 0; e < amounts.size(); ++e) {
    const Edge& edge = pattern.edges[e];
    EXPECT_GT(amounts[e], Bytes());
    carried[cluster.fabric.vertex(edge.from).host != cluster.fabric.vertex(edge.to).host] +=
        amounts[e].count();
    by_sender[edge.from] += amounts[e].count();
  }
  const auto per_node = static_cast<std::uint32_t>(cluster.comm.per_node);
  for (std::uint32_t from = 0; from < matrix.ranks; ++from) {
    std::int64_t sent = 0;
    for (std::uint32_t to = 0; to < matrix.ranks; ++to) {
      if (to == from) continue;
      said[from / per_node != to / per_node] += matrix.At(from, to);
      sent += matrix.At(from, to);
    }
    EXPECT_EQ(by_sender[pattern.ranks[from]], sent) << "rank " << from;
  }
  EXPECT_EQ(carried, said);

  const Words input = RandomWords(pattern, seed);
  const ScheduleRun run = InterpretSchedule(pattern, input, seed);
  ASSERT_TRUE(run.complete);
  std::size_t wrong = 0;
  for (std::uint32_t from = 0; from < matrix.ranks; ++from)
    for (std::uint32_t to = 0; to < matrix.ranks; ++to) {
      const std::size_t word = std::size_t{from} * matrix.ranks + to;
      const bool moved = matrix.At(from, to) > 0;
      wrong +=
          run.words.at(pattern.ranks[to])[word] != input.at(pattern.ranks[moved ? from : to])[word];
    }
  EXPECT_EQ(wrong, 0u);
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
  const auto ranks = static_cast<std::uint32_t>(cluster.comm.ranks());
  const SendMatrix random = RandomMatrix(ranks, seed);
  for (const SendMatrix& matrix : {random, WithSilentRanks(random), SkewedMatrix(ranks, 1, seed)})
    ExpectMatrix(cluster, CollectiveSpec::ALL_TO_ALL_V, matrix, seed);
  ExpectMatrix(cluster, CollectiveSpec::GATHER, RootMatrix(ranks, true), seed);
  ExpectMatrix(cluster, CollectiveSpec::SCATTER, RootMatrix(ranks, false), seed);
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

// From switch to switch one edge a channel.
void ExpectOneCopy(const Cluster& cluster, const Pattern& pattern, std::size_t leaves) {
  std::map<std::tuple<VertexId, VertexId, std::uint16_t>, int> copies;
  for (const Edge& edge : pattern.edges)
    if (cluster.fabric.vertex(edge.from).host == kNoHost &&
        cluster.fabric.vertex(edge.to).host == kNoHost)
      ++copies[{edge.from, edge.to, edge.channel}];
  for (const auto& [hop, times] : copies) EXPECT_EQ(times, 1);
  EXPECT_EQ(copies.empty(), leaves == 1);
}

// Where the network reduces: one leaf, and leaves below spines; what a host's NICs and GPUs carry
// is the closed form's, and a switch hands on one copy of each channel's share.
TEST(BuildNcclPattern, ReducesInSwitches) {
  std::uint64_t seed = 90;
  for (const auto& [host, nodes, per_node, leaves] : {std::tuple("hgx-h100", 2, 8, 1),
                                                      {"hgx-h100", 5, 8, 2},
                                                      {"dgx-a100", 6, 8, 3},
                                                      {"dgx-a100", 3, 4, 2},
                                                      {"hgx-h100", 7, 1, 3}}) {
    SCOPED_TRACE(testing::Message()
                 << host << ", " << nodes << " x " << per_node << ", " << leaves);
    const Cluster cluster(host, static_cast<std::uint16_t>(nodes),
                          static_cast<std::uint16_t>(per_node), static_cast<std::size_t>(leaves),
                          true);
    for (const Op op :
         {CollectiveSpec::ALL_REDUCE, CollectiveSpec::ALL_GATHER, CollectiveSpec::REDUCE_SCATTER})
      for (const NcclAlgorithm algorithm :
           {NcclAlgorithm::kCollNetChain, NcclAlgorithm::kCollNetDirect, NcclAlgorithm::kNvls}) {
        const NcclForced forced = {algorithm, NcclProtocol::kSimple};
        const auto plan = cluster.Plan(op, forced, MiB(256));
        if (algorithm == NcclAlgorithm::kNvls && (std::string(host) == "dgx-a100" || per_node == 1))
          continue;  // off, or a domain of one GPU
        if (algorithm == NcclAlgorithm::kCollNetChain && op != CollectiveSpec::ALL_REDUCE) continue;
        ASSERT_TRUE(plan.has_value()) << NcclName(algorithm);
        SCOPED_TRACE(NcclName(algorithm));
        ASSERT_TRUE(HasSwitchTrees(*plan, cluster.fabric, cluster.communicator));
        ExpectOne(cluster, op, forced, seed++);
        const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
        ExpectOneCopy(cluster, pattern, static_cast<std::size_t>(leaves));
      }
  }
}

// Five hosts of one GPU below two leaves, by turns: 0, 2, 4 and 1, 3. Of 1 GiB a rank has a fifth:
// an all-gather sends it up once, from a leaf what its ranks have, and down all of it; a
// reduce-scatter the same ways backwards.
TEST(BuildNcclPattern, GathersInSwitchesByBlocks) {
  const Cluster cluster("hgx-h100", 5, 1, 2, true);
  for (const Op op : {CollectiveSpec::ALL_GATHER, CollectiveSpec::REDUCE_SCATTER}) {
    const auto plan =
        cluster.Plan(op, {NcclAlgorithm::kCollNetDirect, NcclProtocol::kSimple}, GiB(1));
    ASSERT_TRUE(plan.has_value());
    const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
    // Of edges of channel 0: from hosts, between switches, to hosts.
    std::map<int, std::multiset<std::uint32_t>> fifths;
    for (const Edge& edge : pattern.edges) {
      if (edge.channel > 0) continue;
      const bool from = cluster.fabric.vertex(edge.from).host != kNoHost;
      const bool to = cluster.fabric.vertex(edge.to).host != kNoHost;
      const double share = 5.0 * pattern.channels * edge.wire_num / edge.wire_den;
      fifths[from ? 0 : to ? 2 : 1].insert(static_cast<std::uint32_t>(std::lround(share)));
    }
    const std::multiset<std::uint32_t> own = {1, 1, 1, 1, 1}, all = {5, 5, 5, 5, 5};
    const bool gather = op == CollectiveSpec::ALL_GATHER;
    EXPECT_EQ(fifths[0], gather ? own : all);
    EXPECT_EQ(fifths[1], (std::multiset<std::uint32_t>{2, 3, 5, 5}));
    EXPECT_EQ(fifths[2], gather ? all : own);
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

// PAT over five ranks: block 0 goes 0→4, 0→2, 2→3, 0→1; three hops no block takes. A rank sends
// two blocks next door and one to each of the ranks two and four on.
TEST(BuildNcclPattern, SendsFewBlocksFarInPat) {
  const Cluster cluster("hgx-h100", 5, 1);
  const auto plan = cluster.Plan(CollectiveSpec::ALL_GATHER,
                                 {NcclAlgorithm::kPat, NcclProtocol::kSimple}, MiB(4));
  ASSERT_TRUE(plan.has_value());
  const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
  ASSERT_EQ(pattern.edges.size(), 15u);
  std::multiset<std::pair<std::uint32_t, std::uint32_t>> ways;  // of block 0
  std::map<std::uint32_t, double> fifths;                       // by distance
  for (const Edge& edge : pattern.edges) {
    const auto rank = [&](VertexId gpu) {
      return static_cast<std::uint32_t>(std::find(pattern.ranks.begin(), pattern.ranks.end(), gpu) -
                                        pattern.ranks.begin());
    };
    for (std::uint32_t k = 0; k < edge.steps; ++k)
      if ((edge.first_slice + 5 * edge.steps * 5 +
           static_cast<std::int64_t>(k) * edge.slice_stride) %
              5 ==
          0)
        ways.insert({rank(edge.from), rank(edge.to)});
    fifths[(rank(edge.to) + 5 - rank(edge.from)) % 5] += 5.0 * edge.wire_num / edge.wire_den;
  }
  EXPECT_EQ(ways, (std::multiset<std::pair<std::uint32_t, std::uint32_t>>{
                      {0, 1}, {0, 2}, {0, 4}, {2, 3}}));
  EXPECT_EQ(fifths, (std::map<std::uint32_t, double>{{1, 10}, {2, 5}, {4, 5}}));
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

// Eight a channel [NCCL 2.28.9 src/enqueue.cc addP2pToPlan]: inside one host every peer has all 32
// channels; over two a peer has two of 16, so that all 15 go at once; over many one of 16.
TEST(BuildNcclPattern, SendsEightPeersAtATimeOnAChannel) {
  for (const auto& [nodes, at_once] : {std::pair(1, 8), {2, 64}, {8, 128}}) {
    const Cluster cluster("hgx-h100", static_cast<std::uint16_t>(nodes), 8);
    const auto plan = cluster.Plan(CollectiveSpec::ALL_TO_ALL, {}, MiB(64));
    ASSERT_TRUE(plan.has_value());
    const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
    EXPECT_EQ(pattern.window, static_cast<std::uint32_t>(at_once)) << nodes;
  }
}

// A matrix of equal cells is an all-to-all: the same edges, rounds, bytes, caps and time.
TEST(BuildNcclPattern, SendsAUniformMatrixAsAnAllToAll) {
  for (const auto& [host, nodes, per_node] :
       {std::tuple("hgx-h100", 2, 8), {"dgx-a100", 3, 4}, {"hgx-h100", 1, 8}, {"hgx-b200", 2, 1}}) {
    SCOPED_TRACE(testing::Message() << host << ", " << nodes << " x " << per_node);
    const Cluster cluster(host, static_cast<std::uint16_t>(nodes),
                          static_cast<std::uint16_t>(per_node));
    const auto ranks = static_cast<std::uint32_t>(cluster.comm.ranks());
    const SendMatrix matrix{ranks, std::vector<std::int64_t>(ranks * ranks, 1 << 20)};
    const Bytes size = BusiestRank(matrix);
    const auto plain = cluster.Plan(CollectiveSpec::ALL_TO_ALL, {}, size);
    ASSERT_TRUE(plain.has_value());
    NcclPatternPlan plan = *plain;
    plan.matrix = &matrix;
    plan.loads = NcclLoadsOf(cluster.comm, cluster.host, matrix);
    plan.which = MakeNcclTimeCase(cluster.comm, cluster.host, {{}, false, {}, &plan.loads}, size);
    plan.time = NcclTime(plan.which, {});

    const Pattern a = BuildNcclPattern(*plain, cluster.fabric, cluster.communicator);
    const Pattern v = BuildNcclPattern(plan, cluster.fabric, cluster.communicator);
    const std::vector<Bytes> amounts = NcclSendAmounts(plan, v);

    EXPECT_NEAR(plan.time.us, plain->time.us, 1e-9 * plain->time.us);
    ASSERT_EQ(v.edges.size(), a.edges.size());
    for (std::size_t e = 0; e < a.edges.size(); ++e) {
      EXPECT_EQ(v.edges[e].to, a.edges[e].to);
      EXPECT_EQ(v.edges[e].round, a.edges[e].round);
      EXPECT_EQ(static_cast<double>(amounts[e].count()), WireBytes(a.edges[e], size));
    }
    for (const std::size_t c : {0u, 1u})
      EXPECT_NEAR(v.classes[c].cap.bits_per_second(), a.classes[c].cap.bits_per_second(),
                  1e-9 * a.classes[c].cap.bits_per_second());
  }
}

// The matrix of the header: rank 2 sends most; row 0 reordered to the end.
TEST(SendMatrix, ReadsCellsAndScalesThem) {
  const Result<SendMatrix> read =
      ParseSendMatrix("# bytes\n100, 200,150\n\n50 100 75\n300\t150 200B\n", "m.csv");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->bytes, (std::vector<std::int64_t>{100, 200, 150, 50, 100, 75, 300, 150, 200}));
  EXPECT_EQ(BusiestRank(*read), Bytes(650));
  EXPECT_EQ(ScaledTo(*read, Bytes(1300)).At(1, 2), 150);
  EXPECT_EQ(ScaledTo(*read, Bytes(65)).At(1, 2), 7);
  EXPECT_EQ(Reordered(*read, {1, 2, 0}).bytes,
            (std::vector<std::int64_t>{100, 75, 50, 150, 200, 300, 200, 150, 100}));
}

TEST(SendMatrix, SaysWhereAFileIsWrong) {
  const auto said = [](const char* text) {
    std::ostringstream out;
    const Result<SendMatrix> read = ParseSendMatrix(text, "m.csv");
    for (const Error& error : read.error()) out << error << '\n';
    return out.str();
  };
  EXPECT_EQ(said("1,2\n3,-4\n"),
            "m.csv:2:3: error: '-4' is no size (bytes, such as 1048576 or 1MiB, at most 1 PB)\n");
  EXPECT_EQ(said("1 2 3\n4 5\nx 7 8e\n"),
            "m.csv:2:1: error: row 1 has 2 cells, and the first has 3 (a cell a rank in every "
            "row)\n"
            "m.csv:3:1: error: 'x' is no size (bytes, such as 1048576 or 1MiB, at most 1 PB)\n"
            "m.csv:3:5: error: '8e' is no size (bytes, such as 1048576 or 1MiB, at most 1 PB)\n");
  EXPECT_EQ(said("1,2\n"),
            "m.csv:1:1: error: the matrix has 1 rows and 2 columns (as many of both as ranks)\n");
  EXPECT_EQ(said("# nothing\n"),
            "m.csv:1:1: error: the matrix has no rows (a row a rank: 0, 1048576, 2MiB)\n");
  EXPECT_EQ(said("1,\"2\n3,4\n"),
            "m.csv:1:3: error: a quote is not closed (cells need no quotes: 0, 1048576, 2MiB)\n");
  EXPECT_EQ(said("1.5e0 2\n3 1e16\n"),
            "m.csv:1:1: error: '1.5e0' is no size (bytes, such as 1048576 or 1MiB, at most 1 PB)\n"
            "m.csv:2:3: error: '1e16' is no size (bytes, such as 1048576 or 1MiB, at most 1 PB)\n");
}

// As a spreadsheet and numpy write them.
TEST(SendMatrix, ReadsAMarkAndExponents) {
  const Result<SendMatrix> read = ParseSendMatrix(
      "\xEF\xBB\xBF"
      "1e6,1.048576000000000000e+06\r\n0.0,2e0\r\n",
      "m.csv");
  ASSERT_TRUE(read.has_value()) << read.error().front();
  EXPECT_EQ(read->bytes, (std::vector<std::int64_t>{1'000'000, 1'048'576, 0, 2}));
  EXPECT_EQ(BusiestRank(RoundedTo(*read, Bytes(16))), Bytes(1'000'000 + 1'048'576));
}

// alltoallv_perf of nccl-tests 2.19.6 on four ranks: nothing to itself, then 1/6, 2/6, 3/6.
TEST(SendMatrix, SpreadsAsNcclTestsDoes) {
  const SendMatrix matrix = ScaledTo(SpreadMatrix(4, 1), Bytes(600));
  EXPECT_EQ(matrix.At(0, 0), 0);
  for (const auto& [to, bytes] : {std::pair(1u, 100), {2u, 200}, {3u, 300}})
    EXPECT_NEAR(static_cast<double>(matrix.At(0, to)), bytes, 1);
  EXPECT_EQ(matrix.At(3, 2), matrix.At(0, 3));
  const SendMatrix even = ScaledTo(SpreadMatrix(4, 0), Bytes(600));
  for (const std::int64_t cell : even.bytes) EXPECT_EQ(cell, 150);
}

// Every rank sends alike; the most popular receives 1 / (1 + 1/2 + 1/3 + 1/4) of all.
TEST(SendMatrix, SkewsByPlace) {
  const SendMatrix matrix = SkewedMatrix(4, 1, 7);
  std::vector<double> column(4);
  double all = 0;
  for (std::uint32_t from = 0; from < 4; ++from)
    for (std::uint32_t to = 0; to < 4; ++to) {
      column[to] += static_cast<double>(matrix.At(from, to));
      all += static_cast<double>(matrix.At(from, to));
    }
  std::sort(column.rbegin(), column.rend());
  for (int k = 1; k <= 4; ++k) EXPECT_NEAR(column[std::size_t(k - 1)] / all, 12.0 / 25 / k, 1e-9);
  EXPECT_EQ(SkewedMatrix(4, 1, 7).bytes, matrix.bytes);
  EXPECT_NE(SkewedMatrix(16, 1, 8).bytes, SkewedMatrix(16, 1, 7).bytes);
}

// 15,360 GPUs, one core: under 0.3 s as stated, tenfold for sanitizers; what else the machine does
// is not counted.
TEST(BuildNcclPattern, IsQuickForAPod) {
  const Cluster cluster("hgx-h100", 1920, 8);
  for (const NcclAlgorithm algorithm : {NcclAlgorithm::kTree, NcclAlgorithm::kNvlsTree}) {
    const auto plan =
        cluster.Plan(CollectiveSpec::ALL_REDUCE, {algorithm, NcclProtocol::kSimple}, GiB(1));
    ASSERT_TRUE(plan.has_value());
    const std::clock_t start = std::clock();
    const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
    const double took_s = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    RecordProperty(std::string(NcclName(algorithm)), std::to_string(took_s));
    EXPECT_GT(pattern.edges.size(), 400'000u);
    EXPECT_LT(took_s, 3);
  }
}

// A rank has an edge a bit, not one a block: 15,360 hosts of one GPU.
TEST(BuildNcclPattern, HasAnEdgeABitInPatOverManyHosts) {
  const Cluster cluster("hgx-h100", 15360, 1);
  const auto plan = cluster.Plan(CollectiveSpec::ALL_GATHER,
                                 {NcclAlgorithm::kPat, NcclProtocol::kSimple}, GiB(1));
  ASSERT_TRUE(plan.has_value());
  const Pattern pattern = BuildNcclPattern(*plan, cluster.fabric, cluster.communicator);
  EXPECT_EQ(pattern.edges.size(), 15360u * 14);
  EXPECT_EQ(pattern.edges.size(), NcclPatternEdges(*plan));
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
