#include "reliability/reliability.h"

#include <cmath>
#include <cstdlib>
#include <fstream>

#include "base/random.h"
#include "tests/base/error_list.h"
#include "tests/base/test_file.h"
#include "tests/topology/fabrics.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

FailureRates Rates(std::string_view name) {
  const auto read = FindFailureRates(name, {});
  EXPECT_TRUE(read) << ErrorLines(read.error());
  return *read;
}

// One class alone.
FailureRates Only(std::string_view set, std::string_view name) {
  FailureRates out = Rates(set);
  std::erase_if(out.classes, [&](const FailureClass& one) { return one.name != name; });
  EXPECT_EQ(out.classes.size(), 1u);
  return out;
}

// [QXC+24 §2.3]: "one LLM job meets 1-2 crashes per month". 3,072 links at 0.057 % are 1.751 stops,
// with their 48 ToRs at 0.051 % 1.776.
TEST(ExpectedFailures, OfSingleHomedLinksStopTheJob) {
  ComponentCounts counts;
  counts.single_links = 3072;
  EXPECT_NEAR(ExpectedFailures(counts, Rates("alibaba"), 4h).stops.mid, 1.751, 5e-4);
  counts.single_tors = 48;
  const MonthlyFailures both = ExpectedFailures(counts, Rates("alibaba"), 4h);
  EXPECT_NEAR(both.stops.mid, 1.776, 5e-4);
  EXPECT_EQ(both.degradations.mid, 0);
  ASSERT_EQ(both.rows.size(), 2u);
  EXPECT_EQ(both.rows[0].name, "nic link");
}

// 1,000 only links flap 0.11 times a year: 9.17 a month, of which 7 % stop and the rest is masked.
// A second link masks them all.
TEST(ExpectedFailures, OfFlapsStopInTheShareThatIsSaid) {
  ComponentCounts counts;
  counts.single_links = 1000;
  FailureRates rates = Only("default", "link flap");
  EXPECT_EQ(rates.stopping_flaps, 0.07);
  const MonthlyFailures got = ExpectedFailures(counts, rates, 4h);
  EXPECT_NEAR(got.stops.mid, 0.07 * 110 / 12, 1e-9);
  EXPECT_NEAR(got.masked.mid, 0.93 * 110 / 12, 1e-9);
  EXPECT_EQ(got.StopsOfFlaps(), got.stops);
  for (const double share : {0.01, 0.5, 1.0}) {
    rates.stopping_flaps = share;
    const MonthlyFailures asked = ExpectedFailures(counts, rates, 4h);
    const MonthlyFailures scaled = got.WithStoppingFlaps(share, 0.07);
    EXPECT_NEAR(scaled.stops.mid, asked.stops.mid, 1e-9);
    EXPECT_NEAR(scaled.masked.mid, asked.masked.mid, 1e-9);
    EXPECT_NEAR(scaled.rows[1].monthly.mid, asked.masked.mid, 1e-9);
  }
  ComponentCounts paired;
  paired.paired_links = 2000;
  paired.pairs = 1000;
  rates.stopping_flaps = 1;
  EXPECT_EQ(ExpectedFailures(paired, rates, 4h).stops.mid, 0);
}

// The same NICs with two links each: 2 N λ² τ of both down within 4 h, 3.50 degradations.
TEST(ExpectedFailures, OfDualHomedLinksDegradeIt) {
  ComponentCounts counts;
  counts.paired_links = 6144;
  counts.pairs = 3072;
  const MonthlyFailures got = ExpectedFailures(counts, Only("alibaba", "nic link"), 4h);
  EXPECT_NEAR(got.degradations.mid, 3.502, 5e-4);
  EXPECT_NEAR(got.stops.mid, 1.09e-5, 0.02 * 1.09e-5);
}

// A twin of the closed form: draw failures of a pair over many months and count overlaps.
TEST(DoubleFailures, AreWhatASimulationCounts) {
  const char* seed_text = std::getenv("WEFT_SEED");
  const std::uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const double monthly = 0.5, repair = 0.01;  // of a month
  const auto wait = [&] { return -std::log1p(-random.Unit()) / monthly; };
  std::int64_t overlaps = 0;
  const double months = 200'000;
  double next[2] = {wait(), wait()}, up[2] = {0, 0};
  while (std::min(next[0], next[1]) < months) {
    const int i = next[0] < next[1] ? 0 : 1;
    if (next[i] < up[1 - i]) ++overlaps;
    up[i] = next[i] + repair;
    next[i] += wait();
  }
  const double expected = DoubleFailures(1, monthly, kMonth * repair) * months;
  EXPECT_NEAR(static_cast<double>(overlaps), expected, 5 * std::sqrt(expected));
}

