// Where results and errors go.
#pragma once

#include <iosfwd>
#include <string>

#include "base/result.h"
#include "base/schema/reader.h"
#include "cli/run_options.h"

namespace weft::cli {

// Every error with its place, its line and a caret.
void PrintErrors(const Errors& errors, const SourceTexts& texts, std::ostream& err);
void PrintWarnings(const std::vector<Error>& warnings, std::ostream& err);

// A word of the command line that means nothing, as an error whose place is the command.
tl::unexpected<Errors> WrongArgument(std::string message, std::string hint = {});

// Columns of the terminal on standard output, 80 to 160; 80 where it is none.
int TerminalWidth();

// Whether standard output is a terminal of fewer columns.
bool TerminalNarrowerThan(int columns);

// Whether `path` can be written, found out before the work is done: false, with a message, where
// it cannot. What stands there stays as it is.
bool CheckWritable(const std::string& path, std::ostream& err);

// The same for everything that WriteResult will write; makes the folder of --out.
bool CheckTargets(const RunOptions& options, std::ostream& err);

// Writes `text` to `path` whole or not at all; false, with a message, where it fails. A link is
// followed, and a device or a pipe is written to where it stands.
bool WriteFile(const std::string& path, const std::string& text, std::ostream& err);

// Hands what `out` holds on; false, with a message, where that or an earlier write failed.
bool Flush(std::ostream& out, std::ostream& err);

// Text to standard output (JSON in its place with --json -), files as asked.
bool WriteResult(const RunOptions& options, const std::string& text, const std::string& json,
                 std::ostream& out, std::ostream& err);

}  // namespace weft::cli
