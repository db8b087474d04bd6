#include "planner/audit.h"

#include <fstream>
#include <iterator>

#include "base/schema/quantity.h"
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
  leaf_ = First(SwitchRole::kLeaf);
  if (leaf_ == nullptr) leaf_ = First(SwitchRole::kAny);
  if (leaf_ == nullptr) return;
  spine_ = First(SwitchRole::kSpine);
  if (spine_ == nullptr) spine_ = First(SwitchRole::kAny);
  if (spine_ == nullptr) spine_ = leaf_;
  core_ = First(SwitchRole::kCore);
  if (core_ == nullptr) core_ = spine_;
  if (bill_.planes) ask_.planes = bill_.planes->value;
  if (bill_.rails) ask_.planes *= bill_.rails->value;
  DeriveEndpoints();
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
  if (bill_.oversubscription && of_leaf > ask_.over * 1.01)
    Find("oversubscription", bill_.oversubscription->line,
         fmt::format("{:.4g}:1 by the leaf's ports", of_leaf), fmt::format("{:.4g}:1", ask_.over));
}

// Where no ratio is said, leaves hold as many endpoints as the cables above leave them ports for;
// that these are too few for 1:1 is a finding of its own.
void Auditor::DeriveCabledRatio() {
  const int tiers = Tiers();
  const std::int64_t between = Links(CableRow::End::kSwitch);
  if (tiers < 2 || between == 0 || Count(SwitchRole::kLeaf) == 0 || Count(SwitchRole::kSpine) == 0)
    return;
  const double up_bps = static_cast<double>(between) * ask_.up_bps / (tiers - 1);
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
  if (!bill_.rails) return;
  const std::int64_t rails = bill_.rails->value;
  for (const HostRow& host : bill_.hosts) {
    const std::int64_t nics = host.nics > 0 ? host.nics : host.gpus;
    if (!bill_.nics.empty() || nics % rails == 0) continue;
    return Find(
        "rails", bill_.rails->line, fmt::format("{} rails of hosts of {} NICs", rails, nics),
        fmt::format("as many NICs of a host in each: {} is no multiple of {}", nics, rails));
  }
  if (ask_.endpoints % rails != 0)
    Find("rails", bill_.rails->line, fmt::format("{} rails of {} endpoints", rails, ask_.endpoints),
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
  Find("switch_ports", leaf_->line,
       fmt::format("{} routers of {:.6g} Tbps in all", have, chips_bps / 1e12),
       fmt::format("{:.6g} Tbps, {} routers, for {} endpoints and {} cables between routers",
                   needed_bps / 1e12, Up(needed_bps / each_bps), ask_.endpoints,
                   Links(CableRow::End::kSwitch)));
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
      in_more = fmt::format("{} switches in {} tiers", Needed(more, each).all() * ask_.planes,
                            more == 2 ? "two" : "three");
  if (!in_more.empty()) alternatives.push_back(in_more);
  const std::int64_t reach_two = Reach(2);
  if (reach_two > 0 && !bill_.rails) {
    const std::int64_t planes = CeilDiv(ask_.endpoints, reach_two);
    if (planes > 1 && planes <= 64)
      alternatives.push_back(
          fmt::format("{} planes of two tiers, {} switches, a NIC of each host or a port of each "
                      "NIC in each plane",
                      planes, Needed(2, CeilDiv(ask_.endpoints, planes)).all() * planes));
  }
  const std::string most = fmt::format("at most {} endpoints a {}", Reach(drawn), Network());
  alternatives.push_back(most);
  Find("reach", bill_.tiers ? bill_.tiers->line : leaf_->line,
       fmt::format("{} endpoints a {} in {} tier{}, {} switches", each, Network(), drawn,
                   drawn == 1 ? "" : "s", have),
       !in_more.empty() ? in_more : most, std::move(alternatives));
}

// What it is to grow to must be within reach of the same tiers.
void Auditor::CheckGrowth() {
  const int tiers = Tiers();
  const std::int64_t grown = CeilDiv(Grown(ask_.endpoints), ask_.planes);
  if (!bill_.growth || grown <= Reach(tiers)) return;
  Find("reach", bill_.growth->line,
       fmt::format("{} endpoints a {}, grown, in {} tier{}", grown, Network(), tiers,
                   tiers == 1 ? "" : "s"),
       fmt::format("at most {} endpoints a {}", Reach(tiers), Network()));
}

void Auditor::CheckSwitches() {
  if (too_far_) return;
  CheckGrowth();
  const ClosNeed needed = Needed(Tiers(), ask_.each());
  if (Count(SwitchRole::kLeaf) > 0) CheckLeaves();
  if (Count(SwitchRole::kAny) == 0 && Tiers() > 1) return CheckUppers();
  const std::int64_t have = AllSwitches(), least = needed.all() * ask_.planes;
  if (Count(SwitchRole::kAny) == have && have < least)
    Find("switch_ports", leaf_->line, fmt::format("{} switches", have),
         fmt::format("{} switches in {} tiers", least, Tiers()));
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
        fmt::format("{} leaves of {} ports down", have, Tiers() == 1 ? Reach(1) : LeafDown()),
        fmt::format("{} leaves for {} endpoints", needed, ask_.endpoints));
  if (Tiers() == 2) CheckLeafCables();
}

