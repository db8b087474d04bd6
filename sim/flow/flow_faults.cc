// Events, and what the network and the senders do about them.
#include <algorithm>

#include "sim/flow/flow_simulation.h"

namespace weft {

// Counts its QPs without a path under the events that took them: as given up, or as hit, where it
// begins now and was not in flight then.
void FlowSimulation::CountWithoutPath(const Running& run, bool failed) {
  const PathTable::Subject& subject = SubjectOf(run);
  for (std::uint32_t e = 0; e < subject.edge_count; ++e) {
    if (failed && !HasBytes(run, e)) continue;
    const PathTable::Edge& edge = paths_.edges()[subject.first_edge + e];
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q) {
      if (routes_->up(q) || routes_->broken_by(q) >= effects_.size()) continue;
      FaultEffect& effect = effects_[routes_->broken_by(q)];
      if (failed) {
        ++effect.failed;
      } else {
        ++effect.crossing;
        effect.stalled += routes_->stalled(q) ? 1u : 0u;
      }
    }
  }
}

// [E] 1 where an operation at work still has bytes for the edge.
void FlowSimulation::MarkInFlight() {
  std::fill(in_flight_.begin(), in_flight_.end(), std::uint8_t{0});
  for (const Running& run : slots_) {
    if (!run.live) continue;
    const Op::Kind kind = schedule_.op(run.row).kind;
    if (kind != Op::Kind::kPattern && kind != Op::Kind::kSend) continue;
    const PathTable::Subject& subject = SubjectOf(run.row);
    for (std::uint32_t e = 0; e < subject.edge_count; ++e)
      if (HasBytes(run, e)) in_flight_[subject.first_edge + e] = 1;
  }
}

void FlowSimulation::CountByCause(const std::vector<std::uint32_t>& qps,
                                  std::uint32_t FaultEffect::*field) {
  for (const std::uint32_t q : qps)
    if (routes_->broken_by(q) < effects_.size())
      effects_[routes_->broken_by(q)].*field += InFlight(q);
}

void FlowSimulation::OnEvent(std::uint32_t event) {
  ++epoch_;
  MarkInFlight();
  const Routes::Change change = routes_->Apply(input_.events[event], event);
  for (const std::uint32_t q : change.touched) effects_[event].crossing += InFlight(q);
  for (const LinkId id : change.links) {
    const double share = routes_->links().share(id);
    if (share == 0) continue;  // nothing stays on it
    const Link& link = input_.fabric->link(id);
    system_->SetCapacity(Index(id), Capacity(link, input_.physics, share).bits_per_second());
  }
  AfterChange(change);
  if (!change.broken.empty())
    AddTimer(now_ + input_.fault_policy.detect, Timer::Kind::kReroute, event, 0);
}

void FlowSimulation::OnReroute(std::uint32_t event) {
  ++epoch_;
  MarkInFlight();
  const Routes::Change change = routes_->Reroute(event);
  AfterChange(change);
  if (change.moving) AddTimer(now_ + input_.fault_policy.move, Timer::Kind::kMove, event, 0);
}

void FlowSimulation::OnMove(std::uint32_t event) {
  ++epoch_;
  MarkInFlight();
  AfterChange(routes_->Move(event));
}

void FlowSimulation::AfterChange(const Routes::Change& change) {
  CountByCause(change.rerouted, &FaultEffect::rerouted);
  CountByCause(change.moved, &FaultEffect::moved);
  CountByCause(change.stalled, &FaultEffect::stalled);
  for (const auto* qps : {&change.broken, &change.rerouted, &change.moved, &change.restored})
    for (const std::uint32_t q : *qps) ForgetTerms(q);
  for (std::uint32_t id = 0; id < flows_.size(); ++id) {
    Flow& flow = flows_[id];
    if (!flow.live) continue;
    const auto first = dirty_.begin() + flow.edges.first;
    if (std::find(first, first + flow.edges.count, 1) == first + flow.edges.count) continue;
    Credit(flow, LeftBits(id));
    if (!HasPath(flow.edges)) {
      if (!flow.stalled) {
        system_->Pause(id);
        Stall(id);
      }
      continue;
    }
    if (!flow.stalled) system_->Pause(id);
    flow.stalled = false;
    clocks_->Remove(id);
    flow.terms = TermsOf(flow);
    system_->Resume(id, flow.terms, CapOf(flow));
  }
  std::fill(dirty_.begin(), dirty_.end(), std::uint8_t{0});
}

// Its edge and channel take other links from now on.
void FlowSimulation::ForgetTerms(std::uint32_t qp) {
  const std::uint32_t edge = paths_.qps()[qp].edge;
  dirty_[edge] = 1;
  edge_terms_[edge] = kNoTerms;
  channel_terms_[paths_.edges()[edge].channel_row] = kNoTerms;
}

bool FlowSimulation::HasPath(PathTable::Range edges) const {
  if (routes_->undisturbed()) return true;
  for (std::uint32_t e = edges.first; e < edges.first + edges.count; ++e) {
    const PathTable::Edge& edge = paths_.edges()[e];
    for (std::uint32_t q = edge.first_qp; q < edge.first_qp + edge.qps; ++q)
      if (!routes_->up(q)) return false;
  }
  return true;
}

void FlowSimulation::Stall(std::uint32_t id) {
  Flow& flow = flows_[id];
  flow.stalled = true;
  if (id >= stalled_at_.size()) stalled_at_.resize(id + std::size_t{1});
  stalled_at_[id] = now_;
  clocks_->Remove(id);
  const SimDuration patience = input_.fault_policy.retry_timeout;
  if (patience > SimDuration{}) AddTimer(now_ + patience, Timer::Kind::kRetry, flow.row, id);
}

void FlowSimulation::OnRetry(const Timer& timer) {
  const Flow& flow = flows_[timer.part];
  const bool since_then = flow.live && flow.stalled && flow.row == timer.row &&
                          stalled_at_[timer.part] + input_.fault_policy.retry_timeout == timer.at;
  if (!since_then) return;                   // it went on in between
  CountWithoutPath(RunOf(timer.row), true);  // all that it had, whichever ran out first
  EndRow(timer.row, Completion::Status::kFailed, kNoLink);
}

}  // namespace weft
