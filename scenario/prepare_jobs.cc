// Several jobs from the text: each alone, what no two may share, and when they start and end.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/format_count.h"
#include "scenario/jobs_internal.h"
#include "scenario/jobs_together_internal.h"
#include "sim/engines.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

constexpr double kMostPassesBefore = 100'000;  // of a job, until the last one has started

Errors JobKeysOutOfPlace(const Located<ScenarioSpec>& spec) {
  Errors errors;
  const auto refuse = [&](const char* key, const char* why, const char* hint) {
    if (spec.sources.Given(key))
      errors.push_back({ErrorCode::kInconsistent, spec.At(key),
                        fmt::format("'{}' stands beside 'jobs': {}", key, why), hint});
  };
  refuse("workload", "each job has its own", "jobs: [{ workload: ... }]");
  refuse("placement", "each job has its own", "jobs: [{ placement: ... }]");
  refuse("faults", "what a fault does to several jobs is not simulated",
         "no faults, or one workload");
  if (spec.message.engine() == ScenarioSpec::ENGINE_ANALYTIC)
    errors.push_back({ErrorCode::kInconsistent, spec.At("jobs"),
                      "'engine: analytic' bounds a job alone, and knows of no others",
                      "engine: flow"});
  if (spec.message.coupling() == ScenarioSpec::COUPLING_BOTH)
    errors.push_back({ErrorCode::kInconsistent, spec.At("coupling"),
                      "'coupling: both' is for one workload", "coupling: auto, loose or tight"});
  return errors;
}

// The scenario of job `j` alone: its keys stand where those of a file with one workload do.
Located<ScenarioSpec> SpecOfJob(const Located<ScenarioSpec>& spec, int j) {
  Located<ScenarioSpec> out;
  const JobSpec& job = spec.message.jobs(j);
  out.message = spec.message;
  out.message.clear_jobs();
  out.message.clear_require();
  out.message.clear_published();
  *out.message.mutable_placement() = job.placement();
  *out.message.mutable_workload() = job.workload();
  const std::string mine = fmt::format("jobs[{}]", j);
  for (const auto& [path, origin] : spec.sources.entries()) {
    const bool others = path.starts_with("jobs") || path.starts_with("placement") ||
                        path.starts_with("workload") || path.starts_with("require") ||
                        path.starts_with("published");
    if (path.starts_with(mine + ".")) out.sources.Add(path.substr(mine.size() + 1), origin);
    if (!others) out.sources.Add(path, origin);
  }
  for (const char* key : {"placement", "workload"})
    if (!out.sources.entries().contains(key)) out.sources.Add(key, spec.sources.At(mine));
  return out;
}

Errors OverlapsOfJobs(const PreparedScenario& scenario) {
  Errors errors;
  std::map<GpuId, std::size_t> owner;
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    bool reported = false;
    for (const GpuId gpu : scenario.jobs[j].alone->placement.gpu_of_rank) {
      const auto [at, is_new] = owner.try_emplace(gpu, j);
      if (is_new || reported) continue;
      reported = true;  // the first GPU says it
      const Fabric& fabric = *scenario.fabric;
      errors.push_back({ErrorCode::kInconsistent,
                        scenario.spec.At(fmt::format("jobs[{}].placement", j)),
                        fmt::format("{} is a GPU of job '{}' already", fabric.Name(fabric.gpu(gpu)),
                                    scenario.jobs[at->second].name),
                        "placement: { hosts: [...] }, or skip: the hosts of the others"});
    }
  }
  return errors;
}

Errors WrongNames(const PreparedScenario& scenario) {
  Errors errors;
  std::set<std::string> names;
  std::string all;
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    const std::string& name = scenario.jobs[j].name;
    all += (j == 0 ? "" : ", ") + name;
    if (!names.insert(name).second)
      errors.push_back({ErrorCode::kInconsistent, scenario.spec.At(fmt::format("jobs[{}].name", j)),
                        fmt::format("two jobs are called '{}'", name), "a name each"});
  }
  for (int i = 0; i < scenario.spec.message.published_size(); ++i) {
    const PublishedSpec& one = scenario.spec.message.published(i);
    if (!IsOfJobs(one) || names.contains(one.job())) continue;
    errors.push_back({ErrorCode::kInconsistent,
                      scenario.spec.At(fmt::format("published[{}].job", i)),
                      fmt::format("no job is called '{}'", one.job()), all});
  }
  return errors;
}

// In seconds, and from a day on in days.
std::string Long(double seconds) {
  constexpr double kDay = 86400, kManySeconds = 10'000;
  if (seconds >= kDay) return fmt::format("{:.4g} days", seconds / kDay);
  if (seconds < kManySeconds) return fmt::format("{:.4g} s", seconds);
  return FormatCount(std::llround(seconds)) + " s";
}

