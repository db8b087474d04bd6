#include "sim/engines.h"

#include <array>

#include "base/check.h"
#include "sim/analytic/analytic_simulation.h"
#include "sim/flow/folded_simulation.h"
#include "sim/simgrid/simgrid_simulation.h"

namespace weft {
namespace {

template <typename Engine>
std::unique_ptr<Simulation> Make(const SimulationInput& input) {
  return std::make_unique<Engine>(input);
}

constexpr std::array kEngines{
    EngineInfo{EngineKind::kFlow, "flow", "max-min fair flows", Make<FoldedSimulation>},
    EngineInfo{EngineKind::kAnalytic, "analytic", "a lower bound in closed form",
               Make<AnalyticSimulation>},
    EngineInfo{EngineKind::kSimgrid, "simgrid",
               "max-min fair flows by SimGrid's solver, a reference", Make<SimgridSimulation>},
};

}  // namespace

std::span<const EngineInfo> Engines() { return kEngines; }

std::string_view EngineName(EngineKind kind) {
  return kEngines[static_cast<std::size_t>(kind)].name;
}

std::optional<EngineKind> FindEngine(std::string_view name) {
  for (const EngineInfo& engine : kEngines)
    if (engine.name == name) return engine.kind;
  return std::nullopt;
}

std::string EngineNames() {
  std::string names;
  for (const EngineInfo& engine : kEngines) {
    if (!names.empty()) names += ", ";
    names += engine.name;
  }
  return names;
}

std::unique_ptr<Simulation> MakeSimulation(EngineKind kind, const SimulationInput& input) {
  const EngineInfo& engine = kEngines[static_cast<std::size_t>(kind)];
  WEFT_CHECK(engine.kind == kind);
  return engine.make(input);
}

}  // namespace weft
