#include "topology/bisection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/boykov_kolmogorov_max_flow.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <vector>

#include "base/check.h"

namespace weft {
namespace {

using Adjacent = std::vector<std::pair<std::uint32_t, std::int64_t>>;  // (node, bit/s), ascending

struct Node {
  int side = -1;          // of a host: which half
  std::uint8_t tier = 0;  // 0: a host
  Adjacent adjacent;
};

void SumByNode(Adjacent& adjacent) {
  std::sort(adjacent.begin(), adjacent.end());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < adjacent.size(); ++i) {
    if (kept > 0 && adjacent[kept - 1].first == adjacent[i].first)
      adjacent[kept - 1].second += adjacent[i].second;
    else
      adjacent[kept++] = adjacent[i];
  }
  adjacent.resize(kept);
}

// Hosts first, then switches; network links alone.
std::vector<Node> MakeNodes(const Fabric& fabric, const std::vector<int>& side_of_host) {
  std::uint32_t first_switch = fabric.vertex_count();
  while (first_switch > 0 && fabric.vertex(VertexId{first_switch - 1}).kind == VertexKind::kSwitch)
    --first_switch;
  std::vector<Node> nodes(fabric.host_count() + fabric.vertex_count() - first_switch);
  const auto node_of = [&](VertexId id) {
    const Vertex& vertex = fabric.vertex(id);
    return vertex.host != kNoHost ? Index(vertex.host)
                                  : fabric.host_count() + Index(id) - first_switch;
  };
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) nodes[h].side = side_of_host[h];
  for (std::uint32_t v = first_switch; v < fabric.vertex_count(); ++v)
    nodes[node_of(VertexId{v})].tier = fabric.vertex(VertexId{v}).tier;
  for (const Link& link : fabric.links())
    if (link.link_class == LinkClass::kNetwork)
      nodes[node_of(link.from)].adjacent.push_back(
          {node_of(link.to), std::llround(link.rate.bits_per_second())});
  for (Node& node : nodes) SumByNode(node.adjacent);
  return nodes;
}

// Merges nodes with the same neighbours at the same rates; false where there are none.
bool MergeOnce(std::vector<Node>& nodes) {
  const auto key = [&](std::uint32_t n) {
    return std::tie(nodes[n].side, nodes[n].tier, nodes[n].adjacent);
  };
  std::vector<std::uint32_t> order(nodes.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  std::vector<std::uint32_t> merged_of(nodes.size());
  std::vector<Node> merged;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || key(order[i]) != key(order[i - 1]))
      merged.push_back({nodes[order[i]].side, nodes[order[i]].tier, {}});
    merged_of[order[i]] = static_cast<std::uint32_t>(merged.size() - 1);
  }
  if (merged.size() == nodes.size()) return false;
  for (std::uint32_t n = 0; n < nodes.size(); ++n)
    for (const auto& [to, bps] : nodes[n].adjacent)
      merged[merged_of[n]].adjacent.push_back({merged_of[to], bps});
  for (Node& node : merged) SumByNode(node.adjacent);
  nodes = std::move(merged);
  return true;
}

struct Cut {
  std::int64_t bps = 0;
  std::set<std::pair<std::uint8_t, std::uint8_t>> tiers;  // lower and upper end of its links
};

using FlowTraits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using FlowGraph = boost::adjacency_list<
    boost::vecS, boost::vecS, boost::directedS, boost::no_property,
    boost::property<
        boost::edge_capacity_t, std::int64_t,
        boost::property<boost::edge_residual_capacity_t, std::int64_t,
                        boost::property<boost::edge_reverse_t, FlowTraits::edge_descriptor>>>>;

void AddArcs(FlowGraph& graph, std::size_t a, std::size_t b, std::int64_t there,
             std::int64_t back) {
  const auto forward = boost::add_edge(a, b, graph).first;
  const auto backward = boost::add_edge(b, a, graph).first;
  boost::put(boost::edge_capacity, graph, forward, there);
  boost::put(boost::edge_capacity, graph, backward, back);
  boost::put(boost::edge_reverse, graph, forward, backward);
  boost::put(boost::edge_reverse, graph, backward, forward);
}

std::int64_t MaxFlow(FlowGraph& graph, std::size_t source, std::size_t sink) {
  const std::size_t vertices = boost::num_vertices(graph);
  const auto index = boost::get(boost::vertex_index, graph);
  std::vector<FlowTraits::edge_descriptor> predecessor(vertices);
  std::vector<boost::default_color_type> color(vertices);
  std::vector<std::int64_t> distance(vertices);
  return boost::boykov_kolmogorov_max_flow(
      graph, boost::get(boost::edge_capacity, graph),
      boost::get(boost::edge_residual_capacity, graph), boost::get(boost::edge_reverse, graph),
      boost::make_iterator_property_map(predecessor.begin(), index),
      boost::make_iterator_property_map(color.begin(), index),
      boost::make_iterator_property_map(distance.begin(), index), index, source, sink);
}

