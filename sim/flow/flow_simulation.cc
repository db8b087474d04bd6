#include "sim/flow/flow_simulation.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "sim/flow/coupling.h"
#include "sim/startup.h"

namespace weft {
namespace {

std::vector<double> Capacities(const SimulationInput& input) {
  std::vector<double> bps;
  bps.reserve(input.fabric->link_count());
  for (const Link& link : input.fabric->links())
    bps.push_back(Capacity(link, input.physics).bits_per_second());
  return bps;
}

template <typename Items, typename Less>
void SortFrom(Items& items, std::size_t first, Less less) {
  const auto begin = items.begin() + static_cast<std::ptrdiff_t>(first);
  if (!std::is_sorted(begin, items.end(), less)) std::sort(begin, items.end(), less);
}

}  // namespace

FlowSimulation::FlowSimulation(const SimulationInput& input)
    : input_(input),
      paths_(*input.fabric, *input.router, input.physics, input.seed),
      coefficient_(input.fabric->link_count(), 0.0),
      crossings_(input.fabric->link_count(), 0.0) {
  const auto earlier = [](const Event& a, const Event& b) { return a.at < b.at; };
  WEFT_CHECK(std::is_sorted(input_.events.begin(), input_.events.end(), earlier));
  Restart();
}

FlowSimulation::FlowSimulation(const FlowSimulation& whole, const Quotient& quotient)
    : input_(whole.input_),
      whole_(&whole),
      quotient_(&quotient),
      paths_(*quotient.paths),
      coefficient_(whole.input_.fabric->link_count(), 0.0),
      crossings_(whole.input_.fabric->link_count(), 0.0) {
  CheckProgram(quotient.program);
  schedule_.Append(quotient.program);
  Restart();
  tight_ = quotient.tight;
  BindPlan();
}

QuotientInput FlowSimulation::WholeProgram() const {
  QuotientInput whole{input_.fabric, input_.physics,        &schedule_, &paths_, {},
                      silent_,       input_.options.memoise};
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row) {
    const Op::Kind kind = schedule_.op(row).kind;
    whole.tight.push_back(kind == Op::Kind::kPattern && Tight(row) ? 1 : 0);
  }
  return whole;
}

// Everything that a run changes, as it is at time 0.
void FlowSimulation::Restart() {
  if (system_)
    system_->Restart(Capacities(input_));
  else
    system_.emplace(Capacities(input_),
                    MaxMinOptions{input_.options.work_list, input_.options.replace,
                                  input_.options.silent_links});
  clocks_.emplace(input_.fabric->link_count());
  FindSilentLinks();
  routes_.emplace(*input_.fabric, paths_, input_.fault_policy.qps);
  now_ = {};
  instants_ = 0;
  next_event_ = serial_ = at_work_ = 0;
  starts_ = epoch_ = memoised_ = 0;
  next_flow_ = replaying_ = recording_ = kNobody;
  recordings_.clear();
  timers_.Clear();
  slot_of_row_.clear();
  slots_.clear();
  parts_.clear();
  free_slots_.clear();
  flows_.clear();
  stalled_at_.clear();
  plan_known_ = false;
  completions_.clear();
  channel_ends_.clear();
  sent_bits_.clear();
  effects_.assign(input_.events.size(), {});
  for (std::uint32_t e = 0; e < effects_.size(); ++e) effects_[e].event = e;
  edge_terms_.clear();
  channel_terms_.clear();
  startup_.clear();
  Grow();
}

// Tables by row, edge and channel follow what was appended.
void FlowSimulation::Grow() {
  slot_of_row_.resize(schedule_.row_count(), kNoSlot);
  edge_terms_.resize(paths_.edges().size(), kNoTerms);
  channel_terms_.resize(paths_.channel_row_count(), kNoTerms);
  startup_.resize(paths_.subjects().size());
  recordings_.resize(paths_.subjects().size());
  leaders_.assign(paths_.subjects().size(), {});
  in_flight_.resize(paths_.edges().size(), 0);
  dirty_.resize(paths_.edges().size(), 0);
  plan_known_ = false;
  const std::uint32_t last_event = next_event_ == 0 ? 0 : next_event_ - 1;
  const bool some_broken = routes_->Grow(last_event);
  for (const PathTable::Subject& subject : paths_.subjects()) BindTerms(subject);
  if (some_broken)
    AddTimer(now_ + input_.fault_policy.detect, Timer::Kind::kReroute, last_event, 0);
}

