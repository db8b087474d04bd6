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

// Where the columns are, if `cells` are their names; of quantities without a name the second.
std::optional<BillColumns> ParseBillColumns(const std::vector<CsvCell>& cells) {
  const auto find = [&](std::string_view name) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (Lower(cells[i].text) == name) return i;
    return BillColumns::kNone;
  };
  BillColumns out{find("part"), BillColumns::kNone, find("role"), find("use")};
  for (const char* name : {"quantity", "qty", "count"})
    if (out.quantity == BillColumns::kNone) out.quantity = find(name);
  const bool named = out.quantity != BillColumns::kNone;
  if (out.part == BillColumns::kNone || (!named && out.part != 0)) return std::nullopt;
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
  std::int64_t commas = 0, semicolons = 0, tabs = 0;
  bool quoted = false;
  for (const char c : row) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    commas += c == ',' ? 1 : 0;
    semicolons += c == ';' ? 1 : 0;
    tabs += c == '\t' ? 1 : 0;
  }
  if (semicolons > 0 && semicolons >= commas) return ';';
  return tabs > commas ? '\t' : ',';
}

// A row whose cells semicolons part, with a point for every decimal comma.
std::string WithPoints(std::string_view line) {
  std::string out(line);
  bool quoted = false;
  for (char& c : out) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) c = '.';
  }
  return out;
}

// "1,024", "1 024", also with a blank that does not break a line (U+00A0, U+202F): without what
// groups its digits by threes.
std::string Ungrouped(const std::string& text) {
  static const std::regex kGroups("^\\d{1,3}((,| |'|_|\xC2\xA0|\xE2\x80\xAF)\\d{3})+$");
  if (!std::regex_match(text, kGroups)) return text;
  std::string out;
  for (const char c : text)
    if (c >= '0' && c <= '9') out += c;
  return out;
}

}  // namespace

Result<AuditBill> BillReader::Read(std::string_view text) {
  for (const TextLine& line : SplitLines(text)) {
    if (IsBlankOrComment(line)) continue;
    if (separator_ == 0) separator_ = SeparatorOf(line.text);
    if (separator_ == ';')
      ReadLine(WithPoints(line.text), line.number);
    else
      ReadLine(line.text, line.number);
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
  // Excel begins its UTF-8 with a byte-order mark, which is no part of the first cell.
  if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  auto cells = SplitCells(line, separator_);
  if (!cells) return Complain(ErrorCode::kSyntax, 1, "a quote is not closed", "\"a, b\"");
  if (rows_ == 0 && !named_)
    if (const auto columns = ParseBillColumns(*cells)) {
      named_ = true;
      columns_ = *columns;
      return;
    }
  ++rows_;
  const CsvCell part = CellAt(*cells, columns_.part), role = CellAt(*cells, columns_.role);
  CsvCell quantity = CellAt(*cells, columns_.quantity);
  use_ = Lower(CellAt(*cells, columns_.use).text);
  constexpr std::size_t kLongest = 120;  // bytes; no part's name is longer
  for (const CsvCell& cell : {part, quantity, role})
    if (cell.text.size() > kLongest)
      return Complain(ErrorCode::kOutOfRange, cell.column,
                      fmt::format("the cell has {} bytes", cell.text.size()),
                      fmt::format("want {} at most", kLongest));
  if (IsBeside(use_)) return;
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
  const auto count = ScanWhole(Ungrouped(quantity.text), Unit::NONE);
  if (!count || *count < 0 || *count > 1'000'000'000)
    return Complain(ErrorCode::kSyntax, quantity.column,
                    fmt::format("the quantity is {}", Quoted(quantity.text)),
                    "a whole number, such as 96");
  ReadPart(what.empty() ? RoleOf(name) : what, part, *count);
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

void BillReader::ReadKey(const std::string& key, const CsvCell& value) {
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
