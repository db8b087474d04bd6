// Several jobs on one fabric.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "scenario/run_seed_internal.h"
#include "tests/scenario/training_scenarios.h"
#include "workloads/training/build_training.h"

namespace weft {
namespace {

// Two leaves of two hosts, one uplink of 400 Gb/s each way; no overheads. Two pairs that cross
// share it, and each takes twice as long; a short job runs on until the long one has done its
// repeats.
constexpr const char* kTwoPairs = R"(
fabric: { family: leaf_spine, leaves: 2, spines: 1, hosts_per_leaf: 2, link: 400Gbps, latency: 0s }
physics: { roce_efficiency: 100%, network_step: 0s, launch: 0s }
routing: { seeds: 1 }
jobs:
  - { name: long, placement: { hosts: [host0, host2] }, repeat: 3,
      workload: { traffic: { pattern: permutation, bytes: 100MB } } }
  - { name: short, placement: { hosts: [host1, host3] },
      workload: { traffic: { pattern: permutation, bytes: 10MB, concurrency: 1 } } }
)";

TEST(Jobs, ShareALinkAndSlowEachOtherByHalf) {
  const RunReport report = Simulate(kTwoPairs);
  ASSERT_EQ(report.jobs.size(), 2u);
  const JobReport &a = report.jobs[0], &b = report.jobs[1];
  EXPECT_NEAR(a.alone_s.median, 2e-3, 2e-6);
  EXPECT_NEAR(a.slowdown.median, 2, 2e-3);
  EXPECT_NEAR(b.alone_s.median, 0.2e-3, 2e-6);
  EXPECT_NEAR(b.slowdown.median, 2, 2e-2);
  EXPECT_EQ(a.passes, 3);
  EXPECT_NEAR(static_cast<double>(b.passes), 30, 1);
  EXPECT_TRUE(report.incomplete.empty());
  EXPECT_THAT(report.links.hottest.front().users.front(), testing::HasSubstr("long, flow 0"));
}

// Long begins alone: 3 passes of 2 ms, and one from 6 ms on that short meets at 7 ms. It ends at
// 9 ms, and the next three, which meet short from end to end, are its repeats.
TEST(Jobs, CountOnlyPassesThatBeginWhenAllHaveStarted) {
  const RunReport report = Simulate(kTwoPairs, {"jobs[1].start=7ms"});
  const JobReport& job = report.jobs[0];
  EXPECT_NEAR(job.slowdown.median, 2, 5e-3);  // between its passes short sends nothing for a moment
  EXPECT_EQ(job.passes, 3);
  EXPECT_NEAR(report.makespan_s.median, 9e-3 + 3 * 4e-3, 2e-5);
  EXPECT_NEAR(report.jobs[1].slowdown.median, 2, 2e-2);
  // As long as where both start at once, however long the other was alone before.
  for (const char* start : {"jobs[1].start=100ms", "jobs[1].start=0s"}) {
    const RunReport other = Simulate(kTwoPairs, {start});
    EXPECT_NEAR(other.jobs[0].time_s.median / job.time_s.median, 1, 1e-3) << start;
    EXPECT_GE(other.jobs[0].passes, 3);
  }
}

TEST(Jobs, StopWhereNobodyWaitsForManyPasses) {
  const Result<PreparedScenario> prepared = Try(kTwoPairs, {"jobs[1].start=150s"});
  ASSERT_TRUE(prepared.has_value());
  RunControl control = Patient();
  int asked = 0;
  control.stop = [&asked] { return ++asked > 1000; };  // by then passes are laid end to end
  const RunReport report = RunScenario(*prepared, control);
  EXPECT_TRUE(report.partial);
  EXPECT_TRUE(report.jobs.empty());
  EXPECT_LT(asked, 1010);
}

TEST(Jobs, WarnOfPublishedFiguresOfOneWorkload) {
  const Result<PreparedScenario> prepared =
      Try(kTwoPairs, {"published=[{ figure: busbw, rate: 1GBps, source: x }]"});
  ASSERT_TRUE(prepared.has_value());
  ASSERT_EQ(prepared->warnings.size(), 1u);
  EXPECT_THAT(prepared->warnings.front().message, testing::HasSubstr("is for one workload"));
}

TEST(Jobs, TakeAsLongAsAloneWhereTheyShareNothing) {
  const RunReport report = Simulate(kTwoPairs, {"jobs[0].placement.hosts=[host0, host1]",
                                                "jobs[1].placement.hosts=[host2, host3]"});
  for (const JobReport& job : report.jobs) EXPECT_EQ(job.slowdown.median, 1) << job.name;
}

// A training job beside a collective, and in the other order; what an iteration is made of.
TEST(Jobs, QuoteTheCalibrationsErrorOfEachJob) {
  const RunReport report = Simulate(R"(
fabric: { preset: hpn, segments: 1, hosts: 4 }
routing: { seeds: 1 }
collectives: { nccl: "2.28" }
jobs:
  - name: trains
    placement: { gpus: 16 }
    workload:
      training:
        architecture: { layers: 4, hidden: 4096, heads: 32, vocabulary: 32000 }
        parallel: { tensor: 8, data: 2 }
        global_batch: 4
        sequence: 2048
        what_if: false
  - name: reduces
    placement: { gpus: 16, skip: 2 }
    workload: { collective: { op: all_reduce, bytes: 256MiB } }
)");
  ASSERT_EQ(report.jobs.size(), 2u);
  ASSERT_TRUE(report.jobs[0].iteration.has_value());
  const CommunicationError& error = report.jobs[0].iteration->error;
  ASSERT_TRUE(error.time.low && error.time.high);
  EXPECT_LT(*error.time.low, 0);
  EXPECT_GT(*error.time.high, 0);
  EXPECT_LT(*error.time.high, *error.exposed.high);
  EXPECT_FALSE(report.jobs[0].error.low.has_value());
  ASSERT_TRUE(report.jobs[1].error.low.has_value());
  EXPECT_LT(*report.jobs[1].error.low, 0);
  EXPECT_EQ(report.jobs[1].in_range, std::optional(false));  // beside others, as no table is
  EXPECT_EQ(report.calibration.in_range, std::optional(false));
}

TEST(Jobs, SplitAnIterationBesideOthersWithoutRemainder) {
  constexpr const char* kText = R"(
fabric: { preset: hpn, segments: 2, planes: 1, hosts: 4 }
routing: { seeds: 2 }
rdma: { qps: 2 }
jobs:
  - name: train
    placement: { hosts: [host0, host1, host4, host5] }
    workload:
      training:
        architecture: { layers: 8, hidden: 2048, heads: 16, vocabulary: 32000 }
        parallel: { tensor: 8, pipeline: 2 }
        global_batch: 80
        sequence: 2048
        overlap: { data: false }
  - name: reduce
    placement: { hosts: [host2, host6] }
    workload: { collective: { op: all_reduce, bytes: 256MiB } }
)";
  const RunReport report = Simulate(kText);
  ASSERT_EQ(report.jobs.size(), 2u);
  const JobReport& job = report.jobs[0];
  ASSERT_TRUE(job.iteration.has_value());
  const auto sum = [](const TimeSplit& i) {
    return i.compute_s + i.bubble_s + i.fixed_s + i.tensor_s + i.pipeline_s + i.data_s +
           i.context_s + i.expert_s;
  };
  const std::size_t shown = report.links.seed - report.seed_numbers.front();
  EXPECT_NEAR(sum(job.iteration->split) / job.time_by_seed_s[shown], 1, 1e-9);
  EXPECT_NEAR(job.iteration->split.compute_s / job.iteration->alone.compute_s, 1, 1e-9);
  EXPECT_GE(job.slowdown.p5, 1 - 1e-9);
  EXPECT_GT(report.jobs[1].passes, 1);
  EXPECT_EQ(job.passes, 1);

