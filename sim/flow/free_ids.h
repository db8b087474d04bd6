// Ids that are free, the lowest first.
//
// A tree of bits, 64 to a word: a heap took 200 instructions an id where a thousand are free.
//
// Cost     O(log64 of the largest id); nothing is allocated once it was as large.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace weft {

class FreeIds {
 public:
  bool empty() const { return count_ == 0; }

  // Requires: it is not free.
  void Give(std::uint32_t id) {
    ++count_;
    for (std::size_t level = 0;; ++level, id /= 64) {
      if (level == levels_.size()) AddLevel();
      std::vector<std::uint64_t>& words = levels_[level];
      if (id / 64 >= words.size()) words.resize(id / 64 + std::size_t{1}, 0);
      words[id / 64] |= std::uint64_t{1} << id % 64;
      if (id < 64 && level + 1 == levels_.size()) return;
    }
  }

  // Requires: one is free.
  std::uint32_t TakeLowest() {
    --count_;
    std::uint32_t id = 0;
    for (std::size_t level = levels_.size(); level-- > 0;)
      id = 64 * id + static_cast<std::uint32_t>(std::countr_zero(levels_[level][id]));
    const std::uint32_t taken = id;
    for (std::vector<std::uint64_t>& words : levels_) {
      words[id / 64] &= ~(std::uint64_t{1} << id % 64);
      if (words[id / 64] != 0) break;
      id /= 64;
    }
    return taken;
  }

  void Clear() {
    levels_.clear();
    count_ = 0;
  }

 private:
  // Above what was the top, whose one word may hold some already.
  void AddLevel() {
    const bool any = !levels_.empty() && levels_.back().front() != 0;
    levels_.push_back({any ? std::uint64_t{1} : 0});
  }

  std::vector<std::vector<std::uint64_t>> levels_;  // of the last one word is in use
  std::size_t count_ = 0;
};

}  // namespace weft
