#include "topology/router.h"

#include <algorithm>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <boost/graph/filtered_graph.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

constexpr HashSeed kSeed{1};
constexpr std::uint32_t kUnreachable = 0xffffffff;

// Oracle: what the shortest way costs from `nic` by `port` to `dst` over links that are up and
// switches alone, by Boost's BFS, or its Dijkstra where a link counts for more than one; it knows
// nothing of groups, classes or rows.
std::uint32_t LeastCost(const Fabric& fabric, const LinkState& state, VertexId nic,
                        std::uint8_t port, VertexId dst) {
  const auto is_switch = [&](VertexId v) { return fabric.vertex(v).kind == VertexKind::kSwitch; };
  std::vector<bool> usable(fabric.link_count());
  std::vector<std::uint32_t> cost(fabric.link_count());
  bool alike = true;
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    usable[l] = state.up(LinkId{l}) &&
                (link.from == nic ? LinkId{l} == fabric.PortLink(nic, port)
                                  : is_switch(link.from) && (is_switch(link.to) || link.to == dst));
    cost[l] = link.cost;
    alike = alike && link.cost == 1;
  }
  const auto& graph = fabric.graph();
  const std::function<bool(Fabric::Graph::edge_descriptor)> keep = [&](const auto& edge) {
    return static_cast<bool>(usable[boost::get(boost::edge_index, graph, edge)]);
  };
  const boost::filtered_graph filtered(graph, keep);
  std::vector<std::uint32_t> costs(fabric.vertex_count(), kUnreachable);
  costs[Index(nic)] = 0;
  if (alike) {
    const auto record = boost::record_distances(costs.data(), boost::on_tree_edge());
    boost::breadth_first_search(filtered, Index(nic),
                                boost::visitor(boost::make_bfs_visitor(record)));
  } else {
    boost::dijkstra_shortest_paths(
        filtered, Index(nic),
        boost::weight_map(
            boost::make_iterator_property_map(cost.begin(), boost::get(boost::edge_index, graph)))
            .distance_map(boost::make_iterator_property_map(costs.begin(),
                                                            boost::get(boost::vertex_index, graph)))
            .distance_inf(kUnreachable));
  }
  return costs[Index(dst)];
}

std::uint32_t NetworkCost(const Fabric& fabric, const std::vector<LinkId>& path) {
  std::uint32_t cost = 0;
  for (const LinkId link : path)
    if (fabric.link(link).link_class == LinkClass::kNetwork) cost += fabric.link(link).cost;
  return cost;
}

// From src to dst, every link up and leaving where the one before arrived, no vertex twice.
void ExpectValid(const Fabric& fabric, const LinkState& state, VertexId src, VertexId dst,
                 const std::vector<LinkId>& path) {
  std::set<VertexId> seen{src};
  VertexId at = src;
  for (const LinkId link : path) {
    ASSERT_TRUE(state.up(link));
    ASSERT_EQ(fabric.link(link).from, at);
    at = fabric.link(link).to;
    ASSERT_TRUE(seen.insert(at).second) << "passes twice through " << fabric.Name(at);
  }
  EXPECT_EQ(at, dst);
}

