#include "topology/cabling.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "tests/topology/cabling_plans.h"
#include "topology/cabling_summary.h"

namespace weft {
namespace {

using testing::HasSubstr;

constexpr BitRate k200G = GigabitsPerSecond(200), k400G = GigabitsPerSecond(400);

// What a family promises, of one fabric of it. One line a family that promises something.
struct Claims {
  bool dual_homed = false;  // the ports of a NIC lead to different switches
  bool survives[4] = {};    // [tier] every host reaches every other without any one
};

Claims ClaimsOf(const FabricSpec& spec) {
  switch (spec.family_case()) {
    case FabricSpec::kHpn: {
      const bool dual = spec.hpn().tors() != HpnSpec::SINGLE,
                 all = dual && spec.hpn().planes() == 2;
      return {dual, {false, all, all, all}};
    }
    case FabricSpec::kDcnPlus:
      return {true, {false, true, spec.dcn_plus().aggs() > 1, spec.dcn_plus().agg_uplinks() > 1}};
    case FabricSpec::kLeafSpine:
      return {false, {false, false, spec.leaf_spine().spines() > 1, false}};
    default:
      return {};
  }
}

class Sets {
 public:
  explicit Sets(std::size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0u); }
  std::uint32_t Of(std::uint32_t x) {
    while (parent_[x] != x) x = parent_[x] = parent_[parent_[x]];
    return x;
  }
  void Join(std::uint32_t a, std::uint32_t b) { parent_[Of(a)] = Of(b); }

