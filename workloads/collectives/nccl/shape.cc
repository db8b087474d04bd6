#include "workloads/collectives/nccl/shape.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace weft {
namespace {

using Pattern = NcclGraph::Pattern;

int PowerOfTwoUp(int value) {
  return static_cast<int>(std::bit_ceil(static_cast<unsigned>(value)));
}

// Row `row` of the first tree: w its lowest set bit; parent row − w with the next bit set, or
// without it where that is no row; children row ∓ w/2.
NcclTreeRow FirstTree(int count, int row) {
  NcclTreeRow out;
  if (row == 0) {
    if (count > 1) out.second = PowerOfTwoUp(count) / 2;
    return out;
  }
  const int bit = row & -row;
  out.parent = (row ^ bit) | (bit << 1);
  if (out.parent >= count) out.parent = row ^ bit;
  out.is_first_child = row < out.parent;
  int half = bit >> 1;
  if (half == 0) return out;
  out.first = row - half;
  out.second = row + half;
  while (out.second >= count) {
    out.second = half == 0 ? -1 : row + half;
    half >>= 1;
  }
  return out;
}

// Ranks of channel c of `graph` on a node, in order.
std::vector<int> OnNode(const NcclComm& comm, const NcclGraph& graph, std::size_t channel,
                        int node) {
  std::vector<int> out;
  for (const std::uint32_t gpu : graph.gpus[channel])
    out.push_back(node * comm.per_node + static_cast<int>(gpu));
  return out;
}

std::vector<int> Ring(const NcclComm& comm, std::size_t channel, std::size_t found) {
  const bool exchange = comm.ring.cross_nic == 2 && found % 2 == 0 && comm.rules->alternate_rings;
  std::vector<int> ring;
  for (int node = 0; node < comm.nodes; ++node) {
    const std::size_t own = exchange && node % 2 == 1 ? channel ^ 1U : channel;
    const std::vector<int> part = OnNode(comm, comm.ring, own, node);
    ring.insert(ring.end(), part.begin(), part.end());
  }
  std::rotate(ring.begin(), std::find(ring.begin(), ring.end(), 0), ring.end());
  return ring;
}

// Where in a node's chain its children on other nodes hang.
struct ChildPlaces {
  std::size_t first = 0, second = 0;
};

ChildPlaces PlacesOf(const NcclComm& comm) {
  const std::size_t next = std::min<std::size_t>(1, static_cast<std::size_t>(comm.per_node) - 1);
  return {comm.tree.pattern == Pattern::kTree ? 0 : next,
          comm.tree.pattern == Pattern::kSplitTree ? next : 0};
}

std::vector<int> Parents(const NcclComm& comm, std::size_t channel, bool second) {
  std::vector<int> parent(static_cast<std::size_t>(comm.ranks()), -1);
  const ChildPlaces places = PlacesOf(comm);
  const std::vector<std::uint32_t>& chain = comm.tree.gpus[channel];
  for (int node = 0; node < comm.nodes; ++node) {
    const auto rank = [&](int on, std::size_t place) {
      return on * comm.per_node + static_cast<int>(chain[place]);
    };
    for (std::size_t i = 1; i < chain.size(); ++i)
      parent[static_cast<std::size_t>(rank(node, i))] = rank(node, i - 1);
    const NcclTreeRow row = NcclTreeOver(comm.nodes, node, second);
    if (row.parent >= 0)
      parent[static_cast<std::size_t>(rank(node, 0))] =
          rank(row.parent, row.is_first_child ? places.first : places.second);
  }
  return parent;
}

NcclTree Tree(const NcclComm& comm, std::size_t channel, bool second) {
  NcclTree tree{Parents(comm, channel, second), {}};
  tree.children.resize(tree.parent.size());
  const ChildPlaces places = PlacesOf(comm);
  const auto at = [](int rank) { return static_cast<std::size_t>(rank); };
  for (int node = 0; node < comm.nodes; ++node) {
    const std::vector<int> chain = OnNode(comm, comm.tree, channel, node);
    for (std::size_t i = 1; i < chain.size(); ++i)
      tree.children[at(chain[i - 1])].push_back(chain[i]);
    const NcclTreeRow row = NcclTreeOver(comm.nodes, node, second);
    const auto head_of = [&](int other) { return OnNode(comm, comm.tree, channel, other)[0]; };
    if (row.first >= 0) tree.children[at(chain[places.first])].push_back(head_of(row.first));
    if (row.second >= 0) tree.children[at(chain[places.second])].push_back(head_of(row.second));
  }
  return tree;
}

std::size_t FoundChannels(const NcclComm& comm) {
  return std::min(comm.ring.channels(), comm.tree.channels());
}

NcclTree HeadTree(const NcclComm& comm, const std::vector<int>& heads, bool second) {
  const auto ranks = static_cast<std::size_t>(comm.ranks());
  NcclTree tree{std::vector<int>(ranks, -1), std::vector<std::vector<int>>(ranks)};
  for (int node = 0; node < comm.nodes; ++node) {
    const NcclTreeRow row = NcclTreeOver(comm.nodes, node, second);
    for (const int head : heads) {
      const auto rank = static_cast<std::size_t>(node * comm.per_node + head);
      if (row.parent >= 0) tree.parent[rank] = row.parent * comm.per_node + head;
      for (const int child : {row.first, row.second})
        if (child >= 0) tree.children[rank].push_back(child * comm.per_node + head);
    }
  }
  return tree;
}

// 0, 1, 3, 6, 10 … modulo the next power of two, without what is no row.
std::vector<int> Triangular(int count) {
  std::vector<int> out;
  const int power = PowerOfTwoUp(count);
  for (int round = 0, delta = 0; round < power; ++round, delta = (delta + round) & (power - 1))
    if (delta < count) out.push_back(delta);
  return out;
}

// Both ways, and from the far side: 0, then d, −d, N/2 − d, −(N/2 − d).
std::vector<int> BothWays(int count) {
  std::vector<int> out;
  for (int d = 0; d <= count / 4; ++d)
    for (const int delta :
         {d, (count - d) % count, count / 2 - d, (count - (count / 2 - d)) % count})
      if (std::find(out.begin(), out.end(), delta) == out.end()) out.push_back(delta);
  return out;
}

}  // namespace

