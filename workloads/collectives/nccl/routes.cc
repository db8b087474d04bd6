// Routes of a NcclSystem [NCCL 2.28.9 src/graph/paths.cc]: one to every target, and where
// NCCL bends them.
#include <algorithm>

#include "base/check.h"
#include "workloads/collectives/nccl/system.h"

namespace weft {
namespace {

using Kind = NcclVertex::Kind;

constexpr float kLocalRate = 5000;

// What a route becomes that goes on from `node` over `link` to `next`.
NcclPath Extended(const NcclRoute& route, const NcclLink& link, const NcclVertex& node,
                  const NcclVertex& next) {
  NcclPath type = link.type == NcclPath::kNet ? NcclPath::kLocal : link.type;
  if (node.kind == Kind::kPci && next.kind == Kind::kPci) type = NcclPath::kPciMany;
  if (link.type == NcclPath::kPci && (node.kind == Kind::kCpu || next.kind == Kind::kCpu))
    type = NcclPath::kCpu;
  if (node.kind == Kind::kGpu && route.type == NcclPath::kNvlink && type == NcclPath::kNvlink &&
      !route.links.empty())
    type = NcclPath::kNvlinkRelay;
  return std::max(route.type, type);
}

}  // namespace

const NcclRoute& NcclSystem::Route(std::uint32_t from, std::uint32_t target) const {
  return routes_[target_row_[target]][from];
}
NcclRoute& NcclSystem::At(std::uint32_t from, std::uint32_t target) {
  return routes_[target_row_[target]][from];
}
const NcclRoute& NcclSystem::GpuToGpu(std::uint32_t a, std::uint32_t b) const {
  return Route(gpus_[a], gpus_[b]);
}
const NcclRoute& NcclSystem::GpuToNet(std::uint32_t gpu, std::uint32_t net) const {
  return Route(gpus_[gpu], nets_[net]);
}
const NcclRoute& NcclSystem::NetToGpu(std::uint32_t net, std::uint32_t gpu) const {
  return Route(nets_[net], gpus_[gpu]);
}

// Breadth first from the target. A longer or equal route only replaces one where it is wider
// than none, or shorter and wider; from 2.30 the kind of path counts first.
void NcclSystem::FindRoutes(std::uint32_t target, bool by_type) {
  target_row_[target] = static_cast<std::uint32_t>(routes_.size());
  std::vector<NcclRoute>& to = routes_.emplace_back(vertices_.size());
  to[target] = {{}, kLocalRate, NcclPath::kLocal};
  std::vector<std::uint32_t> now{target}, next;
  while (!now.empty()) {
    next.clear();
    for (const std::uint32_t v : now) {
      for (const std::uint32_t l : vertices_[v].links) {
        const NcclLink& link = links_[l];
        const NcclRoute& route = to[v];
        NcclRoute& other = to[link.to];
        const NcclVertex &node = vertices_[v], &neighbour = vertices_[link.to];
        // A GPU relays for one NVLink hop to another GPU only.
        if (v != target && node.kind == Kind::kGpu &&
            (link.type != NcclPath::kNvlink || neighbour.kind != Kind::kGpu ||
             route.links.size() > 1))
          continue;
        const float rate = std::min(route.rate, link.rate);
        const NcclPath type = Extended(route, link, node, neighbour);
        const bool shorter = other.links.size() > route.links.size();
        const bool better = by_type
                                ? type < other.type || (type == other.type && other.rate < rate) ||
                                      (type == other.type && other.rate == rate &&
                                       other.links.size() > route.links.size() + 1)
                                : (other.rate == 0 || shorter) && other.rate < rate;
        if (!better) continue;
        const auto back = std::find_if(
            neighbour.links.begin(), neighbour.links.end(),
            [&](std::uint32_t r) { return links_[r].to == v && links_[r].type == link.type; });
        WEFT_CHECK(back != neighbour.links.end());
        NcclRoute replaced{{*back}, rate, type};
        replaced.links.insert(replaced.links.end(), route.links.begin(), route.links.end());
        other = std::move(replaced);
        if (std::find(next.begin(), next.end(), link.to) == next.end()) next.push_back(link.to);
      }
    }
    now.swap(next);
  }
}

void NcclSystem::Detour(std::uint32_t from, std::uint32_t over, std::uint32_t target) {
  const NcclRoute first = Route(from, over), second = Route(over, target);
  NcclRoute& route = At(from, target);
  route.links = first.links;
  route.links.insert(route.links.end(), second.links.begin(), second.links.end());
  route.rate = std::min(first.rate, second.rate);
  const auto [near, far] = std::minmax(first.type, second.type);
  route.type = vertices_[over].kind == Kind::kGpu                ? NcclPath::kGpuRelay
               : far == NcclPath::kCpu && near == NcclPath::kC2c ? NcclPath::kC2cPci
                                                                 : far;
}

std::uint32_t NcclSystem::LocalCpu(std::uint32_t gpu) const {
  std::uint32_t best = cpus_.front();
  std::size_t hops = 0;
  for (const std::uint32_t cpu : cpus_) {
    const std::size_t count = Route(gpus_[gpu], cpu).links.size();
    if (count > 0 && (hops == 0 || count < hops)) {
      best = cpu;
      hops = count;
    }
  }
  return best;
}

// GPUs farther than a chain of PCIe switches do not reach each other's memory: their data go
// through the memory of the receiver's CPU. A pair alone on an AMD host does.
void NcclSystem::DetourOverCpu() {
  const bool far_peers = cpu_ == HostSpec::CPU_AMD && gpus_.size() <= 2;
  const NcclPath reach = far_peers ? NcclPath::kSocket : NcclPath::kPciMany;
  for (std::uint32_t g = 0; g < gpus_.size(); ++g)
    for (std::uint32_t p = 0; p < gpus_.size(); ++p)
      if (GpuToGpu(p, g).type > reach) Detour(gpus_[p], LocalCpu(g), gpus_[g]);
}

// Behind a CPU that the GPU reaches by C2C, a NIC counts as near.
void NcclSystem::PreferC2c() {
  for (const std::uint32_t net : nets_) {
    for (std::uint32_t g = 0; g < gpus_.size(); ++g) {
      const std::uint32_t cpu = LocalCpu(g);
      const auto [near, far] = std::minmax(Route(gpus_[g], cpu).type, Route(net, cpu).type);
      if (near != NcclPath::kC2c || far != NcclPath::kCpu) continue;
      for (NcclRoute* route : {&At(gpus_[g], net), &At(net, gpus_[g])})
        route->type = std::min(NcclPath::kC2cPci, route->type);
    }
  }
}

// A GPU sends over the GPU beside the NIC, by NVLink, where that is wider or avoids the CPU.
void NcclSystem::RelayOverGpus() {
  for (std::uint32_t n = 0; n < nets_.size(); ++n) {
    for (std::uint32_t g = 0; g < gpus_.size(); ++g) {
      const std::uint32_t relay = FindLocalGpu(n);
      if (relay == g || relay == kNoNcclVertex) continue;
      const NcclRoute &own = GpuToNet(g, n), &other = GpuToNet(relay, n);
      if (other.type <= NcclPath::kC2cPci && GpuToGpu(relay, g).type <= NcclPath::kNvlink &&
          vertices_[gpus_[relay]].tray == vertices_[gpus_[g]].tray &&
          (other.rate > own.rate || own.type > NcclPath::kGpuRelay))
        Detour(gpus_[g], gpus_[relay], nets_[n]);
    }
  }
}

namespace {

// Rows of the widest, then nearest routes.
template <typename RouteOf>
std::vector<std::uint32_t> Nearest(std::size_t count, RouteOf route_of) {
  std::vector<std::uint32_t> rows;
  float rate = 0;
  NcclPath type = NcclPath::kNone;
  for (std::uint32_t i = 0; i < count; ++i) {
    const NcclRoute& route = route_of(i);
    if (route.rate > rate || (route.rate == rate && route.type < type)) {
      rate = route.rate;
      type = route.type;
      rows.clear();
    }
    if (route.rate == rate && route.type == type) rows.push_back(i);
  }
  return rows;
}

std::uint32_t MirrorBits(std::uint32_t value, std::uint32_t power) {
  std::uint32_t mirrored = 0;
  for (std::uint32_t bit = 1, other = power >> 1; bit < power; bit <<= 1, other >>= 1)
    if (value & bit) mirrored |= other;
  return mirrored;
}

}  // namespace

std::vector<std::uint32_t> NcclSystem::NearestNets(std::uint32_t gpu) const {
  return Nearest(nets_.size(),
                 [&](std::uint32_t n) -> const NcclRoute& { return GpuToNet(gpu, n); });
}

std::vector<std::uint32_t> NcclSystem::NearestGpus(std::uint32_t net) const {
  return Nearest(gpus_.size(),
                 [&](std::uint32_t g) -> const NcclRoute& { return NetToGpu(net, g); });
}

// GPUs that share NICs start at different ones, by mirrored number, and take turns over the
// NICs that are theirs.
std::uint32_t NcclSystem::LocalNet(std::uint32_t gpu, int channel) const {
  const std::vector<std::uint32_t> local = NearestNets(gpu);
  const auto count = static_cast<std::uint32_t>(local.size());
  const auto sharers = static_cast<std::uint32_t>(NearestGpus(local.front()).size());
  const std::uint32_t own = std::max(1U, (count + sharers - 1) / std::max(1U, sharers));
  std::uint32_t net = vertices_[gpus_[gpu]].number;
  if ((count & (count - 1)) == 0) net = MirrorBits(net, count);
  return local[(net + static_cast<std::uint32_t>(channel) % own) % count];
}

std::uint32_t NcclSystem::FindLocalGpu(std::uint32_t net) const {
  const std::vector<std::uint32_t> near = NearestGpus(net);
  // As many turns as a GPU can have NICs: after that LocalNet repeats.
  for (int channel = 0; channel < static_cast<int>(nets_.size()); ++channel)
    for (const std::uint32_t gpu : near)
      if (LocalNet(gpu, channel) == net) return gpu;
  return kNoNcclVertex;
}

bool NcclSystem::all_nvlink() const {
  for (std::uint32_t a = 0; a < gpus_.size(); ++a)
    for (std::uint32_t b = 0; b < gpus_.size(); ++b)
      if (a != b && GpuToGpu(a, b).type >= NcclPath::kPci) return false;
  return true;
}

bool NcclSystem::split_nvlink() const {
  std::vector<std::size_t> domain(gpus_.size()), size(gpus_.size(), 0);
  for (std::size_t g = 0; g < domain.size(); ++g) domain[g] = g;
  for (std::uint32_t g = 0; g < gpus_.size(); ++g)
    for (std::uint32_t p = g + 1; p < gpus_.size(); ++p)
      if (GpuToGpu(g, p).type == NcclPath::kNvlink) domain[p] = domain[g];
  for (const std::size_t d : domain) ++size[d];
  return std::count_if(size.begin(), size.end(), [](std::size_t n) { return n > 1; }) == 2;
}

}  // namespace weft
