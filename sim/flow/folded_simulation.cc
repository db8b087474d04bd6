#include "sim/flow/folded_simulation.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <tuple>
#include <utility>

namespace weft {

FoldedSimulation::FoldedSimulation(const SimulationInput& input) : input_(input), whole_(input) {}

RowId FoldedSimulation::Append(const Program& program) {
  const RowId first = whole_.Append(program);
  programs_.push_back(&program);
  tried_ = false;
  classes_ = nullptr;
  return first;
}

// Of one program, before it runs.
void FoldedSimulation::Fold() {
  tried_ = true;
  classes_ = nullptr;
  refused_.clear();
  watched_later_ = apart_tried_ = false;
  if (!input_.options.fold || !input_.events.empty() || programs_.size() != 1) return;
  const Telling first = FirstTelling(whole_.WholeProgram());
  watched_later_ = apart_tried_ = first == Telling::kApart;
  FoldInto(first);
}

// After a run of what was tried has failed.
void FoldedSimulation::FoldNext() {
  if (how_ == Telling::kApart) return FoldInto(Telling::kTogether);
  if (how_ == Telling::kWatched && !apart_tried_) return FoldInto(Telling::kApart);
  classes_ = nullptr;
}

void FoldedSimulation::FoldInto(Telling how) {
  completions_.clear();
  channel_ends_.clear();
  completions_said_ = channel_ends_said_ = 0;
  classes_ = nullptr;
  std::string refused;
  how_ = how;
  quotient_ = MakeQuotient(whole_.WholeProgram(), how, refused);
  if (refused_.empty()) refused_ = refused;
  if (quotient_ == nullptr && refused == kNoEnds) return FoldInto(Telling::kApart);
  if (quotient_ == nullptr && refused == kNoLinkEach) return FoldInto(Telling::kTogether);
  if (quotient_ == nullptr && std::exchange(watched_later_, false))
    return FoldInto(Telling::kWatched);
  if (quotient_ == nullptr) return;
  classes_ = std::make_unique<FlowSimulation>(whole_, *quotient_);
  known_links_.assign(programs_.front()->patterns.size() + programs_.front()->sends.size(),
                      {kNoLink, kNoLink});
  before_bps_.assign(quotient_->paths->edges().size(), 0.0);
  watched_by_edge_.assign(before_bps_.size(), {});
  for (std::uint32_t w = 0; w < quotient_->watched.size(); ++w)
    for (std::uint32_t t = 0; t < quotient_->watched[w].term_count; ++t)
      watched_by_edge_[quotient_->watched_terms[quotient_->watched[w].first_term + t].edge]
          .push_back(w);
  Watch(watched_);
}

void FoldedSimulation::Watch(std::span<const RowId> rows) {
  if (rows.data() != watched_.data()) watched_.assign(rows.begin(), rows.end());
  whole_.Watch(watched_);
  if (classes_ == nullptr) return;
  std::vector<RowId> of_classes;
  for (const RowId row : watched_) of_classes.push_back(RowId{quotient_->class_of_row[Index(row)]});
  classes_->Watch(of_classes);
}

Simulation::Stop FoldedSimulation::Run(SimTime until, std::uint64_t event_budget) {
  if (!tried_) Fold();
  while (classes_ != nullptr) {
    if (const std::optional<Stop> stop = RunClasses(until, event_budget)) {
      Unfold(*stop != Stop::kBudget);
      return *stop;
    }
    // Anew, to where it was: the caller's budget is of what comes after.
    const SimTime reached = std::min(classes_->now(), until);
    do {
      FoldNext();
    } while (classes_ != nullptr && !RunClasses(reached, kNoBudget));
    if (classes_ == nullptr) whole_.Run(reached, kNoBudget);
  }
  return whole_.Run(until, event_budget);
}

// Instant by instant where links are watched; none: one of these is full.
std::optional<Simulation::Stop> FoldedSimulation::RunClasses(SimTime until,
                                                             std::uint64_t event_budget) {
  if (quotient_->watched.empty()) return classes_->Run(until, event_budget);
  for (std::uint64_t used = 0;; ++used) {
    const Stop stop = classes_->Run(until, std::min<std::uint64_t>(1, event_budget - used));
    if (Refuses()) return std::nullopt;
    if (stop != Stop::kBudget || used + 1 >= event_budget) return stop;
  }
}

// Whether a watched link would be over its rate now, or is crossed by both groups.
bool FoldedSimulation::Refuses() {
  classes_->EdgeRates(rate_bps_);
  for (std::uint32_t e = 0; e < rate_bps_.size(); ++e) {
    if (rate_bps_[e] <= before_bps_[e]) continue;
    for (const std::uint32_t w : watched_by_edge_[e])
      if (Refuses(quotient_->watched[w])) return true;
  }
  before_bps_.swap(rate_bps_);
  return false;
}

bool FoldedSimulation::Refuses(const Quotient::Watched& watched) {
  constexpr double kRounding = 1e-9;
  double bps[2] = {0, 0};  // by group
  for (std::uint32_t t = 0; t < watched.term_count; ++t) {
    const Quotient::WatchedTerm& term = quotient_->watched_terms[watched.first_term + t];
    bps[term.group] += term.coefficient * rate_bps_[term.edge];
  }
  if (watched.capacity_bps == 0) return bps[0] > 0 && bps[1] > 0;
  if (bps[0] <= watched.capacity_bps * (1 + kRounding)) return false;
  const Fabric& fabric = *input_.fabric;
  refused_ = fabric.Name(fabric.link(watched.link).from) + " -> " +
             fabric.Name(fabric.link(watched.link).to) + " fills, and replicas cross it unlike";
  return true;
}

std::span<const Completion> FoldedSimulation::completions() const {
  return classes_ == nullptr ? whole_.completions() : std::span<const Completion>(completions_);
}

std::span<const ChannelEnd> FoldedSimulation::channel_ends() const {
  return classes_ == nullptr ? whole_.channel_ends() : std::span<const ChannelEnd>(channel_ends_);
}

// Says of all members what their classes did. What ended in one instant is said together, in row
// order, so the last instant waits until it is over; `all`: it is.
void FoldedSimulation::Unfold(bool all) {
  const auto unfold = [all](const auto& from, std::size_t& said, auto& to, const auto& add,
                            const auto& less) {
    std::size_t end = from.size();
    while (!all && end > said && from[end - 1].end == from.back().end) --end;
    while (said < end) {
      const auto first = static_cast<std::ptrdiff_t>(to.size());
      for (const SimTime instant = from[said].end; said < end && from[said].end == instant; ++said)
        add(from[said]);
      std::sort(to.begin() + first, to.end(), less);
    }
  };
  unfold(
      classes_->completions(), completions_said_, completions_,
      [&](const Completion& one) {
        for (const std::uint32_t row : MembersOf(one.row)) {
          Completion mine = one;
          mine.row = RowId{row};
          mine.bottleneck = LinkOf(one.bottleneck, row);
          completions_.push_back(mine);
        }
      },
      [](const Completion& a, const Completion& b) {
        return std::tie(a.row, a.pass) < std::tie(b.row, b.pass);
      });
  unfold(
      classes_->channel_ends(), channel_ends_said_, channel_ends_,
      [&](const ChannelEnd& one) {
        for (const std::uint32_t row : MembersOf(one.row)) {
          channel_ends_.push_back(one);
          channel_ends_.back().row = RowId{row};
        }
      },
      [](const ChannelEnd& a, const ChannelEnd& b) {
        return std::tie(a.row, a.pass, a.channel) < std::tie(b.row, b.pass, b.channel);
      });
}

// The link of its class that `row` crosses.
LinkId FoldedSimulation::LinkOf(LinkId of_class, std::uint32_t row) {
  if (of_class == kNoLink) return kNoLink;
  const PathTable& paths = whole_.paths();
  const std::uint32_t s = paths.subject_row(0, programs_.front()->ops[row]);
  auto& [known_class, known] = known_links_[s];
  if (known_class == of_class) return known;
  known_class = of_class;
  known = kNoLink;
  const std::size_t groups = quotient_->group_of[s] * std::size_t{input_.fabric->link_count()};
  const PathTable::Subject& subject = paths.subjects()[s];
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
    for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
      for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q]))
        if (quotient_->link_of[groups + Index(link)] == of_class) return known = link;
  return known;
}

