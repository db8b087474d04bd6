// What the report shows of what was found.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/format_count.h"
#include "base/schema/quantity.h"
#include "planner/planning_internal.h"

namespace weft {
std::map<std::string, std::string> Planning::ParametersOf(const Candidate& it) const {
  const auto rate = [](BitRate one) {
    return FormatQuantity(one.bits_per_second(), Unit::BIT_RATE);
  };
  std::map<std::string, std::string> out = {
      {"accelerator", question_.accelerators[it.accelerator].name},
      {"switch", question_.switches[it.chip].preset},
      {"nic", rate(it.design.nic)},
      {"nic_ports", std::to_string(it.design.nic_ports)},
      {"planes", std::to_string(it.design.planes())},
      {"uplink", rate(it.design.uplink)},
      {"tiers", std::to_string(it.design.tiers)},
      {"oversubscription", fmt::format("{:.6g}", it.design.oversubscription)},
      {"spine_oversubscription", fmt::format("{:.6g}", it.design.spine_oversubscription)},
      {"spines", it.design.even ? "even" : "minimum"}};
  const RouterShape& shape = it.design.routers;
  if (JoinsRouters(it.design.family)) {
    for (const char* none : {"tiers", "spine_oversubscription", "spines"}) out.erase(none);
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"p", shape.p}, {"a", shape.a}, {"h", shape.h}, {"groups", shape.groups}, {"q", shape.q}};
    for (const auto& [name, size] : sizes)
      if (size > 0) out[name] = std::to_string(size);
  }
  return out;
}

// What candidates.csv has of it.
PlanRow Planning::ScreenedRow(std::size_t candidate) const {
  const Candidate& it = candidates_[candidate];
  PlanRow row;
  row.id = it.id;
  row.family = NameOf(it.design.family);
  row.feasible = it.feasible();
  if (!it.feasible()) {
    row.rule = it.broken[0].rule;
    row.binding = it.broken[0].said;
  }
  row.accelerators = it.accelerators;
  row.hosts = it.provisioned;
  row.leaves = it.counts.leaves;
  row.spines = it.counts.spines;
  row.cores = it.counts.cores;
  row.racks = it.racks;
  row.cables = it.counts.nic_links + it.counts.leaf_links + it.counts.spine_links;
  row.capex_low = it.totals.price.low.count();
  row.capex_mid = it.totals.price.mid.count();
  row.capex_high = it.totals.price.high.count();
  row.network_usd = it.network.price.mid.count();
  row.power_w = it.totals.power.mid.count();
  row.site_w = it.site_watts;
  row.gpu_rate_bps = it.gpu_rate().bits_per_second();
  row.exact = it.exact;
  return row;
}

PlanRow Planning::RowOf(std::size_t candidate) const {
  const Candidate& it = candidates_[candidate];
  PlanRow row = ScreenedRow(candidate);
  row.parameters = ParametersOf(it);
  row.worst_part = it.worst_part;
  if (it.counts.leaves > 0) {
    row.oversubscription = it.oversubscription();
    row.reach_gpus = it.counts.reach_gpus;
    row.stopped_share = static_cast<double>(it.stopped_gpus) / static_cast<double>(it.accelerators);
    for (const JobChoice& job : question_.jobs)
      row.jobs.push_back({job.name, job.share, job.exposed, {}, {}, {}, {}, BoundSeconds(it, job)});
  }
  return row;
}

