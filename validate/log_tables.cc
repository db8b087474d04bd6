// What nccl-tests and rccl-tests print [NCT src/common.cu, src/util.cu], as people paste it.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "scenario/collective_times.h"
#include "validate/log_rows_internal.h"

namespace weft {
namespace {

// What the columns of a row say of the operation: busbw over algbw, known to `slack`.
struct Evidence {
  double factor = 0, slack = 0;
  bool sums = false, has_root = false, both_halves = false, out_is_na = false, in_is_na = false;
  int line = 0;
};

std::optional<Evidence> EvidenceOf(const LogRow& row, const LogHalf& half, int line) {
  const double alg = WholeNumber<double>(half.algbw).value_or(0);
  const double bus = WholeNumber<double>(half.busbw).value_or(0);
  if (alg < 1 || !(bus > 0)) return std::nullopt;
  const double factor = bus / alg;
  const double slack =
      factor * (RoundingOf(half.algbw) / alg + RoundingOf(half.busbw) / bus + 1e-4);
  const bool sums = row.redop != "none" && !row.redop.empty();
  return Evidence{factor,        slack,        sums, row.has_root, row.out && row.in,
                  row.out_is_na, row.in_is_na, line};
}

// Whether busbw over algbw can be that of `op` over `ranks`, where they are known.
bool IsOf(const Evidence& evidence, std::string_view op, int ranks) {
  const double slack = evidence.slack + 0.005 * evidence.factor;
  if (ranks > 1) return std::abs(evidence.factor - BusFactor(op, ranks)) <= slack;
  if (op == "all_reduce") return evidence.factor >= 1 - slack;
  return evidence.factor <= 1 + slack;
}

// Whether the factor is times · (n − 1) / n of `ranks`, or, where they are not known, of any n.
bool IsOfRanks(const Evidence& evidence, double times, int ranks) {
  const double share = evidence.factor / times;
  const double n = ranks > 0 ? ranks : std::max(2.0, std::round(1 / std::max(1e-9, 1 - share)));
  return std::abs(times * (n - 1) / n - evidence.factor) <= evidence.slack;
}

// The operation of a factor of 1 that alone has such columns. A root and sums are a reduce's. A
// root and no sums are a broadcast's, where a gather of so many ranks would have another factor.
// Sums without a root that were checked in place too are an all-reduce's of two ranks, where these
// are known: a reduce-scatter over many has next to that factor, and sendrecv_perf checks nothing
// in place [NCT src/sendrecv.cu].
std::string OperationOfOne(const Evidence& evidence, int ranks) {
  if (std::abs(evidence.factor - 1) > evidence.slack) return {};
  if (evidence.has_root && evidence.sums) return "reduce";
  if (evidence.has_root)
    return ranks > 1 && 1.0 / ranks > 2 * evidence.slack ? "broadcast" : std::string();
  const bool checked = evidence.both_halves && !evidence.out_is_na && !evidence.in_is_na;
  return evidence.sums && checked && ranks == 2 ? "all_reduce" : std::string();
}

// The operation that alone has such columns; empty where several have, or none.
std::string OperationOf(const Evidence& evidence, int ranks) {
  if (std::string one = OperationOfOne(evidence, ranks); !one.empty()) return one;
  if (evidence.has_root) return {};
  if (evidence.factor > 1.02)
    return evidence.sums && IsOfRanks(evidence, 2, ranks) ? "all_reduce" : "";
  if (evidence.factor > 0.98 || !IsOfRanks(evidence, 1, ranks)) return {};
  if (evidence.sums) return "reduce_scatter";
  // Nothing was checked, or half is cut off: nothing tells an all-gather from an all-to-all.
  if (!evidence.both_halves || evidence.out_is_na) return {};
  return evidence.in_is_na ? "all_to_all" : "all_gather";
}

// What all rows agree on; of rates that are printed coarsely the finest are asked alone.
std::string OperationOf(const std::vector<Evidence>& rows, int ranks) {
  double finest = 1;
  for (const Evidence& row : rows) finest = std::min(finest, row.slack);
  std::string out;
  for (const Evidence& row : rows) {
    if (row.slack > std::max(0.004, finest)) continue;
    const std::string one = OperationOf(row, ranks);
    if (one.empty() || (!out.empty() && one != out)) return {};
    out = one;
  }
  return out;
}

// How many ranks busbw over algbw says, as far as all rows agree on one number; 0: they do not.
// `op` may be empty: above 1 there is only an all-reduce, below only what has blocks.
int RanksOf(const std::vector<Evidence>& rows, const std::string& op) {
  double low = 2, high = 1e6;
  for (const Evidence& row : rows) {
    const bool twice = op.empty() ? row.factor > 1.02 : op == "all_reduce";
    const bool once = op.empty() ? row.factor < 0.98 : HasBlocks(op);
    if (!twice && !once) return 0;
    const double share = row.factor / (twice ? 2 : 1), slack = row.slack / (twice ? 2 : 1);
    low = std::max(low, 1 / (1 - std::min(share - slack, 1 - 1e-6)));
    high = std::min(high, 1 / (1 - std::min(share + slack, 1 - 1e-6)));
  }
  const double ranks = std::ceil(low - 1e-9);
  return !rows.empty() && ranks <= high && ranks + 1 > high ? static_cast<int>(ranks) : 0;
}

// The state of a log: what its comments said so far.
class LogReader {
 public:
  LogReader(std::string file, TableHints hints) : file_(std::move(file)), hints_(std::move(hints)) {
    const std::string name = file_.substr(file_.find_last_of('/') + 1);
    name_op_ = OperationInName(name);
    name_is_other_ = NamesOtherTest(name);
  }

