#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/format_count.h"
#include "planner/planning_internal.h"

namespace weft {

namespace {

// The likeliest until they make up `confidence`, `best` first.
template <class P>
std::vector<std::size_t> TieOf(std::vector<std::size_t> rows, double confidence, P p) {
  const std::size_t best = rows[0];
  std::stable_sort(rows.begin() + 1, rows.end(),
                   [&](std::size_t a, std::size_t b) { return p(a) > p(b); });
  std::vector<std::size_t> out{best};
  double sum = p(best);
  for (const std::size_t row : rows) {
    if (sum >= confidence) break;
    if (row == best) continue;
    sum += p(row);
    out.push_back(row);
  }
  return out;
}

}  // namespace

// Requires: `order_` holds all contenders, `index` the candidate of each row of `decision`.
void Planning::RankFabrics(const Decision& decision, const Decision::Odds& odds,
                           std::uint32_t accelerator, const std::vector<std::size_t>& index) {
  std::vector<std::size_t> of;  // candidates, best first
  for (const std::size_t i : order_)
    if (candidates_[i].accelerator == accelerator) of.push_back(i);
  if (of.empty()) return;
  const auto row =
      static_cast<std::size_t>(std::find(index.begin(), index.end(), of[0]) - index.begin());
  PlanRanking out;
  out.accelerator = question_.accelerators[accelerator].name;
  out.best = candidates_[of[0]].id;
  out.p_first = odds.p_first[row];
  out.regret_usd = odds.regret_usd[row];
  out.p_accelerator = odds.p_accelerator[accelerator];
  out.accelerator_regret_usd = odds.accelerator_regret_usd[accelerator];
  out.clear = out.p_first >= out_.confidence && !out_.partial;
  if (!out.clear) {
    for (const std::size_t i :
         TieOf(of, out_.confidence, [&](std::size_t one) { return figures_.at(one).p_first; }))
      out.tie.push_back(candidates_[i].id);
    const auto same = [&](const std::string& id) {
      const std::size_t other = static_cast<std::size_t>(
          std::find_if(index.begin(), index.end(),
                       [&](std::size_t i) { return candidates_[i].id == id; }) -
          index.begin());
      return odds.CostTheSame(row, other);
    };
    out.measure = out.tie.size() > 1 && std::all_of(out.tie.begin(), out.tie.end(), same)
                      ? "nothing: they cost the same"
                      : MeasureOf(decision, true, row);
  }
  out_.rankings.push_back(std::move(out));
}

void Planning::RankAccelerators(const Decision& decision, const Decision::Odds& odds) {
  const std::vector<PlanRanking>& rankings = out_.rankings;
  const std::uint32_t first = candidates_[order_[0]].accelerator;
  out_.accelerator_clear = odds.p_accelerator[first] >= out_.confidence;
  if (out_.accelerator_clear) return;
  std::vector<std::size_t> rows;
  for (std::size_t r = 0; r < rankings.size(); ++r) rows.push_back(r);
  for (const std::size_t r :
       TieOf(rows, out_.confidence, [&](std::size_t one) { return rankings[one].p_accelerator; }))
    out_.accelerator_tie.push_back(rankings[r].accelerator);
  out_.accelerator_measure = MeasureOf(decision, false, first);
}

void Planning::FillPairs(const Decision::Odds& odds, const std::vector<std::size_t>& index) {
  const auto row_of = [&](std::size_t candidate) {
    return static_cast<std::size_t>(std::find(index.begin(), index.end(), candidate) -
                                    index.begin());
  };
  for (std::size_t x = 0; x < compared_.size(); ++x)
    for (std::size_t y = x + 1; y < compared_.size(); ++y) {
      const std::size_t a = row_of(compared_[x]), b = row_of(compared_[y]);
      if (a == index.size() || b == index.size() ||
          candidates_[compared_[x]].accelerator != candidates_[compared_[y]].accelerator)
        continue;
      PlanPair pair{candidates_[compared_[x]].id, candidates_[compared_[y]].id, 0, 1, 1, 1};
      std::vector<double> ratios;
      for (std::size_t d = 0; d < odds.drawn[a].size(); ++d) {
        ratios.push_back(odds.drawn[b][d] / odds.drawn[a][d]);
        const bool same = SameMetric(odds.drawn[a][d], odds.drawn[b][d]);
        pair.p_a += same ? 0.5 : ratios.back() > 1 ? 1 : 0;
      }
      pair.p_a /= static_cast<double>(ratios.size());
      const Interval<double> ratio = IntervalOf(std::move(ratios));
      pair.ratio_p5 = ratio.p5;
      pair.ratio = ratio.median;
      pair.ratio_p95 = ratio.p95;
      out_.pairs.push_back(std::move(pair));
    }
}

// The contenders of `ranked_`, in their order; and `order_`, the first the one with the smallest
// metric at the middle of everything.
Decision Planning::Order() {
  order_.clear();
  ranked_.clear();
  std::vector<Contender> all;
  for (auto& [candidate, contender] : contenders_) {
    if (!candidates_[candidate].feasible()) continue;
    contender.candidate = &candidates_[candidate];
    all.push_back(contender);
    ranked_.push_back(candidate);
  }
  Decision decision(question_, std::move(all), reference_s_);
  std::vector<double> least(question_.accelerators.size(), INFINITY);
  std::map<std::size_t, double> metric;
  for (std::size_t i = 0; i < ranked_.size(); ++i) {
    metric[ranked_[i]] = decision.At(i, Inputs{}).metric;
    double& of = least[candidates_[ranked_[i]].accelerator];
    of = std::min(of, metric[ranked_[i]]);
  }
  order_ = ranked_;
  std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    const std::uint32_t of_a = candidates_[a].accelerator, of_b = candidates_[b].accelerator;
    if (of_a != of_b) return std::pair(least[of_a], of_a) < std::pair(least[of_b], of_b);
    return metric.at(a) < metric.at(b);
  });
  return decision;
}