// Completions that there will be, or so many that room for more may be found as they come.
std::size_t FlowSimulation::RunsExpected() const {
  constexpr std::size_t kMost = std::size_t{1} << 22;
  std::size_t runs = 0;
  for (std::uint32_t row = 0; row < schedule_.row_count() && runs < kMost; ++row)
    runs += schedule_.times(row);
  return std::min(runs, kMost);
}

// Of edges that are flows by themselves: known before the run, as their paths are. What is left
// out where the caller waits no longer is found as flows begin.
void FlowSimulation::BindTerms(const PathTable::Subject& subject) {
  if (subject.pattern != nullptr && subject.pattern->advance == Pattern::Advance::kPipelined)
    return;
  BindEdges(subject);
}

void FlowSimulation::BindEdges(const PathTable::Subject& subject) {
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
    if (LookAt(e) && Stopped()) return;
    if (HasPath({e, 1})) EdgeTerms(e);
  }
}

// The same of pipelined patterns, whose flows are known once their coupling is; and the rounds of
// those that have any.
void FlowSimulation::BindPipelined(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  if (op.kind != Op::Kind::kPattern) return;
  const PathTable::Subject& subject = SubjectOf(row);
  if (subject.pattern->advance == Pattern::Advance::kRounds)
    RoundsOf(paths_.subject_row(schedule_.program_index(row), op));
  if (subject.pattern->advance != Pattern::Advance::kPipelined) return;
  if (!StartsByChunks(*subject.pattern)) StartupOf(row);
  if (!Tight(row)) return BindEdges(subject);
  if (op.first_amount != 0) return;
  for (std::uint16_t c = 0; c < subject.channels; ++c) {
    const PathTable::Range edges = paths_.channel_edges(subject, c);
    if (edges.count > 0 && HasPath(edges)) ChannelTerms(row, edges);
  }
}

RowId FlowSimulation::Append(const Program& program) {
  const bool shortcuts = input_.options.fold || input_.options.memoise;
  WEFT_CHECK(!shortcuts || (now_ == SimTime{} && instants_ == 0));
  const std::uint32_t first = schedule_.Append(program);
  if (!paths_.Append(program, first, input_.stop)) return RowId{first};
  system_->RestoreTwins();
  Grow();
  if (first == 0 && !stopped_) Plan();
  return RowId{first};
}

SimTime FlowSimulation::NextTime() const {
  if (schedule_.has_ready()) return now_;
  SimTime next = kForever;
  if (!clocks_->empty()) next = std::min(next, clocks_->next());
  if (!timers_.empty()) next = std::min(next, timers_.top_time());
  if (next_event_ < input_.events.size()) next = std::min(next, input_.events[next_event_].at);
  return next == kForever ? next : std::max(next, now_);
}

// What follows from all programs together.
void FlowSimulation::Plan() {
  if (input_.physics.coupling == Coupling::kAuto)
    tight_ = DecideCoupling(schedule_, paths_, input_.fabric->link_count());
  BindPlan();
  if (!input_.options.fold || stopped_) return;
  if (input_.events.empty())
    folding_ = PlanFolding(input_, paths_);
  else
    folding_.refused = "faults may change one and not the other";
}

// What is known of flows once their coupling is.
void FlowSimulation::BindPlan() {
  plan_known_ = true;
  folding_ = {};
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row) {
    if (LookAt(row) && Stopped()) break;
    BindPipelined(row);
  }
  if (stopped_) return;  // the rest is for runs whose terms are known whole
  if (TermsAreKnown()) {
    system_->SilenceTwins();
    system_->SilenceLone(LoneLinks());
  }
  system_->Reserve();
  if (completions_.empty()) completions_.reserve(RunsExpected());
}

