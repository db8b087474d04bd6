#include "validate/fit.h"

#include <ceres/ceres.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>

#include "base/check.h"

namespace weft {
namespace {

constexpr double kPointSigma = 0.06;  // of log(simulated / measured), sites alike [NCCL tables]
constexpr double kTablePoints = 6;    // that a table counts as
constexpr double kRobustFrom = 1.5;   // deviations from which a point pulls less
constexpr double kTie = 0.7071067811865476;
constexpr double kLeastTold = 0.5;  // share of variance that makes a constant told
constexpr double kStep = 1e-4;      // of differences, in deviations of the prior

// The unknowns: x of the free constants, then m of the kinds they are of.
struct Unknowns {
  std::vector<std::size_t> rows;     // [free]
  std::vector<std::size_t> kind_of;  // [free]
  std::size_t kinds = 0;
  std::vector<std::ptrdiff_t> place;  // [parameters], -1: not free
  std::size_t count() const { return rows.size() + kinds; }
};

double ValueAt(std::size_t row, double x) {
  const CollectiveParameter& p = CollectiveParameters()[row];
  return std::clamp(p.prior * std::exp(p.log_sigma * x), p.low, p.high);
}

double XAt(std::size_t row, double value) {
  const CollectiveParameter& p = CollectiveParameters()[row];
  return std::log(value / p.prior) / p.log_sigma;
}

// "launch" of "hopper.launch", kept apart for GPUs and networks, which have other constants.
std::string KindOf(const std::string& name) {
  const std::size_t dot = name.find('.');
  const std::string of = name.substr(0, dot);
  const bool net = of == "ib" || of == "roce" || of == "efa" || of == "slingshot";
  return (net ? "net" : of == "pcie" ? "pcie" : "gpu") + name.substr(dot);
}

Unknowns MakeUnknowns(const std::set<std::size_t>& rows) {
  Unknowns out;
  out.place.assign(CollectiveParameters().size(), -1);
  std::map<std::string, std::size_t> kinds;
  for (const std::size_t row : rows) {
    out.place[row] = static_cast<std::ptrdiff_t>(out.rows.size());
    out.rows.push_back(row);
    out.kind_of.push_back(
        kinds.try_emplace(KindOf(CollectiveParameters()[row].name), kinds.size()).first->second);
  }
  out.kinds = kinds.size();
  return out;
}

// log(simulated / measured) / s of one point; central differences, for the constants it hangs on.
class PointCost : public ceres::CostFunction {
 public:
  PointCost(const MeasuredCases& cases, const MeasuredCase& point, const Unknowns& unknowns)
      : model_(cases.models[point.model]), point_(point), unknowns_(unknowns) {
    set_num_residuals(1);
    mutable_parameter_block_sizes()->push_back(static_cast<int>(unknowns.count()));
  }

  bool Evaluate(double const* const* parameters, double* residuals,
                double** jacobians) const override {
    const double* const x = parameters[0];
    CollectiveConstants constants;
    for (std::size_t i = 0; i < unknowns_.rows.size(); ++i)
      constants.values[unknowns_.rows[i]] = ValueAt(unknowns_.rows[i], x[i]);
    residuals[0] = Residual(constants);
    if (!jacobians || !jacobians[0]) return std::isfinite(residuals[0]);
    std::fill(jacobians[0], jacobians[0] + unknowns_.count(), 0);
    for (const std::size_t row : model_.parameters()) {
      const std::ptrdiff_t place = unknowns_.place[row];
      if (place < 0) continue;
      const double at = x[place], kept = constants.values[row];
      constants.values[row] = ValueAt(row, at + kStep);
      const double above = Residual(constants);
      constants.values[row] = ValueAt(row, at - kStep);
      jacobians[0][place] = (above - Residual(constants)) / (2 * kStep);
      constants.values[row] = kept;
    }
    return std::isfinite(residuals[0]);
  }

