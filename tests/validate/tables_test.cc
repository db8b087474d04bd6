#include "validate/tables.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "scenario/collective_times.h"

namespace weft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string DataFile(const std::string& name) {
  return WEFT_SOURCE_DIR "/tests/validate/data/" + name;
}

std::vector<MeasuredTable> Tables(std::string_view text, const std::string& file = "a.log",
                                  const TableHints& hints = {}) {
  Result<std::vector<MeasuredTable>> got = ParseTables(text, file, hints);
  if (!got) ADD_FAILURE() << got.error().front();
  return got ? *std::move(got) : std::vector<MeasuredTable>();
}

double Microseconds(SimDuration time) { return ToSeconds(time) * 1e6; }

// 2.13 and later: size count type redop root, then time algbw busbw #wrong twice.
constexpr std::string_view kLog = R"(# nThread 1 nGpus 1 minBytes 1048576 maxBytes 4194304 step: 2
# Using devices
#  Rank  0 Group  0 Pid   2574 on node-0 device  0 [0000:0f:00] NVIDIA A100-SXM4-40GB
#  Rank  7 Group  0 Pid   2581 on node-0 device  7 [0000:da:00] NVIDIA A100-SXM4-40GB
#  Rank  8 Group  0 Pid   2087 on node-1 device  0 [0000:0f:00] NVIDIA A100-SXM4-40GB
#  Rank 15 Group  0 Pid   2101 on node-1 device  7 [0000:da:00] NVIDIA A100-SXM4-40GB
NCCL version 2.29.3+cuda13.1
#   out-of-place   in-place
#   size   count   type   redop   root   time   algbw   busbw  #wrong   time   algbw   busbw  #wrong
#   (B)   (elements)   (us)  (GB/s)  (GB/s)   (us)  (GB/s)  (GB/s)
   1048576   262144   float   sum   -1   104.9   10.00   18.75   0   104.0   10.08   18.90   0
   2097152   524288   float   sum   -1   140.0   14.98   28.09   0   139.0   15.09   28.29   0
   4194304   1048576   float   sum   -1   210.0   19.97   37.45   0   209.0   20.07   37.63   0
# Out of bounds values : 0 OK
)";

TEST(ParseTables, ReadsALogWithWhatItsCommentsSay) {
  const std::vector<MeasuredTable> got = Tables(kLog);
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].op, "all_reduce");  // busbw is 15/8 of algbw
  EXPECT_EQ(got[0].ranks, 16);
  EXPECT_EQ(got[0].hosts, 2);  // 0 … 7 and 8 … 15: what is not listed can only stand between
  EXPECT_EQ(got[0].nccl, "2.29.3");
  EXPECT_EQ(got[0].gpu, "NVIDIA A100-SXM4-40GB");
  ASSERT_THAT(got[0].points, SizeIs(3));
  EXPECT_EQ(got[0].points[1].size, MiB(2));
  EXPECT_EQ(Microseconds(got[0].points[1].time), 140);
  EXPECT_EQ(Microseconds(*got[0].points[1].in_place), 139);
  EXPECT_EQ(got[0].points[1].line, 12);
}

TEST(ParseTables, LeavesOutRowsThatContradictThemselvesAndCutOnes) {
  const std::vector<MeasuredTable> got = Tables(
      "1048576 262144 float sum -1 104.9 10.00 18.75 0 104.0 10.08 18.90 0\n"
      "2097152 524288 float sum -1 140.0 24.98 28.09 0 139.0 15.09 28.29 0\n"
      "4194304 1048576 float sum -1 210.0 19.9",
      "x_allreduce.log");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_THAT(got[0].points, SizeIs(1));
  ASSERT_THAT(got[0].rejected, SizeIs(2));
  EXPECT_EQ(got[0].rejected[0].line, 2);
  EXPECT_EQ(got[0].rejected[0].why, "algbw is 24.98, but 2097152 bytes in 140.0 us are 14.98 GB/s");
  EXPECT_EQ(got[0].rejected[1].line, 3);
}

// 2.9 had no root and no redop where the operation has none; its last column is an error.
TEST(ParseTables, ReadsTheOldColumns) {
  const std::vector<MeasuredTable> got = Tables(
      "#  size   count   type     time   algbw   busbw  error     time   algbw   busbw  error\n"
      "  67108864  1048576  float   1914.8   35.05   32.86  0e+00   1921.0   34.93   32.75    N/A\n"
      "#  size   count   type   redop  time   algbw   busbw  error     time   algbw   busbw  "
      "error\n"
      "  8 2 float sum 58.23 0.00 0.00 0e+00 56.02 0.00 0.00 0e+00\n"
      "  67108864 16777216 float sum 1914.8 35.05 65.72 2e-07 1921.0 34.93 65.49 2e-07\n");
  ASSERT_THAT(got, SizeIs(2));
  EXPECT_EQ(Microseconds(got[0].points[0].time), 1914.8);
  EXPECT_EQ(got[0].op, "all_to_all");  // in place it was not checked
  EXPECT_EQ(got[1].op, "all_reduce");
  EXPECT_THAT(got[1].points, SizeIs(2));
}

TEST(ParseTables, ReadsSeveralRunsOfALogEachWithItsOperation) {
  const std::vector<MeasuredTable> got = Tables(
      "# nccl-tests version 2.18.3 nccl-headers=22809 nccl-library=22809\n"
      "# Collective test starting: all_gather_perf\n"
      "# nThread 1 nGpus 2 minBytes 8\n"
      "1073741824 134217728 float none -1 27211.0 39.46 19.73 0 25806.7 41.61 20.80 0\n"
      "# Collective test concluded: all_gather_perf\n"
      "# Collective test starting: sendrecv_perf\n"
      "# nThread 1 nGpus 2 minBytes 8\n"
      "1073741824 268435456 float sum -1 27211.0 39.46 39.46 0 25806.7 41.61 41.61 N/A\n"
      "1073741824 536870912 half sum -1 27211.0 39.46 39.46 0 25806.7 41.61 41.61 N/A\n");
  ASSERT_THAT(got, SizeIs(3));
  EXPECT_EQ(got[0].op, "all_gather");
  EXPECT_EQ(got[0].nccl, "2.28.9");
  EXPECT_EQ(got[1].op, "send_recv");
  EXPECT_EQ(got[2].type, "half");
}

// A row of 256 MiB at an algbw of 100 GB/s.
std::string RowOf(const char* redop, int root, const char* busbw, const char* wrong_out,
                  const char* wrong_in) {
  return fmt::format(
      "268435456 67108864 float {0} {1} 2684.35 100.00 {2} {3} 2684.35 100.00 {2} "
      "{4}\n",
      redop, root, busbw, wrong_out, wrong_in);
}

// What nccl-tests prints of each operation on 8 ranks, checked and with -c 0 (#wrong is N/A).
TEST(ParseTables, TakesAnOperationFromColumnsThatOneAloneHas) {
  const TableHints eight{"", "", 8, 1};
  const auto op = [&](const std::string& row, const TableHints& hints) {
    const std::vector<MeasuredTable> got = Tables(row, "pasted.txt", hints);
    return got.size() == 1 ? got[0].op : "no table";
  };
  for (const TableHints& hints : {eight, TableHints()}) {
    SCOPED_TRACE(testing::Message() << hints.ranks << " ranks");
    EXPECT_EQ(op(RowOf("sum", -1, "175.00", "0", "0"), hints), "all_reduce");
    EXPECT_EQ(op(RowOf("sum", -1, "175.00", "N/A", "N/A"), hints), "all_reduce");
    EXPECT_EQ(op(RowOf("sum", -1, "87.50", "0", "0"), hints), "reduce_scatter");
    EXPECT_EQ(op(RowOf("none", -1, "87.50", "0", "0"), hints), "all_gather");
    EXPECT_EQ(op(RowOf("none", -1, "87.50", "0", "N/A"), hints), "all_to_all");
    EXPECT_EQ(op(RowOf("none", -1, "87.50", "N/A", "N/A"), hints), "");  // of either
    EXPECT_EQ(op(RowOf("sum", -1, "100.00", "0", "N/A"), hints), "");    // send_recv
    EXPECT_EQ(op(RowOf("sum", 0, "100.00", "0", "0"), hints), "reduce");
    // A gather over very many ranks has next to the same busbw.
    EXPECT_EQ(op(RowOf("none", 0, "100.00", "0", "0"), hints), hints.ranks > 0 ? "broadcast" : "");
    EXPECT_EQ(op(RowOf("none", 0, "87.50", "0", "0"), hints), "");  // gather
    EXPECT_EQ(op(RowOf("sum", -1, "42.00", "0", "0"), hints), "");  // of none
  }
  EXPECT_EQ(op(RowOf("sum", -1, "187.50", "0", "0"), eight), "");  // of 16 ranks, not of 8
  // What two ranks reduce has a busbw of its algbw, as sendrecv_perf's that checks nothing in
  // place; a reduce-scatter over 512 ranks is next to it, so nothing but the ranks tells.
  const std::string two = RowOf("sum", -1, "100.00", "0", "0");
  EXPECT_EQ(op(two, {"", "", 2, 1}), "all_reduce");
  EXPECT_EQ(op(RowOf("sum", -1, "100.00", "0", "N/A"), {"", "", 2, 1}), "");  // send_recv
  EXPECT_EQ(op(two, eight), "");
  EXPECT_EQ(Tables(two, "pasted.txt")[0].ranks, 0);
  for (const std::string& row :
       {two, std::string("268435456 131072 float sum -1 89478.5 3.00 2.99 0 89478.5 3.00 2.99 0\n"),
        std::string("268435456 131072 float sum -1 89478.5 3.00 3.00 0 89478.5 3.00 3.00 0\n")})
    EXPECT_EQ(op(row, TableHints()), "") << row;
  // Pasted one below the other, each says its own.
  const std::vector<MeasuredTable> both = Tables(
      RowOf("sum", -1, "175.00", "0", "0") + RowOf("none", -1, "87.50", "0", "0"), "pasted.txt");
  ASSERT_THAT(both, SizeIs(2));
  EXPECT_EQ(both[0].op, "all_reduce");
  EXPECT_EQ(both[1].op, "all_gather");
  EXPECT_EQ(Tables(RowOf("sum", -1, "100.00", "0", "N/A"), "x_sendrecv.log")[0].op, "send_recv");
}

