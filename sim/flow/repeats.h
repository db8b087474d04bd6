// What need not be simulated because it was, or is being, simulated already.
//
// Folding    Two patterns are replicas where the bound paths of one map onto those of
//            the other, link by link, one to one, with equal capacities, latencies,
//            caps and feeds, and no other subject of the programs crosses a link of
//            either. Started in the same instant with equal bytes they do the same at
//            the same times, so one is simulated and the others follow it. That is
//            proved on the paths themselves: a hash that makes one replica collide
//            differently breaks the map, and the reason says so.
// Memoising  An operation that starts when nothing else is at work, and beside which
//            nothing else can start before it ends, takes as long as it did last time.
//
// Classes of a whole program (quotient.h) are tried first, and fold more. This folding is for what
// they refuse: several programs appended, jitter, ordered rounds, or traffic elsewhere that sets
// the rows of replicas apart, where patterns that start together are replicas all the same.
//
// Neither is used where an event may change a link (folding) or has changed one
// between (memoising).
//
// Cost     PlanFolding O(hops) for each pair of patterns compared; at most kMostLeaders
//          are compared with each.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/path_table.h"
#include "sim/simulation.h"

namespace weft {

inline constexpr std::size_t kMostLeaders = 4;  // of replicas with the same outline

struct FoldingPlan {
  // [subjects] the replica that is simulated in its place; itself: none.
  std::vector<std::uint32_t> leader;
  std::uint32_t folded = 0;  // subjects that follow another
  // Why patterns of the same outline were not folded; empty: all were, or there are none.
  std::string refused;
};

// Requires: `input` has no events.
FoldingPlan PlanFolding(const SimulationInput& input, const PathTable& paths);

// What one operation did, to be said again of another.
struct Recording {
  Tuning tuning;
  bool tight = false;
  std::int64_t amount = 0;
  std::uint64_t epoch = 0;  // how often links or paths had changed
  SimDuration duration{};
  LinkId bottleneck = kNoLink;
  std::vector<std::pair<std::uint16_t, SimDuration>> channel_ends;  // from the start
};

}  // namespace weft
