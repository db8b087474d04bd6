// The order of passes on a pipeline.
#include "workloads/training/pipeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "tests/workloads/training_cases.h"

namespace weft {
namespace {

// Of a middle rank of DualPipe: the forward pass that a backward one follows, into one task.
void PairFirst(std::vector<PipelineTask>& tasks) {
  using Kind = PipelineTask::Kind;
  for (std::size_t i = 0; i + 1 < tasks.size(); ++i) {
    const PipelineTask back = tasks[i + 1];
    if (tasks[i].kind != Kind::kForward || back.kind != Kind::kBackward) continue;
    tasks[i] = {Kind::kTogether, tasks[i].chunk, tasks[i].micro, back.chunk, back.micro};
    tasks.erase(tasks.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    return;
  }
}

// When each stage is done with its tasks, by the order and what feeds what alone.
struct Durations {
  double forward = 0, backward = 0, weights = 0, together = 0;
};
// `paired`: DualPipe's middle ranks run their first forward and backward pass of the main step
// together, too.
double Makespan(const Parallel& p, std::int64_t micro, const Durations& took, bool paired = false) {
  PipelineOrder order = OrderOf(p, micro);
  for (const int s : {p.pipeline / 2 - 1, p.pipeline / 2})
    if (paired) PairFirst(order.tasks[static_cast<std::size_t>(s)]);
  const bool dual = p.schedule == Parallel::Schedule::kDualpipe;
  const int chunks = dual ? 2 : p.virtual_stages;
  using Key = std::tuple<int, int, std::int64_t, bool>;  // stage, chunk, micro-batch, forward
  std::map<Key, double> done;
  // When the input of a pass is there; none: not yet known.
  const auto input = [&](int s, int c, std::int64_t m, bool forward) -> std::optional<double> {
    const bool up = dual && c == 1 ? !forward : forward;
    int stage = up ? s - 1 : s + 1, chunk = c;
    if (stage < 0 || stage >= p.pipeline) {
      chunk = forward ? c - 1 : c + 1;
      if (dual || chunk < 0 || chunk >= chunks) return 0;
      stage = forward ? p.pipeline - 1 : 0;
    }
    const auto at = done.find({stage, chunk, m, forward});
    return at == done.end() ? std::nullopt : std::optional(at->second);
  };
  std::vector<std::size_t> at(order.tasks.size(), 0);
  std::vector<double> now(order.tasks.size(), 0);
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t s = 0; s < at.size(); ++s)
      while (at[s] < order.tasks[s].size()) {
        using Kind = PipelineTask::Kind;
        const PipelineTask& task = order.tasks[s][at[s]];
        const int stage = static_cast<int>(s);
        const int back_chunk = task.kind == Kind::kTogether ? task.back_chunk : task.chunk;
        const std::int64_t back = task.kind == Kind::kTogether ? task.back_micro : task.micro;
        std::optional<double> ready = now[s];
        for (const bool forward : {true, false}) {
          if (forward ? !task.has_forward() : !task.has_backward()) continue;
          const auto fed = forward ? input(stage, task.chunk, task.micro, true)
                                   : input(stage, back_chunk, back, false);
          ready = fed && ready ? std::optional(std::max(*ready, *fed)) : std::nullopt;
        }
        if (!ready) break;
        double time = task.has_forward() ? took.forward : 0;
        if (task.has_backward()) time += took.backward;
        if (task.kind == Kind::kInput) time -= took.weights;
        if (task.kind == Kind::kWeights) time = took.weights;
        if (task.kind == Kind::kTogether) time = took.together;
        now[s] = *ready + time;
        if (task.has_forward()) done[{stage, task.chunk, task.micro, true}] = now[s];
        if (task.has_backward()) done[{stage, back_chunk, back, false}] = now[s];
        ++at[s];
        moved = true;
      }
  }
  for (std::size_t s = 0; s < at.size(); ++s)
    EXPECT_EQ(at[s], order.tasks[s].size()) << "stage " << s;
  return *std::max_element(now.begin(), now.end());
}

TEST(OrderOf, FillsAndDrainsOncePerChunk) {
  const Durations took{1, 2, 0, 3};
  for (const int chunks : {1, 2, 6})
    for (const int stages : {1, 2, 4, 8})
      for (const std::int64_t groups : {1, 2, 5}) {
        Parallel p;
        p.pipeline = stages;
        p.virtual_stages = chunks;
        const std::int64_t micro = groups * stages;
        const double steady = 3.0 * static_cast<double>(micro) * chunks;
        // The bubble is (p − 1)/v of a micro-batch's time on a stage [NSC+21 §2.2.2].
        EXPECT_NEAR(Makespan(p, micro, took), steady + 3.0 * (stages - 1), 1e-9)
            << stages << " stages, " << chunks << " chunks, " << micro << " micro-batches";
      }
}

// Bubble (p/2 − 1)(F&B + B − 3W) [DualPipe README], of the ranks in the middle: F&B in m − p of
// their passes. It holds for any B − W >= F and W, where every forward pass of the main step runs
// beside a backward one. [DualPipe dualpipe.py] leaves the middle ranks' first two apart, "to
// further reduce bubble size": that saves what a backward pass without W is longer than a forward
// one, p/2 − 1 times, up to a forward pass. B − W < F leaves forward passes waiting in step 3, and
// W > B − W backward passes in step 7.
TEST(OrderOf, DualPipeHasItsPublishedBubble) {
  constexpr std::uint64_t kSeed = 7;
  Random random(kSeed);
  for (const int stages : {2, 4, 8, 16})
    for (const std::int64_t micro : {std::int64_t{2} * stages, std::int64_t{120}})
      for (int trial = 0; trial < 12; ++trial) {
        const int kind = trial % 3;  // B − W equal to F, longer, shorter
        const double f = 0.5 + random.Unit(), w = 0.1 + random.Unit();
        const double longer = kind == 0 ? 0 : (kind == 1 ? random.Unit() : -f * random.Unit() / 2);
        Durations took{f, f + w + longer, w};
        took.together = (took.forward + took.backward) * (kind < 2 ? 0.8 + 0.4 * random.Unit() : 1);
        SCOPED_TRACE(testing::Message() << "seed " << kSeed << ", trial " << trial << ", " << stages
                                        << " stages, " << micro << " micro-batches");
        Parallel p;
        p.pipeline = stages;
        p.schedule = Parallel::Schedule::kDualpipe;
        const double steps = stages / 2 - 1, apart = took.forward + took.backward;
        const double formula = static_cast<double>(micro - stages) * took.together +
                               stages * apart +
                               steps * (took.together + took.backward - 3 * took.weights);
        const double late = steps * std::max(0.0, 2 * w - took.backward);
        if (kind < 2) {
          EXPECT_NEAR(Makespan(p, micro, took, true) / (formula + late), 1, 1e-9);
        }
        double want = formula - took.together + apart + late;  // the first two passes apart
        want -= longer >= 0 ? std::min(f, steps * longer) : steps * longer;
        EXPECT_NEAR(Makespan(p, micro, took) / want, 1, 1e-9);

        Training t;
        t.model = *FindModel("gpt3-175b");
        t.parallel = p;
        t.global_batch = micro;
        t.overlap.data = false;
        t.parallel.zero = 0;
        t.stage_times = {took.forward, took.backward, took.weights, took.together};
        const NetRates still{8, 1e30, 1e30, 0, 0, 0};
        const TrainingCost cost = PriceTraining(t, A100(), still);
        const double optimiser =
            *std::max_element(cost.optimiser_s.begin(), cost.optimiser_s.end());
        EXPECT_NEAR((EstimateIteration(t, cost, A100(), still).time_s - optimiser) / want, 1, 1e-9);
      }
}

TEST(OrderOf, RepeatsWhatItSaysItRepeats) {
  for (const int chunks : {1, 3})
    for (const int stages : {1, 2, 4}) {
      Parallel p;
      p.pipeline = stages;
      p.virtual_stages = chunks;
      for (const std::int64_t micro : {1, 2, 7, 8}) {  // short ones repeat nothing
        const PipelineOrder order = OrderOf(p, micro * stages);
        const PipelineRepeats repeats = RepeatsOf(p, micro * stages);
        EXPECT_EQ(std::pair(repeats.step, repeats.times), std::pair(order.micro_step, order.times));
        EXPECT_EQ(RepeatsOf(p, micro * stages + 5 * repeats.step).times,
                  OrderOf(p, micro * stages + 5 * repeats.step).times);
      }
      const PipelineOrder order = OrderOf(p, 8 * stages);
      ASSERT_GT(order.times, 1);
      for (std::size_t s = 0; s < order.tasks.size(); ++s)
        for (std::size_t i = 0; i < order.period * static_cast<std::size_t>(order.times - 1); ++i) {
          const PipelineTask& a = order.tasks[s][order.first_repeat[s] + i];
          const PipelineTask& b = order.tasks[s][order.first_repeat[s] + i + order.period];
          EXPECT_EQ(std::tuple(a.kind, a.chunk, a.micro + order.micro_step),
                    std::tuple(b.kind, b.chunk, b.micro));
        }
    }
}

}  // namespace
}  // namespace weft