  // More than 32 micro-batches: beside others every one is simulated, alone the last are counted.
  const RunReport one = Simulate(kText, {"jobs[1].placement.hosts=[host3]"});
  EXPECT_NEAR(one.jobs[0].slowdown.median, 1, 1e-12);  // nothing leaves host3
}

// SimGrid's solver takes the same two Programs at once, stopped at the same row.
TEST(Jobs, TakeAsLongOnSimgrid) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const std::vector<std::string> sets{fmt::format("routing.seed={}", seed)};
    constexpr const char* kText = R"(
fabric: { preset: hpn, segments: 2, planes: 1, hosts: 2 }
routing: { seeds: 1 }
coupling: loose
jobs:
  - { name: a, placement: { hosts: [host0, host2] }, repeat: 2,
      workload: { collective: { op: all_reduce, bytes: 64MiB, group: per_rail } } }
  - { name: b, placement: { hosts: [host1, host3] },
      workload: { traffic: { pattern: permutation, bytes: 20MB, seed: 3 } } }
)";
    std::vector<std::string> simgrid = sets;
    simgrid.push_back("engine=simgrid");
    const RunReport flow = Simulate(kText, sets), other = Simulate(kText, simgrid);
    for (std::size_t j = 0; j < 2; ++j) {
      EXPECT_NEAR(flow.jobs[j].time_s.median / other.jobs[j].time_s.median, 1, 1e-6);
      EXPECT_EQ(flow.jobs[j].passes, other.jobs[j].passes);
    }
  }
}

