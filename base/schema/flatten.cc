#include "base/schema/flatten.h"

#include <fmt/format.h>

#include "base/schema/quantity.h"
#include "base/schema/schema_internal.h"

namespace weft {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;
using Lines = std::map<std::string, std::string>;

void AddMessage(const Message& message, const std::string& path, Lines& lines);

std::int64_t WholeOf(const Message& m, const FieldDescriptor& key, int item) {
  const Reflection& r = *m.GetReflection();
  const bool list = key.is_repeated();
  switch (key.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return list ? r.GetRepeatedInt32(m, &key, item) : r.GetInt32(m, &key);
    case FieldDescriptor::CPPTYPE_UINT32:
      return list ? r.GetRepeatedUInt32(m, &key, item) : r.GetUInt32(m, &key);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<std::int64_t>(list ? r.GetRepeatedUInt64(m, &key, item)
                                            : r.GetUInt64(m, &key));
    default:
      return list ? r.GetRepeatedInt64(m, &key, item) : r.GetInt64(m, &key);
  }
}

double RealOf(const Message& m, const FieldDescriptor& key, int item) {
  const Reflection& r = *m.GetReflection();
  const bool list = key.is_repeated();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT)
    return static_cast<double>(list ? r.GetRepeatedFloat(m, &key, item) : r.GetFloat(m, &key));
  return list ? r.GetRepeatedDouble(m, &key, item) : r.GetDouble(m, &key);
}

std::string ScalarText(const Message& m, const FieldDescriptor& key, int item) {
  const Reflection& r = *m.GetReflection();
  const bool list = key.is_repeated();
  if (IsWhole(key)) return FormatWhole(WholeOf(m, key, item), SchemaOf(key).unit());
  if (IsNumber(key)) return FormatQuantity(RealOf(m, key, item), SchemaOf(key).unit());
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
    return EnumText(list ? *r.GetRepeatedEnum(m, &key, item) : *r.GetEnum(m, &key));
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_BOOL)
    return (list ? r.GetRepeatedBool(m, &key, item) : r.GetBool(m, &key)) ? "true" : "false";
  return list ? r.GetRepeatedString(m, &key, item) : r.GetString(m, &key);
}

void AddItem(const Message& m, const FieldDescriptor& key, int item, const std::string& path,
             Lines& lines) {
  const Reflection& r = *m.GetReflection();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    AddMessage(key.is_repeated() ? r.GetRepeatedMessage(m, &key, item) : r.GetMessage(m, &key),
               path, lines);
    return;
  }
  std::string text = ScalarText(m, key, item);
  if (!text.empty()) lines[path] = std::move(text);
}

void AddMessage(const Message& m, const std::string& path, Lines& lines) {
  const Reflection& r = *m.GetReflection();
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const OneofDescriptor* variant : Variants(*m.GetDescriptor())) {
    const FieldDescriptor* member = r.GetOneofFieldDescriptor(m, variant);
    if (member == nullptr) continue;
    lines[prefix + SchemaOf(*variant).tag()] = member->name();
    AddMessage(r.GetMessage(m, member), path, lines);
  }
  for (const FieldDescriptor* key : OwnKeys(*m.GetDescriptor())) {
    if (key->is_repeated()) {
      for (int i = 0; i < r.FieldSize(m, key); ++i)
        AddItem(m, *key, i, fmt::format("{}{}[{}]", prefix, key->name(), i), lines);
    } else if (!key->has_presence() || r.HasField(m, key)) {
      AddItem(m, *key, 0, prefix + key->name(), lines);
    }
  }
}

}  // namespace

std::map<std::string, std::string> Flatten(const Message& message) {
  Lines lines;
  AddMessage(message, "", lines);
  return lines;
}

}  // namespace weft
