#include "workloads/build_program.h"

#include <set>

#include "sim/physics.pb.h"
#include "tests/workloads/test_fabric.h"
#include "tests/workloads/test_sources.h"

namespace weft {
namespace {

using testing::ElementsAre;

const BuildOptions kOptions{
    2, {SimDuration(10), BitRate()}, {SimDuration(20), BitRate()}, SimDuration(1000)};

WorkloadSpec Collective(CollectiveSpec::Op op, std::initializer_list<std::int64_t> sizes) {
  WorkloadSpec spec;
  spec.mutable_collective()->set_op(op);
  for (const std::int64_t size : sizes) spec.mutable_collective()->add_bytes(size);
  spec.mutable_collective()->set_repeat(1);
  return spec;
}

Workload Built(const WorkloadSpec& spec, const Fabric& fabric) {
  auto built = BuildProgram(spec, SourceMap(), fabric, PlaceAll(fabric), kOptions);
  EXPECT_TRUE(built.has_value()) << (built ? "" : TextOf(built.error()));
  return built ? *std::move(built) : Workload();
}

std::string ErrorsOf(const WorkloadSpec& spec, const Fabric& fabric, const Placement& placement) {
  const SourceMap sources = SourcesOf(
      {"placement", "workload", "workload.collective", "workload.collective.op",
       "workload.collective.bytes[0]", "workload.collective.bytes[1]",
       "workload.collective.algorithm", "workload.collective.group", "workload.collective.channels",
       "workload.collective.repeat", "workload.traffic", "workload.traffic.bytes",
       "workload.traffic.flows", "workload.traffic.concurrency"});
  const auto built = BuildProgram(spec, sources, fabric, placement, kOptions);
  return built ? "no error" : TextOf(built.error());
}

std::vector<std::uint32_t> StreamsOf(const Program& program, const Op& op) {
  const auto first = program.streams.begin() + op.first_stream;
  return {first, first + op.stream_count};
}

// Two hosts of two GPUs: rail 0 is ranks 0 and 2, rail 1 ranks 1 and 3. Two sizes, three
// repeats: rows 0 … 5 are the first size, even ones rail 0.
TEST(BuildProgram, LaysOutRailsSizesAndRepeats) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 2}});
  WorkloadSpec spec = Collective(CollectiveSpec::ALL_REDUCE, {MiB(64).count(), 2'000'000});
  spec.mutable_collective()->set_group(CollectiveSpec::PER_RAIL);
  spec.mutable_collective()->set_repeat(3);

  const Workload got = Built(spec, fabric);

  ASSERT_EQ(got.program.ops.size(), 12u);
  ASSERT_EQ(got.program.patterns.size(), 2u);
  EXPECT_EQ(got.program.stream_count, 4u);
  EXPECT_THAT(got.program.host_of_stream, ElementsAre(HostId{0}, HostId{0}, HostId{1}, HostId{1}));
  EXPECT_THAT(StreamsOf(got.program, got.program.ops[4]), ElementsAre(0, 2));
  EXPECT_THAT(StreamsOf(got.program, got.program.ops[5]), ElementsAre(1, 3));
  EXPECT_EQ(got.program.ops[5].bytes(), MiB(64));
  EXPECT_EQ(got.program.ops[6].bytes(), Bytes(2'000'000));
  EXPECT_EQ(got.program.tunings[got.program.ops[5].tuning].launch, kOptions.launch);

  ASSERT_EQ(got.items.size(), 2u);
  const WorkloadItem& second = got.items[1];
  EXPECT_EQ(second.op, "all_reduce");
  EXPECT_EQ(second.algorithm, "Ring");
  EXPECT_EQ(second.bytes, Bytes(2'000'000));
  EXPECT_EQ(second.ranks, 2);
  EXPECT_EQ(second.channels, 1);
  EXPECT_THAT(second.busbw_factors, testing::Each(1.0));
  EXPECT_EQ(second.source_path, "workload.collective.bytes[1]");
  EXPECT_THAT(second.group_names, ElementsAre("rail 0", "rail 1"));
  EXPECT_THAT(second.rows_by_group[1], ElementsAre(RowId{7}, RowId{9}, RowId{11}));

  EXPECT_EQ(RowName(got, RowId{5}), "all_reduce 64 MiB, rail 1, repeat 2");
  EXPECT_EQ(RowName(got, RowId{6}), "all_reduce 2 MB, rail 0, repeat 0");
  EXPECT_EQ(EdgeName(got, fabric, RowId{7}, 1), "rail 1 ring: host1/gpu1 → host0/gpu1");
}

