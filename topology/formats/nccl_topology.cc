#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "topology/formats/format.h"
#include "topology/formats/text_lines.h"
#include "topology/formats/xml_internal.h"

// A host as NCCL sees it [NCCL 2.28.9 src/graph/xml.cc]: what NCCL_TOPO_FILE reads and
// NCCL_TOPO_DUMP_FILE writes. CPUs hold PCI devices, bridges hold others; a device is a GPU or a
// NIC by its class, or by a <gpu> or <nic> in it. Rates of NICs and NVLinks are in dumps alone.

namespace weft {
namespace {

struct PciDevice {
  pugi::xml_node node;
  std::vector<pugi::xml_node> above;  // CPU first
};

// What a PCI link carries after its coding: 8b/10b to 5 GT/s, then 128b/130b, flits from 64.
std::optional<BitRate> PcieRate(pugi::xml_node pci) {
  const double gigatransfers = pci.attribute("link_speed").as_double();
  const int width = pci.attribute("link_width").as_int();
  if (gigatransfers <= 0 || width <= 0) return std::nullopt;
  const double coding = gigatransfers <= 5 ? 0.8 : gigatransfers < 64 ? 128.0 / 130 : 242.0 / 256;
  return GigabitsPerSecond(std::floor(gigatransfers * width * coding * 1000) / 1000);
}

// One NVLink, one direction, by compute capability times ten: 25 GB/s but for Pascal's 20 and
// what Blackwell doubled [NV-A100] [NV-H100].
double NvlinkGBps(int sm) { return sm < 70 ? 20 : sm < 100 ? 25 : 50; }

class NcclReader {
 public:
  NcclReader(const XmlFile& xml, const FormatInput& input) : xml_(xml), input_(input) {}

  Result<Wiring> Read();

 private:
  void Report(pugi::xml_node node, std::string message, std::string hint) {
    errors_.push_back(
        {ErrorCode::kInconsistent, xml_.At(node), std::move(message), std::move(hint)});
  }
  void Walk(pugi::xml_node node, std::vector<pugi::xml_node>& above);
  void ReadPcie();
  void ReadNics();
  void ReadNvlinks();
  void CheckNearest();

