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
  // Where no terminal draws how far it is, a line now and then, of what runs for minutes.
  void SayProgress(const std::string& what, double share);

 private:
  double Spent() const;  // seconds
  // "12 s left" of what is at `share`; empty where that is too little to tell.
  std::string Left(double share) const;

  std::ostream* err_ = nullptr;
  bool draw_ = false, quiet_ = false;
  int threads_ = 1;
  std::chrono::steady_clock::time_point start_, deadline_, drawn_;  // drawn_: or said
};

}  // namespace weft::cli
