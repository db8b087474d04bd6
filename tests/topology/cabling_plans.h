// Cabling plans for tests: from the texts a user would write below `fabric:` and `cabling:`.
#pragma once

#include <memory>
#include <string>

#include "tests/topology/fabrics.h"
#include "topology/cabling.h"

namespace weft {

// Everything a plan needs to live.
struct Planned {
  Located<FabricSpec> spec;
  Located<CablingSpec> cabling;
  std::unique_ptr<SourceMap> sources = std::make_unique<SourceMap>();
  Fabric fabric;
  CablingParts parts;
  CablingPlan plan;
};

inline Result<Planned> TryPlan(const std::string& fabric, const std::string& cabling = "{}") {
  Planned out;
  WEFT_TRY(out.spec, ReadAt<FabricSpec>("fabric", fabric));
  WEFT_TRY(out.cabling, ReadAt<CablingSpec>("cabling", cabling));
  for (const auto& [path, origin] : out.spec.sources.entries()) out.sources->Add(path, origin);
  for (const auto& [path, origin] : out.cabling.sources.entries()) out.sources->Add(path, origin);
  WEFT_TRY(out.fabric, BuildFabric(out.spec.message, nullptr, *out.sources));
  WEFT_TRY(out.parts, MakeCablingParts(out.fabric, out.spec.message, nullptr, out.cabling.message,
                                       *out.sources));
  WEFT_TRY(out.plan, PlanCabling(out.fabric, out.parts));
  return out;
}

inline Planned MakePlan(const std::string& fabric, const std::string& cabling = "{}") {
  Result<Planned> plan = TryPlan(fabric, cabling);
  if (plan) return *std::move(plan);
  ADD_FAILURE() << fabric << '\n' << cabling << '\n' << TextOf(plan.error());
  std::abort();  // nothing sensible can follow
}

inline std::string PlanErrors(const std::string& fabric, const std::string& cabling = "{}") {
  const Result<Planned> plan = TryPlan(fabric, cabling);
  return plan ? "no error" : TextOf(plan.error());
}

}  // namespace weft
