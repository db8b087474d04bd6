#include "sim/flow/coupling.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

namespace weft {
namespace {

bool Pipelined(const PathTable::Subject& subject) {
  return subject.pattern != nullptr && subject.pattern->advance == Pattern::Advance::kPipelined;
}

// Which rows lead to which by streams and dependencies, as a table of bits.
class Order {
 public:
  explicit Order(const Schedule& schedule)
      : schedule_(schedule), words_((schedule.row_count() + 63) / 64) {
    if (schedule.row_count() > kMaxOrderedRows) return;
    before_.assign(std::size_t{schedule.row_count()} * words_, 0);
    std::vector<std::uint32_t> last_in_stream;
    for (std::uint32_t row = 0; row < schedule.row_count(); ++row) AddRow(row, last_in_stream);
  }

  bool Ordered(std::uint32_t a, std::uint32_t b) const {
    if (ShareStream(a, b)) return true;
    const bool repeated = schedule_.block(a) != 0 && schedule_.block(a) == schedule_.block(b) &&
                          schedule_.times(a) > 1;
    if (before_.empty() || repeated) return false;
    return Has(std::max(a, b), std::min(a, b));
  }

 private:
  void AddRow(std::uint32_t row, std::vector<std::uint32_t>& last_in_stream) {
    const Program& program = schedule_.program(row);
    const Op& op = schedule_.op(row);
    if (last_in_stream.size() < program.stream_count)
      last_in_stream.resize(program.stream_count, Index(kNoRow));
    for (std::uint32_t i = 0; i < op.stream_count; ++i) {
      std::uint32_t& last = last_in_stream[program.streams[op.first_stream + i]];
      if (last != Index(kNoRow)) Follow(row, last);
      last = row;
    }
    for (std::uint32_t i = 0; i < op.dep_count; ++i) {
      const Dep& dep = program.deps[op.first_dep + i];
      if (dep.back == 0) Follow(row, schedule_.first_row(row) + dep.row);
    }
  }

  void Follow(std::uint32_t row, std::uint32_t on) {
    if (Has(row, on)) return;
    const std::size_t to = std::size_t{row} * words_, from = std::size_t{on} * words_;
    for (std::size_t w = 0; w < words_; ++w) before_[to + w] |= before_[from + w];
    before_[to + on / 64] |= std::uint64_t{1} << (on % 64);
  }

  bool Has(std::uint32_t row, std::uint32_t earlier) const {
    return (before_[std::size_t{row} * words_ + earlier / 64] >> (earlier % 64) & 1) != 0;
  }

  bool ShareStream(std::uint32_t a, std::uint32_t b) const {
    const Op &x = schedule_.op(a), &y = schedule_.op(b);
    const Program &p = schedule_.program(a), &q = schedule_.program(b);
    if (&p == &q && x.first_stream == y.first_stream && x.stream_count > 0 && y.stream_count > 0)
      return true;
    const std::span xs = std::span(p.streams).subspan(x.first_stream, x.stream_count);
    const std::span ys = std::span(q.streams).subspan(y.first_stream, y.stream_count);
    if (!std::is_sorted(xs.begin(), xs.end()) || !std::is_sorted(ys.begin(), ys.end()))
      return std::find_first_of(xs.begin(), xs.end(), ys.begin(), ys.end()) != xs.end();
    for (std::size_t i = 0, k = 0; i < xs.size() && k < ys.size();) {
      if (xs[i] == ys[k]) return true;
      xs[i] < ys[k] ? ++i : ++k;
    }
    return false;
  }

  const Schedule& schedule_;
  std::size_t words_;
  std::vector<std::uint64_t> before_;  // [rows · words]
};

constexpr std::uint32_t kNoSubject = 0xffffffff;
using Pair = std::pair<std::uint32_t, std::uint32_t>;

// Rows that still may run tight, by subject; pairs of them are looked at once.
class TightRows {
 public:
  TightRows(const Schedule& schedule, std::vector<std::vector<std::uint32_t>> rows,
            std::vector<std::uint8_t>& tight)
      : schedule_(schedule),
        rows_(std::move(rows)),
        tight_(tight),
        order_(schedule),
        streams_(rows_.size()) {
    for (const std::vector<std::uint32_t>& of_subject : rows_) {
      left_.push_back(static_cast<std::size_t>(
          std::count_if(of_subject.begin(), of_subject.end(),
                        [&](std::uint32_t row) { return tight[row] != 0; })));
    }
  }

  // Of what two subjects with a common link run, the rows that may do so at the same time are
  // loose.
  void Meet(std::uint32_t a, std::uint32_t b) {
    if (OneAfterTheOther(a, b)) return;
    for (std::size_t i = 0; i < rows_[a].size(); ++i) {
      const std::uint32_t row = rows_[a][i];
      for (std::size_t k = a == b ? i + 1 : 0; k < rows_[b].size(); ++k) {
        if (left_[a] == 0 && left_[b] == 0) return;
        if (tight_[row] == 0 && left_[b] == 0) break;
        const std::uint32_t other = rows_[b][k];
        if ((tight_[row] == 0 && tight_[other] == 0) || order_.Ordered(row, other)) continue;
        left_[a] -= std::exchange(tight_[row], std::uint8_t{0});
        left_[b] -= std::exchange(tight_[other], std::uint8_t{0});
      }
    }
  }

 private:
  const std::vector<std::uint32_t>& StreamsOf(std::uint32_t subject) {
    if (!streams_[subject]) streams_[subject] = CommonStreams(schedule_, rows_[subject]);
    return *streams_[subject];
  }

