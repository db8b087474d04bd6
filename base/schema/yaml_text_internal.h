// What must hold of a text before a YAML parser may see it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

inline constexpr int kMaxNesting = 64;
inline constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;

// The first reason not to parse `text`: too large, empty, not UTF-8, a control
// character, a tab that indents, brackets nested too deep (which would cost a parser
// its stack).
std::optional<Error> CheckYamlText(std::string_view text, const std::string& file);

}  // namespace weft
