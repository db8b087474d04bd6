// What an iteration sends, by group and link class.
#include <algorithm>

#include "scenario/iteration_rows_internal.h"

namespace weft {

std::vector<GroupBytes> BytesByGroup(const PreparedScenario& scenario) {
  const TrainingProgram& training = *scenario.workload->training;
  const Program& program = scenario.workload->program;
  GroupBytes tensor{"tensor", 0, 0, false}, context{"context", 0, 0, false},
      expert{"expert", 0, 0, false}, pipeline{"pipeline"}, data{"data"};
  using Kind = TrainingRow::Kind;
  const auto group_of = [&](Kind kind) -> GroupBytes& {
    switch (kind) {
      case Kind::kSend:
        return pipeline;
      case Kind::kTensor:
        return tensor;
      case Kind::kContext:
        return context;
      case Kind::kExpert:
        return expert;
      default:
        return data;
    }
  };
  const Fabric& fabric = *scenario.fabric;
  const auto segment_of = [&](VertexId vertex) {
    const Host& host = fabric.host(fabric.vertex(vertex).host);
    return std::pair(host.pod, host.segment);
  };
  for (std::uint32_t row = 0; row < program.ops.size(); ++row) {
    const Op& op = program.ops[row];
    if (op.kind != Op::Kind::kPattern) continue;
    const bool repeated =
        row >= training.first_block_row && row < training.first_block_row + training.block_rows;
    const auto times = repeated ? static_cast<double>(training.passes + training.skipped) : 1.0;
    GroupBytes& group = group_of(training.rows[row].kind);
    for (const Edge& edge : program.patterns[op.subject].edges) {
      const double bytes = times * WireBytes(edge, op.bytes());
      (edge.edge_class == 0 ? group.nvlink : group.network) += bytes;
      if (edge.edge_class != 0 && segment_of(edge.from) != segment_of(edge.to))
        *group.between_segments += bytes;
    }
  }
  const Parallel& p = training.training.parallel;
  const double passes =
      static_cast<double>(training.training.micro_batches()) * p.data * p.tensor * p.context;
  const auto book = [&](const Exchange& exchange, GroupBytes& group) {
    group.simulated = group.simulated || IsSimulated(training.training, exchange);
    if (IsSimulated(training.training, exchange)) return;
    group.network += passes * exchange.network_bytes;
    group.nvlink += passes * (exchange.bytes - exchange.network_bytes);
  };
  for (const ChunkCost& chunk : training.cost.chunks)
    for (const PassCost* pass : {&chunk.forward, &chunk.backward}) {
      book(pass->tensor, tensor);
      book(pass->context, context);
      book(pass->expert, expert);
    }
  const std::vector<GpuId>& gpus = scenario.placement.gpu_of_rank;
  const bool segments = std::any_of(gpus.begin(), gpus.end(), [&](GpuId gpu) {
    return segment_of(fabric.gpu(gpu)) != segment_of(fabric.gpu(gpus.front()));
  });
  for (GroupBytes* group : {&tensor, &context, &expert})
    if (segments && group->network > 0 && !group->simulated) group->between_segments = std::nullopt;
  std::vector<GroupBytes> out;
  for (const GroupBytes& group : {tensor, context, expert, pipeline, data})
    if (group.nvlink + group.network > 0) out.push_back(group);
  return out;
}

}  // namespace weft
