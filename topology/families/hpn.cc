// HPN: rail-optimised segments under dual ToRs, isolated planes of Aggs, groups
// of cores above them [QXC+24 §4-§7, Fig. 7]; and the steps of the paper's
// Table 2 that lead there, as toggles.
//
//   ToR   (hosts + reserved) x port rate down, one uplink to each Agg of its plane
//   Agg   one link to each ToR of its plane; uplinks = ports / (oversubscription + 1),
//         all to the cores of one group
//   core  one port to each Agg of its group in every pod
#include <fmt/format.h>

#include <algorithm>

#include "topology/families/family.h"

namespace weft {
namespace {

// What the message comes to once its toggles are resolved.
struct Plan {
  std::int64_t pods = 1, segments = 1;
  std::int64_t hosts = 0, reserved = 0;  // a segment
  std::int64_t ports = 2;                // of a NIC, one to each ToR of a set
  std::int64_t sets = 8;                 // ToR sets of a segment: one a rail, or one for all
  std::int64_t nics_per_tor = 1;         // of one host under one ToR
  std::int64_t planes = 2, aggs = 60;    // Aggs of a pod in one plane
  std::int64_t agg_up = 8, agg_down = 120;
  std::int64_t groups = 4;  // of cores in one plane, agg_up cores each
  std::int64_t half = 0;    // ports of a ToR at half its rate
  BitRate port, uplink;
  SimDuration latency{};

