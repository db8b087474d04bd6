// A composed tree into a message, checked against the schema.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/schema/node.h"
#include "base/schema/reader.h"
#include "base/schema/schema_internal.h"

namespace weft {

class Binder {
 public:
  // `presets`, for hints, may be null.
  Binder(SourceMap& sources, Errors& errors, const PresetTable* presets)
      : sources_(sources), errors_(errors), presets_(presets) {}

  // Binds `node` to `message`; `path` is where it lies and `name` what errors call it.
  void Bind(const Node& node, google::protobuf::Message& message, const std::string& path,
            const std::string& name);

 private:
  // A message whose keys stand in one mapping: the message itself, or a chosen variant.
  struct Part {
    google::protobuf::Message* message;
    const Descriptor* type;
  };
  struct Mapping {
    const Node& node;
    const std::string& path;
    std::vector<Part> parts;
    bool complete = true;  // all layers were read and all tags are known
  };

  void ChooseVariants(Mapping& map, const Part& part);
  void ChooseVariant(Mapping& map, const Part& part, const OneofDescriptor& variant);
  void BindEntry(Mapping& map, const Node::Entry& entry);
  void ReportUnknown(const Mapping& map, const Node::Entry& entry);
  void CheckOneofs(const Mapping& map, const Part& part);
  void FillAbsent(const Mapping& map, const Part& part);
  void BindDefault(const Mapping& map, const Part& part, const FieldDescriptor& key);
  void BindKey(const Node& value, const NodePlace& place, google::protobuf::Message& message,
               const FieldDescriptor& key, const std::string& path);
  void BindValue(const Node& value, google::protobuf::Message& message, const FieldDescriptor& key,
                 const std::string& path, const std::string& name);
  void BindNumber(const Node& value, google::protobuf::Message& message, const FieldDescriptor& key,
                  const std::string& name);
  void BindText(const Node& value, google::protobuf::Message& message, const FieldDescriptor& key,
                const std::string& name);
  void BindBool(const Node& value, google::protobuf::Message& message, const FieldDescriptor& key,
                const std::string& name);
  void BindEnum(const Node& value, google::protobuf::Message& message, const FieldDescriptor& key,
                const std::string& name);
  void Unwanted(const Node& value, const std::string& name, const std::string& want,
                std::string hint = {}, ErrorCode code = ErrorCode::kSyntax);
  void Report(ErrorCode code, const SourcePos& pos, std::string message, std::string hint = {});

  SourceMap& sources_;
  Errors& errors_;
  const PresetTable* presets_;
};

}  // namespace weft
