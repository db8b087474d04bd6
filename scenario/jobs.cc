#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "base/check.h"
#include "scenario/jobs_internal.h"
#include "scenario/run_seed_internal.h"
#include "scenario/side_by_side_internal.h"
#include "sim/engines.h"
#include "sim/flow/coupling.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

constexpr double kFirstGuess = 1.5;  // of how much longer the longest job takes beside others
constexpr double kMostRowsOfJobs = 20'000'000;  // of all passes together; some 50 bytes each
constexpr double kMostPassesBefore = 100'000;   // of a job, until the last one has started

// A job's passes as one Program: its start, then pass after pass with a barrier behind each.
struct JobProgram {
  Program program;
  std::uint32_t rows = 0, passes = 0;  // rows: of one pass

  std::uint32_t Barrier(std::uint32_t pass) const { return 1 + pass * (rows + 1) + rows; }
};

// Adds what waits for nothing but row `last`; `streams` is a range of program.streams.
void AddBarrier(Program& program, std::uint32_t first_stream, std::uint32_t streams, JobId job,
                SimDuration duration, const std::vector<std::uint32_t>& needs) {
  Op op;
  op.kind = Op::Kind::kDelay;
  op.job = job;
  op.first_stream = first_stream;
  op.stream_count = streams;
  op.amount = duration.count();
  op.first_dep = static_cast<std::uint32_t>(program.deps.size());
  op.dep_count = static_cast<std::uint32_t>(needs.size());
  for (const std::uint32_t row : needs) program.deps.push_back({row, 0});
  program.ops.push_back(op);
}

// `one` so many times over; its streams are numbered from `first_stream` on. None where the caller
// waits no longer.
std::optional<JobProgram> RepeatedProgram(const Program& one, std::uint32_t passes,
                                          std::uint32_t first_stream, JobId job, SimDuration start,
                                          const std::function<bool()>& stop) {
  JobProgram out;
  out.rows = static_cast<std::uint32_t>(one.ops.size());
  out.passes = passes;
  Program& program = out.program;
  program.patterns = one.patterns;
  program.sends = one.sends;
  program.tunings = one.tunings;
  program.amounts = one.amounts;
  program.jitter = one.jitter;
  program.stream_count = first_stream + one.stream_count;
  program.host_of_stream.assign(first_stream, kNoHost);
  program.host_of_stream.insert(program.host_of_stream.end(), one.host_of_stream.begin(),
                                one.host_of_stream.end());
  program.host_of_stream.resize(program.stream_count, kNoHost);
  for (const std::uint32_t stream : one.streams) program.streams.push_back(first_stream + stream);
  const auto all = static_cast<std::uint32_t>(program.streams.size());
  for (std::uint32_t s = 0; s < one.stream_count; ++s) program.streams.push_back(first_stream + s);

  AddBarrier(program, all, one.stream_count, job, start, {});
  for (std::uint32_t pass = 0; pass < passes; ++pass) {
    if (stop()) return std::nullopt;
    const auto before = static_cast<std::uint32_t>(program.ops.size() - 1), first = before + 1;
    std::vector<std::uint32_t> free;  // rows that stand in no stream: only dependencies hold them
    for (const Block& block : one.blocks)
      program.blocks.push_back({first + block.first_row, block.rows, block.times});
    for (const Op& row : one.ops) {
      Op op = row;
      op.job = job;
      op.first_dep = static_cast<std::uint32_t>(program.deps.size());
      for (std::uint32_t i = 0; i < row.dep_count; ++i) {
        const Dep& dep = one.deps[row.first_dep + i];
        program.deps.push_back({first + dep.row, dep.back});
      }
      if (row.stream_count == 0) {
        program.deps.push_back({before, 0});
        ++op.dep_count;
        free.push_back(static_cast<std::uint32_t>(program.ops.size()));
      }
      program.ops.push_back(op);
    }
    AddBarrier(program, all, one.stream_count, job, {}, free);
  }
  CheckProgram(program);
  return out;
}

