// Fat trees of two and three tiers, filled leaf by leaf, and one switch for all. With a radix k and
// no oversubscription: k^2/2 endpoints on 3k/2 switches, or k^3/4 on 5k^2/4.
#include <fmt/format.h>

#include "topology/families/clos.h"

namespace weft {
namespace {

// `radix` makes the switch where nobody says which it is, and bounds it where somebody does.
SwitchPart Chip(const FatTreeSpec& spec, BitRate link, const FamilyInput& input, Errors& errors) {
  if (!spec.has_radix()) return input.chip;
  SwitchPart chip = input.chip;
  bool given = false;
  for (const auto& [path, origin] : input.sources->entries())
    given |= path.starts_with("fabric.switch.") && origin.kind != Origin::Kind::kDefault;
  if (given && spec.radix() > Radix(chip, link))
    AddError(input, "radix",
             fmt::format("'radix' is {}, and the switch has {} ports at that link", spec.radix(),
                         Radix(chip, link)),
             fmt::format("at most {}", Radix(chip, link)), errors);
  chip.rate = link * spec.radix();
  // A port of a slower NIC takes a share of a port.
  chip.ports = spec.radix();
  return chip;
}

// With the endpoints' hosts, of which each has `nics` NICs in as many planes, or NICs of
// `ports` ports.
Result<ClosRequest> MakeRequest(const FatTreeSpec& spec, const FamilyInput& input, bool by_nic) {
  Errors errors;
  ClosRequest out;
  const auto link = BitRate::BitsPerSecond(spec.link());
  if (!spec.has_link() && !input.host)
    return Fail(ErrorCode::kInconsistent, input.sources->At("fabric").pos,
                "family fat_tree needs to know its link or its hosts", "link: 400Gbps");
  out.host = spec.has_link() || !input.host
                 ? HostOrBare(link, by_nic ? spec.planes() : 1, by_nic ? 1 : spec.planes(), input)
                 : *input.host;
  ReadClosKeys(spec, input, out, errors);
  out.leaf = Chip(spec, out.link, input, errors);
  if (!spec.has_spine_switch()) out.spine = out.leaf;
  if (!spec.has_core_switch()) out.core = out.spine;
  out.size_key = "endpoints";
  out.slot_key = spec.has_endpoints_per_leaf() ? "endpoints_per_leaf" : "oversubscription";
  if (by_nic) {
    out.rails = spec.planes();
    out.rails_isolated = true;
    CheckRails(out.host, out.rails, "planes", input, errors);
  } else {
    out.planes_by_port = PlanesByPort(out.host, spec.planes(), input, errors);
  }
  if (spec.has_tiers()) out.tiers = spec.tiers();
  if (spec.has_endpoints_per_leaf()) out.slots = spec.endpoints_per_leaf();
  if (spec.has_leaves_per_pod()) out.segments_of_pod = spec.leaves_per_pod();
  out.zones = spec.zones();
  if (out.zones > 1 && spec.has_tiers() && spec.tiers() != 2)
    AddError(input, "zones", fmt::format("zones have two tiers, and 'tiers' is {}", spec.tiers()),
             "zones: 1", errors);
  const auto hosts = [&](std::int64_t endpoints, std::string_view key) {
    const std::int64_t whole = out.host.nics * out.zones;
    if (endpoints % whole != 0)
      AddError(input, key,
               fmt::format("'{}' is {}, and a host has {} NIC{}{}", key, endpoints, out.host.nics,
                           out.host.nics == 1 ? "" : "s",
                           out.zones == 1 ? "" : fmt::format(", in {} zones", out.zones)),
               fmt::format("a multiple of {}", whole), errors);
    return endpoints / out.host.nics;
  };
  out.hosts = hosts(spec.endpoints(), "endpoints");
  out.reserved_hosts = hosts(spec.reserved_endpoints(), "reserved_endpoints");
  out.reserve_on_every_leaf = spec.reserved_endpoints() > 0;
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return out;
}

}  // namespace

Result<Fabric> BuildFatTree(const FabricSpec& fabric, const FamilyInput& input) {
  const FatTreeSpec& spec = fabric.fat_tree();
  const auto asked = spec.plane_by();
  const bool choose = spec.planes() > 1 && asked == FatTreeSpec::PLANE_BY_AUTO;
  Result<ClosRequest> request =
      MakeRequest(spec, input, asked == FatTreeSpec::PLANE_BY_NIC && spec.planes() > 1);
  if (!choose || (request && ClosFits(*request, input))) {
    if (!request) return tl::make_unexpected(request.error());
    return BuildClos(*request, input);
  }
  WEFT_TRY(const ClosRequest by_nic, MakeRequest(spec, input, true));
  WEFT_TRY(Fabric out, BuildClos(by_nic, input));
  FabricBuilder::AddNote(
      out, fmt::format("NIC n of every host is in plane n mod {}: a plane has no room for every "
                       "endpoint, or the NICs have no port for each (plane_by: nic)",
                       spec.planes()));
  return out;
}

}  // namespace weft