// Holds Path and Candidates of one pair against the oracle, for every port.
void CheckPair(const Fabric& fabric, const Router& router, const LinkState& state, VertexId src,
               VertexId dst, Random& random) {
  const VertexId src_nic = router.SourceNic(src, dst);
  if (src_nic == kNoVertex) return;
  const VertexId dst_nic = fabric.NicOf(dst);
  const PathSet all = router.Candidates(src, dst, state, 100'000);
  std::set<std::vector<LinkId>> candidates;
  for (std::size_t p = 0; p < all.path_count(); ++p) {
    const std::vector<LinkId> path(all.hop.begin() + all.first_hop[p],
                                   all.hop.begin() + all.first_hop[p + 1]);
    EXPECT_TRUE(candidates.insert(path).second);
    ExpectValid(fabric, state, src, dst, path);
  }
  std::vector<LinkId> path;
  std::uint32_t shortest = kUnreachable;
  std::set<std::vector<LinkId>> chosen;
  for (std::uint8_t port = 0; port < fabric.PortCount(src_nic); ++port) {
    const std::uint32_t hops = LeastCost(fabric, state, src_nic, port, dst_nic);
    if (hops < shortest) chosen.clear();
    shortest = std::min(shortest, hops);
    for (int draw = 0; draw < 4; ++draw) {
      const FlowKey key{src, dst, port, static_cast<std::uint16_t>(random.Below(65536)), 0};
      const bool found = router.Path(key, HashSeed{random.Below(1000)}, state, path);
      ASSERT_EQ(found, hops != kUnreachable);
      ASSERT_EQ(path.empty(), !found);
      if (!found) continue;
      ASSERT_EQ(NetworkCost(fabric, path), hops);
      ExpectValid(fabric, state, src, dst, path);
      ASSERT_TRUE(std::find(path.begin(), path.end(), fabric.PortLink(src_nic, port)) !=
                  path.end());
      if (hops == shortest) chosen.insert(path);
    }
  }
  EXPECT_EQ(candidates.empty(), shortest == kUnreachable);
  for (const auto& one : candidates) EXPECT_EQ(NetworkCost(fabric, one), shortest);
  for (const auto& one : chosen) EXPECT_TRUE(candidates.contains(one));
}

void CheckRandomPairs(const Fabric& fabric, const Router& router, const LinkState& state, int pairs,
                      Random& random) {
  for (int i = 0; i < pairs; ++i) {
    const VertexId src = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
    const VertexId dst = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
    CheckPair(fabric, router, state, src, dst, random);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// A cable or a switch: what is inside hosts stays up.
ElementId RandomNetworkElement(const Fabric& fabric, Random& random) {
  for (;;) {
    const LinkId id{random.Below(fabric.link_count())};
    const Link& link = fabric.link(id);
    if (link.link_class != LinkClass::kNetwork) continue;
    if (random.Below(2) == 0) return {ElementId::Kind::kCable, Index(id)};
    if (fabric.vertex(link.to).kind == VertexKind::kSwitch)
      return {ElementId::Kind::kVertex, Index(link.to)};
  }
}

// Any policy, hash and scope: none may cost a path.
RoutingPolicy RandomPolicy(std::uint64_t seed) {
  Random random(StreamSeed(seed, {78}));
  RoutingPolicy policy;
  policy.policy = static_cast<PathPolicy>(random.Below(6));
  policy.hash = static_cast<HashKind>(random.Below(6));
  policy.core_hash = static_cast<CoreHash>(random.Below(2));
  policy.seed_scope = static_cast<SeedScope>(random.Below(3));
  return policy;
}

TEST(Path, IsShortestAndLoopFreeOnRandomFabrics) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    const Router router(fabric, RandomPolicy(seed));
    Random random(seed);
    CheckRandomPairs(fabric, router, LinkState(fabric), 12, random);
    if (HasFatalFailure()) return;
  }
}

TEST(Path, FindsWhatSurvivesRandomFaults) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    const Router router(fabric, RandomPolicy(seed));
    Random random(seed);
    LinkState state(fabric);
    for (std::uint32_t faults = 1 + random.Below(4); faults > 0; --faults) {
      const auto direction = static_cast<Direction>(random.Below(3));
      state.Apply(fabric, RandomNetworkElement(fabric, random), {false, 1, direction});
    }
    CheckRandomPairs(fabric, router, state, 12, random);
    if (HasFatalFailure()) return;
  }
}

// Every cable and switch taken away by itself, and put back.
void CheckWithoutEachElement(const Fabric& fabric, const Router& router, Random& random) {
  LinkState state(fabric);
  std::vector<ElementId> elements;
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    if (link.link_class == LinkClass::kNetwork && LinkId{l} < link.reverse)
      elements.push_back({ElementId::Kind::kCable, l});
  }
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v)
    if (fabric.vertex(VertexId{v}).kind == VertexKind::kSwitch)
      elements.push_back({ElementId::Kind::kVertex, v});
  for (const ElementId element : elements) {
    state.Apply(fabric, element, {false, 1, Direction::kBoth});
    CheckRandomPairs(fabric, router, state, 3, random);
    if (testing::Test::HasFatalFailure()) return;
    state.Apply(fabric, element, {});
  }
  EXPECT_TRUE(state.all_up());
}

TEST(Path, SurvivesEverySingleCableAndSwitchAsBfsDoes) {
  const char* const text =
      "{ family: hpn, pods: 2, segments: 2, hosts: 1, aggs_per_plane: 2, core_groups_per_plane: 2, "
      "core_oversubscription: 60, host: { preset: hgx-h800, gpus: 2, nics: 2 } }";
  for (const CoreHash core_hash : {CoreHash::kFiveTuple, CoreHash::kPerPort}) {
    const Fabric fabric = MakeFabric(text);
    RoutingPolicy policy;
    policy.core_hash = core_hash;
    Random random(5);
    CheckWithoutEachElement(fabric, Router(fabric, policy), random);
    if (HasFatalFailure()) return;
  }
}

