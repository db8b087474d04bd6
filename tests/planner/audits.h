// What an audit finds in a bill, as text.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "planner/audit.h"
#include "tests/base/error_list.h"

namespace weft {

inline std::vector<Finding> Audit(const std::string& text) {
  const auto found = AuditText(text, "bill.csv");
  EXPECT_TRUE(found) << ErrorLines(found.error());
  return found ? *found : std::vector<Finding>{};
}

inline std::string Rules(const std::string& text) {
  std::string out;
  for (const Finding& one : Audit(text))
    out += (out.empty() ? "" : " ") + one.rule +
           (one.severity == Finding::Severity::kWarning ? "?" : "");
  return out;
}

inline std::string Said(const std::string& text) {
  std::string out;
  for (const Finding& one : Audit(text)) {
    out += fmt::format("{}: {}; needs {}", one.rule, one.said, one.needs);
    for (const std::string& other : one.alternatives) out += " | " + other;
    out += '\n';
  }
  return out;
}

}  // namespace weft
