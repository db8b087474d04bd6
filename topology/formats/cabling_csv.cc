#include "topology/formats/cabling_csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>

#include "base/schema/quantity.h"
#include "topology/formats/device_keys.h"
#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

namespace weft {
namespace {

// Quoted where a comma, a quote or a line's end stands in it [RFC4180 §2].
std::string Field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string Rate(BitRate rate) { return FormatQuantity(rate.bits_per_second(), Unit::BIT_RATE); }

// Cells of a row that is being written.
class CellWriter {
 public:
  explicit CellWriter(std::string& out) : out_(out) {}

  CellWriter& Add(std::string_view text, char after = ',') {
    out_ += text;
    out_ += after;
    return *this;
  }
  CellWriter& Add(std::uint64_t number, char after = ',') {
    const fmt::format_int digits(number);
    return Add(std::string_view(digits.data(), digits.size()), after);
  }

 private:
  std::string& out_;
};

std::uint64_t Count(int number) { return static_cast<std::uint64_t>(number); }

// Rows of cable ends; the text of a device and of a rate is made once.
class EndWriter {
 public:
  EndWriter(const Fabric& fabric, const CablingPlan& plan)
      : fabric_(fabric), plan_(plan), names_(DeviceCount(fabric)) {}

  const std::string& RateOf(BitRate rate) {
    if (rate_text_.empty() || rate != rate_) {
      rate_ = rate;
      rate_text_ = Rate(rate);
    }
    return rate_text_;
  }

  void Add(const CableEnd& end, LinkId link, CellWriter& out) {
    const Cage& cage = plan_.cage(end.cage);
    const Place& place = plan_.racks.place[Index(cage.device)];
    std::string& name = names_[Index(cage.device)];
    if (name.empty()) name = DeviceName(fabric_, cage.device);
    const int first = end.port * cage.port_lanes;
    out.Add(name).Add(fabric_.PortName(link)).Add(Count(cage.number));
    out.Add(Count(cage.split), 'x').Add(RateOf(cage.rate));
    out.Add(Count(first), '-').Add(Count(first + cage.port_lanes - 1));
    out.Add(place.rack).Add(Count(place.unit));
  }

 private:
  const Fabric& fabric_;
  const CablingPlan& plan_;
  std::vector<std::string> names_;  // [devices]
  BitRate rate_;
  std::string rate_text_;
};

enum Column { kADevice, kAPort, kBDevice, kBPort, kRate, kPlane, kStatus, kColumns };
constexpr std::array<std::string_view, kColumns> kNames = {
    "a_device", "a_port", "b_device", "b_port", "rate", "plane", "status"};

// A cabling list back into what is cabled to what. Needed: devices, ports, rate.
class CablingReader {
 public:
  explicit CablingReader(const FormatInput& input) : input_(input) {}

  Result<Wiring> Read();

 private:
  SourcePos At(const TextLine& line, int column) const {
    return {input_.file, line.number, column};
  }
  void Report(const TextLine& line, int column, std::string message, std::string hint) {
    errors_.push_back({ErrorCode::kSyntax, At(line, column), std::move(message), std::move(hint)});
  }
  bool ReadHeader(const TextLine& line);
  void ReadRow(const TextLine& line);
  std::optional<Wiring::End> EndOf(const TextLine& line, const CsvCell& device,
                                   const CsvCell& port);
  void SetHosts();

