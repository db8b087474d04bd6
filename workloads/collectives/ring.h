// The ring: every rank sends to the next one, and the data go round.
//
// A channel is a ring over all GPUs of the communicator with its own share of the bytes.
// Host after host in ring order, channel c enters a host at the GPU of NIC c, walks over
// its GPUs by NVLink and leaves from the last one to the next host's GPU of NIC c
// [NCCL 2.28.9 src/graph/connect.cc]; that edge crosses the network, by NIC c on both
// sides, since the router takes it over GPU c (PXN).
//
//     channel 2      host 0               host 1
//              ┌─> g2 g3 g0 g1 ──nic2──> g2 g3 g0 g1 ──nic2──┐
//              └─────────────────────────────────────────────┘
//
// Channels     one for each rail that all hosts have; where no rail is in all of them, the
//              c-th rail of each host, as many as the host with the fewest has; in a single
//              host one a GPU, so that each starts at another. More, if asked for, repeat
//              these, several rings a NIC.
// Steps        edge i (from ring position i) sends in step k slice (i − k) mod n of its
//              channel, after slice (i − 1 − (k − 1)), the same, came in over edge i − 1 in
//              step k − 1. All-reduce: 2(n − 1) steps, the first n − 1 reduce. All-gather:
//              n − 1 steps, none reduces. Reduce-scatter: n − 1 steps that reduce, slices
//              shifted by one, (i − 1 − k) mod n, so that position p ends with slice p.
// Wire bytes   steps / (n·C) of the operation's bytes on every edge.
// Owners       slice s is the block of ring position s; of an all-reduce, position s − 1
//              completes its sum.
// Cost         O(n·C).
#pragma once

#include "workloads/collectives/collective.h"

namespace weft {

bool RingDoes(CollectiveSpec::Op op);
std::uint16_t RingChannels(const Communicator& communicator);
Pattern BuildRing(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                  std::uint16_t channels, const BuildOptions& options);

}  // namespace weft
