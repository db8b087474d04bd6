// What NCCL would do for one operation at several sizes: the answer of `weft collective`.
//
// Units    as in choice.h; every time here is NCCL's own estimate, none is simulated.
// Errors   BuildNcclPlan: a forced algorithm or protocol that is off here, with those that are on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "workloads/collectives/nccl/choice.h"
#include "workloads/collectives/nccl/shape.h"

namespace weft {

struct NcclPlanRow {
  Bytes bytes;
  std::optional<NcclChoice> choice;  // none: sends, for which NCCL has no cost model
  std::vector<NcclCandidate> candidates;
};

struct NcclPlan {
  std::string op;  // as in a scenario: all_reduce
  NcclComm comm;
  std::vector<NcclPlanRow> rows;
  NcclShapes shapes;
  std::vector<std::vector<int>> send_orders;  // of ranks; filled for all_to_all and _v
};

// `op`: one of NcclPlanOps().
Result<NcclPlan> BuildNcclPlan(std::string op, NcclComm comm, const std::vector<Bytes>& sizes,
                               const NcclForced& forced);

// None: an operation made of sends. Requires: `name` is one of NcclPlanOps().
std::optional<NcclOp> NcclOpOf(std::string_view name);

// ChooseNccl; where `forced` leaves no pair, an error that names those that are on.
Result<NcclChoice> ChooseNcclOrSay(const NcclComm& comm, const std::string& name, NcclOp op,
                                   Bytes bytes, const NcclForced& forced);

// What to warn of a forced protocol that such hosts' network plugin would not take; empty: nothing.
std::string WarningOfForced(const HostPart& host, const NcclForced& forced);

// The operations that a plan knows, in the order of its help.
std::vector<std::string> NcclPlanOps();

// The one of NcclPlanOps() that NCCL's functions and nccl-tests' programs call so: AllReduce,
// alltoall, all_gather_perf, bcast. Empty: none.
std::string NcclPlanOpCalled(std::string_view text);

}  // namespace weft
