#include "scenario/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/check.h"
#include "base/schema/flatten.h"
#include "scenario/side_by_side_internal.h"

namespace weft {
namespace {

// Keys whose values are not the same in all cases, in schema order.
std::vector<InputDifference> DifferingInputs(std::span<const PreparedScenario> cases) {
  std::vector<std::map<std::string, std::string>> flat;
  for (const PreparedScenario& one : cases) flat.push_back(Flatten(one.spec.message));
  std::map<std::string, std::vector<std::string>> all;
  for (std::size_t i = 0; i < flat.size(); ++i)
    for (const auto& [key, value] : flat[i])
      all.try_emplace(key, cases.size(), "-").first->second[i] = value;
  std::vector<InputDifference> out;
  for (auto& [key, values] : all) {
    const bool same = std::equal(values.begin() + 1, values.end(), values.begin());
    if (!same && !key.starts_with("published")) out.push_back({key, std::move(values)});
  }
  return out;
}

// What each finished seed of a case yields, ascending by seed.
struct BySeed {
  const std::vector<std::uint64_t>& seed;  // [seeds]
  std::vector<double> value;               // [seeds]
};

// value/base seed by seed; the seeds both have: a run that was stopped may lack some.
Interval<double> PairedRatio(const BySeed& base, const BySeed& one) {
  std::vector<double> ratios;
  for (std::size_t i = 0, b = 0; i < one.value.size(); ++i) {
    while (b < base.value.size() && base.seed[b] < one.seed[i]) ++b;
    if (b == base.value.size()) break;
    if (base.seed[b] == one.seed[i] && base.value[b] > 0)
      ratios.push_back(one.value[i] / base.value[b]);
  }
  return ratios.empty() ? Interval<double>{1, 1, 1} : IntervalOf(ratios);
}

bool Comparable(const RunReport& a, const RunReport& b, std::size_t collective) {
  return collective < a.collectives.size() && collective < b.collectives.size() &&
         a.collectives[collective].done() && b.collectives[collective].done();
}

void AddDifferences(std::size_t index, Comparison& comparison) {
  const RunReport &base = comparison.cases[comparison.base_of[index]],
                  &one = comparison.cases[index];
  if (base.makespan_by_seed_s.empty() || one.makespan_by_seed_s.empty()) return;
  const bool traffic = base.collectives.empty() || one.collectives.empty();
  if (traffic && base.incomplete.empty() && one.incomplete.empty())
    comparison.differences.push_back({"makespan_s", index, base.makespan_s.median,
                                      one.makespan_s.median,
                                      PairedRatio({base.seed_numbers, base.makespan_by_seed_s},
                                                  {one.seed_numbers, one.makespan_by_seed_s})});
  for (std::size_t j = 0; j < std::min(base.jobs.size(), one.jobs.size()); ++j) {
    const JobReport &was = base.jobs[j], &now = one.jobs[j];
    comparison.differences.push_back({fmt::format("jobs[{}].time_s", j), index, was.time_s.median,
                                      now.time_s.median,
                                      PairedRatio({base.seed_numbers, was.time_by_seed_s},
                                                  {one.seed_numbers, now.time_by_seed_s})});
    comparison.differences.push_back({fmt::format("jobs[{}].slowdown", j), index,
                                      was.slowdown.median, now.slowdown.median,
                                      PairedRatio({base.seed_numbers, was.slowdown_by_seed},
                                                  {one.seed_numbers, now.slowdown_by_seed})});
  }
  for (std::size_t c = 0; c < one.collectives.size(); ++c) {
    if (!Comparable(base, one, c)) continue;
    const CollectiveReport &was = base.collectives[c], &now = one.collectives[c];
    comparison.differences.push_back({fmt::format("collectives[{}].busbw_GBps", c), index,
                                      was.busbw_bytes_per_s.median / 1e9,
                                      now.busbw_bytes_per_s.median / 1e9,
                                      PairedRatio({base.seed_numbers, base.busbw_by_seed[c]},
                                                  {one.seed_numbers, one.busbw_by_seed[c]})});
    comparison.differences.push_back({fmt::format("collectives[{}].busbw_mean_rail_GBps", c), index,
                                      was.busbw_mean_rail_bytes_per_s->median / 1e9,
                                      now.busbw_mean_rail_bytes_per_s->median / 1e9,
                                      PairedRatio({base.seed_numbers, base.busbw_mean_by_seed[c]},
                                                  {one.seed_numbers, one.busbw_mean_by_seed[c]})});
  }
}

LossCurve MakeCurve(const Comparison& comparison, std::size_t index, double loss,
                    const std::string& source) {
  const RunReport &base = comparison.cases[comparison.base_of[index]],
                  &one = comparison.cases[index];
  LossCurve curve;
  curve.case_index = index;
  curve.slowdown = PairedRatio({base.seed_numbers, base.collective_by_seed_s.back()},
                               {one.seed_numbers, one.collective_by_seed_s.back()})
                       .median;
  curve.published_loss = loss;
  curve.source = source;
  if (curve.slowdown <= 1) return curve;
  if (loss <= IterationLoss(1, curve.slowdown))
    curve.published_at = ExposedShareFor(loss, curve.slowdown);
  std::vector<double> exposed{0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1};
  if (curve.published_at) exposed.push_back(*curve.published_at);
  std::sort(exposed.begin(), exposed.end());
  for (const double x : exposed) curve.points.emplace_back(x, IterationLoss(x, curve.slowdown));
  return curve;
}

// Of iterations: tokens a second over the base's, seed by seed, less 1.
void AddThroughputGains(const PreparedScenario& scenario, std::size_t index,
                        Comparison& comparison) {
  const RunReport &base = comparison.cases[comparison.base_of[index]],
                  &one = comparison.cases[index];
  if (comparison.base_of[index] == index || !base.iteration || !one.iteration) return;
  const Interval<double> times = PairedRatio({one.seed_numbers, one.makespan_by_seed_s},
                                             {base.seed_numbers, base.makespan_by_seed_s});
  const auto tokens = [](const IterationReport& i) {
    return i.tokens_per_s.median * i.time_s.median;
  };
  const double more = tokens(*one.iteration) / tokens(*base.iteration);
  const Interval<double> ratio{times.median * more, times.p5 * more, times.p95 * more};
  for (const PublishedSpec& spec : scenario.spec.message.published()) {
    if (spec.figure() != PublishedSpec::THROUGHPUT_GAIN) continue;
    PublishedRow row;
    row.figure = "throughput_gain";
    row.source = spec.source();
    row.note = spec.note();
    row.published = spec.share();
    row.ours = Interval<double>{ratio.median - 1, ratio.p5 - 1, ratio.p95 - 1};
    row.deviation = ratio.median / (1 + row.published) - 1;
    comparison.published.emplace_back(index, row);
  }
}

void AddPublished(const PreparedScenario& scenario, std::size_t index, Comparison& comparison) {
  const RunReport &base = comparison.cases[comparison.base_of[index]],
                  &one = comparison.cases[index];
  for (const PublishedRow& row : one.published) comparison.published.emplace_back(index, row);
  AddThroughputGains(scenario, index, comparison);
  if (comparison.base_of[index] == index || one.collectives.empty() ||
      !Comparable(base, one, one.collectives.size() - 1))
    return;
  for (const PublishedSpec& spec : scenario.spec.message.published()) {
    if (spec.figure() == PublishedSpec::ITERATION_LOSS)
      comparison.curves.push_back(MakeCurve(comparison, index, spec.share(), spec.source()));
    if (spec.figure() != PublishedSpec::GAIN) continue;
    PublishedRow row;
    row.figure = "gain";
    row.source = spec.source();
    row.note = spec.note();
    row.published = spec.share();  // a gain hangs on what is seldom published: no figure of ours
    comparison.published.emplace_back(index, row);
  }
}

// The first case of each case's group.
std::vector<std::size_t> Bases(const std::vector<PreparedScenario>& cases) {
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cases.size(); ++i) groups[cases[i].variant].push_back(i);
  std::vector<std::size_t> bases(cases.size(), 0);
  if (groups.size() == cases.size()) return bases;
  for (const auto& [values, members] : groups)
    for (const std::size_t member : members) bases[member] = members.front();
  return bases;
}

}  // namespace

