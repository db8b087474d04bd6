#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "topology/formats/format.h"
#include "topology/row_sets.h"

// Slurm's topology.conf for its tree plugin [SLURM topology.conf(5)], which wants a tree: every
// node under one switch, every switch under at most one. A Clos is none, so what Slurm gets is
// how far hosts are from each other: segment, pod, fabric. Where one switch is a segment, the
// segment has its name. What no way joins, as two zones, shares no top: Slurm then places no job
// over both, whose halves could not speak.

namespace weft {
namespace {

struct Place {
  std::uint32_t zone = 0;  // the first host that cables join to those here
  int pod = 0, segment = 0;
  auto operator<=>(const Place&) const = default;
};

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

// The row of the first host that `host` reaches by cables, by host.
std::vector<std::uint32_t> ZoneOfHosts(const Wiring& wiring) {
  const auto hosts = static_cast<std::uint32_t>(wiring.hosts.size());
  RowSets sets(wiring.hosts.size() + wiring.switches.size());
  const auto row = [&](const Wiring::End& end) { return end.is_host ? end.row : hosts + end.row; };
  for (const Wiring::Cable& cable : wiring.cables) sets.Join(row(cable.a), row(cable.b));
  std::vector<std::uint32_t> out;
  for (std::uint32_t h = 0; h < hosts; ++h) out.push_back(sets.Of(h));
  return out;
}

// Names that weft makes up: none that a host or a switch has already.
class MadeUpNames {
 public:
  explicit MadeUpNames(const Wiring& wiring) {
    for (const Wiring::Host& host : wiring.hosts) taken_.insert(host.name);
    for (const Wiring::Switch& one : wiring.switches) taken_.insert(SlurmName(one.name));
  }
  std::string Make(std::string name) {
    while (!taken_.insert(name).second) name += "_";
    return name;
  }

 private:
  std::set<std::string> taken_;
};

}  // namespace

std::string WriteSlurm(const Wiring& wiring) {
  const std::vector<std::uint32_t> zone_of = ZoneOfHosts(wiring);
  MadeUpNames made_up(wiring);
  std::map<Place, std::vector<std::string>> hosts;
  std::map<Place, std::set<std::uint32_t>> leaves;
  const auto place = [&](std::uint32_t h) {
    return Place{zone_of[h], wiring.hosts[h].pod.value_or(0), wiring.hosts[h].segment.value_or(0)};
  };
  for (std::uint32_t h = 0; h < wiring.hosts.size(); ++h)
    hosts[place(h)].push_back(wiring.hosts[h].name);
  for (const Wiring::Cable& cable : wiring.cables)
    if (cable.a.is_host) leaves[place(cable.a.row)].insert(cable.b.row);

  std::string out =
      "# How far hosts are from each other, for TopologyPlugin=topology/tree. Written by weft.\n";
  std::map<std::pair<std::uint32_t, int>, std::vector<std::string>> pods;  // by zone and pod
  for (const auto& [where, names] : hosts) {
    const auto& switches = leaves[where];
    std::string name = switches.size() == 1
                           ? SlurmName(wiring.switches[*switches.begin()].name)
                           : made_up.Make(fmt::format("pod{}.segment{}", where.pod, where.segment));
    if (switches.size() > 1)
      out += fmt::format("# {}: {} switches, {} and others\n", name, switches.size(),
                         wiring.switches[*switches.begin()].name);
    out += fmt::format("SwitchName={} Nodes={}\n", name, HostList(names));
    pods[{where.zone, where.pod}].push_back(std::move(name));
  }
  std::map<std::uint32_t, std::vector<std::string>> tops;  // by zone
  for (const auto& [where, names] : pods) {
    std::vector<std::string>& top = tops[where.first];
    const auto next = pods.upper_bound({where.first, std::numeric_limits<int>::max()});
    const bool only_pod = std::distance(pods.lower_bound({where.first, 0}), next) == 1;
    if (only_pod || names.size() == 1) {
      top.insert(top.end(), names.begin(), names.end());
      continue;
    }
    top.push_back(made_up.Make(fmt::format("pod{}", where.second)));
    out += fmt::format("SwitchName={} Switches={}\n", top.back(), fmt::join(names, ","));
  }
  if (tops.size() > 1)
    out += fmt::format(
        "# {} parts that no way joins: each has a top of its own, and no job gets hosts of two.\n",
        tops.size());
  int zone_count = 0;
  for (const auto& [row, top] : tops)
    if (top.size() > 1)
      out += fmt::format(
          "SwitchName={} Switches={}\n",
          made_up.Make(tops.size() == 1 ? "fabric" : fmt::format("zone{}", zone_count++)),
          fmt::join(top, ","));
  return out;
}

}  // namespace weft
