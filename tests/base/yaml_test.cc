#include "base/schema/yaml.h"

#include "tests/base/error_list.h"

namespace weft {
namespace {

std::shared_ptr<const NodeSource> File() {
  return std::make_shared<NodeSource>(NodeSource{"f.yaml", Origin::Kind::kFile, {}});
}

std::string ErrorsOf(std::string_view text) {
  const Result<Node> node = ParseYaml(text, File());
  return node ? "no error\n" : ErrorLines(node.error());
}

// {a: 1, b: [x, "y"]} as `{a=1@1:5 b=[x@2:5 'y'@2:8]@2:4}@1:1`
std::string Picture(const Node& node) {
  std::string out;
  if (node.kind == Node::Kind::kNull) out = "null";
  if (node.kind == Node::Kind::kScalar) out = node.quoted ? "'" + node.text + "'" : node.text;
  if (node.kind == Node::Kind::kList) {
    out = "[";
    for (const Node& item : node.items) out += (out.size() > 1 ? " " : "") + Picture(item);
    out += "]";
  }
  if (node.kind == Node::Kind::kMap) {
    out = "{";
    for (const Node::Entry& entry : node.entries)
      out += (out.size() > 1 ? " " : "") + entry.key + "=" + Picture(entry.value);
    out += "}";
  }
  return out + "@" + std::to_string(node.place.line) + ":" + std::to_string(node.place.column);
}

std::string PictureOf(std::string_view text) {
  const Result<Node> node = ParseYaml(text, File());
  return node ? Picture(*node) : ErrorLines(node.error());
}

TEST(ParseYaml, KeepsTextQuotesAndPositions) {
  EXPECT_EQ(PictureOf("a: 010\nb: [x, \"y\"]\n"), "{a=010@1:4 b=[x@2:5 'y'@2:8]@2:4}@1:1");
  EXPECT_EQ(PictureOf("a:\n  - b: 1\n    c: 2\n"), "{a=[{b=1@2:8 c=2@3:8}@2:5]@2:3}@1:1");
}

TEST(ParseYaml, ReadsJson) {
  EXPECT_EQ(PictureOf("{\"a\":1,\n\t\"b\":[true,\"\\u0041\"]}"),
            "{a=1@1:6 b=[true@2:7 'A'@2:12]@2:6}@1:1");
}

TEST(ParseYaml, CountsColumnsInBytes) {
  EXPECT_EQ(PictureOf("{é: 1, b: 2}"), "{é=1@1:6 b=2@1:12}@1:1");
}

TEST(ParseYaml, ReadsWindowsLinesAndAByteOrderMark) {
  EXPECT_EQ(PictureOf("\xef\xbb\xbf"
                      "a: 1\r\nb: 2\r\n"),
            "{a=1@1:4 b=2@2:4}@1:1");
}

TEST(ParseYaml, ReadsAnAliasAsACopyAtTheAnchor) {
  EXPECT_EQ(PictureOf("a: &x [1]\nb: *x\n"), "{a=[1@1:8]@1:4 b=[1@1:8]@1:4}@1:1");
}

TEST(ParseYaml, LeavesQuotesCommentsAndBlockTextAlone) {
  const std::string brackets(100, '[');
  EXPECT_EQ(ErrorsOf("a: '" + brackets + "'\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("a: 'it''s " + brackets + "'\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("# " + brackets + "\na: x" + brackets + "\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("a: |\n  'text\n  " + brackets + "\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("- a: >-\n    it's \"text\n  b: x\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("a: it's Bob 's and 5\" wide\n"), "no error\n");
  EXPECT_EQ(ErrorsOf("a: {b: it's, c: 'd'}\n"), "no error\n");
}

struct Trap {
  std::string text, errors;
};

TEST(ParseYaml, RefusesEveryTrapWithItsPlace) {
  const Trap traps[] = {
      {"", "f.yaml:1:1: error: the file is empty (it should hold keys and values)\n"},
      {"# nothing\n\n", "f.yaml:1:1: error: the file is empty (it should hold keys and values)\n"},
      {"a: 1\na: 2\n", "f.yaml:2:1: error: key 'a' twice (first at line 1, column 1)\n"},
      {"b: {c: 1, c: 2, c: 3}\n",
       "f.yaml:1:11: error: key 'c' twice (first at line 1, column 5)\n"
       "f.yaml:1:17: error: key 'c' twice (first at line 1, column 5)\n"},
      {"a: 1\n---\nb: 2\n",
       "f.yaml:2:1: error: a second document, or text after the end of the first (one document a "
       "file)\n"},
      {"a: 1\n\tb: 2\n", "f.yaml:2:1: error: a tab in the indentation (indent with spaces)\n"},
      {"a: {x: 1}\nb:\n  <<: {y: 2}\n",
       "f.yaml:3:3: error: merge key '<<' (use include: or preset:)\n"},
      {"a: !!int 3\n",
       "f.yaml:1:4: error: a tag, '!!int' (write the value without it; the schema says what it "
       "is)\n"},
      {"a: !mine {b: 1}\n",
       "f.yaml:1:4: error: a tag, '!mine' (write the value without it; the schema says what it "
       "is)\n"},
      {"? [a]\n: 1\n",
       "f.yaml:1:3: error: a key that is a list or a mapping (a key is plain "
       "text)\n"},
      {"a: &x 1\n*x : 2\n", "f.yaml:2:1: error: a key that is an alias (write the key itself)\n"},
      {"a: &x [*x]\n", "f.yaml:1:8: error: an alias inside what it stands for\n"},
      {std::string("a: 1\nb: \0\n", 10), "f.yaml:2:4: error: control character 0x00 (remove it)\n"},
      {"a: \"\x1b[31m\"\n", "f.yaml:1:5: error: control character 0x1b (remove it)\n"},
      {"a: caf\xe9\n", "f.yaml:1:7: error: this is not UTF-8 (save the file in UTF-8)\n"},
      {"a: \xc0\xaf\n", "f.yaml:1:4: error: this is not UTF-8 (save the file in UTF-8)\n"},
      {"a: \xed\xa0\x80\n", "f.yaml:1:4: error: this is not UTF-8 (save the file in UTF-8)\n"},
      {"\xff\xfe"
       "a",
       "f.yaml:1:1: error: this is not UTF-8 (save the file in UTF-8)\n"},
      {"a: {b: 1\nc: 2}\n",
       "f.yaml:2:2: error: not YAML: end of map flow not found (',' or '}' is missing before "
       "this)\n"},
      {"a: 1\n  b: 2\n",
       "f.yaml:2:4: error: not YAML: illegal map value (is it indented as the keys beside it, and "
       "has the key before it a ':'?)\n"},
      {"a: 'x\n", "f.yaml:1:4: error: quotes that are never closed (close them with ')\n"},
      {"a: {b: \"x}\n", "f.yaml:1:8: error: quotes that are never closed (close them with \")\n"},
      {"- a: |\n    text\n  b: \"x\n",
       "f.yaml:3:6: error: quotes that are never closed (close them with \")\n"},
      {"a: 1\rb: 2\n", "f.yaml:1:5: error: a carriage return that ends no line (remove it)\n"},
  };
  for (const Trap& trap : traps) EXPECT_EQ(ErrorsOf(trap.text), trap.errors) << trap.text;
}

// The words are the YAML library's; that there is an error, and where, is ours.
TEST(ParseYaml, PlacesTheLibrarysOwnErrors) {
  for (const char* text : {"a: [1, 2\n", "a: }\n", "a: b: c\n", "a: *none\n", "%YAML x\n",
                           "a: \"\\q\"\n", "a: \"\\ud83d\"\n", "- a\nb: 1\n", "@a: 1\n"}) {
    const Result<Node> node = ParseYaml(text, File());
    ASSERT_FALSE(node.has_value()) << text;
    EXPECT_THAT(ErrorLines(node.error()), testing::MatchesRegex("(f.yaml:[1-9][0-9]*:[1-9].*\n)+"))
        << text;
  }
}

TEST(ParseYaml, KeepsItsLimits) {
  std::string nested, bombs = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 0; i < 70; ++i) nested += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bombs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int k = 0; k < 9; ++k) bombs += ", " + below;
    bombs += "]\n";
  }
  EXPECT_THAT(ErrorsOf("a: " + std::string(100'000, '[')),
              testing::EndsWith("1:68: error: brackets nested more than 64 deep\n"));
  EXPECT_THAT(ErrorsOf("a: " + std::string(100'000, '{')),
              testing::EndsWith("1:68: error: brackets nested more than 64 deep\n"));
  EXPECT_THAT(ErrorsOf(nested), testing::EndsWith("65:65: error: nested more than 64 deep\n"));
  EXPECT_THAT(ErrorsOf(bombs), testing::EndsWith("error: more than 1000000 values\n"));
  EXPECT_THAT(ErrorsOf("a: " + std::string((std::size_t{16} << 20), 'x')),
              testing::StartsWith("f.yaml:1:1: error: the file is 16777219 bytes"));
  std::string dashes;
  for (int i = 0; i < 5000; ++i) dashes += "- ";
  EXPECT_THAT(ErrorsOf(dashes), testing::EndsWith("error: nested more than 64 deep\n"));
}

}  // namespace
}  // namespace weft
