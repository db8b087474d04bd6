// Errors as the lines a user reads.
#pragma once

#include <sstream>
#include <string>

#include "base/result.h"

namespace weft {

inline std::string ErrorLines(const Errors& errors) {
  std::ostringstream out;
  for (const Error& error : errors) out << error << '\n';
  return out.str();
}

}  // namespace weft
