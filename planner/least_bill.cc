// The least that a design's bill can be, however its racks and cables turn out.
#include <algorithm>
#include <cmath>

#include "base/ceil_div.h"
#include "planner/bill.h"

namespace weft {
namespace {

// A row of the bill for one link of `of_piece` that a piece serves at most.
LinkOption OptionOf(const BomRow& row, double pieces, double of_piece, Metres reach) {
  return {reach, row.unit_price ? row.unit_price->range.mid.count() * pieces / of_piece : INFINITY,
          row.unit_power ? row.unit_power->range.mid.count() / of_piece : 0};
}

template <class Part>
bool TakesForm(const Part& part, const CagePart& cage) {
  return std::find(part.forms.begin(), part.forms.end(), cage.form) != part.forms.end();
}

class LeastLinks {
 public:
  LeastLinks(const Question& question, const CableMarket& market, const Candidate& it,
             LinkOptions& known)
      : question_(question), market_(market), hall_(market.hall), it_(it), known_(known) {}

  void Add(std::size_t tier, std::int64_t links, BillFloor& out) const;

 private:
  const std::vector<LinkOption>& OptionsOf(std::size_t tier) const;
  std::vector<LinkOption> Options(const std::array<LinkEnd, 2>& ends) const;
  void AddOptics(const std::array<LinkEnd, 2>& ends, int lanes, BitRate lane,
                 std::vector<LinkOption>& out) const;
  LinkOption PlugOf(const OpticPart& optic, int lanes, int split) const;
  double RacksWithin(Metres reach, bool of_switches) const;
  double ShareWithin(std::size_t tier, Metres reach) const;
  double Least(std::size_t tier, const std::vector<LinkOption>& options,
               double LinkOption::*what) const;

