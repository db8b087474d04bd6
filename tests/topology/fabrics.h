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

// A small fabric of a family drawn from the seed.
inline std::string RandomFabricText(std::uint64_t seed) {
  Random random(StreamSeed(seed, {77}));
  const auto one_to = [&](std::uint32_t most) { return 1 + random.Below(most); };
  const std::uint32_t gpus = one_to(4);
  const std::string host =
      fmt::format("host: {{ preset: hgx-h800, power: 4kW, gpus: {}, nics: {} }}", gpus,
                  random.Below(2) == 0 ? gpus : one_to(3));
  switch (random.Below(4)) {
    case 0:
      return fmt::format(
          "{{ family: leaf_spine, leaves: {}, spines: {}, hosts_per_leaf: {}, link: 100Gbps, "
          "links_per_pair: {}{} }}",
          one_to(4), one_to(4), one_to(3), one_to(3), random.Below(2) == 0 ? "" : ", " + host);
    case 1: {
      const std::uint32_t aggs = one_to(4);
      return fmt::format(
          "{{ family: dcn_plus, pods: {}, segments: {}, hosts: {}, aggs: {}, links_per_agg: {}, "
          "agg_uplinks: {}, core_groups: {}, {} }}",
          one_to(3), one_to(3), one_to(2), aggs, one_to(2), one_to(3), one_to(aggs), host);
    }
    default: {
      const std::uint32_t aggs = one_to(4);
      const char* const tors[] = {"tors: dual, planes: 2", "tors: dual, planes: 1",
                                  "tors: single, planes: 1", "tors: dual_stacked, planes: 2"};
      return fmt::format(
          "{{ family: hpn, pods: {}, segments: {}, hosts: {}, reserved_hosts: 0, {}, "
          "rail_optimized: {}, aggs_per_plane: {}, core_groups_per_plane: {}, "
          "core_oversubscription: 40, {} }}",
          one_to(3), one_to(3), one_to(2), tors[random.Below(4)],
          random.Below(2) == 0 ? "true" : "false", aggs, one_to(aggs), host);
    }
  }
}

}  // namespace weft
