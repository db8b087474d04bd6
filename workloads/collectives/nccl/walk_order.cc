// In what order the walk tries GPUs and NICs: it decides what a search finds first.
#include <algorithm>
#include <tuple>

#include "workloads/collectives/nccl/walk_internal.h"

namespace weft {
namespace {

using Pattern = NcclGraph::Pattern;

constexpr std::uint32_t kAnyGpu = 0xffffffff;

void AddNew(std::vector<std::uint32_t>& list, std::uint32_t value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

// One NVSwitch multicast: every GPU reads and writes once, its head twice.
constexpr float HeadShare(std::uint32_t gpu, std::uint32_t head) { return gpu == head ? 2 : 1; }

}  // namespace

// The rate of the narrower direction of a GPU's PCIe link, whole GB/s; -1: it has none.
int NcclWalk::GpuPcieRate(std::uint32_t gpu) const {
  const std::uint32_t vertex = system_.gpus()[gpu];
  for (const std::uint32_t up : system_.vertices()[vertex].links) {
    if (system_.links()[up].type != NcclPath::kPci) continue;
    for (const std::uint32_t down : system_.vertices()[system_.links()[up].to].links)
      if (system_.links()[down].to == vertex)
        return static_cast<int>(std::min(link_rate_[up], link_rate_[down]));
  }
  return -1;
}

// The GPUs not yet in the channel, best first: by their way to the channel's NIC
// (sort_by_net 1 or -1), by their way from `gpu`, by number from `gpu` up. -1: where all are
// alike the last comes first, so that the GPUs near the NIC are kept for the end.
std::vector<std::uint32_t> NcclWalk::NextGpus(std::uint32_t gpu, int sort_by_net) const {
  using Score = std::tuple<int, int, int, int, int, std::uint32_t, std::uint32_t>;
  if (system_.nvswitch() != kNoNcclVertex && rules_.neighbours_only) return Neighbours(gpu);
  const auto count = static_cast<std::uint32_t>(system_.gpus().size());
  std::vector<Score> scores;
  for (std::uint32_t i = 1; i < count; ++i) {
    const std::uint32_t g = (gpu + i) % count;
    const NcclRoute& route = system_.GpuToGpu(gpu, g);
    if (route.links.empty() || used_[g]) continue;
    int net_rate = 0, pcie_rate = 0, net_hops = 0;
    if (sort_by_net != 0) {
      const NcclRoute& from_net = system_.NetToGpu(trial_->nets.back()[0], g);
      net_rate = static_cast<int>(from_net.rate);
      pcie_rate = GpuPcieRate(g);
      net_hops = static_cast<int>(from_net.links.size());
    }
    scores.emplace_back(-net_rate, -pcie_rate, net_hops, -static_cast<int>(route.rate),
                        static_cast<int>(route.links.size()), i, g);
  }
  std::sort(scores.begin(), scores.end());
  std::vector<std::uint32_t> next;
  for (const Score& score : scores) next.push_back(std::get<6>(score));
  const bool alike = std::all_of(scores.begin(), scores.end(), [&](const Score& score) {
    return std::get<3>(score) == std::get<3>(scores.front()) &&
           std::get<4>(score) == std::get<4>(scores.front());
  });
  if (sort_by_net == -1 && alike) std::reverse(next.begin(), next.end());
  return next;
}

// NVSwitches carry most where a GPU has few peers: only the GPUs beside `gpu` are tried, for a
// ring the one before it first, for a tree the one after.
std::vector<std::uint32_t> NcclWalk::Neighbours(std::uint32_t gpu) const {
  const auto count = static_cast<std::uint32_t>(system_.gpus().size());
  const std::uint32_t before = (gpu + count - 1) % count, after = (gpu + 1) % count;
  std::vector<std::uint32_t> order{after};
  if (trial_->pattern == Pattern::kRing) {
    order = {before};
    AddNew(order, after);
  } else if (trial_->pattern == Pattern::kSplitTree || trial_->pattern == Pattern::kBalancedTree) {
    AddNew(order, before);
  }
  std::erase_if(order, [&](std::uint32_t g) {
    return g == gpu || used_[g] || system_.GpuToGpu(gpu, g).links.empty();
  });
  return order;
}

// The NICs to try, for `gpu` or for all: those that GPUs prefer, then those near enough.
const std::vector<std::uint32_t>& NcclWalk::Nets(std::uint32_t gpu) {
  const auto [entry, is_new] =
      nets_.try_emplace({static_cast<int>(trial_->type_inter), gpu}, std::vector<std::uint32_t>());
  std::vector<std::uint32_t>& nets = entry->second;
  if (!is_new) return nets;
  std::vector<std::uint32_t> gpus;
  for (std::uint32_t g = 0; g < system_.gpus().size(); ++g)
    if (gpu == kAnyGpu || gpu == g) gpus.push_back(g);
  const auto count = static_cast<std::uint32_t>(system_.nets().size());
  // Each GPU's own, until it is offered its first again.
  const auto own = [&](std::uint32_t g) {
    std::vector<std::uint32_t> list;
    for (int c = 0; c < static_cast<int>(count); ++c) {
      const std::uint32_t net = system_.LocalNet(g, c);
      if (!list.empty() && net == list.front()) break;
      list.push_back(net);
    }
    return list;
  };
  if (system_.trays() > 1) {  // one of each GPU, then their second ones
    std::vector<std::vector<std::uint32_t>> lists;
    for (const std::uint32_t g : gpus) lists.push_back(own(g));
    for (std::size_t c = 0; c < count; ++c)
      for (const std::vector<std::uint32_t>& list : lists)
        if (c < list.size()) AddNew(nets, list[c]);
  } else {
    for (const std::uint32_t g : gpus)
      for (const std::uint32_t net : own(g)) AddNew(nets, net);
  }
  for (int kind = 0; kind <= static_cast<int>(trial_->type_inter); ++kind)
    for (const std::uint32_t g : gpus)
      for (std::uint32_t n = 0; n < count; ++n)
        if (static_cast<int>(system_.GpuToNet(g, n).type) == kind) AddNew(nets, n);
  return nets;
}

// A head of NVLS: every GPU by the switch, to it and back.
void NcclWalk::Head(std::uint32_t gpu) {
  const auto count = static_cast<std::uint32_t>(system_.gpus().size());
  const std::uint32_t nvswitch = system_.nvswitch();
  const auto& gpus = system_.gpus();
  std::uint32_t down = 0, up = 0;
  while (down < count && Take(nvswitch, gpus[down], HeadShare(down, gpu))) ++down;
  if (down == count) {
    while (up < count && Take(gpus[up], nvswitch, HeadShare(up, gpu))) ++up;
    if (up == count) AtGpu({}, gpu, count);
    while (up > 0) {
      --up;
      Take(gpus[up], nvswitch, -HeadShare(up, gpu));
    }
  }
  while (down > 0) {
    --down;
    Take(nvswitch, gpus[down], -HeadShare(down, gpu));
  }
}

// A head of CollNetDirect: its share from and to every other GPU.
void NcclWalk::DirectHead(std::uint32_t gpu) {
  const auto& gpus = system_.gpus();
  const auto count = static_cast<std::uint32_t>(gpus.size());
  const float share = count > 1 ? 1.0F / static_cast<float>(count - 1) : 1.0F;
  std::uint32_t out = 0, in = 0;
  while (out < count && Take(gpus[gpu], gpus[out], share)) ++out;
  if (out == count) {
    while (in < count && Take(gpus[in], gpus[gpu], share)) ++in;
    if (in == count) {
      std::uint32_t step = 1;
      for (std::uint32_t g = 0; g < count; ++g)
        if (g != gpu) trial_->gpus.back()[step++] = g;
      AtGpu({}, gpu, count);
    }
    while (in > 0) {
      --in;
      Take(gpus[in], gpus[gpu], -share);
    }
  }
  while (out > 0) {
    --out;
    Take(gpus[gpu], gpus[out], -share);
  }
}

}  // namespace weft
