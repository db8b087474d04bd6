// Ascending order for the row numbers of one instant.
//
// A symmetric collective ends and starts thousands of rows at once, mostly in order
// already or in a few stretches that are; then comparing sorts are a quarter of a run.
//
// Cost     one look at each where they are in order; else two or three passes by digit,
//          for few by comparison. Allocates until `scratch` has grown.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace weft {

inline void SortRows(std::vector<std::uint32_t>& rows, std::vector<std::uint32_t>& scratch) {
  constexpr std::size_t kFew = 64;
  constexpr unsigned kDigitBits = 11;
  constexpr std::uint32_t kDigits = 1u << kDigitBits;
  const auto run = std::is_sorted_until(rows.begin(), rows.end());
  if (run == rows.end()) return;
  if (std::is_sorted(run, rows.end())) {  // two runs: as of a ring whose last feeds its first
    scratch.resize(rows.size());
    std::merge(rows.begin(), run, run, rows.end(), scratch.begin());
    rows.swap(scratch);
    return;
  }
  if (rows.size() < kFew) return std::sort(rows.begin(), rows.end());
  const auto [least, most] = std::minmax_element(rows.begin(), rows.end());
  const std::uint32_t first = *least, range = *most - *least;
  scratch.resize(rows.size());
  for (unsigned shift = 0; shift < 32 && range >> shift != 0; shift += kDigitBits) {
    std::array<std::uint32_t, kDigits + 1> start{};
    const auto digit = [&](std::uint32_t row) { return ((row - first) >> shift) % kDigits; };
    for (const std::uint32_t row : rows) ++start[digit(row) + 1];
    for (std::uint32_t d = 1; d < kDigits; ++d) start[d] += start[d - 1];
    for (const std::uint32_t row : rows) scratch[start[digit(row)]++] = row;
    rows.swap(scratch);
  }
}

}  // namespace weft
