#include "base/schema/reader.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/schema/bind_internal.h"
#include "base/schema/compose_internal.h"

namespace weft {
namespace {

// Sorts, and drops what an alias or a layer that is used twice has reported again.
Errors Tidied(Errors errors) {
  SortByPosition(errors);
  const auto same = [](const Error& a, const Error& b) {
    return a.pos == b.pos && a.message == b.message;
  };
  errors.erase(std::unique(errors.begin(), errors.end(), same), errors.end());
  return errors;
}

Result<SourceMap> Finish(google::protobuf::Message& message, std::optional<Node> root,
                         Composer& composer, const PresetTable* presets, Errors& errors) {
  message.Clear();
  SourceMap sources;
  if (root) {
    composer.ApplySets(*root);
    composer.ExpandPresets(*root, *message.GetDescriptor());
    Binder(sources, errors, presets).Bind(*root, message, "", "the file");
  }
  if (errors.empty()) return sources;
  return tl::make_unexpected(Tidied(std::move(errors)));
}

}  // namespace

PresetTable::PresetTable(std::vector<Preset> presets) : presets_(std::move(presets)) {
  std::set<std::pair<std::string, std::string>> names;
  for (const Preset& preset : presets_) WEFT_CHECK(names.emplace(preset.kind, preset.name).second);
}

const Preset* PresetTable::Find(std::string_view kind, std::string_view name) const {
  for (const Preset& preset : presets_)
    if (preset.kind == kind && preset.name == name) return &preset;
  return nullptr;
}

std::vector<std::string> PresetTable::Names(std::string_view kind) const {
  std::vector<std::string> names;
  for (const Preset& preset : presets_)
    if (preset.kind == kind) names.push_back(preset.name);
  std::sort(names.begin(), names.end());
  return names;
}

Origin SourceMap::At(std::string_view path) const {
  while (true) {
    const auto found = entries_.find(path);
    if (found != entries_.end()) return found->second;
    if (path.empty()) return {};
    const std::size_t end = path.find_last_of(".[");
    path = end == std::string_view::npos ? std::string_view() : path.substr(0, end);
  }
}

bool SourceMap::Given(std::string_view path) const {
  const auto found = entries_.find(path);
  if (found == entries_.end()) return false;
  return found->second.kind == Origin::Kind::kFile || found->second.kind == Origin::Kind::kSet;
}

Result<SourceMap> ReadFileInto(google::protobuf::Message& message, const std::string& path,
                               const ReadOptions& options) {
  Errors errors;
  Composer composer(options, errors);
  std::optional<Node> root = composer.LoadFile(path);
  return Finish(message, std::move(root), composer, options.presets, errors);
}

Result<SourceMap> ParseTextInto(google::protobuf::Message& message, std::string_view text,
                                const std::string& file_name, const ReadOptions& options) {
  Errors errors;
  Composer composer(options, errors);
  std::optional<Node> root = composer.LoadText(text, file_name);
  return Finish(message, std::move(root), composer, options.presets, errors);
}

}  // namespace weft
