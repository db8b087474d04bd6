#include "topology/router.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/check.h"
#include "base/random.h"

namespace weft {
namespace {

constexpr std::uint32_t kNone = 0xffffffff;
constexpr std::uint32_t kAttached = 0xfffffffe;  // the destination is a neighbour
constexpr std::uint16_t kFirstUdpPort = 49152;   // dynamic ports, 49152 to 65535
constexpr std::uint32_t kUdpPorts = 16384;
constexpr std::size_t kMostWays = 1 << 16;  // GPUs times NICs of a host whose ways are kept

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

// StreamSeed with one id more, of what it gave for those before.
constexpr std::uint64_t NextSeed(std::uint64_t stream, std::uint64_t id) {
  return Mix64(stream + 0x9e3779b97f4a7c15ULL * (id + 1));
}
static_assert(NextSeed(StreamSeed(7, {1}), 5) == StreamSeed(7, {1, 5}));

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
        groups.push_back(router.nics_[router.NicNumber(link.to)].group);
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
  std::vector<std::int8_t> known;  // [S] 1 yes, -1 no, 0 not asked yet

  Alive(const Router& owner, VertexId dst, const LinkState& links)
      : router(owner),
        state(links),
        dst_nic(dst),
        known(owner.fabric_->vertex_count() - owner.first_switch_, 0) {}

  bool At(VertexId at) {
    std::int8_t& held = known[Index(at) - router.first_switch_];
    if (held == 0) held = Find(at) ? 1 : -1;
    return held == 1;
  }

  // The links by which switch `at` may forward, in next-hop order. Requires: At(at).
  void NextLinks(VertexId at, std::vector<LinkId>& links) {
    links.clear();
    const NextHops hops = router.HopsAt(at, dst_nic);
    if (hops.first == kAttached) return router.LastLinks(at, dst_nic, &state, links);
    for (std::uint32_t i = 0; i < hops.count; ++i) {
      const LinkId link = router.Hop(hops, i);
      if (state.up(link) && At(router.fabric_->link(link).to)) links.push_back(link);
    }
  }

