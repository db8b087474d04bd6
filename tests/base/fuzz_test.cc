// Whatever bytes come, the reader answers: with a message, or with errors that say where.
//
// WEFT_SEED=n repeats one seed; WEFT_FUZZ=n tries n of them.
#include <cstdlib>
#include <string>

#include "base/random.h"
#include "base/schema/reader.h"
#include "tests/base/error_list.h"
#include "tests/base/test.pb.h"

namespace weft {
namespace {

constexpr const char* kDocuments[] = {
    "name: \"a test\"\nfabric: { preset: small, leaves: 5 }\nrouting:\n  host_port: by_qp\n"
    "  seeds: [1, 2, 3]\n",
    "fabric:\n  family: pod\n  segments: 2  # of 15\n  link: 400Gbps\nworkload:\n  collective:\n"
    "    bytes: [1MiB, 2MB]\nfaults:\n  - at: &t 1.5s\n    rate: 50%\n  - { at: *t }\n",
    "{\"fabric\": {\"family\": \"clos\", \"leaves\": 3, \"latency\": \"1us\"}, \"factor\": 0.5}",
};

constexpr const char* kPieces[] = {
    "[",    "]",    "{",          "}",    ": ",   "- ",   "\n",   "\t",  "'",      "\"",
    "#",    "&a ",  "*a",         "!!x ", "<<: ", "? ",   "---",  "...", "%",      "|\n",
    ">\n",  "\\",   "010",        "1e9",  "-1",   "nan",  "Gbps", "~",   "preset", "\r",
    "\xff", "\xc3", "include: x", ",",    "null", "\x01", "é",    "@",   "`",      "\\u0000"};

std::string Damaged(Random& random) {
  std::string text = kDocuments[random.Below(3)];
  for (std::uint32_t edits = 1 + random.Below(1 + random.Below(6)); edits > 0; --edits) {
    const auto size = static_cast<std::uint32_t>(text.size());
    const std::size_t at = random.Below(size + 1);
    switch (random.Below(5)) {
      case 0:
        text.erase(at, 1 + random.Below(8));
        break;
      case 1:
        text.insert(at, kPieces[random.Below(std::size(kPieces))]);
        break;
      case 2:
        text.insert(at, 1, static_cast<char>(random.Below(256)));
        break;
      case 3:
        text.insert(at, text.substr(random.Below(size + 1), random.Below(30)));
        break;
      default:
        for (std::uint32_t n = random.Below(100); n > 0; --n)
          text.insert(at, kPieces[random.Below(6)]);
    }
  }
  return text;
}

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(ParseText, AnswersDamagedTextWithAMessageOrWithPlacedErrors) {
  const bool one = std::getenv("WEFT_SEED") != nullptr;
  const std::uint64_t first = FromEnvironment("WEFT_SEED", 0);
  const std::uint64_t count = one ? 1 : FromEnvironment("WEFT_FUZZ", 20'000);
  const PresetTable presets(
      {{"fabric", "small", "presets/small.yaml", "family: clos\nleaves: 4\n"}});
  std::uint64_t messages = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    const std::string text = Damaged(random);
    SourceTexts texts;
    const auto spec = ParseText<test::Spec>(text, "f.yaml", {&presets, {}, &texts});
    if (spec) {
      ++messages;
      continue;
    }
    ASSERT_FALSE(spec.error().empty());
    const auto lines = static_cast<int>(1 + std::count(text.begin(), text.end(), '\n'));
    for (const Error& error : spec.error()) {
      ASSERT_GE(error.pos.line, 1) << error << "\n" << text;
      ASSERT_GE(error.pos.column, 1) << error << "\n" << text;
      ASSERT_FALSE(error.message.empty());
      if (error.pos.file == "f.yaml") {
        ASSERT_LE(error.pos.line, lines) << error << "\n" << text;
      }
      ASSERT_THAT(FormatError(error, texts), testing::EndsWith("\n"));
    }
  }
  if (!one) {
    EXPECT_GT(messages, count / 100) << "damage so heavy tests nothing but the first check";
  }
}

// A --set is text of the user's, too.
TEST(ParseText, AnswersAnySetWithAMessageOrWithPlacedErrors) {
  const bool one = std::getenv("WEFT_SEED") != nullptr;
  const std::uint64_t first = FromEnvironment("WEFT_SEED", 0);
  for (std::uint64_t seed = first; seed < first + (one ? 1 : 5000); ++seed) {
    SCOPED_TRACE(testing::Message() << "WEFT_SEED=" << seed);
    Random random(seed);
    std::string set = "faults[0].at=1s";
    for (std::uint32_t edits = 1 + random.Below(4); edits > 0; --edits) {
      const std::size_t at = random.Below(static_cast<std::uint32_t>(set.size() + 1));
      if (random.Below(3) == 0)
        set.erase(at, 1 + random.Below(3));
      else
        set.insert(at, kPieces[random.Below(std::size(kPieces))]);
    }
    const auto spec = ParseText<test::Spec>(kDocuments[1], "f.yaml", {nullptr, {set}, nullptr});
    if (spec) continue;
    for (const Error& error : spec.error()) ASSERT_GE(error.pos.line, 1) << error << "\n" << set;
  }
}

}  // namespace
}  // namespace weft
