#include "topology/build.h"

#include <map>

#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using testing::HasSubstr;

std::vector<std::int64_t> Switches(const FabricCounts& counts) {
  std::vector<std::int64_t> out;
  for (const TierCount& tier : counts.tiers) out.push_back(tier.switches);
  return out;
}

// [QXC+24 §5.1, Fig. 7]: one segment is 128 hosts under 16 ToRs.
TEST(BuildFabric, CountsOneHpnSegment) {
  const Fabric fabric = MakeFabric("{ preset: hpn, segments: 1 }");
  const FabricCounts& counts = fabric.counts();
  EXPECT_EQ(counts.gpus, 1024);
  EXPECT_EQ(counts.hosts, 128);
  EXPECT_EQ(counts.planes, 2);
  EXPECT_EQ(Switches(counts), (std::vector<std::int64_t>{16, 120}));
  EXPECT_EQ(counts.tiers[0].links_down, 2048);
  EXPECT_NEAR(*counts.tiers[0].oversubscription, 25.6 / 24, 1e-12);
}

// [QXC+24 §3, §5.1, §6.1, Fig. 7].
TEST(BuildFabric, CountsAnHpnPod) {
  const Fabric fabric = MakeFabric("preset: hpn");
  const FabricCounts &counts = fabric.counts(), &provisioned = fabric.provisioned();
  EXPECT_EQ(counts.gpus, 15360);
  EXPECT_EQ(Switches(counts), (std::vector<std::int64_t>{240, 120}));
  EXPECT_EQ(counts.tiers[0].links_down, 30720);
  EXPECT_EQ(counts.tiers[0].links_up, 14400);
  EXPECT_EQ(counts.tiers[1].links_up, 0);
  EXPECT_FALSE(counts.tiers[1].oversubscription);
  EXPECT_EQ(provisioned.gpus, 16320);
  EXPECT_EQ(provisioned.tiers[0].links_down, 32640);
  EXPECT_EQ(provisioned.tiers[0].oversubscription, 27.2 / 24);
  EXPECT_EQ(provisioned.tiers[1].links_up, 960);
  EXPECT_EQ(provisioned.tiers[1].oversubscription, 15);
  EXPECT_EQ(fabric.power(), Watts(1920 * 10.2e3 + 360 * 913.0));
}

// Cores: [QXC+24 Fig. 7] draws 64; 60 Aggs in 4 groups spend 15 ports of a core a pod.
TEST(BuildFabric, CountsEightHpnPods) {
  const Fabric fabric = MakeFabric("{ preset: hpn, pods: 8 }");
  const FabricCounts& counts = fabric.counts();
  EXPECT_EQ(counts.gpus, 122880);
  EXPECT_EQ(Switches(counts), (std::vector<std::int64_t>{1920, 960, 64}));
  EXPECT_EQ(counts.tiers[1].links_up, 7680);
  EXPECT_EQ(counts.tiers[1].oversubscription, 15);
  EXPECT_EQ(counts.tiers[2].links_down, 7680);
  std::map<std::uint32_t, int> links_of_core;
  for (const Link& link : fabric.links())
    if (fabric.vertex(link.to).tier == 3) ++links_of_core[Index(link.to)];
  ASSERT_EQ(links_of_core.size(), 64u);
  for (const auto& [core, links] : links_of_core) EXPECT_EQ(links, 120) << core;
}

// [QXC+24 App. C].
TEST(BuildFabric, CountsDcnPlus) {
  const FabricCounts pod = MakeFabric("preset: dcn_plus").counts();
  EXPECT_EQ(pod.gpus, 512);
  EXPECT_EQ(Switches(pod), (std::vector<std::int64_t>{8, 8}));
  EXPECT_EQ(pod.tiers[0].links_down, 1024);
  EXPECT_EQ(pod.tiers[0].links_up, 512);

  const Fabric fabric = MakeFabric("{ preset: dcn_plus, pods: 32 }");
  EXPECT_EQ(fabric.counts().gpus, 16384);
  EXPECT_EQ(Switches(fabric.counts()), (std::vector<std::int64_t>{256, 256, 128}));
  EXPECT_EQ(fabric.counts().tiers[0].links_down, 32768);
  EXPECT_EQ(fabric.counts().tiers[0].links_up, 16384);
  EXPECT_EQ(fabric.counts().tiers[1].links_up, 16384);
  EXPECT_EQ(fabric.counts().tiers[1].oversubscription, 1);
  EXPECT_EQ(fabric.limits().tier2_gpus, 512);
}