TEST(Path, SurvivesEverySingleCableAndSwitchOfRandomFabrics) {
  for (std::uint64_t seed = 101; seed <= 112; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    Random random(seed);
    CheckWithoutEachElement(fabric, Router(fabric, RandomPolicy(seed)), random);
    if (HasFatalFailure()) return;
  }
}

// gpu0 nic0 leaf0 spine? leaf1 nic2 gpu2: see fabric_test.cc for the numbers.
TEST(Path, CrossesATinyLeafSpineAsByHand) {
  const Fabric fabric =
      MakeFabric("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  std::vector<LinkId> path;
  ASSERT_TRUE(router.Path({VertexId{0}, VertexId{2}, 0, 9, 0}, kSeed, state, path));
  EXPECT_EQ(path, (std::vector{LinkId{0}, LinkId{2}, LinkId{13}, LinkId{4}}));  // turns at leaf0
  ASSERT_TRUE(router.Path({VertexId{0}, VertexId{4}, 0, 9, 0}, kSeed, state, path));
  const std::vector by_spine0{LinkId{0}, LinkId{2}, LinkId{14}, LinkId{21}, LinkId{16}, LinkId{7}};
  const std::vector by_spine1{LinkId{0}, LinkId{2}, LinkId{15}, LinkId{23}, LinkId{16}, LinkId{7}};
  EXPECT_TRUE(path == by_spine0 || path == by_spine1);
  const PathSet all = router.Candidates(VertexId{0}, VertexId{4}, state);
  std::vector<LinkId> both = by_spine0;
  both.insert(both.end(), by_spine1.begin(), by_spine1.end());
  EXPECT_EQ(all.hop, both);
  EXPECT_EQ(all.first_hop, (std::vector<std::uint32_t>{0, 6, 12}));
  EXPECT_EQ(router.Candidates(VertexId{0}, VertexId{4}, state, 1).path_count(), 1u);
}

TEST(Path, TakesNvlinkInsideAHostAndToTheRailOfTheDestination) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1, hosts: 2 }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  const auto names = [&](std::uint32_t src, std::uint32_t dst) {
    std::vector<LinkId> path;
    const FlowKey key{fabric.gpu(GpuId{src}), fabric.gpu(GpuId{dst}), 1, 0, 0};
    EXPECT_TRUE(router.Path(key, kSeed, state, path));
    std::string out;
    for (const LinkId link : path) out += fabric.Name(fabric.link(link).to) + ' ';
    return out;
  };
  EXPECT_EQ(names(0, 3), "host0/nvswitch host0/gpu3 ");
  EXPECT_EQ(names(5, 13), "host0/nic5 pod0/segment0/tor11 host1/nic5 host1/gpu5 ");
  EXPECT_EQ(names(0, 13),
            "host0/nvswitch host0/gpu5 host0/nic5 pod0/segment0/tor11 host1/nic5 host1/gpu5 ");
  EXPECT_EQ(router.SourceNic(fabric.gpu(GpuId{0}), fabric.gpu(GpuId{3})), kNoVertex);
}

// Between switches, and between a NIC and its leaf, a lane says which parallel cable; of those that
// are up, so that a cut one takes nothing with it.
TEST(Path, TakesParallelCablesByLane) {
  const Fabric fabric = MakeFabric(
      "{ family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 1, link: 100Gbps, "
      "links_per_pair: 4, host: { gpus: 1, nics: 1 } }");
  const Router router(fabric, {});
  const VertexId nic = fabric.NicOf(fabric.gpu(GpuId{0}));
  const VertexId leaf = fabric.link(fabric.PortLink(nic, 0)).to;
  VertexId spine = kNoVertex;
  for (const Link& link : fabric.links_from(leaf))
    if (fabric.vertex(link.to).tier > fabric.vertex(leaf).tier) spine = link.to;
  ASSERT_NE(spine, kNoVertex);
  LinkState state(fabric);
  const auto taken = [&](std::uint16_t lane) {
    std::vector<LinkId> path;
    return router.Path({leaf, spine, 0, lane, 0}, kSeed, state, path) ? path.at(0) : kNoLink;
  };
  const LinkId first = fabric.FindLink(leaf, spine);
  for (std::uint16_t lane = 0; lane < 8; ++lane)
    EXPECT_EQ(Index(taken(lane)), Index(first) + lane % 4);
  state.Apply(fabric, {ElementId::Kind::kCable, Index(first)}, {false, 1, Direction::kBoth});
  for (std::uint16_t lane = 0; lane < 8; ++lane)
    EXPECT_EQ(Index(taken(lane)), Index(first) + 1 + lane % 3);
  for (std::uint32_t i = 1; i < 4; ++i)
    state.Apply(fabric, {ElementId::Kind::kCable, Index(first) + i}, {false, 1, Direction::kBoth});
  EXPECT_EQ(taken(0), kNoLink);
}

