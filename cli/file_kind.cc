#include "cli/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/text_file.h"
#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

namespace weft::cli {
namespace {

// What a kind is called, and where there is one.
struct Wanted {
  const char *name, *instead;
};

const Wanted& WantedOf(FileKind kind) {
  static constexpr Wanted kWanted[] = {
      {"scenario file", "a scenario has `fabric:`; weft new prints one"},
      {"question for the planner", "weft new plan prints one"},
      {"plan", "what weft plan --json or --out writes"},
      {"bill", "a CSV of part,quantity,role"},
      {"measured table", "an nccl-tests log or JSON, a record of weft-probe, or CSV"},
      {"host", "weft presets host lists those that weft knows"},
      {"fabric of another tool", "weft import --help lists the formats"},
      {"calibration", "weft calibrate writes one"},
      {"acceptance sheet", "--accept without a table writes one"},
      {"matrix", "a file of bytes from row to column, or YAML such as '{ spread: 1 }'"}};
  return kWanted[static_cast<std::size_t>(kind)];
}

struct Recognized {
  std::optional<FileKind> kind;  // none: no command reads it
  std::string what, hint;        // hint: empty where there is nothing to do with it
};

// Whether a line of `text` starts with `key`.
bool HasKey(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
    if (at == 0 || text[at - 1] == '\n') return true;
  return false;
}

// Whether JSON that is no more than a mapping begins with `key`, as weft writes its own.
bool BeginsWith(std::string_view text, std::string_view key) {
  const std::size_t at = text.find_first_not_of(" \t\r\n", 1);
  return text.starts_with('{') && at != std::string_view::npos && text.substr(at).starts_with(key);
}

// JSON that weft writes says so in its first key.
std::optional<Recognized> OwnJson(const std::string& path, std::string_view text) {
  if (!BeginsWith(text, "\"schema\"")) return std::nullopt;
  constexpr std::string_view kWeft = "\"weft.";
  const std::size_t at = text.substr(0, 200).find(kWeft);
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t from = at + kWeft.size();
  const std::string schema(text.substr(from, text.find('/', from) - from));
  if (schema == "plan")
    return Recognized{FileKind::kPlan, "weft plan wrote it",
                      "weft diff holds it against another plan, weft plan asks it again; weft "
                      "import cabling makes a fabric of the links.csv beside it"};
  if (schema == "probe")
    return Recognized{FileKind::kTable, "it is a record of weft-probe", "weft validate " + path};
  constexpr std::pair<std::string_view, const char*> kWriters[] = {
      {"run", "simulate"},
      {"compare", "compare"},
      {"topology", "topology"},
      {"against", "topology --against"},
      {"audit", "audit"},
      {"collective", "collective"},
      {"validate", "validate"},
      {"acceptance", "validate --accept"},
      {"published", "validate --published"}};
  for (const auto& [name, command] : kWriters)
    if (schema == name)
      return Recognized{{}, fmt::format("it is what weft {} --json writes", command), ""};
  return Recognized{{}, "it is JSON of weft." + schema, ""};
}

// The first words of a workload of another simulator: what is sent, and no fabric.
bool IsForeignWorkload(std::string_view text) {
  for (const std::string_view first :
       {"HYBRID_TRANSFORMER", "HYBRID_DLRM", "MICRO\n", "comm_type,"})
    if (text.starts_with(first)) return true;
  return false;
}

// Whether the first row names the columns of a bill.
bool IsBill(std::string_view text) {
  text = text.substr(0, 4096);
  for (const TextLine& line : SplitLines(text)) {
    if (IsBlankOrComment(line)) continue;
    for (const char separator : {',', ';', '\t'}) {
      const auto cells = SplitCells(line.text, separator);
      const auto has = [&](std::string_view name) {
        return cells && std::any_of(cells->begin(), cells->end(),
                                    [&](const CsvCell& cell) { return cell.text == name; });
      };
      if (has("part") && (has("quantity") || has("qty") || has("count"))) return true;
    }
    return false;
  }
  return false;
}

// nccl-tests and rccl-tests print the names of these columns above every table.
bool IsLog(std::string_view text) {
  text = text.substr(0, std::size_t{1} << 20);
  return text.find("algbw") != std::string_view::npos &&
         text.find("busbw") != std::string_view::npos &&
         text.find("redop") != std::string_view::npos;
}

std::optional<Recognized> Recognize(const std::string& path, const std::string& text) {
  if (auto own = OwnJson(path, text)) return own;
  const bool fabric = HasKey(text, "fabric:");
  if (!fabric && HasKey(text, "need:") && HasKey(text, "parts:"))
    return Recognized{FileKind::kQuestion, "it is a question for the planner", "weft plan " + path};
  if (fabric || BeginsWith(text, "\"fabric\"")) {
    const bool runs = HasKey(text, "workload:") || HasKey(text, "jobs:");
    return Recognized{FileKind::kScenario, "it is a scenario",
                      (runs ? "weft simulate " : "weft topology ") + path};
  }
  if (!path.ends_with(".yaml") && !path.ends_with(".yml") && !path.ends_with(".json")) {
    if (IsForeignWorkload(text))
      return Recognized{{},
                        "it looks like a workload of SimAI or AICB, which weft does not read",
                        "weft new training prints a scenario that says what is trained, and how"};
    if (const FabricFormat* format = RecognizeFormat(text))
      return Recognized{
          FileKind::kFabric, fmt::format("it looks like {}", format->doc),
          fmt::format("weft import {} {} -o fabric.yaml makes one of it", format->name, path)};
  }
  if (HasKey(text, "constants:") && HasKey(text, "weft:"))
    return Recognized{FileKind::kCalibration, "it is a calibration",
                      "weft validate TABLE --calibration " + path};
  if (HasKey(text, "op\tranks\thosts\t"))
    return Recognized{FileKind::kSheet, "it is an acceptance sheet",
                      "weft validate TABLE --accept " + path};
  if (IsLog(text))
    return Recognized{FileKind::kTable, "it is a log of nccl-tests", "weft validate " + path};
  if (IsBill(text))
    return Recognized{FileKind::kBill, "it is a bill of materials", "weft audit " + path};
  return std::nullopt;
}

}  // namespace

std::optional<Error> ForeignTo(FileKind wanted, const std::string& path) {
  Result<std::string> text = ReadTextFile(path, {path, 0, 0});
  if (!text) return std::nullopt;
  if (text->starts_with("\xef\xbb\xbf")) text->erase(0, 3);  // UTF-8's byte order mark
  const std::optional<Recognized> found = Recognize(path, *text);
  if (!found || found->kind == wanted) return std::nullopt;
  const Wanted& want = WantedOf(wanted);
  // A fabric can be made a scenario of, and nothing else.
  const bool useless = found->kind == FileKind::kFabric && wanted != FileKind::kScenario;
  return Error{ErrorCode::kSyntax,
               {path, 1, 1},
               fmt::format("is no {}: {}", want.name, found->what),
               found->hint.empty() || useless ? want.instead : found->hint};
}

}  // namespace weft::cli
