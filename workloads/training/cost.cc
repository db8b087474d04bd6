// What a chunk of layers costs on one GPU: its work and what its ranks exchange, layer by layer.
#include <algorithm>
#include <utility>

#include "workloads/training/chunks_internal.h"
#include "workloads/training/cost_internal.h"

namespace weft {
namespace {

void AddLayers(const Training& t, bool with_experts, double layers, const GpuRates& gpu,
               const NetRates& net, ChunkCost& cost) {
  if (layers == 0) return;
  const WorkSeconds attention = Attention(t, gpu);
  WorkSeconds work = AttentionProducts(t, gpu), shared;
  if (with_experts) {
    shared = SharedExperts(t, gpu);
    work += shared;
    WorkSeconds experts = Experts(t, gpu);
    // Where tokens are dealt these have DealtRings, which hide behind nothing.
    if (t.parallel.expert > 1) experts.cut_inputs = experts.cut_weights = 0;
    work += experts;
  } else {
    work += FeedForwardProducts(t, TokensOfRank(t), t.model.ffn, gpu);
  }
  const WorkSeconds products = work;
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
  const WorkSeconds beside =
      t.overlap.expert ? work : (t.overlap.shared_experts ? shared : WorkSeconds{0, 0, 0});
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
    const WorkSeconds head = Linear(t, tokens, share, t.model.hidden, gpu);
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
