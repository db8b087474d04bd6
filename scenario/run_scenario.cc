#include "scenario/run_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "scenario/faults.h"
#include "scenario/jobs_internal.h"
#include "scenario/run_seed_internal.h"
#include "scenario/side_by_side_internal.h"
#include "sim/engines.h"
#include "sim/flow/coupling.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

// All seeds, in seed order; those the caller did not wait for are not finished. Where nothing draws
// by them they are alike, and one is run.
std::vector<SeedResult> RunSeeds(const PreparedScenario& scenario, Coupling coupling, bool details,
                                 const RunControl& control) {
  std::vector<SeedResult> results(static_cast<std::size_t>(scenario.seeds));
  const std::size_t runs = RoutingDraws(scenario) ? results.size() : 1;
  SideBySide(runs, control.threads, control.progress, [&](std::size_t i) {
    results[i] = RunSeed(scenario, scenario.first_seed + i, coupling, details, control);
  });
  for (std::size_t i = runs; i < results.size() && results.front().finished; ++i) {
    results[i] = results.front();
    results[i].sim_s = 0;
    results[i].events = 0;
    results[i].memoised = 0;
  }
  return results;
}

template <typename Get>
Interval<double> Over(const std::vector<const SeedResult*>& seeds, Get get) {
  std::vector<double> values;
  values.reserve(seeds.size());
  for (const SeedResult* seed : seeds) values.push_back(get(*seed));
  return IntervalOf(std::move(values));
}

CollectiveReport SumUpCollective(const PreparedScenario& scenario,
                                 const std::vector<const SeedResult*>& seeds, std::size_t i) {
  const WorkloadItem& item = scenario.workload->items[i];
  CollectiveReport report;
  report.op = item.op;
  report.algorithm = item.algorithm;
  if (!item.protocol.empty()) report.protocol = item.protocol;
  report.channels = item.channels;
  report.choices_differ = item.choices_differ;
  report.ranks = item.ranks;
  report.fewest_ranks = item.fewest_ranks;
  report.groups = static_cast<int>(item.rows_by_group.size());
  report.bytes = item.bytes;
  report.pos = scenario.spec.At(item.source_path);
  report.repeats = static_cast<std::int64_t>(item.rows_by_group.front().size());
  const StatedError error = i < scenario.errors.size() ? scenario.errors[i] : StatedError();
  if (item.nccl && !scenario.workload->calibration.first.empty()) report.in_range = error.in_range;
  report.known_hardware = error.known_hardware;
  if (error.band) report.error = {error.band->low - 1, error.band->high - 1, "held-out"};
  for (const SeedResult* seed : seeds)
    if (seed->items[i].status != "done") report.status = seed->items[i].status;
  if (!report.done()) return report;
  report.time_s = Over(seeds, [&](const SeedResult& s) { return s.items[i].time_s; });
  report.worst_repeat_s = Over(seeds, [&](const SeedResult& s) { return s.items[i].worst_s; });
  report.algbw_bytes_per_s =
      Over(seeds, [&](const SeedResult& s) { return Busbw(item, 1, s.items[i].time_s); });
  report.busbw_bytes_per_s = Over(seeds, [&](const SeedResult& s) { return s.items[i].busbw; });
  report.time_mean_rail_s =
      Over(seeds, [&](const SeedResult& s) { return s.items[i].mean_time_s; });
  report.busbw_mean_rail_bytes_per_s =
      Over(seeds, [&](const SeedResult& s) { return s.items[i].mean_busbw; });
  return report;
}

TrafficReport SumUpTraffic(const PreparedScenario& scenario,
                           const std::vector<const SeedResult*>& seeds, std::size_t i) {
  const WorkloadItem& item = scenario.workload->items[i];
  TrafficReport report;
  report.pattern = item.op;
  report.bytes = item.bytes;
  for (const auto& rows : item.rows_by_group)
    report.flows += static_cast<std::int64_t>(rows.size());
  report.completed = report.flows;
  for (const SeedResult* seed : seeds)
    if (seed->items[i].status != "done") report.status = seed->items[i].status;
  for (const SeedResult* seed : seeds)
    report.completed = std::min(report.completed, seed->items[i].completed);
  report.flow_time_s_median =
      Over(seeds, [&](const SeedResult& s) { return s.items[i].flow_median_s; });
  report.flow_time_s_p99 = Over(seeds, [&](const SeedResult& s) { return s.items[i].flow_p99_s; });
  const auto bytes = static_cast<double>(item.bytes.count());
  report.goodput_bytes_per_s = Over(seeds, [&](const SeedResult& s) {
    const ItemResult& one = s.items[i];
    return one.time_s > 0 ? bytes * static_cast<double>(one.completed) / one.time_s : 0;
  });
  return report;
}

