#include "hardware/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "base/schema/quantity.h"
#include "base/schema/reader.h"
#include "base/schema/wording.h"
#include "hardware/catalogue.pb.h"
#include "hardware/figure_mark.h"
#include "hardware/parts.h"

namespace weft {
namespace {

PartKind KindOf(CatalogueRowSpec::Kind kind) {
  switch (kind) {
    case CatalogueRowSpec::HOST:
      return PartKind::kHost;
    case CatalogueRowSpec::NIC:
      return PartKind::kNic;
    case CatalogueRowSpec::SWITCH:
      return PartKind::kSwitch;
    case CatalogueRowSpec::OPTIC:
      return PartKind::kOptic;
    case CatalogueRowSpec::CABLE:
      return PartKind::kCable;
    case CatalogueRowSpec::FIBRE:
      return PartKind::kFibre;
    case CatalogueRowSpec::RACK:
      return PartKind::kRack;
    default:
      return PartKind::kAccelerator;
  }
}

// Of a price, a power or a failure rate: the three say the same keys.
template <class Quantity, class Spec>
Figure<Quantity> MakeFigure(const Spec& spec, const SourcePos& pos, bool own, Errors& errors) {
  const double mid = spec.mid();
  double low = spec.has_low() ? spec.low() : mid, high = spec.has_high() ? spec.high() : mid;
  if (low > mid || mid > high)
    errors.push_back(
        {ErrorCode::kInconsistent, pos,
         fmt::format("low, mid and high are {:.6g}, {:.6g} and {:.6g}", low, mid, high),
         "in rising order"});
  Figure<Quantity> out;
  out.source = spec.source();
  out.date = spec.date();
  out.given = !own;
  if (spec.has_mark())
    out.mark = MarkOf(spec.mark());
  else
    out.mark = own ? Mark::kUnverified : Mark::kQuote;
  if (!own && out.source.empty()) out.source = fmt::format("{}:{}", pos.file, pos.line);
  if (!out.verified()) {
    low = std::min(low, mid * kUnverifiedLow);
    high = std::max(high, mid * kUnverifiedHigh);
  }
  out.range = {Quantity(low), Quantity(mid), Quantity(high)};
  return out;
}

std::string Say(Dollars price) { return FormatQuantity(price.count(), Unit::MONEY); }
std::string Say(Watts power) { return FormatQuantity(power.count(), Unit::POWER); }
std::string Say(double a_year) { return fmt::format("{:.4g} a year", a_year); }

// Lays `given` over `figure`, and says so where weft had one or `note`.
template <class Quantity>
void Lay(std::optional<Figure<Quantity>>& figure, Figure<Quantity> given, const char* what,
         const std::string& part, const SourcePos& pos, bool own, Catalogue& out) {
  if (!own)
    out.overrides.push_back(
        {part, what, figure ? Say(figure->range.mid) : "none", Say(given.range.mid), pos});
  figure = std::move(given);
}

void LayRow(const CatalogueRowSpec& spec, const SourceMap& sources, const std::string& path,
            bool own, Catalogue& out, Errors& errors) {
  auto row = std::lower_bound(
      out.rows.begin(), out.rows.end(), spec.part(),
      [](const CatalogueRow& one, const std::string& part) { return one.part < part; });
  if (row == out.rows.end() || row->part != spec.part()) {
    if (!spec.has_kind()) {
      std::vector<std::string> names;
      for (const CatalogueRow& one : out.rows) names.push_back(one.part);
      const std::string nearest = Nearest(spec.part(), names);
      errors.push_back({ErrorCode::kUnknownKey, sources.At(path + ".part").pos,
                        fmt::format("the catalogue has no part {}", Quoted(spec.part())),
                        (nearest.empty() ? "" : fmt::format("did you mean '{}'? ", nearest)) +
                            "a part of your own says its kind: switch"});
      return;
    }
    CatalogueRow fresh;
    fresh.part = spec.part();
    fresh.kind = KindOf(spec.kind());
    row = out.rows.insert(row, std::move(fresh));
  } else if (spec.has_kind() && KindOf(spec.kind()) != row->kind) {
    errors.push_back(
        {ErrorCode::kInconsistent, sources.At(path + ".kind").pos,
         fmt::format("{} is a part of kind {}", Quoted(spec.part()), NameOf(row->kind)),
         "leave kind out, or give the part another name"});
    return;
  }
  const auto at = [&](const char* key) { return sources.At(path + "." + key).pos; };
  // The first file replaces weft's own, a later one what that file said.
  if (!own && spec.has_price() && !row->own_price) row->own_price = row->price;
  if (!own && spec.has_power() && !row->own_power) row->own_power = row->power;
  if (spec.has_price())
    Lay(row->price, MakeFigure<Dollars>(spec.price(), at("price"), own, errors), "price", row->part,
        at("price"), own, out);
  if (spec.has_power())
    Lay(row->power, MakeFigure<Watts>(spec.power(), at("power"), own, errors), "power", row->part,
        at("power"), own, out);
  if (spec.has_failures())
    Lay(row->failures, MakeFigure<double>(spec.failures(), at("failures"), own, errors), "failures",
        row->part, at("failures"), own, out);
}

void LaySpec(const Located<CatalogueSpec>& spec, bool own, Catalogue& out, Errors& errors) {
  std::vector<std::string> seen;
  for (int i = 0; i < spec.message.rows_size(); ++i) {
    const CatalogueRowSpec& row = spec.message.rows(i);
    const std::string path = fmt::format("rows[{}]", i);
    if (std::find(seen.begin(), seen.end(), row.part()) != seen.end()) {
      errors.push_back({ErrorCode::kInconsistent, spec.sources.At(path + ".part").pos,
                        fmt::format("{} has two rows", Quoted(row.part())),
                        "put its figures into one"});
      continue;
    }
    seen.push_back(row.part());
    LayRow(row, spec.sources, path, own, out, errors);
  }
}

Catalogue OwnCatalogue() {
  const PresetTable presets(HardwarePresets());
  Catalogue out;
  out.nics = PresetNics();
  Errors errors;
  for (const Preset& preset : presets.list()) {
    if (preset.kind != "catalogue") continue;
    const auto read = ParseText<CatalogueSpec>(preset.text, preset.file, {&presets, {}, nullptr});
    WEFT_CHECK(read.has_value());  // compiled in, and a test reads each
    LaySpec(*read, true, out, errors);
  }
  WEFT_CHECK(errors.empty());
  return out;
}

Result<Catalogue> Finish(Catalogue out, Errors errors) {
  if (errors.empty()) return out;
  SortByPosition(errors);
  return tl::make_unexpected(std::move(errors));
}

}  // namespace

std::string_view NameOf(Mark mark) {
  constexpr std::array kNames = {"read", "secondary", "figure", "derived", "unverified", "quote"};
  return kNames[static_cast<std::size_t>(mark)];
}

std::string_view NameOf(PartKind kind) {
  constexpr std::array kNames = {"accelerator", "host",  "nic",   "switch",
                                 "optic",       "cable", "fibre", "rack"};
  return kNames[static_cast<std::size_t>(kind)];
}

const CatalogueRow* Catalogue::Find(std::string_view part) const {
  const auto row = std::lower_bound(
      rows.begin(), rows.end(), part,
      [](const CatalogueRow& one, std::string_view name) { return one.part < name; });
  return row == rows.end() || row->part != part ? nullptr : &*row;
}

std::vector<std::string> Catalogue::Parts(PartKind kind) const {
  std::vector<std::string> out;
  for (const CatalogueRow& row : rows)
    if (row.kind == kind) out.push_back(row.part);
  return out;
}

const CatalogueRow* Catalogue::NicOf(BitRate rate) const {
  const CatalogueRow* best = nullptr;
  BitRate best_rate;
  // By weft's own price: which NIC it is does not follow from a quote.
  const auto usd = [](const CatalogueRow& row) {
    const auto& price = row.own_price ? row.own_price : row.price;
    return price ? price->range.mid.count() : INFINITY;
  };
  for (const NicPart& nic : nics) {
    const CatalogueRow* row = Find(nic.part);
    if (row == nullptr || row->kind != PartKind::kNic || nic.rate < rate * (1 - 1e-9)) continue;
    if (best != nullptr &&
        (best_rate < nic.rate || (best_rate == nic.rate && usd(*best) <= usd(*row))))
      continue;
    best = row;
    best_rate = nic.rate;
  }
  return best;
}

Result<Catalogue> ReadCatalogue(const std::vector<std::string>& files, SourceTexts* texts) {
  const PresetTable presets(HardwarePresets());
  Catalogue out = OwnCatalogue();
  Errors errors;
  for (const std::string& file : files) {
    const auto read = ReadFile<CatalogueSpec>(file, {&presets, {}, texts});
    if (read)
      LaySpec(*read, false, out, errors);
    else
      errors.insert(errors.end(), read.error().begin(), read.error().end());
  }
  return Finish(std::move(out), std::move(errors));
}

Result<Catalogue> ParseCatalogue(std::string_view text, const std::string& file_name,
                                 SourceTexts* texts) {
  const PresetTable presets(HardwarePresets());
  Catalogue out = OwnCatalogue();
  Errors errors;
  WEFT_TRY(const auto read, ParseText<CatalogueSpec>(text, file_name, {&presets, {}, texts}));
  LaySpec(read, false, out, errors);
  return Finish(std::move(out), std::move(errors));
}

Result<CatalogueRow> NeedRow(const Catalogue& catalogue, PartKind kind, std::string_view part,
                             const SourcePos& pos) {
  const CatalogueRow* row = catalogue.Find(part);
  if (row != nullptr && row->kind == kind) return *row;
  const std::vector<std::string> names = catalogue.Parts(kind);
  const std::string nearest = Nearest(part, names);
  return Fail(ErrorCode::kUnknownKey, pos,
              fmt::format("the catalogue has no {} {}", NameOf(kind), Quoted(part)),
              nearest.empty() ? JoinOr(names) : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace weft
