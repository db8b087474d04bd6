#include "validate/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "base/schema/quantity.h"
#include "base/version.h"

namespace weft {
namespace {

// Why a table is not fitted; empty where it is.
std::string WhyNot(const TableEntry& entry, const CasesOfEntry& cases) {
  if (entry.label == TableLabel::kDegraded) return "it is degraded";
  if (entry.label == TableLabel::kUnclear) return "whether it is healthy is unclear";
  if (entry.use == TableUse::kCheck) return "it is held out for checking";
  return cases.why_not;
}

// GPU generation or transport: the class of hardware that a table tells of, "hopper ib".
std::string HardwareOf(const MeasuredCases& cases, std::size_t table) {
  std::set<std::string> names;
  const CasesOfEntry& mine = cases.tables[table];
  for (const std::size_t row : cases.models[mine.points.front().model].parameters()) {
    const std::string& name = CollectiveParameters()[row].name;
    names.insert(name.substr(0, name.find('.')));
  }
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

// Tables that are left out together. A project is one fold, unless it alone has measured a class of
// hardware: then each of its tables of that class is one.
std::vector<std::vector<std::size_t>> FoldsOf(const MeasuredCases& cases,
                                              const std::vector<std::size_t>& tables) {
  std::map<std::string, std::set<std::string>> projects_of;
  for (const std::size_t t : tables)
    projects_of[HardwareOf(cases, t)].insert(ProjectOf(cases.entries[t]));
  std::map<std::string, std::vector<std::size_t>> folds;
  for (const std::size_t t : tables) {
    const std::string project = ProjectOf(cases.entries[t]), hardware = HardwareOf(cases, t);
    const bool alone = projects_of[hardware].size() == 1;
    folds[alone ? fmt::format("{}\n{}", project, cases.entries[t].name) : project].push_back(t);
  }
  std::vector<std::vector<std::size_t>> out;
  for (auto& [name, fold] : folds) out.push_back(std::move(fold));
  return out;
}

std::vector<HeldOutPoint> HoldOut(const MeasuredCases& cases,
                                  const std::vector<std::size_t>& tables,
                                  const std::vector<std::vector<std::size_t>>& folds,
                                  const CollectiveConstants& from) {
  std::vector<std::vector<HeldOutPoint>> parts(folds.size());
#pragma omp parallel for schedule(dynamic)
  for (std::size_t f = 0; f < folds.size(); ++f) {
    std::vector<std::size_t> rest;
    for (const std::size_t t : tables)
      if (std::find(folds[f].begin(), folds[f].end(), t) == folds[f].end()) rest.push_back(t);
    const ConstantsFit fit = FitConstants(cases, rest, from);
    for (const std::size_t t : folds[f])
      for (const MeasuredCase& point : cases.tables[t].points)
        parts[f].push_back(
            {t, point.size,
             point.measured_us / cases.models[point.model].Time(point.which, fit.constants).us});
  }
  std::vector<HeldOutPoint> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

struct Weighted {
  double value = 0, weight = 0;
};

// The value below which `share` of the weight lies.
double Quantile(std::vector<Weighted>& values, double share) {
  std::sort(values.begin(), values.end(),
            [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  double all = 0, below = 0;
  for (const Weighted& one : values) all += one.weight;
  for (const Weighted& one : values) {
    below += one.weight;
    if (below >= share * all) return one.value;
  }
  return values.back().value;
}

// Sizes that an error is stated for: below the bands that classes are told apart by, too.
std::vector<Bytes> StatedFrom() { return {Bytes(0), KiB(64), MiB(1), MiB(64)}; }

// Rounded outwards to a thousandth, as the file says it.
double Down(double ratio) { return std::floor(ratio * 1000) / 1000; }
double Up(double ratio) { return std::ceil(ratio * 1000) / 1000; }
double Near(double ratio) { return std::round(ratio * 1000) / 1000; }

// The points of a class from a size on, up to the next where `only`.
void StateErrors(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                 ErrorClass which, CalibrationSpec& spec) {
  const std::vector<Bytes> stated = StatedFrom();
  for (std::size_t b = 0; b < stated.size(); ++b) {
    std::map<std::size_t, std::vector<double>> ratios;
    for (const HeldOutPoint& point : points)
      if (cases.tables[point.table].error_class == which && point.size >= stated[b] &&
          (b + 1 == stated.size() || point.size < stated[b + 1]))
        ratios[point.table].push_back(point.ratio);
    if (ratios.empty()) continue;
    std::vector<Weighted> medians, errors, values;
    for (const auto& [table, mine] : ratios) {
      std::vector<Weighted> own;
      for (const double ratio : mine) {
        own.push_back({std::abs(1 / ratio - 1), 1});
        values.push_back({ratio, 1.0 / static_cast<double>(mine.size())});
      }
      errors.insert(errors.end(), own.begin(), own.end());
      medians.push_back({Quantile(own, 0.5), 1});
    }
    CalibrationErrorSpec& out = *spec.add_errors();
    out.set_what(NameOf(which));
    out.set_from(stated[b].count());
    out.set_median(Near(Quantile(medians, 0.5)));
    out.set_p95(Near(Quantile(errors, 0.95)));
    out.set_low(Down(Quantile(values, 0.05)));
    out.set_high(Up(Quantile(values, 0.95)));
    out.set_tables(static_cast<int>(ratios.size()));
  }
}

void StateRange(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
                CalibrationSpec& spec) {
  CalibrationRangeSpec& range = *spec.mutable_range();
  std::set<std::string> ops, classes;
  std::int64_t least = INT64_MAX, most = 0;
  int fewest_ranks = INT32_MAX, most_ranks = 0, fewest_hosts = INT32_MAX, most_hosts = 0;
  for (const std::size_t t : tables) {
    ops.insert(cases.entries[t].op);
    for (const MeasuredCase& point : cases.tables[t].points) {
      least = std::min(least, point.size.count());
      most = std::max(most, point.size.count());
      fewest_ranks = std::min(fewest_ranks, point.which.ranks);
      most_ranks = std::max(most_ranks, point.which.ranks);
      fewest_hosts = std::min(fewest_hosts, point.which.nodes);
      most_hosts = std::max(most_hosts, point.which.nodes);
      for (const std::size_t row : cases.models[point.model].parameters()) {
        const std::string& name = CollectiveParameters()[row].name;
        classes.insert(name.substr(0, name.find('.')));
      }
    }
  }
  for (const std::string& op : ops) range.add_ops(op);
  for (const std::string& one : classes) range.add_classes(one);
  range.set_smallest(least);
  range.set_largest(most);
  range.set_fewest_ranks(fewest_ranks);
  range.set_most_ranks(most_ranks);
  range.set_fewest_hosts(fewest_hosts);
  range.set_most_hosts(most_hosts);
}

// Four digits: what a fit tells, and what people read.
std::string Digits(double value, CollectiveParameter::Unit unit) {
  const double last = std::pow(10, std::floor(std::log10(value)) - 3);
  return FormatConstant(std::round(value / last) * last, unit);
}

void StateConstants(const ConstantsFit& fit, CalibrationSpec& spec) {
  for (const FittedConstant& one : fit.rows) {
    const CollectiveParameter& parameter = CollectiveParameters()[one.row];
    CalibratedConstantSpec& out = *spec.add_constants();
    out.set_name(parameter.name);
    out.set_value(Digits(one.value, parameter.unit));
    out.set_low(Digits(one.low, parameter.unit));
    out.set_high(Digits(one.high, parameter.unit));
    out.set_at_prior(one.at_prior);
  }
}

}  // namespace

Result<CalibrationResult> Calibrate(const MeasuredCases& cases) {
  CalibrationResult out;
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    const TableEntry& entry = cases.entries[t];
    if (std::string why = WhyNot(entry, cases.tables[t]); !why.empty())
      out.left_out.emplace_back(fmt::format("{} {}", entry.name, entry.op), std::move(why));
    else
      out.fitted.push_back(t);
  }
  if (out.fitted.empty()) {
    Errors errors;
    for (std::size_t t = 0; t < cases.tables.size(); ++t)
      errors.push_back({ErrorCode::kInconsistent, cases.entries[t].pos,
                        "the table cannot be fitted: " + out.left_out[t].second,
                        "--host, --gpus-per-host and --nccl say what a table does not"});
    SortByPosition(errors);
    return tl::make_unexpected(std::move(errors));
  }
  // In an order of their own, so that the order they are named in changes nothing.
  const auto name = [&](std::size_t t) {
    const TableEntry& entry = cases.entries[t];
    return std::tie(entry.name, entry.op, entry.gpu, entry.nodes, entry.sha256);
  };
  std::sort(out.fitted.begin(), out.fitted.end(),
            [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
  out.fit = FitConstants(cases, out.fitted);
  const auto folds = FoldsOf(cases, out.fitted);
  out.folds = static_cast<int>(folds.size());
  if (folds.size() > 1) out.held_out = HoldOut(cases, out.fitted, folds, out.fit.constants);
  out.spec.set_weft(kWeftVersion);
  StateConstants(out.fit, out.spec);
  std::set<std::string> files;
  for (const std::size_t t : out.fitted) {
    const TableEntry& entry = cases.entries[t];
    if (!files.insert(entry.name).second) continue;
    CalibrationTableSpec& table = *out.spec.add_tables();
    table.set_file(entry.name);
    table.set_sha256(entry.sha256);
    table.set_source(entry.source);
  }
  StateRange(cases, out.fitted, out.spec);
  for (std::size_t c = 0; c < kErrorClasses; ++c)
    StateErrors(cases, out.held_out, static_cast<ErrorClass>(c), out.spec);
  return out;
}

namespace {

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string Percent(double ratio) { return fmt::format("{:.4g}%", ratio * 100); }

}  // namespace

std::string FormatCalibration(const CalibrationResult& result) {
  const CalibrationSpec& spec = result.spec;
  std::string out =
      "# Constants of collectives' times, fitted to measured tables. Written by `weft calibrate`;\n"
      "# docs/calibration.md says what each part means.\n";
  out += fmt::format("weft: {}\nconstants:\n", Quoted(spec.weft()));
  for (const CalibratedConstantSpec& one : spec.constants())
    out +=
        fmt::format("  - {{ name: {}, value: {}, low: {}, high: {}{} }}\n", one.name(), one.value(),
                    one.low(), one.high(), one.at_prior() ? ", at_prior: true" : "");
  out += "tables:\n";
  for (const CalibrationTableSpec& one : spec.tables()) {
    out += fmt::format("  - file: {}\n    sha256: {}\n", Quoted(one.file()), Quoted(one.sha256()));
    if (!one.source().empty()) out += fmt::format("    source: {}\n", Quoted(one.source()));
  }
  const CalibrationRangeSpec& range = spec.range();
  out += fmt::format(
      "range:\n  ops: [{}]\n  smallest: {}\n  largest: {}\n  fewest_ranks: {}\n  most_ranks: {}\n"
      "  fewest_hosts: {}\n  most_hosts: {}\n  classes: [{}]\n",
      fmt::join(range.ops(), ", "), FormatWhole(range.smallest(), Unit::BYTES),
      FormatWhole(range.largest(), Unit::BYTES), range.fewest_ranks(), range.most_ranks(),
      range.fewest_hosts(), range.most_hosts(), fmt::join(range.classes(), ", "));
  if (spec.errors_size() > 0) out += "errors:\n";
  for (const CalibrationErrorSpec& one : spec.errors())
    out += fmt::format(
        "  - {{ what: {}, from: {}, median: {}, p95: {}, low: {}, high: {}, tables: {} }}\n",
        Quoted(one.what()), FormatWhole(one.from(), Unit::BYTES), Percent(one.median()),
        Percent(one.p95()), Percent(one.low()), Percent(one.high()), one.tables());
  return out;
}

}  // namespace weft
