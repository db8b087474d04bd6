#include "sim/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/random.h"
#include "sim/sort_rows.h"

namespace weft {

std::uint32_t Schedule::Append(const Program& program) {
  const std::uint32_t first = row_count();
  rows_.resize(first + program.ops.size());
  AddPlaces(program, first);
  AddDependents(program, first);
  open_count_ += row_count() - first;
  if (streams_.size() < program.stream_count) streams_.resize(program.stream_count);
  first_of_stream_.resize(streams_.size(), kNone);
  const auto first_standing = static_cast<std::uint32_t>(standings_.size());
  AddStandings(program, first);
  for (std::uint32_t row = first; row < row_count(); ++row) Await(row);
  for (auto at = first_standing; at < standings_.size(); ++at) {
    Stream& stream = streams_[standings_[at].stream];
    (stream.last == kNone ? first_of_stream_[standings_[at].stream]
                          : standings_[stream.last].next) = at;
    stream.last = at;
    if (stream.at != kNone) continue;
    stream.at = stream.block_start = at;
    Enter(stream);
  }
  return first;
}

void Schedule::AddStandings(const Program& program, std::uint32_t first_row) {
  auto next = static_cast<std::uint32_t>(standings_.size());
  std::size_t end = next;
  for (const Op& op : program.ops) end += op.stream_count;
  standings_.resize(end);
  for (std::uint32_t row = first_row; row < row_count(); ++row) {
    const Op& op = program.ops[row - first_row];
    rows_[row].first_standing = next;
    for (std::uint32_t i = 0; i < op.stream_count; ++i)
      standings_[next++] = {program.streams[op.first_stream + i], row, kNone};
  }
}

void Schedule::AddPlaces(const Program& program, std::uint32_t first_row) {
  const auto outside = static_cast<std::uint32_t>(places_.size());
  places_.push_back({&program, program_count_++, first_row, 0, 1});
  for (std::uint32_t row = first_row; row < row_count(); ++row) rows_[row].place = outside;
  for (const Block& block : program.blocks) {
    for (std::uint32_t i = 0; i < block.rows; ++i)
      rows_[first_row + block.first_row + i].place = static_cast<std::uint32_t>(places_.size());
    places_.push_back(places_[outside]);
    places_.back().block = ++block_count_;
    places_.back().times = block.times;
  }
}

void Schedule::AddDependents(const Program& program, std::uint32_t first_row) {
  const auto first = static_cast<std::uint32_t>(dependents_.size());
  bool any_back = !backs_.empty();
  std::uint32_t count = 0;
  for (const Op& op : program.ops)
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program.deps[op.first_dep + i];
      ++rows_[first_row + dep.row].first_dependent;
      ++count;
      any_back = any_back || dep.back != 0;
    }
  std::uint32_t next = first;  // each row's end, from which it is filled backwards
  for (std::uint32_t row = first_row; row < row_count(); ++row)
    next = rows_[row].first_dependent += next;
  dependents_.resize(first + count);
  if (any_back) backs_.resize(dependents_.size(), 0);
  for (std::uint32_t row = row_count(); row-- > first_row;) {
    const Op& op = program.ops[row - first_row];
    for (std::uint32_t i = op.dep_count; i-- > 0;) {
      const Dep& dep = program.deps[op.first_dep + i];
      const std::uint32_t at = --rows_[first_row + dep.row].first_dependent;
      dependents_[at] = row;
      if (any_back) backs_[at] = dep.back;
    }
  }
}

void Schedule::Reset() {
  ready_.clear();
  open_count_ = row_count();
  watched_open_ = watched_count_;
  for (Row& row : rows_) {
    row.passes_done = 0;
    row.state = State::kBlocked;
    row.dropped = false;
  }
  for (std::uint32_t row = 0; row < row_count(); ++row) Await(row);
  for (std::uint32_t s = 0; s < streams_.size(); ++s) {
    Stream& stream = streams_[s];
    stream.pass = 0;
    stream.at = stream.block_start = first_of_stream_[s];
    Enter(stream);
  }
}

// Passes of `on` that must be done before the next pass of `row`.
std::uint32_t Schedule::Needed(std::uint32_t row, std::uint32_t on, std::uint16_t back) const {
  const Place& place = PlaceOf(on);
  if (place.block == 0 || rows_[on].place != rows_[row].place) return place.times;
  const std::uint32_t pass = rows_[row].passes_done + 1;
  return pass > back ? pass - back : 0;
}

void Schedule::Await(std::uint32_t row) {
  Row& r = rows_[row];
  r.state = State::kBlocked;
  const Op& o = op(row);
  r.missing = o.stream_count;
  for (std::uint32_t i = 0; i < o.dep_count; ++i) {
    const Dep& dep = program(row).deps[o.first_dep + i];
    const std::uint32_t on = first_row(row) + dep.row;
    if (rows_[on].passes_done < Needed(row, on, dep.back)) ++r.missing;
  }
  if (r.missing > 0) return;
  r.state = State::kReady;
  ready_.push_back(row);
}

void Schedule::Arrive(std::uint32_t row) {
  Row& r = rows_[row];
  if (r.state != State::kBlocked) return;
  WEFT_CHECK(r.missing > 0);
  if (--r.missing > 0) return;
  r.state = State::kReady;
  ready_.push_back(row);
}

