#include <set>

#include "tests/topology/fabrics.h"
#include "topology/bisection.h"
#include "topology/families/custom_names_internal.h"
#include "topology/placement.h"
#include "topology/router.h"

namespace weft {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Two hosts of two NICs under leaf0, one of one NIC under leaf1; leaf0 has three cables up,
// leaf1 one, of another rate.
constexpr const char* kUneven = R"(
family: custom
link: 100Gbps
hosts:
  - { name: big, count: 2, host: { gpus: 2, nics: 2, nic: 50Gbps, nvlink: 400Gbps } }
  - { name: small, host: { gpus: 1, nics: 1, nic: 25Gbps } }
switches:
  - { name: leaf, count: 2 }
  - { name: top }
cables:
  - { from: "big*/nic*", to: leaf0 }
  - { from: small/nic0, to: leaf1 }
  - { from: leaf0, to: top, count: 3 }
  - { from: leaf1, to: top, rate: 40Gbps, latency: 2us }
)";

TEST(BuildCustom, CountsAnUnevenFabric) {
  const Fabric fabric = MakeFabric(kUneven);
  const FabricCounts& counts = fabric.counts();
  EXPECT_EQ(counts.gpus, 5);
  EXPECT_EQ(counts.hosts, 3);
  EXPECT_EQ(counts.nics, 5);
  ASSERT_EQ(counts.tiers.size(), 2u);
  EXPECT_EQ(counts.tiers[0].switches, 2);
  EXPECT_EQ(counts.tiers[0].links_down, 5);
  EXPECT_EQ(counts.tiers[0].links_up, 4);
  EXPECT_DOUBLE_EQ(*counts.tiers[0].oversubscription, (4 * 50.0 + 25) / (3 * 100 + 40));
  EXPECT_EQ(counts.tiers[1].name, "spine");
  EXPECT_EQ(fabric.host(HostId{1}).segment, 0);
  EXPECT_EQ(fabric.host(HostId{2}).segment, 1);
}

// small's 25 Gb/s bound what crosses: hosts big0 and small against big1.
TEST(BuildCustom, HasABisection) {
  const auto bisection = FindBisection(MakeFabric(kUneven));
  ASSERT_TRUE(bisection);
  EXPECT_EQ(bisection->rate, GigabitsPerSecond(25));  // even leaves | odd leaves
}

TEST(BuildCustom, NamesElementsAsTheFileDoes) {
  const Fabric fabric = MakeFabric(kUneven);
  for (const char* name : {"big1", "small/gpu0", "big0/nvswitch", "big1/nic1/port0", "leaf1", "top",
                           "leaf0/top.2", "top/leaf1", "leaf1-top", "small/nic0-leaf1"})
    EXPECT_TRUE(fabric.FindElement(name)) << name;
  for (const char* name : {"host0", "big", "big2", "small/nic1", "leaf2", "spine0", "leaf0/top.3"})
    EXPECT_FALSE(fabric.FindElement(name)) << name;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    const auto found = fabric.FindElement(fabric.Name(VertexId{v}));
    ASSERT_TRUE(found) << fabric.Name(VertexId{v});
    EXPECT_EQ(found->id, v);
  }
  EXPECT_THAT(NameRanges(fabric), ElementsAre("big0 … small", "big0/nic0/port0 … small/nic0/port0",
                                              "leaf0 … leaf1", "top"));
}

TEST(BuildCustom, FindsCablesOfNamesWithDashes) {
  const Fabric fabric = MakeFabric(
      "{ family: custom, hosts: [{ name: a-b, host: { gpus: 1, nics: 1 } }], switches: [{ name: "
      "c-d-0 }], cables: [{ from: a-b/nic0, to: c-d-0 }] }");
  EXPECT_TRUE(fabric.FindElement("a-b/nic0-c-d-0"));
  EXPECT_FALSE(fabric.FindElement("a-b/nic0-c-d"));
}

TEST(BuildCustom, RoutesOverParallelAndUnequalCables) {
  const Fabric fabric = MakeFabric(kUneven);
  const Router router(fabric, {});
  const LinkState up(fabric);
  std::vector<LinkId> path;
  std::set<LinkId> uplinks;
  for (std::uint16_t entropy = 0; entropy < 200; ++entropy) {
    FlowKey key;
    key.src = fabric.gpu(GpuId{0});
    key.dst = fabric.gpu(GpuId{4});
    key.entropy = entropy;
    ASSERT_TRUE(router.Path(key, HashSeed{1}, up, path));
    ASSERT_EQ(path.size(), 6u);  // PCIe, NIC to leaf0, top, leaf1, NIC, PCIe
    uplinks.insert(path[2]);
  }
  EXPECT_EQ(uplinks.size(), 3u);
}

