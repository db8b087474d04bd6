// The rows of a bill: its columns, roles and keys.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <regex>

#include "base/schema/wording.h"
#include "planner/audit_reader.h"

namespace weft {
namespace {

const std::vector<std::string> kRoles = {
    "accelerator", "host",      "rack",  "nic",  "switch", "leaf", "spine", "core",      "cable",
    "host_cable",  "isl_cable", "optic", "down", "up",     "tor",  "agg",   "spare_host"};
const std::vector<std::string> kKeys = {
    "tiers", "planes", "oversubscription", "rack_power", "it_power",       "need",
    "dtype", "basis",  "growth",           "rails",      "rail_optimized", "spine_oversubscription",
    "scope"};

bool Among(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Names of columns, in English and German, small; of several in one sheet the first here is meant.
const std::vector<std::string> kPartNames = {"part", "teil",        "name",    "bezeichnung",
                                             "item", "description", "artikel", "sku"};
const std::vector<std::string> kQuantityNames = {"quantity", "qty",   "count", "menge",
                                                 "anzahl",   "stück", "stk"};
const std::vector<std::string> kRoleNames = {"role", "rolle", "type", "typ", "use"};

// "Menge (Stk.):" is "menge".
std::string ColumnName(std::string_view cell) {
  std::string out = Lower(cell.substr(0, cell.find('(')));
  if (out == "stÜck") return "stück";  // Lower knows ASCII alone
  while (!out.empty() && std::string_view(" .:").find(out.back()) != std::string_view::npos)
    out.pop_back();
  return out;
}

// Where the columns are, if `cells` are their names; of quantities without a name the second.
std::optional<BillColumns> ParseBillColumns(const std::vector<CsvCell>& cells) {
  const auto find = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names)
      for (std::size_t i = 0; i < cells.size(); ++i)
        if (ColumnName(cells[i].text) == name) return i;
    return BillColumns::kNone;
  };
  BillColumns out{find(kPartNames), find(kQuantityNames), find(kRoleNames), find({"use"})};
  const bool named = out.quantity != BillColumns::kNone;
  const bool part = out.part == 0 && ColumnName(cells[0].text) == "part";
  if (out.part == BillColumns::kNone || (!named && !part)) return std::nullopt;
  if (!named) out.quantity = 1;
  return out;
}

// Of a plan's bom.csv: what lies in store, what comes off a host's price, and what is of another
// network than the accelerators'.
bool IsBeside(const std::string& use) {
  for (const char* word : {"spare", "comes off", "frontend", "storage", "out of band"})
    if (use.starts_with(word)) return true;
  return false;
}

// "tor", "leaf, 8 rails", "agg of a pod": the role of a switch; its own where it says none.
std::string RoleOfSwitch(const std::string& role, const std::string& use) {
  const std::string word = role == "switch" ? use.substr(0, use.find_first_of(" ,:")) : role;
  if (word == "tor" || word == "leaf") return "leaf";
  if (word == "agg" || word == "spine") return "spine";
  return word == "core" || word == "router" ? word : role;
}

// What parts the cells of the first row: semicolons where there are no fewer of them than commas,
// which may be decimal ones ("need;1,5PFLOPS"), or tabs where there are more.
char SeparatorOf(std::string_view row) {
  const auto parts = [&](char separator) {
    const auto cells = SplitCells(row, separator);
    return cells ? cells->size() : 1;
  };
  const std::size_t commas = parts(','), semicolons = parts(';');
  if (semicolons > 1 && semicolons >= commas) return ';';
  return parts('\t') > commas ? '\t' : ',';
}

std::string WithoutGroups(const std::string& digits) {
  std::string out;
  for (const char c : digits)
    if (c >= '0' && c <= '9') out += c;
  return out;
}

// "1,024", "1 024", also with a blank that does not break a line (U+00A0, U+202F), "1.234.567":
// without what groups its digits by threes.
std::string Ungrouped(const std::string& text) {
  static const std::regex kGroups(
      "^\\d{1,3}(((,| |'|_|\xC2\xA0|\xE2\x80\xAF)\\d{3})+|(\\.\\d{3}){2,})$");
  return std::regex_match(text, kGroups) ? WithoutGroups(text) : text;
}

// The number that `text` begins with, of "1.234,50kW", "1,234.50kW" and, where commas are decimal,
// "1,5kW", with a point and without groups.
std::string WithPoint(const std::string& text, bool decimal_commas) {
  static const std::regex kBoth(R"(^(\d{1,3}(?:(?:\.\d{3})+,|(?:,\d{3})+\.))(\d+)(?![\d.,])(.*)$)");
  static const std::regex kComma(R"(^(\d+),(\d+)(?![\d.,])(.*)$)");
  std::smatch found;
  const bool both = std::regex_match(text, found, kBoth);
  if (!both && !(decimal_commas && std::regex_match(text, found, kComma))) return text;
  return WithoutGroups(found[1].str()) + '.' + found[2].str() + found[3].str();
}

// "51,2T": a comma between two digits is a point.
std::string WithPoints(std::string text) {
  const auto digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  for (std::size_t i = 1; i < text.size(); ++i)
    if (text[i] == ',' && digit(i - 1) && digit(i + 1)) text[i] = '.';
  return text;
}

// A row of sums, in the languages that such bills are in.
bool IsTotal(const std::vector<CsvCell>& cells) {
  const auto first = std::find_if(cells.begin(), cells.end(),
                                  [](const CsvCell& cell) { return !cell.text.empty(); });
  if (first == cells.end()) return true;  // of nothing
  std::string word = Lower(first->text);
  while (word.ends_with(':') || word.ends_with(' ')) word.pop_back();
  return Among({"total", "totals", "grand total", "subtotal", "sub-total", "sum", "summe", "gesamt",
                "gesamtsumme", "zwischensumme", "合计", "总计", "小计"},
               word);
}

// Where the names of the columns are, and the numbers above them, which titles seldom have.
struct Titles {
  std::size_t names = 0;                         // a line; 0: nothing stands above the table
  std::vector<std::pair<int, CsvCell>> numbers;  // each with its line
  int unknown = 0;                               // the line of names of which none is known
};

// Whether cells may be names of columns: several words, and no figure in any.
bool MayBeNames(const std::vector<CsvCell>& cells) {
  int words = 0;
  for (const CsvCell& cell : cells) {
    if (cell.text.find_first_of("0123456789") != std::string::npos) return false;
    words += cell.text.empty() ? 0 : 1;
  }
  return words > 1;
}

Titles FindTitles(const std::vector<TextLine>& lines) {
  Titles out;
  int unknown = 0;    // names that stand right above the first row
  int above = 0;      // of the row before, if it may be names
  bool rows = false;  // were seen
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (IsBlankOrComment(lines[i])) continue;
    const auto cells = SplitCells(lines[i].text, SeparatorOf(lines[i].text));
    if (!cells) continue;
    if (ParseBillColumns(*cells)) {
      out.names = i;
      return out;
    }
    bool row = false;
    for (const CsvCell& cell : *cells) {
      const std::string word = Lower(cell.text);
      const bool known = Among(kKeys, word) || Among(kRoles, word);
      const bool number = &cell != &cells->front() && ScanWhole(Ungrouped(word), Unit::NONE);
      row = row || known || number;
      if (!rows && row) unknown = above;
      if (known) return {0, {}, unknown};
      if (number) out.numbers.emplace_back(lines[i].number, cell);
    }
    rows = rows || row;
    above = MayBeNames(*cells) && !IsTotal(*cells) ? lines[i].number : 0;
  }
  return {0, {}, unknown};
}

