#include "scenario/flow_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "sim/path_table.h"

namespace weft {
namespace {

constexpr std::size_t kMostNamed = 8;          // rows named in `after`
constexpr std::size_t kFlushBytes = 1u << 16;  // handed to the stream at a time

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

// num/den bytes, whole where they are.
std::string PartOfBytes(__int128 num, std::int64_t den) {
  if (num % den == 0) return std::to_string(static_cast<std::int64_t>(num / den));
  return fmt::format("{:.3f}", static_cast<double>(num) / static_cast<double>(den));
}

class FlowWriter {
 public:
  FlowWriter(const PreparedScenario& scenario, const FlowListOptions& options, std::ostream& out)
      : scenario_(scenario),
        workload_(*scenario.workload),
        program_(workload_.program),
        options_(options),
        out_(out),
        last_of_stream_(program_.stream_count, kNone) {
    if (!options.paths) return;
    paths_.emplace(*scenario.fabric, *scenario.router, scenario.physics,
                   HashSeed{scenario.first_seed});
    paths_->Append(program_, 0);
  }

  bool Write() {
    text_ =
        "row,operation,times,after,algorithm,protocol,channel,round,flow,waits_for,source,"
        "destination,over,bytes,steps,qps";
    text_ += paths_ ? ",qp,links\n" : "\n";
    for (std::uint32_t row = 0; row < program_.ops.size(); ++row) {
      const Op& op = program_.ops[row];
      const bool sends = op.kind == Op::Kind::kPattern || op.kind == Op::Kind::kSend;
      if (sends) StartRow(row, op);
      for (std::uint32_t i = 0; i < op.stream_count; ++i)
        last_of_stream_[program_.streams[op.first_stream + i]] = row;
      if (op.kind == Op::Kind::kPattern && !AddPattern(op)) return false;
      if (op.kind == Op::Kind::kSend && !AddSend(op)) return false;
    }
    return Flush();
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;

  std::uint32_t TimesOf(std::uint32_t row) {
    while (block_ < program_.blocks.size() &&
           row >= program_.blocks[block_].first_row + program_.blocks[block_].rows)
      ++block_;
    const bool inside = block_ < program_.blocks.size() && row >= program_.blocks[block_].first_row;
    return inside ? program_.blocks[block_].times : 1;
  }

  std::string AfterOf(const Op& op) const {
    std::set<std::string> seen;
    std::vector<std::string> names;
    const auto add = [&](std::string name) {
      if (seen.insert(name).second) names.push_back(std::move(name));
    };
    std::set<std::uint32_t> rows;
    for (std::uint32_t i = 0; i < op.stream_count; ++i)
      rows.insert(last_of_stream_[program_.streams[op.first_stream + i]]);
    for (const std::uint32_t row : rows)
      if (row != kNone) add(std::to_string(row));
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program_.deps[op.first_dep + i];
      add(dep.back == 0 ? std::to_string(dep.row) : fmt::format("{}@-{}", dep.row, dep.back));
    }
    const std::size_t more = names.size() > kMostNamed ? names.size() - kMostNamed : 0;
    names.resize(names.size() - more);
    if (more > 0) names.push_back(fmt::format("+{}", more));
    return fmt::format("{}", fmt::join(names, " "));
  }

  const WorkloadItem* ItemOf(std::uint32_t row) {
    const auto last = [](const WorkloadItem& item) {
      return Index(item.rows_by_group.back().back());
    };
    while (item_ < workload_.items.size() && last(workload_.items[item_]) < row) ++item_;
    return item_ < workload_.items.size() ? &workload_.items[item_] : nullptr;
  }

  // What all flows of a row begin with.
  void StartRow(std::uint32_t row, const Op& op) {
    const WorkloadItem* item = ItemOf(row);
    head_ = fmt::format("{},{},{},{},{},{},", row, CsvCell(RowName(workload_, RowId{row})),
                        TimesOf(row), AfterOf(op), item == nullptr ? "" : item->algorithm,
                        item == nullptr ? "" : item->protocol);
  }