// mpirun --map-by node: ranks go round over the hosts.
TEST(ParseTables, CountsHostsByNameWhereEveryRankIsListed) {
  std::string listed, some;
  for (int rank = 0; rank < 8; ++rank) {
    const std::string line = fmt::format(
        "#  Rank {0:2} Group  0 Pid {0} on node-{1} device {2} [0000:0f:00] NVIDIA H100\n", rank,
        rank % 2, rank / 2);
    listed += line;
    if (rank != 3) some += line;
  }
  const std::string row = RowOf("sum", -1, "175.00", "0", "0");
  const std::vector<MeasuredTable> all = Tables(listed + row);
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].ranks, 8);
  EXPECT_EQ(all[0].hosts, 2);
  EXPECT_FALSE(all[0].hosts_unclear);
  const std::vector<MeasuredTable> part = Tables(some + row);
  EXPECT_EQ(part[0].hosts, 0);
  EXPECT_TRUE(part[0].hosts_unclear);         // so nobody takes them for one host
  EXPECT_TRUE(Tables(row)[0].hosts_unclear);  // eight by its rates alone
  EXPECT_FALSE(Tables(row, "a.log", {"", "", 8, 0})[0].hosts_unclear);
}

TEST(ParseTables, RefusesTextWithoutATableAtItsFirstLine) {
  const auto got = ParseTables("hello\nworld 12 13\n", "notes.txt");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().pos, (SourcePos{"notes.txt", 1, 1}));
  EXPECT_THAT(got.error().front().hint, HasSubstr("weft-probe"));
}

std::uint64_t FirstSeed() {
  const char* const text = std::getenv("WEFT_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// Prefixes on every line and lines of others between them change no figure.
constexpr const char* kOneProcess =
    "# nThread 1 nGpus 8 minBytes 1048576 maxBytes 4194304 step: 4(factor) warmup iters: 5\n"
    "#  Rank  0 Group  0 Pid  12 on node0 device  0 [0000:05:00] AMD Instinct MI300X\n"
    "     1048576        262144     float     sum      -1    38.21   27.44   48.02      0\n";

// A pasted list of devices that was shortened: the process had eight all the same.
TEST(ParseTables, CountsTheDevicesOfAProcessWhereTheirListIsCut) {
  const auto tables = ParseTables(kOneProcess, "all_reduce.log");
  ASSERT_TRUE(tables);
  EXPECT_EQ(tables->at(0).ranks, 8);
  EXPECT_EQ(tables->at(0).hosts, 1);
  TableHints hints;
  hints.ranks = 16;
  const auto known = ParseTables(kOneProcess, "all_reduce.log", hints);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->at(0).ranks, 16);
  EXPECT_EQ(known->at(0).hosts, 0);
}

// 15/8 of algbw is an all-reduce of 16, whatever of the list is left.
TEST(ParseTables, AsksTheRowsWhereTheListOfDevicesIsCut) {
  std::string text = kOneProcess;
  const std::string eight = "27.44   48.02";
  text.replace(text.find(eight), eight.size(), "27.44   51.45");
  const auto tables = Tables(text, "all_reduce.log");
  ASSERT_THAT(tables, SizeIs(1));
  EXPECT_EQ(tables[0].ranks, 16);
  EXPECT_EQ(tables[0].hosts, 0);
  EXPECT_TRUE(tables[0].hosts_unclear);
}

// Tests whose columns are those of another operation; a matrix is not in the log.
TEST(ParseTables, LeavesTestsWithoutAModelWithoutOperation) {
  const auto log = [](const char* name, const char* busbw, const char* file) {
    const auto tables =
        Tables(fmt::format("# Collective test starting: {}\n"
                           "# nThread 1 nGpus 8 minBytes 8\n"
                           "268435456 67108864 float none -1 2684.35 100.00 {} 0 2684.35 100.00 "
                           "{} N/A\n",
                           name, busbw, busbw),
               file, {"", "", 8, 1});
    return tables.empty() ? "no table" : tables[0].op;
  };
  EXPECT_EQ(log("alltoall_perf", "87.50", "a.log"), "all_to_all");
  EXPECT_EQ(log("alltoallv_perf", "87.50", "a.log"), "");
  EXPECT_EQ(log("alltoallv_perf", "87.50", "alltoall.log"), "");
  EXPECT_EQ(log("hypercube_perf", "87.50", "a.log"), "");
  EXPECT_EQ(log("gather_perf", "87.50", "a.log"), "gather");
  EXPECT_EQ(log("scatter_perf", "87.50", "a.log"), "scatter");
  EXPECT_EQ(log("unknown", "87.50", "alltoallv-8.log"), "");
}

TEST(ParseTables, ReadsWhatAWindowsShellWrites) {
  std::string little("\xFF\xFE", 2), big("\xFE\xFF", 2);
  for (const char* c = kOneProcess; *c != 0; ++c) {
    little += {*c, '\0'};
    big += {'\0', *c};
  }
  for (const std::string& text : {little, big}) {
    const auto tables = ParseTables(text, "all_reduce.log");
    ASSERT_TRUE(tables);
    EXPECT_EQ(tables->at(0).points.size(), 1u);
    EXPECT_EQ(tables->at(0).ranks, 8);
  }
}

TEST(ParseTables, SeesThroughPrefixesAndForeignLines) {
  const std::vector<MeasuredTable> want = Tables(kLog);
  const char* const prefixes[] = {"[1,0]<stdout>:",
                                  "[1,0]<stdout>: ",
                                  " 0: ",
                                  "12: ",
                                  "[pod/launcher-x2/main] ",
                                  "2026-01-02T03:04:05.678Z ",
                                  "launcher-7 worker "};
  const char* const foreign[] = {"node-0:588 [3] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P",
                                 "MPICH Slingshot Network Summary: 139 network timeouts", "",
                                 "atu_cache_evictions 9 1 0.0 8 0.3 16 0.6", "```"};
  for (std::uint64_t seed = FirstSeed(); seed < FirstSeed() + 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const std::string prefix = prefixes[random.Below(std::size(prefixes))];
    std::string text;
    for (const std::string& line : LinesOf(kLog)) {
      if (random.Below(3) == 0)
        text += foreign[random.Below(std::size(foreign))] + std::string("\n");
      text += prefix + line + (random.Below(2) ? "\r\n" : "\n");
    }
    const std::vector<MeasuredTable> got = Tables(text);
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].ranks, 16);
    EXPECT_EQ(got[0].nccl, "2.29.3");
    ASSERT_EQ(got[0].points.size(), want[0].points.size()) << text;
    for (std::size_t i = 0; i < want[0].points.size(); ++i) {
      EXPECT_EQ(got[0].points[i].size, want[0].points[i].size);
      EXPECT_EQ(got[0].points[i].time, want[0].points[i].time);
    }
  }
}

// NCCL's own lines are of the run whose rows follow them, and what they contradict is not said.
TEST(ParseTables, ReadsHowNcclSaysThatItTalks) {
  const std::string row =
      "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n";
  const std::string start = "# nThread 1 nGpus 1 minBytes 8 maxBytes 8\n";
  const std::string healthy =
      "[1,0]<stdout>:n1:5:9 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB "
      "eth0:10.0.0.1<0>\n"
      "n2:5:9 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.0.0.2<0>\n"
      "n1:5:9 [0] NCCL INFO Using network IB\n"
      "n1:5:9 [0] NCCL INFO NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/0(5)/GDRDMA/Shared\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
      "n1:5:9 [0] NCCL INFO 16 coll channels, 16 collnet channels, 16 nvls channels, 32 p2p "
      "channels, 2 p2p channels per peer\n";
  const std::string broken =
      "n1:5:9 [0] NCCL INFO NCCL_PXN_DISABLE set by environment to 1.\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/0\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via SHM/direct/direct\n"
      "n1:5:9 [0] NCCL INFO 16 coll channels, 0 nvls channels, 32 p2p channels, 2 p2p channels\n";
  const std::string sockets =
      "n1:5:9 [0] NCCL INFO NET/IB : No device found.\n"
      "n1:5:9 [0] NCCL INFO Using network Socket\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 2[2] via SHM/direct/direct\n"
      "n1:5:9 [0] NCCL INFO NCCL_ALGO set by environment to ^NVLS,NVLSTree\n";
  const std::string libfabric =
      "n1:5:9 [0] NCCL INFO Using network AWS Libfabric\n"
      "n1:5:9 [0] NCCL INFO Channel 00/0 : 7[7] -> 8[0] [send] via NET/AWS "
      "Libfabric/0(5)/GDRDMA comm 0x5580 nRanks 16\n";
  const auto tables = ParseTables(start + healthy + row + start + broken + row + start + sockets +
                                      row + start + row + start + libfabric + row,
                                  "all_reduce.log", {});
  ASSERT_TRUE(tables);
  ASSERT_THAT(*tables, SizeIs(5));
  const NcclSetup &on = (*tables)[0].setup, &off = (*tables)[1].setup, &tcp = (*tables)[2].setup;
  for (const SetupState one : {on.rdma(), on.gdr(), on.p2p(), on.nvls(2), on.pxn(), off.rdma()})
    EXPECT_EQ(one, SetupState::kOn);
  EXPECT_EQ(on.devices(), 1);
  EXPECT_EQ(on.listing_hosts(), 2);
  for (const SetupState one :
       {off.gdr(), off.p2p(), off.nvls(2), off.pxn(), tcp.rdma(), tcp.nvls(2)})
    EXPECT_EQ(one, SetupState::kOff);
  EXPECT_EQ(tcp.p2p(), SetupState::kUnsaid);
  EXPECT_EQ(tcp.gdr(), SetupState::kUnsaid);
  EXPECT_EQ((*tables)[3].setup.rdma(), SetupState::kUnsaid);
  const NcclSetup& blank = (*tables)[4].setup;
  for (const SetupState one : {blank.rdma(), blank.gdr(), blank.pxn()})
    EXPECT_EQ(one, SetupState::kOn);
}

