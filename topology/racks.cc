#include "topology/racks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/check.h"
#include "base/schema/quantity.h"

namespace weft {
namespace {

// A rack while it is filled.
struct Shelf {
  std::vector<DeviceId> hosts, switches;
  int reserved = 0;
  int units = 0;  // taken
  Watts power;    // that is known, the most of the plugs included
};
using Row = std::vector<Shelf>;

void InsertInMiddle(Row& row, Row middle) {
  row.insert(row.begin() + static_cast<std::ptrdiff_t>((row.size() + 1) / 2),
             std::make_move_iterator(middle.begin()), std::make_move_iterator(middle.end()));
}

// What stands together: hosts and tier-1 switches of one segment.
struct Group {
  std::vector<DeviceId> hosts, switches;
};

class Filler {
 public:
  Filler(const RackRules& rules, std::span<const DeviceSize> kinds,
         std::span<const std::uint32_t> kind_of)
      : rules_(rules), kinds_(kinds), kind_of_(kind_of) {}

  const DeviceSize& SizeOf(DeviceId device) const { return kinds_[kind_of_[Index(device)]]; }

  // How many of one kind a rack holds, by units and by the power that is known.
  int Most(const DeviceSize& device) const {
    if (device.of_rack > 0) return device.of_rack;
    const int by_units = rules_.rack.units / device.units;
    const double each_w = Known(device).count();
    if (each_w <= 0) return by_units;
    return std::min(by_units, static_cast<int>(std::floor(rules_.rack.power.count() / each_w)));
  }

  // As few racks as hosts and switches fill from the first on, and hosts evenly over them where
  // that takes no more.
  Row FillGroup(const Group& group, std::int64_t reserved) const {
    const Row hosts = FillHosts(group, reserved, {});
    Row full = TopWithSwitches(hosts, group.switches);
    const std::size_t all = group.hosts.size() + static_cast<std::size_t>(reserved);
    if (hosts.size() < 2 || !AreAlike(group.hosts, reserved)) return full;
    Row even =
        TopWithSwitches(FillHosts(group, reserved, Shares(all, hosts.size())), group.switches);
    return even.size() <= full.size() ? even : full;
  }

  Row FillSwitches(const std::vector<DeviceId>& switches) const {
    Row row;
    for (const DeviceId one : switches) {
      if (row.empty() || !HasRoom(row.back(), SizeOf(one))) row.emplace_back();
      Take(row.back(), SizeOf(one)).switches.push_back(one);
    }
    if (row.size() < 2 || !AreAlike(switches, 0)) return row;
    Row even;
    auto next = switches.begin();
    for (const std::size_t share : Shares(switches.size(), row.size())) {
      even.emplace_back();
      for (std::size_t i = 0; i < share; ++i)
        Take(even.back(), SizeOf(*next)).switches.push_back(*next), ++next;
    }
    return even;
  }

 private:
  // `count` things over `racks`, those in front one more where it does not divide.
  static std::vector<std::size_t> Shares(std::size_t count, std::size_t racks) {
    std::vector<std::size_t> out(racks, count / racks);
    for (std::size_t r = 0; r < count % racks; ++r) ++out[r];
    return out;
  }

  // One size, and no racks of their own.
  bool AreAlike(const std::vector<DeviceId>& devices, std::int64_t reserved) const {
    const DeviceSize& first = SizeOf(reserved > 0 ? DeviceId{0} : devices.front());
    return first.of_rack == 0 && std::all_of(devices.begin(), devices.end(),
                                             [&](DeviceId one) { return &SizeOf(one) == &first; });
  }

  // Racks from the first on, each until it is full or has its share.
  Row FillHosts(const Group& group, std::int64_t reserved,
                const std::vector<std::size_t>& shares) const {
    Row row;
    const auto take = [&](const DeviceSize& host) -> Shelf& {
      const auto full = [&](const Shelf& shelf) {
        const int hosts = static_cast<int>(shelf.hosts.size()) + shelf.reserved;
        if (!shares.empty() && hosts == static_cast<int>(shares[row.size() - 1])) return true;
        if (rules_.hosts_per_rack && hosts >= *rules_.hosts_per_rack) return true;
        return host.of_rack > 0 ? hosts >= host.of_rack : !HasRoom(shelf, host);
      };
      if (row.empty() || full(row.back())) row.emplace_back();
      return Take(row.back(), host);
    };
    for (const DeviceId host : group.hosts) take(SizeOf(host)).hosts.push_back(host);
    for (std::int64_t r = 0; r < reserved; ++r) ++take(SizeOf(DeviceId{0})).reserved;
    return row;
  }

