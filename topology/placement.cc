#include "topology/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "base/random.h"

namespace weft {
namespace {

std::uint32_t SegmentKey(const Host& host) {
  return (static_cast<std::uint32_t>(host.pod) << 16) | host.segment;
}

// Every host of the fabric by segment; families add them so, importers need not.
std::vector<HostId> PackedHosts(const Fabric& fabric) {
  std::vector<HostId> hosts(fabric.host_count());
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) hosts[h] = HostId{h};
  std::stable_sort(hosts.begin(), hosts.end(), [&](HostId a, HostId b) {
    return SegmentKey(fabric.host(a)) < SegmentKey(fabric.host(b));
  });
  return hosts;
}

// The first host of every segment, then the second of every segment ...
std::vector<HostId> SpreadHosts(const Fabric& fabric) {
  std::vector<HostId> hosts = PackedHosts(fabric);
  std::vector<std::uint32_t> turn(hosts.size(), 0);
  for (std::size_t i = 1; i < hosts.size(); ++i)
    if (SegmentKey(fabric.host(hosts[i])) == SegmentKey(fabric.host(hosts[i - 1])))
      turn[i] = turn[i - 1] + 1;
  std::vector<std::size_t> order(hosts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return turn[a] < turn[b]; });
  std::vector<HostId> out;
  for (const std::size_t i : order) out.push_back(hosts[i]);
  return out;
}

// As many of `hosts` as `gpus` GPUs need, by segment again: the policy says which
// hosts, and a ring's order is a question of its own (workload.collective.ring_order).
std::vector<HostId> FirstBySegment(const Fabric& fabric, std::vector<HostId> hosts,
                                   std::size_t gpus) {
  std::size_t count = 0;
  for (std::size_t had = 0; count < hosts.size() && had < gpus; ++count)
    had += fabric.host(hosts[count]).gpus;
  hosts.resize(count);
  std::sort(hosts.begin(), hosts.end(), [&](HostId a, HostId b) {
    return std::pair(SegmentKey(fabric.host(a)), a) < std::pair(SegmentKey(fabric.host(b)), b);
  });
  return hosts;
}

// Fisher–Yates, from weft's own stream.
std::vector<HostId> RandomHosts(const Fabric& fabric, std::int64_t seed) {
  std::vector<HostId> hosts = PackedHosts(fabric);
  Random random(StreamSeed(static_cast<std::uint64_t>(seed), {}));
  for (auto left = static_cast<std::uint32_t>(hosts.size()); left > 1; --left)
    std::swap(hosts[left - 1], hosts[random.Below(left)]);
  return hosts;
}

Result<std::vector<HostId>> ListedHosts(const PlacementSpec& spec, const SourceMap& sources,
                                        const Fabric& fabric) {
  std::vector<HostId> hosts;
  std::vector<bool> taken(fabric.host_count(), false);
  Errors errors;
  for (int i = 0; i < spec.hosts_size(); ++i) {
    const SourcePos pos = sources.At(fmt::format("placement.hosts[{}]", i)).pos;
    const auto element = fabric.FindElement(spec.hosts(i));
    if (!element || element->kind != ElementId::Kind::kHost) {
      errors.push_back({ErrorCode::kInconsistent, pos,
                        fmt::format("there is no host '{}'", spec.hosts(i)),
                        fmt::format("{} to {}", fabric.HostName(HostId{0}),
                                    fabric.HostName(HostId{fabric.host_count() - 1}))});
    } else if (taken[element->id]) {
      errors.push_back({ErrorCode::kInconsistent, pos,
                        fmt::format("'{}' is listed twice", spec.hosts(i)), "each host once"});
    } else {
      taken[element->id] = true;
      hosts.push_back(HostId{element->id});
    }
  }
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return hosts;
}

Result<std::vector<HostId>> HostsInOrder(const PlacementSpec& spec, const SourceMap& sources,
                                         const Fabric& fabric) {
  if (spec.hosts_size() > 0) return ListedHosts(spec, sources, fabric);
  switch (spec.policy()) {
    case PlacementSpec::SPREAD:
      return SpreadHosts(fabric);
    case PlacementSpec::RANDOM:
      return RandomHosts(fabric, spec.seed());
    default:
      return PackedHosts(fabric);
  }
}

}  // namespace

Result<Placement> MakePlacement(const PlacementSpec& spec, const SourceMap& sources,
                                const Fabric& fabric) {
  WEFT_TRY(std::vector<HostId> hosts, HostsInOrder(spec, sources, fabric));
  if (spec.hosts_size() == 0) {
    const auto skipped = std::min(hosts.size(), static_cast<std::size_t>(spec.skip()));
    if (skipped > 0 && skipped == hosts.size())
      return Fail(ErrorCode::kOutOfRange, sources.At("placement.skip").pos,
                  fmt::format("'skip' is {}, and the fabric has {} hosts", spec.skip(), skipped),
                  fmt::format("at most {}", skipped - 1));
    hosts.erase(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(skipped));
  }
  const std::size_t want = spec.has_gpus() ? static_cast<std::size_t>(spec.gpus())
                                           : std::numeric_limits<std::size_t>::max();
  if (spec.hosts_size() == 0 && spec.policy() == PlacementSpec::SPREAD)
    hosts = FirstBySegment(fabric, std::move(hosts), want);
  Placement out;
  for (const HostId id : hosts) {
    const Host& host = fabric.host(id);
    for (std::uint16_t g = 0; g < host.gpus && out.gpu_of_rank.size() < want; ++g)
      out.gpu_of_rank.push_back(GpuId{static_cast<std::uint32_t>(host.first_gpu_id) + g});
  }
  if (spec.has_gpus() && out.gpu_of_rank.size() < want)
    return Fail(ErrorCode::kOutOfRange, sources.At("placement.gpus").pos,
                fmt::format("'gpus' is {}, and {} {}", want,
                            spec.hosts_size() > 0 ? "the hosts listed have"
                            : spec.skip() > 0     ? "the hosts not skipped have"
                                                  : "the fabric has",
                            out.gpu_of_rank.size()),
                fmt::format("at most {}", out.gpu_of_rank.size()));
  return out;
}

}  // namespace weft
