#include "planner/design.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "base/random.h"
#include "scenario/prepare.h"

namespace weft {
namespace {

Design H800(std::int64_t hosts) {
  Design design;
  design.hosts = hosts;
  design.nic = design.uplink = GigabitsPerSecond(400);
  design.chip = GigabitsPerSecond(51'200);
  design.chip_ports = 512;
  return design;
}

// 632 hosts of eight: 64 of each rail a leaf, so ten sets of eight leaves; 80 · 64 uplinks need
// 40 spines of 128 ports, and 64 is the next divisor of 64.
TEST(CountDesign, CountsTheTwoTiersOf5056) {
  Design design = H800(632);
  const auto even = CountDesign(design);
  ASSERT_TRUE(even);
  EXPECT_EQ(even->leaves, 80);
  EXPECT_EQ(even->minimum_spines, 40);
  EXPECT_EQ(even->spines, 64);
  EXPECT_EQ(even->nic_links, 5056);
  EXPECT_EQ(even->leaf_links, 5120);
  EXPECT_EQ(even->reach_gpus, 8192);  // 128 leaves on 64 spines
  design.even = false;
  EXPECT_EQ(CountDesign(design)->spines, 40);
}

// On 64 ports of 400G two tiers stop at 2,048: 20 sets of eight leaves in five pods of four,
// 32 spines a pod, and cores for 160 · 32 links.
TEST(CountDesign, GoesToThreeTiersOn25T) {
  Design design = H800(632);
  design.chip = GigabitsPerSecond(25'600);
  design.chip_ports = 256;
  const auto two = CountDesign(design);
  ASSERT_FALSE(two);
  EXPECT_EQ(two.error().rule, "reach");
  design.tiers = 3;
  const auto three = CountDesign(design);
  ASSERT_TRUE(three);
  EXPECT_EQ(three->leaves, 160);
  EXPECT_EQ(three->spines, 160);
  EXPECT_EQ(three->minimum_cores, 80);
  EXPECT_EQ(three->cores, 128);  // 1,024 uplinks of a pod spread evenly over 128, not over 96
}

TEST(CountDesign, CountsTheHpnPod) {
  Design design = H800(1920);
  design.family = DesignFamily::kHpn;
  design.nic_ports = 2;
  const auto counts = CountDesign(design);
  ASSERT_TRUE(counts) << counts.error().text;
  EXPECT_EQ(counts->leaves, 240);
  EXPECT_EQ(counts->spines, 120);
  EXPECT_EQ(counts->cores, 0);
  EXPECT_EQ(counts->nic_links, 30'720);
  EXPECT_EQ(counts->leaf_links, 14'400);
  EXPECT_EQ(counts->reach_gpus, 122'880);
}

Design DrawDesign(Random& random) {
  Design design;
  design.family = kDesignFamilies[random.Below(4)];
  const bool hpn = design.family == DesignFamily::kHpn;
  design.gpus_of_host = design.nics_of_host = hpn ? 8 : 1 << random.Below(4);
  design.hosts = 1 + random.Below(hpn ? 300 : 600);
  design.nic_ports = hpn ? 2 : 1 << random.Below(3);
  design.port_planes = random.Below(3) != 0;
  design.nic = GigabitsPerSecond(random.Below(2) == 0 ? 200 : 400);
  design.uplink = random.Below(2) == 0 ? design.nic_port() : GigabitsPerSecond(400);
  const double chips[] = {12'800, 25'600, 51'200};
  const std::uint32_t chip = hpn ? 2 : random.Below(3);
  design.chip = GigabitsPerSecond(chips[chip]);
  design.chip_ports = static_cast<int>(128 << chip);
  const bool one_tier =
      design.family == DesignFamily::kRailOnly || design.family == DesignFamily::kFatTree;
  design.tiers = static_cast<int>((one_tier ? 1 : 2) + random.Below(one_tier ? 3 : 2));
  const double ratios[] = {1, 1, 2, 3, 7};
  design.oversubscription = ratios[random.Below(5)];
  design.spine_oversubscription = ratios[random.Below(5)];
  design.even = random.Below(2) == 0;
  return design;
}

Result<std::shared_ptr<const Fabric>> Build(const Design& design, const DesignCounts& counts) {
  // Hosts of any shape: a preset's GPUs and NICs are overridden.
  std::string text = FabricText(design, counts, "hgx-h100", "switch-51t2");
  const auto replace = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  replace("preset: hgx-h100", fmt::format("preset: hgx-h100, gpus: {}, nics: {}",
                                          design.gpus_of_host, design.nics_of_host));
  replace("preset: switch-51t2",
          fmt::format("rate: {}Gbps, ports: {}", design.chip.bits_per_second() / 1e9,
                      design.chip_ports));
  const auto spec = ParseScenario("fabric: " + text + "\n", "design", {}, nullptr);
  if (!spec) return tl::make_unexpected(spec.error());
  FabricCache cache;
  return PrepareFabric(*spec, cache);
}

// Oracle: the fabric that topology/ builds from the design's text.
TEST(CountDesign, EqualsTheFabricThatIsBuilt) {
  int built = 0, refused = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Design design = DrawDesign(random);
    SCOPED_TRACE(DesignName(design));
    const auto counts = CountDesign(design);
    if (!counts) {
      ++refused;
      continue;
    }
    const auto fabric = Build(design, *counts);
    ASSERT_TRUE(fabric) << fabric.error()[0] << FabricText(design, *counts, "h", "s");
    ++built;
    const FabricCounts& of = (*fabric)->counts();
    EXPECT_EQ(of.gpus, design.gpus());
    ASSERT_GE(of.tiers.size(), 1u);
    EXPECT_EQ(of.tiers[0].switches, counts->leaves);
    EXPECT_EQ(of.tiers[0].links_down, counts->nic_links);
    if (design.tiers == 1) continue;
    EXPECT_EQ(of.tiers[0].links_up, counts->leaf_links);
    ASSERT_EQ(of.tiers.size(), static_cast<std::size_t>(design.tiers));
    EXPECT_EQ(of.tiers[1].switches, counts->spines);
    if (design.tiers == 2) continue;
    EXPECT_EQ(of.tiers[1].links_up, counts->spine_links);
    EXPECT_EQ(of.tiers[2].switches, counts->cores);
  }
  EXPECT_GT(built, 150);
  EXPECT_GT(refused, 30);
}

// The balanced dragonfly of [KDSA08 §3], a = 2p = 2h, of 513 groups: local cables carry
// (2g - 1) / 2g of a port's rate, global ones (g - 1) / g. The Hoffman-Singleton graph, q = 5, with
// four endpoints a router: 7 neighbours a hop away and 42 two, over 7 cables.
TEST(UniformLoad, IsThatOfPublishedShapes) {
  Design design = H800(1);
  design.family = DesignFamily::kDragonfly;
  design.routers = {16, 32, 16, 513, 0};
  EXPECT_NEAR(UniformLoad(design), 1025.0 / 1026, 1e-12);
  EXPECT_NEAR(WorstLoad(design), 512, 1e-9);  // one cable between two groups
  design.routers = {29, 72, 15, 2, 0};  // two routers of a group have one cable for 29 endpoints
  EXPECT_NEAR(WorstLoad(design), 29, 1e-9);
  design.family = DesignFamily::kSlimFly;
  design.routers = {4, 0, 0, 0, 5};
  EXPECT_EQ(design.routers.routers(), 50);
  EXPECT_EQ(design.routers.degree(), 7);
  EXPECT_NEAR(UniformLoad(design), 4 * (7 + 2 * 42) / 50.0 / 7, 1e-12);
}

// The most hosts on one router, by its cables.
std::size_t MostHostsOfRouter(const Fabric& fabric) {
  std::map<VertexId, std::set<std::uint32_t>> hosts;
  for (const Link& link : fabric.links())
    if (fabric.vertex(link.from).kind == VertexKind::kNic &&
        fabric.vertex(link.to).kind == VertexKind::kSwitch)
      hosts[link.to].insert(Index(fabric.vertex(link.from).host));
  std::size_t out = 0;
  for (const auto& [router, of] : hosts) out = std::max(out, of.size());
  return out;
}

// Oracle: the fabric that topology/ builds, of every shape that random needs come to; and of its
// routers, by counting cables, what a shape's parameters say.
TEST(RouterShapes, EqualTheFabricsThatAreBuilt) {
  int built = 0;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    Design design = H800(1 + random.Below(300));
    design.family = random.Below(2) == 0 ? DesignFamily::kDragonfly : DesignFamily::kSlimFly;
    design.gpus_of_host = design.nics_of_host = 1 << random.Below(4);
    design.tiers = 1;
    design.nic = GigabitsPerSecond(random.Below(2) == 0 ? 200 : 400);
    design.uplink = random.Below(2) == 0 ? design.nic : GigabitsPerSecond(400);
    design.chip = GigabitsPerSecond(12'800 << random.Below(3));
    design.chip_ports = static_cast<int>(design.chip.bits_per_second() / 100e9);
    design.oversubscription = 1 + random.Below(4);
    for (const RouterShape& shape : RouterShapes(design)) {
      design.routers = shape;
      SCOPED_TRACE(DesignName(design));
      const auto counts = CountDesign(design);
      ASSERT_TRUE(counts) << counts.error().text;
      EXPECT_LE(UniformLoad(design), design.oversubscription * (1 + 1e-9));
      const auto fabric = Build(design, *counts);
      ASSERT_TRUE(fabric) << fabric.error()[0] << FabricText(design, *counts, "h", "s");
      const FabricCounts& of = (*fabric)->counts();
      EXPECT_EQ(of.gpus, design.gpus());
      EXPECT_EQ(of.tiers[0].switches, counts->leaves);
      EXPECT_EQ(of.tiers[0].links_down, counts->nic_links);
      EXPECT_EQ(of.lateral_links, counts->leaf_links);
      // Where so few hosts are there that not every way to begin inside one occurs, at most.
      const auto most = static_cast<std::int64_t>(MostHostsOfRouter(**fabric));
      const std::int64_t leaf_hosts = counts->leaf_gpus / design.gpus_of_host;
      EXPECT_LE(most, leaf_hosts);
      if (design.hosts >= shape.p) {
        EXPECT_EQ(most, leaf_hosts);
      }
      ++built;
    }
  }
  EXPECT_GT(built, 60);
}

// 512 endpoints: of Slim Fly q = 8 and 9 with 4 each have cables for 6 and 7 [BH14 §II-B2], q = 11
// for 9, and less than half would be used; a dragonfly's groups are a ~ 2p [KDSA08 §3.1].
TEST(RouterShapes, LeavesNoRouterIdle) {
  Design design = H800(64);
  design.family = DesignFamily::kSlimFly;
  design.tiers = 1;
  design.nic = design.uplink = GigabitsPerSecond(400);
  design.chip = GigabitsPerSecond(51'200);
  design.chip_ports = 512;
  std::vector<std::string> fly;
  for (const RouterShape& shape : RouterShapes(design))
    fly.push_back(fmt::format("q{}-p{}", shape.q, shape.p));
  EXPECT_THAT(fly, testing::ElementsAre("q8-p4"));  // of 162 routers' places 512 are too few
  design.family = DesignFamily::kDragonfly;
  const std::vector<RouterShape> dragonfly = RouterShapes(design);
  EXPECT_FALSE(dragonfly.empty());
  for (const RouterShape& shape : dragonfly) {
    EXPECT_LE(shape.a, 4 * shape.p) << shape.p << ' ' << shape.a << ' ' << shape.groups;
    EXPECT_GE(2 * shape.a, 2 * shape.p) << shape.p << ' ' << shape.a << ' ' << shape.groups;
  }
  // Of 17 hosts at 3:1 a shape of twice their places is not worth it, full or not.
  design.hosts = 17;
  design.oversubscription = 3;
  for (const DesignFamily family : {DesignFamily::kDragonfly, DesignFamily::kSlimFly}) {
    design.family = family;
    const std::vector<RouterShape> few = RouterShapes(design);
    EXPECT_FALSE(few.empty());
    for (const RouterShape& shape : few) {
      design.routers = shape;
      const double filled = 136 / static_cast<double>(shape.p * shape.routers());
      EXPECT_GE(UniformLoad(design) * filled, 1.5 * (1 - 1e-9)) << DesignName(design);
    }
  }
}

// The other way round: what the closed form refuses cannot be built either.
TEST(CountDesign, RefusesOnlyWhatCannotBeBuilt) {
  for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Design design = DrawDesign(random);
    if (design.family == DesignFamily::kHpn) continue;  // refuses unequal segments by choice
    const auto counts = CountDesign(design);
    if (counts || counts.error().rule != "reach" || design.tiers != 2) continue;
    DesignCounts guess;  // rail_optimized says its leaves itself
    if (design.family == DesignFamily::kRailOptimized) continue;
    const auto fabric = Build(design, guess);
    EXPECT_FALSE(fabric) << DesignName(design);
  }
}

}  // namespace
}  // namespace weft
