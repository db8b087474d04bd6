// The text of every input, kept so that an error can show the line it means.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

class SourceTexts {
 public:
  // Keeps `text` under the name that error positions use.
  void Add(std::string file, std::string text) { texts_[std::move(file)] = std::move(text); }

  // Null where nothing of that name was read.
  const std::string* Find(const std::string& file) const {
    const auto found = texts_.find(file);
    return found == texts_.end() ? nullptr : &found->second;
  }

 private:
  std::map<std::string, std::string> texts_;
};

// The error, the line it points at, and a caret, each line ended:
//
//   hpn.yaml:2:8: error: 'hosts' is 200 (want 1..136)
//     2 | hosts: 200
//       |        ^~~
//
// Only the first line where `texts` lacks the file. A long line is clipped round the
// caret; what a terminal could obey (control characters, broken UTF-8) becomes '?'.
std::string FormatError(const Error& error, const SourceTexts& texts);

}  // namespace weft
