// Every key that a file may hold, with where it lies.
#pragma once

#include <string>
#include <vector>

#include "base/schema/schema_internal.h"

namespace weft {

struct SchemaKey {
  std::string path;                        // fabric.segments; lists without their indices
  std::string variant;                     // "family: hpn"; empty where none must be chosen
  const Descriptor* owner = nullptr;       // the message that has it
  const FieldDescriptor* field = nullptr;  // null for a tag
  const OneofDescriptor* tag = nullptr;    // null for all else
};

// In the order of the schema, tags first; a message inside itself is not entered again.
std::vector<SchemaKey> ListKeys(const Descriptor& root);

// "whole number", "list of sizes with their unit (64MiB)", "one of by_qp, hash".
std::string TypeText(const SchemaKey& key);

// "1..136", or empty.
std::string LimitsText(const SchemaKey& key);

// "number", "bit rate" ...; empty for what has no unit.
std::string UnitText(const SchemaKey& key);

}  // namespace weft
