#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

#include "base/check.h"
#include "base/schema/wording.h"
#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "cli/run_options.h"
#include "hardware/catalogue.h"
#include "planner/bom.h"
#include "report/text.h"
#include "report/uneven_text.h"
#include "scenario/prepare.h"
#include "scenario/silent_keys.h"
#include "topology/bisection.h"
#include "topology/build.h"
#include "topology/cabling_summary.h"
#include "topology/formats/against.h"
#include "topology/formats/cabling_csv.h"
#include "topology/uneven.h"

namespace weft::cli {
namespace {

struct TopologyArgs {
  std::string target, export_format, out_path, live_path, live_format;
  RunOptions options;
};

// A preset's name stands for a scenario with nothing but that fabric.
Result<Located<ScenarioSpec>> ReadTarget(const TopologyArgs& args, SourceTexts& texts) {
  const bool named =
      !std::filesystem::exists(args.target) && args.target.find_first_of("./") == std::string::npos;
  if (!named) return ReadScenarioFile(args.target, args.options.sets, texts);
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

struct Cabled {
  CablingParts parts;
  CablingPlan plan;
};

Result<Cabled> Cable(const Located<ScenarioSpec>& spec, const Fabric& fabric) {
  const ScenarioSpec& message = spec.message;
  const HostSpec* host = message.has_host() ? &message.host() : nullptr;
  Cabled out;
  WEFT_TRY(out.parts,
           MakeCablingParts(fabric, message.fabric(), host, message.cabling(), spec.sources));
  WEFT_TRY(out.plan, PlanCabling(fabric, out.parts));
  return out;
}

// What the bill of materials comes to; `plan` null: of hosts and switches alone.
void AddBom(const Fabric& fabric, const CablingParts& parts, const CablingPlan* plan,
            TopologyFigures& figures) {
  const Result<Catalogue> catalogue = ReadCatalogue({}, nullptr);
  WEFT_CHECK(catalogue.has_value());  // weft's own
  const BomTotals totals = SumBom(MakeBom(fabric, parts, plan, *catalogue));
  if (totals.power.mid > Watts()) figures.power = totals.power;
  if (totals.price.mid > Dollars()) figures.price = totals.price;
  figures.unpowered = totals.unpowered;
  figures.unpriced = totals.unpriced;
  figures.unverified_share = totals.unverified_share;
}

// Adds the cabling to `figures`. Where it cannot be cabled, the reason; an error for who asked
// for it with cabling:.
Errors AddCabling(const Located<ScenarioSpec>& spec, const Fabric& fabric,
                  TopologyFigures& figures) {
  const Result<Cabled> cabled = Cable(spec, fabric);
  if (cabled) {
    figures.cabling = SummarizeCabling(fabric, cabled->parts, cabled->plan);
    AddBom(fabric, cabled->parts, &cabled->plan, figures);
    return {};
  }
  if (spec.sources.Given("cabling")) return cabled.error();
  figures.no_cabling = cabled.error().front().message;
  const ScenarioSpec& message = spec.message;
  const auto parts =
      MakeCablingParts(fabric, message.fabric(), message.has_host() ? &message.host() : nullptr,
                       message.cabling(), spec.sources);
  if (parts) AddBom(fabric, *parts, nullptr, figures);
  return {};
}

int WriteExport(const TopologyArgs& args, const std::string& text, std::ostream& out,
                std::ostream& err) {
  if (args.out_path != "-") return WriteFile(args.out_path, text, err) ? kOk : kBadInput;
  out << text;
  return kOk;
}

// --export cabling: every cable with its cages, lanes, medium, optics and racks.
int ExportCabling(const TopologyArgs& args, const Located<ScenarioSpec>& spec, const Fabric& fabric,
                  const SourceTexts& texts, std::ostream& out, std::ostream& err) {
  const Result<Cabled> cabled = Cable(spec, fabric);
  if (cabled) return WriteExport(args, CablingCsv(fabric, cabled->parts, cabled->plan), out, err);
  PrintErrors(cabled.error(), texts, err);
  return kBadInput;
}

std::vector<std::string> ExportFormats() {
  std::vector<std::string> names = WritableFormats();
  names.insert(names.begin(), "cabling");
  return names;
}

// --export: the fabric in another tool's format; csv with what the cabling plan says, if there is
// one.
int Export(const TopologyArgs& args, const Located<ScenarioSpec>& spec, const Fabric& fabric,
           Wiring wiring, std::ostream& out, std::ostream& err) {
  const FabricFormat* format = FindFormat(args.export_format);
  if (format == nullptr || format->write == nullptr) {
    err << fmt::format("weft: error: '{}' is no format that weft writes (want {})\n",
                       args.export_format, JoinOr(ExportFormats()));
    return kBadInput;
  }
  if (format->name == "csv")
    if (const Result<Cabled> cabled = Cable(spec, fabric)) AddCabling(fabric, cabled->plan, wiring);
  return WriteExport(args, format->write(wiring), out, err);
}

// --against: the fabric as planned, held against a file of what stands there.
int Compare(const TopologyArgs& args, const std::string& name, const Wiring& plan,
            std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  const Result<Wiring> live = ReadWiring(args.live_path, args.live_format, {}, texts);
  if (!live) {
    PrintErrors(live.error(), texts, err);
    return kBadInput;
  }
  if (live->cables.empty()) {
    PrintErrors({{ErrorCode::kInconsistent,
                  {args.live_path, 0, 0},
                  "has no cables to compare: it says what a host is",
                  "a file of the whole fabric: ibnetdiscover, csv, cabling …"}},
                texts, err);
    return kBadInput;
  }
  const WiringDifferences differences = CompareWirings(plan, *live);
  if (!WriteResult(args.options, AgainstText(name, args.live_path, differences, TerminalWidth()),
                   AgainstJson(name, args.live_path, differences), out, err))
    return kBadInput;
  return differences.list.empty() ? kOk : kUnmet;
}

// What the options say together; false, with a message, where that is nothing.
bool CheckOptions(const TopologyArgs& args, std::ostream& err) {
  const char* wrong = nullptr;
  if (args.export_format.empty() != args.out_path.empty())
    wrong = "--export FORMAT and -o FILE go together";
  else if (!args.export_format.empty() && !args.live_path.empty())
    wrong = "--export and --against are two commands";
  else if (!args.export_format.empty() && !args.options.json.empty())
    wrong = "--export writes a file of its own, and --json another";
  else if (!args.live_format.empty() && args.live_path.empty())
    wrong = "--format says what --against reads";
  if (wrong != nullptr) err << "weft: error: topology: " << wrong << '\n';
  return wrong == nullptr;
}

int RunTopology(const TopologyArgs& args, std::ostream& out, std::ostream& err) {
  if (!CheckOptions(args, err)) return kBadInput;
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
  const std::string name = spec->message.name().empty() ? args.target : spec->message.name();
  if (args.export_format == "cabling") return ExportCabling(args, *spec, **fabric, texts, out, err);
  if (!args.export_format.empty() || !args.live_path.empty()) {
    const Wiring wiring = MakeWiring(**fabric, spec->message.fabric(),
                                     spec->message.has_host() ? &spec->message.host() : nullptr);
    return args.live_path.empty() ? Export(args, *spec, **fabric, wiring, out, err)
                                  : Compare(args, name, wiring, out, err);
  }
  TopologyFigures figures;
  if (const std::optional<Bisection> bisection = FindBisection(**fabric)) {
    figures.bisection = bisection->rate;
    figures.bisection_cut = bisection->cut;
  }
  if (Errors errors = AddCabling(*spec, **fabric, figures); !errors.empty()) {
    PrintErrors(errors, texts, err);
    return kBadInput;
  }
  std::string text = TopologyText(name, **fabric, figures, TerminalWidth());
  if (!spec->message.fabric().custom().origin().empty())  // an import
    text += UnevenText(FindUnevenness(**fabric), TerminalWidth());
  PrintWarnings(FabricKeysWithoutEffect(*spec, *fabric), err);
  return WriteResult(args.options, text, TopologyJson(name, **fabric, figures), out, err)
             ? kOk
             : kBadInput;
}

}  // namespace

void AddTopology(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<TopologyArgs>();
  CLI::App* command =
      app.add_subcommand("topology", "Count a fabric's switches, links, cables and racks");
  command->footer("Exit status 1: --against found a difference");
  command->add_option("file", args->target, "scenario file, or the name of a fabric preset")
      ->required();
  command->add_option("--set", args->options.sets, "override a value: --set fabric.segments=4")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  command->add_option("--json", args->options.json, "write JSON; -: to standard output")
      ->type_name("FILE|-");
  command
      ->add_option("--export", args->export_format,
                   fmt::format("write the fabric as {}", fmt::join(ExportFormats(), ", ")))
      ->type_name("FORMAT");
  command->add_option("-o,--output", args->out_path, "where --export writes; -: standard output")
      ->type_name("FILE|-");
  command
      ->add_option("--against", args->live_path,
                   "list cables that are missing, extra, crossed or slow in this file")
      ->type_name("LIVE");
  command
      ->add_option("--format", args->live_format,
                   "what LIVE is, where weft does not recognise it (formats: weft import --help)")
      ->type_name("FORMAT");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunTopology(*args, out, err); };
  });
}

}  // namespace weft::cli