void SumUpPorts(const std::vector<const SeedResult*>& seeds, LinksReport& links) {
  if (!seeds.front()->ports) return;
  for (const SeedResult* seed : seeds)
    if (!seed->ports) return;
  links.ports = PortReport{Over(seeds, [](const SeedResult& s) { return s.ports->hot_share; }),
                           Over(seeds, [](const SeedResult& s) { return s.ports->share_3to1; })};
}

std::vector<FaultReport> SumUpFaults(const PreparedScenario& scenario, const Outcome& outcome) {
  std::vector<FaultReport> reports;
  for (std::size_t e = 0; e < scenario.events.size(); ++e) {
    const Event& event = scenario.events[e];
    const auto row = static_cast<int>(scenario.fault_of_event[e]);
    FaultReport report;
    report.row = scenario.fault_of_event[e];
    report.element = FaultElement(scenario.spec.message.faults(row));
    report.state = !event.state.up ? "down"
                   : event.state.rate_share < 1
                       ? fmt::format("{:g} %", event.state.rate_share * 100)
                       : "repaired";
    report.at_s = ToSeconds(event.at);
    report.pos = scenario.spec.At(fmt::format("faults[{}]", row));
    if (e < outcome.faults.size()) {  // by event; the analytic engine has none
      const FaultEffect& effect = outcome.faults[e];
      report.crossing = effect.crossing;
      report.rerouted = effect.rerouted;
      report.moved = effect.moved;
      report.stalled = effect.stalled;
      report.failed = effect.failed;
    }
    reports.push_back(report);
  }
  return reports;
}

// Which operations never ended, and what each waits for: first those at the root, which wait for
// none that waits itself.
void NameWaiting(const PreparedScenario& scenario, const Outcome& outcome, RunReport& report) {
  constexpr std::size_t kNamed = 4;
  const Workload& workload = *scenario.workload;
  const auto waits = [&](RowId row) {
    const auto at =
        std::lower_bound(outcome.waiting.begin(), outcome.waiting.end(), row,
                         [](const Waiting& one, RowId other) { return one.row < other; });
    return at != outcome.waiting.end() && at->row == row;
  };
  std::vector<Waiting> rows = outcome.waiting;
  std::stable_partition(rows.begin(), rows.end(), [&](const Waiting& one) {
    return one.for_row == kNoRow || !waits(one.for_row);
  });
  for (std::size_t i = 0; i < std::min(kNamed, rows.size()); ++i) {
    const Waiting& w = rows[i];
    report.incomplete.push_back(RowName(workload, w.row) +
                                (w.for_row == kNoRow ? " has begun and does not end"
                                 : waits(w.for_row)
                                     ? " waits for " + RowName(workload, w.for_row)
                                     : " waits for what failed: " + RowName(workload, w.for_row)));
  }
  if (rows.size() > kNamed)
    report.incomplete.push_back(fmt::format("{} more that wait", rows.size() - kNamed));
}

// A fault that nothing noticed is likely to name the wrong element, or the wrong time.
void WarnOfIdleFaults(const PreparedScenario& scenario, const std::vector<const SeedResult*>& seeds,
                      RunReport& report) {
  const double end_s =
      *std::max_element(report.makespan_by_seed_s.begin(), report.makespan_by_seed_s.end());
  std::vector<bool> seen(static_cast<std::size_t>(scenario.spec.message.faults_size()));
  for (std::size_t e = 0; e < scenario.events.size(); ++e) {
    const std::uint32_t row = scenario.fault_of_event[e];
    const FaultReport& fault = report.faults[e];
    if (seen[row] || fault.state == "repaired") continue;  // a fault, not its repair
    seen[row] = true;
    std::string why;
    const bool felt = std::any_of(seeds.begin(), seeds.end(),
                                  [&](const SeedResult* seed) { return seed->event_felt[e]; });
    if (fault.at_s > end_s && report.incomplete.empty())
      why = fmt::format("at {:.4g} s nothing runs any more, the end is at {:.4g} s", fault.at_s,
                        end_s);
    else if (fault.at_s <= end_s && !felt)
      why = fmt::format("no queue pair's path crosses {}", fault.element);
    if (!why.empty())
      report.warnings.push_back({ErrorCode::kInconsistent,
                                 fault.pos,
                                 fmt::format("'faults[{}]' touches nothing: {}", row, why),
                                 {}});
  }
  SortByPosition(report.warnings);
}

