#include "workloads/collectives/nccl/switch_tree.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace weft {
namespace {

// Neighbours of a switch in the tiers above or below it, over links that are up both ways, each
// once, by id.
std::vector<VertexId> SwitchesBeside(const Fabric& fabric, const LinkState* state, VertexId at,
                                     bool above) {
  std::vector<VertexId> out;
  const std::uint8_t tier = fabric.vertex(at).tier;
  std::uint32_t id = Index(fabric.first_link_from(at));
  for (const Link& link : fabric.links_from(at)) {
    const LinkId own{id++};
    if (state != nullptr && !(state->up(own) && state->up(link.reverse))) continue;
    const Vertex& to = fabric.vertex(link.to);
    const bool wanted = above ? to.tier > tier : to.tier < tier;
    if (to.kind == VertexKind::kSwitch && wanted && (out.empty() || out.back() != link.to))
      out.push_back(link.to);
  }
  return out;
}

// The hops that join `leaves` to `root`, going down only; none where one is not below it.
std::optional<std::vector<SwitchTree::Hop>> HopsBelow(const Fabric& fabric, const LinkState* state,
                                                      VertexId root,
                                                      const std::vector<VertexId>& leaves) {
  std::map<VertexId, VertexId> parent = {{root, kNoVertex}};
  std::vector<VertexId> reached = {root};
  for (std::size_t i = 0; i < reached.size(); ++i)
    for (const VertexId below : SwitchesBeside(fabric, state, reached[i], false))
      if (parent.try_emplace(below, reached[i]).second) reached.push_back(below);
  std::map<VertexId, bool> used;
  for (const VertexId leaf : leaves) {
    if (!parent.contains(leaf)) return std::nullopt;
    for (VertexId at = leaf; at != root; at = parent.at(at)) used[at] = true;
  }
  std::vector<SwitchTree::Hop> hops;
  for (std::size_t i = reached.size(); i > 1; --i)  // breadth first: the deepest are last
    if (used.contains(reached[i - 1])) hops.push_back({reached[i - 1], parent.at(reached[i - 1])});
  return hops;
}

}  // namespace

std::uint32_t SwitchPorts(const Fabric& fabric, VertexId head) {
  return fabric.host(fabric.vertex(head).host).nics == 0 ? 0 : fabric.PortCount(fabric.NicOf(head));
}

std::optional<SwitchTree> FindSwitchTree(const Fabric& fabric, const std::vector<VertexId>& heads,
                                         std::uint32_t number, std::uint32_t port,
                                         const LinkState* at_start) {
  SwitchTree out;
  for (const VertexId head : heads) {
    const std::uint32_t ports = SwitchPorts(fabric, head);
    if (ports == 0) return std::nullopt;
    const LinkId link =
        fabric.PortLink(fabric.NicOf(head), static_cast<std::uint8_t>(port % ports));
    if (link == kNoLink) return std::nullopt;
    out.leaf_of_head.push_back(fabric.link(link).to);
  }
  std::vector<VertexId> leaves = out.leaf_of_head;
  std::sort(leaves.begin(), leaves.end());
  leaves.erase(std::unique(leaves.begin(), leaves.end()), leaves.end());
  out.root = leaves.front();
  if (leaves.size() <= 1) return out;
  // Tier by tier, the tree's own turn first; the turns left pick in the next tier, then the cable.
  std::vector<std::pair<VertexId, std::uint32_t>> reached = {{out.root, number}};
  std::set<VertexId> seen;
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const auto [at, left] = reached[i];
    const std::vector<VertexId> above = SwitchesBeside(fabric, at_start, at, true);
    for (std::size_t turn = 0; turn < above.size(); ++turn) {
      const VertexId root = above[(left + turn) % above.size()];
      if (!seen.insert(root).second) continue;
      const auto rest = static_cast<std::uint32_t>(left / above.size());
      if (auto hops = HopsBelow(fabric, at_start, root, leaves)) {
        out.root = root;
        out.hops = *std::move(hops);
        out.lane = static_cast<std::uint16_t>(rest);
        return out;
      }
      reached.emplace_back(root, rest);
    }
  }
  return std::nullopt;
}

}  // namespace weft