  std::int64_t tors() const { return sets * ports; }  // of a segment
  // Of a segment, below one Agg.
  std::int64_t tors_of_plane() const { return planes == 2 ? sets : tors(); }
  std::int64_t aggs_of_pod() const { return aggs * planes; }
  std::int64_t cores() const { return pods > 1 ? planes * groups * agg_up : 0; }
  std::int64_t core_ports_of_pod() const { return (aggs + groups - 1) / groups; }
  std::vector<PortUse> tor_ports() const {
    return {{(hosts + reserved) * nics_per_tor, port, "down"}, {aggs, uplink, "up"}};
  }
};

Plan Resolve(const HpnSpec& spec, const HostPart& host, const SwitchPart& chip) {
  Plan plan;
  plan.pods = spec.pods();
  plan.segments = spec.segments();
  plan.ports = spec.tors() == HpnSpec::SINGLE ? 1 : 2;
  plan.sets = spec.rail_optimized() ? host.nics : 1;
  plan.nics_per_tor = spec.rail_optimized() ? 1 : host.nics;
  plan.planes = spec.planes();
  plan.aggs = spec.aggs_per_plane();
  plan.groups = spec.core_groups_per_plane();
  plan.port =
      BitRate::BitsPerSecond(host.nic().bits_per_second() / static_cast<double>(plan.ports));
  plan.uplink = BitRate::BitsPerSecond(spec.uplink());
  plan.latency = SimDuration(spec.latency());
  const std::int64_t radix = Radix(chip, plan.uplink);
  plan.agg_up = radix / (spec.core_oversubscription() + 1);
  plan.agg_down = plan.agg_up * spec.core_oversubscription();
  // Half a ToR's rate faces the populated hosts; what the uplinks leave of the other
  // half is the reserve: 51.2T = 128 x 200G + 60 x 400G + 8 x 200G.
  plan.half = Radix({chip.rate * 0.5, chip.ports, {}, {}}, plan.port);
  plan.hosts = spec.has_hosts() ? spec.hosts() : plan.half / plan.nics_per_tor;
  const BitRate left = chip.rate - plan.uplink * static_cast<double>(plan.aggs);
  const std::int64_t room =
      left > BitRate() ? Radix({left, chip.ports, {}, {}}, plan.port) / plan.nics_per_tor : 0;
  plan.reserved = spec.has_reserved_hosts()
                      ? spec.reserved_hosts()
                      : std::clamp<std::int64_t>(room - plan.hosts, 0, plan.hosts / 16);
  return plan;
}

void CheckToggles(const HpnSpec& spec, const Plan& plan, const FamilyInput& input, Errors& errors) {
  if (plan.planes == 2 && plan.ports == 1)
    AddError(input, input.Given("planes", "tors"),
             "'planes: 2' needs two ToRs a NIC, and 'tors' is single", "planes: 1, or tors: dual",
             errors);
  if (plan.ports == 2 && input.host->nic_ports != 2)
    errors.push_back(
        {ErrorCode::kInconsistent, input.Written(input.host_path),
         fmt::format("two ToRs a NIC need NICs of two ports, and the host's have nic_ports: {}",
                     input.host->nic_ports),
         "nic_ports: 2, or fabric.tors: single"});
  if (plan.groups > plan.aggs)
    AddError(input, "core_groups_per_plane",
             fmt::format("'core_groups_per_plane' is {}, and a plane has {} Aggs", plan.groups,
                         plan.aggs),
             fmt::format("at most {}", plan.aggs), errors);
  if (plan.agg_up == 0)
    AddError(input, "core_oversubscription",
             fmt::format("at {}:1 an Agg's ports leave none for an uplink",
                         spec.core_oversubscription()),
             "a smaller core_oversubscription", errors);
  if (plan.hosts == 0)
    AddError(input, "rail_optimized",
             fmt::format("half a ToR's rate carries {} ports of a NIC, and one host has {}",
                         plan.half, plan.nics_per_tor),
             "fewer nics, or rail_optimized: true", errors);
}

void CheckPorts(const Plan& plan, const FamilyInput& input, Errors& errors) {
  const std::vector<PortUse> tor = plan.tor_ports();
  if (!PortsFit(input.chip, tor)) {
    const BitRate left = input.chip.rate - plan.uplink * static_cast<double>(plan.aggs);
    const std::int64_t room =
        left > BitRate() ? Radix({left, input.chip.ports, {}, {}}, plan.port) / plan.nics_per_tor
                         : 0;
    AddError(input, room > 0 ? "hosts" : "aggs_per_plane",
             "a ToR has too few ports: " + FormatPortSum(tor),
             room > 0 ? fmt::format("'hosts' and 'reserved_hosts' together at most {}", room)
                      : std::string("fewer aggs_per_plane"),
             errors);
  }
  const std::int64_t need = plan.segments * plan.tors_of_plane();
  if (plan.agg_up > 0 && need > plan.agg_down)
    AddError(input, "segments",
             fmt::format("an Agg has too few ports: {} segments x {} ToRs = {} down, and of its "
                         "{} ports {} go up and {} down",
                         plan.segments, plan.tors_of_plane(), need, Radix(input.chip, plan.uplink),
                         plan.agg_up, plan.agg_down),
             fmt::format("segments: at most {}", plan.agg_down / plan.tors_of_plane()), errors);
  const std::int64_t radix = Radix(input.chip, plan.uplink);
  if (plan.pods > 1 && plan.pods * plan.core_ports_of_pod() > radix)
    AddError(input, "pods",
             fmt::format("a core has too few ports: {} pods x {} Aggs of its group = {}, and it "
                         "has {}",
                         plan.pods, plan.core_ports_of_pod(), plan.pods * plan.core_ports_of_pod(),
                         radix),
             fmt::format("pods: at most {}", radix / plan.core_ports_of_pod()), errors);
}

// [QXC+24 Table 2], derived from ports: tier 1 is what half a ToR's rate carries, times the
// rails; tier 2 is as many segments as an Agg has ports for. In the paper's steps:
//   64 = 25.6T/400G, 128 = 25.6T/200G, 1,024 = 128 x 8 rails;
//   4,096 = 1,024 x 64/16 ToRs, 8,192 = 1,024 x 64/8, 15,360 = 1,024 x 120/8.
FabricLimits LimitsOf(const Plan& plan, const HostPart& host) {
  FabricLimits limits;
  limits.tier1_gpus = plan.half * plan.sets * host.gpus / host.nics;
  if (plan.ports == 2)
    limits.tier2_gpus = *limits.tier1_gpus * (plan.agg_down / plan.tors_of_plane());
  return limits;
}

FabricCounts Provisioned(const Plan& plan, const HostPart& host) {
  const auto rate = [](std::int64_t count, BitRate one) {
    return static_cast<double>(count) * one.bits_per_second();
  };
  const std::int64_t segments = plan.pods * plan.segments;
  FabricCounts out;
  out.planes = static_cast<int>(plan.planes);
  out.hosts = segments * (plan.hosts + plan.reserved);
  out.gpus = out.hosts * host.gpus;
  out.nics = out.hosts * host.nics;
  TierCount tor{
      "tor", segments * plan.tors(), out.nics * plan.ports, segments * plan.tors() * plan.aggs, {}};
  TierCount agg{"agg",
                plan.pods * plan.aggs_of_pod(),
                tor.links_up,
                plan.pods * plan.aggs_of_pod() * plan.agg_up,
                {}};
  tor.oversubscription = rate(tor.links_down, plan.port) / rate(tor.links_up, plan.uplink);
  agg.oversubscription = rate(agg.links_down, plan.uplink) / rate(agg.links_up, plan.uplink);
  out.tiers = {tor, agg};
  if (plan.pods > 1) out.tiers.push_back({"core", plan.cores(), agg.links_up, 0, {}});
  return out;
}

struct Switches {
  std::vector<VertexId> tor;   // [pods · segments · tors]; ToR 2·rail + port of a dual segment
  std::vector<VertexId> agg;   // [pods · planes · aggs]
  std::vector<VertexId> core;  // [planes · groups · agg_up]
};

Switches AddVertices(const Plan& plan, const HostPart& host, FabricBuilder& builder) {
  Switches out;
  const auto pods = static_cast<std::uint16_t>(plan.pods);
  const auto segments = static_cast<std::uint16_t>(plan.segments);
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint16_t s = 0; s < segments; ++s)
      for (std::int64_t h = 0; h < plan.hosts; ++h) builder.AddHost(ShapeOf(host), p, s);
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint16_t s = 0; s < segments; ++s)
      for (std::uint32_t t = 0; t < plan.tors(); ++t) {
        const auto plane = static_cast<std::uint8_t>(plan.planes == 2 ? t % 2 : 0);
        out.tor.push_back(builder.AddSwitch({VertexKind::kSwitch, 1, plane, p, s, t, kNoHost}));
      }
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint8_t plane = 0; plane < plan.planes; ++plane)
      for (std::uint32_t a = 0; a < plan.aggs; ++a)
        out.agg.push_back(builder.AddSwitch({VertexKind::kSwitch, 2, plane, p, 0, a, kNoHost}));
  for (std::uint32_t c = 0; c < plan.cores(); ++c) {
    const auto plane = static_cast<std::uint8_t>(c / (plan.groups * plan.agg_up));
    out.core.push_back(builder.AddSwitch({VertexKind::kSwitch, 3, plane, 0, 0, c, kNoHost}));
  }
  return out;
}

