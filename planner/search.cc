// Screening, bounds and simulation: which candidates are ranked.
#include <algorithm>
#include <cmath>

#include "planner/planning_internal.h"

namespace weft {

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
  std::size_t best = kNoCandidate;
  for (const std::size_t i : feasible) {
    const Candidate& one = candidates_[i];
    if (one.oversubscription() > 1 + 1e-9 || one.design.family == DesignFamily::kRailOnly) continue;
    const bool better =
        best == kNoCandidate || one.design.nic > candidates_[best].design.nic ||
        (one.design.nic == candidates_[best].design.nic && one.capex() < candidates_[best].capex());
    if (better) best = i;
  }
  reference_[accelerator] = best;
}

std::size_t Planning::Cheapest(const std::vector<std::size_t>& feasible) const {
  std::size_t best = kNoCandidate;
  for (const std::size_t i : feasible)
    if (best == kNoCandidate || candidates_[i].capex() < candidates_[best].capex()) best = i;
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
// first, simulated where simulation is asked for. Those that fail leave `feasible`; kNoCandidate:
// none is left, or the run was stopped.
std::size_t Planning::Yardstick(std::uint32_t accelerator, bool simulate,
                                std::vector<std::size_t>& feasible) {
  while (!feasible.empty()) {
    Reference(accelerator, feasible);
    const std::size_t reference = reference_[accelerator];
    const std::size_t yardstick = reference != kNoCandidate ? reference : feasible[0];
    if (!simulate) return yardstick;
    Contender base = Bounded(yardstick);
    if (Simulate(yardstick, base)) {
      contenders_[yardstick] = std::move(base);
      return yardstick;
    }
    if (out_.partial) return kNoCandidate;
    std::erase(feasible, yardstick);
  }
  return kNoCandidate;
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
  if (yardstick == kNoCandidate) return;
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
    if (!simulate || i == kNoCandidate || contenders_.count(i) > 0) continue;
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

}  // namespace weft
