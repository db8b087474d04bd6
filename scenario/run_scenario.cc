#include "scenario/run_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "scenario/faults.h"
#include "scenario/link_report.h"
#include "sim/engines.h"
#include "sim/flow/coupling.h"
#include "sim/path_table.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr double kSliceSeconds = 0.05;          // between two looks at the clock, about
constexpr std::uint64_t kMostEvents = 1 << 16;  // in a slice

// What one item of the workload took under one seed.
struct ItemResult {
  std::string status = "done";
  double time_s = 0;        // slowest group, mean over repeats
  std::size_t slowest = 0;  // that group
  double worst_s = 0;       // longest repeat of any group
  double busbw = 0;         // bytes a second, of that group by its own ranks
  double mean_time_s = 0;   // mean over groups, or over the rails of a single group
  double mean_busbw = 0;    // mean over the same
  double flow_median_s = 0, flow_p99_s = 0;  // traffic
  std::int64_t completed = 0;
};

struct SeedResult {
  bool finished = false;
  double makespan_s = 0, sim_s = 0;
  std::uint64_t events = 0;
  std::int64_t folded = 0, memoised = 0;
  std::string not_folded;
  std::uint32_t loose_operations = 0;
  std::vector<ItemResult> items;
  std::optional<PortShares> ports;
  std::optional<LinksReport> links;  // of the seed shown in detail
  std::vector<std::string> bottlenecks;
  std::vector<std::optional<double>> startups_s;  // [items]
  std::vector<bool> event_bound;                  // [events] a QP is bound over its element
  Outcome outcome;                                // of the seed shown in detail
};

// Completions and channel ends by row, so that items can be read off.
struct ByRow {
  std::vector<const Completion*> completion;
  std::vector<std::vector<double>> channel_s;  // from the row's start
};

ByRow IndexByRow(const Simulation& simulation, std::size_t rows) {
  ByRow by_row{std::vector<const Completion*>(rows), std::vector<std::vector<double>>(rows)};
  for (const Completion& completion : simulation.completions())
    by_row.completion[Index(completion.row)] = &completion;
  for (const ChannelEnd& end : simulation.channel_ends()) {  // in order of their ends
    const Completion* completion = by_row.completion[Index(end.row)];
    if (completion == nullptr) continue;
    std::vector<double>& channels = by_row.channel_s[Index(end.row)];
    if (channels.size() <= end.channel) channels.resize(end.channel + std::size_t{1});
    channels[end.channel] = ToSeconds(end.end - completion->start);
  }
  return by_row;
}

// Why rows that have no completion did not end.
class Unended {
 public:
  // `finished`: the engine stopped by itself. Requires: `scenario` and `waiting`, ascending by
  // row, outlive this.
  Unended(const PreparedScenario& scenario, HashSeed seed, bool finished,
          const std::vector<Waiting>& waiting)
      : scenario_(&scenario), seed_(seed), finished_(finished), waiting_(&waiting) {}

  // What holds up the last row of the chain in which one waits for the other.
  std::string Why(RowId row) const {
    if (!finished_) return "stopped";
    const Waiting* at = Find(row);
    while (at != nullptr && at->for_row != kNoRow) at = Find(at->for_row);
    const bool runs = at != nullptr;  // else what it waits for failed
    return runs && !MayLackPath(at->row) ? "beyond the range of time" : "stalled";
  }

 private:
  const Waiting* Find(RowId row) const {
    const auto at = std::lower_bound(waiting_->begin(), waiting_->end(), row,
                                     [](const Waiting& w, RowId id) { return w.row < id; });
    return at != waiting_->end() && at->row == row ? &*at : nullptr;
  }

