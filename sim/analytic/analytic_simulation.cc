#include "sim/analytic/analytic_simulation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/check.h"
#include "sim/startup.h"

namespace weft {
namespace {

constexpr double kNeverSeconds = 9e6;  // SimTime reaches 106 days, 9.16e6 s

// kForever where it lies beyond what SimTime can say.
SimTime EndOf(SimTime from, double seconds) {
  return seconds < kNeverSeconds - ToSeconds(from) ? from + FromSecondsUp(seconds) : kForever;
}

}  // namespace

AnalyticSimulation::AnalyticSimulation(const SimulationInput& input)
    : input_(input),
      paths_(*input.fabric, *input.router, input.physics, input.seed),
      goes_down_(input.fabric->link_count(), false),
      link_bits_(input.fabric->link_count(), 0.0) {
  FindDownLinks();
  for (const Link& link : input_.fabric->links())
    capacity_bps_.push_back(Capacity(link, input_.physics).bits_per_second());
  if (paths_.policy().splits()) FindCuts();
  must_bits_.assign(capacity_bps_.size(), 0.0);
  scratch_bits_.assign(capacity_bps_.size(), 0.0);
  crossing_.assign(capacity_bps_.size(), 0.0);
}

// Rows after the links'. A link lies in the cut of its lower end, and between tier 2 and the
// cores in the one of that end's pod and plane too.
void AnalyticSimulation::FindCuts() {
  const Fabric& fabric = *input_.fabric;
  std::map<std::pair<std::uint64_t, bool>, std::uint32_t> rows;
  const auto row_of = [&](std::uint64_t owner, bool outwards) {
    const auto next = static_cast<std::uint32_t>(capacity_bps_.size());
    const auto [at, is_new] = rows.emplace(std::pair(owner, outwards), next);
    if (is_new) capacity_bps_.push_back(0);
    return at->second;
  };
  cuts_of_link_.assign(fabric.link_count(), {kNoCut, kNoCut});
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    if (link.link_class != LinkClass::kNetwork) continue;
    const Vertex &from = fabric.vertex(link.from), &to = fabric.vertex(link.to);
    if (from.tier == to.tier) continue;
    const bool outwards = from.tier < to.tier;  // a NIC's is 0
    const Vertex& lower = outwards ? from : to;
    cuts_of_link_[l][0] = row_of(Index(outwards ? link.from : link.to), outwards);
    if (lower.tier == 2)
      cuts_of_link_[l][1] =
          row_of(std::uint64_t{1} << 40 | std::uint64_t{lower.pod} << 8 | lower.plane, outwards);
    for (const std::uint32_t cut : cuts_of_link_[l])
      if (cut != kNoCut) capacity_bps_[cut] += capacity_bps_[l];
  }
}

void AnalyticSimulation::FindDownLinks() {
  LinkState state(*input_.fabric);
  for (const Event& event : input_.events)
    for (const LinkId link : state.Apply(*input_.fabric, event.element, event.state))
      if (!state.up(link)) goes_down_[Index(link)] = true;
}

RowId AnalyticSimulation::Append(const Program& program) {
  const std::uint32_t first = schedule_.Append(program);
  paths_.Append(program, first, input_.stop);
  running_.resize(schedule_.row_count());
  return RowId{first};
}

Simulation::Stop AnalyticSimulation::Run(SimTime until, std::uint64_t event_budget) {
  for (std::uint64_t used = 0;; ++used) {
    if (schedule_.watched_closed()) return Stop::kWatched;
    if (schedule_.open_count() == 0) return Stop::kIdle;
    if (!schedule_.has_ready() && ends_.empty()) return Stop::kStarved;
    const SimTime next = schedule_.has_ready() ? now_ : ends_.top_time();
    if (next > until) {
      now_ = std::max(now_, until);
      return Stop::kUntil;
    }
    if (used == event_budget) return Stop::kBudget;
    now_ = next;
    ++instants_;
    EndDue();  // what starts now ends in a later round
    schedule_.TakeReady(ready_);
    for (const std::uint32_t row : ready_) Start(row);
  }
}

void AnalyticSimulation::EndDue() {
  if (ends_.empty() || ends_.top_time() > now_) return;
  due_.clear();
  ends_.TakeTop(due_);
  std::sort(due_.begin(), due_.end());
  for (const std::uint32_t row : due_) End(row, Completion::Status::kDone);
}

bool AnalyticSimulation::MayMove(const PathTable::Qp& qp) const {
  if (!qp.bound) return true;
  for (const LinkId link : paths_.hops(qp))
    if (goes_down_[Index(link)]) return true;
  return false;
}

