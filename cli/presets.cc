#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "cli/app.h"
#include "report/table.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

// The first comment of a preset says what it is.
std::string Summary(std::string_view text) {
  if (text.substr(0, 2) != "# ") return {};
  return std::string(text.substr(2, text.find('\n') - 2));
}

int List(const std::string& kind, std::ostream& out) {
  Table table;
  for (const char* column : {"kind", "preset", "what it is"}) table.AddColumn(column, Align::kLeft);
  const PresetTable presets = AllPresets();
  for (const Preset& preset : presets.list())
    if (kind.empty() || preset.kind == kind)
      table.AddRow({preset.kind, preset.name, Summary(preset.text)});
  out << table.Format(160);
  return kOk;
}

int Run(const std::string& name, std::ostream& out, std::ostream& err) {
  if (name.empty()) return List({}, out);
  const PresetTable presets = AllPresets();
  std::set<std::string> kinds;
  for (const Preset& preset : presets.list()) {
    kinds.insert(preset.kind);
    if (preset.name != name) continue;
    out << "# " << preset.file << '\n' << preset.text;
    return kOk;
  }
  if (kinds.count(name) > 0) return List(name, out);
  err << "weft: error: no preset and no kind of preset is called '" << name
      << "' (`weft presets` lists them)\n";
  return kBadInput;
}

}  // namespace

void AddPresets(CLI::App& app, Command& chosen) {
  const auto name = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("presets", "List the presets, or show one with its sources");
  command->add_option("name", *name, "a kind (gpu, host, fabric, …) or a preset's name");
  command->callback([name, &chosen] {
    chosen = [name](std::ostream& out, std::ostream& err) { return Run(*name, out, err); };
  });
}

}  // namespace weft::cli
