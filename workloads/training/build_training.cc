#include "workloads/training/build_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "workloads/build_internal.h"
#include "workloads/collectives/ring.h"
#include "workloads/training.pb.h"
#include "workloads/training/pipeline.h"
#include "workloads/training/ranks_internal.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;
using Task = PipelineTask;

constexpr const char* kPath = "workload.training";
constexpr std::uint32_t kNone = 0xffffffff;

// Where a pass of a micro-batch through a chunk stands: the first of its replicas' rows.
struct Place {
  std::uint32_t compute = kNone, send = kNone;
};

// One direction of one chunk on one stage.
struct PassKey {
  int stage = 0, chunk = 0;
  bool forward = true;
};

class TrainingBuilder {
 public:
  TrainingBuilder(const Fabric& fabric, const Placement& placement, const BuildOptions& options,
                  TrainingProgram& out, Program& program)
      : options_(&options),
        fabric_(&fabric),
        out_(&out),
        program_(&program),
        training_(out.training),
        ranks_(out.training.parallel, fabric, placement) {}

  // Returns false where options.stop() said so.
  bool Build(const std::set<HostId>& slow, double slower);

 private:
  const Parallel& parallel() const { return training_.parallel; }
  int stages() const { return parallel().pipeline; }
  int replicas() const { return parallel().data; }
  bool dualpipe() const { return parallel().schedule == Parallel::Schedule::kDualpipe; }
  int chunks() const { return dualpipe() ? 2 : parallel().virtual_stages; }
  bool reduces() const { return parallel().data * parallel().context > 1; }
  std::uint32_t ComputeStream(int d, int s) const {
    return static_cast<std::uint32_t>(d * stages() + s);
  }
  std::uint32_t SendStream(int d, int s, bool forward) const {
    const int pairs = replicas() * stages();
    return static_cast<std::uint32_t>(pairs + 2 * (d * stages() + s) + (forward ? 0 : 1));
  }
  // Rings of different tensor ranks run beside each other, and of different expert ranks.
  std::uint32_t DataStream(int s, int tensor, int expert, bool gather) const {
    const int ring = (s * parallel().tensor + tensor) * parallel().expert + expert;
    return static_cast<std::uint32_t>(3 * replicas() * stages() + 2 * ring + (gather ? 1 : 0));
  }
  const ChunkCost& CostOf(int s, int chunk) const {
    const int row = dualpipe() ? (chunk == 0 ? s : stages() - 1 - s) : chunk * stages() + s;
    return out_->cost.chunks[static_cast<std::size_t>(row)];
  }
  std::size_t Row(PassKey key) const {
    return (static_cast<std::size_t>(key.stage) * static_cast<std::size_t>(chunks()) +
            static_cast<std::size_t>(key.chunk)) *
               2 +
           (key.forward ? 0 : 1);
  }
  Place& At(PassKey key, std::int64_t micro) {
    return places_[Row(key)][static_cast<std::size_t>(micro)];
  }

  std::optional<PassKey> Before(PassKey key) const;
  std::optional<PassKey> After(PassKey key) const;

  // Rows.
  std::uint32_t next_row() const { return static_cast<std::uint32_t>(program_->ops.size()); }
  Op& Add(Op::Kind kind, TrainingRow row, std::int64_t amount,
          const std::vector<std::uint32_t>& streams);
  void Need(std::uint32_t row, std::uint16_t back = 0);

  // Tasks.
  void MarkBlocks();
  bool Ready(int s, const Task& task) const;
  bool HasInput(PassKey key, std::int64_t micro) const;
  void NeedInput(PassKey key, std::int64_t micro, int d, bool in_block);
  bool EmitRegion(const std::vector<std::size_t>& first, const std::vector<std::size_t>& end,
                  bool in_block);
  void Emit(int s, std::size_t index, const Task& task, bool in_block);
  void AppendSends(int replica, int from, int to, Pattern& pattern) const;
  void EmitSend(PassKey key, const Task& task);
  double Seconds(int s, const Task& task, double factor) const;

  // Reductions.
  std::uint32_t Ring(int stage, int tensor, int first, int apart, CollectiveSpec::Op op);
  void EmitRings(int stage, Kind kind, CollectiveSpec::Op op, double bytes, double expert_bytes,
                 std::uint16_t chunk, const std::vector<std::uint32_t>& needs);
  std::vector<std::uint32_t> StageStreams(int s) const;
  std::vector<std::uint32_t> AllComputeStreams() const;
  std::vector<std::uint32_t> RowsOf(std::uint32_t first) const;
  void EmitGathersAhead();
  void EmitShardGather(int s, std::size_t index, const Task& task);
  void EmitReductions();
  void EmitEmbeddings();
  void EmitEnd();