// Of cables between leaves and spines those that carry a link: legs of split ones that lie unused,
// a few, are none, and every leaf has equally many of the rest.
std::int64_t Auditor::LeafLinks(std::int64_t cabled) const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (leaves == 0 || cabled <= leaves) return cabled;
  const std::int64_t unused = cabled % leaves;
  return unused * 50 < cabled ? cabled - unused : cabled;
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
       fmt::format("{} leaves of {:.6g} Tbps in all", leaves, chips_bps / 1e12),
       fmt::format("{:.6g} Tbps, {} leaves, for {} endpoints and {} cables between switches",
                   (down_bps + up_bps) / 1e12, Up((down_bps + up_bps) / each_bps), ask_.endpoints,
                   between),
       {fmt::format("at most {} cables between switches",
                    Down((chips_bps - down_bps) / (up_bps / static_cast<double>(between))))});
}

// Of two tiers, of so many now: leaves are filled first, so that the last one counts but once. They
// come `step` at a time.
std::int64_t Auditor::GrownUplinks(std::int64_t now, std::int64_t step) const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  if (!bill_.growth || leaves == 0 || LeafDown() <= 0) return Grown(now);
  now = LeafLinks(now);
  const std::int64_t of_plane = CeilDiv(CeilDiv(Grown(ask_.endpoints), ask_.planes), LeafDown());
  const std::int64_t grown = ask_.planes * CeilDiv(of_plane, step) * step;
  return std::min(Grown(now), std::max(now, grown * CeilDiv(now, leaves)));
}

// Cables upwards that the leaves have ports for: at the ratio that is said, or beside the
// endpoints.
std::int64_t Auditor::MostUplinks() const {
  const std::int64_t leaves = Count(SwitchRole::kLeaf);
  const std::int64_t least = Uplinks(ask_.endpoints);
  if (leaves == 0) return least;
  if (ask_.over_said && Uniform(SwitchRole::kLeaf)) return std::max(least, leaves * LeafUp());
  double chips_bps = 0;
  for (const SwitchRow& one : bill_.switches)
    if (one.role == SwitchRole::kLeaf) chips_bps += static_cast<double>(one.count) * one.chip_bps;
  const double left_bps = chips_bps - static_cast<double>(ask_.endpoints) * ask_.rate_bps;
  return std::max(least, Down(left_bps / ask_.up_bps));
}

void Auditor::CheckUppers() {
  const int tiers = Tiers();
  const std::int64_t spines = Count(SwitchRole::kSpine), cores = Count(SwitchRole::kCore);
  const std::int64_t spine_ports = Ports(*spine_, ask_.up_bps);
  const std::int64_t cabled = Links(CableRow::End::kSwitch);
  std::int64_t uplinks = Uplinks(ask_.endpoints), above = 0;
  // The cables say what is meant, unless they are too few for the ratio that is said, digits that
  // it lacks aside.
  const bool few = static_cast<double>(cabled) * 1.01 < static_cast<double>(uplinks);
  if (tiers == 2 && cabled > 0 && !(ask_.over_said && few)) uplinks = cabled;
  // Of three tiers no more leaves the spines than enters them, at the ratio that is said.
  if (tiers == 3 && ask_.upper > 0)
    above = Up(static_cast<double>(ask_.endpoints) * ask_.rate_bps /
               std::max(ask_.upper, ask_.over) / ask_.up_bps);
  // Of cables the leaves take what they have ports for: the last one may be half full.
  if (tiers == 3 && cabled > 0) above = std::max<std::int64_t>(0, cabled - MostUplinks());
  // Cabled for 1:1 and no ratio said: ports that spare leaves have free carry nothing.
  if (tiers == 3 && cabled > 0 && !ask_.over_said && ask_.over <= 1)
    above = std::max(above, std::min(cabled - uplinks, Up(static_cast<double>(uplinks) / 1.1)));
  // Who is to come finds the spines of two tiers there.
  const std::int64_t now = uplinks;
  if (tiers == 2) uplinks = GrownUplinks(uplinks);
  const std::int64_t all = PortsOf(SwitchRole::kSpine, ask_.up_bps);
  std::int64_t ports = uplinks + above;
  if (tiers == 3) ports = std::max(ports, cabled);  // each has an end at a spine
  if (all < ports)
    Find("spine_ports", spine_->line, fmt::format("{} spines with {} ports", spines, all),
         fmt::format("{} ports, {} spines", ports,
                     CeilDiv(ports, std::max<std::int64_t>(1, spine_ports))));
  const std::int64_t core_ports = Ports(*core_, ask_.up_bps);
  const std::int64_t of_cores = PortsOf(SwitchRole::kCore, ask_.up_bps);
  if (tiers == 3 && cores > 0 && of_cores < above)
    Find("core_ports", core_->line, fmt::format("{} cores with {} ports", cores, of_cores),
         fmt::format("{} ports, {} cores", above,
                     CeilDiv(above, std::max<std::int64_t>(1, core_ports))));
  if (tiers == 3) CheckExcess(spines, cores);
  const bool alike = Uniform(SwitchRole::kLeaf) && Uniform(SwitchRole::kSpine);
  if (tiers == 2 && spines > 0 && Count(SwitchRole::kLeaf) > 0 && alike) CheckSpread(now);
}