Simulation::Stop FlowSimulation::Run(SimTime until, std::uint64_t event_budget) {
  if (!plan_known_) Plan();
  for (std::uint64_t used = 0;; ++used) {
    if (schedule_.watched_closed()) return Stop::kWatched;
    if (schedule_.open_count() == 0) return Stop::kIdle;
    const SimTime next = NextTime();
    if (next == kForever) return Stop::kStarved;
    if (next > until) {
      now_ = std::max(now_, until);
      return Stop::kUntil;
    }
    if (used == event_budget) return Stop::kBudget;
    Instant(next);
  }
}

void FlowSimulation::Instant(SimTime time) {
  now_ = time;
  ++instants_;
  const std::size_t completions = completions_.size(), channel_ends = channel_ends_.size();
  if (!clocks_->empty() && clocks_->next() <= now_) {
    clocks_->TakeEnded(ended_, input_.options.batch);
    FindNextFlow();
    for (const std::uint32_t id : ended_) FinishFlow(id);
    LookAhead(Stage::kRow);
  }
  while (next_event_ < input_.events.size() && input_.events[next_event_].at <= now_)
    OnEvent(next_event_++);
  Process();
  if (schedule_.open_count() > 0) Reschedule();  // after the last nothing is left to share
  SortTail(completions, channel_ends);
}

// Timers and starts of this instant, until nothing more follows from them.
void FlowSimulation::Process() {
  for (;;) {
    if (!timers_.empty() && timers_.top_time() <= now_) {
      OnTimer(timers_.Pop());
    } else if (schedule_.has_ready()) {
      StartReady();
    } else {
      return;
    }
  }
}

void FlowSimulation::Reschedule() {
  LookAhead(Stage::kOp);
  const MaxMinSystem::Changes changes = system_->Resolve();
  LookAhead(Stage::kLinks);
  for (const std::uint32_t link : changes.links) {
    if (!input_.options.implicit_rates) {
      system_->ForEachHeld(link, [&](std::uint32_t id) { Reclock(id); });
      continue;
    }
    clocks_->SetLevel(link, system_->share_bps(link), now_);
  }
  for (const std::uint32_t id : changes.variables) Reclock(id);
  clocks_->Settle(now_);
  LookAhead(Stage::kStream);
}

// The flow that ends next, as things stand: whose rows LookAhead() asks for.
void FlowSimulation::FindNextFlow() {
  next_flow_ = clocks_->empty() ? kNobody : clocks_->next_flow();
  if (next_flow_ >= flows_.size() || !flows_[next_flow_].live) next_flow_ = kNobody;
  if (next_flow_ != kNobody) system_->Prefetch(next_flow_);
}

// Asks the memory for what the end of the next flow will read, and the start of what stands after
// it in the tables, as what follows it mostly does. On a large fabric these are rows of some twenty
// tables, each a miss, and where one lies another says: so a stage is asked for while the event at
// hand goes on, and the next stage later in it.
void FlowSimulation::LookAhead(Stage stage) {
  if (next_flow_ == kNobody) return;
  const Flow& flow = flows_[next_flow_];
  if (!flow.live || flow.terms == kNoTerms || !AtWork(flow.row)) {
    next_flow_ = kNobody;
    return;
  }
  switch (stage) {
    case Stage::kRow:
      schedule_.PrefetchRow(flow.row);
      __builtin_prefetch(&RunOf(flow.row), 1);
      __builtin_prefetch(&sent_bits_[Index(flow.terms)], 1);
      __builtin_prefetch(edge_terms_.data() + flow.edges.first + 1);
      __builtin_prefetch(paths_.edges().data() + flow.edges.first + 1);
      return system_->PrefetchRow(flow.terms);
    case Stage::kOp:
      schedule_.PrefetchOp(flow.row);
      __builtin_prefetch(&slot_of_row_[flow.row] + 1, 1);
      return system_->PrefetchCrossings(next_flow_);
    case Stage::kLinks:
      system_->PrefetchLinks(next_flow_);
      return system_->PrefetchTermsAfter(flow.terms);
    case Stage::kStream:
      schedule_.PrefetchStream(flow.row);
      __builtin_prefetch(paths_.subjects().data() + RunOf(flow.row).subject + 1);
      return;
  }
}