// A run that failed before its first row says nothing of the next.
TEST(ParseTables, LeavesTheSetupOfARunWithoutRowsBehind) {
  const std::string start = "# nThread 1 nGpus 1 minBytes 8 maxBytes 8\n";
  const auto tables = ParseTables(
      start + "n1:5:9 [0] NCCL INFO Using network Socket\n" + start +
          "n1:5:9 [0] NCCL INFO Using network IB\n"
          "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n",
      "all_reduce.log", {});
  ASSERT_TRUE(tables);
  ASSERT_THAT(*tables, SizeIs(1));
  EXPECT_EQ(tables->front().setup.rdma(), SetupState::kOn);
}

// NVLS sums on one host, NVLSTree over several: each is forbidden by itself.
TEST(NcclSetup, ReadsWhatAListOfAlgorithmsLeaves) {
  const auto nvls = [](const std::string& list, int hosts) {
    NcclSetup out;
    out.AddLine("n1:5:9 [0] NCCL INFO NCCL_ALGO set by environment to " + list + ".");
    return out.nvls(hosts);
  };
  const auto off = SetupState::kOff, unsaid = SetupState::kUnsaid;
  for (const auto& [list, one, several] : {std::tuple("Ring", off, off),
                                           {"Ring,Tree", off, off},
                                           {"^NVLS,NVLSTree", off, off},
                                           {"^nvlstree,ring,nvls", off, off},
                                           {"^NVLS", off, unsaid},
                                           {"^NVLSTree", unsaid, off},
                                           {"Ring,NVLSTree", off, unsaid},
                                           {"NVLS", unsaid, unsaid},  // by switches that reduce
                                           {"^Ring", unsaid, unsaid},
                                           {"NVLS,NVLSTree", unsaid, unsaid},
                                           {"allreduce:ring", unsaid, unsaid}}) {
    EXPECT_EQ(nvls(list, 1), one) << list;
    EXPECT_EQ(nvls(list, 2), several) << list;
  }
}

// What shells and launchers set; words about it set nothing.
TEST(NcclSetup, ReadsTheVariablesOfCommands) {
  const auto read = [](std::string_view line) {
    std::string out;
    for (const NcclVariable& one : NcclVariablesIn(line))
      out += (one.unset ? '-' + one.name : one.name + '=' + one.value) + (one.exported ? "!" : "") +
             ' ';
    return out;
  };
  EXPECT_EQ(read("mpirun -np 8 -x NCCL_ALGO=^NVLS -x NCCL_DEBUG -x NCCL_P2P_DISABLE=1 \\"),
            "NCCL_ALGO=^NVLS NCCL_P2P_DISABLE=1 ");
  EXPECT_EQ(read("$ NCCL_ALGO='Ring,Tree' NCCL_NET=Socket ./build/all_reduce_perf -b 8"),
            "NCCL_ALGO=Ring,Tree NCCL_NET=Socket ");
  EXPECT_EQ(read("export NCCL_ALGO=Ring NCCL_NVLS_ENABLE=0;"),
            "NCCL_ALGO=Ring! NCCL_NVLS_ENABLE=0! ");
  EXPECT_EQ(read("NCCL_PXN_DISABLE=1"), "NCCL_PXN_DISABLE=1 ");
  // All of a line of assignments alone, and those that lead a command which goes on.
  for (const char* const line :
       {"NCCL_ALGO=Ring NCCL_NET=Socket \\", "$ A=1 NCCL_ALGO=Ring NCCL_NET=Socket",
        "NCCL_ALGO=Ring NCCL_NET=Socket mpirun -np 8 \\", "env NCCL_ALGO=Ring NCCL_NET=Socket x",
        "srun --export=ALL,NCCL_ALGO=Ring,NCCL_NET=Socket \\",
        "#SBATCH --export ALL,NCCL_ALGO=Ring,NCCL_NET=Socket"})
    EXPECT_EQ(read(line), "NCCL_ALGO=Ring NCCL_NET=Socket ") << line;
  // At the start of a line, whatever the prompt.
  for (const char* const prompt :
       {"", "$ ", "user@node-1:~$ ", "(venv) [user@node-1 dir]$ ", "root@node-1:/tests# ", "+ ",
        "0: + ", "> ", "A=1; ", "export A=1 && "}) {
    EXPECT_EQ(read(prompt + std::string("export NCCL_ALGO=Ring # NCCL_NET=Socket")),
              "NCCL_ALGO=Ring! ")
        << prompt;
    EXPECT_EQ(read(prompt + std::string("unset NCCL_ALGO NCCL_NET;")), "-NCCL_ALGO! -NCCL_NET! ")
        << prompt;
  }
  EXPECT_EQ(read("export NCCL_ALGO=Ring; NCCL_NET=Socket ./all_reduce_perf -b 8"),
            "NCCL_ALGO=Ring! NCCL_NET=Socket ");
  EXPECT_EQ(read("env -u NCCL_ALGO ./all_reduce_perf"), "-NCCL_ALGO ");
  EXPECT_EQ(read("docker run -e \"NCCL_ALGO=Ring\" image"), "NCCL_ALGO=Ring ");
  for (const char* const prose :
       {"we also tried NCCL_P2P_DISABLE=1 without success", "NCCL_ALGO=Ring is slower here",
        "n1:5:9 [0] NCCL INFO NCCL_ALGO=Ring", "set NCCL_ALGO",
        "# do not set export NCCL_P2P_DISABLE=1", "# export NCCL_P2P_DISABLE=1",
        "do not export NCCL_P2P_DISABLE=1", "we did so; export NCCL_P2P_DISABLE=1 was not needed",
        "all_reduce_perf hangs without NCCL_P2P_DISABLE=1", "shared memory + NCCL_P2P_DISABLE=1",
        "you may unset NCCL_P2P_DISABLE"})
    EXPECT_EQ(read(prose), "") << prose;
}

// A command's variables are its run's, exported ones all later runs'. What is typed after a run's
// rows, or by one that failed, is not that of its neighbours.
TEST(ParseTables, KnowsARunsEnvironment) {
  const std::string start = "# nThread 1 nGpus 8 minBytes 8 maxBytes 8\n";
  const std::string row =
      "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n";
  const auto tables =
      ParseTables("mpirun -x NCCL_NVLS_ENABLE=0 all_reduce_perf -b 8\n" + start + row +
                      "mpirun -x NCCL_P2P_DISABLE=1 \\\n  all_reduce_perf -b 8\n" + start +
                      "mpirun -np 8 all_reduce_perf -b 8\n" + start + row +
                      "export NCCL_PXN_DISABLE=1\n" + start + row + start + row,
                  "all_reduce.log", {});
  ASSERT_TRUE(tables);
  ASSERT_THAT(*tables, SizeIs(4));
  EXPECT_EQ((*tables)[0].setup.nvls(1), SetupState::kOff);
  EXPECT_EQ((*tables)[0].setup.p2p(), SetupState::kUnsaid);
  EXPECT_EQ((*tables)[1].setup.nvls(1), SetupState::kUnsaid);
  EXPECT_EQ((*tables)[1].setup.p2p(), SetupState::kUnsaid);  // of the run that had no row
  EXPECT_EQ((*tables)[1].setup.pxn(), SetupState::kUnsaid);
  for (const std::size_t later : {2u, 3u})
    EXPECT_EQ((*tables)[later].setup.pxn(), SetupState::kOff);
}

// Of a variable the last value counts, whoever typed it; NCCL's own word goes before all that.
TEST(ParseTables, TakesTheLastValueOfAVariable) {
  const std::string start = "# nThread 1 nGpus 8 minBytes 8 maxBytes 8\n";
  const std::string row =
      "1073741824 268435456 float sum -1 10887.4 98.62 184.92 0 10867.5 98.80 185.26 0\n";
  const std::string off = "export NCCL_P2P_DISABLE=1\n";
  const auto p2p = [&](const std::string& text) {
    const auto tables = ParseTables(text + row, "all_reduce.log", {});
    return tables->back().setup.p2p();
  };
  using enum SetupState;
  EXPECT_EQ(p2p(off + start), kOff);
  EXPECT_EQ(p2p(off + "export NCCL_P2P_DISABLE=0\n" + start), kUnsaid);
  EXPECT_EQ(p2p("export NCCL_P2P_DISABLE=0\n" + off + start), kOff);
  EXPECT_EQ(p2p(off + "unset NCCL_P2P_DISABLE\n" + start), kUnsaid);
  EXPECT_EQ(p2p(off + "NCCL_P2P_DISABLE=0 ./all_reduce_perf -b 8\n" + start), kUnsaid);
  EXPECT_EQ(p2p("NCCL_P2P_DISABLE=0\n" + off + start), kOff);
  // One run's own is not the next one's, whose shell has it exported.
  EXPECT_EQ(p2p(off + "NCCL_P2P_DISABLE=0 ./all_reduce_perf -b 8\n" + start + row + start), kOff);
  const std::string own = "n1:5:9 [0] NCCL INFO NCCL_P2P_DISABLE set by environment to ";
  EXPECT_EQ(p2p(off + start + own + "0.\n"), kUnsaid);
  EXPECT_EQ(p2p("export NCCL_P2P_DISABLE=0\n" + start + own + "1.\n"), kOff);
  EXPECT_EQ(p2p(start + own + "1.\n" + own + "0.\n"), kUnsaid);
  EXPECT_EQ(p2p(off + start + "n1:5:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"),
            kOn);
  // Two that a command of several lines begins with.
  const auto both = ParseTables(
      "NCCL_PXN_DISABLE=1 NCCL_P2P_DISABLE=1 \\\n ./all_reduce_perf -b 8\n" + start + row,
      "all_reduce.log", {});
  EXPECT_EQ(both->front().setup.pxn(), kOff);
  EXPECT_EQ(both->front().setup.p2p(), kOff);
  EXPECT_EQ(both->front().setup.OwnLines().p2p(), kUnsaid);
}