  void Line(std::string_view line, int number) {
    std::string cells;  // of a table in Markdown: more bars than a prefix has
    if (std::count(line.begin(), line.end(), '|') > 4) {
      cells = line;
      std::replace(cells.begin(), cells.end(), '|', ' ');
      line = cells;
    }
    std::string bare;  // mpirun names the stream anew wherever the program flushed it
    if (line.find("]<std") != line.npos) {
      bare = WithoutStreams(line);
      line = bare;
    }
    if (wrapped_) {
      if (AreNumbers(WordsOf(line)) && Rejoin(line)) return;
      TakeRows(*std::exchange(wrapped_, std::nullopt), wrapped_number_);
    }
    const std::vector<Word> words = WordsOf(line);
    const auto row = ParseRow(words, 0, columns_);
    const bool whole = row && row->in && row->out;
    if (row && !whole && AreNumbers(std::span(words).subspan(row->end))) {
      wrapped_ = std::string(line);
      wrapped_number_ = number;
      return;
    }
    if (row) return TakeRows(line, number);
    Comment(line);
  }

  std::vector<MeasuredTable> Finish() {
    if (wrapped_) TakeRows(*std::exchange(wrapped_, std::nullopt), wrapped_number_);
    EndRun();
    return std::move(tables_);
  }

 private:
  struct Rank {
    int rank;
    std::string host;
  };

  // A line without "[1,0]<stdout>:" and the like.
  static std::string WithoutStreams(std::string_view line) {
    std::string out(line);
    for (std::size_t at = 0; (at = out.find("]<std", at)) != out.npos;) {
      const std::size_t start = out.rfind('[', at), end = out.find(">:", at);
      if (start == out.npos || end == out.npos) break;
      out.replace(start, end + 2 - start, " ");
      at = start;
    }
    return out;
  }

  // The row that ended with the line before, and goes on in this one; false: they are none.
  bool Rejoin(std::string_view line) {
    for (const char* const between : {"", " "}) {
      const std::string whole = *wrapped_ + between + std::string(line);
      const std::size_t cut = wrapped_->size();  // within a word, it is a number's
      const std::size_t start = whole.find_last_of(" \t", cut) + 1;
      const std::size_t end = std::min(whole.find_first_of(" \t\r", start), whole.size());
      if (start < cut && end > cut && !IsNumberOrNone(whole.substr(start, end - start))) continue;
      const auto row = ParseRow(WordsOf(whole), 0, columns_);
      if (!row || !AgreesWithItself(*row) || row->end < WordsOf(whole).size()) continue;
      wrapped_.reset();
      Row(*row, wrapped_number_);
      return true;
    }
    return false;
  }

  // The rows of a line: that of the table, and of those that were laid beside it.
  void TakeRows(std::string_view line, int number) {
    const std::vector<Word> words = WordsOf(line);
    const auto row = ParseRow(words, 0, columns_);
    Row(*row, number);
    for (auto next = ParseRow(words, row->end, columns_); next && next->out;
         next = ParseRow(words, next->end, columns_))
      beside_.emplace_back(*next, number);
  }

