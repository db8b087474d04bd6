// The analytic engine: a lower bound on the time of a fixed Program.
//
// The end is the larger of
//   - the longest way through streams and dependencies, with every operation
//     alone in the network: its launch and latency, then its own bytes over the
//     capacity of its own narrowest link (bytes of all its edges there, times the
//     QPs that cross it over the edge's QPs), or its channel's cap;
//   - for every link, all bytes that must cross it over its capacity. Where QPs
//     split (sprayed, adaptive) it is for every cut: links between whose ends
//     all of a QP's bytes must pass, however they are split. Cuts are the links
//     by themselves, the links of a switch to the tier above and from it, those
//     of a pod's plane between its tier 2 and the cores, and the ports of a NIC.
// A stream's computations lie on one way, so they are bounded too.
//
// Completions carry the times of the longest way; Outcome::end is the bound.
//
// Faults   capacities are the largest over time. A QP whose bound path some event
//          takes down may go elsewhere: its bytes bound nothing. Failed and
//          stalled transfers do not exist here.
// Proof    tested against the flow engine on random fixed Programs; a loop that
//          appends rows in answer to completions is not a fixed Program.
// Cost     O(hops of an operation) each; nothing is shared, so nothing is solved.
#pragma once

#include <array>

#include "sim/event_queue.h"
#include "sim/path_table.h"
#include "sim/schedule.h"
#include "sim/simulation.h"

namespace weft {

class AnalyticSimulation final : public Simulation {
 public:
  explicit AnalyticSimulation(const SimulationInput& input);

  RowId Append(const Program& program) override;
  void Watch(std::span<const RowId> rows) override { schedule_.Watch(rows); }
  Stop Run(SimTime until, std::uint64_t event_budget) override;
  std::span<const Completion> completions() const override { return completions_; }
  std::span<const ChannelEnd> channel_ends() const override { return channel_ends_; }
  std::vector<LinkUser> UsersOf(LinkId link) const override { return paths_.UsersOf(link); }
  std::vector<std::uint32_t> QpsByLink() const override { return paths_.QpsByLink(); }
  void Cancel(JobId job) override;
  void Reset(HashSeed seed) override;
  Outcome Finish() override;

 private:
  struct Channel {
    std::uint16_t channel = 0;
    SimTime end{};
  };
  struct Running {
    SimTime start{}, end{};
    LinkId bottleneck = kNoLink;
    std::vector<Channel> channels;
  };
  // The time of bytes alone, and the link that takes it; kNoLink where it is a cap or a cut of
  // several links.
  struct Bound {
    double seconds = 0;
    LinkId link = kNoLink;
  };

  void Start(std::uint32_t row);
  bool NeverArrives(std::uint32_t row, const PathTable::Subject& subject) const;
  void StartTransfer(std::uint32_t row, Running& run);
  void EndDue();
  void End(std::uint32_t row, Completion::Status status);
  Bound BoundOf(std::uint32_t row, PathTable::Range edges);
  void AddBits(std::uint32_t row, PathTable::Range edges, std::vector<double>& bits,
               std::vector<std::uint32_t>* links) const;
  bool MayMove(const PathTable::Qp& qp) const;
  void FindDownLinks();
  void FindCuts();
  // Adds a QP's bits to what it must cross, and lists where anything was added.
  void AddMustCross(const PathTable::Qp& qp, double qp_bits, std::vector<double>& bits,
                    std::vector<std::uint32_t>& rows) const;
  LinkId LinkOf(std::uint32_t row) const {
    return row < input_.fabric->link_count() ? LinkId{row} : kNoLink;
  }

  SimulationInput input_;
  Schedule schedule_;
  PathTable paths_;
  std::vector<bool> goes_down_;  // [L] by some event
  SimTime now_{};
  std::uint64_t instants_ = 0;
  EventQueue ends_;  // by row
  std::vector<std::uint32_t> due_;
  std::vector<Running> running_;
  std::vector<Completion> completions_;
  std::vector<ChannelEnd> channel_ends_;
  static constexpr std::uint32_t kNoCut = 0xffffffff;
  std::vector<std::array<std::uint32_t, 2>> cuts_of_link_;  // [L], where QPs split; or kNoCut
  std::vector<double> capacity_bps_;                        // [L + cuts]
  std::vector<double> link_bits_;         // [L] of operations that ended, by bound paths
  std::vector<double> must_bits_;         // [L + cuts] the part that cannot go elsewhere
  mutable std::vector<double> crossing_;  // [L + cuts] scratch: shares of one QP
  mutable std::vector<std::uint32_t> crossed_;
  std::vector<double> scratch_bits_;
  std::vector<std::uint32_t> scratch_links_, ready_;
};

}  // namespace weft
