#include <boost/graph/dijkstra_shortest_paths.hpp>
#include <map>
#include <set>

#include "tests/topology/fabrics.h"
#include "topology/families/galois.h"
#include "topology/router.h"

namespace weft {
namespace {

using testing::HasSubstr;

struct Drawn {
  std::string text;
  int radix = 0;                // of every switch, at 100 Gb/s; 0: not given
  double oversubscription = 0;  // 0: not asked for
  double spine_oversubscription = 0;
};

std::string HostText(Random& random, std::uint32_t gpus, std::uint32_t nics) {
  const std::uint32_t ports = 1 + random.Below(2);
  return fmt::format("host: {{ preset: hgx-h800, gpus: {}, nics: {}, nic: {}Gbps, nic_ports: {} }}",
                     gpus, nics, ports * (random.Below(3) == 0 ? 50 : 100), ports);
}

// Some cannot be built; most can.
Drawn DrawClos(Random& random) {
  const auto one_to = [&](std::uint32_t most) { return 1 + random.Below(most); };
  const std::uint32_t nics = one_to(4), radix = 4 + 2 * random.Below(7);
  const double ratios[] = {1, 1, 2, 3, 0.5};
  Drawn out;
  out.radix = static_cast<int>(radix);
  out.oversubscription = ratios[random.Below(5)];
  out.spine_oversubscription = ratios[random.Below(3)];
  const std::string common = fmt::format(
      "oversubscription: {}, spine_oversubscription: {}, spines: {}, cores: {}, link: 100Gbps, "
      "switch: {{ rate: {}Gbps, ports: {} }}, {}",
      out.oversubscription, out.spine_oversubscription, random.Below(2) == 0 ? "even" : "minimum",
      random.Below(2) == 0 ? "even" : "minimum", 100 * radix, 2 * radix,
      HostText(random, nics * one_to(2), nics));
  const char* planes = random.Below(3) == 0 ? "planes: 1, " : "";
  switch (random.Below(3)) {
    case 0:
      out.text = fmt::format("{{ family: fat_tree, endpoints: {}, {} }}", nics * one_to(3 * radix),
                             common);
      break;
    case 1:
      out.text = fmt::format(
          "{{ family: rail_optimized, units: {}, hosts_per_unit: {}, rail_groups: {}, {}{} }}",
          one_to(6), one_to(radix / 2), random.Below(4) == 0 ? "true" : "false", planes, common);
      break;
    default:
      out.text = fmt::format("{{ family: rail_only, hosts: {}, {}{} }}", one_to(4 * radix), planes,
                             common);
  }
  return out;
}

Drawn DrawRouters(Random& random) {
  const auto one_to = [&](std::uint32_t most) { return 1 + random.Below(most); };
  if (random.Below(2) == 0)
    return {fmt::format("{{ family: slim_fly, q: {}, p: {}, link: 100Gbps }}",
                        std::vector{3, 4, 5, 7, 8, 9}[random.Below(6)], one_to(3)),
            0, 0, 0};
  const std::uint32_t a = one_to(4), h = one_to(3);
  return {fmt::format("{{ family: dragonfly, p: {}, a: {}, h: {}, groups: {}, link: 100Gbps }}",
                      one_to(3), a, h, 2 + random.Below(a * h)),
          0, 0, 0};
}

void CheckPorts(const Fabric& fabric, const Drawn& drawn) {
  std::set<std::pair<VertexId, std::uint8_t>> nic_ports;
  std::map<VertexId, double> used_bps;
  std::map<VertexId, int> used;
  for (const Link& link : fabric.links()) {
    if (link.link_class != LinkClass::kNetwork) continue;
    used_bps[link.from] += link.rate.bits_per_second();
    ++used[link.from];
    const Link& back = fabric.link(link.reverse);
    EXPECT_EQ(back.from, link.to);
    EXPECT_EQ(back.rate, link.rate);
    if (fabric.vertex(link.from).kind == VertexKind::kNic) {
      EXPECT_TRUE(nic_ports.emplace(link.from, link.number).second);
    } else if (fabric.vertex(link.to).kind == VertexKind::kSwitch) {
      EXPECT_EQ(fabric.vertex(link.from).plane, fabric.vertex(link.to).plane);
    }
  }
  std::size_t ports = 0;
  for (const Host& host : fabric.hosts())
    for (std::uint16_t n = 0; n < host.nics; ++n)
      ports += fabric.PortCount(VertexId{Index(host.first_nic) + n});
  EXPECT_EQ(nic_ports.size(), ports);
  EXPECT_EQ(static_cast<std::int64_t>(ports), fabric.counts().tiers[0].links_down);
  if (drawn.radix == 0) return;
  for (const auto& [vertex, bps] : used_bps)
    if (fabric.vertex(vertex).kind == VertexKind::kSwitch) {
      EXPECT_LE(bps, drawn.radix * 100e9 * (1 + 1e-9)) << fabric.Name(vertex);
      EXPECT_LE(used[vertex], 2 * drawn.radix) << fabric.Name(vertex);
    }
}

// Of a leaf that is full it is what was asked; of any switch no more.
void CheckOversubscription(const Fabric& fabric, const Drawn& drawn) {
  if (drawn.oversubscription == 0) return;
  std::map<VertexId, std::pair<double, double>> down_up;
  for (const Link& link : fabric.links()) {
    if (link.link_class != LinkClass::kNetwork ||
        fabric.vertex(link.from).kind != VertexKind::kSwitch)
      continue;
    const bool up = fabric.vertex(link.to).tier > fabric.vertex(link.from).tier;
    auto& rates = down_up[link.from];
    (up ? rates.second : rates.first) += link.rate.bits_per_second();
  }
  double largest_bps = 0, of_largest = 0;
  for (const auto& [vertex, rates] : down_up) {
    if (rates.second == 0) continue;
    const bool leaf = fabric.vertex(vertex).tier == 1;
    const double asked = leaf ? drawn.oversubscription : drawn.spine_oversubscription;
    EXPECT_LE(rates.first / rates.second, asked * (1 + 1e-9)) << fabric.Name(vertex);
    if (leaf && rates.first > largest_bps) {
      largest_bps = rates.first;
      of_largest = rates.first / rates.second;
    }
  }
  const auto slots = fabric.limits().tier1_gpus;
  ASSERT_TRUE(slots);
  if (of_largest > 0 && fabric.counts().gpus >= *slots) {
    EXPECT_NEAR(of_largest, drawn.oversubscription, 1e-9);
  }
}

// Oracle: Boost's Dijkstra over the switches, a dragonfly's global cables at their cost.
std::uint32_t CostOf(const Fabric& fabric, VertexId nic, VertexId dst, std::uint8_t port) {
  constexpr std::uint32_t kFar = 1'000'000;
  std::vector<std::uint32_t> weight(fabric.link_count(), kFar);
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    const auto is_switch = [&](VertexId v) { return fabric.vertex(v).kind == VertexKind::kSwitch; };
    const bool first = link.from == nic && link.link_class == LinkClass::kNetwork;
    if (first ? link.number == port
              : is_switch(link.from) && (is_switch(link.to) || link.to == dst))
      weight[l] = link.cost;
  }
  const auto& graph = fabric.graph();
  std::vector<std::uint32_t> distance(fabric.vertex_count());
  boost::dijkstra_shortest_paths(
      graph, Index(nic),
      boost::weight_map(
          boost::make_iterator_property_map(weight.begin(), boost::get(boost::edge_index, graph)))
          .distance_map(distance.data()));
  return distance[Index(dst)] >= kFar ? kFar : distance[Index(dst)];
}

void CheckPairs(const Fabric& fabric, Random& random) {
  const Router router(fabric, {});
  const LinkState state(fabric);
  std::vector<LinkId> path;
  for (int i = 0; i < 12; ++i) {
    const VertexId src = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
    const VertexId dst = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
    const VertexId nic = router.SourceNic(src, dst);
    if (nic == kNoVertex) continue;
    const auto port = static_cast<std::uint8_t>(random.Below(fabric.PortCount(nic)));
    const FlowKey key{src, dst, port, static_cast<std::uint16_t>(random.Below(65536)), 0};
    ASSERT_TRUE(router.Path(key, HashSeed{7}, state, path))
        << fabric.Name(src) << " to " << fabric.Name(dst);
    std::uint32_t cost = 0, global = 0;
    for (const LinkId link : path)
      if (fabric.link(link).link_class == LinkClass::kNetwork) {
        cost += fabric.link(link).cost;
        if (fabric.link(link).cost > 1) ++global;
      }
    EXPECT_EQ(cost, CostOf(fabric, nic, fabric.NicOf(dst), port));
    EXPECT_LE(global, 1u);
  }
}

TEST(EveryFamily, ConservesPortsAndJoinsEveryPair) {
  int built = 0;
  constexpr int kSeeds = 200;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Random random(StreamSeed(seed, {78}));
    const Drawn drawn = seed % 4 == 0 ? DrawRouters(random) : DrawClos(random);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ' ' << drawn.text);
    const Result<Fabric> fabric = TryFabric(drawn.text);
    if (!fabric) {
      for (const Error& error : fabric.error()) EXPECT_GT(error.pos.line, 0) << error.message;
      continue;
    }
    ++built;
    CheckPorts(*fabric, drawn);
    CheckOversubscription(*fabric, drawn);
    const auto& tiers = fabric->counts().tiers;
    for (std::size_t t = 1; t < tiers.size(); ++t)
      EXPECT_EQ(tiers[t].links_down, tiers[t - 1].links_up);
    EXPECT_EQ(tiers.back().links_up, 0);
    if (const auto& rule = fabric->spine_rule()) {
      EXPECT_LE(rule->minimum, rule->even);
      EXPECT_EQ(tiers[1].switches, rule->policy == "even" ? rule->even : rule->minimum);
    }
    CheckPairs(*fabric, random);
    if (HasFailure()) return;
  }
  EXPECT_GE(built, kSeeds / 2);
}

