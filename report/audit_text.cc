#include "report/audit_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/version.h"
#include "report/table.h"

namespace weft {
namespace {

const char* NameOf(Finding::Severity severity) {
  return severity == Finding::Severity::kError ? "error" : "warning";
}

std::string Plural(std::ptrdiff_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Whether `needs` says the alternative already, as words of its own: "16 spines" of "16 spines, 14
// at least", not of "116 spines".
bool Says(std::string_view needs, std::string_view other) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t at = needs.find(other); at != std::string_view::npos;
       at = needs.find(other, at + 1)) {
    const std::size_t end = at + other.size();
    if ((at == 0 || !is_word(needs[at - 1])) && (end == needs.size() || !is_word(needs[end])))
      return true;
  }
  return false;
}

}  // namespace

std::string AuditReportText(const std::string& file, const std::vector<Finding>& findings,
                            int width) {
  const auto errors = std::count_if(findings.begin(), findings.end(), [](const Finding& one) {
    return one.severity == Finding::Severity::kError;
  });
  const auto warnings = static_cast<std::ptrdiff_t>(findings.size()) - errors;
  if (findings.empty()) return file + ": nothing wrong found\n";
  std::string out =
      fmt::format("{}: {}, {}\n", file, Plural(errors, "error"), Plural(warnings, "warning"));
  for (const Finding& one : findings) {
    out += Wrap(fmt::format("{}{}: {}: {}: {}; needs {}", file,
                            one.line > 0 ? fmt::format(":{}", one.line) : "", NameOf(one.severity),
                            one.rule, one.said, one.needs),
                width, 4) +
           '\n';
    for (const std::string& other : one.alternatives)
      if (!Says(one.needs, other)) out += "    " + Wrap("or " + other, width - 4, 7) + '\n';
  }
  return out;
}

std::string AuditReportJson(const std::string& file, const std::vector<Finding>& findings) {
  nlohmann::ordered_json out;
  out["schema"] = "weft.audit/1";
  out["weft"] = kWeftVersion;
  out["file"] = file;
  out["findings"] = nlohmann::ordered_json::array();
  for (const Finding& one : findings)
    out["findings"].push_back({{"rule", one.rule},
                               {"severity", NameOf(one.severity)},
                               {"line", one.line},
                               {"said", one.said},
                               {"needs", one.needs},
                               {"alternatives", one.alternatives}});
  return out.dump(2) + '\n';
}

}  // namespace weft
