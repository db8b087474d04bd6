#include "validate/entries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "tests/base/test_file.h"

namespace weft {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// Files of its own, removed at the end.
class ReadEntriesTest : public testing::Test {
 protected:
  ReadEntriesTest() {
    std::ofstream(path("a_allgather.csv")) << "ranks,size_bytes,time_us\n2,1024,5\n4,1024,7\n";
    std::ofstream(path("both.csv"))
        << "gpu,ranks,size_bytes,busbw,busbw_nvls_off\nH200,4,1048576,300.0,250.0\n"
           "B200,4,1048576,600.0,500.0\n";
  }
  ~ReadEntriesTest() override {
    for (const char* name : {"a_allgather.csv", "both.csv", "INDEX.tsv", "pasted.txt",
                             "one_all_reduce.log", "two_all_reduce.log"})
      std::remove(path(name).c_str());
  }
  static std::string path(const std::string& name) { return TestFile(name); }
  static Result<std::vector<TableEntry>> List(const std::string& rows) {
    std::ofstream(path("INDEX.tsv")) << "file\top\tgpu\tnodes\tranks\tlabel\tuse\tsource\thost\n"
                                     << rows;
    return ReadEntries({path("INDEX.tsv")}, {}, nullptr);
  }
};

TEST_F(ReadEntriesTest, TakesFromAFileWhatALineMeans) {
  const auto got = List(
      "both.csv\tall_reduce\tB200\t1\t4\thealthy\tcheck\tme/mine data/x@1\t"
      "{ preset: hgx-b200 }\n"
      "a_allgather.csv\tall_gather\t\t1\t2,4\thealthy\tfit\tme/mine y\t-\n");
  ASSERT_TRUE(got) << got.error().front();
  ASSERT_THAT(*got, SizeIs(2));
  const TableEntry& first = (*got)[0];
  ASSERT_THAT(first.tables, SizeIs(1));  // B200's, as NCCL picks
  // 1 MiB · 1.5 / 600 GB/s
  EXPECT_NEAR(ToSeconds(first.tables[0].points[0].time) * 1e6, 1048576 * 1.5 / 600e3, 1e-6);
  EXPECT_EQ(first.use, TableUse::kCheck);
  EXPECT_EQ(ProjectOf(first), "me/mine");
  EXPECT_EQ(ProjectOf((*got)[1]), "me/mine");
  EXPECT_THAT((*got)[1].tables, SizeIs(2));
  EXPECT_EQ((*got)[1].host, "");
}

// Other operations, and one host beside several, are other tables, with bands of their own.
TEST_F(ReadEntriesTest, MakesAnEntryOfEachOperationOfAListsFile) {
  std::ofstream(path("pasted.txt")) << "op,nodes,ranks,size_bytes,time_us\n"
                                       "all_reduce,1,8,1048576,50\nall_to_all,1,8,1048576,60\n"
                                       "all_reduce,2,16,1048576,70\nall_reduce,4,32,1048576,90\n";
  const auto got = List("pasted.txt\t\t\t\t\thealthy\tfit\tme/mine y\thgx-h100\n");
  ASSERT_TRUE(got) << got.error().front();
  ASSERT_THAT(*got, SizeIs(3));
  for (const TableEntry& one : *got)
    for (const MeasuredTable& table : one.tables) {
      EXPECT_EQ(table.op, one.op);
      EXPECT_EQ(table.hosts > 1, one.nodes > 1);
    }
  EXPECT_EQ((*got)[2].nodes, 4);
}

TEST_F(ReadEntriesTest, NamesTheLineOfAListThatIsWrong) {
  const auto got = List(
      "both.csv\tall_reduce\tB200\t1\t4\tfine\tcheck\tx\t-\n"
      "none.csv\tall_reduce\tB200\t1\t4\thealthy\tcheck\tx\t-\n"
      "short\n");
  ASSERT_FALSE(got);
  ASSERT_THAT(got.error(), SizeIs(3));
  EXPECT_EQ(got.error()[0].pos.line, 2);
  EXPECT_EQ(got.error()[0].message, "label is 'fine'");
  EXPECT_THAT(got.error()[1].message,
              HasSubstr("none.csv' cannot be read: No such file or directory"));
  EXPECT_EQ(got.error()[2].message, "1 columns where the header has 9");
}

TEST_F(ReadEntriesTest, FillsABareTableFromTheOptions) {
  const auto got = ReadEntries({path("a_allgather.csv")}, {"hgx-h100", "2.27.3", 2}, nullptr);
  ASSERT_TRUE(got) << got.error().front();
  ASSERT_THAT(*got, SizeIs(2));  // one host and two
  EXPECT_EQ((*got)[1].host, "hgx-h100");
  EXPECT_EQ((*got)[1].tables[0].hosts, 2);
  EXPECT_EQ((*got)[1].tables[0].nccl, "2.27.3");
  EXPECT_EQ((*got)[1].op, "all_gather");
  // Its rates alone say the ranks of a pasted table, where no option does; 1 GiB at 100 GB/s, 15/8
  // of it on the bus.
  std::ofstream(path("pasted.txt"))
      << "1073741824 268435456 float sum -1 10737.4 100.00 187.50 0 10737.4 100.00 187.50 0\n";
  EntryOptions said{"hgx-h100", "2.27.3", 8};
  EXPECT_EQ((*ReadEntries({path("pasted.txt")}, said, nullptr))[0].tables[0].ranks, 16);
  said.gpus = 16;
  const auto pasted = ReadEntries({path("pasted.txt")}, said, nullptr);
  EXPECT_EQ((*pasted)[0].tables[0].ranks, 16);
  EXPECT_EQ((*pasted)[0].tables[0].hosts, 2);
  EXPECT_EQ((*pasted)[0].op, "all_reduce");
  EXPECT_FALSE((*pasted)[0].tables[0].hosts_assumed);
  // Without ranks a host as many as the host has GPUs, where they fill hosts.
  said.gpus_per_host = 0;
  const auto full = ReadEntries({path("pasted.txt")}, said, nullptr);
  EXPECT_EQ((*full)[0].tables[0].hosts, 2);
  EXPECT_TRUE((*full)[0].tables[0].hosts_assumed);
  EXPECT_EQ((*full)[0].nodes, 2);
  // One host, where they fit; not where the log names two.
  const std::string one = "1073741824 268435456 float sum -1 10737.4 100.00 175.00 0\n";
  const std::string list =
      "#  Rank  0 Group  0 Pid 9 on a device  0 [0x1b] NVIDIA H100\n"
      "#  Rank  4 Group  0 Pid 9 on b device  0 [0x1b] NVIDIA H100\n";
  std::ofstream(path("one_all_reduce.log")) << one;
  std::ofstream(path("two_all_reduce.log")) << list << one;
  const auto few = ReadEntries({path("one_all_reduce.log"), path("two_all_reduce.log")},
                               {"hgx-h100", "", 0}, nullptr);
  ASSERT_TRUE(few);
  EXPECT_EQ((*few)[0].tables[0].hosts, 1);
  EXPECT_TRUE((*few)[0].tables[0].hosts_assumed);
  EXPECT_EQ((*few)[1].tables[0].hosts, 0);
  EXPECT_FALSE((*few)[1].tables[0].hosts_assumed);
  said.host = "gb200-nvl72";
  EXPECT_EQ((*ReadEntries({path("pasted.txt")}, said, nullptr))[0].tables[0].hosts, 0);
}

// As drivers call GPUs; cards with a PCIe slot stand in no HGX board.
TEST(HostsOfGpu, NamesThePresetsThatFit) {
  EXPECT_THAT(HostsOfGpu("NVIDIA H100 80GB HBM3", 8), testing::ElementsAre("hgx-h100"));
  EXPECT_THAT(HostsOfGpu("NVIDIA H100 PCIe", 8), testing::IsEmpty());
  EXPECT_THAT(HostsOfGpu("NVIDIA H200", 4), testing::ElementsAre("hgx-h200"));
  EXPECT_THAT(HostsOfGpu("A100-SXM4-40GB", 4), testing::ElementsAre("polaris-a100", "dgx-a100"));
  EXPECT_THAT(HostsOfGpu("A100-SXM4-40GB", 8), testing::ElementsAre("dgx-a100"));
  EXPECT_THAT(HostsOfGpu("NVIDIA A100 80GB PCIe", 8), testing::ElementsAre("pcie-a100"));
  EXPECT_THAT(HostsOfGpu("NVIDIA GH200 120GB", 4), testing::ElementsAre("alps-gh200"));
  EXPECT_THAT(HostsOfGpu("", 8), testing::IsEmpty());
}

// A host's GPUs beside those that the log names: a warning where both are known and differ.
TEST(WarningsOfGpus, TellsTheGpusOfALogFromItsHosts) {
  const auto warnings = [](const char* host, const char* gpu) {
    TableEntry entry;
    entry.host = host;
    MeasuredTable& table = entry.tables.emplace_back();
    table.file = "x.log";
    table.line = 9;
    table.gpu = gpu;
    entry.tables.push_back(table);
    return WarningsOfGpus({entry});
  };
  const std::vector<Error> got = warnings("hgx-h100", "AMD Instinct MI300X");
  ASSERT_EQ(got.size(), 1U);  // one an entry
  EXPECT_EQ(got[0].pos, (SourcePos{"x.log", 9, 1}));
  EXPECT_EQ(got[0].message,
            "the table is of GPUs called 'AMD Instinct MI300X', its host is said to have h100");
  EXPECT_EQ(warnings("hgx-h100", "NVIDIA H200").size(), 1U);
  EXPECT_EQ(warnings("{ preset: hgx-h100, nics: 4 }", "NVIDIA A100-SXM4-80GB").size(), 1U);
  for (const auto& [host, gpu] : {std::pair("hgx-h100", "NVIDIA H100 80GB HBM3"),
                                  {"dgx-a100", "A100-SXM4-40GB"},
                                  {"pcie-a100", "NVIDIA A100 80GB PCIe"},
                                  {"alps-gh200", "NVIDIA GH200 120GB"},
                                  {"hgx-h100", ""},
                                  {"hgx-h100", "NVIDIA Graphics Device"},
                                  {"", "NVIDIA H200"},
                                  {"dgx-z100", "NVIDIA H200"}})
    EXPECT_TRUE(warnings(host, gpu).empty()) << host << ' ' << gpu;
}

TEST(ReadHostText, PlacesAWrongHostAtItsLine) {
  const SourcePos pos{"INDEX.tsv", 7, 1};
  EXPECT_EQ(ReadHostText("{ preset: dgx-a100, nics: 4 }", pos)->nics, 4);
  const auto got = ReadHostText("{ preset: dgx-z100 }", pos);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().front().pos.line, 7);
}

}  // namespace
}  // namespace weft