// [BH14 §II]: 2 q^2 routers of (3q - d)/2 cables, any two at most two cables apart.
TEST(SlimFly, HasDiameterTwoOverEveryField) {
  for (const int q : {3, 4, 5, 7, 8, 9, 11, 13, 16, 17, 25, 27}) {
    SCOPED_TRACE(q);
    const Fabric fabric =
        MakeFabric(fmt::format("{{ family: slim_fly, q: {}, p: 1, link: 100Gbps }}", q));
    const auto routers = static_cast<std::uint32_t>(2 * q * q);
    ASSERT_EQ(fabric.counts().tiers[0].switches, routers);
    const std::uint32_t first = fabric.vertex_count() - routers;
    const int delta = q % 4 == 3 ? -1 : q % 4;
    std::vector<std::vector<bool>> joined(routers, std::vector<bool>(routers, false));
    std::vector<std::vector<std::uint32_t>> neighbours(routers);
    for (std::uint32_t r = 0; r < routers; ++r) {
      for (const Link& link : fabric.links_from(VertexId{first + r})) {
        if (fabric.vertex(link.to).kind != VertexKind::kSwitch) continue;
        const std::uint32_t to = Index(link.to) - first;
        EXPECT_FALSE(joined[r][to]) << "twice, or to itself";
        joined[r][to] = true;
        neighbours[r].push_back(to);
      }
      ASSERT_EQ(static_cast<int>(neighbours[r].size()), (3 * q - delta) / 2);
    }
    std::uint32_t far = 0;
    for (std::uint32_t r = 0; r < routers; ++r) {
      std::vector<bool> near = joined[r];
      near[r] = true;
      for (const std::uint32_t n : neighbours[r])
        for (const std::uint32_t m : neighbours[n]) near[m] = true;
      for (std::uint32_t s = 0; s < routers; ++s)
        if (!near[s]) ++far;
    }
    EXPECT_EQ(far, 0u);
  }
}

