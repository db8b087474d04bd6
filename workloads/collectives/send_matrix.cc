#include "workloads/collectives/send_matrix.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/random.h"
#include "base/schema/quantity.h"
#include "base/schema/wording.h"
#include "base/text_file.h"
#include "topology/formats/text_lines.h"

namespace weft {
namespace {

constexpr std::int64_t kMostOfCell = 1'000'000'000'000'000;  // 1 PB: sums stay far below 2^63
constexpr std::int64_t kShape = std::int64_t{1} << 40;       // what a made matrix's rank sends

// None where a quote is not closed.
std::optional<std::vector<CsvCell>> CellsOf(const TextLine& line) {
  if (line.text.find(',') != std::string_view::npos) return SplitCells(line.text);
  std::vector<CsvCell> out;
  for (const TextWord& word : line.words) out.push_back({std::string(word.text), word.column});
  return out;
}

// "1e6", "1.048576000000000000e+06" as numpy writes it: a whole number all the same.
std::optional<std::int64_t> WholeReal(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || at != end || !(value >= 0) || value > kMostOfCell ||
      value != std::floor(value))
    return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::int64_t> BytesOf(const std::string& text) {
  if (const auto digits = WholeNumber(text, kMostOfCell)) return digits;
  if (const auto real = WholeReal(text)) return real;
  const auto size = ScanWhole(text, Unit::BYTES);
  if (!size || *size < 0 || *size > kMostOfCell) return std::nullopt;
  return *size;
}

class MatrixReader {
 public:
  explicit MatrixReader(const std::string& file) : file_(file) {}

  Result<SendMatrix> Read(std::string_view text) {
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    for (const TextLine& line : SplitLines(text))
      if (!IsBlankOrComment(line)) ReadRow(line);
    if (rows_ == 0) Report(1, 1, "the matrix has no rows", "a row a rank: 0, 1048576, 2MiB");
    if (rows_ > 0 && rows_ != columns_ && errors_.empty())
      Report(last_line_, 1, fmt::format("the matrix has {} rows and {} columns", rows_, columns_),
             "as many of both as ranks");
    if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
    matrix_.ranks = static_cast<std::uint32_t>(rows_);
    return std::move(matrix_);
  }

 private:
  void Report(int line, int column, std::string message, std::string hint) {
    errors_.push_back(
        {ErrorCode::kSyntax, {file_, line, column}, std::move(message), std::move(hint)});
  }

  void ReadRow(const TextLine& line) {
    const auto found = CellsOf(line);
    last_line_ = line.number;
    if (!found) {
      ++rows_;
      return Report(line.number, static_cast<int>(line.text.rfind('"')) + 1,
                    "a quote is not closed", "cells need no quotes: 0, 1048576, 2MiB");
    }
    const std::vector<CsvCell>& cells = *found;
    ++rows_;
    if (columns_ == 0) columns_ = cells.size();
    if (cells.size() != columns_)
      return Report(line.number, 1,
                    fmt::format("row {} has {} cells, and the first has {}", rows_ - 1,
                                cells.size(), columns_),
                    "a cell a rank in every row");
    for (const CsvCell& cell : cells) {
      const std::optional<std::int64_t> bytes = BytesOf(cell.text);
      if (!bytes)
        Report(line.number, cell.column, fmt::format("{} is no size", Quoted(cell.text)),
               "bytes, such as 1048576 or 1MiB, at most 1 PB");
      matrix_.bytes.push_back(bytes.value_or(0));
    }
  }

  const std::string& file_;
  SendMatrix matrix_;
  Errors errors_;
  std::size_t rows_ = 0, columns_ = 0;
  int last_line_ = 1;
};

// Messages of one class, gathered; a place is a rank, or a NIC.
class MessageCount {
 public:
  MessageCount(std::uint32_t places, int at_once)
      : at_once_(at_once),
        out_(places),
        in_(places),
        many_out_(places),
        many_in_(places),
        under_way_out_(places),
        under_way_in_(places) {}

