#include "topology/placement.h"

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/base/test_file.h"
#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using testing::ElementsAre;

Result<Placement> PlaceHosts(const Fabric& fabric, const std::string& text) {
  WEFT_TRY(const Located<PlacementSpec> spec, ReadAt<PlacementSpec>("placement", text));
  return MakePlacement(spec.message, spec.sources, fabric);
}

std::vector<std::uint32_t> Gpus(const Fabric& fabric, const std::string& text) {
  const Result<Placement> placement = PlaceHosts(fabric, text);
  EXPECT_TRUE(placement) << TextOf(placement.error());
  std::vector<std::uint32_t> out;
  for (const GpuId gpu : placement->gpu_of_rank) out.push_back(static_cast<std::uint32_t>(gpu));
  return out;
}

// Two leaves, two hosts under each, two GPUs a host: segment 0 is GPUs 0 to 3.
constexpr char kFour[] =
    "{ family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 2, link: 100Gbps, "
    "host: { gpus: 2, nics: 1 } }";

TEST(MakePlacement, TakesWholeHostsInThePoliciesOrder) {
  const Fabric fabric = MakeFabric(kFour);
  EXPECT_THAT(Gpus(fabric, "{ gpus: 5 }"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Gpus(fabric, "{ gpus: 4, policy: spread }"), ElementsAre(0, 1, 4, 5));
  EXPECT_THAT(Gpus(fabric, "{ hosts: [host3, host0], gpus: 3 }"), ElementsAre(6, 7, 0));
  EXPECT_EQ(Gpus(fabric, "{ policy: spread }").size(), 8u);
}

// 512 GPUs over two segments of an HPN pod: 32 hosts of each.
TEST(MakePlacement, SpreadsHalfAThousandGpusOverTwoSegments) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 2 }");
  std::map<int, int> gpus_of_segment;
  for (const std::uint32_t gpu : Gpus(fabric, "{ gpus: 512, policy: spread }"))
    ++gpus_of_segment[fabric.vertex(fabric.gpu(GpuId{gpu})).segment];
  EXPECT_EQ(gpus_of_segment, (std::map<int, int>{{0, 256}, {1, 256}}));
}

TEST(MakePlacement, DrawsEveryHostOnceAndTheSameAgain) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1 }");
  std::vector<std::uint32_t> first = Gpus(fabric, "{ policy: random, seed: 7 }");
  EXPECT_EQ(first, Gpus(fabric, "{ policy: random, seed: 7 }"));
  EXPECT_NE(first, Gpus(fabric, "{ policy: random, seed: 8 }"));
  for (std::size_t rank = 0; rank < first.size(); rank += 8)
    for (std::uint32_t g = 0; g < 8; ++g) ASSERT_EQ(first[rank + g], first[rank] + g);
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first, Gpus(fabric, "{}"));
}

// The hosts are the policy's, by segment; only who follows whom is drawn.
TEST(MakePlacement, ShufflesTheHostsItChose) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 2 }");
  std::vector<std::uint32_t> plain = Gpus(fabric, "{ gpus: 1200 }");
  std::vector<std::uint32_t> drawn = Gpus(fabric, "{ gpus: 1200, order: shuffled, seed: 3 }");
  EXPECT_NE(drawn, plain);
  EXPECT_NE(drawn, Gpus(fabric, "{ gpus: 1200, order: shuffled, seed: 4 }"));
  for (std::size_t rank = 0; rank < drawn.size(); rank += 8)
    for (std::uint32_t g = 0; g < 8; ++g) ASSERT_EQ(drawn[rank + g], drawn[rank] + g);
  std::sort(drawn.begin(), drawn.end());
  EXPECT_EQ(drawn, plain);
  EXPECT_THAT(Gpus(MakeFabric(kFour), "{ hosts: [host3, host0], order: shuffled, gpus: 3 }"),
              testing::AnyOf(ElementsAre(6, 7, 0), ElementsAre(0, 1, 6)));
}