void Planning::Decide() {
  const Decision decision = Order();
  if (order_.empty()) return;
  known_.clear();
  const Decision::Odds odds = decision.Draw("");
  const std::vector<std::size_t>& index = ranked_;
  for (std::size_t i = 0; i < index.size(); ++i)
    figures_[index[i]] = RankedRow(index[i], decision, odds, i);
  std::vector<bool> done(question_.accelerators.size());
  for (const std::size_t i : order_) {
    const std::uint32_t accelerator = candidates_[i].accelerator;
    if (!done[accelerator]) RankFabrics(decision, odds, accelerator, index);
    done[accelerator] = true;
  }
  RankAccelerators(decision, odds);
  const PlanRanking& first = out_.rankings[0];
  out_.best = first.best;
  out_.p_first = first.p_first;
  out_.regret_usd = first.regret_usd;
  out_.tie = first.tie;
  out_.measure = first.measure;
  const bool capped = out_.could_still_win > 0;
  out_.clear = first.clear && out_.accelerator_clear && !capped;
  FillPairs(odds, index);
  FillFlips(decision, order_[0]);
  FillWorkloadFlips(decision, order_[0]);
  FillBeside();
}

// What page one shows beside the ranked is built too, and where it may be ranked it is: then
// another may be first, and others are shown with it.
void Planning::RankShown() {
  constexpr int kMost = 4;
  Order();
  for (int round = 0; round < kMost && !order_.empty(); ++round) {
    shown_.clear();
    ChooseShown();
    bool more = false;
    for (const auto& [i, role] : shown_) {
      if (simulates() || !candidates_[i].feasible() || contenders_.count(i) > 0 || !Rankable(i))
        continue;
      contenders_[i] = Bounded(i);
      more = true;
    }
    if (!more) return;
    Order();
  }
}

// Every ranked bill is that of the fabric built; of the best also the files.
void Planning::BuildBest() {
  if (order_.empty() || !control_.files) return;
  ExactFiles files;
  MakeExact(question_, candidates_[order_[0]], &files);
  out_.links_csv = std::move(files.links);
  out_.ports_csv = std::move(files.ports);
  out_.racks_csv = std::move(files.racks);
}

Result<PlanReport> Planning::Run() {
  out_.name = question_.spec().name();
  out_.confidence = question_.spec().decide().confidence();
  out_.screen_only = control_.screen_only;
  out_.trains =
      question_.trains() && std::all_of(question_.jobs.begin(), question_.jobs.end(),
                                        [](const JobChoice& job) { return job.trains(); });
  SayNeed();
  Screen();
  if (const Result<void> found = FindCompared(); !found) return tl::make_unexpected(found.error());
  reference_.assign(question_.accelerators.size(), kNoCandidate);
  yardstick_ = reference_;
  reference_s_.assign(question_.accelerators.size(), std::vector<double>(question_.jobs.size(), 0));
  bound_.assign(candidates_.size(), 0);
  screened_.assign(candidates_.size(), Figures{});
  most_bps_.assign(question_.accelerators.size(), 0);
  // Of each accelerator its finalists, the non-blocking one, the cheapest and NVIDIA's reference,
  // and what is compared.
  const PlanDecideSpec& decide = question_.spec().decide();
  const double each = decide.finalists() + 3.0 + decide.compare_size();
  const auto accelerators = static_cast<double>(question_.accelerators.size());
  if (simulates()) pace_.most = accelerators * each + decide.workload_runs();
  for (std::uint32_t a = 0; a < question_.accelerators.size(); ++a) {
    Evaluate(a);
    pace_.done = each * (a + 1);
  }
  RankShown();
  Decide();
  BuildBest();
  if (!order_.empty())
    FillAnswer();
  else
    ShowNothingFeasible();
  if (order_.empty())
    out_.sentence = out_.partial ? "Stopped before a plan was simulated."
                                 : fmt::format("No plan is feasible: {} were tried.",
                                               FormatCount(out_.candidates));
  FillSizing();
  FillTargets();
  FillNotes();
  return std::move(out_);
}

Result<PlanReport> MakePlan(const Question& question, const PlanControl& control) {
  return Planning(question, control).Run();
}

}  // namespace weft
