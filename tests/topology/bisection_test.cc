#include "topology/bisection.h"

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/edmonds_karp_max_flow.hpp>
#include <functional>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using FlowTraits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<
        boost::edge_capacity_t, double,
        boost::property<boost::edge_residual_capacity_t, double,
                        boost::property<boost::edge_reverse_t, FlowTraits::edge_descriptor>>>>;

void AddArc(FlowGraph& graph, std::size_t a, std::size_t b, double rate_bps) {
  const auto there = boost::add_edge(a, b, graph).first, back = boost::add_edge(b, a, graph).first;
  boost::put(boost::edge_capacity, graph, there, rate_bps);
  boost::put(boost::edge_capacity, graph, back, 0.0);
  boost::put(boost::edge_reverse, graph, there, back);
  boost::put(boost::edge_reverse, graph, back, there);
}

// Oracle: the same division, one vertex a host and a switch, nothing merged, another solver.
double MaxFlow(const Fabric& fabric, const std::function<bool(const Host&, std::uint32_t)>& left) {
  const std::size_t base = fabric.host_count(), source = base + fabric.vertex_count();
  FlowGraph graph(source + 2);
  const auto node = [&](VertexId v) {
    const HostId host = fabric.vertex(v).host;
    return host == kNoHost ? base + Index(v) : std::size_t{Index(host)};
  };
  for (const Link& link : fabric.links())
    if (link.link_class == LinkClass::kNetwork)
      AddArc(graph, node(link.from), node(link.to), link.rate.bits_per_second());
  bool both[2] = {};
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const bool is_left = left(fabric.host(HostId{h}), h);
    both[is_left] = true;
    is_left ? AddArc(graph, source, h, 1e18) : AddArc(graph, h, source + 1, 1e18);
  }
  return both[0] && both[1] ? boost::edmonds_karp_max_flow(graph, source, source + 1) : 1e300;
}

double OracleBisection(const Fabric& fabric) {
  std::uint32_t pods = 0;
  for (const Host& host : fabric.hosts()) pods = std::max(pods, host.pod + 1u);
  return std::min({
      MaxFlow(fabric, [&](const Host& host, std::uint32_t) { return host.pod * 2u < pods; }),
      MaxFlow(fabric, [](const Host& host, std::uint32_t) { return host.segment % 2 == 0; }),
      MaxFlow(fabric, [](const Host&, std::uint32_t h) { return h % 2 == 0; }),
  });
}

// Two hosts a leaf send 800G; one spine carries 400G of it.
TEST(FindBisection, NamesTheCutOfATinyLeafSpine) {
  const auto bisection = FindBisection(
      MakeFabric("{ family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 2, link: 400Gbps }"));
  ASSERT_TRUE(bisection);
  EXPECT_EQ(bisection->rate, GigabitsPerSecond(400));
  EXPECT_EQ(bisection->cut, "even leaves | odd leaves, cut at leaf-spine links");
}

// Seven of fifteen segments: 7 x 16 ToRs x 60 x 400G; hosts alone would send 25.6/24 of it.
TEST(FindBisection, IsTheUplinksOfSevenSegmentsInAnHpnPod) {
  const auto bisection = FindBisection(MakeFabric("preset: hpn"));
  ASSERT_TRUE(bisection);
  EXPECT_EQ(bisection->rate, GigabitsPerSecond(7.0 * 16 * 60 * 400));
  EXPECT_EQ(bisection->cut,
            "even segments (1024 hosts) | odd segments (896 hosts), cut at tor-agg links");
}

// Half of the Agg uplinks: 4 pods x 120 x 8 x 400G.
TEST(FindBisection, IsTheCoreInEightHpnPods) {
  const auto bisection = FindBisection(MakeFabric("{ preset: hpn, pods: 8 }"));
  ASSERT_TRUE(bisection);
  EXPECT_EQ(bisection->rate, GigabitsPerSecond(4.0 * 120 * 8 * 400));
  EXPECT_EQ(bisection->cut, "first half of the pods | second half, cut at agg-core links");
}

TEST(FindBisection, HasNoFigureForOneHost) {
  EXPECT_FALSE(FindBisection(MakeFabric("{ preset: hpn, segments: 1, hosts: 1 }")));
}

TEST(FindBisection, IsTheMaxFlowOfTheFabricUnmerged) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    const auto bisection = FindBisection(fabric);
    ASSERT_EQ(bisection.has_value(), fabric.host_count() > 1);
    if (!bisection) continue;
    EXPECT_EQ(bisection->rate.bits_per_second(), OracleBisection(fabric));
  }
}

}  // namespace
}  // namespace weft
