// Which operation may start, and when: streams, dependencies and repeats.
//
// Rows of all programs appended so far, numbered on. A row runs once a pass of
// its block, one pass after the other. A pass may start when the row is at the
// head of all its streams and every row it waits for is far enough: `back`
// passes ago within one block, all its passes done where it is outside. Streams
// are the same streams in every program appended.
//
// Cost     O(streams + dependencies) an operation; a repeat costs no memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/table.h"
#include "sim/program.h"
#include "sim/simulation.h"

namespace weft {

class Schedule {
 public:
  // Requires: CheckProgram holds, `program` outlives the schedule. Returns the first row.
  std::uint32_t Append(const Program& program);
  void Reset();

  std::uint32_t row_count() const { return static_cast<std::uint32_t>(rows_.size()); }
  std::uint32_t open_count() const { return open_count_; }  // rows not yet done or stopped
  const Op& op(std::uint32_t row) const {
    const Place& place = PlaceOf(row);
    return place.source->ops[row - place.first_row];
  }
  const Program& program(std::uint32_t row) const { return *PlaceOf(row).source; }
  std::uint32_t program_index(std::uint32_t row) const { return PlaceOf(row).program; }
  std::uint32_t first_row(std::uint32_t row) const { return PlaceOf(row).first_row; }
  std::uint32_t pass(std::uint32_t row) const { return rows_[row].passes_done; }
  // How often the row runs, and in which block (equal: the same; 0: none).
  std::uint32_t times(std::uint32_t row) const { return PlaceOf(row).times; }
  std::uint32_t block(std::uint32_t row) const { return PlaceOf(row).block; }
  bool closed(std::uint32_t row) const { return rows_[row].state >= State::kDone; }
  bool running(std::uint32_t row) const { return rows_[row].state == State::kRunning; }

  // Which rows a caller waits for [simulation.h, Watch()]; an empty list watches nothing.
  // Requires: every row is there. They stay watched over Reset().
  void Watch(std::span<const RowId> rows);
  // Something is watched, and all of it is closed.
  bool watched_closed() const { return watched_count_ > 0 && watched_open_ == 0; }

  // Ask the memory for what Complete() will read, and the start of the row after it: one after the
  // other, as each says where the next lies.
  void PrefetchRow(std::uint32_t row) const {
    __builtin_prefetch(&rows_[row], 1);
    __builtin_prefetch(&rows_[row] + 1, 1);
  }
  void PrefetchOp(std::uint32_t row) const {
    __builtin_prefetch(&op(row));
    __builtin_prefetch(&op(row) + 1);
    __builtin_prefetch(standings_.data() + rows_[row].first_standing);
  }
  void PrefetchStream(std::uint32_t row) const {
    const std::span<const Standing> standings = StandingsOf(row);
    if (!standings.empty()) __builtin_prefetch(&streams_[standings.front().stream], 1);
  }

  bool has_ready() const { return !ready_.empty(); }
  // Moves what may start into `rows`, ascending; they count as running from now on.
  void TakeReady(std::vector<std::uint32_t>& rows);

  // The running pass of `row` is over.
  void Complete(std::uint32_t row);
  // It failed: its streams and whoever waits for it stand still for ever.
  void Stop(std::uint32_t row);
  // Neither it nor its passes to come will run; whoever waits for it goes on.
  void Drop(std::uint32_t row);

  // Rows that are neither done nor stopped, with one that each waits for; a
  // running row waits for none.
  std::vector<Waiting> WaitingRows() const;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  enum class State : std::uint8_t { kBlocked, kReady, kRunning, kDone, kStopped };
  struct Row {
    std::uint32_t place = 0;  // row of places_
    std::uint32_t passes_done = 0;
    std::uint32_t missing = 0;          // streams and rows still waited for
    std::uint32_t first_dependent = 0;  // of dependents_, up to the next row's
    std::uint32_t first_standing = 0;   // of standings_, likewise
    State state = State::kBlocked;
    bool dropped = false, watched = false;
  };
  // Where rows stand that follow each other: a program, and a block of it (0: none).
  struct Place {
    const Program* source = nullptr;
    std::uint32_t program = 0, first_row = 0;  // of the program
    std::uint32_t block = 0, times = 1;
  };
  // A row in one of its streams, in the op's order.
  struct Standing {
    std::uint32_t stream = 0, row = 0;
    std::uint32_t next = kNone;  // row of standings_: what comes after it in the stream
  };
  // Rows of standings_; kNone: there is none.
  struct Stream {
    std::uint32_t at = kNone;           // what it has come to; kNone: its end
    std::uint32_t block_start = kNone;  // its first of that block
    std::uint32_t last = kNone;
    std::uint32_t pass = 0;
  };

  const Place& PlaceOf(std::uint32_t row) const { return places_[rows_[row].place]; }
  void AddPlaces(const Program& program, std::uint32_t first_row);
  void AddStandings(const Program& program, std::uint32_t first_row);
  void AddDependents(const Program& program, std::uint32_t first_row);
  void Close(Row& row, State state);
  void Await(std::uint32_t row);   // counts what the next pass waits for
  void Arrive(std::uint32_t row);  // one thing less
  std::uint32_t Needed(std::uint32_t row, std::uint32_t on, std::uint16_t back) const;
  void Notify(std::uint32_t row);
  void LeaveStreams(std::uint32_t row);
  std::span<const Standing> StandingsOf(std::uint32_t row) const {
    const std::uint32_t first = rows_[row].first_standing;
    const std::size_t end =
        row + 1 < row_count() ? rows_[row + 1].first_standing : standings_.size();
    return std::span(standings_).subspan(first, end - first);
  }
  void Step(Stream& stream);
  void Enter(Stream& stream);

  std::vector<Place> places_;
  Table<Row> rows_;
  Table<std::uint32_t> dependents_;   // rows
  std::vector<std::uint16_t> backs_;  // of each dependent; empty: all 0
  Table<Stream> streams_;
  std::vector<std::uint32_t> first_of_stream_;  // [streams] row of standings_; kNone: none
  Table<Standing> standings_;
  std::vector<std::uint32_t> ready_, scratch_;
  std::uint32_t open_count_ = 0, block_count_ = 0, program_count_ = 0;
  std::uint32_t watched_count_ = 0, watched_open_ = 0;  // of these not closed
};

// How long a computation takes in this pass: its duration, by the draw of its
// slowest host [program.h, Jitter].
SimDuration ComputeTime(const Program& program, const Op& op, std::uint32_t row,
                        std::uint32_t pass);

}  // namespace weft
