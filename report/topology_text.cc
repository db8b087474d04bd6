#include <fmt/format.h>

#include <cmath>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"
#include "report/uneven_text.h"

namespace weft {
namespace {

std::string Oversubscription(const TierCount& tier) {
  return tier.oversubscription ? FormatSignificant(*tier.oversubscription, 4) + ":1" : "-";
}

std::string CountsText(const FabricCounts& counts, int width) {
  Table table;
  table.AddColumn("tier", Align::kLeft);
  for (const char* column : {"switches", "links down", "links up", "oversubscription"})
    table.AddColumn(column);
  for (const TierCount& tier : counts.tiers)
    table.AddRow({tier.name, FormatCount(tier.switches), FormatCount(tier.links_down),
                  FormatCount(tier.links_up), Oversubscription(tier)});
  return fmt::format("{}, {}, {}, {}\n", FormatCounted(counts.gpus, "GPU"),
                     FormatCounted(counts.hosts, "host"), FormatCounted(counts.nics, "NIC"),
                     FormatCounted(counts.planes, "plane")) +
         table.Format(width);
}

std::string LimitsText(const FabricLimits& limits) {
  if (!limits.tier1_gpus && !limits.tier2_gpus)
    return "what the ports allow: not worked out for this family\n";
  const auto one = [](const std::optional<std::int64_t>& gpus) {
    return gpus ? FormatCounted(*gpus, "GPU") : "no figure (see the note)";
  };
  return fmt::format("what the ports allow: one tier-1 group {}, two tiers {}\n",
                     one(limits.tier1_gpus), one(limits.tier2_gpus));
}

std::string Watt(Watts power) {
  return FormatCount(static_cast<std::int64_t>(std::llround(power.count()))) + " W";
}

std::string Metre(Metres length) { return fmt::format("{:.6g} m", length.count()); }

std::string CablesText(const CablingSummary& cabling, int width) {
  Table table;
  for (const char* column : {"medium", "part"}) table.AddColumn(column, Align::kLeft);
  for (const char* column : {"rate", "breakout", "cables", "pieces", "lengths"})
    table.AddColumn(column);
  for (const CableCount& one : cabling.cables)
    table.AddRow({std::string(NameOf(one.medium)), one.part.empty() ? "fibre" : one.part,
                  FormatRate(one.rate), one.breakout == 1 ? "-" : fmt::format("{}x", one.breakout),
                  FormatCount(one.count), FormatCount(one.pieces),
                  one.shortest == one.longest
                      ? Metre(one.longest)
                      : fmt::format("{:.6g} to {}", one.shortest.count(), Metre(one.longest))});
  return table.Format(width);
}

std::string CabledText(const CablingSummary& cabling, int width) {
  std::int64_t optics = 0;
  Table optic, cage;
  optic.AddColumn("optic", Align::kLeft);
  for (const char* column : {"count", "power"}) optic.AddColumn(column);
  for (const OpticCount& one : cabling.optics) {
    optics += one.count;
    optic.AddRow({one.part, FormatCount(one.count), Watt(one.draws)});
  }
  cage.AddColumn("cages of", Align::kLeft);
  cage.AddColumn("form", Align::kLeft);
  for (const char* column : {"all", "used", "reserved"}) cage.AddColumn(column);
  for (const CageCount& one : cabling.cages)
    cage.AddRow({one.device, std::string(NameOf(one.form)), FormatCount(one.all),
                 FormatCount(one.used), FormatCount(one.reserved)});
  std::string out =
      fmt::format("cabling: {}, {}, {}\n", FormatCounted(cabling.cable_count, "cable"),
                  FormatCounted(optics, "optic"), FormatCounted(cabling.racks, "rack")) +
      CablesText(cabling, width);
  if (!optic.empty()) out += optic.Format(width);
  out += cage.Format(width);
  std::string racks = fmt::format("racks: {} of {} units and {}; the fullest has {} units taken",
                                  FormatCount(cabling.racks), cabling.rack.units,
                                  Watt(cabling.rack.power), cabling.most_units);
  if (cabling.own_racks == cabling.racks)
    racks = fmt::format("racks: {}, each a host", FormatCount(cabling.racks));
  else if (cabling.own_racks > 0)
    racks += fmt::format("; {} are hosts themselves", FormatCount(cabling.own_racks));
  else if (cabling.most_power)
    racks += fmt::format(", the hottest draws {}", Watt(*cabling.most_power));
  out += Wrap(racks, width, 2) + '\n';
  if (cabling.reserved_host_cables + cabling.reserved_switch_cables > 0)
    out += Wrap(fmt::format("reserved, beside all these: {}, with their place in the racks, {} "
                            "to hosts, {} between switches",
                            FormatCounted(cabling.reserved_hosts, "host"),
                            FormatCounted(cabling.reserved_host_cables, "cable"),
                            FormatCount(cabling.reserved_switch_cables)),
                width, 2) +
           '\n';
  out += fmt::format("plugs draw at most {}: optics {}, cables {}\n",
                     Watt(cabling.optics_draw + cabling.cables_draw), Watt(cabling.optics_draw),
                     Watt(cabling.cables_draw));
  for (const std::string& note : cabling.notes) out += Wrap("note: " + note, width, 2) + '\n';
  return out;
}

std::string Missing(const std::vector<std::string>& parts) {
  return parts.empty()
             ? ""
             : fmt::format("; without {}, of which there is no figure", fmt::join(parts, ", "));
}

// "10.2 kW (9 to 11)": what is known to a third is not printed to the watt. One number where the
// range is a point.
template <class Quantity>
std::string RangeText(const Range<Quantity>& range, const char* unit) {
  const double mid = range.mid.count();
  const bool mega = mid >= 1e6, kilo = mid >= 1e3 && !mega;
  const auto scaled = [&](Quantity value) {
    return FormatSignificant(value.count() / (mega ? 1e6 : kilo ? 1e3 : 1), 4);
  };
  std::string out = fmt::format("{} {}{}", scaled(range.mid), mega ? "M" : kilo ? "k" : "", unit);
  if (range.low != range.high)
    out += fmt::format(" ({} to {})", scaled(range.low), scaled(range.high));
  return out;
}

std::string PowerText(const TopologyFigures& figures, int width) {
  if (!figures.power) return "power: no figure, for no part has one\n";
  return Wrap(fmt::format("power: {}: hosts, switches{}{}", RangeText(*figures.power, "W"),
                          figures.cabling ? " and the plugs in their cages" : "; no optics",
                          Missing(figures.unpowered)),
              width, 2) +
         '\n';
}

std::string PriceText(const TopologyFigures& figures, int width) {
  if (!figures.price) return "price: no figure, for no part has one\n";
  return Wrap(fmt::format("price: {}{}; {:.0f} % of it rests on unverified figures{}",
                          RangeText(*figures.price, "USD"),
                          figures.cabling ? "" : ": hosts, switches; no cables",
                          100 * figures.unverified_share, Missing(figures.unpriced)),
              width, 2) +
         '\n';
}

// Which count was built, and what the two policies give.
std::string RuleText(const char* noun, const std::optional<SwitchRule>& rule, std::size_t tier,
                     const Fabric& fabric, int width) {
  if (!rule) return {};
  const bool policy = rule->policy == "even" || rule->policy == "minimum";
  const std::string built = FormatCount(fabric.counts().tiers[tier].switches),
                    how = policy ? fmt::format("policy {}", rule->policy) : "as asked";
  const std::string text =
      rule->minimum == rule->even
          ? fmt::format(
                "{}: {} ({}); the fewest that have the ports, and over which the uplinks "
                "below spread evenly: {}",
                noun, built, how, FormatCount(rule->even))
          : fmt::format(
                "{}: {} ({}); the fewest that have the ports: {}; the fewest over which "
                "the uplinks below spread evenly: {}",
                noun, built, how, FormatCount(rule->minimum), FormatCount(rule->even));
  return Wrap(text, width, 2) + '\n';
}

}  // namespace

std::string UnevenText(const Unevenness& uneven, int width) {
  std::string out;
  for (const auto& [title, items] : {std::pair("missing", &uneven.missing), {"odd", &uneven.odd}}) {
    if (items->empty()) continue;
    out += fmt::format("{}: {}\n", title, FormatCount(static_cast<std::int64_t>(items->size())));
    for (const std::string& item : *items) out += Wrap("  " + item, width, 4) + '\n';
  }
  return out;
}

std::string TopologyText(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures, int width) {
  std::string out = name + '\n';
  if (!fabric.constructible()) out += "counts alone, nothing is built\n";
  out += CountsText(fabric.counts(), width);
  if (fabric.provisioned() != fabric.counts())
    out += "\nprovisioned, reserved hosts and ports included\n" +
           CountsText(fabric.provisioned(), width);
  out += '\n' + LimitsText(fabric.limits());
  out += RuleText("spines", fabric.spine_rule(), 1, fabric, width);
  out += RuleText("cores", fabric.core_rule(), 2, fabric, width);
  std::string bisection = "bisection: no figure";
  if (figures.bisection)
    bisection = fmt::format("bisection: {} each way, {}", FormatRate(*figures.bisection),
                            figures.bisection_cut);
  else if (fabric.constructible())
    bisection += "; there is one host";
  out += Wrap(bisection, width, 2) + '\n';
  out += PowerText(figures, width) + PriceText(figures, width);
  const std::int64_t lateral = fabric.counts().lateral_links;
  if (lateral > 0)
    out += fmt::format("cables between switches of a tier: {}\n", FormatCount(lateral));
  out += '\n' +
         (figures.cabling ? CabledText(*figures.cabling, width)
                          : Wrap("cabling: no plan; " + figures.no_cabling, width, 2) + '\n') +
         '\n';
  std::string names;
  for (const std::string& range : NameRanges(fabric)) names += (names.empty() ? "" : ", ") + range;
  if (!names.empty()) out += Wrap("names, for faults and hosts: " + names, width, 2) + '\n';
  for (const std::string& note : fabric.notes()) out += Wrap("note: " + note, width, 2) + '\n';
  return out;
}

}  // namespace weft