// The same of an iteration, which is no item.
void AddIncompleteIteration(const PreparedScenario& scenario,
                            const std::vector<const SeedResult*>& seeds, RunReport& report) {
  const auto count = std::count_if(seeds.begin(), seeds.end(),
                                   [](const SeedResult* seed) { return !seed->split; });
  if (count == 0) return;
  const bool stopped = report.partial && !seeds.front()->finished;
  const std::string text =
      fmt::format("the iteration {} in {} of {} seed{}", stopped ? "was stopped" : "never ends",
                  count, seeds.size(), seeds.size() == 1 ? "" : "s");
  report.incomplete.push_back(text);
  if (!stopped)
    report.warnings.push_back(
        {ErrorCode::kInconsistent, scenario.spec.At("workload.training"), text, {}});
}

// What of the workload did not come to its end, for the text and as warnings.
void AddIncomplete(const PreparedScenario& scenario, const std::vector<const SeedResult*>& seeds,
                   RunReport& report) {
  for (std::size_t i = 0; i < scenario.workload->items.size(); ++i) {
    const WorkloadItem& item = scenario.workload->items[i];
    std::size_t count = 0;
    std::string status;
    for (const SeedResult* seed : seeds) {
      const ItemResult& one = seed->items[i];
      if (one.status == "done") continue;
      ++count;
      status = one.status;
    }
    if (count == 0) continue;
    const std::string text = fmt::format(
        "{} of {} {} in {} of {} seed{}{}", item.op, FormatWhole(item.bytes.count(), Unit::BYTES),
        status, count, seeds.size(), seeds.size() == 1 ? "" : "s",
        status == "stalled" || status == "failed" ? ": a queue pair has no path" : "");
    report.incomplete.push_back(text);
    if (status != "stopped")
      report.warnings.push_back(
          {ErrorCode::kInconsistent, scenario.spec.At(item.source_path), text, {}});
  }
  if (scenario.workload->training) AddIncompleteIteration(scenario, seeds, report);
}

void AddPublished(const PreparedScenario& scenario, RunReport& report) {
  for (const PublishedSpec& spec : scenario.spec.message.published()) {
    PublishedRow row;
    row.source = spec.source();
    row.note = spec.note();
    if (spec.figure() == PublishedSpec::BUSBW) {
      row.figure = "busbw";
      row.published = spec.rate() / 8;
      if (!report.collectives.empty() && report.collectives.back().done())
        row.ours = report.collectives.back().busbw_bytes_per_s;
    } else if (spec.figure() == PublishedSpec::PORT_RATIO) {
      row.figure = "port_ratio";
      row.published = spec.share();
      if (report.links.ports && report.links.ports->hot_share.median < 1) {
        const auto ratio = [](double share) { return share / (1 - share); };
        const Interval<double>& hot = report.links.ports->hot_share;
        row.ours = Interval<double>{ratio(hot.median), ratio(hot.p5), ratio(hot.p95)};
      }
    } else {
      continue;  // of two cases: compare.cc
    }
    if (row.ours) row.deviation = row.ours->median / row.published - 1;
    report.published.push_back(row);
  }
}

void CheckRequirements(const PreparedScenario& scenario, RunReport& report) {
  const RequireSpec& require = scenario.spec.message.require();
  if (require.has_makespan() && !report.incomplete.empty())
    report.unmet.push_back(fmt::format("makespan at most {:.6g} s, and not all came to its end",
                                       ToSeconds(SimDuration(require.makespan()))));
  else if (require.has_makespan() &&
           report.makespan_s.median > ToSeconds(SimDuration(require.makespan())))
    report.unmet.push_back(fmt::format("makespan {:.6g} s, required at most {:.6g} s",
                                       report.makespan_s.median,
                                       ToSeconds(SimDuration(require.makespan()))));
  if (require.has_iteration_time() && !report.iteration)
    report.unmet.push_back(fmt::format("iteration at most {:.6g} s, and it does not end",
                                       ToSeconds(SimDuration(require.iteration_time()))));
  else if (require.has_iteration_time() &&
           report.iteration->time_s.median > ToSeconds(SimDuration(require.iteration_time())))
    report.unmet.push_back(fmt::format("iteration {:.6g} s, required at most {:.6g} s",
                                       report.iteration->time_s.median,
                                       ToSeconds(SimDuration(require.iteration_time()))));
  if (!require.has_busbw()) return;
  for (const CollectiveReport& c : report.collectives)
    if (!c.done())
      report.unmet.push_back(fmt::format("busbw of {} {} at least {:.4g} GB/s, and it {}", c.op,
                                         c.bytes.count(), require.busbw() / 8e9, c.status));
    else if (c.busbw_bytes_per_s.median * 8 < require.busbw())
      report.unmet.push_back(fmt::format("busbw of {} {} is {:.4g} GB/s, required at least {:.4g}",
                                         c.op, c.bytes.count(), c.busbw_bytes_per_s.median / 1e9,
                                         require.busbw() / 8e9));
}