 private:
  std::vector<std::uint32_t> parent_;
};

const CagePart& PartOf(const Planned& p, const Cage& cage) {
  return p.plan.cages_of[p.parts.kind_of[Index(cage.device)]].part;
}
template <typename Part>
bool Fits(const Part& part, CageSpec::Form form) {
  return std::count(part.forms.begin(), part.forms.end(), form) > 0;
}

// Cables are links, each once, and the ends are where the link's ends are.
void CheckEnds(const Planned& p) {
  std::vector<int> cabled(p.fabric.link_count(), 0);
  std::set<std::pair<std::uint32_t, int>> taken;
  for (const Cable& cable : p.plan.cables) {
    const Link& link = p.fabric.link(cable.link);
    ++cabled[Index(cable.link)];
    ++cabled[Index(link.reverse)];
    EXPECT_EQ(p.plan.cage(cable.a.cage).device, DeviceOf(p.fabric, link.from));
    EXPECT_EQ(p.plan.cage(cable.b.cage).device, DeviceOf(p.fabric, link.to));
    for (const CableEnd& end : {cable.a, cable.b}) {
      const Cage& cage = p.plan.cage(end.cage);
      EXPECT_LT(end.port, cage.ports);
      EXPECT_EQ(cage.rate, link.rate);  // so that both ends are of one rate
      EXPECT_EQ(cage.medium, cable.medium);
      EXPECT_TRUE(taken.insert({Index(end.cage), end.port}).second);
    }
    EXPECT_EQ(p.plan.cage(cable.a.cage).port_lanes, p.plan.cage(cable.b.cage).port_lanes);
    EXPECT_GT(cable.length, Metres());
  }
  for (std::uint32_t l = 0; l < p.fabric.link_count(); ++l)
    EXPECT_EQ(cabled[l], p.fabric.link(LinkId{l}).link_class == LinkClass::kNetwork ? 1 : 0);
  // As many ports in cages as ends.
  std::size_t ports = 0;
  for (const Cage& cage : p.plan.cages) ports += cage.ports;
  EXPECT_EQ(ports, 2 * p.plan.cables.size());
}

// Ports within their cage, cages within their device, rates within the chip.
void CheckPorts(const Planned& p) {
  std::vector<double> rate_bps(DeviceCount(p.fabric), 0);
  for (const Cage& cage : p.plan.cages) {
    const CagePart& part = PartOf(p, cage);
    EXPECT_GE(cage.ports, 1);
    EXPECT_LE(cage.ports, cage.split);
    EXPECT_LE(cage.split, part.ports);
    EXPECT_LE(cage.split * cage.port_lanes, part.lanes);
    EXPECT_LE(cage.rate.bits_per_second(),
              cage.port_lanes * part.lane.bits_per_second() * (1 + 1e-9));
    EXPECT_LT(cage.number, p.plan.cages_of[p.parts.kind_of[Index(cage.device)]].count);
    EXPECT_LE(cage.draws, part.power.value_or(cage.draws));
    rate_bps[Index(cage.device)] += cage.rate.bits_per_second() * cage.ports;
  }
  for (std::uint32_t d = p.fabric.host_count(); d < rate_bps.size(); ++d)
    EXPECT_LE(rate_bps[d], p.parts.kind(DeviceId{d}).rate.bits_per_second() * (1 + 1e-9));
}

void CheckOptic(const Planned& p, const Cage& cage, Metres length) {
  const OpticPart& optic = p.parts.optics[cage.part];
  EXPECT_EQ(optic.fibre, cage.medium);
  EXPECT_TRUE(Fits(optic, PartOf(p, cage).form));
  EXPECT_LE(length, optic.reach);
  EXPECT_LE(cage.ports, optic.ports);
  EXPECT_LE(cage.ports * cage.port_lanes, optic.lanes);
  EXPECT_EQ(cage.draws, optic.Draws(cage.ports * cage.port_lanes));
}

// The plugs fit, reach and understand each other.
void CheckMedia(const Planned& p) {
  std::map<std::uint32_t, std::vector<const Cable*>> assemblies;
  for (const Cable& cable : p.plan.cables) {
    const Cage &a = p.plan.cage(cable.a.cage), &b = p.plan.cage(cable.b.cage);
    assemblies[cable.assembly].push_back(&cable);
    EXPECT_EQ(std::count(p.parts.media.begin(), p.parts.media.end(), cable.medium), 1);
    if (HasOptics(cable.medium)) {
      CheckOptic(p, a, cable.length);
      CheckOptic(p, b, cable.length);
      EXPECT_EQ(p.parts.optics[a.part].standard, p.parts.optics[b.part].standard);
      EXPECT_EQ(p.parts.optics[a.part].lane, p.parts.optics[b.part].lane);
      continue;
    }
    const CablePart& part = p.parts.cables[a.part];
    EXPECT_EQ(a.part, b.part);
    EXPECT_EQ(part.medium, cable.medium);
    EXPECT_LE(cable.length, part.reach);
    EXPECT_TRUE(Fits(part, PartOf(p, a).form) && Fits(part, PartOf(p, b).form));
  }
  EXPECT_EQ(assemblies.size(), p.plan.assemblies);
  for (const auto& [id, cables] : assemblies) {
    if (HasOptics(cables[0]->medium)) {
      EXPECT_EQ(cables.size(), 1u);
      continue;
    }
    // One piece takes every port of its cages; one end is one plug, the other `legs` at most.
    std::set<std::uint32_t> a, b;
    int ports = 0;
    for (const Cable* cable : cables) {
      a.insert(Index(cable->a.cage));
      b.insert(Index(cable->b.cage));
    }
    for (const auto& side : {a, b})
      for (const std::uint32_t k : side) ports += p.plan.cages[k].ports;
    EXPECT_EQ(ports, 2 * static_cast<int>(cables.size()));
    EXPECT_EQ(std::min(a.size(), b.size()), 1u);
    const int legs = p.parts.cables[p.plan.cage(cables[0]->a.cage).part].legs;
    EXPECT_LE(static_cast<int>(std::max(a.size(), b.size())), legs);
  }
}

// Whether `medium` could have joined two cages of one port each, tried by hand.
bool CouldJoin(const Planned& p, const Cage& a, const Cage& b, Medium medium, Metres length) {
  const double lane_bps = a.rate.bits_per_second() / a.port_lanes * (1 - 1e-9);
  const auto fits = [&](const auto& part, const Cage& cage, Watts draws) {
    return Fits(part, PartOf(p, cage).form) && part.reach >= length &&
           part.lane.bits_per_second() >= lane_bps &&
           (!PartOf(p, cage).power || draws <= *PartOf(p, cage).power);
  };
  for (const CablePart& part : p.parts.cables)
    if (part.medium == medium && fits(part, a, part.lane_power * a.port_lanes) &&
        fits(part, b, part.lane_power * b.port_lanes))
      return true;
  const auto optic_fits = [&](const OpticPart& optic, const Cage& cage) {
    return optic.fibre == medium && fits(optic, cage, optic.Draws(cage.port_lanes)) &&
           optic.lanes >= cage.port_lanes * cage.split && optic.ports >= cage.split &&
           cage.port_lanes % (optic.lanes / optic.ports) == 0;
  };
  for (const OpticPart& one : p.parts.optics)
    for (const OpticPart& other : p.parts.optics)
      if (one.standard == other.standard && one.lane == other.lane && optic_fits(one, a) &&
          optic_fits(other, b))
        return true;
  return false;
}

// No medium before the chosen one would have done, where a cable has its two cages for itself.
void CheckFirstThatDoes(const Planned& p) {
  for (const Cable& cable : p.plan.cables) {
    const Cage &a = p.plan.cage(cable.a.cage), &b = p.plan.cage(cable.b.cage);
    if (a.ports > 1 || b.ports > 1) continue;
    for (const Medium medium : p.parts.media) {
      EXPECT_EQ(CouldJoin(p, a, b, medium, cable.length), medium == cable.medium);
      if (medium == cable.medium) break;
    }
  }
}

// Devices do not overlap, racks hold what they may, cables reach.
void CheckRacks(const Planned& p) {
  const RackPlan& racks = p.plan.racks;
  std::vector<std::vector<int>> used(
      racks.racks.size(), std::vector<int>(static_cast<std::size_t>(p.parts.racks.rack.units) + 1));
  std::vector<double> drawn_w(racks.racks.size(), 0);
  std::int64_t reserved = 0;
  for (std::uint32_t d = 0; d < DeviceCount(p.fabric); ++d) {
    const DeviceKind& kind = p.parts.kind(DeviceId{d});
    const int units = kind.own_rack ? p.parts.racks.rack.units : kind.units;
    const Place& place = racks.place[d];
    ASSERT_GE(place.unit, 1);
    ASSERT_LE(place.unit + units - 1, p.parts.racks.rack.units);
    for (int u = place.unit; u < place.unit + units; ++u)
      EXPECT_EQ(++used[place.rack][static_cast<std::size_t>(u)], 1);
    drawn_w[place.rack] += kind.power.value_or(Watts()).count();
    for (std::uint32_t k = p.plan.first_cage[d]; k < p.plan.first_cage[d + 1]; ++k)
      drawn_w[place.rack] += p.plan.cages[k].draws.count();
  }
  for (std::size_t r = 0; r < racks.racks.size(); ++r) {
    const Rack& rack = racks.racks[r];
    reserved += rack.reserved_hosts;
    EXPECT_LE(rack.units, p.parts.racks.rack.units);
    EXPECT_EQ(rack.units, std::accumulate(used[r].begin(), used[r].end(), 0) +
                              rack.reserved_hosts * p.parts.kind(DeviceId{0}).units);
    if (rack.own) {  // its feeds are its host's, and nothing stands beside it
      EXPECT_EQ(rack.hosts, 1);
      EXPECT_EQ(rack.switches, 0);
      continue;
    }
    EXPECT_LE(drawn_w[r], p.parts.racks.rack.power.count() * (1 + 1e-9));
    if (!rack.power) continue;
    EXPECT_GE(rack.power->count(), drawn_w[r] * (1 - 1e-9));
    EXPECT_LE(*rack.power, p.parts.racks.rack.power * (1 + 1e-9));
  }
  EXPECT_EQ(reserved, p.fabric.provisioned().hosts - p.fabric.counts().hosts);
}

// The summary agrees with the plan, and what is provisioned is not less than what is there.
void CheckSummary(const Planned& p) {
  const CablingSummary sum = SummarizeCabling(p.fabric, p.parts, p.plan);
  std::int64_t cables = 0, fibres = 0, pieces = 0, optics = 0, optic_ports = 0, optical_cages = 0;
  for (const CableCount& one : sum.cables) {
    cables += one.count;
    pieces += one.pieces;
    if (HasOptics(one.medium)) fibres += one.count;
    EXPECT_LE(one.shortest, one.longest);
  }
  for (const OpticCount& one : sum.optics) optics += one.count;
  Watts draws;
  for (const Cage& cage : p.plan.cages) {
    draws = draws + cage.draws;
    if (!HasOptics(cage.medium)) continue;
    ++optical_cages;
    optic_ports += cage.ports;
  }
  EXPECT_EQ(cables, sum.cable_count);
  EXPECT_EQ(cables, static_cast<std::int64_t>(p.plan.cables.size()));
  EXPECT_EQ(pieces, p.plan.assemblies);
  EXPECT_EQ(optics, optical_cages);    // DAC, AEC and AOC have none
  EXPECT_EQ(optic_ports, 2 * fibres);  // optics = ends / ports an optic
  EXPECT_NEAR((sum.optics_draw + sum.cables_draw).count(), draws.count(), 1e-6);
  for (const CageCount& one : sum.cages) EXPECT_LE(one.used, one.all) << one.device;
}

// Every switch that a plane's cables join is of that plane.
void CheckPlanes(const Planned& p) {
  Sets sets(p.fabric.vertex_count());
  for (const Cable& cable : p.plan.cables) {
    const Link& link = p.fabric.link(cable.link);
    if (p.fabric.vertex(link.from).kind != VertexKind::kSwitch) continue;
    sets.Join(Index(link.from), Index(link.to));
  }
  std::map<std::uint32_t, int> plane_of;
  for (std::uint32_t v = FirstSwitch(p.fabric); v < p.fabric.vertex_count(); ++v) {
    const int plane = p.fabric.vertex(VertexId{v}).plane;
    EXPECT_EQ(plane_of.emplace(sets.Of(v), plane).first->second, plane);
  }
  // In each plane every host reaches every other.
  for (int plane = 0; plane < p.fabric.planes(); ++plane) {
    Sets devices(DeviceCount(p.fabric));
    for (const Cable& cable : p.plan.cables) {
      const Link& link = p.fabric.link(cable.link);
      if (p.fabric.vertex(link.to).plane != plane) continue;
      devices.Join(Index(DeviceOf(p.fabric, link.from)), Index(DeviceOf(p.fabric, link.to)));
    }
    for (std::uint32_t h = 1; h < p.fabric.host_count(); ++h)
      EXPECT_EQ(devices.Of(h), devices.Of(0)) << "plane " << plane;
  }
}

void CheckClaims(const Planned& p, Random& random) {
  const Claims claims = ClaimsOf(p.spec.message);
  std::map<std::uint32_t, std::set<std::uint32_t>> switches_of;  // by NIC
  std::map<std::uint32_t, std::size_t> ports_of;
  for (const Cable& cable : p.plan.cables) {
    const Link& link = p.fabric.link(cable.link);
    if (p.fabric.vertex(link.from).kind != VertexKind::kNic) continue;
    switches_of[Index(link.from)].insert(Index(link.to));
    ++ports_of[Index(link.from)];
  }
  if (claims.dual_homed)
    for (const auto& [nic, switches] : switches_of) {
      EXPECT_EQ(switches.size(), ports_of[nic]);
      EXPECT_GE(switches.size(), 2u);
    }
  const std::uint32_t first = FirstSwitch(p.fabric);
  const std::uint32_t gone = first + random.Below(p.fabric.vertex_count() - first);
  const std::uint8_t tier = p.fabric.vertex(VertexId{gone}).tier;
  if (tier > 3 || !claims.survives[tier]) return;
  Sets sets(DeviceCount(p.fabric));
  for (const Cable& cable : p.plan.cables) {
    const Link& link = p.fabric.link(cable.link);
    if (Index(link.from) == gone || Index(link.to) == gone) continue;
    sets.Join(Index(DeviceOf(p.fabric, link.from)), Index(DeviceOf(p.fabric, link.to)));
  }
  for (std::uint32_t h = 1; h < p.fabric.host_count(); ++h)
    EXPECT_EQ(sets.Of(h), sets.Of(0)) << "without " << p.fabric.Name(VertexId{gone});
}

void CheckPlan(const Planned& p, Random& random) {
  CheckEnds(p);
  CheckPorts(p);
  CheckMedia(p);
  CheckFirstThatDoes(p);
  CheckRacks(p);
  CheckSummary(p);
  CheckPlanes(p);
  CheckClaims(p, random);
}

// A fabric of any family with any switch, and any rules to cable it by.
std::string RandomSwitch(std::string fabric, Random& random) {
  const char* const switches[] = {"switch-51t2", "sn5600", "s9321-64e", "switch-25t6", ""};
  const char* one = switches[random.Below(5)];
  if (*one == 0) return fabric;
  return fabric.substr(0, fabric.size() - 2) + fmt::format(", switch: {{ preset: {} }} }}", one);
}

std::string RandomCabling(Random& random) {
  std::string out = fmt::format("racks_per_row: {}", 1 + random.Below(8));
  if (random.Below(3) == 0) out += fmt::format(", hosts_per_rack: {}", 1 + random.Below(2));
  if (random.Below(3) == 0) out += ", rack: { preset: air-20kw }";
  if (random.Below(3) == 0) out += fmt::format(", host_length: {}m", 1 + random.Below(30));
  const char* const far[] = {"1m", "4m", "45m", "300m", "1500m"};
  if (random.Below(3) == 0) out += fmt::format(", switch_length: {}", far[random.Below(5)]);
  const char* const media[] = {"[aoc, dac, single_mode]", "[single_mode]",
                               "[dac, aec, aoc, multimode, single_mode]"};
  if (random.Below(3) == 0) out += fmt::format(", media: {}", media[random.Below(3)]);
  return "{ " + out + " }";
}

// A fabric whose tiers have switches of their own, or which has hosts of two kinds.
std::string RandomOwnParts(Random& random) {
  const auto one_to = [&](std::uint32_t most) { return 1 + random.Below(most); };
  const auto a_switch = [&] {
    const char* const presets[] = {"switch-51t2", "sn5600", "s9321-64e", "qm9700", "switch-25t6"};
    return fmt::format("{{ preset: {}, units: {} }}", presets[random.Below(5)], one_to(4));
  };
  const std::uint32_t nics = one_to(4), hosts = 4 + random.Below(30);
  const std::string host = fmt::format(
      "host: {{ preset: hgx-h100, gpus: {}, nics: {}, nic: 200Gbps, power: 4kW }}", nics, nics);
  const std::string tiers =
      fmt::format("tiers: {}, link: {}Gbps, switch: {}, spine_switch: {}{}", 2 + random.Below(2),
                  200 * one_to(2), a_switch(), a_switch(),
                  random.Below(2) == 0 ? "" : ", core_switch: " + a_switch());
  switch (random.Below(4)) {
    case 0:
      return fmt::format(
          "{{ family: fat_tree, endpoints: {}, reserved_endpoints: {}, endpoints_per_leaf: {}, {}, "
          "{} }}",
          hosts * nics, random.Below(2) * nics, 4 * nics, host, tiers);
    case 1:
      return fmt::format(
          "{{ family: rail_optimized, units: {}, hosts_per_unit: {}, reserved_hosts: {}, {}, {} }}",
          one_to(3), one_to(8) + 1, random.Below(2), host, tiers);
    case 2:
      return fmt::format("{{ family: rail_only, hosts: {}, reserved_hosts: {}, {}, {} }}", hosts,
                         random.Below(3), host, tiers);
    default:
      return fmt::format(
          "{{ family: custom, link: 200Gbps, switch: {}, hosts: [{{ name: old, count: {}, host: {{ "
          "preset: dgx-a100, gpus: 2, nics: 2, transport: ib, units: {} }} }}, {{ name: new, "
          "count: "
          "{}, host: {{ preset: hgx-h100, gpus: {}, nics: {}, power: 4kW }} }}], switches: [{{ "
          "name: leaf, "
          "count: {}, switch: {} }}, {{ name: bare, tier: 1 }}, {{ name: spine, count: {}, switch: "
          "{} }}], cables: [{{ from: [\"new*/nic*\", \"old*/nic*\"], to: [\"leaf*\", bare], join: "
          "in_turn }}, {{ from: [\"leaf*\", bare], to: \"spine*\", count: {} }}] }}",
          a_switch(), one_to(9), one_to(8), one_to(9), nics, nics, one_to(3), a_switch(), one_to(3),
          a_switch(), one_to(2));
  }
}

TEST(PlanCabling, KeepsEveryInvariantOfPartsOfTheirOwn) {
  const char* const seed_given = std::getenv("WEFT_SEED");
  const std::uint64_t first = seed_given == nullptr ? 0 : std::strtoull(seed_given, nullptr, 10);
  const std::uint64_t count = seed_given == nullptr ? 300 : 1;
  std::map<FabricSpec::FamilyCase, std::uint64_t> planned, of_kinds;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Random random(StreamSeed(seed, {6}));
    const std::string fabric = RandomOwnParts(random), cabling = RandomCabling(random);
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed << '\n' << fabric << '\n' << cabling);
    if (!TryFabric(fabric)) continue;
    const Result<Planned> plan = TryPlan(fabric, cabling);
    if (!plan) {
      // An old host's HDR lanes have no single-mode optic, and nothing of these lanes goes far.
      EXPECT_THAT(TextOf(plan.error()),
                  testing::AnyOf(HasSubstr("no part reaches 1500 m"),
                                 testing::ContainsRegex("no part reaches .* 4 lanes of 50Gbps")));
      continue;
    }
    const FabricSpec::FamilyCase family = plan->spec.message.family_case();
    ++planned[family];
    if (plan->parts.kinds.size() > 2) ++of_kinds[family];
    CheckPlan(*plan, random);
    if (testing::Test::HasFailure()) return;
  }
  if (seed_given != nullptr) return;
  for (const auto family : {FabricSpec::kFatTree, FabricSpec::kRailOptimized, FabricSpec::kRailOnly,
                            FabricSpec::kCustom}) {
    EXPECT_GT(planned[family], count / 8) << family;
    EXPECT_GT(of_kinds[family], count / 10) << family;
  }
}

