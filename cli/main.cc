#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/run_options.h"

namespace {

// A failed WEFT_CHECK has said what is wrong; the exit status says whose fault it is.
extern "C" void OnAbort(int) { std::_Exit(weft::cli::kDefect); }

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGABRT, OnAbort);
  weft::cli::CatchInterrupts();
  std::ios::sync_with_stdio(false);
  try {
    return weft::cli::RunApp(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
  } catch (const std::exception& e) {
    std::cerr << "weft: defect: " << e.what()
              << "\nThis is a bug in weft, not in your input. Please report it with the command "
                 "line,\nthe input files and the output of `weft doctor`.\n";
    return weft::cli::kDefect;
  }
}
