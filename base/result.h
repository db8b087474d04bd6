// Result<T>: a value, or every error found, each with its place in the input.
//
// What a user can cause is a Result; what only a bug can cause is a WEFT_CHECK.
// Errors are sorted by position where they are returned, and never empty.
#pragma once

#include <algorithm>
#include <ostream>
#include <string>
#include <tl/expected.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace weft {

// Place in an input file; line and column count from 1, 0 means unknown.
// Columns count bytes, as compilers do.
struct SourcePos {
  std::string file;
  int line = 0;
  int column = 0;

  bool operator==(const SourcePos&) const = default;
};

enum class ErrorCode { kSyntax, kUnknownKey, kOutOfRange, kInconsistent, kIo };

struct Error {
  ErrorCode code = ErrorCode::kSyntax;
  SourcePos pos;
  std::string message;  // what is wrong, with the value found
  std::string hint;     // what to write instead; may be empty
};

inline std::ostream& operator<<(std::ostream& out, const Error& e) {
  out << e.pos.file;
  if (e.pos.line > 0) out << ':' << e.pos.line << ':' << e.pos.column;
  out << ": error: " << e.message;
  if (!e.hint.empty()) out << " (" << e.hint << ')';
  return out;
}

using Errors = std::vector<Error>;  // never empty where it is returned

// By file, line, column; errors at one place keep the order they were found in.
inline void SortByPosition(Errors& errors) {
  std::stable_sort(errors.begin(), errors.end(), [](const Error& a, const Error& b) {
    return std::tie(a.pos.file, a.pos.line, a.pos.column) <
           std::tie(b.pos.file, b.pos.line, b.pos.column);
  });
}

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Errors> {
 public:
  using tl::expected<T, Errors>::expected;
};

inline tl::unexpected<Errors> Fail(ErrorCode code, SourcePos pos, std::string message,
                                   std::string hint = {}) {
  return tl::make_unexpected(Errors{{code, std::move(pos), std::move(message), std::move(hint)}});
}

}  // namespace weft

// Unwraps a Result or returns its Errors:  WEFT_TRY(const Fabric fabric, ReadFabric(path));
#define WEFT_TRY(decl, expr) WEFT_TRY_1(decl, expr, __LINE__)
#define WEFT_TRY_1(decl, expr, line) WEFT_TRY_2(decl, expr, line)
#define WEFT_TRY_2(decl, expr, line)                                                    \
  auto weft_try_##line = (expr);                                                        \
  if (!weft_try_##line) return tl::make_unexpected(std::move(weft_try_##line).error()); \
  decl = *std::move(weft_try_##line)
