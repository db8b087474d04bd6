// The words of errors: the nearest name to one that was misspelt, lists, quotes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft {

// Insertions, deletions, replacements and swaps of neighbours from `a` to `b`
// (optimal string alignment [Dam64]). Cost O(|a| |b|).
int EditDistance(std::string_view a, std::string_view b);

// The nearest of `names` within a third of `word`'s length, rounded up; empty
// where none is. Of equals the first.
std::string Nearest(std::string_view word, const std::vector<std::string>& names);

// `text` in single quotes and fit to print: at most 60 bytes, no control characters.
std::string Quoted(std::string_view text);

// Its letters and digits alone, small: All-Reduce and all_reduce are one.
std::string BareWord(std::string_view text);

// "a, b or c"
std::string JoinOr(const std::vector<std::string>& names);

}  // namespace weft