// [QXC+24 Table 2], row by row.
TEST(BuildFabric, DerivesThePapersLadderFromPorts) {
  struct Step {
    const char* toggles;
    std::int64_t tier1;
    std::optional<std::int64_t> tier2;
  };
  const Step steps[] = {
      {"tors: single, planes: 1, rail_optimized: false, core_oversubscription: 1", 64, {}},
      {"tors: dual, planes: 1, rail_optimized: false, core_oversubscription: 1", 128, 4096},
      {"tors: dual, planes: 1, core_oversubscription: 1", 1024, 4096},
      {"planes: 2, core_oversubscription: 1", 1024, 8192},
      {"planes: 2", 1024, 15360},
  };
  for (const Step& step : steps) {
    SCOPED_TRACE(step.toggles);
    const Fabric fabric =
        MakeFabric(fmt::format("{{ preset: hpn, segments: 1, {} }}", step.toggles));
    EXPECT_EQ(fabric.limits().tier1_gpus, step.tier1);
    EXPECT_EQ(fabric.limits().tier2_gpus, step.tier2);
    // A segment of the default size is what tier 1 allows.
    EXPECT_EQ(fabric.counts().gpus, step.tier1);
    EXPECT_EQ(fabric.notes().size(), step.tier2 ? 0u : 1u);
  }
}

TEST(BuildFabric, CountsALeafSpine) {
  const FabricCounts counts =
      MakeFabric(
          "{ family: leaf_spine, leaves: 32, spines: 32, hosts_per_leaf: 32, link: 400Gbps }")
          .counts();
  EXPECT_EQ(Switches(counts), (std::vector<std::int64_t>{32, 32}));
  EXPECT_EQ(counts.tiers[0].links_up, 1024);
  EXPECT_EQ(counts.gpus, 1024);
}

TEST(BuildFabric, TakesTheHostThatTheScenarioNames) {
  const auto spec = ReadAt<FabricSpec>("fabric", "{ preset: hpn, segments: 1, hosts: 2 }");
  const auto host = ReadAt<HostSpec>("host", "{ preset: hgx-h800, gpus: 4, nics: 4 }");
  ASSERT_TRUE(spec && host);
  const auto fabric = BuildFabric(spec->message, &host->message, spec->sources);
  ASSERT_TRUE(fabric) << TextOf(fabric.error());
  EXPECT_EQ(fabric->counts().gpus, 8);
  EXPECT_EQ(fabric->counts().tiers[0].switches, 8);  // four rails
}

TEST(BuildFabric, SumsPowerWhereEveryPartHasAFigure) {
  const Fabric fabric = MakeFabric(
      "{ preset: hpn, segments: 1, hosts: 2, host: { preset: hgx-h800, power: 10kW }, "
      "switch: { preset: switch-51t2, power: 2kW } }");
  EXPECT_EQ(fabric.power(), Watts(2 * 10e3 + 136 * 2e3));
}

