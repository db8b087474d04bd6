// All-to-all, by a matrix too, and send/recv as cases of the closed form (time.h): how NCCL cuts
// messages over channels, and what they put on GPUs and NICs.
#pragma once

#include "workloads/collectives/nccl/time.h"

namespace weft {

void SetNcclSends(const NcclComm& comm, const HostPart& host, const NcclTimeQuestion& question,
                  NcclTimeCase& out);

}  // namespace weft