// One iteration may take ten days, and so may all passes that are asked for: beyond 106 days the
// clock has no number. Two jobs of nine days each; the second starts an hour later, so that the
// first has a pass under way and one more to do.
TEST(Jobs, AreRefusedWhereTheyEndAfterTheClock) {
  constexpr const char* kLong = R"(
fabric: { preset: hpn, segments: 1, hosts: 4 }
jobs:
  - name: first
    repeat: 1
    placement: { gpus: 16 }
    workload: &long
      training:
        architecture: { layers: 16, hidden: 4096, heads: 32, vocabulary: 32000 }
        parallel: { tensor: 8, pipeline: 2 }
        stage_times: { forward: 194400s, backward: 194400s }
        global_batch: 1
        sequence: 2048
        ignore_memory: true
        what_if: false
  - name: second
    placement: { gpus: 16, skip: 2 }
    workload: *long
)";
  const Result<PreparedScenario> fits = Try(kLong, {});
  ASSERT_TRUE(fits.has_value()) << fits.error().front().message;
  const double days = fits->jobs.front().alone->workload->training->closed_form_s / 86400;
  EXPECT_NEAR(days, 9, 0.01);
  const RunReport report = RunScenario(*fits, Patient());
  EXPECT_NEAR(report.jobs.front().time_s.median / 86400, days, 0.01 * days);
  for (const char* set :
       {"jobs[0].repeat=2", "jobs[0].repeat=12", "jobs[1].start=1h", "jobs[1].repeat=10000"}) {
    const Result<PreparedScenario> refused = Try(kLong, {set});
    ASSERT_FALSE(refused.has_value()) << set;
    EXPECT_THAT(refused.error().front().message, testing::HasSubstr("is done after"));
    EXPECT_GT(refused.error().front().pos.line, 0);
  }
  const Result<PreparedScenario> traffic =
      Try(kTwoPairs, {"jobs[0].workload={ traffic: { pattern: permutation, bytes: 100TB } }",
                      "jobs[0].repeat=500"});  // 2,000 s each
  ASSERT_FALSE(traffic.has_value());
  EXPECT_THAT(traffic.error().front().message,
              testing::HasSubstr("'long' is done after 11.57 days: 500 passes of 2000 s"));
}

