#include "report/table.h"

#include <algorithm>
#include <sstream>

#include "base/check.h"

namespace weft {
namespace {

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Byte offset of character `count` of `text`.
std::size_t OffsetOf(const std::string& text, int count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if (StartsCharacter(text[at]) && count-- == 0) break;
  return at;
}

std::string CutMiddle(const std::string& text, int width) {
  const int length = DisplayWidth(text);
  if (length <= width || width < 3) return text;
  const int head = (width - 1) / 2, tail = width - 1 - head;
  return text.substr(0, OffsetOf(text, head)) + "…" + text.substr(OffsetOf(text, length - tail));
}

}  // namespace

int DisplayWidth(const std::string& text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), StartsCharacter));
}

std::string Wrap(const std::string& text, int width, int indent) {
  std::istringstream words(text);
  std::string word, out;
  int column = 0;
  while (words >> word) {
    const int length = DisplayWidth(word);
    if (column > 0 && column + 1 + length > width) {
      out += '\n' + std::string(static_cast<std::size_t>(indent), ' ');
      column = indent;
    } else if (column > 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += length;
  }
  return out;
}

void Table::AddColumn(std::string header, Align align) {
  headers_.push_back(std::move(header));
  aligns_.push_back(align);
}

void Table::AddRow(std::vector<std::string> cells) {
  WEFT_CHECK(cells.size() == headers_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Format(int width) const {
  std::vector<int> wide(headers_.size());
  for (std::size_t c = 0; c < headers_.size(); ++c) {
    wide[c] = DisplayWidth(headers_[c]);
    for (const auto& row : rows_) wide[c] = std::max(wide[c], DisplayWidth(row[c]));
  }
  int total = 0;
  for (const int w : wide) total += w + 2;
  if (total - 2 > width && !wide.empty())
    wide[0] = std::max({8, DisplayWidth(headers_[0]), wide[0] - (total - 2 - width)});

  std::string out;
  const auto add = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string cell = c == 0 ? CutMiddle(cells[c], wide[c]) : cells[c];
      const std::string pad(static_cast<std::size_t>(std::max(0, wide[c] - DisplayWidth(cell))),
                            ' ');
      if (c > 0) line += "  ";
      line += aligns_[c] == Align::kLeft ? cell + pad : pad + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  add(headers_);
  for (const auto& row : rows_) add(row);
  return out;
}

}  // namespace weft
