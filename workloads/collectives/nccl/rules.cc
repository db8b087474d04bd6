#include "workloads/collectives/nccl/rules.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace weft {
namespace {

constexpr std::array<std::string_view, kNcclAlgorithms> kAlgorithmNames = {
    "Tree", "Ring", "CollNetDirect", "CollNetChain", "NVLS", "NVLSTree", "PAT"};
constexpr std::array<std::string_view, kNcclProtocols> kProtocolNames = {"LL", "LL128", "Simple"};

// Rates that a search tries [NCCL 2.28.9 src/graph/search.cc].
constexpr float kOld1[] = {40, 30, 20, 18, 15, 12, 10, 9, 7, 6, 5, 4, 3};
constexpr float kOldN[] = {48, 30, 28, 24, 20, 18,   15,   12,   10,  9,
                           7,  6,  5,  4,  3,  2.4F, 1.2F, .24F, .12F};
constexpr float kHopper1From218[] = {60, 40, 30, 24, 20, 15, 12, 6, 3};
constexpr float kHopper1From219[] = {60, 50, 40, 30, 24, 20, 15, 12, 6, 3};
constexpr float kHopper1[] = {60, 50, 40, 30, 24, 20, 15, 12, 11, 6, 3};
constexpr float kHopperNFrom218[] = {48, 45, 42, 40, 30,   24,   20,   17.5F,
                                     15, 12, 6,  3,  2.4F, 1.2F, .24F, .12F};
constexpr float kHopperN[] = {48, 45, 42, 40, 30,   24,   22,   20,  17.5F,
                              15, 12, 6,  3,  2.4F, 1.2F, .24F, .12F};
constexpr float kBlackwell1From225[] = {90, 80, 70, 60, 50, 40, 30, 24, 20, 19};
constexpr float kBlackwell1[] = {90, 80, 70, 60, 50, 40, 30, 24, 20, 19, 18};
constexpr float kBlackwell1From229[] = {90, 80, 70, 60, 50, 45, 40, 30, 24, 20, 19, 18};
constexpr float kBlackwellN[] = {96,    48, 45.1F, 42, 40, 30,   24,   22,   20,
                                 17.5F, 15, 12,    6,  3,  2.4F, 1.2F, .24F, .12F};
constexpr float kBlackwellNFrom229[] = {96,    80, 48, 45.1F, 42, 40,   30,   24,   22,  20,
                                        17.5F, 15, 12, 6,     3,  2.4F, 1.2F, .24F, .12F};
constexpr float kBlackwellNFrom230[] = {96, 86,    80, 48, 45.1F, 42, 40,   30,   24,   22,
                                        20, 17.5F, 15, 12, 6,     3,  2.4F, 1.2F, .24F, .12F};

// Algorithms in their order, LL, LL128, Simple [NCCL 2.28.9 src/graph/tuning.cc].
constexpr NcclRules Rules228() {
  NcclRules r;
  r.hopper_one_node = kHopper1;
  r.hopper_nodes = kHopperN;
  r.blackwell_one_node = kBlackwell1;
  r.blackwell_nodes = kBlackwellN;
  r.base = {{{6.8, 14, 8.4}, {6.6, 14, 8.4}, {}, {}, {}, {}, {8, 8, 8}}};
  r.nvlink = {
      {{.6, 1.25, 4}, {.6, 1.9, 3.4}, {0, 0, 3.7}, {0, 0, 2.8}, {0, 0, 25}, {0, 0, 25}, {0, 0, 4}}};
  r.pcie = {{{1, 1.9, 4}, {1, 2.5, 5.7}, {0, 0, 3.7}, {0, 0, 2.8}, {}, {}, {0, 0, 4}}};
  r.net = {
      {{5, 8.5, 14}, {2.7, 4, 14}, {0, 0, 31}, {0, 0, 30}, {0, 0, 18}, {0, 0, 20.9}, {0, 0, 14}}};
  r.ll_cap_one_node = {39, 87.7, 141, 282};
  r.ll_cap_other = {0, 39, 20.4};
  r.ll_cap_amd = {0, 22.5, 19};
  r.ring_ll128 = {{{20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 36.7}, {73.4, 34.6, 73.4}}};
  r.tree_ll128 = {{{20, 20, 20}, {20, 20, 20}, {36.7, 36.7, 29}, {55.6, 31.67, 20}}};
  r.tree = {{{26.5, 18.5, 10}, {24, 23.6, 17.8}, {38.7, 41.4, 36}, {70, 42.8, 24}}};
  r.nvls_tree = {{{26.5, 18.5, 10}, {24, 23.6, 17.8}, {0, 57.7, 45.5}, {0, 96, 43.8}}};
  r.nvls_efficiency = {0, 0, .85, .74};
  return r;
}

constexpr std::size_t Row(NcclAlgorithm a) { return static_cast<std::size_t>(a); }

constexpr NcclRules Rules229() {
  NcclRules r = Rules228();
  r.minor = 29;
  r.far_nics_before_hopper = true;
  r.net_channel_rate = 14;
  r.send_ll = NcclRules::SendLl::kOwnChannels;
  r.blackwell_one_node = kBlackwell1From229;
  r.blackwell_nodes = kBlackwellNFrom229;
  r.ring_ll128[3] = {40, 40, 40};
  r.nvls_tree_correction = true;
  r.least_traffic = 32 << 10;
  return r;
}

constexpr NcclRules Rules230() {
  NcclRules r = Rules229();
  r.minor = 30;
  r.blackwell_nodes = kBlackwellNFrom230;
  r.nvls_tree[3] = {0, 96, 80};
  r.routes_by_type = true;
  return r;
}

constexpr NcclRules Rules227() {
  NcclRules r = Rules228();
  r.minor = 27;
  r.net[Row(NcclAlgorithm::kNvlsTree)] = {0, 0, 14};
  r.ring_ll128[3] = {73.4, 73.4, 73.4};
  r.tree_ll128[3] = {73.4, 73.4, 58};
  r.tree[3] = {77.4, 82.8, 72};
  r.nvls = NcclRules::Nvls::kLesserGather;
  r.send_order = NcclRules::SendOrder::kNodes;
  return r;
}

constexpr NcclRules Rules226() {
  NcclRules r = Rules227();
  r.minor = 26;
  r.nvls = NcclRules::Nvls::kLesser;
  r.collnet_direct_by_net = false;
  r.nvls_gather_ranks = 0;
  r.nvls_channels_blackwell_one = 32;
  r.ll128_any_volta = false;
  r.c2c_routes = false;
  return r;
}

constexpr NcclRules Rules225() {
  NcclRules r = Rules226();
  r.minor = 25;
  r.nvlink_blackwell = 40.0F;
  r.blackwell_one_node = kBlackwell1From225;
  r.blackwell_nodes = kHopperN;
  r.intel_steps = 1;
  r.c2c_flushes = false;
  return r;
}

constexpr NcclRules Rules224() {
  NcclRules r = Rules225();
  r.minor = 24;
  r.max_channels = 32;
  r.max_nvls_channels = 32;
  r.knows_blackwell = false;
  return r;
}

constexpr NcclRules Rules223() {
  NcclRules r = Rules224();
  r.minor = 23;
  r.pat = 0.85;
  return r;
}

constexpr NcclRules Rules222() {
  NcclRules r = Rules223();
  r.minor = 22;
  for (NcclRules::Latency* const links : {&r.nvlink, &r.pcie, &r.net})
    (*links)[Row(NcclAlgorithm::kTree)][2] = 28;
  r.base[Row(NcclAlgorithm::kTree)][2] = 0;
  r.single_rank_uses_tree = false;
  r.ring_all_net_steps = true;
  r.ring_ll128_thin = 0.7;
  r.gather_at_bus_rate = false;
  r.has_pat = false;
  r.collnet_ranks = 1 << 20;
  r.least_traffic = 512;
  return r;
}

constexpr NcclRules Rules221() {
  NcclRules r = Rules222();
  r.minor = 21;
  r.tree_threads_full = false;
  r.split_by_traffic = false;
  r.send_order = NcclRules::SendOrder::kNodesBothWays;
  r.send_ll = NcclRules::SendLl::kPart;
  return r;
}

constexpr NcclRules Rules220() {
  NcclRules r = Rules221();
  r.minor = 20;
  r.nvlink[Row(NcclAlgorithm::kNvls)] = r.nvlink[Row(NcclAlgorithm::kNvlsTree)] = {0, 0, 23};
  r.hopper_one_node = kHopper1From219;
  r.ll_cap_one_node[2] = 87.7;
  r.ring_ll = 0.25;
  r.ring_ll_one_node = 1.0 / 3;
  r.nvls_tree_chunk = 512 << 10;
  return r;
}

constexpr NcclRules Rules219() {
  NcclRules r = Rules220();
  r.minor = 19;
  r.alternate_rings = false;
  r.send_channels_by_ranks = true;
  r.cross_nic_gain = 0.85F;
  r.collnet_gather = false;
  r.tree_chunk_shrinks = true;
  r.nvls_tree_small_chunk = false;
  r.fewer_net_channels = false;
  return r;
}

constexpr NcclRules Rules218() {
  NcclRules r = Rules219();
  r.minor = 18;
  r.hopper_flushes = true;
  r.neighbours_only = false;
  r.raise_nvls = false;
  r.nvlink_hopper = 20.0F;
  r.hopper_one_node = kHopper1From218;
  r.hopper_nodes = kHopperNFrom218;
  r.base[Row(NcclAlgorithm::kNvls)] = r.base[Row(NcclAlgorithm::kNvlsTree)] = {0, 0, 23};
  r.nvlink = {{{.6, 1.25, 4}, {.6, 1.9, 3.4}, {0, 0, 8}, {0, 0, 4.75}, {}, {}, {}}};
  r.pcie = {{{1, 1.9, 6}, {1, 2.5, 5.7}, {0, 0, 8}, {0, 0, 8}, {}, {}, {}}};
  r.net = {{{5, 8.5, 14}, {2.7, 4, 14}, {0, 0, 10.7}, {0, 0, 14}, {0, 0, 18}, {0, 0, 19}, {}}};
  r.collnet_arity = 0.5;
  r.nvls_adds_base = true;
  r.nvls_tree_linear = true;
  r.nvls = NcclRules::Nvls::kBusRate;
  r.nvls_gather = false;
  return r;
}

constexpr std::array kRules = {Rules218(), Rules219(), Rules220(), Rules221(), Rules222(),
                               Rules223(), Rules224(), Rules225(), Rules226(), Rules227(),
                               Rules228(), Rules229(), Rules230()};

template <std::size_t kCount>
int FindName(const std::array<std::string_view, kCount>& names, std::string_view text) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  for (std::size_t i = 0; i < kCount; ++i)
    if (std::equal(names[i].begin(), names[i].end(), text.begin(), text.end(),
                   [&](char a, char b) { return lower(a) == lower(b); }))
      return static_cast<int>(i);
  return -1;
}

}  // namespace

