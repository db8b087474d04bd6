#include "topology/router.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/random.h"

namespace weft {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;
constexpr std::uint32_t kAttached = 0xfffffffe;  // in row_: the destination is a neighbour
constexpr std::uint16_t kFirstUdpPort = 49152;   // dynamic ports, 49152 to 65535
constexpr std::uint32_t kUdpPorts = 16384;

// Tells the random streams apart.
enum Stream : std::uint64_t {
  kSwitchStream = 1,
  kTierStream,
  kSameStream,
  kHostStream,
  kUdpStream,
  kPairStream,
  kQpStream
};

// Of the ids, source port and QP; the destination port and protocol are RoCEv2's for all.
std::uint64_t MixTuple(VertexId src_nic, VertexId dst_nic, std::uint16_t entropy,
                       std::uint32_t qp) {
  const std::uint64_t pair = (std::uint64_t{Index(src_nic)} << 32) | Index(dst_nic);
  return Mix64(Mix64(pair + 0x9e3779b97f4a7c15ULL) + entropy + (std::uint64_t{qp} << 16));
}

// Rows in the order of their distance, for costs of 1 to 7 (Dial's buckets); a row may be
// added again when it is found nearer.
class Nearest {
 public:
  void Clear() {
    for (auto& bucket : ring_) bucket.clear();
    at_ = 0;
    next_ = left_ = 0;
  }
  void Add(std::uint32_t row, std::uint32_t distance) {
    ring_[distance % kRing].push_back(row);
    ++left_;
  }
  // The next row and its distance when it was added; false where none is left.
  bool Take(std::uint32_t& row, std::uint32_t& distance) {
    if (left_ == 0) return false;
    while (next_ == ring_[at_ % kRing].size()) {
      ring_[at_++ % kRing].clear();
      next_ = 0;
    }
    row = ring_[at_ % kRing][next_++];
    distance = at_;
    --left_;
    return true;
  }

 private:
  static constexpr std::uint32_t kRing = 8;
  std::array<std::vector<std::uint32_t>, kRing> ring_;
  std::uint32_t at_ = 0;
  std::size_t next_ = 0, left_ = 0;
};

}  // namespace

// Switches with the same neighbours and the same attached groups are at the same
// distance from everything, so distances are found between classes of them.
struct Router::Classes {
  std::vector<std::uint32_t> class_of;              // [S]
  std::vector<std::vector<std::uint32_t>> members;  // [C] switch rows, ascending
  struct Neighbour {
    std::uint32_t of, cost;
    auto operator<=>(const Neighbour&) const = default;
  };
  std::vector<std::vector<Neighbour>> neighbour;     // [C] by class, ascending
  std::vector<std::vector<std::uint32_t>> at_group;  // [A] classes attached to the group

  Classes(const Router& router);
};

Router::Classes::Classes(const Router& router) {
  const Fabric& fabric = *router.fabric_;
  const std::uint32_t first = router.first_switch_, switches = fabric.vertex_count() - first;
  std::map<std::vector<std::uint32_t>, std::uint32_t> class_of_key;
  std::vector<std::vector<std::uint32_t>> groups_of_class;
  class_of.resize(switches);
  for (std::uint32_t s = 0; s < switches; ++s) {
    std::vector<std::uint32_t> groups, key;
    for (const Link& link : fabric.links_from(VertexId{first + s})) {
      if (router.IsSwitch(link.to))
        key.push_back(Index(link.to) * 8 + link.cost);  // ten million vertices at most
      else
        groups.push_back(router.group_of_[Index(link.to)]);
    }
    std::sort(groups.begin(), groups.end());
    groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
    key.erase(std::unique(key.begin(), key.end()), key.end());  // links come sorted
    key.push_back(kNone);
    key.insert(key.end(), groups.begin(), groups.end());
    const auto [at, is_new] =
        class_of_key.emplace(std::move(key), static_cast<std::uint32_t>(members.size()));
    if (is_new) {
      members.emplace_back();
      groups_of_class.push_back(std::move(groups));
    }
    class_of[s] = at->second;
    members[at->second].push_back(s);
  }
  neighbour.resize(members.size());
  at_group.resize(router.group_count_);
  for (std::uint32_t c = 0; c < members.size(); ++c) {
    for (const Link& link : fabric.links_from(VertexId{first + members[c][0]}))
      if (router.IsSwitch(link.to))
        neighbour[c].push_back({class_of[Index(link.to) - first], link.cost});
    std::sort(neighbour[c].begin(), neighbour[c].end());
    const auto same = [](Neighbour a, Neighbour b) { return a.of == b.of; };
    neighbour[c].erase(std::unique(neighbour[c].begin(), neighbour[c].end(), same),
                       neighbour[c].end());
    for (const std::uint32_t group : groups_of_class[c]) at_group[group].push_back(c);
  }
}

