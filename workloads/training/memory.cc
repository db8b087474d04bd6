// What one GPU holds, and what cannot be cut.
#include <fmt/format.h>

#include <algorithm>

#include "workloads/training/chunks_internal.h"
#include "workloads/training/training.h"

namespace weft {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

// Bytes a token keeps in one layer, of which `cut` tensor parallelism always shares and `whole`
// only with sequence parallelism [KCL+22 eq. 1: 34 = 24 + 10 of hidden]; `dealt` is what every
// tensor rank keeps whole of tokens that experts of other ranks sent it.
struct TokenBytes {
  double whole = 0, cut = 0, dealt = 0;
};

TokenBytes BytesOfToken(const Training& t, bool with_experts) {
  const Model& model = t.model;
  const double hidden = model.hidden, mask = model.dropout ? 1 : 0;
  TokenBytes bytes;
  const double queries = 1.0 * model.heads * model.query_dim;
  const double values_out = 1.0 * model.heads * model.value_dim;
  const int heads =
      std::max(model.key_value_heads, t.parallel.tensor);  // each rank has a whole one
  double keys_values = 1.0 * heads * (model.query_dim + model.value_dim);
  if (model.mla) {
    keys_values = model.heads * (model.query_dim + model.value_dim);
    bytes.whole += 2.0 * (model.mla->query_rank + model.mla->key_value_rank);
  }
  // Two norms' inputs, the inputs of the first products, the masks after the last ones.
  bytes.whole += 2 * 2 * hidden + 2 * 2 * hidden + 2 * mask * hidden;
  bytes.cut += 2 * (queries + keys_values) + 2 * values_out;
  // Without a gate the input and output of the activation; with one a product more.
  double width = model.ffn;
  if (with_experts) {
    // The tokens as their experts get them, the busiest rank's most; those dealt are not gathered
    // again backward [MLM-MOE].
    const bool dealt = t.parallel.expert > 1;
    const double met = model.moe->top_k * (dealt ? t.imbalance : 1);
    width = 1.0 * model.moe->ffn * (met + model.moe->shared);
    (dealt ? bytes.dealt : bytes.whole) += 2 * hidden * met;
  }
  bytes.cut += (model.gated ? 6 : 4) * width;
  return bytes;
}

double LayerInputBytes(const Training& t) {
  const double tokens = static_cast<double>(t.micro_batch * t.sequence) / t.parallel.context;
  return 2.0 * tokens * t.model.hidden / (t.parallel.sequence ? t.parallel.tensor : 1);
}

// Of a micro-batch: logits in fp32, what the last norm and the head read [KCL+22 §4.3].
double LogitBytes(const Training& t) {
  const Parallel& p = t.parallel;
  const double tokens = static_cast<double>(t.micro_batch * t.sequence) / p.context;
  return 4 * tokens *
         (1.0 * t.model.hidden / (p.sequence ? p.tensor : 1) + 1.0 * t.model.vocabulary / p.tensor);
}

// Chunks of stage `s` whose activations are held at once, at most: the forward passes of the
// warm-up and one more [NSC+21 §2.2].
double ChunksInFlight(const Training& t, int s) {
  const Parallel& p = t.parallel;
  const double all = static_cast<double>(t.micro_batches() * p.virtual_stages);
  if (p.schedule == Parallel::Schedule::kDualpipe)
    return std::min<double>(all, p.pipeline + 1);  // of both directions [DualPipe]
  const double warm_up = p.virtual_stages == 1
                             ? p.pipeline - s - 1
                             : 2.0 * (p.pipeline - s - 1) + (p.virtual_stages - 1.0) * p.pipeline;
  return std::min(all, warm_up + 1);
}

// ZeRO-3: bytes gathered at once on stage `s`. A layer is a group of parameters, embedding and head
// are another; with overlap the next group comes while one is used [PT-FSDP].
double GatheredBytes(const Training& t, int s) {
  const Parallel& p = t.parallel;
  const double replicas = 1.0 * p.data * p.context;
  if (p.zero < 3 || replicas < 2) return 0;
  const auto shared = [&](const ChunkLayers& chunk) {  // experts of few replicas are whole anyway
    const ChunkParameters parameters = ParametersOfChunk(t, chunk);
    return parameters.plain + (replicas > p.expert ? parameters.expert : 0);
  };
  double layer = 0, ends = 0;
  for (int c = 0; c < p.virtual_stages; ++c) {
    const ChunkLayers chunk = LayersOf(t, c * p.pipeline + s);
    if (chunk.dense > 0) layer = std::max(layer, shared({.dense = 1}));
    if (chunk.with_experts > 0) layer = std::max(layer, shared({.with_experts = 1}));
    ends += shared({.first = chunk.first, .last = chunk.last});
  }
  constexpr double kBf16 = 2;
  return kBf16 * (std::max(layer, ends) + layer * (ChunksGathered(t) - 1));
}

MemoryUse MemoryOfStage(const Training& t, int s) {
  const Parallel& p = t.parallel;
  MemoryUse use;
  use.stage = s;
  const int copies = p.schedule == Parallel::Schedule::kDualpipe ? 2 : 1;  // of the parameters
  double plain = 0, expert = 0, layers = 0, kept = 0;
  for (int c = 0; c < p.virtual_stages; ++c) {
    const ChunkLayers chunk = LayersOf(t, c * p.pipeline + s);
    const ChunkParameters parameters = ParametersOfChunk(t, chunk);
    plain += parameters.plain * copies;
    expert += parameters.expert * copies;
    layers += chunk.layers();
    if (chunk.last) use.logits = LogitBytes(t);  // the backward pass follows at once
    kept += chunk.dense * ActivationBytesOfLayer(t, false) +
            (chunk.with_experts > 0 ? chunk.with_experts * ActivationBytesOfLayer(t, true) : 0);
  }
  const double replicas = 1.0 * p.data * p.context;
  const double expert_replicas = std::max(1.0, replicas / p.expert);
  const auto shared = [&](double bytes, int from) {
    return p.zero >= from ? plain * bytes / replicas + expert * bytes / expert_replicas
                          : (plain + expert) * bytes;
  };
  use.parameters = shared(2, 3) + GatheredBytes(t, s);
  use.gradients = shared(t.gradient_bytes, 2);
  use.optimiser = shared(12, 1);
  use.activations = ChunksInFlight(t, s) / p.virtual_stages * kept;
  if (t.recompute == Recompute::kFull && layers > 0) {
    Training none = t;  // one layer at a time comes back whole, when the logits are gone
    none.recompute = Recompute::kNone;
    const double back = ActivationBytesOfLayer(none, t.model.moe_layers() > 0);
    if (back > use.logits) {
      use.activations += back;
      use.logits = 0;
    }
  }
  return use;
}

// "global_batch: 96 or 104": the multiples of `step` below and above.
std::string NearestBatches(std::int64_t batch, std::int64_t step) {
  const std::int64_t below = batch / step * step;
  return below > 0 ? fmt::format("global_batch: {} or {}", below, below + step)
                   : fmt::format("global_batch: {}", below + step);
}

TrainingProblem ProblemOfDualpipe(const Training& t) {
  const Parallel& p = t.parallel;
  const std::int64_t micro = t.micro_batches(), each = t.micro_batch * p.data;
  if (p.virtual_stages > 1)
    return {"dualpipe has two chunks a stage", "parallel.virtual_stages", "virtual_stages: 1"};
  if (p.pipeline % 2 != 0)
    return {fmt::format("dualpipe needs an even pipeline, not {}", p.pipeline), "parallel.pipeline",
            fmt::format("pipeline: {}", p.pipeline + 1)};
  if (micro < 2 * p.pipeline)
    return {fmt::format("dualpipe needs {} micro-batches or more, not {}", 2 * p.pipeline, micro),
            "global_batch", fmt::format("global_batch: {}", 2 * p.pipeline * each)};
  if (micro % 2 != 0)
    return {fmt::format("dualpipe needs an even number of micro-batches, not {}", micro),
            "global_batch", NearestBatches(t.global_batch, 2 * each)};
  if (!t.stage_times)
    return {"dualpipe needs stage_times: 1F, 1B and 1W as measured", "parallel.schedule",
            "stage_times: { forward: 10ms, backward: 20ms, weights: 8ms }"};
  return {};
}

TrainingProblem ProblemOfExperts(const Training& t) {
  const Parallel& p = t.parallel;
  if (p.expert > 1 && !t.model.moe)
    return {fmt::format("expert {} of a model without experts", p.expert), "parallel.expert",
            "expert: 1, or a model with experts (weft presets model)"};
  if (t.model.moe && t.model.moe->experts % p.expert != 0)
    return {fmt::format("expert {} does not divide {} experts", p.expert, t.model.moe->experts),
            "parallel.expert", "a number that does"};
  if ((p.data * p.context) % p.expert != 0)
    return {
        fmt::format("expert {} does not divide data {} x context {}", p.expert, p.data, p.context),
        "parallel.expert", "a number that does, or more GPUs"};
  return {};
}

TrainingProblem CutProblem(const Training& t) {
  const Parallel& p = t.parallel;
  const Model& m = t.model;
  if (m.heads % p.tensor != 0)
    return {fmt::format("tensor {} does not divide {} heads", p.tensor, m.heads), "parallel.tensor",
            "a number that does"};
  if (!m.mla && m.key_value_heads % p.tensor != 0 && p.tensor % m.key_value_heads != 0)
    return {fmt::format("neither do {} heads of keys divide tensor {} nor does it divide them",
                        m.key_value_heads, p.tensor),
            "parallel.tensor", fmt::format("tensor: {}", m.key_value_heads)};
  if (p.chunks() > m.layers)
    return {fmt::format("{} layers do not fill {} chunks (pipeline {} x virtual_stages {})",
                        m.layers, p.chunks(), p.pipeline, p.virtual_stages),
            p.virtual_stages > 1 ? "parallel.virtual_stages" : "parallel.pipeline",
            fmt::format("pipeline x virtual_stages of {} or less", m.layers)};
  if (const std::int64_t whole = t.micro_batch * p.data; t.global_batch % whole != 0)
    return {fmt::format("global_batch {} is no multiple of micro_batch {} x data {}",
                        t.global_batch, t.micro_batch, p.data),
            "global_batch", NearestBatches(t.global_batch, whole)};
  if (const std::int64_t cuts = 1LL * p.context * (p.sequence ? p.tensor : 1);
      t.sequence % cuts != 0)
    return {fmt::format("context {} and tensor {} do not cut a sequence of {} evenly", p.context,
                        p.tensor, t.sequence),
            "sequence", fmt::format("a multiple of {}", cuts)};
  if (TrainingProblem problem = ProblemOfExperts(t); !problem.what.empty()) return problem;
  const std::int64_t micro = t.micro_batches();
  if (p.virtual_stages > 1 && p.pipeline > 1 && micro % p.pipeline != 0)
    return {fmt::format("interleaving needs micro-batches in multiples of pipeline {}, not {}",
                        p.pipeline, micro),
            "global_batch",
            NearestBatches(t.global_batch, t.micro_batch * p.data * p.pipeline) +
                ", or virtual_stages: 1"};
  return p.schedule == Parallel::Schedule::kDualpipe ? ProblemOfDualpipe(t) : TrainingProblem();
}

}  // namespace

