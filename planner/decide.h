// Which candidate to buy, and how sure that is.
//
//   metric = (capex + support + energy) / Σ share · peak · speed · goodput · days
//   speed  of training its MFU at t ((1 - X) + X c), X the share of its own iteration t that
//            waits for communication, c that share's model error; with training among the jobs peak
//            is that of dense bf16, of which MFU is a share;
//          of another job m / ((1 - X) + X c t / t₀), X the share of the job's time that waits
//            on the non-blocking candidate, which takes t₀; m the mean MFU of the training jobs
//            there, 1 where there are none: an hour of either counts alike
//   goodput = ETTR · (1 - degraded share · what it slows)     (reliability/reliability.h)
//
// Draws, the same for every candidate (common random numbers), so that only differences count:
//   a price, a failure rate   between low and middle or middle and high, log-uniform in each half
//   the hash seed             one of those simulated
//   compute efficiency        ±15 % (5-95 %), of an accelerator: it cancels between its fabrics
//   communication time        ±15 % for all, and ±5 % for a family
// The two ratios with 15 % and 5 % are assumptions until they are calibrated; with a calibration
// the time's is that of its held-out tables.
//
// Two rankings, never mixed. Between fabrics of one accelerator its compute efficiency is common
// and cancels; accelerators are held against each other by the best fabric of each, with theirs
// drawn independently.
//
// Units    USD, seconds, watts; PFLOP-days (or POP-days) of peak.
// Errors   none.
// Cost     draws · candidates · bill rows.
// Repeats  by seed, whatever the threads.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "planner/candidate.h"

namespace weft {

// What a candidate's metric follows from.
struct Contender {
  const Candidate* candidate = nullptr;
  std::vector<std::vector<double>> seconds;  // [jobs][seeds]; of a bound one, of no job none
  bool simulated = false;
  std::vector<MonthlyFailures> failures;  // [jobs], or one of all GPUs
  std::vector<double> exposed = {};       // [jobs] of training: share of its time; else 0
};

// A job other than it is, and what that does to each contender.
struct ChangedJob {
  std::size_t job = 0;
  double flops = 1;             // of an iteration, over those as it is
  double reference = 1;         // its t₀ likewise
  std::vector<double> time;     // [contenders] over those as it is
  std::vector<double> exposed;  // [contenders] of training
};

// What may be other than it is: a factor on each.
struct Inputs {
  double energy = 1, support = 1, horizon = 1, failures = 1, communication = 1;
  double stopping_flaps = 1;
  std::string price_of;  // a part
  double price = 1;
  int exposed_of = -1;  // a job
  double exposed = 1;
  int share_of = -1;  // a job: the others share the rest as they did
  double share = 1;
  int compute_of = -1;  // an accelerator: what it does of its peak
  double compute = 1;
  const ChangedJob* changed = nullptr;
};

struct Figures {
  double metric = 0;  // USD a PFLOP-day
  double usd = 0, useful_pflop_days = 0;
  double speed = 1, goodput = 1;
  double stops_per_month = 0;  // of the cluster at work, jobs side by side
};

// The numbers behind the draws, made when they are asked for: they hang on the seed and on what is
// drawn alone, whatever else a draw takes as known.
class DrawTable {
 public:
  explicit DrawTable(const Question& question) : question_(question) {}
  // [decide.draws] numbers in [0, 1), or deviations of a normal, of what is called so.
  const std::vector<double>& Of(const std::string& what, const std::string& name, bool normal);
  // [decide.draws] of what is called so, between the three of its range by these numbers.
  const std::vector<double>& Between(const std::string& what, const std::string& name,
                                     const std::array<double, 3>& range);

 private:
  const Question& question_;
  using Name = std::pair<std::string, std::string>;
  std::map<Name, std::vector<double>> numbers_;
  std::map<std::pair<Name, std::array<double, 3>>, std::vector<double>> values_;
};

// Of one job.
struct JobFigures {
  double speed = 1, goodput = 1;
};

// Whether two metrics differ by no more than the order of their sums.
bool SameMetric(double a, double b);

class Decision {
 public:
  // `reference_s` [accelerators][jobs]: t₀, the median of the non-blocking candidate.
  Decision(const Question& question, std::vector<Contender> contenders,
           std::vector<std::vector<double>> reference_s);

  // At the middle of everything, of one: without what draws are made of.
  static Figures AtMiddle(const Question& question, Contender contender,
                          const std::vector<std::vector<double>>& reference_s);

