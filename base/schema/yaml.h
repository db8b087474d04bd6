// Text in YAML (JSON is part of it) to a tree of nodes with positions.
//
// A strict subset: one document, text in UTF-8, no tags, no merge keys (<<), no key
// twice, plain text as keys. Scalars are kept as written. An alias stands for a copy of
// what its anchor names, at the anchor's position.
//
// Errors   whatever is not in the subset, at line:column >= 1; every key given twice is
//          named in one run, otherwise the first error ends the reading. Limits: 16 MiB,
//          nesting 64, a million nodes once aliases are expanded.
// Cost     linear in the text and in the expanded nodes.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/schema/node.h"

namespace weft {

Result<Node> ParseYaml(std::string_view text, std::shared_ptr<const NodeSource> source);

}  // namespace weft
