#include "report/purchase.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "report/numbers.h"
#include "report/table.h"

namespace weft {
namespace {

// MUSD or MW in a table: of less than one four digits.
std::string Millions(double value) {
  return value < 1e6 ? FormatFigure(value / 1e6, 4) : fmt::format("{:.2f}", value / 1e6);
}

std::string Megawatts(double watts) { return FormatFigure(watts / 1e6, 3) + " MW"; }

std::string SizingText(const PlanReport& report, int width) {
  Table table;
  table.AddColumn("sizing", Align::kLeft);
  for (const char* column : {"basis", "rate", "accelerators", "hosts", "servers", "site"})
    table.AddColumn(column);
  std::string notes;
  for (const PlanSizing& row : report.sizing) {
    table.AddRow(
        {row.accelerator, row.basis,
         row.rate ? fmt::format("{:.6g} T{}", *row.rate / 1e12, row.assumed ? "*" : "") : "none",
         row.accelerators ? FormatCount(*row.accelerators) : "-",
         row.hosts ? FormatCount(*row.hosts) : "-", row.server_w ? Megawatts(*row.server_w) : "-",
         row.site_w ? Megawatts(*row.site_w) : "-"});
    if (row.assumed) notes = "* an assumption\n";
  }
  return table.Format(width) + notes;
}

// "rail_optimized/2-tier/400G/51.2T/1:1/even" without the accelerator where all have one.
std::string ShortId(const PlanReport& report, const std::string& id) {
  const std::size_t slash = id.find('/');
  const bool one = std::all_of(report.sizing.begin(), report.sizing.end(), [&](const auto& row) {
    return row.accelerator == report.sizing[0].accelerator;
  });
  return one && slash != std::string::npos ? id.substr(slash + 1) : id;
}

std::string AcceleratorOf(const std::string& id) { return id.substr(0, id.find('/')); }

// What the columns of the plans are.
std::string LegendText(const PlanReport& report) {
  const std::vector<PlanJobRow>& jobs = report.rows[0].jobs;
  const bool some_trains =
      std::any_of(jobs.begin(), jobs.end(), [](const PlanJobRow& job) { return job.mfu; });
  const std::string speed =
      report.trains  ? "MFU: of the jobs"
      : some_trains  ? "speed: MFU, of jobs without FLOPs times their pace beside the cheapest "
                       "non-blocking plan's"
      : jobs.empty() ? "speed: 1, for no job is given"
                     : "speed: of the jobs, beside the cheapest non-blocking plan's";
  std::string out = fmt::format(
      "MUSD to buy; MW at the site; G/GPU: Gb/s of a GPU, less what is oversubscribed; {}; good: "
      "share of the time that is useful; stops: a month; blast: share of the GPUs that its worst "
      "part stops; USD: a useful {}-day; P: in what share of the draws of prices, failures and "
      "model error it is first among the fabrics of {}",
      speed, report.integer ? "POP" : "PFLOP", AcceleratorOf(*report.best));
  if (report.rankings.size() > 1) out += " (the others' have a ranking of their own, above)";
  return out;
}

std::string RowsText(const PlanReport& report, int width) {
  Table table;
  table.AddColumn("plan", Align::kLeft);
  for (const char* column : {"MUSD", "MW", "G/GPU", report.trains ? "MFU" : "speed", "good",
                             "stops", "blast", "USD", "P"})
    table.AddColumn(column);
  // What is first among the fabrics of another accelerator is said above: no share of these draws.
  const auto of_best = [&](const PlanRow& row) {
    return AcceleratorOf(row.id) == AcceleratorOf(report.best.value_or(""));
  };
  std::string infeasible;
  for (std::size_t i = 0; i < report.shown; ++i) {
    const PlanRow& row = report.rows[i];
    std::string roles;
    for (const std::string& role : row.roles) roles += (roles.empty() ? "" : ", ") + role;
    const std::string name = roles + ": " + ShortId(report, row.id);
    if (!row.feasible) {
      const std::string figures =
          row.site_w > 0
              ? fmt::format("; {} MUSD, {} MW", Millions(row.capex_mid), Millions(row.site_w))
              : "";
      infeasible +=
          Wrap(fmt::format("{}: {} ({}){}", name, row.rule, row.binding, figures), width, 2) + '\n';
      continue;
    }
    // Of what was not simulated beside others that were there is only a bound.
    const bool known = row.ranked || report.simulated == 0;
    table.AddRow({name, Millions(row.capex_mid), Millions(row.site_w),
                  FormatFigure(row.gpu_rate_bps / 1e9 / row.oversubscription, 3),
                  known ? fmt::format("{:.3f}", row.speed) : "-",
                  fmt::format("{:.3f}", row.goodput), FormatFigure(row.stops_per_month, 3),
                  FormatFigure(row.stopped_share * 100, 3) + '%',
                  known ? fmt::format("{:.3f}", row.metric) : "-",
                  row.ranked && of_best(row) ? fmt::format("{:.0f}%", row.p_first * 100) : "-"});
  }
  if (table.empty()) return infeasible;
  return table.Format(width) + infeasible + Wrap(LegendText(report), width, 2) + '\n';
}

// Further needs, FLOPS and OPS apart; a basis that no accelerator has a rate for has no column.
std::string TargetsText(const PlanReport& report, int width) {
  std::string out;
  for (const bool integer : {false, true}) {
    Table table;
    table.AddColumn(integer ? "OPS, int8" : "FLOPS, bf16", Align::kLeft);
    std::vector<std::size_t> columns;
    bool any = false;
    for (const PlanTarget& target : report.targets) any = any || target.integer == integer;
    if (!any) continue;
    const auto& first = report.targets[0].counts;
    for (std::size_t c = 0; c < first.size(); ++c) {
      const bool some =
          std::any_of(report.targets.begin(), report.targets.end(), [&](const PlanTarget& target) {
            return target.integer == integer && target.counts[c].accelerators;
          });
      if (!some) continue;
      columns.push_back(c);
      table.AddColumn(first[c].accelerator + (first[c].basis == "sparse" ? "/s" : ""));
    }
    for (const PlanTarget& target : report.targets) {
      if (target.integer != integer) continue;
      std::vector<std::string> cells{target.name + ", " +
                                     (target.said.empty() ? target.compute : target.said)};
      for (const std::size_t c : columns)
        cells.push_back(target.counts[c].accelerators ? FormatCount(*target.counts[c].accelerators)
                                                      : "-");
      table.AddRow(std::move(cells));
    }
    out += table.Format(width);
  }
  return out.empty() ? out : "\nfurther needs, in accelerators; /s: by its sparse rate\n" + out;
}

std::string FlipsText(const PlanReport& report, const std::vector<PlanFlip>& flips, bool fabrics,
                      int width) {
  const std::string what = fabrics ? "what decides" : "what decides between accelerators";
  if (flips.empty())
    return Wrap(what + ": no input within 16 times of its value changes the first", width, 2) +
           '\n';
  std::string out = what + " (the first changes at):\n";
  for (std::size_t i = 0; i < std::min<std::size_t>(flips.size(), 3); ++i) {
    const PlanFlip& flip = flips[i];
    const std::string value = FormatFigure(flip.value, 4);
    const std::string at =
        flip.from ? fmt::format("somewhere between {} and {}", FormatFigure(*flip.from, 4), value)
                  : "at " + value;
    out += Wrap(fmt::format("  {}: {} {} now ({}); {}: {}", flip.input, FormatFigure(flip.now, 4),
                            flip.unit, flip.source, at, ShortId(report, flip.then)),
                width, 4) +
           '\n';
  }
  return out;
}

std::string ExplainText(const PlanReport& report, int width) {
  std::string out = "\nrules of the best plan\n";
  for (const PlanRule& rule : report.rules)
    out +=
        Wrap(fmt::format("{} {}: {}", rule.ok ? "ok  " : "FAIL", rule.rule, rule.said), width, 5) +
        '\n';
  out += "\nfamilies not searched\n";
  for (const std::string& one : report.not_searched) out += Wrap(one, width, 2) + '\n';
  std::map<std::string, std::int64_t> counts;
  for (const PlanRejected& one : report.rejected) ++counts[one.rule];
  out += "\nrejected, by the rule that binds\n";
  for (const auto& [rule, count] : counts)
    out += fmt::format("{:>8}  {}\n", FormatCount(count), rule);
  out += '\n';
  for (const PlanRejected& one : report.rejected)
    out += Wrap(fmt::format("{}: {}: {}", ShortId(report, one.id), one.rule, one.said), width, 2) +
           '\n';
  return out;
}

std::string Join(const std::vector<std::string>& items) {
  std::string out;
  for (const std::string& one : items) out += (out.empty() ? "" : ", ") + one;
  return out;
}

// Which families were searched; why the others were not stands below where it is asked for.
std::string FamiliesText(const PlanReport& report, int width, bool explain) {
  std::vector<std::string> searched, others;
  for (const PlanFamily& one : report.families)
    searched.push_back(fmt::format("{} {} of {}", one.name, FormatCount(one.feasible),
                                   FormatCount(one.candidates)));
  for (const std::string& one : report.not_searched) others.push_back(one.substr(0, one.find(':')));
  std::string out = "families searched, with how many are feasible: " + Join(searched);
  if (!explain && !others.empty()) out += "; not searched (--explain says why): " + Join(others);
  return Wrap(out, width, 2) + '\n';
}

std::string TieText(const PlanReport& report, const std::vector<std::string>& ids,
                    const std::string& measure, int width) {
  if (ids.empty()) return {};
  std::string ties;
  for (const std::string& id : ids) ties += (ties.empty() ? "" : ", ") + ShortId(report, id);
  return Wrap("these tie: " + ties, width, 2) + '\n' + Wrap("to split them: " + measure, width, 2) +
         '\n';
}

// Accelerators among each other, and then the fabrics of each of the others: rankings apart.
std::string AcceleratorsText(const PlanReport& report, int width) {
  if (report.rankings.size() < 2) return {};
  std::string line = "accelerators, each by its best fabric: ";
  for (const PlanRanking& one : report.rankings)
    line += fmt::format("{}{} P(first) {:.0f} %", &one == &report.rankings[0] ? "" : ", ",
                        one.accelerator, one.p_accelerator * 100);
  std::string out = Wrap(line, width, 2) + '\n';
  out += TieText(report, report.accelerator_tie, report.accelerator_measure, width);
  for (const PlanRanking& one : report.rankings) {
    if (&one == &report.rankings[0]) continue;
    out += Wrap(fmt::format("fabrics of {}: first {}, P(first) {:.0f} %{}", one.accelerator,
                            ShortId(report, one.best), one.p_first * 100,
                            one.clear ? "" : fmt::format(", {} tie", one.tie.size())),
                width, 2) +
           '\n';
  }
  return out;
}

std::string PairsText(const PlanReport& report, int width) {
  std::string out;
  for (const PlanPair& pair : report.pairs)
    out += Wrap(fmt::format("{} before {}: P {:.0f} %; the latter costs {:+.2f} % ({:+.2f} .. "
                            "{:+.2f}) for the same work",
                            ShortId(report, pair.a), ShortId(report, pair.b), pair.p_a * 100,
                            (pair.ratio - 1) * 100, (pair.ratio_p5 - 1) * 100,
                            (pair.ratio_p95 - 1) * 100),
                width, 2) +
           '\n';
  return out;
}

std::string CertaintyText(const PlanReport& report, int width) {
  if (!report.best) return {};
  std::string out =
      Wrap(fmt::format(
               "P(first) {:.0f} % among {} of its fabrics, expected regret {} MUSD; {} "
               "candidates, {} feasible, {} simulated{}{}",
               report.p_first * 100,
               report.could_still_win == 0 ? "all"
               : report.simulated > 0      ? "those simulated"
                                           : "those built",
               FormatFigure(report.regret_usd / 1e6, 3), FormatCount(report.candidates),
               FormatCount(report.feasible), FormatCount(report.simulated),
               report.simulated > 0
                   ? fmt::format(", {} more could still win{}", FormatCount(report.could_still_win),
                                 report.could_still_win > 0 ? " (decide.finalists)" : "")
                   : "",
               report.partial ? " (stopped early)" : ""),
           width, 2);
  out += '\n' + TieText(report, report.tie, report.measure, width);
  return out + AcceleratorsText(report, width) + PairsText(report, width);
}

}  // namespace

std::string PlanText(const PlanReport& report, int width, bool explain) {
  std::string out;
  if (!report.first_line.empty()) out += Wrap(report.first_line, width, 2) + '\n';
  if (!report.name.empty()) out += report.name + ": ";
  out += report.need + '\n';
  out += Wrap(report.sentence, width, 0) + '\n';
  out += CertaintyText(report, width) + '\n';
  if (report.best) out += FlipsText(report, report.flips, true, width);
  if (report.rankings.size() > 1) out += FlipsText(report, report.accelerator_flips, false, width);
  if (report.best) out += '\n';
  if (report.shown > 0) out += RowsText(report, width) + '\n';
  out += SizingText(report, width) + '\n';
  if (report.unverified_share > 0)
    out += fmt::format("{:.0f} % of the price rests on unverified rows\n",
                       report.unverified_share * 100);
  if (!report.unpriced.empty())
    out += Wrap("without a price: " + Join(report.unpriced), width, 2) + '\n';
  for (const std::string& note : report.notes) out += Wrap(note, width, 2) + '\n';
  for (const std::string& one : report.overrides)
    out += Wrap("overridden: " + one, width, 2) + '\n';
  out += Wrap("not in the plan: " + Join(report.not_modelled), width, 2) + '\n';
  out += FamiliesText(report, width, explain);
  if (!report.best && !explain) {
    std::map<std::string, std::int64_t> counts;
    for (const PlanRejected& one : report.rejected) ++counts[one.rule];
    for (const auto& [rule, count] : counts)
      out += fmt::format("{:>8} break '{}'\n", FormatCount(count), rule);
    out += "--explain names every one\n";
  }
  out += TargetsText(report, width);
  return explain ? out + ExplainText(report, width) : out;
}

std::string CandidatesCsv(const PlanReport& report) {
  std::string out =
      "id,family,feasible,rule,binding,accelerators,hosts,leaves,spines,cores,cables,racks,"
      "capex_usd_low,capex_usd_mid,capex_usd_high,power_w,site_w,speed,goodput,stops_per_month,"
      "usd_per_useful_pflop_day,p_first,figures,bill\n";
  const auto quoted = [](std::string text) {
    for (std::size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at + 2))
      text.insert(at, 1, '"');
    return '"' + text + '"';
  };
  // figures: of a simulation, or of closed forms alone; bill: of the fabric built and cabled, or
  // as screened; p_first: of those that were ranked.
  const auto add = [&](const auto& format, const auto&... values) {
    fmt::format_to(std::back_inserter(out), format, values...);
  };
  const auto whole = [&](double value) {  // as "{:.0f}": to even, and exact below 2^53
    add(FMT_COMPILE("{},"), static_cast<std::int64_t>(std::nearbyint(value)));
  };
  for (const std::vector<PlanRow>* rows : {&report.rows, &report.screened})
    for (const PlanRow& row : *rows) {
      if (!row.feasible) continue;
      add(FMT_COMPILE("{},{},true,,,{},{},{},{},{},{},{},"), row.id, row.family, row.accelerators,
          row.hosts, row.leaves, row.spines, row.cores, row.cables, row.racks);
      for (const double value :
           {row.capex_low, row.capex_mid, row.capex_high, row.power_w, row.site_w})
        whole(value);
      add(FMT_COMPILE("{:.6f},{:.6f},{:.4f},{:.6f},"), row.speed, row.goodput, row.stops_per_month,
          row.metric);
      if (row.ranked) add(FMT_COMPILE("{:.4f}"), row.p_first);
      add(FMT_COMPILE(",{},{}\n"), row.simulated ? "simulated" : "closed form",
          row.exact ? "built" : "screened");
    }
  for (const PlanRejected& one : report.rejected)
    add(FMT_COMPILE("{},,false,{},{},,,,,,,,,,,,,,,,,,,\n"), one.id, one.rule, quoted(one.said));
  return out;
}

}  // namespace weft