std::string_view NcclName(NcclAlgorithm algorithm) { return kAlgorithmNames[Row(algorithm)]; }
std::string_view NcclName(NcclProtocol protocol) {
  return kProtocolNames[static_cast<std::size_t>(protocol)];
}

std::optional<NcclAlgorithm> ParseNcclAlgorithm(std::string_view text) {
  const int row = FindName(kAlgorithmNames, text);
  return row < 0 ? std::nullopt : std::optional(static_cast<NcclAlgorithm>(row));
}

std::optional<NcclProtocol> ParseNcclProtocol(std::string_view text) {
  const int row = FindName(kProtocolNames, text);
  return row < 0 ? std::nullopt : std::optional(static_cast<NcclProtocol>(row));
}

std::optional<FoundNcclRules> FindNcclRules(std::string_view text) {
  std::array<int, 3> part{0, 0, 0};
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  std::size_t count = 0;
  while (count < part.size()) {
    const auto [next, error] = std::from_chars(at, end, part[count]);
    if (error != std::errc() || part[count] < 0) return std::nullopt;
    ++count;
    at = next;
    if (at == end) break;
    if (*at != '.') return std::nullopt;
    ++at;
  }
  if (at != end || count < 2) return std::nullopt;
  const int wanted = part[0] < 2 ? 0 : part[0] > 2 ? 1 << 20 : part[1];
  const NcclRules* best = &kRules.front();
  for (const NcclRules& rules : kRules)
    if (std::abs(rules.minor - wanted) <= std::abs(best->minor - wanted)) best = &rules;
  return FoundNcclRules{best, best->minor == wanted};
}

