// Paths through a fabric, as its switches would choose them.
//
// Every switch forwards to a next hop on a shortest path to the destination's
// NIC, chosen by "hash mod n" over its candidates sorted by (neighbour id, link
// number); the hash is a strong mix of the flow's 5-tuple and the switch's own
// seed. Two QPs of one NIC pair differ in their UDP source port alone. Planes
// are isolated where the fabric is: a QP that leaves by port 1 stays in plane 1.
// Shortest is fewest hops, a dragonfly's global cables counted three times: so
// its ways are minimal, with one of them at most [KDSA08 §4].
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
//          of classes, by cost; one row of next hops for each (switch, group), rows
//          that are equal stored once.
// Errors   none: a pair without a path is data (Path returns false).
// Cost     building O(A·(S + links between classes)); Path O(hops) while all
//          links are up. Where some are down, O(links on the pair's shortest
//          ways) while one of those survives, since no distance on it changes
//          then; else O(links): the distances are found anew.
// Departs  HPN's cores hash by ingress port first [QXC+24 §7]; here a core is
//          like any switch.
// Repeats  pure: same key, seed and state, same path, on every thread.
#pragma once

#include <cstdint>
#include <vector>

#include "topology/fabric.h"

namespace weft {

enum class HashSeed : std::uint64_t {};

enum class SeedScope : std::uint8_t { kSwitch, kTier, kSame };  // who shares a hash seed
enum class HostPortRule : std::uint8_t { kByQp, kHash };
enum class UdpPortRule : std::uint8_t { kRandom, kSequential };

struct RoutingPolicy {
  SeedScope seed_scope = SeedScope::kSwitch;
  HostPortRule host_port = HostPortRule::kByQp;
  UdpPortRule udp_port = UdpPortRule::kRandom;
};

struct FlowKey {
  VertexId src = kNoVertex, dst = kNoVertex;  // GPUs or NICs; inside a host also its NVSwitch
  std::uint8_t host_port = 0;                 // of the source NIC
  std::uint16_t entropy = 0;                  // UDP source port
  std::uint8_t traffic_class = 0;
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

  // All shortest paths by any port, at most `limit` of them in next-hop order:
  // for engines that spray or adapt.
  PathSet Candidates(VertexId src, VertexId dst, const LinkState& state,
                     std::uint32_t limit = 256) const;

  // The NIC by which traffic from `src` to `dst` leaves; kNoVertex inside a host.
  VertexId SourceNic(VertexId src, VertexId dst) const;

  // The host port of a QP: by its number among the QPs of its NIC, or by hash of
  // the 5-tuple under the host's own seed, as the policy says.
  std::uint8_t HostPort(const FlowKey& key, HashSeed seed, std::uint32_t qp_of_nic) const;

  // The UDP source port of QP `qp_of_nic` of a NIC. Random: drawn from (seed,
  // NIC, number). Sequential: 49152 + number, as a driver that counts would.
  std::uint16_t UdpPort(VertexId nic, HashSeed seed, std::uint32_t qp_of_nic) const;

 private:
  // Next hops of a switch mostly are neighbouring rows of its links: then no list is kept.
  struct NextHops {
    std::uint32_t first = 0;  // a LinkId; or, `listed`, a row of hop_
    std::uint32_t count : 31 = 0;
    std::uint32_t listed : 1 = 0;
  };
  struct Classes;  // the graph of classes; in router.cc
  struct Walk;     // distances to one destination under faults; in router.cc
  struct Alive;    // which switches keep their distance under faults; in router.cc

  void GroupNics();
  void FillRows(const Classes& classes);
  std::vector<std::uint32_t> AddRows(const Classes& classes, std::uint32_t of,
                                     const std::vector<std::uint32_t>& next);
  NextHops HopsAt(VertexId at, std::uint32_t group) const;
  LinkId Hop(NextHops hops, std::size_t i) const {
    const auto row = hops.first + static_cast<std::uint32_t>(i);
    return hops.listed != 0 ? hop_[row] : LinkId{row};
  }
  VertexId NetworkNic(VertexId src, VertexId dst) const;  // SourceNic of two hosts
  std::uint64_t SwitchSeed(VertexId at, HashSeed seed) const;
  bool IsSwitch(VertexId id) const { return Index(id) >= first_switch_; }

  // The NIC of `gpu_or_nic` towards the network.
  VertexId NicAt(VertexId gpu_or_nic) const;
  bool InsideHost(VertexId src, VertexId dst) const;
  // Appends the way between two vertices of one host; false where a link is down or missing.
  bool HostPath(VertexId src, VertexId dst, const LinkState& state,
                std::vector<LinkId>& path) const;
  bool NetworkPath(const FlowKey& key, VertexId src_nic, VertexId dst_nic, HashSeed seed,
                   const LinkState& state, std::vector<LinkId>& path) const;
  // The rest of a path from switch `at`, with all links up and with some down.
  bool FollowRows(VertexId at, VertexId dst_nic, std::uint64_t tuple, HashSeed seed,
                  std::vector<LinkId>& path) const;
  bool FollowSurvivors(VertexId at, VertexId dst_nic, std::uint64_t tuple, HashSeed seed,
                       const LinkState& state, std::vector<LinkId>& path) const;
  // Appends the links from `at` to `dst_nic`, of `state` those that are up.
  void LastLinks(VertexId at, VertexId dst_nic, const LinkState* state,
                 std::vector<LinkId>& links) const;
  std::size_t Choose(VertexId at, std::uint64_t tuple, HashSeed seed, std::size_t count) const;

  const Fabric* fabric_;
  RoutingPolicy policy_;
  std::uint32_t first_switch_ = 0;       // switches are the last rows of the fabric
  std::vector<std::uint32_t> group_of_;  // [V before the switches]; NICs alone have one
  std::vector<std::uint32_t> row_;       // [S·A] -> row in rows_
  std::vector<NextHops> rows_;           // distinct next-hop sets; row 0 empty
  std::vector<LinkId> hop_;
  std::uint32_t group_count_ = 0;
};

}  // namespace weft
