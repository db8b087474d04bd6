#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "workloads/training/ranks_internal.h"

namespace weft {

int RanksOfAHost(const Fabric& fabric, const Placement& placement) {
  const std::vector<GpuId>& gpus = placement.gpu_of_rank;
  const auto host = [&](std::size_t rank) { return fabric.vertex(fabric.gpu(gpus[rank])).host; };
  std::size_t common = 0;
  for (std::size_t rank = 1; rank < gpus.size(); ++rank)
    if (host(rank) != host(rank - 1)) common = std::gcd(common, rank);
  return static_cast<int>(common == 0 ? gpus.size() : common);
}

std::uint32_t TrainingRanks::Rank(int tensor, int context, int replica, int stage) const {
  const Parallel& p = *parallel_;
  const int outer = p.order == Parallel::Order::kTensorContextDataPipeline
                        ? replica + p.data * stage
                        : stage + p.pipeline * replica;
  return static_cast<std::uint32_t>(tensor + p.tensor * (context + p.context * outer));
}

VertexId TrainingRanks::Gpu(int tensor, int context, int replica, int stage) const {
  return fabric_->gpu(placement_->gpu_of_rank[Rank(tensor, context, replica, stage)]);
}

HostId TrainingRanks::HostOf(int replica, int stage) const {
  return fabric_->vertex(Gpu(0, 0, replica, stage)).host;
}

Communicator TrainingRanks::Replicas(int tensor, int stage, int first, int apart) const {
  return Replicas(tensor, stage, first, apart, parallel_->data * parallel_->context - first);
}

Communicator TrainingRanks::Replicas(int tensor, int stage, int first, int apart, int count) const {
  const Parallel& p = *parallel_;
  std::vector<std::uint32_t> ranks;
  for (int i = first; i < first + count; i += apart)
    ranks.push_back(Rank(tensor, i % p.context, i / p.context, stage));
  return Of(std::move(ranks));
}

Communicator TrainingRanks::Tensor(int context, int replica, int stage) const {
  std::vector<std::uint32_t> ranks;
  for (int t = 0; t < parallel_->tensor; ++t) ranks.push_back(Rank(t, context, replica, stage));
  return Of(std::move(ranks));
}

Communicator TrainingRanks::Context(int tensor, int replica, int stage) const {
  std::vector<std::uint32_t> ranks;
  for (int c = 0; c < parallel_->context; ++c) ranks.push_back(Rank(tensor, c, replica, stage));
  return Of(std::move(ranks));
}

Communicator TrainingRanks::Of(std::vector<std::uint32_t> ranks) const {
  Communicator out;
  out.job_rank = std::move(ranks);
  std::sort(out.job_rank.begin(), out.job_rank.end());
  std::vector<HostId> hosts;  // by lowest rank
  std::map<HostId, std::vector<Communicator::Member>> members_of;
  for (std::uint32_t rank = 0; rank < out.job_rank.size(); ++rank) {
    const VertexId gpu = fabric_->gpu(placement_->gpu_of_rank[out.job_rank[rank]]);
    const HostId host = fabric_->vertex(gpu).host;
    const bool has_nic = fabric_->host(host).nics > 0;
    const std::uint32_t rail = fabric_->vertex(has_nic ? fabric_->NicOf(gpu) : gpu).number;
    out.gpu.push_back(gpu);
    out.sequence.push_back(rank);
    if (members_of[host].empty()) hosts.push_back(host);
    members_of[host].push_back({gpu, rank, static_cast<std::uint16_t>(rail)});
  }
  for (const HostId host : hosts) {
    std::vector<Communicator::Member>& members = members_of[host];
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.gpu < b.gpu; });
    out.hosts.push_back({host, static_cast<std::uint32_t>(out.members.size()),
                         static_cast<std::uint32_t>(members.size())});
    out.members.insert(out.members.end(), members.begin(), members.end());
  }
  return out;
}

}  // namespace weft
