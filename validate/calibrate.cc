#include "validate/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "base/schema/quantity.h"
#include "base/version.h"
#include "validate/interval.h"

namespace weft {
namespace {

// Why a table is not fitted; empty where it is.
std::string WhyNot(const TableEntry& entry, const CasesOfEntry& cases) {
  if (entry.label == TableLabel::kDegraded) return "it is degraded";
  if (entry.label == TableLabel::kUnclear) return "whether it is healthy is unclear";
  if (entry.use == TableUse::kCheck) return "it is held out for checking";
  return cases.why_not;
}

// GPU generation and transport: the classes of hardware that a table tells of.
std::vector<std::string> HardwareOfTable(const MeasuredCases& cases, std::size_t table) {
  const CasesOfEntry& mine = cases.tables[table];
  return HardwareOf(mine.host, mine.points.front().which.nodes);
}

bool IsOf(const MeasuredCases& cases, std::size_t table, const std::string& hardware) {
  const std::vector<std::string> names = HardwareOfTable(cases, table);
  return std::find(names.begin(), names.end(), hardware) != names.end();
}

// Tables that are left out together. A project is one fold, unless it alone has measured a class of
// hardware: then each of its tables of that class is one.
std::vector<std::vector<std::size_t>> FoldsOf(const MeasuredCases& cases,
                                              const std::vector<std::size_t>& tables) {
  std::map<std::vector<std::string>, std::set<std::string>> projects_of;
  for (const std::size_t t : tables)
    projects_of[HardwareOfTable(cases, t)].insert(ProjectOf(cases.entries[t]));
  std::map<std::string, std::vector<std::size_t>> folds;
  for (const std::size_t t : tables) {
    const std::string project = ProjectOf(cases.entries[t]);
    const bool alone = projects_of[HardwareOfTable(cases, t)].size() == 1;
    folds[alone ? fmt::format("{}\n{}", project, cases.entries[t].name) : project].push_back(t);
  }
  std::vector<std::vector<std::size_t>> out;
  for (auto& [name, fold] : folds) out.push_back(std::move(fold));
  return out;
}

// The tables of each class of hardware, where others are left to be fitted.
std::map<std::string, std::vector<std::size_t>> TablesByHardware(
    const MeasuredCases& cases, const std::vector<std::size_t>& tables) {
  std::map<std::string, std::vector<std::size_t>> out;
  for (const std::size_t t : tables)
    for (const std::string& name : HardwareOfTable(cases, t)) out[name].push_back(t);
  for (auto one = out.begin(); one != out.end();)
    one = one->second.size() == tables.size() ? out.erase(one) : std::next(one);
  return out;
}

// Every point of every fold under the fit to all other tables; the fold is the group.
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
             point.measured_us / cases.models[point.model].Time(point.which, fit.constants).us, f});
  }
  std::vector<HeldOutPoint> out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// The value below which `share` of all lie.
double Quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto below =
      static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(below, 1, values.size()) - 1];
}

// Sizes that an error is stated for: below the bands that classes are told apart by, too.
std::vector<Bytes> StatedFrom() { return {Bytes(0), KiB(64), MiB(1), MiB(64)}; }

// Rounded outwards to a thousandth, as the file says it; never to 0, which is no ratio.
double Down(double ratio) { return std::max(0.001, std::floor(ratio * 1000) / 1000); }
double Up(double ratio) { return std::ceil(ratio * 1000) / 1000; }
double Near(double ratio) { return std::round(ratio * 1000) / 1000; }

// The range of sizes that `size` is in.
std::size_t RangeOf(Bytes size) {
  const std::vector<Bytes> stated = StatedFrom();
  std::size_t out = 0;
  while (out + 1 < stated.size() && size >= stated[out + 1]) ++out;
  return out;
}

// Sizes that an interval is stated at: what is within kBandReach of it says, at the ends beyond, so
// that every point speaks at the sizes on either side of it.
std::vector<Bytes> StatedAt() {
  return {kFirstBand, KiB(8), KiB(64), KiB(512), MiB(4), MiB(32), MiB(256), MiB(2048)};
}

// The residuals of all points but those of a group and of its tables, in whatever group they are,
// each in the columns of the sizes that it speaks at.
std::vector<Residual> AtStatedSizes(const MeasuredCases& cases,
                                    const std::vector<HeldOutPoint>& points,
                                    std::optional<std::size_t> without = std::nullopt);

// The interval of a class of hosts by size.
class BandCurve {
 public:
  explicit BandCurve(const std::vector<Residual>& residuals) : spread_(residuals) {}

