// What is kept of the samples of one step.
//
// A sample is the mean time of one call in a batch of calls back to back, as nccl-tests times
// them; batches repeat until the median is settled or a limit is reached.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace weft::probe {

struct Summary {
  int samples = 0, calls = 0;  // calls: of one batch
  double median_us = 0, p5_us = 0, p95_us = 0, min_us = 0, mean_us = 0;

  std::string Fields() const;  // as JSON members, times to the nanosecond
};

// Percentiles are interpolated linearly between ranks. Requires: samples not empty.
Summary Summarise(std::vector<double> samples_us, int calls);

struct Effort {
  double batch_us = 2000;  // a batch lasts at least this, so that the clock's grain is small
  int least_batches = 5, most_batches = 25;
  double settled = 0.01;  // stop when (p75 - p25) / median / sqrt(batches) is below
  double limit_us = 2e6;  // of a whole step, once the fewest batches are done
  int most_calls = 2000;  // of a batch
  double warm_us = 0;     // at work before anything counts, as clocks fall at the power limit
};

// `batch(n)` runs n calls and returns the time of all in microseconds; the first ones, which size
// the batches and go on for `warm_us`, are a warm-up and not counted.
Summary Measure(const std::function<double(int)>& batch, const Effort& effort = {});

}  // namespace weft::probe
