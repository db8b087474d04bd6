#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "report/numbers.h"
#include "report/published_runs.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

std::string Ranks(const CollectiveReport& c) {
  if (c.groups == 1) return fmt::format("{}", c.ranks);
  return c.fewest_ranks == c.ranks ? fmt::format("{} x {}", c.groups, c.ranks)
                                   : fmt::format("{} x {}-{}", c.groups, c.fewest_ranks, c.ranks);
}

std::string Header(const RunReport& report) {
  std::string out = report.scenario + '\n';
  out += fmt::format("engine {}, {} hash seed{}; median [5 %, 95 %] over seeds\n", report.engine,
                     report.seeds, report.seeds == 1 ? "" : "s");
  if (report.partial) out += "PARTIAL: stopped before the end; figures are of what was finished\n";
  return out;
}

// Where latency, not bandwidth, is a good part of the time.
std::string StartupText(const RunReport& report, int width) {
  constexpr double kWorthSaying = 0.1;
  std::string parts;
  for (const CollectiveReport& c : report.collectives) {
    if (!c.done() || !c.startup_s || *c.startup_s < kWorthSaying * c.time_s.median) continue;
    parts += fmt::format("{}{} of the time of {}", parts.empty() ? "" : ", ",
                         FormatPercent(std::min(1.0, *c.startup_s / c.time_s.median), 0),
                         FormatBytes(c.bytes));
  }
  if (parts.empty()) return {};
  return Wrap("start-up: launch and the latency of every step are " + parts, width, 2) + '\n';
}

std::string IncompleteText(const RunReport& report, int width) {
  std::string out;
  for (const std::string& one : report.incomplete)
    out += Wrap("NOT COMPLETED: " + one, width, 2) + '\n';
  return out;
}

// What NCCL would choose and what ran; empty where nobody chose.
std::string ChoicesText(const RunReport& report, int width) {
  std::string list;
  for (const CollectiveReport& c : report.collectives)
    if (c.protocol)
      list += fmt::format(
          "{}{} {} {} x{}{}", list.empty() ? "" : ", ", FormatBytes(c.bytes), c.algorithm,
          *c.protocol, c.channels,
          c.choices_differ ? fmt::format(" (of {} ranks; others differ)", c.ranks) : "");
  return list.empty() ? list : Wrap("NCCL's choice: " + list, width, 2) + '\n';
}

// How far off the time of each is, where somebody says so of one.
std::string ErrorsText(const RunReport& report, int width) {
  std::string list;
  bool stated = false;
  for (const CollectiveReport& c : report.collectives) {
    stated = stated || c.error.low;
    list += fmt::format("{}{} {}{}", list.empty() ? "" : ", ", FormatBytes(c.bytes),
                        ErrorText(c.error), c.in_range.value_or(true) ? "" : " !");
  }
  return stated ? Wrap("model error: " + list, width, 2) + '\n' : std::string();
}

std::string CollectivesText(const RunReport& report, int width) {
  if (report.collectives.empty()) return {};
  Table table;
  table.AddColumn("collective", Align::kLeft);
  for (const char* column : {"bytes", "ranks", "time", "busbw GB/s", "mean rail"})
    table.AddColumn(column);
  for (const CollectiveReport& c : report.collectives)
    table.AddRow({c.op, FormatBytes(c.bytes), Ranks(c),
                  c.done() ? FormatSecondsInterval(c.time_s) : UpperCase(c.status),
                  c.done() ? FormatGBpsInterval(c.busbw_bytes_per_s) : "-",
                  c.done() && c.busbw_mean_rail_bytes_per_s
                      ? FormatGBps(c.busbw_mean_rail_bytes_per_s->median)
                      : "-"});
  std::string out =
      '\n' + table.Format(width) + ChoicesText(report, width) + ErrorsText(report, width);
  if (report.collectives.front().groups > 1)
    out += "time and busbw: of the slowest rail or group; mean rail: busbw, their mean\n";
  for (const CollectiveReport& c : report.collectives)
    if (c.done() && c.repeats > 1)
      out += Wrap(fmt::format("{}: mean of {} repeats, the longest {}", FormatBytes(c.bytes),
                              FormatCount(c.repeats), FormatSecondsInterval(c.worst_repeat_s)),
                  width, 2) +
             '\n';
  return out + StartupText(report, width);
}

