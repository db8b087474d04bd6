#include "planner/candidate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/ceil_div.h"
#include "planner/bill.h"
#include "planner/screen_memo.h"

namespace weft {
namespace {

constexpr int kRacksOfRow = 20;

// The hall: how many racks, and how long cables are.
void PlaceRacks(const Question& question, Candidate& out) {
  const AcceleratorChoice& choice = question.accelerators[out.accelerator];
  const PlanRackSpec& rack = question.spec().limits().rack();
  const double usable_w = rack.power() * (1 - question.spec().policy().margin());
  const std::int64_t chassis = out.provisioned * choice.gpus_of_host / choice.part.gpus;
  int fit = rack.units() / std::max(choice.part.units, 1);
  if (out.host_watts > 0) fit = std::min(fit, static_cast<int>(usable_w / out.host_watts));
  // Hosts as the network sees them: servers of a supernode.
  out.hosts_of_rack = std::max(
      choice.part.own_rack ? choice.part.gpus / choice.gpus_of_host / choice.part.racks : fit, 1);
  const SwitchPart& chip = question.switches[out.chip].part;
  const std::int64_t switch_racks =
      CeilDiv(out.counts.switches() * std::max(chip.units, 1), rack.units());
  out.own_racks = choice.part.own_rack ? chassis * choice.part.racks : 0;
  out.racks =
      switch_racks + (choice.part.own_rack ? out.own_racks : CeilDiv(chassis, out.hosts_of_rack));
  const auto of_segment = static_cast<double>(std::max<std::int64_t>(
      CeilDiv(out.counts.hosts_of_segment, std::int64_t{out.hosts_of_rack}), 1));
  const double rows = std::ceil(static_cast<double>(out.racks) / kRacksOfRow);
  const double in_segment = of_segment <= 1
                                ? 2.7
                                : 5.4 + 0.6 * std::min<double>(of_segment, kRacksOfRow) +
                                      3 * std::floor(of_segment / kRacksOfRow);
  const double in_hall =
      out.racks <= 1 ? 2.7
                     : 5.4 + 0.6 * std::min<double>(static_cast<double>(out.racks), kRacksOfRow) +
                           3 * std::ceil((rows - 1) / 2);
  out.lengths = {Metres(in_segment * 1.1), Metres(in_hall * 1.1), Metres(in_hall * 1.1)};
}

std::optional<CagePart> OwnNicCage(const Question& question, const Candidate& it) {
  std::optional<CagePart> cage = question.accelerators[it.accelerator].part.nic_cage;
  if (cage) cage = CageOfNic(*cage, it.design.nic_ports);
  return cage;
}

// At a NIC its own cage; where its lanes are slower than the switch's, which would leave half of
// the switch's lanes unused, a QSFP112 is assumed, and said.
void TakeKits(ScreenMemo& memo, Candidate& out) {
  const Question& question = memo.question();
  const CagePart assumed = CageOfPort(out.design.nic_port());
  const CagePart own = OwnNicCage(question, out).value_or(assumed);
  const BitRate lane = question.switches[out.chip].part.cage.lane;
  out.assumed_nic_cage = own.lane < lane && own.lane < assumed.lane;
  const std::int64_t links[] = {out.counts.nic_links, out.counts.leaf_links,
                                out.counts.spine_links};
  for (std::size_t tier = 0; tier < 3; ++tier) {
    if (tier > 0 && links[tier] == 0) continue;
    const auto [a, b] = EndsOfLink(question, out, tier);
    out.kits[tier] = memo.KitOf(a, b, out.lengths[tier]);
  }
}

void CountParts(const Question&, Candidate& out) {
  const DesignCounts& counts = out.counts;
  ComponentCounts& parts = out.components;
  parts.hosts = out.populated;
  parts.gpus = out.accelerators;
  parts.nics = out.populated * out.design.nics_of_host;
  const std::int64_t links = parts.nics * out.design.nic_ports;
  const bool single = out.design.nic_ports == 1;
  (single ? parts.single_links : parts.paired_links) = links;
  (single ? parts.single_tors : parts.paired_tors) = counts.leaves;
  if (!single) parts.pairs = parts.nics;
  parts.fabric_links = counts.leaf_links + counts.spine_links;
  parts.upper_switches = counts.spines + counts.cores;
  if (counts.spines_of_pod == 1) parts.single_uppers = counts.spines;
  out.stopped_gpus = out.design.gpus_of_host;
  out.worst_part = "a host";
  if (single && counts.leaf_gpus > out.stopped_gpus) {
    out.stopped_gpus = std::min(counts.leaf_gpus, out.accelerators);
    out.worst_part = JoinsRouters(out.design.family) ? "a router" : "a leaf";
  }
}

struct Homing {
  int ports;
  bool planes;
};

// One accelerator's candidates.
class Enumeration {
 public:
  Enumeration(const Question& question, const SizingRow& row, std::vector<Candidate>& out)
      : question_(question), choice_(question.accelerators[row.accelerator]), out_(out) {
    base_.accelerator = row.accelerator;
    base_.accelerators = *row.accelerators;
    base_.populated = *row.accelerators / choice_.gpus_of_host;
    // Whole supernodes are in reserve where they are what is bought.
    const std::int64_t of_chassis = choice_.part.gpus / choice_.gpus_of_host;
    const double backup = question.spec().policy().backup_hosts();
    base_.provisioned =
        base_.populated +
        of_chassis * static_cast<std::int64_t>(std::ceil(
                         static_cast<double>(base_.populated / of_chassis) * backup - 1e-9));
    base_.design.hosts = base_.provisioned;
    base_.design.gpus_of_host = choice_.gpus_of_host;
    base_.design.nics_of_host = choice_.nics_of_host;
    base_.design.min_spines = question_.spec().policy().min_spines();
  }

