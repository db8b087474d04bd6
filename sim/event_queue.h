// What happens next: at most one time for each id, in order of time.
//
// An indexed heap of times, four ways at a node and those of a node on one cache line, each with
// the ids that are due then: ids that are set to one time after the other, as a symmetric
// collective does, share an entry of the heap. Nothing is allocated once the tables have grown.
//
// Cost     O(log n) a time, O(1) an id that joins the time set before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/table.h"
#include "base/units.h"

namespace weft {

class EventQueue {
 public:
  bool empty() const { return heap_.size() == kRoot; }
  SimTime top_time() const { return heap_[kRoot].time; }

  // One of the ids that are due at top_time().
  std::uint32_t top_id() const { return buckets_[heap_[kRoot].bucket].head; }

  void Set(std::uint32_t id, SimTime time) {
    if (id >= nodes_.size()) nodes_.resize(id + std::size_t{1});
    const std::uint32_t old = nodes_[id].bucket;
    if (old != kNone) {
      if (time_of(old) == time) return;
      const bool alone = nodes_[id].next == kNone && buckets_[old].head == id;
      if (alone && (recent_ == kNone || recent_ == old || time_of(recent_) != time)) {
        Move(old, time);
        recent_ = old;
        return;
      }
      Unlink(id);
    }
    if (recent_ == kNone || time_of(recent_) != time) recent_ = NewBucket(time);
    Link(id, recent_);
  }

  void Erase(std::uint32_t id) {
    if (id < nodes_.size() && nodes_[id].bucket != kNone) Unlink(id);
  }

  // Removes all ids that are due at top_time() and adds them to `ids`, in no order.
  void TakeTop(std::vector<std::uint32_t>& ids) {
    const SimTime time = top_time();
    while (!empty() && top_time() == time) {
      const std::uint32_t bucket = heap_[kRoot].bucket;
      for (std::uint32_t id = buckets_[bucket].head; id != kNone; id = nodes_[id].next) {
        ids.push_back(id);
        nodes_[id].bucket = kNone;
      }
      FreeBucket(bucket);
    }
  }

  void Clear() {
    nodes_.clear();
    heap_.resize(kRoot);
    buckets_.clear();
    free_buckets_.clear();
    recent_ = kNone;
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  // Below what is at row r of heap_ are rows 4·r - 8 to 4·r - 5: a line of four.
  static constexpr std::uint32_t kRoot = 3;
  struct Node {
    std::uint32_t bucket = kNone, next = kNone, before = kNone;
  };
  struct Bucket {
    std::uint32_t head = kNone, at = 0;  // row of heap_
  };
  struct Entry {
    SimTime time{};
    std::uint32_t bucket = 0;
  };

  SimTime time_of(std::uint32_t bucket) const { return heap_[buckets_[bucket].at].time; }

  std::uint32_t NewBucket(SimTime time) {
    std::uint32_t bucket = static_cast<std::uint32_t>(buckets_.size());
    if (free_buckets_.empty()) {
      buckets_.emplace_back();
    } else {
      bucket = free_buckets_.back();
      free_buckets_.pop_back();
    }
    buckets_[bucket] = {kNone, static_cast<std::uint32_t>(heap_.size())};
    heap_.push_back({time, bucket});
    Up(buckets_[bucket].at);
    return bucket;
  }

  void FreeBucket(std::uint32_t bucket) {
    if (recent_ == bucket) recent_ = kNone;
    free_buckets_.push_back(bucket);
    const std::uint32_t at = buckets_[bucket].at;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.bucket == bucket) return;
    Put(at, last);
    Up(at);
    Down(buckets_[last.bucket].at);
  }

  void Link(std::uint32_t id, std::uint32_t bucket) {
    const std::uint32_t head = buckets_[bucket].head;
    nodes_[id] = {bucket, head, kNone};
    if (head != kNone) nodes_[head].before = id;
    buckets_[bucket].head = id;
  }

  void Unlink(std::uint32_t id) {
    const Node node = nodes_[id];
    nodes_[id].bucket = kNone;
    if (node.next != kNone) nodes_[node.next].before = node.before;
    if (node.before != kNone)
      nodes_[node.before].next = node.next;
    else
      buckets_[node.bucket].head = node.next;
    if (buckets_[node.bucket].head == kNone) FreeBucket(node.bucket);
  }

  void Move(std::uint32_t bucket, SimTime time) {
    const std::uint32_t at = buckets_[bucket].at;
    const SimTime before = heap_[at].time;
    heap_[at].time = time;
    time < before ? Up(at) : Down(at);
  }

  void Put(std::uint32_t at, Entry entry) {
    heap_[at] = entry;
    buckets_[entry.bucket].at = at;
  }

  void Up(std::uint32_t at) {
    const Entry entry = heap_[at];
    for (; at > kRoot && entry.time < heap_[at / 4 + 2].time; at = at / 4 + 2)
      Put(at, heap_[at / 4 + 2]);
    Put(at, entry);
  }

  void Down(std::uint32_t at) {
    const Entry entry = heap_[at];
    const auto size = static_cast<std::uint32_t>(heap_.size());
    for (std::uint32_t first = 4 * at - 8; first < size; first = 4 * at - 8) {
      const std::uint32_t end = std::min(first + 4, size);
      std::uint32_t least = first;
      while (++first < end) least = heap_[first].time < heap_[least].time ? first : least;
      if (!(heap_[least].time < entry.time)) break;
      Put(at, heap_[least]);
      at = least;
    }
    Put(at, entry);
  }

  std::vector<Node> nodes_;  // by id
  std::vector<Bucket> buckets_;
  Table<Entry> heap_ = Table<Entry>(kRoot);
  std::vector<std::uint32_t> free_buckets_;
  std::uint32_t recent_ = kNone;  // the bucket that was set last
};

}  // namespace weft
