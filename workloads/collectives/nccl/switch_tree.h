// The tree of switches in which a network reduces (SHARP): one copy of the data goes up from each
// host, one comes down.
//
//     root      spine 3           the lowest switch that leads down to the NICs of all; of several
//                  |              alike the one by `number`, so that channels take turns
//            +-----+-----+
//     leaves leaf 0    leaf 1
//            |    |    |    |
//     heads  NIC  NIC  NIC  NIC   of a GPU a host, its own NIC's port `number` mod ports
//
// Cost     O(links below the root) a tree. Repeats: ties go to the lower id.
#pragma once

#include <optional>
#include <vector>

#include "topology/fabric.h"

namespace weft {

struct SwitchTree {
  struct Hop {
    VertexId child = kNoVertex, parent = kNoVertex;
  };
  VertexId root = kNoVertex;
  std::vector<VertexId> leaf_of_head;  // [heads]
  std::vector<Hop> hops;               // a child's own come before it; none where one leaf has all
};

// None where a head has no cabled NIC, or no switch stands above all.
std::optional<SwitchTree> FindSwitchTree(const Fabric& fabric, const std::vector<VertexId>& heads,
                                         std::uint32_t number);

}  // namespace weft
