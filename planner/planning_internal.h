// The stages of MakePlan, one file each: search.cc (screening, simulation), plan.cc (the order of
// stages and the ranking), answer.cc (what the report says). Included by these alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/bill.h"
#include "planner/candidate.h"
#include "planner/decide.h"
#include "planner/evaluate.h"
#include "planner/plan.h"

namespace weft {

inline constexpr std::size_t kNoCandidate = static_cast<std::size_t>(-1);

// How far a plan is: simulations that are done, of those that there may be at most.
struct Pace {
  const PlanControl& control;
  double done = 0, most = 0;

  void Say(const std::string& what, double part = 0) const {
    if (control.progress && most > 0) control.progress(what, std::min(1.0, (done + part) / most));
  }
  // Of one of `parts` runs of a simulation, each told as it goes on.
  RunControl Run(const std::string& what, double part = 0, double parts = 1) const {
    RunControl run;
    run.threads = control.jobs;
    run.stop = control.stop;
    run.progress = [this, what, part, parts](double share) { Say(what, (part + share) / parts); };
    return run;
  }
};

class Planning {
 public:
  Planning(const Question& question, const PlanControl& control)
      : question_(question),
        control_(control),
        pace_{control},
        market_(AllCables(question.catalogue)) {}

  Result<PlanReport> Run();

 private:
  void Screen();
  Result<void> FindCompared();
  void Evaluate(std::uint32_t accelerator);
  void Search(std::uint32_t accelerator, const std::vector<std::size_t>& feasible);
  void TakeScreened(const std::vector<std::size_t>& feasible);
  double MetricOf(const Contender& contender) const;
  void SetBound(std::size_t candidate);
  bool Take(std::size_t candidate);
  bool MakeBillExact(std::size_t candidate, FabricCache* cache);
  void Reference(std::uint32_t accelerator, const std::vector<std::size_t>& feasible);
  std::size_t Cheapest(const std::vector<std::size_t>& feasible) const;
  std::size_t CheapestBuilt(std::vector<std::size_t> feasible);
  std::size_t Nvidia(const std::vector<std::size_t>& feasible);
  std::size_t Dominated(const std::vector<std::size_t>& feasible);
  std::size_t NearestMiss(std::optional<std::uint32_t> accelerator) const;
  double Bandwidth(std::size_t candidate) const;
  bool Rankable(std::size_t candidate) const;
  void RankShown();
  Contender Bounded(std::size_t candidate) const;
  bool Simulate(std::size_t candidate);
  void Reject(std::size_t candidate);
  std::size_t Yardstick(std::uint32_t accelerator, std::vector<std::size_t>& feasible);
  bool simulates() const { return !control_.screen_only && !question_.jobs.empty(); }
  Decision Order();
  void Decide();
  void RankFabrics(const Decision& decision, const Decision::Odds& odds, std::uint32_t accelerator,
                   const std::vector<std::size_t>& index);
  void RankAccelerators(const Decision& decision, const Decision::Odds& odds);
  void FillPairs(const Decision::Odds& odds, const std::vector<std::size_t>& index);
  void BuildBest();
  PlanRow RankedRow(std::size_t candidate, const Decision& decision, const Decision::Odds& odds,
                    std::size_t row) const;
  void ChooseShown();
  void Show(std::size_t candidate, const std::string& role);
  std::map<std::string, std::string> ParametersOf(const Candidate& candidate) const;
  PlanRow ScreenedRow(std::size_t candidate) const;
  PlanRow RowOf(std::size_t candidate) const;
  // The figures by the closed forms' bound. Requires: feasible.
  void FillBounded(std::size_t candidate, PlanRow& row) const;
  // With figures by the closed forms' bound, where it is feasible.
  PlanRow BoundedRow(std::size_t candidate) const;
  void FillReliability(std::size_t candidate, PlanRow& row) const;
  void FillAnswer();
  void SayBuilt();
  void SayUnranked();
  void SayFailures();
  void ShowNothingFeasible();
  std::string MeasureOf(const Decision& decision, bool fabrics, std::size_t row);
  void FillFlips(const Decision& decision, std::size_t best);
  // At which jobs another fabric is first. Requires: FillFlips().
  void FillWorkloadFlips(const Decision& decision, std::size_t best);
  std::string WhyNotBeside(std::size_t candidate) const;
  void FillBeside();
  void SayBeside();
  void FillSizing();
  void FillTargets();
  void FillBest(std::size_t best);
  void FillFamilies();
  void FillNotes();
  void FillJobNotes();
  void FillScreened();
  void SayNeed();
  void SaySentence(std::size_t best, std::size_t second);

  const Question& question_;
  const PlanControl& control_;
  Pace pace_;
  CableMarket market_;
  PlanReport out_;
  std::vector<SizingRow> sizing_;
  std::vector<Candidate> candidates_;
  std::vector<std::size_t> reference_;            // [accelerators] non-blocking candidates
  std::vector<std::vector<double>> reference_s_;  // [accelerators][jobs]
  std::vector<std::size_t> yardstick_;            // [accelerators] the candidate that took these
  std::map<std::size_t, Contender> contenders_;   // by candidate: those ranked in full
  // [candidates] with every job at its bound: by the screened bill, and the metric by the least.
  std::vector<Figures> screened_;
  std::vector<double> bound_;
  LinkOptions link_options_;
  std::vector<std::size_t> compared_;  // candidates that the question names
  // By how much a screened price was above that of the fabric built.
  double screened_below_ = INFINITY, screened_above_ = -INFINITY;
  std::int64_t built_ = 0;  // bills that are exact
  // Of an accelerator's family: the last bill built over its screened one.
  std::map<std::pair<std::uint32_t, DesignFamily>, double> off_;
  // Of an accelerator: its cheapest and NVIDIA's reference, as they were simulated.
  std::map<std::uint32_t, std::pair<std::size_t, std::size_t>> taken_;
  std::map<std::string, Decision::Odds> known_;  // of what is decided: with one doubt less
  std::vector<double> most_bps_;  // [accelerators] between any two, of any feasible candidate
  std::vector<std::pair<std::size_t, std::string>> shown_;
  std::map<std::size_t, PlanRow> figures_;  // of contenders
  std::vector<std::size_t> ranked_;         // contenders that are feasible, by candidate
  // The same: accelerators by their best one, then of each best first.
  std::vector<std::size_t> order_;
};

}  // namespace weft
