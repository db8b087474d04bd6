#include "report/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "report/numbers.h"

namespace weft {
namespace {

struct Frame {
  double x_low = 0, x_high = 1, y_high = 1;  // x: log2 of bytes
  double X(double bytes) const { return (std::log2(bytes) - x_low) / (x_high - x_low); }
  double Y(double y) const { return y / y_high; }
};

// 1, 2, 2.5 or 5 times a power of ten at or above `value`.
double NiceAbove(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 2.5, 5.0, 10.0})
    if (step * power >= value * (1 - 1e-9)) return step * power;
  return 10 * power;
}

bool FrameOf(const Plot& plot, Frame& out) {
  double least = 0, most = 0, top = 0;
  for (const auto* series : {&plot.line, &plot.marks, &plot.high}) {
    for (const auto& [bytes, y] : *series) {
      if (!(bytes > 0) || !std::isfinite(y)) continue;
      least = least == 0 ? bytes : std::min(least, bytes);
      most = std::max(most, bytes);
      top = std::max(top, y);
    }
  }
  if (!(least > 0) || !(top > 0)) return false;
  out.x_low = std::floor(std::log2(least));
  out.x_high = std::max(out.x_low + 1, std::ceil(std::log2(most)));
  out.y_high = NiceAbove(top);
  return true;
}

std::string SizeAt(double log2_bytes) {
  return FormatBytes(Bytes(static_cast<std::int64_t>(std::exp2(std::round(log2_bytes)))));
}

std::string Number(double value) { return fmt::format("{:.4g}", value); }

std::string Utf8(std::uint32_t point) {
  std::string out;
  out += static_cast<char>(0xE0 | (point >> 12));
  out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
  out += static_cast<char>(0x80 | (point & 0x3F));
  return out;
}

// A field of characters, each of two by four dots.
class Canvas {
 public:
  Canvas(int columns, int rows)
      : columns_(columns),
        rows_(rows),
        cells_(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows)) {}

  // x and y from 0 to 1, y upwards.
  void Dot(double x, double y) {
    const int at = static_cast<int>(std::lround(x * (2 * columns_ - 1)));
    const int down = static_cast<int>(std::lround((1 - y) * (4 * rows_ - 1)));
    if (at < 0 || at >= 2 * columns_ || down < 0 || down >= 4 * rows_) return;
    constexpr std::uint8_t kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    Cell(at / 2, down / 4).dots |= kBits[down % 4][at % 2];
  }

  void Line(double x0, double y0, double x1, double y1) {
    const int steps = 4 * (columns_ + rows_);
    for (int i = 0; i <= steps; ++i) {
      const double share = static_cast<double>(i) / steps;
      Dot(x0 + share * (x1 - x0), y0 + share * (y1 - y0));
    }
  }

  void Mark(double x, double y) {
    const int column = static_cast<int>(std::lround(x * (2 * columns_ - 1))) / 2;
    const int row = static_cast<int>(std::lround((1 - y) * (4 * rows_ - 1))) / 4;
    if (column >= 0 && column < columns_ && row >= 0 && row < rows_) Cell(column, row).mark = true;
  }

  std::string Row(int row) const {
    std::string out;
    std::size_t kept = 0;
    for (int column = 0; column < columns_; ++column) {
      const One& cell = cells_[At(column, row)];
      out += cell.mark ? "o" : cell.dots ? Utf8(0x2800 + cell.dots) : " ";
      if (cell.mark || cell.dots) kept = out.size();
    }
    out.resize(kept);
    return out;
  }

 private:
  struct One {
    std::uint8_t dots = 0;
    bool mark = false;
  };
  std::size_t At(int column, int row) const {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(columns_) +
           static_cast<std::size_t>(column);
  }
  One& Cell(int column, int row) { return cells_[At(column, row)]; }

  int columns_, rows_;
  std::vector<One> cells_;
};

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

// The labels under the axis: first, middle and last size.
std::string AxisText(const Frame& frame, int gutter, int columns) {
  std::string out(static_cast<std::size_t>(gutter), ' ');
  const std::string first = SizeAt(frame.x_low), last = SizeAt(frame.x_high);
  const std::string middle = SizeAt((frame.x_low + frame.x_high) / 2);
  const auto room = static_cast<std::size_t>(gutter + columns);
  out += first;
  const std::size_t at =
      static_cast<std::size_t>(gutter) + (static_cast<std::size_t>(columns) - middle.size()) / 2;
  if (at > out.size() + 1 && at + middle.size() + 1 + last.size() < room)
    out += std::string(at - out.size(), ' ') + middle;
  if (room > out.size() + last.size())
    out += std::string(room - out.size() - last.size(), ' ') + last;
  return out + '\n';
}

}  // namespace