 private:
  bool Find(VertexId at) {
    const NextHops hops = router.HopsAt(at, dst_nic);
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
    const NextHops hops = router.HopsAt(at, dst_nic);
    if (hops.first == kAttached) return router.LastLinks(at, dst_nic, nullptr, links);
    for (std::uint32_t i = 0; i < hops.count; ++i) links.push_back(router.Hop(hops, i));
  }
};

Router::Router(const Fabric& fabric, RoutingPolicy policy) : fabric_(&fabric), policy_(policy) {
  first_switch_ = fabric.vertex_count();
  while (first_switch_ > 0 &&
         fabric.vertex(VertexId{first_switch_ - 1}).kind == VertexKind::kSwitch)
    --first_switch_;
  PlanHosts();
  GroupNics();
  NumberNics();
  FindTiers();
  ListSwitches();
  FillRows(Classes(*this));
}

// Hosts are wired inside by their numbers of GPUs and NICs; where a NIC's links begin depends
// on the ports of those before it.
void Router::PlanHosts() {
  std::map<std::vector<std::uint32_t>, std::uint32_t> plan_of_key;
  std::vector<std::uint32_t> key;
  host_of_.reserve(first_switch_);
  hosts_.reserve(fabric_->host_count());
  const LinkState all_up(*fabric_);
  std::uint32_t nics = 0, ports = 0;
  for (std::uint32_t h = 0; h < fabric_->host_count(); ++h) {
    const Host& host = fabric_->host(HostId{h});
    key = {host.gpus, host.nvswitch != kNoVertex};
    for (std::uint32_t n = 0; n < host.nics; ++n)
      key.push_back(fabric_->PortCount(VertexId{Index(host.first_nic) + n}));
    const auto [at, is_new] =
        plan_of_key.emplace(key, static_cast<std::uint32_t>(plan_of_key.size()));
    hosts_.push_back({Index(host.first_gpu), Index(fabric_->first_link_from(host.first_gpu)), nics,
                      ports, at->second});
    host_of_.insert(host_of_.end(), host.gpus + std::size_t{host.nics} + key[1], h);
    if (is_new) AddPlan(HostId{h}, all_up);
    nics += host.nics;
    ports = std::accumulate(key.begin() + 2, key.end(), ports);
  }
  WEFT_CHECK(host_of_.size() == first_switch_);
  nics_.resize(nics);
}

void Router::AddPlan(HostId id, const LinkState& all_up) {
  const Host& host = fabric_->host(id);
  HostPlan plan;
  plan.gpus = host.gpus;
  plan.nics = host.nics;
  plan.first_nic = Index(host.first_nic) - Index(host.first_gpu);
  plan.has_nvswitch = host.nvswitch != kNoVertex;
  plan.own_nic = static_cast<std::uint32_t>(own_nic_.size());
  plan.port = static_cast<std::uint32_t>(port_.size());
  plans_.push_back(plan);
  port_.push_back(0);
  for (std::uint32_t n = 0; n < host.nics; ++n)
    port_.push_back(port_.back() + fabric_->PortCount(VertexId{Index(host.first_nic) + n}));
  if (host.nics == 0) return;
  for (std::uint32_t g = 0; g < host.gpus; ++g)
    own_nic_.push_back(Index(fabric_->NicOf(VertexId{Index(host.first_gpu) + g})) -
                       Index(host.first_nic));
  if (std::size_t{host.gpus} * host.nics > kMostWays) return;
  plans_.back().way = static_cast<std::uint32_t>(ways_.size());
  const std::uint32_t first_link = Index(fabric_->first_link_from(host.first_gpu));
  std::vector<LinkId> path;
  const auto add = [&](VertexId from, VertexId to) {
    path.clear();
    HostWay way{kNoWay, {}};
    if (HostPath(from, to, all_up, path) && path.size() <= way.link.size() &&
        std::all_of(path.begin(), path.end(),
                    [&](LinkId link) { return Index(link) - first_link <= 0xffff; })) {
      way.count = static_cast<std::uint16_t>(path.size());
      for (std::size_t i = 0; i < path.size(); ++i)
        way.link[i] = static_cast<std::uint16_t>(Index(path[i]) - first_link);
    }
    ways_.push_back(way);
  };
  for (std::uint32_t g = 0; g < host.gpus; ++g) {
    const VertexId gpu{Index(host.first_gpu) + g};
    for (std::uint32_t n = 0; n < host.nics; ++n) {
      const VertexId nic{Index(host.first_nic) + n};
      add(gpu, nic);
      add(nic, gpu);
    }
  }
}

void Router::NumberNics() {
  std::vector<std::uint32_t> by_group(nics_.size());
  std::iota(by_group.begin(), by_group.end(), 0u);
  std::stable_sort(by_group.begin(), by_group.end(), [&](std::uint32_t a, std::uint32_t b) {
    return nics_[a].group < nics_[b].group;
  });
  for (std::uint32_t i = 0; i < by_group.size(); ++i) nics_[by_group[i]].leaf = i;
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
  std::vector<std::uint32_t> key;
  for (std::uint32_t h = 0, row = 0; h < fabric_->host_count(); ++h) {
    const Host& host = fabric_->host(HostId{h});
    for (std::uint32_t n = 0; n < host.nics; ++n, ++row) {
      const VertexId nic{Index(host.first_nic) + n};
      key.clear();
      std::uint32_t l = Index(fabric_->first_link_from(nic));
      for (const Link& link : fabric_->links_from(nic)) {
        const LinkId up{l++};
        if (link.link_class != LinkClass::kNetwork) continue;
        ports_.push_back({link.to, up, link.reverse, link.number});
        key.push_back(Index(link.to));
      }
      key.erase(std::unique(key.begin(), key.end()), key.end());
      nics_[row].group =
          group_of_key.emplace(key, static_cast<std::uint32_t>(group_of_key.size())).first->second;
    }
  }
  group_count_ = static_cast<std::uint32_t>(group_of_key.size());
}

void Router::ListSwitches() {
  const std::uint32_t switches = fabric_->vertex_count() - first_switch_;
  first_onto_ = fabric_->link_count();
  if (switches == 0) return;
  first_onto_ = Index(fabric_->first_link_from(VertexId{first_switch_}));
  onto_.reserve(fabric_->link_count() - first_onto_);
  for (const Link& link : fabric_->links().subspan(first_onto_))
    onto_.push_back({link.to, link.reverse});
  const bool by_port =
      policy_.core_hash == CoreHash::kPerPort && policy_.policy != PathPolicy::kStatic;
  switches_.resize(switches);
  for (std::uint32_t s = 0; s < switches; ++s) {
    const VertexId at{first_switch_ + s};
    switches_[s].first_link = Index(fabric_->first_link_from(at));
    switches_[s].tier = fabric_->vertex(at).tier;
    switches_[s].hashes_by_port = by_port && switches_[s].tier == core_tier_;
  }
}

void Router::FillRows(const Classes& classes) {
  pattern_.assign(classes.members.size() * group_count_, 0);
  // Key: a class and the classes it forwards to; value: which of the class's sets that is.
  std::map<std::vector<std::uint32_t>, std::uint32_t> known;
  std::vector<std::vector<std::uint32_t>> sets(classes.members.size());
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
      std::uint32_t& set = pattern_[std::size_t{c} * group_count_ + group];
      set = kAttached;
      if (distance[c] == 0) continue;
      auto found = known.find(next);
      if (found == known.end()) {
        sets[c].push_back(AddRows(classes, c, next));
        found = known.emplace(next, static_cast<std::uint32_t>(sets[c].size())).first;
      }
      set = found->second;
    }
  }
  ShareRows(classes, sets);
}

