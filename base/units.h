// The quantities weft computes with. A type says what is measured; a unit is
// named only where a bare number enters (GigabitsPerSecond(400)) or leaves
// (.bits_per_second()). Mixing quantities does not compile.
//
//   Bytes        exact count, int64.
//   BitRate      double, bits per second: a fair share need not be an integer.
//   SimDuration  exact, int64 picoseconds, so std literals convert: 500ns, 2us.
//   SimTime      instant since the start of the run; range 106 days.
//   Watts, Dollars, Metres  double.
//
// Why picoseconds: one byte takes 80, 40, 20, 10, 5 ps at 100, 200, 400, 800,
// 1600 Gb/s, all whole. What is not whole is rounded as each function says.
#pragma once

#include <chrono>
#include <cmath>
#include <compare>
#include <cstdint>
#include <limits>
#include <ratio>

#include "base/check.h"

namespace weft {

class Bytes {
 public:
  constexpr Bytes() = default;
  explicit constexpr Bytes(std::int64_t count) : count_(count) {}
  constexpr std::int64_t count() const { return count_; }
  constexpr auto operator<=>(const Bytes&) const = default;
  friend constexpr Bytes operator+(Bytes a, Bytes b) { return Bytes(a.count_ + b.count_); }
  friend constexpr Bytes operator-(Bytes a, Bytes b) { return Bytes(a.count_ - b.count_); }
  friend constexpr Bytes operator*(Bytes a, std::int64_t n) { return Bytes(a.count_ * n); }

 private:
  std::int64_t count_ = 0;
};
constexpr Bytes KiB(std::int64_t n) { return Bytes(n << 10); }
constexpr Bytes MiB(std::int64_t n) { return Bytes(n << 20); }
constexpr Bytes GiB(std::int64_t n) { return Bytes(n << 30); }

class BitRate {
 public:
  constexpr BitRate() = default;
  static constexpr BitRate BitsPerSecond(double bps) { return BitRate(bps); }
  constexpr double bits_per_second() const { return bps_; }
  constexpr auto operator<=>(const BitRate&) const = default;
  friend constexpr BitRate operator+(BitRate a, BitRate b) { return BitRate(a.bps_ + b.bps_); }
  friend constexpr BitRate operator-(BitRate a, BitRate b) { return BitRate(a.bps_ - b.bps_); }
  friend constexpr BitRate operator*(BitRate a, double k) { return BitRate(a.bps_ * k); }
  friend constexpr double operator/(BitRate a, BitRate b) { return a.bps_ / b.bps_; }

 private:
  explicit constexpr BitRate(double bps) : bps_(bps) {}
  double bps_ = 0;
};
constexpr BitRate GigabitsPerSecond(double g) { return BitRate::BitsPerSecond(g * 1e9); }

class Watts {
 public:
  constexpr Watts() = default;
  explicit constexpr Watts(double count) : count_(count) {}
  constexpr double count() const { return count_; }
  constexpr auto operator<=>(const Watts&) const = default;
  friend constexpr Watts operator+(Watts a, Watts b) { return Watts(a.count_ + b.count_); }
  friend constexpr Watts operator*(Watts a, double k) { return Watts(a.count_ * k); }

 private:
  double count_ = 0;
};

class Dollars {
 public:
  constexpr Dollars() = default;
  explicit constexpr Dollars(double count) : count_(count) {}
  constexpr double count() const { return count_; }
  constexpr auto operator<=>(const Dollars&) const = default;
  friend constexpr Dollars operator+(Dollars a, Dollars b) { return Dollars(a.count_ + b.count_); }
  friend constexpr Dollars operator*(Dollars a, double k) { return Dollars(a.count_ * k); }

 private:
  double count_ = 0;
};

class Metres {
 public:
  constexpr Metres() = default;
  explicit constexpr Metres(double count) : count_(count) {}
  constexpr double count() const { return count_; }
  constexpr auto operator<=>(const Metres&) const = default;
  friend constexpr Metres operator+(Metres a, Metres b) { return Metres(a.count_ + b.count_); }
  friend constexpr Metres operator-(Metres a, Metres b) { return Metres(a.count_ - b.count_); }
  friend constexpr Metres operator*(Metres a, double k) { return Metres(a.count_ * k); }

 private:
  double count_ = 0;
};

using SimDuration = std::chrono::duration<std::int64_t, std::pico>;
struct SimClock {
  using rep = SimDuration::rep;
  using period = SimDuration::period;
  using duration = SimDuration;
  using time_point = std::chrono::time_point<SimClock>;
  static constexpr bool is_steady = true;
};
using SimTime = SimClock::time_point;

// Time to send `size` at `rate`, rounded up to a whole picosecond; a rate that
// is not whole (a fair share) is first rounded down. Both err late, never
// early. Integers, because in double one size in fifteen comes out 1 ps off.
// Requires: rate >= 1 bit/s, result < 106 days.
constexpr SimDuration TransferTime(Bytes size, BitRate rate) {
  const auto bps = static_cast<std::int64_t>(rate.bits_per_second());
  WEFT_CHECK(bps >= 1);
  const __int128 bit_ps = static_cast<__int128>(size.count()) * 8 * std::pico::den;
  const __int128 ps = (bit_ps + bps - 1) / bps;
  WEFT_CHECK(ps <= std::numeric_limits<std::int64_t>::max());
  return SimDuration(static_cast<std::int64_t>(ps));
}
static_assert(TransferTime(MiB(8), GigabitsPerSecond(400)).count() == 167'772'160);

// Bytes that have wholly passed after `duration` at `rate`: rounded down.
// Requires: rate < 2^63 bit/s, duration >= 0.
constexpr Bytes BytesIn(BitRate rate, SimDuration duration) {
  const auto bps = static_cast<std::int64_t>(rate.bits_per_second());
  const __int128 bit_ps = static_cast<__int128>(bps) * duration.count();
  return Bytes(static_cast<std::int64_t>(bit_ps / (static_cast<__int128>(8) * std::pico::den)));
}
static_assert(BytesIn(GigabitsPerSecond(400), SimDuration(167'772'160)) == MiB(8));

// Seconds as a double, for results and for arithmetic inside an engine.
constexpr double ToSeconds(SimDuration duration) {
  return static_cast<double>(duration.count()) * 1e-12;
}
constexpr double ToSeconds(SimTime time) { return ToSeconds(time.time_since_epoch()); }

// The first whole picosecond at or after `seconds`: what an engine computed in
// double never happens early. The slack of 1e-3 ps swallows the rounding of
// the multiplication, so that 1e-6 s is 1,000,000 ps and not one more.
// Requires: 0 <= seconds < 106 days.
inline SimDuration FromSecondsUp(double seconds) {
  const double ps = seconds * 1e12 - 1e-3;
  const auto whole = static_cast<std::int64_t>(ps);  // truncated; std::ceil is a call
  return SimDuration(whole + (static_cast<double>(whole) < ps ? 1 : 0));
}

}  // namespace weft
