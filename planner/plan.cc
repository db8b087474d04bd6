#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/schema/quantity.h"
#include "planner/candidate.h"
#include "planner/decide.h"
#include "planner/evaluate.h"

namespace weft {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

std::string Thousands(std::int64_t value) {
  std::string out = std::to_string(value);
  for (auto at = static_cast<std::int64_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

class Planning {
 public:
  Planning(const Question& question, const PlanControl& control)
      : question_(question), control_(control), market_(AllCables()) {}

  Result<PlanReport> Run();

 private:
  void Screen();
  void Evaluate(std::uint32_t accelerator);
  void Reference(std::uint32_t accelerator, const std::vector<std::size_t>& feasible);
  const FailureRates& RatesOf(const Candidate& candidate) const;
  std::size_t Cheapest(const std::vector<std::size_t>& feasible) const;
  std::size_t Nvidia(const std::vector<std::size_t>& feasible) const;
  Contender Bounded(std::size_t candidate) const;
  bool Simulate(std::size_t candidate, Contender& contender);
  void Reject(std::size_t candidate);
  std::size_t Yardstick(std::uint32_t accelerator, bool simulate,
                        std::vector<std::size_t>& feasible);
  void Decide();
  void ChooseShown();
  void Show(std::size_t candidate, const std::string& role);
  PlanRow RowOf(std::size_t candidate) const;
  void FillAnswer();
  void SayExact(std::size_t best, double screened);
  void FillMeasure(const Decision& decision, std::size_t best);
  void FillFlips(const Decision& decision, std::size_t best);
  void FillSizing();
  void FillTargets();
  void FillBest(std::size_t best);
  void FillNotes();
  void SayNeed();
  void SaySentence(std::size_t best, std::size_t second);

  const Question& question_;
  const PlanControl& control_;
  CableMarket market_;
  PlanReport out_;
  std::vector<SizingRow> sizing_;
  std::vector<Candidate> candidates_;
  std::vector<std::size_t> reference_;            // [accelerators] non-blocking candidates
  std::vector<std::vector<double>> reference_s_;  // [accelerators][jobs]
  std::map<std::size_t, Contender> contenders_;   // by candidate: those ranked in full
  std::vector<double> bound_;                     // [candidates] the metric at the bound
  std::vector<std::pair<std::size_t, std::string>> shown_;
  std::map<std::size_t, PlanRow> figures_;                                 // of contenders
  std::vector<std::size_t> order_;                                         // contenders, best first
  std::map<std::pair<std::uint32_t, std::uint32_t>, FailureRates> rates_;  // accelerator, chip
};

void Planning::Screen() {
  sizing_ = SizeAccelerators(question_);
  candidates_ = EnumerateCandidates(question_, sizing_);
  const auto count = static_cast<std::int64_t>(candidates_.size());
#pragma omp parallel for schedule(dynamic, 64) num_threads(control_.jobs)
  for (std::int64_t i = 0; i < count; ++i)
    ScreenCandidate(question_, market_, candidates_[static_cast<std::size_t>(i)]);
  out_.candidates = count;
  for (const Candidate& one : candidates_) {
    if (one.feasible())
      ++out_.feasible;
    else
      out_.rejected.push_back({one.id, one.broken[0].rule, one.broken[0].said});
  }
}

const FailureRates& Planning::RatesOf(const Candidate& it) const {
  return rates_.at({it.accelerator, it.chip});
}

// With every job at its bound, and failures by the parts that it has.
Contender Planning::Bounded(std::size_t candidate) const {
  const Candidate& it = candidates_[candidate];
  Contender out;
  out.candidate = &it;
  const auto repair = Seconds(static_cast<double>(question_.spec().reliability().repair()) * 1e-12);
  const FailureRates& rates = RatesOf(it);
  for (const JobChoice& job : question_.jobs) {
    out.seconds.push_back({BoundSeconds(it, job)});
    const std::int64_t gpus = std::min(job.gpus.value_or(it.accelerators), it.accelerators);
    out.failures.push_back(ExpectedFailures(ShareOf(it.components, gpus), rates, repair));
  }
  if (question_.jobs.empty())
    out.failures.push_back(ExpectedFailures(it.components, rates, repair));
  return out;
}

// It was thought feasible, and is not.
void Planning::Reject(std::size_t candidate) {
  const Candidate& it = candidates_[candidate];
  out_.rejected.push_back({it.id, it.broken.back().rule, it.broken.back().said});
  --out_.feasible;
}

bool Planning::Simulate(std::size_t candidate, Contender& contender) {
  RunControl run;
  run.threads = control_.jobs;
  run.stop = control_.stop;
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    auto times =
        SimulateJob(question_, candidates_[candidate], question_.jobs[j], run, control_.store);
    if (!times) {
      // What the engine refuses of one design is a reason against it, not against the question.
      candidates_[candidate].broken.push_back({"simulation", false, times.error()[0].message});
      Reject(candidate);
      return false;
    }
    if (times->seconds.empty()) {
      out_.partial = true;
      return false;
    }
    contender.seconds[j] = std::move(times->seconds);
  }
  contender.simulated = !question_.jobs.empty();
  if (contender.simulated) ++out_.simulated;
  return true;
}

// The cheapest non-blocking candidate with the fastest NICs.
void Planning::Reference(std::uint32_t accelerator, const std::vector<std::size_t>& feasible) {
  std::size_t best = kNone;
  for (const std::size_t i : feasible) {
    const Candidate& one = candidates_[i];
    if (one.oversubscription() > 1 + 1e-9 || one.design.family == DesignFamily::kRailOnly) continue;
    const bool better =
        best == kNone || one.design.nic > candidates_[best].design.nic ||
        (one.design.nic == candidates_[best].design.nic && one.capex() < candidates_[best].capex());
    if (better) best = i;
  }
  reference_[accelerator] = best;
}

std::size_t Planning::Cheapest(const std::vector<std::size_t>& feasible) const {
  std::size_t best = kNone;
  for (const std::size_t i : feasible)
    if (best == kNone || candidates_[i].capex() < candidates_[best].capex()) best = i;
  return best;
}

// [NV-SPB200]: rail-optimised, one port a NIC, 1:1, evenly spread.
std::size_t Planning::Nvidia(const std::vector<std::size_t>& feasible) const {
  std::vector<std::size_t> alike;
  for (const std::size_t i : feasible) {
    const Candidate& one = candidates_[i];
    if (one.design.family == DesignFamily::kRailOptimized && one.design.nic_ports == 1 &&
        one.design.even && one.oversubscription() < 1 + 1e-9 && one.design.uplink == one.design.nic)
      alike.push_back(i);
  }
  return Cheapest(alike);
}

// What others' speed is counted against: the non-blocking candidate, or where there is none the
// first, simulated where simulation is asked for. Those that fail leave `feasible`; kNone: none
// is left, or the run was stopped.
std::size_t Planning::Yardstick(std::uint32_t accelerator, bool simulate,
                                std::vector<std::size_t>& feasible) {
  while (!feasible.empty()) {
    Reference(accelerator, feasible);
    const std::size_t reference = reference_[accelerator];
    const std::size_t yardstick = reference != kNone ? reference : feasible[0];
    if (!simulate) return yardstick;
    Contender base = Bounded(yardstick);
    if (Simulate(yardstick, base)) {
      contenders_[yardstick] = std::move(base);
      return yardstick;
    }
    if (out_.partial) return kNone;
    std::erase(feasible, yardstick);
  }
  return kNone;
}

void Planning::Evaluate(std::uint32_t accelerator) {
  std::vector<std::size_t> feasible;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].feasible() && candidates_[i].accelerator == accelerator)
      feasible.push_back(i);
  if (feasible.empty()) return;
  std::vector<double>& seconds = reference_s_[accelerator];
  seconds.assign(question_.jobs.size(), 0);
  const bool simulate = !control_.screen_only && !question_.jobs.empty();
  const std::size_t yardstick = Yardstick(accelerator, simulate, feasible);
  if (yardstick == kNone) return;
  const Contender base = simulate ? contenders_.at(yardstick) : Bounded(yardstick);
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    std::vector<double> sorted = base.seconds[j];
    std::sort(sorted.begin(), sorted.end());
    seconds[j] = sorted[(sorted.size() - 1) / 2];
  }
  // In the order of the bound; a decision of one contender gives its metric.
  const auto metric = [&](const Contender& one) {
    return Decision(question_, {one}, reference_s_).At(0, Inputs{}).metric;
  };
  const bool by_bandwidth = question_.jobs.empty();
  double most = 0;
  // Between rails that do not meet there is none.
  const auto bandwidth = [&](std::size_t i) {
    if (candidates_[i].design.family == DesignFamily::kRailOnly) return 0.0;
    return candidates_[i].gpu_rate().bits_per_second() / candidates_[i].oversubscription();
  };
  for (const std::size_t i : feasible) most = std::max(most, bandwidth(i));
  std::vector<std::size_t> order;
  for (const std::size_t i : feasible) {
    bound_[i] = metric(Bounded(i));
    if (!by_bandwidth || bandwidth(i) > most * (1 - 1e-9)) order.push_back(i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return bound_[a] < bound_[b]; });
  const auto cap = static_cast<std::size_t>(question_.spec().decide().finalists());
  double best = simulate ? metric(base) : INFINITY;
  std::size_t done = 0;
  // Page one shows these, so they are held against the others in full.
  for (const std::size_t i : {Cheapest(feasible), Nvidia(feasible)}) {
    if (!simulate || i == kNone || contenders_.count(i) > 0) continue;
    Contender one = Bounded(i);
    if (!Simulate(i, one)) continue;
    best = std::min(best, metric(one));
    contenders_[i] = std::move(one);
  }
  for (const std::size_t i : order) {
    if (simulate && bound_[i] > best) break;
    if (done == cap) {
      out_.could_still_win += simulate ? 1 : 0;
      continue;
    }
    if (control_.stop && control_.stop()) {
      out_.partial = true;
      break;
    }
    if (contenders_.count(i) > 0) continue;
    ++done;
    Contender one = Bounded(i);
    if (simulate && !Simulate(i, one)) continue;
    if (control_.progress)
      control_.progress(candidates_[i].id, static_cast<double>(done) / static_cast<double>(cap));
    if (simulate) best = std::min(best, metric(one));
    contenders_[i] = std::move(one);
  }
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
      row.jobs.push_back({job.name, job.share, job.exposed, {}, {}, {}, BoundSeconds(it, job)});
  }
  return row;
}