TEST(Path, GoesOverTheSharedNicOrTheNetworkWithoutNvswitch) {
  const Fabric fabric = MakeFabric(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 1, link: 100Gbps, "
      "host: { gpus: 4, nics: 2 } }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  std::vector<LinkId> path;
  ASSERT_TRUE(router.Path({fabric.gpu(GpuId{0}), fabric.gpu(GpuId{1})}, kSeed, state, path));
  EXPECT_EQ(NetworkCost(fabric, path), 0u);
  EXPECT_EQ(path.size(), 2u);
  ASSERT_TRUE(router.Path({fabric.gpu(GpuId{0}), fabric.gpu(GpuId{2})}, kSeed, state, path));
  EXPECT_EQ(NetworkCost(fabric, path), 2u);
}

// Port p's ToR down: a QP by port p has no way in isolated planes, one by the other port has.
TEST(Path, StaysInItsPlane) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 2, hosts: 1 }");
  const Router router(fabric, {});
  LinkState state(fabric);
  const VertexId src = fabric.gpu(GpuId{0}), dst = fabric.gpu(GpuId{8});
  state.Apply(fabric, *fabric.FindElement("host1/nic0/port1"), {false, 1, Direction::kBoth});
  std::vector<LinkId> path;
  EXPECT_TRUE(router.Path({src, dst, 0, 7, 0}, kSeed, state, path));
  for (const LinkId link : path) EXPECT_NE(fabric.vertex(fabric.link(link).to).plane, 1);
  EXPECT_FALSE(router.Path({src, dst, 1, 7, 0}, kSeed, state, path));
}

// The network links into `dst`'s NIC, by port, of `qps` QPs from `src`.
std::vector<int> PortLoad(const Fabric& fabric, const Router& router, std::uint32_t src,
                          std::uint32_t dst, std::uint32_t qps, HashSeed seed) {
  const LinkState state(fabric);
  const VertexId from = fabric.gpu(GpuId{src}), to = fabric.gpu(GpuId{dst});
  std::vector<int> load(2, 0);
  std::vector<LinkId> path;
  for (std::uint32_t q = 0; q < qps; ++q) {
    FlowKey key{from, to, 0, router.UdpPort(fabric.NicOf(from), fabric.NicOf(to), seed, q), 0};
    key.host_port = router.HostPort(key, seed, q);
    EXPECT_TRUE(router.Path(key, seed, state, path));
    ++load[fabric.link(path[path.size() - 2]).number];
  }
  return load;
}

// [QXC+24 §6.1]: what leaves by one port arrives by that port.
TEST(Path, LoadsBothPortsOfADualPlaneReceiverAlike) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 2, hosts: 4 }");
  const Router router(fabric, {});
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (const std::uint32_t qps : {2u, 4u, 32u})
      EXPECT_EQ(PortLoad(fabric, router, 0, 32, qps, HashSeed{seed}),
                (std::vector<int>(2, static_cast<int>(qps / 2))));
}

// In a single-plane Clos the last hash draws the port: of 4 QPs, k on port 0 with
// probability C(4, k)/16. Chi-square over k = 0..4, 4 degrees of freedom: 18.47 is exceeded
// once in a thousand seeds.
TEST(Path, LoadsThePortsOfAClosReceiverByTheBinomialLaw) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 2 }");
  const Router router(fabric, {});
  const HashSeed seed{3};
  double seen[5] = {};
  const std::uint32_t pairs = fabric.gpu_count() / 2;
  for (std::uint32_t g = 0; g < pairs; ++g)
    ++seen[PortLoad(fabric, router, g, g + pairs, 4, seed)[0]];
  double chi_square = 0;
  const double binomial[] = {1, 4, 6, 4, 1};
  for (int k = 0; k < 5; ++k) {
    const double expected = pairs * binomial[k] / 16;
    chi_square += (seen[k] - expected) * (seen[k] - expected) / expected;
  }
  EXPECT_LT(chi_square, 18.47) << "seed 3";
}

