// Finds what is wrong in somebody else's bill of materials.
//
// The bill is a CSV, `part,quantity,role`; parts may be weft's own or generic ("64x400G",
// "51.2T", "400G-DR4/QSFP-DD"); key rows say what it is for (tiers, planes, need, …). Nobody
// says what is cabled to what, so only what must hold of the counts is checked: reach of two
// and three tiers, ports, optics, cages, watts, GPUs a host, compute. A bill that can be built
// gives no finding. [formats: docs/audit.md]
//
// Errors   AuditText: a line that is no CSV, a quantity that is no number, a part or key that
//          nobody knows, with the nearest; each at its line and column.
// Cost     O(rows).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/source_text.h"

namespace weft {

struct Finding {
  enum class Severity { kWarning, kError };
  std::string rule;  // "reach", "leaf_ports"
  Severity severity = Severity::kError;
  int line = 0;  // of the row that is wrong; 0: of none
  std::string said, needs;
  std::vector<std::string> alternatives;
};

// Findings in the order of their line; empty: nothing wrong was found.
Result<std::vector<Finding>> AuditText(std::string_view text, const std::string& file_name);
Result<std::vector<Finding>> AuditFile(const std::string& path, SourceTexts* texts);

}  // namespace weft
