#include "report/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/version.h"
#include "report/json_internal.h"
#include "report/numbers.h"
#include "report/table.h"

namespace weft {
namespace {

constexpr std::size_t kFewTables = 3;  // that are plotted on the terminal

double Rounded(double value) { return std::round(value * 1e6) / 1e6; }

std::string RanksText(const ComparedTable& table) {
  std::vector<int> counts;
  for (const ComparedPoint& point : table.points) counts.push_back(point.ranks);
  std::sort(counts.begin(), counts.end());
  counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
  return fmt::format("{}", fmt::join(counts, ","));
}

// A plot for every number of ranks and hosts of a table.
std::vector<Plot> PlotsOf(const MeasuredComparison& comparison, const ComparedTable& table) {
  const TableEntry& entry = comparison.entries[table.entry];
  std::map<std::pair<int, int>, std::vector<ComparedPoint>> by_ranks;
  for (const ComparedPoint& point : table.points)
    by_ranks[{point.ranks, point.hosts}].push_back(point);
  std::vector<Plot> out;
  for (auto& [shape, points] : by_ranks) {
    std::sort(points.begin(), points.end(),
              [](const ComparedPoint& a, const ComparedPoint& b) { return a.size < b.size; });
    Plot plot;
    plot.title = fmt::format("{} {}, {} ranks on {} host{}", entry.name, entry.op, shape.first,
                             shape.second, shape.second == 1 ? "" : "s");
    plot.y_label = "busbw GB/s";
    plot.line_name = "simulated";
    plot.mark_name = "measured";
    for (const ComparedPoint& point : points) {
      const auto x = static_cast<double>(point.size.count());
      const double simulated = BusbwGBps(entry.op, point.ranks, point.size, point.simulated_us);
      plot.line.emplace_back(x, simulated);
      plot.marks.emplace_back(x, BusbwGBps(entry.op, point.ranks, point.size, point.measured_us));
      if (!point.band) continue;
      plot.low.emplace_back(x, simulated / point.band->high);
      plot.high.emplace_back(x, simulated / point.band->low);
    }
    out.push_back(std::move(plot));
  }
  return out;
}

std::string TablesText(const MeasuredComparison& comparison, int width) {
  Table text;
  text.AddColumn("table", Align::kLeft);
  text.AddColumn("op", Align::kLeft);
  for (const char* column : {"ranks", "points", "median", "p95", "bias"}) text.AddColumn(column);
  text.AddColumn("label", Align::kLeft);
  for (const ComparedTable& table : comparison.tables) {
    if (table.points.empty()) continue;
    const TableEntry& entry = comparison.entries[table.entry];
    text.AddRow({entry.name + (entry.use == TableUse::kCheck ? " *" : ""), entry.op,
                 RanksText(table), FormatCount(static_cast<std::int64_t>(table.all.points)),
                 FormatPercent(table.all.median), FormatPercent(table.all.p95),
                 FormatSignedPercent(table.all.bias), NameOf(entry.label)});
  }
  return text.empty() ? std::string() : text.Format(width);
}

std::string ClassesText(const MeasuredComparison& comparison, int width) {
  Table text;
  text.AddColumn("class", Align::kLeft);
  for (const char* column : {"from", "tables", "points", "median", "p95", "bias", "in the band"})
    text.AddColumn(column);
  for (const ClassFigures& one : comparison.classes)
    text.AddRow({NameOf(one.error_class), FormatBytes(one.from),
                 FormatCount(static_cast<std::int64_t>(one.tables)),
                 FormatCount(static_cast<std::int64_t>(one.points)), FormatPercent(one.median),
                 FormatPercent(one.p95), FormatSignedPercent(one.bias),
                 one.in_band ? FormatPercent(*one.in_band) : "-"});
  return text.empty() ? std::string() : text.Format(width);
}

// Tables and rows that are not compared, with why and how many.
std::string LeftOutText(const MeasuredComparison& comparison, int width) {
  std::map<std::string, int> why;
  int rows = 0;
  std::string first;
  for (const ComparedTable& table : comparison.tables) {
    if (!table.why_not.empty()) ++why[table.why_not];
    const TableEntry& entry = comparison.entries[table.entry];
    rows += entry.rejected();
    for (const MeasuredTable& one : entry.tables)
      if (first.empty() && !one.rejected.empty())
        first = fmt::format("{}:{}: {}", entry.name, one.rejected.front().line,
                            one.rejected.front().why);
  }
  std::string out;
  for (const auto& [reason, count] : why)
    out += Wrap(fmt::format("not compared: {} table{}: {}", count, count == 1 ? "" : "s", reason),
                width, 2) +
           "\n";
  if (rows > 0)
    out += Wrap(fmt::format("left out: {} row{} that contradict{} themselves, are cut off or too "
                            "coarse; the first: {}",
                            rows, rows == 1 ? "" : "s", rows == 1 ? "s" : "", first),
                width, 2) +
           "\n";
  return out;
}

// What was fitted of a signature that has a number.
std::string ValueText(const SignatureFit& fit) {
  if (!fit.value) return {};
  return fit.signature == Signature::kTcp ? fmt::format(", {:.1f} GB/s a NIC", *fit.value)
                                          : fmt::format(", at {}", FormatPercent(*fit.value, 0));
}

// What is far too slow, and what would explain it.
std::string DiagnosesText(const MeasuredComparison& comparison,
                          const std::vector<Diagnosis>& diagnoses, int width) {
  std::string out;
  for (const Diagnosis& one : diagnoses) {
    if (!one.degraded) continue;
    const TableEntry& entry = comparison.entries[comparison.tables[one.table].entry];
    std::string text =
        fmt::format("{} {}: {:.2f} times as long as simulated, healthy is up to {:.2f}", entry.name,
                    entry.op, one.slowdown, one.expected);
    bool any = false;
    for (const SignatureFit& fit : one.signatures) {
      if (!fit.fits) continue;
      text += fmt::format("{} {}{} ({:.2f} times as long as simulated so)", any ? "; or" : ":",
                          Explanation(fit.signature), ValueText(fit), fit.ratio);
      any = true;
    }
    if (!any) text += ": no signature fits";
    if (!any && !one.signatures.empty())
      text +=
          fmt::format("; nearest is {} ({:.2f} times)",
                      Explanation(one.signatures.front().signature), one.signatures.front().ratio);
    out += Wrap(text, width, 2) + "\n";
  }
  return out;
}

Json DiagnosisJson(const Diagnosis& one) {
  Json signatures = Json::array();
  for (const SignatureFit& fit : one.signatures)
    signatures.push_back({{"signature", NameOf(fit.signature)},
                          {"explanation", Explanation(fit.signature)},
                          {"ratio", Rounded(fit.ratio)},
                          {"value", fit.value ? Json(Rounded(*fit.value)) : Json(nullptr)},
                          {"fits", fit.fits}});
  return {{"degraded", one.degraded},
          {"slowdown", Rounded(one.slowdown)},
          {"expected", Rounded(one.expected)},
          {"signatures", std::move(signatures)}};
}

Json ClassJson(const ClassFigures& one) {
  Json out = {{"class", NameOf(one.error_class)},
              {"from_bytes", one.from.count()},
              {"tables", one.tables},
              {"points", one.points},
              {"median_error", Rounded(one.median)},
              {"p95_error", Rounded(one.p95)},
              {"bias", Rounded(one.bias)}};
  out["in_band"] = one.in_band ? Json(Rounded(*one.in_band)) : Json(nullptr);
  return out;
}

}  // namespace

std::string ComparisonText(const MeasuredComparison& comparison,
                           const std::vector<Diagnosis>& diagnoses, int width) {
  std::size_t compared = 0, held = 0;
  for (const ComparedTable& table : comparison.tables) {
    compared += !table.points.empty();
    held += !table.points.empty() && comparison.entries[table.entry].use == TableUse::kCheck;
  }
  std::string out = fmt::format(
      "{} of {} tables compared, calibration {}\n\n", compared, comparison.tables.size(),
      comparison.calibration.name.empty() ? "none: the priors" : comparison.calibration.name);
  if (compared <= kFewTables)
    for (const ComparedTable& table : comparison.tables)
      for (const Plot& plot : PlotsOf(comparison, table))
        out += PlotText(plot, std::min(width, 160)) + "\n";
  out += TablesText(comparison, width);
  if (held > 0) out += "* held out: no calibration may be fitted to it\n";
  if (!comparison.classes.empty())
    out += "\nHealthy and unlabelled tables by class; error is simulated / measured - 1:\n" +
           ClassesText(comparison, width);
  const std::string degraded = DiagnosesText(comparison, diagnoses, width);
  if (!degraded.empty()) out += "\nDegraded:\n" + degraded;
  const std::string rest = LeftOutText(comparison, width);
  return rest.empty() ? out : out + "\n" + rest;
}

std::string ComparisonJson(const MeasuredComparison& comparison,
                           const std::vector<Diagnosis>& diagnoses) {
  Json tables = Json::array(), overall = Json::array();
  for (std::size_t t = 0; t < comparison.tables.size(); ++t) {
    const ComparedTable& table = comparison.tables[t];
    const TableEntry& entry = comparison.entries[table.entry];
    Json points = Json::array();
    for (const ComparedPoint& point : table.points) {
      Json one = {{"bytes", point.size.count()},
                  {"ranks", point.ranks},
                  {"hosts", point.hosts},
                  {"measured_us", Rounded(point.measured_us)},
                  {"simulated_us", Rounded(point.simulated_us)}};
      one["low_us"] =
          point.band ? Json(Rounded(point.simulated_us * point.band->low)) : Json(nullptr);
      one["high_us"] =
          point.band ? Json(Rounded(point.simulated_us * point.band->high)) : Json(nullptr);
      points.push_back(std::move(one));
    }
    Json out = {{"file", entry.name}, {"op", entry.op}, {"points", std::move(points)}};
    out["median_error"] = table.points.empty() ? Json(nullptr) : Json(Rounded(table.all.median));
    out["p95_error"] = table.points.empty() ? Json(nullptr) : Json(Rounded(table.all.p95));
    out["bias"] = table.points.empty() ? Json(nullptr) : Json(Rounded(table.all.bias));
    out["label"] = NameOf(entry.label);
    out["use"] = NameOf(entry.use);
    out["class"] = table.points.empty() ? Json(nullptr) : Json(NameOf(table.error_class));
    out["left_out"] = table.why_not.empty() ? Json(nullptr) : Json(table.why_not);
    out["rejected_rows"] = entry.rejected();
    out["diagnosis"] = nullptr;
    for (const Diagnosis& one : diagnoses)
      if (one.table == t) out["diagnosis"] = DiagnosisJson(one);
    tables.push_back(std::move(out));
  }
  for (const ClassFigures& one : comparison.classes) overall.push_back(ClassJson(one));
  const Json out = {
      {"schema", "weft.validate/1"},
      {"weft", kWeftVersion},
      {"calibration",
       comparison.calibration.name.empty() ? Json("none") : Json(comparison.calibration.name)},
      {"tables", std::move(tables)},
      {"overall", {{"classes", std::move(overall)}}}};
  return out.dump(2) + "\n";
}

std::vector<std::pair<std::string, std::string>> ComparisonPlots(
    const MeasuredComparison& comparison) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ComparedTable& table : comparison.tables) {
    const TableEntry& entry = comparison.entries[table.entry];
    for (const Plot& plot : PlotsOf(comparison, table)) {
      std::string name = fmt::format("{}-{}-{}.svg", entry.name, entry.op, out.size());
      std::replace(name.begin(), name.end(), '/', '_');
      out.emplace_back(std::move(name), PlotSvg(plot));
    }
  }
  return out;
}