void FoldedSimulation::Cancel(JobId job) {
  if (classes_ != nullptr && !quotient_->watched.empty()) {  // what it frees may fill one
    const SimTime now = classes_->now();
    classes_ = nullptr;
    refused_ = "a job was cancelled";
    whole_.Run(now, kNoBudget);
  }
  if (classes_ == nullptr) return whole_.Cancel(job);
  classes_->Cancel(job);
  Unfold(true);
}

void FoldedSimulation::Reset(HashSeed seed) {
  input_.seed = seed;
  whole_.Reset(seed);
  classes_ = nullptr;
  tried_ = false;
}

// Every edge has sent what its class has.
std::vector<Bytes> FoldedSimulation::LinkBytes() {
  const PathTable& paths = whole_.paths();
  const std::vector<double> sent = classes_->EdgeBitsSent();
  std::vector<double> bits(input_.fabric->link_count(), 0.0);
  for (std::uint32_t e = 0; e < paths.edges().size(); ++e) {
    const std::uint32_t of = quotient_->edge_of[e];
    if (of >= sent.size() || sent[of] == 0) continue;
    paths.ForEachHop(e, [&](LinkId link, double share) { bits[Index(link)] += sent[of] * share; });
  }
  std::vector<Bytes> bytes;
  bytes.reserve(bits.size());
  for (const double b : bits) bytes.push_back(Bytes(std::llround(b / 8)));
  return bytes;
}