  Row TopWithSwitches(Row row, const std::vector<DeviceId>& switches) const {
    const auto placed = static_cast<std::ptrdiff_t>(TopOfRacks(switches, row));
    InsertInMiddle(row, FillSwitches({switches.begin() + placed, switches.end()}));
    return row;
  }

  static Watts Known(const DeviceSize& device) {
    return device.power.value_or(Watts()) + device.plugs;
  }

  // A sum of watts may be off by some ulps.
  bool HasRoom(const Shelf& shelf, const DeviceSize& device) const {
    return shelf.units + device.units <= rules_.rack.units &&
           shelf.power + Known(device) <= rules_.rack.power * (1 + 1e-12);
  }
  static Shelf& Take(Shelf& shelf, const DeviceSize& device) {
    shelf.units += device.units;
    shelf.power = shelf.power + Known(device);
    return shelf;
  }

  // Puts as many as there is room for on the hosts' racks, the middle ones first.
  std::size_t TopOfRacks(const std::vector<DeviceId>& switches, Row& row) const {
    std::vector<std::size_t> order(row.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto off = [&](std::size_t i) {  // twice the distance from the middle
      return std::abs(2 * static_cast<std::int64_t>(i) + 1 - static_cast<std::int64_t>(row.size()));
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return off(a) < off(b); });
    std::size_t placed = 0;
    const auto closed = [&](const Shelf& shelf) {
      return !shelf.hosts.empty() && SizeOf(shelf.hosts[0]).of_rack > 0;
    };
    for (const std::size_t i : order)
      while (!closed(row[i]) && placed < switches.size() &&
             HasRoom(row[i], SizeOf(switches[placed]))) {
        const DeviceId one = switches[placed++];
        Take(row[i], SizeOf(one)).switches.push_back(one);
      }
    return placed;
  }

