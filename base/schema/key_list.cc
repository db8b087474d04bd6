#include <fmt/format.h>

#include <algorithm>

#include "base/schema/key_list_internal.h"
#include "base/schema/wording.h"

namespace weft {
namespace {

// Walks the messages; `open` are those we are in.
class Lister {
 public:
  explicit Lister(std::vector<SchemaKey>& keys) : keys_(keys) {}

  void Message(const Descriptor& message, const std::string& path, const std::string& variant) {
    if (std::find(open_.begin(), open_.end(), &message) != open_.end()) return;
    open_.push_back(&message);
    const std::string prefix = path.empty() ? "" : path + ".";
    for (const OneofDescriptor* oneof : Variants(message))
      keys_.push_back({prefix + SchemaOf(*oneof).tag(), variant, &message, nullptr, oneof});
    for (const FieldDescriptor* own : OwnKeys(message)) {
      keys_.push_back({prefix + own->name(), variant, &message, own, nullptr});
      if (own->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
        Message(*own->message_type(), prefix + own->name(), variant);
    }
    for (const OneofDescriptor* oneof : Variants(message)) {
      for (int i = 0; i < oneof->field_count(); ++i) {
        const FieldDescriptor& member = *oneof->field(i);
        Message(*member.message_type(), path,
                fmt::format("{}: {}", SchemaOf(*oneof).tag(), member.name()));
      }
    }
    open_.pop_back();
  }

 private:
  std::vector<SchemaKey>& keys_;
  std::vector<const Descriptor*> open_;
};

std::string OneOf(const std::vector<std::string>& names) { return "one of " + JoinOr(names); }

}  // namespace

std::vector<SchemaKey> ListKeys(const Descriptor& root) {
  std::vector<SchemaKey> keys;
  Lister(keys).Message(root, "", "");
  return keys;
}

std::string TypeText(const SchemaKey& key) {
  if (key.tag != nullptr) return OneOf(TagValues(*key.tag));
  std::string text = "text";
  if (key.field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) text = "mapping";
  if (key.field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) text = "true or false";
  if (key.field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
    text = OneOf(EnumTexts(*key.field->enum_type()));
  if (IsNumber(*key.field)) text = IsWhole(*key.field) ? "whole number" : "number";
  if (const std::string unit = UnitText(key); !unit.empty()) text = unit;
  return key.field->is_repeated() ? "list of: " + text : text;
}

std::string UnitText(const SchemaKey& key) {
  if (key.field == nullptr) return {};
  switch (SchemaOf(*key.field).unit()) {
    case Unit::BIT_RATE:
      return "rate (400Gbps)";
    case Unit::BYTES:
      return "size (64MiB)";
    case Unit::DURATION:
      return "time (1.5us)";
    case Unit::POWER:
      return "power (750W)";
    case Unit::MONEY:
      return "price (2.5kUSD)";
    case Unit::RATIO:
      return "share (50%)";
    case Unit::LENGTH:
      return "length (50m)";
    case Unit::ENERGY_PRICE:
      return "price of energy (0.12USD/kWh)";
    case Unit::YEARS:
      return "years (3y)";
    default:
      return {};
  }
}

std::string LimitsText(const SchemaKey& key) {
  if (key.field == nullptr || !IsNumber(*key.field)) return {};
  const FieldSchema& schema = SchemaOf(*key.field);
  return schema.has_min() || schema.has_max() ? RangeText(*key.field, false) : "";
}

}  // namespace weft