namespace {

const char* WordOf(const AcceptanceVerdict& one) {
  return one.pass() ? "PASS" : one.measured_GBps ? "FAIL" : "MISSING";
}

std::size_t Passed(const std::vector<AcceptanceVerdict>& verdicts) {
  return static_cast<std::size_t>(std::count_if(
      verdicts.begin(), verdicts.end(), [](const AcceptanceVerdict& one) { return one.pass(); }));
}

}  // namespace

std::string AcceptanceText(const std::vector<AcceptanceVerdict>& verdicts, int width) {
  Table text;
  text.AddColumn("op", Align::kLeft);
  for (const char* column : {"ranks", "hosts", "size", "expected", "least", "measured GB/s"})
    text.AddColumn(column);
  text.AddColumn("", Align::kLeft);
  for (const AcceptanceVerdict& one : verdicts)
    text.AddRow({one.line.op, FormatCount(one.line.ranks), FormatCount(one.line.hosts),
                 FormatBytes(one.line.size), fmt::format("{:.2f}", one.line.expected_GBps),
                 fmt::format("{:.2f}", one.line.least_GBps),
                 one.measured_GBps ? fmt::format("{:.2f}", *one.measured_GBps) : "-", WordOf(one)});
  return text.Format(width) +
         fmt::format("\n{} of {} lines pass\n", Passed(verdicts), verdicts.size());
}

