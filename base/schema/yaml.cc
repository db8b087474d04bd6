#include "base/schema/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <optional>
#include <streambuf>
#include <unordered_map>

#include "base/schema/wording.h"
#include "base/schema/yaml_text_internal.h"

namespace weft {
namespace {

constexpr std::size_t kMaxNodes = 1'000'000;

// Leaves the parser from inside an event; caught below, never seen outside.
struct Stop {};

std::size_t CountNodes(const Node& node) {
  std::size_t count = 1;
  for (const Node& item : node.items) count += CountNodes(item);
  for (const Node::Entry& entry : node.entries) count += CountNodes(entry.value);
  return count;
}

int Depth(const Node& node) {
  int depth = 0;
  for (const Node& item : node.items) depth = std::max(depth, Depth(item));
  for (const Node::Entry& entry : node.entries) depth = std::max(depth, Depth(entry.value));
  return depth + (node.kind == Node::Kind::kScalar || node.kind == Node::Kind::kNull ? 0 : 1);
}

// Builds the tree from the parser's events, on a stack of lists and mappings not yet
// closed. In a mapping, every other node is a key.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const NodeSource> source, Errors& errors)
      : source_(std::move(source)), errors_(errors) {}

  std::optional<Node> Take() { return std::move(root_); }
  NodePlace last_place() const { return last_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!started_) {
      started_ = true;
      return;
    }
    Fail(PlaceOf(mark), "a second document, or text after the end of the first",
         "one document a file");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const NodePlace place = PlaceOf(mark);
    if (WantsKey()) Fail(place, "a key is missing before ':'", "a key is plain text");
    // What is not there is reported where it should be: at its key.
    Node node{.kind = Node::Kind::kNull, .place = KeyPlaceOr(place)};
    Add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const NodePlace place = PlaceOf(mark);
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) Fail(place, "an alias inside what it stands for");
    if (WantsKey()) Fail(place, "a key that is an alias", "write the key itself");
    if (static_cast<int>(open_.size()) + Depth(found->second) > kMaxNesting) TooDeep(place);
    Count(CountNodes(found->second), place);
    Add(Node(found->second), 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const NodePlace place = PlaceOf(mark);
    CheckTag(tag, place);
    if (WantsKey()) {
      Key(value, place);
      return;
    }
    Node node{.kind = Node::Kind::kScalar, .quoted = tag == "!", .place = place, .text = value};
    Add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kList, PlaceOf(mark), tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMap, PlaceOf(mark), tag, anchor);
  }
  void OnMapEnd() override { Close(); }

  [[noreturn]] void Fail(const NodePlace& place, std::string message, std::string hint = {}) {
    errors_.push_back({ErrorCode::kSyntax, place.pos(), std::move(message), std::move(hint)});
    throw Stop();
  }

 private:
  struct Level {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    bool twice = false;  // the key was there before: its value is dropped
    std::unordered_map<std::string, NodePlace> keys;  // looked up only, never walked
  };

  NodePlace PlaceOf(const YAML::Mark& mark) {
    last_ = {source_, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
    return last_;
  }

  NodePlace KeyPlaceOr(const NodePlace& place) const {
    const bool in_map = !open_.empty() && open_.back().node.kind == Node::Kind::kMap;
    if (!in_map || open_.back().node.entries.empty()) return place;
    return open_.back().node.entries.back().place;
  }

  bool WantsKey() const {
    return !open_.empty() && open_.back().node.kind == Node::Kind::kMap && !open_.back().has_key;
  }

  [[noreturn]] void TooDeep(const NodePlace& place) {
    Fail(place, fmt::format("nested more than {} deep", kMaxNesting));
  }

  void CheckTag(const std::string& tag, const NodePlace& place) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    const std::string shown =
        tag.starts_with(kStandard) ? "!!" + tag.substr(kStandard.size()) : tag;
    Fail(place, fmt::format("a tag, {}", Quoted(shown)),
         "write the value without it; the schema says what it is");
  }

  void Count(std::size_t nodes, const NodePlace& place) {
    count_ += nodes;
    if (count_ > kMaxNodes) Fail(place, fmt::format("more than {} values", kMaxNodes));
  }

  void Key(const std::string& key, const NodePlace& place) {
    if (key == "<<") Fail(place, "merge key '<<'", "use include: or preset:");
    Level& level = open_.back();
    level.has_key = true;
    const auto [first, fresh] = level.keys.try_emplace(key, place);
    level.twice = !fresh;
    if (level.twice)
      errors_.push_back(
          {ErrorCode::kSyntax, place.pos(), fmt::format("key {} twice", Quoted(key)),
           fmt::format("first at line {}, column {}", first->second.line, first->second.column)});
    level.node.entries.push_back({key, place, {}});
  }

  void Open(Node::Kind kind, const NodePlace& place, const std::string& tag,
            YAML::anchor_t anchor) {
    CheckTag(tag, place);
    if (WantsKey()) Fail(place, "a key that is a list or a mapping", "a key is plain text");
    if (static_cast<int>(open_.size()) >= kMaxNesting) TooDeep(place);
    Level level;
    level.node.kind = kind;
    level.node.place = place;
    level.anchor = anchor;
    open_.push_back(std::move(level));
  }

  void Close() {
    Level level = std::move(open_.back());
    open_.pop_back();
    Add(std::move(level.node), level.anchor);
  }

  void Add(Node node, YAML::anchor_t anchor) {
    Count(1, node.place);
    if (anchor != 0) {
      // The copy that is kept counts too, or anchors of anchors would fill the memory.
      Count(CountNodes(node), node.place);
      anchors_[anchor] = node;
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& parent = open_.back();
    if (parent.node.kind == Node::Kind::kList) {
      parent.node.items.push_back(std::move(node));
      return;
    }
    parent.has_key = false;
    if (parent.twice)
      parent.node.entries.pop_back();
    else
      parent.node.entries.back().value = std::move(node);
  }

  std::shared_ptr<const NodeSource> source_;
  Errors& errors_;
  std::vector<Level> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> root_;
  NodePlace last_{source_, 1, 1};
  std::size_t count_ = 0;
  bool started_ = false;
};

