#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <tuple>
#include <utility>

#include "scenario/collective_times.h"
#include "validate/tables_internal.h"

namespace weft {
namespace {

enum class Measure { kTime, kAlgbw, kBusbw };

// A column of measurements.
struct Series {
  std::size_t column = 0;
  Measure measure = Measure::kTime;
  double unit = 1;  // of times in us, of rates in GB/s
  std::string name;
  int ranks = 0, hosts = 0;  // 0: not in the name
};

// An algbw and the busbw of the same name: they are of one time.
struct Twins {
  Series algbw, busbw;
};

struct Layout {
  std::vector<std::string> names;    // in lower case
  std::vector<std::string> written;  // as they stand
  std::optional<std::size_t> size, op, type, ranks, hosts, per_host, per_rank, gpu, in_place;
  int size_shift = 0;  // of sizes in KiB, MiB, GiB by their column's name
  std::vector<Series> series;
  std::vector<Series> rates;         // beside times too
  std::vector<Twins> twins;          // of the rates
  std::vector<Series> times, algbw;  // all of them: of a row they say the same
  std::optional<Series> in_time;     // of the half in place, where columns stand for each
};

// What cells stand between: the one of , ; | and a tab that there are most of in the header.
char SeparatorOf(std::string_view header) {
  char out = ',';
  for (const char one : {';', '\t', '|'})
    if (std::count(header.begin(), header.end(), one) >
        std::count(header.begin(), header.end(), out))
      out = one;
  return out;
}

std::vector<Word> CellsOf(std::string_view line, char separator) {
  const char* const blanks = separator == '\t' ? " \r" : " \t\r";  // cells may be empty
  line = line.substr(0, line.find_last_not_of(blanks) + 1);
  std::size_t from = 0;
  if (separator == '|') {  // Markdown's bars stand around them too
    if (const std::size_t bar = line.find_first_not_of(' '); bar < line.size() && line[bar] == '|')
      from = bar + 1;
    if (line.size() > from && line.back() == '|') line.remove_suffix(1);
  }
  std::vector<Word> out;
  for (std::size_t at = from; at <= line.size();) {
    std::size_t end = std::min(line.find(separator, at), line.size());
    if (const std::size_t first = line.find_first_not_of(' ', at);
        first < line.size() && line[first] == '"') {
      const std::size_t close = std::min(line.find('"', first + 1), line.size());
      end = std::min(line.find(separator, close), line.size());
    }
    std::string_view cell = line.substr(at, end - at);
    const std::size_t first = std::min(cell.find_first_not_of(" \t\""), cell.size());
    const std::size_t last = cell.find_last_not_of(" \t\"");
    cell = last == cell.npos ? std::string_view() : cell.substr(first, last + 1 - first);
    out.push_back({cell, static_cast<int>(at + first) + 1});
    at = end + 1;
  }
  return out;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The rule under a table's header, or text around the table.
bool IsNoRowOfMarkdown(std::string_view line) {
  return line.find('|') == line.npos || line.find_first_not_of("|-: \t\r") == line.npos;
}

// A column's name in lower case with its unit behind a line: "Time (us)" is time_us.
std::string PlainName(std::string_view text) {
  std::string out;
  for (const char c : Lower(text)) {
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += c;
    else if (!out.empty() && out.back() != '_')
      out += '_';
  }
  if (out.ends_with('_')) out.pop_back();
  return out;
}

// Names of a column of one half: oop_time, time_in_place. Empty: of neither, or of both.
enum class Place { kOut, kIn };
struct Placed {
  std::optional<Place> place;
  std::string name;  // without the mark
};
Placed PlacedOf(const std::string& name) {
  for (const auto& [mark, place] :
       std::initializer_list<std::pair<std::string, Place>>{{"oop", Place::kOut},
                                                            {"out_of_place", Place::kOut},
                                                            {"outofplace", Place::kOut},
                                                            {"ip", Place::kIn},
                                                            {"in_place", Place::kIn},
                                                            {"inplace", Place::kIn}}) {
    if (name.starts_with(mark + '_')) return {place, name.substr(mark.size() + 1)};
    if (name.ends_with('_' + mark)) return {place, name.substr(0, name.size() - mark.size() - 1)};
    // OutOfPlaceTimeUs; "ip" alone begins other words.
    if (mark.size() > 3 && name.size() > mark.size() && name.starts_with(mark))
      return {place, name.substr(mark.size())};
  }
  // "out algbw", "in time": such words stand before other names too.
  for (const auto& [mark, place] : {std::pair("out_", Place::kOut), {"in_", Place::kIn}})
    for (const char* const measure : {"algbw", "busbw", "time"})
      if (name.starts_with(std::string(mark) + measure))
        return {place, name.substr(std::string_view(mark).size())};
  return {std::nullopt, name};
}
std::optional<Place> PlaceOf(const std::string& name) { return PlacedOf(name).place; }

// The line under a header that has the units alone: (B), (us), (GB/s).
bool AreUnits(const std::vector<Word>& cells) {
  bool any = false;
  for (const Word& cell : cells) {
    if (cell.text.empty()) continue;
    if (cell.text.front() != '(' || cell.text.back() != ')') return false;
    any = true;
  }
  return any;
}

// A number without the unit that stands behind it in its cell: "390.1 GB/s", "52 us".
std::string_view WithoutUnit(std::string_view cell) {
  for (const std::string_view unit : {" GB/s", " us"})
    if (cell.ends_with(unit)) return cell.substr(0, cell.size() - unit.size());
  return cell;
}

// The number beside `word`: "busbw_4nodes_32ranks" has 4 before "node" and 32 before "rank",
// "ranks_8" has 8 behind.
int NumberBeside(const std::string& name, const std::string& word) {
  const std::size_t at = name.find(word);
  if (at == name.npos) return 0;
  std::size_t start = at;
  while (start > 0 && std::isdigit(static_cast<unsigned char>(name[start - 1]))) --start;
  std::string_view digits = std::string_view(name).substr(start, at - start);
  if (digits.empty()) {
    std::size_t from = at + word.size();
    while (from < name.size() && (name[from] == 's' || name[from] == '_')) ++from;
    std::size_t end = from;
    while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end]))) ++end;
    digits = std::string_view(name).substr(from, end - from);
  }
  return WholeNumber<int>(digits).value_or(0);
}

