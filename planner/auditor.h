// What a bill is checked by: audit.cc checks its network, audit_uplinks.cc decides the leaves'
// uplinks, audit_cables.cc checks cables and optics, audit_hosts.cc hosts, power and compute,
// audit_missing.cc finds kinds of parts that are not listed.
// Included by these alone.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/ceil_div.h"
#include "planner/audit.h"
#include "planner/audit_internal.h"

namespace weft {

// "1 leaf", "32 leaves".
inline std::string Counted(std::int64_t count, const std::string& noun) {
  if (count == 1) return "1 " + noun;
  if (noun == "leaf") return fmt::format("{} leaves", count);
  return fmt::format("{} {}{}", count, noun, noun == "switch" ? "es" : "s");
}

// The network that the bill asks for, in numbers; what it does not say is derived.
struct Ask {
  std::int64_t endpoints = 0;  // NIC ports
  double rate_bps = 0;         // of one; 0: nobody said
  double up_bps = 0;           // of a link between switches
  std::int64_t planes = 1;     // networks that nothing joins: of every rail, where rails are said
  double over = 1;             // a leaf's rate down over its rate up
  bool over_said = false;      // by a key or by ports down and up, not by cables alone
  // Of the tiers above the leaves together, at least; 0: not said, as where a leaf's ports say
  // the leaf's own alone.
  double upper = 1;
  std::int64_t rails = 1;  // of one plane, whose leaves spines join
  std::int64_t each() const { return CeilDiv(endpoints, planes); }
};

// Links between switches, as the endpoints ask for them and as they are cabled: DeriveUplinks
// decides them, and nothing else does.
struct Uplinks {
  std::int64_t nonblocking = 0;  // of all leaves, at 1:1
  std::int64_t least = 0;        // at the ratio that is said, or that the cables make
  std::int64_t asked = 0;        // at the ratio that is said, else at 1:1
  std::int64_t all = 0;          // of two tiers as cabled where that suffices, else `least`
  std::int64_t above = 0;        // of three tiers, from spines to cores: fewer are a fault
  std::int64_t above_meant = 0;  // and as many as the bill means
  // Of two tiers, where leaves are listed: with those that no cable says but ports are there for,
  // and of one leaf.
  std::int64_t spread = 0, each = 0;
};

// Units of a rack, and racks for them.
struct RackUnits {
  std::int64_t units = 0, racks = 0;
};

// What a Clos of `tiers` needs in one plane, at least.
struct ClosNeed {
  std::int64_t leaves = 0, spines = 0, cores = 0;
  std::int64_t all() const { return leaves + spines + cores; }
};

class Auditor {
 public:
  explicit Auditor(AuditBill bill) : bill_(std::move(bill)) {}

  // Of a NIC, after Run.
  int nic_ports() const { return nic_ports_; }

  std::vector<Finding> Run() {
    CheckHosts();
    CheckNeed();
    CheckHostPower();
    CheckPower();
    CheckRackUnits();
    Derive();
    CheckRails();
    if (leaf_ != nullptr && ask_.endpoints > 0 && ask_.rate_bps > 0) {
      CheckPortSum();
      if (CheckRate()) bill_.routers ? CheckRouters() : CheckTiers();
      CheckCables();
    }
    CheckLengths();
    CheckOptics();
    CheckMissing();
    for (const Key<std::string>& part : bill_.of_nothing)
      Warn("quantity", part.line, "0 of " + part.value, "how many, or no such row");
    std::stable_sort(findings_.begin(), findings_.end(),
                     [](const Finding& a, const Finding& b) { return a.line < b.line; });
    return std::move(findings_);
  }

 private:
  static constexpr double kSlack = 1e-9;  // rates come from decimal text
  static std::int64_t Up(double value) {
    return static_cast<std::int64_t>(std::ceil(value - kSlack));
  }
  static std::int64_t Down(double value) {
    return static_cast<std::int64_t>(std::floor(value + kSlack));
  }
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
      out.push_back({host.count * host.gpus, host.line, host.gpu, {}, host.gpus});
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

  int WholeLine() const;
  void CheckMissing();
  void MissingHosts();
  bool IsOneHost() const;
  int NetworkLine() const;
  std::string FewestSwitches() const;
  void MissingSwitches();
  void MissingCables();
  void MissingOptics();
  void MissingRacks();