TEST(PlanCabling, KeepsEveryInvariantOnRandomFabrics) {
  const char* const seed_given = std::getenv("WEFT_SEED");
  const std::uint64_t first = seed_given == nullptr ? 0 : std::strtoull(seed_given, nullptr, 10);
  const std::uint64_t count = seed_given == nullptr ? 400 : 1;
  std::uint64_t planned = 0, media[5] = {};
  std::set<FabricSpec::FamilyCase> families;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Random random(StreamSeed(seed, {5}));
    const std::string fabric = RandomSwitch(RandomFabricText(seed), random);
    const std::string cabling = RandomCabling(random);
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed << '\n' << fabric << '\n' << cabling);
    if (!TryFabric(fabric)) continue;  // too many ports for the smaller switch
    const Result<Planned> plan = TryPlan(fabric, cabling);
    if (!plan) {
      // All that these fabrics can lack is an optic of their lanes that reaches so far.
      EXPECT_THAT(TextOf(plan.error()), HasSubstr("no part reaches 1500 m"));
      continue;
    }
    ++planned;
    families.insert(plan->spec.message.family_case());
    for (const Cable& cable : plan->plan.cables) ++media[static_cast<int>(cable.medium)];
    CheckPlan(*plan, random);
    if (testing::Test::HasFailure()) return;
  }
  if (seed_given != nullptr) return;
  EXPECT_GT(planned, count * 3 / 4);
  EXPECT_GE(families.size(), 3u);
  for (const std::uint64_t cables : media) EXPECT_GT(cables, 100u);
}

