// What NCCL's search and cost model assume, one record a version.
//
// The records differ in numbers, seldom in a term: what changed between versions is data
// here, and the search, the cost model and the choice read it [NCCL src/graph/tuning.cc,
// topo.h, search.cc, src/enqueue.cc; tags v2.18.6-1 … v2.30.7-1].
//
// Units    rates GB/s of 10^9 bytes one way, latencies microseconds, as NCCL states them.
// Errors   FindNcclRules takes the nearest version where it does not know the one asked for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft {

// In NCCL's order, which settles ties.
enum class NcclAlgorithm : std::uint8_t {
  kTree,
  kRing,
  kCollNetDirect,
  kCollNetChain,
  kNvls,
  kNvlsTree,
  kPat
};
inline constexpr std::size_t kNcclAlgorithms = 7;
enum class NcclProtocol : std::uint8_t { kLl, kLl128, kSimple };
inline constexpr std::size_t kNcclProtocols = 3;

// As NCCL spells them: Tree, Ring, CollNetDirect … LL, LL128, Simple.
std::string_view NcclName(NcclAlgorithm algorithm);
std::string_view NcclName(NcclProtocol protocol);
// Without regard to case; none where there is no such name.
std::optional<NcclAlgorithm> ParseNcclAlgorithm(std::string_view text);
std::optional<NcclProtocol> ParseNcclProtocol(std::string_view text);

enum class GpuGeneration : std::uint8_t { kVolta, kAmpere, kHopper, kBlackwell };
inline constexpr std::size_t kGpuGenerations = 4;

struct NcclRules {
  using Latency = std::array<std::array<double, kNcclProtocols>, kNcclAlgorithms>;
  using BySize = std::array<double, 3>;  // one node, two, more
  using Caps = std::array<BySize, kGpuGenerations>;
  using Speeds = std::span<const float>;

  int minor = 28;  // of 2.minor

  // The search.
  int max_channels = 64;
  float nvlink_hopper = 20.6F, nvlink_blackwell = 40.1F;  // of one link
  Speeds hopper_one_node, hopper_nodes, blackwell_one_node, blackwell_nodes;
  bool c2c_routes = true;       // a NIC behind the CPU's C2C counts as near (2.27+)
  bool routes_by_type = false;  // the nearest kind of path before the widest (2.30+)
  int intel_steps = 3;          // rates of Intel's socket link: 1 all Skylake's, 3 by model (2.26+)
  bool alternate_rings = true;  // odd nodes exchange the rings of a pair (2.20+)
  float cross_nic_gain = 1;     // by which a second NIC must win (≤ 2.19: 1 over 0.85)
  bool neighbours_only = true;  // with NVSwitches only the GPUs beside one follow it (2.19+)
  bool raise_nvls = true;       // NVLS's network rate is raised at the end (2.19+)
  bool far_nics_before_hopper = false;  // every NIC may do, however far (2.29+)
  bool hopper_flushes = false;          // Hopper's NICs are flushed as Ampere's are (2.18)
  bool c2c_flushes = true;              // what overtakes a PCIe switch by C2C is flushed (2.26+)
  int max_nvls_channels = 64;

  // The cost model: latencies.
  Latency base{}, nvlink{}, pcie{}, net{};
  double collnet_arity = 0.4;         // a peer, CollNetDirect
  bool single_rank_uses_tree = true;  // with a rank a node, the network's latency is the tree's
  bool ring_all_net_steps = false;  // 2N network steps of an all-reduce, not 2(N − 1) (≤ 2.22)
  bool nvls_adds_base = false;      // 2.18
  bool nvls_tree_linear = false;    // 2.18: 2(N − 1) steps, not 2 log2 N

  // The cost model: rates.
  BySize ll_cap_other{}, ll_cap_amd{};  // index 0 unused: one node takes ll_cap_one_node
  std::array<double, kGpuGenerations> ll_cap_one_node{};
  Caps ring_ll128{}, tree_ll128{}, tree{}, nvls_tree{};
  std::array<double, kGpuGenerations> nvls_efficiency{};
  double ring_ll = 0.5, ring_ll_one_node = 0.5;  // the latter for all but all-reduce
  double ring_ll128_thin = 0.92;                 // fewer than two ranks a node
  double pat = 0.75;
  enum class Nvls : std::uint8_t {
    kBusRate,
    kLesser,
    kLesserGather,
    kEfficiency
  } nvls = Nvls::kEfficiency;         // 2.18; 2.19 … 2.26; 2.27; 2.28+
  bool collnet_direct_by_net = true;  // all-gather, reduce-scatter (2.27+)
  bool gather_at_bus_rate = true;     // non-ring all-gather: bus rate is S/t (2.23+)
  bool nvls_tree_correction = false;  // Blackwell on x86 (2.30+)

  // What is on.
  bool nvls_gather = true, collnet_gather = true, has_pat = true;
  bool tree_threads_full = true;  // 640 always (2.22+)
  int nvls_gather_ranks = 32;     // at most, local; 0: no limit
  int collnet_ranks = 8;          // at most, local
  bool ll128_any_volta = true;    // any capability from 7.0, else exactly 7.0, 8.0, 9.0 …
  int nvls_channels_hopper = 16, nvls_channels_blackwell = 32, nvls_channels_blackwell_one = 24;
  bool knows_blackwell = true;  // else it counts as Hopper

  // Shares and chunks.
  bool split_by_traffic = true;  // 2.22+
  std::int64_t least_traffic = 16 << 10;
  bool tree_chunk_shrinks = false;  // 2.18, 2.19
  int nvls_tree_chunk = 128 << 10;
  bool nvls_tree_small_chunk = true;  // 64 KiB from four nodes (2.20+)

  // All-to-all.
  enum class SendOrder : std::uint8_t {
    kNodesBothWays,
    kNodes,
    kGroups
  } send_order = SendOrder::kGroups;  // ≤ 2.21; 2.22 … 2.27; 2.28+
  enum class SendLl : std::uint8_t {
    kPart,
    kPeerChannels,
    kOwnChannels
  } send_ll = SendLl::kPeerChannels;    // up to 2.21; 2.22 to 2.28; 2.29+: what LL's limit is by
  bool send_channels_by_ranks = false;  // of one message, in one host (≤ 2.19)
  bool fewer_net_channels = true;       // one a remote peer in large communicators (2.20+)
  int net_channel_rate = 0;  // GB/s that a send's channel moves, which sets their count (2.29+)
};

struct FoundNcclRules {
  const NcclRules* rules = nullptr;
  bool exact = false;  // the very version, by major and minor
};

// `text` as 2.28 or 2.28.9; none where it is no version.
std::optional<FoundNcclRules> FindNcclRules(std::string_view text);
// The default: 2.28.
const NcclRules& DefaultNcclRules();

// kVolta below 8.0, kAmpere below 9.0, kHopper below 10.0. `capability` is times ten.
GpuGeneration GenerationOf(const NcclRules& rules, int capability);
// One NVLink's rate.
float NvlinkRate(const NcclRules& rules, int capability);
// The search's rates, highest first.
NcclRules::Speeds SearchSpeeds(const NcclRules& rules, int capability, bool several_nodes);

}  // namespace weft
