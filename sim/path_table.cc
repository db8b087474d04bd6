#include "sim/path_table.h"

#include <algorithm>
#include <unordered_map>

#include "base/check.h"

namespace weft {
namespace {

double TighterCap(BitRate a, BitRate b) {
  const double x = a.bits_per_second(), y = b.bits_per_second();
  if (x == 0 || y == 0) return std::max(x, y);
  return std::min(x, y);
}

}  // namespace

PathTable::PathTable(const Fabric& fabric, const Router& router, const Physics& physics,
                     HashSeed seed)
    : fabric_(&fabric),
      router_(&router),
      physics_(physics),
      seed_(seed),
      all_up_(fabric),
      qps_of_nic_(fabric.vertex_count(), 0),
      search_(router) {}

PathTable::PathTable(const PathTable& whole, const Program& program,
                     std::span<const MergedSubject> subjects, std::span<const MergedEdge> edges)
    : PathTable(*whole.fabric_, *whole.router_, whole.physics_, whole.seed_) {
  programs_.push_back({0, static_cast<std::uint32_t>(program.patterns.size())});
  for (const Pattern& pattern : program.patterns) AddPattern(pattern);
  for (const Send& send : program.sends) AddSend(send);
  WEFT_CHECK(subjects_.size() == subjects.size() && edges_.size() == edges.size());
  for (std::uint32_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    Subject& subject = subjects_[subject_row(0, op)];
    if (subject.first_row == kNoRow) subject.first_row = RowId{row};
  }
  for (std::uint32_t e = 0; e < edges_.size(); ++e) Merge(edges[e], whole, e);
}

// All hops on the first QP: its edge's QPs carry equal parts, paced by the slowest.
void PathTable::Merge(const MergedEdge& merged, const PathTable& whole, std::uint32_t row) {
  Edge& edge = edges_[row];
  edge.latency = whole.edges_[merged.of].latency;
  edge.path_bps = whole.edges_[merged.of].path_bps;
  edge.first_qp = static_cast<std::uint32_t>(qps_.size());
  for (std::uint32_t q = 0; q < edge.qps; ++q) {
    Qp qp = whole.qps_[whole.edges_[merged.of].first_qp];
    qp.edge = row;
    qp.first_hop = static_cast<std::uint32_t>(hops_.size());
    qp.hop_count = q == 0 ? static_cast<std::uint32_t>(merged.hops.size()) : 0;
    qps_.push_back(qp);
    for (std::uint32_t h = 0; h < qp.hop_count; ++h) {
      hops_.push_back(merged.hops[h].link);
      shares_.push_back(merged.hops[h].share);
    }
  }
}

bool PathTable::Append(const Program& program, std::uint32_t first_row,
                       const std::function<bool()>& stop) {
  const auto first = static_cast<std::uint32_t>(subjects_.size());
  programs_.push_back({first, first + static_cast<std::uint32_t>(program.patterns.size())});
  if (first == 0) Reserve(program);
  for (const Pattern& pattern : program.patterns) AddPattern(pattern);
  for (const Send& send : program.sends) AddSend(send);
  const auto index = static_cast<std::uint32_t>(programs_.size() - 1);
  for (std::uint32_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    Subject& subject = subjects_[subject_row(index, op)];
    if (subject.first_row != kNoRow) continue;
    subject.first_row = RowId{first_row + row};
    subject.traffic_class = op.traffic_class;
  }
  for (std::uint32_t row = first; row < subjects_.size(); ++row)
    if (!BindSubject(row, stop)) return false;
  return true;
}

// Tables that grow leave as much again behind.
void PathTable::Reserve(const Program& program) {
  std::size_t edges = program.sends.size(), channels = edges, qps = 0;
  for (const Pattern& pattern : program.patterns) {
    edges += pattern.edges.size();
    channels += pattern.channels;
    for (const weft::Edge& edge : pattern.edges) qps += edge.qps;
  }
  for (const Send& send : program.sends) qps += send.qps;
  subjects_.reserve(program.patterns.size() + program.sends.size());
  edges_.reserve(edges);
  step_.reserve(edges);
  channels_.reserve(channels);
  qps_.reserve(qps);
}

void PathTable::Rebind(HashSeed seed) {
  seed_ = seed;
  hops_.clear();
  shares_.clear();
  search_.Clear();
  std::fill(qps_of_nic_.begin(), qps_of_nic_.end(), 0u);
  for (std::uint32_t row = 0; row < subjects_.size(); ++row) BindSubject(row);
}

void PathTable::AddPattern(const Pattern& pattern) {
  Subject subject;
  subject.pattern = &pattern;
  subject.first_edge = static_cast<std::uint32_t>(edges_.size());
  subject.edge_count = static_cast<std::uint32_t>(pattern.edges.size());
  subject.first_channel = static_cast<std::uint32_t>(channels_.size());
  subject.channels = pattern.channels;
  channels_.resize(channels_.size() + pattern.channels);
  for (const weft::Edge& edge : pattern.edges) {
    Range& channel = channels_[subject.first_channel + edge.channel];
    if (channel.count++ == 0) channel.first = static_cast<std::uint32_t>(edges_.size());
    const EdgeClass& edge_class = pattern.classes[edge.edge_class];
    edges_.push_back({edge.from,
                      edge.to,
                      0,
                      edge.qps,
                      subject.first_channel + edge.channel,
                      {},
                      TighterCap(edge_class.cap, physics_.channel_cap),
                      0,
                      edge.lane});
    any_cap_ = any_cap_ || edges_.back().cap_bps > 0;
    step_.push_back(edge_class.step);
  }
  subjects_.push_back(subject);
}

void PathTable::AddSend(const Send& send) {
  Subject subject;
  subject.first_edge = static_cast<std::uint32_t>(edges_.size());
  subject.edge_count = 1;
  subject.first_channel = static_cast<std::uint32_t>(channels_.size());
  channels_.push_back({subject.first_edge, 1});
  edges_.push_back({send.from,
                    send.to,
                    0,
                    send.qps,
                    subject.first_channel,
                    {},
                    TighterCap(send.edge_class.cap, physics_.channel_cap),
                    0});
  any_cap_ = any_cap_ || edges_.back().cap_bps > 0;
  step_.push_back(send.edge_class.step);
  subjects_.push_back(subject);
}

// A link's, and a full packet received before it is sent on, at every hop but the last.
SimDuration PathTable::LatencyOf(LinkId id, bool last) const {
  const Link& link = fabric_->link(id);
  if (last || physics_.mtu.count() == 0) return link.latency;
  return link.latency + TransferTime(physics_.mtu, Capacity(link, physics_));
}

SimDuration PathTable::LatencyOf(std::span<const LinkId> path) const {
  SimDuration latency{};
  for (std::size_t i = 0; i < path.size(); ++i) latency += LatencyOf(path[i], i + 1 == path.size());
  return latency;
}

// The longest way over links of which each comes after those that lead to it.
SimDuration PathTable::LatencyOfSplit(std::span<const LinkId> links) const {
  std::unordered_map<std::uint32_t, SimDuration> reached;  // by vertex
  SimDuration latency{};
  const VertexId end = links.empty() ? kNoVertex : fabric_->link(links.back()).to;
  for (const LinkId link : links) {
    const VertexId to = fabric_->link(link).to;
    SimDuration& held = reached[Index(to)];
    held = std::max(held, reached[Index(fabric_->link(link).from)] + LatencyOf(link, to == end));
    latency = std::max(latency, held);
  }
  return latency;
}

bool PathTable::BindSubject(std::uint32_t row, const std::function<bool()>& stop) {
  const Subject& subject = subjects_[row];
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
    if (LookAt(e) && stop && stop()) return false;
    Edge& edge = edges_[e];
    const std::uint32_t known = edge.first_qp + edge.qps;  // bound before: rows are kept
    if (known > qps_.size() || qps_[edge.first_qp].edge != e) {
      edge.first_qp = static_cast<std::uint32_t>(qps_.size());
      qps_.resize(qps_.size() + edge.qps);
    }
    edge.latency = step_[e];
    edge.path_bps = 0;
    const VertexId nic = edge.from == edge.to ? kNoVertex : router_->SourceNic(edge.from, edge.to);
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      Qp& qp = qps_[q];
      if (nic == kNoVertex && q > edge.first_qp) {  // inside a host there is one path
        qp = qps_[q - 1];
        continue;
      }
      qp = {};
      qp.edge = e;
      qp.nic = nic;
      qp.traffic_class = subject.traffic_class;
      BindQp(qp);
      edge.latency = std::max(edge.latency, step_[e] + scratch_.latency);
      for (std::size_t h = 0; h < scratch_.links.size(); ++h) {
        double bps = Capacity(fabric_->link(scratch_.links[h]), physics_).bits_per_second();
        if (!scratch_.shares.empty()) bps /= scratch_.shares[h];
        edge.path_bps = edge.path_bps == 0 ? bps : std::min(edge.path_bps, bps);
      }
    }
  }
  return true;
}