PlanRow Planning::RankedRow(std::size_t candidate, const Decision& decision,
                            const Decision::Odds& odds, std::size_t at) const {
  const Contender& contender = decision.contenders()[at];
  PlanRow row = RowOf(candidate);
  const Figures figures = decision.At(at, Inputs{});
  row.metric = figures.metric;
  row.metric_p5 = odds.metric[at][0];
  row.metric_p95 = odds.metric[at][2];
  row.speed = figures.speed;
  row.goodput = figures.goodput;
  row.stops_per_month = figures.stops_per_month;
  row.p_first = odds.p_first[at];
  row.regret_usd = odds.regret_usd[at];
  row.simulated = contender.simulated;
  row.ranked = true;
  for (std::size_t j = 0; j < row.jobs.size(); ++j) {
    PlanJobRow& job = row.jobs[j];
    const Interval<double> seconds = IntervalOf(contender.seconds[j]);
    if (question_.jobs[j].trains()) {
      job.exposed = contender.exposed[j];
      std::vector<double> sorted = contender.seconds[j];
      std::sort(sorted.begin(), sorted.end());
      job.mfu = MfuOf(question_.jobs[j], candidates_[candidate].accelerator,
                      sorted[(sorted.size() - 1) / 2]);
    }
    if (!contender.simulated) continue;
    job.median_s = seconds.median;
    job.p5_s = seconds.p5;
    job.p95_s = seconds.p95;
  }
  return row;
}

PlanRow Planning::BoundedRow(std::size_t candidate) const {
  PlanRow row = RowOf(candidate);
  if (row.feasible) FillBounded(candidate, row);
  return row;
}

void Planning::FillBounded(std::size_t candidate, PlanRow& row) const {
  const Figures figures = candidates_[candidate].exact || screened_[candidate].metric == 0
                              ? Decision::AtMiddle(question_, Bounded(candidate), reference_s_)
                              : screened_[candidate];
  row.metric = row.metric_p5 = row.metric_p95 = figures.metric;
  row.speed = figures.speed;
  row.goodput = figures.goodput;
  row.stops_per_month = figures.stops_per_month;
}

// What breaks in a month, of the fabric and of each job. Requires: the candidate can be bought.
void Planning::FillReliability(std::size_t candidate, PlanRow& row) const {
  const Candidate& it = candidates_[candidate];
  const PlanReliabilitySpec& spec = question_.spec().reliability();
  const auto failures_of = [&](std::int64_t gpus) {
    return ExpectedFailures(ShareOf(it.components, gpus),
                            question_.RatesOf(it.accelerator, it.chip),
                            FromPicoseconds(spec.repair()));
  };
  const auto ettr_of = [&](const MonthlyFailures& failures) -> std::optional<PlanEttr> {
    const auto found = CheckpointsOf(spec, failures);
    if (!found) return std::nullopt;
    return PlanEttr{failures.stops.mid, found->interval.count(), found->ettr, found->exact};
  };
  const MonthlyFailures all = failures_of(it.accelerators);
  PlanFailures out{all.stops.mid, all.degradations.mid, all.masked.mid, {}, ettr_of(all)};
  constexpr const char* kEffects[] = {"stops", "degrades", "masked"};
  for (const FailureRow& one : all.rows)
    out.rows.push_back({one.name, std::string(NameOf(one.scope)),
                        kEffects[static_cast<std::size_t>(one.effect)], one.flap, one.elements,
                        one.monthly.low, one.monthly.mid, one.monthly.high});
  row.failures = std::move(out);
  const auto found = contenders_.find(candidate);
  if (found == contenders_.end()) return;
  const std::vector<JobFigures> jobs = Decision(question_, {found->second}, reference_s_).JobsAt(0);
  for (std::size_t j = 0; j < row.jobs.size(); ++j) {
    row.jobs[j].speed = jobs[j].speed;
    row.jobs[j].goodput = jobs[j].goodput;
    row.jobs[j].ettr = ettr_of(found->second.failures[j]);
  }
}

void Planning::Show(std::size_t candidate, const std::string& role) {
  if (candidate == kNoCandidate) return;
  for (auto& [index, roles] : shown_)
    if (index == candidate) {
      roles += ", " + role;
      return;
    }
  shown_.push_back({candidate, role});
}

