// Screening, bounds and simulation: which candidates are ranked.
#include <algorithm>
#include <cmath>

#include "base/schema/wording.h"
#include "planner/bill.h"
#include "planner/planning_internal.h"

namespace weft {

void Planning::Screen() {
  sizing_ = SizeAccelerators(question_);
  candidates_ = EnumerateCandidates(question_, sizing_);
  const auto count = static_cast<std::int64_t>(candidates_.size());
#pragma omp parallel num_threads(control_.jobs)
  {
    ScreenMemo memo(question_, market_);
#pragma omp for schedule(dynamic, 64)
    for (std::int64_t i = 0; i < count; ++i) {
      Candidate& one = candidates_[static_cast<std::size_t>(i)];
      ScreenCandidate(memo, one);
      if (!one.feasible()) one.bom = {};  // its totals stay: most of its memory is the rows
    }
  }
  out_.candidates = count;
  for (const Candidate& one : candidates_) {
    if (one.feasible())
      ++out_.feasible;
    else
      out_.rejected.push_back({one.id, one.broken[0].rule, one.broken[0].said});
  }
}

// With every job at its bound, or where nothing is simulated as its closed form estimates it, and
// failures by the parts that it has.
Contender Planning::Bounded(std::size_t candidate) const {
  const Candidate& it = candidates_[candidate];
  Contender out;
  out.candidate = &it;
  const Seconds repair = FromPicoseconds(question_.spec().reliability().repair());
  const FailureRates& rates = question_.RatesOf(it.accelerator, it.chip);
  for (const JobChoice& job : question_.jobs) {
    SimulatedTimes times{{0}, 0, false};
    if (control_.screen_only)
      times = EstimateJob(it, job);
    else
      times.seconds = {BoundSeconds(it, job)};
    out.seconds.push_back(std::move(times.seconds));
    out.exposed.push_back(times.exposed);
    const std::int64_t gpus = std::min(job.gpus.value_or(it.accelerators), it.accelerators);
    out.failures.push_back(ExpectedFailures(ShareOf(it.components, gpus), rates, repair));
  }
  if (question_.jobs.empty())
    out.failures.push_back(ExpectedFailures(it.components, rates, repair));
  return out;
}

// At the middle of everything.
double Planning::MetricOf(const Contender& contender) const {
  return Decision::AtMiddle(question_, contender, reference_s_).metric;
}

// The metric by the screened bill, and by the least that any bill of the design comes to: what the
// design is useful for hangs on neither.
void Planning::SetBound(std::size_t candidate) {
  const Candidate& it = candidates_[candidate];
  const Figures figures = Decision::AtMiddle(question_, Bounded(candidate), reference_s_);
  screened_[candidate] = figures;
  const BillFloor least = LeastBill(question_, market_, it, link_options_);
  const PlanDecideSpec& decide = question_.spec().decide();
  const double support = 1 + decide.support() * decide.horizon();
  const double energy = figures.usd - it.capex() * support;  // in proportion to the watts
  bound_[candidate] = (least.usd * support + energy * least.watts / it.totals.power.mid.count()) /
                      figures.useful_pflop_days;
}

// It was thought feasible, and is not.
void Planning::Reject(std::size_t candidate) {
  const Candidate& it = candidates_[candidate];
  out_.rejected.push_back({it.id, it.broken.back().rule, it.broken.back().said});
  --out_.feasible;
}

// The bill of the fabric built and cabled; false where it cannot be, or breaks a rule.
bool Planning::MakeBillExact(std::size_t candidate, FabricCache* cache) {
  Candidate& it = candidates_[candidate];
  if (!it.feasible()) return false;
  if (it.exact) return true;
  const double usd = it.capex();
  MakeExact(question_, it, nullptr, cache);
  if (!it.feasible()) {
    Reject(candidate);
    return false;
  }
  if (it.exact) {
    screened_below_ = std::min(screened_below_, usd / it.capex() - 1);
    screened_above_ = std::max(screened_above_, usd / it.capex() - 1);
    off_[{it.accelerator, it.design.family}] = it.capex() / usd;
    ++built_;
  }
  return true;
}

// Simulates every job, on the fabric whose bill is then the candidate's: so its bound is below it.
bool Planning::Simulate(std::size_t candidate) {
  FabricCache cache;
  if (!MakeBillExact(candidate, &cache)) return false;
  Contender contender = Bounded(candidate);
  const auto jobs = static_cast<double>(question_.jobs.size());
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    const std::string& what = candidates_[candidate].id;
    pace_.Say(what, static_cast<double>(j) / jobs);
    auto times = SimulateJob(question_, candidates_[candidate], question_.jobs[j],
                             pace_.Run(what, static_cast<double>(j), jobs), control_.store, cache);
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
    contender.exposed[j] = times->exposed;
  }
  contender.simulated = true;
  ++out_.simulated;
  ++pace_.done;
  contenders_[candidate] = std::move(contender);
  return true;
}