  const RackRules& rules_;
  const std::span<const DeviceSize> kinds_;
  const std::span<const std::uint32_t> kind_of_;
};

// All devices by where they belong.
struct Floor {
  std::map<std::pair<std::uint16_t, std::uint16_t>, Group> groups;  // by pod and segment
  std::map<std::uint16_t, std::vector<DeviceId>> of_pod;            // tiers 2 and up in a pod
  std::vector<DeviceId> above;
};

// Servers that share a rack of their own stand where its first one belongs.
Floor Gather(const Fabric& fabric, const Filler& filler) {
  Floor out;
  std::uint32_t first = 0;  // of the rack
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const DeviceSize &size = filler.SizeOf(DeviceId{h}), &of = filler.SizeOf(DeviceId{first});
    if (&size != &of || h - first >= static_cast<std::uint32_t>(size.of_rack)) first = h;
    const Host& host = fabric.host(HostId{first});
    out.groups[{host.pod, host.segment}].hosts.push_back(DeviceId{h});
  }
  for (std::uint32_t v = FirstSwitch(fabric); v < fabric.vertex_count(); ++v) {
    const Vertex& vertex = fabric.vertex(VertexId{v});
    const DeviceId device = DeviceOf(fabric, VertexId{v});
    if (vertex.tier == 1)
      out.groups[{vertex.pod, vertex.segment}].switches.push_back(device);
    else if (fabric.naming(vertex.tier).in_pod)
      out.of_pod[vertex.pod].push_back(device);
    else
      out.above.push_back(device);
  }
  return out;
}

// Switches of a segment without hosts stand with the segment before: so does a router between two
// that a host's NICs straddle.
void JoinWithoutHosts(Floor& floor) {
  Group* before = nullptr;
  std::uint16_t pod = 0;
  for (auto at = floor.groups.begin(); at != floor.groups.end();) {
    if (before != nullptr && at->first.first == pod && at->second.hosts.empty()) {
      before->switches.insert(before->switches.end(), at->second.switches.begin(),
                              at->second.switches.end());
      at = floor.groups.erase(at);
      continue;
    }
    before = &at->second;
    pod = at->first.first;
    ++at;
  }
}

Row FillFloor(const Fabric& fabric, const Filler& filler) {
  Floor floor = Gather(fabric, filler);
  JoinWithoutHosts(floor);
  const std::int64_t reserve = fabric.provisioned().hosts - fabric.counts().hosts;
  std::int64_t with_hosts = 0;
  for (const auto& [where, group] : floor.groups) with_hosts += group.hosts.empty() ? 0 : 1;
  const std::int64_t each = with_hosts == 0 ? 0 : (reserve + with_hosts - 1) / with_hosts;

  std::vector<Row> pods;
  std::optional<std::uint16_t> pod;
  std::vector<std::uint16_t> pod_numbers;
  std::int64_t left = reserve;
  for (const auto& [where, group] : floor.groups) {
    if (pod != where.first) {
      pods.emplace_back();
      pod_numbers.push_back(where.first);
      pod = where.first;
    }
    const std::int64_t reserved = group.hosts.empty() ? 0 : std::min(each, left);
    left -= reserved;
    Row row = filler.FillGroup(group, reserved);
    std::move(row.begin(), row.end(), std::back_inserter(pods.back()));
  }
  Row out;
  std::size_t middle = 0;
  for (std::size_t p = 0; p < pods.size(); ++p) {
    InsertInMiddle(pods[p], filler.FillSwitches(floor.of_pod[pod_numbers[p]]));
    std::move(pods[p].begin(), pods[p].end(), std::back_inserter(out));
    if (p + 1 == pods.size() / 2) middle = out.size();
  }
  if (pods.size() < 2) middle = (out.size() + 1) / 2;
  Row above = filler.FillSwitches(floor.above);
  out.insert(out.begin() + static_cast<std::ptrdiff_t>(middle),
             std::make_move_iterator(above.begin()), std::make_move_iterator(above.end()));
  return out;
}

std::string Describe(const DeviceSize& device) {
  std::string out = fmt::format("{} units", device.units);
  if (device.power)
    out += " and " + FormatQuantity((*device.power + device.plugs).count(), Unit::POWER) +
           " with its plugs";
  return out;
}

void CheckFits(const DeviceSize& device, const RackRules& rules, const Filler& filler,
               const SourceMap& sources, Errors& errors) {
  if (filler.Most(device) > 0) return;
  errors.push_back({ErrorCode::kInconsistent, sources.At("cabling.rack").pos,
                    fmt::format("a {} of {} does not fit a rack of {} units and {}", device.name,
                                Describe(device), rules.rack.units,
                                FormatQuantity(rules.rack.power.count(), Unit::POWER)),
                    "a larger cabling.rack"});
}

// hosts_per_rack is the most of a rack: too many is what no kind of host comes to.
void CheckHostsPerRack(const Fabric& fabric, const RackRules& rules, const Filler& filler,
                       const SourceMap& sources, Errors& errors) {
  if (!rules.hosts_per_rack) return;
  const DeviceSize* small = nullptr;
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) {
    const DeviceSize& host = filler.SizeOf(DeviceId{h});
    if (small == nullptr || filler.Most(host) > filler.Most(*small)) small = &host;
  }
  if (small == nullptr || *rules.hosts_per_rack <= filler.Most(*small)) return;
  errors.push_back({ErrorCode::kInconsistent, sources.At("cabling.hosts_per_rack").pos,
                    fmt::format("'hosts_per_rack' is {}, and a rack holds {} hosts of {}",
                                *rules.hosts_per_rack, filler.Most(*small), Describe(*small)),
                    fmt::format("at most {}, or a larger cabling.rack", filler.Most(*small))});
}

}  // namespace

std::uint32_t FirstSwitch(const Fabric& fabric) {
  if (fabric.host_count() == 0) return 0;
  const Host& last = fabric.hosts().back();
  return Index(last.first_nic) + last.nics;
}

DeviceId DeviceOf(const Fabric& fabric, VertexId vertex) {
  const Vertex& one = fabric.vertex(vertex);
  if (one.kind != VertexKind::kSwitch) return DeviceId{Index(one.host)};
  return DeviceId{fabric.host_count() + Index(vertex) - FirstSwitch(fabric)};
}