// How the bill's numbers are written, so far as its cells say it. A point in a part's name is none:
// "51.2T" is what its maker calls it.
class PointUse {
 public:
  PointUse(char separator, const BillColumns& columns) : separator_(separator), columns_(columns) {}

  void Add(const std::vector<CsvCell>& cells) {
    const bool key = std::any_of(cells.begin(), cells.end(), [](const CsvCell& cell) {
      return Among(kKeys, Lower(cell.text));
    });
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool quantity = i == columns_.quantity && !key;
      const bool group = Groups(cells[i].text, quantity);
      const bool decimal = (quantity || key) && IsDecimal(cells[i].text, quantity);
      bill_group_ = bill_group_ || group;
      bill_decimal_ = bill_decimal_ || decimal;
      column_group_ = column_group_ || (quantity && group);
      column_decimal_ = column_decimal_ || (quantity && decimal);
    }
  }

  // The column of quantities is asked first; what contradicts itself decides nothing.
  Points Decided() const {
    if (column_group_ != column_decimal_) return column_group_ ? Points::kGroup : Points::kDecimal;
    if (column_group_ || bill_group_ == bill_decimal_) return Points::kUnsaid;
    return bill_group_ ? Points::kGroup : Points::kDecimal;
  }

 private:
  // "1.234.567", "1.234,5", "51,2T"; a quantity is whole, so that its 1.024 is 1024, but of cells
  // between commas.
  bool Groups(const std::string& text, bool quantity) const {
    static const std::regex kSure(
        R"(^(\d{1,3}(\.\d{3}){2,}|\d{1,3}(\.\d{3})+,\d|\d+,(\d{1,2}|\d{4,})(?!\d)).*$)");
    static const std::regex kOne(R"(^\d{1,3}\.(?!000)\d{3}$)");
    return std::regex_match(text, kSure) ||
           (quantity && separator_ != ',' && std::regex_match(text, kOne));
  }
  // "1,234,567", "1,234.5", "2.00"; and 1,024 of a quantity, but of cells between semicolons.
  bool IsDecimal(const std::string& text, bool quantity) const {
    static const std::regex kSure(
        R"(^(\d{1,3}(,\d{3}){2,}|\d{1,3}(,\d{3})+\.\d|\d+\.(\d{1,2}|\d{4,})(?![\d.,])).*$)");
    static const std::regex kOne(R"(^\d{1,3},\d{3}$)");
    return std::regex_match(text, kSure) ||
           (quantity && separator_ != ';' && std::regex_match(text, kOne));
  }

  const char separator_;
  const BillColumns columns_;
  bool column_group_ = false, column_decimal_ = false, bill_group_ = false, bill_decimal_ = false;
};

}  // namespace

