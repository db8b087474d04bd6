#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using testing::HasSubstr;

struct Row {
  const char* fabric;
  std::int64_t gpus;
  std::vector<std::int64_t> switches;  // by tier
  std::vector<std::int64_t> links;     // down of tier 1, up of tier 1, up of tier 2 …
};

void Check(const Row& row) {
  SCOPED_TRACE(row.fabric);
  const Fabric fabric = MakeFabric(row.fabric);
  const FabricCounts& counts = fabric.counts();
  EXPECT_EQ(counts.gpus, row.gpus);
  std::vector<std::int64_t> switches, links{counts.tiers[0].links_down};
  for (const TierCount& tier : counts.tiers) {
    switches.push_back(tier.switches);
    if (tier.links_up > 0) links.push_back(tier.links_up);
  }
  EXPECT_EQ(switches, row.switches);
  EXPECT_EQ(links, row.links);
  EXPECT_EQ(counts.lateral_links, 0);
}

// [NV-SPB200], every row of the compute fabric's table.
TEST(SuperpodNdr, CountsEveryPublishedRow) {
  const Row rows[] = {
      {"{ preset: superpod_ndr, units: 2 }", 512, {16, 8}, {512, 512}},
      {"{ preset: superpod_ndr, units: 4 }", 1024, {32, 16}, {1024, 1024}},
      {"{ preset: superpod_ndr, units: 8 }", 2048, {64, 32}, {2048, 2048}},
      {"{ preset: superpod_ndr, units: 16 }", 4096, {128, 128, 64}, {4096, 4096, 4096}},
      {"{ preset: superpod_ndr, units: 32 }", 8192, {256, 256, 128}, {8192, 8192, 8192}},
      {"{ preset: superpod_ndr, units: 64 }", 16384, {512, 512, 256}, {16384, 16384, 16384}},
  };
  for (const Row& row : rows) Check(row);
}

// [NV-SPH100 Table 4]: 252, 508, 764 and 1,020 cables "Compute and UFM" for 31, 63, 95, 127 nodes.
TEST(SuperpodNdrAsBuilt, CountsEveryPublishedRowAndTheManagersPortsApart) {
  const std::int64_t spines[] = {4, 8, 16, 16};
  for (std::int64_t units = 1; units <= 4; ++units) {
    const std::string text = fmt::format("{{ preset: superpod_ndr_asbuilt, units: {} }}", units);
    const std::int64_t gpus = units * 256 - 8;
    Check({text.c_str(), gpus, {units * 8, spines[units - 1]}, {gpus, units * 256}});
    const Fabric fabric = MakeFabric(text);
    EXPECT_EQ(fabric.provisioned().gpus, gpus);
    EXPECT_EQ(fabric.provisioned().tiers[0].links_down, gpus + 4);
    EXPECT_EQ(fabric.counts().hosts, units * 32 - 1);
  }
}

// [NV-SPB300E Table 3]; a cable there carries both planes' links.
TEST(SuperpodB300Ethernet, CountsEveryPublishedRowInTwoPlanes) {
  for (const std::int64_t units : {1, 2, 4, 8, 16}) {
    const std::string text = fmt::format("{{ preset: superpod_b300_ethernet, units: {} }}", units);
    Check({text.c_str(), units * 512, {units * 16, units * 8}, {units * 1024, units * 1024}});
    EXPECT_EQ(MakeFabric(text).planes(), 2);
  }
}

// [NV-SPB300X Table 3]; its 9,216 GPUs in the last row are a misprint of 1,296 hosts.
TEST(SuperpodB300Xdr, CountsEveryPublishedRow) {
  const Row rows[] = {
      {"{ preset: superpod_b300_xdr, units: 1 }", 576, {8, 4}, {576, 576}},
      {"{ preset: superpod_b300_xdr, units: 2 }", 1152, {16, 8}, {1152, 1152}},
      {"{ preset: superpod_b300_xdr, units: 4 }", 2304, {32, 18}, {2304, 2304}},
      {"{ preset: superpod_b300_xdr, units: 8 }", 4608, {64, 36}, {4608, 4608}},
      {"{ preset: superpod_b300_xdr, units: 18 }", 10368, {144, 72}, {10368, 10368}},
  };
  for (const Row& row : rows) Check(row);
  const Fabric largest = MakeFabric("{ preset: superpod_b300_xdr, units: 18 }");
  EXPECT_EQ(largest.counts().hosts, 1296);
  ASSERT_EQ(largest.notes().size(), 1u);
  EXPECT_THAT(largest.notes()[0], HasSubstr("9,216"));
}

