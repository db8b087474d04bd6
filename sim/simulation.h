// An engine at work: Programs in, completions out, resumable in between.
//
// One subclass an engine (sim/flow/flow_simulation.h, sim/analytic/analytic_simulation.h).
// An engine calls nobody: progress, Ctrl-C, time limits, serving and restarts are
// loops above Run(). Programs, fabric and router are read only and shared between
// simulations; what changes is the simulation's own.
//
// Units    SimTime and SimDuration are integer picoseconds; an event computed in
//          double happens at the next whole picosecond, so symmetric completions
//          tie and are handled together.
// Errors   none: what Append() is given was checked where it was built. A stall
//          or a failed transfer is data (Completion::status, Outcome::waiting).
// Repeats  same inputs and seed, same bytes; within an instant, work goes in id order.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "sim/options.h"
#include "sim/physics.h"
#include "sim/program.h"
#include "topology/fabric.h"
#include "topology/port_search.h"
#include "topology/router.h"

namespace weft {

struct Completion {
  enum class Status : std::uint8_t { kDone, kFailed, kCancelled };
  RowId row = kNoRow;
  std::uint32_t pass = 0;
  SimTime start{}, end{};  // start: all its ranks ready; launch and latency are inside
  Status status = Status::kDone;
  LinkId bottleneck = kNoLink;  // the link that held its last part longest; none: a cap or no bytes
};

// When each channel of a pattern was done: the rails of a collective.
struct ChannelEnd {
  RowId row = kNoRow;
  std::uint32_t pass = 0;
  std::uint16_t channel = 0;
  SimTime end{};
};

// One QP's path over a link.
struct LinkUser {
  RowId row = kNoRow;      // the first row that runs the pattern or send
  std::uint32_t edge = 0;  // of the pattern; 0 for a send
  std::uint8_t qp = 0;
};

// What an event did to the traffic that was in flight.
struct FaultEffect {
  std::uint32_t event = 0;     // row of the events given
  std::uint32_t crossing = 0;  // QPs in flight whose path it touched
  std::uint32_t rerouted = 0;  // given another path by the network
  std::uint32_t moved = 0;     // moved to another port by the sender
  std::uint32_t stalled = 0;   // left without a path
  std::uint32_t failed = 0;    // given up after the retry timeout
};

// An operation that never ran or never ended, and the row it waits for.
struct Waiting {
  RowId row = kNoRow, for_row = kNoRow;  // kNoRow: it runs, but its traffic has no path
};

struct Outcome {
  SimTime end{};                  // the last completion
  std::vector<Bytes> link_bytes;  // [L] what crossed each link, to the nearest byte
  std::vector<FaultEffect> faults;
  std::vector<Waiting> waiting;  // empty where everything ended
  // Pipelined operations that Coupling::kAuto ran loose, as others may cross their links meanwhile.
  std::uint32_t loose_operations = 0;
  std::uint64_t events = 0;    // instants at which something changed
  std::uint64_t memoised = 0;  // operations that were not simulated again
  std::uint32_t folded = 0;    // operations that follow a replica
  SearchWork path_search;      // what hosts tried for disjoint paths
  std::string not_folded;      // why others like them do not; empty: nothing stands against it
  std::string gave_up;         // why the engine cannot go on to the end; empty: it can
};

struct SimulationInput {
  const Fabric* fabric = nullptr;
  const Router* router = nullptr;
  Physics physics;
  FaultPolicy fault_policy;
  HashSeed seed{0};
  std::vector<Event> events;  // sorted by time
  SimOptions options;
  // Asked now and then while a program is appended; once true it stays so. Then Append() ends
  // early, and nothing but destruction may follow. Empty: never.
  std::function<bool()> stop;
};

class Simulation {
 public:
  enum class Stop : std::uint8_t {
    kUntil,    // the time asked for was reached
    kWatched,  // every watched row is complete
    kIdle,     // every row is complete
    kStarved,  // rows are left that nothing can ever finish: see Outcome::waiting
    kBudget,   // the event budget is used up
  };

  virtual ~Simulation() = default;

  // Adds a program; its rows follow those already there, and a stream id is the
  // same stream in every program. Returns its first row.
  // Requires: CheckProgram holds; `program` outlives the simulation; rows may
  // only be appended before or between Runs, and before the first where
  // SimOptions::fold or memoise is on.
  virtual RowId Append(const Program& program) = 0;

  // Run() stops when all of these are complete; an empty list watches nothing.
  virtual void Watch(std::span<const RowId> rows) = 0;

  // Goes on until `until`, or an earlier reason to stop. Resumable.
  virtual Stop Run(SimTime until, std::uint64_t event_budget) = 0;

  // In order of end, then row. Grows while running; earlier entries stay.
  virtual std::span<const Completion> completions() const = 0;
  virtual std::span<const ChannelEnd> channel_ends() const = 0;

  // The QPs whose path (as bound at the start) crosses `link`, by row, edge, QP.
  // Cost O(all hops): for reports, not for loops.
  virtual std::vector<LinkUser> UsersOf(LinkId link) const = 0;

  // How many QPs' paths (as bound at the start) cross each link. [L]
  virtual std::vector<std::uint32_t> QpsByLink() const = 0;

  // Ends what `job` has running or waiting, as kCancelled.
  virtual void Cancel(JobId job) = 0;

  // Back to time 0 with the same programs under another hash seed.
  virtual void Reset(HashSeed seed) = 0;

  // What happened so far.
  virtual Outcome Finish() = 0;
};

constexpr SimTime kForever = SimTime::max();
constexpr std::uint64_t kNoBudget = ~std::uint64_t{0};

}  // namespace weft