NcclTreeRow NcclTreeOver(int count, int row, bool second) {
  if (!second) return FirstTree(count, row);
  const bool mirror = count % 2 == 0;
  const auto there = [&](int r) { return mirror ? count - 1 - r : (r + count - 1) % count; };
  const auto back = [&](int r) { return r < 0 ? -1 : mirror ? count - 1 - r : (r + 1) % count; };
  NcclTreeRow out = FirstTree(count, there(row));
  out.parent = back(out.parent);
  out.first = back(out.first);
  out.second = back(out.second);
  return out;
}

std::vector<int> NcclRing(const NcclComm& comm, std::size_t channel) {
  const std::size_t found = FoundChannels(comm);
  return Ring(comm, channel % found, found);
}

std::vector<int> NcclTreeParents(const NcclComm& comm, std::size_t channel) {
  const std::size_t found = FoundChannels(comm);
  return Parents(comm, channel % found, channel % (2 * found) >= found);
}

NcclShapes BuildNcclShapes(const NcclComm& comm) {
  NcclShapes out;
  const std::size_t found = FoundChannels(comm);
  const auto channels = static_cast<std::size_t>(comm.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::size_t own = c % found;
    if (c >= 2 * found) {  // copies
      out.rings.push_back(out.rings[c - 2 * found]);
      out.trees.push_back(out.trees[c - 2 * found]);
      continue;
    }
    out.rings.push_back(c < found ? Ring(comm, own, found) : out.rings[own]);
    out.trees.push_back(Tree(comm, own, c >= found));
  }
  for (const std::vector<std::uint32_t>& gpus : comm.nvls.gpus)
    out.nvls_heads.push_back(static_cast<int>(gpus.front()));
  if (comm.nvls_on && comm.nodes > 1)
    for (const bool second : {false, true})
      out.nvls_trees.push_back(HeadTree(comm, out.nvls_heads, second));
  return out;
}

std::vector<int> NcclSendOrder(const NcclComm& comm, int rank) {
  const NcclRules::SendOrder order = comm.rules->send_order;
  const bool groups = order == NcclRules::SendOrder::kGroups;
  const int size = !groups || comm.nodes == 1 ? comm.per_node : std::gcd(8, comm.per_node);
  const int count = comm.ranks() / size, group = rank / size, local = rank % size;
  std::vector<int> inside(static_cast<std::size_t>(size));
  std::iota(inside.begin(), inside.end(), 0);
  if (order == NcclRules::SendOrder::kNodes) inside = Triangular(size);
  std::vector<int> out;
  const bool both = order == NcclRules::SendOrder::kNodesBothWays;
  for (const int delta : both ? BothWays(count) : Triangular(count))
    for (const int step : inside)
      out.push_back((group + delta) % count * size + (local + step) % size);
  return out;
}

}  // namespace weft
