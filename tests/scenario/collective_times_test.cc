#include "scenario/collective_times.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "scenario/calibration.h"
#include "scenario/prepare.h"
#include "scenario/run_scenario.h"
#include "tests/base/test_file.h"
#include "tests/workloads/nccl_host.h"
#include "workloads/collectives/moe.h"

namespace weft {
namespace {

using testing::HasSubstr;

CollectiveModel Model(const std::string& op, const std::string& host, int gpus, int per_host,
                      NcclForced forced = {}) {
  CollectiveQuestion question;
  question.op = op;
  question.host = NcclHost(host);
  question.gpus = gpus;
  question.gpus_per_host = per_host;
  question.forced = forced;
  auto model = CollectiveModel::Build(question);
  EXPECT_TRUE(model.has_value());
  return *model;
}

double Us(const CollectiveModel& model, Bytes bytes) { return model.Time(bytes, {}).us; }

// Two A100 and one hop each way of LL at 8 B: launch and two steps, 8 + 2 · 1 us; the copy of
// 4 B and the bytes are nothing.
TEST(CollectiveModel, IsLaunchAndStepsForTheSmallest) {
  EXPECT_NEAR(Us(Model("all_reduce", "dgx-a100", 2, 2), Bytes(8)), 10, 0.01);
}

// Ten hosts of one H100: a ring's bytes, 18/10 of 16 GiB, over 96 % of 50 GB/s, and beside
// these the us that each slice of 87 costs.
TEST(CollectiveModel, IsTheNicsRateForTheLargest) {
  const CollectiveModel model = Model("all_reduce", "hgx-h100", 10, 1, {NcclAlgorithm::kRing, {}});
  const double seconds = 1.8 * static_cast<double>(GiB(16).count()) / 48e9;
  EXPECT_NEAR(Us(model, GiB(16)) / (seconds * 1e6), 1 + 1 / 87.4, 0.004);
  EXPECT_EQ(model.Time(GiB(16), {}).bound, CollectiveTime::Bound::kNic);
}

// A tree over two hosts goes up and down: two steps between hosts, and a flush after each where
// NCCL asks for one, of Simple alone [NCCL 2.28.9 src/graph/paths.cc ncclTopoNeedFlush].
TEST(CollectiveModel, WaitsForAFlushWhereTheGpuNeedsOne) {
  for (const auto& [host, per_host, nccl, flushed] : {std::tuple("dgx-a100", 8, "2.28", true),
                                                      {"hgx-h100", 8, "2.28", false},
                                                      {"hgx-h100", 8, "2.19", false},
                                                      {"hgx-h100", 8, "2.18", true}})
    for (const auto protocol : {NcclProtocol::kSimple, NcclProtocol::kLl}) {
      SCOPED_TRACE(testing::Message() << host << ' ' << nccl << ' ' << NcclName(protocol));
      CollectiveQuestion question;
      question.op = "all_reduce";
      question.host = NcclHost(host);
      question.gpus = 2 * per_host;
      question.gpus_per_host = per_host;
      question.nccl = nccl;
      question.forced = {NcclAlgorithm::kTree, protocol};
      const auto model = CollectiveModel::Build(question);
      ASSERT_TRUE(model.has_value());
      CollectiveConstants slow;
      const std::string transport = question.host.transport == HostSpec::IB ? "ib" : "roce";
      slow.values[FindCollectiveParameter(transport + ".flush")] += 100;
      EXPECT_NEAR(model->Time(MiB(4), slow).us - model->Time(MiB(4), {}).us,
                  flushed && protocol == NcclProtocol::kSimple ? 200 : 0, 1e-6);
    }
}

// How much longer it takes when a step by `constant` does, over by how much.
double StepsOf(const CollectiveModel& model, const std::string& constant, Bytes bytes) {
  CollectiveConstants slow;
  slow.values[FindCollectiveParameter(constant)] += 100;
  return (model.Time(bytes, slow).us - Us(model, bytes)) / 100;
}

// Over Slingshot a message of up to 4,097 bytes on the wire goes at once, a longer one by a
// rendezvous [LIBFABRIC-CXI].
TEST(CollectiveModel, SendsShortMessagesWithoutARendezvous) {
  for (const std::string op :
       {"all_reduce", "all_gather", "broadcast", "all_to_all", "send_recv"}) {
    SCOPED_TRACE(op);
    const CollectiveModel model = Model(op, "polaris-a100", 8, 4);
    EXPECT_GT(StepsOf(model, "slingshot.eager_hop", Bytes(64)), 0.9);
    for (const std::string hop : {"ll_hop", "tree_ll_hop", "simple_hop"})
      EXPECT_EQ(StepsOf(model, "slingshot." + hop, Bytes(64)), 0) << hop;
    EXPECT_EQ(StepsOf(model, "slingshot.eager_hop", MiB(64)), 0);
  }
  const CollectiveModel tree =
      Model("all_reduce", "alps-gh200", 8, 4, {NcclAlgorithm::kTree, NcclProtocol::kLl});
  EXPECT_NEAR(StepsOf(tree, "slingshot.eager_hop", Bytes(2048)), 2, 1e-9);  // 4,096 on the wire
  EXPECT_NEAR(StepsOf(tree, "slingshot.tree_ll_hop", Bytes(4096)), 2, 1e-9);
}

// With LL128 each of a ring's steps adds all of its latency, however long the chunks.
TEST(CollectiveModel, HidesNoStepBehindAChunkWithLl128) {
  const NcclForced ring{NcclAlgorithm::kRing, NcclProtocol::kLl128};
  for (const Bytes bytes : {KiB(64), MiB(1), MiB(64)})
    EXPECT_NEAR(StepsOf(Model("all_gather", "hgx-h100", 8, 8, ring), "hopper.ll128_hop", bytes), 7,
                1e-6);
}

// Between hosts the proxy's thread is busy with every message that is sent, or that comes: a
// gather's root has as many of one as a scatter's of the other. What stays in its host has none.
TEST(CollectiveModel, CountsTheMessagesOfTheBusiestProxy) {
  for (const int hosts : {2, 8, 64}) {
    SCOPED_TRACE(hosts);
    const double gather = Us(Model("gather", "hgx-h100", 8 * hosts, 8), KiB(64));
    EXPECT_NEAR(gather / Us(Model("scatter", "hgx-h100", 8 * hosts, 8), KiB(64)), 1, 0.1);
    EXPECT_GT(gather, 3.0 * 8 * (hosts - 1));  // three times 1 us a message with Simple
  }
  CollectiveQuestion question;
  question.op = "all_to_all_v";
  question.host = NcclHost("hgx-h100");
  question.gpus = 16;
  SendMatrix inside = SpreadMatrix(16, 0);
  for (std::uint32_t from = 0; from < 16; ++from)
    for (std::uint32_t to = 0; to < 16; ++to)
      if (from / 8 != to / 8) inside.bytes[from * 16 + to] = 0;
  question.matrix = inside;
  const auto model = CollectiveModel::Build(question);
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(StepsOf(*model, "roce.simple_hop", MiB(1)), 0);
  EXPECT_EQ(StepsOf(*model, "ib.simple_hop", MiB(1)), 0);
}

// busbw never above what the links carry one way, and time never falls with size within one choice.
TEST(CollectiveModel, KeepsThePhysicalBound) {
  for (const auto& [host, gpus, per_host, rate] : {std::tuple("hgx-h100", 8, 8, 450.0),
                                                   {"dgx-a100", 8, 8, 300.0},
                                                   {"hgx-b200", 4, 4, 900.0},
                                                   {"hgx-h100", 80, 8, 400.0},
                                                   {"dgx-a100", 32, 8, 200.0}})
    for (const std::string op : {"all_gather", "reduce_scatter", "all_to_all", "send_recv"}) {
      const CollectiveModel model = Model(op, host, gpus, per_host);
      double last = 0;
      std::optional<NcclAlgorithm> algorithm;
      std::optional<NcclProtocol> protocol;
      for (Bytes bytes(8); bytes <= GiB(16); bytes = bytes * 4) {
        SCOPED_TRACE(testing::Message()
                     << host << ' ' << gpus << ' ' << op << ' ' << bytes.count());
        const NcclTimeCase which = model.Case(bytes);
        const CollectiveTime t = model.Time(which, {});
        const double algbw = static_cast<double>(bytes.count()) / (1000 * t.us);
        EXPECT_LE(algbw * model.busbw_factor(), rate);
        EXPECT_LE(t.in_place_us, t.us);
        EXPECT_NEAR(t.once_us + t.bytes_us + t.link_steps_us + t.net_steps_us, t.us, 1e-6 * t.us);
        if (which.choice && algorithm == which.choice->algorithm &&
            protocol == which.choice->protocol) {
          EXPECT_GE(t.us, last * 0.999);
        }
        if (which.choice) algorithm = which.choice->algorithm, protocol = which.choice->protocol;
        last = t.us;
      }
    }
}

// What a rank keeps is copied at the rate of its memory at most, however little else moves, and
// sizes scale the messages of a matrix alike.
TEST(CollectiveModel, KeepsThePhysicalBoundByAMatrix) {
  CollectiveQuestion question;
  question.host = NcclHost("hgx-h100");
  for (const int gpus : {8, 32}) {
    question.gpus = gpus;
    const auto ranks = static_cast<std::uint32_t>(gpus);
    SendMatrix diagonal = SpreadMatrix(ranks, 0);
    for (std::uint32_t rank = 0; rank < ranks; ++rank)
      diagonal.bytes[std::size_t{rank} * ranks + rank] *= 1'000'000;
    const double copy = CollectiveParameters()[FindCollectiveParameter("hopper.copy")].prior;
    for (const auto& [op, matrix, rate] : {std::tuple("all_to_all_v", &diagonal, copy),
                                           {"all_to_all_v", nullptr, 450.0},
                                           {"gather", nullptr, 450.0}}) {
      question.op = op;
      question.matrix = matrix != nullptr ? std::optional(*matrix) : std::nullopt;
      const auto model = CollectiveModel::Build(question);
      ASSERT_TRUE(model.has_value()) << model.error().front();
      for (const Bytes bytes : {MiB(1), MiB(64), GiB(4)}) {
        const CollectiveTime t = model->Time(bytes, {});
        EXPECT_LE(static_cast<double>(bytes.count()) / (1000 * t.us) * model->busbw_factor(), rate)
            << op << ' ' << gpus << ' ' << bytes.count();
        EXPECT_LE(t.in_place_us, t.us);
        EXPECT_LE(
            static_cast<double>(bytes.count()) / (1000 * t.in_place_us) * model->busbw_factor(),
            rate * 1.001)
            << op << ' ' << gpus << ' ' << bytes.count();
        const SendMatrix scaled = ScaledTo(*model->matrix(), bytes);
        const SendLoads loads = NcclLoadsOf(model->comm(), question.host, scaled);
        const NcclTimeCase direct =
            MakeNcclTimeCase(model->comm(), question.host, {{}, false, {}, &loads}, bytes);
        EXPECT_NEAR(model->Time(direct, {}).us / t.us, 1, 1e-3) << op << ' ' << bytes.count();
      }
    }
  }
  question.op = "gather";
  question.gpus = 131'072;
  question.matrix.reset();
  const auto huge = CollectiveModel::Build(question);
  ASSERT_FALSE(huge.has_value());
  EXPECT_THAT(huge.error().front().message, HasSubstr("131072 ranks have 17179869184 pairs"));
}

// 32 NICs of 100 Gb/s over EFA are eight devices of 400 to NCCL [AWS-OFI src/nccl_ofi_topo.c]: two
// hosts of eight H100 take as long as with eight of four ports, and run NVLSTree; four stay four.
TEST(CollectiveModel, TakesEfaNicsBesideAGpuForOneDevice) {
  CollectiveQuestion question;
  question.host = NcclHost("hgx-h100");
  question.host.transport = HostSpec::EFA;
  question.host.nic_ports = 1;
  question.host.nics = 32;
  question.host.nic_port = BitRate::BitsPerSecond(100e9);
  EXPECT_EQ(AsNcclSees(question.host).nics, 8);
  EXPECT_EQ(AsNcclSees(question.host).nic(), BitRate::BitsPerSecond(400e9));
  question.gpus = 16;
  const auto many = CollectiveModel::Build(question);
  ASSERT_TRUE(many) << many.error().front();
  question.host.nics = 8;
  question.host.nic_ports = 4;
  const auto few = CollectiveModel::Build(question);
  ASSERT_TRUE(few) << few.error().front();
  EXPECT_EQ(many->Case(GiB(1)).kind, NcclTimeCase::Kind::kNvlsTree);
  EXPECT_DOUBLE_EQ(Us(*many, GiB(1)), Us(*few, GiB(1)));
  HostPart a100 = NcclHost("dgx-a100");
  a100.transport = HostSpec::EFA;
  a100.nics = 4;
  EXPECT_EQ(AsNcclSees(a100).nics, 4);
}

// EFA's hosts before Hopper have NICs that do not write: their plugin sends, and has NCCL keep to
// Simple in the host too. Of what NICs carry a share counts there alone.
TEST(CollectiveModel, KeepsToSimpleWhereEfasNicsDoNotWrite) {
  for (const auto& [name, transport, sends] : {std::tuple("dgx-a100", HostSpec::EFA, true),
                                               {"dgx-a100", HostSpec::IB, false},
                                               {"hgx-h100", HostSpec::EFA, false}}) {
    SCOPED_TRACE(testing::Message() << name << ' ' << transport);
    CollectiveQuestion question;
    question.op = "all_reduce";
    question.host = NcclHost(name);
    question.host.transport = transport;
    for (const int hosts : {1, 2}) {
      question.gpus = 8 * hosts;
      question.gpus_per_host = 8;
      const auto model = CollectiveModel::Build(question);
      ASSERT_TRUE(model);
      EXPECT_EQ(model->Case(KiB(1)).protocol == NcclProtocol::kSimple, sends);
      EXPECT_EQ(model->Case(GiB(4)).protocol, NcclProtocol::kSimple);
      if (hosts == 1 || transport != HostSpec::EFA) continue;
      CollectiveConstants half;
      half.values[FindCollectiveParameter("efa.two_sided")] = 0.5;
      const NcclTimeCase large = model->Case(GiB(4));
      const double line = model->Time(large, {}).net_rate;
      EXPECT_DOUBLE_EQ(model->Time(large, half).net_rate, sends ? line / 2 : line);
    }
  }
}

// What EFA's plugin says of its NICs: a step over those beyond 100 Gb/s takes 35 of 75 us. A tree
// over two hosts has two, and sends of few ranks one.
TEST(CollectiveModel, StepsFasterOverLaterEfaNics) {
  for (const auto& [rate, share] :
       {std::pair(100e9, 1.0), {200e9, 35.0 / 75}, {400e9, 35.0 / 75}}) {
    CollectiveQuestion question;
    question.op = "all_reduce";
    question.host = NcclHost("hgx-h100");
    question.host.transport = HostSpec::EFA;
    question.host.nic_ports = 1;
    question.host.nic_port = BitRate::BitsPerSecond(rate);
    question.gpus = 16;
    question.gpus_per_host = 8;
    question.forced = {NcclAlgorithm::kTree, NcclProtocol::kLl};
    const auto tree = CollectiveModel::Build(question);
    ASSERT_TRUE(tree);
    EXPECT_NEAR(StepsOf(*tree, "efa.tree_ll_hop", KiB(1)), 2 * share, 1e-9);
  }
}

// Inside a host a tree's step with Simple is its own constant: 14 of them up and down eight GPUs.
TEST(CollectiveModel, HasATreesOwnStepWithSimple) {
  const CollectiveModel tree =
      Model("all_reduce", "dgx-a100", 16, 8, {NcclAlgorithm::kTree, NcclProtocol::kSimple});
  EXPECT_NEAR(StepsOf(tree, "ampere.tree_simple_hop", KiB(1)), 14, 1e-9);
  EXPECT_NEAR(StepsOf(tree, "ampere.simple_hop", KiB(1)), 0, 1e-9);
  const CollectiveModel ring =
      Model("all_reduce", "dgx-a100", 16, 8, {NcclAlgorithm::kRing, NcclProtocol::kSimple});
  EXPECT_NEAR(StepsOf(ring, "ampere.tree_simple_hop", KiB(1)), 0, 1e-9);
}

// Every transport's constants begin where its first row is said to be, and end before the next.
TEST(CollectiveParameters, StandInTheOrderThatRowsAreFoundBy) {
  const std::pair<HostSpec::Transport, std::string> transports[] = {
      {HostSpec::ROCE, "roce"},
      {HostSpec::IB, "ib"},
      {HostSpec::EFA, "efa"},
      {HostSpec::SLINGSHOT, "slingshot"}};
  for (const auto& [transport, name] : transports) {
    EXPECT_EQ(FindCollectiveParameter(name + ".ll_hop"), FirstRow(transport));
    const std::size_t last = FirstRow(transport) + NetRows(transport) - 1;
    ASSERT_LT(last, CollectiveParameters().size());
    EXPECT_EQ(CollectiveParameters()[last].name.substr(0, name.size() + 1), name + ".");
  }
  EXPECT_EQ(FindCollectiveParameter("efa.two_sided"),
            FirstRow(HostSpec::EFA) + static_cast<std::size_t>(NetConstant::kTwoSided));
  EXPECT_EQ(FindCollectiveParameter("slingshot.eager_hop"),
            FirstRow(HostSpec::SLINGSHOT) + static_cast<std::size_t>(NetConstant::kEagerHop));
}

// Only the constants that a model names change its times.
TEST(CollectiveModel, HangsOnTheConstantsThatItNames) {
  const CollectiveModel model = Model("all_reduce", "hgx-h100", 16, 8);
  CollectiveConstants others;
  for (double& value : others.values) value *= 1.01;
  for (const std::size_t row : model.parameters())
    others.values[row] = CollectiveParameters()[row].prior;
  for (const Bytes bytes : {KiB(64), MiB(16), GiB(1)}) {
    EXPECT_EQ(model.Time(bytes, others).us, Us(model, bytes));
    CollectiveConstants slower;
    slower.values[FindCollectiveParameter("hopper.launch")] += 10;
    EXPECT_NEAR(model.Time(bytes, slower).us, Us(model, bytes) + 10, 1e-9);
  }
}

// The engines run the pattern with the same terms: on a fabric that does not block they end where
// the closed form says, but for the paths' own latencies. The analytic engine bounds rounds from
// below: it lets a scatter's root send to all at once.
TEST(SimulateCollective, EndsAtTheClosedForm) {
  struct Case {
    const char *op, *host;
    int hosts;
    std::optional<NcclAlgorithm> algorithm;
    double tolerance;
    int per_host = 8;
    bool sharp = false;
  };
  const std::string fabric =
      "{ family: rail_optimized, units: 2, hosts_per_unit: 4, link: 400Gbps, latency: 500ns }";
  for (const Case& one :
       {Case{"all_reduce", "hgx-h100", 4, NcclAlgorithm::kRing, 0.05},
        {"all_reduce", "hgx-h100", 4, NcclAlgorithm::kTree, 0.05},
        {"all_reduce", "hgx-h100", 4, NcclAlgorithm::kNvlsTree, 0.05},
        {"all_reduce", "hgx-h100", 3, NcclAlgorithm::kTree, 0.05},
        {"all_reduce", "hgx-h100", 5, NcclAlgorithm::kNvlsTree, 0.05},
        {"all_reduce", "hgx-h100", 1, NcclAlgorithm::kNvls, 0.02},
        {"all_gather", "hgx-h100", 4, NcclAlgorithm::kRing, 0.05},
        {"all_reduce", "hgx-h100", 4, NcclAlgorithm::kRing, 0.05, 4},
        {"all_gather", "hgx-h100", 4, NcclAlgorithm::kPat, 0.05, 1},
        {"broadcast", "hgx-h100", 4, {}, 0.1},
        {"reduce", "hgx-h100", 1, {}, 0.1},
        {"all_to_all", "hgx-h100", 1, {}, 0.1},
        {"all_to_all", "hgx-h100", 2, {}, 0.1},
        {"all_to_all", "hgx-h100", 4, {}, 0.1},
        {"all_to_all_v", "hgx-h100", 4, {}, 0.1},
        {"gather", "hgx-h100", 1, {}, 0.1},
        {"scatter", "hgx-h100", 2, {}, 0.1},
        {"scatter", "hgx-h100", 4, {}, 0.1},
        {"all_reduce", "hgx-h100", 8, NcclAlgorithm::kCollNetChain, 0.05, 8, true},
        {"all_reduce", "dgx-a100", 8, NcclAlgorithm::kCollNetDirect, 0.05, 8, true},
        {"all_reduce", "hgx-h100", 8, NcclAlgorithm::kNvls, 0.05, 8, true},
        {"all_gather", "hgx-h100", 8, NcclAlgorithm::kNvls, 0.05, 8, true},
        {"reduce_scatter", "hgx-h100", 8, NcclAlgorithm::kCollNetDirect, 0.05, 8, true},
        {"all_gather", "dgx-a100", 8, NcclAlgorithm::kCollNetDirect, 0.05, 8, true},
        {"send_recv", "hgx-h100", 1, {}, 0.05},
        {"send_recv", "hgx-h100", 4, {}, 0.05}}) {
    CollectiveQuestion question;
    question.op = one.op;
    question.host = NcclHost(one.host);
    question.gpus = one.hosts * one.per_host;
    question.gpus_per_host = one.per_host;
    question.forced.algorithm = one.algorithm;
    question.sharp = one.sharp;
    const auto model = CollectiveModel::Build(question);
    ASSERT_TRUE(model.has_value());
    for (const char* engine : {"flow", "analytic"}) {
      std::vector<Bytes> sizes = {MiB(64), GiB(1)};
      if (one.hosts == 1 && !one.algorithm) sizes.insert(sizes.begin(), {MiB(1), MiB(4)});
      const auto got = SimulateCollective(*model, question,
                                          {fabric, one.host, engine, "none", 1, 1}, sizes, nullptr);
      ASSERT_TRUE(got.has_value()) << got.error().front();
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        const double expected = Us(*model, sizes[i]);
        const bool analytic = std::string(engine) == "analytic";
        const double least = !analytic                                       ? 1 - one.tolerance
                             : std::string(one.op).starts_with("all_to_all") ? 0.7
                             : std::string(one.op) == "scatter"              ? 0.3
                                                                             : 1 - one.tolerance;
        EXPECT_LE(got->rows[i].us / expected, 1 + one.tolerance)
            << one.op << ", " << engine << ", " << sizes[i].count();
        EXPECT_GE(got->rows[i].us / expected, least)
            << one.op << ' ' << one.hosts << " hosts, algorithm "
            << (one.algorithm ? NcclName(*one.algorithm) : "sends") << ", " << engine << ", "
            << sizes[i].count();
      }
    }
  }
}

// A network that reduces takes all its cables, and all ports of a head's NIC: however the same 32
// cables above two leaves are cut into spines and parallel ones, the closed form holds.
TEST(SimulateCollective, ReducesOverParallelCablesAndPorts) {
  for (const auto& [spines, parallel, host] : {std::tuple(32, 1, "{ preset: hgx-h100 }"),
                                               {4, 8, "{ preset: hgx-h100 }"},
                                               {1, 32, "{ preset: hgx-h100 }"},
                                               {8, 4, "{ preset: hgx-h100, nic_ports: 2 }"}}) {
    for (const NcclAlgorithm algorithm :
         {NcclAlgorithm::kNvls, NcclAlgorithm::kCollNetDirect, NcclAlgorithm::kCollNetChain}) {
      FabricQuestion fabric;
      fabric.fabric = fmt::format(
          "{{ family: leaf_spine, leaves: 2, spines: {}, hosts_per_leaf: 2, link: 400Gbps, "
          "links_per_pair: {} }}",
          spines, parallel);
      fabric.host = host;
      fabric.calibration = "none";
      fabric.seeds = 1;
      CollectiveQuestion question;
      const auto part = HostsOfFabric(fabric, question, nullptr);
      ASSERT_TRUE(part.has_value()) << part.error().front();
      question.host = part->host;
      question.gpus = 32;
      question.sharp = true;
      question.forced.algorithm = algorithm;
      const auto model = CollectiveModel::Build(question);
      ASSERT_TRUE(model.has_value()) << model.error().front();
      const auto got = SimulateCollective(*model, question, fabric, {GiB(1)}, nullptr);
      ASSERT_TRUE(got.has_value()) << got.error().front();
      EXPECT_NEAR(got->rows[0].us / Us(*model, GiB(1)), 1, 0.05)
          << spines << " x " << parallel << ", " << host << ", " << NcclName(algorithm);
      ASSERT_TRUE(got->rows[0].ran.has_value());
      EXPECT_EQ(got->rows[0].ran->algorithm, algorithm);
    }
  }
}

// What no pattern runs: NCCL's own choice becomes the ring, and says so; a forced one is refused.
TEST(SimulateCollective, SaysWhatRanInPlaceOfAChoice) {
  FabricQuestion fabric;
  fabric.fabric = "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 1, link: 400Gbps }";
  fabric.host = "{ preset: gb200-nvl72 }";
  fabric.calibration = "none";
  fabric.seeds = 1;
  CollectiveQuestion question;
  question.op = "all_gather";
  question.host = NcclHost("gb200-nvl72");
  question.gpus = question.gpus_per_host.emplace(36);
  question.nccl = "2.26";  // with 32 heads; later versions have none beyond 32 ranks
  const auto model = CollectiveModel::Build(question);
  ASSERT_TRUE(model.has_value());
  const auto chosen = model->Case(MiB(1)).choice;
  ASSERT_TRUE(chosen && chosen->algorithm != NcclAlgorithm::kRing);
  const auto got = SimulateCollective(*model, question, fabric, {MiB(1)}, nullptr);
  ASSERT_TRUE(got.has_value()) << got.error().front();
  ASSERT_TRUE(got->rows[0].ran.has_value());
  EXPECT_EQ(got->rows[0].ran->algorithm, NcclAlgorithm::kRing);
  question.forced.algorithm = chosen->algorithm;
  const auto forced = SimulateCollective(*model, question, fabric, {MiB(1)}, nullptr);
  ASSERT_FALSE(forced.has_value());
  EXPECT_THAT(forced.error().front().message,
              HasSubstr(fmt::format("there is no pattern of {} for all_gather",
                                    NcclName(chosen->algorithm))));
}

// What a scenario of one collective reports.
CollectiveReport FirstOf(const std::string& scenario) {
  const auto spec = ParseScenario(scenario, "scenario", {}, nullptr);
  EXPECT_TRUE(spec.has_value()) << spec.error().front();
  FabricCache cache;
  const auto prepared = Prepare(*spec, cache);
  EXPECT_TRUE(prepared.has_value()) << prepared.error().front();
  RunControl control;
  control.stop = [] { return false; };
  control.clock_s = [] { return 0.0; };
  return RunScenario(*prepared, control).collectives.front();
}

// An operation over 1 GiB by NVLS on switches that reduce.
CollectiveReport Reduced(std::string_view fabric, int gpus, std::string_view op,
                         std::string_view faults) {
  return FirstOf(
      fmt::format("fabric: {{ {}, link: 400Gbps, host: {{ preset: hgx-h100 }} }}\n"
                  "placement: {{ gpus: {} }}\nrouting: {{ seeds: 1 }}\n"
                  "collectives: {{ sharp: true, algorithm: NVLS }}\n"
                  "workload: {{ collective: {{ op: {}, bytes: 1GiB }} }}\nfaults: [{}]\n",
                  fabric, gpus, op, faults));
}

// Of the spines above two leaves the first has no cable left when the run begins: the trees take
// the others. Cut while they run, one stops what it carries.
TEST(RunScenario, ReducesBelowTheSpinesThatAreUp) {
  const auto run = [](std::string_view op, std::string_view at) {
    return Reduced("family: leaf_spine, leaves: 2, spines: 4, hosts_per_leaf: 2", 32, op,
                   fmt::format("{{ at: {}, switch: spine0 }}", at));
  };
  EXPECT_TRUE(run("all_reduce", "0s").done());
  EXPECT_TRUE(run("all_gather", "0s").done());
  EXPECT_FALSE(run("all_reduce", "1ms").done());
}

// Trees take turns on every tier: sixteen cores stand above the pods, and no two channels of a
// head meet. With all cores of one spine cut, the other spines' are left.
TEST(RunScenario, ReducesBelowAllCoresOfThreeTiers) {
  constexpr std::string_view kTiers = "family: fat_tree, endpoints: 128, radix: 8, tiers: 3";
  const CollectiveReport two =
      Reduced("family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 16, check_ports: false",
              128, "all_reduce", "");
  const CollectiveReport three = Reduced(kTiers, 128, "all_reduce", "");
  ASSERT_TRUE(two.done() && three.done());
  // The closed form is the same but for the way through two tiers more, microseconds.
  EXPECT_NEAR(three.time_s.median / two.time_s.median, 1, 0.02);
  EXPECT_TRUE(Reduced(kTiers, 128, "all_reduce",
                      "{ at: 0s, switch: core0 }, { at: 0s, switch: core1 }, "
                      "{ at: 0s, switch: core2 }, { at: 0s, switch: core3 }")
                  .done());
}

// Seconds of one operation on so many hosts of eight H800, one 400G InfiniBand NIC a GPU.
double MoeSeconds(const char* op, int hosts, double nvlink_efficiency) {
  return FirstOf(
             fmt::format(
                 "fabric: {{ family: rail_optimized, hosts_per_unit: 16, link: 400Gbps, latency: "
                 "500ns }}\nhost: {{ preset: hgx-h800, transport: ib, nic_ports: 1 }}\nplacement: "
                 "{{ gpus: {} "
                 "}}\nphysics: {{ nvlink_efficiency: {}% }}\nrouting: {{ seeds: 1 }}\n"
                 "workload: {{ collective: {{ op: {}, bytes: {}B, moe: {{ hosts: 4 }} }} }}\n",
                 hosts * 8, 100 * nvlink_efficiency, op, 4096 * 7168))
      .time_s.median;
}

// DeepEP's normal kernels on H800 [DEEPEP docs/legacy.md]. Its GB/s count the tokens of a rank's
// own host, or GPU, too. NVLink's efficiency is that of its row on one host; the others follow.
TEST(MoeDispatch, TakesWhatDeepEpMeasured) {
  constexpr double kTokens = 4096.0 * 7168, kLinkGBps = 200;
  struct Row {
    const char* op;
    double one_host;
    double measured[3];  // EP 16, 32, 64
  };
  for (const Row& row :
       {Row{"moe_dispatch", 153, {43, 58, 51}}, {"moe_combine", 158, {43, 57, 50}}}) {
    const double link = row.one_host * 7 / 8 / kLinkGBps;
    const double one = 8 * SharesOfMoe({}, 1, 8).gpu * kTokens / MoeSeconds(row.op, 1, link) / 1e9;
    EXPECT_NEAR(one / row.one_host, 1, 0.02) << row.op << ", one host";
    for (int i = 0; i < 3; ++i) {
      const int hosts = 2 << i;
      const double bytes = hosts * SharesOfMoe({256, 8, 4}, hosts, 8).host * kTokens;
      const double ours = bytes / MoeSeconds(row.op, hosts, link) / 1e9;
      RecordProperty(fmt::format("{}_{}", row.op, hosts * 8), fmt::format("{:.1f}", ours));
      EXPECT_NEAR(ours / row.measured[i], 1, 0.15) << row.op << " EP " << hosts * 8;
    }
  }
}

TEST(ReadCalibration, LaysConstantsOverThePriors) {
  const auto spec = ParseText<CalibrationSpec>(
      "constants:\n- { name: hopper.launch, value: 4.2us }\n- { name: ib.efficiency, value: 93% }\n"
      "- { name: hopper.copy, value: 1TBps }\n",
      "fit.yaml", {});
  ASSERT_TRUE(spec.has_value()) << spec.error().front();
  const auto calibration = MakeCalibration(*spec);
  ASSERT_TRUE(calibration.has_value()) << calibration.error().front();
  const auto value = [&](const char* name) {
    return calibration->constants.values[FindCollectiveParameter(name)];
  };
  EXPECT_DOUBLE_EQ(value("hopper.launch"), 4.2);
  EXPECT_DOUBLE_EQ(value("ib.efficiency"), 0.93);
  EXPECT_DOUBLE_EQ(value("hopper.copy"), 1000);
  EXPECT_DOUBLE_EQ(value("ampere.launch"), 8);
}

TEST(ReadCalibration, SaysWhatIsWrongAndWhere) {
  const auto spec = ParseText<CalibrationSpec>(
      "constants:\n- { name: hopper.lunch, value: 4.2us }\n"
      "- { name: ib.efficiency, value: 193% }\n- { name: ib.efficiency, value: 93% }\n"
      "- { name: hopper.copy, value: 1us }\n",
      "fit.yaml", {});
  ASSERT_TRUE(spec.has_value());
  const auto calibration = MakeCalibration(*spec);
  ASSERT_FALSE(calibration.has_value());
  const Errors& errors = calibration.error();
  ASSERT_EQ(errors.size(), 4u);
  EXPECT_EQ(errors[0].pos.line, 2);
  EXPECT_THAT(errors[0].message, HasSubstr("hopper.lunch"));
  EXPECT_EQ(errors[1].pos.line, 3);
  EXPECT_THAT(errors[1].hint, HasSubstr("99.5%"));
  EXPECT_EQ(errors[2].pos.line, 4);
  EXPECT_EQ(errors[3].pos.line, 5);
}

// A file that says `fabric:`, as weft import writes one, is the network that it is as a mapping;
// what else it says is left out, and its hosts give way to those asked for.
TEST(SimulateCollective, TakesTheFabricOfAScenarioFile) {
  const std::string keys =
      "{ family: leaf_spine, leaves: 2, spines: 4, hosts_per_leaf: 2, link: 400Gbps }";
  const std::string path = TestFile("on_fabric.yaml");
  std::ofstream(path) << "name: read\nfabric: " << keys
                      << "\nhost: { preset: hgx-h100 }\nplacement: { gpus: 8 }\n"
                      << "workload: { traffic: { pattern: incast, bytes: 1MB } }\n";
  CollectiveQuestion question;
  question.op = "all_reduce";
  question.gpus = 32;
  const auto time = [&](const std::string& fabric, const std::string& host) {
    FabricQuestion on;
    on.fabric = fabric;
    on.host = host;
    on.calibration = "none";
    on.seeds = 2;
    const auto part = HostsOfFabric(on, question, nullptr);
    EXPECT_TRUE(part.has_value()) << (part ? "" : part.error().front().message);
    question.host = part->host;
    const auto model = CollectiveModel::Build(question);
    const auto times = SimulateCollective(*model, question, on, {MiB(64)}, nullptr);
    EXPECT_TRUE(times.has_value()) << (times ? "" : times.error().front().message);
    return times->rows.front().us;
  };
  EXPECT_EQ(time(path, ""), time(keys, "hgx-h100"));
  EXPECT_EQ(time(path, "dgx-a100"), time(keys, "dgx-a100"));
  EXPECT_NE(time(path, "dgx-a100"), time(path, ""));
}

// Eight hosts on eight leaves: four as `first` says, four as `second`.
std::string OfTwoKinds(const std::string& first, const std::string& second) {
  return fmt::format(
      "{{ family: custom, link: 400Gbps, hosts: [{{ count: 4, host: {} }}, {{ first: 4, count: 4, "
      "host: {} }}], switches: [{{ name: leaf, count: 8 }}], cables: [{{ from: \"host*/nic*\", to: "
      "\"leaf*\", join: in_turn }}] }}",
      first, second);
}

struct OnKinds {
  FabricHosts hosts;
  Result<FabricTimes> times;
};

OnKinds TimeOnKinds(const std::string& fabric, const std::string& op, int gpus) {
  FabricQuestion on;
  on.fabric = fabric;
  on.seeds = 1;
  CollectiveQuestion question;
  question.op = op;
  question.gpus = gpus;
  const auto hosts = HostsOfFabric(on, question, nullptr);
  EXPECT_TRUE(hosts.has_value()) << (hosts ? "" : hosts.error().front().message);
  question.host = hosts->host;
  const auto model = CollectiveModel::Build(question);
  EXPECT_TRUE(model.has_value()) << (model ? "" : model.error().front().message);
  return {*hosts, SimulateCollective(*model, question, on, {Bytes(8), MiB(1), GiB(1)}, nullptr)};
}

// Hosts that no rank is on change nothing, nor do kinds that differ in what NCCL does not read.
TEST(SimulateCollective, TakesKindsThatNcclDoesNotTellApartAsOne) {
  const std::string h100 = "{ preset: hgx-h100 }", a100 = "{ preset: dgx-a100 }";
  const std::string dear = "{ preset: hgx-h100, power: 12kW }";
  for (const std::string op : {"all_reduce", "all_to_all"})
    for (const auto& [fabric, alone, gpus] :
         {std::tuple(OfTwoKinds(h100, a100), OfTwoKinds(h100, h100), 32),
          {OfTwoKinds(a100, h100), OfTwoKinds(a100, a100), 32},
          {OfTwoKinds(h100, dear), OfTwoKinds(h100, h100), 64}}) {
      const OnKinds two = TimeOnKinds(fabric, op, gpus), one = TimeOnKinds(alone, op, gpus);
      EXPECT_EQ(two.hosts.unlike, "");
      ASSERT_TRUE(two.times.has_value()) << two.times.error().front();
      ASSERT_TRUE(one.times.has_value()) << one.times.error().front();
      for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(two.times->rows[i].us, one.times->rows[i].us) << op << ' ' << i;
        EXPECT_EQ(two.times->rows[i].ran.has_value(), op == "all_reduce");
      }
    }
  // 8 B: no plain ring, which is an order of magnitude slower.
  EXPECT_LT(TimeOnKinds(OfTwoKinds(h100, h100), "all_reduce", 64).times->rows[0].us, 60);
}

