// Rates, what they come to, and what that costs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/schema/reader.h"
#include "base/schema/wording.h"
#include "hardware/catalogue.pb.h"
#include "hardware/figure_mark.h"
#include "hardware/parts.h"
#include "reliability/reliability.h"

namespace weft {
namespace {

constexpr double kMonthsAYear = 12, kDaysAMonth = 730.0 / 24;

FailureOf OfSpec(FailureClassSpec::Of of) {
  switch (of) {
    case FailureClassSpec::HOST:
      return FailureOf::kHost;
    case FailureClassSpec::NIC:
      return FailureOf::kNic;
    case FailureClassSpec::NIC_LINK:
      return FailureOf::kNicLink;
    case FailureClassSpec::FABRIC_LINK:
      return FailureOf::kFabricLink;
    case FailureClassSpec::TOR:
      return FailureOf::kTor;
    case FailureClassSpec::SWITCH:
      return FailureOf::kSwitch;
    default:
      return FailureOf::kGpu;
  }
}

FailureScope ScopeOfSpec(FailureClassSpec::Scope scope) {
  if (scope == FailureClassSpec::IN_HOST) return FailureScope::kHost;
  return scope == FailureClassSpec::SOFTWARE ? FailureScope::kSoftware : FailureScope::kPart;
}

// The elements over which a set counted its events.
std::int64_t Exposed(const FailureSetSpec& set, FailureOf of) {
  if (of == FailureOf::kGpu) return set.gpus();
  if (of == FailureOf::kHost) return set.hosts();
  return set.nics();
}

FailureClass MakeClass(const FailureSetSpec& set, const FailureClassSpec& spec) {
  FailureClass out;
  out.name = spec.name();
  out.of = OfSpec(spec.of());
  out.scope = ScopeOfSpec(spec.scope());
  out.flap = spec.flap();
  if (spec.has_yearly()) {
    const FailureFigure& yearly = spec.yearly();
    const double mid = yearly.mid();
    out.monthly = {Range<double>{yearly.has_low() ? yearly.low() : mid, mid,
                                 yearly.has_high() ? yearly.high() : mid} *
                       (1 / kMonthsAYear),
                   yearly.source(), yearly.date(),
                   yearly.has_mark() ? MarkOf(yearly.mark()) : Mark::kQuote};
    return out;
  }
  const auto elements = static_cast<double>(Exposed(set, out.of));
  WEFT_CHECK(elements > 0 && set.days() > 0);
  const double monthly = spec.events() / elements / set.days() * kDaysAMonth;
  out.monthly = {{monthly, monthly, monthly},
                 spec.source().empty() ? set.source() : spec.source(),
                 set.date(),
                 MarkOf(set.mark())};
  return out;
}

void OverrideClass(FailureRates& rates, FailureOf of, const Catalogue& catalogue,
                   std::string_view part) {
  const CatalogueRow* row = part.empty() ? nullptr : catalogue.Find(part);
  if (row == nullptr || !row->failures) return;
  for (FailureClass& one : rates.classes) {
    if (one.of != of || one.scope == FailureScope::kSoftware || one.flap) continue;
    one.monthly = *row->failures;
    one.monthly.range = one.monthly.range * (1 / kMonthsAYear);
  }
}

// What one class comes to: rows of each effect that it has.
class Adder {
 public:
  Adder(const ComponentCounts& counts, Seconds repair, double stopping_flaps, MonthlyFailures& out)
      : counts_(counts), repair_(repair), stopping_flaps_(stopping_flaps), out_(out) {}

  void Add(const FailureClass& one) {
    switch (one.of) {
      case FailureOf::kGpu:
        return Row(one, FailureEffect::kStops, counts_.gpus);
      case FailureOf::kHost:
        return Row(one, FailureEffect::kStops, counts_.hosts);
      case FailureOf::kNic:
        return Row(one, FailureEffect::kStops, counts_.nics);
      case FailureOf::kNicLink:
        return AddNicLinks(one);
      case FailureOf::kFabricLink:
        return Row(one, FailureEffect::kMasked, counts_.fabric_links);
      case FailureOf::kTor:
        Row(one, FailureEffect::kStops, counts_.single_tors);
        Row(one, FailureEffect::kDegrades, counts_.paired_tors);
        return Pairs(one, "both ToRs of a pair", counts_.paired_tors / 2);
      case FailureOf::kSwitch:
        Row(one, FailureEffect::kStops, counts_.single_uppers);
        return Row(one, FailureEffect::kMasked, counts_.upper_switches - counts_.single_uppers);
    }
  }

 private:
  void AddNicLinks(const FailureClass& one) {
    if (one.flap) {
      Row(one, FailureEffect::kStops, counts_.single_links, stopping_flaps_);
      Row(one, FailureEffect::kMasked, counts_.single_links, 1 - stopping_flaps_);
      return Row(one, FailureEffect::kMasked, counts_.paired_links);
    }
    Row(one, FailureEffect::kStops, counts_.single_links);
    Row(one, FailureEffect::kDegrades, counts_.paired_links);
    Pairs(one, "both links of a NIC", counts_.pairs);
  }

