// The rules that every plan passes, each by its name and its numbers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/ceil_div.h"
#include "base/format_count.h"
#include "planner/candidate.h"

namespace weft {
namespace {

std::string Terabits(double bps) { return fmt::format("{:.6g}T", bps / 1e12); }

// What is said of a rule that is listed: what it costs to put into words is a callable, which is
// asked for none that is not.
template <class Arg>
decltype(auto) Said(Arg&& arg) {
  if constexpr (std::is_invocable_v<Arg>)
    return arg();
  else
    return std::forward<Arg>(arg);
}
template <class Arg>
using SaidAs = std::remove_cvref_t<decltype(Said(std::declval<Arg>()))>;

class Checks {
 public:
  // `all`: those that hold too.
  Checks(const Question& question, const Candidate& candidate, bool all)
      : all_(all),
        question_(question),
        plan_(question.spec()),
        it_(candidate),
        design_(candidate.design),
        counts_(candidate.counts),
        chip_(question.switches[candidate.chip].part) {}

  std::vector<RuleCheck> Run() {
    CheckPorts();
    CheckReach();
    CheckCables();
    CheckShape();
    CheckHomes();
    CheckHall();
    CheckCompute();
    CheckGoodput();
    CheckBill();
    return std::move(out_);
  }

 private:
  template <class... Args>
  void Add(const char* rule, bool ok, fmt::format_string<SaidAs<Args>...> text, Args&&... args) {
    if (all_ || !ok)
      out_.push_back(
          {rule, ok, fmt::vformat(text, fmt::make_format_args(Said(std::forward<Args>(args))...))});
  }
  void CheckPorts();
  void CheckChip(const char* rule, std::int64_t nic_ports, std::int64_t uplinks);
  void CheckReach();
  void CheckCables();
  void CheckLink(std::size_t tier);
  void CheckShape();
  void CheckConnected();
  void CheckRouters();
  std::string SwitchesAboveLeaves() const;
  void CheckHomes();
  void CheckHall();
  void CheckCompute();
  void CheckGoodput();
  void CheckBill();
  void CheckPieces();

  CageSpec::Form NicForm() const {
    const CagePart assumed = CageOfPort(design_.nic_port());
    const HostPart& host = question_.accelerators[it_.accelerator].part;
    return it_.assumed_nic_cage ? assumed.form : host.nic_cage.value_or(assumed).form;
  }
  // Ports of one spine that face leaves, and of one core.
  std::int64_t SpineDown() const {
    return counts_.spines > 0 ? CeilDiv(counts_.leaf_links, counts_.spines) : 0;
  }
  std::int64_t CoreDown() const {
    return counts_.cores > 0 ? CeilDiv(counts_.spine_links, counts_.cores) : 0;
  }
  std::int64_t CagesFor(std::int64_t ports, BitRate rate) const {
    const int of_cage = PortsOfCage(chip_.cage, rate);
    return of_cage > 0 ? CeilDiv(ports, of_cage) : chip_.cages + 1;
  }

