// One iteration of training as a Program: the pipeline's passes, sends and reductions.
//
//     compute   one row a task of a stage: a micro-batch forward or backward through one chunk of
//               layers, on all tensor and context ranks of the stage at once. Its time includes
//               the exposed part of their collectives and of the experts', in closed form
//               (PriceTraining): those are not in the network.
//     send      one row a task and replica: every tensor rank sends its part to its like on the
//               next stage. Without overlap it stands in the sender's own stream.
//     reduce    one row a stage, chunk, tensor rank: a ring over data and context ranks. With
//     overlap
//               it starts when the chunk's last backward pass is done, else when the stage is.
//     embedding one row a replica: where it is tied, its first and last stage sum its gradients.
//     gather    parameters of the sharded optimiser: after it, or with overlap ahead of the
//               first forward passes. ZeRO-2 reduces behind every backward pass, ZeRO-3 also
//               gathers a chunk's parameters before each of its passes.
//
// Streams   d·p + s for the compute of replica d's stage s; those of sends and of reductions
// follow. Repeats   the steady state is one Block. Beyond kMostMicroBatches of it, repeats are not
//           simulated but counted (TrainingProgram::skipped): they repeat the last one.
// Errors    at the key in the user's file, all that are independent.
// Cost      O(rows), some 100 bytes each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "workloads/build_program.h"
#include "workloads/training/training.h"

namespace weft {

// How long work may take that is simulated, by itself and in closed form: simulated time ends after
// 106 days, and on links that others share all of it takes longer.
inline constexpr double kMostDaysOfWork = 10;

// Micro-batches of the steady state that are simulated, at most.
inline constexpr std::int64_t kMostMicroBatches = 32;

struct TrainingRow {
  enum class Kind : std::uint8_t {
    kForward,
    kBackward,
    kWeights,
    kTogether,
    kSend,
    kReduce,
    kGather,
    kOptimiser,
    kBarrier,
    kFixed,
    kEmbedding,  // the first and the last stage's of a replica
    kBeside,     // what of a pass may run beside exchanges that are simulated
    kJoin,       // a pass is done when its exchanges are
    kTensor,     // exchanges: of one pass all layers' at once
    kContext,
    kExpert,
    kLoading,  // before the first passes
  };
  Kind kind = Kind::kForward;
  std::uint16_t stage = 0, chunk = 0;  // chunk: of the stage
  std::uint32_t replica = 0;           // kReduce, kGather: the tensor rank; exchanges: the first
  bool expert = false;                 // kReduce, kGather: of the parameters of experts
};

// What the rows of a Program stand for.
struct TrainingProgram {
  Training training;
  GpuRates gpu;
  NetRates net;
  TrainingCost cost;
  MemoryUse memory;
  std::vector<TrainingRow> rows;  // [ops]
  std::uint32_t first_block_row = 0, block_rows = 0;
  std::int64_t passes = 0;   // of the block, simulated
  std::int64_t skipped = 0;  // passes that are counted and not simulated
  std::int64_t slow_hosts = 0;
  double closed_form_s = 0;  // an iteration, were every host slow
};

class EfficiencySpec;
class TrainingSpec;

// The spec, at workload.training in the file, as plain values. `gpus`: of the placement.
Result<Training> MakeTraining(const TrainingSpec& spec, const SourceMap& sources,
                              std::int64_t gpus);

// The GPU preset `gpu` with `spec` over its architecture's efficiency.
Result<GpuRates> MakeGpuRates(const EfficiencySpec& spec, const SourceMap& sources,
                              const std::string& gpu);
// Of the host of GPU `gpu`, payload by what `options` says of links.
NetRates MakeNetRates(const Fabric& fabric, GpuId gpu, const BuildOptions& options);

Result<Workload> BuildTraining(const TrainingSpec& spec, const SourceMap& sources,
                               const Fabric& fabric, const Placement& placement,
                               const BuildOptions& options);

// "forward, stage 3, chunk 1, replica 5".
// Requires: `row` is one of the program's.
std::string TrainingRowName(const TrainingProgram& training, RowId row);

}  // namespace weft
