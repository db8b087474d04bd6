// What a run says about an iteration of training: where the time of one seed went.
//
// Every compute stream (a stage of a replica) is cut into what it did: compute, the exposed part
// of tensor, context and expert collectives, sends that it waited for, reductions and gathers that
// it waited for, the fixed time; what is left is bubble. Each stream's parts add up to the
// iteration, in whole picoseconds, and so do the means over streams.
//
// Steady-state repeats that were counted and not simulated (TrainingProgram::skipped) each take as
// long as a repeat of the stream that ended last, and are cut as its last one.
#pragma once

#include <array>
#include <functional>

#include "scenario/prepare.h"
#include "scenario/run_report.h"
#include "sim/simulation.h"

namespace weft {

struct IterationSplit {
  SimDuration time{}, skipped{};  // skipped: of these, what was not simulated
  // Means over streams, seconds; they add up to `time`.
  double compute_s = 0, bubble_s = 0, fixed_s = 0;
  double tensor_s = 0, pipeline_s = 0, data_s = 0, context_s = 0, expert_s = 0;
  double communication_s = 0;  // a stream's, hidden or not
};

// Of an iteration that began at time 0.
// Requires: the workload is training, and every row of it ended.
IterationSplit SplitIteration(const Workload& workload, std::span<const Completion> completions);

// What an iteration can wait for, in the order of PreparedScenario::errors.
enum class CommunicationKind : std::uint8_t { kTensor, kPipeline, kData, kContext, kExpert };
inline constexpr std::size_t kCommunicationKinds = 5;

// What the calibration says of each kind's collectives or sends, alone on such hosts: the widest of
// those that differ in size. `in_range` is false: tables are of NCCL's collectives, one at a time,
// and training's are rings beside others. Requires: the workload is training.
std::vector<StatedError> StateErrorsOfTraining(const Workload& workload, const Fabric& fabric,
                                               const Calibration& calibration,
                                               const HostPart& host);

// Each kind as far off as its band, all at once; what is hidden stays hidden. `errors` as above, or
// empty.
CommunicationError ErrorOfCommunication(const std::vector<StatedError>& errors,
                                        const TimeSplit& split, double time_s);

// A warning where the iteration needs more than the GPUs' peak, counting what causal attention
// needs alone: only `stage_times` can ask for that. `mfu`: every token counted as seen. Requires:
// the workload is training.
void WarnOfTimesBeyondPeak(const PreparedScenario& scenario, double mfu,
                           std::vector<Error>& warnings);

// From the last completion back: what each step waited for. Alike steps in a row are one.
std::vector<CriticalStep> CriticalPathOf(const PreparedScenario& scenario,
                                         const Simulation& simulation);

// Bytes that the job's ranks send, by group and link class, repeats that were not simulated
// included.
std::vector<GroupBytes> BytesByGroup(const PreparedScenario& scenario);

// Events of the first replica and of the one that ended last, for a viewer.
std::vector<TraceEvent> TraceOf(const PreparedScenario& scenario, const Simulation& simulation);

// The same iteration with something better, to be run in its place.
struct WhatIf {
  std::string change;
  PreparedScenario scenario;
};
std::vector<WhatIf> WhatIfs(const PreparedScenario& scenario);

}  // namespace weft
