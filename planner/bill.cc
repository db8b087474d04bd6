#include "planner/bill.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/ceil_div.h"

namespace weft {
namespace {

constexpr int kManagementPorts = 48;

class Billing {
 public:
  Billing(const Question& question, std::vector<BomRow>& out) : question_(question), out_(out) {}

  // `beside`: of a network that is counted and never built.
  void Add(PartKind kind, BomRole role, const std::string& part, std::string use,
           std::int64_t quantity, std::optional<Watts> power = {}) {
    if (quantity <= 0) return;
    BomRow row = MakeBomRow(question_.catalogue, kind, role, part, std::move(use), quantity, power);
    row.counted = beside_;
    row.links = links_;
    row.ports = ports_;
    out_.push_back(row);
    row.links = 0;
    const double share = question_.spec().policy().spares();
    if (share == 0 || kind == PartKind::kHost || kind == PartKind::kRack) return;
    row.use = "spare: " + row.use;
    row.spare = true;
    row.quantity =
        static_cast<std::int64_t>(std::ceil(static_cast<double>(quantity) * share - 1e-9));
    out_.push_back(std::move(row));
  }

  // Of the rows that follow: what they carry or serve.
  void Serving(std::int64_t links, int ports) {
    links_ = links;
    ports_ = ports;
  }

  // Cables with what is at their ends: `plugs` optics at end 0 and 1.
  void AddLinks(const LinkKit& kit, BomRole role, const std::string& use, std::int64_t links,
                std::int64_t plugs0, std::int64_t plugs1) {
    if (!kit.cable.empty()) {
      const std::size_t first = out_.size();
      Serving(links, 0);
      Add(PartKind::kCable, role, kit.cable, use, links, kit.cable_draw);
      Serving(0, 0);
      // The catalogue prices a cable with plugs by the lane.
      for (std::size_t i = first; i < out_.size(); ++i)
        if (out_[i].unit_price)
          out_[i].unit_price->range =
              out_[i].unit_price->range * static_cast<double>(kit.cable_lanes);
      return;
    }
    Serving(links, kit.ports_of_optic[0]);
    Add(PartKind::kOptic, BomRole::kOptic, kit.optics[0], use, plugs0, kit.draw[0]);
    Serving(links, kit.ports_of_optic[1]);
    Add(PartKind::kOptic, BomRole::kOptic, kit.optics[1], use, plugs1, kit.draw[1]);
    Serving(links, 0);
    Add(PartKind::kFibre, role,
        kit.medium == Medium::kMultimode ? "multimode fibre" : "single-mode fibre", use, links);
    Serving(0, 0);
  }

  // Links between devices of one kind, whose plugs are alike.
  void AddLateral(const LinkKit& kit, const std::string& use, std::int64_t links,
                  std::int64_t plugs) {
    if (!kit.cable.empty()) return AddLinks(kit, BomRole::kSwitchCable, use, links, 0, 0);
    Serving(2 * links, kit.ports_of_optic[0]);
    Add(PartKind::kOptic, BomRole::kOptic, kit.optics[0], use, plugs, kit.draw[0]);
    Serving(0, 0);
    AddLinks(kit, BomRole::kSwitchCable, use, links, 0, 0);
  }

  void set_beside(bool beside) { beside_ = beside; }

