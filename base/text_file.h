// The text of a file, or why there is none, in the same words whoever asks.
//
// Errors   ReadTextFile: kIo, "cannot be read: No such file or directory"; at another place than
//          the file's own, such as the line that names it, with the path before that.
#pragma once

#include <string>

#include "base/result.h"

namespace weft {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;

// At most `most` bytes and one more, by which a caller sees that there are more.
tl::expected<std::string, std::string> ReadText(const std::string& path, std::size_t most);

// The same of a whole file of at most kMaxFileBytes. `hint`: what to give instead.
Result<std::string> ReadTextFile(const std::string& path, const SourcePos& pos,
                                 const std::string& hint = {});

// What to say of `path` where ReadText() says `why`.
Error Unreadable(const std::string& path, const SourcePos& pos, const std::string& why,
                 const std::string& hint = {});

// Whether `text`, a preset's name or a file, is a file: one that is there, or what has a folder or
// an ending of YAML or JSON and can be nothing else.
bool IsFile(const std::string& text);

}  // namespace weft