// Which vertices the source still reaches once the flow is at its largest.
std::vector<bool> SourceSide(const FlowGraph& graph, std::size_t source) {
  std::vector<bool> reached(boost::num_vertices(graph), false);
  std::vector<std::size_t> queue{source};
  reached[source] = true;
  for (std::size_t head = 0; head < queue.size(); ++head)
    for (const auto edge : boost::make_iterator_range(boost::out_edges(queue[head], graph))) {
      const std::size_t to = boost::target(edge, graph);
      if (reached[to] || boost::get(boost::edge_residual_capacity, graph, edge) == 0) continue;
      reached[to] = true;
      queue.push_back(to);
    }
  return reached;
}

Cut SolveCut(const std::vector<Node>& nodes) {
  const std::size_t source = nodes.size(), sink = nodes.size() + 1;
  FlowGraph graph(nodes.size() + 2);
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    std::int64_t all_bps = 0;
    for (const auto& [to, bps] : nodes[n].adjacent) {
      all_bps += bps;
      if (to > n) AddArcs(graph, n, to, bps, bps);  // cables: the same both ways
    }
    // One more than its cables carry, so that the cut runs through cables.
    if (nodes[n].side == 0) AddArcs(graph, source, n, all_bps + 1, 0);
    if (nodes[n].side == 1) AddArcs(graph, n, sink, all_bps + 1, 0);
  }
  Cut cut;
  cut.bps = MaxFlow(graph, source, sink);
  const std::vector<bool> reached = SourceSide(graph, source);
  for (std::size_t n = 0; n < nodes.size(); ++n)
    for (const auto& [to, bps] : nodes[n].adjacent)
      if (reached[n] && !reached[to]) cut.tiers.insert(std::minmax(nodes[n].tier, nodes[to].tier));
  return cut;
}

struct Halves {
  std::string name;
  std::vector<int> side;  // [H]
};

// Every declared division that has hosts on both sides.
std::vector<Halves> DeclaredHalves(const Fabric& fabric) {
  // A switch that is counted by itself, not in a segment, is a leaf: it is its hosts' segment.
  const char* segments =
      fabric.naming(1).in_segment ? "even segments | odd segments" : "even leaves | odd leaves";
  std::vector<Halves> all = {
      {"first half of the pods | second half", {}}, {segments, {}}, {"even hosts | odd hosts", {}}};
  std::uint32_t pods = 0;
  for (const Host& host : fabric.hosts()) pods = std::max<std::uint32_t>(pods, host.pod + 1u);
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const Host& host = fabric.host(HostId{h});
    all[0].side.push_back(host.pod * 2u < pods ? 0 : 1);
    all[1].side.push_back(host.segment % 2);
    all[2].side.push_back(static_cast<int>(h % 2));
  }
  std::erase_if(all, [](const Halves& halves) {
    const auto& side = halves.side;
    return std::adjacent_find(side.begin(), side.end(), std::not_equal_to<>()) == side.end();
  });
  return all;
}

// "even leaves (290 hosts) | odd leaves (262 hosts)": hosts where the halves are unequal.
std::string HalvesName(const Halves& halves) {
  const auto right = std::count(halves.side.begin(), halves.side.end(), 1);
  const auto left = static_cast<std::ptrdiff_t>(halves.side.size()) - right;
  const std::size_t bar = halves.name.find(" | ");
  if (left == right) return halves.name;
  return fmt::format("{} ({} host{}) | {} ({} host{})", halves.name.substr(0, bar), left,
                     left == 1 ? "" : "s", halves.name.substr(bar + 3), right,
                     right == 1 ? "" : "s");
}

std::string CutName(const Fabric& fabric, const std::string& halves, const Cut& cut) {
  const auto noun = [&](std::uint8_t tier) {
    return tier == 0 ? std::string("host") : fabric.naming(tier).noun;
  };
  std::string out = halves;
  for (const auto& [lower, upper] : cut.tiers)
    out += fmt::format("{}{}-{} links", out == halves ? ", cut at " : " and ", noun(lower),
                       noun(upper));
  return out;
}

}  // namespace

std::optional<Bisection> FindBisection(const Fabric& fabric) {
  std::optional<Bisection> best;
  if (!fabric.constructible()) return best;
  for (const Halves& halves : DeclaredHalves(fabric)) {
    std::vector<Node> nodes = MakeNodes(fabric, halves.side);
    while (MergeOnce(nodes)) {
    }
    const Cut cut = SolveCut(nodes);
    const BitRate rate = BitRate::BitsPerSecond(static_cast<double>(cut.bps));
    if (!best || rate < best->rate)
      best = Bisection{rate, CutName(fabric, HalvesName(halves), cut)};
  }
  return best;
}

}  // namespace weft
