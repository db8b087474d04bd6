// Jobs beside each other on the one built fabric: one of each job, each packed behind the one
// before, and how much longer each takes than alone.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/format_count.h"
#include "planner/planning_internal.h"

namespace weft {
namespace {

double LowerMiddle(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

// Passes of all jobs while the longest does one, each once however often its job repeats it.
double PassesOf(const std::vector<JobChoice>& jobs, const Contender& contender) {
  double longest = 0, passes = 0;
  std::vector<double> seconds;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    seconds.push_back(LowerMiddle(contender.seconds[j]) / static_cast<double>(RepeatsOf(jobs[j])));
    longest = std::max(longest, seconds.back());
  }
  for (const double one : seconds) passes += one > 0 ? std::ceil(longest / one) : 0;
  return passes;
}

// Each job as much longer as it was beside the others: computing takes no longer.
Contender Slowed(const Contender& as, const std::vector<PlanBesideJob>& jobs) {
  Contender out = as;
  for (std::size_t j = 0; j < jobs.size(); ++j) {
    for (double& seconds : out.seconds[j]) seconds *= jobs[j].slowdown;
    out.exposed[j] = 1 - (1 - out.exposed[j]) / jobs[j].slowdown;
  }
  return out;
}

}  // namespace

// Why they are not; empty: they are.
std::string Planning::WhyNotBeside(std::size_t candidate) const {
  const PlanDecideSpec& decide = question_.spec().decide();
  std::int64_t gpus = 0;
  for (const JobChoice& job : question_.jobs)
    gpus += job.gpus.value_or(candidates_[candidate].accelerators);
  if (gpus > candidates_[candidate].accelerators)
    return fmt::format("one of each takes {} of {} accelerators", FormatCount(gpus),
                       FormatCount(candidates_[candidate].accelerators));
  for (const JobChoice& job : question_.jobs)
    if (job.gpus && *job.gpus % candidates_[candidate].design.gpus_of_host != 0)
      return job.name + " fills no whole number of hosts";
  const double passes = PassesOf(question_.jobs, contenders_.at(candidate));
  if (passes > decide.beside_passes())
    return fmt::format(
        "while the longest does one pass they would do {:.0f} in all "
        "(decide.beside_passes)",
        passes);
  return {};
}

// The best and the next of its accelerator.
void Planning::FillBeside() {
  if (!simulates() || question_.jobs.size() < 2 || out_.partial) return;
  std::vector<std::size_t> plans{order_[0]};
  if (order_.size() > 1 && candidates_[order_[1]].accelerator == candidates_[order_[0]].accelerator)
    plans.push_back(order_[1]);
  out_.beside_note = WhyNotBeside(plans[0]);
  if (!out_.beside_note.empty()) return;
  std::vector<Contender> slowed;
  for (const std::size_t i : plans) {
    FabricCache cache;
    const std::string what = "jobs beside each other on " + candidates_[i].id;
    pace_.done = pace_.most;
    pace_.Say(what);
    const auto found =
        SimulateBeside(question_, candidates_[i], pace_.Run(what), control_.store, cache);
    if (!found) {
      out_.beside_note = found.error()[0].message;
      return;
    }
    if (found->empty()) {
      out_.partial = true;
      out_.beside_note = "stopped before";
      return;
    }
    PlanBeside row{candidates_[i].id, {}, 0};
    for (std::size_t j = 0; j < found->size(); ++j) {
      const Interval<double> slowdown = IntervalOf((*found)[j]);
      row.jobs.push_back({question_.jobs[j].name, slowdown.median, slowdown.p5, slowdown.p95});
    }
    slowed.push_back(Slowed(contenders_.at(i), row.jobs));
    slowed.back().candidate = &candidates_[i];
    out_.beside.push_back(std::move(row));
  }
  const Decision decision(question_, std::move(slowed), reference_s_);
  for (std::size_t i = 0; i < out_.beside.size(); ++i)
    out_.beside[i].metric = decision.At(i, Inputs{}).metric;
}

// Of jobs that are more than one.
void Planning::SayBeside() {
  if (question_.jobs.size() < 2) return;
  std::string note = "Plans are ranked with each job alone, packed";
  if (out_.beside.empty()) {
    out_.notes.push_back(note + ": none slows another" +
                         (out_.beside_note.empty()
                              ? ""
                              : ". They were not run beside each other: " + out_.beside_note) +
                         '.');
    return;
  }
  note += ". One of each beside the others on the fabric built";
  for (const PlanBeside& plan : out_.beside) {
    note += &plan == &out_.beside[0] ? ", of the best: " : "; of the next: ";
    for (const PlanBesideJob& job : plan.jobs)
      note += fmt::format("{}{} {:+.1f} %", &job == &plan.jobs[0] ? "" : ", ", job.job,
                          (job.slowdown - 1) * 100);
  }
  if (out_.beside.size() > 1)
    note += SameMetric(out_.beside[0].metric, out_.beside[1].metric)
                ? "; with these times the two cost the same"
            : out_.beside[0].metric < out_.beside[1].metric
                ? "; with these times the best is still before the next"
                : "; with these times the next would be before the best";
  out_.notes.push_back(note + '.');
}

}  // namespace weft
