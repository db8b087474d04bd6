// Fabrics for tests: from the text a user would write below `fabric:`.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "hardware/parts.h"
#include "topology/build.h"

namespace weft {

inline std::string TextOf(const Errors& errors) {
  std::ostringstream out;
  for (const Error& error : errors) out << error << '\n';
  return out.str();
}

inline PresetTable TestPresets() {
  std::vector<Preset> presets = HardwarePresets();
  for (Preset& preset : TopologyPresets()) presets.push_back(std::move(preset));
  return PresetTable(std::move(presets));
}

// Positions under `path`, as if the text stood there in a scenario.
template <typename Spec>
Result<Located<Spec>> ReadAt(const std::string& path, const std::string& text) {
  const PresetTable presets = TestPresets();
  WEFT_TRY(const Located<Spec> read, ParseText<Spec>(text, "test.yaml", {&presets, {}, nullptr}));
  Located<Spec> out{read.message, {}};
  for (const auto& [key, origin] : read.sources.entries())
    out.sources.Add(key.empty() ? path : path + '.' + key, origin);
  return out;
}

inline Result<Fabric> TryFabric(const std::string& text) {
  WEFT_TRY(const Located<FabricSpec> spec, ReadAt<FabricSpec>("fabric", text));
  return BuildFabric(spec.message, nullptr, spec.sources);
}

inline Fabric MakeFabric(const std::string& text) {
  Result<Fabric> fabric = TryFabric(text);
  if (fabric) return *std::move(fabric);
  ADD_FAILURE() << text << '\n' << TextOf(fabric.error());
  std::abort();  // nothing sensible can follow
}

// What TryFabric says about a text that must fail.
inline std::string ErrorsOf(const std::string& text) {
  const Result<Fabric> fabric = TryFabric(text);
  return fabric ? "no error" : TextOf(fabric.error());
}

// A small fabric of any family, drawn from the seed: the first draw that can be built.
std::string RandomFabricText(std::uint64_t seed);

}  // namespace weft