// [NV-SPGB200]: 8 leaves and 6 spines a rail and unit, six core groups.
TEST(SuperpodGb200, CountsEveryPublishedRow) {
  for (const std::int64_t units : {2, 4, 8, 16}) {
    const std::string text = fmt::format("{{ preset: superpod_gb200, units: {} }}", units);
    Check({text.c_str(),
           units * 576,
           {units * 32, units * 24, units * 9},
           {units * 576, units * 576, units * 576}});
  }
}

// Two racks short: their leaves and uplinks stay.
TEST(SuperpodGb200, KeepsAUnitThatIsNotFull) {
  const Fabric fabric = MakeFabric("{ preset: superpod_gb200, units: 2, reserved_hosts: 2 }");
  EXPECT_EQ(fabric.counts().gpus, 14 * 72);
  EXPECT_EQ(fabric.counts().tiers[0].switches, 64);
  EXPECT_EQ(fabric.counts().tiers[0].links_up, 1152);
  EXPECT_EQ(fabric.counts().tiers[0].links_down, 14 * 72);
  EXPECT_EQ(fabric.provisioned().gpus, 1152);
  EXPECT_EQ(fabric.provisioned().tiers[0].links_down, 1152);
  EXPECT_EQ(fabric.provisioned().tiers[0].oversubscription, 1);
}

// [META-24K]: 1,536 racks in 8 pods, 7:1 above them; 432 links leave a pod for 3,072 GPUs.
TEST(Meta24k, CountsRacksPodsAndTheirRatios) {
  const Fabric fabric = MakeFabric("preset: meta_24k");
  const FabricCounts& counts = fabric.counts();
  EXPECT_EQ(counts.gpus, 24576);
  EXPECT_EQ(counts.hosts, 3072);
  EXPECT_EQ(counts.tiers[0].switches, 1536);
  EXPECT_EQ(counts.tiers[0].oversubscription, 0.5);
  EXPECT_EQ(fabric.hosts().back().pod, 7);
  EXPECT_EQ(counts.tiers[1].switches, 8 * 16);
  EXPECT_NEAR(24576.0 / static_cast<double>(counts.tiers[1].links_up), 7, 0.12);
}

// [ABC+24]: two zones of 40 leaves and 20 spines, 800 ports each.
TEST(FireFlyer2, CountsTwoZonesWithoutAWayBetweenThem) {
  const Fabric fabric = MakeFabric("preset: fire_flyer2");
  Check({"preset: fire_flyer2", 9600, {80, 40}, {1200, 1600}});
  EXPECT_EQ(fabric.provisioned().gpus, 9600);  // the reserved ports are storage's
  EXPECT_EQ(fabric.provisioned().tiers[0].links_down, 1600);
  EXPECT_EQ(fabric.provisioned().tiers[0].oversubscription, 1);
  EXPECT_EQ(fabric.hosts().front().pod, 0);
  EXPECT_EQ(fabric.hosts().back().pod, 1);
  for (const Link& link : fabric.links())
    if (link.link_class == LinkClass::kNetwork) {
      EXPECT_EQ(fabric.vertex(link.from).pod, fabric.vertex(link.to).pod);
    }
}

// [ZDR+25 Table 3]: FT2, MPFT of eight planes, FT3. Links are those between switches.
TEST(CostTable, BuildsItsTrees) {
  Check({"{ family: fat_tree, tiers: 2, radix: 64, endpoints: 2048, link: 400Gbps }",
         2048,
         {64, 32},
         {2048, 2048}});
  const char* const planes[] = {
      "preset: deepseek_mpft",
      "{ family: fat_tree, tiers: 2, radix: 64, endpoints: 16384, planes: 8, link: 400Gbps }"};
  for (const char* const text : planes) {
    Check({text, 16384, {512, 256}, {16384, 16384}});
    EXPECT_EQ(MakeFabric(text).planes(), 8);
    EXPECT_EQ(MakeFabric(text).limits().tier2_gpus, 16384);
  }
  Check({"{ family: fat_tree, tiers: 3, radix: 64, endpoints: 65536, link: 400Gbps }",
         65536,
         {2048, 2048, 1024},
         {65536, 65536, 65536}});
}

// Its Dragonfly has 511 groups, not the 513 that its routers would reach.
TEST(CostTable, BuildsItsDragonfly) {
  const Fabric fabric =
      MakeFabric("{ family: dragonfly, p: 16, a: 32, h: 16, groups: 511, link: 400Gbps }");
  EXPECT_EQ(fabric.counts().nics, 261632);
  EXPECT_EQ(fabric.counts().tiers[0].switches, 16352);
  EXPECT_EQ(fabric.counts().lateral_links, 384272);
}

