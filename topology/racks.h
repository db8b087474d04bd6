// Which rack every host and switch stands in, and how long a cable between two is.
//
//   row 0   [h h h t][h h h  ][s s s][h h h  ][h h h t]   h host  t tier 1  s network rack
//   row 1   [h h h t] …
//
// Racks stand side by side in rows, in the order of pods and segments. Hosts of one segment
// fill racks from the bottom, its reserved hosts after them: as few racks as units and power
// allow, and where hosts are alike evenly over these (5 hosts at 4 a rack: 3 and 2), unless that
// leaves a rack more for the switches. No rack holds hosts of two segments, but where servers come
// as a rack of their own: it stands, whole, where its first server belongs.
// A segment's tier-1 switches, and those of segments behind it that have no hosts, top these racks,
// the middle ones first, as long as there is room, else fill racks in its middle; those of higher
// tiers in racks in the middle of their pod, and those above the pods in the middle of the floor.
// Switches that are alike spread evenly over the racks that are theirs alone.
//
// Between racks a cable goes up to a tray, along the row and across the rows, and down;
// within one it goes straight. It is bought in steps of 0.5 m up to 5 m, 1 m up to 10 m, 5 m
// up to 100 m and 10 m above.
//
// Shapes   D devices: the hosts, then the switches in the order of their vertices.
// Units    a unit of a rack is 44.45 mm [EIA-310], counted from 1 at the bottom.
// Errors   PlanRacks: a host or a switch that no rack has room or power for.
// Cost     O(D).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/cabling_parts.h"
#include "topology/cabling.pb.h"
#include "topology/fabric.h"

namespace weft {

enum class DeviceId : std::uint32_t {};
constexpr std::uint32_t Index(DeviceId id) { return static_cast<std::uint32_t>(id); }

// The vertex of the first switch; the vertices from it on are the switches.
std::uint32_t FirstSwitch(const Fabric& fabric);
// The host of a NIC, or the switch.
DeviceId DeviceOf(const Fabric& fabric, VertexId vertex);
std::uint32_t DeviceCount(const Fabric& fabric);
std::string DeviceName(const Fabric& fabric, DeviceId device);

struct RackRules {
  RackPart rack;
  std::optional<int> hosts_per_rack;
  int racks_per_row = 20;
  Metres row_pitch, tray, per_end;
  double slack = 0;
};
RackRules MakeRackRules(const CablingSpec& spec);

// One kind of device, as a rack sees it.
struct DeviceSize {
  std::string name;  // "host", "spine"
  int units = 1;
  std::optional<Watts> power;  // without its plugs; none: no figure
  Watts plugs;                 // the most that the plugs in its cages can draw
  int racks = 1;               // that it fills, beside each other
  int of_rack = 0;             // hosts that fill a rack of their own, without a switch; 0: none
};

struct Place {
  std::uint32_t rack = 0;
  std::uint16_t unit = 1;  // its lowest
};

struct Rack {
  std::uint32_t row = 0, column = 0;
  int hosts = 0, reserved_hosts = 0, switches = 0;
  int units = 0;               // taken, those of the reserved hosts included
  std::optional<Watts> power;  // drawn, by the reserved hosts too; none: a device has no figure
  bool own = false;            // it is its host: feeds and cooling are the host's
  int racks = 1;               // of such a host: it stands from `column` on
};

struct RackPlan {
  std::vector<Rack> racks;
  std::vector<Place> place;  // [D]
};

// `kind_of` is the row of each device in `kinds`. Reserved hosts are of the first host's kind.
Result<RackPlan> PlanRacks(const Fabric& fabric, const RackRules& rules,
                           std::span<const DeviceSize> kinds,
                           std::span<const std::uint32_t> kind_of, const SourceMap& sources);

// The way from device `a` to device `b`, slack included, as it is bought.
Metres CableLength(const RackPlan& plan, const RackRules& rules, DeviceId a, int a_units,
                   DeviceId b, int b_units);
// The shortest length sold that is not below `length`.
Metres BoughtLength(Metres length);

}  // namespace weft
