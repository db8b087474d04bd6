// Ids that are free, the lowest first.
//
// A tree of bits, 64 to a word: a heap took 200 instructions an id where a thousand are free.
//
// Cost     O(log64 of the largest id); nothing is allocated once it was as large.
#pragma once

#include <algorithm>
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
    lowest_word_ = std::min(lowest_word_, id / 64);
    for (std::size_t level = 0;; ++level, id /= 64) {
      if (level == levels_.size()) AddLevel();
      std::vector<std::uint64_t>& words = levels_[level];
      if (id / 64 >= words.size()) words.resize(id / 64 + std::size_t{1}, 0);
      const bool known_above = words[id / 64] != 0;
      words[id / 64] |= std::uint64_t{1} << id % 64;
      if (known_above || (id < 64 && level + 1 == levels_.size())) return;
    }
  }

  // Requires: one is free.
  std::uint32_t TakeLowest() {
    --count_;
    std::uint64_t& word = levels_[0][LowestWord()];
    const std::uint32_t taken =
        64 * lowest_word_ + static_cast<std::uint32_t>(std::countr_zero(word));
    word &= word - 1;
    if (word == 0) TakeWord();
    return taken;
  }

  void Clear() {
    levels_.clear();
    lowest_word_ = 0;
    count_ = 0;
  }

 private:
  std::uint32_t LowestWord() {
    if (levels_[0][lowest_word_] == 0) {
      lowest_word_ = 0;
      for (std::size_t level = levels_.size(); level-- > 1;)
        lowest_word_ = 64 * lowest_word_ +
                       static_cast<std::uint32_t>(std::countr_zero(levels_[level][lowest_word_]));
    }
    return lowest_word_;
  }

  // The lowest word of the first level has none left.
  void TakeWord() {
    std::uint32_t id = lowest_word_;
    for (std::size_t level = 1; level < levels_.size(); ++level, id /= 64) {
      std::uint64_t& word = levels_[level][id / 64];
      word &= ~(std::uint64_t{1} << id % 64);
      if (word != 0) return;
    }
  }

  // Above what was the top, whose one word may hold some already.
  void AddLevel() {
    const bool any = !levels_.empty() && levels_.back().front() != 0;
    levels_.push_back({any ? std::uint64_t{1} : 0});
  }

  std::vector<std::vector<std::uint64_t>> levels_;  // of the last one word is in use
  std::uint32_t lowest_word_ = 0;                   // of the first level: none below it has any
  std::size_t count_ = 0;
};

}  // namespace weft
