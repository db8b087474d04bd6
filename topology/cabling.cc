#include "topology/cabling.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "topology/cabling_internal.h"

namespace weft {
namespace {

// The fastest NIC port of the fabric, and the most that one host has.
std::pair<BitRate, int> HostPorts(const Fabric& fabric) {
  BitRate fastest;
  int most = 0;
  for (const Host& host : fabric.hosts()) {
    int ports = 0;
    for (std::uint32_t n = 0; n < host.nics; ++n)
      for (const Link& link : fabric.links_from(VertexId{Index(host.first_nic) + n}))
        if (link.link_class == LinkClass::kNetwork) {
          ++ports;
          fastest = std::max(fastest, link.rate);
        }
    most = std::max(most, ports);
  }
  return {fastest, most};
}

void SetCages(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan) {
  const auto [fastest, ports] = HostPorts(fabric);
  plan.switch_cage = parts.chip.cage;
  plan.switch_cages = parts.chip.cages;
  plan.host_cage = parts.host.nic_cage.value_or(CageOfPort(fastest));
  plan.host_cages = (ports + plan.host_cage.ports - 1) / plan.host_cage.ports;
  if (!parts.host.nic_cage)
    plan.notes.push_back(
        fmt::format("the cages of the NICs have no figure (nic_cage): {} is assumed, one a port",
                    NameOf(plan.host_cage.form)));
  if (!parts.host.power || !parts.chip.power)
    plan.notes.push_back(
        fmt::format("{} no power figure: racks are filled by units and by what is known",
                    !parts.host.power && !parts.chip.power ? "hosts and switches have"
                    : !parts.host.power                    ? "hosts have"
                                                           : "switches have"));
}

void SetLengths(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan) {
  const auto units = [&](DeviceId device) {
    return Index(device) < fabric.host_count() ? parts.host.units : parts.chip.units;
  };
  for (Cable& cable : plan.cables) {
    const DeviceId a = plan.cage(cable.a.cage).device, b = plan.cage(cable.b.cage).device;
    const auto& fixed = Index(a) < fabric.host_count() ? parts.host_length : parts.switch_length;
    cable.length = fixed ? *fixed : CableLength(plan.racks, parts.racks, a, units(a), b, units(b));
  }
}

// What the plugs turned out to draw. A reserved host counts with the most that its plugs can.
void SetRackPower(const Fabric& fabric, const CablingParts& parts, const DeviceSize& host,
                  CablingPlan& plan) {
  for (Rack& rack : plan.racks.racks) {
    const bool known = (rack.hosts + rack.reserved_hosts == 0 || parts.host.power) &&
                       (rack.switches == 0 || parts.chip.power);
    if (!known) continue;
    rack.power = parts.host.power.value_or(Watts()) * (rack.hosts + rack.reserved_hosts) +
                 parts.chip.power.value_or(Watts()) * rack.switches +
                 host.plugs * rack.reserved_hosts;
  }
  for (std::uint32_t d = 0; d < DeviceCount(fabric); ++d) {
    Rack& rack = plan.racks.racks[plan.racks.place[d].rack];
    if (!rack.power) continue;
    for (std::uint32_t k = plan.first_cage[d]; k < plan.first_cage[d + 1]; ++k)
      rack.power = *rack.power + plan.cages[k].draws;
  }
  for (const Rack& rack : plan.racks.racks)
    WEFT_CHECK(!rack.power || *rack.power <= parts.racks.rack.power * (1 + 1e-9));
}

template <typename T>
tl::unexpected<Errors> Join(const Result<T>& one, Errors errors) {
  if (!one) errors.insert(errors.end(), one.error().begin(), one.error().end());
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

}  // namespace

// Whether the spec gives some hosts or switches parts of their own.
bool UnlikeParts(const FabricSpec& fabric) {
  const auto tiers = [](const auto& family) {
    return family.has_spine_switch() || family.has_core_switch();
  };
  const CustomSpec& custom = fabric.custom();
  const auto own_host = [](const CustomHosts& kind) { return kind.has_host(); };
  const auto own_switch = [](const CustomSwitches& kind) { return kind.has_switch_(); };
  return tiers(fabric.fat_tree()) || tiers(fabric.rail_optimized()) || tiers(fabric.rail_only()) ||
         (custom.hosts_size() > 1 &&
          std::any_of(custom.hosts().begin(), custom.hosts().end(), own_host)) ||
         std::any_of(custom.switches().begin(), custom.switches().end(), own_switch);
}

Result<CablingParts> MakeCablingParts(const FabricSpec& fabric, const HostSpec* host,
                                      const CablingSpec& cabling, const SourceMap& sources) {
  if (UnlikeParts(fabric))
    return Fail(ErrorCode::kInconsistent, sources.At("fabric").pos,
                "hosts or switches of several kinds are not planned",
                "one host: and one switch: for all");
  CablingParts out;
  out.sources = &sources;
  WEFT_TRY(out.chip, MakeSwitchPart(fabric.switch_(), sources, "fabric.switch"));
  out.host_path = "host";
  if (fabric.custom().hosts_size() == 1 && fabric.custom().hosts(0).has_host()) {
    host = &fabric.custom().hosts(0).host();
    out.host_path = "fabric.hosts[0].host";
  } else if (host == nullptr && fabric.has_host()) {
    host = &fabric.host();
    out.host_path = "fabric.host";
  }
  if (host != nullptr) {
    WEFT_TRY(out.host, MakeHostPart(*host, sources, out.host_path));
  }
  out.racks = MakeRackRules(cabling);
  for (const int medium : cabling.media())
    out.media.push_back(MediumOf(static_cast<CableSpec::Medium>(medium)));
  if (cabling.has_host_length()) out.host_length = Metres(cabling.host_length());
  if (cabling.has_switch_length()) out.switch_length = Metres(cabling.switch_length());
  auto optics = MakeOptics(cabling.optics(), sources, "cabling.optics");
  auto cables = MakeCables(cabling.cables(), sources, "cabling.cables");
  if (!optics) return Join(cables, optics.error());
  if (!cables) return Join(cables, {});
  out.optics = cabling.optics().empty() ? PresetOptics() : *std::move(optics);
  out.cables = cabling.cables().empty() ? PresetCables() : *std::move(cables);
  return out;
}

Result<CablingPlan> PlanCabling(const Fabric& fabric, const CablingParts& parts) {
  CablingPlan plan;
  Errors errors;
  SetCages(fabric, parts, plan);
  PutPortsIntoCages(fabric, parts, plan, errors);
  const DeviceSize host{parts.host.units, parts.host.power,
                        MostThatFits(plan.host_cage, parts) * plan.host_cages};
  const DeviceSize one_switch{parts.chip.units, parts.chip.power,
                              MostThatFits(plan.switch_cage, parts) * plan.switch_cages};
  Result<RackPlan> racks = PlanRacks(fabric, parts.racks, host, one_switch, *parts.sources);
  if (!racks || !errors.empty()) return Join(racks, std::move(errors));
  plan.racks = *std::move(racks);
  SetLengths(fabric, parts, plan);
  ChooseMedia(fabric, parts, plan, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  SetRackPower(fabric, parts, host, plan);
  return plan;
}

}  // namespace weft
