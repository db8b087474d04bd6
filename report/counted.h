// Counts with their noun: 1 host, 2,048 hosts.
#pragma once

#include <string>

#include "report/numbers.h"

namespace weft {

inline std::string FormatCounted(std::int64_t count, const char* noun) {
  return FormatCount(count) + ' ' + noun + (count == 1 ? "" : "s");
}

}  // namespace weft
