#include "base/schema/source_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

namespace weft {
namespace {

constexpr std::size_t kWidth = 120;

// Bytes of the UTF-8 character that starts at `at`; 0 where none does.
std::size_t CharacterSize(std::string_view line, std::size_t at) {
  const auto lead = static_cast<unsigned char>(line[at]);
  const std::size_t size = lead < 0x80   ? 1
                           : lead < 0xc2 ? 0
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                                         : 4;
  if (size == 0 || lead > 0xf4 || at + size > line.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((static_cast<unsigned char>(line[at + i]) & 0xc0) != 0x80) return 0;
  return size;
}

struct Cell {
  std::string text;  // one column on the screen
  std::size_t byte;  // where it starts in the line
};

std::vector<Cell> CellsOf(std::string_view line) {
  std::vector<Cell> cells;
  for (std::size_t i = 0; i < line.size();) {
    const std::size_t size = CharacterSize(line, i);
    const auto lead = static_cast<unsigned char>(line[i]);
    // C1 controls are C2 80 to C2 9F; a terminal obeys some of them.
    const bool c1 = size == 2 && lead == 0xc2 && static_cast<unsigned char>(line[i + 1]) < 0xa0;
    if (lead == '\t')
      cells.push_back({" ", i});
    else if (size == 0 || lead < 0x20 || lead == 0x7f || c1)
      cells.push_back({"?", i});
    else
      cells.push_back({std::string(line.substr(i, size)), i});
    i += std::max<std::size_t>(size, 1);
  }
  return cells;
}

std::string_view LineOf(std::string_view text, int line) {
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// Where the word that starts at `start` ends: it is what the caret underlines.
std::size_t WordEnd(const std::vector<Cell>& cells, std::size_t start) {
  if (start >= cells.size()) return start + 1;
  const std::string& quote = cells[start].text;
  std::size_t end = start + 1;
  if (quote == "\"" || quote == "'") {
    while (end < cells.size() && cells[end].text != quote) ++end;
    return std::min(end + 1, cells.size());
  }
  while (end < cells.size() &&
         std::string_view(" ,:[]{}").find(cells[end].text) == std::string_view::npos)
    ++end;
  return end;
}

}  // namespace

std::string FormatError(const Error& error, const SourceTexts& texts) {
  std::ostringstream head;
  head << error << '\n';
  const std::string* text = texts.Find(error.pos.file);
  if (text == nullptr || error.pos.line < 1) return head.str();
  const std::vector<Cell> cells = CellsOf(LineOf(*text, error.pos.line));
  const auto column = static_cast<std::size_t>(std::max(error.pos.column, 1)) - 1;
  std::size_t start = 0;
  while (start < cells.size() && cells[start].byte < column) ++start;
  const std::size_t end = WordEnd(cells, start);

  // The window of the line that is shown: all of it, or the caret's surroundings.
  std::size_t first = 0, last = cells.size();
  if (cells.size() > kWidth) {
    first = start > kWidth / 2 ? start - kWidth / 2 : 0;
    last = std::min(first + kWidth, cells.size());
  }
  std::string shown = first > 0 ? "..." : "";
  const std::size_t pad = shown.size() + start - first;
  for (std::size_t i = first; i < last; ++i) shown += cells[i].text;
  if (last < cells.size()) shown += "...";
  const std::string number = fmt::format("{}", error.pos.line);
  const std::size_t tail = std::min(end, std::max(last, start + 1)) - start - 1;
  return fmt::format("{}  {} | {}\n  {} | {}^{}\n", head.str(), number, shown,
                     std::string(number.size(), ' '), std::string(pad, ' '),
                     std::string(tail, '~'));
}

}  // namespace weft
