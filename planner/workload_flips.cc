// At which workload another plan is first: the only flips for which anything is simulated again.
//
// Of the plans that were simulated those that a changed job may put first: the best and the next,
// the one whose job takes least, and the cheapest. Their times with the job changed, over their own
// as it is on the same hash seeds, scale what was simulated over all seeds. Another is first where
// it is by more than the standard error of that ratio over the seeds, paired with the best's.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/format_count.h"
#include "planner/planning_internal.h"

namespace weft {
namespace {

constexpr double kFarthest = 4;  // times what it is, or a part of it; batches cost as they grow: 2
constexpr double kClose = 1.06;  // of the two values between which the first changes

// What of a job is changed: whole multiples of a step.
struct Knob {
  enum class What : std::uint8_t { kBytes, kSequence, kBatch, kImbalance } what;
  std::size_t job = 0;
  std::string input, unit, key = {};
  double now = 1;   // as the report says it, in `unit`
  double step = 0;  // 0: any value
  double least = 0;

  double Rounded(double value) const {
    return step > 0 ? std::max(std::round(value / step), 1.0) * step : value;
  }
};

std::int64_t TotalBytes(const PlanJobSpec& spec) {
  if (spec.has_traffic()) return spec.traffic().bytes();
  const auto& sizes = spec.collective().bytes();
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

std::int64_t TimesFactor(std::int64_t bytes, double factor) {
  return std::max<std::int64_t>(std::llround(static_cast<double>(bytes) * factor), 1);
}

Knob BytesKnob(const JobChoice& job, std::size_t j) {
  const auto bytes = static_cast<double>(TotalBytes(*job.spec));
  const bool large = bytes >= 1 << 20;
  Knob out{Knob::What::kBytes, j, "bytes of " + job.name, large ? "MiB" : "KiB"};
  out.key = fmt::format("jobs[{}].{}.bytes", j, job.spec->has_traffic() ? "traffic" : "collective");
  out.now = bytes / (large ? 1 << 20 : 1 << 10);
  return out;
}

std::vector<Knob> TrainingKnobs(const JobChoice& job, std::size_t j, std::uint32_t accelerator) {
  const Training& training = job.training[accelerator].training;
  const auto key = [&](const char* name) { return fmt::format("jobs[{}].training.{}", j, name); };
  std::vector<Knob> out;
  Knob sequence{Knob::What::kSequence, j, "sequence of " + job.name, "tokens", key("sequence")};
  sequence.now = static_cast<double>(training.sequence);
  sequence.step = static_cast<double>(
      std::gcd(training.sequence, std::max<std::int64_t>(training.sequence / 16, 1)));
  Knob batch{Knob::What::kBatch, j, "batch of " + job.name, "sequences", key("global_batch")};
  const Parallel& p = training.parallel;
  batch.now = static_cast<double>(training.global_batch);
  batch.step =
      static_cast<double>(p.data * training.micro_batch * (p.virtual_stages > 1 ? p.pipeline : 1));
  out.push_back(sequence);
  out.push_back(batch);
  if (training.model.moe) {
    Knob imbalance{Knob::What::kImbalance, j, "load of the busiest expert rank of " + job.name,
                   "x the mean", key("imbalance")};
    imbalance.now = training.imbalance;
    imbalance.least = 1;
    out.push_back(imbalance);
  }
  return out;
}

// `job` with the knob at `value`.
PlanJobSpec Changed(const JobChoice& job, const Knob& knob, double value) {
  PlanJobSpec out = *job.spec;
  switch (knob.what) {
    case Knob::What::kBytes:
      if (out.has_traffic())
        out.mutable_traffic()->set_bytes(TimesFactor(out.traffic().bytes(), value / knob.now));
      else
        for (auto& bytes : *out.mutable_collective()->mutable_bytes())
          bytes = TimesFactor(bytes, value / knob.now);
      break;
    case Knob::What::kSequence:
      out.mutable_training()->set_sequence(std::llround(value));
      break;
    case Knob::What::kBatch:
      out.mutable_training()->set_global_batch(std::llround(value));
      break;
    case Knob::What::kImbalance:
      out.mutable_training()->set_imbalance(value);
      break;
  }
  return out;
}

double LowerMedian(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

double MeanOf(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// 0: of one value nobody knows.
double ErrorOfMean(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  if (n < 2) return 0;
  const double mean = MeanOf(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / (n - 1) / n);
}

std::string Joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& one : words) out += (out.empty() ? "" : ", ") + one;
  return out;
}

// Of one accelerator's contenders, which are rows of `decision`.
class WorkloadFlips {
 public:
  WorkloadFlips(const Question& question, Pace& pace, const Decision& decision,
                std::uint32_t accelerator, const Candidate* yardstick)
      : question_(question), pace_(pace), decision_(decision), accelerator_(accelerator) {
    for (std::size_t row = 0; row < decision.contenders().size(); ++row) {
      const Contender& one = decision.contenders()[row];
      if (one.simulated && one.candidate->accelerator == accelerator) rows_.push_back(row);
      if (one.candidate == yardstick) reference_ = row;
    }
    std::stable_sort(rows_.begin(), rows_.end(), [&](std::size_t a, std::size_t b) {
      return decision.At(a, Inputs{}).metric < decision.At(b, Inputs{}).metric;
    });
  }

  void Run();

  std::vector<PlanFlip> flips;
  // "sequence of … to 16384 tokens": where the best stays first, and where the seeds do not tell.
  std::vector<std::string> holds, unsure;
  int runs = 0;
  bool exhausted = false, stopped = false;

 private:
  // One value of a knob and what it does to the plans simulated there.
  struct Point {
    double value = 0;
    PlanJobSpec spec;
    JobChoice job;
    ChangedJob changed;  // by rows of decision_
    // By row that was simulated: logarithms of its time over that as it is, by seed.
    std::map<std::size_t, std::vector<double>> logs = {};
  };

  std::optional<double> Farthest(const Knob& knob, double sign);
  bool Set(const Knob& knob, double value, Point& point) const;
  bool Simulate(const Knob& knob, const std::vector<std::size_t>& rows, Point& point);
  // Whether others' speed hangs on how long a changed job takes on the yardstick.
  bool CountsReference() const;
  double MetricAt(const Point& point, std::size_t row, double errors) const;
  std::size_t FirstAt(const Point& point) const;
  bool IsUnsure(const Point& point) const;
  std::vector<std::size_t> RivalsOf(std::size_t job) const;
  void Try(const Knob& knob, double sign);
  bool Narrow(const Knob& knob, const std::vector<std::size_t>& pair, Point& low, Point& high);
  // `low`: from where on it may be so, where the search ended early; else 0.
  void Add(const Knob& knob, const Point& at, double low);

  const Question& question_;
  Pace& pace_;
  const Decision& decision_;
  std::uint32_t accelerator_;
  std::size_t reference_ = kNoCandidate;  // row of what others' speed is counted against
  std::vector<std::size_t> rows_;         // that were simulated, the best first
  std::map<std::size_t, FabricCache> fabrics_;
};

// False: the job cannot be so.
bool WorkloadFlips::Set(const Knob& knob, double value, Point& point) const {
  const JobChoice& job = question_.jobs[knob.job];
  point.value = value;
  point.spec = Changed(job, knob, value);
  point.job = job;
  point.changed = {knob.job, 1, 1, std::vector<double>(decision_.contenders().size(), 1),
                   std::vector<double>(decision_.contenders().size(), job.exposed)};
  if (!job.trains()) return true;
  TrainingChoice& choice = point.job.training[accelerator_];
  const double flops = choice.flops;
  choice = WithTraining(choice, point.spec.training());
  if (!choice.infeasible.empty()) return false;
  point.changed.flops = choice.flops / flops;
  return true;
}

bool WorkloadFlips::CountsReference() const {
  return reference_ != kNoCandidate &&
         std::any_of(question_.jobs.begin(), question_.jobs.end(),
                     [](const JobChoice& job) { return !job.trains(); });
}

// Every one of `rows` that was not yet; false: stopped, or no more runs are allowed.
bool WorkloadFlips::Simulate(const Knob& knob, const std::vector<std::size_t>& rows, Point& point) {
  std::vector<std::size_t> wanted, all = rows;
  if (CountsReference()) all.push_back(reference_);
  for (const std::size_t row : std::set<std::size_t>(all.begin(), all.end()))
    if (point.logs.count(row) == 0) wanted.push_back(row);
  const PlanDecideSpec& decide = question_.spec().decide();
  if (runs + static_cast<int>(wanted.size()) > decide.workload_runs()) {
    exhausted = true;
    return false;
  }
  point.job.spec = &point.spec;
  const int seeds = std::min(decide.workload_seeds(), decide.seeds());
  for (const std::size_t row : wanted) {
    const Contender& contender = decision_.contenders()[row];
    const std::string what =
        fmt::format("{} {} {}, on {}", knob.input, FormatFigure(point.value, 4), knob.unit,
                    contender.candidate->id);
    pace_.Say(what);
    ++runs;
    const auto times = SimulateJob(question_, *contender.candidate, point.job, pace_.Run(what),
                                   pace_.control.store, fabrics_[row], seeds);
    ++pace_.done;
    if (!times || times->seconds.empty()) {
      stopped = stopped || times.has_value();
      return false;
    }
    const std::vector<double>& as_is = contender.seconds[knob.job];
    const std::size_t alike = std::min(times->seconds.size(), as_is.size());
    std::vector<double>& logs = point.logs[row];
    for (std::size_t s = 0; s < alike; ++s) logs.push_back(std::log(times->seconds[s] / as_is[s]));
    point.changed.time[row] = std::exp(MeanOf(logs));
    if (point.job.trains()) point.changed.exposed[row] = times->exposed;
    if (row == reference_) point.changed.reference = point.changed.time[row];
  }
  return true;
}

// With its time so many standard errors longer.
double WorkloadFlips::MetricAt(const Point& point, std::size_t row, double errors) const {
  ChangedJob changed = point.changed;
  if (errors != 0) {
    std::vector<double> apart = point.logs.at(row);
    const std::vector<double>& best = point.logs.at(rows_[0]);
    for (std::size_t s = 0; s < apart.size(); ++s) apart[s] -= best[s];
    changed.time[row] *= std::exp(errors * ErrorOfMean(apart));
  }
  Inputs inputs;
  inputs.changed = &changed;
  return decision_.At(row, inputs).metric;
}

// Of the rows that were simulated there. What costs the same as the best is not another first.
std::size_t WorkloadFlips::FirstAt(const Point& point) const {
  std::size_t first = rows_[0];
  const double best = MetricAt(point, first, 0);
  double least = best;
  for (const auto& [row, logs] : point.logs) {
    const double sure = MetricAt(point, row, 1), metric = MetricAt(point, row, 0);
    if (row == rows_[0] || sure >= best || SameMetric(sure, best) || metric >= least) continue;
    first = row;
    least = metric;
  }
  return first;
}

// Requires: the best is first there.
bool WorkloadFlips::IsUnsure(const Point& point) const {
  const double best = MetricAt(point, rows_[0], 0);
  return std::any_of(point.logs.begin(), point.logs.end(), [&](const auto& one) {
    const double metric = MetricAt(point, one.first, -1);
    return one.first != rows_[0] && metric < best && !SameMetric(metric, best);
  });
}

std::vector<std::size_t> WorkloadFlips::RivalsOf(std::size_t job) const {
  const auto time = [&](std::size_t row) {
    return LowerMedian(decision_.contenders()[row].seconds[job]);
  };
  std::vector<std::size_t> out(rows_.begin(), rows_.begin() + 2);
  const std::size_t others[] = {
      *std::min_element(rows_.begin(), rows_.end(),
                        [&](std::size_t a, std::size_t b) { return time(a) < time(b); }),
      *std::min_element(rows_.begin(), rows_.end(), [&](std::size_t a, std::size_t b) {
        return decision_.contenders()[a].candidate->capex() <
               decision_.contenders()[b].candidate->capex();
      })};
  for (const std::size_t row : others)
    if (std::count(out.begin(), out.end(), row) == 0) out.push_back(row);
  return out;
}

// The farthest value that the job can have, looked for at four, two and 1.4 times.
std::optional<double> WorkloadFlips::Farthest(const Knob& knob, double sign) {
  const double farthest = knob.what == Knob::What::kBatch ? 2 : kFarthest;
  for (double distance = std::log(farthest); distance > 0.3; distance /= 2) {
    const double value = std::max(knob.Rounded(knob.now * std::exp(sign * distance)), knob.least);
    Point point;
    if (std::abs(std::log(value / knob.now)) > 0.1 && Set(knob, value, point)) return value;
  }
  return std::nullopt;
}

// By bisection, `high` where the second of `pair` is first and `low` where it is not yet; false:
// it ended before they were close.
bool WorkloadFlips::Narrow(const Knob& knob, const std::vector<std::size_t>& pair, Point& low,
                           Point& high) {
  while (std::abs(std::log(high.value / low.value)) > std::log(kClose)) {
    const double value = knob.Rounded(std::sqrt(low.value * high.value));
    if (value == low.value || value == high.value) break;
    Point middle;
    // Between two that can be: what cannot ends the search there.
    if (!Set(knob, value, middle) || !Simulate(knob, pair, middle)) return false;
    (FirstAt(middle) == rows_[0] ? low : high) = std::move(middle);
  }
  return true;
}

void WorkloadFlips::Add(const Knob& knob, const Point& at, double low) {
  const bool given = question_.located->sources.Given(knob.key);
  PlanFlip flip;
  flip.input = knob.input;
  flip.unit = knob.unit;
  flip.then = decision_.contenders()[FirstAt(at)].candidate->id;
  flip.source = fmt::format("{}, simulated again", given ? "the question" : "an assumption");
  if (low > 0) flip.from = low;
  flip.now = knob.now;
  flip.value = at.value;
  flips.push_back(std::move(flip));
}

void WorkloadFlips::Try(const Knob& knob, double sign) {
  const std::optional<double> far = Farthest(knob, sign);
  if (!far) return;
  const std::vector<std::size_t> rivals = RivalsOf(knob.job);
  Point low, high;
  low.value = knob.now;
  if (!Set(knob, *far, high) || !Simulate(knob, rivals, high)) return;
  if (FirstAt(high) == rows_[0]) {
    (IsUnsure(high) ? unsure : holds)
        .push_back(fmt::format("{} to {} {}", knob.input, FormatFigure(high.value, 4), knob.unit));
    return;
  }
  // Nearer than where the one that is first at `high` overtakes another may have.
  bool narrowed = false;
  for (std::size_t round = 0; round < rivals.size(); ++round) {
    const std::size_t first = FirstAt(high);
    if (!Narrow(knob, {rows_[0], first}, low, high)) break;
    if (!Simulate(knob, rivals, high)) break;
    narrowed = FirstAt(high) == first;
    if (narrowed) break;
    low = Point{};
    low.value = knob.now;
  }
  Add(knob, high, narrowed ? 0 : low.value);
}

void WorkloadFlips::Run() {
  if (rows_.size() < 2) return;
  std::vector<std::size_t> order(question_.jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return question_.jobs[a].share > question_.jobs[b].share;
  });
  for (const std::size_t j : order) {
    const JobChoice& job = question_.jobs[j];
    const std::vector<Knob> knobs =
        job.trains() ? TrainingKnobs(job, j, accelerator_) : std::vector<Knob>{BytesKnob(job, j)};
    for (const Knob& knob : knobs)
      for (const double sign : {1.0, -1.0})
        if (!stopped) Try(knob, sign);
  }
}

}  // namespace

void Planning::FillWorkloadFlips(const Decision& decision, std::size_t best) {
  const PlanDecideSpec& decide = question_.spec().decide();
  if (!simulates() || out_.partial || decide.workload_runs() == 0) return;
  const std::uint32_t accelerator = candidates_[best].accelerator;
  const std::size_t yardstick = yardstick_[accelerator];
  WorkloadFlips search(question_, pace_, decision, accelerator,
                       yardstick == kNoCandidate ? nullptr : &candidates_[yardstick]);
  search.Run();
  out_.flips.insert(out_.flips.end(), search.flips.begin(), search.flips.end());
  std::stable_sort(out_.flips.begin(), out_.flips.end(), [](const PlanFlip& a, const PlanFlip& b) {
    return std::abs(std::log(a.value / a.now)) < std::abs(std::log(b.value / b.now));
  });
  if (search.stopped) out_.partial = true;
  if (search.runs == 0) return;
  out_.workload_note = fmt::format(
      "Changed jobs were simulated again, {} runs over {} of the hash seeds, among the plans that "
      "they may put first",
      FormatCount(search.runs), std::min(decide.workload_seeds(), decide.seeds()));
  if (!search.holds.empty())
    out_.workload_note += "; the first is the same at the ends tried, " + Joined(search.holds);
  if (!search.unsure.empty())
    out_.workload_note += "; not told apart by these seeds at " + Joined(search.unsure);
  if (std::min(decide.workload_seeds(), decide.seeds()) < 2)
    out_.workload_note += "; of one seed no error is known";
  if (out_.rankings.size() > 1)
    out_.workload_note +=
        "; all of one accelerator: at which job another accelerator is first was not looked for";
  if (search.exhausted) out_.workload_note += "; more was not tried (decide.workload_runs)";
}

}  // namespace weft
