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

// The cheaper, then the one that draws less; of one plug's ends the more come first.
void TakeBetter(std::optional<LinkKit>& best, const LinkKit& kit) {
  if (!best || kit.usd < best->usd || (kit.usd == best->usd && kit.link_draw < best->link_draw))
    best = kit;
}

// Of one standard the plugs that serve most ports: what a cage is split into no plug may waste.
void AddOptics(const CableMarket& market, const LinkEnd& a, const LinkEnd& b, Metres length,
               std::optional<LinkKit>& best) {
  const BitRate lane = LaneRate(a, b);
  const int lanes = LanesAt(lane, a.rate);
  const int split[2] = {PortsOfCage(a.cage, a.rate), PortsOfCage(b.cage, b.rate)};
  for (std::size_t x = 0; x < market.optics.size(); ++x)
    for (std::size_t y = 0; y < market.optics.size(); ++y) {
      const OpticPart &one = market.optics[x], &other = market.optics[y];
      if (one.fibre != other.fibre || one.standard != other.standard || one.lane != other.lane ||
          one.lane < lane || std::min(one.reach, other.reach) < length)
        continue;
      LinkKit kit;
      kit.medium = one.fibre;
      if (!Serves(one, a, lanes, kit.ports_of_optic[0], kit.draw[0]) ||
          !Serves(other, b, lanes, kit.ports_of_optic[1], kit.draw[1]) ||
          kit.ports_of_optic[0] < split[0] || kit.ports_of_optic[1] < split[1])
        continue;
      kit.usd =
          market.prices.optics[x] / kit.ports_of_optic[0] +
          market.prices.optics[y] / kit.ports_of_optic[1] +
          (one.fibre == Medium::kMultimode ? market.prices.multimode : market.prices.single_mode);
      kit.link_draw =
          kit.draw[0] * (1.0 / kit.ports_of_optic[0]) + kit.draw[1] * (1.0 / kit.ports_of_optic[1]);
      if (best && kit.usd > best->usd) continue;
      kit.optics[0] = one.part;
      kit.optics[1] = other.part;
      kit.allowed[0] = a.cage.power;
      kit.allowed[1] = b.cage.power;
      kit.reach = std::min(one.reach, other.reach);
      kit.forms[0] = FormsOf(one);
      kit.forms[1] = FormsOf(other);
      kit.standard[0] = one.standard;
      kit.standard[1] = other.standard;
      TakeBetter(best, kit);
    }
}

void AddCables(const CableMarket& market, const LinkEnd& a, const LinkEnd& b, Metres length,
               std::optional<LinkKit>& best) {
  const BitRate lane = LaneRate(a, b);
  const int lanes = LanesAt(lane, a.rate);
  const int split = std::max(PortsOfCage(a.cage, a.rate), PortsOfCage(b.cage, b.rate));
  const bool two_splits = PortsOfCage(a.cage, a.rate) > 1 && PortsOfCage(b.cage, b.rate) > 1;
  for (std::size_t row = 0; row < market.cables.size(); ++row) {
    const CablePart& cable = market.cables[row];
    if (cable.reach < length || cable.lane < lane) continue;
    if (!Fits(cable, a.cage) || !Fits(cable, b.cage)) continue;
    if (!two_splits && split > cable.legs) continue;
    LinkKit kit;
    kit.medium = cable.medium;
    kit.usd = market.prices.lanes[row] * lanes;
    if (best && kit.usd > best->usd) continue;
    kit.cable = cable.part;
    kit.cable_lanes = lanes;
    kit.cable_draw = kit.link_draw = cable.lane_power * (2 * lanes);
    kit.reach = cable.reach;
    kit.forms[0] = kit.forms[1] = FormsOf(cable);
    kit.allowed[0] = a.cage.power;
    kit.allowed[1] = b.cage.power;
    kit.draw[0] = cable.lane_power * (lanes * PortsOfCage(a.cage, a.rate));
    kit.draw[1] = cable.lane_power * (lanes * PortsOfCage(b.cage, b.rate));
    if ((kit.allowed[0] && kit.draw[0] > *kit.allowed[0]) ||
        (kit.allowed[1] && kit.draw[1] > *kit.allowed[1]))
      continue;
    TakeBetter(best, kit);
  }
}

double PriceOf(const Catalogue& catalogue, PartKind kind, std::string_view part) {
  const CatalogueRow* row = catalogue.Find(part);
  return row != nullptr && row->kind == kind && row->price ? row->price->range.mid.count()
                                                           : INFINITY;
}

}  // namespace

CablePrices PricesOf(const Catalogue& catalogue, const std::vector<OpticPart>& optics,
                     const std::vector<CablePart>& cables) {
  CablePrices out;
  for (const OpticPart& one : optics)
    out.optics.push_back(PriceOf(catalogue, PartKind::kOptic, one.part));
  for (const CablePart& one : cables)
    out.lanes.push_back(PriceOf(catalogue, PartKind::kCable, one.part));
  out.multimode = PriceOf(catalogue, PartKind::kFibre, "multimode fibre");
  out.single_mode = PriceOf(catalogue, PartKind::kFibre, "single-mode fibre");
  return out;
}

CableMarket AllCables(const Catalogue& catalogue) {
  const auto hall = ParseText<CablingSpec>("{}", "cabling", {});
  WEFT_CHECK(hall.has_value());
  CableMarket out{PresetOptics(), PresetCables(), {}, MakeRackRules(hall->message)};
  out.prices = PricesOf(catalogue, out.optics, out.cables);
  return out;
}

int LanesOfPort(const CagePart& cage, BitRate rate) {
  const int lanes = LanesAt(cage.lane, rate);
  return lanes <= cage.lanes ? lanes : 0;
}

int PortsOfCage(const CagePart& cage, BitRate rate) {
  const int lanes = LanesOfPort(cage, rate);
  return lanes == 0 ? 0 : std::min(cage.lanes / lanes, std::max(cage.ports, 1));
}

std::optional<LinkKit> FindLinkKit(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                   Metres length) {
  if (PortsOfCage(a.cage, a.rate) == 0 || PortsOfCage(b.cage, b.rate) == 0) return std::nullopt;
  if (a.rate != b.rate) return std::nullopt;
  std::optional<LinkKit> out;
  AddCables(market, a, b, length, out);
  AddOptics(market, a, b, length, out);
  if (!out) return std::nullopt;
  out->rate[0] = a.rate;
  out->rate[1] = b.rate;
  return out;
}

}  // namespace weft
