#include "validate/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/schema/wording.h"
#include "base/text_file.h"
#include "scenario/collective_times.h"
#include "validate/tables_internal.h"
#include "workloads/collectives/nccl/plan.h"

namespace weft {

std::vector<Word> WordsOf(std::string_view line) {
  std::vector<Word> out;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t start = line.find_first_not_of(" \t\r", at);
    if (start == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t\r", start), line.size());
    out.push_back({line.substr(start, end - start), static_cast<int>(start) + 1});
    at = end;
  }
  return out;
}

std::optional<SimDuration> FromMicroseconds(double us) {
  constexpr double kDayUs = 86400e6;
  if (!(us > 0) || us > kDayUs) return std::nullopt;
  return SimDuration(std::llround(us * 1e6));
}

double RoundingOf(std::string_view printed) {
  const std::size_t exponent_at = std::min(printed.find_first_of("eE"), printed.size());
  const std::string_view digits = printed.substr(0, exponent_at);
  const std::size_t point = digits.find('.');
  double last = 1;
  if (point != std::string_view::npos)
    last = std::pow(10, -static_cast<double>(digits.size() - point - 1));
  if (exponent_at < printed.size()) {
    std::string_view exponent = printed.substr(exponent_at + 1);
    if (exponent.starts_with('+')) exponent.remove_prefix(1);
    last *= std::pow(10, WholeNumber<int>(exponent).value_or(0));
  }
  return last / 2;
}

bool AreContradictory(Bytes size, double us, double us_rounding, double rate,
                      double rate_rounding) {
  const double want = static_cast<double>(size.count()) / (1e3 * us);
  // Both figures are rounded where they are printed; 1 % covers old versions that print a mean of
  // rates beside a mean of times.
  const double slack = rate_rounding * 1.02 + want * (us_rounding * 1.02 / us + 0.01);
  return std::abs(rate - want) > slack;
}

std::string Contradiction(Bytes size, std::string_view time_us, std::string_view algbw) {
  const std::optional<double> us = WholeNumber<double>(time_us), rate = WholeNumber<double>(algbw);
  if (!us || !rate || !(*us > 0)) return {};
  if (!AreContradictory(size, *us, RoundingOf(time_us), *rate, RoundingOf(algbw))) return {};
  return fmt::format("algbw is {}, but {} bytes in {} us are {:.2f} GB/s", algbw, size.count(),
                     time_us, static_cast<double>(size.count()) / (1e3 * *us));
}

bool NamesOtherTest(std::string_view text) {
  const std::string word = BareWord(text);
  return word.find("alltoallv") != std::string::npos || word.find("hypercube") != std::string::npos;
}

std::string OperationNamed(std::string_view text) {
  const std::string op = NcclPlanOpCalled(text);
  return op == "all_to_all_v" ? std::string() : op;
}

std::string OperationInName(std::string_view name) {
  if (NamesOtherTest(name)) return {};
  const std::string word = BareWord(name);
  for (const char* const op :
       {"allreduce", "allgather", "reducescatter", "alltoall", "sendrecv", "broadcast"})
    if (word.find(op) != std::string::npos) return OperationNamed(op);
  return {};
}

bool IsFloatingType(std::string_view type) {
  for (const std::string_view one : {"", "float", "half", "double", "bfloat16", "float16",
                                     "float32", "float64", "bf16", "fp16", "fp32", "fp64"})
    if (type == one) return true;
  return false;
}

namespace {

// Without what terminals are coloured by (ESC [ … letter), and with blanks for what pages lay text
// out with: blanks that do not break or have no width, and the bars of boxes.
std::string WithoutDecoration(std::string_view text) {
  constexpr std::string_view kBlanks[] = {"\xC2\xA0",     "\xE2\x80\xAF", "\xE2\x80\x8B",
                                          "\xE2\x94\x82", "\xE2\x94\x83", "\xE2\x95\x91"};
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    if (text.substr(at).starts_with("\x1B[")) {
      at += 2;
      while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
      at = std::min(at + 1, text.size());
      continue;
    }
    std::size_t blanks = 0;
    if (static_cast<unsigned char>(text[at]) >= 0xC2)
      for (const std::string_view one : kBlanks)
        if (text.substr(at).starts_with(one)) blanks = one.size();
    out += blanks > 0 ? ' ' : text[at];
    at += std::max<std::size_t>(1, blanks);
  }
  return out;
}

// What a Windows shell writes, UTF-16 behind its mark, as the ASCII in it; else `text` itself,
// without the mark of UTF-8 and without decoration.
std::string Plain(std::string_view text) {
  const bool little = text.starts_with("\xFF\xFE");
  if (!little && !text.starts_with("\xFE\xFF"))
    return WithoutDecoration(text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0));
  std::string out;
  for (std::size_t i = 2; i + 1 < text.size(); i += 2) {
    const char low = text[little ? i : i + 1], high = text[little ? i + 1 : i];
    out += high == 0 && static_cast<unsigned char>(low) < 0x80 ? low : '?';
  }
  return WithoutDecoration(out);
}

