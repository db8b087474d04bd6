#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "base/check.h"
#include "scenario/iteration_internal.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;
using Ps = std::int64_t;

// Completions by row and pass.
class ByPass {
 public:
  ByPass(const Program& program, std::span<const Completion> completions)
      : first_(program.ops.size() + 1) {
    std::vector<std::uint32_t> times(program.ops.size(), 1);
    for (const Block& block : program.blocks)
      std::fill_n(times.begin() + block.first_row, block.rows, block.times);
    for (std::size_t row = 0; row < times.size(); ++row) first_[row + 1] = first_[row] + times[row];
    all_.resize(first_.back());
    for (const Completion& one : completions) all_[first_[Index(one.row)] + one.pass] = &one;
  }
  // Null: never done, or `pass` is before the first.
  const Completion* At(std::uint32_t row, std::int64_t pass) const {
    if (pass < 0) return nullptr;
    const auto last = static_cast<std::int64_t>(first_[row + 1] - first_[row]) - 1;
    return all_[first_[row] + static_cast<std::size_t>(std::min(pass, last))];
  }
  std::uint32_t passes(std::uint32_t row) const {
    return static_cast<std::uint32_t>(first_[row + 1] - first_[row]);
  }

 private:
  std::vector<std::size_t> first_;
  std::vector<const Completion*> all_;
};

Ps Start(const Completion& c) { return c.start.time_since_epoch().count(); }
Ps End(const Completion& c) { return c.end.time_since_epoch().count(); }

enum Part { kCompute, kBubble, kFixed, kTensor, kPipeline, kData, kContext, kExpert, kPartCount };
using Parts = std::array<Ps, kPartCount>;

const ChunkCost& CostOf(const TrainingProgram& t, const TrainingRow& row) {
  const Parallel& p = t.training.parallel;
  const bool down = p.schedule == Parallel::Schedule::kDualpipe && row.chunk == 1;
  const int chunk = p.schedule == Parallel::Schedule::kDualpipe
                        ? (down ? p.pipeline - 1 - row.stage : row.stage)
                        : row.chunk * p.pipeline + row.stage;
  return t.cost.chunks[static_cast<std::size_t>(chunk)];
}

// What a computation's time is made of; the rest of it is compute.
void AddWork(const TrainingProgram& t, const TrainingRow& row, Ps duration, Parts& parts) {
  const auto add = [&](Part part, const Exchange& exchange) {
    if (IsSimulated(t.training, exchange)) return;  // it has rows of its own
    const Ps ps = std::min(duration, static_cast<Ps>(exchange.exposed_s * 1e12));
    parts[part] += ps;
    duration -= ps;
  };
  if (row.kind == Kind::kForward || row.kind == Kind::kBackward) {
    const ChunkCost& cost = CostOf(t, row);
    const PassCost& pass = row.kind == Kind::kForward ? cost.forward : cost.backward;
    add(kTensor, pass.tensor);
    add(kContext, pass.context);
    add(kExpert, pass.expert);
  }
  parts[kCompute] += duration;
}

Part PartOf(Kind kind) {
  switch (kind) {
    case Kind::kSend:
      return kPipeline;
    case Kind::kReduce:
    case Kind::kGather:
    case Kind::kEmbedding:
      return kData;
    case Kind::kFixed:
    case Kind::kLoading:
      return kFixed;
    case Kind::kTensor:
      return kTensor;
    case Kind::kContext:
      return kContext;
    case Kind::kExpert:
      return kExpert;
    default:
      return kCompute;
  }
}

bool IsExchange(Kind kind) {
  return kind == Kind::kTensor || kind == Kind::kContext || kind == Kind::kExpert;
}

// Intervals, sorted and merged.
using Spans = std::vector<std::pair<Ps, Ps>>;

Spans Merge(Spans spans) {
  std::sort(spans.begin(), spans.end());
  Spans out;
  for (const auto& span : spans) {
    if (!out.empty() && span.first <= out.back().second)
      out.back().second = std::max(out.back().second, span.second);
    else
      out.push_back(span);
  }
  return out;
}

Ps Inside(const Spans& spans, Ps from, Ps to) {
  Ps sum = 0;
  for (const auto& [a, b] : spans) sum += std::max<Ps>(0, std::min(b, to) - std::max(a, from));
  return sum;
}