double IterationLoss(double exposed, double slowdown) {
  return 1 - 1 / (1 + exposed * (slowdown - 1));
}

double ExposedShareFor(double loss, double slowdown) {
  WEFT_CHECK(slowdown > 1 && loss < 1);
  return (1 / (1 - loss) - 1) / (slowdown - 1);
}

namespace {

// Cases side by side on the threads, each over its seeds one after the other.
void RunBeside(const std::vector<PreparedScenario>& cases, const RunControl& control,
               std::vector<std::optional<RunReport>>& reports) {
  RunControl inner = control;
  inner.threads = 1;
  inner.progress = nullptr;
  SideBySide(cases.size(), control.threads, control.progress, [&](std::size_t i) {
    if (control.stop()) return;
    reports[i] = RunScenario(cases[i], inner);
    reports[i]->run.threads = control.threads;
  });
}

// One case after the other, each with its seeds on the threads.
void RunInTurn(const std::vector<PreparedScenario>& cases, const RunControl& control,
               std::vector<std::optional<RunReport>>& reports) {
  for (std::size_t i = 0; i < cases.size() && !control.stop(); ++i) {
    RunControl inner = control;
    if (control.progress)
      inner.progress = [&](double share) {
        control.progress((static_cast<double>(i) + share) / static_cast<double>(cases.size()));
      };
    reports[i] = RunScenario(cases[i], inner);
  }
}

}  // namespace

// Many cases keep the threads busier than a case's seeds do; what a run gives is the same.
Comparison CompareScenarios(const std::vector<PreparedScenario>& cases, const RunControl& control) {
  Comparison comparison;
  comparison.base_of = Bases(cases);
  std::vector<std::optional<RunReport>> reports(cases.size());
  if (cases.size() >= 4 * static_cast<std::size_t>(std::max(1, control.threads)))
    RunBeside(cases, control, reports);
  else
    RunInTurn(cases, control, reports);
  // What was stopped leaves a gap; the comparison is of the cases before it.
  for (std::size_t i = 0; i < cases.size() && reports[i]; ++i) {
    comparison.cases.push_back(*std::move(reports[i]));
    comparison.labels.push_back(cases[i].label);
    comparison.variants.push_back(cases[i].variant);
    comparison.partial = comparison.partial || comparison.cases.back().partial;
  }
  comparison.partial = comparison.partial || comparison.cases.size() < cases.size();
  comparison.inputs = DifferingInputs(std::span(cases).first(comparison.cases.size()));
  for (std::size_t i = 0; i < comparison.cases.size(); ++i) {
    if (comparison.base_of[i] != i) AddDifferences(i, comparison);
    AddPublished(cases[i], i, comparison);
  }
  return comparison;
}

}  // namespace weft