// Its Slim Fly of q = 28 does not exist.
TEST(CostTable, CountsItsSlimFlyAndRefusesToBuildIt) {
  const Fabric counts =
      MakeFabric("{ family: slim_fly, q: 28, p: 21, link: 400Gbps, counts_only: true }");
  EXPECT_FALSE(counts.constructible());
  EXPECT_EQ(counts.counts().nics, 32928);
  EXPECT_EQ(counts.counts().tiers[0].switches, 1568);
  EXPECT_EQ(counts.counts().lateral_links, 32928);
  EXPECT_EQ(counts.vertex_count(), 0u);
  ASSERT_EQ(counts.notes().size(), 1u);
  EXPECT_THAT(counts.notes()[0], HasSubstr("not constructible"));
  EXPECT_EQ(ErrorsOf("{ family: slim_fly, q: 28, p: 21, link: 400Gbps }"),
            "test.yaml:1:24: error: 'q' is 28, no power of a prime: there is no field of so many "
            "elements, and no graph; the cost formula alone gives 1568 routers, 32928 cables "
            "between them and 32928 endpoints (q: 27 or 29; or counts_only: true, for the "
            "formula's counts)\n");
  const FabricCounts below =
      MakeFabric("{ family: slim_fly, q: 27, p: 21, link: 400Gbps }").counts();
  EXPECT_EQ(below.tiers[0].switches, 1458);
  EXPECT_EQ(below.lateral_links, 1458 * 41 / 2);
  EXPECT_EQ(below.nics, 30618);
  const FabricCounts above = MakeFabric("{ family: slim_fly, q: 29, link: 400Gbps }").counts();
  EXPECT_EQ(above.tiers[0].switches, 1682);
  EXPECT_EQ(above.lateral_links, 1682 * 43 / 2);
  EXPECT_EQ(above.nics, 1682 * 22);
}

// Two tiers: k^2/2 endpoints on 3k/2 switches; three: k^3/4 on 5k^2/4; r:1 below.
TEST(FatTree, FollowsTheClosedForms) {
  for (const std::int64_t k : {4, 8, 32, 40, 64, 72, 128, 144, 256}) {
    const std::string text = fmt::format(
        "{{ family: fat_tree, tiers: 2, radix: {}, endpoints: {}, link: 400Gbps }}", k, k * k / 2);
    Check({text.c_str(), k * k / 2, {k, k / 2}, {k * k / 2, k * k / 2}});
    EXPECT_THAT(ErrorsOf(fmt::format(
                    "{{ family: fat_tree, tiers: 2, radix: {}, endpoints: {}, link: 400Gbps }}", k,
                    k * k / 2 + 1)),
                HasSubstr(fmt::format("at most {} leaves under one set of spines", k)));
  }
  for (const std::int64_t k : {4, 8, 32, 40}) {
    const std::string text =
        fmt::format("{{ family: fat_tree, tiers: 3, radix: {}, endpoints: {}, link: 400Gbps }}", k,
                    k * k * k / 4);
    const std::int64_t n = k * k * k / 4;
    Check({text.c_str(), n, {k * k / 2, k * k / 2, k * k / 4}, {n, n, n}});
  }
  Check(
      {"{ family: fat_tree, tiers: 2, radix: 64, endpoints: 3072, oversubscription: 3, "
       "link: 400Gbps }",
       3072,
       {64, 16},
       {3072, 1024}});
}

// Two planes by port: one endpoint has a port in each.
TEST(FatTree, PutsThePortsOfANicInPlanes) {
  const Fabric fabric = MakeFabric(
      "{ family: fat_tree, tiers: 2, radix: 128, planes: 2, endpoints: 8192, link: 400Gbps }");
  EXPECT_EQ(fabric.counts().gpus, 8192);
  EXPECT_EQ(fabric.counts().planes, 2);
  EXPECT_EQ(fabric.counts().tiers[0].switches, 256);
  EXPECT_EQ(fabric.counts().tiers[1].switches, 128);
}

// Juniper's stripes are units of 64 hosts: 8,192 GPUs on 128 leaves and 64 spines of 128 x 400G,
// where its table prints the number of hosts, 1,024, as leaves.
TEST(RailOptimized, CountsSixteenStripes) {
  Check({"{ family: rail_optimized, units: 16, hosts_per_unit: 64, host: { preset: hgx-h100 } }",
         8192,
         {128, 64},
         {8192, 8192}});
}

