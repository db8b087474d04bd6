#include <memory>
#include <ostream>

#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "scenario/flow_list.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

struct FlowsArgs {
  std::string path;
  std::vector<std::string> sets;
  bool paths = false;
};

int RunFlows(const FlowsArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  Result<Located<ScenarioSpec>> spec = ReadScenarioFile(args.path, args.sets, texts);
  if (!spec) {
    PrintErrors(spec.error(), texts, err);
    return kBadInput;
  }
  FabricCache cache;
  const Result<PreparedScenario> prepared = Prepare(*std::move(spec), cache, Interrupted);
  if (!prepared) {
    PrintErrors(prepared.error(), texts, err);
    return kBadInput;
  }
  if (!prepared->jobs.empty()) {
    PrintErrors({{ErrorCode::kInconsistent, prepared->spec.At("jobs"),
                  "'weft flows' lists one workload, and here are several jobs",
                  "a scenario with one of them as its workload"}},
                texts, err);
    return kBadInput;
  }
  if (!prepared->stopped) {
    PrintWarnings(prepared->warnings, err);
    WriteFlows(*prepared, {args.paths, Interrupted}, out);
  }
  if (Interrupted()) return kInterrupted;
  return Flush(out, err) ? kOk : kBadInput;
}

}  // namespace

void AddFlows(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<FlowsArgs>();
  CLI::App* command =
      app.add_subcommand("flows", "List a workload's flows as CSV: who sends what, after what");
  command->add_option("file", args->path, "scenario, YAML or JSON (docs/formats/scenario.md)")
      ->required();
  command->add_option("--set", args->sets, "override a value: --set fabric.segments=4")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_flag("--paths", args->paths, "a row a QP with its links, under routing.seed");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunFlows(*args, out, err); };
  });
}

}  // namespace weft::cli