// One stage of one replica, followed from its first row to its last.
struct StreamWalk {
  Parts parts{}, last_pass{};  // last_pass: of the block's last repeat
  Ps end = 0, block_end = 0, block_half = 0;
};

class Splitter {
 public:
  Splitter(const Workload& workload, std::span<const Completion> completions)
      : training_(*workload.training), program_(workload.program), by_pass_(program_, completions) {
    const Parallel& p = training_.training.parallel;
    walks_.resize(static_cast<std::size_t>(p.pipeline) * static_cast<std::size_t>(p.data));
    Spans reductions;
    for (const Completion& one : completions) {
      end_ = std::max(end_, End(one));
      const TrainingRow& row = training_.rows[Index(one.row)];
      const Ps took = End(one) - Start(one);
      if (row.kind == Kind::kReduce) reductions.emplace_back(Start(one), End(one));
      // The last repeat stands for those that were not simulated.
      const bool last = InBlock(Index(one.row)) && std::int64_t{one.pass} + 1 == training_.passes;
      const double times = last ? 1.0 + static_cast<double>(training_.skipped) : 1.0;
      if (row.kind == Kind::kSend) communication_ += times * static_cast<double>(took);
      if (row.kind == Kind::kEmbedding) communication_ += 2 * static_cast<double>(took);
      if (row.kind == Kind::kReduce || row.kind == Kind::kGather)
        communication_ +=
            times * static_cast<double>(took) * p.data / p.tensor / (row.expert ? p.expert : 1);
    }
    reductions_ = Merge(std::move(reductions));
    for (const Completion& one : completions) Visit(one);
  }

  IterationSplit Split() {
    Ps per_pass = 0, end = 0, after = 0;
    const std::int64_t half = training_.passes - training_.passes / 2;
    for (const StreamWalk& walk : walks_) {
      const Ps period = half > 0 ? (walk.block_end - walk.block_half) / half : 0;
      end = std::max(end, walk.block_end);
      after = std::max(after, walk.block_end + training_.skipped * period);
      per_pass = std::max(per_pass, period);
    }
    const Ps extra = training_.skipped > 0 ? after - end : 0;
    IterationSplit out;
    out.time = SimDuration(end_ + extra);
    out.skipped = SimDuration(extra);
    std::array<double, kPartCount> mean{};
    for (StreamWalk& walk : walks_) {
      Ps left = extra;
      for (int part = 0; part < kPartCount; ++part) {
        const Ps more = part == kBubble
                            ? 0
                            : std::min(left, walk.last_pass[static_cast<std::size_t>(part)] *
                                                 training_.skipped);
        walk.parts[static_cast<std::size_t>(part)] += more;
        left -= more;
      }
      walk.parts[kBubble] += left + (end_ - walk.end);
      for (int part = 0; part < kPartCount; ++part)
        mean[static_cast<std::size_t>(part)] +=
            static_cast<double>(walk.parts[static_cast<std::size_t>(part)]);
    }
    const double scale = 1e-12 / static_cast<double>(walks_.size());
    out.compute_s = mean[kCompute] * scale;
    out.bubble_s = mean[kBubble] * scale;
    out.fixed_s = mean[kFixed] * scale;
    out.tensor_s = mean[kTensor] * scale;
    out.pipeline_s = mean[kPipeline] * scale;
    out.data_s = mean[kData] * scale;
    out.context_s = mean[kContext] * scale;
    out.expert_s = mean[kExpert] * scale;
    const ExchangeTime exchanges = ExchangesAlone();
    const double longer = out.tensor_s + out.context_s + out.expert_s - exchanges.exposed_s;
    out.communication_s = communication_ * scale + exchanges.all_s + std::max(0.0, longer);
    return out;
  }

 private:
  bool InBlock(std::uint32_t row) const {
    return row >= training_.first_block_row &&
           row < training_.first_block_row + training_.block_rows;
  }

