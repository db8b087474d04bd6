#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "report/text.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

struct Args {
  std::string path;
  RunOptions options;
};

int Run(const Args& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  Result<RunWatch> watch = RunWatch::Start(args.options, err);
  if (!watch) {
    PrintErrors(watch.error(), texts, err);
    return kBadInput;
  }
  Result<Located<ScenarioSpec>> spec = ReadScenario(args.path, args.options.AllSets(), &texts);
  if (!spec) {
    const std::optional<Error> foreign = ForeignFormat(args.path);
    PrintErrors(foreign ? Errors{*foreign} : spec.error(), texts, err);
    return kBadInput;
  }
  const RunControl control = watch->Control();
  FabricCache cache;
  Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache, control.stop);
  if (!prepared) {
    PrintErrors(prepared.error(), texts, err);
    return kBadInput;
  }
  if (!CheckTargets(args.options, err)) return kBadInput;
  const RunReport report = RunScenario(*prepared, control);
  watch->ClearProgress();
  if (!args.options.quiet) PrintWarnings(report.warnings, err);
  if (!WriteResult(args.options, RunReportText(report, TerminalWidth()), RunReportJson(report), out,
                   err))
    return kBadInput;
  if (Interrupted()) return kInterrupted;
  return report.unmet.empty() ? kOk : kUnmet;
}

}  // namespace

void AddSimulate(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<Args>();
  CLI::App* command = app.add_subcommand("simulate", "Run one scenario over its hash seeds");
  command->add_option("file", args->path, "scenario, YAML or JSON (docs/formats/scenario.md)")
      ->required();
  AddRunOptions(*command, args->options);
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return Run(*args, out, err); };
  });
}

}  // namespace weft::cli