void Planning::Show(std::size_t candidate, const std::string& role) {
  if (candidate == kNone) return;
  for (auto& [index, roles] : shown_)
    if (index == candidate) {
      roles += ", " + role;
      return;
    }
  shown_.push_back({candidate, role});
}

// The table of page one, beside the best and the runner-up.
void Planning::ChooseShown() {
  const std::uint32_t accelerator = candidates_[order_[0]].accelerator;
  std::size_t dominated = kNone, infeasible = kNone;
  std::vector<std::size_t> feasible;
  const Candidate& best = candidates_[order_[0]];
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Candidate& one = candidates_[i];
    if (one.accelerator != accelerator) continue;
    if (!one.feasible()) {
      // The nearest miss: as few rules broken as can be, else as the best.
      const auto distance = [&](const Candidate& it) {
        return it.broken.size() * 8 + (it.design.family != best.design.family) +
               (it.design.chip != best.design.chip) +
               (it.design.nic_ports != best.design.nic_ports);
      };
      if (infeasible == kNone || distance(one) < distance(candidates_[infeasible])) infeasible = i;
      continue;
    }
    feasible.push_back(i);
    const bool worse = one.capex() > best.capex() * 1.001 && one.site_watts >= best.site_watts &&
                       one.gpu_rate() <= best.gpu_rate() &&
                       one.oversubscription() >= best.oversubscription() - 1e-9;
    if (worse && (dominated == kNone || one.capex() < candidates_[dominated].capex()))
      dominated = i;
  }
  Show(Cheapest(feasible), "cheapest");
  Show(reference_[accelerator], "non-blocking");
  Show(Nvidia(feasible), "NVIDIA's reference");
  Show(dominated, "dominated");
  Show(infeasible, "infeasible");
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
  if (out_.clear)
    out_.sentence = "Buy " + buy;
  else
    out_.sentence = "No clear winner; the first of those that tie: " + buy;
  if (second == kNone) return;
  const PlanRow& next = figures_.at(second);
  out_.sentence += fmt::format(" The next, {}, costs {:+.2f} % more for the same work.", next.id,
                               (next.metric / row.metric - 1) * 100);
}