  // At a row of StatedAt().
  std::optional<RatioBand> Stated(ErrorClass which, std::size_t column) const {
    const auto half = spread_.HalfWidth(static_cast<std::size_t>(which), column);
    if (!half) return std::nullopt;
    return RatioBand{std::exp(-*half), std::exp(*half), 0};
  }
  std::optional<RatioBand> At(ErrorClass which, Bytes size) const {
    std::vector<std::pair<Bytes, RatioBand>> stated;
    for (std::size_t c = 0; c < StatedAt().size(); ++c)
      if (const auto band = Stated(which, c)) stated.emplace_back(StatedAt()[c], *band);
    return BandAt(stated, size);
  }

 private:
  ResidualSpread spread_;
};

// The residuals of all points by range of sizes.
std::vector<Residual> ResidualsOf(const MeasuredCases& cases,
                                  const std::vector<HeldOutPoint>& points) {
  std::vector<Residual> out;
  for (const HeldOutPoint& point : points)
    out.push_back({static_cast<std::size_t>(cases.tables[point.table].error_class),
                   RangeOf(point.size), point.group, point.table, std::log(point.ratio)});
  return out;
}

std::vector<Residual> AtStatedSizes(const MeasuredCases& cases,
                                    const std::vector<HeldOutPoint>& points,
                                    std::optional<std::size_t> without) {
  const std::vector<Bytes> stated = StatedAt();
  std::set<std::size_t> left_out;
  for (const HeldOutPoint& point : points)
    if (point.group == without) left_out.insert(point.table);
  std::vector<Residual> out;
  for (const HeldOutPoint& point : points) {
    if (left_out.count(point.table) > 0) continue;
    for (std::size_t c = 0; c < stated.size(); ++c) {
      const bool above = c == 0 || point.size.count() * kBandReach > stated[c].count();
      const bool below =
          c + 1 == stated.size() || point.size.count() < stated[c].count() * kBandReach;
      if (above && below)
        out.push_back({static_cast<std::size_t>(cases.tables[point.table].error_class), c,
                       point.group, point.table, std::log(point.ratio)});
    }
  }
  return out;
}

// Who measured a table: the project, or, where one alone measured all, each table by itself.
void GroupBySource(const MeasuredCases& cases, std::vector<HeldOutPoint>& points) {
  std::map<std::string, std::size_t> number;
  for (const HeldOutPoint& point : points)
    number.try_emplace(ProjectOf(cases.entries[point.table]), number.size());
  for (HeldOutPoint& point : points)
    point.group =
        number.size() > 1 ? number.at(ProjectOf(cases.entries[point.table])) : point.table;
}

// Of each class and range of sizes: the share of a source's points inside the interval that all
// others state, a source's tables and then sources counting alike.
std::vector<CoverageBySource> CoverageBySources(const MeasuredCases& cases,
                                                const std::vector<HeldOutPoint>& points) {
  using Cell = std::pair<std::size_t, std::size_t>;
  struct Mean {
    double sum = 0;
    std::size_t count = 0, unjudged = 0;
    void Add(double value) { sum += value, ++count; }
    double value() const { return sum / static_cast<double>(count); }
  };
  std::map<Cell, Mean> cells;
  std::set<std::size_t> sources;
  for (const HeldOutPoint& one : points) sources.insert(one.group);
  for (const std::size_t source : sources) {
    const BandCurve others(AtStatedSizes(cases, points, source));
    std::map<Cell, std::map<std::size_t, Mean>> mine;  // by table
    for (const HeldOutPoint& one : points) {
      if (one.group != source) continue;
      const ErrorClass which = cases.tables[one.table].error_class;
      Mean& table = mine[{static_cast<std::size_t>(which), RangeOf(one.size)}][one.table];
      if (const auto band = others.At(which, one.size))
        table.Add(one.ratio >= band->low && one.ratio <= band->high ? 1 : 0);
    }
    for (const auto& [cell, tables] : mine) {
      Mean shares;
      for (const auto& [table, inside] : tables)
        if (inside.count > 0) shares.Add(inside.value());
      if (shares.count > 0)
        cells[cell].Add(shares.value());
      else
        ++cells[cell].unjudged;  // fewer than two other classes say anything of such sizes
    }
  }
  std::vector<CoverageBySource> out;
  for (const auto& [cell, mean] : cells)
    out.push_back({static_cast<ErrorClass>(cell.first), StatedFrom()[cell.second],
                   mean.count + mean.unjudged,
                   mean.count > 0 ? std::optional(mean.value()) : std::nullopt});
  return out;
}

