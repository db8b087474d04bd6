// The flow engine: max-min fair rates between instants at which something changes.
//
// An operation that may start pays its launch and latency, during which it holds
// no bandwidth; then its bytes flow at rates that MaxMinSystem keeps fair by QP.
//
// Flows    One variable is an edge (loose, and all patterns that are not
//          pipelined) or a channel of a pipelined pattern (tight): all edges of
//          the channel in proportion to their bytes. An edge's QPs carry equal
//          parts and are one variable, paced by the slowest. Its weight is the
//          QPs of one edge, so that fairness is by QP in both. A QP that splits
//          (sprayed, adaptive) puts its share on each of its links and is paced
//          by the slowest of them: no path makes up for another.
// Faults   as FaultPolicy says (sim/physics.h). What a fault moves goes on where it
//          stopped. A flow without a path fails its operation after the retry
//          timeout, counted from when it had bytes to send and no path; its
//          streams then stand still, and what waits for it is in
//          Outcome::waiting. Latencies stay those of the bound paths.
// Streams  are common to all programs appended.
// Amounts  Op::first_amount gives the wire bytes of each edge, in edge order.
// Errors   none, as sim/simulation.h says.
// Cost     an instant costs what MaxMinSystem::Resolve() costs for the links it
//          can reach, and a step of a heap for each of these (FlowClocks); state is
//          kept for operations at work, not for rows; nothing is allocated in
//          steady state. docs/flow-engine.md has the measured cost of each part.
#pragma once

#include <optional>
#include <tuple>

#include "base/table.h"
#include "sim/flow/flow_clocks.h"
#include "sim/flow/max_min.h"
#include "sim/flow/quotient.h"
#include "sim/flow/repeats.h"
#include "sim/flow/routes.h"
#include "sim/flow/timer_queue.h"
#include "sim/path_table.h"
#include "sim/schedule.h"
#include "sim/simulation.h"

namespace weft {

class FlowSimulation final : public Simulation {
 public:
  explicit FlowSimulation(const SimulationInput& input);
  // Of the classes of `whole`, which was given its program and has not run. Requires: both outlive
  // it, and nothing is appended.
  FlowSimulation(const FlowSimulation& whole, const Quotient& quotient);

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

  // The rates of this moment, for MaxMinResidual(): what tests hold against the
  // conditions of fairness after every instant.
  MaxMinSystem::Snapshot Rates() const { return system_->Snap(); }

  // What MakeQuotient() needs. Requires: one program was appended.
  QuotientInput WholeProgram() const;
  SimTime now() const { return now_; }
  const PathTable& paths() const { return paths_; }
  // Of each edge of paths(): its rate at this moment, and the bits that it has sent. Requires: no
  // operation has amounts of its own.
  void EdgeRates(std::vector<double>& bps) const;
  std::vector<double> EdgeBitsSent();

 private:
  static constexpr TermsId kNoTerms{0xffffffff};
  static constexpr std::uint64_t kNoTurn = ~std::uint64_t{0};
  static constexpr std::uint32_t kNoSlot = 0xffffffff, kNobody = 0xffffffff;
  struct Timer {
    // In one instant all that gives a flow a path comes before it is given up.
    enum class Kind : std::uint8_t { kEnd, kFlow, kReplay, kReroute, kMove, kRetry };
    SimTime at{};
    Kind kind = Kind::kEnd;
    std::uint32_t row = 0;   // of an operation; kReroute, kMove: event
    std::uint32_t part = 0;  // kFlow: channel or edge; kRetry: flow
    std::uint32_t serial = 0;
    bool operator<(const Timer& other) const {
      if (at != other.at) return at < other.at;
      return std::tie(kind, row, part) < std::tie(other.kind, other.row, other.part);
    }
  };
  // A pass of an operation at work, in one cache line …
  struct alignas(64) Running {
    std::uint32_t row = 0, serial = 0;
    std::uint32_t subject = 0;  // of paths_; of patterns and sends
    std::uint32_t open_channels = 0;
    SimTime start{};
    LinkId bottleneck = kNoLink;
    bool live = false, tight = false, send = false;
    std::vector<std::uint32_t> followers;  // rows that do as this one does
  };
  // … and the parts of one that is a pattern.
  struct Parts {
    std::vector<std::uint32_t> open_edges;    // [channels] edges that are not done
    std::vector<std::uint8_t> edge_done;      // [edges of the pattern]
    std::vector<std::uint32_t> sender_round;  // kRounds: [senders] oldest open round
    std::vector<std::uint32_t> round_open;    // kRounds: [rounds of senders] open edges
  };
  static_assert(sizeof(Running) == 64);
  // A variable of the solver; rows are its ids. Two share a cache line.
  struct Flow {
    double left_bits = 0;  // when it was last credited
    std::uint32_t row = 0;
    TermsId terms = kNoTerms;
    PathTable::Range edges;  // one, or a channel's
    std::uint16_t channel = 0;
    bool live = false, tight = false, stalled = false;
  };
  // kRounds: a sender's edges by round, built once a pattern.
  struct Rounds {
    std::vector<std::uint32_t> edge;         // by sender, round
    std::vector<std::uint32_t> first_edge;   // [rounds + 1]
    std::vector<std::uint32_t> first_round;  // [senders + 1]
    std::vector<std::uint32_t> round_of_edge, sender_of_round;
  };

