// A node as NCCL sees it: GPUs, PCIe switches, CPUs, NICs, and the routes between them.
//
// NCCL reads the machine into a graph whose links carry assumed rates, lower than the data
// sheets', finds one route from every vertex to every GPU, NIC and CPU, and then searches
// rings and trees in it [NCCL 2.28.9 src/graph/topo.cc, paths.cc]. Here the graph is made
// from a HostPart instead of from /sys; the rest is the same, so that the search finds the
// same channels.
//
//     cpu ──socket── cpu            a tray of an NVL72 is an operating-system host;
//      │              │             its domain is one node, joined by one NVSwitch vertex
//     pci            pci
//     ├─ gpu ─┐      ├─ gpu ─┐
//     └─ nic  └ NVS ─┼───────┘
//        └─ net      └─ nic ── net
//
// Shapes   V vertices, L links, T targets (GPUs, NETs, CPUs, the NVSwitch). Route of [T][V].
// Units    rates GB/s one way, single precision as in NCCL: the search adds and subtracts
//          them to three decimals, and what just fits depends on it.
// Errors   none: a HostPart is checked where it is made.
// Cost     O(T·L) and O(T·V·hops) memory; 72 GPUs: some milliseconds.
// Departs  every GPU pair may use peer access where the topology permits, GPUDirect RDMA is
//          on, a NIC of several ports is one device; NCCL asks the driver.
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/parts.h"
#include "workloads/collectives/nccl/rules.h"

namespace weft {

// From near to far, in NCCL's order; a link is kLocal, kNvlink, kC2c, kPci, kSocket or kNet.
enum class NcclPath : std::uint8_t {
  kLocal,
  kNvlink,
  kNvlinkRelay,  // NVB: over another GPU
  kC2c,
  kPci,       // PIX: at most one PCIe switch
  kPciMany,   // PXB
  kC2cPci,    // P2C
  kGpuRelay,  // PXN: NVLink to the GPU beside the NIC
  kCpu,       // PHB
  kSocket,    // SYS
  kNet,
  kNone
};
// As NCCL prints it: LOC NVL NVB C2C PIX PXB P2C PXN PHB SYS NET DIS.
const char* NcclPathName(NcclPath path);

inline constexpr std::uint32_t kNoNcclVertex = 0xffffffff;

struct NcclVertex {
  enum class Kind : std::uint8_t { kGpu, kPci, kNvswitch, kCpu, kNic, kNet };
  Kind kind = Kind::kGpu;
  std::uint32_t tray = 0;
  std::uint32_t number = 0;          // a GPU's or a NET's within its tray
  std::vector<std::uint32_t> links;  // in the order in which NCCL follows them
};

struct NcclLink {
  NcclPath type = NcclPath::kLocal;
  float rate = 0;
  std::uint32_t from = 0, to = 0;
};

struct NcclRoute {
  std::vector<std::uint32_t> links;  // from the vertex to the target
  float rate = 0;
  NcclPath type = NcclPath::kNone;
};

class NcclSystem {
 public:
  // The first `ranks` GPUs of a `host` take part; `several_nodes`: there are other nodes.
  // Requires: 1 <= ranks <= host.gpus, host.compute_capability > 0.
  // `pxn`: GPUs may send over the GPU beside a NIC (NCCL_PXN_DISABLE=0).
  NcclSystem(const HostPart& host, int ranks, bool several_nodes, const NcclRules& rules,
             bool pxn = true);

  const std::vector<NcclVertex>& vertices() const { return vertices_; }
  const std::vector<NcclLink>& links() const { return links_; }
  const std::vector<std::uint32_t>& gpus() const { return gpus_; }  // vertices, by rank
  const std::vector<std::uint32_t>& nets() const { return nets_; }
  std::uint32_t nvswitch() const { return nvswitch_; }  // kNoNcclVertex: none
  int compute_capability() const { return capability_; }
  HostSpec::Cpu cpu() const { return cpu_; }
  bool several_nodes() const { return several_nodes_; }
  int trays() const { return trays_; }
  const std::vector<float>& net_rate() const { return net_rate_; }  // of each NET

  // From a vertex to a target vertex.
  const NcclRoute& Route(std::uint32_t from, std::uint32_t target) const;
  // Between rows of gpus() and nets().
  const NcclRoute& GpuToGpu(std::uint32_t a, std::uint32_t b) const;
  const NcclRoute& GpuToNet(std::uint32_t gpu, std::uint32_t net) const;
  const NcclRoute& NetToGpu(std::uint32_t net, std::uint32_t gpu) const;

  // The GPU that a NET is nearest to and that prefers it; kNoNcclVertex: none.
  std::uint32_t LocalGpu(std::uint32_t net) const { return local_gpu_[net]; }
  // The NETs nearest to a GPU, rows, in the order of its channels.
  std::uint32_t LocalNet(std::uint32_t gpu, int channel) const;
  // Of a GPU's way to its CPU.
  float CpuRate(std::uint32_t gpu) const { return Route(gpus_[gpu], LocalCpu(gpu)).rate; }
  // All GPUs that share the widest, then nearest route from a NET.
  std::vector<std::uint32_t> NearestGpus(std::uint32_t net) const;

  float widest_route() const { return widest_route_; }  // GPU to NET, or to GPU on one node
  float widest_gpu() const { return widest_gpu_; }      // all links of one GPU
  bool all_nvlink() const;
  // Two groups of GPUs with NVLink inside and none between.
  bool split_nvlink() const;

 private:
  struct Builder;
  NcclRoute& At(std::uint32_t from, std::uint32_t target);
  void FindRoutes(std::uint32_t target, bool by_type);
  void Detour(std::uint32_t from, std::uint32_t over, std::uint32_t target);
  void DetourOverCpu();
  void PreferC2c();
  void RelayOverGpus();
  std::uint32_t FindLocalGpu(std::uint32_t net) const;
  std::uint32_t LocalCpu(std::uint32_t gpu) const;
  std::vector<std::uint32_t> NearestNets(std::uint32_t gpu) const;
  void Measure();

  std::vector<NcclVertex> vertices_;
  std::vector<NcclLink> links_;
  std::vector<std::uint32_t> gpus_, nets_, cpus_;
  std::vector<float> net_rate_;
  std::uint32_t nvswitch_ = kNoNcclVertex;
  int capability_ = 0, trays_ = 1;
  HostSpec::Cpu cpu_ = HostSpec::CPU_INTEL_SAPPHIRE_RAPIDS;
  bool several_nodes_ = false;
  std::vector<std::uint32_t> target_row_;       // [V], kNoNcclVertex: no target
  std::vector<std::vector<NcclRoute>> routes_;  // [T][V]
  std::vector<std::uint32_t> local_gpu_;        // [NETs]
  float widest_route_ = 0, widest_gpu_ = 0;
};

}  // namespace weft