 private:
  double Residual(const CollectiveConstants& constants) const {
    return std::log(model_.Time(point_.which, constants).us / point_.measured_us) / kPointSigma;
  }

  const CollectiveModel& model_;
  const MeasuredCase& point_;
  const Unknowns& unknowns_;
};

// The two sums of priors: linear, so the derivatives are constants.
class PriorCost : public ceres::CostFunction {
 public:
  explicit PriorCost(const Unknowns& unknowns) : unknowns_(unknowns) {
    set_num_residuals(static_cast<int>(unknowns.count()));
    mutable_parameter_block_sizes()->push_back(static_cast<int>(unknowns.count()));
  }

  bool Evaluate(double const* const* parameters, double* residuals,
                double** jacobians) const override {
    const double* const x = parameters[0];
    const std::size_t n = unknowns_.count(), free = unknowns_.rows.size();
    for (std::size_t i = 0; i < n; ++i)
      residuals[i] = (i < free ? x[i] - x[free + unknowns_.kind_of[i]] : x[i]) / kTie;
    if (!jacobians || !jacobians[0]) return true;
    std::fill(jacobians[0], jacobians[0] + n * n, 0);
    for (std::size_t i = 0; i < n; ++i) {
      jacobians[0][i * n + i] = 1 / kTie;
      if (i < free) jacobians[0][i * n + free + unknowns_.kind_of[i]] = -1 / kTie;
    }
    return true;
  }

