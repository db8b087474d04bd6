// What the schema says about a key, for `weft explain` and for docs/formats/.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

// Type, range, default with its source, meaning and example of every key that `key`
// names: a dotted path from the root (`fabric.segments`, faults[0].at) or a bare name
// (`segments`), in every variant that has it. Lines ended.
// Errors: no such key, with the nearest one as hint; the position has no line.
Result<std::string> ExplainKey(const google::protobuf::Descriptor& root, std::string_view key);

// A section in Markdown for every message reachable from `root`, each a table of keys;
// a variant has a section of its own that says which tag chooses it.
std::string FormatReference(const google::protobuf::Descriptor& root);

}  // namespace weft
