#include "workloads/collectives/nccl/system.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace weft {
namespace {

using Kind = NcclVertex::Kind;

constexpr float kLocalRate = 5000;

// Of a link between sockets [NCCL 2.28.9 src/graph/topo.h].
float SocketRate(HostSpec::Cpu cpu, const NcclRules& rules) {
  switch (cpu) {
    case HostSpec::CPU_INTEL_BROADWELL:
      return 6;
    case HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS:
      return rules.intel_steps > 1 ? 22 : 10;
    case HostSpec::CPU_INTEL_EMERALD_RAPIDS:
      return rules.intel_steps > 1 ? 40 : 10;
    case HostSpec::CPU_AMD:
      return 16;
    case HostSpec::CPU_ARM:
      return 6;
    case HostSpec::CPU_POWER:
      return 32;
    default:
      return 10;
  }
}

// Of 16 lanes: 12, 24, 48, 96 by generation, told from the rate after line encoding.
float PcieRate(const HostPart& host) {
  const double generation = std::round(std::log2(host.pcie.bits_per_second() / 126e9));
  return 12 * static_cast<float>(std::exp2(std::clamp(generation, 0.0, 3.0)));
}

// The hybrid cube mesh: links of GPU 0 … 3 within their four, GPU g to g + 4 beside; the
// second four are wired alike [NV-DGX1V].
constexpr int kMesh[4][4] = {{0, 1, 1, 2}, {1, 0, 2, 1}, {1, 2, 0, 2}, {2, 1, 2, 0}};
constexpr int kAcross[4] = {2, 2, 1, 1};

int DirectLinks(const HostPart& host, std::uint32_t a, std::uint32_t b) {
  if (host.nvlink_shape == HostSpec::NVLINK_SHAPE_ALL_TO_ALL)
    return host.gpus > 1 ? host.nvlinks / (host.gpus - 1) : 0;
  if (a / 4 == b / 4) return kMesh[a % 4][b % 4];
  return a % 4 == b % 4 ? kAcross[a % 4] : 0;
}

}  // namespace

// Adds vertices and links in the order in which NCCL meets them in its description.
struct NcclSystem::Builder {
  NcclSystem& system;
  const HostPart& host;
  const NcclRules& rules;
  std::uint32_t ranks;

  std::uint32_t Vertex(Kind kind, std::uint32_t tray, std::uint32_t number) {
    system.vertices_.push_back({kind, tray, number, {}});
    return static_cast<std::uint32_t>(system.vertices_.size() - 1);
  }

  // Links of a vertex stand widest first, equal ones as they came; equal ends share one.
  void Link(std::uint32_t from, std::uint32_t to, NcclPath type, float rate) {
    std::vector<std::uint32_t>& own = system.vertices_[from].links;
    auto row = std::find_if(own.begin(), own.end(), [&](std::uint32_t l) {
      return system.links_[l].to == to && system.links_[l].type == type;
    });
    if (row == own.end()) {
      system.links_.push_back({type, 0, from, to});
      own.push_back(static_cast<std::uint32_t>(system.links_.size() - 1));
      row = own.end() - 1;
    }
    system.links_[*row].rate += rate;
    for (; row != own.begin() && system.links_[*(row - 1)].rate < system.links_[*row].rate; --row)
      std::swap(*(row - 1), *row);
  }

  void Both(std::uint32_t a, std::uint32_t b, NcclPath type, float rate) {
    Link(a, b, type, rate);
    Link(b, a, type, rate);
  }

  void AddGpu(std::uint32_t tray, std::uint32_t number, std::uint32_t parent) {
    const auto per_tray = static_cast<std::uint32_t>(host.gpus_per_tray);
    if (tray * per_tray + number >= ranks) return;  // no rank: NCCL leaves it out
    const std::uint32_t gpu = Vertex(Kind::kGpu, tray, number);
    system.gpus_.push_back(gpu);
    Both(gpu, parent, NcclPath::kPci, PcieRate(host));
  }

  void AddNic(std::uint32_t tray, std::uint32_t number, std::uint32_t parent) {
    const std::uint32_t nic = Vertex(Kind::kNic, tray, number);
    const std::uint32_t net = Vertex(Kind::kNet, tray, number);
    const auto rate = static_cast<float>(host.nic().bits_per_second() / 8e9);
    system.nets_.push_back(net);
    system.net_rate_.push_back(rate);
    Both(nic, net, NcclPath::kNet, rate);
    Both(nic, parent, NcclPath::kPci, PcieRate(host));
  }

  // Row i of `count` things dealt evenly over `over` places.
  static std::uint32_t Dealt(std::uint32_t i, std::uint32_t count, std::uint32_t over) {
    return static_cast<std::uint32_t>(std::uint64_t{i} * over / count);
  }

  // CPUs, and under each its switches, and under each its GPUs, then its NICs.
  void AddTray(std::uint32_t tray) {
    const int trays = (host.gpus + host.gpus_per_tray - 1) / host.gpus_per_tray;
    const auto gpus = static_cast<std::uint32_t>(host.gpus_per_tray);
    const auto nics = static_cast<std::uint32_t>(std::max(1, host.nics / trays));
    const auto each = static_cast<std::uint32_t>(host.gpus_per_pcie_switch);
    const std::uint32_t places = each == 0 ? gpus : (gpus + each - 1) / each;
    const auto cpus = std::min(static_cast<std::uint32_t>(host.numa_nodes), places);
    for (std::uint32_t c = 0; c < cpus; ++c) {
      const std::uint32_t cpu = Vertex(Kind::kCpu, tray, c);
      system.cpus_.push_back(cpu);
      for (std::uint32_t s = 0; s < places; ++s) {
        if (Dealt(s, places, cpus) != c) continue;
        const std::uint32_t parent = each == 0 ? cpu : Vertex(Kind::kPci, tray, s);
        for (std::uint32_t g = 0; g < gpus; ++g)
          if (each == 0 ? g == s : g / each == s) AddGpu(tray, g, parent);
        for (std::uint32_t n = 0; n < nics; ++n)
          if (Dealt(n, nics, places) == s) AddNic(tray, n, parent);
        if (each != 0) Both(parent, cpu, NcclPath::kPci, PcieRate(host));
      }
    }
  }

