#include "scenario/collective_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/schema/wording.h"

namespace weft {
namespace {

tl::unexpected<Errors> Wrong(std::string message, std::string hint = {}) {
  return Fail(ErrorCode::kOutOfRange, {"weft", 0, 0}, std::move(message), std::move(hint));
}

double NcclBusbwFactor(const std::string& op, int ranks) {
  const double n = ranks;
  if (op == "all_reduce") return 2 * (n - 1) / n;
  if (op == "all_gather" || op == "reduce_scatter" || op == "all_to_all") return (n - 1) / n;
  return 1;
}

}  // namespace

Result<CollectiveModel> CollectiveModel::Build(const CollectiveQuestion& question) {
  const std::vector<std::string> ops = NcclPlanOps();
  if (std::find(ops.begin(), ops.end(), question.op) == ops.end())
    return Wrong(fmt::format("there is no operation '{}'", question.op), JoinOr(ops));
  const HostPart& host = question.host;
  if (host.compute_capability == 0)
    return Wrong("the host's GPU has no compute capability",
                 "NCCL runs on NVIDIA's GPUs: `gpu:` must name one");
  const std::optional<FoundNcclRules> found = FindNcclRules(question.nccl);
  if (!found)
    return Wrong(fmt::format("--nccl: '{}' is no version", question.nccl), "such as 2.28.9");
  const int per_host = question.gpus_per_host.value_or(std::min(question.gpus, host.gpus));
  if (per_host < 1 || per_host > host.gpus)
    return Wrong(fmt::format("--gpus-per-host is {}", per_host),
                 fmt::format("the host has {} GPUs", host.gpus));
  if (question.gpus < 1 || question.gpus % per_host != 0)
    return Wrong(fmt::format("--gpus is {}", question.gpus),
                 fmt::format("want a multiple of {} GPUs a host", per_host));
  const int hosts = question.gpus / per_host;
  if (hosts > 1 && host.nics == 0)
    return Wrong("the host has no NIC, so its GPUs reach no other host", "fewer --gpus");

  CollectiveModel model;
  model.op_ = question.op;
  model.host_ = host;
  model.version_known_ = found->exact;
  model.busbw_factor_ = NcclBusbwFactor(question.op, question.gpus);
  model.time_question_ = {NcclOpOf(question.op), question.op == "send_recv", question.forced};
  model.comm_ = std::make_shared<const NcclComm>(
      BuildNcclComm(host, hosts, per_host, *found->rules, {.channels = question.channels}));
  model.parameters_ = NcclTimeParameters(*model.comm_, host);
  if (const auto op = model.time_question_.op) {
    WEFT_TRY(const NcclChoice choice,
             ChooseNcclOrSay(*model.comm_, question.op, *op, Bytes(1 << 20), question.forced));
    static_cast<void>(choice);  // the pair is on at every size or at none
  }
  return model;
}

NcclTimeCase CollectiveModel::Case(Bytes bytes) const {
  return MakeNcclTimeCase(*comm_, host_, time_question_, bytes);
}

CollectiveTime CollectiveModel::Time(const NcclTimeCase& which,
                                     const CollectiveConstants& constants) const {
  return NcclTime(which, constants);
}

}  // namespace weft
