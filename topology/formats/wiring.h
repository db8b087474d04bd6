// What is cabled to what, by name: what every file format of a fabric carries.
//
// Importers make one from a file, exporters write one, two are compared cable by cable.
// It may be damaged: a NIC may have a cable at port 1 and none at port 0, a switch none at
// all. A Fabric is made of it by way of `family: custom` (FormatScenario writes that), so
// that whatever is imported passes the same checks as what a user writes.
//
//     host3/nic5/port0 ──cable── leaf7 ──cable── spine1      rows: hosts, switches, cables
//
// Units    rates and latencies are of one direction; a latency counts forwarding in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "hardware/hardware.pb.h"
#include "topology/fabric.h"
#include "topology/fabric.pb.h"

namespace weft {

struct Wiring {
  struct Host {
    std::string name;
    HostSpec spec;                    // every key said, defaults too
    std::optional<int> pod, segment;  // none: found from the cables
    std::optional<int> order{};       // its row, in a format that lists cables alone
  };
  struct Switch {
    std::string name;
    int tier = 0;                            // 0: found from the cables
    std::optional<int> plane, pod, segment;  // none: found from the cables, or nobody cares
    std::optional<int> order{};              // as a host's
  };
  struct End {
    bool is_host = false;
    std::uint32_t row = 0;  // of hosts or switches
    int nic = 0, port = 0;  // of a host
    bool operator==(const End&) const = default;
  };
  struct Cable {
    End a, b;  // where one end is a host's, it is a
    BitRate rate;
    SimDuration latency{};
    // Where there is a cabling plan: lanes of each port, ports that its cage is split into at the
    // split end, and "dac", "multimode" …
    int lanes = 0, breakout = 0;
    std::string medium{};
  };

  std::vector<Host> hosts;
  std::vector<Switch> switches;
  std::vector<Cable> cables;
  std::vector<std::string> tiers;  // what they are called, from 1 up; may be empty
  std::vector<std::string> notes;  // where it is from, what was assumed, what is odd
};

// "host3/nic5/port0", "leaf7".
std::string EndName(const Wiring& wiring, const Wiring::End& end);
std::string DeviceName(const Wiring& wiring, const Wiring::End& end);

// `fabric` as it was built from `spec`, with the scenario's own `host` or null.
Wiring MakeWiring(const Fabric& fabric, const FabricSpec& spec, const HostSpec* host);

// A host of which nothing is said: every key of HostSpec has its default.
HostSpec DefaultHostSpec();

// "gpus=8 nics=8 nic=400Gbps …", for formats that have no room for a mapping.
std::string FormatHostKeys(const HostSpec& spec);

// A scenario with nothing but this fabric, `family: custom`: for people, equal hosts and a
// switch's cables together; as JSON, one object a host, switch and cable. Without hosts'
// cables (an NCCL topology has none) only what a host is: `host:`.
std::string FormatScenario(const Wiring& wiring);
std::string FormatScenarioJson(const Wiring& wiring);

// Names that a custom fabric takes: others' signs become _, and of two that are equal the
// second gets its row added. Ports of a NIC are counted without gaps. Notes say what changed.
void MakeBuildable(Wiring& wiring);

}  // namespace weft