// Distances to one NIC over the links that are up, found backwards from it as far as
// `until` if that is a switch: whatever lies on a shortest way from there is nearer.
struct Router::Walk {
  const Router& router;
  const LinkState& state;
  VertexId dst_nic;
  std::vector<std::uint32_t> distance;  // [S] to a switch that reaches the NIC directly

  Walk(const Router& owner, VertexId dst, VertexId until, const LinkState& links)
      : router(owner),
        state(links),
        dst_nic(dst),
        distance(owner.fabric_->vertex_count() - owner.first_switch_, kNone) {
    const Fabric& fabric = *router.fabric_;
    const std::uint32_t first = router.first_switch_;
    Nearest queue;
    const auto reach = [&](const Link& link, std::uint32_t hops) {
      // `link` leads away from the destination: traffic takes its reverse.
      if (!router.IsSwitch(link.to) || !state.up(link.reverse)) return;
      std::uint32_t& held = distance[Index(link.to) - first];
      if (held <= hops) return;
      held = hops;
      queue.Add(Index(link.to), hops);
    };
    for (const Link& link : fabric.links_from(dst_nic)) reach(link, 0);
    for (std::uint32_t v = 0, hops = 0; queue.Take(v, hops);) {
      const VertexId at{v};
      if (distance[v - first] != hops) continue;
      if (at == until) return;
      for (const Link& link : fabric.links_from(at)) reach(link, hops + link.cost);
    }
  }

  // The links by which switch `at` may forward, in next-hop order.
  void NextLinks(VertexId at, std::vector<LinkId>& links) const {
    links.clear();
    const Fabric& fabric = *router.fabric_;
    const std::uint32_t hops = distance[Index(at) - router.first_switch_];
    if (hops == kNone) return;
    if (hops == 0) {
      router.LastLinks(at, dst_nic, &state, links);
      return;
    }
    const std::uint32_t first = Index(fabric.first_link_from(at));
    const auto out = fabric.links_from(at);
    for (std::uint32_t i = 0; i < out.size(); ++i)
      if (router.IsSwitch(out[i].to) && state.up(LinkId{first + i}) && hops >= out[i].cost &&
          distance[Index(out[i].to) - router.first_switch_] == hops - out[i].cost)
        links.push_back(LinkId{first + i});
  }
};

// Which switches still reach a NIC in as many hops as with all links up. Removing links
// never shortens a way, so a switch that does has the next hops of its row, less those by
// links that are down or to switches that do not.
struct Router::Alive {
  const Router& router;
  const LinkState& state;
  VertexId dst_nic;
  std::uint32_t group;
  std::vector<std::int8_t> known;  // [S] 1 yes, -1 no, 0 not asked yet

  Alive(const Router& owner, VertexId dst, const LinkState& links)
      : router(owner),
        state(links),
        dst_nic(dst),
        group(owner.group_of_[Index(dst)]),
        known(owner.fabric_->vertex_count() - owner.first_switch_, 0) {}

  bool At(VertexId at) {
    std::int8_t& held = known[Index(at) - router.first_switch_];
    if (held == 0) held = Find(at) ? 1 : -1;
    return held == 1;
  }

  // The links by which switch `at` may forward, in next-hop order. Requires: At(at).
  void NextLinks(VertexId at, std::vector<LinkId>& links) {
    links.clear();
    const NextHops hops = router.HopsAt(at, group);
    if (hops.first == kAttached) return router.LastLinks(at, dst_nic, &state, links);
    for (std::uint32_t i = 0; i < hops.count; ++i) {
      const LinkId link = router.Hop(hops, i);
      if (state.up(link) && At(router.fabric_->link(link).to)) links.push_back(link);
    }
  }

