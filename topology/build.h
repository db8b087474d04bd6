// From a FabricSpec to a Fabric.
//
// Errors   every value that cannot be built, at its position, with the sum that
//          does not fit: ports of a switch, counts, more than ten million vertices.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/hardware.pb.h"
#include "topology/fabric.h"
#include "topology/fabric.pb.h"
#include "topology/router.h"

namespace weft {

// Builds `spec`, which stands at `fabric` in the file. Hosts are `host` (at `host`
// in the file) where it is not null, else the spec's own, else one GPU with one
// NIC port.
Result<Fabric> BuildFabric(const FabricSpec& spec, const HostSpec* host, const SourceMap& sources);

// What `spec` leaves open is as `fabric` is deployed.
RoutingPolicy MakeRoutingPolicy(const RoutingSpec& spec, const Fabric& fabric);

// Every file of topology/presets/; kind "fabric".
std::vector<Preset> TopologyPresets();

}  // namespace weft
