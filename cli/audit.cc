#include "planner/audit.h"

#include <algorithm>
#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/file_kind.h"
#include "cli/output.h"
#include "report/audit_text.h"

namespace weft::cli {
namespace {

struct AuditArgs {
  std::string path;
  RunOptions options;
};

int RunAudit(const AuditArgs& args, std::ostream& out, std::ostream& err) {
  if (!CheckTargets(args.options, err)) return kBadInput;
  SourceTexts texts;
  const Result<std::vector<Finding>> findings =
      OrForeign(AuditFile(args.path, &texts), FileKind::kBill, args.path);
  if (!findings) {
    PrintErrors(findings.error(), texts, err);
    return kBadInput;
  }
  if (!WriteResult(args.options, AuditReportText(args.path, *findings, TerminalWidth()),
                   AuditReportJson(args.path, *findings), out, err))
    return kBadInput;
  const bool wrong = std::any_of(findings->begin(), findings->end(), [](const Finding& one) {
    return one.severity == Finding::Severity::kError;
  });
  return wrong ? kUnmet : kOk;
}

}  // namespace

void AddAudit(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<AuditArgs>();
  CLI::App* command = app.add_subcommand("audit", "Find what is wrong in a bill of materials");
  command->footer("Exit status 1: an error was found; of warnings alone it is 0");
  command->add_option("file", args->path, "CSV of part,quantity,role (docs/audit.md)")->required();
  command->add_option("--json", args->options.json, "write JSON; -: to standard output")
      ->type_name("FILE|-");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunAudit(*args, out, err); };
  });
}

}  // namespace weft::cli
