// GPUs, hosts and models that tests of training price.
#pragma once

#include "workloads/training/training.h"

namespace weft {

inline constexpr double kGiB = 1024.0 * 1024 * 1024;

// An A100 as its data sheet and the preset ampere say, and a DGX of them with 200G NICs.
inline GpuRates A100() {
  return {312e12, 2039e9, Bytes(80'000'000'000), {0.833, 0.6, 0.5, 0.8, 108, 16, 75}};
}
// An H800 with FlashAttention-2, and its host with 400G NICs.
inline GpuRates H800() {
  return {989e12, 3350e9, Bytes(80'000'000'000), {0.777, 0.35, 0.3, 0.8, 132}};
}
inline NetRates Hgx() { return {8, 164.8e9, 49.6e9, 3.5e-6, 14e-6, 8.4e-6}; }
inline NetRates Dgx() { return {8, 240e9, 24.5e9, 3.5e-6, 14e-6, 8.4e-6}; }

// Of the layers alone: the published figures leave the embedding out.
struct KorthikantiRow {
  const char* name;
  int layers, hidden, heads, pipeline, chunks;
  std::int64_t batch, micro;
  double state, none, selective;  // GiB
};
inline constexpr KorthikantiRow kKorthikanti[] = {
    {"22B", 48, 6144, 64, 1, 1, 4, 4, 45.56, 59.25, 9.56},
    {"175B", 96, 12288, 96, 8, 3, 64, 1, 45.56, 66.84, 12.35},
    {"530B", 105, 20480, 128, 35, 3, 280, 1, 31.64, 114.02, 23.08},
    {"1T", 128, 25600, 160, 64, 1, 512, 1, 32.96, 131.25, 26.56}};

inline Training TrainingOf(const KorthikantiRow& row) {
  Training t;
  t.model.layers = row.layers;
  t.model.hidden = row.hidden;
  t.model.heads = t.model.key_value_heads = row.heads;
  t.model.query_dim = t.model.value_dim = row.hidden / row.heads;
  t.model.ffn = 4 * row.hidden;
  t.model.vocabulary = 51200;
  t.model.dropout = true;
  t.parallel.tensor = 8;
  t.parallel.pipeline = row.pipeline;
  t.parallel.virtual_stages = row.chunks;
  t.parallel.zero = 0;
  t.global_batch = row.batch;
  t.micro_batch = row.micro;
  t.sequence = 2048;
  return t;
}

}  // namespace weft
