// Paths through a fabric, as its switches would choose them.
//
// Every switch forwards to a next hop on a shortest path to the destination's
// NIC, one of its candidates sorted by (neighbour id, link number). Planes are
// isolated where the fabric is: a QP that leaves by port 1 stays in plane 1.
//
//   ecmp, disjoint, spray   "hash mod n" of the 5-tuple with the switch's own
//             seed (topology/hash.h). Two QPs of one NIC pair differ in their UDP
//             source port alone; disjoint searches for it (topology/port_search.h)
//   eecmp     the destination QP is hashed too [GMZ+24 §5]
//   static    by destination alone: next hop (d / k) mod n, where d numbers NICs
//             ToR by ToR and k is the product of the parents in the tiers below
//             the cable, as InfiniBand's d-mod-k does [Zah10]
//   adaptive  every switch splits what it gets over all candidates (Split)
//
// Cores that hash by port send what enters by port j to a pod by the same one of
// its ports, j mod n, whatever the 5-tuple; only where that port is down or leads
// nowhere do they hash [QXC+24 §7]. They are the switches of the top tier of three
// or more.
//
// Shortest is fewest hops, a dragonfly's global cables counted three times: so its
// ways are minimal, with one of them at most [KDSA08 §4].
//
// From a GPU, the path leaves by the NIC on the destination's rail: NVLink to
// that rail's GPU where the source is another (NCCL's PXN [NCCL 2.28.9
// src/graph/paths.cc]), or the GPU's own NIC where the host has no NVSwitch or
// no NIC of that number. Inside a host the path is the NVSwitch; where there is
// none, the NIC that both GPUs hang from, else the network. Traffic inside a
// segment turns at its ToR, since that is shortest.
//
// Shapes   A attachment groups (NICs cabled to the same set of switches), S
//          switches, C classes (switches with the same neighbours and groups:
//          the Aggs of a plane, the spines). Distances are found on the graph
//          of classes, by cost. A switch has one row for each distinct set of next
//          hops; which of them a group takes is a pattern [A] that switches share
//          where they tell the groups apart alike: all ToRs, the Aggs of a plane in
//          a pod, the cores.
// Errors   none: a pair without a path is data (Path returns false).
// Cost     building O(A·(C + links between classes)); Path O(hops) while all
//          links are up, over tables some tens of bytes a NIC and switch link. Where some are down,
//          O(links on the pair's shortest ways) while one of those survives, since no distance on
//          it changes then; else O(links): the distances are found anew.
// Departs  Split is an ideal: real switches choose packet by packet, by queues. A
//          split in proportion to line rates is what they come to where all
//          traffic is adaptive and the fabric symmetric; it neither avoids a link
//          that other traffic fills nor one that a fault slows down.
// Repeats  pure: same key, seed and state, same path, on every thread.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "topology/fabric.h"
#include "topology/hash.h"

namespace weft {

enum class HashSeed : std::uint64_t {};

enum class PathPolicy : std::uint8_t { kEcmp, kEecmp, kDisjoint, kSpray, kAdaptive, kStatic };

enum class SeedScope : std::uint8_t { kSwitch, kTier, kSame };  // who shares a hash seed
enum class HostPortRule : std::uint8_t { kByQp, kHash };
enum class UdpPortRule : std::uint8_t { kRandom, kSequential, kPerPair };
enum class CoreHash : std::uint8_t { kFiveTuple, kPerPort };

struct RoutingPolicy {
  SeedScope seed_scope = SeedScope::kSwitch;
  HostPortRule host_port = HostPortRule::kByQp;
  UdpPortRule udp_port = UdpPortRule::kRandom;
  PathPolicy policy = PathPolicy::kEcmp;
  HashKind hash = HashKind::kMix;
  CoreHash core_hash = CoreHash::kFiveTuple;
  std::uint32_t spray_paths = 128;  // of a QP, under kSpray; duplicates count twice