// What one job did under one seed.
struct JobResult {
  double time_s = 0;                     // mean over the passes that count
  double end_s = 0;                      // of the last of these
  std::uint32_t ended = 0, counted = 0;  // counted: of those that ended, begun when all had started
  std::optional<IterationSplit> split;   // of training, mean over the same; where it was asked for
};

struct TogetherResult {
  bool finished = false;
  std::string gave_up;  // as SeedResult::gave_up
  double makespan_s = 0, sim_s = 0;
  std::uint64_t events = 0;
  std::uint32_t loose_operations = 0;
  SearchWork path_search;
  std::vector<JobResult> jobs;
  std::optional<LinksReport> links;
  std::optional<PortShares> ports;
};

// A row of the run: which job's, and where in it.
struct RowOfJob {
  std::size_t job = 0;
  std::uint32_t pass = 0, row = 0;
  bool barrier = false;
};

class RowsOfJobs {
 public:
  void Add(std::uint32_t first, const JobProgram& program) {
    first_.push_back(first);
    programs_.push_back(&program);
  }
  RowOfJob Of(RowId row) const {
    const auto above = std::upper_bound(first_.begin(), first_.end(), Index(row));
    RowOfJob out;
    out.job = static_cast<std::size_t>(above - first_.begin()) - 1;
    const std::uint32_t local = Index(row) - first_[out.job], rows = programs_[out.job]->rows;
    if (local == 0) {  // its start
      out.barrier = true;
      out.row = rows;
      return out;
    }
    out.pass = (local - 1) / (rows + 1);
    out.row = (local - 1) % (rows + 1);
    out.barrier = out.row == rows;
    return out;
  }
  bool IsStart(RowId row) const {
    return std::binary_search(first_.begin(), first_.end(), Index(row));
  }
  std::uint32_t first(std::size_t job) const { return first_[job]; }

 private:
  std::vector<std::uint32_t> first_;  // ascending
  std::vector<const JobProgram*> programs_;
};

void Add(const IterationSplit& one, double weight, IterationSplit& sum) {
  sum.time +=
      SimDuration(static_cast<std::int64_t>(static_cast<double>(one.time.count()) * weight));
  for (const auto part :
       {&IterationSplit::compute_s, &IterationSplit::bubble_s, &IterationSplit::fixed_s,
        &IterationSplit::tensor_s, &IterationSplit::pipeline_s, &IterationSplit::data_s,
        &IterationSplit::context_s, &IterationSplit::expert_s, &IterationSplit::communication_s})
    sum.*part += weight * one.*part;
}

// When all of `jobs` have started.
SimTime AllStarted(const std::vector<const PreparedJob*>& jobs) {
  SimDuration latest{};
  for (const PreparedJob* job : jobs) latest = std::max(latest, job->start);
  return SimTime{} + latest;
}

// [jobs][1 + passes that ended] pass p of a job is from p to p + 1; its start is the first.
std::vector<std::vector<SimTime>> BoundsOfPasses(const std::vector<const PreparedJob*>& jobs,
                                                 const RowsOfJobs& rows,
                                                 const Simulation& simulation) {
  std::vector<std::vector<SimTime>> bounds(jobs.size());
  for (std::size_t j = 0; j < jobs.size(); ++j) bounds[j].push_back(SimTime{} + jobs[j]->start);
  for (const Completion& one : simulation.completions()) {
    const RowOfJob at = rows.Of(one.row);
    if (at.barrier && !rows.IsStart(one.row)) bounds[at.job].push_back(one.end);
  }
  return bounds;
}

// The first pass that begins when all jobs have started: those before it had less beside them.
std::size_t FirstCounted(const std::vector<SimTime>& bounds, SimTime all_started) {
  const auto first = std::lower_bound(bounds.begin(), bounds.end(), all_started);
  return static_cast<std::size_t>(first - bounds.begin());
}