  void AddNvlinks() {
    if (host.nvlinks == 0) return;
    const float rate = NvlinkRate(rules, host.compute_capability);
    if (host.nvlink_shape == HostSpec::NVLINK_SHAPE_SWITCH) {
      system.nvswitch_ = Vertex(Kind::kNvswitch, 0, 0);
      for (const std::uint32_t gpu : system.gpus_)
        Both(gpu, system.nvswitch_, NcclPath::kNvlink, rate * static_cast<float>(host.nvlinks));
      return;
    }
    for (std::uint32_t a = 0; a < system.gpus_.size(); ++a)
      for (std::uint32_t b = 0; b < system.gpus_.size(); ++b)
        if (const int count = DirectLinks(host, a, b); a != b && count > 0)
          Link(system.gpus_[a], system.gpus_[b], NcclPath::kNvlink,
               rate * static_cast<float>(count));
  }

  void AddC2c() {
    const auto rate = static_cast<float>(host.c2c.bits_per_second() / 8e9);
    if (rate <= 0) return;
    for (const std::uint32_t gpu : system.gpus_)
      for (const std::uint32_t l : std::vector(system.vertices_[gpu].links))
        if (const NcclLink link = system.links_[l];
            link.type == NcclPath::kPci && system.vertices_[link.to].kind == Kind::kCpu)
          Both(gpu, link.to, NcclPath::kC2c, rate);
  }

  void AddSockets() {
    const float rate = SocketRate(host.cpu, rules);
    for (const std::uint32_t a : system.cpus_)
      for (const std::uint32_t b : system.cpus_)
        if (a != b && system.vertices_[a].tray == system.vertices_[b].tray)
          Link(a, b, NcclPath::kSocket, rate);
  }

  // Puts the way up last, below the ways down.
  void SortUnder(std::uint32_t vertex, std::uint32_t above) {
    std::vector<std::uint32_t>& own = system.vertices_[vertex].links;
    const auto up = std::find_if(own.begin(), own.end(),
                                 [&](std::uint32_t l) { return system.links_[l].to == above; });
    if (up != own.end()) std::rotate(up, up + 1, own.end());
    for (const std::uint32_t l : std::vector(own))
      if (system.links_[l].type == NcclPath::kPci && system.links_[l].to != above)
        SortUnder(system.links_[l].to, vertex);
  }
};

const char* NcclPathName(NcclPath path) {
  constexpr const char* kNames[] = {"LOC", "NVL", "NVB", "C2C", "PIX", "PXB",
                                    "P2C", "PXN", "PHB", "SYS", "NET", "DIS"};
  return kNames[static_cast<std::size_t>(path)];
}

NcclSystem::NcclSystem(const HostPart& host, int ranks, bool several_nodes, const NcclRules& rules,
                       bool pxn)
    : capability_(host.compute_capability), cpu_(host.cpu), several_nodes_(several_nodes) {
  WEFT_CHECK(ranks >= 1 && ranks <= host.gpus && capability_ > 0);
  trays_ = (ranks + host.gpus_per_tray - 1) / host.gpus_per_tray;
  Builder builder{*this, host, rules, static_cast<std::uint32_t>(ranks)};
  for (int t = 0; t < trays_; ++t) builder.AddTray(static_cast<std::uint32_t>(t));
  builder.AddNvlinks();
  builder.AddC2c();
  builder.AddSockets();
  for (const std::uint32_t cpu : cpus_) builder.SortUnder(cpu, kNoNcclVertex);

  target_row_.assign(vertices_.size(), kNoNcclVertex);
  for (const auto* kind : {&cpus_, &gpus_, &nets_})
    for (const std::uint32_t target : *kind) FindRoutes(target, rules.routes_by_type);
  if (nvswitch_ != kNoNcclVertex) FindRoutes(nvswitch_, rules.routes_by_type);
  DetourOverCpu();
  if (rules.c2c_routes) PreferC2c();
  if (pxn) RelayOverGpus();
  for (std::uint32_t n = 0; n < nets_.size(); ++n) local_gpu_.push_back(FindLocalGpu(n));
  Measure();
}

void NcclSystem::Measure() {
  if (!several_nodes_ && gpus_.size() == 1) {
    widest_route_ = widest_gpu_ = kLocalRate;
    return;
  }
  for (std::uint32_t g = 0; g < gpus_.size(); ++g) {
    const auto count = static_cast<std::uint32_t>(several_nodes_ ? nets_.size() : gpus_.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      const NcclRoute& route = several_nodes_ ? GpuToNet(g, i) : GpuToGpu(g, i);
      if (!route.links.empty()) widest_route_ = std::max(widest_route_, route.rate);
    }
    float nvlink = 0, pcie = 0;
    for (const std::uint32_t l : vertices_[gpus_[g]].links) {
      if (links_[l].type == NcclPath::kNvlink) nvlink += links_[l].rate;
      if (links_[l].type == NcclPath::kPci) pcie = links_[l].rate;
    }
    widest_gpu_ = std::max({widest_gpu_, nvlink, pcie});
  }
}

}  // namespace weft