void AnalyticSimulation::AddMustCross(const PathTable::Qp& qp, double qp_bits,
                                      std::vector<double>& bits,
                                      std::vector<std::uint32_t>& rows) const {
  const auto add = [&](std::uint32_t row) {
    if (bits[row] == 0) rows.push_back(row);
    bits[row] += qp_bits;
  };
  const auto hops = paths_.hops(qp);
  const auto shares = paths_.shares(qp);
  if (shares.empty()) {
    for (const LinkId link : hops) add(Index(link));
    return;
  }
  crossed_.clear();
  const auto cross = [&](std::uint32_t row, double share) {
    if (crossing_[row] == 0) crossed_.push_back(row);
    crossing_[row] += share;
  };
  for (std::size_t h = 0; h < hops.size(); ++h) {
    cross(Index(hops[h]), shares[h]);
    for (const std::uint32_t cut : cuts_of_link_[Index(hops[h])])
      if (cut != kNoCut) cross(cut, shares[h]);
  }
  for (const std::uint32_t row : crossed_) {
    if (crossing_[row] >= 1 - 1e-9) add(row);
    crossing_[row] = 0;
  }
}

// Adds the bits of `edges` to `bits` by link. With `rows`, only what cannot go elsewhere, by
// link and cut, and `rows` lists where anything was added.
void AnalyticSimulation::AddBits(std::uint32_t row, PathTable::Range edges,
                                 std::vector<double>& bits,
                                 std::vector<std::uint32_t>* rows) const {
  const Op& op = schedule_.op(row);
  const PathTable::Subject& subject = paths_.subject(schedule_.program_index(row), op);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const PathTable::Edge& edge = paths_.edges()[e];
    const double each = EdgeWireBytes(schedule_.program(row), op, subject, e) * 8 / edge.qps;
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      const PathTable::Qp& qp = paths_.qps()[q];
      if (each == 0 || (rows != nullptr && MayMove(qp))) continue;
      if (rows != nullptr) {
        AddMustCross(qp, each, bits, *rows);
        continue;
      }
      const auto hops = paths_.hops(qp);
      const auto shares = paths_.shares(qp);
      for (std::size_t h = 0; h < hops.size(); ++h)
        bits[Index(hops[h])] += shares.empty() ? each : each * shares[h];
    }
  }
}

AnalyticSimulation::Bound AnalyticSimulation::BoundOf(std::uint32_t row, PathTable::Range edges) {
  Bound bound;
  scratch_links_.clear();
  AddBits(row, edges, scratch_bits_, &scratch_links_);
  std::sort(scratch_links_.begin(), scratch_links_.end());
  for (const std::uint32_t link : scratch_links_) {
    const double seconds = scratch_bits_[link] / capacity_bps_[link];
    if (seconds > bound.seconds) bound = {seconds, LinkOf(link)};
    scratch_bits_[link] = 0;
  }
  const Op& op = schedule_.op(row);
  const PathTable::Subject& subject = paths_.subject(schedule_.program_index(row), op);
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const double cap_bps = paths_.edges()[e].cap_bps;
    if (cap_bps == 0) continue;
    const double seconds = EdgeWireBytes(schedule_.program(row), op, subject, e) * 8 / cap_bps;
    if (seconds > bound.seconds) bound = {seconds, kNoLink};
  }
  return bound;
}

void AnalyticSimulation::Start(std::uint32_t row) {
  const Op& op = schedule_.op(row);
  Running& run = running_[row];
  run = {now_, now_, kNoLink, {}};
  if (op.kind == Op::Kind::kCompute)
    run.end = now_ + ComputeTime(schedule_.program(row), op, row, schedule_.pass(row));
  else if (op.kind == Op::Kind::kDelay)
    run.end = now_ + op.duration();
  else
    StartTransfer(row, run);
  if (run.end < kForever) ends_.Set(row, run.end);  // else it never ends
}

// Whether bytes of it have no path, and no event that could give them one.
bool AnalyticSimulation::NeverArrives(std::uint32_t row, const PathTable::Subject& subject) const {
  if (!input_.events.empty()) return false;
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e) {
    const PathTable::Edge& edge = paths_.edges()[e];
    if (EdgeWireBytes(schedule_.program(row), schedule_.op(row), subject, e) == 0) continue;
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q)
      if (!paths_.qps()[q].bound) return true;
  }
  return false;
}

