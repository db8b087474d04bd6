// What NCCL would do, as text and as JSON.
//
// `explain` adds the candidates and the shapes: what the search found, rings, trees, NVLS heads,
// and the send order of an all-to-all.
#pragma once

#include <string>

#include "workloads/collectives/nccl/plan.h"

namespace weft {

std::string NcclPlanText(const NcclPlan& plan, const std::string& host, bool explain, int width);
std::string NcclPlanJson(const NcclPlan& plan, const std::string& host, bool explain);

}  // namespace weft