std::string TrafficText(const RunReport& report, int width) {
  if (report.traffic.empty()) return {};
  Table table;
  table.AddColumn("traffic", Align::kLeft);
  for (const char* column : {"flows", "bytes", "flow time median", "99 %", "goodput GB/s"})
    table.AddColumn(column);
  for (const TrafficReport& t : report.traffic)
    table.AddRow({t.pattern,
                  t.completed == t.flows ? FormatCount(t.flows)
                                         : FormatCount(t.completed) + " of " + FormatCount(t.flows),
                  FormatBytes(t.bytes),
                  t.completed > 0 ? FormatSeconds(t.flow_time_s_median.median) : "-",
                  t.completed > 0 ? FormatSeconds(t.flow_time_s_p99.median) : "-",
                  t.completed > 0 ? FormatGBpsInterval(t.goodput_bytes_per_s) : "-"});
  return '\n' + table.Format(width);
}

std::string PortsText(const LinksReport& links, int width) {
  if (!links.ports) return {};
  const PortReport& ports = *links.ports;
  return Wrap(fmt::format("NIC ports: the busier one received {} of the bytes (median NIC); {} of "
                          "the NICs at 3:1 or worse [{}, {}]",
                          FormatPercent(ports.hot_share.median),
                          FormatPercent(ports.share_3to1.median),
                          FormatPercent(ports.share_3to1.p5), FormatPercent(ports.share_3to1.p95)),
              width, 2) +
         '\n';
}

}  // namespace

std::string MakespanText(const RunReport& report) {
  return report.incomplete.empty() ? FormatSecondsInterval(report.makespan_s) : "-";
}

namespace {

// What flaps is one row, with the time of its first and the sum of what all did.
std::vector<std::pair<FaultReport, int>> ByElementAndState(const std::vector<FaultReport>& faults) {
  std::vector<std::pair<FaultReport, int>> rows;
  std::map<std::tuple<std::uint32_t, std::string>, std::size_t> row_of;
  for (const FaultReport& f : faults) {
    const auto [at, is_new] = row_of.try_emplace({f.row, f.state}, rows.size());
    if (is_new) {
      rows.emplace_back(f, 1);
      continue;
    }
    auto& [sum, times] = rows[at->second];
    ++times;
    sum.crossing += f.crossing;
    sum.rerouted += f.rerouted;
    sum.moved += f.moved;
    sum.stalled += f.stalled;
    sum.failed += f.failed;
  }
  return rows;
}

}  // namespace

std::string FaultsText(const RunReport& report, int width) {
  if (report.faults.empty()) return {};
  Table table;
  table.AddColumn("fault", Align::kLeft);
  for (const char* column : {"at", "state", "QPs hit", "rerouted", "moved", "stalled", "failed"})
    table.AddColumn(column);
  for (const auto& [f, times] : ByElementAndState(report.faults))
    table.AddRow({f.element, FormatSeconds(f.at_s),
                  times == 1 ? f.state : fmt::format("{} x{}", f.state, times),
                  FormatCount(f.crossing), FormatCount(f.rerouted), FormatCount(f.moved),
                  FormatCount(f.stalled), FormatCount(f.failed)});
  return '\n' + table.Format(width);
}

