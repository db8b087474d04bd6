#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "base/check.h"
#include "base/schema/bind_internal.h"
#include "base/schema/quantity.h"
#include "base/schema/wording.h"

namespace weft {
namespace {

using google::protobuf::Message;
using google::protobuf::Reflection;

// The value as an error shows it: numbers bare, other text in quotes.
std::string Shown(const Node& node) {
  switch (node.kind) {
    case Node::Kind::kNull:
      return "nothing";
    case Node::Kind::kList:
    case Node::Kind::kPatch:
      return "a list";
    case Node::Kind::kMap:
      return "a mapping";
    case Node::Kind::kScalar:
      break;
  }
  const bool number =
      !node.quoted && !node.text.empty() &&
      std::string_view("0123456789-+.$").find(node.text[0]) != std::string_view::npos;
  const std::string quoted = Quoted(node.text);
  if (node.quoted) return "the text " + quoted;
  return number ? quoted.substr(1, quoted.size() - 2) : quoted;
}

void StoreWhole(Message& message, const FieldDescriptor& key, std::int64_t number) {
  const Reflection& r = *message.GetReflection();
  const bool add = key.is_repeated();
  const auto u64 = static_cast<std::uint64_t>(number);
  const auto i32 = static_cast<std::int32_t>(number);
  const auto u32 = static_cast<std::uint32_t>(number);
  switch (key.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return add ? r.AddInt32(&message, &key, i32) : r.SetInt32(&message, &key, i32);
    case FieldDescriptor::CPPTYPE_UINT32:
      return add ? r.AddUInt32(&message, &key, u32) : r.SetUInt32(&message, &key, u32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return add ? r.AddUInt64(&message, &key, u64) : r.SetUInt64(&message, &key, u64);
    default:
      return add ? r.AddInt64(&message, &key, number) : r.SetInt64(&message, &key, number);
  }
}

void StoreReal(Message& message, const FieldDescriptor& key, double number) {
  const Reflection& r = *message.GetReflection();
  const bool add = key.is_repeated();
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
    const auto narrow = static_cast<float>(number);
    return add ? r.AddFloat(&message, &key, narrow) : r.SetFloat(&message, &key, narrow);
  }
  return add ? r.AddDouble(&message, &key, number) : r.SetDouble(&message, &key, number);
}

// Whether `number` is within the limits; a whole one is compared as an integer where
// the limit is one too, because 2^53 + 1 is no double.
template <typename T>
bool InRange(T number, const FieldDescriptor& key) {
  const double smallest = SmallestOf(key), largest = LargestOf(key);
  if constexpr (std::is_same_v<T, std::int64_t>) {
    constexpr double kEnd = 0x1p63;
    const bool high = largest < kEnd && number > static_cast<std::int64_t>(std::floor(largest));
    const bool low = smallest > -kEnd && number < static_cast<std::int64_t>(std::ceil(smallest));
    return !high && !low;
  } else {
    return number >= smallest && number <= largest;
  }
}

// Of a duration without its unit: the unit that the key's default or example has, if it is a long
// one, and the two beside it; else what `problem` says.
QuantityProblem InUnitsOf(const FieldDescriptor& key, const Node& value, QuantityProblem problem) {
  const FieldSchema& schema = SchemaOf(key);
  const std::string& like = schema.default_().empty() ? schema.example() : schema.default_();
  if (schema.unit() != Unit::DURATION || !ScanWhole(like, Unit::DURATION) ||
      !ScanQuantity(value.text, Unit::NONE))
    return problem;
  const std::string unit = like.substr(like.find_first_not_of("0123456789."));
  const std::map<std::string, const char*> kBeside = {{"d", "{0}d, {0}h or {0}min"},
                                                      {"h", "{0}h, {0}min or {0}s"},
                                                      {"min", "{0}min, {0}h or {0}s"}};
  const auto units = kBeside.find(unit);
  if (units == kBeside.end()) return problem;
  problem.want = "a time with its unit, such as " + like;
  problem.hint = "write the unit: " + fmt::format(fmt::runtime(units->second), value.text);
  return problem;
}

}  // namespace

void Binder::Unwanted(const Node& value, const std::string& name, const std::string& want,
                      std::string hint, ErrorCode code) {
  Report(code, value.place.pos(), fmt::format("'{}' is {} (want {})", name, Shown(value), want),
         std::move(hint));
}

void Binder::BindValue(const Node& value, Message& message, const FieldDescriptor& key,
                       const std::string& path, const std::string& name) {
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const Reflection& r = *message.GetReflection();
    Message* inner =
        key.is_repeated() ? r.AddMessage(&message, &key) : r.MutableMessage(&message, &key);
    Bind(value, *inner, path, name);
    return;
  }
  sources_.Add(path, value.place.origin());
  if (IsNumber(key)) return BindNumber(value, message, key, name);
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return BindBool(value, message, key, name);
  if (key.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) return BindEnum(value, message, key, name);
  BindText(value, message, key, name);
}

