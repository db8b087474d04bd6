// The tree of switches in which a network reduces (SHARP): one copy of the data goes up from each
// host, one comes down.
//
//     root      spine 3           the lowest switch that leads down to the NICs of all; of several
//                  |              alike the one by `number`, so that channels take turns
//            +-----+-----+
//     leaves leaf 0    leaf 1
//            |    |    |    |
//     heads  NIC  NIC  NIC  NIC   of a GPU a host, its own NIC's port `port` mod ports
//
// Of parallel cables of a hop a tree takes one: the turns of the trees that share a root. A tree
// is made before anything runs: a switch that no cable leads to then (`at_start`) is not in it, and
// what is cut later stops it.
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
  std::uint16_t lane = 0;              // of parallel cables: trees before with the same way up
};

// None where a head has no cabled NIC, or no switch stands above all. `at_start` null: all is up.
std::optional<SwitchTree> FindSwitchTree(const Fabric& fabric, const std::vector<VertexId>& heads,
                                         std::uint32_t number, std::uint32_t port,
                                         const LinkState* at_start = nullptr);

// Ports that the NIC of a head has; 0: none.
std::uint32_t SwitchPorts(const Fabric& fabric, VertexId head);

}  // namespace weft
