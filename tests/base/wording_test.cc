#include "base/schema/wording.h"

#include "base/random.h"

namespace weft {
namespace {

TEST(EditDistance, CountsASwapOfNeighboursAsOne) {
  EXPECT_EQ(EditDistance("segments", "segmnets"), 1);
  EXPECT_EQ(EditDistance("host", "hosts"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("", "abc"), 3);
}

// Any k edits lead no further than k, and the way back is as long.
TEST(EditDistance, IsAtMostTheEditsMadeAndSymmetric) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const std::string from = "oversubscription";
    std::string to = from;
    const auto edits = static_cast<int>(random.Below(4));
    for (int i = 0; i < edits; ++i) {
      const std::size_t at = random.Below(static_cast<std::uint32_t>(to.size()));
      const char letter = static_cast<char>('a' + random.Below(26));
      if (random.Below(2) == 0)
        to[at] = letter;
      else
        to.insert(at, 1, letter);
    }
    EXPECT_LE(EditDistance(from, to), edits);
    EXPECT_EQ(EditDistance(from, to), EditDistance(to, from));
  }
}

TEST(Nearest, StaysWithinAThirdOfTheWord) {
  const std::vector<std::string> names{"segments", "hosts", "pods"};
  EXPECT_EQ(Nearest("segmnets", names), "segments");
  EXPECT_EQ(Nearest("host", names), "hosts");
  EXPECT_EQ(Nearest("fabric", names), "");
  EXPECT_EQ(Nearest(std::string(100, 'x'), names), "");
}

TEST(Quoted, IsShortAndFitToPrint) {
  EXPECT_EQ(Quoted("a\x1b[31mb\n"), "'a?[31mb?'");
  EXPECT_EQ(Quoted(std::string(59, 'x') + "é"
                                          "y"),
            "'" + std::string(59, 'x') + "...'");
}

TEST(JoinOr, EndsWithOr) {
  EXPECT_EQ(JoinOr({"a"}), "a");
  EXPECT_EQ(JoinOr({"a", "b", "c"}), "a, b or c");
}

}  // namespace
}  // namespace weft
