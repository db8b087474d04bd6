#include "cli/live_fabric.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/schema/wording.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{256} << 20;

Result<Wiring> ReadScenarioWiring(const std::string& path, SourceTexts& texts) {
  WEFT_TRY(const Located<ScenarioSpec> spec, ReadScenario(path, {}, &texts));
  FabricCache cache;
  WEFT_TRY(const std::shared_ptr<const Fabric> fabric, PrepareFabric(spec, cache));
  return MakeWiring(*fabric, spec.message.fabric(),
                    spec.message.has_host() ? &spec.message.host() : nullptr);
}

// A scenario in YAML or JSON says `fabric:` at its top level.
bool LooksLikeScenario(const std::string& path, const std::string& text) {
  return path.ends_with(".yaml") || path.ends_with(".yml") || path.ends_with(".json") ||
         text.find("\nfabric:") != std::string::npos || text.starts_with("fabric:");
}

// Whether a line of `text` starts with `key`.
bool HasKey(std::string_view text, std::string_view key) {
  for (std::size_t at = text.find(key); at != std::string::npos; at = text.find(key, at + 1))
    if (at == 0 || text[at - 1] == '\n') return true;
  return false;
}

// What weft itself writes or reads elsewhere.
std::optional<Error> OwnFormat(const std::string& path, const std::string& text) {
  constexpr std::string_view kSchema = "\"schema\": \"weft.";
  const std::size_t at = std::string_view(text).substr(0, 200).find(kSchema);
  if (text[0] == '{' && at != std::string::npos) {
    const std::size_t from = at + kSchema.size();
    const std::string kind = text.substr(from, text.find('/', from) - from);
    return Error{ErrorCode::kSyntax,
                 {path, 1, 1},
                 kind == "plan" ? "is no scenario file: weft plan wrote it"
                                : fmt::format("is no scenario file: it is JSON of weft.{}", kind),
                 kind == "plan" ? "weft diff holds it against another plan, weft plan asks it "
                                  "again; weft import cabling makes a fabric of the links.csv "
                                  "beside it"
                                : "a scenario has `fabric:`; weft new prints one"};
  }
  if (HasKey(text, "need:") && HasKey(text, "parts:") && !HasKey(text, "fabric:"))
    return Error{ErrorCode::kSyntax,
                 {path, 1, 1},
                 "is no scenario file: it is a question for the planner",
                 fmt::format("weft plan {}", path)};
  return std::nullopt;
}

// Of the byte at `at`.
SourcePos PosOf(const std::string& path, const std::string& bytes, std::size_t at) {
  const auto begin = bytes.begin(), here = begin + static_cast<std::ptrdiff_t>(at);
  const std::size_t line = at == 0 ? std::string::npos : bytes.rfind('\n', at - 1);
  const std::size_t first = line == std::string::npos ? 0 : line + 1;
  return {path, 1 + static_cast<int>(std::count(begin, here, '\n')),
          1 + static_cast<int>(at - first)};
}

}  // namespace

Result<std::string> ReadBytes(const std::string& path, SourceTexts& texts) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || file.bad() || text.str().empty()) {
    const std::string why = errno != 0 ? std::strerror(errno) : "it is empty";
    return Fail(ErrorCode::kIo, {path, 0, 0}, "cannot be read: " + why, "");
  }
  if (text.str().size() > kMaxBytes)
    return Fail(ErrorCode::kIo, {path, 0, 0}, "is larger than 256 MiB", "");
  std::string bytes = text.str();
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);  // UTF-8's byte order mark
  if (const std::size_t zero = bytes.find('\0'); zero != std::string::npos)
    return Fail(ErrorCode::kSyntax, PosOf(path, bytes, zero), "is no text: it has bytes of zero",
                "plain text in UTF-8 (UTF-16 and compressed files are to be converted)");
  texts.Add(path, bytes);
  return bytes;
}

std::optional<Error> ForeignFormat(const std::string& path) {
  SourceTexts unused;
  const Result<std::string> text = ReadBytes(path, unused);
  if (!text) return std::nullopt;
  if (std::optional<Error> own = OwnFormat(path, *text)) return own;
  if (LooksLikeScenario(path, *text)) return std::nullopt;
  // Their first words: what is sent, and no fabric.
  for (const std::string_view first :
       {"HYBRID_TRANSFORMER", "HYBRID_DLRM", "MICRO\n", "comm_type,"})
    if (text->starts_with(first))
      return Error{
          ErrorCode::kSyntax,
          {path, 1, 1},
          "is no scenario file: it looks like a workload of SimAI or AICB, which weft does not "
          "read",
          "weft new training prints a scenario that says what is trained, and how"};
  const FabricFormat* format = RecognizeFormat(*text);
  if (format == nullptr) return std::nullopt;
  return Error{ErrorCode::kSyntax,
               {path, 1, 1},
               fmt::format("is no scenario file: it looks like {}", format->doc),
               fmt::format("weft import {} {} -o fabric.yaml makes one of it", format->name, path)};
}

Result<Located<ScenarioSpec>> ReadScenarioFile(const std::string& path,
                                               const std::vector<std::string>& sets,
                                               SourceTexts& texts,
                                               const std::map<std::string, std::string>& set_by) {
  return OrForeign(ReadScenario(path, sets, &texts, set_by), path);
}

std::vector<std::string> ReadableFormats() {
  std::vector<std::string> out;
  for (const FabricFormat& format : FabricFormats())
    if (format.read != nullptr) out.emplace_back(format.name);
  return out;
}

std::vector<std::string> WritableFormats() {
  std::vector<std::string> out;
  for (const FabricFormat& format : FabricFormats())
    if (format.write != nullptr) out.emplace_back(format.name);
  return out;
}

Result<Wiring> ReadWiring(const std::string& path, const std::string& format,
                          std::optional<BitRate> nic, SourceTexts& texts) {
  const FabricFormat* chosen = FindFormat(format);
  if (!format.empty() && format != "json" && format != "yaml" &&
      (chosen == nullptr || chosen->read == nullptr))
    return Fail(ErrorCode::kUnknownKey, {"weft", 0, 0},
                fmt::format("'{}' is no format that weft reads", format),
                fmt::format("{}, json, yaml", fmt::join(ReadableFormats(), ", ")));
  WEFT_TRY(const std::string text, ReadBytes(path, texts));
  if (format == "json" || format == "yaml" || (format.empty() && LooksLikeScenario(path, text)))
    return ReadScenarioWiring(path, texts);
  if (chosen == nullptr) chosen = RecognizeFormat(text);
  if (chosen == nullptr)
    return Fail(ErrorCode::kUnknownKey, {path, 1, 1}, "is of no format that weft recognises",
                "--format says it: " + JoinOr(ReadableFormats()));
  Result<Wiring> wiring = chosen->read({text, path, nic});
  const FabricFormat* other = RecognizeFormat(text);
  if (!wiring && other != nullptr && other != chosen) {
    Error& first = wiring.error().front();
    first.hint += fmt::format("{}the file looks like {}: format {}", first.hint.empty() ? "" : "; ",
                              other->doc, other->name);
  }
  return wiring;
}

}  // namespace weft::cli
