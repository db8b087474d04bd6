// Channels, threads and chunk of a choice already made.
#pragma once

#include "workloads/collectives/nccl/choice.h"

namespace weft {

// `bytes` rounded down to whole elements of every rank.
std::int64_t NcclWholeBytes(const NcclComm& comm, NcclOp op, Bytes bytes);

// Sets all of `choice` that follows from its algorithm and protocol.
void SetNcclShares(const NcclComm& comm, NcclOp op, Bytes bytes, NcclChoice& choice);

}  // namespace weft
