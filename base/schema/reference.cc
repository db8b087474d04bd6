#include <fmt/format.h>

#include <set>

#include "base/schema/explain.h"
#include "base/schema/key_list_internal.h"

namespace weft {
namespace {

// Text that a table in Markdown shows as it is.
std::string Cell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string Code(const std::string& text) {
  if (text.empty()) return {};
  std::string out = "`";
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out + "`";
}

std::string Parent(const std::string& path) {
  const std::size_t end = path.rfind('.');
  return end == std::string::npos ? "" : path.substr(0, end);
}

// A mapping and, inside it, the keys of one message: one section of the reference.
struct Section {
  std::string path, variant;
  const Descriptor* message = nullptr;
};

std::string DefaultText(const FieldSchema& schema) {
  if (schema.required()) return "required";
  if (schema.default_().empty()) return {};
  std::string out = Code(schema.default_());
  if (!schema.source().empty()) out += " " + Cell(schema.source());
  return out;
}

std::string MeaningOf(const SchemaKey& key) {
  if (key.tag != nullptr) return Cell(SchemaOf(*key.tag).doc());
  std::string out = Cell(SchemaOf(*key.field).doc());
  if (key.field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return out;
  const EnumDescriptor& names = *key.field->enum_type();
  for (int i = 0; i < names.value_count(); ++i) {
    const std::string& doc = SchemaOf(*names.value(i)).doc();
    if (doc.empty()) continue;
    out += fmt::format("{}{}: {}", out.empty() ? "" : "; ", Code(EnumText(*names.value(i))),
                       Cell(doc));
  }
  return out;
}

std::string Row(const SchemaKey& key) {
  const std::string name = key.path.substr(key.path.rfind('.') + 1);
  if (key.tag != nullptr)
    return fmt::format("| {} | {} |  | required | {} |\n", Code(name), Cell(TypeText(key)),
                       MeaningOf(key));
  return fmt::format("| {} | {} | {} | {} | {} |\n", Code(name), Cell(TypeText(key)),
                     Cell(LimitsText(key)), DefaultText(SchemaOf(*key.field)), MeaningOf(key));
}

std::string Heading(const Section& section) {
  std::string title = section.path.empty() ? "The top level" : Code(section.path);
  if (!section.variant.empty()) title += " with " + Code(section.variant);
  std::string out = fmt::format("\n## {}\n\n", title);
  const TypeSchema& schema = SchemaOf(*section.message);
  if (!schema.doc().empty()) out += Cell(schema.doc()) + "\n\n";
  if (!schema.preset_kind().empty())
    out += fmt::format("`preset: NAME` starts from one of `weft presets {}`.\n\n",
                       schema.preset_kind());
  if (!schema.later().empty())
    out += fmt::format("In a later version: {}.\n\n", Cell(schema.later()));
  return out;
}

}  // namespace

std::string FormatReference(const Descriptor& root) {
  const std::vector<SchemaKey> keys = ListKeys(root);
  std::string out;
  std::set<std::pair<std::string, std::string>> done;
  for (const SchemaKey& first : keys) {
    const Section section{Parent(first.path), first.variant, first.owner};
    const std::string message = section.message->full_name();
    if (!done.insert({section.path + "\n" + section.variant, message}).second) continue;
    out += Heading(section) + "| key | type | range | default | meaning |\n" +
           "| --- | --- | --- | --- | --- |\n";
    for (const SchemaKey& key : keys)
      if (key.owner == section.message && key.variant == section.variant &&
          Parent(key.path) == section.path)
        out += Row(key);
  }
  out.erase(0, out.find_first_not_of('\n'));
  return out;
}

}  // namespace weft
