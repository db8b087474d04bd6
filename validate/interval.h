// The 90 % interval of a time, from tables that were held out: how far a source that had no say in
// the fit is from what was simulated.
//
// A residual is the log of measured over simulated of a point. By class of hosts (a row) and range
// of sizes (a column) its mean square about 0 is, exactly, two parts, sources counting alike:
//
//   between   (the source's mean)², the mean of its tables' means; as many degrees of freedom as
//             the class has sources
//   within    the rest: about that mean, tables alike; as many degrees as it has tables
//
// Few sources tell a variance badly: two that happen to agree would promise what nobody can. So
// each part of each class is drawn towards that of the other classes at the same sizes by empirical
// Bayes: variances of d degrees are scaled chi-square about true ones, which are drawn from a
// scaled inverse chi-square with ν₀ degrees about s₀² of their column. ν₀, one for each part, and
// s₀² are found from the logs' means and variances, and a class's variance becomes
//
//   (ν₀ s₀² + d s²) / (ν₀ + d)    with ν₀ + d degrees of freedom    [Smy04 §§3, 6.2]
//
// though never with more degrees than all classes of the column have together, for s₀² is no better
// known than that. A column of one class alone has nothing to be drawn to and keeps its own. The
// interval of a point is ± t · √(between + within), t Student's quantile with the sum's degrees
// [Sat46].
//
// Errors   none.
// Cost     linear in the residuals.
// Oracle   residuals drawn with known deviations: nine of ten points of new sources are inside
//          (tests/validate/fit_test.cc).
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

struct Residual {
  std::size_t row = 0, column = 0;
  std::size_t source = 0, table = 0;  // numbers of any kind
  double value = 0;
};

// A variance and how well it is known.
struct Variance {
  double value = 0, degrees = 0;
};

class ResidualSpread {
 public:
  explicit ResidualSpread(const std::vector<Residual>& residuals);

  // What nine of ten residuals of a new source are below in size; of a row without residuals what
  // the other rows of the column say, where there are two or more; else none.
  std::optional<double> HalfWidth(std::size_t row, std::size_t column) const;

 private:
  using Cells = std::map<std::pair<std::size_t, std::size_t>, Variance>;  // by row, column
  struct Prior {
    Variance variance;       // s₀² with ν₀; without degrees where a row is alone
    double all_degrees = 0;  // of the column's rows together
  };
  using Priors = std::map<std::size_t, Prior>;  // by column
  static Priors PriorsOf(const Cells& cells);
  static Variance Drawn(const Cells& cells, const Priors& priors, std::size_t row,
                        std::size_t column);

  Cells between_, within_;
  Priors between_prior_, within_prior_;
};

// What 95 % of Student's distribution lie below: a series in 1 / degrees, 0.3 % off at two degrees
// and 5 % at one, which is the least [AS64 26.7.5].
double StudentQuantile95(double degrees);

}  // namespace weft