  // Whether a QP runs over several paths at once.
  bool splits() const {
    return policy == PathPolicy::kAdaptive || (policy == PathPolicy::kSpray && spray_paths > 1);
  }
};

struct FlowKey {
  // GPUs or NICs; inside a host also its NVSwitch; a switch, where cables join the two ends or
  // their GPU's own NIC: what a network that reduces sends. Nothing is hashed then: of the cables
  // that are up number `entropy` is taken, modulo their count.
  VertexId src = kNoVertex, dst = kNoVertex;
  std::uint8_t host_port = 0;  // of the source NIC
  std::uint16_t entropy = 0;   // UDP source port
  std::uint8_t traffic_class = 0;
  std::uint32_t qp = 0;  // destination QP, 24 bits; hashed by kEecmp alone
};

// The links of a split flow, each once, and the share of its bytes on each. A link comes after
// all those that lead to where it leaves.
struct SplitPath {
  std::vector<LinkId> links;
  std::vector<double> shares;
};

// Every shortest path of a pair, one after the other.
struct PathSet {
  std::vector<LinkId> hop;
  std::vector<std::uint32_t> first_hop{0};  // [paths + 1]
  std::size_t path_count() const { return first_hop.size() - 1; }
};

class Router {
 public:
  // Requires: `fabric` outlives the router.
  Router(const Fabric& fabric, RoutingPolicy policy);

  const Fabric& fabric() const { return *fabric_; }
  const RoutingPolicy& policy() const { return policy_; }

  // The links from `key.src` to `key.dst` replace what `path` held; false, and
  // an empty path, where the surviving links do not connect them by that host
  // port. With links down a switch hashes over what is left of its next hops.
  bool Path(const FlowKey& key, HashSeed seed, const LinkState& state,
            std::vector<LinkId>& path) const;

  // The links that carry a flow whose switches split it over all their shortest next hops, in
  // proportion to the links' line rates; false, and nothing, where there is no path by that host
  // port. Inside a host nothing is split.
  bool Split(const FlowKey& key, const LinkState& state, SplitPath& split) const;

  // All shortest paths by any port, at most `limit` of them in next-hop order:
  // for engines that spray or adapt.
  PathSet Candidates(VertexId src, VertexId dst, const LinkState& state,
                     std::uint32_t limit = 256) const;

  // The NIC by which traffic from `src` to `dst` leaves; kNoVertex inside a host.
  VertexId SourceNic(VertexId src, VertexId dst) const;

  // The host port of a QP: by its number among the QPs of its NIC, or by hash of
  // the 5-tuple under the host's own seed, as the policy says.
  std::uint8_t HostPort(const FlowKey& key, HashSeed seed, std::uint32_t qp_of_nic) const;

  // The UDP source port of QP `qp_of_nic` of a NIC, from 49152. Random: drawn from (seed, NIC,
  // number). Sequential: 49152 + number, as a driver that counts would. Per pair: drawn from
  // (seed, source, destination), one for all QPs between two NICs. `attempt` counts the draws
  // of a search.
  std::uint16_t UdpPort(VertexId src_nic, VertexId dst_nic, HashSeed seed, std::uint32_t qp_of_nic,
                        std::uint32_t attempt = 0) const;

  // The key of QP `qp_of_nic` of the source's NIC: its port, UDP port and destination QP, drawn
  // from (seed, NIC, number). Inside a host only the ends are set.
  FlowKey QpKey(VertexId src, VertexId dst, HashSeed seed, std::uint32_t qp_of_nic) const;

  // How many next hops switch `at` has towards `dst_nic` with all links up; 0 where they are
  // neighbours, or nothing leads there.
  std::size_t NextHopCount(VertexId at, VertexId dst_nic) const;

  // The NIC's IPv4 address: 10.0.0.0 and on, in order of ids.
  std::uint32_t Address(VertexId nic) const { return 0x0a000000u + NicNumber(nic); }

  // Whether the fabric has cores: a tier of switches above two others.
  bool has_cores() const { return core_tier_ != 0; }