// Times of the passes that count, and what each iteration was made of.
std::vector<JobResult> ReadJobs(const std::vector<const PreparedJob*>& jobs, const RowsOfJobs& rows,
                                const Simulation& simulation) {
  const std::vector<std::vector<SimTime>> bounds = BoundsOfPasses(jobs, rows, simulation);
  std::vector<std::size_t> first(jobs.size());
  std::vector<JobResult> out(jobs.size());
  std::vector<std::vector<std::vector<Completion>>> of_pass(jobs.size());  // [jobs][counted]
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    first[j] = FirstCounted(bounds[j], AllStarted(jobs));
    out[j].ended = static_cast<std::uint32_t>(bounds[j].size() - 1);
    if (first[j] >= out[j].ended) continue;
    out[j].counted = out[j].ended - static_cast<std::uint32_t>(first[j]);
    out[j].time_s = ToSeconds(bounds[j].back() - bounds[j][first[j]]) / out[j].counted;
    out[j].end_s = ToSeconds(bounds[j].back().time_since_epoch());
    if (jobs[j]->alone->workload->training) of_pass[j].resize(out[j].counted);
  }
  for (const Completion& one : simulation.completions()) {
    const RowOfJob at = rows.Of(one.row);
    if (at.barrier || at.pass < first[at.job]) continue;
    const std::size_t pass = at.pass - first[at.job];
    if (pass >= of_pass[at.job].size()) continue;
    Completion local = one;
    const SimDuration begin = bounds[at.job][at.pass].time_since_epoch();
    local.row = RowId{at.row};
    local.start -= begin;
    local.end -= begin;
    of_pass[at.job][pass].push_back(local);
  }
  for (std::size_t j = 0; j < jobs.size(); ++j)
    for (const std::vector<Completion>& pass : of_pass[j]) {
      if (!out[j].split) out[j].split.emplace();
      Add(SplitIteration(*jobs[j]->alone->workload, pass), 1.0 / out[j].counted, *out[j].split);
    }
  return out;
}

// Until all have started, then until each has done its repeats: as many passes of those that count,
// or all that there are. False where the caller waits no longer.
bool RunUntilRepeated(const std::vector<const PreparedJob*>& jobs,
                      const std::vector<JobProgram>& programs, const RowsOfJobs& rows,
                      const RunControl& control, Simulation& simulation) {
  const SimTime all_started = AllStarted(jobs);
  const bool apart = std::any_of(jobs.begin(), jobs.end(), [&](const PreparedJob* job) {
    return SimTime{} + job->start < all_started;
  });
  if (apart && !RunSliced(simulation, control, all_started)) return false;
  const std::vector<std::vector<SimTime>> bounds = BoundsOfPasses(jobs, rows, simulation);
  std::vector<RowId> watched;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const std::size_t want =
        FirstCounted(bounds[j], all_started) + static_cast<std::size_t>(jobs[j]->repeat);
    const auto last = std::min(static_cast<std::uint32_t>(want), programs[j].passes) - 1;
    watched.push_back(RowId{rows.first(j) + programs[j].Barrier(last)});
  }
  simulation.Watch(watched);
  return RunSliced(simulation, control);
}

// `jobs` at once. Requires: a program each.
TogetherResult RunTogether(const PreparedScenario& scenario,
                           const std::vector<const PreparedJob*>& jobs,
                           const std::vector<JobProgram>& programs, std::uint64_t seed, bool links,
                           const RunControl& control) {
  TogetherResult result;
  if (control.stop()) return result;
  SimulationInput input = InputFor(scenario, seed, scenario.physics.coupling);
  input.options.fold = input.options.memoise = false;  // jobs do not start together
  input.stop = control.stop;
  const auto simulation = MakeSimulation(scenario.engine, input);
  RowsOfJobs rows;
  for (const JobProgram& program : programs) {
    rows.Add(Index(simulation->Append(program.program)), program);
    if (control.stop()) return result;
  }
  const double start_s = control.clock_s();
  result.finished = RunUntilRepeated(jobs, programs, rows, control, *simulation);
  result.sim_s = control.clock_s() - start_s;
  const Outcome outcome = simulation->Finish();
  if (!outcome.gave_up.empty()) {
    result.finished = false;
    result.gave_up = outcome.gave_up;
    return result;
  }
  result.makespan_s = ToSeconds(outcome.end);
  result.events = outcome.events;
  result.loose_operations = outcome.loose_operations;
  result.path_search = outcome.path_search;
  result.jobs = ReadJobs(jobs, rows, *simulation);
  result.ports = SharesOfPorts(*scenario.fabric, outcome);
  if (!links) return result;
  result.links =
      ReportLinks(scenario, *simulation, outcome, seed, [&](RowId row, std::uint32_t edge) {
        const RowOfJob at = rows.Of(row);
        const PreparedJob& job = *jobs[at.job];
        return job.name + ", " +
               EdgeName(*job.alone->workload, *scenario.fabric, RowId{at.row}, edge);
      });
  return result;
}