 private:
  const Unknowns& unknowns_;
};

void AddPoints(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
               const Unknowns& unknowns, double* x, ceres::Problem& problem) {
  for (const std::size_t t : tables) {
    const std::vector<MeasuredCase>& points = cases.tables[t].points;
    const double weight = kTablePoints / std::max(kTablePoints, static_cast<double>(points.size()));
    for (const MeasuredCase& point : points)
      problem.AddResidualBlock(
          new PointCost(cases, point, unknowns),
          new ceres::ScaledLoss(new ceres::CauchyLoss(kRobustFrom), weight, ceres::TAKE_OWNERSHIP),
          x);
  }
}

// Deviations of the unknowns after the tables, in those of the priors.
std::vector<double> Deviations(ceres::Problem& problem, const Unknowns& unknowns) {
  ceres::CRSMatrix jacobian;
  ceres::Problem::EvaluateOptions options;
  options.num_threads = 1;
  problem.Evaluate(options, nullptr, nullptr, nullptr, &jacobian);
  const auto n = static_cast<Eigen::Index>(unknowns.count());
  Eigen::MatrixXd information = Eigen::MatrixXd::Zero(n, n);
  for (int r = 0; r < jacobian.num_rows; ++r) {
    const auto first = static_cast<std::size_t>(jacobian.rows[static_cast<std::size_t>(r)]);
    const auto last = static_cast<std::size_t>(jacobian.rows[static_cast<std::size_t>(r) + 1]);
    for (std::size_t i = first; i < last; ++i) {
      if (jacobian.values[i] == 0) continue;
      for (std::size_t j = first; j < last; ++j)
        information(jacobian.cols[i], jacobian.cols[j]) += jacobian.values[i] * jacobian.values[j];
    }
  }
  const Eigen::MatrixXd covariance = information.ldlt().solve(Eigen::MatrixXd::Identity(n, n));
  std::vector<double> out;
  for (std::size_t i = 0; i < unknowns.rows.size(); ++i) {
    const auto at = static_cast<Eigen::Index>(i);
    out.push_back(std::sqrt(std::max(0.0, covariance(at, at))));
  }
  return out;
}

struct Solution {
  std::vector<double> x, deviation;  // [free]
  double cost = 0;
  int iterations = 0;
  bool converged = true;
};

Solution Solve(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
               const Unknowns& unknowns, const CollectiveConstants& from) {
  Solution out;
  out.x.assign(unknowns.count(), 0);
  for (std::size_t i = 0; i < unknowns.rows.size(); ++i)
    out.x[i] = XAt(unknowns.rows[i], from.values[unknowns.rows[i]]);
  if (unknowns.rows.empty()) return out;
  ceres::Problem problem;
  double* const x = out.x.data();
  AddPoints(cases, tables, unknowns, x, problem);
  problem.AddResidualBlock(new PriorCost(unknowns), nullptr, x);
  for (std::size_t i = 0; i < unknowns.rows.size(); ++i) {
    const CollectiveParameter& p = CollectiveParameters()[unknowns.rows[i]];
    problem.SetParameterLowerBound(x, static_cast<int>(i), std::log(p.low / p.prior) / p.log_sigma);
    problem.SetParameterUpperBound(x, static_cast<int>(i),
                                   std::log(p.high / p.prior) / p.log_sigma);
  }
  ceres::Solver::Options options;
  options.linear_solver_type = ceres::DENSE_NORMAL_CHOLESKY;
  options.num_threads = 1;
  options.max_num_iterations = 200;
  options.function_tolerance = 1e-4;
  options.logging_type = ceres::SILENT;
  ceres::Solver::Summary summary;
  ceres::Solve(options, &problem, &summary);
  // A cost that is no number ends it: nothing was found, and the beginning stands.
  if (!summary.IsSolutionUsable())
    for (std::size_t i = 0; i < unknowns.rows.size(); ++i)
      x[i] = XAt(unknowns.rows[i], from.values[unknowns.rows[i]]);
  out.converged = summary.termination_type == ceres::CONVERGENCE;
  out.cost = summary.final_cost;
  out.iterations = static_cast<int>(summary.iterations.size());
  out.deviation = Deviations(problem, unknowns);
  return out;
}

}  // namespace

ConstantsFit FitConstants(const MeasuredCases& cases, const std::vector<std::size_t>& tables,
                          const CollectiveConstants& from) {
  std::set<std::size_t> rows;
  for (const std::size_t t : tables)
    for (const MeasuredCase& point : cases.tables[t].points)
      for (const std::size_t row : cases.models[point.model].parameters()) rows.insert(row);
  const std::set<std::size_t> all = rows;
  std::map<std::size_t, double> told;
  Unknowns unknowns = MakeUnknowns(rows);
  Solution solution = Solve(cases, tables, unknowns, from);
  for (std::size_t i = 0; i < unknowns.rows.size(); ++i) {
    told[unknowns.rows[i]] = 1 - std::min(1.0, solution.deviation[i] * solution.deviation[i]);
    if (told[unknowns.rows[i]] < kLeastTold) rows.erase(unknowns.rows[i]);
  }
  if (rows.size() < all.size()) {
    CollectiveConstants found;
    for (const std::size_t row : rows)
      found.values[row] = ValueAt(row, solution.x[static_cast<std::size_t>(unknowns.place[row])]);
    unknowns = MakeUnknowns(rows);
    solution = Solve(cases, tables, unknowns, found);
  }
  ConstantsFit out;
  out.cost = solution.cost;
  out.iterations = solution.iterations;
  out.converged = solution.converged;
  constexpr double k90 = 1.6448536269514722;  // deviations to either side of 90 %
  for (const std::size_t row : all) {
    FittedConstant one;
    one.row = row;
    one.told = told[row];
    one.at_prior = rows.count(row) == 0;
    double x = 0, deviation = 1;
    if (!one.at_prior) {
      const auto place = static_cast<std::size_t>(unknowns.place[row]);
      x = solution.x[place];
      deviation = std::min(1.0, solution.deviation[place]);
    }
    one.value = ValueAt(row, x);
    one.low = ValueAt(row, x - k90 * deviation);
    one.high = ValueAt(row, x + k90 * deviation);
    if (!one.at_prior) out.constants.values[row] = one.value;
    out.rows.push_back(one);
  }
  return out;
}

}  // namespace weft
