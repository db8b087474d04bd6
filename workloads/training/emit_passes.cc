// Passes of micro-batches and the sends between stages.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "workloads/collectives/collective.h"
#include "workloads/training/builder_internal.h"

namespace weft {

std::optional<TrainingBuilder::PassKey> TrainingBuilder::Before(PassKey key) const {
  const bool up = dualpipe() && key.chunk == 1;  // this direction starts at the last stage
  if (key.forward ? !up : up) {
    if (key.stage > 0) return PassKey{key.stage - 1, key.chunk, key.forward};
    if (dualpipe() || key.chunk == 0) return std::nullopt;
    return PassKey{stages() - 1, key.chunk - 1, key.forward};
  }
  if (key.stage < stages() - 1) return PassKey{key.stage + 1, key.chunk, key.forward};
  if (dualpipe() || key.chunk == chunks() - 1) return std::nullopt;
  return PassKey{0, key.chunk + 1, key.forward};
}

std::optional<TrainingBuilder::PassKey> TrainingBuilder::After(PassKey key) const {
  key.forward = !key.forward;
  std::optional<PassKey> other = Before(key);
  if (other) other->forward = !other->forward;
  return other;
}

Op& TrainingBuilder::Add(Op::Kind kind, TrainingRow row, std::int64_t amount,
                         const std::vector<std::uint32_t>& streams) {
  Op op;
  op.kind = kind;
  op.amount = amount;
  op.first_stream = static_cast<std::uint32_t>(program_->streams.size());
  op.stream_count = static_cast<std::uint32_t>(streams.size());
  program_->streams.insert(program_->streams.end(), streams.begin(), streams.end());
  op.first_dep = static_cast<std::uint32_t>(program_->deps.size());
  program_->ops.push_back(op);
  out_->rows.push_back(row);
  return program_->ops.back();
}

// Of the row added last.
void TrainingBuilder::Need(std::uint32_t row, std::uint16_t back) {
  WEFT_CHECK(back > 0 || row + 1 < next_row() || row == kNone);
  program_->deps.push_back({row, back});
  ++program_->ops.back().dep_count;
}

void TrainingBuilder::MarkBlocks() {
  const auto keys = static_cast<std::size_t>(stages() * chunks() * 2);
  places_.assign(keys, std::vector<Place>(static_cast<std::size_t>(training_.micro_batches())));
  gathers_.assign(keys, {});
  base_.assign(keys,
               std::vector<std::int64_t>(
                   static_cast<std::size_t>(std::max<std::int64_t>(1, order_.micro_step)), -1));
  if (order_.period == 0) return;
  for (int s = 0; s < stages(); ++s)
    for (std::size_t i = 0; i < order_.period; ++i) {
      const Task& task = order_.tasks[static_cast<std::size_t>(s)]
                                     [order_.first_repeat[static_cast<std::size_t>(s)] + i];
      base_[Row({s, task.chunk, task.has_forward()})]
           [static_cast<std::size_t>(task.micro % order_.micro_step)] = task.micro;
    }
}

// Whether what feeds a pass has a row, or belongs to an earlier repeat.
bool TrainingBuilder::HasInput(PassKey key, std::int64_t micro) const {
  const std::optional<PassKey> from = Before(key);
  if (!from) return true;
  if (places_[Row(*from)][static_cast<std::size_t>(micro)].compute != kNone) return true;
  const std::int64_t base =
      base_[Row(*from)]
           [static_cast<std::size_t>(micro % std::max<std::int64_t>(1, order_.micro_step))];
  return order_.period > 0 && base > micro;
}

bool TrainingBuilder::Ready(int s, const Task& task) const {
  if (task.kind == Task::Kind::kWeights) return true;
  if (task.kind == Task::Kind::kTogether)
    return HasInput({s, task.chunk, true}, task.micro) &&
           HasInput({s, task.back_chunk, false}, task.back_micro);
  return HasInput({s, task.chunk, task.has_forward()}, task.micro);
}

void TrainingBuilder::NeedInput(PassKey key, std::int64_t micro, int d, bool in_block) {
  const std::optional<PassKey> from = Before(key);
  if (!from || from->stage == key.stage) return;  // one stage alone: its stream keeps the order
  const auto replica = static_cast<std::uint32_t>(d);
  const Place& place = At(*from, micro);
  if (in_block) {
    const std::int64_t base =
        base_[Row(*from)][static_cast<std::size_t>(micro % order_.micro_step)];
    WEFT_CHECK(base == micro || base == micro + order_.micro_step);
    if (base > micro) {
      later_.emplace_back(static_cast<std::uint32_t>(program_->deps.size()), *from, base, d);
      Need(kNone, 1);
    }
  }
  if (place.send != kNone) Need(place.send + replica);
}

double TrainingBuilder::Seconds(int s, const Task& task, double factor) const {
  const auto pass = [factor](const PassCost& cost) {
    return cost.total_s() + (factor - 1) * cost.compute_s;
  };
  const ChunkCost& cost = CostOf(s, task.chunk);
  switch (task.kind) {
    case Task::Kind::kForward:
      return pass(cost.forward);
    case Task::Kind::kBackward:
      return pass(cost.backward);
    case Task::Kind::kInput:
      return pass(cost.backward) - factor * cost.weights_s;
    case Task::Kind::kWeights:
      return factor * cost.weights_s;
    case Task::Kind::kTogether:
      break;
  }
  const StageTimes& times = *training_.stage_times;
  return factor * times.together_s.value_or(times.forward_s + times.backward_s);
}

// Every rank of stage `from` to its like on stage `to`.
void TrainingBuilder::AppendSends(int replica, int from, int to, Pattern& pattern) const {
  pattern.classes = {options_->nvlink, options_->network};
  pattern.advance = Pattern::Advance::kIndependent;
  Edge edge;
  for (int c = 0; c < parallel().context; ++c)
    for (int t = 0; t < parallel().tensor; ++t) {
      const VertexId sender = ranks_.Gpu(t, c, replica, from),
                     receiver = ranks_.Gpu(t, c, replica, to);
      ConnectEdge(*fabric_, sender, receiver, options_->qps, edge);
      edge.first_slice = static_cast<std::uint32_t>(pattern.edges.size());
      pattern.slice_owner.push_back(static_cast<std::uint32_t>(pattern.ranks.size()));
      pattern.ranks.push_back(sender);
      pattern.ranks.push_back(receiver);
      pattern.edges.push_back(edge);
    }
  pattern.slices = static_cast<std::uint32_t>(pattern.edges.size());
}

void TrainingBuilder::EmitSend(PassKey key, const Task& task) {
  const std::optional<PassKey> to = After(key);
  const std::int64_t micro =
      !key.forward && task.kind == Task::Kind::kTogether ? task.back_micro : task.micro;
  const std::uint32_t compute = At(key, micro).compute;
  if (!to || to->stage == key.stage) return;
  At(key, micro).send = next_row();
  for (int d = 0; d < replicas(); ++d) {
    const auto [at, added] = sends_.try_emplace(
        {d, key.stage, to->stage}, static_cast<std::uint32_t>(program_->patterns.size()));
    if (added) {
      Pattern pattern;
      AppendSends(d, key.stage, to->stage, pattern);
      program_->patterns.push_back(std::move(pattern));
    }
    const std::uint32_t stream = training_.overlap.pipeline ? SendStream(d, key.stage, key.forward)
                                                            : ComputeStream(d, key.stage);
    const TrainingRow row{Kind::kSend, static_cast<std::uint16_t>(key.stage),
                          static_cast<std::uint16_t>(key.chunk), static_cast<std::uint32_t>(d)};
    Op& op = Add(Op::Kind::kPattern, row, static_cast<std::int64_t>(out_->cost.boundary_bytes),
                 {stream});
    op.subject = at->second;
    if (training_.overlap.pipeline) Need(compute + static_cast<std::uint32_t>(d));
  }
}

void TrainingBuilder::Emit(int s, std::size_t index, const Task& task, bool in_block) {
  const bool weights = task.kind == Task::Kind::kWeights;
  const PassKey forward{s, task.chunk, true};
  const bool together = task.kind == Task::Kind::kTogether;
  const PassKey backward{s, together ? task.back_chunk : task.chunk, false};
  const std::int64_t back_micro = together ? task.back_micro : task.micro;
  const std::uint32_t gathers = next_row();
  if (parallel().zero == 3) EmitShardGather(s, index, task);
  const Parts parts = PartsOf(s, task);
  const std::uint32_t first = next_row();
  Kind kind = task.has_forward() ? Kind::kForward : Kind::kBackward;
  if (together) kind = Kind::kTogether;
  if (weights) kind = Kind::kWeights;
  const auto beside_s = [&](double factor) { return BesideSeconds(s, task, parts, factor); };
  for (int d = 0; d < replicas(); ++d) {
    const double factor = factor_[ComputeStream(d, s)];
    Add(Op::Kind::kCompute,
        {kind, static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(task.chunk),
         static_cast<std::uint32_t>(d)},
        FromSecondsUp(Seconds(s, task, factor) - parts.exposed_s - beside_s(factor)).count(),
        {ComputeStream(d, s)});
    if (task.has_forward()) NeedInput(forward, task.micro, d, in_block);
    if (task.has_backward()) NeedInput(backward, back_micro, d, in_block);
    if (task.has_forward() && task.micro == 0)
      for (const std::uint32_t row : gathers_[Row(forward)]) Need(row);
    for (std::uint32_t row = gathers; row < first; ++row) Need(row);
  }
  const std::uint32_t done =
      parts.passes.empty() ? first : EmitExchanges(s, task, parts, first, beside_s(1) > 0);
  if (task.has_forward()) At(forward, task.micro).compute = done;
  if (task.has_backward()) At(backward, back_micro).compute = done;
  task_rows_[static_cast<std::size_t>(s)][index] = done;
  last_rows_[static_cast<std::size_t>(s)] = done;
  if (task.has_forward()) EmitSend(forward, task);
  if (task.has_backward()) EmitSend(backward, task);
  if (parallel().zero < 2 || !task.has_backward()) return;
  const std::uint32_t reduce = next_row();
  EmitRings(s, Kind::kReduce, CollectiveSpec::REDUCE_SCATTER,
            CostOf(s, task.chunk).parameters * training_.gradient_bytes,
            CostOf(s, task.chunk).expert_parameters * training_.gradient_bytes,
            static_cast<std::uint16_t>(task.chunk), RowsOf(done));
  const std::uint32_t end = next_row();
  if (training_.overlap.data || end == reduce) return;
  Add(Op::Kind::kDelay, {Kind::kBarrier, static_cast<std::uint16_t>(s), 0, 0}, 0, StageStreams(s));
  for (std::uint32_t row = reduce; row < end; ++row) Need(row);
}

// Tasks [first, end) of every stage, so that what feeds a task within this pass stands above it.
bool TrainingBuilder::EmitRegion(const std::vector<std::size_t>& first,
                                 const std::vector<std::size_t>& end, bool in_block) {
  std::vector<std::size_t> at = first;
  for (bool moved = true; moved;) {
    moved = false;
    for (int s = 0; s < stages(); ++s) {
      const auto row = static_cast<std::size_t>(s);
      while (at[row] < end[row] && Ready(s, order_.tasks[row][at[row]])) {
        if (options_->stop && options_->stop()) return false;
        Emit(s, at[row] - first[row], order_.tasks[row][at[row]], in_block);
        ++at[row];
        moved = true;
      }
    }
  }
  WEFT_CHECK(at == end);
  for (const auto& [dep, key, micro, d] : later_)
    program_->deps[dep].row = At(key, micro).send + static_cast<std::uint32_t>(d);
  later_.clear();
  return true;
}

std::vector<std::uint32_t> TrainingBuilder::StageStreams(int s) const {
  std::vector<std::uint32_t> streams;
  for (int d = 0; d < replicas(); ++d) streams.push_back(ComputeStream(d, s));
  return streams;
}

std::vector<std::uint32_t> TrainingBuilder::AllComputeStreams() const {
  std::vector<std::uint32_t> streams(static_cast<std::size_t>(replicas() * stages()));
  for (std::uint32_t i = 0; i < streams.size(); ++i) streams[i] = i;
  return streams;
}

std::vector<std::uint32_t> TrainingBuilder::RowsOf(std::uint32_t first) const {
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(replicas()));
  for (std::uint32_t d = 0; d < rows.size(); ++d) rows[d] = first + d;
  return rows;
}

}  // namespace weft