 private:
  bool Find(VertexId at) {
    const NextHops hops = router.HopsAt(at, group);
    if (hops.first == kAttached) {
      for (const Link& link : router.fabric_->links_from(dst_nic))
        if (link.to == at && state.up(link.reverse)) return true;
      return false;
    }
    for (std::uint32_t i = 0; i < hops.count; ++i) {
      const LinkId link = router.Hop(hops, i);
      if (state.up(link) && At(router.fabric_->link(link).to)) return true;
    }
    return false;
  }
};

// The links by which a switch may forward, whatever is up: its row where all is, what is left
// of it where the start keeps its distance, else by distances found anew.
struct Router::Onward {
  const Router& router;
  VertexId dst_nic;
  std::optional<Alive> alive;
  std::optional<Walk> walk;

  Onward(const Router& owner, VertexId start, VertexId dst, const LinkState& state)
      : router(owner), dst_nic(dst) {
    if (state.all_up()) return;
    alive.emplace(owner, dst, state);
    if (alive->At(start)) return;
    alive.reset();
    walk.emplace(owner, dst, start, state);
  }

  void NextLinks(VertexId at, std::vector<LinkId>& links) {
    if (alive) return alive->NextLinks(at, links);
    if (walk) return walk->NextLinks(at, links);
    links.clear();
    const NextHops hops = router.HopsAt(at, router.group_of_[Index(dst_nic)]);
    if (hops.first == kAttached) return router.LastLinks(at, dst_nic, nullptr, links);
    for (std::uint32_t i = 0; i < hops.count; ++i) links.push_back(router.Hop(hops, i));
  }
};

Router::Router(const Fabric& fabric, RoutingPolicy policy) : fabric_(&fabric), policy_(policy) {
  first_switch_ = fabric.vertex_count();
  while (first_switch_ > 0 &&
         fabric.vertex(VertexId{first_switch_ - 1}).kind == VertexKind::kSwitch)
    --first_switch_;
  GroupNics();
  NumberNics();
  FindTiers();
  FillRows(Classes(*this));
}

void Router::NumberNics() {
  std::vector<std::uint32_t> nics;
  nic_number_.assign(first_switch_, kNone);
  leaf_number_.assign(first_switch_, kNone);
  for (std::uint32_t v = 0; v < first_switch_; ++v) {
    if (group_of_[v] == kNone) continue;
    nic_number_[v] = static_cast<std::uint32_t>(nics.size());
    nics.push_back(v);
  }
  std::stable_sort(nics.begin(), nics.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return group_of_[a] < group_of_[b]; });
  for (std::uint32_t i = 0; i < nics.size(); ++i) leaf_number_[nics[i]] = i;
}

void Router::FindTiers() {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32;  // beyond any NIC's number
  std::vector<std::uint64_t> uplinks(1, 1);                // [tiers + 1] most parents of a switch
  for (std::uint32_t v = first_switch_; v < fabric_->vertex_count(); ++v) {
    const std::uint8_t tier = fabric_->vertex(VertexId{v}).tier;
    std::uint64_t up = 0;  // parents: parallel cables to one lead to the same tier above
    VertexId before = kNoVertex;
    for (const Link& link : fabric_->links_from(VertexId{v})) {
      if (!IsSwitch(link.to) || fabric_->vertex(link.to).tier <= tier || link.to == before)
        continue;
      before = link.to;
      ++up;
    }
    if (uplinks.size() <= tier) uplinks.resize(tier + std::size_t{1}, 1);
    uplinks[tier] = std::max(uplinks[tier], up);
  }
  divisor_.assign(uplinks.size() + 1, 1);
  for (std::size_t t = 1; t < uplinks.size(); ++t)
    divisor_[t + 1] = std::min(kMost, divisor_[t] * uplinks[t]);
  if (uplinks.size() > 3) core_tier_ = static_cast<std::uint8_t>(uplinks.size() - 1);
}