std::string MarginText(const LinksReport& links, int width) {
  if (!links.margin) return {};
  const MarginReport& margin = *links.margin;
  std::string text = fmt::format("margin: {} is the busier, at {}; of {} {} is at {}",
                                 margin.busier, FormatPercent(margin.busier_utilisation),
                                 margin.busier == "NVLink" ? "the network" : "NVLink", margin.other,
                                 FormatPercent(margin.other_utilisation));
  if (margin.nvlink_efficiency_at_tie)
    text += fmt::format(". They tie at an NVLink efficiency of {}; here it is {}",
                        FormatSignificant(*margin.nvlink_efficiency_at_tie, 3),
                        FormatSignificant(margin.nvlink_efficiency, 3));
  return Wrap(text, width, 2) + '\n';
}

std::string HottestText(const LinksReport& links, std::size_t count, int width) {
  const auto alike = [](const LinkReport& a, const LinkReport& b) {
    return a.why == b.why && FormatPercent(a.utilisation) == FormatPercent(b.utilisation) &&
           !a.why.starts_with("hash collision");
  };
  std::string out;
  const LinkReport* named = nullptr;  // whose users stand above
  for (std::size_t i = 0, next = 0; i < links.hottest.size() && count > 0; i = next, --count) {
    const LinkReport& link = links.hottest[i];
    for (next = i + 1; next < links.hottest.size() && alike(link, links.hottest[next]);) ++next;
    const std::string more = next == i + 1 ? ""
                                           : fmt::format(" and {}{} more like it", next - i - 1,
                                                         next == links.hottest.size() ? " or" : "");
    out += Wrap(fmt::format("  {} -> {}{}: {} busy. {}", link.from, link.to, more,
                            FormatPercent(link.utilisation), link.why),
                width, 4) +
           '\n';
    if (!link.why.starts_with("hash collision")) continue;
    const bool same =
        named != nullptr && named->users == link.users && named->user_count == link.user_count;
    named = &link;
    if (same) {
      out += "      the same QPs\n";
      continue;
    }
    for (const std::string& user : link.users) out += "      " + Wrap(user, width - 6, 8) + '\n';
    if (link.user_count > static_cast<std::int64_t>(link.users.size()))
      out += fmt::format("      … and {} more\n",
                         link.user_count - static_cast<std::int64_t>(link.users.size()));
  }
  return out;
}

std::string GainNotes(const std::vector<std::pair<std::string, PublishedRow>>& rows, int width) {
  std::string notes;
  for (const auto& [label, row] : rows) {
    if (row.figure != "gain") continue;
    const std::string note =
        Wrap(fmt::format("published gain: {} ({}){}", FormatSignedPercent(row.published),
                         row.source, row.note.empty() ? "" : "; " + row.note),
             width, 2) +
        '\n';
    if (notes.find(note) == std::string::npos) notes += note;
  }
  return notes;
}

std::string PublishedText(const std::vector<std::pair<std::string, PublishedRow>>& rows,
                          int width) {
  if (rows.empty()) return {};
  Table table;
  table.AddColumn("published figure", Align::kLeft);
  for (const char* column : {"published", "weft", "deviation"}) table.AddColumn(column);
  std::string notes;
  for (const auto& [label, row] : rows) {
    if (row.figure == "gain") continue;
    const bool rate = row.figure == "busbw";
    const auto one = [&](double figure) {
      if (rate) return FormatGBps(figure) + " GB/s";
      if (row.figure == "job_alone" || row.figure == "job_beside") return FormatSeconds(figure);
      return row.figure == "port_ratio" ? FormatSignificant(figure, 3) + " : 1"
                                        : FormatSignedPercent(figure);
    };
    std::string ours = row.ours ? one(row.ours->median) : "-";
    if (row.ours && row.figure == "throughput_gain") ours = FormatSignedPercentInterval(*row.ours);
    const std::string figure = row.job.empty() ? row.figure : row.job + ", " + row.figure;
    table.AddRow({label.empty() ? figure : label + ": " + figure, one(row.published), ours,
                  row.deviation ? FormatSignedPercent(*row.deviation) : "-"});
    const std::string note =
        Wrap("  " + row.source + (row.note.empty() ? "" : ": " + row.note), width, 4) + '\n';
    if (notes.find(note) == std::string::npos) notes += note;
  }
  return (table.empty() ? "" : '\n' + table.Format(width)) + notes + GainNotes(rows, width);
}