std::string PlotText(const Plot& plot, int width, int height) {
  Frame frame;
  if (!FrameOf(plot, frame)) return {};
  const std::string top = Number(frame.y_high), middle = Number(frame.y_high / 2);
  const int gutter = static_cast<int>(std::max(top.size(), middle.size())) + 2;
  const int columns = std::min(width, 160) - gutter;
  Canvas canvas(columns, height);
  for (std::size_t i = 1; i < plot.line.size(); ++i)
    canvas.Line(frame.X(plot.line[i - 1].first), frame.Y(plot.line[i - 1].second),
                frame.X(plot.line[i].first), frame.Y(plot.line[i].second));
  for (const auto& [bytes, y] : plot.marks)
    if (bytes > 0) canvas.Mark(frame.X(bytes), frame.Y(y));
  std::string out = plot.title + "\n";
  out += fmt::format("{}: o {}, line {}\n", plot.y_label, plot.mark_name, plot.line_name);
  for (int row = 0; row < height; ++row) {
    const std::string label = row == 0            ? top
                              : row == height / 2 ? middle
                              : row == height - 1 ? "0"
                                                  : "";
    out +=
        fmt::format("{:>{}} {}{}\n", label, gutter - 2, label.empty() ? "│" : "┤", canvas.Row(row));
  }
  return out + AxisText(frame, gutter, columns);
}

std::string PlotSvg(const Plot& plot) {
  constexpr double kLeft = 60, kTop = 50, kWide = 560, kHigh = 300;
  Frame frame;
  std::string out =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"400\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"640\" height=\"400\" fill=\"white\"/>\n";
  out += fmt::format("<text x=\"{}\" y=\"20\" font-size=\"14\">{}</text>\n", kLeft,
                     Escaped(plot.title));
  if (!FrameOf(plot, frame)) return out + "</svg>\n";
  const auto place = [&](const std::pair<double, double>& at) {
    return fmt::format("{:.1f},{:.1f}", kLeft + kWide * frame.X(at.first),
                       kTop + kHigh * (1 - frame.Y(at.second)));
  };
  for (int i = 0; i <= 4; ++i) {
    const double y = kTop + kHigh * (1 - i / 4.0);
    out += fmt::format(
        "<path d=\"M{:.1f},{:.1f}h{:.1f}\" stroke=\"#ddd\"/>"
        "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        kLeft, y, kWide, kLeft - 6, y + 4, Number(frame.y_high * i / 4));
  }
  const double every = std::max(1.0, std::ceil((frame.x_high - frame.x_low) / 8));
  for (double x = frame.x_low; x <= frame.x_high; x += every)
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                       kLeft + kWide * (x - frame.x_low) / (frame.x_high - frame.x_low),
                       kTop + kHigh + 18, SizeAt(x));
  if (!plot.low.empty() && plot.low.size() == plot.high.size()) {
    std::string points;
    for (const auto& at : plot.high) points += place(at) + " ";
    for (std::size_t i = plot.low.size(); i-- > 0;) points += place(plot.low[i]) + " ";
    out += fmt::format("<polygon points=\"{}\" fill=\"#1f77b4\" opacity=\"0.15\"/>\n", points);
  }
  std::string line;
  for (const auto& at : plot.line) line += place(at) + " ";
  out += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"#1f77b4\"/>\n", line);
  for (const auto& at : plot.marks) {
    const std::string where = place(at);
    const std::size_t comma = where.find(',');
    out += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"#d62728\"/>\n",
                       where.substr(0, comma), where.substr(comma + 1));
  }
  out += fmt::format(
      "<text x=\"{}\" y=\"38\"><tspan fill=\"#d62728\">● {}</tspan>  "
      "<tspan fill=\"#1f77b4\">— {}</tspan>  {}</text>\n</svg>\n",
      kLeft, Escaped(plot.mark_name), Escaped(plot.line_name), Escaped(plot.y_label));
  return out;
}

}  // namespace weft
