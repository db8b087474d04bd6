// The roofline: what a chunk of layers costs on one GPU.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "workloads/training/chunks_internal.h"
#include "workloads/training/training.h"

namespace weft {
namespace {

double DivideUp(double a, double b) { return std::ceil(a / b); }

struct Seconds {
  double forward = 0, backward = 0, weights = 0;  // backward: with the gradients of weights
  // Of products whose input tensor ranks gather: gradients of their inputs, of their weights.
  double cut_inputs = 0, cut_weights = 0;
  Seconds& operator+=(const Seconds& other) {
    forward += other.forward;
    backward += other.backward;
    weights += other.weights;
    cut_inputs += other.cut_inputs;
    cut_weights += other.cut_weights;
    return *this;
  }
};

// A linear layer: forward, gradient of its input, gradient of its weights, which the product adds
// to the sum of earlier micro-batches, read and written in gradient_bytes [MLM-TP]. `groups`:
// experts whose products run in one kernel.
Seconds Linear(const Training& t, double m, double n, double k, const GpuRates& gpu,
               double groups = 1) {
  const double input = ProductSeconds(m, k, n, groups, gpu);
  const double weights = ProductSeconds(k, n, m, groups, gpu, 2.0 * t.gradient_bytes);
  return {ProductSeconds(m, n, k, groups, gpu), input + weights, weights};
}

// One whose output tensor ranks share, and whose input each of them needs whole.
Seconds CutLinear(const Training& t, double m, double n, double k, const GpuRates& gpu,
                  double groups = 1) {
  Seconds out = Linear(t, m, n, k, gpu, groups);
  out.cut_inputs = out.backward - out.weights;
  out.cut_weights = out.weights;
  return out;
}

double TokensOfRank(const Training& t) {
  return static_cast<double>(t.micro_batch * t.sequence) / t.parallel.context;
}

// Outside the products that tensor ranks share.
double TokensOwned(const Training& t) {
  return TokensOfRank(t) / (t.parallel.sequence ? t.parallel.tensor : 1);
}

Seconds AttentionProducts(const Training& t, const GpuRates& gpu) {
  const Model& m = t.model;
  const double tokens = TokensOfRank(t), cut = t.parallel.tensor;
  const double queries = m.heads * m.query_dim / cut;
  Seconds sum = Linear(t, tokens, m.hidden, m.heads * m.value_dim / cut, gpu);
  if (!m.mla) {
    const double keys_values = std::max(1.0, m.key_value_heads / cut) * 2 * m.query_dim;
    sum += CutLinear(t, tokens, queries + keys_values, m.hidden, gpu);
    return sum;
  }
  const Model::Mla& mla = *m.mla;
  // Each rank makes latents of its own tokens, with matrices that it has whole [MLM-MLA].
  const double own = TokensOwned(t);
  if (mla.query_rank > 0) {
    sum += Linear(t, own, mla.query_rank, m.hidden, gpu);
    sum += CutLinear(t, tokens, queries, mla.query_rank, gpu);
  } else {
    sum += CutLinear(t, tokens, queries, m.hidden, gpu);
  }
  sum += Linear(t, own, mla.key_value_rank + mla.rotary_dim, m.hidden, gpu);
  const double keys_values = m.heads * (mla.plain_dim + m.value_dim) / cut;
  sum += CutLinear(t, tokens, keys_values, mla.key_value_rank, gpu);
  return sum;
}

// Scores and values where attention is fused: causal, and the backward pass is five products of the
// forward pass's two [Dao23 §3.1.2]. A tile of queries goes over the tokens it sees, and its start
// and end take as long as attention_start of them; tiles are dealt to the SMs, and half the longest
// is left at the end. Backward reads results and their gradients for their products' sums, and sums
// gradients of queries in fp32: zeroed and cast [Dao23 Alg. 2].
Seconds FusedAttention(const Training& t, const GpuRates& gpu) {
  constexpr double kTile = 128, kDims = 32;  // queries; what a head's dimensions are padded to
  const Model& m = t.model;
  const Efficiency& e = gpu.efficiency;
  const double rows = static_cast<double>(t.sequence) / t.parallel.context;
  const double heads = 1.0 * m.heads / t.parallel.tensor;
  const double tiles = static_cast<double>(t.micro_batch) * heads * DivideUp(rows, kTile);
  const double seen = TokensSeen(m, t.sequence, true) + e.attention_start;
  const double all = static_cast<double>(t.sequence);
  const double longest = std::min(m.window ? 1.0 * *m.window : all, all) + e.attention_start;
  const double dims = (DivideUp(m.query_dim, kDims) + DivideUp(m.value_dim, kDims)) * kDims;
  // Of a tile, one SM after another; never less than the longest one takes.
  const double steps = std::max(longest, tiles * seen / e.sms + longest / 2);
  const double work = 2 * steps * e.sms * std::min(rows, kTile) * dims / gpu.flops;
  const double bytes = TokensOfRank(t) * heads * (4.0 * m.value_dim + 10.0 * m.query_dim);
  return {work / e.attention_forward + e.kernel_gap_s,
          2.5 * work / e.attention_backward + bytes / (gpu.memory_bytes_per_s * e.memory) +
              3 * e.kernel_gap_s,
          0};
}

// Not fused: a product a head for the scores and one for the values, of all tokens, for the mask
// comes after; two of each backward. Between them scores go through memory in bf16: softmax reads
// and writes, so does dropout, with a mask of a byte; backward softmax reads twice.
Seconds PlainAttention(const Training& t, const GpuRates& gpu) {
  const Model& m = t.model;
  const double heads = static_cast<double>(t.micro_batch) * m.heads / t.parallel.tensor;
  const double rows = static_cast<double>(t.sequence) / t.parallel.context;
  const double seen = TokensSeen(m, t.sequence, false);
  const double scores = heads * rows * seen;
  const double rate = gpu.memory_bytes_per_s * gpu.efficiency.memory;
  const double dropout = m.dropout ? 5 * scores / rate + gpu.efficiency.kernel_gap_s : 0;
  const double product = ProductSeconds(rows, seen, m.query_dim, heads, gpu);
  const double values = ProductSeconds(rows, m.value_dim, seen, heads, gpu);
  Seconds out;
  out.forward = product + values + 4 * scores / rate + gpu.efficiency.kernel_gap_s + dropout;
  out.backward = ProductSeconds(seen, m.value_dim, rows, heads, gpu) +  // gradient of the values
                 ProductSeconds(rows, seen, m.value_dim, heads, gpu) +  // of the softmax
                 ProductSeconds(rows, m.query_dim, seen, heads, gpu) +  // of the queries
                 ProductSeconds(seen, m.query_dim, rows, heads, gpu) +  // of the keys
                 6 * scores / rate + gpu.efficiency.kernel_gap_s + dropout;
  return out;
}

// Selective recomputation is attention's forward pass again, fused or not [MLM-ATT].
Seconds Attention(const Training& t, const GpuRates& gpu) {
  Seconds out = t.fused_attention ? FusedAttention(t, gpu) : PlainAttention(t, gpu);
  if (t.recompute == Recompute::kSelective) out.backward += out.forward;
  return out;
}

Seconds FeedForwardProducts(const Training& t, double tokens, double width, const GpuRates& gpu,
                            double groups = 1) {
  const double cut = t.parallel.tensor, gates = t.model.gated ? 2 : 1;
  Seconds sum = CutLinear(t, tokens, gates * width / cut, t.model.hidden, gpu, groups);
  sum += Linear(t, tokens, t.model.hidden, width / cut, gpu, groups);
  return sum;
}

Seconds SharedExperts(const Training& t, const GpuRates& gpu) {
  const Model::Moe& moe = *t.model.moe;
  if (moe.shared == 0) return {};
  return FeedForwardProducts(t, TokensOfRank(t), 1.0 * moe.shared * moe.ffn, gpu);
}

// Of tokens that experts get, what the busiest rank's do over an even share.
double LoadOfExperts(const Training& t) { return t.parallel.expert > 1 ? t.imbalance : 1; }

// The router, whole on every rank for its own tokens [MLM-ROUTER], and the experts of one rank as
// one grouped product a matrix.
Seconds Experts(const Training& t, const GpuRates& gpu) {
  const Model::Moe& moe = *t.model.moe;
  Seconds sum = Linear(t, TokensOwned(t), moe.experts, t.model.hidden, gpu);
  const double here = 1.0 * moe.experts / t.parallel.expert;
  const double of_expert = TokensOfRank(t) * moe.top_k * LoadOfExperts(t) / here;
  sum += FeedForwardProducts(t, of_expert, moe.ffn, gpu, here);
  return sum;
}

// Norms, residual sums with their masks of dropout, activations, and the turning of queries and
// keys where no positions are learned [MLM-ROPE]: what they read and write; twice that backward,
// but for turning.
Seconds Elementwise(const Training& t, bool with_experts, const GpuRates& gpu) {
  const Model& m = t.model;
  const double cut = t.parallel.tensor, whole = t.parallel.sequence ? cut : 1;
  double width = m.ffn;
  if (with_experts) width = 1.0 * m.moe->ffn * (m.moe->top_k * LoadOfExperts(t) + m.moe->shared);
  const double norms = (m.parallel_block ? 1 : 2) * 4.0 * m.hidden;
  const double sums = 2 * (m.dropout ? 7.0 : 6.0) * m.hidden;
  const double activation = (m.gated ? 6.0 : 4.0) * width;
  double turned = 0;
  if (m.positions == 0)
    turned = m.mla ? (m.heads + cut) * m.mla->rotary_dim
                   : (m.heads + std::max<double>(m.key_value_heads, cut)) * m.query_dim;
  const double tokens = TokensOfRank(t), rate = gpu.memory_bytes_per_s * gpu.efficiency.memory;
  const double seconds =
      tokens * ((norms + sums) / whole + activation / cut) / rate + 5 * gpu.efficiency.kernel_gap_s;
  const double turning =
      turned > 0 ? tokens * 4 * turned / cut / rate + gpu.efficiency.kernel_gap_s : 0;
  return {seconds + turning, 2 * seconds + turning, 0};
}

// Each token is copied once an expert into the experts' order and summed back; on a rank that has
// several experts of many, what arrives is sorted by expert, and back before it leaves [MLM-MOE].
// Reads and writes; backward likewise.
Seconds Permute(const Training& t, const GpuRates& gpu) {
  const Parallel& p = t.parallel;
  const double copies = t.model.moe->top_k, row_bytes = 2.0 * t.model.hidden;
  const bool sorts = p.expert > 1 && t.model.moe->experts > p.expert;
  const double own = TokensOwned(t) * (2 + 2 * copies);
  const double sorted = sorts ? TokensOfRank(t) * t.imbalance * 4 * copies : 0;
  const double seconds =
      (own + sorted) * row_bytes / (gpu.memory_bytes_per_s * gpu.efficiency.memory) +
      (sorts ? 4 : 2) * gpu.efficiency.kernel_gap_s;
  return {seconds, seconds, 0};
}

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

void Add(Exchange& sum, const Exchange& one, double times) {
  sum.exposed_s += one.exposed_s * times;
  sum.hidden_s += one.hidden_s * times;
  sum.bytes += one.bytes * times;
  sum.network_bytes += one.network_bytes * times;
  sum.alone_s += one.alone_s * times;
  sum.cover_s += one.cover_s * times;
  sum.latency_s += one.latency_s * times;
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
Exchange TensorBackward(const Training& t, double count, const Seconds& products,
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

void AddLayers(const Training& t, bool with_experts, double layers, const GpuRates& gpu,
               const NetRates& net, ChunkCost& cost) {
  if (layers == 0) return;
  const Seconds attention = Attention(t, gpu);
  Seconds work = AttentionProducts(t, gpu), shared;
  if (with_experts) {
    shared = SharedExperts(t, gpu);
    work += shared;
    Seconds experts = Experts(t, gpu);
    // Where tokens are dealt these have DealtRings, which hide behind nothing.
    if (t.parallel.expert > 1) experts.cut_inputs = experts.cut_weights = 0;
    work += experts;
  } else {
    work += FeedForwardProducts(t, TokensOfRank(t), t.model.ffn, gpu);
  }
  const Seconds products = work;
  work += attention;
  work += Elementwise(t, with_experts, gpu);
  if (with_experts) work += Permute(t, gpu);
  const double again = t.recompute == Recompute::kFull ? 1 : 0;
  const auto pass = [&](PassCost& out, double compute_s, const Exchange& tensor,
                        const Exchange& context, const Exchange& expert, double more) {
    // Each collective's channels take their SMs from the compute beside them.
    const Efficiency& e = gpu.efficiency;
    const double hidden = tensor.hidden_s + context.hidden_s + expert.hidden_s * more;
    const double tax = hidden * e.communication_sms / e.sms;
    out.compute_s += layers * (compute_s + tax);
    Add(out.tensor, tensor, layers);  // with what is computed again
    Add(out.context, context, layers);
    Add(out.expert, expert, layers * more);
  };
  // What dispatch and combine may run beside, in one of the passes that a direction has.
  const Seconds beside =
      t.overlap.expert ? work : (t.overlap.shared_experts ? shared : Seconds{0, 0, 0});
  const auto expert = [&](double beside_s) {
    return with_experts ? ExpertExchange(t, beside_s, net) : Exchange();
  };
  const bool dealt = with_experts && t.parallel.expert > 1;
  const double count = TensorCount(t, dealt);
  const double less = t.parallel.sequence ? LessOfLatents(t) : 0;
  Exchange forward = TensorExchange(t, count - less, products.forward, net);
  Add(forward, DealtRings(t, dealt, net), 1);
  Exchange backward = TensorBackward(t, count, products, net);
  Add(backward, DealtRings(t, dealt, net), 1);
  Add(backward, forward, again);
  pass(cost.forward, work.forward, forward, ContextExchange(t, 1, attention.forward, net),
       expert(beside.forward), 1);
  Exchange context = ContextExchange(t, 2, attention.backward, net);
  Add(context, ContextExchange(t, 1, attention.forward, net), again);
  pass(cost.backward, work.backward + again * work.forward, backward, context,
       expert((beside.backward + again * beside.forward) / (1 + again)), 1 + again);
  cost.weights_s += layers * work.weights;
}

// The head's product, its softmax in fp32, and the embedding's rows.
void AddEnds(const Training& t, const ChunkLayers& chunk, const GpuRates& gpu, ChunkCost& cost) {
  const double tokens = TokensOfRank(t), rate = gpu.memory_bytes_per_s * gpu.efficiency.memory;
  if (chunk.last) {
    const double share = 1.0 * t.model.vocabulary / t.parallel.tensor;
    const Seconds head = Linear(t, tokens, share, t.model.hidden, gpu);
    // Forward logits become fp32 for their largest, its difference's exponential takes their place,
    // is summed, and divided; backward times the loss's gradient, and to bf16 [MLM-CE].
    const double forward = (2 + 4) + (4 + 4) + 4 + (4 + 4), backward = (4 + 4) + (4 + 2);
    cost.forward.compute_s += head.forward + forward * tokens * share / rate;
    cost.backward.compute_s += head.backward + backward * tokens * share / rate;
    cost.weights_s += head.weights;
  }
  if (chunk.first) {
    const double rows = 2 * 2 * tokens * t.model.hidden / rate;
    cost.forward.compute_s += rows;
    cost.backward.compute_s += rows;
  }
}

// Of a layer's matrices, what every tensor rank has whole: those that make latents [MLM-MLA], and
// the router [MLM-ROUTER].
double WholeMatrices(const Model& m, bool with_experts) {
  const double latents =
      m.mla ? 1.0 * m.mla->query_rank + m.mla->key_value_rank + m.mla->rotary_dim : 0;
  return m.hidden * (latents + (with_experts ? m.moe->experts : 0));
}

// `chunks` are one stage's. What is sent stays; how much of the times it takes nobody says: all of
// it may hide.
void Replace(const StageTimes& times, int chunks, ChunkCost& cost) {
  for (PassCost* pass : {&cost.forward, &cost.backward})
    for (Exchange* exchange : {&pass->tensor, &pass->context, &pass->expert})
      exchange->exposed_s = exchange->hidden_s = 0;
  cost.forward.compute_s = times.forward_s / chunks;
  cost.backward.compute_s = times.backward_s / chunks;
  cost.weights_s = times.weights_s / chunks;
}

}  // namespace

// The tiles are those of a library's large kernels; the shape that wastes least is taken. The last
// wave of tiles costs as much as a full one, tiles at the edges as much as whole ones, and a tile's
// start and end as much as half_k of its k: its result leaves while nothing is multiplied, so that
// a result of more bytes than two takes as much longer.
double ProductSeconds(double m, double n, double k, double groups, const GpuRates& gpu,
                      double out_bytes) {
  if (m <= 0 || n <= 0 || k <= 0) return 0;
  struct Tile {
    double m, n;
  };
  constexpr std::array<Tile, 4> kTiles{{{256, 128}, {128, 256}, {128, 128}, {64, 128}}};
  const Efficiency& e = gpu.efficiency;
  double best = 0;
  for (const Tile& tile : kTiles) {
    const double tiles = groups * DivideUp(m, tile.m) * DivideUp(n, tile.n);
    const double rounds = DivideUp(tiles, e.sms) * e.sms;
    // A narrow tile reads its operands more often: it reaches less of the plateau.
    const double reuse = tile.m * tile.n / (tile.m + tile.n) / (256.0 * 128 / (256 + 128));
    const double share = groups * m * n / (rounds * tile.m * tile.n) * std::sqrt(reuse);
    best = std::max(best, share);
  }
  const double share = e.gemm * best * k / (k + e.half_k * out_bytes / 2);
  const double bytes = groups * (2 * (m * k + k * n) + out_bytes * m * n);
  return std::max(2 * groups * m * n * k / (gpu.flops * share),
                  bytes / (gpu.memory_bytes_per_s * e.memory)) +
         e.kernel_gap_s;
}

ChunkLayers LayersOf(const Training& training, int chunk) {
  const int chunks = training.parallel.chunks(), layers = training.model.layers;
  const int most = (layers + chunks - 1) / chunks;
  const int fewer = most * chunks - layers;  // chunks with one layer less
  const int at_end = (fewer + 1) / 2, at_start = fewer / 2;
  const auto first_of = [&](int c) {  // layers before chunk c
    const int short_start = std::min(c, at_start);
    const int short_end = std::max(0, c - (chunks - at_end));
    return most * c - short_start - short_end;
  };
  const int first = first_of(chunk), end = first_of(chunk + 1);
  const int dense_layers = training.model.moe ? training.model.moe->dense_layers : layers;
  ChunkLayers out;
  out.dense = std::clamp(dense_layers - first, 0, end - first);
  out.with_experts = end - first - out.dense;
  out.first = chunk == 0;
  out.last = chunk == chunks - 1;
  return out;
}

ChunkParameters ParametersOfChunk(const Training& t, const ChunkLayers& chunk) {
  const double cut = t.parallel.tensor;
  ChunkParameters out;
  // With fewer heads of keys than tensor ranks each rank has a whole one, and others its like.
  const double more_heads = t.model.mla ? 0 : std::max(0.0, 1 - t.model.key_value_heads / cut);
  const double again =
      more_heads * (t.model.query_dim + t.model.value_dim) * static_cast<double>(t.model.hidden);
  const auto of_rank = [&](const LayerParameters& layer, bool with_experts) {
    const double whole = WholeMatrices(t.model, with_experts);
    return (layer.attention + layer.feed_forward - whole) / cut + whole + layer.small + again;
  };
  if (chunk.dense > 0) out.plain += chunk.dense * of_rank(ParametersOfLayer(t.model, false), false);
  if (chunk.with_experts > 0) {
    const LayerParameters layer = ParametersOfLayer(t.model, true);
    out.plain += chunk.with_experts * of_rank(layer, true);
    out.expert +=
        chunk.with_experts * layer.expert * t.model.moe->experts / (cut * t.parallel.expert);
  }
  const double head = 1.0 * t.model.vocabulary * t.model.hidden / cut;
  if (chunk.first) out.plain += head + 1.0 * t.model.positions * t.model.hidden;
  // Tied, the last stage keeps a copy of the embedding [NSC+21 §2].
  if (chunk.last && !(t.model.tied && chunk.first)) out.plain += head;
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

TrainingCost PriceTraining(const Training& t, const GpuRates& gpu, const NetRates& net) {
  const Parallel& p = t.parallel;
  TrainingCost out;
  // All chunks but the ends are alike: a layer of each kind is priced once.
  ChunkCost dense, experts;
  const bool has_dense = t.model.moe_layers() < t.model.layers;
  if (has_dense) AddLayers(t, false, 1, gpu, net, dense);
  if (t.model.moe_layers() > 0) AddLayers(t, true, 1, gpu, net, experts);
  const auto add = [](PassCost& sum, const PassCost& one, double times) {
    sum.compute_s += one.compute_s * times;
    Add(sum.tensor, one.tensor, times);
    Add(sum.context, one.context, times);
    Add(sum.expert, one.expert, times);
  };
  out.optimiser_s.assign(static_cast<std::size_t>(p.pipeline), 0);
  for (int c = 0; c < p.chunks(); ++c) {
    const ChunkLayers layers = LayersOf(t, c);
    ChunkCost cost;
    cost.layers = layers.layers();
    for (const auto& [one, count] :
         {std::pair(&dense, layers.dense), std::pair(&experts, layers.with_experts)}) {
      add(cost.forward, one->forward, count);
      add(cost.backward, one->backward, count);
      cost.weights_s += one->weights_s * count;
    }
    AddEnds(t, layers, gpu, cost);
    if (t.stage_times) Replace(*t.stage_times, p.virtual_stages, cost);
    const ChunkParameters parameters = ParametersOfChunk(t, layers);
    cost.parameters = parameters.plain;
    cost.expert_parameters = parameters.expert;
    // Gradients are zeroed, read for their norm and by Adam, which reads and writes master copy
    // and two moments; a pass of its own makes the bf16 copy [RRRH20 §3.1, MLM-OPT].
    const double replicas = 1.0 * p.data * p.context;
    const double held = p.zero >= 1 ? parameters.plain / replicas +
                                          parameters.expert / std::max(1.0, replicas / p.expert)
                                    : parameters.plain + parameters.expert;
    const double zeroed = p.zero >= 2 ? held : parameters.plain + parameters.expert;
    out.optimiser_s[static_cast<std::size_t>(c % p.pipeline)] +=
        (held * (2.0 * t.gradient_bytes + 30) + zeroed * t.gradient_bytes) /
        (gpu.memory_bytes_per_s * gpu.efficiency.memory);
    out.chunks.push_back(cost);
  }
  // Each tensor rank sends its part: with sequence parallelism it holds no more, without it the
  // parts are gathered again on the other side over NVLink [NSC+21 §4.1].
  out.boundary_bytes = 2 * TokensOfRank(t) * t.model.hidden / p.tensor;
  // Tied and apart, the embedding's two copies are summed over the first and the last stage
  // [NSC+21 §2, MLM-OPT]: every rank its part.
  if (t.model.tied && p.pipeline > 1 && p.schedule == Parallel::Schedule::kOneFOneB)
    out.embedding_bytes = 1.0 * t.gradient_bytes * t.model.vocabulary * t.model.hidden / p.tensor;
  out.flops_per_token = FlopsPerToken(t.model, t.sequence, false);
  out.flops_per_token_causal = FlopsPerToken(t.model, t.sequence, true);
  return out;
}

}  // namespace weft