std::string LooseText(const RunReport& report, const std::string& where, int width) {
  if (!report.loose) return {};
  const std::int64_t count = report.loose->operations;
  return Wrap(fmt::format("loose coupling{}: {} operation{} may share links with others while "
                          "running; a real ring may take up to {} longer (docs/validation.md){}",
                          where, FormatCount(count), count == 1 ? "" : "s",
                          FormatPercent(report.loose->time_up_to, 0),
                          report.coupling || !report.jobs.empty()
                              ? ""
                              : "; `coupling: both` gives this run's own bounds"),
              width, 2) +
         '\n';
}

std::string PathSearchText(const RunReport& report, int width) {
  if (!report.path_search) return {};
  const PathSearchReport& search = *report.path_search;
  return Wrap(fmt::format("path search: {:.1f} source ports tried a QP; {} of {} QPs share links "
                          "more than they need",
                          static_cast<double>(search.tried) / static_cast<double>(search.qps),
                          FormatCount(static_cast<std::int64_t>(search.shared)),
                          FormatCount(static_cast<std::int64_t>(search.qps))),
              width, 2) +
         '\n';
}

// What was simulated once for several, or why it was not.
std::string FoldingText(const RunReport& report, int width) {
  const std::string& why_not = report.run.not_folded;
  if (report.run.folded == 0)
    return why_not.empty() ? std::string() : Wrap("not folded: " + why_not, width, 2) + '\n';
  return Wrap(fmt::format("folded: {} operations do as another one does, proved on their paths{}",
                          FormatCount(report.run.folded),
                          why_not.empty() ? "" : "; others alike are simulated each: " + why_not),
              width, 2) +
         '\n';
}

std::string ErrorText(const ErrorBand& error, int digits) {
  if (!error.low || !error.high) return "unknown";
  return fmt::format("{} .. {}", FormatSignedPercent(*error.low, digits),
                     FormatSignedPercent(*error.high, digits));
}

constexpr const char* kSpread = "the brackets are the spread over hash seeds alone";

// Why nobody knows.
std::string NoModelErrorText(const RunReport& report) {
  std::string why = "no calibration was used";
  if (!report.traffic.empty())
    why = "no measured table is of this: a calibration tells the error of collectives alone";
  else if (!report.calibration.name.empty())
    why =
        fmt::format("the calibration '{}' states none of what runs here", report.calibration.name);
  return fmt::format("model error: unknown, for {}; {}", why, kSpread);
}

constexpr const char* kNothingWaits =
    "nothing waits for communication as priced, and what is hidden is taken to stay hidden";

// "exposed communication -11 % .. +18 %, which is -0.1 % .. +0.2 % of the iteration".
std::string CommunicationText(const CommunicationError& error, const char* of) {
  if (error.nothing_waits) return kNothingWaits;
  if (!error.time.low) return "unknown";
  return fmt::format("exposed communication {}, which is {} of {}", ErrorText(error.exposed),
                     ErrorText(error.time, 1), of);
}

// Of training, and of jobs: what a calibration says of it, which is of the communication alone.
std::string CommunicationErrorText(const RunReport& report) {
  std::string each;
  if (report.iteration) each = CommunicationText(report.iteration->error, "the iteration");
  for (const JobReport& job : report.jobs) {
    each += fmt::format("{}{}: ", each.empty() ? "" : "; ", job.name);
    each += job.iteration   ? CommunicationText(job.iteration->error, "a pass")
            : job.error.low ? fmt::format("{} of a pass", ErrorText(job.error))
                            : "unknown";
  }
  return fmt::format(
      "model error: {}. 9 of 10 measured times of such collectives lie within that of what '{}' "
      "says{}. But here they stand beside others{}: no table is like that. How far compute is off "
      "is "
      "in none; {}",
      each, report.calibration.name,
      report.calibration.known_hardware ? "" : ", on hardware that was left out whole",
      report.iteration ? ", and are rings" : "", kSpread);
}

