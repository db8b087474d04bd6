#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <sstream>

#include "base/schema/quantity.h"
#include "base/schema/schema_internal.h"

namespace weft {
namespace {

// HostPort -> HOST_PORT_
std::string EnumPrefix(const std::string& name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool upper = name[i] >= 'A' && name[i] <= 'Z';
    if (upper && i > 0) out += '_';
    out += static_cast<char>(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
  }
  return out + "_";
}

}  // namespace

const FieldSchema& SchemaOf(const FieldDescriptor& key) {
  return key.options().GetExtension(weft::field);
}
const TypeSchema& SchemaOf(const Descriptor& message) {
  return message.options().GetExtension(weft::type);
}
const ValueSchema& SchemaOf(const EnumValueDescriptor& name) {
  return name.options().GetExtension(weft::value);
}
const VariantSchema& SchemaOf(const OneofDescriptor& oneof) {
  return oneof.options().GetExtension(weft::variant);
}

bool HasTag(const OneofDescriptor& oneof) { return !SchemaOf(oneof).tag().empty(); }

std::vector<const FieldDescriptor*> OwnKeys(const Descriptor& message) {
  std::vector<const FieldDescriptor*> out;
  for (int i = 0; i < message.field_count(); ++i) {
    const OneofDescriptor* oneof = message.field(i)->real_containing_oneof();
    if (oneof == nullptr || !HasTag(*oneof)) out.push_back(message.field(i));
  }
  return out;
}

std::vector<const OneofDescriptor*> Variants(const Descriptor& message) {
  std::vector<const OneofDescriptor*> out;
  for (int i = 0; i < message.real_oneof_decl_count(); ++i)
    if (HasTag(*message.oneof_decl(i))) out.push_back(message.oneof_decl(i));
  return out;
}

std::vector<std::string> TagValues(const OneofDescriptor& variant) {
  std::vector<std::string> out;
  for (int i = 0; i < variant.field_count(); ++i) out.push_back(variant.field(i)->name());
  return out;
}

const FieldDescriptor* FindMember(const OneofDescriptor& variant, std::string_view name) {
  for (int i = 0; i < variant.field_count(); ++i)
    if (variant.field(i)->name() == name) return variant.field(i);
  return nullptr;
}

const FieldDescriptor* ChosenMember(const OneofDescriptor& variant, const Node& map) {
  const Node::Entry* tag = map.Find(SchemaOf(variant).tag());
  if (tag == nullptr || tag->value.kind != Node::Kind::kScalar) return nullptr;
  return FindMember(variant, tag->value.text);
}

const FieldDescriptor* FindKey(const Descriptor& message, const Node& map, std::string_view key) {
  for (const FieldDescriptor* own : OwnKeys(message))
    if (own->name() == key) return own;
  for (const OneofDescriptor* variant : Variants(message)) {
    const FieldDescriptor* member = ChosenMember(*variant, map);
    if (member == nullptr) continue;
    const FieldDescriptor* found = FindKey(*member->message_type(), map, key);
    if (found != nullptr) return found;
  }
  return nullptr;
}

std::string EnumText(const EnumValueDescriptor& name) {
  std::string text = name.name();
  const std::string prefix = EnumPrefix(name.type()->name());
  if (text.starts_with(prefix) && text.size() > prefix.size()) text.erase(0, prefix.size());
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

std::vector<std::string> EnumTexts(const EnumDescriptor& names) {
  std::vector<std::string> out;
  for (int i = 0; i < names.value_count(); ++i) out.push_back(EnumText(*names.value(i)));
  return out;
}

std::vector<std::string> LaterKeys(const Descriptor& message) {
  std::vector<std::string> out;
  std::istringstream list(SchemaOf(message).later());
  for (std::string name; std::getline(list, name, ',');) {
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!name.empty()) out.push_back(name);
  }
  return out;
}

bool IsWhole(const FieldDescriptor& key) {
  switch (key.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

bool IsNumber(const FieldDescriptor& key) {
  return IsWhole(key) || key.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE ||
         key.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT;
}

double SmallestOf(const FieldDescriptor& key) {
  return SchemaOf(key).has_min() ? SchemaOf(key).min() : 0;
}

double LargestOf(const FieldDescriptor& key) {
  double type = std::numeric_limits<double>::max();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_INT32)
    type = std::numeric_limits<std::int32_t>::max();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_UINT32)
    type = std::numeric_limits<std::uint32_t>::max();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) type = std::numeric_limits<float>::max();
  return SchemaOf(key).has_max() ? std::min(type, SchemaOf(key).max()) : type;
}

std::string RangeText(const FieldDescriptor& key, bool of_type) {
  const FieldSchema& schema = SchemaOf(key);
  const auto text = [&](double limit) {
    return IsWhole(key) ? FormatWhole(static_cast<std::int64_t>(limit), schema.unit())
                        : FormatQuantity(limit, schema.unit());
  };
  if (schema.has_max() || of_type) return text(SmallestOf(key)) + ".." + text(LargestOf(key));
  return "at least " + text(SmallestOf(key));
}

}  // namespace weft
