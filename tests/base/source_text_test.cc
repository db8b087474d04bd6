#include "base/schema/source_text.h"

namespace weft {
namespace {

std::string Drawn(const std::string& text, int line, int column) {
  SourceTexts texts;
  texts.Add("hpn.yaml", text);
  return FormatError({ErrorCode::kSyntax, {"hpn.yaml", line, column}, "m", ""}, texts);
}

TEST(FormatError, PointsAtTheWord) {
  SourceTexts texts;
  texts.Add("hpn.yaml", "segments: 2\nhosts: 200\n");
  EXPECT_EQ(
      FormatError(
          {ErrorCode::kOutOfRange, {"hpn.yaml", 2, 8}, "'hosts' is 200 (want 1..136)", "fewer"},
          texts),
      "hpn.yaml:2:8: error: 'hosts' is 200 (want 1..136) (fewer)\n"
      "  2 | hosts: 200\n"
      "    |        ^~~\n");
}

TEST(FormatError, KeepsTheCaretInPlaceAfterTabsAndWideBytes) {
  EXPECT_EQ(Drawn("{é:\t\"x y\"}", 1, 6),
            "hpn.yaml:1:6: error: m\n  1 | {é: \"x y\"}\n    |     ^~~~~\n");
}

TEST(FormatError, ShowsNoByteThatATerminalObeys) {
  EXPECT_EQ(Drawn("a: \x1b[31m\xc2\x9b\xff", 1, 4),
            "hpn.yaml:1:4: error: m\n  1 | a: ?[31m??\n    |    ^\n");
}

TEST(FormatError, ClipsALongLineRoundTheCaret) {
  const std::string line = std::string(300, 'a') + " bad " + std::string(300, 'c');
  const std::string drawn = Drawn(line, 1, 302);
  const std::string shown = drawn.substr(drawn.find('\n') + 1);
  EXPECT_THAT(shown, testing::StartsWith("  1 | ...aaa"));
  EXPECT_LT(shown.find('\n'), 140u);
  EXPECT_EQ(shown.find("bad"), shown.find('^') - shown.find('\n') - 1);
}

TEST(FormatError, WorksWhereThereIsNoLine) {
  EXPECT_EQ(Drawn("", 1, 1), "hpn.yaml:1:1: error: m\n  1 | \n    | ^\n");
  EXPECT_EQ(Drawn("a\n", 9, 7), "hpn.yaml:9:7: error: m\n  9 | \n    | ^\n");
  EXPECT_EQ(FormatError({ErrorCode::kIo, {"gone", 1, 1}, "m", ""}, SourceTexts()),
            "gone:1:1: error: m\n");
}

}  // namespace
}  // namespace weft