  std::string Over(VertexId from, VertexId to) const {
    const Fabric& fabric = *scenario_.fabric;
    const HostId host = fabric.vertex(from).host;
    if (host == kNoHost || host != fabric.vertex(to).host) return "network";
    return fabric.host(host).nvswitch == kNoVertex ? "host" : "nvlink";
  }

  std::string WaitsFor(const Pattern& pattern, const Edge& edge) const {
    if (pattern.advance == Pattern::Advance::kRounds)
      return edge.round < pattern.window ? ""
                                         : fmt::format("round {}", edge.round - pattern.window);
    std::string out;
    for (std::uint32_t i = 0; i < edge.feed_count; ++i) {
      const Feed& feed = pattern.feeds[edge.first_feed + i];
      out += fmt::format("{}{}:{}", out.empty() ? "" : " ", feed.edge, feed.lag);
    }
    return out;
  }

  bool AddPattern(const Op& op) {
    const Pattern& pattern = program_.patterns[op.subject];
    const bool rounds = pattern.advance == Pattern::Advance::kRounds;
    for (std::uint32_t e = 0; e < pattern.edges.size(); ++e) {
      const Edge& edge = pattern.edges[e];
      const std::string bytes =
          op.first_amount != 0
              ? std::to_string(program_.amounts[op.first_amount + e].count())
              : PartOfBytes(static_cast<__int128>(op.amount) * edge.wire_num, edge.wire_den);
      const std::string line = fmt::format("{}{},{},{},{},{},{},{},{},{},{}", head_, edge.channel,
                                           rounds ? std::to_string(edge.round) : "", e,
                                           WaitsFor(pattern, edge), Name(edge.from), Name(edge.to),
                                           Over(edge.from, edge.to), bytes, edge.steps, edge.qps);
      if (!AddFlow(line, op, e)) return false;
    }
    return true;
  }

  bool AddSend(const Op& op) {
    const Send& send = program_.sends[op.subject];
    return AddFlow(fmt::format("{}0,,0,,{},{},{},{},1,{}", head_, Name(send.from), Name(send.to),
                               Over(send.from, send.to), op.amount, send.qps),
                   op, 0);
  }

  std::string Name(VertexId id) const { return CsvCell(scenario_.fabric->Name(id)); }

  std::string LinksOf(const PathTable::Qp& qp) const {
    std::string out;
    const auto hops = paths_->hops(qp);
    const auto shares = paths_->shares(qp);
    for (std::size_t i = 0; i < hops.size(); ++i) {
      if (i > 0) out += ' ';
      out += scenario_.fabric->PortName(hops[i]);
      if (!shares.empty() && shares[i] != 1) out += fmt::format("*{:.4g}", shares[i]);
    }
    return CsvCell(out);
  }

  bool AddFlow(const std::string& line, const Op& op, std::uint32_t edge) {
    if (!paths_) {
      text_ += line;
      text_ += '\n';
    } else {
      const PathTable::Subject& subject = paths_->subject(0, op);
      const PathTable::Edge& bound = paths_->edges()[subject.first_edge + edge];
      for (std::uint32_t q = 0; q < bound.qps; ++q)
        fmt::format_to(std::back_inserter(text_), "{},{},{}\n", line, q,
                       LinksOf(paths_->qps()[bound.first_qp + q]));
    }
    return text_.size() < kFlushBytes || Flush();
  }

  bool Flush() {
    out_.write(text_.data(), static_cast<std::streamsize>(text_.size()));
    text_.clear();
    return out_.good() && !(options_.stop && options_.stop());
  }

  const PreparedScenario& scenario_;
  const Workload& workload_;
  const Program& program_;
  const FlowListOptions& options_;
  std::ostream& out_;
  std::optional<PathTable> paths_;
  std::vector<std::uint32_t> last_of_stream_;  // [stream_count] row
  std::size_t block_ = 0, item_ = 0;           // the row's, or the next
  std::string head_, text_;
};

}  // namespace

bool WriteFlows(const PreparedScenario& scenario, const FlowListOptions& options,
                std::ostream& out) {
  return FlowWriter(scenario, options, out).Write();
}

}  // namespace weft