double ActivationBytesOfLayer(const Training& t, bool with_experts) {
  if (t.recompute == Recompute::kFull) return LayerInputBytes(t);
  const Parallel& p = t.parallel;
  const double tokens = static_cast<double>(t.micro_batch * t.sequence) / p.context;
  const TokenBytes bytes = BytesOfToken(t, with_experts);
  double of_token = bytes.cut / p.tensor + bytes.whole / (p.sequence ? p.tensor : 1) + bytes.dealt;
  // Scores, their softmax and its mask: 5 a s of [KCL+22 eq. 1].
  if (!t.fused_attention && t.recompute == Recompute::kNone)
    of_token += (t.model.dropout ? 5.0 : 4.0) * t.model.heads *
                TokensSeen(t.model, t.sequence, false) / p.tensor;
  return tokens * of_token;
}

MemoryUse MemoryOf(const Training& training) {
  MemoryUse most;
  for (int s = 0; s < training.parallel.pipeline; ++s) {
    const MemoryUse use = MemoryOfStage(training, s);
    if (s == 0 || use.total() > most.total()) most = use;
  }
  return most;
}

TrainingProblem FindProblem(const Training& training, const GpuRates& gpu) {
  if (TrainingProblem problem = CutProblem(training); !problem.what.empty()) return problem;
  if (training.ignore_memory || gpu.memory.count() == 0) return {};
  const MemoryUse use = MemoryOf(training);
  if (use.total() <= static_cast<double>(gpu.memory.count())) return {};
  return {fmt::format("a GPU of stage {} would hold {:.1f} GiB: parameters {:.1f}, gradients "
                      "{:.1f}, optimiser {:.1f}, activations {:.1f}, logits {:.1f}; it has {:.1f} "
                      "GiB",
                      use.stage, use.total() / kGiB, use.parameters / kGiB, use.gradients / kGiB,
                      use.optimiser / kGiB, use.activations / kGiB, use.logits / kGiB,
                      static_cast<double>(gpu.memory.count()) / kGiB),
          "parallel", "more parallelism, recompute, zero, or ignore_memory: true"};
}

std::string CheckTraining(const Training& training, const GpuRates& gpu) {
  return FindProblem(training, gpu).what;
}

}  // namespace weft