// In seconds the least that a pass takes: the analytic engine's bound, infinite where that is
// beyond the range of time. None where it never ends.
std::optional<double> ShortestPass(const PreparedScenario& job) {
  const auto bound =
      MakeSimulation(EngineKind::kAnalytic, InputFor(job, job.first_seed, job.physics.coupling));
  bound->Append(job.workload->program);
  bound->Run(kForever, kNoBudget);
  const Outcome outcome = bound->Finish();
  if (outcome.waiting.empty())
    return ToSeconds(std::max(SimDuration(1), outcome.end.time_since_epoch()));
  if (!AllBeyondTime(job, job.first_seed, outcome.waiting)) return std::nullopt;  // RunJobs() says
  return std::numeric_limits<double>::infinity();
}

// Of each of some jobs, reckoned once and where somebody asks.
class ShortestPasses {
 public:
  explicit ShortestPasses(const std::vector<PreparedJob>& jobs)
      : jobs_(&jobs), known_(jobs.size()) {}

  std::optional<double> Of(std::size_t j) {
    if (!known_[j]) known_[j] = ShortestPass(*(*jobs_)[j].alone);
    return *known_[j];
  }

 private:
  const std::vector<PreparedJob>* jobs_;
  std::vector<std::optional<std::optional<double>>> known_;  // [jobs]
};

std::size_t LastToStart(const std::vector<PreparedJob>& jobs) {
  const auto by_start = [](const PreparedJob& a, const PreparedJob& b) {
    return a.start < b.start;
  };
  return static_cast<std::size_t>(std::max_element(jobs.begin(), jobs.end(), by_start) -
                                  jobs.begin());
}

// Until the last job starts the others run pass after pass, and all of these are simulated.
Errors StartsTooFarApart(const PreparedScenario& scenario, ShortestPasses& passes) {
  const std::size_t latest = LastToStart(scenario.jobs);
  const PreparedJob& last = scenario.jobs[latest];
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    const PreparedJob& job = scenario.jobs[j];
    if (job.start == last.start) continue;
    const double rows = static_cast<double>(job.alone->workload->program.ops.size()) + 1;
    const double most = std::floor(std::min(kMostPassesBefore, kMostRowsOfJobs / rows));
    const std::optional<double> shortest = passes.Of(j);
    if (!shortest) continue;
    const double pass_s = *shortest;
    const double gap_s = ToSeconds(last.start - job.start);
    if (gap_s / pass_s <= most) continue;
    return {{ErrorCode::kOutOfRange, scenario.spec.At(fmt::format("jobs[{}].start", latest)),
             fmt::format("'{}' starts {} after '{}', a pass of which takes {} or more: up to {} "
                         "passes until then, and at most {} are simulated",
                         last.name, Long(gap_s), job.name, Long(pass_s),
                         FormatCount(static_cast<std::int64_t>(std::ceil(gap_s / pass_s))),
                         FormatCount(static_cast<std::int64_t>(most))),
             fmt::format("a start within {} of that of '{}'", Long(most * pass_s), job.name)}};
  }
  return {};
}

// As one iteration, what a job is to do by itself may take kMostDaysOfWork. What is too long
// without any start is named job by job, else the last start, once, with the job that it makes the
// latest.
Errors EndsTooLate(const PreparedScenario& scenario, ShortestPasses& shortest) {
  constexpr double kDay = 86400;
  const std::size_t last = LastToStart(scenario.jobs);
  const SimDuration all_started = scenario.jobs[last].start;
  const double all_started_s = ToSeconds(all_started);
  const std::string hint =
      fmt::format("at most {:.0f} days: a smaller repeat, an earlier start, or shorter passes",
                  kMostDaysOfWork);
  Errors errors;
  double latest_days = kMostDaysOfWork;
  std::optional<Error> late_start;
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    const PreparedJob& job = scenario.jobs[j];
    const auto& training = job.alone->workload->training;
    const double pass_s = training ? training->closed_form_s : shortest.Of(j).value_or(0);
    const auto repeats = static_cast<double>(job.repeat);
    const double passes = repeats + (job.start < all_started ? 1 : 0);
    const double days = (all_started_s + passes * pass_s) / kDay;
    if (days <= kMostDaysOfWork) continue;
    std::string what = fmt::format("'{}' is done after {:.4g} days: {:.0f} {} of {}", job.name,
                                   days, passes, passes > 1 ? "passes" : "pass", Long(pass_s));
    if (all_started_s > 0)
      what += fmt::format(" when all have started, after {}", Long(all_started_s));
    if (std::isinf(pass_s))
      what = fmt::format("'{}' takes more than 104 days for a pass", job.name);
    const bool by_itself = repeats * pass_s > kMostDaysOfWork * kDay;
    if (by_itself) {
      const char* key = pass_s > kMostDaysOfWork * kDay ? "workload" : "repeat";
      const SourcePos pos = scenario.spec.At(fmt::format("jobs[{}].{}", j, key));
      errors.push_back({ErrorCode::kOutOfRange, pos, what, hint});
    } else if (days > latest_days) {
      latest_days = days;
      const std::string key = fmt::format("jobs[{}].start", last);
      late_start = {ErrorCode::kOutOfRange, scenario.spec.At(key), what, hint};
    }
  }
  if (late_start) errors.push_back(*late_start);
  return errors;
}

