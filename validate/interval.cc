#include "validate/interval.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace weft {
namespace {

constexpr double kLeastVariance = 1e-4;  // of a part: sites alike differ by a percent [NCCL tables]
constexpr double kAlike = 1e6;           // degrees where classes differ by chance alone

// Above it the series are good to 1e-12; below, the functions' recurrence leads there.
constexpr double kSeriesFrom = 20;

double Digamma(double x) {  // [AS64 6.3.5, 6.3.18]
  double out = 0;
  for (; x < kSeriesFrom; ++x) out -= 1 / x;
  const double y = 1 / (x * x);
  return out + std::log(x) - 1 / (2 * x) - y * (1.0 / 12 - y * (1.0 / 120 - y / 252));
}

double Trigamma(double x) {  // [AS64 6.4.6, 6.4.12]
  double out = 0;
  for (; x < kSeriesFrom; ++x) out += 1 / (x * x);
  const double y = 1 / (x * x);
  return out + 1 / x + y / 2 + y / x * (1.0 / 6 - y * (1.0 / 30 - y / 42));
}

// The x of Trigamma(x) = value, by bisection: it falls from infinity to 0.
double InverseTrigamma(double value) {
  double low = -14, high = 14;  // log x
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (Trigamma(std::exp(middle)) > value ? low : high) = middle;
  }
  return std::exp(low);
}

// Of the log of a variance of d degrees, what it is above the log of the true one, on average.
double LogBias(double degrees) { return Digamma(degrees / 2) - std::log(degrees / 2); }

struct Moments {
  double sum = 0, squares = 0, count = 0;
  void Add(double value) {
    sum += value;
    squares += value * value;
    ++count;
  }
  double mean() const { return sum / count; }
};

}  // namespace

double StudentQuantile95(double degrees) {
  constexpr double x = 1.6448536269514722, x2 = x * x;  // of the normal distribution
  constexpr double g1 = x * (x2 + 1) / 4, g2 = x * ((5 * x2 + 16) * x2 + 3) / 96,
                   g3 = x * (((3 * x2 + 19) * x2 + 17) * x2 - 15) / 384,
                   g4 = x * ((((79 * x2 + 776) * x2 + 1482) * x2 - 1920) * x2 - 945) / 92160;
  const double n = 1 / std::max(1.0, degrees);
  return x + n * (g1 + n * (g2 + n * (g3 + n * g4)));
}

ResidualSpread::ResidualSpread(const std::vector<Residual>& residuals) {
  using Table = std::map<std::size_t, Moments>;
  std::map<std::pair<std::size_t, std::size_t>, std::map<std::size_t, Table>> cells;
  for (const Residual& one : residuals)
    cells[{one.row, one.column}][one.source][one.table].Add(one.value);
  for (const auto& [cell, sources] : cells) {
    Moments between, within;
    double tables_within = 0;
    for (const auto& [source, tables] : sources) {
      Moments means;
      double squares = 0, points = 0;
      for (const auto& [table, moments] : tables) {
        means.Add(moments.mean());
        squares += moments.squares / moments.count / static_cast<double>(tables.size());
        points += moments.count;
      }
      between.Add(means.mean() * means.mean());
      if (points < 2) continue;  // one point says nothing of a second
      within.Add(squares - means.mean() * means.mean());
      tables_within += means.count;
    }
    between_[cell] = {std::max(kLeastVariance, between.mean()), between.count};
    if (within.count > 0) within_[cell] = {std::max(kLeastVariance, within.mean()), tables_within};
  }
  between_prior_ = PriorsOf(between_);
  within_prior_ = PriorsOf(within_);
}

// e = log s² less its bias has the variance ψ'(d/2) of few degrees, and ψ'(ν₀/2) of classes that
// differ: what is left of the one is the other. Where nothing is, all are alike, and s₀² their
// mean.
ResidualSpread::Priors ResidualSpread::PriorsOf(const Cells& cells) {
  std::map<std::size_t, std::vector<std::pair<double, double>>> columns;  // e, ψ'(d/2)
  Priors out;
  for (const auto& [cell, variance] : cells) {
    Prior& all = out[cell.second];
    all.all_degrees += variance.degrees;
    all.variance.value += variance.value * variance.degrees;
    columns[cell.second].emplace_back(std::log(variance.value) - LogBias(variance.degrees),
                                      Trigamma(variance.degrees / 2));
  }
  double squares = 0, by_chance = 0, freedom = 0;
  std::map<std::size_t, double> means;
  for (const auto& [column, rows] : columns) {
    const auto count = static_cast<double>(rows.size());
    double mean = 0;
    for (const auto& [e, chance] : rows) mean += e / count;
    for (const auto& [e, chance] : rows) {
      squares += (e - mean) * (e - mean);
      by_chance += chance * (count - 1) / count;
    }
    means[column] = mean;
    freedom += count - 1;
  }
  const double differ = freedom > 0 ? (squares - by_chance) / freedom : 0;
  const double degrees = differ > 0 ? std::min(kAlike, 2 * InverseTrigamma(differ)) : kAlike;
  for (auto& [column, prior] : out) {
    prior.variance.value = differ > 0 ? std::exp(means[column] + LogBias(degrees))
                                      : prior.variance.value / prior.all_degrees;
    prior.variance.degrees = columns[column].size() > 1 ? degrees : 0;
  }
  return out;
}

Variance ResidualSpread::Drawn(const Cells& cells, const Priors& priors, std::size_t row,
                               std::size_t column) {
  const auto own = cells.find({row, column});
  const auto prior = priors.find(column);
  if (prior == priors.end()) return {};
  Variance out;
  for (const Variance& one :
       {own == cells.end() ? Variance() : own->second, prior->second.variance}) {
    out.value += one.value * one.degrees;
    out.degrees += one.degrees;
  }
  if (out.degrees > 0) out.value /= out.degrees;
  out.degrees = std::min(out.degrees, prior->second.all_degrees);
  return out;
}

std::optional<double> ResidualSpread::HalfWidth(std::size_t row, std::size_t column) const {
  const Variance between = Drawn(between_, between_prior_, row, column);
  const Variance within = Drawn(within_, within_prior_, row, column);
  if (between.degrees == 0) return std::nullopt;
  const double all = between.value + within.value;
  double inverse = between.value * between.value / between.degrees;
  if (within.degrees > 0) inverse += within.value * within.value / within.degrees;
  return StudentQuantile95(all * all / inverse) * std::sqrt(all);
}

}  // namespace weft
