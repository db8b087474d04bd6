// What simulate and compare have in common: options, progress, Ctrl-C, time limit.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "scenario/run_scenario.h"

namespace weft::cli {

struct RunOptions {
  std::vector<std::string> sets;
  std::optional<std::string> engine;
  std::optional<std::int64_t> seeds;
  int threads = 0;  // 0: one a core
  std::string time_limit;
  std::string out_dir, json;
  bool quiet = false;

  bool json_to_stdout() const { return json == "-"; }
  // `sets` with --engine and --seeds as what they stand for.
  std::vector<std::string> AllSets() const;
  // As ReadOptions::set_by, of these two.
  std::map<std::string, std::string> SetBy() const;
};

void AddRunOptions(CLI::App& command, RunOptions& options);

// From here on Ctrl-C asks for a partial result; a second one ends at once.
void CatchInterrupts();
bool Interrupted();

// Watches the clock and draws progress for one command.
class RunWatch {
 public:
  // Fails where --time-limit is no duration, not above 0, or above a year.
  static Result<RunWatch> Start(const RunOptions& options, std::ostream& err);

  bool Stopped() const;  // Ctrl-C or past the limit
  RunControl Control();
  void ClearProgress();

 private:
  std::ostream* err_ = nullptr;
  bool draw_ = false;
  int threads_ = 1;
  std::chrono::steady_clock::time_point start_, deadline_, drawn_;
};

}  // namespace weft::cli