// The field's laws, by trying them all.
TEST(GaloisField, IsAField) {
  for (const std::uint32_t q : {2u, 3u, 4u, 5u, 7u, 8u, 9u, 16u, 25u, 27u}) {
    SCOPED_TRACE(q);
    const auto field = GaloisField::Make(q);
    ASSERT_TRUE(field);
    for (std::uint32_t a = 0; a < q; ++a) {
      std::set<std::uint32_t> sums, products;
      for (std::uint32_t b = 0; b < q; ++b) {
        sums.insert(field->Add(a, b));
        products.insert(field->Multiply(a, b));
        EXPECT_EQ(field->Multiply(a, b), field->Multiply(b, a));
        for (std::uint32_t c = 0; c < q; ++c)
          ASSERT_EQ(field->Multiply(a, field->Add(b, c)),
                    field->Add(field->Multiply(a, b), field->Multiply(a, c)));
      }
      EXPECT_EQ(sums.size(), q);
      EXPECT_EQ(products.size(), a == 0 ? 1u : q);
    }
  }
  for (const std::uint32_t q : {0u, 1u, 6u, 12u, 28u, 100u}) EXPECT_FALSE(GaloisField::Make(q));
}

// 511 groups of 32 routers: every two groups joined, every router with 16 global cables.
TEST(Dragonfly, JoinsEveryTwoGroups) {
  for (const auto& [a, h, groups] : std::vector<std::tuple<int, int, int>>{
           {4, 2, 9}, {4, 2, 8}, {4, 2, 5}, {3, 3, 4}, {4, 4, 2}, {8, 4, 31}}) {
    SCOPED_TRACE(testing::Message() << a << ' ' << h << ' ' << groups);
    const Fabric fabric = MakeFabric(fmt::format(
        "{{ family: dragonfly, p: 1, a: {}, h: {}, groups: {}, link: 100Gbps }}", a, h, groups));
    std::set<std::pair<int, int>> pairs;
    std::map<VertexId, int> global;
    for (const Link& link : fabric.links()) {
      if (link.cost == 1) continue;
      const int from = fabric.vertex(link.from).pod, to = fabric.vertex(link.to).pod;
      EXPECT_NE(from, to);
      pairs.emplace(from, to);
      ++global[link.from];
    }
    EXPECT_EQ(static_cast<int>(pairs.size()), groups * (groups - 1));
    for (const auto& [router, count] : global) EXPECT_LE(count, h);
    EXPECT_EQ(fabric.counts().lateral_links, groups * (a * (a - 1) + a * h) / 2);
  }
  // An odd port of an odd number of groups has no partner.
  const Fabric odd =
      MakeFabric("{ family: dragonfly, p: 1, a: 3, h: 1, groups: 3, link: 100Gbps }");
  EXPECT_EQ(odd.counts().lateral_links, 3 * 3 + 3);
  ASSERT_EQ(odd.notes().size(), 1u);
  EXPECT_THAT(odd.notes()[0], HasSubstr("stays free"));
}