// The cheapest non-blocking candidate with the fastest NICs.
void Planning::Reference(std::uint32_t accelerator, const std::vector<std::size_t>& feasible) {
  std::size_t best = kNoCandidate;
  for (const std::size_t i : feasible) {
    const Candidate& one = candidates_[i];
    if (one.oversubscription() > 1 + 1e-9 || one.design.family == DesignFamily::kRailOnly ||
        JoinsRouters(one.design.family))
      continue;
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

// The cheapest by bills of fabrics that were built: by the screened bill, and by how far off that
// was of the family's last one, the next is taken until one that was built is still the cheapest.
// kNoCandidate: none of those taken can be built.
std::size_t Planning::CheapestBuilt(std::vector<std::size_t> feasible) {
  constexpr int kMost = 8;
  constexpr double kTried = 0.98;  // so that each family that comes near is built once
  const auto usd = [&](std::size_t i) {
    const Candidate& it = candidates_[i];
    const auto of = off_.find({it.accelerator, it.design.family});
    if (it.exact) return it.capex();
    return it.capex() * (of == off_.end() ? kTried : of->second);
  };
  for (int taken = 0; taken < kMost && !feasible.empty(); ++taken) {
    const std::size_t first =
        *std::min_element(feasible.begin(), feasible.end(),
                          [&](std::size_t a, std::size_t b) { return usd(a) < usd(b); });
    const Candidate& it = candidates_[first];
    const bool was = it.exact;
    if (!MakeBillExact(first, nullptr)) {
      std::erase(feasible, first);
      continue;
    }
    if (was || !it.exact) return first;
  }
  std::erase_if(feasible, [&](std::size_t i) { return !candidates_[i].exact; });
  return Cheapest(feasible);
}

// [NV-SPB200]: rail-optimised, one port a NIC, 1:1, evenly spread.
std::size_t Planning::Nvidia(const std::vector<std::size_t>& feasible) {
  std::vector<std::size_t> alike;
  for (const std::size_t i : feasible) {
    const Candidate& one = candidates_[i];
    if (one.design.family == DesignFamily::kRailOptimized && one.design.nic_ports == 1 &&
        one.design.even && one.oversubscription() < 1 + 1e-9 && one.design.uplink == one.design.nic)
      alike.push_back(i);
  }
  return CheapestBuilt(std::move(alike));
}

// What others' speed is counted against: the non-blocking candidate, or where there is none the
// first, simulated where simulation is asked for. Those that fail leave `feasible`; kNoCandidate:
// none is left, or the run was stopped.
std::size_t Planning::Yardstick(std::uint32_t accelerator, std::vector<std::size_t>& feasible) {
  while (!feasible.empty()) {
    Reference(accelerator, feasible);
    const std::size_t reference = reference_[accelerator];
    const std::size_t yardstick = reference != kNoCandidate ? reference : feasible[0];
    if (!simulates() || Simulate(yardstick)) return yardstick;
    if (out_.partial) return kNoCandidate;
    std::erase(feasible, yardstick);
  }
  return kNoCandidate;
}

Result<void> Planning::FindCompared() {
  std::map<std::string, std::size_t> by_id;
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    by_id[candidates_[i].id] = i;
    ids.push_back(candidates_[i].id);
  }
  Errors errors;
  for (int i = 0; i < question_.spec().decide().compare_size(); ++i) {
    const std::string& id = question_.spec().decide().compare(i);
    if (const auto at = by_id.find(id); at != by_id.end())
      compared_.push_back(at->second);
    else
      errors.push_back({ErrorCode::kUnknownKey,
                        question_.located->At("decide.compare[" + std::to_string(i) + "]"),
                        "no plan of this question is called '" + id + "'",
                        Nearest(id, ids).empty() ? "--explain names all"
                                                 : "did you mean '" + Nearest(id, ids) + "'?"});
  }
  if (errors.empty()) return {};
  return tl::make_unexpected(std::move(errors));
}

void Planning::Evaluate(std::uint32_t accelerator) {
  std::vector<std::size_t> feasible;
  for (std::size_t i = 0; i < candidates_.size(); ++i)
    if (candidates_[i].feasible() && candidates_[i].accelerator == accelerator)
      feasible.push_back(i);
  if (feasible.empty()) return;
  std::vector<double>& seconds = reference_s_[accelerator];
  seconds.assign(question_.jobs.size(), 0);
  const std::size_t yardstick = Yardstick(accelerator, feasible);
  if (yardstick == kNoCandidate) return;
  yardstick_[accelerator] = yardstick;
  const Contender base = simulates() ? contenders_.at(yardstick) : Bounded(yardstick);
  for (std::size_t j = 0; j < question_.jobs.size(); ++j) {
    std::vector<double> sorted = base.seconds[j];
    std::sort(sorted.begin(), sorted.end());
    seconds[j] = sorted[(sorted.size() - 1) / 2];
  }
  for (const std::size_t i : feasible) SetBound(i);
  if (simulates())
    Search(accelerator, feasible);
  else
    TakeScreened(feasible);
}

// Between any two accelerators. Between rails that do not meet there is none: they come after all
// others, and among themselves by what a rail has.
double Planning::Bandwidth(std::size_t candidate) const {
  constexpr double kBehind = 1e-9;
  const Candidate& it = candidates_[candidate];
  if (it.design.family == DesignFamily::kRailOnly)
    return it.gpu_rate().bits_per_second() / it.oversubscription() * kBehind;
  if (JoinsRouters(it.design.family)) return it.gpu_rate().bits_per_second() / WorstLoad(it.design);
  return it.gpu_rate().bits_per_second() / it.oversubscription();
}

// Whether it may be ranked by its metric: without jobs only what has the most bandwidth.
bool Planning::Rankable(std::size_t candidate) const {
  return !question_.jobs.empty() ||
         Bandwidth(candidate) >= most_bps_[candidates_[candidate].accelerator] * (1 - 1e-9);
}

// Without simulation: taken in the order of the screened metric, built, and ranked on what was
// built.
void Planning::TakeScreened(const std::vector<std::size_t>& feasible) {
  double& most = most_bps_[candidates_[feasible[0]].accelerator];
  for (const std::size_t i : feasible) most = std::max(most, Bandwidth(i));
  std::vector<std::size_t> order;
  for (const std::size_t i : feasible)
    if (Rankable(i)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return screened_[a].metric < screened_[b].metric;
  });
  const auto cap = static_cast<std::size_t>(question_.spec().decide().finalists());
  double best = INFINITY;
  std::size_t taken = 0;
  for (const std::size_t i : order) {
    if (taken == cap) {
      if (bound_[i] < best) ++out_.could_still_win;
      continue;
    }
    if (!MakeBillExact(i, nullptr)) continue;
    contenders_[i] = Bounded(i);
    best = std::min(best, MetricOf(contenders_.at(i)));
    ++taken;
  }
  for (const std::size_t i : compared_)
    if (std::count(feasible.begin(), feasible.end(), i) > 0 && MakeBillExact(i, nullptr))
      contenders_[i] = Bounded(i);
}

