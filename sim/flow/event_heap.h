// The next completion of each flow, in order of (time, id).
//
// An indexed binary heap: an id is in it once, and Set() moves it. Nothing is
// allocated once the tables have grown.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/units.h"

namespace weft {

class EventHeap {
 public:
  bool empty() const { return heap_.empty(); }
  std::uint32_t top() const { return heap_.front().id; }
  SimTime top_time() const { return heap_.front().time; }

  void Set(std::uint32_t id, SimTime time) {
    if (id >= position_.size()) position_.resize(id + 1, kAbsent);
    if (position_[id] == kAbsent) {
      position_[id] = static_cast<std::uint32_t>(heap_.size());
      heap_.push_back({time, id});
      Up(position_[id]);
      return;
    }
    const std::uint32_t at = position_[id];
    const SimTime before = heap_[at].time;
    heap_[at].time = time;
    time < before ? Up(at) : Down(at);
  }

  void Erase(std::uint32_t id) {
    if (id >= position_.size() || position_[id] == kAbsent) return;
    const std::uint32_t at = position_[id];
    position_[id] = kAbsent;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (last.id == id) return;
    heap_[at] = last;
    position_[last.id] = at;
    Up(at);
    Down(position_[last.id]);
  }

  void Clear() {
    for (const Entry& entry : heap_) position_[entry.id] = kAbsent;
    heap_.clear();
  }

 private:
  struct Entry {
    SimTime time{};
    std::uint32_t id = 0;
    bool operator<(const Entry& other) const {
      return time != other.time ? time < other.time : id < other.id;
    }
  };
  static constexpr std::uint32_t kAbsent = 0xffffffff;

  void Swap(std::uint32_t a, std::uint32_t b) {
    std::swap(heap_[a], heap_[b]);
    position_[heap_[a].id] = a;
    position_[heap_[b].id] = b;
  }

  void Up(std::uint32_t at) {
    for (; at > 0 && heap_[at] < heap_[(at - 1) / 2]; at = (at - 1) / 2) Swap(at, (at - 1) / 2);
  }

  void Down(std::uint32_t at) {
    for (;;) {
      std::uint32_t least = at;
      for (std::uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child)
        if (heap_[child] < heap_[least]) least = child;
      if (least == at) return;
      Swap(at, least);
      at = least;
    }
  }

  std::vector<Entry> heap_;
  std::vector<std::uint32_t> position_;  // by id
};

}  // namespace weft