// Where NCCL tells them apart its choice is not known: a ring runs, and what has none is refused at
// the kind that differs.
TEST(SimulateCollective, SaysThatItTimesARingOnHostsThatDiffer) {
  const std::string fabric = OfTwoKinds("{ preset: hgx-h100 }", "{ preset: dgx-a100 }");
  const OnKinds ring = TimeOnKinds(fabric, "all_reduce", 64);
  EXPECT_EQ(ring.hosts.hosts, 8U);
  EXPECT_EQ(ring.hosts.unlike, "hosts of several kinds (hgx-h100, dgx-a100)");
  ASSERT_TRUE(ring.times.has_value()) << ring.times.error().front();
  EXPECT_FALSE(ring.times->rows[0].ran.has_value());
  const OnKinds refused = TimeOnKinds(fabric, "all_to_all", 64);
  ASSERT_FALSE(refused.times.has_value());
  EXPECT_THAT(refused.times.error().front().message,
              HasSubstr("all_to_all is done by NCCL alone, whose choice is not modelled where its "
                        "ranks are on hosts of several kinds (hgx-h100, dgx-a100)"));
  EXPECT_EQ(refused.times.error().front().pos.line, 1);
}

// Queue pairs are the network's: more of them spread a connection over more paths.
TEST(SimulateCollective, TakesQueuePairsAndRoutingOfAScenarioFile) {
  const auto time = [](const std::string& more) {
    const std::string path = TestFile("with_qps.yaml");
    std::ofstream(path) << "fabric: { family: leaf_spine, leaves: 4, spines: 8, hosts_per_leaf: 2, "
                           "link: 400Gbps }\nhost: { preset: hgx-h100 }\n"
                        << more;
    return TimeOnKinds(path, "all_reduce", 64).times->rows[2].us;
  };
  const double one = time("");
  EXPECT_EQ(one, time("rdma: { qps: 1 }\n"));
  EXPECT_LT(time("rdma: { qps: 32 }\n"), one * 0.99);
  EXPECT_LT(time("routing: { policy: spray }\n"), one * 0.99);
  EXPECT_EQ(one, time("routing: { seeds: 3 }\n"));  // of the question
}

// Written and read back, every prior is itself to six digits.
TEST(FormatConstant, IsReadBack) {
  std::string text = "constants:\n";
  for (const CollectiveParameter& row : CollectiveParameters())
    text +=
        fmt::format("- {{ name: {}, value: {} }}\n", row.name, FormatConstant(row.prior, row.unit));
  const auto spec = ParseText<CalibrationSpec>(text, "fit.yaml", {});
  ASSERT_TRUE(spec.has_value()) << spec.error().front();
  const auto calibration = MakeCalibration(*spec);
  ASSERT_TRUE(calibration.has_value()) << calibration.error().front();
  for (std::size_t i = 0; i < CollectiveParameters().size(); ++i)
    EXPECT_NEAR(calibration->constants.values[i] / CollectiveParameters()[i].prior, 1, 1e-5);
}

}  // namespace
}  // namespace weft
