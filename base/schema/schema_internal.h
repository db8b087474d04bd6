// The schema as the reader sees it: keys, variants, names of enum values, ranges.
#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/schema/field.pb.h"
#include "base/schema/node.h"

namespace weft {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::OneofDescriptor;

const FieldSchema& SchemaOf(const FieldDescriptor& key);
const TypeSchema& SchemaOf(const Descriptor& message);
const ValueSchema& SchemaOf(const EnumValueDescriptor& name);
const VariantSchema& SchemaOf(const OneofDescriptor& oneof);

// Whether the oneof is a variant: a tag names its member.
bool HasTag(const OneofDescriptor& oneof);

// The fields that are keys by themselves: all but the members of variants.
std::vector<const FieldDescriptor*> OwnKeys(const Descriptor& message);

// The oneofs with a tag.
std::vector<const OneofDescriptor*> Variants(const Descriptor& message);

// The members' names.
std::vector<std::string> TagValues(const OneofDescriptor& variant);
const FieldDescriptor* FindMember(const OneofDescriptor& variant, std::string_view name);

// The member that a scalar in `map` chooses; null where none does.
const FieldDescriptor* ChosenMember(const OneofDescriptor& variant, const Node& map);

// The field that `key` means inside `map`, in the message or in a variant that is chosen
// there; null where there is none.
const FieldDescriptor* FindKey(const Descriptor& message, const Node& map, std::string_view key);

// HOST_PORT_BY_QP of enum HostPort is by_qp; so is BY_QP.
std::string EnumText(const EnumValueDescriptor& name);
std::vector<std::string> EnumTexts(const EnumDescriptor& names);

// The keys that a later version brings.
std::vector<std::string> LaterKeys(const Descriptor& message);

bool IsWhole(const FieldDescriptor& key);   // one of the integer types
bool IsNumber(const FieldDescriptor& key);  // whole, or double or float

// Inclusive limits in the stored unit: the option's, else 0 and the type's.
double SmallestOf(const FieldDescriptor& key);
double LargestOf(const FieldDescriptor& key);

// "1..136", "at least 1", in the user's units. A limit that only the type sets is named
// where `of_type` asks for it.
std::string RangeText(const FieldDescriptor& key, bool of_type);

}  // namespace weft
