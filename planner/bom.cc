#include "planner/bom.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/check.h"
#include "base/schema/quantity.h"

namespace weft {
namespace {

constexpr const char* kNoPart = "(none)";

template <class Quantity>
std::optional<Figure<Quantity>> Times(std::optional<Figure<Quantity>> figure, double k) {
  if (figure) figure->range = figure->range * k;
  return figure;
}

Figure<Watts> Point(Watts power, std::string source, Mark mark) {
  return {{power, power, power}, std::move(source), "", mark};
}

// What such a host comes with, where it is one that weft has.
std::optional<HostContents> UsualContents(const DeviceKind& host, const BomOptions& options) {
  if (options.usual && options.usual->part == host.part) return ContentsOf(*options.usual);
  const std::optional<HostPart> usual = FindHost(host.part);
  return usual ? std::optional(ContentsOf(*usual)) : std::nullopt;
}

// Hosts and switches: a row for each tier and kind.
void AddDevices(const Fabric& fabric, const CablingParts& parts, const Catalogue& catalogue,
                const BomOptions& options, Bom& bom) {
  std::map<std::pair<std::uint8_t, std::uint32_t>, std::int64_t> counts;  // hosts: tier 0
  for (std::uint32_t h = 0; h < fabric.host_count(); ++h) ++counts[{0, parts.kind_of[h]}];
  for (std::uint32_t v = FirstSwitch(fabric); v < fabric.vertex_count(); ++v) {
    const std::uint32_t device = fabric.host_count() + v - FirstSwitch(fabric);
    ++counts[{fabric.vertex(VertexId{v}).tier, parts.kind_of[device]}];
  }
  for (const auto& [key, count] : counts) {
    const auto& [tier, kind] = key;
    const DeviceKind& device = parts.kinds[kind];
    if (tier == 0) {
      AddHosts(catalogue, device.part, device.name, count,
               UsualContents(device, options).value_or(device.contents), device.contents,
               device.power, bom);
      continue;
    }
    bom.rows.push_back(MakeBomRow(catalogue, PartKind::kSwitch, BomRole::kSwitch, device.part,
                                  fabric.naming(tier).noun, count, device.power));
  }
}

void AddOptics(const CablingParts& parts, const CablingPlan& plan, const Catalogue& catalogue,
               Bom& bom) {
  struct Count {
    std::int64_t pieces = 0, ends = 0;
  };
  std::map<std::pair<std::uint16_t, Watts>, Count> counts;  // by part and draw
  for (const Cage& cage : plan.cages) {
    if (!HasOptics(cage.medium)) continue;
    Count& count = counts[{cage.part, cage.draws}];
    ++count.pieces;
    count.ends += cage.ports;
  }
  for (const auto& [key, count] : counts) {
    const auto& [part, draws] = key;
    bom.rows.push_back(MakeBomRow(
        catalogue, PartKind::kOptic, BomRole::kOptic, parts.optics[part].part,
        fmt::format("at {}", FormatQuantity(draws.count(), Unit::POWER)), count.pieces, draws));
    bom.rows.back().links = count.ends;
    bom.rows.back().ports = parts.optics[part].ports;
  }
}

// One piece of a cable with plugs, or one fibre.
struct Piece {
  bool to_host = false;
  Medium medium = Medium::kDac;
  std::string_view part;
  double rate_bps = 0;
  int breakout = 1, lanes = 0;  // lanes of the whole piece
  Watts draws;                  // of its plugs; none of fibre
  auto operator<=>(const Piece&) const = default;
};

void AddCables(const Fabric& fabric, const CablingParts& parts, const CablingPlan& plan,
               const Catalogue& catalogue, Bom& bom) {
  struct Count {
    std::int64_t pieces = 0, links = 0;
  };
  std::map<Piece, Count> counts;
  std::vector<std::int64_t> links(plan.assemblies);
  std::vector<Piece> pieces(plan.assemblies);           // fibre is a piece for itself
  std::vector<bool> counted(plan.cages.size(), false);  // a cage has one plug, of one piece
  for (const Cable& cable : plan.cables) {
    const Cage &a = plan.cage(cable.a.cage), &b = plan.cage(cable.b.cage);
    Piece& piece = pieces[cable.assembly];
    piece.to_host = Index(a.device) < fabric.host_count();
    piece.medium = cable.medium;
    piece.part = HasOptics(cable.medium) ? cable.medium == Medium::kMultimode
                                               ? std::string_view("multimode fibre")
                                               : std::string_view("single-mode fibre")
                                         : std::string_view(parts.cables[a.part].part);
    piece.rate_bps = a.rate.bits_per_second();
    piece.breakout = std::max(a.split, b.split);
    piece.lanes += a.port_lanes;
    ++links[cable.assembly];
    if (HasOptics(cable.medium)) continue;
    for (const CageId cage : {cable.a.cage, cable.b.cage}) {
      if (counted[Index(cage)]) continue;
      counted[Index(cage)] = true;
      piece.draws = piece.draws + plan.cage(cage).draws;
    }
  }
  auto alike = counts.end();  // where the last piece went: neighbours are mostly alike
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].part.empty()) continue;
    if (alike == counts.end() || alike->first != pieces[i])
      alike = counts.try_emplace(pieces[i]).first;
    ++alike->second.pieces;
    alike->second.links += links[i];
  }
  for (const auto& [piece, count] : counts) {
    const bool fibre = HasOptics(piece.medium);
    BomRow row = MakeBomRow(
        catalogue, fibre ? PartKind::kFibre : PartKind::kCable,
        piece.to_host ? BomRole::kHostCable : BomRole::kSwitchCable, std::string(piece.part),
        fmt::format("{}, {}{}", piece.to_host ? "to hosts" : "between switches",
                    FormatQuantity(piece.rate_bps, Unit::BIT_RATE),
                    piece.breakout > 1 ? fmt::format(" of {} a cage", piece.breakout) : ""),
        count.pieces, fibre ? std::nullopt : std::optional(piece.draws));
    row.links = count.links;
    if (!fibre) row.unit_price = Times(row.unit_price, piece.lanes);
    bom.rows.push_back(std::move(row));
  }
}