  void Run() {
    std::vector<BitRate> nics;
    for (const double rate : question_.spec().parts().nic())
      nics.push_back(BitRate::BitsPerSecond(rate));
    if (nics.empty()) nics.push_back(choice_.part.nic());
    for (const DesignFamily family : question_.families)
      for (std::size_t chip = 0; chip < question_.switches.size(); ++chip)
        for (const BitRate nic : nics) {
          Candidate one = base_;
          one.chip = static_cast<std::uint32_t>(chip);
          one.design.family = family;
          one.design.nic = nic;
          one.design.chip = question_.switches[chip].part.rate;
          one.design.chip_ports = question_.switches[chip].part.ports;
          JoinsRouters(family) ? Routers(one) : Homings(one);
        }
  }

 private:
  void Homings(Candidate one) {
    for (const int ports : question_.spec().parts().nic_ports())
      for (const bool planes : {true, false}) {
        if (ports == 1 && !planes) continue;
        one.design.nic_ports = ports;
        one.design.port_planes = planes;
        const BitRate rates[] = {one.design.nic_port(), one.design.nic, GigabitsPerSecond(400)};
        for (const BitRate uplink : rates) {
          one.design.uplink = uplink;
          Tiers(one);
        }
      }
  }

  void Tiers(Candidate one) {
    const BitRate uplink = one.design.uplink;
    const bool one_switch =
        one.design.family == DesignFamily::kRailOnly || one.design.family == DesignFamily::kFatTree;
    const int fewest = one_switch ? 1 : 2;
    for (int tiers = fewest; tiers <= 3; ++tiers) {
      // In one tier nothing joins a NIC's switches: a port each is a plane each.
      if (tiers == 1 && !one.design.port_planes) continue;
      one.design.tiers = tiers;
      one.design.uplink = tiers == 1 ? one.design.nic_port() : uplink;
      Ratios(one);
    }
  }

