#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

// What `ibnetdiscover` prints [IBDIAGS ibnetdiscover.c]: a paragraph a node, then its ports.
//
//     Switch  65 "S-2c5e…"   # "MF0;leaf1:MQM9701/U1" enhanced port 0 lid 73 lmc 0
//     [1]     "H-e09d…"[1](e09d…)    # "node1 mlx5_5" lid 647 4xNDR
//     Ca      1 "H-e09d…"    # "node1 mlx5_5"
//     [1](e09d…)  "S-2c5e…"[1]       # lid 647 lmc 0 "MF0;leaf1:MQM9701/U1" lid 73 4xNDR
//
// A CA is a NIC; CAs whose descriptions begin with one name are a host's.

namespace weft {
namespace {

struct IbNode {
  char kind = 'H';  // S switch, H CA, R router
  std::string guid, description;
  bool has_paragraph = false;
};

struct IbEnd {
  std::uint32_t node = 0;
  int port = 0;
  auto operator<=>(const IbEnd&) const = default;
};

struct IbCable {
  BitRate rate;
  int line = 0;
  int seen = 0;  // once from each side
};

// Data rate of one lane, after line coding [IBTA-IB].
struct LaneRate {
  std::string_view name;
  double gbps;
};
constexpr LaneRate kLanes[] = {
    {"SDR", 2},  {"DDR", 4},  {"QDR", 8},   {"FDR10", 10}, {"FDR", 14.0625 * 64 / 66},
    {"EDR", 25}, {"HDR", 50}, {"NDR", 100}, {"XDR", 200},
};

// "4xNDR"
std::optional<BitRate> ParseIbRate(std::string_view text) {
  const std::size_t x = text.find('x');
  if (x == std::string_view::npos) return std::nullopt;
  const auto width = WholeNumber(text.substr(0, x), 12);
  for (const LaneRate& lane : kLanes)
    if (width && *width > 0 && lane.name == text.substr(x + 1))
      return GigabitsPerSecond(static_cast<double>(*width) * lane.gbps);
  return std::nullopt;
}

// A place in a line that is read from left to right.
struct Cursor {
  std::string_view rest;
  int column = 1;

  void Skip(std::size_t count) {
    column += static_cast<int>(count);
    rest.remove_prefix(count);
  }
  void SkipBlanks() { Skip(std::min(rest.find_first_not_of(" \t"), rest.size())); }
  // What stands between `open`, which must be next, and `close`; none where it does not.
  std::optional<std::string_view> Between(char open, char close) {
    if (rest.empty() || rest[0] != open) return std::nullopt;
    const std::size_t end = rest.find(close, 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view inside = rest.substr(1, end - 1);
    Skip(end + 1);
    return inside;
  }
};

class IbReader {
 public:
  explicit IbReader(const FormatInput& input) : input_(input) {}

  Result<Wiring> Read();

 private:
  void Report(int line, int column, std::string message, std::string hint) {
    errors_.push_back(
        {ErrorCode::kSyntax, {input_.file, line, column}, std::move(message), std::move(hint)});
  }
  std::uint32_t NodeAt(std::string_view guid);
  void ReadNode(const TextLine& line);
  void ReadPort(const TextLine& line);
  void NameSwitches();
  // By name, scheme and number: the node of a NIC.
  using HostsByName = std::map<std::string, std::map<std::string, std::map<int, std::uint32_t>>>;
  void SortCas(HostsByName& hosts, std::vector<std::uint32_t>& unnamed);
  void NameHosts();
  void AddCables();
  void AddNotes();

  struct Nic {
    std::string host, scheme;  // "node1", "mlx5_"
    int number = 0;
  };
  std::optional<Nic> NicOf(const std::string& description) const;

  const FormatInput& input_;
  Errors errors_;
  std::vector<IbNode> nodes_;
  std::map<std::string, std::uint32_t, std::less<>> row_of_;
  std::optional<std::uint32_t> current_;
  std::map<std::pair<IbEnd, IbEnd>, IbCable> cables_;
  std::vector<std::string> odd_;
  std::vector<std::string> lacking_;  // hosts without a NIC that most of their kind have
  std::vector<std::string> others_;   // hosts with far fewer NICs than most NICs' hosts

