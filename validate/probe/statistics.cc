#include "validate/probe/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace weft::probe {
namespace {

// Of sorted samples, `share` of the way from the first to the last.
double At(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Summary Summarise(std::vector<double> samples_us, int calls) {
  std::sort(samples_us.begin(), samples_us.end());
  Summary out;
  out.samples = static_cast<int>(samples_us.size());
  out.calls = calls;
  out.median_us = At(samples_us, 0.5);
  out.p5_us = At(samples_us, 0.05);
  out.p95_us = At(samples_us, 0.95);
  out.min_us = samples_us.front();
  out.mean_us = std::accumulate(samples_us.begin(), samples_us.end(), 0.0) /
                static_cast<double>(samples_us.size());
  return out;
}

std::string Summary::Fields() const {
  char text[256];
  std::snprintf(text, sizeof text,
                "\"samples\": %d, \"calls\": %d, \"median_us\": %.3f, \"p5_us\": %.3f, "
                "\"p95_us\": %.3f, \"min_us\": %.3f, \"mean_us\": %.3f",
                samples, calls, median_us, p5_us, p95_us, min_us, mean_us);
  return text;
}

Summary Measure(const std::function<double(int)>& batch, const Effort& effort) {
  int calls = 1;
  double once_us = batch(1);  // the first call pays for set-up
  while (true) {
    const double all_us = batch(calls);
    once_us = std::max(all_us / calls, 1e-3);
    if (all_us >= effort.batch_us || calls >= effort.most_calls) break;
    const double want = std::ceil(1.2 * effort.batch_us / once_us);
    calls = std::min(effort.most_calls, std::max(calls + 1, static_cast<int>(std::min(want, 1e6))));
  }
  for (double warm_us = 0; warm_us < effort.warm_us;) warm_us += std::max(batch(calls), 1.0);
  std::vector<double> samples;
  double spent_us = 0;
  while (static_cast<int>(samples.size()) < effort.most_batches) {
    const double all_us = batch(calls);
    samples.push_back(all_us / calls);
    spent_us += all_us;
    if (static_cast<int>(samples.size()) < effort.least_batches) continue;
    std::vector<double> sorted = samples;
    std::sort(sorted.begin(), sorted.end());
    const double spread = (At(sorted, 0.75) - At(sorted, 0.25)) / At(sorted, 0.5);
    if (spread / std::sqrt(static_cast<double>(sorted.size())) < effort.settled) break;
    if (spent_us > effort.limit_us) break;
  }
  return Summarise(samples, calls);
}

}  // namespace weft::probe
