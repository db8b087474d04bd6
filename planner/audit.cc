#include "planner/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>

#include "base/ceil_div.h"
#include "base/schema/quantity.h"
#include "planner/audit_internal.h"

namespace weft {
namespace {

constexpr double kSlack = 1e-9;  // rates come from decimal text

std::int64_t Up(double value) { return static_cast<std::int64_t>(std::ceil(value - kSlack)); }
std::int64_t Down(double value) { return static_cast<std::int64_t>(std::floor(value + kSlack)); }
// The network that the bill asks for, in numbers; what it does not say is derived.
struct Ask {
  std::int64_t endpoints = 0;  // NIC ports
  double rate_bps = 0;         // of one; 0: nobody said
  double up_bps = 0;           // of a link between switches
  std::int64_t planes = 1;
  double over = 1;         // a leaf's rate down over its rate up
  bool over_said = false;  // by a key or by ports down and up
  std::int64_t each() const { return CeilDiv(endpoints, planes); }
};

// What a Clos of `tiers` needs in one plane, at least.
struct ClosNeed {
  std::int64_t leaves = 0, spines = 0, cores = 0;
  std::int64_t all() const { return leaves + spines + cores; }
};

class Auditor {
 public:
  explicit Auditor(const AuditBill& bill) : bill_(bill) {}

  std::vector<Finding> Run() {
    CheckHosts();
    CheckNeed();
    CheckPower();
    Derive();
    if (leaf_ != nullptr && ask_.endpoints > 0 && ask_.rate_bps > 0) {
      CheckPortSum();
      CheckReach();
      CheckSwitches();
      CheckCables();
    }
    CheckOptics();
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.line < b.line; });
    return std::move(findings_);
  }

 private:
  void Find(const char* rule, int line, std::string said, std::string needs,
            std::vector<std::string> alternatives = {},
            Finding::Severity severity = Finding::Severity::kError) {
    findings_.push_back(
        {rule, severity, line, std::move(said), std::move(needs), std::move(alternatives)});
  }
  void Warn(const char* rule, int line, std::string said, std::string needs,
            std::vector<std::string> alternatives = {}) {
    Find(rule, line, std::move(said), std::move(needs), std::move(alternatives),
         Finding::Severity::kWarning);
  }

  std::int64_t HostGpus() const {
    std::int64_t out = 0;
    for (const HostRow& host : bill_.hosts) out += host.count * host.gpus;
    return out;
  }
  std::int64_t Accelerators() const {
    return bill_.accelerators > 0 ? bill_.accelerators : HostGpus();
  }

  std::int64_t Count(SwitchRole role) const {
    std::int64_t out = 0;
    for (const SwitchRow& one : bill_.switches)
      if (one.role == role) out += one.count;
    return out;
  }
  const SwitchRow* First(SwitchRole role) const {
    for (const SwitchRow& one : bill_.switches)
      if (one.role == role) return &one;
    return nullptr;
  }
  std::int64_t AllSwitches() const {
    std::int64_t out = 0;
    for (const SwitchRow& one : bill_.switches) out += one.count;
    return out;
  }
  std::int64_t Links(CableRow::End end) const {
    std::int64_t out = 0;
    for (const CableRow& one : bill_.cables)
      if (one.end == end) out += one.count;
    return out;
  }

  void CheckHosts();
  void CheckNeed();
  void CheckPower();
  void CheckRacks(double watts, bool complete);
  void Derive();
  void DeriveOversubscription();
  void CheckPortSum();
  void CheckReach();
  void CheckSwitches();
  void CheckLeaves();
  void CheckUppers();
  void CheckSpread(std::int64_t uplinks);
  void CheckCables();
  void CheckOptics();
  void CheckForms(std::int64_t host_ends, std::int64_t switch_ends);