// Of three tiers, where how leaves spread over pods is not said: no even spread takes twice the
// switches that a network without blocking has ports for, or spines that its cables do.
void Auditor::CheckExcess(std::int64_t spines, std::int64_t cores) {
  const std::int64_t links =
      Grown(Up(static_cast<double>(ask_.endpoints) * ask_.rate_bps / ask_.up_bps));
  const std::int64_t cabled = Links(CableRow::End::kSwitch);
  const auto check = [&](std::int64_t have, std::int64_t ports, const SwitchRow& one,
                         std::int64_t of_one, const char* rule, const char* name) {
    const std::int64_t least = CeilDiv(ports, std::max<std::int64_t>(1, of_one));
    if (have > std::max(2 * least, 4 * ask_.planes))
      Warn(rule, one.line, fmt::format("{} {}", have, name),
           fmt::format("{} {} have the {} ports of {}", least, name, ports,
                       ports == cabled ? "its cables" : "a network without blocking"));
  };
  check(spines, std::max(2 * links, cabled), *spine_, Ports(*spine_, ask_.up_bps), "excess_spines",
        "spines");
  check(cores, links, *core_, Ports(*core_, ask_.up_bps), "excess_cores", "cores");
}

// Of two tiers: every leaf should have equally many links to every spine of its plane.
void Auditor::CheckSpread(std::int64_t uplinks) {
  const std::int64_t leaves = Count(SwitchRole::kLeaf), spines = Count(SwitchRole::kSpine);
  if (spines % ask_.planes != 0)
    return Warn("uneven_spines", spine_->line,
                fmt::format("{} spines over {} {}s", spines, ask_.planes,
                            bill_.rails && ask_.planes != bill_.rails->value ? "networks of rail"
                                                                             : Network()),
                fmt::format("a multiple of {}", ask_.planes));
  const std::int64_t of_plane = spines / ask_.planes;
  // Without cables a leaf is taken to use all the uplinks that its ports leave it.
  const bool cabled = Links(CableRow::End::kSwitch) > 0;
  if (!cabled) uplinks = std::max(uplinks, leaves * LeafUp());
  const std::int64_t up = uplinks % leaves == 0 && uplinks >= leaves ? uplinks / leaves : LeafUp();
  if (up <= 0) return;
  const std::int64_t ports = std::max<std::int64_t>(1, Ports(*spine_, ask_.up_bps));
  const std::int64_t fewest =
      std::max<std::int64_t>(1, CeilDiv(CeilDiv(GrownUplinks(uplinks), ask_.planes), ports));
  std::int64_t even = fewest;
  while (even < up && up % even != 0) ++even;
  const std::vector<std::string> evenly = {fmt::format("{} spines", even * ask_.planes)};
  // Legs of split cables that lie unused are no uplinks.
  const std::int64_t linked = LeafLinks(uplinks);
  const bool whole = cabled && linked < uplinks && linked / leaves % of_plane == 0;
  if (up % of_plane != 0 && !whole)
    Warn("uneven_spines", spine_->line,
         fmt::format("{} uplinks of a leaf over {} spines", up, of_plane),
         fmt::format("{} spines, {} at least", even * ask_.planes, fewest * ask_.planes), evenly);
  std::vector<std::string> or_growth = evenly;
  or_growth.push_back(
      fmt::format("growth,N where they wait for more than {} accelerators", Accelerators()));
  // Four bear the loss of one, or the fewest above that divide the uplinks; a few for the ports of
  // a service are no waste.
  // Leaves may be rails', which grow a leaf for every NIC of a host.
  const std::int64_t nics = bill_.hosts.empty() ? 0 : bill_.hosts.front().nics;
  const std::int64_t step = nics > 0 && leaves % (nics * ask_.planes) == 0 ? nics : 1;
  std::int64_t four =
      std::max<std::int64_t>(CeilDiv(CeilDiv(GrownUplinks(uplinks, step), ask_.planes), ports), 4);
  while (four < up && up % four != 0) ++four;
  if (of_plane > four)
    Warn("excess_spines", spine_->line, fmt::format("{} spines", spines),
         fmt::format("{} spines have the ports, {} spread evenly", fewest * ask_.planes,
                     even * ask_.planes),
         std::move(or_growth));
}

