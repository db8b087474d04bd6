// The flow engine on a program's classes, where its symmetry is proved (quotient.h); else on all.
//
// What comes out is of the whole program: every row of a class has its completion, every link of a
// class its bytes. Where folding is refused, or does not pay, this is FlowSimulation itself, and
// Outcome::not_folded says why. Where a watched link fills, the run begins anew, with all links in
// the classes, rings apart from all else and then together, and then with the whole: it says again
// what was said already, but for rounding. Of links that tie for what holds an operation back,
// classes may name another than the whole.
//
// Cost     beyond the classes' own, O(rows) to say of each when it ended.
#pragma once

#include <memory>
#include <optional>

#include "sim/flow/flow_simulation.h"

namespace weft {

class FoldedSimulation final : public Simulation {
 public:
  explicit FoldedSimulation(const SimulationInput& input);

  RowId Append(const Program& program) override;
  void Watch(std::span<const RowId> rows) override;
  Stop Run(SimTime until, std::uint64_t event_budget) override;
  std::span<const Completion> completions() const override;
  std::span<const ChannelEnd> channel_ends() const override;
  std::vector<LinkUser> UsersOf(LinkId link) const override { return whole_.UsersOf(link); }
  std::vector<std::uint32_t> QpsByLink() const override { return whole_.QpsByLink(); }
  void Cancel(JobId job) override;
  void Reset(HashSeed seed) override;
  Outcome Finish() override;

 private:
  void Fold();
  void FoldInto(Telling how);
  void FoldNext();
  std::optional<Stop> RunClasses(SimTime until, std::uint64_t event_budget);
  bool Refuses();
  bool Refuses(const Quotient::Watched& watched);
  void Unfold(bool all);
  std::vector<Bytes> LinkBytes();
  RowId WaitedFor(std::uint32_t row, RowId of_class) const;
  LinkId LinkOf(LinkId of_class, std::uint32_t row);
  std::span<const std::uint32_t> MembersOf(RowId row) const {
    const std::uint32_t first = quotient_->first_member[Index(row)];
    return std::span(quotient_->members)
        .subspan(first, quotient_->first_member[Index(row) + 1] - first);
  }

  SimulationInput input_;
  FlowSimulation whole_;  // does not run where there are classes
  std::vector<const Program*> programs_;
  std::vector<RowId> watched_;
  std::unique_ptr<Quotient> quotient_;  // null: the whole runs
  std::unique_ptr<FlowSimulation> classes_;
  Telling how_ = Telling::kWatched;  // classes_
  bool watched_later_ = false, apart_tried_ = false;
  std::string refused_;
  bool tried_ = false;                                       // whether these programs fold
  std::vector<double> rate_bps_, before_bps_;                // [edges of the classes]
  std::vector<std::vector<std::uint32_t>> watched_by_edge_;  // rows of Quotient::watched

  // Of the whole, as far as said.
  std::vector<Completion> completions_;
  std::vector<ChannelEnd> channel_ends_;
  std::size_t completions_said_ = 0, channel_ends_said_ = 0;  // of those of the classes
  std::vector<std::pair<LinkId, LinkId>> known_links_;  // [subjects] class, link of the subject
};

}  // namespace weft
