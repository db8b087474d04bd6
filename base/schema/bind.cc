#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/schema/bind_internal.h"
#include "base/schema/wording.h"
#include "base/schema/yaml.h"

namespace weft {
namespace {

using google::protobuf::Message;

std::string Join(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

// Every key that could stand in the mapping, for a list in an error.
void AddKeys(const Descriptor& type, std::vector<std::string>& keys) {
  for (const OneofDescriptor* variant : Variants(type)) keys.push_back(SchemaOf(*variant).tag());
  for (const FieldDescriptor* key : OwnKeys(type)) keys.push_back(key->name());
}

// "family: hpn" of the variant that has `key`, where it is not the chosen one.
std::string OtherVariantWith(const Descriptor& type, std::string_view key) {
  for (const OneofDescriptor* variant : Variants(type))
    for (int i = 0; i < variant->field_count(); ++i)
      for (const FieldDescriptor* own : OwnKeys(*variant->field(i)->message_type()))
        if (own->name() == key)
          return fmt::format("{}: {}", SchemaOf(*variant).tag(), variant->field(i)->name());
  return {};
}

// The key of a mapping inside `type` to which a later version's `key` belongs; empty: none.
std::string LaterInside(const Descriptor& type, std::string_view key) {
  for (const FieldDescriptor* own : OwnKeys(type)) {
    if (own->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::vector<std::string> later = LaterKeys(*own->message_type());
    if (std::find(later.begin(), later.end(), key) != later.end()) return own->name();
  }
  return {};
}

// The text of a default as a tree that lies where the key is missing.
void MoveTo(Node& node, const NodePlace& place) {
  node.place = place;
  for (Node& item : node.items) MoveTo(item, place);
  for (Node::Entry& entry : node.entries) {
    entry.place = place;
    MoveTo(entry.value, place);
  }
}

Node DefaultNode(const std::string& text, const NodePlace& missing) {
  const auto source =
      std::make_shared<NodeSource>(NodeSource{missing.source->file, Origin::Kind::kDefault, {}});
  const NodePlace place{source, missing.line, missing.column};
  if (text[0] != '{' && text[0] != '[')
    return Node{.kind = Node::Kind::kScalar, .place = place, .text = text};
  Result<Node> node = ParseYaml(text, source);
  WEFT_CHECK(node.has_value());  // a default is part of the schema
  MoveTo(*node, place);
  return *std::move(node);
}

bool IsMessage(const FieldDescriptor& key) {
  return key.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// One word that every key of the mapping takes stands for all of them: `network: absent`.
std::optional<Node> ForEveryKey(const Node& node, const Descriptor& type) {
  if (node.kind != Node::Kind::kScalar || type.field_count() < 2) return std::nullopt;
  Node out{.kind = Node::Kind::kMap, .place = node.place};
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& key = *type.field(i);
    if (key.is_repeated() || key.enum_type() != type.field(0)->enum_type() ||
        key.cpp_type() != FieldDescriptor::CPPTYPE_ENUM)
      return std::nullopt;
    out.entries.push_back({key.name(), node.place, node});
  }
  const std::vector<std::string> words = EnumTexts(*type.field(0)->enum_type());
  if (std::find(words.begin(), words.end(), node.text) == words.end()) return std::nullopt;
  return out;
}

// Of `keys` the one that has `word` between its underlines: site_power for power; none of several.
std::string KeyWithWord(const std::string& word, const std::vector<std::string>& keys) {
  std::string found;
  for (const std::string& key : keys) {
    if (('_' + key + '_').find('_' + word + '_') == std::string::npos) continue;
    if (!found.empty()) return {};
    found = key;
  }
  return found;
}

}  // namespace

void Binder::Report(ErrorCode code, const SourcePos& pos, std::string message, std::string hint) {
  errors_.push_back({code, pos, std::move(message), std::move(hint)});
}

void Binder::Bind(const Node& node, Message& message, const std::string& path,
                  const std::string& name) {
  const Descriptor& type = *message.GetDescriptor();
  sources_.Add(path, node.place.origin());
  if (const std::optional<Node> words = ForEveryKey(node, type))
    return Bind(*words, message, path, name);
  if (node.kind != Node::Kind::kMap) {
    const bool named = node.kind == Node::Kind::kScalar && !SchemaOf(type).preset_kind().empty();
    std::string hint = named ? fmt::format("{{ preset: {} }}", node.text.substr(0, 60)) : "";
    for (const OneofDescriptor* variant : Variants(type))
      if (named && FindMember(*variant, node.text) != nullptr &&
          (presets_ == nullptr ||
           presets_->Find(SchemaOf(type).preset_kind(), node.text) == nullptr))
        hint = fmt::format("{{ {}: {}, … }}", SchemaOf(*variant).tag(), node.text);
    Unwanted(node, name, "a mapping of keys", hint);
    return;
  }
  Mapping map{node, path, {{&message, &type}}, !node.partial};
  ChooseVariants(map, map.parts.front());
  for (const Node::Entry& entry : node.entries) BindEntry(map, entry);
  for (const Part& part : map.parts) {
    CheckOneofs(map, part);
    if (map.complete) FillAbsent(map, part);
  }
}

void Binder::ChooseVariants(Mapping& map, const Part& part) {
  for (const OneofDescriptor* variant : Variants(*part.type)) ChooseVariant(map, part, *variant);
}

void Binder::ChooseVariant(Mapping& map, const Part& part, const OneofDescriptor& variant) {
  const std::string& tag = SchemaOf(variant).tag();
  const FieldDescriptor* member = ChosenMember(variant, map.node);
  if (member != nullptr) {
    Message* chosen = part.message->GetReflection()->MutableMessage(part.message, member);
    map.parts.push_back({chosen, member->message_type()});
    ChooseVariants(map, Part(map.parts.back()));
    return;
  }
  const std::vector<std::string> values = TagValues(variant);
  const Node::Entry* entry = map.node.Find(tag);
  if (entry == nullptr && !map.node.partial) {
    const bool presets = !SchemaOf(*part.type).preset_kind().empty();
    Report(ErrorCode::kUnknownKey, map.node.place.pos(), fmt::format("'{}' is missing", tag),
           fmt::format("{}: {}{}", tag, JoinOr(values), presets ? "; or preset: NAME" : ""));
  } else if (entry != nullptr) {
    const std::string nearest = Nearest(entry->value.text, values);
    Unwanted(entry->value, tag, JoinOr(values),
             nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
  }
  map.complete = false;
}

void Binder::BindEntry(Mapping& map, const Node::Entry& entry) {
  const std::string path = Join(map.path, entry.key);
  for (const Part& part : map.parts) {
    for (const OneofDescriptor* variant : Variants(*part.type)) {
      if (SchemaOf(*variant).tag() != entry.key) continue;
      sources_.Add(path, entry.value.place.origin());
      return;
    }
    for (const FieldDescriptor* key : OwnKeys(*part.type)) {
      if (key->name() != entry.key) continue;
      BindKey(entry.value, entry.place, *part.message, *key, path);
      return;
    }
  }
  ReportUnknown(map, entry);
}

void Binder::ReportUnknown(const Mapping& map, const Node::Entry& entry) {
  std::vector<std::string> keys;
  for (const Part& part : map.parts) AddKeys(*part.type, keys);
  const Descriptor& type = *map.parts.front().type;
  const std::string other = OtherVariantWith(type, entry.key);
  if (!map.complete && (!other.empty() || map.node.partial)) return;  // its tag is the error
  const std::vector<std::string> later = LaterKeys(type);
  const std::string exist = "keys here: " + JoinOr(keys);
  const SourcePos pos = entry.place.pos();
  if (std::find(later.begin(), later.end(), entry.key) != later.end()) {
    Report(ErrorCode::kUnknownKey, pos, fmt::format("'{}' is not in this version", entry.key),
           exist);
    return;
  }
  if (const std::string inside = LaterInside(type, entry.key); !inside.empty()) {
    Report(ErrorCode::kUnknownKey, pos,
           fmt::format("'{}' belongs under '{}', and is not in this version", entry.key, inside),
           exist);
    return;
  }
  std::string nearest = Nearest(entry.key, keys);
  if (nearest.empty()) nearest = KeyWithWord(entry.key, keys);
  std::string hint = nearest.empty() ? exist : fmt::format("did you mean '{}'?", nearest);
  if (const std::size_t colon = entry.key.find(':'); colon != std::string::npos)
    hint = fmt::format("'{}: ' with a space after ':'", entry.key.substr(0, colon));
  if (!other.empty()) hint = fmt::format("it belongs to '{}'", other);
  Report(ErrorCode::kUnknownKey, pos, fmt::format("unknown key {}", Quoted(entry.key)), hint);
}

void Binder::CheckOneofs(const Mapping& map, const Part& part) {
  for (int i = 0; i < part.type->real_oneof_decl_count(); ++i) {
    const OneofDescriptor& oneof = *part.type->oneof_decl(i);
    if (HasTag(oneof)) continue;
    const std::vector<std::string> names = TagValues(oneof);
    std::string first;
    bool required = false;
    for (int k = 0; k < oneof.field_count(); ++k)
      required = required || SchemaOf(*oneof.field(k)).required();
    for (const Node::Entry& entry : map.node.entries) {
      if (FindMember(oneof, entry.key) == nullptr) continue;
      if (!first.empty())
        Report(ErrorCode::kInconsistent, entry.place.pos(),
               fmt::format("'{}' beside '{}'", entry.key, first),
               entry.place.source->kind == Origin::Kind::kSet
                   ? "only one of them; --set is laid over the file's mapping and removes nothing"
                   : "only one of them");
      first = entry.key;
    }
    if (first.empty() && required && map.complete)
      Report(ErrorCode::kInconsistent, map.node.place.pos(),
             fmt::format("{} is missing", JoinOr(names)), "one of them");
  }
}

void Binder::FillAbsent(const Mapping& map, const Part& part) {
  for (const FieldDescriptor* key : OwnKeys(*part.type)) {
    if (key->real_containing_oneof() != nullptr || map.node.Find(key->name()) != nullptr) continue;
    const FieldSchema& schema = SchemaOf(*key);
    if (!schema.default_().empty()) {
      BindDefault(map, part, *key);
    } else if (schema.required()) {
      Report(ErrorCode::kUnknownKey, map.node.place.pos(),
             fmt::format("'{}' is missing", Join(map.path, key->name())),
             schema.example().empty() ? "" : key->name() + ": " + schema.example());
    }
  }
}

void Binder::BindDefault(const Mapping& map, const Part& part, const FieldDescriptor& key) {
  const Node node = DefaultNode(SchemaOf(key).default_(), map.node.place);
  const std::size_t errors = errors_.size();
  BindKey(node, node.place, *part.message, key, Join(map.path, key.name()));
  // A default that is a mapping may still lack a key that only the user can know.
  WEFT_CHECK(IsMessage(key) || errors_.size() == errors);
}

void Binder::BindKey(const Node& value, const NodePlace& place, Message& message,
                     const FieldDescriptor& key, const std::string& path) {
  if (value.kind == Node::Kind::kPatch) {
    Report(ErrorCode::kUnknownKey, value.entries.front().place.pos(),
           fmt::format("'{}' has no item [{}]", path, value.entries.front().key),
           "it has no items");
    return;
  }
  if (!IsMessage(key) || key.is_repeated()) sources_.Add(path, value.place.origin());
  if (value.kind == Node::Kind::kNull) {
    const std::string& example = SchemaOf(key).example();
    Report(ErrorCode::kSyntax, place.pos(), fmt::format("'{}' has no value", key.name()),
           example.empty() ? "" : key.name() + ": " + example);
    return;
  }
  if (!key.is_repeated()) {
    BindValue(value, message, key, path, key.name());
    return;
  }
  if (value.kind != Node::Kind::kList) {
    BindValue(value, message, key, path + "[0]", key.name());
    return;
  }
  if (value.items.empty() && SchemaOf(key).required())
    Report(ErrorCode::kOutOfRange, value.place.pos(), fmt::format("'{}' is empty", key.name()),
           "at least one item");
  for (std::size_t i = 0; i < value.items.size(); ++i)
    BindValue(value.items[i], message, key, fmt::format("{}[{}]", path, i),
              fmt::format("{}[{}]", key.name(), i));
}

}  // namespace weft
