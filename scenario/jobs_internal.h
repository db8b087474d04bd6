// Several jobs on one fabric: each with its ranks, all at once, and each alone to compare with.
//
// A job's workload runs again and again, a pass after the other: as often as its `repeat` says, and
// on until every job has done its own. So no job is measured while another has run dry. A pass
// starts when all of the one before is done; patterns and sends are bound to paths once, whatever
// the number of passes, and a job's QPs have the same paths beside the others as alone (unless two
// jobs share a NIC: QPs are numbered by NIC). Passes count that begin when all jobs have started: a
// job's time is the mean over those of them that ended, its slowdown that time over its time alone,
// seed by seed.
//
//     gpt    [ pass 0 ][ pass 1 ][ pass 2 ][ pass 3 ]|        repeat: 3, passes 1 to 3 count
//     bert      start: [0][1][2][3][4][5][6][7][8][9]|··      as many as it takes
//
// Errors   PrepareJobs: at the keys of each job, all that are independent; at a start so late that
//          another job would run more than 100,000 passes before, by the analytic engine's bound;
//          at a workload, a repeat or a start with which a job ends more than ten days after the
//          run's begin, by its closed form or that engine's bound.
// Cost     an engine run a seed and job, and one more a seed; a pass costs its rows.
// Repeats  same input, same seeds: same times.
#pragma once

#include "scenario/run_seed_internal.h"

namespace weft {

// `spec` has jobs.
Result<PreparedScenario> PrepareJobs(Located<ScenarioSpec> spec, FabricCache& cache,
                                     const std::function<bool()>& stop);

// What Prepare() does of a scenario without jobs; `beside_others`: of one of several jobs.
Result<PreparedScenario> PrepareOne(Located<ScenarioSpec> spec, FabricCache& cache,
                                    const std::function<bool()>& stop, bool beside_others,
                                    std::optional<int> per_host = {});

// Whether a published figure is of a job among several.
inline bool IsOfJobs(const PublishedSpec& spec) {
  return spec.figure() >= PublishedSpec::SLOWDOWN && spec.figure() <= PublishedSpec::JOB_BESIDE;
}

// Makespan, seeds, jobs, links and run of `report`, or what was stopped.
// Requires: `scenario` has jobs.
void RunJobs(const PreparedScenario& scenario, const RunControl& control, RunReport& report);

}  // namespace weft
