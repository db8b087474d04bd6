#include "base/schema/quantity.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>

#include "base/check.h"

namespace weft {
namespace {

using Problem = tl::unexpected<QuantityProblem>;
__extension__ using Int128 = __int128;

// One unit of measure is multiplier * 10^power of what is stored.
struct Measure {
  std::string_view name;
  int power;
  std::int64_t multiplier = 1;
};

constexpr std::array kBitRates = {
    Measure{"Tbps", 12},    Measure{"Gbps", 9},    Measure{"Mbps", 6},    Measure{"kbps", 3},
    Measure{"bps", 0},      Measure{"Tb/s", 12},   Measure{"Gb/s", 9},    Measure{"Mb/s", 6},
    Measure{"kb/s", 3},     Measure{"b/s", 0},     Measure{"Tbit/s", 12}, Measure{"Gbit/s", 9},
    Measure{"Mbit/s", 6},   Measure{"kbit/s", 3},  Measure{"bit/s", 0},   Measure{"TBps", 12, 8},
    Measure{"GBps", 9, 8},  Measure{"MBps", 6, 8}, Measure{"kBps", 3, 8}, Measure{"Bps", 0, 8},
    Measure{"TB/s", 12, 8}, Measure{"GB/s", 9, 8}, Measure{"MB/s", 6, 8}, Measure{"kB/s", 3, 8},
    Measure{"B/s", 0, 8}};
constexpr std::array kBytes = {Measure{"TiB", 0, std::int64_t{1} << 40},
                               Measure{"GiB", 0, 1 << 30},
                               Measure{"MiB", 0, 1 << 20},
                               Measure{"KiB", 0, 1 << 10},
                               Measure{"TB", 12},
                               Measure{"GB", 9},
                               Measure{"MB", 6},
                               Measure{"kB", 3},
                               Measure{"KB", 3},
                               Measure{"B", 0}};
constexpr std::array kDurations = {
    Measure{"s", 12}, Measure{"ms", 9},       Measure{"us", 6},       Measure{"ns", 3},
    Measure{"ps", 0}, Measure{"min", 12, 60}, Measure{"h", 12, 3600}, Measure{"d", 12, 86400}};
constexpr std::array kPowers = {Measure{"MW", 6}, Measure{"kW", 3}, Measure{"W", 0}};
constexpr std::array kMoneys = {Measure{"MUSD", 6}, Measure{"kUSD", 3}, Measure{"USD", 0}};
constexpr std::array kLengths = {Measure{"km", 3}, Measure{"m", 0}, Measure{"cm", -2},
                                 Measure{"mm", -3}};
constexpr std::array kEnergyPrices = {Measure{"USD/kWh", 0}};
constexpr std::array kYears = {Measure{"y", 0}};
constexpr std::array kRatios = {Measure{"%", -2}, Measure{"", 0}};
constexpr std::array kPlain = {Measure{"", 0}};

std::span<const Measure> MeasuresOf(Unit unit) {
  switch (unit) {
    case Unit::BIT_RATE:
      return kBitRates;
    case Unit::BYTES:
      return kBytes;
    case Unit::DURATION:
      return kDurations;
    case Unit::POWER:
      return kPowers;
    case Unit::MONEY:
      return kMoneys;
    case Unit::RATIO:
      return kRatios;
    case Unit::LENGTH:
      return kLengths;
    case Unit::ENERGY_PRICE:
      return kEnergyPrices;
    case Unit::YEARS:
      return kYears;
    default:
      return kPlain;
  }
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// sign, digits without the point, and the power of ten they are multiplied by
struct Decimal {
  bool negative = false;
  std::string digits;  // no leading zeros; empty is zero
  int power = 0;
};

std::size_t CountDigits(std::string_view text) {
  std::size_t n = 0;
  while (n < text.size() && IsDigit(text[n])) ++n;
  return n;
}

// Takes the exponent off the front of `text`, if there is one: e3, E-12.
int TakeExponent(std::string_view& text) {
  if (text.empty() || (text[0] != 'e' && text[0] != 'E')) return 0;
  std::string_view rest = text.substr(1);
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  const std::size_t n = CountDigits(rest);
  if (n == 0) return 0;
  int value = 0;
  for (std::size_t i = 0; i < n; ++i) value = std::min(value * 10 + (rest[i] - '0'), 100'000);
  text = rest.substr(n);
  return negative ? -value : value;
}

// Takes a decimal number off the front of `text`; nothing where there is none, and
// for `010`, which some readers take for 8.
std::optional<Decimal> TakeDecimal(std::string_view& text) {
  Decimal out;
  std::string_view rest = text;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    out.negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  const std::size_t whole = CountDigits(rest);
  if (whole > 1 && rest[0] == '0') return std::nullopt;
  out.digits = rest.substr(0, whole);
  rest.remove_prefix(whole);
  if (!rest.empty() && rest[0] == '.') {
    const std::size_t fraction = CountDigits(rest.substr(1));
    if (fraction == 0) return std::nullopt;
    out.digits += rest.substr(1, fraction);
    out.power = -static_cast<int>(std::min<std::size_t>(fraction, 100'000));
    rest.remove_prefix(1 + fraction);
  }
  if (out.digits.empty()) return std::nullopt;
  out.digits.erase(0, std::min(out.digits.find_first_not_of('0'), out.digits.size()));
  for (; !out.digits.empty() && out.digits.back() == '0'; ++out.power) out.digits.pop_back();
  out.power += TakeExponent(rest);
  text = rest;
  return out;
}

struct Scanned {
  Decimal number;
  Measure measure;
};

bool HasLeadingZero(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text.size() > 1 && text[0] == '0' && IsDigit(text[1]);
}

// `number`, which has none, with the units that may have been meant.
std::string WithUnits(std::string_view number, Unit unit) {
  constexpr std::size_t kNobodyMeansGiga = 5;  // digits: written out, it is in the smallest unit
  const bool written_out = CountDigits(number) >= kNobodyMeansGiga;
  switch (unit) {
    case Unit::BIT_RATE:
      return written_out ? fmt::format("{0}bps", number) : fmt::format("{0}Gbps", number);
    case Unit::BYTES:
      return written_out ? fmt::format("{0}B", number)
                         : fmt::format("{0}B, {0}KiB or {0}MiB", number);
    case Unit::DURATION:
      return fmt::format("{0}s, {0}ms or {0}us", number);
    case Unit::POWER:
      return fmt::format("{0}W or {0}kW", number);
    case Unit::MONEY:
      return fmt::format("{0}USD or {0}kUSD", number);
    case Unit::LENGTH:
      return fmt::format("{0}m", number);
    case Unit::ENERGY_PRICE:
      return fmt::format("{0}USD/kWh", number);
    case Unit::YEARS:
      return fmt::format("{0}y", number);
    default:
      return std::string(number);
  }
}

// What was probably meant by `suffix`, which is none of the unit's own.
std::string HintFor(std::string_view number, std::string_view suffix, Unit unit) {
  if (suffix.empty()) return fmt::format("write the unit: {}", WithUnits(number, unit));
  if (unit == Unit::BYTES && suffix.back() == 'b')
    return "b is a bit, B a byte, and sizes are in bytes";
  if (unit == Unit::BYTES && suffix.size() == 1 &&
      std::string_view("kKMGT").find(suffix[0]) != std::string_view::npos)
    return fmt::format("{0}{1}B is 1000s, {0}{2}iB 1024s", number, suffix[0] == 'K' ? "k" : suffix,
                       suffix[0] == 'k' ? "K" : suffix);
  std::string names;
  for (const Measure& measure : MeasuresOf(unit)) {
    if (measure.name.empty()) continue;
    names += names.empty() ? "" : " ";
    names += measure.name;
  }
  return names.empty() ? "" : "units: " + names;
}

tl::expected<Scanned, QuantityProblem> Scan(std::string_view text, Unit unit) {
  const auto fail = [&](std::string hint) {
    return Problem({ErrorCode::kSyntax, DescribeUnit(unit), std::move(hint)});
  };
  std::string_view rest = text;
  const bool dollar = unit == Unit::MONEY && !rest.empty() && rest[0] == '$';
  if (dollar) rest.remove_prefix(1);
  if (HasLeadingZero(rest)) return fail("no leading zero: some readers take 010 for 8");
  const std::optional<Decimal> number = TakeDecimal(rest);
  if (!number) return fail("");
  const std::string_view written = text.substr(0, text.size() - rest.size());
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  if (dollar && rest.empty()) return Scanned{*number, {"USD", 0}};
  for (const Measure& measure : MeasuresOf(unit))
    if (measure.name == rest && !dollar) return Scanned{*number, measure};
  return fail(HintFor(written, rest, unit));
}

QuantityProblem TooLarge(Unit unit) {
  return {ErrorCode::kOutOfRange, "a number that fits: " + DescribeUnit(unit), ""};
}

constexpr Int128 kLargest = std::numeric_limits<std::int64_t>::max();

// digits * 10^power * multiplier as an integer, exactly.
tl::expected<Int128, QuantityProblem> ToWhole(const Decimal& number, const Measure& measure,
                                              Unit unit) {
  Int128 value = 0;
  for (const char c : number.digits) {
    value = value * 10 + (c - '0');
    if (value > kLargest) return Problem(TooLarge(unit));
  }
  if (value == 0) return value;
  value *= measure.multiplier;  // below 2^63 * 2^40
  int power = number.power + measure.power;
  for (; power > 0 && value <= kLargest; --power) value *= 10;
  if (value > kLargest && power >= 0) return Problem(TooLarge(unit));
  for (; power < 0; ++power) {
    if (value % 10 != 0) {
      const char* part = unit == Unit::BYTES      ? "a whole number of bytes"
                         : unit == Unit::DURATION ? "a whole number of picoseconds"
                                                  : "a whole number";
      return Problem({ErrorCode::kOutOfRange, part, ""});
    }
    value /= 10;
  }
  if (value > kLargest) return Problem(TooLarge(unit));
  return value;
}

// `value` / 10^power, exactly, without trailing zeros.
std::string DecimalText(std::int64_t value, int power) {
  std::string digits = fmt::format(
      "{}", value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value));
  const auto places = static_cast<std::size_t>(power);
  if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
  std::string fraction = digits.substr(digits.size() - places);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  std::string out = value < 0 ? "-" : "";
  out += digits.substr(0, digits.size() - places);
  if (!fraction.empty()) out += "." + fraction;
  return out;
}

}  // namespace

std::string DescribeUnit(Unit unit) {
  switch (unit) {
    case Unit::BIT_RATE:
      return "a rate with its unit, such as 400Gbps";
    case Unit::BYTES:
      return "a size with its unit, such as 64MiB";
    case Unit::DURATION:
      return "a time with its unit, such as 1.5us";
    case Unit::POWER:
      return "a power with its unit, such as 750W";
    case Unit::MONEY:
      return "a price with its unit, such as 2.5kUSD";
    case Unit::RATIO:
      return "a share, such as 50% or 0.5";
    case Unit::LENGTH:
      return "a length with its unit, such as 50m";
    case Unit::ENERGY_PRICE:
      return "a price of energy with its unit, such as 0.12USD/kWh";
    case Unit::YEARS:
      return "years with their unit, such as 3y";
    default:
      return "a number";
  }
}

tl::expected<double, QuantityProblem> ScanQuantity(std::string_view text, Unit unit) {
  const auto scanned = Scan(text, unit);
  if (!scanned) return Problem(scanned.error());
  const auto& [number, measure] = *scanned;
  if (number.digits.empty()) return 0.0;
  const std::string decimal = fmt::format("{}{}e{}", number.negative ? "-" : "", number.digits,
                                          number.power + measure.power);
  double value = 0;
  const auto [end, error] = std::from_chars(decimal.data(), decimal.data() + decimal.size(), value);
  // An underflow is refused too: it is no figure that anybody means.
  if (error != std::errc() || end != decimal.data() + decimal.size())
    return Problem(TooLarge(unit));
  value *= static_cast<double>(measure.multiplier);
  if (!std::isfinite(value)) return Problem(TooLarge(unit));
  return value;
}

tl::expected<std::int64_t, QuantityProblem> ScanWhole(std::string_view text, Unit unit) {
  WEFT_CHECK(unit == Unit::BYTES || unit == Unit::DURATION || unit == Unit::NONE);
  const auto scanned = Scan(text, unit);
  if (!scanned) {
    QuantityProblem problem = scanned.error();
    if (unit == Unit::NONE) problem.want = "a whole number";
    return Problem(std::move(problem));
  }
  const auto value = ToWhole(scanned->number, scanned->measure, unit);
  if (!value) return Problem(value.error());
  return static_cast<std::int64_t>(scanned->number.negative ? -*value : *value);
}

Result<double> ParseQuantity(std::string_view text, Unit unit, const SourcePos& pos) {
  const auto value = ScanQuantity(text, unit);
  if (value) return *value;
  return Fail(value.error().code, pos,
              fmt::format("the value is '{}' (want {})", text, value.error().want),
              value.error().hint);
}

Result<std::int64_t> ParseWhole(std::string_view text, Unit unit, const SourcePos& pos) {
  const auto value = ScanWhole(text, unit);
  if (value) return *value;
  return Fail(value.error().code, pos,
              fmt::format("the value is '{}' (want {})", text, value.error().want),
              value.error().hint);
}

std::string FormatQuantity(double value, Unit unit) {
  WEFT_CHECK(std::isfinite(value));
  if (unit == Unit::BYTES || unit == Unit::DURATION) {
    const auto whole = static_cast<std::int64_t>(value);
    return FormatWhole(whole, unit);
  }
  if (unit == Unit::NONE || (value == 0 && unit == Unit::RATIO)) return fmt::format("{}", value);
  std::string plain;
  for (const Measure& measure : MeasuresOf(unit)) {
    if (measure.multiplier != 1) continue;
    const double scaled = value / std::pow(10.0, measure.power);
    const auto is_same = [&](const std::string& text) {
      const auto again = ScanQuantity(text, unit);
      return again && *again == value;
    };
    std::string text = fmt::format("{}{}", scaled, measure.name);
    // 1e-06 / 0.01 is not 0.0001 to the last bit, and yet 0.0001 % is 1e-06.
    if (const std::string shorter = fmt::format("{:.15g}{}", scaled, measure.name);
        shorter.size() < text.size() && is_same(shorter))
      text = shorter;
    const bool same = is_same(text);
    if (same && (std::abs(scaled) >= 1 || unit == Unit::RATIO) && text.size() <= 12) return text;
    if (same && measure.power == 0) plain = text;
    if (measure.power == 0) break;
  }
  return plain;
}

std::string FormatWhole(std::int64_t value, Unit unit) {
  WEFT_CHECK(unit == Unit::BYTES || unit == Unit::DURATION || unit == Unit::NONE);
  if (unit == Unit::NONE) return fmt::format("{}", value);
  if (value == 0) return unit == Unit::BYTES ? "0B" : "0s";
  std::string best;
  for (const Measure& measure : MeasuresOf(unit)) {
    std::string text;
    if (measure.multiplier > 1) {
      if (unit != Unit::BYTES || value % measure.multiplier != 0) continue;
      text = fmt::format("{}{}", value / measure.multiplier, measure.name);
    } else {
      text = DecimalText(value, measure.power) + std::string(measure.name);
    }
    // 5us, not 0.005ms; 64MiB, not 67.108864MB; of equals the larger unit.
    const bool small = text.starts_with("0.") || text.starts_with("-0.");
    if (!small && (best.empty() || text.size() < best.size())) best = text;
  }
  return best;
}

}  // namespace weft
