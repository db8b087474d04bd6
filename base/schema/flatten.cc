#include "base/schema/flatten.h"

#include <google/protobuf/descriptor.h>

#include "base/schema/field.pb.h"
#include "base/schema/quantity.h"
#include "base/schema/reader.h"

namespace weft {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

using Flat = std::map<std::string, std::string>;

void AddMessage(const Message& message, const std::string& prefix, Flat& flat);

std::string Scalar(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& r = *message.GetReflection();
  const auto get = [&](auto single, auto repeated) {
    return index < 0 ? (r.*single)(message, &field) : (r.*repeated)(message, &field, index);
  };
  const Unit unit = field.options().GetExtension(weft::field).unit();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FormatQuantity(get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble), unit);
    case FieldDescriptor::CPPTYPE_INT64:
      return FormatWhole(get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64), unit);
    case FieldDescriptor::CPPTYPE_UINT64:
      return std::to_string(get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
    case FieldDescriptor::CPPTYPE_INT32:
      return std::to_string(get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32));
    case FieldDescriptor::CPPTYPE_UINT32:
      return std::to_string(get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32));
    case FieldDescriptor::CPPTYPE_BOOL:
      return get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumText(*get(&Reflection::GetEnum, &Reflection::GetRepeatedEnum));
    case FieldDescriptor::CPPTYPE_STRING:
      return get(&Reflection::GetString, &Reflection::GetRepeatedString);
    default:
      return {};
  }
}

void AddField(const Message& message, const FieldDescriptor& field, const std::string& prefix,
              Flat& flat) {
  const Reflection& r = *message.GetReflection();
  const bool nested = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  const std::string key = prefix + field.name();
  if (field.is_repeated()) {
    for (int i = 0; i < r.FieldSize(message, &field); ++i) {
      const std::string item = key + '[' + std::to_string(i) + ']';
      if (nested)
        AddMessage(r.GetRepeatedMessage(message, &field, i), item + '.', flat);
      else
        flat[item] = Scalar(message, field, i);
    }
    return;
  }
  if (field.has_presence() && !r.HasField(message, &field)) return;
  if (!nested) {
    flat[key] = Scalar(message, field, -1);
    return;
  }
  const auto* oneof = field.real_containing_oneof();
  if (oneof != nullptr && oneof->options().HasExtension(variant)) {
    flat[prefix + oneof->options().GetExtension(variant).tag()] = field.name();
    AddMessage(r.GetMessage(message, &field), prefix, flat);  // its keys stand flat
    return;
  }
  AddMessage(r.GetMessage(message, &field), key + '.', flat);
}

void AddMessage(const Message& message, const std::string& prefix, Flat& flat) {
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i)
    AddField(message, *descriptor.field(i), prefix, flat);
}

}  // namespace

Flat Flatten(const Message& message) {
  Flat flat;
  AddMessage(message, "", flat);
  return flat;
}

}  // namespace weft
