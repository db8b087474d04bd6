// The seeds of a property test: 1 … count, or WEFT_SEED alone where it is set.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace weft {

inline std::vector<std::uint64_t> TestSeeds(std::uint64_t count) {
  if (const char* given = std::getenv("WEFT_SEED")) return {std::strtoull(given, nullptr, 10)};
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = 1; seed <= count; ++seed) seeds.push_back(seed);
  return seeds;
}

}  // namespace weft