  const XmlFile& xml_;
  const FormatInput& input_;
  Errors errors_;
  std::vector<PciDevice> gpus_, nics_;
  std::set<std::string> numa_;
  std::size_t bridges_ = 0;
  HostSpec spec_ = DefaultHostSpec();
  std::vector<std::string> notes_;
};

void NcclReader::Walk(pugi::xml_node node, std::vector<pugi::xml_node>& above) {
  for (const pugi::xml_node child : node.children()) {
    const std::string_view name = child.name();
    if (name == "cpu") numa_.insert(child.attribute("numaid").value());
    if (name == "pci") {
      const std::string_view kind = child.attribute("class").value();
      if (child.child("gpu") || kind.starts_with("0x0302") || kind.starts_with("0x0300"))
        gpus_.push_back({child, above});
      else if (child.child("nic") || kind.starts_with("0x02"))
        nics_.push_back({child, above});
      else if (child.child("pci"))
        ++bridges_;
    }
    // NICs that are on no PCI bus stand in the CPU, as NCCL writes virtual ones.
    if (name == "nic" && std::string_view(node.name()) == "cpu" && child.child("net"))
      nics_.push_back({node, above});
    if (name != "cpu" && name != "pci") continue;
    above.push_back(child);
    Walk(child, above);
    above.pop_back();
  }
}

void NcclReader::ReadPcie() {
  std::optional<BitRate> slowest, fastest;
  for (const PciDevice& gpu : gpus_) {
    const auto rate = PcieRate(gpu.node);
    if (!rate) {
      Report(gpu.node, "this GPU's link_speed or link_width is missing",
             "link_speed=\"16 GT/s\" link_width=\"16\"");
      continue;
    }
    slowest = slowest ? std::min(*slowest, *rate) : *rate;
    fastest = fastest ? std::max(*fastest, *rate) : *rate;
  }
  if (!slowest) return;
  spec_.set_pcie(slowest->bits_per_second());
  if (*fastest > *slowest)
    notes_.push_back("GPUs have PCI links of several rates: the slowest is taken for all");
}

void NcclReader::ReadNics() {
  std::set<std::pair<int, double>> kinds;  // ports, rate
  bool from_pcie = false, from_option = false;
  for (const PciDevice& nic : nics_) {
    double bps = 0;
    int ports = 0;
    for (const pugi::xml_node holder : nic.node.children("nic"))
      for (const pugi::xml_node net : holder.children("net")) {
        ++ports;
        bps += net.attribute("speed").as_double() * 1e6;  // Mb/s
      }
    const auto pcie = PcieRate(nic.node);
    if (bps <= 0 && input_.nic) {
      bps = input_.nic->bits_per_second();
      from_option = true;
    } else if (bps <= 0 && pcie) {
      bps = pcie->bits_per_second();
      from_pcie = true;
    } else if (bps <= 0) {
      Report(nic.node, "this NIC's rate is not in the file, nor its PCI link's",
             "--nic 400Gbps says it");
      continue;
    }
    kinds.emplace(std::clamp(ports, 1, 8), bps);
    if (std::string_view(nic.node.attribute("vendor").value()) == "0x1d0f")
      spec_.set_transport(HostSpec::EFA);
    else if (std::string_view(nic.node.attribute("class").value()).starts_with("0x0207"))
      spec_.set_transport(HostSpec::IB);
  }
  if (kinds.empty()) return;
  const auto slowest = *std::min_element(
      kinds.begin(), kinds.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (kinds.size() > 1)
    notes_.push_back(
        fmt::format("NICs are of {} kinds: the slowest is taken for all", kinds.size()));
  spec_.set_nic_ports(slowest.first);
  spec_.set_nic(slowest.second);
  if (from_pcie)
    notes_.push_back(
        "assumption: NICs' rates are not in the file: nic: is what their PCI link carries, the "
        "most it can be; --nic says it");
  if (from_option && !from_pcie) notes_.push_back("NICs' rates are as --nic says");
}

void NcclReader::ReadNvlinks() {
  std::set<double> rates_GBps;
  for (const PciDevice& gpu : gpus_) {
    double links = 0;
    const pugi::xml_node part = gpu.node.child("gpu");
    for (const pugi::xml_node nvlink : part.children("nvlink"))
      links += nvlink.attribute("count").as_double();
    rates_GBps.insert(links * NvlinkGBps(part.attribute("sm").as_int(90)));
  }
  if (rates_GBps.empty() || *rates_GBps.begin() <= 0) {
    notes_.push_back("no NVLinks are in the file: without nvlink: the host has no NVSwitch");
    return;
  }
  if (rates_GBps.size() > 1)
    notes_.push_back("GPUs have unlike NVLinks: the slowest are taken for all");
  spec_.set_nvlink(*rates_GBps.begin() * 8e9);
}

// weft hangs GPU g from NIC g·nics/gpus; does NCCL's tree?
void NcclReader::CheckNearest() {
  const auto shared = [](const PciDevice& a, const PciDevice& b) {
    std::size_t n = 0;
    while (n < a.above.size() && n < b.above.size() && a.above[n] == b.above[n]) ++n;
    return n;
  };
  for (std::size_t g = 0; g < gpus_.size(); ++g) {
    const std::size_t own = g * nics_.size() / gpus_.size();
    std::size_t nearest = own;
    for (std::size_t n = 0; n < nics_.size(); ++n)
      if (shared(gpus_[g], nics_[n]) > shared(gpus_[g], nics_[nearest])) nearest = n;
    if (nearest != own)
      notes_.push_back(
          fmt::format("GPU {} is nearest to NIC {} here, and weft hangs it from NIC "
                      "{}, as it does for every host",
                      g, nearest, own));
  }
}

Result<Wiring> NcclReader::Read() {
  if (std::string_view(xml_.root().name()) != "system") {
    Report(xml_.root(), fmt::format("<{}> is no topology of NCCL", xml_.root().name()),
           "<system version=\"1\">");
    return tl::make_unexpected(std::move(errors_));
  }
  std::vector<pugi::xml_node> above;
  Walk(xml_.root(), above);
  if (gpus_.empty() || gpus_.size() > 1024)
    Report(xml_.root(), fmt::format("{} GPUs are in the file", gpus_.size()),
           "1 to 1024: <pci class=\"0x030200\" …> or one with a <gpu>");
  if (nics_.empty() || nics_.size() > 255)
    Report(xml_.root(), fmt::format("{} NICs are in the file", nics_.size()),
           "1 to 255: <pci class=\"0x0200…\" or \"0x0207…\"> or one with a <nic>");
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  spec_.set_gpus(static_cast<int>(gpus_.size()));
  spec_.set_nics(static_cast<int>(nics_.size()));
  ReadPcie();
  ReadNics();
  if (!errors_.empty()) return tl::make_unexpected(std::move(errors_));
  notes_.push_back(
      fmt::format("{} NUMA node{} and {} PCI switch{} or bridge{}: weft's host has "
                  "neither, a GPU reaches its NIC by one link",
                  numa_.size(), numa_.size() == 1 ? "" : "s", bridges_, bridges_ == 1 ? "" : "es",
                  bridges_ == 1 ? "" : "s"));
  ReadNvlinks();
  CheckNearest();
  Wiring out;
  out.hosts.push_back({"host0", spec_, {}, {}});
  out.notes = std::move(notes_);
  return out;
}

}  // namespace

Result<Wiring> ReadNcclTopology(const FormatInput& input) {
  WEFT_TRY(const XmlFile xml, XmlFile::Parse(input.text, input.file));
  return NcclReader(xml, input).Read();
}

bool LooksLikeNcclTopology(std::string_view text) {
  return text.find("<system") != std::string_view::npos;
}

}  // namespace weft
