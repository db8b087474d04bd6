// The Clos that several families are: leaves, spines, cores, with rails, planes, pods.
//
// A segment is one set of leaves: a leaf for each rail and each port of a NIC.
// NIC n of a host is on rail n mod rails; the NICs of a rail fill the leaves of
// that rail one segment after the other. Leaves that never meet (another plane,
// another rail where rails are isolated) are in networks of their own, and a
// network's number is the plane of its switches.
//
//     core        c0 … c(C-1)   of each core group     spine s of S in core group s·G/S
//                  │  dealt in turn: spine after spine, uplink after uplink
//     spine       s0 … s(S-1)   of each spine group    a pod of a network, or a rail of it
//                  │  dealt in turn: uplink j of leaf i to spine (i·u + j) mod S
//     leaf        slots down (NIC ports), u up
//
// How many spines: at least need = ceil(leaves · u / ports down of a spine), the
// minimum; "even" is the smallest divisor of u that is no less, so that a leaf has
// as many uplinks to each spine. Cores likewise, where even means that a
// spine's uplinks and the cores divide one another, and a pod's links the cores.
//
// Errors   whatever does not fit, at the key that asks for it.
// Cost     time and memory of the fabric's size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "topology/families/family.h"

namespace weft {

struct SwitchPolicy {
  enum class Kind : std::uint8_t { kEven, kMinimum, kCount } kind = Kind::kEven;
  std::int64_t count = 0;
  std::string text;  // as the user wrote it
};

struct ClosRequest {
  HostPart host;
  std::int64_t hosts = 0, reserved_hosts = 0;  // reserved: provisioned, not populated
  bool reserve_on_every_leaf = false;          // else the last hosts are the reserved ones
  std::int64_t service_ports = 0;              // of leaves, without a host
  std::int64_t rails = 1;
  bool rails_isolated = false, planes_by_port = false;
  std::int64_t slots = 0;     // NIC ports of a leaf; 0: what its ports and oversubscription give
  std::int64_t segments = 0;  // 0: as many as the hosts fill
  std::optional<std::int64_t> uplinks, spine_uplinks;
  double oversubscription = 1, spine_oversubscription = 1;
  int tiers = 0, fewest_tiers = 2;   // 0: as few as suffice
  std::int64_t segments_of_pod = 0;  // with three tiers; 0: as many as a spine has ports for
  std::int64_t zones = 1;            // with two tiers: networks side by side
  bool rail_groups = false;
  std::int64_t core_groups = 1;
  SwitchPolicy spines, cores;
  BitRate link;
  SimDuration latency{};
  SwitchPart leaf, spine, core;
  std::string_view size_key;  // the key to blame where there are too many leaves
  std::string_view slot_key;  // … and where a leaf has too few ports
};

// Whether BuildClos would succeed but for sheer size.
bool ClosFits(const ClosRequest& request, const FamilyInput& input);

Result<Fabric> BuildClos(const ClosRequest& request, const FamilyInput& input);

// Whether each port of a NIC has a plane of its own: `planes` is 1, the NIC's ports, or 0, which
// is those where there are several; adds an error where it is anything else.
bool PlanesByPort(const HostPart& host, int planes, const FamilyInput& input, Errors& errors);

// "even", "minimum" or a number, at fabric.`key`.
SwitchPolicy MakeSwitchPolicy(const std::string& text, std::string_view key,
                              const FamilyInput& input, Errors& errors);

// The keys that every Clos family's message has.
template <typename Spec>
void ReadClosKeys(const Spec& spec, const FamilyInput& input, ClosRequest& out, Errors& errors) {
  out.oversubscription = spec.oversubscription();
  out.spine_oversubscription = spec.spine_oversubscription();
  if (spec.has_spine_uplinks()) out.spine_uplinks = spec.spine_uplinks();
  out.spines = MakeSwitchPolicy(spec.spines(), "spines", input, errors);
  out.cores = MakeSwitchPolicy(spec.cores(), "cores", input, errors);
  out.link = spec.has_link() ? BitRate::BitsPerSecond(spec.link()) : out.host.nic_port;
  out.latency = SimDuration(spec.latency());
  out.leaf = input.chip;
  out.spine = OwnSwitch(spec.has_spine_switch(), spec.spine_switch(), "spine_switch", out.leaf,
                        input, errors);
  out.core = OwnSwitch(spec.has_core_switch(), spec.core_switch(), "core_switch", out.spine, input,
                       errors);
}

}  // namespace weft