// A name as one word: scripts write n_gpus, nGPUs and NGpus alike.
std::string Squashed(std::string name) {
  std::erase(name, '_');
  return name;
}

std::optional<std::size_t> Find(const std::vector<std::string>& names,
                                std::initializer_list<const char*> known) {
  for (const char* one : known)
    for (std::size_t i = 0; i < names.size(); ++i)
      if (Squashed(names[i]) == Squashed(one)) return i;
  return std::nullopt;
}

Series SeriesOf(std::size_t column, const std::string& name, Measure measure, double unit = 1) {
  return {column, measure, unit, name, NumberBeside(name, "rank"), NumberBeside(name, "node")};
}

// A unit of rates in GB/s. None: `word` is one, and not known; 0: it is none at all. In lower case
// alone nobody tells bits from bytes.
std::optional<double> RateUnit(const std::string& word) {
  std::string plain;
  const std::string lower = Lower(word);
  for (const char c : word)
    if (c != '/') plain += c;
  const std::size_t at = std::min(lower.find_first_not_of("kmgti"), lower.size());
  const std::string rest = lower.substr(at);
  const bool of_time = rest == "bps" || rest == "b/s" || (at > 0 && rest == "bs");
  if (!of_time && (at == 0 || (rest != "b" && rest != "bits" && rest != "bytes"))) return 0;
  for (const auto& [name, unit] :
       std::initializer_list<std::pair<const char*, double>>{{"GBps", 1},
                                                             {"GBs", 1},
                                                             {"GB", 1},
                                                             {"MBps", 1e-3},
                                                             {"MBs", 1e-3},
                                                             {"MB", 1e-3},
                                                             {"Gbps", 1.0 / 8},
                                                             {"Gbs", 1.0 / 8},
                                                             {"Gb", 1.0 / 8},
                                                             {"Gbits", 1.0 / 8},
                                                             {"Mbps", 1e-3 / 8},
                                                             {"Mbs", 1e-3 / 8},
                                                             {"Mbits", 1e-3 / 8}})
    if (plain == name) return unit;
  return std::nullopt;
}

