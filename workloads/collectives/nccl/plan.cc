#include "workloads/collectives/nccl/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/schema/wording.h"

namespace weft {
namespace {

struct PlanOp {
  const char* name;
  std::optional<NcclOp> op;  // none: made of sends
};

constexpr std::array<PlanOp, 10> kOps = {{{"all_reduce", NcclOp::kAllReduce},
                                          {"all_gather", NcclOp::kAllGather},
                                          {"reduce_scatter", NcclOp::kReduceScatter},
                                          {"broadcast", NcclOp::kBroadcast},
                                          {"reduce", NcclOp::kReduce},
                                          {"all_to_all", std::nullopt},
                                          {"all_to_all_v", std::nullopt},
                                          {"gather", std::nullopt},
                                          {"scatter", std::nullopt},
                                          {"send_recv", std::nullopt}}};

tl::unexpected<Errors> NothingLeft(const NcclComm& comm, const std::string& name, NcclOp op,
                                   const NcclForced& forced) {
  std::string asked, on;
  if (forced.algorithm) asked += NcclName(*forced.algorithm);
  if (forced.protocol)
    asked += (asked.empty() ? "" : " with ") + std::string(NcclName(*forced.protocol));
  for (const NcclCandidate& c : NcclCandidates(comm, op, Bytes(1 << 20)))
    on +=
        fmt::format("{}{}/{}", on.empty() ? "" : ", ", NcclName(c.algorithm), NcclName(c.protocol));
  return Fail(ErrorCode::kInconsistent, {"weft", 0, 0},
              fmt::format("{} is off in NCCL 2.{} for {} on {} hosts of {}", asked,
                          comm.rules->minor, name, comm.nodes, comm.per_node),
              "on are: " + on);
}

}  // namespace

std::vector<std::string> NcclPlanOps() {
  std::vector<std::string> out;
  for (const PlanOp& op : kOps) out.emplace_back(op.name);
  return out;
}

std::string NcclPlanOpCalled(std::string_view text) {
  std::string word = BareWord(text);
  for (const std::string_view program : {"perfmpi", "perf"})
    if (word.ends_with(program)) word.resize(word.size() - program.size());
  if (word == "bcast") return "broadcast";
  for (const PlanOp& op : kOps)
    if (word == BareWord(op.name)) return op.name;
  return {};
}

std::optional<NcclOp> NcclOpOf(std::string_view name) {
  for (const PlanOp& op : kOps)
    if (op.name == name) return op.op;
  return std::nullopt;
}

Result<NcclChoice> ChooseNcclOrSay(const NcclComm& comm, const std::string& name, NcclOp op,
                                   Bytes bytes, const NcclForced& forced) {
  const std::optional<NcclChoice> choice = ChooseNccl(comm, op, bytes, forced);
  if (!choice) return NothingLeft(comm, name, op, forced);
  return *choice;
}

std::string WarningOfForced(const HostPart& host, const NcclForced& forced) {
  if (!forced.protocol || *forced.protocol == NcclProtocol::kSimple || !KeepsToSimple(host))
    return {};
  return fmt::format(
      "{} is forced where EFA's plugin has NCCL keep to Simple: what these NICs send does not "
      "arrive in order, and the plugin warns that data may be corrupted",
      NcclName(*forced.protocol));
}

Result<NcclPlan> BuildNcclPlan(std::string op, NcclComm comm, const std::vector<Bytes>& sizes,
                               const NcclForced& forced) {
  const auto known =
      std::find_if(kOps.begin(), kOps.end(), [&](const PlanOp& one) { return op == one.name; });
  WEFT_CHECK(known != kOps.end());
  NcclPlan plan;
  plan.op = std::move(op);
  plan.comm = std::move(comm);
  for (const Bytes bytes : sizes) {
    NcclPlanRow row;
    row.bytes = bytes;
    if (known->op) {
      WEFT_TRY(row.choice, ChooseNcclOrSay(plan.comm, plan.op, *known->op, bytes, forced));
      row.candidates = NcclCandidates(plan.comm, *known->op, bytes, forced);
    }
    plan.rows.push_back(std::move(row));
  }
  plan.shapes = BuildNcclShapes(plan.comm);
  if (plan.op.starts_with("all_to_all"))
    for (int rank = 0; rank < plan.comm.ranks(); ++rank)
      plan.send_orders.push_back(NcclSendOrder(plan.comm, rank));
  return plan;
}

}  // namespace weft
