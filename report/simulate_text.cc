#include <fmt/format.h>

#include "report/numbers.h"
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

std::string CollectivesText(const RunReport& report, int width) {
  if (report.collectives.empty()) return {};
  Table table;
  table.AddColumn("collective", Align::kLeft);
  for (const char* column : {"bytes", "ranks", "time", "busbw GB/s", "mean rail"})
    table.AddColumn(column);
  for (const CollectiveReport& c : report.collectives) {
    const bool done = c.status == "done";
    table.AddRow(
        {c.op, FormatBytes(c.bytes), Ranks(c), done ? FormatSecondsInterval(c.time_s) : c.status,
         done ? FormatGBpsInterval(c.busbw_bytes_per_s) : "-",
         done && c.busbw_mean_rail_bytes_per_s ? FormatGBps(c.busbw_mean_rail_bytes_per_s->median)
                                               : "-"});
  }
  return '\n' + table.Format(width) +
         "time and busbw are of the slowest rail or group; mean rail: busbw, mean over them\n";
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
                  FormatBytes(t.bytes), FormatSeconds(t.flow_time_s_median.median),
                  FormatSeconds(t.flow_time_s_p99.median),
                  FormatGBpsInterval(t.goodput_bytes_per_s)});
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

std::string FaultsText(const RunReport& report, int width) {
  if (report.faults.empty()) return {};
  Table table;
  table.AddColumn("fault", Align::kLeft);
  for (const char* column : {"at", "state", "QPs hit", "rerouted", "moved", "stalled", "failed"})
    table.AddColumn(column);
  for (const FaultReport& f : report.faults)
    table.AddRow({f.element, FormatSeconds(f.at_s), f.state, FormatCount(f.crossing),
                  FormatCount(f.rerouted), FormatCount(f.moved), FormatCount(f.stalled),
                  FormatCount(f.failed)});
  return '\n' + table.Format(width);
}

std::string MarginText(const LinksReport& links, int width) {
  if (!links.margin) return {};
  const MarginReport& margin = *links.margin;
  return Wrap(fmt::format("margin: {} binds; beside it {} is {} busy. They tie at an NVLink "
                          "efficiency of {}; here it is {}",
                          margin.binding, margin.other, FormatPercent(margin.other_utilisation),
                          FormatSignificant(margin.nvlink_efficiency_at_tie, 3),
                          FormatSignificant(margin.nvlink_efficiency, 3)),
              width, 2) +
         '\n';
}

std::string HottestText(const LinksReport& links, std::size_t count, int width) {
  std::string out;
  for (std::size_t i = 0; i < links.hottest.size() && i < count; ++i) {
    const LinkReport& link = links.hottest[i];
    out += Wrap(fmt::format("  {} -> {}: {} busy. {}", link.from, link.to,
                            FormatPercent(link.utilisation), link.why),
                width, 4) +
           '\n';
    if (!link.why.starts_with("hash collision")) continue;
    for (const std::string& user : link.users) out += "      " + user + '\n';
    if (link.user_count > static_cast<std::int64_t>(link.users.size()))
      out += fmt::format("      … and {} more\n",
                         link.user_count - static_cast<std::int64_t>(link.users.size()));
  }
  return out;
}

std::string PublishedText(const std::vector<std::pair<std::string, PublishedRow>>& rows,
                          int width) {
  if (rows.empty()) return {};
  Table table;
  table.AddColumn("published figure", Align::kLeft);
  for (const char* column : {"published", "weft", "deviation"}) table.AddColumn(column);
  std::string notes;
  for (const auto& [label, row] : rows) {
    const bool rate = row.figure == "busbw";
    const auto one = [&](double figure) {
      if (rate) return FormatGBps(figure) + " GB/s";
      return row.figure == "port_ratio" ? FormatSignificant(figure, 3) + " : 1"
                                        : FormatSignedPercent(figure);
    };
    std::string ours = "-";
    if (row.ours && row.figure == "gain") ours = FormatSignedPercentInterval(*row.ours);
    if (row.ours && row.figure != "gain") ours = one(row.ours->median);
    table.AddRow({label.empty() ? row.figure : label + ": " + row.figure, one(row.published), ours,
                  row.deviation ? FormatSignedPercent(*row.deviation) : "-"});
    const std::string note =
        Wrap("  " + row.source + (row.note.empty() ? "" : ": " + row.note), width, 4) + '\n';
    if (notes.find(note) == std::string::npos) notes += note;
  }
  return '\n' + table.Format(width) + notes;
}

std::string LooseText(const RunReport& report, const std::string& where, int width) {
  if (!report.loose) return {};
  const std::int64_t count = report.loose->operations;
  return Wrap(fmt::format("loose coupling{}: {} operation{} may share links with others while "
                          "running; a real ring may take up to {} longer (docs/validation.md){}",
                          where, FormatCount(count), count == 1 ? "" : "s",
                          FormatPercent(report.loose->time_up_to, 0),
                          report.coupling ? "" : "; `coupling: both` gives this run's own bounds"),
              width, 2) +
         '\n';
}

std::string NotesText(const RunReport& report, int width) {
  std::string out;
  out += report.error.low && report.error.high
             ? fmt::format("error band: {} to {} ({})\n", FormatSignedPercent(*report.error.low),
                           FormatSignedPercent(*report.error.high), report.error.basis)
             : Wrap(
                   "model error: unknown, for no calibration was used; the brackets are the "
                   "spread over hash seeds alone",
                   width, 2) +
                   '\n';
  for (const std::string& term : report.missing_terms)
    out += Wrap("not modelled: " + term, width, 2) + '\n';
  for (const std::string& unmet : report.unmet) out += "NOT MET: " + unmet + '\n';
  return out;
}

std::string RunReportText(const RunReport& report, int width) {
  std::string out = Header(report);
  out += CollectivesText(report, width) + TrafficText(report, width);
  if (report.coupling)
    out += fmt::format(
        "\nmakespan: loose {}, auto {}, tight {}\n", FormatSeconds(report.coupling->loose_s.median),
        FormatSeconds(report.makespan_s.median), FormatSeconds(report.coupling->tight_s.median));
  out += FaultsText(report, width);
  if (!report.links.hottest.empty())
    out += fmt::format("\nwhy: the hottest links, seed {}\n", report.links.seed) +
           HottestText(report.links, 5, width);
  out += MarginText(report.links, width) + PortsText(report.links, width);
  std::vector<std::pair<std::string, PublishedRow>> published;
  for (const PublishedRow& row : report.published) published.emplace_back("", row);
  out += PublishedText(published, width);
  return out + '\n' + LooseText(report, "", width) + NotesText(report, width);
}

}  // namespace weft