  std::int64_t Ports(const SwitchRow& one, double rate_bps) const {
    if (one.port_bps > 0 && rate_bps > one.port_bps * (1 + kSlack)) return 0;
    return Down(one.chip_bps / rate_bps);
  }
  // A leaf's ports down, by the row that says so or by the oversubscription.
  std::int64_t LeafDown() const {
    if (down_ > 0) return down_;
    const double down_bps = leaf_->chip_bps * ask_.over / (1 + ask_.over);
    return Down(down_bps / ask_.rate_bps);
  }
  std::int64_t LeafUp() const {
    if (up_ > 0) return up_;
    return Down(leaf_->chip_bps / (1 + ask_.over) / ask_.up_bps);
  }
  // Endpoints that one plane of so many tiers reaches.
  std::int64_t Reach(int tiers) const {
    if (tiers == 1) return Ports(*leaf_, ask_.rate_bps);
    const std::int64_t spine = Ports(*spine_, ask_.up_bps);
    if (tiers == 2) return LeafDown() * spine;
    return LeafDown() * (spine / 2) * Ports(*core_, ask_.up_bps);
  }
  // At least; what is said of ports above the leaves is not asked: they are 1:1.
  ClosNeed Needed(int tiers, std::int64_t endpoints) const {
    if (tiers == 1) return {CeilDiv(endpoints, std::max<std::int64_t>(1, Reach(1))), 0, 0};
    ClosNeed out;
    out.leaves = CeilDiv(endpoints, std::max<std::int64_t>(1, LeafDown()));
    const std::int64_t uplinks = Uplinks(endpoints);
    const std::int64_t spine = std::max<std::int64_t>(2, Ports(*spine_, ask_.up_bps));
    if (tiers == 2) {
      out.spines = CeilDiv(uplinks, spine);
      return out;
    }
    out.spines = CeilDiv(uplinks, spine / 2);
    out.cores = CeilDiv(uplinks, std::max<std::int64_t>(1, Ports(*core_, ask_.up_bps)));
    return out;
  }
  std::int64_t Uplinks(std::int64_t endpoints) const {
    return Up(static_cast<double>(endpoints) * ask_.rate_bps / ask_.over / ask_.up_bps);
  }
  // What the rows say, else the fewest that reach.
  int Tiers() const {
    if (bill_.tiers) return static_cast<int>(bill_.tiers->value);
    if (Count(SwitchRole::kCore) > 0) return 3;
    if (Count(SwitchRole::kSpine) > 0) return 2;
    for (const int tiers : {1, 2})
      if (ask_.each() <= Reach(tiers)) return tiers;
    return 3;
  }

  const AuditBill& bill_;
  std::vector<Finding> findings_;
  Ask ask_;
  const SwitchRow *leaf_ = nullptr, *spine_ = nullptr, *core_ = nullptr;
  std::int64_t down_ = 0, up_ = 0;  // of one leaf; 0: not said
  bool too_far_ = false;
};

void Auditor::CheckHosts() {
  if (bill_.hosts.empty() || bill_.accelerators == 0) return;
  const std::int64_t in_hosts = HostGpus();
  if (in_hosts == bill_.accelerators) return;
  const HostRow& host = bill_.hosts.front();
  Find(
      "gpus_per_host", host.line,
      fmt::format("{} accelerators in hosts that hold {}", bill_.accelerators, in_hosts),
      fmt::format("{} hosts of {}", CeilDiv(bill_.accelerators, std::max(1, host.gpus)), host.gpus),
      {fmt::format("{} accelerators", in_hosts)});
}

std::string SayOps(double per_second, bool integer) {
  return fmt::format("{:.6g} P{}OPS", per_second / 1e15, integer ? "" : "FL");
}

void Auditor::CheckNeed() {
  if (!bill_.need) return;
  const Need& need = bill_.need->value;
  const std::int64_t have = Accelerators();
  if (need.gpus > 0 && have < need.gpus)
    Find("need", bill_.need->line, fmt::format("{} accelerators", have),
         fmt::format("{} accelerators", need.gpus));
  std::string name = bill_.gpu;
  for (const HostRow& host : bill_.hosts)
    if (name.empty()) name = host.gpu;
  const auto gpu = FindGpu(name);
  if (need.per_second <= 0 || !gpu) return;
  const NumberType type = bill_.dtype    ? bill_.dtype->value
                          : need.integer ? NumberType::kInt8
                                         : NumberType::kBf16;
  const bool sparse_asked = bill_.basis && bill_.basis->value == Basis::kSparse;
  const auto dense = gpu->PeakOf(type, Basis::kDense), sparse = gpu->PeakOf(type, Basis::kSparse);
  const auto& peak = sparse_asked ? sparse : dense;
  if (!peak)
    return Find("basis", bill_.basis ? bill_.basis->line : bill_.need->line,
                fmt::format("a {} rate of {}", sparse_asked ? "sparse" : "dense", name),
                "a rate that it has",
                dense ? std::vector{fmt::format("dense, {:.6g} each", dense->per_second / 1e12)}
                      : std::vector<std::string>{});
  const double gets = peak->per_second * static_cast<double>(have);
  if (gets >= need.per_second * (1 - kSlack)) return;
  std::vector<std::string> alternatives;
  const bool by_sparsity =
      !sparse_asked && sparse &&
      sparse->per_second * static_cast<double>(have) >= need.per_second * (1 - 1e-3);
  if (by_sparsity)
    alternatives.push_back(
        fmt::format("say basis sparse: {:.6g} T each holds only where 2 of 4 numbers are zero",
                    sparse->per_second / 1e12));
  Find(by_sparsity ? "basis" : "need", bill_.need->line,
       fmt::format("{} of {} {} at {:.6g} T each", SayOps(gets, need.integer), have,
                   sparse_asked ? "sparse" : "dense", peak->per_second / 1e12),
       fmt::format("{} accelerators for {}", Up(need.per_second / peak->per_second),
                   SayOps(need.per_second, need.integer)),
       std::move(alternatives));
}

