// The engines there are, by name.
//
// One more engine is one subclass of Simulation, a value here and one of
// ScenarioSpec.Engine, and one row of the table in engines.cc.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sim/simulation.h"

namespace weft {

enum class EngineKind : std::uint8_t { kFlow, kAnalytic, kSimgrid };

struct EngineInfo {
  EngineKind kind{};
  std::string_view name;  // as users write it
  std::string_view doc;   // one line
  std::unique_ptr<Simulation> (*make)(const SimulationInput& input) = nullptr;
};

// In the order of EngineKind.
std::span<const EngineInfo> Engines();

std::string_view EngineName(EngineKind kind);

// None where no engine has that name; EngineNames() lists what exists.
std::optional<EngineKind> FindEngine(std::string_view name);
std::string EngineNames();  // "flow, analytic, simgrid"

// Requires: input.fabric and input.router outlive the simulation; input.events
// are sorted by time.
std::unique_ptr<Simulation> MakeSimulation(EngineKind kind, const SimulationInput& input);

}  // namespace weft
