// Which algorithm, protocol, channels, threads and chunk NCCL would take for an operation.
//
//     t = latency · q · + bytes / rate · 1/f
//
// for every pair that is on; the least wins, ties to the first in NCCL's order, unless the
// network's plugin says otherwise (efa_tuner.h). q raises a ring's latency over nodes, f is an
// empirical correction of trees by size. Channels are then dropped until each has work for its
// threads, and the bytes are dealt to them by traffic [NCCL 2.28.9 src/enqueue.cc,
// src/graph/tuning.cc].
//
// Types    those of nccl-tests: float sums for all-reduce, reduce, reduce-scatter; bytes for
//          all-gather and broadcast.
// Units    `bytes` as nccl-tests counts them: the larger of one rank's buffers; rounded down to
//          whole elements.
// Cost     some hundred operations: no search.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/units.h"
#include "workloads/collectives/nccl/comm.h"

namespace weft {

struct NcclCandidate {
  NcclAlgorithm algorithm = NcclAlgorithm::kRing;
  NcclProtocol protocol = NcclProtocol::kSimple;
  double time_us = 0;  // NCCL's estimate, not a simulated time
};

struct NcclChoice {
  NcclAlgorithm algorithm = NcclAlgorithm::kRing;
  NcclProtocol protocol = NcclProtocol::kSimple;
  double predicted_us = 0;
  int channels = 1;       // that get bytes
  int most_channels = 1;  // the limit that the choice sets
  int threads = 0;        // of a channel's block
  Bytes chunk;            // of a middle channel, at most in flight in one step
};

// What the user fixes, as NCCL_ALGO and NCCL_PROTO do.
struct NcclForced {
  std::optional<NcclAlgorithm> algorithm;
  std::optional<NcclProtocol> protocol;
};

// Every pair that is on and not ruled out, least time first, ties in NCCL's order; but first of all
// what a tuner says, unless something is forced.
std::vector<NcclCandidate> NcclCandidates(const NcclComm& comm, NcclOp op, Bytes bytes,
                                          const NcclForced& forced = {});

// None where `forced` leaves no pair.
std::optional<NcclChoice> ChooseNccl(const NcclComm& comm, NcclOp op, Bytes bytes,
                                     const NcclForced& forced = {});

}  // namespace weft
