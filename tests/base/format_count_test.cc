#include "base/format_count.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(FormatFigure, HasNoExponentAndNoZerosAtItsEnd) {
  EXPECT_EQ(FormatFigure(28'091.4, 4), "28,091");
  EXPECT_EQ(FormatFigure(310'000, 4), "310,000");
  EXPECT_EQ(FormatFigure(1'234.5, 3), "1,235");
  EXPECT_EQ(FormatFigure(94, 4), "94");
  EXPECT_EQ(FormatFigure(18.084, 4), "18.08");
  EXPECT_EQ(FormatFigure(2.04, 4), "2.04");
  EXPECT_EQ(FormatFigure(-1.5, 3), "-1.5");
  EXPECT_EQ(FormatFigure(0, 4), "0");
}

TEST(FormatFigure, KeepsTheDigitsOfSmallNumbers) {
  EXPECT_EQ(FormatFigure(0.00722, 3), "0.00722");
  EXPECT_EQ(FormatFigure(1.2345e-6, 3), "0.00000123");
}

// What rounds to a thousand is whole, too.
TEST(FormatFigure, GroupsWhatRoundsToAThousand) {
  EXPECT_EQ(FormatFigure(999.4, 3), "999");
  EXPECT_EQ(FormatFigure(999.6, 3), "1,000");
  EXPECT_EQ(FormatFigure(999.94, 4), "999.9");
  EXPECT_EQ(FormatFigure(999.96, 4), "1,000");
}

}  // namespace
}  // namespace weft