  // Whether a QP of the row may be without a path when all events have happened.
  bool MayLackPath(RowId row) const {
    LinkState state(*scenario_->fabric);
    for (const Event& event : scenario_->events)
      state.Apply(*scenario_->fabric, event.element, event.state);
    if (state.all_up()) return false;
    const Program& program = scenario_->workload->program;
    const Op& op = program.ops[Index(row)];
    if (op.kind == Op::Kind::kSend)
      return MayLackPath(program.sends[op.subject].from, program.sends[op.subject].to, state);
    if (op.kind != Op::Kind::kPattern) return false;
    const std::vector<Edge>& edges = program.patterns[op.subject].edges;
    return std::any_of(edges.begin(), edges.end(),
                       [&](const Edge& edge) { return MayLackPath(edge.from, edge.to, state); });
  }

  bool MayLackPath(VertexId from, VertexId to, const LinkState& state) const {
    if (from == to) return false;
    const VertexId nic = scenario_->router->SourceNic(from, to);
    const int ports = nic == kNoVertex ? 1 : scenario_->fabric->PortCount(nic);
    std::vector<LinkId> path;
    for (int port = 0; port < ports; ++port)
      if (!scenario_->router->Path({from, to, static_cast<std::uint8_t>(port), 0, 0}, seed_, state,
                                   path))
        return true;
    return false;
  }

  const PreparedScenario* scenario_;
  HashSeed seed_;
  bool finished_;
  const std::vector<Waiting>* waiting_;
};

std::string StatusOf(const std::vector<RowId>& rows, const ByRow& by_row, const Unended& unended) {
  for (const RowId row : rows) {
    const Completion* completion = by_row.completion[Index(row)];
    if (completion == nullptr) return unended.Why(row);
    if (completion->status == Completion::Status::kFailed) return "failed";
    if (completion->status == Completion::Status::kCancelled) return "cancelled";
  }
  return "done";
}

// Mean time of a repeat: from the first start to the last end.
double GroupTime(const std::vector<RowId>& rows, const ByRow& by_row) {
  const SimDuration span =
      by_row.completion[Index(rows.back())]->end - by_row.completion[Index(rows.front())]->start;
  return ToSeconds(span) / static_cast<double>(rows.size());
}

// The rails of a single group: mean over repeats of each channel's time.
std::vector<double> RailTimes(const std::vector<RowId>& rows, const ByRow& by_row) {
  std::vector<double> rails;
  for (const RowId row : rows) {
    const std::vector<double>& channel = by_row.channel_s[Index(row)];
    rails.resize(std::max(rails.size(), channel.size()));
    for (std::size_t c = 0; c < channel.size(); ++c)
      rails[c] += channel[c] / static_cast<double>(rows.size());
  }
  return rails;
}

double Busbw(const WorkloadItem& item, double factor, double time_s) {
  return time_s > 0 ? factor * static_cast<double>(item.bytes.count()) / time_s : 0;
}

ItemResult CollectiveResult(const WorkloadItem& item, const ByRow& by_row, const Unended& unended) {
  ItemResult result;
  std::vector<double> times, factors;  // of the groups that send
  for (std::size_t g = 0; g < item.rows_by_group.size(); ++g) {
    const std::vector<RowId>& rows = item.rows_by_group[g];
    result.status = StatusOf(rows, by_row, unended);
    if (result.status != "done") return result;
    const double time = GroupTime(rows, by_row);
    for (const RowId row : rows) {
      const Completion& one = *by_row.completion[Index(row)];
      result.worst_s = std::max(result.worst_s, ToSeconds(one.end - one.start));
    }
    if (time > result.time_s) {
      result.time_s = time;
      result.slowest = g;
      result.busbw = Busbw(item, item.busbw_factors[g], time);
    }
    if (item.busbw_factors[g] == 0) continue;  // a rank alone has nothing to send
    times.push_back(time);
    factors.push_back(item.busbw_factors[g]);
  }
  if (times.empty()) {
    result.mean_time_s = result.time_s;
    return result;
  }
  if (item.rows_by_group.size() == 1) {
    times = RailTimes(item.rows_by_group.front(), by_row);
    factors.assign(times.size(), factors.front());
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    result.mean_time_s += times[i] / static_cast<double>(times.size());
    result.mean_busbw += Busbw(item, factors[i], times[i]) / static_cast<double>(times.size());
  }
  return result;
}