 private:
  // Next hops of a switch mostly are neighbouring rows of its links, to neighbours that are
  // evenly spaced: then no list is kept, and no link is asked where it leads.
  struct NextHops {
    std::uint32_t first = 0;  // a LinkId; or, `listed`, a row of hop_
    std::uint32_t count : 31 = 0;
    std::uint32_t listed : 1 = 0;
    VertexId to = kNoVertex;   // where the first leads
    std::uint32_t stride = 0;  // from one to the next; kUneven: see onto_
  };
  static constexpr std::uint32_t kUneven = 0xffffffff;
  struct Classes;  // the graph of classes; in router_tables.cc
  struct Walk;     // distances to one destination under faults; in router.cc
  struct Alive;    // which switches keep their distance under faults; in router.cc
  struct Onward;   // the next hops of a switch in any state of the links; in router.cc
  struct NicRow {
    std::uint32_t group = 0;
    std::uint32_t leaf = 0;  // its number, ToR by ToR
  };
  struct NicPort {
    VertexId tor = kNoVertex;
    LinkId up = kNoLink, down = kNoLink;
    std::uint32_t number = 0;
  };
  // Where a host stands in the fabric; its vertices, links and NICs are contiguous.
  struct HostRow {
    std::uint32_t first_vertex = 0, first_link = 0;
    std::uint32_t first_nic = 0, first_port = 0;  // rows of nics_, ports_
    std::uint32_t plan = 0;
  };
  static constexpr std::uint32_t kNoWays = 0xffffffff;  // more GPUs than are worth a table
  // What hosts that are wired alike inside share; vertices and links count from the host's first.
  struct HostPlan {
    std::uint32_t gpus = 0, first_nic = 0, nics = 0;
    std::uint32_t own_nic = 0;    // row in own_nic_, by GPU
    std::uint32_t port = 0;       // row in port_, by NIC, and one more
    std::uint32_t way = kNoWays;  // row in ways_, by (GPU, NIC, out or in)
    bool has_nvswitch = false;
  };
  struct HostWay {
    std::uint16_t count = 0;  // kNoWay: HostPath finds it link by link
    std::array<std::uint16_t, 3> link{};
  };
  static constexpr std::uint16_t kNoWay = 0xffff;
  struct SwitchRow {
    std::uint32_t pattern = 0;    // row in pattern_, by group
    std::uint32_t first_row = 0;  // row in rows_
    std::uint32_t first_link = 0;
    std::uint8_t tier = 0;
    bool hashes_by_port = false;
  };
  // What a path asks of a link that leaves a switch.
  struct Onto {
    VertexId to = kNoVertex;
    LinkId reverse = kNoLink;
  };
  // What choices on the way of one flow depend on.
  struct Choice {
    VertexId dst_nic = kNoVertex;
    std::uint64_t tuple = 0;  // its hash
    std::uint64_t seeds = 0;  // the stream of the switches' seeds
  };

  void GroupNics();
  void NumberNics();
  void FindTiers();
  void ListSwitches();
  void PlanHosts();
  void AddPlan(HostId id, const LinkState& all_up);
  void FillRows(const Classes& classes);
  std::uint32_t AddRows(const Classes& classes, std::uint32_t of,
                        const std::vector<std::uint32_t>& next);
  void ShareRows(const Classes& classes, const std::vector<std::vector<std::uint32_t>>& sets);
  NextHops HopsAt(VertexId at, VertexId dst_nic) const;
  LinkId Hop(NextHops hops, std::size_t i) const {
    const auto row = hops.first + static_cast<std::uint32_t>(i);
    return hops.listed != 0 ? hop_[row] : LinkId{row};
  }
  VertexId HopTo(NextHops hops, std::size_t i) const {
    if (hops.stride == kUneven) return OntoBy(Hop(hops, i)).to;
    return VertexId{Index(hops.to) + static_cast<std::uint32_t>(i) * hops.stride};
  }
  VertexId NetworkNic(VertexId src, VertexId dst) const;  // SourceNic of two hosts
  std::uint64_t SeedStream(HashSeed seed) const;
  std::uint64_t SwitchSeed(VertexId at, std::uint64_t seeds) const;
  bool IsSwitch(VertexId id) const { return Index(id) >= first_switch_; }
  const SwitchRow& SwitchAt(VertexId id) const { return switches_[Index(id) - first_switch_]; }
  Onto OntoBy(LinkId from_switch) const { return onto_[Index(from_switch) - first_onto_]; }
  // Requires: `id` is no switch.
  const HostRow& HostOf(VertexId id) const { return hosts_[host_of_[Index(id)]]; }
  std::uint32_t NicNumber(VertexId nic) const {
    const HostRow& host = HostOf(nic);
    return host.first_nic + (Index(nic) - host.first_vertex - plans_[host.plan].first_nic);
  }
  std::span<const NicPort> PortsOf(VertexId nic) const {
    const HostRow& host = HostOf(nic);
    const HostPlan& plan = plans_[host.plan];
    const std::uint32_t row = plan.port + (Index(nic) - host.first_vertex - plan.first_nic);
    return {ports_.data() + host.first_port + port_[row], port_[row + 1] - port_[row]};
  }

