#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "cli/app.h"
#include "cli/output.h"
#include "hardware/catalogue.h"
#include "report/table.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

// The first paragraph of a preset's opening comment says what it is.
std::string Summary(std::string_view text) {
  std::string out;
  while (text.substr(0, 2) == "# ") {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += (out.empty() ? "" : " ") + std::string(text.substr(2, end - 2));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

int List(const std::string& kind, std::ostream& out) {
  const PresetTable presets = AllPresets();
  std::size_t longest = 0;
  for (const Preset& preset : presets.list())
    if (kind.empty() || preset.kind == kind) longest = std::max(longest, preset.name.size());
  out << fmt::format("{:<13}{:<{}}{}\n", "kind", "preset", longest + 2, "what it is");
  for (const Preset& preset : presets.list())
    if (kind.empty() || preset.kind == kind)
      out << WrapAfter(fmt::format("{:<13}{:<{}}", preset.kind, preset.name, longest + 2),
                       Summary(preset.text), TerminalWidth())
          << '\n';
  return kOk;
}

template <class Quantity>
std::string FigureText(const char* what, const std::optional<Figure<Quantity>>& figure, Unit unit) {
  if (!figure) return "";
  const auto say = [&](Quantity value) {
    if constexpr (std::is_same_v<Quantity, double>)
      return fmt::format("{:.4g}", value);
    else
      return FormatQuantity(value.count(), unit);
  };
  const Range<Quantity>& range = figure->range;
  return fmt::format("# {:<9}{} ({} to {}); {}{}{}\n", what, say(range.mid), say(range.low),
                     say(range.high), NameOf(figure->mark),
                     figure->source.empty() ? "" : ": " + figure->source,
                     figure->date.empty() ? "" : ", " + figure->date);
}

// The row of the catalogue that a part's preset has, as comments under it.
std::string CatalogueText(const std::string& part) {
  const Result<Catalogue> catalogue = ReadCatalogue({}, nullptr);
  const CatalogueRow* row = catalogue ? catalogue->Find(part) : nullptr;
  if (row == nullptr) return "";
  return "#\n# catalogue: one costs, draws and fails a year (middle, low to high)\n" +
         FigureText("price", row->price, Unit::MONEY) +
         FigureText("power", row->power, Unit::POWER) +
         FigureText("failures", row->failures, Unit::NONE);
}

// What may be meant by `name`, which is none: a family, presets that begin so, or the nearest.
std::string WayOut(const std::string& name, const PresetTable& presets,
                   const std::set<std::string>& kinds) {
  const std::vector<std::string> families = FabricFamilies();
  if (std::find(families.begin(), families.end(), name) != families.end())
    return fmt::format("it is a family of fabrics: weft new collective {} prints a file", name);
  std::vector<std::string> names(kinds.begin(), kinds.end()), longer;
  for (const Preset& preset : presets.list()) {
    names.push_back(preset.name);
    if (preset.name.starts_with(name)) longer.push_back(preset.name);
  }
  if (!longer.empty()) return "presets that begin so: " + JoinOr(longer);
  const std::string nearest = Nearest(name, names);
  return (nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest)) +
         "`weft presets` lists them";
}

int RunPresets(const std::string& name, std::ostream& out, std::ostream& err) {
  if (name.empty()) return List({}, out);
  const PresetTable presets = AllPresets();
  std::set<std::string> kinds;
  for (const Preset& preset : presets.list()) {
    kinds.insert(preset.kind);
    if (preset.name != name) continue;
    out << "# " << preset.file << '\n' << preset.text << CatalogueText(name);
    return kOk;
  }
  if (kinds.count(name) > 0) return List(name, out);
  if (name == "accelerator") return List("gpu", out);
  err << fmt::format("weft: error: no preset and no kind of preset is called '{}' ({})\n", name,
                     WayOut(name, presets, kinds));
  return kBadInput;
}

}  // namespace

void AddPresets(CLI::App& app, Command& chosen) {
  const auto name = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("presets", "List the presets, or show one with its sources");
  command->add_option("name", *name, "a kind (accelerator, host, fabric, …) or a preset's name");
  command->callback([name, &chosen] {
    chosen = [name](std::ostream& out, std::ostream& err) { return RunPresets(*name, out, err); };
  });
}

}  // namespace weft::cli
