#include "topology/fabric.h"

#include <map>
#include <set>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using testing::ElementsAre;

constexpr char kTiny[] =
    "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, latency: 1us }";

// Host h is GPU 2h and NIC 2h+1, leaves are 8 and 9, spines 10 and 11. Links by (from, to):
//   gpu0 nic0 .   0 | 1 2    gpu1 nic1   3 | 4 5    gpu2 nic2   6 | 7 8    gpu3 nic3   9 | 10 11
//   leaf0 -> nic0 nic1 spine0 spine1   12 13 14 15      leaf1   16 17 18 19
//   spine0 -> leaf0 leaf1              20 21            spine1  22 23
TEST(Fabric, NumbersATinyLeafSpineAsByHand) {
  const Fabric fabric = MakeFabric(kTiny);
  ASSERT_EQ(fabric.vertex_count(), 12u);
  ASSERT_EQ(fabric.link_count(), 24u);
  EXPECT_EQ(fabric.gpu(GpuId{3}), VertexId{6});
  EXPECT_EQ(fabric.NicOf(VertexId{6}), VertexId{7});
  EXPECT_EQ(fabric.PortLink(VertexId{1}, 0), LinkId{2});
  EXPECT_EQ(fabric.PortLink(VertexId{1}, 1), kNoLink);
  EXPECT_EQ(fabric.PortCount(VertexId{1}), 1);
  EXPECT_EQ(fabric.FindLink(VertexId{8}, VertexId{11}), LinkId{15});
  EXPECT_EQ(fabric.FindLink(VertexId{8}, VertexId{9}), kNoLink);
  EXPECT_EQ(fabric.link(LinkId{15}).reverse, LinkId{22});
  EXPECT_EQ(fabric.link(LinkId{15}).rate, GigabitsPerSecond(400));
  EXPECT_EQ(fabric.link(LinkId{15}).latency, std::chrono::microseconds(1));
  EXPECT_EQ(fabric.first_link_from(VertexId{9}), LinkId{16});
}

TEST(Fabric, NamesATinyLeafSpine) {
  const Fabric fabric = MakeFabric(kTiny);
  EXPECT_EQ(fabric.Name(VertexId{6}), "host3/gpu0");
  EXPECT_EQ(fabric.Name(VertexId{7}), "host3/nic0");
  EXPECT_EQ(fabric.Name(VertexId{9}), "leaf1");
  EXPECT_EQ(fabric.Name(VertexId{10}), "spine0");
  EXPECT_EQ(fabric.PortName(LinkId{11}), "host3/nic0/port0");
  EXPECT_EQ(fabric.PortName(LinkId{14}), "leaf0/spine0");
  EXPECT_EQ(fabric.PortName(LinkId{21}), "spine0/leaf1");
  EXPECT_EQ(fabric.PortName(LinkId{12}), "leaf0/host0/nic0");
}

TEST(Fabric, CountsATinyLeafSpine) {
  const FabricCounts counts = MakeFabric(kTiny).counts();
  EXPECT_EQ(counts.gpus, 4);
  EXPECT_EQ(counts.nics, 4);
  EXPECT_THAT(counts.tiers, ElementsAre(TierCount{"leaf", 2, 4, 4, 1.0},
                                        TierCount{"spine", 2, 4, 0, std::nullopt}));
}

TEST(Fabric, FindsWhatANameMeans) {
  using Kind = ElementId::Kind;
  const Fabric fabric = MakeFabric(kTiny);
  EXPECT_EQ(fabric.FindElement("host3"), (ElementId{Kind::kHost, 3}));
  EXPECT_EQ(fabric.FindElement("host3/nic0"), (ElementId{Kind::kVertex, 7}));
  EXPECT_EQ(fabric.FindElement("host3/nic0/port0"), (ElementId{Kind::kCable, 11}));
  EXPECT_EQ(fabric.FindElement("spine1"), (ElementId{Kind::kVertex, 11}));
  EXPECT_EQ(fabric.FindElement("leaf0-spine1"), (ElementId{Kind::kCable, 15}));
  EXPECT_EQ(fabric.FindElement("spine1-leaf0"), (ElementId{Kind::kCable, 22}));
  EXPECT_EQ(fabric.FindElement("plane0"), (ElementId{Kind::kPlane, 0}));
  for (const char* none : {"", "host4", "host03", "host3/nic1", "host3/nic0/port1", "leaf2",
                           "leaf0-leaf1", "plane1", "pod9/plane0", "host3/", "leaf0/", "-",
                           "host3/nvswitch", "99999999999", "host99999999999999999999"})
    EXPECT_FALSE(fabric.FindElement(none)) << none;
}

TEST(Fabric, NamesAnHpnPodAsItsOperatorsDo) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 2, pods: 2, hosts: 2 }");
  const auto name_of = [&](const char* name) {
    const auto element = fabric.FindElement(name);
    return element && element->kind == ElementId::Kind::kVertex ? fabric.Name(VertexId{element->id})
                                                                : "not a vertex";
  };
  for (const char* name :
       {"pod0/segment1/tor7", "pod1/plane1/agg12", "core4", "host7/nvswitch", "host7/gpu3"})
    EXPECT_EQ(name_of(name), name);
  // NIC 3's port 1 leads to ToR 2·3 + 1 of plane 1.
  const LinkId port = fabric.PortLink(fabric.NicOf(fabric.gpu(GpuId{3})), 1);
  EXPECT_EQ(fabric.Name(fabric.link(port).to), "pod0/segment0/tor7");
  EXPECT_EQ(fabric.vertex(fabric.link(port).to).plane, 1);
  // pod 1, plane 0: 16 ToRs' and 60 Aggs' links, both ways.
  const auto plane = fabric.FindElement("pod1/plane0");
  ASSERT_TRUE(plane);
  const std::size_t cables = 2 * 2 * 8 + 16 * 60 + 60 * 8;  // NICs', ToR–Agg, Agg–core
  EXPECT_EQ(fabric.LinksOf(*plane, Direction::kBoth).size(), 2 * cables);
}

