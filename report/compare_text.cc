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

// What all cases ran last, where that is the same for all: it then stands above the table.
std::string CommonCollective(const Comparison& comparison) {
  std::string common;
  for (const RunReport& report : comparison.cases) {
    if (report.collectives.empty()) return {};
    const CollectiveReport& c = report.collectives.back();
    const std::string one = fmt::format("{} of {}", c.op, FormatBytes(c.bytes));
    if (!common.empty() && one != common) return {};
    common = one;
  }
  return common;
}

// A case's row: its last collective stands for it; all of them are in the JSON.
std::vector<std::string> ResultRow(const RunReport& report, std::string name, bool common) {
  const bool ports = report.links.ports.has_value();
  const std::string hot = ports ? FormatPercent(report.links.ports->hot_share.median, 0) : "-";
  const std::string share = ports ? FormatPercent(report.links.ports->share_3to1.median, 0) : "-";
  if (report.collectives.empty())
    return {name, FormatSecondsInterval(report.makespan_s), "-", "-", hot, share};
  const CollectiveReport& c = report.collectives.back();
  if (!common) name += fmt::format("  {} {}", c.op, FormatBytes(c.bytes));
  if (c.status != "done") return {name, c.status, "-", "-", hot, share};
  return {name,
          FormatSecondsInterval(c.time_s),
          FormatGBpsInterval(c.busbw_bytes_per_s),
          c.busbw_mean_rail_bytes_per_s ? FormatGBps(c.busbw_mean_rail_bytes_per_s->median) : "-",
          hot,
          share};
}

std::string ResultsText(const Comparison& comparison, int width) {
  const std::string common = CommonCollective(comparison);
  Table table;
  table.AddColumn("case", Align::kLeft);
  const bool collectives = !comparison.cases.front().collectives.empty();
  table.AddColumn(collectives ? "time, slowest rail" : "makespan");
  for (const char* column : {"busbw GB/s", "mean rail", "hot port", ">=3:1"})
    table.AddColumn(column);
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    table.AddRow(ResultRow(comparison.cases[i], CaseName(i), !common.empty()));
  return '\n' + (common.empty() ? "" : common + '\n') + table.Format(width);
}

// "busbw, slowest rail" for "collectives[0].busbw_GBps"; the index where there are several.
std::string FigureName(const std::string& key, bool several) {
  const bool mean = key.find("mean_rail") != std::string::npos;
  if (key.find("busbw") == std::string::npos) return key;
  const std::string name = mean ? "busbw, mean over rails" : "busbw, slowest rail";
  return several ? key.substr(0, key.find('.')) + ' ' + name : name;
}