// Empty where the caller waits no longer.
std::vector<JobProgram> MakePrograms(const std::vector<const PreparedJob*>& jobs,
                                     const std::vector<std::uint32_t>& passes,
                                     const RunControl& control) {
  std::vector<JobProgram> programs;
  std::uint32_t streams = 0;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const Program& one = jobs[j]->alone->workload->program;
    std::optional<JobProgram> program =
        RepeatedProgram(one, passes[j], streams, JobId{static_cast<std::uint16_t>(j)},
                        jobs[j]->start, control.stop);
    if (!program) return {};
    programs.push_back(*std::move(program));
    streams += one.stream_count;
  }
  return programs;
}

// How many passes each job needs: those that begin before all have started, then as many as it
// takes until the others are done, were the longest so much longer than alone.
std::vector<std::uint32_t> PassesNeeded(const std::vector<const PreparedJob*>& jobs,
                                        const std::vector<std::vector<JobResult>>& alone,
                                        double longer) {
  const double all_started_s = ToSeconds(AllStarted(jobs).time_since_epoch());
  double end_s = 0;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const bool early = ToSeconds(jobs[j]->start) < all_started_s;  // a pass is under way then
    const double passes = static_cast<double>(jobs[j]->repeat) + (early ? 1 : 0);
    for (const JobResult& one : alone[j])
      end_s = std::max(end_s, all_started_s + longer * one.time_s * passes);
  }
  double left = kMostRowsOfJobs;
  std::vector<std::uint32_t> passes;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    const double span_s = end_s - ToSeconds(jobs[j]->start);
    const double before_s = all_started_s - ToSeconds(jobs[j]->start);
    double shortest = span_s;
    for (const JobResult& one : alone[j])
      if (one.time_s > 0) shortest = std::min(shortest, one.time_s);
    const double rows = static_cast<double>(jobs[j]->alone->workload->program.ops.size()) + 1;
    const double wanted = shortest > 0 ? span_s / shortest + 1 : 0;
    const double before = before_s > 0 ? std::ceil(before_s / shortest) + 1 : 0;
    const double least = static_cast<double>(jobs[j]->repeat) + before;
    const double taken = std::max(least, std::min(wanted, left / rows));
    left = std::max(0.0, left - taken * rows);
    passes.push_back(static_cast<std::uint32_t>(taken));
  }
  return passes;
}

// Whether a job had no pass left while another was not done, in any seed.
bool RanDry(const std::vector<const PreparedJob*>& jobs, const std::vector<std::uint32_t>& passes,
            const std::vector<TogetherResult>& results) {
  for (const TogetherResult& one : results)
    for (std::size_t j = 0; one.finished && j < passes.size(); ++j) {
      const JobResult& job = one.jobs[j];
      if (job.counted < jobs[j]->repeat) return true;
      if (job.ended == passes[j] && job.end_s < one.makespan_s) return true;
    }
  return false;
}

TimeSplit SplitOf(const IterationSplit& split) {
  return {split.compute_s,  split.bubble_s, split.fixed_s,   split.tensor_s,
          split.pipeline_s, split.data_s,   split.context_s, split.expert_s};
}

