#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <ostream>

#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "cli/app.h"
#include "cli/live_fabric.h"
#include "cli/output.h"
#include "report/text.h"
#include "scenario/prepare.h"
#include "topology/uneven.h"

namespace weft::cli {
namespace {

struct ImportArgs {
  std::string format, out_path, nic;
  std::vector<std::string> files;
};

// The scenario file that `wiring` becomes, built once, so that what is written can be read.
Result<std::shared_ptr<const Fabric>> BuildFrom(const std::string& text, const ImportArgs& args,
                                                SourceTexts& texts) {
  WEFT_TRY(const Located<ScenarioSpec> spec, ParseScenario(text, args.out_path, {}, &texts));
  FabricCache cache;
  return PrepareFabric(spec, cache);
}

int Print(const Errors& errors, const SourceTexts& texts, std::ostream& err) {
  PrintErrors(errors, texts, err);
  return kBadInput;
}

int RunImport(const ImportArgs& args, std::ostream& out, std::ostream& err) {
  SourceTexts texts;
  std::optional<BitRate> nic;
  if (!args.nic.empty()) {
    const auto rate = ParseQuantity(args.nic, BIT_RATE, {"--nic", 0, 0});
    if (!rate) return Print(rate.error(), texts, err);
    nic = BitRate::BitsPerSecond(*rate);
  }
  if (args.files.size() > 1) {
    err << "weft: error: import reads one file at a time (a fabric of several is one file of "
           "family: custom, put together by hand)\n";
    return kBadInput;
  }
  const std::string& file = args.files.front();
  Result<Wiring> wiring = ReadWiring(file, args.format, nic, texts);
  if (!wiring) return Print(wiring.error(), texts, err);
  wiring->notes.insert(wiring->notes.begin(),
                       fmt::format("read from {}, format {}",
                                   std::filesystem::path(file).filename().string(), args.format));
  MakeBuildable(*wiring);
  const std::string text = FormatScenario(*wiring);
  std::string report;
  if (wiring->switches.empty()) {
    for (const std::string& note : wiring->notes) report += "note: " + note + '\n';
  } else {
    const auto fabric = BuildFrom(text, args, texts);
    if (!fabric) return Print(fabric.error(), texts, err);
    report = ImportText(file, **fabric, FindUnevenness(**fabric), TerminalWidth());
  }
  if (args.out_path == "-") {
    out << text;
    err << report;
    return kOk;
  }
  if (!WriteFile(args.out_path, text, err)) return kBadInput;
  out << report;
  return kOk;
}

}  // namespace

void AddImport(CLI::App& app, Command& chosen) {
  const auto args = std::make_shared<ImportArgs>();
  CLI::App* command =
      app.add_subcommand("import", "Make a scenario file of another tool's fabric or host");
  command
      ->add_option("format", args->format,
                   fmt::format("{}, json, yaml", fmt::join(ReadableFormats(), ", ")))
      ->required();
  command->add_option("files", args->files, "the file to read")->required();
  command->add_option("-o,--output", args->out_path, "where to write it; -: to standard output")
      ->required()
      ->type_name("FILE|-");
  command->add_option("--nic", args->nic, "rate of NICs that the file gives none: 400Gbps")
      ->type_name("RATE");
  command->callback([args, &chosen] {
    chosen = [args](std::ostream& out, std::ostream& err) { return RunImport(*args, out, err); };
  });
}

}  // namespace weft::cli
