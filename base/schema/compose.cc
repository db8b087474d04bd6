#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <unordered_map>

#include "base/schema/compose_internal.h"
#include "base/schema/schema_internal.h"
#include "base/schema/wording.h"
#include "base/schema/yaml.h"
#include "base/schema/yaml_text_internal.h"
#include "base/text_file.h"

namespace weft {
namespace {

constexpr int kMaxFiles = 256;
constexpr std::size_t kMaxChain = 16;  // includes in includes, presets on presets

// The same name for the same file, however it is written.
std::string CanonicalName(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path full = std::filesystem::weakly_canonical(path, failed);
  return failed ? std::filesystem::path(path).lexically_normal().string() : full.string();
}

Node::Entry TakeEntry(Node& map, std::string_view key) {
  const auto at = map.Find(key) - map.entries.data();
  Node::Entry entry = std::move(map.entries[static_cast<std::size_t>(at)]);
  map.entries.erase(map.entries.begin() + at);
  return entry;
}

bool IsMap(const Node& node) { return node.kind == Node::Kind::kMap; }

// One step of a path: a key, or an index in brackets.
struct Step {
  std::string name;
  bool index = false;
  std::size_t at = 0;  // where it starts in the text
};

// The steps of `fabric.hosts[0].gpus`; nothing where it is no path.
std::optional<std::vector<Step>> ParsePath(std::string_view path) {
  std::vector<Step> steps;
  for (std::size_t i = 0; i < path.size();) {
    const bool index = path[i] == '[';
    const std::size_t start = index || (path[i] == '.' && !steps.empty()) ? i + 1 : i;
    const std::size_t end =
        std::min(index ? path.find(']', start) : path.find_first_of(".[", start), path.size());
    const std::string name(path.substr(start, end - start));
    if (name.empty() || (index && (end == path.size() || steps.empty()))) return std::nullopt;
    if (!index && !steps.empty() && path[i] != '.') return std::nullopt;
    if (index && (name.size() > 6 || name.find_first_not_of("0123456789") != std::string::npos))
      return std::nullopt;
    steps.push_back({name, index, start});
    i = index ? end + 1 : end;
    if (i + 1 == path.size() && path[i] == '.') return std::nullopt;
  }
  if (steps.empty() || steps.size() > static_cast<std::size_t>(kMaxNesting)) return std::nullopt;
  return steps;
}

std::size_t IndexOf(const std::string& digits) {
  std::size_t index = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), index);
  return index;
}

}  // namespace

void Composer::Report(ErrorCode code, const SourcePos& pos, std::string message, std::string hint) {
  errors_.push_back({code, pos, std::move(message), std::move(hint)});
}

std::optional<Node> Composer::Parse(std::string_view text,
                                    std::shared_ptr<const NodeSource> source) {
  if (options_.texts != nullptr) options_.texts->Add(source->file, std::string(text));
  Result<Node> node = ParseYaml(text, source);
  if (!node) {
    errors_.insert(errors_.end(), node.error().begin(), node.error().end());
    return std::nullopt;
  }
  if (IsMap(*node)) return *std::move(node);
  const bool nothing = node->kind == Node::Kind::kNull;
  Report(ErrorCode::kSyntax, nothing ? SourcePos{source->file, 1, 1} : node->place.pos(),
         nothing ? "the file is empty" : "the file is no mapping",
         "it should hold keys and values");
  return std::nullopt;
}

std::optional<Node> Composer::ReadAndParse(const std::string& path, const SourcePos& from) {
  auto text = ReadText(path, kMaxTextBytes);
  if (!text) {
    errors_.push_back(Unreadable(path, from, text.error()));
    return std::nullopt;
  }
  ++files_read_;
  return Parse(*text, std::make_shared<NodeSource>(NodeSource{path, Origin::Kind::kFile, {}}));
}

std::optional<Node> Composer::LoadFile(const std::string& path) {
  std::optional<Node> node = ReadAndParse(path, {path, 1, 1});
  std::vector<std::string> stack{CanonicalName(path)};
  if (node) ExpandIncludes(*node, stack);
  return node;
}

std::optional<Node> Composer::LoadText(std::string_view text, const std::string& name) {
  std::optional<Node> node =
      Parse(text, std::make_shared<NodeSource>(NodeSource{name, Origin::Kind::kFile, {}}));
  std::vector<std::string> stack{CanonicalName(name)};
  if (node) ExpandIncludes(*node, stack);
  return node;
}

void Composer::ExpandIncludes(Node& node, std::vector<std::string>& stack) {
  for (Node& item : node.items) ExpandIncludes(item, stack);
  for (Node::Entry& entry : node.entries)
    if (entry.key != "include") ExpandIncludes(entry.value, stack);
  if (IsMap(node) && node.Find("include") != nullptr) IncludeInto(node, stack);
}

