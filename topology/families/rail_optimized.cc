// Rail-optimised Clos: units of hosts, a leaf for each rail of a unit, spines that
// all of them share, cores where two tiers do not suffice; and the variant in which
// every rail has spines of its own below the cores [NV-SPGB200].
#include <fmt/format.h>

#include "topology/families/clos.h"

namespace weft {
namespace {

// How the units' hosts fill leaves.
void ReadUnits(const RailOptimizedSpec& spec, const FamilyInput& input, ClosRequest& out,
               Errors& errors) {
  const std::int64_t unit = spec.hosts_per_unit(), units = spec.units();
  const std::int64_t of_leaf = spec.has_hosts_per_leaf() ? spec.hosts_per_leaf() : unit;
  const std::int64_t empty = std::int64_t{spec.absent_hosts()} + spec.reserved_hosts();
  if (unit % of_leaf != 0) {
    AddError(input, "hosts_per_leaf",
             fmt::format("'hosts_per_leaf' is {}, and a unit of {} hosts has no whole number of "
                         "them",
                         of_leaf, unit),
             "a number that divides hosts_per_unit", errors);
    return;
  }
  if (empty >= units * unit) {
    AddError(input, spec.absent_hosts() > 0 ? "absent_hosts" : "reserved_hosts",
             fmt::format("{} units have room for {} hosts, and {} of them are to be empty", units,
                         units * unit, empty),
             fmt::format("at most {}", units * unit - 1), errors);
    return;
  }
  out.hosts = units * unit - empty;
  out.reserved_hosts = spec.reserved_hosts();
  out.service_ports = spec.service_ports();
  out.slots = of_leaf * (out.host.nics / out.rails);
  out.segments = units * (unit / of_leaf);
  if (spec.has_units_per_pod()) out.segments_of_pod = spec.units_per_pod() * (unit / of_leaf);
  const std::int64_t free_ports =
      out.segments * out.rails * out.host.nic_ports * out.slots -
      (out.hosts + out.reserved_hosts) * out.host.nics * out.host.nic_ports;
  if (out.service_ports > free_ports)
    AddError(input, "service_ports",
             fmt::format("'service_ports' is {}, and hosts leave {} ports of leaves free",
                         out.service_ports, free_ports),
             "more absent_hosts, or fewer service_ports", errors);
}

}  // namespace

Result<Fabric> BuildRailOptimized(const FabricSpec& fabric, const FamilyInput& input) {
  const RailOptimizedSpec& spec = fabric.rail_optimized();
  if (!input.host)
    return Fail(ErrorCode::kInconsistent, input.sources->At("fabric").pos,
                "family rail_optimized needs to know its hosts", "host: { preset: hgx-h100 }");
  Errors errors;
  ClosRequest request;
  request.host = *input.host;
  ReadClosKeys(spec, input, request, errors);
  request.size_key = "units";
  request.slot_key = spec.has_hosts_per_leaf() ? "hosts_per_leaf" : "hosts_per_unit";
  request.rails = spec.has_rails() ? spec.rails() : request.host.nics;
  CheckRails(request.host, request.rails, "rails", input, errors);
  request.planes_by_port =
      PlanesByPort(request.host, spec.has_planes() ? spec.planes() : 0, input, errors);
  if (spec.has_tiers()) request.tiers = spec.tiers();
  if (spec.has_uplinks()) request.uplinks = spec.uplinks();
  request.rail_groups = spec.rail_groups();
  request.core_groups = spec.core_groups();
  if (request.rail_groups) {
    if (spec.has_tiers() && spec.tiers() == 2)
      AddError(input, "tiers", "'rail_groups' needs cores to join the rails, and 'tiers' is 2",
               "tiers: 3", errors);
    request.tiers = 3;
  }
  if (errors.empty()) ReadUnits(spec, input, request, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return BuildClos(request, input);
}

}  // namespace weft
