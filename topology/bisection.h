// What a fabric carries between its halves.
//
// The bisection is the smallest max-flow between declared halves: the first
// half of the pods against the second, segments of even against segments of odd
// number, hosts of even against hosts of odd number. A host counts as one
// vertex with all its ports; NVLink and PCIe do not bound it.
//
// Before the flow is solved, vertices that are cabled to the same neighbours at
// the same rates are merged until none are left to merge. By symmetry some
// maximum flow is equal on all of them, so the value stays exact, and a Clos of
// 100,000 GPUs shrinks to tens of vertices; Boost's solver (Boykov and Kolmogorov's
// augmenting trees) does the rest.
//
// Units    bits a second, one direction.
// Cost     O(L log L) a merging round; see above for the flow.
// Repeats  the same fabric, the same value and cut.
#pragma once

#include <optional>
#include <string>

#include "base/units.h"
#include "topology/fabric.h"

namespace weft {

struct Bisection {
  BitRate rate;
  std::string cut;  // which halves, and where the smallest cut between them lies
};

// None where there are fewer than two hosts.
std::optional<Bisection> FindBisection(const Fabric& fabric);

}  // namespace weft