// The unit of rates that stands in `text` ("busbw_MBps", "algbw (Gb/s)"); none where one does that
// is not known, 0 where none does.
std::optional<double> RateUnitIn(const std::string& text) {
  std::string word;
  for (const char c : text + ' ') {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '/') {
      word += c;
      continue;
    }
    std::optional<double> unit = RateUnit(word);
    // BusBWGbps, algbwGBps
    if (const std::size_t at = Lower(word).rfind("bw"); unit && *unit == 0 && at != word.npos)
      unit = RateUnit(word.substr(at + 2));
    if (!unit || *unit > 0) return unit;
    word.clear();
  }
  return 0;
}

// Every column of times, medians before others; of one half, where `place` says which.
std::vector<Series> FindTimes(const Layout& layout, Place place) {
  std::vector<Series> out;
  for (const auto& [known, unit_us] : std::initializer_list<std::pair<const char*, double>>{
           {"median_us", 1},        {"median_time_us", 1}, {"median_latency_us", 1},
           {"time_us", 1},          {"time", 1},  // as over nccl-tests' own
           {"mean_us", 1},          {"mean_time_us", 1},   {"avg_us", 1},
           {"avg_time_us", 1},      {"latency_us", 1},     {"avg_latency_us", 1},
           {"mean_latency_us", 1},  {"duration_us", 1},    {"median_ms", 1e3},
           {"median_time_ms", 1e3}, {"time_ms", 1e3},      {"mean_ms", 1e3},
           {"mean_time_ms", 1e3},   {"avg_ms", 1e3},       {"avg_time_ms", 1e3},
           {"latency_ms", 1e3},     {"duration_ms", 1e3},  {"time_s", 1e6}})
    for (std::size_t i = 0; i < layout.names.size(); ++i) {
      const Placed placed = PlacedOf(layout.names[i]);
      if (Squashed(placed.name) == Squashed(known) && placed.place.value_or(place) == place)
        out.push_back(SeriesOf(i, layout.names[i], Measure::kTime, unit_us));
    }
  return out;
}

// The unit that a comment says: "# busbw in GB/s"; as RateUnitIn().
std::optional<double> UnitInComments(const std::string& comments, const std::string& measure) {
  const std::string said = measure + " in ";
  const std::size_t at = Lower(comments).find(said);
  if (at == std::string::npos) return 0;
  const std::size_t from = at + said.size();
  return RateUnitIn(comments.substr(from, comments.find_first_of(" ,;.:()\t\r\n", from) - from));
}

// Columns of rates, known by their names; the unit from there, else from a comment, else GB/s.
// Those whose unit is not known are given back in `unknown`.
std::vector<Series> FindRates(const Layout& layout, const std::string& comments,
                              std::vector<std::size_t>& unknown) {
  std::vector<Series> out;
  bool halves = false;  // then those out of place are the machine's
  for (const std::string& name : layout.names) halves = halves || PlaceOf(name) == Place::kOut;
  for (std::size_t i = 0; i < layout.names.size(); ++i) {
    const std::string& name = layout.names[i];
    for (const auto& [word, measure] :
         {std::pair("busbw", Measure::kBusbw), {"algbw", Measure::kAlgbw}}) {
      if (Squashed(name).find(word) == std::string::npos || (halves && PlaceOf(name) == Place::kIn))
        continue;
      std::optional<double> unit = RateUnitIn(layout.written[i]);
      if (unit && *unit == 0) unit = UnitInComments(comments, word);
      if (!unit) unknown.push_back(i);
      out.push_back(SeriesOf(i, name, measure, unit && *unit > 0 ? *unit : 1));
    }
  }
  return out;
}