  // Tensor, context and expert collectives, with their links to themselves: that those beside
  // compute are spread over it does not make them longer.
  struct ExchangeTime {
    double all_s = 0, exposed_s = 0;
  };
  ExchangeTime ExchangesAlone() const {
    ExchangeTime sum;
    for (const ChunkCost& chunk : training_.cost.chunks)
      for (const PassCost* pass : {&chunk.forward, &chunk.backward})
        for (const Exchange* one : {&pass->tensor, &pass->context, &pass->expert}) {
          const bool simulated = IsSimulated(training_.training, *one);
          sum.all_s += simulated ? one->alone_s : one->exposed_s + one->hidden_s;
          sum.exposed_s += one->exposed_s;
        }
    const double times = static_cast<double>(training_.training.micro_batches()) /
                         training_.training.parallel.pipeline;
    return {sum.all_s * times, sum.exposed_s * times};
  }

  // What of the wait before `one` was for sends, gathers and exchanges that it names.
  void AddWait(const Completion& one, Ps from, Parts& parts) const {
    const Op& op = program_.ops[Index(one.row)];
    const TrainingRow& row = training_.rows[Index(one.row)];
    Ps to = Start(one);
    if (to <= from) return;
    std::array<Spans, kPartCount> of;
    if (row.kind == Kind::kBarrier || row.kind == Kind::kEmbedding) {
      of[kData] = reductions_;
    } else {
      for (std::uint32_t i = 0; i < op.dep_count; ++i) {
        const Dep& dep = program_.deps[op.first_dep + i];
        const bool same = InBlock(dep.row) && InBlock(Index(one.row));
        const Completion* on = by_pass_.At(
            dep.row, same ? std::int64_t{one.pass} - dep.back : std::int64_t{0xffffffff});
        if (on == nullptr) continue;
        const Kind kind = training_.rows[dep.row].kind;
        if (kind == Kind::kSend || kind == Kind::kGather || IsExchange(kind))
          of[PartOf(kind)].emplace_back(Start(*on), End(*on));
      }
    }
    Ps left = to - from;
    for (const Part part : {kData, kPipeline, kExpert, kTensor, kContext}) {
      if (of[part].empty()) continue;
      const Ps waited = std::min(left, Inside(Merge(std::move(of[part])), from, to));
      parts[part] += waited;
      left -= waited;
    }
    parts[kBubble] += left;
  }

  void Visit(const Completion& one) {
    const Op& op = program_.ops[Index(one.row)];
    const TrainingRow& row = training_.rows[Index(one.row)];
    for (std::uint32_t i = 0; i < op.stream_count; ++i) {
      const std::uint32_t stream = program_.streams[op.first_stream + i];
      if (stream >= walks_.size()) continue;
      StreamWalk& walk = walks_[stream];
      Parts parts{};
      AddWait(one, walk.end, parts);
      const Ps took = End(one) - std::max(Start(one), walk.end);
      if (op.kind == Op::Kind::kCompute)
        AddWork(training_, row, took, parts);
      else
        parts[PartOf(row.kind)] += took;
      for (std::size_t part = 0; part < parts.size(); ++part) walk.parts[part] += parts[part];
      walk.end = End(one);
      if (!InBlock(Index(one.row))) continue;
      if (std::int64_t{one.pass} + 1 == training_.passes) {
        for (std::size_t part = 0; part < parts.size(); ++part) walk.last_pass[part] += parts[part];
        walk.block_end = End(one);
      }
      if (std::int64_t{one.pass} + 1 == training_.passes / 2) walk.block_half = End(one);
    }
  }

  const TrainingProgram& training_;
  const Program& program_;
  ByPass by_pass_;
  Spans reductions_;
  std::vector<StreamWalk> walks_;
  Ps end_ = 0;
  double communication_ = 0;  // picoseconds, of all streams
};

// The row and pass that `one` waited for longest: of its streams or its dependencies.
class Backwards {
 public:
  Backwards(const PreparedScenario& scenario, const Simulation& simulation)
      : training_(*scenario.workload->training),
        program_(scenario.workload->program),
        by_pass_(program_, simulation.completions()) {
    before_.resize(simulation.completions().size(), kNobody);
    std::vector<std::uint32_t> last(program_.stream_count, kNobody);
    std::uint32_t at = 0;
    for (const Completion& one : simulation.completions()) {
      const Op& op = program_.ops[Index(one.row)];
      const Completion* latest = nullptr;
      for (std::uint32_t i = 0; i < op.stream_count; ++i) {
        std::uint32_t& mine = last[program_.streams[op.first_stream + i]];
        Later(mine, simulation, one, latest, before_[at]);
        mine = at;
      }
      ++at;
    }
  }