ItemResult TrafficResult(const WorkloadItem& item, const ByRow& by_row, const Unended& unended) {
  ItemResult result;
  std::vector<double> times;
  for (const std::vector<RowId>& rows : item.rows_by_group) {
    result.status = StatusOf(rows, by_row, unended);
    for (const RowId row : rows) {
      const Completion* completion = by_row.completion[Index(row)];
      if (completion == nullptr || completion->status != Completion::Status::kDone) continue;
      times.push_back(ToSeconds(completion->end - completion->start));
      result.time_s = std::max(result.time_s, ToSeconds(completion->end));
    }
  }
  result.completed = static_cast<std::int64_t>(times.size());
  if (times.empty()) return result;
  std::sort(times.begin(), times.end());
  result.flow_median_s = PercentileOf(times, 0.5);
  result.flow_p99_s = PercentileOf(times, 0.99);
  return result;
}

std::string BottleneckName(const PreparedScenario& scenario, const WorkloadItem& item,
                           const ByRow& by_row) {
  const Completion* last = nullptr;
  for (const std::vector<RowId>& rows : item.rows_by_group) {
    const Completion* completion = rows.empty() ? nullptr : by_row.completion[Index(rows.back())];
    if (completion != nullptr && (last == nullptr || completion->end > last->end))
      last = completion;
  }
  if (last == nullptr || last->bottleneck == kNoLink) return {};
  return scenario.fabric->PortName(last->bottleneck) + " -> " +
         scenario.fabric->Name(scenario.fabric->link(last->bottleneck).to);
}

SimulationInput InputFor(const PreparedScenario& scenario, std::uint64_t seed, Coupling coupling) {
  SimulationInput input;
  input.fabric = scenario.fabric.get();
  input.router = scenario.router.get();
  input.physics = scenario.physics;
  input.physics.coupling = coupling;
  input.fault_policy = scenario.fault_policy;
  input.seed = HashSeed{seed};
  input.events = scenario.events;
  input.options = scenario.options;
  return input;
}

// Runs in slices until the end, or until the caller wants to stop. An event costs
// from a microsecond to a second, so slices are sized by the clock; Run() is
// resumable, and where it pauses changes nothing.
bool RunSliced(Simulation& simulation, const RunControl& control) {
  std::uint64_t slice = 1;
  for (;;) {
    const double start_s = control.clock_s();
    const Simulation::Stop stop = simulation.Run(kForever, slice);
    if (stop != Simulation::Stop::kBudget) return true;
    if (control.stop()) return false;
    const double spent_s = control.clock_s() - start_s;
    if (spent_s < kSliceSeconds / 2) slice = std::min(2 * slice, kMostEvents);
    if (spent_s > kSliceSeconds * 2) slice = std::max<std::uint64_t>(slice / 2, 1);
  }
}

// What each collective's slowest group pays before its bytes flow at full rate.
std::vector<std::optional<double>> Startups(const PreparedScenario& scenario,
                                            const std::vector<ItemResult>& items,
                                            std::uint64_t seed) {
  const Program& program = scenario.workload->program;
  std::vector<std::optional<double>> out(items.size());
  std::optional<PathTable> paths;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const WorkloadItem& item = scenario.workload->items[i];
    if (item.kind != WorkloadItem::Kind::kCollective || items[i].status != "done") continue;
    const Op& op = program.ops[Index(item.rows_by_group[items[i].slowest].front())];
    if (op.kind != Op::Kind::kPattern) continue;
    if (!paths) {
      paths.emplace(*scenario.fabric, *scenario.router, scenario.physics, HashSeed{seed});
      paths->Append(program, 0);
    }
    SimDuration longest{};
    for (const SimDuration one : SubjectStartup(*paths, paths->subject(0, op), program, op))
      longest = std::max(longest, one);
    out[i] = ToSeconds(program.tunings[op.tuning].launch + longest);
  }
  return out;
}

