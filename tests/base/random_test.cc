#include "base/random.h"

#include <array>
#include <set>

namespace weft {
namespace {

// The first outputs of the authors' own splitmix64.c for the seed 1234567.
TEST(Random, GivesTheNumbersOfSplitMix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317u);
  EXPECT_EQ(random.Next(), 3203168211198807973u);
  EXPECT_EQ(random.Next(), 9817491932198370423u);
  EXPECT_EQ(random.Next(), 4593380528125082431u);
  EXPECT_EQ(random.Next(), 16408922859458223821u);
}

TEST(StreamSeed, TellsStreamsApartByEveryIdAndByTheirOrder) {
  const std::set<std::uint64_t> seeds{StreamSeed(1, {}),     StreamSeed(2, {}),
                                      StreamSeed(1, {0}),    StreamSeed(1, {0, 0}),
                                      StreamSeed(1, {2, 3}), StreamSeed(1, {3, 2})};
  EXPECT_EQ(seeds.size(), 6u);
}

// 60,000 throws of a die: each face within five deviations (91) of 10,000.
TEST(Below, IsUniform) {
  Random random(7);
  std::array<int, 6> faces{};
  for (int i = 0; i < 60'000; ++i) ++faces[random.Below(6)];
  for (const int count : faces) EXPECT_NEAR(count, 10'000, 5 * 91);
}

// Mean and variance of n draws lie within five of their own deviations.
TEST(Normal, HasMeanZeroAndVarianceOne) {
  Random random(7);
  constexpr int kDraws = 100'000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1, 5 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace weft