// What is said of every class, from a size on, up to the next.
void StateAllErrors(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                    bool unseen, CalibrationSpec& spec) {
  const std::vector<Residual> residuals = ResidualsOf(cases, points);
  std::map<std::pair<std::size_t, std::size_t>,
           std::map<std::pair<std::size_t, std::size_t>, std::vector<double>>>
      cells;  // by class and range, by source and table: sizes of errors
  for (const Residual& one : residuals)
    cells[{one.row, one.column}][{one.source, one.table}].push_back(
        std::abs(std::exp(-one.value) - 1));
  for (const auto& [cell, tables] : cells) {
    std::vector<double> medians, errors;
    for (const auto& [table, mine] : tables) {
      errors.insert(errors.end(), mine.begin(), mine.end());
      medians.push_back(Quantile(mine, 0.5));
    }
    CalibrationErrorSpec& out = *spec.add_errors();
    out.set_what(NameOf(static_cast<ErrorClass>(cell.first)));
    out.set_from(StatedFrom()[cell.second].count());
    out.set_median(Near(Quantile(medians, 0.5)));
    out.set_p95(Near(Quantile(errors, 0.95)));
    out.set_tables(static_cast<int>(tables.size()));
    out.set_unseen(unseen);
  }
}

// Where nine of ten measured times are, at each size that tables of the class speak at.
void StateAllBands(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points, bool unseen,
                   CalibrationSpec& spec) {
  const std::vector<Residual> residuals = AtStatedSizes(cases, points);
  const BandCurve curve(residuals);
  std::map<std::pair<std::size_t, std::size_t>, std::set<std::string>> projects;
  for (const Residual& one : residuals)
    projects[{one.row, one.column}].insert(ProjectOf(cases.entries[cases.tables[one.table].entry]));
  for (const auto& [cell, names] : projects) {
    const RatioBand band = *curve.Stated(static_cast<ErrorClass>(cell.first), cell.second);
    CalibrationBandSpec& out = *spec.add_bands();
    out.set_what(NameOf(static_cast<ErrorClass>(cell.first)));
    out.set_at(StatedAt()[cell.second].count());
    out.set_low(Down(band.low));
    out.set_high(Up(band.high));
    out.set_sources(static_cast<int>(names.size()));
    out.set_unseen(unseen);
  }
}

// Of hardware that no table is of nobody knows more than of hardware that some are of: where
// leaving classes out whole happened to spread less than leaving projects out, the latter's ends
// hold.
void WidenUnseen(CalibrationSpec& spec) {
  for (CalibrationBandSpec& unseen : *spec.mutable_bands())
    for (const CalibrationBandSpec& seen : spec.bands()) {
      if (!unseen.unseen() || seen.unseen() || seen.what() != unseen.what() ||
          seen.at() != unseen.at())
        continue;
      unseen.set_low(std::min(unseen.low(), seen.low()));
      unseen.set_high(std::max(unseen.high(), seen.high()));
    }
}

// The tables of a class that was left out whole, beside the interval that the other classes state.
LeftOutClass FiguresOfLeftOut(const MeasuredCases& cases, const std::string& hardware,
                              const std::vector<HeldOutPoint>& mine,
                              const std::vector<Residual>& others) {
  const BandCurve stated(others);
  std::map<std::size_t, ComparedTable> tables;
  for (const HeldOutPoint& point : mine) {
    ComparedTable& table = tables[point.table];
    table.entry = cases.tables[point.table].entry;
    table.error_class = cases.tables[point.table].error_class;
    table.points.push_back(
        {point.size, 0, 0, 0, point.ratio, 1, stated.At(table.error_class, point.size)});
  }
  std::vector<ComparedTable> list;
  for (auto& [t, table] : tables) list.push_back(std::move(table));
  return {hardware, FiguresByClass(cases.entries, list)};
}

void StateRange(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
                CalibrationSpec& spec) {
  CalibrationRangeSpec& range = *spec.mutable_range();
  std::set<std::string> ops, classes, together;
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
      for (std::string& name : HardwareOf(cases.tables[t].host, point.which.nodes))
        classes.insert(std::move(name));
      if (point.which.nodes > 1)
        together.insert(CombinationOf(cases.tables[t].host, point.which.nodes));
    }
  }
  for (const std::string& op : ops) range.add_ops(op);
  for (const std::string& one : classes) range.add_classes(one);
  for (const std::string& one : together) range.add_combinations(one);
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

