// The table of latencies and rates that NCCL's choice rests on.
#pragma once

#include "workloads/collectives/nccl/comm.h"

namespace weft {

// Fills comm.cost from everything else in it.
void FillNcclCosts(NcclComm& comm);

}  // namespace weft
