#include "report/plan.h"

#include <fmt/format.h>

#include <sstream>

#include "base/version.h"
#include "report/json_internal.h"
#include "report/numbers.h"
#include "report/table.h"

namespace weft {
namespace {

// Three decimals, as NCCL's own estimates are printed; of a band's share they are all it has.
double RoundedUs(double us) { return std::round(us * 1000) / 1000; }

std::string Version(const NcclPlan& plan) { return fmt::format("2.{}", plan.comm.rules->minor); }

const char* PatternName(NcclGraph::Pattern pattern) {
  constexpr const char* kNames[] = {"",     "balanced_tree", "split_tree",    "tree",
                                    "ring", "nvls",          "collnet_direct"};
  return kNames[static_cast<std::size_t>(pattern)];
}

struct NamedGraph {
  const char* name;
  const NcclGraph* graph;
};

std::vector<NamedGraph> Graphs(const NcclComm& comm) {
  std::vector<NamedGraph> out;
  for (const NamedGraph& one :
       {NamedGraph{"Ring", &comm.ring}, NamedGraph{"Tree", &comm.tree},
        NamedGraph{"NVLS", &comm.nvls}, NamedGraph{"CollNetChain", &comm.collnet_chain},
        NamedGraph{"CollNetDirect", &comm.collnet_direct}})
    if (one.graph->channels() > 0) out.push_back(one);
  return out;
}

Json ToJson(const NcclComm& comm, const NamedGraph& named) {
  const NcclGraph& graph = *named.graph;
  Json orders = Json::array(), nets = Json::array();
  const bool heads = graph.pattern == NcclGraph::Pattern::kNvls;
  for (const auto& gpus : graph.gpus) orders.push_back(heads ? Json({gpus.front()}) : Json(gpus));
  for (const auto& [in, out] : graph.nets) nets.push_back({in, out});
  return {{"algorithm", named.name},
          {"pattern", PatternName(graph.pattern)},
          {"channels", graph.channels()},
          {"bw_intra_GBps", graph.rate_intra},
          {"bw_inter_GBps", graph.rate_inter},
          {"type_intra", NcclPathName(graph.type_intra)},
          {"type_inter", comm.nodes > 1 ? Json(NcclPathName(graph.type_inter)) : Json(nullptr)},
          {"same_channels", graph.same_channels ? 1 : 0},
          {"cross_nic", graph.cross_nic},
          {"gpus", orders},
          {"nics", nets}};
}

Json ToJson(const NcclTree& tree) { return {{"parent", tree.parent}, {"children", tree.children}}; }

Json Shapes(const NcclPlan& plan) {
  const NcclComm& comm = plan.comm;
  Json search = Json::array(), trees = Json::array(), nvls_trees = Json::array();
  for (const NamedGraph& named : Graphs(comm)) search.push_back(ToJson(comm, named));
  for (const NcclTree& tree : plan.shapes.trees) trees.push_back(ToJson(tree));
  for (const NcclTree& tree : plan.shapes.nvls_trees) nvls_trees.push_back(ToJson(tree));
  Json out = {{"channels",
               {{"coll", comm.channels},
                {"nvls", comm.nvls_channels},
                {"p2p", comm.p2p_channels},
                {"p2p_per_peer", comm.p2p_channels_per_peer}}},
              {"search", search},
              {"rings", plan.shapes.rings},
              {"trees", trees},
              {"nvls_heads", plan.shapes.nvls_heads},
              {"nvls_trees", nvls_trees}};
  if (!plan.send_orders.empty()) out["send_orders"] = plan.send_orders;
  return out;
}

const char* BoundName(CollectiveTime::Bound bound) {
  constexpr const char* kNames[] = {"latency", "NVLink", "PCIe", "NIC", "channel", "NVLS"};
  return kNames[static_cast<std::size_t>(bound)];
}

double AlgbwGBps(Bytes bytes, double us) {
  return static_cast<double>(bytes.count()) / (1000 * us);
}

Json ToJson(const CollectiveTable& table, std::size_t i, bool explain) {
  const NcclPlanRow& row = table.plan.rows[i];
  const CollectiveTimeRow& time = table.times[i];
  const double algbw = AlgbwGBps(row.bytes, time.us);
  Json out = {{"op", table.plan.op},
              {"bytes", row.bytes.count()},
              {"time_us", RoundedUs(time.us)},
              {"time_us_p5", RoundedUs(time.p5_us)},
              {"time_us_p95", RoundedUs(time.p95_us)},
              {"time_in_place_us", RoundedUs(time.in_place_us)},
              {"algbw_GBps", RoundedUs(algbw)},
              {"busbw_GBps", RoundedUs(algbw * table.busbw_factor)},
              {"bound", time.bound ? Json(BoundName(*time.bound)) : Json(nullptr)},
              {"error",
               {{"low", time.error.low ? Json(RoundedUs(*time.error.low)) : Json(nullptr)},
                {"high", time.error.high ? Json(RoundedUs(*time.error.high)) : Json(nullptr)},
                {"basis", time.error.basis}}},
              {"in_range", OrNull(time.in_range)}};
  const auto& choice = row.choice;
  if (!table.unlike.empty()) {  // as weft simulate's: a ring has no protocol
    out["algorithm"] = "ring";
    for (const char* key : {"protocol", "channels", "predicted_us"}) out[key] = nullptr;
    return out;
  }
  out["algorithm"] = choice ? Json(NcclName(choice->algorithm)) : Json(nullptr);
  out["protocol"] = choice ? Json(NcclName(choice->protocol)) : Json(NcclName(time.send_protocol));
  out["channels"] = choice ? choice->channels : time.send_channels;
  out["predicted_us"] = choice ? Json(RoundedUs(choice->predicted_us)) : Json(nullptr);
  if (!choice) return out;
  out["most_channels"] = choice->most_channels;
  out["threads"] = choice->threads;
  out["chunk_bytes"] = choice->chunk.count();
  if (!explain) return out;
  out["candidates"] = Json::array();
  for (const NcclCandidate& c : row.candidates)
    out["candidates"].push_back({{"algorithm", NcclName(c.algorithm)},
                                 {"protocol", NcclName(c.protocol)},
                                 {"predicted_us", RoundedUs(c.time_us)}});
  return out;
}

std::string Microseconds(double us) { return fmt::format("{:.2f}", us); }

// What nccl-tests prints of an operation: the elements of a line's count, redop and root.
struct TestColumns {
  std::int64_t size = 0, count = 0;
  const char *redop = "none", *root = "-1";
};

// Elements are floats; where every rank has a block of its own they are the block's.
TestColumns ColumnsOf(const CollectiveTable& table, std::size_t row) {
  constexpr std::int64_t kFloat = 4;
  const NcclPlan& plan = table.plan;
  const Bytes bytes = plan.rows[row].bytes;
  const std::string& op = plan.op;
  TestColumns out;
  if (!table.tested.empty()) {  // blocks are unlike: there is no count
    out.size = table.tested[row].count();
    return out;
  }
  const bool blocks = HasBlocks(op);
  out.size = TestedSize(op, plan.comm.ranks(), bytes).count();
  out.count = out.size / kFloat / (blocks ? plan.comm.ranks() : 1);
  if (op == "all_reduce" || op == "reduce_scatter" || op == "reduce" || op == "send_recv")
    out.redop = "sum";
  if (op == "broadcast" || op == "reduce" || op == "gather" || op == "scatter") out.root = "0";
  return out;
}

// As nccl-tests prints times.
std::string TimeText(double us) {
  return us < 100     ? fmt::format("{:.2f}", us)
         : us < 10000 ? fmt::format("{:.1f}", us)
                      : fmt::format("{:.0f}", us);
}

std::string HalfLine(std::int64_t size, double us, double factor) {
  const std::string time = TimeText(us);
  const double algbw = static_cast<double>(size) / (1000 * us);
  return fmt::format("  {:>7}  {:6.2f}  {:6.2f}  {:>5}", time, algbw, algbw * factor, "N/A");
}

// Of an end of an interval.
std::string RoundText(double us) {
  return us < 100 ? fmt::format("{:.1f}", us) : fmt::format("{:.0f}", us);
}

// "4121 .. 5321": where nine of ten measured times are.
std::string MeasuredText(const CollectiveTimeRow& time, int each) {
  if (!time.error.low) return "-";
  // A mark stands apart from the number, however long that is.
  return fmt::format("{:>{}} .. {:<{}}{}", RoundText(time.us * (1 + *time.error.low)), each,
                     RoundText(time.us * (1 + *time.error.high)) + ' ', each,
                     time.in_range.value_or(true) ? ' ' : '!');
}

std::string ChoiceText(const CollectiveTable& table, std::size_t i) {
  const auto& choice = table.plan.rows[i].choice;
  const CollectiveTimeRow& time = table.times[i];
  if (!table.unlike.empty()) return "plain ring";
  return choice ? fmt::format("{} {} x{}", NcclName(choice->algorithm), NcclName(choice->protocol),
                              choice->channels)
                : fmt::format("sends {} x{}", NcclName(time.send_protocol), time.send_channels);
}

bool Banded(const CollectiveTable& table) {
  return std::any_of(table.times.begin(), table.times.end(),
                     [](const CollectiveTimeRow& one) { return one.error.low; });
}

// Of the last column.
const char* ChoiceHead(const CollectiveTable& table) {
  return table.unlike.empty() ? "NCCL's choice" : "timed";
}

std::string RowsText(const CollectiveTable& table) {
  const NcclPlan& plan = table.plan;
  const bool drawn = table.seeds > 1;
  const bool banded = Banded(table);
  std::string out = fmt::format(
      "#{0:61}out-of-place{0:23}in-place\n"
      "#{1:>11}{2:>14}{3:>10}{4:>8}{5:>8}{6:>9}{7:>8}{8:>8}{9:>7}{6:>9}{7:>8}{8:>8}{9:>7}{10}\n"
      "#{11:>11}{12:>14}{0:18}{0:8}{13:>9}{14:>8}{14:>8}{0:7}{13:>9}{14:>8}{14:>8}\n",
      "", "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong",
      fmt::format("{}{}  {}", drawn ? "  p5 .. p95 (us)" : "",
                  banded ? "    90 % measured (us) " : "", ChoiceHead(table)),
      "(B)", "(elements)", "(us)", "(GB/s)");
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    const CollectiveTimeRow& time = table.times[i];
    const TestColumns columns = ColumnsOf(table, i);
    out += fmt::format("{:12}  {:12}  {:>8}  {:>6}  {:>6}", columns.size, columns.count, "float",
                       columns.redop, columns.root);
    out += HalfLine(columns.size, time.us, table.busbw_factor);
    out += HalfLine(columns.size, time.in_place_us, table.busbw_factor);
    if (drawn) out += fmt::format("  {:.1f} .. {:.1f}", time.p5_us, time.p95_us);
    if (banded) out += fmt::format("  {:>21}", MeasuredText(time, 8));
    out += "  " + ChoiceText(table, i) + '\n';
  }
  return out;
}

// What of the rows fits on a narrow terminal.
std::string ShortRowsText(const CollectiveTable& table, int width) {
  const bool drawn = table.seeds > 1, banded = Banded(table);
  Table rows;
  for (const char* column : {"size (B)", "time (us)"}) rows.AddColumn(column);
  if (drawn) rows.AddColumn("p5 .. p95");
  if (!drawn) rows.AddColumn("algbw");
  rows.AddColumn("busbw");
  if (banded) rows.AddColumn("90 % measured");
  rows.AddColumn(ChoiceHead(table), Align::kLeft);
  for (std::size_t i = 0; i < table.plan.rows.size(); ++i) {
    const CollectiveTimeRow& time = table.times[i];
    const std::int64_t size = ColumnsOf(table, i).size;
    const double algbw = static_cast<double>(size) / (1000 * time.us);
    std::vector<std::string> cells = {std::to_string(size), TimeText(time.us)};
    if (drawn) cells.push_back(RoundText(time.p5_us) + " .. " + RoundText(time.p95_us));
    if (!drawn) cells.push_back(fmt::format("{:.2f}", algbw));
    cells.push_back(fmt::format("{:.2f}", algbw * table.busbw_factor));
    if (banded) cells.push_back(MeasuredText(time, 0));
    cells.push_back(ChoiceText(table, i));
    rows.AddRow(std::move(cells));
  }
  return rows.Format(width) +
         "# out of place, GB/s; nccl-tests' columns: on a wider terminal, or into a file\n";
}

// What the column of measured times is, or why there is none.
std::string ErrorLine(const CollectiveTable& table) {
  if (!table.unlike.empty())
    return fmt::format(
        "# error unknown: ranks are on {}, where a plain ring is timed, without NCCL's choice and "
        "its band\n",
        table.unlike);
  if (table.calibration.empty()) return "# error unknown: no calibration\n";
  if (!Banded(table))
    return fmt::format("# error unknown: {} states none of such hosts\n", table.calibration);
  const bool covered =
      std::all_of(table.times.begin(), table.times.end(),
                  [](const CollectiveTimeRow& one) { return one.in_range.value_or(true); });
  return fmt::format("# 90 % measured: where nine of ten times of tables held out are{}{}\n",
                     table.known_hardware ? "" : ", such hardware left out of the fit whole",
                     covered                ? ""
                     : table.known_hardware ? "; !: no table is like this, the nearest are"
                                            : "; !: no table is of such");
}

// Lines that begin with #, broken so that the rest of each does, too.
std::string CommentsText(const std::string& lines, int width) {
  std::string out;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    std::istringstream parts(Wrap(line, width - 2, 0));
    for (std::string part; std::getline(parts, part);)
      out += (part.front() == '#' ? "" : "#   ") + part + '\n';
  }
  return out;
}

