// The table of latencies and rates that NCCL's choice rests on, and what of it times use.
#pragma once

#include "workloads/collectives/nccl/comm.h"

namespace weft {

// us that the CPU is busy with a message between hosts: with Simple it posts, polls and flushes
// [NCCL 2.28.9 src/graph/tuning.cc getNetOverhead].
double NcclNetOverhead(const NcclComm& comm, NcclProtocol protocol);

// Fills comm.cost from everything else in it.
void FillNcclCosts(NcclComm& comm);

}  // namespace weft
