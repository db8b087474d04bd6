// A plan held against what stands there, cable by cable.
//
// Cables are told by their ends: of a host its NIC's port, of a switch the switch, for a plan
// seldom says which port of a switch a cable is in. Parallel cables are told by their rates.
//
//   missing   planned and not there
//   extra     there and not planned
//   crossed   two planned cables whose far ends are swapped: A - X and B - Y are there as A - Y
//             and B - X
//   slow      there at a lower rate than planned; fast at a higher one
//
// Of four cables that can be paired as crossed in two ways, one way is given.
//
// Cost     O(C log C) for C cables; crossed ones O(D log D) for D that differ, and more only
//          where one end has many of them.
// Repeats  in the plan's order of cables.
#pragma once

#include <string>
#include <vector>

#include "topology/formats/wiring.h"

namespace weft {

struct CableDifference {
  enum class Kind { kMissing, kExtra, kCrossed, kSlow, kFast } kind = Kind::kMissing;
  std::string a, b;                // its ends, by name; crossed: of the first cable as planned
  std::string second_a, second_b;  // crossed: of the second cable as planned
  BitRate planned, live;           // zero where it is not there
};

struct WiringDifferences {
  std::int64_t planned = 0, live = 0;  // cables
  bool no_name_in_common = false;      // likely two namings of one fabric, or two fabrics
  bool no_switch_in_common = false;    // no switch's name is: hosts' alone are
  std::vector<CableDifference> list;
};

// "missing", "crossed" …
const char* DifferenceName(CableDifference::Kind kind);

WiringDifferences CompareWirings(const Wiring& plan, const Wiring& live);

}  // namespace weft