  // One of `many` of this class that the sender has.
  void Add(std::uint32_t out, std::uint32_t in, double bytes, int many) {
    const double under_way = std::min<double>(at_once_, many) / many;
    sum_ += bytes;
    heaviest_ = std::max(heaviest_, bytes);
    ++count_;
    out_[out] += bytes, in_[in] += bytes;
    ++many_out_[out], ++many_in_[in];
    under_way_out_[out] += under_way, under_way_in_[in] += under_way;
  }
  double heaviest() const { return heaviest_; }
  double Busiest() const { return Most(out_, in_); }
  // Messages of the busiest place, the way that it is.
  int ManyAtBusiest() const {
    const auto out = std::max_element(out_.begin(), out_.end());
    const auto in = std::max_element(in_.begin(), in_.end());
    return *out >= *in ? many_out_[static_cast<std::size_t>(out - out_.begin())]
                       : many_in_[static_cast<std::size_t>(in - in_.begin())];
  }
  SendLoads::Class Class() const {
    if (count_ == 0) return {};
    return {heaviest_ / (sum_ / count_), Most(under_way_out_, under_way_in_)};
  }

 private:
  static double Most(const std::vector<double>& a, const std::vector<double>& b) {
    return std::max(*std::max_element(a.begin(), a.end()), *std::max_element(b.begin(), b.end()));
  }

