// The way of every transfer: a list of links in which a link stands as often as
// one share of the transfer's rate crosses it.
//
// SimGrid's flows take a share of every link on their route; a link that stands
// in it twice gives two. That is enough to write weft's flows exactly:
//
//   edge of q QPs    one flow at the rate of a QP, on the QPs' paths one after
//                    the other; of its bytes, the q-th part
//   tight channel    one flow on the paths of all its edges, where an edge with
//                    b of the channel's largest bytes B and q of its most QPs Q
//                    stands b/B · Q/q times: a whole number, or it cannot be
//                    written (NeedsFractions())
//
// Where QPs are sprayed over n paths, all flows are at the rate of a path, an n-th of the QP's:
// a link stands as often as paths cross it, n times where all do.
//
// so that the level that max-min fairness makes equal is the rate of a QP in both.
//
// Shapes   W ways, H links of all ways.
// Cost     O(H).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "sim/flow/routes.h"
#include "sim/path_table.h"
#include "sim/schedule.h"
#include "sim/simgrid/operations.h"

namespace weft {

struct Way {
  std::uint32_t first_link = 0, link_count = 0;
  double parts = 1;  // the QPs, or paths, whose rate is the flow's: a transfer moves bytes / parts
  double cap_bps = 0;  // of the flow; 0: none
  bool bound = true;   // false: some QP has no path, nothing ever moves
};

class Ways {
 public:
  // Where the QPs run by `routes`, or as they are bound where that is null; rows are the same.
  // Requires: NeedsFractions() is false for every row that is tight; the policy is not adaptive,
  // nor spray where there are routes.
  Ways(const Schedule& schedule, const PathTable& paths, const std::vector<std::uint8_t>& tight,
       const Routes* routes = nullptr);

  std::span<const Way> all() const { return ways_; }
  std::span<const LinkId> links(const Way& way) const {
    return std::span(links_).subspan(way.first_link, way.link_count);
  }
  std::uint32_t RowOf(const Operations::Transfer& transfer) const;
  // What the flow of a transfer has to move.
  double Bytes(const Operations::Transfer& transfer) const;

 private:
  void AddQp(std::uint32_t qp, long times, Way& way);
  void AddLoose(std::uint32_t edge);
  void AddTight(std::uint32_t row, PathTable::Range edges, std::uint32_t& known);
  double EdgeBytes(std::uint32_t row, std::uint32_t edge) const;
  double LargestBytes(std::uint32_t row, PathTable::Range edges) const;

  const Schedule* schedule_;
  const PathTable* paths_;
  const Routes* routes_;  // null once built
  std::vector<Way> ways_;
  std::vector<LinkId> links_;
  std::vector<std::uint32_t> of_edge_, of_channel_;  // [E], [channels of all subjects]
  std::map<std::pair<std::uint32_t, std::uint16_t>, std::uint32_t> of_amounts_;  // row, channel
  double unit_ = 1;  // the paths of a QP
};

// Whether the operation, run tight, has a channel whose edges cannot be written
// with whole numbers.
bool NeedsFractions(const Program& program, const Op& op);

}  // namespace weft
