// The rows of nccl-tests' and rccl-tests' tables [NCT src/common.cu, src/util.cu].
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "validate/tables_internal.h"

namespace weft {

// The figures of a row out of place, or in place, as they are printed but for groups of digits.
struct LogHalf {
  std::string time, algbw, busbw;
};

// What one line of a log says, before it is believed.
struct LogRow {
  Bytes size;
  std::string type;
  std::string redop;
  bool has_root = false;  // one that is a rank, as broadcast and gather have
  std::optional<LogHalf> out, in;
  bool out_is_na = false, in_is_na = false;  // not checked; an all-to-all never is in place
  bool out_unread = false;                   // figures out of place that are none
  std::string why;                           // not a row to believe; empty: it is
  std::size_t end = 0;                       // the first word behind it
};

// What the header over a table says of its columns.
struct LogColumns {
  std::optional<bool> root;
  bool per_iteration = false;  // i_min i_max i_p99 i_cv% behind each half (-K) [NCT src/util.cu]
};

bool IsNumberOrNone(std::string_view word);

// Numbers alone: what the rest of a row that was wrapped is.
bool AreNumbers(std::span<const Word> words);

// The first row from words[from] on. None: there is none.
std::optional<LogRow> ParseRow(const std::vector<Word>& words, std::size_t from,
                               const LogColumns& columns);

// Whether each half that the row has is of its size.
bool AgreesWithItself(const LogRow& row);

}  // namespace weft
