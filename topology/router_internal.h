// What the router's tables (router_tables.cc) and its paths (router.cc) share.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace weft {

constexpr std::uint32_t kNone = 0xffffffff;
constexpr std::uint32_t kAttached = 0xfffffffe;  // the destination is a neighbour

// StreamSeed with one id more, of what it gave for those before.
constexpr std::uint64_t NextSeed(std::uint64_t stream, std::uint64_t id) {
  return Mix64(stream + 0x9e3779b97f4a7c15ULL * (id + 1));
}
static_assert(NextSeed(StreamSeed(7, {1}), 5) == StreamSeed(7, {1, 5}));

// Rows in the order of their distance, for costs of 1 to 7 (Dial's buckets); a row may be
// added again when it is found nearer.
class Nearest {
 public:
  void Clear() {
    for (auto& bucket : ring_) bucket.clear();
    at_ = 0;
    next_ = left_ = 0;
  }
  void Add(std::uint32_t row, std::uint32_t distance) {
    ring_[distance % kRing].push_back(row);
    ++left_;
  }
  // The next row and its distance when it was added; false where none is left.
  bool Take(std::uint32_t& row, std::uint32_t& distance) {
    if (left_ == 0) return false;
    while (next_ == ring_[at_ % kRing].size()) {
      ring_[at_++ % kRing].clear();
      next_ = 0;
    }
    row = ring_[at_ % kRing][next_++];
    distance = at_;
    --left_;
    return true;
  }

 private:
  static constexpr std::uint32_t kRing = 8;
  std::array<std::vector<std::uint32_t>, kRing> ring_;
  std::uint32_t at_ = 0;
  std::size_t next_ = 0, left_ = 0;
};

}  // namespace weft