void Auditor::CheckPower() {
  double watts = 0;
  bool complete = true;
  for (const HostRow& host : bill_.hosts) {
    complete = complete && host.power.has_value();
    watts += host.power.value_or(Watts()).count() * static_cast<double>(host.count);
  }
  for (const SwitchRow& one : bill_.switches)
    watts += one.power.value_or(Watts()).count() * static_cast<double>(one.count);
  if (watts <= 0) return;
  if (bill_.it_power && bill_.it_power->value.count() < watts * (1 - 1e-3))
    Find("it_power", bill_.it_power->line,
         fmt::format("{:.6g} kW", bill_.it_power->value.count() / 1e3),
         fmt::format("{:.6g} kW at {}, optics aside", watts / 1e3,
                     complete ? "most" : "least, some hosts have no figure"));
  CheckRacks(watts, complete);
}

void Auditor::CheckRacks(double watts, bool complete) {
  std::int64_t racks = 0;
  double limit = bill_.rack_power ? bill_.rack_power->value.count() : 0;
  int line = bill_.rack_power ? bill_.rack_power->line : 0;
  for (const RackRow& rack : bill_.racks) {
    racks += rack.count;
    if (line == 0) line = rack.line;
    if (limit <= 0 && rack.power) limit = rack.power->count();
  }
  if (limit <= 0) return;
  std::int64_t needed = 0;
  for (const HostRow& host : bill_.hosts) {
    if (!host.power || host.power->count() <= 0) continue;
    const std::int64_t each = Down(limit / host.power->count());
    if (each == 0 && host.gpus <= 16) {  // what is larger is a rack, or several, of its own
      Find("rack_power", line,
           fmt::format("{:.6g} kW a rack, a host draws {:.6g} kW", limit / 1e3,
                       host.power->count() / 1e3),
           fmt::format("{:.6g} kW a rack", host.power->count() / 1e3));
      return;
    }
    if (each > 0) needed += CeilDiv(host.count, each);
  }
  needed = std::max(needed, Up(watts / limit));
  if (racks > 0 && racks < needed)
    Find("rack_power", bill_.racks.front().line,
         fmt::format("{} racks of {:.6g} kW", racks, limit / 1e3),
         fmt::format("{} racks for {:.6g} kW{}", needed, watts / 1e3,
                     complete ? "" : " at least: some hosts have no figure"));
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
  for (const NicRow& nic : bill_.nics) {
    ask_.endpoints += nic.count * nic.ports;
    ask_.rate_bps = std::max(ask_.rate_bps, nic.port_bps);
  }
  if (ask_.endpoints == 0) ask_.endpoints = Accelerators();
  for (const PortRow& row : bill_.ports) {
    (row.up ? up_ : down_) += row.count;
    if (!row.up && ask_.rate_bps <= 0) ask_.rate_bps = row.rate_bps;
    if (row.up) ask_.up_bps = row.rate_bps;
  }
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
  if (ask_.rate_bps > 0) DeriveOversubscription();
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
  if (bill_.oversubscription && down_bps > 0 && up_bps > 0 && down_bps / up_bps > ask_.over * 1.01)
    Find("oversubscription", bill_.oversubscription->line,
         fmt::format("{:.4g}:1 by the leaf's ports", down_bps / up_bps),
         fmt::format("{:.4g}:1", ask_.over));
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
  const std::int64_t three = Needed(3, each).all() * ask_.planes;
  const std::string in_three = fmt::format("{} switches in three tiers", three);
  if (drawn < 3 && each <= Reach(3)) alternatives.push_back(in_three);
  const std::int64_t reach_two = Reach(2);
  if (reach_two > 0) {
    const std::int64_t planes = CeilDiv(ask_.endpoints, reach_two);
    if (planes > 1 && planes <= 64)
      alternatives.push_back(
          fmt::format("{} planes of two tiers, {} switches, a NIC of each host or a port of each "
                      "NIC in each plane",
                      planes, Needed(2, CeilDiv(ask_.endpoints, planes)).all() * planes));
  }
  alternatives.push_back(fmt::format("at most {} endpoints a plane", Reach(drawn)));
  Find("reach", bill_.tiers ? bill_.tiers->line : leaf_->line,
       fmt::format("{} endpoints a plane in {} tiers, {} switches", each, drawn, have),
       drawn < 3 && each <= Reach(3) ? in_three
                                     : fmt::format("at most {} endpoints a plane", Reach(drawn)),
       std::move(alternatives));
}

