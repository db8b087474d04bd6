// An iteration in closed form.
#include <algorithm>
#include <cmath>

#include "workloads/training/training.h"

namespace weft {
namespace {

struct StageSum {
  double compute_s = 0, tensor_s = 0, context_s = 0, expert_s = 0;
  double backward_s = 0;  // of the total
  double total() const { return compute_s + tensor_s + context_s + expert_s; }
};

StageSum SumOfStage(const Training& t, const TrainingCost& cost, int s) {
  StageSum sum;
  for (int c = s; c < t.parallel.chunks(); c += t.parallel.pipeline) {
    const ChunkCost& chunk = cost.chunks[static_cast<std::size_t>(c)];
    sum.backward_s += chunk.backward.total_s();
    for (const PassCost* pass : {&chunk.forward, &chunk.backward}) {
      sum.compute_s += pass->compute_s;
      sum.tensor_s += pass->tensor.exposed_s;
      sum.context_s += pass->context.exposed_s;
      sum.expert_s += pass->expert.exposed_s;
    }
  }
  return sum;
}

// The ring of a group of replicas.
double ReplicaRing(const Training& t, double bytes, int apart, const NetRates& net) {
  const int ranks = t.parallel.data * t.parallel.context / apart;
  const int near = HostsOfReplicas(t, net, t.parallel.data * t.parallel.context, apart).on_first;
  if (ranks < 2) return 0;
  if (net.nvlink_bytes_per_s > 0 && near == ranks)
    return RingSeconds(bytes, ranks, net.nvlink_bytes_per_s, net.nvlink_step_s, net.launch_s);
  const RingRates over_hosts = RatesOfRing(near, net);
  return RingSeconds(bytes, ranks, over_hosts.bytes_per_s, over_hosts.step_s, net.launch_s);
}

// Reductions and gathers of one chunk's parameters.
struct ChunkData {
  double reduction_s = 0, gather_s = 0;
};
ChunkData DataOf(const Training& t, const ChunkCost& chunk, const NetRates& net) {
  const auto both = [&](double bytes_each) {
    return ReplicaRing(t, chunk.parameters * bytes_each, 1, net) +
           ReplicaRing(t, chunk.expert_parameters * bytes_each, t.parallel.expert, net);
  };
  // What comes back: parameters, or without ZeRO the reduced gradients.
  return {both(t.gradient_bytes), both(t.parallel.zero >= 1 ? 2 : t.gradient_bytes)};
}

// Of ZeRO-2 and 3 with overlap, beyond the passes of all micro-batches and a first gather: the
// longest of what passes or rings may wait for. A chunk's passes take 1/v of its stage's.
double QueueSeconds(const Training& t, const StageSum& sum, const ChunkData& all,
                    const ChunkData& last) {
  const Parallel& p = t.parallel;
  const auto micro = static_cast<double>(t.micro_batches());
  const double v = p.virtual_stages, passes_s = sum.total(), backward_s = sum.backward_s;
  const double forward_s = passes_s - backward_s;
  // The first backward pass of a chunk ends behind all forward passes of its micro-batch, and
  // interleaved behind those of p micro-batches [NSC+21 §2.2.2].
  const double first_s = forward_s + backward_s / v + (p.pipeline - 1) * forward_s * (v - 1) / v;
  // Gathers of a stage one after the other, ahead of a first backward pass and of the last gather's
  // passes: ZeRO-2's before the first micro-batch, ZeRO-3's twice in each.
  double gathers_s = all.gather_s, first_gathers_s = all.gather_s, first_passes_s = forward_s;
  double behind_s = (micro - 1) * passes_s + backward_s + forward_s / v, wire_s = 0;
  if (p.zero == 3) {
    gathers_s = 2 * micro * all.gather_s;
    first_gathers_s = all.gather_s + last.gather_s;
    first_passes_s = 0;
    behind_s = backward_s / v;
    wire_s = micro * (all.reduction_s + 2 * all.gather_s);  // one network carries both
  } else {
    first_passes_s /= v;
  }
  const double reduced_s =
      std::max(last.gather_s + first_s, first_gathers_s + first_passes_s + backward_s / v) +
      micro * all.reduction_s;
  const double ends_s = std::max({gathers_s + behind_s + last.reduction_s, reduced_s, wire_s});
  return std::max(last.reduction_s, ends_s - last.gather_s - micro * passes_s);
}

// Exposed on stage s, whose passes of one micro-batch take `sum`: with each micro-batch, and
// once more. ZeRO-2 reduces after every micro-batch, ZeRO-3 gathers before both of its passes, too.
// With overlap they run behind the passes of other chunks or micro-batches; a first gather and a
// last reduction have none.
struct ExposedData {
  double each_s = 0, once_s = 0;
};
ExposedData DataSeconds(const Training& t, const TrainingCost& cost, int s, const StageSum& sum,
                        const NetRates& net) {
  const Parallel& p = t.parallel;
  const auto micro = static_cast<double>(t.micro_batches());
  ChunkData all, last;
  for (int c = s; c < p.chunks(); c += p.pipeline) {
    last = DataOf(t, cost.chunks[static_cast<std::size_t>(c)], net);
    all.reduction_s += last.reduction_s;
    all.gather_s += last.gather_s;
  }
  if (t.overlap.data && (p.zero == 1 || p.zero == 2)) {  // gathers run while data come
    all.gather_s = std::max(0.0, all.gather_s - t.loading_s);
    last.gather_s = std::max(0.0, last.gather_s - t.loading_s);
  }
  ExposedData out;
  const double ends_s = last.reduction_s + last.gather_s;
  if (p.zero < 2) {
    out.once_s = all.reduction_s + all.gather_s;
    if (t.overlap.data) out.once_s = std::max(ends_s, out.once_s - sum.total());
    return out;
  }
  out.each_s = all.reduction_s + (p.zero == 3 ? 2 * all.gather_s : 0);
  out.once_s = p.zero == 2 ? all.gather_s : 0;
  if (!t.overlap.data) return out;
  out.each_s = std::max(0.0, out.each_s - sum.total());
  out.once_s = last.gather_s + QueueSeconds(t, sum, all, last) - micro * out.each_s;
  return out;
}

// Where B − W is not below F nor W, DualPipe's bubble is (p/2 − 1)(F&B + B − 3W) [DualPipe README],
// of the ranks in the middle: F&B in m − p of their passes. [DualPipe dualpipe.py] leaves the first
// two of these apart "to further reduce bubble size", which saves up to a forward pass. B − W < F
// leaves forward passes waiting in its step 3, and B − W < W backward passes in step 7.
double DualpipeSeconds(const Training& t) {
  const StageTimes& s = *t.stage_times;
  const double together = s.together_s.value_or(s.forward_s + s.backward_s);
  const double apart = s.forward_s + s.backward_s, steps = t.parallel.pipeline / 2.0 - 1;
  const double longer = s.backward_s - s.weights_s - s.forward_s;  // a backward pass without W
  const double saved = std::min(s.forward_s, steps * std::max(0.0, longer));
  const double waits = std::max(0.0, -longer) + std::max(0.0, 2 * s.weights_s - s.backward_s);
  const double bubble = steps * (together + s.backward_s - 3 * s.weights_s + waits) - saved;
  const double pairs = static_cast<double>(t.micro_batches()) - t.parallel.pipeline - 1;
  return pairs * together + (t.parallel.pipeline + 1) * apart + bubble;
}

}  // namespace

IterationEstimate EstimateIteration(const Training& t, const TrainingCost& cost,
                                    const GpuRates& gpu, const NetRates& net) {
  const Parallel& p = t.parallel;
  const auto micro = static_cast<double>(t.micro_batches());
  StageSum slowest;
  double mean = 0, data_s = 0, optimiser_s = 0, each_s = 0;
  for (int s = 0; s < p.pipeline; ++s) {
    const StageSum sum = SumOfStage(t, cost, s);
    const ExposedData data = DataSeconds(t, cost, s, sum, net);
    mean += sum.total() / p.pipeline;  // rings of a stage that waits for its turn run meanwhile
    if (sum.total() + data.each_s > slowest.total() + each_s) {
      slowest = sum;
      each_s = data.each_s;
    }
    data_s = std::max(data_s, data.once_s);
    optimiser_s = std::max(optimiser_s, cost.optimiser_s[static_cast<std::size_t>(s)]);
  }
  IterationEstimate out;
  out.compute_s = micro * slowest.compute_s + optimiser_s;
  out.tensor_s = micro * slowest.tensor_s;
  out.context_s = micro * slowest.context_s;
  out.expert_s = micro * slowest.expert_s;
  out.data_s = micro * each_s + data_s;
  if (cost.embedding_bytes > 0)
    out.data_s += net.launch_s + net.network_step_s + cost.embedding_bytes / net.nic_bytes_per_s;
  out.fixed_s = t.loading_s + t.fixed_s;
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