// The nearest miss, of one accelerator or of all: of what could be counted as few rules broken as
// can be, else as the best where there is one. kNoCandidate: none is infeasible.
std::size_t Planning::NearestMiss(std::optional<std::uint32_t> accelerator) const {
  const Candidate* best = order_.empty() ? nullptr : &candidates_[order_[0]];
  const auto distance = [&](const Candidate& it) {
    std::size_t out = it.broken.size() * 8 + (it.counts.leaves == 0 ? 1000 : 0);
    if (best != nullptr)
      out += std::size_t{it.design.family != best->design.family} +
             std::size_t{it.design.chip != best->design.chip} +
             std::size_t{it.design.nic_ports != best->design.nic_ports};
    return std::pair(out, it.capex());
  };
  std::size_t out = kNoCandidate;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& one = candidates_[i];
    if (one.feasible() || (accelerator && one.accelerator != *accelerator)) continue;
    if (out == kNoCandidate || distance(one) < distance(candidates_[out])) out = i;
  }
  return out;
}

// One that is worse than the best in all that is counted, both by bills of fabrics that were
// built: the cheapest of those that are built already, else the first, by the screened bill.
std::size_t Planning::Dominated(const std::vector<std::size_t>& feasible) {
  constexpr int kMost = 4;
  const Candidate& best = candidates_[order_[0]];
  const auto slower = [&](std::size_t i) {
    const Candidate& one = candidates_[i];
    return one.gpu_rate() <= best.gpu_rate() &&
           one.oversubscription() >= best.oversubscription() - 1e-9;
  };
  const auto worse = [&](std::size_t i) {
    const Candidate& one = candidates_[i];
    if (!one.feasible() || one.exact != best.exact || one.capex() <= best.capex() * 1.001 ||
        one.site_watts < best.site_watts)
      return false;
    const auto ranked = contenders_.find(i);
    const double metric = MetricOf(ranked != contenders_.end() ? ranked->second : Bounded(i));
    return metric >= MetricOf(contenders_.at(order_[0]));
  };
  // In any job, where both were simulated.
  const Contender& first = contenders_.at(order_[0]);
  const auto faster = [&](std::size_t i) {
    const auto ranked = contenders_.find(i);
    if (ranked == contenders_.end() || !ranked->second.simulated || !first.simulated) return false;
    for (std::size_t j = 0; j < first.seconds.size(); ++j)
      if (IntervalOf(ranked->second.seconds[j]).median <
          IntervalOf(first.seconds[j]).median * (1 - 1e-9))
        return true;
    return false;
  };
  std::vector<std::size_t> order = feasible;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return candidates_[a].capex() < candidates_[b].capex();
  });
  for (const std::size_t i : order)
    if (candidates_[i].exact && i != order_[0] && slower(i) && worse(i) && !faster(i)) return i;
  int built = 0;
  for (const std::size_t i : order) {
    // Not worth building where even the screened bill is no more, as much as it may overstate.
    if (candidates_[i].exact || candidates_[i].capex() <= best.capex() * 1.001 || !slower(i))
      continue;
    if (built++ == kMost) break;
    if (MakeBillExact(i, nullptr) && worse(i)) return i;
  }
  return kNoCandidate;
}

// The table of page one. What it shows beside the ranked is built before it is shown.
void Planning::ChooseShown() {
  const std::size_t best = order_[0];
  const std::uint32_t accelerator = candidates_[best].accelerator;
  std::vector<std::size_t> feasible;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].accelerator == accelerator && candidates_[i].feasible())
      feasible.push_back(i);
  Show(best, "best");
  if (order_.size() > 1 && candidates_[order_[1]].accelerator == accelerator)
    Show(order_[1], "runner-up");
  // Best of the other accelerators: a ranking of its own.
  std::set<std::uint32_t> seen{accelerator};
  for (const std::size_t i : order_)
    if (seen.insert(candidates_[i].accelerator).second)
      Show(i, "best of " + question_.accelerators[candidates_[i].accelerator].name);
  for (const std::size_t i : compared_) Show(i, "compared");
  const auto still = [&](std::size_t i) {
    return i != kNoCandidate && MakeBillExact(i, nullptr) ? i : kNoCandidate;
  };
  // What was simulated to be shown is.
  const auto taken = taken_.find(accelerator);
  const bool again = taken == taken_.end();
  Show(again ? CheapestBuilt(feasible) : still(taken->second.first), "cheapest");
  Show(still(reference_[accelerator]), "non-blocking");
  Show(again ? Nvidia(feasible) : still(taken->second.second), "NVIDIA's reference");
  Show(Dominated(feasible), "dominated");
  Show(NearestMiss(accelerator), "infeasible");
}

