// The traffic that the benchmarks run: networks, and programs on them.
//
// Fixed seeds throughout. Networks for comparison with SimGrid have no latency: what
// is compared is how bandwidth is shared, and SimGrid's latencies weigh flows.
#pragma once

#include <memory>
#include <vector>

#include "sim/program.h"
#include "sim/simulation.h"

namespace weft {

struct BenchNet {
  std::unique_ptr<Fabric> fabric;
  std::unique_ptr<Router> router;
  std::vector<HostId> hosts;
};

// `spines_per_host` spines for each host of a leaf, one link each, 400 Gb/s, no latency; hosts of
// one GPU.
BenchNet LeafSpine(std::uint32_t leaves, std::uint32_t hosts_per_leaf,
                   std::uint32_t spines_per_host = 1);

// Dual-plane, rail-optimised, hosts of 8 GPUs: a segment has 16 ToRs, a plane 60 Aggs
// [QXC+24 §5].
BenchNet DualPlanePod(std::uint16_t segments, std::uint32_t hosts_per_segment);

SimulationInput InputOf(const BenchNet& net, Coupling coupling);

// Every host sends to one random host after the other, 2 MB ± 50 % each; the rows of a
// host follow each other.
Program ClosedLoop(const BenchNet& net, std::uint32_t flows_per_host);

// A ring all-reduce of 1 GiB as single sends: in every step each rank sends on what it
// received in the step before.
Program RingSteps(const BenchNet& net);

// The same as one pattern: one channel, whose edges advance together.
Program RingChannel(const BenchNet& net);

// Everybody to everybody at once, 1 MiB each, or 1 MiB ± `spread`.
Program AllToAll(const BenchNet& net, double spread);

// All-to-all of 1 MiB a pair among the GPUs of `net`, in rounds: rank i sends to i + r.
Program Rounds(const BenchNet& net, std::uint32_t window);

// All-reduce of 1 GiB: a channel a rail, over NVLink through the GPUs of a host,
// by the rail from host to host with 4 QPs.
Program PodRing(const BenchNet& net);

// A training iteration in outline: TP 8 (a host), PP `stages`, DP all that is left, 1F1B
// order with `micro_batches`, forward and backward 10 and 20 ms with 1 % jitter a host, a
// 6 MB send a rail between stages, and a ring of 0.685 GB a micro-batch, stage and rail
// with 4 QPs.
Program Training(const BenchNet& net, std::uint32_t stages, std::uint32_t micro_batches);

}  // namespace weft
