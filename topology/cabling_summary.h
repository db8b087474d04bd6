// A cabling plan in figures: cables by medium and rate, optics, cages, racks, watts.
//
// Units    lengths in metres as bought; watts are what plugs draw at most.
// Errors   none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/cabling.h"

namespace weft {

struct CableCount {
  Medium medium = Medium::kDac;
  std::string part;  // of a cable with plugs; empty for fibre
  BitRate rate;      // of one cable
  int breakout = 1;  // ports that the cage at its split end is split into
  std::int64_t count = 0;
  std::int64_t pieces = 0;  // assemblies, or fibres
  Metres shortest, longest, total;
};

struct OpticCount {
  std::string part;
  std::int64_t count = 0;
  Watts draws;  // all of them
};

struct CageCount {
  std::string device;  // "host", "tor"; of several kinds "old", "leaf (old)"
  CageSpec::Form form = CageSpec::QSFP112;
  std::int64_t all = 0, used = 0, reserved = 0;
};

struct CablingSummary {
  std::vector<CableCount> cables;  // by medium, rate, breakout, part
  std::int64_t cable_count = 0;
  std::vector<OpticCount> optics;  // in the order of the catalogue
  std::vector<CageCount> cages;    // the hosts', then tier by tier; of several kinds kind by kind
  std::int64_t racks = 0;          // all of them
  std::int64_t own_racks = 0;      // of these, hosts that are racks
  RackPart rack;
  int most_units = 0;  // of one rack that is not its host, the reserve included
  std::int64_t units = 0;
  std::optional<Watts> most_power;  // of one such rack; none: a rack's is unknown
  // Provisioned and not there: the hosts have their place in the racks, the cables none.
  std::int64_t reserved_hosts = 0, reserved_host_cables = 0, reserved_switch_cables = 0;
  Watts optics_draw, cables_draw;  // plugs: transceivers, ends of active and passive cables
  std::optional<Watts> power;      // hosts, switches and plugs; none where a part has no figure
  std::vector<std::string> notes;
};

CablingSummary SummarizeCabling(const Fabric& fabric, const CablingParts& parts,
                                const CablingPlan& plan);

}  // namespace weft
