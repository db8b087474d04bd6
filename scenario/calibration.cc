#include "scenario/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "base/digest.h"
#include "base/schema/quantity.h"
#include "scenario/prepare.h"

namespace weft {
namespace {

using ConstantUnit = CollectiveParameter::Unit;

// As the model computes: microseconds, GB/s, ratios.
double InModelUnits(double stored, ConstantUnit unit) {
  switch (unit) {
    case ConstantUnit::kMicroseconds:
      return stored * 1e-6;  // of picoseconds
    case ConstantUnit::kGigabytesPerSecond:
      return stored / 8e9;  // of bits a second
    default:
      return stored;
  }
}

Unit SchemaUnit(ConstantUnit unit) {
  switch (unit) {
    case ConstantUnit::kMicroseconds:
      return Unit::DURATION;
    case ConstantUnit::kGigabytesPerSecond:
      return Unit::BIT_RATE;
    default:
      return Unit::RATIO;
  }
}

Result<double> ParseConstant(const std::string& text, ConstantUnit unit, const SourcePos& pos) {
  if (unit == ConstantUnit::kMicroseconds) {
    WEFT_TRY(const std::int64_t ps, ParseWhole(text, Unit::DURATION, pos));
    return InModelUnits(static_cast<double>(ps), unit);
  }
  WEFT_TRY(const double stored, ParseQuantity(text, SchemaUnit(unit), pos));
  return InModelUnits(stored, unit);
}

std::string ConstantNames() {
  std::string out;
  std::string last;
  for (const CollectiveParameter& row : CollectiveParameters()) {
    const std::string what = row.name.substr(0, row.name.find('.'));
    if (what != last) out += (out.empty() ? "" : ", ") + what + ".*";
    last = what;
  }
  return out;
}

}  // namespace

std::string FormatConstant(double value, ConstantUnit unit) {
  switch (unit) {
    case ConstantUnit::kMicroseconds:
      return FormatWhole(static_cast<std::int64_t>(value * 1e6 + 0.5), Unit::DURATION);
    case ConstantUnit::kGigabytesPerSecond:
      return fmt::format("{:.6g}GBps", value);
    default:
      return fmt::format("{:.6g}%", value * 100);
  }
}

bool Calibration::Covers(const std::string& op, Bytes bytes, int ranks, int hosts,
                         std::span<const std::size_t> parameters) const {
  if (!spec.has_range()) return true;
  const CalibrationRangeSpec& range = spec.range();
  for (const std::size_t row : parameters) {
    const std::string& name = CollectiveParameters()[row].name;
    const std::string of = name.substr(0, name.find('.'));
    if (range.classes_size() > 0 &&
        std::find(range.classes().begin(), range.classes().end(), of) == range.classes().end())
      return false;
  }
  const auto within = [](auto value, auto low, auto high) {
    return value >= low && (high == 0 || value <= high);
  };
  const bool known = range.ops_size() == 0 ||
                     std::find(range.ops().begin(), range.ops().end(), op) != range.ops().end();
  return known && within(bytes.count(), range.smallest(), range.largest()) &&
         within(ranks, range.fewest_ranks(), range.most_ranks()) &&
         within(hosts, range.fewest_hosts(), range.most_hosts());
}

Result<Calibration> MakeCalibration(const Located<CalibrationSpec>& spec) {
  Calibration out;
  out.spec = spec.message;
  out.digest = Digest(out.spec.SerializeAsString());
  Errors errors;
  std::set<std::string> seen;
  for (int i = 0; i < spec.message.constants_size(); ++i) {
    const CalibratedConstantSpec& constant = spec.message.constants(i);
    const std::string path = fmt::format("constants[{}]", i);
    const std::size_t row = FindCollectiveParameter(constant.name());
    if (row == CollectiveParameters().size()) {
      errors.push_back({ErrorCode::kUnknownKey, spec.At(path + ".name"),
                        fmt::format("no constant is called '{}'", constant.name()),
                        "there are " + ConstantNames() + "; docs/nccl.md lists them"});
      continue;
    }
    if (!seen.insert(constant.name()).second) {
      errors.push_back({ErrorCode::kInconsistent, spec.At(path + ".name"),
                        fmt::format("'{}' is there twice", constant.name()), "one value each"});
      continue;
    }
    const CollectiveParameter& parameter = CollectiveParameters()[row];
    const SourcePos pos = spec.At(path + ".value");
    const Result<double> value = ParseConstant(constant.value(), parameter.unit, pos);
    if (!value) {
      errors.insert(errors.end(), value.error().begin(), value.error().end());
    } else if (!(*value >= parameter.low && *value <= parameter.high)) {
      errors.push_back({ErrorCode::kOutOfRange, pos,
                        fmt::format("'{}' is {}", constant.name(), constant.value()),
                        fmt::format("want {}..{}", FormatConstant(parameter.low, parameter.unit),
                                    FormatConstant(parameter.high, parameter.unit))});
    } else {
      out.constants.values[row] = *value;
    }
  }
  if (errors.empty()) return out;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

Result<Calibration> ReadCalibration(const std::string& named, SourceTexts* texts) {
  if (named == "none") return Calibration{};
  const std::string text = named.empty() ? kDefaultCalibration : named;
  const PresetTable presets = AllPresets();
  const ReadOptions options{&presets, {}, texts};
  Located<CalibrationSpec> spec;
  if (presets.Find("calibration", text) != nullptr) {
    WEFT_TRY(spec,
             ParseText<CalibrationSpec>(fmt::format("preset: {}", text), "--calibration", options));
  } else {
    WEFT_TRY(spec, ReadFile<CalibrationSpec>(text, options));
  }
  WEFT_TRY(Calibration out, MakeCalibration(spec));
  out.name = std::filesystem::path(text).filename().string();
  return out;
}

}  // namespace weft