std::string SearchText(const NcclPlan& plan, int width) {
  Table table;
  table.AddColumn("search", Align::kLeft);
  table.AddColumn("pattern", Align::kLeft);
  for (const char* column : {"channels", "GB/s inside", "GB/s between"}) table.AddColumn(column);
  table.AddColumn("paths", Align::kLeft);
  for (const auto& [name, graph] : Graphs(plan.comm))
    table.AddRow({name, PatternName(graph->pattern), FormatCount(graph->channels()),
                  FormatSignificant(graph->rate_intra, 4), FormatSignificant(graph->rate_inter, 4),
                  plan.comm.nodes > 1 ? fmt::format("{}/{}", NcclPathName(graph->type_intra),
                                                    NcclPathName(graph->type_inter))
                                      : NcclPathName(graph->type_intra)});
  return table.Format(width);
}

std::string CandidatesText(const NcclPlan& plan, int width) {
  std::string out;
  for (const NcclPlanRow& row : plan.rows) {
    std::string line = FormatBytes(row.bytes) + ':';
    for (const NcclCandidate& c : row.candidates)
      line += fmt::format("{} {}/{} {}", &c == &row.candidates.front() ? "" : ",",
                          NcclName(c.algorithm), NcclName(c.protocol), Microseconds(c.time_us));
    if (!row.candidates.empty()) out += Wrap(line, width, 2) + '\n';
  }
  return out;
}