// [GDJ+24]: 419 interruptions in 54 days of 16,384 GPUs; τ and ETTR of first order.
TEST(Ettr, IsLlamasAtItsOwnRates) {
  ComponentCounts counts;
  counts.gpus = counts.nics = 16384;
  counts.hosts = 2048;
  const MonthlyFailures got = ExpectedFailures(counts, Rates("meta-llama3"), 4h);
  const Seconds between = got.MeanTimeBetweenStops();
  EXPECT_NEAR(between / Seconds(3600), 3.093, 5e-4);
  EXPECT_NEAR(YoungInterval(30s, between).count(), 817.4, 0.05);
  const auto percent = [&](Seconds checkpoint, Seconds restart) {
    return 100 * Ettr(checkpoint, restart, between, YoungInterval(checkpoint, between));
  };
  EXPECT_NEAR(percent(30s, 10min), 87.3, 0.1);
  EXPECT_NEAR(percent(30s, 5min), 90.0, 0.1);
  EXPECT_NEAR(percent(10s, 5min), 93.1, 0.1);
}

// [KKH+25]: 6.50 failures of 1,000 node-days are 1.80 and 0.225 h at 16,384 and 131,072 GPUs.
TEST(ExpectedFailures, ScaleWithTheJob) {
  const auto hours = [](std::int64_t gpus) {
    ComponentCounts counts;
    counts.hosts = gpus / 8;
    return ExpectedFailures(counts, Rates("rsc-1"), 4h).MeanTimeBetweenStops() / Seconds(3600);
  };
  EXPECT_NEAR(hours(16384), 1.80, 0.005);
  EXPECT_NEAR(hours(131072), 0.225, 0.0005);
}

// The exact form against a job that is simulated, failures in work, checkpoints and restarts.
TEST(ExactEttr, IsWhatASimulatedJobGets) {
  const char* seed_text = std::getenv("WEFT_SEED");
  const std::uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 1;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Random random(seed);
  const double between = 3600, checkpoint = 60, restart = 300, interval = 657;
  double now = 0, failure = 0, work = 0;
  const auto draw = [&] { failure = now - std::log1p(-random.Unit()) * between; };
  draw();
  const auto last = [&](double duration) {  // false: a failure came first
    const bool done = now + duration <= failure;
    now = done ? now + duration : failure;
    if (!done) draw();
    return done;
  };
  for (int i = 0; i < 200'000; ++i) {
    while (!last(interval + checkpoint))
      while (!last(restart)) {
      }
    work += interval;
  }
  EXPECT_NEAR(ExactEttr(Seconds(checkpoint), Seconds(restart), Seconds(between), Seconds(interval)),
              work / now, 0.003);
}

// Young's interval is where the first-order form is best, and near where the exact one is.
TEST(YoungInterval, IsBest) {
  const Seconds between = 3h, best = YoungInterval(30s, between);
  for (const double k : {0.5, 0.9, 1.1, 2.0})
    EXPECT_LT(Ettr(30s, 5min, between, best * k), Ettr(30s, 5min, between, best));
  EXPECT_LT(ExactEttr(30s, 5min, between, best * 0.5), ExactEttr(30s, 5min, between, best));
  EXPECT_LT(ExactEttr(30s, 5min, between, best * 2.0), ExactEttr(30s, 5min, between, best));
  EXPECT_NEAR(ExactEttr(30s, 5min, between, best), Ettr(30s, 5min, between, best), 0.01);
}

// One segment of HPN: 1,024 NICs with a port on each of two ToRs; single ToRs instead.
TEST(CountComponents, KnowsWhatHasATwin) {
  const ComponentCounts dual = CountComponents(MakeFabric("{ preset: hpn, segments: 1 }"));
  EXPECT_EQ(dual.gpus, 1024);
  EXPECT_EQ(dual.nics, 1024);
  EXPECT_EQ(dual.paired_links, 2048);
  EXPECT_EQ(dual.pairs, 1024);
  EXPECT_EQ(dual.single_links, 0);
  EXPECT_EQ(dual.paired_tors, 16);
  EXPECT_EQ(dual.single_tors, 0);
  EXPECT_EQ(dual.upper_switches, 120);
  EXPECT_EQ(dual.fabric_links, 16 * 60);
  EXPECT_EQ(dual.single_uppers, 0);

  const ComponentCounts single =
      CountComponents(MakeFabric("{ preset: hpn, segments: 1, tors: single, planes: 1 }"));
  EXPECT_EQ(single.paired_links, 0);
  EXPECT_EQ(single.single_links, single.nics);
  EXPECT_EQ(single.paired_tors, 0);
  EXPECT_GT(single.single_tors, 0);

  const ComponentCounts one_spine = CountComponents(
      MakeFabric("{ family: leaf_spine, leaves: 4, spines: 1, hosts_per_leaf: 8, link: 400Gbps }"));
  EXPECT_EQ(one_spine.single_uppers, 1);
  EXPECT_EQ(one_spine.fabric_links, 4);
  EXPECT_EQ(ShareOf(dual, 256).paired_links, 512);
}