  void Ratios(Candidate one) {
    const auto& ratios = question_.spec().parts().oversubscription();
    const bool fixed = one.design.family == DesignFamily::kHpn || one.design.tiers == 1;
    for (const double leaf : ratios)
      for (const double spine : ratios) {
        if ((fixed && leaf != ratios[0]) || ((fixed || one.design.tiers < 3) && spine != ratios[0]))
          continue;
        one.design.oversubscription = fixed ? 1 : leaf;
        one.design.spine_oversubscription = one.design.tiers < 3 ? 1 : spine;
        Spines(one, fixed);
      }
  }

  void Spines(Candidate one, bool fixed) {
    const std::string& policy = question_.spec().policy().spines();
    for (const bool even : {true, false}) {
      if (fixed ? !even : policy != "both" && even != (policy == "even")) continue;
      one.design.even = even;
      const bool repeats = policy == "both" && !even;
      if (!repeats || !SameByBothRules(CountDesign(one.design))) Take(one);
      if (!fixed && question_.spec().has_growth()) Grown(one, repeats);
    }
  }

  // Whether the fewest spines and cores spread their links evenly as it is: then both rules build
  // one fabric.
  static bool SameByBothRules(const tl::expected<DesignCounts, Binding>& counts) {
    return counts && counts->minimum_spines == counts->even_spines &&
           counts->minimum_cores == counts->even_cores;
  }

  // Of each oversubscription those of the fewest routers, or one that says why there is none; of
  // NICs of several ports, which no router takes, one alone.
  void Routers(Candidate one) {
    one.design.tiers = 1;
    bool refused = false;
    for (const int ports : question_.spec().parts().nic_ports()) {
      one.design.nic_ports = ports;
      one.design.routers = {};
      if (ports > 1) {
        one.design.oversubscription = question_.spec().parts().oversubscription(0);
        one.design.uplink = one.design.nic_port();
        if (!refused) Take(one);
        refused = true;
        continue;
      }
      for (const double ratio : question_.spec().parts().oversubscription())
        for (const BitRate uplink : {one.design.nic_port(), GigabitsPerSecond(400)}) {
          one.design.oversubscription = ratio;
          one.design.uplink = uplink;
          for (const RouterShape& shape : Shapes(one.design)) {
            one.design.routers = shape;
            Take(one);
          }
        }
    }
  }

  // Those of the hosts that there are, and those that have room for the growth; at least one.
  std::vector<RouterShape> Shapes(Design design) const {
    design.routers = {};
    std::vector<RouterShape> out = RouterShapes(design);
    const std::int64_t growth = question_.spec().has_growth() ? question_.spec().growth() : 0;
    if (growth > design.gpus()) {
      design.hosts = CeilDiv(growth, std::int64_t{design.gpus_of_host});
      for (const RouterShape& shape : RouterShapes(design)) out.push_back(shape);
    }
    if (out.empty()) out.emplace_back();
    return out;
  }

  // Its id, unless there is such a one.
  void Take(Candidate& one) {
    one.id = choice_.name + '/' + DesignName(one.design);
    if (question_.switches[one.chip].preset.rfind("switch-", 0) != 0)
      one.id += '/' + question_.switches[one.chip].preset;
    if (seen_.insert(one.id).second) out_.push_back(one);
  }

  // The same with the spines, from the first day, that its growth will need. `repeats`: unless the
  // even rule has put up the same.
  void Grown(Candidate one, bool repeats) {
    const std::int64_t growth = question_.spec().growth();
    auto counts = CountDesign(one.design);
    if (!counts || one.design.tiers != 2 || counts->reach_gpus >= growth) return;
    while (one.design.min_spines < counts->leaf_uplinks && counts->reach_gpus < growth) {
      one.design.min_spines =
          static_cast<int>(std::min(counts->spines_of_pod + 1, counts->leaf_uplinks));
      counts = CountDesign(one.design);
      if (!counts) return;
    }
    if (counts->reach_gpus < growth || (repeats && SameByBothRules(counts))) return;
    one.id += fmt::format("/{}-spines", counts->spines_of_pod);
    if (seen_.insert(one.id).second) out_.push_back(one);
  }