// One pass of traffic is held to the ten days too, and one that no clock can time is not taken for
// one without a path. A start too late is named once, with the job that it makes the latest.
TEST(Jobs, AreRefusedWhereAPassOrAStartIsTooLate) {
  const auto long_of = [](const char* bytes) {
    return fmt::format("jobs[0].workload={{ traffic: {{ pattern: permutation, bytes: {} }} }}",
                       bytes);
  };
  const auto refused = [](std::vector<std::string> sets) {
    const Result<PreparedScenario> out = Try(kTwoPairs, sets);
    std::vector<std::string> messages;
    if (!out)
      for (const Error& error : out.error()) messages.push_back(error.message);
    return messages;
  };
  EXPECT_THAT(refused({long_of("43000TB"), "jobs[0].repeat=1"}), testing::IsEmpty());  // 9.95 days
  EXPECT_THAT(refused({long_of("100000TB"), "jobs[0].repeat=1"}),
              testing::ElementsAre("'long' is done after 23.15 days: 1 pass of 23.15 days"));
  for (const char* repeat : {"jobs[0].repeat=1", "jobs[0].repeat=2"})
    for (const char* start : {"jobs[1].start=0s", "jobs[1].start=1h"})
      EXPECT_THAT(refused({long_of("470000TB"), repeat, start}),
                  testing::ElementsAre("'long' takes more than 104 days for a pass"));
  EXPECT_THAT(refused({long_of("1000TB"), "jobs[0].repeat=1", "jobs[1].start=264h"}),
              testing::ElementsAre("'long' is done after 11.46 days: 2 passes of 20,000 s when all "
                                   "have started, after 11 days"));
}

// As long, but without a cable it is no matter of time: it runs, and says so.
TEST(Jobs, NameAPathThatIsMissing) {
  const RunReport report = Simulate(R"(
fabric:
  family: custom
  hosts: [{ count: 4, host: { gpus: 1, nics: 1 } }]
  switches: [{ name: leaf }]
  cables: [{ from: [host0/nic0, host1/nic0, host2/nic0], to: leaf }]
routing: { seeds: 1 }
jobs:
  - { name: cut, placement: { hosts: [host2, host3] },
      workload: { traffic: { pattern: permutation, bytes: 470000TB } } }
  - { name: whole, placement: { hosts: [host0, host1] },
      workload: { traffic: { pattern: permutation, bytes: 10MB } } }
)");
  EXPECT_THAT(report.incomplete, testing::ElementsAre("job cut: a queue pair has no path"));
}

// What is left when an engine stops is a matter of time only where something runs: rows that wait
// for each other alone never end.
TEST(AllBeyondTime, IsFalseOfRowsThatWaitForEachOther) {
  const Result<PreparedScenario> prepared = Try(kTwoPairs, {});
  ASSERT_TRUE(prepared.has_value());
  const PreparedScenario& alone = *prepared->jobs.front().alone;
  EXPECT_FALSE(AllBeyondTime(alone, 1, {{RowId{0}, RowId{1}}, {RowId{1}, RowId{0}}}));
  EXPECT_TRUE(AllBeyondTime(alone, 1, {{RowId{0}, kNoRow}}));
  EXPECT_TRUE(AllBeyondTime(alone, 1, {{RowId{0}, kNoRow}, {RowId{1}, RowId{0}}}));
}

TEST(Jobs, AreRefusedWhereTheyCannotBe) {
  for (const auto& [set, text] :
       {std::pair{"jobs[1].placement.hosts=[host2, host3]", "is a GPU of job 'long' already"},
        {"jobs[1].name=long", "two jobs are called 'long'"},
        {"workload={ traffic: { pattern: incast, bytes: 1MB } }", "stands beside 'jobs'"},
        {"placement.gpus=2", "stands beside 'jobs'"},
        {"faults=[{ at: 1ms, link: host0/nic0/port0, state: down }]", "stands beside 'jobs'"},
        {"engine=analytic", "knows of no others"},
        {"jobs[1].start=1h",
         "up to 1,799,665 passes until then, and at most 100,000 are simulated"},
        {"published=[{ figure: slowdown, job: nobody, share: 1%, source: x }]",
         "no job is called 'nobody'"},
        {"jobs[1].placement.hosts=[host9]", "there is no host 'host9'"}}) {
    const Result<PreparedScenario> prepared = Try(kTwoPairs, {set});
    ASSERT_FALSE(prepared.has_value()) << set;
    EXPECT_THAT(prepared.error().front().message, testing::HasSubstr(text));
    EXPECT_GT(prepared.error().front().pos.line, 0);
  }
}

}  // namespace
}  // namespace weft
