// Which plug every cage takes: cages that cables join are chosen for together.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <span>
#include <tuple>

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
  std::span<const CageId> cages;
  std::span<const std::uint32_t> cables;
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
    for (const OpticPart& optic : parts_.optics) reaches_.push_back(optic.reach);
    for (const CablePart& cable : parts_.cables) reaches_.push_back(cable.reach);
    std::sort(reaches_.begin(), reaches_.end());
    SetLooks();
    for (const Cluster& cluster : Clusters()) {
      if (Choose(cluster)) continue;
      Report(cluster);
      return;  // the others would say the same
    }
  }

 private:
  // In the order of their lowest cages.
  std::vector<Cluster> Clusters() {
    RowSets joined(plan_.cages.size());
    for (const Cable& cable : plan_.cables) joined.Join(Index(cable.a.cage), Index(cable.b.cage));
    std::vector<std::uint32_t> row(plan_.cages.size()), of_cable(plan_.cables.size());
    std::vector<std::uint32_t> first_cage{0}, first_cable{0};
    for (std::uint32_t k = 0; k < plan_.cages.size(); ++k) {
      const std::uint32_t lowest = joined.Of(k);
      if (lowest == k) {
        row[k] = static_cast<std::uint32_t>(first_cage.size() - 1);
        first_cage.push_back(0);
      }
      row[k] = row[lowest];
      ++first_cage[row[k] + 1];
    }
    std::vector<Cluster> out(first_cage.size() - 1);
    first_cable.resize(first_cage.size());
    for (std::uint32_t c = 0; c < plan_.cables.size(); ++c) {
      of_cable[c] = row[Index(plan_.cables[c].a.cage)];
      ++first_cable[of_cable[c] + 1];
      Metres& longest = out[of_cable[c]].longest;
      longest = std::max(longest, plan_.cables[c].length);
    }
    std::partial_sum(first_cage.begin(), first_cage.end(), first_cage.begin());
    std::partial_sum(first_cable.begin(), first_cable.end(), first_cable.begin());
    cages_.resize(row.size());
    cables_.resize(of_cable.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i].cages = std::span(cages_).subspan(first_cage[i], first_cage[i + 1] - first_cage[i]);
      out[i].cables =
          std::span(cables_).subspan(first_cable[i], first_cable[i + 1] - first_cable[i]);
    }
    for (std::uint32_t k = 0; k < row.size(); ++k) cages_[first_cage[row[k]]++] = CageId{k};
    for (std::uint32_t c = 0; c < of_cable.size(); ++c) cables_[first_cable[of_cable[c]]++] = c;
    for (Cluster& cluster : out) SetShape(cluster);
    return out;
  }

  // All that a choice asks of a cage.
  struct Look {
    std::uint32_t kind = 0;
    std::uint8_t port_lanes = 1, ports = 0, split = 1;
    BitRate rate;
    bool operator==(const Look&) const = default;
  };

  void SetLooks() {
    std::vector<Look> looks;
    std::uint32_t last = 0;
    for (const Cage& cage : plan_.cages) {
      const Look look{parts_.kind_of[Index(cage.device)], cage.port_lanes, cage.ports, cage.split,
                      cage.rate};
      if (last >= looks.size() || looks[last] != look) {
        last =
            static_cast<std::uint32_t>(std::find(looks.begin(), looks.end(), look) - looks.begin());
        if (last == looks.size()) looks.push_back(look);
      }
      look_of_.push_back(last);
    }
  }

  // All that a choice asks of a cluster: clusters that look alike are offered the same.
  void SetKey(const Cluster& cluster) {
    const auto reach = std::lower_bound(reaches_.begin(), reaches_.end(), cluster.longest);
    key_ = {static_cast<std::uint32_t>(reach - reaches_.begin()),
            static_cast<std::uint32_t>(cluster.legs), cluster.one_piece ? 1U : 0U,
            static_cast<std::uint32_t>(cluster.cages.size())};
    for (const CageId id : cluster.cages) key_.push_back(look_of_[Index(id)]);
    for (const std::uint32_t c : cluster.cables)
      key_.push_back(look_of_[Index(plan_.cables[c].a.cage)]);
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
    SetKey(cluster);
    if (last_ == offers_.end() || last_->first != key_) {
      bool is_new = false;
      std::tie(last_, is_new) = offers_.try_emplace(key_);
      best_ = &last_->second;
      if (is_new) FindBest(cluster);
    }
    if (!*best_) return false;
    HasOptics((*best_)->medium) ? TakeOptics(cluster, **best_) : TakeCable(cluster, **best_);
    return true;
  }

  void FindBest(const Cluster& cluster) {
    for (const Medium medium : parts_.media) {
      HasOptics(medium) ? OfferOptics(cluster, medium) : OfferCables(cluster, medium);
      if (*best_ && !parts_.prices) break;
    }
  }

  // The first that is offered stays where nobody says what anything costs.
  void Take(Offer& offer) {
    std::optional<Offer>& best = *best_;
    if (best && (!parts_.prices || offer.usd > best->usd ||
                 (offer.usd == best->usd && offer.draws >= best->draws)))
      return;
    best = std::move(offer);
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

  void TakeCable(const Cluster& cluster, const Offer& offer) {
    for (const CageId id : cluster.cages) {
      Cage& cage = plan_.cages[Index(id)];
      Plug(cage, offer.medium, offer.cable, Draws(parts_.cables[offer.cable], cage));
    }
    for (const std::uint32_t c : cluster.cables) {
      plan_.cables[c].medium = offer.medium;
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

  void TakeOptics(const Cluster& cluster, const Offer& offer) {
    for (std::size_t i = 0; i < cluster.cages.size(); ++i) {
      Cage& cage = plan_.cages[Index(cluster.cages[i])];
      Plug(cage, offer.medium, offer.optics[i],
           parts_.optics[offer.optics[i]].Draws(cage.port_lanes * cage.ports));
    }
    for (const std::uint32_t c : cluster.cables) {
      plan_.cables[c].medium = offer.medium;
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
  std::vector<Metres> reaches_;             // of all parts, sorted
  std::vector<std::uint32_t> look_of_;      // [cages]
  std::vector<CageId> cages_;               // of clusters, one after the other
  std::vector<std::uint32_t> cables_;
  std::vector<std::uint32_t> key_;                                     // of the cluster at hand
  std::map<std::vector<std::uint32_t>, std::optional<Offer>> offers_;  // by key, the best
  decltype(offers_)::iterator last_ = offers_.end();  // neighbours mostly look alike
  std::optional<Offer>* best_ = nullptr;              // of the cluster at hand
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