  const Question& question_;
  const AcceleratorChoice& choice_;
  std::vector<Candidate>& out_;
  Candidate base_;
  std::set<std::string> seen_;
};

}  // namespace

BitRate Candidate::gpu_rate() const {
  return design.nic * (static_cast<double>(design.nics_of_host) / design.gpus_of_host);
}

double Candidate::oversubscription() const {
  if (JoinsRouters(design.family)) return std::max(UniformLoad(design), 1.0);
  if (design.tiers == 1) return 1;
  const double down = static_cast<double>(counts.leaf_slots) * (design.nic_port() / design.uplink);
  double ratio = down / static_cast<double>(counts.leaf_uplinks);
  if (design.tiers == 3 && counts.spine_links > 0)
    ratio *= static_cast<double>(counts.leaf_links) / static_cast<double>(counts.spine_links);
  return std::max(ratio, 1.0);
}

std::vector<Candidate> EnumerateCandidates(const Question& question,
                                           const std::vector<SizingRow>& sizing) {
  std::vector<Candidate> out;
  // One basis for all: an accelerator without such a rate is not laid beside those that have one.
  for (const SizingRow& row : sizing) {
    if (!row.accelerators || row.basis != question.bases[0]) continue;
    const std::size_t before = out.size();
    Enumeration(question, row, out).Run();
    // The others have about as many: a vector of thousands is not moved again and again.
    if (before == 0) out.reserve(out.size() * question.accelerators.size());
  }
  return out;
}

void ScreenCandidate(const Question& question, const CableMarket& market, Candidate& candidate) {
  ScreenMemo memo(question, market);
  ScreenCandidate(memo, candidate);
}

void ScreenCandidate(ScreenMemo& memo, Candidate& candidate) {
  const Question& question = memo.question();
  for (const JobChoice& job : question.jobs)
    if (job.trains() && !job.training[candidate.accelerator].infeasible.empty()) {
      candidate.broken.push_back(
          {"training job", false,
           job.name + ": " + job.training[candidate.accelerator].infeasible});
      return;
    }
  const auto counts = CountDesign(candidate.design);
  if (!counts) {
    candidate.broken.push_back({counts.error().rule, false, counts.error().text});
    return;
  }
  candidate.counts = *counts;
  candidate.host_watts = memo.ChassisOf(candidate.accelerator, candidate.design.nic).draws.count();
  PlaceRacks(question, candidate);
  TakeKits(memo, candidate);
  BillCandidate(memo, candidate);
  CountParts(question, candidate);
  for (RuleCheck& check : FindBrokenRules(question, candidate))
    candidate.broken.push_back(std::move(check));
}

std::array<LinkEnd, 2> EndsOfLink(const Question& question, const Candidate& it, std::size_t tier) {
  const CagePart& cage = question.switches[it.chip].part.cage;
  const BitRate rate = tier == 0 ? it.design.nic_port() : it.design.uplink;
  if (tier > 0) return {LinkEnd{cage, rate}, LinkEnd{cage, rate}};
  const CagePart assumed = CageOfPort(rate);
  const CagePart nic = it.assumed_nic_cage ? assumed : OwnNicCage(question, it).value_or(assumed);
  return {LinkEnd{nic, rate}, LinkEnd{cage, rate}};
}

std::string ScenarioText(const Question& question, const Candidate& candidate) {
  const AcceleratorChoice& choice = question.accelerators[candidate.accelerator];
  std::string host = choice.host;
  if (choice.part.gpus != choice.gpus_of_host)
    host += fmt::format(", gpus: {}, nics: {}", choice.gpus_of_host, choice.nics_of_host);
  host += ", gpu: " + choice.name;
  if (candidate.assumed_nic_cage)
    host += fmt::format(", nic_cage: {{ form: {}, lanes: 4, lane: 100Gbps }}",
                        NameOf(CageOfPort(candidate.design.nic_port()).form));
  return "fabric: " +
         FabricText(candidate.design, candidate.counts, host,
                    question.switches[candidate.chip].preset) +
         "\n";
}

}  // namespace weft