// Simulates in the order of the screened bound, but for what cannot be better than the best that
// was simulated: for that the bound stands on the least that a bill of the design can be (bill.h),
// so that nothing is passed over whose fabric, built, would be first. Before a simulation is spent
// the bill is made exact, and the bound taken on it.
void Planning::Search(std::uint32_t accelerator, const std::vector<std::size_t>& feasible) {
  // Page one shows these, so they are held against the others in full.
  taken_[accelerator] = {CheapestBuilt(feasible), Nvidia(feasible)};
  std::vector<std::size_t> shown{taken_[accelerator].first, taken_[accelerator].second};
  shown.insert(shown.end(), compared_.begin(), compared_.end());
  for (const std::size_t i : shown)
    if (i != kNoCandidate && candidates_[i].accelerator == accelerator &&
        candidates_[i].feasible() && contenders_.count(i) == 0 && !out_.partial)
      Simulate(i);
  double best = INFINITY;
  for (const auto& [i, contender] : contenders_)
    if (candidates_[i].accelerator == accelerator) best = std::min(best, MetricOf(contender));
  std::vector<std::size_t> order = feasible;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return screened_[a].metric < screened_[b].metric;
  });
  const auto cap = static_cast<std::size_t>(question_.spec().decide().finalists());
  std::size_t done = 0;
  for (const std::size_t i : order) {
    if (bound_[i] > best || contenders_.count(i) > 0 || !candidates_[i].feasible()) continue;
    if (out_.partial || done == cap) {
      ++out_.could_still_win;
      continue;
    }
    if (control_.stop && control_.stop()) {
      out_.partial = true;
      ++out_.could_still_win;
      continue;
    }
    if (!MakeBillExact(i, nullptr) || MetricOf(Bounded(i)) > best) continue;
    ++done;
    if (!Simulate(i)) continue;
    best = std::min(best, MetricOf(contenders_.at(i)));
  }
}

}  // namespace weft
