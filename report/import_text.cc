#include <fmt/format.h>

#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

std::string LeavesText(const Fabric& fabric, const Unevenness& uneven, int width) {
  Table table;
  table.AddColumn(fabric.naming(1).noun, Align::kLeft);
  for (const char* column : {"NIC links", "uplinks", "oversubscription", "lacking"})
    table.AddColumn(column);
  for (const LeafRow& row : uneven.leaves)
    table.AddRow({fabric.Name(row.leaf), FormatCount(row.down), FormatCount(row.up),
                  row.up == 0 ? "-" : FormatSignificant(row.down_rate / row.up_rate, 4) + ":1",
                  FormatCount(row.lacking)});
  return table.Format(width);
}

std::string ListText(const char* title, const std::vector<std::string>& items, int width) {
  if (items.empty()) return fmt::format("{}: none\n", title);
  std::string out =
      fmt::format("{}: {}\n", title, FormatCount(static_cast<std::int64_t>(items.size())));
  for (const std::string& item : items) out += Wrap("  " + item, width, 4) + '\n';
  return out;
}

}  // namespace

std::string ImportText(const std::string& name, const Fabric& fabric, const Unevenness& uneven,
                       int width) {
  const FabricCounts& counts = fabric.counts();
  std::string out =
      fmt::format("{}\n{}, {}, {}", name, FormatCounted(counts.gpus, "GPU"),
                  FormatCounted(counts.hosts, "host"), FormatCounted(counts.nics, "NIC"));
  for (const TierCount& tier : counts.tiers)
    out += fmt::format(", {} of tier {}", FormatCount(tier.switches), tier.name);
  out += "\n\n" + LeavesText(fabric, uneven, width) + '\n';
  std::int64_t cables = 0;
  for (const LeafRow& row : uneven.leaves) cables += row.lacking;
  out += uneven.missing.empty()
             ? "missing cables: none\n"
             : ListText(fmt::format("missing: {} at the leaves; pairs of switches that lack some",
                                    FormatCounted(cables, "cable"))
                            .c_str(),
                        uneven.missing, width);
  out += ListText("odd", uneven.odd, width);
  for (const std::string& note : fabric.notes()) out += Wrap("note: " + note, width, 2) + '\n';
  return out;
}

}  // namespace weft
