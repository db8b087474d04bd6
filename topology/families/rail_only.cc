// Rail-only: a Clos, or one switch, for each rail and nothing between rails; what must
// cross takes NVLink inside a host [WGS+23].
#include "topology/families/clos.h"

namespace weft {

Result<Fabric> BuildRailOnly(const FabricSpec& fabric, const FamilyInput& input) {
  const RailOnlySpec& spec = fabric.rail_only();
  if (!input.host)
    return Fail(ErrorCode::kInconsistent, input.sources->At("fabric").pos,
                "family rail_only needs to know its hosts", "host: { preset: hgx-h100 }");
  Errors errors;
  ClosRequest request;
  request.host = *input.host;
  ReadClosKeys(spec, input, request, errors);
  request.size_key = request.slot_key = "hosts";
  request.rails = spec.has_rails() ? spec.rails() : request.host.nics;
  request.rails_isolated = true;
  CheckRails(request.host, request.rails, "rails", input, errors);
  request.planes_by_port =
      PlanesByPort(request.host, spec.has_planes() ? spec.planes() : 0, input, errors);
  request.hosts = spec.hosts();
  request.reserved_hosts = spec.reserved_hosts();
  request.fewest_tiers = 1;
  if (spec.has_tiers()) request.tiers = spec.tiers();
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return BuildClos(request, input);
}

}  // namespace weft