void CableHosts(const Plan& plan, const HostPart& host, const Switches& switches,
                FabricBuilder& builder) {
  const std::int64_t hosts = plan.pods * plan.segments * plan.hosts;
  for (std::int64_t h = 0; h < hosts; ++h)
    for (std::int64_t n = 0; n < host.nics; ++n)
      for (std::int64_t p = 0; p < plan.ports; ++p) {
        const std::int64_t set = plan.sets == 1 ? 0 : n;
        const std::int64_t tor = h / plan.hosts * plan.tors() + set * plan.ports + p;
        builder.AddCable(
            builder.nic(HostId{static_cast<std::uint32_t>(h)}, static_cast<std::uint16_t>(n)),
            switches.tor[static_cast<std::size_t>(tor)], plan.port, plan.latency,
            static_cast<std::uint8_t>(p));
      }
}

void CableSwitches(const Plan& plan, const Switches& switches, FabricBuilder& builder) {
  const auto at = [](const std::vector<VertexId>& ids, std::int64_t i) {
    return ids[static_cast<std::size_t>(i)];
  };
  const auto tors = static_cast<std::int64_t>(switches.tor.size());
  for (std::int64_t t = 0; t < tors; ++t) {
    const std::int64_t pod = t / (plan.segments * plan.tors());
    const std::int64_t plane = plan.planes == 2 ? t % 2 : 0;  // ToRs of a set are neighbours
    for (std::int64_t a = 0; a < plan.aggs; ++a)
      builder.AddCable(at(switches.tor, t),
                       at(switches.agg, (pod * plan.planes + plane) * plan.aggs + a), plan.uplink,
                       plan.latency, 0);
  }
  if (switches.core.empty()) return;
  const auto aggs = static_cast<std::int64_t>(switches.agg.size());
  for (std::int64_t a = 0; a < aggs; ++a) {
    const std::int64_t plane = a / plan.aggs % plan.planes;
    const std::int64_t group = a % plan.aggs * plan.groups / plan.aggs;
    for (std::int64_t c = 0; c < plan.agg_up; ++c)
      builder.AddCable(at(switches.agg, a),
                       at(switches.core, (plane * plan.groups + group) * plan.agg_up + c),
                       plan.uplink, plan.latency, 0);
  }
}