void Router::GroupNics() {
  std::map<std::vector<std::uint32_t>, std::uint32_t> group_of_key;
  group_of_.assign(first_switch_, kNone);
  std::vector<std::uint32_t> key;
  for (std::uint32_t v = 0; v < first_switch_; ++v) {
    if (fabric_->vertex(VertexId{v}).kind != VertexKind::kNic) continue;
    key.clear();
    for (const Link& link : fabric_->links_from(VertexId{v}))
      if (link.link_class == LinkClass::kNetwork) key.push_back(Index(link.to));
    key.erase(std::unique(key.begin(), key.end()), key.end());
    group_of_[v] =
        group_of_key.emplace(key, static_cast<std::uint32_t>(group_of_key.size())).first->second;
  }
  group_count_ = static_cast<std::uint32_t>(group_of_key.size());
}

void Router::FillRows(const Classes& classes) {
  const std::uint32_t switches = fabric_->vertex_count() - first_switch_;
  row_.assign(std::size_t{switches} * group_count_, 0);
  rows_.assign(1, {});
  // Key: a class and the classes it forwards to; value: the row of each of its members.
  std::map<std::vector<std::uint32_t>, std::vector<std::uint32_t>> known;
  std::vector<std::uint32_t> distance(classes.members.size()), next;
  Nearest queue;
  for (std::uint32_t group = 0; group < group_count_; ++group) {
    std::fill(distance.begin(), distance.end(), kNone);
    queue.Clear();
    for (const std::uint32_t c : classes.at_group[group]) {
      distance[c] = 0;
      queue.Add(c, 0);
    }
    for (std::uint32_t c = 0, hops = 0; queue.Take(c, hops);) {
      if (distance[c] != hops) continue;
      next.assign(1, c);
      for (const auto [other, cost] : classes.neighbour[c]) {
        if (distance[other] > hops + cost) {
          distance[other] = hops + cost;
          queue.Add(other, hops + cost);
        } else if (distance[other] + cost == hops) {
          next.push_back(other);
        }
      }
      const auto at = [&](std::uint32_t s) -> std::uint32_t& {
        return row_[std::size_t{s} * group_count_ + group];
      };
      if (distance[c] == 0) {
        for (const std::uint32_t s : classes.members[c]) at(s) = kAttached;
        continue;
      }
      auto found = known.find(next);
      if (found == known.end()) found = known.emplace(next, AddRows(classes, c, next)).first;
      for (std::size_t i = 0; i < found->second.size(); ++i)
        at(classes.members[c][i]) = found->second[i];
    }
  }
}

// `next` is the class itself, then the classes that it forwards to.
std::vector<std::uint32_t> Router::AddRows(const Classes& classes, std::uint32_t of,
                                           const std::vector<std::uint32_t>& next) {
  std::vector<std::uint32_t> towards;  // switches, ascending
  for (auto c = next.begin() + 1; c != next.end(); ++c)
    towards.insert(towards.end(), classes.members[*c].begin(), classes.members[*c].end());
  std::sort(towards.begin(), towards.end());
  std::vector<std::uint32_t> rows;
  std::vector<LinkId> links;
  for (const std::uint32_t s : classes.members[of]) {
    const VertexId at{first_switch_ + s};
    links.clear();
    for (const std::uint32_t other : towards) {
      const VertexId to{first_switch_ + other};
      const LinkId link = fabric_->FindLink(at, to);
      WEFT_CHECK(link != kNoLink);  // what neighbours one of a class neighbours all of it
      for (std::uint32_t l = Index(link);
           l < fabric_->link_count() && fabric_->link(LinkId{l}).from == at &&
           fabric_->link(LinkId{l}).to == to;
           ++l)
        links.push_back(LinkId{l});
    }
    const auto count = static_cast<std::uint32_t>(links.size());
    const bool in_a_row = Index(links.back()) - Index(links.front()) + 1 == count;
    NextHops hops;
    hops.first = in_a_row ? Index(links.front()) : static_cast<std::uint32_t>(hop_.size());
    hops.count = count & 0x7fffffffu;
    hops.listed = in_a_row ? 0 : 1;
    if (!in_a_row) hop_.insert(hop_.end(), links.begin(), links.end());
    rows.push_back(static_cast<std::uint32_t>(rows_.size()));
    rows_.push_back(hops);
  }
  return rows;
}

Router::NextHops Router::HopsAt(VertexId at, std::uint32_t group) const {
  const std::size_t s = Index(at) - first_switch_;
  const std::uint32_t row = row_[s * group_count_ + group];
  NextHops attached;
  attached.first = kAttached;
  return row == kAttached ? attached : rows_[row];
}

