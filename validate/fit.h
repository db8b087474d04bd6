// Fits the time model's constants to measured tables: a robust posterior mode.
//
// A constant is its prior times exp(log_sigma · x), so that x is normal with mean 0 and deviation 1
// before any table is seen. Minimised over all x within the constants' bounds [CERES]:
//
//     Σ tables  w Σ points  ρ( log(simulated / measured) / s )    what was measured
//   + Σ constants   ((x − m of its kind) / t)²                    classes are alike ...
//   + Σ kinds       (m / t)²        t = 1/√2                      ... and near their priors
//
// A kind is one constant over all classes: hopper.launch and ampere.launch share the mean m, so
// that what one class shows moves the others, half as much (a hierarchical prior [GCS+13 §5]). ρ is
// Cauchy's, so that a row that does not fit pulls ever less; w makes a table count as some points,
// however many it has: its rows are not independent.
//
// A constant whose deviation the tables do not halve in variance is not told by them: it is put
// back to its prior, called so, and the others are fitted again.
//
// Errors   none: where nothing can be fitted, every constant is at its prior.
// Cost     some hundred evaluations of every point: a second for thousands of points.
// Repeats  the same tables in the same order give the same bits: one thread, no clock.
// Oracle   tables made by the model itself give its constants back (tests/validate/fit_test.cc).
#pragma once

#include <vector>

#include "validate/comparison.h"

namespace weft {

struct FittedConstant {
  std::size_t row = 0;                  // of CollectiveParameters()
  double value = 0, low = 0, high = 0;  // and its 90 % interval
  double told = 0;                      // share of the prior's variance that the tables took away
  bool at_prior = false;
};

struct ConstantsFit {
  CollectiveConstants constants;
  std::vector<FittedConstant> rows;  // the constants that any table hangs on, ascending
  double cost = 0;
  int iterations = 0;
  bool converged = true;  // else it stopped at the limit of iterations: the values are its last
};

// Fits to cases.tables[t] for t in `tables`, beginning at `from`.
ConstantsFit FitConstants(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
                          const CollectiveConstants& from = {});

}  // namespace weft
