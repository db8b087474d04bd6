#include <fmt/format.h>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

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
  return fmt::format("{} GPUs, {} hosts, {} NICs, {} plane{}\n", FormatCount(counts.gpus),
                     FormatCount(counts.hosts), FormatCount(counts.nics), counts.planes,
                     counts.planes == 1 ? "" : "s") +
         table.Format(width);
}

std::string LimitsText(const FabricLimits& limits) {
  if (!limits.tier1_gpus && !limits.tier2_gpus)
    return "what the ports allow: not worked out for this family\n";
  const auto one = [](const std::optional<std::int64_t>& gpus) {
    return gpus ? FormatCount(*gpus) + " GPUs" : "no figure (see the note)";
  };
  return fmt::format("what the ports allow: one tier-1 group {}, two tiers {}\n",
                     one(limits.tier1_gpus), one(limits.tier2_gpus));
}

std::string RuleText(const char* noun, const std::optional<SwitchRule>& rule, std::size_t tier,
                     const Fabric& fabric) {
  if (!rule) return {};
  return fmt::format("{}: {}, by policy {}; at least {}, evenly {}\n", noun,
                     FormatCount(fabric.counts().tiers[tier].switches), rule->policy,
                     FormatCount(rule->minimum), FormatCount(rule->even));
}

}  // namespace

std::string TopologyText(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures, int width) {
  std::string out = name + '\n';
  if (!fabric.constructible()) out += "counts alone, nothing is built\n";
  out += CountsText(fabric.counts(), width);
  if (fabric.provisioned() != fabric.counts())
    out += "\nprovisioned, reserved hosts and ports included\n" +
           CountsText(fabric.provisioned(), width);
  out += '\n' + LimitsText(fabric.limits());
  out += RuleText("spines", fabric.spine_rule(), 1, fabric);
  out += RuleText("cores", fabric.core_rule(), 2, fabric);
  std::string bisection = "bisection: no figure";
  if (figures.bisection)
    bisection = fmt::format("bisection: {} each way, {}", FormatRate(*figures.bisection),
                            figures.bisection_cut);
  else if (fabric.constructible())
    bisection += "; there is one host";
  out += Wrap(bisection, width, 2) + '\n';
  out += figures.power ? fmt::format("power: {} W\n",
                                     FormatCount(static_cast<std::int64_t>(figures.power->count())))
                       : "power: no figure, for a part has none\n";
  out += figures.price ? fmt::format("price: {} USD\n",
                                     FormatCount(static_cast<std::int64_t>(figures.price->count())))
                       : "price: no figure, for a part has none\n";
  const std::int64_t lateral = fabric.counts().lateral_links;
  if (lateral > 0)
    out += fmt::format("cables between switches of a tier: {}\n", FormatCount(lateral));
  std::string names;
  for (const std::string& range : NameRanges(fabric)) names += (names.empty() ? "" : ", ") + range;
  if (!names.empty()) out += Wrap("names, for faults and hosts: " + names, width, 2) + '\n';
  for (const std::string& note : fabric.notes()) out += Wrap("note: " + note, width, 2) + '\n';
  return out;
}

}  // namespace weft
