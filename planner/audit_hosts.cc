// Hosts, what they do, draw and stand in.
#include "planner/auditor.h"

namespace weft {
namespace {

// An accelerator's name, and what a host says it holds: "a100" may stand in a host of a100-pcie,
// any Ascend 910B in a host of another bin.
bool Holds(const std::string& host_gpu, const std::string& gpu) {
  constexpr std::string_view kAscend = "ascend-910b";
  if (host_gpu.starts_with(kAscend) && gpu.starts_with(kAscend)) return true;
  return host_gpu.starts_with(gpu) || gpu.starts_with(host_gpu);
}

constexpr double kLeastOfHost = 0.8;  // of what its preset draws at most (assumption)

// A feed so far above what the bill draws is for something else: beyond storage and what optics
// take (assumption).
constexpr double kMostOfFeed = 1.75;

std::string SayOps(double per_second, bool integer) {
  return fmt::format("{:.6g} P{}OPS", per_second / 1e15, integer ? "" : "FL");
}

}  // namespace

void Auditor::CheckHosts() {
  if (bill_.hosts.empty() || bill_.accelerators.empty() || CheckHostsByKind()) return;
  const std::int64_t in_hosts = HostGpus(), listed = Accelerators();
  if (in_hosts == listed) return;
  const HostRow& host = bill_.hosts.front();
  // Hosts beside those that are asked for stand in for what fails.
  if (listed < in_hosts) {
    std::vector<std::string> alternatives{Counted(in_hosts, "accelerator")};
    if (const std::int64_t spare = (in_hosts - listed) / std::max(1, host.gpus); spare > 0)
      alternatives.push_back(fmt::format("{} of the hosts by the role spare_host", spare));
    return Warn("gpus_per_host", host.line,
                fmt::format("{} in hosts that hold {}", Counted(listed, "accelerator"), in_hosts),
                fmt::format("{} of {}", Counted(CeilDiv(listed, std::max(1, host.gpus)), "host"),
                            host.gpus),
                std::move(alternatives));
  }
  Find("gpus_per_host", host.line,
       fmt::format("{} in hosts that hold {}", Counted(listed, "accelerator"), in_hosts),
       fmt::format("{} of {}", Counted(CeilDiv(listed, std::max(1, host.gpus)), "host"), host.gpus),
       {Counted(in_hosts, "accelerator")});
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
         of_host > 0 ? fmt::format("{} of {}", Counted(CeilDiv(listed, of_host), "host"), of_host)
                     : fmt::format("hosts for {} {}", listed, row.gpu),
         {}, listed < held ? Finding::Severity::kWarning : Finding::Severity::kError);
  }
  return found;
}

void Auditor::CheckNeed() {
  if (!bill_.need) return;
  const Need& need = bill_.need->value;
  const std::int64_t have = Accelerators();
  if (need.gpus > 0 && have < need.gpus)
    Find("need", bill_.need->line, Counted(have, "accelerator"), Counted(need.gpus, "accelerator"));
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
      return Find("basis", bill_.basis ? bill_.basis->line : row.line,
                  fmt::format("{} {} by a {} rate, which it has not", row.count, row.gpu,
                              sparse_asked ? "sparse" : "dense"),
                  dense
                      ? fmt::format("dense, {:.6g} T each: {}", dense->per_second / 1e12,
                                    Counted(Up(need.per_second / dense->per_second), "accelerator"))
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
       Listed().size() == 1
           ? fmt::format("{} for {}", Counted(Up(need.per_second / *rate), "accelerator"),
                         SayOps(need.per_second, need.integer))
           : fmt::format("{} more {} for {}", more, Listed().front().gpu,
                         SayOps(need.per_second, need.integer)),
       std::move(alternatives));
}

// What feeds a host must hold its maximum, which is what its preset says; a fifth below it is no
// other reading of a data sheet but another machine.
void Auditor::CheckHostPower() {
  for (const HostRow& host : bill_.hosts) {
    if (!host.power || !host.usual_power || *host.power >= *host.usual_power * kLeastOfHost)
      continue;
    Find("host_power", host.line,
         fmt::format("{:.6g} kW a host of {} {}", host.power->count() / 1e3, host.gpus, host.gpu),
         fmt::format("{:.6g} kW, its maximum", host.usual_power->count() / 1e3));
  }
}

// Of hosts and switches that have a figure, at their maximum.
double Auditor::ListedWatts() const {
  double watts = 0;
  for (const HostRow& host : bill_.hosts)
    watts += host.power.value_or(Watts()).count() * static_cast<double>(host.count);
  for (const SwitchRow& one : bill_.switches)
    watts += one.power.value_or(Watts()).count() * static_cast<double>(one.count);
  return watts;
}

