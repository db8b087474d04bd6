#include <algorithm>

#include "topology/formats/xml_internal.h"

namespace weft {

SourcePos XmlFile::PosOf(std::ptrdiff_t offset) const {
  const auto end = std::clamp<std::size_t>(
      static_cast<std::size_t>(std::max<std::ptrdiff_t>(offset, 0)), 0, text_.size());
  const std::string_view before = std::string_view(text_).substr(0, end);
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return {file_, 1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
          static_cast<int>(before.size() - line_start) + 1};
}

Result<XmlFile> XmlFile::Parse(std::string_view text, const std::string& file) {
  XmlFile out;
  out.text_ = text;
  out.file_ = file;
  const pugi::xml_parse_result parsed = out.document_->load_buffer(
      text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed)
    return Fail(ErrorCode::kSyntax, out.PosOf(parsed.offset),
                std::string("this is no XML: ") + parsed.description(), "a whole file");
  return out;
}

}  // namespace weft
