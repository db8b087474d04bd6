// Kinds of parts that a bill lists nothing of: a warning where it claims to be whole, or where what
// it does list is of no use without them. A bill of part of a cluster says nothing of the rest.
#include "planner/auditor.h"

namespace weft {
namespace {

constexpr std::int64_t kPorts = 64;  // of the switch that is counted in where none is listed
constexpr int kUnits = 48;           // of the rack, likewise, as a plan's

}  // namespace

int Auditor::WholeLine() const { return bill_.whole && bill_.whole->value ? bill_.whole->line : 0; }

void Auditor::CheckMissing() {
  if (bill_.whole && !bill_.whole->value) return;
  MissingHosts();
  MissingSwitches();
  MissingCables();
  MissingRacks();
}

// Whoever lists accelerators, switches, cables and racks lists hosts too.
void Auditor::MissingHosts() {
  if (!bill_.hosts.empty()) return;
  const int whole = WholeLine();
  if (bill_.accelerators.empty()) {
    if (whole > 0)
      Warn("missing_accelerators", whole, "0 accelerators, 0 hosts",
           bill_.need && bill_.need->value.gpus > 0
               ? Counted(bill_.need->value.gpus, "accelerator")
               : fmt::format("accelerators for {}, or hosts that hold them",
                             Counted(std::max<std::int64_t>(1, ask_.endpoints), "NIC port")));
    return;
  }
  const bool implied = AllSwitches() > 0 && !bill_.cables.empty() && !bill_.racks.empty();
  if (whole == 0 && !implied) return;
  std::string needs;
  for (const AcceleratorRow& row : bill_.accelerators)
    needs += (needs.empty() ? "" : " and ") +
             (row.of_host > 0
                  ? fmt::format("{} of {} {}",
                                Counted(CeilDiv(row.count, std::int64_t{row.of_host}), "host"),
                                row.of_host, row.gpu)
                  : fmt::format("hosts for {} {}", row.count, row.gpu));
  Warn("missing_hosts", whole > 0 ? whole : bill_.accelerators.front().line,
       fmt::format("{}, 0 hosts", Counted(Accelerators(), "accelerator")), needs);
}

// One host needs no network.
bool Auditor::IsOneHost() const {
  std::int64_t hosts = 0;
  for (const HostRow& host : bill_.hosts) hosts += host.count;
  if (!bill_.hosts.empty()) return hosts <= 1;
  // Accelerators of two kinds share no host.
  const auto& rows = bill_.accelerators;
  const auto listed =
      std::find_if(rows.begin(), rows.end(), [](const auto& one) { return one.count > 0; });
  return listed == rows.end() || (Accelerators() <= listed->of_host &&
                                  std::all_of(listed, rows.end(), [&](const auto& one) {
                                    return one.count == 0 || one.gpu == listed->gpu;
                                  }));
}

// The first row that is of a network: a cable, an optic, ports of a leaf, or a key of one.
int Auditor::NetworkLine() const {
  int out = 0;
  const auto take = [&](int line) { out = out == 0 ? line : std::min(out, line); };
  for (const CableRow& one : bill_.cables)
    if (one.count > 0) take(one.line);
  for (const OpticRow& one : bill_.optics)
    if (one.count > 0) take(one.line);
  for (const PortRow& one : bill_.ports) take(one.line);
  if (bill_.tiers) take(bill_.tiers->line);
  if (bill_.planes) take(bill_.planes->line);
  if (bill_.rails) take(bill_.rails->line);
  if (bill_.rail_optimized) take(bill_.rail_optimized->line);
  if (bill_.oversubscription) take(bill_.oversubscription->line);
  if (bill_.spine_oversubscription) take(bill_.spine_oversubscription->line);
  return out;
}

// The fewest switches of one kind that the endpoints take, in the fewest tiers.
std::string Auditor::FewestSwitches() const {
  Auditor other(bill_);
  SwitchRow assumed;
  assumed.count = 1;
  other.bill_.switches = {assumed};
  other.bill_.tiers.reset();
  other.Derive();
  const double rate_bps = other.ask_.rate_bps;
  if (rate_bps <= 0) return fmt::format("switches of {} to NICs", Counted(ask_.endpoints, "port"));
  other.bill_.switches.front().chip_bps = kPorts * rate_bps;
  const std::int64_t each = other.ask_.each();
  for (int tiers = 1; tiers <= 3; ++tiers)
    if (each <= other.Reach(tiers))
      return fmt::format("{} of {} ports of {:.6g} Gbps, in {}",
                         Counted(other.Needed(tiers, each).all() * other.ask_.planes, "switch"),
                         kPorts, rate_bps / 1e9, Counted(tiers, "tier"));
  return fmt::format("switches of {} of {:.6g} Gbps to NICs", Counted(other.ask_.endpoints, "port"),
                     rate_bps / 1e9);
}

// Cables, optics and tiers are of switches, and spines of leaves.
void Auditor::MissingSwitches() {
  if (ask_.endpoints == 0 || IsOneHost()) return;
  const std::int64_t have = AllSwitches();
  if (have == 0) {
    const int line = WholeLine() > 0 ? WholeLine() : NetworkLine();
    if (line == 0) return;
    Warn("missing_switches", line,
         fmt::format("{}, 0 switches", Counted(ask_.endpoints, "NIC port")), FewestSwitches());
  } else if (leaf_ == nullptr) {
    Auditor other(bill_);
    // Leaves for 1:1 where nobody says another ratio, though the cables may be too few for it.
    if (!bill_.oversubscription) other.bill_.oversubscription = Key<double>{1, 0};
    SwitchRow leaf = bill_.switches.front();
    leaf.role = SwitchRole::kLeaf;
    leaf.count = 1;
    other.bill_.switches.push_back(leaf);
    other.Derive();
    const std::int64_t leaves =
        other.ask_.rate_bps > 0 ? other.Needed(2, other.ask_.each()).leaves * other.ask_.planes : 1;
    Warn("missing_leaves", leaf.line,
         fmt::format("{}, none of them a leaf, for {}", Counted(have, "switch"),
                     Counted(ask_.endpoints, "endpoint")),
         fmt::format("{} of such switches", Counted(leaves, "leaf")));
  }
}

// Optics are of fibres.
void Auditor::MissingCables() {
  const std::int64_t cables =
      Links(CableRow::End::kHost) + Links(CableRow::End::kSwitch) + Links(CableRow::End::kAny);
  const int whole = WholeLine();
  if (cables > 0) return MissingOptics();
  if (leaf_ == nullptr || ask_.endpoints == 0 || ask_.rate_bps <= 0 || too_far_ || IsOneHost())
    return;
  const double each = bill_.routers ? 0 : CablesOfUplink();
  const std::int64_t between = Up(static_cast<double>(uplinks_.least) * each);
  std::int64_t ends = 0;
  for (const OpticRow& one : bill_.optics) ends += one.count * LeastEnds(one);
  if (whole > 0)
    return Warn("missing_cables", whole,
                fmt::format("{} and {}, 0 cables", Counted(ask_.endpoints, "NIC port"),
                            Counted(AllSwitches(), "switch")),
                fmt::format("{} to NIC ports{}", Counted(ask_.endpoints, "cable"),
                            between > 0 ? fmt::format(" and {} between switches", between) : ""));
  if (ends > 0)
    Warn("missing_cables", bill_.optics.front().line,
         fmt::format("optics for {} of fibre, 0 cables", Counted(ends, "end")),
         fmt::format("{}, of two ends each", Counted(CeilDiv(ends, std::int64_t{2}), "fibre")));
}

// Of cables that are called fibre the optics are asked for in any case.
void Auditor::MissingOptics() {
  std::int64_t unsaid = 0;
  for (const CableRow& one : bill_.cables)
    if (one.medium == CableRow::Medium::kUnsaid) unsaid += one.count;
  if (WholeLine() == 0 || unsaid == 0 || !bill_.optics.empty()) return;
  Warn("missing_optics", WholeLine(),
       fmt::format("{} cables that do not say of what they are, 0 optics", unsaid),
       fmt::format("optics for {} ends, or cables that say so: dac, acc, aec, aoc", 2 * unsaid));
}

void Auditor::MissingRacks() {
  std::int64_t racks = 0;
  for (const RackRow& one : bill_.racks) racks += one.count;
  if (WholeLine() == 0 || racks > 0 || bill_.hosts.empty()) return;
  const RackUnits units = UnitsIn(kUnits);
  if (units.racks == 0) return;  // what it lists are racks
  std::int64_t needed = units.racks;
  std::string watts;
  if (bill_.rack_power && bill_.rack_power->value.count() > 0) {
    const double limit = bill_.rack_power->value.count();
    needed = std::max(needed, RacksByPower(limit));
    watts = fmt::format(" and {:.6g} kW", limit / 1e3);
  }
  Warn("missing_racks", WholeLine(),
       fmt::format("{} of hosts and switches, 0 racks", Counted(units.units, "unit")),
       fmt::format("{} of {} units{}", Counted(needed, "rack"), kUnits, watts));
}

}  // namespace weft