void Auditor::CheckPower() {
  const double watts = ListedWatts();
  const bool complete = std::all_of(bill_.hosts.begin(), bill_.hosts.end(),
                                    [](const HostRow& host) { return host.power.has_value(); });
  if (bill_.hosts.empty() && bill_.it_power) CheckFeedOfAccelerators(watts);
  if (watts <= 0) return;
  if (bill_.it_power && bill_.it_power->value.count() < watts * (1 - 1e-3))
    Find("it_power", bill_.it_power->line,
         fmt::format("{:.6g} kW", bill_.it_power->value.count() / 1e3),
         fmt::format("{:.6g} kW, the maximum of its hosts and switches, optics aside{}",
                     watts / 1e3, complete ? "" : "; some hosts have no figure"));
  if (bill_.it_power && complete && !bill_.hosts.empty() && watts > 0 &&
      bill_.it_power->value.count() > watts * kMostOfFeed)
    Warn("it_power", bill_.it_power->line,
         fmt::format("{:.6g} kW", bill_.it_power->value.count() / 1e3),
         fmt::format("{:.6g} kW, the maximum of its hosts and switches, optics aside: what else "
                     "draws it is not listed",
                     watts / 1e3));
  CheckRacks(watts, complete);
}

// Without hosts what feeds the accelerators is that of the hosts they usually stand in, or a fifth
// less, as of host_power.
void Auditor::CheckFeedOfAccelerators(double switch_watts) {
  double watts = switch_watts;
  for (const AcceleratorRow& row : bill_.accelerators)
    watts += kLeastOfHost * row.usual_power.count() * static_cast<double>(row.count);
  if (bill_.it_power->value.count() >= watts * (1 - 1e-3)) return;
  Find("it_power", bill_.it_power->line,
       fmt::format("{:.6g} kW", bill_.it_power->value.count() / 1e3),
       fmt::format("{:.6g} kW at least, the maximum of such hosts less a fifth, and switches",
                   watts / 1e3));
}

// Racks that may draw so much, for what is listed; of hosts that draw more none.
std::int64_t Auditor::RacksByPower(double limit) const {
  std::int64_t racks = 0;
  for (const HostRow& host : bill_.hosts) {
    if (!host.power || host.power->count() <= 0) continue;
    const std::int64_t each = Down(limit / host.power->count());
    if (each > 0) racks += CeilDiv(host.count, each);
  }
  return std::max(racks, Up(ListedWatts() / limit));
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
  for (const HostRow& host : bill_.hosts) {
    // What is larger is a rack, or several, of its own.
    if (!host.power || host.power->count() <= limit * (1 + kSlack) || host.gpus > 16) continue;
    return Find("rack_power", line,
                fmt::format("{:.6g} kW a rack, a host draws {:.6g} kW", limit / 1e3,
                            host.power->count() / 1e3),
                fmt::format("{:.6g} kW a rack", host.power->count() / 1e3));
  }
  const std::int64_t needed = RacksByPower(limit);
  if (racks > 0 && racks < needed)
    Find("rack_power", bill_.racks.front().line,
         fmt::format("{} of {:.6g} kW", Counted(racks, "rack"), limit / 1e3),
         fmt::format("{} for {:.6g} kW{}", Counted(needed, "rack"), watts / 1e3,
                     complete ? "" : " at least: some hosts have no figure"));
}

// Racks of so many units for hosts and switches, which stand in what hosts leave, or in their own.
RackUnits Auditor::UnitsIn(int each) const {
  RackUnits out;
  for (const HostRow& host : bill_.hosts) {
    if (host.units <= 0) continue;
    out.units += host.count * host.units;
    out.racks += CeilDiv(host.count, std::int64_t{std::max(1, each / host.units)});
  }
  for (const SwitchRow& one : bill_.switches) out.units += one.count * one.units;
  out.racks = std::max(out.racks, CeilDiv(out.units, std::int64_t{each}));
  return out;
}

void Auditor::CheckRackUnits() {
  constexpr int kTallest = 60;  // units, where none are said: no hall's rack has more (assumption)
  std::int64_t racks = 0;
  int each = 0;
  bool said = true;
  for (const RackRow& rack : bill_.racks) {
    racks += rack.count;
    each = std::max(each, rack.units.value_or(kTallest));
    said = said && rack.units.has_value();
  }
  if (racks == 0 || each == 0) return;
  const RackUnits needed = UnitsIn(each);
  if (racks < needed.racks)
    Find("rack_units", bill_.racks.front().line,
         fmt::format("{} of {}{}", Counted(racks, "rack"), Counted(each, "unit"),
                     said ? "" : " at most"),
         fmt::format("{} for {} of hosts and switches", Counted(needed.racks, "rack"),
                     Counted(needed.units, "unit")));
}

}  // namespace weft
