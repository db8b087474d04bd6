#include "topology/placement.h"

#include <algorithm>
#include <map>

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