 private:
  const Question& question_;
  std::vector<BomRow>& out_;
  bool beside_ = false;
  std::int64_t links_ = 0;
  int ports_ = 0;
};

// The fabric's own cables, tier by tier.
void AddFabric(const Candidate& it, Billing& bill) {
  const DesignCounts& counts = it.counts;
  if (it.kits[0]) {
    const LinkKit& kit = *it.kits[0];
    const std::int64_t of_host = it.design.nics_of_host * std::int64_t{it.design.nic_ports};
    // Segments are filled one after the other; all chains of leaves, one a rail and a plane, alike.
    const std::int64_t chains = std::max<std::int64_t>(1, counts.leaves / counts.segments);
    bill.AddLinks(
        kit, BomRole::kHostCable,
        JoinsRouters(it.design.family) ? "host to router" : "host to leaf", counts.nic_links,
        EvenPlugs(counts.nic_links, counts.nic_links / of_host, kit.ports_of_optic[0]),
        chains * PackedPlugs(counts.nic_links / chains, counts.leaf_slots, kit.ports_of_optic[1]));
  }
  if (JoinsRouters(it.design.family)) {
    if (it.kits[1])
      bill.AddLateral(
          *it.kits[1], "router to router", counts.leaf_links,
          EvenPlugs(2 * counts.leaf_links, counts.leaves, it.kits[1]->ports_of_optic[0]));
    return;
  }
  const auto between = [&](std::size_t tier, const char* use, std::int64_t links,
                           std::int64_t lower, std::int64_t upper) {
    if (!it.kits[tier]) return;
    const LinkKit& kit = *it.kits[tier];
    bill.AddLinks(kit, BomRole::kSwitchCable, use, links,
                  EvenPlugs(links, lower, kit.ports_of_optic[0]),
                  EvenPlugs(links, upper, kit.ports_of_optic[1]));
  };
  between(1, "leaf to spine", counts.leaf_links, counts.leaves, counts.spines);
  between(2, "spine to core", counts.spine_links, counts.spines, counts.cores);
}

// A network of one port a host, 1:1, of the fewest tiers: towards users, or towards storage.
void AddSide(ScreenMemo& memo, const char* use, const Candidate& candidate, Billing& bill,
             std::vector<RuleCheck>& broken) {
  Design side = candidate.design;
  side.family = DesignFamily::kFatTree;
  side.nics_of_host = side.nic_ports = 1;
  side.port_planes = true;
  side.oversubscription = side.spine_oversubscription = 1;
  side.uplink = side.nic;
  side.tiers = 1;
  auto counts = CountDesign(side);
  while (!counts && side.tiers < 3) {
    ++side.tiers;
    counts = CountDesign(side);
  }
  if (!counts) {
    broken.push_back({"side networks", false, std::string(use) + ": " + counts.error().text});
    return;
  }
  const SwitchChoice& chip = memo.question().switches[candidate.chip];
  bill.Add(PartKind::kSwitch, BomRole::kSwitch, chip.part.part, use, counts->switches(),
           chip.part.power);
  const LinkEnd nic{CageOfPort(side.nic), side.nic}, port{chip.part.cage, side.nic};
  const auto& host = memo.KitOf(nic, port, candidate.lengths[1]);
  const auto& fabric = memo.KitOf(port, port, candidate.lengths[1]);
  if (!host || !fabric) {
    broken.push_back({"side networks", false,
                      std::string(use) + ": no cable or optic fits both cages at its length"});
    return;
  }
  bill.AddLinks(*host, BomRole::kHostCable, use, counts->nic_links,
                EvenPlugs(counts->nic_links, counts->nic_links, host->ports_of_optic[0]),
                PackedPlugs(counts->nic_links, counts->leaf_slots, host->ports_of_optic[1]));
  const auto plugs = [&](std::int64_t links, std::int64_t lower, std::int64_t upper) {
    bill.AddLinks(*fabric, BomRole::kSwitchCable, use, links,
                  EvenPlugs(links, lower, fabric->ports_of_optic[0]),
                  EvenPlugs(links, upper, fabric->ports_of_optic[1]));
  };
  plugs(counts->leaf_links, counts->leaves, counts->spines);
  plugs(counts->spine_links, counts->spines, counts->cores);
}

void AddSides(ScreenMemo& memo, Candidate& out, Billing& bill) {
  const PlanNetworkSpec& sides = memo.question().spec().network();
  bill.set_beside(true);
  if (sides.frontend() == PlanNetworkSpec::SIZE) AddSide(memo, "frontend", out, bill, out.broken);
  if (sides.storage() == PlanNetworkSpec::SIZE) AddSide(memo, "storage", out, bill, out.broken);
  // A port of every host that the network sees and of every switch of the fabric.
  if (sides.oob() != PlanNetworkSpec::ABSENT)
    bill.Add(PartKind::kSwitch, BomRole::kSwitch, "48-port management switch", "out of band",
             CeilDiv(out.provisioned + out.counts.switches(), kManagementPorts));
  bill.set_beside(false);
}

}  // namespace

std::int64_t EvenPlugs(std::int64_t links, std::int64_t devices, int ports) {
  if (devices <= 0 || links <= 0) return 0;
  const std::int64_t few = links / devices, more = links % devices;
  return more * CeilDiv(few + 1, std::int64_t{ports}) +
         (devices - more) * CeilDiv(few, std::int64_t{ports});
}

std::int64_t PackedPlugs(std::int64_t links, std::int64_t each, int ports) {
  if (each <= 0 || links <= 0) return 0;
  return links / each * CeilDiv(each, std::int64_t{ports}) +
         CeilDiv(links % each, std::int64_t{ports});
}

std::string RailsOf(const Design& design) {
  if (design.family != DesignFamily::kRailOnly || design.nics_of_host < 2) return {};
  return ", " + std::to_string(design.nics_of_host) + " rails";
}

std::vector<BomKey> KeysOf(const Question& question, const Candidate& it) {
  std::vector<BomKey> out;
  if (JoinsRouters(it.design.family)) return out;
  const bool hpn = it.design.family == DesignFamily::kHpn;
  if (it.design.planes() > 1) out.push_back({"planes", static_cast<double>(it.design.planes())});
  if ((hpn || it.design.family == DesignFamily::kRailOptimized) && it.design.nics_of_host > 1)
    out.push_back({"rail_optimized", static_cast<double>(it.design.nics_of_host)});
  std::int64_t growth = question.spec().has_growth() ? question.spec().growth() : 0;
  // What its Aggs have ports for, or the cores of several pods.
  if (hpn) growth = it.design.tiers == 2 ? it.counts.pod_gpus : it.counts.reach_gpus;
  if ((hpn || it.design.tiers == 2) && growth > it.design.gpus())
    out.push_back({"growth", static_cast<double>(growth)});
  // Below it the audit asks nothing: HPN's 16:15.
  constexpr double kTold = 1.1;
  const std::int64_t slots = hpn ? it.counts.full_slots : it.counts.leaf_slots;
  const double ratio = static_cast<double>(slots) * (it.design.nic_port() / it.design.uplink) /
                       static_cast<double>(it.counts.leaf_uplinks);
  if (it.design.tiers > 1 && std::max(it.oversubscription(), ratio) > kTold)
    out.push_back({"oversubscription", ratio});
  const double above = it.counts.spine_links > 0 ? static_cast<double>(it.counts.leaf_links) /
                                                       static_cast<double>(it.counts.spine_links)
                                                 : 1;
  if (above > kTold) out.push_back({"spine_oversubscription", above});
  return out;
}

std::string LacksEffect(const Question& question, const Candidate& plan, const Override& given) {
  const CatalogueRow* row = question.catalogue.Find(given.part);
  const bool fails =
      row != nullptr && (row->kind == PartKind::kAccelerator || row->kind == PartKind::kHost ||
                         row->kind == PartKind::kSwitch);
  if (given.what == "failures" && !fails)
    return fmt::format("not used: failure rates of such parts come from the set '{}'",
                       question.rates.name);
  const AcceleratorChoice& choice = question.accelerators[plan.accelerator];
  // An accelerator has no row of its own where its host is priced whole.
  if (given.what == "failures" && (given.part == choice.name || given.part == choice.part.part))
    return {};
  const bool there = std::any_of(plan.bom.rows.begin(), plan.bom.rows.end(),
                                 [&](const BomRow& one) { return one.part == given.part; });
  return there ? "" : "which is not in the best plan's bill";
}

void BillCandidate(ScreenMemo& memo, Candidate& out) {
  const Question& question = memo.question();
  const AcceleratorChoice& choice = question.accelerators[out.accelerator];
  const SwitchChoice& chip = question.switches[out.chip];
  std::vector<BomRow>& rows = memo.scratch();
  rows = memo.ChassisOf(out.accelerator, out.design.nic).bom.rows;
  for (BomRow& row : rows) row.quantity *= out.provisioned * choice.gpus_of_host / choice.part.gpus;
  Billing bill(question, rows);
  const std::pair<const char*, std::int64_t> tiers[] = {
      {JoinsRouters(out.design.family) ? "router" : "leaf", out.counts.leaves},
      {"spine", out.counts.spines},
      {"core", out.counts.cores}};
  for (const auto& [use, count] : tiers)
    bill.Add(PartKind::kSwitch, BomRole::kSwitch, chip.part.part, use + RailsOf(out.design), count,
             chip.part.power);
  AddFabric(out, bill);
  AddSides(memo, out, bill);
  bill.Add(PartKind::kRack, BomRole::kRack, "rack", "rack", out.racks - out.own_racks);
  out.bom.rows.assign(std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  out.totals = SumBom(out.bom);
  out.network = SumBom(out.bom, BomScope::kNetwork);
  out.site_watts = out.totals.power.mid.count() * question.spec().limits().pue();
}

}  // namespace weft
