// One iteration of training, in plain values: what it costs on one GPU, whether it fits, and
// how long it takes in closed form.
//
// A planner screens thousands of configurations with these three calls; BuildTraining()
// (workloads/training/build_training.h) makes a Program of the same costs, which the engines run:
//
//     CheckTraining  what cannot be cut, or does not fit in memory, in words
//     PriceTraining  a chunk's forward and backward time, bytes, parameters
//     EstimateIteration   pipeline, bubble and exposed communication by formula
//
// Time     compute is a roofline: products by shape (ProductSeconds), attention by its own
//          efficiency, norms and activations by bytes over the memory's rate [KCL+22 §4].
// Memory   parameters, gradients and optimiser 2 + 4 + 12 bytes a parameter [RRRH20 §3.1], less
//          what ZeRO shares; activations by [KCL+22 eq. 1–5] for the chunks in flight; the last
//          stage's logits [KCL+22 §4.3].
// Shapes   p·v chunks of layers, chunk c·p + s the c-th of stage s [NSC+21 §2.2].
// Units    seconds, bytes and bytes a second in double: this is arithmetic, not simulation.
// Cost     some microseconds a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "workloads/training/model.h"

namespace weft {

struct Efficiency {
  double gemm = 0.8, attention_forward = 0.5, attention_backward = 0.4, memory = 0.8;
  int sms = 132, communication_sms = 16, half_k = 134, attention_start = 0;
  double kernel_gap_s = 1.5e-6;
};

// A GPU's peaks, and how much of them it reaches.
struct GpuRates {
  double flops = 0, memory_bytes_per_s = 0;
  Bytes memory;
  Efficiency efficiency;
};

// What the closed forms know of the network: payload rates of one GPU, one direction.
struct NetRates {
  int gpus_per_host = 1;          // as many ranks in a row share a host, from rank 0 on
  double nvlink_bytes_per_s = 0;  // 0: GPUs of a host meet over their NICs
  double nic_bytes_per_s = 0;     // a GPU's share of its host's NICs
  double nvlink_step_s = 0, network_step_s = 0, launch_s = 0;
};

// Hosts that a group of `ranks` ranks in a row stands on, at most: groups begin at multiples of
// `ranks`, hosts at multiples of gpus_per_host.
int HostsOfRanks(const NetRates& net, int ranks);

struct Parallel {
  enum class Schedule : std::uint8_t { kOneFOneB, kDualpipe };
  // Innermost first: whose ranks stand next to each other.
  enum class Order : std::uint8_t { kTensorContextDataPipeline, kTensorContextPipelineData };
  int tensor = 1, context = 1, pipeline = 1, data = 1, expert = 1, virtual_stages = 1, zero = 1;
  bool sequence = true;
  Schedule schedule = Schedule::kOneFOneB;
  Order order = Order::kTensorContextDataPipeline;

  int gpus() const { return tensor * context * pipeline * data; }
  int chunks() const { return pipeline * virtual_stages; }
};

struct Training;

// Of `count` replicas in a row (data and context ranks), every `apart`-th from the first on: how
// their ranks of one stage and tensor rank stand on hosts.
struct ReplicaHosts {
  int on_first = 0, hosts = 0;  // ranks on the first of these hosts
};
ReplicaHosts HostsOfReplicas(const Training& training, const NetRates& net, int count, int apart);

struct Overlap {
  bool tensor = false, pipeline = true, data = true, context = false, expert = false;
  bool shared_experts = false, weights = false;
  int tensor_pieces = 4;
};

enum class Recompute : std::uint8_t { kNone, kSelective, kFull };

// Measured times of one micro-batch on one stage, in place of the model's own.
struct StageTimes {
  double forward_s = 0, backward_s = 0, weights_s = 0;
  std::optional<double> together_s;
};

struct Training {
  Model model;
  Parallel parallel;
  std::int64_t global_batch = 1, micro_batch = 1, sequence = 1;
  Recompute recompute = Recompute::kNone;
  bool fused_attention = true;
  int gradient_bytes = 4, dispatch_bytes = 2;
  Overlap overlap;
  double fixed_s = 0, loading_s = 0, imbalance = 1;
  std::optional<StageTimes> stage_times;
  bool ignore_memory = false;
  // What leaves its host is simulated; else every exchange has its links to itself.
  bool contention = true;

