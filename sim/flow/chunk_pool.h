// Many small arrays that grow and shrink, in one vector that begins a cache line.
//
// An array is a chunk of 2, 4, 8 … rows, on no more cache lines than it needs; one that is given
// back serves another array of its size. Nothing is allocated once the pool has grown to its size.
// Rows move when Take() grows the vector: keep indices, not pointers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "base/table.h"

namespace weft {

// Rows [first, first + room) of a pool.
struct Chunk {
  std::uint32_t first = 0, room = 0;
};

template <typename Row>
class ChunkPool {
 public:
  Row& operator[](std::uint32_t row) { return rows_[row]; }
  const Row& operator[](std::uint32_t row) const { return rows_[row]; }
  // The same, also where there is none yet.
  Row* At(std::uint32_t row) { return rows_.data() + row; }
  const Row* At(std::uint32_t row) const { return rows_.data() + row; }

  // A chunk of at least `rows` rows, as they were left.
  Chunk Take(std::uint32_t rows) {
    const std::uint32_t room = std::max(2u, std::bit_ceil(rows));
    std::vector<std::uint32_t>& free = FreeOf(room);
    Chunk chunk{used_, room};
    if (free.empty()) {
      for (; used_ % std::min(room, kLineRows) != 0; used_ += 2) Give({used_, 2});
      chunk.first = used_;
      used_ += room;
      if (used_ > rows_.size()) rows_.resize(used_);
    } else {
      chunk.first = free.back();
      free.pop_back();
    }
    return chunk;
  }

  void Give(Chunk chunk) {
    if (chunk.room > 0) FreeOf(chunk.room).push_back(chunk.first);
  }

  // All chunks are given back; the memory stays.
  void Clear() {
    used_ = 0;
    free_.clear();
  }

  // Room for so many rows is asked for at once; what is not used is not touched.
  void Reserve(std::size_t rows) { rows_.reserve(rows); }

  // A larger chunk with the same first `count` rows.
  Chunk Grow(Chunk chunk, std::uint32_t count) {
    const Chunk larger = Take(2 * chunk.room);
    std::copy_n(rows_.begin() + chunk.first, count, rows_.begin() + larger.first);
    Give(chunk);
    return larger;
  }

 private:
  static constexpr std::uint32_t kLineRows =
      std::bit_floor(std::max<std::uint32_t>(1, 64 / sizeof(Row)));
  std::vector<std::uint32_t>& FreeOf(std::uint32_t room) {
    const auto level = static_cast<std::size_t>(std::bit_width(room));
    if (free_.size() <= level) free_.resize(level + 1);
    return free_[level];
  }

  Table<Row> rows_;
  std::uint32_t used_ = 0;
  std::vector<std::vector<std::uint32_t>> free_;  // by size
};

}  // namespace weft