  const FormatInput& input_;
  Errors errors_;
  Wiring out_;
  std::array<std::optional<std::size_t>, kColumns> place_;
  std::size_t width_ = 0, reserved_ = 0;
  std::map<std::string, Wiring::End> device_;
};

bool CablingReader::ReadHeader(const TextLine& line) {
  const auto cells = SplitCells(line.text);
  width_ = cells ? cells->size() : 0;
  std::vector<std::string_view> missing;
  for (std::size_t c = 0; c < kColumns; ++c) {
    for (std::size_t i = 0; i < width_; ++i)
      if ((*cells)[i].text == kNames[c]) place_[c] = i;
    if (!place_[c] && c <= kRate) missing.push_back(kNames[c]);
  }
  if (!missing.empty())
    Report(line, 1, fmt::format("the header has no {}", fmt::join(missing, ", ")),
           "as weft topology --export cabling writes it");
  return missing.empty();
}

// A host where the port is one of a NIC, host3/nic5/port0; else a switch.
std::optional<Wiring::End> CablingReader::EndOf(const TextLine& line, const CsvCell& device,
                                                const CsvCell& port) {
  if (device.text.empty()) {
    Report(line, device.column, "no device is named", "leaf3");
    return std::nullopt;
  }
  std::string_view inside = port.text;
  if (inside.starts_with(device.text + '/')) inside.remove_prefix(device.text.size() + 1);
  const bool is_host = inside.starts_with("nic");
  auto at = device_.find(device.text);
  if (at == device_.end()) {
    const std::size_t row = is_host ? out_.hosts.size() : out_.switches.size();
    if (is_host)
      out_.hosts.push_back({device.text, DefaultHostSpec(), {}, {}});
    else
      out_.switches.push_back({device.text, 0, {}, {}, {}});
    at = device_.emplace(device.text, Wiring::End{is_host, static_cast<std::uint32_t>(row), 0, 0})
             .first;
  }
  if (!at->second.is_host) return at->second;
  const Result<Wiring::End> end = ParseHostPort(inside, at->second.row, At(line, port.column));
  if (end) return *end;
  errors_.insert(errors_.end(), end.error().begin(), end.error().end());
  return std::nullopt;
}

void CablingReader::ReadRow(const TextLine& line) {
  const auto cells = SplitCells(line.text);
  if (!cells || cells->size() != width_)
    return Report(line, 1,
                  cells
                      ? fmt::format("a row of {} cells under a header of {}", cells->size(), width_)
                      : std::string("a quote is not closed"),
                  "one cell a column");
  const auto cell = [&](Column c) -> const CsvCell& { return (*cells)[*place_[c]]; };
  if (place_[kStatus] && cell(kStatus).text == "reserved") {
    ++reserved_;
    return;
  }
  auto a = EndOf(line, cell(kADevice), cell(kAPort)), b = EndOf(line, cell(kBDevice), cell(kBPort));
  const auto rate = ParseQuantity(cell(kRate).text, BIT_RATE, At(line, cell(kRate).column));
  if (!rate) errors_.insert(errors_.end(), rate.error().begin(), rate.error().end());
  if (!a || !b || !rate) return;
  if (b->is_host) std::swap(a, b);
  if (b->is_host)
    return Report(line, 1, "a cable of two hosts", "a host and a switch, or two switches");
  if (place_[kPlane] && !cell(kPlane).text.empty()) {
    const auto plane = WholeNumber(cell(kPlane).text, 63);
    if (!plane)
      return Report(line, cell(kPlane).column, fmt::format("'{}' is no plane", cell(kPlane).text),
                    "0 to 63");
    out_.switches[b->row].plane = static_cast<int>(*plane);
    if (!a->is_host) out_.switches[a->row].plane = static_cast<int>(*plane);
  }
  out_.cables.push_back({*a, *b, BitRate::BitsPerSecond(*rate), SimDuration(500'000)});
}

// As many NICs and ports as have cables; a GPU for each NIC.
void CablingReader::SetHosts() {
  std::map<std::uint32_t, double> port_bps;
  for (const Wiring::Cable& cable : out_.cables) {
    if (!cable.a.is_host) continue;
    HostSpec& spec = out_.hosts[cable.a.row].spec;
    spec.set_nics(std::max(spec.nics(), cable.a.nic + 1));
    spec.set_nic_ports(std::max(spec.nic_ports(), cable.a.port + 1));
    double& bps = port_bps[cable.a.row];
    bps = std::max(bps, cable.rate.bits_per_second());
  }
  for (const auto& [row, bps] : port_bps) {
    HostSpec& spec = out_.hosts[row].spec;
    spec.set_gpus(spec.nics());
    spec.set_nic(bps * spec.nic_ports());
    spec.set_pcie(std::max(spec.pcie(), spec.nic()));
  }
}

Result<Wiring> CablingReader::Read() {
  const std::vector<TextLine> lines = SplitLines(input_.text);
  const auto header = std::find_if_not(lines.begin(), lines.end(), IsBlankOrComment);
  if (header == lines.end())
    return Fail(ErrorCode::kSyntax, {input_.file, 1, 1}, "the file has no header",
                "as weft topology --export cabling writes it");
  if (!ReadHeader(*header)) return tl::make_unexpected(std::move(errors_));
  for (auto line = header + 1; line != lines.end() && errors_.size() < 20; ++line)
    if (!IsBlankOrComment(*line)) ReadRow(*line);
  if (errors_.empty() && out_.cables.empty())
    Report(*header, 1, "no cable follows the header", "a row a cable");
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  SetHosts();
  SortDevices(out_);
  out_.notes.push_back(
      "GPUs, NVLink and PCIe are not in the file: a GPU for each NIC, no NVLink, weft's PCIe; "
      "give host: to say what the hosts are");
  out_.notes.push_back("latencies are not in the file: 500 ns a cable, as in weft's presets");
  if (reserved_ > 0)
    out_.notes.push_back(
        fmt::format("{} reserved row{} left out", reserved_, reserved_ == 1 ? " is" : "s are"));
  return std::move(out_);
}

}  // namespace

Result<Wiring> ReadCabling(const FormatInput& input) { return CablingReader(input).Read(); }

bool LooksLikeCabling(std::string_view text) {
  for (const TextLine& line : SplitLines(text.substr(0, 4096)))
    if (!IsBlankOrComment(line))
      return line.text.find("a_device") != std::string_view::npos &&
             line.text.find("a_cage") != std::string_view::npos;
  return false;
}

void AddCabling(const Fabric& fabric, const CablingPlan& plan, Wiring& wiring) {
  std::vector<const Cable*> of_link(fabric.link_count(), nullptr);
  for (const Cable& cable : plan.cables) {
    of_link[Index(cable.link)] = &cable;
    of_link[Index(fabric.link(cable.link).reverse)] = &cable;
  }
  std::size_t row = 0;
  for (std::uint32_t l = 0; l < fabric.link_count(); ++l) {
    const Link& link = fabric.link(LinkId{l});
    if (link.link_class != LinkClass::kNetwork || link.from > link.to) continue;
    Wiring::Cable& out = wiring.cables[row++];
    if (of_link[l] == nullptr) continue;
    const Cage &a = plan.cage(of_link[l]->a.cage), &b = plan.cage(of_link[l]->b.cage);
    out.lanes = a.port_lanes;
    out.breakout = std::max(a.split, b.split);
    out.medium = NameOf(of_link[l]->medium);
  }
}

std::string CablingCsv(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan) {
  std::string out =
      "cable,a_device,a_port,a_cage,a_breakout,a_lanes,a_rack,a_unit,"
      "b_device,b_port,b_cage,b_breakout,b_lanes,b_rack,b_unit,"
      "rate,medium,part,a_optic,b_optic,assembly,bundle,plane,rail,length_m,status\n";
  const auto names = [](const auto& rows) {
    std::vector<std::string> fields;
    for (const auto& one : rows) fields.push_back(Field(one.part));
    return fields;
  };
  const std::vector<std::string> cables = names(parts.cables), plugs = names(parts.optics);
  EndWriter ends(fabric, plan);
  CellWriter row(out);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> bundles;  // by racks
  std::string length;                                                      // of the cable before
  Metres length_of;
  for (std::size_t c = 0; c < plan.cables.size(); ++c) {
    const Cable& cable = plan.cables[c];
    const Cage &a = plan.cage(cable.a.cage), &b = plan.cage(cable.b.cage);
    const bool optics = HasOptics(cable.medium);
    const Link& link = fabric.link(cable.link);
    const Vertex& lower = fabric.vertex(link.from);
    const std::pair<std::uint32_t, std::uint32_t> racks =
        std::minmax(plan.racks.place[Index(a.device)].rack, plan.racks.place[Index(b.device)].rack);
    const std::size_t bundle = bundles.try_emplace(racks, bundles.size()).first->second;
    row.Add(c);
    ends.Add(cable.a, cable.link, row);
    ends.Add(cable.b, link.reverse, row);
    row.Add(ends.RateOf(a.rate)).Add(NameOf(cable.medium));
    row.Add(optics ? "fibre" : cables[a.part]);
    row.Add(optics ? plugs[a.part] : "").Add(optics ? plugs[b.part] : "");
    row.Add(cable.assembly).Add(bundle).Add(fabric.vertex(link.to).plane);
    if (lower.kind == VertexKind::kNic)
      row.Add(lower.number);
    else
      row.Add("");
    if (length.empty() || cable.length != length_of) {
      length_of = cable.length;
      length = fmt::format("{}", length_of.count());
    }
    row.Add(length).Add("planned", '\n');
  }
  return out;
}

}  // namespace weft