// The route stays in scratch_.
void PathTable::BindQp(Qp& qp) {
  const Edge& edge = edges_[qp.edge];
  qp.first_hop = static_cast<std::uint32_t>(hops_.size());
  scratch_.links.clear();
  scratch_.shares.clear();
  scratch_.latency = {};
  if (edge.from == edge.to) {
    qp.bound = true;
    return;
  }
  const bool search = qp.nic != kNoVertex && policy().policy == PathPolicy::kDisjoint;
  if (qp.nic != kNoVertex) {
    qp.number = qps_of_nic_[Index(qp.nic)]++;
    const FlowKey key = router_->QpKey(edge.from, edge.to, seed_, qp.number);
    qp.entropy = key.entropy;
    qp.host_port = key.host_port;
  } else {
    qp.entropy = edge.lane;  // nothing is hashed
  }
  qp.bound = search ? Search(qp) : Route(qp, qp.host_port, all_up_, scratch_);
  qp.hop_count = static_cast<std::uint32_t>(scratch_.links.size());
  hops_.insert(hops_.end(), scratch_.links.begin(), scratch_.links.end());
  if (!policy().splits()) return;
  scratch_.shares.resize(scratch_.links.size(), 1.0);
  shares_.insert(shares_.end(), scratch_.shares.begin(), scratch_.shares.end());
}