  const BuildOptions* options_;
  const Fabric* fabric_;
  TrainingProgram* out_;
  Program* program_;
  const Training& training_;
  TrainingRanks ranks_;
  PipelineOrder order_;
  std::vector<std::vector<Place>> places_;       // [Row(key)][micro]
  std::vector<std::vector<std::int64_t>> base_;  // [Row(key)][micro mod step] in the block
  std::vector<double> factor_;                   // [d·p + s] of compute
  // Dependencies on rows of a repeat that stand further down: row of deps, key, micro, replica.
  std::vector<std::tuple<std::uint32_t, PassKey, std::int64_t, int>> later_;
  std::map<std::tuple<int, int, int>, std::uint32_t> sends_;            // replica, from, to
  std::map<std::tuple<int, int, int, int, int>, std::uint32_t> rings_;  // as Ring()'s
  std::vector<std::vector<std::uint32_t>> gathers_;    // [Row(key)] rows ahead of the first pass
  std::vector<std::vector<std::uint32_t>> task_rows_;  // [p][tasks of the region] first compute row
  std::vector<std::uint32_t> last_rows_;               // [p] first compute row of the last task
  std::vector<std::uint32_t> reduce_rows_;
};

std::optional<PassKey> TrainingBuilder::Before(PassKey key) const {
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

std::optional<PassKey> TrainingBuilder::After(PassKey key) const {
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
  const std::uint32_t first = next_row();
  Kind kind = task.has_forward() ? Kind::kForward : Kind::kBackward;
  if (together) kind = Kind::kTogether;
  if (weights) kind = Kind::kWeights;
  for (int d = 0; d < replicas(); ++d) {
    const double factor = factor_[ComputeStream(d, s)];
    Add(Op::Kind::kCompute,
        {kind, static_cast<std::uint16_t>(s), static_cast<std::uint16_t>(task.chunk),
         static_cast<std::uint32_t>(d)},
        FromSecondsUp(Seconds(s, task, factor)).count(), {ComputeStream(d, s)});
    if (task.has_forward()) NeedInput(forward, task.micro, d, in_block);
    if (task.has_backward()) NeedInput(backward, back_micro, d, in_block);
    if (task.has_forward() && task.micro == 0)
      for (const std::uint32_t row : gathers_[Row(forward)]) Need(row);
    for (std::uint32_t row = gathers; row < first; ++row) Need(row);
  }
  if (task.has_forward()) At(forward, task.micro).compute = first;
  if (task.has_backward()) At(backward, back_micro).compute = first;
  task_rows_[static_cast<std::size_t>(s)][index] = first;
  last_rows_[static_cast<std::size_t>(s)] = first;
  if (task.has_forward()) EmitSend(forward, task);
  if (task.has_backward()) EmitSend(backward, task);
  if (parallel().zero < 2 || !task.has_backward()) return;
  const std::uint32_t reduce = next_row();
  EmitRings(s, Kind::kReduce, CollectiveSpec::REDUCE_SCATTER,
            CostOf(s, task.chunk).parameters * training_.gradient_bytes,
            CostOf(s, task.chunk).expert_parameters * training_.gradient_bytes,
            static_cast<std::uint16_t>(task.chunk), RowsOf(first));
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

std::uint32_t TrainingBuilder::Ring(int stage, int tensor, int first, int apart,
                                    CollectiveSpec::Op op) {
  const auto [at, added] = rings_.try_emplace(
      {stage, tensor, first, apart, op}, static_cast<std::uint32_t>(program_->patterns.size()));
  if (added) {
    const Communicator communicator = ranks_.Replicas(tensor, stage, first, apart);
    program_->patterns.push_back(
        BuildRing(*fabric_, communicator, op, RingChannels(communicator), *options_));
    const auto channels = program_->patterns.back().channels;
    program_->tunings.push_back({channels, Bytes(), Bytes(), options_->launch});
  }
  return at->second;
}

// One operation a tensor rank, and where there are experts one more an expert rank: these have
// fewer replicas. They wait for `needs`.
void TrainingBuilder::EmitRings(int stage, Kind kind, CollectiveSpec::Op op, double bytes,
                                double expert_bytes, std::uint16_t chunk,
                                const std::vector<std::uint32_t>& needs) {
  if (!reduces()) return;
  const int all = parallel().data * parallel().context, experts = parallel().expert;
  const auto add = [&](int t, int first, int apart, double size) {
    const std::uint32_t pattern = Ring(stage, t, first, apart, op);
    // Without overlap ZeRO-3 gathers the next chunk when the last one is reduced.
    const bool apart_streams = training_.overlap.data || parallel().zero < 3;
    const bool gather = kind == Kind::kGather && apart_streams;
    std::vector<std::uint32_t>
        streams;  // the plain ring is on every GPU, an expert ring on its own
    for (int e = 0; e < experts; ++e)
      if (apart == 1 || e == first) streams.push_back(DataStream(stage, t, e, gather));
    Op& row = Add(
        Op::Kind::kPattern,
        {kind, static_cast<std::uint16_t>(stage), chunk, static_cast<std::uint32_t>(t), apart > 1},
        static_cast<std::int64_t>(size), streams);
    row.subject = pattern;
    row.tuning = static_cast<std::uint32_t>(std::distance(
        program_->tunings.begin(), std::find_if(program_->tunings.begin() + 1,
                                                program_->tunings.end(), [&](const Tuning& one) {
                                                  return one.channels ==
                                                         program_->patterns[pattern].channels;
                                                })));
    for (const std::uint32_t need : needs) Need(need);
    if (kind == Kind::kReduce) reduce_rows_.push_back(next_row() - 1);
  };
  for (int t = 0; t < parallel().tensor; ++t) {
    if (bytes > 0) add(t, 0, 1, bytes);
    if (expert_bytes > 0 && all / experts > 1)
      for (int e = 0; e < experts; ++e) add(t, e, experts, expert_bytes);
  }
}

// The sharded optimiser's parameters, chunk by chunk, while the first passes of others run.
void TrainingBuilder::EmitGathersAhead() {
  if (!training_.overlap.data || parallel().zero < 1 || parallel().zero > 2) return;
  for (int c = 0; c < chunks(); ++c)
    for (int s = 0; s < stages(); ++s) {
      const std::uint32_t first = next_row();
      const ChunkCost& cost = CostOf(s, c);
      EmitRings(s, Kind::kGather, CollectiveSpec::ALL_GATHER, 2 * cost.parameters,
                2 * cost.expert_parameters, static_cast<std::uint16_t>(c), {});
      for (std::uint32_t row = first; row < next_row(); ++row)
        gathers_[Row({s, c, true})].push_back(row);
    }
}

// ZeRO-3: a chunk's parameters come before each pass, not before the task two earlier is done, so
// that two chunks' are held. Across repeats the stream's order sees to it.
void TrainingBuilder::EmitShardGather(int s, std::size_t index, const Task& task) {
  std::vector<std::uint32_t> needs;
  const auto ahead = static_cast<std::size_t>(ChunksGathered(training_));
  if (index >= ahead) needs = RowsOf(task_rows_[static_cast<std::size_t>(s)][index - ahead]);
  EmitRings(s, Kind::kGather, CollectiveSpec::ALL_GATHER, 2 * CostOf(s, task.chunk).parameters,
            2 * CostOf(s, task.chunk).expert_parameters, static_cast<std::uint16_t>(task.chunk),
            needs);
}

void TrainingBuilder::EmitReductions() {
  if (parallel().zero >= 2) return;  // done micro-batch by micro-batch
  const CollectiveSpec::Op op =
      parallel().zero == 0 ? CollectiveSpec::ALL_REDUCE : CollectiveSpec::REDUCE_SCATTER;
  const double width = training_.gradient_bytes;
  for (int s = 0; s < stages(); ++s) {
    double all = 0, experts = 0;
    for (int c = chunks() - 1; c >= 0; --c) {
      const ChunkCost& cost = CostOf(s, c);
      all += cost.parameters * width;
      experts += cost.expert_parameters * width;
      if (!training_.overlap.data || dualpipe()) continue;
      const Place& last = At({s, c, false}, training_.micro_batches() - 1);
      EmitRings(s, Kind::kReduce, op, cost.parameters * width, cost.expert_parameters * width,
                static_cast<std::uint16_t>(c), RowsOf(last.compute));
    }
    if (!training_.overlap.data || dualpipe())
      EmitRings(s, Kind::kReduce, op, all, experts, 0,
                RowsOf(last_rows_[static_cast<std::size_t>(s)]));
  }
}

// When both stages have reduced theirs, the first and the last one of each replica sum the
// gradients of the embedding that they share: two ranks of a ring send each other as many bytes as
// there are.
void TrainingBuilder::EmitEmbeddings() {
  if (out_->cost.embedding_bytes == 0) return;
  const int last = stages() - 1;
  std::vector<std::uint32_t> needs;
  for (const std::uint32_t row : reduce_rows_)
    if (out_->rows[row].stage == 0 || out_->rows[row].stage == last) needs.push_back(row);
  for (int d = 0; d < replicas(); ++d) {
    Op& op = Add(Op::Kind::kPattern, {Kind::kEmbedding, 0, 0, static_cast<std::uint32_t>(d)},
                 static_cast<std::int64_t>(out_->cost.embedding_bytes),
                 {ComputeStream(d, 0), ComputeStream(d, last)});
    op.subject = static_cast<std::uint32_t>(program_->patterns.size());
    Pattern& pattern = program_->patterns.emplace_back();
    AppendSends(d, 0, last, pattern);
    AppendSends(d, last, 0, pattern);
    for (const std::uint32_t need : needs) Need(need);
  }
}

// Everybody waits for the norm of all gradients; then the optimiser, the gathers that nothing
// hides, and what takes a fixed time.
void TrainingBuilder::EmitEnd() {
  Add(Op::Kind::kDelay, {Kind::kBarrier, 0, 0, 0}, 0, AllComputeStreams());
  for (const std::uint32_t row : reduce_rows_) Need(row);
  std::vector<std::vector<std::uint32_t>> optimisers(static_cast<std::size_t>(stages()));
  for (int d = 0; d < replicas(); ++d)
    for (int s = 0; s < stages(); ++s) {
      const auto row = static_cast<std::size_t>(s);
      optimisers[row].push_back(next_row());
      Add(Op::Kind::kCompute,
          {Kind::kOptimiser, static_cast<std::uint16_t>(s), 0, static_cast<std::uint32_t>(d)},
          FromSecondsUp(out_->cost.optimiser_s[row]).count(), {ComputeStream(d, s)});
    }
  const bool gathers = parallel().zero >= 1 && parallel().zero <= 2 && !training_.overlap.data;
  const std::uint32_t first = next_row();
  for (int s = 0; s < stages() && gathers; ++s) {
    double all = 0, experts = 0;
    for (int c = 0; c < chunks(); ++c) {
      all += 2 * CostOf(s, c).parameters;
      experts += 2 * CostOf(s, c).expert_parameters;
    }
    EmitRings(s, Kind::kGather, CollectiveSpec::ALL_GATHER, all, experts, 0,
              optimisers[static_cast<std::size_t>(s)]);
  }
  const std::uint32_t end = next_row();
  Add(Op::Kind::kDelay, {Kind::kFixed, 0, 0, 0}, FromSecondsUp(training_.fixed_s).count(),
      AllComputeStreams());
  for (std::uint32_t row = first; row < end; ++row) Need(row);
}

bool TrainingBuilder::Build(const std::set<HostId>& slow, double slower) {
  // Every repeat counts the same: those beyond the first ones are left out, and counted.
  Training& training = out_->training;
  order_ = OrderOf(parallel(), training.micro_batches());
  const std::int64_t most =
      std::max<std::int64_t>(2, kMostMicroBatches / std::max<std::int64_t>(1, order_.micro_step));
  const std::int64_t batch = training.global_batch;
  // But for reductions behind every backward pass, of which a queue may grow beside the passes.
  const bool queues = parallel().zero >= 2 && training.overlap.data;
  if (order_.period > 0 && order_.times > most && !options_->every_micro_batch && !queues) {
    out_->skipped = order_.times - most;
    training.global_batch -= out_->skipped * order_.micro_step * training.micro_batch * replicas();
    order_ = OrderOf(parallel(), training.micro_batches());
  }
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
  program_->host_of_stream.resize(program_->stream_count, kNoHost);
  program_->tunings.push_back({1, Bytes(), Bytes(), options_->launch});
  MarkBlocks();
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
  training.global_batch = batch;
  return true;
}

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

std::vector<Error> KeysWithoutEffect(const TrainingSpec& spec, const SourceMap& sources,
                                     const Training& training) {
  struct Key {
    const char* path;
    bool silent;
    const char* why;
    const char* of = "";  // what it has no effect on, where not on anything
  };
  const Parallel& p = training.parallel;
  const bool experts = p.expert > 1;
  const bool given_times = training.stage_times.has_value();
  constexpr const char* kTimes = "stage_times says how long passes take";
  const bool dualpipe = p.schedule == Parallel::Schedule::kDualpipe;
  const std::int64_t micro = training.micro_batches();
  const bool one_replica = p.data * p.context < 2;
  // Then the one reduction is behind all passes, and a gather before them.
  const bool one_chunk =
      !one_replica && !dualpipe && p.virtual_stages == 1 &&
      (p.zero == 0 || (p.pipeline == 1 && (p.zero == 1 || (p.zero == 2 && micro == 1))));
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
      {"recompute", training.recompute == Recompute::kSelective && training.fused_attention,
       "fused attention computes it again anyway"},
      {"recompute", given_times, kTimes},
      {"fused_attention", given_times, kTimes},
      {"overlap.tensor", given_times, kTimes},
      {"overlap.tensor_pieces", given_times && training.overlap.tensor, kTimes},
      {"overlap.shared_experts",
       given_times && experts && training.model.moe->shared > 0 && !training.overlap.expert,
       kTimes},
      {"dispatch", given_times && experts, kTimes, " on times"},
      {"imbalance", given_times && experts, kTimes, " on times"},
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

// Tasks of a replica: what is not repeated, and one repeat.
double RowsNeeded(const Training& training) {
  const Parallel& p = training.parallel;
  const double tasks = 2.0 * p.virtual_stages *
                       std::min<double>(static_cast<double>(training.micro_batches()),
                                        6.0 * p.pipeline + kMostMicroBatches);
  const double rings = p.zero < 2 ? 0 : tasks * p.pipeline * p.tensor * (p.zero == 3 ? 1.5 : 0.5);
  return tasks * p.pipeline * p.data * 2 + rings * (p.expert > 1 ? 1 + p.expert : 1);
}

}  // namespace

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
  if (std::string problem = CheckTraining(*made, *gpu); !problem.empty())
    return Fail(ErrorCode::kInconsistent, pos, problem,
                problem.find("GiB") != std::string::npos
                    ? "more parallelism, recompute, zero, or ignore_memory: true"
                    : "");
  if (const auto [problem, hint] = NotSimulated(*made); !problem.empty())
    return Fail(ErrorCode::kInconsistent, pos, problem, hint);
  if (RowsNeeded(*made) > static_cast<double>(kRowLimit))
    return Fail(ErrorCode::kOutOfRange, pos, fmt::format("{:.0f} operations", RowsNeeded(*made)),
                fmt::format("at most {}", kRowLimit));

  Workload workload;
  workload.warnings = KeysWithoutEffect(spec, sources, *made);
  auto out = std::make_shared<TrainingProgram>();
  out->training = *std::move(made);
  out->gpu = *gpu;
  out->net = MakeNetRates(fabric, placement.gpu_of_rank.front(), options);
  out->net.gpus_per_host = RanksOfAHost(fabric, placement);
  out->cost = PriceTraining(out->training, out->gpu, out->net);
  out->memory = MemoryOf(out->training);
  const std::set<HostId> slow = SlowHosts(spec.stragglers(), fabric, placement);
  out->slow_hosts = static_cast<std::int64_t>(slow.size());
  TrainingBuilder builder(fabric, placement, options, *out, workload.program);
  workload.stopped = !builder.Build(slow, spec.stragglers().slower());
  workload.program.jitter = {spec.jitter(), static_cast<std::uint64_t>(spec.jitter_seed())};
  workload.training = std::move(out);
  return workload;
}

std::string TrainingRowName(const TrainingProgram& training, RowId row) {
  constexpr std::array<const char*, 11> kNames{"forward",
                                               "backward",
                                               "gradients of weights",
                                               "forward and backward",
                                               "send",
                                               "gradient reduction",
                                               "parameter gather",
                                               "optimiser",
                                               "norm of gradients",
                                               "fixed time",
                                               "sum of the embedding's gradients"};
  const TrainingRow& one = training.rows[Index(row)];
  const auto kind = static_cast<std::size_t>(one.kind);
  if (one.kind == Kind::kBarrier || one.kind == Kind::kFixed) return kNames[kind];
  if (one.kind == Kind::kEmbedding) return fmt::format("{}, replica {}", kNames[kind], one.replica);
  std::string name = fmt::format("{}, stage {}", kNames[kind], one.stage);
  if (training.training.parallel.virtual_stages > 1) name += fmt::format(", chunk {}", one.chunk);
  const bool ring = one.kind == Kind::kReduce || one.kind == Kind::kGather;
  return name + fmt::format(", {} {}", ring ? "tensor rank" : "replica", one.replica);
}

}  // namespace weft
