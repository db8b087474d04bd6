// Dragonfly [KDSA08 §3]: groups of `a` routers, each with `p` endpoints, a cable to every
// other router of its group, and `h` global cables.
//
// A group has a·h global ports. Port t is of router t / h and leads to the group
// offset(t) further on, the same for every group, so that all groups look alike:
// each offset 1 … g-1 as often as it fits, and what ports are left over in pairs of
// neighbours, +1 and -1, +2 and -2, …, the last one half way round where the number of
// groups is even. The k-th port of offset d is cabled to the k-th of offset g - d.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "topology/families/routers.h"

namespace weft {
namespace {

// A global cable counts as three hops: so a way over two of them is never shorter than a
// way of one global and two local cables, and a shortest way is minimal.
constexpr std::uint8_t kGlobalCost = 3;

// offset(t) of every global port of a group.
std::vector<std::int64_t> Offsets(std::int64_t ports, std::int64_t groups) {
  std::vector<std::int64_t> out;
  while (static_cast<std::int64_t>(out.size()) + groups - 1 <= ports)
    for (std::int64_t d = 1; d < groups; ++d) out.push_back(d);
  for (std::int64_t d = 1; static_cast<std::int64_t>(out.size()) + 2 <= ports; ++d) {
    out.push_back(d);
    out.push_back(groups - d);
  }
  // Of an odd rest, with an even number of groups alone.
  if (static_cast<std::int64_t>(out.size()) < ports && groups % 2 == 0) out.push_back(groups / 2);
  return out;
}

std::vector<RouterCable> Cables(const DragonflySpec& spec, std::int64_t groups) {
  const std::int64_t a = spec.a(), h = spec.h();
  const SimDuration local(spec.latency());
  const SimDuration global = spec.has_global_latency() ? SimDuration(spec.global_latency()) : local;
  std::vector<RouterCable> out;
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t r = 0; r < a; ++r)
      for (std::int64_t s = r + 1; s < a; ++s) out.push_back({g * a + r, g * a + s, local, 1});
  const std::vector<std::int64_t> offset = Offsets(a * h, groups);
  std::map<std::int64_t, std::vector<std::int64_t>> ports_of;
  for (std::size_t t = 0; t < offset.size(); ++t)
    ports_of[offset[t]].push_back(static_cast<std::int64_t>(t));
  for (const auto& [d, ports] : ports_of) {
    if (2 * d > groups) break;  // cabled from the other end
    const std::vector<std::int64_t>& back = ports_of.at(groups - d);
    const std::int64_t starts = 2 * d == groups ? groups / 2 : groups;
    for (std::size_t k = 0; k < ports.size(); ++k)
      for (std::int64_t g = 0; g < starts; ++g)
        out.push_back(
            {g * a + ports[k] / h, (g + d) % groups * a + back[k] / h, global, kGlobalCost});
  }
  return out;
}

}  // namespace

Result<Fabric> BuildDragonfly(const FabricSpec& fabric, const FamilyInput& input) {
  const DragonflySpec& spec = fabric.dragonfly();
  const std::int64_t global = std::int64_t{spec.a()} * spec.h();
  const std::int64_t groups = spec.has_groups() ? spec.groups() : global + 1;
  RouterFabric routers;
  routers.routers = groups * spec.a();
  routers.endpoints = spec.p();
  routers.group = spec.a();
  routers.link = BitRate::BitsPerSecond(spec.link());
  routers.latency = SimDuration(spec.latency());
  routers.degree = spec.a() - 1 + spec.h();
  routers.absent_hosts = spec.absent_hosts();
  routers.size_key = "a";
  Errors errors;
  if (groups - 1 > global)
    AddError(input, "groups",
             fmt::format("'groups' is {}, and a group of {} routers with {} global cables each "
                         "reaches {} others",
                         groups, spec.a(), spec.h(), global),
             fmt::format("at most {}", global + 1), errors);
  const HostPart host = RouterHost(routers, input, errors);
  CheckRouters(routers, host, groups * (std::int64_t{spec.a()} * (spec.a() - 1) + global) / 2,
               input, errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  std::string note;
  // What the odd port of an odd number of groups could be cabled to is itself alone.
  if (groups % 2 != 0 && global % (groups - 1) % 2 != 0)
    note = "one global port of every group has no partner left and stays free";
  return BuildRouters(routers, host, Cables(spec, groups), note, input);
}

}  // namespace weft