void Auditor::CheckSwitches() {
  if (too_far_) return;
  if (Ports(*leaf_, ask_.rate_bps) == 0)
    return Find("port_rate", leaf_->line,
                fmt::format("ports of {:.6g} Gbps", leaf_->port_bps / 1e9),
                fmt::format("ports of {:.6g} Gbps", ask_.rate_bps / 1e9));
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
  const std::int64_t needed = Needed(Tiers(), ask_.each()).leaves * ask_.planes;
  if (have < needed)
    Find("leaf_ports", leaf_->line,
         fmt::format("{} leaves of {} ports down", have, Tiers() == 1 ? Reach(1) : LeafDown()),
         fmt::format("{} leaves for {} endpoints", needed, ask_.endpoints));
}

void Auditor::CheckUppers() {
  const int tiers = Tiers();
  const std::int64_t spines = Count(SwitchRole::kSpine), cores = Count(SwitchRole::kCore);
  const std::int64_t spine_ports = Ports(*spine_, ask_.up_bps);
  const std::int64_t cabled = Links(CableRow::End::kSwitch);
  std::int64_t uplinks = Uplinks(ask_.endpoints), above = 0;
  if (tiers == 2 && cabled > 0) uplinks = cabled;
  if (tiers == 3) above = cabled > 0 ? std::max<std::int64_t>(0, cabled - uplinks) : uplinks;
  if (spine_ports * spines < uplinks + (cabled > 0 ? above : 0) ||
      (tiers == 3 && spine_ports * spines < uplinks))
    Find("spine_ports", spine_->line,
         fmt::format("{} spines with {} ports", spines, spines * spine_ports),
         fmt::format("{} ports, {} spines", uplinks + above,
                     CeilDiv(uplinks + above, std::max<std::int64_t>(1, spine_ports))));
  const std::int64_t core_ports = Ports(*core_, ask_.up_bps);
  if (tiers == 3 && cores > 0 && core_ports * cores < above && (cabled > 0 || !ask_.over_said))
    Find("core_ports", core_->line,
         fmt::format("{} cores with {} ports", cores, cores * core_ports),
         fmt::format("{} ports, {} cores", above,
                     CeilDiv(above, std::max<std::int64_t>(1, core_ports))));
  if (tiers == 2 && spines > 0 && Count(SwitchRole::kLeaf) > 0) CheckSpread(uplinks);
}

// Of two tiers: every leaf should have equally many links to every spine of its plane.
void Auditor::CheckSpread(std::int64_t uplinks) {
  const std::int64_t leaves = Count(SwitchRole::kLeaf), spines = Count(SwitchRole::kSpine);
  if (spines % ask_.planes != 0)
    return Warn("uneven_spines", spine_->line,
                fmt::format("{} spines over {} planes", spines, ask_.planes),
                fmt::format("a multiple of {}", ask_.planes));
  const std::int64_t of_plane = spines / ask_.planes;
  const std::int64_t up =
      leaves > 0 && uplinks % leaves == 0 && uplinks >= leaves ? uplinks / leaves : LeafUp();
  if (up <= 0) return;
  const std::int64_t ports = std::max<std::int64_t>(1, Ports(*spine_, ask_.up_bps));
  const std::int64_t fewest =
      std::max<std::int64_t>(1, CeilDiv(CeilDiv(uplinks, ask_.planes), ports));
  std::int64_t even = fewest;
  while (even < up && up % even != 0) ++even;
  const std::vector<std::string> evenly = {fmt::format("{} spines", even * ask_.planes)};
  if (up % of_plane != 0)
    Warn("uneven_spines", spine_->line,
         fmt::format("{} uplinks of a leaf over {} spines", up, of_plane),
         fmt::format("{} spines, {} at least", even * ask_.planes, fewest * ask_.planes), evenly);
  // Four bear the loss of one; a few for the ports of a service are no waste.
  if (of_plane > std::max<std::int64_t>(even, 4))
    Warn("excess_spines", spine_->line, fmt::format("{} spines", spines),
         fmt::format("{} spines have the ports, {} spread evenly", fewest * ask_.planes,
                     even * ask_.planes),
         evenly);
}

