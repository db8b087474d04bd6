#include "base/text_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/schema/wording.h"

namespace weft {

tl::expected<std::string, std::string> ReadText(const std::string& path, std::size_t most) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return tl::make_unexpected(std::strerror(EISDIR));
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return tl::make_unexpected(std::strerror(errno == 0 ? ENOENT : errno));
  std::string text;
  std::array<char, 16384> some;  // most files are no longer
  while (file && text.size() <= most) {
    const std::size_t left = most + 1 - text.size();
    file.read(some.data(), static_cast<std::streamsize>(std::min(left, some.size())));
    text.append(some.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (file.bad()) return tl::make_unexpected("the reading failed");
  return text;
}

Error Unreadable(const std::string& path, const SourcePos& pos, const std::string& why,
                 const std::string& hint) {
  const std::string said = "cannot be read: " + why;
  if (pos.file == path) return {ErrorCode::kIo, {path, 0, 0}, said, hint};
  return {ErrorCode::kIo, pos, fmt::format("{} {}", Quoted(path), said), hint};
}

Result<std::string> ReadTextFile(const std::string& path, const SourcePos& pos,
                                 const std::string& hint) {
  auto text = ReadText(path, kMaxFileBytes);
  if (!text) return tl::make_unexpected(Errors{Unreadable(path, pos, text.error(), hint)});
  if (text->size() > kMaxFileBytes)
    return tl::make_unexpected(Errors{Unreadable(path, pos, "it is larger than 256 MiB", hint)});
  return *std::move(text);
}

bool IsFile(const std::string& text) {
  std::error_code ignored;
  if (std::filesystem::exists(text, ignored)) return true;
  return text.find('/') != std::string::npos || text.ends_with(".yaml") || text.ends_with(".yml") ||
         text.ends_with(".json");
}

}  // namespace weft
