#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/schema/wording.h"
#include "cli/app.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "report/text.h"
#include "scenario/prepare.h"
#include "topology/bisection.h"
#include "topology/build.h"
#include "topology/cabling_summary.h"

namespace weft::cli {
namespace {

struct Args {
  std::string target;
  RunOptions options;
};

// A preset's name stands for a scenario with nothing but that fabric.
Result<Located<ScenarioSpec>> ReadTarget(const Args& args, SourceTexts& texts) {
  const bool named =
      !std::filesystem::exists(args.target) && args.target.find_first_of("./") == std::string::npos;
  if (!named) return ReadScenario(args.target, args.options.sets, &texts);
  const PresetTable presets = AllPresets();
  if (presets.Find("fabric", args.target) == nullptr) {
    const std::vector<std::string> names = presets.Names("fabric"), families = FabricFamilies();
    if (std::find(families.begin(), families.end(), args.target) != families.end())
      return Fail(ErrorCode::kUnknownKey, {"weft", 0, 0},
                  fmt::format("'{}' is a family, which needs its keys: give a file", args.target),
                  fmt::format("weft new collective {} prints one", args.target));
    return Fail(ErrorCode::kUnknownKey, {"weft", 0, 0},
                fmt::format("there is no file and no fabric preset '{}'", args.target),
                "presets: " + JoinOr(names));
  }
  return ParseScenario(fmt::format("fabric: {{ preset: {} }}\n", args.target), args.target,
                       args.options.sets, &texts);
}

// Adds the cabling to `figures`. Where it cannot be cabled, the reason; an error for who asked
// for it with cabling:.
Errors AddCabling(const Located<ScenarioSpec>& spec, const Fabric& fabric,
                  TopologyFigures& figures) {
  const ScenarioSpec& message = spec.message;
  const HostSpec* host = message.has_host() ? &message.host() : nullptr;
  const auto parts = MakeCablingParts(message.fabric(), host, message.cabling(), spec.sources);
  if (!parts) return parts.error();
  const auto plan = PlanCabling(fabric, *parts);
  if (plan) {
    figures.cabling = SummarizeCabling(fabric, *parts, *plan);
    figures.power = figures.cabling->power;
    return {};
  }
  if (spec.sources.Given("cabling")) return plan.error();
  figures.no_cabling = plan.error().front().message;
  return {};
}

int Run(const Args& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  Result<Located<ScenarioSpec>> spec = ReadTarget(args, texts);
  if (!spec) {
    PrintErrors(spec.error(), texts, err);
    return kBadInput;
  }
  FabricCache cache;
  const Result<std::shared_ptr<const Fabric>> fabric = PrepareFabric(*spec, cache);
  if (!fabric) {
    PrintErrors(fabric.error(), texts, err);
    return kBadInput;
  }
  if (!CheckTargets(args.options, err)) return kBadInput;
  TopologyFigures figures;
  if (const std::optional<Bisection> bisection = FindBisection(**fabric)) {
    figures.bisection = bisection->rate;
    figures.bisection_cut = bisection->cut;
  }
  figures.power = (*fabric)->power();
  if (Errors errors = AddCabling(*spec, **fabric, figures); !errors.empty()) {
    PrintErrors(errors, texts, err);
    return kBadInput;
  }
  const std::string name = spec->message.name().empty() ? args.target : spec->message.name();
  return WriteResult(args.options, TopologyText(name, **fabric, figures, TerminalWidth()),
                     TopologyJson(name, **fabric, figures), out, err)
             ? kOk
             : kBadInput;
}

}  // namespace

void AddTopology(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<Args>();
  CLI::App* command =
      app.add_subcommand("topology", "Count a fabric's switches, links, cables and racks");
  command->add_option("file", args->target, "scenario file, or the name of a fabric preset")
      ->required();
  command->add_option("--set", args->options.sets, "override a value: --set fabric.segments=4")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_option("--json", args->options.json, "write JSON; -: to standard output")
      ->type_name("FILE|-");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return Run(*args, out, err); };
  });
}

}  // namespace weft::cli
