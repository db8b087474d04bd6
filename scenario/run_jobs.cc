// Several jobs: each alone, all together for as long as it takes, and what is said of each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"
#include "scenario/jobs_internal.h"
#include "scenario/jobs_together_internal.h"
#include "scenario/side_by_side_internal.h"
#include "sim/flow/coupling.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

constexpr double kFirstGuess = 1.5;  // of how much longer the longest job takes beside others

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
