// Division that rounds up.
#pragma once

#include <cstdint>

namespace weft {

// Requires: a >= 0, b > 0.
constexpr std::int64_t CeilDiv(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace weft