// Each of n next hops takes 1/n of many flows, within four standard deviations; and with one
// seed for all switches the second hash repeats the first, so that it chooses nothing.
TEST(Path, SpreadsEvenlyUnlessSwitchesShareASeed) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 2 }");
  const LinkState state(fabric);
  for (const SeedScope scope : {SeedScope::kSwitch, SeedScope::kTier, SeedScope::kSame}) {
    const Router router(fabric, {.seed_scope = scope});
    std::map<LinkId, std::set<LinkId>> agg_uplinks_of;  // by the ToR's uplink taken
    std::map<LinkId, int> taken;
    std::vector<LinkId> path;
    const int flows = 16384;
    for (int f = 0; f < flows; ++f) {
      const FlowKey key{fabric.gpu(GpuId{0}), fabric.gpu(GpuId{512}), 0,
                        static_cast<std::uint16_t>(f), 0};
      ASSERT_TRUE(router.Path(key, HashSeed{11}, state, path));
      ++taken[path[2]];
      agg_uplinks_of[path[2]].insert(path[3]);
    }
    ASSERT_EQ(taken.size(), 64u);
    const double mean = flows / 64.0, sigma = std::sqrt(mean * (1 - 1 / 64.0));
    for (const auto& [link, count] : taken) EXPECT_NEAR(count, mean, 4 * sigma) << "seed 11";
    for (const auto& [link, next] : agg_uplinks_of)
      EXPECT_EQ(next.size() == 1, scope == SeedScope::kSame) << "seed 11";
  }
}

// Equal seeds in all tiers polarise whatever the hash: what reached an Agg by one uplink of a
// ToR all leaves it by one of its own. A mix with a seed a switch does not.
TEST(Path, PolarisesUnderEveryHashWhereAllSwitchesShareASeed) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 2 }");
  const LinkState state(fabric);
  for (int kind = 0; kind < 6; ++kind) {
    RoutingPolicy policy;
    policy.hash = static_cast<HashKind>(kind);
    policy.seed_scope = SeedScope::kSame;
    const Router router(fabric, policy);
    std::map<LinkId, std::set<LinkId>> next_of;
    std::vector<LinkId> path;
    for (std::uint32_t f = 0; f < 4096; ++f) {
      const FlowKey key{fabric.gpu(GpuId{0}), fabric.gpu(GpuId{512}), 0,
                        static_cast<std::uint16_t>(f * 40503), 0};
      ASSERT_TRUE(router.Path(key, HashSeed{11}, state, path));
      next_of[path[2]].insert(path[3]);
    }
    EXPECT_EQ(next_of.size(), 64u) << kind;
    for (const auto& [link, next] : next_of) EXPECT_EQ(next.size(), 1u) << kind;
  }
}

// The 4 QPs of a pair whose source port is one: a path by the 5-tuple, several by the QP.
TEST(Path, PartsByDestinationQpUnderExtendedEcmpAlone) {
  const Fabric fabric =
      MakeFabric("{ family: leaf_spine, leaves: 2, spines: 16, hosts_per_leaf: 1, link: 1Gbps }");
  const LinkState state(fabric);
  for (const PathPolicy kind : {PathPolicy::kEcmp, PathPolicy::kEecmp})
    for (int hash = 0; hash < 6; ++hash) {
      RoutingPolicy policy;
      policy.policy = kind;
      policy.hash = static_cast<HashKind>(hash);
      policy.udp_port = UdpPortRule::kPerPair;
      const Router router(fabric, policy);
      std::set<std::vector<LinkId>> paths;
      std::vector<LinkId> path;
      for (std::uint32_t q = 0; q < 64; ++q) {
        const FlowKey key = router.QpKey(fabric.gpu(GpuId{0}), fabric.gpu(GpuId{1}), kSeed, q);
        ASSERT_TRUE(router.Path(key, kSeed, state, path));
        paths.insert(path);
      }
      EXPECT_EQ(paths.size() == 1, kind == PathPolicy::kEcmp) << "hash " << hash;
      EXPECT_EQ(paths.size() > 8, kind == PathPolicy::kEecmp) << "hash " << hash;
    }
}

