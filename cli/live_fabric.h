// A fabric from a file of another tool.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/schema/source_text.h"
#include "cli/file_kind.h"
#include "scenario/prepare.h"
#include "topology/formats/format.h"

namespace weft::cli {

// The bytes of `path`; `texts` keeps them for carets.
Result<std::string> ReadBytes(const std::string& path, SourceTexts& texts);

// "simai, ns3, …" of formats that can be read, or of those that can be written.
std::vector<std::string> ReadableFormats();
std::vector<std::string> WritableFormats();

// ReadScenario(); of a file that is something else, that alone. `set_by`: as there.
Result<Located<ScenarioSpec>> ReadScenarioFile(
    const std::string& path, const std::vector<std::string>& sets, SourceTexts& texts,
    const std::map<std::string, std::string>& set_by = {});

// What `path` says in `format`; without one, in the format it looks like, which may be a scenario
// file.
Result<Wiring> ReadWiring(const std::string& path, const std::string& format,
                          std::optional<BitRate> nic, SourceTexts& texts);

}  // namespace weft::cli
