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

std::vector<int> Widths(const std::vector<std::string>& headers,
                        const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> wide(headers.size());
  for (std::size_t c = 0; c < headers.size(); ++c) {
    wide[c] = DisplayWidth(headers[c]);
    for (const auto& row : rows) wide[c] = std::max(wide[c], DisplayWidth(row[c]));
  }
  return wide;
}

int TotalOf(const std::vector<int>& wide) {
  int total = -2;
  for (const int w : wide) total += w + 2;
  return total;
}

// "41.52 ms [41.5, 44.1]" into the figure and its bracket.
void SplitInterval(std::string& cell, std::string& below) {
  const std::size_t at = cell.find(" [");
  if (at == std::string::npos) return;
  below = cell.substr(at + 1);
  cell.resize(at);
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

std::string WrapAfter(const std::string& head, const std::string& text, int width) {
  const int indent = DisplayWidth(head);
  std::string lines = Wrap(text, width - indent, 0);
  const std::string pad(static_cast<std::size_t>(indent), ' ');
  for (std::size_t at = lines.find('\n'); at != std::string::npos; at = lines.find('\n', at + 1))
    lines.insert(at + 1, pad);
  return head + lines;
}

void Table::AddColumn(std::string header, Align align) {
  headers_.push_back(std::move(header));
  aligns_.push_back(align);
}

void Table::AddRow(std::vector<std::string> cells) {
  WEFT_CHECK(cells.size() == headers_.size());
  rows_.push_back(std::move(cells));
}

int Table::Width() const { return TotalOf(Widths(headers_, rows_)); }

std::string Table::Format(int width) const {
  std::vector<std::vector<std::string>> rows = rows_;
  std::vector<int> wide = Widths(headers_, rows);
  if (TotalOf(wide) > width) {
    rows.clear();
    for (const auto& row : rows_) {
      std::vector<std::string> first = row, second(row.size());
      for (std::size_t c = 1; c < row.size(); ++c) SplitInterval(first[c], second[c]);
      rows.push_back(std::move(first));
      if (std::any_of(second.begin(), second.end(), [](const auto& cell) { return cell != ""; }))
        rows.push_back(std::move(second));
    }
    wide = Widths(headers_, rows);
  }
  const int over = TotalOf(wide) - width;
  if (over > 0 && !wide.empty())
    wide[0] = std::min(wide[0], std::max({8, DisplayWidth(headers_[0]), wide[0] - over}));

  std::string out;
  const auto add = [&](std::vector<std::string> cells) {
    if (DisplayWidth(cells[0]) > wide[0]) {
      out += CutMiddle(cells[0], width) + '\n';
      cells[0].clear();
    }
    std::string line;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string pad(static_cast<std::size_t>(std::max(0, wide[c] - DisplayWidth(cells[c]))),
                            ' ');
      if (c > 0) line += "  ";
      line += aligns_[c] == Align::kLeft ? cells[c] + pad : pad + cells[c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  };
  add(headers_);
  for (auto& row : rows) add(std::move(row));
  return out;
}

}  // namespace weft
