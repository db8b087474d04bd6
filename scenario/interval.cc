#include <algorithm>

#include "base/check.h"
#include "scenario/run_report.h"

namespace weft {

double PercentileOf(const std::vector<double>& sorted, double p) {
  const double position = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  const double weight = position - static_cast<double>(below);
  return sorted[below] + weight * (sorted[above] - sorted[below]);
}

Interval<double> IntervalOf(std::vector<double> values) {
  WEFT_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  return {PercentileOf(values, 0.5), PercentileOf(values, 0.05), PercentileOf(values, 0.95)};
}

}  // namespace weft