// Minimal: one global cable, though two would be fewer hops here and there [KDSA08 §4].
TEST(Dragonfly, TakesOneGlobalCableAtMost) {
  const Fabric fabric =
      MakeFabric("{ family: dragonfly, p: 1, a: 4, h: 2, groups: 9, link: 100Gbps }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  std::vector<LinkId> path;
  std::set<std::size_t> lengths;
  for (std::uint32_t s = 0; s < fabric.gpu_count(); ++s)
    for (std::uint32_t d = 0; d < fabric.gpu_count(); ++d) {
      if (s == d) continue;
      ASSERT_TRUE(
          router.Path({fabric.gpu(GpuId{s}), fabric.gpu(GpuId{d})}, HashSeed{1}, state, path));
      std::size_t global = 0;
      for (const LinkId link : path)
        if (fabric.link(link).cost > 1) ++global;
      EXPECT_EQ(global, s / 4 == d / 4 ? 0u : 1u);
      lengths.insert(path.size() - 4);  // PCIe and NIC cable at both ends
    }
  EXPECT_EQ(lengths, (std::set<std::size_t>{1, 2, 3}));
}

// With cables down ways of equal cost have unlike numbers of hops: all of them arrive whole.
TEST(Dragonfly, SplitsWithoutLoss) {
  const Fabric fabric =
      MakeFabric("{ family: dragonfly, p: 1, a: 4, h: 2, groups: 9, link: 100Gbps }");
  const Router router(fabric, {});
  std::size_t split_ways = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    LinkState state(fabric);
    for (int fault = 0; fault < 12; ++fault) {
      const LinkId link{random.Below(fabric.link_count())};
      if (fabric.vertex(fabric.link(link).from).kind != VertexKind::kSwitch ||
          fabric.vertex(fabric.link(link).to).kind != VertexKind::kSwitch)
        continue;
      state.Apply(fabric, {ElementId::Kind::kCable, Index(link)}, {false, 1, Direction::kBoth});
    }
    SplitPath split;
    for (std::uint32_t s = 0; s < fabric.gpu_count(); ++s) {
      const VertexId src = fabric.gpu(GpuId{s}),
                     dst = fabric.gpu(GpuId{random.Below(fabric.gpu_count())});
      if (src == dst || !router.Split({src, dst}, state, split)) continue;
      std::map<VertexId, double> balance{{src, 1}, {dst, -1}};
      for (std::size_t h = 0; h < split.links.size(); ++h) {
        balance[fabric.link(split.links[h]).from] -= split.shares[h];
        balance[fabric.link(split.links[h]).to] += split.shares[h];
        if (split.shares[h] < 1) ++split_ways;
      }
      for (const auto& [vertex, left] : balance) EXPECT_NEAR(left, 0, 1e-12) << Index(vertex);
    }
  }
  EXPECT_GT(split_ways, 100u);
}