std::uint32_t DeviceCount(const Fabric& fabric) {
  return fabric.host_count() + fabric.vertex_count() - FirstSwitch(fabric);
}

std::string DeviceName(const Fabric& fabric, DeviceId device) {
  if (Index(device) < fabric.host_count()) return fabric.HostName(HostId{Index(device)});
  return fabric.Name(VertexId{FirstSwitch(fabric) + Index(device) - fabric.host_count()});
}

RackRules MakeRackRules(const CablingSpec& spec) {
  RackRules out;
  out.rack = MakeRackPart(spec.rack());
  if (spec.has_hosts_per_rack()) out.hosts_per_rack = spec.hosts_per_rack();
  out.racks_per_row = spec.racks_per_row();
  out.row_pitch = Metres(spec.row_pitch());
  out.tray = Metres(spec.tray());
  out.per_end = Metres(spec.per_end());
  out.slack = spec.slack();
  return out;
}

Result<RackPlan> PlanRacks(const Fabric& fabric, const RackRules& rules,
                           std::span<const DeviceSize> kinds,
                           std::span<const std::uint32_t> kind_of, const SourceMap& sources) {
  const Filler filler(rules, kinds, kind_of);
  Errors errors;
  for (const DeviceSize& kind : kinds) CheckFits(kind, rules, filler, sources, errors);
  if (errors.empty()) CheckHostsPerRack(fabric, rules, filler, sources, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));

  RackPlan plan;
  plan.place.resize(DeviceCount(fabric));
  const auto per_row = static_cast<std::uint32_t>(rules.racks_per_row);
  std::uint32_t at = 0;  // places in rows, row after row
  for (const Shelf& shelf : FillFloor(fabric, filler)) {
    const auto number = static_cast<std::uint32_t>(plan.racks.size());
    Rack rack;
    rack.row = at / per_row;
    rack.column = at % per_row;
    if (!shelf.hosts.empty()) rack.racks = filler.SizeOf(shelf.hosts[0]).racks;
    at += static_cast<std::uint32_t>(rack.racks);
    rack.hosts = static_cast<int>(shelf.hosts.size());
    rack.reserved_hosts = shelf.reserved;
    rack.switches = static_cast<int>(shelf.switches.size());
    rack.units = shelf.units;
    int unit = 1;
    for (const DeviceId device : shelf.hosts) {
      plan.place[Index(device)] = {number, static_cast<std::uint16_t>(unit)};
      unit += filler.SizeOf(device).units;
    }
    unit = rules.rack.units + 1;
    for (const DeviceId device : shelf.switches) {
      unit -= filler.SizeOf(device).units;
      plan.place[Index(device)] = {number, static_cast<std::uint16_t>(unit)};
    }
    plan.racks.push_back(rack);
  }
  return plan;
}

Metres CableLength(const RackPlan& plan, const RackRules& rules, DeviceId a, int a_units,
                   DeviceId b, int b_units) {
  const Place &from = plan.place[Index(a)], &to = plan.place[Index(b)];
  const auto height = [](const Place& place, int units) {
    return kRackUnit * (place.unit - 1 + units / 2.0);
  };
  const double from_m = height(from, a_units).count(), to_m = height(to, b_units).count();
  Metres way = rules.per_end * 2;
  if (from.rack == to.rack) {
    way = way + Metres(std::abs(from_m - to_m));
  } else {
    const Rack &one = plan.racks[from.rack], &other = plan.racks[to.rack];
    const double top_m = (kRackUnit * rules.rack.units).count();
    const auto apart = [](std::uint32_t x, std::uint32_t y) {
      return std::abs(static_cast<double>(x) - static_cast<double>(y));
    };
    // A rack of its own size may be higher than the hall's.
    way = way + Metres(std::abs(top_m - from_m) + std::abs(top_m - to_m)) + rules.tray * 2 +
          rules.rack.width * apart(one.column, other.column) +
          rules.row_pitch * apart(one.row, other.row);
  }
  return BoughtLength(way * (1 + rules.slack));
}

Metres BoughtLength(Metres length) {
  const double m = length.count();
  const double step = m <= 5 ? 0.5 : m <= 10 ? 1 : m <= 100 ? 5 : 10;
  return Metres(std::max(1.0, std::ceil(m / step - 1e-9)) * step);
}

}  // namespace weft