std::uint64_t Router::SwitchSeed(VertexId at, HashSeed seed) const {
  const auto base = static_cast<std::uint64_t>(seed);
  switch (policy_.seed_scope) {
    case SeedScope::kSwitch:
      return StreamSeed(base, {kSwitchStream, Index(at)});
    case SeedScope::kTier:
      return StreamSeed(base, {kTierStream, fabric_->vertex(at).tier});
    case SeedScope::kSame:
      break;
  }
  return StreamSeed(base, {kSameStream});
}

VertexId Router::NicAt(VertexId gpu_or_nic) const {
  const Vertex& vertex = fabric_->vertex(gpu_or_nic);
  if (vertex.kind == VertexKind::kNic) return gpu_or_nic;
  WEFT_CHECK(vertex.kind == VertexKind::kGpu);
  return fabric_->host(vertex.host).nics == 0 ? kNoVertex : fabric_->NicOf(gpu_or_nic);
}

bool Router::InsideHost(VertexId src, VertexId dst) const {
  const Vertex &from = fabric_->vertex(src), &to = fabric_->vertex(dst);
  if (from.host != to.host) return false;
  if (src == dst || fabric_->host(from.host).nvswitch != kNoVertex)
    return src == dst || from.kind != VertexKind::kNic || to.kind != VertexKind::kNic;
  if (fabric_->FindLink(src, dst) != kNoLink) return true;
  return from.kind == VertexKind::kGpu && to.kind == VertexKind::kGpu && NicAt(src) == NicAt(dst) &&
         NicAt(src) != kNoVertex;
}

VertexId Router::SourceNic(VertexId src, VertexId dst) const {
  return InsideHost(src, dst) ? kNoVertex : NetworkNic(src, dst);
}

VertexId Router::NetworkNic(VertexId src, VertexId dst) const {
  const VertexId own = NicAt(src), far = NicAt(dst);
  if (own == kNoVertex || far == kNoVertex || fabric_->vertex(src).kind == VertexKind::kNic)
    return own;
  const Host& host = fabric_->host(fabric_->vertex(src).host);
  const std::uint32_t rail = fabric_->vertex(far).number;
  if (host.nvswitch == kNoVertex || rail >= host.nics) return own;
  return VertexId{Index(host.first_nic) + rail};
}

bool Router::HostPath(VertexId src, VertexId dst, const LinkState& state,
                      std::vector<LinkId>& path) const {
  if (src == dst) return true;
  const auto step = [&](VertexId from, VertexId to) {
    const LinkId link = fabric_->FindLink(from, to);
    // Asking for one link's state is a walk to memory that a whole fabric can be spared.
    if (link == kNoLink || (!state.all_up() && !state.up(link))) return false;
    path.push_back(link);
    return true;
  };
  if (fabric_->FindLink(src, dst) != kNoLink) return step(src, dst);
  const Vertex &from = fabric_->vertex(src), &to = fabric_->vertex(dst);
  const Host& host = fabric_->host(from.host);
  // A NIC is reached through a GPU that hangs from it.
  const auto gpu_of = [&](const Vertex& nic) {
    const std::uint32_t n = nic.number;
    const std::uint32_t round_up = host.gpus >= host.nics ? host.nics - 1u : 0u;
    return VertexId{Index(host.first_gpu) + (n * host.gpus + round_up) / host.nics};
  };
  if (from.kind == VertexKind::kNic) {
    const VertexId gpu = gpu_of(from);
    return step(src, gpu) && HostPath(gpu, dst, state, path);
  }
  if (to.kind == VertexKind::kNic) {
    const VertexId gpu = gpu_of(to);
    return HostPath(src, gpu, state, path) && step(gpu, dst);
  }
  const VertexId middle = host.nvswitch != kNoVertex ? host.nvswitch : NicAt(src);
  return middle != kNoVertex && step(src, middle) && step(middle, dst);
}

void Router::LastLinks(VertexId at, VertexId dst_nic, const LinkState* state,
                       std::vector<LinkId>& links) const {
  for (const Link& link : fabric_->links_from(dst_nic))
    if (link.to == at && (state == nullptr || state->up(link.reverse)))
      links.push_back(link.reverse);
}

