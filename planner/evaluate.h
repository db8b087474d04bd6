// How fast a candidate runs a job: a closed-form bound, and the flow engine.
//
// The bound is what must leave a NIC, and what must leave a full leaf of a packed job, over the
// rates there; latencies, launches and collisions come on top, so that no simulation is faster.
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
  bool kept = false;            // from the store
};

// `store` may be null. An empty list: the run was stopped.
Result<SimulatedTimes> SimulateJob(const Question& question, const Candidate& candidate,
                                   const JobChoice& job, const RunControl& control,
                                   ResultStore* store);

// The fabric built and cabled: the candidate's bill, watts and components become those of it, and
// `links`, `ports` and `racks`, where not null, are filled with CSV. What cannot be cabled breaks
// the rule "cabling".
struct ExactFiles {
  std::string links, ports, racks;
};
void MakeExact(const Question& question, Candidate& candidate, ExactFiles* files);

}  // namespace weft