// Another rail's GPU: NVLink to that rail's GPU, then its NIC, never from rail to rail outside.
TEST(RailOnly, CrossesRailsByNvlink) {
  const Fabric fabric = MakeFabric(
      "{ family: rail_only, hosts: 128, host: { preset: hgx-h100 }, switch: { preset: qm9700 } }");
  const Router router(fabric, {});
  const LinkState state(fabric);
  std::vector<LinkId> path;
  ASSERT_TRUE(router.Path({fabric.gpu(GpuId{0}), fabric.gpu(GpuId{127 * 8 + 5})}, HashSeed{1},
                          state, path));
  std::string names;
  for (const LinkId link : path) names += fabric.Name(fabric.link(link).to) + ' ';
  EXPECT_THAT(names, HasSubstr("host0/nvswitch host0/gpu5 host0/nic5 plane5/leaf0 plane5/spine"));
  EXPECT_THAT(names, HasSubstr("plane5/leaf3 host127/nic5 host127/gpu5"));
}

TEST(Fabric, NamesClosSwitchesByPodPlaneAndSegment) {
  const auto last = [](const std::string& text) { return NameRanges(MakeFabric(text)); };
  EXPECT_THAT(last("{ preset: superpod_ndr, units: 2 }"),
              testing::Contains("segment0/leaf0 … segment1/leaf7"));
  EXPECT_THAT(last("{ preset: superpod_b300_ethernet, units: 2 }"),
              testing::Contains("plane0/segment0/leaf0 … plane1/segment1/leaf7"));
  EXPECT_THAT(last("{ preset: superpod_gb200, units: 2 }"),
              testing::IsSupersetOf({"pod0/segment0/leaf0 … pod1/segment7/leaf3",
                                     "pod0/spine0 … pod1/spine23", "core0 … core17"}));
  const Fabric fabric = MakeFabric("{ preset: superpod_gb200, units: 2 }");
  std::set<std::string> names;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v)
    EXPECT_TRUE(names.insert(fabric.Name(VertexId{v})).second);
  EXPECT_TRUE(fabric.FindElement("pod1/segment7/leaf3/spine20"));
}

}  // namespace
}  // namespace weft