  void CheckHosts();
  bool CheckHostsByKind();
  void CheckNeed();
  void CheckCompute(const Need& need, NumberType type);
  void CheckPower();
  void CheckHostPower();
  double ListedWatts() const;
  std::int64_t RacksByPower(double limit) const;
  RackUnits UnitsIn(int each) const;
  void CheckRackUnits();
  double Growth() const {
    const auto now = static_cast<double>(std::max<std::int64_t>(1, Accelerators()));
    return bill_.growth ? std::max(1.0, static_cast<double>(bill_.growth->value) / now) : 1;
  }
  // Of so many now, what there will be when it has grown.
  std::int64_t Grown(std::int64_t now) const { return Up(static_cast<double>(now) * Growth()); }
  void CheckFeedOfAccelerators(double switch_watts);
  void CheckRacks(double watts, bool complete);
  void Derive();
  void DeriveEndpoints();
  void SplitCables(bool hosts, double port_bps);
  void SplitHostCables();
  void DeriveOversubscription();
  void DeriveCabledRatio();
  void CheckGrowth();
  void CheckPortSum();
  bool CheckRate();
  void CheckTiers() {
    CheckReach();
    CheckSwitches();
  }
  const char* Network() const { return bill_.rails ? "rail" : "plane"; }
  void CheckRails();
  void CheckRailLeaves(std::int64_t leaves);
  void CheckRouters();
  void CheckReach();
  void CheckSwitches();
  void CheckLeaves();
  void CheckLeafCables();
  void CheckUppers();
  void CheckCores(std::int64_t cores);
  void CheckSpread();
  void CheckExcess(std::int64_t spines, std::int64_t cores);
  void CheckCables();
  void CheckLengths();
  std::int64_t MostEnds(const OpticRow& optic) const;
  std::int64_t LeastEnds(const OpticRow& optic) const;
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
    const std::int64_t by_rate = Down(one.chip_bps / rate_bps);
    return one.most_ports > 0 ? std::min(by_rate, one.most_ports) : by_rate;
  }
  void DeriveUplinks();
  void DeriveAbove(std::int64_t cabled);
  // Uplinks of a leaf at the oversubscription, not whole: as its chip's rate and its ports allow.
  double MostUp(const SwitchRow& leaf) const { return MostUp(leaf, ask_.over); }
  double MostUp(const SwitchRow& leaf, double over) const;
  // A leaf's ports, by the rows that say so or by the oversubscription.
  std::int64_t LeafDown() const { return LeafDown(*leaf_); }
  std::int64_t LeafDown(const SwitchRow& leaf) const;
  std::int64_t LeafUp() const;
  std::int64_t DownBeside(std::int64_t up) const;
  std::int64_t UplinksOf(std::int64_t endpoints, double over) const;
  std::int64_t MostUplinks() const;
  double CabledRatio() const;
  bool FewCables() const;
  std::int64_t EachNonblocking() const;
  std::string BesideNonblocking() const;
  std::int64_t LeafLinks(std::int64_t cabled) const;
  std::int64_t GrownUplinks(std::int64_t now, std::int64_t step = 1) const;
  // Endpoints that one plane of so many tiers reaches.
  std::int64_t Reach(int tiers) const {
    if (tiers == 1) return Ports(*leaf_, ask_.rate_bps);
    const std::int64_t spine = Ports(*spine_, ask_.up_bps);
    if (tiers == 2) return LeafDown() * spine;
    return LeafDown() * (spine / 2) * Ports(*core_, ask_.up_bps);
  }
  // At least; what is said of ports above the leaves is not asked: they are 1:1.
  ClosNeed Needed(int tiers, std::int64_t endpoints) const {
    // Of rails each has leaves of its own.
    const std::int64_t down = std::max<std::int64_t>(1, tiers == 1 ? Reach(1) : LeafDown());
    ClosNeed out;
    out.leaves = ask_.rails * CeilDiv(CeilDiv(endpoints, ask_.rails), down);
    if (tiers == 1) return out;
    const std::int64_t uplinks = UplinksOf(endpoints, ask_.over);
    const std::int64_t spine = std::max<std::int64_t>(2, Ports(*spine_, ask_.up_bps));
    if (tiers == 2) {
      out.spines = CeilDiv(uplinks, spine);
      return out;
    }
    out.spines = CeilDiv(uplinks, spine / 2);
    out.cores = CeilDiv(uplinks, std::max<std::int64_t>(1, Ports(*core_, ask_.up_bps)));
    return out;
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

  // Cables between switches for every uplink of a leaf: one a tier, above the spines as many as
  // their ratio leaves where it is said.
  double CablesOfUplink() const {
    const int tiers = Tiers();
    return tiers == 3 && bill_.spine_oversubscription ? 1 + 1 / bill_.spine_oversubscription->value
                                                      : tiers - 1;
  }

  AuditBill bill_;  // cables as links, once it is derived what a link runs at
  std::vector<Finding> findings_;
  Ask ask_;
  Uplinks uplinks_;
  const SwitchRow *leaf_ = nullptr, *spine_ = nullptr, *core_ = nullptr;
  std::int64_t down_ = 0, up_ = 0;  // of one leaf; 0: not said
  int nic_ports_ = 1;
  bool too_far_ = false;
};

}  // namespace weft