// The widest of all collectives; none where one has none.
void SumUpErrors(RunReport& report) {
  const bool all = std::all_of(report.collectives.begin(), report.collectives.end(),
                               [](const CollectiveReport& c) { return c.error.low.has_value(); });
  for (const CollectiveReport& c : report.collectives) {
    if (c.in_range)
      report.calibration.in_range = report.calibration.in_range.value_or(true) && *c.in_range;
    report.calibration.known_hardware = report.calibration.known_hardware && c.known_hardware;
    if (!all || !report.traffic.empty()) continue;
    report.error = {std::min(*c.error.low, report.error.low.value_or(*c.error.low)),
                    std::max(*c.error.high, report.error.high.value_or(*c.error.high)),
                    c.error.basis};
  }
}

void SumUpItems(const PreparedScenario& scenario, const std::vector<const SeedResult*>& seeds,
                RunReport& report) {
  for (std::size_t i = 0; i < scenario.workload->items.size(); ++i) {
    if (scenario.workload->items[i].kind != WorkloadItem::Kind::kCollective) {
      report.traffic.push_back(SumUpTraffic(scenario, seeds, i));
      continue;
    }
    report.collectives.push_back(SumUpCollective(scenario, seeds, i));
    std::vector<double> times, busbw, mean;
    for (const SeedResult* seed : seeds) {
      times.push_back(seed->items[i].time_s);
      busbw.push_back(seed->items[i].busbw);
      mean.push_back(seed->items[i].mean_busbw);
    }
    report.collective_by_seed_s.push_back(times);
    report.busbw_by_seed.push_back(busbw);
    report.busbw_mean_by_seed.push_back(mean);
  }
  SumUpErrors(report);
}

// The same seed with something better; only where the user waits for it.
void AddWhatIfs(const PreparedScenario& scenario, std::uint64_t seed, const RunControl& control,
                IterationReport& report) {
  if (!scenario.spec.message.workload().training().what_if()) return;
  for (const WhatIf& one : WhatIfs(scenario)) {
    const SeedResult result =
        RunSeed(one.scenario, seed, one.scenario.physics.coupling, false, control);
    if (result.split) report.what_if.emplace_back(one.change, result.makespan_s);
  }
}

void AddIteration(const PreparedScenario& scenario, const SeedResult& seed,
                  const RunControl& control, RunReport& report) {
  if (!seed.split || !report.incomplete.empty()) return;
  const TrainingProgram& program = *scenario.workload->training;
  const Training& training = program.training;
  const IterationSplit& split = *seed.split;
  IterationReport out;
  const auto tokens = static_cast<double>(training.global_batch * training.sequence);
  const double peak = program.gpu.flops * training.parallel.gpus();
  std::vector<double> rate, mfu;
  for (const double time : report.makespan_by_seed_s) {
    rate.push_back(tokens / time);
    mfu.push_back(program.cost.flops_per_token * tokens / time / peak);
  }
  out.time_s = report.makespan_s;
  out.tokens_per_s = IntervalOf(rate);
  out.mfu = IntervalOf(mfu);
  out.samples_per_s = static_cast<double>(training.global_batch) / out.time_s.median;
  out.flops_per_token = program.cost.flops_per_token;
  out.mfu_causal = out.mfu.median * program.cost.flops_per_token_causal / out.flops_per_token;
  WarnOfTimesBeyondPeak(scenario, out.mfu.median, report.warnings);
  out.split_of_s = ToSeconds(split.time);
  out.compute_s = split.compute_s;
  out.bubble_s = split.bubble_s;
  out.fixed_s = split.fixed_s;
  out.tensor_s = split.tensor_s;
  out.pipeline_s = split.pipeline_s;
  out.data_s = split.data_s;
  out.context_s = split.context_s;
  out.expert_s = split.expert_s;
  const double exposed = out.tensor_s + out.pipeline_s + out.data_s + out.context_s + out.expert_s;
  if (split.communication_s > 0)
    out.overlap_efficiency = std::clamp(1 - exposed / split.communication_s, 0.0, 1.0);
  out.gpus = training.parallel.gpus();
  out.micro_batches = training.micro_batches();
  out.slow_hosts = program.slow_hosts;
  out.repeats = program.passes;
  out.repeats_skipped = program.skipped;
  out.skipped_s = ToSeconds(split.skipped);
  const ModelSize size = SizeOf(training.model);
  out.parameters = size.total;
  out.active_parameters = size.active;
  const MemoryUse& use = program.memory;
  out.memory_bytes = use.total();
  out.memory = {use.parameters,  use.gradients, use.optimiser,
                use.activations, use.logits,    use.stage};
  out.gpu_memory_bytes = static_cast<double>(program.gpu.memory.count());
  out.estimate_s = EstimateIteration(training, program.cost, program.gpu, program.net).time_s;
  out.bytes = BytesByGroup(scenario);
  out.conservation = seed.conservation;
  out.critical_path = seed.critical_path;
  out.trace = seed.trace;
  out.error = ErrorOfCommunication(
      scenario.errors,
      {0, 0, 0, out.tensor_s, out.pipeline_s, out.data_s, out.context_s, out.expert_s},
      out.split_of_s);
  report.calibration.in_range = out.error.in_range;
  report.calibration.known_hardware = out.error.known_hardware;
  AddWhatIfs(scenario, report.links.seed, control, out);
  report.iteration = std::move(out);
}