void Binder::BindNumber(const Node& value, Message& message, const FieldDescriptor& key,
                        const std::string& name) {
  const Unit unit = SchemaOf(key).unit();
  const bool whole = IsWhole(key);
  const std::string plain = whole ? "a whole number" : "a number";
  if (value.kind != Node::Kind::kScalar)
    return Unwanted(value, name, unit == Unit::NONE ? plain : DescribeUnit(unit));
  if (value.quoted && unit == Unit::NONE)
    return Unwanted(value, name, plain, "write it without quotes");
  const auto refuse = [&](const QuantityProblem& problem) {
    Unwanted(value, name, problem.want, problem.hint, problem.code);
  };
  const auto in_range = [&](auto number) {
    if (InRange(number, key)) return true;
    const bool large = static_cast<double>(number) > LargestOf(key);
    // 50 for 50 %.
    const bool percent = unit == Unit::RATIO && large &&
                         value.text.find('%') == std::string::npos &&
                         static_cast<double>(number) / 100 <= LargestOf(key);
    Unwanted(value, name, RangeText(key, large),
             percent ? fmt::format("write the unit: {}%", value.text) : std::string(),
             ErrorCode::kOutOfRange);
    return false;
  };
  if (whole) {
    const auto number = ScanWhole(value.text, unit);
    if (!number) return refuse(InUnitsOf(key, value, number.error()));
    if (in_range(*number)) StoreWhole(message, key, *number);
    return;
  }
  const auto number = ScanQuantity(value.text, unit);
  if (!number) return refuse(number.error());
  if (in_range(*number)) StoreReal(message, key, *number);
}

void Binder::BindText(const Node& value, Message& message, const FieldDescriptor& key,
                      const std::string& name) {
  WEFT_CHECK(key.cpp_type() == FieldDescriptor::CPPTYPE_STRING);
  if (value.kind != Node::Kind::kScalar) return Unwanted(value, name, "text");
  for (const char c : value.text) {
    const auto code = static_cast<unsigned char>(c);
    if ((code < 0x20 && c != '\n' && c != '\t') || code == 0x7f)
      return Unwanted(value, name, "text without control characters");
  }
  if (value.text.empty() && SchemaOf(key).required()) return Unwanted(value, name, "some text");
  const Reflection& r = *message.GetReflection();
  return key.is_repeated() ? r.AddString(&message, &key, value.text)
                           : r.SetString(&message, &key, value.text);
}

void Binder::BindBool(const Node& value, Message& message, const FieldDescriptor& key,
                      const std::string& name) {
  const bool yes = value.text == "true", no = value.text == "false";
  if (value.kind != Node::Kind::kScalar || value.quoted || (!yes && !no))
    return Unwanted(value, name, "true or false", value.quoted ? "write it without quotes" : "");
  const Reflection& r = *message.GetReflection();
  return key.is_repeated() ? r.AddBool(&message, &key, yes) : r.SetBool(&message, &key, yes);
}

void Binder::BindEnum(const Node& value, Message& message, const FieldDescriptor& key,
                      const std::string& name) {
  const EnumDescriptor& type = *key.enum_type();
  const std::vector<std::string> texts = EnumTexts(type);
  if (value.kind == Node::Kind::kScalar) {
    for (int i = 0; i < type.value_count(); ++i) {
      if (texts[static_cast<std::size_t>(i)] != value.text) continue;
      const Reflection& r = *message.GetReflection();
      return key.is_repeated() ? r.AddEnum(&message, &key, type.value(i))
                               : r.SetEnum(&message, &key, type.value(i));
    }
  }
  const std::string nearest = Nearest(value.text, texts);
  Unwanted(value, name, JoinOr(texts),
           nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest),
           ErrorCode::kOutOfRange);
}

}  // namespace weft
