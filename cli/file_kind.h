// What a file is, of those that weft's commands read and write, so that one handed to the wrong
// command is named, and with it the command that takes it.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace weft::cli {

// What a command reads.
enum class FileKind {
  kScenario,
  kQuestion,
  kPlan,
  kBill,
  kTable,
  kHost,
  kFabric,
  kCalibration,
  kSheet,
  kMatrix
};

// What to say of `path` where `wanted` is read and it is something else; none where it is `wanted`
// or nothing that weft knows.
std::optional<Error> ForeignTo(FileKind wanted, const std::string& path);

// `result`; where that is errors and `path` is something else, that alone.
template <typename T>
Result<T> OrForeign(Result<T> result, FileKind wanted, const std::string& path) {
  if (result) return result;
  if (const std::optional<Error> foreign = ForeignTo(wanted, path))
    return tl::make_unexpected(Errors{*foreign});
  return result;
}

}  // namespace weft::cli