// Every column left, where a comment says what they are and in what unit.
std::vector<Series> FindUnnamedRates(const Layout& layout, const std::string& comments) {
  const double of_bus = UnitInComments(comments, "busbw").value_or(0);
  const double unit = of_bus > 0 ? of_bus : UnitInComments(comments, "algbw").value_or(0);
  std::vector<Series> out;
  if (!(unit > 0)) return out;
  for (std::size_t i = 0; i < layout.names.size(); ++i) {
    bool taken = false;
    for (const auto& column : {layout.size, layout.op, layout.type, layout.ranks, layout.hosts,
                               layout.per_host, layout.per_rank, layout.gpu, layout.in_place})
      taken |= column == i;
    if (!taken)
      out.push_back(
          SeriesOf(i, layout.names[i], of_bus > 0 ? Measure::kBusbw : Measure::kAlgbw, unit));
  }
  return out;
}

std::vector<Twins> FindTwins(const std::vector<Series>& rates) {
  std::vector<Twins> out;
  for (const Series& one : rates) {
    if (one.measure != Measure::kBusbw) continue;
    std::string twin = one.name;
    if (const std::size_t at = twin.find("busbw"); at != twin.npos) twin.replace(at, 5, "algbw");
    const auto other = std::find_if(rates.begin(), rates.end(), [&](const Series& rate) {
      return rate.measure == Measure::kAlgbw && rate.name == twin;
    });
    if (other != rates.end()) out.push_back({*other, one});
  }
  return out;
}

// Of twins the algbw alone.
std::vector<Series> WithoutTwins(std::vector<Series> rates, const std::vector<Twins>& twins) {
  for (const Twins& two : twins)
    std::erase_if(rates, [&](const Series& one) { return one.column == two.busbw.column; });
  return rates;
}

class CsvReader {
 public:
  CsvReader(std::string file, TableHints hints) : file_(std::move(file)), hints_(std::move(hints)) {
    name_op_ = OperationInName(file_.substr(file_.find_last_of('/') + 1));
  }

  void Line(std::string_view line, int number) {
    if (line.find_first_not_of(" \t\r") == line.npos) return;
    if (line[line.find_first_not_of(" \t\r")] == '#') {
      comments_ += std::string(line) + '\n';
    } else if (layout_.names.empty()) {
      separator_ = SeparatorOf(line);
      Header(CellsOf(line, separator_), number);
    } else if (layout_.size && !(separator_ == '|' && IsNoRowOfMarkdown(line))) {
      Row(line, number);
    }
  }

  Result<std::vector<MeasuredTable>> Finish() {
    if (!errors_.empty()) {
      SortByPosition(errors_);
      return tl::make_unexpected(std::move(errors_));
    }
    if (tables_.empty())
      return Fail(ErrorCode::kSyntax, {file_, 1, 1}, "the CSV has a header and no row", {});
    // Of every operation an all-reduce alone has a busbw above its algbw.
    if (above_ > 0 && not_above_ == 0)
      for (MeasuredTable& table : tables_)
        if (table.op.empty()) table.op = "all_reduce";
    return std::move(tables_);
  }

 private:
  void Wrong(int line, int column, std::string message, std::string hint = {}) {
    if (errors_.size() < 100)
      errors_.push_back(
          {ErrorCode::kSyntax, {file_, line, column}, std::move(message), std::move(hint)});
  }

