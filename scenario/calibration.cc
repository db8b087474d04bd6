#include "scenario/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
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

ErrorClass ClassOf(const HostPart& host, int hosts) {
  if (hosts <= 1) return ErrorClass::kOneHost;
  if (host.transport == HostSpec::EFA) return ErrorClass::kEfa;
  if (host.transport == HostSpec::SLINGSHOT) return ErrorClass::kSlingshot;
  return ErrorClass::kIbOrRoce;
}

const char* NameOf(ErrorClass error_class) {
  constexpr const char* kNames[] = {"one host", "several hosts, ib or roce", "several hosts, efa",
                                    "several hosts, slingshot"};
  return kNames[static_cast<std::size_t>(error_class)];
}

std::vector<std::string> HardwareOf(const HostPart& host, int hosts) {
  std::vector<std::string> out;
  const auto add = [&out](std::size_t row) {
    const std::string& name = CollectiveParameters()[row].name;
    out.push_back(name.substr(0, name.find('.')));
  };
  add(FirstRow(GenerationOf(DefaultNcclRules(), host.compute_capability)));
  if (host.nvlink.bits_per_second() <= 0) add(FirstPcieRow());
  if (hosts > 1) add(FirstRow(host.transport));
  return out;
}

std::string CombinationOf(const HostPart& host, int hosts) {
  return fmt::format("{}", fmt::join(HardwareOf(host, hosts), "+"));
}

bool Calibration::KnowsHardware(const HostPart& host, int hosts) const {
  const auto& known = spec.range().classes();
  if (known.empty()) return true;
  const auto& together = spec.range().combinations();
  if (hosts > 1 && !together.empty() &&
      std::find(together.begin(), together.end(), CombinationOf(host, hosts)) == together.end())
    return false;
  const std::vector<std::string> names = HardwareOf(host, hosts);
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  });
}

bool Calibration::Covers(const HostPart& host, const TimedCollective& asked) const {
  if (!spec.has_range()) return true;
  const CalibrationRangeSpec& range = spec.range();
  const auto within = [](auto value, auto low, auto high) {
    return value >= low && (high == 0 || value <= high);
  };
  const bool known = range.ops_size() == 0 || std::find(range.ops().begin(), range.ops().end(),
                                                        asked.op) != range.ops().end();
  return known && KnowsHardware(host, asked.hosts) &&
         within(asked.bytes.count(), range.smallest(), range.largest()) &&
         within(asked.ranks, range.fewest_ranks(), range.most_ranks()) &&
         within(asked.hosts, range.fewest_hosts(), range.most_hosts());
}

std::optional<RatioBand> BandAt(const std::vector<std::pair<Bytes, RatioBand>>& stated,
                                Bytes size) {
  if (stated.empty()) return std::nullopt;
  const auto& [smallest, first] = stated.front();
  if (smallest > kFirstBand && size.count() * kBandReach < smallest.count()) return std::nullopt;
  if (size <= smallest) return first;
  for (std::size_t i = 1; i < stated.size(); ++i) {
    if (size > stated[i].first) continue;
    const auto& [below, a] = stated[i - 1];
    const auto& [above, b] = stated[i];
    const auto log = [](Bytes bytes) { return std::log(static_cast<double>(bytes.count())); };
    const double share = (log(size) - log(below)) / (log(above) - log(below));
    const auto between = [share](double from, double to) {
      return std::exp(std::log(from) * (1 - share) + std::log(to) * share);
    };
    return RatioBand{between(a.low, b.low), between(a.high, b.high),
                     std::min(a.sources, b.sources)};
  }
  return stated.back().second;
}

std::optional<RatioBand> BandOf(const Calibration& calibration, ErrorClass error_class, Bytes size,
                                bool known_hardware) {
  if (calibration.spec.bands_size() > 0) {
    std::vector<std::pair<Bytes, RatioBand>> stated;
    for (const CalibrationBandSpec& one : calibration.spec.bands())
      if (one.what() == NameOf(error_class) && one.unseen() != known_hardware)
        stated.emplace_back(Bytes(one.at()), RatioBand{one.low(), one.high(), one.sources()});
    return BandAt(stated, size);
  }
  std::optional<RatioBand> out;
  std::int64_t best = -1;
  for (const CalibrationErrorSpec& one : calibration.spec.errors()) {
    if (one.what() != NameOf(error_class) || one.unseen() == known_hardware ||
        one.from() > size.count() || one.from() <= best || !(one.high() > 0))
      continue;
    best = one.from();
    out = RatioBand{one.low(), one.high(), 0};
  }
  return out;
}

StatedError StatedErrorOf(const Calibration& calibration, const HostPart& host,
                          const TimedCollective& asked) {
  StatedError out;
  out.known_hardware = calibration.KnowsHardware(host, asked.hosts);
  out.in_range = calibration.Covers(host, asked);
  out.band = BandOf(calibration, ClassOf(host, asked.hosts), asked.bytes, out.known_hardware);
  return out;
}

namespace {

// Sizes of a class ascend, and either end is a ratio.
void CheckBands(const Located<CalibrationSpec>& spec, Errors& errors) {
  std::map<std::pair<std::string, bool>, std::int64_t> last;
  for (int i = 0; i < spec.message.bands_size(); ++i) {
    const CalibrationBandSpec& one = spec.message.bands(i);
    const std::string path = fmt::format("bands[{}]", i);
    bool known = false;
    for (std::size_t c = 0; c < kErrorClasses; ++c)
      known = known || one.what() == NameOf(static_cast<ErrorClass>(c));
    if (!known)
      errors.push_back({ErrorCode::kOutOfRange, spec.At(path + ".what"),
                        fmt::format("no class of hosts is called '{}'", one.what()),
                        "such as one host"});
    if (!(one.low() > 0 && one.low() <= one.high()))
      errors.push_back({ErrorCode::kOutOfRange, spec.At(path + ".low"),
                        "low and high are no interval", "want 0 < low <= high"});
    std::int64_t& before = last[{one.what(), one.unseen()}];
    if (one.at() <= before)
      errors.push_back({ErrorCode::kInconsistent, spec.At(path + ".at"),
                        "a class's sizes do not ascend", "the smallest first, each once"});
    before = one.at();
  }
}

}  // namespace

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
  CheckBands(spec, errors);
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