// The lower-median seed once more, with names; it is there already where there is one seed.
void AddDetails(const PreparedScenario& scenario, const std::vector<const SeedResult*>& seeds,
                std::vector<std::uint64_t> numbers, const RunControl& control, RunReport& report) {
  // An iteration that never ends is what there is to see.
  const auto endless = std::find_if(seeds.begin(), seeds.end(), [&](const SeedResult* seed) {
    return scenario.workload->training && !seed->split;
  });
  const std::size_t row =
      endless != seeds.end()
          ? static_cast<std::size_t>(endless - seeds.begin())
          : LowerMedian(seeds.size(), [&](std::size_t s) { return seeds[s]->makespan_s; });
  std::optional<SeedResult> again;
  if (!seeds[row]->links) {
    RunControl to_the_end = control;
    if (!report.partial) to_the_end.stop = [] { return false; };
    again = RunSeed(scenario, numbers[row], scenario.physics.coupling, true, to_the_end);
  }
  const SeedResult& seed = again ? *again : *seeds[row];
  if (!seed.links) return;
  report.links = *seed.links;
  if (scenario.workload->training) AddIteration(scenario, seed, control, report);
  report.faults = SumUpFaults(scenario, seed.outcome);
  if (!report.partial) {
    WarnOfIdleFaults(scenario, seeds, report);
    NameWaiting(scenario, seed.outcome, report);
  }
  std::size_t collective = 0;
  for (std::size_t i = 0; i < scenario.workload->items.size(); ++i) {
    if (scenario.workload->items[i].kind != WorkloadItem::Kind::kCollective) continue;
    CollectiveReport& one = report.collectives[collective++];
    one.bottleneck = seed.bottlenecks[i];
    if (one.done()) one.startup_s = seed.startups_s[i];
  }
}

void AddLoose(const std::vector<const SeedResult*>& seeds, RunReport& report) {
  std::uint32_t most = 0;
  for (const SeedResult* seed : seeds) most = std::max(most, seed->loose_operations);
  if (most > 0) report.loose = LooseReport{most, kLooseTimeUpTo};
}

void AddCoupling(const PreparedScenario& scenario, const RunControl& control, RunReport& report) {
  if (scenario.spec.message.coupling() != ScenarioSpec::COUPLING_BOTH || report.partial) return;
  const auto makespans = [&](Coupling coupling) -> std::optional<Interval<double>> {
    std::vector<double> values;
    for (const SeedResult& seed : RunSeeds(scenario, coupling, false, control)) {
      if (seed.finished) values.push_back(seed.makespan_s);
      if (!seed.gave_up.empty() && !report.refused)
        report.refused = Refusal(scenario, seed.gave_up);
    }
    if (report.refused) return std::nullopt;
    if (values.empty()) return std::nullopt;
    return IntervalOf(values);
  };
  const auto loose = makespans(Coupling::kLoose), tight = makespans(Coupling::kTight);
  if (loose && tight) report.coupling = CouplingReport{*loose, *tight};
}