SeedResult RunSeed(const PreparedScenario& scenario, std::uint64_t seed, Coupling coupling,
                   bool details, const RunControl& control) {
  SeedResult result;
  if (control.stop()) return result;
  const auto simulation = MakeSimulation(scenario.engine, InputFor(scenario, seed, coupling));
  simulation->Append(scenario.workload->program);
  const double start_s = control.clock_s();
  result.finished = RunSliced(*simulation, control);
  result.sim_s = control.clock_s() - start_s;
  Outcome outcome = simulation->Finish();
  result.makespan_s = ToSeconds(outcome.end);
  result.events = outcome.events;
  result.folded = outcome.folded;
  result.memoised = static_cast<std::int64_t>(outcome.memoised);
  result.not_folded = outcome.not_folded;
  result.loose_operations = outcome.loose_operations;
  result.ports = SharesOfPorts(*scenario.fabric, outcome);
  const ByRow by_row = IndexByRow(*simulation, scenario.workload->program.ops.size());
  const Unended unended(scenario, HashSeed{seed}, result.finished, outcome.waiting);
  for (const WorkloadItem& item : scenario.workload->items) {
    const bool collective = item.kind == WorkloadItem::Kind::kCollective;
    result.items.push_back(collective ? CollectiveResult(item, by_row, unended)
                                      : TrafficResult(item, by_row, unended));
    if (details) result.bottlenecks.push_back(BottleneckName(scenario, item, by_row));
  }
  if (details) {
    result.links = ReportLinks(scenario, *simulation, outcome, seed);
    result.startups_s = Startups(scenario, result.items, seed);
    const std::vector<std::uint32_t> qps = simulation->QpsByLink();
    for (const Event& event : scenario.events) {
      const auto links = scenario.fabric->LinksOf(event.element, event.state.direction);
      result.event_bound.push_back(std::any_of(links.begin(), links.end(),
                                               [&](LinkId link) { return qps[Index(link)] > 0; }));
    }
    outcome.link_bytes.clear();
    result.outcome = std::move(outcome);
  }
  return result;
}

