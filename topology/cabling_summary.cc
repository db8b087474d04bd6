#include "topology/cabling_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace weft {
namespace {

void CountCables(const CablingParts& parts, const CablingPlan& plan, CablingSummary& out) {
  std::map<std::tuple<Medium, double, int, std::string>, CableCount> counts;
  std::vector<bool> seen(plan.assemblies, false);
  for (const Cable& cable : plan.cables) {
    const Cage &a = plan.cage(cable.a.cage), &b = plan.cage(cable.b.cage);
    const int breakout = std::max(a.split, b.split);
    const std::string part = HasOptics(cable.medium) ? "" : parts.cables[a.part].part;
    CableCount& one = counts[{cable.medium, a.rate.bits_per_second(), breakout, part}];
    if (one.count == 0) {
      one.medium = cable.medium;
      one.part = part;
      one.rate = a.rate;
      one.breakout = breakout;
      one.shortest = cable.length;
    }
    ++one.count;
    if (!seen[cable.assembly]) ++one.pieces;
    seen[cable.assembly] = true;
    one.shortest = std::min(one.shortest, cable.length);
    one.longest = std::max(one.longest, cable.length);
    one.total = one.total + cable.length;
  }
  for (auto& [key, one] : counts) out.cables.push_back(std::move(one));
  out.cable_count = static_cast<std::int64_t>(plan.cables.size());
}

void CountOptics(const CablingParts& parts, const CablingPlan& plan, CablingSummary& out) {
  std::vector<OpticCount> counts(parts.optics.size());
  for (const Cage& cage : plan.cages) {
    if (!HasOptics(cage.medium)) {
      out.cables_draw = out.cables_draw + cage.draws;
      continue;
    }
    OpticCount& one = counts[cage.part];
    ++one.count;
    one.draws = one.draws + cage.draws;
    out.optics_draw = out.optics_draw + cage.draws;
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i].part = parts.optics[i].part;
    if (counts[i].count > 0) out.optics.push_back(std::move(counts[i]));
  }
}

// Cages that reserved ports will take: of the links that are provisioned and not cabled, those
// of one switch, at the split of its cabled ports that way, or else the other way.
std::int64_t Reserved(std::int64_t links, std::int64_t switches, int split) {
  if (links <= 0 || switches == 0 || split == 0) return 0;
  const std::int64_t each = (links + switches - 1) / switches;
  return switches * ((each + split - 1) / split);
}

// How cages of `tier` are split by what they lead to: [0] lower, [1] higher tiers.
std::array<int, 2> SplitsOf(const Fabric& fabric, const CablingPlan& plan, std::uint8_t tier) {
  std::array<int, 2> out = {0, 0};
  for (const Cable& cable : plan.cables) {
    const Link& link = fabric.link(cable.link);
    const std::uint8_t a = fabric.vertex(link.from).tier, b = fabric.vertex(link.to).tier;
    if (b == tier && a < b) out[0] = plan.cage(cable.b.cage).split;
    if (a == tier && b > a) out[1] = plan.cage(cable.a.cage).split;
    if (out[0] > 0 && out[1] > 0) break;
  }
  if (out[0] == 0) out[0] = out[1];
  if (out[1] == 0) out[1] = out[0];
  return out;
}

// A link up of one tier is a link down of the next.
void CountReserve(const Fabric& fabric, CablingSummary& out) {
  const FabricCounts &now = fabric.counts(), &later = fabric.provisioned();
  out.reserved_hosts = later.hosts - now.hosts;
  for (std::size_t t = 0; t < std::min(now.tiers.size(), later.tiers.size()); ++t) {
    if (t == 0) out.reserved_host_cables = later.tiers[t].links_down - now.tiers[t].links_down;
    out.reserved_switch_cables += later.tiers[t].links_up - now.tiers[t].links_up;
  }
}

// A row for each kind of host, then for each tier and kind of switch in it.
void CountCages(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan,
                CablingSummary& out) {
  const FabricCounts &now = fabric.counts(), &later = fabric.provisioned();
  std::map<std::pair<std::uint8_t, std::uint32_t>, CageCount> rows;  // by tier, hosts' 0, and kind
  for (std::uint32_t d = 0; d < DeviceCount(fabric); ++d) {
    const std::uint8_t tier =
        d < fabric.host_count()
            ? std::uint8_t{0}
            : fabric.vertex(VertexId{FirstSwitch(fabric) + d - fabric.host_count()}).tier;
    const std::uint32_t kind = parts.kind_of[d];
    CageCount& row = rows[{tier, kind}];
    row.form = plan.cages_of[kind].part.form;
    row.all += plan.cages_of[kind].count;
    row.used += plan.first_cage[d + 1] - plan.first_cage[d];
  }
  std::map<std::uint8_t, int> kinds;
  for (const auto& [key, row] : rows) ++kinds[key.first];
  for (auto& [key, row] : rows) {
    const auto [tier, kind] = key;
    row.device = parts.kinds[kind].name;
    if (tier > 0) {
      const TierCount& one = now.tiers[tier - 1u];
      row.device = kinds[tier] == 1 ? one.name : fmt::format("{} ({})", one.name, row.device);
      // What is reserved is reserved where a tier is of one kind.
      if (tier <= later.tiers.size() && kinds[tier] == 1) {
        const TierCount& all = later.tiers[tier - 1u];
        const auto splits = SplitsOf(fabric, plan, tier);
        row.reserved = Reserved(all.links_down - one.links_down, one.switches, splits[0]) +
                       Reserved(all.links_up - one.links_up, one.switches, splits[1]);
      }
    }
    out.cages.push_back(std::move(row));
  }
}

void CountRacks(const CablingParts& parts, const CablingPlan& plan, CablingSummary& out) {
  out.rack = parts.racks.rack;
  out.most_power = Watts();
  for (const Rack& rack : plan.racks.racks) {
    out.units += rack.units;
    out.racks += rack.racks;
    if (rack.own) {  // no rack of cabling.rack's
      out.own_racks += rack.racks;
      continue;
    }
    out.most_units = std::max(out.most_units, rack.units);
    if (!rack.power)
      out.most_power.reset();
    else if (out.most_power)
      out.most_power = std::max(*out.most_power, *rack.power);
  }
}

}  // namespace

CablingSummary SummarizeCabling(const Fabric& fabric, const CablingParts& parts,
                                const CablingPlan& plan) {
  CablingSummary out;
  CountCables(parts, plan, out);
  CountOptics(parts, plan, out);
  CountCages(fabric, parts, plan, out);
  CountReserve(fabric, out);
  CountRacks(parts, plan, out);
  if (const auto boxes = fabric.power()) out.power = *boxes + out.optics_draw + out.cables_draw;
  out.notes = plan.notes;
  return out;
}

}  // namespace weft