// A NIC without a cable reaches nothing, which is data and no defect.
TEST(BuildCustom, LeavesANicWithoutACableUnreachable) {
  const Fabric fabric = MakeFabric(
      "{ family: custom, hosts: [{ count: 2, host: { gpus: 2, nics: 2 } }], switches: [{ name: "
      "leaf0 }], cables: [{ from: [host0/nic0, host0/nic1, host1/nic0], to: leaf0 }] }");
  EXPECT_THAT(fabric.notes(), ElementsAre("host1/nic1 has no cable"));
  const Router router(fabric, {});
  const LinkState up(fabric);
  std::vector<LinkId> path;
  FlowKey key;
  key.src = fabric.gpu(GpuId{1});
  key.dst = fabric.gpu(GpuId{3});
  EXPECT_FALSE(router.Path(key, HashSeed{1}, up, path));
  std::swap(key.src, key.dst);
  EXPECT_FALSE(router.Path(key, HashSeed{1}, up, path));
  key.src = fabric.gpu(GpuId{0});
  key.dst = fabric.gpu(GpuId{2});
  EXPECT_TRUE(router.Path(key, HashSeed{1}, up, path));
}

// The same numbers as leaf_spine, by patterns alone: same links, same rates.
TEST(BuildCustom, RepeatsALeafSpine) {
  const Fabric leaf_spine = MakeFabric(
      "{ family: leaf_spine, leaves: 3, spines: 2, hosts_per_leaf: 2, link: 100Gbps, "
      "links_per_pair: 2, host: { gpus: 4, nics: 2, nic: 80Gbps, nic_ports: 2 } }");
  const Fabric custom = MakeFabric(R"(
family: custom
link: 100Gbps
latency: 1us
hosts: [{ count: 6, host: { gpus: 4, nics: 2, nic: 80Gbps, nic_ports: 2 } }]
switches: [{ name: leaf, count: 3 }, { name: spine, count: 2 }]
cables:
  - { from: "host*/nic*/port*", to: "leaf*", join: blocks }
  - { from: "leaf[0-2]", to: "spine[0,1]", count: 2 }
)");
  EXPECT_EQ(custom.counts(), leaf_spine.counts());
  ASSERT_EQ(custom.link_count(), leaf_spine.link_count());
  for (std::uint32_t l = 0; l < custom.link_count(); ++l) {
    const Link &a = custom.link(LinkId{l}), &b = leaf_spine.link(LinkId{l});
    EXPECT_EQ(custom.PortName(LinkId{l}), leaf_spine.PortName(LinkId{l}));
    EXPECT_EQ(a.rate, b.rate);
    EXPECT_EQ(a.latency, b.latency);
    EXPECT_EQ(a.reverse, b.reverse);
  }
  for (std::uint32_t h = 0; h < 6; ++h)
    EXPECT_EQ(custom.host(HostId{h}).segment, leaf_spine.host(HostId{h}).segment);
}

// A server on a spine does not make the spine a leaf.
TEST(BuildCustom, FindsTiersWithAServerOnASpine) {
  const Fabric fabric = MakeFabric(R"(
family: custom
link: 100Gbps
host: { gpus: 1, nics: 1 }
hosts: [{ count: 12 }, { name: manager }]
switches: [{ name: spine, count: 2 }, { name: leaf, count: 6 }]
cables:
  - { from: "host*/nic0", to: "leaf*", join: blocks }
  - { from: manager/nic0, to: spine0 }
  - { from: "leaf*", to: "spine*" }
)");
  EXPECT_EQ(fabric.counts().tiers[0].switches, 6);
  EXPECT_EQ(fabric.counts().tiers[1].switches, 2);
  EXPECT_EQ(fabric.counts().lateral_links, 0);
}

TEST(BuildCustom, FindsPodsAndSegments) {
  const Fabric fabric = MakeFabric(R"(
family: custom
link: 100Gbps
host: { gpus: 1, nics: 1 }
hosts: [{ count: 8 }]
switches: [{ name: leaf, count: 4 }, { name: spine, count: 2 }, { name: core }]
cables:
  - { from: "host*/nic0", to: "leaf*", join: blocks }
  - { from: "leaf*", to: "spine*", join: blocks }
  - { from: "spine*", to: core }
)");
  std::vector<std::pair<int, int>> where;
  for (const Host& host : fabric.hosts()) where.emplace_back(host.pod, host.segment);
  EXPECT_THAT(where,
              ElementsAre(std::pair(0, 0), std::pair(0, 0), std::pair(0, 1), std::pair(0, 1),
                          std::pair(1, 0), std::pair(1, 0), std::pair(1, 1), std::pair(1, 1)));
}