void AddNotes(const HpnSpec& spec, const Plan& plan, FabricBuilder& builder) {
  if (plan.ports == 1)
    builder.AddNote(
        "two tiers of single ToRs have no figure: the paper's Table 2 gives 2K, which does not "
        "follow from 128 ports of 400 Gb/s a switch");
  if (spec.tors() == HpnSpec::DUAL_STACKED)
    builder.AddNote(
        "stacked ToRs are counted like dual ones; that a stack fails as one is not modelled: "
        "give a fault for each of its two ToRs");
}

}  // namespace

Result<Fabric> BuildHpn(const FabricSpec& fabric, const FamilyInput& input) {
  const HpnSpec& spec = fabric.hpn();
  if (!input.host)
    return Fail(ErrorCode::kInconsistent, input.sources->At("fabric").pos,
                "family hpn needs to know its hosts", "host: { preset: hgx-h800 }");
  const HostPart& host = *input.host;
  const Plan plan = Resolve(spec, host, input.chip);
  const std::int64_t hosts = plan.pods * plan.segments * plan.hosts;
  const std::int64_t tors = plan.pods * plan.segments * plan.tors();
  const std::int64_t aggs = plan.pods * plan.aggs_of_pod();
  Errors errors;
  CheckToggles(spec, plan, input, errors);
  CheckPorts(plan, input, errors);
  CheckSize(hosts, host, tors + aggs + plan.cores(),
            tors * plan.aggs + (plan.pods > 1 ? aggs * plan.agg_up : 0), input, errors);
  if (!errors.empty()) {
    SortByPosition(errors);
    return tl::make_unexpected(std::move(errors));
  }

  FabricBuilder builder(static_cast<int>(plan.planes));
  const Switches switches = AddVertices(plan, host, builder);
  CableHosts(plan, host, switches, builder);
  CableSwitches(plan, switches, builder);
  std::vector<TierNaming> naming = {{"tor", true, true, false},
                                    {"agg", true, false, plan.planes == 2}};
  if (plan.pods > 1) naming.push_back({"core", false, false, false});
  builder.SetNaming(std::move(naming));
  builder.SetCoresHashByPort();  // [QXC+24 §7]
  builder.SetProvisioned(Provisioned(plan, host));
  builder.SetLimits(LimitsOf(plan, host));
  AddNotes(spec, plan, builder);
  builder.SetPower(PowerOf(hosts, host, tors + aggs + plan.cores(), input.chip));
  return builder.Build();
}

}  // namespace weft
