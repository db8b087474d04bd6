#include "sim/flow/flow_clocks.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/sort_rows.h"

namespace weft {
namespace {

constexpr double kMostBits = 1ull << 35;  // on a clock before it is set back
constexpr double kNeverSeconds = 9e6;     // SimTime reaches 106 days, 9.16e6 s
constexpr std::uint32_t kFewEntries = 4;  // of a clock's heap, at first: a cache line

std::uint32_t EventOfClock(std::uint32_t row) { return 2 * row; }
std::uint32_t EventOfFlow(std::uint32_t id) { return 2 * id + 1; }

}  // namespace

double FlowClocks::Passed(double level, SimTime since, SimTime now) {
  return now == since ? 0 : level * ToSeconds(now - since);
}

// kForever where it lies beyond what SimTime can say.
SimTime FlowClocks::EndOf(double left, double level, SimTime since) {
  if (left == last_end_.left && level == last_end_.level && since == last_end_.since)
    return last_end_.end;
  last_end_ = {left, level, since, SimTime::max()};
  if (!(level > 0)) return last_end_.end;
  const double seconds = std::max(0.0, left) / level;
  if (seconds < kNeverSeconds - ToSeconds(since)) last_end_.end = since + FromSecondsUp(seconds);
  return last_end_.end;
}

FlowClocks::Flow& FlowClocks::FlowOf(std::uint32_t id) {
  if (id >= flows_.size()) flows_.resize(id + std::size_t{1});
  return flows_[id];
}

void FlowClocks::Advance(Clock& clock, SimTime now) {
  clock.reading += Passed(clock.level, clock.since, now);
  clock.since = now;
  if (clock.reading > kMostBits) Rebase(clock);
}

void FlowClocks::Rebase(Clock& clock) {
  Entry* const heap = HeapOf(clock);
  for (std::uint32_t i = 0; i < clock.count; ++i) heap[i].end -= clock.reading;
  clock.reading = 0;
}

// A clock for a link that has none.
std::uint32_t FlowClocks::TakeRow(std::uint32_t link, double level, SimTime now) {
  auto row = static_cast<std::uint32_t>(clocks_.size());
  if (free_rows_.empty()) {
    clocks_.emplace_back();
  } else {
    row = free_rows_.back();
    free_rows_.pop_back();
  }
  clocks_[row] = {0, level, now, link, false, entries_.Take(kFewEntries), 0};
  return row_of_link_[link] = row;
}

void FlowClocks::FreeRow(std::uint32_t row) {
  Clock& clock = clocks_[row];
  row_of_link_[clock.link] = kNoRow;
  entries_.Give(clock.heap);
  free_rows_.push_back(row);
}

// As the last of the clock's heap.
void FlowClocks::Add(Clock& clock, Entry entry) {
  if (clock.count == clock.heap.room) clock.heap = entries_.Grow(clock.heap, clock.count);
  HeapOf(clock)[clock.count] = entry;
  flows_[entry.id].at = clock.count++;
  if (clock.count > 1) Up(clock, clock.count - 1);
}

void FlowClocks::MarkStale(std::uint32_t row) {
  if (clocks_[row].stale) return;
  clocks_[row].stale = true;
  stale_.push_back(row);
}

void FlowClocks::SetLevel(std::uint32_t link, double level, SimTime now) {
  const std::uint32_t row = row_of_link_[link];
  if (row == kNoRow) return;
  Clock& clock = clocks_[row];
  Advance(clock, now);
  MarkStale(row);
  clock.level = std::isinf(level) ? 0 : level;
}

void FlowClocks::Place(std::uint32_t id, LinkId link, double left, double level, SimTime now) {
  Flow& flow = FlowOf(id);
  if (flow.clock != kNoRow) Take(id);
  std::uint32_t row = row_of_link_[Index(link)];
  if (row == kNoRow) row = TakeRow(Index(link), level, now);
  Clock& clock = clocks_[row];
  if (clock.count == 0) {  // nobody reads it: it starts anew
    clock.reading = 0;
    clock.level = level;
    clock.since = now;
  }
  Advance(clock, now);
  flow.clock = row;
  Add(clock, {clock.reading + left, id});
  if (flow.at == 0) MarkStale(row);
}

void FlowClocks::PlaceAlone(std::uint32_t id, double left, double level, SimTime now) {
  Flow& flow = FlowOf(id);
  if (flow.clock < kOwn) Take(id);
  flow = {left, level, now, kOwn, 0};
  const std::uint32_t event = EventOfFlow(id);
  const SimTime end = EndOf(left, level, now);
  if (end == SimTime::max())
    queue_.Erase(event);
  else
    queue_.Set(event, end);
}

double FlowClocks::Left(std::uint32_t id, SimTime now) const {
  const Flow& flow = flows_[id];
  WEFT_CHECK(flow.clock != kNoRow);
  if (flow.clock == kOwn) return std::max(0.0, flow.left - Passed(flow.level, flow.since, now));
  const Clock& clock = clocks_[flow.clock];
  const double reading = clock.reading + Passed(clock.level, clock.since, now);
  return std::max(0.0, entries_[clock.heap.first + flow.at].end - reading);
}

void FlowClocks::Remove(std::uint32_t id) {
  if (!placed(id)) return;
  Take(id);
  flows_[id].clock = kNoRow;
}

// Off its clock; the clock's event follows in Settle().
void FlowClocks::Take(std::uint32_t id) {
  const Flow& flow = flows_[id];
  if (flow.clock == kOwn) {
    queue_.Erase(EventOfFlow(id));
    return;
  }
  Clock& clock = clocks_[flow.clock];
  const std::uint32_t at = flow.at;
  if (at == 0) MarkStale(flow.clock);
  const Entry last = HeapOf(clock)[--clock.count];
  if (last.id == id) return;
  Put(clock, at, last);
  Up(clock, at);
  Down(clock, flows_[last.id].at);
}

void FlowClocks::Settle(SimTime now) {
  for (const std::uint32_t row : stale_) {
    Clock& clock = clocks_[row];
    clock.stale = false;
    SimTime end = SimTime::max();
    if (clock.count > 0) {
      Advance(clock, now);
      end = EndOf(HeapOf(clock)->end - clock.reading, clock.level, now);
    } else {
      FreeRow(row);
    }
    if (end == SimTime::max())
      queue_.Erase(EventOfClock(row));
    else
      queue_.Set(EventOfClock(row), end);
  }
  stale_.clear();
}

void FlowClocks::TakeEnded(std::vector<std::uint32_t>& ids, bool all) {
  const SimTime now = next();
  ids.clear();
  due_.clear();
  queue_.TakeTop(due_);
  std::reverse(due_.begin(), due_.end());  // as they were set: often in order
  for (const std::uint32_t event : due_) {
    const bool enough = !all && !ids.empty();
    const bool of_flow = event % 2 != 0;
    if (of_flow && enough) {
      queue_.Set(event, now);
    } else if (of_flow) {
      ids.push_back(event / 2);
      flows_[event / 2].clock = kNoRow;
    } else {
      TakeEndedOn(event / 2, now, ids, all);
    }
  }
  SortRows(ids, scratch_);
}

void FlowClocks::TakeEndedOn(std::uint32_t row, SimTime now, std::vector<std::uint32_t>& ids,
                             bool all) {
  Clock& clock = clocks_[row];
  double ended = -1;  // a reading that is due
  while (clock.count > 0 && (all || ids.empty())) {
    const Entry front = *HeapOf(clock);
    const bool due =
        front.end == ended || EndOf(front.end - clock.reading, clock.level, clock.since) <= now;
    if (!due) break;
    ended = front.end;
    ids.push_back(front.id);
    RemoveFront(clock);
    flows_[front.id].clock = kNoRow;
  }
  MarkStale(row);
}

void FlowClocks::RemoveFront(Clock& clock) {
  const Entry last = HeapOf(clock)[--clock.count];
  if (clock.count == 0) return;
  Put(clock, 0, last);
  Down(clock, 0);
}

void FlowClocks::Put(Clock& clock, std::uint32_t at, Entry entry) {
  HeapOf(clock)[at] = entry;
  flows_[entry.id].at = at;
}

void FlowClocks::Up(Clock& clock, std::uint32_t at) {
  const Entry* const heap = HeapOf(clock);
  const Entry entry = heap[at];
  for (; at > 0 && entry < heap[(at - 1) / 2]; at = (at - 1) / 2)
    Put(clock, at, heap[(at - 1) / 2]);
  Put(clock, at, entry);
}

void FlowClocks::Down(Clock& clock, std::uint32_t at) {
  const Entry* const heap = HeapOf(clock);
  const Entry entry = heap[at];
  for (std::uint32_t child = 2 * at + 1; child < clock.count; child = 2 * at + 1) {
    if (child + 1 < clock.count && heap[child + 1] < heap[child]) ++child;
    if (!(heap[child] < entry)) break;
    Put(clock, at, heap[child]);
    at = child;
  }
  Put(clock, at, entry);
}

}  // namespace weft