// The first line that is neither blank nor a comment, as CSV has its header there.
std::string_view HeadOf(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t start = line.find_first_not_of(" \t\r");
    if (start != std::string_view::npos && line[start] != '#') return line;
    at = end + 1;
  }
  return {};
}

// Names between commas, semicolons, tabs or bars, one of them of sizes; and not the words that
// stand over a log's columns or behind its prefix.
bool IsCsvHeader(std::string_view head) {
  bool count = false, type = false, sizes = false;
  for (const Word& word : WordsOf(head)) {
    count |= word.text == "count";
    type |= word.text == "type";
  }
  for (const std::string_view separator : {",", ";", "\t", "|"}) {
    if (head.find(separator) == head.npos) continue;
    for (std::size_t at = 0; at <= head.size();) {
      const std::size_t end = std::min(head.find(separator, at), head.size());
      const std::string_view cell = head.substr(at, end - at);
      const std::string name = BareWord(cell);
      sizes |= WordsOf(cell).size() <= 3 &&
               (name.find("size") != name.npos || name.find("bytes") != name.npos);
      at = end + 1;
    }
  }
  return sizes && !(count && type);
}

// CSV or a table in Markdown below other text, as issues have them: from the first header that
// makes a table of what follows, up to a line that no cell is set apart on. Lines before are left
// blank, so that those of the table keep their numbers.
std::vector<MeasuredTable> TablesAmongProse(std::string_view text, const std::string& file,
                                            const TableHints& hints) {
  constexpr int kMostHeaders = 50;  // each costs a look at all that follows
  int headers = 0;
  std::string before;
  for (std::size_t at = 0; at < text.size() && headers < kMostHeaders;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string header(text.substr(at, end - at));  // "# size_bytes,time_us" too
    if (const std::size_t mark = header.find_first_not_of(" \t");
        mark < header.size() && header[mark] == '#')
      header[mark] = ' ';
    if (IsCsvHeader(header)) {
      ++headers;
      std::size_t last = end;
      while (last < text.size()) {
        const std::size_t next = std::min(text.find('\n', last + 1), text.size());
        if (text.substr(last + 1, next - last - 1).find_first_of(",;\t|") == text.npos) break;
        last = next;
      }
      auto got =
          ParseCsvTables(before + header + std::string(text.substr(end, last - end)), file, hints);
      if (got) return *std::move(got);
    }
    before += '\n';
    at = end + 1;
  }
  return {};
}

}  // namespace

Result<std::vector<MeasuredTable>> ParseTables(std::string_view pasted, const std::string& file,
                                               const TableHints& hints) {
  const std::string text = Plain(pasted);
  const std::string_view head = HeadOf(text);
  const std::size_t start = head.find_first_not_of(" \t\r");
  const std::size_t inside =
      start == head.npos ? head.npos : head.find_first_not_of(" \t\r", start + 1);
  if (start != head.npos && (head[start] == '{' || (head[start] == '[' && (inside == head.npos ||
                                                                           head[inside] == '{')))) {
    auto got = ParseJsonTables(text, file, hints);
    if (got) return got;
    // A log may begin with what a script printed of itself: {'NUM_GPUS': 16}.
    std::vector<MeasuredTable> below = ParseLogTables(text, file, hints);
    if (below.empty()) return got;
    return below;
  }
  std::optional<Errors> wrong;  // as CSV, where the head may be prose with a comma
  if (IsCsvHeader(head)) {
    auto got = ParseCsvTables(text, file, hints);
    if (got) return got;
    wrong = std::move(got).error();
  }
  std::vector<MeasuredTable> tables = ParseLogTables(text, file, hints);
  if (tables.empty() && wrong) return tl::make_unexpected(*std::move(wrong));
  if (tables.empty()) tables = TablesAmongProse(text, file, hints);
  if (tables.empty())
    return Fail(ErrorCode::kSyntax, {file, 1, 1}, "there is no table of nccl-tests here",
                "want rows such as '1048576 262144 float sum -1 35.2 29.8 52.1 0', nccl-tests' "
                "JSON, a record of weft-probe, or CSV with a header that names size_bytes");
  return tables;
}

Result<std::vector<MeasuredTable>> ReadTables(const std::string& path, const TableHints& hints) {
  WEFT_TRY(const std::string text, ReadTextFile(path, {path, 0, 0}));
  return ParseTables(text, path, hints);
}

}  // namespace weft
