#include <fmt/format.h>

#include <algorithm>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

std::string CaseName(std::size_t index) {
  return index < 26 ? std::string(1, static_cast<char>('A' + index)) : fmt::format("#{}", index);
}

std::string InputsText(const Comparison& comparison, int width) {
  std::string out;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    out += Wrap(fmt::format("  {}  {}", CaseName(i), comparison.labels[i]), width, 5) + '\n';
  if (comparison.cases.size() > 6 || comparison.inputs.empty()) return out;
  Table table;
  table.AddColumn("what differs", Align::kLeft);
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) table.AddColumn(CaseName(i));
  for (const InputDifference& input : comparison.inputs) {
    if (input.key == "name") continue;
    std::vector<std::string> row{input.key};
    row.insert(row.end(), input.values.begin(), input.values.end());
    table.AddRow(row);
  }
  return table.empty() ? out : out + '\n' + table.Format(width);
}

// The last collective of a case stands for it; all of them are in the JSON.
std::string ResultsText(const Comparison& comparison, int width) {
  Table table;
  table.AddColumn("case", Align::kLeft);
  for (const char* column : {"bytes", "time", "busbw GB/s", "mean rail", "hot port", ">= 3:1"})
    table.AddColumn(column);
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    const RunReport& report = comparison.cases[i];
    const bool ports = report.links.ports.has_value();
    const std::string hot = ports ? FormatPercent(report.links.ports->hot_share.median, 0) : "-";
    const std::string share = ports ? FormatPercent(report.links.ports->share_3to1.median, 0) : "-";
    if (report.collectives.empty()) {
      table.AddRow(
          {CaseName(i), "-", FormatSecondsInterval(report.makespan_s), "-", "-", hot, share});
      continue;
    }
    const CollectiveReport& c = report.collectives.back();
    const bool done = c.status == "done";
    table.AddRow({CaseName(i) + "  " + c.op, FormatBytes(c.bytes),
                  done ? FormatSecondsInterval(c.time_s) : c.status,
                  done ? FormatGBpsInterval(c.busbw_bytes_per_s) : "-",
                  done && c.busbw_mean_rail_bytes_per_s
                      ? FormatGBps(c.busbw_mean_rail_bytes_per_s->median)
                      : "-",
                  hot, share});
  }
  return '\n' + table.Format(width);
}

std::string DifferencesText(const Comparison& comparison, int width) {
  if (comparison.differences.empty()) return {};
  Table table;
  table.AddColumn("against A, paired by seed", Align::kLeft);
  table.AddColumn("case");
  table.AddColumn("change, median [5 %, 95 %]");
  for (const PairedDifference& d : comparison.differences)
    table.AddRow(
        {d.key, CaseName(d.case_index),
         FormatSignedPercentInterval({d.ratio.median - 1, d.ratio.p5 - 1, d.ratio.p95 - 1})});
  return '\n' + table.Format(width);
}

std::string CurveText(const LossCurve& curve, int width) {
  std::string out = fmt::format(
      "\nloss of an iteration, case {}: 1 - 1/(1 + X(f - 1)), X the share of exposed\n"
      "communication, f = {} the slowdown measured here\n",
      CaseName(curve.case_index), FormatSignificant(curve.slowdown, 4));
  const int bar = std::clamp(width - 30, 20, 60);
  double largest = 0;
  for (const auto& point : curve.points) largest = std::max(largest, point.second);
  for (const auto& [exposed, loss] : curve.points) {
    const auto length = static_cast<std::size_t>(largest > 0 ? loss / largest * bar + 0.5 : 0);
    out += fmt::format("  X {:>6}  loss {:>7}  {}{}\n", FormatPercent(exposed),
                       FormatSignedPercent(-loss), std::string(length, '#'),
                       exposed == curve.published_at ? " <- published" : "");
  }
  out += Wrap(fmt::format("  the published {} ({}) is met where {} of the iteration is exposed "
                          "communication; that share was not published, and nothing is fitted",
                          FormatSignedPercent(-curve.published_loss, 2), curve.source,
                          FormatPercent(curve.published_at)),
              width, 4) +
         '\n';
  return out;
}

std::string WhyText(const Comparison& comparison, int width) {
  std::string out;
  const std::size_t shown = std::min<std::size_t>(comparison.cases.size(), 4);
  for (std::size_t i = 0; i < shown; ++i) {
    const LinksReport& links = comparison.cases[i].links;
    if (links.hottest.empty()) continue;
    out += fmt::format("\nwhy, case {}: the hottest link, seed {}\n", CaseName(i), links.seed) +
           HottestText(links, 1, width) + MarginText(links, width);
  }
  return out;
}

}  // namespace

std::string ComparisonText(const Comparison& comparison, int width) {
  if (comparison.cases.empty()) return "nothing was compared\n";
  const RunReport& base = comparison.cases.front();
  std::string out =
      fmt::format("{} cases, {} hash seed{} each, the same for all; median [5 %, 95 %]\n",
                  comparison.cases.size(), base.seeds, base.seeds == 1 ? "" : "s");
  if (comparison.partial) out += "PARTIAL: stopped before the end\n";
  out += InputsText(comparison, width) + ResultsText(comparison, width) +
         DifferencesText(comparison, width);
  std::vector<std::pair<std::string, PublishedRow>> published;
  for (const auto& [index, row] : comparison.published)
    published.emplace_back(CaseName(index), row);
  out += PublishedText(published, width);
  for (const LossCurve& curve : comparison.curves) out += CurveText(curve, width);
  out += WhyText(comparison, width);
  return out + '\n' + NotesText(base, width);
}

}  // namespace weft