std::string WorkOf(const PreparedScenario& job) {
  const WorkloadSpec& workload = job.spec.message.workload();
  if (workload.has_training()) {
    const std::string& model = workload.training().model();
    return "training" + (model.empty() ? std::string() : " " + model);
  }
  return (workload.has_collective() ? "collective " : "traffic ") + job.workload->items.front().op;
}

// Seeds that ran to the end in all runs.
struct SeedsOfJobs {
  std::vector<std::vector<JobResult>> alone;  // [jobs][seeds]
  std::vector<TogetherResult> together;       // [seeds]
};

// The widest of what NCCL's constants time; none where anything else runs. No table is of a
// communicator beside others.
void StateErrorOfJob(const PreparedScenario& alone, JobReport& out) {
  if (alone.workload->calibration.first.empty()) return;
  out.in_range = false;
  ErrorBand all;
  for (std::size_t i = 0; i < alone.errors.size(); ++i) {
    if (alone.workload->items[i].ranks < 2) continue;
    const auto& band = alone.errors[i].band;
    if (!band) return;
    all = {std::min(band->low - 1, all.low.value_or(band->low - 1)),
           std::max(band->high - 1, all.high.value_or(band->high - 1)), "held-out"};
  }
  out.error = all;
}

JobReport ReportJob(const PreparedJob& job, std::size_t j, const SeedsOfJobs& seeds,
                    const TogetherResult& shown, const JobResult& shown_alone,
                    std::vector<Error>& warnings) {
  JobReport out;
  out.name = job.name;
  out.work = WorkOf(*job.alone);
  out.gpus = static_cast<std::int64_t>(job.alone->placement.gpu_of_rank.size());
  out.repeat = job.repeat;
  std::set<HostId> hosts;
  const Fabric& fabric = *job.alone->fabric;
  for (const GpuId gpu : job.alone->placement.gpu_of_rank)
    hosts.insert(fabric.vertex(fabric.gpu(gpu)).host);
  out.hosts = static_cast<std::int64_t>(hosts.size());
  out.passes = shown.jobs[j].counted;
  std::vector<double> alone, slowdown;
  for (std::size_t s = 0; s < seeds.together.size(); ++s) {
    out.time_by_seed_s.push_back(seeds.together[s].jobs[j].time_s);
    alone.push_back(seeds.alone[j][s].time_s);
    slowdown.push_back(alone.back() > 0 ? out.time_by_seed_s.back() / alone.back() : 1);
  }
  out.slowdown_by_seed = slowdown;
  out.time_s = IntervalOf(out.time_by_seed_s);
  out.alone_s = IntervalOf(std::move(alone));
  out.slowdown = IntervalOf(std::move(slowdown));
  if (!job.alone->workload->training) StateErrorOfJob(*job.alone, out);
  if (!job.alone->workload->training || !shown.jobs[j].split) return out;
  const TrainingProgram& program = *job.alone->workload->training;
  const Training& training = program.training;
  const auto tokens = static_cast<double>(training.global_batch * training.sequence);
  JobIteration iteration;
  iteration.tokens_per_s = tokens / out.time_s.median;
  iteration.mfu = program.cost.flops_per_token * iteration.tokens_per_s /
                  (program.gpu.flops * training.parallel.gpus());
  iteration.split = SplitOf(*shown.jobs[j].split);
  iteration.alone = SplitOf(*shown_alone.split);
  iteration.error = ErrorOfCommunication(job.alone->errors, iteration.split, shown.jobs[j].time_s);
  out.iteration = iteration;
  WarnOfTimesBeyondPeak(*job.alone, iteration.mfu, warnings);
  return out;
}

// Jobs of which a pass never ends: a NIC without a cable. Alone, so that it is named once.
void NameStalledJobs(const PreparedScenario& scenario,
                     const std::vector<std::vector<JobResult>>& alone, RunReport& report) {
  for (std::size_t j = 0; j < alone.size(); ++j)
    for (const JobResult& one : alone[j])
      if (one.ended < scenario.jobs[j].repeat) {
        report.incomplete.push_back(
            fmt::format("job {}: a queue pair has no path", scenario.jobs[j].name));
        break;
      }
}

