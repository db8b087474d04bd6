#include <gtest/gtest.h>

#include "scenario/run_report.h"

namespace weft {
namespace {

// 0 10 20 30 40: the median is the third; the 5th percentile lies a fifth of the
// way from the first to the second (position 0.05·4 = 0.2), the 95th at 3.8.
TEST(IntervalOf, InterpolatesLinearlyBetweenRanks) {
  const Interval<double> got = IntervalOf({40, 0, 20, 10, 30});
  EXPECT_DOUBLE_EQ(got.median, 20);
  EXPECT_DOUBLE_EQ(got.p5, 2);
  EXPECT_DOUBLE_EQ(got.p95, 38);
}

TEST(IntervalOf, IsAPointForOneValue) { EXPECT_EQ(IntervalOf({7}), (Interval<double>{7, 7, 7})); }

TEST(IntervalOf, TakesTheMeanOfTheMiddleTwoForAnEvenCount) {
  EXPECT_DOUBLE_EQ(IntervalOf({1, 2, 4, 100}).median, 3);
}

}  // namespace
}  // namespace weft
