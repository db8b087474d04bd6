#include "report/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace weft {
namespace {

TEST(Table, AlignsColumnsTwoSpacesApart) {
  Table table;
  table.AddColumn("tier", Align::kLeft);
  table.AddColumn("links");
  table.AddRow({"tor", "14,400"});
  table.AddRow({"core", "8"});
  EXPECT_EQ(table.Format(80),
            "tier   links\n"
            "tor   14,400\n"
            "core       8\n");
}

TEST(Table, CutsNamesInTheMiddleWhereTheTerminalIsNarrow) {
  Table table;
  table.AddColumn("name", Align::kLeft);
  table.AddColumn("value");
  table.AddRow({"pod0/segment2/tor7/agg12", "1"});
  std::istringstream lines(table.Format(20));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(DisplayWidth(line), 20) << line;
}

TEST(Table, PutsBracketsThenLongNamesOnLinesOfTheirOwn) {
  Table table;
  table.AddColumn("name", Align::kLeft);
  table.AddColumn("time");
  table.AddRow({"tor7/agg12/port0", "41.52 ms [41.50, 44.10]"});
  EXPECT_EQ(table.Format(34),
            "name                        time\n"
            "tor7/agg12/port0        41.52 ms\n"
            "                  [41.50, 44.10]\n");
  EXPECT_EQ(table.Format(24),
            "name                time\n"
            "tor7/agg12/port0\n"
            "                41.52 ms\n"
            "          [41.50, 44.10]\n");
}

TEST(DisplayWidth, CountsCharactersNotBytes) { EXPECT_EQ(DisplayWidth("a…b"), 3); }

TEST(Wrap, BreaksAtSpacesAndIndentsTheRest) {
  EXPECT_EQ(Wrap("one two three four", 9, 2), "one two\n  three\n  four");
}

}  // namespace
}  // namespace weft