// What is bought beside what is used, of row after row.
void AddSpares(const BomOptions& options, Bom& bom) {
  const std::size_t rows = bom.rows.size();
  for (std::size_t i = 0; i < rows; ++i) {
    const BomRole role = bom.rows[i].role;
    if (role == BomRole::kRack || role == BomRole::kNic || role == BomRole::kAccelerator) continue;
    const double share = bom.rows[i].role == BomRole::kHost ? options.spare_hosts : options.spares;
    // A share of decimal text times a whole number may be an ulp above what it says.
    const auto count = static_cast<std::int64_t>(
        std::ceil(share * static_cast<double>(bom.rows[i].quantity) - 1e-9));
    if (count <= 0) continue;
    BomRow spare = bom.rows[i];
    spare.quantity = count;
    spare.links = 0;
    spare.use = "spare: " + spare.use;
    spare.spare = true;
    bom.rows.push_back(std::move(spare));
  }
}

bool InScope(const BomRow& row, BomScope scope) {
  const bool network = row.role != BomRole::kHost && row.role != BomRole::kRack &&
                       row.role != BomRole::kNic && row.role != BomRole::kAccelerator;
  return scope == BomScope::kAll || (scope == BomScope::kNetwork) == network;
}

// Whether such a part draws anything: fibre and racks do not.
bool Draws(const BomRow& row) {
  return !row.spare && row.kind != PartKind::kFibre && row.kind != PartKind::kRack;
}

void AddName(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::string_view NameOf(BomRole role) {
  constexpr std::array kNames = {"host",  "switch", "host_cable", "isl_cable",
                                 "optic", "rack",   "nic",        "accelerator"};
  return kNames[static_cast<std::size_t>(role)];
}

std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

}  // namespace

BomRow MakeBomRow(const Catalogue& catalogue, PartKind kind, BomRole role, const std::string& part,
                  std::string use, std::int64_t quantity, std::optional<Watts> power) {
  BomRow out;
  out.part = part.empty() ? kNoPart : part;
  out.kind = kind;
  out.role = role;
  out.use = std::move(use);
  out.quantity = quantity;
  const CatalogueRow* row = catalogue.Find(part);
  if (row != nullptr && row->kind == kind) {
    out.unit_price = row->price;
    out.unit_power = row->power;
  }
  // What the plan's own part draws holds against a catalogue that says otherwise; where both say
  // the same the catalogue knows how far it may be off. A quote of the reader's is newer.
  const bool quoted = out.unit_power && out.unit_power->given;
  if (power && !quoted && (!out.unit_power || out.unit_power->range.mid != *power))
    out.unit_power = Point(*power, "the part's own figure", Mark::kDerived);
  return out;
}

namespace {

// What stands in `hosts` hosts, `count` in each, and what comes off for it.
void AddExchange(const Catalogue& catalogue, PartKind kind, const CatalogueRow* own, int own_count,
                 const CatalogueRow* fitted, int count, std::int64_t hosts, const std::string& use,
                 Bom& bom) {
  const bool priced_anew = fitted != nullptr && (fitted->own_price || fitted->own_power);
  if (own == fitted && own_count == count && !priced_anew) return;
  const BomRole role = kind == PartKind::kNic ? BomRole::kNic : BomRole::kAccelerator;
  const auto add = [&](const CatalogueRow* row, std::int64_t quantity, const std::string& as) {
    if (quantity == 0) return;
    bom.rows.push_back(
        MakeBomRow(catalogue, kind, role, row == nullptr ? "" : row->part, as, quantity));
  };
  add(fitted, count * hosts, use);
  const std::size_t before = bom.rows.size();
  add(own, -own_count * hosts, "comes off: of the host as it is priced");
  if (own == nullptr || bom.rows.size() == before) return;
  if (own->own_price) bom.rows.back().unit_price = own->own_price;
  if (own->own_power) bom.rows.back().unit_power = own->own_power;
}

}  // namespace