  void Row(const FailureClass& one, FailureEffect effect, std::int64_t elements, double share = 1) {
    if (share <= 0) return;
    Put({one.name, one.scope, effect, one.flap, elements,
         one.monthly.range * (share * static_cast<double>(elements))});
  }
  void Pairs(const FailureClass& one, const char* name, std::int64_t pairs) {
    const Range<double>& rate = one.monthly.range;
    Put({name,
         one.scope,
         FailureEffect::kStops,
         false,
         pairs,
         {DoubleFailures(pairs, rate.low, repair_), DoubleFailures(pairs, rate.mid, repair_),
          DoubleFailures(pairs, rate.high, repair_)}});
  }
  void Put(FailureRow row) {
    if (row.elements == 0) return;
    Range<double>& sum = row.effect == FailureEffect::kStops      ? out_.stops
                         : row.effect == FailureEffect::kDegrades ? out_.degradations
                                                                  : out_.masked;
    sum = sum + row.monthly;
    out_.rows.push_back(std::move(row));
  }

  const ComponentCounts& counts_;
  const Seconds repair_;
  const double stopping_flaps_;
  MonthlyFailures& out_;
};

}  // namespace

std::string_view NameOf(FailureScope scope) {
  constexpr std::array kNames = {"part", "host", "software"};
  return kNames[static_cast<std::size_t>(scope)];
}

std::string_view NameOf(FailureOf of) {
  constexpr std::array kNames = {"gpu", "host", "nic", "nic link", "fabric link", "tor", "switch"};
  return kNames[static_cast<std::size_t>(of)];
}

Result<FailureRates> FindFailureRates(std::string_view name, const SourcePos& pos) {
  const PresetTable presets(HardwarePresets());
  const Preset* preset = presets.Find("failures", name);
  if (preset == nullptr) {
    const std::vector<std::string> names = presets.Names("failures");
    const std::string nearest = Nearest(name, names);
    return Fail(ErrorCode::kUnknownKey, pos,
                fmt::format("there is no set of failure rates {}", Quoted(name)),
                nearest.empty() ? JoinOr(names) : fmt::format("did you mean '{}'?", nearest));
  }
  const auto read = ParseText<FailureSetSpec>(preset->text, preset->file, {&presets, {}, nullptr});
  WEFT_CHECK(read.has_value());  // compiled in, and a test reads each
  FailureRates out;
  out.name = std::string(name);
  for (const FailureClassSpec& one : read->message.classes())
    out.classes.push_back(MakeClass(read->message, one));
  return out;
}

FailureRates WithParts(FailureRates rates, const Catalogue& catalogue, std::string_view gpu,
                       std::string_view host, std::string_view tor, std::string_view upper_switch) {
  OverrideClass(rates, FailureOf::kGpu, catalogue, gpu);
  OverrideClass(rates, FailureOf::kHost, catalogue, host);
  OverrideClass(rates, FailureOf::kTor, catalogue, tor);
  OverrideClass(rates, FailureOf::kSwitch, catalogue, upper_switch);
  return rates;
}

MonthlyFailures ExpectedFailures(const ComponentCounts& counts, const FailureRates& rates,
                                 Seconds repair) {
  MonthlyFailures out;
  Adder adder(counts, repair, rates.stopping_flaps, out);
  for (const FailureClass& one : rates.classes) adder.Add(one);
  std::stable_sort(out.rows.begin(), out.rows.end(),
                   [](const FailureRow& a, const FailureRow& b) { return a.effect < b.effect; });
  return out;
}

Range<double> MonthlyFailures::StopsOfFlaps() const {
  Range<double> out;
  for (const FailureRow& row : rows)
    if (row.flap && row.effect == FailureEffect::kStops) out = out + row.monthly;
  return out;
}

MonthlyFailures MonthlyFailures::WithStoppingFlaps(double share, double now) const {
  WEFT_CHECK(now > 0);
  MonthlyFailures out = *this;
  for (FailureRow& row : out.rows) {
    if (!row.flap || row.effect != FailureEffect::kStops) continue;
    const Range<double> more = row.monthly * (share / now - 1);
    row.monthly = row.monthly + more;
    out.stops = out.stops + more;
    out.masked = out.masked + more * -1;
    for (FailureRow& other : out.rows)
      if (other.flap && other.effect == FailureEffect::kMasked && other.elements == row.elements)
        other.monthly = other.monthly + more * -1;
  }
  return out;
}

double DoubleFailures(std::int64_t pairs, double monthly, Seconds repair) {
  return 2 * static_cast<double>(pairs) * monthly * monthly * (repair / kMonth);
}

Seconds YoungInterval(Seconds checkpoint, Seconds between_stops) {
  return Seconds(std::sqrt(2 * checkpoint.count() * between_stops.count()));
}

double Ettr(Seconds checkpoint, Seconds restart, Seconds between_stops, Seconds interval) {
  return std::max(0.0, 1 - checkpoint / interval - (interval / 2 + restart) / between_stops);
}

double ExactEttr(Seconds checkpoint, Seconds restart, Seconds between_stops, Seconds interval) {
  const double m = between_stops.count();
  return interval.count() /
         (m * std::exp(restart.count() / m) * std::expm1((interval + checkpoint).count() / m));
}

}  // namespace weft
