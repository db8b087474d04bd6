#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/schema/quantity.h"
#include "hardware/parts.h"
#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"

// The topology file of HPCC's ns-3, as ASTRA-sim's network backend and SimAI read it. ASTRA-sim:
//
//     9 1 8                               nodes switches links
//     8                                   ids of switches
//     8 0 400Gbps 0.0005ms 0              a link: ends, rate, latency, error rate
//
// SimAI [SIMAI cef83f9d gen_Topo_Template.py]: nodes, GPUs a server, NVSwitches, switches,
// links, GPU type; then ids of NVSwitches first; nodes that are no switch are GPUs.
//
// ns-3 reads words, not lines: ids may go over several lines, a link may lack its error rate here,
// and what follows the last link is not read (HPCC's own files explain themselves there).

namespace weft {
namespace {

constexpr std::int64_t kMostNodes = 1'000'000, kMostLinks = 5'000'000;

struct Node {
  enum class Kind { kEnd, kNvswitch, kSwitch } kind = Kind::kEnd;
  std::uint32_t row = 0;  // of ends, NVSwitches or switches
};

struct NodeLink {
  std::uint32_t a = 0, b = 0;
  BitRate rate;
  SimDuration latency{};
  bool loses = false;
  int line = 0;
};

// The file as it stands: nodes by id, links in order.
struct NodeFile {
  std::int64_t nodes = 0, per_server = 1, nvswitches = 0, switches = 0, links = 0;
  std::string gpu_type;
  std::vector<Node> node;  // [nodes]
  std::vector<NodeLink> link;
};

class NodeFileReader {
 public:
  NodeFileReader(const FormatInput& input, bool simai) : input_(input), simai_(simai) {}

  Result<NodeFile> Read();

 private:
  void Report(int line, int column, std::string message, std::string hint) {
    errors_.push_back(
        {ErrorCode::kSyntax, {input_.file, line, column}, std::move(message), std::move(hint)});
  }
  bool ReadHeader(const TextLine& line);
  // Lines from `full`'s second on; the row of the first link's line.
  std::size_t ReadSwitchIds(const std::vector<const TextLine*>& full);
  void ReadLink(const TextLine& line);

