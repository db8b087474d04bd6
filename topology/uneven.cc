#include "topology/uneven.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "topology/row_sets.h"

namespace weft {
namespace {

using Pair = std::pair<VertexId, VertexId>;  // lower tier first

// What most of `counts`'s entries are; the larger of equals.
template <typename Key, typename Value>
Value MostCommon(const std::map<Key, Value>& values) {
  std::map<Value, std::size_t> times;
  for (const auto& [key, value] : values) ++times[value];
  Value best{};
  std::size_t most = 0;
  for (const auto& [value, count] : times)
    if (count >= most) {
      most = count;
      best = value;
    }
  return best;
}

std::string RateText(double bps) { return fmt::format("{:.6g}G", bps / 1e9); }

struct Cables {
  std::map<std::uint8_t, std::map<Pair, int>> count;  // by lower tier
  std::map<std::pair<std::uint8_t, std::uint8_t>, std::map<std::uint32_t, double>> bps;
};

Cables CablesOf(const Fabric& fabric) {
  Cables out;
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    const Vertex &from = fabric.vertex(link.from), &to = fabric.vertex(link.to);
    if (link.link_class != LinkClass::kNetwork || from.tier >= to.tier) continue;
    out.bps[{from.tier, to.tier}][l] = link.rate.bits_per_second();
    if (from.tier > 0) ++out.count[from.tier][{link.from, link.to}];
  }
  return out;
}

// The two sides of switches of neighbouring tiers that cables join, directly or not: a plane's,
// or a pod's.
struct Joined {
  std::set<VertexId> lower, upper;
  std::size_t pairs = 0;
};

std::vector<Joined> JoinedBy(const std::map<Pair, int>& count, std::uint32_t vertices) {
  RowSets sets(vertices);
  for (const auto& [pair, n] : count) sets.Join(Index(pair.first), Index(pair.second));
  std::map<std::uint32_t, Joined> out;
  for (const auto& [pair, n] : count) {
    Joined& joined = out[sets.Of(Index(pair.first))];
    joined.lower.insert(pair.first);
    joined.upper.insert(pair.second);
    ++joined.pairs;
  }
  std::vector<Joined> list;
  for (auto& [row, joined] : out) list.push_back(std::move(joined));
  return list;
}

// Pairs of a leaf and a switch above it that lack cables, where every switch meets every other
// of what is joined: a pair of none counts where most pairs that could be are cabled.
void FindMissing(const Fabric& fabric, const Cables& cables, Unevenness& out) {
  std::map<VertexId, std::int64_t> lacking;
  for (const auto& [tier, count] : cables.count) {
    const int usual = MostCommon(count);
    for (const Joined& joined : JoinedBy(count, fabric.vertex_count())) {
      const bool all_meet = joined.pairs * 10 >= joined.lower.size() * joined.upper.size() * 8;
      for (const VertexId a : joined.lower)
        for (const VertexId b : joined.upper) {
          const auto found = count.find({a, b});
          const int n = found == count.end() ? 0 : found->second;
          if (n > usual)
            out.odd.push_back(fmt::format("{} - {}: {} cables, others {}", fabric.Name(a),
                                          fabric.Name(b), n, usual));
          if (n >= usual || (n == 0 && !all_meet)) continue;
          out.missing.push_back(fmt::format("{} - {}: {} of {} cable{}", fabric.Name(a),
                                            fabric.Name(b), n, usual, usual == 1 ? "" : "s"));
          lacking[a] += usual - n;
        }
    }
  }
  for (LeafRow& row : out.leaves) row.lacking = lacking[row.leaf];
}

}  // namespace

Unevenness FindUnevenness(const Fabric& fabric) {
  Unevenness out;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    const Vertex& vertex = fabric.vertex(VertexId{v});
    if (vertex.kind == VertexKind::kNic && fabric.PortCount(VertexId{v}) == 0)
      out.odd.push_back(fabric.Name(VertexId{v}) + " has no cable");
    if (vertex.kind != VertexKind::kSwitch) continue;
    if (fabric.links_from(VertexId{v}).empty())
      out.odd.push_back(fabric.Name(VertexId{v}) + " has no cable");
    LeafRow row;
    row.leaf = VertexId{v};
    for (const Link& link : fabric.links_from(VertexId{v})) {
      const Vertex& to = fabric.vertex(link.to);
      if (to.kind == VertexKind::kNic) {
        ++row.down;
        row.down_rate = row.down_rate + link.rate;
        if (vertex.tier > 1)
          out.odd.push_back(fmt::format("{} is on {}, which is of tier {}", fabric.Name(link.to),
                                        fabric.Name(VertexId{v}), vertex.tier));
      } else if (to.tier > vertex.tier) {
        ++row.up;
        row.up_rate = row.up_rate + link.rate;
      } else if (to.tier == vertex.tier && link.from < link.to) {
        out.odd.push_back(fmt::format("{} - {} joins switches of one tier", fabric.Name(link.from),
                                      fabric.Name(link.to)));
      }
    }
    if (vertex.tier == 1) out.leaves.push_back(row);
  }
  const Cables cables = CablesOf(fabric);
  FindMissing(fabric, cables, out);
  for (const auto& [tiers, rates] : cables.bps) {
    const double usual = MostCommon(rates);
    for (const auto& [link, bps] : rates)
      if (bps != usual)
        out.odd.push_back(fmt::format("{} -> {}: {}, others {}", fabric.PortName(LinkId{link}),
                                      fabric.Name(fabric.link(LinkId{link}).to), RateText(bps),
                                      RateText(usual)));
  }
  return out;
}

}  // namespace weft
