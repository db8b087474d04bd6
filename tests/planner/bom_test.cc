#include "planner/bom.h"

#include <algorithm>
#include <cmath>

#include "tests/base/error_list.h"
#include "tests/topology/cabling_plans.h"

namespace weft {
namespace {

Catalogue Own() {
  const auto read = ReadCatalogue({}, nullptr);
  EXPECT_TRUE(read) << ErrorLines(read.error());
  return *read;
}

Bom BomOf(const std::string& fabric, const std::string& cabling = "{}",
          const BomOptions& options = {}) {
  const Planned planned = MakePlan(fabric, cabling);
  return MakeBom(planned.fabric, planned.parts, &planned.plan, Own(), options);
}

double NetworkUsd(const Bom& bom) {
  const BomTotals totals = SumBom(bom, BomScope::kNetwork);
  EXPECT_THAT(totals.unpriced, testing::IsEmpty());
  return totals.price.mid.count();
}

const BomRow* FindRow(const Bom& bom, std::string_view part, bool spare = false) {
  for (const BomRow& row : bom.rows)
    if (row.part == part && row.spare == spare) return &row;
  return nullptr;
}

// 32 hosts of 8, 8 leaves, 4 spines, all links of single-mode fibre: worked by hand. A leaf's
// 32 + 32 ports are 32 plugs of two, a spine's 64 are 32, a host's 8 NICs four OSFPs.
TEST(MakeBom, CountsAUnitOfASuperPod) {
  const Bom bom = BomOf("{ preset: superpod_ndr, units: 1, host: { preset: hgx-h100 } }",
                        "{ media: [single_mode] }");
  ASSERT_NE(FindRow(bom, "hgx-h100"), nullptr);
  EXPECT_EQ(FindRow(bom, "hgx-h100")->quantity, 32);
  std::int64_t switches = 0, optics = 0, fibres = 0;
  for (const BomRow& row : bom.rows) {
    if (row.role == BomRole::kSwitch) switches += row.quantity;
    if (row.role == BomRole::kOptic) optics += row.quantity;
    if (row.kind == PartKind::kFibre) fibres += row.quantity;
  }
  EXPECT_EQ(switches, 8 + 4);
  EXPECT_EQ(fibres, 256 + 256);
  EXPECT_EQ(optics, fibres);  // two ends a fibre, two fibres a plug
  // 12 x 36,000 + 512 x (1,100 + 50)
  EXPECT_DOUBLE_EQ(NetworkUsd(bom), 12 * 36e3 + 512 * 1150);
}

// Optics are ends over ports, cables are links, and the totals are the rows and nothing else.
TEST(MakeBom, AgreesWithTheCablingOnRandomFabrics) {
  const Catalogue own = Own();
  int built = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const auto planned = TryPlan(RandomFabricText(seed));
    if (!planned) continue;
    ++built;
    const Bom bom = MakeBom(planned->fabric, planned->parts, &planned->plan, own);
    std::int64_t hosts = 0, switches = 0, optics = 0, pieces = 0;
    double watts = 0, usd = 0;
    for (const BomRow& row : bom.rows) {
      const auto count = static_cast<double>(row.quantity);
      if (row.role == BomRole::kHost) hosts += row.quantity;
      if (row.role == BomRole::kSwitch) switches += row.quantity;
      if (row.role == BomRole::kOptic) optics += row.quantity;
      if (row.kind == PartKind::kCable || row.kind == PartKind::kFibre) pieces += row.quantity;
      if (row.unit_power && row.kind != PartKind::kHost && row.kind != PartKind::kSwitch &&
          row.kind != PartKind::kNic)
        watts += count * row.unit_power->range.mid.count();
      if (row.unit_price) usd += count * row.unit_price->range.mid.count();
    }
    EXPECT_EQ(hosts, planned->fabric.counts().hosts);
    EXPECT_EQ(switches, DeviceCount(planned->fabric) - planned->fabric.host_count());
    EXPECT_EQ(pieces, planned->plan.assemblies);
    Watts draws;
    std::int64_t plugs = 0;
    for (const Cage& cage : planned->plan.cages) {
      draws = draws + cage.draws;
      plugs += HasOptics(cage.medium) ? 1 : 0;
    }
    EXPECT_EQ(optics, plugs);
    EXPECT_NEAR(watts, draws.count(), 1e-6 * draws.count() + 1e-9);
    EXPECT_NEAR(SumBom(bom).price.mid.count(), usd, 1e-9 * usd);
    const BomTotals all = SumBom(bom), network = SumBom(bom, BomScope::kNetwork),
                    rest = SumBom(bom, BomScope::kHosts);
    EXPECT_NEAR(all.price.high.count(), network.price.high.count() + rest.price.high.count(),
                1e-9 * all.price.high.count());
  }
  EXPECT_GT(built, 10);
}

TEST(MakeBom, AddsSparesRoundedUpThatDrawNothing) {
  const Bom bare = BomOf("{ preset: superpod_ndr, units: 1 }"),
            bom = BomOf("{ preset: superpod_ndr, units: 1 }", "{}", {0.02, 0.06});
  EXPECT_EQ(FindRow(bom, "hgx-b200", true)->quantity, 2);  // 1.92
  EXPECT_EQ(FindRow(bom, "qm9700", true)->quantity, 1);
  EXPECT_EQ(FindRow(bare, "hgx-b200", true), nullptr);
  EXPECT_EQ(SumBom(bom).power, SumBom(bare).power);
  EXPECT_GT(SumBom(bom).price.mid, SumBom(bare).price.mid);
}

TEST(SumBom, NamesWhatHasNoFigure) {
  const Bom bom = BomOf(
      "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, "
      "link: 400Gbps, switch: { preset: qm9700 } }");
  const BomTotals totals = SumBom(bom);
  EXPECT_THAT(totals.unpriced, testing::ElementsAre("host"));
  EXPECT_THAT(totals.unpowered, testing::ElementsAre("host"));
  EXPECT_GE(totals.price.mid, Dollars(4 * 36e3));
  EXPECT_GT(totals.unverified_share, 0);
  EXPECT_LT(totals.unverified_share, 0.2);
}

// What comes off a host's price rests on what that rests on, whatever the part's own mark is.
TEST(SumBom, CountsNoShareAboveTheWhole) {
  const auto row = [](BomRole role, std::int64_t quantity, double usd, Mark mark) {
    BomRow out;
    out.role = role;
    out.quantity = quantity;
    out.unit_price = Figure<Dollars>{{Dollars(usd), Dollars(usd), Dollars(usd)}, "", "", mark};
    return out;
  };
  // A host that nobody vouches for, and a quote for what stands in it in place of a sure figure.
  const Mark sure = Mark::kQuote, unsure = Mark::kUnverified;
  const Bom unsure_host{{row(BomRole::kHost, 1, 300, unsure),
                         row(BomRole::kAccelerator, 8, 10, sure),
                         row(BomRole::kAccelerator, -8, 30, sure)}};
  EXPECT_DOUBLE_EQ(SumBom(unsure_host).unverified_share, 60.0 / 140);
  const Bom unsure_part{{row(BomRole::kHost, 1, 300, sure), row(BomRole::kAccelerator, 8, 10, sure),
                         row(BomRole::kAccelerator, -8, 30, unsure)}};
  EXPECT_DOUBLE_EQ(SumBom(unsure_part).unverified_share, 0);
}

// A figure of the plan's own goes before the catalogue's; a reader's quote goes before both.
TEST(MakeBomRow, TakesTheWattsThatThePlanWasMadeWith) {
  const auto row = [](const Catalogue& catalogue, std::optional<Watts> power) {
    return MakeBomRow(catalogue, PartKind::kSwitch, BomRole::kSwitch, "qm9700", "leaf", 1, power)
        .unit_power->range;
  };
  const Range<Watts> own = Own().Find("qm9700")->power->range;
  EXPECT_EQ(row(Own(), std::nullopt), own);
  EXPECT_EQ(row(Own(), Watts(750)), own);
  EXPECT_EQ(row(Own(), Watts(900)), (Range<Watts>{Watts(900), Watts(900), Watts(900)}));
  const auto quoted =
      ParseCatalogue("rows: [{ part: qm9700, power: { mid: 800W } }]", "q.yaml", nullptr);
  EXPECT_EQ(row(*quoted, Watts(750)).mid, Watts(800));
  EXPECT_EQ(MakeBomRow(Own(), PartKind::kSwitch, BomRole::kSwitch, "", "leaf", 1).part, "(none)");
}

TEST(BomCsv, HasASourceInEveryRow) {
  const std::string csv = BomCsv(BomOf("{ preset: superpod_ndr, units: 1 }"));
  EXPECT_NE(csv.find("qm9700,switch,switch,leaf,8,33000,36000,50000,\"[CTO-SHEET], FS.com; high: "
                     "NVIDIA\",2024-08,secondary,"),
            std::string::npos)
      << csv;
  EXPECT_EQ(
      std::count(csv.begin(), csv.end(), '\n'),
      1 + static_cast<std::ptrdiff_t>(BomOf("{ preset: superpod_ndr, units: 1 }").rows.size()));
}

// All digits of a key's value: 128 ports over 60 uplinks is more than 2.133333333.
TEST(BomCsv, HasAKeyInARowOfItsKind) {
  const std::string csv = BomCsv({}, {{"growth", 15360}, {"oversubscription", 128 / 60.0}});
  EXPECT_NE(csv.find("\ngrowth,key,,,15360,,,,,,,,,,,\n"), std::string::npos) << csv;
  const std::string of = "\noversubscription,key,,,";
  const std::size_t at = csv.find(of);
  ASSERT_NE(at, std::string::npos) << csv;
  EXPECT_EQ(std::strtod(csv.c_str() + at + of.size(), nullptr), 128 / 60.0) << csv;
}

// Published ratios of cost, at the catalogue's middle prices; tolerance 10 points, for the
// publications price other parts of other years.
//
// HPN's pod of 15 segments against a three-tier Clos 1:1 of the same switches: "30 % less"
// [QXC+24 §6.2].
TEST(CostRatios, OfAnHpnPodToThreeTiers) {
  const double hpn = NetworkUsd(BomOf("{ preset: hpn }"));
  const double clos = NetworkUsd(
      BomOf("{ family: fat_tree, endpoints: 15360, tiers: 3, link: 400Gbps, "
            "host: { preset: hgx-h800, nic_ports: 1 }, switch: { preset: switch-51t2 } }"));
  RecordProperty("ratio", std::to_string(hpn / clos));
  EXPECT_NEAR(hpn / clos, 0.70, 0.10);
}

// Two tiers against three of 64 ports: 4.39 and 7.5 thousand dollars an endpoint [ZDR+25 Table 3].
TEST(CostRatios, OfTwoTiersToThree) {
  const auto each = [](const char* tiers, int endpoints) {
    return NetworkUsd(BomOf(fmt::format("{{ family: fat_tree, endpoints: {}, tiers: {}, "
                                        "link: 400Gbps, switch: {{ preset: qm9700 }} }}",
                                        endpoints, tiers),
                            "{ media: [single_mode] }")) /
           endpoints;
  };
  const double ratio = each("2", 2048) / each("3", 16384);
  RecordProperty("ratio", std::to_string(ratio));
  EXPECT_NEAR(ratio, 4.39 / 7.5, 0.10);
}

// Fire-Flyer's two zones of two tiers, the same hosts under three tiers, and a DGX network of
// one NIC a GPU under three: 350 : 600 : 4,000 [ABC+24 Table III].
TEST(CostRatios, OfFireFlyerToDgx) {
  const auto cost = [](const char* rest) {
    return NetworkUsd(
        BomOf(fmt::format("{{ family: fat_tree, link: 200Gbps, switch: {{ preset: qm8700 }}, {} }}",
                          rest),
              "{ rack: { units: 48, power: 200kW } }"));
  };
  const double zones = cost("endpoints: 1600, tiers: 2, zones: 2");
  const double three = cost("endpoints: 1600, tiers: 3");
  const double dgx = cost("endpoints: 10560, tiers: 3");
  RecordProperty("ratios", fmt::format("{} {}", zones / three, zones / dgx));
  EXPECT_NEAR(zones / three, 350.0 / 600, 0.10);
  EXPECT_NEAR(zones / dgx, 350.0 / 4000, 0.10);
}

// The public price sheet of H100 clusters: the network is 8.6 % of the whole at 1,024 GPUs and
// 12.8 % at 32,768, hosts at 310,000 and facility at 50,000 dollars each [CTO-SHEET].
TEST(CostRatios, OfTheNetworkInAnH100Cluster) {
  const auto share = [](const char* fabric, double hosts) {
    const double network = NetworkUsd(BomOf(fabric, "{ media: [single_mode] }"));
    return 100 * network / (network + hosts * (310e3 + 50e3));
  };
  const double small = share("{ preset: superpod_ndr, units: 4, host: { preset: hgx-h100 } }", 128);
  const double large = share(
      "{ family: fat_tree, endpoints: 32768, tiers: 3, link: 400Gbps, "
      "host: { preset: hgx-h100 }, switch: { preset: qm9700 } }",
      4096);
  RecordProperty("shares", fmt::format("{} {}", small, large));
  EXPECT_NEAR(small, 8.6, 1);
  EXPECT_NEAR(large, 12.8, 1);
}

}  // namespace
}  // namespace weft
