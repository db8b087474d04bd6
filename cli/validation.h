// Subcommands that read measured tables, and the options they share.
#pragma once

#include "cli/app.h"
#include "validate/entries.h"

namespace weft::cli {

void AddValidate(CLI::App& app, Command& chosen);
void AddCalibrate(CLI::App& app, Command& chosen);

// What a table may not say.
void AddKnownOfTables(CLI::App& command, EntryOptions& known);

}  // namespace weft::cli