TEST(BuildFabric, RefusesWhatPortsCannotCarry) {
  EXPECT_EQ(ErrorsOf("{ preset: hpn, segments: 8, planes: 1 }"),
            "test.yaml:1:26: error: an Agg has too few ports: 8 segments x 16 ToRs = 128 down, and "
            "of its 128 ports 8 go up and 120 down (segments: at most 7)\n");
  EXPECT_EQ(ErrorsOf("{ preset: hpn, segments: 5, planes: 1, core_oversubscription: 1 }"),
            "test.yaml:1:26: error: an Agg has too few ports: 5 segments x 16 ToRs = 80 down, and "
            "of its 128 ports 64 go up and 64 down (segments: at most 4)\n");
  EXPECT_EQ(ErrorsOf("{ preset: hpn, hosts: 200 }"),
            "test.yaml:1:23: error: a ToR has too few ports: 200 x 200G down + 60 x 400G up = 64T "
            "('hosts' and 'reserved_hosts' together at most 136)\n");
  EXPECT_EQ(ErrorsOf("{ preset: hpn, tors: single, planes: 1, hosts: 128, segments: 1 }"),
            "test.yaml:1:48: error: a ToR has too few ports: 128 x 400G down + 60 x 400G up = "
            "75.2T ('hosts' and 'reserved_hosts' together at most 68)\n");
  EXPECT_EQ(ErrorsOf("{ preset: hpn, pods: 9 }"),
            "test.yaml:1:22: error: a core has too few ports: 9 pods x 15 Aggs of its group = 135, "
            "and it has 128 (pods: at most 8)\n");
  EXPECT_EQ(ErrorsOf("{ preset: dcn_plus, pods: 33 }"),
            "test.yaml:1:27: error: a core has too few ports: 132 x 400G down = 52.8T "
            "(pods: at most 32)\n");
  EXPECT_EQ(ErrorsOf("{ preset: dcn_plus, segments: 5, hosts: 17 }"),
            "test.yaml:1:31: error: an Agg has too few ports: 80 x 400G down + 64 x 400G up = "
            "57.6T (fewer segments)\n"
            "test.yaml:1:41: error: a ToR has too few ports: 136 x 200G down + 64 x 400G up = "
            "52.8T (fewer hosts)\n");
  EXPECT_EQ(ErrorsOf("{ family: leaf_spine, leaves: 2, spines: 128, hosts_per_leaf: 1, "
                     "link: 400Gbps, switch: { preset: switch-51t2 } }"),
            "test.yaml:1:63: error: a leaf has too few ports: 1 x 400G down + 128 x 400G up = "
            "51.6T (fewer hosts_per_leaf or spines, another switch:, or check_ports: false)\n");
}

// Without a word about the switches they are those of the schema's default, 51.2T.
TEST(BuildFabric, ChecksTheDefaultSwitchOfALeafSpineUnlessToldNotTo) {
  const char* kSpine =
      "{ family: leaf_spine, leaves: 129, spines: 4, hosts_per_leaf: 2, link: 400Gbps }";
  EXPECT_THAT(ErrorsOf(kSpine),
              HasSubstr("a spine has too few ports: 129 x 400G down = 51.6T (fewer leaves"));
  EXPECT_THAT(
      ErrorsOf("{ family: leaf_spine, leaves: 4, spines: 4, hosts_per_leaf: 500, link: 400Gbps }"),
      HasSubstr("a leaf has too few ports"));
  EXPECT_EQ(MakeFabric("{ family: leaf_spine, leaves: 129, spines: 4, hosts_per_leaf: 2, "
                       "link: 400Gbps, check_ports: false }")
                .gpu_count(),
            258u);
}

// One key about the NIC leaves the hosts of a leaf-spine with their one GPU.
TEST(BuildFabric, KeepsTheBareHostOfALeafSpineWhereHostSaysNothing) {
  const auto make = [](const char* host) {
    return MakeFabric(
        fmt::format("{{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, "
                    "link: 400Gbps, host: {} }}",
                    host));
  };
  const Fabric slow = make("{ nic: 200Gbps }");
  EXPECT_EQ(slow.counts().gpus, 4);
  EXPECT_EQ(slow.counts().nics, 4);
  EXPECT_EQ(slow.link(slow.PortLink(slow.host(HostId{0}).first_nic, 0)).rate,
            GigabitsPerSecond(200));
  const Fabric two = make("{ gpus: 2, nic_ports: 2 }");
  EXPECT_EQ(two.counts().gpus, 8);
  EXPECT_EQ(two.counts().nics, 4);
  EXPECT_EQ(two.link(two.PortLink(two.host(HostId{0}).first_nic, 1)).rate, GigabitsPerSecond(200));
  EXPECT_EQ(make("{ preset: hgx-h800, nic: 200Gbps }").counts().gpus, 32);
}

