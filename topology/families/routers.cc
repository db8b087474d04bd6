#include "topology/families/routers.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace weft {
namespace {

constexpr std::int64_t kMostSegments = 60000;  // Host::segment

}  // namespace

HostPart RouterHost(const RouterFabric& routers, const FamilyInput& input, Errors& errors) {
  const HostPart host = HostOrBare(routers.link, 1, 1, input);
  if (host.nic_ports != 1)
    errors.push_back({ErrorCode::kInconsistent, input.Written(input.host_path),
                      fmt::format("an endpoint has one cable, and the host's NICs have nic_ports: "
                                  "{}",
                                  host.nic_ports),
                      "nic_ports: 1"});
  return host;
}

void CheckRouters(const RouterFabric& routers, const HostPart& host, std::int64_t cables,
                  const FamilyInput& input, Errors& errors) {
  const std::int64_t endpoints = routers.routers * routers.endpoints;
  if (endpoints % host.nics != 0)
    AddError(
        input, "p",
        fmt::format("{} endpoints are no whole number of hosts of {} NICs", endpoints, host.nics),
        fmt::format("p: a multiple of {}",
                    host.nics / std::gcd(routers.routers, std::int64_t{host.nics})),
        errors);
  if (routers.absent_hosts >= endpoints / host.nics)
    AddError(input, "absent_hosts",
             fmt::format("there is room for {} hosts, and {} of them are not there",
                         endpoints / host.nics, routers.absent_hosts),
             fmt::format("at most {}", endpoints / host.nics - 1), errors);
  bool given = false;
  for (const auto& [path, origin] : input.sources->entries())
    given |= path.starts_with("fabric.switch.") && origin.kind != Origin::Kind::kDefault;
  const std::vector<PortUse> uses = {{routers.endpoints, host.nic_port, "to endpoints"},
                                     {routers.degree, routers.link, "to routers"}};
  if (given && !PortsFit(input.chip, uses)) {
    std::int64_t most = routers.endpoints;
    while (most > 0 && !PortsFit(input.chip, {{most, host.nic_port, ""}, uses[1]})) --most;
    AddError(input, routers.size_key,
             fmt::format("a router has too few ports: {}, and its switch {}", FormatPortSum(uses),
                         FormatPortSum({{Radix(input.chip, routers.link), routers.link, "ports"}})),
             most > 0 ? fmt::format("p: at most {}, a smaller one, or another switch:", most)
                      : "a smaller one, or another switch:",
             errors);
  }
  CheckSize(endpoints / host.nics - routers.absent_hosts, host, routers.routers, cables, input,
            errors);
}

Result<Fabric> BuildRouters(const RouterFabric& routers, const HostPart& host,
                            std::vector<RouterCable> cables, const std::string& note,
                            const FamilyInput& input) {
  FabricBuilder builder(1);
  const std::int64_t group = routers.group > 0 ? routers.group : kMostSegments;
  const auto pod = [&](std::int64_t router) {
    return static_cast<std::uint16_t>(std::min<std::int64_t>(router / group, kMostSegments));
  };
  const auto segment = [&](std::int64_t router) {
    return static_cast<std::uint16_t>(router % group);
  };
  const std::int64_t hosts = routers.routers * routers.endpoints / host.nics - routers.absent_hosts;
  for (std::int64_t h = 0; h < hosts; ++h) {
    const std::int64_t router = h * host.nics / routers.endpoints;
    builder.AddHost(ShapeOf(host), pod(router), segment(router));
  }
  std::vector<VertexId> router;
  for (std::int64_t r = 0; r < routers.routers; ++r)
    router.push_back(builder.AddSwitch(
        {VertexKind::kSwitch, 1, 0, pod(r), segment(r), static_cast<std::uint32_t>(r), kNoHost}));
  for (std::int64_t h = 0; h < hosts; ++h)
    for (std::int64_t n = 0; n < host.nics; ++n)
      builder.AddCable(
          builder.nic(HostId{static_cast<std::uint32_t>(h)}, static_cast<std::uint16_t>(n)),
          router[static_cast<std::size_t>((h * host.nics + n) / routers.endpoints)], host.nic_port,
          routers.latency, 0);
  for (RouterCable& cable : cables)
    if (cable.b < cable.a) std::swap(cable.a, cable.b);
  const auto ends = [](const RouterCable& cable) { return std::pair(cable.a, cable.b); };
  std::stable_sort(cables.begin(), cables.end(),
                   [&](const RouterCable& x, const RouterCable& y) { return ends(x) < ends(y); });
  std::int64_t parallel = 0;
  for (std::size_t c = 0; c < cables.size(); ++c) {
    parallel = c > 0 && ends(cables[c]) == ends(cables[c - 1]) ? parallel + 1 : 0;
    if (parallel > 255)
      return Fail(ErrorCode::kInconsistent, input.At(routers.size_key),
                  "more than 256 cables join two routers", "more groups, or fewer cables");
    builder.AddCable(router[static_cast<std::size_t>(cables[c].a)],
                     router[static_cast<std::size_t>(cables[c].b)], routers.link, cables[c].latency,
                     static_cast<std::uint8_t>(parallel), cables[c].cost);
  }
  builder.SetNaming({{"router", false, false, false}});
  FabricLimits limits;
  limits.tier1_gpus = routers.endpoints * host.gpus / host.nics;
  builder.SetLimits(limits);
  builder.SetPower(PowerOf(hosts, host, routers.routers, input.chip));
  if (!note.empty()) builder.AddNote(note);
  return builder.Build();
}

}  // namespace weft