  Wiring out_;
  std::map<std::uint32_t, std::uint32_t> switch_row_;               // by node
  std::map<std::uint32_t, std::pair<std::uint32_t, int>> nic_row_;  // by node: host, NIC
  std::size_t aggregation_ = 0, routers_ = 0, unnamed_ = 0;
};

std::uint32_t IbReader::NodeAt(std::string_view guid) {
  const auto [at, added] =
      row_of_.try_emplace(std::string(guid), static_cast<std::uint32_t>(nodes_.size()));
  if (added) nodes_.push_back({guid.empty() ? 'H' : guid[0], std::string(guid), {}, false});
  return at->second;
}

void IbReader::ReadNode(const TextLine& line) {
  const std::size_t open = line.text.find('"');
  Cursor cursor{line.text.substr(std::min(open, line.text.size())), static_cast<int>(open) + 1};
  const auto guid = cursor.Between('"', '"');
  if (!guid || guid->size() < 3) {
    current_.reset();
    return Report(line.number, 1, "a node without its id in quotes",
                  "Switch 65 \"S-2c5e…\" # \"description\" …");
  }
  current_ = NodeAt(*guid);
  IbNode& node = nodes_[*current_];
  if (node.has_paragraph)
    return Report(line.number, line.words[0].column,
                  fmt::format("node {} has two paragraphs", *guid), "the output of one run");
  node.has_paragraph = true;
  if (const std::size_t comment = cursor.rest.find('"'); comment != std::string_view::npos) {
    cursor.Skip(comment);
    if (const auto description = cursor.Between('"', '"')) node.description = *description;
  }
}

// [1](guid) "H-e09d…"[1](guid) # lid 9 lmc 0 "description" lid 647 4xNDR
void IbReader::ReadPort(const TextLine& line) {
  constexpr const char* kForm = "[1] \"H-e09d…\"[1] # \"description\" lid 647 4xNDR";
  if (!current_)
    return Report(line.number, 1, "a port before any node", "a Switch or Ca line first");
  Cursor cursor{line.text, 1};
  cursor.SkipBlanks();
  const auto port = cursor.Between('[', ']');
  while (cursor.Between('[', ']') || cursor.Between('(', ')')) {
  }
  cursor.SkipBlanks();
  const int far_column = cursor.column;
  const auto far = cursor.Between('"', '"');
  const auto far_port = cursor.Between('[', ']');
  const auto number = WholeNumber(port.value_or(""), 255);
  const auto far_number = WholeNumber(far_port.value_or(""), 255);
  if (!number || !far || far->size() < 3 || !far_number)
    return Report(line.number, number ? far_column : 1, "a port that leads nowhere", kForm);
  std::string_view comment = cursor.rest;
  const std::uint32_t other = NodeAt(*far);
  if (const std::size_t open = comment.find('"'); open != std::string_view::npos) {
    const std::size_t close = comment.find('"', open + 1);
    if (close != std::string_view::npos && nodes_[other].description.empty())
      nodes_[other].description = comment.substr(open + 1, close - open - 1);
  }
  const std::string_view last = line.words.back().text;
  const auto rate = ParseIbRate(last);
  if (!rate)
    return Report(line.number, line.words.back().column,
                  fmt::format("'{}' is no rate of InfiniBand", last),
                  "1x, 2x, 4x or 12x of SDR, DDR, QDR, FDR10, FDR, EDR, HDR, NDR, XDR: 4xNDR");
  const IbEnd a{*current_, static_cast<int>(*number)}, b{other, static_cast<int>(*far_number)};
  IbCable& cable = cables_[std::minmax(a, b)];
  if (cable.seen > 0 && cable.rate != *rate)
    odd_.push_back(
        fmt::format("{} port {} and the port it leads to show two rates: the lower one "
                    "is taken",
                    nodes_[a.node].description, a.port));
  cable.rate = cable.seen == 0 ? *rate : std::min(cable.rate, *rate);
  cable.line = line.number;
  ++cable.seen;
}

// "MF0;leaf1:MQM9701/U1" is leaf1: the maker's form of a switch's name.
void IbReader::NameSwitches() {
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].kind != 'S') continue;
    std::string name = nodes_[n].description;
    const std::size_t begin = name.find(';'), end = name.rfind(':');
    if (begin != std::string::npos && end != std::string::npos && begin < end)
      name = name.substr(begin + 1, end - begin - 1);
    const bool taken = std::any_of(out_.switches.begin(), out_.switches.end(),
                                   [&](const Wiring::Switch& one) { return one.name == name; });
    const bool generic = name.empty() || name.find(' ') != std::string::npos;
    switch_row_[n] = static_cast<std::uint32_t>(out_.switches.size());
    out_.switches.push_back({taken || generic ? nodes_[n].guid : name, 0, {}, {}, {}});
    if (taken || generic)
      odd_.push_back(fmt::format("switch {} has no name of its own ('{}')", nodes_[n].guid,
                                 nodes_[n].description));
  }
}

// "node1 mlx5_5" is NIC 5 of node1 in the scheme mlx5_; none where no host is named.
std::optional<IbReader::Nic> IbReader::NicOf(const std::string& description) const {
  const std::vector<TextLine> lines = SplitLines(description);
  if (lines.size() != 1 || lines[0].words.size() != 2 || lines[0].words[0].text == "localhost")
    return std::nullopt;
  const std::string_view word = lines[0].words[1].text;
  const std::size_t digits = word.find_last_not_of("0123456789") + 1;
  const auto number = WholeNumber(word.substr(digits), 9999);
  if (!number || digits == 0) return std::nullopt;
  return Nic{std::string(lines[0].words[0].text), std::string(word.substr(0, digits)),
             static_cast<int>(*number)};
}

