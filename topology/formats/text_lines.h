// Text of a format of lines and words, every part with its place.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

struct TextWord {
  std::string_view text;
  int column = 1;
};

struct TextLine {
  int number = 1;
  std::string_view text;  // without its end
  std::vector<TextWord> words;
};

// Every line, empty ones too, so that line i of the text is item i - 1.
inline std::vector<TextLine> SplitLines(std::string_view text) {
  std::vector<TextLine> out;
  while (!text.empty()) {
    TextLine line;
    line.number = static_cast<int>(out.size()) + 1;
    const std::size_t end = text.find('\n');
    line.text = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    constexpr std::string_view kBlank = " \t";
    for (std::size_t at = line.text.find_first_not_of(kBlank); at != std::string_view::npos;) {
      const std::size_t stop = std::min(line.text.find_first_of(kBlank, at), line.text.size());
      line.words.push_back({line.text.substr(at, stop - at), static_cast<int>(at) + 1});
      at = line.text.find_first_not_of(kBlank, stop);
    }
    out.push_back(std::move(line));
  }
  return out;
}

struct CsvCell {
  std::string text;
  int column = 1;
};

// One line's cells without the blanks around them; none where a quote is not closed.
inline std::optional<std::vector<CsvCell>> SplitCells(std::string_view line, char separator = ',') {
  std::vector<CsvCell> out(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      out.back().text += '"';
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == separator && !quoted) {
      out.push_back({{}, static_cast<int>(i) + 2});
    } else {
      out.back().text += c;
    }
  }
  if (quoted) return std::nullopt;
  for (CsvCell& cell : out) {
    const std::size_t first = cell.text.find_first_not_of(" \t");
    if (first == std::string::npos) {
      cell.text.clear();
      continue;
    }
    cell.text = cell.text.substr(first, cell.text.find_last_not_of(" \t") + 1 - first);
    cell.column += static_cast<int>(first);
  }
  return out;
}

inline bool IsBlankOrComment(const TextLine& line) {
  return line.words.empty() || line.words[0].text[0] == '#';
}

// A whole number from 0 to `most`; none for anything else.
inline std::optional<std::int64_t> WholeNumber(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

}  // namespace weft