std::uint64_t Router::TupleHash(const FlowKey& key, VertexId src_nic, VertexId dst_nic) const {
  const bool with_qp = policy_.policy == PathPolicy::kEecmp;
  if (policy_.hash == HashKind::kMix)
    return MixTuple(src_nic, dst_nic, key.entropy, with_qp ? key.qp : 0);
  return HashTuple(policy_.hash, {Address(src_nic), Address(dst_nic), key.entropy}, with_qp,
                   key.qp);
}

std::size_t Router::PortIn(LinkId in) const {
  const Link& link = fabric_->link(in);
  return Index(link.reverse) - Index(fabric_->first_link_from(link.to));
}

std::size_t Router::Choose(VertexId at, LinkId in, LinkId first, const Choice& choice,
                           std::size_t count) const {
  if (count == 1) return 0;
  if (HashesByPort(at)) return PortIn(in) % count;
  if (policy_.policy != PathPolicy::kStatic)
    return ChooseByHash(policy_.hash, choice.tuple, SwitchSeed(at, choice.seed), count);
  // The cable between two tiers is chosen by one digit of the number, both ways.
  const VertexId to = fabric_->link(first).to;
  const std::uint8_t tier =
      IsSwitch(to) ? std::min(fabric_->vertex(at).tier, fabric_->vertex(to).tier) : std::uint8_t{1};
  const auto row =
      static_cast<std::size_t>(leaf_number_[Index(choice.dst_nic)] / divisor_[tier] % count);
  std::size_t parallel = 1;
  while (parallel < count && Index(first) + parallel < fabric_->link_count() &&
         fabric_->link(LinkId{Index(first) + static_cast<std::uint32_t>(parallel)}).to == to)
    ++parallel;
  if (count % parallel != 0) return row;
  // The neighbour first, then which of the cables to it.
  const std::size_t neighbours = count / parallel;
  return row % neighbours * parallel + row / neighbours;
}

bool Router::FollowRows(VertexId at, const Choice& choice, std::vector<LinkId>& path) const {
  const std::uint32_t group = group_of_[Index(choice.dst_nic)];
  NextHops hops = HopsAt(at, group);
  while (hops.first != kAttached) {
    if (hops.count == 0) return false;
    const LinkId hop = Hop(hops, Choose(at, path.back(), Hop(hops, 0), choice, hops.count));
    path.push_back(hop);
    at = fabric_->link(hop).to;
    hops = HopsAt(at, group);
  }
  const LinkId in = path.back();
  const std::size_t first = path.size();
  LastLinks(at, choice.dst_nic, nullptr, path);
  path[first] = path[first + Choose(at, in, path[first], choice, path.size() - first)];
  path.resize(first + 1);
  return true;
}

bool Router::FollowSurvivors(VertexId at, const Choice& choice, const LinkState& state,
                             std::vector<LinkId>& path) const {
  Onward onward(*this, at, choice.dst_nic, state);
  const std::uint32_t group = group_of_[Index(choice.dst_nic)];
  std::vector<LinkId> links;
  while (at != choice.dst_nic) {
    onward.NextLinks(at, links);
    if (links.empty()) return false;
    std::size_t taken = 0;
    if (HashesByPort(at)) {
      // The port of all links up, while it survives; else the hash of the 5-tuple.
      const NextHops hops = HopsAt(at, group);
      const auto port =
          hops.first == kAttached || hops.count == 0
              ? links.end()
              : std::find(links.begin(), links.end(), Hop(hops, PortIn(path.back()) % hops.count));
      taken = port != links.end() ? static_cast<std::size_t>(port - links.begin())
                                  : ChooseByHash(policy_.hash, choice.tuple,
                                                 SwitchSeed(at, choice.seed), links.size());
    } else {
      taken = Choose(at, path.back(), links.front(), choice, links.size());
    }
    path.push_back(links[taken]);
    at = fabric_->link(path.back()).to;
  }
  return true;
}

bool Router::NetworkPath(const FlowKey& key, VertexId src_nic, VertexId dst_nic, HashSeed seed,
                         const LinkState& state, std::vector<LinkId>& path) const {
  const LinkId port = fabric_->PortLink(src_nic, key.host_port);
  if (port == kNoLink) return false;  // a NIC may have no cable
  if (!state.all_up() && !state.up(port)) return false;
  path.push_back(port);
  const VertexId at = fabric_->link(port).to;
  const Choice choice{dst_nic, TupleHash(key, src_nic, dst_nic), seed};
  return state.all_up() ? FollowRows(at, choice, path) : FollowSurvivors(at, choice, state, path);
}