// Of hosts by name, schemes and NIC numbers: the rows of those CAs that are NICs.
void IbReader::SortCas(HostsByName& hosts, std::vector<std::uint32_t>& unnamed) {
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    if (nodes_[n].kind != 'H') continue;
    if (nodes_[n].description.find("Aggregation Node") != std::string::npos) {
      ++aggregation_;
      continue;
    }
    const auto nic = NicOf(nodes_[n].description);
    if (!nic || !hosts[nic->host][nic->scheme].try_emplace(nic->number, n).second)
      unnamed.push_back(n);
  }
}

// First the hosts with as many NICs as most NICs' hosts have, in order of their names, then
// others (a fabric manager's, storage's), then NICs that name none; NICs of a host by number. A
// host that lacks a NIC which almost all hosts of its scheme have keeps that NIC's place, so that
// rails stay rails.
void IbReader::NameHosts() {
  using Numbers = std::set<int>;
  HostsByName hosts;
  std::vector<std::uint32_t> unnamed;
  SortCas(hosts, unnamed);
  std::map<std::pair<std::string, Numbers>, int> kinds;
  const auto numbers_of = [](const std::map<int, std::uint32_t>& nics) {
    Numbers out;
    for (const auto& [number, node] : nics) out.insert(number);
    return out;
  };
  for (const auto& [host, schemes] : hosts)
    for (const auto& [scheme, nics] : schemes) ++kinds[{scheme, numbers_of(nics)}];
  const auto add_host = [&](const std::string& name, int nics) {
    HostSpec spec = DefaultHostSpec();
    spec.set_gpus(nics);
    spec.set_nics(nics);
    spec.set_transport(HostSpec::IB);
    out_.hosts.push_back({name, std::move(spec), {}, {}});
    return static_cast<std::uint32_t>(out_.hosts.size() - 1);
  };
  std::map<std::size_t, std::size_t> nics_of;  // by NICs of a host: NICs of all such hosts
  const auto count_nics = [](const auto& schemes) {
    std::size_t nics = 0;
    for (const auto& [scheme, found] : schemes) nics += found.size();
    return nics;
  };
  for (const auto& [host, schemes] : hosts) nics_of[count_nics(schemes)] += count_nics(schemes);
  std::size_t usual = 0, most_nics = 0;
  for (const auto& [nics, all] : nics_of)
    if (all >= most_nics) {
      usual = nics;
      most_nics = all;
    }
  std::vector<HostsByName::const_iterator> order;
  for (auto at = hosts.cbegin(); at != hosts.cend(); ++at) order.push_back(at);
  // Half of them and more: a host that lacks some NICs is one of its kind.
  const auto is_other = [&](auto at) { return count_nics(at->second) * 2 <= usual; };
  std::stable_partition(order.begin(), order.end(), [&](auto at) { return !is_other(at); });
  for (const auto one : order) {
    const auto& [host, schemes] = *one;
    int nics = 0;
    const std::uint32_t row = add_host(host, 1);
    if (is_other(one)) others_.push_back(host);
    for (const auto& [scheme, found] : schemes) {
      const Numbers own = numbers_of(found);
      Numbers all = own;
      int most = kinds[{scheme, own}] * 4;
      for (const auto& [kind, count] : kinds)
        if (kind.first == scheme && count > most && kind.second.size() < 2 * own.size() &&
            std::includes(kind.second.begin(), kind.second.end(), own.begin(), own.end())) {
          all = kind.second;
          most = count;
        }
      if (all != own) lacking_.push_back(host);
      for (const int number : all) {
        if (const auto at = found.find(number); at != found.end())
          nic_row_[at->second] = {row, nics};
        ++nics;
      }
    }
    out_.hosts[row].spec.set_gpus(std::min(nics, 255));
    out_.hosts[row].spec.set_nics(std::min(nics, 255));
  }
  for (const std::uint32_t n : unnamed) {
    nic_row_[n] = {add_host(nodes_[n].guid, 1), 0};
    ++unnamed_;
  }
}

