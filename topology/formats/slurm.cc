#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "topology/formats/format.h"

// Slurm's topology.conf for its tree plugin [SLURM topology.conf(5)], which wants a tree: every
// node under one switch, every switch under at most one. A Clos is none, so what Slurm gets is
// how far hosts are from each other: segment, pod, fabric. Where one switch is a segment, the
// segment has its name.

namespace weft {
namespace {

using Place = std::pair<int, int>;  // pod, segment

// "host[0-3,8],other" of names in order.
std::string HostList(const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::uint64_t>> numbered;
  std::vector<std::string> order, plain;
  for (const std::string& name : names) {
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;
    const std::size_t count = name.size() - digits;
    // Leading zeros are part of a name: those stay as they are.
    if (count == 0 || count > 9 || digits == 0 || (count > 1 && name[digits] == '0')) {
      plain.push_back(name);
      continue;
    }
    auto& numbers = numbered[name.substr(0, digits)];
    if (numbers.empty()) order.push_back(name.substr(0, digits));
    numbers.push_back(std::stoull(name.substr(digits)));
  }
  std::string out;
  const auto comma = [&] { out += out.empty() ? "" : ","; };
  for (const std::string& stem : order) {
    std::vector<std::uint64_t>& numbers = numbered[stem];
    std::sort(numbers.begin(), numbers.end());
    std::string ranges;
    for (std::size_t first = 0, last; first < numbers.size(); first = last + 1) {
      last = first;
      while (last + 1 < numbers.size() && numbers[last + 1] == numbers[last] + 1) ++last;
      ranges += fmt::format("{}{}", ranges.empty() ? "" : ",", numbers[first]);
      if (last > first) ranges += fmt::format("-{}", numbers[last]);
    }
    comma();
    out += numbers.size() == 1 ? stem + ranges : fmt::format("{}[{}]", stem, ranges);
  }
  for (const std::string& name : plain) {
    comma();
    out += name;
  }
  return out;
}

std::string SlurmName(std::string name) {
  for (char& c : name)
    if (c == '/' || c == ',' || c == '=' || c == '#') c = '.';
  return name;
}

}  // namespace

std::string WriteSlurm(const Wiring& wiring) {
  std::map<Place, std::vector<std::string>> hosts;
  std::map<Place, std::set<std::uint32_t>> leaves;
  const auto place = [&](std::uint32_t h) {
    return Place{wiring.hosts[h].pod.value_or(0), wiring.hosts[h].segment.value_or(0)};
  };
  for (std::uint32_t h = 0; h < wiring.hosts.size(); ++h)
    hosts[place(h)].push_back(wiring.hosts[h].name);
  for (const Wiring::Cable& cable : wiring.cables)
    if (cable.a.is_host) leaves[place(cable.a.row)].insert(cable.b.row);

  std::string out =
      "# How far hosts are from each other, for TopologyPlugin=topology/tree. Written by weft.\n";
  std::map<int, std::vector<std::string>> pods;
  for (const auto& [where, names] : hosts) {
    const auto& switches = leaves[where];
    std::string name = switches.size() == 1
                           ? SlurmName(wiring.switches[*switches.begin()].name)
                           : fmt::format("pod{}.segment{}", where.first, where.second);
    if (switches.size() > 1)
      out += fmt::format("# {}: {} switches, {} and others\n", name, switches.size(),
                         wiring.switches[*switches.begin()].name);
    out += fmt::format("SwitchName={} Nodes={}\n", name, HostList(names));
    pods[where.first].push_back(std::move(name));
  }
  std::vector<std::string> tops;
  for (const auto& [pod, names] : pods) {
    if (pods.size() == 1 || names.size() == 1) {
      tops.insert(tops.end(), names.begin(), names.end());
      continue;
    }
    tops.push_back(fmt::format("pod{}", pod));
    out += fmt::format("SwitchName={} Switches={}\n", tops.back(), fmt::join(names, ","));
  }
  if (tops.size() > 1) out += fmt::format("SwitchName=fabric Switches={}\n", fmt::join(tops, ","));
  return out;
}

}  // namespace weft
