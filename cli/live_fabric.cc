#include "cli/live_fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/schema/wording.h"
#include "base/text_file.h"
#include "scenario/prepare.h"

namespace weft::cli {
namespace {

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
  WEFT_TRY(std::string bytes, ReadTextFile(path, {path, 0, 0}));
  if (bytes.empty())
    return tl::make_unexpected(Errors{Unreadable(path, {path, 0, 0}, "it is empty")});
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.erase(0, 3);  // UTF-8's byte order mark
  if (const std::size_t zero = bytes.find('\0'); zero != std::string::npos)
    return Fail(ErrorCode::kSyntax, PosOf(path, bytes, zero), "is no text: it has bytes of zero",
                "plain text in UTF-8 (UTF-16 and compressed files are to be converted)");
  texts.Add(path, bytes);
  return bytes;
}

Result<Located<ScenarioSpec>> ReadScenarioFile(const std::string& path,
                                               const std::vector<std::string>& sets,
                                               SourceTexts& texts,
                                               const std::map<std::string, std::string>& set_by) {
  return OrForeign(ReadScenario(path, sets, &texts, set_by), FileKind::kScenario, path);
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
    return OrForeign(ReadScenarioWiring(path, texts), FileKind::kScenario, path);
  if (chosen == nullptr) chosen = RecognizeFormat(text);
  if (chosen == nullptr) {
    const Error unknown{ErrorCode::kUnknownKey,
                        {path, 1, 1},
                        "is of no format that weft recognises",
                        "--format says it: " + JoinOr(ReadableFormats())};
    return tl::make_unexpected(Errors{ForeignTo(FileKind::kFabric, path).value_or(unknown)});
  }
  Result<Wiring> wiring = OrForeign(chosen->read({text, path, nic}), FileKind::kFabric, path);
  const FabricFormat* other = RecognizeFormat(text);
  if (!wiring && other != nullptr && other != chosen) {
    Error& first = wiring.error().front();
    first.hint += fmt::format("{}the file looks like {}: format {}", first.hint.empty() ? "" : "; ",
                              other->doc, other->name);
  }
  return wiring;
}

}  // namespace weft::cli