// Figures in groups of three; a decimal comma in their place is a thousand times less, which the
// row's other figures contradict.
TEST(ParseTables, ReadsFiguresSetInGroups) {
  const auto tables = ParseTables(
      "1073741824 268435456 float sum -1 10,887.4 98.62 184.92 0 1,0867.5 98.80 185.26 0\n"
      "68719476736 17179869184 float sum -1 60,000 1,145.32 2,147.48 0 60,000 1,145.32 2,147.48 0\n"
      "2147483648 536870912 float sum -1 21,512 99,831 187,183 0 21,534 99,730 186,990 0\n",
      "all_reduce.log", {});
  ASSERT_TRUE(tables);
  const MeasuredTable& table = tables->front();
  ASSERT_THAT(table.points, SizeIs(2));
  EXPECT_EQ(table.points[0].time, SimDuration(10'887'400'000));
  EXPECT_FALSE(table.points[0].in_place);  // 1,0867.5 is no number
  EXPECT_EQ(table.points[1].time, SimDuration(60'000'000'000));
  ASSERT_THAT(table.rejected, SizeIs(1));
}

// Bytes changed, dropped and added anywhere: never a crash, and a row that is believed is either
// one of the text's or one whose own figures agree.
// An issue: words with commas, then a table, then more words; its rows keep their lines.
// As pages, spreadsheets and PDFs set them; a row is never lost in silence.
TEST(ParseTables, ReadsSizesSetInGroupsOrWithUnits) {
  for (const std::string row :
       {"1048576 262144", "1,048,576 262,144", "1'048'576 262'144", "1M 262144", "1MiB 262,144",
        "1.048.576 262.144", "1 MiB 262144", "[1,0]<stdout>:1M 256K"}) {
    SCOPED_TRACE(row);
    const auto tables =
        ParseTables("512 128 float sum -1 20.0 0.03 0.05 0 20.0 0.03 0.05 0\n" + row +
                        " float sum -1 40.0 26.21 49.15 0 40.0 26.21 49.15 0\n",
                    "all_reduce.log", {});
    ASSERT_TRUE(tables);
    ASSERT_EQ(tables->size(), 1U);
    ASSERT_EQ(tables->front().points.size(), 2U);
    EXPECT_EQ(tables->front().points.back().size, MiB(1));
    EXPECT_TRUE(tables->front().rejected.empty());
  }
  // Of other units nobody tells 1000 from 1024: such a row is left out and counted.
  const auto unclear = ParseTables(
      "512 128 float sum -1 20.0 0.03 0.05 0\n1MB 262144 float sum -1 40.0 26.21 49.15 0\n",
      "all_reduce.log", {});
  ASSERT_TRUE(unclear);
  EXPECT_THAT(unclear->front().points, SizeIs(1));
  ASSERT_THAT(unclear->front().rejected, SizeIs(1));
  EXPECT_THAT(unclear->front().rejected.front().why, HasSubstr("its size is 1MB"));
  for (const std::string row : {"1 MB 262144", "1.5M 393216", "1m 262144"}) {
    const auto left_out = ParseTables(
        "512B 128 float sum -1 20.0 0.03 0.05 0\n" + row + " float sum -1 40.0 26.21 49.15 0\n",
        "all_reduce.log", {});
    ASSERT_TRUE(left_out) << row;
    EXPECT_THAT(left_out->front().points, SizeIs(1)) << row;
    EXPECT_THAT(left_out->front().rejected, SizeIs(1)) << row;
  }
  EXPECT_FALSE(ParseTables("10,48,576 262144 float sum -1 40.0 26.21 49.15 0\n", "x.log", {}));
}

TEST(ParseTables, FindsATableAmongProse) {
  for (const std::string_view table :
       {"| Size (B) | Time (us) |\n|---|---|\n| 1048576 | 104.9 |\n| 2097152 | 140.0 |\n",
        "size_bytes,time_us\n# of eight runs, the median\n1048576,104.9\n2097152,140.0\n"}) {
    const std::vector<MeasuredTable> got =
        Tables("Hello,\nwe see this, whatever the size:\n\n```\n" + std::string(table) +
                   "```\nIs it, for this size, as it should be?\n",
               "issue_all_reduce.md");
    ASSERT_THAT(got, SizeIs(1)) << table;
    EXPECT_EQ(got[0].op, "all_reduce");
    ASSERT_THAT(got[0].points, SizeIs(2));
    EXPECT_EQ(got[0].points[1].line, 8);
    EXPECT_DOUBLE_EQ(Microseconds(got[0].points[1].time), 140);
  }
}

// A log whose first line looks like a header of CSV; and a long one that looks so on every line.
TEST(ParseTables, ReadsALogBelowALineWithCommas) {
  const std::string log =
      "#       size         count      type   redop    root     time   algbw   busbw #wrong\n"
      "     1048576        262144     float     sum      -1    100.0   10.49   18.35      0\n";
  const auto got = Tables("Running all_reduce, message size 8B, on 8 GPUs\n" + log, "a.log");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_THAT(got[0].points, SizeIs(1));
  std::string training = "starting the job\n";
  for (int i = 0; i < 20'000; ++i) training += "12:00:00,123 INFO step 7, batch_size=7, loss=1.2\n";
  EXPECT_FALSE(ParseTables(training, "train.log", {}));
}

// Every blank of the log as `blank`, every line between `before` and `after`.
std::string Decorated(std::string_view log, std::string_view before, std::string_view blank,
                      std::string_view after) {
  std::string out(before);
  for (const char c : log)
    if (c == '\n')
      (out += after) += std::string("\n") += before;
    else if (c == ' ')
      out += blank;
    else
      out += c;
  return out;
}

// As a terminal colours it, a page lays it out, an issue quotes it; and its rows as a table in
// Markdown and in a box.
TEST(ParseTables, SeesThroughDecoration) {
  const std::vector<MeasuredTable> plain = Tables(kLog);
  std::vector<std::string> texts = {Decorated(kLog, "\x1B[1;32m", " ", "\x1B[0m"),
                                    Decorated(kLog, "", "\xC2\xA0", ""),
                                    Decorated(kLog, "> ", " ", ""), "```\n" + std::string(kLog)};
  for (const std::string_view bar : {" | ", "|", "\xE2\x94\x82 "}) {
    std::string rows;
    for (const std::string_view row :
         {"1048576 262144 float sum -1 104.9 10.00 18.75 0 104.0 10.08 18.90 0",
          "2097152 524288 float sum -1 140.0 14.98 28.09 0 139.0 15.09 28.29 0",
          "4194304 1048576 float sum -1 210.0 19.97 37.45 0 209.0 20.07 37.63 0"})
      rows += Decorated(row, bar, bar, bar) + "\n";
    texts.push_back(rows);
  }
  for (const std::string& text : texts) {
    const std::vector<MeasuredTable> got = Tables(text);
    ASSERT_THAT(got, SizeIs(1)) << text;
    EXPECT_THAT(got[0].rejected, IsEmpty()) << text;
    ASSERT_EQ(got[0].points.size(), plain[0].points.size()) << text;
    for (std::size_t i = 0; i < got[0].points.size(); ++i) {
      EXPECT_EQ(got[0].points[i].size, plain[0].points[i].size);
      EXPECT_EQ(got[0].points[i].time, plain[0].points[i].time);
      EXPECT_EQ(got[0].points[i].in_place, plain[0].points[i].in_place);
    }
  }
  EXPECT_EQ(Tables(texts[0])[0].gpu, "NVIDIA A100-SXM4-40GB");
}

// The first row of kLog alone, on its two hosts, and what it says.
constexpr std::string_view kRow =
    "   1048576   262144   float   sum   -1   104.9   10.00   18.75   0   104.0   10.08   18.90   "
    "0";

void ExpectRow(const std::vector<MeasuredTable>& tables, std::size_t table = 0) {
  ASSERT_GT(tables.size(), table);
  EXPECT_EQ(tables[table].op, "all_reduce");
  EXPECT_EQ(tables[table].ranks, 16);
  EXPECT_THAT(tables[table].rejected, IsEmpty());
  ASSERT_THAT(tables[table].points, SizeIs(1));
  EXPECT_EQ(Microseconds(tables[table].points[0].time), 104.9);
  ASSERT_TRUE(tables[table].points[0].in_place);
  EXPECT_EQ(Microseconds(*tables[table].points[0].in_place), 104);
}

// A terminal's width of any number of columns, in the middle of a figure too; blanks at a line's
// end may be gone.
TEST(ParseTables, JoinsRowsThatWereWrapped) {
  for (std::size_t width = 36; width < kRow.size(); ++width) {
    const std::string head(kRow.substr(0, width)), tail(kRow.substr(width));
    SCOPED_TRACE(head + '\n' + tail);
    ExpectRow(Tables(head + '\n' + tail + '\n'));
    const std::size_t blanks = head.find_last_not_of(' ') + 1, start = tail.find_first_not_of(' ');
    if (blanks < head.size() || start > 0)
      ExpectRow(Tables(head.substr(0, blanks) + "\r\n" + tail.substr(start) + "\r\n"));
  }
  const auto cut = Tables("1048576 262144 float sum -1 104.9 10.0\n0 and 12 other words\n", "a.log",
                          {"all_reduce", "", 16, 2});
  ASSERT_THAT(cut, SizeIs(1));
  EXPECT_THAT(cut[0].rejected, SizeIs(1));
}

// paste of two logs, with a bar between or none, with and without a header.
TEST(ParseTables, ReadsTablesBesideEachOther) {
  const std::string header =
      "# size count type redop root time algbw busbw #wrong time algbw busbw";
  const std::string other = "1048576 262144 float sum -1 209.7 5.00 9.38 0 208.0 5.04 9.45 0";
  for (const std::string between : {"  |  ", "\t", "   "}) {
    for (const std::string& head : {std::string(), header + between + header + "\n"}) {
      const auto got = Tables(head + std::string(kRow) + between + other + "\n");
      ASSERT_THAT(got, SizeIs(2)) << between << head;
      ExpectRow(got);
      ASSERT_THAT(got[1].points, SizeIs(1));
      EXPECT_EQ(Microseconds(got[1].points[0].time), 209.7);
    }
  }
  const auto three = Tables(std::string(kRow) + " | " + std::string(kRow) + " | " + other);
  ASSERT_THAT(three, SizeIs(3));
  EXPECT_EQ(Microseconds(three[2].points[0].time), 209.7);
}

// mpirun names the stream again wherever its output was flushed; a bar of progress goes back.
TEST(ParseTables, SeesThroughWhatStandsWithinALine) {
  std::string flushed = "[1,0]<stdout>:" + std::string(kRow);
  flushed.insert(flushed.find("-1") + 2, "[1,0]<stdout>:");
  flushed.insert(flushed.find("  104.0"), "[1,0]<stdout>:");
  ExpectRow(Tables(flushed));
  ExpectRow(Tables("waiting 97 %\r" + std::string(kRow) + "\r\n"));
}

// -K prints four more columns behind each half, -S the time of day [NCT src/util.cu].
TEST(ParseTables, TakesNoColumnOfIterationsForTheHalfInPlace) {
  const std::string row =
      "1048576 262144 float sum -1 104.9 10.00 18.75 0 101.0 120.0 119.0 3.10 "
      "104.0 10.08 18.90 0 100.0 121.0 118.0 2.90";
  const std::string header =
      "# size count type redop root time algbw busbw #wrong i_min i_max i_p99 i_cv% "
      "time algbw busbw #wrong i_min i_max i_p99 i_cv%\n";
  ExpectRow(Tables(row));
  ExpectRow(Tables(header + row));
  ExpectRow(Tables(row + "  2025-11-02 11:12:13"));
  ExpectRow(Tables(std::string(kRow) + "  2025-11-02 11:12:13"));
}

// At two ranks the columns of all operations are alike.
TEST(ParseTables, TakesAnOperationFromTheCommandThatWasTyped) {
  const std::string row = "1048576 262144 float sum -1 104.9 10.00 10.00 0\n";
  const auto op = [](const std::string& text) {
    return Tables(text, "a.log", {"", "", 2, 1})[0].op;
  };
  EXPECT_EQ(op("$ mpirun -np 2 build/sendrecv_perf -b 1M -e 8M\n" + row), "send_recv");
  EXPECT_EQ(op("+ ./all_reduce_perf_mpi -g 1\n" + row), "all_reduce");
  EXPECT_EQ(op("# Collective test starting: all_reduce_perf_mpi\n" + row), "all_reduce");
  EXPECT_EQ(op("./all_reduce_perf -g 1\n./sendrecv_perf -g 1\n" + row), "");
  EXPECT_EQ(op("./hypercube_perf -g 1\n" + row), "");
  EXPECT_EQ(Tables("./all_gather_perf -g 1\n" + std::string(kRow))[0].op, "all_reduce");
  EXPECT_EQ(op("./all_reduce_perf -g 1\n" + row + "./sendrecv_perf -g 1\n" + row), "all_reduce");
}

// Without a list of devices; and in a table that somebody made of runs on 8, 16 and 24 ranks.
TEST(ParseTables, CountsRanksByTheRowsAndLeavesOutThoseOfOthers) {
  const auto one = Tables(std::string(kRow));
  ExpectRow(one);
  EXPECT_TRUE(one[0].hosts_unclear);
  const std::string made =
      "1 1073741824 268435456 float sum 8142.6 131.87 230.77 0\n"
      "2 1073741824 268435456 float sum 35215 30.49 57.17 0\n"
      "3 1073741824 268435456 float sum 64782 16.57 31.77 0\n";
  EXPECT_EQ(Tables(made, "all_reduce.log")[0].ranks, 0);
  const auto got = Tables(made, "all_reduce.log", {"", "", 16, 2});
  ASSERT_THAT(got[0].points, SizeIs(1));
  EXPECT_EQ(got[0].points[0].line, 2);
  ASSERT_THAT(got[0].rejected, SizeIs(2));
  EXPECT_EQ(got[0].rejected[0].why, "busbw is 1.750 of algbw, where 16 ranks have 1.875");
}

// What other processes say among the rows, and a list of devices of a run that failed.
TEST(ParseTables, IsNotThrownOffByLinesAmongTheRows) {
  const std::string row = "   2097152   524288   float   sum   -1   140.0";
  for (const std::string stray : {"[w3] ERROR Rank 5 stuck on cuda stream 7",
                                  "[1,3]<stderr>:+ ./build/all_reduce_perf -b 8 -e 8G"}) {
    SCOPED_TRACE(stray);
    std::string log = "+ ./build/all_reduce_perf -b 8 -e 8G\n" + std::string(kLog);
    log.insert(log.find(row), stray + "\n");
    const auto got = Tables(log);
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].ranks, 16);
    EXPECT_THAT(got[0].points, SizeIs(3));
  }
  std::string retried(kLog.substr(0, kLog.find("NCCL version")));
  retried +=
      "# nThread 1 nGpus 1 minBytes 8 maxBytes 8 step: 2\n"
      "#  Rank  0 Group  0 Pid 1 on node-9 device  0 [0x01] NVIDIA H100\n"
      "#  Rank  7 Group  0 Pid 8 on node-9 device  7 [0x01] NVIDIA H100\n"
      "1048576 262144 float sum -1 104.9 10.00 17.50 0\n";
  const auto got = Tables(retried);
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].ranks, 8);
  EXPECT_EQ(got[0].hosts, 1);
  // A list alone that every row contradicts.
  EXPECT_EQ(Tables(std::string(kLog.substr(0, kLog.find("NCCL version"))) +
                   "1048576 262144 float sum -1 104.9 10.00 17.50 0\n")[0]
                .ranks,
            8);
}

TEST(ParseTables, BelievesNeitherANameNorAHalfThatTheRowsContradict) {
  const auto gather = Tables("1048576 16384 float none -1 104.9 10.00 9.375 0\n", "all_reduce.log");
  EXPECT_NE(gather[0].op, "all_reduce");  // none of whose busbw is below its algbw
  const auto torn = Tables(
      "1048576 262144 float sum -1 104.9 10.00 18.75 0 104.0 10.08 18.90 0\n"
      "2097152 524288 float sum -1 140.0* 14.98 28.09 0 139.0 15.09 28.29 0\n",
      "all_reduce.log");
  EXPECT_THAT(torn[0].points, SizeIs(1));
  ASSERT_THAT(torn[0].rejected, SizeIs(1));
  EXPECT_THAT(torn[0].rejected[0].why, HasSubstr("out of place"));
}

// Rows in place beside or below those out of place: in blocks, and however the flag is written.
TEST(ParseTables, JoinsRowsInPlaceOfACsv) {
  for (const char* const text :
       {"op,size,time_us,in_place\nall_gather,1048576,104.9,False\nall_gather,2097152,140,False\n"
        "all_gather,1048576,94,True\nall_gather,2097152,130,True\n",
        "op,size,time_us,in_place\nall_gather,1048576,104.9,0\nall_gather,1048576,94,1\n"
        "all_gather,2097152,140,0\nall_gather,2097152,130,1\n"}) {
    const auto got = Tables(text, "a.csv");
    ASSERT_THAT(got, SizeIs(1));
    ASSERT_THAT(got[0].points, SizeIs(2)) << text;
    EXPECT_EQ(Microseconds(got[0].points[0].time), 104.9);
    EXPECT_EQ(Microseconds(*got[0].points[0].in_place), 94);
  }
}

TEST(ParseTables, ReadsListsOfDevicesThatWereShortened) {
  const auto got = Tables(
      "#  Rank  0 .. Rank  7 on node-a  NVIDIA H100 80GB HBM3\n"
      "#  Rank  8 .. Rank 15 on node-b  NVIDIA H100 80GB HBM3\n" +
      std::string(kRow) +
      "\n#  Rank  3 Group  0 Pid 9 on node-a device  3 [0x01] NVIDIA GB200\n"
      "1048576 262144 float sum -1 104.9 10.00 15.00 0\n");
  ASSERT_THAT(got, SizeIs(2));
  ExpectRow(got);
  EXPECT_EQ(got[0].hosts, 2);
  EXPECT_EQ(got[1].ranks, 4);  // a list stands over its own table
  EXPECT_EQ(got[1].gpu, "NVIDIA GB200");
}

TEST(ParseTables, BelievesNoDamagedRowWhoseFiguresDisagree) {
  std::size_t believed = 0;
  for (std::uint64_t seed = FirstSeed(); seed < FirstSeed() + 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::string text(kLog);
    for (std::uint64_t n = 1 + random.Below(12); n > 0; --n) {
      const std::size_t at = random.Below(static_cast<std::uint32_t>(text.size()));
      switch (random.Below(3)) {
        case 0:
          text[at] = static_cast<char>(random.Below(256));
          break;
        case 1:
          text.erase(at, 1 + random.Below(40));
          break;
        default:
          text.insert(at, std::string(1 + random.Below(3), "0 .e-\n:"[random.Below(7)]));
      }
    }
    const auto got = ParseTables(text, "a.log");
    if (!got) {
      EXPECT_GE(got.error().front().pos.line, 1);
      continue;
    }
    for (const MeasuredTable& table : *got) {
      for (const MeasuredPoint& point : table.points) {
        ++believed;
        const double rate = static_cast<double>(point.size.count()) / ToSeconds(point.time) / 1e9;
        const std::vector<std::string> lines = LinesOf(text);
        auto next = static_cast<std::size_t>(point.line);
        std::string line = lines[next - 1];
        while (next < lines.size() && lines[next].empty()) ++next;
        if (next < lines.size() &&  // the rest of a row that was wrapped
            lines[next].find_first_not_of(" \t\r0123456789.-eE") == std::string::npos)
          line = line + lines[next] + " " + line + " " + lines[next];
        bool agrees = false;
        for (std::size_t word = 0; word < line.size(); ++word)
          agrees |=
              std::abs(std::strtod(line.c_str() + word, nullptr) - rate) <= 0.02 * rate + 0.51;
        EXPECT_TRUE(agrees) << line;
      }
    }
  }
  EXPECT_GT(believed, 2000u);
}

TEST(ParseTables, ReadsCsvByItsHeader) {
  const std::vector<MeasuredTable> got = Tables(
      "# source: somebody\n"
      "op,dtype,ranks,size_bytes,median_us,min_us\n"
      "all_gather,half,2,1024,8.0,7.0\n"
      "all_gather,half,2,2048,9.0,7.0\n"
      "all_gather,half,4,1024,12.0,7.0\n"
      "all_gather,int8,4,1024,12.0,7.0\n",
      "x.csv");
  ASSERT_THAT(got, SizeIs(3));
  EXPECT_THAT(got[0].points, SizeIs(2));
  EXPECT_EQ(Microseconds(got[0].points[1].time), 9);
  EXPECT_EQ(got[1].ranks, 4);
  EXPECT_EQ(got[2].type, "int8");
}

// 1 GiB at a busbw of 93.75 GB/s over 16 ranks: algbw 50, 21474.8 us.
TEST(ParseTables, TurnsRatesIntoTimesByTheRanksInTheColumnsName) {
  const std::vector<MeasuredTable> got = Tables(
      "size_bytes,busbw_1node_8ranks,busbw_2nodes_16ranks\n"
      "1073741824,100.00,93.75\n"
      "4096,0.2,0.01\n",
      "x_allreduce.csv");
  ASSERT_THAT(got, SizeIs(2));
  EXPECT_EQ(got[1].ranks, 16);
  EXPECT_EQ(got[1].hosts, 2);
  ASSERT_THAT(got[1].points, SizeIs(1));
  EXPECT_NEAR(Microseconds(got[1].points[0].time), 21474.836, 0.001);
  ASSERT_THAT(got[1].rejected, SizeIs(1));  // 0.01 may be 0.005 or 0.015
  EXPECT_EQ(got[1].rejected[0].line, 3);
}

// Ranks of all before GPUs, which are a host's where both stand there.
TEST(ParseTables, TakesTheRanksOfAllBeforeAHostsGpus) {
  for (const char* const all : {"world_size", "total_gpus", "total_ranks", "num_processes"})
    for (const char* const some : {"gpus", "ngpus", "num_gpus"})
      for (const std::string& header :
           {std::string(some) + "," + all, std::string(all) + "," + some})
        EXPECT_EQ(Tables("size," + header + ",time_us\n1048576," +
                             (header.starts_with(all) ? "16,8" : "8,16") + ",100\n",
                         "x_allreduce.csv")[0]
                      .ranks,
                  16)
            << header;
  EXPECT_EQ(Tables("size,ngpus,time_us\n1048576,8,100\n", "x_allreduce.csv")[0].ranks, 8);
}

// 1 MiB in 10.48576 us: 100 GB/s, 800 Gb/s.
TEST(ParseTables, ReadsTheUnitOfARateInItsName) {
  for (const auto& [column, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"algbw", "100"},
                                                                  {"algbw_GBps", "100"},
                                                                  {"algbw (GB/s)", "100"},
                                                                  {"algbw_MBps", "100000"},
                                                                  {"algbw_Gbps", "800"},
                                                                  {"algbw [Gb/s]", "800"}}) {
    const std::vector<MeasuredTable> got =
        Tables(fmt::format("size_bytes,ranks,{}\n1048576,8,{}\n", column, value), "x.csv");
    ASSERT_THAT(got, SizeIs(1)) << column;
    ASSERT_THAT(got[0].points, SizeIs(1)) << column;
    EXPECT_NEAR(Microseconds(got[0].points[0].time), 10.48576, 1e-5) << column;
  }
  EXPECT_NEAR(Microseconds(Tables("# busbw in Gb/s\nsize_bytes,ranks,busbw\n1048576,8,1400\n",
                                  "x_allreduce.csv")[0]
                               .points[0]
                               .time),
              10.48576, 1e-5);
  for (const char* const column : {"busbw_gbps", "busbw gb/s", "busbw_GBPS", "busbw_TBps"}) {
    const auto got = ParseTables(fmt::format("size_bytes,{}\n1048576,100\n", column), "x.csv");
    ASSERT_FALSE(got) << column;
    EXPECT_EQ(got.error()[0].pos, (SourcePos{"x.csv", 1, 12}));
    EXPECT_THAT(got.error()[0].message, HasSubstr("does not say which unit"));
  }
}

