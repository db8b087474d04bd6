#include "sim/flow/routes.h"

#include <algorithm>

namespace weft {

Routes::Routes(const Fabric& fabric, const PathTable& paths, FaultPolicy::Qps policy)
    : fabric_(&fabric),
      paths_(&paths),
      policy_(policy),
      links_(fabric),
      changed_(fabric.link_count(), 0) {}

bool Routes::Grow(std::uint32_t event) {
  bool any = false;
  const std::size_t first = state_.size();
  state_.resize(paths_->qps().size(), State::kBound);
  broken_by_.resize(state_.size(), event);
  detour_.resize(state_.size(), 0);
  for (std::size_t q = first; q < state_.size(); ++q) {
    if (!paths_->qps()[q].bound) {
      state_[q] = State::kStalled;
      broken_by_[q] = kNoEvent;
      undisturbed_ = false;
    }
    if (links_.all_up() || AllUp(paths_->hops(paths_->qps()[q]))) continue;
    state_[q] = State::kBroken;
    any = true;
  }
  return any;
}

std::span<const LinkId> Routes::hops(std::uint32_t qp) const {
  if (state_[qp] == State::kDetour) return detours_[detour_[qp] - 1].links;
  return paths_->hops(paths_->qps()[qp]);
}

std::span<const double> Routes::shares(std::uint32_t qp) const {
  if (state_[qp] == State::kDetour) return detours_[detour_[qp] - 1].shares;
  return paths_->shares(paths_->qps()[qp]);
}

bool Routes::AllUp(std::span<const LinkId> path) const {
  return std::all_of(path.begin(), path.end(), [&](LinkId link) { return links_.up(link); });
}

bool Routes::Detour(std::uint32_t qp, std::uint8_t host_port) {
  if (detour_[qp] == 0) {
    detours_.emplace_back();
    detour_[qp] = static_cast<std::uint32_t>(detours_.size());
  }
  QpRoute& route = detours_[detour_[qp] - 1];
  if (!paths_->Route(paths_->qps()[qp], host_port, links_, route)) return false;
  state_[qp] = State::kDetour;
  return true;
}

bool Routes::DetourByAnotherPort(std::uint32_t qp) {
  const PathTable::Qp& row = paths_->qps()[qp];
  if (policy_ == FaultPolicy::Qps::kStay || row.nic == kNoVertex) return false;
  const std::uint8_t ports = fabric_->PortCount(row.nic);
  for (std::uint8_t i = 1; i < ports; ++i)
    if (Detour(qp, static_cast<std::uint8_t>((row.host_port + i) % ports))) return true;
  return false;
}

void Routes::Restore(std::uint32_t qp, Change& change) {
  const PathTable::Qp& row = paths_->qps()[qp];
  if (row.bound && AllUp(paths_->hops(row))) {
    state_[qp] = State::kBound;
    change.restored.push_back(qp);
  } else if (state_[qp] == State::kStalled) {
    if (Detour(qp, row.host_port))
      change.rerouted.push_back(qp);
    else if (DetourByAnotherPort(qp))
      change.moved.push_back(qp);
  }
}

Routes::Change Routes::Apply(const Event& event, std::uint32_t event_row) {
  Change change;
  undisturbed_ = false;
  change.links = links_.Apply(*fabric_, event.element, event.state);
  bool some_up = false;
  for (const LinkId link : change.links) {
    changed_[Index(link)] = 1;
    some_up = some_up || links_.up(link);
  }
  for (std::uint32_t q = 0; q < state_.size(); ++q) {
    const auto crosses = [&](std::span<const LinkId> path) {
      return std::any_of(path.begin(), path.end(),
                         [&](LinkId l) { return changed_[Index(l)] != 0; });
    };
    bool touched = up(q) && crosses(hops(q));
    if (touched && !AllUp(hops(q))) {
      state_[q] = State::kBroken;
      broken_by_[q] = event_row;
      change.broken.push_back(q);
    } else if (some_up && state_[q] != State::kBound) {
      const std::size_t before =
          change.restored.size() + change.rerouted.size() + change.moved.size();
      Restore(q, change);
      touched =
          touched || before < change.restored.size() + change.rerouted.size() + change.moved.size();
    }
    if (touched) change.touched.push_back(q);
  }
  for (const LinkId link : change.links) changed_[Index(link)] = 0;
  return change;
}

Routes::Change Routes::Reroute(std::uint32_t event_row) {
  Change change;
  for (std::uint32_t q = 0; q < state_.size(); ++q) {
    if (state_[q] != State::kBroken || broken_by_[q] != event_row) continue;
    const PathTable::Qp& row = paths_->qps()[q];
    if (Detour(q, row.host_port)) {
      change.rerouted.push_back(q);
    } else if (policy_ == FaultPolicy::Qps::kMove && row.nic != kNoVertex &&
               fabric_->PortCount(row.nic) > 1) {
      state_[q] = State::kMoving;
      change.moving = true;
    } else {
      state_[q] = State::kStalled;
      change.stalled.push_back(q);
    }
  }
  return change;
}

Routes::Change Routes::Move(std::uint32_t event_row) {
  Change change;
  for (std::uint32_t q = 0; q < state_.size(); ++q) {
    if (state_[q] != State::kMoving || broken_by_[q] != event_row) continue;
    if (DetourByAnotherPort(q)) {
      change.moved.push_back(q);
    } else {
      state_[q] = State::kStalled;
      change.stalled.push_back(q);
    }
  }
  return change;
}

}  // namespace weft
