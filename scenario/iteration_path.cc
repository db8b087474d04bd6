// What of a run an iteration waited for, from its end back; and its rows for a viewer.
#include <algorithm>
#include <numeric>
#include <set>

#include "scenario/iteration_rows_internal.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;

// The row and pass that `one` waited for longest: of its streams or its dependencies.
class Backwards {
 public:
  Backwards(const PreparedScenario& scenario, const Simulation& simulation)
      : training_(*scenario.workload->training),
        program_(scenario.workload->program),
        by_pass_(program_, simulation.completions()) {
    before_.resize(simulation.completions().size(), kNobody);
    std::vector<std::uint32_t> last(program_.stream_count, kNobody);
    for (const Completion* in_order : InStreamOrder(training_, simulation.completions())) {
      const Completion& one = *in_order;
      const auto at = static_cast<std::uint32_t>(&one - simulation.completions().data());
      last_ = &one;
      const Op& op = program_.ops[Index(one.row)];
      const Completion* latest = nullptr;
      for (std::uint32_t i = 0; i < op.stream_count; ++i) {
        std::uint32_t& mine = last[program_.streams[op.first_stream + i]];
        Later(mine, simulation, one, latest, before_[at]);
        mine = at;
      }
    }
  }

  std::vector<const Completion*> Path(const Simulation& simulation) const {
    std::vector<const Completion*> path;
    const Completion* at = last_;
    while (at != nullptr) {
      path.push_back(at);
      at = Before(*at, simulation);
    }
    std::reverse(path.begin(), path.end());
    return path;
  }

 private:
  static constexpr std::uint32_t kNobody = 0xffffffff;

  static void Later(std::uint32_t candidate, const Simulation& simulation, const Completion& one,
                    const Completion*& latest, std::uint32_t& row) {
    if (candidate == kNobody) return;
    const Completion& c = simulation.completions()[candidate];
    if (c.end > one.start || (latest != nullptr && c.end <= latest->end)) return;
    latest = &c;
    row = candidate;
  }

  const Completion* Before(const Completion& one, const Simulation& simulation) const {
    const std::uint32_t stream =
        before_[static_cast<std::size_t>(&one - simulation.completions().data())];
    const Completion* best = stream == kNobody ? nullptr : &simulation.completions()[stream];
    const Op& op = program_.ops[Index(one.row)];
    const auto in_block = [&](std::uint32_t row) {
      return row >= training_.first_block_row &&
             row < training_.first_block_row + training_.block_rows;
    };
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program_.deps[op.first_dep + i];
      const bool same = in_block(dep.row) && in_block(Index(one.row));
      const Completion* on =
          by_pass_.At(dep.row, same ? std::int64_t{one.pass} - dep.back : std::int64_t{0xffffffff});
      if (on != nullptr && on->end <= one.start && (best == nullptr || on->end > best->end))
        best = on;
    }
    return best;
  }

  const TrainingProgram& training_;
  const Program& program_;
  ByPass by_pass_;
  const Completion* last_ = nullptr;
  std::vector<std::uint32_t> before_;  // [completions] of its streams, the one that ended last
};

// Without its chunk: all chunks of a stage are one step.
std::string StepName(const TrainingProgram& training, RowId row) {
  const TrainingRow& one = training.rows[Index(row)];
  const bool ring = one.kind == Kind::kReduce || one.kind == Kind::kGather;
  std::string name = TrainingRowName(training, row);
  if (!ring && training.training.parallel.virtual_stages > 1) {
    const std::size_t at = name.find(", chunk ");
    if (at != std::string::npos) name.erase(at, name.find(", ", at + 2) - at);
  }
  return name;
}

}  // namespace

std::vector<CriticalStep> CriticalPathOf(const PreparedScenario& scenario,
                                         const Simulation& simulation) {
  const TrainingProgram& training = *scenario.workload->training;
  std::vector<CriticalStep> steps;
  for (const Completion* one : Backwards(scenario, simulation).Path(simulation)) {
    CriticalStep step;
    step.what = StepName(training, one->row);
    step.start_s = ToSeconds(one->start);
    step.end_s = ToSeconds(one->end);
    if (one->start == one->end) continue;
    if (!steps.empty() && steps.back().what == step.what) {
      ++steps.back().rows;
      steps.back().end_s = step.end_s;
    } else {
      steps.push_back(std::move(step));
    }
  }
  return steps;
}

std::vector<TraceEvent> TraceOf(const PreparedScenario& scenario, const Simulation& simulation) {
  const TrainingProgram& training = *scenario.workload->training;
  std::uint32_t slowest = 0;  // replica whose last pass ended last
  for (const Completion& one : simulation.completions())
    if (training.rows[Index(one.row)].kind <= Kind::kTogether)
      slowest = training.rows[Index(one.row)].replica;
  const std::set<std::uint32_t> shown = {0, slowest};
  // A dispatch is of several replicas, from row.replica on.
  const Parallel& parallel = training.training.parallel;
  const auto of_dispatch =
      static_cast<std::uint32_t>(std::lcm(parallel.expert, parallel.context) / parallel.context);
  std::vector<TraceEvent> events;
  for (const Completion& one : simulation.completions()) {
    const TrainingRow& row = training.rows[Index(one.row)];
    const bool ring = row.kind == Kind::kReduce || row.kind == Kind::kGather;
    const auto replica = shown.lower_bound(row.replica);
    const std::uint32_t replicas = row.kind == Kind::kExpert ? of_dispatch : 1;
    if (!ring && (replica == shown.end() || *replica >= row.replica + replicas)) continue;
    TraceEvent event;
    event.name = TrainingRowName(training, one.row);
    const char* apart = row.kind == Kind::kSend ? " sends" : "";
    if (IsExchange(row.kind)) apart = " exchanges";
    event.track = ring ? "stage " + std::to_string(row.stage) + " data"
                       : "replica " + std::to_string(*replica) + " stage " +
                             std::to_string(row.stage) + apart;
    event.start_s = ToSeconds(one.start);
    event.duration_s = ToSeconds(one.end - one.start);
    events.push_back(std::move(event));
  }
  return events;
}

}  // namespace weft
