#include "report/plan.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/version.h"
#include "report/numbers.h"
#include "report/table.h"

namespace weft {
namespace {

using Json = nlohmann::ordered_json;

// Three decimals, as NCCL's own estimates are printed.
double Rounded(double us) { return std::round(us * 1000) / 1000; }

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

Json ToJson(const NcclPlan& plan, const NcclPlanRow& row, bool explain) {
  Json out = {{"op", plan.op}, {"bytes", row.bytes.count()}};
  const auto& choice = row.choice;
  out["algorithm"] = choice ? Json(NcclName(choice->algorithm)) : Json(nullptr);
  out["protocol"] = choice ? Json(NcclName(choice->protocol)) : Json(nullptr);
  out["channels"] = choice ? choice->channels : plan.comm.p2p_channels_per_peer;
  out["predicted_us"] = choice ? Json(Rounded(choice->predicted_us)) : Json(nullptr);
  if (!choice) return out;
  out["most_channels"] = choice->most_channels;
  out["threads"] = choice->threads;
  out["chunk_bytes"] = choice->chunk.count();
  if (!explain) return out;
  out["candidates"] = Json::array();
  for (const NcclCandidate& c : row.candidates)
    out["candidates"].push_back({{"algorithm", NcclName(c.algorithm)},
                                 {"protocol", NcclName(c.protocol)},
                                 {"predicted_us", Rounded(c.time_us)}});
  return out;
}

std::string Microseconds(double us) { return fmt::format("{:.2f}", us); }

std::string RowsText(const NcclPlan& plan, int width) {
  Table table;
  for (const char* column : {"size", "algorithm", "protocol", "channels", "threads", "chunk"})
    table.AddColumn(column);
  table.AddColumn("NCCL's estimate, us");
  for (const NcclPlanRow& row : plan.rows) {
    const auto& choice = row.choice;
    if (!choice) {
      table.AddRow({FormatBytes(row.bytes), "-", "-", FormatCount(plan.comm.p2p_channels_per_peer),
                    "-", "-", "-"});
      continue;
    }
    table.AddRow({FormatBytes(row.bytes), std::string(NcclName(choice->algorithm)),
                  std::string(NcclName(choice->protocol)), FormatCount(choice->channels),
                  FormatCount(choice->threads), FormatBytes(choice->chunk),
                  Microseconds(choice->predicted_us)});
  }
  return table.Format(width);
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

std::string NcclPlanText(const NcclPlan& plan, const std::string& host, bool explain, int width) {
  const NcclComm& comm = plan.comm;
  std::string out = fmt::format("{}, {} ranks: {} x {} on {}; what NCCL {} would choose\n", plan.op,
                                comm.ranks(), comm.nodes, comm.per_node, host, Version(plan));
  out += RowsText(plan, width);
  out += Wrap(
      "The estimate is the one NCCL chooses by; it is no simulated time. Simulated times: weft "
      "simulate.",
      width, 2);
  out += '\n';
  if (!explain) return out;
  out +=
      fmt::format("\nchannels: {} for rings and trees, {} for NVLS, {} for sends, {} a peer\n",
                  comm.channels, comm.nvls_channels, comm.p2p_channels, comm.p2p_channels_per_peer);
  out += SearchText(plan, width);
  const std::string candidates = CandidatesText(plan, width);
  if (!candidates.empty()) out += "\ncandidates, us\n" + candidates;
  constexpr int kFewRanks = 64;
  if (comm.ranks() <= kFewRanks)
    out += "\nrings\n" + RingsText(plan, width);
  else
    out += "\nrings, trees and heads: --json\n";
  return out;
}

std::string NcclPlanJson(const NcclPlan& plan, const std::string& host, bool explain) {
  Json out = {
      {"schema", "weft.collective/1"}, {"weft", kWeftVersion},       {"host", host},
      {"nccl", Version(plan)},         {"ranks", plan.comm.ranks()}, {"nodes", plan.comm.nodes},
      {"rows", Json::array()}};
  for (const NcclPlanRow& row : plan.rows) out["rows"].push_back(ToJson(plan, row, explain));
  if (explain) out["graphs"] = Shapes(plan);
  return out.dump() + '\n';
}

}  // namespace weft