  // flow_simulation.cc: time
  SimTime NextTime() const;
  void Plan();
  void BindPlan();
  void Process();
  void Restart();
  void Grow();
  std::size_t RunsExpected() const;
  void BindTerms(const PathTable::Subject& subject);
  void BindEdges(const PathTable::Subject& subject);
  bool Stopped() { return stopped_ = stopped_ || (input_.stop && input_.stop()); }
  void BindPipelined(std::uint32_t row);
  void SortTail(std::size_t first_completion, std::size_t first_channel_end);
  void Instant(SimTime time);
  void Reschedule();
  void FindNextFlow();
  enum class Stage : std::uint8_t { kRow, kOp, kLinks, kStream };
  void LookAhead(Stage stage);
  void Reclock(std::uint32_t id);
  void AddTimer(SimTime at, Timer::Kind kind, std::uint32_t row, std::uint32_t part);
  void AddTimer(SimTime at, Timer::Kind kind, const Running& run, std::uint32_t part) {
    timers_.Push({at, kind, run.row, part, run.serial});
  }
  void OnTimer(const Timer& timer);

  // flow_operations.cc: operations, channels, edges
  Running& RunOf(std::uint32_t row) { return slots_[slot_of_row_[row]]; }
  // Requires: it is a pattern.
  Parts& PartsOf(const Running& run) {
    return parts_[static_cast<std::size_t>(&run - slots_.data())];
  }
  bool AtWork(std::uint32_t row) const { return slot_of_row_[row] != kNoSlot; }
  Running& TakeSlot(std::uint32_t row);
  void FreeSlot(std::uint32_t row);
  void StartRow(std::uint32_t row);
  void StartPattern(std::uint32_t row);
  void StartChannel(std::uint32_t row, std::uint16_t channel);
  void StartEdge(std::uint32_t row, std::uint32_t edge, std::uint16_t channel);
  void StartRound(const Running& run, std::uint32_t round, SimDuration launch);
  void StartFlow(Flow flow, double bits, double weight);
  void FinishFlow(std::uint32_t id);
  void FinishChannel(std::uint32_t row, std::uint16_t channel);
  void EdgeDone(std::uint32_t row, std::uint32_t edge, std::uint16_t channel, LinkId bottleneck);
  void RoundDone(const Running& run, const PathTable::Subject& subject, std::uint32_t edge);
  void EndRow(std::uint32_t row, Completion::Status status, LinkId bottleneck);
  void DropFlows(std::uint32_t row);
  const PathTable::Subject& SubjectOf(const Running& run) const {
    return paths_.subjects()[run.subject];
  }
  const PathTable::Subject& SubjectOf(std::uint32_t row) const {
    return paths_.subject(schedule_.program_index(row), schedule_.op(row));
  }
  const std::vector<SimDuration>& StartupOf(std::uint32_t row);
  const Rounds& RoundsOf(std::uint32_t subject);
  double EdgeBits(std::uint32_t row, std::uint32_t edge) const;

  // flow_repeats.cc: what need not be simulated again
  void StartReady();
  bool Memoisable(std::uint32_t row) const;
  Recording* FindRecording(std::uint32_t row);
  bool Replay(std::uint32_t row);
  void OnReplay(std::uint32_t row);
  void Record(std::uint32_t row, LinkId bottleneck);
  void Materialise();
  void CountAgain(std::uint32_t row);
  bool Follow(std::uint32_t row);
  LinkId ImageOf(LinkId link, std::uint32_t leader, std::uint32_t follower) const;
  void EndFollowers(std::uint32_t leader, Completion::Status status, LinkId bottleneck);
  bool Tight(std::uint32_t row) const;

