#include "report/numbers.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace weft {
namespace {

struct Scale {
  double factor;
  std::string_view unit;
};

Scale SecondsScale(double seconds) {
  const double size = std::abs(seconds);
  if (size >= 120) return {60, "min"};
  if (size >= 1 || size == 0) return {1, "s"};
  if (size >= 1e-3) return {1e-3, "ms"};
  if (size >= 1e-6) return {1e-6, "us"};
  return {1e-9, "ns"};
}

template <typename Format>
std::string WithInterval(const Interval<double>& values, Format format, std::string_view unit) {
  const std::string median = format(values.median), low = format(values.p5),
                    high = format(values.p95);
  const std::string space = unit.empty() ? "" : " ";
  if (median == low && median == high) return fmt::format("{}{}{}", median, space, unit);
  return fmt::format("{}{}{} [{}, {}]", median, space, unit, low, high);
}

}  // namespace

std::string FormatSignificant(double value, int digits) {
  if (value == 0 || !std::isfinite(value)) return fmt::format("{}", value);
  const int whole = static_cast<int>(std::floor(std::log10(std::abs(value)))) + 1;
  return fmt::format("{:.{}f}", value, std::max(0, digits - whole));
}

std::string FormatSeconds(double seconds) {
  const Scale scale = SecondsScale(seconds);
  return fmt::format("{} {}", FormatSignificant(seconds / scale.factor, 4), scale.unit);
}

std::string FormatBytes(Bytes bytes) {
  constexpr std::array<std::string_view, 5> kBinary{"B", "KiB", "MiB", "GiB", "TiB"};
  constexpr std::array<std::string_view, 5> kDecimal{"B", "kB", "MB", "GB", "TB"};
  const auto fit = [&](std::int64_t step, const auto& units) {
    std::int64_t count = bytes.count();
    std::size_t unit = 0;
    while (unit + 1 < units.size() && count != 0 && count % step == 0) count /= step, ++unit;
    return std::pair(count, unit);
  };
  const auto [binary, binary_unit] = fit(1024, kBinary);
  const auto [decimal, decimal_unit] = fit(1000, kDecimal);
  return binary_unit >= decimal_unit
             ? fmt::format("{} {}", FormatCount(binary), kBinary[binary_unit])
             : fmt::format("{} {}", FormatCount(decimal), kDecimal[decimal_unit]);
}

std::string FormatRate(BitRate rate) {
  constexpr std::array<Scale, 4> kScales{
      {{1e12, "Tb/s"}, {1e9, "Gb/s"}, {1e6, "Mb/s"}, {1e3, "kb/s"}}};
  const double bps = rate.bits_per_second();
  for (const Scale& scale : kScales) {
    if (bps < scale.factor) continue;
    const double value = bps / scale.factor;
    return value == std::floor(value)
               ? fmt::format("{:.0f} {}", value, scale.unit)
               : fmt::format("{} {}", FormatSignificant(value, 4), scale.unit);
  }
  return fmt::format("{} b/s", FormatSignificant(bps, 4));
}

std::string FormatGBps(double bytes_per_second) {
  return FormatSignificant(bytes_per_second / 1e9, 4);
}

std::string FormatPercent(double share, int digits) {
  return fmt::format("{:.{}f} %", share * 100, digits);
}

std::string FormatSigned(double value, int digits) {
  std::string out = fmt::format("{:+.{}f}", value, digits);
  if (out.find_first_of("123456789") == std::string::npos) out[0] = '+';
  return out;
}

std::string FormatSignedPercent(double share, int digits) {
  return FormatSigned(share * 100, digits) + " %";
}

std::string UpperCase(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::string FormatSecondsInterval(const Interval<double>& seconds) {
  const Scale scale = SecondsScale(seconds.median);
  return WithInterval(
      seconds, [&](double value) { return FormatSignificant(value / scale.factor, 4); },
      scale.unit);
}

std::string FormatGBpsInterval(const Interval<double>& bytes_per_second) {
  return WithInterval(bytes_per_second, FormatGBps, "");
}

std::string FormatSignedPercentInterval(const Interval<double>& share) {
  return WithInterval(
      share, [](double value) { return FormatSigned(value * 100, 1); }, "%");
}

}  // namespace weft
