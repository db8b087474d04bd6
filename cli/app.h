// The program weft: its subcommands and exit statuses.
//
// Parsing only fills arguments and chooses a Command; the streams are passed in,
// so that golden tests and unit tests run it in process.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <iosfwd>
#include <limits>
#include <string>
#include <vector>

namespace weft::cli {

enum ExitCode : int {
  kOk = 0,            // a time limit that was reached, too: the result is marked partial
  kUnmet = 1,         // done, and not as asked: each command's footer says what that is
  kBadInput = 2,      // with file:line:col; or a result could not be written
  kDefect = 3,        // of weft
  kInterrupted = 130  // Ctrl-C; the partial result is written
};

using Command = std::function<int(std::ostream& out, std::ostream& err)>;

// One line a subcommand; the list is in app.cc.
void AddSimulate(CLI::App& app, Command& chosen);
void AddCompare(CLI::App& app, Command& chosen);
void AddAudit(CLI::App& app, Command& chosen);
void AddTopology(CLI::App& app, Command& chosen);
void AddCollective(CLI::App& app, Command& chosen);
void AddFlows(CLI::App& app, Command& chosen);
void AddPlan(CLI::App& app, Command& chosen);
void AddDiff(CLI::App& app, Command& chosen);
void AddValidate(CLI::App& app, Command& chosen);
void AddCalibrate(CLI::App& app, Command& chosen);
void AddImport(CLI::App& app, Command& chosen);
void AddPresets(CLI::App& app, Command& chosen);
void AddNew(CLI::App& app, Command& chosen);
void AddExplain(CLI::App& app, Command& chosen);
void AddDoctor(CLI::App& app, Command& chosen);
void AddDocs(CLI::App& app, Command& chosen);

// Of an option: a whole number from `least` to `most`, else what it is not.
CLI::Validator Whole(int least = std::numeric_limits<int>::min(),
                     int most = std::numeric_limits<int>::max());

// The whole command line tree; `chosen` is set by a parse.
void BuildApp(CLI::App& app, Command& chosen);

// Parses `args` (without the program's name) and runs what they ask for.
int RunApp(std::vector<std::string> args, std::ostream& out, std::ostream& err);

}  // namespace weft::cli
