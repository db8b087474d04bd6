// A network design by its parameters, and what it comes to, without building it.
//
// Closed forms of the families that the planner chooses from. Each has as its oracle the fabric
// that topology/ builds from Design's own scenario text: the tests hold every count of random
// designs against it.
//
//     spines, two tiers     need = ceil(leaves · u / radix), of one network
//     even                  the smallest divisor of u that is no less: as many links to each
//     three tiers           a pod is as many segments as a spine has ports down for; cores by
//                           ports, even where every pod spreads its uplinks evenly over them
//     one tier              one switch: for all, or of rail_only a rail
//     two tiers reach       k²/2 endpoints a network, three k³/4, at 1:1
//     dragonfly             groups of a routers, each with p endpoints and h global cables; where
//                           all send to all alike, cables carry at most the oversubscription
//     slim_fly              2 q² routers with the fewest endpoints that hold all NICs
//
// Shapes   a segment is one set of leaves: one leaf in fat_tree, one a rail (and, for a NIC's
//          ports on two ToRs of one plane, one a port) in rail_optimized and hpn. A router is a
//          leaf, and what joins routers its uplinks: leaf_links counts each of these cables once.
// Errors   CountDesign: the rule that binds, with its numbers.
// Cost     under a microsecond a design, but for hundreds of pods.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/units.h"

namespace weft {

enum class DesignFamily : std::uint8_t {
  kRailOptimized,
  kFatTree,
  kRailOnly,
  kHpn,
  kDragonfly,
  kSlimFly
};
inline constexpr DesignFamily kDesignFamilies[] = {
    DesignFamily::kRailOptimized, DesignFamily::kFatTree,   DesignFamily::kRailOnly,
    DesignFamily::kHpn,           DesignFamily::kDragonfly, DesignFamily::kSlimFly};
std::string_view NameOf(DesignFamily family);  // "rail_optimized", as `family:` names it
// Of routers that are cabled to one another, with no switch above.
bool JoinsRouters(DesignFamily family);

// The parameters of dragonfly (p, a, h, groups) or slim_fly (p, q), as topology/fabric.proto says.
struct RouterShape {
  std::int64_t p = 0, a = 0, h = 0, groups = 0, q = 0;

  std::int64_t routers() const { return q > 0 ? 2 * q * q : a * groups; }
  std::int64_t degree() const;  // cables of a router to others
  bool operator==(const RouterShape&) const = default;
};

struct Design {
  DesignFamily family = DesignFamily::kRailOptimized;
  std::int64_t hosts = 0;
  int gpus_of_host = 8, nics_of_host = 8;
  BitRate nic;  // of a NIC, all ports together
  int nic_ports = 1;
  bool port_planes = true;  // each port in a plane of its own; else to as many ToRs of one plane
  BitRate uplink;           // of every link between switches
  BitRate chip;             // of every switch: what its ports share
  int chip_ports = 0;       // at the finest breakout
  int tiers = 2;
  double oversubscription = 1, spine_oversubscription = 1;
  bool even = true;     // spines and cores by the even rule, else the fewest
  int min_spines = 1;   // of a plane in two tiers, where its leaves have as many uplinks
  RouterShape routers;  // where the family joins routers

  BitRate nic_port() const { return nic * (1.0 / nic_ports); }
  int planes() const { return port_planes ? nic_ports : 1; }
  std::int64_t gpus() const { return hosts * gpus_of_host; }
};

struct DesignCounts {
  std::int64_t segments = 0, networks = 1;        // networks: planes, or those of every rail
  std::int64_t leaf_slots = 0, leaf_uplinks = 0;  // ports of one leaf
  std::int64_t leaves = 0, spines = 0, cores = 0;
  std::int64_t nic_links = 0, leaf_links = 0, spine_links = 0;  // upwards from each tier
  std::int64_t pods = 1, spines_of_pod = 0, spine_uplinks = 0;  // of the first pod, one network
  std::int64_t minimum_spines = 0, even_spines = 0;             // all of them, by either rule
  std::int64_t minimum_cores = 0, even_cores = 0;
  std::int64_t cores_of_network = 0;
  std::int64_t leaf_gpus = 0;   // of the hosts that have a NIC on one leaf
  std::int64_t reach_gpus = 0;  // with more leaves, hosts and pods on the spines or cores there are
  std::int64_t hosts_of_segment = 0;
  // Of hpn, whose Aggs are there from the first day: of a full pod, and of a ToR in it.
  std::int64_t pod_gpus = 0, full_slots = 0;

  std::int64_t switches() const { return leaves + spines + cores; }
};

// The rule that a design breaks, in words and numbers.
struct Binding {
  std::string rule;  // "ports", "reach", "spines"
  std::string text;  // "6 spines a plane, and at least 4 …"
};

tl::expected<DesignCounts, Binding> CountDesign(const Design& design);
// Of a family that joins routers.
tl::expected<DesignCounts, Binding> CountRouters(const Design& design);

// Shapes of the design's family, parts and hosts whose load, full, is at most its oversubscription
// and, of its hosts alone and of every kind of cable, at least half of it: a few, of the fewest
// routers. Where none is, as of few hosts, the one of the fewest routers that is idle. Requires:
// JoinsRouters(design.family).
std::vector<RouterShape> RouterShapes(const Design& design);

// What the busiest kind of cable between routers carries over its rate where every endpoint sends
// to all alike by shortest ways; and where all of one group send to one other group, or all of one
// router to its neighbour, the more of both (of slim_fly the latter), at least 1. Requires: as
// RouterShapes, and the design counts.
double UniformLoad(const Design& design);
double WorstLoad(const Design& design);
// Cables that leave a group of a dragonfly; 0 of other families.
std::int64_t GroupUplinks(const Design& design);

// Ports of `rate` that a switch of the design has.
std::int64_t RadixOf(const Design& design, BitRate rate);

// The design as the `fabric:` of a scenario; `host` and `chip` are presets.
// Requires: `counts` are the design's.
std::string FabricText(const Design& design, const DesignCounts& counts, std::string_view host,
                       std::string_view chip);

// "rail_optimized/2-tier/2x200G/51.2T/1:1/even": unlike for unlike designs of one host count.
std::string DesignName(const Design& design);

}  // namespace weft
