#include "validate/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
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

// Every point of every fold under the fit to all other tables. What may learn nothing of each
// other is a group: the table, or the fold.
std::vector<HeldOutPoint> HoldOut(const MeasuredCases& cases,
                                  const std::vector<std::size_t>& tables,
                                  const std::vector<std::vector<std::size_t>>& folds,
                                  const CollectiveConstants& from, bool by_fold) {
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
             point.measured_us / cases.models[point.model].Time(point.which, fit.constants).us,
             by_fold ? f : t});
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

// The points of a class and a range of sizes, by table of a group.
using ByTable = std::map<std::pair<std::size_t, std::size_t>, std::vector<double>>;

ByTable PointsOf(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                 ErrorClass which, std::size_t range) {
  const std::vector<Bytes> stated = StatedFrom();
  ByTable out;
  for (const HeldOutPoint& point : points)
    if (cases.tables[point.table].error_class == which && point.size >= stated[range] &&
        (range + 1 == stated.size() || point.size < stated[range + 1]))
      out[{point.group, point.table}].push_back(std::log(point.ratio));
  return out;
}

// Logarithms of measured over simulated: the 5th percentile, the median, the 95th.
struct Spread {
  double low = 0, middle = 0, high = 0;
  // How many half-widths `value` is from the middle.
  double Score(double value) const {
    constexpr double kLeast = 0.01;  // no interval is narrower than a percent to a side
    return value > middle ? (value - middle) / std::max(kLeast, high - middle)
                          : (middle - value) / std::max(kLeast, middle - low);
  }
};

// Of all tables of a class but those of `without`, and of the other classes' as if they were
// kOthers tables more, so that few tables do not promise what only many can; none where none is.
constexpr double kOthers = 2;

std::optional<Spread> SpreadOf(const ByTable& tables, const ByTable& of_others,
                               std::optional<std::size_t> without) {
  // A table may stand in several groups: those of the group are left out of all.
  std::set<std::size_t> left_out;
  for (const ByTable* part : {&tables, &of_others})
    for (const auto& [key, mine] : *part)
      if (without && key.first == *without) left_out.insert(key.second);
  std::vector<Weighted> values;
  const auto add = [&](const ByTable& part, double weight) {
    for (const auto& [key, mine] : part) {
      if ((without && key.first == *without) || left_out.count(key.second) > 0) continue;
      for (const double value : mine)
        values.push_back({value, weight / static_cast<double>(mine.size())});
    }
  };
  add(tables, 1);
  add(of_others, kOthers / static_cast<double>(std::max<std::size_t>(1, of_others.size())));
  if (values.empty()) return std::nullopt;
  return Spread{Quantile(values, 0.05), Quantile(values, 0.5), Quantile(values, 0.95)};
}

// What the interval of a class is stretched by: nine of ten points of a group are inside that of
// the other groups. Never below 1; 1 where there is one group alone, of which nothing can be said.
double StretchOf(const ByTable& tables, const ByTable& of_others) {
  std::vector<Weighted> scores;
  for (const auto& [key, mine] : tables)
    if (const auto others = SpreadOf(tables, of_others, key.first))
      for (const double value : mine)
        scores.push_back({others->Score(value), 1.0 / static_cast<double>(mine.size())});
  return scores.empty() ? 1 : std::max(1.0, Quantile(scores, 0.9));
}

struct Interval {
  double low = 0, high = 0;  // logarithms of measured over simulated
};

std::optional<Interval> IntervalOf(const ByTable& tables, const ByTable& of_others) {
  const auto spread = SpreadOf(tables, of_others, std::nullopt);
  if (!spread) return std::nullopt;
  const double stretch = StretchOf(tables, of_others);
  return Interval{spread->middle - stretch * (spread->middle - spread->low),
                  spread->middle + stretch * (spread->high - spread->middle)};
}

ByTable Without(const ByTable& tables, std::size_t group) {
  ByTable out = tables;
  std::erase_if(out, [group](const auto& one) { return one.first.first == group; });
  return out;
}

// The other classes' points, with which a class of few tables is stated.
ByTable OfOthers(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                 ErrorClass which, std::size_t range) {
  ByTable out;
  for (std::size_t c = 0; c < kErrorClasses; ++c)
    if (static_cast<ErrorClass>(c) != which)
      out.merge(PointsOf(cases, points, static_cast<ErrorClass>(c), range));
  return out;
}

// Of a class and a range of sizes: the points of a source inside the interval that all others
// state, tables counting alike.
CoverageBySource CoverageOf(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                            ErrorClass which, std::size_t range) {
  const ByTable tables = PointsOf(cases, points, which, range);
  const ByTable of_others = OfOthers(cases, points, which, range);
  CoverageBySource out{which, StatedFrom()[range], 0, std::nullopt};
  std::set<std::size_t> sources;
  for (const auto& [key, mine] : tables) sources.insert(key.first);
  out.sources = sources.size();
  double inside = 0, all = 0;
  for (const std::size_t source : sources) {
    const auto interval = IntervalOf(Without(tables, source), Without(of_others, source));
    if (!interval) continue;
    for (const auto& [key, mine] : tables) {
      if (key.first != source) continue;
      const auto in = std::count_if(mine.begin(), mine.end(), [&](double value) {
        return value >= interval->low && value <= interval->high;
      });
      inside += static_cast<double>(in) / static_cast<double>(mine.size());
      ++all;
    }
  }
  if (all > 0) out.inside = inside / all;
  return out;
}

