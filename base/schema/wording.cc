#include "base/schema/wording.h"

#include <algorithm>
#include <cctype>

namespace weft {

int EditDistance(std::string_view a, std::string_view b) {
  std::vector<int> older, old, now(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) now[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    older = std::move(old);
    old = std::move(now);
    now.assign(b.size() + 1, static_cast<int>(i));
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const int replace = old[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({replace, old[j] + 1, now[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        now[j] = std::min(now[j], older[j - 2] + 1);
    }
  }
  return now[b.size()];
}

std::string Nearest(std::string_view word, const std::vector<std::string>& names) {
  if (word.size() > 64) return {};  // nobody's key; and the cost is quadratic
  int best = (static_cast<int>(word.size()) + 2) / 3 + 1;
  std::string nearest;
  for (const std::string& name : names) {
    const int distance = EditDistance(word, name);
    if (distance >= best) continue;
    best = distance;
    nearest = name;
  }
  return nearest;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string out = "'";
  std::size_t size = std::min(text.size(), kLongest);
  // Not in the middle of a character.
  while (size < text.size() && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80)
    --size;
  for (const char c : text.substr(0, size)) {
    const auto code = static_cast<unsigned char>(c);
    out += code < 0x20 || code == 0x7f ? '?' : c;
  }
  return out + (size < text.size() ? "...'" : "'");
}

std::string BareWord(std::string_view text) {
  std::string word;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

std::string JoinOr(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += names[i];
  }
  return out;
}

}  // namespace weft