// D-mod-k on a non-blocking tree: every shift of all hosts is free of conflicts [Zah10].
TEST(Path, CarriesEveryShiftWithoutConflictWhenStatic) {
  const Fabric fabric =
      MakeFabric("{ family: leaf_spine, leaves: 4, spines: 4, hosts_per_leaf: 4, link: 1Gbps }");
  RoutingPolicy policy;
  policy.policy = PathPolicy::kStatic;
  const Router router(fabric, policy);
  const LinkState state(fabric);
  std::vector<LinkId> path;
  for (std::uint32_t shift = 1; shift < 16; ++shift) {
    std::set<LinkId> used;
    for (std::uint32_t g = 0; g < 16; ++g) {
      const FlowKey key{fabric.gpu(GpuId{g}), fabric.gpu(GpuId{(g + shift) % 16}), 0,
                        static_cast<std::uint16_t>(g), 0};
      ASSERT_TRUE(router.Path(key, HashSeed{g}, state, path));
      for (const LinkId link : path) EXPECT_TRUE(used.insert(link).second) << "shift " << shift;
    }
  }
}

// From one ToR to the 512 NICs of another pod of DCN+: each of its Aggs' 512 uplinks carries one,
// and each of the ToR's own 64 carries eight.
TEST(Path, SpreadsDestinationsOverTheUplinksOfEveryTierWhenStatic) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 2 }");
  RoutingPolicy policy;
  policy.policy = PathPolicy::kStatic;
  const Router router(fabric, policy);
  const LinkState state(fabric);
  std::map<LinkId, int> tor_up, agg_up;
  std::vector<LinkId> path;
  for (std::uint32_t g = 512; g < 1024; ++g) {
    ASSERT_TRUE(router.Path({fabric.gpu(GpuId{0}), fabric.gpu(GpuId{g})}, kSeed, state, path));
    for (const LinkId link : path) {
      const Vertex &from = fabric.vertex(fabric.link(link).from),
                   &to = fabric.vertex(fabric.link(link).to);
      if (from.tier == 1 && to.tier == 2) ++tor_up[link];
      if (from.tier == 2 && to.tier == 3) ++agg_up[link];
    }
  }
  EXPECT_EQ(tor_up.size(), 64u);
  for (const auto& [link, count] : tor_up) EXPECT_EQ(count, 8) << fabric.PortName(link);
  EXPECT_EQ(agg_up.size(), 512u);
  for (const auto& [link, count] : agg_up) EXPECT_EQ(count, 1) << fabric.PortName(link);
}

// A switch's choice depends on the destination alone, in three tiers too.
TEST(Path, LeavesEverySwitchByOneLinkToADestinationWhenStatic) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 3, segments: 2, hosts: 2 }");
  RoutingPolicy policy;
  policy.policy = PathPolicy::kStatic;
  policy.core_hash = CoreHash::kPerPort;  // has no say
  const Router router(fabric, policy);
  const LinkState state(fabric);
  Random random(4);
  std::map<std::pair<VertexId, VertexId>, LinkId> table;
  std::vector<LinkId> path;
  for (int i = 0; i < 4000; ++i) {
    const VertexId src = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
    const VertexId dst = fabric.gpu(GpuId{random.Below(8)});
    if (router.SourceNic(src, dst) == kNoVertex) continue;
    const FlowKey key{src, dst, static_cast<std::uint8_t>(i % 2), static_cast<std::uint16_t>(i)};
    ASSERT_TRUE(router.Path(key, kSeed, state, path));
    for (const LinkId link : path) {
      const VertexId from = fabric.link(link).from;
      if (fabric.vertex(from).kind != VertexKind::kSwitch) continue;
      EXPECT_EQ(table.emplace(std::pair(from, dst), link).first->second, link) << "seed 4";
    }
  }
}