std::string AcceptanceJson(const std::vector<AcceptanceVerdict>& verdicts) {
  Json lines = Json::array();
  for (const AcceptanceVerdict& one : verdicts) {
    Json line = {{"op", one.line.op},
                 {"ranks", one.line.ranks},
                 {"hosts", one.line.hosts},
                 {"bytes", one.line.size.count()},
                 {"expected_GBps", Rounded(one.line.expected_GBps)},
                 {"least_GBps", Rounded(one.line.least_GBps)}};
    line["measured_GBps"] = one.measured_GBps ? Json(Rounded(*one.measured_GBps)) : Json(nullptr);
    line["verdict"] = WordOf(one);
    lines.push_back(std::move(line));
  }
  const Json out = {{"schema", "weft.acceptance/1"},
                    {"weft", kWeftVersion},
                    {"pass", Passed(verdicts) == verdicts.size()},
                    {"lines", std::move(lines)}};
  return out.dump(2) + "\n";
}

std::string PublishedText(const std::vector<PublishedClaim>& claims) {
  std::string out =
      "| claim | source | formula | expected | weft | deviation | tolerance, why | |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
  for (const PublishedClaim& one : claims)
    out += fmt::format("| {} | {} | {} | {} {} | {} | {} | {}: {} | {} |\n", one.claim, one.source,
                       one.formula, FormatSignificant(one.expected, 5), one.unit,
                       FormatSignificant(one.measured, 5), FormatSignedPercent(one.deviation()),
                       FormatPercent(one.tolerance), one.why, one.pass() ? "pass" : "FAIL");
  return out;
}