void AddHosts(const Catalogue& catalogue, const std::string& part, std::string use,
              std::int64_t hosts, const HostContents& own, const HostContents& fitted,
              std::optional<Watts> power, Bom& bom) {
  bom.rows.push_back(
      MakeBomRow(catalogue, PartKind::kHost, BomRole::kHost, part, std::move(use), hosts, power));
  const CatalogueRow* host = catalogue.Find(part);
  if (host == nullptr || host->kind != PartKind::kHost) return;
  if (own.nics > 0)
    bom.rows.back().use += fmt::format(", with {} NIC{} of {}", own.nics, own.nics == 1 ? "" : "s",
                                       FormatQuantity(own.nic.bits_per_second(), Unit::BIT_RATE));
  const CatalogueRow *own_nic = catalogue.NicOf(own.nic), *nic = catalogue.NicOf(fitted.nic);
  // A NIC that is as fast is the host's own, whatever a cheaper one of its rate would cost; a
  // whole host that a reader has priced has its own NICs and accelerators at whatever price.
  const bool whole = host->price && host->price->given;
  const bool same_nics = own.nic == fitted.nic && own.nics == fitted.nics;
  if (!same_nics || !whole)
    AddExchange(
        catalogue, PartKind::kNic, own_nic, own.nics, nic, fitted.nics, hosts,
        fmt::format("NIC of {}", FormatQuantity(fitted.nic.bits_per_second(), Unit::BIT_RATE)),
        bom);
  const CatalogueRow* gpu = catalogue.Find(own.gpu);
  if (gpu != nullptr && !whole && own.gpu == fitted.gpu && own.gpus == fitted.gpus)
    AddExchange(catalogue, PartKind::kAccelerator, gpu, own.gpus, gpu, own.gpus, hosts,
                "accelerator", bom);
}

Bom MakeBom(const Fabric& fabric, const CablingParts& parts, const CablingPlan* plan,
            const Catalogue& catalogue, const BomOptions& options) {
  Bom out;
  AddDevices(fabric, parts, catalogue, options, out);
  if (plan != nullptr) {
    AddOptics(parts, *plan, catalogue, out);
    AddCables(fabric, parts, *plan, catalogue, out);
    std::int64_t racks = 0;
    for (const Rack& rack : plan->racks.racks) racks += rack.own ? 0 : 1;
    if (racks > 0)
      out.rows.push_back(
          MakeBomRow(catalogue, PartKind::kRack, BomRole::kRack, "rack", "racks", racks));
  }
  AddSpares(options, out);
  return out;
}

BomTotals SumBom(const Bom& bom, BomScope scope) {
  BomTotals out;
  double unverified_usd = 0;
  bool host_verified = true;  // of the last host: what comes off its price rests on what that does
  for (const BomRow& row : bom.rows) {
    if (!InScope(row, scope) || row.quantity == 0) continue;
    const auto count = static_cast<double>(row.quantity);
    const std::string name = row.part == kNoPart ? row.use : row.part;
    if (row.unit_price) {
      out.price = out.price + row.unit_price->range * count;
      if (row.role == BomRole::kHost) host_verified = row.unit_price->verified();
      const bool verified = row.quantity < 0 ? host_verified : row.unit_price->verified();
      if (!verified) unverified_usd += row.unit_price->range.mid.count() * count;
    } else {
      AddName(out.unpriced, name);
    }
    if (!Draws(row)) continue;
    if (row.unit_power)
      out.power = out.power + row.unit_power->range * count;
    else
      AddName(out.unpowered, name);
  }
  if (out.price.mid.count() > 0) out.unverified_share = unverified_usd / out.price.mid.count();
  return out;
}

std::string BomCsv(const Bom& bom, const std::vector<BomKey>& keys) {
  std::string out =
      "part,kind,role,use,quantity,usd_low,usd_mid,usd_high,usd_source,usd_date,usd_mark,w_low,"
      "w_mid,w_high,w_source,w_mark\n";
  for (const BomRow& row : bom.rows) {
    out += fmt::format("{},{},{},{},{},", CsvField(row.part), NameOf(row.kind), NameOf(row.role),
                       CsvField(row.use), row.quantity);
    if (const auto& price = row.unit_price)
      out += fmt::format("{:.10g},{:.10g},{:.10g},{},{},{},", price->range.low.count(),
                         price->range.mid.count(), price->range.high.count(),
                         CsvField(price->source), CsvField(price->date), NameOf(price->mark));
    else
      out += ",,,,,,";
    if (const auto& power = row.unit_power; power && Draws(row))
      out += fmt::format("{:.10g},{:.10g},{:.10g},{},{}\n", power->range.low.count(),
                         power->range.mid.count(), power->range.high.count(),
                         CsvField(power->source), NameOf(power->mark));
    else
      out += ",,,,\n";
  }
  for (const BomKey& one : keys)
    out += fmt::format("{},key,,,{},,,,,,,,,,,\n", one.key, one.value);  // all its digits
  return out;
}

}  // namespace weft
