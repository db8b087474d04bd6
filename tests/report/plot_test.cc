#include "report/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/table.h"

namespace weft {
namespace {

using testing::HasSubstr;

Plot Ramp() {
  Plot plot;
  plot.title = "a <b>";
  plot.y_label = "busbw GB/s";
  plot.line_name = "simulated";
  plot.mark_name = "measured";
  for (int i = 0; i <= 16; ++i) {
    plot.line.emplace_back(static_cast<double>(1 << (10 + i)), 10.0 * i);
    plot.marks.emplace_back(static_cast<double>(1 << (10 + i)), 10.0 * i);
  }
  return plot;
}

// 160 is the top: the axis ends at 200, so the last mark stands a fifth below it.
TEST(PlotText, FitsItsWidthAndMarksEveryPoint) {
  for (const int width : {80, 160}) {
    const std::string text = PlotText(Ramp(), width);
    std::size_t marks = 0, lines = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      EXPECT_LE(DisplayWidth(line), width);
      if (lines >= 2 && lines < 14)
        marks += static_cast<std::size_t>(std::count(line.begin(), line.end(), 'o'));
      ++lines;
      at = end + 1;
    }
    EXPECT_EQ(marks, 17u) << text;
    EXPECT_EQ(lines, 15u);  // two of titles, twelve of the plot, one of sizes
    EXPECT_THAT(text, HasSubstr("200 ┤"));
    EXPECT_THAT(text, HasSubstr("64 MiB"));
  }
}

TEST(PlotText, IsEmptyWithoutAPoint) { EXPECT_EQ(PlotText(Plot(), 80), ""); }

TEST(PlotSvg, EscapesItsTitleAndHasACircleAPoint) {
  const std::string svg = PlotSvg(Ramp());
  EXPECT_THAT(svg, HasSubstr("a &lt;b&gt;"));
  std::size_t circles = 0;
  for (std::size_t at = 0; (at = svg.find("<circle", at)) != std::string::npos; ++at) ++circles;
  EXPECT_EQ(circles, 17u);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
}

}  // namespace
}  // namespace weft
