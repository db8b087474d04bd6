// Runs a prepared scenario over its hash seeds and sums up what came out.
//
// Each seed is a simulation of its own; seeds run beside each other on OpenMP
// threads and are summed up in seed order, so the report is the same for any
// number of threads. The seed of the lower-median makespan is shown in detail.
//
// Errors   what can be wrong with the input was found by Prepare(), but for what an engine finds
//          out as it runs: RunReport::refused.
// Cost     one engine run a seed, and one more for the details.
#pragma once

#include <functional>

#include "scenario/prepare.h"
#include "scenario/run_report.h"

namespace weft {

// What the caller lends: the library reads no clock and no signal itself.
struct RunControl {
  int threads = 1;
  std::function<bool()> stop;            // true: end here with a partial report
  std::function<void(double)> progress;  // share done, in [0, 1]; from one thread at a time
  std::function<double()> clock_s;       // seconds since any fixed moment
  std::function<Bytes()> peak_memory;    // of the process; may be empty
  bool trace = false;                    // keep what a viewer shows of the seed in detail
};

RunReport RunScenario(const PreparedScenario& scenario, const RunControl& control);

}  // namespace weft
