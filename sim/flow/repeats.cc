#include "sim/flow/repeats.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace weft {
namespace {

constexpr std::uint32_t kNobody = 0xffffffff, kSeveral = 0xfffffffe;

// The replica test for one pair of subjects at a time.
class Matcher {
 public:
  Matcher(const SimulationInput& input, const PathTable& paths)
      : input_(input),
        paths_(paths),
        link_to_(input.fabric->link_count(), kNoLink),
        link_from_(input.fabric->link_count(), kNoLink),
        vertex_to_(input.fabric->vertex_count(), kNoVertex),
        vertex_from_(input.fabric->vertex_count(), kNoVertex) {}

  bool Replicas(const PathTable::Subject& a, const PathTable::Subject& b) {
    const bool same = SamePattern(*a.pattern, *b.pattern) && SamePaths(a, b);
    for (const LinkId link : links_) link_to_[Index(link)] = kNoLink;
    for (const LinkId link : images_) link_from_[Index(link)] = kNoLink;
    for (const VertexId vertex : vertices_) vertex_to_[Index(vertex)] = kNoVertex;
    for (const VertexId vertex : vertex_images_) vertex_from_[Index(vertex)] = kNoVertex;
    links_.clear();
    images_.clear();
    vertices_.clear();
    vertex_images_.clear();
    return same;
  }

 private:
  static bool SamePattern(const Pattern& a, const Pattern& b) {
    const auto edge = [](const Edge& e) {
      return std::tie(e.wire_num, e.wire_den, e.channel, e.round, e.qps, e.edge_class, e.first_feed,
                      e.feed_count, e.steps);
    };
    const auto same_edge = [&](const Edge& x, const Edge& y) { return edge(x) == edge(y); };
    const auto same_feed = [](const Feed& x, const Feed& y) {
      return x.edge == y.edge && x.lag == y.lag;
    };
    const auto same_class = [](const EdgeClass& x, const EdgeClass& y) {
      return x.step == y.step && x.cap == y.cap;
    };
    return a.channels == b.channels && a.advance == b.advance && a.window == b.window &&
           std::equal(a.edges.begin(), a.edges.end(), b.edges.begin(), b.edges.end(), same_edge) &&
           std::equal(a.feeds.begin(), a.feeds.end(), b.feeds.begin(), b.feeds.end(), same_feed) &&
           std::equal(a.classes.begin(), a.classes.end(), b.classes.begin(), b.classes.end(),
                      same_class);
  }

  bool SamePaths(const PathTable::Subject& a, const PathTable::Subject& b) {
    for (std::uint32_t i = 0; i < a.edge_count; ++i) {
      const PathTable::Edge& x = paths_.edges()[a.first_edge + i];
      const PathTable::Edge& y = paths_.edges()[b.first_edge + i];
      if (x.latency != y.latency || x.cap_bps != y.cap_bps) return false;
      if (!Map(vertex_to_, vertex_from_, x.from, y.from, vertices_, vertex_images_) ||
          !Map(vertex_to_, vertex_from_, x.to, y.to, vertices_, vertex_images_))
        return false;
      for (std::uint32_t q = 0; q < x.qps; ++q)
        if (!SameHops(paths_.qps()[x.first_qp + q], paths_.qps()[y.first_qp + q])) return false;
    }
    return true;
  }

  bool SameHops(const PathTable::Qp& a, const PathTable::Qp& b) {
    const auto x = paths_.hops(a), y = paths_.hops(b);
    if (a.bound != b.bound || x.size() != y.size()) return false;
    const auto s = paths_.shares(a), t = paths_.shares(b);
    if (!std::equal(s.begin(), s.end(), t.begin(), t.end())) return false;
    for (std::size_t h = 0; h < x.size(); ++h) {
      if (Capacity(input_.fabric->link(x[h]), input_.physics) !=
          Capacity(input_.fabric->link(y[h]), input_.physics))
        return false;
      if (!Map(link_to_, link_from_, x[h], y[h], links_, images_)) return false;
    }
    return true;
  }

  // Adds a → b to a map that must stay one to one.
  template <typename Id>
  static bool Map(std::vector<Id>& to, std::vector<Id>& from, Id a, Id b, std::vector<Id>& keys,
                  std::vector<Id>& images) {
    const Id none{0xffffffff};
    if (to[Index(a)] == none && from[Index(b)] == none) {
      to[Index(a)] = b;
      from[Index(b)] = a;
      keys.push_back(a);
      images.push_back(b);
      return true;
    }
    return to[Index(a)] == b && from[Index(b)] == a;
  }

  const SimulationInput& input_;
  const PathTable& paths_;
  std::vector<LinkId> link_to_, link_from_, links_, images_;
  std::vector<VertexId> vertex_to_, vertex_from_, vertices_, vertex_images_;
};

// [L] the subject that alone crosses the link, kNobody or kSeveral.
std::vector<std::uint32_t> OwnersOf(const PathTable& paths, std::uint32_t link_count) {
  std::vector<std::uint32_t> owner(link_count, kNobody);
  for (std::uint32_t s = 0; s < paths.subjects().size(); ++s) {
    const PathTable::Subject& subject = paths.subjects()[s];
    if (subject.first_row == kNoRow) continue;
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
        for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q])) {
          std::uint32_t& mine = owner[Index(link)];
          if (mine != s) mine = mine == kNobody ? s : kSeveral;
        }
  }
  return owner;
}

bool Private(const PathTable& paths, std::uint32_t s, const std::vector<std::uint32_t>& owner) {
  const PathTable::Subject& subject = paths.subjects()[s];
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
    for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
      for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q]))
        if (owner[Index(link)] != s) return false;
  return true;
}

}  // namespace

FoldingPlan PlanFolding(const SimulationInput& input, const PathTable& paths) {
  FoldingPlan plan;
  plan.leader.resize(paths.subjects().size());
  for (std::uint32_t s = 0; s < plan.leader.size(); ++s) plan.leader[s] = s;
  // Patterns of one outline: as many channels and edges, the same way to advance.
  using Outline = std::tuple<std::uint16_t, std::size_t, Pattern::Advance>;
  std::map<Outline, std::vector<std::uint32_t>> alike;
  for (std::uint32_t s = 0; s < plan.leader.size(); ++s) {
    const PathTable::Subject& subject = paths.subjects()[s];
    if (subject.pattern == nullptr || subject.first_row == kNoRow) continue;
    alike[{subject.channels, subject.edge_count, subject.pattern->advance}].push_back(s);
  }
  std::erase_if(alike, [](const auto& entry) { return entry.second.size() < 2; });
  if (alike.empty()) return plan;

  const std::vector<std::uint32_t> owner = OwnersOf(paths, input.fabric->link_count());
  Matcher matcher(input, paths);
  for (const auto& [outline, subjects] : alike) {
    std::vector<std::uint32_t> leaders;
    for (const std::uint32_t s : subjects) {
      if (!Private(paths, s, owner)) {
        plan.refused = "other traffic crosses their links";
        continue;
      }
      const auto found = std::find_if(leaders.begin(), leaders.end(), [&](std::uint32_t leader) {
        return matcher.Replicas(paths.subjects()[leader], paths.subjects()[s]);
      });
      if (found != leaders.end()) {
        plan.leader[s] = *found;
        ++plan.folded;
        continue;
      }
      if (!leaders.empty() && plan.refused.empty())
        plan.refused = "their paths collide differently";
      if (leaders.size() < kMostLeaders) leaders.push_back(s);
    }
  }
  return plan;
}

}  // namespace weft
