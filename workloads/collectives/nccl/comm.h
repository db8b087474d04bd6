// A communicator as NCCL sets it up: what its search found, how many channels it runs, and
// what each algorithm and protocol would cost.
//
// All nodes are alike: rank r stands on node r / per_node, on GPU r mod per_node. A node is an
// NVLink domain where its trays share one.
//
// Latency and rate of every (operation, algorithm, protocol) follow from the search's channels
// and rates, the counts of nodes and ranks, the GPU's generation and the CPU's maker
// [NCCL 2.28.9 src/graph/tuning.cc, connect.cc, init.cc]; choice.h turns them into times.
//
// Units    microseconds; GB/s of 10^9 bytes of the operation a second.
// Cost     the search; the table is some hundred terms.
// Departs  the network's latency is 0, as NCCL's InfiniBand and socket plugins say; of tuner
//          plugins EFA's alone (efa_tuner.h); CUDA 12.1 or later where there are NVSwitches and
//          Hoppers (NVLS).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "hardware/parts.h"
#include "workloads/collectives/nccl/efa_tuner.h"
#include "workloads/collectives/nccl/rules.h"
#include "workloads/collectives/nccl/search.h"

namespace weft {

enum class NcclOp : std::uint8_t { kBroadcast, kReduce, kAllGather, kReduceScatter, kAllReduce };
inline constexpr std::size_t kNcclOps = 5;

struct NcclCost {
  double latency_us = 0;
  double rate = 0;  // 0: off
};

struct NcclCommOptions {
  bool sharp = false;           // CollNet is on: switches that reduce, and NCCL told to use them
  std::optional<int> channels;  // as NCCL_MIN_NCHANNELS and NCCL_MAX_NCHANNELS alike
  bool pxn = true;              // false: as NCCL_PXN_DISABLE=1
};

struct NcclComm {
  const NcclRules* rules = nullptr;
  int nodes = 1, per_node = 1;
  int compute_capability = 0;
  double net_latency_us = 0;  // as the network's plugin says it to NCCL: EFA's alone does
  bool two_sided = false;     // KeepsToSimple(): of protocols that nobody forces Simple alone is on
  EfaTuner tuner = EfaTuner::kNone;  // whose choices go before NCCL's own
  HostSpec::Cpu cpu = HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS;
  bool nvswitch = false, all_nvlink = false;
  bool nvls_on = false, collnet_on = false;
  NcclGraph ring, tree, nvls, collnet_chain, collnet_direct;  // no channels: not searched
  int channels = 1;       // of rings and trees, after NCCL's doubling
  int nvls_channels = 0;  // that run; the heads are the search's
  int p2p_channels = 1, p2p_channels_per_peer = 1;
  std::array<std::array<std::array<NcclCost, kNcclProtocols>, kNcclAlgorithms>, kNcclOps> cost{};

  int ranks() const { return nodes * per_node; }
  const NcclCost& Cost(NcclOp op, NcclAlgorithm algorithm, NcclProtocol protocol) const {
    return cost[static_cast<std::size_t>(op)][static_cast<std::size_t>(algorithm)]
               [static_cast<std::size_t>(protocol)];
  }
  const NcclGraph& GraphOf(NcclAlgorithm algorithm) const;
};

// The host as NCCL sees it. EFA's plugin makes the NICs beside a GPU one device of as many ports,
// up to four [AWS-OFI src/nccl_ofi_topo.c, include/nccl_ofi_rdma.h]: 32 of 100 Gb/s are 8 of 400.
HostPart AsNcclSees(const HostPart& host);
// Whether NCCL finds the same in both: what differs is price, power or a name.
bool AlikeToNccl(const HostPart& a, const HostPart& b);

// Of what a step over EFA's NICs of 100 Gb/s takes, as its plugin has it; 1 of other transports.
double EfaHopShare(const HostPart& host);

// Whether NICs send and do not write, as EFA's before Hopper: its plugin then has NCCL keep to
// Simple, also inside a host, unless the user names a protocol.
bool KeepsToSimple(const HostPart& host);

// Requires: nodes >= 1, 1 <= per_node <= host.gpus, a host whose GPU has a compute capability.
NcclComm BuildNcclComm(const HostPart& host, int nodes, int per_node, const NcclRules& rules,
                       const NcclCommOptions& options = {});

}  // namespace weft
