// What the report says of what was found.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/schema/quantity.h"
#include "planner/bill.h"
#include "planner/planning_internal.h"

namespace weft {

std::string Thousands(std::int64_t value) {
  std::string out = std::to_string(value);
  for (auto at = static_cast<std::int64_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

PlanRow Planning::RowOf(std::size_t candidate) const {
  const Candidate& it = candidates_[candidate];
  PlanRow row;
  row.id = it.id;
  row.family = NameOf(it.design.family);
  const auto rate = [](BitRate one) {
    return FormatQuantity(one.bits_per_second(), Unit::BIT_RATE);
  };
  row.parameters = {
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
  if (!row.feasible) return row;
  const Figures figures = Decision(question_, {Bounded(candidate)}, reference_s_).At(0, Inputs{});
  row.metric = row.metric_p5 = row.metric_p95 = figures.metric;
  row.speed = figures.speed;
  row.goodput = figures.goodput;
  row.stops_per_month = figures.stops_per_month;
  return row;
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

// The cheapest that is worse than the best in all that is counted, both by bills of fabrics that
// were built.
std::size_t Planning::Dominated(const std::vector<std::size_t>& feasible) {
  constexpr int kMost = 4;
  const Candidate& best = candidates_[order_[0]];
  const auto worse = [&](std::size_t i) {
    const Candidate& one = candidates_[i];
    return one.feasible() && one.exact == best.exact && one.capex() > best.capex() * 1.001 &&
           one.site_watts >= best.site_watts && one.gpu_rate() <= best.gpu_rate() &&
           one.oversubscription() >= best.oversubscription() - 1e-9;
  };
  std::vector<std::size_t> order = feasible;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return candidates_[a].capex() < candidates_[b].capex();
  });
  std::size_t out = kNoCandidate;
  int built = 0;
  for (const std::size_t i : order) {
    // Not worth building where even the screened bill is no more, as much as it may overstate.
    if (i == order_[0] || candidates_[i].capex() <= best.capex() * 1.001) continue;
    if (!candidates_[i].exact && built++ >= kMost) continue;
    if (!MakeBillExact(i, nullptr) || !worse(i)) continue;
    if (out == kNoCandidate || candidates_[i].capex() < candidates_[out].capex()) out = i;
  }
  return out;
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
  Show(CheapestBuilt(feasible), "cheapest");
  Show(still(reference_[accelerator]), "non-blocking");
  Show(Nvidia(feasible), "NVIDIA's reference");
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
  std::string buy = fmt::format(
      "{} {} in {} hosts on {}, {} tier{} of {}, {} x {:.6g}G a NIC, {:.3g}:1: {:.1f} MUSD, "
      "{:.2f} MW at the site, {:.3g} stops a month, {:.2f} USD a useful {}-day.",
      Thousands(it.accelerators), question_.accelerators[it.accelerator].name,
      Thousands(it.provisioned), NameOf(it.design.family), it.design.tiers,
      it.design.tiers == 1 ? "" : "s", question_.switches[it.chip].preset, it.design.nic_ports,
      it.design.nic_port().bits_per_second() / 1e9, it.oversubscription(), row.capex_mid / 1e6,
      row.site_w / 1e6, row.stops_per_month, row.metric, unit);
  const PlanRanking& first = out_.rankings[0];
  if (out_.clear) {
    out_.sentence = "Buy " + buy;
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

// What, once known, would make the first surest: a quote first, then a calibration, then months.
// `row`: of a contender among its fabrics, else of an accelerator among the others.
std::string Planning::MeasureOf(const Decision& decision, bool fabrics, std::size_t row) const {
  struct Source {
    const char *name, *words;
  };
  constexpr Source kSources[] = {
      {"prices", "quotes for the parts that differ (catalogue: [quotes.yaml])"},
      {"compute", "one model's iteration on one host of each accelerator"},
      {"communication", "a table of nccl-tests on each family, held against weft"},
      {"failures", "failure logs of such parts over months"}};
  double most = 0;
  std::string out;
  for (const Source& source : kSources) {
    // What is common to all of them splits nothing.
    if (fabrics && std::string_view(source.name) == "compute") continue;
    const Decision::Odds odds = decision.Draw(source.name);
    const double p = fabrics ? odds.p_first[row] : odds.p_accelerator[row];
    const bool splits = p >= out_.confidence;
    if (splits || p > most) {
      out = fmt::format("{}: P(first) {:.0f} % if known{}", source.words, p * 100,
                        splits ? "" : ", which does not split them alone");
      most = p;
    }
    if (splits) break;
  }
  return out;
}

void Planning::FillFlips(const Decision& decision, std::size_t best) {
  for (const Decision::Flip& flip : decision.FindFlips(candidates_[best].accelerator))
    out_.flips.push_back({flip.input, flip.unit, flip.then, flip.source, flip.now, flip.value});
  if (out_.rankings.size() < 2) return;
  for (const Decision::Flip& flip : decision.FindAcceleratorFlips())
    out_.accelerator_flips.push_back(
        {flip.input, flip.unit, flip.then, flip.source, flip.now, flip.value});
}

// What the bills are, of what is shown and of what is not.
void Planning::SayBuilt() {
  if (built_ > 0)
    out_.notes.push_back(fmt::format(
        "Plans are picked by a screened bill, and shown and ranked by that of their fabric built "
        "and cabled: of {} built, the screened price was {:+.2f} % to {:+.2f} % off.",
        Thousands(built_), screened_below_ * 100, screened_above_ * 100));
  std::set<std::uint32_t> seen;
  for (const std::size_t i : order_) {
    const Candidate& it = candidates_[i];
    if (!it.exact && seen.insert(it.accelerator).second)
      out_.notes.push_back(
          fmt::format("{} comes in supernodes, whose fabrics are not built: its bills are screened",
                      question_.accelerators[it.accelerator].name));
  }
}

// Accelerators that were sized and are in no ranking.
void Planning::SayUnranked() {
  std::set<std::uint32_t> ranked;
  for (const std::size_t i : order_) ranked.insert(candidates_[i].accelerator);
  for (const SizingRow& row : sizing_) {
    if (row.basis != question_.bases[0] || ranked.count(row.accelerator) > 0) continue;
    if (!row.accelerators) {
      out_.notes.push_back(fmt::format("{} is not planned nor ranked: {}", row.name, row.note));
      continue;
    }
    const auto of = [&](const Candidate& one) { return one.accelerator == row.accelerator; };
    const auto plans = std::count_if(candidates_.begin(), candidates_.end(), of);
    const bool some = std::any_of(candidates_.begin(), candidates_.end(),
                                  [&](const Candidate& one) { return of(one) && one.feasible(); });
    const std::size_t near = NearestMiss(row.accelerator);
    if (some)
      out_.notes.push_back(
          fmt::format("{} is not ranked: stopped before a plan of it was", row.name));
    else if (near == kNoCandidate)
      out_.notes.push_back(fmt::format("{} is not ranked: it has no plan to try", row.name));
    else
      out_.notes.push_back(
          fmt::format("{} is not ranked: none of its {} plans is feasible; nearest: {} ({}: {})",
                      row.name, Thousands(plans), candidates_[near].id,
                      candidates_[near].broken[0].rule, candidates_[near].broken[0].said));
  }
}

// Of the best plan's stops those that hang on how many flaps a job does not outlast.
void Planning::SayFlaps() {
  if (order_.empty() || figures_.at(order_[0]).stops_per_month <= 0) return;
  const Contender& best = contenders_.at(order_[0]);
  double flaps = 0, stops = 0;
  for (std::size_t j = 0; j < best.failures.size(); ++j) {
    const double share = question_.jobs.empty() ? 1 : question_.jobs[j].share;
    flaps += share * best.failures[j].StopsOfFlaps().mid;
    stops += share * best.failures[j].stops.mid;
  }
  if (flaps <= 0 || stops <= 0) return;
  const bool given = question_.located->sources.Given("reliability.stopping_flaps");
  out_.notes.push_back(fmt::format(
      "{:.0f} % of the best plan's stops are flaps of a NIC's only link, of which {:.3g} % stop "
      "their job ({})",
      flaps / stops * 100, question_.rates.stopping_flaps * 100,
      given ? "the question" : "reliability.stopping_flaps, derived from reports of others"));
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
  out_.bom_csv = BomCsv(it.bom);
  out_.unverified_share = it.totals.unverified_share;
  out_.unpriced = it.totals.unpriced;
}

void Planning::SayNeed() {
  const NeedSpec& need = question_.spec().need();
  std::string type = NeedSpec::Dtype_Name(need.dtype());
  std::transform(type.begin(), type.end(), type.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  out_.integer = question_.integer();
  if (!question_.ops) {
    out_.need = Thousands(question_.gpus) + " accelerators";
    return;
  }
  out_.need = fmt::format("{} of {}", ComputeText(*question_.ops, question_.integer()), type);
  if (question_.basis_given) {
    out_.need += fmt::format(", {}", NameOf(question_.bases[0]));
    return;
  }
  std::string both;
  for (const AcceleratorChoice& choice : question_.accelerators) {
    const auto dense = choice.gpu.PeakOf(question_.type, Basis::kDense);
    const auto sparse = choice.gpu.PeakOf(question_.type, Basis::kSparse);
    if (!dense || !sparse || !both.empty()) continue;
    both = fmt::format(": {} {} dense, or {} sparse",
                       Thousands(AcceleratorsFor(*question_.ops, dense->per_second, choice.unit)),
                       choice.name,
                       Thousands(AcceleratorsFor(*question_.ops, sparse->per_second, choice.unit)));
  }
  out_.first_line = fmt::format(
      "{} does not say dense or sparse{}. The plan is for dense; peak is not what a job gets.",
      ComputeText(*question_.ops, question_.integer()), both);
}

// What is said of the jobs.
void Planning::FillJobNotes() {
  if (question_.jobs.empty()) {
    out_.notes.push_back(
        "No job is given, so nothing says what bandwidth is worth: the first is the cheapest of "
        "the plans with the most bandwidth between any two accelerators, and 'cheapest' may have "
        "less.");
    return;
  }
  if (control_.screen_only)
    out_.notes.push_back("Screened only: times are closed forms, nothing was simulated.");
  const bool all_train = std::all_of(question_.jobs.begin(), question_.jobs.end(),
                                     [](const JobChoice& job) { return job.trains(); });
  if (!all_train)
    out_.notes.push_back(
        fmt::format("Jobs without FLOPs count by their speed relative to the non-blocking plan{}.",
                    question_.trains() ? ", at the training jobs' MFU there" : ""));
  const NeedSpec& need = question_.spec().need();
  if (question_.trains() && (need.dtype() != NeedSpec::BF16 || question_.bases[0] != Basis::kDense))
    out_.notes.push_back("Training counts its own FLOPs, a share of the dense bf16 peak.");
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const JobChoice& job = question_.jobs[j];
    std::string note = fmt::format("{:.0f} % {}", job.share * 100, job.name);
    if (!job.trains())
      note += fmt::format(": {:.0f} % of its time waits for communication on the non-blocking plan",
                          job.exposed * 100);
    else if (!order_.empty())
      note += fmt::format(": MFU {:.1f} %, {:.1f} % of its time waits for communication",
                          *figures_.at(order_[0]).jobs[j].mfu * 100,
                          figures_.at(order_[0]).jobs[j].exposed * 100);
    if (!control_.screen_only && RepeatsOf(job) > 1)
      note += fmt::format("; its {} repeats are one simulated, counted as often",
                          Thousands(RepeatsOf(job)));
    out_.notes.push_back(note);
    for (const AcceleratorChoice& accelerator : question_.accelerators)
      if (!control_.screen_only && IsAllPairs(accelerator, job))
        out_.notes.push_back(fmt::format(
            "{} of {}: single flows between all pairs at once, for NCCL's rounds are not its",
            job.name, accelerator.name));
    if (job.trains() && question_.located->sources.Given(fmt::format("jobs[{}].exposed", j)))
      out_.notes.push_back(
          fmt::format("'jobs[{}].exposed' has no effect: what of training waits is simulated", j));
  }
  out_.communication = question_.communication;
  out_.communication_held_out = question_.communication_held_out;
  if (!question_.calibration.empty() && !question_.communication_held_out)
    out_.notes.push_back("'calibration' says nothing of these jobs on these hosts");
  out_.notes.push_back(
      fmt::format("Communication time: a factor of {:.3g} either way in 9 of 10, by {}{}",
                  question_.communication, question_.communication_source,
                  question_.calibration.empty() ? ", for no calibration is named" : ""));
}

// Every other feasible candidate, as screened.
void Planning::FillScreened() {
  std::set<std::string> there;
  for (const PlanRow& row : out_.rows) there.insert(row.id);
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!candidates_[i].feasible() || there.count(candidates_[i].id) > 0) continue;
    out_.screened.push_back(BoundedRow(i));
  }
}

void Planning::FillNotes() {
  const PlanSpec& spec = question_.spec();
  SayUnranked();
  FillJobNotes();
  if (out_.could_still_win > 0)
    out_.notes.push_back(
        Thousands(out_.could_still_win) +
        (simulates() ? " more plans have a bound below the best simulated figure and were not "
                       "simulated (decide.finalists)"
                     : " more plans could be below the best by their screened bill and were not "
                       "built (decide.finalists)"));
  SayBuilt();
  SayFlaps();
  for (const UnsearchedFamily& family : kUnsearched)
    out_.not_searched.push_back(fmt::format("{}: {}", family.name, family.why));
  if (std::any_of(candidates_.begin(), candidates_.end(),
                  [](const Candidate& one) { return one.assumed_nic_cage; }))
    out_.notes.push_back(
        "NICs whose own cages have slower lanes than the switches' are taken to have QSFP112.");
  const auto absent = [&](PlanNetworkSpec::Side side, const char* name) {
    if (side == PlanNetworkSpec::ABSENT) out_.not_modelled.push_back(name);
  };
  absent(spec.network().frontend(), "the frontend network");
  absent(spec.network().storage(), "the storage network");
  absent(spec.network().oob(), "the out-of-band network");
  for (const char* what : {"jobs beside each other on one fabric", "buildings, cooling and people",
                           "supply and export rules", "prices over time"})
    out_.not_modelled.push_back(what);
  for (const Override& one : question_.catalogue.overrides)
    out_.overrides.push_back(
        fmt::format("{} {}: {} was {}{}", one.part, one.what, one.now, one.was,
                    order_.empty() || HasEffect(question_, candidates_[order_[0]], one)
                        ? ""
                        : ", without effect on the best plan"));
}

void Planning::FillAnswer() {
  const std::size_t best = order_[0];
  for (const auto& [index, role] : shown_) {
    PlanRow row = figures_.count(index) > 0 ? figures_.at(index) : BoundedRow(index);
    row.roles.push_back(role);
    out_.rows.push_back(std::move(row));
  }
  out_.shown = out_.rows.size();
  for (const std::size_t i : order_) {
    const bool there =
        std::any_of(shown_.begin(), shown_.end(), [&](const auto& one) { return one.first == i; });
    if (!there) out_.rows.push_back(figures_.at(i));
  }
  if (control_.files) FillScreened();
  SaySentence(best, order_.size() > 1 ? order_[1] : kNoCandidate);
  FillBest(best);
}

}  // namespace weft