namespace {

// Which tables are fitted, in an order of their own: that they are named in changes nothing.
void ChooseTables(const MeasuredCases& cases, const CalibrateOptions& options,
                  CalibrationResult& out, std::vector<std::size_t>& of_class) {
  for (std::size_t t = 0; t < cases.tables.size(); ++t) {
    const TableEntry& entry = cases.entries[t];
    std::string why = WhyNot(entry, cases.tables[t]);
    if (why.empty() && !options.leave_out.empty() && IsOf(cases, t, options.leave_out)) {
      of_class.push_back(t);
      why = fmt::format("{} is left out whole", options.leave_out);
    }
    if (why.empty())
      out.fitted.push_back(t);
    else
      out.left_out.emplace_back(fmt::format("{} {}", entry.name, entry.op), std::move(why));
  }
  const auto name = [&](std::size_t t) {
    const TableEntry& entry = cases.entries[t];
    return std::tie(entry.name, entry.op, entry.gpu, entry.nodes, entry.sha256);
  };
  for (std::vector<std::size_t>* one : {&out.fitted, &of_class})
    std::sort(one->begin(), one->end(),
              [&](std::size_t a, std::size_t b) { return name(a) < name(b); });
}

// Each class of hardware left out whole; first, where the user named one, that.
void LeaveOutClasses(const MeasuredCases& cases, const CalibrateOptions& options,
                     const std::vector<std::size_t>& of_class, CalibrationResult& out) {
  const auto by_hardware = TablesByHardware(cases, out.fitted);
  std::vector<std::vector<std::size_t>> folds;
  for (const auto& [hardware, mine] : by_hardware) folds.push_back(mine);
  out.unseen = HoldOut(cases, out.fitted, folds, CollectiveConstants());
  if (!of_class.empty()) {
    std::vector<HeldOutPoint> points;
    for (const std::size_t t : of_class)
      for (const MeasuredCase& point : cases.tables[t].points)
        points.push_back(
            {t, point.size,
             point.measured_us / cases.models[point.model].Time(point.which, out.fit.constants).us,
             0});
    out.left_out_classes.push_back(
        FiguresOfLeftOut(cases, options.leave_out, points, AtStatedSizes(cases, out.unseen)));
  }
  std::size_t fold = 0;
  for (const auto& [hardware, tables] : by_hardware) {
    std::vector<HeldOutPoint> mine;
    for (const HeldOutPoint& point : out.unseen)
      if (point.group == fold) mine.push_back(point);
    out.left_out_classes.push_back(
        FiguresOfLeftOut(cases, hardware, mine, AtStatedSizes(cases, out.unseen, fold)));
    ++fold;
  }
}

Errors WhyNothingFits(const MeasuredCases& cases, const CalibrationResult& result) {
  Errors errors;
  for (std::size_t t = 0; t < cases.tables.size(); ++t)
    errors.push_back({ErrorCode::kInconsistent, cases.entries[t].pos,
                      "the table cannot be fitted: " + result.left_out[t].second,
                      "--host, --gpus-per-host and --nccl say what a table does not"});
  SortByPosition(errors);
  return errors;
}

}  // namespace

Result<CalibrationResult> Calibrate(const MeasuredCases& cases, const CalibrateOptions& options) {
  CalibrationResult out;
  std::vector<std::size_t> of_class;
  ChooseTables(cases, options, out, of_class);
  if (out.fitted.empty()) return tl::make_unexpected(WhyNothingFits(cases, out));
  if (!options.leave_out.empty() && of_class.empty())
    return Fail(ErrorCode::kOutOfRange, {"--leave-out", 0, 0},
                fmt::format("no table that can be fitted is of '{}'", options.leave_out),
                "a GPU's generation or a transport that they are of, such as hopper or ib");
  out.fit = FitConstants(cases, out.fitted);
  const auto folds = FoldsOf(cases, out.fitted);
  out.folds = static_cast<int>(folds.size());
  if (folds.size() > 1) out.held_out = HoldOut(cases, out.fitted, folds, out.fit.constants);
  GroupBySource(cases, out.held_out);
  LeaveOutClasses(cases, options, of_class, out);
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
  StateAllErrors(cases, out.held_out, false, out.spec);
  out.coverage = CoverageBySources(cases, out.held_out);
  StateAllErrors(cases, out.unseen, true, out.spec);
  StateAllBands(cases, out.held_out, false, out.spec);
  StateAllBands(cases, out.unseen, true, out.spec);
  WidenUnseen(out.spec);
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
  if (!result.fit.converged) out += "# The fit stopped before it converged.\n";
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
  if (range.combinations_size() > 0)
    out += fmt::format("  combinations: [{}]\n", fmt::join(range.combinations(), ", "));
  if (spec.errors_size() > 0) out += "errors:\n";
  for (const CalibrationErrorSpec& one : spec.errors())
    out +=
        fmt::format("  - {{ what: {}, from: {}, median: {}, p95: {}, tables: {}{} }}\n",
                    Quoted(one.what()), FormatWhole(one.from(), Unit::BYTES), Percent(one.median()),
                    Percent(one.p95()), one.tables(), one.unseen() ? ", unseen: true" : "");
  if (spec.bands_size() > 0) out += "bands:\n";
  for (const CalibrationBandSpec& one : spec.bands())
    out += fmt::format("  - {{ what: {}, at: {}, low: {}, high: {}, sources: {}{} }}\n",
                       Quoted(one.what()), FormatWhole(one.at(), Unit::BYTES), Percent(one.low()),
                       Percent(one.high()), one.sources(), one.unseen() ? ", unseen: true" : "");
  return out;
}

}  // namespace weft