// [QXC+24 §5.1, Fig. 7]: a ToR of 128 cages has 128 + 8 NIC ports of 200G, two a cage, and 60
// uplinks; an Agg 120 ports down, and 8 up that one pod does not cable.
TEST(PlanCabling, CablesAnHpnPod) {
  const Planned p = MakePlan("preset: hpn");
  ASSERT_EQ(p.plan.cables.size(), 45'120u);
  Random random(1);
  CheckPlan(p, random);
  const CablingSummary sum = SummarizeCabling(p.fabric, p.parts, p.plan);
  std::map<std::string, CageCount> cages;
  for (const CageCount& one : sum.cages) cages[one.device] = one;
  EXPECT_EQ(cages["host"].used, 30'720);
  EXPECT_EQ(cages["host"].all, 30'720);
  EXPECT_EQ(cages["tor"].used, 240 * (64 + 60));
  EXPECT_EQ(cages["tor"].reserved, 240 * 4);
  EXPECT_EQ(cages["tor"].all, 240 * 128);
  EXPECT_EQ(cages["agg"].used, 120 * 120);
  EXPECT_EQ(cages["agg"].reserved, 120 * 8);
  EXPECT_EQ(cages["agg"].all, 120 * 128);
  std::int64_t of_200g = 0, of_400g = 0;
  for (const CableCount& one : sum.cables) {
    (one.rate == k200G ? of_200g : of_400g) += one.count;
    EXPECT_EQ(one.breakout, one.rate == k200G ? 2 : 1);
  }
  EXPECT_EQ(of_200g, 30'720);
  EXPECT_EQ(of_400g, 14'400);
  EXPECT_EQ(sum.reserved_hosts, 120);
  EXPECT_EQ(sum.reserved_host_cables, 120 * 16);
  EXPECT_EQ(sum.reserved_switch_cables, 120 * 8);
  ASSERT_TRUE(sum.power);
  EXPECT_NEAR(sum.power->count(),
              1920 * 10.2e3 + 360 * 913.0 + (sum.optics_draw + sum.cables_draw).count(), 1e-3);
}

// An NVL72 is a rack of its own; XDR's 800G take four lanes of 200; Meta's CTSWs have eight
// electrical lanes of 50 Gb/s a port and meet four of 100 on the fibre.
TEST(PlanCabling, CablesEveryPreset) {
  for (const char* fabric :
       {"{ preset: superpod_gb200, units: 2 }", "{ preset: superpod_b300_xdr, units: 1 }",
        "{ preset: meta_24k, endpoints: 3072 }"}) {
    SCOPED_TRACE(fabric);
    const Planned p = MakePlan(fabric);
    Random random(1);
    CheckPlan(p, random);
    EXPECT_TRUE(SummarizeCabling(p.fabric, p.parts, p.plan).power);
  }
  const Planned racks = MakePlan("{ preset: superpod_gb200, units: 2 }");
  EXPECT_EQ(SummarizeCabling(racks.fabric, racks.parts, racks.plan).own_racks, 16);
}

// Two leaves of two hosts in one rack each, next to a rack of spines: by hand.
//   leaf: 2 x 400G down, 2 x 400G up. A QSFP112 is 1 x 400G, so that every cable has its cages.
//   Rack of 48 units of 44.45 mm: hosts on units 1 and 2, the leaf's two on 47-48.
TEST(PlanCabling, ChoosesByLengthInASmallFabric) {
  const std::string fabric =
      "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: one-gpu } }";
  const Planned p = MakePlan(fabric);
  ASSERT_EQ(p.plan.cables.size(), 8u);
  // host0 at 0.5 units, leaf at 47: 46.5 x 44.45 mm + 2 x 0.3 m = 2.667 m, and 10 %: 2.93 m.
  EXPECT_EQ(p.plan.cables[0].length, Metres(3));
  EXPECT_EQ(p.plan.cables[0].medium, Medium::kAec);
  EXPECT_EQ(p.parts.cables[p.plan.cage(p.plan.cables[0].a.cage).part].part, "ACC 100G lanes");
  // leaf0 in rack 0 to spine0 in rack 1: 1 unit below the top each, so 2 x 44.45 mm + 2 x 0.5 m
  // of tray + 0.6 m of rack + 2 x 0.3 m = 2.289 m, and 10 %: 2.52 m; spine1 is 2 units lower.
  EXPECT_EQ(p.plan.cables[4].length, Metres(3));
  EXPECT_EQ(MakePlan(fabric, "{ switch_length: 2m }").plan.cables[4].medium, Medium::kDac);
  EXPECT_EQ(MakePlan(fabric, "{ switch_length: 6m }").plan.cables[4].medium, Medium::kAec);
  EXPECT_EQ(MakePlan(fabric, "{ switch_length: 50m }").plan.cables[4].medium, Medium::kMultimode);
  EXPECT_EQ(MakePlan(fabric, "{ switch_length: 51m }").plan.cables[4].medium, Medium::kSingleMode);
  EXPECT_EQ(
      MakePlan(fabric, "{ switch_length: 50m, media: [aoc, multimode] }").plan.cables[4].medium,
      Medium::kAoc);
}

// An OSFP of eight lanes is two ports of 400G: leaf and spine cages meet in pairs, which only
// optics can join, but two hosts' cages hang on one leaf cage by a split cable.
TEST(PlanCabling, SplitsTwinPortCages) {
  const std::string fabric =
      "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: one-gpu }, switch: { preset: sn5600 } }";
  const Planned p = MakePlan(fabric, "{ host_length: 2m, switch_length: 2m }");
  std::map<Medium, int> count;
  for (const Cable& cable : p.plan.cables) ++count[cable.medium];
  EXPECT_EQ(count, (std::map<Medium, int>{{Medium::kDac, 4}, {Medium::kMultimode, 4}}));
  EXPECT_EQ(p.plan.assemblies, 2u + 4u);
  EXPECT_EQ(p.plan.cables[0].assembly, p.plan.cables[1].assembly);
  const CablingSummary sum = SummarizeCabling(p.fabric, p.parts, p.plan);
  ASSERT_EQ(sum.optics.size(), 1u);
  EXPECT_EQ(sum.optics[0].part, "2x400G SR4 OSFP");
  EXPECT_EQ(sum.optics[0].count, 4);  // 4 cables, 8 ends, 2 ports an optic
  EXPECT_EQ(sum.optics[0].draws, Watts(4 * 15));
  // With one spine, leaf cages and spine cages pair off: one straight cable of two ports each.
  const Planned pair = MakePlan(
      "{ family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 2, links_per_pair: 2, link: "
      "400Gbps, host: { preset: one-gpu }, switch: { preset: sn5600 } }",
      "{ host_length: 2m, switch_length: 2m }");
  EXPECT_EQ(pair.plan.assemblies, 2u + 2u);
}

// HDR NICs run four lanes of 50G, so that a 200G port takes a whole cage of the switch.
TEST(PlanCabling, GivesAPortTheLanesOfItsSlowerEnd) {
  const Planned p = MakePlan(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: dgx-a100 } }");
  const Cage& a = p.plan.cage(p.plan.cables[0].a.cage);
  const Cage& b = p.plan.cage(p.plan.cables[0].b.cage);
  EXPECT_EQ(a.rate, k200G);
  EXPECT_EQ(a.port_lanes, 4);
  EXPECT_EQ(b.port_lanes, 4);
  EXPECT_EQ(b.split, 1);
}

// Four OSFP serve the eight NICs of a DGX H100, two each.
TEST(PlanCabling, SharesAHostsCages) {
  const Planned p = MakePlan(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: hgx-h100 }, switch: { preset: sn5600 } }");
  EXPECT_EQ(p.plan.cages_of[0].count, 4);
  EXPECT_EQ(p.plan.first_cage[1], 4u);
  EXPECT_EQ(p.plan.cages[0].rate, k400G);
  EXPECT_EQ(p.plan.cages[0].ports, 2);
}

TEST(PlanCabling, AddsThePlugsToThePower) {
  const Planned p = MakePlan(
      "{ family: leaf_spine, leaves: 1, spines: 1, hosts_per_leaf: 2, link: 400Gbps, "
      "host: { preset: one-gpu, power: 1kW }, switch: { preset: s9321-64e } }",
      "{ media: [single_mode] }");
  // Two hosts of 1 kW and 9 W a DR4, two boxes of 913 W; 17 W for the twin DR4 of the leaf's two
  // hosts, and for those of the one link to the spine.
  const CablingSummary sum = SummarizeCabling(p.fabric, p.parts, p.plan);
  ASSERT_TRUE(sum.power);
  EXPECT_NEAR(sum.power->count(), 2 * 1000 + 2 * 913 + 2 * 9 + 3 * 17, 1e-9);
  EXPECT_NEAR(sum.most_power->count(), 2 * 1000 + 913 + 2 * 9 + 2 * 17, 1e-9);
}

TEST(PlanCabling, RefusesWhatDoesNotFit) {
  const std::string small =
      "{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: 400Gbps, host: { "
      "preset: one-gpu } }";
  EXPECT_EQ(PlanErrors(small, "{ switch_length: 3km }"),
            "test.yaml:1:1: error: no part reaches 3000 m from leaf0/spine0 (qsfp112, 1 x 400Gbps) "
            "to spine0/leaf0 (qsfp112, 1 x 400Gbps) in 4 lanes of 100Gbps (cabling: other media, "
            "optics, cables or lengths; weft presets optic lists some)\n");
  EXPECT_EQ(PlanErrors("{ family: leaf_spine, leaves: 2, spines: 2, hosts_per_leaf: 2, link: "
                       "800Gbps, host: { preset: one-gpu } }"),
            "test.yaml:1:1: error: a port of 800Gbps needs 8 lanes, and a cage of leaf0 has 4 of "
            "100Gbps (cage: with more or faster lanes)\n");
  EXPECT_EQ(PlanErrors("{ family: leaf_spine, leaves: 2, spines: 200, hosts_per_leaf: 2, link: "
                       "400Gbps, check_ports: false, host: { preset: one-gpu } }"),
            "test.yaml:1:1: error: leaf0 has too few cages: 202 x 400Gbps in 202 of 1 = 202, and "
            "it has 128 (a switch: with more cages, or fewer links)\n");
  EXPECT_EQ(PlanErrors(small, "{ rack: { units: 1 } }"),
            "test.yaml:1:9: error: a switch of 2 units does not fit a rack of 1 units and 50kW (a "
            "larger cabling.rack)\n");
  EXPECT_EQ(PlanErrors("{ preset: hpn, segments: 1 }", "{ hosts_per_rack: 7 }"),
            "test.yaml:1:19: error: 'hosts_per_rack' is 7, and a rack holds 4 hosts of 8 units "
            "and 10.392kW with its plugs (at most 4, or a larger cabling.rack)\n");
  EXPECT_EQ(PlanErrors("{ preset: hpn, segments: 1, host: { preset: hgx-h800, power: 60kW } }"),
            "test.yaml:1:1: error: a host of 8 units and 60.192kW with its plugs does not fit a "
            "rack of 48 units and 50kW (a larger cabling.rack)\n");
}

// Two hosts of a unit with a QSFP112 each and one of 8 units with two, on a leaf of a unit with
// twin-port OSFPs; spines of 4 units.
TEST(PlanCabling, GivesEveryKindItsOwnPart) {
  const std::string fabric =
      "{ family: custom, link: 400Gbps, hosts: [{ name: small, count: 2, host: { preset: one-gpu, "
      "units: 1 } }, { name: big, host: { preset: one-gpu, gpus: 2, nics: 2, units: 8 } }], "
      "switches: [{ name: leaf, switch: { preset: sn5600, units: 1 } }, { name: spine, count: 2, "
      "switch: { preset: switch-51t2, units: 4 } }], cables: [{ from: [\"small*/nic*\", "
      "\"big/nic*\"], to: leaf }, { from: leaf, to: \"spine*\", count: 2 }] }";
  const Planned p = MakePlan(fabric);
  std::vector<std::string> rows;
  for (const CageCount& one : SummarizeCabling(p.fabric, p.parts, p.plan).cages)
    rows.push_back(fmt::format("{} {} {} {}", one.device, NameOf(one.form), one.all, one.used));
  EXPECT_EQ(rows, (std::vector<std::string>{"small qsfp112 2 2", "big qsfp112 2 2",
                                            "leaf osfp 64 4", "spine qsfp112 256 4"}));
  // One rack of hosts: 1 + 1 + 8 units, the leaf at its top; one of spines.
  ASSERT_EQ(p.plan.racks.racks.size(), 2u);
  EXPECT_EQ(p.plan.racks.racks[0].units, 11);
  EXPECT_EQ(p.plan.racks.racks[1].units, 8);
  const std::vector<int> units = {1, 2, 3, 48, 45, 41};
  for (std::size_t d = 0; d < units.size(); ++d) EXPECT_EQ(p.plan.racks.place[d].unit, units[d]);
  EXPECT_EQ(PlanErrors(fabric, "{ rack: { units: 6 } }"),
            "test.yaml:1:9: error: a big of 8 units does not fit a rack of 6 units and 50kW (a "
            "larger cabling.rack)\n");
}

// What is described twice in the same words is one kind, as where every host stands by itself.
TEST(PlanCabling, TakesEqualPartsForOneKind) {
  const std::string host = "host: { preset: one-gpu, nic: 400Gbps }";
  const Planned apart = MakePlan(fmt::format(
      "{{ family: custom, link: 400Gbps, hosts: [{{ name: a, {} }}, {{ name: b, {} }}], switches: "
      "[{{ name: s, switch: {{ preset: sn5600 }} }}, {{ name: t, switch: {{ preset: sn5600 }} }}], "
      "cables: [{{ from: [\"a/nic0\", \"b/nic0\"], to: s }}, {{ from: s, to: t }}] }}",
      host, host));
  ASSERT_EQ(apart.parts.kinds.size(), 2u);
  EXPECT_EQ(apart.parts.kinds[0].name, "host");
  EXPECT_EQ(apart.parts.kinds[1].name, "switch");
  const CablingSummary sum = SummarizeCabling(apart.fabric, apart.parts, apart.plan);
  ASSERT_EQ(sum.cages.size(), 3u);
  EXPECT_EQ(sum.cages[0].all, 2);
}

TEST(PlanCabling, BlamesTheTiersOwnSwitch) {
  EXPECT_EQ(
      PlanErrors("{ family: fat_tree, tiers: 2, endpoints: 16, endpoints_per_leaf: 4, link: "
                 "400Gbps,\nspine_switch: { preset: sn5600, cages: 1 } }"),
      "test.yaml:2:15: error: spine0 has too few cages: 16 x 400Gbps in 8 of 2 = 8, and it has "
      "1 (a switch: with more cages, or fewer links)\n");
}

TEST(PlanCabling, HasNothingToCableWhereOnlyCountsAreKnown) {
  EXPECT_THAT(PlanErrors("{ family: slim_fly, q: 28, link: 400Gbps, counts_only: true }"),
              HasSubstr("nothing is built"));
}

// One odd port more, and a cage that holds two kinds would be needed: rates fit, cages do not.
TEST(PlanCabling, FindsWhatTheSumOfRatesMisses) {
  const std::string fabric =
      "{{ family: leaf_spine, leaves: 1, spines: {}, hosts_per_leaf: 1, link: 400Gbps, "
      "check_ports: false, host: {{ preset: one-gpu, nic: 200Gbps }}, switch: {{ preset: sn5600 }} "
      "}}";
  EXPECT_EQ(PlanErrors(fmt::format(fmt::runtime(fabric), 126)), "no error");
  EXPECT_THAT(PlanErrors(fmt::format(fmt::runtime(fabric), 127)),
              HasSubstr("leaf0 has too few cages: 1 x 200Gbps in 1 of 4 + 127 x 400Gbps in 64 of 2 "
                        "= 65, and it has 64"));
}

}  // namespace
}  // namespace weft
