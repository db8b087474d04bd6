// Runs operations to their end on SimGrid's max-min solver, in this process.
//
// SimGrid is the clock and the network: links with their capacity and no latency,
// one communication a transfer along its way, one timer for every wait. The model
// is CM02 [CM02] without its bandwidth factor, its weights by latency and its
// window, so that only max-min fairness is left of it. Nothing here polls: what
// SimGrid calls when a communication ends starts the next.
//
// A module of its own, libweft_simgrid.so: SimGrid and the libraries that it brings take longer to
// load than weft takes to answer most questions, so only who asks for this engine loads them. What
// it needs of weft it finds in the program that loads it.
//
// A process may do this once: SimGrid's engine is a singleton. SimgridSimulation
// does it in a process of its own.
//
// Units    seconds and 2^-20 bytes inside SimGrid, whose payloads are whole 64-bit numbers: larger
//          parts of a byte where a transfer would have more than 2^62 of these; times leave it
//          rounded to the nearest picosecond.
// Errors   what SimGrid throws or aborts on is on standard error, and the process ends. What is
//          later than kSimgridSeconds is no error here: the last record says so.
// Cost     the platform has the links in use and 1 + sqrt(ways) hosts.
#pragma once

#include <functional>
#include <vector>

#include "sim/simgrid/operations.h"
#include "sim/simgrid/route_steps.h"

namespace weft {

// Faults: at the time of a step links get their new bandwidth; a transfer whose way changes is
// cancelled in SimGrid and begun anew on the other with what is left of it, or held where there is
// none, until a later step gives it one or `retry_timeout` ends its operation.

// Beyond it a double's last bit is more than the 1 ps within which SimGrid takes two instants for
// one.
constexpr double kSimgridSeconds = 4096;

// What is run. Requires: `steps` is PlanRouteSteps'; capacity_bps is [L].
struct SolverInput {
  const PathTable* paths = nullptr;
  std::vector<RouteStep> steps;
  std::vector<double> capacity_bps;
  double largest_bytes = 0;     // of a transfer, or more
  SimDuration retry_timeout{};  // zero: never
};

// Calls `record` with whatever is over, in order of time, and with one record
// kFinished at the end, or where its clock ends; where there are steps after the first, with
// kCredit for what crossed links, too.
extern "C" void WeftRunOnSimgrid(Operations& operations, const SolverInput& input,
                                 const std::function<void(const OperationRecord&)>& record);
// Of the SimGrid that the module was built with: 3032 for 3.32.
extern "C" int WeftSimgridVersion();

}  // namespace weft
