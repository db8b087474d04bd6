// NCCL's operations as Patterns, which every engine runs.
//
//     Ring      per channel a cycle in NCCL's order (shape.h), as in ring.h: step k carries slice
//               (i − k) mod R after it came in.
//     Tree      per channel up to the root, then down; channels alternate between the two trees
//               as the search has them.
//     NVLS      a channel a head h: every GPU sends its part to the NVSwitch, which hands the sum
//               to h; h sends the result back, and the switch hands it to all.
//     NVLSTree  two channels a head, one a tree: between the two halves of NVLS sums go up the
//               tree over equal heads of all nodes and the result comes down.
//     CollNet   where the network reduces: per channel a chain to its head (Chain), or per head
//               all GPUs' parts (Direct, NVLS), then up a tree of switches and back, each port of
//               a head's NIC in a channel of its own (switch_tree.h); a switch sends one copy on.
//               Of an all-gather a head's own block goes up and all of its channel come down, of a
//               reduce-scatter the other way round.
//     flow      broadcast and reduce: per channel the ring, cut at rank 0.
//     PAT       all-gather and reduce-scatter with a rank a node: a binomial tree a block, all
//               over the same edges, one a rank and bit.
//     sends     an all-to-all in NCCL's order, eight peers at a time on a channel; of a matrix
//               the same without the pairs that have nothing to say, gather and scatter being such;
//               send/recv to the next rank.
//
//     gpu0 ─┐               ┌─> parent ─> …           NVLSTree, one head of one node:
//     gpu1 ─┼─> NVSwitch ─> head                      up: gpu → switch → head → parent head
//     gpu2 ─┘      │  <──────┘ <─ parent <─ …          down the same way
//
// Times    an edge's class carries what its step adds and what a channel may move, both from the
//          closed form (time.h): uncontended, an engine ends at the closed form's time, paths'
//          latencies aside, of which a usual one is taken off (kUsualPath).
// Wire     LL's and LL128's flags are wire bytes: twice and 16/15 of the payload.
// Shapes   R ranks, n channels: ring n·R edges, tree 2n(R − 1), NVLS heads·(2P + 2) a node,
//          NVLSTree twice that and 4·heads a node, all-to-all R(R − 1), PAT R log2 R,
//          flow n(R − 1).
// Cost     O(edges). Oracle: tests/workloads/nccl_pattern_test.cc executes all on real arrays.
// Departs  PAT is one channel. Broadcast and reduce run one after the other; NCCL's repeats
//          overlap. A head's NIC is its GPU's own.
#pragma once

#include <optional>
#include <vector>

#include "hardware/parts.h"
#include "sim/program.h"
#include "topology/fabric.h"
#include "workloads/build_program.h"
#include "workloads/collectives/communicator.h"
#include "workloads/collectives/nccl/time.h"

namespace weft {

// A path over two tiers, inside a host over its NVSwitch: what NCCL's steps have in them already.
inline constexpr SimDuration kUsualPath = std::chrono::microseconds(4);
inline constexpr SimDuration kUsualLink = std::chrono::nanoseconds(50);

// What an operation of one size runs.
struct NcclPatternPlan {
  const NcclComm* comm = nullptr;
  CollectiveSpec::Op op = CollectiveSpec::ALL_REDUCE;
  NcclTimeCase which;
  CollectiveTime time;
  std::uint8_t qps = 1;
  const SendMatrix* matrix = nullptr;     // of all_to_all_v, gather and scatter, by NCCL's ranks
  SendLoads loads;                        // of the matrix
  std::optional<NcclAlgorithm> wanted{};  // NCCL's choice, where a ring stands in for it
  const LinkState* at_start = nullptr;    // what is up before anything runs; null: all
};

// Whether the communicator's hosts have equally many ranks, as NcclComm supposes.
bool IsRegular(const Communicator& communicator);

// Whether BuildNcclPattern knows the choice.
bool HasNcclPattern(const NcclPatternPlan& plan);

// Whether the fabric has the switches that the plan reduces in; true where it needs none.
bool HasSwitchTrees(const NcclPatternPlan& plan, const Fabric& fabric,
                    const Communicator& communicator);

// Rank r of NCCL is member r: hosts in ring order, a host's GPUs by number.
// Requires: HasNcclPattern, HasSwitchTrees, IsRegular, comm->ranks() members, an NVSwitch where
// NVLS is chosen.
Pattern BuildNcclPattern(const NcclPatternPlan& plan, const Fabric& fabric,
                         const Communicator& communicator);

// How many edges it will have. Requires: HasNcclPattern.
std::uint64_t NcclPatternEdges(const NcclPatternPlan& plan);

// Wire bytes of each edge of a pattern built by a matrix.
std::vector<Bytes> NcclSendAmounts(const NcclPatternPlan& plan, const Pattern& pattern);

// What the operation pays once in an engine.
SimDuration NcclLaunch(const NcclPatternPlan& plan);

}  // namespace weft
