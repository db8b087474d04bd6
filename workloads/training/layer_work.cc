// The roofline: what the parts of one layer cost on one GPU.
#include <algorithm>
#include <array>
#include <cmath>

#include "workloads/training/cost_internal.h"

namespace weft {
namespace {

double DivideUp(double a, double b) { return std::ceil(a / b); }

// One whose output tensor ranks share, and whose input each of them needs whole.
WorkSeconds CutLinear(const Training& t, double m, double n, double k, const GpuRates& gpu,
                      double groups = 1) {
  WorkSeconds out = Linear(t, m, n, k, gpu, groups);
  out.cut_inputs = out.backward - out.weights;
  out.cut_weights = out.weights;
  return out;
}

// Scores and values where attention is fused: causal, and the backward pass is five products of the
// forward pass's two [Dao23 §3.1.2]. A tile of queries goes over the tokens it sees, and its start
// and end take as long as attention_start of them; tiles are dealt to the SMs, and half the longest
// is left at the end. Backward reads results and their gradients for their products' sums, and sums
// gradients of queries in fp32: zeroed and cast [Dao23 Alg. 2].
WorkSeconds FusedAttention(const Training& t, const GpuRates& gpu) {
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
WorkSeconds PlainAttention(const Training& t, const GpuRates& gpu) {
  const Model& m = t.model;
  const double heads = static_cast<double>(t.micro_batch) * m.heads / t.parallel.tensor;
  const double rows = static_cast<double>(t.sequence) / t.parallel.context;
  const double seen = TokensSeen(m, t.sequence, false);
  const double scores = heads * rows * seen;
  const double rate = gpu.memory_bytes_per_s * gpu.efficiency.memory;
  const double dropout = m.dropout ? 5 * scores / rate + gpu.efficiency.kernel_gap_s : 0;
  const double product = ProductSeconds(rows, seen, m.query_dim, heads, gpu);
  const double values = ProductSeconds(rows, m.value_dim, seen, heads, gpu);
  WorkSeconds out;
  out.forward = product + values + 4 * scores / rate + gpu.efficiency.kernel_gap_s + dropout;
  out.backward = ProductSeconds(seen, m.value_dim, rows, heads, gpu) +  // gradient of the values
                 ProductSeconds(rows, seen, m.value_dim, heads, gpu) +  // of the softmax
                 ProductSeconds(rows, m.query_dim, seen, heads, gpu) +  // of the queries
                 ProductSeconds(seen, m.query_dim, rows, heads, gpu) +  // of the keys
                 6 * scores / rate + gpu.efficiency.kernel_gap_s + dropout;
  return out;
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

// A linear layer: forward, gradient of its input, gradient of its weights, which the product adds
// to the sum of earlier micro-batches, read and written in gradient_bytes [MLM-TP]. `groups`:
// experts whose products run in one kernel.
WorkSeconds Linear(const Training& t, double m, double n, double k, const GpuRates& gpu,
                   double groups) {
  const double input = ProductSeconds(m, k, n, groups, gpu);
  const double weights = ProductSeconds(k, n, m, groups, gpu, 2.0 * t.gradient_bytes);
  return {ProductSeconds(m, n, k, groups, gpu), input + weights, weights};
}

WorkSeconds AttentionProducts(const Training& t, const GpuRates& gpu) {
  const Model& m = t.model;
  const double tokens = TokensOfRank(t), cut = t.parallel.tensor;
  const double queries = m.heads * m.query_dim / cut;
  WorkSeconds sum = Linear(t, tokens, m.hidden, m.heads * m.value_dim / cut, gpu);
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

// Selective recomputation is attention's forward pass again, fused or not [MLM-ATT].
WorkSeconds Attention(const Training& t, const GpuRates& gpu) {
  WorkSeconds out = t.fused_attention ? FusedAttention(t, gpu) : PlainAttention(t, gpu);
  if (t.recompute == Recompute::kSelective) out.backward += out.forward;
  return out;
}

WorkSeconds FeedForwardProducts(const Training& t, double tokens, double width, const GpuRates& gpu,
                                double groups) {
  const double cut = t.parallel.tensor, gates = t.model.gated ? 2 : 1;
  WorkSeconds sum = CutLinear(t, tokens, gates * width / cut, t.model.hidden, gpu, groups);
  sum += Linear(t, tokens, t.model.hidden, width / cut, gpu, groups);
  return sum;
}

WorkSeconds SharedExperts(const Training& t, const GpuRates& gpu) {
  const Model::Moe& moe = *t.model.moe;
  if (moe.shared == 0) return {};
  return FeedForwardProducts(t, TokensOfRank(t), 1.0 * moe.shared * moe.ffn, gpu);
}

// The router, whole on every rank for its own tokens [MLM-ROUTER], and the experts of one rank as
// one grouped product a matrix.
WorkSeconds Experts(const Training& t, const GpuRates& gpu) {
  const Model::Moe& moe = *t.model.moe;
  WorkSeconds sum = Linear(t, TokensOwned(t), moe.experts, t.model.hidden, gpu);
  const double here = 1.0 * moe.experts / t.parallel.expert;
  const double of_expert = TokensOfRank(t) * moe.top_k * LoadOfExperts(t) / here;
  sum += FeedForwardProducts(t, of_expert, moe.ffn, gpu, here);
  return sum;
}

// Norms, residual sums with their masks of dropout, activations, and the turning of queries and
// keys where no positions are learned [MLM-ROPE]: what they read and write; twice that backward,
// but for turning.
WorkSeconds Elementwise(const Training& t, bool with_experts, const GpuRates& gpu) {
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
WorkSeconds Permute(const Training& t, const GpuRates& gpu) {
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

}  // namespace weft