  std::vector<const Completion*> Path(const Simulation& simulation) const {
    std::vector<const Completion*> path;
    const auto all = simulation.completions();
    if (all.empty()) return path;
    const Completion* at = &all.back();
    while (at != nullptr) {
      path.push_back(at);
      at = Before(*at, simulation);
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

 private:
  static constexpr std::uint32_t kNobody = 0xffffffff;

  static void Later(std::uint32_t candidate, const Simulation& simulation, const Completion& one,
                    const Completion*& latest, std::uint32_t& row) {
    if (candidate == kNobody) return;
    const Completion& c = simulation.completions()[candidate];
    if (c.end > one.start || (latest != nullptr && c.end <= latest->end)) return;
    latest = &c;
    row = candidate;
  }

  const Completion* Before(const Completion& one, const Simulation& simulation) const {
    const std::uint32_t stream =
        before_[static_cast<std::size_t>(&one - simulation.completions().data())];
    const Completion* best = stream == kNobody ? nullptr : &simulation.completions()[stream];
    const Op& op = program_.ops[Index(one.row)];
    const auto in_block = [&](std::uint32_t row) {
      return row >= training_.first_block_row &&
             row < training_.first_block_row + training_.block_rows;
    };
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program_.deps[op.first_dep + i];
      const bool same = in_block(dep.row) && in_block(Index(one.row));
      const Completion* on =
          by_pass_.At(dep.row, same ? std::int64_t{one.pass} - dep.back : std::int64_t{0xffffffff});
      if (on != nullptr && on->end <= one.start && (best == nullptr || on->end > best->end))
        best = on;
    }
    return best;
  }

  const TrainingProgram& training_;
  const Program& program_;
  ByPass by_pass_;
  std::vector<std::uint32_t> before_;  // [completions] of its streams, the one that ended last
};

// Without its chunk: all chunks of a stage are one step.
std::string StepName(const TrainingProgram& training, RowId row) {
  const TrainingRow& one = training.rows[Index(row)];
  const bool ring = one.kind == Kind::kReduce || one.kind == Kind::kGather;
  std::string name = TrainingRowName(training, row);
  if (!ring && training.training.parallel.virtual_stages > 1) {
    const std::size_t at = name.find(", chunk ");
    if (at != std::string::npos) name.erase(at, name.find(", ", at + 2) - at);
  }
  return name;
}

}  // namespace

IterationSplit SplitIteration(const Workload& workload, std::span<const Completion> completions) {
  return Splitter(workload, completions).Split();
}

namespace {

// Of two bands the wider; one that there is not says nothing of the other.
void Widen(const StatedError& one, StatedError& all) {
  all.known_hardware = all.known_hardware && one.known_hardware;
  if (!one.band) return;
  if (!all.band) all.band = one.band;
  all.band->low = std::min(all.band->low, one.band->low);
  all.band->high = std::max(all.band->high, one.band->high);
}

// Tensor, context and expert collectives, by the size of one layer's: bands are told apart by
// powers of 16.
void StatePriced(const TrainingProgram& t, const Calibration& calibration, const HostPart& host,
                 std::vector<StatedError>& out) {
  const Training& training = t.training;
  const Parallel& p = training.parallel;
  const auto state = [&](CommunicationKind kind, const char* op, double bytes, int ranks,
                         int hosts) {
    if (ranks < 2 || bytes <= 0) return;
    Widen(StatedErrorOf(calibration, host,
                        {op, Bytes(static_cast<std::int64_t>(bytes)), ranks, hosts}),
          out[static_cast<std::size_t>(kind)]);
  };
  constexpr double kBf16 = 2;
  const auto tokens = static_cast<double>(training.micro_batch * training.sequence) / p.context;
  state(CommunicationKind::kTensor, p.sequence ? "all_gather" : "all_reduce",
        tokens * training.model.hidden * kBf16, p.tensor, HostsOfRanks(t.net, p.tensor));
  for (const ChunkCost& chunk : t.cost.chunks) {
    const double layers = std::max(1, chunk.layers);
    const auto whole = [&](const Exchange& exchange, int ranks) {
      return ranks > 1 ? exchange.bytes / layers * ranks / (ranks - 1) : 0;
    };
    state(CommunicationKind::kContext, "all_gather", whole(chunk.forward.context, p.context),
          p.context, std::min(p.context, HostsOfRanks(t.net, p.tensor * p.context)));
    // Dispatch and combine.
    state(CommunicationKind::kExpert, "all_to_all", whole(chunk.forward.expert, p.expert) / 2,
          p.expert, HostsOfReplicas(training, t.net, p.expert, 1).hosts);
  }
}

const char* OpOf(const TrainingProgram& t, const TrainingRow& row) {
  if (row.kind == Kind::kSend) return "send_recv";
  if (row.kind == Kind::kGather) return "all_gather";
  return t.training.parallel.zero == 0 ? "all_reduce" : "reduce_scatter";
}

}  // namespace

