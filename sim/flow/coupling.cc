#include "sim/flow/coupling.h"

#include <algorithm>
#include <span>

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

using Pair = std::pair<std::uint32_t, std::uint32_t>;

// Pairs of subjects with a common link, at least one of them pipelined; each once.
std::vector<Pair> Meetings(const PathTable& paths, std::uint32_t link_count) {
  const auto runs = [](const PathTable::Subject& subject) { return subject.first_row != kNoRow; };
  if (std::count_if(paths.subjects().begin(), paths.subjects().end(), runs) < 2) return {};
  std::vector<std::vector<std::uint32_t>> on(link_count);
  for (std::uint32_t s = 0; s < paths.subjects().size(); ++s) {
    const PathTable::Subject& subject = paths.subjects()[s];
    if (subject.first_row == kNoRow) continue;
    for (std::uint32_t e = subject.first_edge; e < subject.first_edge + subject.edge_count; ++e)
      for (std::uint32_t q = 0; q < paths.edges()[e].qps; ++q)
        for (const LinkId link : paths.hops(paths.qps()[paths.edges()[e].first_qp + q]))
          if (on[Index(link)].empty() || on[Index(link)].back() != s) on[Index(link)].push_back(s);
  }
  std::vector<Pair> pairs;
  for (const std::vector<std::uint32_t>& subjects : on)
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      if (!Pipelined(paths.subjects()[subjects[i]])) continue;
      for (const std::uint32_t other : subjects) {
        if (other == subjects[i]) continue;
        if (other < subjects[i] && Pipelined(paths.subjects()[other])) continue;  // seen already
        pairs.emplace_back(subjects[i], other);
      }
    }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  return pairs;
}

}  // namespace

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

  const Order order(schedule);
  const auto meet = [&](std::uint32_t a, std::uint32_t b) {
    if ((tight[a] == 0 && tight[b] == 0) || order.Ordered(a, b)) return;
    tight[a] = tight[b] = 0;
  };
  // Decided from the pairs as they are: a row that one pair made loose still counts.
  for (const Pair& pair : Meetings(paths, link_count))
    for (const std::uint32_t a : rows[pair.first])
      for (const std::uint32_t b : rows[pair.second]) meet(a, b);
  for (std::uint32_t s = 0; s < rows.size(); ++s) {
    if (!Pipelined(paths.subjects()[s])) continue;
    for (std::size_t i = 0; i < rows[s].size(); ++i)
      for (std::size_t k = i + 1; k < rows[s].size(); ++k) meet(rows[s][i], rows[s][k]);
  }
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
