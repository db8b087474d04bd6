// From the spec, the GPU's part and the fabric to plain values.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "hardware/parts.h"
#include "workloads/training.pb.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

constexpr const char* kPath = "workload.training";

std::string At(const char* key) { return fmt::format("{}.{}", kPath, key); }

Result<Model> ChooseModel(const TrainingSpec& spec, const SourceMap& sources) {
  if (spec.has_architecture() && !spec.model().empty())
    return Fail(ErrorCode::kInconsistent, sources.At(At("architecture")).pos,
                "both 'model' and 'architecture' say what is trained", "one of them");
  if (spec.has_architecture())
    return MakeModel(spec.architecture(), sources, At("architecture"), "own architecture");
  if (spec.model().empty())
    return Fail(ErrorCode::kInconsistent, sources.At(kPath).pos, "nothing says what is trained",
                "model: gpt3-175b");
  if (std::optional<Model> model = FindModel(spec.model())) return *std::move(model);
  return Fail(ErrorCode::kInconsistent, sources.At(At("model")).pos,
              fmt::format("no model is called '{}'", spec.model()),
              "want " + JoinOr(PresetTable(WorkloadPresets()).Names("model")));
}

Parallel ParallelOf(const ParallelSpec& spec, int data) {
  Parallel out;
  out.tensor = spec.tensor();
  out.context = spec.context();
  out.pipeline = spec.pipeline();
  out.data = data;
  out.expert = spec.expert();
  out.virtual_stages = spec.virtual_stages();
  out.zero = spec.zero();
  out.sequence = spec.sequence();
  if (spec.schedule() == ParallelSpec::DUALPIPE) out.schedule = Parallel::Schedule::kDualpipe;
  if (spec.order() == ParallelSpec::TENSOR_CONTEXT_PIPELINE_DATA)
    out.order = Parallel::Order::kTensorContextPipelineData;
  return out;
}

// How many replicas there are; the sum where it does not come out even.
Result<int> Replicas(const ParallelSpec& spec, const SourceMap& sources, std::int64_t gpus) {
  const std::int64_t one = std::int64_t{spec.tensor()} * spec.context() * spec.pipeline();
  const std::string sum = fmt::format("tensor {} x context {} x pipeline {}", spec.tensor(),
                                      spec.context(), spec.pipeline());
  if (!spec.has_data()) {
    if (gpus % one == 0) return static_cast<int>(gpus / one);
    return Fail(ErrorCode::kInconsistent, sources.At(At("parallel")).pos,
                fmt::format("{} does not divide the placement's {} GPUs", sum, gpus),
                "a product that does, or another placement.gpus");
  }
  if (one * spec.data() == gpus) return spec.data();
  return Fail(ErrorCode::kInconsistent, sources.At(At("parallel.data")).pos,
              fmt::format("{} x data {} is {} ranks, and the placement has {} GPUs", sum,
                          spec.data(), one * spec.data(), gpus),
              "without 'data' it is what the GPUs give");
}

StageTimes TimesOf(const StageTimesSpec& spec) {
  StageTimes out;
  out.forward_s = ToSeconds(SimDuration(spec.forward()));
  out.backward_s = ToSeconds(SimDuration(spec.backward()));
  out.weights_s = ToSeconds(SimDuration(spec.weights()));
  if (spec.has_together()) out.together_s = ToSeconds(SimDuration(spec.together()));
  return out;
}

Errors WrongStageTimes(const TrainingSpec& spec, const SourceMap& sources) {
  if (!spec.has_stage_times()) return {};
  const StageTimesSpec& times = spec.stage_times();
  if (spec.parallel().schedule() == ParallelSpec::DUALPIPE && !times.has_weights())
    return {{ErrorCode::kInconsistent, sources.At(At("stage_times")).pos,
             "'stage_times' has no 'weights', and dualpipe computes the gradients of weights apart",
             "weights: 9ms, what of 'backward' they take"}};
  if (times.weights() <= times.backward()) return {};
  const std::string backward = FormatWhole(times.backward(), Unit::DURATION);
  return {{ErrorCode::kInconsistent, sources.At(At("stage_times.weights")).pos,
           fmt::format("'weights' is {}, and it is a part of 'backward', which is {}",
                       FormatWhole(times.weights(), Unit::DURATION), backward),
           fmt::format("at most {}", backward)}};
}

Efficiency Over(const EfficiencySpec& spec, Efficiency out) {
  if (spec.has_gemm()) out.gemm = spec.gemm();
  if (spec.has_attention_forward()) out.attention_forward = spec.attention_forward();
  if (spec.has_attention_backward()) out.attention_backward = spec.attention_backward();
  if (spec.has_memory()) out.memory = spec.memory();
  if (spec.has_sms()) out.sms = spec.sms();
  if (spec.has_communication_sms()) out.communication_sms = spec.communication_sms();
  if (spec.has_half_k()) out.half_k = spec.half_k();
  if (spec.has_attention_start()) out.attention_start = spec.attention_start();
  if (spec.has_kernel_gap()) out.kernel_gap_s = ToSeconds(SimDuration(spec.kernel_gap()));
  return out;
}

