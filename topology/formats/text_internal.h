// Text of a format of lines and words, every part with its place.
#pragma once

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

// A whole number from 0 to `most`; none for anything else.
inline std::optional<std::int64_t> WholeNumber(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > most)
    return std::nullopt;
  return value;
}

}  // namespace weft