std::vector<CoverageBySource> CoverageBySources(const MeasuredCases& cases,
                                                std::vector<HeldOutPoint> points) {
  std::map<std::string, std::size_t> number;
  for (HeldOutPoint& point : points)
    point.group =
        number.try_emplace(ProjectOf(cases.entries[point.table]), number.size()).first->second;
  std::vector<CoverageBySource> out;
  for (std::size_t c = 0; c < kErrorClasses; ++c)
    for (std::size_t range = 0; range < StatedFrom().size(); ++range) {
      const CoverageBySource one = CoverageOf(cases, points, static_cast<ErrorClass>(c), range);
      if (one.sources > 0) out.push_back(one);
    }
  return out;
}

// The points of a class from a size on, up to the next.
void StateErrors(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points, bool unseen,
                 ErrorClass which, CalibrationSpec& spec) {
  const std::vector<Bytes> stated = StatedFrom();
  for (std::size_t b = 0; b < stated.size(); ++b) {
    const ByTable tables = PointsOf(cases, points, which, b);
    if (tables.empty()) continue;
    const ByTable of_others = OfOthers(cases, points, which, b);
    std::vector<Weighted> medians, errors;
    for (const auto& [key, mine] : tables) {
      std::vector<Weighted> own;
      for (const double value : mine) own.push_back({std::abs(std::exp(-value) - 1), 1});
      errors.insert(errors.end(), own.begin(), own.end());
      medians.push_back({Quantile(own, 0.5), 1});
    }
    const Interval interval = *IntervalOf(tables, of_others);
    CalibrationErrorSpec& out = *spec.add_errors();
    out.set_what(NameOf(which));
    out.set_from(stated[b].count());
    out.set_median(Near(Quantile(medians, 0.5)));
    out.set_p95(Near(Quantile(errors, 0.95)));
    out.set_low(Down(std::exp(interval.low)));
    out.set_high(Up(std::exp(interval.high)));
    out.set_tables(static_cast<int>(tables.size()));
    out.set_unseen(unseen);
  }
}

void StateAllErrors(const MeasuredCases& cases, const std::vector<HeldOutPoint>& points,
                    bool unseen, CalibrationSpec& spec) {
  for (std::size_t c = 0; c < kErrorClasses; ++c)
    StateErrors(cases, points, unseen, static_cast<ErrorClass>(c), spec);
}

// Of hardware that no table is of nobody knows more than of hardware that some are of: where
// leaving classes out whole happened to spread less than leaving projects out, the latter's ends
// hold.
void WidenUnseen(CalibrationSpec& spec) {
  for (CalibrationErrorSpec& unseen : *spec.mutable_errors())
    for (const CalibrationErrorSpec& seen : spec.errors()) {
      if (!unseen.unseen() || seen.unseen() || seen.what() != unseen.what() ||
          seen.from() != unseen.from())
        continue;
      unseen.set_low(std::min(unseen.low(), seen.low()));
      unseen.set_high(std::max(unseen.high(), seen.high()));
    }
}

// The tables of a class that was left out whole, beside the interval that the other classes state.
LeftOutClass FiguresOfLeftOut(const MeasuredCases& cases, const std::string& hardware,
                              const std::vector<HeldOutPoint>& mine,
                              const std::vector<HeldOutPoint>& others) {
  Calibration stated;
  StateAllErrors(cases, others, true, stated.spec);
  std::map<std::size_t, ComparedTable> tables;
  for (const HeldOutPoint& point : mine) {
    ComparedTable& table = tables[point.table];
    table.entry = cases.tables[point.table].entry;
    table.error_class = cases.tables[point.table].error_class;
    table.points.push_back({point.size, 0, 0, 0, point.ratio, 1,
                            BandOf(stated, table.error_class, point.size, false)});
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
  out.unseen = HoldOut(cases, out.fitted, folds, CollectiveConstants(), true);
  if (!of_class.empty()) {
    std::vector<HeldOutPoint> points;
    for (const std::size_t t : of_class)
      for (const MeasuredCase& point : cases.tables[t].points)
        points.push_back(
            {t, point.size,
             point.measured_us / cases.models[point.model].Time(point.which, out.fit.constants).us,
             0});
    out.left_out_classes.push_back(FiguresOfLeftOut(cases, options.leave_out, points, out.unseen));
  }
  std::size_t fold = 0;
  for (const auto& [hardware, tables] : by_hardware) {
    std::vector<HeldOutPoint> mine, others;
    for (const HeldOutPoint& point : out.unseen)
      (point.group == fold ? mine : others).push_back(point);
    out.left_out_classes.push_back(FiguresOfLeftOut(cases, hardware, mine, others));
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
  if (folds.size() > 1) out.held_out = HoldOut(cases, out.fitted, folds, out.fit.constants, false);
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
    out += fmt::format(
        "  - {{ what: {}, from: {}, median: {}, p95: {}, low: {}, high: {}, tables: {}{} }}\n",
        Quoted(one.what()), FormatWhole(one.from(), Unit::BYTES), Percent(one.median()),
        Percent(one.p95()), Percent(one.low()), Percent(one.high()), one.tables(),
        one.unseen() ? ", unseen: true" : "");
  return out;
}

}  // namespace weft