  // Micro-batches of one replica. Requires: CheckTraining() found nothing.
  std::int64_t micro_batches() const { return global_batch / (micro_batch * parallel.data); }
};

// Chunks' gathered parameters that ZeRO-3's schedule holds at once: the next pass's, too, where
// gathers overlap.
inline int ChunksGathered(const Training& training) { return training.overlap.data ? 2 : 1; }

// Bytes of the GPU that needs most, and where they go, at the moment when it holds most: with full
// recomputation either the logits or a layer that came back.
struct MemoryUse {
  double parameters = 0, gradients = 0, optimiser = 0, activations = 0, logits = 0;
  int stage = 0;
  double total() const { return parameters + gradients + optimiser + activations + logits; }
};
MemoryUse MemoryOf(const Training& training);

// Bytes that one layer keeps of one micro-batch for its backward pass, on one rank [KCL+22 eq.
// 1–5].
double ActivationBytesOfLayer(const Training& training, bool with_experts);

// What of a chunk's time is communication of one kind.
struct Exchange {
  double exposed_s = 0, hidden_s = 0;
  double bytes = 0, network_bytes = 0;  // that one rank sends; what of it leaves the host
  // What the two first ones come from: the time alone, the work that may hide of it what is not
  // exposed, and what of the time is launches and steps.
  double alone_s = 0, cover_s = 0, latency_s = 0;
};

// One micro-batch on one chunk of layers: one direction.
struct PassCost {
  double compute_s = 0;
  Exchange tensor, context, expert;
  double total_s() const {
    return compute_s + tensor.exposed_s + context.exposed_s + expert.exposed_s;
  }
};

struct ChunkCost {
  int layers = 0;
  PassCost forward, backward;
  double weights_s = 0;   // of the backward pass: the gradients of weights
  double parameters = 0;  // of one rank, experts left out
  double expert_parameters = 0;
};

struct TrainingCost {
  std::vector<ChunkCost> chunks;  // [p·v], chunk c·p + s
  double boundary_bytes = 0;      // that one rank sends to the next stage, a micro-batch
  // Of gradients of a tied embedding that a rank of the first and of the last stage sum; 0: none.
  double embedding_bytes = 0;
  std::vector<double> optimiser_s;  // [p]
  double flops_per_token = 0, flops_per_token_causal = 0;
};

// What is wrong with a configuration, in words, empty where nothing is; the key under
// workload.training that it is of, and what mends it.
struct TrainingProblem {
  std::string what, key, hint;
};
// The first that there is; memory last, with the sum.
TrainingProblem FindProblem(const Training& training, const GpuRates& gpu);
// Its words alone.
std::string CheckTraining(const Training& training, const GpuRates& gpu);

// Seconds of `groups` products of m x k by k x n in one kernel, each of whose results is
// `out_bytes` wide. Held against measured ones [XLA-MM] in tests/workloads/training_cost_test.cc.
double ProductSeconds(double m, double n, double k, double groups, const GpuRates& gpu,
                      double out_bytes = 2);

// Requires: CheckTraining() found nothing, but for memory.
TrainingCost PriceTraining(const Training& training, const GpuRates& gpu, const NetRates& net);

// Whether a Program has operations of its own for it: it leaves its host, and may meet others.
inline bool IsSimulated(const Training& training, const Exchange& exchange) {
  return training.contention && exchange.network_bytes > 0;
}

// Hosts that a token's experts are on, on average, where `chosen` of `places` are chosen evenly and
// each host has as many: the mean of distinct ones. A router that deals tokens to few hosts on
// purpose has a limit, which counts as reached (nodes_per_token) [DSV3 §2.1.2].
double DistinctHosts(int places, int chosen, int hosts);

// Bytes that dispatch and combine move over NVLink for one over the network, exact.
struct DispatchRatio {
  std::uint64_t num = 0, den = 1;
};
// Requires: ranks of experts stand on several hosts.
DispatchRatio RatioOfDispatch(const Training& training, const NetRates& net);

// Seconds of a ring's all-gather or reduce-scatter of `bytes` over `ranks`; 0 for one rank.
double RingSeconds(double bytes, int ranks, double bytes_per_s, double step_s, double launch_s);

// One over hosts with `near` of the ranks on each. It leaves a host by the NICs of all its ranks
// there, a channel each; but a rank passes on all channels over NVLink, also what leaves by
// another's NIC (ring.h).
struct RingRates {
  double bytes_per_s = 0, step_s = 0;
};
RingRates RatesOfRing(int near, const NetRates& net);

struct IterationEstimate {
  double time_s = 0, compute_s = 0, bubble_s = 0;
  double tensor_s = 0, pipeline_s = 0, data_s = 0, context_s = 0, expert_s = 0;  // exposed
  double fixed_s = 0;
  double tokens_per_s = 0, mfu = 0;
};

// Without contention: each rank has its share of its host's NICs to itself.
IterationEstimate EstimateIteration(const Training& training, const TrainingCost& cost,
                                    const GpuRates& gpu, const NetRates& net);

struct Screened {
  IterationEstimate estimate;
  std::string infeasible;  // why; empty: it can run
};
Screened ScreenTraining(const Training& training, const GpuRates& gpu, const NetRates& net);

}  // namespace weft