// Juniper's lab: two stripes, four spines, oversubscription against the uplinks' rate.
TEST(RailOptimized, ComputesOversubscriptionOfMixedRates) {
  const auto ratio = [](int hosts, const char* link) {
    const Fabric fabric = MakeFabric(
        fmt::format("{{ family: rail_optimized, units: 2, hosts_per_unit: {}, uplinks: 8, "
                    "spines: 4, link: {}, host: {{ preset: hgx-h100 }} }}",
                    hosts, link));
    EXPECT_EQ(fabric.counts().tiers[1].switches, 4);
    return *fabric.counts().tiers[0].oversubscription;
  };
  EXPECT_EQ(ratio(4, "400Gbps"), 0.5);
  EXPECT_EQ(ratio(8, "400Gbps"), 1);
  EXPECT_EQ(ratio(8, "200Gbps"), 2);
  EXPECT_EQ(ratio(8, "800Gbps"), 0.5);
}

// Three units of 8 leaves: 12 spines have the ports, 16 share a leaf's 32 uplinks evenly.
TEST(RailOptimized, GivesTheFewestAndTheEvenSpines) {
  for (const auto& [policy, spines] : std::vector<std::pair<std::string, std::int64_t>>{
           {"even", 16}, {"minimum", 12}, {"20", 20}}) {
    const Fabric fabric = MakeFabric("{ preset: superpod_ndr, units: 3, spines: " + policy + " }");
    EXPECT_EQ(fabric.counts().tiers[1].switches, spines);
    ASSERT_TRUE(fabric.spine_rule());
    EXPECT_EQ(fabric.spine_rule()->minimum, 12);
    EXPECT_EQ(fabric.spine_rule()->even, 16);
    EXPECT_EQ(fabric.spine_rule()->policy, policy);
    EXPECT_FALSE(fabric.core_rule());
  }
  EXPECT_EQ(ErrorsOf("{ preset: superpod_ndr, units: 3, spines: 11 }"),
            "test.yaml:1:43: error: 'spines' is 11, and 24 leaves of 32 uplinks take 12 to 32 "
            "(even is 16)\n");
  EXPECT_THAT(ErrorsOf("{ preset: superpod_ndr, units: 3, spines: some }"),
              HasSubstr("'spines' is 'some' (want even, minimum or a number"));
}

// 320 leaves of 16 uplinks over 160 spines of 32: 80 cores of 64 ports have the ports. Of 96 a
// spine would reach every third, but the 1,024 links of a pod do not fall evenly on them: 128.
TEST(RailOptimized, SpreadsEveryPodEvenlyOverTheCores) {
  const Fabric fabric = MakeFabric(
      "{ family: rail_optimized, units: 40, hosts_per_unit: 16, absent_hosts: 8, tiers: 3, link: "
      "400Gbps, switch: { preset: switch-25t6 }, host: { preset: hgx-h800, nic: 400Gbps, "
      "nic_ports: 1 } }");
  ASSERT_TRUE(fabric.core_rule());
  EXPECT_EQ(fabric.core_rule()->minimum, 80);
  EXPECT_EQ(fabric.core_rule()->even, 128);
}

// [WGS+23]: a rail on one switch while its ports suffice, then on a Clos of its own.
TEST(RailOnly, TakesASwitchOrATreeARail) {
  const char* kTail = ", host: { preset: hgx-h100 }, switch: { preset: qm9700 } }";
  const auto text = [&](int hosts) {
    return fmt::format("{{ family: rail_only, hosts: {}{}", hosts, kTail);
  };
  Check({text(64).c_str(), 512, {8}, {512}});
  Check({text(2048).c_str(), 16384, {512, 256}, {16384, 16384}});
  EXPECT_EQ(MakeFabric(text(64)).planes(), 8);
  EXPECT_EQ(MakeFabric(text(64)).counts().tiers[0].oversubscription, std::nullopt);
}

// 32 hosts of 14.3 kW, 8 leaves and 4 spines.
TEST(BuildClos, SumsThePowerOfItsParts) {
  const Fabric fabric = MakeFabric("{ preset: superpod_ndr, units: 1, switch: { power: 1kW } }");
  EXPECT_EQ(fabric.power(), Watts(32 * 14300.0 + (8 + 4) * 1000.0));
  EXPECT_FALSE(MakeFabric("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, "
                          "link: 400Gbps }")
                   .power());
}

