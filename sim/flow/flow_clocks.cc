#include "sim/flow/flow_clocks.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "sim/sort_rows.h"

namespace weft {
namespace {

constexpr double kMostBits = 1ull << 35;  // on a clock before it is set back
constexpr double kNeverSeconds = 9e6;     // SimTime reaches 106 days, 9.16e6 s

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
  for (Entry& entry : clock.heap) entry.end -= clock.reading;
  clock.reading = 0;
}

void FlowClocks::MarkStale(std::uint32_t link) {
  if (is_stale_[link] != 0) return;
  is_stale_[link] = 1;
  stale_.push_back(link);
}

void FlowClocks::SetLevel(std::uint32_t link, double level, SimTime now) {
  Clock& clock = clocks_[link];
  Advance(clock, now);
  clock.level = std::isinf(level) ? 0 : level;
  if (!clock.heap.empty()) MarkStale(link);
}

void FlowClocks::Place(std::uint32_t id, LinkId link, double left, SimTime now) {
  Flow& flow = FlowOf(id);
  if (flow.placed) Take(id);
  Clock& clock = clocks_[Index(link)];
  Advance(clock, now);
  if (clock.heap.empty()) clock.reading = 0;
  flow.placed = true;
  flow.alone = false;
  flow.link = Index(link);
  clock.heap.push_back({clock.reading + left, id});
  flow.at = static_cast<std::uint32_t>(clock.heap.size()) - 1;
  if (flow.at > 0) Up(clock, flow.at);
  if (flow.at == 0) MarkStale(Index(link));
}

void FlowClocks::PlaceAlone(std::uint32_t id, double left, double level, SimTime now) {
  Flow& flow = FlowOf(id);
  if (flow.placed && !flow.alone) Take(id);
  flow = {left, level, now, 0, 0, true, true};
  const auto event = static_cast<std::uint32_t>(clocks_.size()) + id;
  const SimTime end = EndOf(left, level, now);
  if (end == SimTime::max())
    queue_.Erase(event);
  else
    queue_.Set(event, end);
}

double FlowClocks::Left(std::uint32_t id, SimTime now) const {
  const Flow& flow = flows_[id];
  WEFT_CHECK(flow.placed);
  if (flow.alone) return std::max(0.0, flow.left - Passed(flow.level, flow.since, now));
  const Clock& clock = clocks_[flow.link];
  const double reading = clock.reading + Passed(clock.level, clock.since, now);
  return std::max(0.0, clock.heap[flow.at].end - reading);
}

void FlowClocks::Remove(std::uint32_t id) {
  if (!placed(id)) return;
  Take(id);
  flows_[id].placed = false;
}

// Off its clock; the clock's event follows in Settle().
void FlowClocks::Take(std::uint32_t id) {
  const Flow& flow = flows_[id];
  if (flow.alone) {
    queue_.Erase(static_cast<std::uint32_t>(clocks_.size()) + id);
    return;
  }
  Clock& clock = clocks_[flow.link];
  const std::uint32_t at = flow.at;
  if (at == 0) MarkStale(flow.link);
  const Entry last = clock.heap.back();
  clock.heap.pop_back();
  if (last.id == id) return;
  Put(clock, at, last);
  Up(clock, at);
  Down(clock, flows_[last.id].at);
}

void FlowClocks::Settle(SimTime now) {
  for (const std::uint32_t link : stale_) {
    Clock& clock = clocks_[link];
    is_stale_[link] = 0;
    SimTime end = SimTime::max();
    if (!clock.heap.empty()) {
      Advance(clock, now);
      end = EndOf(clock.heap.front().end - clock.reading, clock.level, now);
    }
    if (end == SimTime::max())
      queue_.Erase(link);
    else
      queue_.Set(link, end);
  }
  stale_.clear();
}

void FlowClocks::TakeEnded(std::vector<std::uint32_t>& ids, bool all) {
  const SimTime now = next();
  ids.clear();
  due_.clear();
  queue_.TakeTop(due_);
  std::reverse(due_.begin(), due_.end());  // as they were set: often in order
  const auto links = static_cast<std::uint32_t>(clocks_.size());
  for (const std::uint32_t event : due_) {
    const bool enough = !all && !ids.empty();
    if (event >= links && enough) {
      queue_.Set(event, now);
    } else if (event >= links) {
      ids.push_back(event - links);
      flows_[event - links].placed = false;
    } else {
      TakeEndedOn(event, now, ids, all);
    }
  }
  SortRows(ids, scratch_);
}

void FlowClocks::TakeEndedOn(std::uint32_t link, SimTime now, std::vector<std::uint32_t>& ids,
                             bool all) {
  Clock& clock = clocks_[link];
  double ended = -1;  // a reading that is due
  while (!clock.heap.empty() && (all || ids.empty())) {
    const Entry front = clock.heap.front();
    const bool due =
        front.end == ended || EndOf(front.end - clock.reading, clock.level, clock.since) <= now;
    if (!due) break;
    ended = front.end;
    ids.push_back(front.id);
    RemoveFront(clock);
    flows_[front.id].placed = false;
  }
  MarkStale(link);
}

void FlowClocks::RemoveFront(Clock& clock) {
  const Entry last = clock.heap.back();
  clock.heap.pop_back();
  if (clock.heap.empty()) return;
  Put(clock, 0, last);
  Down(clock, 0);
}

void FlowClocks::Put(Clock& clock, std::uint32_t at, Entry entry) {
  clock.heap[at] = entry;
  flows_[entry.id].at = at;
}

void FlowClocks::Up(Clock& clock, std::uint32_t at) {
  const Entry entry = clock.heap[at];
  for (; at > 0 && entry < clock.heap[(at - 1) / 2]; at = (at - 1) / 2)
    Put(clock, at, clock.heap[(at - 1) / 2]);
  Put(clock, at, entry);
}

void FlowClocks::Down(Clock& clock, std::uint32_t at) {
  const Entry entry = clock.heap[at];
  const auto size = static_cast<std::uint32_t>(clock.heap.size());
  for (std::uint32_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && clock.heap[child + 1] < clock.heap[child]) ++child;
    if (!(clock.heap[child] < entry)) break;
    Put(clock, at, clock.heap[child]);
    at = child;
  }
  Put(clock, at, entry);
}

}  // namespace weft