// By (core, port in), the ports out towards pod 1.
std::map<LinkId, std::set<LinkId>> CorePorts(const Fabric& fabric, const Router& router,
                                             const LinkState& state) {
  std::map<LinkId, std::set<LinkId>> out_of;
  std::vector<LinkId> path;
  const std::uint32_t pod = fabric.gpu_count() / 3;
  for (std::uint32_t f = 0; f < 30'000; ++f) {
    const std::uint32_t from = f % 2 == 0 ? f % pod : 2 * pod + f % pod;
    const FlowKey key{fabric.gpu(GpuId{from}), fabric.gpu(GpuId{pod + (f / 7) % pod}),
                      static_cast<std::uint8_t>(f / 2 % 2), static_cast<std::uint16_t>(f), 0};
    EXPECT_TRUE(router.Path(key, kSeed, state, path));
    for (std::size_t h = 1; h < path.size(); ++h)
      if (fabric.vertex(fabric.link(path[h]).from).tier == 3) out_of[path[h - 1]].insert(path[h]);
  }
  return out_of;
}

// [QXC+24 §7]: from a port of a core to a pod by one port, whatever the 5-tuple, each port of
// the pod from one of each other pod; past a port that is down by hash, the others as before.
TEST(Path, LeavesAPerPortCoreByOnePortUntilItFails) {
  const Fabric fabric = MakeFabric(
      "{ preset: hpn, pods: 3, segments: 2, hosts: 2, aggs_per_plane: 12, "
      "core_groups_per_plane: 4, core_oversubscription: 60 }");
  RoutingPolicy policy;
  policy.core_hash = CoreHash::kPerPort;
  const Router router(fabric, policy);
  LinkState state(fabric);
  const auto usual = CorePorts(fabric, router, state);
  std::map<LinkId, int> users;
  for (const auto& [in, out] : usual) {
    EXPECT_EQ(out.size(), 1u) << fabric.PortName(in);
    ++users[*out.begin()];
  }
  for (const auto& [out, count] : users) EXPECT_EQ(count, 2) << fabric.PortName(out);

  const LinkId broken = *usual.begin()->second.begin();
  state.Apply(fabric, {ElementId::Kind::kCable, Index(broken)}, {false, 1, Direction::kBoth});
  int moved = 0;
  for (const auto& [in, out] : CorePorts(fabric, router, state)) {
    const LinkId before = *usual.at(in).begin();
    if (before == broken) ++moved;
    EXPECT_EQ(out.size() > 1, before == broken) << fabric.PortName(in);
    EXPECT_FALSE(out.contains(broken));
  }
  EXPECT_EQ(moved, 2);
}

// Oracle: of all candidate paths by the port, each with the product of 1 / (next hops) on its way.
std::map<LinkId, double> SharesByPaths(const Fabric& fabric, const PathSet& all, LinkId port) {
  std::map<std::vector<LinkId>, std::set<LinkId>> next;  // by the way so far
  std::vector<std::vector<LinkId>> paths;
  for (std::size_t p = 0; p < all.path_count(); ++p) {
    paths.emplace_back(all.hop.begin() + all.first_hop[p], all.hop.begin() + all.first_hop[p + 1]);
    if (std::find(paths.back().begin(), paths.back().end(), port) == paths.back().end()) {
      paths.pop_back();
      continue;
    }
    std::vector<LinkId> way;
    for (const LinkId link : paths.back()) {
      next[way].insert(link);
      way.push_back(link);
    }
  }
  const auto rate = [&](LinkId link) { return fabric.link(link).rate.bits_per_second(); };
  std::map<LinkId, double> shares;
  for (const std::vector<LinkId>& path : paths) {
    double share = 1;
    std::vector<LinkId> way;
    for (const LinkId link : path) {
      double rates = 0;
      for (const LinkId other : next[way]) rates += rate(other);
      share *= rate(link) / rates;
      way.push_back(link);
    }
    for (const LinkId link : path) shares[link] += share;
  }
  return shares;
}

TEST(Split, SharesOutAsEveryCandidatePathSays) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << RandomFabricText(seed));
    const Fabric fabric = MakeFabric(RandomFabricText(seed));
    const Router router(fabric, {});
    Random random(seed);
    LinkState state(fabric);
    for (std::uint32_t faults = random.Below(3); faults > 0; --faults)
      state.Apply(fabric, RandomNetworkElement(fabric, random), {false, 1, Direction::kBoth});
    SplitPath split;
    std::vector<LinkId> path;
    for (int i = 0; i < 6; ++i) {
      FlowKey key{fabric.gpu(GpuId{random.Below(fabric.gpu_count())}),
                  fabric.gpu(GpuId{random.Below(fabric.gpu_count())})};
      const VertexId nic = router.SourceNic(key.src, key.dst);
      if (nic == kNoVertex) continue;
      key.host_port = static_cast<std::uint8_t>(random.Below(fabric.PortCount(nic)));
      const bool found = router.Split(key, state, split);
      ASSERT_EQ(found, router.Path(key, kSeed, state, path));
      ASSERT_EQ(split.links.size(), split.shares.size());
      const LinkId port = fabric.PortLink(nic, key.host_port);
      const PathSet all = router.Candidates(key.src, key.dst, state, 100'000);
      const auto expected = SharesByPaths(fabric, all, port);
      if (!found || expected.empty()) continue;  // the other port is nearer
      ASSERT_EQ(split.links.size(), expected.size());
      std::set<VertexId> reached{key.src};
      for (std::size_t h = 0; h < split.links.size(); ++h) {
        EXPECT_NEAR(split.shares[h], expected.at(split.links[h]), 1e-12);
        EXPECT_TRUE(reached.contains(fabric.link(split.links[h]).from));
        reached.insert(fabric.link(split.links[h]).to);
      }
    }
  }
}

