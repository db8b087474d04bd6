// The version of weft, as results and `weft --version` print it.
#pragma once

namespace weft {

inline constexpr const char* kWeftVersion = "0.1.0";

}  // namespace weft