void Schedule::TakeReady(std::vector<std::uint32_t>& rows) {
  rows.clear();
  for (const std::uint32_t row : ready_)
    if (rows_[row].state == State::kReady) rows.push_back(row);
  ready_.clear();
  SortRows(rows, scratch_);
  for (const std::uint32_t row : rows) rows_[row].state = State::kRunning;
}

void Schedule::Notify(std::uint32_t row) {
  const Row& r = rows_[row];
  const std::uint32_t end = row + 1 < row_count() ? rows_[row + 1].first_dependent
                                                  : static_cast<std::uint32_t>(dependents_.size());
  for (std::uint32_t i = r.first_dependent; i < end; ++i) {
    const std::uint32_t dependent = dependents_[i];
    const bool waits = dependent != row && rows_[dependent].state == State::kBlocked;
    const std::uint16_t back = backs_.empty() ? std::uint16_t{0} : backs_[i];
    if (waits && Needed(dependent, row, back) == r.passes_done) Arrive(dependent);
  }
}

void Schedule::Watch(std::span<const RowId> rows) {
  for (Row& row : rows_) row.watched = false;
  watched_count_ = watched_open_ = 0;
  for (const RowId id : rows) {
    WEFT_CHECK(Index(id) < row_count());
    Row& row = rows_[Index(id)];
    if (row.watched) continue;
    row.watched = true;
    ++watched_count_;
    if (row.state < State::kDone) ++watched_open_;
  }
}

void Schedule::Close(Row& row, State state) {
  row.state = state;
  --open_count_;
  if (row.watched) --watched_open_;
}

void Schedule::Complete(std::uint32_t row) {
  Row& r = rows_[row];
  WEFT_CHECK(r.state == State::kRunning);
  ++r.passes_done;
  if (r.passes_done == times(row)) {
    Close(r, State::kDone);
  } else {
    Await(row);
  }
  Notify(row);
  LeaveStreams(row);
}

void Schedule::Stop(std::uint32_t row) {
  WEFT_CHECK(rows_[row].state == State::kRunning);
  Close(rows_[row], State::kStopped);
}

void Schedule::Drop(std::uint32_t row) {
  Row& r = rows_[row];
  if (r.state >= State::kDone) return;
  Close(r, State::kDone);
  r.dropped = true;
  while (r.passes_done < times(row)) {
    ++r.passes_done;
    Notify(row);
  }
  LeaveStreams(row);
}

void Schedule::LeaveStreams(std::uint32_t row) {
  for (const Standing& standing : StandingsOf(row)) {
    Stream& stream = streams_[standing.stream];
    if (stream.at == kNone || &standings_[stream.at] != &standing) continue;
    Step(stream);
    Enter(stream);
  }
}

// To the row that comes next, or to the block's first row of this stream for another pass.
void Schedule::Step(Stream& stream) {
  const auto [id, row, next] = standings_[stream.at];
  const bool last = next == kNone || block(standings_[next].row) != block(row);
  if (block(row) != 0 && last && stream.pass + 1 < times(row)) {
    ++stream.pass;
    stream.at = stream.block_start;
    return;
  }
  stream.at = next;
  if (block(row) != 0 && !last) return;
  stream.pass = 0;
  stream.block_start = next;
}

// The stream has come to a row, or its end; rows that were dropped are passed over.
void Schedule::Enter(Stream& stream) {
  while (stream.at != kNone && rows_[standings_[stream.at].row].dropped) Step(stream);
  if (stream.at != kNone) Arrive(standings_[stream.at].row);
}

std::vector<Waiting> Schedule::WaitingRows() const {
  std::vector<Waiting> waiting;
  for (std::uint32_t row = 0; row < row_count(); ++row) {
    if (rows_[row].state >= State::kDone) continue;
    Waiting w{RowId{row}, kNoRow};
    const Op& o = op(row);
    if (rows_[row].state == State::kBlocked) {
      for (std::uint32_t i = 0; i < o.dep_count && w.for_row == kNoRow; ++i) {
        const Dep& dep = program(row).deps[o.first_dep + i];
        const std::uint32_t on = first_row(row) + dep.row;
        if (rows_[on].passes_done < Needed(row, on, dep.back)) w.for_row = RowId{on};
      }
      for (const Standing& standing : StandingsOf(row)) {
        const std::uint32_t head = standings_[streams_[standing.stream].at].row;
        if (w.for_row == kNoRow && head != row) w.for_row = RowId{head};
      }
    }
    waiting.push_back(w);
  }
  return waiting;
}

SimDuration ComputeTime(const Program& program, const Op& op, std::uint32_t row,
                        std::uint32_t pass) {
  if (program.jitter.sigma == 0) return op.duration();
  const auto draw = [&](std::uint64_t host) {
    Random random(StreamSeed(program.jitter.seed, {host, row - op.subject, pass}));
    return std::max(0.0, 1 + program.jitter.sigma * random.Normal());
  };
  double factor = 0;
  for (std::uint32_t i = 0; i < op.stream_count; ++i) {
    const std::uint32_t stream = program.streams[op.first_stream + i];
    const bool known = !program.host_of_stream.empty();
    factor = std::max(factor, draw(known ? Index(program.host_of_stream[stream]) : stream));
  }
  if (op.stream_count == 0) factor = draw(Index(kNoHost));
  return FromSecondsUp(ToSeconds(op.duration()) * factor);
}

}  // namespace weft
