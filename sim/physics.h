// The network's constants and the policy for faults: one set for every engine.
//
// A link's capacity is its line rate times its class's efficiency; latency is
// charged first and holds no bandwidth. Each default has its source in
// sim/physics.proto, where a user reads it with `weft explain physics`.
#pragma once

#include <array>
#include <optional>

#include "base/units.h"
#include "hardware/hardware.pb.h"
#include "topology/fabric.h"

namespace weft {

enum class Coupling : std::uint8_t { kAuto, kTight, kLoose };

struct Physics {
  std::array<double, kLinkClassCount> efficiency{1, 1, 1};  // by LinkClass, in (0, 1]
  std::array<SimDuration, kLinkClassCount> step{};  // a step of an edge, by its slowest class
  SimDuration launch{};                             // once an operation
  BitRate channel_cap;                              // zero: none
  Bytes mtu;                                        // store-and-forward at each hop
  Coupling coupling = Coupling::kAuto;
};

// What a link can carry now; `share` from LinkState.
inline BitRate Capacity(const Link& link, const Physics& physics, double share = 1) {
  return link.rate * (physics.efficiency[static_cast<std::size_t>(link.link_class)] * share);
}

// Who detects a fault and who acts. A QP whose path is gone stops at once; after
// `detect` the network has converged and gives it another path if its port still
// has one; in isolated planes it has none, and the sender moves the QP to another
// of its ports `move` later, if `qps` says so. A QP without a path waits; it goes
// on where it stopped when its path is back, and fails its operation after
// `retry_timeout` (zero: never; a path in that instant counts). Moved traffic returns at repair.
struct FaultPolicy {
  enum class Qps : std::uint8_t { kMove, kStay };
  SimDuration detect{}, move{}, retry_timeout{};
  Qps qps = Qps::kMove;
};

class PhysicsSpec;
class RdmaSpec;
class FaultPolicySpec;

// From the messages as the reader leaves them, defaults filled in, and what the hosts bring:
// what their NICs speak, and NVLink's efficiency where their GPU's part says one, which a key
// of `spec` overrides. The coupling is the scenario's, and stays kAuto here.
Physics MakePhysics(const PhysicsSpec& spec, const RdmaSpec& rdma,
                    HostSpec::Transport transport = HostSpec::ROCE,
                    std::optional<double> gpu_nvlink_efficiency = std::nullopt);
FaultPolicy MakeFaultPolicy(const FaultPolicySpec& spec);

// Payload over wire bytes of a full RoCEv2 packet: mtu / (mtu + 82).
double RoceEfficiency(Bytes mtu);
// The same of an InfiniBand packet that stays in its subnet: mtu / (mtu + 26).
double InfinibandEfficiency(Bytes mtu);

}  // namespace weft
