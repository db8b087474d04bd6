#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

constexpr std::size_t kMostColumns = 6, kMostFaultTables = 8;

// Texts that several cases say, in order of first appearance, with the cases that do.
class Sayings {
 public:
  void Add(std::size_t index, const std::string& text) {
    for (auto& [known, cases] : list_)
      if (known == text) {
        if (cases.back() != index) cases.push_back(index);
        return;
      }
    list_.push_back({text, {index}});
  }

  const std::vector<std::pair<std::string, std::vector<std::size_t>>>& list() const {
    return list_;
  }

 private:
  std::vector<std::pair<std::string, std::vector<std::size_t>>> list_;
};

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

// As the tables call it: in a sweep of pairs by the file and the values.
std::string NameIn(const Comparison& comparison, std::size_t index) {
  if (!IsSweepOfPairs(comparison)) return CaseName(index);
  return fmt::format("{} {}", CaseName(index % 2), ValuesOf(comparison.variants[index]));
}

// "case B: ", "cases A, C: "; empty where all say it.
std::string Prefix(const Comparison& comparison, const std::vector<std::size_t>& cases) {
  constexpr std::size_t kNamed = 6;
  if (cases.size() == comparison.cases.size()) return {};
  std::string names;
  for (std::size_t i = 0; i < cases.size() && i < kNamed; ++i)
    names += (i > 0 ? ", " : "") + NameIn(comparison, cases[i]);
  if (cases.size() > kNamed) names += fmt::format(" and {} more", cases.size() - kNamed);
  return fmt::format("case{} {}: ", cases.size() > 1 ? "s" : "", names);
}

void Widen(const ErrorBand& one, ErrorBand& all) {
  if (!one.low || !all.low) {
    all = {};  // what holds for every case, or nothing
    return;
  }
  all.low = std::min(*all.low, *one.low);
  all.high = std::max(*all.high, *one.high);
}

// As wide as any case has it, where all are under one calibration.
void WidenCommunication(const RunReport& one, RunReport& all) {
  const bool same = one.calibration.digest == all.calibration.digest;
  const auto widen = [same](const CommunicationError& mine, CommunicationError& error) {
    if (same && mine.nothing_waits) return;  // a case without a band says nothing of the others'
    if (same && error.nothing_waits) {
      error = mine;
      return;
    }
    error.nothing_waits = false;
    Widen(same ? mine.exposed : ErrorBand(), error.exposed);
    Widen(same ? mine.time : ErrorBand(), error.time);
  };
  if (one.iteration && all.iteration) widen(one.iteration->error, all.iteration->error);
  for (std::size_t j = 0; j < std::min(one.jobs.size(), all.jobs.size()); ++j) {
    Widen(same ? one.jobs[j].error : ErrorBand(), all.jobs[j].error);
    if (one.jobs[j].iteration && all.jobs[j].iteration)
      widen(one.jobs[j].iteration->error, all.jobs[j].iteration->error);
  }
}

// What every case has to say of itself, as one report: NotesText then prints it.
RunReport NotesOfAll(const Comparison& comparison) {
  Sayings missing, unmet;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    for (const std::string& term : comparison.cases[i].missing_terms) missing.Add(i, term);
    for (const std::string& one : comparison.cases[i].unmet) unmet.Add(i, one);
  }
  RunReport all;
  const RunReport& base = comparison.cases.front();
  all.error = base.error;
  all.calibration = base.calibration;
  all.traffic = base.traffic;
  all.iteration = base.iteration;
  if (all.iteration) all.iteration->time_s = {};  // one a case: none that is "here"
  all.jobs = base.jobs;
  for (const RunReport& one : comparison.cases) WidenCommunication(one, all);
  for (const RunReport& one : comparison.cases) {
    if (!one.error.low || !all.error.low || one.calibration.digest != base.calibration.digest) {
      all.error = {};  // what holds for every case, or nothing
      break;
    }
    all.error.low = std::min(*all.error.low, *one.error.low);
    all.error.high = std::max(*all.error.high, *one.error.high);
    if (!one.calibration.in_range.value_or(true)) all.calibration.in_range = false;
    if (!one.calibration.known_hardware) all.calibration.known_hardware = false;
  }
  for (const auto& [text, cases] : missing.list())
    all.missing_terms.push_back(Prefix(comparison, cases) + text);
  for (const auto& [text, cases] : unmet.list())
    all.unmet.push_back(Prefix(comparison, cases) + text);
  return all;
}