bool PathTable::Search(Qp& qp) {
  const Edge& edge = edges_[qp.edge];
  FlowKey key = router_->QpKey(edge.from, edge.to, seed_, qp.number);
  const bool found = search_.Place(key, seed_, qp.number, all_up_, scratch_.links);
  qp.entropy = key.entropy;
  scratch_.latency = LatencyOf(scratch_.links);
  return found;
}

bool PathTable::Route(const Qp& qp, std::uint8_t host_port, const LinkState& state,
                      QpRoute& route) const {
  const Edge& edge = edges_[qp.edge];
  route.shares.clear();
  const bool inside = qp.nic == kNoVertex;
  if (!inside && policy().policy == PathPolicy::kSpray && policy().splits())
    return Spray(qp, state, route);
  FlowKey key{edge.from, edge.to, host_port, qp.entropy, qp.traffic_class};
  if (!inside && policy().policy == PathPolicy::kEecmp)
    key.qp = router_->QpKey(edge.from, edge.to, seed_, qp.number).qp;
  if (!inside && policy().policy == PathPolicy::kAdaptive) {
    SplitPath split;
    const bool found = router_->Split(key, state, split);
    route.links = std::move(split.links);
    route.shares = std::move(split.shares);
    route.latency = LatencyOfSplit(route.links);
    return found;
  }
  const bool found = router_->Path(key, seed_, state, route.links);
  route.latency = LatencyOf(route.links);
  return found;
}

bool PathTable::Spray(const Qp& qp, const LinkState& state, QpRoute& route) const {
  const Edge& edge = edges_[qp.edge];
  const std::uint32_t count = policy().spray_paths;
  std::vector<LinkId> path;
  std::uint32_t found = 0;
  route.links.clear();
  route.latency = {};
  for (std::uint32_t i = 0; i < count; ++i) {
    const FlowKey key = router_->QpKey(edge.from, edge.to, seed_, qp.number * count + i);
    if (!router_->Path(key, seed_, state, path)) continue;
    ++found;
    route.latency = std::max(route.latency, LatencyOf(path));
    route.links.insert(route.links.end(), path.begin(), path.end());
  }
  std::sort(route.links.begin(), route.links.end());
  std::size_t kept = 0;
  for (std::size_t i = 0, next = 0; i < route.links.size(); i = next) {
    while (next < route.links.size() && route.links[next] == route.links[i]) ++next;
    route.links[kept++] = route.links[i];
    route.shares.push_back(static_cast<double>(next - i) / found);
  }
  route.links.resize(kept);
  return found > 0;
}

std::vector<LinkUser> PathTable::UsersOf(LinkId link) const {
  std::vector<LinkUser> users;
  for (const Subject& subject : subjects_) {
    if (subject.first_row == kNoRow) continue;
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      for (std::uint32_t q = 0; q < edges_[e].qps; ++q) {
        const auto path = hops(qps_[edges_[e].first_qp + q]);
        if (std::find(path.begin(), path.end(), link) == path.end()) continue;
        users.push_back({subject.first_row, e - subject.first_edge, static_cast<std::uint8_t>(q)});
      }
  }
  std::sort(users.begin(), users.end(), [](const LinkUser& a, const LinkUser& b) {
    if (a.row != b.row) return a.row < b.row;
    return a.edge != b.edge ? a.edge < b.edge : a.qp < b.qp;
  });
  return users;
}

std::vector<std::uint32_t> PathTable::QpsByLink() const {
  std::vector<std::uint32_t> count(fabric_->link_count(), 0);
  for (const Subject& subject : subjects_) {
    if (subject.first_row == kNoRow) continue;
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      for (std::uint32_t q = 0; q < edges_[e].qps; ++q)
        for (const LinkId link : hops(qps_[edges_[e].first_qp + q])) ++count[Index(link)];
  }
  return count;
}

}  // namespace weft