  void Header(const std::vector<Word>& cells, int number) {
    for (const Word& cell : cells) {
      layout_.names.push_back(PlainName(cell.text));
      layout_.written.emplace_back(cell.text);
    }
    const auto& names = layout_.names;
    layout_.op = Find(names, {"op", "operation", "collective"});
    layout_.type = Find(names, {"dtype", "type", "datatype"});
    // What says that it is of all goes before gpus, which may be those of a host.
    layout_.ranks = Find(names, {"ranks", "num_ranks", "nranks", "total_ranks", "world_size",
                                 "total_gpus", "num_processes", "gpus", "num_gpus", "ngpus"});
    layout_.hosts = Find(names, {"nodes", "hosts", "num_nodes", "num_hosts", "nnodes", "nhosts"});
    layout_.per_host =
        Find(names, {"ranks_per_node", "ranks_per_host", "gpus_per_node", "gpus_per_host"});
    layout_.per_rank = Find(names, {"gpusperrank"});  // rccl-tests' -Z csv [RCT src/common.cu]
    layout_.in_place = Find(names, {"inplace", "in_place"});
    layout_.gpu = Find(names, {"gpu", "device"});
    layout_.size = Find(names, {"size_bytes", "bytes", "size", "size_b", "message_size_bytes",
                                "message_size_b", "message_size", "msg_size_bytes", "msg_size",
                                "message_bytes", "msg_bytes", "data_size", "data_size_bytes"});
    FindSeries(cells, number);
    if (!layout_.size) FindScaledSize(cells, number);
    if (!layout_.size && errors_.empty())
      Wrong(number, 1, "no column of sizes", "call it size_bytes");
    else if (layout_.series.empty()) {
      Wrong(number, 1, "no column of times or rates",
            "call one time_us, or those of rates busbw… or algbw…");
      layout_.size.reset();
    }
  }

  // size_MiB and the like; "size (MB)" leaves open whether it counts by 1000 or by 1024, which
  // does not matter where the other stands beside it.
  void FindScaledSize(const std::vector<Word>& cells, int number) {
    for (const bool open : {false, true})
      for (const char* const name : {"size", "message_size", "msg_size", "data_size"})
        for (const auto& [letter, shift] : {std::pair('k', 10), {'m', 20}, {'g', 30}}) {
          const std::string unit = fmt::format("{}_{}{}", name, letter, open ? "b" : "ib");
          const auto column = Find(layout_.names, {unit.c_str()});
          if (!column) continue;
          if (open) return WrongScale(cells[*column], *column, letter, number);
          layout_.size = column;
          layout_.size_shift = shift;
          return;
        }
  }

  void WrongScale(const Word& cell, std::size_t column, char letter, int number) {
    const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    Wrong(number, cell.column,
          fmt::format("'{}' may count by 1000 or by 1024", layout_.written[column]),
          fmt::format("call it size_{0}iB where 32 is what nccl-tests' -b 32{0} is", upper));
  }

  // The first column of times; else those of rates.
  void FindSeries(const std::vector<Word>& cells, int number) {
    std::vector<std::size_t> unknown;
    const std::vector<Series> rates = FindRates(layout_, comments_, unknown);
    layout_.times = FindTimes(layout_, Place::kOut);
    for (const Series& one : FindTimes(layout_, Place::kIn))
      if (!layout_.in_time && PlaceOf(one.name) == Place::kIn) layout_.in_time = one;
    if (layout_.times.empty() && layout_.in_time)
      layout_.times.push_back(*std::exchange(layout_.in_time, std::nullopt));
    for (const Series& one : rates)
      if (one.measure == Measure::kAlgbw && one.ranks == 0 &&
          std::find(unknown.begin(), unknown.end(), one.column) == unknown.end())
        layout_.algbw.push_back(one);
    layout_.rates = rates;
    layout_.twins = FindTwins(rates);
    layout_.series =
        rates.empty() ? FindUnnamedRates(layout_, comments_) : WithoutTwins(rates, layout_.twins);
    if (!layout_.times.empty()) {
      layout_.series = {layout_.times.front()};
      return;
    }
    for (const std::size_t i : unknown)
      Wrong(number, cells[i].column,
            fmt::format("'{}' does not say which unit it is in", layout_.written[i]),
            "of bytes …_GBps or …_MBps, of bits …_Gbps: capitals tell them apart");
  }

  std::string Text(const std::vector<Word>& cells, const std::optional<std::size_t>& column) const {
    return column ? std::string(cells[*column].text) : std::string();
  }

