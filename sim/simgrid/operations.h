// Operations at work, without a clock or a network: what starts and what is over.
//
// The caller owns both. It calls Begin() once, then OnTimer() and OnTransferEnd()
// as their times come, and after each call takes what followed: timers to set,
// transfers to start, records of what is over. The rules are those of the flow
// engine (sim/flow/flow_simulation.h) in a second hand, so that what the two
// engines agree on does not rest on one piece of code.
//
//   ready ── launch, latency ──> Timer kFlow ──> Transfer ──> channel, row over
//     └───── computation ──────> Timer kEnd ──────────────────────────┘
//
// Errors   none: what is given was checked where it was built.
// Repeats  what follows from one call stands in row, channel and edge order.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sim/path_table.h"
#include "sim/physics.h"
#include "sim/schedule.h"
#include "sim/simulation.h"

namespace weft {

// Something is over; also how a solver's process reports to its parent.
struct OperationRecord {
  enum class Kind : std::uint32_t {
    kCompletion,
    kFailure,  // of an operation: it and what waits for it never go on
    kChannelEnd,
    kFault,   // what an event, `row`, did to one more QP of each kind counted
    kCredit,  // `bytes` crossed link `row`
    kFinished
  };
  Kind kind = Kind::kCompletion;
  std::uint32_t row = 0, pass = 0, channel = 0;
  double bytes = 0;
  FaultEffect effect;
  SimTime start{}, end{};
  std::uint64_t instants = 0;       // so far
  double setup_s = 0, solve_s = 0;  // kFinished: the solver's wall time
  bool beyond_clock = false;        // kFinished: what is left is later than the solver can tell
};

class Operations {
 public:
  struct Timer {
    enum class Kind : std::uint8_t { kEnd, kFlow };
    SimTime at{};
    Kind kind = Kind::kEnd;
    std::uint32_t row = 0, part = 0;  // kFlow: channel (pipelined) or edge of the pattern
  };
  // Bytes of an edge, or of a tight channel, that may move from now on.
  struct Transfer {
    std::uint32_t row = 0;
    std::uint16_t channel = 0;
    bool tight = false;
    PathTable::Range edges;
  };
  struct Following {
    std::vector<Timer> timers;
    std::vector<Transfer> transfers;
    std::vector<OperationRecord> records;
    std::vector<std::uint32_t> begun;  // rows that have edges
    bool Empty() const { return timers.empty() && transfers.empty() && records.empty(); }
  };

  // Requires: `paths` outlives it; `tight` is [rows].
  Operations(const Schedule& schedule, const PathTable& paths, const Physics& physics,
             std::vector<std::uint8_t> tight);

  void Begin();
  void OnTimer(const Timer& timer, SimTime now);
  void OnTransferEnd(const Transfer& transfer, SimTime now);
  // Ends the row as failed; timers of it that are still to come are ignored. The caller ends its
  // transfers.
  void Fail(std::uint32_t row, SimTime now);

  // Whether an operation at work still has bytes for the edge.
  bool InFlight(std::uint32_t edge) const { return in_flight_[edge] > 0; }
  // Whether that of `row` has.
  bool HasBytes(std::uint32_t row, std::uint32_t edge) const {
    return running_[row].edge_open[edge - SubjectOf(row).first_edge] != 0;
  }
  PathTable::Range EdgesOf(std::uint32_t row) const {
    return {SubjectOf(row).first_edge, SubjectOf(row).edge_count};
  }

  Following& following() { return following_; }
  const Schedule& schedule() const { return schedule_; }

 private:
  // A pass of an operation at work.
  struct Running {
    SimTime start{};
    std::uint32_t open_channels = 0;
    std::vector<std::uint32_t> open_edges;  // [channels]
    std::vector<std::uint8_t> edge_open;    // [edges]
    bool failed = false;
    std::vector<std::uint32_t> open_in_round, oldest_round;  // kRounds: [rounds], [senders]
  };
  // kRounds: the edges of a pattern by sender, then round.
  struct Rounds {
    std::vector<std::uint32_t> edge, first_edge;  // [edges], [rounds + 1]
    std::vector<std::uint32_t> first_round;       // [senders + 1]
    std::vector<std::uint32_t> round_of_edge;     // [edges]
    std::vector<std::uint32_t> sender_of_round;   // [rounds]
  };

  void StartReady();
  void StartRow(std::uint32_t row);
  void StartPattern(std::uint32_t row);
  void StartWindow(std::uint32_t row, SimDuration launch);
  void StartRound(std::uint32_t row, const Rounds& rounds, std::uint32_t round, SimDuration launch);
  void StartTransfer(const Transfer& transfer);
  void EdgeDone(std::uint32_t row, std::uint32_t edge, std::uint16_t channel);
  void ChannelDone(std::uint32_t row, std::uint16_t channel);
  void RowDone(std::uint32_t row);
  void Open(std::uint32_t row, const PathTable::Subject& subject);
  void Close(std::uint32_t row, std::uint32_t edge);
  void SetTimer(SimDuration delay, Timer::Kind kind, std::uint32_t row, std::uint32_t part);
  const PathTable::Subject& SubjectOf(std::uint32_t row) const;
  const Rounds& RoundsOf(std::uint32_t row);
  bool Pipelined(std::uint32_t row) const;

  Schedule schedule_;
  const PathTable* paths_;
  Physics physics_;
  std::vector<std::uint8_t> tight_;
  SimTime now_{};
  std::vector<Running> running_;            // [rows]
  std::vector<std::uint32_t> in_flight_;    // [E] operations at work with bytes for the edge
  std::map<std::uint32_t, Rounds> rounds_;  // by subject
  Following following_;
  std::vector<std::uint32_t> ready_;
};

}  // namespace weft
