#include "workloads/collectives/ring.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace weft {
namespace {

using HostPart = Communicator::HostPart;
using Member = Communicator::Member;

// The rails of a host's members, ascending, each once.
std::vector<std::uint16_t> RailsOf(const Communicator& communicator, const HostPart& host) {
  std::vector<std::uint16_t> rails;
  for (std::uint32_t m = 0; m < host.count; ++m)
    rails.push_back(communicator.members[host.first + m].rail);
  std::sort(rails.begin(), rails.end());
  rails.erase(std::unique(rails.begin(), rails.end()), rails.end());
  return rails;
}

std::uint32_t FirstOnRail(const Communicator& communicator, const HostPart& host,
                          std::uint16_t rail) {
  for (std::uint32_t m = 0; m < host.count; ++m)
    if (communicator.members[host.first + m].rail == rail) return m;
  WEFT_CHECK(false);
  return 0;
}

// Where each distinct ring enters each host: row [ring][host], counted from the host's first.
std::vector<std::vector<std::uint32_t>> Entries(const Communicator& communicator) {
  std::vector<std::vector<std::uint32_t>> entries;
  const std::vector<HostPart>& hosts = communicator.hosts;
  if (hosts.size() == 1) {
    for (std::uint32_t m = 0; m < hosts.front().count; ++m) entries.push_back({m});
    return entries;
  }
  std::vector<std::vector<std::uint16_t>> rails;
  for (const HostPart& host : hosts) rails.push_back(RailsOf(communicator, host));
  std::vector<std::uint16_t> common = rails.front();
  std::size_t fewest = common.size();
  for (const std::vector<std::uint16_t>& other : rails) {
    std::vector<std::uint16_t> both;
    std::set_intersection(common.begin(), common.end(), other.begin(), other.end(),
                          std::back_inserter(both));
    common = std::move(both);
    fewest = std::min(fewest, other.size());
  }
  for (std::size_t ring = 0; ring < (common.empty() ? fewest : common.size()); ++ring) {
    std::vector<std::uint32_t>& entry = entries.emplace_back();
    for (std::size_t h = 0; h < hosts.size(); ++h)
      entry.push_back(
          FirstOnRail(communicator, hosts[h], common.empty() ? rails[h][ring] : common[ring]));
  }
  return entries;
}

// The members in the order that a ring visits them.
std::vector<const Member*> Walk(const Communicator& communicator,
                                const std::vector<std::uint32_t>& entry) {
  std::vector<const Member*> ring;
  ring.reserve(communicator.members.size());
  for (std::size_t h = 0; h < communicator.hosts.size(); ++h) {
    const HostPart& host = communicator.hosts[h];
    for (std::uint32_t m = 0; m < host.count; ++m)
      ring.push_back(&communicator.members[host.first + (entry[h] + m) % host.count]);
  }
  return ring;
}

}  // namespace

bool RingDoes(CollectiveSpec::Op op) {
  return op == CollectiveSpec::ALL_REDUCE || op == CollectiveSpec::ALL_GATHER ||
         op == CollectiveSpec::REDUCE_SCATTER;
}

std::uint16_t RingChannels(const Communicator& communicator) {
  const std::size_t rings = Entries(communicator).size();
  WEFT_CHECK(rings >= 1 && rings <= std::numeric_limits<std::uint16_t>::max());
  return static_cast<std::uint16_t>(rings);
}

Pattern BuildRing(const Fabric& fabric, const Communicator& communicator, CollectiveSpec::Op op,
                  std::uint16_t channels, const BuildOptions& options) {
  const auto n = static_cast<std::uint32_t>(communicator.members.size());
  WEFT_CHECK(n >= 2 && channels >= 1 && RingDoes(op));
  const std::uint32_t once = n - 1;
  const bool all_reduce = op == CollectiveSpec::ALL_REDUCE;
  const std::uint32_t shift = op == CollectiveSpec::REDUCE_SCATTER ? once : 0;  // −1 mod n
  Edge edge;
  edge.steps = all_reduce ? 2 * once : once;
  edge.reduce_steps = op == CollectiveSpec::ALL_GATHER ? 0 : once;
  edge.slice_stride = -1;
  edge.feed_count = 1;
  const WireRatio wire = ReducedRatio(edge.steps, std::uint64_t{n} * channels);
  edge.wire_num = wire.num;
  edge.wire_den = wire.den;

  Pattern pattern;
  pattern.ranks = communicator.gpu;
  pattern.classes = {options.nvlink, options.network};
  pattern.slices = n;
  pattern.channels = channels;
  const std::size_t edges = std::size_t{n} * channels;
  pattern.edges.reserve(edges);
  pattern.feeds.reserve(edges);
  pattern.slice_owner.reserve(edges);
  const std::vector<std::vector<std::uint32_t>> entries = Entries(communicator);
  for (std::uint16_t c = 0; c < channels; ++c) {
    const std::vector<const Member*> ring = Walk(communicator, entries[c % entries.size()]);
    const std::uint32_t first = c * n;
    for (std::uint32_t i = 0; i < n; ++i) {
      ConnectEdge(fabric, ring[i]->gpu, ring[(i + 1) % n]->gpu, options.qps, edge);
      edge.channel = c;
      edge.first_slice = (i + shift) % n;
      edge.first_feed = static_cast<std::uint32_t>(pattern.feeds.size());
      pattern.edges.push_back(edge);
      pattern.feeds.push_back({first + (i + once) % n, 1});
      pattern.slice_owner.push_back(ring[all_reduce ? (i + once) % n : i]->rank);
    }
  }
  return pattern;
}

}  // namespace weft
