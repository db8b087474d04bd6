// The simgrid engine: the same Program on SimGrid's own max-min solver [CGL+14].
//
// An independent reference for the flow engine: streams, paths and what is paid
// before bytes flow are weft's (Schedule, PathTable, startup.h); how bandwidth is
// shared, and therefore when anything ends, is SimGrid's. Latency is 0 there and
// added here. The first Run() forks a process that runs the whole Program
// (sim/simgrid/solver.h) and reports what is over; Run() replays the report in
// order of time, so that it stops where it is told.
//
// Flows    as in the flow engine: an edge, or a channel that is tight; see
//          sim/simgrid/ways.h for how they are written in SimGrid.
// Faults   where QPs run at which time is weft's too (Routes, by way of route_steps.h): it
//          follows from events and policy. What is left of a flow that moves, and how it shares
//          what there is then, is SimGrid's.
// Limits   no Append or Cancel once it runs; no tight channel for which
//          SimgridCannot() gives a reason; no events under policy spray; 4,096 s of simulated
//          time: Outcome::gave_up where something would be later.
// Bytes    without events links are credited when an operation is over, by the bound paths, with
//          events flow by flow. Completions name no bottleneck: SimGrid does not tell.
// Budget   Run() also returns kBudget where nothing has ended within 50 ms, unless
//          the budget is kNoBudget.
// Errors   a process that dies is a defect: what it said is printed, weft stops.
// Cost     SimGrid's: it solves all that a change can reach anew. On one core, closed
//          loops of random flows at 16 x 8 and 32 x 32 hosts: 16,000 and 1,300 flows/s.
// Repeats  same inputs and seed, same bytes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sim/path_table.h"
#include "sim/schedule.h"
#include "sim/simgrid/operations.h"
#include "sim/simgrid/solver_process.h"
#include "sim/simulation.h"

namespace weft {

class SimgridSimulation final : public Simulation {
 public:
  // Requires: no events where the policy sprays; not the adaptive policy.
  explicit SimgridSimulation(const SimulationInput& input);

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

  // Wall time in the solver's process: to build the platform, and to run. Zero
  // until it is finished.
  struct SolverTime {
    double setup_s = 0, solve_s = 0;
  };
  SolverTime solver_time() const { return solver_time_; }

  // The solver's process; -1 where there is none.
  pid_t process() const { return process_ == nullptr ? -1 : process_->pid(); }

 private:
  void Start();
  bool Fetch(std::uint64_t event_budget);
  void ReplayInstant();
  void Replay(const OperationRecord& record);
  void CreditLinks(std::uint32_t row);
  void Count(const OperationRecord& record);

  SimulationInput input_;
  Schedule schedule_;
  PathTable paths_;
  std::unique_ptr<SolverProcess> process_;
  std::vector<OperationRecord> records_;  // of what SimGrid has reached
  std::size_t next_record_ = 0;
  bool finished_ = false, beyond_clock_ = false;
  SolverTime solver_time_;
  std::uint64_t instants_ = 0;
  std::uint32_t loose_operations_ = 0;
  std::vector<Completion> completions_;
  std::vector<ChannelEnd> channel_ends_;
  std::vector<double> link_bytes_;    // [L]
  std::vector<FaultEffect> effects_;  // [events]
  std::vector<std::uint32_t> ready_;
};

// Why the engine cannot run `program` so; none where it can.
std::optional<std::string> SimgridCannot(const Program& program, Coupling coupling);

// Why the engine cannot be loaded here: its module, libweft_simgrid.so, stands beside the program.
// None where it can.
std::optional<std::string> SimgridMissing();

// The version of SimGrid that weft was built with: "3.32"; why there is none.
std::string SimgridVersion();

}  // namespace weft
