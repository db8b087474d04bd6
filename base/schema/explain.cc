#include "base/schema/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/schema/key_list_internal.h"
#include "base/schema/wording.h"

namespace weft {
namespace {

// faults[0].at -> faults.at
std::string WithoutIndices(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    inside = inside || c == '[';
    if (!inside) out += c;
    if (c == ']') inside = false;
  }
  return out;
}

std::string LastName(const std::string& path) { return path.substr(path.rfind('.') + 1); }

// The lines of an enum's or a tag's values that say what they mean.
std::string ValueLines(const SchemaKey& key) {
  std::string out;
  const auto line = [&](const std::string& name, const std::string& doc) {
    if (!doc.empty()) out += fmt::format("    {:<12} {}\n", name, doc);
  };
  if (key.tag != nullptr) {
    for (int i = 0; i < key.tag->field_count(); ++i)
      line(key.tag->field(i)->name(), SchemaOf(*key.tag->field(i)->message_type()).doc());
  } else if (key.field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    const EnumDescriptor& names = *key.field->enum_type();
    for (int i = 0; i < names.value_count(); ++i)
      line(EnumText(*names.value(i)), SchemaOf(*names.value(i)).doc());
  }
  return out;
}

// The keys inside a mapping.
std::string InnerLine(const SchemaKey& key) {
  if (key.field == nullptr || key.field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return {};
  const Descriptor& inner = *key.field->message_type();
  std::string names;
  for (const OneofDescriptor* oneof : Variants(inner)) names += SchemaOf(*oneof).tag() + ", ";
  for (const FieldDescriptor* own : OwnKeys(inner)) names += own->name() + ", ";
  if (!names.empty()) names.resize(names.size() - 2);
  std::string out = "  keys      " + names + "\n";
  const std::string& preset = SchemaOf(inner).preset_kind();
  if (!preset.empty()) out += fmt::format("  presets   weft presets {}\n", preset);
  const std::vector<std::string> later = LaterKeys(inner);
  if (!later.empty()) out += fmt::format("  later     {}\n", fmt::join(later, ", "));
  return out;
}

std::string ExplainOne(const SchemaKey& key) {
  std::string out = key.path;
  if (!key.variant.empty()) out += fmt::format("  ({})", key.variant);
  out += '\n';
  const auto line = [&](const char* label, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<9} {}\n", label, text);
  };
  if (key.tag != nullptr) {
    line("", SchemaOf(*key.tag).doc());
    line("type", TypeText(key));
    return out + ValueLines(key);
  }
  const FieldSchema& schema = SchemaOf(*key.field);
  line("", schema.doc());
  line("type", TypeText(key));
  out += ValueLines(key);
  line("range", LimitsText(key));
  line("default", schema.default_());
  line("source", schema.source());
  line("required", schema.required() ? "yes" : "");
  if (!schema.example().empty()) line("example", key.field->name() + ": " + schema.example());
  return out + InnerLine(key);
}

// Keys of the reader itself, which any mapping may have; empty for others.
std::string ExplainComposition(const std::string& name) {
  if (name == "include")
    return "include  (in any mapping)\n"
           "            a file, or a list of files, whose keys are laid under this mapping's own\n"
           "  type      text, or a list of texts: paths from where this file lies\n"
           "            of two files the later wins; lists and values replace, mappings merge\n"
           "  example   include: common.yaml\n";
  if (name == "preset")
    return "preset  (in a mapping that has presets: fabric, host, switch)\n"
           "            the preset whose keys are laid under this mapping's own\n"
           "  type      text: a name that weft presets lists\n"
           "            it hides what an include said about the same mapping\n"
           "  example   preset: hpn\n";
  return {};
}

}  // namespace

Result<std::string> ExplainKey(const Descriptor& root, std::string_view key) {
  const std::string path = WithoutIndices(key);
  if (const std::string text = ExplainComposition(LastName(path)); !text.empty()) return text;
  const std::vector<SchemaKey> keys = ListKeys(root);
  std::string out;
  std::vector<std::string> names, paths;
  const auto add = [&](auto matches) {
    for (const SchemaKey& one : keys)
      if (matches(one)) out += (out.empty() ? "" : "\n") + ExplainOne(one);
  };
  add([&](const SchemaKey& one) { return one.path == path; });
  if (out.empty()) add([&](const SchemaKey& one) { return one.path.ends_with("." + path); });
  if (!out.empty()) return out;
  for (const SchemaKey& one : keys) {
    names.push_back(LastName(one.path));
    paths.push_back(one.path);
  }
  const bool dotted = path.find('.') != std::string::npos;
  std::string nearest;
  if (dotted)  // fabric.rate: what has that name further inside
    for (const std::string& one : paths)
      if (nearest.empty() && one.starts_with(path.substr(0, path.rfind('.') + 1)) &&
          one.ends_with(path.substr(path.rfind('.'))))
        nearest = one;
  if (nearest.empty()) nearest = Nearest(path, dotted ? paths : names);
  return Fail(ErrorCode::kUnknownKey, {std::string("explain"), 0, 0},
              fmt::format("there is no key {}", Quoted(key)),
              nearest.empty() ? "docs/formats/ lists all keys"
                              : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace weft
