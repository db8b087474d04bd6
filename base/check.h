// WEFT_CHECK: stops the program where only a bug can have led, in release too.
//
// The message names the condition and the place, and says how to report it;
// the process ends by abort(), which cli/ turns into exit status 3.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace weft {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr,
               "weft: defect: %s does not hold at %s:%d\n"
               "This is a bug in weft, not in your input. Please report it with the command line,\n"
               "the input files and the output of `weft doctor`.\n",
               condition, file, line);
  std::abort();
}

}  // namespace weft

#define WEFT_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::weft::CheckFailed(#condition, __FILE__, __LINE__))
