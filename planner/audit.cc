#include "planner/audit.h"

#include "base/text_file.h"
#include "planner/auditor.h"

namespace weft {

// A link runs at the rate of a port: a cable of twice that rate, as twin-port plugs bring, is two.
void Auditor::SplitCables(bool hosts, double port_bps) {
  if (port_bps <= 0) return;
  for (CableRow& cable : bill_.cables) {
    if (hosts != (cable.end == CableRow::End::kHost)) continue;
    const double ratio = cable.rate_bps / port_bps;
    const auto links = static_cast<std::int64_t>(std::llround(ratio));
    if (links < 2 || links > 8 || std::abs(ratio - static_cast<double>(links)) > 1e-6) continue;
    cable.count *= links;
    cable.rate_bps = port_bps;
  }
}

// What the NIC ports run at, by whoever says it first, and what splits towards them.
void Auditor::SplitHostCables() {
  double nic_bps = ask_.rate_bps;
  for (const HostRow& host : bill_.hosts)
    if (nic_bps <= 0) nic_bps = host.nic_bps;
  if (nic_bps <= 0) nic_bps = bill_.usual_nic_bps;
  // A port's own rate is the most that a link has; below it only where links would be missing.
  if (leaf_->port_bps > 0 && (nic_bps <= 0 || nic_bps > leaf_->port_bps)) nic_bps = leaf_->port_bps;
  if (Links(CableRow::End::kHost) < ask_.endpoints) SplitCables(true, nic_bps);
}

void Auditor::Derive() {
  if (bill_.planes) ask_.planes = bill_.planes->value;
  if (bill_.rails) ask_.planes *= bill_.rails->value;
  if (bill_.rail_optimized) ask_.rails = bill_.rail_optimized->value;
  DeriveEndpoints();
  leaf_ = First(SwitchRole::kLeaf);
  if (leaf_ == nullptr) leaf_ = First(SwitchRole::kAny);
  if (leaf_ == nullptr) return;
  spine_ = First(SwitchRole::kSpine);
  if (spine_ == nullptr) spine_ = First(SwitchRole::kAny);
  if (spine_ == nullptr) spine_ = leaf_;
  core_ = First(SwitchRole::kCore);
  if (core_ == nullptr) core_ = spine_;
  for (const PortRow& row : bill_.ports) {
    (row.up ? up_ : down_) += row.count;
    if (!row.up && ask_.rate_bps <= 0) ask_.rate_bps = row.rate_bps;
    if (row.up) ask_.up_bps = row.rate_bps;
  }
  SplitHostCables();
  double between_bps = leaf_->port_bps;
  if (spine_->port_bps > 0 && (between_bps <= 0 || spine_->port_bps < between_bps))
    between_bps = spine_->port_bps;
  SplitCables(false, between_bps);
  for (const CableRow& cable : bill_.cables) {
    if (cable.end == CableRow::End::kSwitch && ask_.up_bps <= 0) ask_.up_bps = cable.rate_bps;
    if (cable.end != CableRow::End::kSwitch && ask_.rate_bps <= 0) ask_.rate_bps = cable.rate_bps;
  }
  if (ask_.rate_bps <= 0 && leaf_->generic) ask_.rate_bps = leaf_->port_bps;
  for (const HostRow& host : bill_.hosts)
    if (ask_.rate_bps <= 0) ask_.rate_bps = host.nic_bps;
  if (ask_.rate_bps <= 0) ask_.rate_bps = bill_.usual_nic_bps;
  if (ask_.rate_bps <= 0) ask_.rate_bps = leaf_->port_bps;
  if (ask_.up_bps <= 0) ask_.up_bps = ask_.rate_bps;
  if (ask_.rate_bps <= 0) return;
  DeriveOversubscription();
  if (!ask_.over_said) DeriveCabledRatio();
  DeriveUplinks();
}

// NIC ports and their rate: by rows of NICs, else one an accelerator, or as many as the hosts'
// cables make of its rate.
void Auditor::DeriveEndpoints() {
  // Of NICs of several rates the ones that bring most are the backend's; others face users.
  std::map<double, double> by_rate;
  for (const NicRow& nic : bill_.nics) by_rate[nic.port_bps] += nic.bps();
  for (const auto& [rate_bps, sum_bps] : by_rate)
    if (ask_.rate_bps <= 0 || sum_bps > by_rate[ask_.rate_bps]) ask_.rate_bps = rate_bps;
  for (const NicRow& nic : bill_.nics) {
    if (nic.port_bps != ask_.rate_bps) continue;
    ask_.endpoints += nic.count * nic.ports;
    nic_ports_ = std::max(nic_ports_, nic.ports);
  }
  if (nic_ports_ > 1) return;
  const bool said = ask_.endpoints > 0;
  double nic_bps = said ? ask_.rate_bps : bill_.usual_nic_bps;
  for (const HostRow& host : bill_.hosts) {
    if (said) break;
    ask_.endpoints += host.count * host.nics;
    if (host.nic_bps > 0) nic_bps = host.nic_bps;
  }
  if (ask_.endpoints == 0) ask_.endpoints = Accelerators();
  double cable_bps = 0;
  for (const CableRow& cable : bill_.cables)
    if (cable.end == CableRow::End::kHost) cable_bps = std::max(cable_bps, cable.rate_bps);
  const std::int64_t links = Links(CableRow::End::kHost);
  // Cables without a rate: as many to every port.
  if (cable_bps <= 0 && !said && ask_.endpoints > 0 && links % ask_.endpoints == 0)
    cable_bps = nic_bps / static_cast<double>(std::max<std::int64_t>(1, links / ask_.endpoints));
  const int ports = cable_bps > 0 ? static_cast<int>(std::lround(nic_bps / cable_bps)) : 1;
  // With more links than the other ports take this one has some, too, be they too few.
  if (ports < 2 || ports > 4 || std::abs(ports * cable_bps / nic_bps - 1) > 1e-6 ||
      links <= (ports - 1) * ask_.endpoints)
    return;
  nic_ports_ = ports;
  ask_.endpoints *= ports;
  ask_.rate_bps = cable_bps;
}

void Auditor::DeriveOversubscription() {
  double down_bps = 0, up_bps = 0;
  for (const PortRow& row : bill_.ports)
    (row.up ? up_bps : down_bps) += static_cast<double>(row.count) * row.rate_bps;
  if (bill_.oversubscription) {
    ask_.over = bill_.oversubscription->value;
    ask_.over_said = true;
  } else if (down_bps > 0 && up_bps > 0) {
    ask_.over = down_bps / up_bps;
    ask_.over_said = true;
  }
  const double of_leaf = down_bps > 0 && up_bps > 0 ? down_bps / up_bps : 0;
  if (of_leaf > 0) ask_.upper = 0;
  // A ratio beside a leaf's ports that they do not have is that of the tiers above.
  if (bill_.oversubscription) ask_.upper = of_leaf > ask_.over * 0.9 ? 0 : ask_.over;
  if (bill_.spine_oversubscription)
    ask_.upper = std::max(1.0, ask_.over) * bill_.spine_oversubscription->value;
  if (bill_.oversubscription && of_leaf > ask_.over * 1.01)
    Find("oversubscription", bill_.oversubscription->line,
         fmt::format("{:.4g}:1 by the leaf's ports", of_leaf), fmt::format("{:.4g}:1", ask_.over));
}

// Where no ratio is said, leaves hold as many endpoints as the cables above leave them ports for;
// that these are too few for 1:1 is a finding of its own.
void Auditor::DeriveCabledRatio() {
  const std::int64_t between = Links(CableRow::End::kSwitch);
  if (Tiers() < 2 || between == 0 || Count(SwitchRole::kLeaf) == 0 ||
      Count(SwitchRole::kSpine) == 0)
    return;
  const double up_bps = static_cast<double>(between) * ask_.up_bps / CablesOfUplink();
  ask_.over = std::max(1.0, static_cast<double>(ask_.endpoints) * ask_.rate_bps / up_bps);
}

void Auditor::CheckPortSum() {
  double sum_bps = 0;
  int line = 0;
  for (const PortRow& row : bill_.ports) {
    sum_bps += static_cast<double>(row.count) * row.rate_bps;
    line = row.line;
    if (leaf_->port_bps > 0 && row.rate_bps > leaf_->port_bps * (1 + kSlack))
      Find("port_rate", row.line, fmt::format("ports of {:.6g} Gbps", row.rate_bps / 1e9),
           fmt::format("at most {:.6g} Gbps on a {}", leaf_->port_bps / 1e9, leaf_->part));
  }
  if (sum_bps > leaf_->chip_bps * (1 + kSlack))
    Find("port_sum", line, fmt::format("{:.6g} Tbps of ports on one switch", sum_bps / 1e12),
         fmt::format("at most {:.6g} Tbps on a {}", leaf_->chip_bps / 1e12, leaf_->part));
}

// Whether a leaf has ports as fast as a NIC's: without, no count of switches helps.
bool Auditor::CheckRate() {
  if (Ports(*leaf_, ask_.rate_bps) > 0) return true;
  Find("port_rate", leaf_->line, fmt::format("ports of {:.6g} Gbps", leaf_->port_bps / 1e9),
       fmt::format("ports of {:.6g} Gbps", ask_.rate_bps / 1e9));
  return false;
}

// Every host has as many NICs in each rail.
void Auditor::CheckRails() {
  const auto& said = bill_.rails ? bill_.rails : bill_.rail_optimized;
  if (!said) return;
  const std::int64_t rails = said->value;
  for (const HostRow& host : bill_.hosts) {
    const std::int64_t nics = host.nics > 0 ? host.nics : host.gpus;
    if (!bill_.nics.empty() || nics % rails == 0) continue;
    return Find(
        "rails", said->line, fmt::format("{} rails of hosts of {} NICs", rails, nics),
        fmt::format("as many NICs of a host in each: {} is no multiple of {}", nics, rails));
  }
  if (ask_.endpoints % rails != 0)
    Find("rails", said->line,
         fmt::format("{} rails of {}", rails, Counted(ask_.endpoints, "endpoint")),
         "as many endpoints in each");
}

// Of switches that are cabled to one another: how far they reach is their shape's doing, which no
// bill says; their ports are the endpoints' and both ends of every cable between them.
void Auditor::CheckRouters() {
  double chips_bps = 0, between_bps = 0;
  for (const SwitchRow& one : bill_.switches)
    chips_bps += static_cast<double>(one.count) * one.chip_bps;
  for (const CableRow& one : bill_.cables)
    if (one.end == CableRow::End::kSwitch)
      between_bps +=
          2 * static_cast<double>(one.count) * (one.rate_bps > 0 ? one.rate_bps : ask_.up_bps);
  const double needed_bps = static_cast<double>(ask_.endpoints) * ask_.rate_bps + between_bps;
  if (needed_bps <= chips_bps * (1 + kSlack)) return;
  const std::int64_t have = AllSwitches();
  const double each_bps = chips_bps / static_cast<double>(have);
  Find(
      "switch_ports", leaf_->line,
      fmt::format("{} of {:.6g} Tbps in all", Counted(have, "router"), chips_bps / 1e12),
      fmt::format("{:.6g} Tbps, {}, for {} and {} between routers", needed_bps / 1e12,
                  Counted(Up(needed_bps / each_bps), "router"), Counted(ask_.endpoints, "endpoint"),
                  Counted(Links(CableRow::End::kSwitch), "cable")));
}

void Auditor::CheckReach() {
  const int tiers = Tiers();
  const std::int64_t each = ask_.each(), reach = Reach(tiers);
  const std::int64_t have = AllSwitches();
  const bool open = !bill_.tiers && Count(SwitchRole::kAny) == have;
  // A bill of switches alone that two tiers cannot reach and three have too few for was drawn
  // up with two in mind.
  const bool short_of_three =
      open && tiers == 3 && have < Needed(3, each).all() * ask_.planes && each <= Reach(3);
  if (each <= reach && !short_of_three) return;
  too_far_ = true;
  const int drawn = short_of_three ? 2 : tiers;
  std::vector<std::string> alternatives;
  std::string in_more;  // tiers, the fewest that reach
  for (int more = drawn + 1; more <= 3 && in_more.empty(); ++more)
    if (each <= Reach(more))
      in_more =
          fmt::format("{} in {} tiers", Counted(Needed(more, each).all() * ask_.planes, "switch"),
                      more == 2 ? "two" : "three");
  if (!in_more.empty()) alternatives.push_back(in_more);
  const std::int64_t reach_two = Reach(2);
  if (reach_two > 0 && !bill_.rails) {
    const std::int64_t planes = CeilDiv(ask_.endpoints, reach_two);
    if (planes > 1 && planes <= 64)
      alternatives.push_back(fmt::format(
          "{} of two tiers, {}, a NIC of each host or a port of each NIC in each plane",
          Counted(planes, "plane"),
          Counted(Needed(2, CeilDiv(ask_.endpoints, planes)).all() * planes, "switch")));
  }
  const std::string most =
      fmt::format("at most {} a {}", Counted(Reach(drawn), "endpoint"), Network());
  alternatives.push_back(most);
  Find("reach", bill_.tiers ? bill_.tiers->line : leaf_->line,
       fmt::format("{} a {} in {}, {}", Counted(each, "endpoint"), Network(),
                   Counted(drawn, "tier"), Counted(have, "switch")),
       !in_more.empty() ? in_more : most, std::move(alternatives));
}

// What it is to grow to must be within reach of the same tiers.
void Auditor::CheckGrowth() {
  const int tiers = Tiers();
  const std::int64_t grown = CeilDiv(Grown(ask_.endpoints), ask_.planes);
  if (!bill_.growth || grown <= Reach(tiers)) return;
  Find("reach", bill_.growth->line,
       fmt::format("{} a {}, grown, in {}", Counted(grown, "endpoint"), Network(),
                   Counted(tiers, "tier")),
       fmt::format("at most {} a {}", Counted(Reach(tiers), "endpoint"), Network()));
}

void Auditor::CheckSwitches() {
  if (too_far_) return;
  CheckGrowth();
  const ClosNeed needed = Needed(Tiers(), ask_.each());
  if (Count(SwitchRole::kLeaf) > 0) CheckLeaves();
  if (Count(SwitchRole::kAny) == 0 && Tiers() > 1) return CheckUppers();
  const std::int64_t have = AllSwitches(), least = needed.all() * ask_.planes;
  if (Count(SwitchRole::kAny) == have && have < least)
    Find("switch_ports", leaf_->line, Counted(have, "switch"),
         fmt::format("{} in {}", Counted(least, "switch"), Counted(Tiers(), "tier")));
}

void Auditor::CheckLeaves() {
  const std::int64_t have = Count(SwitchRole::kLeaf);
  std::int64_t ports = 0;
  for (const SwitchRow& one : bill_.switches)
    if (one.role == SwitchRole::kLeaf)
      ports += one.count * (Tiers() == 1 ? Ports(one, ask_.rate_bps) : LeafDown(one));
  const std::int64_t needed = Needed(Tiers(), ask_.each()).leaves * ask_.planes;
  if (ports < ask_.endpoints || (Uniform(SwitchRole::kLeaf) && have < needed))
    return Find(
        "leaf_ports", leaf_->line,
        fmt::format("{} of {} down", Counted(have, "leaf"),
                    Counted(Tiers() == 1 ? Reach(1) : LeafDown(), "port")),
        fmt::format("{} for {}{}", Counted(needed, "leaf"), Counted(ask_.endpoints, "endpoint"),
                    ask_.rails > 1 ? fmt::format(" of {} rails", ask_.rails) : ""));
  if (Uniform(SwitchRole::kLeaf)) CheckRailLeaves(have);
  if (Tiers() == 2) CheckLeafCables();
}

// Every rail has as many leaves, in every plane.
void Auditor::CheckRailLeaves(std::int64_t leaves) {
  const std::int64_t rails = bill_.rails ? bill_.rails->value : ask_.rails;
  const std::int64_t step = ask_.planes * ask_.rails;
  if (rails < 2 || leaves % step == 0) return;
  Warn("rails", leaf_->line,
       fmt::format("{} over {} rails{}", Counted(leaves, "leaf"), rails,
                   step > rails ? fmt::format(" of {}", Counted(step / rails, "plane")) : ""),
       fmt::format("a multiple of {}: {} or {}", step, leaves / step * step,
                   Counted((leaves / step + 1) * step, "leaf")));
}

// Of two tiers every cable between switches has an end at a leaf, beside the endpoints'.
void Auditor::CheckLeafCables() {
  double chips_bps = 0, up_bps = 0;
  for (const SwitchRow& one : bill_.switches)
    if (one.role == SwitchRole::kLeaf) chips_bps += static_cast<double>(one.count) * one.chip_bps;
  for (const CableRow& one : bill_.cables)
    if (one.end == CableRow::End::kSwitch)
      up_bps += static_cast<double>(one.count) * (one.rate_bps > 0 ? one.rate_bps : ask_.up_bps);
  const double down_bps = static_cast<double>(ask_.endpoints) * ask_.rate_bps;
  if (up_bps <= 0 || down_bps + up_bps <= chips_bps * (1 + kSlack)) return;
  const std::int64_t between = Links(CableRow::End::kSwitch);
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  const double each_bps = chips_bps / static_cast<double>(leaves);
  Find("leaf_ports", leaf_->line,
       fmt::format("{} of {:.6g} Tbps in all", Counted(leaves, "leaf"), chips_bps / 1e12),
       fmt::format("{:.6g} Tbps, {}, for {} and {} between switches", (down_bps + up_bps) / 1e12,
                   Counted(Up((down_bps + up_bps) / each_bps), "leaf"),
                   Counted(ask_.endpoints, "endpoint"), Counted(between, "cable")),
       {fmt::format("at most {} between switches",
                    Counted(Down((chips_bps - down_bps) / (up_bps / static_cast<double>(between))),
                            "cable"))});
}

void Auditor::CheckUppers() {
  const int tiers = Tiers();
  const std::int64_t spines = Count(SwitchRole::kSpine);
  const std::int64_t spine_ports = Ports(*spine_, ask_.up_bps);
  // Who is to come finds the spines of two tiers there.
  std::int64_t ports = tiers == 2 ? GrownUplinks(uplinks_.all) : uplinks_.all + uplinks_.above;
  if (tiers == 3) ports = std::max(ports, Links(CableRow::End::kSwitch));  // an end of each
  const std::int64_t all = PortsOf(SwitchRole::kSpine, ask_.up_bps);
  if (all < ports)
    Find("spine_ports", spine_->line,
         fmt::format("{} with {}", Counted(spines, "spine"), Counted(all, "port")),
         fmt::format("{}, {}", Counted(ports, "port"),
                     Counted(CeilDiv(ports, std::max<std::int64_t>(1, spine_ports)), "spine")));
  const bool alike = Uniform(SwitchRole::kLeaf) && Uniform(SwitchRole::kSpine);
  if (tiers == 3) {
    CheckCores(Count(SwitchRole::kCore));
    CheckExcess(spines, Count(SwitchRole::kCore));
  } else if (tiers == 2 && spines > 0 && Count(SwitchRole::kLeaf) > 0 && alike) {
    CheckSpread();
  }
}

void Auditor::CheckCores(std::int64_t cores) {
  const std::int64_t all = PortsOf(SwitchRole::kCore, ask_.up_bps);
  // Leaves and spines of three tiers that are told apart lead nowhere without cores.
  const bool part = bill_.whole && !bill_.whole->value;
  const bool apart =
      Count(SwitchRole::kLeaf) > 0 && Count(SwitchRole::kSpine) > 0 && Count(SwitchRole::kAny) == 0;
  if (all >= uplinks_.above || (cores == 0 && (part || !apart))) return;
  const std::int64_t each = std::max<std::int64_t>(1, Ports(*core_, ask_.up_bps));
  const std::int64_t ports = uplinks_.above_meant;
  std::vector<std::string> alternatives;
  if (ask_.over <= 1 && !bill_.spine_oversubscription && all > 0)
    alternatives.push_back(fmt::format(
        "spine_oversubscription,{:.4g} where spines send less to cores than leaves to them",
        static_cast<double>(uplinks_.least) / static_cast<double>(all)));
  Find("core_ports", core_->line,
       fmt::format("{} with {}", Counted(cores, "core"), Counted(all, "port")),
       fmt::format("{}, {}", Counted(ports, "port"), Counted(CeilDiv(ports, each), "core")),
       std::move(alternatives));
}

// Of three tiers, where how leaves spread over pods is not said: no even spread takes twice the
// switches that a network without blocking has ports for, or spines that its cables do.
void Auditor::CheckExcess(std::int64_t spines, std::int64_t cores) {
  const std::int64_t links = Grown(uplinks_.nonblocking);
  const std::int64_t cabled = Links(CableRow::End::kSwitch);
  const auto check = [&](std::int64_t have, std::int64_t ports, const SwitchRow& one,
                         std::int64_t of_one, const char* rule, const char* name) {
    const std::int64_t least = CeilDiv(ports, std::max<std::int64_t>(1, of_one));
    if (have > std::max(2 * least, 4 * ask_.planes))
      Warn(rule, one.line, Counted(have, name),
           fmt::format("{} {} the {} of {}", Counted(least, name), least == 1 ? "has" : "have",
                       Counted(ports, "port"),
                       ports == cabled ? "its cables" : "a network without blocking"));
  };
  check(spines, std::max(2 * links, cabled), *spine_, Ports(*spine_, ask_.up_bps), "excess_spines",
        "spine");
  check(cores, links, *core_, Ports(*core_, ask_.up_bps), "excess_cores", "core");
}

// Of two tiers: every leaf should have equally many links to every spine of its plane.
void Auditor::CheckSpread() {
  const std::int64_t leaves = Count(SwitchRole::kLeaf), spines = Count(SwitchRole::kSpine);
  if (spines % ask_.planes != 0)
    return Warn("uneven_spines", spine_->line,
                fmt::format("{} over {} {}s", Counted(spines, "spine"), ask_.planes,
                            bill_.rails && ask_.planes != bill_.rails->value ? "networks of rail"
                                                                             : Network()),
                fmt::format("a multiple of {}", ask_.planes));
  const std::int64_t of_plane = spines / ask_.planes;
  // Where more cables are asked for, spines are advised for these.
  const bool few = FewCables();
  const std::int64_t uplinks =
      few ? std::max(uplinks_.spread, uplinks_.nonblocking) : uplinks_.spread;
  const std::int64_t has = uplinks_.each, up = few ? EachNonblocking() : has;
  if (has <= 0 || up <= 0) return;
  const char* ratio = few ? " for 1:1" : "";
  const std::int64_t ports = std::max<std::int64_t>(1, Ports(*spine_, ask_.up_bps));
  const std::int64_t fewest =
      std::max<std::int64_t>(1, CeilDiv(CeilDiv(GrownUplinks(uplinks), ask_.planes), ports));
  std::int64_t even = fewest;
  while (even < up && up % even != 0) ++even;
  // Legs of split cables that lie unused are no uplinks.
  const std::int64_t linked = LeafLinks(uplinks_.spread);
  const bool whole = Links(CableRow::End::kSwitch) > 0 && linked < uplinks_.spread &&
                     linked / leaves % of_plane == 0;
  // None does where a leaf has fewer uplinks than the spines that there must be.
  std::vector<std::string> evenly;
  if (up % even == 0) evenly.push_back(Counted(even * ask_.planes, "spine"));
  if (has % of_plane != 0 && up % of_plane != 0 && !whole)
    Warn("uneven_spines", spine_->line,
         fmt::format("{} of a leaf over {}", Counted(has, "uplink"), Counted(of_plane, "spine")),
         evenly.empty() ? fmt::format("{} at least{}, and no fewer uplinks of a leaf",
                                      Counted(fewest * ask_.planes, "spine"), ratio)
                        : fmt::format("{}, {} at least{}", evenly[0], fewest * ask_.planes, ratio),
         evenly);
  // Four bear the loss of one, or the fewest above that divide the uplinks; a few for the ports of
  // a service are no waste.
  // Leaves may be rails', which grow a leaf for every NIC of a host.
  const std::int64_t nics = bill_.hosts.empty() ? 0 : bill_.hosts.front().nics;
  const std::int64_t step = ask_.rails > 1                                   ? ask_.rails
                            : nics > 0 && leaves % (nics * ask_.planes) == 0 ? nics
                                                                             : 1;
  std::int64_t four =
      std::max<std::int64_t>(CeilDiv(CeilDiv(GrownUplinks(uplinks, step), ask_.planes), ports), 4);
  while (four < up && up % four != 0) ++four;
  if (of_plane <= four) return;
  std::string needs = fmt::format("{} {} the ports{}", Counted(fewest * ask_.planes, "spine"),
                                  fewest * ask_.planes == 1 ? "has" : "have", ratio);
  if (!evenly.empty())
    needs += fmt::format(", {} spread{} evenly", evenly[0], even * ask_.planes == 1 ? "s" : "");
  evenly.push_back(fmt::format("growth,N where they wait for more than {}",
                               Counted(Accelerators(), "accelerator")));
  Warn("excess_spines", spine_->line, Counted(spines, "spine"), std::move(needs),
       std::move(evenly));
}

Result<std::vector<Finding>> AuditText(std::string_view text, const std::string& file_name) {
  WEFT_TRY(AuditBill bill, ReadAuditBill(text, file_name));
  Auditor auditor(bill);
  std::vector<Finding> findings = auditor.Run();
  std::int64_t planes = auditor.nic_ports();
  // Leaves alone are rails: one for the NICs at one place of their hosts.
  const bool rails = std::all_of(bill.switches.begin(), bill.switches.end(),
                                 [](const auto& one) { return one.role == SwitchRole::kLeaf; });
  if (rails && !bill.rails && !bill.hosts.empty())
    planes *= std::max<std::int64_t>(1, bill.hosts.front().nics);
  if (findings.empty() || bill.planes || planes < 2) return findings;
  // Ports of one NIC may lie in planes of their own: what can be built so is not at fault.
  bill.planes = Key<std::int64_t>{planes, 0};
  std::vector<Finding> in_planes = Auditor(std::move(bill)).Run();
  return in_planes.size() < findings.size() ? in_planes : findings;
}

Result<std::vector<Finding>> AuditFile(const std::string& path, SourceTexts* texts) {
  WEFT_TRY(const std::string text, ReadTextFile(path, {path, 0, 0}, "a CSV of part,quantity,role"));
  if (texts != nullptr) texts->Add(path, text);
  return AuditText(text, path);
}

}  // namespace weft