void AnalyticSimulation::StartTransfer(std::uint32_t row, Running& run) {
  const Op& op = schedule_.op(row);
  const Program& program = schedule_.program(row);
  const PathTable::Subject& subject = paths_.subject(schedule_.program_index(row), op);
  const bool send = subject.pattern == nullptr;
  const SimDuration launch = send ? input_.physics.launch : program.tunings[op.tuning].launch;
  const bool pipelined = !send && subject.pattern->advance == Pattern::Advance::kPipelined;
  run.end = now_ + launch;
  if (subject.edge_count == 0) return;
  if (NeverArrives(row, subject)) {
    run.end = kForever;
    return;
  }

  // Channels (pipelined) or edges begin each at its own time; the whole cannot
  // begin before the first.
  std::vector<SimDuration> startup;
  if (pipelined) startup = SubjectStartup(paths_, subject, program, op);
  SimDuration first = SimDuration::max();
  const auto add = [&](PathTable::Range edges, SimDuration latency) {
    const Bound bound = BoundOf(row, edges);
    const SimTime end = EndOf(now_ + launch + latency, bound.seconds);
    first = std::min(first, latency);
    if (end > run.end || run.bottleneck == kNoLink) run.bottleneck = bound.link;
    run.end = std::max(run.end, end);
    return end;
  };
  for (std::uint16_t c = 0; c < subject.channels; ++c) {
    const PathTable::Range edges = paths_.channel_edges(subject, c);
    if (edges.count == 0) continue;
    SimTime channel_end = now_;
    if (pipelined) channel_end = add(edges, startup[c]);
    for (std::uint32_t e = edges.first; !pipelined && e < edges.first + edges.count; ++e)
      channel_end = std::max(channel_end, add({e, 1}, paths_.edges()[e].latency));
    if (!send) run.channels.push_back({c, channel_end});
  }
  const Bound all = BoundOf(row, {subject.first_edge, subject.edge_count});
  const SimTime end = EndOf(now_ + launch + first, all.seconds);
  if (end > run.end) {
    run.end = end;
    run.bottleneck = all.link;
  }
}

void AnalyticSimulation::End(std::uint32_t row, Completion::Status status) {
  const Op& op = schedule_.op(row);
  const Running& run = running_[row];
  const bool began = schedule_.running(row);
  const bool transfer = op.kind == Op::Kind::kPattern || op.kind == Op::Kind::kSend;
  const std::uint32_t pass = schedule_.pass(row);
  ends_.Erase(row);
  completions_.push_back({RowId{row}, pass, began ? run.start : now_, now_, status,
                          status == Completion::Status::kDone ? run.bottleneck : kNoLink});
  if (status == Completion::Status::kDone) {
    for (const Channel& c : run.channels)
      channel_ends_.push_back({RowId{row}, pass, c.channel, c.end});
    if (transfer) {
      const PathTable::Subject& subject = paths_.subject(schedule_.program_index(row), op);
      const PathTable::Range edges{subject.first_edge, subject.edge_count};
      AddBits(row, edges, link_bits_, nullptr);
      scratch_links_.clear();
      AddBits(row, edges, must_bits_, &scratch_links_);
    }
    schedule_.Complete(row);
  } else {
    schedule_.Drop(row);
  }
}

void AnalyticSimulation::Cancel(JobId job) {
  for (std::uint32_t row = 0; row < schedule_.row_count(); ++row)
    if (schedule_.op(row).job == job && !schedule_.closed(row))
      End(row, Completion::Status::kCancelled);
}

void AnalyticSimulation::Reset(HashSeed seed) {
  input_.seed = seed;
  paths_.Rebind(seed);
  schedule_.Reset();
  now_ = {};
  instants_ = 0;
  ends_.Clear();
  completions_.clear();
  channel_ends_.clear();
  std::fill(link_bits_.begin(), link_bits_.end(), 0.0);
  std::fill(must_bits_.begin(), must_bits_.end(), 0.0);
}

Outcome AnalyticSimulation::Finish() {
  Outcome outcome;
  outcome.events = instants_;
  outcome.waiting = schedule_.WaitingRows();
  for (std::uint32_t e = 0; e < input_.events.size(); ++e) outcome.faults.push_back({e});
  for (const Completion& completion : completions_)
    outcome.end = std::max(outcome.end, completion.end);
  outcome.path_search = paths_.search_work();
  outcome.link_bytes.reserve(link_bits_.size());
  for (const double bits : link_bits_) outcome.link_bytes.push_back(Bytes(std::llround(bits / 8)));
  for (std::uint32_t row = 0; row < must_bits_.size(); ++row)
    if (must_bits_[row] > 0)
      outcome.end = std::max(outcome.end, EndOf({}, must_bits_[row] / capacity_bps_[row]));
  return outcome;
}

}  // namespace weft