  // Tables to the right of others, each below those that it stood beside.
  void TakeBeside() {
    std::vector<std::pair<LogRow, int>> rows = std::exchange(beside_, {});
    while (!rows.empty()) {
      std::vector<std::pair<LogRow, int>> further;
      new_table_ = true;
      int last = 0;
      for (auto& [row, number] : rows) {
        if (number == last)
          further.emplace_back(std::move(row), number);
        else
          Row(row, number);
        last = number;
      }
      rows = std::move(further);
    }
  }

  void Row(const LogRow& row, int number) {
    if (tables_.size() == first_of_run_) {  // what comes later is typed for a later run
      std::ranges::move(std::exchange(typed_, {}), std::back_inserter(announced_));
      environment_ = exported_;
      std::ranges::move(std::exchange(announced_, {}), std::back_inserter(environment_));
    }
    if (tables_.size() == first_of_run_ || new_table_ || tables_.back().type != row.type ||
        redop_ != row.redop) {
      tables_.push_back({});
      evidence_.emplace_back();
      MeasuredTable& table = tables_.back();
      table.file = file_;
      table.line = number;
      table.type = row.type;
      table.op = op_;
      redop_ = row.redop;
      new_table_ = false;
    }
    MeasuredTable& table = tables_.back();
    const LogHalf* const half = row.out ? &*row.out : row.in ? &*row.in : nullptr;
    std::string why = row.why;
    if (why.empty())
      why = half ? Contradiction(row.size, half->time, half->algbw) : "it is cut off";
    if (why.empty() && row.out_unread) why = "its time out of place is no number";
    std::optional<SimDuration> time, in_place;
    if (half) time = FromMicroseconds(*WholeNumber<double>(half->time));
    if (row.out && row.in) in_place = FromMicroseconds(*WholeNumber<double>(row.in->time));
    if (why.empty() && !time) why = fmt::format("its time is {} us", half->time);
    if (why.empty() && row.size.count() == 0) why = "its size is rounded to 0";
    if (!why.empty()) {
      table.rejected.push_back({number, std::move(why)});
      return;
    }
    table.points.push_back({row.size, *time, in_place, number});
    if (const auto evidence = EvidenceOf(row, *half, number)) evidence_.back().push_back(*evidence);
  }

  void Comment(std::string_view line) {
    const auto has = [&](std::string_view text) { return line.find(text) != line.npos; };
    setup_.AddLine(line);
    if (has("nThread ") && has("minBytes")) {
      EndRun();
      ranks_.clear();  // of a run that failed before its first row
      setup_ = {};
      announced_ = std::exchange(typed_, {});
      Process(WordsOf(line));
    }
    if (const std::size_t at = line.find("Collective test starting:"); at != line.npos) {
      EndRun();
      const std::vector<Word> words = WordsOf(line.substr(at + 25));
      if (!words.empty()) {
        op_ = OperationNamed(words.front().text);
        is_other_ = NamesOtherTest(words.front().text);
      }
    }
    if (has("size") && has("count") && has("type") && has("time")) {
      TakeBeside();
      columns_ = {has("root"), has("i_min")};
      new_table_ = true;
    }
    Command(WordsOf(line));
    for (NcclVariable& one : NcclVariablesIn(line)) {
      if (one.exported)
        std::erase_if(typed_, [&](const NcclVariable& was) { return was.name == one.name; });
      (one.exported ? exported_ : typed_).push_back(std::move(one));
    }
    for (const std::string_view mark : {"NCCL version ", "nccl-library="})
      if (const std::size_t at = line.find(mark); at != line.npos && !has("RCCL"))
        Version(line.substr(at + mark.size()));
    Device(WordsOf(line));
  }

  // The command that was typed, with an option: build/all_reduce_perf -b 8.
  void Command(const std::vector<Word>& words) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      const std::string_view name = words[i].text.substr(words[i].text.find_last_of('/') + 1);
      if (!words[i + 1].text.starts_with('-') ||
          !(name.ends_with("_perf") || name.ends_with("_perf_mpi")))
        continue;
      const std::string op = OperationNamed(name);
      // Another rank may say the same command late.
      if (commands_.count(op) == 0) EndRun();
      commands_.insert(op);
    }
  }

  // nThread 1 nGpus 8 …: a process has as many devices as these make.
  void Process(const std::vector<Word>& words) {
    devices_ = 1;
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
      if (words[i].text == "nThread" || words[i].text == "nGpus")
        devices_ *= std::clamp(WholeNumber<int>(words[i + 1].text).value_or(1), 1, 1000);
  }

