#include "topology/racks.h"

#include "tests/topology/cabling_plans.h"

namespace weft {
namespace {

TEST(BoughtLength, RoundsUpToWhatIsSold) {
  const std::pair<double, double> cases[] = {{0, 0.5},  {0.5, 0.5}, {0.51, 1},  {4.9, 5},  {5.1, 6},
                                             {9.5, 10}, {10.1, 15}, {100, 100}, {101, 110}};
  for (const auto& [way, bought] : cases) EXPECT_EQ(BoughtLength(Metres(way)), Metres(bought));
}

TEST(BoughtLength, NeverFallsAndNeverIsShort) {
  double last = 0;
  for (int i = 1; i < 30'000; ++i) {
    const double bought_m = BoughtLength(Metres(i * 0.01)).count();
    EXPECT_GE(bought_m, i * 0.01 - 1e-9);
    EXPECT_GE(bought_m, last);
    last = bought_m;
  }
}

// An HPN segment of hosts that draw little: 128 + 8 of 8 units, six a rack of 48, are 22.7 racks.
// Evenly 21 have six and the last two five, with no room there for more than two each of the 16
// ToRs of 4 units: 5 x 8 + 2 x 4 = 48. The other 12 fill a rack in the middle. 120 Aggs of 4 units,
// 12 a rack: 10 racks.
TEST(PlanRacks, PlacesAnHpnSegment) {
  const Planned p = MakePlan("{ preset: hpn, segments: 1, host: { power: 4kW } }");
  const std::vector<Rack>& racks = p.plan.racks.racks;
  ASSERT_EQ(racks.size(), 23u + 1 + 10);
  int hosts = 0, reserved = 0, switches = 0, network = 0;
  for (const Rack& rack : racks) {
    hosts += rack.hosts;
    reserved += rack.reserved_hosts;
    switches += rack.switches;
    network += rack.hosts == 0 && rack.reserved_hosts == 0 ? 1 : 0;
    EXPECT_TRUE(rack.power);
  }
  EXPECT_EQ(hosts, 128);
  EXPECT_EQ(reserved, 8);
  EXPECT_EQ(switches, 136);
  EXPECT_EQ(network, 11);
  EXPECT_EQ(racks.back().reserved_hosts, 5);
  EXPECT_EQ(racks.back().switches, 2);
  EXPECT_EQ(racks[20].row, 1u);
  EXPECT_EQ(racks[20].column, 0u);
}

// 10.2 kW and 4 plugs of 17 W are 10.268 kW: four hosts and 2 leaves of 913 W and 64 plugs.
TEST(PlanRacks, StopsAtTheRacksPower) {
  const std::string fabric =
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 8, link: 400Gbps, host: { "
      "preset: hgx-h100 }, switch: { preset: s9321-64e } }";
  const Planned p = MakePlan(fabric);
  ASSERT_EQ(p.plan.racks.racks.size(), 3u);
  EXPECT_EQ(p.plan.racks.racks[0].hosts, 4);
  EXPECT_EQ(p.plan.racks.racks[0].switches, 1);
  EXPECT_EQ(MakePlan(fabric, "{ rack: { preset: air-20kw } }").plan.racks.racks[0].hosts, 1);
  EXPECT_EQ(MakePlan(fabric, "{ hosts_per_rack: 2 }").plan.racks.racks[0].hosts, 2);
}

std::vector<std::array<int, 2>> HostsAndSwitches(const std::string& fabric,
                                                 const std::string& cabling) {
  std::vector<std::array<int, 2>> out;
  for (const Rack& rack : MakePlan(fabric, cabling).plan.racks.racks)
    out.push_back({rack.hosts, rack.switches});
  return out;
}

// Ten hosts of 8 units at four a rack of 34: three racks of 4, 3 and 3, not 4, 4 and 2. The leaf's
// 2 units are on the middle one; the spine has a rack of its own in the middle.
TEST(PlanRacks, SpreadsHostsEvenlyOverTheFewestRacks) {
  const std::string fabric =
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 10, link: 400Gbps, host: { "
      "power: 1kW } }";
  EXPECT_EQ(HostsAndSwitches(fabric, "{ rack: { units: 34, power: 40kW } }"),
            (std::vector<std::array<int, 2>>{{4, 0}, {3, 1}, {0, 1}, {3, 0}}));
}

// Seventeen spines of 2 units at 16 a rack of 32: 9 and 8, not 16 and 1.
TEST(PlanRacks, SpreadsSwitchesEvenlyOverTheFewestRacks) {
  const std::string fabric =
      "{ family: leaf_spine, leaves: 1, spines: 17, hosts_per_leaf: 17, link: 400Gbps, host: { "
      "power: 1kW, nics: 1, units: 1 } }";
  const auto racks = HostsAndSwitches(fabric, "{ rack: { units: 32, power: 40kW } }");
  EXPECT_EQ(racks, (std::vector<std::array<int, 2>>{{17, 1}, {0, 9}, {0, 8}}));
}

// A cable is at least as long as the straight line between its ends, and both ways alike.
TEST(CableLength, IsNeverShorterThanTheStraightLine) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    const Planned p = MakePlan(RandomFabricText(seed), "{ racks_per_row: 3 }");
    const RackPlan& racks = p.plan.racks;
    for (const Cable& cable : p.plan.cables) {
      const DeviceId a = p.plan.cage(cable.a.cage).device, b = p.plan.cage(cable.b.cage).device;
      const Place &from = racks.place[Index(a)], &to = racks.place[Index(b)];
      const Rack &one = racks.racks[from.rack], &other = racks.racks[to.rack];
      const double x = 0.6 * (double{1} * one.column - other.column);
      const double y = 3.0 * (double{1} * one.row - other.row);
      const auto units = [&](DeviceId d) { return p.parts.kind(d).units; };
      const double z = 0.04445 * (from.unit + units(a) / 2.0 - to.unit - units(b) / 2.0);
      EXPECT_GE(cable.length.count(), std::sqrt(x * x + y * y + z * z));
      EXPECT_EQ(CableLength(racks, p.parts.racks, b, units(b), a, units(a)), cable.length);
    }
  }
}

}  // namespace
}  // namespace weft