// As scripts write them: a header that is a comment, its units below it, columns of each half,
// cells with units, cells left empty at the end.
TEST(ParseTables, ReadsCsvOfScripts) {
  for (const char* const text :
       {"# size,count,type,time(us),algbw(GB/s),busbw(GB/s)\n"
        "1048576,262144,float,104.9,10.00,18.75\n",
        "size\ttype\ttime\talgbw\tbusbw\talgo\n(B)\t\t(us)\t(GB/s)\t(GB/s)\t\n"
        "1048576\tfloat\t104.9\t10.00\t18.75\t\n",
        "| size | time | algbw | busbw |\n|---|---|---|---|\n"
        "| 1 MiB | 104.9 us | 10.00 GB/s | 18.75 GB/s |\n",
        ",size,oop_time,oop_algbw,oop_busbw,ip_time,ip_algbw,ip_busbw\n"
        "0,1048576,104.9,10.00,18.75,104.0,10.08,18.90\n",
        "size,time_us_in_place,algbw_in_place,busbw_in_place,time_us_out_of_place,"
        "algbw_out_of_place,busbw_out_of_place\n1048576,104.0,10.08,18.90,104.9,10.00,18.75\n"}) {
    const auto got = Tables(text, "a.csv");
    ASSERT_THAT(got, SizeIs(1)) << text;
    EXPECT_EQ(got[0].op, "all_reduce") << text;  // nothing else has a busbw above its algbw
    ASSERT_THAT(got[0].points, SizeIs(1)) << text;
    EXPECT_EQ(got[0].points[0].size, MiB(1));
    EXPECT_EQ(Microseconds(got[0].points[0].time), 104.9) << text;
    const SimDuration other = got[0].points[0].in_place.value_or(SimDuration(104'000'000));
    EXPECT_EQ(Microseconds(other), 104) << text;
  }
  const auto below = Tables("size,time,algbw,busbw\n1048576,104.9,10.00,8.75\n", "a.csv");
  EXPECT_EQ(below[0].op, "");
}

