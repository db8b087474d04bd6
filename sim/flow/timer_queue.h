// What happens at a time of its own: the earliest first, of one time in the items' own order.
//
// A heap of times, each with the items that are due then. Flows that begin in one instant are
// due together, so most items join a time that was set just before; those of a time are put
// in order once, when it has come.
//
// Cost     O(log n) a time, O(log k) an item of k that share it; nothing is allocated once as
//          many have waited at once.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/units.h"

namespace weft {

// Item has `SimTime at` and operator<.
template <typename Item>
class TimerQueue {
 public:
  bool empty() const { return next_ == due_.size() && heap_.empty(); }
  SimTime top_time() const { return next_ < due_.size() ? due_[next_].at : heap_.front().time; }

  // Requires: not before an item that was popped, as long as others of its time wait.
  void Push(const Item& item) {
    if (next_ < due_.size() && item.at == due_[next_].at) {
      const auto first = due_.begin() + static_cast<std::ptrdiff_t>(next_);
      due_.insert(std::upper_bound(first, due_.end(), item), item);
      return;
    }
    std::uint32_t node = free_;
    if (node == kNone) {
      node = static_cast<std::uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      free_ = nodes_[node].next;
    }
    std::uint32_t& head = heads_[BucketOf(item.at)];
    nodes_[node] = {item, head};
    head = node;
  }

  Item Pop() {
    if (next_ == due_.size()) TakeTop();
    return due_[next_++];
  }

  void Clear() { *this = {}; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Node {
    Item item;
    std::uint32_t next = kNone;
  };
  struct Time {
    SimTime time{};
    std::uint32_t bucket = kNone;
    bool operator>(const Time& other) const { return time > other.time; }
  };

  // One whose time was set just before, else a new one: two of one time do no harm.
  std::uint32_t BucketOf(SimTime time) {
    for (const Time& recent : recent_)
      if (recent.time == time && recent.bucket != kNone) return recent.bucket;
    auto bucket = static_cast<std::uint32_t>(heads_.size());
    if (free_buckets_.empty()) {
      heads_.push_back(kNone);
    } else {
      bucket = free_buckets_.back();
      free_buckets_.pop_back();
    }
    heap_.push_back({time, bucket});
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    recent_[oldest_++ % recent_.size()] = {time, bucket};
    return bucket;
  }

  // All that are due at the earliest time into due_.
  void TakeTop() {
    const SimTime time = heap_.front().time;
    due_.clear();
    next_ = 0;
    while (!heap_.empty() && heap_.front().time == time) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const std::uint32_t bucket = heap_.back().bucket;
      heap_.pop_back();
      for (std::uint32_t node = heads_[bucket]; node != kNone;) {
        const std::uint32_t after = nodes_[node].next;
        due_.push_back(nodes_[node].item);
        nodes_[node].next = free_;
        free_ = node;
        node = after;
      }
      heads_[bucket] = kNone;
      free_buckets_.push_back(bucket);
    }
    for (Time& recent : recent_)
      if (recent.time == time) recent.bucket = kNone;
    std::reverse(due_.begin(), due_.end());  // as they came: often in order
    if (!std::is_sorted(due_.begin(), due_.end())) std::sort(due_.begin(), due_.end());
  }

  std::vector<Time> heap_;
  std::vector<std::uint32_t> heads_, free_buckets_;  // by bucket: its nodes, the last come first
  std::vector<Node> nodes_;
  std::uint32_t free_ = kNone;
  std::array<Time, 4> recent_;
  std::uint32_t oldest_ = 0;
  std::vector<Item> due_;  // those of one time, of which the rows before next_ are over
  std::size_t next_ = 0;
};

}  // namespace weft
