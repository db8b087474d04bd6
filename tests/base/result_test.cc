#include "base/result.h"

#include <sstream>

namespace weft {
namespace {

std::string Text(const Error& error) {
  std::ostringstream out;
  out << error;
  return out.str();
}

TEST(Error, PrintsItsPlaceItsMessageAndItsHint) {
  EXPECT_EQ(Text({ErrorCode::kOutOfRange, {"hpn.yaml", 2, 8}, "'hosts' is 200 (want 1..136)", ""}),
            "hpn.yaml:2:8: error: 'hosts' is 200 (want 1..136)");
  EXPECT_EQ(Text({ErrorCode::kIo, {"hpn.yaml", 0, 0}, "gone", "write one"}),
            "hpn.yaml: error: gone (write one)");
}

TEST(SortByPosition, OrdersByFileLineAndColumnAndKeepsTheOrderAtOnePlace) {
  Errors errors;
  errors.push_back({ErrorCode::kSyntax, {"b", 1, 1}, "5", ""});
  errors.push_back({ErrorCode::kSyntax, {"a", 2, 1}, "4", ""});
  errors.push_back({ErrorCode::kSyntax, {"a", 1, 9}, "2", ""});
  errors.push_back({ErrorCode::kSyntax, {"a", 1, 9}, "3", ""});
  errors.push_back({ErrorCode::kSyntax, {"a", 1, 2}, "1", ""});

  SortByPosition(errors);

  std::string order;
  for (const Error& error : errors) order += error.message;
  EXPECT_EQ(order, "12345");
}

Result<int> Half(int number) {
  if (number % 2 != 0) return Fail(ErrorCode::kOutOfRange, {"f", 1, 1}, "odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  WEFT_TRY(const int half, Half(number));
  return Half(half);
}

TEST(Try, GoesOnWithTheValueOrReturnsTheErrors) {
  EXPECT_EQ(Quarter(8).value(), 2);
  ASSERT_FALSE(Quarter(5).has_value());
  EXPECT_EQ(Quarter(6).error().front().message, "odd");
}

}  // namespace
}  // namespace weft