void Auditor::CheckCables() {
  if (bill_.cables.empty() || too_far_) return;
  const std::int64_t host = Links(CableRow::End::kHost), between = Links(CableRow::End::kSwitch),
                     any = Links(CableRow::End::kAny);
  const int line = bill_.cables.front().line, tiers = bill_.routers ? 1 : Tiers();
  if (host > 0 && any == 0 && host < ask_.endpoints)
    Find("host_cables", line, fmt::format("{} cables to NIC ports", host),
         fmt::format("{} cables", ask_.endpoints));
  const double over = ask_.over_said ? ask_.over : 1;
  const std::int64_t uplinks =
      Up(static_cast<double>(ask_.endpoints) * ask_.rate_bps / over / ask_.up_bps);
  const std::int64_t all = host + between + any;
  if (any > 0 && all < ask_.endpoints + (tiers > 1 && ask_.over_said ? uplinks : 0))
    Find("host_cables", line, fmt::format("{} cables", all),
         fmt::format("{} cables", ask_.endpoints + (tiers > 1 ? uplinks : 0)));
  // Of cables of one kind alone the others were forgotten.
  if (any == 0 && between > 0 && host == 0)
    Find("host_cables", line, fmt::format("{} cables between switches, none to NIC ports", between),
         fmt::format("{} cables to NIC ports", ask_.endpoints));
  if (any == 0 && host > 0 && between == 0 && tiers > 1 && Count(SwitchRole::kSpine) > 0)
    Find("switch_cables", spine_->line,
         fmt::format("{} spines and no cables to them", Count(SwitchRole::kSpine)),
         fmt::format("{} cables between switches", uplinks * (tiers - 1)));
  if (between <= 0 || any > 0 || tiers == 1) return;
  const double has = static_cast<double>(ask_.endpoints) * ask_.rate_bps /
                     (static_cast<double>(between) * ask_.up_bps) * (tiers - 1);
  // Where no ratio is said a tenth is what a leaf keeps free: 15:16 of HPN's ToRs is no fault. Then
  // every tier is asked to be 1:1, with a ratio the leaves' alone.
  const bool few = ask_.over_said ? between < uplinks && has > over * 1.01 * (tiers - 1)
                                  : between < uplinks * (tiers - 1) && has > 1.1;
  if (few) {
    int isl_line = line;
    for (const CableRow& one : bill_.cables)
      if (one.end == CableRow::End::kSwitch) isl_line = one.line;
    const std::string said = fmt::format("{} cables between switches", between);
    const std::string needs = fmt::format("{} cables for {:.4g}:1",
                                          ask_.over_said ? uplinks : uplinks * (tiers - 1), over);
    ask_.over_said ? Find("switch_cables", isl_line, said, needs)
                   : Warn("oversubscription", isl_line, said, needs,
                          {fmt::format("oversubscription,{:.4g}", has)});
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
      Warn("optics", line, fmt::format("optics for {} ends", have),
           "none: every cable has plugs of its own");
    return;
  }
  if (most < ends)
    Find("optics", line, fmt::format("optics for {} ends of fibre", most),
         fmt::format("optics for {} ends", ends));
  else if (static_cast<double>(have) > static_cast<double>(ends) * 1.1 + 8)
    Warn("optics", line, fmt::format("optics for {} ends of fibre", have),
         fmt::format("optics for {} ends", ends));
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
       fmt::format("{} fits no cage of a switch: plugs for {} of {} ends at switches fit",
                   wrong->part, fitting, switch_ends),
       fmt::format("plugs that fit for {} ends, {} at hosts aside", switch_ends, host_ends));
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
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in && !in.eof())
    return Fail(ErrorCode::kIo, {path, 0, 0}, "cannot be read", "a CSV of part,quantity,role");
  if (texts != nullptr) texts->Add(path, text);
  return AuditText(text, path);
}

}  // namespace weft
