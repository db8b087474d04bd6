// Text with a unit to a number, and back: 400Gbps, 64MiB, 1.5us, 750W, 2.5kUSD, 50%, 50m.
//
//   BIT_RATE  bps b/s bit/s, and bytes Bps B/s     k M G T are 1000
//   BYTES     B with k M G T (1000), Ki Mi Gi Ti (1024); b for bits is refused
//   DURATION  ps ns us ms s min h d
//   POWER     W kW MW
//   MONEY     USD kUSD MUSD, $ in front
//   RATIO     50% or 0.5
//   LENGTH    mm cm m km
//   ENERGY_PRICE  USD/kWh
//   YEARS     y
//   NONE      a plain number
//
// Units    stored as field.proto says: bits/s, bytes, picoseconds, watts, dollars, 1, metres.
//          Bytes and durations are exact integers; what is not whole is refused. The
//          others are the double nearest to what was written.
// Errors   no unit, wrong unit, not a number, nan, inf, out of the type's range.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/schema/field.pb.h"

namespace weft {

// What was wrong with a text: "want a size with its unit, such as 64MiB".
struct QuantityProblem {
  ErrorCode code = ErrorCode::kSyntax;
  std::string want;
  std::string hint;  // may be empty
};

// A bare `want` and `hint`, for callers that know what the value is called.
// Requires for ScanWhole: unit is BYTES, DURATION or NONE.
tl::expected<double, QuantityProblem> ScanQuantity(std::string_view text, Unit unit);
tl::expected<std::int64_t, QuantityProblem> ScanWhole(std::string_view text, Unit unit);

// The same as an error at `pos`.
Result<double> ParseQuantity(std::string_view text, Unit unit, const SourcePos& pos);
Result<std::int64_t> ParseWhole(std::string_view text, Unit unit, const SourcePos& pos);

// The shortest text that is read back as exactly `value`.
// Requires for FormatWhole: unit is BYTES, DURATION or NONE; for FormatQuantity: finite.
std::string FormatQuantity(double value, Unit unit);
std::string FormatWhole(std::int64_t value, Unit unit);

// "a rate with its unit, such as 400Gbps": what a text of `unit` should be.
std::string DescribeUnit(Unit unit);

}  // namespace weft