// From one pattern a class to one for all that are equal, and from rows as they were found,
// `sets` [C] by class, to rows by switch.
void Router::ShareRows(const Classes& classes,
                       const std::vector<std::vector<std::uint32_t>>& sets) {
  std::unordered_multimap<std::uint64_t, std::uint32_t> shared;  // by hash
  const auto row = [&](std::uint32_t of) {
    return pattern_.begin() + static_cast<std::ptrdiff_t>(std::size_t{of} * group_count_);
  };
  std::uint32_t patterns = 0;
  for (std::uint32_t c = 0; c < classes.members.size(); ++c) {
    // Who stands beside the destination is told by the NIC's ports, so its entry is free to be
    // what makes patterns equal.
    std::replace(row(c), row(c + 1), kAttached, sets[c].empty() ? 0u : 1u);
    const std::uint64_t hash = std::accumulate(row(c), row(c + 1), std::uint64_t{0}, NextSeed);
    const auto [first, last] = shared.equal_range(hash);
    const auto same = std::find_if(first, last, [&](const auto& held) {
      return std::equal(row(c), row(c + 1), row(held.second));
    });
    const std::uint32_t at = same != last ? same->second : patterns;
    if (same == last) {
      std::copy(row(c), row(c + 1), row(patterns));
      shared.emplace(hash, patterns++);
    }
    for (const std::uint32_t s : classes.members[c]) switches_[s].pattern = at;
  }
  pattern_.resize(std::size_t{patterns} * group_count_);
  pattern_.shrink_to_fit();

  std::vector<NextHops> rows;
  rows.reserve(rows_.size() + switches_.size());
  std::vector<std::uint32_t> met(classes.members.size(), 0);
  for (std::uint32_t s = 0; s < switches_.size(); ++s) {
    const std::uint32_t c = classes.class_of[s], member = met[c]++;
    switches_[s].first_row = static_cast<std::uint32_t>(rows.size());
    rows.emplace_back();
    for (const std::uint32_t first : sets[c]) rows.push_back(rows_[first + member]);
  }
  rows_ = std::move(rows);
}

// `next` is the class itself, then the classes that it forwards to. Returns the row of the
// class's first member; the others follow.
std::uint32_t Router::AddRows(const Classes& classes, std::uint32_t of,
                              const std::vector<std::uint32_t>& next) {
  std::vector<std::uint32_t> towards;  // switches, ascending
  for (auto c = next.begin() + 1; c != next.end(); ++c)
    towards.insert(towards.end(), classes.members[*c].begin(), classes.members[*c].end());
  std::sort(towards.begin(), towards.end());
  const auto first = static_cast<std::uint32_t>(rows_.size());
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
    hops.to = OntoBy(links[0]).to;
    hops.stride = links.size() > 1 ? Index(OntoBy(links[1]).to) - Index(hops.to) : 0;
    for (std::uint32_t i = 1; i < count; ++i)
      if (Index(OntoBy(links[i]).to) != Index(hops.to) + i * hops.stride) hops.stride = kUneven;
    rows_.push_back(hops);
  }
  return first;
}

