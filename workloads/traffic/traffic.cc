#include "workloads/traffic/traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/random.h"

namespace weft {
namespace {

using Gpus = std::vector<VertexId>;

// Uniform over the permutations without a fixed point: a shuffle is thrown away if it has one.
std::vector<std::uint32_t> Derangement(std::uint32_t count, Random random) {
  std::vector<std::uint32_t> to(count);
  for (;;) {
    std::iota(to.begin(), to.end(), 0u);
    for (std::uint32_t left = count; left > 1; --left)
      std::swap(to[left - 1], to[random.Below(left)]);
    bool fixed = false;
    for (std::uint32_t i = 0; i < count && !fixed; ++i) fixed = to[i] == i;
    if (!fixed) return to;
  }
}

std::vector<FlowPair> Permutations(const Gpus& gpus, std::size_t flows, std::uint64_t seed) {
  const auto count = static_cast<std::uint32_t>(gpus.size());
  std::vector<FlowPair> out;
  out.reserve(flows);
  for (std::uint64_t round = 0; out.size() < flows; ++round) {
    const std::vector<std::uint32_t> to = Derangement(count, Random(StreamSeed(seed, {round})));
    for (std::uint32_t i = 0; i < count && out.size() < flows; ++i)
      out.push_back({gpus[i], gpus[to[i]]});
  }
  return out;
}

std::vector<FlowPair> Incast(const Gpus& gpus, std::size_t flows) {
  std::vector<FlowPair> out;
  out.reserve(flows);
  for (std::size_t f = 0; f < flows; ++f)
    out.push_back({gpus[1 + f % (gpus.size() - 1)], gpus.front()});
  return out;
}

std::vector<FlowPair> AllToAll(const Gpus& gpus, std::size_t flows) {
  const std::size_t count = gpus.size();
  std::vector<FlowPair> out;
  out.reserve(flows);
  for (std::size_t f = 0; f < flows; ++f) {
    const std::size_t from = f % count, round = 1 + f / count % (count - 1);
    out.push_back({gpus[from], gpus[(from + round) % count]});
  }
  return out;
}

std::vector<FlowPair> RandomPairs(const Fabric& fabric, const Gpus& gpus, std::size_t flows,
                                  std::uint64_t seed) {
  std::vector<Random> stream_of;  // by host
  stream_of.reserve(fabric.host_count());
  for (std::uint64_t host = 0; host < fabric.host_count(); ++host)
    stream_of.emplace_back(StreamSeed(seed, {host}));
  const auto count = static_cast<std::uint32_t>(gpus.size());
  std::vector<FlowPair> out;
  out.reserve(flows);
  for (std::size_t f = 0; f < flows; ++f) {
    const auto from = static_cast<std::uint32_t>(f % count);
    Random& random = stream_of[Index(fabric.vertex(gpus[from]).host)];
    const std::uint32_t other = random.Below(count - 1);
    out.push_back({gpus[from], gpus[other < from ? other : other + 1]});
  }
  return out;
}

// One a sender, for all_to_all one a pair, where the user does not say.
std::int64_t FlowCount(const TrafficSpec& spec, std::size_t gpus) {
  if (spec.has_flows()) return spec.flows();
  const auto count = static_cast<std::int64_t>(gpus);
  if (spec.pattern() == TrafficSpec::ALL_TO_ALL) return count * (count - 1);
  return spec.pattern() == TrafficSpec::INCAST ? count - 1 : count;
}

}  // namespace

std::string_view PatternName(TrafficSpec::Pattern pattern) {
  switch (pattern) {
    case TrafficSpec::INCAST:
      return "incast";
    case TrafficSpec::ALL_TO_ALL:
      return "all_to_all";
    case TrafficSpec::RANDOM:
      return "random";
    default:
      return "permutation";
  }
}

Result<FlowList> BuildFlows(const TrafficSpec& spec, const SourceMap& sources, const Fabric& fabric,
                            const Placement& placement) {
  Gpus gpus;
  for (const GpuId id : placement.gpu_of_rank) {
    const VertexId gpu = fabric.gpu(id);
    if (fabric.host(fabric.vertex(gpu).host).nics > 0) gpus.push_back(gpu);
  }
  if (gpus.size() < 2)
    return Fail(ErrorCode::kInconsistent, sources.At("workload.traffic").pos,
                fmt::format("traffic needs two GPUs with a NIC, the placement has {}", gpus.size()),
                "placement: { gpus: 2 } or more");
  const std::int64_t count = FlowCount(spec, gpus.size());
  if (count < 1 || count > kFlowLimit)
    return Fail(ErrorCode::kOutOfRange, sources.At("workload.traffic.flows").pos,
                fmt::format("{} between {} GPUs makes {} flows", PatternName(spec.pattern()),
                            gpus.size(), count),
                fmt::format("flows: 1..{}", kFlowLimit));
  const auto flows = static_cast<std::size_t>(count);
  FlowList out;
  out.senders = static_cast<std::uint32_t>(gpus.size());
  switch (spec.pattern()) {
    case TrafficSpec::INCAST:
      out.flows = Incast(gpus, flows);
      --out.senders;
      break;
    case TrafficSpec::ALL_TO_ALL:
      out.flows = AllToAll(gpus, flows);
      break;
    case TrafficSpec::RANDOM:
      out.flows = RandomPairs(fabric, gpus, flows, spec.seed());
      break;
    default:
      out.flows = Permutations(gpus, flows, spec.seed());
  }
  out.senders = static_cast<std::uint32_t>(std::min<std::size_t>(out.senders, flows));
  return out;
}

}  // namespace weft