// What, once known, would make the first surest: a quote first, then a calibration, then months.
void Planning::FillMeasure(const Decision& decision, std::size_t best) {
  struct Source {
    const char *name, *words;
  };
  constexpr Source kSources[] = {
      {"prices", "quotes for the parts that differ (catalogue: [quotes.yaml])"},
      {"compute", "one model's iteration on one host of each accelerator"},
      {"communication", "a table of nccl-tests on each family, held against weft"},
      {"failures", "failure logs of such parts over months"}};
  double most = 0;
  for (const Source& source : kSources) {
    const double p = decision.Draw(source.name).p_first[best];
    const bool splits = p >= out_.confidence;
    if (splits || p > most) {
      out_.measure = fmt::format("{}: P(first) {:.0f} % if known{}", source.words, p * 100,
                                 splits ? "" : ", which does not split them alone");
      most = p;
    }
    if (splits) return;
  }
}

void Planning::FillFlips(const Decision& decision, std::size_t best) {
  for (const Decision::Flip& flip : decision.FindFlips(candidates_[best].accelerator))
    out_.flips.push_back({flip.input, flip.unit, flip.then, flip.source, flip.now, flip.value});
}

void Planning::SayExact(std::size_t best, double screened) {
  const PlanRow exact = RowOf(best);
  PlanRow& row = figures_.at(best);
  row.racks = exact.racks;
  row.capex_low = exact.capex_low;
  row.capex_mid = exact.capex_mid;
  row.capex_high = exact.capex_high;
  row.network_usd = exact.network_usd;
  row.power_w = exact.power_w;
  row.site_w = exact.site_w;
  row.exact = true;
  out_.notes.push_back(
      fmt::format("The bill of the best plan is that of its fabric built and cabled, {:.2f} MUSD; "
                  "the screening, by which plans are ranked, said {:.2f}.",
                  exact.capex_mid / 1e6, screened / 1e6));
}

