#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/workloads/nccl_host.h"
#include "workloads/collectives/nccl/choice.h"
#include "workloads/collectives/nccl/plan.h"
#include "workloads/collectives/nccl/time.h"

namespace weft {
namespace {

using Algorithm = NcclAlgorithm;
using Protocol = NcclProtocol;

NcclComm Comm(const std::string& host, int nodes, int per_node, const char* version = "2.28") {
  return BuildNcclComm(NcclHost(host), nodes, per_node, *FindNcclRules(version)->rules);
}

double Latency(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p) {
  return comm.Cost(op, a, p).latency_us;
}

// Two hosts of eight H100 with 8 x 400G, worked from the words of [NCCL 2.28.9
// src/graph/tuning.cc]: C = 8 at 48 GB/s, 16 channels, N = 2, R = 16.
TEST(ChooseNccl, AgreesWithACaseWorkedByHand) {
  const NcclComm comm = Comm("hgx-h100", 2, 8);
  EXPECT_EQ(comm.channels, 16);
  const NcclOp op = NcclOp::kAllReduce;
  const double ring_simple = 8.4 + 28 * 3.4 + 2 * 14;  // 28 hops inside, 2 over the network
  EXPECT_NEAR(Latency(comm, op, Algorithm::kRing, Protocol::kSimple), ring_simple, 1e-9);
  EXPECT_NEAR(Latency(comm, op, Algorithm::kRing, Protocol::kLl), 6.6 + 28 * 1 + 2 * 2.7, 1e-9);
  EXPECT_NEAR(Latency(comm, op, Algorithm::kRing, Protocol::kLl128), 14 + 28 * 1.9 + 2 * 4, 1e-9);
  EXPECT_NEAR(comm.Cost(op, Algorithm::kRing, Protocol::kLl128).rate, 8 * 36.7 * 16 / 30, 1e-9);

  // 1 GiB: a ring would take 1.4 · 131.6 + 2^30 / 204,800; NVLSTree is bound by 57.7 a channel.
  const Bytes gib(1 << 30);
  const auto ring = ChooseNccl(comm, op, gib, {Algorithm::kRing, Protocol::kSimple});
  EXPECT_NEAR(ring->predicted_us, 1.4 * ring_simple + (1 << 30) / (384e3 * 16 / 30), 0.01);
  const auto large = ChooseNccl(comm, op, gib);
  EXPECT_EQ(large->algorithm, Algorithm::kNvlsTree);
  EXPECT_NEAR(large->predicted_us, 25 + 2 * 20.9 + (1 << 30) / (57.7 * 8 * 16 / 30 * 1e3), 0.01);

  // 8 KiB: a tree of LL at min(331.2 / 3.8, 39) · 0.85 / 2 GB/s, corrected by 0.7.
  const auto small = ChooseNccl(comm, op, Bytes(8 << 10));
  EXPECT_EQ(small->algorithm, Algorithm::kTree);
  EXPECT_EQ(small->protocol, Protocol::kLl);
  EXPECT_NEAR(small->predicted_us, 6.8 + 2 * (7 * 0.6 + 5) + 8192 / (39e3 * 0.85 / 2 * 0.7), 1e-6);
}

// AMD hosts pay twice the overhead of a network step: 28 hops of 2 in place of 1.
TEST(ChooseNccl, ChargesAmdHostsMoreForTheNetwork) {
  HostPart host = NcclHost("hgx-h100");
  host.cpu = HostSpec::CPU_AMD;
  const NcclComm comm = BuildNcclComm(host, 2, 8, DefaultNcclRules());
  EXPECT_NEAR(Latency(comm, NcclOp::kAllReduce, Algorithm::kRing, Protocol::kLl),
              6.6 + 28 * 2 + 2 * 2.7, 1e-9);
  EXPECT_NEAR(Latency(comm, NcclOp::kAllReduce, Algorithm::kRing, Protocol::kSimple),
              8.4 + 28 * 6 + 2 * 14, 1e-9);
}

// [NCCL 2.28.9 src/enqueue.cc]: 16 KiB of traffic a channel at least, where an all-reduce counts
// twice and LL four times.
TEST(ChooseNccl, DealsSmallSizesToFewChannels) {
  const NcclComm comm = Comm("hgx-h100", 2, 8);
  const auto forced = [&](std::int64_t bytes, Algorithm a, Protocol p) {
    return *ChooseNccl(comm, NcclOp::kAllReduce, Bytes(bytes), {a, p});
  };
  EXPECT_EQ(forced(8 << 10, Algorithm::kTree, Protocol::kLl).channels, 2);
  EXPECT_EQ(forced(64 << 10, Algorithm::kTree, Protocol::kLl).channels, 16);
  const NcclChoice three = forced(100000, Algorithm::kRing, Protocol::kSimple);
  EXPECT_EQ(three.channels, 3);
  EXPECT_EQ(three.most_channels, 3);
  EXPECT_EQ(three.threads, 544);
  EXPECT_EQ(three.chunk, MiB(2));
  EXPECT_EQ(forced(1 << 20, Algorithm::kTree, Protocol::kLl128).channels, 16);
}

TEST(ChooseNccl, TakesWhatIsForcedAndNothingThatIsOff) {
  const NcclComm h100 = Comm("hgx-h100", 1, 8), v100 = Comm("dgx-v100", 1, 8);
  const Bytes size = MiB(64);
  EXPECT_EQ(ChooseNccl(h100, NcclOp::kAllReduce, size)->algorithm, Algorithm::kNvls);
  const auto tree = ChooseNccl(h100, NcclOp::kAllReduce, size, {Algorithm::kTree, {}});
  EXPECT_EQ(tree->algorithm, Algorithm::kTree);
  const auto ll = ChooseNccl(h100, NcclOp::kAllReduce, size, {{}, Protocol::kLl});
  EXPECT_EQ(ll->protocol, Protocol::kLl);
  EXPECT_FALSE(ChooseNccl(v100, NcclOp::kAllReduce, size, {Algorithm::kNvls, {}}));
  EXPECT_FALSE(ChooseNccl(h100, NcclOp::kBroadcast, size, {Algorithm::kTree, {}}));
  // Over nodes NVLS needs switches that reduce; NVLSTree does not.
  const NcclComm two = Comm("hgx-h100", 2, 8);
  EXPECT_FALSE(ChooseNccl(two, NcclOp::kAllReduce, size, {Algorithm::kNvls, {}}));
  EXPECT_TRUE(ChooseNccl(two, NcclOp::kAllReduce, size, {Algorithm::kNvlsTree, {}}));
  const NcclComm sharp =
      BuildNcclComm(NcclHost("hgx-h100"), 2, 8, DefaultNcclRules(), {true, std::nullopt});
  for (const Algorithm a : {Algorithm::kNvls, Algorithm::kCollNetChain, Algorithm::kCollNetDirect})
    EXPECT_TRUE(ChooseNccl(sharp, NcclOp::kAllReduce, size, {a, {}})) << NcclName(a);
}

// EFA's plugin sets NCCL_PROTO=Simple where the NICs do not write, unless it is set; then it warns.
TEST(ChooseNccl, TakesAForcedProtocolWhereThePluginWouldKeepToSimple) {
  HostPart host = NcclHost("dgx-a100");
  host.transport = HostSpec::EFA;
  for (const int nodes : {1, 2}) {
    const NcclComm comm = BuildNcclComm(host, nodes, 8, DefaultNcclRules());
    for (const NcclCandidate& one : NcclCandidates(comm, NcclOp::kAllReduce, MiB(1)))
      EXPECT_EQ(one.protocol, Protocol::kSimple);
    const auto ring = ChooseNccl(comm, NcclOp::kAllReduce, KiB(8), {Algorithm::kRing, {}});
    EXPECT_EQ(ring->protocol, Protocol::kSimple);
    for (const Protocol p : {Protocol::kLl, Protocol::kLl128}) {
      const auto forced = ChooseNccl(comm, NcclOp::kAllReduce, KiB(8), {{}, p});
      ASSERT_TRUE(forced);
      EXPECT_EQ(forced->protocol, p);
      EXPECT_THAT(WarningOfForced(host, {{}, p}),
                  testing::HasSubstr("where EFA's plugin has NCCL keep to Simple"));
    }
  }
  EXPECT_EQ(WarningOfForced(host, {}), "");
  EXPECT_EQ(WarningOfForced(host, {{}, Protocol::kSimple}), "");
  EXPECT_EQ(WarningOfForced(NcclHost("dgx-a100"), {{}, Protocol::kLl}), "");
}

HostPart OverEfa(const std::string& preset, int nics, double gigabits) {
  HostPart host = NcclHost(preset);
  host.transport = HostSpec::EFA;
  host.nics = nics;
  host.nic_ports = 1;
  host.nic_port = GigabitsPerSecond(gigabits);
  return AsNcclSees(host);
}

// Hosts of eight H100 with 32 NICs of 100 Gb/s, by the corners of [AWS-OFI v1.16.3
// src/tuner/nccl_ofi_regions.cpp] for p5: at 32 ranks LL128 ends between 1 and 2 GiB, at 64 on the
// corner of 2 GiB, at 256 on the edge that ends there.
TEST(ChooseNccl, TakesWhatEfasPluginSaysOverMoreThanTwoHosts) {
  const HostPart p5 = OverEfa("hgx-h100", 32, 100);
  const auto choice = [&](int nodes, Bytes size, const char* version = "2.28") {
    const NcclComm comm = BuildNcclComm(p5, nodes, 8, *FindNcclRules(version)->rules);
    const auto got = ChooseNccl(comm, NcclOp::kAllReduce, size);
    return std::string(NcclName(got->algorithm)) + ' ' + std::string(NcclName(got->protocol));
  };
  EXPECT_EQ(choice(4, MiB(32)), "Tree LL128");
  EXPECT_EQ(choice(4, MiB(64)), "Ring LL128");
  EXPECT_EQ(choice(4, MiB(1024)), "Ring LL128");
  EXPECT_EQ(choice(4, MiB(2048)), "Ring Simple");
  EXPECT_EQ(choice(8, MiB(64)), "Tree LL128");
  EXPECT_EQ(choice(8, MiB(2048)), "Ring LL128");
  EXPECT_EQ(choice(8, MiB(4096)), "Ring Simple");
  EXPECT_EQ(choice(16, MiB(256)), "Tree LL128");
  EXPECT_EQ(choice(16, MiB(4096)), "NVLSTree Simple");
  EXPECT_EQ(choice(16, MiB(8192)), "Ring Simple");
  EXPECT_EQ(choice(32, MiB(1024)), "NVLSTree Simple");
  EXPECT_EQ(choice(32, MiB(2048)), "Ring LL128");
  EXPECT_EQ(choice(32, MiB(8192)), "NVLSTree Simple");
  // Two hosts, NCCL of before the plugin, an operation that has no areas: NCCL's own.
  const NcclRules& rules = DefaultNcclRules();
  EXPECT_EQ(BuildNcclComm(p5, 2, 8, rules).tuner, EfaTuner::kNone);
  EXPECT_EQ(BuildNcclComm(p5, 4, 4, rules).tuner, EfaTuner::kNone);
  EXPECT_EQ(BuildNcclComm(p5, 4, 8, *FindNcclRules("2.26")->rules).tuner, EfaTuner::kNone);
  EXPECT_NE(choice(4, MiB(1024), "2.26"), "Ring LL128");
  const NcclComm four = BuildNcclComm(p5, 4, 8, rules);
  EXPECT_FALSE(
      EfaTunerChoice(four.tuner, NcclOp::kAllGather, 1 << 30, 32, [](NcclPair) { return true; }));
  // What is forced stays, and a pair that is off is passed over for the next area that has the
  // point, or for none.
  const auto forced = ChooseNccl(four, NcclOp::kAllReduce, MiB(1024), {Algorithm::kTree, {}});
  EXPECT_EQ(forced->algorithm, Algorithm::kTree);
  EXPECT_FALSE(EfaTunerChoice(four.tuner, NcclOp::kAllReduce, 1 << 30, 32,
                              [](NcclPair pair) { return pair.protocol != Protocol::kLl128; }));
}

// A ring's channel passes on 36.7 / 2 GB/s with LL128 by NCCL's model of Hopper: sixteen of them
// 293.6 of what all edges carry, 2(R − 1)/R of the bytes, where the NICs' 384 would allow for more;
// a tree's over more than two hosts 29 / 2, and 0.85 of it where one GPU has parent and children.
TEST(NcclTime, BoundsLl128ByAChannelsThreads) {
  const HostPart p5 = OverEfa("hgx-h100", 32, 100);
  const NcclComm comm = BuildNcclComm(p5, 4, 8, DefaultNcclRules());
  ASSERT_EQ(comm.channels, 16);
  const double bytes = 64.0 * (1LL << 30);  // so many that nothing else counts
  const auto rate = [&](Algorithm algorithm, Protocol protocol) {
    const NcclTimeQuestion question{NcclOp::kAllReduce, false, {algorithm, protocol}};
    const CollectiveTime time =
        NcclTime(MakeNcclTimeCase(comm, p5, question, Bytes(static_cast<std::int64_t>(bytes))), {});
    return bytes / (1e3 * time.us);
  };
  const double ring = 16 * 36.7 / 2 * 32 / 62, tree = 16 * 29.0 / 2 * 0.85 / 2;
  EXPECT_NEAR(rate(Algorithm::kRing, Protocol::kLl128), ring, 0.01 * ring);
  EXPECT_GT(rate(Algorithm::kRing, Protocol::kSimple), 1.2 * ring);
  ASSERT_EQ(comm.tree.pattern, NcclGraph::Pattern::kTree);
  EXPECT_NEAR(rate(Algorithm::kTree, Protocol::kLl128), tree, 0.01 * tree);
}

TEST(EfaTunerOf, KnowsInstancesByTheirNics) {
  const NcclRules& rules = DefaultNcclRules();
  const auto of = [&](const HostPart& host) { return EfaTunerOf(host, rules, 4, 8); };
  EXPECT_EQ(of(OverEfa("hgx-h100", 32, 100)), EfaTuner::kP5);
  EXPECT_EQ(of(OverEfa("hgx-h200", 16, 200)), EfaTuner::kP5en);
  EXPECT_EQ(of(OverEfa("hgx-b200", 8, 400)), EfaTuner::kP6B200);
  EXPECT_EQ(of(OverEfa("dgx-a100", 4, 100)), EfaTuner::kNone);
  EXPECT_EQ(of(OverEfa("hgx-h100", 8, 400)), EfaTuner::kNone);
  EXPECT_EQ(of(NcclHost("hgx-h100")), EfaTuner::kNone);
  const NcclComm b200 = BuildNcclComm(OverEfa("hgx-b200", 8, 400), 4, 8, rules);
  const auto half = ChooseNccl(b200, NcclOp::kAllReduce, MiB(512));
  EXPECT_EQ(half->algorithm, Algorithm::kRing);
  EXPECT_EQ(half->protocol, Protocol::kLl128);
  EXPECT_EQ(ChooseNccl(b200, NcclOp::kAllGather, KiB(64))->protocol, Protocol::kLl);
}

// On both sides of the edges of [AWS-OFI v1.16.3 src/tuner/nccl_ofi_regions.cpp] for p5en and
// p6-b200, each by its corners: p5en's LL128 on trees ends at 34.15e6 bytes of 32 ranks.
TEST(EfaTunerChoice, TakesTheAreasOfP5enAndP6) {
  const auto choice = [](EfaTuner tuner, NcclOp op, Bytes size, int ranks) {
    const auto got = EfaTunerChoice(tuner, op, size.count(), ranks, [](NcclPair) { return true; });
    return !got ? std::string("none")
                : fmt::format("{} {}", NcclName(got->algorithm), NcclName(got->protocol));
  };
  struct Asked {
    EfaTuner tuner;
    NcclOp op;
    Bytes size;
    int ranks;
    const char* want;
  };
  using enum EfaTuner;
  for (const Asked& one : std::initializer_list<Asked>{
           {kP5en, NcclOp::kAllReduce, KiB(128), 32, "Tree LL"},
           {kP5en, NcclOp::kAllReduce, MiB(32), 32, "Tree LL128"},
           {kP5en, NcclOp::kAllReduce, MiB(33), 32, "Ring LL128"},
           {kP5en, NcclOp::kAllReduce, MiB(511), 32, "Ring LL128"},
           {kP5en, NcclOp::kAllReduce, MiB(1024), 32, "Ring Simple"},
           {kP5en, NcclOp::kAllReduce, MiB(64), 128, "Tree LL128"},
           {kP5en, NcclOp::kAllReduce, MiB(1024), 128, "NVLSTree Simple"},
           {kP5en, NcclOp::kAllReduce, MiB(4096), 128, "Ring Simple"},
           {kP5en, NcclOp::kAllGather, KiB(128), 32, "Ring LL"},
           {kP5en, NcclOp::kReduceScatter, MiB(256), 32, "Ring LL128"},
           {kP5en, NcclOp::kAllGather, MiB(1024), 32, "Ring Simple"},
           {kP6B200, NcclOp::kAllReduce, KiB(128), 32, "Tree LL"},
           {kP6B200, NcclOp::kAllReduce, MiB(63), 32, "Tree LL128"},
           {kP6B200, NcclOp::kAllReduce, MiB(65), 32, "Ring LL128"},
           {kP6B200, NcclOp::kAllReduce, MiB(535), 32, "Ring LL128"},
           {kP6B200, NcclOp::kAllReduce, MiB(537), 32, "Ring Simple"},
           {kP6B200, NcclOp::kAllReduce, MiB(2560), 768, "NVLSTree Simple"},
           {kP6B200, NcclOp::kAllReduce, MiB(4096), 512, "Ring LL128"},
           {kP6B200, NcclOp::kAllReduce, MiB(16384), 512, "Ring Simple"},
           {kP6B200, NcclOp::kReduceScatter, MiB(1), 32, "Ring LL"},
           {kP6B200, NcclOp::kAllGather, MiB(512), 32, "Ring LL128"},
           {kP6B200, NcclOp::kAllGather, MiB(1024), 32, "Ring Simple"},
           {kP5, NcclOp::kAllReduce, MiB(64), 128, "Tree LL128"},
           {kP5, NcclOp::kAllReduce, MiB(512), 128, "Ring LL128"},
           {kP5, NcclOp::kAllGather, MiB(64), 32, "none"},
           {kP5en, NcclOp::kBroadcast, MiB(64), 32, "none"},
           {kP6B200, NcclOp::kReduce, MiB(64), 32, "none"}})
    EXPECT_EQ(choice(one.tuner, one.op, one.size, one.ranks), one.want)
        << static_cast<int>(one.tuner) << ' ' << one.size.count() << " bytes, " << one.ranks;
}

// LL128's stores must arrive in order, which PCIe alone does not promise; PAT is for one GPU a
// node.
TEST(ChooseNccl, KnowsWhereProtocolsAndPatWork) {
  EXPECT_FALSE(
      ChooseNccl(Comm("pcie-a100", 1, 8), NcclOp::kAllReduce, MiB(1), {{}, Protocol::kLl128}));
  EXPECT_TRUE(
      ChooseNccl(Comm("dgx-a100", 1, 8), NcclOp::kAllReduce, MiB(1), {{}, Protocol::kLl128}));
  const NcclForced pat{Algorithm::kPat, {}};
  EXPECT_TRUE(ChooseNccl(Comm("hgx-h100", 4, 1), NcclOp::kAllGather, MiB(1), pat));
  EXPECT_FALSE(ChooseNccl(Comm("hgx-h100", 4, 2), NcclOp::kAllGather, MiB(1), pat));
  EXPECT_FALSE(ChooseNccl(Comm("hgx-h100", 4, 1, "2.22"), NcclOp::kAllGather, MiB(1), pat));
}

TEST(ChooseNccl, GivesARankAloneNothingToWaitFor) {
  const auto choice = ChooseNccl(Comm("hgx-h100", 1, 1), NcclOp::kAllReduce, MiB(1));
  EXPECT_EQ(choice->algorithm, Algorithm::kRing);
  EXPECT_EQ(choice->predicted_us, 0);
}

// The least of the candidates is the choice, more bytes never take less time at one pair, and
// what is asked of channels stays within what the communicator has.
TEST(ChooseNccl, HoldsItsOwnInvariantsEverywhere) {
  for (const char* host : {"dgx-v100", "hgx-h100", "pcie-a100", "hgx-b200"})
    for (const char* version : {"2.18", "2.22", "2.30"})
      for (const int nodes : {1, 3}) {
        SCOPED_TRACE(testing::Message() << host << ' ' << version << ' ' << nodes);
        const NcclComm comm = Comm(host, nodes, 8, version);
        for (std::size_t op = 0; op < kNcclOps; ++op)
          for (std::int64_t bytes = 4096; bytes <= 1LL << 34; bytes *= 8) {
            const auto what = static_cast<NcclOp>(op);
            const auto choice = ChooseNccl(comm, what, Bytes(bytes));
            ASSERT_TRUE(choice);
            EXPECT_EQ(choice->predicted_us,
                      NcclCandidates(comm, what, Bytes(bytes)).front().time_us);
            EXPECT_GT(choice->predicted_us, 0);
            EXPECT_GE(choice->channels, 1);
            EXPECT_LE(choice->channels, std::max(comm.channels, comm.nvls_channels));
            EXPECT_GE(choice->threads, 64);
            EXPECT_GT(choice->chunk.count(), 0);
          }
      }
}

TEST(FindNcclRules, TakesTheNearestVersionAndSaysSo) {
  EXPECT_TRUE(FindNcclRules("2.28.9")->exact);
  EXPECT_EQ(FindNcclRules("2.23")->rules->minor, 23);
  EXPECT_FALSE(FindNcclRules("2.16.2")->exact);
  EXPECT_EQ(FindNcclRules("2.16.2")->rules->minor, 18);
  EXPECT_EQ(FindNcclRules("2.40")->rules->minor, 30);
  EXPECT_EQ(FindNcclRules("3.0")->rules->minor, 30);
  for (const char* wrong : {"", "2", "latest", "2.x", "2.28.9.1", "-2.28", "2."})
    EXPECT_FALSE(FindNcclRules(wrong)) << wrong;
}

// [NCCL 2.22.3, 2.23.4 src/graph/tuning.cc]: up to 2.22 a tree of Simple costs 28 us a hop, so
// that it is hardly ever taken.
TEST(FindNcclRules, KnowsWhatChangedWithVersions) {
  const auto tree = [](const char* version) {
    return Latency(Comm("hgx-h100", 2, 8, version), NcclOp::kAllReduce, Algorithm::kTree,
                   Protocol::kSimple);
  };
  EXPECT_NEAR(tree("2.22"), 2 * (7 * 28 + 28), 1e-9);
  EXPECT_NEAR(tree("2.23"), 8.4 + 2 * (7 * 4 + 14), 1e-9);
  EXPECT_NEAR(tree("2.18"), 2 * (7 * 4 + 14), 1e-9);
}

}  // namespace
}  // namespace weft
