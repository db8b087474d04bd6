#include "workloads/training/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "workloads/embedded.h"
#include "workloads/model.pb.h"

namespace weft {
namespace {

Model Convert(const ModelSpec& spec, std::string name) {
  Model model;
  model.name = std::move(name);
  model.layers = spec.layers();
  model.hidden = spec.hidden();
  model.heads = spec.heads();
  model.key_value_heads = spec.has_key_value_heads() ? spec.key_value_heads() : spec.heads();
  model.query_dim = spec.has_head_dim() ? spec.head_dim() : spec.hidden() / spec.heads();
  model.value_dim = model.query_dim;
  model.ffn = spec.has_ffn() ? spec.ffn() : 4 * spec.hidden();
  model.gated = spec.gated();
  model.vocabulary = spec.vocabulary();
  model.tied = spec.tied();
  model.positions = spec.positions();
  model.biases = spec.biases();
  model.dropout = spec.dropout();
  model.parallel_block = spec.parallel_block();
  if (spec.has_window()) model.window = spec.window();
  if (spec.has_mla()) {
    const MlaSpec& mla = spec.mla();
    model.mla =
        Model::Mla{mla.query_rank(), mla.key_value_rank(), mla.plain_dim(), mla.rotary_dim()};
    model.query_dim = mla.plain_dim() + mla.rotary_dim();
    model.value_dim = mla.value_dim();
  }
  if (spec.has_moe()) {
    const MoeSpec& moe = spec.moe();
    model.moe = Model::Moe{
        moe.experts(),         moe.shared(),           moe.top_k(), moe.ffn(), moe.dense_layers(),
        moe.nodes_per_token(), moe.devices_per_token()};
  }
  return model;
}

double FeedForward(const Model& model, double width) {
  return (model.gated ? 3.0 : 2.0) * model.hidden * width;
}

double AttentionMatrices(const Model& model) {
  const double hidden = model.hidden, heads = model.heads;
  const double out = heads * model.value_dim * hidden;
  if (!model.mla) {
    const double keys_values = 2.0 * model.key_value_heads * model.query_dim;
    return hidden * (heads * model.query_dim + keys_values) + out;
  }
  const Model::Mla& mla = *model.mla;
  const double queries = heads * model.query_dim;
  const double query = mla.query_rank > 0 ? (hidden + queries) * mla.query_rank : hidden * queries;
  return query + hidden * (mla.key_value_rank + mla.rotary_dim) +
         mla.key_value_rank * heads * (mla.plain_dim + model.value_dim) + out;
}

}  // namespace

Result<Model> MakeModel(const ModelSpec& spec, const SourceMap& sources, std::string_view path,
                        std::string name) {
  Errors errors;
  const auto add = [&](const char* key, std::string message, std::string hint) {
    errors.push_back({ErrorCode::kInconsistent, sources.At(fmt::format("{}.{}", path, key)).pos,
                      std::move(message), std::move(hint)});
  };
  if (!spec.has_mla() && !spec.has_head_dim() && spec.hidden() % spec.heads() != 0)
    add("heads", fmt::format("{} heads do not divide hidden, {}", spec.heads(), spec.hidden()),
        "head_dim: 128 says it");
  if (spec.has_key_value_heads() && spec.heads() % spec.key_value_heads() != 0)
    add("key_value_heads",
        fmt::format("{} heads do not share {} evenly", spec.heads(), spec.key_value_heads()),
        "a divisor of heads");
  if (spec.has_moe() && spec.moe().top_k() > spec.moe().experts())
    add("moe.top_k",
        fmt::format("a token cannot go to {} of {} experts", spec.moe().top_k(),
                    spec.moe().experts()),
        "top_k at most experts");
  if (spec.has_moe() && spec.moe().dense_layers() > spec.layers())
    add("moe.dense_layers",
        fmt::format("{} of {} layers cannot be dense", spec.moe().dense_layers(), spec.layers()),
        "at most layers");
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return Convert(spec, std::move(name));
}

std::vector<Preset> WorkloadPresets() {
  std::vector<Preset> out;
  for (const EmbeddedFile& file : EmbeddedWorkloadsFiles()) {
    const std::size_t slash = file.path.rfind('/'), dot = file.path.rfind('.');
    const bool model = file.path.find("/models/") != std::string_view::npos;
    out.push_back({model ? "model" : "efficiency",
                   std::string(file.path.substr(slash + 1, dot - slash - 1)),
                   std::string(file.path), file.text});
  }
  return out;
}

std::optional<Model> FindModel(std::string_view name) {
  const PresetTable presets(WorkloadPresets());
  const Preset* preset = presets.Find("model", name);
  if (preset == nullptr) return std::nullopt;
  const auto read = ParseText<ModelSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(read.has_value());  // presets are compiled in, and tests read each
  return Convert(read->message, std::string(name));
}

LayerParameters ParametersOfLayer(const Model& model, bool with_experts) {
  LayerParameters out;
  out.attention = AttentionMatrices(model);
  if (with_experts) {
    const Model::Moe& moe = *model.moe;
    out.expert = FeedForward(model, moe.ffn);
    out.feed_forward = FeedForward(model, static_cast<double>(moe.shared) * moe.ffn) +
                       static_cast<double>(model.hidden) * moe.experts;
  } else {
    out.feed_forward = FeedForward(model, model.ffn);
  }
  // Two norms of a scale each; with biases [NSC+21 eq. 2] 13 hidden a layer of four hidden width.
  out.small = 2.0 * model.hidden;
  if (model.biases)
    out.small += 2.0 * model.hidden +
                 (model.heads + 2.0 * model.key_value_heads) * model.query_dim +
                 2.0 * model.hidden + model.ffn;
  if (model.mla) out.small += model.mla->query_rank + model.mla->key_value_rank;
  return out;
}

ModelSize SizeOf(const Model& model) {
  ModelSize size;
  const double head = static_cast<double>(model.vocabulary) * model.hidden;
  const int with_experts = model.moe_layers(), dense = model.layers - with_experts;
  if (dense > 0) {
    const LayerParameters layer = ParametersOfLayer(model, false);
    const double matrices = layer.attention + layer.feed_forward;
    size.matrices += dense * matrices;
    size.total += dense * (matrices + layer.small);
  }
  size.active = size.total;
  if (with_experts > 0) {
    const LayerParameters layer = ParametersOfLayer(model, true);
    const double common = layer.attention + layer.feed_forward;
    const double met = common + layer.expert * model.moe->top_k;
    size.matrices += with_experts * met;
    size.active += with_experts * (met + layer.small);
    size.total += with_experts * (common + layer.small + layer.expert * model.moe->experts);
  }
  size.matrices += head;
  size.embedding =
      (model.tied ? 1 : 2) * head + static_cast<double>(model.positions) * model.hidden;
  const double last_norm = (model.biases ? 2.0 : 1.0) * model.hidden;
  size.total += size.embedding + last_norm;
  size.active += size.embedding + last_norm;
  return size;
}

double TokensSeen(const Model& model, std::int64_t sequence, bool causal) {
  const auto all = static_cast<double>(sequence);
  if (!model.window || *model.window >= sequence) return causal ? all / 2 : all;
  const double window = *model.window;
  // The first `window` tokens see fewer.
  return causal ? window - window * window / (2 * all) : window;
}

double FlopsPerToken(const Model& model, std::int64_t sequence, bool causal) {
  const double attention = 6.0 * model.layers * model.heads * (model.query_dim + model.value_dim) *
                           TokensSeen(model, sequence, causal);
  return 6 * SizeOf(model).matrices + attention;
}

}  // namespace weft
