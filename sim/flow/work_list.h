// Links to look at, those of the lowest share first.
//
// A calendar: shares within 0.4 % of each other lie in one bucket, the last one in
// comes out first; a tree of bits finds the lowest bucket that holds any. The order
// decides how often a link is looked at, not what its share becomes, so it need not
// be exact; a heap, which is, took a third of a run in which thousands of links
// change together.
//
// Shapes   8,192 buckets: 256 to an octave, from 2^8 times `largest` down over 32
//          octaves. What lies beyond is in the outermost ones, infinite in the last.
// Cost     O(1); nothing is allocated once as many have waited at once.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <vector>

namespace weft {

class WorkList {
 public:
  struct Item {
    double level = 0;
    std::uint32_t link = 0;
    std::uint32_t stamp = 0;  // the caller's: as of when the level is right
  };

  // `largest`: a share as large as most get, such as the largest capacity. Above 0.
  explicit WorkList(double largest) : head_(kBuckets, kNone) {
    bottom_ = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(largest) >> kDropped) -
              (kBuckets - kAbove);
  }

  bool empty() const { return words_ == 0; }

  void Push(Item item) {
    const std::uint32_t bucket = BucketOf(item.level);
    if (free_ == kNone) Grow();
    const std::uint32_t node = free_;
    free_ = nodes_[node].next;
    nodes_[node] = {item, head_[bucket]};
    head_[bucket] = node;
    bits_[bucket / 64] |= 1ull << bucket % 64;
    middle_[bucket / 4096] |= 1ull << bucket / 64 % 64;
    words_ |= 1u << bucket / 4096;
  }

  Item Pop() {
    const std::uint32_t bucket = Lowest(), node = head_[bucket];
    const Item item = nodes_[node].item;
    head_[bucket] = nodes_[node].next;
    nodes_[node].next = free_;
    free_ = node;
    if (head_[bucket] != kNone) return item;
    bits_[bucket / 64] &= ~(1ull << bucket % 64);
    if (bits_[bucket / 64] != 0) return item;
    middle_[bucket / 4096] &= ~(1ull << bucket / 64 % 64);
    if (middle_[bucket / 4096] == 0) words_ &= ~(1u << bucket / 4096);
    return item;
  }

  // Whether something that waits is well below `level`.
  bool AnyBelow(double level) const { return words_ != 0 && Lowest() < BucketOf(level); }

 private:
  // Kept out of Push(), which then needs no room on the stack.
  [[gnu::noinline]] void Grow() {
    constexpr std::uint32_t kMore = 64;
    const auto first = static_cast<std::uint32_t>(nodes_.size());
    nodes_.resize(first + kMore);
    for (std::uint32_t node = first; node < first + kMore; ++node) nodes_[node].next = node + 1;
    nodes_.back().next = kNone;
    free_ = first;
  }

  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kBuckets = 8192, kAbove = 8 * 256;
  static constexpr unsigned kDropped = 44;  // of a double's 52 bits after the point

  struct Node {
    Item item;
    std::uint32_t next = kNone;
  };

  std::uint32_t BucketOf(double level) const {
    const auto key = static_cast<std::int64_t>(std::bit_cast<std::uint64_t>(level) >> kDropped);
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(key - bottom_, 0, kBuckets - 1));
  }

  std::uint32_t Lowest() const {
    const auto word = static_cast<std::uint32_t>(std::countr_zero(words_));
    const auto middle = 64 * word + static_cast<std::uint32_t>(std::countr_zero(middle_[word]));
    return 64 * middle + static_cast<std::uint32_t>(std::countr_zero(bits_[middle]));
  }

  std::int64_t bottom_ = 0;
  std::vector<std::uint32_t> head_;  // [kBuckets]
  std::array<std::uint64_t, kBuckets / 64> bits_{};
  std::array<std::uint64_t, kBuckets / 4096> middle_{};
  std::uint32_t words_ = 0;
  std::vector<Node> nodes_;
  std::uint32_t free_ = kNone;
};

}  // namespace weft
