// Which plug every cage takes: cages that cables join are chosen for together.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "topology/cabling_internal.h"
#include "topology/row_sets.h"

namespace weft {
namespace {

template <typename Part>
bool Fits(const Part& part, CageSpec::Form form) {
  return std::find(part.forms.begin(), part.forms.end(), form) != part.forms.end();
}

// Rates come from decimal text: a lane may be off by an ulp.
bool Carries(BitRate lane, BitRate need) { return need <= lane * (1 + 1e-9); }

// Optics that understand each other.
struct Standard {
  std::string name;
  BitRate lane;
  Medium fibre = Medium::kMultimode;
  Metres shortest;  // reach of its shortest optic
  std::vector<std::uint16_t> optics;
};

std::vector<Standard> StandardsOf(const std::vector<OpticPart>& optics) {
  std::vector<Standard> out;
  for (std::uint16_t i = 0; i < optics.size(); ++i) {
    const OpticPart& optic = optics[i];
    auto found = std::find_if(out.begin(), out.end(), [&](const Standard& one) {
      return one.name == optic.standard && one.lane == optic.lane && one.fibre == optic.fibre;
    });
    if (found == out.end()) {
      out.push_back({optic.standard, optic.lane, optic.fibre, optic.reach, {}});
      found = std::prev(out.end());
    }
    found->shortest = std::min(found->shortest, optic.reach);
    found->optics.push_back(i);
  }
  std::stable_sort(out.begin(), out.end(), [](const Standard& a, const Standard& b) {
    return a.lane != b.lane ? a.lane < b.lane : a.shortest < b.shortest;
  });
  return out;
}

// The cages that cables join, and these cables.
struct Cluster {
  std::vector<CageId> cages;
  std::vector<std::uint32_t> cables;
  Metres longest;
  int legs = 1;            // plugs at the split end, where it is a star
  bool one_piece = false;  // a star, or two cages with all cables between them
};

class Chooser {
 public:
  Chooser(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan, Errors& errors)
      : fabric_(fabric),
        parts_(parts),
        plan_(plan),
        errors_(errors),
        standards_(StandardsOf(parts.optics)),
        cable_order_(parts.cables.size()) {
    std::iota(cable_order_.begin(), cable_order_.end(), std::uint16_t{0});
    std::stable_sort(cable_order_.begin(), cable_order_.end(),
                     [&](std::uint16_t x, std::uint16_t y) {
                       const CablePart &a = parts.cables[x], &b = parts.cables[y];
                       return a.lane != b.lane ? a.lane < b.lane : a.reach < b.reach;
                     });
  }

  void Run() {
    for (Cluster& cluster : Clusters()) {
      if (Choose(cluster)) continue;
      Report(cluster);
      return;  // the others would say the same
    }
  }

 private:
  std::vector<Cluster> Clusters() const {
    RowSets joined(plan_.cages.size());
    for (const Cable& cable : plan_.cables) joined.Join(Index(cable.a.cage), Index(cable.b.cage));
    std::vector<std::uint32_t> row(plan_.cages.size(), 0);
    std::vector<Cluster> out;
    for (std::uint32_t k = 0; k < plan_.cages.size(); ++k) {
      if (joined.Of(k) == k) {
        row[k] = static_cast<std::uint32_t>(out.size());
        out.emplace_back();
      }
      out[row[joined.Of(k)]].cages.push_back(CageId{k});
    }
    for (std::uint32_t c = 0; c < plan_.cables.size(); ++c) {
      Cluster& cluster = out[row[joined.Of(Index(plan_.cables[c].a.cage))]];
      cluster.cables.push_back(c);
      cluster.longest = std::max(cluster.longest, plan_.cables[c].length);
    }
    for (Cluster& cluster : out) SetShape(cluster);
    return out;
  }

  void SetShape(Cluster& cluster) const {
    int split = 0;  // cages of more than one port
    for (const CageId id : cluster.cages) split += plan_.cage(id).ports > 1 ? 1 : 0;
    if (cluster.cages.size() == 2) {
      cluster.one_piece = true;
    } else if (split == 1) {  // connected, so that every other cage hangs on that one
      cluster.one_piece = true;
      cluster.legs = static_cast<int>(cluster.cables.size());
    }
  }