void Auditor::CheckCables() {
  if (bill_.cables.empty() || too_far_) return;
  const std::int64_t host = Links(CableRow::End::kHost), between = Links(CableRow::End::kSwitch),
                     any = Links(CableRow::End::kAny);
  const int line = bill_.cables.front().line, tiers = Tiers();
  if (host > 0 && any == 0 && host < ask_.endpoints)
    Find("host_cables", line, fmt::format("{} cables to NIC ports", host),
         fmt::format("{} cables", ask_.endpoints));
  const std::int64_t uplinks = Uplinks(ask_.endpoints);
  const std::int64_t all = host + between + any;
  if (any > 0 && all < ask_.endpoints + (tiers > 1 && ask_.over_said ? uplinks : 0))
    Find("host_cables", line, fmt::format("{} cables", all),
         fmt::format("{} cables", ask_.endpoints + (tiers > 1 ? uplinks : 0)));
  if (between <= 0 || any > 0 || tiers == 1) return;
  const double has = static_cast<double>(ask_.endpoints) * ask_.rate_bps /
                     (static_cast<double>(between) * ask_.up_bps) * (tiers - 1);
  if (between < uplinks && has > ask_.over * 1.01 * (tiers - 1)) {
    int isl_line = line;
    for (const CableRow& one : bill_.cables)
      if (one.end == CableRow::End::kSwitch) isl_line = one.line;
    const std::string said = fmt::format("{} cables between switches", between);
    const std::string needs = fmt::format("{} cables for {:.4g}:1", uplinks, ask_.over);
    ask_.over_said ? Find("switch_cables", isl_line, said, needs)
                   : Warn("oversubscription", isl_line, said, needs,
                          {fmt::format("oversubscription,{:.4g}", has / (tiers - 1))});
  }
}

void Auditor::CheckOptics() {
  std::int64_t host_ends = 0, switch_ends = 0, have = 0;
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
    have += optic.count * optic.ports;
    line = optic.line;
  }
  const std::int64_t ends = host_ends + switch_ends;
  if (ends == 0) {
    if (have > 0 && !bill_.cables.empty())
      Warn("optics", line, fmt::format("optics for {} ends", have),
           "none: every cable has plugs of its own");
    return;
  }
  if (have < ends)
    Find("optics", line, fmt::format("optics for {} ends of fibre", have),
         fmt::format("optics for {} ends", ends));
  else if (static_cast<double>(have) > static_cast<double>(ends) * 1.1 + 8)
    Warn("optics", line, fmt::format("optics for {} ends of fibre", have),
         fmt::format("optics for {} ends", ends));
  if (have >= ends) CheckForms(host_ends, switch_ends);
}

// Whether the plugs that fit a switch are enough for the switches' ends.
void Auditor::CheckForms(std::int64_t host_ends, std::int64_t switch_ends) {
  std::int64_t fitting = 0, all = 0;
  const OpticRow* wrong = nullptr;
  const auto fits = [](const OpticRow& optic, const SwitchRow& one) {
    if (one.port_bps > 0 && optic.port_bps > one.port_bps * (1 + kSlack)) return false;
    return !one.form || optic.forms.empty() ||
           std::find(optic.forms.begin(), optic.forms.end(), *one.form) != optic.forms.end();
  };
  for (const OpticRow& optic : bill_.optics) {
    all += optic.count * optic.ports;
    const bool any = std::any_of(bill_.switches.begin(), bill_.switches.end(),
                                 [&](const SwitchRow& one) { return fits(optic, one); });
    if (any || bill_.switches.empty())
      fitting += optic.count * optic.ports;
    else
      wrong = &optic;
  }
  if (wrong == nullptr || fitting >= switch_ends) return;
  Find("cages", wrong->line,
       fmt::format("{} fits no cage of a switch: plugs for {} of {} ends at switches fit",
                   wrong->part, fitting, switch_ends),
       fmt::format("plugs that fit for {} ends, {} at hosts aside", switch_ends, host_ends));
}

}  // namespace

Result<std::vector<Finding>> AuditText(std::string_view text, const std::string& file_name) {
  WEFT_TRY(const AuditBill bill, ReadAuditBill(text, file_name));
  return Auditor(bill).Run();
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
