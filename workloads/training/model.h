// A transformer by its architecture: parameters and operations a token.
//
// A layer's matrices are counted as they are multiplied: queries, keys with values and the
// way out of attention; two matrices of the feed-forward part, three with a gate; of a mixture
// of experts the router, the shared experts and top_k of the others. Operations a token are
//
//     6 · (matrix parameters that a token meets, head included)            [NSC+21 App.]
//       + 6 · layers · heads · (query dim + value dim) · tokens seen       attention
//
// which for plain attention is 12 · layers · hidden · sequence. The usual convention counts
// every token as seen; the causal one half of them.
//
// Units    parameters and operations are doubles: exact below 2^53.
// Errors   at the key in the user's file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/schema/reader.h"

namespace weft {

class ModelSpec;

struct Model {
  std::string name;
  int layers = 1, hidden = 1, heads = 1, key_value_heads = 1;
  int query_dim = 1, value_dim = 1;  // of a head; query_dim with its rotary part
  int ffn = 1, vocabulary = 1, positions = 0;
  bool gated = false, tied = false, biases = false, dropout = false, parallel_block = false;
  std::optional<int> window;
  struct Mla {
    int query_rank = 0, key_value_rank = 0, plain_dim = 0, rotary_dim = 0;
  };
  struct Moe {
    int experts = 1, shared = 0, top_k = 1, ffn = 1, dense_layers = 0;
    int nodes_per_token = 0, devices_per_token = 0;  // 0: no limit
  };
  std::optional<Mla> mla;
  std::optional<Moe> moe;

  int moe_layers() const { return moe ? layers - moe->dense_layers : 0; }
};

// Checks what no option of a key can say. `path` is where `spec` stands in the file.
Result<Model> MakeModel(const ModelSpec& spec, const SourceMap& sources, std::string_view path,
                        std::string name);

// Every file of workloads/models/presets/, kind "model", and of workloads/efficiency/.
std::vector<Preset> WorkloadPresets();
// The model preset `name`; none where there is no such preset.
std::optional<Model> FindModel(std::string_view name);

struct LayerParameters {
  double attention = 0;     // matrices
  double feed_forward = 0;  // matrices that every token meets: dense, or router and shared experts
  double expert = 0;        // matrices of one routed expert; 0: none
  double small = 0;         // norms and biases
};
LayerParameters ParametersOfLayer(const Model& model, bool with_experts);

struct ModelSize {
  double total = 0;      // all parameters
  double active = 0;     // those a token meets, embedding included
  double matrices = 0;   // those it is multiplied with, head included
  double embedding = 0;  // tokens, positions and, if it is not tied, the head
};
ModelSize SizeOf(const Model& model);

// Tokens that a token's attention sees, mean over a sequence.
double TokensSeen(const Model& model, std::int64_t sequence, bool causal);

// Operations of forward and backward pass, a token.
double FlopsPerToken(const Model& model, std::int64_t sequence, bool causal = false);

}  // namespace weft