// Jobs whose passes were used up before all had started.
void NameJobsWithoutPasses(const PreparedScenario& scenario,
                           const std::vector<TogetherResult>& together, RunReport& report) {
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j)
    if (std::any_of(together.begin(), together.end(),
                    [j](const TogetherResult& one) { return one.jobs[j].counted == 0; }))
      report.incomplete.push_back(
          fmt::format("job {}: it ran dry before all had started", scenario.jobs[j].name));
}

void NoteRefusal(const PreparedScenario& scenario, const std::vector<TogetherResult>& results,
                 RunReport& report) {
  for (const TogetherResult& one : results)
    if (!one.gave_up.empty()) report.refused = Refusal(scenario, one.gave_up);
}

// Everything alone, seed by seed; empty where the caller waits no longer, or the engine gave up.
std::vector<std::vector<JobResult>> RunEachAlone(const PreparedScenario& scenario,
                                                 const RunControl& control, RunReport& report) {
  const auto seeds = static_cast<std::size_t>(scenario.seeds);
  std::vector<std::vector<JobResult>> alone(scenario.jobs.size(), std::vector<JobResult>(seeds));
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    const std::vector<const PreparedJob*> one{&scenario.jobs[j]};
    const std::vector<JobProgram> programs =
        MakePrograms(one, {static_cast<std::uint32_t>(one.front()->repeat)}, control);
    if (programs.empty()) return {};
    std::vector<TogetherResult> results(seeds);
    SideBySide(seeds, control.threads, {}, [&](std::size_t s) {
      results[s] = RunTogether(scenario, one, programs, scenario.first_seed + s, false, control);
    });
    bool finished = true;
    NoteRefusal(scenario, results, report);
    for (std::size_t s = 0; s < seeds; ++s) {
      finished = finished && results[s].finished;
      report.run.sim_s += results[s].sim_s;
      report.run.events += results[s].events;
      if (results[s].finished) alone[j][s] = results[s].jobs.front();
    }
    if (!finished) return {};
  }
  return alone;
}

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

