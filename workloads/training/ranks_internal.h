// Which GPUs share what: the ranks of a stage, of a ring, of a send between stages.
#pragma once

#include "workloads/collectives/communicator.h"
#include "workloads/training/training.h"

namespace weft {

// The greatest g so that ranks [k·g, (k + 1)·g) share a host, for every k; of one host its ranks.
// Requires: the placement has ranks.
int RanksOfAHost(const Fabric& fabric, const Placement& placement);

class TrainingRanks {
 public:
  // Requires: one rank a GPU, as many as `parallel` has; both outlive this.
  TrainingRanks(const Parallel& parallel, const Fabric& fabric, const Placement& placement)
      : parallel_(&parallel), fabric_(&fabric), placement_(&placement) {}

  std::uint32_t Rank(int tensor, int context, int replica, int stage) const;
  VertexId Gpu(int tensor, int context, int replica, int stage) const;
  HostId HostOf(int replica, int stage) const;  // of its first rank

  // Ranks of tensor rank `tensor` on `stage` over data and context ranks: every `apart`-th from
  // `first` on. Hosts by lowest rank.
  Communicator Replicas(int tensor, int stage, int first, int apart) const;
  // The same of `count` replicas in a row.
  Communicator Replicas(int tensor, int stage, int first, int apart, int count) const;
  // Tensor ranks of context rank `context`, context ranks of tensor rank `tensor`.
  Communicator Tensor(int context, int replica, int stage) const;
  Communicator Context(int tensor, int replica, int stage) const;

 private:
  Communicator Of(std::vector<std::uint32_t> ranks) const;

  const Parallel* parallel_;
  const Fabric* fabric_;
  const Placement* placement_;
};

}  // namespace weft