std::string InputsText(const Comparison& comparison, int width) {
  std::string out;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    out += Wrap(fmt::format("  {}  {}", CaseName(i), comparison.labels[i]), width, 5) + '\n';
  if (comparison.inputs.empty()) return out;
  Table table;
  table.AddColumn("what differs", Align::kLeft);
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) table.AddColumn(CaseName(i));
  std::string keys, lines;
  for (const InputDifference& input : comparison.inputs) {
    if (input.key == "name") continue;
    std::vector<std::string> row{input.key};
    row.insert(row.end(), input.values.begin(), input.values.end());
    table.AddRow(row);
    keys += (keys.empty() ? "" : ", ") + input.key;
    std::string line = "  " + input.key + ":";
    for (std::size_t i = 0; i < comparison.cases.size(); ++i)
      line += fmt::format(" {} {}", CaseName(i), input.values[i]);
    lines += Wrap(line, width, 4) + '\n';
  }
  if (table.empty()) return out;
  if (comparison.cases.size() > kMostColumns)
    return out + Wrap("what differs: " + keys + "; all values: --json", width, 2) + '\n';
  return out + '\n' + (table.Width() <= width ? table.Format(width) : "what differs\n" + lines);
}

std::string NameOf(const CollectiveReport& c) {
  return fmt::format("{} of {}", c.op, FormatBytes(c.bytes));
}

// What every case ran as its collective `c`, where that is the same; it then stands above the
// table. Empty where it is not, or a case has none.
std::string CommonCollective(const Comparison& comparison, std::size_t c) {
  std::string common;
  for (const RunReport& report : comparison.cases) {
    if (report.collectives.size() <= c) return {};
    const std::string one = NameOf(report.collectives[c]);
    if (!common.empty() && one != common) return {};
    common = one;
  }
  return common;
}

// A case's row of the table of its collective `c`, or of its traffic where it has none.
std::vector<std::string> ResultRow(const RunReport& report, std::string name, std::size_t c,
                                   bool common) {
  const bool ports = report.links.ports.has_value();
  const std::string hot = ports ? FormatPercent(report.links.ports->hot_share.median, 0) : "-";
  const std::string share = ports ? FormatPercent(report.links.ports->share_3to1.median, 0) : "-";
  if (report.collectives.empty()) return {name, MakespanText(report), "-", "-", hot, share};
  if (report.collectives.size() <= c) return {name, "-", "-", "-", hot, share};
  const CollectiveReport& one = report.collectives[c];
  if (!common) name += "  " + NameOf(one);
  if (!one.done()) return {name, UpperCase(one.status), "-", "-", hot, share};
  return {
      name,
      FormatSecondsInterval(one.time_s),
      FormatGBpsInterval(one.busbw_bytes_per_s),
      one.busbw_mean_rail_bytes_per_s ? FormatGBps(one.busbw_mean_rail_bytes_per_s->median) : "-",
      hot,
      share};
}

std::size_t CollectiveCount(const Comparison& comparison) {
  std::size_t count = 0;
  for (const RunReport& report : comparison.cases)
    count = std::max(count, report.collectives.size());
  return count;
}