bool IsOfJobs(const PublishedSpec& spec) {
  return spec.figure() >= PublishedSpec::SLOWDOWN && spec.figure() <= PublishedSpec::JOB_BESIDE;
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

// Until the last job starts the others run pass after pass, and all of these are simulated.
Errors StartsTooFarApart(const PreparedScenario& scenario) {
  const auto by_start = [](const PreparedJob& a, const PreparedJob& b) {
    return a.start < b.start;
  };
  const auto last = std::max_element(scenario.jobs.begin(), scenario.jobs.end(), by_start);
  for (const PreparedJob& job : scenario.jobs) {
    if (job.start == last->start) continue;
    const double rows = static_cast<double>(job.alone->workload->program.ops.size()) + 1;
    const double most = std::floor(std::min(kMostPassesBefore, kMostRowsOfJobs / rows));
    const std::optional<double> shortest = ShortestPass(*job.alone);
    if (!shortest) continue;
    const double pass_s = *shortest;
    const double gap_s = ToSeconds(last->start - job.start);
    if (gap_s / pass_s <= most) continue;
    return {{ErrorCode::kOutOfRange,
             scenario.spec.At(fmt::format("jobs[{}].start", last - scenario.jobs.begin())),
             fmt::format("'{}' starts {:.4g} s after '{}', a pass of which takes {:.4g} s or more: "
                         "up to {:.0f} passes until then, and at most {:.0f} are simulated",
                         last->name, gap_s, job.name, pass_s, std::ceil(gap_s / pass_s), most),
             fmt::format("a start within {:.4g} s of that of '{}'", most * pass_s, job.name)}};
  }
  return {};
}

// Simulated time ends after 106 days, and beside others a pass takes longer: as of one iteration,
// what a job is to do by itself may take ten. What is too long without any start is named job by
// job, else the last start, once, with the job that it makes the latest.
Errors EndsTooLate(const PreparedScenario& scenario) {
  constexpr double kDay = 86400, kMostDays = 10;
  const auto by_start = [](const PreparedJob& a, const PreparedJob& b) {
    return a.start < b.start;
  };
  const auto last = std::max_element(scenario.jobs.begin(), scenario.jobs.end(), by_start);
  const double all_started_s = ToSeconds(last->start);
  const std::string hint = fmt::format(
      "at most {:.0f} days: a smaller repeat, an earlier start, or shorter passes", kMostDays);
  Errors errors;
  double latest_days = kMostDays;
  std::optional<Error> late_start;
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j) {
    const PreparedJob& job = scenario.jobs[j];
    const auto& training = job.alone->workload->training;
    const double pass_s = training ? training->closed_form_s : ShortestPass(*job.alone).value_or(0);
    const auto repeats = static_cast<double>(job.repeat);
    const double passes = repeats + (job.start < last->start ? 1 : 0);
    const double days = (all_started_s + passes * pass_s) / kDay;
    if (days <= kMostDays) continue;
    std::string what = fmt::format("'{}' is done after {:.4g} days: {:.0f} {} of {:.4g} s",
                                   job.name, days, passes, passes > 1 ? "passes" : "pass", pass_s);
    if (all_started_s > 0)
      what += fmt::format(" when all have started, after {:.4g} s", all_started_s);
    if (std::isinf(pass_s))
      what = fmt::format("'{}' takes more than 104 days for a pass", job.name);
    const bool by_itself = repeats * pass_s > kMostDays * kDay;
    if (by_itself) {
      const char* key = pass_s > kMostDays * kDay ? "workload" : "repeat";
      const SourcePos pos = scenario.spec.At(fmt::format("jobs[{}].{}", j, key));
      errors.push_back({ErrorCode::kOutOfRange, pos, what, hint});
    } else if (days > latest_days) {
      latest_days = days;
      const std::string key = fmt::format("jobs[{}].start", last - scenario.jobs.begin());
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

}  // namespace

namespace {

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
    if (errors.empty() && !stopped) errors = StartsTooFarApart(out);
    if (errors.empty() && !stopped) errors = EndsTooLate(out);
  }
  if (errors.empty()) return out;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

namespace {

// All together, with as many passes of each as it takes; a warning where rows run out first.
std::vector<TogetherResult> RunAllTogether(const PreparedScenario& scenario,
                                           const std::vector<std::vector<JobResult>>& alone,
                                           const RunControl& control, RunReport& report) {
  std::vector<const PreparedJob*> jobs;
  for (const PreparedJob& job : scenario.jobs) jobs.push_back(&job);
  std::vector<TogetherResult> results(static_cast<std::size_t>(scenario.seeds));
  std::vector<std::uint32_t> passes;
  for (double longer = kFirstGuess;; longer *= 2) {
    std::vector<std::uint32_t> more = PassesNeeded(jobs, alone, longer);
    if (more == passes) break;
    passes = std::move(more);
    results.assign(results.size(), {});
    const std::vector<JobProgram> programs = MakePrograms(jobs, passes, control);
    if (programs.empty()) return results;  // none is finished
    SideBySide(results.size(), control.threads, control.progress, [&](std::size_t s) {
      results[s] = RunTogether(scenario, jobs, programs, scenario.first_seed + s, true, control);
    });
    NoteRefusal(scenario, results, report);
    if (report.refused) return results;
    for (const TogetherResult& one : results) {
      report.run.sim_s += one.sim_s;
      report.run.events += one.events;
    }
    if (!RanDry(jobs, passes, results)) return results;
  }
  report.warnings.push_back(
      {ErrorCode::kInconsistent, scenario.spec.At("jobs"),
       "a job ran dry before the others were done: they had the fabric to themselves at last",
       "a larger workload, or a smaller repeat of the longest job"});
  return results;
}

// What all seeds together say of the paths.
void SumUpPaths(const std::vector<TogetherResult>& results, RunReport& report) {
  std::vector<double> hot, three;
  PathSearchReport search;
  std::uint32_t loose = 0;
  for (const TogetherResult& one : results) {
    loose = std::max(loose, one.loose_operations);
    search.qps += one.path_search.qps;
    search.tried += one.path_search.tried;
    search.shared += one.path_search.shared;
    if (!one.ports) continue;
    hot.push_back(one.ports->hot_share);
    three.push_back(one.ports->share_3to1);
  }
  if (hot.size() == results.size())
    report.links.ports = PortReport{IntervalOf(std::move(hot)), IntervalOf(std::move(three))};
  if (search.qps > 0) report.path_search = search;
  if (loose > 0) report.loose = LooseReport{loose, kLooseTimeUpTo};
}

// Published figures of jobs beside ours.
void AddPublishedOfJobs(const PreparedScenario& scenario, RunReport& report) {
  for (const PublishedSpec& spec : scenario.spec.message.published()) {
    if (!IsOfJobs(spec)) continue;
    const auto job = std::find_if(report.jobs.begin(), report.jobs.end(),
                                  [&](const JobReport& one) { return one.name == spec.job(); });
    WEFT_CHECK(job != report.jobs.end());  // PrepareJobs() looked
    PublishedRow row;
    row.source = spec.source();
    row.note = spec.note();
    row.job = spec.job();
    if (spec.figure() == PublishedSpec::SLOWDOWN) {
      row.figure = "slowdown";
      row.published = spec.share();
      row.ours =
          Interval<double>{job->slowdown.median - 1, job->slowdown.p5 - 1, job->slowdown.p95 - 1};
    } else {
      const bool alone = spec.figure() == PublishedSpec::JOB_ALONE;
      row.figure = alone ? "job_alone" : "job_beside";
      row.published = ToSeconds(SimDuration(spec.time()));
      row.ours = alone ? job->alone_s : job->time_s;
    }
    row.deviation = row.ours->median / row.published - 1;
    report.published.push_back(row);
  }
}

}  // namespace

void RunJobs(const PreparedScenario& scenario, const RunControl& control, RunReport& report) {
  SeedsOfJobs seeds;
  const auto stopped = [&report] {
    report.partial = true;
    report.seeds = 0;
    report.incomplete.push_back("everything: stopped before all jobs had run");
  };
  seeds.alone = RunEachAlone(scenario, control, report);
  if (seeds.alone.empty()) return stopped();
  NameStalledJobs(scenario, seeds.alone, report);
  if (!report.incomplete.empty()) return;
  seeds.together = RunAllTogether(scenario, seeds.alone, control, report);
  for (std::size_t s = 0; s < seeds.together.size(); ++s) {
    if (!seeds.together[s].finished) return stopped();
    report.seed_numbers.push_back(scenario.first_seed + s);
    report.makespan_by_seed_s.push_back(seeds.together[s].makespan_s);
  }
  NameJobsWithoutPasses(scenario, seeds.together, report);
  if (!report.incomplete.empty()) return;
  const std::size_t median = LowerMedian(
      seeds.together.size(), [&](std::size_t s) { return seeds.together[s].makespan_s; });
  const TogetherResult& shown = seeds.together[median];
  report.seeds = static_cast<std::int64_t>(seeds.together.size());
  report.makespan_s = IntervalOf(report.makespan_by_seed_s);
  for (std::size_t j = 0; j < scenario.jobs.size(); ++j)
    report.jobs.push_back(
        ReportJob(scenario.jobs[j], j, seeds, shown, seeds.alone[j][median], report.warnings));
  for (const JobReport& job : report.jobs) {
    const auto in_range = job.iteration ? job.iteration->error.in_range : job.in_range;
    if (in_range) report.calibration.in_range = in_range;
    if (job.iteration && !job.iteration->error.known_hardware)
      report.calibration.known_hardware = false;
  }
  report.links = *shown.links;
  SumUpPaths(seeds.together, report);
  AddPublishedOfJobs(scenario, report);
}

}  // namespace weft
