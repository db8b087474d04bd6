#include "topology/formats/wiring.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "base/schema/flatten.h"
#include "base/schema/reader.h"

namespace weft {
namespace {

// What a host's keys say that its graph does not: the GPU's name, transport, power.
std::vector<const HostSpec*> SpecOfHosts(const FabricSpec& spec, const HostSpec* host,
                                         std::size_t hosts) {
  if (host == nullptr && spec.has_host()) host = &spec.host();
  std::vector<const HostSpec*> out;
  for (const CustomHosts& group : spec.custom().hosts())
    out.insert(out.end(), group.has_count() ? static_cast<std::size_t>(group.count()) : 1,
               group.has_host() ? &group.host() : host);
  out.resize(hosts, host);
  return out;
}

HostSpec SpecOf(const Fabric& fabric, const Host& host, const HostSpec* said) {
  HostSpec spec = said != nullptr ? *said : DefaultHostSpec();
  spec.set_gpus(host.gpus);
  spec.set_nics(host.nics);
  int ports = 0;
  double port_bps = 0;
  for (std::uint32_t n = 0; n < host.nics; ++n)
    for (const Link& link : fabric.links_from(VertexId{Index(host.first_nic) + n})) {
      if (link.link_class == LinkClass::kNetwork) {
        ports = std::max(ports, link.number + 1);
        port_bps = std::max(port_bps, link.rate.bits_per_second());
      } else {
        spec.set_pcie(link.rate.bits_per_second());
        spec.set_pcie_latency(link.latency.count());
      }
    }
  if (ports > 0) {
    spec.set_nic_ports(ports);
    spec.set_nic(port_bps * ports);
  }
  spec.clear_nvlink();
  if (host.nvswitch != kNoVertex) {
    const Link& link = fabric.links_from(host.nvswitch).front();
    spec.set_nvlink(link.rate.bits_per_second());
    spec.set_nvlink_latency(link.latency.count());
  }
  return spec;
}

}  // namespace

std::string DeviceName(const Wiring& wiring, const Wiring::End& end) {
  return end.is_host ? wiring.hosts[end.row].name : wiring.switches[end.row].name;
}

std::string EndName(const Wiring& wiring, const Wiring::End& end) {
  if (!end.is_host) return wiring.switches[end.row].name;
  return fmt::format("{}/nic{}/port{}", wiring.hosts[end.row].name, end.nic, end.port);
}

HostSpec DefaultHostSpec() {
  Result<Located<HostSpec>> spec = ParseText<HostSpec>("{ gpus: 1 }", "default", {});
  WEFT_CHECK(spec.has_value());
  return spec->message;
}

Wiring MakeWiring(const Fabric& fabric, const FabricSpec& spec, const HostSpec* host) {
  Wiring out;
  const std::vector<const HostSpec*> said = SpecOfHosts(spec, host, fabric.host_count());
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const Host& row = fabric.host(HostId{h});
    out.hosts.push_back(
        {fabric.HostName(HostId{h}), SpecOf(fabric, row, said[h]), row.pod, row.segment});
  }
  std::uint32_t first_switch = fabric.vertex_count();
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    const Vertex& vertex = fabric.vertex(VertexId{v});
    if (vertex.kind != VertexKind::kSwitch) continue;
    first_switch = std::min(first_switch, v);
    const TierNaming& naming = fabric.naming(vertex.tier);
    Wiring::Switch row{fabric.Name(VertexId{v}), vertex.tier, vertex.plane, {}, {}};
    if (naming.in_pod) row.pod = vertex.pod;
    if (naming.in_segment) row.segment = vertex.segment;
    out.switches.push_back(std::move(row));
  }
  for (const TierCount& tier : fabric.counts().tiers) out.tiers.push_back(tier.name);
  for (const Link& link : fabric.links()) {
    if (link.link_class != LinkClass::kNetwork || link.from > link.to) continue;
    const Vertex& from = fabric.vertex(link.from);
    Wiring::End a{false, Index(link.from) - first_switch, 0, 0};
    if (from.kind == VertexKind::kNic)
      a = {true, Index(from.host), static_cast<int>(from.number), link.number};
    out.cables.push_back(
        {a, {false, Index(link.to) - first_switch, 0, 0}, link.rate, link.latency});
  }
  return out;
}

namespace {

// A name without signs that stand for something else in a custom fabric.
std::string CleanName(const std::string& name, bool host) {
  std::string out = name.substr(0, 150);
  for (char& c : out)
    if (static_cast<unsigned char>(c) <= ' ' || c == '*' || c == '[' || c == ']' || c == '"' ||
        (host && c == '/'))
      c = '_';
  return out.empty() ? "unnamed" : out;
}

void MakeNamesUnique(Wiring& wiring) {
  std::set<std::string> taken;
  const auto rename = [&](std::string& name, bool host) {
    std::string clean = CleanName(name, host);
    for (std::size_t i = 2; !taken.insert(clean).second; ++i)
      clean = fmt::format("{}.{}", CleanName(name, host), i);
    if (clean == name) return;
    wiring.notes.push_back(fmt::format("'{}' is called {} here", name, clean));
    name = std::move(clean);
  };
  for (Wiring::Host& host : wiring.hosts) rename(host.name, true);
  for (Wiring::Switch& one : wiring.switches) rename(one.name, false);
}

// Counts the ports in use of every NIC from 0; how many NICs that changed.
void CloseGaps(Wiring& wiring) {
  std::map<std::pair<std::uint32_t, int>, std::set<int>> used;
  for (const Wiring::Cable& cable : wiring.cables)
    if (cable.a.is_host) used[{cable.a.row, cable.a.nic}].insert(cable.a.port);
  std::size_t changed = 0;
  for (const auto& [nic, ports] : used)
    changed += *ports.rbegin() + 1 != static_cast<int>(ports.size()) ? 1u : 0u;
  if (changed == 0) return;
  for (Wiring::Cable& cable : wiring.cables) {
    if (!cable.a.is_host) continue;
    const std::set<int>& ports = used[{cable.a.row, cable.a.nic}];
    cable.a.port = static_cast<int>(std::distance(ports.begin(), ports.find(cable.a.port)));
  }
  wiring.notes.push_back(
      fmt::format("of {} NIC{} a port before one in use has no cable: ports in use are counted "
                  "from 0",
                  changed, changed == 1 ? "" : "s"));
}

}  // namespace

void MakeBuildable(Wiring& wiring) {
  MakeNamesUnique(wiring);
  CloseGaps(wiring);
}

}  // namespace weft