  const FormatInput& input_;
  bool simai_;
  NodeFile out_;
  Errors errors_;
};

bool NodeFileReader::ReadHeader(const TextLine& line) {
  const std::size_t want = simai_ ? 6 : 3;
  const char* what = simai_ ? "nodes, GPUs a server, NVSwitches, switches, links, GPU type: "
                              "104 8 8 32 320 H100"
                            : "nodes, switches, links: 9 1 8";
  if (line.words.size() != want) {
    Report(line.number, 1,
           fmt::format("the first line has {} words (want {})", line.words.size(), want), what);
    return false;
  }
  std::vector<std::int64_t*> numbers = {&out_.nodes};
  if (simai_) numbers.insert(numbers.end(), {&out_.per_server, &out_.nvswitches});
  numbers.insert(numbers.end(), {&out_.switches, &out_.links});
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto value =
        WholeNumber(line.words[i].text, i + 1 == numbers.size() ? kMostLinks : kMostNodes);
    if (!value) {
      Report(line.number, line.words[i].column, fmt::format("'{}' is no count", line.words[i].text),
             what);
      return false;
    }
    *numbers[i] = *value;
  }
  if (simai_) out_.gpu_type = line.words[5].text;
  const std::int64_t ends = out_.nodes - out_.nvswitches - out_.switches;
  if (ends < 1 || out_.per_server < 1 || ends % out_.per_server != 0) {
    Report(line.number, 1,
           fmt::format("{} nodes less {} switches leave {} others, no whole servers of {}",
                       out_.nodes, out_.nvswitches + out_.switches, ends, out_.per_server),
           what);
    return false;
  }
  return true;
}

std::size_t NodeFileReader::ReadSwitchIds(const std::vector<const TextLine*>& full) {
  const auto want = static_cast<std::size_t>(out_.nvswitches + out_.switches);
  std::size_t read = 0, next = 1;
  for (; next < full.size() && read < want; ++next)
    for (const TextWord& word : full[next]->words) {
      const auto id = WholeNumber(word.text, out_.nodes - 1);
      if (read == want) {
        Report(full[next]->number, word.column,
               fmt::format("more ids of switches than the {} that the first line says", want),
               "every switch once");
      } else if (!id || out_.node[static_cast<std::size_t>(*id)].kind != Node::Kind::kEnd) {
        Report(full[next]->number, word.column,
               fmt::format(
                   "'{}' is {}", word.text,
                   id ? "listed twice"
                      : fmt::format("no node's id, and {} of {} switches are listed", read, want)),
               fmt::format("ids are 0 to {}", out_.nodes - 1));
      } else {
        const bool nvswitch = read < static_cast<std::size_t>(out_.nvswitches);
        out_.node[static_cast<std::size_t>(*id)] = {
            nvswitch ? Node::Kind::kNvswitch : Node::Kind::kSwitch,
            static_cast<std::uint32_t>(
                nvswitch ? read : read - static_cast<std::size_t>(out_.nvswitches))};
        ++read;
        continue;
      }
      return next;
    }
  std::uint32_t ends = 0;
  for (Node& node : out_.node)
    if (node.kind == Node::Kind::kEnd) node.row = ends++;
  return next;
}

void NodeFileReader::ReadLink(const TextLine& line) {
  if (line.words.size() != 5 && line.words.size() != 4)
    return Report(line.number, 1, fmt::format("a link of {} words (want 5)", line.words.size()),
                  "two nodes, rate, latency, error rate: 0 72 200Gbps 0.0005ms 0");
  NodeLink link;
  link.line = line.number;
  for (const std::size_t i : {0u, 1u}) {
    const auto id = WholeNumber(line.words[i].text, out_.nodes - 1);
    if (!id)
      return Report(line.number, line.words[i].column,
                    fmt::format("'{}' is no node's id", line.words[i].text),
                    fmt::format("ids are 0 to {}", out_.nodes - 1));
    (i == 0 ? link.a : link.b) = static_cast<std::uint32_t>(*id);
  }
  const auto rate =
      ParseQuantity(line.words[2].text, BIT_RATE, {input_.file, line.number, line.words[2].column});
  const auto latency =
      ParseWhole(line.words[3].text, DURATION, {input_.file, line.number, line.words[3].column});
  for (const Errors* found : {rate ? nullptr : &rate.error(), latency ? nullptr : &latency.error()})
    if (found != nullptr) errors_.insert(errors_.end(), found->begin(), found->end());
  if (!rate || !latency) return;
  if (*rate < 1e6 || *latency < 0 || *latency > 1'000'000'000'000)
    return Report(line.number, line.words[2].column, "a link slower than 1Mbps or 1s away", "");
  link.rate = BitRate::BitsPerSecond(*rate);
  link.latency = SimDuration(*latency);
  link.loses =
      line.words.size() > 4 && line.words[4].text.find_first_not_of("0.") != std::string_view::npos;
  out_.link.push_back(link);
}

Result<NodeFile> NodeFileReader::Read() {
  const std::vector<TextLine> lines = SplitLines(input_.text);
  std::vector<const TextLine*> full;
  for (const TextLine& line : lines)
    if (!line.words.empty() && line.words[0].text[0] != '#') full.push_back(&line);
  if (full.size() < 2)
    return Fail(ErrorCode::kSyntax, {input_.file, 1, 1}, "no topology: fewer than two lines",
                simai_ ? "104 8 8 32 320 H100" : "9 1 8");
  if (!ReadHeader(*full[0])) return tl::make_unexpected(errors_);
  out_.node.resize(static_cast<std::size_t>(out_.nodes));
  // Without switches the line of their ids is empty.
  std::size_t next = ReadSwitchIds(full);
  if (!errors_.empty()) return tl::make_unexpected(errors_);
  for (; next < full.size(); ++next) {
    const bool all = static_cast<std::int64_t>(out_.link.size()) >= out_.links;
    if (all && !WholeNumber(full[next]->words[0].text, kMostNodes)) break;
    ReadLink(*full[next]);
    if (errors_.size() > 20) break;
  }
  if (errors_.empty() && static_cast<std::int64_t>(out_.link.size()) != out_.links)
    Report(full[0]->number, full[0]->words[simai_ ? 4 : 2].column,
           fmt::format("the first line says {} links, and {} follow", out_.links, out_.link.size()),
           "as many as there are: was the file cut off?");
  if (!errors_.empty()) return tl::make_unexpected(errors_);
  return std::move(out_);
}

// From nodes to hosts: `per_server` ends are a host, each with a NIC whose ports are the end's
// links to switches, in order.
class NodeWiring {
 public:
  NodeWiring(const NodeFile& file, const FormatInput& input) : file_(file), input_(input) {}

