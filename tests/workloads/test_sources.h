// Positions of the keys that errors of a workload name, as if read from a file.
#pragma once

#include <fmt/format.h>

#include <initializer_list>
#include <sstream>
#include <string>

#include "base/schema/reader.h"

namespace weft {

// `paths[i]` was written on line i + 1 of job.yaml.
inline SourceMap SourcesOf(std::initializer_list<const char*> paths) {
  SourceMap sources;
  int line = 0;
  for (const char* path : paths) {
    Origin origin;
    origin.pos = {"job.yaml", ++line, 3};
    sources.Add(path, origin);
  }
  return sources;
}

// One a line, as they are printed.
inline std::string TextOf(const Errors& errors) {
  std::ostringstream out;
  for (const Error& error : errors) out << error << '\n';
  return out.str();
}

}  // namespace weft
