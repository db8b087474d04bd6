// Cables, their lengths, and the optics at their ends.
#include "planner/auditor.h"

namespace weft {

void Auditor::CheckCables() {
  if (bill_.cables.empty() || too_far_) return;
  const std::int64_t host = Links(CableRow::End::kHost), between = Links(CableRow::End::kSwitch),
                     any = Links(CableRow::End::kAny);
  const int line = bill_.cables.front().line, tiers = bill_.routers ? 1 : Tiers();
  if (host > 0 && any == 0 && host < ask_.endpoints)
    Find("host_cables", line, fmt::format("{} to NIC ports", Counted(host, "cable")),
         Counted(ask_.endpoints, "cable"));
  const double over = ask_.over_said ? ask_.over : 1;
  const std::int64_t uplinks = uplinks_.asked;
  // Of all tiers.
  const std::int64_t throughout = Up(static_cast<double>(uplinks) * CablesOfUplink());
  const std::int64_t all = host + between + any;
  if (any > 0 && all < ask_.endpoints + (tiers > 1 && ask_.over_said ? uplinks : 0))
    Find("host_cables", line, Counted(all, "cable"),
         Counted(ask_.endpoints + (tiers > 1 ? uplinks : 0), "cable"));
  // Of cables of one kind alone the others were forgotten.
  if (any == 0 && between > 0 && host == 0)
    Find("host_cables", line,
         fmt::format("{} between switches, none to NIC ports", Counted(between, "cable")),
         fmt::format("{} to NIC ports", Counted(ask_.endpoints, "cable")));
  if (any == 0 && host > 0 && between == 0 && tiers > 1 && Count(SwitchRole::kSpine) > 0)
    Find("switch_cables", spine_->line,
         fmt::format("{} and no cables to spines", Counted(Count(SwitchRole::kSpine), "spine")),
         fmt::format("{} between switches", Counted(throughout, "cable")));
  if (between <= 0 || any > 0 || tiers == 1) return;
  if (FewCables()) {
    int isl_line = line;
    for (const CableRow& one : bill_.cables)
      if (one.end == CableRow::End::kSwitch) isl_line = one.line;
    const std::string said = fmt::format("{} between switches", Counted(between, "cable"));
    const std::string needs =
        fmt::format("{} for {:.4g}:1{}", Counted(ask_.over_said ? uplinks : throughout, "cable"),
                    over, ask_.over_said ? "" : BesideNonblocking());
    ask_.over_said
        ? Find("switch_cables", isl_line, said, needs)
        : Warn("oversubscription", isl_line, said, needs,
               {fmt::format("oversubscription,{:.4g}", CabledRatio() * CablesOfUplink())});
  }
}

// A cable with its plugs on is no longer than such cables are made, at its own rate or at that of
// the ports it joins.
void Auditor::CheckLengths() {
  for (const CableRow& one : bill_.cables) {
    if (one.length_m <= 0) continue;
    double rate_bps = one.rate_bps;
    if (rate_bps <= 0) rate_bps = one.end == CableRow::End::kSwitch ? ask_.up_bps : ask_.rate_bps;
    const double most_m = LongestCable(one.part, rate_bps);
    if (most_m <= 0 || one.length_m <= most_m) continue;
    const std::string at = rate_bps > 0 ? fmt::format(" at {:.6g} Gbps", rate_bps / 1e9) : "";
    Find("cable_length", one.line, fmt::format("{} of {:.6g} m", one.part, one.length_m),
         fmt::format("at most {:.6g} m of its kind{}", most_m, at), {"optics and fibre"});
  }
}

// Ends that an optic serves at most: one with a fibre a lane can be split to a slower rate.
std::int64_t Auditor::MostEnds(const OpticRow& optic) const {
  double slowest = ask_.rate_bps > 0 ? ask_.rate_bps : 0;
  if (ask_.up_bps > 0) slowest = std::min(slowest, ask_.up_bps);
  // Where every link is faster than one of its ports an end takes several.
  if (optic.ports > 1 && slowest > optic.port_bps * (1 + kSlack)) return LeastEnds(optic);
  if (!optic.parallel || slowest <= 0) return optic.ports;
  return std::max<std::int64_t>(optic.ports, Down(optic.ports * optic.port_bps / slowest));
}

// At least: one end of a link as fast as all of its ports together takes the whole plug.
std::int64_t Auditor::LeastEnds(const OpticRow& optic) const {
  const double fastest = std::max(ask_.rate_bps, ask_.up_bps);
  if (optic.ports < 2 || fastest <= optic.port_bps * (1 + kSlack)) return optic.ports;
  return std::max<std::int64_t>(1, Down(optic.ports * optic.port_bps / fastest));
}

void Auditor::CheckOptics() {
  std::int64_t host_ends = 0, switch_ends = 0, have = 0, most = 0;
  int line = 0;
  for (const CableRow& cable : bill_.cables) {
    if (cable.medium == CableRow::Medium::kOwnPlugs) continue;
    if (cable.medium == CableRow::Medium::kUnsaid && bill_.optics.empty()) continue;
    if (cable.end == CableRow::End::kSwitch) {
      switch_ends += 2 * cable.count;
    } else {  // of `cable` nobody knows which; one end at least is a switch's
      host_ends += cable.count;
      switch_ends += cable.count;
    }
    line = line == 0 ? cable.line : line;
  }
  for (const OpticRow& optic : bill_.optics) {
    have += optic.count * LeastEnds(optic);
    most += optic.count * MostEnds(optic);
    line = optic.line;
  }
  const std::int64_t ends = host_ends + switch_ends;
  if (ends == 0) {
    if (have > 0 && !bill_.cables.empty())
      Warn("optics", line, fmt::format("optics for {}", Counted(have, "end")),
           "none: every cable has plugs of its own");
    return;
  }
  if (most < ends)
    Find("optics", line, fmt::format("optics for {} of fibre", Counted(most, "end")),
         fmt::format("optics for {}", Counted(ends, "end")));
  else if (static_cast<double>(have) > static_cast<double>(ends) * 1.1 + 8)
    Warn("optics", line, fmt::format("optics for {} of fibre", Counted(have, "end")),
         fmt::format("optics for {}", Counted(ends, "end")));
  if (most >= ends) CheckForms(host_ends, switch_ends);
}

// Whether the plugs that fit a switch are enough for the switches' ends.
void Auditor::CheckForms(std::int64_t host_ends, std::int64_t switch_ends) {
  std::int64_t fitting = 0;
  const OpticRow* wrong = nullptr;
  const auto fits = [](const OpticRow& optic, const SwitchRow& one) {
    // A twin plug is two ends of half the rate, as a cage with two ports takes it.
    const double end_bps = optic.twin ? optic.port_bps / 2 : optic.port_bps;
    if (one.port_bps > 0 && end_bps > one.port_bps * (1 + kSlack)) return false;
    return !one.form || optic.forms.empty() ||
           std::find(optic.forms.begin(), optic.forms.end(), *one.form) != optic.forms.end();
  };
  for (const OpticRow& optic : bill_.optics) {
    const std::int64_t ends = optic.count * MostEnds(optic);
    const bool any = std::any_of(bill_.switches.begin(), bill_.switches.end(),
                                 [&](const SwitchRow& one) { return fits(optic, one); });
    if (any || bill_.switches.empty())
      fitting += ends;
    else
      wrong = &optic;
  }
  if (wrong == nullptr || fitting >= switch_ends) return;
  Find("cages", wrong->line,
       fmt::format("{} fits no cage of a switch: plugs for {} of {} at switches fit", wrong->part,
                   fitting, Counted(switch_ends, "end")),
       fmt::format("plugs that fit for {}, {} at hosts aside", Counted(switch_ends, "end"),
                   host_ends));
}

}  // namespace weft
