#include "workloads/collectives/communicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/random.h"

namespace weft {
namespace {

using Member = Communicator::Member;

std::uint16_t RailOf(const Fabric& fabric, VertexId gpu) {
  const Vertex& vertex = fabric.vertex(gpu);
  if (fabric.host(vertex.host).nics == 0) return static_cast<std::uint16_t>(vertex.number);
  return static_cast<std::uint16_t>(fabric.vertex(fabric.NicOf(gpu)).number);
}

// Hosts in turn from each segment, segments by first appearance. With unequal segments the
// longer ones are left for the end.
std::vector<HostId> Alternate(const Fabric& fabric, const std::vector<HostId>& hosts) {
  std::map<std::pair<std::uint16_t, std::uint16_t>, std::size_t> row_of;
  std::vector<std::vector<HostId>> segments;
  for (const HostId host : hosts) {
    const Host& where = fabric.host(host);
    const auto [at, added] = row_of.try_emplace({where.pod, where.segment}, segments.size());
    if (added) segments.emplace_back();
    segments[at->second].push_back(host);
  }
  std::vector<HostId> order;
  order.reserve(hosts.size());
  for (std::size_t turn = 0; order.size() < hosts.size(); ++turn)
    for (const std::vector<HostId>& segment : segments)
      if (turn < segment.size()) order.push_back(segment[turn]);
  return order;
}

std::vector<HostId> InRingOrder(const CollectiveSpec& spec, const Fabric& fabric,
                                std::vector<HostId> hosts) {
  if (spec.ring_order() == CollectiveSpec::ALTERNATING) return Alternate(fabric, hosts);
  if (spec.ring_order() == CollectiveSpec::RANDOM) {
    Random random(StreamSeed(spec.seed(), {0}));
    for (auto left = static_cast<std::uint32_t>(hosts.size()); left > 1; --left)
      std::swap(hosts[left - 1], hosts[random.Below(left)]);
  }
  return hosts;
}

// `job_rank` ascending.
Communicator Assemble(const CollectiveSpec& spec, const Fabric& fabric, const Placement& placement,
                      std::string name, std::vector<std::uint32_t> job_rank) {
  Communicator out;
  out.name = std::move(name);
  out.job_rank = std::move(job_rank);
  std::vector<HostId> hosts;  // by lowest rank
  std::map<HostId, std::vector<Member>> members_of;
  for (std::uint32_t rank = 0; rank < out.job_rank.size(); ++rank) {
    const VertexId gpu = fabric.gpu(placement.gpu_of_rank[out.job_rank[rank]]);
    out.gpu.push_back(gpu);
    const HostId host = fabric.vertex(gpu).host;
    std::vector<Member>& members = members_of[host];
    if (members.empty()) hosts.push_back(host);
    members.push_back({gpu, rank, RailOf(fabric, gpu)});
  }
  for (const HostId host : InRingOrder(spec, fabric, std::move(hosts))) {
    std::vector<Member>& members = members_of[host];
    std::sort(members.begin(), members.end(),
              [](const Member& a, const Member& b) { return a.gpu < b.gpu; });
    out.hosts.push_back({host, static_cast<std::uint32_t>(out.members.size()),
                         static_cast<std::uint32_t>(members.size())});
    out.members.insert(out.members.end(), members.begin(), members.end());
  }
  for (const Member& member : out.members) out.sequence.push_back(member.rank);
  // Where a host's ranks are not consecutive, nccl-tests' next rank is still r + 1.
  if (spec.ring_order() == CollectiveSpec::NATURAL)
    std::sort(out.sequence.begin(), out.sequence.end());
  return out;
}

}  // namespace

Errors CheckPlacement(const SourceMap& sources, const Fabric& fabric, const Placement& placement) {
  const SourcePos pos = sources.At("placement").pos;
  if (placement.gpu_of_rank.empty())
    return {{ErrorCode::kInconsistent, pos, "the placement has no ranks", "gpus: 2 or more"}};
  Errors errors;
  constexpr std::uint32_t kFree = 0xffffffff;
  std::vector<std::uint32_t> rank_of(fabric.gpu_count(), kFree);
  for (std::uint32_t rank = 0; rank < placement.gpu_of_rank.size(); ++rank) {
    const GpuId gpu = placement.gpu_of_rank[rank];
    if (Index(gpu) >= fabric.gpu_count()) {
      errors.push_back({ErrorCode::kInconsistent, pos, fmt::format("rank {} has no GPU", rank),
                        fmt::format("the fabric has {} GPUs", fabric.gpu_count())});
    } else if (rank_of[Index(gpu)] != kFree) {
      errors.push_back({ErrorCode::kInconsistent, pos,
                        fmt::format("ranks {} and {} are both on {}", rank_of[Index(gpu)], rank,
                                    fabric.Name(fabric.gpu(gpu))),
                        "one rank a GPU"});
    } else {
      rank_of[Index(gpu)] = rank;
    }
  }
  return errors;
}

Result<std::vector<Communicator>> BuildCommunicators(const CollectiveSpec& spec,
                                                     const SourceMap& sources, const Fabric& fabric,
                                                     const Placement& placement) {
  // Groups by key: 0 for all, else the rail's number or the host's place by lowest rank.
  std::map<std::uint32_t, std::vector<std::uint32_t>> groups;
  std::map<HostId, std::uint32_t> place_of;
  for (std::uint32_t rank = 0; rank < placement.gpu_of_rank.size(); ++rank) {
    const VertexId gpu = fabric.gpu(placement.gpu_of_rank[rank]);
    const HostId host = fabric.vertex(gpu).host;
    const std::uint32_t place =
        place_of.try_emplace(host, static_cast<std::uint32_t>(place_of.size())).first->second;
    switch (spec.group()) {
      case CollectiveSpec::PER_RAIL:
        groups[RailOf(fabric, gpu)].push_back(rank);
        break;
      case CollectiveSpec::PER_HOST:
        groups[place].push_back(rank);
        break;
      default:
        groups[0].push_back(rank);
    }
  }

  const bool needs_network = spec.group() == CollectiveSpec::PER_RAIL ||
                             (spec.group() == CollectiveSpec::ALL && place_of.size() > 1);
  Errors errors;
  for (const auto& [host, place] : place_of)
    if (needs_network && fabric.host(host).nics == 0)
      errors.push_back(
          {ErrorCode::kInconsistent, sources.At("workload.collective.group").pos,
           fmt::format("{} has no NIC, so its ranks reach no other host", fabric.HostName(host)),
           "group: per_host, or a host with NICs"});
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  std::vector<Communicator> out;
  for (auto& [key, ranks] : groups) {
    std::string name;
    if (spec.group() == CollectiveSpec::PER_RAIL) name = fmt::format("rail {}", key);
    if (spec.group() == CollectiveSpec::PER_HOST) {
      const VertexId gpu = fabric.gpu(placement.gpu_of_rank[ranks.front()]);
      name = fabric.HostName(fabric.vertex(gpu).host);
    }
    out.push_back(Assemble(spec, fabric, placement, std::move(name), std::move(ranks)));
  }
  return out;
}

}  // namespace weft