  const std::vector<Contender>& contenders() const { return contenders_; }
  Figures At(std::size_t contender, const Inputs& inputs) const;
  std::vector<JobFigures> JobsAt(std::size_t contender) const;  // at the middle of everything

  struct Odds {
    // [contenders] among those of the same accelerator; regret: expected, for the same useful work.
    // Plans that cost the same in a draw share it.
    std::vector<double> p_first, regret_usd;
    std::vector<std::array<double, 3>> metric;  // [contenders] 5, 50, 95 %
    // [accelerators] each by its best contender, which has the smallest metric at the middle of
    // everything; 0 for one without.
    std::vector<double> p_accelerator, accelerator_regret_usd;
    std::vector<std::vector<double>> drawn;  // [contenders][draws] metrics, in the order of draws
    bool CostTheSame(std::size_t a, std::size_t b) const;  // two contenders, in every draw
  };
  // `known`: a source of doubt that is taken as known: "prices", "failures", "communication",
  // "compute", "seeds", with a quarter of the draws; empty: none.
  Odds Draw(const std::string& known) const;

  // Of the candidates of `accelerator`, the one with the smallest metric.
  std::size_t Best(std::uint32_t accelerator, const Inputs& inputs) const;
  // Of all, by the best of each accelerator. Requires: there are contenders.
  std::size_t First(const Inputs& inputs) const;

  struct Flip {
    std::string input;
    double now = 0, value = 0;
    std::string unit, then, source;  // then: the candidate that is first beyond it
    double distance = 0;             // |ln(value / now)|
  };
  // The nearest value of each input at which another candidate of that accelerator is first,
  // nearest first; factors up to 16. By bisection to a thousandth.
  std::vector<Flip> FindFlips(std::uint32_t accelerator) const;
  // The same between accelerators: where the first is of another one.
  std::vector<Flip> FindAcceleratorFlips() const;

 private:
  struct Factors;
  struct Streams;
  struct NoDraws {};
  Decision(NoDraws, const Question& question, std::vector<Contender> contenders,
           std::vector<std::vector<double>> reference_s);
  // `jobs`, where not null, gets each one's.
  Figures Evaluate(const Contender& contender, const Inputs& inputs, const Factors* draw,
                   std::vector<JobFigures>* jobs = nullptr) const;
  double PriceOf(const Contender& contender, const Inputs& inputs, const Factors* draw) const;
  void FindRates();
  void FindFigures();
  double Goodput(const Contender& contender, std::size_t job, double exposed, const Inputs& inputs,
                 const Factors* draw) const;
  // Among whom a flip is looked for: fabrics of one accelerator, or, without, accelerators.
  using Among = std::optional<std::uint32_t>;
  void TryInput(Among among, Flip flip, double Inputs::*factor, Inputs base, double largest,
                std::vector<Flip>& out) const;
  void TryRates(Among among, std::vector<Flip>& out) const;
  void TryPrices(Among among, std::vector<Flip>& out) const;
  void TryJobs(Among among, std::vector<Flip>& out) const;
  void TryCompute(std::vector<Flip>& out) const;
  std::vector<Flip> FindAll(Among among) const;
  double WeightOf(std::size_t job, const Inputs& inputs) const;
  Streams FindStreams() const;
  Factors DrawFactors(const Streams& streams, std::size_t draw, const std::string& known) const;
  double MeanMfu(std::uint32_t accelerator, const ChangedJob* changed) const;
  double PeakOf(std::uint32_t accelerator) const;

  const Question& question_;
  std::vector<Contender> contenders_;
  std::vector<std::vector<double>> reference_s_;
  mutable DrawTable table_;
  std::vector<std::string> parts_, classes_;  // sorted: what is drawn
  // What a row of failures comes to: one figure for all contenders that have as many elements.
  struct RateFigure {
    std::uint32_t of_class = 0;  // of classes_
    Range<double> monthly;
  };
  std::vector<RateFigure> rate_figures_;
  std::vector<std::vector<std::vector<std::uint32_t>>> rate_of_row_;  // [contenders][jobs][rows]
  // What a bill's row costs a piece: one figure for all bills that have the part at that price.
  struct PriceFigure {
    std::uint32_t part = 0;  // of parts_
    Range<Dollars> range;
  };
  std::vector<PriceFigure> price_figures_;
  static constexpr std::uint32_t kNoFigure = 0xffffffff;
  std::vector<std::vector<std::uint32_t>> figure_of_row_;  // [contenders][bill rows]
};

}  // namespace weft