// Files a flow with the link that holds it back now; by itself where it is so there.
void FlowSimulation::Reclock(std::uint32_t id) {
  const double left =
      clocks_->placed(id) ? clocks_->Left(id, now_) : flows_[id].left_bits / system_->weight(id);
  const double level = system_->level_bps(id);
  if (system_->by_itself(id) || !input_.options.implicit_rates)
    return clocks_->PlaceAlone(id, left, level, now_);
  clocks_->Place(id, system_->bottleneck(id), left, level, now_);
}

void FlowSimulation::SortTail(std::size_t first_completion, std::size_t first_channel_end) {
  if (completions_.size() <= first_completion + 1 && channel_ends_.size() <= first_channel_end + 1)
    return;
  SortFrom(completions_, first_completion, [](const Completion& a, const Completion& b) {
    return a.row != b.row ? a.row < b.row : a.pass < b.pass;
  });
  SortFrom(channel_ends_, first_channel_end, [](const ChannelEnd& a, const ChannelEnd& b) {
    return std::tie(a.end, a.row, a.pass, a.channel) < std::tie(b.end, b.row, b.pass, b.channel);
  });
}

void FlowSimulation::AddTimer(SimTime at, Timer::Kind kind, std::uint32_t row, std::uint32_t part) {
  const bool of_row = kind != Timer::Kind::kReroute && kind != Timer::Kind::kMove;
  timers_.Push({at, kind, row, part, of_row ? RunOf(row).serial : 0});
}

void FlowSimulation::OnTimer(const Timer& timer) {
  if (timer.kind == Timer::Kind::kReroute) return OnReroute(timer.row);
  if (timer.kind == Timer::Kind::kMove) return OnMove(timer.row);
  if (!AtWork(timer.row)) return;  // cancelled or failed since
  const Running& run = RunOf(timer.row);
  if (run.serial != timer.serial) return;
  if (timer.kind == Timer::Kind::kRetry) return OnRetry(timer);
  if (timer.kind == Timer::Kind::kReplay) return OnReplay(timer.row);
  if (timer.kind == Timer::Kind::kEnd) return EndRow(timer.row, Completion::Status::kDone, kNoLink);
  const PathTable::Subject& subject = SubjectOf(run);
  const bool pipelined =
      subject.pattern != nullptr && subject.pattern->advance == Pattern::Advance::kPipelined;
  if (pipelined) return StartChannel(timer.row, static_cast<std::uint16_t>(timer.part));
  const std::uint32_t edge = subject.first_edge + timer.part;
  StartEdge(timer.row, edge,
            static_cast<std::uint16_t>(paths_.edges()[edge].channel_row - subject.first_channel));
}

void FlowSimulation::Cancel(JobId job) {
  Materialise();
  const std::size_t completions = completions_.size(), channel_ends = channel_ends_.size();
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row) {
    if (schedule_.op(row).job != job || schedule_.closed(row)) continue;
    EndRow(row, Completion::Status::kCancelled, kNoLink);
  }
  Reschedule();
  SortTail(completions, channel_ends);
}

void FlowSimulation::Reset(HashSeed seed) {
  input_.seed = seed;
  paths_.Rebind(seed);
  schedule_.Reset();
  Restart();
  Plan();
}

Outcome FlowSimulation::Finish() {
  Materialise();
  Outcome outcome;
  outcome.memoised = memoised_;
  outcome.folded = folding_.folded;
  outcome.not_folded = folding_.refused;
  if (plan_known_ && input_.physics.coupling == Coupling::kAuto)
    outcome.loose_operations = CountLoose(schedule_, paths_, tight_);
  outcome.events = instants_;
  outcome.faults = effects_;
  outcome.path_search = paths_.search_work();
  outcome.waiting = schedule_.WaitingRows();
  for (const Completion& completion : completions_)
    outcome.end = std::max(outcome.end, completion.end);
  CreditLive();
  std::vector<double>& bits = coefficient_;  // all 0, and again so below
  for (std::uint32_t row = 0; row < sent_bits_.size(); ++row)
    for (const Term& term : system_->all_terms(TermsId{row}))
      bits[term.link] += term.coefficient * sent_bits_[row];
  outcome.link_bytes.reserve(bits.size());
  for (double& b : bits) outcome.link_bytes.push_back(Bytes(std::llround(std::exchange(b, 0) / 8)));
  return outcome;
}

}  // namespace weft
