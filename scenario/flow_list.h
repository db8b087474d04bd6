// A workload's flows as CSV: who sends what to whom, and after what.
//
// A row an edge of an operation's pattern, or a send; operations in program order, which is
// the order in which a stream runs them. Computations and delays have no row, but count as rows
// that others come after.
//
//     row,operation,times,after,algorithm,protocol,channel,round,flow,waits_for,source,…
//     0,all_reduce 3 B,1,,Ring,,0,,0,2:1,host0/gpu0,host1/gpu0,network,4,4,1
//
// The columns are those of docs/formats/flows.md.
//
// Units    bytes; to the thousandth where a share is not whole.
// Cost     O(flows) time; memory of the workload, with `paths` of the bound paths, none by row.
// Repeats  paths are those of the scenario's first seed.
#pragma once

#include <functional>
#include <iosfwd>

#include "scenario/prepare.h"

namespace weft {

struct FlowListOptions {
  bool paths = false;
  std::function<bool()> stop = {};  // true: no more rows; empty: never
};

// False where `stop` or the stream ended it early.
bool WriteFlows(const PreparedScenario& scenario, const FlowListOptions& options,
                std::ostream& out);

}  // namespace weft
