// Communicators: who takes part in a collective, and in what order rings visit them.
//
// A job's ranks are split by `group`; inside a communicator GPUs stand host by host, hosts
// in ring order, a host's GPUs by their number, as NCCL orders a ring: nodes in order, and
// in each a walk over its GPUs [NCCL 2.28.9 src/graph/connect.cc].
//
//     ranks 0 … 7 on two hosts of four GPUs, group all      hosts: host0, host1
//     members  host0/gpu0 gpu1 gpu2 gpu3 | host1/gpu0 gpu1 gpu2 gpu3
//
// Shapes   n ranks: gpu, job_rank, members and sequence are [n]; HostPart is a range of members.
// Errors   at `placement` or the collective's keys: a rank without a GPU, a GPU with two
//          ranks, a host without a NIC where the network is needed.
// Cost     O(n log n).
// Repeats  random: hosts are shuffled by the spec's seed alone, so that equal sets of hosts
//          (the rails of a job) have one order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/schema/reader.h"
#include "topology/fabric.h"
#include "topology/placement.h"
#include "workloads/workload.pb.h"

namespace weft {

struct Communicator {
  struct Member {
    VertexId gpu = kNoVertex;
    std::uint32_t rank = 0;  // row of job_rank and gpu
    std::uint16_t rail = 0;  // number of its NIC; of the GPU where the host has no NIC
  };
  struct HostPart {
    HostId host = kNoHost;
    std::uint32_t first = 0, count = 0;  // rows of members
  };

  std::string name;                     // "rail 3", "host4"; empty: all ranks
  std::vector<std::uint32_t> job_rank;  // ascending
  std::vector<VertexId> gpu;            // of each rank
  std::vector<HostPart> hosts;          // in ring order
  std::vector<Member> members;
  std::vector<std::uint32_t> sequence;  // ranks in ring order; natural: 0 … n − 1
};

// What is wrong with the placement itself; empty: every rank is one GPU of its own.
Errors CheckPlacement(const SourceMap& sources, const Fabric& fabric, const Placement& placement);

// Requires: CheckPlacement found nothing.
Result<std::vector<Communicator>> BuildCommunicators(const CollectiveSpec& spec,
                                                     const SourceMap& sources, const Fabric& fabric,
                                                     const Placement& placement);

}  // namespace weft