// Warnings of a job's own keys, and those of the others that every job has.
std::vector<Error> WarningsOfJobs(const std::vector<PreparedJob>& jobs) {
  std::vector<Error> out;
  std::map<std::string, std::size_t> seen;
  for (const PreparedJob& job : jobs)
    for (const Error& warning : job.alone->warnings) {
      const bool own =
          warning.message.starts_with("'placement.") || warning.message.starts_with("'workload.");
      if (own || ++seen[warning.message] == jobs.size()) out.push_back(warning);
    }
  return out;
}

bool SameError(const Error& a, const Error& b) {
  return a.message == b.message && a.pos.line == b.pos.line && a.pos.column == b.pos.column &&
         a.pos.file == b.pos.file;
}

// What the jobs make of the scenario that they share.
PreparedScenario Joined(Located<ScenarioSpec> spec, std::vector<PreparedJob> jobs) {
  PreparedScenario out = *jobs.front().alone;
  out.spec = std::move(spec);
  out.jobs = std::move(jobs);
  out.workload = nullptr;
  out.placement = {};
  out.missing_terms.clear();
  out.warnings = WarningsOfJobs(out.jobs);
  for (int i = 0; i < out.spec.message.published_size(); ++i)
    if (!IsOfJobs(out.spec.message.published(i)))
      out.warnings.push_back(
          {ErrorCode::kInconsistent, out.spec.At(fmt::format("published[{}].figure", i)),
           fmt::format("'published[{}]' has no effect: it is for one workload", i),
           "slowdown, job_alone or job_beside"});
  for (const char* key : {"require.iteration_time", "require.busbw"})
    if (out.spec.sources.Given(key))
      out.warnings.push_back({ErrorCode::kInconsistent,
                              out.spec.At(key),
                              fmt::format("'{}' has no effect: it is for one workload", key),
                              {}});
  SortByPosition(out.warnings);
  for (const PreparedJob& job : out.jobs) {
    const std::vector<GpuId>& ranks = job.alone->placement.gpu_of_rank;
    out.placement.gpu_of_rank.insert(out.placement.gpu_of_rank.end(), ranks.begin(), ranks.end());
    for (const std::string& term : job.alone->missing_terms)
      if (std::find(out.missing_terms.begin(), out.missing_terms.end(), term) ==
          out.missing_terms.end())
        out.missing_terms.push_back(term);
  }
  return out;
}

}  // namespace

Result<PreparedScenario> PrepareJobs(Located<ScenarioSpec> spec, FabricCache& cache,
                                     const std::function<bool()>& stop) {
  Errors errors = JobKeysOutOfPlace(spec);
  std::vector<PreparedJob> jobs;
  bool stopped = false;
  for (int j = 0; j < spec.message.jobs_size(); ++j) {
    const JobSpec& one = spec.message.jobs(j);
    Result<PreparedScenario> alone = PrepareOne(SpecOfJob(spec, j), cache, stop, true);
    if (!alone) {
      for (const Error& error : alone.error())  // what is wrong with the fabric: once
        if (std::none_of(errors.begin(), errors.end(),
                         [&](const Error& known) { return SameError(known, error); }))
          errors.push_back(error);
      continue;
    }
    PreparedJob job;
    job.name = one.name().empty() ? fmt::format("job{}", j) : one.name();
    job.repeat = one.repeat();
    job.start = SimDuration(one.start());
    job.alone = std::make_shared<const PreparedScenario>(*std::move(alone));
    stopped = stopped || job.alone->stopped;
    jobs.push_back(std::move(job));
  }
  PreparedScenario out;
  if (errors.empty()) {
    out = Joined(std::move(spec), std::move(jobs));
    out.stopped = stopped;
    errors = OverlapsOfJobs(out);
    const Errors names = WrongNames(out);
    errors.insert(errors.end(), names.begin(), names.end());
    ShortestPasses passes(out.jobs);
    if (errors.empty() && !stopped) errors = StartsTooFarApart(out, passes);
    if (errors.empty() && !stopped) errors = EndsTooLate(out, passes);
  }
  if (errors.empty()) return out;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

}  // namespace weft
