#include <fmt/format.h>

#include "base/schema/yaml_text_internal.h"

namespace weft {
namespace {

// Bytes of the UTF-8 sequence that starts at `at`, 0 if it is none: the table of
// well-formed sequences [Unicode table 3-7].
std::size_t Utf8Size(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(at), second = byte(at + 1);
  if (lead < 0x80) return 1;
  const auto tail = [&](std::size_t i) { return (byte(at + i) & 0xc0u) == 0x80u; };
  if (lead >= 0xc2 && lead <= 0xdf) return tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool overlong = lead == 0xe0 && second < 0xa0;
    const bool surrogate = lead == 0xed && second > 0x9f;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool overlong = lead == 0xf0 && second < 0x90;
    const bool beyond = lead == 0xf4 && second > 0x8f;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

// Walks the text byte by byte with just enough YAML to know what is in quotes, in a
// comment, in brackets and in block text (| and >).
class Walk {
 public:
  Walk(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  std::optional<Error> Run() {
    while (at_ < text_.size()) {
      if (std::optional<Error> error = Step()) return error;
    }
    if (quote_ != 0)
      return Error{ErrorCode::kSyntax, quote_pos_, "quotes that are never closed",
                   fmt::format("close them with {}", quote_)};
    if (!content_)
      return Error{
          ErrorCode::kSyntax, {file_, 1, 1}, "the file is empty", "it should hold keys and values"};
    return std::nullopt;
  }

 private:
  SourcePos Here() const { return {file_, line_, Column() + 1}; }
  int Column() const { return static_cast<int>(at_ - line_start_); }
  char Next() const { return at_ + 1 < text_.size() ? text_[at_ + 1] : '\0'; }

  Error Fail(std::string message, std::string hint = {}) const {
    return {ErrorCode::kSyntax, Here(), std::move(message), std::move(hint)};
  }

  std::optional<Error> Step() {
    const char c = text_[at_];
    const std::size_t size = Utf8Size(text_, at_);
    if (size == 0) return Fail("this is not UTF-8", "save the file in UTF-8");
    const auto code = static_cast<unsigned char>(c);
    if ((code < 0x20 && c != '\t' && c != '\n' && c != '\r') || code == 0x7f)
      return Fail(fmt::format("control character {:#04x}", code), "remove it");
    if (c == '\r' && Next() != '\n')
      return Fail("a carriage return that ends no line", "remove it");
    if (c == '\n') {
      NextLine();
      return std::nullopt;
    }
    std::optional<Error> error = comment_ ? std::nullopt : Character(c);
    at_ += size;
    return error;
  }

  void NextLine() {
    ++at_;
    ++line_;
    line_start_ = at_;
    comment_ = false;
    indenting_ = space_ = fresh_ = true;
    indicator_ = property_ = false;
    tab_ = std::string_view::npos;
  }

  std::optional<Error> Character(char c) {
    if (quote_ != 0) {
      Quoted(c);
      return std::nullopt;
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      if (c == '\t' && indenting_ && tab_ == std::string_view::npos) tab_ = at_;
      fresh_ = fresh_ || indicator_ || property_;
      indicator_ = property_ = false;
      space_ = true;
      return std::nullopt;
    }
    if (indenting_ && Column() <= block_indent_) block_indent_ = kNoBlock;
    if (block_indent_ != kNoBlock) {
      comment_ = true;  // block text: nothing in this line means anything
      return std::nullopt;
    }
    if (c == '#' && space_) {
      comment_ = true;
      return std::nullopt;
    }
    if (tab_ != std::string_view::npos && depth_ == 0) {
      at_ = tab_;
      return Fail("a tab in the indentation", "indent with spaces");
    }
    std::optional<Error> error = Content(c);
    content_ = true;
    indenting_ = space_ = false;
    tab_ = std::string_view::npos;
    return error;
  }

  void Quoted(char c) {
    const bool escape = c == '\\' && quote_ == '"' && Next() != '\n' && Next() != '\r' &&
                        static_cast<unsigned char>(Next()) < 0x80;
    const bool doubled = c == '\'' && quote_ == c && Next() == c;  // '' is a quote in quotes
    if (escape || doubled)
      ++at_;
    else if (c == quote_)
      quote_ = 0;
  }

  std::optional<Error> Content(char c) {
    const bool fresh = fresh_;
    fresh_ = indicator_ = false;
    if (depth_ == 0 && fresh && (c == '|' || c == '>')) {
      block_indent_ = last_start_;
      comment_ = true;
      return std::nullopt;
    }
    if (fresh && (c == '&' || c == '!')) property_ = true;
    if (fresh && !property_) last_start_ = Column();
    if (fresh && (c == '"' || c == '\'')) {
      quote_ = c;
      quote_pos_ = Here();
    }
    const bool open = (c == '[' || c == '{') && (fresh || depth_ > 0);
    if (open && ++depth_ > kMaxNesting)
      return Fail(fmt::format("brackets nested more than {} deep", kMaxNesting));
    if ((c == ']' || c == '}') && depth_ > 0) --depth_;
    indicator_ = c == ':' || ((c == '-' || c == '?') && fresh);
    // In brackets a value may follow without a space, as in JSON.
    fresh_ = depth_ > 0 && (open || c == ',' || c == ':');
    return std::nullopt;
  }

  static constexpr int kNoBlock = 1 << 30;

  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0, line_start_ = 0;
  std::size_t tab_ = std::string_view::npos;  // a tab in this line's indentation
  int line_ = 1, depth_ = 0;
  int last_start_ = -1;          // column of the last key or dash
  int block_indent_ = kNoBlock;  // lines indented more are block text
  char quote_ = 0;               // the quote we are in
  SourcePos quote_pos_;          // where it was opened
  bool comment_ = false;         // the rest of the line means nothing
  bool indenting_ = true;        // nothing but white space in this line yet
  bool space_ = true;            // the last byte was white space, or the line starts
  bool fresh_ = true;            // a value could start here
  bool indicator_ = false;       // the last byte was one of : - ?
  bool property_ = false;        // in an anchor or a tag
  bool content_ = false;         // anything but comments was seen
};

}  // namespace

std::optional<Error> CheckYamlText(std::string_view text, const std::string& file) {
  if (text.size() > kMaxTextBytes)
    return Error{ErrorCode::kOutOfRange,
                 {file, 1, 1},
                 fmt::format("the file is {} bytes (want at most {})", text.size(), kMaxTextBytes),
                 {}};
  return Walk(text, file).Run();
}

}  // namespace weft
