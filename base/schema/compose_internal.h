// Lays a file's layers over each other: includes, presets, --set.
//
// Each step takes a tree and returns one tree, whose every node still knows which
// text it came from. What could not be read is an error in `errors` and leaves its
// mapping marked partial, so that nothing is reported as missing from it.
#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/schema/node.h"
#include "base/schema/reader.h"

namespace weft {

class Composer {
 public:
  Composer(const ReadOptions& options, Errors& errors) : options_(options), errors_(errors) {}

  // A file or text as a tree without `include:`; nothing where it cannot be read.
  std::optional<Node> LoadFile(const std::string& path);
  std::optional<Node> LoadText(std::string_view text, const std::string& name);

  // Lays every --set of the options over `root`.
  void ApplySets(Node& root);

  // Replaces every `preset:` in a tree that is to become a `message`.
  void ExpandPresets(Node& node, const google::protobuf::Descriptor& message);

 private:
  std::optional<Node> Parse(std::string_view text, std::shared_ptr<const NodeSource> source);
  std::optional<Node> ReadAndParse(const std::string& path, const SourcePos& from);
  void ExpandIncludes(Node& node, std::vector<std::string>& stack);
  void IncludeInto(Node& node, std::vector<std::string>& stack);
  std::optional<Node> IncludeOne(const Node& name, std::vector<std::string>& stack);
  void ExpandOwnPreset(Node& node, const std::string& kind);
  std::optional<Node> FindPreset(const Node::Entry& entry, const std::string& kind,
                                 std::vector<std::string>& chain);
  void ApplySet(Node& root, const std::string& text);
  Node Merge(Node base, Node overlay, bool set);
  Node MergeMaps(Node base, Node overlay, bool set);
  Node ApplyPatch(Node base, Node patch, bool set);
  void Report(ErrorCode code, const SourcePos& pos, std::string message, std::string hint = {});

  const ReadOptions& options_;
  Errors& errors_;
  int files_read_ = 0;
};

}  // namespace weft
