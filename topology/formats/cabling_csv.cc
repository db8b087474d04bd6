#include "topology/formats/cabling_csv.h"

#include <fmt/format.h>

#include "base/schema/quantity.h"

namespace weft {
namespace {

// Quoted where a comma, a quote or a line's end stands in it [RFC4180 §2].
std::string Field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

std::string Rate(BitRate rate) { return FormatQuantity(rate.bits_per_second(), Unit::BIT_RATE); }

std::string End(const Fabric& fabric, const CablingPlan& plan, const CableEnd& end, LinkId link) {
  const Cage& cage = plan.cage(end.cage);
  const Place& place = plan.racks.place[Index(cage.device)];
  const int first = end.port * cage.port_lanes;
  return fmt::format("{},{},{},{}x{},{}-{},{},{}", DeviceName(fabric, cage.device),
                     fabric.PortName(link), cage.number, cage.split, Rate(cage.rate), first,
                     first + cage.port_lanes - 1, place.rack, place.unit);
}

}  // namespace

std::string CablingCsv(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan) {
  std::string out =
      "cable,a_device,a_port,a_cage,a_breakout,a_lanes,a_rack,a_unit,"
      "b_device,b_port,b_cage,b_breakout,b_lanes,b_rack,b_unit,"
      "rate,medium,part,a_optic,b_optic,assembly,length_m,status\n";
  for (std::size_t c = 0; c < plan.cables.size(); ++c) {
    const Cable& cable = plan.cables[c];
    const Cage &a = plan.cage(cable.a.cage), &b = plan.cage(cable.b.cage);
    const bool optics = HasOptics(cable.medium);
    out += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},planned\n", c, End(fabric, plan, cable.a, cable.link),
        End(fabric, plan, cable.b, fabric.link(cable.link).reverse), Rate(a.rate),
        NameOf(cable.medium), optics ? "" : Field(parts.cables[a.part].part),
        optics ? Field(parts.optics[a.part].part) : "",
        optics ? Field(parts.optics[b.part].part) : "", cable.assembly, cable.length.count());
  }
  return out;
}

}  // namespace weft