// By case where they differ; empty where nobody knows any. The median of the paired differences
// below is as far off as the cases' errors differ, which no table tells.
std::string CaseErrorsText(const Comparison& comparison, std::size_t c, int width) {
  std::vector<std::string> errors;
  bool any = false;
  for (const RunReport& report : comparison.cases) {
    const bool has = c < report.collectives.size();
    errors.push_back(ErrorText(has ? report.collectives[c].error : ErrorBand()));
    any = any || (has && report.collectives[c].error.low);
    if (has && !report.collectives[c].in_range.value_or(true)) errors.back() += " !";
  }
  if (!any) return {};
  std::string text = "model error:";
  if (std::equal(errors.begin() + 1, errors.end(), errors.begin()))
    text += ' ' + errors.front();
  else
    for (std::size_t i = 0; i < errors.size(); ++i)
      text += fmt::format("{} {} {}", i > 0 ? "," : "", CaseName(i), errors[i]);
  return Wrap(text, width, 2) + '\n';
}

// One table a size.
std::string ResultsText(const Comparison& comparison, int width) {
  const std::size_t count = CollectiveCount(comparison);
  std::string out;
  for (std::size_t c = 0; c < std::max<std::size_t>(count, 1); ++c) {
    const std::string common = CommonCollective(comparison, c);
    Table table;
    table.AddColumn("case", Align::kLeft);
    table.AddColumn(count > 0 ? "time, slowest rail" : "makespan");
    for (const char* column : {"busbw GB/s", "mean rail", "hot port", ">=3:1"})
      table.AddColumn(column);
    for (std::size_t i = 0; i < comparison.cases.size(); ++i)
      table.AddRow(ResultRow(comparison.cases[i], CaseName(i), c, !common.empty()));
    out += '\n' + (common.empty() ? "" : common + '\n') + table.Format(width) +
           CaseErrorsText(comparison, c, width);
    if (common.empty() && count > 0)
      out += Wrap(
                 "CAUTION: not the same operation and size in every case: what differs between "
                 "them is of that too",
                 width, 2) +
             '\n';
  }
  return out;
}

bool HasJobs(const Comparison& comparison) {
  return std::any_of(comparison.cases.begin(), comparison.cases.end(),
                     [](const RunReport& report) { return !report.jobs.empty(); });
}

// A row a case and job; what a case without jobs took stands in a row of its own.
std::string JobsOfCasesText(const Comparison& comparison, int width) {
  const bool ports =
      std::any_of(comparison.cases.begin(), comparison.cases.end(),
                  [](const RunReport& report) { return report.links.ports.has_value(); });
  Table table;
  for (const char* column : {"case", "job"}) table.AddColumn(column, Align::kLeft);
  for (const char* column : {"alone", "beside the others", "slowdown", "makespan"})
    table.AddColumn(column);
  if (ports) table.AddColumn("hot port");
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    const RunReport& report = comparison.cases[i];
    for (std::size_t j = 0; j < std::max<std::size_t>(report.jobs.size(), 1); ++j) {
      std::vector<std::string> row{j == 0 ? CaseName(i) : ""};
      if (j < report.jobs.size()) {
        const JobReport& job = report.jobs[j];
        row.insert(row.end(),
                   {job.name, FormatSecondsInterval(job.alone_s), FormatSecondsInterval(job.time_s),
                    FormatSignedPercentInterval(
                        {job.slowdown.median - 1, job.slowdown.p5 - 1, job.slowdown.p95 - 1})});
      } else {
        row.insert(row.end(), 4, "-");
      }
      row.push_back(j == 0 ? MakespanText(report) : "");
      if (ports && j > 0) row.emplace_back();
      if (ports && j == 0)
        row.push_back(report.links.ports ? FormatPercent(report.links.ports->hot_share.median, 0)
                                         : "-");
      table.AddRow(std::move(row));
    }
  }
  return '\n' + table.Format(width);
}

std::string IncompleteCasesText(const Comparison& comparison, int width) {
  std::string out;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    for (const std::string& one : comparison.cases[i].incomplete)
      out += Wrap(fmt::format("NOT COMPLETED: case {}: {}", CaseName(i), one), width, 2) + '\n';
  return out;
}

// The row that "collectives[1].busbw_GBps" or "jobs[1].slowdown" is of.
std::size_t RowOfKey(const std::string& key) {
  const std::size_t open = key.find('[');
  return open == std::string::npos ? 0 : std::strtoul(key.c_str() + open + 1, nullptr, 10);
}