  // A whole number above 0; 0 where there is no such column; an error where it is anything else.
  std::int64_t Whole(const std::vector<Word>& cells, const std::optional<std::size_t>& column,
                     int number) {
    if (!column) return 0;
    const Word& cell = cells[*column];
    const auto value = WholeNumber<std::int64_t>(cell.text);
    if (value && *value > 0) return *value;
    Wrong(
        number, cell.column,
        fmt::format("{} is '{}' (want a whole number above 0)", layout_.names[*column], cell.text));
    return -1;
  }

  // Bytes above 0, alone or in KiB … TiB, or K … T, which are nccl-tests' own words for the same.
  std::int64_t Size(const Word& cell, int number) {
    const std::size_t end = std::min(cell.text.find_first_not_of("0123456789"), cell.text.size());
    const auto count = WholeNumber<std::int64_t>(cell.text.substr(0, end));
    std::string_view unit = cell.text.substr(end);
    if (unit.starts_with(' ')) unit.remove_prefix(1);
    for (const std::string_view ends : {"", "iB"})
      for (const auto& [letter, shift] :
           {std::pair('K', 10), std::pair('M', 20), std::pair('G', 30), std::pair('T', 40)})
        if (unit == letter + std::string(ends) && count.value_or(0) > 0 && *count < 1 << 20)
          return *count << shift;
    if ((unit.empty() || unit == "B") && count.value_or(0) > 0) return *count;
    const bool decimal = unit.size() == 2 && unit[1] == 'B';
    Wrong(number, cell.column,
          fmt::format("{} is '{}' (want a whole number of bytes above 0)",
                      layout_.names[*layout_.size], cell.text),
          decimal ? "write KiB, MiB or GiB: of others nobody tells 1000 from 1024" : "");
    return -1;
  }

  std::int64_t ScaledSize(const Word& cell, int number) {
    if (layout_.size_shift == 0) return Size(cell, number);
    const double count = WholeNumber<double>(cell.text).value_or(0);
    const double bytes = std::ldexp(count, layout_.size_shift);  // exact
    if (count > 0 && count < 1 << 20 && bytes == std::floor(bytes))
      return static_cast<std::int64_t>(bytes);
    Wrong(number, cell.column,
          fmt::format("{} is '{}' (want a whole number of bytes above 0)",
                      layout_.written[*layout_.size], cell.text));
    return -1;
  }

