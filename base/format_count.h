// Numbers as people read them.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace weft {

// 14,400.
inline std::string FormatCount(std::int64_t count) {
  std::string out = std::to_string(count);
  const std::int64_t first = count < 0 ? 1 : 0;
  for (auto at = static_cast<std::int64_t>(out.size()) - 3; at > first; at -= 3)
    out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

// 1 host, 2,048 hosts.
inline std::string FormatCounted(std::int64_t count, const char* noun) {
  return FormatCount(count) + ' ' + noun + (count == 1 ? "" : "s");
}

// 28,090; 316.3; 0.00722: whole from a thousand on, else `digits` significant ones less the zeros
// at their end. Requires: below 2^63 in size.
inline std::string FormatFigure(double value, int digits) {
  const double size = std::abs(value);
  if (size >= 1000 - 0.5 * std::pow(10.0, 3 - digits))
    return FormatCount(static_cast<std::int64_t>(std::llround(value)));
  const int whole = size > 0 ? static_cast<int>(std::floor(std::log10(size))) + 1 : digits;
  char text[400];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::fixed,
                                 std::max(0, digits - whole))
                       .ptr;
  std::string out(text, end);
  if (out.find('.') == std::string::npos) return out;
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

}  // namespace weft