void IbReader::AddCables() {
  std::map<std::uint32_t, double> nic_bps;  // of a host
  for (const auto& [ends, cable] : cables_) {
    const auto& [a, b] = ends;
    const auto name = [&](const IbEnd& end) {
      return fmt::format("{} port {}", nodes_[end.node].description, end.port);
    };
    if (cable.seen == 1 && nodes_[a.node].has_paragraph && nodes_[b.node].has_paragraph)
      odd_.push_back(fmt::format("only one end shows the cable of {} and {}", name(a), name(b)));
    std::vector<Wiring::End> row;
    for (const IbEnd& end : {a, b}) {
      if (const auto at = switch_row_.find(end.node); at != switch_row_.end())
        row.push_back({false, at->second, 0, 0});
      else if (const auto nic = nic_row_.find(end.node); nic != nic_row_.end())
        row.push_back({true, nic->second.first, nic->second.second, std::max(end.port - 1, 0)});
    }
    if (row.size() < 2) continue;  // to an aggregation node or a router
    if (row[1].is_host) std::swap(row[0], row[1]);
    if (row[1].is_host || row[0] == row[1]) {
      odd_.push_back(
          fmt::format("no switch is on the cable of {} and {}: left out", name(a), name(b)));
      continue;
    }
    out_.cables.push_back({row[0], row[1], cable.rate, SimDuration(500'000)});
    if (!row[0].is_host) continue;
    HostSpec& spec = out_.hosts[row[0].row].spec;
    spec.set_nic_ports(std::clamp(row[0].port + 1, spec.nic_ports(), 8));
    double& bps = nic_bps[row[0].row];
    bps = std::max(bps, cable.rate.bits_per_second());
  }
  for (const auto& [host, bps] : nic_bps) {
    HostSpec& spec = out_.hosts[host].spec;
    spec.set_nic(bps * spec.nic_ports());
    spec.set_pcie(std::max(spec.pcie(), spec.nic()));
  }
}

void IbReader::AddNotes() {
  out_.notes.push_back(
      "GPUs, NVLink and PCIe are not in the file: a GPU for each NIC, no NVLink, weft's PCIe; "
      "give host: to say what the hosts are");
  out_.notes.push_back("latencies are not in the file: 500 ns a cable, as in weft's presets");
  if (aggregation_ > 0)
    out_.notes.push_back(fmt::format("{} aggregation node{} in switches (SHARP) {} left out",
                                     aggregation_, aggregation_ == 1 ? "" : "s",
                                     aggregation_ == 1 ? "is" : "are"));
  if (routers_ > 0)
    out_.notes.push_back(
        fmt::format("{} router{} left out", routers_, routers_ == 1 ? " is" : "s are"));
  if (unnamed_ > 0)
    out_.notes.push_back(fmt::format(
        "{} NIC{} no host, or one that is taken: each is a host of its own, by its GUID, after "
        "all others",
        unnamed_, unnamed_ == 1 ? " names" : "s name"));
  if (!others_.empty())
    out_.notes.push_back(fmt::format(
        "{} host{} at most half as many NICs as most (a fabric manager's, storage's?) "
        "and stand{} after these: {}{}",
        others_.size(), others_.size() == 1 ? " has" : "s have", others_.size() == 1 ? "s" : "",
        others_.front(), others_.size() == 1 ? "" : " and others"));
  if (!lacking_.empty())
    out_.notes.push_back(
        fmt::format("{} host{} not show a NIC that most of {} kind have, which is left without a "
                    "cable: {}{}",
                    lacking_.size(), lacking_.size() == 1 ? " does" : "s do",
                    lacking_.size() == 1 ? "its" : "their", lacking_.front(),
                    lacking_.size() == 1 ? "" : " and others"));
  for (const std::string& odd : odd_) out_.notes.push_back("odd: " + odd);
}

Result<Wiring> IbReader::Read() {
  for (const TextLine& line : SplitLines(input_.text)) {
    if (line.words.empty() || line.words[0].text[0] == '#') continue;
    const std::string_view first = line.words[0].text;
    if (first == "Switch" || first == "Ca" || first == "Rt")
      ReadNode(line);
    else if (first[0] == '[')
      ReadPort(line);
    else if (first != "Chassis" && first != "Spine" && first != "Line" &&
             first.find('=') == std::string_view::npos)
      Report(line.number, line.words[0].column,
             fmt::format("'{}' begins no line of ibnetdiscover", first.substr(0, 40)),
             "its full output, without -p, -l or -H");
    if (errors_.size() > 20) break;
  }
  if (errors_.empty() && nodes_.empty()) Report(1, 1, "no node is in the file", "Switch … lines");
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  for (const IbNode& node : nodes_) routers_ += node.kind == 'R' ? 1 : 0;
  NameSwitches();
  NameHosts();
  AddCables();
  AddNotes();
  return std::move(out_);
}

}  // namespace

Result<Wiring> ReadIbnetdiscover(const FormatInput& input) { return IbReader(input).Read(); }

bool LooksLikeIbnetdiscover(std::string_view text) {
  return text.find("vendid=") != std::string_view::npos ||
         text.find("switchguid=") != std::string_view::npos ||
         (text.find("Switch") != std::string_view::npos &&
          text.find("\"S-") != std::string_view::npos);
}

}  // namespace weft
