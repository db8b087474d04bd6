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

}  // namespace

std::string TopologyText(const std::string& name, const Fabric& fabric,
                         const TopologyFigures& figures, int width) {
  std::string out = name + '\n' + CountsText(fabric.counts(), width);
  if (fabric.provisioned() != fabric.counts())
    out += "\nprovisioned, reserved hosts and ports included\n" +
           CountsText(fabric.provisioned(), width);
  out += '\n' + LimitsText(fabric.limits());
  out += Wrap(figures.bisection ? fmt::format("bisection: {} each way, {}",
                                              FormatRate(*figures.bisection), figures.bisection_cut)
                                : "bisection: no figure; there is one host",
              width, 2) +
         '\n';
  out += figures.power ? fmt::format("power: {} W\n",
                                     FormatCount(static_cast<std::int64_t>(figures.power->count())))
                       : "power: no figure, for a part has none\n";
  out += figures.price ? fmt::format("price: {} USD\n",
                                     FormatCount(static_cast<std::int64_t>(figures.price->count())))
                       : "price: no figure, for a part has none\n";
  std::string names;
  for (const std::string& range : NameRanges(fabric)) names += (names.empty() ? "" : ", ") + range;
  out += Wrap("names, for faults and hosts: " + names, width, 2) + '\n';
  for (const std::string& note : fabric.notes()) out += Wrap("note: " + note, width, 2) + '\n';
  return out;
}

}  // namespace weft