// A stream over text that is already in memory.
class TextBuffer : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* start = const_cast<char*>(text.data());  // only read: no put area
    setg(start, start, start + text.size());
  }
};

// A place that lies in the text: the parser puts the end of input after it, and
// what it found missing may have no mark at all.
NodePlace Within(NodePlace place, std::string_view text) {
  const auto lines = 1 + static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  if (place.line > lines) place = {place.source, lines, 1};
  return place;
}

// What most often lies behind one of the library's messages.
std::string HintFor(const std::string& message) {
  if (message == "illegal map value")
    return "is it indented as the keys beside it, and has the key before it a ':'?";
  if (message == "end of map flow not found") return "',' or '}' is missing before this";
  if (message == "end of sequence flow not found") return "',' or ']' is missing before this";
  if (message == "end of map not found" || message == "end of sequence not found")
    return "the value before this has ended already";
  return {};
}

void ParseInto(std::string_view text, TreeBuilder& builder, Errors& errors,
               const std::shared_ptr<const NodeSource>& source) {
  TextBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop&) {
  } catch (const YAML::Exception& e) {
    NodePlace place = builder.last_place();
    if (!e.mark.is_null()) place = {source, e.mark.line + 1, e.mark.column + 1};
    errors.push_back(
        {ErrorCode::kSyntax, Within(place, text).pos(), "not YAML: " + e.msg, HintFor(e.msg)});
  } catch (const std::exception& e) {
    errors.push_back(
        {ErrorCode::kSyntax, builder.last_place().pos(), std::string("not YAML: ") + e.what(), {}});
  }
}

}  // namespace

Result<Node> ParseYaml(std::string_view text, std::shared_ptr<const NodeSource> source) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (std::optional<Error> error = CheckYamlText(text, source->file))
    return tl::make_unexpected(Errors{*std::move(error)});
  Errors errors;
  TreeBuilder builder(source, errors);
  ParseInto(text, builder, errors, source);
  std::optional<Node> root = builder.Take();
  if (errors.empty() && !root)
    errors.push_back({ErrorCode::kSyntax,
                      {source->file, 1, 1},
                      "the file is empty",
                      "it should hold keys and values"});
  SortByPosition(errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  return *std::move(root);
}

}  // namespace weft
