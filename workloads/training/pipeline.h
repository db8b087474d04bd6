// In which order each stage takes its micro-batches.
//
// 1F1B      stage s runs p − s − 1 forward passes, then one forward and one backward in turn,
//           then what is left backward [NSC+21 §2.2.1]. Interleaved, a stage has v chunks and
//           warms up with 2(p − s − 1) + (v − 1)p passes; forward pass i of a stage is chunk
//           (i mod pv)/p, micro-batch p·⌊i/pv⌋ + i mod p [NSC+21 §2.2.2, Megatron-LM schedules.py].
// DualPipe  both directions at once, the eight steps of [DualPipe dualpipe.py]; chunk 0 goes
//           from stage 0 upwards, chunk 1 from the last stage downwards.
//
// Repeats   from task first_repeat[s] on, every stage's order repeats after `period` tasks, with
//           micro-batches `micro_step` further, `times` times: what a Program needs only once. No
//           dependency leads from a repeat to a later one, and none further back than one.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/training/training.h"

namespace weft {

struct PipelineTask {
  enum class Kind : std::uint8_t {
    kForward,
    kBackward,  // gradients of input and weights
    kInput,     // of the input alone
    kWeights,   // of the weights alone, of a micro-batch whose kInput is done
    kTogether,  // forward pass of `micro`, beside it the backward pass of `back_micro`
  };
  Kind kind = Kind::kForward;
  int chunk = 0;
  std::int64_t micro = 0;
  int back_chunk = 0;
  std::int64_t back_micro = 0;

  bool has_forward() const { return kind == Kind::kForward || kind == Kind::kTogether; }
  bool has_backward() const {
    return kind == Kind::kBackward || kind == Kind::kInput || kind == Kind::kTogether;
  }
};

struct PipelineOrder {
  std::vector<std::vector<PipelineTask>> tasks;  // [p]
  std::vector<std::size_t> first_repeat;         // [p]
  std::size_t period = 0;                        // 0: nothing repeats
  std::int64_t micro_step = 0, times = 0;
};

// What OrderOf() says of its repeats, without the tasks of all micro-batches. `step` more
// micro-batches are one repeat more.
struct PipelineRepeats {
  std::int64_t step = 1, times = 0;
};
PipelineRepeats RepeatsOf(const Parallel& parallel, std::int64_t micro_batches);

// Requires: what CheckTraining() checks.
// Cost      O(micro-batches · p · v), some 40 bytes each.
PipelineOrder OrderOf(const Parallel& parallel, std::int64_t micro_batches);

}  // namespace weft
