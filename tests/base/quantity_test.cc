#include "base/schema/quantity.h"

#include <cmath>
#include <limits>

#include "base/random.h"

namespace weft {
namespace {

double Quantity(std::string_view text, Unit unit) {
  const auto got = ScanQuantity(text, unit);
  return got ? *got : std::numeric_limits<double>::quiet_NaN();
}

std::int64_t Whole(std::string_view text, Unit unit) {
  const auto got = ScanWhole(text, unit);
  return got ? *got : -1;
}

TEST(ScanQuantity, ReadsRatesInBitsAndInBytes) {
  EXPECT_EQ(Quantity("400Gbps", Unit::BIT_RATE), 400e9);
  EXPECT_EQ(Quantity("1.6 Tb/s", Unit::BIT_RATE), 1.6e12);
  EXPECT_EQ(Quantity("900GB/s", Unit::BIT_RATE), 7.2e12);
  EXPECT_EQ(Quantity("147GBps", Unit::BIT_RATE), 1176e9);
  EXPECT_EQ(Quantity("10kbit/s", Unit::BIT_RATE), 10e3);
}

TEST(ScanQuantity, ReadsPowerMoneyAndShares) {
  EXPECT_EQ(Quantity("750W", Unit::POWER), 750);
  EXPECT_EQ(Quantity("1.2MW", Unit::POWER), 1.2e6);
  EXPECT_EQ(Quantity("2.5kUSD", Unit::MONEY), 2500);
  EXPECT_EQ(Quantity("$99.5", Unit::MONEY), 99.5);
  EXPECT_EQ(Quantity("50%", Unit::RATIO), 0.5);
  EXPECT_EQ(Quantity("0.5", Unit::RATIO), 0.5);
  EXPECT_EQ(Quantity("71.6%", Unit::RATIO), 0.716);
  EXPECT_EQ(Quantity("50m", Unit::LENGTH), 50);
  EXPECT_EQ(Quantity("600mm", Unit::LENGTH), 0.6);
  EXPECT_EQ(Quantity("2km", Unit::LENGTH), 2000);
  EXPECT_EQ(Quantity("0.12USD/kWh", Unit::ENERGY_PRICE), 0.12);
  EXPECT_EQ(Quantity("2.5y", Unit::YEARS), 2.5);
}

TEST(ScanWhole, KeepsThousandsAnd1024Apart) {
  EXPECT_EQ(Whole("2MB", Unit::BYTES), 2'000'000);
  EXPECT_EQ(Whole("64MiB", Unit::BYTES), 67'108'864);
  EXPECT_EQ(Whole("1.5KiB", Unit::BYTES), 1536);
  EXPECT_EQ(Whole("0B", Unit::BYTES), 0);
}

// 0.1 is no double, but 0.1 s are 10^11 ps.
TEST(ScanWhole, ReadsTimesExactly) {
  EXPECT_EQ(Whole("0.1s", Unit::DURATION), 100'000'000'000);
  EXPECT_EQ(Whole("1.5us", Unit::DURATION), 1'500'000);
  EXPECT_EQ(Whole("2.5min", Unit::DURATION), 150'000'000'000'000);
  EXPECT_EQ(Whole("1d", Unit::DURATION), 86'400'000'000'000'000);
  EXPECT_EQ(Whole("9007199254740993ps", Unit::DURATION), 9'007'199'254'740'993);
}

TEST(ScanWhole, TakesTheLargestAndRefusesOneMore) {
  EXPECT_EQ(Whole("9223372036854775807", Unit::NONE), std::numeric_limits<std::int64_t>::max());
  for (const char* text : {"9223372036854775808", "1e19", "99999999999999999999999999999999999999"})
    EXPECT_EQ(ScanWhole(text, Unit::NONE).error().code, ErrorCode::kOutOfRange) << text;
  EXPECT_EQ(ScanWhole("107d", Unit::DURATION).error().code, ErrorCode::kOutOfRange);
  EXPECT_EQ(ScanWhole("8388608TiB", Unit::BYTES).error().code, ErrorCode::kOutOfRange);
}

struct Refusal {
  const char* text;
  Unit unit;
  const char* message;
};

// A bit more than text: every message as it is printed.
TEST(ParseQuantity, SaysWhatIsWrongAndWhatToWrite) {
  const Refusal refusals[] = {
      {"400", Unit::BIT_RATE,
       "the value is '400' (want a rate with its unit, such as 400Gbps)|write the unit: 400Gbps"},
      {"100", Unit::BIT_RATE,
       "the value is '100' (want a rate with its unit, such as 400Gbps)|write the unit: 100Gbps"},
      {"25000000000", Unit::BIT_RATE,
       "the value is '25000000000' (want a rate with its unit, such as 400Gbps)|write the unit: "
       "25000000000bps"},
      {"1024", Unit::BYTES,
       "the value is '1024' (want a size with its unit, such as 64MiB)|write the unit: 1024B, "
       "1024KiB or 1024MiB"},
      {"1048576", Unit::BYTES,
       "the value is '1048576' (want a size with its unit, such as 64MiB)|write the unit: "
       "1048576B"},
      {"10.2", Unit::POWER,
       "the value is '10.2' (want a power with its unit, such as 750W)|write the unit: 10.2W or "
       "10.2kW"},
      {"4", Unit::YEARS,
       "the value is '4' (want years with their unit, such as 3y)|write the "
       "unit: 4y"},
      {"64Mb", Unit::BYTES,
       "the value is '64Mb' (want a size with its unit, such as 64MiB)|b is a bit, B a byte, and "
       "sizes are in bytes"},
      {"64M", Unit::BYTES,
       "the value is '64M' (want a size with its unit, such as 64MiB)|64MB is 1000s, 64MiB 1024s"},
      {"3weeks", Unit::DURATION,
       "the value is '3weeks' (want a time with its unit, such as 1.5us)|units: s ms us ns ps min "
       "h d"},
      {"nan", Unit::RATIO, "the value is 'nan' (want a share, such as 50% or 0.5)|"},
      {"inf", Unit::NONE, "the value is 'inf' (want a number)|"},
      {"010", Unit::NONE,
       "the value is '010' (want a number)|no leading zero: some readers take 010 for 8"},
      {"1e999", Unit::NONE, "the value is '1e999' (want a number that fits: a number)|"},
  };
  for (const Refusal& refusal : refusals) {
    const Result<double> got = ParseQuantity(refusal.text, refusal.unit, {"f", 1, 1});
    ASSERT_FALSE(got.has_value()) << refusal.text;
    EXPECT_EQ(got.error().front().message + "|" + got.error().front().hint, refusal.message);
  }
}

TEST(ParseWhole, RefusesPartsOfAByteAndOfAPicosecond) {
  const Result<std::int64_t> bytes = ParseWhole("1.5B", Unit::BYTES, {"f", 1, 1});
  const Result<std::int64_t> ps = ParseWhole("0.25ps", Unit::DURATION, {"f", 1, 1});
  EXPECT_EQ(bytes.error().front().message, "the value is '1.5B' (want a whole number of bytes)");
  EXPECT_EQ(ps.error().front().message,
            "the value is '0.25ps' (want a whole number of picoseconds)");
}

TEST(ScanQuantity, RefusesWhatIsNoNumber) {
  for (const char* text : {"", " ", "-", ".", "1.", "e5", "0x10", "1_000", "1,000", "--1", "+-1",
                           "1 2", "Gbps", "$", "$1kUSD", "NaN", ".inf", "1e", "٣"})
    EXPECT_FALSE(ScanQuantity(text, Unit::NONE).has_value()) << text;
}

TEST(FormatWhole, WritesTheShortestText) {
  EXPECT_EQ(FormatWhole(67'108'864, Unit::BYTES), "64MiB");
  EXPECT_EQ(FormatWhole(2'000'000, Unit::BYTES), "2MB");
  EXPECT_EQ(FormatWhole(1'500'000, Unit::DURATION), "1.5us");
  EXPECT_EQ(FormatWhole(30'000'000'000'000, Unit::DURATION), "30s");
  EXPECT_EQ(FormatWhole(0, Unit::DURATION), "0s");
  EXPECT_EQ(FormatWhole(12, Unit::NONE), "12");
}

TEST(FormatQuantity, WritesTheUnitThatReadsBest) {
  EXPECT_EQ(FormatQuantity(400e9, Unit::BIT_RATE), "400Gbps");
  EXPECT_EQ(FormatQuantity(1.6e12, Unit::BIT_RATE), "1.6Tbps");
  EXPECT_EQ(FormatQuantity(0, Unit::BIT_RATE), "0bps");
  EXPECT_EQ(FormatQuantity(750, Unit::POWER), "750W");
  EXPECT_EQ(FormatQuantity(2500, Unit::MONEY), "2.5kUSD");
  EXPECT_EQ(FormatQuantity(0.5, Unit::RATIO), "50%");
  EXPECT_EQ(FormatQuantity(0.07, Unit::RATIO), "7%");
  EXPECT_EQ(FormatQuantity(1e-6, Unit::RATIO), "0.0001%");
  EXPECT_EQ(FormatQuantity(-0.25, Unit::NONE), "-0.25");
}

// A number of any size: a random mantissa and a random power of ten.
double AnyNumber(Random& random) {
  const double digits = random.Below(4) == 0 ? std::floor(random.Unit() * 1000) : random.Unit();
  return digits * std::pow(10, static_cast<int>(random.Below(31)) - 15);
}

TEST(FormatQuantity, IsReadBackAsTheSameNumber) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    Random random(seed);
    const double number = AnyNumber(random);
    for (const Unit unit : {Unit::NONE, Unit::BIT_RATE, Unit::POWER, Unit::MONEY, Unit::RATIO,
                            Unit::LENGTH, Unit::ENERGY_PRICE, Unit::YEARS}) {
      const std::string text = FormatQuantity(number, unit);
      EXPECT_EQ(Quantity(text, unit), number) << "seed " << seed << ": " << text;
    }
  }
}

TEST(FormatWhole, IsReadBackAsTheSameNumber) {
  for (std::uint64_t seed = 0; seed < 5000; ++seed) {
    Random random(seed);
    const auto number = static_cast<std::int64_t>(random.Next() >> (1 + random.Below(62)));
    for (const Unit unit : {Unit::NONE, Unit::BYTES, Unit::DURATION}) {
      const std::string text = FormatWhole(number, unit);
      EXPECT_EQ(Whole(text, unit), number) << "seed " << seed << ": " << text;
    }
  }
}

}  // namespace
}  // namespace weft