// Where nothing can be bought: why what was asked about cannot, and what comes nearest.
void Planning::ShowNothingFeasible() {
  for (const std::size_t i : compared_) Show(i, "compared");
  if (!out_.partial) Show(NearestMiss({}), "nearest");
  for (const auto& [index, role] : shown_) {
    out_.rows.push_back(RowOf(index));
    out_.rows.back().roles.push_back(role);
  }
  out_.shown = out_.rows.size();
}

void Planning::SaySentence(std::size_t best, std::size_t second) {
  const PlanRow& row = figures_.at(best);
  const Candidate& it = candidates_[best];
  const std::string unit = question_.integer() ? "POP" : "PFLOP";
  const AcceleratorChoice& choice = question_.accelerators[it.accelerator];
  const std::int64_t chassis = it.provisioned * choice.gpus_of_host / choice.part.gpus;
  const std::string hosts =
      chassis == it.provisioned
          ? fmt::format("{} host{}", FormatCount(chassis), chassis == 1 ? "" : "s")
          : fmt::format("{} {} ({} servers)", FormatCount(chassis), choice.host,
                        FormatCount(it.provisioned));
  std::string buy = fmt::format(
      "{} {} in {} on {}, {} of {}, {} x {:.6g}G a NIC, {:.3g}:1: {} MUSD, "
      "{} MW at the site, {} stops a month, {:.2f} USD a useful {}-day.",
      FormatCount(it.accelerators), question_.accelerators[it.accelerator].name, hosts,
      NameOf(it.design.family),
      JoinsRouters(it.design.family)
          ? fmt::format("{} routers", FormatCount(it.counts.leaves))
          : fmt::format("{} tier{}", it.design.tiers, it.design.tiers == 1 ? "" : "s"),
      question_.switches[it.chip].preset, it.design.nic_ports,
      it.design.nic_port().bits_per_second() / 1e9, it.oversubscription(),
      FormatFigure(row.capex_mid / 1e6, 4), FormatFigure(row.site_w / 1e6, 4),
      FormatFigure(row.stops_per_month, 3), row.metric, unit);
  const PlanRanking& first = out_.rankings[0];
  if (out_.clear) {
    out_.sentence = "Buy " + buy;
  } else if (first.clear && out_.accelerator_clear) {
    out_.sentence = fmt::format(
        "No clear winner yet, for {} that were not {} could still win; the first of those that "
        "were: {}",
        FormatCount(out_.could_still_win), simulates() ? "simulated" : "built", buy);
  } else if (first.clear) {
    out_.sentence = "No clear winner among the accelerators; the first of those that tie: " + buy;
  } else {
    out_.sentence =
        fmt::format("No clear winner among the fabrics{}; the first of those that tie: {}",
                    out_.accelerator_clear ? "" : ", nor among the accelerators", buy);
  }
  if (second == kNoCandidate || candidates_[second].accelerator != it.accelerator) return;
  const PlanRow& next = figures_.at(second);
  out_.sentence += fmt::format(" The next, {}, costs {:+.2f} % more for the same work.", next.id,
                               (next.metric / row.metric - 1) * 100);
}

void Planning::FillFlips(const Decision& decision, std::size_t best) {
  for (const Decision::Flip& flip : decision.FindFlips(candidates_[best].accelerator))
    out_.flips.push_back({flip.input, flip.unit, flip.then, flip.source, flip.now, flip.value});
  if (out_.rankings.size() < 2) return;
  for (const Decision::Flip& flip : decision.FindAcceleratorFlips())
    out_.accelerator_flips.push_back(
        {flip.input, flip.unit, flip.then, flip.source, flip.now, flip.value});
}