void Planning::Decide() {
  order_.clear();
  figures_.clear();
  out_.tie.clear();
  out_.flips.clear();
  out_.best.reset();
  std::vector<Contender> all;
  std::vector<std::size_t> index;
  for (auto& [candidate, contender] : contenders_) {
    if (!candidates_[candidate].feasible()) continue;
    contender.candidate = &candidates_[candidate];
    all.push_back(contender);
    index.push_back(candidate);
  }
  if (all.empty()) return;
  const Decision decision(question_, all, reference_s_);
  const Decision::Odds odds = decision.Draw("");
  for (std::size_t i = 0; i < index.size(); ++i) {
    PlanRow row = RowOf(index[i]);
    const Figures figures = decision.At(i, Inputs{});
    row.metric = figures.metric;
    row.metric_p5 = odds.metric[i][0];
    row.metric_p95 = odds.metric[i][2];
    row.speed = figures.speed;
    row.goodput = figures.goodput;
    row.stops_per_month = figures.stops_per_month;
    row.p_first = odds.p_first[i];
    row.p_of_accelerator = odds.p_of_accelerator[i];
    row.regret_usd = odds.regret_usd[i];
    row.simulated = all[i].simulated;
    row.ranked = true;
    for (std::size_t j = 0; j < row.jobs.size() && all[i].simulated; ++j) {
      const Interval<double> seconds = IntervalOf(all[i].seconds[j]);
      row.jobs[j].median_s = seconds.median;
      row.jobs[j].p5_s = seconds.p5;
      row.jobs[j].p95_s = seconds.p95;
    }
    figures_[index[i]] = std::move(row);
    order_.push_back(index[i]);
  }
  // The first is the one with the smallest metric at the middle of everything.
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    return figures_.at(a).metric < figures_.at(b).metric;
  });
  const std::size_t best = order_[0];
  const auto of_best =
      static_cast<std::size_t>(std::find(index.begin(), index.end(), best) - index.begin());
  out_.best = candidates_[best].id;
  out_.p_first = odds.p_first[of_best];
  out_.regret_usd = odds.regret_usd[of_best];
  out_.clear = out_.p_first >= out_.confidence && !out_.partial;
  if (!out_.clear) {
    double sum = 0;
    std::vector<std::size_t> likely = order_;
    std::stable_sort(likely.begin(), likely.end(), [&](std::size_t a, std::size_t b) {
      return figures_.at(a).p_first > figures_.at(b).p_first;
    });
    for (const std::size_t i : likely) {
      if (sum >= out_.confidence) break;
      sum += figures_.at(i).p_first;
      out_.tie.push_back(candidates_[i].id);
    }
    FillMeasure(decision, of_best);
  }
  FillFlips(decision, best);
}

