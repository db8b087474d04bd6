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

struct SimulateArgs {
  std::string path;
  RunOptions options;
  std::string trace;
};

// Where there is neither workload nor jobs, Prepare() says so.
bool CanTrace(const ScenarioSpec& spec, std::ostream& err) {
  if (!spec.jobs().empty())
    err << "weft: error: --trace shows one workload; 'jobs' has several (a file with that job "
           "alone)\n";
  else if (spec.has_workload() && !spec.workload().has_training())
    err << "weft: error: --trace shows an iteration of training, and nothing is trained here\n";
  else
    return true;
  return false;
}

int RunSimulate(const SimulateArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  Result<RunWatch> watch = RunWatch::Start(args.options, err);
  if (!watch) {
    PrintErrors(watch.error(), texts, err);
    return kBadInput;
  }
  Result<Located<ScenarioSpec>> spec =
      ReadScenarioFile(args.path, args.options.AllSets(), texts, args.options.SetBy());
  if (!spec) {
    PrintErrors(spec.error(), texts, err);
    return kBadInput;
  }
  if (!args.trace.empty() && !CanTrace(spec->message, err)) return kBadInput;
  RunControl control = watch->Control();
  control.trace = !args.trace.empty();
  FabricCache cache;
  Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache, control.stop);
  if (!prepared) {
    PrintErrors(prepared.error(), texts, err);
    return kBadInput;
  }
  if (!CheckTargets(args.options, err)) return kBadInput;
  if (control.trace && !CheckWritable(args.trace, err)) return kBadInput;
  const RunReport report = RunScenario(*prepared, control);
  watch->ClearProgress();
  if (report.refused) {
    PrintErrors({*report.refused}, texts, err);
    return kBadInput;
  }
  if (!args.options.quiet) PrintWarnings(report.warnings, err);
  if (!WriteResult(args.options, RunReportText(report, TerminalWidth()), RunReportJson(report), out,
                   err))
    return kBadInput;
  if (control.trace && !report.iteration)
    err << "weft: warning: no iteration came to its end: the trace is empty\n";
  if (control.trace && !WriteFile(args.trace, TraceJson(report), err)) return kBadInput;
  if (Interrupted()) return kInterrupted;
  return report.unmet.empty() ? kOk : kUnmet;
}

}  // namespace

void AddSimulate(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<SimulateArgs>();
  CLI::App* command = app.add_subcommand("simulate", "Run one scenario over its hash seeds");
  command->add_option("file", args->path, "scenario, YAML or JSON (docs/formats/scenario.md)")
      ->required();
  command->footer("Exit status 1: a requirement (require:) is not met");
  AddRunOptions(*command, args->options);
  command
      ->add_option("--trace", args->trace,
                   "write when each row of an iteration of training ran, for Perfetto")
      ->type_name("FILE");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunSimulate(*args, out, err); };
  });
}

}  // namespace weft::cli