const NcclRules& DefaultNcclRules() { return *FindNcclRules("2.28")->rules; }

GpuGeneration GenerationOf(const NcclRules& rules, int capability) {
  if (capability >= 100 && rules.knows_blackwell) return GpuGeneration::kBlackwell;
  if (capability >= 90) return GpuGeneration::kHopper;
  return capability >= 80 ? GpuGeneration::kAmpere : GpuGeneration::kVolta;
}

float NvlinkRate(const NcclRules& rules, int capability) {
  if (capability >= 100 && rules.knows_blackwell) return rules.nvlink_blackwell;
  if (capability >= 90) return rules.nvlink_hopper;
  if (capability == 86) return 12;
  if (capability >= 60 && capability < 70) return 18;
  return 20;
}

NcclRules::Speeds SearchSpeeds(const NcclRules& rules, int capability, bool several_nodes) {
  switch (GenerationOf(rules, capability)) {
    case GpuGeneration::kBlackwell:
      return several_nodes ? rules.blackwell_nodes : rules.blackwell_one_node;
    case GpuGeneration::kHopper:
      return several_nodes ? rules.hopper_nodes : rules.hopper_one_node;
    default:
      return several_nodes ? NcclRules::Speeds(kOldN) : NcclRules::Speeds(kOld1);
  }
}

}  // namespace weft
