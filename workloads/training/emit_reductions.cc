// Rings of gradients and parameters, and what ends an iteration.
#include <algorithm>
#include <utility>

#include "workloads/collectives/ring.h"
#include "workloads/training/builder_internal.h"

namespace weft {

std::uint32_t TrainingBuilder::Ring(int stage, int tensor, int first, int apart,
                                    CollectiveSpec::Op op) {
  const auto [at, added] = rings_.try_emplace(
      {stage, tensor, first, apart, op}, static_cast<std::uint32_t>(program_->patterns.size()));
  if (added) {
    const Communicator communicator = ranks_.Replicas(tensor, stage, first, apart);
    program_->patterns.push_back(
        BuildRing(*fabric_, communicator, op, RingChannels(communicator), *options_));
  }
  return at->second;
}

// Row 0 is that of sends.
std::uint32_t TrainingBuilder::TuningOf(std::uint16_t channels, SimDuration launch) {
  std::vector<Tuning>& all = program_->tunings;
  const auto known = std::find_if(all.begin() + 1, all.end(), [&](const Tuning& one) {
    return one.channels == channels && one.launch == launch;
  });
  if (known != all.end()) return static_cast<std::uint32_t>(known - all.begin());
  all.push_back({channels, Bytes(), Bytes(), launch});
  return static_cast<std::uint32_t>(all.size() - 1);
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
    row.tuning = TuningOf(program_->patterns[pattern].channels, options_->launch);
    for (const std::uint32_t need : needs) Need(need);
    if (kind == Kind::kReduce) reduce_rows_.push_back(next_row() - 1);
  };
  for (int t = 0; t < parallel().tensor; ++t) {
    if (bytes > 0) add(t, 0, 1, bytes);
    if (expert_bytes > 0 && all / experts > 1)
      for (int e = 0; e < experts; ++e) add(t, e, experts, expert_bytes);
  }
}

// Data come before the first passes, and before ZeRO-3's gathers, which passes ask for; gathers
// ahead are prefetched meanwhile [JLZ+24 §3.2].
void TrainingBuilder::EmitLoading() {
  if (training_.loading_s <= 0) return;
  std::vector<std::uint32_t> streams = AllComputeStreams();
  const bool asked = parallel().zero == 3;
  for (std::uint32_t stream = DataStream(0, 0, 0, false);
       asked && reduces() && stream < DataStream(stages(), 0, 0, false); ++stream)
    streams.push_back(stream);
  Add(Op::Kind::kDelay, {Kind::kLoading, 0, 0, 0}, FromSecondsUp(training_.loading_s).count(),
      streams);
}

// The sharded optimiser's parameters, chunk by chunk, while data come and the first passes of
// others run.
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
          FromSecondsUp(out_->cost.optimiser_s[row] * factor_[ComputeStream(d, s)]).count(),
          {ComputeStream(d, s)});
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

}  // namespace weft
