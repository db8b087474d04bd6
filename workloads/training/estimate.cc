// An iteration in closed form.
#include <algorithm>
#include <cmath>

#include "workloads/training/training.h"

namespace weft {
namespace {

struct StageSum {
  double compute_s = 0, tensor_s = 0, context_s = 0, expert_s = 0;
  double total() const { return compute_s + tensor_s + context_s + expert_s; }
};

StageSum SumOfStage(const Training& t, const TrainingCost& cost, int s) {
  StageSum sum;
  for (int c = s; c < t.parallel.chunks(); c += t.parallel.pipeline)
    for (const PassCost* pass : {&cost.chunks[static_cast<std::size_t>(c)].forward,
                                 &cost.chunks[static_cast<std::size_t>(c)].backward}) {
      sum.compute_s += pass->compute_s;
      sum.tensor_s += pass->tensor.exposed_s;
      sum.context_s += pass->context.exposed_s;
      sum.expert_s += pass->expert.exposed_s;
    }
  return sum;
}

bool DataInHost(const Training& t, const NetRates& net) {
  const Parallel& p = t.parallel;
  const bool next_to = p.order == Parallel::Order::kTensorContextDataPipeline || p.pipeline == 1;
  const double apart = 1.0 * p.tensor * p.context * p.data * (next_to ? 1 : p.pipeline);
  return net.nvlink_bytes_per_s > 0 && apart <= net.gpus_per_host;
}

// Reductions and gathers of one chunk's parameters in an iteration: ZeRO-2 reduces after every
// micro-batch, ZeRO-3 gathers before both of its passes, too. A replica's tensor and context ranks
// that share a host share its NICs; where few ranks of a group do, each has several.
double DataSeconds(const Training& t, const ChunkCost& chunk, const NetRates& net) {
  const Parallel& p = t.parallel;
  const auto ring = [&](double bytes, int ranks) {
    const bool inside = DataInHost(t, net);
    // Ranks of the group next to each other on a host: its ring leaves by all their NICs.
    const double near = std::max(1.0, std::floor(1.0 * net.gpus_per_host / p.tensor));
    const bool next_to = p.order == Parallel::Order::kTensorContextDataPipeline || p.pipeline == 1;
    const double nics = next_to ? std::min<double>(near, ranks) : 1;
    return RingSeconds(bytes, ranks, inside ? net.nvlink_bytes_per_s : net.nic_bytes_per_s * nics,
                       inside ? net.nvlink_step_s : net.network_step_s, net.launch_s);
  };
  const int ranks = p.data * p.context, expert_ranks = std::max(1, ranks / p.expert);
  const double back = p.zero >= 1 ? 2 : t.gradient_bytes;  // parameters, or the reduced gradients
  const auto micro = static_cast<double>(t.micro_batches());
  const double reductions = p.zero >= 2 ? micro : 1, gathers = p.zero == 3 ? 2 * micro : 1;
  return reductions * (ring(chunk.parameters * t.gradient_bytes, ranks) +
                       ring(chunk.expert_parameters * t.gradient_bytes, expert_ranks)) +
         gathers * (ring(chunk.parameters * back, ranks) +
                    ring(chunk.expert_parameters * back, expert_ranks));
}

// DualPipe's bubble: (p/2 − 1)(F&B + B − 3W) [DualPipe README].
double DualpipeSeconds(const Training& t) {
  const StageTimes& s = *t.stage_times;
  const double together = s.together_s.value_or(s.forward_s + s.backward_s);
  const double bubble =
      (t.parallel.pipeline / 2.0 - 1) * (together + s.backward_s - 3 * s.weights_s);
  return static_cast<double>(t.micro_batches()) * (s.forward_s + s.backward_s) + bubble;
}

}  // namespace

IterationEstimate EstimateIteration(const Training& t, const TrainingCost& cost,
                                    const GpuRates& gpu, const NetRates& net) {
  const Parallel& p = t.parallel;
  const auto micro = static_cast<double>(t.micro_batches());
  StageSum slowest;
  double mean = 0, data_s = 0, optimiser_s = 0;
  for (int s = 0; s < p.pipeline; ++s) {
    const StageSum sum = SumOfStage(t, cost, s);
    mean += sum.total() / p.pipeline;
    if (sum.total() > slowest.total()) slowest = sum;
    double data = 0, exposed = 0;
    for (int c = s; c < p.chunks(); c += p.pipeline) {
      exposed = DataSeconds(t, cost.chunks[static_cast<std::size_t>(c)], net);
      data += exposed;
    }
    // Behind the passes of the other chunks; the last one's has nothing to hide behind.
    const double left = t.overlap.data ? std::max(exposed, data - sum.total()) : data;
    data_s = std::max(data_s, left);
    optimiser_s = std::max(optimiser_s, cost.optimiser_s[static_cast<std::size_t>(s)]);
  }
  IterationEstimate out;
  out.compute_s = micro * slowest.compute_s + optimiser_s;
  out.tensor_s = micro * slowest.tensor_s;
  out.context_s = micro * slowest.context_s;
  out.expert_s = micro * slowest.expert_s;
  out.data_s = data_s;
  out.fixed_s = t.fixed_s;
  // The pipeline fills and drains once, a chunk at a time [NSC+21 §2.2.2].
  out.bubble_s = (p.pipeline - 1) * mean / p.virtual_stages;
  if (p.schedule == Parallel::Schedule::kDualpipe)
    out.bubble_s = DualpipeSeconds(t) - micro * slowest.total();
  if (p.pipeline > 1) {
    const double send =
        net.launch_s + net.network_step_s + cost.boundary_bytes / net.nic_bytes_per_s;
    const double of_micro = t.overlap.pipeline ? 0 : 2.0 * p.virtual_stages * send;
    out.pipeline_s = micro * of_micro + 2 * (p.pipeline - 1) * send;
  }
  out.time_s = out.compute_s + out.bubble_s + out.tensor_s + out.context_s + out.expert_s +
               out.data_s + out.pipeline_s + out.fixed_s;
  const double tokens = static_cast<double>(t.global_batch * t.sequence);
  out.tokens_per_s = tokens / out.time_s;
  out.mfu = cost.flops_per_token * out.tokens_per_s / (p.gpus() * gpu.flops);
  return out;
}

Screened ScreenTraining(const Training& training, const GpuRates& gpu, const NetRates& net) {
  Screened out;
  out.infeasible = CheckTraining(training, gpu);
  if (!out.infeasible.empty()) return out;
  out.estimate = EstimateIteration(training, PriceTraining(training, gpu, net), gpu, net);
  return out;
}

}  // namespace weft