std::string RingsText(const NcclPlan& plan, int width) {
  std::string out;
  const std::vector<std::vector<int>>& rings = plan.shapes.rings;
  for (std::size_t c = 0; c < rings.size(); ++c) {
    std::string line = fmt::format("channel {}:", c);
    for (const int rank : rings[c]) line += fmt::format(" {}", rank);
    out += Wrap(line, width, 2) + '\n';
  }
  return out;
}

}  // namespace

std::string CollectiveTableText(const CollectiveTable& table, bool explain, int width,
                                CollectiveRows shape) {
  const NcclPlan& plan = table.plan;
  const NcclComm& comm = plan.comm;
  const bool plain = !table.unlike.empty();
  std::string head =
      plain ? fmt::format("# {} on {} ranks: {} {}\n", plan.op, comm.ranks(), table.hosts,
                          table.unlike)
            : fmt::format("# {} on {} ranks: {} x {} of {}, NCCL {}\n", plan.op, comm.ranks(),
                          comm.nodes, comm.per_node, table.host, Version(plan));
  head += fmt::format("# simulated {}, {}\n",
                      table.fabric.empty()
                          ? std::string("on a network that does not block")
                          : fmt::format("on {}, {} hash seeds", table.fabric, table.seeds),
                      plain                       ? "a ring's constants (physics:)"
                      : table.calibration.empty() ? "constants uncalibrated"
                                                  : "constants of " + table.calibration);
  head += ErrorLine(table);
  std::string out = shape == CollectiveRows::kShort
                        ? CommentsText(head, width) + ShortRowsText(table, width)
                        : head + RowsText(table);
  if (!explain || plain) return out;
  out +=
      fmt::format("\nchannels: {} for rings and trees, {} for NVLS, {} for sends, {} a peer\n",
                  comm.channels, comm.nvls_channels, comm.p2p_channels, comm.p2p_channels_per_peer);
  out += SearchText(plan, width);
  const std::string candidates = CandidatesText(plan, width);
  if (!candidates.empty()) out += "\ncandidates by NCCL's own estimate, us\n" + candidates;
  if (!candidates.empty() && comm.tuner != EfaTuner::kNone)
    out += "EFA's plugin chooses before these estimates, where it has a choice\n";
  constexpr int kFewRanks = 64;
  if (comm.ranks() <= kFewRanks)
    out += "\nrings\n" + RingsText(plan, width);
  else
    out += "\nrings, trees and heads: --json\n";
  return out;
}

std::string CollectiveTableJson(const CollectiveTable& table, bool explain) {
  const NcclPlan& plan = table.plan;
  const bool plain = !table.unlike.empty();
  Json out = {
      {"schema", "weft.collective/1"},
      {"weft", kWeftVersion},
      {"host", table.host},
      {"fabric", table.fabric.empty() ? Json(nullptr) : Json(table.fabric)},
      {"calibration", plain || table.calibration.empty() ? Json(nullptr) : Json(table.calibration)},
      {"nccl", plain ? Json(nullptr) : Json(Version(plan))},
      {"plain_ring", plain ? Json("ranks are on " + table.unlike) : Json(nullptr)},
      {"ranks", plan.comm.ranks()},
      {"nodes", plain ? Json(table.hosts) : Json(plan.comm.nodes)},
      {"seeds", table.seeds},
      {"rows", Json::array()}};
  for (std::size_t i = 0; i < plan.rows.size(); ++i)
    out["rows"].push_back(ToJson(table, i, explain));
  if (explain && !plain) out["graphs"] = Shapes(plan);
  return out.dump() + '\n';
}

}  // namespace weft