std::string PublishedJson(const std::vector<PublishedClaim>& claims) {
  Json list = Json::array();
  for (const PublishedClaim& one : claims)
    list.push_back({{"claim", one.claim},
                    {"source", one.source},
                    {"formula", one.formula},
                    {"expected", one.expected},
                    {"unit", one.unit},
                    {"tolerance", one.tolerance},
                    {"why", one.why},
                    {"measured", Rounded(one.measured)},
                    {"deviation", Rounded(one.deviation())},
                    {"pass", one.pass()}});
  const Json out = {
      {"schema", "weft.published/1"}, {"weft", kWeftVersion}, {"claims", std::move(list)}};
  return out.dump(2) + "\n";
}

namespace {

std::string LeftOutClassesText(const CalibrationResult& result, int width) {
  if (result.left_out_classes.empty()) return {};
  Table text;
  text.AddColumn("left out whole", Align::kLeft);
  text.AddColumn("class", Align::kLeft);
  for (const char* column : {"from", "tables", "median", "p95", "bias", "in the band"})
    text.AddColumn(column);
  for (const LeftOutClass& one : result.left_out_classes)
    for (const ClassFigures& figures : one.figures)
      text.AddRow({one.hardware, NameOf(figures.error_class), FormatBytes(figures.from),
                   FormatCount(static_cast<std::int64_t>(figures.tables)),
                   FormatPercent(figures.median), FormatPercent(figures.p95),
                   FormatSignedPercent(figures.bias),
                   figures.in_band ? FormatPercent(*figures.in_band) : "-"});
  return "\nHardware of which no table was fitted; the band is what the other classes say:\n" +
         text.Format(width);
}

// What was held out by source, or, `unseen`, by hardware.
std::string StatedErrorsText(const CalibrationResult& result, bool unseen, int width) {
  Table errors;
  errors.AddColumn("class", Align::kLeft);
  for (const char* column : {"from", "tables", "median", "p95", "90 % from", "to"})
    errors.AddColumn(column);
  if (!unseen) errors.AddColumn("sources");
  if (!unseen) errors.AddColumn("inside");
  for (const CalibrationErrorSpec& one : result.spec.errors()) {
    if (one.unseen() != unseen) continue;
    std::vector<std::string> row = {one.what(),
                                    FormatBytes(Bytes(one.from())),
                                    FormatCount(one.tables()),
                                    FormatPercent(one.median()),
                                    FormatPercent(one.p95()),
                                    fmt::format("{:.3g}", one.low()),
                                    fmt::format("{:.3g}", one.high())};
    for (const CoverageBySource& of : result.coverage) {
      if (unseen || NameOf(of.which) != one.what() || of.from.count() != one.from()) continue;
      row.push_back(FormatCount(static_cast<std::int64_t>(of.sources)));
      row.push_back(of.inside ? FormatPercent(*of.inside, 0) : "-");
    }
    errors.AddRow(row);
  }
  return errors.empty() ? std::string() : errors.Format(width);
}

}  // namespace

