#include "workloads/training/pipeline.h"

#include <algorithm>
#include <array>
#include <deque>

#include "base/check.h"

namespace weft {
namespace {

using Kind = PipelineTask::Kind;

// Passes of stage `s` ahead of its first backward one.
std::int64_t WarmUp(const Parallel& p, std::int64_t s) {
  const std::int64_t stages = p.pipeline, chunks = p.virtual_stages;
  return chunks > 1 ? 2 * (stages - s - 1) + (chunks - 1) * stages : stages - s - 1;
}

// One stage alone: all chunks forward, then all backward.
PipelineOrder SingleStage(const Parallel& p, std::int64_t micro_batches) {
  PipelineOrder out;
  out.tasks.emplace_back();
  for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
    for (int c = 0; c < p.virtual_stages; ++c)
      out.tasks[0].push_back({Kind::kForward, c, micro, 0, 0});
    for (int c = p.virtual_stages - 1; c >= 0; --c)
      out.tasks[0].push_back({Kind::kBackward, c, micro, 0, 0});
  }
  out.first_repeat = {0};
  out.period = 2 * static_cast<std::size_t>(p.virtual_stages);
  out.micro_step = 1;
  out.times = micro_batches;
  return out;
}

PipelineOrder OneFOneB(const Parallel& p, std::int64_t micro_batches) {
  const std::int64_t stages = p.pipeline, chunks = p.virtual_stages;
  const std::int64_t all = micro_batches * chunks;
  const std::int64_t group = chunks > 1 ? stages * chunks : 1;
  const auto task = [&](bool forward, std::int64_t i) {
    if (chunks == 1) return PipelineTask{forward ? Kind::kForward : Kind::kBackward, 0, i, 0, 0};
    const std::int64_t chunk = i % group / stages;
    return PipelineTask{forward ? Kind::kForward : Kind::kBackward,
                        static_cast<int>(forward ? chunk : chunks - 1 - chunk),
                        i / group * stages + i % stages, 0, 0};
  };
  PipelineOrder out;
  for (std::int64_t s = 0; s < stages; ++s) {
    std::vector<PipelineTask>& tasks = out.tasks.emplace_back();
    const std::int64_t ahead = std::min(all, WarmUp(p, s));
    for (std::int64_t i = 0; i < ahead; ++i) tasks.push_back(task(true, i));
    for (std::int64_t i = ahead; i < all; ++i) {
      tasks.push_back(task(true, i));
      tasks.push_back(task(false, i - ahead));
    }
    for (std::int64_t i = all - ahead; i < all; ++i) tasks.push_back(task(false, i));
    // Repeats begin a pass earlier on each later stage: then nothing waits for a later repeat.
    const std::int64_t first = WarmUp(p, 0) - s, ahead_of_first = 2 * first - WarmUp(p, s);
    out.first_repeat.push_back(static_cast<std::size_t>(std::max<std::int64_t>(0, ahead_of_first)));
  }
  const PipelineRepeats repeats = RepeatsOf(p, micro_batches);
  out.times = repeats.times;
  out.period = out.times > 0 ? 2 * static_cast<std::size_t>(group) : 0;
  out.micro_step = repeats.step;
  return out;
}

// The tasks of one rank under DualPipe; the steps are those of [DualPipe dualpipe.py].
class DualpipeRank {
 public:
  DualpipeRank(int rank, int ranks, std::int64_t micro_batches)
      : second_half_(rank >= ranks / 2),
        middle_(rank == ranks / 2 - 1 || rank == ranks / 2),
        half_rank_(std::min(rank, ranks - 1 - rank)),
        half_ranks_(ranks / 2),
        main_steps_(micro_batches / 2 - ranks + half_rank_ + 1) {}

