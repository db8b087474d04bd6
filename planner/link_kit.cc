#include "planner/link_kit.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/schema/reader.h"

namespace weft {
namespace {

template <class Part>
bool Fits(const Part& part, const CagePart& cage) {
  return std::find(part.forms.begin(), part.forms.end(), cage.form) != part.forms.end();
}

template <class Part>
std::uint32_t FormsOf(const Part& part) {
  std::uint32_t out = 0;
  for (const CageSpec::Form form : part.forms) out |= 1U << static_cast<unsigned>(form);
  return out;
}

// Lanes of one port at the slower of two cages' lane rates.
BitRate LaneRate(const LinkEnd& a, const LinkEnd& b) { return std::min(a.cage.lane, b.cage.lane); }

int LanesAt(BitRate lane, BitRate rate) {
  return std::max(1, static_cast<int>(std::ceil(rate / lane * (1 - 1e-9))));
}

// Whether `optic` does for the end: its form, lanes, and what the cage allows it to draw.
bool Serves(const OpticPart& optic, const LinkEnd& end, int lanes, int& ports, Watts& draw) {
  if (!Fits(optic, end.cage) || optic.lanes > end.cage.lanes || optic.lanes < lanes) return false;
  ports = std::min({optic.ports, optic.lanes / lanes, std::max(end.cage.ports, 1)});
  if (ports < 1) return false;
  draw = optic.Draws(ports * lanes);
  return !end.cage.power || draw <= *end.cage.power;
}

std::optional<LinkKit> WithOptics(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                  Medium medium, Metres length) {
  const BitRate lane = LaneRate(a, b);
  const int lanes = LanesAt(lane, a.rate);
  std::optional<LinkKit> best;
  for (const OpticPart& one : market.optics)
    for (const OpticPart& other : market.optics) {
      if (one.fibre != medium || other.fibre != medium || one.standard != other.standard ||
          one.lane != other.lane || one.lane < lane || std::min(one.reach, other.reach) < length)
        continue;
      LinkKit kit;
      kit.medium = medium;
      if (!Serves(one, a, lanes, kit.ports_of_optic[0], kit.draw[0]) ||
          !Serves(other, b, lanes, kit.ports_of_optic[1], kit.draw[1]))
        continue;
      // Of several the one that serves most ports, then the first by name.
      if (best && best->ports_of_optic[0] * best->ports_of_optic[1] >=
                      kit.ports_of_optic[0] * kit.ports_of_optic[1])
        continue;
      kit.optics[0] = one.part;
      kit.optics[1] = other.part;
      kit.allowed[0] = a.cage.power;
      kit.allowed[1] = b.cage.power;
      kit.reach = std::min(one.reach, other.reach);
      kit.forms[0] = FormsOf(one);
      kit.forms[1] = FormsOf(other);
      kit.standard[0] = one.standard;
      kit.standard[1] = other.standard;
      best = kit;
    }
  return best;
}

std::optional<LinkKit> WithPlugs(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                 Medium medium, Metres length) {
  const BitRate lane = LaneRate(a, b);
  const int lanes = LanesAt(lane, a.rate);
  const int split = std::max(PortsOfCage(a.cage, a.rate), PortsOfCage(b.cage, b.rate));
  const bool two_splits = PortsOfCage(a.cage, a.rate) > 1 && PortsOfCage(b.cage, b.rate) > 1;
  for (const CablePart& cable : market.cables) {
    if (cable.medium != medium || cable.reach < length || cable.lane < lane) continue;
    if (!Fits(cable, a.cage) || !Fits(cable, b.cage)) continue;
    if (!two_splits && split > cable.legs) continue;
    LinkKit kit;
    kit.medium = medium;
    kit.cable = cable.part;
    kit.cable_lanes = lanes;
    kit.cable_draw = cable.lane_power * (2 * lanes);
    kit.reach = cable.reach;
    kit.forms[0] = kit.forms[1] = FormsOf(cable);
    kit.allowed[0] = a.cage.power;
    kit.allowed[1] = b.cage.power;
    kit.draw[0] = cable.lane_power * (lanes * PortsOfCage(a.cage, a.rate));
    kit.draw[1] = cable.lane_power * (lanes * PortsOfCage(b.cage, b.rate));
    if ((kit.allowed[0] && kit.draw[0] > *kit.allowed[0]) ||
        (kit.allowed[1] && kit.draw[1] > *kit.allowed[1]))
      continue;
    return kit;
  }
  return std::nullopt;
}

}  // namespace

CableMarket AllCables() {
  const auto hall = ParseText<CablingSpec>("{}", "cabling", {});
  WEFT_CHECK(hall.has_value());
  return {PresetOptics(), PresetCables(), MakeRackRules(hall->message)};
}

int LanesOfPort(const CagePart& cage, BitRate rate) {
  const int lanes = LanesAt(cage.lane, rate);
  return lanes <= cage.lanes ? lanes : 0;
}

int PortsOfCage(const CagePart& cage, BitRate rate) {
  const int lanes = LanesOfPort(cage, rate);
  return lanes == 0 ? 0 : std::min(cage.lanes / lanes, std::max(cage.ports, 1));
}

std::optional<LinkKit> FindLinkKitOf(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                     Medium medium, Metres length) {
  if (PortsOfCage(a.cage, a.rate) == 0 || PortsOfCage(b.cage, b.rate) == 0) return std::nullopt;
  if (a.rate != b.rate) return std::nullopt;
  auto kit = HasOptics(medium) ? WithOptics(market, a, b, medium, length)
                               : WithPlugs(market, a, b, medium, length);
  if (!kit) return std::nullopt;
  kit->rate[0] = a.rate;
  kit->rate[1] = b.rate;
  return kit;
}

std::optional<LinkKit> FindLinkKit(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                   Metres length) {
  for (const Medium medium : kMediaInOrder)
    if (auto kit = FindLinkKitOf(market, a, b, medium, length)) return kit;
  return std::nullopt;
}

}  // namespace weft
