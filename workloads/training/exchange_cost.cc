// What tensor, context and expert ranks exchange: bytes, the time alone, and what may hide it.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "workloads/training/cost_internal.h"

namespace weft {
namespace {

// Hides `comm_s`, all but a share `left` of it, behind `work_s`; what is hidden taxes compute.
Exchange Hide(double comm_s, double latency_s, double bytes, bool overlap, double left,
              double work_s) {
  Exchange out;
  out.bytes = bytes;
  out.alone_s = comm_s;
  out.latency_s = latency_s;
  out.cover_s = overlap ? work_s : 0;
  const double behind = overlap ? std::min(comm_s * (1 - left), work_s) : 0;
  out.hidden_s = behind;
  out.exposed_s = comm_s - behind;
  return out;
}

// Of a ring's edges; of one host without NVLink all.
double ShareBetweenHosts(int ranks, int hosts, const NetRates& net) {
  return net.nvlink_bytes_per_s > 0 ? 1.0 * hosts / ranks : 1;
}

// Whether NVLink joins every group of so many ranks in a row.
bool InHost(const NetRates& net, int ranks) {
  return net.nvlink_bytes_per_s > 0 && HostsOfRanks(net, ranks) == 1;
}

// Of a ring whose ranks stand on `hosts` hosts, as many on each: what it takes, and of no bytes.
std::pair<double, double> Ring(double bytes, int ranks, int hosts, bool in_host,
                               const NetRates& net) {
  RingRates rates{net.nvlink_bytes_per_s, net.nvlink_step_s};
  if (!in_host) rates = RatesOfRing(std::max(1, ranks / hosts), net);
  const auto seconds = [&](double of) {
    return RingSeconds(of, ranks, rates.bytes_per_s, rates.step_s, net.launch_s);
  };
  return {seconds(bytes), seconds(0)};
}

// `count` gathers or scatters of `tokens`, of which some share may hide behind `work_s`.
Exchange TensorRings(const Training& t, double count, double tokens, bool overlap, double left,
                     double work_s, const NetRates& net) {
  const int ranks = t.parallel.tensor;
  if (ranks < 2) return {};
  const double bytes = 2 * tokens * t.model.hidden;
  const bool in_host = InHost(net, ranks);
  const int hosts = HostsOfRanks(net, ranks);
  const auto [seconds, latency_s] = Ring(bytes, ranks, hosts, in_host, net);
  Exchange out = Hide(count * seconds, count * latency_s, count * bytes * (ranks - 1) / ranks,
                      overlap, left, work_s);
  if (!in_host) out.network_bytes = out.bytes * ShareBetweenHosts(ranks, hosts, net);
  return out;
}

// Ranks that a token goes to, and hosts in parts of kHostParts, so that bytes are rational.
struct Copies {
  int ranks = 0;
  std::int64_t host_parts = 0;
};
constexpr std::int64_t kHostParts = 1024;

Copies CopiesOf(const Training& t, const NetRates& net) {
  const Model::Moe& moe = *t.model.moe;
  const bool limited = moe.devices_per_token > 0 && moe.devices_per_token < moe.top_k;
  const int ranks = limited ? moe.devices_per_token : moe.top_k;
  const int all = HostsOfReplicas(t, net, t.parallel.expert, 1).hosts;
  const int allowed = moe.nodes_per_token > 0 ? moe.nodes_per_token : all;
  const double hosts = allowed < all
                           ? std::min(ranks, allowed)
                           : DistinctHosts(limited ? t.parallel.expert : moe.experts, ranks, all);
  return {ranks, std::llround(hosts * kHostParts)};
}

}  // namespace

void Add(Exchange& sum, const Exchange& one, double times) {
  sum.exposed_s += one.exposed_s * times;
  sum.hidden_s += one.hidden_s * times;
  sum.bytes += one.bytes * times;
  sum.network_bytes += one.network_bytes * times;
  sum.alone_s += one.alone_s * times;
  sum.cover_s += one.cover_s * times;
  sum.latency_s += one.latency_s * times;
}

// Four collectives a layer and direction: gather and scatter around attention and around the
// feed-forward part [KCL+22 §4.2.2]; without sequence parallelism two all-reduces, which carry as
// much. A parallel block has half of them. Where tokens are dealt to ranks of experts, those around
// the routed experts are DealtRings'; shared experts have theirs.
double TensorCount(const Training& t, bool dealt) {
  if (dealt) return t.model.moe->shared > 0 && !t.model.parallel_block ? 4 : 2;
  return t.model.parallel_block ? 2 : 4;
}

// What latents have less than hidden, as a share of it: of attention's input they are what is
// gathered, and what gradients are summed of [MLM-MLA]. A parallel block gathers hidden anyway.
double LessOfLatents(const Training& t) {
  const Model& m = t.model;
  if (!m.mla || m.parallel_block) return 0;
  const double queries = m.mla->query_rank > 0 ? m.mla->query_rank : m.hidden;
  return 1 - (queries + m.mla->key_value_rank + m.mla->rotary_dim) / m.hidden;
}

// The tensor ranks of a rank of experts gather the tokens that came for its experts, once an
// expert, and scatter what these make of them: behind dispatch and before combine, so that nothing
// runs beside them, backward neither [MLM-MOE].
Exchange DealtRings(const Training& t, bool dealt, const NetRates& net) {
  if (!dealt) return {};
  const double tokens = TokensOfRank(t) * t.model.moe->top_k * t.imbalance;
  return TensorRings(t, 2, tokens, false, 0, 0, net);
}

Exchange TensorExchange(const Training& t, double count, double work_s, const NetRates& net) {
  return TensorRings(t, count, TokensOfRank(t), t.overlap.tensor, 1.0 / t.overlap.tensor_pieces,
                     work_s, net);
}

// Backward. The sums of gradients of inputs (half of the collectives, all of them where there is
// no sequence parallelism) may run beside the gradients of weights; and since each rank keeps its
// part of the input alone, the input is gathered again, beside the gradients of inputs
// [KCL+22 §4.2.2, MLM-TP]. Where products may be cut in pieces, too, the sums hide whichever way
// hides more.
Exchange TensorBackward(const Training& t, double count, const WorkSeconds& products,
                        const NetRates& net) {
  const bool sequence = t.parallel.sequence;
  const double inputs = sequence ? count / 2 - LessOfLatents(t) : count - 2 * LessOfLatents(t);
  const double others = sequence ? count / 2 : 0;
  const auto hidden = [&](bool beside) {
    const double work_s = products.backward - (beside ? products.cut_weights : 0);
    const double sums = beside ? inputs : 0;
    Exchange out = TensorExchange(t, others + inputs - sums, work_s, net);
    Add(out, TensorRings(t, sums, TokensOfRank(t), true, 0, products.cut_weights, net), 1);
    return out;
  };
  Exchange out = hidden(t.overlap.weights);
  if (t.overlap.weights && t.overlap.tensor) {
    const Exchange pieces = hidden(false);
    constexpr double kTie = 1e-9;  // then as without `weights`
    if (pieces.exposed_s <= out.exposed_s * (1 + kTie)) out = pieces;
  }
  if (sequence)
    Add(out, TensorRings(t, inputs, TokensOfRank(t), true, 0, products.cut_inputs, net), 1);
  return out;
}

// Keys and values are gathered before attention, their gradients scattered after [GDJ+24 §3.3.2].
Exchange ContextExchange(const Training& t, double count, double work_s, const NetRates& net) {
  const int ranks = t.parallel.context;
  if (ranks < 2) return {};
  const Model& m = t.model;
  const double of_token = m.mla ? m.mla->key_value_rank + m.mla->rotary_dim
                                : std::max(1.0, 1.0 * m.key_value_heads / t.parallel.tensor) *
                                      (m.query_dim + m.value_dim);
  const double bytes = 2 * static_cast<double>(t.micro_batch * t.sequence) * of_token;
  const bool in_host = InHost(net, ranks * t.parallel.tensor);
  const int hosts = HostsOfRanks(net, ranks * t.parallel.tensor);
  const auto [seconds, latency_s] = Ring(bytes, ranks, hosts, in_host, net);
  Exchange out = Hide(count * seconds, count * latency_s, count * bytes * (ranks - 1) / ranks,
                      t.overlap.context, 0, work_s);
  if (!in_host) out.network_bytes = out.bytes * ShareBetweenHosts(ranks, hosts, net);
  return out;
}

// Dispatch and combine. A token crosses to a host once, however many of its experts are there,
// and NVLink carries it on [DSV3 §3.2.2]; to a rank once an expert, or where their number is
// limited once a rank [DSV2 §2.2.2].
Exchange ExpertExchange(const Training& t, double work_s, const NetRates& net) {
  const Parallel& p = t.parallel;
  if (p.expert < 2 || !t.model.moe) return {};
  const double hosts = HostsOfReplicas(t, net, p.expert, 1).hosts;
  const double in_host = p.expert / hosts;
  const auto [ranks, host_parts] = CopiesOf(t, net);
  const double copies = static_cast<double>(host_parts) / kHostParts;
  const double tokens = TokensOwned(t) * t.imbalance;
  const double width = t.dispatch_bytes + 2.0;  // there, and back in bf16
  const double far = tokens * copies * (1 - 1 / hosts) * t.model.hidden * width;
  const double near =
      net.nvlink_bytes_per_s > 0 ? tokens * ranks * (1 - 1 / in_host) * t.model.hidden * width : 0;
  const double steps_s = hosts > 1 ? 2 * net.network_step_s : 0;
  double slowest = hosts > 1 ? far / net.nic_bytes_per_s + steps_s : 0;
  if (net.nvlink_bytes_per_s > 0) slowest = std::max(slowest, near / net.nvlink_bytes_per_s);
  Exchange out = Hide(2 * net.launch_s + slowest, 2 * net.launch_s + steps_s, far + near,
                      work_s > 0, 0, work_s);
  out.network_bytes = far;
  return out;
}

int HostsOfRanks(const NetRates& net, int ranks) {
  const int of_host = std::max(1, net.gpus_per_host);
  const int longest = ranks + of_host - std::gcd(ranks, of_host);  // from its first host's start
  return (longest + of_host - 1) / of_host;
}

ReplicaHosts HostsOfReplicas(const Training& t, const NetRates& net, int count, int apart) {
  const Parallel& p = t.parallel;
  const bool next_to = p.order == Parallel::Order::kTensorContextDataPipeline || p.pipeline == 1;
  ReplicaHosts out;
  std::int64_t last = -1;
  for (int i = 0; i < count; i += apart) {
    const std::int64_t outer = std::int64_t{i / p.context} * (next_to ? 1 : p.pipeline);
    const std::int64_t rank = p.tensor * (i % p.context + p.context * outer);
    const std::int64_t host = rank / std::max(1, net.gpus_per_host);
    if (host == 0) ++out.on_first;
    if (host != std::exchange(last, host)) ++out.hosts;
  }
  return out;
}

double RingSeconds(double bytes, int ranks, double bytes_per_s, double step_s, double launch_s) {
  if (ranks < 2) return 0;
  return launch_s + (ranks - 1) * step_s + bytes * (ranks - 1) / ranks / bytes_per_s;
}

// Of all ways to choose, those that leave one host out: C(n - n/H, k) of C(n, k).
double DistinctHosts(int places, int chosen, int hosts) {
  const double of_host = static_cast<double>(places) / hosts;
  double none = 1;
  for (int i = 0; i < chosen; ++i) none *= std::max(0.0, places - of_host - i) / (places - i);
  return hosts * (1 - none);
}

DispatchRatio RatioOfDispatch(const Training& t, const NetRates& net) {
  const auto [ranks, host_parts] = CopiesOf(t, net);
  const int experts = t.parallel.expert, hosts = HostsOfReplicas(t, net, experts, 1).hosts;
  WEFT_CHECK(hosts > 1);
  return {std::uint64_t(ranks) * std::uint64_t(experts - hosts) * std::uint64_t(hosts) *
              std::uint64_t(kHostParts),
          std::uint64_t(experts) * std::uint64_t(host_parts) * std::uint64_t(hosts - 1)};
}

RingRates RatesOfRing(int near, const NetRates& net) {
  const double nic = net.nic_bytes_per_s, nvlink = net.nvlink_bytes_per_s;
  return {near > 1 ? std::min(nic * near, nvlink > 0 ? nvlink : nic) : nic,
          (net.network_step_s + (near - 1) * net.nvlink_step_s) / near};
}

}  // namespace weft