Result<AuditBill> BillReader::Read(std::string_view text) {
  // Excel begins its UTF-8 with a byte-order mark, which is no part of the first cell.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const std::vector<TextLine> lines = SplitLines(text);
  const Titles titles = FindTitles(lines);
  for (const auto& [line, cell] : titles.numbers) {
    line_ = line;
    Complain(ErrorCode::kInconsistent, cell.column,
             fmt::format("{} stands above the names of the columns in line {}", Quoted(cell.text),
                         titles.names + 1),
             "titles have no numbers in cells of their own, and rows stand below the names");
  }
  if (titles.unknown > 0)
    return Fail(ErrorCode::kUnknownKey, {file_, titles.unknown, 1},
                "of the names of columns here none is the part's, or none the quantity's",
                fmt::format("parts: {}; quantities: {}; roles: {}", JoinOr(kPartNames),
                            JoinOr(kQuantityNames), JoinOr(kRoleNames)));
  ReadPoints({lines.begin() + static_cast<std::ptrdiff_t>(titles.names), lines.end()});
  for (std::size_t i = titles.names; i < lines.size(); ++i) {
    if (IsBlankOrComment(lines[i])) continue;
    ReadLine(lines[i].text, lines[i].number);
  }
  if (!errors_.empty()) {
    SortByPosition(errors_);
    return tl::make_unexpected(std::move(errors_));
  }
  // Of hosts that say no NIC and stand for their accelerators, too.
  const std::string gpu = !bill_.accelerators.empty() ? bill_.accelerators.front().gpu
                          : !bill_.hosts.empty()      ? bill_.hosts.front().gpu
                                                      : "";
  if (const Preset* preset = gpu.empty() ? nullptr : HostOf(gpu))
    bill_.usual_nic_bps = ReadHostPreset(*preset).nic().bits_per_second();
  if (rows_ == 0)
    return Fail(ErrorCode::kSyntax, {file_, 1, 1}, "the bill has no rows",
                "part,quantity,role: 64x400G,96,switch");
  return std::move(bill_);
}

// What parts the cells, by the first of the rows, and what points mean in their numbers.
void BillReader::ReadPoints(const std::vector<TextLine>& lines) {
  std::optional<PointUse> use;
  for (const TextLine& line : lines) {
    if (IsBlankOrComment(line)) continue;
    if (separator_ == 0) separator_ = SeparatorOf(line.text);
    const auto cells = SplitCells(line.text, separator_);
    if (!cells) continue;
    if (!use) use.emplace(separator_, ParseBillColumns(*cells).value_or(BillColumns{}));
    use->Add(*cells);
  }
  if (use) points_ = use->Decided();
}

