#include "sim/program.h"

#include "base/check.h"

namespace weft {
namespace {

// Whether rows [first, first + count) lie inside a table of `size` rows.
bool Inside(std::size_t first, std::size_t count, std::size_t size) {
  return first <= size && count <= size - first;
}

void CheckPattern(const Pattern& pattern) {
  std::uint16_t channel = 0;
  for (const Edge& edge : pattern.edges) {
    WEFT_CHECK(edge.channel >= channel && edge.channel < pattern.channels);
    channel = edge.channel;
    WEFT_CHECK(edge.wire_den > 0 && edge.qps > 0 && edge.steps > 0);
    WEFT_CHECK(edge.edge_class < pattern.classes.size());
    WEFT_CHECK(Inside(edge.first_feed, edge.feed_count, pattern.feeds.size()));
  }
  for (const Feed& feed : pattern.feeds) WEFT_CHECK(feed.edge < pattern.edges.size());
  WEFT_CHECK(pattern.window > 0);
}

void CheckBlocks(const Program& program) {
  std::size_t end = 0;
  for (const Block& block : program.blocks) {
    WEFT_CHECK(block.first_row >= end && block.rows > 0 && block.times > 0);
    WEFT_CHECK(Inside(block.first_row, block.rows, program.ops.size()));
    end = block.first_row + block.rows;
  }
}

void CheckSubject(const Program& program, const Op& op) {
  if (op.kind == Op::Kind::kPattern) {
    WEFT_CHECK(op.subject < program.patterns.size() && op.tuning < program.tunings.size());
    const std::size_t edges = program.patterns[op.subject].edges.size();
    WEFT_CHECK(op.first_amount == 0 || Inside(op.first_amount, edges, program.amounts.size()));
  }
  if (op.kind == Op::Kind::kSend)
    WEFT_CHECK(op.subject < program.sends.size() && program.sends[op.subject].qps > 0);
}

}  // namespace

void CheckProgram(const Program& program) {
  for (const Pattern& pattern : program.patterns) CheckPattern(pattern);
  CheckBlocks(program);
  WEFT_CHECK(program.host_of_stream.empty() ||
             program.host_of_stream.size() == program.stream_count);

  std::vector<std::size_t> last_op(program.stream_count, ~std::size_t{0});
  for (std::size_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    WEFT_CHECK(op.amount >= 0);
    CheckSubject(program, op);
    WEFT_CHECK(Inside(op.first_stream, op.stream_count, program.streams.size()));
    for (std::uint32_t i = 0; i < op.stream_count; ++i) {
      const std::uint32_t stream = program.streams[op.first_stream + i];
      WEFT_CHECK(stream < program.stream_count && last_op[stream] != row);  // none twice
      last_op[stream] = row;
    }
    WEFT_CHECK(Inside(op.first_dep, op.dep_count, program.deps.size()));
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program.deps[op.first_dep + i];
      WEFT_CHECK(dep.row < program.ops.size() && (dep.back > 0 || dep.row < row));
    }
  }
}

}  // namespace weft
