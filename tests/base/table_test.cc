#include "base/table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <utility>

namespace weft {
namespace {

std::uint64_t Place(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

TEST(Table, KeepsItsRowsWhereItGrowsOntoLargePages) {
  Table<std::uint64_t> table;
  for (std::uint64_t i = 0; i < 1'000'000; ++i) table.push_back(i);
  EXPECT_EQ(Place(table.data()) % (1 << 21), 0u);
  EXPECT_EQ(std::accumulate(table.begin(), table.end(), std::uint64_t{0}), 499'999'500'000u);
  Table<std::uint64_t> copy = table;
  const Table<std::uint64_t> moved = std::move(table);
  EXPECT_EQ(copy, moved);
  copy.resize(10);
  copy.shrink_to_fit();  // back to where small ones lie
  EXPECT_EQ(copy.back(), 9u);
}

TEST(Table, KeepsTheAlignmentOfItsRows) {
  struct alignas(64) Row {
    std::uint8_t byte = 7;
  };
  for (const std::size_t rows : {3u, 100'000u}) {
    const Table<Row> table(rows);
    EXPECT_EQ(Place(table.data()) % 64, 0u);
    EXPECT_EQ(table.back().byte, 7);
  }
}

}  // namespace
}  // namespace weft