TEST(UdpPort, StaysAmongDynamicPorts) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1, hosts: 1 }");
  const VertexId nic = fabric.host(HostId{0}).first_nic, other{Index(nic) + 1};
  RoutingPolicy policy;
  std::set<std::uint16_t> drawn, attempts;
  for (std::uint32_t q = 0; q < 100; ++q) {
    drawn.insert(Router(fabric, policy).UdpPort(nic, other, kSeed, q));
    attempts.insert(Router(fabric, policy).UdpPort(nic, other, kSeed, 0, q));
    EXPECT_GE(*drawn.begin(), 49152);
  }
  EXPECT_GT(drawn.size(), 90u);
  EXPECT_GT(attempts.size(), 90u);
  policy.udp_port = UdpPortRule::kSequential;
  EXPECT_EQ(Router(fabric, policy).UdpPort(nic, other, kSeed, 5), 49157);
  policy.udp_port = UdpPortRule::kPerPair;
  const Router per_pair(fabric, policy);
  EXPECT_EQ(per_pair.UdpPort(nic, other, kSeed, 5), per_pair.UdpPort(nic, other, kSeed, 6));
  EXPECT_NE(per_pair.UdpPort(nic, other, kSeed, 5), per_pair.UdpPort(other, nic, kSeed, 5));
}

TEST(HostPort, AlternatesByQpOrHashes) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1, hosts: 2 }");
  const FlowKey key{fabric.gpu(GpuId{0}), fabric.gpu(GpuId{8})};
  RoutingPolicy policy;
  const Router by_qp(fabric, policy);
  for (std::uint32_t q = 0; q < 6; ++q) EXPECT_EQ(by_qp.HostPort(key, kSeed, q), q % 2);
  policy.host_port = HostPortRule::kHash;
  const Router hashed(fabric, policy);
  int ones = 0;
  const int flows = 4096;
  for (int f = 0; f < flows; ++f) {
    FlowKey flow = key;
    flow.entropy = static_cast<std::uint16_t>(f);
    EXPECT_EQ(hashed.HostPort(flow, kSeed, 0), hashed.HostPort(flow, kSeed, 1));
    ones += hashed.HostPort(flow, kSeed, 0);
  }
  EXPECT_NEAR(ones, flows / 2, 4 * std::sqrt(flows) / 2) << "seed 1";
}

// The whole of eight pods: built, routed, and some pairs found across pods.
TEST(Router, CrossesEightPods) {
  const Fabric fabric = MakeFabric("{ preset: hpn, pods: 8 }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  Random random(9);
  std::vector<LinkId> path;
  for (int i = 0; i < 1000; ++i) {
    const GpuId src{random.Below(fabric.gpu_count())}, dst{random.Below(fabric.gpu_count())};
    const FlowKey key{fabric.gpu(src), fabric.gpu(dst), static_cast<std::uint8_t>(i % 2),
                      static_cast<std::uint16_t>(i), 0};
    const Host &from = fabric.host(fabric.vertex(key.src).host),
               &to = fabric.host(fabric.vertex(key.dst).host);
    if (from.first_gpu == to.first_gpu) continue;
    ASSERT_TRUE(router.Path(key, kSeed, state, path));
    // A rail's ToR, or up to an Agg, or up to a core.
    const std::uint32_t hops = from.pod != to.pod ? 6 : from.segment != to.segment ? 4 : 2;
    ASSERT_EQ(NetworkCost(fabric, path), hops);
  }
}

}  // namespace
}  // namespace weft
