#include "report/numbers.h"

#include <gtest/gtest.h>

namespace weft {
namespace {

TEST(FormatSeconds, TakesTheUnitThatFits) {
  EXPECT_EQ(FormatSeconds(0.04152), "41.52 ms");
  EXPECT_EQ(FormatSeconds(9.6e-6), "9.600 us");
  EXPECT_EQ(FormatSeconds(0), "0 s");
  EXPECT_EQ(FormatSeconds(1.25), "1.250 s");
  EXPECT_EQ(FormatSeconds(300), "5.000 min");
}

TEST(FormatBytes, IsExactInTheLargestWholeUnit) {
  EXPECT_EQ(FormatBytes(MiB(64)), "64 MiB");
  EXPECT_EQ(FormatBytes(Bytes(2'000'000)), "2 MB");
  EXPECT_EQ(FormatBytes(Bytes(1'234'567)), "1,234,567 B");
  EXPECT_EQ(FormatBytes(Bytes(0)), "0 B");
}

TEST(FormatCount, GroupsByThousands) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(14'400), "14,400");
  EXPECT_EQ(FormatCount(-1'234'567), "-1,234,567");
}

TEST(FormatRate, NeverRoundsAWholeRate) {
  EXPECT_EQ(FormatRate(GigabitsPerSecond(400)), "400 Gb/s");
  EXPECT_EQ(FormatRate(GigabitsPerSecond(1600)), "1.600 Tb/s");
}

TEST(FormatSecondsInterval, LeavesOutABracketThatSaysNothing) {
  EXPECT_EQ(FormatSecondsInterval({0.0415, 0.0410, 0.0441}), "41.50 ms [41.00, 44.10]");
  EXPECT_EQ(FormatSecondsInterval({0.0415, 0.0415, 0.0415}), "41.50 ms");
}

TEST(FormatSignedPercent, ShowsTheSign) {
  EXPECT_EQ(FormatSignedPercent(0.716), "+71.6 %");
  EXPECT_EQ(FormatSignedPercent(-0.0625, 2), "-6.25 %");
  // Of nothing, or what rounds to it, there is no minus.
  EXPECT_EQ(FormatSignedPercent(-0.0004), "+0.0 %");
  EXPECT_EQ(FormatSignedPercent(-0.0004, 2), "-0.04 %");
  EXPECT_EQ(FormatSignedPercentInterval({-0.0001, -0.195, -0.0}), "+0.0 % [-19.5, +0.0]");
}

}  // namespace
}  // namespace weft