// What a model error is of, and of what not.
std::string ModelErrorText(const RunReport& report) {
  const bool jobs = std::any_of(report.jobs.begin(), report.jobs.end(), [](const JobReport& job) {
    return job.error.low || (job.iteration && job.iteration->error.time.low);
  });
  if (jobs || (report.iteration && report.iteration->error.time.low))
    return CommunicationErrorText(report);
  if (report.iteration && report.iteration->error.nothing_waits)
    return fmt::format("model error: {}. How far compute is off is in no calibration; {}",
                       kNothingWaits, kSpread);
  if (!report.error.low) return NoModelErrorText(report);
  return fmt::format(
      "model error: 9 of 10 times that were measured are within {} of what '{}' says, on tables "
      "that were "
      "held out, of networks that do not block and one communicator alone{}. What collisions, "
      "faults and other jobs add is simulated, and in no table; {}",
      ErrorText(report.error), report.calibration.name,
      report.calibration.in_range.value_or(true) ? ""
      : report.calibration.known_hardware
          ? " (! none is like this: the band is that of the nearest)"
          : " (! none is of such hardware: the band is that of hardware left out whole)",
      kSpread);
}

// How much longer published iterations took, by kind of stack; of one iteration what that is of it.
std::string PublishedText(const RunReport& report) {
  std::string kinds;
  for (const PublishedRuns& one : kPublishedRuns) {
    kinds += fmt::format("{}{:.2f} to {:.2f} times by {} ({} runs", kinds.empty() ? "" : ", ",
                         one.low, one.high, one.kind, one.runs);
    if (report.iteration && report.iteration->time_s.median > 0)
      kinds +=
          fmt::format("; here {} to {}", FormatSeconds(one.low * report.iteration->time_s.median),
                      FormatSeconds(one.high * report.iteration->time_s.median));
    kinds += ')';
  }
  return "published iterations that nothing was fitted to took longer than weft says: " + kinds;
}

std::string NotesText(const RunReport& report, int width) {
  std::string out = Wrap(ModelErrorText(report), width, 2) + '\n';
  const bool trains = std::any_of(report.jobs.begin(), report.jobs.end(),
                                  [](const JobReport& job) { return job.iteration.has_value(); });
  if (report.iteration || trains) out += Wrap(PublishedText(report), width, 2) + '\n';
  for (const std::string& term : report.missing_terms)
    out += Wrap("not modelled: " + term, width, 2) + '\n';
  for (const std::string& unmet : report.unmet) out += "NOT MET: " + unmet + '\n';
  return out;
}

std::string RunReportText(const RunReport& report, int width) {
  std::string out = Header(report);
  out += CollectivesText(report, width) + TrafficText(report, width);
  out += IncompleteText(report, width);
  out += IterationText(report, width) + JobsText(report, width);
  if (!report.iteration) out += "\nmakespan " + MakespanText(report) + '\n';
  if (report.coupling)
    out += fmt::format(
        "makespan: loose {}, auto {}, tight {}\n", FormatSeconds(report.coupling->loose_s.median),
        FormatSeconds(report.makespan_s.median), FormatSeconds(report.coupling->tight_s.median));
  if (report.seeds > 1 && !report.faults.empty())
    out += fmt::format("\nfaults, seed {}", report.links.seed);
  out += FaultsText(report, width);
  if (!report.links.hottest.empty())
    out += fmt::format("\nwhy: the hottest links, seed {}\n", report.links.seed) +
           HottestText(report.links, 5, width);
  out += MarginText(report.links, width) + PortsText(report.links, width);
  std::vector<std::pair<std::string, PublishedRow>> published;
  for (const PublishedRow& row : report.published) published.emplace_back("", row);
  out += PublishedText(published, width);
  return out + '\n' + LooseText(report, "", width) + PathSearchText(report, width) +
         FoldingText(report, width) + NotesText(report, width);
}

}  // namespace weft