TEST(MatchesPattern, ReadsStarsAndRanges) {
  EXPECT_TRUE(MatchesPattern("leaf*", "leaf12"));
  EXPECT_TRUE(MatchesPattern("leaf*", "leaf"));
  EXPECT_FALSE(MatchesPattern("leaf*", "pod0/leaf1"));
  EXPECT_TRUE(MatchesPattern("pod*/leaf[2-4,7]", "pod11/leaf7"));
  EXPECT_FALSE(MatchesPattern("pod*/leaf[2-4,7]", "pod11/leaf5"));
  EXPECT_FALSE(MatchesPattern("leaf[0-3]", "leaf03"));
  EXPECT_FALSE(MatchesPattern("leaf[0-3]", "leaf"));
}

// Each mistake is found where it stands.
TEST(BuildCustom, SaysWhatCannotBeBuilt) {
  const auto errors = [](const std::string& hosts, const std::string& cables) {
    return ErrorsOf("family: custom\nlink: 100Gbps\nhosts: " + hosts +
                    "\nswitches: [{ name: leaf, count: 2 }]\ncables: " + cables + "\n");
  };
  const std::string hosts = "[{ count: 2, host: { gpus: 1, nics: 1 } }]";
  EXPECT_THAT(errors("[{ count: 2 }]", "[{ from: leaf0, to: leaf1 }]"),
              HasSubstr("test.yaml:3:9: error: nothing says what these hosts are"));
  EXPECT_THAT(errors(hosts, "[{ from: host0/nic0, to: laef1 }]"),
              HasSubstr("test.yaml:5:34: error: no end is called 'laef1' (did you mean 'leaf1'?"));
  EXPECT_THAT(errors(hosts, "[{ from: host0, to: leaf1 }]"),
              HasSubstr("test.yaml:5:18: error: no end is called 'host0'"));
  EXPECT_THAT(errors(hosts, "[{ from: host0/nic0, to: host1/nic0 }]"),
              HasSubstr("host0/nic0 and host1/nic0 are both NICs"));
  EXPECT_THAT(errors(hosts, "[{ from: leaf0, to: leaf0 }]"), HasSubstr("cabled to itself"));
  EXPECT_THAT(errors(hosts, "[{ from: host0/nic0/port0, to: 'leaf*' }]"),
              HasSubstr("host0/nic0/port0 has two cables"));
  EXPECT_THAT(errors(hosts, "[{ from: host0/nic0, to: leaf0, count: 2 }]"),
              HasSubstr("host0/nic0 has 1 port, and more cables"));
  EXPECT_THAT(errors(hosts, "[{ from: 'host*/nic*', to: leaf0 }]"),
              HasSubstr("test.yaml:4:12: error: no cable leads from leaf1 to a NIC"));
  EXPECT_THAT(errors("[{ count: 3, host: { gpus: 1, nics: 1 } }]",
                     "[{ from: 'host*/nic*', to: 'leaf*', join: blocks }]"),
              HasSubstr("3 ends are no equal stretches for 2 others"));
  EXPECT_THAT(
      errors("[{ name: leaf1, host: { gpus: 1, nics: 1 } }]", "[{ from: leaf0, to: leaf1 }]"),
      HasSubstr("the name 'leaf1' is taken"));
  EXPECT_THAT(errors("[{ name: 'a/b', host: { gpus: 1 } }]", "[{ from: leaf0, to: leaf1 }]"),
              HasSubstr("test.yaml:3:17: error: 'a/b' is no name"));
  EXPECT_THAT(errors("[{ host: { gpus: 1, nics: 1, nic_ports: 2 }, name: h }]",
                     "[{ from: h/nic0/port1, to: leaf0 }, { from: leaf0, to: leaf1 }]"),
              HasSubstr("h/nic0 has no cable at port0, and one at a later port"));
  EXPECT_THAT(
      errors("[{ count: 1, host: { gpus: 1, nics: 1 } }, { name: x, host: { transport: ib } }]",
             "[{ from: leaf0, to: leaf1 }]"),
      HasSubstr("speak another transport"));
  EXPECT_THAT(
      ErrorsOf("{ family: custom, host: { gpus: 1, nics: 1 }, hosts: [{ count: 1 }], switches: "
               "[{ name: leaf0, switch: { rate: 100Gbps, ports: 4 } }], cables: [{ from: "
               "host0/nic0, to: leaf0 }] }"),
      HasSubstr("leaf0 has too few ports: 1 x 400G ports = 400G"));
}

}  // namespace
}  // namespace weft