void Planning::FillSizing() {
  for (const SizingRow& row : sizing_) {
    PlanSizing one{row.name,         std::string(NameOf(row.basis)),
                   row.note,         "",
                   row.rate,         row.rate_assumed,
                   row.accelerators, row.hosts,
                   row.server_w,     {}};
    // The network of the best plan of that accelerator; of another basis, in proportion.
    std::size_t plan = kNone;
    for (const std::size_t i : order_)
      if (plan == kNone && candidates_[i].accelerator == row.accelerator) plan = i;
    if (plan != kNone && row.server_w && row.accelerators) {
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

void Planning::FillNotes() {
  const PlanSpec& spec = question_.spec();
  if (question_.jobs.empty())
    out_.notes.push_back(
        "No job is given, so nothing says what bandwidth is worth: the first is the cheapest of "
        "the plans with the most bandwidth between any two accelerators, and 'cheapest' may have "
        "less.");
  else if (control_.screen_only)
    out_.notes.push_back("Screened only: times are closed-form bounds, nothing was simulated.");
  else
    out_.notes.push_back(
        "Jobs have no FLOPs: they count by their speed relative to the non-blocking plan.");
  for (const JobChoice& job : question_.jobs)
    out_.notes.push_back(
        fmt::format("{:.0f} % {}: {:.0f} % of its time waits for communication "
                    "on the non-blocking plan",
                    job.share * 100, job.name, job.exposed * 100));
  if (out_.could_still_win > 0)
    out_.notes.push_back(fmt::format(
        "{} more plans have a bound below the best simulated figure and were not simulated "
        "(decide.finalists)",
        Thousands(out_.could_still_win)));
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
    out_.overrides.push_back(fmt::format("{} {}: {} was {}", one.part, one.what, one.now, one.was));
}

void Planning::FillAnswer() {
  const std::size_t best = order_[0];
  Show(best, "best");
  if (order_.size() > 1) Show(order_[1], "runner-up");
  // Best of the other accelerators: a ranking of its own.
  std::set<std::uint32_t> seen{candidates_[best].accelerator};
  for (const std::size_t i : order_)
    if (seen.insert(candidates_[i].accelerator).second)
      Show(i, "best of " + question_.accelerators[candidates_[i].accelerator].name);
  ChooseShown();
  for (const auto& [index, role] : shown_) {
    PlanRow row = figures_.count(index) > 0 ? figures_.at(index) : RowOf(index);
    if (figures_.count(index) == 0 && row.feasible) {
      const Figures figures = Decision(question_, {Bounded(index)}, reference_s_).At(0, Inputs{});
      row.metric = row.metric_p5 = row.metric_p95 = figures.metric;
      row.speed = figures.speed;
      row.goodput = figures.goodput;
      row.stops_per_month = figures.stops_per_month;
    }
    row.roles.push_back(role);
    out_.rows.push_back(std::move(row));
  }
  out_.shown = out_.rows.size();
  for (const std::size_t i : order_) {
    const bool there =
        std::any_of(shown_.begin(), shown_.end(), [&](const auto& one) { return one.first == i; });
    if (!there) out_.rows.push_back(figures_.at(i));
  }
  SaySentence(best, order_.size() > 1 ? order_[1] : kNone);
  FillBest(best);
}

Result<PlanReport> Planning::Run() {
  out_.name = question_.spec().name();
  out_.confidence = question_.spec().decide().confidence();
  out_.screen_only = control_.screen_only;
  SayNeed();
  Screen();
  reference_.assign(question_.accelerators.size(), kNone);
  reference_s_.assign(question_.accelerators.size(), std::vector<double>(question_.jobs.size(), 0));
  bound_.assign(candidates_.size(), 0);
  for (std::uint32_t a = 0; a < question_.accelerators.size(); ++a)
    for (std::uint32_t c = 0; c < question_.switches.size(); ++c) {
      const std::string& part = question_.switches[c].part.part;
      rates_[{a, c}] = WithParts(question_.rates, question_.catalogue,
                                 question_.accelerators[a].name, part, part);
    }
  for (std::uint32_t a = 0; a < question_.accelerators.size(); ++a) Evaluate(a);
  // The bill of what was simulated is that of the fabric built; of what was screened, only the
  // best one's, which changes no ranking.
  const bool all_exact = out_.simulated > 0;
  if (all_exact)
    for (auto& [index, contender] : contenders_) MakeExact(question_, candidates_[index], nullptr);
  ExactFiles files;
  Decide();
  // What turns out not to be cabled as it was screened is not bought.
  while (!all_exact && !order_.empty()) {
    const std::size_t best = order_[0];
    const double screened = candidates_[best].capex();
    MakeExact(question_, candidates_[best], control_.files ? &files : nullptr);
    if (candidates_[best].feasible()) {
      if (candidates_[best].exact) SayExact(best, screened);
      break;
    }
    Reject(best);
    Decide();
  }
  if (!order_.empty()) {
    if (all_exact && control_.files) MakeExact(question_, candidates_[order_[0]], &files);
    out_.links_csv = std::move(files.links);
    out_.ports_csv = std::move(files.ports);
    out_.racks_csv = std::move(files.racks);
    FillAnswer();
  } else {
    out_.sentence = out_.partial ? "Stopped before a plan was simulated."
                                 : fmt::format("No plan is feasible: {} were tried.",
                                               Thousands(out_.candidates));
  }
  FillSizing();
  FillTargets();
  FillNotes();
  return std::move(out_);
}

}  // namespace

Result<PlanReport> MakePlan(const Question& question, const PlanControl& control) {
  return Planning(question, control).Run();
}

}  // namespace weft
