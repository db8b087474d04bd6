#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/schema/quantity.h"
#include "topology/formats/device_keys.h"
#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

// The cabling list: one row a cable, both ends by device and port. `part` says what the device
// is; lanes of a port, breakout (2x: the cage at the split end is split into two ports) and medium
// are empty where there is no cabling plan. Devices without a cable do not appear.

namespace weft {
namespace {

constexpr std::array<std::string_view, 11> kColumns = {"a_device", "a_port", "a_part", "b_device",
                                                       "b_port",   "b_part", "rate",   "lanes",
                                                       "breakout", "medium", "latency"};
enum Column {
  kADevice,
  kAPort,
  kAPart,
  kBDevice,
  kBPort,
  kBPart,
  kRate,
  kLanes,
  kBreakout,
  kMedium,
  kLatency
};

std::string Cell(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

class CsvReader {
 public:
  explicit CsvReader(const FormatInput& input) : input_(input) {}

  Result<Wiring> Read();

 private:
  SourcePos At(const TextLine& line, int column) const {
    return {input_.file, line.number, column};
  }
  void Append(const Errors& errors) { errors_.insert(errors_.end(), errors.begin(), errors.end()); }
  bool ReadHeader(const TextLine& line);
  void ReadRow(const TextLine& line);
  std::optional<Wiring::End> EndOf(const TextLine& line, const std::vector<CsvCell>& cells,
                                   Column device, Column port, Column part);

  const FormatInput& input_;
  Errors errors_;
  Wiring out_;
  std::array<std::size_t, kColumns.size()> place_{};  // of each column in the file
  std::size_t width_ = 0;
  std::map<std::string, Wiring::End> device_;
};

bool CsvReader::ReadHeader(const TextLine& line) {
  const auto cells = SplitCells(line.text);
  std::vector<std::string_view> missing;
  for (std::size_t c = 0; c < kColumns.size(); ++c) {
    std::size_t place = 0;
    while (cells && place < cells->size() && (*cells)[place].text != kColumns[c]) ++place;
    place_[c] = place;
    if (!cells || place == cells->size()) missing.push_back(kColumns[c]);
  }
  if (!missing.empty())
    errors_.push_back({ErrorCode::kSyntax, At(line, 1),
                       fmt::format("the header has no {}", fmt::join(missing, ", ")),
                       fmt::format("{}", fmt::join(kColumns, ","))});
  width_ = cells ? cells->size() : 0;
  return errors_.empty();
}

std::optional<Wiring::End> CsvReader::EndOf(const TextLine& line, const std::vector<CsvCell>& cells,
                                            Column device, Column port, Column part) {
  const auto pos = [&](Column column) { return At(line, cells[place_[column]].column); };
  const std::string &name = cells[place_[device]].text, &what = cells[place_[part]].text;
  if (name.empty()) {
    errors_.push_back({ErrorCode::kSyntax, pos(device), "no device is named", "leaf3"});
    return std::nullopt;
  }
  auto at = device_.find(name);
  if (at == device_.end()) {
    Wiring::End end;
    end.is_host = what.find("gpus=") != std::string::npos;
    if (end.is_host) {
      Result<Wiring::Host> host = ParseHostPart(what, name, pos(part));
      if (!host) return Append(host.error()), std::nullopt;
      end.row = static_cast<std::uint32_t>(out_.hosts.size());
      out_.hosts.push_back(*std::move(host));
    } else {
      Result<Wiring::Switch> one = ParseSwitchPart(what, name, pos(part), out_);
      if (!one) return Append(one.error()), std::nullopt;
      end.row = static_cast<std::uint32_t>(out_.switches.size());
      out_.switches.push_back(*std::move(one));
    }
    at = device_.emplace(name, end).first;
  }
  if (!at->second.is_host) return at->second;
  const Result<Wiring::End> end =
      ParseHostPort(cells[place_[port]].text, at->second.row, pos(port));
  if (!end) return Append(end.error()), std::nullopt;
  return *end;
}

void CsvReader::ReadRow(const TextLine& line) {
  const auto cells = SplitCells(line.text);
  if (!cells || cells->size() != width_) {
    errors_.push_back(
        {ErrorCode::kSyntax, At(line, 1),
         cells ? fmt::format("a row of {} cells under a header of {}", cells->size(), width_)
               : std::string("a quote is not closed"),
         "one cell a column"});
    return;
  }
  auto a = EndOf(line, *cells, kADevice, kAPort, kAPart);
  auto b = EndOf(line, *cells, kBDevice, kBPort, kBPart);
  const CsvCell &rate_cell = (*cells)[place_[kRate]], &latency_cell = (*cells)[place_[kLatency]];
  const auto rate = ParseQuantity(rate_cell.text, BIT_RATE, At(line, rate_cell.column));
  const auto latency = ParseWhole(latency_cell.text, DURATION, At(line, latency_cell.column));
  if (!rate) Append(rate.error());
  if (!latency) Append(latency.error());
  if (!a || !b || !rate || !latency) return;
  if (b->is_host) std::swap(a, b);
  if (b->is_host) {
    errors_.push_back({ErrorCode::kInconsistent, At(line, 1), "a cable of two hosts",
                       "a host and a switch, or two switches"});
    return;
  }
  out_.cables.push_back({*a, *b, BitRate::BitsPerSecond(*rate), SimDuration(*latency)});
}

Result<Wiring> CsvReader::Read() {
  const std::vector<TextLine> lines = SplitLines(input_.text);
  if (lines.empty())
    return Fail(ErrorCode::kSyntax, {input_.file, 1, 1}, "the file is empty",
                fmt::format("{}", fmt::join(kColumns, ",")));
  const auto header = std::find_if_not(lines.begin(), lines.end(), IsBlankOrComment);
  if (header == lines.end())
    return Fail(ErrorCode::kSyntax, {input_.file, 1, 1}, "the file has no header",
                fmt::format("{}", fmt::join(kColumns, ",")));
  if (!ReadHeader(*header)) return tl::make_unexpected(std::move(errors_));
  for (auto line = header + 1; line != lines.end(); ++line)
    if (!IsBlankOrComment(*line)) ReadRow(*line);
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  SortDevices(out_);
  return std::move(out_);
}

}  // namespace

std::string WriteCsv(const Wiring& given) {
  Wiring wiring = given;
  NoteOrder(wiring);
  std::string out = fmt::format("{}\n", fmt::join(kColumns, ","));
  std::vector<std::uint32_t> ports(wiring.switches.size(), 0);  // counted as cables come
  for (const Wiring::Cable& cable : wiring.cables) {
    const auto cells = [&](const Wiring::End& end) {
      if (end.is_host)
        return fmt::format("{},nic{}/port{},{}", Cell(wiring.hosts[end.row].name), end.nic,
                           end.port, Cell(FormatPart(wiring.hosts[end.row])));
      return fmt::format("{},{},{}", Cell(wiring.switches[end.row].name), ++ports[end.row],
                         Cell(FormatPart(wiring, wiring.switches[end.row])));
    };
    out += cells(cable.a) + ',';
    out += cells(cable.b);
    const auto number = [](int n) { return n == 0 ? std::string() : fmt::format("{}", n); };
    out += fmt::format(",{},{},{},{},{}\n", FormatQuantity(cable.rate.bits_per_second(), BIT_RATE),
                       number(cable.lanes),
                       cable.breakout == 0 ? "" : fmt::format("{}x", cable.breakout), cable.medium,
                       FormatWhole(cable.latency.count(), DURATION));
  }
  return out;
}

Result<Wiring> ReadCsv(const FormatInput& input) { return CsvReader(input).Read(); }

bool LooksLikeCsv(std::string_view text) {
  for (const TextLine& line : SplitLines(text.substr(0, 4096)))
    if (!IsBlankOrComment(line))
      return line.text.find("a_device") != std::string_view::npos &&
             line.text.find("b_device") != std::string_view::npos &&
             line.text.find("a_cage") == std::string_view::npos;
  return false;
}

}  // namespace weft
