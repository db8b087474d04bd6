// Where every QP runs now: its bound path, a detour, or nowhere.
//
// The policy of FaultPolicy, QP by QP and without time: the engine calls Apply()
// at an event, Reroute() when the network has converged on it and Move() when
// the senders have acted, and learns which QPs changed.
//
//   kBound ──path lost──> kBroken ──Reroute()──> kDetour, same port
//     ^                      │                     other port, by Move()
//     └──path repaired───────┴─> kStalled, where neither has a path
//
// A QP returns to its bound path as soon as all of it is up. A QP that was
// broken again goes through the same steps under the later event. A QP that splits is
// broken by the loss of any of its links, and goes on over the paths that are left.
//
// Cost     Apply O(hops of all QPs); Path of the router a QP that has to move.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/path_table.h"

namespace weft {

class Routes {
 public:
  static constexpr std::uint32_t kNoEvent = 0xffffffff;
  enum class State : std::uint8_t { kBound, kDetour, kBroken, kMoving, kStalled };

  // What a step did; rows of PathTable::qps(), ascending.
  struct Change {
    std::vector<LinkId> links;           // whose capacity changed
    std::vector<std::uint32_t> touched;  // crossed one of them, or came back to do so
    std::vector<std::uint32_t> broken, rerouted, moved, stalled, restored;
    bool moving = false;  // some QPs wait for Move()
  };

  // Requires: fabric and paths outlive it.
  Routes(const Fabric& fabric, const PathTable& paths, FaultPolicy::Qps policy);

  // Takes in QPs that were appended; those that cross what is down now are broken
  // by event `event`. Returns whether any is.
  bool Grow(std::uint32_t event);

  Change Apply(const Event& event, std::uint32_t event_row);
  Change Reroute(std::uint32_t event_row);
  Change Move(std::uint32_t event_row);

  bool up(std::uint32_t qp) const {
    return state_[qp] == State::kBound || state_[qp] == State::kDetour;
  }
  // No QP has ever been without its bound path.
  bool undisturbed() const { return undisturbed_; }
  // Without a path, and nobody looks for one before a repair.
  bool stalled(std::uint32_t qp) const { return state_[qp] == State::kStalled; }
  bool bound(std::uint32_t qp) const { return state_[qp] == State::kBound; }
  // kNoEvent: it never had a path.
  std::uint32_t broken_by(std::uint32_t qp) const { return broken_by_[qp]; }
  std::span<const LinkId> hops(std::uint32_t qp) const;
  // By hop, the share of the QP's bytes; empty: all of them on every hop.
  std::span<const double> shares(std::uint32_t qp) const;
  const LinkState& links() const { return links_; }

 private:
  bool AllUp(std::span<const LinkId> path) const;
  bool Detour(std::uint32_t qp, std::uint8_t host_port);
  bool DetourByAnotherPort(std::uint32_t qp);
  void Restore(std::uint32_t qp, Change& change);

  const Fabric* fabric_;
  const PathTable* paths_;
  FaultPolicy::Qps policy_;
  LinkState links_;
  bool undisturbed_ = true;
  std::vector<State> state_;              // [Q]
  std::vector<std::uint32_t> broken_by_;  // [Q] event row
  std::vector<std::uint32_t> detour_;     // [Q] row of detours_ + 1; 0: none yet
  std::vector<QpRoute> detours_;
  std::vector<std::uint8_t> changed_;  // [L] scratch
};

}  // namespace weft