std::vector<StatedError> StateErrorsOfTraining(const Workload& workload, const Fabric& fabric,
                                               const Calibration& calibration,
                                               const HostPart& host) {
  const TrainingProgram& training = *workload.training;
  std::vector<StatedError> out(kCommunicationKinds);
  StatePriced(training, calibration, host, out);
  std::set<std::tuple<Kind, std::uint32_t, std::int64_t>> seen;
  for (std::size_t row = 0; row < workload.program.ops.size(); ++row) {
    const Op& op = workload.program.ops[row];
    if (op.kind != Op::Kind::kPattern) continue;
    const TrainingRow& is = training.rows[row];
    if (IsExchange(is.kind)) continue;  // by the size of one layer's, above
    if (!seen.emplace(is.kind, op.subject, op.amount).second) continue;
    const Pattern& pattern = workload.program.patterns[op.subject];
    const bool send = is.kind == Kind::kSend;
    std::set<HostId> hosts;
    for (const VertexId gpu : pattern.ranks) hosts.insert(fabric.vertex(gpu).host);
    const bool leaves = std::any_of(pattern.edges.begin(), pattern.edges.end(),
                                    [](const Edge& edge) { return edge.edge_class != 0; });
    Widen(StatedErrorOf(
              calibration, host,
              {OpOf(training, is), op.bytes(), send ? 2 : static_cast<int>(pattern.ranks.size()),
               !leaves ? 1
               : send  ? 2
                       : static_cast<int>(hosts.size())}),
          out[static_cast<std::size_t>(send ? CommunicationKind::kPipeline
                                            : CommunicationKind::kData)]);
  }
  for (StatedError& one : out) one.in_range = false;
  return out;
}

CommunicationError ErrorOfCommunication(const std::vector<StatedError>& errors,
                                        const TimeSplit& split, double time_s) {
  CommunicationError out;
  if (errors.empty() || time_s <= 0) return out;
  const std::array exposed = {split.tensor_s, split.pipeline_s, split.data_s, split.context_s,
                              split.expert_s};
  double all = 0, low = 0, high = 0;
  for (std::size_t k = 0; k < kCommunicationKinds; ++k) {
    if (exposed[k] <= 0) continue;
    out.known_hardware = out.known_hardware && errors[k].known_hardware;
    if (!errors[k].band) return {};
    all += exposed[k];
    low += exposed[k] * (errors[k].band->low - 1);
    high += exposed[k] * (errors[k].band->high - 1);
  }
  out.in_range = false;
  out.nothing_waits = all <= 0;
  if (out.nothing_waits) return out;
  out.exposed = {low / all, high / all, "held-out"};
  out.time = {low / time_s, high / time_s, "held-out"};
  return out;
}

void WarnOfTimesBeyondPeak(const PreparedScenario& scenario, double mfu,
                           std::vector<Error>& warnings) {
  const TrainingProgram& training = *scenario.workload->training;
  const double causal = mfu * training.cost.flops_per_token_causal / training.cost.flops_per_token;
  if (!training.training.stage_times || causal <= 1) return;
  warnings.push_back({ErrorCode::kInconsistent, scenario.spec.At("workload.training.stage_times"),
                      fmt::format("'stage_times' are shorter than the GPU's peak allows: MFU is "
                                  "{:.0f} % with causal attention",
                                  100 * causal),
                      "times of one micro-batch on all layers of a stage"});
}