// Halves before the name, a size's unit in its own, a busbw beside the algbw that it is made of: a
// script over nccl-tests on p5 wrote the names, with MB for the MiB of -b 32M.
TEST(ParseTables, ReadsCsvWithHalvesBeforeTheNameAndSizesInMiB) {
  const std::string head =
      "Nodes,GPUs,size(M*B),iterations,out algbw(GB/s),out busbw(GB/s),in algbw(GB/s),in "
      "busbw(GB/s)\n2,16,32,1000,80.00,150.00,64.00,120.00\n";
  const auto with = [&](const char* unit) {
    std::string text = head;
    return text.replace(text.find("M*B"), 3, unit);
  };
  const auto got = Tables(with("MiB"), "all_reduce.csv");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].hosts, 2);
  EXPECT_EQ(got[0].ranks, 16);
  ASSERT_THAT(got[0].points, SizeIs(1));
  EXPECT_EQ(got[0].points[0].size, MiB(32));
  EXPECT_NEAR(Microseconds(got[0].points[0].time), (32 << 20) / 80e3, 1e-3);
  const auto open = ParseTables(with("MB"), "all_reduce.csv");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().front().message, "'size(MB)' may count by 1000 or by 1024");
  EXPECT_EQ(open.error().front().pos, (SourcePos{"all_reduce.csv", 1, 12}));
  EXPECT_THAT(open.error().front().hint, HasSubstr("size_MiB"));
  const auto wrong = ParseTables("size_MiB,time_us\n3.1,9\n", "all_reduce.csv");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().front().pos, (SourcePos{"all_reduce.csv", 2, 1}));
}

// A script printed its settings first, as Python does, and then what nccl-tests said.
TEST(ParseTables, ReadsALogThatBeginsWithABrace) {
  const auto got = Tables("{'NUM_GPUS': 16, 'do_efa': 1}\n" + RowOf("sum", -1, "187.50", "0", "0"),
                          "nccltest_output.txt");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].ranks, 16);
  const auto none = ParseTables("{'NUM_GPUS': 16}\nno rows\n", "x.txt");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().front().pos.line, 1);
}

