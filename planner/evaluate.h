// How fast a candidate runs a job: a closed-form bound, and the flow engine.
//
// The bound is what must leave a NIC, and what must leave a full leaf of a packed job, over the
// rates there; latencies, launches and collisions come on top, so that no simulation is faster.
// Of training it is the busiest stage's compute with the pipeline's filling, and one reduction
// behind it, as if every NIC sent at its line rate and nothing took a step.
//
// A connection has a QP for each port of its NIC: with one alone it would use one port.
//
// What NCCL alone does, an all-to-all of all ranks, is on an accelerator without it as many single
// flows, one a pair, all at once, each the pair's bytes of every size together.
//
// A collective that repeats is simulated once and counted as often: its repeats are alike, each
// with the same paths, one after the other.
//
// Errors   SimulateJob: whatever Prepare() finds wrong with the scenario of the candidate.
// Cost     BoundSeconds nothing; SimulateJob builds the fabric and runs every seed.
// Repeats  as RunScenario.
#pragma once

#include <vector>

#include "planner/candidate.h"
#include "planner/store.h"
#include "scenario/run_scenario.h"

namespace weft {

// At least this long; 0 where nothing is known.
double BoundSeconds(const Candidate& candidate, const JobChoice& job);

struct SimulatedTimes {
  std::vector<double> seconds;  // by seed
  double exposed = 0;           // of training: share of the iteration that waits for communication
  bool kept = false;            // from the store
};

// What the closed form of workloads/training says of an iteration; of another job the bound.
SimulatedTimes EstimateJob(const Candidate& candidate, const JobChoice& job);

// `store` may be null; `cache` shares a candidate's fabric between its jobs. An empty list: the run
// was stopped. `seeds`: of the hashes, the first so many; 0: the question's.
Result<SimulatedTimes> SimulateJob(const Question& question, const Candidate& candidate,
                                   const JobChoice& job, const RunControl& control,
                                   ResultStore* store, FabricCache& cache, int seeds = 0);

// One of each job at once, each packed behind the one before: [jobs][seeds] its time over that
// alone, over the first `decide.workload_seeds` hashes. Empty: stopped.
// Requires: they fit.
Result<std::vector<std::vector<double>>> SimulateBeside(const Question& question,
                                                        const Candidate& candidate,
                                                        const RunControl& control,
                                                        ResultStore* store, FabricCache& cache);

// Whether `job` is an all-to-all that the accelerator does by single flows, for want of NCCL.
bool IsAllPairs(const AcceleratorChoice& accelerator, const JobChoice& job);

// How often the one repeat that is simulated stands for others; 1: all are.
std::int64_t RepeatsOf(const JobChoice& job);
// MFU of a training job that takes so long on candidate's accelerator. Requires: job.trains().
double MfuOf(const JobChoice& job, std::uint32_t accelerator, double seconds);

// The fabric built and cabled: the candidate's bill, watts and components become those of it, and
// `links`, `ports` and `racks`, where not null, are filled with CSV. What cannot be cabled breaks
// the rule "cabling".
struct ExactFiles {
  std::string links, ports, racks;
};
void MakeExact(const Question& question, Candidate& candidate, ExactFiles* files,
               FabricCache* cache = nullptr);

}  // namespace weft