  const bool all_;
  const Question& question_;
  const PlanSpec& plan_;
  const Candidate& it_;
  const Design& design_;
  const DesignCounts& counts_;
  const SwitchPart& chip_;
  std::vector<RuleCheck> out_;
};

void Checks::CheckPorts() {
  const std::int64_t slots = counts_.leaf_slots, up = counts_.leaf_uplinks;
  Add("leaf ports", slots + up <= chip_.ports, "{} down + {} up of {}", slots, up, chip_.ports);
  CheckChip("leaf chip", slots, up);
  const std::int64_t leaf_cages =
      CagesFor(slots, design_.nic_port()) + (up > 0 ? CagesFor(up, design_.uplink) : 0);
  // A cage has one breakout: ports down and ports up never share one where their rates differ.
  const bool same = design_.nic_port() == design_.uplink;
  const std::int64_t needed = same ? CagesFor(slots + up, design_.uplink) : leaf_cages;
  Add("leaf cages", needed <= chip_.cages, "{} of {}, one breakout a cage", needed, chip_.cages);
  Add("leaf ports for hosts", counts_.leaves * slots >= counts_.nic_links,
      "{} leaves of {} ports down for {} NIC ports", counts_.leaves, slots, counts_.nic_links);
  if (counts_.spines == 0) return;
  const std::int64_t radix = RadixOf(design_, design_.uplink);
  const std::int64_t spine = SpineDown() + counts_.spine_uplinks;
  Add("spine ports", spine <= chip_.ports, "{} down + {} up of {}", SpineDown(),
      counts_.spine_uplinks, chip_.ports);
  CheckChip("spine chip", 0, spine);
  Add("spine cages", CagesFor(spine, design_.uplink) <= chip_.cages, "{} of {}",
      CagesFor(spine, design_.uplink), chip_.cages);
  Add("spine ports for leaves", counts_.spines * radix >= counts_.leaf_links,
      "{} spines of {} ports for {} uplinks", counts_.spines, radix, counts_.leaf_links);
  Add("links of leaves", counts_.leaves * up == counts_.leaf_links, "{} leaves x {} = {}",
      counts_.leaves, up, counts_.leaf_links);
  if (counts_.cores == 0) return;
  Add("core ports", CoreDown() <= chip_.ports, "{} of {}", CoreDown(), chip_.ports);
  CheckChip("core chip", 0, CoreDown());
  Add("core cages", CagesFor(CoreDown(), design_.uplink) <= chip_.cages, "{} of {}",
      CagesFor(CoreDown(), design_.uplink), chip_.cages);
  Add("core ports for spines", counts_.cores * radix >= counts_.spine_links,
      "{} cores of {} ports for {} uplinks", counts_.cores, radix, counts_.spine_links);
}

// The sum of a switch's ports against its chip.
void Checks::CheckChip(const char* rule, std::int64_t nic_ports, std::int64_t uplinks) {
  const double bps = static_cast<double>(nic_ports) * design_.nic_port().bits_per_second() +
                     static_cast<double>(uplinks) * design_.uplink.bits_per_second();
  const double chip = chip_.rate.bits_per_second();
  Add(
      rule, bps <= chip * (1 + 1e-9), "{} of {}", [&] { return Terabits(bps); },
      [&] { return Terabits(chip); });
}

// k endpoints of a leaf in one tier, k²/2 of a network in two and k³/4 in three, at 1:1;
// oversubscribed leaves have more ports down in the same proportion. An Agg of hpn spends what its
// uplinks leave it, one port a ToR.
void Checks::CheckReach() {
  const auto links = static_cast<double>(counts_.nic_links) / static_cast<double>(counts_.networks);
  const auto k = static_cast<double>(RadixOf(design_, design_.uplink));
  const auto down = static_cast<double>(counts_.leaf_slots);
  const double spine = design_.spine_oversubscription;
  double most = 0;
  if (JoinsRouters(design_.family))
    most = down * static_cast<double>(design_.family == DesignFamily::kSlimFly
                                          ? design_.routers.routers()
                                          : design_.routers.a *
                                                (design_.routers.a * design_.routers.h + 1));
  else if (design_.family == DesignFamily::kHpn)
    most =
        down * (k - static_cast<double>(counts_.spine_uplinks)) * static_cast<double>(counts_.pods);
  else if (design_.tiers == 1)
    most = static_cast<double>(RadixOf(design_, design_.nic_port()) * counts_.leaves /
                               counts_.networks);
  else
    most = design_.tiers == 2 ? down * k : down * k * k * spine / (1 + spine);
  Add("reach", links <= most * (1 + 1e-9), "{:.0f} endpoints a network of at most {:.0f}", links,
      most);
}

void Checks::CheckCables() {
  const std::int64_t nic_ports =
      design_.hosts * design_.nics_of_host * std::int64_t{design_.nic_ports};
  Add("every NIC port once", nic_ports == counts_.nic_links, "{} ports, {} links", nic_ports,
      counts_.nic_links);
  const std::int64_t links[] = {counts_.nic_links, counts_.leaf_links, counts_.spine_links};
  for (std::size_t tier = 0; tier < 3; ++tier)
    if (links[tier] > 0) CheckLink(tier);
}

// One tier's cables, plug by plug.
void Checks::CheckLink(std::size_t tier) {
  constexpr const char* kNames[] = {"host to leaf", "leaf to spine", "spine to core"};
  constexpr const char* kRouters[] = {"host to router", "router to router", ""};
  const char* name = JoinsRouters(design_.family) ? kRouters[tier] : kNames[tier];
  const std::optional<LinkKit>& kit = it_.kits[tier];
  Add("cable fits", kit.has_value(), "{}: {}", name, [&] {
    if (!kit)
      return fmt::format("no cable or optic fits both cages at {:.1f} m",
                         it_.lengths[tier].count());
    return kit->cable.empty() ? kit->optics[0] + " to " + kit->optics[1] : kit->cable;
  });
  if (!kit) return;
  const BitRate rate = tier == 0 ? design_.nic_port() : design_.uplink;
  Add("equal rates", kit->rate[0] == rate && kit->rate[1] == rate, "{}: {:.6g}G and {:.6g}G", name,
      kit->rate[0].bits_per_second() / 1e9, kit->rate[1].bits_per_second() / 1e9);
  const CageSpec::Form forms[] = {tier == 0 ? NicForm() : chip_.cage.form, chip_.cage.form};
  for (const int end : {0, 1})
    Add("plug fits its cage", kit->fits(end, forms[end]), "{}: {}", name, NameOf(forms[end]));
  Add("media interoperate", kit->standard[0] == kit->standard[1], "{}: {}", name, [&] {
    return kit->standard[0].empty() ? std::string("one cable with its plugs")
                                    : kit->standard[0] + " and " + kit->standard[1];
  });
  Add("reach of the medium", it_.lengths[tier] <= kit->reach, "{}: {:.1f} m of {:.0f} m", name,
      it_.lengths[tier].count(), kit->reach.count());
  for (const std::size_t end : {0u, 1u})
    Add("plug power", !kit->allowed[end] || kit->draw[end] <= *kit->allowed[end],
        "{}: {:.1f} W of {}", name, kit->draw[end].count(), [&] {
          return kit->allowed[end] ? fmt::format("{:.1f} W", kit->allowed[end]->count())
                                   : std::string("no limit");
        });
  if (plan_.limits().has_reach())
    Add("length in the hall", it_.lengths[tier].count() <= plan_.limits().reach(),
        "{}: {:.1f} m of {:.0f} m", name, it_.lengths[tier].count(), plan_.limits().reach());
}

void Checks::CheckShape() {
  if (design_.tiers > 1) {
    const std::int64_t spines = counts_.spines_of_pod;
    Add("spines", spines >= plan_.policy().min_spines(), "{} of a plane, at least {}", spines,
        plan_.policy().min_spines());
    const bool equal = counts_.leaf_uplinks % spines == 0;
    Add("equal links to spines", equal || !design_.even, "{} uplinks over {} spines{}",
        counts_.leaf_uplinks, spines, equal ? "" : ", uneven by policy");
    const double asked = design_.family == DesignFamily::kHpn ? 0 : design_.oversubscription;
    const double is = static_cast<double>(counts_.leaf_slots) *
                      (design_.nic_port() / design_.uplink) /
                      static_cast<double>(counts_.leaf_uplinks);
    Add("oversubscription of leaves", asked == 0 || std::abs(is - asked) <= 1e-9 * asked,
        "{:.4g}:1, asked {}", is,
        [&] { return asked == 0 ? std::string("for none") : fmt::format("{:.4g}:1", asked); });
  }
  if (design_.tiers == 3 && design_.family != DesignFamily::kHpn && counts_.spine_links > 0) {
    const double is =
        static_cast<double>(counts_.leaf_links) / static_cast<double>(counts_.spine_links);
    // Whole uplinks: no more oversubscribed than asked.
    Add("oversubscription of spines", is <= design_.spine_oversubscription * (1 + 1e-9),
        "{:.4g}:1, asked {:.4g}:1", is, design_.spine_oversubscription);
  }
  // Planes share no switch: each has its own, all alike.
  const std::int64_t n = counts_.networks;
  Add("planes isolated",
      n % design_.planes() == 0 && counts_.leaves % n == 0 && counts_.spines % n == 0 &&
          counts_.cores % n == 0,
      "{} networks, {} planes: {} leaves, {} spines, {} cores", n, design_.planes(), counts_.leaves,
      counts_.spines, counts_.cores);
  CheckConnected();
}

// Every two leaves of a network have a spine of their pod in common, or a core above it.
void Checks::CheckConnected() {
  if (JoinsRouters(design_.family)) return CheckRouters();
  if (design_.tiers == 1)
    return Add("connected", counts_.segments == 1, "{} switch{} a network", counts_.segments,
               counts_.segments == 1 ? "" : "es that nothing joins");
  const bool in_pod = counts_.spines_of_pod >= 1 && counts_.leaf_uplinks >= counts_.spines_of_pod;
  const bool above = counts_.pods == 1 ||
                     (counts_.cores_of_network >= 1 &&
                      counts_.spines_of_pod * counts_.spine_uplinks >= counts_.cores_of_network);
  Add("connected", in_pod && above,
      "{} uplinks of a leaf to {} spines of its pod, {} of a pod's to {} cores",
      counts_.leaf_uplinks, counts_.spines_of_pod, counts_.spines_of_pod * counts_.spine_uplinks,
      counts_.cores_of_network);
}

// Every router reaches every other by two cables of slim_fly, or by three, one of them global.
void Checks::CheckRouters() {
  const RouterShape& shape = design_.routers;
  const std::int64_t degree = counts_.leaf_uplinks;
  Add("cables of routers",
      2 * counts_.leaf_links <= counts_.leaves * degree &&
          2 * counts_.leaf_links + shape.groups >= counts_.leaves * degree,
      "{} cables, {} routers of {} ports to others", counts_.leaf_links, counts_.leaves, degree);
  const double is = UniformLoad(design_);
  Add("load of routers", is <= design_.oversubscription * (1 + 1e-9),
      "{:.4g}:1 where each sends to all alike, at most {:.4g}:1 asked", is,
      design_.oversubscription);
  const bool joined = shape.q > 0 ? degree >= 2 : shape.groups - 1 <= shape.a * shape.h;
  Add("connected", joined && counts_.leaves == shape.routers(), "{} routers{}", counts_.leaves,
      [&] {
        return shape.q > 0 ? std::string(", no two more than two cables apart")
                           : fmt::format(", {} global cables of a group to {} others",
                                         GroupUplinks(design_), shape.groups - 1);
      });
  // Of a group of one router none is left to be cut off.
  Add(
      "one switch less", degree >= 2 || counts_.leaves <= 2, "{} of a router: {}",
      [&] { return FormatCounted(degree, "cable"); },
      [&] {
        return std::string(degree >= 2 || counts_.leaves <= 2
                               ? "the others stay joined without it"
                               : "some hang on another router alone");
      });
}

// Which switches above the leaves there are, and whether any one of them can fail.
std::string Checks::SwitchesAboveLeaves() const {
  const bool spines = counts_.spines_of_pod > 1, cores = counts_.cores_of_network != 1;
  std::string out = FormatCounted(counts_.spines_of_pod, "spine") + " of a pod";
  if (counts_.cores > 0)
    out += ", " + FormatCounted(counts_.cores_of_network, "core") + " of a network";
  if (spines && cores) return out + ": the leaves stay joined without any one of them";
  return out + (spines ? ": the loss of that core parts the pods"
                       : ": the loss of that spine parts the leaves");
}

void Checks::CheckHomes() {
  // What is claimed: leaves stay joined without any one switch above them, and a NIC of several
  // ports stays on without any one leaf.
  if (design_.tiers > 1)
    Add("one switch less",
        counts_.spines_of_pod > 1 && (counts_.cores == 0 || counts_.cores_of_network > 1), "{}",
        [&] { return SwitchesAboveLeaves(); });
  if (design_.nic_ports > 1)
    Add("dual homes apart", counts_.leaves >= counts_.segments * design_.nic_ports,
        "{} ports of a NIC, each to a leaf of its own: {} leaves in {} segments", design_.nic_ports,
        counts_.leaves, counts_.segments);
  const double share =
      static_cast<double>(it_.stopped_gpus) / static_cast<double>(it_.accelerators);
  const bool limited = plan_.limits().has_failure_domain();
  Add("failure domain", !limited || share <= plan_.limits().failure_domain() * (1 + 1e-9),
      "{} stops {} GPUs, {:.3g} %{}", it_.worst_part, it_.stopped_gpus, share * 100, [&] {
        return limited ? fmt::format(" of at most {:.3g} %", plan_.limits().failure_domain() * 100)
                       : std::string();
      });
  if (plan_.has_growth())
    Add("growth", counts_.reach_gpus >= plan_.growth(), "{} GPUs without cabling anew, {} asked",
        counts_.reach_gpus, plan_.growth());
}

void Checks::CheckHall() {
  const PlanRackSpec& rack = plan_.limits().rack();
  const HostPart& host = question_.accelerators[it_.accelerator].part;
  const double limit = rack.power() * (1 - plan_.policy().margin());
  if (host.own_rack) {
    // A rack of its own has its own feeds: the hall's limit is not its.
  } else {
    const double used = it_.host_watts * it_.hosts_of_rack;
    Add("rack power", used <= limit, "{} hosts, {:.4g} kW of {:.4g} kW less {:.0f} %",
        it_.hosts_of_rack, used / 1e3, rack.power() / 1e3, plan_.policy().margin() * 100);
    Add("rack units", host.units * it_.hosts_of_rack <= rack.units(), "{} of {}",
        host.units * it_.hosts_of_rack, rack.units());
  }
  Add("switch in a rack", chip_.units <= rack.units(), "{} of {} units", chip_.units, rack.units());
  if (const auto& cooler = question_.switches[it_.chip].cooler; cooler && chip_.chip_power)
    Add("chip and cooler", *chip_.chip_power <= *cooler, "{:.0f} W of {:.0f} W, {}",
        chip_.chip_power->count(), cooler->count(), chip_.cooler);
  const bool limited = plan_.limits().has_site_power();
  Add("site power", !limited || it_.site_watts <= plan_.limits().site_power(),
      "{:.4g} MW x pue {:.4g} = {:.4g} MW{}", it_.totals.power.mid.count() / 1e6,
      plan_.limits().pue(), it_.site_watts / 1e6, [&] {
        return limited ? fmt::format(" of {:.4g} MW", plan_.limits().site_power() / 1e6)
                       : std::string();
      });
}

void Checks::CheckCompute() {
  const AcceleratorChoice& choice = question_.accelerators[it_.accelerator];
  Add("accelerators of hosts", it_.populated * choice.gpus_of_host == it_.accelerators,
      "{} = {} hosts x {}", it_.accelerators, it_.populated, choice.gpus_of_host);
  const std::optional<Peak> peak = choice.gpu.PeakOf(question_.type, question_.bases[0]);
  if (question_.ops) {
    const double have = peak ? peak->per_second * static_cast<double>(it_.accelerators) : 0;
    Add(
        "compute", have >= *question_.ops * (1 - 1e-12), "{} {} of {}",
        [&] { return ComputeText(have, question_.integer()); }, NameOf(question_.bases[0]),
        [&] { return ComputeText(*question_.ops, question_.integer()); });
  } else {
    Add("compute", it_.accelerators >= question_.gpus, "{} accelerators of {}", it_.accelerators,
        question_.gpus);
  }
  std::int64_t largest = 0;
  for (const JobChoice& job : question_.jobs)
    largest = std::max(largest, job.gpus.value_or(it_.accelerators));
  Add("largest job", largest <= it_.accelerators, "{} GPUs in one region of {}", largest,
      it_.accelerators);
  const auto backup = static_cast<std::int64_t>(
      std::ceil(static_cast<double>(it_.populated) * plan_.policy().backup_hosts() - 1e-9));
  Add("provisioned", it_.provisioned >= it_.populated + backup, "{} hosts = {} + {} backup",
      it_.provisioned, it_.populated, backup);
}

// Whether some interval between checkpoints leaves useful time, to first order [You74].
void Checks::CheckGoodput() {
  const PlanReliabilitySpec& spec = plan_.reliability();
  const auto hours = [](Seconds one) {
    return [one] { return FormatFigure(one.count() / 3600, 3); };
  };
  double least = 1, exact = 1;
  Seconds of_least = kMonth;
  std::string whose = "all GPUs";
  const auto take = [&](std::int64_t gpus, const std::string& name) {
    const MonthlyFailures failures = ExpectedFailures(ShareOf(it_.components, gpus),
                                                      question_.RatesOf(it_.accelerator, it_.chip),
                                                      FromPicoseconds(spec.repair()));
    const auto found = CheckpointsOf(spec, failures);
    if (!found || found->ettr >= least) return;
    least = found->ettr;
    exact = found->exact;
    of_least = found->between;
    whose = name;
  };
  for (const JobChoice& job : question_.jobs)
    take(std::min(job.gpus.value_or(it_.accelerators), it_.accelerators), job.name);
  if (question_.jobs.empty()) take(it_.accelerators, whose);
  Add("goodput", least > 0,
      "{}: a stop every {} h; with checkpoints of {} h and restarts of {} h {}", whose,
      hours(of_least), hours(FromPicoseconds(spec.checkpoint())),
      hours(FromPicoseconds(spec.restart())), [&] {
        return least > 0 ? fmt::format(
                               "{:.1f} % of the time is useful by the first-order formula, "
                               "{:.1f} % by the exact one",
                               least * 100, exact * 100)
                         : std::string("no interval between checkpoints leaves useful time");
      });
}

// Pieces of the fabric's own rows against what the design counts; spares and networks beside it
// aside.
void Checks::CheckPieces() {
  std::int64_t hosts = 0, switches = 0, host_links = 0, switch_links = 0, fibres = 0, ends = 0;
  bool served = true;
  for (const BomRow& row : it_.bom.rows) {
    if (row.spare || row.counted) continue;
    if (row.role == BomRole::kHost) hosts += row.quantity;
    if (row.role == BomRole::kSwitch) switches += row.quantity;
    if (row.role == BomRole::kHostCable) host_links += row.links;
    if (row.role == BomRole::kSwitchCable) switch_links += row.links;
    if (row.kind == PartKind::kFibre) fibres += row.links;
    if (row.role != BomRole::kOptic) continue;
    ends += row.links;
    served = served && row.links <= row.quantity * row.ports;
  }
  const AcceleratorChoice& choice = question_.accelerators[it_.accelerator];
  const std::int64_t chassis = it_.provisioned * choice.gpus_of_host / choice.part.gpus;
  Add("hosts of the bill", hosts == chassis, "{} of {}", hosts, chassis);
  Add("switches of the bill", switches == counts_.switches(), "{} of {}", switches,
      counts_.switches());
  // Where no part fits there is no row, and the rule for that has said so.
  const std::int64_t between = counts_.leaf_links + counts_.spine_links;
  if (!it_.kits[0] || (counts_.leaf_links > 0 && !it_.kits[1]) ||
      (counts_.spine_links > 0 && !it_.kits[2]))
    return;
  Add("cables are links", host_links == counts_.nic_links && switch_links == between,
      "{} of {} to hosts, {} of {} between switches", host_links, counts_.nic_links, switch_links,
      between);
  // A cable with plugs has none; a fibre has one at each end.
  Add("optics are ends", ends == 2 * fibres && served, "{} ends of {} fibres{}", ends, fibres,
      served ? "" : ", more than the optics have ports");
}

void Checks::CheckBill() {
  CheckPieces();
  double usd = 0, watts = 0;
  std::size_t dated = 0, priced = 0;
  std::string_view lacking;  // a part without a figure, which would count as free
  for (const BomRow& row : it_.bom.rows) {
    const auto count = static_cast<double>(row.quantity);
    const bool no_power = row.kind == PartKind::kHost && !row.unit_power;
    if (!row.unit_price || no_power) lacking = row.part;
    const bool draws = !row.spare && row.kind != PartKind::kFibre && row.kind != PartKind::kRack;
    if (draws && row.unit_power) watts += row.unit_power->range.mid.count() * count;
    if (!row.unit_price) continue;
    usd += row.unit_price->range.mid.count() * count;
    ++priced;
    if (!row.unit_price->date.empty() || row.unit_price->mark == Mark::kQuote) ++dated;
  }
  const double total = it_.totals.price.mid.count(), drawn = it_.totals.power.mid.count();
  Add("sum of the bill", std::abs(usd - total) <= 1e-9 * std::max(total, 1.0), "{:.0f} USD", total);
  Add("watts of the bill", std::abs(watts - drawn) <= 1e-9 * std::max(drawn, 1.0), "{:.0f} W",
      drawn);
  Add("every row from the catalogue", lacking.empty() && dated == priced,
      "{} priced rows, {} with a date{}", priced, dated, [&] {
        return lacking.empty()
                   ? std::string()
                   : fmt::format(", no price or power for {}: give it a row in catalogue", lacking);
      });
  const bool limited = plan_.limits().has_capex();
  const auto musd = [](double one) { return FormatFigure(one / 1e6, 4) + " MUSD"; };
  Add(
      "capex", !limited || total <= plan_.limits().capex(), "{}{}", [&] { return musd(total); },
      [&] { return limited ? " of " + musd(plan_.limits().capex()) : std::string(); });
}

}  // namespace

std::vector<RuleCheck> CheckRules(const Question& question, const Candidate& candidate) {
  return Checks(question, candidate, true).Run();
}

std::vector<RuleCheck> FindBrokenRules(const Question& question, const Candidate& candidate) {
  return Checks(question, candidate, false).Run();
}

}  // namespace weft