  Result<Wiring> Make();

 private:
  void Report(const NodeLink& link, std::string message, std::string hint) {
    errors_.push_back({ErrorCode::kInconsistent,
                       {input_.file, link.line, 1},
                       std::move(message),
                       std::move(hint)});
  }
  std::uint32_t HostOf(const Node& end) const {
    return end.row / static_cast<std::uint32_t>(file_.per_server);
  }
  void AddNvlink(const NodeLink& link, const Node& end, const Node& nvswitch);
  void AddCable(const NodeLink& link, const Node& a, const Node& b);
  void SetHosts();
  void AddNotes();

  const NodeFile& file_;
  const FormatInput& input_;
  Wiring out_;
  Errors errors_;
  std::map<std::uint32_t, std::uint32_t> host_of_nvswitch_;
  std::map<std::uint32_t, BitRate> nvlink_, nic_;  // of an end, all its links together
  std::map<std::uint32_t, int> ports_;
  SimDuration nvlink_latency_{};
};

void NodeWiring::AddNvlink(const NodeLink& link, const Node& end, const Node& nvswitch) {
  const std::uint32_t host = HostOf(end);
  const auto [at, added] = host_of_nvswitch_.try_emplace(nvswitch.row, host);
  if (at->second != host)
    return Report(link, "this NVSwitch joins GPUs of two servers",
                  "one server's GPUs alone: weft's hosts do not share an NVSwitch");
  nvlink_[end.row] = nvlink_[end.row] + link.rate;
  nvlink_latency_ = std::max(nvlink_latency_, link.latency);
}

void NodeWiring::AddCable(const NodeLink& link, const Node& a, const Node& b) {
  if (a.kind != Node::Kind::kEnd) {
    out_.cables.push_back({{false, a.row, 0, 0}, {false, b.row, 0, 0}, link.rate, link.latency});
    return;
  }
  const int port = ports_[a.row]++;
  if (port == 8)
    return Report(link, fmt::format("node {} has more than 8 links to switches", link.a),
                  "at most 8: ports of its NIC");
  nic_[a.row] = nic_[a.row] + link.rate;
  const auto nic = static_cast<int>(a.row % static_cast<std::uint32_t>(file_.per_server));
  out_.cables.push_back(
      {{true, HostOf(a), nic, port}, {false, b.row, 0, 0}, link.rate, link.latency});
}

void NodeWiring::SetHosts() {
  std::string gpu = file_.gpu_type;
  std::transform(gpu.begin(), gpu.end(), gpu.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  const bool known = !gpu.empty() && FindGpu(gpu);
  if (!gpu.empty() && !known)
    out_.notes.push_back(
        fmt::format("GPU {} is no preset of weft: its own figures are left out", file_.gpu_type));
  const std::int64_t ends = file_.nodes - file_.nvswitches - file_.switches;
  for (std::uint32_t h = 0; h < static_cast<std::uint32_t>(ends / file_.per_server); ++h) {
    HostSpec spec = DefaultHostSpec();
    if (known) spec.set_gpu(gpu);
    spec.set_gpus(static_cast<int>(file_.per_server));
    spec.set_nics(static_cast<int>(file_.per_server));
    BitRate nvlink, nic;
    int ports = 1;
    for (std::uint32_t g = 0; g < static_cast<std::uint32_t>(file_.per_server); ++g) {
      const std::uint32_t end = h * static_cast<std::uint32_t>(file_.per_server) + g;
      nvlink = std::max(nvlink, nvlink_[end]);
      nic = std::max(nic, nic_[end]);
      ports = std::max(ports, ports_[end]);
    }
    if (nvlink > BitRate()) {
      spec.set_nvlink(nvlink.bits_per_second());
      spec.set_nvlink_latency(nvlink_latency_.count());
    } else {
      spec.clear_gpu();  // the preset would bring NVLinks that the file has not
    }
    if (nic > BitRate()) spec.set_nic(nic.bits_per_second());
    spec.set_nic_ports(ports);
    spec.set_pcie(std::max(spec.pcie(), spec.nic()));
    out_.hosts.push_back({fmt::format("host{}", h), std::move(spec), {}, {}});
  }
}

void NodeWiring::AddNotes() {
  const auto lossy = std::count_if(file_.link.begin(), file_.link.end(),
                                   [](const NodeLink& link) { return link.loses; });
  if (lossy > 0)
    out_.notes.push_back(
        fmt::format("{} links have an error rate, which weft does not model", lossy));
  out_.notes.push_back(
      "PCIe is not in the file: weft's defaults, or the NIC's rate where that is higher");
}

Result<Wiring> NodeWiring::Make() {
  for (std::size_t id = 0; id < file_.node.size(); ++id)
    if (file_.node[id].kind == Node::Kind::kSwitch) {
      out_.switches.resize(std::max<std::size_t>(out_.switches.size(), file_.node[id].row + 1));
      out_.switches[file_.node[id].row].name = fmt::format("switch{}", id);
    }
  using enum Node::Kind;
  for (const NodeLink& link : file_.link) {
    Node a = file_.node[link.a], b = file_.node[link.b];
    if (b.kind < a.kind) std::swap(a, b);
    if (a.kind == kEnd && b.kind == kNvswitch)
      AddNvlink(link, a, b);
    else if (a.kind != kNvswitch && b.kind == kSwitch && link.a != link.b)
      AddCable(link, a, b);
    else
      Report(link, fmt::format("{} and {} cannot be joined", link.a, link.b),
             "a link joins a GPU or host and a switch, or two switches");
  }
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  SetHosts();
  AddNotes();
  return std::move(out_);
}

Result<Wiring> ReadNodes(const FormatInput& input, bool simai) {
  WEFT_TRY(const NodeFile file, NodeFileReader(input, simai).Read());
  return NodeWiring(file, input).Make();
}

std::size_t WordsOfFirstLine(std::string_view text) {
  for (const TextLine& line : SplitLines(text.substr(0, 4096))) {
    if (line.words.empty() || line.words[0].text[0] == '#') continue;
    for (std::size_t i = 0; i + 1 < line.words.size(); ++i)
      if (!WholeNumber(line.words[i].text, kMostLinks)) return 0;
    const bool last_is_whole = WholeNumber(line.words.back().text, kMostLinks).has_value();
    return (line.words.size() == 3) == last_is_whole ? line.words.size() : 0;
  }
  return 0;
}

}  // namespace

Result<Wiring> ReadSimai(const FormatInput& input) {
  Result<Wiring> wiring = ReadNodes(input, true);
  if (wiring) wiring->tiers = {"tor", "agg", "core"};  // SimAI's ASW and PSW
  return wiring;
}

Result<Wiring> ReadNs3(const FormatInput& input) {
  Result<Wiring> wiring = ReadNodes(input, false);
  if (wiring) wiring->notes.push_back("every node is taken for a host of one GPU and one NIC");
  return wiring;
}

bool LooksLikeSimai(std::string_view text) { return WordsOfFirstLine(text) == 6; }
bool LooksLikeNs3(std::string_view text) { return WordsOfFirstLine(text) == 3; }

}  // namespace weft
