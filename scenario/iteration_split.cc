// Where the time of an iteration went, stream by stream.
#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "scenario/iteration_rows_internal.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;
using Ps = std::int64_t;

Ps Start(const Completion& c) { return c.start.time_since_epoch().count(); }
Ps End(const Completion& c) { return c.end.time_since_epoch().count(); }

enum Part { kCompute, kBubble, kFixed, kTensor, kPipeline, kData, kContext, kExpert, kPartCount };
using Parts = std::array<Ps, kPartCount>;

// What a computation's time is made of; the rest of it is compute.
void AddWork(const TrainingProgram& t, const TrainingRow& row, Ps duration, Parts& parts) {
  const auto add = [&](Part part, const Exchange& exchange) {
    if (IsSimulated(t.training, exchange)) return;  // it has rows of its own
    const Ps ps = std::min(duration, static_cast<Ps>(exchange.exposed_s * 1e12));
    parts[part] += ps;
    duration -= ps;
  };
  if (row.kind == Kind::kForward || row.kind == Kind::kBackward) {
    const ChunkCost& cost = CostOfRow(t, row);
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
    for (const Completion* one : InStreamOrder(training_, completions)) Visit(*one);
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

}  // namespace

const ChunkCost& CostOfRow(const TrainingProgram& t, const TrainingRow& row) {
  const Parallel& p = t.training.parallel;
  const bool down = p.schedule == Parallel::Schedule::kDualpipe && row.chunk == 1;
  const int chunk = p.schedule == Parallel::Schedule::kDualpipe
                        ? (down ? p.pipeline - 1 - row.stage : row.stage)
                        : row.chunk * p.pipeline + row.stage;
  return t.cost.chunks[static_cast<std::size_t>(chunk)];
}

std::int64_t ComputeWithin(const TrainingProgram& training, const TrainingRow& row,
                           std::int64_t duration) {
  Parts parts{};
  AddWork(training, row, duration, parts);
  return parts[kCompute];
}

std::vector<const Completion*> InStreamOrder(const TrainingProgram& training,
                                             std::span<const Completion> completions) {
  const auto place = [&training](const Completion* one) {
    const std::uint32_t row = Index(one->row), first = training.first_block_row;
    const int region = row < first ? 0 : row < first + training.block_rows ? 1 : 2;
    return std::tuple(region, one->pass, row);
  };
  std::vector<const Completion*> out;
  out.reserve(completions.size());
  for (const Completion& one : completions) out.push_back(&one);
  for (auto begin = out.begin(); begin != out.end();) {
    const auto end = std::find_if(
        begin, out.end(), [begin](const Completion* one) { return one->end != (*begin)->end; });
    std::sort(begin, end,
              [&](const Completion* a, const Completion* b) { return place(a) < place(b); });
    begin = end;
  }
  return out;
}

IterationSplit SplitIteration(const Workload& workload, std::span<const Completion> completions) {
  return Splitter(workload, completions).Split();
}

}  // namespace weft
