// What the readers of logs, CSV and JSON share.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "validate/tables.h"

namespace weft {

// A word of a line and its column, from 1.
struct Word {
  std::string_view text;
  int column = 1;
};

std::vector<Word> WordsOf(std::string_view line);

// The whole of `text` as a number; none where anything is left over.
template <typename Number>
std::optional<Number> WholeNumber(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end) return std::nullopt;
  return value;
}

// None where `us` is no time above 0 below a day.
std::optional<SimDuration> FromMicroseconds(double us);

// How far a printed figure may be from the true one: half of its last digit.
double RoundingOf(std::string_view printed);

// Why size / time is not the algbw that is printed beside it; empty where it is.
std::string Contradiction(Bytes size, std::string_view time_us, std::string_view algbw);
// The same of any units: a time in us and a rate in GB/s, each rounded by at most what follows it.
bool AreContradictory(Bytes size, double us, double us_rounding, double rate, double rate_rounding);

// The first word of an operation in `name` ("h100_2n_allreduce.log"); empty: none.
std::string OperationInName(std::string_view name);

// Empty where no line is a row.
std::vector<MeasuredTable> ParseLogTables(std::string_view text, const std::string& file,
                                          const TableHints& hints);
Result<std::vector<MeasuredTable>> ParseCsvTables(std::string_view text, const std::string& file,
                                                  const TableHints& hints);
Result<std::vector<MeasuredTable>> ParseJsonTables(std::string_view text, const std::string& file,
                                                   const TableHints& hints);

}  // namespace weft
