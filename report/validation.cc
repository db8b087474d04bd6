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

constexpr int kFewSources = 3;         // below: said beside a band
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

std::string TablesText(const JudgedTables& judged, int width) {
  const MeasuredComparison& comparison = judged.comparison;
  const bool labels =
      std::any_of(comparison.entries.begin(), comparison.entries.end(),
                  [](const TableEntry& one) { return one.label != TableLabel::kUnknown; });
  Table text;
  text.AddColumn("table", Align::kLeft);
  text.AddColumn("op", Align::kLeft);
  for (const char* column : {"ranks", "points", "median", "p95", "bias"}) text.AddColumn(column);
  text.AddColumn("verdict", Align::kLeft);
  if (labels) text.AddColumn("label", Align::kLeft);
  for (std::size_t t = 0; t < comparison.tables.size(); ++t) {
    const ComparedTable& table = comparison.tables[t];
    if (table.points.empty()) continue;
    const TableEntry& entry = comparison.entries[table.entry];
    std::vector<std::string> row = {entry.name + (entry.use == TableUse::kCheck ? " *" : ""),
                                    entry.op,
                                    RanksText(table),
                                    FormatCount(static_cast<std::int64_t>(table.all.points)),
                                    FormatPercent(table.all.median),
                                    FormatPercent(table.all.p95),
                                    FormatSignedPercent(table.all.bias),
                                    NameOf(judged.diagnoses[t].verdict)};
    if (labels) row.push_back(NameOf(entry.label));
    text.AddRow(row);
  }
  return text.empty() ? std::string() : text.Format(width);
}

std::string ClassName(const ClassFigures& one) {
  return one.error_class ? NameOf(*one.error_class) : "all";
}

std::string ClassesText(const std::vector<ClassFigures>& classes, int width) {
  Table text;
  text.AddColumn("class", Align::kLeft);
  for (const char* column : {"from", "tables", "points", "median", "p95", "bias", "in the band"})
    text.AddColumn(column);
  for (const ClassFigures& one : classes)
    text.AddRow({ClassName(one), FormatBytes(one.from),
                 FormatCount(static_cast<std::int64_t>(one.tables)),
                 FormatCount(static_cast<std::int64_t>(one.points)), FormatPercent(one.median),
                 FormatPercent(one.p95), FormatSignedPercent(one.bias),
                 one.in_band ? FormatPercent(*one.in_band) : "-"});
  return text.empty() ? std::string() : text.Format(width);
}

