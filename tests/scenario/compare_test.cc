#include "scenario/compare.h"

#include <gtest/gtest.h>

#include <cmath>

namespace weft {
namespace {

// Half the iteration is exposed and takes twice as long: 1.5 times the time, a third lost.
TEST(IterationLoss, IsWhatTheLongerIterationLoses) {
  EXPECT_DOUBLE_EQ(IterationLoss(0.5, 2), 1 - 1 / 1.5);
  EXPECT_DOUBLE_EQ(IterationLoss(0, 2), 0);
  EXPECT_DOUBLE_EQ(IterationLoss(1, 2), 0.5);
}

// 6.25 % lost is 1/15 more time; at twice the time that is 1/15 exposed.
TEST(ExposedShareFor, IsTheInverseOfTheLoss) {
  EXPECT_NEAR(ExposedShareFor(0.0625, 2), 1.0 / 15, 1e-12);
  EXPECT_NEAR(IterationLoss(ExposedShareFor(0.2, 1.7), 1.7), 0.2, 1e-12);
}

Comparison Compare(
    const std::vector<std::vector<std::string>>& sets,
    std::function<bool()> stop = [] { return false; }) {
  FabricCache cache;
  SourceTexts texts;
  std::vector<PreparedScenario> cases;
  for (const auto& set : sets) {
    auto spec = ParseScenario(
        "fabric: { preset: hpn, segments: 2, planes: 1, hosts: 4 }\n"
        "placement: { gpus: 64, policy: spread }\n"
        "routing: { seeds: 4 }\n"
        "rdma: { qps: 4 }\n"
        "workload: { collective: { op: all_reduce, bytes: 64MiB, group: per_rail, ring_order: "
        "alternating } }\n"
        "published: [ { figure: gain, share: 50%, source: a test } ]\n",
        "s.yaml", set, &texts);
    EXPECT_TRUE(spec);
    cases.push_back(*Prepare(*std::move(spec), cache));
    cases.back().label = set.empty() ? "base" : set[0];
  }
  RunControl control;
  control.stop = std::move(stop);
  control.clock_s = [] { return 0.0; };
  return CompareScenarios(cases, control);
}

TEST(CompareScenarios, FindsNoDifferenceBetweenEqualCases) {
  const Comparison same = Compare({{}, {}});
  EXPECT_TRUE(same.inputs.empty());
  ASSERT_EQ(same.differences.size(), 2u);  // busbw of the slowest rail, and the mean over rails
  for (const PairedDifference& difference : same.differences)
    EXPECT_EQ(difference.ratio, (Interval<double>{1, 1, 1})) << difference.key;
}

TEST(CompareScenarios, LeadsWithTheKeyThatDiffers) {
  const Comparison comparison = Compare({{}, {"fabric.planes=2"}});
  ASSERT_EQ(comparison.inputs.size(), 1u);
  EXPECT_EQ(comparison.inputs[0].key, "fabric.planes");
  EXPECT_EQ(comparison.inputs[0].values, (std::vector<std::string>{"1", "2"}));
}

// A ratio of medians is not the median of paired ratios; the report gives the latter.
TEST(CompareScenarios, PairsBySeed) {
  const Comparison comparison = Compare({{}, {"fabric.planes=2"}});
  const auto& base = comparison.cases[0].collective_by_seed_s[0];
  const auto& planes = comparison.cases[1].collective_by_seed_s[0];
  std::vector<double> ratios;
  for (std::size_t i = 0; i < base.size(); ++i) ratios.push_back(base[i] / planes[i]);
  const Interval<double> want = IntervalOf(ratios);
  EXPECT_NEAR(comparison.differences[0].ratio.median, want.median, 1e-12);
}

// A gain hangs on what is seldom published: it is a note, and no figure of ours stands beside.
TEST(CompareScenarios, PutsNoFigureBesideAPublishedGain) {
  const Comparison comparison = Compare({{}, {"fabric.planes=2"}});
  ASSERT_EQ(comparison.published.size(), 1u);
  EXPECT_EQ(comparison.published[0].second.figure, "gain");
  EXPECT_DOUBLE_EQ(comparison.published[0].second.published, 0.5);
  EXPECT_FALSE(comparison.published[0].second.ours);
  EXPECT_FALSE(comparison.published[0].second.deviation);
}

// The base's first seed is stopped: its seeds 2, 3, 4 pair with those of the other case,
// not with its 1, 2, 3.
TEST(CompareScenarios, PairsByTheNumberOfTheSeedWhereSomeAreMissing) {
  int asked = 0;
  const Comparison comparison = Compare({{}, {"rdma.qps=8"}}, [&] { return ++asked == 2; });
  ASSERT_EQ(comparison.cases[0].seed_numbers, (std::vector<std::uint64_t>{2, 3, 4}));
  ASSERT_EQ(comparison.cases[1].seed_numbers, (std::vector<std::uint64_t>{1, 2, 3, 4}));
  const auto& base = comparison.cases[0].busbw_mean_by_seed[0];
  const auto& eight = comparison.cases[1].busbw_mean_by_seed[0];
  std::vector<double> ratios;
  for (std::size_t i = 0; i < 3; ++i) ratios.push_back(eight[i + 1] / base[i]);
  std::vector<double> by_position;
  for (std::size_t i = 0; i < 3; ++i) by_position.push_back(eight[i] / base[i]);
  ASSERT_GT(std::abs(IntervalOf(by_position).median - IntervalOf(ratios).median), 1e-3);
  ASSERT_EQ(comparison.differences.size(), 2u);  // of the slowest rail, and the mean over rails
  const Interval<double> got = comparison.differences[1].ratio, want = IntervalOf(ratios);
  EXPECT_NEAR(got.median, want.median, 1e-12);
  EXPECT_NEAR(got.p5, want.p5, 1e-12);
  EXPECT_NEAR(got.p95, want.p95, 1e-12);
}

// What differs is of the cases that came to be compared.
TEST(CompareScenarios, OfCasesThatWereStoppedKeepsWhatWasDone) {
  const std::vector<std::vector<std::string>> sets = {
      {}, {"rdma.qps=8"}, {"rdma.qps=2"}, {"fabric.planes=2"}};
  int looks = 0, asked = 0;
  Compare(sets, [&] { return ++looks < 0; });
  const Comparison comparison = Compare(sets, [&] { return ++asked > looks * 2 / 3; });
  ASSERT_TRUE(comparison.partial);
  ASSERT_GT(comparison.cases.size(), 1u);
  ASSERT_LT(comparison.cases.size(), 4u);
  for (const InputDifference& input : comparison.inputs)
    EXPECT_EQ(input.values.size(), comparison.cases.size()) << input.key;
}

// At a slowdown of 1 no share loses 30 %, and at one of a few per cent not even all does.
TEST(CompareScenarios, SaysThatNoShareMeetsAFigureOutOfReach) {
  const auto curve = [&](const std::string& share, const std::string& set) {
    const Comparison comparison = Compare(
        {{},
         {"published=[ { figure: iteration_loss, share: " + share + ", source: a test } ]", set}});
    EXPECT_EQ(comparison.curves.size(), 1u);
    return comparison.curves.front();
  };
  EXPECT_DOUBLE_EQ(curve("30%", "fabric.planes=1").slowdown, 1);
  EXPECT_FALSE(curve("30%", "fabric.planes=1").published_at);
  EXPECT_FALSE(curve("30%", "fabric.planes=2").published_at);  // faster, not slower
  const LossCurve slower = curve("30%", "physics.network_step=20us");
  EXPECT_GT(slower.slowdown, 1);
  EXPECT_LT(slower.slowdown, 1.2);
  EXPECT_FALSE(slower.published_at);
  ASSERT_TRUE(curve("0.1%", "physics.network_step=20us").published_at);
}

}  // namespace
}  // namespace weft