// Columns in whatever order and spelling: as scripts, spreadsheets and dashboards write them.
TEST(ParseTables, ReadsCsvInAnyOrderAndSpelling) {
  for (const std::string text :
       {"busbw(GB/s),algbw(GB/s),time(us),size(B),ranks,nodes,op\n175,100,10737.4,1073741824,8,1,"
        "all_reduce\n",
        "Collective,nNodes,nGPUs,MessageSizeBytes,OutOfPlaceTimeUs,OutOfPlaceAlgBW,InPlaceTimeUs\n"
        "AllReduce,1,8,1073741824,10737.4,100,10738\n",
        "collective;message_size;latency_us;num_gpus;num_nodes\nall_reduce;1 GiB;10737,4;8;1\n",
        "op,dtype,msg_size,n_gpus,n_hosts,min_us,avg_us\nallreduce,bf16,1GiB,8,1,10700,10737.4\n",
        "op,size,nranks,nnodes,BusBWGbps\nall_reduce,1G,8,1,1400\n",
        "op,size,world_size,nodes,bus_bw_GBps\nall_reduce,1G,8,1,175.0\n"}) {
    SCOPED_TRACE(text);
    const auto tables = ParseTables(text, "x.csv", {});
    ASSERT_TRUE(tables) << tables.error().front();
    ASSERT_THAT(*tables, SizeIs(1));
    const MeasuredTable& table = tables->front();
    EXPECT_EQ(table.op, "all_reduce");
    EXPECT_EQ(table.ranks, 8);
    EXPECT_EQ(table.hosts, 1);
    EXPECT_TRUE(IsFloatingType(table.type));
    ASSERT_THAT(table.points, SizeIs(1));
    EXPECT_EQ(table.points[0].size, GiB(1));
    EXPECT_NEAR(ToSeconds(table.points[0].time) * 1e6, 10737.4, 0.1);
  }
  const auto unclear = ParseTables("op,size,ranks,busbwgbps\nall_reduce,1G,8,1400\n", "x.csv", {});
  ASSERT_FALSE(unclear);
  EXPECT_THAT(unclear.error().front().message, HasSubstr("does not say which unit"));
}

TEST(ParseTables, LeavesOutRowsOfACsvWhoseTimeAndRateDisagree) {
  const std::vector<MeasuredTable> got = Tables(
      "size_bytes,time_us,mean_us,algbw_MBps\n"
      "1048576,10.486,11.0,100000\n"
      "1048576,9.5,10.486,100000\n"  // the mean's
      "2097152,10.486,10.486,100000\n"
      "4194304,10.486,10.486,\n",
      "x_allreduce.csv");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_THAT(got[0].points, SizeIs(3));
  ASSERT_THAT(got[0].rejected, SizeIs(1));
  EXPECT_EQ(got[0].rejected[0].line, 4);
  EXPECT_EQ(got[0].rejected[0].why,
            "algbw_mbps is 100000, but 2097152 bytes in 10.486 us are 200.00 GB/s");
}

// One table of 16 ranks on two hosts, as spreadsheets, issues and rccl-tests write it.
TEST(ParseTables, ReadsWhatSpreadsheetsIssuesAndRcclTestsWrite) {
  for (const std::string_view text :
       {"op;dtype;ranks;ranks_per_node;size_bytes;time_us;algbw_GBps\r\n"
        "all_reduce;float;16;8;1048576;104,9;10,00\r\n",
        "op\tdtype\tranks\tranks_per_node\tsize\ttime_us\n"
        "all_reduce\tfloat\t16\t8\t1048576\t104.9\n",
        "| Op | Type | GPUs | GPUs per node | Size (B) | Time (us) | algbw (GB/s) |\n"
        "|----|:----:|-----:|--------------:|---------:|----------:|-------------:|\n"
        "| AllReduce | float | 16 | 8 | 1048576 | 104.9 | 10.00 |\n\nas you see\n",
        "numCycle,collective,nodes,ranks,ranksPerNode,gpusPerRank,size,type,redop,inplace,time,"
        "algbw,busbw,#wrong\n"
        "0,\"AllReduce\",2,16,8,1,1048576,\"float\",\"sum\",0,104.9,9.996,18.742,\"0\"\n"
        "0,\"AllReduce\",2,16,8,1,1048576,\"float\",\"sum\",1,104.0,10.082,18.905,\"0\"\n",
        "collective, ranks, rankspernode, gpusperrank, size, type, redop, inplace, time, algbw, "
        "busbw, #wrong\n"
        "\"AllReduce\", 2, 16, 8, 1, 1048576, \"float\", \"sum\", 0, 104.9, 9.996, 18.742, "
        "\"0\"\n",
        "[\n{\"numCycle\":0, \"name\":\"AllReduce\", \"nodes\":2, \"ranks\":16, \"gpusPerRank\":1, "
        "\"size\":1048576, \"type\":\"float\", \"inPlace\":0, \"time\":104.9}\n]\n",
        "{\"name\":\"AllReduce\", \"nodes\":2, \"ranks\":16, \"gpusPerRank\":1, \"size\":1048576, "
        "\"type\":\"float\", \"inPlace\":0, \"time\":104.9}\n"
        "{\"name\":\"AllReduce\", \"nodes\":2, \"ranks\":16, \"gpusPerRank\":1, \"size\":1048576, "
        "\"type\":\"float\", \"inPlace\":1, \"time\":104.0}\n"}) {
    const std::vector<MeasuredTable> got = Tables(text, "a.csv");
    ASSERT_THAT(got, SizeIs(1)) << text;
    EXPECT_EQ(got[0].op, "all_reduce") << text;
    EXPECT_EQ(got[0].type, "float") << text;
    EXPECT_EQ(got[0].ranks, 16) << text;
    EXPECT_EQ(got[0].hosts, 2) << text;
    ASSERT_THAT(got[0].points, SizeIs(1)) << text;
    EXPECT_EQ(got[0].points[0].size, MiB(1)) << text;
    EXPECT_DOUBLE_EQ(Microseconds(got[0].points[0].time), 104.9) << text;
    const bool both = std::string_view(text).find("104.0") != std::string_view::npos;
    ASSERT_EQ(got[0].points[0].in_place.has_value(), both) << text;
    if (both) {
      EXPECT_DOUBLE_EQ(Microseconds(*got[0].points[0].in_place), 104) << text;
    }
  }
}

TEST(ParseTables, ReadsSizesOfACsvInPowersOf1024Alone) {
  const std::vector<MeasuredTable> got =
      Tables("size,time_us\n512,1\n8 B,1\n1M,9\n2 MiB,10\n8GiB,20000\n", "all_reduce.csv");
  ASSERT_THAT(got, SizeIs(1));
  std::vector<std::int64_t> sizes;
  for (const MeasuredPoint& point : got[0].points) sizes.push_back(point.size.count());
  EXPECT_THAT(sizes, ElementsAre(512, 8, 1 << 20, 2 << 20, std::int64_t{8} << 30));
  const auto wrong = ParseTables("size,time_us\n1 MB,9\n", "all_reduce.csv");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().front().message, "size is '1 MB' (want a whole number of bytes above 0)");
  EXPECT_THAT(wrong.error().front().hint, HasSubstr("MiB"));
}

