#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "planner/planning_internal.h"

namespace weft {

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

Result<PlanReport> Planning::Run() {
  out_.name = question_.spec().name();
  out_.confidence = question_.spec().decide().confidence();
  out_.screen_only = control_.screen_only;
  SayNeed();
  Screen();
  reference_.assign(question_.accelerators.size(), kNoCandidate);
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

Result<PlanReport> MakePlan(const Question& question, const PlanControl& control) {
  return Planning(question, control).Run();
}

}  // namespace weft
