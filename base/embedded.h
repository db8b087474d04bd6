// A data file compiled into the binary: a preset, a default. Produced by
// weft_embed() in cmake/weft.cmake.
#pragma once

#include <string_view>

namespace weft {

struct EmbeddedFile {
  std::string_view path;  // from the source root: "hardware/presets/hgx-h800.yaml"
  std::string_view text;
};

}  // namespace weft