// Half a MiB is 524,288 bytes; a tenth is no whole number of them.
TEST(ParseTables, ReadsSizesOfACsvInTheUnitOfTheirColumn) {
  const auto sizes = [](const std::string& text) {
    std::vector<std::int64_t> out;
    const std::vector<MeasuredTable> got = Tables(text, "all_reduce.csv");
    for (const MeasuredPoint& point : got.at(0).points) out.push_back(point.size.count());
    return out;
  };
  EXPECT_THAT(sizes("size_MiB,time_us\n0.5,9\n1,10\n1.25,11\n"),
              ElementsAre(524'288, 1 << 20, 1'310'720));
  // Beside one that says its unit the other asks nothing.
  EXPECT_THAT(sizes("size_kb,size_MiB,time_us\n1048,1,10\n"), ElementsAre(1 << 20));
  EXPECT_THAT(sizes("size_MB,msg_size_KiB,time_us\n1,1024,10\n"), ElementsAre(1 << 20));
  for (const char* const wrong : {"0.1", "0", "-1", "1048577", "x"}) {
    const auto got = ParseTables(fmt::format("size_MiB,time_us\n{},9\n", wrong), "all_reduce.csv");
    ASSERT_FALSE(got) << wrong;
    EXPECT_EQ(got.error().front().message,
              fmt::format("size_MiB is '{}' (want a whole number of bytes above 0)", wrong));
  }
}

// An algbw and its busbw that are not of the operation at its ranks: the one or the other is wrong,
// or the ranks are.
TEST(ParseTables, HoldsTheBusbwOfACsvAgainstItsAlgbw) {
  const auto table = [](const std::string& text, int ranks = 8) {
    std::vector<MeasuredTable> got = Tables(text, "all_reduce.csv", {"", "", ranks, 1});
    EXPECT_THAT(got, SizeIs(1)) << text;
    return got.at(0);
  };
  const std::string head = "size_bytes,algbw_GBps,busbw_GBps\n";
  const MeasuredTable some =
      table(head + "1048576,80,160\n2097152,80,140\n4194304,80.0,139.6\n8388608,80.00,135.00\n");
  ASSERT_THAT(some.points, SizeIs(2));
  EXPECT_EQ(some.points[0].line, 3);
  EXPECT_EQ(some.points[1].line, 4);
  ASSERT_THAT(some.rejected, SizeIs(2));
  EXPECT_EQ(some.rejected[0].line, 2);
  EXPECT_EQ(some.rejected[0].why,
            "busbw_gbps is 2.000 of algbw_gbps, where all_reduce over 8 ranks has 1.750");
  // In other units, and beside a time; ranks that nobody knows say nothing.
  EXPECT_THAT(table("size_bytes,algbw_Gbps,busbw_GBps\n1048576,640,140\n").points, SizeIs(1));
  EXPECT_THAT(table("size_bytes,algbw_Gbps,busbw_GBps\n1048576,640,160\n").rejected, SizeIs(1));
  const std::string timed = "size_bytes,time_us,algbw_GBps,busbw_GBps\n";
  EXPECT_THAT(table(timed + "1048576,13.11,79.98,139.97\n").points, SizeIs(1));
  EXPECT_THAT(table(timed + "1048576,13.11,79.98,159.96\n").rejected, SizeIs(1));
  EXPECT_THAT(table(timed + "8,13.11,0.00,0.00\n").points, SizeIs(1));
  EXPECT_THAT(table(head + "1048576,80,160\n", 0).points, SizeIs(1));
}

TEST(ParseTables, ReadsTheBusbwOfACsvWhereItsAlgbwIsEmpty) {
  const std::vector<MeasuredTable> got = Tables(
      "size_bytes,algbw_GBps,busbw_GBps\n1048576,,140\n2097152,80,140\n4194304,80,\n8388608,,\n",
      "all_reduce.csv", {"", "", 8, 1});
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_THAT(got[0].rejected, IsEmpty());
  ASSERT_THAT(got[0].points, SizeIs(3));  // the last was not measured
  for (const MeasuredPoint& point : got[0].points)
    EXPECT_NEAR(Microseconds(point.time), static_cast<double>(point.size.count()) / 80e3, 1e-6);
}

TEST(ParseTables, NamesTheCellOfACsvThatIsWrong) {
  const auto got =
      ParseTables("size_bytes,ranks,time_us\n1024,2,5.0\n2048,2,fast\n4096,2\n", "x.csv");
  ASSERT_FALSE(got);
  ASSERT_THAT(got.error(), SizeIs(2));
  EXPECT_EQ(got.error()[0].pos, (SourcePos{"x.csv", 3, 8}));
  EXPECT_EQ(got.error()[0].message, "time_us is 'fast' (want a number)");
  EXPECT_EQ(got.error()[1].message, "2 cells where the header has 3");
  const auto bare = ParseTables("size_bytes,ranks\n1,2\n", "x.csv");
  ASSERT_FALSE(bare);
  EXPECT_EQ(bare.error()[0].message, "no column of times or rates");
}

// As writeDeviceReport and writePerIterReport have it (-J with -K): devices below `config`, of each
// process the first, and figures of single iterations beside the halves.
TEST(ParseTables, ReadsTheJsonOfNcclTestsByProcess) {
  const std::string of_iterations =
      R"(, "out_of_place_per_iter": {"skipped_iterations": 0, "min_us": 99.1, "times_us": [99.1]})";
  const auto text = [&](const std::string& config) {
    return R"({"version": 3, "args": [".\/build\/all_reduce_perf"], "nccl_version": 22809,
      "config": {"nthreads": 1, )" +
           config + R"(}, "results": [{"size": 1048576, "type": "float", "root": "    -1",
        "out_of_place": {"time": 104.9, "alg_bw": 10.0, "bus_bw": 17.5, "nwrong": 0.0})" +
           of_iterations + "}]}";
  };
  const MeasuredTable one = Tables(text(
      R"("ngpus": 8, "devices": [{"rank": 0, "hostname": "a", "device_info": "NVIDIA H100"}])"))[0];
  EXPECT_EQ(one.op, "all_reduce");
  EXPECT_EQ(one.ranks, 8);
  EXPECT_EQ(one.hosts, 1);
  EXPECT_EQ(one.gpu, "NVIDIA H100");
  EXPECT_THAT(one.host_names, testing::ElementsAre("a"));
  EXPECT_THAT(one.points, SizeIs(1));
  const MeasuredTable two = Tables(
      text(R"("ngpus": 4, "devices": [{"rank": 0, "hostname": "a", "device_info": "NVIDIA H100"},
                                      {"rank": 4, "hostname": "b", "device_info": "H100"}])"))[0];
  EXPECT_EQ(two.ranks, 8);
  EXPECT_EQ(two.hosts, 2);
}

TEST(ParseTables, ReadsTheJsonOfNcclTests) {
  const std::vector<MeasuredTable> got = Tables(R"({"version": "2.17.5", "nccl_version": 22809,
    "args": ["./build/all_reduce_perf", "-b", "8"], "config": {"minBytes": 8},
    "env": {"NCCL_ALGO": "Ring", "NCCL_DEBUG": "INFO"},
    "devices": [{"rank": 0, "hostname": "a", "device_info": "NVIDIA H100"},
                {"rank": 1, "hostname": "b", "device_info": "NVIDIA H100"}],
    "results": [
      {"size": 1048576, "count": 262144, "type": "float", "redop": "sum", "root": -1,
       "out_of_place": {"time": 104.9, "alg_bw": 10.0, "bus_bw": 10.0},
       "in_place": {"time": 104.0, "alg_bw": 10.08, "bus_bw": 10.08}},
      {"size": 2097152, "type": "float", "out_of_place": {"time": 140.0, "alg_bw": 99.0}}]})");
  ASSERT_THAT(got, SizeIs(1));
  EXPECT_EQ(got[0].op, "all_reduce");
  EXPECT_EQ(got[0].nccl, "2.28.9");
  EXPECT_EQ(got[0].ranks, 2);
  EXPECT_EQ(got[0].hosts, 2);
  EXPECT_EQ(got[0].setup.nvls(1), SetupState::kOff);
  EXPECT_THAT(got[0].points, SizeIs(1));
  ASSERT_THAT(got[0].rejected, SizeIs(1));
}

TEST(ParseTables, ReadsARecordOfTheProbe) {
  const std::vector<MeasuredTable> got = Tables(R"({"schema": "weft.probe/1",
    "provenance": {"gpu": "NVIDIA H100", "nccl": "2.28.9", "hosts": 1},
    "results": [
      {"kind": "launch", "median_us": 2.1},
      {"kind": "collective", "op": "all_reduce", "type": "float", "ranks": 8, "bytes": 1048576,
       "algorithm": "auto", "protocol": "auto", "median_us": 40.0},
      {"kind": "collective", "op": "all_reduce", "type": "float", "ranks": 8, "bytes": 1048576,
       "algorithm": "Ring", "protocol": "LL", "median_us": 80.0}]})");
  ASSERT_THAT(got, SizeIs(2));
  EXPECT_EQ(got[0].algorithm, "");
  EXPECT_EQ(got[1].algorithm, "Ring");
  EXPECT_EQ(got[1].protocol, "LL");
  EXPECT_EQ(Microseconds(got[1].points[0].time), 80);
}

TEST(ParseTables, ReadsNoRecordOfAnotherVersionAndSaysWhichStepsFailed) {
  const std::string rows =
      R"("results": [{"kind": "collective", "op": "all_reduce", "type": "float", "ranks": 8,
      "bytes": 8, "failed": "it hung"}]})";
  const auto got = Tables(R"({"schema": "weft.probe/1", )" + rows, "a.json");
  ASSERT_THAT(got, SizeIs(1));
  ASSERT_THAT(got[0].rejected, SizeIs(1));
  EXPECT_EQ(got[0].rejected[0].why, "the step failed: it hung");
  const auto later = ParseTables(R"({"schema": "weft.probe/2", )" + rows, "a.json");
  ASSERT_FALSE(later);
  EXPECT_THAT(later.error().front().message, HasSubstr("'weft.probe/2' (want weft.probe/1)"));
}

TEST(ParseTables, NamesTheLineWhereJsonBreaks) {
  const auto got = ParseTables("{\n  \"results\": [\n    {\"size\": 1,,\n", "x.json");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().pos.line, 3);
}

TEST(ParseTables, TakesNoNumberBeyondAllCounts) {
  EXPECT_FALSE(ParseTables("{\"results\": [{\"size\": 1e999}]}", "x.json"));
  for (const std::string_view text :
       {"{\"results\": [{\"size\": 1e300, \"out_of_place\": {\"time\": 3}}]}",
        "[{\"name\": \"AllReduce\", \"ranks\": 1e300, \"gpusPerRank\": 9e9, \"inPlace\": 0, "
        "\"size\": 1e300, \"time\": 3}]"}) {
    const std::vector<MeasuredTable> got = Tables(text, "all_reduce.json");
    ASSERT_THAT(got, SizeIs(1)) << text;
    EXPECT_THAT(got[0].points, IsEmpty()) << text;
    EXPECT_THAT(got[0].rejected, SizeIs(1)) << text;
  }
}

TEST(ReadTables, ReadsThePublicExcerpts) {
  for (const auto& [file, ranks, hosts, points] :
       std::initializer_list<std::tuple<const char*, int, int, std::size_t>>{
           {"a100_2n16g_allreduce_nccl2.29.3.log", 16, 2, 4},
           {"gh200_2n8g_allreduce_srun.log", 8, 2, 5},
           {"mi300x_2n16g_allreduce_rccl.log", 16, 2, 5}}) {
    const auto got = ReadTables(DataFile(file));
    ASSERT_TRUE(got) << got.error().front();
    ASSERT_THAT(*got, SizeIs(1));
    EXPECT_EQ((*got)[0].op, "all_reduce") << file;
    EXPECT_EQ((*got)[0].ranks, ranks) << file;
    EXPECT_EQ((*got)[0].hosts, hosts) << file;
    EXPECT_THAT((*got)[0].points, SizeIs(points)) << file;
    EXPECT_THAT((*got)[0].rejected, IsEmpty()) << file;
  }
}

TEST(BusFactor, IsThatOfNcclTests) {
  EXPECT_DOUBLE_EQ(BusFactor("all_reduce", 16), 30.0 / 16);
  EXPECT_DOUBLE_EQ(BusFactor("all_gather", 16), 15.0 / 16);
  EXPECT_DOUBLE_EQ(BusFactor("broadcast", 16), 1);
}

}  // namespace
}  // namespace weft
