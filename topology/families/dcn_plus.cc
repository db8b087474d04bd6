// DCN+: segments under two ToRs, Aggs of a pod with parallel links to every ToR,
// groups of cores [QXC+24 App. C].
#include <fmt/format.h>

#include "base/ceil_div.h"
#include "topology/families/family.h"

namespace weft {
namespace {

constexpr std::uint32_t kTors = 2;  // a segment's: one for each port of a NIC

void CheckPorts(const DcnPlusSpec& spec, const HostPart& host, const FamilyInput& input,
                Errors& errors) {
  const BitRate uplink = BitRate::BitsPerSecond(spec.uplink());
  const std::int64_t segments = spec.segments(), aggs = spec.aggs(), pods = spec.pods();
  const std::vector<PortUse> tor = {
      {static_cast<std::int64_t>(spec.hosts()) * host.nics, host.nic_port, "down"},
      {aggs * spec.links_per_agg(), uplink, "up"}};
  const std::vector<PortUse> agg = {{segments * kTors * spec.links_per_agg(), uplink, "down"},
                                    {spec.agg_uplinks(), uplink, "up"}};
  const std::vector<PortUse> core = {{pods * CeilDiv(aggs, spec.core_groups()), uplink, "down"}};
  if (host.nic_ports != static_cast<int>(kTors))
    errors.push_back({ErrorCode::kInconsistent, input.sources->At(input.host_path).pos,
                      fmt::format("dcn_plus has two ToRs a segment, and the host's NICs have "
                                  "nic_ports: {}",
                                  host.nic_ports),
                      "nic_ports: 2"});
  if (!PortsFit(input.chip, tor))
    AddError(input, "hosts", "a ToR has too few ports: " + FormatPortSum(tor), "fewer hosts",
             errors);
  if (!PortsFit(input.chip, agg))
    AddError(input, "segments", "an Agg has too few ports: " + FormatPortSum(agg), "fewer segments",
             errors);
  if (spec.core_groups() > spec.aggs())
    AddError(
        input, "core_groups",
        fmt::format("'core_groups' is {}, and a pod has {} Aggs", spec.core_groups(), spec.aggs()),
        fmt::format("at most {}", spec.aggs()), errors);
  else if (pods > 1 && !PortsFit(input.chip, core))
    AddError(input, "pods", "a core has too few ports: " + FormatPortSum(core),
             fmt::format("pods: at most {}",
                         Radix(input.chip, uplink) / CeilDiv(aggs, spec.core_groups())),
             errors);
}

FabricLimits LimitsOf(const DcnPlusSpec& spec, const HostPart& host, const SwitchPart& chip) {
  const BitRate uplink = BitRate::BitsPerSecond(spec.uplink());
  FabricLimits limits;
  // One ToR pair at 1:1: half a ToR's rate faces the hosts, every NIC on both ToRs.
  const std::int64_t nics = Radix({chip.rate * 0.5, chip.ports, {}, {}}, host.nic_port);
  limits.tier1_gpus = nics * host.gpus / host.nics;
  // One set of Aggs: what its ports down leave for ToR pairs of links_per_agg links each.
  const std::int64_t down = Radix(chip, uplink) - spec.agg_uplinks();
  limits.tier2_gpus = *limits.tier1_gpus * (down / (std::int64_t{kTors} * spec.links_per_agg()));
  return limits;
}

// One pod leaves the Aggs' uplinks without a core: they are provisioned, not cabled.
FabricCounts Provisioned(const DcnPlusSpec& spec, const HostPart& host) {
  const std::int64_t segments = spec.segments(), aggs = spec.aggs();
  const double uplink_bps = spec.uplink();
  FabricCounts out;
  out.hosts = segments * spec.hosts();
  out.gpus = out.hosts * host.gpus;
  out.nics = out.hosts * host.nics;
  TierCount tor{"tor",
                segments * kTors,
                out.nics * kTors,
                segments * kTors * aggs * spec.links_per_agg(),
                {}};
  TierCount agg{"agg", aggs, tor.links_up, aggs * spec.agg_uplinks(), {}};
  tor.oversubscription = static_cast<double>(tor.links_down) * host.nic_port.bits_per_second() /
                         (static_cast<double>(tor.links_up) * uplink_bps);
  agg.oversubscription = static_cast<double>(agg.links_down) / static_cast<double>(agg.links_up);
  out.tiers = {tor, agg};
  return out;
}

struct Switches {
  std::vector<VertexId> tor;   // [pods · segments · 2]
  std::vector<VertexId> agg;   // [pods · aggs]
  std::vector<VertexId> core;  // [core_groups · agg_uplinks], none with one pod
};

Switches AddVertices(const DcnPlusSpec& spec, const HostPart& host, FabricBuilder& builder) {
  Switches out;
  const auto pods = static_cast<std::uint16_t>(spec.pods());
  const auto segments = static_cast<std::uint16_t>(spec.segments());
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint16_t s = 0; s < segments; ++s)
      for (std::int32_t h = 0; h < spec.hosts(); ++h) builder.AddHost(ShapeOf(host), p, s);
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint16_t s = 0; s < segments; ++s)
      for (std::uint32_t t = 0; t < kTors; ++t)
        out.tor.push_back(builder.AddSwitch({VertexKind::kSwitch, 1, 0, p, s, t, kNoHost}));
  for (std::uint16_t p = 0; p < pods; ++p)
    for (std::uint32_t a = 0; a < static_cast<std::uint32_t>(spec.aggs()); ++a)
      out.agg.push_back(builder.AddSwitch({VertexKind::kSwitch, 2, 0, p, 0, a, kNoHost}));
  const std::uint32_t cores =
      pods > 1 ? static_cast<std::uint32_t>(spec.core_groups() * spec.agg_uplinks()) : 0;
  for (std::uint32_t c = 0; c < cores; ++c)
    out.core.push_back(builder.AddSwitch({VertexKind::kSwitch, 3, 0, 0, 0, c, kNoHost}));
  return out;
}