  // "2.28.9+cuda13.0", or the library's own 22809.
  void Version(std::string_view text) {
    const std::string_view word = text.substr(0, text.find_first_not_of("0123456789."));
    if (word.find('.') != word.npos) {
      version_ = word;
    } else if (const auto code = WholeNumber<int>(word); code && *code >= 20000) {
      version_ = fmt::format("{}.{}.{}", *code / 10000, *code / 100 % 100, *code % 100);
    }
  }

  // Rank  7 Group  0 Pid   2581 on NODE device  7 [0000:da:00] NAME
  void Device(const std::vector<Word>& words) {
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i].text != "Rank") continue;
      const std::size_t at_rank = i;
      std::size_t on = i;
      while (on < words.size() && words[on].text != "on") ++on;
      if (on + 1 >= words.size()) return;
      std::vector<int> ranks;  // two, where a list was shortened: Rank 0 .. Rank 7 on NODE
      for (; i < on; ++i)
        if (const auto rank = WholeNumber<int>(words[i + 1].text);
            words[i].text == "Rank" && rank && *rank >= 0 && *rank <= 10'000'000)
          ranks.push_back(*rank);
      if (ranks.empty()) return;
      if (tables_.size() > first_of_run_) {  // a list is printed before its rows
        if (at_rank == 0 || !words[at_rank - 1].text.ends_with('#')) return;
        EndRun();
      }
      for (const int rank : ranks) ranks_.push_back({rank, std::string(words[on + 1].text)});
      std::size_t name = on;
      while (name < words.size() && !words[name].text.starts_with('[')) ++name;
      gpu_.clear();
      for (++name; name < words.size(); ++name)
        gpu_ += (gpu_.empty() ? "" : " ") + std::string(words[name].text);
      return;
    }
  }

  // The names of hosts, where every rank is listed, in whatever order ranks go over them; else
  // hosts whose listed ranks tile 0 … R − 1; 0 where too few are listed to tell.
  int Hosts(int ranks) const {
    std::set<int> listed;
    std::set<std::string> names;
    for (const Rank& rank : ranks_) {
      listed.insert(rank.rank);
      names.insert(rank.host);
    }
    if (listed.size() == static_cast<std::size_t>(ranks)) return static_cast<int>(names.size());
    std::map<std::string, std::pair<int, int>> span;
    for (const Rank& rank : ranks_) {
      const auto [at, fresh] = span.try_emplace(rank.host, rank.rank, rank.rank);
      if (fresh) continue;
      at->second.first = std::min(at->second.first, rank.rank);
      at->second.second = std::max(at->second.second, rank.rank);
    }
    std::vector<std::pair<int, int>> spans;
    for (const auto& [host, one] : span) spans.push_back(one);
    std::sort(spans.begin(), spans.end());
    int next = 0;
    for (const auto& [first, last] : spans) {
      if (first != next) return 0;
      next = last + 1;
    }
    return static_cast<int>(spans.size());
  }

  // Ranks and hosts that the list of devices says; hosts 0: unclear. A list may be cut, where the
  // rows know better.
  std::pair<int, int> RanksAndHosts(int by_rows) const {
    int ranks = 0;
    for (const Rank& rank : ranks_) ranks = std::max(ranks, rank.rank + 1);
    if (ranks == 0) return {0, 0};
    if (by_rows > 0 && (by_rows < ranks || by_rows > std::max(ranks, devices_)))
      return {by_rows, 0};
    if (ranks >= devices_) return {ranks, Hosts(ranks)};
    ranks = std::max(devices_, hints_.ranks);  // cut within the first process
    return {ranks, hints_.hosts > 0 || ranks > devices_ ? 0 : 1};
  }

  // What the comments of a run said belongs to its tables.
  void EndRun() {
    TakeBeside();
    for (std::size_t i = first_of_run_; i < tables_.size(); ++i) {
      MeasuredTable& table = tables_[i];
      if (table.op.empty()) table.op = hints_.op;
      if (table.op.empty() && !is_other_) table.op = CommandOp(evidence_[i]);
      if (table.op.empty() && !is_other_ && CanBe(evidence_[i], name_op_)) table.op = name_op_;
      const bool other = table.op.empty() && (is_other_ || name_is_other_);
      int by_rows = other ? 0 : RanksOf(evidence_[i], table.op);
      const auto [ranks, hosts] = RanksAndHosts(by_rows);
      table.ranks = ranks > 0 ? ranks : hints_.ranks > 0 ? hints_.ranks : by_rows;
      if (table.op.empty() && !other) {
        table.op = OperationOf(evidence_[i], table.ranks);
        if (table.ranks == 0) table.ranks = by_rows = RanksOf(evidence_[i], table.op);
      }
      table.nccl = version_;
      table.gpu = gpu_.empty() ? hints_.gpu : gpu_;
      table.hosts = hosts > 0 ? hosts : hints_.hosts;
      table.setup = setup_;
      for (const NcclVariable& one : environment_)
        if (one.unset)
          table.setup.RemoveVariable(one.name);
        else
          table.setup.AddVariable(one.name, one.value);
      std::set<std::string> names;
      for (const Rank& rank : ranks_) names.insert(rank.host);
      table.host_names.assign(names.begin(), names.end());
      const bool by_rows_alone = by_rows > 0 && hints_.ranks == 0;
      table.hosts_unclear = (ranks > 0 || by_rows_alone) && table.hosts == 0;
      RejectOtherRanks(table, evidence_[i]);
    }
    if (tables_.size() > first_of_run_) {  // a run without rows yet is still being announced
      ranks_.clear();
      setup_ = {};
      op_.clear();
      commands_.clear();
      is_other_ = false;
      columns_ = {};
    }
    first_of_run_ = tables_.size();
    new_table_ = false;
  }

  // The operation of the one command that was typed before, where the columns can be its.
  std::string CommandOp(const std::vector<Evidence>& rows) const {
    if (commands_.size() != 1) return {};
    const std::string& op = *commands_.begin();
    return CanBe(rows, op) ? op : std::string();
  }

  static bool CanBe(const std::vector<Evidence>& rows, const std::string& op) {
    return std::all_of(rows.begin(), rows.end(),
                       [&](const Evidence& one) { return IsOf(one, op, 0); });
  }

  // Leaves out rows whose busbw is of other ranks than the table's, where others' is not: a table
  // that somebody made of several runs. Where all are, it is the ranks that are not known.
  static void RejectOtherRanks(MeasuredTable& table, const std::vector<Evidence>& rows) {
    if (table.op.empty() || table.ranks < 2) return;
    std::map<int, double> others;  // by line
    for (const Evidence& one : rows)
      if (!IsOf(one, table.op, table.ranks)) others[one.line] = one.factor;
    if (others.size() == rows.size()) return;
    std::erase_if(table.points,
                  [&](const MeasuredPoint& one) { return others.count(one.line) > 0; });
    for (const auto& [line, factor] : others)
      table.rejected.push_back(
          {line, fmt::format("busbw is {:.3f} of algbw, where {} ranks have {:.3f}", factor,
                             table.ranks, BusFactor(table.op, table.ranks))});
  }

  std::string file_;
  TableHints hints_;
  std::string name_op_, op_, version_, gpu_, redop_;
  std::set<std::string> commands_;  // operations; empty: one that is none of weft's
  std::vector<Rank> ranks_;
  NcclSetup setup_;
  // Of shells and launchers: for all runs, since the last run was announced, by a run that has no
  // row yet, and by the run that the rows are of.
  std::vector<NcclVariable> exported_, typed_, announced_, environment_;
  int devices_ = 1;  // of a process
  LogColumns columns_;
  std::optional<std::string> wrapped_;  // a line that the next may go on
  int wrapped_number_ = 0;
  std::vector<std::pair<LogRow, int>> beside_;  // with their lines
  bool new_table_ = false;
  bool is_other_ = false, name_is_other_ = false;  // a test that weft has no model of
  std::size_t first_of_run_ = 0;
  std::vector<MeasuredTable> tables_;
  std::vector<std::vector<Evidence>> evidence_;  // of each table
};

}  // namespace

std::vector<MeasuredTable> ParseLogTables(std::string_view text, const std::string& file,
                                          const TableHints& hints) {
  LogReader reader(file, hints);
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    ++number;
    for (std::size_t part = 0; part < line.size();) {  // a bar of progress goes back by it
      const std::size_t back = std::min(line.find('\r', part), line.size());
      if (back > part || part == 0) reader.Line(line.substr(part, back - part), number);
      part = back + 1;
    }
    at = end + 1;
  }
  return reader.Finish();
}

}  // namespace weft