bool IsSlowdown(const PairedDifference& d) { return d.key.ends_with("].slowdown"); }

// "slowest rail, 64 MiB" for "collectives[0].busbw_GBps", "gpt, slowdown" for "jobs[0].slowdown";
// two sizes or names where they differ.
std::string FigureName(const Comparison& comparison, const PairedDifference& d) {
  const RunReport &base = comparison.cases[comparison.base_of[d.case_index]],
                  &one = comparison.cases[d.case_index];
  if (d.key.starts_with("jobs[")) {
    const std::size_t j = RowOfKey(d.key);
    const std::string &was = base.jobs[j].name, &now = one.jobs[j].name;
    return (now == was ? now : was + " -> " + now + " (!)") +
           (IsSlowdown(d) ? ", slowdown" : ", pass beside the others");
  }
  if (d.key.find("busbw") == std::string::npos) return "makespan";
  const bool mean = d.key.find("mean_rail") != std::string::npos;
  const std::string name = mean ? "mean over rails" : "slowest rail";
  const std::size_t c = RowOfKey(d.key);
  const std::string now = FormatBytes(one.collectives[c].bytes);
  const std::string was = FormatBytes(base.collectives[c].bytes);
  return name + ", " + (now == was ? now : was + " -> " + now + " (!)");
}

std::string DifferencesText(const Comparison& comparison, int width) {
  if (comparison.differences.empty()) return {};
  Table table;
  const bool one_base = std::all_of(comparison.base_of.begin(), comparison.base_of.end(),
                                    [](std::size_t base) { return base == 0; });
  const bool busbw = comparison.differences.front().key.find("busbw") != std::string::npos;
  const char* figures = HasJobs(comparison) ? "figure" : busbw ? "busbw GB/s" : "time";
  table.AddColumn(std::string(figures) + ", by seed", Align::kLeft);
  for (const char* column : {"case", "base", "is"}) table.AddColumn(column);
  table.AddColumn(one_base ? "change against A" : "change");
  for (const PairedDifference& d : comparison.differences) {
    const bool rate = d.key.find("busbw") != std::string::npos;
    const auto figure = [&](double value) {
      if (IsSlowdown(d)) return FormatSignedPercent(value - 1);
      return rate ? FormatGBps(value * 1e9) : FormatSeconds(value);
    };
    const std::string base = one_base ? "" : CaseName(comparison.base_of[d.case_index]) + " ";
    table.AddRow(
        {FigureName(comparison, d), CaseName(d.case_index), base + figure(d.base), figure(d.value),
         FormatSignedPercentInterval({d.ratio.median - 1, d.ratio.p5 - 1, d.ratio.p95 - 1})});
  }
  return '\n' + table.Format(width) +
         (std::any_of(comparison.differences.begin(), comparison.differences.end(), IsSlowdown)
              ? "a slowdown's change is of the time beside the others over the time alone\n"
              : "");
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
  const std::string published = fmt::format(
      "the published {} ({}) is ", FormatSignedPercent(-curve.published_loss, 2), curve.source);
  const std::string met =
      curve.published_at
          ? fmt::format(
                "met where {} of the iteration is exposed communication; that share was "
                "not published, and nothing is fitted",
                FormatPercent(*curve.published_at))
          : "not met by any exposed share";
  return out + Wrap(published + met, width, 4) + '\n';
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
  if (shown < comparison.cases.size())
    out += fmt::format("\nwhy of {} more cases: --json FILE\n", comparison.cases.size() - shown);
  return out;
}

std::string WholePercent(const Interval<double>& ratio) {
  const auto one = [](double r) { return FormatSigned((r - 1) * 100, 0); };
  return fmt::format("{} % [{}, {}]", one(ratio.median), one(ratio.p5), one(ratio.p95));
}

// The paired ratio of case `index` for a figure of its collective `c`.
std::string RatioText(const Comparison& comparison, std::size_t index, std::size_t c,
                      const std::string& figure) {
  const std::string key = fmt::format("collectives[{}].{}", c, figure);
  for (const PairedDifference& d : comparison.differences)
    if (d.case_index == index && d.key == key) return WholePercent(d.ratio);
  return "-";
}