Router::NextHops Router::HopsAt(VertexId at, VertexId dst_nic) const {
  NextHops attached;
  attached.first = kAttached;
  for (const NicPort& port : PortsOf(dst_nic))
    if (port.tor == at) return attached;
  const SwitchRow& row = SwitchAt(at);
  return rows_[row.first_row +
               pattern_[std::size_t{row.pattern} * group_count_ + nics_[NicNumber(dst_nic)].group]];
}

std::uint64_t Router::SeedStream(HashSeed seed) const {
  const auto base = static_cast<std::uint64_t>(seed);
  switch (policy_.seed_scope) {
    case SeedScope::kSwitch:
      return StreamSeed(base, {kSwitchStream});
    case SeedScope::kTier:
      return StreamSeed(base, {kTierStream});
    case SeedScope::kSame:
      break;
  }
  return StreamSeed(base, {kSameStream});
}

std::uint64_t Router::SwitchSeed(VertexId at, std::uint64_t seeds) const {
  if (policy_.seed_scope == SeedScope::kSame) return seeds;
  return NextSeed(seeds, policy_.seed_scope == SeedScope::kTier ? SwitchAt(at).tier : Index(at));
}

VertexId Router::NicAt(VertexId gpu_or_nic) const {
  WEFT_CHECK(!IsSwitch(gpu_or_nic));
  const HostRow& host = HostOf(gpu_or_nic);
  const HostPlan& plan = plans_[host.plan];
  const std::uint32_t row = Index(gpu_or_nic) - host.first_vertex;
  if (row >= plan.first_nic) return gpu_or_nic;
  WEFT_CHECK(row < plan.gpus);
  if (plan.nics == 0) return kNoVertex;
  return VertexId{host.first_vertex + plan.first_nic + own_nic_[plan.own_nic + row]};
}

bool Router::InsideHost(VertexId src, VertexId dst) const {
  if (IsSwitch(src) || IsSwitch(dst)) return src == dst;
  if (host_of_[Index(src)] != host_of_[Index(dst)]) return false;
  const Vertex &from = fabric_->vertex(src), &to = fabric_->vertex(dst);
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
  if (own == kNoVertex || far == kNoVertex || own == src) return own;
  const HostRow &host = HostOf(src), &far_host = HostOf(far);
  const HostPlan& plan = plans_[host.plan];
  const std::uint32_t rail = Index(far) - far_host.first_vertex - plans_[far_host.plan].first_nic;
  if (!plan.has_nvswitch || rail >= plan.nics) return own;
  return VertexId{host.first_vertex + plan.first_nic + rail};
}