std::optional<PathSearchReport> PathSearchOf(const std::vector<const SeedResult*>& seeds) {
  PathSearchReport all;
  for (const SeedResult* seed : seeds) {
    all.qps += seed->path_search.qps;
    all.tried += seed->path_search.tried;
    all.shared += seed->path_search.shared;
  }
  return all.qps > 0 ? std::optional(all) : std::nullopt;
}

// Name and digest; of jobs, which share it, the first's that it times. Empty: nothing hangs on one.
std::pair<std::string, std::string> CalibrationOf(const PreparedScenario& scenario) {
  if (scenario.workload) return scenario.workload->calibration;  // none: its building was stopped
  for (const PreparedJob& job : scenario.jobs)
    if (job.alone->workload && !job.alone->workload->calibration.first.empty())
      return job.alone->workload->calibration;
  return {};
}

// What a caller that does not look for a refusal takes for a run that was stopped.
RunReport Refused(const PreparedScenario& scenario, const std::string& why, RunReport report) {
  report.refused = Refusal(scenario, why);
  report.partial = true;
  report.seeds = 0;
  report.incomplete.push_back("everything: " + report.refused->message);
  return report;
}

}  // namespace

RunReport RunScenario(const PreparedScenario& scenario, const RunControl& control) {
  const double start_s = control.clock_s();
  RunReport report;
  report.scenario = scenario.spec.message.name().empty() ? scenario.spec.At("fabric").file
                                                         : scenario.spec.message.name();
  report.engine = std::string(EngineName(scenario.engine));
  report.warnings = scenario.warnings;
  report.missing_terms = scenario.missing_terms;
  const auto [calibration, digest] = CalibrationOf(scenario);
  report.calibration.name = calibration;
  report.calibration.digest = digest;
  report.run.threads = control.threads;
  report.partial = scenario.stopped;
  if (scenario.stopped) {
    report.seeds = 0;
    report.incomplete.push_back("everything: stopped while it was built");
    return report;
  }
  if (!scenario.jobs.empty()) {
    RunJobs(scenario, control, report);
    if (!report.partial) CheckRequirements(scenario, report);
    report.run.wall_s = control.clock_s() - start_s;
    if (control.peak_memory) report.run.peak_rss_bytes = control.peak_memory().count();
    return report;
  }
  const std::vector<SeedResult> results =
      RunSeeds(scenario, scenario.physics.coupling, scenario.seeds == 1, control);

  for (const SeedResult& seed : results)
    if (!seed.gave_up.empty()) return Refused(scenario, seed.gave_up, report);

  std::vector<const SeedResult*> seeds;
  std::vector<std::uint64_t> numbers;
  for (std::size_t i = 0; i < results.size(); ++i) {
    report.run.sim_s += results[i].sim_s;
    report.run.events += results[i].events;
    report.run.memoised += results[i].memoised;
    report.run.folded = std::max(report.run.folded, results[i].folded);
    if (!results[i].not_folded.empty()) report.run.not_folded = results[i].not_folded;
    if (!results[i].finished) continue;
    seeds.push_back(&results[i]);
    numbers.push_back(scenario.first_seed + i);
  }
  report.path_search = PathSearchOf(seeds);
  report.partial = seeds.size() < results.size();
  report.seeds = static_cast<std::int64_t>(seeds.size());
  if (seeds.empty() && !results.front().items.empty()) {
    seeds.push_back(&results.front());  // what the first seed had done when it was stopped
    numbers.push_back(scenario.first_seed);
  }
  if (seeds.empty()) report.incomplete.push_back("everything: stopped before the first seed began");
  if (!seeds.empty()) {
    report.makespan_s = Over(seeds, [](const SeedResult& s) { return s.makespan_s; });
    report.seed_numbers = numbers;
    for (const SeedResult* seed : seeds) report.makespan_by_seed_s.push_back(seed->makespan_s);
    SumUpItems(scenario, seeds, report);
    AddIncomplete(scenario, seeds, report);
    AddDetails(scenario, seeds, numbers, control, report);
    SumUpPorts(seeds, report.links);
    AddPublished(scenario, report);
    AddLoose(seeds, report);
    AddCoupling(scenario, control, report);
    if (!report.partial) CheckRequirements(scenario, report);
  }
  report.run.wall_s = control.clock_s() - start_s;
  if (control.peak_memory) report.run.peak_rss_bytes = control.peak_memory().count();
  return report;
}

}  // namespace weft