  std::vector<PipelineTask> Tasks() {
    const int outer = half_ranks_ - half_rank_ - 1, inner = half_rank_ + 1;
    for (int i = 0; i < 2 * outer; ++i) Forward(0);  // step 1
    for (int i = 0; i < inner; ++i) {                // step 2
      Forward(0);
      Forward(1);
    }
    for (int i = 0; i < outer; ++i) {  // step 3
      Backward(1, true);
      Weights();
      Forward(1);
    }
    for (std::int64_t i = 0; i < main_steps_; ++i) {  // step 4
      if (i == 0 && middle_) {
        Forward(0);
        Backward(1, false);
      } else {
        Together(0, 1);
      }
      Together(1, 0);
    }
    for (int i = 0; i < outer; ++i) {  // step 5
      Backward(1, false);
      Together(1, 0);
    }
    bool zero_bubble = false;
    for (int i = 0; i < inner; ++i) {  // step 6
      if (i == inner / 2 && half_rank_ % 2 == 1) zero_bubble = true;
      Backward(1, zero_bubble);
      if (i == inner / 2 && half_rank_ % 2 == 0) zero_bubble = true;
      Backward(0, zero_bubble);
    }
    for (int i = 0; i < outer; ++i) {  // step 7
      Weights();
      Backward(0, true);
    }
    for (int i = 0; i < inner; ++i) Weights();  // step 8
    WEFT_CHECK(waiting_.empty());
    return std::move(tasks_);
  }

 private:
  // The second half of the ranks is the mirror image of the first.
  int Chunk(int phase) const { return second_half_ ? 1 - phase : phase; }
  std::int64_t NextForward(int chunk) { return forward_[static_cast<std::size_t>(chunk)]++; }
  std::int64_t NextBackward(int chunk) { return backward_[static_cast<std::size_t>(chunk)]++; }

  void Forward(int phase) {
    const int chunk = Chunk(phase);
    tasks_.push_back({Kind::kForward, chunk, NextForward(chunk), 0, 0});
  }
  void Backward(int phase, bool zero_bubble) {
    const int chunk = Chunk(phase);
    const PipelineTask task{zero_bubble ? Kind::kInput : Kind::kBackward, chunk,
                            NextBackward(chunk), 0, 0};
    tasks_.push_back(task);
    if (zero_bubble) waiting_.push_back(task);
  }
  void Weights() {
    WEFT_CHECK(!waiting_.empty());
    tasks_.push_back(waiting_.front());
    tasks_.back().kind = Kind::kWeights;
    waiting_.pop_front();
  }
  void Together(int forward_phase, int backward_phase) {
    const int forward = Chunk(forward_phase), backward = Chunk(backward_phase);
    const std::int64_t micro = NextForward(forward);
    tasks_.push_back({Kind::kTogether, forward, micro, backward, NextBackward(backward)});
  }

  bool second_half_, middle_;
  int half_rank_, half_ranks_;
  std::int64_t main_steps_;
  std::vector<PipelineTask> tasks_;
  std::deque<PipelineTask> waiting_;
  std::array<std::int64_t, 2> forward_{}, backward_{};
};

}  // namespace

PipelineRepeats RepeatsOf(const Parallel& parallel, std::int64_t micro_batches) {
  if (parallel.schedule == Parallel::Schedule::kDualpipe) return {};
  if (parallel.pipeline == 1) return {1, micro_batches};
  const std::int64_t chunks = parallel.virtual_stages, step = chunks > 1 ? parallel.pipeline : 1;
  const std::int64_t passes = micro_batches * chunks - WarmUp(parallel, 0);
  return {step, std::max<std::int64_t>(0, passes) / (step * chunks)};
}

PipelineOrder OrderOf(const Parallel& parallel, std::int64_t micro_batches) {
  if (parallel.schedule == Parallel::Schedule::kDualpipe) {
    PipelineOrder out;
    for (int s = 0; s < parallel.pipeline; ++s)
      out.tasks.push_back(DualpipeRank(s, parallel.pipeline, micro_batches).Tasks());
    out.first_repeat.assign(out.tasks.size(), 0);
    return out;
  }
  return parallel.pipeline == 1 ? SingleStage(parallel, micro_batches)
                                : OneFOneB(parallel, micro_batches);
}

}  // namespace weft