// In order of distance from `at`: a switch has all its shares before it hands them on, also where
// ways of equal cost have unlike numbers of hops.
void Router::SplitNetwork(VertexId at, VertexId dst_nic, const LinkState& state,
                          SplitPath& split) const {
  Onward onward(*this, at, dst_nic, state);
  std::vector<double> share(fabric_->vertex_count() - first_switch_, 0.0);
  std::vector<LinkId> links;
  Nearest reached;
  reached.Add(Index(at) - first_switch_, 0);
  share[Index(at) - first_switch_] = 1;
  for (std::uint32_t row = 0, distance = 0; reached.Take(row, distance);) {
    onward.NextLinks(VertexId{first_switch_ + row}, links);
    double rates = 0;
    for (const LinkId link : links) rates += fabric_->link(link).rate.bits_per_second();
    for (const LinkId id : links) {
      const Link& link = fabric_->link(id);
      const double part = share[row] * (link.rate.bits_per_second() / rates);
      split.links.push_back(id);
      split.shares.push_back(part);
      if (!IsSwitch(link.to)) continue;
      double& held = share[Index(link.to) - first_switch_];
      if (held == 0) reached.Add(Index(link.to) - first_switch_, distance + link.cost);
      held += part;
    }
  }
}

bool Router::Split(const FlowKey& key, const LinkState& state, SplitPath& split) const {
  split.links.clear();
  split.shares.clear();
  const auto rest = [&](bool found) {
    split.shares.resize(split.links.size(), 1.0);
    return found;
  };
  const auto found = [&] {
    if (InsideHost(key.src, key.dst)) return rest(HostPath(key.src, key.dst, state, split.links));
    const VertexId src_nic = NetworkNic(key.src, key.dst), dst_nic = NicAt(key.dst);
    if (src_nic == kNoVertex || dst_nic == kNoVertex ||
        !HostPath(key.src, src_nic, state, split.links))
      return false;
    const LinkId port = fabric_->PortLink(src_nic, key.host_port);
    if (port == kNoLink || !state.up(port)) return false;
    split.links.push_back(port);
    const std::size_t before = split.links.size();
    rest(true);
    SplitNetwork(fabric_->link(port).to, dst_nic, state, split);
    return split.links.size() > before && rest(HostPath(dst_nic, key.dst, state, split.links));
  }();
  if (found) return true;
  split.links.clear();
  split.shares.clear();
  return false;
}

bool Router::Path(const FlowKey& key, HashSeed seed, const LinkState& state,
                  std::vector<LinkId>& path) const {
  path.clear();
  const auto found = [&] {
    if (InsideHost(key.src, key.dst)) return HostPath(key.src, key.dst, state, path);
    const VertexId src_nic = NetworkNic(key.src, key.dst), dst_nic = NicAt(key.dst);
    return src_nic != kNoVertex && dst_nic != kNoVertex &&
           HostPath(key.src, src_nic, state, path) &&
           NetworkPath(key, src_nic, dst_nic, seed, state, path) &&
           HostPath(dst_nic, key.dst, state, path);
  }();
  if (!found) path.clear();
  return found;
}