void Composer::IncludeInto(Node& node, std::vector<std::string>& stack) {
  const Node::Entry include = TakeEntry(node, "include");
  const bool list = include.value.kind == Node::Kind::kList;
  const std::vector<Node> names = list ? include.value.items : std::vector<Node>{include.value};
  std::optional<Node> below;
  bool partial = false;
  for (const Node& name : names) {
    std::optional<Node> one = IncludeOne(name, stack);
    partial = partial || !one;
    if (one) below = below ? Merge(*std::move(below), *std::move(one), false) : std::move(one);
  }
  // Not Merge: a preset named beside the include lies below it.
  if (below) node = MergeMaps(*std::move(below), std::move(node), false);
  node.partial = node.partial || partial;
}

std::optional<Node> Composer::IncludeOne(const Node& name, std::vector<std::string>& stack) {
  const SourcePos pos = name.place.pos();
  if (name.kind != Node::Kind::kScalar || name.text.empty()) {
    Report(ErrorCode::kSyntax, pos, "'include' is not the name of a file",
           "include: FILE, or a list of files");
    return std::nullopt;
  }
  const std::filesystem::path folder = std::filesystem::path(pos.file).parent_path();
  const bool from_set = name.place.source->kind == Origin::Kind::kSet;
  const std::string path = (from_set ? std::filesystem::path(name.text) : folder / name.text)
                               .lexically_normal()
                               .string();
  const std::string canonical = CanonicalName(path);
  if (std::find(stack.begin(), stack.end(), canonical) != stack.end()) {
    Report(ErrorCode::kInconsistent, pos, fmt::format("{} includes itself", Quoted(path)));
    return std::nullopt;
  }
  if (stack.size() > kMaxChain || files_read_ >= kMaxFiles) {
    Report(ErrorCode::kOutOfRange, pos,
           fmt::format("more than {} files, or includes nested more than {} deep", kMaxFiles,
                       kMaxChain));
    return std::nullopt;
  }
  std::optional<Node> node = ReadAndParse(path, pos);
  if (!node) return std::nullopt;
  stack.push_back(canonical);
  ExpandIncludes(*node, stack);
  stack.pop_back();
  return node;
}

Node Composer::Merge(Node base, Node overlay, bool set) {
  if (overlay.kind == Node::Kind::kPatch)
    return ApplyPatch(std::move(base), std::move(overlay), set);
  if (!IsMap(base) || !IsMap(overlay)) return overlay;
  // Another preset is another thing: what lower layers said belongs to theirs. A --set
  // replaces nothing but the value it names.
  if (!set && overlay.Find("preset") != nullptr) return overlay;
  return MergeMaps(std::move(base), std::move(overlay), set);
}

Node Composer::MergeMaps(Node base, Node overlay, bool set) {
  std::unordered_map<std::string, std::size_t> at;  // looked up only
  for (std::size_t i = 0; i < base.entries.size(); ++i) at[base.entries[i].key] = i;
  for (Node::Entry& entry : overlay.entries) {
    const auto found = at.find(entry.key);
    if (found == at.end()) {
      base.entries.push_back(std::move(entry));
      continue;
    }
    Node::Entry& below = base.entries[found->second];
    if (!set || !IsMap(below.value) || !IsMap(entry.value)) below.place = entry.place;
    below.value = Merge(std::move(below.value), std::move(entry.value), set);
  }
  // The mapping lies where the user wrote it, and --set only reaches into it.
  if (!set) base.place = overlay.place;
  base.partial = base.partial || overlay.partial;
  return base;
}

Node Composer::ApplyPatch(Node base, Node patch, bool set) {
  if (base.kind == Node::Kind::kPatch) {
    for (Node::Entry& entry : patch.entries) {
      Node::Entry* same = base.Find(entry.key);
      if (same == nullptr)
        base.entries.push_back(std::move(entry));
      else
        same->value = Merge(std::move(same->value), std::move(entry.value), set);
    }
    return base;
  }
  if (base.kind != Node::Kind::kList) {
    // One value stands for a list of one.
    Node list{.kind = Node::Kind::kList, .place = base.place};
    list.items.push_back(std::move(base));
    base = std::move(list);
  }
  for (Node::Entry& entry : patch.entries) {
    const std::size_t index = IndexOf(entry.key);
    if (index >= base.items.size()) {
      Report(ErrorCode::kUnknownKey, entry.place.pos(), fmt::format("there is no [{}]", index),
             fmt::format("the list has {} items, counted from 0", base.items.size()));
      continue;
    }
    base.items[index] = Merge(std::move(base.items[index]), std::move(entry.value), set);
  }
  return base;
}