std::string SweepTable(const Comparison& comparison, std::size_t c, int width) {
  Table table;
  table.AddColumn("values", Align::kLeft);
  for (const char* column : {"A", "B", "gain, slowest", "gain, mean rail", "A hot", "A 3:1"})
    table.AddColumn(column);
  const auto busbw = [c](const RunReport& report) {
    const CollectiveReport& one = report.collectives[c];
    return one.done() ? FormatGBps(one.busbw_bytes_per_s.median) : UpperCase(one.status);
  };
  bool unlike = false;
  for (std::size_t i = 0; i + 1 < comparison.cases.size(); i += 2) {
    const RunReport &a = comparison.cases[i], &b = comparison.cases[i + 1];
    const bool ports = a.links.ports.has_value();
    std::string values = ValuesOf(comparison.variants[i]);
    const std::string a_name = NameOf(a.collectives[c]), b_name = NameOf(b.collectives[c]);
    if (a_name != b_name) values += fmt::format(" ({}, {})", a_name, b_name);
    unlike = unlike || a_name != b_name;
    table.AddRow({values, busbw(a), busbw(b), RatioText(comparison, i + 1, c, "busbw_GBps"),
                  RatioText(comparison, i + 1, c, "busbw_mean_rail_GBps"),
                  ports ? FormatPercent(a.links.ports->hot_share.median, 0) : "-",
                  ports ? FormatPercent(a.links.ports->share_3to1.median, 0) : "-"});
  }
  const std::string common = CommonCollective(comparison, c);
  return '\n' + (common.empty() ? "" : common + '\n') + table.Format(width) +
         (unlike ? "CAUTION: A and B run unlike sizes: a gain is of that too\n" : "");
}

std::vector<std::pair<std::string, PublishedRow>> Published(const Comparison& comparison) {
  std::vector<std::pair<std::string, PublishedRow>> published;
  for (const auto& [index, row] : comparison.published)
    published.emplace_back(CaseName(index), row);
  return published;
}

// A case's label without the values laid over its file.
std::string FileLabel(const Comparison& comparison, std::size_t index) {
  const std::string& label = comparison.labels[index];
  const std::string values = ": " + comparison.variants[index];
  return label.ends_with(values) ? label.substr(0, label.size() - values.size())
                                 : comparison.cases[index].scenario;
}

std::string SweepText(const Comparison& comparison, int width) {
  const RunReport& base = comparison.cases.front();
  std::string out =
      fmt::format("{} pairs, {} hash seeds, the same for all; busbw GB/s, slowest rail\n",
                  comparison.cases.size() / 2, base.seeds);
  if (comparison.partial) out += "PARTIAL: stopped before the end\n";
  out += Wrap("  A  " + FileLabel(comparison, 0), width, 5) + '\n' +
         Wrap("  B  " + FileLabel(comparison, 1), width, 5) + '\n';
  std::size_t sizes = base.collectives.size();
  for (const RunReport& report : comparison.cases)
    sizes = std::min(sizes, report.collectives.size());
  for (std::size_t c = 0; c < sizes; ++c) out += SweepTable(comparison, c, width);
  return out +
         Wrap(
             "gain: busbw of B over A, paired by seed, median [5 %, 95 %]; A hot, A 3:1: bytes on "
             "the busier port of the median NIC, NICs at 3:1 or worse",
             width, 2) +
         '\n' + GainNotes(Published(comparison), width) + '\n' +
         NotesText(NotesOfAll(comparison), width);
}

// Of the case with most loose operations.
std::string LooseCaseText(const Comparison& comparison, int width) {
  const auto operations = [](const RunReport& report) {
    return report.loose ? report.loose->operations : 0;
  };
  std::size_t most = 0;
  for (std::size_t i = 1; i < comparison.cases.size(); ++i)
    if (operations(comparison.cases[i]) > operations(comparison.cases[most])) most = i;
  return LooseText(comparison.cases[most], ", case " + NameIn(comparison, most), width);
}

}  // namespace