std::vector<CriticalStep> CriticalPathOf(const PreparedScenario& scenario,
                                         const Simulation& simulation) {
  const TrainingProgram& training = *scenario.workload->training;
  std::vector<CriticalStep> steps;
  for (const Completion* one : Backwards(scenario, simulation).Path(simulation)) {
    CriticalStep step;
    step.what = StepName(training, one->row);
    step.start_s = ToSeconds(one->start);
    step.end_s = ToSeconds(one->end);
    if (one->start == one->end) continue;
    if (!steps.empty() && steps.back().what == step.what) {
      ++steps.back().rows;
      steps.back().end_s = step.end_s;
    } else {
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

std::vector<GroupBytes> BytesByGroup(const PreparedScenario& scenario) {
  const TrainingProgram& training = *scenario.workload->training;
  const Program& program = scenario.workload->program;
  GroupBytes tensor{"tensor", 0, 0, false}, context{"context", 0, 0, false},
      expert{"expert", 0, 0, false}, pipeline{"pipeline"}, data{"data"};
  const auto group_of = [&](Kind kind) -> GroupBytes& {
    switch (kind) {
      case Kind::kSend:
        return pipeline;
      case Kind::kTensor:
        return tensor;
      case Kind::kContext:
        return context;
      case Kind::kExpert:
        return expert;
      default:
        return data;
    }
  };
  const Fabric& fabric = *scenario.fabric;
  const auto segment_of = [&](VertexId vertex) {
    const Host& host = fabric.host(fabric.vertex(vertex).host);
    return std::pair(host.pod, host.segment);
  };
  for (std::uint32_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    if (op.kind != Op::Kind::kPattern) continue;
    const bool repeated =
        row >= training.first_block_row && row < training.first_block_row + training.block_rows;
    const auto times = repeated ? static_cast<double>(training.passes + training.skipped) : 1.0;
    GroupBytes& group = group_of(training.rows[row].kind);
    for (const Edge& edge : program.patterns[op.subject].edges) {
      const double bytes = times * WireBytes(edge, op.bytes());
      (edge.edge_class == 0 ? group.nvlink : group.network) += bytes;
      if (edge.edge_class != 0 && segment_of(edge.from) != segment_of(edge.to))
        *group.between_segments += bytes;
    }
  }
  const Parallel& p = training.training.parallel;
  const double passes =
      static_cast<double>(training.training.micro_batches()) * p.data * p.tensor * p.context;
  const auto book = [&](const Exchange& exchange, GroupBytes& group) {
    group.simulated = group.simulated || IsSimulated(training.training, exchange);
    if (IsSimulated(training.training, exchange)) return;
    group.network += passes * exchange.network_bytes;
    group.nvlink += passes * (exchange.bytes - exchange.network_bytes);
  };
  for (const ChunkCost& chunk : training.cost.chunks)
    for (const PassCost* pass : {&chunk.forward, &chunk.backward}) {
      book(pass->tensor, tensor);
      book(pass->context, context);
      book(pass->expert, expert);
    }
  const std::vector<GpuId>& gpus = scenario.placement.gpu_of_rank;
  const bool segments = std::any_of(gpus.begin(), gpus.end(), [&](GpuId gpu) {
    return segment_of(fabric.gpu(gpu)) != segment_of(fabric.gpu(gpus.front()));
  });
  for (GroupBytes* group : {&tensor, &context, &expert})
    if (segments && group->network > 0 && !group->simulated) group->between_segments = std::nullopt;
  std::vector<GroupBytes> out;
  for (const GroupBytes& group : {tensor, context, expert, pipeline, data})
    if (group.nvlink + group.network > 0) out.push_back(group);
  return out;
}

std::vector<TraceEvent> TraceOf(const PreparedScenario& scenario, const Simulation& simulation) {
  const TrainingProgram& training = *scenario.workload->training;
  std::uint32_t slowest = 0;  // replica whose last pass ended last
  for (const Completion& one : simulation.completions())
    if (training.rows[Index(one.row)].kind <= Kind::kTogether)
      slowest = training.rows[Index(one.row)].replica;
  const std::set<std::uint32_t> shown = {0, slowest};
  // A dispatch is of several replicas, from row.replica on.
  const Parallel& parallel = training.training.parallel;
  const auto of_dispatch =
      static_cast<std::uint32_t>(std::lcm(parallel.expert, parallel.context) / parallel.context);
  std::vector<TraceEvent> events;
  for (const Completion& one : simulation.completions()) {
    const TrainingRow& row = training.rows[Index(one.row)];
    const bool ring = row.kind == Kind::kReduce || row.kind == Kind::kGather;
    const auto replica = shown.lower_bound(row.replica);
    const std::uint32_t replicas = row.kind == Kind::kExpert ? of_dispatch : 1;
    if (!ring && (replica == shown.end() || *replica >= row.replica + replicas)) continue;
    TraceEvent event;
    event.name = TrainingRowName(training, one.row);
    const char* apart = row.kind == Kind::kSend ? " sends" : "";
    if (IsExchange(row.kind)) apart = " exchanges";
    event.track = ring ? "stage " + std::to_string(row.stage) + " data"
                       : "replica " + std::to_string(*replica) + " stage " +
                             std::to_string(row.stage) + apart;
    event.start_s = ToSeconds(one.start);
    event.duration_s = ToSeconds(one.end - one.start);
    events.push_back(std::move(event));
  }
  return events;
}

// The workload with what its closed forms say of collectives over NICs of twice the rate.
std::shared_ptr<const Workload> WithFasterNics(const Workload& workload) {
  auto out = std::make_shared<Workload>(workload);
  const TrainingProgram& training = *workload.training;
  NetRates net = training.net;
  net.nic_bytes_per_s *= 2;
  TrainingProgram twice = training;
  twice.cost = PriceTraining(training.training, training.gpu, net);
  for (std::size_t row = 0; row < out->program.ops.size(); ++row) {
    const TrainingRow& is = training.rows[row];
    if (is.kind != Kind::kForward && is.kind != Kind::kBackward) continue;
    const auto total = [&](const TrainingProgram& t) {
      const ChunkCost& cost = CostOf(t, is);
      const PassCost& pass = is.kind == Kind::kForward ? cost.forward : cost.backward;
      double sum = pass.total_s();
      for (const Exchange* one : {&pass.tensor, &pass.context, &pass.expert})
        if (IsSimulated(t.training, *one)) sum -= one->exposed_s;
      return sum;
    };
    Op& op = out->program.ops[row];
    op.amount =
        std::max<Ps>(0, op.amount + static_cast<Ps>((total(twice) - total(training)) * 1e12));
  }
  return out;
}

std::vector<WhatIf> WhatIfs(const PreparedScenario& scenario) {
  constexpr std::size_t kNetwork = static_cast<std::size_t>(LinkClass::kNetwork);
  constexpr std::size_t kPcie = static_cast<std::size_t>(LinkClass::kPcie);
  std::vector<WhatIf> out;
  WhatIf faster{"twice the network's rate", scenario};
  faster.scenario.physics.efficiency[kNetwork] *= 2;
  faster.scenario.physics.efficiency[kPcie] *= 2;
  faster.scenario.workload = WithFasterNics(*scenario.workload);
  out.push_back(std::move(faster));
  if (scenario.router->policy().policy == PathPolicy::kEcmp) {
    WhatIf sprayed{"no hash collisions (spray)", scenario};
    RoutingPolicy policy = scenario.router->policy();
    policy.policy = PathPolicy::kSpray;
    sprayed.scenario.router = std::make_shared<const Router>(*scenario.fabric, policy);
    out.push_back(std::move(sprayed));
  }
  // Nothing is sent, and no compute pays for what runs beside it.
  WhatIf hidden{"all communication hidden", scenario};
  auto workload = std::make_shared<Workload>(*scenario.workload);
  const TrainingProgram& training = *workload->training;
  for (std::size_t row = 0; row < workload->program.ops.size(); ++row) {
    Op& op = workload->program.ops[row];
    if (op.kind == Op::Kind::kPattern) {
      op.kind = Op::Kind::kDelay;
      op.subject = op.tuning = 0;
      op.amount = 0;
    }
    if (op.kind != Op::Kind::kCompute) continue;
    Parts parts{};
    AddWork(training, training.rows[row], op.amount, parts);
    op.amount = parts[kCompute];
  }
  hidden.scenario.workload = std::move(workload);
  out.push_back(std::move(hidden));
  return out;
}

}  // namespace weft