void Composer::ApplySets(Node& root) {
  for (const std::string& text : options_.sets) ApplySet(root, text);
}

void Composer::ApplySet(Node& root, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::string path = text.substr(0, equals);
  const auto by = options_.set_by.find(path);
  const std::string option = by == options_.set_by.end() ? "--set" : by->second;
  const auto source =
      std::make_shared<NodeSource>(NodeSource{option + ' ' + path, Origin::Kind::kSet, {}});
  if (options_.texts != nullptr) options_.texts->Add(source->file, text);
  if (equals == std::string::npos || equals == 0) {
    Report(ErrorCode::kSyntax, {source->file, 1, 1}, fmt::format("{} sets nothing", Quoted(text)),
           option + " path=value");
    return;
  }
  const std::optional<std::vector<Step>> steps = ParsePath(path);
  if (!steps) {
    Report(ErrorCode::kSyntax, {source->file, 1, 1}, fmt::format("{} is no path", Quoted(path)),
           "a path is fabric.segments or faults[0].at");
    return;
  }
  const NodePlace end{source, 1, static_cast<int>(equals) + 2};
  if (text.find_first_not_of(" \t", equals + 1) == std::string::npos) {
    Report(ErrorCode::kSyntax, end.pos(), fmt::format("{} is set to nothing", Quoted(path)),
           option + " path=value");
    return;
  }
  // With the path blanked out, the value's columns are those of the whole text.
  Result<Node> value = ParseYaml(std::string(equals + 1, ' ') + text.substr(equals + 1), source);
  if (!value) {
    errors_.insert(errors_.end(), value.error().begin(), value.error().end());
    return;
  }
  std::vector<std::string> stack;
  ExpandIncludes(*value, stack);
  Node node = *std::move(value);
  for (std::size_t i = steps->size(); i-- > 0;) {
    const Step& step = (*steps)[i];
    const NodePlace place{source, 1, static_cast<int>(step.at) + 1};
    Node outer{.kind = step.index ? Node::Kind::kPatch : Node::Kind::kMap, .place = place};
    outer.entries.push_back({step.name, place, std::move(node)});
    node = std::move(outer);
  }
  root = Merge(std::move(root), std::move(node), true);
}

void Composer::ExpandPresets(Node& node, const Descriptor& message) {
  for (Node& item : node.items) ExpandPresets(item, message);
  if (!IsMap(node)) return;
  const std::string& kind = SchemaOf(message).preset_kind();
  if (!kind.empty() && node.Find("preset") != nullptr) ExpandOwnPreset(node, kind);
  for (Node::Entry& entry : node.entries) {
    const FieldDescriptor* key = FindKey(message, node, entry.key);
    if (key != nullptr && key->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      ExpandPresets(entry.value, *key->message_type());
  }
}

void Composer::ExpandOwnPreset(Node& node, const std::string& kind) {
  std::vector<std::string> chain;
  while (node.Find("preset") != nullptr) {
    const Node::Entry entry = TakeEntry(node, "preset");
    std::optional<Node> below = FindPreset(entry, kind, chain);
    if (!below) {
      node.partial = true;
      return;
    }
    node = Merge(*std::move(below), std::move(node), false);
  }
}

std::optional<Node> Composer::FindPreset(const Node::Entry& entry, const std::string& kind,
                                         std::vector<std::string>& chain) {
  const SourcePos pos = entry.value.place.pos();
  const std::string& name = entry.value.text;
  if (entry.value.kind != Node::Kind::kScalar) {
    Report(ErrorCode::kSyntax, pos, "'preset' is not a name", "preset: NAME");
    return std::nullopt;
  }
  const Preset* preset = options_.presets == nullptr ? nullptr : options_.presets->Find(kind, name);
  if (preset == nullptr) {
    const std::vector<std::string> names =
        options_.presets == nullptr ? std::vector<std::string>{} : options_.presets->Names(kind);
    const std::string nearest = Nearest(name, names);
    Report(ErrorCode::kUnknownKey, pos,
           names.empty()
               ? fmt::format("'preset' is {}, and there are no {} presets", Quoted(name), kind)
               : fmt::format("'preset' is {} (want {})", Quoted(name), JoinOr(names)),
           nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
    return std::nullopt;
  }
  const bool again = std::find(chain.begin(), chain.end(), name) != chain.end();
  if (again || chain.size() >= kMaxChain) {
    Report(ErrorCode::kInconsistent, pos,
           again ? fmt::format("preset {} starts from itself", Quoted(name))
                 : fmt::format("presets that start from presets more than {} deep", kMaxChain));
    return std::nullopt;
  }
  chain.push_back(name);
  return Parse(preset->text, std::make_shared<NodeSource>(
                                 NodeSource{preset->file, Origin::Kind::kPreset, preset->name}));
}

}  // namespace weft
