#include "topology/router.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "base/check.h"
#include "base/random.h"
#include "topology/router_internal.h"

namespace weft {
namespace {

constexpr std::uint16_t kFirstUdpPort = 49152;  // dynamic ports, 49152 to 65535
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

}  // namespace

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
  if (IsSwitch(src) || IsSwitch(dst)) return true;  // one cable: nothing to choose
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

// Of the parallel links that are up the one by `lane`; none where none is.
LinkId Router::LinkOfLane(VertexId from, VertexId to, std::uint32_t lane,
                          const LinkState& state) const {
  const LinkId first = fabric_->FindLink(from, to);
  // Asking for one link's state is a walk to memory that a whole fabric can be spared.
  if (first == kNoLink || (lane == 0 && state.all_up())) return first;
  const std::uint32_t end = Index(fabric_->first_link_from(from)) +
                            static_cast<std::uint32_t>(fabric_->links_from(from).size());
  std::vector<LinkId> up;
  for (std::uint32_t l = Index(first); l < end && fabric_->link(LinkId{l}).to == to; ++l)
    if (state.up(LinkId{l})) up.push_back(LinkId{l});
  return up.empty() ? kNoLink : up[lane % up.size()];
}

bool Router::HostPath(VertexId src, VertexId dst, const LinkState& state, std::vector<LinkId>& path,
                      std::uint32_t lane) const {
  if (src == dst) return true;
  const auto step = [&](VertexId from, VertexId to) {
    const bool inside = !IsSwitch(from) && !IsSwitch(to);
    const LinkId link = LinkOfLane(from, to, inside ? 0 : lane, state);
    if (link == kNoLink) return false;
    path.push_back(link);
    return true;
  };
  if (fabric_->FindLink(src, dst) != kNoLink) return step(src, dst);
  if (IsSwitch(src) || IsSwitch(dst)) {
    const VertexId end = IsSwitch(src) ? dst : src;
    const VertexId nic = IsSwitch(end) ? kNoVertex : NicAt(end);
    if (nic == kNoVertex || nic == end) return false;
    return IsSwitch(src) ? step(src, nic) && HostPath(nic, dst, state, path)
                         : HostPath(src, nic, state, path) && step(nic, dst);
  }
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
    if (InsideHost(key.src, key.dst))
      return rest(HostPath(key.src, key.dst, state, split.links, key.entropy));
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
    if (InsideHost(key.src, key.dst)) return HostPath(key.src, key.dst, state, path, key.entropy);
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
