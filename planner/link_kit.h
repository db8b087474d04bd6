// What a cable between two cages is made of: the part that the cabling would take, in closed form.
//
// A plan's cabling (topology/cabling.h) takes, of what reaches the longest cable and fits both
// cages, what costs least at the middle prices, then draws least; so does this, for one length.
// A screening of thousands of designs needs no racks for it.
//
// Errors   none: no part fits is a result.
// Cost     some hundred comparisons.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hardware/cabling_parts.h"
#include "hardware/catalogue.h"
#include "topology/cabling.h"
#include "topology/racks.h"

namespace weft {

struct CableMarket {
  std::vector<OpticPart> optics;
  std::vector<CablePart> cables;
  CablePrices prices;
  RackRules hall;  // how racks stand and cables run
};
// Every part that weft has, at the catalogue's middle prices, in a hall as the cabling assumes it.
CableMarket AllCables(const Catalogue& catalogue);
CablePrices PricesOf(const Catalogue& catalogue, const std::vector<OpticPart>& optics,
                     const std::vector<CablePart>& cables);

// One end: a cage whose every port runs at `rate`.
struct LinkEnd {
  CagePart cage;
  BitRate rate;
};

// Lanes of one port, and ports that a cage then splits into; 0 where the cage does not carry one.
int LanesOfPort(const CagePart& cage, BitRate rate);
int PortsOfCage(const CagePart& cage, BitRate rate);

struct LinkKit {
  Medium medium = Medium::kDac;
  std::string cable;      // with plugs; empty: fibre between optics
  int cable_lanes = 0;    // of one port
  Watts cable_draw;       // of one port's lanes, both ends
  std::string optics[2];  // of the ends; empty: none
  int ports_of_optic[2] = {1, 1};
  Watts draw[2];  // of one plug: an optic, or a cable's end
  std::optional<Watts> allowed[2];
  Metres reach;
  double usd = 0;  // of one link, with its share of the plugs; infinite: a part has no price
  Watts link_draw;
  // What must agree at the two ends, of the parts as found: rules.cc holds it against the cages.
  BitRate rate[2];
  std::uint32_t forms[2] = {0, 0};  // of cages that the plug fits, a bit a form
  std::string standard[2];          // of an optic; empty: a cable with plugs
  bool fits(int end, CageSpec::Form form) const {
    return (forms[end] >> static_cast<unsigned>(form) & 1U) != 0;
  }
};

// None: nothing reaches and fits.
std::optional<LinkKit> FindLinkKit(const CableMarket& market, const LinkEnd& a, const LinkEnd& b,
                                   Metres length);

}  // namespace weft