TEST(BuildProgram, NamesChannelsAndDirectSends) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 2}});
  const Workload ring = Built(Collective(CollectiveSpec::ALL_GATHER, {1000}), fabric);
  EXPECT_EQ(ring.items.front().channels, 2);
  EXPECT_EQ(RowName(ring, RowId{0}), "all_gather 1000 B");
  EXPECT_EQ(EdgeName(ring, fabric, RowId{0}, 5), "ring channel 1: host0/gpu0 → host1/gpu1");

  const Workload direct = Built(Collective(CollectiveSpec::SEND_RECV, {KiB(4).count()}), fabric);
  EXPECT_EQ(direct.items.front().algorithm, "Direct");
  EXPECT_EQ(direct.program.patterns.front().advance, Pattern::Advance::kIndependent);
  EXPECT_EQ(EdgeName(direct, fabric, RowId{0}, 3), "direct: host1/gpu1 → host0/gpu0");
}

// busbw/algbw of nccl-tests for 8 ranks.
TEST(BuildProgram, ReportsBusbwAsNcclTestsDoes) {
  const Fabric fabric = MakeTestFabric({{8, 8}});
  const auto factor = [&](CollectiveSpec::Op op) {
    return Built(Collective(op, {1}), fabric).items.front().busbw_factors.front();
  };
  EXPECT_EQ(factor(CollectiveSpec::ALL_REDUCE), 1.75);
  EXPECT_EQ(factor(CollectiveSpec::ALL_GATHER), 0.875);
  EXPECT_EQ(factor(CollectiveSpec::REDUCE_SCATTER), 0.875);
  EXPECT_EQ(factor(CollectiveSpec::SEND_RECV), 1.0);
}

// Hosts of three GPUs and of one: the lone rank has nobody to send to, and pays the launch.
TEST(BuildProgram, LetsALoneRankPayTheLaunch) {
  const Fabric fabric = MakeTestFabric({{3, 1}, {1, 1}});
  WorkloadSpec spec = Collective(CollectiveSpec::ALL_REDUCE, {MiB(1).count()});
  spec.mutable_collective()->set_group(CollectiveSpec::PER_HOST);

  const Workload got = Built(spec, fabric);

  ASSERT_EQ(got.program.ops.size(), 2u);
  EXPECT_EQ(got.program.ops[0].kind, Op::Kind::kPattern);
  EXPECT_EQ(got.program.ops[1].kind, Op::Kind::kDelay);
  EXPECT_EQ(got.program.ops[1].duration(), kOptions.launch);
  EXPECT_THAT(StreamsOf(got.program, got.program.ops[1]), ElementsAre(3));
  EXPECT_EQ(got.items.front().ranks, 3);
  EXPECT_THAT(got.items.front().group_names, ElementsAre("host0", "host1"));
}

std::vector<std::uint32_t> HostOrder(const Workload& workload, const Fabric& fabric) {
  std::vector<std::uint32_t> hosts;
  for (const Edge& edge : workload.program.patterns.front().edges)
    if (edge.channel == 0) hosts.push_back(Index(fabric.vertex(edge.from).host));
  return hosts;
}

// Four hosts in two segments: natural 0 1 2 3 crosses twice, alternating on every hop. Three
// against one: what is left of the longer segment comes last.
TEST(BuildProgram, VisitsHostsInRingOrder) {
  const Fabric even = MakeTestFabric({{1, 1, 0}, {1, 1, 0}, {1, 1, 1}, {1, 1, 1}});
  const Fabric uneven = MakeTestFabric({{1, 1, 0}, {1, 1, 0}, {1, 1, 0}, {1, 1, 1}});
  WorkloadSpec spec = Collective(CollectiveSpec::ALL_REDUCE, {1000});
  EXPECT_THAT(HostOrder(Built(spec, even), even), ElementsAre(0, 1, 2, 3));
  spec.mutable_collective()->set_ring_order(CollectiveSpec::ALTERNATING);
  EXPECT_THAT(HostOrder(Built(spec, even), even), ElementsAre(0, 2, 1, 3));
  EXPECT_THAT(HostOrder(Built(spec, uneven), uneven), ElementsAre(0, 3, 1, 2));

  spec.mutable_collective()->set_ring_order(CollectiveSpec::RANDOM);
  std::set<std::vector<std::uint32_t>> orders;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    spec.mutable_collective()->set_seed(seed);
    const auto order = HostOrder(Built(spec, even), even);
    EXPECT_EQ(order, HostOrder(Built(spec, even), even));
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 24u);  // every order of four hosts comes up
}

