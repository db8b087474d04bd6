// One row of a log, out of whatever stands around it.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "validate/log_rows_internal.h"

namespace weft {
namespace {

bool IsCount(std::string_view text) {
  return !text.empty() && text.size() <= 18 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

// A count as nccl-tests prints it, or as it is set in type, in groups of three: 8388608,
// 8,388,608, 8.388.608.
std::optional<std::int64_t> CountIn(std::string_view text) {
  std::string digits(text);
  for (std::size_t at = text.size(); at > 4;) {
    at -= 4;
    if (digits[at] != ',' && digits[at] != '\'' && digits[at] != '.') break;
    digits.erase(at, 1);
  }
  return IsCount(digits) ? WholeNumber<std::int64_t>(digits) : std::nullopt;
}

// How many times 1024 a unit stands for: KiB, or K as nccl-tests' -b has it.
std::optional<int> PowersIn(std::string_view unit) {
  const bool binary = unit.size() == 3 && unit.substr(1) == "iB";
  if (unit.size() != 1 && !binary) return std::nullopt;
  const std::size_t at = std::string_view("KMGT").find(unit.front());
  return at == std::string_view::npos ? std::nullopt : std::optional(static_cast<int>(at) + 1);
}

// 8388608, 8,388,608, 8M, 8MiB or 512B.
std::optional<std::int64_t> SizeIn(std::string_view text) {
  if (text.size() > 1 && text.back() == 'B' &&
      std::isdigit(static_cast<unsigned char>(text[text.size() - 2])))
    text.remove_suffix(1);
  const std::size_t end = std::min(text.find_first_of("KMGT"), text.size());
  const auto count = CountIn(text.substr(0, end));
  if (end == text.size() || !count) return count;
  const auto powers = PowersIn(text.substr(end));
  if (!powers || *count > std::int64_t{1} << 20) return std::nullopt;
  return *count << (10 * *powers);
}

// 8MB, 8mb: in units of which nobody tells 1000 from 1024; or 1.5M.
bool IsUnclearSize(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789.,"), text.size());
  const std::string_view unit = text.substr(end);
  return end > 0 && (unit.size() == 1 || unit.size() == 2) &&
         std::string_view("kKmMgGtT").find(unit.front()) != std::string_view::npos &&
         (unit.size() == 1 || unit[1] == 'B' || unit[1] == 'b');
}

// What a prefix without a blank behind it leaves of the size: "[1,0]<stdout>:8".
std::string_view AfterPrefix(std::string_view word) {
  const std::size_t end = word.find_last_of(":>]|");
  return end == std::string_view::npos ? word : word.substr(end + 1);
}

bool IsTypeName(std::string_view word) {
  return !word.empty() && std::isalpha(static_cast<unsigned char>(word.front())) &&
         std::all_of(word.begin(), word.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

// A figure without the commas that set its whole part in groups of three: 10,887.4. Where the comma
// is a decimal one the row contradicts itself, a thousandfold.
std::string FigureIn(std::string_view text) {
  std::string out(text);
  for (std::size_t at = std::min(text.find('.'), text.size()); at > 4;) {
    at -= 4;
    if (out[at] != ',') break;
    out.erase(at, 1);
  }
  return out;
}

std::optional<LogHalf> HalfAt(const std::vector<Word>& words, std::size_t at) {
  if (at + 3 > words.size()) return std::nullopt;
  const auto figure = [&](std::size_t i) { return FigureIn(words[at + i].text); };
  LogHalf out{figure(0), figure(1), figure(2)};
  for (const std::string& one : {out.time, out.algbw, out.busbw})
    if (!WholeNumber<double>(one)) return std::nullopt;
  return out;
}

// Whether a row that goes on with words[at] has a root there: the header says so, or the columns
// can be counted; a row that is cut off is asked which reading contradicts itself.
bool HasRoot(const std::vector<Word>& words, std::size_t at, Bytes size,
             std::optional<bool> header) {
  if (header) return *header;
  if (at < words.size() && words[at].text == "-1") return true;
  const std::size_t left = words.size() - at;
  if (left == 9 || left == 5) return true;
  if (left == 8 || left == 4) return false;
  const std::optional<LogHalf> without = HalfAt(words, at);
  return !without || !Contradiction(size, without->time, without->algbw).empty();
}

// Whether both halves, from words[at], have four more columns: no other row has so many numbers.
bool IsPerIteration(const std::vector<Word>& words, std::size_t at) {
  if (words.size() < at + 16) return false;
  return std::all_of(words.begin() + static_cast<std::ptrdiff_t>(at),
                     words.begin() + static_cast<std::ptrdiff_t>(at) + 16,
                     [](const Word& one) { return IsNumberOrNone(one.text); });
}

// Reads the columns behind the type, from words[at], into `row`.
void ReadColumns(const std::vector<Word>& words, std::size_t at, const LogColumns& columns,
                 LogRow& row) {
  const std::size_t half = columns.per_iteration || IsPerIteration(words, at) ? 8 : 4;
  row.out = HalfAt(words, at);
  row.in = HalfAt(words, at + half);
  const auto is_na = [&](std::size_t i) { return i < words.size() && words[i].text == "N/A"; };
  row.out_is_na = is_na(at + 3);
  row.out_unread = !row.out && row.in && !is_na(at);
  row.in_is_na = is_na(at + half + 3);
  row.end = std::min(words.size(), at + (row.in ? 2 * half : half));
}

}  // namespace

bool IsNumberOrNone(std::string_view word) {
  return word == "N/A" || WholeNumber<double>(FigureIn(word)).has_value();
}

bool AreNumbers(std::span<const Word> words) {
  return std::all_of(words.begin(), words.end(),
                     [](const Word& one) { return IsNumberOrNone(one.text); });
}

std::optional<LogRow> ParseRow(const std::vector<Word>& words, std::size_t from,
                               const LogColumns& columns) {
  for (std::size_t first = from; first + 2 < words.size(); ++first) {
    std::string size_text(AfterPrefix(words[first].text));
    const std::string unit = first + 3 < words.size() ? std::string(words[first + 1].text) : "";
    const bool unit_apart = PowersIn(unit) || (IsTypeName(unit) && IsUnclearSize("1" + unit));
    std::size_t at = first + (unit_apart ? 2 : 1);
    if (unit_apart) size_text += words[at - 1].text;
    const auto size = SizeIn(size_text);
    if ((!size && !IsUnclearSize(size_text)) || !SizeIn(words[at].text) ||
        !IsTypeName(words[at + 1].text))
      continue;
    LogRow row;
    row.size = Bytes(size.value_or(0));
    if (!size) row.why = fmt::format("its size is {}, which is not KiB, MiB or GiB", size_text);
    row.type = words[at + 1].text;
    at += 2;
    if (at < words.size() && IsTypeName(words[at].text) && words[at].text != "nan") {
      row.redop = words[at].text;
      ++at;
    }
    if (HasRoot(words, at, row.size, columns.root)) {
      row.has_root = at < words.size() && words[at].text != "-1";
      ++at;
    }
    ReadColumns(words, at, columns, row);
    // Three words that look like a row's start stand in other lines too: a row goes on in numbers.
    if (!row.out && !row.in && (at >= words.size() || IsTypeName(words[at].text)))
      return at >= words.size() && row.size.count() > 0 && first == 0
                 ? std::optional(std::move(row))
                 : std::nullopt;
    return row;
  }
  return std::nullopt;
}

bool AgreesWithItself(const LogRow& row) {
  for (const std::optional<LogHalf>* half : {&row.out, &row.in})
    if (*half && (WholeNumber<double>((*half)->time).value_or(0) <= 0 ||
                  !Contradiction(row.size, (*half)->time, (*half)->algbw).empty()))
      return false;
  return row.out.has_value();
}

}  // namespace weft