  // The NIC of `gpu_or_nic` towards the network.
  VertexId NicAt(VertexId gpu_or_nic) const;
  bool InsideHost(VertexId src, VertexId dst) const;
  // Appends the way between two vertices of one host, or to or from a switch beside it; false where
  // a link is down or missing.
  bool HostPath(VertexId src, VertexId dst, const LinkState& state, std::vector<LinkId>& path,
                std::uint32_t lane = 0) const;
  LinkId LinkOfLane(VertexId from, VertexId to, std::uint32_t lane, const LinkState& state) const;
  // The way from a GPU to a NIC of its host or back, where the plan has it.
  HostWay WayInside(VertexId src, VertexId dst) const;
  bool AttachedPath(VertexId src, VertexId dst, const LinkState& state,
                    std::vector<LinkId>& path) const;
  bool NetworkPath(const FlowKey& key, VertexId src_nic, VertexId dst_nic, HashSeed seed,
                   const LinkState& state, std::vector<LinkId>& path) const;
  // The rest of a path from switch `at`, with all links up and with some down.
  bool FollowRows(VertexId at, const Choice& choice, std::vector<LinkId>& path) const;
  bool FollowSurvivors(VertexId at, const Choice& choice, const LinkState& state,
                       std::vector<LinkId>& path) const;
  void SplitNetwork(VertexId at, VertexId dst_nic, const LinkState& state, SplitPath& split) const;
  // Appends the links from `at` to `dst_nic`, of `state` those that are up.
  void LastLinks(VertexId at, VertexId dst_nic, const LinkState* state,
                 std::vector<LinkId>& links) const;
  // The row of `count` next hops that switch `at` takes; `in`: the link by which it was reached,
  // `first`: the first of the next hops.
  std::size_t Choose(VertexId at, LinkId in, LinkId first, const Choice& choice,
                     std::size_t count) const;
  // The number of the port by which `in` enters switch `at`.
  std::size_t PortIn(VertexId at, LinkId in) const;
  std::uint64_t TupleHash(const FlowKey& key, VertexId src_nic, VertexId dst_nic) const;

  const Fabric* fabric_;
  RoutingPolicy policy_;
  std::uint32_t first_switch_ = 0;      // switches are the last rows of the fabric
  std::vector<std::uint32_t> host_of_;  // [V before the switches] row in hosts_
  std::vector<HostRow> hosts_;          // [H]
  std::vector<HostPlan> plans_;
  std::vector<std::uint32_t> own_nic_;  // [GPUs of a plan] by plan: number of a NIC of the host
  std::vector<HostWay> ways_;           // [GPUs, NICs, 2] by plan
  std::vector<std::uint32_t> port_;     // [NICs + 1 of a plan] by plan: first of a NIC's ports
  std::vector<NicRow> nics_;            // [NICs] in order of ids
  std::vector<NicPort> ports_;          // in order of links
  std::vector<std::uint64_t> divisor_;  // [tiers + 1] static: parents below, multiplied
  std::uint8_t core_tier_ = 0;          // 0: there is none
  std::vector<SwitchRow> switches_;     // [S]
  std::uint32_t first_onto_ = 0;        // the first link that leaves a switch
  std::vector<Onto> onto_;              // [links that leave switches]
  std::vector<std::uint32_t> pattern_;  // [A] by pattern: which of a switch's rows, by group
  std::vector<NextHops> rows_;          // by switch; its row 0 is empty
  std::vector<LinkId> hop_;
  std::uint32_t group_count_ = 0;
};

}  // namespace weft