// The row of its class that `row` of the whole waits for: by dependency, or in a common stream.
RowId FoldedSimulation::WaitedFor(std::uint32_t row, RowId of_class) const {
  if (of_class == kNoRow) return kNoRow;
  const Program& program = *programs_.front();
  const Op& op = program.ops[row];
  for (std::uint32_t i = 0; i < op.dep_count; ++i) {
    const std::uint32_t on = program.deps[op.first_dep + i].row;
    if (quotient_->class_of_row[on] == Index(of_class)) return RowId{on};
  }
  const auto streams = [&](std::uint32_t of) {
    return std::span(program.streams)
        .subspan(program.ops[of].first_stream, program.ops[of].stream_count);
  };
  const auto mine = streams(row);
  for (const std::uint32_t on : MembersOf(of_class)) {
    const auto theirs = streams(on);
    if (std::find_first_of(mine.begin(), mine.end(), theirs.begin(), theirs.end()) != mine.end())
      return RowId{on};
  }
  return RowId{MembersOf(of_class).front()};
}

Outcome FoldedSimulation::Finish() {
  if (classes_ == nullptr) {
    Outcome outcome = whole_.Finish();
    if (!refused_.empty()) outcome.not_folded = refused_;
    return outcome;
  }
  Unfold(true);
  Outcome outcome = classes_->Finish();
  const Outcome whole = whole_.Finish();  // of what never ran: how its paths were found
  outcome.path_search = whole.path_search;
  outcome.loose_operations = whole.loose_operations;
  outcome.not_folded.clear();
  const auto rows = static_cast<std::uint32_t>(quotient_->members.size());
  outcome.folded = rows - static_cast<std::uint32_t>(quotient_->program.ops.size());
  outcome.link_bytes = LinkBytes();
  std::vector<Waiting> waiting;
  for (const Waiting& one : outcome.waiting)
    for (const std::uint32_t row : MembersOf(one.row))
      waiting.push_back({RowId{row}, WaitedFor(row, one.for_row)});
  std::sort(waiting.begin(), waiting.end(),
            [](const Waiting& a, const Waiting& b) { return a.row < b.row; });
  outcome.waiting = std::move(waiting);
  return outcome;
}

}  // namespace weft