  int at_once_;
  double sum_ = 0, heaviest_ = 0, count_ = 0;
  std::vector<double> out_, in_;
  std::vector<int> many_out_, many_in_;
  std::vector<double> under_way_out_, under_way_in_;
};

// Messages that a rank has for its own host and for others.
std::pair<int, int> MessagesOf(const SendMatrix& matrix, std::uint32_t from,
                               std::uint32_t per_host) {
  int near = 0, far = 0;
  for (std::uint32_t to = 0; to < matrix.ranks; ++to)
    if (to != from && matrix.At(from, to) > 0) ++(from / per_host == to / per_host ? near : far);
  return {near, far};
}

}  // namespace

Result<SendMatrix> ParseSendMatrix(std::string_view text, const std::string& file) {
  return MatrixReader(file).Read(text);
}

Result<SendMatrix> ReadSendMatrix(const std::string& path, const SourcePos& asked) {
  WEFT_TRY(const std::string text,
           ReadTextFile(path, asked, "a file of R rows and R columns of bytes"));
  return ParseSendMatrix(text, path);
}

SendMatrix SkewedMatrix(std::uint32_t ranks, double skew, std::uint64_t seed) {
  std::vector<std::uint32_t> place(ranks);
  std::iota(place.begin(), place.end(), 1U);
  Random random(StreamSeed(seed, {2}));
  for (std::uint32_t left = ranks; left > 1; --left)
    std::swap(place[left - 1], place[random.Below(left)]);
  double sum = 0;
  for (std::uint32_t k = 1; k <= ranks; ++k) sum += std::pow(k, -skew);
  SendMatrix out{ranks, {}};
  for (std::uint32_t from = 0; from < ranks; ++from)
    for (std::uint32_t to = 0; to < ranks; ++to)
      out.bytes.push_back(
          std::llround(std::pow(place[to], -skew) / sum * static_cast<double>(kShape)));
  return out;
}

SendMatrix SpreadMatrix(std::uint32_t ranks, double spread) {
  SendMatrix out{ranks, {}};
  const double all = static_cast<double>(ranks) * std::max(1.0, ranks - 1.0) / 2;
  for (std::uint32_t from = 0; from < ranks; ++from)
    for (std::uint32_t to = 0; to < ranks; ++to) {
      const double share = (1 - spread) / ranks + spread * ((to + ranks - from) % ranks) / all;
      out.bytes.push_back(std::llround(share * static_cast<double>(kShape)));
    }
  if (ranks == 1) out.bytes[0] = kShape;
  return out;
}

SendMatrix RootMatrix(std::uint32_t ranks, bool gather) {
  SendMatrix out{ranks, std::vector<std::int64_t>(std::size_t{ranks} * ranks)};
  for (std::uint32_t rank = 0; rank < ranks; ++rank)
    out.bytes[gather ? std::size_t{rank} * ranks : rank] = kShape;
  return out;
}

Bytes BusiestRank(const SendMatrix& matrix) {
  std::vector<std::int64_t> sent(matrix.ranks), received(matrix.ranks);
  for (std::uint32_t from = 0; from < matrix.ranks; ++from)
    for (std::uint32_t to = 0; to < matrix.ranks; ++to) {
      sent[from] += matrix.At(from, to);
      received[to] += matrix.At(from, to);
    }
  std::int64_t most = 0;
  for (const auto* side : {&sent, &received})
    for (const std::int64_t one : *side) most = std::max(most, one);
  return Bytes(most);
}

SendMatrix ScaledTo(const SendMatrix& matrix, Bytes busiest) {
  const Bytes now = BusiestRank(matrix);
  WEFT_CHECK(now > Bytes());
  if (now == busiest) return matrix;
  SendMatrix out{matrix.ranks, {}};
  out.bytes.reserve(matrix.bytes.size());
  for (const std::int64_t cell : matrix.bytes)
    out.bytes.push_back(
        static_cast<std::int64_t>(static_cast<__int128>(cell) * busiest.count() / now.count()));
  return out;
}

SendMatrix RoundedTo(const SendMatrix& matrix, Bytes unit) {
  SendMatrix out = matrix;
  for (std::int64_t& cell : out.bytes) cell -= cell % unit.count();
  return out;
}

SendMatrix Reordered(const SendMatrix& matrix, const std::vector<std::uint32_t>& order) {
  WEFT_CHECK(order.size() == matrix.ranks);
  SendMatrix out{matrix.ranks, {}};
  out.bytes.reserve(matrix.bytes.size());
  for (const std::uint32_t from : order)
    for (const std::uint32_t to : order) out.bytes.push_back(matrix.At(from, to));
  return out;
}

SendLoads SendLoads::Times(double factor) const {
  SendLoads out = *this;
  for (double* bytes :
       {&out.link, &out.link_heaviest, &out.through, &out.nic, &out.far, &out.own, &out.heaviest})
    *bytes *= factor;
  return out;
}

SendLoads LoadsOf(const SendMatrix& matrix, int per_host, int nics, bool rails, int at_once) {
  const std::uint32_t n = matrix.ranks, p = static_cast<std::uint32_t>(per_host);
  const auto shared = static_cast<std::uint32_t>(std::clamp(nics, 1, per_host));
  const auto nic = [&](std::uint32_t host, std::uint32_t rank) {
    return host * shared + rank % p * shared / p;
  };
  MessageCount link(n, at_once), net(n, at_once), far_of_rank(n, at_once);
  SendLoads out;
  std::vector<int> come(n, 0);  // from other hosts
  for (std::uint32_t from = 0; from < n; ++from) {
    const auto [near, far] = MessagesOf(matrix, from, p);
    const auto own = static_cast<double>(matrix.At(from, from));
    double through = 0;
    for (std::uint32_t to = 0; to < n; ++to) {
      const auto bytes = static_cast<double>(matrix.At(from, to));
      if (from == to || bytes == 0) continue;
      if (from / p == to / p) {
        link.Add(from, to, bytes, near);
        through += bytes;
      } else {
        const std::uint32_t by = rails ? to : from;
        net.Add(nic(from / p, by), nic(to / p, to), bytes, far);
        far_of_rank.Add(from, to, bytes, far);
        ++come[to];
        if (nic(0, by) != nic(0, from)) through += bytes;
      }
    }
    out.through = std::max(out.through, through);
    out.own = std::max(out.own, own);
    out.peers = std::max(out.peers, near + far + (own > 0 ? 1 : 0));
    out.far_peers = std::max(out.far_peers, far);
  }
  for (const int one : come) out.far_peers = std::max(out.far_peers, one);
  out.link = link.Busiest();
  out.link_heaviest = link.heaviest();
  out.link_messages = link.ManyAtBusiest();
  out.nic = net.Busiest();
  out.far = far_of_rank.Busiest();
  out.heaviest = net.heaviest();
  out.link_class = link.Class();
  out.net_class = net.Class();
  return out;
}

}  // namespace weft