std::optional<Efficiency> FindEfficiency(std::string_view name) {
  const PresetTable presets(WorkloadPresets());
  const Preset* preset = presets.Find("efficiency", name);
  if (preset == nullptr) return std::nullopt;
  const auto read = ParseText<EfficiencySpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(read.has_value());  // presets are compiled in, and tests read each
  return Over(read->message, {});
}

}  // namespace

Result<Training> MakeTraining(const TrainingSpec& spec, const SourceMap& sources,
                              std::int64_t gpus) {
  auto model = ChooseModel(spec, sources);
  const auto replicas = Replicas(spec.parallel(), sources, gpus);
  if (!model || !replicas) {
    Errors errors = model ? Errors() : model.error();
    if (!replicas) errors.insert(errors.end(), replicas.error().begin(), replicas.error().end());
    return tl::make_unexpected(std::move(errors));
  }
  if (Errors errors = WrongStageTimes(spec, sources); !errors.empty())
    return tl::make_unexpected(std::move(errors));
  Training out;
  out.model = *std::move(model);
  out.parallel = ParallelOf(spec.parallel(), *replicas);
  out.global_batch = spec.global_batch();
  out.micro_batch = spec.micro_batch();
  out.sequence = spec.sequence();
  out.recompute = static_cast<Recompute>(spec.recompute());
  out.fused_attention = spec.fused_attention();
  out.gradient_bytes = spec.gradients() == TrainingSpec::GRADIENTS_BF16 ? 2 : 4;
  out.dispatch_bytes = spec.dispatch() == TrainingSpec::DISPATCH_FP8 ? 1 : 2;
  const OverlapSpec& overlap = spec.overlap();
  out.overlap = {overlap.tensor(),  overlap.pipeline(),     overlap.data(),
                 overlap.context(), overlap.expert(),       overlap.shared_experts(),
                 overlap.weights(), overlap.tensor_pieces()};
  out.fixed_s = ToSeconds(SimDuration(spec.fixed_time()));
  out.loading_s = ToSeconds(SimDuration(spec.loading_time()));
  out.imbalance = spec.imbalance();
  if (spec.has_stage_times()) out.stage_times = TimesOf(spec.stage_times());
  out.ignore_memory = spec.ignore_memory();
  out.contention = spec.contention();
  return out;
}

Result<GpuRates> MakeGpuRates(const EfficiencySpec& spec, const SourceMap& sources,
                              const std::string& gpu) {
  const SourcePos pos = sources.At(kPath).pos;
  const std::optional<GpuPart> part = FindGpu(gpu);
  if (!part || part->bf16_flops == 0 || part->memory_rate.bits_per_second() == 0)
    return Fail(ErrorCode::kInconsistent, pos,
                part ? fmt::format("gpu preset '{}' has no figures of compute", gpu)
                     : std::string("the hosts' GPUs have no figures of compute"),
                "a host with a gpu that has: host: { preset: hgx-h100 }");
  GpuRates out;
  out.flops = part->bf16_flops;
  out.memory_bytes_per_s = part->memory_rate.bits_per_second() / 8;
  out.memory = part->memory;
  std::optional<Efficiency> base = FindEfficiency(gpu);  // a GPU's own, else its architecture's
  if (!base) base = FindEfficiency(part->architecture);
  const bool complete = spec.has_gemm() && spec.has_attention_forward() &&
                        spec.has_attention_backward() && spec.has_memory() && spec.has_sms();
  if (!base && !complete)
    return Fail(ErrorCode::kInconsistent, pos,
                fmt::format("nothing says how well a {} does its work", gpu),
                "efficiency: { preset: hopper }, or gemm, attention_forward, attention_backward, "
                "memory and sms");
  out.efficiency = Over(spec, base.value_or(Efficiency()));
  return out;
}

NetRates MakeNetRates(const Fabric& fabric, GpuId gpu, const BuildOptions& options) {
  const auto payload = [&](const Link& link) {
    return link.rate.bits_per_second() / 8 *
           options.link_efficiency[static_cast<std::size_t>(link.link_class)];
  };
  const VertexId vertex = fabric.gpu(gpu);
  const Host& host = fabric.host(fabric.vertex(vertex).host);
  NetRates out;
  out.gpus_per_host = host.gpus;
  out.launch_s = ToSeconds(options.launch);
  out.nvlink_step_s = ToSeconds(options.nvlink.step);
  out.network_step_s = ToSeconds(options.network.step);
  double pcie = 0;
  for (const Link& link : fabric.links_from(vertex)) {
    if (link.to == host.nvswitch && host.nvswitch != kNoVertex) {
      out.nvlink_bytes_per_s = payload(link);
      out.nvlink_step_s += 2 * ToSeconds(link.latency);
    } else {
      pcie = payload(link);
      out.network_step_s += 2 * ToSeconds(link.latency);
    }
  }
  double nics = 0;
  SimDuration hop{};
  for (std::uint32_t n = 0; n < host.nics; ++n) {
    const VertexId nic{Index(host.first_nic) + n};
    for (const Link& link : fabric.links_from(nic)) {
      if (link.link_class != LinkClass::kNetwork) continue;
      nics += payload(link);
      hop = std::max(hop, link.latency);
    }
  }
  out.nic_bytes_per_s = std::min(nics / std::max<int>(1, host.gpus), pcie > 0 ? pcie : nics);
  out.network_step_s += 4 * ToSeconds(hop);  // up and down two tiers
  return out;
}

}  // namespace weft
