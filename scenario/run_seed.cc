#include <fmt/format.h>

#include <algorithm>

#include "scenario/run_seed_internal.h"
#include "sim/engines.h"
#include "sim/path_table.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr double kSliceSeconds = 0.05;          // between two looks at the clock, about
constexpr std::uint64_t kMostEvents = 1 << 16;  // in a slice

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

  // Whether time alone holds up what runs: something does, and all of it has a path.
  bool AllBeyondTime() const {
    const auto runs = [](const Waiting& one) { return one.for_row == kNoRow; };
    return std::any_of(waiting_->begin(), waiting_->end(), runs) &&
           std::none_of(waiting_->begin(), waiting_->end(),
                        [&](const Waiting& one) { return runs(one) && MayLackPath(one.row); });
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
    if (ports == 0) return true;  // a NIC without a cable
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

}  // namespace

Error Refusal(const PreparedScenario& scenario, const std::string& gave_up) {
  return {ErrorCode::kOutOfRange, scenario.spec.At("engine"),
          fmt::format("'engine: {}' cannot run this to its end: {}", EngineName(scenario.engine),
                      gave_up),
          "engine: flow, or what ends sooner"};
}

bool AllBeyondTime(const PreparedScenario& scenario, std::uint64_t seed,
                   const std::vector<Waiting>& waiting) {
  return Unended(scenario, HashSeed{seed}, true, waiting).AllBeyondTime();
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

// An event costs from a microsecond to a second, so slices are sized by the clock;
// Run() is resumable, and where it pauses changes nothing.
bool RunSliced(Simulation& simulation, const RunControl& control, SimTime until) {
  std::uint64_t slice = 1;
  for (;;) {
    const double start_s = control.clock_s();
    const Simulation::Stop stop = simulation.Run(until, slice);
    if (stop != Simulation::Stop::kBudget) return true;
    if (control.stop()) return false;
    const double spent_s = control.clock_s() - start_s;
    if (spent_s < kSliceSeconds / 2) slice = std::min(2 * slice, kMostEvents);
    if (spent_s > kSliceSeconds * 2) slice = std::max<std::uint64_t>(slice / 2, 1);
  }
}

namespace {

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

// Bytes that left NICs over those that the program's edges send over the network, less 1.
double Conservation(const PreparedScenario& scenario, const Outcome& outcome) {
  const Fabric& fabric = *scenario.fabric;
  const Program& program = scenario.workload->program;
  std::vector<double> times(program.ops.size(), 1);
  for (const Block& block : program.blocks)
    std::fill_n(times.begin() + block.first_row, block.rows, block.times);
  double sent = 0, left = 0;
  for (std::size_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    if (op.kind != Op::Kind::kPattern) continue;
    for (const Edge& edge : program.patterns[op.subject].edges)
      if (fabric.vertex(edge.from).host != fabric.vertex(edge.to).host)
        sent += times[row] * WireBytes(edge, op.bytes());
  }
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    if (link.link_class == LinkClass::kNetwork && fabric.vertex(link.from).kind == VertexKind::kNic)
      left += static_cast<double>(outcome.link_bytes[l].count());
  }
  return sent > 0 ? left / sent - 1 : 0;
}

// What an iteration of training is made of, and how long it is with all its repeats.
void AddIteration(const PreparedScenario& scenario, const Simulation& simulation,
                  const Outcome& outcome, bool details, const RunControl& control,
                  SeedResult& result) {
  result.split = SplitIteration(*scenario.workload, simulation.completions());
  result.makespan_s = ToSeconds(result.split->time);
  if (!details) return;
  result.critical_path = CriticalPathOf(scenario, simulation);
  if (!outcome.link_bytes.empty()) result.conservation = Conservation(scenario, outcome);
  if (control.trace) result.trace = TraceOf(scenario, simulation);
}

// [events] a QP crossed its element when it came, or is bound over it.
std::vector<bool> EventsFelt(const PreparedScenario& scenario, const Simulation& simulation,
                             const Outcome& outcome) {
  std::vector<bool> out;
  if (scenario.events.empty()) return out;
  const std::vector<std::uint32_t> qps = simulation.QpsByLink();
  for (std::size_t e = 0; e < scenario.events.size(); ++e) {
    const Event& event = scenario.events[e];
    const auto links = scenario.fabric->LinksOf(event.element, event.state.direction);
    out.push_back(
        (e < outcome.faults.size() && outcome.faults[e].crossing > 0) ||
        std::any_of(links.begin(), links.end(), [&](LinkId link) { return qps[Index(link)] > 0; }));
  }
  return out;
}

}  // namespace

bool RunFigures::Take(const Outcome& outcome, const Fabric& fabric) {
  gave_up = outcome.gave_up;
  if (!gave_up.empty()) return finished = false;
  makespan_s = ToSeconds(outcome.end);
  events = outcome.events;
  path_search = outcome.path_search;
  loose_operations = outcome.loose_operations;
  ports = SharesOfPorts(fabric, outcome);
  return true;
}

SeedResult RunSeed(const PreparedScenario& scenario, std::uint64_t seed, Coupling coupling,
                   bool details, const RunControl& control) {
  SeedResult result;
  if (control.stop()) return result;
  SimulationInput input = InputFor(scenario, seed, coupling);
  bool stopped = false;
  input.stop = [&] { return stopped = stopped || control.stop(); };
  const auto simulation = MakeSimulation(scenario.engine, input);
  simulation->Append(scenario.workload->program);
  if (stopped) return result;
  const double start_s = control.clock_s();
  result.finished = RunSliced(*simulation, control);
  result.sim_s = control.clock_s() - start_s;
  Outcome outcome = simulation->Finish();
  if (!result.Take(outcome, *scenario.fabric)) return result;
  result.folded = outcome.folded;
  result.memoised = static_cast<std::int64_t>(outcome.memoised);
  result.not_folded = outcome.not_folded;
  if (scenario.workload->training && result.finished && outcome.waiting.empty())
    AddIteration(scenario, *simulation, outcome, details, control, result);
  const ByRow by_row = IndexByRow(*simulation, scenario.workload->program.ops.size());
  const Unended unended(scenario, HashSeed{seed}, result.finished, outcome.waiting);
  for (const WorkloadItem& item : scenario.workload->items) {
    const bool collective = item.kind == WorkloadItem::Kind::kCollective;
    result.items.push_back(collective ? CollectiveResult(item, by_row, unended)
                                      : TrafficResult(item, by_row, unended));
    if (details) result.bottlenecks.push_back(BottleneckName(scenario, item, by_row));
  }
  result.event_felt = EventsFelt(scenario, *simulation, outcome);
  if (details) {
    result.links =
        ReportLinks(scenario, *simulation, outcome, seed, [&](RowId row, std::uint32_t edge) {
          return EdgeName(*scenario.workload, *scenario.fabric, row, edge);
        });
    result.startups_s = Startups(scenario, result.items, seed);
    outcome.link_bytes.clear();
    result.outcome = std::move(outcome);
  }
  return result;
}

}  // namespace weft