void Planning::FillSizing() {
  for (const SizingRow& row : sizing_) {
    PlanSizing one{row.name,         std::string(NameOf(row.basis)),
                   row.note,         "",
                   row.rate,         row.rate_assumed,
                   row.accelerators, row.hosts,
                   row.server_w,     {}};
    // The network of the best plan of that accelerator; of another basis, in proportion.
    std::size_t plan = kNoCandidate;
    for (const std::size_t i : order_)
      if (plan == kNoCandidate && candidates_[i].accelerator == row.accelerator) plan = i;
    if (plan != kNoCandidate && row.server_w && row.accelerators) {
      const Candidate& it = candidates_[plan];
      const double network_w = it.network.power.mid.count() *
                               static_cast<double>(*row.accelerators) /
                               static_cast<double>(it.accelerators);
      one.site_w = (*row.server_w + network_w) * question_.spec().limits().pue();
      one.network = it.id;
    }
    out_.sizing.push_back(std::move(one));
  }
}

void Planning::FillTargets() {
  for (const TargetChoice& target : question_.targets) {
    PlanTarget row{
        target.name, ComputeText(target.ops, target.integer), target.said, target.integer, {}};
    const NumberType type = target.integer ? NumberType::kInt8 : NumberType::kBf16;
    for (const AcceleratorChoice& choice : question_.accelerators)
      for (const Basis basis : {Basis::kDense, Basis::kSparse}) {
        PlanTarget::Count count{choice.name, std::string(NameOf(basis)), {}};
        if (const std::optional<Peak> peak = choice.gpu.PeakOf(type, basis))
          count.accelerators = AcceleratorsFor(target.ops, peak->per_second, choice.unit);
        row.counts.push_back(std::move(count));
      }
    out_.targets.push_back(std::move(row));
  }
}

void Planning::FillBest(std::size_t best) {
  const Candidate& it = candidates_[best];
  for (const BomRow& row : it.bom.rows) {
    PlanBomRow one;
    one.part = row.part;
    one.use = row.use;
    one.quantity = row.quantity;
    one.spare = row.spare;
    if (row.unit_price) {
      one.source = row.unit_price->source;
      one.date = row.unit_price->date;
      one.mark = NameOf(row.unit_price->mark);
      one.usd_low = row.unit_price->range.low.count();
      one.usd_mid = row.unit_price->range.mid.count();
      one.usd_high = row.unit_price->range.high.count();
    }
    if (row.unit_power) one.watts = row.spare ? 0 : row.unit_power->range.mid.count();
    out_.bom.push_back(std::move(one));
  }
  for (const RuleCheck& check : CheckRules(question_, it))
    out_.rules.push_back({check.rule, check.said, check.ok});
  out_.bom_csv = BomCsv(it.bom, KeysOf(question_, it));
  out_.unverified_share = it.totals.unverified_share;
  out_.unpriced = it.totals.unpriced;
}

// Every other feasible candidate, as screened.
void Planning::FillScreened() {
  std::set<std::string> there;
  for (const PlanRow& row : out_.rows) there.insert(row.id);
  out_.screened.reserve(static_cast<std::size_t>(out_.feasible));
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!candidates_[i].feasible() || there.count(candidates_[i].id) > 0) continue;
    out_.screened.push_back(ScreenedRow(i));
    FillBounded(i, out_.screened.back());
  }
}

void Planning::FillAnswer() {
  const std::size_t best = order_[0];
  for (const auto& [index, role] : shown_) {
    PlanRow row = figures_.count(index) > 0 ? figures_.at(index) : BoundedRow(index);
    if (row.feasible) FillReliability(index, row);
    row.roles.push_back(role);
    out_.rows.push_back(std::move(row));
  }
  out_.shown = out_.rows.size();
  for (const std::size_t i : order_) {
    const bool there =
        std::any_of(shown_.begin(), shown_.end(), [&](const auto& one) { return one.first == i; });
    if (there) continue;
    out_.rows.push_back(figures_.at(i));
    FillReliability(i, out_.rows.back());
  }
  if (control_.files) FillScreened();
  SaySentence(best, order_.size() > 1 ? order_[1] : kNoCandidate);
  FillBest(best);
}

}  // namespace weft