void AddCables(const DcnPlusSpec& spec, const HostPart& host, const Switches& switches,
               FabricBuilder& builder) {
  const BitRate uplink = BitRate::BitsPerSecond(spec.uplink());
  const SimDuration latency(spec.latency());
  const auto hosts = static_cast<std::uint32_t>(spec.hosts());
  const auto segments = static_cast<std::uint32_t>(spec.segments());
  const auto aggs = static_cast<std::uint32_t>(spec.aggs());
  const auto pods = static_cast<std::uint32_t>(spec.pods());
  for (std::uint32_t h = 0; h < pods * segments * hosts; ++h)
    for (std::uint16_t n = 0; n < host.nics; ++n)
      for (std::uint8_t p = 0; p < kTors; ++p)
        builder.AddCable(builder.nic(HostId{h}, n), switches.tor[h / hosts * kTors + p],
                         host.nic_port, latency, p);
  for (std::uint32_t t = 0; t < switches.tor.size(); ++t)
    for (std::uint32_t a = 0; a < aggs; ++a)
      for (std::int32_t k = 0; k < spec.links_per_agg(); ++k)
        builder.AddCable(switches.tor[t], switches.agg[t / (segments * kTors) * aggs + a], uplink,
                         latency, static_cast<std::uint8_t>(k));
  if (switches.core.empty()) return;
  const auto up = static_cast<std::uint32_t>(spec.agg_uplinks());
  const auto groups = static_cast<std::uint32_t>(spec.core_groups());
  for (std::uint32_t a = 0; a < switches.agg.size(); ++a)
    for (std::uint32_t c = 0; c < up; ++c)
      builder.AddCable(switches.agg[a], switches.core[a % aggs * groups / aggs * up + c], uplink,
                       latency, 0);
}

}  // namespace

Result<Fabric> BuildDcnPlus(const FabricSpec& fabric, const FamilyInput& input) {
  const DcnPlusSpec& spec = fabric.dcn_plus();
  if (!input.host)
    return Fail(ErrorCode::kInconsistent, input.sources->At("fabric").pos,
                "family dcn_plus needs to know its hosts", "host: { preset: hgx-h800 }");
  const HostPart& host = *input.host;
  const std::int64_t pods = spec.pods(), segments = spec.segments(), aggs = spec.aggs();
  const std::int64_t tors = pods * segments * kTors;
  const std::int64_t cores =
      pods > 1 ? static_cast<std::int64_t>(spec.core_groups()) * spec.agg_uplinks() : 0;
  const std::int64_t hosts = pods * segments * spec.hosts();
  Errors errors;
  CheckPorts(spec, host, input, errors);
  CheckSize(hosts, host, tors + pods * aggs + cores,
            tors * aggs * spec.links_per_agg() + (pods > 1 ? pods * aggs * spec.agg_uplinks() : 0),
            input, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  FabricBuilder builder(1);
  AddCables(spec, host, AddVertices(spec, host, builder), builder);
  std::vector<TierNaming> naming = {{"tor", true, true, false}, {"agg", true, false, false}};
  if (cores > 0) naming.push_back({"core", false, false, false});
  builder.SetNaming(std::move(naming));
  if (pods == 1) builder.SetProvisioned(Provisioned(spec, host));
  builder.SetLimits(LimitsOf(spec, host, input.chip));
  builder.SetPower(PowerOf(hosts, host, tors + pods * aggs + cores, input.chip));
  return builder.Build();
}

}  // namespace weft
