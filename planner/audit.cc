#include "planner/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <map>

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
  // Of the tiers above the leaves together, at least; 0: not said, as where a leaf's ports say
  // the leaf's own alone.
  double upper = 1;
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
    CheckHostPower();
    CheckPower();
    CheckRackUnits();
    Derive();
    if (leaf_ != nullptr && ask_.endpoints > 0 && ask_.rate_bps > 0) {
      CheckPortSum();
      if (CheckRate()) {
        CheckReach();
        CheckSwitches();
      }
      CheckCables();
    }
    CheckLengths();
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
  // What the bill lists, else what its hosts hold.
  std::vector<AcceleratorRow> Listed() const {
    if (!bill_.accelerators.empty()) return bill_.accelerators;
    std::vector<AcceleratorRow> out;
    for (const HostRow& host : bill_.hosts)
      out.push_back({host.count * host.gpus, host.line, host.gpu});
    return out;
  }
  std::int64_t Accelerators() const {
    std::int64_t out = 0;
    for (const AcceleratorRow& row : Listed()) out += row.count;
    return out;
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
  bool CheckHostsByKind();
  void CheckNeed();
  void CheckCompute(const Need& need, NumberType type);
  void CheckPower();
  void CheckHostPower();
  void CheckRackUnits();
  void CheckRacks(double watts, bool complete);
  void Derive();
  void DeriveOversubscription();
  void CheckPortSum();
  bool CheckRate();
  void CheckReach();
  void CheckSwitches();
  void CheckLeaves();
  void CheckUppers();
  void CheckSpread(std::int64_t uplinks);
  void CheckExcess(std::int64_t spines, std::int64_t cores);
  void CheckCables();
  void CheckLengths();
  std::int64_t MostEnds(const OpticRow& optic) const;
  void CheckOptics();
  void CheckForms(std::int64_t host_ends, std::int64_t switch_ends);

  // Ports of all switches of a role.
  std::int64_t PortsOf(SwitchRole role, double rate_bps) const {
    std::int64_t out = 0;
    for (const SwitchRow& one : bill_.switches)
      if (one.role == role) out += one.count * Ports(one, rate_bps);
    return out;
  }
  // Whether all switches of a role are of one part.
  bool Uniform(SwitchRole role) const {
    const SwitchRow* first = First(role);
    return std::all_of(bill_.switches.begin(), bill_.switches.end(), [&](const SwitchRow& one) {
      return one.role != role || one.part == first->part;
    });
  }
  std::int64_t Ports(const SwitchRow& one, double rate_bps) const {
    if (one.port_bps > 0 && rate_bps > one.port_bps * (1 + kSlack)) return 0;
    return Down(one.chip_bps / rate_bps);
  }
  // A leaf's ports down, by the row that says so or by the oversubscription.
  std::int64_t LeafDown() const { return LeafDown(*leaf_); }
  std::int64_t LeafDown(const SwitchRow& leaf) const {
    if (down_ > 0) return down_;
    const double down_bps = leaf.chip_bps * ask_.over / (1 + ask_.over);
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

// An accelerator's name, and what a host says it holds: "a100" may stand in a host of a100-pcie,
// any Ascend 910B in a host of another bin.
bool Holds(const std::string& host_gpu, const std::string& gpu) {
  constexpr std::string_view kAscend = "ascend-910b";
  if (host_gpu.starts_with(kAscend) && gpu.starts_with(kAscend)) return true;
  return host_gpu.starts_with(gpu) || gpu.starts_with(host_gpu);
}

void Auditor::CheckHosts() {
  if (bill_.hosts.empty() || bill_.accelerators.empty() || CheckHostsByKind()) return;
  const std::int64_t in_hosts = HostGpus(), listed = Accelerators();
  if (in_hosts == listed) return;
  const HostRow& host = bill_.hosts.front();
  Find("gpus_per_host", host.line,
       fmt::format("{} accelerators in hosts that hold {}", listed, in_hosts),
       fmt::format("{} hosts of {}", CeilDiv(listed, std::max(1, host.gpus)), host.gpus),
       {fmt::format("{} accelerators", in_hosts)});
}

// Kind by kind, where more than one is listed or a kind has no host: false where all agree.
bool Auditor::CheckHostsByKind() {
  bool found = false;
  for (const AcceleratorRow& row : bill_.accelerators) {
    std::int64_t listed = 0, held = 0;
    int of_host = 0;
    for (const AcceleratorRow& other : bill_.accelerators)
      if (other.gpu == row.gpu) {
        listed += other.count;
        if (other.line < row.line) listed = -1'000'000'000'000;  // that row has said it
      }
    for (const HostRow& host : bill_.hosts) {
      if (!Holds(host.gpu, row.gpu)) continue;
      held += host.count * host.gpus;
      of_host = host.gpus;
    }
    const bool split = std::any_of(bill_.accelerators.begin(), bill_.accelerators.end(),
                                   [&](const auto& other) { return other.gpu != row.gpu; });
    if (listed < 0 || held == listed || (held > 0 && !split)) continue;
    found = true;
    Find("gpus_per_host", row.line,
         fmt::format("{} {} in hosts that hold {}", listed, row.gpu, held),
         of_host > 0 ? fmt::format("{} hosts of {}", CeilDiv(listed, of_host), of_host)
                     : fmt::format("hosts for {} {}", listed, row.gpu));
  }
  return found;
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
  if (need.per_second <= 0) return;
  const NumberType type = bill_.dtype    ? bill_.dtype->value
                          : need.integer ? NumberType::kInt8
                                         : NumberType::kBf16;
  // "P" alone says nothing of the type: what dtype says holds.
  if (bill_.dtype && need.integer != (type == NumberType::kInt8))
    return Find("dtype", bill_.dtype->line,
                fmt::format("{} of a type of {} bits", SayOps(need.per_second, need.integer),
                            type == NumberType::kBf16 ? 16 : 8),
                need.integer ? "int8, 8 bits, for operations a second"
                             : "bf16, 16 bits, or fp8, 8 bits, for FLOPS",
                {SayOps(need.per_second, !need.integer)});
  CheckCompute(need, type);
}

// Σ rate x count at the stated type and basis.
void Auditor::CheckCompute(const Need& need, NumberType type) {
  const bool sparse_asked = bill_.basis && bill_.basis->value == Basis::kSparse;
  double gets = 0, by_sparse = 0;  // operations a second
  std::string each, names;
  std::optional<double> rate;  // of the first: what more of it would add
  for (const AcceleratorRow& row : Listed()) {
    const auto gpu = FindGpu(row.gpu);
    if (!gpu) return;
    const auto dense = gpu->PeakOf(type, Basis::kDense), sparse = gpu->PeakOf(type, Basis::kSparse);
    const auto& peak = sparse_asked ? sparse : dense;
    if (!peak)
      return Find(
          "basis", bill_.basis ? bill_.basis->line : row.line,
          fmt::format("{} {} by a {} rate, which it has not", row.count, row.gpu,
                      sparse_asked ? "sparse" : "dense"),
          dense ? fmt::format("dense, {:.6g} T each: {} accelerators", dense->per_second / 1e12,
                              Up(need.per_second / dense->per_second))
                : fmt::format("an accelerator with a rate of that type for {}",
                              SayOps(need.per_second, need.integer)));
    if (!rate) rate = peak->per_second;
    gets += peak->per_second * static_cast<double>(row.count);
    by_sparse += (sparse ? sparse : peak)->per_second * static_cast<double>(row.count);
    each += fmt::format("{}{:.6g} T", each.empty() ? "" : " and ", peak->per_second / 1e12);
    if (sparse && !sparse_asked)
      names += fmt::format("{}{:.6g} T", names.empty() ? "" : " and ", sparse->per_second / 1e12);
  }
  if (!rate || gets >= need.per_second * (1 - kSlack)) return;
  std::vector<std::string> alternatives;
  const bool by_sparsity =
      !sparse_asked && !names.empty() && by_sparse >= need.per_second * (1 - 1e-3);
  if (by_sparsity)
    alternatives.push_back(
        fmt::format("say basis sparse: {} each holds only where 2 of 4 numbers are zero", names));
  const std::int64_t more = Up((need.per_second - gets) / *rate);
  Find(by_sparsity ? "basis" : "need", bill_.need->line,
       fmt::format("{} of {} {} at {} each", SayOps(gets, need.integer), Accelerators(),
                   sparse_asked ? "sparse" : "dense", each),
       Listed().size() == 1 ? fmt::format("{} accelerators for {}", Up(need.per_second / *rate),
                                          SayOps(need.per_second, need.integer))
                            : fmt::format("{} more {} for {}", more, Listed().front().gpu,
                                          SayOps(need.per_second, need.integer)),
       std::move(alternatives));
}

// What feeds a host must hold its maximum, which is what its preset says; a fifth below it is no
// other reading of a data sheet but another machine.
void Auditor::CheckHostPower() {
  constexpr double kLeast = 0.8;  // assumption
  for (const HostRow& host : bill_.hosts) {
    if (!host.power || !host.usual_power || *host.power >= *host.usual_power * kLeast) continue;
    Find("host_power", host.line,
         fmt::format("{:.6g} kW a host of {} {}", host.power->count() / 1e3, host.gpus, host.gpu),
         fmt::format("{:.6g} kW, its maximum", host.usual_power->count() / 1e3));
  }
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
    // Of several kinds the strongest: which host stands in which is not said.
    if (!bill_.rack_power && rack.power) limit = std::max(limit, rack.power->count());
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

// Whether the racks have room for the hosts; switches stand in what is left, or in their own.
void Auditor::CheckRackUnits() {
  constexpr int kTallest = 60;  // units, where none are said: no hall's rack has more (assumption)
  std::int64_t racks = 0, units = 0, needed = 0;
  int each = 0;
  bool said = true;
  for (const RackRow& rack : bill_.racks) {
    racks += rack.count;
    each = std::max(each, rack.units.value_or(kTallest));
    said = said && rack.units.has_value();
  }
  if (racks == 0 || each == 0) return;
  for (const HostRow& host : bill_.hosts) {
    if (host.units <= 0) continue;
    units += host.count * host.units;
    needed += CeilDiv(host.count, std::max(1, each / host.units));
  }
  for (const SwitchRow& one : bill_.switches) units += one.count * one.units;
  needed = std::max(needed, CeilDiv(units, each));
  if (racks < needed)
    Find("rack_units", bill_.racks.front().line,
         fmt::format("{} racks of {} units{}", racks, each, said ? "" : " at most"),
         fmt::format("{} racks for {} units of hosts and switches", needed, units));
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
  // Of NICs of several rates the ones that bring most are the backend's; others face users.
  std::map<double, double> by_rate;
  for (const NicRow& nic : bill_.nics) by_rate[nic.port_bps] += nic.bps();
  for (const auto& [rate_bps, sum_bps] : by_rate)
    if (ask_.rate_bps <= 0 || sum_bps > by_rate[ask_.rate_bps]) ask_.rate_bps = rate_bps;
  for (const NicRow& nic : bill_.nics)
    if (nic.port_bps == ask_.rate_bps) ask_.endpoints += nic.count * nic.ports;
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
  const double of_leaf = down_bps > 0 && up_bps > 0 ? down_bps / up_bps : 0;
  if (of_leaf > 0) ask_.upper = 0;
  // A ratio beside a leaf's ports that they do not have is that of the tiers above.
  if (bill_.oversubscription) ask_.upper = of_leaf > ask_.over * 0.9 ? 0 : ask_.over;
  if (bill_.oversubscription && of_leaf > ask_.over * 1.01)
    Find("oversubscription", bill_.oversubscription->line,
         fmt::format("{:.4g}:1 by the leaf's ports", of_leaf), fmt::format("{:.4g}:1", ask_.over));
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
       fmt::format("{} endpoints a plane in {} tier{}, {} switches", each, drawn,
                   drawn == 1 ? "" : "s", have),
       !in_more.empty() ? in_more : fmt::format("at most {} endpoints a plane", Reach(drawn)),
       std::move(alternatives));
}

void Auditor::CheckSwitches() {
  if (too_far_) return;
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
  // Without a ratio the cables say what is meant.
  if (tiers == 2 && cabled > 0) uplinks = ask_.over_said ? std::max(uplinks, cabled) : cabled;
  // Of three tiers no more leaves the spines than enters them, at the ratio that is said.
  if (tiers == 3 && ask_.upper > 0)
    above = Up(static_cast<double>(ask_.endpoints) * ask_.rate_bps /
               std::max(ask_.upper, ask_.over) / ask_.up_bps);
  if (tiers == 3 && cabled > 0) above = std::max<std::int64_t>(0, cabled - uplinks);
  const std::int64_t all = PortsOf(SwitchRole::kSpine, ask_.up_bps);
  if (all < uplinks + above)
    Find("spine_ports", spine_->line, fmt::format("{} spines with {} ports", spines, all),
         fmt::format("{} ports, {} spines", uplinks + above,
                     CeilDiv(uplinks + above, std::max<std::int64_t>(1, spine_ports))));
  const std::int64_t core_ports = Ports(*core_, ask_.up_bps);
  const std::int64_t of_cores = PortsOf(SwitchRole::kCore, ask_.up_bps);
  if (tiers == 3 && cores > 0 && of_cores < above)
    Find("core_ports", core_->line, fmt::format("{} cores with {} ports", cores, of_cores),
         fmt::format("{} ports, {} cores", above,
                     CeilDiv(above, std::max<std::int64_t>(1, core_ports))));
  if (tiers == 3) CheckExcess(spines, cores);
  const bool alike = Uniform(SwitchRole::kLeaf) && Uniform(SwitchRole::kSpine);
  if (tiers == 2 && spines > 0 && Count(SwitchRole::kLeaf) > 0 && alike) CheckSpread(uplinks);
}

// Of three tiers, where how leaves spread over pods is not said: no even spread takes twice the
// switches that a network without blocking has ports for.
void Auditor::CheckExcess(std::int64_t spines, std::int64_t cores) {
  const std::int64_t links = Up(static_cast<double>(ask_.endpoints) * ask_.rate_bps / ask_.up_bps);
  const auto check = [&](std::int64_t have, std::int64_t ports, const SwitchRow& one,
                         std::int64_t of_one, const char* rule, const char* name) {
    const std::int64_t least = CeilDiv(ports, std::max<std::int64_t>(1, of_one));
    if (have > std::max<std::int64_t>(2 * least, 4))
      Warn(
          rule, one.line, fmt::format("{} {}", have, name),
          fmt::format("{} {} have the {} ports of a network without blocking", least, name, ports));
  };
  check(spines, 2 * links, *spine_, Ports(*spine_, ask_.up_bps), "excess_spines", "spines");
  check(cores, links, *core_, Ports(*core_, ask_.up_bps), "excess_cores", "cores");
}

// Of two tiers: every leaf should have equally many links to every spine of its plane.
void Auditor::CheckSpread(std::int64_t uplinks) {
  const std::int64_t leaves = Count(SwitchRole::kLeaf), spines = Count(SwitchRole::kSpine);
  if (spines % ask_.planes != 0)
    return Warn("uneven_spines", spine_->line,
                fmt::format("{} spines over {} planes", spines, ask_.planes),
                fmt::format("a multiple of {}", ask_.planes));
  const std::int64_t of_plane = spines / ask_.planes;
  // Without cables a leaf is taken to use all the uplinks that its ports leave it.
  const bool cabled = Links(CableRow::End::kSwitch) > 0;
  if (!cabled) uplinks = std::max(uplinks, leaves * LeafUp());
  const std::int64_t up = uplinks % leaves == 0 && uplinks >= leaves ? uplinks / leaves : LeafUp();
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

// A cable with its plugs on is no longer than such cables are made.
void Auditor::CheckLengths() {
  for (const CableRow& one : bill_.cables)
    if (one.reach_m > 0 && one.length_m > one.reach_m)
      Find("cable_length", one.line, fmt::format("{} of {:.6g} m", one.part, one.length_m),
           fmt::format("at most {:.6g} m of its kind at {:.6g} Gbps", one.reach_m,
                       one.rate_bps / 1e9),
           {"optics and fibre"});
}

// Ends that an optic serves at most: one with a fibre a lane can be split to a slower rate.
std::int64_t Auditor::MostEnds(const OpticRow& optic) const {
  double slowest = ask_.rate_bps > 0 ? ask_.rate_bps : 0;
  if (ask_.up_bps > 0) slowest = std::min(slowest, ask_.up_bps);
  if (!optic.parallel || slowest <= 0) return optic.ports;
  return std::max<std::int64_t>(optic.ports, Down(optic.ports * optic.port_bps / slowest));
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
    have += optic.count * optic.ports;
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
