// A whole number as people read it.
#pragma once

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

}  // namespace weft