// Of radix k three tiers end at k^3/4 endpoints, and the error says so; a router's error says how
// many endpoints would fit.
TEST(BuildFamily, SaysWhatWouldFit) {
  const auto tree = [](int endpoints) {
    return fmt::format("{{ family: fat_tree, endpoints: {}, radix: 8, link: 400Gbps }}", endpoints);
  };
  EXPECT_EQ(MakeFabric(tree(128)).counts().tiers[2].switches, 16);
  EXPECT_THAT(
      ErrorsOf(tree(129)),
      testing::HasSubstr("9 pods of 16 NIC ports are needed, and a core joins 8, one a port: "
                         "at most 128 NIC ports"));
  EXPECT_THAT(
      ErrorsOf("{ family: slim_fly, q: 29, link: 400Gbps, switch: { preset: qm9700 } }"),
      testing::HasSubstr("22 x 400G to endpoints + 43 x 400G to routers = 26T, and its switch 64 x "
                         "400G ports = 25.6T (p: at most 21"));
}

TEST(BuildFamily, RefusesWhatCannotBeBuilt) {
  EXPECT_THAT(ErrorsOf("{ family: rail_optimized, hosts_per_unit: 33, "
                       "host: { preset: hgx-h100 }, switch: { preset: qm9700 } }"),
              HasSubstr("1:43: error: a leaf has too few ports: 33 x 400G down + 33 x 400G up"));
  EXPECT_THAT(ErrorsOf("{ family: rail_optimized, hosts_per_unit: 32, rails: 3, "
                       "host: { preset: hgx-h100 } }"),
              HasSubstr("a host's 8 NICs do not fall evenly on 3 rails"));
  EXPECT_THAT(ErrorsOf("{ family: rail_optimized, hosts_per_unit: 2, planes: 2, "
                       "host: { preset: hgx-h100 } }"),
              HasSubstr("'planes' is 2, and the host's NICs have nic_ports: 1"));
  EXPECT_THAT(ErrorsOf("{ family: rail_optimized, hosts_per_unit: 32 }"),
              HasSubstr("needs to know its hosts"));
  EXPECT_THAT(ErrorsOf("{ preset: superpod_ndr, units: 2, absent_hosts: 64 }"),
              HasSubstr("room for 64 hosts, and 64 of them are to be empty"));
  EXPECT_THAT(ErrorsOf("{ preset: superpod_ndr, units: 2, service_ports: 1 }"),
              HasSubstr("'service_ports' is 1, and hosts leave 0 ports"));
  EXPECT_THAT(ErrorsOf("{ preset: superpod_ndr, units: 2, oversubscription: 3 }"),
              HasSubstr("would need 10.67 uplinks for 3:1"));
  EXPECT_THAT(ErrorsOf("{ family: fat_tree, endpoints: 12, radix: 64, link: 400Gbps, "
                       "host: { preset: hgx-h100 } }"),
              HasSubstr("'endpoints' is 12, and a host has 8 NICs (a multiple of 8)"));
  EXPECT_THAT(ErrorsOf("{ family: fat_tree, endpoints: 12, radix: 64 }"),
              HasSubstr("needs to know its link or its hosts"));
  EXPECT_THAT(ErrorsOf("{ family: fat_tree, endpoints: 12, radix: 65, link: 400Gbps, "
                       "switch: { preset: qm9700 } }"),
              HasSubstr("'radix' is 65, and the switch has 64 ports"));
  EXPECT_THAT(ErrorsOf("{ family: rail_only, hosts: 65, tiers: 1, host: { preset: hgx-h100 }, "
                       "switch: { preset: qm9700 } }"),
              HasSubstr("one tier is one switch a rail, of 64 ports, and the rail needs 2"));
  EXPECT_THAT(ErrorsOf("{ family: dragonfly, p: 1, a: 2, h: 1, groups: 4, link: 1Gbps }"),
              HasSubstr("reaches 2 others (at most 3)"));
  EXPECT_THAT(ErrorsOf("{ family: dragonfly, p: 16, a: 32, h: 18, groups: 2, link: 400Gbps, "
                       "switch: { preset: qm9700 } }"),
              HasSubstr("a router has too few ports: 16 x 400G to endpoints + 49 x 400G"));
  EXPECT_THAT(ErrorsOf("{ family: dragonfly, p: 1, a: 2, h: 1, link: 1Gbps, "
                       "host: { nic_ports: 2 } }"),
              HasSubstr("an endpoint has one cable, and the host's NICs have nic_ports: 2"));
  EXPECT_THAT(ErrorsOf("{ family: slim_fly, q: 6, link: 1Gbps }"),
              HasSubstr("neither 4w - 1, 4w nor 4w + 1 (q: 5 or 7)"));
}

}  // namespace
}  // namespace weft