std::string DifferencesText(const Comparison& comparison, int width) {
  if (comparison.differences.empty()) return {};
  Table table;
  table.AddColumn("against A, paired by seed", Align::kLeft);
  table.AddColumn("case");
  table.AddColumn("change");
  const bool several = comparison.cases.front().collectives.size() > 1;
  for (const PairedDifference& d : comparison.differences)
    table.AddRow(
        {FigureName(d.key, several), CaseName(d.case_index),
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
    out += fmt::format("  X {:>7}  loss {:>6} {}{}\n", FormatPercent(exposed), FormatPercent(loss),
                       std::string(length > 0 ? 1 : 0, ' ') + std::string(length, '#'),
                       exposed == curve.published_at ? " <- published" : "");
  }
  out += Wrap(fmt::format("the published {} ({}) is met where {} of the iteration is exposed "
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

// Two files over the same values: one row for each pair.
bool IsSweepOfPairs(const Comparison& comparison) {
  const std::size_t cases = comparison.cases.size();
  if (cases < 4 || cases % 2 != 0) return false;
  for (std::size_t i = 0; i < cases; ++i)
    if (comparison.base_of[i] != i - i % 2 || comparison.cases[i].collectives.empty()) return false;
  return true;
}

// "alternating 16" for "workload.collective.ring_order=alternating, rdma.qps=16".
std::string ValuesOf(const std::string& variant) {
  std::string out;
  for (std::size_t at = 0; at < variant.size();) {
    const std::size_t end = std::min(variant.find(", ", at), variant.size());
    const std::size_t equals = variant.find('=', at);
    out += (out.empty() ? "" : " ") + variant.substr(equals + 1, end - equals - 1);
    at = end + 2;
  }
  return out;
}

std::string WholePercent(const Interval<double>& ratio) {
  const auto one = [](double r) { return fmt::format("{:+.0f}", (r - 1) * 100); };
  return fmt::format("{} % [{}, {}]", one(ratio.median), one(ratio.p5), one(ratio.p95));
}

// The paired ratio of case `index` whose key ends in `figure`.
Interval<double> RatioOf(const Comparison& comparison, std::size_t index,
                         const std::string& figure) {
  Interval<double> ratio{1, 1, 1};
  for (const PairedDifference& d : comparison.differences)
    if (d.case_index == index && d.key.ends_with(figure)) ratio = d.ratio;
  return ratio;
}

std::string SweepText(const Comparison& comparison, int width) {
  const RunReport& base = comparison.cases.front();
  std::string out =
      fmt::format("{} pairs, {} hash seeds, the same for all; busbw GB/s, slowest rail\n",
                  comparison.cases.size() / 2, base.seeds);
  if (comparison.partial) out += "PARTIAL: stopped before the end\n";
  out += Wrap("  A  " + base.scenario, width, 5) + '\n' +
         Wrap("  B  " + comparison.cases[1].scenario, width, 5) + "\n\n";
  Table table;
  table.AddColumn("values", Align::kLeft);
  for (const char* column : {"A", "B", "gain, slowest", "gain, mean rail", "A hot", "A 3:1"})
    table.AddColumn(column);
  for (std::size_t i = 0; i + 1 < comparison.cases.size(); i += 2) {
    const RunReport &a = comparison.cases[i], &b = comparison.cases[i + 1];
    const bool ports = a.links.ports.has_value();
    table.AddRow({ValuesOf(comparison.variants[i]),
                  FormatGBps(a.collectives.back().busbw_bytes_per_s.median),
                  FormatGBps(b.collectives.back().busbw_bytes_per_s.median),
                  WholePercent(RatioOf(comparison, i + 1, ".busbw_GBps")),
                  WholePercent(RatioOf(comparison, i + 1, ".busbw_mean_rail_GBps")),
                  ports ? FormatPercent(a.links.ports->hot_share.median, 0) : "-",
                  ports ? FormatPercent(a.links.ports->share_3to1.median, 0) : "-"});
  }
  return out + table.Format(width) +
         Wrap(
             "gain: busbw of B over A, paired by seed, median [5 %, 95 %]; A hot, A 3:1: bytes on "
             "the busier port of the median NIC, NICs at 3:1 or worse",
             width, 2) +
         '\n';
}

// Of the case with most loose operations.
std::string LooseCaseText(const Comparison& comparison, int width) {
  const auto operations = [](const RunReport& report) {
    return report.loose ? report.loose->operations : 0;
  };
  std::size_t most = 0;
  for (std::size_t i = 1; i < comparison.cases.size(); ++i)
    if (operations(comparison.cases[i]) > operations(comparison.cases[most])) most = i;
  return LooseText(comparison.cases[most], ", case " + CaseName(most), width);
}

}  // namespace

std::string ComparisonText(const Comparison& comparison, int width) {
  if (comparison.cases.empty()) return "nothing was compared\n";
  if (IsSweepOfPairs(comparison))
    return SweepText(comparison, width) + LooseCaseText(comparison, width);
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
  for (std::size_t i = 0; i < comparison.cases.size() && i < 8; ++i) {
    const RunReport& report = comparison.cases[i];
    if (report.faults.empty()) continue;
    out += fmt::format("\ncase {}, seed {}: makespan {}", CaseName(i), report.links.seed,
                       FormatSecondsInterval(report.makespan_s)) +
           FaultsText(report, width);
  }
  out += PublishedText(published, width);
  for (const LossCurve& curve : comparison.curves) out += CurveText(curve, width);
  out += WhyText(comparison, width);
  return out + '\n' + LooseCaseText(comparison, width) + NotesText(base, width);
}

}  // namespace weft