Router::HostWay Router::WayInside(VertexId src, VertexId dst) const {
  const HostRow& host = HostOf(src);
  const HostPlan& plan = plans_[host.plan];
  if (plan.way == kNoWays) return {kNoWay, {}};
  const std::uint32_t from = Index(src) - host.first_vertex, to = Index(dst) - host.first_vertex;
  const auto row = [&](std::uint32_t gpu, std::uint32_t nic) {
    return plan.way + (std::size_t{gpu} * plan.nics + (nic - plan.first_nic)) * 2;
  };
  if (from < plan.gpus && to >= plan.first_nic) return ways_[row(from, to)];
  if (to < plan.gpus && from >= plan.first_nic) return ways_[row(to, from) + 1];
  return {kNoWay, {}};
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

// HostPath from a GPU to a NIC of its host or back, mostly looked up.
bool Router::AttachedPath(VertexId src, VertexId dst, const LinkState& state,
                          std::vector<LinkId>& path) const {
  if (src == dst) return true;
  const HostWay way = WayInside(src, dst);
  if (way.count == kNoWay) return HostPath(src, dst, state, path);
  const std::uint32_t first_link = HostOf(src).first_link;
  for (std::uint16_t i = 0; i < way.count; ++i) {
    const LinkId link{first_link + way.link[i]};
    if (!state.all_up() && !state.up(link)) return false;
    path.push_back(link);
  }
  return true;
}

void Router::LastLinks(VertexId at, VertexId dst_nic, const LinkState* state,
                       std::vector<LinkId>& links) const {
  for (const NicPort& port : PortsOf(dst_nic))
    if (port.tor == at && (state == nullptr || state->up(port.down))) links.push_back(port.down);
}

std::uint64_t Router::TupleHash(const FlowKey& key, VertexId src_nic, VertexId dst_nic) const {
  const bool with_qp = policy_.policy == PathPolicy::kEecmp;
  if (policy_.hash == HashKind::kMix)
    return MixTuple(src_nic, dst_nic, key.entropy, with_qp ? key.qp : 0);
  return HashTuple(policy_.hash, {Address(src_nic), Address(dst_nic), key.entropy}, with_qp,
                   key.qp);
}

std::size_t Router::PortIn(VertexId at, LinkId in) const {
  const LinkId back = Index(in) < first_onto_ ? fabric_->link(in).reverse : OntoBy(in).reverse;
  return Index(back) - SwitchAt(at).first_link;
}

std::size_t Router::Choose(VertexId at, LinkId in, LinkId first, const Choice& choice,
                           std::size_t count) const {
  if (count == 1) return 0;
  if (SwitchAt(at).hashes_by_port) return PortIn(at, in) % count;
  if (policy_.policy != PathPolicy::kStatic)
    return ChooseByHash(policy_.hash, choice.tuple, SwitchSeed(at, choice.seeds), count);
  // The cable between two tiers is chosen by one digit of the number, both ways.
  const VertexId to = fabric_->link(first).to;
  const std::uint8_t tier =
      IsSwitch(to) ? std::min(fabric_->vertex(at).tier, fabric_->vertex(to).tier) : std::uint8_t{1};
  const auto row =
      static_cast<std::size_t>(nics_[NicNumber(choice.dst_nic)].leaf / divisor_[tier] % count);
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
  const std::uint32_t group = nics_[NicNumber(choice.dst_nic)].group;
  const std::span<const NicPort> ports = PortsOf(choice.dst_nic);
  const auto to_nic = [&](const NicPort& port) { return port.tor == at; };
  auto port = std::find_if(ports.begin(), ports.end(), to_nic);
  while (port == ports.end()) {
    const SwitchRow& row = SwitchAt(at);
    const NextHops hops =
        rows_[row.first_row + pattern_[std::size_t{row.pattern} * group_count_ + group]];
    if (hops.count == 0) return false;
    const std::size_t taken = Choose(at, path.back(), Hop(hops, 0), choice, hops.count);
    path.push_back(Hop(hops, taken));
    at = HopTo(hops, taken);
    port = std::find_if(ports.begin(), ports.end(), to_nic);
  }
  // Links to one switch are neighbours.
  const auto count = static_cast<std::size_t>(std::count_if(port, ports.end(), to_nic));
  const std::size_t taken = Choose(at, path.back(), port->down, choice, count);
  path.push_back(port[static_cast<std::ptrdiff_t>(taken)].down);
  return true;
}

bool Router::FollowSurvivors(VertexId at, const Choice& choice, const LinkState& state,
                             std::vector<LinkId>& path) const {
  Onward onward(*this, at, choice.dst_nic, state);
  std::vector<LinkId> links;
  while (at != choice.dst_nic) {
    onward.NextLinks(at, links);
    if (links.empty()) return false;
    std::size_t taken = 0;
    if (SwitchAt(at).hashes_by_port) {
      // The port of all links up, while it survives; else the hash of the 5-tuple.
      const NextHops hops = HopsAt(at, choice.dst_nic);
      const auto port = hops.first == kAttached || hops.count == 0
                            ? links.end()
                            : std::find(links.begin(), links.end(),
                                        Hop(hops, PortIn(at, path.back()) % hops.count));
      taken = port != links.end() ? static_cast<std::size_t>(port - links.begin())
                                  : ChooseByHash(policy_.hash, choice.tuple,
                                                 SwitchSeed(at, choice.seeds), links.size());
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
  const auto ports = PortsOf(src_nic);
  const auto port = std::find_if(ports.begin(), ports.end(),
                                 [&](const NicPort& held) { return held.number == key.host_port; });
  if (port == ports.end()) return false;  // a NIC may have no cable
  if (!state.all_up() && !state.up(port->up)) return false;
  path.push_back(port->up);
  const Choice choice{dst_nic, TupleHash(key, src_nic, dst_nic), SeedStream(seed)};
  return state.all_up() ? FollowRows(port->tor, choice, path)
                        : FollowSurvivors(port->tor, choice, state, path);
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
           AttachedPath(key.src, src_nic, state, path) &&
           NetworkPath(key, src_nic, dst_nic, seed, state, path) &&
           AttachedPath(dst_nic, key.dst, state, path);
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
  const NextHops hops = HopsAt(at, dst_nic);
  return hops.first == kAttached ? 0 : hops.count;
}

}  // namespace weft