// Tables and rows that are not compared, with why and how many.
std::string LeftOutText(const MeasuredComparison& comparison, int width) {
  std::map<std::string, int> why;
  int rows = 0, tables = 0;
  std::string first, first_table;
  for (const ComparedTable& table : comparison.tables) {
    if (!table.why_not.empty()) ++why[table.why_not];
    const TableEntry& entry = comparison.entries[table.entry];
    tables += static_cast<int>(table.left_out.size());
    if (first_table.empty() && !table.left_out.empty())
      first_table = fmt::format("{}:{}: {}", entry.name, table.left_out.front().line,
                                table.left_out.front().why);
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
  if (tables > 0)
    out +=
        Wrap(fmt::format("not compared: {} table{} beside others of the same file; the first: {}",
                         tables, tables == 1 ? "" : "s", first_table),
             width, 2) +
        "\n";
  if (rows > 0)
    out += Wrap(fmt::format("left out: {} row{} that {} cut off or too coarse; the first: {}", rows,
                            rows == 1 ? "" : "s",
                            rows == 1 ? "contradicts itself, is" : "contradict themselves, are",
                            first),
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

std::string NamesText(const std::vector<Signature>& signatures) {
  std::string out;
  for (const Signature one : signatures)
    out += fmt::format("{}{}", out.empty() ? "" : ", ", Explanation(one));
  return out;
}

// What would explain a degraded table: the likeliest with what it cannot be told from, then the
// rest.
std::string CausesText(const Diagnosis& one) {
  std::string text;
  bool less = false;
  // What is stated is first, whatever its times say.
  const bool stated = !one.signatures.empty() && one.signatures.front().stated;
  const char* const next = stated ? "; by its times also " : "; less likely ";
  for (const SignatureFit& fit : one.signatures) {
    if (!fit.fits) continue;
    if (text.empty()) {
      text = ": ";
    } else if (fit.stated) {
      text += " and ";
    } else if (fit.alike) {
      text += " or, as likely by this table, ";
    } else {
      text += less ? " or " : next;
      less = true;
    }
    text += fmt::format("{}{} ({:.2f} times as long as simulated so)", Explanation(fit.signature),
                        ValueText(fit), fit.ratio);
  }
  if (!text.empty()) return text;
  text = "; no signature fits";
  if (!one.signatures.empty())
    text +=
        fmt::format(", nearest is {} ({:.2f} times)", Explanation(one.signatures.front().signature),
                    one.signatures.front().ratio);
  return text;
}

// What would not show: of a table that is as simulated, all that costs less than the band is wide.
std::string UnseenText(const Diagnosis& one) {
  if (one.verdict != Verdict::kHealthy || one.least_loss() <= 0) return {};
  std::string text = fmt::format("; what costs less than {} of busbw does not show",
                                 FormatPercent(one.least_loss(), 0));
  if (one.hosts > 1 && one.nics > 1 && 1.0 / one.nics < one.least_loss())
    text +=
        fmt::format(", nor one NIC of {} ({} at most)", one.nics, FormatPercent(1.0 / one.nics, 0));
  return text;
}

std::string VerdictText(const TableEntry& entry, const Diagnosis& one) {
  const std::string name = fmt::format("{} {}: {}", entry.name, entry.op, NameOf(one.verdict));
  if (one.verdict == Verdict::kNotJudged) return fmt::format("{}: {}", name, one.why_not);
  const std::string sizes =
      one.from == one.to ? "at " + FormatBytes(one.from)
                         : fmt::format("at {} to {}", FormatBytes(one.from), FormatBytes(one.to));
  std::string text = fmt::format(
      "{}: on {} ranks of {} host{}, {}, {:.2f} times as long as simulated, healthy is ", name,
      one.ranks, one.hosts, one.hosts == 1 ? "" : "s", sizes, one.slowdown);
  text += one.fastest > 0 ? fmt::format("{:.2f} to {:.2f}", one.fastest, one.expected)
                          : fmt::format("up to {:.2f}, an assumption", one.expected);
  if (one.sources > 0 && one.sources < kFewSources)
    text += fmt::format(" by {} source{}", one.sources, one.sources == 1 ? "" : "s");
  if (one.fastest > 0 && !one.in_range) text += " (that of the nearest tables that were fitted)";
  const bool assumed = std::any_of(entry.tables.begin(), entry.tables.end(),
                                   [](const MeasuredTable& table) { return table.nccl.empty(); });
  if (one.verdict == Verdict::kDegraded) text += CausesText(one);
  if (one.verdict == Verdict::kSlow && !one.signatures.empty())
    text += "; likelier than health, though not decisively" + CausesText(one);
  std::vector<Signature> by_nccl = one.stated;
  std::erase_if(by_nccl, [&](Signature each) {
    return std::find(one.by_command.begin(), one.by_command.end(), each) != one.by_command.end();
  });
  if (!by_nccl.empty()) text += "; NCCL's own lines say: " + NamesText(by_nccl);
  if (!one.by_command.empty()) text += "; the command says: " + NamesText(one.by_command);
  if (one.verdict == Verdict::kDegraded && !one.ruled_out.empty())
    text += "; by NCCL's own lines it is not: " + NamesText(one.ruled_out);
  text += UnseenText(one);
  if (std::any_of(entry.tables.begin(), entry.tables.end(),
                  [](const MeasuredTable& table) { return table.hosts_assumed; }))
    text += "; nobody says how many hosts, the fewest are assumed: --gpus-per-host may";
  if (one.verdict > Verdict::kHealthy && assumed)
    text += fmt::format("; nobody says NCCL's version, {} is assumed: --nccl may",
                        CollectiveQuestion().nccl);
  return text + one.beside;
}

// Of few tables every verdict, of many what is slow, degraded or not judged though compared.
std::string VerdictsText(const JudgedTables& judged, int width) {
  std::string out;
  const bool few = judged.diagnoses.size() <= kFewTables;
  std::map<std::string, int> not_judged;
  for (std::size_t t = 0; t < judged.diagnoses.size(); ++t) {
    const Diagnosis& one = judged.diagnoses[t];
    const ComparedTable& table = judged.comparison.tables[t];
    if (table.points.empty()) continue;  // counted with what is not compared
    if (few || one.verdict > Verdict::kHealthy || !one.beside.empty())
      out += Wrap(VerdictText(judged.comparison.entries[table.entry], one), width, 2) + "\n";
    else if (one.verdict == Verdict::kNotJudged)
      ++not_judged[one.why_not];
  }
  for (const auto& [why, count] : not_judged)
    out += Wrap(fmt::format("not judged: {} table{}: {}", count, count == 1 ? "" : "s", why), width,
                2) +
           "\n";
  return out;
}

std::string OverallText(const JudgedTables& judged) {
  std::string counts;
  for (const Verdict one :
       {Verdict::kDegraded, Verdict::kSlow, Verdict::kHealthy, Verdict::kNotJudged})
    if (judged.Count(one) > 0)
      counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", judged.Count(one), NameOf(one));
  return fmt::format("verdict: {} ({})\n", NameOf(judged.Overall()), counts);
}

// The word of a verdict as a key's value.
std::string VerdictKey(Verdict verdict) {
  return verdict == Verdict::kNotJudged ? "not_judged" : NameOf(verdict);
}

Json DiagnosisJson(const Diagnosis& one) {
  Json signatures = Json::array();
  for (const SignatureFit& fit : one.signatures)
    signatures.push_back({{"signature", NameOf(fit.signature)},
                          {"explanation", Explanation(fit.signature)},
                          {"ratio", Rounded(fit.ratio)},
                          {"value", fit.value ? Json(Rounded(*fit.value)) : Json(nullptr)},
                          {"fits", fit.fits},
                          {"stated", fit.stated},
                          {"alike", fit.alike}});
  Json out = {{"degraded", one.degraded},
              {"slowdown", Rounded(one.slowdown)},
              {"expected", Rounded(one.expected)}};
  out["fastest"] = one.fastest > 0 ? Json(Rounded(one.fastest)) : Json(nullptr);
  out["ranks"] = one.ranks;
  out["hosts"] = one.hosts;
  out["beside"] = one.beside.empty() ? Json(nullptr) : Json(one.beside.substr(2));
  out["from_bytes"] = one.from.count();
  out["to_bytes"] = one.to.count();
  out["sources"] = one.sources;
  out["in_range"] = one.in_range;
  out["least_loss"] = Rounded(one.least_loss());
  for (const auto& [key, list] : {std::pair("stated", &one.stated),
                                  {"by_command", &one.by_command},
                                  {"ruled_out", &one.ruled_out}}) {
    Json names = Json::array();
    for (const Signature of : *list) names.push_back(NameOf(of));
    out[key] = std::move(names);
  }
  out["signatures"] = std::move(signatures);
  return out;
}

Json ClassJson(const ClassFigures& one) {
  Json out = {{"class", ClassName(one)},
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

std::string ComparisonText(const JudgedTables& judged, int width) {
  const MeasuredComparison& comparison = judged.comparison;
  std::size_t compared = 0, held = 0;
  for (const ComparedTable& table : comparison.tables) {
    compared += !table.points.empty();
    held += !table.points.empty() && comparison.entries[table.entry].use == TableUse::kCheck;
  }
  std::string out = fmt::format(
      "{} of {} tables compared, calibration {}\n", compared, comparison.tables.size(),
      comparison.calibration.name.empty() ? "none: the priors" : comparison.calibration.name);
  for (const Error& one : judged.warnings)
    out += Wrap(fmt::format("warning: {}:{}:{}: {} ({})", one.pos.file, one.pos.line,
                            one.pos.column, one.message, one.hint),
                width, 2) +
           "\n";
  out += "\n";
  if (compared <= kFewTables)
    for (const ComparedTable& table : comparison.tables)
      for (const Plot& plot : PlotsOf(comparison, table))
        out += PlotText(plot, std::min(width, 160)) + "\n";
  out += TablesText(judged, width);
  if (held > 0) out += "* held out: no calibration may be fitted to it\n";
  if (!comparison.classes.empty())
    out += "\n" +
           Wrap(
               "Tables labelled healthy and unlabelled ones that are not degraded, by class; error "
               "is simulated / measured - 1:",
               width, 0) +
           "\n" + ClassesText(comparison.classes, width);
  if (!comparison.held_out.empty())
    out += "\nOf these the held-out ones (*) alone:\n" + ClassesText(comparison.held_out, width);
  const std::string rest = LeftOutText(comparison, width);
  if (!rest.empty()) out += "\n" + rest;
  return out + "\n" + VerdictsText(judged, width) + OverallText(judged);
}

std::string ComparisonJson(const JudgedTables& judged) {
  const MeasuredComparison& comparison = judged.comparison;
  Json tables = Json::array(), overall = Json::array(), held_out = Json::array();
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
    const Diagnosis& one = judged.diagnoses[t];
    out["verdict"] = VerdictKey(one.verdict);
    out["why_not_judged"] = one.why_not.empty() ? Json(nullptr) : Json(one.why_not);
    out["diagnosis"] = one.ranks > 0 ? DiagnosisJson(one) : Json(nullptr);
    Json left_out = Json::array();
    for (const LeftOutTable& other : table.left_out)
      left_out.push_back({{"line", other.line}, {"why", other.why}});
    out["left_out_tables"] = std::move(left_out);
    tables.push_back(std::move(out));
  }
  for (const ClassFigures& one : comparison.classes) overall.push_back(ClassJson(one));
  for (const ClassFigures& one : comparison.held_out) held_out.push_back(ClassJson(one));
  Json warnings = Json::array();
  for (const Error& one : judged.warnings)
    warnings.push_back({{"file", one.pos.file},
                        {"line", one.pos.line},
                        {"column", one.pos.column},
                        {"said", one.message},
                        {"hint", one.hint}});
  Json verdicts = {{"overall", VerdictKey(judged.Overall())}};
  for (std::size_t v = 0; v < kVerdicts; ++v)
    verdicts[VerdictKey(static_cast<Verdict>(v))] = judged.Count(static_cast<Verdict>(v));
  const Json out = {
      {"schema", "weft.validate/1"},
      {"weft", kWeftVersion},
      {"calibration",
       comparison.calibration.name.empty() ? Json("none") : Json(comparison.calibration.name)},
      {"warnings", std::move(warnings)},
      {"tables", std::move(tables)},
      {"overall",
       {{"classes", std::move(overall)},
        {"held_out", std::move(held_out)},
        {"verdicts", std::move(verdicts)}}}};
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
  if (one.pass()) return "PASS";
  if (!one.measured_GBps) return "MISSING";
  return one.fast_enough() ? "PARTIAL" : "FAIL";
}

std::size_t Passed(const std::vector<AcceptanceVerdict>& verdicts) {
  return static_cast<std::size_t>(std::count_if(
      verdicts.begin(), verdicts.end(), [](const AcceptanceVerdict& one) { return one.pass(); }));
}

}  // namespace

std::string AcceptanceSheetText(const std::string& notes, const std::vector<AcceptanceLine>& lines,
                                int width) {
  std::string out;
  for (std::size_t at = 0; at < notes.size();) {
    const std::size_t end = notes.find('\n', at);
    std::string line = notes.substr(at, end - at);
    const std::size_t program = line.find(" ./build/");
    if (line.size() > static_cast<std::size_t>(width) && program != line.npos)
      line.replace(program, 1, " \\\n      ");  // a command goes on as a shell has it
    out += line + "\n";
    at = end + 1;
  }
  Table text;
  text.AddColumn("op", Align::kLeft);
  for (const char* column :
       {"ranks", "hosts", "runs", "size", "expected GB/s", "least GB/s", "slower"})
    text.AddColumn(column);
  for (const AcceptanceLine& one : lines)
    text.AddRow({one.op, FormatCount(one.ranks), FormatCount(one.hosts), FormatCount(one.runs),
                 FormatBytes(one.size), fmt::format("{:.2f}", one.expected_GBps),
                 fmt::format("{:.2f}", one.least_GBps), FormatPercent(one.slower(), 0)});
  return out + "\n" + text.Format(width);
}

std::string AcceptanceText(const std::vector<AcceptanceVerdict>& verdicts,
                           const std::vector<TableNote>& assumed,
                           const std::vector<TableNote>& unused, int width) {
  Table text;
  text.AddColumn("op", Align::kLeft);
  for (const char* column : {"ranks", "hosts", "runs", "size", "expected", "least", "measured"})
    text.AddColumn(column);
  text.AddColumn("", Align::kLeft);
  for (const AcceptanceVerdict& one : verdicts)
    text.AddRow({one.line.op, FormatCount(one.line.ranks), FormatCount(one.line.hosts),
                 fmt::format("{}/{}", std::min(one.runs, one.line.runs), one.line.runs),
                 FormatBytes(one.line.size), fmt::format("{:.2f}", one.line.expected_GBps),
                 fmt::format("{:.2f}", one.line.least_GBps),
                 one.measured_GBps ? fmt::format("{:.2f}", *one.measured_GBps) : "-", WordOf(one)});
  std::string out = "busbw in GB/s; runs: by how many sets of such hosts, of how many\n" +
                    text.Format(width) +
                    fmt::format("\n{} of {} lines pass\n", Passed(verdicts), verdicts.size());
  const auto partial =
      std::count_if(verdicts.begin(), verdicts.end(),
                    [](const AcceptanceVerdict& one) { return one.fast_enough() && !one.pass(); });
  if (partial > 0)
    out +=
        fmt::format("{} PARTIAL: fast enough where it ran, which was not on all hosts\n", partial);
  for (const TableNote& one : assumed)
    out += Wrap(fmt::format("assumed: {}:{}: {}", one.file, one.line, one.why), width, 2) + "\n";
  for (const TableNote& one : unused)
    out += Wrap(fmt::format("not used: {}:{}: {}", one.file, one.line, one.why), width, 2) + "\n";
  return out;
}

namespace {

Json NotesJson(const std::vector<TableNote>& notes) {
  Json out = Json::array();
  for (const TableNote& one : notes)
    out.push_back({{"file", one.file}, {"line", one.line}, {"why", one.why}});
  return out;
}

}  // namespace

std::string AcceptanceJson(const std::vector<AcceptanceVerdict>& verdicts,
                           const std::vector<TableNote>& assumed,
                           const std::vector<TableNote>& unused) {
  Json lines = Json::array();
  for (const AcceptanceVerdict& one : verdicts) {
    Json line = {{"op", one.line.op},
                 {"ranks", one.line.ranks},
                 {"hosts", one.line.hosts},
                 {"bytes", one.line.size.count()},
                 {"expected_GBps", Rounded(one.line.expected_GBps)},
                 {"least_GBps", Rounded(one.line.least_GBps)}};
    line["measured_GBps"] = one.measured_GBps ? Json(Rounded(*one.measured_GBps)) : Json(nullptr);
    line["runs"] = one.line.runs;
    line["runs_measured"] = one.runs;
    line["verdict"] = WordOf(one);
    lines.push_back(std::move(line));
  }
  const Json out = {{"schema", "weft.acceptance/1"},
                    {"weft", kWeftVersion},
                    {"pass", Passed(verdicts) == verdicts.size()},
                    {"lines", std::move(lines)},
                    {"assumed", NotesJson(assumed)},
                    {"unused", NotesJson(unused)}};
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
      text.AddRow({one.hardware, ClassName(figures), FormatBytes(figures.from),
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
  for (const char* column : {"from", "tables", "median", "p95"}) errors.AddColumn(column);
  if (!unseen) errors.AddColumn("sources");
  if (!unseen) errors.AddColumn("inside");
  for (const CalibrationErrorSpec& one : result.spec.errors()) {
    if (one.unseen() != unseen) continue;
    std::vector<std::string> row = {one.what(), FormatBytes(Bytes(one.from())),
                                    FormatCount(one.tables()), FormatPercent(one.median()),
                                    FormatPercent(one.p95())};
    for (const CoverageBySource& of : result.coverage) {
      if (unseen || NameOf(of.which) != one.what() || of.from.count() != one.from()) continue;
      row.push_back(FormatCount(static_cast<std::int64_t>(of.sources)));
      row.push_back(of.inside ? FormatPercent(*of.inside, 0) : "-");
    }
    errors.AddRow(row);
  }
  return errors.empty() ? std::string() : errors.Format(width);
}

// By class and size the factor that nine of ten measured times are within, of simulated ones, and
// of how many sources that is.
std::string BandsText(const CalibrationResult& result, bool unseen, int width) {
  std::map<std::int64_t, std::size_t> sizes;
  std::map<std::string, std::map<std::int64_t, const CalibrationBandSpec*>> classes;
  for (const CalibrationBandSpec& one : result.spec.bands()) {
    if (one.unseen() != unseen) continue;
    sizes.try_emplace(one.at());
    classes[one.what()][one.at()] = &one;
  }
  Table text;
  text.AddColumn("class", Align::kLeft);
  for (const auto& [size, row] : sizes) text.AddColumn(FormatBytes(Bytes(size)));
  text.AddColumn("sources");
  for (const auto& [what, bands] : classes) {
    std::vector<std::string> row = {what};
    int fewest = INT32_MAX, most = 0;
    for (const auto& [size, unused] : sizes) {
      const auto band = bands.find(size);
      row.push_back(band == bands.end() ? "-" : fmt::format("{:.2f}", band->second->high()));
      if (band == bands.end()) continue;
      fewest = std::min(fewest, band->second->sources());
      most = std::max(most, band->second->sources());
    }
    row.push_back(fewest == most ? fmt::format("{}", most) : fmt::format("{}-{}", fewest, most));
    text.AddRow(row);
  }
  return text.empty() ? std::string() : text.Format(width);
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
  if (const std::string held_out = StatedErrorsText(result, false, width); !held_out.empty())
    out += fmt::format(
               "\nHeld out by source, {} folds; inside: of a source's points, on average over "
               "sources, in\nthe 90 % interval that the others state:\n",
               result.folds) +
           held_out;
  else
    out +=
        "\nNothing was held out, for no table is left without the one: the file states no error\n"
        "and no band. Tables of other sources, or of other operations, would.\n";
  if (const std::string bands = BandsText(result, false, width); !bands.empty())
    out += "\nNine of ten measured times are within this factor of the simulated one, by size:\n" +
           bands;
  out += LeftOutClassesText(result, width);
  if (const std::string unseen = StatedErrorsText(result, true, width); !unseen.empty())
    out +=
        "\nOf hardware left out whole, all together; a table counts once for each class of its "
        "own:\n" +
        unseen + "\nand within this factor:\n" + BandsText(result, true, width);
  std::map<std::string, int> why;
  for (const auto& [table, reason] : result.left_out) ++why[reason];
  for (const auto& [reason, count] : why)
    out += Wrap(fmt::format("not fitted: {} table{}: {}", count, count == 1 ? "" : "s", reason),
                width, 2) +
           "\n";
  return out;
}

}  // namespace weft
