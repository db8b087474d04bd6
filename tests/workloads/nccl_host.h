// A host as NCCL's tests take it: a preset's name, or YAML.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "hardware/parts.h"

namespace weft {

inline HostPart NcclHost(const std::string& text) {
  const PresetTable presets(HardwarePresets());
  const bool name = text.find('{') == std::string::npos;
  const auto spec =
      ParseText<HostSpec>(name ? "preset: " + text : text, "host.yaml", {&presets, {}, nullptr});
  EXPECT_TRUE(spec) << text;
  const auto part = MakeHostPart(spec->message, spec->sources, "");
  EXPECT_TRUE(part) << text;
  return *part;
}

}  // namespace weft
