#include "topology/cabling.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "topology/cabling_internal.h"

namespace weft {
namespace {

// The fastest NIC port of each kind of host, and the most that one of them has.
std::vector<std::pair<BitRate, int>> HostPorts(const Fabric& fabric, const CablingParts& parts) {
  std::vector<std::pair<BitRate, int>> out(parts.kinds.size());
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const Host& host = fabric.host(HostId{h});
    auto& [fastest, most] = out[parts.kind_of[h]];
    int ports = 0;
    for (std::uint32_t n = 0; n < host.nics; ++n)
      for (const Link& link : fabric.links_from(VertexId{Index(host.first_nic) + n}))
        if (link.link_class == LinkClass::kNetwork) {
          ++ports;
          fastest = std::max(fastest, link.rate);
        }
    most = std::max(most, ports);
  }
  return out;
}

// How many kinds of hosts there are; they come first.
std::size_t HostKinds(const Fabric& fabric, const CablingParts& parts) {
  if (fabric.host_count() == 0) return 0;
  const auto hosts = parts.kind_of.begin() + fabric.host_count();
  return *std::max_element(parts.kind_of.begin(), hosts) + std::size_t{1};
}

// "hosts", "some switches": those of `kinds` without a figure; empty where all have one.
std::string WithoutPower(std::span<const DeviceKind> kinds, const char* what) {
  const auto without = static_cast<std::size_t>(
      std::count_if(kinds.begin(), kinds.end(), [](const DeviceKind& one) { return !one.power; }));
  return without == 0 ? "" : without == kinds.size() ? what : fmt::format("some {}", what);
}

void SetCages(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan) {
  const auto ports = HostPorts(fabric, parts);
  const std::size_t host_kinds = HostKinds(fabric, parts);
  for (std::size_t k = 0; k < parts.kinds.size(); ++k) {
    const DeviceKind& kind = parts.kinds[k];
    const auto [fastest, most] = ports[k];
    const CagePart cage = kind.cage.value_or(CageOfPort(fastest));
    const int cages = k < host_kinds ? (most + cage.ports - 1) / cage.ports : kind.cages;
    plan.cages_of.push_back({cage, cages});
    if (!kind.cage)
      plan.notes.push_back(fmt::format(
          "the cages of the NICs{} have no figure (nic_cage): {} is assumed, one a port",
          host_kinds == 1 ? "" : fmt::format(" of {}", kind.name), NameOf(cage.form)));
  }
  const std::span<const DeviceKind> kinds = parts.kinds;
  const std::string hosts = WithoutPower(kinds.first(host_kinds), "hosts"),
                    switches = WithoutPower(kinds.subspan(host_kinds), "switches");
  if (!hosts.empty() || !switches.empty())
    plan.notes.push_back(
        fmt::format("{}{}{} have no power figure: racks are filled by units and by what is known",
                    hosts, hosts.empty() || switches.empty() ? "" : " and ", switches));
}

int UnitsOf(const DeviceKind& kind, const CablingParts& parts) {
  return kind.own_rack ? std::max(parts.racks.rack.units / kind.of_rack, 1) : kind.units;
}

std::vector<DeviceSize> SizesOf(const CablingParts& parts, const CablingPlan& plan) {
  std::vector<DeviceSize> out;
  for (std::size_t k = 0; k < parts.kinds.size(); ++k) {
    const DeviceKind& kind = parts.kinds[k];
    const DeviceCages& cages = plan.cages_of[k];
    if (kind.own_rack)  // fills its rack, and the rack's feeds are not asked
      out.push_back({kind.name, UnitsOf(kind, parts), Watts(), Watts(), kind.racks, kind.of_rack});
    else
      out.push_back(
          {kind.name, kind.units, kind.power, MostThatFits(cages.part, parts) * cages.count, 1, 0});
  }
  return out;
}

void SetLengths(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan) {
  const auto units = [&](DeviceId device) { return UnitsOf(parts.kind(device), parts); };
  for (Cable& cable : plan.cables) {
    const DeviceId a = plan.cage(cable.a.cage).device, b = plan.cage(cable.b.cage).device;
    const auto& fixed = Index(a) < fabric.host_count() ? parts.host_length : parts.switch_length;
    cable.length = fixed ? *fixed : CableLength(plan.racks, parts.racks, a, units(a), b, units(b));
  }
}

// What the plugs turned out to draw. A reserved host counts with the most that its plugs can.
void SetRackPower(const Fabric& fabric, const CablingParts& parts,
                  const std::vector<DeviceSize>& sizes, CablingPlan& plan) {
  const auto add = [](Rack& rack, const std::optional<Watts>& power, double times) {
    if (rack.power && power)
      rack.power = *rack.power + *power * times;
    else
      rack.power.reset();
  };
  for (Rack& rack : plan.racks.racks) {
    rack.power = Watts();
    if (rack.reserved_hosts == 0) continue;
    const DeviceSize& host = sizes[parts.kind_of[0]];
    add(rack, host.power, rack.reserved_hosts);
    add(rack, host.plugs, rack.reserved_hosts);
  }
  for (std::uint32_t d = 0; d < DeviceCount(fabric); ++d) {
    Rack& rack = plan.racks.racks[plan.racks.place[d].rack];
    rack.own = rack.own || parts.kind(DeviceId{d}).own_rack;
    add(rack, parts.kind(DeviceId{d}).power, 1);
    for (std::uint32_t k = plan.first_cage[d]; k < plan.first_cage[d + 1]; ++k)
      add(rack, plan.cages[k].draws, 1);
  }
  for (const Rack& rack : plan.racks.racks)
    WEFT_CHECK(rack.own || !rack.power || *rack.power <= parts.racks.rack.power * (1 + 1e-9));
}

template <typename T>
tl::unexpected<Errors> Join(const Result<T>& one, Errors errors) {
  if (!one) errors.insert(errors.end(), one.error().begin(), one.error().end());
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

// What the file says of a kind.
template <typename Spec>
struct Said {
  const Spec* spec = nullptr;
  std::string path, name;
};

// By Fabric::host_kind; no spec: nobody said.
std::vector<Said<HostSpec>> SaidOfHosts(const FabricSpec& fabric, const HostSpec* host) {
  std::string path = "host";
  if (host == nullptr && fabric.has_host()) {
    host = &fabric.host();
    path = "fabric.host";
  }
  if (!fabric.has_custom()) return {{host, path, "host"}};
  std::vector<Said<HostSpec>> out;
  for (const CustomHosts& kind : fabric.custom().hosts()) {
    if (kind.has_host())
      out.push_back({&kind.host(), fmt::format("fabric.hosts[{}].host", out.size()), kind.name()});
    else
      out.push_back({host, path, kind.name()});
  }
  return out;
}

// Tier by tier; a tier that says nothing is as the one below.
template <typename Family>
std::vector<Said<SwitchSpec>> SaidOfTiers(const Said<SwitchSpec>& common, const Family& family) {
  std::vector<Said<SwitchSpec>> out(3, common);
  out[0].name = "leaf";
  if (family.has_spine_switch()) out[1] = {&family.spine_switch(), "fabric.spine_switch", ""};
  out[1].name = "spine";
  out[2] = out[1];
  if (family.has_core_switch()) out[2] = {&family.core_switch(), "fabric.core_switch", ""};
  out[2].name = "core";
  return out;
}

// By Fabric::switch_kind.
std::vector<Said<SwitchSpec>> SaidOfSwitches(const FabricSpec& fabric) {
  const Said<SwitchSpec> common{&fabric.switch_(), "fabric.switch", "switch"};
  if (fabric.has_fat_tree()) return SaidOfTiers(common, fabric.fat_tree());
  if (fabric.has_rail_optimized()) return SaidOfTiers(common, fabric.rail_optimized());
  if (fabric.has_rail_only()) return SaidOfTiers(common, fabric.rail_only());
  if (!fabric.has_custom()) return {common};
  std::vector<Said<SwitchSpec>> out;
  for (const CustomSwitches& kind : fabric.custom().switches()) {
    if (kind.has_switch_())
      out.push_back({&kind.switch_(), fmt::format("fabric.switches[{}].switch", out.size()), ""});
    else
      out.push_back(common);
    out.back().name = kind.name();
  }
  return out;
}

Result<DeviceKind> MakeKind(const Said<HostSpec>& said, const SourceMap& sources) {
  HostPart part;
  if (said.spec != nullptr) {
    WEFT_TRY(part, MakeHostPart(*said.spec, sources, said.path));
  }
  if (part.nic_cage) part.nic_cage = CageOfNic(*part.nic_cage, part.nic_ports);
  return DeviceKind{said.name,     said.path,        {},        part.units,
                    part.power,    part.nic_cage,    0,         part.part,
                    part.own_rack, ContentsOf(part), part.racks};
}

Result<DeviceKind> MakeKind(const Said<SwitchSpec>& said, const SourceMap& sources) {
  WEFT_TRY(const SwitchPart part, MakeSwitchPart(*said.spec, sources, said.path));
  return DeviceKind{said.name, said.path,  part.rate, part.units, part.power,
                    part.cage, part.cages, part.part, false,      {}};
}

// Adds the kinds that devices are of and the row of each device; `kind_of` is by `said`. What
// says the same is one kind: an imported file may describe every host by itself.
template <typename Spec>
Errors AddKinds(const std::vector<Said<Spec>>& said, const std::vector<std::uint32_t>& kind_of,
                const char* only_name, CablingParts& out) {
  constexpr std::uint32_t kNone = 0xffffffff, kNamed = 3;
  const std::size_t first = out.kinds.size();
  std::vector<std::uint32_t> row_of(said.size(), kNone);
  std::map<std::string, std::uint32_t> row_of_text;
  std::vector<std::uint32_t> names;  // by kind, from `first` on
  for (const std::uint32_t k : kind_of) {
    if (row_of[k] == kNone) {
      const std::string text = said[k].spec == nullptr ? "" : said[k].spec->SerializeAsString();
      const auto [found, is_new] =
          row_of_text.try_emplace(text, static_cast<std::uint32_t>(out.kinds.size()));
      row_of[k] = found->second;
      if (is_new) {
        Result<DeviceKind> kind = MakeKind(said[k], *out.sources);
        if (!kind) return std::move(kind).error();
        out.kinds.push_back(*std::move(kind));
        names.push_back(1);
      } else if (++names[found->second - first] <= kNamed) {
        out.kinds[found->second].name +=
            names[found->second - first] == kNamed ? ", …" : ", " + said[k].name;
      }
    }
    out.kind_of.push_back(row_of[k]);
  }
  if (out.kinds.size() == first + 1) out.kinds[first].name = only_name;
  return {};
}

// A fat tree's radix says how many ports a switch has that nobody described: as many cages as
// they take, of the default switch's.
void LimitCagesToRadix(const FabricSpec& spec, const SourceMap& sources, CablingParts& out) {
  if (!spec.fat_tree().has_radix()) return;
  for (const auto& [path, origin] : sources.entries())
    if (path.starts_with("fabric.switch.") && origin.kind != Origin::Kind::kDefault) return;
  for (DeviceKind& kind : out.kinds) {
    if (kind.path != "fabric.switch" || !kind.cage) continue;
    const double rate_bps =
        std::min(kind.rate.bits_per_second(), spec.fat_tree().radix() * spec.fat_tree().link());
    const double cage_bps = kind.cage->lane.bits_per_second() * kind.cage->lanes;
    if (rate_bps > 0)
      kind.cages = std::min(kind.cages, static_cast<int>(std::ceil(rate_bps / cage_bps - 1e-9)));
  }
}

}  // namespace

Result<CablingParts> MakeCablingParts(const Fabric& fabric, const FabricSpec& spec,
                                      const HostSpec* host, const CablingSpec& cabling,
                                      const SourceMap& sources) {
  if (!fabric.constructible())
    return Fail(ErrorCode::kInconsistent, sources.At("fabric").pos,
                "nothing is built, the fabric is counts alone (counts_only)", "counts_only: false");
  CablingParts out;
  out.sources = &sources;
  std::vector<std::uint32_t> hosts, switches;
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h)
    hosts.push_back(fabric.host_kind(HostId{h}));
  for (std::uint32_t v = FirstSwitch(fabric); v < fabric.vertex_count(); ++v)
    switches.push_back(fabric.switch_kind(VertexId{v}));
  Errors errors = AddKinds(SaidOfHosts(spec, host), hosts, "host", out);
  if (errors.empty()) errors = AddKinds(SaidOfSwitches(spec), switches, "switch", out);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  LimitCagesToRadix(spec, sources, out);
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
  const std::vector<DeviceSize> sizes = SizesOf(parts, plan);
  Result<RackPlan> racks = PlanRacks(fabric, parts.racks, sizes, parts.kind_of, *parts.sources);
  if (!racks || !errors.empty()) return Join(racks, std::move(errors));
  plan.racks = *std::move(racks);
  SetLengths(fabric, parts, plan);
  ChooseMedia(fabric, parts, plan, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  SetRackPower(fabric, parts, sizes, plan);
  return plan;
}

}  // namespace weft
