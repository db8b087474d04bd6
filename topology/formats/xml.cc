#include <algorithm>

#include "topology/formats/xml_internal.h"

namespace weft {

SourcePos XmlFile::PosOf(std::ptrdiff_t offset) const {
  const auto at = static_cast<std::size_t>(std::max<std::ptrdiff_t>(offset, 0));
  const auto next = std::upper_bound(line_start_.begin(), line_start_.end(), at);
  return {file_, static_cast<int>(next - line_start_.begin()),
          static_cast<int>(at - *(next - 1)) + 1};
}

Result<XmlFile> XmlFile::Parse(std::string_view text, const std::string& file) {
  XmlFile out;
  out.file_ = file;
  for (std::size_t at = 0; at < text.size(); ++at)
    if (text[at] == '\n') out.line_start_.push_back(at + 1);
  const pugi::xml_parse_result parsed = out.document_->load_buffer(
      text.data(), text.size(), pugi::parse_default, pugi::encoding_utf8);
  if (!parsed)
    return Fail(ErrorCode::kSyntax, out.PosOf(parsed.offset),
                std::string("this is no XML: ") + parsed.description(), "a whole file");
  return out;
}

}  // namespace weft
