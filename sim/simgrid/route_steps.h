// What faults do to paths, worked out before a run: it follows from their times and the policy
// alone, not from the traffic.
//
// Routes (sim/flow/routes.h) says what each event does, what the network does `detect` later and
// the senders `move` after that; here these steps stand in order of time, each with the ways of
// all transfers from then on, and the QPs whose fate it was, to be counted if they are in flight.
//
// Shapes   as many steps as events, detections and moves; the ways of each that changes any.
// Cost     O(steps x hops of all QPs), for programs that SimGrid can run at all.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sim/simgrid/ways.h"
#include "sim/simulation.h"

namespace weft {

struct RouteStep {
  struct Fate {
    std::uint32_t qp = 0, event = 0;  // the event that it is counted under
    std::uint32_t FaultEffect::*field = nullptr;
  };
  // Of a QP that has no path.
  struct Broken {
    std::uint32_t by = Routes::kNoEvent;  // the event; kNoEvent: it has a path, or never had one
    bool stalled = false;                 // nobody looks for another before a repair
  };
  SimTime at{};
  std::vector<std::pair<LinkId, double>> capacity_bps;  // of links that are up and changed
  std::vector<Fate> fates;
  std::shared_ptr<const Ways> ways;                   // from then on
  std::shared_ptr<const std::vector<Broken>> broken;  // [Q]
};

// In order of time; the first stands for the start, with nothing but its ways.
std::vector<RouteStep> PlanRouteSteps(const SimulationInput& input, const Schedule& schedule,
                                      const PathTable& paths,
                                      const std::vector<std::uint8_t>& tight);

}  // namespace weft