std::string WriteRanks(const std::string& text) {
  const std::string path = TestFile("ranks.csv");
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

TEST(MakePlacement, ReadsATableRankByRank) {
  const Fabric fabric = MakeFabric(kFour);
  const std::string path = WriteRanks("host,gpu\r\nhost3, 1\n\n# a remark\nhost0 # both\nhost3,0");
  EXPECT_THAT(Gpus(fabric, "{ file: " + path + " }"), ElementsAre(7, 0, 1, 6));
  EXPECT_THAT(Gpus(fabric, "{ file: " + path + ", gpus: 2 }"), ElementsAre(7, 0));
  EXPECT_THAT(Gpus(fabric, "{ file: " + WriteRanks("\xEF\xBB\xBFHost,GPU\nhost3\n") + " }"),
              ElementsAre(6, 7));
  // Every placement can be said so: written rank by rank, it is read as it was.
  const std::vector<std::uint32_t> drawn = Gpus(fabric, "{ policy: random, seed: 5, gpus: 7 }");
  std::string table;
  for (const std::uint32_t gpu : drawn) {
    const Vertex& vertex = fabric.vertex(fabric.gpu(GpuId{gpu}));
    table += fmt::format("{},{}\n", fabric.HostName(vertex.host), vertex.number);
  }
  EXPECT_EQ(Gpus(fabric, "{ file: " + WriteRanks(table) + " }"), drawn);
}

TEST(MakePlacement, ReadsHostsWithSlotsAndRanges) {
  const Fabric fabric = MakeFabric(kFour);
  const auto ranks = [&](const std::string& text) {
    return Gpus(fabric, "{ file: " + WriteRanks(text) + " }");
  };
  EXPECT_THAT(ranks("host3 slots=1\nhost[0-1]\n"), ElementsAre(6, 0, 1, 2, 3));
  EXPECT_THAT(ranks("host[003,000-001] slots=1  # padded\nhost2"), ElementsAre(6, 0, 2, 4, 5));
  EXPECT_THAT(ranks("host2 slots=1 max_slots=8\n"), ElementsAre(4));
  const auto error = [&](const std::string& text) {
    const std::string path = WriteRanks(text);
    const auto placement = PlaceHosts(fabric, "{ file: " + path + " }");
    return placement ? "no error" : TextOf(placement.error()).substr(path.size());
  };
  const std::string hint = " ('host3 slots=4', 'host[0-3,7]' or both)\n";
  EXPECT_EQ(error("host0\n host1 slots=3"), ":2:8: error: host1 has 2 GPUs" + hint);
  EXPECT_EQ(error("host1 slots=0"), ":1:7: error: 'slots=0' is no number of slots" + hint);
  EXPECT_EQ(error("host1 slots=1 max"),
            ":1:15: error: 'max' says nothing of a host's ranks" + hint);
  for (const char* bad : {"host[2-4]", "host[2-1]", "host[1", "host[]", "host[1-x]", "[0]"})
    EXPECT_EQ(error(bad), fmt::format(":1:1: error: '{}' are no hosts here{}", bad, hint));
  EXPECT_EQ(error("host[0-1]\nhost[1-2]"),
            ":2:1: error: host1/gpu0 is an earlier rank's, of line 1 (each GPU once)\n");
}

TEST(MakePlacement, RefusesATableAtItsLineAndColumn) {
  const Fabric fabric = MakeFabric(kFour);
  const auto errors = [&](const std::string& text, const std::string& more = "") {
    const std::string path = WriteRanks(text);
    const auto placement = PlaceHosts(fabric, "{ file: " + path + more + " }");
    std::string out = placement ? "no error" : TextOf(placement.error());
    for (std::size_t at; (at = out.find(path)) != std::string::npos;)
      out.replace(at, path.size(), "r.csv");
    return out;
  };
  EXPECT_EQ(errors("host1,0\n  host9,0\nhost1, 2\nhost1,x\nhost1,0,1\nhost1\nhost0\n"),
            "r.csv:2:3: error: there is no host 'host9' (host0 to host3; a line is 'host3,5' "
            "or 'host3')\n"
            "r.csv:3:8: error: '2' is no GPU of host1 (0 to 1, or no comma for all of them)\n"
            "r.csv:4:7: error: 'x' is no GPU of host1 (0 to 1, or no comma for all of them)\n"
            "r.csv:5:1: error: this is no rank ('host3,5', or 'host3' for all of its GPUs)\n"
            "r.csv:6:1: error: host1/gpu0 is an earlier rank's, of line 1 (each GPU once)\n");
  EXPECT_EQ(errors("host1\nhost1\n"),  // once, of its two GPUs
            "r.csv:2:1: error: host1/gpu0 is an earlier rank's, of line 1 (each GPU once)\n");
  EXPECT_EQ(errors("host,gpu\n"),
            "r.csv:1:1: error: the table has no ranks (lines such as 'host3,5' or 'host3')\n");
  EXPECT_NE(errors("host0,0\n", ", gpus: 3").find("'gpus' is 3, and r.csv has 1 ranks (at most 1)"),
            std::string::npos);
  EXPECT_NE(TextOf(PlaceHosts(fabric, "{ file: /nowhere.csv }").error())
                .find("test.yaml:1:9: error: '/nowhere.csv' cannot be read: No such file or "
                      "directory (a path"),
            std::string::npos);
  EXPECT_NE(errors("host0\n", ", hosts: [host0]").find("both 'file' and 'hosts'"),
            std::string::npos);
}

TEST(MakePlacement, RefusesWhatTheFabricLacks) {
  const Fabric fabric = MakeFabric(kFour);
  const auto errors = [&](const char* text) { return TextOf(PlaceHosts(fabric, text).error()); };
  EXPECT_EQ(errors("{ gpus: 9 }"),
            "test.yaml:1:9: error: 'gpus' is 9, and the fabric has 8 (at most 8)\n");
  EXPECT_EQ(errors("{ hosts: [host0], gpus: 3 }"),
            "test.yaml:1:25: error: 'gpus' is 3, and the hosts listed have 2 (at most 2)\n");
  EXPECT_EQ(errors("{ hosts: [host0, leaf0, host4, host0] }"),
            "test.yaml:1:18: error: there is no host 'leaf0' (host0 to host3)\n"
            "test.yaml:1:25: error: there is no host 'host4' (host0 to host3)\n"
            "test.yaml:1:32: error: 'host0' is listed twice (each host once)\n");
}

}  // namespace
}  // namespace weft