std::string ComparisonText(const Comparison& comparison, int width) {
  if (comparison.cases.empty()) return "nothing was compared\n";
  if (IsSweepOfPairs(comparison))
    return SweepText(comparison, width) + LooseCaseText(comparison, width);
  const RunReport& base = comparison.cases.front();
  std::string out =
      fmt::format("{} case{}, {} hash seed{} each, the same for all; median [5 %, 95 %]\n",
                  comparison.cases.size(), comparison.cases.size() == 1 ? "" : "s", base.seeds,
                  base.seeds == 1 ? "" : "s");
  if (comparison.partial) out += "PARTIAL: stopped before the end\n";
  const bool jobs = HasJobs(comparison);
  out += InputsText(comparison, width);
  if (jobs) out += JobsOfCasesText(comparison, width);
  const bool trained = std::any_of(comparison.cases.begin(), comparison.cases.end(),
                                   [](const RunReport& one) { return one.iteration.has_value(); });
  if (trained) out += IterationsOfCasesText(comparison, width);
  if (CollectiveCount(comparison) > 0 || (!jobs && !trained)) out += ResultsText(comparison, width);
  out += IncompleteCasesText(comparison, width) + DifferencesText(comparison, width);
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    const RunReport& report = comparison.cases[i];
    if (report.faults.empty()) continue;
    if (i >= kMostFaultTables) {
      ++left_out;
      continue;
    }
    out += fmt::format("\ncase {}, seed {}: makespan {}", CaseName(i), report.links.seed,
                       MakespanText(report)) +
           FaultsText(report, width);
  }
  if (left_out > 0) out += fmt::format("\nfaults of {} more cases: --json FILE\n", left_out);
  out += PublishedText(Published(comparison), width);
  for (const LossCurve& curve : comparison.curves) out += CurveText(curve, width);
  out += WhyText(comparison, width);
  return out + '\n' + LooseCaseText(comparison, width) + NotesText(NotesOfAll(comparison), width);
}

std::string CaseName(std::size_t index) {
  return index < 26 ? std::string(1, static_cast<char>('A' + index)) : fmt::format("#{}", index);
}

std::vector<Error> ComparisonWarnings(const Comparison& comparison) {
  std::vector<std::pair<std::size_t, Error>> said;
  for (std::size_t i = 0; i < comparison.cases.size(); ++i)
    for (const Error& one : comparison.cases[i].warnings) said.emplace_back(i, one);
  std::vector<Error> warnings;
  std::vector<std::string> names = comparison.labels;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!comparison.variants[i].empty()) names[i] = comparison.variants[i];
  for (auto& [index, one] : SaidOfCases(said, names)) warnings.push_back(std::move(one));
  return warnings;
}

std::vector<std::pair<std::size_t, Error>> SaidOfCases(
    const std::vector<std::pair<std::size_t, Error>>& said,
    const std::vector<std::string>& labels) {
  constexpr std::size_t kNamed = 3;
  Sayings sayings;
  std::vector<std::pair<std::size_t, Error>> out;  // as sayings.list()
  for (const auto& [index, one] : said) {
    sayings.Add(
        index, fmt::format("{}:{}:{} {}", one.pos.file, one.pos.line, one.pos.column, one.message));
    if (sayings.list().size() > out.size()) out.emplace_back(index, one);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::vector<std::size_t>& cases = sayings.list()[i].second;
    if (cases.size() == labels.size()) continue;
    std::string names;
    for (std::size_t c = 0; c < cases.size() && c < kNamed; ++c)
      names += fmt::format("{}{} ({})", c > 0 ? ", " : "", CaseName(cases[c]), labels[cases[c]]);
    if (cases.size() > kNamed) names += fmt::format(" and {} more", cases.size() - kNamed);
    Error& error = out[i].second;
    error.message = fmt::format("case{} {}: {}", cases.size() > 1 ? "s" : "", names, error.message);
  }
  return out;
}

}  // namespace weft
