// Runs operations to their end on SimGrid's max-min solver, in this process.
//
// SimGrid is the clock and the network: links with their capacity and no latency,
// one communication a transfer along its way, one timer for every wait. The model
// is CM02 [CM02] without its bandwidth factor, its weights by latency and its
// window, so that only max-min fairness is left of it. Nothing here polls: what
// SimGrid calls when a communication ends starts the next.
//
// A process may do this once: SimGrid's engine is a singleton. SimgridSimulation
// does it in a process of its own.
//
// Units    seconds and 2^-20 bytes inside SimGrid, whose payloads are whole; times
//          leave it rounded to the nearest picosecond.
// Errors   what SimGrid throws or aborts on is on standard error, and the process ends.
// Cost     the platform has the links in use and 1 + sqrt(ways) hosts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/simgrid/operations.h"
#include "sim/simgrid/ways.h"

namespace weft {

// Calls `record` with whatever is over, in order of time, and with one record
// kFinished at the end. Requires: capacity_bps is [L].
void RunOnSimgrid(Operations& operations, const Ways& ways, const std::vector<double>& capacity_bps,
                  const std::function<void(const OperationRecord&)>& record);

// The version of SimGrid that weft was built with: "3.32".
std::string SimgridVersion();

}  // namespace weft
