#include "base/text_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/base/error_list.h"
#include "tests/base/test_file.h"

namespace weft {
namespace {

std::string Said(const std::string& path, const SourcePos& pos) {
  const auto text = ReadTextFile(path, pos, "a list");
  return text ? *text : ErrorLines(text.error());
}

TEST(ReadTextFile, SaysWhyInTheSameWordsOfAFileAndOfWhereItIsNamed) {
  EXPECT_EQ(Said("gone.csv", {"gone.csv", 1, 1}),
            "gone.csv: error: cannot be read: No such file or directory (a list)\n");
  EXPECT_EQ(Said("gone.csv", {"x.yaml", 3, 7}),
            "x.yaml:3:7: error: 'gone.csv' cannot be read: No such file or directory (a list)\n");
  const std::string folder = testing::TempDir();
  EXPECT_EQ(Said(folder, {folder, 0, 0}),
            folder + ": error: cannot be read: Is a directory (a list)\n");
}

TEST(ReadTextFile, ReadsEveryByte) {
  const std::string path = TestFile("text");
  const std::string text = std::string(40'000, 'x') + std::string(1, '\0') + "\r\n";
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(Said(path, {path, 0, 0}), text);
  EXPECT_EQ(ReadText(path, 9)->size(), 10u);
}

}  // namespace
}  // namespace weft
