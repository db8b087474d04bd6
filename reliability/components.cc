// What stands in a fabric, and what of it has a twin.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "reliability/reliability.h"

namespace weft {
namespace {

// The switches that a NIC is cabled to, in the order of its ports; one may stand there twice.
std::vector<VertexId> SwitchesOf(const Fabric& fabric, VertexId nic) {
  std::vector<VertexId> out;
  for (const Link& link : fabric.links_from(nic))
    if (link.link_class == LinkClass::kNetwork) out.push_back(link.to);
  return out;
}

bool AllOne(const std::vector<VertexId>& switches) {
  return std::all_of(switches.begin(), switches.end(),
                     [&](VertexId one) { return one == switches.front(); });
}

void CountNics(const Fabric& fabric, ComponentCounts& out, std::set<std::uint32_t>& only_way) {
  for (const Host& host : fabric.hosts()) {
    for (std::uint32_t n = 0; n < host.nics; ++n) {
      const auto to = SwitchesOf(fabric, VertexId{Index(host.first_nic) + n});
      if (to.empty()) continue;
      ++out.nics;
      // Several links to one switch: each is a way of its own, the switch is not.
      const auto links = static_cast<std::int64_t>(to.size());
      if (links == 1) {
        ++out.single_links;
      } else {
        out.paired_links += links;
        ++out.pairs;
      }
      if (AllOne(to)) only_way.insert(Index(to.front()));
    }
  }
}

// By switch, of tier 2 and above: the switches below that have no other way up.
std::map<std::uint32_t, std::vector<VertexId>> HangingFrom(const Fabric& fabric) {
  std::map<std::uint32_t, std::vector<VertexId>> out;
  for (std::uint32_t v = 0; v < fabric.vertex_count(); ++v) {
    const Vertex& one = fabric.vertex(VertexId{v});
    if (one.kind != VertexKind::kSwitch) continue;
    std::vector<VertexId> up;
    for (const Link& link : fabric.links_from(VertexId{v}))
      if (fabric.vertex(link.to).tier > one.tier) up.push_back(link.to);
    if (!up.empty() && AllOne(up)) out[Index(up.front())].push_back(VertexId{v});
  }
  return out;
}

// GPUs of hosts that have a NIC with no link but to `tor`, by tor.
std::map<std::uint32_t, std::int64_t> StoppedByTor(const Fabric& fabric) {
  std::map<std::uint32_t, std::int64_t> out;
  for (const Host& host : fabric.hosts()) {
    std::set<std::uint32_t> tors;
    for (std::uint32_t n = 0; n < host.nics; ++n) {
      const auto to = SwitchesOf(fabric, VertexId{Index(host.first_nic) + n});
      if (!to.empty() && AllOne(to)) tors.insert(Index(to.front()));
    }
    for (const std::uint32_t tor : tors) out[tor] += host.gpus;
  }
  return out;
}

// GPUs that have some link to `tor`, by tor.
std::map<std::uint32_t, std::int64_t> TouchedByTor(const Fabric& fabric) {
  std::map<std::uint32_t, std::int64_t> out;
  for (const Host& host : fabric.hosts()) {
    if (host.nics == 0) continue;
    for (std::uint32_t g = 0; g < host.gpus; ++g) {
      std::set<std::uint32_t> tors;
      for (const VertexId tor :
           SwitchesOf(fabric, fabric.NicOf(VertexId{Index(host.first_gpu) + g})))
        tors.insert(Index(tor));
      for (const std::uint32_t tor : tors) ++out[tor];
    }
  }
  return out;
}

std::int64_t Scale(std::int64_t count, double share) {
  return std::llround(static_cast<double>(count) * share);
}

}  // namespace

ComponentCounts CountComponents(const Fabric& fabric) {
  ComponentCounts out;
  out.gpus = fabric.counts().gpus;
  out.hosts = fabric.counts().hosts;
  if (!fabric.constructible()) return out;
  std::set<std::uint32_t> only_way;
  CountNics(fabric, out, only_way);
  for (const Vertex& one : fabric.vertices()) {
    if (one.kind != VertexKind::kSwitch) continue;
    const auto v = static_cast<std::uint32_t>(&one - fabric.vertices().data());
    if (one.tier > 1)
      ++out.upper_switches;
    else if (only_way.count(v) > 0)
      ++out.single_tors;
    else
      ++out.paired_tors;
    for (const Link& link : fabric.links_from(VertexId{v}))
      if (fabric.vertex(link.to).kind == VertexKind::kSwitch && v < Index(link.to))
        ++out.fabric_links;
  }
  out.single_uppers = static_cast<std::int64_t>(HangingFrom(fabric).size());
  return out;
}

ComponentCounts ShareOf(const ComponentCounts& all, std::int64_t gpus) {
  if (all.gpus == 0) return all;
  const double share = static_cast<double>(gpus) / static_cast<double>(all.gpus);
  ComponentCounts out;
  out.gpus = gpus;
  out.hosts = Scale(all.hosts, share);
  out.nics = Scale(all.nics, share);
  out.single_links = Scale(all.single_links, share);
  out.paired_links = Scale(all.paired_links, share);
  out.pairs = Scale(all.pairs, share);
  out.single_tors = Scale(all.single_tors, share);
  out.paired_tors = Scale(all.paired_tors, share);
  out.fabric_links = Scale(all.fabric_links, share);
  out.upper_switches = Scale(all.upper_switches, share);
  out.single_uppers = Scale(all.single_uppers, share);
  return out;
}

WorstPart FindWorstPart(const Fabric& fabric) {
  WorstPart out;
  if (!fabric.constructible() || fabric.gpu_count() == 0) return out;
  const auto take = [&](const std::string& name, std::int64_t stopped) {
    if (stopped == out.stopped && stopped > 0) ++out.alike;
    if (stopped <= out.stopped) return;
    out.name = name;
    out.stopped = stopped;
    out.alike = 1;
  };
  const auto by_tor = StoppedByTor(fabric), touched = TouchedByTor(fabric);
  for (const auto& [upper, below] : HangingFrom(fabric)) {
    std::int64_t stopped = 0;  // those under it have no way to the rest
    for (const VertexId one : below) {
      const auto found = touched.find(Index(one));
      stopped += found == touched.end() ? 0 : found->second;
    }
    take(fabric.Name(VertexId{upper}), stopped);
  }
  for (const auto& [tor, stopped] : by_tor) take(fabric.Name(VertexId{tor}), stopped);
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h)
    take(fabric.HostName(HostId{h}), fabric.host(HostId{h}).gpus);
  out.share = static_cast<double>(out.stopped) / static_cast<double>(fabric.gpu_count());
  std::int64_t most = 0;
  for (const auto& [tor, gpus] : touched)
    if (by_tor.count(tor) == 0) most = std::max(most, gpus);
  if (most > 0)
    out.also = fmt::format("one of a ToR's pair costs {} GPUs a share of their rate", most);
  return out;
}

}  // namespace weft