std::string CalibrationText(const CalibrationResult& result, const std::string& file, int width) {
  std::string out = fmt::format(
      "{} written: {} constants, of which {} stay at their priors, fitted to {} tables\n\n", file,
      result.fit.rows.size(),
      std::count_if(result.fit.rows.begin(), result.fit.rows.end(),
                    [](const FittedConstant& one) { return one.at_prior; }),
      result.fitted.size());
  if (!result.fit.converged)
    out += fmt::format("CAUTION: the fit stopped after {} iterations before it converged\n\n",
                       result.fit.iterations);
  Table constants;
  constants.AddColumn("constant", Align::kLeft);
  for (const char* column : {"prior", "fitted", "90 % from", "to", "told"})
    constants.AddColumn(column);
  for (const FittedConstant& one : result.fit.rows) {
    const CollectiveParameter& p = CollectiveParameters()[one.row];
    const auto text = [&](double value) {
      const char* unit = p.unit == CollectiveParameter::Unit::kMicroseconds         ? " us"
                         : p.unit == CollectiveParameter::Unit::kGigabytesPerSecond ? " GB/s"
                                                                                    : "";
      return fmt::format("{:.3g}{}", value, unit);
    };
    constants.AddRow({p.name, text(p.prior), one.at_prior ? "at its prior" : text(one.value),
                      text(one.low), text(one.high), FormatPercent(one.told, 0)});
  }
  out += constants.Format(width);
  out += fmt::format(
      "\nHeld out by source, {} folds; interval of measured over simulated; inside: of a source's\n"
      "points, on average over sources, in the interval that the others state:\n",
      result.folds);
  out += StatedErrorsText(result, false, width) + LeftOutClassesText(result, width);
  if (const std::string unseen = StatedErrorsText(result, true, width); !unseen.empty())
    out +=
        "\nOf hardware left out whole, all together; a table counts once for each class of its "
        "own:\n" +
        unseen;
  std::map<std::string, int> why;
  for (const auto& [table, reason] : result.left_out) ++why[reason];
  for (const auto& [reason, count] : why)
    out += Wrap(fmt::format("not fitted: {} table{}: {}", count, count == 1 ? "" : "s", reason),
                width, 2) +
           "\n";
  return out;
}

}  // namespace weft
