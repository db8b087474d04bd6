// Curves over sizes, on a terminal and as SVG.
//
// The x axis is logarithmic in bytes, y is linear from 0. On a terminal the first series is a line
// of Braille dots (two by four a character) and the second a mark a point, so that both are told
// apart without colour:
//
//   480 ┤                        ⢀⣀⠤o⠒⠉
//       │                   ⣀⠤o⠒⠉
//   240 ┤             ⢀⡠o⠊⠁
//       │     ⣀⣀⡠o⠊
//     0 ┼o⠤o⠤⠤────────────────────────
//       64 KiB            16 MiB    4 GiB
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weft {

struct Plot {
  std::string title, y_label;  // plain text
  std::string line_name, mark_name;
  std::vector<std::pair<double, double>> line;  // bytes, y; ascending in bytes
  std::vector<std::pair<double, double>> marks;
  std::vector<std::pair<double, double>> low, high;  // of a band about the line; SVG only
};

// Of at most `width` columns. Empty where there is no point above 0 bytes.
// Requires: width >= 40, height >= 4.
std::string PlotText(const Plot& plot, int width, int height = 12);

// A document of its own, 640 by 400.
std::string PlotSvg(const Plot& plot);

}  // namespace weft
