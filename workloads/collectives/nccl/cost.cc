// NCCL's cost model [NCCL 2.28.9 src/graph/tuning.cc]; what other versions have otherwise
// stands in their rules.
#include <algorithm>
#include <bit>
#include <limits>

#include "workloads/collectives/nccl/cost_internal.h"

namespace weft {
namespace {

using Algorithm = NcclAlgorithm;
using Protocol = NcclProtocol;

constexpr std::size_t Row(auto value) { return static_cast<std::size_t>(value); }

bool IsGather(NcclOp op) { return op == NcclOp::kAllGather || op == NcclOp::kReduceScatter; }
bool IsNvls(Algorithm a) { return a == Algorithm::kNvls || a == Algorithm::kNvlsTree; }
bool IsCollNet(Algorithm a) {
  return a == Algorithm::kCollNetDirect || a == Algorithm::kCollNetChain;
}

// Steps of a ring.
int Steps(const NcclComm& comm, NcclOp op) {
  const int ranks = comm.ranks();
  return op == NcclOp::kAllReduce ? 2 * (ranks - 1) : IsGather(op) ? ranks - 1 : ranks;
}

// Whether NCCL has the pair at all, by operation and version.
bool Exists(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p) {
  const NcclRules& rules = *comm.rules;
  if (p != Protocol::kSimple && (IsNvls(a) || IsCollNet(a) || a == Algorithm::kPat)) return false;
  switch (op) {
    case NcclOp::kBroadcast:
    case NcclOp::kReduce:
      return a == Algorithm::kRing;
    case NcclOp::kAllReduce:
      return a != Algorithm::kPat;
    default:
      return a == Algorithm::kRing || (a == Algorithm::kPat && rules.has_pat) ||
             (a == Algorithm::kNvls && rules.nvls_gather) ||
             (a == Algorithm::kCollNetDirect && rules.collnet_gather);
  }
}

// LL128 needs stores that arrive in order: NVLink inside, NICs near the GPU.
bool Ll128Works(const NcclComm& comm, const NcclGraph& graph) {
  const int capability = comm.compute_capability;
  const NcclPath farthest = capability >= 90 ? NcclPath::kGpuRelay : NcclPath::kPciMany;
  if (comm.nodes > 1 && graph.type_inter > farthest) return false;
  if (graph.type_intra > NcclPath::kNvlinkRelay || capability < 70) return false;
  const bool major = capability == 70 || capability == 80 || capability == 90 ||
                     (comm.rules->knows_blackwell && (capability == 100 || capability == 120));
  return comm.rules->ll128_any_volta || major;
}

bool IsOn(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p) {
  const NcclRules& rules = *comm.rules;
  const NcclGraph& graph = comm.GraphOf(a);
  if (graph.channels() == 0) return false;
  if (IsNvls(a)) {
    if (!comm.nvls_on || (a == Algorithm::kNvlsTree && comm.nodes == 1)) return false;
    if (a == Algorithm::kNvls && comm.nodes > 1 && !comm.collnet_on) return false;
    if (graph.channels() < 2 && rules.nvls == NcclRules::Nvls::kEfficiency) return false;
    const bool limited = op != NcclOp::kAllReduce && rules.nvls_gather_ranks > 0;
    if (limited && comm.per_node > rules.nvls_gather_ranks) return false;
  }
  if (IsCollNet(a)) {
    if (!comm.collnet_on || comm.per_node > rules.collnet_ranks) return false;
    if (a == Algorithm::kCollNetDirect && !comm.nvswitch) return false;
  }
  // Gathering on NVLS or CollNet over nodes needs a head for every local rank.
  if (IsGather(op) && comm.nodes > 1 && (IsNvls(a) || IsCollNet(a)) &&
      static_cast<int>(comm.collnet_direct.channels()) < comm.per_node)
    return false;
  if (a == Algorithm::kPat && (comm.per_node != 1 || comm.compute_capability < 60)) return false;
  return p != Protocol::kLl128 || Ll128Works(comm, graph);
}

// What a channel of NVLS moves: all GPUs by one multicast, its head twice.
double NvlsRate(const NcclComm& comm, NcclOp op, Algorithm a, std::size_t by_size) {
  const NcclRules& rules = *comm.rules;
  const NcclGraph& graph = comm.nvls;
  const auto generation = Row(GenerationOf(rules, comm.compute_capability));
  const double intra = graph.rate_intra, inter = graph.rate_inter;
  const double channels = graph.channels(), ranks = comm.per_node;
  switch (rules.nvls) {
    case NcclRules::Nvls::kBusRate:
      return comm.nodes <= 2 ? intra : inter;
    case NcclRules::Nvls::kLesserGather:
      if (IsGather(op)) return std::min(intra * (ranks - 1) / ranks, 0.9 * inter);
      [[fallthrough]];
    case NcclRules::Nvls::kLesser:
      if (a == Algorithm::kNvls) return std::min(intra, inter);
      return std::min(intra, comm.nodes <= 2 ? inter : inter / 2);
    case NcclRules::Nvls::kEfficiency:
      break;
  }
  const double share = op == NcclOp::kAllReduce ? 2 : (ranks - 1) / ranks;
  const double bus = intra * rules.nvls_efficiency[generation] * (channels - 1) / channels * share;
  if (a == Algorithm::kNvls) return std::min(bus, inter);
  return std::min({bus, comm.nodes <= 2 ? 2 * inter : inter, rules.nvls_tree[generation][by_size]});
}

double TreeRate(const NcclComm& comm, Protocol p, double bus, double ll_cap, std::size_t by_size) {
  const auto generation = Row(GenerationOf(*comm.rules, comm.compute_capability));
  const double channels = comm.tree.channels();
  double rate = std::min(0.92 * bus, channels * comm.rules->tree[generation][by_size]);
  if (p == Protocol::kLl) rate = std::min(rate / 3.8, ll_cap);
  if (p == Protocol::kLl128)
    rate = std::min(rate * (comm.nodes == 1 ? 7.0 / 9 : 120.0 / 128),
                    channels * comm.rules->tree_ll128[generation][by_size]);
  return comm.tree.pattern == NcclGraph::Pattern::kTree ? 0.85 * rate : rate;
}

double RingRate(const NcclComm& comm, NcclOp op, Protocol p, double bus, double ll_cap,
                std::size_t by_size) {
  const NcclRules& rules = *comm.rules;
  const auto generation = Row(GenerationOf(rules, comm.compute_capability));
  if (p == Protocol::kSimple) return bus;
  if (p == Protocol::kLl) {
    const bool other = comm.nodes == 1 && op != NcclOp::kAllReduce && op != NcclOp::kReduce;
    return std::min(ll_cap, bus * (other ? rules.ring_ll_one_node : rules.ring_ll));
  }
  return std::min(bus * (comm.per_node < 2 ? rules.ring_ll128_thin : 0.92),
                  comm.ring.channels() * rules.ring_ll128[generation][by_size]);
}

double DirectRate(const NcclComm& comm, NcclOp op, double bus) {
  const NcclGraph& graph = comm.collnet_direct;
  const double ranks = comm.per_node;
  if (IsGather(op)) {
    if (comm.rules->collnet_direct_by_net)
      return ranks * std::min<double>(graph.rate_intra, 0.9 * graph.rate_inter);
    return ranks * graph.rate_intra * (0.95 - 0.1 * (ranks - 1) / 7);
  }
  double share = ranks / graph.channels();  // GPUs a NIC
  share -= (share - 1) / 2;
  return bus / share * (comm.compute_capability >= 90 ? 0.85 : 1);
}

double Rate(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p) {
  const NcclRules& rules = *comm.rules;
  const NcclGraph& graph = comm.GraphOf(a);
  const std::size_t by_size = comm.nodes <= 2 ? static_cast<std::size_t>(comm.nodes - 1) : 2;
  const double each = comm.nodes <= 2 || IsCollNet(a) ? graph.rate_intra : graph.rate_inter;
  double bus = each * graph.channels();
  // One node goes by the GPU, several by the CPU.
  const double ll_cap =
      comm.nodes == 1
          ? rules.ll_cap_one_node[Row(GenerationOf(rules, comm.compute_capability))]
          : (comm.cpu == HostSpec::CPU_AMD ? rules.ll_cap_amd : rules.ll_cap_other)[by_size];
  if (IsNvls(a)) bus = graph.channels() * NvlsRate(comm, op, a, by_size);
  if (a == Algorithm::kRing) bus = RingRate(comm, op, p, bus, ll_cap, by_size);
  if (a == Algorithm::kTree) bus = TreeRate(comm, p, bus, ll_cap, by_size);
  if (a == Algorithm::kPat) bus *= rules.pat;
  if (a == Algorithm::kCollNetDirect) bus = DirectRate(comm, op, bus);

  const double ring_ratio = static_cast<double>(comm.ranks()) / Steps(comm, op);
  if (a == Algorithm::kRing) return bus * ring_ratio;
  if (IsGather(op)) return rules.gather_at_bus_rate || !IsNvls(a) ? bus : bus * 5 / 6;
  if (!IsNvls(a)) return bus / 2;
  if (rules.nvls == NcclRules::Nvls::kEfficiency) return bus * ring_ratio;
  if (rules.nvls != NcclRules::Nvls::kBusRate || a == Algorithm::kNvls) return bus * 5 / 6;
  return bus * 0.70 * comm.nodes / (2.0 * std::max(1, comm.nodes - 1));
}

int Log2(int value) { return static_cast<int>(std::bit_width(static_cast<unsigned>(value))) - 1; }

// Of the hops of a ring.
double RingLatency(const NcclComm& comm, NcclOp op, Protocol p, const NcclRules::Latency& inner,
                   double intra, double inter) {
  const NcclRules& rules = *comm.rules;
  const int steps = Steps(comm, op);
  if (op == NcclOp::kBroadcast || op == NcclOp::kReduce) {
    const NcclRules::Latency& link = comm.nodes == 1 ? inner : rules.net;
    if (comm.ring.same_channels) return link[Row(Algorithm::kRing)][Row(p)];
    return steps * link[Row(p == Protocol::kSimple ? Algorithm::kTree : Algorithm::kRing)][Row(p)];
  }
  const double overhead = comm.nodes == 1 ? 0 : NcclNetOverhead(comm, p);
  const int crossings = comm.nodes == 1            ? 0
                        : op != NcclOp::kAllReduce ? comm.nodes - 1
                        : rules.ring_all_net_steps ? 2 * comm.nodes
                                                   : 2 * (comm.nodes - 1);
  return (steps - crossings) * std::max(intra, overhead) + crossings * inter;
}

double Latency(const NcclComm& comm, NcclOp op, Algorithm a, Protocol p) {
  const NcclRules& rules = *comm.rules;
  NcclRules::Latency inner =
      comm.GraphOf(a).type_intra == NcclPath::kNvlink ? rules.nvlink : rules.pcie;
  if (comm.cpu == HostSpec::CPU_POWER && comm.GraphOf(a).type_intra != NcclPath::kNvlink)
    inner[Row(Algorithm::kTree)][2] = inner[Row(Algorithm::kRing)][2];
  const double base = rules.base[Row(a)][Row(p)], intra = inner[Row(a)][Row(p)];
  const bool alone = comm.per_node == 1 && rules.single_rank_uses_tree;
  // Simple flushes, and pays the plugin's latency again.
  const double inter = rules.net[Row(alone ? Algorithm::kTree : a)][Row(p)] +
                       comm.net_latency_us * (p == Protocol::kSimple ? 2 : 1);
  const int peers = comm.per_node - 1, levels = Log2(comm.nodes);
  switch (a) {
    case Algorithm::kRing:
      return base + RingLatency(comm, op, p, inner, intra, inter);
    case Algorithm::kTree:
      return base + 2 * (peers * intra + levels * inter);
    case Algorithm::kCollNetDirect:
      return base + 2 * (std::min(1, peers) * intra + peers * rules.collnet_arity) + inter;
    case Algorithm::kCollNetChain:
      return base + 2 * peers * intra + inter;
    case Algorithm::kNvls:
      return (rules.nvls_adds_base ? base : intra) + (comm.nodes > 1 ? inter : 0);
    case Algorithm::kNvlsTree:
      return rules.nvls_tree_linear ? base + 2 * (comm.nodes - 1) * inter
                                    : base + intra + 2 * levels * inter;
    case Algorithm::kPat:
      return base + levels * inter / 3.5 + 2.8 * comm.ranks();
  }
  return base;
}

}  // namespace

double NcclNetOverhead(const NcclComm& comm, NcclProtocol protocol) {
  return (comm.cpu == HostSpec::CPU_AMD ? 2 : 1) * (protocol == NcclProtocol::kSimple ? 3 : 1);
}

void FillNcclCosts(NcclComm& comm) {
  if (comm.ranks() < 2) return;
  for (std::size_t op = 0; op < kNcclOps; ++op) {
    for (std::size_t a = 0; a < kNcclAlgorithms; ++a) {
      for (std::size_t p = 0; p < kNcclProtocols; ++p) {
        const auto what = static_cast<NcclOp>(op);
        const auto algorithm = static_cast<Algorithm>(a);
        const auto protocol = static_cast<Protocol>(p);
        if (!Exists(comm, what, algorithm, protocol) || !IsOn(comm, what, algorithm, protocol))
          continue;
        comm.cost[op][a][p] = {Latency(comm, what, algorithm, protocol),
                               Rate(comm, what, algorithm, protocol)};
      }
    }
  }
}

}  // namespace weft
