// The channels that NCCL finds on a node: rings, trees and NVLS heads, with their rates.
//
// For each pattern NCCL looks for as many channels at as high a rate as the node's links hold,
// by a depth-first walk over GPUs and NICs with a budget of steps, and relaxes what it asks
// for in a fixed order until a walk succeeds: other orders a channel, a plainer tree, a farther
// path, a farther NIC, a second NIC, a lower rate. What it finds depends on that order; it is
// done here in the same one [NCCL 2.28.9 src/graph/search.cc].
//
//     ring, several nodes   net i → gpu … gpu → net i, or net i ± 1 (cross_nic 2)
//     tree                  net i → gpu (→ net i) → gpu …, a chain
//     NVLS                  net i → the GPU beside it, one head
//
// Shapes   C channels, P GPUs: gpus [C][P] rows of NcclSystem::gpus(), nets [C][2] rows of nets().
// Units    GB/s a channel.
// Cost     at most 2^19 steps of the walk; milliseconds for hosts of eight.
// Repeats  no clock: the budget counts steps.
// Departs  a NIC's two ports are one device in every version; versions before 2.28 differ in
//          what NcclRules says, not in each detail of their walk.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "workloads/collectives/nccl/rules.h"
#include "workloads/collectives/nccl/system.h"

namespace weft {

struct NcclGraph {
  enum class Pattern : std::uint8_t {
    kBalancedTree = 1,  // the first child at the second GPU, the other at the first
    kSplitTree = 2,
    kTree = 3,  // a chain with both children at its first GPU
    kRing = 4,
    kNvls = 5,
    kCollNetDirect = 6
  };

  Pattern pattern = Pattern::kRing;
  std::vector<std::vector<std::uint32_t>> gpus;
  std::vector<std::array<std::uint32_t, 2>> nets;  // in, out; empty on one node
  float rate_intra = 0, rate_inter = 0;
  NcclPath type_intra = NcclPath::kLocal, type_inter = NcclPath::kPci;
  int cross_nic = 0;           // 2: odd channels leave by the NIC that even ones enter by
  bool same_channels = false;  // every channel in one order
  bool collnet = false;

  std::uint32_t channels() const { return static_cast<std::uint32_t>(gpus.size()); }
};

struct NcclSearchBounds {
  std::uint32_t least = 1, most = 64;  // channels
};

// Requires: bounds.least <= bounds.most. No channel at all only for kNvls and kCollNetDirect.
NcclGraph SearchNcclGraph(const NcclSystem& system, const NcclRules& rules,
                          NcclGraph::Pattern pattern, NcclSearchBounds bounds,
                          bool collnet = false);

}  // namespace weft
