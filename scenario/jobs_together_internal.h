// Several jobs on one engine: their passes as Programs, and what of a run was whose.
//
// A job's Program is its start, then pass after pass with a barrier behind each. A result has the
// passes that count: those begun when all of the jobs had started.
#pragma once

#include "scenario/run_seed_internal.h"

namespace weft {

inline constexpr double kMostRowsOfJobs = 20'000'000;  // of all passes together; some 50 bytes each

// A job's passes as one Program.
struct JobProgram {
  Program program;
  std::uint32_t rows = 0, passes = 0;  // rows: of one pass

  std::uint32_t Barrier(std::uint32_t pass) const { return 1 + pass * (rows + 1) + rows; }
};

// What one job did under one seed.
struct JobResult {
  double time_s = 0;                     // mean over the passes that count
  double end_s = 0;                      // of the last of these
  std::uint32_t ended = 0, counted = 0;  // counted: of those that ended, begun when all had started
  std::optional<IterationSplit> split;   // of training, mean over the same; where it was asked for
};

// What all did under one seed.
struct TogetherResult : RunFigures {
  std::vector<JobResult> jobs;
};

// When all of `jobs` have started.
SimTime AllStarted(const std::vector<const PreparedJob*>& jobs);

// `passes` of each job. Empty where the caller waits no longer.
std::vector<JobProgram> MakePrograms(const std::vector<const PreparedJob*>& jobs,
                                     const std::vector<std::uint32_t>& passes,
                                     const RunControl& control);

// `jobs` at once; with `links` what crossed them. Requires: a program each.
TogetherResult RunTogether(const PreparedScenario& scenario,
                           const std::vector<const PreparedJob*>& jobs,
                           const std::vector<JobProgram>& programs, std::uint64_t seed, bool links,
                           const RunControl& control);

}  // namespace weft
