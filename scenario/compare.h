// Several scenarios under the same seeds, laid beside a base.
//
// The base is the first case; where several files are swept over the same values,
// it is the first file's case with the same values.
//
// A ratio is paired: figure of the case over figure of the base, seed by seed,
// then median and 5–95 % over the seeds; so what a lottery of hashes adds to both
// is not counted twice.
//
// Errors   none: the cases were prepared before.
// Repeats  as RunScenario.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scenario/prepare.h"
#include "scenario/run_report.h"
#include "scenario/run_scenario.h"

namespace weft {

struct InputDifference {
  std::string key;                  // fabric.planes
  std::vector<std::string> values;  // [cases] as a user would write them; "-": absent
};

struct PairedDifference {
  std::string key;             // collectives[0].busbw_GBps
  std::size_t case_index = 0;  // against its base
  double base = 0, value = 0;  // medians
  Interval<double> ratio;
};

// What a slowdown of communication does to an iteration of which a share X is
// exposed communication: 1 − 1/(1 + X(f − 1)), f the slowdown. From the iteration's
// time, (1 − X) + X·f times what it was.
struct LossCurve {
  std::size_t case_index = 0;
  double slowdown = 1;                            // f, of the slowest rail, median
  std::vector<std::pair<double, double>> points;  // (X, loss)
  double published_loss = 0;
  std::optional<double> published_at;  // the X at which the curve meets the figure; none: no X does
  std::string source;
};

struct Comparison {
  std::vector<std::string> labels;    // [cases] what tells the cases apart
  std::vector<std::string> variants;  // [cases] the values laid over the file
  std::vector<std::size_t> base_of;   // [cases]
  std::vector<RunReport> cases;
  std::vector<InputDifference> inputs;
  std::vector<PairedDifference> differences;
  std::vector<std::pair<std::size_t, PublishedRow>> published;  // (case, row)
  std::vector<LossCurve> curves;
  bool partial = false;
};

// The loss that the curve gives at exposed share `exposed`, and the share at
// which it gives `loss`. Requires: slowdown > 1, 0 <= loss < 1.
double IterationLoss(double exposed, double slowdown);
double ExposedShareFor(double loss, double slowdown);

// Cases in groups of equal `variant`, the first of each group its base; one group where no
// variant comes twice. Runs the cases one after the other, each over its seeds, and compares.
Comparison CompareScenarios(const std::vector<PreparedScenario>& cases, const RunControl& control);

}  // namespace weft