  const CagePart& PartOf(const Cage& cage) const {
    return plan_.cages_of[parts_.kind_of[Index(cage.device)]].part;
  }
  static BitRate LaneOf(const Cage& cage) { return cage.rate * (1.0 / cage.port_lanes); }
  static bool Allows(const CagePart& cage, Watts draws) {
    return !cage.power || draws <= *cage.power;
  }

  // A way to join a cluster: one cable with plugs, or optics of one standard.
  struct Offer {
    Medium medium = Medium::kDac;
    std::uint16_t cable = 0;
    std::vector<std::uint16_t> optics = {};  // [cages of the cluster]
    double usd = 0;
    Watts draws{};
  };

  bool Choose(const Cluster& cluster) {
    best_.reset();
    for (const Medium medium : parts_.media) {
      HasOptics(medium) ? OfferOptics(cluster, medium) : OfferCables(cluster, medium);
      if (best_ && !parts_.prices) break;
    }
    if (!best_) return false;
    HasOptics(best_->medium) ? TakeOptics(cluster) : TakeCable(cluster);
    return true;
  }

  // The first that is offered stays where nobody says what anything costs.
  void Take(Offer& offer) {
    if (best_ && (!parts_.prices || offer.usd > best_->usd ||
                  (offer.usd == best_->usd && offer.draws >= best_->draws)))
      return;
    best_ = std::move(offer);
  }

  static Watts Draws(const CablePart& part, const Cage& cage) {
    return part.lane_power * (cage.port_lanes * cage.ports);
  }

  void OfferCables(const Cluster& cluster, Medium medium) {
    if (!cluster.one_piece) return;
    for (const std::uint16_t row : cable_order_) {
      const CablePart& part = parts_.cables[row];
      if (part.medium != medium || part.reach < cluster.longest || part.legs < cluster.legs)
        continue;
      const bool fits =
          std::all_of(cluster.cages.begin(), cluster.cages.end(), [&](const CageId id) {
            const Cage& cage = plan_.cage(id);
            return Fits(part, PartOf(cage).form) && Carries(part.lane, LaneOf(cage)) &&
                   Allows(PartOf(cage), Draws(part, cage));
          });
      if (!fits) continue;
      Offer offer{medium, row};
      for (const CageId id : cluster.cages) offer.draws = offer.draws + Draws(part, plan_.cage(id));
      if (parts_.prices)
        for (const std::uint32_t c : cluster.cables)
          offer.usd += parts_.prices->lanes[row] * plan_.cage(plan_.cables[c].a.cage).port_lanes;
      Take(offer);
      if (!parts_.prices) return;
    }
  }

  void TakeCable(const Cluster& cluster) {
    for (const CageId id : cluster.cages) {
      Cage& cage = plan_.cages[Index(id)];
      Plug(cage, best_->medium, best_->cable, Draws(parts_.cables[best_->cable], cage));
    }
    for (const std::uint32_t c : cluster.cables) {
      plan_.cables[c].medium = best_->medium;
      plan_.cables[c].assembly = plan_.assemblies;
    }
    ++plan_.assemblies;
  }

  void OfferOptics(const Cluster& cluster, Medium fibre) {
    for (const Standard& standard : standards_) {
      if (standard.fibre != fibre || !Carries(standard.lane, LaneOf(plan_.cage(cluster.cages[0]))))
        continue;
      Offer offer{fibre};
      for (const CageId id : cluster.cages) {
        const Cage& cage = plan_.cage(id);
        const auto optic = BestOptic(standard, cage, cluster.longest);
        if (!optic) break;
        offer.optics.push_back(*optic);
        offer.draws = offer.draws + parts_.optics[*optic].Draws(cage.port_lanes * cage.ports);
        if (parts_.prices) offer.usd += parts_.prices->optics[*optic];
      }
      if (offer.optics.size() < cluster.cages.size()) continue;
      if (parts_.prices)
        offer.usd +=
            static_cast<double>(cluster.cables.size()) *
            (fibre == Medium::kMultimode ? parts_.prices->multimode : parts_.prices->single_mode);
      Take(offer);
      if (!parts_.prices) return;
    }
  }

