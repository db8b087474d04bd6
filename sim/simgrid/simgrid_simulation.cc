#include "sim/simgrid/simgrid_simulation.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "sim/flow/coupling.h"
#include "sim/simgrid/solver.h"
#include "sim/simgrid/ways.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr std::chrono::milliseconds kPatience{50};

// A function of the module, which stays loaded; null, with the reason, where there is no module.
void* FindInModule(const char* name, std::string& why) {
  void* module = dlopen("libweft_simgrid.so", RTLD_NOW | RTLD_LOCAL);
  void* found = module != nullptr ? dlsym(module, name) : nullptr;
  if (found == nullptr) why = fmt::format("its module does not load: {}", dlerror());
  return found;
}

// [rows] 1: the row's channels advance as one.
std::vector<std::uint8_t> TightRows(const Schedule& schedule, const PathTable& paths,
                                    const SimulationInput& input) {
  const Coupling coupling = input.physics.coupling;
  if (coupling == Coupling::kAuto)
    return DecideCoupling(schedule, paths, input.fabric->link_count());
  std::vector<std::uint8_t> tight(schedule.row_count(), 0);
  for (std::uint32_t row = 0; coupling == Coupling::kTight && row < tight.size(); ++row) {
    const Op& op = schedule.op(row);
    if (op.kind != Op::Kind::kPattern) continue;
    const Pattern& pattern = *paths.subject(schedule.program_index(row), op).pattern;
    tight[row] = pattern.advance == Pattern::Advance::kPipelined ? 1 : 0;
  }
  return tight;
}

// Bytes of a QP: those of a flow at most.
double LargestTransfer(const Schedule& schedule, const PathTable& paths) {
  double largest = 0;
  for (std::uint32_t row = 0; row < schedule.row_count(); ++row) {
    const Op& op = schedule.op(row);
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    const PathTable::Subject& subject = paths.subject(schedule.program_index(row), op);
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      largest = std::max(
          largest, EdgeWireBytes(schedule.program(row), op, subject, e) / paths.edges()[e].qps);
  }
  return largest;
}

}  // namespace

SimgridSimulation::SimgridSimulation(const SimulationInput& input)
    : input_(input),
      paths_(*input.fabric, *input.router, input.physics, input.seed),
      link_bytes_(input.fabric->link_count(), 0.0) {
  effects_.resize(input_.events.size());
  for (std::uint32_t e = 0; e < effects_.size(); ++e) effects_[e].event = e;
}

RowId SimgridSimulation::Append(const Program& program) {
  WEFT_CHECK(process_ == nullptr);
  WEFT_CHECK(!SimgridCannot(program, input_.physics.coupling));
  const std::uint32_t first = schedule_.Append(program);
  paths_.Append(program, first, input_.stop);
  return RowId{first};
}

// All that is shared with other threads is read here, before the fork.
void SimgridSimulation::Start() {
  SolverInput solver;
  for (const Link& link : input_.fabric->links())
    solver.capacity_bps.push_back(Capacity(link, input_.physics).bits_per_second());
  const std::vector<std::uint8_t> tight = TightRows(schedule_, paths_, input_);
  if (input_.physics.coupling == Coupling::kAuto)
    loose_operations_ = CountLoose(schedule_, paths_, tight);
  solver.paths = &paths_;
  solver.largest_bytes = LargestTransfer(schedule_, paths_);
  solver.steps = PlanRouteSteps(input_, schedule_, paths_, tight);
  solver.retry_timeout = input_.fault_policy.retry_timeout;
  Operations operations(schedule_, paths_, input_.physics, tight);
  std::string why;  // before the fork: loading is this process's
  void* const found = FindInModule("WeftRunOnSimgrid", why);
  WEFT_CHECK(found != nullptr);  // SimgridMissing() was asked before
  const auto run = reinterpret_cast<decltype(&WeftRunOnSimgrid)>(found);
  process_ = std::make_unique<SolverProcess>(
      [&](const SolverProcess::Record& record) { run(operations, solver, record); });
}

Simulation::Stop SimgridSimulation::Run(SimTime until, std::uint64_t event_budget) {
  if (process_ == nullptr && schedule_.open_count() > 0) Start();
  for (std::uint64_t used = 0;; ++used) {
    if (schedule_.watched_closed()) return Stop::kWatched;
    if (schedule_.open_count() == 0) return Stop::kIdle;
    if (!Fetch(event_budget)) return Stop::kBudget;
    if (next_record_ == records_.size()) return Stop::kStarved;
    if (records_[next_record_].end > until) return Stop::kUntil;
    if (used == event_budget) return Stop::kBudget;
    ReplayInstant();
  }
}

// Waits until an instant has come whole, or the report's end; false where it
// should be asked again.
bool SimgridSimulation::Fetch(std::uint64_t event_budget) {
  const auto whole = [&] {
    return finished_ ||
           (next_record_ < records_.size() && records_.back().end > records_[next_record_].end);
  };
  while (!whole()) {
    if (next_record_ > records_.size() / 2) {
      records_.erase(records_.begin(),
                     records_.begin() + static_cast<std::ptrdiff_t>(next_record_));
      next_record_ = 0;
    }
    const std::size_t before = records_.size();
    process_->Read(records_, kPatience);
    const bool nothing = records_.size() == before;
    if (!nothing && records_.back().kind == OperationRecord::Kind::kFinished) {
      solver_time_ = {records_.back().setup_s, records_.back().solve_s};
      beyond_clock_ = records_.back().beyond_clock;
      finished_ = true;
      records_.pop_back();
    }
    if (nothing && event_budget != kNoBudget) return whole();
  }
  return true;
}

