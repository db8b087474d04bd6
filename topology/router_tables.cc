// What a Router knows of its fabric before the first path: hosts, groups of NICs, and a row of
// next hops for every switch and group.
#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "base/check.h"
#include "topology/router.h"
#include "topology/router_internal.h"

namespace weft {
namespace {

constexpr std::size_t kMostWays = 1 << 16;  // GPUs times NICs of a host whose ways are kept

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

}  // namespace weft
