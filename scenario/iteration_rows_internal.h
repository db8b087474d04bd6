// The rows of an iteration's Program, as its split, its path and what would help look at them.
#pragma once

#include "scenario/iteration_internal.h"
#include "workloads/training/build_training.h"

namespace weft {

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

// By their end and, in one instant, as streams have them: what stands before the block, then its
// repeats, then the rest. An engine lists an instant's rows by their numbers, so that a repeat's
// first rows may come before the last ones of the repeat before.
std::vector<const Completion*> InStreamOrder(const TrainingProgram& training,
                                             std::span<const Completion> completions);

// Of the chunk of layers that a pass is of.
const ChunkCost& CostOfRow(const TrainingProgram& training, const TrainingRow& row);

// What of a computation's `duration`, in picoseconds, is compute, and not exposed communication
// that stands in its row in closed form.
std::int64_t ComputeWithin(const TrainingProgram& training, const TrainingRow& row,
                           std::int64_t duration);

// A tensor, context or expert collective that is simulated.
inline bool IsExchange(TrainingRow::Kind kind) {
  using Kind = TrainingRow::Kind;
  return kind == Kind::kTensor || kind == Kind::kContext || kind == Kind::kExpert;
}

}  // namespace weft