void SimgridSimulation::ReplayInstant() {
  const SimTime now = records_[next_record_].end;
  const std::size_t completions = completions_.size(), ends = channel_ends_.size();
  while (next_record_ < records_.size() && records_[next_record_].end == now)
    Replay(records_[next_record_++]);
  schedule_.TakeReady(ready_);
  std::sort(completions_.begin() + static_cast<std::ptrdiff_t>(completions), completions_.end(),
            [](const Completion& a, const Completion& b) {
              return std::tie(a.row, a.pass) < std::tie(b.row, b.pass);
            });
  std::sort(channel_ends_.begin() + static_cast<std::ptrdiff_t>(ends), channel_ends_.end(),
            [](const ChannelEnd& a, const ChannelEnd& b) {
              return std::tie(a.row, a.pass, a.channel) < std::tie(b.row, b.pass, b.channel);
            });
}

// In the order in which the solver saw it, so that what a row waited for is over.
void SimgridSimulation::Replay(const OperationRecord& record) {
  instants_ = std::max(instants_, record.instants);
  if (record.kind == OperationRecord::Kind::kCredit) {
    link_bytes_[record.row] += record.bytes;
    return;
  }
  if (record.kind == OperationRecord::Kind::kFault) return Count(record);
  WEFT_CHECK(record.row < schedule_.row_count());
  if (record.kind == OperationRecord::Kind::kChannelEnd) {
    channel_ends_.push_back(
        {RowId{record.row}, record.pass, static_cast<std::uint16_t>(record.channel), record.end});
    return;
  }
  const bool failed = record.kind == OperationRecord::Kind::kFailure;
  schedule_.TakeReady(ready_);
  WEFT_CHECK(schedule_.pass(record.row) == record.pass);
  completions_.push_back({RowId{record.row}, record.pass, record.start, record.end,
                          failed ? Completion::Status::kFailed : Completion::Status::kDone,
                          kNoLink});
  if (failed) return schedule_.Stop(record.row);
  if (input_.events.empty()) CreditLinks(record.row);
  schedule_.Complete(record.row);
}

// A QP that never had a path fails under no event.
void SimgridSimulation::Count(const OperationRecord& record) {
  if (record.row >= effects_.size()) return;
  for (const auto field : {&FaultEffect::crossing, &FaultEffect::rerouted, &FaultEffect::moved,
                           &FaultEffect::stalled, &FaultEffect::failed})
    effects_[record.row].*field += record.effect.*field;
}

void SimgridSimulation::CreditLinks(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) return;
  const PathTable::Subject& subject = paths_.subject(schedule_.program_index(row), op);
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
    const PathTable::Edge& edge = paths_.edges()[e];
    const double each = EdgeWireBytes(schedule_.program(row), op, subject, e) / edge.qps;
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      const auto hops = paths_.hops(paths_.qps()[q]);
      const auto shares = paths_.shares(paths_.qps()[q]);
      for (std::size_t h = 0; h < hops.size(); ++h)
        link_bytes_[Index(hops[h])] += shares.empty() ? each : each * shares[h];
    }
  }
}

void SimgridSimulation::Cancel(JobId job) {
  WEFT_CHECK(process_ == nullptr);
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row) {
    if (schedule_.op(row).job != job || schedule_.closed(row)) continue;
    completions_.push_back(
        {RowId{row}, schedule_.pass(row), {}, {}, Completion::Status::kCancelled, kNoLink});
    schedule_.Drop(row);
  }
}

void SimgridSimulation::Reset(HashSeed seed) {
  input_.seed = seed;
  process_.reset();
  paths_.Rebind(seed);
  schedule_.Reset();
  records_.clear();
  next_record_ = 0;
  finished_ = beyond_clock_ = false;
  solver_time_ = {};
  instants_ = 0;
  loose_operations_ = 0;
  completions_.clear();
  channel_ends_.clear();
  for (std::uint32_t e = 0; e < effects_.size(); ++e) {
    effects_[e] = {};
    effects_[e].event = e;
  }
  std::fill(link_bytes_.begin(), link_bytes_.end(), 0.0);
}

Outcome SimgridSimulation::Finish() {
  Outcome outcome;
  outcome.events = instants_;
  outcome.loose_operations = loose_operations_;
  outcome.path_search = paths_.search_work();
  outcome.faults = effects_;
  outcome.waiting = schedule_.WaitingRows();
  if (beyond_clock_ && next_record_ == records_.size() && schedule_.open_count() > 0)
    outcome.gave_up = fmt::format(
        "after {:.0f} s of simulated time SimGrid's clock is coarser than a picosecond, and there "
        "is something later",
        kSimgridSeconds);
  for (const Completion& completion : completions_)
    outcome.end = std::max(outcome.end, completion.end);
  outcome.link_bytes.reserve(link_bytes_.size());
  for (const double bytes : link_bytes_) outcome.link_bytes.push_back(Bytes(std::llround(bytes)));
  return outcome;
}

std::optional<std::string> SimgridCannot(const Program& program, Coupling coupling) {
  if (coupling == Coupling::kLoose) return std::nullopt;
  for (const Op& op : program.ops)
    if (NeedsFractions(program, op))
      return "a tight channel's edges carry bytes that are not whole parts of its largest edge's, "
             "and a SimGrid flow takes a whole number of shares of a link";
  return std::nullopt;
}

std::optional<std::string> SimgridMissing() {
  std::string why;
  if (FindInModule("WeftRunOnSimgrid", why) != nullptr) return std::nullopt;
  return why;
}

std::string SimgridVersion() {
  std::string why;
  void* const found = FindInModule("WeftSimgridVersion", why);
  if (found == nullptr) return "none, " + why;
  const int version = reinterpret_cast<decltype(&WeftSimgridVersion)>(found)();
  return fmt::format("{}.{}", version / 1000, version % 1000);
}

}  // namespace weft