void BillReader::Complain(ErrorCode code, int column, std::string message, std::string hint) {
  errors_.push_back({code, {file_, line_, column}, std::move(message), std::move(hint)});
}

void BillReader::Unknown(const char* what, const CsvCell& part,
                         const std::vector<std::string>& names, const char* generic) {
  const std::string nearest = Nearest(Lower(part.text), names);
  Complain(ErrorCode::kUnknownKey, part.column,
           fmt::format("{} is no {} that weft knows", Quoted(part.text), what),
           (nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest)) +
               fmt::format("a generic one is {}", generic));
}

void BillReader::ReadLine(std::string_view line, int number) {
  line_ = number;
  const auto cells = SplitCells(line, separator_);
  if (!cells) return Complain(ErrorCode::kSyntax, 1, "a quote is not closed", "\"a, b\"");
  if (rows_ == 0 && !named_)
    if (const auto columns = ParseBillColumns(*cells)) {
      named_ = true;
      columns_ = *columns;
      return;
    }
  if (IsTotal(*cells)) return;
  ++rows_;
  CsvCell part = CellAt(*cells, columns_.part);
  CsvCell role = CellAt(*cells, columns_.role);
  // What a part is used for is more than its role, where it is one at all.
  if (columns_.role == columns_.use && !Among(kRoles, Lower(role.text))) role.text.clear();
  CsvCell quantity = CellAt(*cells, columns_.quantity);
  use_ = Lower(CellAt(*cells, columns_.use).text);
  constexpr std::size_t kLongest = 120;  // bytes; no part's name is longer
  for (const CsvCell& cell : {part, quantity, role})
    if (cell.text.size() > kLongest)
      return Complain(ErrorCode::kOutOfRange, cell.column,
                      fmt::format("the cell has {} bytes", cell.text.size()),
                      fmt::format("want {} at most", kLongest));
  if (IsBeside(use_)) return;
  if (separator_ == ';') part.text = WithPoints(part.text);
  ReadRow(part, quantity, role, *cells);
}

// The cell of a column; an empty one where a row is shorter.
CsvCell BillReader::CellAt(const std::vector<CsvCell>& cells, std::size_t column) {
  return column < cells.size() ? cells[column] : CsvCell{};
}

void BillReader::ReadRow(const CsvCell& part, const CsvCell& quantity, const CsvCell& role,
                         const std::vector<CsvCell>& cells) {
  const std::string name = Lower(part.text), what = Lower(role.text);
  if (Among(kKeys, name)) {
    // "tiers,2," holds below columns of another order, too.
    const std::size_t next = columns_.part + 1;
    return ReadKey(name, quantity.text.empty() ? CellAt(cells, next) : quantity);
  }
  if (Among(kKeys, what)) return ReadKey(what, part.text.empty() ? quantity : part);
  if (!what.empty() && !Among(kRoles, what)) {
    std::vector<std::string> names = kRoles;
    names.insert(names.end(), kKeys.begin(), kKeys.end());
    const std::string nearest = Nearest(what, names);
    return Complain(ErrorCode::kUnknownKey, role.column,
                    fmt::format("there is no role {}", Quoted(role.text)),
                    nearest.empty() ? JoinOr(names) : fmt::format("did you mean '{}'?", nearest));
  }
  const std::optional<std::int64_t> count = ReadQuantity(quantity);
  if (!count) return;
  const bool ports = what == "down" || what == "up";  // of which a leaf may have none
  if (*count == 0 && !ports) return bill_.of_nothing.push_back({part.text, line_});
  ReadPart(what.empty() ? RoleOf(name) : what, part, *count);
}

