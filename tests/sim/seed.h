// The seeds of a property test: 1 … count, or WEFT_SEED alone where it is set. WEFT_FUZZ=n tries n
// of them from there on.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <vector>

namespace weft {

// Whether they are the test's own: what it means to have met among them is met.
inline bool OwnSeeds() {
  return std::getenv("WEFT_SEED") == nullptr && std::getenv("WEFT_FUZZ") == nullptr;
}

inline std::vector<std::uint64_t> TestSeeds(std::uint64_t count) {
  const auto number = [](const char* name, std::uint64_t otherwise) {
    const char* given = std::getenv(name);
    return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
  };
  const std::uint64_t first = number("WEFT_SEED", 1);
  const bool one = std::getenv("WEFT_SEED") != nullptr;
  const std::uint64_t end = first + number("WEFT_FUZZ", one ? 1 : count);
  std::vector<std::uint64_t> seeds;
  for (std::uint64_t seed = first; seed < end; ++seed) seeds.push_back(seed);
  return seeds;
}

}  // namespace weft
