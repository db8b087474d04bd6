// What an audit found, as text for a terminal and as JSON (schema weft.audit/1).
#pragma once

#include <string>
#include <vector>

#include "planner/audit.h"

namespace weft {

// A line a finding, its place first, the alternatives under it.
std::string AuditReportText(const std::string& file, const std::vector<Finding>& findings,
                            int width);
std::string AuditReportJson(const std::string& file, const std::vector<Finding>& findings);

}  // namespace weft