  // flow_terms.cc: what a flow puts on links
  void FindSilentLinks();
  std::vector<std::uint8_t> LoneLinks();
  std::vector<std::uint64_t> TurnOfSubjects() const;
  bool TermsAreKnown() const;
  TermsId TermsOf(const Flow& flow);
  TermsId EdgeTerms(std::uint32_t edge);
  TermsId ChannelTerms(std::uint32_t row, PathTable::Range edges);
  void AddEdgeToScratch(std::uint32_t edge, double scale);
  TermsId StoreScratch();
  TermsId StoreTerms();
  double CapOf(const Flow& flow) const;
  double ReferenceBits(std::uint32_t row, PathTable::Range edges) const;
  double LeftBits(std::uint32_t id) const;
  void Credit(Flow& flow, double left_bits);
  void CreditLive();

  // flow_faults.cc
  void OnEvent(std::uint32_t event);
  void OnReroute(std::uint32_t event);
  void OnMove(std::uint32_t event);
  void OnRetry(const Timer& timer);
  void AfterChange(const Routes::Change& change);
  void MarkInFlight();
  std::uint32_t InFlight(std::uint32_t qp) const { return in_flight_[paths_.qps()[qp].edge]; }
  // Whether the operation still has bytes for edge `edge` of its own.
  bool HasBytes(const Running& run, std::uint32_t edge) {
    return run.send || PartsOf(run).edge_done[edge] == 0;
  }
  void CountWithoutPath(const Running& run, bool failed);
  void CountByCause(const std::vector<std::uint32_t>& qps, std::uint32_t FaultEffect::*field);
  bool HasPath(PathTable::Range edges) const;
  void Stall(std::uint32_t id);
  void ForgetTerms(std::uint32_t qp);

  SimulationInput input_;
  bool stopped_ = false;                   // input_.stop() has said so
  const FlowSimulation* whole_ = nullptr;  // whose classes these are
  const Quotient* quotient_ = nullptr;
  Schedule schedule_;
  PathTable paths_;
  std::optional<Routes> routes_;
  std::optional<MaxMinSystem> system_;

  SimTime now_{};
  std::uint64_t instants_ = 0;
  std::uint32_t next_event_ = 0, serial_ = 0, at_work_ = 0;
  std::uint64_t starts_ = 0, epoch_ = 0;  // rows started; changes of links and paths
  std::uint64_t memoised_ = 0;
  TimerQueue<Timer> timers_;
  std::optional<FlowClocks> clocks_;
  Table<std::uint32_t> slot_of_row_;  // [rows] kNoSlot: not at work
  Table<Running> slots_;
  std::vector<Parts> parts_;  // [slots], as far as any was of a pattern
  std::vector<std::uint32_t> free_slots_;
  Table<Flow> flows_;                // by the solver's ids
  std::vector<SimTime> stalled_at_;  // likewise, as far as any has stalled
  std::vector<std::uint8_t> tight_;  // [rows], for Coupling::kAuto
  bool plan_known_ = false;
  Table<Completion> completions_;
  std::vector<ChannelEnd> channel_ends_;
  Table<double> sent_bits_;           // [rows of the solver's terms] of what is over
  std::vector<FaultEffect> effects_;  // [events]

  std::vector<std::uint8_t> silent_;               // [L] can never hold a flow back
  Table<TermsId> edge_terms_;                      // [E] kNoTerms: not known
  std::vector<TermsId> channel_terms_;             // [channels of all subjects]
  std::vector<std::vector<SimDuration>> startup_;  // [subjects], where amounts do not matter
  std::vector<Rounds> rounds_;                     // by subject, as far as any has rounds
  std::vector<SimDuration> startup_scratch_;
  std::vector<double> coefficient_;  // [L] scratch
  std::vector<double> crossings_;    // [L] scratch
  std::vector<std::uint32_t> scratch_links_, scratch_hops_;
  std::vector<Term> scratch_terms_, scratch_silent_;
  std::vector<std::uint32_t> ready_, ended_;
  std::uint32_t next_flow_ = kNobody;
  FoldingPlan folding_;
  struct Leader {
    std::uint32_t row = 0;
    std::uint64_t batch = 0;  // of rows started together
  };
  std::vector<Leader> leaders_;  // [subjects]
  std::uint64_t batch_ = 0;
  std::vector<std::vector<Recording>> recordings_;  // [subjects]
  std::uint32_t replaying_ = kNobody, recording_ = kNobody;
  std::size_t recorded_channels_ = 0;
  std::uint64_t recorded_starts_ = 0, recorded_epoch_ = 0;
  std::vector<std::uint8_t> in_flight_, dirty_;  // [E] scratch
};

}  // namespace weft
