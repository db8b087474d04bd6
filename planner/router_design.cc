// Routers cabled to one another, with endpoints of their own: counts of dragonfly [KDSA08 §3] and
// slim_fly [BH14 §II], as topology/families builds them, and the shapes that the search tries.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/ceil_div.h"
#include "planner/design.h"

namespace weft {
namespace {

constexpr std::size_t kMostShapes = 6;  // of one oversubscription: those of the fewest routers
// What every kind of cable carries at least of what it may, where all hosts send to all alike: the
// textbook's a = 2p = 2h [KDSA08 §3.1] and p = k'/2 [BH14 §II-B2] use all, and a router of few
// endpoints is bought to stand idle. A half, for a need is seldom a power of a prime.
constexpr double kLeastUse = 0.5;
constexpr std::int64_t kMostGroups = 60'000;

tl::unexpected<Binding> RouterBound(std::string rule, std::string text) {
  return tl::make_unexpected(Binding{std::move(rule), std::move(text)});
}

bool IsPrimePower(std::int64_t q) {
  std::int64_t prime = 2;
  while (prime * prime <= q && q % prime != 0) ++prime;
  if (q % prime != 0) prime = q;
  while (q % prime == 0) q /= prime;
  return q == 1;
}

// q = 4w + d with d in {-1, 0, 1}, a power of a prime.
bool HasSlimFly(std::int64_t q) { return q >= 3 && q % 4 != 2 && IsPrimePower(q); }

// Ports of a group that lead to others: of an odd rest the last one stays free where no group is
// half way round.
std::int64_t GlobalPorts(const RouterShape& shape) {
  const std::int64_t ports = shape.a * shape.h, others = shape.groups - 1;
  const std::int64_t rest = ports % others;
  return ports - (rest % 2 != 0 && shape.groups % 2 != 0 ? 1 : 0);
}

std::int64_t CablesOf(const Design& design) {
  const RouterShape& shape = design.routers;
  if (design.family == DesignFamily::kSlimFly) return shape.routers() * shape.degree() / 2;
  return shape.groups * (shape.a * (shape.a - 1) + GlobalPorts(shape)) / 2;
}

bool FitsChip(const Design& design, std::int64_t down, std::int64_t up) {
  const double bps = static_cast<double>(down) * design.nic_port().bits_per_second() +
                     static_cast<double>(up) * design.uplink.bits_per_second();
  return down + up <= design.chip_ports && bps <= design.chip.bits_per_second() * (1 + 1e-9);
}

// As CountRouters, without the words.
bool Fits(const Design& design) {
  const RouterShape& shape = design.routers;
  return FitsChip(design, shape.p, shape.degree()) &&
         (shape.q > 0 || shape.groups - 1 <= shape.a * shape.h) && CountRouters(design);
}

// The fewest endpoints of a router with which whole hosts fill all routers.
std::int64_t EndpointsFor(const Design& design, std::int64_t routers) {
  const std::int64_t nics = design.nics_of_host;
  const std::int64_t step = nics / std::gcd(routers, nics);
  return CeilDiv(CeilDiv(design.hosts * nics, routers), step) * step;
}

// The fewest cables that join two groups of a dragonfly: where they do not divide some have one
// more.
std::int64_t CablesOfPair(const RouterShape& shape) {
  return std::max<std::int64_t>(1, shape.a * shape.h / (shape.groups - 1));
}

// With about `p` endpoints a router: as many groups as that takes, and what is spread evenly over
// all endpoints goes over local and global cables at no more than the oversubscription.
RouterShape DragonflyOf(const Design& design, std::int64_t p) {
  const auto endpoints = static_cast<double>(design.hosts * design.nics_of_host);
  const double load = design.nic_port() / design.uplink / design.oversubscription;
  RouterShape shape;
  shape.a = std::max<std::int64_t>(1, std::llround(std::ceil(2 * load * static_cast<double>(p))));
  shape.groups = std::max<std::int64_t>(
      2, std::llround(std::ceil(endpoints / static_cast<double>(shape.a * p) - 1e-9)));
  shape.p = EndpointsFor(design, shape.routers());
  // What two groups send to each other, over the cables that join them.
  const double pair =
      load * static_cast<double>(shape.p * shape.a) / static_cast<double>(shape.groups);
  const auto cables = std::max<std::int64_t>(1, std::llround(std::ceil(pair - 1e-9)));
  shape.h = CeilDiv(cables * (shape.groups - 1), shape.a);
  return shape;
}

// Of a dragonfly's local and global cables, over their rate; of Slim Fly's all alike.
struct CableLoads {
  double local = 0, global = 0;
};

CableLoads LoadsOf(const Design& design) {
  const RouterShape& shape = design.routers;
  const double port = design.nic_port() / design.uplink * static_cast<double>(shape.p);
  if (design.family == DesignFamily::kSlimFly) {
    const auto routers = static_cast<double>(shape.routers());
    const auto degree = static_cast<double>(shape.degree());
    const double load = port * (degree + 2 * (routers - 1 - degree)) / routers / degree;
    return {load, load};
  }
  const auto a = static_cast<double>(shape.a), groups = static_cast<double>(shape.groups);
  return {shape.a > 1 ? port * (2 * groups - 1) / groups / a : 0,
          port * a / groups / static_cast<double>(CablesOfPair(shape))};
}

double LeastLoad(const Design& design) {
  const CableLoads loads = LoadsOf(design);
  return design.routers.a == 1 ? loads.global : std::min(loads.local, loads.global);
}

void KeepFewest(std::vector<RouterShape>& shapes) {
  std::stable_sort(shapes.begin(), shapes.end(), [](const RouterShape& x, const RouterShape& y) {
    return x.routers() < y.routers();
  });
  shapes.erase(std::unique(shapes.begin(), shapes.end()), shapes.end());
  if (shapes.size() > kMostShapes) shapes.resize(kMostShapes);
}

}  // namespace

std::int64_t RouterShape::degree() const {
  if (q == 0) return a - 1 + h;
  return (3 * q - (q % 4 == 3 ? -1 : q % 4)) / 2;
}

bool JoinsRouters(DesignFamily family) {
  return family == DesignFamily::kDragonfly || family == DesignFamily::kSlimFly;
}

std::int64_t GroupUplinks(const Design& design) {
  return design.family == DesignFamily::kDragonfly ? GlobalPorts(design.routers) : 0;
}

double UniformLoad(const Design& design) {
  const CableLoads loads = LoadsOf(design);
  return std::max(loads.local, loads.global);
}

double WorstLoad(const Design& design) {
  const RouterShape& shape = design.routers;
  const double port = design.nic_port() / design.uplink * static_cast<double>(shape.p);
  if (design.family == DesignFamily::kSlimFly) return std::max(port, 1.0);
  const auto pair = static_cast<double>(CablesOfPair(shape));
  const double neighbour = shape.a > 1 ? port : 0;  // two routers of a group have one cable
  return std::max({port * static_cast<double>(shape.a) / pair, neighbour, 1.0});
}

tl::expected<DesignCounts, Binding> CountRouters(const Design& design) {
  if (design.nic_ports != 1)
    return RouterBound("homing", "an endpoint of a router has one cable, and a NIC here " +
                                     std::to_string(design.nic_ports) + " ports");
  const RouterShape& shape = design.routers;
  if (shape.p == 0)
    return RouterBound("ports",
                       fmt::format("no {} of routers of {:.6g}T has {} endpoints at "
                                   "{:.6g}:1",
                                   NameOf(design.family), design.chip.bits_per_second() / 1e12,
                                   design.hosts * design.nics_of_host, design.oversubscription));
  if (!FitsChip(design, shape.p, shape.degree()))
    return RouterBound("ports", fmt::format("a router has {} endpoints and {} cables to others, "
                                            "more than its ports",
                                            shape.p, shape.degree()));
  const bool dragonfly = design.family == DesignFamily::kDragonfly;
  if (dragonfly ? shape.groups - 1 > shape.a * shape.h || shape.groups > kMostGroups
                : !HasSlimFly(shape.q))
    return RouterBound(
        "reach", dragonfly ? fmt::format("{} groups, and a group reaches {} others", shape.groups,
                                         shape.a * shape.h)
                           : fmt::format("{} is no 4w - 1, 4w or 4w + 1 that is a power of a "
                                         "prime",
                                         shape.q));
  const std::int64_t nics = design.nics_of_host, room = shape.routers() * shape.p;
  if (room < design.hosts * nics || room % nics != 0)
    return RouterBound("reach", fmt::format("{} endpoints for {} NICs of hosts of {}", room,
                                            design.hosts * nics, nics));
  DesignCounts out;
  out.segments = out.leaves = shape.routers();
  out.leaf_slots = shape.p;
  out.leaf_uplinks = shape.degree();
  out.hosts_of_segment = std::max<std::int64_t>(1, shape.p / nics);
  out.nic_links = design.hosts * nics;
  out.leaf_links = CablesOf(design);
  // Hosts whose NICs straddle routers hang on both; a router begins at a multiple of what both are
  // multiples of.
  const std::int64_t touched = CeilDiv(shape.p - std::gcd(shape.p, nics), nics) + 1;
  out.leaf_gpus = std::min(touched, design.hosts) * design.gpus_of_host;
  out.reach_gpus = room / nics * design.gpus_of_host;
  return out;
}

std::vector<RouterShape> RouterShapes(const Design& design) {
  std::vector<RouterShape> used, idle;
  Design of = design;
  const auto take = [&](const RouterShape& shape) {
    of.routers = shape;
    if (!Fits(of) || UniformLoad(of) > design.oversubscription * (1 + 1e-9)) return false;
    const double filled = static_cast<double>(design.hosts * design.nics_of_host) /
                          static_cast<double>(shape.p * shape.routers());
    const bool half = LeastLoad(of) * filled >= kLeastUse * design.oversubscription * (1 - 1e-9);
    (half ? used : idle).push_back(shape);
    return half;
  };
  if (design.family == DesignFamily::kDragonfly) {
    std::int64_t last = 0;  // of the few that are used, from the largest on
    for (std::int64_t p = RadixOf(design, design.nic_port()); p > 0 && (last == 0 || 2 * p >= last);
         --p)
      if (take(DragonflyOf(design, p)) && last == 0) last = p;
  } else {
    for (std::int64_t q = 3; 2 * q * q <= design.hosts * design.nics_of_host; ++q) {
      RouterShape shape;
      shape.q = q;
      if (!HasSlimFly(q)) continue;
      shape.p = EndpointsFor(design, shape.routers());
      take(shape);
    }
  }
  // Of a few endpoints no shape may be.
  std::vector<RouterShape>& out = used.empty() ? idle : used;
  KeepFewest(out);
  if (used.empty() && out.size() > 1) out.resize(1);
  return out;
}

}  // namespace weft