TEST(BuildFabric, RefusesTogglesThatContradict) {
  EXPECT_THAT(ErrorsOf("{ preset: hpn, tors: single }"),
              HasSubstr("error: 'planes: 2' needs two ToRs a NIC"));
  EXPECT_EQ(ErrorsOf("{ preset: hpn, host: { preset: hgx-h100 } }"),
            "test.yaml:1:22: error: two ToRs a NIC need NICs of two ports, and the host's have "
            "nic_ports: 1 (nic_ports: 2, or fabric.tors: single)\n");
  EXPECT_THAT(ErrorsOf("{ preset: hpn, core_groups_per_plane: 61 }"),
              HasSubstr("1:39: error: 'core_groups_per_plane' is 61, and a plane has 60 Aggs"));
  EXPECT_THAT(ErrorsOf("{ preset: hpn, core_oversubscription: 200 }"),
              HasSubstr("1:39: error: at 200:1 an Agg's ports leave none for an uplink"));
  EXPECT_THAT(ErrorsOf("{ family: hpn }"), HasSubstr("needs to know its hosts"));
  EXPECT_THAT(ErrorsOf("{ host: { preset: hgx-h800 } }"), HasSubstr("'family' is missing"));
}

TEST(BuildFabric, RefusesWhatWouldNotFitInMemory) {
  for (const char* text :
       {"{ family: leaf_spine, leaves: 60000, spines: 60000, hosts_per_leaf: 60000, link: 1Gbps, "
        "links_per_pair: 255 }",
        "{ family: leaf_spine, leaves: 5000, spines: 1, hosts_per_leaf: 2000, link: 1Gbps }"})
    EXPECT_THAT(ErrorsOf(text), HasSubstr("more than 10000000 vertices")) << text;
}

TEST(BuildFabric, ReadsEveryPreset) {
  for (const Preset& preset : TopologyPresets())
    EXPECT_GT(MakeFabric("preset: " + preset.name).gpu_count(), 0u) << preset.name;
}

RoutingPolicy PolicyOf(const std::string& text, const Fabric& fabric) {
  const auto spec = ReadAt<RoutingSpec>("routing", text);
  EXPECT_TRUE(spec) << TextOf(spec.error());
  return MakeRoutingPolicy(spec->message, fabric);
}

TEST(MakeRoutingPolicy, TakesEveryRule) {
  const Fabric fabric = MakeFabric("{ preset: dcn_plus, segments: 1, hosts: 1 }");
  const RoutingPolicy usual = PolicyOf("{}", fabric);
  EXPECT_EQ(usual.seed_scope, SeedScope::kSwitch);
  EXPECT_EQ(usual.host_port, HostPortRule::kByQp);
  EXPECT_EQ(usual.udp_port, UdpPortRule::kRandom);
  EXPECT_EQ(usual.policy, PathPolicy::kEcmp);
  EXPECT_EQ(usual.hash, HashKind::kMix);
  EXPECT_EQ(usual.spray_paths, 128u);
  const RoutingPolicy other = PolicyOf(
      "{ seed_scope: tier, host_port: hash, udp_port: sequential, policy: spray, hash: crc32c, "
      "spray_paths: 7 }",
      fabric);
  EXPECT_EQ(other.seed_scope, SeedScope::kTier);
  EXPECT_EQ(other.host_port, HostPortRule::kHash);
  EXPECT_EQ(other.udp_port, UdpPortRule::kSequential);
  EXPECT_EQ(other.policy, PathPolicy::kSpray);
  EXPECT_EQ(other.hash, HashKind::kCrc32c);
  EXPECT_EQ(other.spray_paths, 7u);
  EXPECT_EQ(PolicyOf("{ udp_port: per_pair }", fabric).udp_port, UdpPortRule::kPerPair);
}

// [QXC+24 §7]: HPN's cores hash by port; others' do where the user says so.
TEST(MakeRoutingPolicy, HashesCoresAsTheFabricIsDeployed) {
  const Fabric hpn = MakeFabric("{ preset: hpn, segments: 1, hosts: 1 }");
  const Fabric clos = MakeFabric("{ preset: dcn_plus, segments: 1, hosts: 1 }");
  EXPECT_EQ(PolicyOf("{}", hpn).core_hash, CoreHash::kPerPort);
  EXPECT_EQ(PolicyOf("{ core_hash: five_tuple }", hpn).core_hash, CoreHash::kFiveTuple);
  EXPECT_EQ(PolicyOf("{}", clos).core_hash, CoreHash::kFiveTuple);
  EXPECT_EQ(PolicyOf("{ core_hash: per_port }", clos).core_hash, CoreHash::kPerPort);
}

}  // namespace
}  // namespace weft
