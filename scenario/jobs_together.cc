#include <algorithm>
#include <functional>

#include "scenario/jobs_together_internal.h"
#include "sim/engines.h"

namespace weft {
namespace {

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

}  // namespace

SimTime AllStarted(const std::vector<const PreparedJob*>& jobs) {
  SimDuration latest{};
  for (const PreparedJob* job : jobs) latest = std::max(latest, job->start);
  return SimTime{} + latest;
}

namespace {

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

}  // namespace

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
  if (!result.Take(outcome, *scenario.fabric)) return result;
  result.jobs = ReadJobs(jobs, rows, *simulation);
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

}  // namespace weft