  bool OneAfterTheOther(std::uint32_t a, std::uint32_t b) {
    if (rows_[a].size() < 2 && rows_[b].size() < 2) return a == b;  // of two Ordered() sees it
    const auto &x = StreamsOf(a), &y = StreamsOf(b);
    for (std::size_t i = 0, k = 0; i < x.size() && k < y.size();) {
      if (x[i] == y[k]) return true;
      x[i] < y[k] ? ++i : ++k;
    }
    return false;
  }

  const Schedule& schedule_;
  std::vector<std::vector<std::uint32_t>> rows_;  // [subjects]
  std::vector<std::uint8_t>& tight_;              // [rows]
  Order order_;
  std::vector<std::size_t> left_;  // [subjects] tight rows
  // [subjects] ascending, those of all its rows; none: not asked for yet.
  std::vector<std::optional<std::vector<std::uint32_t>>> streams_;
};

template <typename Visit>
void ForEachLink(const PathTable& paths, const PathTable::Subject& subject, const Visit& visit) {
  for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
    for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
      for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q])) visit(link);
}

// Pairs of subjects with a common link, at least one of them pipelined; each once, ascending.
std::vector<Pair> Meetings(const PathTable& paths, std::uint32_t link_count) {
  const auto runs = [](const PathTable::Subject& subject) { return subject.first_row != kNoRow; };
  if (std::count_if(paths.subjects().begin(), paths.subjects().end(), runs) < 2) return {};
  std::vector<std::vector<std::uint32_t>> on(link_count);
  for (std::uint32_t s = 0; s < paths.subjects().size(); ++s) {
    if (!runs(paths.subjects()[s])) continue;
    ForEachLink(paths, paths.subjects()[s], [&](LinkId link) {
      if (on[Index(link)].empty() || on[Index(link)].back() != s) on[Index(link)].push_back(s);
    });
  }
  std::vector<Pair> pairs;
  std::vector<std::uint32_t> met(paths.subjects().size(), kNoSubject);  // last by
  for (std::uint32_t s = 0; s < paths.subjects().size(); ++s) {
    const PathTable::Subject& subject = paths.subjects()[s];
    if (!runs(subject) || !Pipelined(subject)) continue;
    const auto first = static_cast<std::ptrdiff_t>(pairs.size());
    met[s] = s;
    ForEachLink(paths, subject, [&](LinkId link) {
      for (const std::uint32_t other : on[Index(link)]) {
        if (met[other] == s) continue;
        met[other] = s;
        if (other < s && Pipelined(paths.subjects()[other])) continue;  // seen already
        pairs.emplace_back(s, other);
      }
    });
    std::sort(pairs.begin() + first, pairs.end());
  }
  return pairs;
}

}  // namespace

std::vector<std::uint32_t> CommonStreams(const Schedule& schedule,
                                         const std::vector<std::uint32_t>& rows) {
  std::vector<std::uint32_t> common, both;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Op& op = schedule.op(rows[i]);
    const Program& program = schedule.program(rows[i]);
    if (i > 0) {
      const Op& before = schedule.op(rows[i - 1]);
      const bool same = &schedule.program(rows[i - 1]) == &program &&
                        before.first_stream == op.first_stream &&
                        before.stream_count == op.stream_count;
      if (same) continue;
    }
    const auto begin = program.streams.begin() + op.first_stream;
    std::vector<std::uint32_t> streams(begin, begin + op.stream_count);
    std::sort(streams.begin(), streams.end());
    if (i == 0) {
      common = std::move(streams);
      continue;
    }
    both.clear();
    std::set_intersection(common.begin(), common.end(), streams.begin(), streams.end(),
                          std::back_inserter(both));
    common.swap(both);
    if (common.empty()) break;
  }
  return common;
}

std::vector<std::uint8_t> DecideCoupling(const Schedule& schedule, const PathTable& paths,
                                         std::uint32_t link_count) {
  std::vector<std::uint8_t> tight(schedule.row_count(), 0);
  std::vector<std::vector<std::uint32_t>> rows(paths.subjects().size());
  bool any = false;
  for (std::uint32_t row = 0; row < schedule.row_count(); ++row) {
    const Op& op = schedule.op(row);
    if (op.kind != Op::Kind::kPattern && op.kind != Op::Kind::kSend) continue;
    const std::uint32_t s = paths.subject_row(schedule.program_index(row), op);
    rows[s].push_back(row);
    tight[row] = Pipelined(paths.subjects()[s]) ? 1 : 0;
    any = any || tight[row] != 0;
  }
  if (!any) return tight;

  TightRows rows_left(schedule, std::move(rows), tight);
  // Decided from the pairs as they are: a row that one pair made loose still counts.
  for (const Pair& pair : Meetings(paths, link_count)) rows_left.Meet(pair.first, pair.second);
  for (std::uint32_t s = 0; s < paths.subjects().size(); ++s)
    if (Pipelined(paths.subjects()[s])) rows_left.Meet(s, s);
  return tight;
}

std::uint32_t CountLoose(const Schedule& schedule, const PathTable& paths,
                         const std::vector<std::uint8_t>& tight) {
  std::uint32_t count = 0;
  for (std::uint32_t row = 0; row < schedule.row_count(); ++row) {
    const Op& op = schedule.op(row);
    if (op.kind != Op::Kind::kPattern || tight[row] != 0) continue;
    if (Pipelined(paths.subject(schedule.program_index(row), op))) ++count;
  }
  return count;
}

}  // namespace weft
