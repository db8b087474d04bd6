// Every cable of a fabric: which cage and lanes each end takes, what it is made of, how long
// it is, and which rack its ends stand in.
//
// A link of the fabric that leaves a host is one cable; the ports of a device are put into its
// cages in the order of what they lead to, ports of unlike lanes never in one cage. A port
// takes as many lanes of the slower of its two cages as its rate needs.
//
//     tor cage 3 [lanes 0-1 | lanes 2-3]        one breakout group: 2 x 200G
//                   port 0     port 1
//                     │          └── host7/nic0/port0
//                     └── host6/nic0/port0
//
// Cages that cables join are chosen for together, for a cage holds one plug: a cable with
// plugs (DAC, AEC, AOC) needs a star, one cage split over cages of one port each, or two cages
// and nothing else; optics join any, if all are of one standard. Of the parts that reach the
// longest cable, fit every form and lane and draw no more than the cages allow those of the first
// of the allowed media are taken, or, with prices, those that cost least, then draw least.
//
// Shapes   D devices (topology/racks.h), K cages in use, C cables. Cages come device by
//          device. Cables come in the order of the link that leaves the lower end.
// Errors   PlanCabling: a device with too few cages, a port that no cage carries, a length
//          that no part reaches, a device that no rack holds. A plan that is returned has none
//          of these: its invariants are those of tests/topology/cabling_test.cc.
//          MakeCablingParts: a part that cannot be; a fabric of counts alone.
// Cost     O(C log C): 0.1 s for the 45,120 cables of an HPN pod.
// Repeats  same fabric and parts, same plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "hardware/parts.h"
#include "topology/cabling.pb.h"
#include "topology/fabric.h"
#include "topology/fabric.pb.h"
#include "topology/racks.h"

namespace weft {

enum class CageId : std::uint32_t {};
constexpr std::uint32_t Index(CageId id) { return static_cast<std::uint32_t>(id); }

// Hosts or switches of one part.
struct DeviceKind {
  std::string name;  // "host" or "switch" where there is one such kind, else "spine", "old"
  std::string path;  // where the part stands in the file: "fabric.spine_switch"
  BitRate rate;      // of a switch: what its ports share
  int units = 1;
  std::optional<Watts> power;    // without its plugs
  std::optional<CagePart> cage;  // none: a host whose nic_cage nobody gave
  int cages = 0;                 // of one; 0: a host's, as many as its ports take
  std::string part;              // its row of the catalogue; may be empty
  bool own_rack = false;         // a host that is a rack: nothing stands beside it
  HostContents contents{};       // of a host
  int racks = 1;                 // that a host with own_rack is
  int of_rack = 1;               // hosts that one such rack is made of: servers of a supernode
};

// What the parts to cable with cost, in USD; infinite: nobody knows.
struct CablePrices {
  std::vector<double> optics;             // [CablingParts::optics], a piece
  std::vector<double> lanes;              // [CablingParts::cables], a lane of one
  double multimode = 0, single_mode = 0;  // a fibre
};

// What a fabric is cabled with. `sources` must outlive it.
struct CablingParts {
  std::vector<DeviceKind> kinds;       // in the order of their first device: hosts, then switches
  std::vector<std::uint32_t> kind_of;  // [D], rows of kinds
  std::vector<OpticPart> optics;
  std::vector<CablePart> cables;
  std::vector<Medium> media;               // allowed, best first
  std::optional<CablePrices> prices = {};  // the cheapest is taken, of any of the media
  RackRules racks;
  std::optional<Metres> host_length, switch_length;  // in place of the estimate
  const SourceMap* sources = nullptr;

  const DeviceKind& kind(DeviceId device) const { return kinds[kind_of[Index(device)]]; }
};

// Of `fabric`, built from `spec`, the host at `host` where it is not null, and `cabling`.
Result<CablingParts> MakeCablingParts(const Fabric& fabric, const FabricSpec& spec,
                                      const HostSpec* host, const CablingSpec& cabling,
                                      const SourceMap& sources);

// A cage that has a plug.
struct Cage {
  DeviceId device{};
  std::uint16_t number = 0;     // of the device, from 0
  std::uint8_t port_lanes = 1;  // lanes of each port
  std::uint8_t split = 1;       // ports that it is split into
  std::uint8_t ports = 0;       // of these, with a cable
  Medium medium = Medium::kDac;
  std::uint16_t part = 0;  // row of CablingParts::optics or, without optics, ::cables
  BitRate rate;            // of one port
  Watts draws;             // its plug
};

struct CableEnd {
  CageId cage{};
  std::uint8_t port = 0;  // of the cage: lanes port · port_lanes to the next one's
};

struct Cable {
  LinkId link = kNoLink;  // the one that leaves end a
  CableEnd a, b;          // a: the NIC, or the switch of the lower tier
  Medium medium = Medium::kDac;
  std::uint32_t assembly = 0;  // cables of one assembly are one piece; fibre is a piece each
  Metres length;
};

// The cages that each device of a kind has.
struct DeviceCages {
  CagePart part;
  int count = 0;
};

struct CablingPlan {
  std::vector<DeviceCages> cages_of;      // by CablingParts::kinds
  std::vector<Cage> cages;                // [K]
  std::vector<std::uint32_t> first_cage;  // [D+1]
  std::vector<Cable> cables;              // [C]
  std::uint32_t assemblies = 0;
  RackPlan racks;
  std::vector<std::string> notes;  // what was assumed for want of a figure

  const Cage& cage(CageId id) const { return cages[Index(id)]; }
};

Result<CablingPlan> PlanCabling(const Fabric& fabric, const CablingParts& parts);

}  // namespace weft
