// How far off an iteration's communication may be, by what the calibration says of its kinds.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "scenario/iteration_rows_internal.h"

namespace weft {
namespace {

using Kind = TrainingRow::Kind;

// Of two bands the wider; one that there is not says nothing of the other.
void Widen(const StatedError& one, StatedError& all) {
  all.known_hardware = all.known_hardware && one.known_hardware;
  if (!one.band) return;
  if (!all.band) all.band = one.band;
  all.band->low = std::min(all.band->low, one.band->low);
  all.band->high = std::max(all.band->high, one.band->high);
}

// Tensor, context and expert collectives, by the size of one layer's: bands are told apart by
// powers of 16.
void StatePriced(const TrainingProgram& t, const Calibration& calibration, const HostPart& host,
                 std::vector<StatedError>& out) {
  const Training& training = t.training;
  const Parallel& p = training.parallel;
  const auto state = [&](CommunicationKind kind, const char* op, double bytes, int ranks,
                         int hosts) {
    if (ranks < 2 || bytes <= 0) return;
    Widen(StatedErrorOf(calibration, host,
                        {op, Bytes(static_cast<std::int64_t>(bytes)), ranks, hosts}),
          out[static_cast<std::size_t>(kind)]);
  };
  constexpr double kBf16 = 2;
  const auto tokens = static_cast<double>(training.micro_batch * training.sequence) / p.context;
  state(CommunicationKind::kTensor, p.sequence ? "all_gather" : "all_reduce",
        tokens * training.model.hidden * kBf16, p.tensor, HostsOfRanks(t.net, p.tensor));
  for (const ChunkCost& chunk : t.cost.chunks) {
    const double layers = std::max(1, chunk.layers);
    const auto whole = [&](const Exchange& exchange, int ranks) {
      return ranks > 1 ? exchange.bytes / layers * ranks / (ranks - 1) : 0;
    };
    state(CommunicationKind::kContext, "all_gather", whole(chunk.forward.context, p.context),
          p.context, std::min(p.context, HostsOfRanks(t.net, p.tensor * p.context)));
    // Dispatch and combine.
    state(CommunicationKind::kExpert, "all_to_all", whole(chunk.forward.expert, p.expert) / 2,
          p.expert, HostsOfReplicas(training, t.net, p.expert, 1).hosts);
  }
}

const char* OpOf(const TrainingProgram& t, const TrainingRow& row) {
  if (row.kind == Kind::kSend) return "send_recv";
  if (row.kind == Kind::kGather) return "all_gather";
  return t.training.parallel.zero == 0 ? "all_reduce" : "reduce_scatter";
}

}  // namespace

std::vector<StatedError> StateErrorsOfTraining(const Workload& workload, const Fabric& fabric,
                                               const Calibration& calibration,
                                               const HostPart& host) {
  const TrainingProgram& training = *workload.training;
  std::vector<StatedError> out(kCommunicationKinds);
  StatePriced(training, calibration, host, out);
  std::set<std::tuple<Kind, std::uint32_t, std::int64_t>> seen;
  for (std::size_t row = 0; row < workload.program.ops.size(); ++row) {
    const Op& op = workload.program.ops[row];
    if (op.kind != Op::Kind::kPattern) continue;
    const TrainingRow& is = training.rows[row];
    if (IsExchange(is.kind)) continue;  // by the size of one layer's, above
    if (!seen.emplace(is.kind, op.subject, op.amount).second) continue;
    const Pattern& pattern = workload.program.patterns[op.subject];
    const bool send = is.kind == Kind::kSend;
    std::set<HostId> hosts;
    for (const VertexId gpu : pattern.ranks) hosts.insert(fabric.vertex(gpu).host);
    const bool leaves = std::any_of(pattern.edges.begin(), pattern.edges.end(),
                                    [](const Edge& edge) { return edge.edge_class != 0; });
    Widen(StatedErrorOf(
              calibration, host,
              {OpOf(training, is), op.bytes(), send ? 2 : static_cast<int>(pattern.ranks.size()),
               !leaves ? 1
               : send  ? 2
                       : static_cast<int>(hosts.size())}),
          out[static_cast<std::size_t>(send ? CommunicationKind::kPipeline
                                            : CommunicationKind::kData)]);
  }
  for (StatedError& one : out) one.in_range = false;
  return out;
}

CommunicationError ErrorOfCommunication(const std::vector<StatedError>& errors,
                                        const TimeSplit& split, double time_s) {
  CommunicationError out;
  if (errors.empty() || time_s <= 0) return out;
  const std::array exposed = {split.tensor_s, split.pipeline_s, split.data_s, split.context_s,
                              split.expert_s};
  double all = 0, low = 0, high = 0;
  for (std::size_t k = 0; k < kCommunicationKinds; ++k) {
    if (exposed[k] <= 0) continue;
    out.known_hardware = out.known_hardware && errors[k].known_hardware;
    if (!errors[k].band) return {};
    all += exposed[k];
    low += exposed[k] * (errors[k].band->low - 1);
    high += exposed[k] * (errors[k].band->high - 1);
  }
  out.in_range = false;
  out.nothing_waits = all <= 0;
  if (out.nothing_waits) return out;
  out.exposed = {low / all, high / all, "held-out"};
  out.time = {low / time_s, high / time_s, "held-out"};
  return out;
}

void WarnOfTimesBeyondPeak(const PreparedScenario& scenario, double mfu,
                           std::vector<Error>& warnings) {
  const TrainingProgram& training = *scenario.workload->training;
  const double causal = mfu * training.cost.flops_per_token_causal / training.cost.flops_per_token;
  if (!training.training.stage_times || causal <= 1) return;
  warnings.push_back({ErrorCode::kInconsistent, scenario.spec.At("workload.training.stage_times"),
                      fmt::format("'stage_times' are shorter than the GPU's peak allows: MFU is "
                                  "{:.0f} % with causal attention",
                                  100 * causal),
                      "times of one micro-batch on all layers of a stage"});
}

}  // namespace weft
