#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/version.h"
#include "report/numbers.h"
#include "report/table.h"
#include "report/text.h"

namespace weft {
namespace {

using Kind = CableDifference::Kind;

std::string DifferenceText(const CableDifference& one) {
  std::string out = fmt::format("{}: {} - {}", DifferenceName(one.kind), one.a, one.b);
  switch (one.kind) {
    case Kind::kMissing:
      return out + ", " + FormatRate(one.planned);
    case Kind::kExtra:
      return out + ", " + FormatRate(one.live);
    case Kind::kCrossed:
      return out +
             fmt::format(" and {} - {}: their far ends are swapped", one.second_a, one.second_b);
    default:
      return out + fmt::format(" at {}, planned {}", FormatRate(one.live), FormatRate(one.planned));
  }
}

}  // namespace

std::string AgainstText(const std::string& plan, const std::string& live,
                        const WiringDifferences& differences, int width) {
  std::string out = fmt::format("{} against {}: {} cables planned, {} there, ", plan, live,
                                FormatCount(differences.planned), FormatCount(differences.live));
  const std::size_t count = differences.list.size();
  out += count == 0
             ? std::string("no difference\n")
             : fmt::format("{} difference{}\n", FormatCount(static_cast<std::int64_t>(count)),
                           count == 1 ? "" : "s");
  if (differences.no_name_in_common)
    out += Wrap(
               "note: the two have no name in common; a plan names devices as they are called "
               "there (weft import makes one)",
               width, 2) +
           '\n';
  if (differences.no_switch_in_common)
    out +=
        Wrap(
            "note: the two have no switch's name in common, so every cable differs; a plan names "
            "switches as they are called there (weft import makes one)",
            width, 2) +
        '\n';
  for (const CableDifference& one : differences.list)
    out += Wrap(DifferenceText(one), width, 4) + '\n';
  return out;
}

std::string AgainstJson(const std::string& plan, const std::string& live,
                        const WiringDifferences& differences) {
  nlohmann::ordered_json out;
  out["schema"] = "weft.against/1";
  out["weft"] = kWeftVersion;
  out["plan"] = plan;
  out["live"] = live;
  out["cables_planned"] = differences.planned;
  out["cables_live"] = differences.live;
  out["no_name_in_common"] = differences.no_name_in_common;
  out["no_switch_in_common"] = differences.no_switch_in_common;
  out["differences"] = nlohmann::ordered_json::array();
  for (const CableDifference& one : differences.list) {
    nlohmann::ordered_json row = {{"kind", DifferenceName(one.kind)}, {"a", one.a}, {"b", one.b}};
    if (one.kind == Kind::kCrossed) {
      row["second_a"] = one.second_a;
      row["second_b"] = one.second_b;
    }
    if (one.planned > BitRate()) row["planned_bps"] = one.planned.bits_per_second();
    if (one.live > BitRate()) row["live_bps"] = one.live.bits_per_second();
    out["differences"].push_back(std::move(row));
  }
  return out.dump(1) + '\n';
}

}  // namespace weft
