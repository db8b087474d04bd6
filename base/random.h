// Deterministic random streams: the same numbers on every machine and library.
//
// `std` distributions differ between standard libraries, so weft draws with its
// own: SplitMix64 [SLF14 §3] as both generator and mixer. A stream is named by
// a seed and any number of ids (host, row, pass ...), so that one stream's
// draws never shift another's.
//
// Repeats  bit for bit, everywhere; Normal() uses only sqrt, log and cos of the
//          C library, and one library gives one answer.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace weft {

// A bijective mix of 64 bits in which every input bit reaches every output bit
// (SplitMix64's finaliser, [SLF14 fig. 17]).
constexpr std::uint64_t Mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

// The seed of the stream that `ids` name under `seed`.
constexpr std::uint64_t StreamSeed(std::uint64_t seed, std::initializer_list<std::uint64_t> ids) {
  std::uint64_t state = Mix64(seed + 0x9e3779b97f4a7c15ULL);
  for (const std::uint64_t id : ids) state = Mix64(state + 0x9e3779b97f4a7c15ULL * (id + 1));
  return state;
}

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}

  constexpr std::uint64_t Next() { return Mix64(state_ += 0x9e3779b97f4a7c15ULL); }

  // Uniform in [0, bound), without bias worth naming: 2^-32 at most.
  // Requires: bound >= 1.
  constexpr std::uint32_t Below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((Next() >> 32) * bound) >> 32);
  }

  // Uniform in [0, 1), all 53 bits.
  constexpr double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

  // Normal with mean 0 and deviation 1 (Box–Muller, one of the pair).
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Unit()));
    return radius * std::cos(2.0 * std::numbers::pi * Unit());
  }

 private:
  std::uint64_t state_;
};

}  // namespace weft
