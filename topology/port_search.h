// A host's search for UDP source ports by which its QPs take disjoint paths.
//
// A host that knows the switches' hashes can compute where a source port leads
// [ZZH+21], and tries ports until the path shares no link between switches with
// those of the NIC's earlier QPs [QXC+24 App. B]. Where a NIC has more QPs on a
// host port than there are ways out of its ToR, it looks for the least loaded:
// QPs / ways, rounded down, is as few as can be. It gives up after kTriesPerWay
// tries a way and takes the best seen.
//
// What it knows are its own QPs: others meet them on the way down all the same.
//
// Cost     one Router::Path a try: in HPN, where the ToR alone chooses, as many as
//          it takes to draw a free one of 60; in three tiers the product of the
//          choices is the space, and links are shared in the middle too.
// Repeats  the ports tried follow from the seed and the QP's number.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "topology/router.h"

namespace weft {

// A way missed in this many tries a way is one in e^32.
inline constexpr std::size_t kTriesPerWay = 32;

// Whether both ends of a link are switches: where paths of hosts may differ and meet.
bool BetweenSwitches(const Fabric& fabric, LinkId link);

struct SearchWork {
  std::uint64_t qps = 0;     // that were placed
  std::uint64_t tried = 0;   // paths computed for them
  std::uint64_t shared = 0;  // QPs that share links more than they need, no better having come up
};

class PortSearch {
 public:
  // Requires: the router outlives the search.
  explicit PortSearch(const Router& router) : router_(&router) {}

  // Finds the UDP source port of QP `qp_of_nic`, whose key is otherwise complete, and its path
  // with all links up; false, and an empty path, where there is none by its host port.
  bool Place(FlowKey& key, HashSeed seed, std::uint32_t qp_of_nic, const LinkState& all_up,
             std::vector<LinkId>& path);
  // Forgets all QPs.
  void Clear();

  const SearchWork& work() const { return work_; }

 private:
  // How many of the NIC's QPs are on the path's fullest link between switches.
  std::uint32_t Load(VertexId nic, const std::vector<LinkId>& path) const;

  const Router* router_;
  SearchWork work_;
  std::unordered_map<std::uint64_t, std::uint32_t> on_link_;  // (NIC, link)
  std::unordered_map<std::uint64_t, std::uint32_t> on_port_;  // (NIC, its port's link)
  std::vector<LinkId> trial_;
};

}  // namespace weft
