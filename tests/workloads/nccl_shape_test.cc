#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/workloads/nccl_host.h"
#include "workloads/collectives/nccl/shape.h"

namespace weft {
namespace {

NcclComm Comm(const std::string& host, int nodes, int per_node, const char* version = "2.28") {
  return BuildNcclComm(NcclHost(host), nodes, per_node, *FindNcclRules(version)->rules);
}

std::vector<int> Parents(int count, bool second) {
  std::vector<int> out;
  for (int row = 0; row < count; ++row) out.push_back(NcclTreeOver(count, row, second).parent);
  return out;
}

// Worked by hand from the rule: w the lowest set bit of r, parent (r − w) | 2w or r − w; the
// second tree mirrors an even count and shifts an odd one.
TEST(NcclTreeOver, BuildsTheTwoTreesWorkedByHand) {
  EXPECT_EQ(Parents(2, false), (std::vector{-1, 0}));
  EXPECT_EQ(Parents(2, true), (std::vector{1, -1}));
  EXPECT_EQ(Parents(4, false), (std::vector{-1, 2, 0, 2}));
  EXPECT_EQ(Parents(4, true), (std::vector{1, 3, 1, -1}));
  EXPECT_EQ(Parents(5, false), (std::vector{-1, 2, 4, 2, 0}));
  EXPECT_EQ(Parents(5, true), (std::vector{1, -1, 3, 0, 3}));
  EXPECT_EQ(Parents(8, false), (std::vector{-1, 2, 4, 2, 0, 6, 4, 6}));
  EXPECT_EQ(Parents(8, true), (std::vector{1, 3, 1, 7, 5, 3, 5, -1}));
}

// One root, no cycle, and what is inside one tree is a leaf of the other, but for one node.
TEST(NcclTreeOver, BuildsSpanningTreesThatComplementEachOther) {
  for (int count = 1; count <= 200; ++count) {
    SCOPED_TRACE(count);
    int twice_inner = 0;
    std::vector<int> inner(static_cast<std::size_t>(count), 0);
    for (const bool second : {false, true}) {
      const std::vector<int> parent = Parents(count, second);
      EXPECT_EQ(std::count(parent.begin(), parent.end(), -1), 1);
      for (int row = 0; row < count; ++row) {
        int steps = 0;
        for (int r = row; r >= 0 && steps <= count; r = parent[static_cast<std::size_t>(r)])
          ++steps;
        EXPECT_LE(steps, count);
        const NcclTreeRow own = NcclTreeOver(count, row, second);
        for (const int child : {own.first, own.second})
          EXPECT_EQ(child < 0 ? row : parent[static_cast<std::size_t>(child)], row);
        if (own.first >= 0 && own.second >= 0) ++inner[static_cast<std::size_t>(row)];
      }
    }
    for (const int times : inner) twice_inner += times == 2 ? 1 : 0;
    EXPECT_LE(twice_inner, 1);
  }
}

void ExpectTree(const NcclTree& tree, int ranks) {
  std::vector<int> reached(static_cast<std::size_t>(ranks), 0);
  for (int rank = 0; rank < ranks; ++rank) {
    const auto row = static_cast<std::size_t>(rank);
    EXPECT_LE(tree.children[row].size(), 3U);
    for (const int child : tree.children[row]) {
      EXPECT_EQ(tree.parent[static_cast<std::size_t>(child)], rank);
      ++reached[static_cast<std::size_t>(child)];
    }
    int steps = 0;
    for (int r = rank; r >= 0 && steps <= ranks; r = tree.parent[static_cast<std::size_t>(r)])
      ++steps;
    EXPECT_LE(steps, ranks);
  }
  EXPECT_EQ(std::count(reached.begin(), reached.end(), 1), ranks - 1);
}

TEST(BuildNcclShapes, GivesEveryChannelAWholeRingAndAWholeTree) {
  for (const char* host : {"dgx-v100", "dgx-a100", "hgx-h100", "hgx-b200", "pcie-a100"})
    for (const int nodes : {1, 2, 5})
      for (const int per_node : {1, 3, 8}) {
        SCOPED_TRACE(testing::Message() << host << ", " << nodes << " x " << per_node);
        if (nodes * per_node < 2) continue;
        const NcclComm comm = Comm(host, nodes, per_node);
        const NcclShapes shapes = BuildNcclShapes(comm);
        ASSERT_EQ(shapes.rings.size(), static_cast<std::size_t>(comm.channels));
        ASSERT_EQ(shapes.trees.size(), shapes.rings.size());
        std::vector<int> all(static_cast<std::size_t>(comm.ranks()));
        std::iota(all.begin(), all.end(), 0);
        for (std::vector<int> ring : shapes.rings) {
          EXPECT_EQ(ring.front(), 0);
          EXPECT_THAT(ring, testing::UnorderedElementsAreArray(all));
        }
        for (const NcclTree& tree : shapes.trees) ExpectTree(tree, comm.ranks());
      }
}

// With two NICs a ring (cross_nic 2) and an even number of nodes, every wire joins NICs of one
// number: rails hold.
TEST(BuildNcclShapes, KeepsRingsOnTheirRails) {
  const NcclComm comm = Comm("hgx-h100", 4, 8);
  const NcclShapes shapes = BuildNcclShapes(comm);
  for (const std::vector<int>& ring : shapes.rings) {
    for (std::size_t i = 0; i < ring.size(); ++i) {
      const int from = ring[i], to = ring[(i + 1) % ring.size()];
      // On HGX H100 a GPU's own NIC has its number, and rings enter and leave by own NICs.
      EXPECT_TRUE(from / 8 == to / 8 || from % 8 == to % 8) << from << " to " << to;
    }
  }
  // NVIDIA/nccl issue 1538 shows this order for channel 0 on two such hosts.
  EXPECT_EQ(BuildNcclShapes(Comm("hgx-h100", 2, 8)).rings[0],
            (std::vector{0, 7, 6, 5, 4, 3, 2, 1, 9, 10, 11, 12, 13, 14, 15, 8}));
}

TEST(BuildNcclShapes, HangsNvlsTreesOnEqualHeads) {
  const NcclShapes shapes = BuildNcclShapes(Comm("hgx-h100", 4, 8));
  EXPECT_EQ(shapes.nvls_heads, (std::vector{0, 1, 2, 3, 4, 5, 6, 7}));
  ASSERT_EQ(shapes.nvls_trees.size(), 2U);
  for (const NcclTree& tree : shapes.nvls_trees)
    for (std::size_t r = 0; r < tree.parent.size(); ++r)
      EXPECT_TRUE(tree.parent[r] < 0 || tree.parent[r] % 8 == static_cast<int>(r) % 8) << r;
}

// 2.28: groups of eight, the deltas of groups triangular: 0, 1, 3, 6 … [NCCL 2.28.9 src/init.cc].
TEST(NcclSendOrder, GoesByGroups) {
  std::vector<int> all(16);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(NcclSendOrder(Comm("hgx-h100", 2, 8), 0), all);
  EXPECT_EQ(NcclSendOrder(Comm("hgx-h100", 2, 8), 9),
            (std::vector{9, 10, 11, 12, 13, 14, 15, 8, 1, 2, 3, 4, 5, 6, 7, 0}));
  std::vector<int> hosts;  // of the first send to each group
  const std::vector<int> order = NcclSendOrder(Comm("hgx-h100", 16, 8), 0);
  for (std::size_t i = 0; i < order.size(); i += 8) hosts.push_back(order[i] / 8);
  EXPECT_EQ(hosts, (std::vector{0, 1, 3, 6, 10, 15, 5, 12, 4, 13, 7, 2, 14, 11, 9, 8}));
}

// In every round all ranks together send to all ranks: nobody receives twice.
TEST(NcclSendOrder, IsAPermutationInEveryRound) {
  for (const char* version : {"2.20", "2.25", "2.28"})
    for (const int nodes : {1, 3, 6})
      for (const int per_node : {1, 6, 8}) {
        SCOPED_TRACE(testing::Message() << version << ' ' << nodes << " x " << per_node);
        if (nodes * per_node < 2) continue;
        const NcclComm comm = Comm("dgx-a100", nodes, per_node, version);
        std::vector<std::vector<int>> orders;
        for (int rank = 0; rank < comm.ranks(); ++rank) {
          orders.push_back(NcclSendOrder(comm, rank));
          ASSERT_EQ(orders.back().size(), static_cast<std::size_t>(comm.ranks()));
          EXPECT_EQ(orders.back().front(), rank);
        }
        for (std::size_t round = 0; round < orders.size(); ++round) {
          std::vector<bool> receives(orders.size(), false);
          for (const std::vector<int>& order : orders) {
            const auto to = static_cast<std::size_t>(order[round]);
            EXPECT_FALSE(receives[to]);
            receives[to] = true;
          }
        }
      }
}

}  // namespace
}  // namespace weft
