#include "workloads/training/build_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/random.h"
#include "workloads/build_internal.h"
#include "workloads/training.pb.h"
#include "workloads/training/builder_internal.h"

namespace weft {
namespace {

constexpr const char* kPath = "workload.training";

// The hosts that are slow, drawn from those of the job.
std::set<HostId> SlowHosts(const StragglerSpec& spec, const Fabric& fabric,
                           const Placement& placement) {
  std::set<HostId> all;
  for (const GpuId gpu : placement.gpu_of_rank) all.insert(fabric.vertex(fabric.gpu(gpu)).host);
  std::vector<HostId> hosts(all.begin(), all.end());
  const auto count =
      static_cast<std::size_t>(spec.share() * static_cast<double>(hosts.size()) + 0.5);
  Random random(StreamSeed(static_cast<std::uint64_t>(spec.seed()), {0}));
  std::set<HostId> slow;
  for (auto left = static_cast<std::uint32_t>(hosts.size()); slow.size() < count; --left) {
    std::swap(hosts[left - 1], hosts[random.Below(left)]);
    slow.insert(hosts[left - 1]);
  }
  return slow;
}

// What the Program cannot hold yet, in words with what to do.
std::pair<std::string, std::string> NotSimulated(const Training& training) {
  if (training.parallel.zero >= 2 && training.parallel.schedule == Parallel::Schedule::kDualpipe)
    return {fmt::format("'zero: {}' reduces gradients with every micro-batch, and that is not "
                        "simulated under dualpipe",
                        training.parallel.zero),
            "zero: 1, or schedule: one_f_one_b"};
  return {};
}

// Exchanges that leave their hosts, and so are simulated.
struct Leaving {
  bool tensor = false, context = false, expert = false;
  bool any() const { return tensor || context || expert; }
};

Leaving LeavingOf(const TrainingCost& cost) {
  Leaving out;
  for (const ChunkCost& chunk : cost.chunks) {
    out.tensor = out.tensor || chunk.forward.tensor.network_bytes > 0;
    out.context = out.context || chunk.forward.context.network_bytes > 0;
    out.expert = out.expert || chunk.forward.expert.network_bytes > 0;
  }
  return out;
}

std::vector<Error> KeysWithoutEffect(const TrainingSpec& spec, const SourceMap& sources,
                                     const Training& training, const Leaving& leaving) {
  struct Key {
    const char* path;
    bool silent;
    const char* why;
    const char* of = "";  // what it has no effect on, where not on anything
  };
  const Parallel& p = training.parallel;
  const bool experts = p.expert > 1;
  const bool given_times = training.stage_times.has_value();
  const bool fused_again = training.recompute == Recompute::kSelective && training.fused_attention;
  const bool meets = training.contention && leaving.any();
  const bool expert_meets = training.contention && leaving.expert;
  constexpr const char* kTimes = "stage_times says how long passes take";
  const bool dualpipe = p.schedule == Parallel::Schedule::kDualpipe;
  const bool one_replica = p.data * p.context < 2;
  // Then the one reduction is behind all passes, and a gather before them and not beside anything.
  const bool one_chunk =
      !one_replica && !dualpipe && p.virtual_stages == 1 &&
      (p.zero == 0 || (training.loading_s == 0 && p.pipeline == 1 &&
                       (p.zero == 1 || (p.zero == 2 && training.micro_batches() == 1))));
  const std::array<Key, 30> keys{{
      {"overlap.weights", p.tensor < 2, "tensor is 1"},
      {"overlap.weights", p.tensor > 1 && given_times, kTimes},
      {"overlap.tensor", p.tensor < 2, "tensor is 1"},
      {"overlap.tensor_pieces", !training.overlap.tensor, "overlap.tensor is false"},
      {"overlap.pipeline", p.pipeline < 2, "pipeline is 1"},
      {"overlap.data", one_replica, "there is one replica"},
      {"overlap.data", dualpipe && !one_replica && p.zero == 0,
       "under dualpipe nothing hides a reduction"},
      {"overlap.data", one_chunk,
       "a stage's parameters are one chunk, before and behind all passes: virtual_stages cuts it"},
      {"overlap.context", p.context < 2, "context is 1"},
      {"overlap.expert", !experts, "expert is 1"},
      {"overlap.shared_experts", !experts || training.model.moe->shared == 0,
       experts ? "the model has none" : "expert is 1"},
      {"overlap.shared_experts", training.overlap.expert, "overlap.expert hides more"},
      {"dispatch", !experts, "expert is 1"},
      {"imbalance", !experts, "expert is 1"},
      {"recompute", fused_again && !given_times, "fused attention keeps no scores", " on memory"},
      {"recompute", given_times && !meets, kTimes},
      {"fused_attention", given_times, kTimes},
      {"overlap.tensor", given_times, kTimes},
      {"overlap.tensor_pieces", given_times && training.overlap.tensor, kTimes},
      {"overlap.shared_experts",
       given_times && experts && training.model.moe->shared > 0 && !training.overlap.expert,
       kTimes},
      {"dispatch", given_times && experts && !expert_meets, kTimes, " on times"},
      {"imbalance", given_times && experts && !expert_meets, kTimes, " on times"},
      {"overlap.context", given_times, kTimes},
      {"overlap.expert", given_times, kTimes},
      {"parallel.sequence", p.tensor < 2, "tensor is 1"},
      {"stragglers.slower", spec.stragglers().share() == 0, "stragglers.share is 0"},
      {"stragglers.seed", spec.stragglers().share() == 0, "stragglers.share is 0"},
      {"jitter_seed", spec.jitter() == 0, "jitter is 0"},
      {"stage_times.weights", !dualpipe, "only dualpipe computes gradients of weights apart"},
      {"stage_times.together", !dualpipe, "only dualpipe runs passes together"},
  }};
  std::vector<Error> warnings;
  for (const Key& key : keys) {
    const std::string path = fmt::format("{}.{}", kPath, key.path);
    if (key.silent && sources.Given(path))
      warnings.push_back({ErrorCode::kInconsistent,
                          sources.At(path).pos,
                          fmt::format("'{}' has no effect{}: {}", path, key.of, key.why),
                          {}});
  }
  return warnings;
}

// Of all patterns of dispatch and combine: every rank sends to every other host of its experts.
// Forward and backward each have theirs, under DualPipe alone and together.
double EdgesNeeded(const TrainingProgram& program) {
  const Training& training = program.training;
  if (!training.contention || !LeavingOf(program.cost).expert) return 0;
  return (training.stage_times ? 4.0 : 2.0) * training.parallel.gpus() *
         HostsOfReplicas(training, program.net, training.parallel.expert, 1).hosts;
}

// Whether repeats may differ: with reductions behind every backward pass, of which a queue may grow
// beside the passes; and where somebody asks for each.
bool SimulatesEveryRepeat(const Training& training, const BuildOptions& options) {
  return options.every_micro_batch || (training.parallel.zero >= 2 && training.overlap.data);
}

// Operations of all replicas: what is not repeated, and one repeat; or if they are more, tasks that
// are laid out.
double RowsNeeded(const TrainingProgram& program, const BuildOptions& options) {
  const Training& training = program.training;
  const Leaving leaving = LeavingOf(program.cost);
  const Parallel& p = training.parallel;
  const auto all = static_cast<double>(training.micro_batches());
  const double few = std::min(all, 6.0 * p.pipeline + kMostMicroBatches);
  const bool dualpipe = p.schedule == Parallel::Schedule::kDualpipe;
  const double tasks = 2.0 * p.virtual_stages * (dualpipe ? all : few);
  const double laid_out = 2.0 * p.virtual_stages * p.pipeline *
                          (dualpipe || SimulatesEveryRepeat(training, options) ? all : few);
  const double rings = p.zero < 2 ? 0 : tasks * p.pipeline * p.tensor * (p.zero == 3 ? 1.5 : 0.5);
  double of_pass = 2;
  if (training.contention && leaving.any())  // of each kind what hides and what does not
    of_pass += 2 + 2 * ((leaving.tensor ? p.context : 0) + (leaving.context ? p.tensor : 0) +
                        (leaving.expert ? 1 : 0));
  return std::max(
      laid_out, tasks * p.pipeline * p.data * of_pass + rings * (p.expert > 1 ? 1 + p.expert : 1));
}

}  // namespace

bool TrainingBuilder::Build(const std::set<HostId>& slow, double slower) {
  // Every repeat counts the same: those beyond the first ones are left out, and counted.
  Training& training = out_->training;
  const PipelineRepeats repeats = RepeatsOf(parallel(), training.micro_batches());
  const std::int64_t most = std::max<std::int64_t>(2, kMostMicroBatches / repeats.step);
  const std::int64_t batch = training.global_batch;
  if (repeats.times > most && !SimulatesEveryRepeat(training, *options_)) {
    out_->skipped = repeats.times - most;
    training.global_batch -= out_->skipped * repeats.step * training.micro_batch * replicas();
  }
  order_ = OrderOf(parallel(), training.micro_batches());
  if (order_.times < 2) order_.period = 0;
  for (int d = 0; d < replicas(); ++d)
    for (int s = 0; s < stages(); ++s) {
      bool is_slow = false;
      for (int c = 0; c < parallel().context; ++c)
        for (int t = 0; t < parallel().tensor; ++t)
          is_slow = is_slow || slow.count(fabric_->vertex(ranks_.Gpu(t, c, d, s)).host) > 0;
      factor_.push_back(is_slow ? 1 + slower : 1);
    }
  program_->stream_count = DataStream(stages(), 0, 0, false);
  for (int d = 0; d < replicas(); ++d)
    for (int s = 0; s < stages(); ++s) program_->host_of_stream.push_back(ranks_.HostOf(d, s));
  program_->tunings.push_back({1, Bytes(), Bytes(), options_->launch});
  MarkBlocks();
  EmitLoading();
  EmitGathersAhead();

  std::vector<std::size_t> none(order_.tasks.size(), 0), all = none, middle = none;
  for (std::size_t s = 0; s < all.size(); ++s) all[s] = order_.tasks[s].size();
  for (const std::size_t tasks : all) task_rows_.emplace_back(tasks, kNone);
  last_rows_.assign(all.size(), kNone);
  if (order_.period == 0) {
    if (!EmitRegion(none, all, false)) return false;
  } else {
    if (!EmitRegion(none, order_.first_repeat, false)) return false;
    const std::uint32_t first = next_row();
    for (std::size_t s = 0; s < all.size(); ++s) middle[s] = order_.first_repeat[s] + order_.period;
    if (!EmitRegion(order_.first_repeat, middle, true)) return false;
    out_->first_block_row = first;
    out_->block_rows = next_row() - first;
    out_->passes = order_.times;
    program_->blocks.push_back({first, out_->block_rows, static_cast<std::uint32_t>(order_.times)});
    // What comes after finds every micro-batch of the repeats in the block's rows.
    for (std::size_t k = 0; k < places_.size(); ++k)
      for (const std::int64_t base : base_[k])
        for (std::int64_t pass = 1; base >= 0 && pass < order_.times; ++pass)
          places_[k][static_cast<std::size_t>(base + pass * order_.micro_step)] =
              places_[k][static_cast<std::size_t>(base)];
    for (std::size_t s = 0; s < all.size(); ++s)
      middle[s] = order_.first_repeat[s] + order_.period * static_cast<std::size_t>(order_.times);
    if (!EmitRegion(middle, all, false)) return false;
  }
  EmitReductions();
  EmitEmbeddings();
  EmitEnd();
  program_->host_of_stream.resize(program_->stream_count, kNoHost);  // with those of exchanges
  training.global_batch = batch;
  return true;
}

Result<Workload> BuildTraining(const TrainingSpec& spec, const SourceMap& sources,
                               const Fabric& fabric, const Placement& placement,
                               const BuildOptions& options) {
  const auto gpu = MakeGpuRates(spec.efficiency(), sources, options.gpu);
  auto made = MakeTraining(spec, sources, static_cast<std::int64_t>(placement.gpu_of_rank.size()));
  if (!gpu || !made) {
    Errors errors = gpu ? Errors() : gpu.error();
    if (!made) errors.insert(errors.end(), made.error().begin(), made.error().end());
    return tl::make_unexpected(std::move(errors));
  }
  const SourcePos pos = sources.At(fmt::format("{}.parallel", kPath)).pos;
  if (const TrainingProblem problem = FindProblem(*made, *gpu); !problem.what.empty())
    return Fail(ErrorCode::kInconsistent, sources.At(fmt::format("{}.{}", kPath, problem.key)).pos,
                problem.what, problem.hint);
  if (const auto [problem, hint] = NotSimulated(*made); !problem.empty())
    return Fail(ErrorCode::kInconsistent, pos, problem, hint);

  Workload workload;
  auto out = std::make_shared<TrainingProgram>();
  out->training = *std::move(made);
  out->gpu = *gpu;
  out->net = MakeNetRates(fabric, placement.gpu_of_rank.front(), options);
  out->net.gpus_per_host = RanksOfAHost(fabric, placement);
  out->cost = PriceTraining(out->training, out->gpu, out->net);
  workload.warnings = KeysWithoutEffect(spec, sources, out->training, LeavingOf(out->cost));
  out->memory = MemoryOf(out->training);
  if (const double rows = RowsNeeded(*out, options); rows > static_cast<double>(kRowLimit))
    return Fail(ErrorCode::kOutOfRange, pos, fmt::format("{:.0f} operations", rows),
                fmt::format("at most {}: fewer replicas, stages or micro-batches", kRowLimit));
  constexpr double kDay = 86400;
  // The closed form knows neither slow hosts nor jitter.
  const double slowed =
      (spec.stragglers().share() > 0 ? 1 + spec.stragglers().slower() : 1) * (1 + spec.jitter());
  out->closed_form_s =
      slowed * EstimateIteration(out->training, out->cost, out->gpu, out->net).time_s;
  const double days = out->closed_form_s / kDay;
  if (days > kMostDaysOfWork)
    return Fail(ErrorCode::kOutOfRange, sources.At(fmt::format("{}.global_batch", kPath)).pos,
                fmt::format("an iteration of {:.4g} days", days),
                fmt::format("at most {:.0f}: a smaller global_batch, more GPUs, or shorter times",
                            kMostDaysOfWork));
  if (const double edges = EdgesNeeded(*out); edges > static_cast<double>(kEdgeLimit))
    return Fail(ErrorCode::kOutOfRange, pos,
                fmt::format("dispatch and combine have {:.0f} edges between hosts", edges),
                fmt::format("at most {}, or contention: false", kEdgeLimit));
  const std::string contention = fmt::format("{}.contention", kPath);
  if (sources.Given(contention) && !LeavingOf(out->cost).any())
    workload.warnings.push_back({ErrorCode::kInconsistent,
                                 sources.At(contention).pos,
                                 fmt::format("'{}' has no effect: no tensor, context or expert "
                                             "collective leaves its hosts",
                                             contention),
                                 {}});
  const std::set<HostId> slow = SlowHosts(spec.stragglers(), fabric, placement);
  out->slow_hosts = static_cast<std::int64_t>(slow.size());
  TrainingBuilder builder(fabric, placement, options, *out, workload.program);
  workload.stopped = !builder.Build(slow, spec.stragglers().slower());
  workload.program.jitter = {spec.jitter(), static_cast<std::uint64_t>(spec.jitter_seed())};
  workload.training = std::move(out);
  return workload;
}

std::string TrainingRowName(const TrainingProgram& training, RowId row) {
  using Kind = TrainingRow::Kind;
  constexpr std::array<const char*, 17> kNames{"forward",
                                               "backward",
                                               "gradients of weights",
                                               "forward and backward",
                                               "send",
                                               "gradient reduction",
                                               "parameter gather",
                                               "optimiser",
                                               "norm of gradients",
                                               "fixed time",
                                               "sum of the embedding's gradients",
                                               "compute beside exchanges",
                                               "end of exchanges",
                                               "tensor exchange",
                                               "context exchange",
                                               "dispatch and combine",
                                               "loading of data"};
  const TrainingRow& one = training.rows[Index(row)];
  const auto kind = static_cast<std::size_t>(one.kind);
  if (one.kind == Kind::kBarrier || one.kind == Kind::kFixed || one.kind == Kind::kLoading)
    return kNames[kind];
  if (one.kind == Kind::kEmbedding) return fmt::format("{}, replica {}", kNames[kind], one.replica);
  std::string name = fmt::format("{}, stage {}", kNames[kind], one.stage);
  if (training.training.parallel.virtual_stages > 1) name += fmt::format(", chunk {}", one.chunk);
  const bool ring = one.kind == Kind::kReduce || one.kind == Kind::kGather;
  return name + fmt::format(", {} {}", ring ? "tensor rank" : "replica", one.replica);
}

}  // namespace weft
