// A plain-text table: columns as wide as their widest cell, two spaces apart.
//
// Cells are UTF-8; a character counts as one column. A table wider than it may be has the
// brackets of its intervals on lines of their own; if that is not enough, long names of its
// first column stand on a line of their own above their row.
#pragma once

#include <string>
#include <vector>

namespace weft {

enum class Align { kLeft, kRight };

class Table {
 public:
  void AddColumn(std::string header, Align align = Align::kRight);
  // Requires: one cell a column.
  void AddRow(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  int Width() const;  // that it takes if nobody limits it

  // Header and rows, each line ended by a newline; no trailing spaces.
  std::string Format(int width) const;

 private:
  std::vector<std::string> headers_;
  std::vector<Align> aligns_;
  std::vector<std::vector<std::string>> rows_;
};

// Columns that `text` takes on a terminal.
int DisplayWidth(const std::string& text);

// `text` broken at spaces into lines of at most `width`, the later ones indented.
std::string Wrap(const std::string& text, int width, int indent);

// `text` after `head`, its later lines under its first.
std::string WrapAfter(const std::string& head, const std::string& text, int width);

}  // namespace weft