// How many; none, with what is wrong, where that is no number or might be either of two.
std::optional<std::int64_t> BillReader::ReadQuantity(const CsvCell& quantity) {
  static const std::regex kOneGroup(R"(^(\d{1,3})([.,])(\d{3})$)");
  const bool decimal_commas = separator_ == ';';
  std::string text = WithPoint(Ungrouped(quantity.text), decimal_commas);
  std::smatch found;
  if (std::regex_match(quantity.text, found, kOneGroup) && (found[2] == "." || decimal_commas)) {
    const std::string front = found[1].str(), rest = found[3].str();
    const bool point = found[2] == ".";
    // Of cells between commas a point is the decimal one, until another number says otherwise.
    const bool whole = point && rest != "000" && (separator_ != ',' || points_ == Points::kGroup);
    if (points_ == Points::kUnsaid && !whole && (!point || rest == "000")) {
      Complain(
          ErrorCode::kSyntax, quantity.column,
          fmt::format("the quantity is {}, and may be either", Quoted(quantity.text)),
          fmt::format("write {}{} or {}", front, rest, rest == "000" ? front : front + '.' + rest));
      return std::nullopt;
    }
    if (whole || points_ == (point ? Points::kGroup : Points::kDecimal)) text = front + rest;
  }
  const auto count = ScanWhole(text, Unit::NONE);
  const bool shortened = text.find_first_of("eE") != std::string::npos;
  if (count && !shortened && *count >= 0 && *count <= 1'000'000'000) return *count;
  Complain(ErrorCode::kSyntax, quantity.column,
           fmt::format("the quantity is {}", Quoted(quantity.text)),
           count && shortened ? "every digit: spreadsheets that write so may have dropped some"
                              : "a whole number, such as 96");
  return std::nullopt;
}

// Of a row that says none.
std::string BillReader::RoleOf(const std::string& part) const {
  static const std::regex kOptic(R"([dsfl]r\d)");
  static const std::regex kCable("dac|aoc|aec|acc|fib|mpo|cable|smf|mmf");
  if (FindGpu(part)) return "accelerator";
  if (FindPreset("host", part) != nullptr) return "host";
  if (FindPreset("nic", part) != nullptr) return "nic";
  if (part.find("rack") != std::string::npos || FindPreset("rack", part) != nullptr) return "rack";
  if (std::regex_search(part, kOptic)) return "optic";
  return std::regex_search(part, kCable) ? "cable" : "switch";
}

void BillReader::ReadPart(const std::string& role, const CsvCell& part, std::int64_t count) {
  if (role == "accelerator") return ReadAccelerator(part, count);
  if (role == "host" || role == "spare_host") return ReadHost(part, count, role == "host");
  if (role == "rack") return ReadRack(part, count);
  if (role == "nic") return ReadNic(part, count);
  if (role == "optic") return ReadOptic(part, count);
  if (role == "down" || role == "up") return ReadPorts(part, count, role == "up");
  const std::string tier = RoleOfSwitch(role, use_);
  if (tier == "router") bill_.routers = true;
  if (tier == "switch" || tier == "leaf" || tier == "spine" || tier == "core" || tier == "router")
    return ReadSwitch(tier, part, count);
  ReadCable(role, part, count);
}

template <class T>
void BillReader::SetWhole(std::optional<Key<T>>& key, const CsvCell& value, std::int64_t most) {
  const auto number = ScanWhole(value.text, Unit::NONE);
  if (!number || *number < 1 || *number > most)
    return Complain(ErrorCode::kOutOfRange, value.column,
                    fmt::format("{} is no number from 1 to {}", Quoted(value.text), most), "2");
  key = Key<T>{*number, line_};
}

void BillReader::SetPower(std::optional<Key<Watts>>& key, const CsvCell& value) {
  const auto power = ScanQuantity(value.text, Unit::POWER);
  if (!power)
    return Complain(ErrorCode::kSyntax, value.column,
                    fmt::format("{} is no power", Quoted(value.text)), power.error().want);
  key = Key<Watts>{Watts(*power), line_};
}

// "1.5", "1.5:1"
void BillReader::SetRatio(std::optional<Key<double>>& key, const CsvCell& value) {
  static const std::regex kRatio(R"(^(\d+(?:\.\d+)?)(?:\s*:\s*1)?$)");
  std::smatch found;
  if (!std::regex_match(value.text, found, kRatio) || std::stod(found[1].str()) <= 0)
    return Complain(ErrorCode::kSyntax, value.column,
                    fmt::format("{} is no oversubscription", Quoted(value.text)), "1.5 or 1.5:1");
  key = Key<double>{std::stod(found[1].str()), line_};
}

template <class T>
void BillReader::SetNamed(std::optional<Key<T>>& key, const CsvCell& value, const char* what,
                          const std::map<std::string, T>& names) {
  const auto found = names.find(Lower(value.text));
  if (found != names.end()) {
    key = Key<T>{found->second, line_};
    return;
  }
  std::vector<std::string> known;
  for (const auto& [name, meant] : names) known.push_back(name);
  Complain(ErrorCode::kSyntax, value.column, fmt::format("{} is no {}", Quoted(value.text), what),
           JoinOr(known));
}

void BillReader::ReadKey(const std::string& key, const CsvCell& said) {
  static const std::regex kOneGroup(R"(^(\d{1,3})\.(\d{3})(?![\d.,]).*$)");
  CsvCell value = said;
  std::smatch found;
  const bool either = separator_ == ';' && std::regex_match(said.text, found, kOneGroup);
  if (either && points_ == Points::kUnsaid)
    return Complain(ErrorCode::kSyntax, said.column,
                    fmt::format("{} may be either", Quoted(said.text)),
                    fmt::format("write {0}{1} or {0},{1}", found[1].str(), found[2].str()));
  value.text = WithPoint(said.text, separator_ == ';');
  if (either && points_ == Points::kGroup) value.text.erase(value.text.find('.'), 1);
  if (const auto [at, first] = key_lines_.try_emplace(key, line_); !first)
    return Complain(ErrorCode::kInconsistent, value.column,
                    fmt::format("'{}' is said twice, first in line {}", key, at->second),
                    "one of the two rows");
  const char* other = key == "rails" ? "rail_optimized" : key == "rail_optimized" ? "rails" : "";
  if (const auto at = key_lines_.find(other); at != key_lines_.end())
    return Complain(ErrorCode::kInconsistent, value.column,
                    fmt::format("'{}' beside '{}' of line {}", key, other, at->second),
                    "rails where nothing joins them, rail_optimized where spines do");
  if (key == "tiers") return SetWhole(bill_.tiers, value, 3);
  if (key == "planes") return SetWhole(bill_.planes, value, 255);
  if (key == "rails") return SetWhole(bill_.rails, value, 255);
  if (key == "growth") return SetWhole(bill_.growth, value, 1'000'000'000);
  if (key == "rack_power") return SetPower(bill_.rack_power, value);
  if (key == "it_power") return SetPower(bill_.it_power, value);
  if (key == "need") return ReadNeed(value);
  if (key == "rail_optimized") return SetWhole(bill_.rail_optimized, value, 255);
  if (key == "oversubscription") return SetRatio(bill_.oversubscription, value);
  if (key == "spine_oversubscription") return SetRatio(bill_.spine_oversubscription, value);
  if (key == "scope")
    return SetNamed(bill_.whole, value, "scope", {{"part", false}, {"whole", true}});
  if (key == "basis")
    return SetNamed(bill_.basis, value, "basis",
                    {{"dense", Basis::kDense}, {"sparse", Basis::kSparse}});
  SetNamed(bill_.dtype, value, "type of number",
           {{"bf16", NumberType::kBf16},
            {"fp16", NumberType::kBf16},
            {"fp8", NumberType::kFp8},
            {"int8", NumberType::kInt8}});
}

// "5000PFLOPS", "1.14EOPS", "2048": compute, or GPUs.
void BillReader::ReadNeed(const CsvCell& value) {
  static const std::regex kPattern(
      R"(^(\d+(?:\.\d+)?)\s*(?:([tpe])\s*(flops|ops|flop/s)?|gpus?)?$)", std::regex::icase);
  std::smatch found;
  if (!std::regex_match(value.text, found, kPattern))
    return Complain(ErrorCode::kSyntax, value.column,
                    fmt::format("{} is no need", Quoted(value.text)),
                    "5000PFLOPS, 800POPS, or a number of GPUs");
  Need need;
  const double number = std::stod(found[1].str());
  const std::string prefix = Lower(found[2].str());
  if (prefix.empty())
    need.gpus = std::llround(number);
  else
    need.per_second = number * (prefix == "t" ? 1e12 : prefix == "p" ? 1e15 : 1e18);
  need.integer = Lower(found[3].str()) == "ops";
  bill_.need = Key<Need>{need, line_};
}

Result<AuditBill> ReadAuditBill(std::string_view text, const std::string& file_name) {
  return BillReader(file_name).Read(text);
}

}  // namespace weft
