// XML with places, by pugixml.
#pragma once

#include <memory>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

class XmlFile {
 public:
  // An error at line and column where `text` is no XML.
  static Result<XmlFile> Parse(std::string_view text, const std::string& file);

  pugi::xml_node root() const { return document_->document_element(); }
  SourcePos At(pugi::xml_node node) const { return PosOf(node.offset_debug()); }

 private:
  SourcePos PosOf(std::ptrdiff_t offset) const;

  std::unique_ptr<pugi::xml_document> document_ = std::make_unique<pugi::xml_document>();
  std::string file_;
  std::vector<std::size_t> line_start_{0};  // offsets, so that a place costs O(log lines)
};

}  // namespace weft