  void Row(std::string_view line, int number) {
    std::string decimals;  // commas are decimal between semicolons
    if (separator_ == ';') {
      decimals = line;
      std::replace(decimals.begin(), decimals.end(), ',', '.');
      line = decimals;
    }
    std::vector<Word> cells = CellsOf(line, separator_);
    // Early versions of rccl-tests write how many hosts behind the operation, and do not name it.
    if (layout_.per_rank && layout_.op && cells.size() == layout_.names.size() + 1)
      cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(*layout_.op) + 1);
    if (AreUnits(cells)) return;
    if (cells.size() != layout_.names.size())
      return Wrong(
          number, cells.back().column,
          fmt::format("{} cells where the header has {}", cells.size(), layout_.names.size()));
    const std::int64_t size = ScaledSize(cells[*layout_.size], number);
    constexpr std::int64_t kMost = 1'000'000;  // beyond all machines, and all products fit
    const std::int64_t per_rank =
        std::min<std::int64_t>(1000, Whole(cells, layout_.per_rank, number));
    const std::int64_t ranks =
        std::min(kMost, Whole(cells, layout_.ranks, number)) * std::max<std::int64_t>(1, per_rank);
    const std::int64_t per_host = std::min(kMost, Whole(cells, layout_.per_host, number));
    const std::int64_t said = std::min(kMost, Whole(cells, layout_.hosts, number));
    if (size < 0 || ranks < 0 || said < 0 || per_host < 0 || per_rank < 0) return;
    std::string op = Text(cells, layout_.op);
    if (!op.empty() && OperationNamed(op).empty())
      return Wrong(number, cells[*layout_.op].column, fmt::format("no operation '{}'", op),
                   "such as all_reduce");
    op = op.empty() ? (hints_.op.empty() ? name_op_ : hints_.op) : OperationNamed(op);
    for (Word& cell : cells) cell.text = WithoutUnit(cell.text);
    if (op.empty() && !layout_.times.empty()) WeighRates(cells);
    for (const Series& series : layout_.series) {
      const int all = ranks > 0          ? static_cast<int>(ranks)
                      : series.ranks > 0 ? series.ranks
                                         : hints_.ranks;
      const std::int64_t beside = per_host * std::max<std::int64_t>(1, per_rank);
      const int hosts = said > 0                ? static_cast<int>(said)
                        : beside > 0 && all > 0 ? std::max(1, all / static_cast<int>(beside))
                        : series.hosts > 0      ? series.hosts
                                                : hints_.hosts;
      Point(cells, number, series, TableFor(cells, number, series, op, all, hosts), Bytes(size));
    }
  }

  // Whether busbw is above algbw, of a row that says both to 1 %.
  void WeighRates(const std::vector<Word>& cells) {
    const auto bus = std::find_if(layout_.rates.begin(), layout_.rates.end(),
                                  [](const Series& one) { return one.measure == Measure::kBusbw; });
    if (layout_.algbw.empty() || bus == layout_.rates.end()) return;
    const Series& alg = layout_.algbw.front();
    const double above = WholeNumber<double>(cells[bus->column].text).value_or(0) * bus->unit;
    const double below = WholeNumber<double>(cells[alg.column].text).value_or(0) * alg.unit;
    if (!(below > 0) || RoundingOf(cells[alg.column].text) * alg.unit > 0.01 * below) return;
    ++(above > 1.03 * below ? above_ : not_above_);
  }

  MeasuredTable& TableFor(const std::vector<Word>& cells, int number, const Series& series,
                          const std::string& op, int ranks, int hosts) {
    const std::string type = Text(cells, layout_.type), gpu = Text(cells, layout_.gpu);
    const auto [at, fresh] =
        row_of_.try_emplace({op, type, gpu, ranks, hosts, series.column}, tables_.size());
    if (fresh) {
      MeasuredTable table;
      table.file = file_;
      table.line = number;
      table.op = op;
      table.type = type;
      table.gpu = gpu.empty() ? hints_.gpu : gpu;
      table.ranks = ranks;
      table.hosts = hosts;
      if (layout_.series.size() > 1) table.variant = series.name;
      tables_.push_back(std::move(table));
    }
    return tables_[at->second];
  }

  // Why an algbw is of none of the times beside it, a mean or a median; empty where each is of one.
  std::string WhyContradictory(const std::vector<Word>& cells, Bytes size) const {
    for (const Series& rate : layout_.algbw) {
      const std::string_view text = cells[rate.column].text;
      const auto value = WholeNumber<double>(text);
      bool any = !value.has_value();
      for (const Series& time : layout_.times) {
        const std::string_view own = cells[time.column].text;
        const double us = WholeNumber<double>(own).value_or(0) * time.unit;
        any = any || !(us > 0) ||
              !AreContradictory(size, us, RoundingOf(own) * time.unit, *value * rate.unit,
                                RoundingOf(text) * rate.unit);
      }
      if (any) continue;
      const Series& time = layout_.times.front();
      const double us = WholeNumber<double>(cells[time.column].text).value_or(0) * time.unit;
      return fmt::format("{} is {}, but {} bytes in {:.6g} us are {:.2f} GB/s", rate.name, text,
                         size.count(), us, static_cast<double>(size.count()) / (1e3 * us));
    }
    return {};
  }

  // Why an algbw and its busbw, of the series or beside a time, are not of the table's operation at
  // its ranks; empty where they are, or where either of the two, or one of the cells, is missing.
  std::string WhyOfOthers(const std::vector<Word>& cells, const Series& series,
                          const MeasuredTable& table) const {
    if (table.op.empty() || table.ranks < 2) return {};
    const double factor = BusFactor(table.op, table.ranks);
    for (const auto& [algbw, busbw] : layout_.twins) {
      if (series.measure != Measure::kTime && series.column != algbw.column) continue;
      const std::string_view alg = cells[algbw.column].text, bus = cells[busbw.column].text;
      const auto below = WholeNumber<double>(alg), above = WholeNumber<double>(bus);
      if (!below || !above || !(*below > 0)) continue;
      const double want = factor * *below * algbw.unit;
      const double slack =
          (factor * RoundingOf(alg) * algbw.unit + RoundingOf(bus) * busbw.unit) + 0.005 * want;
      if (std::abs(*above * busbw.unit - want) > slack)
        return fmt::format("{} is {:.3f} of {}, where {} over {} ranks has {:.3f}", busbw.name,
                           *above * busbw.unit / (*below * algbw.unit), algbw.name, table.op,
                           table.ranks, factor);
    }
    return {};
  }

  // The busbw where its algbw was not written down.
  const Series& SeriesWritten(const std::vector<Word>& cells, const Series& series) const {
    if (!cells[series.column].text.empty()) return series;
    for (const Twins& two : layout_.twins)
      if (two.algbw.column == series.column) return two.busbw;
    return series;
  }

  void Point(const std::vector<Word>& cells, int number, const Series& first, MeasuredTable& table,
             Bytes size) {
    const Series& series = SeriesWritten(cells, first);
    const Word& cell = cells[series.column];
    const auto value = WholeNumber<double>(cell.text);
    if (cell.text.empty()) return;  // not measured
    if (!value)
      return Wrong(number, cell.column,
                   fmt::format("{} is '{}' (want a number)", series.name, cell.text));
    double us = *value * series.unit;
    if (std::string why = WhyOfOthers(cells, series, table); !why.empty()) {
      table.rejected.push_back({number, std::move(why)});
      return;
    }
    if (series.measure != Measure::kTime) {
      if (*value <= 0 || RoundingOf(cell.text) > 0.02 * *value) {
        table.rejected.push_back(
            {number, fmt::format("{} is {}: no rate to 2 %", series.name, cell.text)});
        return;
      }
      const double factor =
          series.measure == Measure::kBusbw ? BusFactor(table.op, table.ranks) : 1;
      us = static_cast<double>(size.count()) * factor / (1e3 * *value * series.unit);
    } else if (std::string why = WhyContradictory(cells, size); !why.empty()) {
      table.rejected.push_back({number, std::move(why)});
      return;
    }
    const auto time = FromMicroseconds(us);
    if (!time) {
      table.rejected.push_back({number, fmt::format("{} is {}", series.name, cell.text)});
      return;
    }
    std::optional<SimDuration> other;
    if (layout_.in_time)
      other =
          FromMicroseconds(WholeNumber<double>(cells[layout_.in_time->column].text).value_or(0) *
                           layout_.in_time->unit);
    const std::string place = layout_.in_place ? Lower(cells[*layout_.in_place].text) : "";
    if (place == "1" || place == "true" || place == "yes") {
      const auto out =
          std::find_if(table.points.rbegin(), table.points.rend(),
                       [&](const MeasuredPoint& one) { return one.size == size && !one.in_place; });
      if (out != table.points.rend()) {
        out->in_place = time;
        return;
      }
    }
    table.points.push_back({size, *time, other, number});
  }

  std::string file_;
  TableHints hints_;
  std::string name_op_, comments_;
  char separator_ = ',';
  Layout layout_;
  std::map<std::tuple<std::string, std::string, std::string, int, int, std::size_t>, std::size_t>
      row_of_;
  std::vector<MeasuredTable> tables_;
  int above_ = 0, not_above_ = 0;  // rows, by their rates
  Errors errors_;
};

}  // namespace

Result<std::vector<MeasuredTable>> ParseCsvTables(std::string_view text, const std::string& file,
                                                  const TableHints& hints) {
  CsvReader reader(file, hints);
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    reader.Line(text.substr(at, end - at), ++number);
    at = end + 1;
  }
  return reader.Finish();
}

}  // namespace weft