TEST(Fabric, TellsTheDirectionsOfAnElementApart) {
  const Fabric fabric = MakeFabric(kTiny);
  const ElementId port{ElementId::Kind::kCable, 11};
  EXPECT_THAT(fabric.LinksOf(port, Direction::kForward), ElementsAre(LinkId{11}));
  EXPECT_THAT(fabric.LinksOf(port, Direction::kBackward), ElementsAre(LinkId{17}));
  EXPECT_THAT(fabric.LinksOf({ElementId::Kind::kVertex, 10}, Direction::kForward),
              ElementsAre(LinkId{20}, LinkId{21}));
  EXPECT_THAT(fabric.LinksOf({ElementId::Kind::kVertex, 10}, Direction::kBackward),
              ElementsAre(LinkId{14}, LinkId{18}));
  EXPECT_THAT(fabric.LinksOf({ElementId::Kind::kHost, 0}, Direction::kBoth),
              ElementsAre(LinkId{0}, LinkId{1}, LinkId{2}, LinkId{12}));
}

TEST(Fabric, PairsLinksAndRoundTripsNamesOnRandomFabrics) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
      const Link& link = fabric.link(LinkId{l});
      const Link& back = fabric.link(link.reverse);
      ASSERT_EQ(back.reverse, LinkId{l});
      ASSERT_EQ(std::tuple(back.from, back.to, back.number, back.rate),
                std::tuple(link.to, link.from, link.number, link.rate));
      const auto found = fabric.FindElement(fabric.PortName(LinkId{l}));
      ASSERT_EQ(found, (ElementId{ElementId::Kind::kCable, l})) << fabric.PortName(LinkId{l});
      ASSERT_EQ(boost::target(boost::edge_from_index(l, fabric.graph()), fabric.graph()),
                Index(link.to));
    }
    std::set<std::string> names;
    for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
      const std::string name = fabric.Name(VertexId{v});
      EXPECT_TRUE(names.insert(name).second) << name;
      EXPECT_EQ(fabric.FindElement(name), (ElementId{ElementId::Kind::kVertex, v})) << name;
    }
  }
}

// The counts say what the links say, and no switch has more ports than its chip.
TEST(Fabric, CountsPortsWithinTheRadixOnRandomFabrics) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    std::map<std::uint32_t, std::int64_t> down, up;
    std::int64_t lateral_ends = 0;
    for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
      const Vertex& vertex = fabric.vertex(VertexId{v});
      if (vertex.kind != VertexKind::kSwitch) continue;
      double sum_bps = 0;
      for (const Link& link : fabric.links_from(VertexId{v})) {
        sum_bps += link.rate.bits_per_second();
        const std::uint8_t to = fabric.vertex(link.to).tier;
        if (to == vertex.tier)
          ++lateral_ends;
        else
          ++(to < vertex.tier ? down : up)[vertex.tier - 1u];
      }
      EXPECT_LE(sum_bps, 51.2e12);
      EXPECT_GT(sum_bps, 0);
    }
    const FabricCounts& counts = fabric.counts();
    for (std::uint32_t t = 0; t < counts.tiers.size(); ++t) {
      EXPECT_EQ(counts.tiers[t].links_down, down[t]);
      EXPECT_EQ(counts.tiers[t].links_up, up[t]);
      if (t > 0) {
        EXPECT_EQ(counts.tiers[t].links_down, counts.tiers[t - 1].links_up);
      }
    }
    EXPECT_EQ(2 * counts.lateral_links, lateral_ends);
    EXPECT_EQ(counts.gpus, fabric.gpu_count());
  }
}

TEST(FabricBuilder, HangsEveryNicFromAGpuWhateverTheirNumbers) {
  for (std::uint16_t gpus = 1; gpus <= 9; ++gpus)
    for (std::uint16_t nics = 1; nics <= 9; ++nics) {
      SCOPED_TRACE(testing::Message() << gpus << " GPUs, " << nics << " NICs");
      FabricBuilder builder(1);
      HostShape shape;
      shape.gpus = gpus;
      shape.nics = nics;
      shape.pcie = GigabitsPerSecond(504);
      const HostId host = builder.AddHost(shape, 0, 0);
      const Fabric fabric = builder.Build();
      for (std::uint32_t g = 0; g < gpus; ++g) {
        const VertexId gpu = fabric.gpu(GpuId{g});
        EXPECT_NE(fabric.FindLink(gpu, fabric.NicOf(gpu)), kNoLink);
      }
      for (std::uint32_t n = 0; n < nics; ++n)
        EXPECT_FALSE(fabric.links_from(VertexId{Index(fabric.host(host).first_nic) + n}).empty());
    }
}

}  // namespace
}  // namespace weft