// All seeds, in seed order; those the caller did not wait for are not finished.
std::vector<SeedResult> RunSeeds(const PreparedScenario& scenario, Coupling coupling, bool details,
                                 const RunControl& control) {
  std::vector<SeedResult> results(static_cast<std::size_t>(scenario.seeds));
  std::int64_t done = 0;
  const int threads = static_cast<int>(std::min<std::int64_t>(control.threads, scenario.seeds));
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t i = 0; i < scenario.seeds; ++i) {
    results[static_cast<std::size_t>(i)] = RunSeed(
        scenario, scenario.first_seed + static_cast<std::uint64_t>(i), coupling, details, control);
#pragma omp critical
    {
      ++done;
      if (control.progress)
        control.progress(static_cast<double>(done) / static_cast<double>(scenario.seeds));
    }
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
  report.channels = item.channels;
  report.ranks = item.ranks;
  report.fewest_ranks = item.fewest_ranks;
  report.groups = static_cast<int>(item.rows_by_group.size());
  report.bytes = item.bytes;
  report.pos = scenario.spec.At(item.source_path);
  report.repeats = static_cast<std::int64_t>(item.rows_by_group.front().size());
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

// Which operations never ended, and what each waits for.
void NameWaiting(const PreparedScenario& scenario, const Outcome& outcome, RunReport& report) {
  constexpr std::size_t kNamed = 4;
  const Workload& workload = *scenario.workload;
  for (std::size_t i = 0; i < std::min(kNamed, outcome.waiting.size()); ++i) {
    const Waiting& w = outcome.waiting[i];
    report.incomplete.push_back(RowName(workload, w.row) +
                                (w.for_row == kNoRow
                                     ? " has begun, and its traffic has no path"
                                     : " waits for " + RowName(workload, w.for_row)));
  }
  if (outcome.waiting.size() > kNamed)
    report.incomplete.push_back(fmt::format("{} more that wait", outcome.waiting.size() - kNamed));
}

// A fault that nothing noticed is likely to name the wrong element, or the wrong time.
void WarnOfIdleFaults(const PreparedScenario& scenario, const SeedResult& seed, RunReport& report) {
  const double end_s =
      *std::max_element(report.makespan_by_seed_s.begin(), report.makespan_by_seed_s.end());
  std::vector<bool> seen(static_cast<std::size_t>(scenario.spec.message.faults_size()));
  for (std::size_t e = 0; e < scenario.events.size(); ++e) {
    const std::uint32_t row = scenario.fault_of_event[e];
    const FaultReport& fault = report.faults[e];
    if (seen[row] || fault.state == "repaired") continue;  // a fault, not its repair
    seen[row] = true;
    std::string why;
    if (fault.at_s > end_s)
      why = fmt::format("at {:.4g} s nothing runs any more, the end is at {:.4g} s", fault.at_s,
                        end_s);
    else if (fault.crossing == 0 && !seed.event_bound[e])
      why = fmt::format("no queue pair's path crosses {}", fault.element);
    if (!why.empty())
      report.warnings.push_back({ErrorCode::kInconsistent,
                                 fault.pos,
                                 fmt::format("'faults[{}]' touches nothing: {}", row, why),
                                 {}});
  }
  SortByPosition(report.warnings);
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
        status == "stalled" || status == "failed" ? ": a queue pair has no path any more" : "");
    report.incomplete.push_back(text);
    if (status != "stopped")
      report.warnings.push_back(
          {ErrorCode::kInconsistent, scenario.spec.At(item.source_path), text, {}});
  }
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

// The row of the seed with the lower-median makespan.
std::size_t MedianSeed(const std::vector<const SeedResult*>& seeds) {
  std::vector<std::size_t> order(seeds.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return seeds[a]->makespan_s < seeds[b]->makespan_s;
  });
  return order[(order.size() - 1) / 2];
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
}

// The lower-median seed once more, with names; it is there already where there is one seed.
void AddDetails(const PreparedScenario& scenario, const std::vector<const SeedResult*>& seeds,
                std::vector<std::uint64_t> numbers, const RunControl& control, RunReport& report) {
  const std::size_t row = MedianSeed(seeds);
  std::optional<SeedResult> again;
  if (!seeds[row]->links) {
    RunControl to_the_end = control;
    if (!report.partial) to_the_end.stop = [] { return false; };
    again = RunSeed(scenario, numbers[row], scenario.physics.coupling, true, to_the_end);
  }
  const SeedResult& seed = again ? *again : *seeds[row];
  if (!seed.links) return;
  report.links = *seed.links;
  report.faults = SumUpFaults(scenario, seed.outcome);
  if (!report.partial) {
    WarnOfIdleFaults(scenario, seed, report);
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
    for (const SeedResult& seed : RunSeeds(scenario, coupling, false, control))
      if (seed.finished) values.push_back(seed.makespan_s);
    if (values.empty()) return std::nullopt;
    return IntervalOf(values);
  };
  const auto loose = makespans(Coupling::kLoose), tight = makespans(Coupling::kTight);
  if (loose && tight) report.coupling = CouplingReport{*loose, *tight};
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
  report.run.threads = control.threads;
  report.partial = scenario.stopped;
  if (scenario.stopped) {
    report.seeds = 0;
    report.incomplete.push_back("everything: stopped while it was built");
    return report;
  }
  const std::vector<SeedResult> results =
      RunSeeds(scenario, scenario.physics.coupling, scenario.seeds == 1, control);

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