PathSet Router::Candidates(VertexId src, VertexId dst, const LinkState& state,
                           std::uint32_t limit) const {
  PathSet out;
  std::vector<LinkId> head, tail;
  const auto add = [&](const std::vector<LinkId>& middle) {
    for (const auto* part : {static_cast<const std::vector<LinkId>*>(&head), &middle,
                             static_cast<const std::vector<LinkId>*>(&tail)})
      out.hop.insert(out.hop.end(), part->begin(), part->end());
    out.first_hop.push_back(static_cast<std::uint32_t>(out.hop.size()));
  };
  if (InsideHost(src, dst)) {
    if (limit > 0 && HostPath(src, dst, state, head)) add({});
    return out;
  }
  const VertexId src_nic = NetworkNic(src, dst), dst_nic = NicAt(dst);
  if (src_nic == kNoVertex || dst_nic == kNoVertex || !HostPath(src, src_nic, state, head) ||
      !HostPath(dst_nic, dst, state, tail))
    return out;

  const Walk walk(*this, dst_nic, kNoVertex, state);
  const auto distance = [&](LinkId port) {
    return walk.distance[Index(fabric_->link(port).to) - first_switch_];
  };
  std::vector<LinkId> ports;
  std::uint32_t shortest = kNone;
  for (std::uint8_t p = 0; p < fabric_->PortCount(src_nic); ++p) {
    const LinkId port = fabric_->PortLink(src_nic, p);
    if (!state.up(port) || distance(port) > shortest) continue;
    if (distance(port) < shortest) ports.clear();
    shortest = distance(port);
    if (shortest != kNone) ports.push_back(port);
  }
  // Depth first over the next hops: `todo` holds the branches not yet taken, by depth.
  std::vector<std::pair<std::size_t, LinkId>> todo;
  for (std::size_t i = ports.size(); i > 0; --i) todo.push_back({0, ports[i - 1]});
  std::vector<LinkId> middle, links;
  while (!todo.empty() && out.path_count() < limit) {
    const auto [depth, link] = todo.back();
    todo.pop_back();
    middle.resize(depth);
    middle.push_back(link);
    const VertexId at = fabric_->link(link).to;
    if (at == dst_nic) {
      add(middle);
      continue;
    }
    walk.NextLinks(at, links);
    for (std::size_t i = links.size(); i > 0; --i) todo.push_back({depth + 1, links[i - 1]});
  }
  return out;
}

std::uint8_t Router::HostPort(const FlowKey& key, HashSeed seed, std::uint32_t qp_of_nic) const {
  const VertexId src_nic = SourceNic(key.src, key.dst);
  if (src_nic == kNoVertex) return 0;
  const std::uint32_t ports = fabric_->PortCount(src_nic);
  if (ports < 2) return 0;
  if (policy_.host_port == HostPortRule::kByQp) return static_cast<std::uint8_t>(qp_of_nic % ports);
  const std::uint64_t host_seed = StreamSeed(static_cast<std::uint64_t>(seed),
                                             {kHostStream, Index(fabric_->vertex(src_nic).host)});
  const std::uint64_t tuple = TupleHash(key, src_nic, NicAt(key.dst));
  return static_cast<std::uint8_t>(ChooseByHash(policy_.hash, tuple, host_seed, ports));
}

std::uint16_t Router::UdpPort(VertexId src_nic, VertexId dst_nic, HashSeed seed,
                              std::uint32_t qp_of_nic, std::uint32_t attempt) const {
  const auto base = static_cast<std::uint64_t>(seed);
  std::uint64_t drawn = std::uint64_t{qp_of_nic} + attempt;
  if (policy_.udp_port == UdpPortRule::kPerPair && attempt == 0)
    drawn = StreamSeed(base, {kPairStream, Index(src_nic), Index(dst_nic)});
  else if (policy_.udp_port != UdpPortRule::kSequential)
    drawn = attempt == 0 ? StreamSeed(base, {kUdpStream, Index(src_nic), qp_of_nic})
                         : StreamSeed(base, {kUdpStream, Index(src_nic), qp_of_nic, attempt});
  return static_cast<std::uint16_t>(kFirstUdpPort + drawn % kUdpPorts);
}

FlowKey Router::QpKey(VertexId src, VertexId dst, HashSeed seed, std::uint32_t qp_of_nic) const {
  FlowKey key{src, dst};
  const VertexId nic = SourceNic(src, dst);
  if (nic == kNoVertex) return key;
  key.entropy = UdpPort(nic, NicAt(dst), seed, qp_of_nic);
  key.qp = static_cast<std::uint32_t>(
      StreamSeed(static_cast<std::uint64_t>(seed), {kQpStream, Index(nic), qp_of_nic}) >> 40);
  key.host_port = HostPort(key, seed, qp_of_nic);
  return key;
}

std::size_t Router::NextHopCount(VertexId at, VertexId dst_nic) const {
  const NextHops hops = HopsAt(at, group_of_[Index(dst_nic)]);
  return hops.first == kAttached ? 0 : hops.count;
}

}  // namespace weft
