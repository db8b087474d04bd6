#include "base/units.h"

#include <cmath>

#include "base/random.h"

namespace weft {
namespace {

// 8 MiB are 67,108,864 bits; at 400 Gb/s a bit takes 2.5 ps.
TEST(TransferTime, IsExactForWholePicosecondsAByte) {
  EXPECT_EQ(TransferTime(MiB(8), GigabitsPerSecond(400)).count(), 167'772'160);
  EXPECT_EQ(TransferTime(Bytes(0), GigabitsPerSecond(400)).count(), 0);
}

// One byte at 3 bit/s takes 2.666... s.
TEST(TransferTime, RoundsUpSoThatNothingArrivesEarly) {
  EXPECT_EQ(TransferTime(Bytes(1), BitRate::BitsPerSecond(3)).count(), 2'666'666'666'667);
}

// What TransferTime says it takes is enough, and one picosecond less is not.
TEST(TransferTime, IsTheFirstPicosecondAtWhichAllBytesHavePassed) {
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Bytes size(1 + random.Below(1u << 31));
    const BitRate rate = BitRate::BitsPerSecond(1e6 + std::floor(random.Unit() * 1e12));
    const SimDuration duration = TransferTime(size, rate);
    EXPECT_GE(BytesIn(rate, duration), size);
    EXPECT_LT(BytesIn(rate, duration - SimDuration(1)), size);
  }
}

TEST(FromSecondsUp, UndoesToSecondsForWholePicoseconds) {
  EXPECT_EQ(FromSecondsUp(1e-6).count(), 1'000'000);
  EXPECT_EQ(FromSecondsUp(1.5e-12).count(), 2);
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const SimDuration duration(Random(seed).Below(1u << 31));
    EXPECT_EQ(FromSecondsUp(ToSeconds(duration)), duration);
  }
}

// No rate, and a time beyond 106 days: a bug of the caller, never a number.
TEST(TransferTimeDeathTest, StopsWhereItsRequirementsDoNotHold) {
  EXPECT_DEATH(TransferTime(Bytes(1), BitRate::BitsPerSecond(0.5)), "bps >= 1");
  EXPECT_DEATH(TransferTime(GiB(1 << 20), BitRate::BitsPerSecond(1e6)), "ps <= ");
}

}  // namespace
}  // namespace weft