  const Question& question_;
  const CableMarket& market_;
  const RackRules& hall_;
  const Candidate& it_;
  LinkOptions& known_;
};

// A plug serves as many ports as its cage is split into, or fewer.
LinkOption LeastLinks::PlugOf(const OpticPart& optic, int lanes, int split) const {
  LinkOption out{optic.reach, INFINITY, INFINITY};
  for (int ports = 1; ports <= split; ++ports) {
    const BomRow row = MakeBomRow(question_.catalogue, PartKind::kOptic, BomRole::kOptic,
                                  optic.part, "", 1, optic.Draws(lanes * ports));
    const LinkOption one = OptionOf(row, 1, ports, optic.reach);
    out.usd = std::min(out.usd, one.usd);
    out.watts = std::min(out.watts, one.watts);
  }
  return out;
}

// Every two plugs that understand each other.
void LeastLinks::AddOptics(const std::array<LinkEnd, 2>& ends, int lanes, BitRate lane,
                           std::vector<LinkOption>& out) const {
  struct Plug {
    const OpticPart* optic;
    LinkOption option;
  };
  std::array<std::vector<Plug>, 2> plugs;
  for (std::size_t end = 0; end < 2; ++end) {
    const int split = PortsOfCage(ends[end].cage, ends[end].rate);
    for (const OpticPart& optic : market_.optics)
      if (TakesForm(optic, ends[end].cage) && lane <= optic.lane * (1 + 1e-9) &&
          optic.lanes >= lanes * split && optic.ports >= split)
        plugs[end].push_back({&optic, PlugOf(optic, lanes, split)});
  }
  for (const Plug& a : plugs[0])
    for (const Plug& b : plugs[1]) {
      if (a.optic->standard != b.optic->standard || a.optic->fibre != b.optic->fibre) continue;
      const BomRow fibre = MakeBomRow(
          question_.catalogue, PartKind::kFibre, BomRole::kSwitchCable,
          a.optic->fibre == Medium::kMultimode ? "multimode fibre" : "single-mode fibre", "", 1);
      out.push_back({std::min(a.option.reach, b.option.reach),
                     a.option.usd + b.option.usd + OptionOf(fibre, 1, 1, {}).usd,
                     a.option.watts + b.option.watts});
    }
}

const std::vector<LinkOption>& LeastLinks::OptionsOf(std::size_t tier) const {
  const std::array<LinkEnd, 2> ends = EndsOfLink(question_, it_, tier);
  std::array<double, 9> key{ends[0].rate.bits_per_second()};
  for (std::size_t end = 0; end < 2; ++end) {
    const CagePart& cage = ends[end].cage;
    key[1 + 4 * end] = static_cast<double>(cage.form);
    key[2 + 4 * end] = cage.lanes;
    key[3 + 4 * end] = cage.lane.bits_per_second();
    key[4 + 4 * end] = cage.ports;
  }
  const auto [at, is_new] = known_.try_emplace(key);
  if (is_new) at->second = Options(ends);
  return at->second;
}

std::vector<LinkOption> LeastLinks::Options(const std::array<LinkEnd, 2>& ends) const {
  const BitRate lane = std::min(ends[0].cage.lane, ends[1].cage.lane);
  const int lanes = std::max(1, static_cast<int>(std::ceil(ends[0].rate / lane * (1 - 1e-9))));
  std::vector<LinkOption> out;
  for (const CablePart& cable : market_.cables) {
    if (!TakesForm(cable, ends[0].cage) || !TakesForm(cable, ends[1].cage) ||
        ends[0].rate * (1.0 / lanes) > cable.lane * (1 + 1e-9))
      continue;
    const BomRow row = MakeBomRow(question_.catalogue, PartKind::kCable, BomRole::kSwitchCable,
                                  cable.part, "", 1, cable.lane_power * (2 * lanes));
    LinkOption option = OptionOf(row, lanes, 1, cable.reach);
    // A quote is of the whole cable, whatever it is split into.
    if (row.unit_power && row.unit_power->given)
      option.watts /= std::max(PortsOfCage(ends[0].cage, ends[0].rate),
                               PortsOfCage(ends[1].cage, ends[1].rate));
    out.push_back(option);
  }
  AddOptics(ends, lanes, ends[0].rate * (1.0 / lanes), out);
  return out;
}

// In how many racks around one a cable of that reach may end, its own aside; of switches, which
// hang from the top, how many in these.
double LeastLinks::RacksWithin(Metres reach, bool of_switches) const {
  const double most =
      reach.count() / (1 + hall_.slack) - 2 * (hall_.per_end.count() + hall_.tray.count());
  const double unit_m = kRackUnit.count() * std::max(question_.switches[it_.chip].part.units, 1);
  constexpr double kFar = 20;  // metres: everything
  if (most > kFar) return 1e9;
  double out = 0;
  const auto rows = static_cast<int>(std::max(most, 0.0) / hall_.row_pitch.count() + 1e-9);
  for (int row = -rows; row <= rows; ++row) {
    const double left = most - std::abs(row) * hall_.row_pitch.count();
    const auto racks = static_cast<int>(std::max(left, -1.0) / hall_.rack.width.count() + 1e-9);
    for (int at = -racks; left >= 0 && at <= racks; ++at) {
      if (row == 0 && at == 0) continue;
      const double down = left - std::abs(at) * hall_.rack.width.count();
      out += of_switches ? std::floor(std::max(down, 0.0) / unit_m + 1e-9) : 1;
    }
  }
  return out;
}

// The most of a tier's links that may be no longer. A leaf's hosts fill racks of one segment;
// above the leaves each tier has racks of its own.
double LeastLinks::ShareWithin(std::size_t tier, Metres reach) const {
  const DesignCounts& counts = it_.counts;
  const auto part = [](double some, std::int64_t all) {
    return std::min(1.0, some / static_cast<double>(std::max<std::int64_t>(all, 1)));
  };
  if (tier == 0) {
    const double near = (1 + RacksWithin(reach, false)) * it_.hosts_of_rack;
    return part(static_cast<double>(counts.segments) *
                    std::min(near, static_cast<double>(counts.hosts_of_segment)),
                it_.design.hosts);
  }
  if (JoinsRouters(it_.design.family)) {
    // Each has at most one cable to another of its group, or as many as it has global ones.
    const SwitchPart& router = question_.switches[it_.chip].part;
    const int beside = question_.spec().limits().rack().units() / std::max(router.units, 1);
    const double near =
        std::min(RacksWithin(reach, true) + beside, static_cast<double>(counts.leaves));
    const auto pair = static_cast<double>(std::max<std::int64_t>(1, it_.design.routers.h));
    return part(static_cast<double>(counts.leaves) *
                    std::min(near * pair, static_cast<double>(counts.leaf_uplinks)) / 2,
                counts.leaf_links);
  }
  const std::int64_t lower = tier == 1 ? counts.leaves : counts.spines;
  const std::int64_t upper = tier == 1 ? counts.spines : counts.cores;
  const std::int64_t links = tier == 1 ? counts.leaf_links : counts.spine_links;
  // Of an upper one at most so many lower ones are near, each with as many links as it has ports.
  const std::int64_t up = tier == 1 ? counts.leaf_uplinks : counts.spine_uplinks;
  // A pod spreads its uplinks over the cores; which spine has which of them is not counted.
  const std::int64_t over = tier == 1 ? counts.spines_of_pod : counts.cores_of_network;
  const std::int64_t pod = tier == 1 ? up : up * counts.spines_of_pod;
  const auto a_pair =
      static_cast<double>(std::min(up, CeilDiv(pod, std::max<std::int64_t>(over, 1))));
  // Spines and cores may share a rack.
  const SwitchPart& chip = question_.switches[it_.chip].part;
  const int here =
      tier == 2 ? question_.spec().limits().rack().units() / std::max(chip.units, 1) : 0;
  const double near = std::min(RacksWithin(reach, true) + here, static_cast<double>(lower));
  return part(static_cast<double>(upper) * near * a_pair, links);
}

// The cheapest first, each for as many links as it and those before may reach.
double LeastLinks::Least(std::size_t tier, const std::vector<LinkOption>& options,
                         double LinkOption::*what) const {
  std::vector<const LinkOption*> order;
  for (const LinkOption& one : options)
    if (std::isfinite(one.usd)) order.push_back(&one);
  std::sort(order.begin(), order.end(),
            [&](const LinkOption* a, const LinkOption* b) { return a->*what < b->*what; });
  double out = 0, done = 0;
  for (const LinkOption* one : order) {
    const double now = std::max(done, ShareWithin(tier, one->reach));
    out += (now - done) * (one->*what);
    done = now;
  }
  return out;
}

void LeastLinks::Add(std::size_t tier, std::int64_t links, BillFloor& out) const {
  const std::vector<LinkOption>& options = OptionsOf(tier);
  const double with_spares = 1 + question_.spec().policy().spares();
  out.usd += static_cast<double>(links) * with_spares * Least(tier, options, &LinkOption::usd);
  out.watts += static_cast<double>(links) * Least(tier, options, &LinkOption::watts);
}

}  // namespace

BillFloor LeastBill(const Question& question, const CableMarket& market, const Candidate& it,
                    LinkOptions& known) {
  if (it.exact) return {it.capex(), it.totals.power.mid.count()};
  const bool own_racks = question.accelerators[it.accelerator].part.own_rack;
  BillFloor out;
  // What is counted alike: hosts, switches, and the networks beside.
  Bom same;
  for (const BomRow& row : it.bom.rows) {
    const bool cabled = row.role == BomRole::kOptic || row.role == BomRole::kHostCable ||
                        row.role == BomRole::kSwitchCable;
    if (row.counted || (!cabled && row.role != BomRole::kRack)) same.rows.push_back(row);
  }
  const BomTotals totals = SumBom(same);
  out.usd = totals.price.mid.count();
  out.watts = totals.power.mid.count();
  const LeastLinks links(question, market, it, known);
  links.Add(0, it.counts.nic_links, out);
  if (it.counts.leaf_links > 0) links.Add(1, it.counts.leaf_links, out);
  if (it.counts.spine_links > 0) links.Add(2, it.counts.spine_links, out);
  const int of_rack = question.spec().limits().rack().units();
  const int units = std::max(question.switches[it.chip].part.units, 1);
  const BomRow rack =
      MakeBomRow(question.catalogue, PartKind::kRack, BomRole::kRack, "rack", "",
                 (own_racks ? 0 : CeilDiv(it.provisioned, std::int64_t{it.hosts_of_rack})) +
                     CeilDiv((it.counts.spines + it.counts.cores) * units, of_rack));
  if (rack.unit_price)
    out.usd += rack.unit_price->range.mid.count() * static_cast<double>(rack.quantity);
  return out;
}

}  // namespace weft
