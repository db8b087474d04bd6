// The options that subcommands share which read measured tables.
#pragma once

#include "cli/app.h"
#include "validate/entries.h"

namespace weft::cli {

// What a table may not say.
void AddKnownOfTables(CLI::App& command, EntryOptions& known);

}  // namespace weft::cli