TEST(BuildProgram, TakesQpsOnTheNetworkAlone) {
  const Fabric fabric = MakeTestFabric({{2, 1}, {2, 1}});
  const Workload got = Built(Collective(CollectiveSpec::ALL_REDUCE, {1000}), fabric);
  ASSERT_EQ(got.program.patterns.front().edges.size(), 4u);
  for (const Edge& edge : got.program.patterns.front().edges) {
    const bool inside = fabric.vertex(edge.from).host == fabric.vertex(edge.to).host;
    EXPECT_EQ(edge.qps, inside ? 1 : 2);
    EXPECT_EQ(edge.edge_class, inside ? 0 : 1);
  }
}

// A pod of HPN: 15 segments of 128 hosts of 8 GPUs, one ring a rail over all of them.
TEST(BuildProgram, BuildsAPodsRings) {
  std::vector<TestHost> hosts(1920, TestHost{8, 8});
  const Fabric fabric = MakeTestFabric(hosts);
  const Workload got = Built(Collective(CollectiveSpec::ALL_REDUCE, {GiB(1).count()}), fabric);
  ASSERT_EQ(got.program.patterns.size(), 1u);
  EXPECT_EQ(got.program.patterns.front().edges.size(), 122'880u);
  double bytes = 0;
  for (const Edge& edge : got.program.patterns.front().edges) bytes += WireBytes(edge, GiB(1));
  EXPECT_NEAR(bytes, 2.0 * 15'359 * static_cast<double>(GiB(1).count()), 1e3);
}

TEST(BuildProgram, RefusesWhatCannotBeBuilt) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 0}});
  const Placement all = PlaceAll(fabric);
  Placement bad;
  bad.gpu_of_rank = {GpuId{0}, GpuId{9}, GpuId{0}};

  EXPECT_EQ(ErrorsOf({}, fabric, all),
            "job.yaml:2:3: error: the workload is empty"
            " (collective: { op: all_reduce, bytes: 1GiB })\n");
  const WorkloadSpec good = Collective(CollectiveSpec::ALL_REDUCE, {1});
  EXPECT_EQ(ErrorsOf(good, fabric, {}),
            "job.yaml:1:3: error: the placement has no ranks (gpus: 2 or more)\n");
  EXPECT_EQ(ErrorsOf(good, fabric, bad),
            "job.yaml:1:3: error: rank 1 has no GPU (the fabric has 4 GPUs)\n"
            "job.yaml:1:3: error: ranks 0 and 2 are both on host0/gpu0 (one rank a GPU)\n");
  EXPECT_EQ(ErrorsOf(good, fabric, all),
            "job.yaml:8:3: error: host1 has no NIC, so its ranks reach no other host"
            " (group: per_host, or a host with NICs)\n");
  EXPECT_EQ(ErrorsOf(Collective(CollectiveSpec::ALL_REDUCE, {}), MakeTestFabric({{2, 2}}),
                     PlaceAll(MakeTestFabric({{2, 2}}))),
            "job.yaml:3:3: error: the collective has no size (bytes: 64MiB)\n");
}