  void TakeOptics(const Cluster& cluster) {
    for (std::size_t i = 0; i < cluster.cages.size(); ++i) {
      Cage& cage = plan_.cages[Index(cluster.cages[i])];
      Plug(cage, best_->medium, best_->optics[i],
           parts_.optics[best_->optics[i]].Draws(cage.port_lanes * cage.ports));
    }
    for (const std::uint32_t c : cluster.cables) {
      plan_.cables[c].medium = best_->medium;
      plan_.cables[c].assembly = plan_.assemblies++;
    }
  }

  // Of the standard's optics that fit the cage, with every port it splits into, the cheapest where
  // prices say so, then the one of the fewest lanes, then of the least power.
  std::optional<std::uint16_t> BestOptic(const Standard& standard, const Cage& cage,
                                         Metres length) const {
    const CagePart& place = PartOf(cage);
    std::optional<std::uint16_t> best;
    for (const std::uint16_t row : standard.optics) {
      const OpticPart& optic = parts_.optics[row];
      const Watts draws = optic.Draws(cage.port_lanes * cage.ports);
      if (!Fits(optic, place.form) || optic.reach < length || !Allows(place, draws) ||
          optic.lanes < cage.port_lanes * cage.split || optic.ports < cage.split ||
          cage.port_lanes % (optic.lanes / optic.ports) != 0)
        continue;
      if (best) {
        const OpticPart& other = parts_.optics[*best];
        const Watts other_draws = other.Draws(cage.port_lanes * cage.ports);
        const double usd = parts_.prices ? parts_.prices->optics[row] : 0;
        const double other_usd = parts_.prices ? parts_.prices->optics[*best] : 0;
        if (usd > other_usd) continue;
        if (usd == other_usd &&
            (optic.lanes != other.lanes ? optic.lanes > other.lanes : draws >= other_draws))
          continue;
      }
      best = row;
    }
    return best;
  }

  static void Plug(Cage& cage, Medium medium, std::uint16_t part, Watts draws) {
    cage.medium = medium;
    cage.part = part;
    cage.draws = draws;
  }

  void Report(const Cluster& cluster) {
    const Cable* longest = nullptr;
    for (const std::uint32_t c : cluster.cables)
      if (longest == nullptr || plan_.cables[c].length > longest->length)
        longest = &plan_.cables[c];
    const Link& link = fabric_.link(longest->link);
    const Cage &a = plan_.cage(longest->a.cage), &b = plan_.cage(longest->b.cage);
    const auto end = [&](const Cage& cage, LinkId id) {
      return fmt::format("{} ({}, {} x {})", fabric_.PortName(id), NameOf(PartOf(cage).form),
                         cage.split, FormatQuantity(cage.rate.bits_per_second(), Unit::BIT_RATE));
    };
    errors_.push_back(
        {ErrorCode::kInconsistent, parts_.sources->At("cabling").pos,
         fmt::format("no part reaches {} m from {} to {} in {} lanes of {}",
                     longest->length.count(), end(a, longest->link), end(b, link.reverse),
                     a.port_lanes, FormatQuantity(LaneOf(a).bits_per_second(), Unit::BIT_RATE)),
         "cabling: other media, optics, cables or lengths; weft presets optic lists some"});
  }

  const Fabric& fabric_;
  const CablingParts& parts_;
  CablingPlan& plan_;
  Errors& errors_;
  const std::vector<Standard> standards_;
  std::vector<std::uint16_t> cable_order_;  // rows of parts.cables, the plainest first
  std::optional<Offer> best_;               // of the cluster at hand
};

}  // namespace

void ChooseMedia(const Fabric& fabric, const CablingParts& parts, CablingPlan& plan,
                 Errors& errors) {
  Chooser(fabric, parts, plan, errors).Run();
}

Watts MostThatFits(const CagePart& cage, const CablingParts& parts) {
  Watts most;
  for (const OpticPart& optic : parts.optics)
    if (Fits(optic, cage.form)) most = std::max(most, optic.power);
  for (const CablePart& cable : parts.cables)
    if (Fits(cable, cage.form)) most = std::max(most, cable.lane_power * cage.lanes);
  return cage.power ? std::min(most, *cage.power) : most;
}

}  // namespace weft
