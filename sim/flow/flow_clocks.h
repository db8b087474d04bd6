// When each flow ends, without a look at every flow whose rate moves.
//
// All flows that a link holds back rise and fall together: at any moment each has
// sent the same bits a unit of weight. So the link keeps a clock that reads how
// many those are, and a flow is filed under the reading at which it is done. When
// the link's share moves, the clock goes on at another pace: one entry of the
// event queue moves, and no flow does. This is the virtual time of fair queueing
// [PG93 §III] with one clock a bottleneck. A flow that
// its own cap holds back, or a link that nothing else crosses, has a clock of its own.
//
// Units    bits a unit of weight ("left"), and the same a second ("level"); a flow
//          of weight 4 with 8 Gbit to go has 2 Gbit left.
// Cost     O(log) of the flows on its link to place a flow, O(log) of the clocks
//          to set one; nothing is allocated once the tables have grown.
// Repeats  a clock's reading is summed in the order of its changes; it starts
//          again from zero when the last flow leaves, and every 2^35 bits, so
//          that small flows on a busy link lose nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "base/table.h"
#include "base/units.h"
#include "sim/event_queue.h"
#include "sim/flow/chunk_pool.h"
#include "topology/fabric.h"

namespace weft {

class FlowClocks {
 public:
  explicit FlowClocks(std::uint32_t link_count) : row_of_link_(link_count, kNoRow) {}

  // The clock of `link` goes at `level` from `now` on. Infinite: it holds nothing. A link without
  // flows has none, and nothing happens.
  void SetLevel(std::uint32_t link, double level, SimTime now);
  // Files flow `id`, new or known, with `left` to go on the link's clock, which goes at `level`.
  void Place(std::uint32_t id, LinkId link, double left, double level, SimTime now);
  // The same on a clock of its own.
  void PlaceAlone(std::uint32_t id, double left, double level, SimTime now);
  // What flow `id` has left. Requires: it is placed.
  double Left(std::uint32_t id, SimTime now) const;
  bool placed(std::uint32_t id) const { return id < flows_.size() && flows_[id].clock != kNoRow; }
  void Remove(std::uint32_t id);

  // Brings the queue up to what was placed, removed and set. Call it before the two below.
  void Settle(SimTime now);
  bool empty() const { return queue_.empty(); }
  SimTime next() const { return queue_.top_time(); }
  // A flow that ends at next(), as things stand. Requires: not empty.
  std::uint32_t next_flow() const {
    const std::uint32_t event = queue_.top_id();
    return event % 2 != 0 ? event / 2 : entries_.At(clocks_[event / 2].heap.first)->id;
  }
  // Removes the flows that end at next() and lists them, ascending; with `all` off,
  // one of them.
  void TakeEnded(std::vector<std::uint32_t>& ids, bool all);

 private:
  static constexpr std::uint32_t kNoRow = 0xffffffff, kOwn = 0xfffffffe;
  struct Entry {
    double end = 0;  // the clock's reading
    std::uint32_t id = 0;
    bool operator<(const Entry& other) const {
      return end != other.end ? end < other.end : id < other.id;
    }
  };
  struct Clock {
    double reading = 0, level = 0;
    SimTime since{};
    std::uint32_t link = 0;
    bool stale = false;  // it is in stale_
    Chunk heap;          // of entries_
    std::uint32_t count = 0;
  };
  struct Flow {
    double left = 0, level = 0;  // of its own clock
    SimTime since{};
    std::uint32_t clock = kNoRow;  // of clocks_; kOwn; kNoRow: it is not placed
    std::uint32_t at = 0;          // row of the clock's heap
  };

  static double Passed(double level, SimTime since, SimTime now);
  SimTime EndOf(double left, double level, SimTime since);
  Flow& FlowOf(std::uint32_t id);
  Entry* HeapOf(const Clock& clock) { return entries_.At(clock.heap.first); }
  void Advance(Clock& clock, SimTime now);
  std::uint32_t TakeRow(std::uint32_t link, double level, SimTime now);
  void FreeRow(std::uint32_t row);
  void Add(Clock& clock, Entry entry);
  void MarkStale(std::uint32_t row);
  void Rebase(Clock& clock);
  void Take(std::uint32_t id);
  void TakeEndedOn(std::uint32_t row, SimTime now, std::vector<std::uint32_t>& ids, bool all);
  void RemoveFront(Clock& clock);
  void Put(Clock& clock, std::uint32_t at, Entry entry);
  void Up(Clock& clock, std::uint32_t at);
  void Down(Clock& clock, std::uint32_t at);

  // What EndOf() was asked last: flows that start together often end together.
  struct LastEnd {
    double left = 0, level = 0;
    SimTime since{}, end = SimTime::max();
  };

  LastEnd last_end_;
  // Few links of a fabric hold flows at a time: their clocks are those that were used last, and
  // stay in the cache.
  std::vector<std::uint32_t> row_of_link_;  // [L] kNoRow: it has none
  std::vector<Clock> clocks_;
  std::vector<std::uint32_t> free_rows_;
  ChunkPool<Entry> entries_;
  Table<Flow> flows_;
  std::vector<std::uint32_t> stale_;  // rows
  std::vector<std::uint32_t> due_, scratch_;
  EventQueue queue_;  // even: rows of clocks_; odd: flows with a clock of their own
};

}  // namespace weft
