// The rings, trees and send orders that a communicator's channels form over its nodes.
//
//     ring    node after node; inside, the search's order of the channel. cross_nic 2: odd
//             nodes exchange the two rings of a pair, so that every wire joins equal NICs.
//     trees   two over the nodes, complementary (a rank that is inner in one is a leaf of the
//             other, but for one); channels 0 … C − 1 use the first, C … 2C − 1 the second;
//             inside a node a chain. The parent hangs at the chain's first GPU.
//     NVLS    a head a channel; over nodes the two trees join equal heads.
//
// [NCCL 2.28.9 src/graph/connect.cc, trees.cc, init.cc]
//
// Shapes   n channels, R ranks: rings [n][R], each from rank 0; parent [n][R], -1 for the root;
//          children [n][R], at most three, in NCCL's order.
// Cost     O(n·R).
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/collectives/nccl/comm.h"

namespace weft {

struct NcclTree {
  std::vector<int> parent;                 // [R]
  std::vector<std::vector<int>> children;  // [R]; -1 where NCCL keeps a slot for the chain
};

struct NcclShapes {
  std::vector<std::vector<int>> rings;
  std::vector<NcclTree> trees;
  std::vector<int> nvls_heads;       // ranks on the first node
  std::vector<NcclTree> nvls_trees;  // of even and odd channels; empty on one node
};

NcclShapes BuildNcclShapes(const NcclComm& comm);

// The order of one channel's ring, from rank 0, and the parents of its tree, -1 for the root: rows
// of the above without building all. Requires: channel < comm.channels. Cost O(R).
std::vector<int> NcclRing(const NcclComm& comm, std::size_t channel);
std::vector<int> NcclTreeParents(const NcclComm& comm, std::size_t channel);

// The ranks that `rank` sends to in an all-to-all, round by round, itself first; in the same
// round it receives from the rank for which it stands there.
std::vector<int> NcclSendOrder(const NcclComm& comm, int rank);

// Row r of the first or second tree over `count` nodes.
struct NcclTreeRow {
  int parent = -1, first = -1, second = -1;  // -1: none
  bool is_first_child = true;                // of its parent
};
NcclTreeRow NcclTreeOver(int count, int row, bool second);

}  // namespace weft
