// The options that subcommands share which read measured tables.
#pragma once

#include "cli/app.h"
#include "validate/entries.h"

namespace weft::cli {

// ReadEntries(); where some of these files are something else, that alone.
Result<std::vector<TableEntry>> ReadTableFiles(const std::vector<std::string>& paths,
                                               const EntryOptions& known, SourceTexts& texts);

// What a table may not say.
void AddKnownOfTables(CLI::App& command, EntryOptions& known);

}  // namespace weft::cli
