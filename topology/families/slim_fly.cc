// Slim Fly [BH14 §II]: the graphs of McKay, Miller and Siran, of diameter two.
//
// q = 4w + d, d in {-1, 0, 1}; xi a primitive element of the field of q elements.
// Routers (0, x, y) and (1, m, c):
//
//   (0, x, y) - (0, x, y')   where y - y' is in X
//   (1, m, c) - (1, m, c')   where c - c' is in X'
//   (0, x, y) - (1, m, c)    where y = m x + c
//
//   d =  1   X = { xi^0, xi^2, … xi^(q-3) },  X' = { xi^1, xi^3, … xi^(q-2) }
//   d =  0   X = { xi^0, xi^2, … xi^(q-2) },  X' = { xi^1, xi^3, … xi^(q-1) }
//   d = -1   X = { xi^0, xi^2, … xi^(2w-2), xi^(2w-1), xi^(2w+1), … xi^(4w-3) },
//            X' = { xi^1, xi^3, … xi^(2w-1), xi^(2w), xi^(2w+2), … xi^(4w-2) }
//
// Every router has k' = (3q - d) / 2 cables to others.
#include <fmt/format.h>

#include <algorithm>

#include "topology/families/galois.h"
#include "topology/families/routers.h"

namespace weft {
namespace {

// d of q = 4w + d; none for 4w + 2, of which the formula knows nothing.
std::optional<std::int64_t> Delta(std::int64_t q) {
  if (q % 4 == 2) return std::nullopt;
  return q % 4 == 3 ? -1 : q % 4;
}

bool Constructible(std::int64_t q) {
  return Delta(q) && GaloisField::Make(static_cast<std::uint32_t>(q));
}

// "q: 27 or 29"
std::string Nearest(std::int64_t q) {
  std::int64_t below = q - 1, above = q + 1;
  while (below > 2 && !Constructible(below)) --below;
  while (!Constructible(above)) ++above;
  return below > 2 ? fmt::format("q: {} or {}", below, above) : fmt::format("q: {}", above);
}

// One of the sets X (`primed` 0) and X' (1).
std::vector<std::uint32_t> Generators(const GaloisField& field, std::uint32_t primed) {
  const std::uint32_t q = field.size(), w = (q + 1) / 4;
  std::vector<std::uint32_t> out;
  if (q % 4 != 3) {
    for (std::uint32_t e = primed; e < q - (q % 4 == 1 ? 1 : 0); e += 2)
      out.push_back(field.Power(e));
    return out;
  }
  for (std::uint32_t e = primed; e < 2 * w; e += 2) out.push_back(field.Power(e));
  for (std::uint32_t e = 2 * w - 1 + primed; e <= 4 * w - 3 + primed; e += 2)
    out.push_back(field.Power(e));
  return out;
}

std::vector<RouterCable> Cables(const GaloisField& field, SimDuration latency) {
  const std::uint32_t q = field.size();
  const auto row = [&](std::uint32_t half, std::uint32_t x, std::uint32_t y) {
    return (std::int64_t{half} * q + x) * q + y;
  };
  std::vector<RouterCable> out;
  for (std::uint32_t half = 0; half < 2; ++half) {
    const std::vector<std::uint32_t> generators = Generators(field, half);
    for (std::uint32_t x = 0; x < q; ++x)
      for (std::uint32_t y = 0; y < q; ++y)
        for (const std::uint32_t step : generators) {
          const std::uint32_t other = field.Add(y, step);
          if (other > y) out.push_back({row(half, x, y), row(half, x, other), latency, 1});
        }
  }
  for (std::uint32_t x = 0; x < q; ++x)
    for (std::uint32_t m = 0; m < q; ++m)
      for (std::uint32_t c = 0; c < q; ++c)
        out.push_back({row(0, x, field.Add(field.Multiply(m, x), c)), row(1, m, c), latency, 1});
  return out;
}

FabricCounts Formula(const RouterFabric& routers, const HostPart& host) {
  FabricCounts out;
  out.hosts = routers.routers * routers.endpoints / host.nics - routers.absent_hosts;
  out.nics = out.hosts * host.nics;
  out.gpus = out.hosts * host.gpus;
  out.tiers = {{"router", routers.routers, out.nics, 0, {}}};
  out.lateral_links = routers.routers * routers.degree / 2;
  return out;
}

}  // namespace

Result<Fabric> BuildSlimFly(const FabricSpec& fabric, const FamilyInput& input) {
  const SlimFlySpec& spec = fabric.slim_fly();
  const std::int64_t q = spec.q();
  Errors errors;
  if (!Delta(q) || q < 3) {
    AddError(input, "q", fmt::format("'q' is {}, and neither 4w - 1, 4w nor 4w + 1", q), Nearest(q),
             errors);
    return tl::make_unexpected(std::move(errors));
  }
  RouterFabric routers;
  routers.routers = 2 * q * q;
  routers.degree = (3 * q - *Delta(q)) / 2;
  routers.endpoints = spec.has_p() ? spec.p() : (routers.degree + 1) / 2;
  routers.link = BitRate::BitsPerSecond(spec.link());
  routers.latency = SimDuration(spec.latency());
  routers.absent_hosts = spec.absent_hosts();
  routers.size_key = "q";
  const HostPart host = RouterHost(routers, input, errors);
  const auto field = GaloisField::Make(static_cast<std::uint32_t>(q));
  const FabricCounts counts = Formula(routers, host);
  const std::string formula =
      fmt::format("{} routers, {} cables between them and {} endpoints", counts.tiers[0].switches,
                  counts.lateral_links, counts.nics);
  CheckRouters(routers, host, counts.lateral_links, input, errors);
  if (!field && !spec.counts_only())
    AddError(input, "q",
             fmt::format("'q' is {}, no power of a prime: there is no field of so many elements, "
                         "and no graph; the cost formula alone gives {}",
                         q, formula),
             Nearest(q) + "; or counts_only: true, for the formula's counts", errors);
  if (!errors.empty()) return tl::make_unexpected(std::move(errors));
  if (spec.counts_only())
    return FabricBuilder::CountsOnly(
        counts, field ? "counts of the cost formula: nothing was built (counts_only)"
                      : fmt::format("counts of the cost formula, not constructible: {} is no power "
                                    "of a prime, so there is no graph ({})",
                                    q, Nearest(q)));
  return BuildRouters(routers, host, Cables(*field, routers.latency), {}, input);
}

}  // namespace weft