TEST(FindWorstPart, IsAToROrAHost) {
  // Two planes: a ToR halves the rate of its GPUs, a host stops eight.
  const auto dual = MakeFabric("{ preset: hpn, segments: 1 }");
  const WorstPart host = FindWorstPart(dual);
  EXPECT_EQ(host.stopped, 8);
  EXPECT_EQ(host.alike, 128);
  EXPECT_NE(host.also.find("128 GPUs"), std::string::npos) << host.also;
  const WorstPart leaf = FindWorstPart(
      MakeFabric("{ family: leaf_spine, leaves: 4, spines: 4, hosts_per_leaf: 8, link: 400Gbps }"));
  EXPECT_EQ(leaf.name, "leaf0");
  EXPECT_EQ(leaf.stopped, 8);
  EXPECT_EQ(leaf.alike, 4);
  EXPECT_DOUBLE_EQ(leaf.share, 0.25);
  const WorstPart spine = FindWorstPart(
      MakeFabric("{ family: leaf_spine, leaves: 4, spines: 1, hosts_per_leaf: 8, link: 400Gbps }"));
  EXPECT_EQ(spine.name, "spine0");
  EXPECT_EQ(spine.stopped, 32);
}

// A leaf of one rail has a NIC of every host of its unit: their jobs stop.
TEST(FindWorstPart, StopsAllHostsOfALeafOfOneRail) {
  const WorstPart leaf = FindWorstPart(MakeFabric(
      "{ family: rail_optimized, units: 2, hosts_per_unit: 4, tiers: 2, spines: 4, link: 400Gbps, "
      "switch: { preset: qm9700 }, host: { preset: hgx-h100 } }"));
  EXPECT_EQ(leaf.stopped, 32);
  EXPECT_DOUBLE_EQ(leaf.share, 0.5);
  EXPECT_EQ(leaf.alike, 16);
}

TEST(FindFailureRates, NamesTheNearest) {
  EXPECT_EQ(ErrorLines(FindFailureRates("meta-lama3", {"plan.yaml", 2, 5}).error()),
            "plan.yaml:2:5: error: there is no set of failure rates 'meta-lama3' (did you mean "
            "'meta-llama3'?)\n");
}

// No event is in two classes: the default has HPN's links and not Llama's switches and cables.
TEST(FindFailureRates, CountsNothingTwice) {
  for (const FailureClass& one : Rates("default").classes) {
    EXPECT_NE(one.name, "switch and cable");
    EXPECT_FALSE(one.monthly.source.empty()) << one.name;
  }
  double events = 0;
  for (const FailureClass& one : Rates("meta-llama3").classes)
    events += one.monthly.range.mid * (one.of == FailureOf::kHost ? 2048 : 16384);
  EXPECT_NEAR(events * 54 / (730.0 / 24), 419, 1e-9);
}

// An accelerator of its own rate brings it; the class of the set gives way.
TEST(WithParts, TakesRatesFromTheParts) {
  const auto catalogue = ReadCatalogue({}, nullptr);
  ASSERT_TRUE(catalogue);
  const FailureRates got = WithParts(Rates("default"), *catalogue, "a100", "", "qm9700", "");
  EXPECT_NEAR(got.classes[0].monthly.range.mid, 0.107 / 12, 1e-12);
  EXPECT_NEAR(got.classes[0].monthly.range.high, 0.913 / 12, 1e-12);
}

TEST(WithParts, TakesAHostsRateAndLeavesSoftware) {
  const std::string path = TestFile("host_rates.yaml");
  std::ofstream(path) << "rows: [{ part: hgx-h100, failures: { mid: 3 } }]\n";
  const auto catalogue = ReadCatalogue({path}, nullptr);
  ASSERT_TRUE(catalogue);
  const FailureRates was = Rates("default");
  const FailureRates got = WithParts(was, *catalogue, "", "hgx-h100", "", "");
  for (std::size_t i = 0; i < was.classes.size(); ++i) {
    const bool host = was.classes[i].name == "host";
    EXPECT_DOUBLE_EQ(got.classes[i].monthly.range.mid,
                     host ? 3.0 / 12 : was.classes[i].monthly.range.mid)
        << was.classes[i].name;
  }
}

}  // namespace
}  // namespace weft