TEST(BuildProgram, ReportsEveryWrongKeyOfACollective) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 0}});
  WorkloadSpec spec = Collective(CollectiveSpec::ALL_REDUCE, {1, 0});
  spec.mutable_collective()->set_algorithm("tree");
  spec.mutable_collective()->set_channels(65);
  spec.mutable_collective()->set_repeat(0);
  EXPECT_EQ(ErrorsOf(spec, fabric, PlaceAll(fabric)),
            "job.yaml:6:3: error: 'bytes' is 0 (want 1B or more)\n"
            "job.yaml:7:3: error: no algorithm is called 'tree'"
            " (for all_reduce there are: auto, ring)\n"
            "job.yaml:8:3: error: host1 has no NIC, so its ranks reach no other host"
            " (group: per_host, or a host with NICs)\n"
            "job.yaml:9:3: error: 'channels' is 65 (want 1..64)\n"
            "job.yaml:10:3: error: 'repeat' is 0 (want 1 or more)\n");

  const Fabric two = MakeTestFabric({{2, 2}});
  spec = Collective(CollectiveSpec::SEND_RECV, {1});
  spec.mutable_collective()->set_algorithm("ring");
  EXPECT_EQ(ErrorsOf(spec, two, PlaceAll(two)),
            "job.yaml:7:3: error: algorithm 'ring' does not do send_recv"
            " (for send_recv there are: auto, direct)\n");
  spec = Collective(CollectiveSpec::ALL_REDUCE, {1, 2, 3});
  spec.mutable_collective()->set_repeat(10'000'000);
  EXPECT_EQ(ErrorsOf(spec, two, PlaceAll(two)),
            "job.yaml:10:3: error: 30000000 operations: sizes times repeats times communicators"
            " (at most 20000000)\n");
}

// What a user writes, with the schema's defaults.
TEST(WorkloadSpec, ReadsFromText) {
  const auto read = ParseText<WorkloadSpec>(
      "collective: { op: reduce_scatter, bytes: [1MiB, 2MB], ring_order: alternating }\n",
      "job.yaml", {});
  ASSERT_TRUE(read.has_value()) << TextOf(read.error());
  const CollectiveSpec& collective = read->message.collective();
  EXPECT_EQ(collective.op(), CollectiveSpec::REDUCE_SCATTER);
  EXPECT_THAT(collective.bytes(), ElementsAre(1'048'576, 2'000'000));
  EXPECT_EQ(collective.algorithm(), "auto");
  EXPECT_EQ(collective.group(), CollectiveSpec::ALL);
  EXPECT_EQ(collective.ring_order(), CollectiveSpec::ALTERNATING);
  EXPECT_FALSE(collective.has_channels());
  EXPECT_EQ(collective.repeat(), 1);
  EXPECT_EQ(read->At("collective.bytes[1]").column, 49);

  const auto traffic = ParseText<WorkloadSpec>(
      "traffic: { pattern: all_to_all, bytes: 2MB, flows: 50000, concurrency: 4 }\n", "job.yaml",
      {});
  ASSERT_TRUE(traffic.has_value()) << TextOf(traffic.error());
  EXPECT_EQ(traffic->message.traffic().pattern(), TrafficSpec::ALL_TO_ALL);
  EXPECT_EQ(traffic->message.traffic().concurrency(), 4);
  EXPECT_EQ(traffic->message.traffic().seed(), 1u);
}

TEST(BuildProgram, WarnsOfKeysWithoutEffect) {
  const Fabric fabric = MakeTestFabric({{2, 2}, {2, 2}});
  const SourceMap sources =
      SourcesOf({"workload.collective.ring_order", "workload.collective.seed"});
  WorkloadSpec spec = Collective(CollectiveSpec::ALL_REDUCE, {1});
  spec.mutable_collective()->set_ring_order(CollectiveSpec::ALTERNATING);
  const auto built = BuildProgram(spec, sources, fabric, PlaceAll(fabric), kOptions);
  ASSERT_TRUE(built.has_value());
  EXPECT_EQ(TextOf(built->warnings),
            "job.yaml:1:3: error: 'workload.collective.ring_order' has no effect:"
            " all hosts are in one segment\n"
            "job.yaml:2:3: error: 'workload.collective.seed' has no effect:"
            " only ring_order: random draws\n");
}

TEST(MakeBuildOptions, TakesWhatAnEdgeCostsFromThePhysics) {
  RdmaSpec rdma;
  rdma.set_qps(4);
  Physics physics;
  physics.step[static_cast<std::size_t>(LinkClass::kNvlink)] = SimDuration(3);
  physics.step[static_cast<std::size_t>(LinkClass::kNetwork)] = SimDuration(5);
  physics.launch = SimDuration(7);
  physics.channel_cap = GigabitsPerSecond(160);

  const BuildOptions got = MakeBuildOptions(rdma, physics);

  EXPECT_EQ(got.qps, 4);
  EXPECT_EQ(got.nvlink.step, SimDuration(3));
  EXPECT_EQ(got.network.step, SimDuration(5));
  EXPECT_EQ(got.network.cap, GigabitsPerSecond(160));
  EXPECT_EQ(got.launch, SimDuration(7));
}

}  // namespace
}  // namespace weft
